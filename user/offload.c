/* SPDX-License-Identifier: MIT */
/* offload — see offload.h. */
#include "user/offload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/shard.h"
#include "user/source/verdicts.h"

#define OFFLOAD_NONE UINT32_MAX
#define REACH        (1U << 24)  /* bytes that may be missing beside those kept back */
#define LINGER_NS    50000000ULL /* of the capture clock: longer than a row needs to settle */

int offload_open(struct shard *s, uint32_t slots)
{
	const struct conf *conf = s->conf;
	const struct verdicts *v = s->offload.live ? live_verdicts(s->offload.live) : NULL;
	uint32_t each, first;
	int err;

	if (!v)
		return 0;
	each = v->rows / conf->workers;
	first = each * s->index;
	err = slots_open(&s->offload.mem, sizeof(struct offload_flow), slots);
	s->offload.flow = (struct offload_flow *)s->offload.mem.base;
	s->offload.free = calloc(each, sizeof(*s->offload.free));
	s->offload.settling = calloc(each, sizeof(*s->offload.settling));
	if (err < 0 || !s->offload.free || !s->offload.settling)
		return err < 0 ? err : -ENOMEM;
	for (uint32_t i = 0; i < each; i++)
		s->offload.free[i] = first + each - 1 - i;
	s->offload.frees = s->offload.rows = each;
	s->offload.verdict = (enum rm_offload)conf->offload;
	s->offload.on = true;
	return 0;
}

void offload_close(struct shard *s)
{
	slots_close(&s->offload.mem);
	free(s->offload.free);
	free(s->offload.settling);
}

/* ---- verdicts ---- */

static void id_of(const struct shard *s, uint32_t slot, struct rm_flow_id *id)
{
	struct flow_key k;

	flow_key_at(&s->flows, slot, &k);
	*id = (struct rm_flow_id){
		.tuple = {.ports = (uint32_t)k.lo_port << 16 | k.hi_port, .proto = k.proto},
		.layers = k.ip_layers | (k.v6 ? 1U << 8 : 0),
	};
	memcpy(k.v6 ? &id->tuple.lo[0] : &id->tuple.lo[3], k.lo, k.v6 ? 16 : 4);
	memcpy(k.v6 ? &id->tuple.hi[0] : &id->tuple.hi[3], k.hi, k.v6 ? 16 : 4);
}

/* From now on the kernel keeps back what this direction carries. */
static void set(struct shard *s, uint32_t slot, uint8_t dir)
{
	const struct verdicts *v = live_verdicts(s->offload.live);
	struct offload_flow *o = &s->offload.flow[slot];
	struct rm_verdict verdict;
	struct rm_flow_id id;

	if (o->what[dir] != RM_FULL || o->refused || o->ending)
		return;
	if (o->row == OFFLOAD_NONE) {
		if (s->offload.frees == 0) {
			o->refused = true;
			s->offload.counts.refused++;
			return;
		}
		o->row = s->offload.free[--s->offload.frees];
		verdicts_read(v, o->row, &o->base);
		s->offload.counts.flows++;
	}
	o->what[dir] = (uint8_t)s->offload.verdict;
	id_of(s, slot, &id);
	verdict = (struct rm_verdict){.row = o->row, .what = {o->what[0], o->what[1]}};
	if (!verdicts_set(v, &id, &verdict)) {
		o->what[dir] = RM_FULL;
		o->refused = true;
		s->offload.counts.refused++;
	}
}

static bool by_rule(const struct conf *conf, const struct flow *f)
{
	for (uint32_t i = 0; i < conf->offload_ports; i++)
		if (f->lo_port == conf->offload_port[i] || f->hi_port == conf->offload_port[i])
			return true;
	return false;
}

void offload_start(struct shard *s, uint32_t slot)
{
	const struct flow *f = &s->flows.flow[slot];

	slots_reach(&s->offload.mem, slot);
	s->offload.flow[slot] = (struct offload_flow){.row = OFFLOAD_NONE};
	if ((f->proto == 6 || f->proto == 17) && by_rule(s->conf, f)) {
		set(s, slot, 0);
		set(s, slot, 1);
	}
}

void offload_feed(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off, struct span bytes)
{
	struct offload_flow *o = &s->offload.flow[slot];
	uint64_t depth = s->conf->stream_depth, end = off + span_len(bytes), from;

	if (depth && end >= depth)
		set(s, slot, dir);
	if (ciphertext_done(&o->tracker) && o->what[0] && o->what[1])
		return;
	ciphertext_feed(&o->tracker, dir, bytes);
	for (uint8_t i = 0; i < 2; i++)
		if (o->what[i] == RM_FULL && ciphertext_from(&o->tracker, i, &from))
			set(s, slot, i);
}

void offload_gap(struct shard *s, uint32_t slot, uint8_t dir)
{
	ciphertext_gap(&s->offload.flow[slot].tracker, dir);
}

/* ---- what the kernel counted ---- */

/* Adds what is new in the row to the flow; true where packets came. */
static bool catch_up(struct shard *s, uint32_t slot)
{
	struct offload_flow *o = &s->offload.flow[slot];
	struct flow *f = &s->flows.flow[slot];
	struct rm_offload_row now;
	bool any = false;

	if (o->row == OFFLOAD_NONE)
		return false;
	verdicts_read(live_verdicts(s->offload.live), o->row, &now);
	for (int dir = 0; dir < 2; dir++) {
		uint64_t packets = now.packets[dir] - o->base.packets[dir];
		uint64_t bytes = now.bytes[dir] - o->base.bytes[dir];
		uint64_t payload = now.payload_bytes[dir] - o->base.payload_bytes[dir];
		uint64_t last_ns = live_wall_ns(s->offload.live, now.last_ns[dir]);

		/* A row is read while the kernel is at it: bytes may follow their packet. */
		any |= packets || bytes || payload;
		f->packets[dir] += packets;
		f->bytes[dir] += bytes;
		f->payload_bytes[dir] += payload;
		s->counts.payload_bytes += payload;
		o->packets[dir] += packets;
		o->bytes[dir] += bytes;
		o->unskipped[dir] += payload;
		if (packets && last_ns > f->last_ns)
			f->last_ns = last_ns;
	}
	o->base = now;
	return any;
}

bool offload_skip_rest(struct shard *s, uint32_t slot, uint8_t dir)
{
	struct offload_flow *o = &s->offload.flow[slot];
	uint64_t n = o->unskipped[dir];

	o->unskipped[dir] = 0;
	if (n)
		tcp_skip(&s->tcp, slot, dir, n);
	return n > 0;
}

/* The segment tells where the stream is now, modulo 2^32; the kernel's count tells the rest.
 * Retransmissions were counted too: the stream never goes beyond the segment. */
static bool skip_to(struct shard *s, uint32_t slot, uint8_t dir, const uint8_t *l4, uint64_t ts_ns)
{
	struct offload_flow *o = &s->offload.flow[slot];
	uint32_t ahead = load_be32(l4 + 4) - s->tcp.conn[slot].dir[dir].next;
	uint64_t n = o->unskipped[dir];

	/* nothing, or a copy of older bytes, or a number that was made up */
	if (n == 0 || ahead > n + REACH)
		return false;
	if (!(l4[13] & (TCP_FIN | TCP_RST)) &&
	    ts_ns < live_wall_ns(s->offload.live, o->base.last_ns[dir])) {
		/* It waited in a ring while packets behind it were counted: these come later.
		 * Behind the end nothing comes, and the two clocks may differ by a packet. */
		o->unskipped[dir] = n > ahead ? n - ahead : 0;
		n = ahead;
	} else {
		o->unskipped[dir] = 0;
		n = ahead + (n > ahead ? (n - ahead + (1ULL << 31)) >> 32 << 32 : 0);
	}
	if (n)
		tcp_skip(&s->tcp, slot, dir, n);
	return n > 0;
}

bool offload_packet(struct shard *s, uint32_t slot, uint8_t dir, const struct packet *p,
		    uint64_t ts_ns)
{
	struct offload_flow *o = &s->offload.flow[slot];
	const uint8_t *l4 = s->block->buf + p->l3 + p->l4;

	if (o->row == OFFLOAD_NONE || s->offload.verdict != RM_COUNT)
		return false;
	catch_up(s, slot);
	return p->proto == 6 && !(l4[13] & TCP_SYN) && skip_to(s, slot, dir, l4, ts_ns);
}

/* ---- the end of an entry ---- */

static void take_back(struct shard *s, uint32_t slot)
{
	struct offload_flow *o = &s->offload.flow[slot];
	struct rm_flow_id id;

	id_of(s, slot, &id);
	verdicts_clear(live_verdicts(s->offload.live), &id);
	o->what[0] = o->what[1] = RM_FULL;
	o->ending = true;
	o->ending_ns = clock_ns();
}

bool offload_alive(struct shard *s, uint32_t slot, uint64_t clock_ns_)
{
	struct offload_flow *o = &s->offload.flow[slot];
	uint64_t last_ns;

	if (o->row == OFFLOAD_NONE)
		return false;
	if (catch_up(s, slot)) {
		last_ns = s->flows.flow[slot].last_ns;
		if (last_ns > s->flows.flow[slot].last_clock_ns) {
			flow_touch(&s->flows, slot, last_ns < clock_ns_ ? last_ns : clock_ns_);
			return true;
		}
	}
	if (!o->ending)
		take_back(s, slot);
	else if (clock_ns() - o->ending_ns >= OFFLOAD_SETTLE_NS)
		return false;
	flow_linger(&s->flows, slot, clock_ns_, LINGER_NS);
	return true;
}

static uint64_t packets_in(const struct rm_offload_row *r)
{
	return r->packets[0] + r->packets[1];
}

void offload_end(struct shard *s, uint32_t slot)
{
	struct offload_flow *o = &s->offload.flow[slot];
	struct offload *all = &s->offload;
	uint32_t at;

	if (o->row == OFFLOAD_NONE)
		return;
	if (!o->ending)
		take_back(s, slot);
	catch_up(s, slot);
	at = (all->first + all->settlings++) % all->rows;
	all->settling[at] = (struct offload_settling){o->row, o->ending_ns, packets_in(&o->base)};
	o->row = OFFLOAD_NONE;
}

void offload_settle(struct shard *s)
{
	struct offload *all = &s->offload;
	uint64_t now = all->settlings ? clock_ns() : 0;
	struct rm_offload_row row;

	while (all->settlings && now - all->settling[all->first].since_ns >= OFFLOAD_SETTLE_NS) {
		struct offload_settling *it = &all->settling[all->first];

		verdicts_read(live_verdicts(all->live), it->row, &row);
		all->counts.late += packets_in(&row) - it->packets;
		all->free[all->frees++] = it->row;
		all->first = (all->first + 1) % all->rows;
		all->settlings--;
	}
}
