/* SPDX-License-Identifier: MIT */
/* order — see order.h. */
#include "user/view/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct order_at *sorted_of(const struct order *o)
{
	return (struct order_at *)o->sorted.base;
}

static bool is_moved(const struct order *o, uint32_t i)
{
	return ((const uint64_t *)o->moved.base)[i / 64] >> i % 64 & 1;
}

static void set_moved(struct order *o, uint32_t i)
{
	((uint64_t *)o->moved.base)[i / 64] |= 1ULL << i % 64;
}

int order_open(struct order *o, const struct rows *rows, enum order_by by, uint32_t max)
{
	int err;

	*o = (struct order){.rows = rows, .by = by};
	err = slots_open(&o->sorted, sizeof(struct order_at), max);
	if (err == 0)
		err = slots_open(&o->spare, sizeof(struct order_at), max);
	if (err == 0)
		err = slots_open(&o->moved, 8, max / 64 + 1UL);
	if (err < 0)
		order_close(o);
	return err;
}

void order_close(struct order *o)
{
	slots_close(&o->sorted);
	slots_close(&o->spare);
	slots_close(&o->moved);
	free(o->changed);
	*o = (struct order){0};
}

uint64_t order_key(const struct row *row, enum order_by by)
{
	const struct news_stream *s = &row->s;

	switch (by) {
	case ORDER_LAST_SEEN:
		return s->last_ns;
	case ORDER_FIRST_SEEN:
		return s->first_ns;
	case ORDER_BYTES:
		return s->bytes[0] + s->bytes[1];
	case ORDER_PACKETS:
		return s->packets[0] + s->packets[1];
	default:
		return s->matches;
	}
}

static bool comes_before(const struct order_at *a, const struct order_at *b)
{
	return a->key != b->key ? a->key < b->key : a->row < b->row;
}

static int compare(const void *a, const void *b)
{
	return comes_before(a, b) ? -1 : comes_before(b, a);
}

/* By the bytes of the key that differ, least first; rows are in order of index before. */
static void radix_sort(struct order *o)
{
	struct order_at *from = (struct order_at *)o->sorted.base;
	struct order_at *to = (struct order_at *)o->spare.base;
	bool swapped = false;

	for (int shift = 0; shift < 64; shift += 8) {
		uint32_t count[256] = {0}, at = 0;

		for (uint32_t i = 0; i < o->n; i++)
			count[from[i].key >> shift & 255]++;
		if (o->n == 0 || count[from[0].key >> shift & 255] == o->n)
			continue;
		for (int b = 0; b < 256; b++) {
			uint32_t n = count[b];

			count[b] = at;
			at += n;
		}
		for (uint32_t i = 0; i < o->n; i++)
			to[count[from[i].key >> shift & 255]++] = from[i];
		struct order_at *swap = from;

		from = to;
		to = swap;
		swapped = !swapped;
	}
	if (swapped) {
		struct slots swap = o->sorted;

		o->sorted = o->spare;
		o->spare = swap;
	}
}

static void reach(struct slots *s, uint32_t n)
{
	slots_populate(s, (size_t)n * s->stride);
}

static void build(struct order *o)
{
	reach(&o->sorted, o->rows->n);
	reach(&o->spare, o->rows->n);
	reach(&o->moved, o->rows->n / 64 + 1);
	memset(o->moved.base, 0, (o->rows->n / 64 + 1UL) * 8);
	o->n = 0;
	for (uint32_t i = 0; i < o->rows->n; i++)
		if (rows_is(o->rows, i, ROW_LIVE))
			sorted_of(o)[o->n++] = (struct order_at){
				.key = order_key(&o->rows->row[i], o->by), .row = i};
	radix_sort(o);
	o->changed_n = 0;
	o->stale = false;
	o->built = true;
}

/* False where sorting all of them anew is cheaper, or there is no memory. */
static bool grow(struct order *o)
{
	uint32_t room = o->changed_room ? 2 * o->changed_room : ORDER_CHANGED;
	struct order_at *more;

	if (o->changed_room > o->rows->n / 4 + ORDER_CHANGED)
		return false;
	more = realloc(o->changed, room * sizeof(*more));
	if (!more)
		return false;
	o->changed = more;
	o->changed_room = room;
	return true;
}

void order_change(struct order *o, uint32_t i, uint64_t before, bool is_new)
{
	if (!o->built || (!is_new && before == order_key(&o->rows->row[i], o->by)))
		return;
	slots_reach(&o->moved, i / 64);
	o->stale = true;
	if (is_moved(o, i))
		return;
	if (o->changed_n == o->changed_room && !grow(o)) {
		o->built = false; /* sorted anew when somebody asks */
		return;
	}
	set_moved(o, i);
	o->changed[o->changed_n++] = (struct order_at){.row = i};
}

void order_drop(struct order *o, uint32_t i)
{
	/* Out of the sorted ones as one that moved, and of those that changed as one that is dead.
	 */
	if (o->built) {
		order_change(o, i, 0, true);
		o->stale = true;
	}
}

/* Current keys of those that changed; the dead are left out. */
static void sort_changed(struct order *o)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < o->changed_n; k++) {
		uint32_t i = o->changed[k].row;

		o->changed[n] = o->changed[k];
		o->changed[n++].key = rows_is(o->rows, i, ROW_LIVE)
					      ? order_key(&o->rows->row[i], o->by)
					      : UINT64_MAX;
	}
	qsort(o->changed, n, sizeof(*o->changed), compare);
	o->stale = false;
}

static void merge(struct order *o)
{
	const struct order_at *from = sorted_of(o);
	struct order_at *to;
	uint32_t at = 0, n = 0;

	reach(&o->spare, o->rows->n);
	to = (struct order_at *)o->spare.base;
	for (uint32_t k = 0; k <= o->changed_n; k++) {
		const struct order_at *next = k < o->changed_n ? &o->changed[k] : NULL;

		for (; at < o->n && (!next || comes_before(&from[at], next)); at++)
			if (!is_moved(o, from[at].row))
				to[n++] = from[at];
		if (next && rows_is(o->rows, next->row, ROW_LIVE))
			to[n++] = *next;
	}
	o->n = n;
	o->changed_n = 0;
	memset(o->moved.base, 0, (o->rows->n / 64 + 1UL) * 8);
	struct slots swap = o->sorted;

	o->sorted = o->spare;
	o->spare = swap;
}

void order_settle(struct order *o)
{
	if (!o->built) {
		build(o);
		return;
	}
	if (o->changed_n > o->rows->n / 4 && o->changed_n > ORDER_CHANGED) {
		build(o);
		return;
	}
	reach(&o->moved, o->rows->n / 64 + 1);
	if (o->stale)
		sort_changed(o);
	if (o->changed_n > ORDER_CHANGED)
		merge(o);
}

/* ---- reading ---- */

/* How many are before `at` or (with it) up to it. */
static uint32_t count_before(const struct order_at *list, uint32_t n, const struct order_at *at,
			     bool with)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (comes_before(&list[mid], at) || (with && !comes_before(at, &list[mid])))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void order_begin(struct order_walk *w, const struct order *o, bool down,
		 const struct order_at *after)
{
	*w = (struct order_walk){.o = o, .down = down};
	if (after) {
		w->sorted = count_before(sorted_of(o), o->n, after, !down);
		w->changed = count_before(o->changed, o->changed_n, after, !down);
	} else if (down) {
		w->sorted = o->n;
		w->changed = o->changed_n;
	}
}

static uint32_t next_up(struct order_walk *w)
{
	const struct order *o = w->o;
	const struct order_at *sorted = sorted_of(o);

	while (w->sorted < o->n && is_moved(o, sorted[w->sorted].row))
		w->sorted++;
	if (w->changed < o->changed_n &&
	    (w->sorted == o->n || comes_before(&o->changed[w->changed], &sorted[w->sorted])))
		return o->changed[w->changed++].row;
	return w->sorted < o->n ? sorted[w->sorted++].row : ROW_NONE;
}

static uint32_t next_down(struct order_walk *w)
{
	const struct order *o = w->o;
	const struct order_at *sorted = sorted_of(o);

	while (w->sorted && is_moved(o, sorted[w->sorted - 1].row))
		w->sorted--;
	if (w->changed &&
	    (!w->sorted || comes_before(&sorted[w->sorted - 1], &o->changed[w->changed - 1])))
		return o->changed[--w->changed].row;
	return w->sorted ? sorted[--w->sorted].row : ROW_NONE;
}

uint32_t order_next(struct order_walk *w)
{
	uint32_t i;

	do
		i = w->down ? next_down(w) : next_up(w);
	while (i != ROW_NONE && !rows_is(w->o->rows, i, ROW_LIVE));
	return i;
}
