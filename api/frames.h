/* SPDX-License-Identifier: MIT */
/*
 * frames — the packets of one stream, out of the capture files it came from, as pcapng.
 *
 * A thread of its own, at a lower priority, reads the input once more, decodes it as the workers
 * did, and writes the frames of the stream to an unlinked file, with their original times.  Frames
 * of datagrams that came in fragments are among them.
 *
 * Bounds:  the file takes as much as the stream's frames; frames_close stops the thread.
 * Threads: all of these by the api thread.
 */
#ifndef API_FRAMES_H
#define API_FRAMES_H

#include <stdbool.h>

#include "user/conf.h"
#include "user/flow/key.h"
#include "user/source/source.h"

struct frames_job;

struct frames_query {
	const struct conf *conf;
	const struct source *source; /* the run's: names of its files and interfaces */
	struct flow_key key;
	uint64_t first, last; /* numbers of its packets */
};

/* The input can be read again: files, and not standard input. */
bool frames_can(const struct conf *conf);
/* 0 or negative errno. */
int frames_open(struct frames_job **out, const struct frames_query *q);
/* NULL does nothing. */
void frames_close(struct frames_job *x);

bool frames_done(struct frames_job *x);
/* Once it is done: bytes of the file, 0 where it could not be made. */
uint64_t frames_size(const struct frames_job *x);
int frames_file(const struct frames_job *x);

#endif
