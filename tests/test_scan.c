/* SPDX-License-Identifier: MIT */
/* scan — how matches are joined, told and bounded, one by one; scan_any has the rest. */
#include <string.h>

#include "tests/runs.h"
#include "tests/suites.h"

static const struct scan_conf roomy = {.rows = RUNS, .matches = 100000, .per_row = UINT16_MAX};
static struct runs runs;

/* One pattern, and caps. */
static struct pattern_set *begin(enum pattern_kind kind, const char *text, struct scan_conf conf,
				 uint64_t total)
{
	struct pattern_set *set = pattern_set_new();
	char why[512] = "";

	if (pattern_add(set, kind, text, why, sizeof(why)) < 0 ||
	    pattern_compile(set, why, sizeof(why)) < 0)
		CHECK(false, "%s", why);
	CU_ASSERT_TRUE_FATAL(runs_open(&runs, set, conf, total));
	return set;
}

static void finish(struct pattern_set *set)
{
	CHECK(!runs.wrong, "a match that makes no sense");
	runs_close(&runs);
	pattern_set_free(set);
}

static bool told(const struct run *r, uint32_t i, uint64_t from, uint64_t to)
{
	return i < r->hits && r->hit[i].from == from && r->hit[i].to == to;
}

static void set_text(struct run *r, const char *text)
{
	run_set(r, text, (uint32_t)strlen(text));
}

/* Pieces that end where the numbers say, the last one 0. */
static void cut_at(struct run *r, const uint32_t *at)
{
	for (r->pieces = 1; *at; r->pieces++, at++) {
		r->piece[r->pieces - 1].to = *at;
		r->piece[r->pieces] = (struct piece){*at, r->len};
	}
}

/* What 1000 times 'x' with some letters in it give, in two pieces of any lengths. */
static void test_joining(void)
{
	static const struct {
		const char *regex, *letters;
		uint32_t at[5];
		struct piece want[2];
		const char *why;
	} rows[] = {
		{"a.*b", "abbb", {0, 2, 258, 514}, {{0, 515}}, "each end in reach of the last"},
		{"a.*b", "abbb", {0, 2, 258, 515}, {{0, 259}}, "one byte too far"},
		{"a.*b", "abbb", {0, 2, 259, 260}, {{0, 3}}, "the chain is broken for good"},
		{"a.*b", "aab", {0, 9, 20}, {{0, 21}}, "only from the leftmost start"},
		{"c.{257}d|ab", "cabd", {0, 1, 2, 258}, {{0, 259}}, "inside, and not told yet"},
		{"c.{258}d|ab", "cabd", {0, 1, 2, 259}, {{1, 3}, {0, 260}}, "told before"},
		{"a..|.bc", "abc", {5, 6, 7}, {{5, 8}}, "one end has one start"},
		{"ab..|b...", "ab", {5, 6}, {{5, 9}, {6, 10}}, "overlaps stay"},
		{"ab|xabx", "ab", {5, 6}, {{4, 8}}, "inside"},
		{"xx$", "", {0}, {{998, 1000}}, "told at the end"},
	};
	struct run *r = &runs.row[0];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_set *set = begin(PATTERN_REGEX, rows[i].regex, roomy, UINT64_MAX);
		const struct piece *w = rows[i].want;
		char text[1001];

		memset(text, 'x', 1000);
		text[1000] = 0;
		for (uint32_t k = 0; rows[i].letters[k]; k++)
			text[rows[i].at[k]] = rows[i].letters[k];
		for (uint32_t at = 0; at < 1000; at += at < 12 ? 1 : 19) {
			set_text(r, text);
			cut_at(r, (uint32_t[]){at, 0});
			runs_finish(&runs, 0);
			CHECK(told(r, 0, w[0].from, w[0].to) &&
				      (w[1].to ? r->hits == 2 && told(r, 1, w[1].from, w[1].to)
					       : r->hits == 1),
			      "%s (%s), cut at %u: %u matches, the first to %llu", rows[i].why,
			      rows[i].regex, at, r->hits, (unsigned long long)r->hit[0].to);
		}
		finish(set);
	}
}

/* A match is told when the row has passed its end by more than SCAN_JOIN bytes. */
static void test_told_in_time(void)
{
	struct pattern_set *set = begin(PATTERN_SUBSTRING, "ab", roomy, UINT64_MAX);
	struct run *r = &runs.row[0];
	char text[600];

	memset(text, 'x', sizeof(text));
	memcpy(text + 40, "ab", 2);
	text[599] = 0;
	set_text(r, text);
	cut_at(r, (uint32_t[]){42, 42 + SCAN_JOIN, 43 + SCAN_JOIN, 0});
	runs_feed(&runs, 0);
	runs_feed(&runs, 0);
	CU_ASSERT_EQUAL(r->hits, 0);
	runs_feed(&runs, 0);
	CHECK(r->hits == 1 && told(r, 0, 40, 42) && r->hit[0].piece == 0, "%u", r->hits);
	runs_finish(&runs, 0);
	CU_ASSERT_EQUAL(r->hits, 1);
	finish(set);
}

/* Where nothing more is waited for it is told at once, and once; by bytes that came before it was
 * said, not by those after. */
static void test_settled(void)
{
	static const struct {
		const char *regex, *text;
		uint32_t cut;
		struct piece want[3];
		const char *why;
	} rows[] = {
		{"ab", "xxabxxab", 4, {{2, 4}, {6, 8}}, "has one end"},
		{"a.*b", "abxxb", 2, {{0, 2}}, "not told again with a later end"},
		{"a.{1,30}b", "axbxxb", 3, {{0, 3}}, "nor where its length is bounded"},
		{"a.{1,3}b", "axbxbab", 3, {{0, 3}}, "nor where it is short; the next has no room"},
		{"ab|xabx", "xabx", 3, {{1, 3}, {0, 4}}, "inside one that came later"},
	};
	struct run *r = &runs.row[1];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_set *set = begin(PATTERN_REGEX, rows[i].regex, roomy, UINT64_MAX);
		uint32_t n = 0, before = 0;

		set_text(r, rows[i].text);
		r->base = 70;
		cut_at(r, (uint32_t[]){rows[i].cut, 0});
		while (rows[i].want[n].to)
			before += rows[i].want[n++].to <= rows[i].cut;
		CU_ASSERT_FALSE(scan_waits(&runs.scan, 1));
		runs_feed(&runs, 1);
		CU_ASSERT_TRUE(scan_waits(&runs.scan, 1));
		scan_settle(&runs.scan, 1, 70 + rows[i].cut - 1); /* it is further by now */
		scan_settle(&runs.scan, 3, 0);                    /* it never began */
		CU_ASSERT_EQUAL(r->hits, 0);
		for (int again = 0; again < 2; again++) {
			scan_settle(&runs.scan, 1, 70 + rows[i].cut);
			CU_ASSERT_FALSE(scan_waits(&runs.scan, 1));
			CHECK(r->hits == before, "%s: %u told", rows[i].why, r->hits);
		}
		runs_finish(&runs, 1);
		scan_settle(&runs.scan, 1, 70 + r->len); /* it has ended */
		CHECK(r->hits == n, "%s: %u in all", rows[i].why, r->hits);
		for (uint32_t k = 0; k < n; k++)
			CHECK(told(r, k, rows[i].want[k].from, rows[i].want[k].to),
			      "%s: %llu to %llu", rows[i].why, (unsigned long long)r->hit[k].from,
			      (unsigned long long)r->hit[k].to);
		finish(set);
	}
}

static void test_holes(void)
{
	struct pattern_set *set = begin(PATTERN_REGEX, "ab$", roomy, UINT64_MAX);
	struct run *r = &runs.row[0];

	set_text(r, "xab-xab-xab\n");
	r->piece[0] = (struct piece){0, 3};
	r->piece[1] = (struct piece){4, 7};
	r->piece[2] = (struct piece){8, 12};
	r->pieces = 3;
	runs_finish(&runs, 0);
	CHECK(r->hits == 1 && told(r, 0, 9, 11), "no end before a hole: %u", r->hits);
	finish(set);
	set = begin(PATTERN_SUBSTRING, "ab", roomy, UINT64_MAX);
	set_text(r, "xa-bab");
	r->piece[0] = (struct piece){0, 2};
	r->piece[1] = (struct piece){3, 6};
	r->pieces = 2;
	runs_finish(&runs, 0);
	CHECK(r->hits == 1 && told(r, 0, 4, 6), "none over a hole: %u", r->hits);
	finish(set);
}

/* The first bytes of a long match, wherever the pieces end (on_match in runs.c compares them). */
static void test_bytes(void)
{
	struct pattern_set *set = begin(PATTERN_REGEX, "a...+b", roomy, UINT64_MAX);
	struct run *r = &runs.row[0];
	char text[751];

	for (int i = 0; i < 750; i++)
		text[i] = (char)('c' + i % 23);
	text[20] = 'a';
	text[700] = 'b';
	text[750] = 0;
	for (uint32_t first = 1; first < 730; first += first < 30 ? 1 : 23) {
		for (uint32_t second = first + 1; second < 740; second += 1 + second / 9) {
			set_text(r, text);
			cut_at(r, (uint32_t[]){first, second, 0});
			runs_finish(&runs, 0);
			CHECK(r->hits == 1 && told(r, 0, 20, 701), "cut at %u and %u", first,
			      second);
		}
	}
	finish(set);
}

/* ---- caps ---- */

static void test_cap_of_a_row(void)
{
	struct scan_conf conf = {.rows = RUNS, .matches = 100000, .per_row = 4};
	struct pattern_set *set = begin(PATTERN_SUBSTRING, "ab", conf, UINT64_MAX);

	for (uint64_t round = 1; round < 4; round++) {
		for (uint32_t row = 0; row < 2; row++)
			set_text(&runs.row[row], "abababababab");
		cut_at(&runs.row[1], (uint32_t[]){1, 5, 6, 0});
		while (runs_feed(&runs, 0) | runs_feed(&runs, 1))
			;
		for (uint32_t row = 0; row < 2; row++) {
			scan_end(&runs.scan, row, 0, 0);
			CHECK(runs.row[row].hits == 4 && told(&runs.row[row], 3, 6, 8),
			      "row %u: %u", row, runs.row[row].hits);
		}
		CU_ASSERT_EQUAL(runs.scan.matches, 8 * round);
		CU_ASSERT_EQUAL(runs.scan.dropped, 4 * round);
	}
	finish(set);
}

static void test_cap_of_the_pool(void)
{
	struct scan_conf conf = {.rows = RUNS, .matches = 5, .per_row = 100};
	struct pattern_set *set = begin(PATTERN_SUBSTRING, "ab", conf, UINT64_MAX);

	set_text(&runs.row[0], "ababab");
	set_text(&runs.row[1], "abababab");
	cut_at(&runs.row[1], (uint32_t[]){6, 0});
	runs_feed(&runs, 0);
	runs_feed(&runs, 1);
	CU_ASSERT_EQUAL(runs.scan.dropped, 1);
	scan_end(&runs.scan, 0, 0, 0); /* three are free again */
	runs_finish(&runs, 1);
	CHECK(runs.row[0].hits == 3 && told(&runs.row[0], 2, 4, 6), "%u", runs.row[0].hits);
	CHECK(runs.row[1].hits == 3 && told(&runs.row[1], 1, 2, 4) && told(&runs.row[1], 2, 6, 8),
	      "%u", runs.row[1].hits);
	CU_ASSERT_EQUAL(runs.scan.dropped, 1);
	CU_ASSERT_EQUAL(runs.scan.matches, 6);
	finish(set);
}

/* Of all that scan by the same quota. */
static void test_cap_of_the_run(void)
{
	struct pattern_set *set = begin(PATTERN_SUBSTRING, "ab", roomy, 5);

	for (uint32_t row = 0; row < 2; row++) {
		set_text(&runs.row[row], "abababab");
		runs_finish(&runs, row);
	}
	CHECK(runs.row[0].hits == 4 && runs.row[1].hits == 1 && told(&runs.row[1], 0, 0, 2),
	      "%u, %u", runs.row[0].hits, runs.row[1].hits);
	CU_ASSERT_TRUE(runs.scan.matches == 5 && runs.scan.dropped == 3);
	finish(set);
}

/* ---- rows ---- */

static void test_rows_begin_anew(void)
{
	struct scan_conf conf = {.rows = RUNS, .matches = 40, .per_row = 40};
	struct pattern_set *set = begin(PATTERN_SUBSTRING, "ab", conf, UINT64_MAX);
	struct run *r = &runs.row[0];

	for (uint64_t base = 0; base < 4; base++) {
		set_text(r, "a");
		r->base = base;
		runs_finish(&runs, 0);
		set_text(r, "b");
		r->base = base + 1;
		runs_finish(&runs, 0);
		CHECK(r->hits == 0, "over the end of a row, base %llu", (unsigned long long)base);
	}
	for (int i = 0; i < 50; i++) {
		set_text(r, "ababababab");
		runs_finish(&runs, 0);
		CHECK(r->hits == 5 && runs.scan.dropped == 0, "round %d: %u told", i, r->hits);
	}
	scan_end(&runs.scan, 3, 0, 0); /* it never began */
	CU_ASSERT_TRUE(runs_use(&runs, NULL));
	CU_ASSERT_FALSE(scan_is_on(&runs.scan));
	CU_ASSERT_TRUE(runs_use(&runs, set) && scan_is_on(&runs.scan));
	set_text(r, "ab");
	runs_finish(&runs, 0);
	CHECK(r->hits == 1 && told(r, 0, 0, 2), "by the set again: %u", r->hits);
	CU_ASSERT_EQUAL(runs.scan.bytes, 4 * 2 + 50 * 10 + 2);
	finish(set);
}

CU_TestInfo scan_tests[] = {
	{"joining", test_joining},
	{"told_in_time", test_told_in_time},
	{"settled", test_settled},
	{"holes", test_holes},
	{"bytes", test_bytes},
	{"cap_of_a_row", test_cap_of_a_row},
	{"cap_of_the_pool", test_cap_of_the_pool},
	{"cap_of_the_run", test_cap_of_the_run},
	{"rows_begin_anew", test_rows_begin_anew},
	CU_TEST_INFO_NULL,
};
