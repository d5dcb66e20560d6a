/* SPDX-License-Identifier: MIT */
/* matches — those of a stream, and those across streams, newest first. */
#include <stdio.h>
#include <string.h>

#include "api/cursor.h"
#include "api/inside.h"
#include "user/view/slice.h"

void out_match(struct out *o, const struct news_match *m)
{
	struct span text = span_of(m->text, m->text_len);
	char id[PATTERN_ID], shown[NEWS_TEXT];
	bool printable = m->text_len > 0;

	for (uint32_t i = 0; i < m->text_len; i++)
		printable &= m->text[i] == '\t' || m->text[i] == '\n' || m->text[i] == '\r' ||
			     (m->text[i] >= 0x20 && m->text[i] < 0x7f);
	pattern_id(id, (enum pattern_kind)m->pattern_kind, m->ordinal);
	out_object(o, NULL);
	out_id(o, "stream_id", m->stream);
	out_id(o, "stream_id_hex", m->stream);
	out_text(o, "pattern_id", id);
	out_u64(o, "signature_id", m->signature);
	out_bytes(o, "pattern_name", span_of((const uint8_t *)m->name, m->name_len));
	out_text(o, "pattern_type", pattern_kind_name((enum pattern_kind)m->pattern_kind));
	out_text(o, "direction", m->a_to_b ? "a_to_b" : "b_to_a");
	out_text(o, "where", m->decoded ? "decoded" : "stream");
	if (m->decoded)
		out_u64(o, "tx_id", m->tx_id);
	out_u64(o, "logical_start", m->from);
	out_u64(o, "logical_end", m->to);
	out_u64(o, "match_len", m->to - m->from);
	if (printable)
		out_bytes(o, "match_text",
			  span_of((const uint8_t *)shown, slice_text(text, shown)));
	else
		out_null(o, "match_text");
	out_base64(o, "match_base64", text);
	if (m->ts_ns)
		out_time(o, "timestamp", m->ts_ns);
	else
		out_null(o, "timestamp");
	out_u64(o, "packet", m->number);
	out_end_object(o);
}

void out_matches(struct api *a, struct out *o, uint32_t row)
{
	const struct found_match *m;
	uint32_t cursor = 0;

	out_array(o, "matches");
	while ((m = found_next(&a->view.found, &a->view.rows, row, &cursor)))
		out_match(o, &m->m);
	out_end_array(o);
}

void stream_matches(struct api *a, struct call *c)
{
	uint32_t row = call_row(a, c);

	if (row == ROW_NONE)
		return;
	out_object(&c->out, NULL);
	out_id(&c->out, "stream_id", c->id);
	out_id(&c->out, "stream_id_hex", c->id);
	out_matches(a, &c->out, row);
	out_u64(&c->out, "match_count", a->view.rows.row[row].s.matches);
	out_u64(&c->out, "matches_not_shown", a->view.rows.row[row].s.not_shown);
	out_end_object(&c->out);
	call_reply(c, 200);
}

void matches_list(struct api *a, struct call *c)
{
	static struct filter f;
	const char *pattern = call_value(c, "pattern_id")->text;
	const char *service = call_value(c, "service")->text, *text = call_value(c, "cursor")->text;
	const struct value *since = call_value(c, "since"), *until = call_value(c, "until");
	uint64_t limit = call_value(c, "limit")->number, at = a->view.found.next, n = 0;
	struct out *o = &c->out;
	uint64_t from[2];
	char why[256], next[CURSOR_TEXT];

	filter_init(&f);
	if ((pattern && filter_pattern(&f, &a->view.found, pattern, why, sizeof(why)) < 0) ||
	    (service && filter_service(&f, service, why, sizeof(why)) < 0)) {
		call_error(c, 400, NULL, "%s: %s", pattern ? "pattern_id" : "service", why);
		return;
	}
	if (text && strcmp(text, "0") != 0) {
		if (!cursor_read(text, 'm', from, 2) || from[0] != a->instance || from[1] > at) {
			call_error(c, 400, "stale_cursor",
				   "the cursor is of another list or run: begin without one");
			return;
		}
		at = from[1];
	}
	out_object(o, NULL);
	out_array(o, "matches");
	while (at > a->view.found.oldest && n < limit) {
		const struct found_match *m = found_at(&a->view.found, --at);
		bool wanted = m && (!f.by_pattern || f.patterns);

		if (wanted && f.by_pattern) {
			wanted = false;
			for (uint32_t i = 0; i < f.patterns; i++)
				wanted |= f.pattern[i]->signature == m->m.signature;
		}
		for (uint32_t i = 0; wanted && i < f.not_patterns; i++)
			wanted = f.not_pattern[i]->signature != m->m.signature;
		if (wanted && f.service.on)
			wanted = f.service.allow[a->view.rows.col.service[m->row]];
		if (wanted && since->text)
			wanted = m->m.ts_ns >= since->number;
		if (wanted && until->text)
			wanted = m->m.ts_ns <= until->number;
		if (!wanted)
			continue;
		out_match(o, &m->m);
		n++;
	}
	out_end_array(o);
	if (at > a->view.found.oldest) {
		cursor_write(next, 'm', (uint64_t[]){a->instance, at}, 2);
		out_text(o, "next_cursor", next);
	} else {
		out_null(o, "next_cursor");
	}
	out_u64(o, "total", a->view.found.added);
	out_u64(o, "dropped", a->view.found.dropped);
	out_end_object(o);
	call_reply(c, 200);
}
