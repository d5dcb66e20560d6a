/* SPDX-License-Identifier: MIT */
/* test_pack — built-in patterns: what they find, and that no cut changes it. */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/scan/pack.h"

#define FOUND 256

struct finds {
	struct scan_host host;
	uint32_t n;
	struct {
		char name[24];
		uint64_t from, to, number;
		uint8_t bytes[SCAN_BYTES];
	} at[FOUND];
};

static void on_match(struct scan_host *host, const struct scan_match *m)
{
	struct finds *f = (struct finds *)host; /* its first member */

	if (f->n == FOUND)
		return;
	snprintf(f->at[f->n].name, sizeof(f->at[0].name), "%s", m->pattern->name);
	f->at[f->n].from = m->from;
	f->at[f->n].to = m->to;
	f->at[f->n].number = m->number;
	memcpy(f->at[f->n].bytes, m->bytes.at, span_len(m->bytes));
	f->n++;
}

struct bench {
	struct quota total;
	struct finds finds;
	struct scan scan;
	struct pack pack;
};

static const struct pack_conf both = {
	.packs = PACK_FLAGS | PACK_SECRETS, .prefixes = 2, .prefix = {"FLAG", "ctf"}};

static bool bench_open(struct bench *b)
{
	struct scan_conf conf = {.rows = 4, .matches = 16, .per_row = 1000, .total = &b->total};

	b->total.left = 100000;
	b->finds.n = 0;
	b->finds.host = (struct scan_host){.match = on_match};
	return scan_open(&b->scan, &conf, &b->finds.host) == 0 &&
	       pack_open(&b->pack, &both, &b->scan, 4, 8) == 0;
}

static void bench_close(struct bench *b)
{
	pack_close(&b->pack);
	scan_close(&b->scan);
}

static void feed_whole(struct bench *b, const char *text)
{
	b->finds.n = 0;
	pack_feed(&b->pack, 1, 0, span_of((const uint8_t *)text, strlen(text)), 1, 1);
	pack_end(&b->pack, 1);
}

static void test_pack_finds(void)
{
	static const struct {
		const char *text, *name; /* NULL: nothing */
		uint64_t from, to;
	} rows[] = {
		{"FLAG{a}", "flag", 0, 7},
		{"--FLAG{with space & $igns}..", "flag", 2, 26},
		{"my_ctf{suffix of a word}", "flag", 0, 24},
		{"WORD{unknown}", NULL, 0, 0},
		{"FLAG{}", NULL, 0, 0},
		{"FLAG{line\nend}", NULL, 0, 0},
		{"FLAG{open", NULL, 0, 0},
		{"d41d8cd98f00b204e9800998ecf8427e", "flag_hex32", 0, 32},
		{"D41D8CD98F00B204E9800998ECF8427E", "flag_hex32", 0, 32},
		{"d41d8cd98f00b204e9800998ecf8427", NULL, 0, 0},
		{"d41d8cd98f00b204e9800998ecf8427e0", NULL, 0, 0},
		{"d41d8cd98f00b204e9800998ecf8427ez", NULL, 0, 0},
		{"zd41d8cd98f00b204e9800998ecf8427e", NULL, 0, 0},
		{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "flag_hex64",
		 0, 64},
		{"=AKIAIOSFODNN7EXAMPLE&", "aws_access_key", 1, 21},
		{"AKIAIOSFODNN7EXAMPL", NULL, 0, 0},
		{"-----BEGIN RSA PRIVATE KEY-----\n", "private_key", 0, 31},
		{"-----BEGIN PRIVATE KEY-----", "private_key", 0, 27},
		{"-----BEGIN PUBLIC KEY-----", NULL, 0, 0},
		{"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln", "jwt", 0, 40},
		{"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "jwt", 0, 36},
		{"eyJhbGciOiJub25lIn0.plain", NULL, 0, 0},
		{"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "github_token", 0, 40},
		{"glpat-abcdefghij0123456789", "gitlab_token", 0, 26},
		{"xoxb-123456789012-abcdef", "slack_token", 0, 24},
		{"AIzaSyA1234567890abcdefghijklmnopqrstuv", "google_api_key", 0, 39},
		{"4111111111111111", "credit_card", 0, 16},
		{"4111 1111 1111 1111", "credit_card", 0, 19},
		{"4111-1111-1111-1111.", "credit_card", 0, 19},
		{"4111111111111112", NULL, 0, 0},
		{"41111111", NULL, 0, 0},
	};
	static struct bench b;

	CU_ASSERT_TRUE_FATAL(bench_open(&b));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got;

		feed_whole(&b, rows[i].text);
		got = b.finds.n ? b.finds.at[0].name : "nothing";
		CHECK(b.finds.n == (rows[i].name ? 1 : 0), "%s: %u found, %s", rows[i].text,
		      b.finds.n, got);
		if (!rows[i].name || !b.finds.n)
			continue;
		CHECK(strcmp(got, rows[i].name) == 0 && b.finds.at[0].from == rows[i].from &&
			      b.finds.at[0].to == rows[i].to,
		      "%s: %s at %llu to %llu", rows[i].text, got,
		      (unsigned long long)b.finds.at[0].from, (unsigned long long)b.finds.at[0].to);
		CHECK(memcmp(b.finds.at[0].bytes, rows[i].text + rows[i].from,
			     rows[i].to - rows[i].from) == 0,
		      "%s: other bytes", rows[i].text);
	}
	bench_close(&b);
}

/* Words that are matches, nearly matches and noise, with anything between them. */
static size_t compose(struct dice *d, char *out, size_t room)
{
	static const char *const words[] = {"FLAG{one}",
					    "ctf{two_3}",
					    "nope{x}",
					    "FLAG{",
					    "}",
					    "eyJhbGciOiJub25lIn0",
					    "eyJzdWIiOiJ4In0.sig",
					    ".",
					    "4111111111111111",
					    "d41d8cd98f00b204e9800998ecf8427e",
					    "AKIAIOSFODNN7EXAMPLE",
					    "-----BEGIN EC PRIVATE KEY-----",
					    "a",
					    "0",
					    " ",
					    "=",
					    "-",
					    "\n",
					    "xoxb-1234567890",
					    "ghp_abcdefghijklmnopqrstuvwxyz0123456789"};
	size_t n = 0;

	out[0] = 0;
	while (n + 64 < room && dice_below(d, 60)) {
		const char *w = words[dice_below(d, sizeof(words) / sizeof(words[0]))];

		n += (size_t)snprintf(out + n, room - n, "%s", w);
	}
	return n;
}

static bool alike(const struct finds *a, const struct finds *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (strcmp(a->at[i].name, b->at[i].name) != 0 || a->at[i].from != b->at[i].from ||
		    a->at[i].to != b->at[i].to)
			return false;
	return true;
}

static void test_pack_any_chunking(void)
{
	static struct bench b;
	static struct finds whole;
	static char text[4096];
	struct dice d = dice_of(4711);
	struct guard g;

	CU_ASSERT_TRUE_FATAL(bench_open(&b) && guard_open(&g, sizeof(text)));
	for (int round = 0; round < 3000; round++) {
		size_t n = compose(&d, text, sizeof(text)), used = 0;
		uint32_t least = dice_below(&d, 2) ? 1 : 20; /* PACK_PIECES of 20 hold a match */
		uint32_t most =
			least + (dice_below(&d, 2) ? dice_below(&d, 5) : dice_below(&d, 700));
		uint64_t number = 0, ends[4096];

		feed_whole(&b, text);
		whole = b.finds;
		b.finds.n = 0;
		while (used < n) {
			size_t step = least + dice_below(&d, most - least + 1);

			step = step < n - used ? step : n - used;
			for (size_t i = used; i < used + step; i++)
				ends[i] = number + 1;
			pack_feed(&b.pack, 2, used,
				  span_of(guard_put(&g, (uint8_t *)text + used, step), step), 0,
				  ++number);
			used += step;
		}
		pack_end(&b.pack, 2);
		if (!CHECK(alike(&whole, &b.finds), "%u and %u matches, seed %llu", whole.n,
			   b.finds.n, (unsigned long long)d.seed))
			break;
		for (uint32_t i = 0; least > 1 && i < b.finds.n; i++)
			CHECK(b.finds.at[i].number == ends[b.finds.at[i].to - 1],
			      "the packet of the last byte, seed %llu", (unsigned long long)d.seed);
	}
	guard_close(&g);
	bench_close(&b);
}

static void test_pack_holes(void)
{
	static struct bench b;

	CU_ASSERT_TRUE_FATAL(bench_open(&b));
	pack_feed(&b.pack, 0, 0, span_of((const uint8_t *)"FLAG{ab", 7), 1, 1);
	pack_feed(&b.pack, 0, 9, span_of((const uint8_t *)"cd} FLAG{e}", 11), 2, 2);
	pack_end(&b.pack, 0);
	CU_ASSERT_EQUAL(b.finds.n, 1);
	CU_ASSERT_EQUAL(b.finds.at[0].from, 13);
	bench_close(&b);
}

/* What may still become a longer word is decided, and what follows begins no word. */
static void test_pack_settled(void)
{
	static const char digits[] = " 0123456789abcdef0123456789abcdef";
	static struct bench b;

	CU_ASSERT_TRUE_FATAL(bench_open(&b));
	pack_feed(&b.pack, 0, 0, span_of((const uint8_t *)digits, 33), 1, 1);
	CU_ASSERT_TRUE(pack_waits(&b.pack, 0));
	pack_settle(&b.pack, 0, 32);
	CU_ASSERT_EQUAL(b.finds.n, 0);
	for (int again = 0; again < 2; again++) {
		pack_settle(&b.pack, 0, 33);
		CU_ASSERT_FALSE(pack_waits(&b.pack, 0));
		CU_ASSERT_EQUAL(b.finds.n, 1);
	}
	CU_ASSERT_TRUE(b.finds.at[0].from == 1 && b.finds.at[0].to == 33);
	pack_feed(&b.pack, 0, 33, span_of((const uint8_t *)digits + 1, 32), 2, 2);
	pack_end(&b.pack, 0);
	CU_ASSERT_EQUAL(b.finds.n, 1);
	bench_close(&b);
}

CU_TestInfo pack_tests[] = {
	{"finds", test_pack_finds}, {"any_chunking", test_pack_any_chunking},
	{"holes", test_pack_holes}, {"settled", test_pack_settled},
	CU_TEST_INFO_NULL,
};
