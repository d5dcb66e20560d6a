/* SPDX-License-Identifier: MIT */
/*
 * fuzz_http1 — the first two bytes choose bounds and how much of two streams is missing at their
 * start; the rest is a list of {what, length, bytes}: a side of a stream says something, loses
 * bytes, or ends.  Each stream is read a second time in other chunks: it tells the same, except
 * where the parser had to look for the next start line, which it also tries where chunks begin.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/parse/exchange.h" /* whether the exchanges came back */

#define STREAMS   2U
#define OPS_MAX   200
#define TELL_MAX  (1U << 18)
#define TX_MAX    4096U
#define MAX_BYTES 5000U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
	uint32_t state;
	uint64_t off[2];
	bool ended[2];
	bool lost; /* a start line was looked for, or may have been */
	bool told[TX_MAX];
	uint64_t body[TX_MAX][2]; /* bytes given out */
	bool over[TX_MAX][2];
	size_t n;
	char tell[TELL_MAX]; /* what it told, as text */
};

struct run {
	struct parse_host host; /* first */
	struct http1 h;
	struct http1_conf conf;
	struct stream stream[STREAMS], *now;
	uint64_t seen[2], transactions;
	uint8_t role[STREAMS]; /* the direction that is said to be the client */
};

struct input {
	const uint8_t *at, *end;
};

static struct run one, two;

static uint8_t take(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* ---- what is told ---- */

static void say(struct stream *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct stream *s, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(s->tell + s->n, TELL_MAX - s->n, format, args);
	va_end(args);
	s->n += (size_t)n < TELL_MAX - s->n ? (size_t)n : 0; /* what is too long is dropped */
}

static void say_bytes(struct stream *s, struct span bytes)
{
	say(s, " %zu:", span_len(bytes));
	for (const uint8_t *p = bytes.at; p < bytes.end; p++)
		say(s, "%02x", *p);
}

static void check_message(const struct run *r, const struct http1_transaction *t, int side)
{
	const struct http1_message *m = &t->side[side];
	uint64_t limit = r->now->off[0] > r->now->off[1] ? r->now->off[0] : r->now->off[1];

	if (!m->seen) {
		assert(!m->complete && m->length == 0 && !m->has_body && t->fields[side] == 0);
		return;
	}
	assert(m->start <= m->header_end && m->header_end <= m->end && m->end <= limit);
	assert(m->wire_length == m->end - m->header_end);
	assert(!m->complete || m->gap_bytes == 0);
	assert(!m->file_whole || m->complete);
	assert(m->has_body || m->length == 0);
	assert(m->magic_len == (m->length < 8 ? m->length : 8));
	assert(m->length <= m->wire_length || m->length <= r->conf.coding.max_bytes);
	assert(r->conf.coding.small || m->length <= m->wire_length);
	assert(m->length == r->now->body[t->tx_id][side]);
	assert(r->now->over[t->tx_id][side] == (m->length > 0));
}

static void on_http(struct parse_host *host, const struct http1_transaction *t)
{
	struct run *r = (struct run *)host;
	struct stream *s = r->now;
	uint64_t bytes = 0;

	assert(t->tx_id < TX_MAX && !s->told[t->tx_id]);
	s->told[t->tx_id] = true;
	assert(t->side[0].seen || t->side[1].seen);
	assert(!t->complete || (t->side[0].complete && t->side[1].complete));
	r->transactions++;
	say(s, "tx %u %u %u %d", t->tx_id, t->status, t->interim, t->complete);
	for (int side = 0; side < 2; side++) {
		const struct http1_message *m = &t->side[side];

		check_message(r, t, side);
		r->seen[side] += m->seen;
		say(s, " %llu %llu %llu %llu %u %d%d%d", (unsigned long long)m->start,
		    (unsigned long long)m->header_end, (unsigned long long)m->end,
		    (unsigned long long)m->length, m->gap_bytes, m->complete, m->has_body,
		    m->file_whole);
		say_bytes(s, span_of(m->magic, m->magic_len));
		if (r->conf.sha256 && m->length)
			say_bytes(s, span_of(m->sha256, 32));
		say_bytes(s, t->filename[side]);
		bytes += span_len(t->filename[side]);
		assert(t->fields[side] <= HTTP1_MAX_FIELDS);
		for (uint32_t i = 0; i < t->fields[side]; i++) {
			say_bytes(s, t->field[side][i].name);
			say_bytes(s, t->field[side][i].value);
			bytes += span_len(t->field[side][i].name);
			bytes += span_len(t->field[side][i].value);
		}
	}
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++) {
		say_bytes(s, t->text[i]);
		bytes += span_len(t->text[i]);
	}
	assert(bytes <= t->text_bytes && t->text_bytes <= HTTP1_TEXT);
	say(s, "\n");
}

static void on_body(struct parse_host *host, const struct parse_body *b)
{
	struct run *r = (struct run *)host;

	assert(b->tx_id < TX_MAX && b->side <= HTTP1_RESPONSE && b->dir < 2);
	assert(!r->now->told[b->tx_id] && !r->now->over[b->tx_id][b->side]);
	assert(b->last == (span_len(b->bytes) == 0));
	r->now->over[b->tx_id][b->side] = b->last;
	if (b->last)
		return;
	assert(b->off == r->now->body[b->tx_id][b->side]);
	r->now->body[b->tx_id][b->side] += span_len(b->bytes);
}

static void on_anomaly(struct parse_host *host, enum anomaly a)
{
	struct stream *s = ((struct run *)host)->now;

	assert(a < ANOMALY_COUNT);
	s->lost |= a == ANOMALY_HTTP_BAD_START || a == ANOMALY_HTTP_BAD_CHUNK;
	say(s, "anomaly %d\n", a);
}

/* ---- streams ---- */

static void stream_over(struct run *r, struct stream *s)
{
	if (s->state)
		parser_end(&r->h.parser, s->state);
	s->state = 0;
}

static struct parse_side side_of(const struct run *r, uint8_t dir)
{
	return (struct parse_side){.dir = dir, .from_client = dir == r->role[r->now - r->stream]};
}

/* A request for a tunnel: what follows may be of another protocol. */
static bool may_leave(const struct http1 *h, uint32_t state)
{
	const struct http1_state *st = http1_state(h, state);

	return st->last && exchange_at(h, st->last)->upgrade;
}

static void feed(struct run *r, uint8_t dir, const uint8_t *at, size_t n)
{
	struct stream *s = r->now;
	uint8_t *copy = malloc(n ? n : 1); /* exactly: a read beyond it is seen */
	struct span bytes = span_of(copy, n);
	struct parse_next next = {0};
	uint64_t off = s->off[dir];

	assert(copy);
	if (n)
		memcpy(copy, at, n);
	s->off[dir] += n;
	switch (r->h.parser.ops->feed(&r->h.parser, s->state, side_of(r, dir), off, &bytes,
				      &next)) {
	case PARSE_MORE:
		s->lost |= may_leave(&r->h, s->state);
		break;
	case PARSE_DONE:
		assert(bytes.at >= copy && bytes.end == copy + n && bytes.at <= bytes.end);
		say(s, "done %d at %llu\n", next.service,
		    (unsigned long long)(s->off[dir] - span_len(bytes)));
		stream_over(r, s);
		break;
	case PARSE_BAD:
		abort();
	}
	free(copy);
}

/* `most` bytes at a time, 0: all at once. */
static void operation(struct run *r, struct input *in, size_t most)
{
	uint8_t what = take(in), dir = what & 1;
	size_t n = take(in) | (size_t)(what >> 5) << 8;
	struct parser *p = &r->h.parser;
	struct stream *s;

	r->now = s = &r->stream[what >> 1 & 1];
	p->number++;
	switch (what >> 2 & 7) {
	case 7: /* ends */
		if (s->state && !s->ended[dir])
			p->ops->ended(p, s->state, side_of(r, dir), n & 1);
		s->ended[dir] = true;
		return;
	case 6: /* loses bytes */
		if (!s->state || s->ended[dir] || n == 0)
			return;
		s->off[dir] += n;
		s->lost = true;
		p->ops->gap(p, s->state, side_of(r, dir), n);
		return;
	default:
		break;
	}
	n = n < (size_t)(in->end - in->at) ? n : (size_t)(in->end - in->at);
	for (size_t used = 0; used < n && s->state && !s->ended[dir];) {
		size_t step = most && most < n - used ? most : n - used;

		feed(r, dir, in->at + used, step);
		used += step;
	}
	in->at += n;
}

static void begin(struct run *r, uint8_t missing)
{
	for (uint32_t i = 0; i < STREAMS; i++) {
		struct stream *s = &r->stream[i];

		memset(s, 0, offsetof(struct stream, tell));
		r->now = s;
		r->role[i] = missing >> (4 * i) & 1;
		s->state = parser_start(&r->h.parser);
		assert(s->state);
		for (uint8_t dir = 0; dir < 2; dir++) {
			if (!(missing >> (4 * i + 1 + dir) & 1))
				continue;
			s->off[dir] = 100;
			s->lost = true;
			r->h.parser.ops->midstream(&r->h.parser, s->state, side_of(r, dir), 100);
		}
	}
}

static void check_pools(struct run *r)
{
	static const uint8_t kinds[] = {CODING_GZIP, CODING_ZSTD};
	struct line_tail tail[STREAMS * 4] = {0};
	uint32_t n = 0;

	for (uint32_t x = r->h.exchange_free; x; x = exchange_at(&r->h, x)->next)
		n++;
	assert(n == r->h.exchange_fresh && n <= r->conf.exchanges);
	assert(r->h.texts.used == 0 && r->h.texts.peak <= r->conf.cells);
	r->h.lines.refused = r->h.codings.refused = 0;
	for (uint32_t i = 0; i < r->conf.lines; i++) {
		struct span in = span_of((const uint8_t *)"x", 1), line;

		lines_next(&r->h.lines, &tail[i], &in, &line);
	}
	for (uint32_t i = 0; i < r->conf.coding.small; i++) {
		coding_start(&r->h.codings, kinds, 1);
		coding_start(&r->h.codings, kinds + 1, 1);
	}
	assert(r->h.lines.refused == 0 && r->h.codings.refused == 0);
	for (uint32_t i = 0; i < STREAMS; i++)
		assert(parser_start(&r->h.parser) != 0);
}

static void run(struct run *r, struct input in, size_t most)
{
	uint8_t missing;

	take(&in);
	missing = take(&in);
	r->host = (struct parse_host){.http = on_http, .body = on_body, .anomaly = on_anomaly};
	r->seen[0] = r->seen[1] = r->transactions = 0;
	if (http1_open(&r->h, &r->conf, &r->host) < 0)
		abort();
	begin(r, missing);
	for (int i = 0; i < OPS_MAX && in.at < in.end; i++)
		operation(r, &in, most);
	for (uint32_t i = 0; i < STREAMS; i++) {
		r->now = &r->stream[i];
		stream_over(r, r->now);
	}
	assert(r->seen[0] == r->h.counts.requests && r->seen[1] == r->h.counts.responses);
	assert(r->transactions == r->h.counts.transactions);
	check_pools(r);
	http1_close(&r->h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	uint8_t a = take(&in);
	bool small = a & 1, decoders = a & 2;

	in.at = data;
	one.conf = (struct http1_conf){
		.states = STREAMS,
		.exchanges = small ? 3 : 4000,
		.cells = small ? 6 : 20000,
		.lines = small ? 1 : 4 * STREAMS,
		.bodies = true,
		.header_bytes = a & 4 ? 60 : 600,
		.texts = true,
		.all_headers = a & 8,
		.sha256 = a & 16,
		.coding = {.small = decoders ? 1 + !small : 0,
			   .large = decoders ? 1 + !small : 0,
			   .max_bytes = MAX_BYTES,
			   .max_ratio = 50},
	};
	run(&one, in, 0);
	if (small || decoders)
		return 0; /* who comes too late, and where damage is seen, is a matter of chunks */
	two.conf = one.conf;
	run(&two, in, 1 + (a >> 5));
	for (uint32_t i = 0; i < STREAMS; i++) {
		if (one.stream[i].lost || two.stream[i].lost)
			continue;
		assert(one.stream[i].n == two.stream[i].n);
		assert(memcmp(one.stream[i].tell, two.stream[i].tell, one.stream[i].n) == 0);
	}
	return 0;
}
