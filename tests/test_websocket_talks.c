/* SPDX-License-Identifier: MIT */
/*
 * websocket_talks — whole conversations, in any chunks and in any order of the two directions,
 * whole and hurt.
 */
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/websocket_host.h"

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
	wire_frame(&c->wire[dir], first, in.at, span_len(in),
		   dir == c->agreed.client ? mask : NULL);
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
	ws_expect(&c->want[dir], opcode, start, c->wire[dir].n, in, &how, c->agreed.bodies);
}

/* Blocks of any kind, flushed anywhere. */
static struct span pack_message(struct conversation *c, struct dice *d, uint8_t dir, size_t n)
{
	struct packer *p = &c->packer[dir];
	size_t first = dice_below(d, (uint32_t)n + 1);

	p->n = 0;
	if (dice_below(d, 3) == 0) {
		packer_part(p, payload, 0, Z_BLOCK);
		deflateParams(&p->z, (int)dice_below(d, 10),
			      dice_below(d, 2) ? Z_FIXED : Z_DEFAULT_STRATEGY);
		packer_part(p, payload, first, dice_below(d, 2) ? Z_FULL_FLUSH : Z_SYNC_FLUSH);
		packer_part(p, payload + first, n - first, Z_SYNC_FLUSH);
	} else {
		packer_part(p, payload, n, Z_SYNC_FLUSH);
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
	ws_expect(&c->want[dir], opcode, start, c->wire[dir].n, span_of(payload, n), &how,
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
	ws_note(&c->want[dir], &m,
		c->agreed.bodies && m.mask ? ws_hash(HASH_START, bytes, m.length) : 0);
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
		ws_feed(b, dir, c->wire[dir].at + at[dir], n);
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
		b = ws_open(&talk.agreed);
		for (int k = 0; k < 4; k++) {
			if (k)
				ws_start(b);
			play(b, &talk, &d);
			ws_end(b);
			for (uint8_t dir = 0; dir < 2; dir++)
				CHECK(strcmp(b->told[dir].at, talk.want[dir].at) == 0,
				      "conversation %d, direction %u, seed %llu", i, dir,
				      (unsigned long long)d.seed);
			ws_check_decoders(b, "a conversation");
		}
		ws_close(b);
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
		b = ws_open(&talk.agreed);
		ws_end(b);
		for (size_t cut = 0; cut <= talk.wire[0].n; cut++) {
			ws_start(b);
			ws_feed(b, 0, talk.wire[0].at, cut);
			ws_feed(b, 1, talk.wire[1].at, talk.wire[1].n);
			ws_feed(b, 0, talk.wire[0].at + cut, talk.wire[0].n - cut);
			ws_end(b);
			for (uint8_t dir = 0; dir < 2; dir++)
				ws_check_told(b, dir, talk.want[dir].at, "a conversation", cut);
		}
		ws_close(b);
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
			ws_lose(b, 0, n);
		} else {
			ws_feed(b, 0, c->wire[0].at + at, n);
		}
	}
	ws_end(b);
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
		b = ws_open(&talk.agreed);
		b->coarse = true;
		play_hurt(b, &talk, &d, lost_at, lost, end, false);
		whole = b->told[0];
		for (int k = 0; k < 3; k++) {
			ws_start(b);
			play_hurt(b, &talk, &d, lost_at, lost, end, true);
			same_told(&b->told[0], &whole, i, d.seed);
			ws_check_decoders(b, "a hurt conversation");
		}
		ws_close(b);
	}
}

CU_TestInfo websocket_talks_tests[] = {
	{"any_chunks_and_order", test_any_chunks_and_order},
	{"every_cut", test_every_cut},
	{"hurt_in_any_chunks", test_hurt_in_any_chunks},
	CU_TEST_INFO_NULL,
};
