/* SPDX-License-Identifier: MIT */
/*
 * stats — numbers of the run: /api/health, /api/perf/queues, /metrics, the timeline and the tops.
 *
 * Workers copy what they count on a sheet, some times a second while packets come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"

static const char *const stages[] = {
#define STAGE_NAME(name) #name,
	SHARD_STAGES(STAGE_NAME)
#undef STAGE_NAME
};
static const char *const live_drops[] = {
#define DROP_NAME(name, json, help) json,
	LIVE_DROPS(DROP_NAME)
#undef DROP_NAME
};
static const char *const drops[] = {"",
#define DROP_NAME(name, json, help) json,
				    RM_DROPS(DROP_NAME)
#undef DROP_NAME
};
static const char *const run_statuses[] = {"running", "completed", "failed"};

static void gather(struct api *a)
{
	a->seen.ended_ns = clock_ns();
	run_sum(&a->seen);
	report_gather(&a->report, &a->seen);
	a->stats_len = report_stats(&a->report, a->stats);
	a->stats_ms = clock_ns() / 1000000;
}

void stats_final(struct api *a)
{
	const struct run *r = a->run;

	memcpy(a->seen.worker, r->worker, a->conf->workers * sizeof(*r->worker));
	memcpy(a->seen.ring, r->ring, a->conf->workers * r->rings * sizeof(*r->ring));
	a->seen.ended = true;
	gather(a);
}

void stats_look(struct api *a, uint64_t now)
{
	if (a->status != RUN_RUNNING || a->stats_owed || now - a->stats_ms < FRESH_MS)
		return;
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		struct ask *q = ask_take(&a->run->desk);

		if (!q)
			break;
		q->kind = ASK_TOTALS;
		q->worker = (uint16_t)w;
		a->stats_owed++;
		ask_send(&a->run->desk, q);
	}
	a->stats_ms = now;
}

void stats_answer(struct api *a, struct ask *q)
{
	if (a->status == RUN_RUNNING) {
		memcpy(&a->seen.worker[q->worker], q->room, sizeof(a->seen.worker[0]));
		memcpy(&a->seen.ring[q->worker * a->run->rings],
		       q->room + sizeof(a->seen.worker[0]),
		       a->run->rings * sizeof(a->seen.ring[0]));
	}
	ask_put(q);
	if (--a->stats_owed || a->status != RUN_RUNNING)
		return;
	gather(a);
	deltas_add(&a->view.deltas, DELTA_STATS, NULL, 0);
	deltas_add(&a->view.deltas, DELTA_QUEUE, NULL, 0);
}

/* ---- health ---- */

static void out_drops(struct out *o, const struct report *r)
{
	out_object(o, "drops");
	for (int i = 1; i < RM_DROP_MAX; i++)
		if (r->dropped[i])
			out_u64(o, drops[i], r->dropped[i]);
	for (int i = 0; i < LIVE_DROP_MAX; i++)
		if (r->ledger.drop[i])
			out_u64(o, live_drops[i], r->ledger.drop[i]);
	out_end_object(o);
}

static void out_balance(struct out *o, const struct report *r)
{
	uint64_t dropped = 0;

	for (int i = 1; i < RM_DROP_MAX; i++)
		dropped += r->dropped[i];
	out_object(o, "balance");
	out_u64(o, "in", r->in);
	out_u64(o, "flow", r->flow_frames);
	out_u64(o, "other", r->other_frames);
	out_u64(o, "dropped", dropped);
	out_u64(o, "waiting", r->waiting);
	out_bool(o, "ok", r->balanced);
	out_end_object(o);
}

/* The busiest worker's share, in thousandths of an even one. */
static uint64_t skew_of(const struct api *a, uint32_t *busiest)
{
	uint64_t all = 0, most = 0;

	*busiest = 0;
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		uint64_t n = a->seen.worker[w].counts.packets;

		all += n;
		if (n > most) {
			most = n;
			*busiest = w;
		}
	}
	return all ? most * a->conf->workers * 1000 / all : 0;
}

static void out_pressure(struct api *a, struct out *o)
{
	uint32_t busiest;
	uint64_t skew = skew_of(a, &busiest), packets = 0, lost = a->report.ledger.lost;
	const char *state;

	for (uint32_t w = 0; w < a->conf->workers; w++)
		packets += a->seen.worker[w].counts.packets;
	state = packets == 0   ? "idle"
		: lost         ? "saturated"
		: skew >= 3000 ? "hot"
		: skew >= 1800 ? "watch"
			       : "healthy";
	out_object(o, "shard_pressure");
	out_text(o, "state", state);
	out_u64(o, "shard_count", a->conf->workers);
	out_u64(o, "routed_packets", packets);
	out_u64(o, "busiest_shard", busiest);
	out_u64(o, "busiest_shard_packets", a->seen.worker[busiest].counts.packets);
	out_u64(o, "packet_skew_ratio_milli", skew);
	out_array(o, "warnings");
	if (a->conf->workers == 1)
		out_text(o, NULL, "single_shard");
	if (skew >= 1800)
		out_text(o, NULL, "packet_skew");
	if (lost)
		out_text(o, NULL, "packets_lost");
	out_end_array(o);
	out_end_object(o);
}

static void out_view(struct api *a, struct out *o)
{
	const struct view *v = &a->view;
	uint64_t waits = 0, not_shown = 0, lost = 0, rows_lost = 0, recounts_lost = 0;

	for (uint32_t w = 0; w < a->conf->workers; w++) {
		const struct archive_counts *c = &a->seen.worker[w].archive;

		waits += c->waits;
		not_shown += c->streams_not_shown;
		lost += c->matches_lost;
		rows_lost += c->rows_lost;
		recounts_lost += c->recounts_lost;
	}
	out_object(o, "view");
	out_u64(o, "tracked_streams", v->rows.live);
	out_u64(o, "favorite_streams", v->rows.favorites);
	out_u64(o, "manually_hidden_streams", v->rows.hidden);
	out_u64(o, "matched_streams", v->rows.matched);
	out_u64(o, "stored_matches", v->found.added - v->found.dropped);
	out_u64(o, "dropped_matches", v->found.dropped);
	out_u64(o, "orphan_matches", v->orphans);
	out_u64(o, "evicted_streams", v->rows.evicted);
	out_u64(o, "hide_rules", v->hide.n);
	out_u64(o, "worker_waits", waits);
	out_u64(o, "streams_not_shown", not_shown + v->rows.refused);
	out_u64(o, "rows_not_shown", rows_lost);
	out_u64(o, "matches_not_shown", lost);
	out_u64(o, "timeline_not_corrected", recounts_lost);
	out_bool(o, "saved", saved_works(v->saved));
	out_end_object(o);
}

static void out_cap(struct out *o, const char *name, uint64_t used, uint64_t cap, uint64_t refused)
{
	out_object(o, NULL);
	out_text(o, "name", name);
	out_u64(o, "used", used);
	out_u64(o, "cap", cap);
	out_u64(o, "refused", refused);
	out_end_object(o);
}

static void out_caps(struct api *a, struct out *o)
{
	const struct report *r = &a->report;
	const struct conf *c = a->conf;
	uint64_t live = 0;

	for (uint32_t w = 0; w < c->workers; w++)
		live += a->seen.worker[w].flow.live;
	out_array(o, "caps");
	out_cap(o, "max-flows", live, c->max_flows, r->flow.evicted + r->flow.refused);
	out_cap(o, "max-streams", a->view.rows.live, c->max_streams,
		a->view.rows.evicted + a->view.rows.refused);
	out_cap(o, "max-pattern-matches-total", r->matches, c->matches_total, r->matches_dropped);
	out_cap(o, "max-stream-extent-bytes", 12 * r->extents, c->max_extent_bytes,
		r->extents_refused);
	out_cap(o, "max-stream-content-bytes", r->content_kept - r->content_evicted,
		c->content_bytes, r->content_evicted);
	out_cap(o, "max-tcp-buffered-bytes", r->tcp.held_peak_bytes, c->tcp_buffered_total,
		r->tcp.buffer_limits);
	out_cap(o, "max-http1-parser-states", r->http.transactions ? 1 : 0, c->http_states,
		r->http_states_refused);
	out_cap(o, "hide-rules", a->view.hide.n, HIDE_RULES, 0);
	out_cap(o, "favorites", a->view.rows.favorites, VIEW_FAVORITES, 0);
	out_end_array(o);
}

/* The object `stats` of the record, as it stands there. */
static struct span stats_object(const struct api *a)
{
	static const char member[] = "\"stats\":{";
	const char *at = a->stats_len ? strstr(a->stats, member) : NULL;

	if (!at)
		return span_of((const uint8_t *)"{}", 2);
	at += sizeof(member) - 2;
	return span_of((const uint8_t *)at, (size_t)(a->stats + a->stats_len - 2 - at));
}

void health_get(struct api *a, struct call *c)
{
	struct http_counts http = http_counts(a->http);
	struct out *o = &c->out;
	uint32_t busiest;

	out_object(o, NULL);
	out_text(o, "status", "ok");
	out_text(o, "run_status", run_statuses[a->status]);
	out_id(o, "instance", a->instance);
	out_u64(o, "uptime", (clock_ns() - a->run->started_ns) / NS_PER_S);
	out_raw(o, "stats", stats_object(a));
	out_balance(o, &a->report);
	out_drops(o, &a->report);
	out_object(o, "queue_summary");
	out_u64(o, "worker_packet_skew_ratio_milli", skew_of(a, &busiest));
	out_u64(o, "busiest_worker", busiest);
	out_u64(o, "busiest_worker_packets", a->seen.worker[busiest].counts.packets);
	out_end_object(o);
	out_pressure(a, o);
	out_view(a, o);
	out_caps(a, o);
	out_object(o, "api");
	out_u64(o, "connections", http.open);
	out_u64(o, "max_connections", 1000);
	out_u64(o, "requests", http.requests);
	out_u64(o, "reaped", http.reaped);
	out_u64(o, "polls", a->polls);
	out_u64(o, "event_clients", a->streams);
	out_u64(o, "refused_tokens", a->access.refused);
	out_end_object(o);
	out_u64(o, "content_shards", a->conf->workers);
	out_u64(o, "active_content_shards", a->conf->no_content ? 0 : a->conf->workers);
	out_u64(o, "latest_delta_cursor", a->view.deltas.latest);
	out_u64(o, "dropped_delta_cursor", a->view.deltas.dropped_before);
	out_end_object(o);
	call_reply(c, 200);
}

/* ---- queues ---- */

static uint64_t busy_milli(const uint64_t *ticks)
{
	uint64_t all = 0;

	for (int i = 0; i < STAGE_COUNT; i++)
		all += ticks[i];
	return all ? 1000 - ticks[STAGE_wait] * 1000 / all : 0;
}

static void out_ring(struct api *a, struct out *o, uint32_t worker, const struct live_ring_stats *s)
{
	out_object(o, NULL);
	out_text(o, "interface",
		 a->report.ledger.iface[s->iface].name ? a->report.ledger.iface[s->iface].name
						       : "");
	out_u64(o, "queue", s->queue);
	out_u64(o, "worker", worker);
	out_u64(o, "packets", s->packets);
	out_u64(o, "bytes", s->bytes);
	out_u64(o, "wakeups", s->wakeups);
	out_object(o, "drops");
	for (int i = 0; i < LIVE_DROP_MAX; i++)
		out_u64(o, live_drops[i], s->drop[i]);
	out_end_object(o);
	out_array(o, "fill");
	for (int i = 0; i < LIVE_STEPS; i++)
		out_u64(o, NULL, s->fill[i]);
	out_end_array(o);
	out_array(o, "batch");
	for (int i = 0; i < LIVE_STEPS; i++)
		out_u64(o, NULL, s->batch[i]);
	out_end_array(o);
	out_end_object(o);
}

static void out_worker(struct api *a, struct out *o, uint32_t w)
{
	const struct shard_totals *t = &a->seen.worker[w];

	out_object(o, NULL);
	out_u64(o, "id", w);
	out_u64(o, "packets", t->counts.packets);
	out_u64(o, "bytes", t->counts.read_bytes);
	out_u64(o, "payload_bytes", t->counts.payload_bytes);
	out_u64(o, "flows", t->flow.live);
	out_u64(o, "busy_milli", busy_milli(t->counts.ticks));
	out_u64(o, "handed_out", t->counts.handed_out);
	out_u64(o, "handed_in", t->counts.handed_in);
	out_u64(o, "view_rows", t->archive.rows);
	out_u64(o, "view_waits", t->archive.waits);
	out_object(o, "cycles_per_packet");
	for (int i = 0; i < STAGE_COUNT; i++)
		if (i != STAGE_wait && i != STAGE_end)
			out_u64(o, stages[i],
				t->counts.packets ? t->counts.ticks[i] / t->counts.packets : 0);
	out_end_object(o);
	out_object(o, "drops");
	for (int i = 1; i < RM_DROP_MAX; i++)
		if (t->counts.dropped[i])
			out_u64(o, drops[i], t->counts.dropped[i]);
	out_end_object(o);
	out_end_object(o);
}

/* A plain sentence where something is wrong. */
static void out_findings(struct api *a, struct out *o)
{
	const struct run *r = &a->seen;
	uint32_t busiest;
	uint64_t skew = skew_of(a, &busiest);
	char text[192];

	out_array(o, "findings");
	for (uint32_t i = 0; i < r->rings * a->conf->workers; i++) {
		const struct live_ring_stats *s = &r->ring[i];
		uint64_t lost = s->drop[LIVE_DROP_RING_FULL] + s->drop[LIVE_DROP_FILL_EMPTY];
		uint32_t w = i / r->rings;

		if (!lost)
			continue;
		snprintf(text, sizeof(text),
			 "%s queue %u lost %llu packets: worker %u is at %llu %%",
			 a->report.ledger.iface[s->iface].name, s->queue, (unsigned long long)lost,
			 w, (unsigned long long)busy_milli(r->worker[w].counts.ticks) / 10);
		out_text(o, NULL, text);
	}
	if (a->conf->workers > 1 && skew >= 1800) {
		snprintf(text, sizeof(text),
			 "worker %u has %llu.%llu times its share of the packets", busiest,
			 (unsigned long long)skew / 1000, (unsigned long long)skew % 1000 / 100);
		out_text(o, NULL, text);
	}
	out_end_array(o);
}

void perf_queues_get(struct api *a, struct call *c)
{
	struct out *o = &c->out;
	uint32_t busiest;

	out_object(o, NULL);
	out_array(o, "queues");
	for (uint32_t i = 0; i < a->seen.rings * a->conf->workers; i++)
		out_ring(a, o, i / a->seen.rings, &a->seen.ring[i]);
	out_end_array(o);
	out_array(o, "workers");
	for (uint32_t w = 0; w < a->conf->workers; w++)
		out_worker(a, o, w);
	out_end_array(o);
	out_u64(o, "worker_packet_skew_ratio_milli", skew_of(a, &busiest));
	out_findings(a, o);
	out_end_object(o);
	call_reply(c, 200);
}

/* ---- metrics ---- */

static void metric(struct out *o, const char *name, const char *type, const char *help)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "# HELP rm_xdp_%s %s\n# TYPE rm_xdp_%s %s\n", name,
			 help, name, type);

	out_put(o, text, (size_t)n);
}

static void sample(struct out *o, const char *name, const char *labels, uint64_t v)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "rm_xdp_%s%s %llu\n", name, labels,
			 (unsigned long long)v);

	out_put(o, text, (size_t)n);
}

static void single(struct out *o, const char *name, const char *type, const char *help, uint64_t v)
{
	metric(o, name, type, help);
	sample(o, name, "", v);
}

static void metrics_drops(struct out *o, const struct report *r)
{
	char label[96];

	metric(o, "dropped_packets_total", "counter",
	       "Packets that were read and dropped, by cause");
	for (int i = 1; i < RM_DROP_MAX; i++) {
		snprintf(label, sizeof(label), "{cause=\"%s\"}", drops[i]);
		sample(o, "dropped_packets_total", label, r->dropped[i]);
	}
	metric(o, "lost_packets_total", "counter",
	       "Packets that reached the interface and no worker, by cause");
	for (int i = 0; i < LIVE_DROP_MAX; i++) {
		snprintf(label, sizeof(label), "{cause=\"%s\"}", live_drops[i]);
		sample(o, "lost_packets_total", label, r->ledger.drop[i]);
	}
}

static void metrics_workers(struct api *a, struct out *o)
{
	char label[64];

	metric(o, "worker_packets_total", "counter", "Packets handled by a worker");
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		snprintf(label, sizeof(label), "{worker=\"%u\"}", w);
		sample(o, "worker_packets_total", label, a->seen.worker[w].counts.packets);
	}
	metric(o, "worker_busy_ratio_milli", "gauge",
	       "Thousandths of its time that a worker was busy");
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		snprintf(label, sizeof(label), "{worker=\"%u\"}", w);
		sample(o, "worker_busy_ratio_milli", label,
		       busy_milli(a->seen.worker[w].counts.ticks));
	}
	metric(o, "worker_view_waits_total", "counter",
	       "Times that a worker waited for the view (replay)");
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		snprintf(label, sizeof(label), "{worker=\"%u\"}", w);
		sample(o, "worker_view_waits_total", label, a->seen.worker[w].archive.waits);
	}
}

void metrics_get(struct api *a, struct call *c)
{
	const struct report *r = &a->report;
	struct http_counts http = http_counts(a->http);
	struct out *o = &c->out;

	single(o, "running", "gauge", "1 while the input goes on", a->status == RUN_RUNNING);
	single(o, "packets_total", "counter", "Packets read", r->in);
	single(o, "bytes_total", "counter", "Bytes read, as on the wire", a->seen.totals.bytes);
	single(o, "flow_packets_total", "counter", "Packets credited to a flow", r->flow_frames);
	single(o, "other_packets_total", "counter", "Packets understood, but of no flow",
	       r->other_frames);
	single(o, "flows_total", "counter", "Flows seen", r->flow.created);
	single(o, "flows_evicted_total", "counter", "Flows given up for others", r->flow.evicted);
	single(o, "matches_total", "counter", "Matches of patterns", r->matches);
	single(o, "matches_dropped_total", "counter", "Matches beyond the caps",
	       r->matches_dropped);
	single(o, "tcp_gap_bytes_total", "counter", "Bytes that were never captured",
	       r->tcp.gap_bytes);
	single(o, "tcp_cut_bytes_total", "counter", "Bytes left out of the capture",
	       r->tcp.cut_bytes);
	single(o, "tcp_conflict_bytes_total", "counter", "Bytes whose copies differ",
	       r->tcp.conflict_bytes);
	metrics_drops(o, r);
	metrics_workers(a, o);
	single(o, "view_streams", "gauge", "Streams in the view", a->view.rows.live);
	single(o, "view_streams_evicted_total", "counter", "Streams that left the view",
	       a->view.rows.evicted);
	single(o, "api_connections", "gauge", "Open connections to the API", http.open);
	single(o, "api_requests_total", "counter", "Requests to the API", http.requests);
	http_reply(&c->http,
		   &(struct http_answer){.status = 200,
					 .type = "text/plain; version=0.0.4; charset=utf-8"},
		   o->base, out_len(o));
}

/* ---- the timeline ---- */

struct bucket {
	struct timeline_cell service[SERVICE_COUNT];
};

static void out_bucket(struct out *o, uint64_t second, const struct bucket *b)
{
	struct timeline_cell all = {0};

	for (int i = 0; i < SERVICE_COUNT; i++) {
		all.packets += b->service[i].packets;
		all.bytes += b->service[i].bytes;
		all.streams += b->service[i].streams;
		all.matches += b->service[i].matches;
	}
	if (all.packets + all.streams + all.matches == 0)
		return;
	out_object(o, NULL);
	out_time(o, "time", second * NS_PER_S);
	out_u64(o, "packets", all.packets);
	out_u64(o, "bytes", all.bytes);
	out_u64(o, "streams", all.streams);
	out_u64(o, "matches", all.matches);
	out_array(o, "services");
	for (int i = 0; i < SERVICE_COUNT; i++) {
		const struct timeline_cell *s = &b->service[i];

		if (s->packets + s->streams + s->matches == 0)
			continue;
		out_object(o, NULL);
		out_text(o, "service", service_name_text((enum service_name)i));
		out_u64(o, "packets", s->packets);
		out_u64(o, "bytes", s->bytes);
		out_u64(o, "streams", s->streams);
		out_u64(o, "matches", s->matches);
		out_end_object(o);
	}
	out_end_array(o);
	out_end_object(o);
}

void timeline_get(struct api *a, struct call *c)
{
	const struct timeline *t = &a->view.timeline;
	uint64_t most = call_value(c, "buckets")->number;
	const struct value *since = call_value(c, "since"), *until = call_value(c, "until");
	uint64_t first = 0, end = t->n, join = 1;
	struct out *o = &c->out;

	while (first < end && since->text &&
	       (t->first + first + 1) * t->width <= since->number / NS_PER_S)
		first++;
	while (end > first && until->text &&
	       (t->first + end - 1) * t->width > until->number / NS_PER_S)
		end--;
	while ((t->first + end + join - 1) / join - (t->first + first) / join > most)
		join *= 2;
	out_object(o, NULL);
	out_u64(o, "bucket_seconds", t->width * join);
	out_array(o, "buckets");
	for (uint64_t i = first; i < end;) {
		uint64_t number = (t->first + i) / join;
		struct bucket b = {0};

		for (; i < end && (t->first + i) / join == number; i++)
			for (int s = 0; s < SERVICE_COUNT; s++) {
				const struct timeline_cell *from =
					&timeline_bucket(t, (uint32_t)i)[s];

				b.service[s].packets += from->packets;
				b.service[s].bytes += from->bytes;
				b.service[s].streams += from->streams;
				b.service[s].matches += from->matches;
			}
		out_bucket(o, number * join * t->width, &b);
	}
	out_end_array(o);
	out_end_object(o);
	call_reply(c, 200);
}
