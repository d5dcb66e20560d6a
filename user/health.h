/* SPDX-License-Identifier: MIT */
/*
 * health — what a run in real time says of itself while it runs: stats records and health lines.
 *
 * The main thread asks, each worker answers at its next turn with a copy of all that it counts (in
 * run.worker and run.ring); nobody reads a counter that another thread writes.
 * Threads: health_answer and health_copy by the worker, the others by the main thread.
 * Bounds:  a worker that does not answer within ANSWER_MS is left alone, and a line says so.
 */
#ifndef USER_HEALTH_H
#define USER_HEALTH_H

#include "user/report.h"

struct health_desk {
	_Alignas(64) _Atomic uint32_t asked;
	_Alignas(64) _Atomic uint32_t told;
	_Atomic bool gone; /* the worker has ended, and its last copy stands */
	uint64_t packets;  /* of the main thread: handled at the line before */
};

struct health {
	struct run *r;
	struct health_desk *desk; /* one per worker */
	uint64_t next_stats, next_line;
	struct {
		uint64_t ns, packets, bytes, lost;
	} before; /* at the last line */
	struct report report;
};

int health_open(struct health **out, struct run *r);
void health_close(struct health *h);

/* Copies what the worker counted. */
void health_copy(struct run *r, const struct shard *s);
/* The same where the main thread has asked. */
void health_answer(struct health *h, const struct shard *s);

/* The worker ends and answers no more; who joins it makes the last copy. */
void health_leave(struct health *h, uint32_t worker);

/* What is due by now (CLOCK_MONOTONIC). */
void health_look(struct health *h, uint64_t now_ns);

#endif
