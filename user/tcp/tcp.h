/* SPDX-License-Identifier: MIT */
/*
 * tcp — segments of a connection to ordered chunks of bytes (RFC 9293).
 *
 * Feed one segment with tcp_push, then drain with tcp_next until it returns false.  In-order
 * payload is handed on as a view into the packet; what comes too early waits in pieces.  A hole is
 * waited for (conf bounds bytes, segments and packet time), then skipped and reported as a GAP
 * chunk; bytes that were on the wire but not captured are a CUT chunk, never waited for.  Bytes
 * after a hole keep their true offset.
 *
 * Owner:   one worker.
 * Memory:  64 bytes per slot, more only for connections where something rare happened; pieces
 *          from the worker's pool.
 * Bounds:  conf; what a bound cost is counted (gap, buffer_limit).
 * Borrows: a chunk is valid until the next tcp_next or tcp_push.
 *
 * One forged packet must not blind us: a SYN with another ISN, a far-off segment and a reset are
 * believed only where sequence numbers or the other side confirm them; FIN and RST end nothing
 * that goes on talking.
 */
#ifndef USER_TCP_TCP_H
#define USER_TCP_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/anomaly.h"
#include "user/base/pieces.h"
#include "user/base/slots.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

struct tcp_conf {
	enum overlap_policy policy;
	uint32_t max_pieces;     /* of this worker */
	uint32_t max_flow_bytes; /* held, both directions of a connection */
	uint32_t max_segments;   /* held, per direction */
	uint64_t hole_ns;        /* packet time a hole is waited for */
	uint64_t reuse_idle_ns;  /* an unconfirmed SYN is believed after this silence */
};

/* A segment as it came; dir 0 = from the lower endpoint of the flow key. */
struct tcp_segment {
	uint32_t seq, ack;
	uint32_t len, cap; /* payload by header, and what of it was captured */
	const uint8_t *at;
	uint64_t place; /* of the payload in the capture, or PLACE_NONE */
	const uint8_t *options;
	uint16_t window;
	uint8_t flags, dir, options_len;
	uint64_t ts_ns, clock_ns, number;
	uint32_t frame_bytes;
};

enum chunk_kind { CHUNK_DATA, CHUNK_GAP, CHUNK_CUT, CHUNK_AGAIN };

struct chunk {
	enum chunk_kind kind;
	uint8_t dir;
	uint64_t off; /* of the first byte in the stream */
	uint64_t len;
	const uint8_t *at; /* DATA and AGAIN: a copy of bytes that were delivered before */
	uint64_t place;    /* of DATA in the capture, or PLACE_NONE */
};

enum tcp_state {
	TCP_NONE,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_LAST_ACK,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_CLOSED,
};

enum tcp_got {
	TCP_MORE, /* drain with tcp_next */
	TCP_NEW,  /* a new connection: end this flow, push the segment to a fresh slot */
	/* A held SYN was confirmed: end this flow without the SYN's packets (tcp_held_syn), push
	 * the SYN and then this segment to a fresh slot. */
	TCP_CONFIRMED,
};

/* A SYN inside a living connection, and its retransmissions. */
struct tcp_held_syn {
	struct tcp_segment seg;
	uint8_t options[40];
	uint32_t copies;
	uint64_t bytes;
	/* of the flow before it came */
	uint64_t last_ns, last_clock_ns, last_number;
};

/* Per direction, for records. */
struct tcp_report {
	uint64_t stream_bytes, gap_bytes, cut_bytes, retransmitted_bytes, overlap_bytes,
		conflict_bytes;
	uint32_t gap_count, out_of_order, zero_windows, window_fulls, keepalives;
	uint8_t flags; /* all TCP flags seen */
};

struct tcp_totals {
	uint64_t syn, synack, rst, fin, midstream, gaps, gap_bytes, cut_bytes, out_of_order,
		retransmitted_bytes, overlap_bytes, conflict_bytes, held_peak_bytes, buffer_limits,
		syn_held, syn_confirmed, far;
};

struct tcp_dir {
	uint64_t off; /* stream offset of `next` */
	uint32_t next, fin, acked;
	uint16_t window; /* as it stood in the header */
	uint16_t state;  /* private bits */
	uint8_t scale, flags;
	uint16_t conn; /* in dir[0]: private bits of the connection */
} __attribute__((packed, aligned(4)));

struct tcp_conn {
	struct tcp_dir dir[2];
	uint64_t handshake_ns; /* time of the SYN, then the round-trip time */
};

_Static_assert(sizeof(struct tcp_conn) == 64, "one cache line");

struct tcp_rare;

struct tcp {
	struct tcp_conn *conn;
	struct tcp_totals totals;
	uint64_t anomalies; /* bits of enum anomaly, set by push and next */
	/* the bytes that lost the last conflict */
	struct {
		uint64_t off;
		uint32_t len;
		uint8_t dir;
		bool loser_is_new;
		uint8_t bytes[PIECES_LOSER];
	} evidence;
	struct pieces_pool pool;
	/* private */
	struct tcp_conf conf;
	struct slots conns, rares;
	struct tcp_rare *rare;
	struct {
		uint32_t slot;
		struct segment seg;   /* what is not in order yet, or SEGMENT_NONE */
		struct segment again; /* a copy of delivered bytes */
		uint64_t again_off, clock_ns;
		uint64_t cut; /* left out before all else */
		uint8_t dir;
		bool direct, store, pop, skip, flush, both;
	} out;
};

int tcp_open(struct tcp *t, const struct tcp_conf *conf, uint32_t slots);
void tcp_close(struct tcp *t);

/* A fresh connection in this slot. */
void tcp_start(struct tcp *t, uint32_t slot);
enum tcp_got tcp_push(struct tcp *t, uint32_t slot, const struct tcp_segment *seg,
		      uint64_t idle_ns);
bool tcp_next(struct tcp *t, struct chunk *chunk);
/* The connection ends: tcp_next hands out what still waits, holes skipped; then tcp_end. */
void tcp_flush(struct tcp *t, uint32_t slot);
void tcp_end(struct tcp *t, uint32_t slot);

/* The next n bytes of the direction were on the wire and are known to be left out: a cut.  Drain.
 */
void tcp_skip(struct tcp *t, uint32_t slot, uint8_t dir, uint64_t n);

/* What waits behind a hole, or NULL. */
const struct pieces *tcp_held(const struct tcp *t, uint32_t slot, uint8_t dir);
const struct tcp_held_syn *tcp_held_syn(const struct tcp *t, uint32_t slot, uint8_t dir);
struct tcp_held_syn *tcp_syn_room(struct tcp *t, uint32_t slot, uint8_t dir);
/* A CHUNK_AGAIN was compared with what was delivered: n bytes differ. */
void tcp_conflict(struct tcp *t, uint32_t slot, uint8_t dir, uint32_t n);

void tcp_report(const struct tcp *t, uint32_t slot, uint8_t dir, struct tcp_report *r);
enum tcp_state tcp_state(const struct tcp *t, uint32_t slot, uint8_t client_dir);
enum tcp_phase { TCP_PHASE_OPENING, TCP_PHASE_OPEN, TCP_PHASE_CLOSING, TCP_PHASE_CLOSED };
enum tcp_phase tcp_phase(const struct tcp *t, uint32_t slot);
bool tcp_is_reset(const struct tcp *t, uint32_t slot);
/* Both directions ended, or a reset. */
bool tcp_is_closed(const struct tcp *t, uint32_t slot);
bool tcp_is_closing(const struct tcp *t, uint32_t slot);
/* Bit per direction: everything up to its FIN was delivered. */
uint8_t tcp_ended(const struct tcp *t, uint32_t slot);
bool tcp_is_open(const struct tcp *t, uint32_t slot); /* handshake done, or data seen */
bool tcp_is_midstream(const struct tcp *t, uint32_t slot);
/* 0 where it was not seen whole. */
uint64_t tcp_handshake_rtt_ns(const struct tcp *t, uint32_t slot);

#endif
