/* SPDX-License-Identifier: MIT */
/* rescan — another set of patterns while streams run, and over what is kept of them. */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/scan/rescan.h"

enum { MATCHES = 4096, LENGTH = 100000 };

/* What was told. */
struct told {
	struct scan_host host;
	struct {
		uint32_t row;
		uint64_t from, to;
		char name[8];
	} match[MATCHES];
	uint32_t n;
};

static void on_match(struct scan_host *host, const struct scan_match *m)
{
	struct told *t = (struct told *)host; /* its first member */

	if (t->n == MATCHES)
		return;
	t->match[t->n].row = m->row;
	t->match[t->n].from = m->from;
	t->match[t->n].to = m->to;
	snprintf(t->match[t->n++].name, sizeof(t->match[0].name), "%s", m->pattern->name);
}

static size_t no_fetch(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst, size_t n)
{
	(void)host, (void)row, (void)off;
	if (n)
		*dst = 0;
	return 0;
}

static struct told told;

static void begin(void)
{
	told = (struct told){.host = {.match = on_match, .fetch = no_fetch}};
}

static bool was_told(uint32_t row, uint64_t from, uint64_t to, const char *name)
{
	for (uint32_t i = 0; i < told.n; i++)
		if (told.match[i].row == row && told.match[i].from == from &&
		    told.match[i].to == to && strcmp(told.match[i].name, name) == 0)
			return true;
	return false;
}

static struct pattern_set *set_of(const char *typed)
{
	struct pattern_set *set = pattern_set_new();
	char why[256];

	CU_ASSERT_EQUAL_FATAL(pattern_add(set, PATTERN_REGEX, typed, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(pattern_compile(set, why, sizeof(why)), 0);
	return set;
}

static void feed(struct scan *s, uint32_t row, uint64_t *off, const char *text)
{
	scan_feed(s, row, *off, span_of((const uint8_t *)text, strlen(text)), 0, 0);
	*off += strlen(text);
}

static const struct scan_conf conf = {.rows = 100, .matches = 1000, .per_row = 100};

/* Row 1 goes on, row 2 is not heard of any more, row 3 ends, row 4 comes later. */
static void test_another_set(void)
{
	struct pattern_set *a = set_of("a=AA+"), *b = set_of("b=B[0-9]{2}|AA");
	struct scan_conf own = conf;
	struct quota total;
	uint64_t off[5] = {0};
	struct scan s;

	begin();
	atomic_init(&total.left, 1000);
	own.total = &total;
	CU_ASSERT_EQUAL_FATAL(scan_open(&s, &own, &told.host), 0);
	CU_ASSERT_EQUAL_FATAL(scan_use(&s, a), 0);
	for (uint32_t row = 1; row < 4; row++)
		feed(&s, row, &off[row], "..AAA.B12.A");
	CU_ASSERT_EQUAL(told.n, 0); /* they wait: more could follow */
	CU_ASSERT_EQUAL_FATAL(scan_use(&s, b), 0);
	CU_ASSERT_EQUAL(told.n, 0);
	feed(&s, 1, &off[1], "A.B34.");
	CHECK(told.n == 1 && was_told(1, 2, 5, "a"), "told before the row changes, %u", told.n);
	feed(&s, 4, &off[4], "B56");
	scan_end(&s, 3, 0, 0);
	CU_ASSERT_TRUE(was_told(3, 2, 5, "a"));
	CU_ASSERT_FALSE(scan_retire(&s, 1));
	CU_ASSERT_FALSE(was_told(2, 2, 5, "a"));
	CU_ASSERT_TRUE(scan_retire(&s, 100));
	CU_ASSERT_TRUE(was_told(2, 2, 5, "a"));
	pattern_set_free(a); /* nobody has it any more */
	for (uint32_t row = 1; row < 5; row++)
		scan_end(&s, row, 0, 0);
	CU_ASSERT_TRUE(was_told(1, 13, 16, "b"));
	CU_ASSERT_TRUE(was_told(4, 0, 3, "b"));
	CHECK(told.n == 5, "%u matches: none is of both sets", told.n);
	CU_ASSERT_EQUAL_FATAL(scan_use(&s, NULL), 0); /* none at all */
	CU_ASSERT_TRUE(scan_retire(&s, 100));
	CU_ASSERT_FALSE(scan_is_on(&s));
	feed(&s, 1, &off[1], "AAAA B78");
	scan_end(&s, 1, 0, 0);
	CU_ASSERT_EQUAL(told.n, 5);
	scan_close(&s);
	pattern_set_free(b);
}

/* Several changes without a pause between: the set before the last leaves at once. */
static void test_sets_in_a_row(void)
{
	struct pattern_set *set[4];
	struct scan_conf own = conf;
	struct quota total;
	uint64_t off = 0;
	struct scan s;

	begin();
	atomic_init(&total.left, 1000);
	own.total = &total;
	CU_ASSERT_EQUAL_FATAL(scan_open(&s, &own, &told.host), 0);
	for (int i = 0; i < 4; i++) {
		set[i] = set_of("x=Z[0-9]");
		CU_ASSERT_EQUAL_FATAL(scan_use(&s, set[i]), 0);
		if (i > 1)
			pattern_set_free(set[i - 2]);
		feed(&s, 7, &off, "Z1");
	}
	scan_end(&s, 7, 0, 0);
	CU_ASSERT_EQUAL(told.n, 4);
	scan_close(&s);
	pattern_set_free(set[2]);
	pattern_set_free(set[3]);
}

static uint8_t text[2][LENGTH];
static bool kept[2][LENGTH];

/* A stream with words and holes; most pieces are shorter than a word. */
static struct content_view fill(struct content *c, struct dice *d)
{
	uint32_t n[2] = {0};

	content_start(c, 1);
	for (int dir = 0; dir < 2; dir++) {
		memset(text[dir], '.', LENGTH);
		for (uint32_t at = 0; at + 200 < LENGTH; at += 7 + dice_below(d, 200))
			memcpy(text[dir] + at, "needle", 6);
	}
	while (n[0] < LENGTH - 300 && n[1] < LENGTH - 300) {
		uint8_t dir = (uint8_t)dice_below(d, 2);
		uint32_t len = 1 + dice_below(d, dice_below(d, 10) ? 5 : 300);
		bool hole = dice_below(d, 40) == 0;

		if (hole)
			content_hole(c, 1, dir, len, SEGMENT_GAP);
		else
			content_add(c, 1, dir, POS_NONE, text[dir] + n[dir], len);
		memset(kept[dir] + n[dir], !hole, len);
		n[dir] += len;
	}
	return content_view(c, 1, n[0], n[1]);
}

/* Every needle whose bytes are all there, and no other, however large the steps are. */
static void test_rescan_finds_what_is_kept(void)
{
	static const uint64_t steps[] = {1, 700, 65536, UINT64_MAX};
	struct pattern_set *set = set_of("n=needle");
	static struct rescan r;
	struct dice d = dice_of(811);
	struct scan_conf own = {.matches = 1000, .per_row = 10000};
	struct content_view v;
	struct content c;
	struct quota total;
	uint32_t want = 0;

	atomic_init(&total.left, 1000000);
	own.total = &total;
	CU_ASSERT_EQUAL_FATAL(
		content_open(&c, &(struct content_conf){.in_memory = true,
							.slots = 4,
							.store = {.bytes = 1 << 20,
								  .stream_bytes = 1 << 20,
								  .segment_bytes = 2048}}),
		0);
	v = fill(&c, &d);
	content_end(&c, 1);
	CU_ASSERT_EQUAL_FATAL(rescan_open(&r, &own, set, &c, &told.host), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		begin();
		rescan_begin(&r, &v);
		while (!rescan_step(&r, steps[i]))
			;
		want = 0;
		for (uint32_t dir = 0; dir < 2; dir++) {
			for (uint32_t at = 0; at + 6 <= v.end[dir]; at++) {
				if (memcmp(text[dir] + at, "needle", 6) != 0 ||
				    memchr(kept[dir] + at, false, 6))
					continue;
				want++;
				CHECK(was_told(dir, at, at + 6, "n"), "the one at %u", at);
			}
		}
		CHECK(told.n == want && want > 500, "%u found, not %u", told.n, want);
	}
	begin();
	rescan_begin(&r, &v); /* and stopped early: what was found so far is told */
	rescan_step(&r, 50000);
	rescan_begin(&r, &v);
	CHECK(told.n > 100 && told.n < want, "%u of %u", told.n, want);
	CU_ASSERT_FALSE(rescan_step(&r, 1));
	rescan_close(&r);
	content_close(&c);
	pattern_set_free(set);
}

CU_TestInfo rescan_tests[] = {
	{"another_set", test_another_set},
	{"sets_in_a_row", test_sets_in_a_row},
	{"rescan_finds_what_is_kept", test_rescan_finds_what_is_kept},
	CU_TEST_INFO_NULL,
};
