/* SPDX-License-Identifier: MIT */
/*
 * news — what a worker tells the view, as plain values in a channel: rows of streams, matches,
 * traffic per second.  Nothing points anywhere.
 *
 * Each record begins with its kind.  A stream is named by its id, and by where its worker finds it
 * again (worker, entry).
 */
#ifndef USER_EVENT_NEWS_H
#define USER_EVENT_NEWS_H

#include "user/base/anomaly.h"
#include "user/flow/key.h"
#include "user/stream/service.h"

#define NEWS_LINE 46U /* of a stream's first line */
#define NEWS_TEXT 64U /* of a match */
#define NEWS_NAME 64U /* of a pattern */

enum news_kind { NEWS_STREAM, NEWS_MATCH, NEWS_TIME };

/* A stream as of now: [0] is a to b. */
struct news_stream {
	uint32_t kind;  /* NEWS_STREAM */
	uint32_t entry; /* at its worker */
	uint64_t id, first_ns, last_ns;
	struct flow_key key;
	uint64_t packets[2], bytes[2], payload_bytes[2], stream_bytes[2];
	uint64_t gap_bytes, cut_bytes;
	uint64_t anomalies; /* bits of enum anomaly */
	uint32_t chunks[2]; /* deliveries in order */
	uint32_t matches, not_shown;
	uint32_t messages, conflict_bytes;
	uint32_t rtt_us;
	uint16_t worker;
	struct service service;
	uint8_t status, content_kind, kinds[2];
	uint8_t client_hi, ended, reason, tcp_state, midstream;
	uint8_t line_len;
	char line[NEWS_LINE]; /* printable */
};

struct news_match {
	uint32_t kind; /* NEWS_MATCH */
	uint32_t entry;
	uint64_t stream;
	uint64_t from, to; /* half open, in the stream or (decoded) the body of transaction tx_id */
	uint64_t ts_ns, number;
	uint32_t signature, ordinal;
	uint32_t tx_id;
	uint16_t worker;
	uint8_t pattern_kind, service;
	bool a_to_b, decoded, again; /* again: found by a rescan */
	uint8_t text_len, name_len;
	char name[NEWS_NAME];
	uint8_t text[NEWS_TEXT]; /* its first bytes, as they are */
};

struct news_service {
	uint32_t service;
	int32_t streams; /* below 0: they turned out to be of another one */
	uint32_t matches;
	uint64_t packets, bytes;
};

/* What came in a second of packet time; only services that had any. */
struct news_time {
	uint32_t kind; /* NEWS_TIME */
	uint32_t n;
	uint64_t second; /* since 1970 */
	struct news_service service[SERVICE_COUNT];
};

#endif
