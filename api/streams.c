/* SPDX-License-Identifier: MIT */
/* streams — the list of streams, a stream, its marks. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/endpoint.h"
#include "api/inside.h"
#include "user/flow/id.h"
#include "user/event/record.h"
#include "user/view/slice.h"

#define PINS_AT_ONCE 16 /* of ASK_SHEETS */

static const char *proto_text(uint8_t proto, char room[4])
{
	switch (proto) {
	case 1:
		return "icmpv4";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "icmpv6";
	case 132:
		return "sctp";
	default:
		snprintf(room, 4, "%u", proto);
		return room;
	}
}

static void out_endpoint(struct out *o, const char *name, const struct endpoint *e)
{
	out_object(o, name);
	out_text(o, "addr", e->address);
	out_u64(o, "port", e->port);
	out_end_object(o);
}

static void out_service(struct out *o, const struct service *s)
{
	static const char *const sides[] = {"unknown", "a", "b"};

	out_object(o, "service");
	out_text(o, "name", service_name_text((enum service_name)s->name));
	out_text(o, "side", sides[s->side]);
	out_u64(o, "confidence", s->confidence);
	out_text(o, "source", service_source_text((enum service_source)s->source));
	out_text(o, "evidence", service_evidence_text(s));
	out_end_object(o);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void out_patterns(struct api *a, struct out *o, uint32_t row)
{
	char id[64][32];
	const struct found_pattern *p;
	uint32_t cursor = 0, n = 0;

	while (n < 64 && (p = found_of_row(&a->view.found, &a->view.rows, row, &cursor)))
		pattern_id(id[n++], (enum pattern_kind)p->kind, p->ordinal);
	qsort(id, n, sizeof(id[0]), by_text);
	out_array(o, "pattern_ids");
	for (uint32_t i = 0; i < n; i++)
		out_text(o, NULL, id[i]);
	out_end_array(o);
}

static void out_flags(struct api *a, struct out *o, uint32_t row)
{
	static const struct {
		enum row_flag flag;
		const char *name;
	} names[] = {{ROW_GAP, "gap"},           {ROW_CUT, "cut"},     {ROW_ANOMALY, "anomaly"},
		     {ROW_CONFLICT, "conflict"}, {ROW_MATCH, "match"}, {ROW_NOTE, "note"}};

	out_array(o, "flags");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rows_is(&a->view.rows, row, names[i].flag))
			out_text(o, NULL, names[i].name);
	out_end_array(o);
}

static void out_marks(struct api *a, struct out *o, uint32_t row)
{
	const struct row *r = &a->view.rows.row[row];
	char reason[HIDE_VALUE + 32];

	view_hidden_reason(&a->view, row, reason);
	out_bool(o, "favorite", rows_is(&a->view.rows, row, ROW_FAVORITE));
	out_bool(o, "hidden", rows_is(&a->view.rows, row, ROW_HIDDEN | ROW_RULED));
	out_text_or_null(o, "hidden_reason", reason);
	out_text(o, "note", r->note ? r->note : "");
	out_text(o, "color", color_name(r->color));
}

void out_row(struct api *a, struct out *o, const char *name, uint32_t row)
{
	const struct row *r = &a->view.rows.row[row];
	const struct news_stream *s = &r->s;
	const struct profile *p =
		profile_primary(&a->view.profiles, &a->view.rows, &a->view.found, row);
	struct endpoint client, server;
	uint64_t age = s->last_ns > s->first_ns ? (s->last_ns - s->first_ns) / 1000 : 0;
	char room[4];

	endpoint_of(&s->key, s->client_hi, &client);
	endpoint_of(&s->key, !s->client_hi, &server);
	out_object(o, name);
	out_id(o, "stream_id", s->id);
	out_id(o, "stream_id_hex", s->id);
	out_u64(o, "content_shard", s->worker);
	out_time(o, "first_seen", s->first_ns);
	out_time(o, "last_seen", s->last_ns);
	out_u64(o, "first_seen_us", s->first_ns / 1000);
	out_u64(o, "last_seen_us", s->last_ns / 1000);
	out_micro(o, "duration", age);
	out_text(o, "protocol", proto_text(s->key.proto, room));
	out_endpoint(o, "endpoint_a", &client);
	out_endpoint(o, "endpoint_b", &server);
	out_text(o, "client", client.whole);
	out_text(o, "server", server.whole);
	out_service(o, &s->service);
	out_text_or_null(o, "profile", p ? p->id : NULL);
	out_text(o, "status", stream_status_name((enum stream_status)s->status));
	out_text(o, "content_kind", content_kind_name((enum content_kind)s->content_kind));
	out_u64(o, "packets", s->packets[0] + s->packets[1]);
	out_u64(o, "bytes", s->bytes[0] + s->bytes[1]);
	out_u64(o, "payload_bytes", s->payload_bytes[0] + s->payload_bytes[1]);
	out_u64(o, "stream_bytes", s->stream_bytes[0] + s->stream_bytes[1]);
	out_u64(o, "bytes_to_server", s->bytes[0]);
	out_u64(o, "bytes_to_client", s->bytes[1]);
	out_u64(o, "stream_chunks", (uint64_t)s->chunks[0] + s->chunks[1]);
	out_u64(o, "messages", s->messages);
	out_u64(o, "match_count", s->matches);
	out_u64(o, "stored_match_count", r->stored);
	out_u64(o, "matches_not_shown", s->not_shown);
	out_patterns(a, o, row);
	out_marks(a, o, row);
	out_bytes(o, "first_line", span_of((const uint8_t *)s->line, s->line_len));
	out_flags(a, o, row);
	out_end_object(o);
}

/* ---- the list ---- */

/* A cursor: of which run, of which order, and the row before. */
static void out_cursor(struct api *a, struct out *o, const char *name, const struct order_at *at,
		       enum order_by by, bool down)
{
	const uint64_t n[] = {a->instance, 2 * (uint64_t)by + down, at->key, at->row};
	char text[CURSOR_TEXT];

	cursor_write(text, 's', n, 4);
	out_text(o, name, text);
}

/* False after an answer. */
static bool read_cursor(struct api *a, struct call *c, struct page_query *q)
{
	const char *text = call_value(c, "cursor")->text;
	uint64_t n[4];

	if (!text || strcmp(text, "0") == 0)
		return true;
	if (!cursor_read(text, 's', n, 4) || n[0] != a->instance ||
	    n[1] != 2 * (uint64_t)q->by + q->down || n[3] > UINT32_MAX) {
		call_error(c, 400, "stale_cursor",
			   "the cursor is of another list or run: begin without one");
		return false;
	}
	q->has_cursor = true;
	q->cursor = (struct order_at){.key = n[2], .row = (uint32_t)n[3]};
	return true;
}

/* False after an answer. */
static bool read_filter(struct api *a, struct call *c, struct filter *f)
{
	static const struct {
		const char *name;
		int (*read)(struct filter *f, const char *text, char *why, size_t size);
	} readers[] = {{"protocol", filter_protocol}, {"service", filter_service},
		       {"port", filter_port},         {"host", filter_host},
		       {"content_kind", filter_kind}, {"status", filter_status},
		       {"has", filter_has},           {"color", filter_color}};
	const char *profile = call_value(c, "profile")->text;
	const char *pattern = call_value(c, "pattern_id")->text;
	char why[256];

	filter_init(f);
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		const char *text = call_value(c, readers[i].name)->text;

		if (text && readers[i].read(f, text, why, sizeof(why)) < 0) {
			call_error(c, 400, NULL, "%s: %s", readers[i].name, why);
			return false;
		}
	}
	if (pattern && filter_pattern(f, &a->view.found, pattern, why, sizeof(why)) < 0) {
		call_error(c, 400, NULL, "pattern_id: %s", why);
		return false;
	}
	if (profile) {
		f->profile = profile_find(&a->view.profiles, profile, strlen(profile));
		if (!f->profile) {
			call_error(c, 400, NULL, "no service profile \"%.48s\"", profile);
			return false;
		}
	}
	if (!call_value(c, "include_hidden")->number)
		f->none |= ROW_HIDDEN | ROW_RULED;
	if (call_value(c, "only_favorites")->number)
		f->all |= ROW_FAVORITE;
	if (call_value(c, "only_matched")->number)
		f->all |= ROW_MATCH;
	f->since_ns = call_value(c, "since")->number;
	f->until_ns = call_value(c, "until")->number;
	f->by_until = call_value(c, "until")->text;
	f->min_bytes = call_value(c, "min_bytes")->number;
	return true;
}

static bool read_around(struct api *a, struct call *c, struct page_query *q)
{
	const char *text = call_value(c, "around")->text;
	uint64_t id;

	q->around = q->rank = ROW_NONE;
	if (!text)
		return true;
	if (strncmp(text, "rank:", 5) == 0 && stream_id_read(text + 5, &id) && id < ROW_NONE) {
		q->rank = (uint32_t)id;
		return true;
	}
	if (!stream_id_read(text, &id)) {
		call_error(c, 400, NULL, "around: \"%.32s\" is no stream id", text);
		return false;
	}
	q->around = rows_find(&a->view.rows, id);
	if (q->around == ROW_NONE)
		call_error(c, 404, NULL, "around: no stream %.32s", text);
	return q->around != ROW_NONE;
}

static void out_page(struct api *a, struct call *c, const struct page_query *q,
		     const struct page *p)
{
	struct out *o = &c->out;

	out_object(o, NULL);
	out_array(o, "rows");
	for (uint32_t i = 0; i < p->n; i++)
		out_row(a, o, NULL, p->row[i]);
	out_end_array(o);
	if (p->more)
		out_cursor(a, o, "next_cursor", &p->next, q->by, q->down);
	else
		out_null(o, "next_cursor");
	if (p->has_prev)
		out_cursor(a, o, "prev_cursor", &p->prev, q->by, q->down);
	else
		out_text_or_null(o, "prev_cursor", p->before ? "0" : NULL);
	out_u64(o, "total", p->total);
	out_bool(o, "total_exact", true);
	if (p->found)
		out_u64(o, "rank", p->rank);
	out_id(o, "instance", a->instance);
	out_u64(o, "latest_cursor", a->view.deltas.latest);
	out_end_object(o);
	call_reply(c, 200);
}

void streams_list(struct api *a, struct call *c)
{
	static struct filter f;
	static struct page p;
	uint64_t sort = call_value(c, "sort")->number, most = a->conf->query_limit;
	const struct value *limit = call_value(c, "limit");
	struct page_query q = {.filter = &f,
			       .by = (enum order_by)(sort / 2),
			       .down = sort & 1,
			       .limit = (uint32_t)(limit->number < most ? limit->number : most)};

	if (limit->given && limit->number > most) {
		call_error(c, 400, NULL, "limit takes a number from 1 to %llu",
			   (unsigned long long)most);
		return;
	}
	if (!read_filter(a, c, &f) || !read_cursor(a, c, &q) || !read_around(a, c, &q))
		return;
	view_page(&a->view, &q, &p);
	if (q.around != ROW_NONE && !p.found) {
		call_error(c, 404, NULL, "around: the filter leaves that stream out");
		return;
	}
	out_page(a, c, &q, &p);
}

/* ---- a stream ---- */

static void out_direction(struct out *o, const struct news_stream *s, const struct ask *q, int dir)
{
	const struct ask_side *side = &q->sides[dir];
	struct span bytes = {0};
	char *text;

	for (uint32_t i = 0; i < q->n; i++) {
		const struct ask_segment *g = &q->segment[i];

		if (g->kind != SEGMENT_DATA || g->dir != dir)
			continue;
		if (!bytes.at)
			bytes = span_of(q->room + g->at, 0);
		if (q->room + g->at == bytes.end)
			bytes.end += g->have;
	}
	text = malloc(span_len(bytes) + 1);
	out_object(o, NULL);
	out_text(o, "direction", dir ? "b_to_a" : "a_to_b");
	out_u64(o, "packets", s->packets[dir]);
	out_u64(o, "bytes", s->bytes[dir]);
	out_u64(o, "payload_bytes", s->payload_bytes[dir]);
	out_u64(o, "stream_bytes", s->stream_bytes[dir]);
	out_u64(o, "stream_chunks", s->chunks[dir]);
	out_u64(o, "gap_count", side->gap_count);
	out_u64(o, "gap_bytes", side->gap_bytes);
	out_u64(o, "cut_bytes", side->cut_bytes);
	out_u64(o, "retransmitted_bytes", side->retransmitted_bytes);
	out_u64(o, "overlap_bytes", side->overlap_bytes);
	out_u64(o, "conflict_bytes", side->conflict_bytes);
	out_u64(o, "out_of_order_segments", side->out_of_order);
	out_text(o, "content_kind", content_kind_name((enum content_kind)s->kinds[dir]));
	if (text && span_len(bytes) && s->kinds[dir] != CONTENT_BINARY)
		out_bytes(o, "preview_text",
			  span_of((const uint8_t *)text, slice_text(bytes, text)));
	else
		out_null(o, "preview_text");
	out_base64(o, "preview_base64", bytes);
	out_end_object(o);
	free(text);
}

static const char *hole_name(uint8_t kind)
{
	static const char *const names[] = {"data", "gap", "cut", "evicted"};

	return names[kind];
}

static void out_holes(struct out *o, const struct ask *q)
{
	out_array(o, "gaps");
	for (uint32_t i = 0; i < q->n; i++) {
		const struct ask_segment *g = &q->segment[i];

		if (g->kind == SEGMENT_DATA)
			continue;
		out_object(o, NULL);
		out_text(o, "direction", g->dir ? "b_to_a" : "a_to_b");
		out_text(o, "kind", hole_name(g->kind));
		out_u64(o, "start", g->off);
		out_u64(o, "end", g->off + g->len);
		out_end_object(o);
	}
	out_end_array(o);
	out_u64(o, "gap_total", q->total);
}

static void out_anomalies(struct out *o, const struct ask *q)
{
	static const char *const names[] = {
#define ANOMALY_NAME(name, event, type, help) event,
		ANOMALIES(ANOMALY_NAME)
#undef ANOMALY_NAME
	};

	out_object(o, "anomalies");
	for (uint32_t i = 0; i < q->anomalies; i++)
		out_u64(o, names[q->anomaly[i].which], q->anomaly[i].count);
	out_end_object(o);
}

static const char *reason_name(const struct news_stream *s)
{
	static const char *const names[] = {"timeout",  "fin",     "rst",
					    "shutdown", "evicted", "tcp_reuse"};

	return s->ended ? names[s->reason] : NULL;
}

static void detail_done(struct api *a, struct call *c, struct ask *q)
{
	static struct ask none;
	struct out *o = &c->out;
	uint32_t row;
	const struct news_stream *s;
	bool kept = q && q->got == ASK_GOOD;

	if (!q) {
		call_refused(c, q);
		return;
	}
	row = call_row(a, c);
	if (row == ROW_NONE)
		return;
	s = &a->view.rows.row[row].s;
	q = kept ? q : &none;
	out_object(o, NULL);
	out_row(a, o, "row", row);
	out_array(o, "directions");
	out_direction(o, s, q, 0);
	out_direction(o, s, q, 1);
	out_end_array(o);
	out_matches(a, o, row);
	out_holes(o, q);
	out_anomalies(o, q);
	out_object(o, "messages");
	out_u64(o, "count", s->messages);
	out_u64(o, "dropped", q->dropped);
	out_end_object(o);
	out_bool(o, "content_kept", kept);
	out_u64(o, "content_shard", s->worker);
	out_u64(o, "conflicts", q->conflicts);
	out_u64(o, "handshake_rtt_us", s->rtt_us);
	out_bool(o, "midstream", s->midstream);
	out_text_or_null(o, "ended", reason_name(s));
	out_u64(o, "first_packet", q->first_number);
	out_u64(o, "last_packet", q->last_number);
	out_end_object(o);
	call_reply(c, 200);
}

/* Matches that found no room on their way here are looked for again, and come as changes. */
static void look_again(struct api *a, uint32_t row)
{
	struct news_stream *s = &a->view.rows.row[row].s;
	struct ask *q = s->not_shown ? ask_take(&a->run->desk) : NULL;

	if (!q)
		return;
	q->kind = ASK_AGAIN;
	q->stream = s->id;
	q->entry = s->entry;
	q->worker = s->worker;
	ask_send(&a->run->desk, q);
	s->not_shown = 0;
}

void stream_get(struct api *a, struct call *c)
{
	uint32_t row = rows_find(&a->view.rows, c->id);
	struct ask *q = call_question(a, c, ASK_DETAIL);

	if (row != ROW_NONE)
		look_again(a, row);

	if (q)
		call_ask(a, c, q, detail_done);
}

/* ---- marks ---- */

/* A member of the body: false after an answer.  *on: it is there. */
static bool read_flag(struct call *c, struct json_object *v, const char *name, bool *on, bool *out)
{
	if (!json_object_is_type(v, json_type_boolean)) {
		call_error(c, 400, NULL, "%s takes true or false", name);
		return false;
	}
	*on = true;
	*out = json_object_get_boolean(v);
	return true;
}

static bool read_mark(struct call *c, struct view_mark *m)
{
	if (!json_object_is_type(c->body, json_type_object)) {
		call_error(c, 400, NULL, "the body is no object");
		return false;
	}
	json_object_object_foreach(c->body, name, v)
	{
		const char *text = json_object_get_string(v);
		bool is_text = json_object_is_type(v, json_type_string);

		if (strcmp(name, "favorite") == 0) {
			if (!read_flag(c, v, name, &m->set_favorite, &m->favorite))
				return false;
		} else if (strcmp(name, "hidden") == 0) {
			if (!read_flag(c, v, name, &m->set_hidden, &m->hidden))
				return false;
		} else if (strcmp(name, "note") == 0) {
			if (!is_text || strlen(text) > VIEW_NOTE) {
				call_error(c, 400, NULL, "note takes a text of at most %u bytes",
					   VIEW_NOTE);
				return false;
			}
			m->set_note = true;
			m->note = text;
		} else if (strcmp(name, "color") == 0) {
			int color = is_text ? color_of(text, strlen(text)) : -1;

			if (color < 0) {
				call_error(c, 400, NULL,
					   "color takes none, red, orange, yellow, green, blue, "
					   "purple or gray");
				return false;
			}
			m->set_color = true;
			m->color = (uint8_t)color;
		} else {
			call_error(c, 400, NULL, "no member \"%.64s\" here", name);
			return false;
		}
	}
	return true;
}

/* Workers learn what is to be kept, and what no longer is; nobody waits for their answers. */
void streams_look(struct api *a)
{
	struct view *v = &a->view;
	struct ask *q;

	for (int n = 0; v->pins && n < PINS_AT_ONCE && (q = ask_take(&a->run->desk)); n++) {
		uint32_t row = v->pin[--v->pins];
		const struct news_stream *s = &v->rows.row[row].s;

		q->kind = ASK_KEEP;
		q->stream = s->id;
		q->entry = s->entry;
		q->worker = s->worker;
		q->keep = rows_is(&v->rows, row, ROW_FAVORITE);
		ask_send(&a->run->desk, q);
	}
}

void stream_state(struct api *a, struct call *c)
{
	struct view_mark m = {0};
	uint32_t row = call_row(a, c);
	int err;

	if (row == ROW_NONE || !read_mark(c, &m))
		return;
	err = view_mark(&a->view, row, &m);
	if (err == -ENOSPC) {
		call_error(c, 409, NULL, "there are %u favourites already", VIEW_FAVORITES);
		return;
	}
	if (err < 0) {
		call_error(c, 503, "overloaded", "too many marks wait, or no memory");
		return;
	}
	out_object(&c->out, NULL);
	out_row(a, &c->out, "row", row);
	out_object(&c->out, "view");
	out_u64(&c->out, "tracked_streams", a->view.rows.live);
	out_u64(&c->out, "favorite_streams", a->view.rows.favorites);
	out_u64(&c->out, "manually_hidden_streams", a->view.rows.hidden);
	out_u64(&c->out, "matched_streams", a->view.rows.matched);
	out_u64(&c->out, "hide_rules", a->view.hide.n);
	out_end_object(&c->out);
	out_end_object(&c->out);
	call_reply(c, 200);
}
