/* SPDX-License-Identifier: MIT */
/*
 * chain — byte strings of any length, kept in cells of one pool.
 *
 * Owner:   one worker.
 * Bounds:  conf cells of CHAIN_CELL bytes; what finds no cell is refused (and counted) as a whole.
 */
#ifndef USER_BASE_CHAIN_H
#define USER_BASE_CHAIN_H

#include <stdbool.h>

#include "user/base/slots.h"
#include "user/base/span.h"

#define CHAIN_CELL 252U

struct chain {
	uint32_t first, last; /* cells + 1, 0 = none */
	uint32_t bytes;
};

struct chain_cell {
	uint32_t next; /* + 1, 0 = end */
	uint8_t bytes[CHAIN_CELL];
};

struct chain_pool {
	uint64_t refused;    /* strings that found no room */
	uint32_t used, peak; /* cells */
	/* private */
	struct slots slots;
	uint32_t free, fresh, cap;
};

/* 0 or negative errno. */
int chain_pool_open(struct chain_pool *p, uint32_t cells);
void chain_pool_close(struct chain_pool *p);

/* Whether n bytes more find room; where not, the string is counted as refused. */
bool chain_fits(struct chain_pool *p, const struct chain *c, size_t n);
/* Room for n bytes at the end, where the last cell has it in one piece: to be written; or NULL. */
uint8_t *chain_extend(struct chain_pool *p, struct chain *c, size_t n);
/* Appends all n bytes, or nothing and returns false. */
bool chain_add(struct chain_pool *p, struct chain *c, const uint8_t *at, size_t n);
/* The bytes in one piece; dst has room for c->bytes. */
void chain_copy(const struct chain_pool *p, const struct chain *c, uint8_t *dst);
/* The cells go back to the pool; the chain is empty. */
void chain_free(struct chain_pool *p, struct chain *c);

#endif
