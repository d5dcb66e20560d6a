/* SPDX-License-Identifier: MIT */
/* transform_http — chunks joined (RFC 9112 §7.1), and Content-Encodings undone. */
#include <stdio.h>

#include "user/parse/http1_line.h"
#include "user/view/transform_step.h"

enum chunks { CHUNKS_WHOLE, CHUNKS_SHORT, CHUNKS_BAD };

#define SIZE_LOOK 64U  /* bytes of a size line whose end is missing */
#define FEED      256U /* bytes at a time: a decoder that finds damage gives nothing more out */
/* What an encoding inside another one may grow to, per byte that came in or may go out. */
#define GROWTH      8U
#define INNER_LEAST 65536U

/* ---- headers ---- */

static int coding_kind(struct span element)
{
	static const struct {
		const char *name;
		enum coding_kind kind;
	} rows[] = {
		{"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"deflate", CODING_GZIP},
		{"br", CODING_BROTLI}, {"zstd", CODING_ZSTD},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (http1_is(element, rows[i].name))
			return (int)rows[i].kind;
	return -1;
}

static void read_codings(struct http_says *says, struct span value)
{
	struct span element;

	while (http1_list_next(&value, &element)) {
		int kind;

		element = http1_without_parameters(element);
		kind = coding_kind(element);
		if (span_len(element) == 0 || http1_is(element, "identity"))
			continue;
		if (kind < 0 || says->codings == CODING_STACK)
			says->strange = element;
		else
			says->coding[says->codings++] = (uint8_t)kind;
	}
}

static void read_header(struct http_says *says, enum http1_header header, struct span value)
{
	enum http1_transfer transfer;
	struct span element;
	bool odd;

	if (span_len(value) == 0)
		return;
	switch (header) {
	case HTTP1_TRANSFER_ENCODING:
		transfer = http1_transfer(value, &odd);
		if (transfer != HTTP1_TE_IDENTITY)
			says->chunked = transfer == HTTP1_TE_CHUNKED;
		break;
	case HTTP1_CONTENT_ENCODING:
		read_codings(says, value);
		break;
	case HTTP1_CONTENT_TYPE:
		says->content_type = value;
		break;
	case HTTP1_UPGRADE:
		while (http1_list_next(&value, &element))
			says->websocket |= http1_is(element, "websocket");
		break;
	default:
		break;
	}
}

static struct span trim(struct span s)
{
	while (s.at < s.end && (*s.at == ' ' || *s.at == '\t'))
		s.at++;
	while (s.at < s.end && (s.end[-1] == '\n' || s.end[-1] == '\r' || s.end[-1] == ' '))
		s.end--;
	return s;
}

void http_read(struct span header, struct http_says *says)
{
	enum http1_header last = HTTP1_NONE;
	const uint8_t *nl;

	*says = (struct http_says){0};
	while (header.at < header.end && (nl = memchr(header.at, '\n', span_len(header)))) {
		struct span line = {header.at, nl + 1}, value = trim(line);
		bool blank;

		if (*line.at != ' ' && *line.at != '\t') /* else folded: the header goes on */
			last = http1_header_line(line, &value, &blank);
		read_header(says, last, value);
		header.at = nl + 1;
	}
}

bool http_says_json(struct span header)
{
	struct http_says says;
	struct span type;

	http_read(header, &says);
	if (!says.content_type.at)
		return false;
	type = http1_without_parameters(says.content_type);
	if (span_len(type) < 5)
		return false;
	type.at = type.end - 5;
	return http1_is(type, "/json") || http1_is(type, "+json");
}

/* ---- chunks ---- */

/* A size line whose end is missing may be the beginning of a good one. */
static enum chunks partial_size(struct span in)
{
	uint8_t line[SIZE_LOOK + 1];
	size_t n = span_len(in);
	uint64_t size;
	bool odd;

	if (n == 0)
		return CHUNKS_SHORT;
	n = n < SIZE_LOOK ? n : SIZE_LOOK;
	memcpy(line, in.at, n);
	line[n] = '\n';
	return http1_chunk_size(span_of(line, n + 1), &size, &odd) ? CHUNKS_SHORT : CHUNKS_BAD;
}

static enum chunks chunk_size(struct span *in, uint64_t *size)
{
	const uint8_t *nl = in->at < in->end ? memchr(in->at, '\n', span_len(*in)) : NULL;
	struct span line;
	bool odd;

	if (!nl)
		return partial_size(*in);
	line = (struct span){in->at, nl + 1};
	if (!http1_chunk_size(line, size, &odd))
		return CHUNKS_BAD;
	in->at = nl + 1;
	return CHUNKS_WHOLE;
}

/* The line end behind a chunk. */
static enum chunks chunk_end(struct span *in)
{
	if (in->at < in->end && *in->at == '\r')
		in->at++;
	if (in->at == in->end)
		return CHUNKS_SHORT;
	return *in->at++ == '\n' ? CHUNKS_WHOLE : CHUNKS_BAD;
}

/* Joins chunks until one is the last, or *in ends, or is none; *data: so much was joined. */
static enum chunks join(struct span *in, struct output *o, size_t *data)
{
	enum chunks got;
	uint64_t size;

	*data = 0;
	for (;;) {
		struct span chunk;

		got = chunk_size(in, &size);
		if (got != CHUNKS_WHOLE || size == 0)
			return got;
		chunk = span_of(in->at, size < span_len(*in) ? (size_t)size : span_len(*in));
		in->at = chunk.end;
		*data += span_len(chunk);
		if (!output_span(o, chunk))
			return CHUNKS_WHOLE; /* as much as is wanted */
		if (span_len(chunk) < size)
			return CHUNKS_SHORT;
		got = chunk_end(in);
		if (got != CHUNKS_WHOLE)
			return got;
	}
}

static enum transform_status dechunk(const struct subject *in, struct output *o,
				     struct transform_step *s)
{
	struct span rest = in->body;
	size_t data;

	switch (join(&rest, o, &data)) {
	case CHUNKS_WHOLE:
		break;
	case CHUNKS_SHORT:
		step_say(s, "the last chunk is missing");
		break;
	case CHUNKS_BAD:
		step_say(s, "no chunk size at byte %zu of the body",
			 (size_t)(rest.at - in->body.at));
		return data ? TRANSFORM_APPLIED : TRANSFORM_FAILED;
	}
	return TRANSFORM_APPLIED;
}

static bool is_chunked(const struct subject *in)
{
	struct http_says says;

	http_read(in->header, &says);
	return says.chunked && !in->dechunked;
}

enum transform_status step_http_chunked(const struct subject *in, struct output *o,
					struct transform_step *s)
{
	if (!is_chunked(in) || span_len(in->body) == 0)
		return TRANSFORM_NOOP;
	return dechunk(in, o, s);
}

/* ---- encodings ---- */

struct encoded {
	struct span bytes;
	const uint8_t *kinds;
	uint32_t n;
	const char *name;
	bool claimed; /* something says that it is this */
};

/* What became of it; what it says of an end that came early. */
static enum transform_status judge(const struct encoded *e, enum coding_got got, bool whole,
				   const struct output *o, struct transform_step *s)
{
	size_t n = o->n - o->header;

	if (got == CODING_BYTES) /* as much as is wanted */
		return TRANSFORM_APPLIED;
	if (whole && got != CODING_BAD && got != CODING_BOMB)
		return TRANSFORM_APPLIED;
	if (got == CODING_BOMB)
		step_say(s, "an inner encoding grows too much");
	else if (got == CODING_BAD && n)
		step_say(s, "damaged behind %zu decoded bytes", n);
	else if (got == CODING_BAD || (n == 0 && !e->claimed))
		step_say(s, "this is not %s", e->name);
	else
		step_say(s, "it stops short");
	return n || (e->claimed && got != CODING_BAD) ? TRANSFORM_APPLIED : TRANSFORM_FAILED;
}

/* What an encoding inside another one may grow to; more than max, so that the outermost is cut
 * before. */
static uint64_t inner_bytes(size_t max, size_t in)
{
	uint64_t limit = UINT64_MAX / GROWTH / 4;

	return GROWTH * ((max < limit ? max : limit) + (in < limit ? in : limit) + INNER_LEAST);
}

static enum transform_status undo(const struct subject *in, const struct encoded *e,
				  struct output *o, struct transform_step *s)
{
	struct coding_conf conf = {
		.small = 8,
		.large = 2,
		.max_bytes = inner_bytes(in->max_bytes, span_len(e->bytes)),
		.max_ratio = UINT64_MAX, /* max_bytes suffices */
	};
	enum coding_got got = CODING_MORE;
	enum transform_status status;
	struct span rest = e->bytes, out;
	struct codings c;
	uint32_t decoder;
	bool more = true;

	if (codings_open(&c, &conf) < 0) {
		codings_close(&c);
		o->no_memory = true;
		return TRANSFORM_FAILED;
	}
	decoder = coding_start(&c, e->kinds, e->n);
	if (!decoder) {
		codings_close(&c);
		step_say(s, "too many encodings of this kind");
		return TRANSFORM_FAILED;
	}
	while (more && rest.at < rest.end) {
		size_t n = span_len(rest) < FEED ? span_len(rest) : FEED;
		struct span part = span_of(rest.at, n);

		rest.at = part.end;
		do {
			got = coding_next(&c, decoder, &part, &out);
			more = got == CODING_BYTES ? output_span(o, out) : got == CODING_MORE;
		} while (more && got == CODING_BYTES);
	}
	status = judge(e, got, coding_is_whole(&c, decoder), o, s);
	coding_end(&c, decoder);
	codings_close(&c);
	return status;
}

enum transform_status step_http_gzip(const struct subject *in, struct output *o,
				     struct transform_step *s)
{
	struct output joined = {.max = SIZE_MAX}; /* no more than came in */
	enum transform_status status = TRANSFORM_APPLIED;
	struct encoded e = {
		.bytes = in->body, .name = "what Content-Encoding says", .claimed = true};
	struct http_says says;

	http_read(in->header, &says);
	if (in->decoded || span_len(in->body) == 0 || (!says.codings && !says.strange.at))
		return TRANSFORM_NOOP;
	if (says.strange.at) {
		step_say(s, "a Content-Encoding that cannot be undone");
		return TRANSFORM_NOOP;
	}
	e.kinds = says.coding;
	e.n = says.codings;
	if (says.chunked && !in->dechunked) {
		status = dechunk(in, &joined, s);
		if (status == TRANSFORM_APPLIED && joined.n == 0)
			status = TRANSFORM_NOOP;
		e.bytes = joined.n ? span_of(joined.at, joined.n) : in->body;
		o->no_memory |= joined.no_memory;
	}
	if (status == TRANSFORM_APPLIED && !o->no_memory)
		status = undo(in, &e, o, s);
	output_close(&joined);
	return status;
}

enum transform_status step_coding(const struct subject *in, struct output *o,
				  struct transform_step *s)
{
	static const uint8_t kinds[TRANSFORM_COUNT] = {
		[TRANSFORM_GZIP] = CODING_GZIP,
		[TRANSFORM_DEFLATE] = CODING_GZIP,
		[TRANSFORM_BROTLI] = CODING_BROTLI,
		[TRANSFORM_ZSTD] = CODING_ZSTD,
	};
	struct encoded e = {
		.bytes = in->body,
		.kinds = &kinds[s->applied],
		.n = 1,
		.name = transform_name(s->applied),
		.claimed = s->applied == TRANSFORM_GZIP,
	};

	/* RFC 1952 §2.3.1 */
	if (s->applied == TRANSFORM_GZIP &&
	    (span_len(in->body) < 2 || load_be16(in->body.at) != 0x1f8b))
		return TRANSFORM_NOOP;
	return undo(in, &e, o, s);
}
