/* SPDX-License-Identifier: MIT */
/* deltas — against a naive twin that keeps all of them. */
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/view/deltas.h"

enum { BYTES = 1 << 16, MOST = 20000 };

static struct {
	enum delta_kind kind;
	uint32_t n;
	uint64_t first;
} twin[MOST + 1];

/* From a cursor on to the end, in one go or in steps that find their place again. */
static bool read_on(const struct deltas *log, struct dice *d, uint64_t *cursor, uint64_t *place)
{
	const struct delta *x;
	uint64_t next = *cursor < log->dropped_before ? log->dropped_before : *cursor;
	bool ok = true;

	while (ok && dice_below(d, 50) && (x = deltas_after(log, *cursor, place))) {
		next++;
		ok = CHECK(x->cursor == next && x->kind == twin[next].kind &&
				   x->n == twin[next].n &&
				   (!x->n || (x->item[0] == twin[next].first &&
					      x->item[x->n - 1] == twin[next].first + x->n - 1)),
			   "delta %llu after %llu, %llu expected, seed %llu",
			   (unsigned long long)x->cursor, (unsigned long long)*cursor,
			   (unsigned long long)next, (unsigned long long)d->seed);
		*cursor = x->cursor;
	}
	return ok;
}

static void test_twin(void)
{
	uint64_t item[DELTA_ITEMS];

	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct dice d = dice_of(seed);
		uint64_t cursor = 0, place = 0, bytes = 0;
		struct deltas log;
		bool ok = true;

		CU_ASSERT_EQUAL_FATAL(deltas_open(&log, BYTES), 0);
		for (uint64_t i = 1; ok && i <= MOST; i++) {
			uint32_t n = dice_below(&d, 8) ? dice_below(&d, 6)
						       : dice_below(&d, DELTA_ITEMS + 1);

			twin[i].kind = (enum delta_kind)dice_below(&d, 6);
			twin[i].n = n;
			twin[i].first = dice_roll(&d);
			for (uint32_t k = 0; k < n; k++)
				item[k] = twin[i].first + k;
			deltas_add(&log, twin[i].kind, item, n);
			ok = CHECK(log.latest == i && log.dropped_before < i, "%llu, seed %llu",
				   (unsigned long long)i, (unsigned long long)seed);
			if (!dice_below(&d, 20)) { /* a follower, who may fall behind */
				ok = ok && read_on(&log, &d, &cursor, &place);
				place = dice_below(&d, 4) ? place : 0;
			}
			if (!dice_below(&d, 200)) { /* somebody new */
				uint64_t at = 0, from = dice_roll(&d) % (i + 2);

				ok = ok && read_on(&log, &d, &from, &at);
			}
		}
		/* as much is kept as has room, but for one delta at the end of the ring */
		for (uint64_t i = log.dropped_before; i && i <= log.latest; i++)
			bytes += sizeof(struct delta) + twin[i].n * sizeof(uint64_t);
		CHECK(bytes + sizeof(struct delta) + sizeof(item) > BYTES, "%llu bytes, seed %llu",
		      (unsigned long long)bytes, (unsigned long long)seed);
		deltas_close(&log);
	}
}

static void test_sizes(void)
{
	struct deltas log;

	CU_ASSERT_NOT_EQUAL(deltas_open(&log, 1 << 15), 0);
	CU_ASSERT_NOT_EQUAL(deltas_open(&log, 100000), 0);
}

CU_TestInfo deltas_tests[] = {
	{"sizes", test_sizes},
	{"twin", test_twin},
	CU_TEST_INFO_NULL,
};
