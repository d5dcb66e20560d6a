/* SPDX-License-Identifier: MIT */
/*
 * summary — what a person wants to know of a capture at a glance; gathered per worker as flows
 * end, joined at the end of the run.
 *
 * Bounds: SUMMARY_TOP conversations per worker; services and anomalies are enumerations.
 */
#ifndef USER_SUMMARY_H
#define USER_SUMMARY_H

#include "user/event/event.h"

#define SUMMARY_TOP 10

struct summary_conversation {
	struct flow_key key;
	bool client_hi;
	enum service_name service;
	uint64_t bytes, packets;
	uint64_t id;
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
};

void summary_flow(struct summary *s, const struct event_stream *e);
void summary_join(struct summary *all, const struct summary *one);

#endif
