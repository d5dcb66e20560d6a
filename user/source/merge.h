/* SPDX-License-Identifier: MIT */
/*
 * merge — several files as one capture: packet by packet where their times overlap, one after
 * another in order of their first packet where they do not.
 *
 * Owner:   whoever has the source's turn.
 * Borrows: the inputs, from merge_add until merge_retired gives them back.
 * Bounds:  MERGE_OPEN files are open before their time has come; the others are opened again then.
 */
#ifndef USER_SOURCE_MERGE_H
#define USER_SOURCE_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "user/source/input.h"

#define MERGE_OPEN 16

struct merge {
	struct input *
		*order; /* those being read, then the others by the time of their first packet */
	size_t n, active, cap;
	struct input *retired;
};

void merge_close(struct merge *m);

/* Takes in a file that was begun and has a first packet.  0 or -ENOMEM. */
int merge_add(struct merge *m, struct input *in);

/* Asks those files being read again that had nothing when they were asked last.  False where one
 * that does not grow still has none: its next packet may be the earliest. */
bool merge_refresh(struct merge *m, struct ifaces *t);

/* The file with the next packet.  NULL: there is none now; m->n == 0 where there will be none, and
 * m->retired where a file has ended and is no longer in the list (set it to NULL, ask again). */
struct input *merge_pick(struct merge *m, struct ifaces *t);

#endif
