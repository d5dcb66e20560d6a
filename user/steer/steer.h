/* SPDX-License-Identifier: MIT */
/*
 * steer — which worker owns which packet of a block.
 *
 * Every worker handles the packets of its list in the block's order; packets without a flow go to
 * worker 0, fragments that wait to nobody.
 * Owner:   the worker that prepares the block; read-only once it is published.
 */
#ifndef USER_STEER_STEER_H
#define USER_STEER_STEER_H

#include "user/base/slots.h"
#include "user/decode/packet.h"

struct steer_lists {
	uint16_t **list; /* per worker: indices into the block's packets */
	uint32_t *n;
	uint32_t workers;
	/* private */
	struct slots mem;
	uint32_t cap;
};

int steer_open(struct steer_lists *l, uint32_t workers, uint32_t cap);
void steer_close(struct steer_lists *l);

void steer_block(struct steer_lists *l, const struct packet *row, uint32_t n);

#endif
