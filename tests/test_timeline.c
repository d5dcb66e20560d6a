/* SPDX-License-Identifier: MIT */
/* timeline — nothing that was added is lost, whatever the times, and it lies in its bucket. */
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/view/timeline.h"

enum { ADDED = 400 };

static struct news_time added[ADDED];

static bool same(const struct timeline *t, uint32_t n, uint64_t seed)
{
	uint64_t all = 0, sum = 0;
	bool ok = CHECK(t->n <= TIMELINE, "%u buckets, seed %llu", t->n, (unsigned long long)seed);

	for (uint32_t i = 0; ok && i < t->n; i++) {
		uint64_t want[SERVICE_COUNT] = {0};

		for (uint32_t k = 0; k < n; k++)
			if (added[k].second / t->width == t->first + i)
				for (uint32_t s = 0; s < added[k].n; s++)
					want[added[k].service[s].service] +=
						added[k].service[s].bytes;
		for (uint32_t s = 0; ok && s < SERVICE_COUNT; s++) {
			ok = CHECK(timeline_bucket(t, i)[s].bytes == want[s],
				   "bucket %u, service %u, seed %llu", i, s,
				   (unsigned long long)seed);
			sum += want[s];
		}
	}
	for (uint32_t k = 0; k < n; k++)
		for (uint32_t s = 0; s < added[k].n; s++)
			all += added[k].service[s].bytes;
	return ok && CHECK(sum == all, "%llu of %llu, seed %llu", (unsigned long long)sum,
			   (unsigned long long)all, (unsigned long long)seed);
}

/* reach: how far times lie from each other. */
static void run(uint64_t start, uint64_t reach, uint64_t seed)
{
	struct dice d = dice_of(seed);
	struct timeline t;
	bool ok = true;

	CU_ASSERT_EQUAL_FATAL(timeline_open(&t), 0);
	for (uint32_t k = 0; ok && k < ADDED; k++) {
		struct news_time *n = &added[k];

		memset(n, 0, sizeof(*n));
		n->second = start + dice_roll(&d) % reach;
		n->n = 1 + dice_below(&d, 3);
		for (uint32_t s = 0; s < n->n; s++)
			n->service[s] =
				(struct news_service){.service = dice_below(&d, SERVICE_COUNT),
						      .packets = 1,
						      .bytes = dice_below(&d, 1000)};
		timeline_add(&t, n);
		if (k == ADDED - 1 || !dice_below(&d, 100))
			ok = same(&t, k + 1, d.seed);
	}
	timeline_close(&t);
}

static void test_twin(void)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		run(1700000000, 100, seed);
		run(1700000000, TIMELINE, 10 + seed);
		run(1700000000, 3 * TIMELINE, 20 + seed);
		run(0, 1ULL << 34, 30 + seed); /* what a capture may say */
	}
}

CU_TestInfo timeline_tests[] = {
	{"twin", test_twin},
	CU_TEST_INFO_NULL,
};
