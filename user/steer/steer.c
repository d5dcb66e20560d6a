/* SPDX-License-Identifier: MIT */
/* steer — see steer.h. */
#include "user/steer/steer.h"

#include <errno.h>
#include <stdlib.h>

int steer_open(struct steer_lists *l, uint32_t workers, uint32_t cap)
{
	int err;

	*l = (struct steer_lists){.workers = workers, .cap = cap};
	l->list = calloc(workers, sizeof(*l->list));
	l->n = calloc(workers, sizeof(*l->n));
	err = slots_open(&l->mem, sizeof(uint16_t), (size_t)workers * cap);
	if (!l->list || !l->n)
		err = -ENOMEM;
	if (err < 0) {
		steer_close(l);
		return err;
	}
	for (uint32_t w = 0; w < workers; w++)
		l->list[w] = (uint16_t *)l->mem.base + (size_t)w * cap;
	return 0;
}

void steer_close(struct steer_lists *l)
{
	slots_close(&l->mem);
	free(l->list);
	free(l->n);
	*l = (struct steer_lists){0};
}

void steer_block(struct steer_lists *l, const struct packet *row, uint32_t n)
{
	for (uint32_t w = 0; w < l->workers; w++)
		l->n[w] = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t owner = 0;

		if (row[i].verdict == VERDICT_HELD)
			continue;
		if (row[i].verdict == VERDICT_FLOW)
			owner = rm_steer(row[i].hash, l->workers);
		l->list[owner][l->n[owner]++] = (uint16_t)i;
	}
}
