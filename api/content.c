/* SPDX-License-Identifier: MIT */
/*
 * content — windows of a stream: its bytes as text, hexadecimal or raw, with holes, matches,
 * conflicts and packets; what a transform makes of the message around; both directions in turns.
 */
#include "api/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "user/view/slice.h"

static const char *const directions[] = {"a_to_b", "b_to_a"};

/* ---- packets ---- */

/* Number and time of the packet that a piece begins with. */
static bool packet_of(struct api *a, const struct ask_segment *g, struct place_packet *p)
{
	*p = (struct place_packet){.ts_ns = g->ts_ns, .number = g->number};
	if (g->place != POS_NONE && a->places)
		return places_find(a->places, g->place, p);
	return g->ts_ns;
}

static void out_packets(struct api *a, struct out *o, const struct ask_segment *g, uint32_t n)
{
	struct place_packet p;

	out_array(o, "packets");
	for (uint32_t i = 0; i < n; i++) {
		if (!packet_of(a, &g[i], &p))
			continue;
		out_object(o, NULL);
		out_u64(o, "start", g[i].off);
		if (p.number)
			out_u64(o, "number", p.number);
		out_time(o, "timestamp", p.ts_ns);
		out_end_object(o);
	}
	out_end_array(o);
}

/* ---- bytes ---- */

/* Where characters are of more than one byte: [offset in the segment, bytes]. */
static void out_wide(struct out *o, struct span bytes)
{
	const uint8_t *start = bytes.at;

	out_array(o, "wide");
	while (bytes.at < bytes.end) {
		size_t n = *bytes.at < 0x80 ? 1 : slice_character(bytes);

		if (n > 1) {
			out_array(o, NULL);
			out_u64(o, NULL, (uint64_t)(bytes.at - start));
			out_u64(o, NULL, n);
			out_end_array(o);
		}
		bytes.at += n ? n : 1;
	}
	out_end_array(o);
}

static void out_hex(struct out *o, struct span bytes, uint64_t off)
{
	out_array(o, "rows");
	while (bytes.at < bytes.end) {
		size_t n = SLICE_ROW - off % SLICE_ROW;
		char hex[3 * SLICE_ROW + 1], text[SLICE_ROW + 1];

		n = n < span_len(bytes) ? n : span_len(bytes);
		for (size_t i = 0; i < n; i++) {
			snprintf(hex + 3 * i, 4, "%02x ", bytes.at[i]);
			text[i] =
				bytes.at[i] >= 0x20 && bytes.at[i] < 0x7f ? (char)bytes.at[i] : '.';
		}
		out_object(o, NULL);
		out_u64(o, "logical_start", off);
		out_bytes(o, "hex", span_of((const uint8_t *)hex, 3 * n - 1));
		out_bytes(o, "ascii", span_of((const uint8_t *)text, n));
		out_end_object(o);
		bytes.at += n;
		off += n;
	}
	out_end_array(o);
}

/* The members of a segment that show its bytes. */
static void out_shown(struct out *o, struct span bytes, uint64_t off, enum slice_mode mode)
{
	static const char *const kinds[] = {"text", "hex", "raw"};
	char *text;
	size_t n;

	out_u64(o, "bytes_len", span_len(bytes));
	out_text(o, "kind", kinds[mode]);
	if (mode == SLICE_HEX)
		out_hex(o, bytes, off);
	if (mode == SLICE_TEXT) {
		text = malloc(span_len(bytes) + 1);
		n = text ? slice_text(bytes, text) : 0;
		out_bytes(o, "text", span_of((const uint8_t *)(text ? text : ""), n));
		out_bool(o, "lossy", n != span_len(bytes) || (n && memcmp(text, bytes.at, n) != 0));
		out_wide(o, bytes);
		free(text);
	}
	out_base64(o, "base64", bytes);
}

/* A run of pieces without a hole between them. */
static uint32_t run_of(const struct ask *q, uint32_t from)
{
	uint32_t n = 1;

	while (from + n < q->n && q->segment[from + n].kind == SEGMENT_DATA &&
	       q->segment[from + n].dir == q->segment[from].dir &&
	       q->segment[from + n].off ==
		       q->segment[from + n - 1].off + q->segment[from + n - 1].have)
		n++;
	return n;
}

static struct span bytes_of(const struct ask *q, uint32_t from, uint32_t n)
{
	const struct ask_segment *last = &q->segment[from + n - 1];

	return (struct span){.at = q->room + q->segment[from].at,
			     .end = q->room + last->at + last->have};
}

/* Where segments lie, for what is marked in them. */
struct bounds {
	uint64_t from[ASK_SEGMENTS], to[ASK_SEGMENTS];
	uint32_t n;
};

static uint64_t out_segments(struct api *a, struct out *o, const struct ask *q,
			     enum slice_mode mode, struct bounds *b)
{
	uint64_t all = 0;

	b->n = 0;
	out_array(o, "segments");
	for (uint32_t i = 0; i < q->n;) {
		uint32_t n = 1;

		if (q->segment[i].kind == SEGMENT_DATA) {
			struct span bytes;

			n = run_of(q, i);
			bytes = bytes_of(q, i, n);
			b->from[b->n] = q->segment[i].off;
			b->to[b->n++] = q->segment[i].off + span_len(bytes);
			out_object(o, NULL);
			out_u64(o, "logical_start", q->segment[i].off);
			out_u64(o, "logical_end", q->segment[i].off + span_len(bytes));
			out_shown(o, bytes, q->segment[i].off, mode);
			out_packets(a, o, &q->segment[i], n);
			out_end_object(o);
			all += span_len(bytes);
		}
		i += n;
	}
	out_end_array(o);
	return all;
}

static void out_holes(struct out *o, const char *name, const struct ask *q, bool evicted)
{
	static const char *const kinds[] = {"data", "gap", "cut", "evicted"};

	out_array(o, name);
	for (uint32_t i = 0; i < q->n; i++) {
		const struct ask_segment *g = &q->segment[i];

		if (g->kind == SEGMENT_DATA || (g->kind == SEGMENT_EVICTED) != evicted)
			continue;
		out_object(o, NULL);
		out_text(o, "kind", kinds[g->kind]);
		out_u64(o, "start", g->off);
		out_u64(o, "end", g->off + g->len);
		out_end_object(o);
	}
	out_end_array(o);
}

static void out_highlight(struct out *o, const struct news_match *m, const struct bounds *b,
			  uint32_t segment)
{
	uint64_t from = m->from > b->from[segment] ? m->from : b->from[segment];
	uint64_t to = m->to < b->to[segment] ? m->to : b->to[segment];
	char id[PATTERN_ID];

	pattern_id(id, (enum pattern_kind)m->pattern_kind, m->ordinal);
	out_object(o, NULL);
	out_text(o, "pattern_id", id);
	out_bytes(o, "pattern_name", span_of((const uint8_t *)m->name, m->name_len));
	out_text(o, "pattern_type", pattern_kind_name((enum pattern_kind)m->pattern_kind));
	out_text(o, "direction", directions[!m->a_to_b]);
	out_u64(o, "logical_start", from);
	out_u64(o, "logical_end", to);
	out_u64(o, "segment_index", segment);
	out_u64(o, "segment_start", from - b->from[segment]);
	out_u64(o, "segment_end", to - b->from[segment]);
	out_end_object(o);
}

static void out_highlights(struct api *a, struct call *c, const struct bounds *b, uint32_t row)
{
	struct out *o = &c->out;
	uint64_t n = 0, dropped = 0;
	const struct found_match *m;
	uint32_t cursor = 0;

	out_array(o, "highlights");
	while ((m = found_next(&a->view.found, &a->view.rows, row, &cursor)))
		for (uint32_t i = 0; i < b->n; i++) {
			if (m->m.decoded || m->m.a_to_b == c->dir || m->m.from >= b->to[i] ||
			    m->m.to <= b->from[i])
				continue;
			if (n++ < a->conf->slice_highlights)
				out_highlight(o, &m->m, b, i);
			else
				dropped++;
		}
	out_end_array(o);
	out_u64(o, "dropped_highlights", dropped);
}

/* The packet whose byte stayed, where the window has it. */
static uint64_t kept_packet(struct api *a, const struct ask *q, uint64_t off)
{
	struct place_packet p;

	for (uint32_t i = 0; i < q->n; i++) {
		const struct ask_segment *g = &q->segment[i];

		if (g->kind == SEGMENT_DATA && off >= g->off && off < g->off + g->len)
			return packet_of(a, g, &p) ? p.number : 0;
	}
	return 0;
}

static void out_conflicts(struct api *a, struct call *c, const struct ask *q)
{
	struct out *o = &c->out;

	out_array(o, "conflicts");
	for (uint32_t i = 0; i < q->conflicts; i++) {
		const struct ask_conflict *x = &q->conflict[i];

		if (x->dir != c->dir || x->off >= q->to || x->off + x->len <= q->from)
			continue;
		out_object(o, NULL);
		out_u64(o, "start", x->off);
		out_u64(o, "end", x->off + x->len);
		if (x->loser_is_new) {
			uint64_t kept = kept_packet(a, q, x->off);

			if (kept)
				out_u64(o, "kept_packet", kept);
		}
		if (x->number)
			out_u64(o, x->loser_is_new ? "other_packet" : "kept_packet", x->number);
		out_base64(o, "other_base64", span_of(x->bytes, x->len));
		out_end_object(o);
	}
	out_end_array(o);
}

/* ---- transforms ---- */

bool content_chain(struct api *a, struct call *c, struct transform_chain *chain)
{
	const char *text = call_value(c, "transform")->text;
	const struct profile *p;
	uint32_t row;
	char why[160];

	*chain = (struct transform_chain){0};
	if (text && (strcmp(text, "profile") == 0 || strcmp(text, "default") == 0 ||
		     strcmp(text, "profile_default") == 0)) {
		row = rows_find(&a->view.rows, c->id);
		p = row == ROW_NONE ? NULL
				    : profile_primary(&a->view.profiles, &a->view.rows,
						      &a->view.found, row);
		text = p ? p->transform : NULL;
	}
	if (!text || transform_parse(text, chain, why, sizeof(why)) == 0)
		return true;
	call_error(c, 400, NULL, "transform: %s", why);
	return false;
}

static void out_step(struct out *o, const struct transform_step *s)
{
	out_object(o, NULL);
	out_text(o, "requested", transform_name(s->requested));
	out_text(o, "applied", transform_name(s->applied));
	out_text(o, "status", transform_status_name(s->status));
	out_u64(o, "input_bytes", s->input_bytes);
	out_u64(o, "output_bytes", s->output_bytes);
	out_bool(o, "truncated_by_limit", s->truncated);
	out_array(o, "notes");
	if (s->note[0])
		out_text(o, NULL, s->note);
	out_end_array(o);
	out_end_object(o);
}

static void out_transform(struct call *c, const struct transform_chain *chain,
			  const struct transform_result *r)
{
	const struct transform_step *last = r->steps ? &r->step[r->steps - 1] : NULL;
	struct out *o = &c->out;
	bool truncated = false;

	for (uint32_t i = 0; i < r->steps; i++)
		truncated |= r->step[i].truncated;
	out_array(o, "transforms");
	out_object(o, NULL);
	out_text(o, "requested", chain->n ? transform_name(chain->step[0].kind) : "raw");
	out_array(o, "requested_chain");
	for (uint32_t i = 0; i < chain->n; i++)
		out_text(o, NULL, transform_name(chain->step[i].kind));
	out_end_array(o);
	out_text(o, "applied",
		 last && r->status == TRANSFORM_APPLIED ? transform_name(last->applied) : "none");
	out_text(o, "status", transform_status_name(r->status));
	out_u64(o, "input_bytes", c->n);
	out_u64(o, "output_bytes", span_len(r->bytes));
	out_bool(o, "truncated_by_limit", truncated || c->step == STEP_CUT);
	out_u64(o, "source_logical_start", c->from);
	out_u64(o, "source_logical_end", c->end);
	out_bool(o, "whole_message", c->other);
	out_array(o, "steps");
	for (uint32_t i = 0; i < r->steps; i++)
		out_step(o, &r->step[i]);
	out_end_array(o);
	out_array(o, "segments");
	if (r->status == TRANSFORM_APPLIED) {
		out_object(o, NULL);
		out_u64(o, "logical_start", 0);
		out_u64(o, "logical_end", span_len(r->bytes));
		out_shown(o, r->bytes, 0, (enum slice_mode)c->mode);
		out_end_object(o);
	}
	out_end_array(o);
	out_end_object(o);
	out_end_array(o);
}

static void finish_content(struct call *c)
{
	out_end_object(&c->out);
	call_reply(c, 200);
}

static void gathered(struct api *a, struct call *c)
{
	struct transform_input in = {.bytes = span_of(c->bytes, c->n), .header = c->header};
	struct transform_chain chain;
	struct transform_result r;

	if (!content_chain(a, c, &chain))
		return;
	if (in.header > c->n)
		in.header = c->n;
	if (transform_run(&chain, &in, (size_t)a->conf->max_transform, &r) < 0) {
		call_error(c, 503, NULL, "out of memory");
		return;
	}
	out_transform(c, &chain, &r);
	transform_free(&r);
	finish_content(c);
}

static void gather_done(struct api *a, struct call *c, struct ask *q)
{
	if (call_refused(c, q))
		return;
	for (uint32_t i = 0; i < q->n; i++) {
		const struct ask_segment *g = &q->segment[i];
		uint8_t *more;

		if (g->kind != SEGMENT_DATA)
			continue;
		more = realloc(c->bytes, c->n + g->have + 1);
		if (!more) {
			call_error(c, 503, NULL, "out of memory");
			return;
		}
		c->bytes = more;
		memcpy(c->bytes + c->n, q->room + g->at, g->have);
		c->n += g->have;
	}
	c->at = q->n ? q->next[1] : c->end;
	if (c->n >= GATHER_MOST && c->at < c->end) {
		c->step = STEP_CUT;
		c->at = c->end;
	}
	content_gather(a, c, c->then);
}

void content_gather(struct api *a, struct call *c, void (*then)(struct api *a, struct call *c))
{
	struct ask *q;

	c->then = then;
	if (c->at >= c->end) {
		then(a, c);
		return;
	}
	q = call_question(a, c, ASK_CONTENT);
	if (!q)
		return;
	q->dir = c->dir;
	q->from = c->at;
	q->to = c->end;
	call_ask(a, c, q, gather_done);
}

static void message_done(struct api *a, struct call *c, struct ask *q)
{
	if (call_refused(c, q))
		return;
	c->other = q->n; /* a whole message */
	if (q->n) {
		c->from = q->message[0].start;
		c->end = q->message[0].end;
		c->header = (size_t)(q->message[0].header_end - q->message[0].start);
	}
	c->at = c->from;
	content_gather(a, c, gathered);
}

/* ---- a window ---- */

static void content_done(struct api *a, struct call *c, struct ask *q)
{
	static struct bounds bounds;
	struct transform_chain chain;
	struct out *o = &c->out;
	uint64_t all;
	uint32_t row;

	if (call_refused(c, q))
		return;
	row = call_row(a, c);
	if (row == ROW_NONE || !content_chain(a, c, &chain))
		return;
	out_object(o, NULL);
	out_id(o, "stream_id", c->id);
	out_id(o, "stream_id_hex", c->id);
	out_text(o, "direction", directions[c->dir]);
	out_u64(o, "requested_start", c->from);
	out_u64(o, "requested_end", c->end);
	all = out_segments(a, o, q, (enum slice_mode)c->mode, &bounds);
	out_u64(o, "returned_bytes", all);
	out_bool(o, "truncated_by_limit", q->more || c->step == STEP_CUT);
	c->step = STEP_WHOLE;
	out_u64(o, "next_start", q->next[1]);
	out_u64(o, "stream_length", q->next[0]);
	out_holes(o, "gaps", q, false);
	out_holes(o, "evicted", q, true);
	out_highlights(a, c, &bounds, row);
	out_conflicts(a, c, q);
	if (!chain.n) {
		finish_content(c);
		return;
	}
	if (c->end > q->next[1])
		c->end = q->next[1];
	q = call_question(a, c, ASK_MESSAGE_AT);
	if (!q)
		return;
	q->dir = c->dir;
	q->from = c->from;
	call_ask(a, c, q, message_done);
}

void content_get(struct api *a, struct call *c)
{
	struct transform_chain chain;
	uint64_t len = call_value(c, "len")->number;
	struct ask *q;

	if (!content_chain(a, c, &chain))
		return;
	if (len > a->conf->slice_bytes) {
		len = a->conf->slice_bytes;
		c->step = STEP_CUT;
	}
	c->dir = (uint8_t)call_value(c, "direction")->number;
	c->mode = (uint8_t)call_value(c, "mode")->number;
	c->from = call_value(c, "start")->number;
	c->end = c->from + len;
	q = call_question(a, c, ASK_CONTENT);
	if (!q)
		return;
	q->dir = c->dir;
	q->from = c->from;
	q->to = c->end;
	call_ask(a, c, q, content_done);
}

/* ---- turns ---- */

static void out_turn(struct api *a, struct call *c, const struct ask *q, uint32_t from, uint32_t n)
{
	static const char *const kinds[] = {"data", "gap", "cut", "evicted"};
	const struct ask_segment *g = &q->segment[from], *last = g + n - 1;
	struct place_packet first, end;
	struct out *o = &c->out;
	bool known = g->kind == SEGMENT_DATA && packet_of(a, g, &first);

	out_object(o, NULL);
	out_text(o, "direction", directions[g->dir]);
	out_text(o, "kind", g->kind == SEGMENT_DATA ? "data" : kinds[g->kind]);
	out_u64(o, "start", g->off);
	out_u64(o, "end", last->off + (g->kind == SEGMENT_DATA ? last->have : last->len));
	if (known)
		out_time(o, "timestamp", first.ts_ns);
	if (known && first.number)
		out_u64(o, "first_packet", first.number);
	if (known && packet_of(a, last, &end)) {
		out_time(o, "last_timestamp", end.ts_ns);
		if (end.number)
			out_u64(o, "last_packet", end.number);
	}
	if (g->kind == SEGMENT_DATA) {
		out_object(o, "content");
		out_shown(o, bytes_of(q, from, n), g->off, (enum slice_mode)c->mode);
		out_end_object(o);
	}
	out_end_object(o);
}

static void turns_done(struct api *a, struct call *c, struct ask *q)
{
	struct out *o = &c->out;
	char cursor[CURSOR_TEXT];

	if (call_refused(c, q))
		return;
	out_object(o, NULL);
	out_id(o, "stream_id", c->id);
	out_array(o, "turns");
	for (uint32_t i = 0; i < q->n;) {
		uint32_t n = q->segment[i].kind == SEGMENT_DATA ? run_of(q, i) : 1;

		out_turn(a, c, q, i, n);
		i += n;
	}
	out_end_array(o);
	cursor_write(cursor, 't', q->next, 2);
	if (q->more)
		out_text(o, "next_cursor", cursor);
	else
		out_null(o, "next_cursor");
	finish_content(c);
}

void conversation_get(struct api *a, struct call *c)
{
	const char *cursor = call_value(c, "cursor")->text;
	uint64_t at[2] = {0};
	struct ask *q;

	if (cursor && strcmp(cursor, "0") != 0 && !cursor_read(cursor, 't', at, 2)) {
		call_error(c, 400, "stale_cursor", "the cursor is none of this list");
		return;
	}
	c->mode = (uint8_t)call_value(c, "mode")->number;
	q = call_question(a, c, ASK_TURNS_OF);
	if (!q)
		return;
	q->from = at[0];
	q->other = at[1];
	q->limit = (uint32_t)call_value(c, "limit")->number;
	call_ask(a, c, q, turns_done);
}
