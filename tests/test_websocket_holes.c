/* SPDX-License-Identifier: MIT */
/*
 * websocket_holes — bytes that were never captured stay where they are: nothing is told of them,
 * nor wrongly of what is around them.
 */
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/websocket_host.h"

struct hole {
	const char *what, *before;
	uint64_t lost;
	const char *after, *want;
};

static void run_holes(const struct agreed *a, uint8_t dir, const struct hole *row, size_t n)
{
	struct bench *b = ws_open(a);

	ws_end(b);
	for (size_t i = 0; i < n; i++) {
		ws_start(b);
		wire[0].n = wire[1].n = 0;
		wire_hex(&wire[0], row[i].before);
		wire_hex(&wire[1], row[i].after);
		ws_feed(b, dir, wire[0].at, wire[0].n);
		ws_lose(b, dir, row[i].lost);
		if (wire[1].n)
			ws_feed(b, dir, wire[1].at, wire[1].n);
		ws_end(b);
		ws_check_told(b, dir, row[i].want, row[i].what, 0);
		ws_check_decoders(b, row[i].what);
	}
	ws_close(b);
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
	struct bench *b = ws_open(&(struct agreed){.bodies = true});
	static struct text want;
	struct dice d = dice_of(1402);

	ws_end(b);
	dice_fill(&d, payload, 600);
	wire[0].n = 0;
	wire_frame(&wire[0], FIN | WEBSOCKET_BINARY, payload, 600, mask);
	for (uint64_t lost = 1; lost < 40; lost++) {
		uint64_t off = 300 + lost, h = ws_hash(HASH_START, payload, 300);
		struct websocket_message m = {.opcode = WEBSOCKET_BINARY,
					      .end = 608,
					      .length = 600,
					      .fin = true,
					      .mask = true,
					      .text = span_of(payload, WEBSOCKET_TEXT)};

		h = ws_hash(ws_hash(h, (const uint8_t *)&off, sizeof(off)), payload + off,
			    600 - off);
		want.n = 0;
		ws_note(&want, &m, h);
		ws_start(b);
		ws_feed(b, CLIENT, wire[0].at, 308);
		ws_lose(b, CLIENT, lost);
		ws_feed(b, CLIENT, wire[0].at + 308 + lost, 300 - lost);
		ws_end(b);
		ws_check_told(b, CLIENT, want.at, "a hole", lost);
	}
	ws_close(b);
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
	struct bench *b = ws_open(&(struct agreed){.deflate = true});
	const char *told = b->told[SERVER].at;

	/* What follows refers to what is not there: 'H' is all that can be known of it. */
	ws_feed(b, SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07", 9);
	ws_feed(b, SERVER, "\xc1\x0b\x00\x05\x00\xfa\xffW", 8);
	ws_lose(b, SERVER, 4);
	ws_feed(b, SERVER, "\x00\xc1\x05\xf2\x00\x11\x00", 8);
	ws_end(b);
	CHECK(strstr(told, before) == told, "the one with the hole: %s", told);
	CHECK(strstr(told, "packed 'H'; "), "behind it: %s", told);
	ws_check_decoders(b, "a context with a hole");
	ws_close(b);
	run_holes(&(struct agreed){.deflate = true, .no_context = {true, true}}, SERVER, alone,
		  COUNT(alone));
	run_holes(&(struct agreed){.deflate = true}, SERVER, context, COUNT(context));
}

/* Two holes side by side, as where bytes were lost and others cut off. */
static void test_holes_side_by_side(void)
{
	struct bench *b = ws_open(&(struct agreed){0});

	ws_feed(b, SERVER, "\x81\x08H", 3);
	ws_lose(b, SERVER, 3);
	ws_lose(b, SERVER, 4);
	ws_feed(b, SERVER, "\x81\x04z", 3);
	ws_lose(b, SERVER, 1);
	ws_lose(b, SERVER, 3);
	ws_end(b);
	ws_check_told(b, SERVER, "text 0-10 8 'H'; text 10-13 cut 1 'z'; ", "two holes", 0);
	ws_close(b);
}

/* ---- a capture that begins late ---- */

static void test_midstream(void)
{
	struct bench *b = ws_open(&(struct agreed){0});
	struct parser *p = &b->websocket.parser;

	b->off[SERVER] = 100;
	p->ops->midstream(p, b->state, ws_side(b, SERVER), 100);
	ws_feed(b, SERVER, "\x81\x01z\x81\x01z", 6);
	ws_lose(b, SERVER, 5);
	ws_feed(b, SERVER, "\x81\x01z", 3);
	ws_feed(b, CLIENT, "\x81\x81\0\0\0\0a", 7);
	ws_end(b);
	ws_check_told(b, SERVER, "", "not from its start", 0);
	ws_check_told(b, CLIENT, "text 0-7 1 mask 'a'; ", "the other direction", 0);
	ws_start(b);
	ws_feed(b, SERVER, "\x01\x01z\x89\x02p", 6);
	p->ops->midstream(p, b->state, ws_side(b, SERVER), 100);
	ws_feed(b, SERVER, "\x81\x01z", 3);
	ws_end(b);
	ws_check_told(b, SERVER, "ping 3-6 cut 1 'p'; text 0-6 cut 1 'z'; ", "from there on", 0);
	ws_close(b);
}

CU_TestInfo websocket_holes_tests[] = {
	{"holes", test_holes},
	{"holes_in_the_text", test_holes_in_the_text},
	{"holes_and_masks", test_holes_and_masks},
	{"holes_in_deflate", test_holes_in_deflate},
	{"holes_side_by_side", test_holes_side_by_side},
	{"midstream", test_midstream},
	CU_TEST_INFO_NULL,
};
