/* SPDX-License-Identifier: MIT */
/*
 * fuzz_websocket — a byte says what the handshake agreed on, the rest is chunks of both directions
 * and holes between them.  What is told keeps the promises of websocket.h, is the same when each
 * direction comes in one piece or byte by byte, and every decoder is free again at the end.
 *
 * A chunk: its length (0: two more bytes say it) and 0x80 for direction 1, 0x40 for a hole.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "user/parse/http1.h"
#include "user/parse/websocket.h"

#define CHUNKS   512U
#define BYTES    4096U
#define DECODERS 3U
#define MESSAGES 2100U

enum { DEFLATE = 1, NO_CONTEXT_CLIENT = 2, NO_CONTEXT_SERVER = 4, BODIES = 8, CLIENT_HI = 16 };
enum pieces { AS_GIVEN, JOINED, SINGLE };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct piece {
	uint8_t dir;
	bool hole;
	uint32_t len;
	const uint8_t *at;
};

/* What a direction said, as a running hash. */
struct told {
	uint64_t hash, end;
	uint32_t messages;
	bool damaged; /* the packed message under way: how much of it is left open */
};

struct body {
	bool used, over;
	uint64_t next, hash;
};

struct run {
	struct parse_host host; /* first */
	struct codings codings;
	struct websocket websocket;
	uint32_t state;
	uint8_t flags, dir;
	uint64_t off[2];
	struct told told[2];
	struct body body[MESSAGES]; /* by ordinal */
	bool seen[MESSAGES];
};

static struct run run;
static bool opened;

static void mix(uint64_t *h, const void *at, size_t n)
{
	const uint8_t *p = at;

	for (size_t i = 0; i < n; i++)
		*h = (*h ^ p[i]) * 0x100000001b3ULL;
}

static bool from_client(uint8_t dir)
{
	return dir == ((run.flags & CLIENT_HI) != 0);
}

static void on_body(struct parse_host *host, const struct parse_body *p)
{
	struct body *y;

	(void)host;
	assert(run.flags & BODIES);
	assert(p->dir == run.dir && p->tx_id < MESSAGES && !run.seen[p->tx_id]);
	y = &run.body[p->tx_id];
	assert(!y->over);
	y->used = true;
	y->over = p->last;
	if (p->last)
		return;
	assert(p->encoded && p->bytes.at < p->bytes.end && p->off >= y->next);
	assert((p->side == HTTP1_REQUEST) == from_client(run.dir));
	if (p->off != y->next)
		mix(&y->hash, &p->off, sizeof(p->off));
	mix(&y->hash, p->bytes.at, span_len(p->bytes));
	y->next = p->off + span_len(p->bytes);
}

static void check_message(const struct websocket_message *m, const struct body *y)
{
	assert(m->dir == run.dir && m->from_client == from_client(m->dir));
	assert(m->number == run.websocket.parser.number && m->ts_ns == m->number * 1000);
	assert(m->start < m->end && m->end <= run.off[m->dir]);
	assert(!m->compressed || (run.flags & DEFLATE));
	assert(span_len(m->text) <= WEBSOCKET_TEXT && span_len(m->text) <= m->length);
	assert(m->compressed || m->length <= m->end - m->start);
	if (m->opcode >= WEBSOCKET_CLOSE)
		assert(!m->compressed && m->length <= WEBSOCKET_CONTROL);
	assert(m->opcode == WEBSOCKET_CLOSE || !m->close_code);
	if (!y->used)
		return;
	assert(y->over && y->next <= m->length);
}

static void on_websocket(struct parse_host *host, const struct websocket_message *m)
{
	struct told *t = &run.told[run.dir];
	struct body *y;
	uint8_t facts[] = {(uint8_t)m->opcode, m->fin, m->mask, m->compressed};

	(void)host;
	assert(m->ordinal < MESSAGES && !run.seen[m->ordinal]);
	run.seen[m->ordinal] = true;
	y = &run.body[m->ordinal];
	check_message(m, y);
	t->messages++;
	mix(&t->hash, facts, sizeof(facts));
	mix(&t->hash, &m->start, sizeof(m->start));
	mix(&t->hash, &m->end, sizeof(m->end));
	if (m->compressed && t->damaged) {
		t->damaged = false;
		return;
	}
	mix(&t->hash, &m->length, sizeof(m->length));
	mix(&t->hash, &m->close_code, sizeof(m->close_code));
	mix(&t->hash, m->text.at, span_len(m->text));
	mix(&t->hash, &y->hash, sizeof(y->hash));
}

static void on_anomaly(struct parse_host *host, enum anomaly a)
{
	struct told *t = &run.told[run.dir];

	(void)host;
	assert(a >= ANOMALY_WEBSOCKET_FRAME && a <= ANOMALY_WEBSOCKET_DECODE_LIMIT);
	if (a >=
	    ANOMALY_WEBSOCKET_DECODE_FAILED) { /* damaged where it became too much, or before */
		t->damaged = true;
		a = ANOMALY_WEBSOCKET_DECODE_FAILED;
	}
	mix(&t->hash, &a, sizeof(a));
}

static void open_all(void)
{
	struct coding_conf coding = {
		.small = DECODERS, .large = 1, .max_bytes = 1 << 20, .max_ratio = UINT32_MAX};

	run.host = (struct parse_host){
		.websocket = on_websocket, .body = on_body, .anomaly = on_anomaly};
	assert(codings_open(&run.codings, &coding) == 0);
	opened = true;
}

/* Each decoder is there, once. */
static void check_decoders(void)
{
	const uint8_t raw = CODING_RAW_DEFLATE;
	uint32_t taken[DECODERS];

	for (uint32_t i = 0; i < DECODERS; i++) {
		taken[i] = coding_start(&run.codings, &raw, 1);
		assert(taken[i]);
		for (uint32_t k = 0; k < i; k++)
			assert(taken[i] != taken[k]);
	}
	assert(!coding_start(&run.codings, &raw, 1));
	for (uint32_t i = 0; i < DECODERS; i++)
		coding_end(&run.codings, taken[i]);
}

static void start(uint8_t flags)
{
	struct websocket_conf conf = {
		.states = 1, .bodies = flags & BODIES, .decoders = &run.codings};
	struct parse_next next = {
		.deflate = flags & DEFLATE,
		.no_context = {flags & NO_CONTEXT_CLIENT, flags & NO_CONTEXT_SERVER}};

	run.flags = flags;
	memset(run.off, 0, sizeof(run.off));
	memset(run.told, 0, sizeof(run.told));
	memset(run.body, 0, sizeof(run.body));
	memset(run.seen, 0, sizeof(run.seen));
	assert(websocket_open(&run.websocket, &conf, &run.host) == 0);
	run.state = parser_start(&run.websocket.parser);
	assert(run.state);
	websocket_agree(&run.websocket, run.state, &next, (flags & CLIENT_HI) != 0);
}

static struct parse_side speak(uint8_t dir)
{
	run.dir = dir;
	run.websocket.parser.number++;
	run.websocket.parser.ts_ns = run.websocket.parser.number * 1000;
	return (struct parse_side){.dir = dir, .from_client = from_client(dir)};
}

static void give(uint8_t dir, bool hole, const uint8_t *at, uint32_t n)
{
	struct parser *p = &run.websocket.parser;
	struct parse_side side = speak(dir);
	uint64_t off = run.off[dir];
	struct parse_next next;
	uint8_t *copy;
	struct span bytes;

	run.off[dir] += n;
	if (hole) {
		p->ops->gap(p, run.state, side, n);
		return;
	}
	copy = malloc(n);
	assert(copy);
	memcpy(copy, at, n);
	bytes = span_of(copy, n);
	assert(p->ops->feed(p, run.state, side, off, &bytes, &next) == PARSE_MORE);
	assert(bytes.at == copy + n && bytes.at == bytes.end);
	free(copy);
}

static void finish(void)
{
	struct parser *p = &run.websocket.parser;

	for (uint8_t dir = 0; dir < 2; dir++)
		p->ops->ended(p, run.state, speak(dir), true);
	parser_end(p, run.state);
	check_decoders();
	websocket_close(&run.websocket);
}

static uint32_t cut(struct piece *piece, const uint8_t *in, const uint8_t *end)
{
	uint32_t n = 0;

	while (in < end && n < CHUNKS) {
		struct piece *c = &piece[n];
		uint8_t first = *in++;

		*c = (struct piece){.dir = first >> 7, .hole = first & 0x40, .len = first & 0x3f};
		if (c->len == 0 && end - in >= 2) {
			c->len = load_be16(in);
			in += 2;
		}
		c->at = in;
		if (!c->hole) {
			if (c->len > end - in)
				c->len = (uint32_t)(end - in);
			in += c->len;
		}
		n += c->len > 0;
	}
	return n;
}

/* Bytes of one direction up to its next hole, at once. */
static void give_joined(const struct piece *piece, uint32_t n, uint8_t dir)
{
	static uint8_t joined[BYTES];
	uint32_t have = 0;

	for (uint32_t i = 0; i <= n; i++) {
		if (i < n && piece[i].dir != dir)
			continue;
		if (i < n && !piece[i].hole) {
			assert(have + piece[i].len <= BYTES);
			memcpy(joined + have, piece[i].at, piece[i].len);
			have += piece[i].len;
			continue;
		}
		if (have)
			give(dir, false, joined, have);
		have = 0;
		if (i < n)
			give(dir, true, NULL, piece[i].len);
	}
}

static void play(const struct piece *piece, uint32_t n, enum pieces how)
{
	for (uint8_t dir = 0; how == JOINED && dir < 2; dir++)
		give_joined(piece, n, dir);
	for (uint32_t i = 0; how != JOINED && i < n; i++) {
		const struct piece *c = &piece[i];
		uint32_t step = how == SINGLE && !c->hole ? 1 : c->len;

		for (uint32_t at = 0; at < c->len; at += step)
			give(c->dir, c->hole, c->at + (c->hole ? 0 : at), step);
	}
	finish();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct piece piece[CHUNKS];
	struct told first[2];
	uint32_t n;

	if (size < 2 || size > BYTES)
		return 0;
	if (!opened)
		open_all();
	n = cut(piece, data + 1, data + size);
	for (int how = AS_GIVEN; how <= SINGLE; how++) {
		start(data[0]);
		play(piece, n, (enum pieces)how);
		for (int dir = 0; dir < 2; dir++) {
			if (how == AS_GIVEN)
				first[dir] = run.told[dir];
			assert(run.told[dir].hash == first[dir].hash);
			assert(run.told[dir].messages == first[dir].messages);
		}
	}
	return 0;
}
