/* SPDX-License-Identifier: MIT */
/*
 * page — a piece of the list of streams: filtered, sorted, from a cursor on.
 *
 * A cursor is the sort value and index of the row before; so a row whose value stays comes exactly
 * once in a walk.
 *
 * Owner:   the api thread.
 * Cost:    for a million rows some ms: the filter reads columns, then either the few rows left are
 *          sorted, or the order is walked until the page is full.
 */
#ifndef USER_VIEW_PAGE_H
#define USER_VIEW_PAGE_H

#include "user/view/filter.h"
#include "user/view/order.h"

#define PAGE_MAX 512U

struct page_query {
	const struct filter *filter;
	enum order_by by;
	bool down;
	uint32_t limit;
	bool has_cursor;
	struct order_at cursor; /* behind this one */
	uint32_t around;        /* ROW_NONE, or the page that holds this row */
	uint32_t rank; /* ROW_NONE, or the page that holds the row of this rank, or the last */
};

static inline bool page_looks_for(const struct page_query *q)
{
	return q->around != ROW_NONE || q->rank != ROW_NONE;
}

struct page {
	uint32_t row[PAGE_MAX];
	uint32_t n;
	uint32_t total; /* rows that pass the filter */
	bool more, before;
	struct order_at next, prev; /* cursors; prev: has_prev, else the start */
	bool has_prev;
	bool found; /* of around and rank: it passes the filter */
	uint32_t rank;
};

/* bits: room for a bit per row.  o must be settled and in q->by. */
void page_make(struct page *p, const struct page_query *q, const struct order *o,
	       const struct rows *rows, const struct found *found, uint64_t *bits);

#endif
