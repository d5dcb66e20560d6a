/* SPDX-License-Identifier: MIT */
/*
 * store — delivered bytes kept in memory, where the input cannot be read again: live, piped or
 * compressed.
 *
 * Each stream has its bytes in segments of one size, a chain per direction, oldest first; within a
 * segment they are pieces {kind, length, order, packet} with the bytes of data behind it: one until
 * the other direction speaks, or PIECE_NS have passed.  Bytes stay until
 * their room is needed: a stream beyond its own budget loses its oldest segment; where no segment
 * is free, a stream that has ended loses its oldest one, and of those the one that ended first;
 * then the oldest segment of all goes.  A pinned stream loses its own where there is no other.
 *
 * Why the oldest segment, and not one of the stream that grew the longest ago: who waits for a lost
 * packet would lose everything meanwhile, just before its repetition is to be compared.
 *
 * Owner:   one worker.
 * Bounds:  conf; what was let go is counted, and found as evicted.
 * Cost:    all steps are O(1) but finding, which walks the segments of one direction from the
 *          newest back to the first one wanted; a comparison walks STORE_WALK of them at most.
 */
#ifndef USER_STREAM_STORE_H
#define USER_STREAM_STORE_H

#include "user/base/slots.h"
#include "user/base/span.h"
#include "user/stream/segment.h"

#define STORE_WALK 2048U

struct store_conf {
	uint64_t bytes;         /* of all streams; 0: nothing is kept */
	uint64_t stream_bytes;  /* of one, both directions together */
	uint32_t segment_bytes; /* what memory is given out by; 64 at least */
	uint32_t slots;         /* streams open at a time */
};

/* A stream in the store, also after it has ended: the generation tells it from the next one. */
struct store_key {
	uint32_t stream; /* + 1, 0 = none */
	uint32_t generation;
};

/* A direction of it, that ends at `end`. */
struct store_side {
	struct store_key key;
	uint64_t end;
	uint8_t dir;
};

struct store {
	uint64_t kept, evicted; /* bytes of data */
	uint64_t ts_ns, number; /* of the packet whose bytes are added */
	/* private */
	struct store_conf conf;
	struct slots segments, streams;
	uint32_t cap;                                                      /* segments */
	uint32_t free_segment, fresh_segments, free_stream, fresh_streams; /* + 1 */
	uint32_t newest_ended, oldest_ended;                               /* streams + 1 */
	uint32_t newest[2], oldest[2]; /* segments + 1; [1]: of pinned streams */
};

int store_open(struct store *s, const struct store_conf *conf);
void store_close(struct store *s);

/* The next bytes of a direction, or a hole (at is NULL).  A key without a stream gets one. */
void store_add(struct store *s, struct store_key *key, uint8_t dir, enum segment_kind kind,
	       const uint8_t *at, uint64_t len);
/* Others lose their bytes first. */
void store_pin(struct store *s, struct store_key *key);
/* No more is added. */
void store_end(struct store *s, struct store_key key);

/* As content_holes; what was let go is the first of them. */
size_t store_holes(const struct store *s, struct store_side side, struct content_segment *out,
		   size_t max);
/* As content_compare, content_find and content_load. */
struct content_diff store_compare(const struct store *s, struct store_key key, uint8_t dir,
				  uint64_t off, struct span bytes);
size_t store_find(const struct store *s, struct store_side side, struct content_range range,
		  struct content_segment *out, size_t max);
size_t store_load(const struct store *s, const struct content_segment *g, uint64_t skip,
		  uint8_t *dst, size_t n);

#endif
