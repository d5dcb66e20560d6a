/* SPDX-License-Identifier: MIT */
/*
 * report — the end of a run: the closing stats record, and a summary for a person.
 */
#ifndef USER_REPORT_H
#define USER_REPORT_H

#include <stdio.h>

#include "user/ledger.h"
#include "user/run.h"

/* Sums over all workers. */
struct report {
	const struct run *run;
	struct decode_counts decode;
	struct flow_counts flow;
	struct tcp_totals tcp;
	struct summary summary;
	struct http1_counts http;
	uint64_t http_states_refused, decoders_refused, messages_surplus, matches, matches_dropped,
		scanned;
	uint64_t payload_bytes, extents, extents_refused, content_kept, content_evicted,
		evidence_refused;
	uint64_t in, flow_frames, other_frames, dropped[RM_DROP_MAX];
	uint64_t waiting; /* frames in no place yet: fragments, and on the way between workers */
	bool balanced;
	struct ledger ledger; /* live capture */
};

/* From run->worker. */
void report_gather(struct report *r, const struct run *run);

/* Packets that did not reach a worker. */
uint64_t report_lost(const struct run *run);

#define REPORT_STATS_MAX (128U << 10)
/* The stats record as a line; its length. */
size_t report_stats(const struct report *r, char *line);

void report_show(const struct report *r, FILE *out);

#endif
