/* SPDX-License-Identifier: MIT */
/* deltas — see deltas.h. */
#include "user/view/deltas.h"

#include <errno.h>
#include <string.h>

#define SKIP UINT64_MAX /* in the place of a cursor: the rest of the ring is unused */

int deltas_open(struct deltas *d, size_t bytes)
{
	*d = (struct deltas){0};
	if (bytes < 1U << 16 || (bytes & (bytes - 1)))
		return -EINVAL;
	return slots_open(&d->ring, 1, bytes);
}

void deltas_close(struct deltas *d)
{
	slots_close(&d->ring);
}

static struct delta *delta_at(const struct deltas *d, uint64_t at)
{
	return (struct delta *)(d->ring.base + (at & (d->ring.bytes - 1)));
}

static size_t size_of(uint32_t n)
{
	return sizeof(struct delta) + n * sizeof(uint64_t);
}

static uint64_t next_of(const struct deltas *d, uint64_t at)
{
	const struct delta *x = delta_at(d, at);

	if (x->cursor == SKIP)
		return at + d->ring.bytes - (at & (d->ring.bytes - 1));
	return at + size_of(x->n);
}

static void drop_oldest(struct deltas *d)
{
	const struct delta *x = delta_at(d, d->tail);

	if (x->cursor != SKIP)
		d->dropped_before = x->cursor;
	d->tail = next_of(d, d->tail);
}

void deltas_add(struct deltas *d, enum delta_kind kind, const uint64_t *item, uint32_t n)
{
	size_t size = size_of(n), left = d->ring.bytes - (d->head & (d->ring.bytes - 1));
	size_t skip = left < size ? left : 0;
	struct delta *x;

	while (d->head + skip + size - d->tail > d->ring.bytes)
		drop_oldest(d);
	if (skip) {
		delta_at(d, d->head)->cursor = SKIP;
		d->head += skip;
	}
	x = delta_at(d, d->head);
	*x = (struct delta){.cursor = ++d->latest, .kind = kind, .n = n};
	if (n)
		memcpy(x->item, item, n * sizeof(*item));
	d->head += size;
}

const struct delta *deltas_after(const struct deltas *d, uint64_t cursor, uint64_t *at)
{
	uint64_t pos = *at > d->tail && *at <= d->head ? *at : d->tail;

	while (pos < d->head) {
		const struct delta *x = delta_at(d, pos);
		uint64_t next = next_of(d, pos);

		if (x->cursor != SKIP && x->cursor > cursor) {
			*at = next;
			return x;
		}
		pos = next;
	}
	*at = pos;
	return NULL;
}

const char *delta_name(enum delta_kind kind)
{
	static const char *const names[] = {"streams", "matches", "stats",
					    "queue",   "status",  "view"};

	return names[kind];
}
