/* SPDX-License-Identifier: MIT */
/* classify — see classify.h. */
#include "user/stream/classify.h"

#include <string.h>

/* Bytes of a run that are controls (tab and line ends aside), and whether one is NUL. */
struct tally {
	uint32_t controls;
	bool nul;
};

typedef uint8_t lanes __attribute__((vector_size(16)));
typedef uint8_t wide __attribute__((vector_size(32)));

static lanes load(const uint8_t *at)
{
	lanes v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* All ones in each lane that is a control character: no tab, no line end. */
#define IS_CONTROL(v) \
	((((v) < 0x20) & ((v) != '\t') & ((v) != '\n') & ((v) != '\r')) | ((v) == 0x7f))

static uint32_t sum(lanes v)
{
	uint64_t half[2], pairs;

	memcpy(half, &v, sizeof(half));
	pairs = (half[0] & 0x00ff00ff00ff00ffULL) + (half[0] >> 8 & 0x00ff00ff00ff00ffULL) +
		(half[1] & 0x00ff00ff00ff00ffULL) + (half[1] >> 8 & 0x00ff00ff00ff00ffULL);
	return (uint32_t)((pairs * 0x0001000100010001ULL) >> 48);
}

/* Long runs, n a multiple of 32 and at most CLASSIFY_BYTES: a lane counts to 128. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
	!defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
static struct tally
count_wide(const uint8_t *at, size_t n)
{
	wide controls = {0}, nuls = {0}, v;
	lanes half[4];
	struct tally t = {0};

	for (const uint8_t *end = at + n; at < end; at += sizeof(v)) {
		memcpy(&v, at, sizeof(v));
		controls -= (wide)IS_CONTROL(v);
		nuls |= (wide)(v == 0);
	}
	memcpy(half, &controls, sizeof(controls));
	memcpy(half + 2, &nuls, sizeof(nuls));
	t.controls = sum(half[0]) + sum(half[1]);
	t.nul = sum(half[2]) + sum(half[3]) > 0;
	return t;
}

/* The last bytes of a run in a vector, the rest of it filled with ones. */
static lanes load_tail(const uint8_t *at, size_t len, size_t left)
{
	static const uint8_t ones[32] = {255, 255, 255, 255, 255, 255, 255, 255,
					 255, 255, 255, 255, 255, 255, 255, 255};
	lanes v = load(ones);
	uint8_t short_run[16];

	if (len >= 16)
		return load(at + left - 16) | load(ones + left);
	memcpy(short_run, &v, sizeof(v));
	for (size_t i = 0; i < left; i++)
		short_run[i] = at[i];
	return load(short_run);
}

static struct tally count(const uint8_t *at, size_t len)
{
	struct tally t = {0};
	lanes controls = {0}, nuls = {0}, v;
	size_t left = len;

	if (len >= 128) {
		t = count_wide(at, len & ~(size_t)31);
		at += len & ~(size_t)31;
		left &= 31;
	}
	for (; left > 16; at += 16, left -= 16) {
		v = load(at);
		controls -= (lanes)IS_CONTROL(v);
		nuls |= (lanes)(v == 0);
	}
	if (left) {
		v = load_tail(at, len, left);
		controls -= (lanes)IS_CONTROL(v);
		nuls |= (lanes)(v == 0);
	}
	t.controls += sum(controls);
	t.nul |= sum(nuls) != 0;
	return t;
}

void classify_more(struct classify *c, const uint8_t *at, size_t len)
{
	struct tally t;

	if (c->control & CLASSIFY_NUL) { /* nothing can change that any more */
		c->seen = CLASSIFY_BYTES;
		return;
	}
	if (len > CLASSIFY_BYTES - c->seen)
		len = CLASSIFY_BYTES - c->seen;
	t = count(at, len);
	c->seen = (uint16_t)(c->seen + len);
	c->control = (uint16_t)((c->control + t.controls) | (t.nul ? CLASSIFY_NUL : 0));
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
