/* SPDX-License-Identifier: MIT */
/* record_http — transactions and their bodies as records (EVE's http and fileinfo). */
#include "user/event/record_http.h"

#define member_u64(j, name, value) (json_lit(j, ",\"" name "\":"), json_u64(j, value))

/* ,"name":"text" where there is any */
#define member_text(j, name, text)                     \
	do {                                           \
		if ((text).at) {                       \
			json_lit(j, ",\"" name "\":"); \
			json_span(j, text);            \
		}                                      \
	} while (0)

static void json_span(struct json *j, struct span text)
{
	json_text(j, (const char *)text.at, span_len(text));
}

/* The authority of an absolute target, or of CONNECT's (RFC 9112 §3.2). */
static struct span authority_of(struct span target, struct span method)
{
	const uint8_t *p = target.at, *end;

	if (span_len(method) == 7 && memcmp(method.at, "CONNECT", 7) == 0) {
		for (end = p; end < target.end && *end != ' ' && *end != '/'; end++)
			;
		return (struct span){p, end};
	}
	while (target.end - p > 3 && *p != '/' && memcmp(p, "://", 3) != 0)
		p++;
	if (target.end - p <= 3 || *p == '/')
		return (struct span){0};
	p += 3;
	for (end = p; end < target.end && *end != '/' && *end != '?' && *end != '#'; end++)
		if (*end == '@') /* RFC 3986 §3.2: who, not where */
			p = end + 1;
	return (struct span){p, end};
}

/* Host and port apart; a colon inside brackets is of an IPv6 address. */
static void host(struct json *j, struct span h)
{
	const uint8_t *p = h.end;
	uint32_t port = 0;

	while (p > h.at && p[-1] >= '0' && p[-1] <= '9' && h.end - p < 5)
		p--;
	if (p > h.at && p < h.end && p[-1] == ':') {
		for (const uint8_t *q = p; q < h.end; q++)
			port = port * 10 + (*q - '0');
		h.end = p - 1;
	}
	member_text(j, "hostname", h);
	if (port)
		member_u64(j, "http_port", port);
}

static void headers(struct json *j, const char *name, const struct http1_field *f, uint32_t n)
{
	json_name(j, name);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *v = f[i].value.at;

		if (i)
			*j->at++ = ',';
		while (v < f[i].value.end && (*v == ' ' || *v == '\t'))
			v++;
		json_lit(j, "{\"name\":");
		json_span(j, f[i].name);
		json_lit(j, ",\"value\":");
		json_span(j, (struct span){v, f[i].value.end});
		*j->at++ = '}';
	}
	*j->at++ = ']';
}

static void range(struct json *j, const char *name, const struct http1_message *m)
{
	json_name(j, name);
	json_lit(j, "{\"start\":");
	json_u64(j, m->start);
	member_u64(j, "header_end", m->header_end);
	member_u64(j, "end", m->end);
	*j->at++ = '}';
}

static bool differ(struct span a, struct span b)
{
	return span_len(a) != span_len(b) || memcmp(a.at, b.at, span_len(a)) != 0;
}

void record_http(struct json *j, const struct event_http *e)
{
	const struct http1_transaction *t = e->transaction;
	const struct http1_message *request = &t->side[HTTP1_REQUEST];
	const struct http1_message *response = &t->side[HTTP1_RESPONSE];
	struct span name = t->text[HTTP1_TEXT_HOST], method = t->text[HTTP1_TEXT_METHOD];
	struct span version = t->text[HTTP1_TEXT_VERSION];
	struct span answered = t->text[HTTP1_TEXT_RESPONSE_VERSION];
	char *open;

	record_head(j, &e->head, "http");
	member_u64(j, "tx_id", t->tx_id);
	json_lit(j, ",\"complete\":");
	json_name(j, t->complete ? "true" : "false");
	json_lit(j, ",\"message\":{");
	if (request->seen)
		range(j, "\"request\":", request);
	if (response->seen)
		range(j, request->seen ? ",\"response\":" : "\"response\":", response);
	json_lit(j, "},\"http\":");
	open = j->at; /* every member begins with a comma; the first one's becomes the brace */
	if (!span_len(name) && method.at)
		name = authority_of(t->text[HTTP1_TEXT_TARGET], method);
	if (name.at)
		host(j, name);
	member_text(j, "url", t->text[HTTP1_TEXT_TARGET]);
	member_text(j, "http_user_agent", t->text[HTTP1_TEXT_USER_AGENT]);
	member_text(j, "http_content_type", t->text[HTTP1_TEXT_CONTENT_TYPE]);
	member_text(j, "http_refer", t->text[HTTP1_TEXT_REFERER]);
	member_text(j, "http_method", method);
	if (version.at) {
		member_text(j, "protocol", version);
		if (answered.at && differ(version, answered))
			member_text(j, "response_protocol", answered);
	} else if (method.at) {
		json_lit(j, ",\"protocol\":\"HTTP/0.9\"");
		member_text(j, "response_protocol", answered);
	} else {
		member_text(j, "protocol", answered);
	}
	if (t->status) {
		member_u64(j, "status", t->status);
		if (span_len(t->text[HTTP1_TEXT_REASON]))
			member_text(j, "reason", t->text[HTTP1_TEXT_REASON]);
	}
	member_text(j, "redirect", t->text[HTTP1_TEXT_LOCATION]);
	if (response->seen)
		member_u64(j, "length", response->length);
	if (request->seen)
		member_u64(j, "request_length", request->length);
	if (t->interim)
		member_u64(j, "interim", t->interim);
	if (response->gap_bytes + request->gap_bytes)
		member_u64(j, "gap_bytes", (uint64_t)response->gap_bytes + request->gap_bytes);
	if (t->fields[HTTP1_REQUEST])
		headers(j, ",\"request_headers\":[", t->field[HTTP1_REQUEST],
			t->fields[HTTP1_REQUEST]);
	if (t->fields[HTTP1_RESPONSE])
		headers(j, ",\"response_headers\":[", t->field[HTTP1_RESPONSE],
			t->fields[HTTP1_RESPONSE]);
	if (j->at == open)
		j->at++;
	*open = '{';
	json_lit(j, "}}\n");
}

/* Last part of the path of a target. */
static struct span basename_of(struct span target)
{
	const uint8_t *end = target.at, *from;

	while (end < target.end && *end != '?' && *end != '#')
		end++;
	from = end;
	while (from > target.at && from[-1] != '/')
		from--;
	return (struct span){from, end};
}

struct span record_filename(const struct http1_transaction *t, enum http1_side side)
{
	if (span_len(t->filename[side]) || !t->text[HTTP1_TEXT_TARGET].at)
		return t->filename[side];
	return basename_of(t->text[HTTP1_TEXT_TARGET]);
}

void record_file(struct json *j, const struct event_http *e, enum http1_side side)
{
	const struct http1_transaction *t = e->transaction;
	const struct http1_message *m = &t->side[side];

	record_head(j, &e->head, "fileinfo");
	member_u64(j, "tx_id", t->tx_id);
	json_lit(j, ",\"fileinfo\":{\"filename\":");
	json_span(j, record_filename(t, side));
	member_u64(j, "size", m->length);
	json_lit(j, ",\"stored\":false,\"state\":\"");
	json_name(j, m->file_whole ? "CLOSED" : "TRUNCATED");
	json_lit(j, "\",\"magic_kind\":\"");
	json_name(j, magic_kind(span_of(m->magic, m->magic_len)));
	json_lit(j, "\",\"sha256\":");
	json_hex(j, m->sha256, 32);
	member_u64(j, "tx_id", t->tx_id);
	json_lit(j, ",\"gaps\":");
	json_name(j, m->gap_bytes ? "true" : "false");
	json_lit(j, ",\"direction\":\"");
	json_name(j, side == HTTP1_REQUEST ? "to_server\"" : "to_client\"");
	json_lit(j, "}}\n");
}

void record_websocket(struct json *j, const struct event_websocket *e)
{
	const struct websocket_message *m = e->message;

	record_head(j, &e->head, "websocket");
	json_lit(j, ",\"direction\":\"");
	json_name(j, m->from_client ? "to_server" : "to_client");
	json_lit(j, "\",\"tx_id\":");
	json_u64(j, m->ordinal);
	json_lit(j, ",\"message\":{\"start\":");
	json_u64(j, m->start);
	member_u64(j, "end", m->end);
	json_lit(j, "},\"websocket\":{\"opcode\":\"");
	json_name(j, websocket_opcode_name(m->opcode));
	*j->at++ = '"';
	member_u64(j, "length", m->length);
	json_lit(j, ",\"fin\":");
	json_name(j, m->fin ? "true" : "false");
	json_lit(j, ",\"mask\":");
	json_name(j, m->mask ? "true" : "false");
	json_lit(j, ",\"compressed\":");
	json_name(j, m->compressed ? "true" : "false");
	if (m->close_code)
		member_u64(j, "close_code", m->close_code);
	json_lit(j, ",\"payload_printable\":");
	json_printable(j, m->text.at, span_len(m->text));
	if (m->opcode == WEBSOCKET_TEXT_MESSAGE || (m->close_code && span_len(m->text))) {
		json_lit(j, ",\"text\":");
		json_span(j, m->text);
	}
	json_lit(j, "}}\n");
}
