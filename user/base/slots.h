/* SPDX-License-Identifier: MIT */
/*
 * slots — memory for one array indexed by a slot number, as large as its cap in address space
 * and as large as its use in memory.
 *
 * Owner:   one thread.
 * Memory:  one anonymous mapping; released by slots_close.
 * Bounds:  `cap` elements of `stride` bytes, given at open.
 * Cost:    slots_reach populates 64 slots at a time ahead of use: a read of an untouched page
 *          followed by a write faults twice and interrupts the other cores.
 */
#ifndef USER_BASE_SLOTS_H
#define USER_BASE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct slots {
	uint8_t *base;
	size_t stride, bytes, ready; /* ready: bytes that are populated */
};

/* 0 or negative errno. */
int slots_open(struct slots *s, size_t stride, size_t cap);
void slots_close(struct slots *s);
/* Gives the memory back; the address space stays. */
void slots_release(struct slots *s);

/* private */
void slots_populate(struct slots *s, size_t upto);

/* Call before the first use of slot `i`; slots are taken into use in ascending order. */
static inline void slots_reach(struct slots *s, size_t i)
{
	if (__builtin_expect((i + 1) * s->stride > s->ready, 0))
		slots_populate(s, (i + 64) * s->stride);
}

#endif
