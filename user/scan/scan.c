/* SPDX-License-Identifier: MIT */
/* scan — see scan.h. */
#include "user/scan/scan.h"

#include <errno.h>
#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

/* A match of a row, told or waiting. */
struct found {
	uint32_t next;   /* + 1, 0 = end */
	uint16_t have;   /* of the bytes */
	bool told, gone; /* gone: not all of the bytes could be had */
	const struct pattern *pattern;
	uint64_t from, to, first; /* first: the first end that was reported */
	uint64_t ts_ns, number;
	uint8_t bytes[SCAN_BYTES];
};

/* vectorscan 5.4.9 picks its code by the processor, and what it has for AVX2 and AVX-512 loses
 * matches (`c.` behind 64 bytes, say; tests/test_scan_any.c has more).  What it has for SSE4.2
 * loses none and is as fast for us; it has names of its own where the library was built for
 * several. */
__attribute__((weak)) hs_error_t corei7_hs_open_stream(const hs_database_t *db, unsigned flags,
						       hs_stream_t **stream);
__attribute__((weak)) hs_error_t corei7_hs_scan_stream(hs_stream_t *stream, const char *at,
						       unsigned n, unsigned flags,
						       hs_scratch_t *scratch,
						       match_event_handler on, void *context);
__attribute__((weak)) hs_error_t corei7_hs_close_stream(hs_stream_t *stream, hs_scratch_t *scratch,
							match_event_handler on, void *context);

#define SURE(name) (corei7_##name ? corei7_##name : (name))

/* vectorscan asks a process-wide allocator for a stream's state, and passes nothing on: the place
 * in the slab is laid down here right before hs_open_stream, by the same thread. */
static _Thread_local uint8_t *room_for_state;

static void *state_alloc(size_t n)
{
	(void)n; /* hs_stream_size */
	return room_for_state;
}

static void state_free(void *state)
{
	(void)state; /* of the slab */
}

static struct scan_row *row_at(const struct scan_book *b, uint32_t row)
{
	return (struct scan_row *)(b->rows.base + row * b->rows.stride);
}

static struct found *found_at(const struct scan *s, uint32_t entry)
{
	return (struct found *)s->pool.base + (entry - 1);
}

static hs_stream_t *state_of(struct scan_row *row)
{
	return (hs_stream_t *)(row + 1);
}

int scan_open(struct scan *s, const struct scan_conf *conf, struct scan_host *host)
{
	*s = (struct scan){.conf = *conf, .host = host};
	s->lease = (struct lease){.from = conf->total, .step = 256};
	return slots_open(&s->pool, sizeof(struct found), conf->matches);
}

static void leave_book(struct scan_book *b)
{
	slots_close(&b->rows);
	*b = (struct scan_book){0};
}

void scan_close(struct scan *s)
{
	hs_free_scratch(s->scratch);
	if (s->lease.from)
		lease_close(&s->lease);
	leave_book(&s->now);
	leave_book(&s->old);
	slots_close(&s->pool);
	s->scratch = NULL;
}

/* ---- joining ---- */

void scan_tell(struct scan *s, const struct scan_match *m)
{
	if (!lease_charge(&s->lease, 1)) {
		s->dropped++;
		return;
	}
	s->matches++;
	s->host->match(s->host, m);
}

static void tell(struct scan *s, const struct found *f)
{
	struct scan_match m = {.row = s->row_index,
			       .pattern = f->pattern,
			       .from = f->from,
			       .to = f->to,
			       .ts_ns = f->ts_ns,
			       .number = f->number,
			       .bytes = span_of(f->bytes, f->have)};

	scan_tell(s, &m);
}

static bool lies_inside(const struct scan *s, const struct scan_row *r, const struct found *f)
{
	for (uint32_t e = r->first; e; e = found_at(s, e)->next) {
		const struct found *o = found_at(s, e);

		if (o != f && o->pattern == f->pattern && o->from <= f->from && o->to >= f->to &&
		    (o->from < f->from || o->to > f->to) && o->first <= f->to + SCAN_JOIN)
			return true;
	}
	return false;
}

/* Whether x is to be told before y: by end, start, and the order of the patterns. */
static bool before(const struct found *x, const struct found *y)
{
	if (x->to != y->to)
		return x->to < y->to;
	if (x->from != y->from)
		return x->from < y->from;
	return x->pattern < y->pattern;
}

static void set_due(struct scan_row *r, uint64_t to)
{
	uint64_t due = to + SCAN_JOIN - r->base;

	r->due = to != UINT64_MAX && due <= UINT32_MAX ? (uint32_t)due : 0;
}

static void leave(struct scan *s, uint32_t *link)
{
	uint32_t entry = *link;

	*link = found_at(s, entry)->next;
	found_at(s, entry)->next = s->free;
	s->free = entry;
}

/* Whether its start may be reported once more, `join` bytes behind its end or later: then it must
 * be known that it was told. */
static bool may_come_again(const struct found *f, uint32_t join)
{
	return f->pattern->most > f->to - f->from + join;
}

/* Tells what the row has passed by SCAN_JOIN bytes; `join`: 0 where it has not, and is told. */
static void tell_passed(struct scan *s, uint64_t passed, uint32_t join)
{
	struct scan_row *r = s->row;

	while (r->waiting && passed > r->base + r->due) {
		uint64_t soonest = UINT64_MAX;
		uint32_t *link = NULL;
		struct found *due = NULL;

		for (uint32_t *e = &r->first; *e; e = &found_at(s, *e)->next) {
			struct found *f = found_at(s, *e);

			if (f->told)
				continue;
			if (f->to + SCAN_JOIN >= passed) {
				soonest = f->to < soonest ? f->to : soonest;
			} else if (!due || before(f, due)) {
				due = f;
				link = e;
			}
		}
		if (!due) {
			set_due(r, soonest);
			return;
		}
		r->due = 0; /* there may be more */
		due->told = true;
		r->waiting--;
		if (!lies_inside(s, r, due))
			tell(s, due);
		if (!may_come_again(due, join))
			leave(s, link);
	}
}

static uint32_t take(struct scan *s)
{
	uint32_t entry = s->free;

	if (entry) {
		s->free = found_at(s, entry)->next;
	} else if (s->fresh < s->conf.matches) {
		slots_reach(&s->pool, s->fresh);
		entry = ++s->fresh;
	}
	return entry;
}

/* The match of this pattern that begins there, moved to the front; it is reported again soon. */
static struct found *find(struct scan *s, const struct pattern *pattern, uint64_t from)
{
	uint32_t *link = &s->row->first;
	uint32_t waiting = s->row->n < s->conf.per_row ? UINT32_MAX : s->row->waiting;

	while (*link && waiting) {
		struct found *f = found_at(s, *link);
		uint32_t entry = *link;

		if (f->pattern == pattern && f->from == from) {
			*link = f->next;
			f->next = s->row->first;
			s->row->first = entry;
			return f;
		}
		waiting -= !f->told;
		link = &f->next;
	}
	return NULL;
}

/* Keeps the first bytes of a match, as far as it reaches so far: those before the bytes in hand are
 * the host's. */
static void keep_bytes(struct scan *s, struct found *f)
{
	size_t want = f->to - f->from < SCAN_BYTES ? (size_t)(f->to - f->from) : SCAN_BYTES;
	uint64_t at = f->from + f->have;

	if (f->gone)
		return;
	if (f->have < want && at < s->chunk_off) {
		size_t before = want - f->have;

		if (before > s->chunk_off - at)
			before = (size_t)(s->chunk_off - at);
		before = s->host->fetch(s->host, s->row_index, at, f->bytes + f->have, before);
		f->have = (uint16_t)(f->have + before);
		at += before;
	}
	if (f->have == want)
		return;
	f->gone = at < s->chunk_off;
	if (f->gone)
		return;
	memcpy(f->bytes + f->have, s->chunk.at + (at - s->chunk_off), want - f->have);
	f->have = (uint16_t)want;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		    void *context)
{
	struct scan *s = context;
	struct scan_row *r = s->row;
	const struct pattern *pattern = pattern_at(s->book->set, id);
	struct found *f = NULL;
	uint32_t entry = 0;

	(void)flags;
	to += r->base;
	from = pattern->width ? to - pattern->width : from + r->base;
	if (to > r->base + SCAN_LAG)
		tell_passed(s, to - SCAN_LAG, SCAN_JOIN);
	if (r->waiting || r->n < s->conf.per_row)
		f = find(s, pattern, from);
	if (f && to > f->to + SCAN_JOIN)
		return 0; /* the chain of its ends is broken */
	if (!f) {
		entry = r->n < s->conf.per_row ? take(s) : 0;
		if (!entry) {
			s->dropped++;
			return 0;
		}
		f = found_at(s, entry);
		f->pattern = pattern;
		f->from = from;
		f->first = to;
		f->have = 0;
		f->told = f->gone = false;
		f->next = r->first;
		r->first = entry;
		r->n++;
		r->waiting++;
		if (r->waiting == 1)
			set_due(r, to);
	} else if (to <= f->to) { /* out of order, or again */
		f->first = to < f->first ? to : f->first;
		return 0;
	}
	f->to = to;
	f->ts_ns = s->ts_ns;
	f->number = s->number;
	keep_bytes(s, f);
	return 0;
}

/* ---- rows ---- */

static void enter(struct scan *s, const struct scan_book *b, uint32_t row)
{
	s->book = b;
	s->row = row_at(b, row);
	s->row_index = row;
}

/* The state ends, and all that waits is told; at the run's end what matches only there does. */
static void end_state(struct scan *s, bool at_end)
{
	s->chunk = (struct span){0};
	s->chunk_off = s->row->end;
	SURE(hs_close_stream)(state_of(s->row), s->scratch, at_end ? on_match : NULL, s);
	s->row->open = false;
	s->row->due = 0;
	tell_passed(s, UINT64_MAX, SCAN_JOIN);
}

static void begin_state(struct scan *s, uint64_t off)
{
	hs_stream_t *state;

	room_for_state = (uint8_t *)state_of(s->row);
	SURE(hs_open_stream)(pattern_database(s->book->set), 0, &state);
	s->row->base = s->row->end = off;
	s->row->open = true;
}

/* The row in hand is over, in its book. */
static void end_row(struct scan *s, bool at_end)
{
	if (s->row->open)
		end_state(s, at_end);
	while (s->row->first)
		leave(s, &s->row->first);
	s->row->n = s->row->waiting = 0;
}

int scan_use(struct scan *s, const struct pattern_set *set)
{
	const struct hs_database *db = pattern_database(set);
	struct scan_book next = {.set = db ? set : NULL};
	size_t bytes;

	if (db) {
		hs_set_stream_allocator(state_alloc, state_free);
		if (hs_stream_size(db, &bytes) != HS_SUCCESS ||
		    hs_alloc_scratch(db, &s->scratch) != HS_SUCCESS)
			return -ENOMEM;
		bytes = (sizeof(struct scan_row) + bytes + 63) & ~(size_t)63;
		if (slots_open(&next.rows, bytes, s->conf.rows) < 0)
			return -ENOMEM;
	}
	scan_retire(s, UINT32_MAX);
	s->old = s->now;
	s->now = next;
	s->retired = 0;
	return 0;
}

bool scan_retire(struct scan *s, uint32_t rows)
{
	if (!s->old.set)
		return true;
	for (; rows && s->retired < s->old.top; rows--) {
		enter(s, &s->old, s->retired++);
		end_row(s, false);
	}
	if (s->retired < s->old.top)
		return false;
	leave_book(&s->old);
	return true;
}

/* Whether the row was entered where it is in the set before. */
static bool enter_old(struct scan *s, uint32_t row)
{
	if (row >= s->old.top || row < s->retired)
		return false;
	enter(s, &s->old, row);
	return true;
}

void scan_feed(struct scan *s, uint32_t row, uint64_t off, struct span bytes, uint64_t ts_ns,
	       uint64_t number)
{
	hs_stream_t *state;

	if (__builtin_expect(s->old.top > 0, 0) && enter_old(s, row))
		end_row(s, false);
	if (!s->now.set)
		return;
	if (!s->conf.sparse)
		slots_reach(&s->now.rows, row);
	enter(s, &s->now, row);
	if (s->row->open && s->row->end != off)
		end_state(s, false);
	if (!s->row->open) {
		begin_state(s, off);
		if (row >= s->now.top)
			s->now.top = row + 1;
	}
	state = state_of(s->row);
	s->chunk = bytes;
	s->chunk_off = off;
	s->ts_ns = ts_ns;
	s->number = number;
	s->row->end = off + span_len(bytes);
	s->bytes += span_len(bytes);
	while (bytes.at < bytes.end) {
		uint32_t n = (uint32_t)(span_len(bytes) < 1U << 30 ? span_len(bytes) : 1U << 30);

		const char *at = (const char *)bytes.at;

		SURE(hs_scan_stream)(state, at, n, 0, s->scratch, on_match, s);
		bytes.at += n;
	}
	if (s->row->waiting)
		tell_passed(s, s->row->end, SCAN_JOIN);
}

bool scan_waits(const struct scan *s, uint32_t row)
{
	return row < s->now.top && row_at(&s->now, row)->waiting;
}

void scan_settle(struct scan *s, uint32_t row, uint64_t end)
{
	if (!scan_waits(s, row) || row_at(&s->now, row)->end != end)
		return;
	enter(s, &s->now, row);
	s->row->due = 0;
	tell_passed(s, UINT64_MAX, 0);
}

void scan_end(struct scan *s, uint32_t row, uint64_t ts_ns, uint64_t number)
{
	s->ts_ns = ts_ns;
	s->number = number;
	if (enter_old(s, row))
		end_row(s, true);
	if (row >= s->now.top)
		return;
	enter(s, &s->now, row);
	end_row(s, true);
}
