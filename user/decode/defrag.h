/* SPDX-License-Identifier: MIT */
/*
 * defrag — IPv4 and IPv6 fragments to datagrams (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722).
 *
 * Owner:   whoever settles a block's fragments; blocks come in order, so one thread at a time.
 * Memory:  a pool of 2 KiB pieces, shared by all datagrams.
 * Bounds:  conf.max_datagrams and conf.max_pieces; beyond them the oldest datagram is let go and
 *          its frames are counted as fragment_cap.  A datagram waits conf.timeout_ns of the
 *          capture clock, then its frames are counted as fragment_incomplete.
 * Overlap: the first copy of a byte stays; differing copies are counted.
 */
#ifndef USER_DECODE_DEFRAG_H
#define USER_DECODE_DEFRAG_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/wire.h"
#include "user/base/pieces.h"

struct defrag_conf {
	uint32_t max_datagrams;
	uint32_t max_pieces;
	uint64_t timeout_ns;
};

struct fragment_key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint8_t proto; /* IPv4 only; 0 for IPv6 */
	uint8_t v6;
	uint8_t ip_layers;
	uint8_t pad;
};

struct fragment {
	struct fragment_key key;
	uint32_t offset, len; /* of the payload, by header */
	uint32_t cap;         /* of these, captured at `at` */
	const uint8_t *at;
	bool more;
	uint8_t next_header;          /* of the fragment with offset 0 */
	uint32_t frames, frame_bytes; /* that carried it: one, or those of the outer datagram */
	uint64_t clock_ns;
};

struct datagram {
	uint32_t len; /* payload of the whole datagram */
	uint32_t cap; /* bytes from its start without a hole (snaplen may have cut some) */
	uint32_t frames, frame_bytes;
	uint8_t next_header;
	uint32_t slot, last_frames; /* private */
};

struct defrag_counts {
	uint64_t overlaps, conflicts;
	uint64_t dropped[RM_DROP_MAX]; /* frames, by reason */
	uint64_t held;                 /* frames waiting now */
};

enum defrag_got { DEFRAG_HELD, DEFRAG_WHOLE, DEFRAG_DROPPED };

struct defrag;

int defrag_open(struct defrag **out, const struct defrag_conf *conf);
void defrag_close(struct defrag *d);

/* WHOLE: *done is filled, call defrag_take next.  DROPPED: *why; this frame alone is gone. */
enum defrag_got defrag_push(struct defrag *d, const struct fragment *f, struct datagram *done,
			    enum rm_drop *why);
/* Copies done->cap bytes to dst and forgets the datagram; where dst is NULL, there was no room: its
 * frames are counted as fragment_cap, all but those of the fragment that completed it. */
void defrag_take(struct defrag *d, const struct datagram *done, uint8_t *dst);

/* Drops what never became whole: at the end of the input. */
void defrag_flush(struct defrag *d);

const struct defrag_counts *defrag_counts(const struct defrag *d);

#endif
