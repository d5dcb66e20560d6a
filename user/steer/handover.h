/* SPDX-License-Identifier: MIT */
/*
 * handover — packets on their way from the worker that got them to the worker that owns their flow:
 * datagrams put together from fragments, and what tunnels carry that the kernel does not open.
 *
 * A ring of bytes between two workers; a packet is copied into it from its innermost IP header on,
 * and handled by the owner where it lies.
 * Threads: handover_give by the one worker, handover_take and handover_done by the other.
 * Bounds:  HANDOVER_BYTES; a packet that finds no room is refused, and the giver counts it.
 */
#ifndef USER_STEER_HANDOVER_H
#define USER_STEER_HANDOVER_H

#include <stdatomic.h>

#include "user/base/slots.h"
#include "user/decode/packet.h"
#include "user/source/block.h"

#define HANDOVER_BYTES (1U << 20)
#define HANDOVER_BATCH 64U

struct handover {
	_Alignas(64) _Atomic uint32_t head; /* bytes given, counted on */
	uint32_t seen_tail;
	uint64_t given;                     /* frames */
	_Alignas(64) _Atomic uint32_t tail; /* bytes done with */
	uint32_t taken;                     /* bytes in the owner's hands */
	uint64_t received;                  /* frames */
	_Alignas(64) struct slots mem;
};

int handover_open(struct handover *h);
void handover_close(struct handover *h);

/* Row i of the block and its packets, of flow verdict.  False where there is no room. */
bool handover_give(struct handover *h, const struct block *b, const struct packets *p, uint32_t i);

/* Up to HANDOVER_BATCH packets as a block of their own, over the ring's memory; 0 where none wait.
 * They stay until handover_done. */
uint32_t handover_take(struct handover *h, struct block *b, struct packets *p);
void handover_done(struct handover *h);

/* How many frames a row stands for: a datagram in fragments for several. */
static inline uint32_t packet_frames(const struct packets *p, uint32_t i)
{
	uint32_t n = p->row[i].extra ? p->extra[p->row[i].extra].frames : 0;

	return n ? n : 1;
}

#endif
