/* SPDX-License-Identifier: MIT */
/*
 * coding_damage — cut, damaged by design and at random, or anything at all: what was good comes
 * out, and nothing is made up.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/coding_host.h"
#include "tests/guard.h"
#include "tests/suites.h"

/* A prefix is neither damaged nor whole, and what comes out is a prefix too. */
static void test_truncated(void)
{
	struct dice d = dice_of(817);
	struct bytes text = bytes_words(&d, 700);
	struct bench b;

	cd_open(&b, &cd_roomy);
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		struct bytes in = bytes_encoded(e, text.at, text.n);

		b.why = encoding_names[e];
		for (size_t n = 0; n < in.n; n++) {
			struct bytes part = {in.at, n};
			enum coding_got got = cd_decode(&b, &codes[e], part, n % 3 ? n : 1, NULL);

			CHECK(got == CODING_MORE && !b.whole, "%s: %zu of %zu bytes: %d", b.why, n,
			      in.n, got);
			CHECK(b.n <= text.n && memcmp(b.out, text.at, b.n) == 0,
			      "%s: %zu of %zu bytes: the beginning", b.why, n, in.n);
		}
		free(in.at);
	}
	cd_close(&b);
	free(text.at);
}

#define ROW(kind, text, why)                               \
	{                                                  \
		CODING_##kind, text, sizeof(text) - 1, why \
	}

static void test_damaged_by_design(void)
{
	static const struct {
		uint8_t kind;
		const char *bytes;
		size_t n;
		const char *why;
	} rows[] = {
		ROW(GZIP, "\x1f\x8b\x08\0\0\0\0\0\0\3\x4b\4\0\x44\xbe\xb7\xe8\1\0\0\0", "CRC"),
		ROW(GZIP, "\x1f\x8b\x08\0\0\0\0\0\0\3\x4b\4\0\x43\xbe\xb7\xe8\2\0\0\0", "ISIZE"),
		ROW(GZIP, "\x1f\x8c\x08\0\0\0\0\0\0\3\x4b\4\0\x43\xbe\xb7\xe8\1\0\0\0", "magic"),
		ROW(GZIP, "\x1f\x8b\x07\0\0\0\0\0\0\3\x4b\4\0\x43\xbe\xb7\xe8\1\0\0\0", "method"),
		ROW(GZIP, "\x78\x9c\x4b\4\0\0\x62\0\x63", "Adler-32"),
		ROW(GZIP, "\x78\x9d\x4b\4\0\0\x62\0\x62", "the check bits of a zlib header"),
		ROW(GZIP, "\x78\xbb\0\0\0\1\x4b\4\0\0\x62\0\x62", "a zlib dictionary nobody has"),
		ROW(GZIP, "\x78\x9c\7\0\0\0\0\0\0\0\0\0\0", "a block of the third type, in zlib"),
		ROW(GZIP, "\7\0\0\0\0\0\0\0\0\0\0\0\0", "a block of the third type"),
		ROW(GZIP, "\1\5\0\0\0abcde", "a stored block whose length is in doubt"),
		ROW(GZIP, "\x4b\x04\x12\x00", "a copy from before the first byte"),
		ROW(GZIP, "<!DOCTYPE html><html><body>plain</body></html>", "a page as it is"),
		ROW(GZIP, "hello, this is plain text of some length", "text like a zlib header"),
		ROW(BROTLI, "\x11\0\0\0\0\0\0\0", "a window size that is reserved"),
		ROW(BROTLI, "\xff\xff\xff\xff\xff\xff\xff\xff", "ones"),
		ROW(BROTLI, "<!DOCTYPE html><html><body>plain</body></html>", "a page as it is"),
		ROW(ZSTD, "\x28\xb5\x2f\xfe\x20\1\x09\0\0a", "magic"),
		ROW(ZSTD, "\x28\xb5\x2f\xfd\x20\1\x0f\0\0a", "a block of the fourth type"),
		ROW(ZSTD, "\x28\xb5\x2f\xfd\x28\1\x09\0\0a", "a reserved bit"),
		ROW(ZSTD, "\x28\xb5\x2f\xfd\x20\2\x09\0\0a", "a frame with less than it says"),
		ROW(ZSTD, "\x28\xb5\x2f\xfd\x24\1\x09\0\0a\1\2\3\4", "checksum"),
		ROW(ZSTD, "\x28\xb5\x2f\xfd\0\x70\x09\0\0a", "a window of 16 MiB"),
		ROW(ZSTD, "<!DOCTYPE html><html><body>plain</body></html>", "a page as it is"),
	};
	struct bench b;

	cd_open(&b, &cd_roomy);
	b.lax = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int single = 0; single < 2; single++) {
			struct bytes in = {(uint8_t *)rows[i].bytes, rows[i].n};
			enum coding_got got;

			struct code code = {{rows[i].kind}, 1};

			b.why = rows[i].why;
			got = cd_decode(&b, &code, in, single ? 1 : in.n, NULL);
			CHECK(got == CODING_BAD && !b.whole, "%s: %d, %zu bytes%s", b.why, got, b.n,
			      single ? ", byte by byte" : "");
		}
	}
	cd_close(&b);
}

/* What ends damaged gives no more bytes. */
static void test_nothing_behind_damage(void)
{
	static const uint8_t bad[] = "\x1f\x8c\x08\0\0\0\0\0\0\3";
	struct dice d = dice_of(818);
	struct bytes text = bytes_words(&d, 100);
	struct bytes in = bytes_encoded(GZIP, text.at, text.n);
	struct bench b;
	uint32_t decoder;

	cd_open(&b, &cd_roomy);
	decoder = coding_start(&b.c, codes[GZIP].kind, 1);
	CU_ASSERT_EQUAL(cd_feed(&b, decoder, bad, sizeof(bad) - 1), CODING_BAD);
	for (int i = 0; i < 3; i++)
		CHECK(cd_feed(&b, decoder, in.at, in.n) != CODING_MORE && b.n == 0, "round %d", i);
	CU_ASSERT_FALSE(coding_is_whole(&b.c, decoder));
	coding_end(&b.c, decoder);
	cd_close(&b);
	free(in.at);
	free(text.at);
}

/* A copy from before the first byte copies nothing; not what the last body left behind. */
static void test_nothing_made_up(void)
{
	/* "abcde", 258 bytes from 10 before, and more */
	static const uint8_t bad[] = {0x4b, 0x4c, 0x4a, 0x4e, 0x49, 0x1d, 0x65, 0x55, 0x55, 0x55,
				      0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
				      0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
				      0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x01, 0x00};
	static const struct coding_conf conf = {
		.small = 1, .large = 0, .max_bytes = 1 << 20, .max_ratio = 1 << 20};
	struct bytes in = {(uint8_t *)bad, sizeof(bad)};
	struct dice d = dice_of(825);
	struct bytes text = bytes_words(&d, 70000), good = bytes_encoded(GZIP, text.at, text.n);
	struct bench b;

	cd_open(&b, &conf);
	b.why = "made up";
	for (size_t most = 1; most <= sizeof(bad); most++) {
		enum coding_got got;

		cd_decode(&b, &codes[GZIP], good, good.n, NULL);
		got = cd_decode(&b, &codes[GZIP], in, most, NULL);
		CHECK(got == CODING_BAD && b.n <= 5 && memcmp(b.out, "abcde", b.n) == 0,
		      "chunks of %zu: %d, %zu bytes: %.20s", most, got, b.n, (const char *)b.out);
	}
	cd_close(&b);
	free(good.at);
	free(text.at);
}

/* Any one byte of another value: with a checksum only the original can be whole. */
static void test_damaged_at_random(void)
{
	struct dice d = dice_of(819);
	struct bytes text = bytes_words(&d, 500);
	struct bench b;

	cd_open(&b, &cd_roomy);
	b.lax = true;
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		struct bytes in = bytes_encoded(e, text.at, text.n);
		bool checked = e == GZIP || e == ZLIB || e == ZSTD;

		b.why = encoding_names[e];
		for (size_t at = 0; at < in.n; at++) {
			for (int i = 0; i < 20; i++) {
				uint8_t flip = (uint8_t)(1 + dice_below(&d, 255));
				enum coding_got got;

				in.at[at] ^= flip;
				got = cd_decode(&b, &codes[e], in, i ? 30 : 1, i ? &d : NULL);
				CHECK(got != CODING_BYTES && got != CODING_BOMB, "%s: %d", b.why,
				      got);
				/* another first byte is another kind of data */
				CHECK(!checked || at == 0 || !b.whole || cd_is(&b, text),
				      "%s: byte %zu xor %02x: whole, but not the original", b.why,
				      at, flip);
				in.at[at] ^= flip;
			}
		}
		free(in.at);
	}
	cd_close(&b);
	free(text.at);
}

/* Any bytes, some with a beginning that leads further in. */
static void test_any_bytes(void)
{
	static const struct coding_conf tight = {
		.small = 4, .large = 4, .max_bytes = 50000, .max_ratio = 100};
	static const char *const begin[ENCODINGS] = {"\x1f\x8b\x08\0\0\0\0\0\0\3", "x\x9c", "", "",
						     "\x28\xb5\x2f\xfd"};
	static const size_t begin_n[ENCODINGS] = {10, 2, 0, 0, 4};
	struct dice d = dice_of(820);
	uint8_t in[300];
	struct bench b;

	cd_open(&b, &tight);
	b.lax = true;
	for (int i = 0; i < 30000; i++) {
		enum encoding e = dice_below(&d, ENCODINGS), f = dice_below(&d, ENCODINGS);
		struct code one = codes[e], two = {{codes[f].kind[0], codes[e].kind[0]}, 2};
		struct bytes some = {in, dice_below(&d, sizeof(in))};

		dice_fill(&d, in, some.n);
		if (dice_below(&d, 4) && some.n >= begin_n[e])
			memcpy(in, begin[e], begin_n[e]);
		cd_decode(&b, i % 4 ? &one : &two, some, 1 + dice_below(&d, 300), &d);
		if (!CHECK(b.n <= tight.max_bytes, "%s: %zu bytes, seed %llu", encoding_names[e],
			   b.n, (unsigned long long)d.seed))
			break;
	}
	CU_ASSERT_EQUAL(b.c.refused, 0);
	cd_close(&b);
}

CU_TestInfo coding_damage_tests[] = {
	{"truncated", test_truncated},
	{"damaged_by_design", test_damaged_by_design},
	{"nothing_behind_damage", test_nothing_behind_damage},
	{"nothing_made_up", test_nothing_made_up},
	{"damaged_at_random", test_damaged_at_random},
	{"any_bytes", test_any_bytes},
	CU_TEST_INFO_NULL,
};
