/* SPDX-License-Identifier: MIT */
/* conn — what tcp.c and reasm.c share about a connection; private to user/tcp. */
#ifndef USER_TCP_CONN_H
#define USER_TCP_CONN_H

#include "user/base/seq.h"
#include "user/tcp/tcp.h"

enum {
	DIR_BASE = 1 << 0, /* `next` means something */
	DIR_SOFT = 1 << 1, /* guessed from the first packet seen: may still move back */
	DIR_SYN = 1 << 2,
	DIR_FIN = 1 << 3, /* `fin` is known */
	DIR_FIN_ACKED = 1 << 4,
	DIR_ENDED = 1 << 5, /* everything up to the FIN was delivered */
	DIR_SCALE = 1 << 6, /* offered window scaling */
	DIR_FAR = 1 << 7,   /* pieces from rare.far_seq on are not believed yet */
	DIR_ACKED = 1 << 8, /* `acked` means something */
	DIR_ZERO_WINDOW = 1 << 9,
	DIR_HELD = 1 << 10, /* pieces wait in rare.held */
};

enum {
	CONN_RARE = 1 << 0, /* its row of tcp.rare is in use */
	CONN_RESET = 1 << 1,
	CONN_HANDSHAKE = 1 << 2, /* SYN, SYN-ACK and ACK were seen; handshake_ns is the RTT */
	CONN_SYN_TIME = 1 << 3,  /* handshake_ns is the time of the SYN */
	CONN_SYNACK_HI = 1 << 4, /* who sent the SYN-ACK */
	CONN_SYNACK = 1 << 5,
	CONN_FIN_HI = 1 << 6, /* who sent the first FIN */
	CONN_FIN = 1 << 7,
	CONN_DATA = 1 << 8,
	CONN_MIDSTREAM = 1 << 9,
};

/* State of the few connections that need it; touched first when something rare happens. */
struct tcp_rare {
	struct tcp_report count[2];
	struct pieces held[2];
	uint64_t hole_since[2]; /* clock when the first hole opened */
	uint32_t far_seq[2], far_next[2];
	struct tcp_held_syn syn[2];
};

/* The connection's rare row, made on first use. */
struct tcp_rare *tcp_rare_of(struct tcp *t, uint32_t slot);

/* The first byte of the stream. */
static inline uint32_t dir_start(const struct tcp_dir *d)
{
	return d->next - (uint32_t)d->off;
}

/* The window that `dir` advertises, in bytes; where midstream hides the factor, a guess of 256. */
static inline uint32_t conn_window(const struct tcp_conn *c, uint8_t dir)
{
	uint32_t shift = 0;

	if (c->dir[0].state & c->dir[1].state & DIR_SCALE)
		shift = c->dir[dir].scale;
	else if (!(c->dir[dir].state & DIR_SYN))
		shift = 8;
	return (uint32_t)c->dir[dir].window << shift;
}

/* Whether data of `dir` at seq is near enough to what its peer may expect: two windows, 2 MiB. */
static inline bool conn_in_window(const struct tcp_conn *c, uint8_t dir, uint32_t seq)
{
	const struct tcp_dir *d = &c->dir[dir];
	uint32_t from = d->state & DIR_ACKED ? seq_max(d->next, d->acked) : d->next;
	uint32_t reach = conn_window(c, !dir);

	reach = reach > 1U << 20 ? 2 * reach : 2U << 20;
	return seq_diff(seq, from) <= (int32_t)reach;
}

/* reasm.c: takes the payload of a segment; the chunks come from tcp_next. */
void reasm_segment(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *in, uint32_t seq);

#endif
