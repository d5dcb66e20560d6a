/* SPDX-License-Identifier: MIT */
/*
 * record_http — HTTP transactions and bodies to lines of JSON.
 *
 * Bounds: a record takes at most record_http_max bytes, never more than RECORD_HTTP_MAX.
 */
#ifndef USER_EVENT_RECORD_HTTP_H
#define USER_EVENT_RECORD_HTTP_H

#include "user/event/record.h"
#include "user/parse/http1.h"
#include "user/parse/magic.h"
#include "user/parse/websocket.h"

#define RECORD_HTTP_MAX (6 * HTTP1_TEXT + 32 * HTTP1_MAX_FIELDS + (48U << 10))

/* All kept text escaped, what stands between headers, and the envelope. */
static inline size_t record_http_max(const struct http1_transaction *t)
{
	return 6 * (size_t)t->text_bytes + 32 * ((size_t)t->fields[0] + t->fields[1]) + (48U << 10);
}

struct event_http {
	struct event_head head;
	const struct http1_transaction *transaction;
};

/* What a body's file is called: by Content-Disposition, else by the target. */
struct span record_filename(const struct http1_transaction *t, enum http1_side side);

void record_http(struct json *j, const struct event_http *e);
struct event_websocket {
	struct event_head head;
	const struct websocket_message *message;
};

/* At most as long as record_max. */
void record_websocket(struct json *j, const struct event_websocket *e);
/* The body of one side, where it has one: EVE's fileinfo. */
void record_file(struct json *j, const struct event_http *e, enum http1_side side);

#endif
