/* SPDX-License-Identifier: MIT */
/* summary — see summary.h. */
#include "user/summary.h"

/* Ties are broken by id, so that any number of workers shows the same. */
static bool larger(const struct summary_conversation *a, const struct summary_conversation *b)
{
	return a->bytes != b->bytes ? a->bytes > b->bytes : a->id < b->id;
}

static void top_add(struct summary *s, const struct summary_conversation *c)
{
	uint32_t at = s->tops;

	if (at == SUMMARY_TOP) {
		if (!larger(c, &s->top[SUMMARY_TOP - 1]))
			return;
		at--;
	} else {
		s->tops++;
	}
	while (at > 0 && larger(c, &s->top[at - 1])) {
		s->top[at] = s->top[at - 1];
		at--;
	}
	s->top[at] = *c;
}

static void sum_add(struct summary_sum *all, const struct summary_sum *one)
{
	all->flows += one->flows;
	all->packets += one->packets;
	all->bytes += one->bytes;
	all->payload += one->payload;
}

void summary_flow(struct summary *s, const struct event_stream *e)
{
	uint64_t packets = e->dir[0].packets + e->dir[1].packets;
	uint64_t bytes = e->dir[0].bytes + e->dir[1].bytes;
	uint64_t payload = e->dir[0].payload_bytes + e->dir[1].payload_bytes;
	uint8_t proto = e->head.key.proto;

	s->service[e->service.name].streams++;
	s->service[e->service.name].packets += packets;
	s->service[e->service.name].bytes += bytes;
	sum_add(proto == 6                  ? &s->tcp
		: proto == 17               ? &s->udp
		: proto == 1 || proto == 58 ? &s->icmp
					    : &s->other,
		&(struct summary_sum){1, packets, bytes, payload});
	s->closed += e->status == STREAM_CLOSED;
	s->reset += e->status == STREAM_RESET;
	s->timeout += e->status == STREAM_TIMEOUT;
	s->open += e->status == STREAM_OPEN || e->status == STREAM_CLOSING;
	if (e->has_anomalies)
		for (int i = 0; i < ANOMALY_COUNT; i++)
			s->anomaly[i] += e->anomaly[i];
	if (s->tops == SUMMARY_TOP && bytes < s->top[SUMMARY_TOP - 1].bytes)
		return;
	top_add(s, &(struct summary_conversation){.key = e->head.key,
						  .client_hi = e->head.src_hi,
						  .service = e->service.name,
						  .bytes = bytes,
						  .packets = packets,
						  .id = e->head.stream_id});
}

static void hit_add(struct summary *s, const struct summary_hit *h)
{
	uint32_t at = s->hits;

	while (at > 0 && s->hit[at - 1].number > h->number)
		at--;
	if (at == SUMMARY_HITS)
		return;
	s->hits += s->hits < SUMMARY_HITS;
	memmove(&s->hit[at + 1], &s->hit[at], (s->hits - 1 - at) * sizeof(*h));
	s->hit[at] = *h;
}

static void printable(char *to, size_t size, const uint8_t *at, size_t n)
{
	size_t i = 0;

	for (; i < n && i + 1 < size; i++)
		to[i] = at[i] >= 0x20 && at[i] < 0x7f ? (char)at[i] : '.';
	to[i] = 0;
}

void summary_match(struct summary *s, const struct event_match *e)
{
	const struct scan_match *m = e->match;
	struct summary_hit h = {.number = m->number,
				.stream = e->head.stream_id,
				.from = m->from,
				.a_to_b = e->a_to_b,
				.decoded = e->decoded};

	s->matches++;
	if (s->hits == SUMMARY_HITS && s->hit[SUMMARY_HITS - 1].number <= h.number)
		return;
	printable(h.name, sizeof(h.name), (const uint8_t *)m->pattern->name,
		  strlen(m->pattern->name));
	printable(h.text, sizeof(h.text), m->bytes.at, span_len(m->bytes));
	hit_add(s, &h);
}

void summary_join(struct summary *all, const struct summary *one)
{
	for (int i = 0; i < SERVICE_COUNT; i++) {
		all->service[i].streams += one->service[i].streams;
		all->service[i].packets += one->service[i].packets;
		all->service[i].bytes += one->service[i].bytes;
	}
	sum_add(&all->tcp, &one->tcp);
	sum_add(&all->udp, &one->udp);
	sum_add(&all->icmp, &one->icmp);
	sum_add(&all->other, &one->other);
	for (int i = 0; i < ANOMALY_COUNT; i++)
		all->anomaly[i] += one->anomaly[i];
	for (uint32_t i = 0; i < one->tops; i++)
		top_add(all, &one->top[i]);
	all->reset += one->reset;
	all->timeout += one->timeout;
	all->closed += one->closed;
	all->open += one->open;
	all->matches += one->matches;
	for (uint32_t i = 0; i < one->hits; i++)
		hit_add(all, &one->hit[i]);
}
