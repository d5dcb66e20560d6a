/* SPDX-License-Identifier: MIT */
/* classify — see classify.h. */
#include "user/stream/classify.h"

#include <string.h>

#define EACH(byte) (0x0101010101010101ULL * (byte))

/* The high bit of every byte of x that equals `byte`; exact, no borrows between bytes. */
static uint64_t equal(uint64_t x, uint64_t byte)
{
	x ^= EACH(byte);
	return ~(((x & EACH(0x7f)) + EACH(0x7f)) | x) & EACH(0x80);
}

/* Eight bytes at a time: in text hardly any is below a blank, so one test is enough. */
static void count_word(uint64_t x, uint32_t *control, uint32_t *nul)
{
	uint64_t low = ~(((x & EACH(0x7f)) + EACH(0x60)) | x) & EACH(0x80);
	uint64_t del = equal(x, 0x7f);

	if ((low | del) == 0)
		return;
	*control += (uint32_t)__builtin_popcountll(low | del);
	if (low) {
		*nul += equal(x, 0) != 0;
		*control -= (uint32_t)__builtin_popcountll(equal(x, '\t') | equal(x, '\n') |
							   equal(x, '\r'));
	}
}

/* Long runs in vectors: at most 255 rounds, so that the counters fit into bytes. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
__attribute__((target_clones("avx2", "default"), optimize("O3")))
#endif
static void
count_lanes(const uint8_t *at, size_t rounds, uint8_t control[32], uint8_t nul[32])
{
	for (size_t r = 0; r < rounds; r++, at += 32) {
		for (int i = 0; i < 32; i++) {
			uint8_t b = at[i];

			control[i] =
				(uint8_t)(control[i] +
					  ((b < 0x20) & (b != '\t') & (b != '\n') & (b != '\r')) +
					  (b == 0x7f));
			nul[i] |= b == 0;
		}
	}
}

static void count(const uint8_t *at, size_t len, uint32_t *control, uint32_t *nul)
{
	uint64_t x;

	while (len >= 64) {
		uint8_t lanes[32] = {0}, zeros[32] = {0};
		size_t rounds = len / 32 < 255 ? len / 32 : 255;

		count_lanes(at, rounds, lanes, zeros);
		for (int i = 0; i < 32; i++) {
			*control += lanes[i];
			*nul += zeros[i];
		}
		at += rounds * 32;
		len -= rounds * 32;
	}
	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&x, at, 8);
		count_word(x, control, nul);
	}
	if (len) {
		x = EACH(' ');
		for (size_t i = 0; i < len; i++)
			x = x << 8 | at[i];
		count_word(x, control, nul);
	}
}

void classify_more(struct classify *c, const uint8_t *at, size_t len)
{
	uint32_t control = 0, nul = 0;

	if (c->control & CLASSIFY_NUL) { /* nothing can change that any more */
		c->seen = CLASSIFY_BYTES;
		return;
	}
	if (len > CLASSIFY_BYTES - c->seen)
		len = CLASSIFY_BYTES - c->seen;
	count(at, len, &control, &nul);
	c->seen = (uint16_t)(c->seen + len);
	c->control = (uint16_t)((c->control + control) | (nul ? CLASSIFY_NUL : 0));
}

enum content_kind classify_kind(const struct classify *c)
{
	if (c->seen == 0)
		return CONTENT_UNKNOWN;
	if ((c->control & CLASSIFY_NUL) || c->control * 20U > c->seen)
		return CONTENT_BINARY;
	return CONTENT_TEXT;
}

enum content_kind classify_join(enum content_kind a, enum content_kind b)
{
	if (a == CONTENT_UNKNOWN || a == b)
		return b;
	return b == CONTENT_UNKNOWN ? a : CONTENT_MIXED;
}

const char *content_kind_name(enum content_kind kind)
{
	static const char *const names[] = {"unknown", "text", "binary", "mixed"};

	return names[kind];
}
