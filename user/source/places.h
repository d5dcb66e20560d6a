/* SPDX-License-Identifier: MIT */
/*
 * places — from a place in the one plain file that is read back to the packet that lies there: its
 * number and time.
 *
 * The source notes where each block's first record begins; a block that is asked about is read
 * again and hopped through, and its packets are remembered.
 *
 * Owner:   one thread, any; the source is only read.
 * Memory:  PLACES_BLOCKS tables of some 400 KiB, touched as they come.
 * Bounds:  a question reads one block; an answer from a table reads nothing.
 */
#ifndef USER_SOURCE_PLACES_H
#define USER_SOURCE_PLACES_H

#include "user/source/source.h"

#define PLACES_BLOCKS 64U

struct place_packet {
	uint64_t ts_ns, number;
	uint64_t at; /* of its first byte in the file */
	uint32_t caplen, len, iface;
};

struct places;

/* *out is NULL where the source has no such places.  0 or negative errno. */
int places_open(struct places **out, const struct source *source);
void places_close(struct places *p);

/* The packet that the byte lies in; false where it is not to be had. */
bool places_find(struct places *p, uint64_t pos, struct place_packet *out);
#endif
