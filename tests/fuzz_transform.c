/* SPDX-License-Identifier: MIT */
/*
 * fuzz_transform — the first byte says how many steps, one byte each says which, two bytes give the
 * header's length and two the bound of the output; the rest is the input, in a buffer of exactly
 * its length.  The same bytes are a chain as text as well.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "user/view/transform.h"

#define LARGE 65536U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char charsets[][32] = {
	"",
	"",
	"utf-8",
	"utf-16",
	"utf-7",
	"shift_jis",
	"gb18030",
	"euc-kr",
	"big5-hkscs",
	"iso-2022-jp",
	"iso-2022-kr",
	"latin1",
	"utf-32be",
	"euc-jisx0213",
	"tscii",
	"utf-16le",
	"ibm1364",
	"x/y",
	"unicode",
};

static void check_parse(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), why[80];
	struct transform_chain chain;

	assert(text);
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	memset(why, 'x', sizeof(why));
	if (transform_parse(text, &chain, why, sizeof(why)) < 0)
		assert(chain.n == 0 && memchr(why, 0, sizeof(why)));
	assert(chain.n <= TRANSFORM_STEPS);
	for (uint32_t i = 0; i < chain.n; i++) {
		assert(chain.step[i].kind < TRANSFORM_COUNT);
		assert(memchr(chain.step[i].charset, 0, sizeof(chain.step[i].charset)));
		assert(chain.step[i].kind == TRANSFORM_CHARSET || !chain.step[i].charset[0]);
	}
	free(text);
}

/* Steps follow one another without a break; returns how many bytes the last one left. */
static size_t check_steps(const struct transform_result *r, size_t n, size_t max, bool *applied)
{
	for (uint32_t i = 0; i < r->steps; i++) {
		const struct transform_step *s = &r->step[i];
		bool is = s->status == TRANSFORM_APPLIED;

		assert(s->input_bytes == n && memchr(s->note, 0, sizeof(s->note)));
		assert(s->requested == TRANSFORM_AUTO || s->requested == s->applied);
		assert(is ? s->output_bytes <= max : !s->truncated);
		assert(s->status != TRANSFORM_NOOP || s->output_bytes == n);
		if (s->status == TRANSFORM_FAILED)
			assert(i + 1 == r->steps && s->output_bytes == 0);
		*applied |= is;
		n = s->output_bytes;
	}
	return n;
}

static struct transform_result run(const struct transform_chain *chain,
				   const struct transform_input *in, size_t max)
{
	struct transform_result r;
	bool applied = false;
	size_t n;

	assert(transform_run(chain, in, max, &r) == 0);
	assert(r.steps <= TRANSFORM_STEPS);
	n = check_steps(&r, span_len(in->bytes), max, &applied);
	if (r.status != TRANSFORM_FAILED) {
		assert(r.steps >= chain->n);
		assert(applied == (r.status == TRANSFORM_APPLIED));
	}
	assert(span_len(r.bytes) == (r.status == TRANSFORM_APPLIED ? n : 0));
	for (const uint8_t *p = r.bytes.at; p < r.bytes.end; p++)
		assert(*(const volatile uint8_t *)p == *p);
	return r;
}

/* What is cut is the beginning of what is not; where a message is tried twice, it may be that of
 * the first try. */
static void check_cut(const struct transform_chain *chain, const struct transform_input *in,
		      const struct transform_result *cut)
{
	struct transform_result whole;
	enum transform_kind kind = chain->step[0].kind;

	if (chain->n != 1 || kind == TRANSFORM_AUTO || kind == TRANSFORM_WEBSOCKET_DEFLATE)
		return;
	whole = run(chain, in, LARGE);
	if (whole.status == TRANSFORM_APPLIED) {
		size_t n = span_len(cut->bytes);

		assert(cut->status == TRANSFORM_APPLIED && n <= span_len(whole.bytes));
		assert(n == 0 || memcmp(cut->bytes.at, whole.bytes.at, n) == 0);
	}
	transform_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct transform_chain chain = {0};
	struct transform_input in;
	struct transform_result r;
	uint8_t *copy;
	size_t max;

	if (size < 5 || size > LARGE)
		return 0;
	check_parse(data, size);
	chain.n = data[0] % (TRANSFORM_STEPS + 1);
	if (size < 5 + chain.n)
		return 0;
	for (uint32_t i = 0; i < chain.n; i++) {
		uint32_t which = data[1 + i] / TRANSFORM_COUNT;

		chain.step[i].kind = (enum transform_kind)(data[1 + i] % TRANSFORM_COUNT);
		which %= sizeof(charsets) / sizeof(charsets[0]);
		memcpy(chain.step[i].charset, charsets[which], sizeof(charsets[0]));
	}
	data += 1 + chain.n;
	size -= 1 + chain.n;
	in.header = load_be16(data);
	max = load_be16(data + 2);
	data += 4;
	size -= 4;
	copy = malloc(size ? size : 1);
	assert(copy);
	if (size)
		memcpy(copy, data, size);
	in.bytes = span_of(copy, size);
	r = run(&chain, &in, max);
	check_cut(&chain, &in, &r);
	transform_free(&r);
	free(copy);
	return 0;
}
