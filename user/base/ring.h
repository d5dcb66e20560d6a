/* SPDX-License-Identifier: MIT */
/*
 * ring — one producer, one consumer, a fixed number of small values.
 *
 * Threads: `head` is written by the producer, `tail` by the consumer; each keeps a copy of the
 *          other's index and looks again only when it seems full or empty.
 * Bounds:  RING_SIZE entries; push returns false when full, and the caller decides.
 */
#ifndef USER_BASE_RING_H
#define USER_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_SIZE 64U

struct ring {
	_Alignas(64) _Atomic uint32_t head;
	uint32_t seen_tail; /* producer's copy */
	_Alignas(64) _Atomic uint32_t tail;
	uint32_t seen_head; /* consumer's copy */
	_Alignas(64) uint32_t entry[RING_SIZE];
};

static inline bool ring_push(struct ring *r, uint32_t value)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head - r->seen_tail == RING_SIZE) {
		/* pairs with the release in ring_pop: the entry was read before it is reused */
		r->seen_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head - r->seen_tail == RING_SIZE)
			return false;
	}
	r->entry[head % RING_SIZE] = value;
	/* pairs with the acquire in ring_pop: the entry, and what it names, is written */
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return true;
}

static inline bool ring_pop(struct ring *r, uint32_t *value)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail == r->seen_head) {
		r->seen_head = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail == r->seen_head)
			return false;
	}
	*value = r->entry[tail % RING_SIZE];
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

#endif
