/* SPDX-License-Identifier: MIT */
/*
 * websocket — conversations written by an encoder of its own, read in any chunks and in any order
 * of the two directions: each message once and with the right bytes, whatever is no frame ends its
 * direction, damage and holes stay where they are.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/parse/http1.h"
#include "user/parse/websocket.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { ROOM = 6 << 20, LOG = 1 << 18, BODIES = 4, DECODERS = 4, MESSAGES = 4096 };
enum { FIN = 0x80, RSV1 = 0x40, MASK = 0x80 };

/* ---- what was told, as text ---- */

struct text {
	size_t n;
	char at[LOG];
};

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

/* "text 0-7 5 'Hello'; ", "text 0-4 cut 2 'He'; " */
static void note_message(struct text *t, const struct websocket_message *m, uint64_t body)
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

static uint64_t hash(uint64_t h, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 0x100000001b3ULL;
	return h;
}

#define HASH_START 0xcbf29ce484222325ULL

/* ---- the host ---- */

struct body {
	bool used, over;
	uint8_t dir;
	uint32_t tx_id;
	uint64_t next, hash;
};

struct agreed {
	bool deflate, no_context[2]; /* client, server */
	bool bodies;
	uint8_t client;
	uint32_t decoders;
	uint64_t max_bytes, max_ratio;
};

struct bench {
	struct parse_host host; /* first */
	struct agreed agreed;
	struct codings codings;
	struct websocket websocket;
	struct guard guard;
	uint32_t state;
	uint8_t dir; /* that is spoken */
	uint64_t off[2];
	struct text told[2];
	struct body body[BODIES];
	bool seen[MESSAGES]; /* ordinals */
	uint32_t anomalies;
	bool coarse;     /* how much of a damaged message was inflated is left open */
	bool damaged[2]; /* the packed one that is under way */
};

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
		y->hash = hash(y->hash, (const uint8_t *)&p->off, sizeof(p->off));
	y->hash = hash(y->hash, p->bytes.at, span_len(p->bytes));
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
		note_message(&b->told[b->dir], m, y ? y->hash : 0);
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

static void bench_start(struct bench *b)
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

static struct bench *bench_open(const struct agreed *a)
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
	bench_start(&b);
	return &b;
}

/* Every decoder is free again, and each of them once. */
static void check_decoders(struct bench *b, const char *what)
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

static struct parse_side side_of(struct bench *b, uint8_t dir)
{
	struct parser *p = &b->websocket.parser;

	b->dir = dir;
	p->number++;
	p->ts_ns += 1000;
	return (struct parse_side){.dir = dir, .from_client = dir == b->agreed.client};
}

static void feed(struct bench *b, uint8_t dir, const void *at, size_t n)
{
	struct parser *p = &b->websocket.parser;
	struct parse_side side = side_of(b, dir);
	struct span bytes = span_of(guard_put(&b->guard, at, n), n);
	uint64_t off = b->off[dir];
	struct parse_next next;

	b->off[dir] += n;
	CHECK(p->ops->feed(p, b->state, side, off, &bytes, &next) == PARSE_MORE &&
		      bytes.at == bytes.end,
	      "all is taken at %llu", (unsigned long long)off);
}

static void lose(struct bench *b, uint8_t dir, uint64_t n)
{
	struct parser *p = &b->websocket.parser;
	struct parse_side side = side_of(b, dir);

	b->off[dir] += n;
	p->ops->gap(p, b->state, side, n);
}

static void bench_ended(struct bench *b, uint8_t dir)
{
	struct parser *p = &b->websocket.parser;
	struct parse_side side = side_of(b, dir);

	p->ops->ended(p, b->state, side, true);
}

/* The stream is over, both ends seen; ready for the next one. */
static void bench_end(struct bench *b)
{
	bench_ended(b, 0);
	bench_ended(b, 1);
	parser_end(&b->websocket.parser, b->state);
}

static void bench_close(struct bench *b)
{
	websocket_close(&b->websocket);
	codings_close(&b->codings);
	guard_close(&b->guard);
}

/* ---- the encoder ---- */

struct wire {
	size_t n;
	uint8_t at[ROOM];
};

static void add(struct wire *w, const void *at, size_t n)
{
	CU_ASSERT_FATAL(w->n + n <= ROOM);
	if (n)
		memcpy(w->at + w->n, at, n);
	w->n += n;
}

static void add_hex(struct wire *w, const char *hex)
{
	unsigned int byte;

	for (; *hex; hex += 2) {
		hex += strspn(hex, " ");
		/* NOLINTNEXTLINE(cert-err34-c): our own text, and the count is checked */
		CU_ASSERT_FATAL(sscanf(hex, "%2x", &byte) == 1);
		add(w, &(uint8_t){(uint8_t)byte}, 1);
	}
}

/* wide: bytes of the length field; 0: as few as do */
static void add_header(struct wire *w, uint8_t first, uint64_t n, bool mask, int wide)
{
	uint8_t seven = (uint8_t)(n < 126 && !wide ? n : wide != 8 && n < 65536 ? 126 : 127);

	add(w, &first, 1);
	add(w, &(uint8_t){(uint8_t)(seven | (mask ? MASK : 0))}, 1);
	for (int i = seven == 126 ? 2 : seven == 127 ? 8 : 0; i-- > 0;)
		add(w, &(uint8_t){(uint8_t)(n >> 8 * i)}, 1);
}

/* The payload, XORed with *mask unless that is NULL. */
static void add_frame(struct wire *w, uint8_t first, const void *at, size_t n, const uint8_t *mask)
{
	size_t from;

	add_header(w, first, n, mask, 0);
	if (mask)
		add(w, mask, 4);
	from = w->n;
	add(w, at, n);
	for (size_t i = 0; mask && i < n; i++)
		w->at[from + i] ^= mask[i % 4];
}

/* RFC 7692 §7.2.1: a block of whatever kind, without the last four bytes of the flush. */
struct packer {
	z_stream z;
	size_t n;
	uint8_t at[ROOM];
};

static void packer_open(struct packer *p)
{
	memset(&p->z, 0, sizeof(p->z));
	CU_ASSERT_FATAL(deflateInit2(&p->z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
}

static void pack_part(struct packer *p, const void *at, size_t n, int flush)
{
	p->z.next_in = (Bytef *)at;
	p->z.avail_in = (uInt)n;
	p->z.next_out = p->at + p->n;
	p->z.avail_out = (uInt)(ROOM - p->n);
	deflate(&p->z, flush);
	CU_ASSERT_FATAL(p->z.avail_in == 0 && p->z.avail_out);
	p->n = ROOM - p->z.avail_out;
}

static void pack(struct packer *p, const void *at, size_t n, bool no_context)
{
	p->n = 0;
	pack_part(p, at, n, Z_SYNC_FLUSH);
	if (p->n == 0)
		p->at[p->n++] = 0; /* §7.2.3.6 */
	else
		p->n -= 4;
	if (no_context)
		deflateReset(&p->z);
}

/* ---- tables ---- */

static struct wire wire[2];

static void check_told(struct bench *b, uint8_t dir, const char *want, const char *what, size_t cut)
{
	CHECK(strcmp(b->told[dir].at, want) == 0, "%s, cut at %zu:\n      told %s\n      want %s",
	      what, cut, b->told[dir].at, want);
}

/* In two pieces, or (step) in many. */
/* NOLINTNEXTLINE(readability-function-size): what differs between two runs */
static bool try_cut(struct bench *b, uint8_t dir, const struct wire *w, size_t cut, size_t step,
		    const char *want, const char *what)
{
	unsigned int failed = CU_get_number_of_failures();

	bench_start(b);
	for (size_t at = 0; at < w->n;) {
		size_t n = step ? step : at < cut ? cut : w->n - at;

		n = n < w->n - at ? n : w->n - at;
		feed(b, dir, w->at + at, n);
		at += n;
	}
	bench_end(b);
	check_told(b, dir, want, what, step ? step : cut);
	check_told(b, !dir, "", what, cut);
	check_decoders(b, what);
	return CU_get_number_of_failures() == failed;
}

/* Whole, byte by byte, and cut at every place. */
static void try_all(struct bench *b, uint8_t dir, const struct wire *w, const char *want,
		    const char *what)
{
	bool good = try_cut(b, dir, w, w->n, 0, want, what);

	if (good)
		good = try_cut(b, dir, w, 0, 1, want, what);
	for (size_t cut = 1; good && cut < w->n; cut++)
		good = try_cut(b, dir, w, cut, 0, want, what);
}

struct row {
	const char *what, *hex, *want;
};

static void run_rows(const struct agreed *a, uint8_t dir, const struct row *row, size_t n)
{
	struct bench *b = bench_open(a);

	bench_end(b);
	for (size_t i = 0; i < n; i++) {
		wire[0].n = 0;
		add_hex(&wire[0], row[i].hex);
		try_all(b, dir, &wire[0], row[i].want, row[i].what);
	}
	bench_close(b);
}

enum { CLIENT, SERVER };

static void test_server_frames(void)
{
	static const struct row rows[] = {
		{"text", "8105 48656c6c6f", "text 0-7 5 'Hello'; "},
		{"two of them", "8101 61 8101 62", "text 0-3 1 'a'; text 3-6 1 'b'; "},
		{"binary", "8203 00ff5c", "binary 0-5 3 '\\00\\ff\\5c'; "},
		{"ping", "8905 48656c6c6f", "ping 0-7 5 'Hello'; "},
		{"pong", "8a05 48656c6c6f", "pong 0-7 5 'Hello'; "},
		{"close", "8800", "close 0-2 0 ''; "},
		{"close, 1000", "8802 03e8", "close 0-4 2 1000 ''; "},
		{"close, 4999, reason", "8805 1387 627965", "close 0-7 5 4999 'bye'; "},
		{"close, half a code", "8801 03", "close 0-3 1 '\\03'; "},
		{"empty text", "8100 8100", "text 0-2 0 ''; text 2-4 0 ''; "},
		{"empty ping and pong", "8900 8a00", "ping 0-2 0 ''; pong 2-4 0 ''; "},
		{"fragments", "0103 48656c 8002 6c6f", "text 0-9 5 'Hello'; "},
		{"binary fragments", "0201 61 0001 62 8001 63", "binary 0-9 3 'abc'; "},
		{"empty fragments", "0100 0000 8000", "text 0-6 0 ''; "},
		{"the first one empty", "0100 8002 6869", "text 0-6 2 'hi'; "},
		{"the last one empty", "0102 6869 8000", "text 0-6 2 'hi'; "},
		{"ping inside", "0101 61 8901 70 8001 62", "ping 3-6 1 'p'; text 0-9 2 'ab'; "},
		{"all controls inside", "0101 61 8900 8a01 71 8802 03e9 8001 62",
		 "ping 3-5 0 ''; pong 5-8 1 'q'; close 8-12 2 1001 ''; text 0-15 2 'ab'; "},
		{"a length in 2 bytes, needlessly", "817e0001 61", "text 0-5 1 'a'; "},
		{"a length in 8 bytes, needlessly", "817f0000000000000001 61", "text 0-11 1 'a'; "},
		{"behind a close", "8800 8101 61", "close 0-2 0 ''; text 2-5 1 'a'; "},
		{"masked by the server", "8185 37fa213d 7f9f4d5158",
		 "MASK; text 0-11 5 mask 'Hello'; "},
		{"masked and not", "0181 01010101 60 8001 62", "MASK; text 0-10 2 mask 'ab'; "},
	};

	for (uint8_t client = 0; client < 2; client++)
		run_rows(&(struct agreed){.client = client}, !client, rows, COUNT(rows));
}

static void test_client_frames(void)
{
	static const struct row rows[] = {
		{"text", "8185 37fa213d 7f9f4d5158", "text 0-11 5 mask 'Hello'; "},
		{"pong", "8a85 37fa213d 7f9f4d5158", "pong 0-11 5 mask 'Hello'; "},
		{"close", "8882 ffffffff fc17", "close 0-8 2 mask 1000 ''; "},
		{"empty", "8180 12345678", "text 0-6 0 mask ''; "},
		{"each fragment has its mask", "0183 37fa213d 7f9f4d 8082 00000001 6c6f",
		 "text 0-17 5 mask 'Hello'; "},
		{"ping inside, its mask", "0181 01000000 60 8981 02000000 72 8081 03000000 61",
		 "ping 7-14 1 mask 'p'; text 0-21 2 mask 'ab'; "},
		{"a length in 2 bytes", "81fe0005 37fa213d 7f9f4d5158",
		 "text 0-13 5 mask 'Hello'; "},
		{"not masked", "8101 61", "MASK; text 0-3 1 'a'; "},
		{"not masked, twice", "8101 61 8900",
		 "MASK; text 0-3 1 'a'; MASK; ping 3-5 0 ''; "},
	};

	for (uint8_t client = 0; client < 2; client++)
		run_rows(&(struct agreed){.client = client}, client, rows, COUNT(rows));
}

/* Behind what is no frame nothing is told, however well it looks. */
static void test_no_frames(void)
{
	static const struct row rows[] = {
		{"continuation without a start", "8001 61 8101 62", "FRAME; "},
		{"the same behind a whole message", "8101 61 8001 62 8101 63",
		 "text 0-3 1 'a'; FRAME; "},
		{"a start inside a message", "0101 61 8101 62", "FRAME; text 0-3 cut 1 'a'; "},
		{"a ping does not end a message", "0101 61 8900 8201 62",
		 "ping 3-5 0 ''; FRAME; text 0-5 cut 1 'a'; "},
		{"RSV1", "c101 61 8101 62", "FRAME; "},
		{"RSV2", "a101 61", "FRAME; "},
		{"RSV3", "9101 61", "FRAME; "},
		{"RSV1 of a ping", "c901 61", "FRAME; "},
		{"RSV2 of a continuation", "0101 61 a001 62", "FRAME; text 0-3 cut 1 'a'; "},
		{"a ping of 126 bytes", "897e007e 61", "FRAME; "},
		{"a close of 2^63 - 1 bytes", "887f7fffffffffffffff 61", "FRAME; "},
		{"a ping in fragments", "0900 8000", "FRAME; "},
		{"a close in fragments", "0802 03e8", "FRAME; "},
		{"a length of 2^63", "827f8000000000000000 61", "FRAME; "},
		{"a length of 2^64 - 1", "827fffffffffffffffff 61", "FRAME; "},
		{"HTTP", "485454502f312e3120323030204f4b0d0a", "FRAME; "},
	};
	static const struct row deflate[] = {
		{"RSV1 of a continuation", "0101 61 c001 62", "FRAME; text 0-3 cut 1 'a'; "},
		{"RSV1 of a ping", "c900", "FRAME; "},
		{"RSV1 of a close", "c802 03e8", "FRAME; "},
		{"RSV1 and RSV2", "e101 00", "FRAME; "},
	};

	run_rows(&(struct agreed){0}, SERVER, rows, COUNT(rows));
	run_rows(&(struct agreed){.deflate = true}, SERVER, deflate, COUNT(deflate));
}

static void test_every_opcode(void)
{
	struct bench *b = bench_open(&(struct agreed){0});
	char want[64];

	bench_end(b);
	for (unsigned int opcode = 1; opcode < 16; opcode++) {
		const char *name = websocket_opcode_name((enum websocket_opcode)opcode);
		bool reserved = (opcode > 2 && opcode < 8) || opcode > 10;

		CHECK((strcmp(name, "reserved") == 0) == reserved, "opcode %u: %s", opcode, name);
		wire[0].n = 0;
		add_frame(&wire[0], (uint8_t)(FIN | opcode), NULL, 0, NULL);
		snprintf(want, sizeof(want), reserved ? "FRAME; " : "%s 0-2 0 ''; ", name);
		try_all(b, SERVER, &wire[0], want, name);
	}
	CU_ASSERT_STRING_EQUAL(websocket_opcode_name(WEBSOCKET_CONTINUATION), "continuation");
	bench_close(b);
}

/* What there was of a message when its direction ends. */
static void test_cut_short(void)
{
	static const struct row rows[] = {
		{"nothing", "81", ""},
		{"in the length", "817e01", ""},
		{"before the payload", "8105", "text 0-2 cut 0 ''; "},
		{"in the payload", "8105 4865", "text 0-4 cut 2 'He'; "},
		{"behind a fragment", "0102 4865", "text 0-4 cut 2 'He'; "},
		{"in the next header", "0102 4865 80", "text 0-5 cut 2 'He'; "},
		{"in the next fragment", "0102 4865 8003 6c", "text 0-7 cut 3 'Hel'; "},
		{"behind a ping", "0102 4865 8900", "ping 4-6 0 ''; text 0-6 cut 2 'He'; "},
		{"behind a whole one", "8101 61 8202 62", "text 0-3 1 'a'; binary 3-6 cut 1 'b'; "},
		{"a large one", "827f4000000000000000 6162", "binary 0-12 cut 2 'ab'; "},
		{"before a ping's payload", "8902", "ping 0-2 cut 0 ''; "},
		{"in a ping", "8905 4865", "ping 0-4 cut 2 'He'; "},
		{"in a close, its code", "8805 03", "close 0-3 cut 1 '\\03'; "},
		{"in a close, behind its code", "8805 03e8 62", "close 0-5 cut 3 1000 'b'; "},
		{"in a ping inside a message", "0102 4865 8902 70",
		 "ping 4-7 cut 1 'p'; text 0-7 cut 2 'He'; "},
	};

	run_rows(&(struct agreed){0}, SERVER, rows, COUNT(rows));
	run_rows(&(struct agreed){.deflate = true}, SERVER, rows, COUNT(rows));
}

/* No end was seen, as where the table of flows was full: told when the stream is let go. */
static void test_let_go(void)
{
	struct bench *b = bench_open(&(struct agreed){.client = 1});

	feed(b, 1, "\x01\x81\0\0\0\0a", 7);
	b->dir = 1;
	parser_end(&b->websocket.parser, b->state);
	check_told(b, 1, "text 0-7 cut 1 mask 'a'; ", "by the client", 0);
	bench_start(b);
	feed(b, 0, "\x01\x01z", 3);
	b->dir = 0;
	parser_end(&b->websocket.parser, b->state);
	check_told(b, 0, "text 0-3 cut 1 'z'; ", "by the server", 0);
	bench_close(b);
}

/* ---- lengths ---- */

static uint8_t payload[ROOM];

/* how->fin: in one frame. */
/* NOLINTNEXTLINE(readability-function-size): the columns of a message */
static void expect(struct text *t, enum websocket_opcode opcode, size_t start, size_t end,
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
	note_message(t, &m, bodies ? hash(HASH_START, bytes.at, m.length) : 0);
}

/* A fragmented message lies nowhere in one piece, whoever sent it, masked or not. */
static void test_fragments_are_bodies(void)
{
	static const char *const rows[] = {"0103 48656c 8002 6c6f", "0103 48656c 8900 8002 6c6f",
					   "0103 48656c 8082 00000000 6c6f",
					   "0183 00000000 48656c 8002 6c6f"};
	static const struct span hello = {(const uint8_t *)"Hello", (const uint8_t *)"Hello" + 5};
	static struct text want;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench *b = bench_open(&(struct agreed){.bodies = true});
		struct websocket_message how = {.mask = i == 3};

		wire[0].n = want.n = 0;
		add_hex(&wire[0], rows[i]);
		expect(&want, WEBSOCKET_TEXT_MESSAGE, 0, wire[0].n, hello, &how, true);
		feed(b, SERVER, wire[0].at, wire[0].n);
		CHECK(strstr(b->told[SERVER].at, want.at), "%s: %s", rows[i], b->told[SERVER].at);
		bench_end(b);
		bench_close(b);
	}
}

static void test_lengths(void)
{
	static const size_t lengths[] = {0,   1,    125,  126,  127,  255,   256,   257,
					 300, 4095, 4096, 4097, 8192, 65535, 65536, 70000};
	static const uint8_t mask[4] = {0x9a, 0x01, 0xff, 0x80};
	static struct text want;
	struct agreed a = {.bodies = true};
	struct bench *b = bench_open(&a);
	struct dice d = dice_of(1401);

	bench_end(b);
	dice_fill(&d, payload, ROOM);
	for (size_t i = 0; i < 2 * COUNT(lengths); i++) {
		size_t n = lengths[i / 2], header;
		uint8_t dir = i & 1;
		struct websocket_message how = {.mask = dir == CLIENT, .fin = true};

		wire[0].n = want.n = 0;
		add_frame(&wire[0], FIN | WEBSOCKET_BINARY, payload, n, how.mask ? mask : NULL);
		header = wire[0].n - n;
		CHECK(header == 2u + (n > 125) * 2 + (n > 65535) * 6 + how.mask * 4, "%zu", header);
		expect(&want, WEBSOCKET_BINARY, 0, wire[0].n, span_of(payload, n), &how, true);
		for (size_t cut = 0; cut < header + 6; cut++)
			try_cut(b, dir, &wire[0], cut, 0, want.at, "one frame");
		for (size_t step = 1; step < wire[0].n + 3; step = step * 7 + 3)
			try_cut(b, dir, &wire[0], 0, step, want.at, "in steps");
	}
	bench_close(b);
}

/* ---- permessage-deflate ---- */

/* RFC 7692 §7.2.3, and what is like it. */
static void test_deflate_examples(void)
{
	static const struct row rows[] = {
		{"one frame", "c107 f248cdc9c90700", "text 0-9 5 packed 'Hello'; "},
		{"two frames", "4103 f248cd 8004 c9c90700", "text 0-11 5 packed 'Hello'; "},
		{"ping inside", "4103 f248cd 8901 70 8004 c9c90700",
		 "ping 5-8 1 'p'; text 0-14 5 packed 'Hello'; "},
		{"a stored block", "c10b 000500faff48656c6c6f00", "text 0-13 5 packed 'Hello'; "},
		{"two blocks", "c10d f248050000 00ffffcac9c90700", "text 0-15 5 packed 'Hello'; "},
		{"nothing", "c101 00", "text 0-3 0 packed ''; "},
		{"empty fragments around", "4100 0007 f248cdc9c90700 8000",
		 "text 0-13 5 packed 'Hello'; "},
		{"not packed among them", "c107 f248cdc9c90700 8102 6869 c107 f248cdc9c90700",
		 "text 0-9 5 packed 'Hello'; text 9-13 2 'hi'; text 13-22 5 packed 'Hello'; "},
		{"nothing among them", "c107 f248cdc9c90700 c101 00 c107 f248cdc9c90700",
		 "text 0-9 5 packed 'Hello'; text 9-12 0 packed ''; "
		 "text 12-21 5 packed 'Hello'; "},
		{"cut short", "c107 f248cdc9", "text 0-6 cut 3 packed 'Hel'; "},
	};
	static const struct row context[] = {
		{"again, from what was said", "c107 f248cdc9c90700 c105 f200110000",
		 "text 0-9 5 packed 'Hello'; text 9-16 5 packed 'Hello'; "},
	};
	static const struct row mask[] = {
		{"one frame", "c187 37fa213d c5b2ecf4fefd21", "text 0-13 5 mask packed 'Hello'; "},
	};
	struct agreed a = {.deflate = true, .no_context = {true, true}};

	run_rows(&a, SERVER, rows, COUNT(rows));
	run_rows(&a, CLIENT, mask, COUNT(mask));
	a.no_context[CLIENT] = a.no_context[SERVER] = false;
	run_rows(&a, SERVER, rows, COUNT(rows));
	run_rows(&a, SERVER, context, COUNT(context));
	a.no_context[CLIENT] = true; /* the other direction's */
	run_rows(&a, SERVER, context, COUNT(context));
}

/* RFC 7692 §7.2.3.4: BFINAL set, and a byte for the tail behind it. */
static void test_deflate_final_block(void)
{
	static const struct row rows[] = {
		{"one", "c108 f348cdc9c9070000", "text 0-10 5 packed 'Hello'; "},
		{"two", "c108 f348cdc9c9070000 c108 f348cdc9c9070000",
		 "text 0-10 5 packed 'Hello'; text 10-20 5 packed 'Hello'; "},
		{"one of the usual kind behind it", "c108 f348cdc9c9070000 c107 f248cdc9c90700",
		 "text 0-10 5 packed 'Hello'; text 10-19 5 packed 'Hello'; "},
	};
	struct agreed a = {.deflate = true, .no_context = {true, true}};

	run_rows(&a, SERVER, rows, COUNT(rows));
	a.no_context[SERVER] = false;
	run_rows(&a, SERVER, rows, COUNT(rows));
}

/* Said once; what follows uncompressed or in a context of its own is read. */
static void test_deflate_damaged(void)
{
	static const struct row rows[] = {
		{"no such kind of block", "c102 06ff 8101 61",
		 "DAMAGED; text 0-4 0 packed ''; text 4-7 1 'a'; "},
		{"the next one is whole", "c102 06ff c107 f248cdc9c90700",
		 "DAMAGED; text 0-4 0 packed ''; text 4-13 5 packed 'Hello'; "},
		{"each one is said", "c102 06ff c202 06ff",
		 "DAMAGED; text 0-4 0 packed ''; DAMAGED; binary 4-8 0 packed ''; "},
		{"more of it", "4102 06ff 0003 414243 8001 44", "DAMAGED; text 0-12 0 packed ''; "},
		{"behind good bytes", "c109 f248cdc9c90706ffff 8100",
		 "DAMAGED; text 0-11 5 packed 'Hello'; text 11-13 0 ''; "},
		{"stored, with a wrong length", "c106 0005000000 48",
		 "DAMAGED; text 0-8 0 packed ''; "},
		{"back beyond the start", "c105 f200110000", "DAMAGED; text 0-7 1 packed 'H'; "},
		{"and cut short", "4102 06ff", "DAMAGED; text 0-4 cut 0 packed ''; "},
	};

	run_rows(&(struct agreed){.deflate = true, .no_context = {true, true}}, SERVER, rows,
		 COUNT(rows));
	run_rows(&(struct agreed){.deflate = true}, SERVER, rows, COUNT(rows));
}

/* A message that stops inside a block was damaged by its sender. */
static void test_deflate_stops_early(void)
{
	static const char *const rows[] = {"c108 000500faff48656c", "c108 000900f6ff48656c",
					   "c102 f248", "c100"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench *b =
			bench_open(&(struct agreed){.deflate = true, .no_context = {true, true}});
		size_t first;

		wire[0].n = 0;
		add_hex(&wire[0], rows[i]);
		feed(b, SERVER, wire[0].at, wire[0].n);
		CHECK(b->anomalies == 1 && strstr(b->told[SERVER].at, "DAMAGED; "), "%s: %s",
		      rows[i], b->told[SERVER].at);
		first = b->told[SERVER].n;
		feed(b, SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07", 9);
		CHECK(strstr(b->told[SERVER].at + first, " 5 packed 'Hello'; "), "%s: %s", rows[i],
		      b->told[SERVER].at);
		bench_end(b);
		check_decoders(b, rows[i]);
		bench_close(b);
	}
}

static void test_deflate_bombs(void)
{
	static const struct {
		const char *what;
		size_t n;
		uint64_t max_bytes, max_ratio;
		bool limit;
	} rows[] = {
		{"4 MiB of zeros, 1000 to 1", 4 << 20, 64 << 20, 500, true},
		{"1 MiB of zeros is free", 1 << 20, 64 << 20, 100, false},
		{"4 MiB of zeros, allowed", 4 << 20, 64 << 20, 5000, false},
		{"beyond the bytes of a message", 4 << 20, 2 << 20, 5000, true},
		{"exactly these bytes", 2 << 20, 2 << 20, 5000, false},
	};
	static struct packer packer;

	memset(payload, 0, ROOM);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct agreed a = {.deflate = true,
				   .no_context = {true, true},
				   .max_bytes = rows[i].max_bytes,
				   .max_ratio = rows[i].max_ratio};
		struct bench *b = bench_open(&a);
		const char *told = b->told[SERVER].at;
		char size[32];

		packer_open(&packer);
		pack(&packer, payload, rows[i].n, true);
		wire[0].n = 0;
		add_frame(&wire[0], FIN | RSV1 | WEBSOCKET_BINARY, packer.at, packer.n, NULL);
		add_hex(&wire[0], "8101 61 c107 f248cdc9c90700");
		for (size_t at = 0, n; at < wire[0].n; at += n) {
			n = wire[0].n - at < 1460 ? wire[0].n - at : 1460;
			feed(b, SERVER, wire[0].at + at, n);
		}
		snprintf(size, sizeof(size), " %zu packed", rows[i].n);
		CHECK(b->anomalies == rows[i].limit, "%s: %u anomalies", rows[i].what,
		      b->anomalies);
		CHECK(!strncmp(told, rows[i].limit ? "LIMIT; binary 0-" : "binary 0-", 9),
		      "%s: %.40s", rows[i].what, told);
		CHECK((strstr(told, size) != NULL) == !rows[i].limit, "%s: its length",
		      rows[i].what);
		CHECK(strstr(told, " 1 'a'; text ") && strstr(told, " 5 packed 'Hello'; "),
		      "%s: the next ones", rows[i].what);
		bench_end(b);
		check_decoders(b, rows[i].what);
		bench_close(b);
		deflateEnd(&packer.z);
	}
}

/* What refers to a message that was too much is not inflated, and nobody's damage. */
static void test_deflate_behind_a_bomb(void)
{
	static struct packer packer;
	struct agreed a = {.deflate = true, .max_bytes = 2 << 20, .max_ratio = 5000};
	struct bench *b = bench_open(&a);

	packer_open(&packer);
	memset(payload, 'x', 3 << 20);
	pack(&packer, payload, 3 << 20, false);
	wire[0].n = 0;
	add_frame(&wire[0], FIN | RSV1 | WEBSOCKET_TEXT_MESSAGE, packer.at, packer.n, NULL);
	pack(&packer, payload, 300, false);
	add_frame(&wire[0], FIN | RSV1 | WEBSOCKET_TEXT_MESSAGE, packer.at, packer.n, NULL);
	feed(b, SERVER, wire[0].at, wire[0].n);
	CHECK(b->anomalies == 1 && !strncmp(b->told[SERVER].at, "LIMIT; ", 7), "%.40s",
	      b->told[SERVER].at);
	CU_ASSERT_EQUAL(b->websocket.messages, 2);
	bench_end(b);
	check_decoders(b, "behind a bomb");
	bench_close(b);
	deflateEnd(&packer.z);
}

/* The bounds are a message's: the sum of many in one context may be beyond them. */
static void test_deflate_bounds_are_a_messages(void)
{
	static struct packer packer;
	struct agreed a = {.deflate = true, .max_bytes = 2 << 20, .max_ratio = 5000};
	struct bench *b = bench_open(&a);

	packer_open(&packer);
	memset(payload, 'x', 1 << 20);
	for (int i = 0; i < 10; i++) {
		pack(&packer, payload, 1 << 20, false);
		wire[0].n = 0;
		add_frame(&wire[0], FIN | RSV1 | WEBSOCKET_TEXT_MESSAGE, packer.at, packer.n, NULL);
		feed(b, SERVER, wire[0].at, wire[0].n);
	}
	CU_ASSERT_EQUAL(b->anomalies, 0);
	CU_ASSERT_EQUAL(b->websocket.messages, 10);
	bench_end(b);
	check_decoders(b, "many messages");
	bench_close(b);
	deflateEnd(&packer.z);
}

/* Without a decoder a message is told, without its text. */
static void test_no_decoder(void)
{
	struct bench *b = bench_open(&(struct agreed){.deflate = true, .decoders = 1});

	feed(b, SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	feed(b, CLIENT, "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00", 13);
	feed(b, CLIENT, "\x81\x81\0\0\0\0a", 7);
	feed(b, SERVER, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	check_told(b, SERVER, "text 0-9 5 packed 'Hello'; text 9-16 5 packed 'Hello'; ", "has one",
		   0);
	check_told(b, CLIENT, "text 0-13 0 mask packed ''; text 13-20 1 mask 'a'; ", "has none", 0);
	CU_ASSERT_EQUAL(b->codings.refused, 1);
	bench_ended(b, SERVER);
	feed(b, CLIENT, "\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00", 11);
	check_told(b, CLIENT,
		   "text 0-13 0 mask packed ''; text 13-20 1 mask 'a'; "
		   "text 20-31 1 mask packed 'H'; ",
		   "has it now, but not what was said", 0);
	CU_ASSERT_EQUAL(b->anomalies, 0);
	bench_end(b);
	check_decoders(b, "one decoder");
	bench_close(b);
}

/* ---- holes ---- */

struct hole {
	const char *what, *before;
	uint64_t lost;
	const char *after, *want;
};

static void run_holes(const struct agreed *a, uint8_t dir, const struct hole *row, size_t n)
{
	struct bench *b = bench_open(a);

	bench_end(b);
	for (size_t i = 0; i < n; i++) {
		bench_start(b);
		wire[0].n = wire[1].n = 0;
		add_hex(&wire[0], row[i].before);
		add_hex(&wire[1], row[i].after);
		feed(b, dir, wire[0].at, wire[0].n);
		lose(b, dir, row[i].lost);
		if (wire[1].n)
			feed(b, dir, wire[1].at, wire[1].n);
		bench_end(b);
		check_told(b, dir, row[i].want, row[i].what, 0);
		check_decoders(b, row[i].what);
	}
	bench_close(b);
}

static void test_holes(void)
{
	static const struct hole rows[] = {
		{"behind the text that is kept", "8105 48656c", 2, "8101 61",
		 "text 0-7 5 'Hel'; text 7-10 1 'a'; "},
		{"the whole payload", "8105", 5, "8101 61", "text 0-7 5 ''; text 7-10 1 'a'; "},
		{"a fragment's end", "0103 48", 2, "8001 61", "text 0-8 4 'H'; "},
		{"a ping's payload inside a message", "0101 61 8902", 2, "8001 62",
		 "ping 3-7 2 ''; text 0-10 2 'ab'; "},
		{"a close without its reason", "8805 03e8", 3, "", "close 0-7 5 1000 ''; "},
		{"a length", "817e", 1, "05 4865 8101 61", ""},
		{"a whole header", "8101 61", 2, "4865 8101 61", "text 0-3 1 'a'; "},
		{"a header inside a message", "0101 61", 2, "61 8101 62", "text 0-3 cut 1 'a'; "},
		{"the payload and a header", "8105 48", 5, "01 61 8101 61", "text 0-3 cut 1 'H'; "},
		{"whole frames", "8101 61", 30, "8101 61", "text 0-3 1 'a'; "},
		{"a ping and a header", "8904 70", 5, "61 8101 61", "ping 0-3 cut 1 'p'; "},
		{"a close and a header, inside a message", "0101 61 8804 03e8", 3, "8001 62",
		 "close 3-7 cut 2 1000 ''; text 0-7 cut 1 'a'; "},
		{"no end behind it", "8108 48", 3, "", "text 0-3 cut 1 'H'; "},
		{"no end behind a fragment's hole", "0103 48", 2, "", "text 0-3 cut 1 'H'; "},
		{"no end behind it, nor behind what follows", "8108 48", 3, "61",
		 "text 0-7 cut 5 'H'; "},
		{"nothing is open behind it", "8101 61", 1, "01 61 8101 61", "text 0-3 1 'a'; "},
	};
	static const struct hole masked[] = {
		{"the mask goes on", "8188 00000080 61", 2, "e4 656667e8 8181 00000000 61",
		 "text 0-14 8 mask 'a'; text 14-21 1 mask 'a'; "},
		{"in the mask", "8181 0000", 1, "00 61", ""},
	};

	run_holes(&(struct agreed){0}, SERVER, rows, COUNT(rows));
	run_holes(&(struct agreed){.deflate = true}, SERVER, rows, COUNT(rows));
	run_holes(&(struct agreed){0}, CLIENT, masked + 1, 1);
}

/* What is called the first bytes of a payload is that: nothing from behind a hole. */
static void test_holes_in_the_text(void)
{
	static const struct hole rows[] = {
		{"in the middle", "8105 48", 3, "6f", "text 0-7 5 'H'; "},
		{"at the start", "8105", 2, "6c6c6f", "text 0-7 5 ''; "},
		{"in a fragment", "0103 48", 2, "8001 61", "text 0-8 4 'H'; "},
		{"a close code", "8805", 2, "627965", "close 0-7 5 ''; "},
		{"half a close code", "8805 03", 1, "627965", "close 0-7 5 '\\03'; "},
		{"the next one is its own", "8102 61", 1, "8101 62",
		 "text 0-4 2 'a'; text 4-7 1 'b'; "},
	};

	run_holes(&(struct agreed){0}, SERVER, rows, COUNT(rows));
}

/* Masked bytes behind a hole are unmasked by their place in the frame. */
static void test_holes_and_masks(void)
{
	static const uint8_t mask[4] = {1, 2, 4, 8};
	struct bench *b = bench_open(&(struct agreed){.bodies = true});
	static struct text want;
	struct dice d = dice_of(1402);

	bench_end(b);
	dice_fill(&d, payload, 600);
	wire[0].n = 0;
	add_frame(&wire[0], FIN | WEBSOCKET_BINARY, payload, 600, mask);
	for (uint64_t lost = 1; lost < 40; lost++) {
		uint64_t off = 300 + lost, h = hash(HASH_START, payload, 300);
		struct websocket_message m = {.opcode = WEBSOCKET_BINARY,
					      .end = 608,
					      .length = 600,
					      .fin = true,
					      .mask = true,
					      .text = span_of(payload, WEBSOCKET_TEXT)};

		h = hash(hash(h, (const uint8_t *)&off, sizeof(off)), payload + off, 600 - off);
		want.n = 0;
		note_message(&want, &m, h);
		bench_start(b);
		feed(b, CLIENT, wire[0].at, 308);
		lose(b, CLIENT, lost);
		feed(b, CLIENT, wire[0].at + 308 + lost, 300 - lost);
		bench_end(b);
		check_told(b, CLIENT, want.at, "a hole", lost);
	}
	bench_close(b);
}

/* A hole is nobody's damage; what was packed behind it is told as far as it can be known. */
static void test_holes_in_deflate(void)
{
	static const struct hole alone[] = {
		{"the next one stands alone", "c107 f248cd", 2, "0700 c107 f248cdc9c90700",
		 "text 0-9 2 packed 'He'; text 9-18 5 packed 'Hello'; "},
		{"the whole payload", "c107", 7, "c107 f248cdc9c90700",
		 "text 0-9 0 packed ''; text 9-18 5 packed 'Hello'; "},
		{"a stored block's", "c10b 000500faff48", 4, "00 c107 f248cdc9c90700",
		 "text 0-13 1 packed 'H'; text 13-22 5 packed 'Hello'; "},
		{"of a fragment", "4107 f248cd", 4, "8003 414243 8101 61",
		 "text 0-14 2 packed 'He'; text 14-17 1 'a'; "},
	};
	static const struct hole context[] = {
		{"not packed", "c107 f248cd", 2, "0700 8101 61",
		 "text 0-9 2 packed 'He'; text 9-12 1 'a'; "},
		{"packed, from nothing before", "c107 f248cd", 2, "0700 c107 f248cdc9c90700",
		 "text 0-9 2 packed 'He'; text 9-18 5 packed 'Hello'; "},
		{"and what refers to that", "c107 f248cd", 2,
		 "0700 c107 f248cdc9c90700 c105 f200110000",
		 "text 0-9 2 packed 'He'; text 9-18 5 packed 'Hello'; "
		 "text 18-25 5 packed 'Hello'; "},
		{"what refers to what is not there", "c107 f248cd", 2, "0700 c105 f200110000",
		 "text 0-9 2 packed 'He'; text 9-16 1 packed 'H'; "},
	};
	static const char before[] = "text 0-9 5 packed 'Hello'; text 9-22 1 packed 'W'; ";
	struct bench *b = bench_open(&(struct agreed){.deflate = true});
	const char *told = b->told[SERVER].at;

	/* What follows refers to what is not there: 'H' is all that can be known of it. */
	feed(b, SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07", 9);
	feed(b, SERVER, "\xc1\x0b\x00\x05\x00\xfa\xffW", 8);
	lose(b, SERVER, 4);
	feed(b, SERVER, "\x00\xc1\x05\xf2\x00\x11\x00", 8);
	bench_end(b);
	CHECK(strstr(told, before) == told, "the one with the hole: %s", told);
	CHECK(strstr(told, "packed 'H'; "), "behind it: %s", told);
	check_decoders(b, "a context with a hole");
	bench_close(b);
	run_holes(&(struct agreed){.deflate = true, .no_context = {true, true}}, SERVER, alone,
		  COUNT(alone));
	run_holes(&(struct agreed){.deflate = true}, SERVER, context, COUNT(context));
}

/* Two holes side by side, as where bytes were lost and others cut off. */
static void test_holes_side_by_side(void)
{
	struct bench *b = bench_open(&(struct agreed){0});

	feed(b, SERVER, "\x81\x08H", 3);
	lose(b, SERVER, 3);
	lose(b, SERVER, 4);
	feed(b, SERVER, "\x81\x04z", 3);
	lose(b, SERVER, 1);
	lose(b, SERVER, 3);
	bench_end(b);
	check_told(b, SERVER, "text 0-10 8 'H'; text 10-13 cut 1 'z'; ", "two holes", 0);
	bench_close(b);
}

/* ---- a capture that begins late ---- */

static void test_midstream(void)
{
	struct bench *b = bench_open(&(struct agreed){0});
	struct parser *p = &b->websocket.parser;

	b->off[SERVER] = 100;
	p->ops->midstream(p, b->state, side_of(b, SERVER), 100);
	feed(b, SERVER, "\x81\x01z\x81\x01z", 6);
	lose(b, SERVER, 5);
	feed(b, SERVER, "\x81\x01z", 3);
	feed(b, CLIENT, "\x81\x81\0\0\0\0a", 7);
	bench_end(b);
	check_told(b, SERVER, "", "not from its start", 0);
	check_told(b, CLIENT, "text 0-7 1 mask 'a'; ", "the other direction", 0);
	bench_start(b);
	feed(b, SERVER, "\x01\x01z\x89\x02p", 6);
	p->ops->midstream(p, b->state, side_of(b, SERVER), 100);
	feed(b, SERVER, "\x81\x01z", 3);
	bench_end(b);
	check_told(b, SERVER, "ping 3-6 cut 1 'p'; text 0-6 cut 1 'z'; ", "from there on", 0);
	bench_close(b);
}

/* ---- whole conversations ---- */

struct conversation {
	struct agreed agreed;
	struct wire wire[2];
	struct text want[2];
	struct packer packer[2];
};

static struct conversation talk;

/* Words that come again, or noise. */
static void make_payload(struct dice *d, size_t n)
{
	static const char *const words[] = {"apple ", "{\"id\":", "}, ", "walnut", "\n", "quince "};
	size_t at = 0;

	dice_fill(d, payload, n);
	if (dice_below(d, 4) == 0)
		return;
	while (at < n) {
		const char *word = words[dice_below(d, COUNT(words))];
		size_t len = strlen(word) < n - at ? strlen(word) : n - at;

		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes, no string */
		memcpy(payload + at, word, len);
		at += len + dice_below(d, 2);
	}
}

static size_t some_length(struct dice *d)
{
	static const size_t edges[] = {0, 1, 125, 126, 127, 255, 256, 257, 4096, 65535, 65536};

	switch (dice_below(d, 8)) {
	case 0:
		return edges[dice_below(d, COUNT(edges))];
	case 1:
		return dice_below(d, dice_below(d, 8) ? 3000 : 80000);
	default:
		return dice_below(d, 200);
	}
}

static void frame(struct conversation *c, struct dice *d, uint8_t dir, uint8_t first,
		  struct span in)
{
	uint8_t mask[4];

	dice_fill(d, mask, 4);
	add_frame(&c->wire[dir], first, in.at, span_len(in), dir == c->agreed.client ? mask : NULL);
}

static void make_control(struct conversation *c, struct dice *d, uint8_t dir)
{
	struct websocket_message how = {.mask = dir == c->agreed.client, .fin = true};
	uint8_t opcode = dice_below(d, 2) ? WEBSOCKET_PING : WEBSOCKET_PONG;
	size_t start = c->wire[dir].n;
	uint8_t bytes[WEBSOCKET_CONTROL];
	struct span in = span_of(bytes, dice_below(d, sizeof(bytes) + 1));

	dice_fill(d, bytes, sizeof(bytes));
	frame(c, d, dir, FIN | opcode, in);
	expect(&c->want[dir], opcode, start, c->wire[dir].n, in, &how, c->agreed.bodies);
}

/* Blocks of any kind, flushed anywhere. */
static struct span pack_message(struct conversation *c, struct dice *d, uint8_t dir, size_t n)
{
	struct packer *p = &c->packer[dir];
	size_t first = dice_below(d, (uint32_t)n + 1);

	p->n = 0;
	if (dice_below(d, 3) == 0) {
		pack_part(p, payload, 0, Z_BLOCK);
		deflateParams(&p->z, (int)dice_below(d, 10),
			      dice_below(d, 2) ? Z_FIXED : Z_DEFAULT_STRATEGY);
		pack_part(p, payload, first, dice_below(d, 2) ? Z_FULL_FLUSH : Z_SYNC_FLUSH);
		pack_part(p, payload + first, n - first, Z_SYNC_FLUSH);
	} else {
		pack_part(p, payload, n, Z_SYNC_FLUSH);
	}
	if (p->n < 4)
		p->at[p->n++] = 0;
	else
		p->n -= 4;
	if (c->agreed.no_context[dir != c->agreed.client])
		deflateReset(&p->z);
	return span_of(p->at, p->n);
}

static void make_message(struct conversation *c, struct dice *d, uint8_t dir)
{
	struct websocket_message how = {.mask = dir == c->agreed.client,
					.compressed = c->agreed.deflate && dice_below(d, 3)};
	uint8_t opcode = dice_below(d, 2) ? WEBSOCKET_TEXT_MESSAGE : WEBSOCKET_BINARY;
	uint8_t first = (uint8_t)(opcode | (how.compressed ? RSV1 : 0));
	uint32_t frames = 1 + (dice_below(d, 3) ? 0 : dice_below(d, 5));
	size_t n = some_length(d), start = c->wire[dir].n;
	struct span in = span_of(payload, n);

	how.fin = frames == 1;
	make_payload(d, n);
	if (how.compressed)
		in = pack_message(c, d, dir, n);
	while (frames-- > 0) {
		size_t most = span_len(in), len = frames ? dice_below(d, (uint32_t)most + 1) : most;

		frame(c, d, dir, first | (frames ? 0 : FIN), span_of(in.at, len));
		first = WEBSOCKET_CONTINUATION;
		in.at += len;
		if (frames && dice_below(d, 3) == 0)
			make_control(c, d, dir);
	}
	expect(&c->want[dir], opcode, start, c->wire[dir].n, span_of(payload, n), &how,
	       c->agreed.bodies);
}

static void make_close(struct conversation *c, struct dice *d, uint8_t dir)
{
	size_t start = c->wire[dir].n;
	uint8_t bytes[] = {(uint8_t)(3 + dice_below(d, 9)), (uint8_t)dice_below(d, 256), 'b', 'y'};
	struct websocket_message m = {.opcode = WEBSOCKET_CLOSE,
				      .start = start,
				      .length = dice_below(d, 2) ? 2 : 4,
				      .close_code = load_be16(bytes),
				      .fin = true,
				      .mask = dir == c->agreed.client};

	frame(c, d, dir, FIN | WEBSOCKET_CLOSE, span_of(bytes, m.length));
	m.end = c->wire[dir].n;
	m.text = span_of(bytes + 2, m.length - 2);
	note_message(&c->want[dir], &m,
		     c->agreed.bodies && m.mask ? hash(HASH_START, bytes, m.length) : 0);
}

static void make_conversation(struct conversation *c, struct dice *d, uint32_t messages)
{
	c->agreed = (struct agreed){.deflate = dice_below(d, 4),
				    .no_context = {dice_below(d, 2), dice_below(d, 2)},
				    .bodies = dice_below(d, 2),
				    .client = (uint8_t)dice_below(d, 2)};
	for (uint8_t dir = 0; dir < 2; dir++) {
		c->wire[dir].n = c->want[dir].n = 0;
		c->want[dir].at[0] = 0;
		packer_open(&c->packer[dir]);
		for (uint32_t i = dice_below(d, messages); i > 0; i--)
			if (dice_below(d, 4))
				make_message(c, d, dir);
			else
				make_control(c, d, dir);
		if (dice_below(d, 2))
			make_close(c, d, dir);
		deflateEnd(&c->packer[dir].z);
	}
}

/* In chunks of any size, the directions in any order. */
static void play(struct bench *b, const struct conversation *c, struct dice *d)
{
	uint32_t most = dice_below(d, 3) ? 1 + dice_below(d, 3000) : 1 + dice_below(d, 5);
	size_t at[2] = {0, 0};

	if (c->wire[0].n + c->wire[1].n > 100000 && most < 100)
		most += 100;
	while (at[0] < c->wire[0].n || at[1] < c->wire[1].n) {
		uint8_t dir = (uint8_t)dice_below(d, 2);
		size_t left, n = 1 + dice_below(d, most);

		if (at[dir] == c->wire[dir].n)
			dir = !dir;
		left = c->wire[dir].n - at[dir];
		n = n < left ? n : left;
		feed(b, dir, c->wire[dir].at + at[dir], n);
		at[dir] += n;
	}
}

static void test_any_chunks_and_order(void)
{
	struct dice d = dice_of(1403);
	unsigned int failed = CU_get_number_of_failures();

	for (int i = 0; i < 150 && CU_get_number_of_failures() == failed; i++) {
		struct bench *b;

		make_conversation(&talk, &d, 30);
		b = bench_open(&talk.agreed);
		for (int k = 0; k < 4; k++) {
			if (k)
				bench_start(b);
			play(b, &talk, &d);
			bench_end(b);
			for (uint8_t dir = 0; dir < 2; dir++)
				CHECK(strcmp(b->told[dir].at, talk.want[dir].at) == 0,
				      "conversation %d, direction %u, seed %llu", i, dir,
				      (unsigned long long)d.seed);
			check_decoders(b, "a conversation");
		}
		bench_close(b);
	}
}

/* A short one, the client's bytes cut at every place, the server's all in between. */
static void test_every_cut(void)
{
	struct dice d = dice_of(1404);
	unsigned int failed = CU_get_number_of_failures();

	for (int i = 0; i < 40 && CU_get_number_of_failures() == failed; i++) {
		struct bench *b;

		do {
			make_conversation(&talk, &d, 6);
		} while (talk.wire[0].n > 1500 || talk.wire[1].n > 1500);
		b = bench_open(&talk.agreed);
		bench_end(b);
		for (size_t cut = 0; cut <= talk.wire[0].n; cut++) {
			bench_start(b);
			feed(b, 0, talk.wire[0].at, cut);
			feed(b, 1, talk.wire[1].at, talk.wire[1].n);
			feed(b, 0, talk.wire[0].at + cut, talk.wire[0].n - cut);
			bench_end(b);
			for (uint8_t dir = 0; dir < 2; dir++)
				check_told(b, dir, talk.want[dir].at, "a conversation", cut);
		}
		bench_close(b);
	}
}

/* Flipped bits, holes, an end anywhere: the chunks do not matter then either. */
/* NOLINTNEXTLINE(readability-function-size): what differs between two runs */
static void play_hurt(struct bench *b, const struct conversation *c, struct dice *d, size_t lost_at,
		      size_t lost, size_t end, bool chunks)
{
	size_t at = 0, n;

	for (; at < end; at += n) {
		size_t stop = at < lost_at && lost_at < end ? lost_at : end;

		n = chunks ? 1 + dice_below(d, 700) : end;
		n = n < stop - at ? n : stop - at;
		if (at == lost_at && lost) {
			n = lost < end - at ? lost : end - at;
			lose(b, 0, n);
		} else {
			feed(b, 0, c->wire[0].at + at, n);
		}
	}
	bench_end(b);
}

static void same_told(const struct text *a, const struct text *b, int n, uint64_t seed)
{
	size_t same = 0;

	while (same < a->n && a->at[same] == b->at[same])
		same++;
	CHECK(same == a->n && same == b->n,
	      "conversation %d, seed %llu: %zu characters, then\n      %.80s\n      %.80s", n,
	      (unsigned long long)seed, same, a->at + same, b->at + same);
}

static void test_hurt_in_any_chunks(void)
{
	static struct text whole;
	struct dice d = dice_of(1405);
	unsigned int failed = CU_get_number_of_failures();

	for (int i = 0; i < 400 && CU_get_number_of_failures() == failed; i++) {
		size_t lost_at, lost, end;
		struct bench *b;

		do {
			make_conversation(&talk, &d, 12);
		} while (talk.wire[0].n == 0);
		end = talk.wire[0].n;
		for (uint32_t k = dice_below(&d, 4); k > 0; k--)
			talk.wire[0].at[dice_below(&d, (uint32_t)end)] ^=
				(uint8_t)(1 << dice_below(&d, 8));
		lost_at = dice_below(&d, 2) * dice_below(&d, (uint32_t)end);
		lost = lost_at ? dice_below(&d, 300) : 0;
		if (dice_below(&d, 2))
			end = dice_below(&d, (uint32_t)end + 1);
		b = bench_open(&talk.agreed);
		b->coarse = true;
		play_hurt(b, &talk, &d, lost_at, lost, end, false);
		whole = b->told[0];
		for (int k = 0; k < 3; k++) {
			bench_start(b);
			play_hurt(b, &talk, &d, lost_at, lost, end, true);
			same_told(&b->told[0], &whole, i, d.seed);
			check_decoders(b, "a hurt conversation");
		}
		bench_close(b);
	}
}

CU_TestInfo websocket_tests[] = {
	{"server_frames", test_server_frames},
	{"client_frames", test_client_frames},
	{"no_frames", test_no_frames},
	{"every_opcode", test_every_opcode},
	{"cut_short", test_cut_short},
	{"let_go", test_let_go},
	{"fragments_are_bodies", test_fragments_are_bodies},
	{"lengths", test_lengths},
	{"deflate_examples", test_deflate_examples},
	{"deflate_final_block", test_deflate_final_block},
	{"deflate_damaged", test_deflate_damaged},
	{"deflate_stops_early", test_deflate_stops_early},
	{"deflate_bombs", test_deflate_bombs},
	{"deflate_behind_a_bomb", test_deflate_behind_a_bomb},
	{"deflate_bounds_are_a_messages", test_deflate_bounds_are_a_messages},
	{"no_decoder", test_no_decoder},
	{"holes", test_holes},
	{"holes_side_by_side", test_holes_side_by_side},
	{"holes_in_the_text", test_holes_in_the_text},
	{"holes_and_masks", test_holes_and_masks},
	{"holes_in_deflate", test_holes_in_deflate},
	{"midstream", test_midstream},
	{"any_chunks_and_order", test_any_chunks_and_order},
	{"every_cut", test_every_cut},
	{"hurt_in_any_chunks", test_hurt_in_any_chunks},
	CU_TEST_INFO_NULL,
};
