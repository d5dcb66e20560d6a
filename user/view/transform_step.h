/* SPDX-License-Identifier: MIT */
/*
 * transform_step — what the files of transform share: a step's input, its output, and the steps.
 *
 * A step puts what it makes into its output, the message's header first; where it is NOOP or
 * FAILED, what the output holds does not count.
 */
#ifndef USER_VIEW_TRANSFORM_STEP_H
#define USER_VIEW_TRANSFORM_STEP_H

#include "user/parse/coding.h"
#include "user/view/transform.h"

#define TEXT_LOOK 4096U /* bytes that tell whether something is text */

struct subject {
	struct span bytes, header, body; /* bytes = header + body */
	const char *charset;             /* asked for; empty: what the bytes say */
	size_t max_bytes;
	uint32_t chain; /* steps asked for */
	/* the header still says so, but it was done */
	bool dechunked, decoded, converted;
};

/* Bytes that grow up to max. */
struct output {
	uint8_t *at;
	size_t n, cap, max;
	size_t header; /* of these */
	bool cut;      /* more came than max */
	bool no_memory;
};

/* False where no more is taken. */
bool output_put(struct output *o, const uint8_t *at, size_t n);
bool output_span(struct output *o, struct span s);
void output_close(struct output *o);

/* What a message's header says. */
struct http_says {
	struct span content_type;
	struct span strange; /* a Content-Encoding that cannot be undone */
	uint8_t coding[CODING_STACK];
	uint32_t codings;
	bool chunked, websocket;
};

void http_read(struct span header, struct http_says *says);
bool http_says_json(struct span header);

/* Adds to the note. */
void step_say(struct transform_step *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

typedef enum transform_status step_fn(const struct subject *in, struct output *o,
				      struct transform_step *s);

step_fn step_http_chunked, step_http_gzip, step_coding;
step_fn step_url_decode, step_base64, step_hex, step_charset, step_json;
step_fn step_websocket;

/* For auto. */
bool text_mostly(struct span s); /* 85 % of the first TEXT_LOOK bytes */
bool text_has_escape(struct span s);
bool charset_is_other(const struct subject *in); /* the bytes say one, and not UTF-8 */
bool websocket_is_certain(const struct subject *in);

#endif
