/* SPDX-License-Identifier: MIT */
/*
 * offload — which flows need no more payload, and what the kernel counted of them: part of the
 * shard, called by shard.c only, same owner, same thread.
 *
 * A direction is offloaded beyond --stream-depth, from where only ciphertext follows, or by
 * --offload-rule.  An entry ends in two steps, so that no packet falls between: the verdict is
 * taken back, and OFFLOAD_SETTLE_NS later its row is read for the last time.
 *
 * Bounds: --max-offloaded-flows over all workers (beyond it flows stay in full, counted); rows that
 *         settle wait in a ring of as many.
 */
#ifndef USER_OFFLOAD_H
#define USER_OFFLOAD_H

#include "user/base/slots.h"
#include "user/base/span.h"
#include "user/parse/ciphertext.h"
#include "user/source/live.h"

#define OFFLOAD_SETTLE_NS 2000000ULL

struct shard;
struct packet;

struct offload_flow {
	struct ciphertext tracker;
	uint32_t row;    /* or OFFLOAD_NONE */
	uint8_t what[2]; /* enum rm_offload */
	bool refused;    /* there was no room for it */
	bool ending;     /* the verdict was taken back */
	uint64_t ending_ns;
	struct rm_offload_row base; /* what of the row belongs to others or was added up */
	uint64_t unskipped[2]; /* payload counted in the kernel, not yet skipped in the stream */
	uint64_t packets[2], bytes[2]; /* that the kernel counted */
};

struct offload_counts {
	uint64_t flows, refused; /* offloaded; that found no room */
	uint64_t late;           /* packets counted after their flow's record was written */
};

struct offload {
	bool on;
	enum rm_offload verdict;
	struct live *live;
	struct slots mem;
	struct offload_flow *flow;
	/* rows that are free, and those that settle */
	uint32_t *free, frees;
	struct offload_settling {
		uint32_t row;
		uint64_t since_ns, packets; /* the flow had */
	} * settling;
	uint32_t first, settlings, rows;
	struct offload_counts counts;
};

int offload_open(struct shard *s, uint32_t slots);
void offload_close(struct shard *s);

void offload_start(struct shard *s, uint32_t slot);
/* In-order bytes of a TCP stream, and holes in it. */
void offload_feed(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off, struct span bytes);
void offload_gap(struct shard *s, uint32_t slot, uint8_t dir);
/* A packet of the flow came through: before TCP sees it, where bytes were counted in the kernel the
 * stream skips them.  True where it has to be drained. */
bool offload_packet(struct shard *s, uint32_t slot, uint8_t dir, const struct packet *p,
		    uint64_t ts_ns);
/* A flow that has seen no packet for long: true where it is to live on for now. */
bool offload_alive(struct shard *s, uint32_t slot, uint64_t clock_ns);
/* Before the flow's record: what the kernel counted is added.  True where the stream of `dir` has
 * to be drained; both are asked. */
void offload_end(struct shard *s, uint32_t slot);
bool offload_skip_rest(struct shard *s, uint32_t slot, uint8_t dir);
/* From time to time: rows that are settled are free again. */
void offload_settle(struct shard *s);

#endif
