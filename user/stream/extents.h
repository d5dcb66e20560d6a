/* SPDX-License-Identifier: MIT */
/*
 * extents — delivered bytes by their place in the capture file, from where they are read again.
 *
 * One append-only log per worker: 12 bytes per delivered chunk {48-bit place, 16-bit length,
 * previous entry of the same direction}; a direction remembers its newest entry.  A hole is an
 * entry too, with its kind.  Entries stay when the stream ends: whoever knows its newest ones finds
 * them.  What lies nowhere in the file (rebuilt from fragments) goes to a ring of recent bytes.
 *
 * Owner:   one worker.
 * Bounds:  conf.memory entries in memory, as many as 32 bits number in an unlinked file in
 *          conf.folder; where that has no room the log stops (counted).  The ring forgets the
 *          oldest bytes.  A comparison walks EXTENTS_WALK entries, and reads EXTENTS_READS again.
 */
#ifndef USER_STREAM_EXTENTS_H
#define USER_STREAM_EXTENTS_H

#include "user/base/slots.h"
#include "user/base/span.h"
#include "user/source/source.h"
#include "user/stream/segment.h"

#define EXTENTS_WALK  4096U
#define EXTENTS_READS 256U
#define EXTENTS_NONE  UINT32_MAX

struct extents_conf {
	const struct source *source;
	uint32_t slots;
	uint32_t memory;    /* entries */
	const char *folder; /* for what is beyond them; NULL: nowhere */
	uint64_t ring;      /* bytes, a power of two; may be 0 */
};

struct extents {
	uint64_t refused; /* chunks not logged: the log is full */
	uint32_t n;       /* entries in the log */
	/* private */
	struct extents_conf conf;
	struct slots log, tails, rings;
	uint64_t ring_at; /* bytes ever put into the ring */
	int file;         /* -1: none */
	uint8_t *spilled; /* its mapping */
	uint64_t size;    /* of the file */
};

int extents_open(struct extents *x, const struct extents_conf *conf);
void extents_close(struct extents *x);

void extents_start(struct extents *x, uint32_t slot);
/* As content_add and content_hole. */
void extents_add(struct extents *x, uint32_t slot, uint8_t dir, uint64_t pos, const uint8_t *at,
		 uint32_t len);
void extents_hole(struct extents *x, uint32_t slot, uint8_t dir, uint64_t len,
		  enum segment_kind kind);
uint32_t extents_newest(const struct extents *x, uint32_t slot, uint8_t dir);

/* As content_compare, content_find and content_load, of the direction whose newest entry that is
 * and that ends at `end`. */
struct content_diff extents_compare(const struct extents *x, uint32_t newest, uint64_t end,
				    uint64_t off, struct span bytes);
size_t extents_find(const struct extents *x, uint32_t newest, uint64_t end,
		    struct content_range range, struct content_segment *out, size_t max);
size_t extents_load(const struct extents *x, const struct content_segment *s, uint64_t skip,
		    uint8_t *dst, size_t n);
/* As content_holes and content_place. */
size_t extents_holes(const struct extents *x, uint32_t newest, uint64_t end,
		     struct content_segment *out, size_t max);
uint64_t extents_place(const struct content_segment *s);
/* As content_read; nothing where more than EXTENTS_WALK entries lie behind `off`. */
size_t extents_read(const struct extents *x, uint32_t newest, uint64_t end, uint64_t off,
		    uint8_t *dst, size_t n);

static inline void extents_prefetch(const struct extents *x, uint32_t slot)
{
	__builtin_prefetch(x->tails.base + slot * 8UL, 1);
}

#endif
