/* SPDX-License-Identifier: MIT */
/*
 * event — what happened, as plain values: what the worker tells the writer of records (and later
 * the view).  Everything pointed at is borrowed for the call.
 */
#ifndef USER_EVENT_EVENT_H
#define USER_EVENT_EVENT_H

#include "user/base/anomaly.h"
#include "user/base/span.h"
#include "user/decode/packet.h"
#include "user/flow/flow.h"
#include "user/scan/scan.h"
#include "user/stream/inventory.h"
#include "user/tcp/tcp.h"

enum stream_event { EVENT_STREAM_OPEN, EVENT_STREAM_UPDATE, EVENT_FLOW };

enum flow_reason {
	REASON_TIMEOUT,
	REASON_FIN,
	REASON_RST,
	REASON_SHUTDOWN,
	REASON_EVICTED,
	REASON_TCP_REUSE,
};

/* Members every record has, as far as they apply. */
struct event_head {
	uint64_t ts_ns;
	uint64_t number;  /* of the packet, 0 = none */
	const char *file; /* with several input files */
	uint32_t file_number;
	const char *iface; /* or NULL */
	bool has_key;      /* about a packet with addresses */
	struct flow_key key;
	bool src_hi; /* which endpoint is src_ip */
	bool has_stream;
	uint64_t stream_id;
	const struct packet_extra *path; /* VLANs and tunnel, or NULL */
	const char *app_proto;           /* or NULL */
	const char *community_id;        /* or NULL */
};

struct event_direction {
	uint64_t packets, bytes, payload_bytes, stream_bytes;
	struct tcp_report tcp; /* zero for others */
	enum content_kind kind;
	struct span preview;   /* empty where not shown */
	const uint8_t *sha256; /* or NULL */
};

struct event_stream {
	enum stream_event event;
	struct event_head head;
	uint64_t first_ns, last_ns;
	struct service service;
	enum stream_status status;
	enum content_kind kind;
	uint32_t worker;
	uint32_t matches;
	struct event_direction dir[2]; /* a to b, b to a */
	bool show_preview;
	/* flow records */
	enum flow_reason reason;
	uint64_t kept_packets[2], kept_bytes[2]; /* of a and b: counted in the kernel only */
	bool is_tcp, midstream, has_icmp, cut;
	uint8_t icmp_type, icmp_code;
	enum tcp_state tcp_state;
	uint64_t rtt_ns;
	bool established;
	uint32_t anomaly[ANOMALY_COUNT];
	bool has_anomalies;
	const struct inventory *inventory; /* evidence, walked from `evidence` on */
	uint32_t evidence;
	uint8_t a_dir; /* direction of the flow key that is a to b */
};

/* A pattern matched. */
struct event_match {
	struct event_head head;
	const struct scan_match *match;
	bool a_to_b;
	bool decoded; /* offsets are of the decoded body of transaction tx_id */
	uint32_t tx_id;
};

struct event_anomaly {
	struct event_head head;
	const char *type, *event;
	uint64_t count;
};

#endif
