/* SPDX-License-Identifier: MIT */
/* transform — chains: how they are written, and how their steps follow one another. */
#include "user/view/transform.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "user/view/transform_step.h"

#define OUTPUT_FIRST 4096U

/* Between two steps. */
struct run {
	const struct transform_chain *chain;
	struct transform_result *out;
	size_t max_bytes;
	struct span bytes;
	size_t header;
	uint8_t *memory; /* of bytes, once a step was applied */
	bool dechunked, decoded, converted;
};

static step_fn *const steps[TRANSFORM_COUNT] = {
	[TRANSFORM_URL_DECODE] = step_url_decode,
	[TRANSFORM_HTTP_CHUNKED] = step_http_chunked,
	[TRANSFORM_HTTP_GZIP] = step_http_gzip,
	[TRANSFORM_GZIP] = step_coding,
	[TRANSFORM_DEFLATE] = step_coding,
	[TRANSFORM_BROTLI] = step_coding,
	[TRANSFORM_ZSTD] = step_coding,
	[TRANSFORM_CHARSET] = step_charset,
	[TRANSFORM_BASE64] = step_base64,
	[TRANSFORM_HEX] = step_hex,
	[TRANSFORM_WEBSOCKET_DEFLATE] = step_websocket,
	[TRANSFORM_JSON] = step_json,
};

/* What auto tries, in this order. */
static const enum transform_kind tried[] = {
	TRANSFORM_HTTP_CHUNKED, TRANSFORM_HTTP_GZIP,  TRANSFORM_GZIP, TRANSFORM_WEBSOCKET_DEFLATE,
	TRANSFORM_CHARSET,      TRANSFORM_URL_DECODE, TRANSFORM_JSON,
};

static const uint8_t nothing[1]; /* where bytes are none */

/* ---- output ---- */

bool output_put(struct output *o, const uint8_t *at, size_t n)
{
	if (o->no_memory)
		return false;
	if (n > o->max - o->n) {
		n = o->max - o->n;
		o->cut = true;
	}
	if (n > o->cap - o->n) {
		size_t cap = o->cap < OUTPUT_FIRST / 2 ? OUTPUT_FIRST : 2 * o->cap;
		uint8_t *more;

		if (cap < o->n + n)
			cap = o->n + n;
		if (cap > o->max)
			cap = o->max;
		more = realloc(o->at, cap);
		if (!more) {
			o->no_memory = true;
			return false;
		}
		o->at = more;
		o->cap = cap;
	}
	if (n)
		memcpy(o->at + o->n, at, n);
	o->n += n;
	return !o->cut;
}

bool output_span(struct output *o, struct span s)
{
	return output_put(o, s.at, span_len(s));
}

void output_close(struct output *o)
{
	free(o->at);
	*o = (struct output){0};
}

void step_say(struct transform_step *s, const char *format, ...)
{
	size_t n = strlen(s->note);
	va_list args;

	if (n && n + 2 < sizeof(s->note)) {
		memcpy(s->note + n, "; ", 3);
		n += 2;
	}
	va_start(args, format);
	vsnprintf(s->note + n, sizeof(s->note) - n, format, args);
	va_end(args);
}

/* ---- chains ---- */

static const struct {
	const char *name;
	enum transform_kind kind;
} names[] = {
#define TRANSFORM_ROW(name, text) {text, TRANSFORM_##name},
	TRANSFORMS(TRANSFORM_ROW)
#undef TRANSFORM_ROW
		{"url", TRANSFORM_URL_DECODE},
	{"urldecode", TRANSFORM_URL_DECODE},
	{"chunked", TRANSFORM_HTTP_CHUNKED},
	{"ws_deflate", TRANSFORM_WEBSOCKET_DEFLATE},
	{"web_socket_deflate", TRANSFORM_WEBSOCKET_DEFLATE},
	{"br", TRANSFORM_BROTLI},
};

static bool word_is(const char *word, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(word, name, n) == 0;
}

/* One step; *charset is where its charset begins, or its end. */
static bool find_kind(const char *word, size_t n, enum transform_kind *kind, size_t *charset)
{
	const char *colon = memchr(word, ':', n);
	size_t len = colon ? (size_t)(colon - word) : n;

	*charset = colon ? len + 1 : n;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!word_is(word, len, names[i].name))
			continue;
		*kind = names[i].kind;
		return !colon || (*kind == TRANSFORM_CHARSET && *charset < n);
	}
	return false;
}

static int add_word(struct transform_chain *chain, const char *word, size_t n, char *why,
		    size_t why_size)
{
	enum transform_kind kind;
	size_t at;

	while (n && (*word == ' ' || *word == '\t')) {
		word++;
		n--;
	}
	while (n && (word[n - 1] == ' ' || word[n - 1] == '\t'))
		n--;
	if (n == 0 || word_is(word, n, "raw") || word_is(word, n, "none"))
		return 0;
	if (!find_kind(word, n, &kind, &at)) {
		snprintf(why, why_size, "'%.*s' is no transform", (int)(n < 64 ? n : 64), word);
		return -EINVAL;
	}
	if (n - at >= sizeof(chain->step[0].charset)) {
		snprintf(why, why_size, "'%.*s...' is no charset", 32, word + at);
		return -EINVAL;
	}
	if (chain->n == TRANSFORM_STEPS) {
		snprintf(why, why_size, "'%.*s' is one transform too many: %u at most",
			 (int)(n < 64 ? n : 64), word, TRANSFORM_STEPS);
		return -EINVAL;
	}
	chain->step[chain->n].kind = kind;
	memcpy(chain->step[chain->n].charset, word + at, n - at);
	chain->n++;
	return 0;
}

int transform_parse(const char *text, struct transform_chain *chain, char *why, size_t why_size)
{
	static const char *const prefix[] = {"chain:", "pipeline:"};
	int err;

	*chain = (struct transform_chain){0};
	for (size_t i = 0; i < 2; i++) {
		if (strncasecmp(text, prefix[i], strlen(prefix[i])) == 0) {
			text += strlen(prefix[i]);
			break;
		}
	}
	for (;;) {
		size_t n = strcspn(text, ",|+>");

		err = add_word(chain, text, n, why, why_size);
		if (err)
			*chain = (struct transform_chain){0};
		if (err || !text[n])
			return err;
		text += n + 1;
	}
}

/* ---- running ---- */

static struct subject subject_of(const struct run *r, const char *charset)
{
	return (struct subject){
		.bytes = r->bytes,
		.header = span_of(r->bytes.at, r->header),
		.body = {r->bytes.at + r->header, r->bytes.end},
		.charset = charset,
		.max_bytes = r->max_bytes,
		.chain = r->chain->n,
		.dechunked = r->dechunked,
		.decoded = r->decoded,
		.converted = r->converted,
	};
}

/* The output of a step that was applied is the input of the next one. */
static void advance(struct run *r, enum transform_kind kind, const struct output *o)
{
	free(r->memory);
	r->memory = o->at;
	r->bytes = span_of(o->at ? o->at : nothing, o->n);
	r->header = o->header;
	r->dechunked |= kind == TRANSFORM_HTTP_CHUNKED || kind == TRANSFORM_HTTP_GZIP;
	r->decoded |= kind == TRANSFORM_HTTP_GZIP;
	r->converted |= kind == TRANSFORM_CHARSET;
	r->out->status = TRANSFORM_APPLIED;
}

/* 0, or -ENOMEM. */
static int run_step(struct run *r, enum transform_kind kind, const char *charset,
		    struct transform_step *s)
{
	struct subject in = subject_of(r, charset);
	struct output o = {.max = r->max_bytes};
	bool no_memory;

	*s = (struct transform_step){
		.requested = kind, .applied = kind, .input_bytes = span_len(r->bytes)};
	output_span(&o, in.header);
	o.header = o.n;
	s->status = steps[kind](&in, &o, s);
	no_memory = o.no_memory;
	if (s->status == TRANSFORM_APPLIED && !no_memory) {
		s->output_bytes = o.n;
		s->truncated = o.cut;
		advance(r, kind, &o);
		return 0;
	}
	s->output_bytes = s->status == TRANSFORM_NOOP ? s->input_bytes : 0;
	output_close(&o);
	return no_memory ? -ENOMEM : 0;
}

static bool suits(const struct run *r, enum transform_kind kind)
{
	struct subject in = subject_of(r, "");

	switch (kind) {
	case TRANSFORM_WEBSOCKET_DEFLATE:
		return websocket_is_certain(&in);
	case TRANSFORM_CHARSET:
		return charset_is_other(&in);
	case TRANSFORM_URL_DECODE:
		return text_has_escape(in.bytes) && text_mostly(in.bytes);
	case TRANSFORM_JSON:
		return http_says_json(in.header);
	default:
		return true;
	}
}

/* Tells of at most `room` steps; of one at least, what it said of the first that failed. */
static int run_auto(struct run *r, uint32_t room)
{
	struct transform_result *out = r->out;
	uint32_t from = out->steps;
	struct transform_step s, none = {.requested = TRANSFORM_AUTO,
					 .applied = TRANSFORM_AUTO,
					 .status = TRANSFORM_NOOP,
					 .input_bytes = span_len(r->bytes),
					 .output_bytes = span_len(r->bytes)};

	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		int err;

		if (out->steps - from == room)
			return 0;
		if (!suits(r, tried[i]))
			continue;
		err = run_step(r, tried[i], "", &s);
		if (err)
			return err;
		s.requested = TRANSFORM_AUTO;
		if (s.status == TRANSFORM_APPLIED)
			out->step[out->steps++] = s;
		else if (s.status == TRANSFORM_FAILED && !none.note[0])
			step_say(&none, "%s: %.70s", transform_name(s.applied), s.note);
	}
	if (out->steps == from)
		out->step[out->steps++] = none;
	return 0;
}

static int run_chain(struct run *r)
{
	struct transform_result *out = r->out;

	for (uint32_t i = 0; i < r->chain->n; i++) {
		enum transform_kind kind = r->chain->step[i].kind;
		uint32_t later = r->chain->n - i - 1;
		struct transform_step *s = &out->step[out->steps];
		int err;

		if (kind == TRANSFORM_AUTO)
			err = run_auto(r, TRANSFORM_STEPS - out->steps - later);
		else
			err = run_step(r, kind, r->chain->step[i].charset, s);
		if (err)
			return err;
		if (kind == TRANSFORM_AUTO)
			continue;
		out->steps++;
		if (s->status == TRANSFORM_FAILED) {
			out->status = TRANSFORM_FAILED;
			return 0;
		}
	}
	return 0;
}

int transform_run(const struct transform_chain *chain, const struct transform_input *in,
		  size_t max_bytes, struct transform_result *out)
{
	size_t n = in->bytes.at ? span_len(in->bytes) : 0;
	struct run r = {
		.chain = chain,
		.out = out,
		.max_bytes = max_bytes,
		.bytes = n ? in->bytes : span_of(nothing, 0),
		.header = in->header < n ? in->header : n,
	};
	int err;

	*out = (struct transform_result){.status = TRANSFORM_NOOP};
	err = run_chain(&r);
	if (err)
		*out = (struct transform_result){.status = TRANSFORM_FAILED};
	if (out->status == TRANSFORM_APPLIED) {
		out->bytes = r.bytes;
		out->memory = r.memory;
	} else {
		free(r.memory);
	}
	return err;
}

void transform_free(struct transform_result *out)
{
	free(out->memory);
	*out = (struct transform_result){0};
}

const char *transform_name(enum transform_kind kind)
{
	static const char *const text[] = {
#define TRANSFORM_TEXT(name, text) text,
		TRANSFORMS(TRANSFORM_TEXT)
#undef TRANSFORM_TEXT
	};

	return text[kind];
}

const char *transform_status_name(enum transform_status status)
{
	static const char *const text[] = {"applied", "noop", "failed"};

	return text[status];
}
