/* SPDX-License-Identifier: MIT */
/*
 * anomaly — everything odd that is reported by name, in one list: X(NAME, event, type, help).
 * `type` is EVE's: decode, stream or applayer.  The layer is the part of the event before the dot.
 */
#ifndef USER_BASE_ANOMALY_H
#define USER_BASE_ANOMALY_H

#include <stdint.h>

#define ANOMALIES(X)                                                                             \
	X(OVERLAP_CONFLICT, "tcp.overlap_conflict", "stream", "copies of the same bytes differ") \
	X(GAP, "tcp.gap", "stream", "bytes were never captured")                                 \
	X(BUFFER_LIMIT, "tcp.buffer_limit", "stream", "a hole was given up early: buffers full") \
	X(FAR_SEQUENCE, "tcp.far_sequence", "stream", "data far outside the window")             \
	X(BEFORE_START, "tcp.data_before_start", "stream", "data before the first byte")         \
	X(AFTER_FIN, "tcp.data_after_fin", "stream", "data behind the end of the stream")        \
	X(FIN_CONFLICT, "tcp.fin_conflict", "stream", "a second end at another place")           \
	X(RST_WINDOW, "tcp.rst_out_of_window", "stream", "a reset that the sequence disproves")  \
	X(SYN_HELD, "tcp.syn_unconfirmed", "stream", "a new SYN inside a living connection")     \
	X(SYNACK, "tcp.synack_mismatch", "stream", "a SYN-ACK that answers no SYN")              \
	X(TCP_CHECKSUM, "tcp.checksum", "decode", "bad TCP checksum")                            \
	X(UDP_CHECKSUM, "udp.checksum", "decode", "bad UDP checksum")                            \
	X(IP_CHECKSUM, "ipv4.checksum", "decode", "bad IPv4 header checksum")                    \
	X(LENGTH_LIES, "ip.length_exceeds_frame", "decode", "IP length beyond the frame")        \
	X(UNVERIFIED, "tcp.overlap_unverified", "stream", "a repeated range could not be compared")

#define ANOMALY_ENUM(name, event, type, help) ANOMALY_##name,
enum anomaly { ANOMALIES(ANOMALY_ENUM) ANOMALY_COUNT };
#undef ANOMALY_ENUM

static inline uint32_t anomaly_bit(enum anomaly a)
{
	return 1U << a;
}

#endif
