/* SPDX-License-Identifier: MIT */
/* pieces — see pieces.h. */
#include "user/base/pieces.h"

#include <string.h>

#include "user/base/seq.h"

int pieces_pool_open(struct pieces_pool *pool, uint32_t cap)
{
	int err;

	*pool = (struct pieces_pool){.free = PIECE_NONE, .cap = cap};
	err = slots_open(&pool->mem, sizeof(struct piece), cap);
	pool->piece = (struct piece *)pool->mem.base;
	return err;
}

void pieces_pool_close(struct pieces_pool *pool)
{
	slots_close(&pool->mem);
}

static uint32_t take(struct pieces_pool *pool)
{
	uint32_t i = pool->free;

	if (i != PIECE_NONE) {
		pool->free = pool->piece[i].next;
	} else if (pool->fresh < pool->cap) {
		i = pool->fresh++;
		slots_reach(&pool->mem, i);
	} else {
		return PIECE_NONE;
	}
	if (++pool->used > pool->peak)
		pool->peak = pool->used;
	return i;
}

static void put(struct pieces_pool *pool, uint32_t i)
{
	pool->piece[i].next = pool->free;
	pool->free = i;
	pool->used--;
}

static uint32_t piece_end(const struct piece *p)
{
	return p->seq + p->len + p->cut;
}

void pieces_pop(struct pieces_pool *pool, struct pieces *list)
{
	uint32_t i = list->head;

	list->head = pool->piece[i].next;
	if (list->head == PIECE_NONE)
		list->tail = PIECE_NONE;
	list->count--;
	put(pool, i);
}

void pieces_clear(struct pieces_pool *pool, struct pieces *list)
{
	while (!pieces_empty(list))
		pieces_pop(pool, list);
}

uint32_t pieces_drop_from(struct pieces_pool *pool, struct pieces *list, uint32_t seq)
{
	uint32_t last = PIECE_NONE, i = list->head, bytes = 0;

	while (i != PIECE_NONE && seq_before(pool->piece[i].seq, seq)) {
		last = i;
		i = pool->piece[i].next;
	}
	if (last == PIECE_NONE)
		list->head = PIECE_NONE;
	else
		pool->piece[last].next = PIECE_NONE;
	list->tail = last;
	while (i != PIECE_NONE) {
		uint32_t next = pool->piece[i].next;

		bytes += pool->piece[i].len;
		list->count--;
		put(pool, i);
		i = next;
	}
	return bytes;
}

/* Links piece i behind `before` (PIECE_NONE: at the head). */
static void link_after(struct pieces_pool *pool, struct pieces *list, uint32_t before, uint32_t i)
{
	uint32_t *link = before == PIECE_NONE ? &list->head : &pool->piece[before].next;

	pool->piece[i].next = *link;
	*link = i;
	if (pool->piece[i].next == PIECE_NONE)
		list->tail = i;
	list->count++;
}

struct insert {
	struct pieces_pool *pool;
	struct pieces *list;
	const struct segment *seg;
	enum overlap_policy policy;
	struct pieces_got *got;
};

/* Fills [seq, end) of the segment with new pieces behind `before`; returns the last one. */
static uint32_t fill(struct insert *in, uint32_t before, uint32_t seq, uint32_t end)
{
	struct pieces_pool *pool = in->pool;
	const struct segment *seg = in->seg;
	uint32_t data_end = seg->seq + seg->len;

	while (seq_before(seq, end)) {
		uint32_t i = take(pool), len = 0;
		struct piece *p;

		if (i == PIECE_NONE) {
			in->got->full = true;
			return before;
		}
		p = &pool->piece[i];
		*p = (struct piece){.seq = seq,
				    .seg_start = seg->seq,
				    .seg_end = data_end + seg->cut,
				    .place = place_after(seg->place, seq - seg->seq)};
		if (seq_before(seq, data_end)) {
			len = seq_min(end, data_end) - seq;
			if (len > PIECE_DATA)
				len = PIECE_DATA;
			memcpy(p->data, seg->at + (seq - seg->seq), len);
		}
		p->len = (uint16_t)len;
		if (seq + len == data_end || len == 0)
			p->cut = end - seq - len;
		link_after(pool, in->list, before, i);
		in->got->added += len + p->cut;
		seq += len + p->cut;
		before = i;
	}
	return before;
}

static bool new_wins(enum overlap_policy policy, const struct piece *p, const struct segment *seg)
{
	uint32_t end = seg->seq + seg->len + seg->cut;

	switch (policy) {
	case OVERLAP_FIRST:
		return false;
	case OVERLAP_LAST:
		return true;
	case OVERLAP_BSD:
		return seq_before(seg->seq, p->seg_start);
	case OVERLAP_LINUX:
		return seq_before(seg->seq, p->seg_start) ||
		       (seg->seq == p->seg_start && seq_before(p->seg_end, end));
	case OVERLAP_WINDOWS:
		return seq_before(seg->seq, p->seg_start) && seq_before(p->seg_end, end);
	}
	return false;
}

/* Cuts piece `at` in two before `seq`; its data must reach over it.  False: no chunk is left. */
static bool split(const struct insert *in, uint32_t at, uint32_t seq)
{
	uint32_t i = take(in->pool);
	struct piece *p = &in->pool->piece[at], *rest;

	if (i == PIECE_NONE)
		return false;
	rest = &in->pool->piece[i];
	*rest = (struct piece){.seq = seq,
			       .seg_start = p->seg_start,
			       .seg_end = p->seg_end,
			       .cut = p->cut,
			       .place = place_after(p->place, seq - p->seq),
			       .len = (uint16_t)(p->len - (seq - p->seq))};
	memcpy(rest->data, p->data + (seq - p->seq), rest->len);
	p->len = (uint16_t)(seq - p->seq);
	p->cut = 0;
	link_after(in->pool, in->list, at, i);
	return true;
}

/* The new segment's bytes stand in [seq, end) of piece `at` from now on: later copies are compared
 * with it.  (Without a chunk for the cut the old segment's bounds stay: a nuance of the policy.) */
static void own(const struct insert *in, uint32_t at, uint32_t seq, uint32_t end)
{
	struct piece *p = &in->pool->piece[at];

	if (in->policy == OVERLAP_LAST)
		return;
	if (p->seq != seq) {
		if (!split(in, at, seq))
			return;
		at = p->next;
		p = &in->pool->piece[at];
	}
	if (seq_before(end, p->seq + p->len) && !split(in, at, end))
		return;
	p->seg_start = in->seg->seq;
	p->seg_end = in->seg->seq + in->seg->len + in->seg->cut;
}

/* Compares the bytes both have in [seq, end) of piece `at`, and lets the winner's stand. */
static void settle(const struct insert *in, uint32_t at, uint32_t seq, uint32_t end)
{
	const struct segment *seg = in->seg;
	struct pieces_got *got = in->got;
	struct piece *p = &in->pool->piece[at];
	uint32_t both = seq_min(end, seq_min(p->seq + p->len, seg->seq + seg->len));
	bool wins = new_wins(in->policy, p, seg);
	uint32_t n, first = UINT32_MAX;
	const uint8_t *new;
	uint8_t *old;

	got->known += end - seq;
	if (!seq_before(seq, both))
		return;
	old = p->data + (seq - p->seq);
	new = seg->at + (seq - seg->seq);
	n = both - seq;
	if (memcmp(old, new, n) == 0) {
		if (wins)
			own(in, at, seq, both);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (old[i] == new[i])
			continue;
		if (first == UINT32_MAX)
			first = i;
		got->conflict++;
	}
	if (got->loser_len == 0) {
		got->loser_is_new = !wins;
		got->loser_seq = seq + first;
		got->loser_len = n - first < PIECES_LOSER ? n - first : PIECES_LOSER;
		memcpy(got->loser, (wins ? old : new) + first, got->loser_len);
	}
	if (wins) {
		memcpy(old, new, n);
		p->place = PLACE_NONE; /* of two packets now */
		own(in, at, seq, both);
	}
}

void pieces_insert(struct pieces_pool *pool, struct pieces *list, const struct segment *seg,
		   enum overlap_policy policy, struct pieces_got *got)
{
	uint32_t seq = seg->seq, end = seg->seq + seg->len + seg->cut;
	uint32_t before = PIECE_NONE, at = list->head, steps = 0;
	struct insert in = {pool, list, seg, policy, got};

	*got = (struct pieces_got){0};
	/* Most segments behind a hole come in order. */
	if (list->tail != PIECE_NONE && !seq_before(seq, piece_end(&pool->piece[list->tail]))) {
		fill(&in, list->tail, seq, end);
		return;
	}
	while (seq_before(seq, end)) {
		struct piece *p;
		uint32_t stop;

		while (at != PIECE_NONE && !seq_before(seq, piece_end(&pool->piece[at]))) {
			before = at;
			at = pool->piece[at].next;
			if (++steps > PIECES_SCAN) {
				got->full = true;
				return;
			}
		}
		if (at == PIECE_NONE) {
			fill(&in, before, seq, end);
			return;
		}
		p = &pool->piece[at];
		if (seq_before(seq, p->seq)) {
			stop = seq_min(end, p->seq);
			before = fill(&in, before, seq, stop);
			if (got->full)
				return;
		} else {
			stop = seq_min(end, piece_end(p));
			settle(&in, at, seq, stop);
		}
		seq = stop;
	}
}

bool pieces_validate(const struct pieces_pool *pool, const struct pieces *list)
{
	uint32_t n = 0, last = PIECE_NONE;

	for (uint32_t i = list->head; i != PIECE_NONE; i = pool->piece[i].next) {
		const struct piece *p = &pool->piece[i];

		if (++n > list->count || p->len > PIECE_DATA || p->len + p->cut == 0)
			return false;
		if (p->next != PIECE_NONE && seq_before(pool->piece[p->next].seq, piece_end(p)))
			return false;
		last = i;
	}
	return n == list->count && last == list->tail;
}
