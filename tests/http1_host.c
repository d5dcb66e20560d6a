/* SPDX-License-Identifier: MIT */
/* http1_host — see http1_host.h. */
#include "tests/http1_host.h"

#include <CUnit/CUnit.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/parse/exchange.h" /* whether the exchanges came back */

struct span h1_guarded(struct guard *g, const char *text, size_t n)
{
	return span_of(guard_put(g, text, n), n);
}

bool h1_same(struct span s, const char *text)
{
	return span_len(s) == strlen(text) && memcmp(s.at, text, strlen(text)) == 0;
}

bool h1_within(struct span line, struct span part)
{
	return part.at >= line.at && part.end <= line.end && part.at <= part.end;
}

static void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->n, sizeof(t->at) - t->n, format, args);
	va_end(args);
	if (n > 0)
		t->n += (size_t)n < sizeof(t->at) - t->n ? (size_t)n : sizeof(t->at) - t->n - 1;
}

static void say_span(struct text *t, const char *name, struct span s)
{
	say(t, " %s=", s.at ? name : "-");
	for (const uint8_t *p = s.at; p < s.end; p++)
		say(t, *p > ' ' && *p < 0x7f ? "%c" : "%%%02x", *p);
}

static void say_message(struct text *t, const struct http1_message *m)
{
	say(t, "\n  [%llu %llu %llu) length %llu wire %llu gap %u %c%c%c%c",
	    (unsigned long long)m->start, (unsigned long long)m->header_end,
	    (unsigned long long)m->end, (unsigned long long)m->length,
	    (unsigned long long)m->wire_length, m->gap_bytes, m->seen ? 's' : '-',
	    m->complete ? 'c' : '-', m->has_body ? 'b' : '-', m->file_whole ? 'w' : '-');
	say_span(t, "magic", span_of(m->magic, m->magic_len));
	say_span(t, "sha256", span_of(m->sha256, 32));
}

/* What holds for every message. */
static void check_message(struct bench *b, const struct http1_transaction *t, int side)
{
	const struct http1_message *m = &t->side[side];
	const struct body *body = &b->r->body[t->tx_id % BODIES][side];
	uint64_t off = b->off[side == HTTP1_REQUEST ? b->client : !b->client];
	uint8_t hash[32];
	unsigned int size = 32;

	if (!m->seen)
		return;
	CHECK(m->start <= m->header_end && m->header_end <= m->end && m->end <= off,
	      "%s: tx %u, offsets %llu, %llu, %llu of %llu", b->why, t->tx_id,
	      (unsigned long long)m->start, (unsigned long long)m->header_end,
	      (unsigned long long)m->end, (unsigned long long)off);
	CHECK(m->wire_length == m->end - m->header_end, "%s: tx %u, %llu bytes on the wire", b->why,
	      t->tx_id, (unsigned long long)m->wire_length);
	CHECK(!m->complete || m->gap_bytes == 0, "%s: tx %u, complete", b->why, t->tx_id);
	CHECK(!m->file_whole || m->complete, "%s: tx %u, whole", b->why, t->tx_id);
	CHECK(m->has_body || m->length == 0, "%s: tx %u has a body", b->why, t->tx_id);
	if (t->tx_id >= BODIES)
		return;
	CHECK(m->length == body->told && body->over == (body->told > 0),
	      "%s: tx %u, %zu bytes of body were given, not %llu", b->why, t->tx_id, body->told,
	      (unsigned long long)m->length);
	CHECK(m->magic_len == (body->n < 8 ? body->n : 8) &&
		      memcmp(m->magic, body->at, m->magic_len) == 0,
	      "%s: tx %u, its first bytes", b->why, t->tx_id);
	if (body->told == 0 || body->told > BODY_MAX)
		return;
	EVP_Digest(body->at, body->n, hash, &size, EVP_sha256(), NULL);
	CHECK(memcmp(hash, m->sha256, 32) == 0, "%s: tx %u, hash of %zu bytes", b->why, t->tx_id,
	      body->n);
}

static void on_http(struct parse_host *host, const struct http1_transaction *t)
{
	struct bench *b = (struct bench *)host;
	const struct http1_message *q = &t->side[HTTP1_REQUEST], *s = &t->side[HTTP1_RESPONSE];
	struct span method = t->text[HTTP1_TEXT_METHOD], target = t->text[HTTP1_TEXT_TARGET];
	struct text *all = &b->r->all;

	b->r->told++;
	say(&b->r->brief, "%.*s %.*s %llu > %u %llu %c\n", q->seen ? (int)span_len(method) : 1,
	    q->seen ? (const char *)method.at : "-", q->seen ? (int)span_len(target) : 1,
	    q->seen ? (const char *)target.at : "-", (unsigned long long)q->length,
	    s->seen ? t->status : 0, (unsigned long long)s->length, t->complete ? '+' : '-');
	say(all, "tx %u status %u interim %u complete %d", t->tx_id, t->status, t->interim,
	    t->complete);
	for (int side = 0; side < 2; side++) {
		say_message(all, &t->side[side]);
		say_span(all, "filename", t->filename[side]);
		for (uint32_t i = 0; i < t->fields[side]; i++) {
			say_span(all, "name", t->field[side][i].name);
			say_span(all, "value", t->field[side][i].value);
		}
		check_message(b, t, side);
	}
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++)
		say_span(all, "text", t->text[i]);
	say(all, "\n");
	CHECK(!t->complete || (q->complete && s->complete), "%s: tx %u, complete", b->why,
	      t->tx_id);
}

static void on_body(struct parse_host *host, const struct parse_body *p)
{
	struct bench *b = (struct bench *)host;
	struct body *body = &b->r->body[p->tx_id % BODIES][p->side];
	size_t n = span_len(p->bytes);

	if (p->tx_id >= BODIES)
		return;
	CHECK(!body->over && (n > 0) == !p->last, "%s: tx %u, %zu bytes%s", b->why, p->tx_id, n,
	      p->last ? ", the last" : "");
	CHECK(p->dir == (p->side == HTTP1_REQUEST ? b->client : !b->client), "%s: direction",
	      b->why);
	body->over = p->last;
	if (p->last)
		return;
	CHECK(p->off == body->told, "%s: tx %u, bytes at %llu, not %zu", b->why, p->tx_id,
	      (unsigned long long)p->off, body->told);
	body->told += n;
	n = n < BODY_MAX - body->n ? n : BODY_MAX - body->n;
	memcpy(body->at + body->n, p->bytes.at, n);
	body->n += n;
}

static void on_anomaly(struct parse_host *host, enum anomaly a)
{
	((struct bench *)host)->r->odd[a]++;
}

const struct http1_conf h1_roomy = {
	.states = 2,
	.exchanges = 2000,
	.cells = 4000,
	.lines = 4,
	.bodies = true,
	.header_bytes = LINE_BOUND,
	.texts = true,
	.all_headers = true,
	.sha256 = true,
	.coding = {.small = 4, .large = 4, .max_bytes = 100000, .max_ratio = 1000},
};

void h1_open(struct bench *b, const struct http1_conf *conf)
{
	memset(b, 0, sizeof(*b));
	b->host = (struct parse_host){.http = on_http, .body = on_body, .anomaly = on_anomaly};
	b->r = calloc(1, sizeof(*b->r));
	b->why = "";
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->r);
	CU_ASSERT_TRUE_FATAL(guard_open(&b->g, GUARD));
	CU_ASSERT_EQUAL_FATAL(http1_open(&b->h, conf, &b->host), 0);
}

void h1_close(struct bench *b)
{
	http1_close(&b->h);
	guard_close(&b->g);
	free(b->r);
}

void h1_begin(struct bench *b, const char *why)
{
	memset(b->r, 0, sizeof(*b->r));
	b->off[0] = b->off[1] = 0;
	b->ended[0] = b->ended[1] = false;
	b->why = why;
	b->state = parser_start(&b->h.parser);
	CU_ASSERT_NOT_EQUAL_FATAL(b->state, 0);
}

static uint32_t h1_free_exchanges(const struct http1 *h)
{
	uint32_t n = 0;

	for (uint32_t at = h->exchange_free; at; at = exchange_at(h, at)->next)
		n++;
	return n;
}

/* As many line buffers and decoders as there are can be had. */
static bool h1_all_came_back(struct http1 *h)
{
	static const uint8_t kinds[] = {CODING_GZIP, CODING_ZSTD};
	uint64_t refused = h->lines.refused;
	struct line_tail tail[8] = {0};
	uint32_t decoder[8] = {0}, n = 0;
	bool ok = h->texts.used == 0 && h1_free_exchanges(h) == h->exchange_fresh;

	for (uint32_t i = 0; i < h->conf.lines; i++) {
		struct span in = span_of((const uint8_t *)"x", 1), line;

		lines_next(&h->lines, &tail[i], &in, &line);
	}
	for (uint32_t i = 0; i < h->conf.lines; i++)
		lines_done(&h->lines, &tail[i]);
	ok &= h->lines.refused == refused;
	for (uint32_t large = 0; large < 2; large++)
		for (uint32_t i = 0; i < (large ? h->conf.coding.large : h->conf.coding.small); i++)
			ok &= (decoder[n++] = coding_start(&h->codings, kinds + large, 1)) != 0;
	while (n)
		coding_end(&h->codings, decoder[--n]);
	return ok;
}

void h1_end(struct bench *b)
{
	if (b->state)
		parser_end(&b->h.parser, b->state);
	b->state = 0;
	CHECK(h1_all_came_back(&b->h), "%s: something was not given back", b->why);
}

struct parse_side h1_side(const struct bench *b, uint8_t dir)
{
	return (struct parse_side){.dir = dir, .from_client = (dir == b->client) != b->wrong_way};
}

void h1_feed(struct bench *b, uint8_t dir, const char *at, size_t n)
{
	struct parser *p = &b->h.parser;
	struct span bytes = h1_guarded(&b->g, at, n);
	struct text *rest = &b->r->rest[dir];

	if (b->state && n) {
		uint64_t off = b->off[dir];

		b->off[dir] += n;
		b->r->got = p->ops->feed(p, b->state, h1_side(b, dir), off, &bytes, &b->r->next);
		if (b->r->got == PARSE_MORE)
			return;
		CHECK(b->r->got == PARSE_DONE && h1_within(h1_guarded(&b->g, at, n), bytes),
		      "%s: what is left", b->why);
		parser_end(p, b->state);
		b->state = 0;
		n = span_len(bytes);
	}
	memcpy(rest->at + rest->n, bytes.at, n);
	rest->n += n;
}

static void h1_lose(struct bench *b, uint8_t dir, uint64_t n)
{
	b->off[dir] += n;
	if (b->state)
		b->h.parser.ops->gap(&b->h.parser, b->state, h1_side(b, dir), n);
}

static void h1_fin(struct bench *b, uint8_t dir)
{
	if (b->state && !b->ended[dir])
		b->h.parser.ops->ended(&b->h.parser, b->state, h1_side(b, dir), true);
	b->ended[dir] = true;
}

void h1_op(struct bench *b, const struct op *op)
{
	switch (op->what) {
	case 'c':
	case 's':
		h1_feed(b, op->what == 's' ? !b->client : b->client, op->text, op->n);
		break;
	case 'C':
	case 'S':
		h1_lose(b, op->what == 'S' ? !b->client : b->client, op->n);
		break;
	case 'x':
	case 'y':
		h1_fin(b, op->what == 'y' ? !b->client : b->client);
		break;
	case '#':
		CHECK(b->r->told == op->n, "%s: %u told so far, not %zu", b->why, b->r->told,
		      op->n);
		break;
	default:
		break;
	}
}

uint64_t h1_odd_bits(const struct record *r)
{
	uint64_t bits = 0;

	for (int a = 0; a < ANOMALY_COUNT; a++)
		bits |= r->odd[a] ? 1ULL << a : 0;
	return bits;
}

void h1_check_talk(struct bench *b, const struct talk *t)
{
	CHECK(strcmp(b->r->brief.at, t->expect) == 0, "%s:\n%s", t->why, b->r->brief.at);
	CHECK(h1_odd_bits(b->r) == t->odd, "%s: anomalies %llx, not %llx", t->why,
	      (unsigned long long)h1_odd_bits(b->r), (unsigned long long)t->odd);
}

void h1_talk(struct bench *b, const struct talk *t)
{
	h1_begin(b, t->why);
	for (const struct op *op = t->op; op->what; op++)
		h1_op(b, op);
	h1_end(b);
}

static void copy_text(char *to, struct span s)
{
	size_t n = span_len(s) < 63 ? span_len(s) : 63;

	memcpy(to, s.at ? (const char *)s.at : "", n);
	to[n] = 0;
}

static void on_last(struct parse_host *host, const struct http1_transaction *t)
{
	struct last *l = (struct last *)host;

	on_http(host, t);
	l->t = *t;
	l->n++;
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++)
		copy_text(l->text[i], t->text[i]);
	for (int side = 0; side < 2; side++) {
		copy_text(l->filename[side], t->filename[side]);
		for (uint32_t i = 0; i < t->fields[side] && i < 8; i++) {
			copy_text(l->name[side][i], t->field[side][i].name);
			copy_text(l->value[side][i], t->field[side][i].value);
		}
	}
}

void last_open(struct last *l, const struct http1_conf *conf)
{
	memset(l, 0, sizeof(*l));
	h1_open(&l->b, conf);
	l->b.host.http = on_last;
}
