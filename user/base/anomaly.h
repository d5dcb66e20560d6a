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
	X(UNVERIFIED, "tcp.overlap_unverified", "stream",                                        \
	  "a repeated range could not be compared")                                              \
	X(HTTP_BAD_START, "http.bad_start_line", "applayer",                                     \
	  "neither a request nor a status line")                                                 \
	X(HTTP_BAD_LENGTH, "http.bad_length", "applayer", "Content-Length is no length")         \
	X(HTTP_CONFLICTING_LENGTH, "http.conflicting_length", "applayer",                        \
	  "two lengths for a body")                                                              \
	X(HTTP_LENGTH_AND_CHUNKED, "http.length_and_chunked", "applayer",                        \
	  "Content-Length beside Transfer-Encoding")                                             \
	X(HTTP_TRANSFER_ENCODING, "http.transfer_encoding", "applayer",                          \
	  "Transfer-Encoding that is not plainly chunked")                                       \
	X(HTTP_BAD_CHUNK, "http.bad_chunk", "applayer", "a chunk without a proper size or end")  \
	X(HTTP_FOLDED, "http.obs_fold", "applayer", "a header over several lines")               \
	X(HTTP_BARE_LF, "http.bare_lf", "applayer", "a header ends in LF without CR")            \
	X(HTTP_HEADER_LONG, "http.header_too_long", "applayer", "a header beyond the limit")     \
	X(HTTP_LINE_LONG, "http.line_too_long", "applayer", "a line beyond the limit was cut")   \
	X(HTTP_QUEUE, "http.too_many_requests", "applayer", "too many unanswered requests")      \
	X(HTTP_DECODE_FAILED, "http.decode_failed", "applayer", "a damaged Content-Encoding")    \
	X(HTTP_DECODE_LIMIT, "http.decode_limit", "applayer", "a body decodes to too much")      \
	X(WEBSOCKET_FRAME, "websocket.bad_frame", "applayer", "no frame where one should be")    \
	X(WEBSOCKET_MASK, "websocket.mask", "applayer",                                          \
	  "masked by the server, or not by the client")                                          \
	X(WEBSOCKET_DECODE_FAILED, "websocket.decode_failed", "applayer", "a damaged message")   \
	X(WEBSOCKET_DECODE_LIMIT, "websocket.decode_limit", "applayer",                          \
	  "a message inflates to too much")

#define ANOMALY_ENUM(name, event, type, help) ANOMALY_##name,
enum anomaly { ANOMALIES(ANOMALY_ENUM) ANOMALY_COUNT };
#undef ANOMALY_ENUM

static inline uint64_t anomaly_bit(enum anomaly a)
{
	return 1ULL << a;
}

#endif
