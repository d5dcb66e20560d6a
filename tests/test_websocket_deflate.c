/* SPDX-License-Identifier: MIT */
/*
 * websocket_deflate — permessage-deflate (RFC 7692): contexts, damage and bounds are a message's
 * own.
 */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/websocket_host.h"

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

	ws_run_rows(&a, SERVER, rows, COUNT(rows));
	ws_run_rows(&a, CLIENT, mask, COUNT(mask));
	a.no_context[CLIENT] = a.no_context[SERVER] = false;
	ws_run_rows(&a, SERVER, rows, COUNT(rows));
	ws_run_rows(&a, SERVER, context, COUNT(context));
	a.no_context[CLIENT] = true; /* the other direction's */
	ws_run_rows(&a, SERVER, context, COUNT(context));
}

/* RFC 7692 §7.2.3.4: BFINAL set, and a byte for the tail behind it. */
static void test_deflate_final_block(void)
{
	static const struct row rows[] = {
		{"one", "c108 f348cdc9c9070000", "text 0-10 5 packed 'Hello'; "},
		{"two", "c108 f348cdc9c9070000 c108 f348cdc9c9070000",
		 "text 0-10 5 packed 'Hello'; text 10-20 5 packed 'Hello'; "},
		{"and more behind it in the message", "c10e f348cdc9c90700 f248cdc9c90700",
		 "text 0-16 10 packed 'HelloHello'; "},
		{"and more in the next fragment", "4107 f348cdc9c90700 8007 f248cdc9c90700",
		 "text 0-18 10 packed 'HelloHello'; "},
		{"one of the usual kind behind it", "c108 f348cdc9c9070000 c107 f248cdc9c90700",
		 "text 0-10 5 packed 'Hello'; text 10-19 5 packed 'Hello'; "},
	};
	struct agreed a = {.deflate = true, .no_context = {true, true}};

	ws_run_rows(&a, SERVER, rows, COUNT(rows));
	a.no_context[SERVER] = false;
	ws_run_rows(&a, SERVER, rows, COUNT(rows));
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

	ws_run_rows(&(struct agreed){.deflate = true, .no_context = {true, true}}, SERVER, rows,
		    COUNT(rows));
	ws_run_rows(&(struct agreed){.deflate = true}, SERVER, rows, COUNT(rows));
}

/* A message that stops inside a block was damaged by its sender. */
static void test_deflate_stops_early(void)
{
	static const char *const rows[] = {"c108 000500faff48656c", "c108 000900f6ff48656c",
					   "c102 f248", "c100"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench *b =
			ws_open(&(struct agreed){.deflate = true, .no_context = {true, true}});
		size_t first;

		wire[0].n = 0;
		wire_hex(&wire[0], rows[i]);
		ws_feed(b, SERVER, wire[0].at, wire[0].n);
		CHECK(b->anomalies == 1 && strstr(b->told[SERVER].at, "DAMAGED; "), "%s: %s",
		      rows[i], b->told[SERVER].at);
		first = b->told[SERVER].n;
		ws_feed(b, SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07", 9);
		CHECK(strstr(b->told[SERVER].at + first, " 5 packed 'Hello'; "), "%s: %s", rows[i],
		      b->told[SERVER].at);
		ws_end(b);
		ws_check_decoders(b, rows[i]);
		ws_close(b);
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
		struct bench *b = ws_open(&a);
		const char *told = b->told[SERVER].at;
		char size[32];

		packer_open(&packer);
		packer_pack(&packer, payload, rows[i].n, true);
		wire[0].n = 0;
		wire_frame(&wire[0], FIN | RSV1 | WEBSOCKET_BINARY, packer.at, packer.n, NULL);
		wire_hex(&wire[0], "8101 61 c107 f248cdc9c90700");
		for (size_t at = 0, n; at < wire[0].n; at += n) {
			n = wire[0].n - at < 1460 ? wire[0].n - at : 1460;
			ws_feed(b, SERVER, wire[0].at + at, n);
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
		ws_end(b);
		ws_check_decoders(b, rows[i].what);
		ws_close(b);
		deflateEnd(&packer.z);
	}
}

/* What refers to a message that was too much is not inflated, and nobody's damage. */
static void test_deflate_behind_a_bomb(void)
{
	static struct packer packer;
	struct agreed a = {.deflate = true, .max_bytes = 2 << 20, .max_ratio = 5000};
	struct bench *b = ws_open(&a);

	packer_open(&packer);
	memset(payload, 'x', 3 << 20);
	packer_pack(&packer, payload, 3 << 20, false);
	wire[0].n = 0;
	wire_frame(&wire[0], FIN | RSV1 | WEBSOCKET_TEXT_MESSAGE, packer.at, packer.n, NULL);
	packer_pack(&packer, payload, 300, false);
	wire_frame(&wire[0], FIN | RSV1 | WEBSOCKET_TEXT_MESSAGE, packer.at, packer.n, NULL);
	ws_feed(b, SERVER, wire[0].at, wire[0].n);
	CHECK(b->anomalies == 1 && !strncmp(b->told[SERVER].at, "LIMIT; ", 7), "%.40s",
	      b->told[SERVER].at);
	CU_ASSERT_EQUAL(b->websocket.messages, 2);
	ws_end(b);
	ws_check_decoders(b, "behind a bomb");
	ws_close(b);
	deflateEnd(&packer.z);
}

/* The bounds are a message's: the sum of many in one context may be beyond them. */
static void test_deflate_bounds_are_a_messages(void)
{
	static struct packer packer;
	struct agreed a = {.deflate = true, .max_bytes = 2 << 20, .max_ratio = 5000};
	struct bench *b = ws_open(&a);

	packer_open(&packer);
	memset(payload, 'x', 1 << 20);
	for (int i = 0; i < 10; i++) {
		packer_pack(&packer, payload, 1 << 20, false);
		wire[0].n = 0;
		wire_frame(&wire[0], FIN | RSV1 | WEBSOCKET_TEXT_MESSAGE, packer.at, packer.n,
			   NULL);
		ws_feed(b, SERVER, wire[0].at, wire[0].n);
	}
	CU_ASSERT_EQUAL(b->anomalies, 0);
	CU_ASSERT_EQUAL(b->websocket.messages, 10);
	ws_end(b);
	ws_check_decoders(b, "many messages");
	ws_close(b);
	deflateEnd(&packer.z);
}

/* Without a decoder a message is told, without its text. */
static void test_no_decoder(void)
{
	struct bench *b = ws_open(&(struct agreed){.deflate = true, .decoders = 1});

	ws_feed(b, SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
	ws_feed(b, CLIENT, "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00", 13);
	ws_feed(b, CLIENT, "\x81\x81\0\0\0\0a", 7);
	ws_feed(b, SERVER, "\xc1\x05\xf2\x00\x11\x00\x00", 7);
	ws_check_told(b, SERVER, "text 0-9 5 packed 'Hello'; text 9-16 5 packed 'Hello'; ",
		      "has one", 0);
	ws_check_told(b, CLIENT, "text 0-13 0 mask packed ''; text 13-20 1 mask 'a'; ", "has none",
		      0);
	CU_ASSERT_EQUAL(b->codings.refused, 1);
	ws_ended(b, SERVER);
	ws_feed(b, CLIENT, "\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00", 11);
	ws_check_told(b, CLIENT,
		      "text 0-13 0 mask packed ''; text 13-20 1 mask 'a'; "
		      "text 20-31 1 mask packed 'H'; ",
		      "has it now, but not what was said", 0);
	CU_ASSERT_EQUAL(b->anomalies, 0);
	ws_end(b);
	ws_check_decoders(b, "one decoder");
	ws_close(b);
}

CU_TestInfo websocket_deflate_tests[] = {
	{"deflate_examples", test_deflate_examples},
	{"deflate_final_block", test_deflate_final_block},
	{"deflate_damaged", test_deflate_damaged},
	{"deflate_stops_early", test_deflate_stops_early},
	{"deflate_bombs", test_deflate_bombs},
	{"deflate_behind_a_bomb", test_deflate_behind_a_bomb},
	{"deflate_bounds_are_a_messages", test_deflate_bounds_are_a_messages},
	{"no_decoder", test_no_decoder},
	CU_TEST_INFO_NULL,
};
