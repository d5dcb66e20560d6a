/* SPDX-License-Identifier: MIT */
/* messages — what parsers found in a stream: where each lies, and what its header says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"

static const char *const directions[] = {"a_to_b", "b_to_a"};

static struct span line_of(struct span *rest)
{
	const uint8_t *end = memchr(rest->at, '\n', span_len(*rest));
	struct span line = {rest->at, end ? end : rest->end};

	rest->at = end ? end + 1 : rest->end;
	if (line.end > line.at && line.end[-1] == '\r')
		line.end--;
	return line;
}

static struct span word_of(struct span *rest)
{
	const uint8_t *end = memchr(rest->at, ' ', span_len(*rest));
	struct span word = {rest->at, end ? end : rest->end};

	rest->at = end ? end + 1 : rest->end;
	return word;
}

/* What a header says, as far as it came with the message. */
static void out_http(struct out *o, const struct ask_message *m, struct span header)
{
	struct span start, rest = header, words;

	out_object(o, "http");
	start = words = line_of(&rest);
	out_bytes(o, "start_line", start);
	if (m->kind == MESSAGE_REQUEST) {
		out_bytes(o, "method", word_of(&words));
		out_bytes(o, "target", word_of(&words));
		out_bytes(o, "version", words);
	} else {
		out_bytes(o, "version", word_of(&words));
		out_bytes(o, "status_code", word_of(&words));
		out_bytes(o, "reason", words);
	}
	out_array(o, "headers");
	while (rest.at < rest.end) {
		struct span line = line_of(&rest), value;
		const uint8_t *colon = memchr(line.at, ':', span_len(line));

		if (span_len(line) == 0)
			break;
		value = colon ? (struct span){colon + 1, line.end} : (struct span){0};
		while (value.at < value.end && (*value.at == ' ' || *value.at == '\t'))
			value.at++;
		out_object(o, NULL);
		out_bytes(o, "name", (struct span){line.at, colon ? colon : line.end});
		out_bytes(o, "value", value);
		out_end_object(o);
	}
	out_end_array(o);
	out_bool(o, "headers_truncated", m->header_end - m->start > m->have);
	out_end_object(o);
}

static void out_message(struct out *o, const struct ask *q, const struct ask_message *m)
{
	static const char *const protocols[] = {"http", "websocket"};
	static const char *const kinds[] = {"request", "response", "unknown"};
	static const char *const statuses[] = {"complete", "partial", "error"};
	bool has_header = m->header_end > m->start;

	out_object(o, NULL);
	out_id(o, "message_id", q->stream ^ (m->cursor + 1) * 0x9e3779b97f4a7c15ULL);
	out_text(o, "protocol", protocols[m->protocol]);
	out_text(o, "kind", kinds[m->kind]);
	out_text(o, "status", statuses[m->status]);
	out_text(o, "direction", directions[m->dir]);
	out_u64(o, "tx_id", m->tx_id);
	out_u64(o, "ordinal", m->ordinal);
	out_text(o, "summary", m->summary);
	out_u64(o, "logical_start", m->start);
	out_u64(o, "logical_end", m->end);
	if (has_header) {
		out_u64(o, "header_start", m->start);
		out_u64(o, "header_end", m->header_end);
		out_u64(o, "body_start", m->header_end);
		out_u64(o, "body_end", m->end);
	} else {
		out_null(o, "header_start");
		out_null(o, "header_end");
		out_null(o, "body_start");
		out_null(o, "body_end");
	}
	out_u64(o, "wire_bytes", m->end - m->start);
	out_u64(o, "header_bytes", m->header_end - m->start);
	out_u64(o, "body_bytes", m->end > m->header_end ? m->end - m->header_end : 0);
	if (m->protocol == MESSAGE_HTTP && m->have)
		out_http(o, m, span_of(q->room + m->at, m->have));
	else
		out_null(o, "http");
	out_end_object(o);
}

static void messages_done(struct api *a, struct call *c, struct ask *q)
{
	struct out *o = &c->out;
	char cursor[32];

	(void)a;
	if (call_refused(c, q))
		return;
	out_object(o, NULL);
	out_id(o, "stream_id", c->id);
	out_id(o, "stream_id_hex", c->id);
	out_array(o, "messages");
	for (uint32_t i = 0; i < q->n; i++)
		out_message(o, q, &q->message[i]);
	out_end_array(o);
	snprintf(cursor, sizeof(cursor), "%llu",
		 (unsigned long long)(q->n ? q->message[q->n - 1].cursor : 0));
	if (q->more)
		out_text(o, "next_cursor", cursor);
	else
		out_null(o, "next_cursor");
	out_u64(o, "total", q->total);
	out_u64(o, "dropped", q->dropped);
	out_end_object(o);
	call_reply(c, 200);
}

void stream_messages(struct api *a, struct call *c)
{
	const struct value *direction = call_value(c, "direction"), *kind = call_value(c, "kind"),
			   *status = call_value(c, "status");
	const char *protocol = call_value(c, "protocol")->text,
		   *cursor = call_value(c, "cursor")->text;
	int32_t which = -1;
	struct ask *q;

	if (protocol && (strncmp(protocol, "http", 4) == 0))
		which = MESSAGE_HTTP;
	else if (protocol && (strcmp(protocol, "ws") == 0 || strncmp(protocol, "web", 3) == 0))
		which = MESSAGE_WEBSOCKET;
	else if (protocol) {
		call_error(c, 400, NULL, "protocol takes http or websocket");
		return;
	}
	if (cursor && cursor[strspn(cursor, "0123456789")]) {
		call_error(c, 400, "stale_cursor", "the cursor is none of this list");
		return;
	}
	q = call_question(a, c, ASK_MESSAGES_OF);
	if (!q)
		return;
	q->from = cursor ? strtoull(cursor, NULL, 10) : 0;
	q->protocol = which;
	q->side = direction->text ? (int32_t)direction->number : -1;
	q->what = kind->text ? (int32_t)kind->number : -1;
	q->status = status->text ? (int32_t)status->number : -1;
	q->limit = (uint32_t)call_value(c, "limit")->number;
	call_ask(a, c, q, messages_done);
}
