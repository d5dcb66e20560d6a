/* SPDX-License-Identifier: MIT */
/*
 * channel — records of any length from one thread to another, in order, through a fixed buffer.
 *
 * Threads: `head` is written by the producer, `tail` by the consumer, as in ring.h.
 * Memory:  one mapping; a record lies in one piece and is read where it lies.
 * Bounds:  the bytes given at open; reserve returns NULL where a record does not fit now, and the
 *          caller decides.  A record takes at most a quarter of the buffer.
 */
#ifndef USER_BASE_CHANNEL_H
#define USER_BASE_CHANNEL_H

#include <stdatomic.h>
#include <stdint.h>

#include "user/base/slots.h"

struct channel {
	_Alignas(64) _Atomic uint64_t head; /* bytes ever written */
	uint64_t seen_tail;                 /* producer's copy */
	uint64_t reserved;                  /* producer: where the record in hand ends */
	_Alignas(64) _Atomic uint64_t tail;
	uint64_t seen_head; /* consumer's copy */
	uint64_t next;      /* consumer: behind the record in hand */
	_Alignas(64) struct slots mem;
};

/* `bytes`: a power of two.  0 or negative errno. */
int channel_open(struct channel *c, size_t bytes);
void channel_close(struct channel *c);

/* Producer: room for n bytes, aligned to 8, or NULL; then channel_submit hands it over. */
uint8_t *channel_reserve(struct channel *c, size_t n);
void channel_submit(struct channel *c);

/* Consumer: the oldest record and its length, or NULL; channel_release gives its room back. */
const uint8_t *channel_peek(struct channel *c, size_t *n);
void channel_release(struct channel *c);

#endif
