/* SPDX-License-Identifier: MIT */
/* base — span and cursor, sequence numbers, slots, quota, ring. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/base/bytemask.h"
#include "user/base/quota.h"
#include "user/base/ring.h"
#include "user/base/seq.h"
#include "user/base/slots.h"
#include "user/base/span.h"

static void test_cursor_reads_big_endian(void)
{
	static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
	struct cursor c = cursor_of(span_of(bytes, 7));

	CU_ASSERT_EQUAL(cursor_u8(&c), 0x01);
	CU_ASSERT_EQUAL(cursor_be16(&c), 0x0203);
	CU_ASSERT_EQUAL(cursor_be32(&c), 0x04050607);
	CU_ASSERT_TRUE(cursor_ok(&c));
	CU_ASSERT_EQUAL(cursor_left(&c), 0);
	CU_ASSERT_EQUAL(load_be64(bytes), 0x0102030405060708ULL);
}

static void test_cursor_fails_once_and_stays_so(void)
{
	struct guard g;
	uint8_t *at;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 64));
	for (size_t len = 0; len < 4; len++) {
		struct cursor c;

		at = guard_put(&g, "\xff\xff\xff\xff", len);
		c = cursor_of(span_of(at, len));
		CHECK(cursor_be32(&c) == 0 && !cursor_ok(&c), "4 of %zu bytes", len);
		CHECK(cursor_u8(&c) == 0, "a failed cursor reads nothing, %zu bytes", len);
		CHECK(cursor_take(&c, 0) == NULL, "nor takes nothing, %zu bytes", len);
		c = cursor_of(span_of(at, len));
		CHECK(cursor_take(&c, SIZE_MAX) == NULL, "all of memory from %zu bytes", len);
	}
	guard_close(&g);
}

static void test_seq_wraps(void)
{
	static const struct {
		uint32_t a, b;
		bool before;
		const char *why;
	} rows[] = {
		{0, 0, false, "equal"},
		{0, 1, true, "next"},
		{1, 0, false, "previous"},
		{UINT32_MAX, 0, true, "over the end"},
		{0, UINT32_MAX, false, "back over the end"},
		{0xfffffff0, 0x10, true, "a segment across the end"},
		{0, 0x7fffffff, true, "the farthest ahead"},
		{0x7fffffff, 0, false, "the farthest behind"},
		{0x80000001, 0, true, "half a circle less one"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t a = rows[i].a, b = rows[i].b;

		CHECK(seq_before(a, b) == rows[i].before, "%s", rows[i].why);
		CHECK(seq_min(a, b) == (rows[i].before ? a : b), "least, %s", rows[i].why);
		CHECK(seq_max(a, b) == (rows[i].before ? b : a), "most, %s", rows[i].why);
		CHECK((uint32_t)(b + (uint32_t)seq_diff(a, b)) == a, "difference, %s", rows[i].why);
	}
}

static void test_slots_reach_every_element(void)
{
	static const size_t strides[] = {1, 12, 32, 128, 2048, 5000};

	for (size_t s = 0; s < sizeof(strides) / sizeof(strides[0]); s++) {
		struct slots m;
		size_t stride = strides[s], cap = 1000;
		bool zero = true;

		CU_ASSERT_EQUAL_FATAL(slots_open(&m, stride, cap), 0);
		for (size_t i = 0; i < cap; i++) {
			slots_reach(&m, i);
			CHECK(m.ready >= (i + 1) * stride || m.ready == m.bytes,
			      "element %zu of %zu bytes is populated", i, stride);
			for (size_t k = 0; k < stride; k++)
				zero &= m.base[i * stride + k] == 0;
			memset(m.base + i * stride, 0xaa, stride);
		}
		CHECK(zero, "fresh memory of stride %zu is zero", stride);
		slots_close(&m);
		CU_ASSERT_PTR_NULL(m.base);
		slots_close(&m);
	}
}

static void test_slots_refuse_the_impossible(void)
{
	struct slots m;

	CU_ASSERT_TRUE(slots_open(&m, 1, (size_t)1 << 60) < 0);
	CU_ASSERT_PTR_NULL(m.base);
	CU_ASSERT_EQUAL_FATAL(slots_open(&m, 8, 0), 0);
	slots_close(&m);
}

/* Leases of one quota: what all of them hold never exceeds it, and nothing is lost. */
static void test_quota_never_exceeded(void)
{
	enum { LEASES = 4, CAP = 1000 };
	struct quota q;
	struct lease l[LEASES];
	uint64_t used[LEASES] = {0}, sum;
	struct dice d = dice_of(7);

	atomic_init(&q.left, CAP);
	for (int i = 0; i < LEASES; i++)
		l[i] = (struct lease){.from = &q, .step = 16};
	for (int n = 0; n < 20000; n++) {
		uint32_t i = dice_below(&d, LEASES), want = 1 + dice_below(&d, 40);

		if (dice_below(&d, 2) && used[i] >= want) {
			lease_return(&l[i], want);
			used[i] -= want;
		} else if (lease_charge(&l[i], want)) {
			used[i] += want;
		}
		sum = atomic_load(&q.left);
		for (int k = 0; k < LEASES; k++)
			sum += used[k] + l[k].held;
		if (!CHECK(sum == CAP, "step %d: %llu units, seed %llu", n, (unsigned long long)sum,
			   (unsigned long long)d.seed))
			break;
	}
}

static void test_quota_can_be_used_up(void)
{
	struct quota q;
	struct lease l = {.from = &q, .step = 64};
	int n = 0;

	atomic_init(&q.left, 100);
	while (n < 1000 && lease_charge(&l, 1))
		n++;
	CU_ASSERT_EQUAL(n, 100);
	CU_ASSERT_FALSE(lease_charge(&l, 1));
	lease_return(&l, 1);
	CU_ASSERT_TRUE(lease_charge(&l, 1));
}

static void *quota_thread(void *arg)
{
	struct lease l = {.from = arg, .step = 8};
	uint64_t *used = calloc(1, sizeof(*used));

	for (uint32_t i = 0; i < 100000; i++) {
		if (i % 3 == 2 && *used) {
			lease_return(&l, 1);
			--*used;
		} else {
			*used += lease_charge(&l, 1);
		}
	}
	*used += l.held;
	return used;
}

static void test_quota_shared_by_threads(void)
{
	pthread_t t[4];
	struct quota q;
	uint64_t sum;

	atomic_init(&q.left, 20000);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, quota_thread, &q), 0);
	sum = 0;
	for (int i = 0; i < 4; i++) {
		void *used = NULL;

		pthread_join(t[i], &used);
		sum += used ? *(uint64_t *)used : 0;
		free(used);
	}
	CU_ASSERT_EQUAL(sum + atomic_load(&q.left), 20000);
}

static void test_ring_keeps_order_and_bound(void)
{
	static struct ring r;
	uint32_t v = 0, in = 0, out = 0;
	struct dice d = dice_of(11);

	CU_ASSERT_FALSE(ring_pop(&r, &v));
	for (int n = 0; n < 20000; n++) {
		bool push = dice_below(&d, 2), full = in - out == RING_SIZE;

		if (push && CHECK(ring_push(&r, in) == !full, "push with %u waiting", in - out))
			in += !full;
		if (!push &&
		    CHECK(ring_pop(&r, &v) == (in != out), "pop with %u waiting", in - out) &&
		    in != out)
			CHECK(v == out++, "popped %u", v);
	}
}

enum { RING_ITEMS = 300000 };

static void *ring_producer(void *arg)
{
	struct ring *r = arg;

	for (uint32_t i = 0; i < RING_ITEMS;) {
		if (ring_push(r, i))
			i++;
		else
			sched_yield();
	}
	return NULL;
}

static void test_ring_between_threads(void)
{
	static struct ring r;
	pthread_t t;
	uint32_t v = 0, next = 0;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, ring_producer, &r), 0);
	while (next < RING_ITEMS) {
		if (!ring_pop(&r, &v)) {
			sched_yield();
			continue;
		}
		if (!CHECK(v == next, "item %u came as %u", next, v))
			break;
		next++;
	}
	while (next < RING_ITEMS) /* a failure must not leave the producer waiting */
		next += ring_pop(&r, &v);
	pthread_join(t, NULL);
	CU_ASSERT_FALSE(ring_pop(&r, &v));
}

/* Between two guard pages, so that a byte read too many is a fault; any length, any block. */
static void test_bytemask_against_a_loop(void)
{
	uint8_t bytes[200];
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, sizeof(bytes)));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * i % 7 ? 'x' : '\n';
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		const uint8_t *at = guard_put(&g, bytes, len);
		struct span s = span_of(at, len);

		for (size_t from = 0; from <= len; from += BYTEMASK) {
			uint64_t want = 0, got = bytemask_at(s, at + from, '\n');

			for (size_t k = 0; k < BYTEMASK && from + k < len; k++)
				want |= (uint64_t)(at[from + k] == '\n') << k;
			CHECK(got == want, "%zu bytes from %zu: %llx, not %llx", len, from,
			      (unsigned long long)got, (unsigned long long)want);
		}
	}
	guard_close(&g);
}

CU_TestInfo base_tests[] = {
	{"cursor_reads_big_endian", test_cursor_reads_big_endian},
	{"cursor_fails_once_and_stays_so", test_cursor_fails_once_and_stays_so},
	{"bytemask_against_a_loop", test_bytemask_against_a_loop},
	{"seq_wraps", test_seq_wraps},
	{"slots_reach_every_element", test_slots_reach_every_element},
	{"slots_refuse_the_impossible", test_slots_refuse_the_impossible},
	{"quota_never_exceeded", test_quota_never_exceeded},
	{"quota_can_be_used_up", test_quota_can_be_used_up},
	{"quota_shared_by_threads", test_quota_shared_by_threads},
	{"ring_keeps_order_and_bound", test_ring_keeps_order_and_bound},
	{"ring_between_threads", test_ring_between_threads},
	CU_TEST_INFO_NULL,
};
