/* SPDX-License-Identifier: MIT */
/*
 * deltas — what changed in the view, numbered, for clients that follow it.
 *
 * The log holds which rows and matches changed, not their text: that is written when somebody reads
 * it, from what they are by then.
 *
 * Owner:   the api thread.
 * Bounds:  conf bytes; the oldest go, and who needs them is told so.
 */
#ifndef USER_VIEW_DELTAS_H
#define USER_VIEW_DELTAS_H

#include "user/base/slots.h"

enum delta_kind {
	DELTA_STREAMS,
	DELTA_MATCHES,
	DELTA_STATS,
	DELTA_QUEUE,
	DELTA_STATUS,
	DELTA_VIEW
};

#define DELTA_ITEMS 512U /* of one delta */

struct delta {
	uint64_t cursor; /* its number, from 1 */
	enum delta_kind kind;
	uint32_t n;
	uint64_t item[]; /* ids of streams, positions of matches */
};

struct deltas {
	uint64_t latest;         /* cursor of the newest, 0 = none */
	uint64_t dropped_before; /* cursor of the newest that is gone, 0 = none */
	/* private */
	struct slots ring;
	uint64_t head, tail; /* bytes */
};

/* `bytes`: a power of two. */
int deltas_open(struct deltas *d, size_t bytes);
void deltas_close(struct deltas *d);
void deltas_add(struct deltas *d, enum delta_kind kind, const uint64_t *item, uint32_t n);

/* The oldest delta after `cursor`; *at is where it was found (0 to begin), which makes the next
 * call cheap.  NULL at the end. */
const struct delta *deltas_after(const struct deltas *d, uint64_t cursor, uint64_t *at);

const char *delta_name(enum delta_kind kind);

#endif
