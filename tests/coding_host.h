/* SPDX-License-Identifier: MIT */
/*
 * coding_host — bytes encoded by others and decoded by coding.h, in pieces that end at an
 * unreadable page.
 *
 * Owner:  the test; one at a time.
 */
#ifndef TESTS_CODING_HOST_H
#define TESTS_CODING_HOST_H

#include "tests/guard.h"
#include "user/parse/coding.h"

enum encoding { GZIP, ZLIB, DEFLATE, BROTLI, ZSTD, ENCODINGS };

extern const char *const encoding_names[ENCODINGS];

/* What coding_start is told. */
struct code {
	uint8_t kind[CODING_STACK];
	uint32_t n;
};

extern const struct code codes[ENCODINGS];

/* Whoever asked for them frees `at`. */
struct bytes {
	uint8_t *at;
	size_t n;
};

struct bytes bytes_of(size_t n);
struct bytes bytes_brotlied(const void *at, size_t n, int quality, int window);
struct bytes bytes_zstded(const void *at, size_t n, int window);
struct bytes bytes_encoded(enum encoding e, const void *at, size_t n);
struct bytes bytes_joined(struct bytes a, struct bytes b);
/* Words of a few, which compress about as web pages do. */
struct bytes bytes_words(struct dice *d, size_t n);

struct bench {
	struct codings c;
	struct guard g;
	uint8_t *out;
	size_t n; /* decoded so far */
	bool whole;
	bool lax;        /* it may be whole before its last byte */
	const char *why; /* for messages */
};

void cd_open(struct bench *b, const struct coding_conf *conf);
void cd_close(struct bench *b);
extern const struct coding_conf cd_roomy;

/* One chunk, whose end is the end of what can be read. */
enum coding_got cd_feed(struct bench *b, uint32_t decoder, const uint8_t *at, size_t n);
/* Chunks of at most `most` bytes; with dice, of any length up to that. */
enum coding_got cd_decode(struct bench *b, const struct code *code, struct bytes in, size_t most,
			  struct dice *d);
bool cd_is(const struct bench *b, struct bytes text);
bool cd_is_good(enum coding_got got);
/* All at once, byte by byte, and in random chunks. */
void cd_expect_back(struct bench *b, const struct code *code, struct bytes in, struct bytes text,
		    struct dice *d);

#endif
