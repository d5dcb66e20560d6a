/* SPDX-License-Identifier: MIT */
/*
 * pieces — bytes that arrived before their turn, kept in order of their sequence numbers.
 *
 * A list of pieces that never overlap, cut from a pool of fixed chunks; used for TCP segments
 * behind a hole and for IP fragments (whose offsets are small sequence numbers).
 *
 * Owner:   one thread owns the pool and all lists in it.
 * Memory:  the pool's chunks of 2 KiB, reused last-in first-out.
 * Bounds:  pool cap; per list the caller's; PIECES_SCAN steps to find a place.
 * Overlap: where a new segment and a held piece have the same bytes, nobody notices; where they
 *          differ, the policy says whose bytes stay, and the losing bytes are handed out.
 */
#ifndef USER_BASE_PIECES_H
#define USER_BASE_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/slots.h"

#define PIECE_NONE   UINT32_MAX
#define PLACE_NONE   UINT64_MAX
#define PIECE_DATA   2016U
#define PIECES_SCAN  1024U /* list steps per insert: beyond it the list counts as full */
#define PIECES_LOSER 64U   /* losing bytes handed out per insert */

/* Who wins where segments differ, after Novak and Sturges, "Target-Based TCP Stream Reassembly":
 * the original stays, except ... */
enum overlap_policy {
	OVERLAP_FIRST,   /* never */
	OVERLAP_LAST,    /* always */
	OVERLAP_BSD,     /* the new segment starts before it */
	OVERLAP_LINUX,   /* as bsd, or both start together and the new one is longer */
	OVERLAP_WINDOWS, /* the new segment starts before it and ends after it */
};

struct piece {
	uint32_t next, seq;
	uint32_t seg_start, seg_end; /* the segment it came in: policies compare whole segments */
	uint32_t cut;                /* bytes after data that were on the wire but not captured */
	uint16_t len, pad;
	uint64_t place; /* of data in the capture, or PLACE_NONE */
	uint8_t data[PIECE_DATA];
};

_Static_assert(sizeof(struct piece) == 2048, "two to a page");

struct pieces_pool {
	struct slots mem;
	struct piece *piece;
	uint32_t free, fresh, cap;
	uint32_t used, peak;
};

struct pieces {
	uint32_t head, tail, count;
};

struct pieces_got {
	bool full;          /* some bytes found no room */
	bool loser_is_new;  /* whose bytes lost, where they differ */
	uint32_t added;     /* new bytes now held */
	uint32_t known;     /* bytes that were held already */
	uint32_t conflict;  /* of these, bytes that differ */
	uint32_t loser_seq; /* where the first differing byte stands */
	uint32_t loser_len;
	uint8_t loser[PIECES_LOSER]; /* losing bytes from there on */
};

struct segment {
	uint32_t seq;
	uint32_t len; /* captured bytes at `at` */
	uint32_t cut; /* bytes missing behind them */
	const uint8_t *at;
	uint64_t place; /* of these bytes in the capture, or PLACE_NONE */
};

static inline uint64_t place_after(uint64_t place, uint32_t n)
{
	return place == PLACE_NONE ? PLACE_NONE : place + n;
}

int pieces_pool_open(struct pieces_pool *pool, uint32_t cap);
void pieces_pool_close(struct pieces_pool *pool);

static inline void pieces_init(struct pieces *list)
{
	*list = (struct pieces){.head = PIECE_NONE, .tail = PIECE_NONE};
}

static inline bool pieces_empty(const struct pieces *list)
{
	return list->head == PIECE_NONE;
}

static inline struct piece *pieces_first(struct pieces_pool *pool, const struct pieces *list)
{
	return list->head == PIECE_NONE ? NULL : &pool->piece[list->head];
}

/* Adds what is new of the segment. */
void pieces_insert(struct pieces_pool *pool, struct pieces *list, const struct segment *seg,
		   enum overlap_policy policy, struct pieces_got *got);

/* Returns the first piece to the pool. */
void pieces_pop(struct pieces_pool *pool, struct pieces *list);
void pieces_clear(struct pieces_pool *pool, struct pieces *list);
/* Returns all pieces that start at `seq` or later; how many data bytes they held. */
uint32_t pieces_drop_from(struct pieces_pool *pool, struct pieces *list, uint32_t seq);

/* True where the list is sorted, has no overlaps and counts right.  For tests. */
bool pieces_validate(const struct pieces_pool *pool, const struct pieces *list);

#endif
