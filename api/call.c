/* SPDX-License-Identifier: MIT */
/* call — see call.h. */
#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"

const struct value *call_value(const struct call *c, const char *name)
{
	static const struct value none;

	for (uint32_t i = 0; i < c->route->params; i++)
		if (strcmp(c->route->param[i].name, name) == 0)
			return &c->value[i];
	return &none;
}

void call_reply(struct call *c, int status)
{
	if (c->out.failed) {
		call_error(c, 503, NULL, "out of memory");
		return;
	}
	http_reply(&c->http, &(struct http_answer){.status = status, .type = "application/json"},
		   c->out.base, out_len(&c->out));
	out_free(&c->out);
}

static const char *code_of(int status)
{
	switch (status) {
	case 400:
		return "bad_request";
	case 401:
		return "unauthorized";
	case 403:
		return "forbidden";
	case 404:
		return "not_found";
	case 405:
		return "method_not_allowed";
	case 409:
		return "conflict";
	case 413:
		return "too_large";
	case 415:
		return "unsupported_media_type";
	case 422:
		return "unprocessable";
	case 429:
		return "too_many_requests";
	default:
		return "unavailable";
	}
}

void call_error(struct call *c, int status, const char *code, const char *format, ...)
{
	struct http_answer a = {.status = status,
				.type = "application/json",
				.retry = status == 503 || status == 429};
	struct out o = {0};
	char text[8192];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (status == 405)
		a.allow = strrchr(text, 's') ? strstr(text, "takes ") + 6 : NULL;
	out_object(&o, NULL);
	out_object(&o, "error");
	out_text(&o, "code", code ? code : code_of(status));
	out_text(&o, "message", text);
	out_end_object(&o);
	out_end_object(&o);
	http_reply(&c->http, &a, o.base, out_len(&o));
	out_free(&o);
}

uint32_t call_row(struct api *a, struct call *c)
{
	uint32_t row = rows_find(&a->view.rows, c->id);

	if (row == ROW_NONE)
		call_error(c, 404, NULL, "no stream %016llx", (unsigned long long)c->id);
	return row;
}

struct ask *call_question(struct api *a, struct call *c, enum ask_kind kind)
{
	uint32_t row = call_row(a, c);
	const struct news_stream *s;
	struct ask *q;

	if (row == ROW_NONE)
		return NULL;
	q = ask_take(&a->run->desk);
	if (!q) {
		call_error(c, 503, "overloaded", "too many questions are under way");
		return NULL;
	}
	s = &a->view.rows.row[row].s;
	q->kind = kind;
	q->stream = s->id;
	q->entry = s->entry;
	q->worker = s->worker;
	return q;
}

void call_ask(struct api *a, struct call *c, struct ask *q,
	      void (*done)(struct api *a, struct call *c, struct ask *answer))
{
	c->ask = q;
	c->done = done;
	c->asked_ms = clock_ns() / 1000000;
	c->next_asking = a->asking;
	a->asking = c;
	ask_send(&a->run->desk, q);
}

bool call_refused(struct call *c, const struct ask *answer)
{
	if (!answer)
		call_error(c, 503, "overloaded", "the worker that has the stream is too busy");
	else if (answer->got == ASK_GONE)
		call_error(c, 404, "not_kept", "the stream's content is no longer kept");
	return !answer || answer->got == ASK_GONE;
}
