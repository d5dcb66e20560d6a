/* SPDX-License-Identifier: MIT */
/* top — who has most of the bytes: rows of the view summed by host, pair, port, service, pattern or
 * anomaly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/inside.h"

enum by { BY_HOST, BY_PAIR, BY_PORT, BY_SERVICE, BY_PATTERN, BY_ANOMALY };

#define GROUPS   (1U << 18) /* those beyond are left out */
#define TOP_MOST 200U       /* rows of an answer */

struct group {
	uint8_t key[33];
	bool used;
	uint64_t packets, bytes, streams, matches;
};

struct tally {
	struct group *at;
	uint32_t n;
};

static void add_as(struct tally *t, const uint8_t *key, size_t n, const struct news_stream *s,
		   uint64_t matches)
{
	uint64_t h = 14695981039346656037ULL;
	uint8_t full[33] = {0};
	struct group *g;

	memcpy(full, key, n);
	for (size_t i = 0; i < sizeof(full); i++)
		h = (h ^ full[i]) * 1099511628211ULL;
	for (uint32_t i = (uint32_t)(h ^ h >> 32) & (2 * GROUPS - 1);;
	     i = (i + 1) & (2 * GROUPS - 1)) {
		g = &t->at[i];
		if (!g->used) {
			if (t->n == GROUPS)
				return;
			t->n++;
			g->used = true;
			memcpy(g->key, full, sizeof(full));
		}
		if (memcmp(g->key, full, sizeof(full)) == 0)
			break;
	}
	g->packets += s->packets[0] + s->packets[1];
	g->bytes += s->bytes[0] + s->bytes[1];
	g->streams++;
	g->matches += matches;
}

static void add(struct tally *t, const uint8_t *key, size_t n, const struct news_stream *s)
{
	add_as(t, key, n, s, s->matches);
}

/* Of those that are kept. */
static uint64_t matches_of(const struct view *v, uint32_t row, uint32_t signature)
{
	const struct found_match *m;
	uint32_t cursor = 0;
	uint64_t n = 0;

	while ((m = found_next(&v->found, &v->rows, row, &cursor)))
		n += m->m.signature == signature;
	return n;
}

static void add_hosts(struct tally *t, const struct news_stream *s, bool pair)
{
	uint8_t key[33] = {0};

	key[0] = s->key.v6;
	if (pair) {
		memcpy(key + 1, s->key.lo, 16);
		memcpy(key + 17, s->key.hi, 16);
		add(t, key, 33, s);
		return;
	}
	memcpy(key + 1, s->key.lo, 16);
	add(t, key, 17, s);
	memcpy(key + 1, s->key.hi, 16);
	if (memcmp(s->key.lo, s->key.hi, 16) != 0)
		add(t, key, 17, s);
}

static void add_row(struct api *a, struct tally *t, enum by by, uint32_t row)
{
	const struct news_stream *s = &a->view.rows.row[row].s;
	const struct found_pattern *p;
	uint8_t key[8] = {0};
	uint32_t cursor = 0;
	uint16_t port = s->client_hi ? s->key.lo_port : s->key.hi_port; /* the server's */

	switch (by) {
	case BY_HOST:
	case BY_PAIR:
		add_hosts(t, s, by == BY_PAIR);
		break;
	case BY_PORT:
		if (proto_has_ports(s->key.proto)) {
			key[0] = s->key.proto;
			memcpy(key + 1, &port, 2);
			add(t, key, 3, s);
		}
		break;
	case BY_SERVICE:
		key[0] = s->service.name;
		add(t, key, 1, s);
		break;
	case BY_PATTERN:
		while ((p = found_of_row(&a->view.found, &a->view.rows, row, &cursor))) {
			memcpy(key, &p->signature, 4);
			add_as(t, key, 4, s, matches_of(&a->view, row, p->signature));
		}
		break;
	case BY_ANOMALY:
		for (uint64_t bits = s->anomalies; bits; bits &= bits - 1) {
			key[0] = (uint8_t)__builtin_ctzll(bits);
			add(t, key, 1, s);
		}
		break;
	}
}

static void name_group(struct api *a, enum by by, const struct group *g, char *out, size_t size)
{
	static const char *const anomalies[] = {
#define ANOMALY_NAME(name, event, type, help) event,
		ANOMALIES(ANOMALY_NAME)
#undef ANOMALY_NAME
	};
	const struct found_pattern *p;
	char lo[48], hi[48];
	uint32_t signature;
	uint16_t port;

	switch (by) {
	case BY_HOST:
		address_text(out, size, g->key + 1, g->key[0]);
		break;
	case BY_PAIR:
		address_text(lo, sizeof(lo), g->key + 1, g->key[0]);
		address_text(hi, sizeof(hi), g->key + 17, g->key[0]);
		snprintf(out, size, "%s %s", lo, hi);
		break;
	case BY_PORT:
		memcpy(&port, g->key + 1, 2);
		snprintf(out, size, "%u/%s", port,
			 g->key[0] == 6    ? "tcp"
			 : g->key[0] == 17 ? "udp"
					   : "sctp");
		break;
	case BY_SERVICE:
		snprintf(out, size, "%s", service_name_text((enum service_name)g->key[0]));
		break;
	case BY_PATTERN:
		memcpy(&signature, g->key, 4);
		snprintf(lo, sizeof(lo), "%u", signature);
		p = found_named(&a->view.found, lo, strlen(lo));
		snprintf(out, size, "%s", p ? p->name : lo);
		break;
	case BY_ANOMALY:
		snprintf(out, size, "%s", anomalies[g->key[0]]);
		break;
	}
}

static bool is_larger(const struct group *x, const struct group *y)
{
	return x->bytes != y->bytes ? x->bytes > y->bytes
				    : memcmp(x->key, y->key, sizeof(x->key)) < 0;
}

/* The largest, largest first: how many. */
static uint32_t pick(const struct tally *t, const struct group *top[TOP_MOST], uint64_t limit)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 2 * GROUPS; i++) {
		const struct group *g = &t->at[i];
		uint32_t at = n;

		if (!g->used || (n == limit && !is_larger(g, top[n - 1])))
			continue;
		while (at && is_larger(g, top[at - 1]))
			at--;
		if (n < limit)
			n++;
		for (uint32_t k = n - 1; k > at; k--)
			top[k] = top[k - 1];
		top[at] = g;
	}
	return n;
}

void top_get(struct api *a, struct call *c)
{
	static struct filter f;
	enum by by = (enum by)call_value(c, "by")->number;
	uint64_t limit = call_value(c, "limit")->number;
	struct tally t = {.at = calloc(2UL * GROUPS, sizeof(*t.at))};
	struct out *o = &c->out;
	const struct group *top[TOP_MOST];
	char name[128];
	uint32_t n;

	if (!t.at) {
		call_error(c, 503, NULL, "out of memory");
		return;
	}
	filter_init(&f);
	f.since_ns = call_value(c, "since")->number;
	f.until_ns = call_value(c, "until")->number;
	f.by_until = call_value(c, "until")->text;
	filter_run(&f, &a->view.rows, &a->view.found, a->view.bits);
	for (uint32_t w = 0; w < (a->view.rows.n + 63) / 64; w++)
		for (uint64_t left = a->view.bits[w]; left; left &= left - 1)
			add_row(a, &t, by, 64 * w + (uint32_t)__builtin_ctzll(left));
	n = pick(&t, top, limit);
	out_object(o, NULL);
	out_text(o, "by", call_value(c, "by")->text);
	out_array(o, "rows");
	for (uint32_t i = 0; i < n; i++) {
		name_group(a, by, top[i], name, sizeof(name));
		out_object(o, NULL);
		out_text(o, "name", name);
		out_u64(o, "packets", top[i]->packets);
		out_u64(o, "bytes", top[i]->bytes);
		out_u64(o, "streams", top[i]->streams);
		out_u64(o, "matches", top[i]->matches);
		out_end_object(o);
	}
	out_end_array(o);
	out_end_object(o);
	free(t.at);
	call_reply(c, 200);
}
