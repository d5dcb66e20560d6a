/* SPDX-License-Identifier: MIT */
/* lines — lines out of chunks of any kind, and chain — byte strings in cells; against naive twins.
 */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/base/chain.h"
#include "user/parse/lines.h"

enum { BOUND = 40, TEXT_MAX = 1 << 14 };

/* Lines one after the other, each with its '\n'; a cut one has '!' before it. */
struct seen {
	size_t n;
	char at[2 * TEXT_MAX];
};

static void see(struct seen *s, const uint8_t *at, size_t n, bool cut)
{
	if (s->n + n + 1 > sizeof(s->at))
		return;
	if (cut)
		s->at[s->n++] = '!';
	memcpy(s->at + s->n, at, n);
	s->n += n;
}

/* What lines.h says comes out of a text. */
static void naive_lines(struct seen *s, const char *text, size_t n)
{
	s->n = 0;
	for (size_t from = 0, at = 0; at < n; at++) {
		const uint8_t *line = (const uint8_t *)text + from;
		size_t len = at - from;

		if (text[at] != '\n')
			continue;
		see(s, line, len < BOUND ? len : BOUND - 1 - LINE_END, len >= BOUND);
		if (len >= BOUND)
			see(s, line + len - LINE_END, LINE_END, false);
		see(s, (const uint8_t *)"\n", 1, false);
		from = at + 1;
	}
}

static bool ends_well(struct span line)
{
	return span_len(line) > 0 &&
	       memchr(line.at, '\n', span_len(line)) == (const void *)(line.end - 1);
}

/* One chunk from before the unreadable page. */
static void feed(struct lines *l, struct line_tail *t, struct guard *g, const char *text, size_t n,
		 struct seen *out)
{
	struct span in = span_of(guard_put(g, text, n), n), line;
	const uint8_t *start = in.at;

	while (in.at < in.end && lines_next(l, t, &in, &line)) {
		uint8_t copy[BOUND];
		size_t len = span_len(line);

		if (!CHECK(ends_well(line) && len <= BOUND, "a line of %zu bytes", len))
			return;
		CHECK(in.at > start && in.at[-1] == '\n', "the input stands behind the line");
		start = in.at;
		memcpy(copy, line.at, len);
		see(out, copy, len, lines_done(l, t));
	}
	CHECK(in.at == in.end, "%zu bytes are left", span_len(in));
}

static bool same(const struct seen *a, const struct seen *b)
{
	return a->n == b->n && memcmp(a->at, b->at, a->n) == 0;
}

static const char sample[] =
	"one\r\ntwo\n\n\r\n:\n"
	"38 bytes and the end, one below it....\n"
	"39 bytes and the end, as long as it is.\n"
	"40 bytes and the end: one has to go, x..\n"
	"41 bytes and the end: two have to go, xy.\n" /* '\r' is like any other */
	"57 bytes and the end: as many have to go as are kept....\r\n"
	"this line is several times as long as what a buffer of ours can hold, "
	"so that what was its end for a while is not it in the end\n"
	"\n\nlast\nno end";

static void test_every_split(void)
{
	static struct seen expect, got;
	size_t n = sizeof(sample) - 1;
	struct line_tail t = {0};
	struct lines l;
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, n));
	CU_ASSERT_EQUAL_FATAL(lines_open(&l, BOUND, 1), 0);
	naive_lines(&expect, sample, n);
	for (size_t a = 0; a <= n; a++) {
		for (size_t b = a; b <= n; b++) {
			got.n = 0;
			feed(&l, &t, &g, sample, a, &got);
			feed(&l, &t, &g, sample + a, b - a, &got);
			feed(&l, &t, &g, sample + b, n - b, &got);
			lines_done(&l, &t);
			if (!CHECK(same(&got, &expect), "split at %zu and %zu", a, b))
				goto out;
		}
	}
	got.n = 0;
	for (size_t a = 0; a < n; a++)
		feed(&l, &t, &g, sample + a, 1, &got);
	CHECK(same(&got, &expect), "byte by byte");
out:
	CU_ASSERT_EQUAL(l.refused, 0);
	lines_close(&l);
	guard_close(&g);
}

static void test_random_chunks(void)
{
	static struct seen expect, got;
	static char text[TEXT_MAX];
	struct dice d = dice_of(801);
	struct lines l;
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, TEXT_MAX));
	CU_ASSERT_EQUAL_FATAL(lines_open(&l, BOUND, 1), 0);
	for (int round = 0; round < 300; round++) {
		size_t n = dice_below(&d, TEXT_MAX), used = 0;
		uint32_t rare = 2 + dice_below(&d, 60), most = 1 + dice_below(&d, 200);
		struct line_tail t = {0};

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(dice_below(&d, rare) ? 'a' + dice_below(&d, 26) : '\n');
		naive_lines(&expect, text, n);
		got.n = 0;
		while (used < n) {
			size_t step = 1 + dice_below(&d, most);

			step = step < n - used ? step : n - used;
			feed(&l, &t, &g, text + used, step, &got);
			used += step;
		}
		lines_done(&l, &t);
		if (!CHECK(same(&got, &expect), "seed %llu", (unsigned long long)d.seed))
			break;
	}
	CU_ASSERT_EQUAL(l.refused, 0);
	lines_close(&l);
	guard_close(&g);
}

/* A line that lies in a chunk is not copied, and needs no buffer. */
static void test_in_place(void)
{
	const uint8_t text[] = "a line\nanother\nrest";
	struct span in = span_of(text, sizeof(text) - 1), line;
	struct line_tail t = {0};
	struct lines l;

	CU_ASSERT_EQUAL_FATAL(lines_open(&l, BOUND, 0), 0);
	CU_ASSERT_TRUE(lines_next(&l, &t, &in, &line));
	CU_ASSERT_PTR_EQUAL(line.at, text);
	CU_ASSERT_EQUAL(span_len(line), 7);
	CU_ASSERT_FALSE(lines_done(&l, &t));
	CU_ASSERT_TRUE(lines_next(&l, &t, &in, &line));
	CU_ASSERT_PTR_EQUAL(line.at, text + 7);
	CU_ASSERT_FALSE(lines_done(&l, &t));
	CU_ASSERT_FALSE(lines_next(&l, &t, &(struct span){text, text}, &line));
	CHECK(l.refused == 0 && t.entry == 0 && !t.cut, "nothing needs no buffer");
	CU_ASSERT_FALSE(lines_next(&l, &t, &in, &line));
	CHECK(l.refused == 1, "the rest finds no buffer");
	lines_close(&l);
}

/* The line a tail without a buffer gives: cut, and not to be taken for an empty one. */
static bool lost_line(struct lines *l, struct line_tail *t, const char *end)
{
	struct span in = span_of((const uint8_t *)end, strlen(end)), line;
	bool ok = lines_next(l, t, &in, &line) && ends_well(line) && span_len(line) > 1 &&
		  line.at[0] != '\r';

	return lines_done(l, t) && ok;
}

static bool kept_line(struct lines *l, struct line_tail *t, const char *end, const char *expect)
{
	struct span in = span_of((const uint8_t *)end, strlen(end)), line;
	bool ok = lines_next(l, t, &in, &line) && span_len(line) == strlen(expect) &&
		  memcmp(line.at, expect, strlen(expect)) == 0;

	return !lines_done(l, t) && ok;
}

static bool begun(struct lines *l, struct line_tail *t, const char *text)
{
	struct span in = span_of((const uint8_t *)text, strlen(text)), line;

	return !lines_next(l, t, &in, &line) && in.at == in.end;
}

static void test_buffers_taken(void)
{
	struct lines l;

	CU_ASSERT_EQUAL_FATAL(lines_open(&l, BOUND, 2), 0);
	for (uint32_t round = 0; round < 100; round++) {
		struct line_tail t[4] = {0};

		CU_ASSERT_TRUE(begun(&l, &t[0], "fir") && begun(&l, &t[1], "sec"));
		CHECK(l.refused == 3 * round, "two of two, round %u", round);
		CU_ASSERT_TRUE(begun(&l, &t[2], "thi") && begun(&l, &t[2], "rd"));
		CHECK(l.refused == 3 * round + 1, "counted once, round %u", round);
		CU_ASSERT_TRUE(begun(&l, &t[3], "\r"));
		CHECK(kept_line(&l, &t[0], "st\nx", "first\n"), "the first");
		CHECK(lost_line(&l, &t[2], "\n"), "no buffer though one is free by now");
		CHECK(lost_line(&l, &t[3], "\n"), "an empty line without a buffer");
		CU_ASSERT_TRUE(begun(&l, &t[2], "x"));
		CHECK(lost_line(&l, &t[3], "longer than a buffer, and all of it in one chunk\n"),
		      "a whole line that is to be cut");
		CHECK(kept_line(&l, &t[2], "y\n", "xy\n"), "refused before, kept now");
		CHECK(kept_line(&l, &t[1], "ond\n", "second\n"), "the second");
		CHECK(l.refused == 3 * round + 3, "round %u: %llu", round,
		      (unsigned long long)l.refused);
	}
	lines_close(&l);
}

/* Tails of several streams and too few buffers: who has one, and who goes without, is the same in a
 * model that only counts. */
static void test_many_tails(void)
{
	enum { TAILS = 8, BUFFERS = 5 };
	struct {
		struct line_tail t;
		char text[400];
		size_t n;
		bool has, lost;
	} s[TAILS] = {0};
	struct dice d = dice_of(802);
	uint32_t held = 0, refused = 0;
	struct lines l;

	CU_ASSERT_EQUAL_FATAL(lines_open(&l, 512, BUFFERS), 0);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = dice_below(&d, TAILS), n = 1 + dice_below(&d, 9);
		bool ends = dice_below(&d, 4) == 0 || s[i].n + n + 1 >= sizeof(s[i].text);
		char *at = s[i].text + s[i].n;
		struct span in, line;

		for (uint32_t k = 0; k < n; k++)
			at[k] = (char)('a' + dice_below(&d, 26));
		at[n] = '\n';
		s[i].n += n;
		in = span_of((const uint8_t *)at, n + ends);
		if (!s[i].has && !s[i].lost && !(ends && s[i].n == n)) {
			s[i].has = held < BUFFERS;
			s[i].lost = !s[i].has;
			held += s[i].has;
			refused += s[i].lost;
		}
		if (!CHECK(lines_next(&l, &s[i].t, &in, &line) == ends && l.refused == refused,
			   "step %d, seed %llu", step, (unsigned long long)d.seed))
			break;
		if (!ends)
			continue;
		CHECK(s[i].lost || (span_len(line) == s[i].n + 1 &&
				    memcmp(line.at, s[i].text, s[i].n + 1) == 0),
		      "the line, step %d", step);
		CHECK(lines_done(&l, &s[i].t) == s[i].lost && span_len(line) > 1, "cut, step %d",
		      step);
		held -= s[i].has;
		s[i].n = 0;
		s[i].has = s[i].lost = false;
	}
	CHECK(refused > 100, "%u were refused", refused);
	lines_close(&l);
}

/* ---- chain ---- */

enum { CHAINS = 6, CELLS = 40 };

struct twin {
	struct chain c;
	uint8_t bytes[CELLS * CHAIN_CELL];
	uint32_t n;
};

static uint32_t cells_of(size_t n)
{
	return (uint32_t)((n + CHAIN_CELL - 1) / CHAIN_CELL);
}

static bool holds(const struct chain_pool *p, const struct twin *w, struct guard *g)
{
	uint8_t *copy = g->end - w->n;

	memset(copy, 0xee, w->n);
	chain_copy(p, &w->c, copy);
	return w->c.bytes == w->n && memcmp(copy, w->bytes, w->n) == 0;
}

static void test_chain_model(void)
{
	static struct twin twin[CHAINS];
	static uint8_t text[3 * CHAIN_CELL];
	struct dice d = dice_of(803);
	uint32_t used = 0, peak = 0, refused = 0;
	struct chain_pool p;
	struct guard g, out;

	memset(twin, 0, sizeof(twin));
	CU_ASSERT_TRUE_FATAL(guard_open(&g, sizeof(text)));
	CU_ASSERT_TRUE_FATAL(guard_open(&out, sizeof(twin)));
	CU_ASSERT_EQUAL_FATAL(chain_pool_open(&p, CELLS), 0);
	for (int step = 0; step < 30000; step++) {
		struct twin *w = &twin[dice_below(&d, CHAINS)];
		size_t n = dice_below(&d, dice_below(&d, 2) ? 20 : sizeof(text));
		uint32_t need = cells_of(w->n + n) - cells_of(w->n);
		bool fits = need <= CELLS - used;

		if (dice_below(&d, 12) == 0) {
			used -= cells_of(w->n);
			chain_free(&p, &w->c);
			w->n = 0;
		} else {
			dice_fill(&d, text, n);
			refused += !fits;
			if (dice_below(&d, 8) == 0)
				CHECK(chain_fits(&p, &w->c, n) == fits, "asked, step %d", step);
			else if (CHECK(chain_add(&p, &w->c, guard_put(&g, text, n), n) == fits,
				       "added, step %d", step) &&
				 fits) {
				memcpy(w->bytes + w->n, text, n);
				w->n += (uint32_t)n;
				used += need;
			}
		}
		peak = used > peak ? used : peak;
		if (!CHECK(p.used == used && p.peak == peak && p.refused == refused,
			   "step %d: %u used, %u at most, %llu refused; not %u, %u, %u; seed %llu",
			   step, p.used, p.peak, (unsigned long long)p.refused, used, peak, refused,
			   (unsigned long long)d.seed) ||
		    !CHECK(holds(&p, w, &out), "bytes, step %d, seed %llu", step,
			   (unsigned long long)d.seed))
			break;
	}
	for (uint32_t i = 0; i < CHAINS; i++) {
		CHECK(holds(&p, &twin[i], &out), "chain %u at the end", i);
		chain_free(&p, &twin[i].c);
		chain_free(&p, &twin[i].c); /* an empty one has nothing to give */
	}
	CHECK(refused > 1000 && p.used == 0, "%u refused, %u left in use", refused, p.used);
	chain_pool_close(&p);
	guard_close(&out);
	guard_close(&g);
}

static void test_chain_at_its_bounds(void)
{
	static uint8_t bytes[2 * CHAIN_CELL + 1];
	struct chain a = {0}, b = {0};
	struct chain_pool p;

	CU_ASSERT_EQUAL_FATAL(chain_pool_open(&p, 2), 0);
	CU_ASSERT_TRUE(chain_add(&p, &a, bytes, 0));
	CU_ASSERT_EQUAL(p.used, 0);
	CHECK(!chain_add(&p, &a, bytes, sizeof(bytes)) && p.used == 0 && a.bytes == 0,
	      "one byte too many: nothing is kept");
	CHECK(chain_add(&p, &a, bytes, sizeof(bytes) - 1) && p.used == 2, "what just fits");
	CHECK(!chain_add(&p, &a, bytes, 1) && !chain_add(&p, &b, bytes, 1), "full");
	CHECK(chain_add(&p, &b, bytes, 0) && b.bytes == 0, "no bytes fit always");
	CU_ASSERT_EQUAL(p.refused, 3);
	chain_free(&p, &a);
	CHECK(a.bytes == 0 && chain_add(&p, &b, bytes, 1) && p.used == 1, "free again");
	chain_free(&p, &b);
	CU_ASSERT_EQUAL(p.used, 0);
	CU_ASSERT_EQUAL(p.peak, 2);
	chain_pool_close(&p);
	CU_ASSERT_EQUAL_FATAL(chain_pool_open(&p, 0), 0);
	CHECK(!chain_add(&p, &a, bytes, 1) && p.refused == 1, "a pool of none");
	chain_pool_close(&p);
}

CU_TestInfo lines_tests[] = {
	{"every_split", test_every_split},
	{"random_chunks", test_random_chunks},
	{"in_place", test_in_place},
	{"buffers_taken", test_buffers_taken},
	{"many_tails", test_many_tails},
	{"chain_model", test_chain_model},
	{"chain_at_its_bounds", test_chain_at_its_bounds},
	CU_TEST_INFO_NULL,
};
