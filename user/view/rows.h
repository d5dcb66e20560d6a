/* SPDX-License-Identifier: MIT */
/*
 * rows — every stream that the view knows, and what a person said of it.
 *
 * What filters ask for lies once more in columns, so that a question over a million rows reads some
 * megabytes in order and no row.  A row keeps its index while it lives.
 *
 * Owner:   the api thread.
 * Memory:  some 340 bytes per row, touched as they come; notes on the heap.
 * Bounds:  conf.max rows; then one that was not touched lately goes (a clock hand), favourites
 *          never.  With only favourites left a new stream is refused (counted).
 */
#ifndef USER_VIEW_ROWS_H
#define USER_VIEW_ROWS_H

#include "user/base/slots.h"
#include "user/event/news.h"

#define ROW_NONE UINT32_MAX

enum row_flag {
	ROW_LIVE = 1 << 0,
	ROW_FAVORITE = 1 << 1,
	ROW_HIDDEN = 1 << 2, /* by hand */
	ROW_RULED = 1 << 3,  /* by a hide rule */
	ROW_MATCH = 1 << 4,
	ROW_GAP = 1 << 5,
	ROW_ANOMALY = 1 << 6,
	ROW_CONFLICT = 1 << 7,
	ROW_NOTE = 1 << 8,
	ROW_CUT = 1 << 9,
	ROW_V6 = 1 << 10,
	ROW_RECENT = 1 << 11, /* private */
};

struct row {
	struct news_stream s;
	uint32_t match_first, match_last; /* retained, oldest first (found.h); + 1 */
	uint32_t stored;                  /* how many */
	uint32_t again;                   /* found by rescans: the worker does not count them */
	uint32_t pair;                    /* patterns that matched (found.h); + 1 */
	uint16_t rule;                    /* hides it; + 1 */
	uint8_t color;                    /* 0 = none */
	bool lost;                        /* matches of it are not kept any more */
	char *note;                       /* or NULL */
};

struct columns {
	uint16_t *flags;
	uint8_t *service, *proto, *status, *kind, *color;
	uint16_t *port[2];
	uint32_t *host[2]; /* an IPv4 address in host order, or of IPv6 its last four bytes */
	uint32_t *first_s, *last_s; /* seconds */
	uint32_t *bytes;            /* UINT32_MAX: as many or more */
};

struct rows {
	struct row *row;
	struct columns col;
	uint32_t n;    /* indexes in use are below; not all of them live */
	uint32_t live; /* rows */
	uint64_t added, evicted, refused, favorites, hidden, matched;
	/* private */
	struct slots mem, mem_col[13];
	struct slots buckets;
	uint32_t mask, max, hand, free; /* free: + 1 */
};

/* 0 or negative errno. */
int rows_open(struct rows *r, uint32_t max);
void rows_close(struct rows *r);

uint32_t rows_find(const struct rows *r, uint64_t id);
/* The row of a stream, made where there is none; ROW_NONE where no room can be had.  *evicted: the
 * row that went for it has this index, and is to be let go by others before; its contents stand
 * until rows_put. */
uint32_t rows_place(struct rows *r, uint64_t id, bool *is_new);
/* A row that may go, where rows_place needs one: ROW_NONE where there is room. */
uint32_t rows_victim(struct rows *r);
void rows_evict(struct rows *r, uint32_t i);
/* What the worker says of it. */
void rows_put(struct rows *r, uint32_t i, const struct news_stream *s);
void rows_set(struct rows *r, uint32_t i, enum row_flag flag, bool on);

/* As the columns have it; what is behind 2106 as their end. */
static inline uint32_t rows_second(uint64_t ns)
{
	return ns / 1000000000 < UINT32_MAX ? (uint32_t)(ns / 1000000000) : UINT32_MAX;
}

static inline bool rows_is(const struct rows *r, uint32_t i, uint16_t flags)
{
	return r->col.flags[i] & flags;
}

#endif
