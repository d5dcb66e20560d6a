/* SPDX-License-Identifier: MIT */
/*
 * order — rows sorted by one of their numbers, for pages from a place on.
 *
 * A sorted array, and beside it the rows whose number has changed since, sorted when somebody asks.
 * Where these become many, both are merged.  So what nobody asks for costs nothing, and a change
 * costs a bit and a number.
 *
 * Owner:   the api thread.
 * Memory:  12 bytes per row and order that was asked for.
 * Cost:    the first question sorts all rows (some 50 ms for a million); the next ones sort what
 * has changed, and merge once every ORDER_CHANGED changes.
 */
#ifndef USER_VIEW_ORDER_H
#define USER_VIEW_ORDER_H

#include "user/view/rows.h"

#define ORDER_CHANGED 8192U

/* X(NAME, "name") */
#define ORDERS(X)                   \
	X(LAST_SEEN, "last_seen")   \
	X(FIRST_SEEN, "first_seen") \
	X(BYTES, "bytes")           \
	X(PACKETS, "packets")       \
	X(MATCH_COUNT, "match_count")

#define ORDER_ENUM(name, text) ORDER_##name,
enum order_by { ORDERS(ORDER_ENUM) ORDER_COUNT };
#undef ORDER_ENUM

/* A place in an order: ties by the row's index. */
struct order_at {
	uint64_t key;
	uint32_t row;
} __attribute__((packed, aligned(4)));

struct order {
	bool built;
	/* private */
	enum order_by by;
	const struct rows *rows;
	struct slots sorted, spare, moved;
	uint32_t n;
	uint32_t changed_n;
	bool stale; /* `changed` is not sorted */
	struct order_at *changed;
	uint32_t changed_room;
};

int order_open(struct order *o, const struct rows *rows, enum order_by by, uint32_t max);
void order_close(struct order *o);

uint64_t order_key(const struct row *row, enum order_by by);
/* The row's number was `before`, or it is new. */
void order_change(struct order *o, uint32_t i, uint64_t before, bool is_new);
/* It goes. */
void order_drop(struct order *o, uint32_t i);
/* Ready to be read; what has changed since must come before the next reading. */
void order_settle(struct order *o);

struct order_walk {
	const struct order *o;
	bool down;
	uint32_t sorted, changed; /* the next of each: index + 1 downwards */
};

/* From behind `after` on, or from the start (NULL). */
void order_begin(struct order_walk *w, const struct order *o, bool down,
		 const struct order_at *after);
/* The next row, ROW_NONE at the end. */
uint32_t order_next(struct order_walk *w);

#endif
