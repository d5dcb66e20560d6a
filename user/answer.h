/* SPDX-License-Identifier: MIT */
/*
 * answer — what a shard says when it is asked (event/ask.h).
 *
 * Part of the shard: called by its worker between batches.  While packets wait, answers take at
 * most a twentieth of the worker's time: the next question waits twenty times as long as the last
 * answer took.
 */
#ifndef USER_ANSWER_H
#define USER_ANSWER_H

#include <stdbool.h>

struct shard;

/* Answers what was asked; busy: packets wait. */
void answer_look(struct shard *s, bool busy);
/* The input has ended: sleeps until somebody asks, or for a while, and answers. */
void answer_serve(struct shard *s);

#endif
