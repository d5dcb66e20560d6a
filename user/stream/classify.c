/* SPDX-License-Identifier: MIT */
/* classify — see classify.h. */
#include "user/stream/classify.h"

#include <string.h>

typedef uint8_t lanes __attribute__((vector_size(16)));

static lanes load(const uint8_t *at)
{
	lanes v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* All ones in each lane that is a control character: no tab, no line end. */
static lanes is_control(lanes v)
{
	return (lanes)(((v < 0x20) & (v != '\t') & (v != '\n') & (v != '\r')) | (v == 0x7f));
}

static uint32_t sum(lanes v)
{
	uint64_t half[2], pairs;

	memcpy(half, &v, sizeof(half));
	pairs = (half[0] & 0x00ff00ff00ff00ffULL) + (half[0] >> 8 & 0x00ff00ff00ff00ffULL) +
		(half[1] & 0x00ff00ff00ff00ffULL) + (half[1] >> 8 & 0x00ff00ff00ff00ffULL);
	return (uint32_t)((pairs * 0x0001000100010001ULL) >> 48);
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

/* At most CLASSIFY_BYTES: so a lane counts to 256 at most, and the last one in the tail. */
static void count(const uint8_t *at, size_t len, uint32_t *control, bool *nul)
{
	lanes controls = {0}, nuls = {0}, v;
	size_t left = len;

	for (; left > 16; at += 16, left -= 16) {
		v = load(at);
		controls -= is_control(v);
		nuls |= (lanes)(v == 0);
	}
	*control = sum(controls);
	if (left) {
		v = load_tail(at, len, left);
		*control += sum(-is_control(v));
		nuls |= (lanes)(v == 0);
	}
	*nul = sum(nuls) != 0;
}

void classify_more(struct classify *c, const uint8_t *at, size_t len)
{
	uint32_t control;
	bool nul;

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
