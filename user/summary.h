/* SPDX-License-Identifier: MIT */
/*
 * summary — what a person wants to know of a capture at a glance; gathered per worker as flows
 * end, joined at the end of the run.
 *
 * Bounds: SUMMARY_TOP conversations and SUMMARY_HITS matches per worker; services and anomalies are
 * enumerations.
 */
#ifndef USER_SUMMARY_H
#define USER_SUMMARY_H

#include "user/event/event.h"

#define SUMMARY_TOP  10
#define SUMMARY_HITS 20

struct summary_conversation {
	struct flow_key key;
	bool client_hi;
	enum service_name service;
	uint64_t bytes, packets;
	uint64_t id;
};

struct summary_hit {
	uint64_t number, stream; /* of the packet with the last byte, of the stream */
	uint64_t from;
	bool a_to_b, decoded;
	char name[32], text[56]; /* what is not printable is a dot */
};

struct summary_sum {
	uint64_t flows, packets, bytes, payload;
};

struct summary {
	struct {
		uint64_t streams, packets, bytes;
	} service[SERVICE_COUNT];
	struct summary_sum tcp, udp, icmp, other;
	uint64_t anomaly[ANOMALY_COUNT];
	struct summary_conversation top[SUMMARY_TOP]; /* largest first */
	uint32_t tops;
	uint64_t reset, timeout, closed, open;
	uint64_t matches;
	struct summary_hit hit[SUMMARY_HITS]; /* the first ones, by packet */
	uint32_t hits;
};

void summary_flow(struct summary *s, const struct event_stream *e);
void summary_match(struct summary *s, const struct event_match *e);
void summary_join(struct summary *all, const struct summary *one);

#endif
