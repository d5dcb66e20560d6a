/* SPDX-License-Identifier: MIT */
/*
 * tap — a copy of all that an interface receives and sends: one AF_PACKET TPACKET_V3 ring per
 * worker, joined in a fanout group whose eBPF program steers like XDP does.
 *
 * Source:  Documentation/networking/packet_mmap.rst.
 * Owner:   a ring belongs to its worker; opening and closing is the main thread's.
 * Memory:  blocks of TAP_BLOCK bytes in the mapping of live.h; a frame is borrowed from its block,
 *          which goes back to the kernel by tap_release once all its frames were taken.
 * Bounds:  frames up to TAP_BLOCK less headers; longer ones (BIG TCP above 128 KiB) are cut.
 */
#ifndef USER_SOURCE_TAP_H
#define USER_SOURCE_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "user/source/block.h"

/* The kernel closes a block after the timeout, however little is in it: many small ones bridge a
 * longer pause of the worker than few large ones.  The largest segment of a host is 64 KiB. */
#define TAP_BLOCK (1U << 17)

struct tap_ring {
	int fd;
	uint8_t *base; /* of the ring */
	uint32_t at;   /* offset of the ring in the mapping that frames are placed in */
	uint32_t blocks;
	/* reading */
	uint32_t block, left; /* the block in hand, frames left in it */
	uint32_t next;        /* offset of its next frame, in the ring */
	uint32_t first, held; /* the blocks read and not given back: where, and how many */
	bool head;            /* `frame` holds the next one */
	struct frame frame;
	/* the kernel's counters are zeroed by reading them */
	uint64_t kernel_packets, kernel_drops;
};

/* Opens a socket, and a ring of `bytes` at `area + at`.  0 or negative errno. */
int tap_open(struct tap_ring *r, uint8_t *area, uint32_t at, uint32_t bytes, uint32_t timeout_ms);
/* Bound, as one of a fanout group: the first, with the program that steers, makes it and says in
 * *group which it is; the others join with prog = -1.  Nothing comes in before tap_begin. */
int tap_join(struct tap_ring *r, int ifindex, uint16_t *group, int prog, bool promisc,
	     bool incoming_only);
/* Packets come in from here on; how much of each is for this program to say, or all where it is -1.
 */
int tap_begin(struct tap_ring *r, int prog);
void tap_close(struct tap_ring *r);

/* Nothing more comes in. */
void tap_stop(struct tap_ring *r);

/* The next frame into r->frame, where r->head; its interface is the caller's to say. */
bool tap_peek(struct tap_ring *r);
static inline void tap_take(struct tap_ring *r)
{
	r->head = false;
}
/* All frames taken so far are done with. */
void tap_release(struct tap_ring *r);
/* Blocks that wait. */
uint32_t tap_waiting(const struct tap_ring *r);
void tap_read_counters(struct tap_ring *r);

#endif
