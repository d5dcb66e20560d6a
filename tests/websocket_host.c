/* SPDX-License-Identifier: MIT */
/* websocket_host — see websocket_host.h. */
#include "tests/websocket_host.h"

#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "user/parse/http1.h"

__attribute__((format(printf, 2, 3))) static void note(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->n, LOG - t->n, format, args);
	va_end(args);
	t->n = t->n + (size_t)n < LOG ? t->n + (size_t)n : LOG - 1;
}

static void note_bytes(struct text *t, struct span bytes)
{
	for (; bytes.at < bytes.end; bytes.at++) {
		bool plain = *bytes.at >= 0x20 && *bytes.at < 0x7f && *bytes.at != '\\';

		note(t, plain ? "%c" : "\\%02x", *bytes.at);
	}
}

void ws_note(struct text *t, const struct websocket_message *m, uint64_t body)
{
	note(t, "%s %llu-%llu%s", websocket_opcode_name(m->opcode), (unsigned long long)m->start,
	     (unsigned long long)m->end, m->fin ? "" : " cut");
	note(t, " %llu%s%s", (unsigned long long)m->length, m->mask ? " mask" : "",
	     m->compressed ? " packed" : "");
	if (m->close_code)
		note(t, " %u", m->close_code);
	if (body)
		note(t, " #%llx", (unsigned long long)body);
	note(t, " '");
	note_bytes(t, m->text);
	note(t, "'; ");
}

uint64_t ws_hash(uint64_t h, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 0x100000001b3ULL;
	return h;
}

static struct body *body_of(struct bench *b, uint32_t tx_id, bool make)
{
	struct body *spare = NULL;

	for (int i = 0; i < BODIES; i++) {
		if (b->body[i].used && b->body[i].tx_id == tx_id)
			return &b->body[i];
		if (!b->body[i].used)
			spare = &b->body[i];
	}
	if (!make || !CHECK(spare, "too many bodies at a time"))
		return NULL;
	*spare = (struct body){.used = true, .dir = b->dir, .tx_id = tx_id, .hash = HASH_START};
	return spare;
}

static void on_body(struct parse_host *host, const struct parse_body *p)
{
	struct bench *b = (struct bench *)host;
	struct body *y = body_of(b, p->tx_id, true);

	if (!y)
		return;
	CHECK(p->dir == b->dir && y->dir == b->dir, "body %u: direction", p->tx_id);
	CHECK(!y->over, "body %u goes on behind its end", p->tx_id);
	if (p->last) {
		y->over = true;
		CHECK(span_len(p->bytes) == 0, "body %u: the end has bytes", p->tx_id);
		return;
	}
	CHECK(p->encoded && span_len(p->bytes) && p->off >= y->next, "body %u at %llu", p->tx_id,
	      (unsigned long long)p->off);
	CHECK((p->side == HTTP1_REQUEST) == (b->dir == b->agreed.client), "body %u: side",
	      p->tx_id);
	if (p->off != y->next) /* a hole */
		y->hash = ws_hash(y->hash, (const uint8_t *)&p->off, sizeof(p->off));
	y->hash = ws_hash(y->hash, p->bytes.at, span_len(p->bytes));
	y->next = p->off + span_len(p->bytes);
}

static void on_websocket(struct parse_host *host, const struct websocket_message *m)
{
	struct bench *b = (struct bench *)host;
	struct body *y = body_of(b, m->ordinal, false);

	CHECK(m->dir == b->dir && m->from_client == (b->dir == b->agreed.client),
	      "message %u: direction", m->ordinal);
	CHECK(m->number == b->websocket.parser.number && m->ts_ns == b->websocket.parser.ts_ns,
	      "message %u: packet", m->ordinal);
	CHECK(m->start < m->end && m->end <= b->off[b->dir], "message %u: %llu to %llu of %llu",
	      m->ordinal, (unsigned long long)m->start, (unsigned long long)m->end,
	      (unsigned long long)b->off[b->dir]);
	if (CHECK(m->ordinal < MESSAGES && !b->seen[m->ordinal], "ordinal %u", m->ordinal))
		b->seen[m->ordinal] = true;
	if (y)
		CHECK(y->over && y->next <= m->length, "body %u: %llu of %llu bytes", m->ordinal,
		      (unsigned long long)y->next, (unsigned long long)m->length);
	if (m->compressed && b->damaged[m->dir] && b->coarse)
		note(&b->told[b->dir], "a damaged one; ");
	else
		ws_note(&b->told[b->dir], m, y ? y->hash : 0);
	if (m->compressed)
		b->damaged[m->dir] = false;
	if (y)
		y->used = false;
}

static void on_anomaly(struct parse_host *host, enum anomaly a)
{
	static const char *const names[ANOMALY_COUNT] = {
		[ANOMALY_WEBSOCKET_FRAME] = "FRAME",
		[ANOMALY_WEBSOCKET_MASK] = "MASK",
		[ANOMALY_WEBSOCKET_DECODE_FAILED] = "DAMAGED",
		[ANOMALY_WEBSOCKET_DECODE_LIMIT] = "LIMIT",
	};
	struct bench *b = (struct bench *)host;

	b->anomalies++;
	b->damaged[b->dir] |= a == ANOMALY_WEBSOCKET_DECODE_FAILED;
	note(&b->told[b->dir], "%s; ", names[a] ? names[a] : "not ours");
}

void ws_start(struct bench *b)
{
	const struct agreed *a = &b->agreed;
	struct parse_next next = {.deflate = a->deflate,
				  .no_context = {a->no_context[0], a->no_context[1]}};

	b->state = parser_start(&b->websocket.parser);
	CU_ASSERT_FATAL(b->state != 0);
	websocket_agree(&b->websocket, b->state, &next, a->client);
	for (int dir = 0; dir < 2; dir++) {
		b->off[dir] = 0;
		b->told[dir].n = 0;
		b->told[dir].at[0] = 0;
		b->damaged[dir] = false;
	}
	memset(b->body, 0, sizeof(b->body));
	memset(b->seen, 0, sizeof(b->seen));
	b->anomalies = 0;
}

struct bench *ws_open(const struct agreed *a)
{
	static struct bench b;
	struct coding_conf coding = {.small = a->decoders ? a->decoders : DECODERS,
				     .large = 1,
				     .max_bytes = a->max_bytes ? a->max_bytes : 64 << 20,
				     .max_ratio = a->max_ratio ? a->max_ratio : 10000};
	struct websocket_conf conf = {.states = 4, .bodies = a->bodies, .decoders = &b.codings};

	b.agreed = *a;
	b.coarse = false;
	b.host = (struct parse_host){
		.websocket = on_websocket, .body = on_body, .anomaly = on_anomaly};
	CU_ASSERT_FATAL(codings_open(&b.codings, &coding) == 0);
	CU_ASSERT_FATAL(websocket_open(&b.websocket, &conf, &b.host) == 0);
	CU_ASSERT_FATAL(guard_open(&b.guard, ROOM));
	ws_start(&b);
	return &b;
}

void ws_check_decoders(struct bench *b, const char *what)
{
	const uint8_t raw = CODING_RAW_DEFLATE;
	uint32_t n = b->codings.conf.small, taken[16];

	CU_ASSERT_FATAL(n <= COUNT(taken));
	for (uint32_t i = 0; i < n; i++) {
		taken[i] = coding_start(&b->codings, &raw, 1);
		if (!CHECK(taken[i], "%s: %u of %u decoders are left", what, i, n))
			n = i;
		for (uint32_t k = 0; k < i && i < n; k++)
			CHECK(taken[i] != taken[k], "%s: a decoder has two owners", what);
	}
	CHECK(!coding_start(&b->codings, &raw, 1), "%s: a decoder too many", what);
	for (uint32_t i = 0; i < n; i++)
		coding_end(&b->codings, taken[i]);
}

struct parse_side ws_side(struct bench *b, uint8_t dir)
{
	struct parser *p = &b->websocket.parser;

	b->dir = dir;
	p->number++;
	p->ts_ns += 1000;
	return (struct parse_side){.dir = dir, .from_client = dir == b->agreed.client};
}

void ws_feed(struct bench *b, uint8_t dir, const void *at, size_t n)
{
	struct parser *p = &b->websocket.parser;
	struct parse_side side = ws_side(b, dir);
	struct span bytes = span_of(guard_put(&b->guard, at, n), n);
	uint64_t off = b->off[dir];
	struct parse_next next;

	b->off[dir] += n;
	CHECK(p->ops->feed(p, b->state, side, off, &bytes, &next) == PARSE_MORE &&
		      bytes.at == bytes.end,
	      "all is taken at %llu", (unsigned long long)off);
}

void ws_lose(struct bench *b, uint8_t dir, uint64_t n)
{
	struct parser *p = &b->websocket.parser;
	struct parse_side side = ws_side(b, dir);

	b->off[dir] += n;
	p->ops->gap(p, b->state, side, n);
}

void ws_ended(struct bench *b, uint8_t dir)
{
	struct parser *p = &b->websocket.parser;
	struct parse_side side = ws_side(b, dir);

	p->ops->ended(p, b->state, side, true);
}

void ws_end(struct bench *b)
{
	ws_ended(b, 0);
	ws_ended(b, 1);
	parser_end(&b->websocket.parser, b->state);
}

void ws_close(struct bench *b)
{
	websocket_close(&b->websocket);
	codings_close(&b->codings);
	guard_close(&b->guard);
}

static void wire_add(struct wire *w, const void *at, size_t n)
{
	CU_ASSERT_FATAL(w->n + n <= ROOM);
	if (n)
		memcpy(w->at + w->n, at, n);
	w->n += n;
}

/* NOLINTNEXTLINE(cert-err34-c): our own text, and the count is checked */
void wire_hex(struct wire *w, const char *hex)
{
	unsigned int byte;

	for (; *hex; hex += 2) {
		hex += strspn(hex, " ");
		/* NOLINTNEXTLINE(cert-err34-c): our own text, and the count is checked */
		CU_ASSERT_FATAL(sscanf(hex, "%2x", &byte) == 1);
		wire_add(w, &(uint8_t){(uint8_t)byte}, 1);
	}
}

/* wide: bytes of the length field; 0: as few as do */
static void wire_header(struct wire *w, uint8_t first, uint64_t n, bool mask, int wide)
{
	uint8_t seven = (uint8_t)(n < 126 && !wide ? n : wide != 8 && n < 65536 ? 126 : 127);

	wire_add(w, &first, 1);
	wire_add(w, &(uint8_t){(uint8_t)(seven | (mask ? MASK : 0))}, 1);
	for (int i = seven == 126 ? 2 : seven == 127 ? 8 : 0; i-- > 0;)
		wire_add(w, &(uint8_t){(uint8_t)(n >> 8 * i)}, 1);
}

void wire_frame(struct wire *w, uint8_t first, const void *at, size_t n, const uint8_t *mask)
{
	size_t from;

	wire_header(w, first, n, mask, 0);
	if (mask)
		wire_add(w, mask, 4);
	from = w->n;
	wire_add(w, at, n);
	for (size_t i = 0; mask && i < n; i++)
		w->at[from + i] ^= mask[i % 4];
}

void packer_open(struct packer *p)
{
	memset(&p->z, 0, sizeof(p->z));
	CU_ASSERT_FATAL(deflateInit2(&p->z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
}

void packer_part(struct packer *p, const void *at, size_t n, int flush)
{
	p->z.next_in = (Bytef *)at;
	p->z.avail_in = (uInt)n;
	p->z.next_out = p->at + p->n;
	p->z.avail_out = (uInt)(ROOM - p->n);
	deflate(&p->z, flush);
	CU_ASSERT_FATAL(p->z.avail_in == 0 && p->z.avail_out);
	p->n = ROOM - p->z.avail_out;
}

void packer_pack(struct packer *p, const void *at, size_t n, bool no_context)
{
	p->n = 0;
	packer_part(p, at, n, Z_SYNC_FLUSH);
	if (p->n == 0)
		p->at[p->n++] = 0; /* §7.2.3.6 */
	else
		p->n -= 4;
	if (no_context)
		deflateReset(&p->z);
}

/* ---- tables ---- */

struct wire wire[2];

void ws_check_told(struct bench *b, uint8_t dir, const char *want, const char *what, size_t cut)
{
	CHECK(strcmp(b->told[dir].at, want) == 0, "%s, cut at %zu:\n      told %s\n      want %s",
	      what, cut, b->told[dir].at, want);
}

/* NOLINTNEXTLINE(readability-function-size): what differs between two runs */
bool ws_try_cut(struct bench *b, uint8_t dir, const struct wire *w, size_t cut, size_t step,
		const char *want, const char *what)
{
	unsigned int failed = CU_get_number_of_failures();

	ws_start(b);
	for (size_t at = 0; at < w->n;) {
		size_t n = step ? step : at < cut ? cut : w->n - at;

		n = n < w->n - at ? n : w->n - at;
		ws_feed(b, dir, w->at + at, n);
		at += n;
	}
	ws_end(b);
	ws_check_told(b, dir, want, what, step ? step : cut);
	ws_check_told(b, !dir, "", what, cut);
	ws_check_decoders(b, what);
	return CU_get_number_of_failures() == failed;
}

void ws_try_all(struct bench *b, uint8_t dir, const struct wire *w, const char *want,
		const char *what)
{
	bool good = ws_try_cut(b, dir, w, w->n, 0, want, what);

	if (good)
		good = ws_try_cut(b, dir, w, 0, 1, want, what);
	for (size_t cut = 1; good && cut < w->n; cut++)
		good = ws_try_cut(b, dir, w, cut, 0, want, what);
}

void ws_run_rows(const struct agreed *a, uint8_t dir, const struct row *row, size_t n)
{
	struct bench *b = ws_open(a);

	ws_end(b);
	for (size_t i = 0; i < n; i++) {
		wire[0].n = 0;
		wire_hex(&wire[0], row[i].hex);
		ws_try_all(b, dir, &wire[0], row[i].want, row[i].what);
	}
	ws_close(b);
}

/* ---- lengths ---- */

uint8_t payload[ROOM];

/* NOLINTNEXTLINE(readability-function-size): the columns of a message */
void ws_expect(struct text *t, enum websocket_opcode opcode, size_t start, size_t end,
	       struct span bytes, const struct websocket_message *how, bool bodies)
{
	struct websocket_message m = *how;

	m.opcode = opcode;
	m.start = start;
	m.end = end;
	m.length = span_len(bytes);
	m.fin = true;
	m.text = span_of(bytes.at, m.length < WEBSOCKET_TEXT ? m.length : WEBSOCKET_TEXT);
	bodies &= m.length && (m.mask || m.compressed || !how->fin);
	ws_note(t, &m, bodies ? ws_hash(HASH_START, bytes.at, m.length) : 0);
}
