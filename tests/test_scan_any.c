/* SPDX-License-Identifier: MIT */
/*
 * scan_any — random patterns in random bytes that come in random pieces, against every end that
 * PCRE2 finds from every start, joined by the rule in scan.h.
 *
 * Two things of the rule are taken from how it must work, and both are the same for all ways to cut
 * the bytes:
 *  - of the matches of one pattern with the same end only the one with the leftmost start is
 *    reported;
 *  - a match is left out where another one that it lies in was first reported at most SCAN_JOIN
 *    bytes behind its end: by then it has not been told.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runs.h"
#include "tests/suites.h"

enum { SOUGHT_MAX = 5 };
#define NONE UINT32_MAX

static struct runs runs;

/* ---- what is sought ---- */

struct sought {
	enum pattern_kind kind;
	bool asserts; /* what follows decides */
	char text[128];
	pcre2_code *code;
};

static struct sought sought[SOUGHT_MAX];
static uint32_t n_sought;
static pcre2_match_data *ends;

static bool compile_model(struct sought *s)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	uint32_t flags = PCRE2_NO_START_OPTIMIZE;
	PCRE2_SIZE where;
	int error;

	if (s->kind == PATTERN_REGEX) /* every end is wanted */
		flags |= PCRE2_NO_AUTO_POSSESS | PCRE2_NO_DOTSTAR_ANCHOR;
	else
		flags |= PCRE2_LITERAL;
	pcre2_set_newline(c, PCRE2_NEWLINE_LF);
	s->code =
		pcre2_compile((PCRE2_SPTR)s->text, PCRE2_ZERO_TERMINATED, flags, &error, &where, c);
	pcre2_compile_context_free(c);
	return s->code;
}

static void forget_sought(void)
{
	for (uint32_t i = 0; i < n_sought; i++)
		pcre2_code_free(sought[i].code);
	n_sought = 0;
}

/* The set of all that is sought, or NULL where one of it is refused. */
static struct pattern_set *set_of_sought(void)
{
	struct pattern_set *set = pattern_set_new();
	char why[256], typed[sizeof(sought[0].text) + 1];
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < n_sought; i++) {
		snprintf(typed, sizeof(typed), "=%s", sought[i].text);
		err = pattern_add(set, sought[i].kind, typed, why, sizeof(why));
	}
	if (err == 0)
		err = pattern_compile(set, why, sizeof(why));
	if (err == 0)
		return set;
	pattern_set_free(set);
	return NULL;
}

/* ---- the model ---- */

struct expected {
	uint32_t n;
	struct hit hit[RUN_HITS];
	uint32_t first[RUN_HITS]; /* the first end of each */
};

static struct expected expected;

/* The leftmost start for each end; false where the model has no room for all the ways that a text
 * may match. */
static bool find_starts(const struct sought *s, const uint8_t *text, uint32_t len, uint32_t *start)
{
	static int work[20000];
	const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(ends);

	memset(start, 0xff, (len + 1) * sizeof(*start));
	for (uint32_t at = 0; at < len; at++) {
		int n = pcre2_dfa_match(s->code, text, len, at, PCRE2_ANCHORED | PCRE2_NOTEMPTY,
					ends, NULL, work, sizeof(work) / sizeof(work[0]));

		if (n <= 0 && n != PCRE2_ERROR_NOMATCH)
			return false;
		for (int i = 0; i < n; i++)
			if (start[pair[2 * i + 1]] == NONE)
				start[pair[2 * i + 1]] = at;
	}
	return true;
}

static bool inside(const struct expected *e, uint32_t x, uint32_t y)
{
	const struct hit *a = &e->hit[x], *b = &e->hit[y];

	return x != y && b->from <= a->from && b->to >= a->to && e->first[y] <= a->to + SCAN_JOIN;
}

/* One pattern in bytes without a hole: adds what is to be told. */
static bool expect_pattern(struct expected *out, uint32_t id, const struct run *r, struct piece p)
{
	static uint32_t start[RUN_TEXT + 1], match_at[RUN_TEXT];
	static struct expected all;
	uint32_t len = p.to - p.from;

	if (!find_starts(&sought[id], r->text + p.from, len, start))
		return false;
	memset(match_at, 0xff, len * sizeof(match_at[0]));
	all.n = 0;
	for (uint32_t to = 1; to <= len; to++) {
		uint32_t *at = start[to] == NONE ? NULL : &match_at[start[to]];

		if (at && *at == NONE) {
			*at = all.n;
			all.first[all.n] = to;
			all.hit[all.n++] = (struct hit){.pattern = id, .from = start[to], .to = to};
		} else if (at && to - all.hit[*at].to <= SCAN_JOIN) {
			all.hit[*at].to = to;
		}
	}
	for (uint32_t i = 0; i < all.n; i++) {
		bool left_out = false;

		for (uint32_t k = 0; k < all.n && !left_out; k++)
			left_out = inside(&all, i, k);
		if (left_out || out->n == RUN_HITS)
			continue;
		out->hit[out->n] = all.hit[i];
		out->hit[out->n].from += p.from;
		out->hit[out->n++].to += p.from;
	}
	return true;
}

static int by_end(const void *x, const void *y)
{
	const struct hit *a = x, *b = y;

	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->pattern < b->pattern ? -1 : a->pattern > b->pattern;
}

/* What is to be told of a run; false where the model does not know. */
static bool expect(struct expected *e, const struct run *r)
{
	uint32_t first = 0, piece = 0;

	e->n = 0;
	for (uint32_t i = 0; i < r->pieces; i++) {
		struct piece p = {r->piece[first].from, r->piece[i].to};

		if (i + 1 < r->pieces && r->piece[i + 1].from == p.to)
			continue;
		for (uint32_t id = 0; id < n_sought; id++)
			if (!expect_pattern(e, id, r, p))
				return false;
		first = i + 1;
	}
	qsort(e->hit, e->n, sizeof(e->hit[0]), by_end);
	for (uint32_t i = 0; i < e->n; i++) {
		while (r->piece[piece].to < e->hit[i].to)
			piece++;
		e->hit[i].piece = piece;
	}
	return true;
}

static void print_bytes(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf(isprint(at[i]) ? "%c" : "\\x%02x", at[i]);
}

static void print_hit(const char *label, const struct hit *h)
{
	printf("\n      %s: pattern %u [%llu, %llu), piece %u", label, h->pattern,
	       (unsigned long long)h->from, (unsigned long long)h->to, h->piece);
}

/* Everything needed to see why. */
static void explain(const struct run *r, const struct expected *e, uint32_t at)
{
	for (uint32_t i = 0; i < n_sought; i++) {
		printf("\n      pattern %u, %s: ", i, pattern_kind_name(sought[i].kind));
		print_bytes((const uint8_t *)sought[i].text, strlen(sought[i].text));
	}
	printf("\n      %u bytes in %u pieces: ", r->len, r->pieces);
	for (uint32_t i = 0; i < r->pieces; i++) {
		if (i)
			printf(r->piece[i].from == r->piece[i - 1].to ? "|" : "|...|");
		print_bytes(r->text + r->piece[i].from, r->piece[i].to - r->piece[i].from);
	}
	if (at < e->n)
		print_hit("expected", &e->hit[at]);
	if (at < r->hits)
		print_hit("told", &r->hit[at]);
	printf("\n");
}

/* What follows a match of a pattern that asserts may come with a later piece. */
static bool same(const struct hit *x, const struct hit *y)
{
	return x->pattern == y->pattern && x->from == y->from && x->to == y->to &&
	       (x->piece == y->piece || sought[x->pattern].asserts);
}

/* A run's matches are those expected.  The library may report ends of different patterns in any
 * order within a piece. */
static bool agrees(struct run *r, const struct expected *e, uint64_t seed)
{
	uint32_t n = r->hits < e->n ? r->hits : e->n, i = 0;

	qsort(r->hit, r->hits, sizeof(r->hit[0]), by_end);
	while (i < n && same(&r->hit[i], &e->hit[i]))
		i++;
	if (CHECK(!runs.wrong && i == r->hits && i == e->n,
		  "match %u of %u, %u expected, seed %llu", i, r->hits, e->n,
		  (unsigned long long)seed))
		return true;
	explain(r, e, i);
	return false;
}

/* ---- random patterns and texts ---- */

static const char *const alphabets[] = {"ab",    "abc",   "aAbB",       "ab\n",
					"ab \n", "a_-. ", "a1b\xff\x80"};

struct writer {
	struct dice *d;
	const char *alphabet;
	size_t n, cap;
	char *at;
};

static void put(struct writer *w, const char *text)
{
	while (*text && w->n + 1 < w->cap)
		w->at[w->n++] = *text++;
	w->at[w->n] = 0;
}

static char letter(struct writer *w)
{
	return w->alphabet[dice_below(w->d, (uint32_t)strlen(w->alphabet))];
}

static void put_letter(struct writer *w)
{
	char text[8], c = letter(w);

	snprintf(text, sizeof(text), isalnum((unsigned char)c) ? "%c" : "\\x%02x", (uint8_t)c);
	put(w, text);
}

static void put_class(struct writer *w)
{
	static const char *const classes[] = {".", "\\w", "\\W", "\\s", "\\d", "\\D", "\\S"};

	if (dice_below(w->d, 2)) {
		put(w, classes[dice_below(w->d, 3) ? 0 : dice_below(w->d, 7)]);
		return;
	}
	put(w, dice_below(w->d, 2) ? "[" : "[^");
	for (uint32_t n = 1 + dice_below(w->d, 2); n; n--)
		put_letter(w);
	put(w, "]");
}

/* Long ones only behind a single character: all else takes vectorscan long to compile. */
static void put_count(struct writer *w, bool group)
{
	static const char *const counts[] = {"?",     "*",    "+",  "{2}", "{1,2}",  "*?",
					     "{2,4}", "{2,}", "+?", "??",  "{3,40}", "{1,300}"};

	put(w, counts[dice_below(w->d, group ? 10 : 12)]);
}

static void put_choice(struct writer *w, int depth, bool counts);

/* What is counted has nothing counted in it: the model's states would explode. */
static void put_group(struct writer *w, int depth, bool counts)
{
	bool counted = counts && dice_below(w->d, 2);

	put(w, dice_below(w->d, 2) ? "(" : dice_below(w->d, 2) ? "(?:" : "(?i:");
	put_choice(w, depth - 1, counts && !counted);
	put(w, ")");
	if (counted)
		put_count(w, true);
}

static void put_part(struct writer *w, int depth, bool counts)
{
	uint32_t kind = dice_below(w->d, 12);

	if (kind == 0) { /* never last: see put_regex */
		put(w, dice_below(w->d, 3) ? "\\b" : "\\B");
		counts = false;
	}
	if (kind && kind < 3 && depth > 0) {
		put_group(w, depth, counts);
		return;
	}
	if (dice_below(w->d, 3) == 0)
		put_class(w);
	else
		put_letter(w);
	if (counts && dice_below(w->d, 3) == 0)
		put_count(w, false);
}

static void put_choice(struct writer *w, int depth, bool counts)
{
	for (uint32_t more = dice_below(w->d, 4) ? 0 : 1 + dice_below(w->d, 2);; more--) {
		for (uint32_t n = 1 + dice_below(w->d, 3); n; n--)
			put_part(w, depth, counts);
		if (more == 0)
			return;
		put(w, "|");
	}
}

static void put_regex(struct writer *w, bool asserts)
{
	static const char *const modes[] = {"(?s)", "(?m)", "(?i)", "(?sm)"};
	static const char *const assertions[] = {"$", "$", "\\b", "\\B"};

	if (dice_below(w->d, 3) == 0)
		put(w, modes[dice_below(w->d, 4)]);
	if (dice_below(w->d, 12) == 0)
		put(w, "^");
	put(w, asserts ? "(?:" : "");
	put_choice(w, 2, true);
	put(w, asserts ? ")" : "");
	put(w, asserts ? assertions[dice_below(w->d, 4)] : "");
}

/* Neither cut short nor matching where there is nothing. */
static void think_of_one(struct sought *s, struct dice *d, const char *alphabet)
{
	uint32_t empty = 1;

	while (empty) {
		struct writer w = {d, alphabet, 0, sizeof(s->text), s->text};

		*s = (struct sought){
			.kind = dice_below(d, 4) ? PATTERN_REGEX : PATTERN_SUBSTRING,
			.asserts = dice_below(d, 5) == 0,
		};
		if (s->kind == PATTERN_REGEX)
			put_regex(&w, s->asserts);
		for (uint32_t n = 1 + dice_below(d, 6); n && s->kind != PATTERN_REGEX; n--)
			put(&w, (char[]){letter(&w), 0});
		if (w.n + 1 == w.cap || !compile_model(s))
			continue;
		pcre2_pattern_info(s->code, PCRE2_INFO_MATCHEMPTY, &empty);
		if (empty)
			pcre2_code_free(s->code);
	}
}

/* New patterns, none of them refused; the set of them. */
static struct pattern_set *think(struct dice *d, const char **alphabet)
{
	struct pattern_set *set = NULL;

	*alphabet = alphabets[dice_below(d, sizeof(alphabets) / sizeof(alphabets[0]))];
	while (!set) {
		forget_sought();
		for (uint32_t n = 1 + dice_below(d, SOUGHT_MAX); n; n--)
			think_of_one(&sought[n_sought++], d, *alphabet);
		set = set_of_sought();
	}
	return set;
}

static void random_text(struct run *r, struct dice *d, const char *alphabet, uint32_t most)
{
	uint32_t size = (uint32_t)strlen(alphabet), flat = 1 + dice_below(d, 3);

	r->len = 1 + dice_below(d, most);
	r->base = dice_below(d, 2) ? 0 : dice_roll(d) >> (16 + dice_below(d, 40));
	for (uint32_t i = 0; i < r->len; i++) {
		uint32_t c = dice_below(d, size);

		for (uint32_t k = 1; k < flat && c; k++) /* rarely the last letters */
			c = dice_below(d, c + 1);
		r->text[i] = (uint8_t)alphabet[c];
	}
}

/* ---- the library ---- */

/* What vectorscan 5.4.9 loses in its code for AVX2 or AVX-512, and Hyperscan 5.4.0 does not: the
 * last bytes behind a multiple of 64 are skipped, and some two bytes in a row behind a multiple of
 * 16.  Told here, whole, by whatever processor: ours is not that code. */
static void test_library(void)
{
	static const struct {
		const char *regex, *tail;
		uint32_t before; /* so many 'a' */
	} lost[] = {{"c.", "ca", 64}, {"(?:([^-])\\.[ _]+|__)$", "__", 17}};
	struct scan_conf conf = {.rows = RUNS, .matches = 100, .per_row = 100};
	char why[256];

	CU_ASSERT_TRUE_FATAL(runs_open(&runs, NULL, conf, 100));
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		struct pattern_set *set = pattern_set_new();
		uint8_t text[128];
		uint32_t n = lost[i].before + 2;

		memset(text, 'a', n);
		memcpy(text + n - 2, lost[i].tail, 2);
		CU_ASSERT_EQUAL_FATAL(
			pattern_add(set, PATTERN_REGEX, lost[i].regex, why, sizeof(why)), 0);
		CU_ASSERT_EQUAL_FATAL(pattern_compile(set, why, sizeof(why)), 0);
		CU_ASSERT_TRUE_FATAL(runs_use(&runs, set));
		run_set(&runs.row[0], text, n);
		runs_finish(&runs, 0);
		CHECK(runs.row[0].hits == 1 && runs.row[0].hit[0].to == n, "%s", lost[i].regex);
		CU_ASSERT_TRUE_FATAL(runs_use(&runs, NULL));
		pattern_set_free(set);
	}
	runs_close(&runs);
}

/* ---- any pieces ---- */

/* A text in pieces of 1 to `most` bytes; with holes of up to 9 bytes before some of them, where
 * `holes` is not 0: one in so many. */
static void cut(struct run *r, struct dice *d, uint32_t most, uint32_t holes)
{
	r->pieces = r->fed = r->hits = 0;
	for (uint32_t at = 0; at < r->len;) {
		uint32_t n = 1 + dice_below(d, most);

		if (holes && dice_below(d, holes) == 0)
			at += dice_below(d, 10);
		if (at >= r->len)
			break;
		n = n < r->len - at ? n : r->len - at;
		r->piece[r->pieces++] = (struct piece){at, at + n};
		at += n;
	}
}

/* All rows in turn, a piece of any of them at a time. */
static void play(struct dice *d)
{
	bool done[RUNS] = {false};

	for (uint32_t left = RUNS; left > 0;) {
		uint32_t row = dice_below(d, RUNS);

		if (done[row] || runs_feed(&runs, row))
			continue;
		runs_finish(&runs, row);
		done[row] = true;
		left--;
	}
}

/* Whole, byte by byte, and between; with holes, where these decide no match. */
static bool any_pieces(struct dice *d, const char *alphabet)
{
	static const uint32_t most[] = {1, 5, 60, 300, RUN_TEXT};
	bool holes = dice_below(d, 3) == 0, agreed = true;

	for (uint32_t i = 0; i < n_sought; i++)
		holes &= !sought[i].asserts;
	for (uint32_t row = 0; row < RUNS; row++) {
		random_text(&runs.row[row], d, alphabet, dice_below(d, 30) ? 400 : RUN_TEXT);
		cut(&runs.row[row], d, most[dice_below(d, 5)], holes ? 8 : 0);
	}
	play(d);
	for (uint32_t row = 0; agreed && row < RUNS; row++)
		agreed = !expect(&expected, &runs.row[row]) ||
			 agrees(&runs.row[row], &expected, d->seed);
	return agreed;
}

static void test_any_pieces(void)
{
	struct scan_conf conf = {.rows = RUNS, .matches = 100000, .per_row = UINT16_MAX};
	struct dice d = dice_of(901);
	bool agreed = true;

	ends = pcre2_match_data_create(RUN_TEXT + 1, NULL);
	CU_ASSERT_TRUE_FATAL(runs_open(&runs, NULL, conf, UINT64_MAX));
	for (int n = 0; agreed && n < 200; n++) {
		const char *alphabet;
		struct pattern_set *set = think(&d, &alphabet);

		CU_ASSERT_TRUE_FATAL(runs_use(&runs, set));
		for (int k = 0; agreed && k < 4; k++)
			agreed = any_pieces(&d, alphabet);
		CU_ASSERT_TRUE_FATAL(runs_use(&runs, NULL));
		pattern_set_free(set);
	}
	CU_ASSERT_EQUAL(runs.scan.dropped, 0);
	runs_close(&runs);
	forget_sought();
	pcre2_match_data_free(ends);
}

CU_TestInfo scan_any_tests[] = {
	{"library", test_library},
	{"any_pieces", test_any_pieces},
	CU_TEST_INFO_NULL,
};
