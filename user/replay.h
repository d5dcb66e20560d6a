/* SPDX-License-Identifier: MIT */
/*
 * replay — captures through the shards: who exists, who talks to whom, and in which order it ends.
 *
 * W workers, no reader thread.  A worker takes the next block number, reads that block (source.h),
 * decodes it, settles its fragments in block order, sorts its packets into one list per owner and
 * publishes it.  Each worker handles its own lists strictly in block order, and prepares a new
 * block only when its next list is not ready.  So the order of a flow's packets is the capture's,
 * and any number of workers gives the same records.  --workers 1 does the same inline.
 *
 * Bounds: `blocks` blocks in flight; a worker waits for the slowest owner before reusing one.
 */
#ifndef USER_REPLAY_H
#define USER_REPLAY_H

#include "user/run.h"

/* Reads everything, after run_begin; 0 or negative errno (logged). */
int replay_run(struct run *r);

#endif
