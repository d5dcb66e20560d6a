/* SPDX-License-Identifier: MIT */
/*
 * xsk — AF_XDP: one UMEM per receive queue, on it one socket per worker.
 *
 * Source:  Documentation/networking/af_xdp.rst.
 * Threads: a ring belongs to its worker.  The fill ring of a queue is shared by the workers' rings
 *          and has one lock, taken once per batch: the one lock on the packet path.
 * Memory:  buffers of the queue lie in the mapping of live.h; a frame is borrowed until
 * xsk_release. Bounds:  a power of two of buffers, XSK_BACK of them in a worker's hands.
 */
#ifndef USER_SOURCE_XSK_H
#define USER_SOURCE_XSK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <xdp/xsk.h>

#include "user/source/block.h"

#define XSK_BACK      1024U
#define XSK_HEADROOM  256U /* of a buffer: XDP_PACKET_HEADROOM of the kernel */
#define XSK_MAX_DESCS 48U  /* of one frame: 64 KiB in buffers of 2048 */

struct xsk_queue {
	uint32_t id;
	uint8_t *area; /* of the mapping */
	uint32_t at;   /* the first buffer in it */
	uint32_t buffers, buffer_bytes;
	struct xsk_umem *umem;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons done; /* of sending, which nobody does */
	pthread_spinlock_t lock;
	bool locked; /* the lock exists */
};

struct xsk_ring {
	struct xsk_queue *queue;
	struct xsk_socket *socket;
	struct xsk_ring_cons rx;
	/* reading */
	bool head; /* the next frame's first piece is `desc` */
	uint32_t index;
	uint64_t ts_ns; /* of the next frame, CLOCK_MONOTONIC; 0 without metadata */
	uint32_t back;
	uint64_t addr[XSK_BACK]; /* buffers to give back */
	/* how full the ring was when it was last looked at */
	uint32_t waiting;
};

/* Buffers, all for the kernel.  0 or negative errno. */
int xsk_queue_open(struct xsk_queue *q, uint8_t *area, uint32_t at, uint32_t buffers,
		   uint32_t buffer_bytes, uint32_t id);
void xsk_queue_close(struct xsk_queue *q);

struct xsk_want {
	const char *iface;
	bool native, frags;
};

/* A socket on the queue: zero-copy where the driver can.  -EBUSY only where the queue is in use for
 * longer than a dying process needs to leave it. */
int xsk_ring_open(struct xsk_ring *r, struct xsk_queue *q, const struct xsk_want *want);
void xsk_ring_close(struct xsk_ring *r);

bool xsk_peek(struct xsk_ring *r);
/* The frame that was looked at, placed in b's memory; one in several pieces is put together behind
 * the frames.  False where there is no room for that now. */
bool xsk_take(struct xsk_ring *r, struct block *b, struct frame *f);
void xsk_release(struct xsk_ring *r);
/* Lets the driver run where it asked for that. */
void xsk_kick(struct xsk_ring *r);

struct xsk_losses {
	uint64_t dropped, ring_full,
		fill_empty; /* the last is of the queue, in each of its rings */
};

void xsk_read_counters(const struct xsk_ring *r, struct xsk_losses *out);

#endif
