/* SPDX-License-Identifier: MIT */
/* channel — against a naive twin on one thread, and across two. */
#include <pthread.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/base/channel.h"

enum { SIZE = 4096, WAITING = 4096 };

static void test_sizes(void)
{
	struct channel c;

	CU_ASSERT_NOT_EQUAL(channel_open(&c, 2048), 0);
	CU_ASSERT_NOT_EQUAL(channel_open(&c, 5000), 0);
	CU_ASSERT_EQUAL_FATAL(channel_open(&c, SIZE), 0);
	CU_ASSERT_PTR_NULL(channel_reserve(&c, SIZE / 4 + 1));
	CU_ASSERT_PTR_NULL(channel_reserve(&c, SIZE));
	CU_ASSERT_PTR_NOT_NULL(channel_reserve(&c, SIZE / 4 - 8));
	channel_close(&c);
}

/* What is filled in by seed `number` and length. */
static void fill(uint8_t *at, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(number * 31 + i);
}

static bool is_filled(const uint8_t *at, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != (uint8_t)(number * 31 + i))
			return false;
	return true;
}

/* A reservation may be given up for another one; no more than the buffer is ever out. */
static void test_twin(void)
{
	static size_t waiting[WAITING];
	struct channel c;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct dice d = dice_of(seed);
		uint64_t put = 0, got = 0, held = 0;
		bool ok = true;

		CU_ASSERT_EQUAL_FATAL(channel_open(&c, SIZE), 0);
		for (int step = 0; ok && step < 20000; step++) {
			size_t n = dice_below(&d, dice_below(&d, 4) ? 64 : SIZE / 4 - 7), len;
			uint8_t *to = dice_below(&d, 5) < 3 ? channel_reserve(&c, n) : NULL;
			const uint8_t *at;

			if (to && dice_below(&d, 8)) {
				ok = CHECK(((uintptr_t)to & 7) == 0, "unaligned, seed %llu",
					   (unsigned long long)d.seed);
				fill(to, n, put);
				channel_submit(&c);
				waiting[put++ % WAITING] = n;
				held += n;
			}
			if (held == 0)
				ok = ok && CHECK(channel_reserve(&c, n) != NULL,
						 "no room in an empty one, seed %llu",
						 (unsigned long long)d.seed);
			if (dice_below(&d, 5) > 2)
				continue;
			at = channel_peek(&c, &len);
			ok = ok && CHECK((at != NULL) == (got < put) && held <= SIZE,
					 "step %d: %llu of %llu, seed %llu", step,
					 (unsigned long long)got, (unsigned long long)put,
					 (unsigned long long)d.seed);
			if (!at)
				continue;
			ok = ok && CHECK(len == waiting[got % WAITING] && is_filled(at, len, got),
					 "step %d: record %llu, seed %llu", step,
					 (unsigned long long)got, (unsigned long long)d.seed);
			held -= len;
			got++;
			if (dice_below(&d, 3)) {
				channel_release(&c);
			} else { /* peeked at twice, it is the same */
				ok = ok && CHECK(channel_peek(&c, &len) == at, "step %d, seed %llu",
						 step, (unsigned long long)d.seed);
				channel_release(&c);
			}
		}
		channel_close(&c);
	}
}

static struct channel between;
static const uint64_t RECORDS = 200000;

static void *produce(void *seed)
{
	struct dice d = dice_of(*(uint64_t *)seed);

	for (uint64_t i = 0; i < RECORDS; i++) {
		size_t n = dice_below(&d, 200);
		uint8_t *at;

		while (!(at = channel_reserve(&between, n)))
			;
		fill(at, n, i);
		channel_submit(&between);
	}
	return NULL;
}

static void test_two_threads(void)
{
	uint64_t seed = 5;
	struct dice d = dice_of(seed);
	pthread_t thread;
	bool ok = true;

	CU_ASSERT_EQUAL_FATAL(channel_open(&between, SIZE), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, produce, &seed), 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		size_t n, want = dice_below(&d, 200);
		const uint8_t *at;

		while (!(at = channel_peek(&between, &n)))
			;
		ok = ok && CHECK(n == want && is_filled(at, n, i), "record %llu, seed %llu",
				 (unsigned long long)i, (unsigned long long)d.seed);
		channel_release(&between);
	}
	pthread_join(thread, NULL);
	channel_close(&between);
}

CU_TestInfo channel_tests[] = {
	{"sizes", test_sizes},
	{"twin", test_twin},
	{"two_threads", test_two_threads},
	CU_TEST_INFO_NULL,
};
