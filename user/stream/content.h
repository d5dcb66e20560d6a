/* SPDX-License-Identifier: MIT */
/*
 * content — what was delivered of each stream: to compare later copies with it, and to show it
 * again.
 *
 * One interface, two backings: places in the capture file (extents.h) where that can be read again,
 * else the bytes in memory (store.h).
 *
 * Owner:   one worker.
 * Bounds:  those of the backing; what it could not keep is found as evicted.
 */
#ifndef USER_STREAM_CONTENT_H
#define USER_STREAM_CONTENT_H

#include "user/stream/extents.h"
#include "user/stream/store.h"

struct content_conf {
	bool in_memory;
	uint32_t slots;
	struct extents_conf extents; /* its slots are these */
	struct store_conf store;     /* likewise */
};

struct content {
	struct extents extents;
	struct store store;
	/* private */
	bool in_memory;
	struct slots keys; /* of the store, per slot */
};

int content_open(struct content *c, const struct content_conf *conf);
void content_close(struct content *c);

/* A stream begins in the slot. */
void content_start(struct content *c, uint32_t slot);
/* It is of interest: where there is pressure, others are let go first. */
void content_pin(struct content *c, uint32_t slot);
/* It is over; what was delivered stays. */
void content_end(struct content *c, uint32_t slot);

/* The packet whose bytes are delivered next. */
static inline void content_now(struct content *c, uint64_t ts_ns, uint64_t number)
{
	c->store.ts_ns = ts_ns;
	c->store.number = number;
}
/* The next bytes of a direction were delivered: they lie at `pos` in the file, or (POS_NONE) only
 * at `at`. */
void content_add(struct content *c, uint32_t slot, uint8_t dir, uint64_t pos, const uint8_t *at,
		 uint32_t len);
/* They were not: SEGMENT_GAP or SEGMENT_CUT. */
void content_hole(struct content *c, uint32_t slot, uint8_t dir, uint64_t len,
		  enum segment_kind kind);

/* Compares bytes with what was delivered at [off, off + their length); `end` is the offset behind
 * the last delivered byte of the direction. */
struct content_diff content_compare(const struct content *c, uint32_t slot, uint8_t dir,
				    uint64_t end, uint64_t off, struct span bytes);

/* All that was delivered of a stream, also after its slot has another owner. */
struct content_view {
	uint32_t newest[2];   /* of the extents, */
	struct store_key key; /* or of the store */
	uint64_t end[2];      /* offset behind the last byte */
};

struct content_view content_view(const struct content *c, uint32_t slot, uint64_t end0,
				 uint64_t end1);

/* The first `max` segments that reach into the range, in order and clipped to it.  How many there
 * are in all. */
size_t content_find(const struct content *c, const struct content_view *v, uint8_t dir,
		    struct content_range range, struct content_segment *out, size_t max);
/* The newest `max` holes, in order.  How many there are in all. */
size_t content_holes(const struct content *c, const struct content_view *v, uint8_t dir,
		     struct content_segment *out, size_t max);
/* Where the bytes of a data segment lie in the capture, POS_NONE where they do not. */
uint64_t content_place(const struct content *c, const struct content_segment *s);
/* Bytes of a data segment; fewer than n where they are gone. */
size_t content_load(const struct content *c, const struct content_segment *s, uint64_t skip,
		    uint8_t *dst, size_t n);
/* Delivered bytes of a direction in one piece, from `off` on: how many could be had. */
size_t content_read(const struct content *c, const struct content_view *v, uint8_t dir,
		    uint64_t off, uint8_t *dst, size_t n);

static inline void content_prefetch(const struct content *c, uint32_t slot)
{
	if (!c->in_memory)
		extents_prefetch(&c->extents, slot);
}

#endif
