/* SPDX-License-Identifier: MIT */
/*
 * coding_bounds — bombs end, what is no bomb does not, and decoders come back.
 */
#include <stdlib.h>

#include "tests/coding_host.h"
#include "tests/guard.h"
#include "tests/suites.h"

/* ---- bounds ---- */

static void test_bombs(void)
{
	enum { ZEROS = 10 << 20, FREE = 1 << 20 };
	static const struct coding_conf bytes = {
		.small = 4, .large = 4, .max_bytes = 100000, .max_ratio = 1 << 30};
	static const struct coding_conf ratio = {
		.small = 4, .large = 4, .max_bytes = 1ULL << 40, .max_ratio = 50};
	struct bytes zeros = bytes_of(ZEROS);
	struct bench b;

	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		struct bytes in = bytes_encoded(e, zeros.at, ZEROS);

		b.why = encoding_names[e];
		for (int single = 0; single < 2; single++) {
			enum coding_got got;

			cd_open(&b, &bytes);
			b.why = encoding_names[e];
			got = cd_decode(&b, &codes[e], in, single ? 1 : in.n, NULL);
			CHECK(got == CODING_BOMB && !b.whole && b.n <= bytes.max_bytes,
			      "%s, max_bytes: %d, %zu bytes", b.why, got, b.n);
			cd_close(&b);
			cd_open(&b, &ratio);
			b.why = encoding_names[e];
			got = cd_decode(&b, &codes[e], in, single ? 1 : in.n, NULL);
			CHECK(got == CODING_BOMB && !b.whole &&
				      (b.n <= FREE || b.n <= ratio.max_ratio * in.n),
			      "%s, max_ratio: %d, %zu bytes from %zu", b.why, got, b.n, in.n);
			cd_close(&b);
		}
		free(in.at);
	}
	free(zeros.at);
}

/* Each encoding keeps to the ratio, both together do not: it is that of the body. */
static void test_bomb_in_layers(void)
{
	enum { ZEROS = 10 << 20 };
	static const struct coding_conf conf = {
		.small = 4, .large = 4, .max_bytes = 1ULL << 40, .max_ratio = 2000};
	static const struct code two = {{CODING_GZIP, CODING_GZIP}, 2};
	struct bytes zeros = bytes_of(ZEROS);
	struct bytes once = bytes_encoded(GZIP, zeros.at, ZEROS),
		     twice = bytes_encoded(GZIP, once.at, once.n);
	struct bench b;
	enum coding_got got;

	cd_open(&b, &conf);
	got = cd_decode(&b, &codes[GZIP], once, once.n, NULL);
	CHECK(cd_is_good(got) && b.whole && b.n == ZEROS, "one: %d, %zu bytes from %zu", got, b.n,
	      once.n);
	got = cd_decode(&b, &two, twice, twice.n, NULL);
	CHECK(got == CODING_BOMB, "two: %d, %zu bytes from %zu", got, b.n, twice.n);
	cd_close(&b);
	free(zeros.at);
	free(once.at);
	free(twice.at);
}

/* The bounds themselves are within bounds. */
static void test_no_bombs(void)
{
	static const struct coding_conf conf = {
		.small = 4, .large = 4, .max_bytes = 1 << 20, .max_ratio = 1};
	struct bytes zeros = bytes_of((1 << 20) + 1);
	struct bench b;

	cd_open(&b, &conf);
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		for (uint32_t more = 0; more < 2; more++) {
			struct bytes in = bytes_encoded(e, zeros.at, conf.max_bytes + more);
			enum coding_got got;

			b.why = encoding_names[e];
			got = cd_decode(&b, &codes[e], in, in.n, NULL);
			CHECK(more ? got == CODING_BOMB && b.n <= conf.max_bytes
				   : cd_is_good(got) && b.whole && b.n == conf.max_bytes,
			      "%s: max_bytes and %u: %d, %zu bytes", b.why, more, got, b.n);
			free(in.at);
		}
	}
	cd_close(&b);
	free(zeros.at);
}

/* ---- decoders ---- */

static void test_decoders_taken(void)
{
	static const struct coding_conf conf = {
		.small = 2, .large = 1, .max_bytes = 1 << 20, .max_ratio = 100};
	static const uint8_t three[] = {CODING_GZIP, CODING_GZIP, CODING_GZIP};
	static const uint8_t mixed[] = {CODING_GZIP, CODING_ZSTD, CODING_BROTLI};
	struct codings c;
	uint32_t a, b, l;

	CU_ASSERT_EQUAL_FATAL(codings_open(&c, &conf), 0);
	for (uint64_t round = 0; round < 50; round++) {
		CHECK(coding_start(&c, three, 3) == 0, "three of two");
		CHECK(coding_start(&c, mixed, 3) == 0, "two large ones of one");
		a = coding_start(&c, three, 1);
		b = coding_start(&c, three, 1);
		l = coding_start(&c, mixed + 1 + round % 2, 1);
		CHECK(a && b && l && a != b && l != a && l != b, "all are free, round %u",
		      (unsigned int)round);
		CHECK(coding_start(&c, three, 1) == 0 && coding_start(&c, mixed + 1, 1) == 0,
		      "all are taken");
		coding_end(&c, a);
		CHECK(coding_start(&c, mixed + 2, 1) == 0, "a small one is no large one");
		a = coding_start(&c, three, 1);
		CHECK(a != 0, "free again");
		coding_end(&c, b);
		coding_end(&c, l);
		coding_end(&c, a);
		CHECK(c.refused == 5 * (round + 1) && c.opened == 4 * (round + 1),
		      "%llu refused, %llu opened", (unsigned long long)c.refused,
		      (unsigned long long)c.opened);
		l = coding_start(&c, mixed, 2);
		CHECK(l != 0, "one of each");
		coding_end(&c, l);
		c.opened--;
	}
	coding_end(&c, 0);
	codings_close(&c);
}

/* One decoder of each size, left in any state: the next one starts anew. */
static void test_decoders_reused(void)
{
	static const struct coding_conf conf = {
		.small = 1, .large = 1, .max_bytes = 60000, .max_ratio = 1 << 20};
	struct dice d = dice_of(823);
	struct bytes text = bytes_words(&d, 20000), zeros = bytes_of(100000);
	struct bytes good[ENCODINGS], bomb[ENCODINGS];
	struct bench b;

	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		good[e] = bytes_encoded(e, text.at, text.n);
		bomb[e] = bytes_encoded(e, zeros.at, zeros.n);
	}
	cd_open(&b, &conf);
	b.lax = true;
	for (int i = 0; i < 600; i++) {
		enum encoding e = dice_below(&d, ENCODINGS), f = dice_below(&d, ENCODINGS);
		struct bytes part = {good[e].at, dice_below(&d, (uint32_t)good[e].n)};
		enum coding_got got;

		b.why = encoding_names[e];
		if (i % 3 == 0)
			cd_decode(&b, &codes[e], part, 1000, &d);
		else if (i % 3 == 1)
			cd_decode(&b, &codes[e], bomb[e], bomb[e].n, NULL);
		else
			cd_decode(&b, &codes[e], text, 50, &d);
		b.why = encoding_names[f];
		got = cd_decode(&b, &codes[f], good[f], 3000, &d);
		if (!CHECK(cd_is_good(got) && b.whole && cd_is(&b, text),
			   "%s after %s: %d, seed %llu", encoding_names[f], encoding_names[e], got,
			   (unsigned long long)d.seed))
			break;
	}
	CU_ASSERT_EQUAL(b.c.refused, 0);
	cd_close(&b);
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		free(good[e].at);
		free(bomb[e].at);
	}
	free(text.at);
	free(zeros.at);
}

CU_TestInfo coding_bounds_tests[] = {
	{"bombs", test_bombs},
	{"bomb_in_layers", test_bomb_in_layers},
	{"no_bombs", test_no_bombs},
	{"decoders_taken", test_decoders_taken},
	{"decoders_reused", test_decoders_reused},
	CU_TEST_INFO_NULL,
};
