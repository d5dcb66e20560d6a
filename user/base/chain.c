/* SPDX-License-Identifier: MIT */
/* chain — see chain.h. */
#include "user/base/chain.h"

#include <string.h>

static struct chain_cell *cell_of(const struct chain_pool *p, uint32_t cell)
{
	return (struct chain_cell *)p->slots.base + (cell - 1);
}

int chain_pool_open(struct chain_pool *p, uint32_t cells)
{
	*p = (struct chain_pool){.cap = cells};
	return slots_open(&p->slots, sizeof(struct chain_cell), cells);
}

void chain_pool_close(struct chain_pool *p)
{
	slots_close(&p->slots);
}

static uint32_t take(struct chain_pool *p)
{
	uint32_t cell = p->free;

	if (cell) {
		p->free = cell_of(p, cell)->next;
	} else {
		slots_reach(&p->slots, p->fresh);
		cell = ++p->fresh;
	}
	cell_of(p, cell)->next = 0;
	if (++p->used > p->peak)
		p->peak = p->used;
	return cell;
}

/* Left in the last cell. */
static size_t room_of(const struct chain *c)
{
	uint32_t in_last = c->bytes % CHAIN_CELL;

	return in_last ? CHAIN_CELL - in_last : 0;
}

bool chain_fits(struct chain_pool *p, const struct chain *c, size_t n)
{
	size_t room = room_of(c);

	if (n <= room || (n - room + CHAIN_CELL - 1) / CHAIN_CELL <= p->cap - p->used)
		return true;
	p->refused++;
	return false;
}

uint8_t *chain_extend(struct chain_pool *p, struct chain *c, size_t n)
{
	size_t room = room_of(c);

	if (n > room)
		return NULL;
	c->bytes += (uint32_t)n;
	return cell_of(p, c->last)->bytes + (CHAIN_CELL - room);
}

bool chain_add(struct chain_pool *p, struct chain *c, const uint8_t *at, size_t n)
{
	size_t room = room_of(c);

	if (!chain_fits(p, c, n))
		return false;
	while (n) {
		size_t step = n < room ? n : room;

		if (step == 0) {
			uint32_t cell = take(p);

			if (c->last)
				cell_of(p, c->last)->next = cell;
			else
				c->first = cell;
			c->last = cell;
			room = CHAIN_CELL;
			continue;
		}
		memcpy(cell_of(p, c->last)->bytes + (CHAIN_CELL - room), at, step);
		c->bytes += (uint32_t)step;
		at += step;
		n -= step;
		room -= step;
	}
	return true;
}

void chain_copy(const struct chain_pool *p, const struct chain *c, uint8_t *dst)
{
	uint32_t left = c->bytes;

	for (uint32_t cell = c->first; cell && left; cell = cell_of(p, cell)->next) {
		uint32_t n = left < CHAIN_CELL ? left : CHAIN_CELL;

		memcpy(dst, cell_of(p, cell)->bytes, n);
		dst += n;
		left -= n;
	}
}

void chain_free(struct chain_pool *p, struct chain *c)
{
	for (uint32_t cell = c->first; cell;) {
		uint32_t next = cell_of(p, cell)->next;

		cell_of(p, cell)->next = p->free;
		p->free = cell;
		p->used--;
		cell = next;
	}
	*c = (struct chain){0};
}
