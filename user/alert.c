/* SPDX-License-Identifier: MIT */
/* alert — see alert.h. */
#include "user/alert.h"

#include <errno.h>
#include <stdlib.h>

#include "user/shard.h"
#include "user/tell.h"

static struct alert_body *body_of(const struct alerts *a, uint32_t row)
{
	return (struct alert_body *)a->bodies.base + row;
}

static struct alert_stream *stream_of(const struct alerts *a, uint32_t slot)
{
	return (struct alert_stream *)a->streams.base + slot;
}

/* Rows: two directions of each slot; for bodies twice two, the second for those that come aside. */
#define ROWS      2U
#define BODY_ROWS 4U

#define KEPT_MAX (1UL << 22)

static void on_match(struct shard *s, const struct scan_match *m, bool decoded)
{
	uint32_t slot = m->row / (decoded ? BODY_ROWS : ROWS);
	const struct flow *f = &s->flows.flow[slot];
	const struct stream *st = inventory_at(&s->inventory, slot);
	uint8_t a_dir = st->flags & STREAM_CLIENT_HI ? 1 : 0;
	struct event_match e = {.match = m, .a_to_b = (m->row & 1) == a_dir, .decoded = decoded};

	if (!pattern_wants(m->pattern, e.a_to_b, st->service.name, f->lo_port, f->hi_port)) {
		s->alerts.refused++;
		return;
	}
	if (decoded)
		e.tx_id = body_of(&s->alerts, m->row)->tx_id;
	stream_of(&s->alerts, slot)->matches++;
	if (watch_is(s, slot) && !decoded)
		watch_match(s, m);
	if (s->archive.on)
		archive_match(s, slot, &e);
	tell_match(s, slot, &e);
}

static struct shard *shard_of_stream(struct scan_host *host)
{
	return (struct shard *)((char *)host - offsetof(struct shard, alerts.stream_host));
}

static struct shard *shard_of_body(struct scan_host *host)
{
	return (struct shard *)((char *)host - offsetof(struct shard, alerts.body_host));
}

static void on_stream_match(struct scan_host *host, const struct scan_match *m)
{
	on_match(shard_of_stream(host), m, false);
}

static void on_body_match(struct scan_host *host, const struct scan_match *m)
{
	on_match(shard_of_body(host), m, true);
}

static size_t fetch_stream(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst,
			   size_t n)
{
	struct shard *s = shard_of_stream(host);
	uint32_t slot = row / ROWS;
	const struct tcp_conn *c = &s->tcp.conn[slot];
	struct content_view v;

	if (s->flows.flow[slot].proto != 6)
		return 0;
	v = content_view(&s->content, slot, c->dir[0].off, c->dir[1].off);
	return content_read(&s->content, &v, row & 1, off, dst, n);
}

static size_t fetch_body(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst, size_t n)
{
	const struct alert_body *b = body_of(&shard_of_body(host)->alerts, row);

	if (off > b->end || b->end - off > b->len)
		return 0;
	if (n > b->end - off)
		n = (size_t)(b->end - off);
	memcpy(dst, b->carry + b->len - (b->end - off), n);
	return n;
}

int alert_open(struct shard *s, const struct shard_run *run)
{
	struct alerts *a = &s->alerts;
	/* As many as may be told: some 300 bytes each, touched as they come; 1.3 GB at most. */
	uint64_t kept = s->conf->matches_total < KEPT_MAX ? s->conf->matches_total : KEPT_MAX;
	struct scan_conf conf = {
		.rows = ROWS * run->slots,
		.matches = (uint32_t)(kept / s->conf->workers) + 1,
		.per_row = (uint16_t)s->conf->matches_per_stream,
		.total = run->matches,
	};
	uint32_t carries = 65536 / s->conf->workers; /* 80 MB at most */
	int err;

	if (run->live || source_live(run->source)) {
		a->quiet = calloc(ALERT_QUIET, sizeof(*a->quiet));
		if (!a->quiet)
			return -ENOMEM;
	}
	a->stream_host = (struct scan_host){.match = on_stream_match, .fetch = fetch_stream};
	a->body_host = (struct scan_host){.match = on_body_match, .fetch = fetch_body};
	err = scan_open(&a->stream, &conf, &a->stream_host);
	conf.sparse = true;
	conf.rows = BODY_ROWS * run->slots;
	if (err == 0)
		err = scan_open(&a->body, &conf, &a->body_host);
	if (err == 0)
		err = slots_open(&a->bodies, sizeof(struct alert_body), conf.rows);
	if (err == 0)
		err = slots_open(&a->streams, sizeof(struct alert_stream), run->slots);
	if (err == 0)
		err = alert_use(s, run->patterns);
	if (err == 0)
		err = pack_open(&a->stream_pack, &s->conf->pack, &a->stream, ROWS * run->slots,
				carries);
	if (err == 0)
		err = pack_open(&a->body_pack, &s->conf->pack, &a->body, conf.rows, carries);
	a->on |= s->conf->pack.packs && conf.per_row;
	return err;
}

int alert_use(struct shard *s, const struct pattern_set *set)
{
	struct alerts *a = &s->alerts;
	int err = scan_use(&a->stream, set);

	a->set = set;
	a->on |= set != NULL; /* once on, streams are counted */
	return err < 0 ? err : scan_use(&a->body, set);
}

bool alert_retire(struct shard *s, uint32_t rows)
{
	bool done = scan_retire(&s->alerts.stream, rows);

	return scan_retire(&s->alerts.body, rows) && done;
}

void alert_close(struct shard *s)
{
	scan_close(&s->alerts.stream);
	scan_close(&s->alerts.body);
	pack_close(&s->alerts.stream_pack);
	pack_close(&s->alerts.body_pack);
	slots_close(&s->alerts.bodies);
	slots_close(&s->alerts.streams);
	free(s->alerts.quiet);
}

void alert_start(struct shard *s, uint32_t slot)
{
	slots_reach(&s->alerts.streams, slot);
	*stream_of(&s->alerts, slot) = (struct alert_stream){0};
}

static void settle_oldest(struct alerts *a)
{
	const struct alert_quiet *q = &a->quiet[a->quiet_at];

	scan_settle(q->body ? &a->body : &a->stream, q->row, q->end);
	if (a->stream_pack.conf->packs)
		pack_settle(q->body ? &a->body_pack : &a->stream_pack, q->row, q->end);
	a->quiet_at = (a->quiet_at + 1) % ALERT_QUIET;
	a->quiet_n--;
}

void alert_settle(struct shard *s, uint64_t clock_ns)
{
	struct alerts *a = &s->alerts;

	while (a->quiet_n && a->quiet[a->quiet_at].clock_ns + ALERT_QUIET_NS <= clock_ns)
		settle_oldest(a);
}

/* It may have come to this end for good. */
static void note_quiet(struct shard *s, bool body, uint32_t row, uint64_t end)
{
	struct alerts *a = &s->alerts;

	if (a->quiet_n == ALERT_QUIET)
		settle_oldest(a);
	a->quiet[(a->quiet_at + a->quiet_n++) % ALERT_QUIET] =
		(struct alert_quiet){.end = end, .clock_ns = s->clock_ns, .row = row, .body = body};
}

static void feed(struct shard *s, struct scan *scan, struct pack *pack, uint32_t row, uint64_t off,
		 struct span bytes)
{
	if (scan_is_on(scan))
		scan_feed(scan, row, off, bytes, s->ns, s->number);
	if (pack->conf->packs)
		pack_feed(pack, row, off, bytes, s->ns, s->number);
	if (s->alerts.quiet &&
	    (scan_waits(scan, row) || (pack->conf->packs && pack_waits(pack, row))))
		note_quiet(s, scan == &s->alerts.body, row, off + span_len(bytes));
}

static void end(struct shard *s, struct scan *scan, struct pack *pack, uint32_t row)
{
	if (scan_is_on(scan))
		scan_end(scan, row, s->ns, s->number);
	if (pack->conf->packs)
		pack_end(pack, row);
}

void alert_feed(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off, struct span bytes)
{
	feed(s, &s->alerts.stream, &s->alerts.stream_pack, ROWS * slot + dir, off, bytes);
}

void alert_body(struct shard *s, uint32_t slot, uint8_t dir, const struct parse_body *p)
{
	uint32_t row = BODY_ROWS * slot + (p->aside ? 2 : 0) + dir;
	struct alert_body *b = body_of(&s->alerts, row);
	size_t n = span_len(p->bytes);

	stream_of(&s->alerts, slot)->bodies = true;
	if (p->last) {
		end(s, &s->alerts.body, &s->alerts.body_pack, row);
		return;
	}
	if (p->off == 0 || b->tx_id != p->tx_id) { /* a hole may come first */
		end(s, &s->alerts.body, &s->alerts.body_pack, row);
		*b = (struct alert_body){.tx_id = p->tx_id};
	}
	feed(s, &s->alerts.body, &s->alerts.body_pack, row, p->off + p->hole, p->bytes);
	if (n >= ALERT_CARRY) {
		memcpy(b->carry, p->bytes.end - ALERT_CARRY, ALERT_CARRY);
		b->len = ALERT_CARRY;
	} else {
		size_t keep = b->len + n > ALERT_CARRY ? ALERT_CARRY - n : b->len;

		memmove(b->carry, b->carry + b->len - keep, keep);
		memcpy(b->carry + keep, p->bytes.at, n);
		b->len = (uint32_t)(keep + n);
	}
	b->end = p->off + p->hole + n;
}

void alert_ended(struct shard *s, uint32_t slot, uint8_t dir)
{
	struct alert_stream *a = stream_of(&s->alerts, slot);

	if (a->ended >> dir & 1)
		return;
	a->ended |= (uint8_t)(1U << dir);
	end(s, &s->alerts.stream, &s->alerts.stream_pack, ROWS * slot + dir);
}

void alert_end(struct shard *s, uint32_t slot)
{
	if (stream_of(&s->alerts, slot)->bodies)
		for (uint32_t i = 0; i < BODY_ROWS; i++)
			end(s, &s->alerts.body, &s->alerts.body_pack, BODY_ROWS * slot + i);
	for (uint32_t i = 0; i < ROWS; i++)
		end(s, &s->alerts.stream, &s->alerts.stream_pack, ROWS * slot + i);
}

uint32_t alert_count(const struct shard *s, uint32_t slot)
{
	return s->alerts.on ? stream_of(&s->alerts, slot)->matches : 0;
}

void alert_prefetch(const struct shard *s, uint32_t slot, uint8_t dir)
{
	if (scan_is_on(&s->alerts.stream))
		scan_prefetch(&s->alerts.stream, ROWS * slot + dir);
}
