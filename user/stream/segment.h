/* SPDX-License-Identifier: MIT */
/*
 * segment — a run of a direction's bytes, all of one fate: what a question for content is answered
 * with.
 */
#ifndef USER_STREAM_SEGMENT_H
#define USER_STREAM_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum segment_kind {
	SEGMENT_DATA,
	SEGMENT_GAP,     /* never captured */
	SEGMENT_CUT,     /* was on the wire, but not in the capture */
	SEGMENT_EVICTED, /* we let it go, or the file is no longer what it was */
};

struct content_range {
	uint64_t from, to; /* half open */
};

struct content_segment {
	uint64_t off, len;
	enum segment_kind kind;
	uint32_t order; /* never falls in the order in which both directions were delivered */
	uint64_t ts_ns, number; /* of the packet with its first byte, where the backing knows */
	/* private: where the bytes lie */
	uint64_t place;
	uint32_t stamp;
};

struct content_diff {
	bool known;      /* every byte could be compared */
	uint32_t differ; /* bytes that differ */
	uint32_t first;  /* index of the first of them */
};

/* Adds the bytes that differ; the first of them has index `from` in what is compared. */
static inline void content_count(struct content_diff *d, const uint8_t *then, const uint8_t *now,
				 size_t n, uint32_t from)
{
	if (memcmp(then, now, n) == 0)
		return;
	for (size_t k = 0; k < n; k++) {
		if (then[k] == now[k])
			continue;
		d->differ++;
		if (from + k < d->first)
			d->first = (uint32_t)(from + k);
	}
}

#endif
