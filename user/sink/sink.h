/* SPDX-License-Identifier: MIT */
/*
 * sink — lines of records to a file, a pipe or standard output.
 *
 * Workers fill buffers and hand them over; one thread writes them.  With one worker it writes
 * itself (threads = false).  A buffer holds whole lines, so a file always ends with one.
 *
 * Threads: outbox i belongs to worker i, its rings join it with the sink thread.
 * Bounds:  conf.buffers per worker; replay waits for a free one: nothing is dropped.  Live capture
 *          does not wait: the lines of a buffer are dropped and counted where the disk is too slow;
 *          at its end, when no packet can be missed any more, it waits too (sink_patient).
 * Errors:  a failed write is logged once; the file is cut back to its last whole line; what comes
 *          after is counted (sink_lost) and thrown away.
 */
#ifndef USER_SINK_SINK_H
#define USER_SINK_SINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/ring.h"

struct sink_conf {
	const char *path; /* "-" = standard output */
	bool append;
	bool threads;
	bool live;    /* it does not wait for a free buffer */
	bool rotates; /* sink_rotate may come */
	uint32_t workers, buffers;
	size_t buffer_bytes;
};

struct outbox {
	struct ring full, empty; /* buffer numbers */
	uint32_t *used;          /* bytes in each buffer */
	uint8_t *mem;
	uint32_t current;         /* the worker's buffer */
	bool patient;             /* it waits for a free one */
	_Atomic uint64_t dropped; /* lines, in live capture */
};

struct sink;

/* Opens the file; 0 or negative errno. */
int sink_open(struct sink **out, const struct sink_conf *conf);
/* Starts the thread, where there is to be one. */
int sink_start(struct sink *s);
/* Writes what is left.  Call after all workers have ended. */
void sink_close(struct sink *s);

/* Worker: the current buffer; then, with `used` bytes of whole lines in it, the next one. */
char *sink_buffer(struct sink *s, uint32_t worker);
char *sink_next(struct sink *s, uint32_t worker, size_t used);

/* Worker: from now on it waits where there is no free buffer, in live capture too. */
void sink_patient(struct sink *s, uint32_t worker);

/* A line from the main thread, after the workers have ended. */
void sink_line(struct sink *s, const char *line, size_t len);

/* From a signal handler: the file gets the time as a suffix, and a new one begins between two
 * lines.  One that was moved away already stays as it is. */
void sink_rotate(struct sink *s);

bool sink_failed(const struct sink *s);
bool sink_pipe_closed(const struct sink *s);
uint64_t sink_lost(const struct sink *s);    /* bytes not written */
uint64_t sink_dropped(const struct sink *s); /* lines, for want of a free buffer */

#endif
