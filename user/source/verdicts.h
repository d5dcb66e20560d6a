/* SPDX-License-Identifier: MIT */
/*
 * verdicts — what the kernel is told to do with the packets of some flows, and what it counted of
 * them: the two maps that all interfaces' programs look into (bpf/offload.h).
 *
 * Threads: opened by the main thread; a row belongs to one worker, whose flow it counts.
 * Memory:  64 bytes per row, mapped: counters are read without a system call.
 * Bounds:  `rows` flows at a time, an even share for each worker.
 */
#ifndef USER_SOURCE_VERDICTS_H
#define USER_SOURCE_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/wire.h"

struct verdicts {
	int map, counters;
	struct rm_offload_row *row;
	uint32_t rows;
};

/* 0 or negative errno. */
int verdicts_open(struct verdicts *v, uint32_t rows);
void verdicts_close(struct verdicts *v);

/* False where the map takes no more. */
bool verdicts_set(const struct verdicts *v, const struct rm_flow_id *id,
		  const struct rm_verdict *verdict);
/* The flow's packets are handed on in full again; some milliseconds later its row is settled. */
void verdicts_clear(const struct verdicts *v, const struct rm_flow_id *id);

void verdicts_read(const struct verdicts *v, uint32_t row, struct rm_offload_row *out);

#endif
