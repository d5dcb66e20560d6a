/* SPDX-License-Identifier: MIT */
/*
 * coding — what goes in encoded comes out, in any pieces; ends, members, flushes and windows are
 * where they are.
 */
#include <brotli/encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/coding_host.h"
#include "tests/guard.h"
#include "tests/suites.h"

static void test_round_trips(void)
{
	static const size_t sizes[] = {0, 1, 100, 40000, 1 << 20};
	struct dice d = dice_of(811);
	struct bench b;

	cd_open(&b, &cd_roomy);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bytes text = bytes_words(&d, sizes[i]), noise = bytes_of(sizes[i]);

		dice_fill(&d, noise.at, noise.n);
		for (enum encoding e = GZIP; e < ENCODINGS; e++) {
			struct bytes in = bytes_encoded(e, text.at, text.n);

			b.why = encoding_names[e];
			cd_expect_back(&b, &codes[e], in, text, &d);
			free(in.at);
			in = bytes_encoded(e, noise.at, noise.n);
			cd_expect_back(&b, &codes[e], in, noise, &d);
			free(in.at);
		}
		free(text.at);
		free(noise.at);
	}
	CU_ASSERT_EQUAL(b.c.refused, 0);
	cd_close(&b);
}

/* Every two encodings, then four: the one applied last is undone first. */
static void test_stacked(void)
{
	struct dice d = dice_of(812);
	struct bytes text = bytes_words(&d, 3000);
	struct bench b;

	cd_open(&b, &cd_roomy);
	for (int pair = 0; pair < ENCODINGS * ENCODINGS; pair++) {
		enum encoding e[2] = {pair / ENCODINGS, pair % ENCODINGS};
		struct code code = {{codes[e[0]].kind[0], codes[e[1]].kind[0]}, 2};
		struct bytes once = bytes_encoded(e[0], text.at, text.n);
		struct bytes twice = bytes_encoded(e[1], once.at, once.n);
		char why[32];

		snprintf(why, sizeof(why), "%s, %s", encoding_names[e[0]], encoding_names[e[1]]);
		b.why = why;
		cd_expect_back(&b, &code, twice, text, &d);
		free(once.at);
		free(twice.at);
	}
	cd_close(&b);
	free(text.at);
}

static void test_stacked_four(void)
{
	static const enum encoding order[][CODING_STACK] = {{GZIP, BROTLI, ZSTD, ZLIB},
							    {ZSTD, DEFLATE, GZIP, BROTLI},
							    {BROTLI, BROTLI, DEFLATE, ZSTD},
							    {GZIP, GZIP, GZIP, GZIP}};
	struct dice d = dice_of(813);
	struct bytes text = bytes_words(&d, 40000);
	struct bench b;

	cd_open(&b, &cd_roomy);
	b.why = "four";
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct bytes in = bytes_encoded(order[i][0], text.at, text.n);
		struct code code = {{codes[order[i][0]].kind[0]}, CODING_STACK};

		for (int k = 1; k < (int)CODING_STACK; k++) {
			struct bytes more = bytes_encoded(order[i][k], in.at, in.n);

			free(in.at);
			in = more;
			code.kind[k] = codes[order[i][k]].kind[0];
		}
		cd_expect_back(&b, &code, in, text, &d);
		free(in.at);
	}
	cd_close(&b);
	free(text.at);
}

/* RFC 1952 §2.3: every field of the header that may be there. */
static struct bytes with_header(const void *at, size_t n)
{
	z_stream z = {.next_in = (Bytef *)at, .avail_in = (uInt)n};
	gz_header h = {.text = 1,
		       .time = 1,
		       .extra = (Bytef *)"ab\2\0xy",
		       .extra_len = 6,
		       .name = (Bytef *)"a name.txt",
		       .comment = (Bytef *)"a comment",
		       .hcrc = 1};
	struct bytes b;

	CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	deflateSetHeader(&z, &h);
	b = bytes_of(deflateBound(&z, n) + 256);
	z.next_out = b.at;
	z.avail_out = (uInt)b.n;
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n -= z.avail_out;
	deflateEnd(&z);
	return b;
}

/* RFC 1952 §2.2: members one after the other; RFC 8878 §3.1: frames, also those to be skipped. */
static void test_members_and_frames(void)
{
	static uint8_t skip[] = "\x5a\x2a\x4d\x18\x05\0\0\0abcde";
	struct bytes skipped = bytes_of(sizeof(skip) - 1);
	struct dice d = dice_of(814);
	struct bytes text = bytes_words(&d, 900), in;
	struct bench b;

	cd_open(&b, &cd_roomy);
	b.lax = true;
	b.why = "a header with all fields";
	in = with_header(text.at, 900);
	cd_expect_back(&b, &codes[GZIP], in, text, &d);
	free(in.at);
	b.why = "members";
	in = bytes_joined(bytes_encoded(GZIP, text.at, 300), bytes_encoded(GZIP, text.at, 0));
	in = bytes_joined(in, with_header(text.at + 300, 1));
	in = bytes_joined(in, bytes_encoded(GZIP, text.at + 301, 599));
	cd_expect_back(&b, &codes[GZIP], in, text, &d);
	for (size_t split = 1; split < in.n; split++) {
		cd_decode(&b, &codes[GZIP], in, split, NULL);
		CHECK(b.whole && cd_is(&b, text), "members in chunks of %zu", split);
	}
	free(in.at);
	b.why = "frames";
	memcpy(skipped.at, skip, skipped.n);
	in = bytes_joined(bytes_encoded(ZSTD, text.at, 300), skipped);
	in = bytes_joined(in, bytes_encoded(ZSTD, text.at, 0));
	in = bytes_joined(in, bytes_encoded(ZSTD, text.at + 300, 600));
	cd_expect_back(&b, &codes[ZSTD], in, text, &d);
	free(in.at);
	cd_close(&b);
	free(text.at);
}

/* Whole is what ends at a member's end and nowhere else. */
static void test_whole_at_true_ends(void)
{
	static const enum encoding e[] = {GZIP, ZSTD};
	struct dice d = dice_of(815);
	struct bytes text = bytes_words(&d, 200);
	struct bench b;

	cd_open(&b, &cd_roomy);
	b.lax = true;
	for (int i = 0; i < 2; i++) {
		struct bytes one = bytes_encoded(e[i], text.at, 100);
		struct bytes in = bytes_encoded(e[i], text.at + 100, 100);
		size_t first = one.n;

		in = bytes_joined(one, in);
		b.why = encoding_names[e[i]];
		for (size_t n = 1; n <= in.n; n++) {
			struct bytes part = {in.at, n};
			enum coding_got got = cd_decode(&b, &codes[e[i]], part, n, NULL);

			CHECK(cd_is_good(got) && b.whole == (n == first || n == in.n),
			      "%s: %zu bytes of %zu and %zu: %d", b.why, n, first, in.n - first,
			      b.whole);
		}
		free(in.at);
	}
	cd_close(&b);
	free(text.at);
}

/* "What follows is ignored": whatever it is, and wherever chunks end. */
static void test_bytes_behind_the_end(void)
{
	static const char *const tail[] = {"x", "\r\n", "\1\2\3\4\5\6\7\10", "zzzzzzzzzzzzzzzz",
					   "x\x9c\3\0\0\0\0\1"};
	struct dice d = dice_of(816);
	struct bytes text = bytes_words(&d, 150);
	struct bench b;

	cd_open(&b, &cd_roomy);
	b.lax = true;
	for (enum encoding e = GZIP; e <= BROTLI; e++) {
		for (size_t i = 0; i < sizeof(tail) / sizeof(tail[0]); i++) {
			struct bytes more = bytes_of(strlen(tail[i]));
			struct bytes in = bytes_encoded(e, text.at, text.n);
			size_t end = in.n;

			memcpy(more.at, tail[i], more.n);
			in = bytes_joined(in, more);
			b.why = encoding_names[e];
			for (size_t split = 1; split <= in.n; split++) {
				enum coding_got got = cd_decode(&b, &codes[e], in, split, NULL);

				CHECK(cd_is_good(got) && b.whole && cd_is(&b, text),
				      "%s and tail %zu, in chunks of %zu (end at %zu): %d, %zu "
				      "bytes, %s",
				      encoding_names[e], i, split, end, got, b.n,
				      b.whole ? "whole" : "not whole");
			}
			free(in.at);
		}
	}
	cd_close(&b);
	free(text.at);
}

/* ---- long streams ---- */

/* A server that flushes each piece makes thousands of blocks, none of which holds memory. */
static void test_brotli_of_many_flushes(void)
{
	enum { PIECES = 30000, EACH = 60 };
	BrotliEncoderState *z = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	struct dice d = dice_of(821);
	struct bytes text = bytes_words(&d, PIECES * EACH), in = bytes_of(8 << 20);
	size_t room = in.n;
	uint8_t *to = in.at;
	struct bench b;
	enum coding_got got;

	CU_ASSERT_PTR_NOT_NULL_FATAL(z);
	BrotliEncoderSetParameter(z, BROTLI_PARAM_QUALITY, 5);
	for (size_t at = 0; at < text.n; at += EACH) {
		const uint8_t *from = text.at + at;
		size_t have = EACH;

		while (have || BrotliEncoderHasMoreOutput(z))
			CU_ASSERT_TRUE_FATAL(BrotliEncoderCompressStream(
				z, BROTLI_OPERATION_FLUSH, &have, &from, &room, &to, NULL));
	}
	while (!BrotliEncoderIsFinished(z))
		CU_ASSERT_TRUE_FATAL(
			BrotliEncoderCompressStream(z, BROTLI_OPERATION_FINISH, &(size_t){0},
						    &(const uint8_t *){NULL}, &room, &to, NULL));
	BrotliEncoderDestroyInstance(z);
	in.n -= room;
	cd_open(&b, &cd_roomy);
	got = cd_decode(&b, &codes[BROTLI], in, 1400, NULL);
	CHECK(cd_is_good(got) && b.whole && cd_is(&b, text), "%d: %zu of %zu bytes from %zu", got,
	      b.n, text.n, in.n);
	cd_close(&b);
	free(in.at);
	free(text.at);
}

/* What a receiver must have room for: RFC 7932 §9.1, RFC 8878 §3.1.1.1.2; copies from that far. */
static void test_largest_windows(void)
{
	struct dice d = dice_of(822);
	struct bytes text = bytes_of(20 << 20), in;
	size_t far = (16 << 20) - 5000;
	struct bench b;
	enum coding_got got;

	dice_fill(&d, text.at, 200000);
	memcpy(text.at + far, text.at, 200000);
	dice_fill(&d, text.at + (19 << 20), 1 << 20);
	cd_open(&b, &cd_roomy);
	in = bytes_brotlied(text.at, text.n, 5, 24);
	CHECK(in.n < 1400000, "the copy was found: %zu", in.n);
	got = cd_decode(&b, &codes[BROTLI], in, 100000, NULL);
	CHECK(cd_is_good(got) && b.whole && cd_is(&b, text), "brotli: %d, %zu bytes", got, b.n);
	free(in.at);
	memcpy(text.at + (far >> 1), text.at, 200000);
	in = bytes_zstded(text.at, text.n, 23);
	got = cd_decode(&b, &codes[ZSTD], in, 100000, NULL);
	CHECK(cd_is_good(got) && b.whole && cd_is(&b, text), "zstd: %d, %zu bytes", got, b.n);
	free(in.at);
	cd_close(&b);
	free(text.at);
}

/* RFC 7692 §7.2: messages of one context, each without its last four bytes; bounds are a
 * message's. */
static void test_messages(void)
{
	static const uint8_t kind[] = {CODING_RAW_DEFLATE}, tail[] = {0, 0, 0xff, 0xff};
	static const struct coding_conf conf = {
		.small = 1, .large = 0, .max_bytes = 3000, .max_ratio = 1 << 20};
	z_stream z = {0};
	struct dice d = dice_of(824);
	struct bytes text = bytes_words(&d, 3000), in = bytes_of(8000);
	struct bench b;
	uint32_t decoder;

	CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	cd_open(&b, &conf);
	b.why = "message";
	decoder = coding_start(&b.c, kind, 1);
	CU_ASSERT_NOT_EQUAL_FATAL(decoder, 0);
	for (int i = 0; i < 300; i++) {
		size_t from = dice_below(&d, 3000), n = 1 + dice_below(&d, (uint32_t)(3000 - from));
		size_t most = i % 3 ? 100 : 1, used = 0, have;
		enum coding_got got = CODING_MORE;

		z.next_in = text.at + from;
		z.avail_in = (uInt)n;
		z.next_out = in.at;
		z.avail_out = 8000;
		CU_ASSERT_EQUAL_FATAL(deflate(&z, Z_SYNC_FLUSH), Z_OK);
		have = 8000 - z.avail_out;
		CU_ASSERT_TRUE_FATAL(have > 4 && !memcmp(in.at + have - 4, tail, 4));
		have -= 4;
		b.n = 0;
		coding_renew(&b.c, decoder);
		while (used < have && got == CODING_MORE) {
			size_t step = most < have - used ? most : have - used;

			got = cd_feed(&b, decoder, in.at + used, step);
			used += step;
		}
		if (got == CODING_MORE)
			got = cd_feed(&b, decoder, tail, sizeof(tail));
		if (!CHECK(got == CODING_MORE && b.n == n && !memcmp(b.out, text.at + from, n),
			   "message %d: %d, %zu of %zu bytes, seed %llu", i, got, b.n, n,
			   (unsigned long long)d.seed))
			break;
	}
	coding_end(&b.c, decoder);
	cd_close(&b);
	deflateEnd(&z);
	free(in.at);
	free(text.at);
}

CU_TestInfo coding_tests[] = {
	{"round_trips", test_round_trips},
	{"stacked", test_stacked},
	{"stacked_four", test_stacked_four},
	{"members_and_frames", test_members_and_frames},
	{"whole_at_true_ends", test_whole_at_true_ends},
	{"bytes_behind_the_end", test_bytes_behind_the_end},
	{"brotli_of_many_flushes", test_brotli_of_many_flushes},
	{"largest_windows", test_largest_windows},
	{"messages", test_messages},
	CU_TEST_INFO_NULL,
};
