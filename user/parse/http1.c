/* SPDX-License-Identifier: MIT */
/* http1 — where a message begins and ends (RFC 9112).  See http1.h; exchange.c pairs them. */
#include "user/parse/http1.h"

#include <string.h>

#include "user/parse/exchange.h"
#include "user/parse/http1_head.h"

enum {
	PHASE_START,  /* a start line is next */
	PHASE_HEADER, /* header lines */
	PHASE_BODY,   /* `left` bytes of body */
	PHASE_SIZE,   /* a chunk size line */
	PHASE_CHUNK,  /* `left` bytes of a chunk */
	PHASE_CRLF,   /* the line end behind a chunk */
	PHASE_TRAILER,
	PHASE_CLOSE, /* a body up to the end of the stream */
	PHASE_LOST,  /* looking for the next start line */
	PHASE_OTHER, /* not HTTP: a tunnel, or what will turn out to be one */
};

#define SHORTEST 16U /* no whole message of HTTP/1 is shorter: such a hole hides none */

static struct http1 *of(struct parser *p)
{
	return (struct http1 *)p; /* its first member */
}

/* The message in hand is not what it claims to be. */
static void broken(struct http1 *h, struct http1_dir *d, enum anomaly a)
{
	http1_odd(h, a);
	if (d->exchange)
		exchange_at(h, d->exchange)->side[d->role].bad = true;
}

static void start(struct parser *p, uint32_t state)
{
	http1_state(of(p), state)->dir[1].index = 1; /* else zeros: both at a start line */
}

static void midstream(struct parser *p, uint32_t state, struct parse_side side, uint64_t off)
{
	struct http1_dir *d = &http1_state(of(p), state)->dir[side.dir];

	d->phase = PHASE_LOST;
	d->lost = true;
	d->off = d->line_off = off;
}

/* ---- bodies ---- */

static void body_end_decoder(struct http1 *h, struct http1_dir *d)
{
	coding_end(&h->codings, d->decoder);
	d->decoder = 0;
	lines_done(&h->lines, &d->kept);
}

static void decode(struct http1 *h, struct http1_dir *d, struct span in)
{
	const struct http1_message *m = &exchange_at(h, d->exchange)->side[d->role];
	struct span out, all = in, held;

	for (;;) {
		switch (coding_next(&h->codings, d->decoder, &in, &out)) {
		case CODING_BYTES:
			lines_done(&h->lines, &d->kept);
			exchange_body(h, d, out, true);
			continue;
		case CODING_MORE:
		case CODING_END:
			if (m->length == 0) /* should it turn out to be something else */
				lines_hold(&h->lines, &d->kept, all);
			return;
		case CODING_BOMB:
			broken(h, d, ANOMALY_HTTP_DECODE_LIMIT);
			break;
		case CODING_BAD:
			broken(h, d, ANOMALY_HTTP_DECODE_FAILED);
			if (m->length == 0) { /* it is not what it claims to be: as it came */
				d->flags |= AS_IT_CAME;
				held = lines_held(&h->lines, &d->kept);
				if (span_len(held))
					exchange_body(h, d, held, d->flags & IS_CHUNKED);
				exchange_body(h, d, all, d->flags & IS_CHUNKED);
			}
			break;
		}
		lines_done(&h->lines, &d->kept);
		body_end_decoder(h, d);
		d->flags |= NO_DECODER;
		return;
	}
}

static void body(struct http1 *h, struct http1_dir *d, const uint8_t *at, uint64_t n)
{
	if (!d->exchange || n == 0)
		return;
	h->counts.wire_bytes += n;
	if (d->decoder)
		decode(h, d, span_of(at, n));
	else if (!(d->flags & NO_DECODER) || (d->flags & AS_IT_CAME))
		exchange_body(h, d, span_of(at, n), d->flags & IS_CHUNKED);
}

/* ---- messages ---- */

static void begin(struct http1 *h, struct http1_state *st, struct http1_dir *d)
{
	d->exchange = exchange_begin(h, st, d->role, st->dir[!d->index].lost);
	d->header_bytes = 0;
	d->flags = 0;
	d->codings = 0;
	d->header = HTTP1_NONE;
	d->phase = PHASE_HEADER;
	if (d->exchange)
		exchange_at(h, d->exchange)->side[d->role].start = d->line_off;
}

static void finish(struct http1 *h, struct http1_state *st, struct http1_dir *d, uint64_t end,
		   bool complete)
{
	uint32_t entry = d->exchange;

	if (entry) {
		struct http1_message *m = &exchange_at(h, entry)->side[d->role];

		m->end = end;
		if (d->phase == PHASE_HEADER)
			m->header_end = end;
		m->wire_length = end - m->header_end;
		if (d->decoder ? coding_is_whole(&h->codings, d->decoder)
			       : !(d->flags & NO_DECODER))
			m->file_whole = complete && m->gap_bytes == 0;
		else if (d->decoder && complete) /* the encoded data stops short */
			broken(h, d, ANOMALY_HTTP_DECODE_FAILED);
	}
	lines_done(&h->lines, &d->kept);
	body_end_decoder(h, d);
	d->exchange = 0;
	d->phase = PHASE_START;
	if (entry)
		exchange_done(h, st, d, entry, complete);
}

static void start_decoder(struct http1 *h, struct http1_dir *d)
{
	if (d->codings && d->exchange)
		d->decoder = coding_start(&h->codings, d->coding, d->codings);
}

/* RFC 9112 §6.3: how long the body is. */
static void frame_body(struct http1 *h, struct http1_state *st, struct http1_dir *d, uint64_t end,
		       bool response)
{
	struct exchange *x = d->exchange ? exchange_at(h, d->exchange) : NULL;
	bool has_body = true;

	if (d->flags & EMPTY_LENGTH)
		http1_odd(h, ANOMALY_HTTP_BAD_LENGTH);
	if ((d->flags & HAS_TRANSFER) && (d->flags & (HAS_LENGTH | BAD_LENGTH)))
		http1_odd(h, ANOMALY_HTTP_LENGTH_AND_CHUNKED);
	if (d->flags & IS_CHUNKED) {
		d->phase = PHASE_SIZE;
	} else if (d->flags & HAS_LENGTH && !(d->flags & HAS_TRANSFER)) {
		d->phase = PHASE_BODY;
		has_body = d->left > 0;
	} else if (response) {
		d->phase = PHASE_CLOSE;
	} else {
		has_body = false;
	}
	if (x)
		x->side[d->role].has_body = has_body;
	if (has_body)
		start_decoder(h, d);
	else
		finish(h, st, d, end, true);
}

/* The protocol changes behind this response (RFC 9110 §7.8, §9.3.6). */
static bool switches(const struct exchange *x)
{
	return x && (x->status == 101 ||
		     (x->method == METHOD_CONNECT && x->status >= 200 && x->status < 300));
}

static void header_end(struct http1 *h, struct http1_state *st, struct http1_dir *d, uint64_t end)
{
	struct exchange *x = d->exchange ? exchange_at(h, d->exchange) : NULL;
	uint16_t status = d->status;

	if (x)
		x->side[d->role].header_end = end;
	if (d->role == HTTP1_REQUEST) {
		if (x && ((d->flags & IS_UPGRADE) || x->method == METHOD_CONNECT))
			x->upgrade = true;
		frame_body(h, st, d, end, false);
		return;
	}
	if (d->flags & NO_BODY) { /* an interim response: another one follows */
		d->phase = PHASE_START;
		return;
	}
	if (status == 204 || status == 304 || status == 101 ||
	    (x && (x->method == METHOD_HEAD || switches(x))))
		finish(h, st, d, end, true);
	else
		frame_body(h, st, d, end, true);
}

/* ---- start lines ---- */

/* RFC 9110 §9.1: methods are told apart by case. */
static bool is_method(struct span method, const char *name)
{
	return span_len(method) == strlen(name) && memcmp(method.at, name, span_len(method)) == 0;
}

/* The answer was captured before the request, which says now that it has no body. */
static void answer_was_head(struct http1 *h, struct http1_state *st, struct http1_dir *d,
			    uint32_t exchange)
{
	const struct http1_message *m = &exchange_at(h, exchange)->side[HTTP1_RESPONSE];

	if (d->exchange == exchange && m->length == 0 &&
	    (d->phase == PHASE_BODY || d->phase == PHASE_SIZE || d->phase == PHASE_CLOSE))
		finish(h, st, d, m->header_end, true);
}

static void on_request(struct http1 *h, struct http1_state *st, struct http1_dir *d,
		       const struct http1_request_line *r)
{
	struct exchange *x;

	begin(h, st, d);
	if (span_len(r->version) == 0)
		d->flags |= MAYBE_OLD;
	if (!d->exchange)
		return;
	x = exchange_at(h, d->exchange);
	x->old = span_len(r->version) == 0;
	x->method = is_method(r->method, "HEAD")      ? METHOD_HEAD
		    : is_method(r->method, "CONNECT") ? METHOD_CONNECT
						      : METHOD_OTHER;
	if (x->method == METHOD_HEAD)
		answer_was_head(h, st, &st->dir[!d->index], d->exchange);
	exchange_text(h, x, HTTP1_TEXT_METHOD, false, r->method);
	exchange_text(h, x, HTTP1_TEXT_TARGET, false, r->target);
	if (!x->old)
		exchange_text(h, x, HTTP1_TEXT_VERSION, false, r->version);
}

static void on_status(struct http1 *h, struct http1_state *st, struct http1_dir *d,
		      const struct http1_status_line *r)
{
	struct exchange *x;

	if (r->status >= 100 && r->status < 200 && r->status != 101) {
		st->interim++;
		d->exchange = 0;
		d->header_bytes = 0;
		d->flags = NO_BODY;
		d->phase = PHASE_HEADER;
		return;
	}
	begin(h, st, d);
	d->status = r->status;
	if (!d->exchange)
		return;
	x = exchange_at(h, d->exchange);
	x->status = r->status;
	exchange_text(h, x, HTTP1_TEXT_RESPONSE_VERSION, false, r->version);
	exchange_text(h, x, HTTP1_TEXT_REASON, false, r->reason);
}

static bool is_blank_line(struct span line)
{
	return line.at[0] == '\n' || (line.at[0] == '\r' && line.at[1] == '\n');
}

/* The response to an HTTP/0.9 request has neither status line nor header. */
static bool awaits_old(const struct http1 *h, const struct http1_state *st,
		       const struct http1_dir *d)
{
	return d->phase == PHASE_START && d->role == HTTP1_RESPONSE && st->first &&
	       exchange_at(h, st->first)->old &&
	       !exchange_at(h, st->first)->side[HTTP1_RESPONSE].seen;
}

static void begin_old(struct http1 *h, struct http1_state *st, struct http1_dir *d)
{
	struct span held;

	begin(h, st, d);
	if (d->exchange) {
		exchange_at(h, d->exchange)->side[d->role].header_end = d->line_off;
		exchange_at(h, d->exchange)->side[d->role].has_body = true;
	}
	d->phase = PHASE_CLOSE;
	held = lines_held(&h->lines, &d->tail);
	body(h, d, held.at, span_len(held));
	lines_done(&h->lines, &d->tail);
}

/* Behind a request for another protocol the client may go on in that one. */
static bool may_have_switched(const struct http1 *h, const struct http1_state *st)
{
	return st->last && exchange_at(h, st->last)->upgrade &&
	       !exchange_at(h, st->last)->side[HTTP1_RESPONSE].seen;
}

/* False where the line is no start line. */
static bool on_start(struct http1 *h, struct http1_state *st, uint8_t dir, struct span line)
{
	struct http1_dir *d = &st->dir[dir], *peer = &st->dir[!dir];
	struct http1_request_line request;
	struct http1_status_line status;
	bool lost = d->phase == PHASE_LOST;

	if (http1_status_line(line, &status)) {
		if (!d->known && !peer->known) { /* what is said tells more than who opened */
			d->role = HTTP1_RESPONSE;
			peer->role = HTTP1_REQUEST;
		}
		if (d->role == HTTP1_REQUEST)
			return false;
		d->known = true;
		if (d->lost)
			exchange_lost(h, st, HTTP1_RESPONSE);
		d->lost = false;
		if (peer->phase == PHASE_OTHER && status.status >= 200)
			peer->phase = PHASE_LOST; /* no: it was refused */
		on_status(h, st, d, &status);
		return true;
	}
	if (!http1_request_line(line, &request) || (lost && span_len(request.version) == 0))
		return false;
	if (!d->known && !peer->known && span_len(request.version)) {
		d->role = HTTP1_REQUEST;
		peer->role = HTTP1_RESPONSE;
	}
	if (d->role == HTTP1_RESPONSE)
		return false;
	d->known = true;
	if (d->lost) {
		exchange_lost(h, st, HTTP1_REQUEST);
		st->gone = 0;
	}
	d->lost = false;
	on_request(h, st, d, &request);
	return true;
}

/* ---- lines ---- */

static void on_line(struct http1 *h, struct http1_state *st, uint8_t dir, struct span line,
		    uint64_t end)
{
	struct http1_dir *d = &st->dir[dir];
	uint64_t size;
	bool strange;

	switch (d->phase) {
	case PHASE_START:
		if (is_blank_line(line)) /* RFC 9112 §2.2 */
			return;
		if (on_start(h, st, dir, line))
			return;
		if (d->role == HTTP1_REQUEST && may_have_switched(h, st)) {
			d->phase = PHASE_OTHER;
			return;
		}
		if (awaits_old(h, st, d)) {
			bool kept = d->tail.entry;

			begin_old(h, st, d);
			body(h, d, kept ? line.end - 1 : line.at, kept ? 1 : span_len(line));
			return;
		}
		http1_odd(h, ANOMALY_HTTP_BAD_START);
		d->phase = PHASE_LOST;
		return;
	case PHASE_LOST:
		on_start(h, st, dir, line);
		return;
	case PHASE_HEADER:
	case PHASE_TRAILER:
		d->header_bytes += (uint32_t)span_len(line);
		if (d->header_bytes > h->conf.header_bytes &&
		    d->header_bytes - span_len(line) <= h->conf.header_bytes)
			http1_odd(h, ANOMALY_HTTP_HEADER_LONG);
		if (!is_blank_line(line)) {
			if ((d->flags & MAYBE_OLD) &&
			    !memchr(line.at, ':', span_len(line))) { /* no header: another one */
				finish(h, st, d, d->line_off, true);
				on_line(h, st, dir, line, end);
			} else if (d->phase == PHASE_HEADER) {
				http1_head_line(h, d, line);
			}
			return;
		}
		if (line.at[0] == '\n')
			http1_odd(h, ANOMALY_HTTP_BARE_LF);
		if (d->phase == PHASE_HEADER)
			header_end(h, st, d, end);
		else
			finish(h, st, d, end, true);
		return;
	case PHASE_SIZE:
		if (!http1_chunk_size(line, &size, &strange)) {
			broken(h, d, ANOMALY_HTTP_BAD_CHUNK);
			finish(h, st, d, d->line_off, false);
			d->phase = PHASE_LOST;
			return;
		}
		if (strange)
			http1_odd(h, ANOMALY_HTTP_BAD_CHUNK);
		d->left = size;
		d->phase = size ? PHASE_CHUNK : PHASE_TRAILER;
		return;
	case PHASE_CRLF:
		d->phase = PHASE_SIZE;
		if (!is_blank_line(line)) { /* the chunk is longer than it said */
			broken(h, d, ANOMALY_HTTP_BAD_CHUNK);
			finish(h, st, d, d->line_off, false);
			d->phase = PHASE_LOST;
		}
		return;
	default:
		return;
	}
}

/* While lost, only what may begin a start line is worth a buffer. */
static bool skip_to_candidate(const struct http1_dir *d, bool known, struct span *bytes)
{
	while (bytes->at < bytes->end) {
		uint8_t c = bytes->at[0];
		const uint8_t *nl;

		if (known && d->role == HTTP1_RESPONSE ? c == 'H' : c >= 'A' && c <= 'Z')
			return true;
		nl = memchr(bytes->at, '\n', span_len(*bytes));
		bytes->at = nl ? nl + 1 : bytes->end;
	}
	return false;
}

/* ---- what the worker calls ---- */

static bool takes_bytes(uint8_t phase)
{
	return phase == PHASE_BODY || phase == PHASE_CHUNK || phase == PHASE_CLOSE ||
	       phase == PHASE_OTHER;
}

/* Bytes of a body; how many. */
static uint64_t feed_bytes(struct http1 *h, struct http1_state *st, struct http1_dir *d,
			   struct span bytes, uint64_t off)
{
	uint64_t n = span_len(bytes);

	if (d->phase == PHASE_OTHER)
		return n;
	if (d->phase != PHASE_CLOSE && n > d->left)
		n = d->left;
	body(h, d, bytes.at, n);
	if (d->phase == PHASE_CLOSE)
		return n;
	d->left -= n;
	if (d->left == 0 && d->phase == PHASE_CHUNK)
		d->phase = PHASE_CRLF;
	else if (d->left == 0)
		finish(h, st, d, off + n, true);
	return n;
}

static bool may_be_status(struct span held, struct span bytes)
{
	static const char name[] = "HTTP/";
	size_t have = span_len(held) < 5 ? span_len(held) : 5;
	size_t n = span_len(bytes) < 5 - have ? span_len(bytes) : 5 - have;

	return !memcmp(held.at ? held.at : bytes.at, name, have) &&
	       !memcmp(bytes.at, name + have, n);
}

static void set_roles(struct http1_state *st, struct parse_side side)
{
	if (st->dir[0].known || st->dir[1].known)
		return;
	st->dir[side.dir].role = side.from_client ? HTTP1_REQUEST : HTTP1_RESPONSE;
	st->dir[!side.dir].role = side.from_client ? HTTP1_RESPONSE : HTTP1_REQUEST;
}

/* The exchange whose response has just switched protocols, told by then: its facts. */
static bool switched(const struct http1 *h, const struct http1_dir *d, struct parse_next *next)
{
	const struct exchange *x = d->exchange ? exchange_at(h, d->exchange) : NULL;
	const struct http1_message *asked;

	if (d->role != HTTP1_RESPONSE || d->phase != PHASE_HEADER || !switches(x))
		return false;
	asked = &x->side[HTTP1_REQUEST];
	*next = (struct parse_next){
		/* An answer to the header alone is none to a body. */
		.behind_request = asked->complete    ? asked->end
				  : asked->gap_bytes ? 0
						     : asked->header_end,
		.service = x->status == 101 && x->websocket ? SERVICE_WEBSOCKET : SERVICE_UNKNOWN,
		.deflate = x->deflate,
		.no_context = {x->no_context[0], x->no_context[1]},
	};
	return true;
}

static enum parse_got feed(struct parser *p, uint32_t state, struct parse_side side, uint64_t off,
			   struct span *bytes, struct parse_next *next)
{
	struct http1 *h = of(p);
	struct http1_state *st = http1_state(h, state);
	struct http1_dir *d = &st->dir[side.dir];
	const uint8_t *from = bytes->at;
	struct span line;
	bool leaves = false;

	set_roles(st, side);
	d->off = off + span_len(*bytes);
	while (bytes->at < bytes->end && !leaves) {
		if (awaits_old(h, st, d) &&
		    !may_be_status(lines_held(&h->lines, &d->tail), *bytes)) {
			if (!d->tail.entry)
				d->line_off = off + (uint64_t)(bytes->at - from);
			begin_old(h, st, d);
		}
		if (takes_bytes(d->phase)) {
			bytes->at +=
				feed_bytes(h, st, d, *bytes, off + (uint64_t)(bytes->at - from));
			continue;
		}
		if (!d->tail.entry && !d->tail.cut) {
			if (d->phase == PHASE_HEADER && !(d->flags & MAYBE_OLD))
				http1_head_run(h, d, bytes);
			if (bytes->at == bytes->end)
				break;
			if (d->phase == PHASE_LOST &&
			    !skip_to_candidate(d, st->dir[0].known || st->dir[1].known, bytes))
				break;
			d->line_off = off + (uint64_t)(bytes->at - from);
		}
		if (!lines_next(&h->lines, &d->tail, bytes, &line))
			break;
		leaves = is_blank_line(line) && switched(h, d, next);
		on_line(h, st, side.dir, line, off + (uint64_t)(bytes->at - from));
		if (lines_done(&h->lines, &d->tail))
			http1_odd(h, ANOMALY_HTTP_LINE_LONG);
	}
	return leaves ? PARSE_DONE : PARSE_MORE;
}

static void gap(struct parser *p, uint32_t state, struct parse_side side, uint64_t len)
{
	struct http1 *h = of(p);
	struct http1_state *st = http1_state(h, state);
	struct http1_dir *d = &st->dir[side.dir];
	struct http1_message *m;

	set_roles(st, side);
	d->off += len;
	lines_done(&h->lines, &d->tail);
	m = d->exchange ? &exchange_at(h, d->exchange)->side[d->role] : NULL;
	if (m)
		m->gap_bytes += len < UINT32_MAX - m->gap_bytes ? (uint32_t)len : 0;
	if (takes_bytes(d->phase)) {
		if (d->decoder) /* what follows cannot be decoded */
			d->flags |= NO_DECODER;
		d->flags &= (uint16_t)~AS_IT_CAME;
		body_end_decoder(h, d);
	}
	if (d->phase == PHASE_CLOSE || d->phase == PHASE_OTHER)
		return;
	if ((d->phase == PHASE_BODY || d->phase == PHASE_CHUNK) && len <= d->left) {
		d->left -= len;
		if (d->left == 0 && d->phase == PHASE_CHUNK)
			d->phase = PHASE_CRLF;
		else if (d->left == 0)
			finish(h, st, d, d->off, true);
		return;
	}
	if (d->exchange)
		finish(h, st, d, d->phase == PHASE_BODY ? d->off - len + d->left : d->off - len,
		       false);
	d->phase = PHASE_LOST;
	d->lost = d->lost || len >= SHORTEST;
}

static void ended(struct parser *p, uint32_t state, struct parse_side side, bool whole)
{
	struct http1 *h = of(p);
	struct http1_state *st = http1_state(h, state);
	struct http1_dir *d = &st->dir[side.dir];

	if (d->ended)
		return;
	d->ended = true;
	if (d->tail.entry && awaits_old(h, st, d))
		begin_old(h, st, d);
	lines_done(&h->lines, &d->tail);
	if (d->exchange)
		finish(h, st, d, d->off,
		       (d->phase == PHASE_CLOSE && whole) ||
			       (d->phase == PHASE_HEADER && (d->flags & MAYBE_OLD)));
	body_end_decoder(h, d);
	d->phase = PHASE_LOST;
}

static void end(struct parser *p, uint32_t state)
{
	for (uint8_t dir = 0; dir < 2; dir++)
		ended(p, state, (struct parse_side){.dir = dir}, false);
	exchange_end(of(p), http1_state(of(p), state));
}

static const struct parser_ops ops = {
	.name = "http",
	.service = SERVICE_HTTP,
	.state_bytes = sizeof(struct http1_state),
	.start = start,
	.midstream = midstream,
	.feed = feed,
	.gap = gap,
	.ended = ended,
	.end = end,
};

int http1_open(struct http1 *h, const struct http1_conf *conf, struct parse_host *host)
{
	int err;

	*h = (struct http1){.conf = *conf};
	err = parser_open(&h->parser, &ops, host, conf->states);
	if (err == 0)
		err = slots_open(&h->exchanges, sizeof(struct exchange), conf->exchanges);
	if (err == 0 && conf->sha256)
		err = slots_open(&h->hashes, EXCHANGE_HASHES, conf->exchanges);
	if (err == 0)
		err = chain_pool_open(&h->texts, conf->texts ? conf->cells : 0);
	if (err == 0)
		err = lines_open(&h->lines, conf->header_bytes, conf->lines);
	if (err == 0)
		err = codings_open(&h->codings, &conf->coding);
	if (err < 0)
		http1_close(h);
	return err;
}

void http1_close(struct http1 *h)
{
	parser_close(&h->parser);
	slots_close(&h->exchanges);
	slots_close(&h->hashes);
	chain_pool_close(&h->texts);
	lines_close(&h->lines);
	codings_close(&h->codings);
}
