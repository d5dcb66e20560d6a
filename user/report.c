/* SPDX-License-Identifier: MIT */
/* report — see report.h. */
#include "user/report.h"

#include <arpa/inet.h>

#include "user/base/clock.h"

/* All members of these structs are sums of 64-bit counters. */
static void add_counters(uint64_t *all, const uint64_t *one, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		all[i] += one[i];
}

static void add_shard(struct report *r, const struct shard_totals *t)
{
	add_counters(&r->decode.pkts, &t->decode.pkts, sizeof(r->decode));
	add_counters(&r->tcp.syn, &t->tcp.syn, sizeof(r->tcp));
	add_counters(&r->http.requests, &t->http.requests, sizeof(r->http));
	summary_join(&r->summary, &t->summary);
	r->flow.created += t->flow.created;
	r->flow.ended += t->flow.ended;
	r->flow.evicted += t->flow.evicted;
	r->flow.refused += t->flow.refused;
	r->flow.peak += t->flow.peak;
	r->payload_bytes += t->counts.payload_bytes;
	r->extents += t->extents;
	r->extents_refused += t->extents_refused;
	r->content_kept += t->content_kept;
	r->content_evicted += t->content_evicted;
	r->evidence_refused += t->evidence_refused;
	r->matches_dropped += t->matches_dropped;
	r->matches += t->matches;
	r->scanned += t->scanned;
	r->decoders_refused += t->decoders_refused;
	r->messages_surplus += t->messages_surplus;
	r->http_states_refused += t->http_states_refused;
	r->flow_frames += t->counts.flow_frames;
	r->other_frames += t->counts.other_frames;
	for (int i = 0; i < RM_DROP_MAX; i++)
		r->dropped[i] += t->counts.dropped[i];
}

static void add_defrag(struct report *r, const struct defrag_counts *d)
{
	r->decode.fragment_overlaps += d->overlaps;
	r->decode.fragment_conflicts += d->conflicts;
	for (int i = 0; i < RM_DROP_MAX; i++)
		r->dropped[i] += d->dropped[i];
	r->waiting += d->held;
}

void report_gather(struct report *r, const struct run *run)
{
	uint64_t dropped = 0;

	memset(r, 0, sizeof(*r));
	r->run = run;
	for (uint32_t w = 0; w < run->conf->workers; w++) {
		const struct shard_totals *t = &run->worker[w];

		add_shard(r, t);
		add_defrag(r, &t->defrag);
		r->waiting += t->counts.handed_out - t->counts.handed_in;
	}
	if (run->live)
		ledger_gather(&r->ledger, run);
	r->in = run->totals.packets;
	for (int i = 0; i < RM_DROP_MAX; i++)
		dropped += r->dropped[i];
	/* In real time, what was read may not be handled yet. */
	if (!run->live && !run->ended && r->in > r->flow_frames + r->other_frames + dropped)
		r->waiting = r->in - r->flow_frames - r->other_frames - dropped;
	r->balanced = r->in == r->flow_frames + r->other_frames + dropped + r->waiting;
}

static const char *const drop_names[] = {"",
#define DROP_NAME(name, json, help) json,
					 RM_DROPS(DROP_NAME)
#undef DROP_NAME
};

static void member(struct json *j, char before, const char *name, uint64_t value)
{
	*j->at++ = before;
	*j->at++ = '"';
	json_name(j, name);
	json_lit(j, "\":");
	json_u64(j, value);
}

static void drops(struct json *j, const struct report *r)
{
	char comma = '{';

	for (int i = 1; i < RM_DROP_MAX; i++) {
		if (!r->dropped[i])
			continue;
		member(j, comma, drop_names[i], r->dropped[i]);
		comma = ',';
	}
	if (comma == '{')
		*j->at++ = '{';
	*j->at++ = '}';
}

static void decoder_object(struct json *j, const struct report *r)
{
	char comma = '{';

	json_lit(j, ",\"decoder\":");
#define DECODE_MEMBER(name)                              \
	if (r->decode.name || comma == '{') {            \
		member(j, comma, #name, r->decode.name); \
		comma = ',';                             \
	}
	DECODE_COUNTS(DECODE_MEMBER)
#undef DECODE_MEMBER
	json_lit(j, ",\"drops\":");
	drops(j, r);
	*j->at++ = '}';
}

static void flow_objects(struct json *j, const struct report *r)
{
	const struct tcp_totals *t = &r->tcp;

	json_lit(j, ",\"flow\":");
	member(j, '{', "total", r->flow.created);
	member(j, ',', "tcp", r->summary.tcp.flows);
	member(j, ',', "udp", r->summary.udp.flows);
	member(j, ',', "icmp", r->summary.icmp.flows);
	member(j, ',', "other", r->summary.other.flows);
	member(j, ',', "payload_bytes", r->payload_bytes);
	member(j, ',', "peak", r->flow.peak);
	member(j, ',', "evicted", r->flow.evicted);
	member(j, ',', "refused", r->flow.refused);
	json_lit(j, "},\"tcp\":");
	member(j, '{', "syn", t->syn);
	member(j, ',', "synack", t->synack);
	member(j, ',', "rst", t->rst);
	member(j, ',', "fin", t->fin);
	member(j, ',', "midstream_pickups", t->midstream);
	member(j, ',', "reassembly_gap", t->gaps);
	member(j, ',', "gap_bytes", t->gap_bytes);
	member(j, ',', "cut_bytes", t->cut_bytes);
	member(j, ',', "out_of_order_segments", t->out_of_order);
	member(j, ',', "retransmitted_bytes", t->retransmitted_bytes);
	member(j, ',', "overlap_bytes", t->overlap_bytes);
	member(j, ',', "overlap_diff_data", t->conflict_bytes);
	member(j, ',', "buffer_limits", t->buffer_limits);
	member(j, ',', "reassembly_memuse", t->held_peak_bytes);
	member(j, ',', "syn_held", t->syn_held);
	member(j, ',', "syn_confirmed", t->syn_confirmed);
	member(j, ',', "far_segments", t->far);
	json_lit(j, "},\"content\":");
	member(j, '{', "extents", r->extents);
	member(j, ',', "extents_refused", r->extents_refused);
	member(j, ',', "stored_bytes", r->content_kept - r->content_evicted);
	member(j, ',', "evicted_bytes", r->content_evicted);
	member(j, ',', "evidence_refused", r->evidence_refused);
	json_lit(j, "},\"detect\":");
	member(j, '{', "scanned_bytes", r->scanned);
	member(j, ',', "matches", r->matches);
	member(j, ',', "matches_dropped", r->matches_dropped);
	json_lit(j, "},\"app_layer\":{\"http\":");
	member(j, '{', "requests", r->http.requests);
	member(j, ',', "responses", r->http.responses);
	member(j, ',', "transactions", r->http.transactions);
	member(j, ',', "wire_bytes", r->http.wire_bytes);
	member(j, ',', "decoded_bytes", r->http.decoded_bytes);
	member(j, ',', "exchanges_refused", r->http.exchanges_refused);
	member(j, ',', "texts_refused", r->http.texts_refused);
	member(j, ',', "states_refused", r->http_states_refused);
	member(j, ',', "decoders_refused", r->decoders_refused);
	member(j, ',', "messages_not_reported", r->messages_surplus);
	json_lit(j, "},\"flow\":");
	for (int i = 0, first = 1; i < SERVICE_COUNT; i++) {
		if (first)
			*j->at++ = '{';
		if (r->summary.service[i].streams) {
			member(j, first ? ' ' : ',', service_name_text(i),
			       r->summary.service[i].streams);
			first = 0;
		} else if (first) {
			j->at--;
		}
		if (i == SERVICE_COUNT - 1 && first)
			*j->at++ = '{';
	}
	json_lit(j, "}}");
}

/* What a tick of the cheap clock is worth, from this very run. */
static double ns_per_tick(const struct run *run)
{
	uint64_t ns = run->started_ns, ticks = run->started_ticks;

	while (clock_ns() - ns < 2000000)
		;
	return (double)(clock_ns() - ns) / (double)(clock_ticks() - ticks);
}

static void workers_array(struct json *j, const struct report *r)
{
	static const char *const stages[] = {
#define STAGE_NAME(name) #name,
		SHARD_STAGES(STAGE_NAME)
#undef STAGE_NAME
	};
	double worth = ns_per_tick(r->run);

	json_lit(j, ",\"workers\":[");
	for (uint32_t w = 0; w < r->run->conf->workers; w++) {
		const struct shard_totals *s = &r->run->worker[w];

		if (w)
			*j->at++ = ',';
		member(j, '{', "worker", w);
		member(j, ',', "packets", s->counts.packets);
		member(j, ',', "flows", s->flow.created);
		member(j, ',', "prepared", s->decode.pkts);
		json_lit(j, ",\"stages\":");
		for (int i = 0; i < STAGE_COUNT; i++)
			member(j, i ? ',' : '{', stages[i],
			       (uint64_t)((double)s->counts.ticks[i] * worth));
		json_lit(j, "}}");
	}
	*j->at++ = ']';
}

/* By libpcap: what it says, and what is left. */
static void pcap_members(struct json *j, const struct report *r)
{
	struct source_drops d = source_drops(r->run->source);
	uint64_t read = r->run->totals.packets + d.dropped;

	member(j, ',', "kernel_packets", d.received);
	member(j, ',', "kernel_drops", d.dropped);
	member(j, ',', "unread", d.received > read ? d.received - read : 0);
	json_lit(j, ",\"kernel\":{},\"drops\":");
	if (d.dropped) {
		member(j, '{', "ring_full", d.dropped);
		*j->at++ = '}';
	} else {
		json_lit(j, "{}");
	}
	json_lit(j, ",\"queues\":[],\"ok\":");
	json_name(j, d.received >= read ? "true" : "false");
}

uint64_t report_lost(const struct run *run)
{
	struct ledger l;

	if (!run->live)
		return source_drops(run->source).dropped;
	ledger_gather(&l, run);
	return l.lost;
}

size_t report_stats(const struct report *r, char *line)
{
	const struct source_totals *t = &r->run->totals;
	struct event_head head = {.ts_ns = t->last_ts_ns};
	struct json j = {.at = line};

	if (head.ts_ns == 0)
		head.ts_ns = clock_wall_ns();
	record_head(&j, &head, "stats");
	json_lit(&j, ",\"stats\":");
	member(&j, '{', "uptime", (r->run->ended_ns - r->run->started_ns) / NS_PER_S);
	json_lit(&j, ",\"capture\":");
	member(&j, '{', "packets", t->packets);
	member(&j, ',', "bytes", t->bytes);
	member(&j, ',', "input_bytes", t->input_bytes);
	if (r->run->live)
		ledger_members(&j, &r->ledger, r->run);
	else if (r->run->conf->ifaces.n)
		pcap_members(&j, r);
	else
		json_lit(&j, ",\"queues\":[]");
	*j.at++ = '}';
	decoder_object(&j, r);
	flow_objects(&j, r);
	workers_array(&j, r);
	if (r->run->sink) {
		json_lit(&j, ",\"output\":");
		member(&j, '{', "records_dropped", sink_dropped(r->run->sink));
		*j.at++ = '}';
	}
	json_lit(&j, ",\"balance\":");
	member(&j, '{', "in", r->in);
	json_lit(&j, ",\"out\":");
	member(&j, '{', "flow", r->flow_frames);
	member(&j, ',', "other", r->other_frames);
	json_lit(&j, "},\"dropped\":");
	drops(&j, r);
	if (r->waiting)
		member(&j, ',', "waiting", r->waiting);
	json_lit(&j, ",\"ok\":");
	json_name(&j, r->balanced ? "true}}}\n" : "false}}}\n");
	return (size_t)(j.at - line);
}

/* ---- for a person ---- */

static void amount(FILE *out, uint64_t bytes)
{
	if (bytes < 10000)
		fprintf(out, "%8llu B ", (unsigned long long)bytes);
	else if (bytes < 10000000)
		fprintf(out, "%8.1f kB", (double)bytes / 1e3);
	else if (bytes < 10000000000)
		fprintf(out, "%8.1f MB", (double)bytes / 1e6);
	else
		fprintf(out, "%8.1f GB", (double)bytes / 1e9);
}

static void endpoint(char *text, size_t size, const struct flow_key *k, bool hi)
{
	char address[INET6_ADDRSTRLEN] = "?";
	uint16_t port = hi ? k->hi_port : k->lo_port;

	inet_ntop(k->v6 ? AF_INET6 : AF_INET, hi ? k->hi : k->lo, address, sizeof(address));
	if (proto_has_ports(k->proto))
		snprintf(text, size, k->v6 ? "[%s]:%u" : "%s:%u", address, port);
	else
		snprintf(text, size, "%s", address);
}

static void show_services(const struct report *r, FILE *out)
{
	bool shown[SERVICE_COUNT] = {false};

	fprintf(out, "\nServices                 streams      packets        bytes\n");
	for (int n = 0; n < 12; n++) {
		int best = -1;

		for (int i = 0; i < SERVICE_COUNT; i++)
			if (!shown[i] && r->summary.service[i].streams &&
			    (best < 0 ||
			     r->summary.service[i].bytes > r->summary.service[best].bytes))
				best = i;
		if (best < 0)
			return;
		shown[best] = true;
		fprintf(out, "  %-18s %12llu %12llu   ", service_name_text(best),
			(unsigned long long)r->summary.service[best].streams,
			(unsigned long long)r->summary.service[best].packets);
		amount(out, r->summary.service[best].bytes);
		fputc('\n', out);
	}
	fprintf(out, "  ...\n");
}

static void show_top(const struct report *r, FILE *out)
{
	fprintf(out, "\nTop conversations (client, server)\n");
	for (uint32_t i = 0; i < r->summary.tops; i++) {
		const struct summary_conversation *c = &r->summary.top[i];
		char a[64], b[64], room[4];

		endpoint(a, sizeof(a), &c->key, c->client_hi);
		endpoint(b, sizeof(b), &c->key, !c->client_hi);
		fprintf(out, "  ");
		amount(out, c->bytes);
		fprintf(out, " %8llu packets  %-4s %s > %s  %s  %016llx\n",
			(unsigned long long)c->packets, proto_name(c->key.proto, room), a, b,
			service_name_text(c->service), (unsigned long long)c->id);
	}
}

static void show_matches(const struct report *r, FILE *out)
{
	if (!r->run->shard[0].alerts.on)
		return;
	fprintf(out, "\nMatches: %llu\n", (unsigned long long)r->summary.matches);
	for (uint32_t i = 0; i < r->summary.hits; i++) {
		const struct summary_hit *h = &r->summary.hit[i];

		fprintf(out, "  %016llx %s %10llu%s  %-16s %s\n", (unsigned long long)h->stream,
			h->a_to_b ? "a_to_b" : "b_to_a", (unsigned long long)h->from,
			h->decoded ? " decoded" : "", h->name, h->text);
	}
	if (r->summary.matches > r->summary.hits)
		fprintf(out, "  ... (all of them with --output)\n");
	if (r->matches_dropped)
		fprintf(out,
			"  %llu more were not reported: see --max-pattern-matches-per-stream and "
			"-total\n",
			(unsigned long long)r->matches_dropped);
}

static void show_anomalies(const struct report *r, FILE *out)
{
	static const char *const names[][2] = {
#define ANOMALY_TEXT(name, event, type, help) {event, help},
		ANOMALIES(ANOMALY_TEXT)
#undef ANOMALY_TEXT
	};
	bool any = false;

	for (int i = 0; i < ANOMALY_COUNT; i++) {
		if (!r->summary.anomaly[i])
			continue;
		if (!any)
			fprintf(out, "\nAnomalies\n");
		any = true;
		fprintf(out, "  %12llu  %-26s %s\n", (unsigned long long)r->summary.anomaly[i],
			names[i][0], names[i][1]);
	}
}

static void show_balance(const struct report *r, FILE *out)
{
	static const char *const helps[] = {"",
#define DROP_HELP(name, json, help) help,
					    RM_DROPS(DROP_HELP)
#undef DROP_HELP
	};

	fprintf(out, "\nBalance: %llu packets read = %llu in flows + %llu other",
		(unsigned long long)r->in, (unsigned long long)r->flow_frames,
		(unsigned long long)r->other_frames);
	for (int i = 1; i < RM_DROP_MAX; i++)
		if (r->dropped[i])
			fprintf(out, " + %llu dropped (%s)", (unsigned long long)r->dropped[i],
				helps[i]);
	fprintf(out, "%s\n", r->balanced ? "" : "  DOES NOT ADD UP");
	if (r->flow.evicted)
		fprintf(out, "%llu flows were evicted early: --max-flows is too small\n",
			(unsigned long long)r->flow.evicted);
	if (r->tcp.buffer_limits)
		fprintf(out,
			"%llu holes were given up early: see --max-tcp-buffered-bytes-per-flow\n",
			(unsigned long long)r->tcp.buffer_limits);
}

void report_show(const struct report *r, FILE *out)
{
	const struct source_totals *t = &r->run->totals;
	double seconds = (double)(r->run->ended_ns - r->run->started_ns) / 1e9;

	fprintf(out, "%llu packets, ", (unsigned long long)t->packets);
	fprintf(out,
		"%llu bytes on the wire, %llu flows (%llu TCP, %llu UDP, %llu ICMP, %llu other)\n",
		(unsigned long long)t->bytes, (unsigned long long)r->flow.created,
		(unsigned long long)r->summary.tcp.flows, (unsigned long long)r->summary.udp.flows,
		(unsigned long long)r->summary.icmp.flows,
		(unsigned long long)r->summary.other.flows);
	if (r->flow.created) {
		show_services(r, out);
		show_top(r, out);
	}
	show_matches(r, out);
	show_anomalies(r, out);
	show_balance(r, out);
	fprintf(out, "%.3f s, %.0f MB/s, %.2f million packets/s, %u worker%s\n", seconds,
		(double)t->input_bytes / 1e6 / seconds, (double)t->packets / 1e6 / seconds,
		r->run->conf->workers, r->run->conf->workers == 1 ? "" : "s");
}
