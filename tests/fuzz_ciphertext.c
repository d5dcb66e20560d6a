/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ciphertext — chunks of both directions, holes between them, and whole pieces of handshakes.
 * What is told is the same for any cut, is final, lies between records, and is never told where
 * neither TLS nor SSH begins or a hole came before.
 *
 * A chunk begins with its length (0: two more bytes say it), 0x80 for direction 1; with 0x40 it is
 * a piece of PIECES, or a hole.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "user/parse/ciphertext.h"

#define BYTES 16384U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define Z8  "........"
#define Z32 Z8 Z8 Z8 Z8
#define PIECE(text)                     \
	{                               \
		text, sizeof(text) - 1U \
	}

/* Handshakes are made of these (RFC 8446 §4.1, RFC 5246 §7.4, RFC 4253 §7). */
static const struct {
	const char *at;
	size_t n;
} pieces[] = {
	PIECE("\x16\3\1\0\x2d\1\0\0\x29\3\3" Z32 "\0\0\2\x13\1\1\0"),
	PIECE("\x16\3\3\0\x2a\2\0\0\x26\3\3" Z32 "\0\xc0\x2f\0"),
	PIECE("\x16\3\3\0\x32\2\0\0\x2e\3\3" Z32 "\0\x13\1\0\0\6\0\x2b\0\2\3\4"),
	PIECE("\x16\3\3\0\x32\2\0\0\x2e\3\3\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65"
	      "\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c\0\x13\1\0\0"
	      "\6\0\x2b\0\2\3\4"),
	PIECE("\x14\3\3\0\1\1"),
	PIECE("\x16\3\3\0\x28" Z32 Z8),
	PIECE("\x17\3\3\0\x20" Z32),
	PIECE("\x15\3\3\0\2\1\x70"),
	PIECE("SSH-2.0-a\r\n"),
	PIECE("SSH-1.99-b\n"),
	PIECE("a line\r\n"),
	PIECE("\0\0\0\x4c\x08\x14" Z8 "8 bytes.\0\0\0\1a\0\0\0\1a\0\0\0\1a\0\0\0\1a\0\0\0\1a"
	      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" Z8),
	PIECE("\0\0\0\x4c\x08\x14" Z8 "8 again.\0\0\0\1a\0\0\0\1a\0\0\0\1a\0\0\0\1a\0\0\0\1a"
	      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" Z8),
	PIECE("\0\0\0\x0c\x0a\x1e.........."),
	PIECE("\0\0\0\x0c\x0a\x15.........."),
};

enum { PIECES = sizeof(pieces) / sizeof(pieces[0]) };

/* All of it in order; a hole is one element of no byte. */
struct talk {
	size_t n;
	uint8_t dir[BYTES], at[BYTES];
	bool hole[BYTES];
};

static struct talk talk;

struct answer {
	bool known;
	uint64_t from;
};

static void add(uint8_t dir, const uint8_t *at, size_t n)
{
	if (n > BYTES - talk.n)
		n = BYTES - talk.n;
	memset(talk.dir + talk.n, dir, n);
	memcpy(talk.at + talk.n, at, n);
	memset(talk.hole + talk.n, 0, n * sizeof(talk.hole[0]));
	talk.n += n;
}

static void build(const uint8_t *in, const uint8_t *end)
{
	talk.n = 0;
	while (in < end && talk.n < BYTES) {
		uint8_t first = *in++, dir = first >> 7;
		size_t n = first & 0x3f;

		if ((first & 0x40) && n < PIECES) {
			add(dir, (const uint8_t *)pieces[n].at, pieces[n].n);
			continue;
		}
		if (first & 0x40) {
			add(dir, &first, 1);
			talk.hole[talk.n - 1] = true;
			continue;
		}
		if (n == 0 && end - in >= 2) {
			n = load_be16(in);
			in += 2;
		}
		n = n < (size_t)(end - in) ? n : (size_t)(end - in);
		add(dir, in, n);
		in += n;
	}
}

static struct answer answer(const struct ciphertext *c, uint8_t dir)
{
	struct answer a = {0};

	a.known = ciphertext_from(c, dir, &a.from);
	return a;
}

static void feed(struct ciphertext *c, uint8_t dir, const uint8_t *at, size_t n)
{
	uint8_t *copy = malloc(n);

	assert(copy);
	memcpy(copy, at, n);
	ciphertext_feed(c, dir, span_of(copy, n));
	free(copy);
}

/* Elements [at, to), as long as possible. */
static void hear(struct ciphertext *c, size_t at, size_t to)
{
	while (at < to) {
		size_t n = 1;

		while (at + n < to && talk.dir[at + n] == talk.dir[at] && !talk.hole[at + n] &&
		       !talk.hole[at])
			n++;
		if (talk.hole[at])
			ciphertext_gap(c, talk.dir[at]);
		else
			feed(c, talk.dir[at], talk.at + at, n);
		at += n;
	}
}

/* One by one; what was told stays. */
static void hear_singly(struct ciphertext *c)
{
	for (size_t at = 0; at < talk.n; at++) {
		struct answer before[2] = {answer(c, 0), answer(c, 1)};
		bool done = ciphertext_done(c);

		hear(c, at, at + 1);
		assert(!done || ciphertext_done(c));
		for (uint8_t dir = 0; dir < 2; dir++) {
			struct answer now = answer(c, dir);

			assert(now.known == before[dir].known || (!done && now.known));
			assert(!before[dir].known || now.from == before[dir].from);
		}
	}
}

static void hear_cut(struct ciphertext *c, uint32_t seed)
{
	for (size_t at = 0, n; at < talk.n; at += n) {
		seed = seed * 1664525U + 1013904223U;
		n = 1 + (seed >> 16) % (seed >> 30 ? 16 : 300);
		n = n < talk.n - at ? n : talk.n - at;
		hear(c, at, at + n);
	}
}

/* ---- what is told, against the bytes ---- */

static void check_records(const uint8_t *at, size_t n, size_t from)
{
	bool changed = false, data = false;
	size_t i = 0;

	assert(n >= 10 && (at[5] == 1 || at[5] == 2));
	while (i < from) {
		assert(i + 5 <= n && at[i] >= 20 && at[i] <= 23 && at[i + 1] == 3);
		changed = changed || at[i] == 20;
		data = at[i] == 23;
		i += 5U + load_be16(at + i + 3);
	}
	assert(i == from && from <= n);
	if (changed && i + 5 <= n && at[i] == 23)
		return;
	assert(data);
}

static void check_packets(const uint8_t *at, size_t n, size_t from)
{
	const uint8_t *p = at, *end = at + n;
	uint8_t type = 0;
	size_t i;

	while (end - p > 4 && memcmp(p, "SSH-", 4) != 0) {
		p = memchr(p, '\n', (size_t)(end - p));
		assert(p);
		p++;
	}
	p = memchr(p, '\n', (size_t)(end - p));
	assert(p);
	for (i = (size_t)(p + 1 - at); i < from; i += 4 + load_be32(at + i)) {
		assert(i + 6 <= n && load_be32(at + i) <= 34996);
		type = at[i + 5];
	}
	assert(i == from && from <= n && type == 21);
}

/* The bytes of a direction up to its first hole. */
static size_t side_of(uint8_t dir, uint8_t *out)
{
	size_t n = 0;

	for (size_t at = 0; at < talk.n; at++) {
		if (talk.dir[at] != dir)
			continue;
		if (talk.hole[at])
			break;
		out[n++] = talk.at[at];
	}
	return n;
}

static void check(const struct ciphertext *c)
{
	static uint8_t side[2][BYTES];
	size_t n[2] = {side_of(0, side[0]), side_of(1, side[1])};

	for (uint8_t dir = 0; dir < 2; dir++) {
		struct answer a = answer(c, dir);

		if (!a.known)
			continue;
		assert(n[0] && n[1] && (side[0][0] == 0x16) == (side[1][0] == 0x16));
		if (side[dir][0] == 0x16) {
			assert(side[0][5] != side[1][5]);
			check_records(side[dir], n[dir], a.from);
		} else {
			check_packets(side[dir], n[dir], a.from);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ciphertext whole = {0}, single = {0}, cut = {0};

	if (size < 4)
		return 0;
	build(data + 4, data + size);
	hear(&whole, 0, talk.n);
	check(&whole);
	hear_singly(&single);
	hear_cut(&cut, load_be32(data));
	assert(ciphertext_done(&whole) == ciphertext_done(&single));
	assert(ciphertext_done(&whole) == ciphertext_done(&cut));
	for (uint8_t dir = 0; dir < 2; dir++) {
		struct answer a = answer(&whole, dir), b = answer(&single, dir),
			      d = answer(&cut, dir);

		assert(a.known == b.known && a.known == d.known);
		assert(a.from == b.from && a.from == d.from);
	}
	return 0;
}
