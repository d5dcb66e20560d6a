/* SPDX-License-Identifier: MIT */
/*
 * block — some hundred kilobytes of capture and the frames in them, in capture order.
 *
 * Owner:   the worker that prepares it, until it is published; then all workers read it.
 * Memory:  one mapping per block: [0, BLOCK_BYTES + slack) file bytes, behind them room for
 *          datagrams put together from fragments (block_append).
 * Bounds:  BLOCK_FRAMES frames: the smallest record is 16 bytes long, one may reach beyond the
 *          end, and one more may be needed to settle the capture clock.
 */
#ifndef USER_SOURCE_BLOCK_H
#define USER_SOURCE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/slots.h"
#include "user/source/format.h"

#define BLOCK_BYTES  (256U << 10) /* 128 to 512 KiB are equal; the bytes stay in L2 */
#define BLOCK_FRAMES (BLOCK_BYTES / 16 + 2)
#define BLOCK_EXTRA  (16U << 20) /* what reassembled datagrams of one block may take */
#define POS_NONE     UINT64_MAX

/* One captured frame. */
struct frame {
	uint64_t ts_ns;    /* its own time */
	uint64_t clock_ns; /* the capture clock at it (source.h) */
	uint32_t at;       /* offset in block.buf */
	uint32_t caplen, len;
	uint16_t iface; /* row of the interface table, or IFACE_NONE */
	uint16_t flags; /* enum frame_flag */
};

enum frame_flag {
	FRAME_PARTIAL_SUM = 1, /* the sender's hardware was still to fill in the L4 checksum */
};

_Static_assert(sizeof(struct frame) == 32, "two to a cache line");

struct block {
	uint64_t index;
	uint64_t first_number; /* of frame 0, counted over the run from 1; 0 in live capture */
	uint64_t pos;          /* place of buf[0] in the file, POS_NONE where it is no plain file */
	uint8_t *buf;
	struct frame *frame;
	uint32_t *file_number; /* with several files: frame number inside its file */
	uint32_t n;
	uint32_t fill;  /* bytes used in buf */
	uint32_t limit; /* bytes there are */
	bool last;      /* the input ends here */
	/* Nothing came in real time: the capture clock that may be assumed by now; else 0. */
	uint64_t idle_clock_ns;
	/* private */
	struct slots mem, frames, numbers;
};

int block_open(struct block *b, bool several_files);
void block_close(struct block *b);

/* Room for n bytes behind the frames, or NULL where BLOCK_EXTRA is used up. */
uint8_t *block_append(struct block *b, uint32_t n);

#endif
