/* SPDX-License-Identifier: MIT */
/*
 * content — where delivered bytes lie: to compare later copies of them, and to show them again.
 *
 * One append-only log per worker: 12 bytes per delivered chunk {48-bit place, 16-bit length,
 * previous entry of the same direction}; a direction remembers its newest entry.  A place is an
 * offset in the capture file, or in a ring of recent bytes where there is no plain file.  A hole is
 * an entry too, with its kind.  Entries stay when the stream ends: a content_view finds them.
 *
 * Owner:   one worker.
 * Bounds:  conf.extents entries and conf.ring bytes; a full log stops (counted), the ring
 *          forgets the oldest bytes.  CONTENT_WALK entries per comparison.
 */
#ifndef USER_STREAM_CONTENT_H
#define USER_STREAM_CONTENT_H

#include <stdbool.h>

#include "user/base/slots.h"
#include "user/base/span.h"
#include "user/source/source.h"

#define CONTENT_WALK 4096U

struct content_conf {
	const struct source *source;
	uint32_t slots;
	uint32_t extents;
	uint64_t ring; /* bytes, a power of two; may be 0 */
};

struct content {
	uint64_t refused; /* chunks not logged: the log is full */
	/* private */
	struct content_conf conf;
	struct slots log, tails, rings;
	uint32_t n;       /* entries in the log */
	uint64_t ring_at; /* bytes ever put into the ring */
};

int content_open(struct content *c, const struct content_conf *conf);
void content_close(struct content *c);

void content_start(struct content *c, uint32_t slot);

enum segment_kind {
	SEGMENT_DATA,
	SEGMENT_GAP,     /* never captured */
	SEGMENT_CUT,     /* was on the wire, but not in the capture */
	SEGMENT_EVICTED, /* we let it go, or the file is no longer what it was */
};

/* Bytes [off, off + len) of a direction were delivered: they lie at `pos` in the file, or
 * (POS_NONE) only at `at`. */
void content_add(struct content *c, uint32_t slot, uint8_t dir, uint64_t pos, const uint8_t *at,
		 uint32_t len);
/* They were not: SEGMENT_GAP or SEGMENT_CUT. */
void content_hole(struct content *c, uint32_t slot, uint8_t dir, uint64_t len,
		  enum segment_kind kind);

struct content_diff {
	bool known;      /* every byte could be compared */
	uint32_t differ; /* bytes that differ */
	uint32_t first;  /* index of the first of them */
};

/* Compares bytes with what was delivered at [off, off + their length); `end` is the offset behind
 * the last delivered byte of the direction. */
struct content_diff content_compare(const struct content *c, uint32_t slot, uint8_t dir,
				    uint64_t end, uint64_t off, struct span bytes);

/* All that was delivered of a stream, also after its slot has another owner. */
struct content_view {
	uint32_t newest[2];
	uint64_t end[2]; /* offset behind the last byte */
};

struct content_view content_view(const struct content *c, uint32_t slot, uint64_t end0,
				 uint64_t end1);

/* Delivered bytes of a direction again, from `off` on.  How many could be had. */
size_t content_read(const struct content *c, const struct content_view *v, uint8_t dir,
		    uint64_t off, uint8_t *dst, size_t n);

struct content_range {
	uint64_t from, to; /* half open */
};

struct content_segment {
	uint64_t off, len;
	enum segment_kind kind;
	uint32_t order; /* grows in the order in which both directions were delivered */
	uint64_t place; /* private */
};

/* The first `max` segments that reach into the range, in order and clipped to it.  How many there
 * are in all.  Where the log was full, what it lost is one evicted segment. */
size_t content_find(const struct content *c, const struct content_view *v, uint8_t dir,
		    struct content_range range, struct content_segment *out, size_t max);
/* Bytes of a data segment; fewer than n where they are gone. */
size_t content_load(const struct content *c, const struct content_segment *s, uint64_t skip,
		    uint8_t *dst, size_t n);

static inline void content_prefetch(const struct content *c, uint32_t slot)
{
	__builtin_prefetch(c->tails.base + slot * 8UL, 1);
}

#endif
