/* SPDX-License-Identifier: MIT */
/*
 * capture — live capture through the shards: who exists, who talks to whom, and how it ends.
 *
 * W workers, each with its own rings (source/live.h): it takes what waits, decodes, settles its own
 * fragments, handles the packets it owns and hands the few others to their owner.  It never waits
 * for another; while nothing comes it drains and sleeps, and falls back to poll() when idle.  The
 * main thread sets the clock, watches the interfaces, and writes stats records.
 *
 * End: the rings are closed to new packets, what waits in them is read, then every flow ends.
 */
#ifndef USER_CAPTURE_H
#define USER_CAPTURE_H

#include "user/run.h"

/* Captures until a limit or a signal ends it, after run_begin; 0 or negative errno (logged). */
int capture_run(struct run *r);

#endif
