/* SPDX-License-Identifier: MIT */
/*
 * intake — the frames of a run as they come in, whatever they come from: counted, stamped with the
 * capture clock, limited in number.
 *
 * Owner:   whoever has the source's turn.
 *
 * The capture clock: the running maximum of time stamps, where a step of more than an hour ahead
 * counts only if the next packet confirms it.  A block never ends before that is known, so both
 * packets carry the new time: else the first one would look idle for the whole step.  What runs in
 * real time cannot wait for the next packet; there a step counts also where as much time passed.
 */
#ifndef USER_SOURCE_INTAKE_H
#define USER_SOURCE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/source/block.h"

struct capture_clock {
	uint64_t now_ns, pending_ns, seen;
	bool confirmed; /* this packet confirmed the step of the one before */
};

uint64_t capture_clock_step(struct capture_clock *c, uint64_t ts_ns);
/* The same where `passed_ns` of the machine's time went by since the packet before. */
uint64_t capture_clock_step_after(struct capture_clock *c, uint64_t ts_ns, uint64_t passed_ns);

struct intake {
	struct capture_clock clock;
	uint64_t packets, bytes; /* frames, and their length on the wire */
	uint64_t max_packets;
	bool ended;
};

/* Room for one more frame without a look at its length: BLOCK_BYTES are not used up. */
static inline bool intake_room(const struct intake *in, const struct block *b)
{
	return ((b->fill < BLOCK_BYTES && b->n < BLOCK_FRAMES - 1) || in->clock.pending_ns) &&
	       !in->ended;
}

/* A frame whose bytes lie in the block, with its clock. */
static inline void intake_add(struct intake *in, struct block *b, const struct record *r,
			      uint32_t at, uint64_t clock_ns)
{
	struct frame *f = &b->frame[b->n];

	slots_reach(&b->frames, b->n);
	f->ts_ns = r->ts_ns;
	f->clock_ns = clock_ns;
	if (in->clock.confirmed && b->n)
		b->frame[b->n - 1].clock_ns = f->clock_ns;
	f->at = at;
	f->caplen = r->caplen;
	f->len = r->len;
	f->iface = (uint16_t)r->iface;
	b->n++;
	in->bytes += r->len;
	if (++in->packets >= in->max_packets)
		in->ended = true;
}

static inline void intake_push(struct intake *in, struct block *b, const struct record *r,
			       uint32_t at)
{
	intake_add(in, b, r, at, capture_clock_step(&in->clock, r->ts_ns));
}

/* Copies a frame in; `number`: of it in its file. */
void intake_copy(struct intake *in, struct block *b, const struct record *r, const uint8_t *frame,
		 uint64_t number);
/* The same in real time. */
void intake_copy_after(struct intake *in, struct block *b, const struct record *r,
		       const uint8_t *frame, uint64_t number, uint64_t passed_ns);

#endif
