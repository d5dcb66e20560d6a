/* SPDX-License-Identifier: MIT */
/* coding_host — see coding_host.h. */
#include "tests/coding_host.h"

#include <CUnit/CUnit.h>
#include <brotli/encode.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

const char *const encoding_names[ENCODINGS] = {"gzip", "zlib", "deflate", "brotli", "zstd"};

const struct code codes[ENCODINGS] = {
	{{CODING_GZIP}, 1},   {{CODING_GZIP}, 1}, {{CODING_GZIP}, 1},
	{{CODING_BROTLI}, 1}, {{CODING_ZSTD}, 1},
};

/* ---- encoders ---- */

struct bytes bytes_of(size_t n)
{
	struct bytes b = {.at = calloc(n ? n : 1, 1), .n = n};

	CU_ASSERT_PTR_NOT_NULL_FATAL(b.at);
	return b;
}

static struct bytes bytes_deflated(const void *at, size_t n, int window)
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

/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the caller frees what is returned */
struct bytes bytes_brotlied(const void *at, size_t n, int quality, int window)
{
	struct bytes b = bytes_of(BrotliEncoderMaxCompressedSize(n) + 64);
	size_t room = b.n;

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the caller frees what is returned */
	CU_ASSERT_TRUE(
		BrotliEncoderCompress(quality, window, BROTLI_MODE_GENERIC, n, at, &room, b.at));
	b.n = room;
	return b;
}

struct bytes bytes_zstded(const void *at, size_t n, int window)
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

struct bytes bytes_encoded(enum encoding e, const void *at, size_t n)
{
	switch (e) {
	case GZIP:
		return bytes_deflated(at, n, 15 + 16);
	case ZLIB:
		return bytes_deflated(at, n, 15);
	case DEFLATE:
		return bytes_deflated(at, n, -15);
	case BROTLI:
		return bytes_brotlied(at, n, 5, 22);
	default:
		return bytes_zstded(at, n, 0);
	}
}

struct bytes bytes_joined(struct bytes a, struct bytes b)
{
	struct bytes both = bytes_of(a.n + b.n);

	memcpy(both.at, a.at, a.n);
	memcpy(both.at + a.n, b.at, b.n);
	free(a.at);
	free(b.at);
	return both;
}

struct bytes bytes_words(struct dice *d, size_t n)
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

void cd_open(struct bench *b, const struct coding_conf *conf)
{
	memset(b, 0, sizeof(*b));
	CU_ASSERT_EQUAL_FATAL(codings_open(&b->c, conf), 0);
	CU_ASSERT_TRUE_FATAL(guard_open(&b->g, ROOM));
	b->out = malloc(ROOM);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->out);
	b->why = "";
}

void cd_close(struct bench *b)
{
	codings_close(&b->c);
	guard_close(&b->g);
	free(b->out);
}

const struct coding_conf cd_roomy = {
	.small = 4, .large = 4, .max_bytes = 1ULL << 30, .max_ratio = 1 << 20};

enum coding_got cd_feed(struct bench *b, uint32_t decoder, const uint8_t *at, size_t n)
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

enum coding_got cd_decode(struct bench *b, const struct code *code, struct bytes in, size_t most,
			  struct dice *d)
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
		got = cd_feed(b, decoder, in.at + used, step);
		used += step;
		if (!b->lax && used < in.n && coding_is_whole(&b->c, decoder))
			CHECK(false, "%s: whole after %zu of %zu bytes", b->why, used, in.n);
	}
	b->whole = coding_is_whole(&b->c, decoder);
	coding_end(&b->c, decoder);
	return got;
}

bool cd_is(const struct bench *b, struct bytes text)
{
	return b->n == text.n && memcmp(b->out, text.at, text.n) == 0;
}

bool cd_is_good(enum coding_got got)
{
	return got == CODING_MORE || got == CODING_END;
}

void cd_expect_back(struct bench *b, const struct code *code, struct bytes in, struct bytes text,
		    struct dice *d)
{
	const size_t most[] = {in.n ? in.n : 1, 1, 7, 300, 5000};

	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		enum coding_got got;

		if (in.n > 100000 && most[i] < 300)
			continue; /* it takes its time */
		got = cd_decode(b, code, in, most[i], i < 2 ? NULL : d);
		CHECK(cd_is_good(got) && b->whole && cd_is(b, text),
		      "%s: %zu bytes from %zu, at most %zu at once: %d, %zu bytes, %s", b->why,
		      text.n, in.n, most[i], got, b->n, b->whole ? "whole" : "not whole");
	}
}
