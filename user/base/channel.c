/* SPDX-License-Identifier: MIT */
/* channel — see channel.h.  A record is a header of 8 bytes and its bytes, rounded up to 8. */
#include "user/base/channel.h"

#include <errno.h>
#include <string.h>

#define HEADER 8U
#define SKIP   UINT64_MAX /* the rest of the buffer is unused: the record lies at its start */

int channel_open(struct channel *c, size_t bytes)
{
	memset(c, 0, sizeof(*c));
	if (bytes < 4096 || (bytes & (bytes - 1)))
		return -EINVAL;
	return slots_open(&c->mem, 1, bytes);
}

void channel_close(struct channel *c)
{
	slots_close(&c->mem);
}

uint8_t *channel_reserve(struct channel *c, size_t n)
{
	uint64_t size = c->mem.bytes, head = atomic_load_explicit(&c->head, memory_order_relaxed);
	uint64_t need = HEADER + ((n + 7) & ~(uint64_t)7), at = head & (size - 1);
	uint64_t skip = size - at < need ? size - at : 0, length = n;

	if (need > size / 4)
		return NULL;
	if (head + skip + need - c->seen_tail > size) {
		/* pairs with the release in channel_release: its bytes were read */
		c->seen_tail = atomic_load_explicit(&c->tail, memory_order_acquire);
		if (head + skip + need - c->seen_tail > size)
			return NULL;
	}
	if (skip) {
		uint64_t mark = SKIP;

		memcpy(c->mem.base + at, &mark, HEADER);
		at = 0;
	}
	memcpy(c->mem.base + at, &length, HEADER);
	c->reserved = head + skip + need;
	return c->mem.base + at + HEADER;
}

void channel_submit(struct channel *c)
{
	/* pairs with the acquire in channel_peek: the record is written */
	atomic_store_explicit(&c->head, c->reserved, memory_order_release);
}

const uint8_t *channel_peek(struct channel *c, size_t *n)
{
	uint64_t size = c->mem.bytes, tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
	uint64_t at = tail & (size - 1), length;

	if (tail == c->seen_head) {
		c->seen_head = atomic_load_explicit(&c->head, memory_order_acquire);
		if (tail == c->seen_head)
			return NULL;
	}
	memcpy(&length, c->mem.base + at, HEADER);
	if (length == SKIP) {
		tail += size - at;
		at = 0;
		memcpy(&length, c->mem.base, HEADER);
	}
	c->next = tail + HEADER + ((length + 7) & ~(uint64_t)7);
	*n = (size_t)length;
	return c->mem.base + at + HEADER;
}

void channel_release(struct channel *c)
{
	/* pairs with the acquire in channel_reserve */
	atomic_store_explicit(&c->tail, c->next, memory_order_release);
}
