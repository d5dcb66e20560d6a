/* SPDX-License-Identifier: MIT */
/*
 * openapi — the contract for machines, made from the table of routes and the shapes of their
 * answers below; so that it cannot drift, tests hold every answer against it.
 *
 * A shape lists members: `name type`, optional ones as `-name type`.  Types: int num str bool any,
 * id (16 hexadecimal digits), time, base64, [type] (a list), {members}, {*type} (any names), or the
 * name of another shape; `?` behind a type: or null.
 */
#include <stdio.h>
#include <string.h>

#include "api/asset.h"
#include "api/inside.h"

static const struct {
	const char *name, *members;
} shapes[] = {
	{"Error", "error {code str, message str}"},
	{"Login", "ok bool"},
	{"LoginBody", "token str"},
	{"Endpoint", "addr str, port int"},
	{"Service", "name str, side str, confidence int, source str, evidence str"},
	{"Row",
	 "stream_id id, stream_id_hex id, content_shard int, first_seen time, last_seen time, "
	 "first_seen_us int, last_seen_us int, duration num, protocol str, endpoint_a Endpoint, "
	 "endpoint_b Endpoint, client str, server str, service Service, profile str?, status str, "
	 "content_kind str, packets int, bytes int, payload_bytes int, stream_bytes int, "
	 "bytes_to_server int, bytes_to_client int, stream_chunks int, messages int, "
	 "match_count int, stored_match_count int, matches_not_shown int, pattern_ids [str], "
	 "favorite bool, hidden bool, hidden_reason str?, note str, color str, first_line str, "
	 "flags [str]"},
	{"Streams",
	 "rows [Row], next_cursor str?, prev_cursor str?, total int, total_exact bool, -rank int, "
	 "instance id, latest_cursor int"},
	{"Direction",
	 "direction str, packets int, bytes int, payload_bytes int, stream_bytes int, "
	 "stream_chunks int, gap_count int, gap_bytes int, cut_bytes int, retransmitted_bytes int, "
	 "overlap_bytes int, conflict_bytes int, out_of_order_segments int, content_kind str, "
	 "preview_text str?, preview_base64 base64"},
	{"Match",
	 "stream_id id, stream_id_hex id, pattern_id str, signature_id int, pattern_name str, "
	 "pattern_type str, direction str, where str, -tx_id int, logical_start int, "
	 "logical_end int, match_len int, match_text str?, match_base64 base64, timestamp time?, "
	 "packet int"},
	{"Hole", "-direction str, kind str, start int, end int"},
	{"Stream",
	 "row Row, directions [Direction], matches [Match], gaps [Hole], gap_total int, "
	 "anomalies {*int}, messages {count int, dropped int}, content_kept bool, "
	 "content_shard int, conflicts int, handshake_rtt_us int, midstream bool, ended str?, "
	 "first_packet int, last_packet int"},
	{"StreamState",
	 "row Row, view {tracked_streams int, favorite_streams int, manually_hidden_streams int, "
	 "matched_streams int, hide_rules int}"},
	{"StreamStateBody", "-favorite bool, -hidden bool, -note str, -color str"},
	{"StreamMatches",
	 "stream_id id, stream_id_hex id, matches [Match], match_count int, matches_not_shown int"},
	{"Matches", "matches [Match], next_cursor str?, total int, dropped int"},
	{"Http",
	 "start_line str, -method str, -target str, version str, -status_code str, -reason str, "
	 "headers [{name str, value str}], headers_truncated bool"},
	{"Message",
	 "message_id id, protocol str, kind str, status str, direction str, tx_id int, ordinal "
	 "int, "
	 "summary str, logical_start int, logical_end int, header_start int?, header_end int?, "
	 "body_start int?, body_end int?, wire_bytes int, header_bytes int, body_bytes int, "
	 "http Http?"},
	{"Messages", "stream_id id, stream_id_hex id, messages [Message], next_cursor str?, total "
		     "int, dropped int"},
	{"Shown", "bytes_len int, kind str, -text str, -lossy bool, -wide [[int]], "
		  "-rows [{logical_start int, hex str, ascii str}], base64 base64"},
	{"Packet", "start int, -number int, timestamp time"},
	{"Segment",
	 "logical_start int, logical_end int, bytes_len int, kind str, -text str, -lossy bool, "
	 "-wide [[int]], -rows [{logical_start int, hex str, ascii str}], base64 base64, "
	 "-packets [Packet]"},
	{"Highlight",
	 "pattern_id str, pattern_name str, pattern_type str, direction str, logical_start int, "
	 "logical_end int, segment_index int, segment_start int, segment_end int"},
	{"Conflict",
	 "start int, end int, -kept_packet int, -other_packet int, other_base64 base64"},
	{"Step", "requested str, applied str, status str, input_bytes int, output_bytes int, "
		 "truncated_by_limit bool, notes [str]"},
	{"Transform",
	 "requested str, requested_chain [str], applied str, status str, input_bytes int, "
	 "output_bytes int, truncated_by_limit bool, source_logical_start int, "
	 "source_logical_end int, whole_message bool, steps [Step], segments [Segment]"},
	{"Content",
	 "stream_id id, stream_id_hex id, direction str, requested_start int, requested_end int, "
	 "segments [Segment], returned_bytes int, truncated_by_limit bool, next_start int, "
	 "stream_length int, gaps [Hole], evicted [Hole], highlights [Highlight], "
	 "dropped_highlights int, conflicts [Conflict], -transforms [Transform]"},
	{"Turn", "direction str, kind str, start int, end int, -timestamp time, -first_packet int, "
		 "-last_timestamp time, -last_packet int, -content Shown"},
	{"Conversation", "stream_id id, turns [Turn], next_cursor str?"},
	{"PatternEntry",
	 "id str, signature_id int, definition {-name str, -kind str, -pattern str, -case any, "
	 "-direction str, -service str, -ports any, -colour str}, saved bool, matches int, "
	 "streams int"},
	{"Rescan", "state str, scanned_streams int, streams int"},
	{"Patterns", "patterns [PatternEntry], limit int, rescan Rescan"},
	{"Pattern", "pattern PatternEntry, rescan Rescan"},
	{"PatternBody",
	 "-name str, -kind str, -pattern str, -case any, -direction str, -service str, -ports any, "
	 "-colour str, -rescan bool"},
	{"HideRule", "kind str, value str"},
	{"HideRuleBody", "kind str, value any"},
	{"HideRules", "rules [{id int, index int, label str, rule HideRule}], "
		      "view {tracked_streams int, manually_hidden_streams int, hide_rules int}"},
	{"Profile",
	 "profile {id str, name str, description str, priority int, enabled bool, protocol str?, "
	 "services [str], ports [int], content_kind str?, pattern_ids [str], "
	 "default_direction str, default_mode str, default_transform str, default_transforms "
	 "[str], "
	 "hide_rules [HideRule], -preset {*any}, -analyzers {*any}}, stats {total_streams int, "
	 "visible_streams int, hidden_streams int, matched_streams int, favorite_streams int}, "
	 "active bool"},
	{"Profiles", "profiles [Profile]"},
	{"Activation", "active str, preset any, analyzers any"},
	{"Preference", "name str, value any"},
	{"PreferenceBody", ""},
	{"Worker", "id int, packets int"},
	{"Numbers", "packets int, bytes int, flows int, matches int, lost int, streams int, "
		    "matched_streams int, favorite_streams int, balanced bool"},
	{"Delta",
	 "cursor int, kind str, -rows [Row], -matches [Match], -stats Numbers, -workers [Worker], "
	 "-run_status str, -hide_rules int"},
	{"Deltas",
	 "deltas [Delta], next_cursor int, latest_cursor int, dropped_before int, missed bool, "
	 "instance id, run_status str"},
	{"TimelineService", "service str, packets int, bytes int, streams int, matches int"},
	{"Timeline",
	 "bucket_seconds int, buckets [{time time, packets int, bytes int, streams int, "
	 "matches int, services [TimelineService]}]"},
	{"Top", "by str, rows [{name str, packets int, bytes int, streams int, matches int}]"},
	{"Queues",
	 "queues [{interface str, queue int, worker int, packets int, bytes int, wakeups int, "
	 "drops {*int}, fill [int], batch [int]}], workers [{id int, packets int, bytes int, "
	 "payload_bytes int, flows int, busy_milli int, handed_out int, handed_in int, "
	 "view_rows int, view_waits int, cycles_per_packet {*int}, drops {*int}}], "
	 "worker_packet_skew_ratio_milli int, findings [str]"},
	{"Health",
	 "status str, run_status str, instance id, uptime int, stats {*any}, balance {in int, "
	 "flow int, other int, dropped int, waiting int, ok bool}, drops {*int}, "
	 "queue_summary {worker_packet_skew_ratio_milli int, busiest_worker int, "
	 "busiest_worker_packets int}, shard_pressure {state str, shard_count int, "
	 "routed_packets int, busiest_shard int, busiest_shard_packets int, "
	 "packet_skew_ratio_milli int, warnings [str]}, view {tracked_streams int, "
	 "favorite_streams int, manually_hidden_streams int, matched_streams int, "
	 "stored_matches int, dropped_matches int, orphan_matches int, evicted_streams int, "
	 "hide_rules int, worker_waits int, streams_not_shown int, rows_not_shown int, "
	 "matches_not_shown int, timeline_not_corrected int, saved bool}, caps [{name str, used "
	 "int, cap int, refused int}], "
	 "api {connections int, max_connections int, requests int, reaped int, polls int, "
	 "event_clients int, refused_tokens int}, content_shards int, active_content_shards int, "
	 "latest_delta_cursor int, dropped_delta_cursor int"},
};

/* ---- shapes to JSON Schema ---- */

static const char *skip(const char *p)
{
	while (*p == ' ' || *p == ',')
		p++;
	return p;
}

static const char *word_end(const char *p)
{
	while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
	       *p == '_')
		p++;
	return p;
}

/* Behind the type that begins at p: brackets and all. */
static const char *type_end(const char *p)
{
	int depth = 0;

	do {
		depth += *p == '[' || *p == '{';
		depth -= *p == ']' || *p == '}';
		p = depth == 0 && word_end(p) > p ? word_end(p) : p + 1;
	} while (depth);
	return *p == '?' ? p + 1 : p;
}

static void out_members(struct out *o, const char *p, const char *end);

static void out_named(struct out *o, const char *p, size_t n)
{
	static const struct {
		const char *name, *type, *format, *pattern;
	} basic[] = {{"int", "integer", NULL, NULL},
		     {"num", "number", NULL, NULL},
		     {"str", "string", NULL, NULL},
		     {"bool", "boolean", NULL, NULL},
		     {"any", NULL, NULL, NULL},
		     {"id", "string", NULL, "^[0-9a-f]{16}$"},
		     {"time", "string", NULL,
		      "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}\\+0000$"},
		     {"base64", "string", NULL, "^[A-Za-z0-9+/]*={0,2}$"}};
	char ref[96];

	for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++) {
		if (strlen(basic[i].name) != n || memcmp(basic[i].name, p, n) != 0)
			continue;
		if (basic[i].type)
			out_text(o, "type", basic[i].type);
		if (basic[i].pattern)
			out_text(o, "pattern", basic[i].pattern);
		return;
	}
	snprintf(ref, sizeof(ref), "#/components/schemas/%.*s", (int)n, p);
	out_text(o, "$ref", ref);
}

/* A schema, as member `name` or (NULL) as an element. */
static void out_type(struct out *o, const char *name, const char *p, const char *end)
{
	bool or_null = end[-1] == '?';

	end -= or_null;
	out_object(o, name);
	if (or_null) {
		out_array(o, "anyOf");
		out_object(o, NULL);
		out_text(o, "type", "null");
		out_end_object(o);
		out_type(o, NULL, p, end);
		out_end_array(o);
	} else if (*p == '[') {
		out_text(o, "type", "array");
		out_type(o, "items", p + 1, end - 1);
	} else if (*p == '{' && p[1] == '*') {
		out_text(o, "type", "object");
		out_type(o, "additionalProperties", p + 2, end - 1);
	} else if (*p == '{') {
		out_members(o, p + 1, end - 1);
	} else {
		out_named(o, p, (size_t)(end - p));
	}
	out_end_object(o);
}

static void out_members(struct out *o, const char *p, const char *end)
{
	const char *from = skip(p);

	out_text(o, "type", "object");
	out_bool(o, "additionalProperties", false);
	out_object(o, "properties");
	for (p = from; p < end; p = skip(type_end(skip(word_end(p + (*p == '-')))))) {
		const char *at = p + (*p == '-'), *type = skip(word_end(at));
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)(word_end(at) - at), at);
		out_type(o, name, type, type_end(type));
	}
	out_end_object(o);
	out_array(o, "required");
	for (p = from; p < end; p = skip(type_end(skip(word_end(p + (*p == '-'))))))
		if (*p != '-')
			out_bytes(o, NULL, span_of((const uint8_t *)p, (size_t)(word_end(p) - p)));
	out_end_array(o);
}

/* ---- routes ---- */

static void out_choices(struct out *o, const char *choices)
{
	out_array(o, "enum");
	while (*choices) {
		size_t n = strcspn(choices, "|");

		out_bytes(o, NULL, span_of((const uint8_t *)choices, n));
		choices += n + (choices[n] != 0);
	}
	out_end_array(o);
}

static void out_param(struct out *o, const struct param *p)
{
	static const char *const types[] = {"integer", "string", "boolean", "string", "string"};

	out_object(o, NULL);
	out_text(o, "name", p->name);
	out_text(o, "in", "query");
	out_text(o, "description", p->help);
	out_object(o, "schema");
	out_text(o, "type", types[p->type]);
	if (p->type == PARAM_NUMBER) {
		out_u64(o, "minimum", p->min);
		if (p->max < 1ULL << 53)
			out_u64(o, "maximum", p->max);
	}
	if (p->type == PARAM_TEXT)
		out_u64(o, "maxLength", p->max);
	if (p->choices)
		out_choices(o, p->choices);
	if (p->preset && (p->type == PARAM_NUMBER || p->type == PARAM_FLAG))
		out_raw(o, "default", span_of((const uint8_t *)p->preset, strlen(p->preset)));
	else if (p->preset)
		out_text(o, "default", p->preset);
	out_end_object(o);
	out_end_object(o);
}

static void out_params(struct out *o, const struct route *r)
{
	const char *brace = strchr(r->path, '{');
	char name[16];

	out_array(o, "parameters");
	if (brace) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(brace + 1, "}"), brace + 1);
		out_object(o, NULL);
		out_text(o, "name", name);
		out_text(o, "in", "path");
		out_bool(o, "required", true);
		out_object(o, "schema");
		out_text(o, "type", "string");
		out_end_object(o);
		out_end_object(o);
	}
	for (uint32_t i = 0; i < r->params; i++)
		out_param(o, &r->param[i]);
	out_end_array(o);
}

static void out_content(struct out *o, const char *type, const char *shape)
{
	out_object(o, "content");
	out_object(o, type);
	if (shape)
		out_type(o, "schema", shape, shape + strlen(shape));
	out_end_object(o);
	out_end_object(o);
}

static const char *plain_type(const struct route *r)
{
	if (strcmp(r->path, "/metrics") == 0)
		return "text/plain";
	if (strcmp(r->path, "/api/live/events") == 0)
		return "text/event-stream";
	if (strcmp(r->path, "/api/openapi.json") == 0)
		return "application/json";
	for (uint32_t i = 0; i < asset_count; i++)
		if (strcmp(r->path, assets[i].path) == 0)
			return assets[i].media;
	return "application/octet-stream";
}

static void out_route(struct out *o, const struct route *r)
{
	char method[8];

	for (size_t i = 0; i <= strlen(r->method); i++)
		method[i] = r->method[i] ? (char)(r->method[i] | 32) : 0;
	out_object(o, method);
	out_text(o, "summary", r->help);
	out_params(o, r);
	if (r->open) {
		out_array(o, "security");
		out_end_array(o);
	}
	if (r->body) {
		out_object(o, "requestBody");
		out_content(o, "application/json", r->body);
		out_end_object(o);
	}
	out_object(o, "responses");
	out_object(o, "200");
	out_text(o, "description", r->help);
	out_content(o, r->answer ? "application/json" : plain_type(r), r->answer);
	out_end_object(o);
	out_object(o, "default");
	out_text(o, "description", "What went wrong");
	out_content(o, "application/json", "Error");
	out_end_object(o);
	out_end_object(o);
	out_end_object(o);
}

static void out_paths(struct out *o)
{
	out_object(o, "paths");
	for (uint32_t i = 0; i < route_count(); i++) {
		const char *path = route_at(i)->path;
		bool first = true;

		for (uint32_t k = 0; k < i; k++)
			first &= strcmp(route_at(k)->path, path) != 0;
		if (!first)
			continue;
		out_object(o, path);
		for (uint32_t k = i; k < route_count(); k++)
			if (strcmp(route_at(k)->path, path) == 0)
				out_route(o, route_at(k));
		out_end_object(o);
	}
	out_end_object(o);
}

void openapi_get(struct api *a, struct call *c)
{
	struct out *o = &c->out;

	(void)a;
	out_object(o, NULL);
	out_text(o, "openapi", "3.1.0");
	out_object(o, "info");
	out_text(o, "title", "rm-xdp");
	out_text(o, "version", "1");
	out_end_object(o);
	out_array(o, "security");
	out_object(o, NULL);
	out_array(o, "token");
	out_end_array(o);
	out_end_object(o);
	out_end_array(o);
	out_paths(o);
	out_object(o, "components");
	out_object(o, "securitySchemes");
	out_object(o, "token");
	out_text(o, "type", "http");
	out_text(o, "scheme", "bearer");
	out_end_object(o);
	out_end_object(o);
	out_object(o, "schemas");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const char *members = shapes[i].members;

		out_object(o, shapes[i].name);
		if (*members)
			out_members(o, members, members + strlen(members));
		out_end_object(o);
	}
	out_end_object(o);
	out_end_object(o);
	out_end_object(o);
	call_reply(c, 200);
}
