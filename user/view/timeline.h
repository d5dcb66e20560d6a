/* SPDX-License-Identifier: MIT */
/*
 * timeline — packets, bytes, streams and matches over time, by service.
 *
 * Buckets are one second wide to begin with; where the span needs more than TIMELINE of them all
 * become twice as wide.
 *
 * Owner:   the api thread.  Bounds: TIMELINE buckets of SERVICE_COUNT services, touched as used.
 */
#ifndef USER_VIEW_TIMELINE_H
#define USER_VIEW_TIMELINE_H

#include "user/event/news.h"

#define TIMELINE 4096U

struct timeline_cell {
	uint64_t packets, bytes;
	uint32_t streams, matches;
};

struct timeline {
	uint64_t width; /* seconds */
	uint64_t first; /* number of the first bucket: its time / width */
	uint32_t n;     /* buckets in use */
	/* private */
	struct slots cells;
};

int timeline_open(struct timeline *t);
void timeline_close(struct timeline *t);
void timeline_add(struct timeline *t, const struct news_time *n);
/* SERVICE_COUNT cells of bucket i. */
const struct timeline_cell *timeline_bucket(const struct timeline *t, uint32_t i);

#endif
