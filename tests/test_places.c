/* SPDX-License-Identifier: MIT */
/* places — every byte of a frame leads back to its packet, also where frames reach over blocks. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/source/places.h"

enum { PACKETS = 3000, LARGEST = 900000 };

static struct {
	uint64_t at;
	uint32_t len;
} laid[PACKETS];

static uint8_t *put(uint8_t *to, const void *bytes, size_t n)
{
	memcpy(to, bytes, n);
	return to + n;
}

static uint8_t *put_words(uint8_t *to, const uint32_t *words, size_t n)
{
	return put(to, words, n * sizeof(*words));
}

/* Mostly small frames, some of them large, a few over several blocks. */
static uint32_t some_length(struct dice *d)
{
	uint32_t kind = dice_below(d, 200);

	return 14 + dice_below(d, kind == 0 ? LARGEST : kind < 20 ? 66000 : 1500);
}

/* Returns how long the file is; *n: frames. */
static size_t lay_out(uint8_t *file, size_t room, struct dice *d, bool ng, uint32_t *n)
{
	uint8_t *to = file;

	if (ng) {
		to = put_words(to, (uint32_t[]){0x0a0d0d0a, 28, 0x1a2b3c4d, 1, ~0U, ~0U, 28}, 7);
		to = put_words(to, (uint32_t[]){1, 20, 1, 0, 20}, 5);
	} else {
		to = put_words(to, (uint32_t[]){0xa1b2c3d4, 4 << 16 | 2, 0, 0, 1 << 20, 1}, 6);
	}
	for (*n = 0; *n < PACKETS; ++*n) {
		uint32_t len = some_length(d), padded = (len + 3) & ~3U;

		if ((size_t)(to - file) + padded + 64 > room)
			break;
		if (ng)
			to = put_words(to, (uint32_t[]){6, 32 + padded, 0, 0, *n, len, len}, 7);
		else
			to = put_words(to, (uint32_t[]){1000, *n, len, len}, 4);
		laid[*n].at = (uint64_t)(to - file);
		laid[*n].len = len;
		memset(to, 0, padded);
		to += ng ? padded : len;
		if (ng)
			to = put_words(to, (uint32_t[]){32 + padded}, 1);
	}
	return (size_t)(to - file);
}

static void read_all(struct source *s)
{
	struct block b = {0};

	CU_ASSERT_EQUAL_FATAL(block_open(&b, false), 0);
	do {
		source_fill(s, &b);
		b.index++;
	} while (!b.last);
	block_close(&b);
}

static bool ask(struct places *p, uint32_t i, uint32_t off, uint64_t seed)
{
	struct place_packet got = {0};

	return CHECK(places_find(p, laid[i].at + off, &got) && got.number == i + 1 &&
			     got.at == laid[i].at && got.caplen == laid[i].len,
		     "byte %u of %u, packet %u: %llu, seed %llu", off, laid[i].len, i + 1,
		     (unsigned long long)got.number, (unsigned long long)seed);
}

static void run(uint64_t seed, bool ng)
{
	const size_t room = 8 << 20;
	struct dice d = dice_of(seed);
	uint8_t *file = malloc(room);
	struct place_packet none;
	struct source *s = NULL;
	struct places *p;
	uint32_t n;
	char *path;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	if (!file)
		return;
	path = temp_file("places", file, lay_out(file, room, &d, ng, &n));
	CU_ASSERT_PTR_NOT_NULL_FATAL(path);
	const char *const paths[] = {path};
	CU_ASSERT_EQUAL_FATAL(source_open(&s, &(struct source_conf){.paths = paths, .n_paths = 1}),
			      0);
	CU_ASSERT_EQUAL_FATAL(places_open(&p, s), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	read_all(s);
	for (uint32_t i = 0; i < n; i++) { /* in order, then wherever */
		uint32_t any = dice_below(&d, n);

		if (!ask(p, i, 0, seed) || !ask(p, i, laid[i].len - 1, seed) ||
		    !ask(p, any, dice_below(&d, laid[any].len), seed))
			break;
	}
	CU_ASSERT_FALSE(places_find(p, 4, &none));
	CU_ASSERT_FALSE(places_find(p, laid[1].at - 1, &none));
	CU_ASSERT_FALSE(places_find(p, 1ULL << 40, &none));
	places_close(p);
	source_close(s);
	free(path);
	free(file);
}

static void test_classic(void)
{
	run(1, false);
	run(2, false);
}

static void test_pcapng(void)
{
	run(3, true);
	run(4, true);
}

CU_TestInfo places_tests[] = {
	{"classic", test_classic},
	{"pcapng", test_pcapng},
	CU_TEST_INFO_NULL,
};
