/* SPDX-License-Identifier: MIT */
/*
 * fuzz_coding — the first byte says how many encodings, the second which, the third how long chunks
 * are; the rest is data.  Chunks end at an unreadable page; however they are cut, what is whole is
 * the same, and what is not begins the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/parse/coding.h"

#define PAGE      ((size_t)4096)
#define IN_MAX    (4 * PAGE)
#define BYTES_MAX 60000U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	enum coding_got got;
	bool whole;
	size_t n;
	uint8_t bytes[BYTES_MAX];
};

static uint8_t *end; /* of what can be read */
static struct result one, two;

static void map(void)
{
	uint8_t *base = mmap(NULL, IN_MAX + PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(base != MAP_FAILED);
	end = base + IN_MAX;
	assert(mprotect(end, PAGE, PROT_NONE) == 0);
}

static enum coding_got feed(struct codings *c, uint32_t decoder, const uint8_t *at, size_t n,
			    struct result *r)
{
	struct span in = span_of(memcpy(end - n, at, n), n), out;

	for (;;) {
		const uint8_t *before = in.at;
		enum coding_got got = coding_next(c, decoder, &in, &out);

		assert(in.at >= before && in.at <= in.end);
		assert(got != CODING_MORE || in.at == in.end);
		if (got != CODING_BYTES)
			return got;
		assert(span_len(out) > 0 && span_len(out) <= BYTES_MAX - r->n);
		memcpy(r->bytes + r->n, out.at, span_len(out));
		r->n += span_len(out);
	}
}

static void decode(const uint8_t *kinds, uint32_t n_kinds, const uint8_t *at, size_t n, size_t most,
		   struct result *r)
{
	static const struct coding_conf conf = {
		.small = 4, .large = 4, .max_bytes = BYTES_MAX, .max_ratio = 1 << 20};
	struct codings c;
	uint32_t decoder, again;

	if (codings_open(&c, &conf) < 0)
		abort();
	decoder = coding_start(&c, kinds, n_kinds);
	assert(decoder && !coding_is_whole(&c, decoder));
	r->got = CODING_MORE;
	r->n = 0;
	for (size_t used = 0; used < n && (r->got == CODING_MORE || r->got == CODING_END);) {
		size_t step = most < n - used ? most : n - used;

		r->got = feed(&c, decoder, at + used, step, r);
		used += step;
	}
	r->whole = coding_is_whole(&c, decoder);
	assert(!r->whole || r->got == CODING_MORE || r->got == CODING_END);
	coding_end(&c, decoder);
	again = coding_start(&c, kinds, n_kinds); /* all of them came back */
	assert(again && c.refused == 0 && c.opened == 2);
	codings_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t kinds[CODING_STACK];
	uint32_t n;
	size_t most;

	if (size < 3 || size > IN_MAX)
		return 0;
	if (!end)
		map();
	n = 1 + data[0] % CODING_STACK;
	for (uint32_t i = 0; i < n; i++)
		kinds[i] = data[1] >> (2 * i) & 3; /* enum coding_kind */
	most = 1 + (data[2] & 0x3f);
	decode(kinds, n, data + 3, size - 3, IN_MAX, &one);
	decode(kinds, n, data + 3, size - 3, most, &two);
	assert(memcmp(one.bytes, two.bytes, one.n < two.n ? one.n : two.n) == 0);
	assert(one.whole == two.whole);
	assert(!one.whole || one.n == two.n);
	return 0;
}
