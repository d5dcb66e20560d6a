/* SPDX-License-Identifier: MIT */
/*
 * websocket — frames one by one, whole and cut at every place: each message once and with the right
 * bytes; whatever is no frame ends its direction.
 */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/websocket_host.h"

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
		ws_run_rows(&(struct agreed){.client = client}, !client, rows, COUNT(rows));
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
		ws_run_rows(&(struct agreed){.client = client}, client, rows, COUNT(rows));
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

	ws_run_rows(&(struct agreed){0}, SERVER, rows, COUNT(rows));
	ws_run_rows(&(struct agreed){.deflate = true}, SERVER, deflate, COUNT(deflate));
}

static void test_every_opcode(void)
{
	struct bench *b = ws_open(&(struct agreed){0});
	char want[64];

	ws_end(b);
	for (unsigned int opcode = 1; opcode < 16; opcode++) {
		const char *name = websocket_opcode_name((enum websocket_opcode)opcode);
		bool reserved = (opcode > 2 && opcode < 8) || opcode > 10;

		CHECK((strcmp(name, "reserved") == 0) == reserved, "opcode %u: %s", opcode, name);
		wire[0].n = 0;
		wire_frame(&wire[0], (uint8_t)(FIN | opcode), NULL, 0, NULL);
		snprintf(want, sizeof(want), reserved ? "FRAME; " : "%s 0-2 0 ''; ", name);
		ws_try_all(b, SERVER, &wire[0], want, name);
	}
	CU_ASSERT_STRING_EQUAL(websocket_opcode_name(WEBSOCKET_CONTINUATION), "continuation");
	ws_close(b);
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

	ws_run_rows(&(struct agreed){0}, SERVER, rows, COUNT(rows));
	ws_run_rows(&(struct agreed){.deflate = true}, SERVER, rows, COUNT(rows));
}

/* No end was seen, as where the table of flows was full: told when the stream is let go. */
static void test_let_go(void)
{
	struct bench *b = ws_open(&(struct agreed){.client = 1});

	ws_feed(b, 1, "\x01\x81\0\0\0\0a", 7);
	b->dir = 1;
	parser_end(&b->websocket.parser, b->state);
	ws_check_told(b, 1, "text 0-7 cut 1 mask 'a'; ", "by the client", 0);
	ws_start(b);
	ws_feed(b, 0, "\x01\x01z", 3);
	b->dir = 0;
	parser_end(&b->websocket.parser, b->state);
	ws_check_told(b, 0, "text 0-3 cut 1 'z'; ", "by the server", 0);
	ws_close(b);
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
		struct bench *b = ws_open(&(struct agreed){.bodies = true});
		struct websocket_message how = {.mask = i == 3};

		wire[0].n = want.n = 0;
		wire_hex(&wire[0], rows[i]);
		ws_expect(&want, WEBSOCKET_TEXT_MESSAGE, 0, wire[0].n, hello, &how, true);
		ws_feed(b, SERVER, wire[0].at, wire[0].n);
		CHECK(strstr(b->told[SERVER].at, want.at), "%s: %s", rows[i], b->told[SERVER].at);
		ws_end(b);
		ws_close(b);
	}
}

static void test_lengths(void)
{
	static const size_t lengths[] = {0,   1,    125,  126,  127,  255,   256,   257,
					 300, 4095, 4096, 4097, 8192, 65535, 65536, 70000};
	static const uint8_t mask[4] = {0x9a, 0x01, 0xff, 0x80};
	static struct text want;
	struct agreed a = {.bodies = true};
	struct bench *b = ws_open(&a);
	struct dice d = dice_of(1401);

	ws_end(b);
	dice_fill(&d, payload, ROOM);
	for (size_t i = 0; i < 2 * COUNT(lengths); i++) {
		size_t n = lengths[i / 2], header;
		uint8_t dir = i & 1;
		struct websocket_message how = {.mask = dir == CLIENT, .fin = true};

		wire[0].n = want.n = 0;
		wire_frame(&wire[0], FIN | WEBSOCKET_BINARY, payload, n, how.mask ? mask : NULL);
		header = wire[0].n - n;
		CHECK(header == 2u + (n > 125) * 2 + (n > 65535) * 6 + how.mask * 4, "%zu", header);
		ws_expect(&want, WEBSOCKET_BINARY, 0, wire[0].n, span_of(payload, n), &how, true);
		for (size_t cut = 0; cut < header + 6; cut++)
			ws_try_cut(b, dir, &wire[0], cut, 0, want.at, "one frame");
		for (size_t step = 1; step < wire[0].n + 3; step = step * 7 + 3)
			ws_try_cut(b, dir, &wire[0], 0, step, want.at, "in steps");
	}
	ws_close(b);
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
	CU_TEST_INFO_NULL,
};
