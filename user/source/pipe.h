/* SPDX-License-Identifier: MIT */
/*
 * pipe — one capture that comes through a pipe, a FIFO, a terminal or a socket at standard input:
 * its frames as they come.
 *
 * While nothing comes the capture's clock goes on where its packets are of now.  An old capture's
 * stops soon, so that a pipe that stalls gives what the file would give.
 * Owner:   whoever has the source's turn.
 * Bounds:  pipe_fill returns within PIPE_WAIT_NS where nothing comes, and within PIPE_STEP_NS
 *          where a packet far ahead of the others waits for the one that confirms it (intake.h).
 */
#ifndef USER_SOURCE_PIPE_H
#define USER_SOURCE_PIPE_H

#include <stdbool.h>

#include "user/source/input.h"
#include "user/source/intake.h"

#define PIPE_WAIT_NS 25000000ULL /* a worker that waits here answers nothing meanwhile */
#define PIPE_STEP_NS 1000000000ULL

struct pipe {
	struct input *in;
	uint64_t last_ns; /* time of the machine when the last frame came */
};

bool pipe_is(const struct input *in);
/* Does not wait for the other end of a FIFO.  False where it ended at once: logged. */
bool pipe_begin(struct pipe *p, struct input *in, struct ifaces *t);
/* Adds what has come to the block, none where nothing has; to->ended at the end. */
void pipe_fill(struct pipe *p, struct ifaces *t, struct intake *to, struct block *b);

#endif
