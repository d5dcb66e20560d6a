/* SPDX-License-Identifier: MIT */
/* coding — what the reference encoders wrote comes back in any chunks; damage, bombs and too few
 * decoders. */
#include <brotli/encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/parse/coding.h"

enum encoding { GZIP, ZLIB, DEFLATE, BROTLI, ZSTD, ENCODINGS };

static const char *const names[] = {"gzip", "zlib", "deflate", "brotli", "zstd"};

/* What coding_start is told. */
struct code {
	uint8_t kind[CODING_STACK];
	uint32_t n;
};

static const struct code codes[] = {
	{{CODING_GZIP}, 1},   {{CODING_GZIP}, 1}, {{CODING_GZIP}, 1},
	{{CODING_BROTLI}, 1}, {{CODING_ZSTD}, 1},
};

struct bytes {
	uint8_t *at;
	size_t n;
};

/* ---- encoders ---- */

static struct bytes bytes_of(size_t n)
{
	struct bytes b = {.at = calloc(n ? n : 1, 1), .n = n};

	CU_ASSERT_PTR_NOT_NULL_FATAL(b.at);
	return b;
}

static struct bytes deflated(const void *at, size_t n, int window)
{
	z_stream z = {.next_in = (Bytef *)at, .avail_in = (uInt)n};
	struct bytes b;

	CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	b = bytes_of(deflateBound(&z, n) + 64);
	z.next_out = b.at;
	z.avail_out = (uInt)b.n;
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n -= z.avail_out;
	deflateEnd(&z);
	return b;
}

static struct bytes brotlied(const void *at, size_t n, int quality, int window)
{
	struct bytes b = bytes_of(BrotliEncoderMaxCompressedSize(n) + 64);
	size_t room = b.n;

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the caller frees what is returned */
	CU_ASSERT_TRUE(
		BrotliEncoderCompress(quality, window, BROTLI_MODE_GENERIC, n, at, &room, b.at));
	b.n = room;
	return b;
}

static struct bytes zstded(const void *at, size_t n, int window)
{
	struct bytes b = bytes_of(ZSTD_compressBound(n));
	ZSTD_CCtx *z = ZSTD_createCCtx();

	CU_ASSERT_PTR_NOT_NULL_FATAL(z);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0); /* as who streams does not know it */
	if (window)
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window);
	b.n = ZSTD_compress2(z, b.at, b.n, at, n);
	CU_ASSERT_FALSE_FATAL(ZSTD_isError(b.n));
	ZSTD_freeCCtx(z);
	return b;
}

static struct bytes encoded(enum encoding e, const void *at, size_t n)
{
	switch (e) {
	case GZIP:
		return deflated(at, n, 15 + 16);
	case ZLIB:
		return deflated(at, n, 15);
	case DEFLATE:
		return deflated(at, n, -15);
	case BROTLI:
		return brotlied(at, n, 5, 22);
	default:
		return zstded(at, n, 0);
	}
}

static struct bytes joined(struct bytes a, struct bytes b)
{
	struct bytes both = bytes_of(a.n + b.n);

	memcpy(both.at, a.at, a.n);
	memcpy(both.at + a.n, b.at, b.n);
	free(a.at);
	free(b.at);
	return both;
}

/* Words of a few, which compress about as web pages do. */
static struct bytes words(struct dice *d, size_t n)
{
	struct bytes b = bytes_of(n);
	uint8_t word[200][8];

	dice_fill(d, word[0], sizeof(word));
	for (size_t at = 0; at < n;) {
		const uint8_t *w = word[dice_below(d, 200)];

		for (uint32_t k = 2 + dice_below(d, 7); k && at < n; k--)
			b.at[at++] = 'a' + w[k - 1] % 26;
		if (at < n)
			b.at[at++] = ' ';
	}
	return b;
}

/* ---- decoding ---- */

enum { ROOM = 24 << 20 };

struct bench {
	struct codings c;
	struct guard g;
	uint8_t *out;
	size_t n; /* decoded so far */
	bool whole;
	bool lax;        /* it may be whole before its last byte */
	const char *why; /* for messages */
};

static void bench_open(struct bench *b, const struct coding_conf *conf)
{
	memset(b, 0, sizeof(*b));
	CU_ASSERT_EQUAL_FATAL(codings_open(&b->c, conf), 0);
	CU_ASSERT_TRUE_FATAL(guard_open(&b->g, ROOM));
	b->out = malloc(ROOM);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->out);
	b->why = "";
}

static void bench_close(struct bench *b)
{
	codings_close(&b->c);
	guard_close(&b->g);
	free(b->out);
}

static const struct coding_conf roomy = {
	.small = 4, .large = 4, .max_bytes = 1ULL << 30, .max_ratio = 1 << 20};

/* One chunk, whose end is the end of what can be read. */
static enum coding_got feed(struct bench *b, uint32_t decoder, const uint8_t *at, size_t n)
{
	struct span in = span_of(guard_put(&b->g, at, n), n), out;

	for (;;) {
		const uint8_t *before = in.at;
		enum coding_got got = coding_next(&b->c, decoder, &in, &out);

		if (in.at < before || in.at > in.end) {
			CHECK(false, "%s: it stands outside of its input", b->why);
			return CODING_BAD;
		}
		if (got == CODING_MORE && in.at != in.end)
			CHECK(false, "%s: %zu bytes unused", b->why, span_len(in));
		if (got != CODING_BYTES)
			return got;
		if (span_len(out) == 0 || b->n + span_len(out) > ROOM) {
			CHECK(false, "%s: gave %zu bytes", b->why, span_len(out));
			return CODING_BAD;
		}
		memcpy(b->out + b->n, out.at, span_len(out));
		b->n += span_len(out);
	}
}

/* Chunks of at most `most` bytes; with dice, of any length up to that. */
static enum coding_got decode(struct bench *b, const struct code *code, struct bytes in,
			      size_t most, struct dice *d)
{
	uint32_t decoder = coding_start(&b->c, code->kind, code->n);
	enum coding_got got = CODING_MORE;
	size_t used = 0;

	b->n = 0;
	b->whole = false;
	if (!CHECK(decoder != 0, "%s: a decoder", b->why))
		return CODING_BAD;
	CHECK(!coding_is_whole(&b->c, decoder), "%s: whole before the first byte", b->why);
	while (used < in.n && (got == CODING_MORE || got == CODING_END)) {
		size_t step = d ? 1 + dice_below(d, (uint32_t)most) : most;

		step = step < in.n - used ? step : in.n - used;
		got = feed(b, decoder, in.at + used, step);
		used += step;
		if (!b->lax && used < in.n && coding_is_whole(&b->c, decoder))
			CHECK(false, "%s: whole after %zu of %zu bytes", b->why, used, in.n);
	}
	b->whole = coding_is_whole(&b->c, decoder);
	coding_end(&b->c, decoder);
	return got;
}

static bool is(const struct bench *b, struct bytes text)
{
	return b->n == text.n && memcmp(b->out, text.at, text.n) == 0;
}

static bool is_good(enum coding_got got)
{
	return got == CODING_MORE || got == CODING_END;
}

/* All at once, byte by byte, and in random chunks. */
static void expect_back(struct bench *b, const struct code *code, struct bytes in,
			struct bytes text, struct dice *d)
{
	const size_t most[] = {in.n ? in.n : 1, 1, 7, 300, 5000};

	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		enum coding_got got;

		if (in.n > 100000 && most[i] < 300)
			continue; /* it takes its time */
		got = decode(b, code, in, most[i], i < 2 ? NULL : d);
		CHECK(is_good(got) && b->whole && is(b, text),
		      "%s: %zu bytes from %zu, at most %zu at once: %d, %zu bytes, %s", b->why,
		      text.n, in.n, most[i], got, b->n, b->whole ? "whole" : "not whole");
	}
}

static void test_round_trips(void)
{
	static const size_t sizes[] = {0, 1, 100, 40000, 1 << 20};
	struct dice d = dice_of(811);
	struct bench b;

	bench_open(&b, &roomy);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bytes text = words(&d, sizes[i]), noise = bytes_of(sizes[i]);

		dice_fill(&d, noise.at, noise.n);
		for (enum encoding e = GZIP; e < ENCODINGS; e++) {
			struct bytes in = encoded(e, text.at, text.n);

			b.why = names[e];
			expect_back(&b, &codes[e], in, text, &d);
			free(in.at);
			in = encoded(e, noise.at, noise.n);
			expect_back(&b, &codes[e], in, noise, &d);
			free(in.at);
		}
		free(text.at);
		free(noise.at);
	}
	CU_ASSERT_EQUAL(b.c.refused, 0);
	bench_close(&b);
}

/* Every two encodings, then four: the one applied last is undone first. */
static void test_stacked(void)
{
	struct dice d = dice_of(812);
	struct bytes text = words(&d, 3000);
	struct bench b;

	bench_open(&b, &roomy);
	for (int pair = 0; pair < ENCODINGS * ENCODINGS; pair++) {
		enum encoding e[2] = {pair / ENCODINGS, pair % ENCODINGS};
		struct code code = {{codes[e[0]].kind[0], codes[e[1]].kind[0]}, 2};
		struct bytes once = encoded(e[0], text.at, text.n);
		struct bytes twice = encoded(e[1], once.at, once.n);
		char why[32];

		snprintf(why, sizeof(why), "%s, %s", names[e[0]], names[e[1]]);
		b.why = why;
		expect_back(&b, &code, twice, text, &d);
		free(once.at);
		free(twice.at);
	}
	bench_close(&b);
	free(text.at);
}

static void test_stacked_four(void)
{
	static const enum encoding order[][CODING_STACK] = {{GZIP, BROTLI, ZSTD, ZLIB},
							    {ZSTD, DEFLATE, GZIP, BROTLI},
							    {BROTLI, BROTLI, DEFLATE, ZSTD},
							    {GZIP, GZIP, GZIP, GZIP}};
	struct dice d = dice_of(813);
	struct bytes text = words(&d, 40000);
	struct bench b;

	bench_open(&b, &roomy);
	b.why = "four";
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct bytes in = encoded(order[i][0], text.at, text.n);
		struct code code = {{codes[order[i][0]].kind[0]}, CODING_STACK};

		for (int k = 1; k < (int)CODING_STACK; k++) {
			struct bytes more = encoded(order[i][k], in.at, in.n);

			free(in.at);
			in = more;
			code.kind[k] = codes[order[i][k]].kind[0];
		}
		expect_back(&b, &code, in, text, &d);
		free(in.at);
	}
	bench_close(&b);
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
	struct bytes text = words(&d, 900), in;
	struct bench b;

	bench_open(&b, &roomy);
	b.lax = true;
	b.why = "a header with all fields";
	in = with_header(text.at, 900);
	expect_back(&b, &codes[GZIP], in, text, &d);
	free(in.at);
	b.why = "members";
	in = joined(encoded(GZIP, text.at, 300), encoded(GZIP, text.at, 0));
	in = joined(in, with_header(text.at + 300, 1));
	in = joined(in, encoded(GZIP, text.at + 301, 599));
	expect_back(&b, &codes[GZIP], in, text, &d);
	for (size_t split = 1; split < in.n; split++) {
		decode(&b, &codes[GZIP], in, split, NULL);
		CHECK(b.whole && is(&b, text), "members in chunks of %zu", split);
	}
	free(in.at);
	b.why = "frames";
	memcpy(skipped.at, skip, skipped.n);
	in = joined(encoded(ZSTD, text.at, 300), skipped);
	in = joined(in, encoded(ZSTD, text.at, 0));
	in = joined(in, encoded(ZSTD, text.at + 300, 600));
	expect_back(&b, &codes[ZSTD], in, text, &d);
	free(in.at);
	bench_close(&b);
	free(text.at);
}

/* Whole is what ends at a member's end and nowhere else. */
static void test_whole_at_true_ends(void)
{
	static const enum encoding e[] = {GZIP, ZSTD};
	struct dice d = dice_of(815);
	struct bytes text = words(&d, 200);
	struct bench b;

	bench_open(&b, &roomy);
	b.lax = true;
	for (int i = 0; i < 2; i++) {
		struct bytes one = encoded(e[i], text.at, 100);
		struct bytes in = encoded(e[i], text.at + 100, 100);
		size_t first = one.n;

		in = joined(one, in);
		b.why = names[e[i]];
		for (size_t n = 1; n <= in.n; n++) {
			struct bytes part = {in.at, n};
			enum coding_got got = decode(&b, &codes[e[i]], part, n, NULL);

			CHECK(is_good(got) && b.whole == (n == first || n == in.n),
			      "%s: %zu bytes of %zu and %zu: %d", b.why, n, first, in.n - first,
			      b.whole);
		}
		free(in.at);
	}
	bench_close(&b);
	free(text.at);
}

/* "What follows is ignored": whatever it is, and wherever chunks end. */
static void test_bytes_behind_the_end(void)
{
	static const char *const tail[] = {"x", "\r\n", "\1\2\3\4\5\6\7\10", "zzzzzzzzzzzzzzzz",
					   "x\x9c\3\0\0\0\0\1"};
	struct dice d = dice_of(816);
	struct bytes text = words(&d, 150);
	struct bench b;

	bench_open(&b, &roomy);
	b.lax = true;
	for (enum encoding e = GZIP; e <= BROTLI; e++) {
		for (size_t i = 0; i < sizeof(tail) / sizeof(tail[0]); i++) {
			struct bytes more = bytes_of(strlen(tail[i]));
			struct bytes in = encoded(e, text.at, text.n);
			size_t end = in.n;

			memcpy(more.at, tail[i], more.n);
			in = joined(in, more);
			b.why = names[e];
			for (size_t split = 1; split <= in.n; split++) {
				enum coding_got got = decode(&b, &codes[e], in, split, NULL);

				CHECK(is_good(got) && b.whole && is(&b, text),
				      "%s and tail %zu, in chunks of %zu (end at %zu): %d, %zu "
				      "bytes, %s",
				      names[e], i, split, end, got, b.n,
				      b.whole ? "whole" : "not whole");
			}
			free(in.at);
		}
	}
	bench_close(&b);
	free(text.at);
}

/* A prefix is neither damaged nor whole, and what comes out is a prefix too. */
static void test_truncated(void)
{
	struct dice d = dice_of(817);
	struct bytes text = words(&d, 700);
	struct bench b;

	bench_open(&b, &roomy);
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		struct bytes in = encoded(e, text.at, text.n);

		b.why = names[e];
		for (size_t n = 0; n < in.n; n++) {
			struct bytes part = {in.at, n};
			enum coding_got got = decode(&b, &codes[e], part, n % 3 ? n : 1, NULL);

			CHECK(got == CODING_MORE && !b.whole, "%s: %zu of %zu bytes: %d", b.why, n,
			      in.n, got);
			CHECK(b.n <= text.n && memcmp(b.out, text.at, b.n) == 0,
			      "%s: %zu of %zu bytes: the beginning", b.why, n, in.n);
		}
		free(in.at);
	}
	bench_close(&b);
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

	bench_open(&b, &roomy);
	b.lax = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int single = 0; single < 2; single++) {
			struct bytes in = {(uint8_t *)rows[i].bytes, rows[i].n};
			enum coding_got got;

			struct code code = {{rows[i].kind}, 1};

			b.why = rows[i].why;
			got = decode(&b, &code, in, single ? 1 : in.n, NULL);
			CHECK(got == CODING_BAD && !b.whole, "%s: %d, %zu bytes%s", b.why, got, b.n,
			      single ? ", byte by byte" : "");
		}
	}
	bench_close(&b);
}

/* What ends damaged gives no more bytes. */
static void test_nothing_behind_damage(void)
{
	static const uint8_t bad[] = "\x1f\x8c\x08\0\0\0\0\0\0\3";
	struct dice d = dice_of(818);
	struct bytes text = words(&d, 100);
	struct bytes in = encoded(GZIP, text.at, text.n);
	struct bench b;
	uint32_t decoder;

	bench_open(&b, &roomy);
	decoder = coding_start(&b.c, codes[GZIP].kind, 1);
	CU_ASSERT_EQUAL(feed(&b, decoder, bad, sizeof(bad) - 1), CODING_BAD);
	for (int i = 0; i < 3; i++)
		CHECK(feed(&b, decoder, in.at, in.n) != CODING_MORE && b.n == 0, "round %d", i);
	CU_ASSERT_FALSE(coding_is_whole(&b.c, decoder));
	coding_end(&b.c, decoder);
	bench_close(&b);
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
	struct bytes text = words(&d, 70000), good = encoded(GZIP, text.at, text.n);
	struct bench b;

	bench_open(&b, &conf);
	b.why = "made up";
	for (size_t most = 1; most <= sizeof(bad); most++) {
		enum coding_got got;

		decode(&b, &codes[GZIP], good, good.n, NULL);
		got = decode(&b, &codes[GZIP], in, most, NULL);
		CHECK(got == CODING_BAD && b.n <= 5 && memcmp(b.out, "abcde", b.n) == 0,
		      "chunks of %zu: %d, %zu bytes: %.20s", most, got, b.n, (const char *)b.out);
	}
	bench_close(&b);
	free(good.at);
	free(text.at);
}

/* Any one byte of another value: with a checksum only the original can be whole. */
static void test_damaged_at_random(void)
{
	struct dice d = dice_of(819);
	struct bytes text = words(&d, 500);
	struct bench b;

	bench_open(&b, &roomy);
	b.lax = true;
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		struct bytes in = encoded(e, text.at, text.n);
		bool checked = e == GZIP || e == ZLIB || e == ZSTD;

		b.why = names[e];
		for (size_t at = 0; at < in.n; at++) {
			for (int i = 0; i < 20; i++) {
				uint8_t flip = (uint8_t)(1 + dice_below(&d, 255));
				enum coding_got got;

				in.at[at] ^= flip;
				got = decode(&b, &codes[e], in, i ? 30 : 1, i ? &d : NULL);
				CHECK(got != CODING_BYTES && got != CODING_BOMB, "%s: %d", b.why,
				      got);
				/* another first byte is another kind of data */
				CHECK(!checked || at == 0 || !b.whole || is(&b, text),
				      "%s: byte %zu xor %02x: whole, but not the original", b.why,
				      at, flip);
				in.at[at] ^= flip;
			}
		}
		free(in.at);
	}
	bench_close(&b);
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

	bench_open(&b, &tight);
	b.lax = true;
	for (int i = 0; i < 30000; i++) {
		enum encoding e = dice_below(&d, ENCODINGS), f = dice_below(&d, ENCODINGS);
		struct code one = codes[e], two = {{codes[f].kind[0], codes[e].kind[0]}, 2};
		struct bytes some = {in, dice_below(&d, sizeof(in))};

		dice_fill(&d, in, some.n);
		if (dice_below(&d, 4) && some.n >= begin_n[e])
			memcpy(in, begin[e], begin_n[e]);
		decode(&b, i % 4 ? &one : &two, some, 1 + dice_below(&d, 300), &d);
		if (!CHECK(b.n <= tight.max_bytes, "%s: %zu bytes, seed %llu", names[e], b.n,
			   (unsigned long long)d.seed))
			break;
	}
	CU_ASSERT_EQUAL(b.c.refused, 0);
	bench_close(&b);
}

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
		struct bytes in = encoded(e, zeros.at, ZEROS);

		b.why = names[e];
		for (int single = 0; single < 2; single++) {
			enum coding_got got;

			bench_open(&b, &bytes);
			b.why = names[e];
			got = decode(&b, &codes[e], in, single ? 1 : in.n, NULL);
			CHECK(got == CODING_BOMB && !b.whole && b.n <= bytes.max_bytes,
			      "%s, max_bytes: %d, %zu bytes", b.why, got, b.n);
			bench_close(&b);
			bench_open(&b, &ratio);
			b.why = names[e];
			got = decode(&b, &codes[e], in, single ? 1 : in.n, NULL);
			CHECK(got == CODING_BOMB && !b.whole &&
				      (b.n <= FREE || b.n <= ratio.max_ratio * in.n),
			      "%s, max_ratio: %d, %zu bytes from %zu", b.why, got, b.n, in.n);
			bench_close(&b);
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
	struct bytes once = encoded(GZIP, zeros.at, ZEROS), twice = encoded(GZIP, once.at, once.n);
	struct bench b;
	enum coding_got got;

	bench_open(&b, &conf);
	got = decode(&b, &codes[GZIP], once, once.n, NULL);
	CHECK(is_good(got) && b.whole && b.n == ZEROS, "one: %d, %zu bytes from %zu", got, b.n,
	      once.n);
	got = decode(&b, &two, twice, twice.n, NULL);
	CHECK(got == CODING_BOMB, "two: %d, %zu bytes from %zu", got, b.n, twice.n);
	bench_close(&b);
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

	bench_open(&b, &conf);
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		for (uint32_t more = 0; more < 2; more++) {
			struct bytes in = encoded(e, zeros.at, conf.max_bytes + more);
			enum coding_got got;

			b.why = names[e];
			got = decode(&b, &codes[e], in, in.n, NULL);
			CHECK(more ? got == CODING_BOMB && b.n <= conf.max_bytes
				   : is_good(got) && b.whole && b.n == conf.max_bytes,
			      "%s: max_bytes and %u: %d, %zu bytes", b.why, more, got, b.n);
			free(in.at);
		}
	}
	bench_close(&b);
	free(zeros.at);
}

/* ---- long streams ---- */

/* A server that flushes each piece makes thousands of blocks, none of which holds memory. */
static void test_brotli_of_many_flushes(void)
{
	enum { PIECES = 30000, EACH = 60 };
	BrotliEncoderState *z = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	struct dice d = dice_of(821);
	struct bytes text = words(&d, PIECES * EACH), in = bytes_of(8 << 20);
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
	bench_open(&b, &roomy);
	got = decode(&b, &codes[BROTLI], in, 1400, NULL);
	CHECK(is_good(got) && b.whole && is(&b, text), "%d: %zu of %zu bytes from %zu", got, b.n,
	      text.n, in.n);
	bench_close(&b);
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
	bench_open(&b, &roomy);
	in = brotlied(text.at, text.n, 5, 24);
	CHECK(in.n < 1400000, "the copy was found: %zu", in.n);
	got = decode(&b, &codes[BROTLI], in, 100000, NULL);
	CHECK(is_good(got) && b.whole && is(&b, text), "brotli: %d, %zu bytes", got, b.n);
	free(in.at);
	memcpy(text.at + (far >> 1), text.at, 200000);
	in = zstded(text.at, text.n, 23);
	got = decode(&b, &codes[ZSTD], in, 100000, NULL);
	CHECK(is_good(got) && b.whole && is(&b, text), "zstd: %d, %zu bytes", got, b.n);
	free(in.at);
	bench_close(&b);
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
	struct bytes text = words(&d, 3000), in = bytes_of(8000);
	struct bench b;
	uint32_t decoder;

	CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	bench_open(&b, &conf);
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

			got = feed(&b, decoder, in.at + used, step);
			used += step;
		}
		if (got == CODING_MORE)
			got = feed(&b, decoder, tail, sizeof(tail));
		if (!CHECK(got == CODING_MORE && b.n == n && !memcmp(b.out, text.at + from, n),
			   "message %d: %d, %zu of %zu bytes, seed %llu", i, got, b.n, n,
			   (unsigned long long)d.seed))
			break;
	}
	coding_end(&b.c, decoder);
	bench_close(&b);
	deflateEnd(&z);
	free(in.at);
	free(text.at);
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
	struct bytes text = words(&d, 20000), zeros = bytes_of(100000);
	struct bytes good[ENCODINGS], bomb[ENCODINGS];
	struct bench b;

	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		good[e] = encoded(e, text.at, text.n);
		bomb[e] = encoded(e, zeros.at, zeros.n);
	}
	bench_open(&b, &conf);
	b.lax = true;
	for (int i = 0; i < 600; i++) {
		enum encoding e = dice_below(&d, ENCODINGS), f = dice_below(&d, ENCODINGS);
		struct bytes part = {good[e].at, dice_below(&d, (uint32_t)good[e].n)};
		enum coding_got got;

		b.why = names[e];
		if (i % 3 == 0)
			decode(&b, &codes[e], part, 1000, &d);
		else if (i % 3 == 1)
			decode(&b, &codes[e], bomb[e], bomb[e].n, NULL);
		else
			decode(&b, &codes[e], text, 50, &d);
		b.why = names[f];
		got = decode(&b, &codes[f], good[f], 3000, &d);
		if (!CHECK(is_good(got) && b.whole && is(&b, text), "%s after %s: %d, seed %llu",
			   names[f], names[e], got, (unsigned long long)d.seed))
			break;
	}
	CU_ASSERT_EQUAL(b.c.refused, 0);
	bench_close(&b);
	for (enum encoding e = GZIP; e < ENCODINGS; e++) {
		free(good[e].at);
		free(bomb[e].at);
	}
	free(text.at);
	free(zeros.at);
}

CU_TestInfo coding_tests[] = {
	{"round_trips", test_round_trips},
	{"stacked", test_stacked},
	{"stacked_four", test_stacked_four},
	{"members_and_frames", test_members_and_frames},
	{"whole_at_true_ends", test_whole_at_true_ends},
	{"bytes_behind_the_end", test_bytes_behind_the_end},
	{"truncated", test_truncated},
	{"damaged_by_design", test_damaged_by_design},
	{"nothing_behind_damage", test_nothing_behind_damage},
	{"nothing_made_up", test_nothing_made_up},
	{"damaged_at_random", test_damaged_at_random},
	{"any_bytes", test_any_bytes},
	{"bombs", test_bombs},
	{"bomb_in_layers", test_bomb_in_layers},
	{"no_bombs", test_no_bombs},
	{"brotli_of_many_flushes", test_brotli_of_many_flushes},
	{"largest_windows", test_largest_windows},
	{"messages", test_messages},
	{"decoders_taken", test_decoders_taken},
	{"decoders_reused", test_decoders_reused},
	CU_TEST_INFO_NULL,
};
