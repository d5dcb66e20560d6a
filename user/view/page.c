/* SPDX-License-Identifier: MIT */
/* page — see page.h. */
#include "user/view/page.h"

#include <stdlib.h>
#include <string.h>

#define SPARSE 4096U /* rows that are sorted rather than looked for in the order */

static bool is_set(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static struct order_at at_of(const struct page_query *q, const struct rows *rows, uint32_t i)
{
	return (struct order_at){.key = order_key(&rows->row[i], q->by), .row = i};
}

static bool before(const struct order_at *a, const struct order_at *b)
{
	return a->key != b->key ? a->key < b->key : a->row < b->row;
}

static int compare_up(const void *a, const void *b)
{
	return before(a, b) ? -1 : before(b, a);
}

static int compare_down(const void *a, const void *b)
{
	return compare_up(b, a);
}

/* The row that is looked for, by itself or by its rank. */
static bool is_it(const struct page_query *q, const struct page *p, uint32_t row, uint32_t rank)
{
	return q->around != ROW_NONE ? row == q->around : rank == q->rank || rank + 1 == p->total;
}

/* Where the page begins in a sorted list, and what stands around it. */
static void cut(struct page *p, const struct page_query *q, const struct order_at *list, uint32_t n)
{
	uint32_t at = 0;

	if (page_looks_for(q)) {
		while (at < n && !is_it(q, p, list[at].row, at))
			at++;
		p->found = at < n;
		p->rank = p->found ? at : 0;
		at = p->rank - p->rank % q->limit;
	} else if (q->has_cursor) {
		while (at < n &&
		       !(q->down ? before(&list[at], &q->cursor) : before(&q->cursor, &list[at])))
			at++;
	}
	for (uint32_t i = at; i < n && p->n < q->limit; i++)
		p->row[p->n++] = list[i].row;
	p->more = at + p->n < n;
	p->before = at > 0;
	p->has_prev = at > q->limit;
	if (p->has_prev)
		p->prev = list[at - q->limit - 1];
}

static bool make_sparse(struct page *p, const struct page_query *q, const struct rows *rows,
			const uint64_t *bits)
{
	struct order_at *list = malloc((p->total + 1UL) * sizeof(*list));
	uint32_t n = 0;

	if (!list)
		return false;
	for (uint32_t w = 0; w < (rows->n + 63) / 64; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1)
			list[n++] = at_of(q, rows, 64 * w + (uint32_t)__builtin_ctzll(left));
	qsort(list, n, sizeof(*list), q->down ? compare_down : compare_up);
	cut(p, q, list, n);
	free(list);
	return true;
}

/* The cursor before the page that holds a row: by its rank. */
static bool find_rank(struct page *p, const struct page_query *q, const struct order *o,
		      const struct rows *rows, const uint64_t *bits, struct order_at *cursor)
{
	uint32_t i, start = ROW_NONE, previous = ROW_NONE, rank = 0;
	struct order_walk w;

	p->found = q->around == ROW_NONE ? p->total > 0
					 : q->around < rows->n && is_set(bits, q->around);
	if (!p->found)
		return false;
	order_begin(&w, o, q->down, NULL);
	while ((i = order_next(&w)) != ROW_NONE) {
		if (!is_set(bits, i))
			continue;
		if (rank % q->limit == 0)
			start = previous;
		if (is_it(q, p, i, rank))
			break;
		previous = i;
		rank++;
	}
	p->rank = rank;
	if (start == ROW_NONE)
		return false;
	*cursor = at_of(q, rows, start);
	return true;
}

/* What lies before the page: one page back, where its cursor is. */
static void look_back(struct page *p, const struct page_query *q, const struct order *o,
		      const struct rows *rows, const uint64_t *bits)
{
	struct order_at first;
	struct order_walk w;
	uint32_t i, n = 0;

	if (p->n == 0)
		return;
	first = at_of(q, rows, p->row[0]);
	order_begin(&w, o, !q->down, &first);
	while (n <= q->limit && (i = order_next(&w)) != ROW_NONE)
		if (is_set(bits, i) && ++n == q->limit + 1) {
			p->has_prev = true;
			p->prev = at_of(q, rows, i);
		}
	p->before = n > 0;
}

static void make_dense(struct page *p, const struct page_query *q, const struct order *o,
		       const struct rows *rows, const uint64_t *bits)
{
	struct order_at cursor = q->cursor;
	bool has = q->has_cursor;
	struct order_walk w;
	uint32_t i;

	if (page_looks_for(q))
		has = find_rank(p, q, o, rows, bits, &cursor);
	order_begin(&w, o, q->down, has ? &cursor : NULL);
	while ((i = order_next(&w)) != ROW_NONE) {
		if (!is_set(bits, i))
			continue;
		if (p->n == q->limit) {
			p->more = true;
			break;
		}
		p->row[p->n++] = i;
	}
	if (has)
		look_back(p, q, o, rows, bits);
}

void page_make(struct page *p, const struct page_query *q, const struct order *o,
	       const struct rows *rows, const struct found *found, uint64_t *bits)
{
	memset(p, 0, sizeof(*p));
	p->total = filter_run(q->filter, rows, found, bits);
	if (p->total > SPARSE || !make_sparse(p, q, rows, bits))
		make_dense(p, q, o, rows, bits);
	if (p->more)
		p->next = at_of(q, rows, p->row[p->n - 1]);
}
