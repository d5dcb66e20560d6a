/* SPDX-License-Identifier: MIT */
/* defrag — fragments in every order and of every kind; each frame is credited exactly once. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/decode/defrag.h"

enum { PAYLOAD = 3000, SECOND = 1000000000 };

static uint8_t payload[PAYLOAD];

/* A fragmenter and the books of what it sent and what came back. */
struct desk {
	struct defrag *d;
	uint64_t sent, credited, refused;
	uint64_t clock_ns;
	struct datagram done;
	enum rm_drop why;
};

static void desk_open(struct desk *k, uint32_t max_datagrams, uint32_t max_pieces)
{
	struct defrag_conf conf = {.max_datagrams = max_datagrams,
				   .max_pieces = max_pieces,
				   .timeout_ns = 30ULL * SECOND};

	*k = (struct desk){.clock_ns = 1000ULL * SECOND};
	for (size_t i = 0; i < PAYLOAD; i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
	CU_ASSERT_EQUAL_FATAL(defrag_open(&k->d, &conf), 0);
}

static enum defrag_got push(struct desk *k, uint32_t id, uint32_t offset, uint32_t len, bool more)
{
	struct fragment f = {.key = {.id = id, .proto = 17, .ip_layers = 1},
			     .offset = offset,
			     .len = len,
			     .cap = len,
			     .at = payload + offset % PAYLOAD,
			     .more = more,
			     .next_header = offset ? 99 : 17,
			     .frames = 1,
			     .frame_bytes = len + 34,
			     .clock_ns = k->clock_ns};
	enum defrag_got got = defrag_push(k->d, &f, &k->done, &k->why);

	k->sent++;
	if (got == DEFRAG_WHOLE)
		k->credited += k->done.frames;
	k->refused += got == DEFRAG_DROPPED;
	return got;
}

/* Takes the datagram; true where its bytes are the payload's. */
static bool take(struct desk *k)
{
	static uint8_t out[65536];

	memset(out, 0, sizeof(out));
	defrag_take(k->d, &k->done, out);
	return k->done.cap <= PAYLOAD && memcmp(out, payload, k->done.cap) == 0;
}

static uint64_t dropped(const struct desk *k)
{
	uint64_t sum = 0;

	for (int i = 0; i < RM_DROP_MAX; i++)
		sum += defrag_counts(k->d)->dropped[i];
	return sum;
}

static bool balanced(const struct desk *k)
{
	return k->sent == k->credited + k->refused + dropped(k) + defrag_counts(k->d)->held;
}

static void desk_close(struct desk *k)
{
	CHECK(balanced(k), "%llu frames sent, %llu credited, %llu refused, %llu dropped, %llu held",
	      (unsigned long long)k->sent, (unsigned long long)k->credited,
	      (unsigned long long)k->refused, (unsigned long long)dropped(k),
	      (unsigned long long)defrag_counts(k->d)->held);
	defrag_flush(k->d);
	CHECK(balanced(k) && defrag_counts(k->d)->held == 0, "nothing is held after a flush");
	defrag_close(k->d);
}

static void test_all_orders_of_four(void)
{
	static const uint32_t at[] = {0, 800, 1600, 2400, PAYLOAD};
	struct desk k;

	desk_open(&k, 8, 64);
	for (int n = 0; n < 256; n++) {
		int order[4] = {n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6 & 3};
		enum defrag_got got = DEFRAG_HELD;

		if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) != 15)
			continue;
		for (int i = 0; i < 4; i++) {
			int f = order[i];

			CHECK(got == DEFRAG_HELD, "order %d whole after %d", n, i);
			got = push(&k, (uint32_t)n, at[f], at[f + 1] - at[f], f < 3);
		}
		if (!CHECK(got == DEFRAG_WHOLE, "order %d", n))
			continue;
		CHECK(k.done.len == PAYLOAD && k.done.cap == PAYLOAD && k.done.frames == 4 &&
			      k.done.frame_bytes == PAYLOAD + 4 * 34 && k.done.next_header == 17,
		      "order %d: %u bytes of %u frames", n, k.done.len, k.done.frames);
		CHECK(take(&k), "order %d: bytes", n);
	}
	CU_ASSERT_EQUAL(defrag_counts(k.d)->overlaps, 0);
	desk_close(&k);
}

/* Pieces of any size with overlaps and repeats, in any order, several datagrams at once. */
static void test_random_fragments(void)
{
	struct dice d = dice_of(71);
	struct desk k;

	desk_open(&k, 8, 512);
	for (uint32_t id = 0; id < 300; id++) {
		bool have[PAYLOAD / 8] = {false}, whole = false;

		for (int n = 0; n < 400 && !whole; n++) {
			uint32_t from = dice_below(&d, PAYLOAD / 8);
			uint32_t units = 1 + dice_below(&d, 80), len;
			bool all = true;

			if (from + units > PAYLOAD / 8)
				units = PAYLOAD / 8 - from;
			len = units * 8;
			for (uint32_t i = from; i < from + units; i++)
				have[i] = true;
			for (uint32_t i = 0; i < PAYLOAD / 8; i++)
				all &= have[i];
			whole = push(&k, id, from * 8, len, from + units < PAYLOAD / 8) ==
				DEFRAG_WHOLE;
			CHECK(whole == all, "datagram %u, fragment %d, seed %llu", id, n,
			      (unsigned long long)d.seed);
			CHECK(whole || balanced(&k), "datagram %u, fragment %d", id, n);
		}
		if (whole)
			CHECK(take(&k), "datagram %u: bytes", id);
	}
	CU_ASSERT_EQUAL(defrag_counts(k.d)->conflicts, 0);
	CU_ASSERT_TRUE(defrag_counts(k.d)->overlaps > 0);
	desk_close(&k);
}

static void test_first_copy_stays(void)
{
	static uint8_t out[PAYLOAD], other[16];
	struct desk k;
	struct fragment f = {.key = {.id = 1, .proto = 17, .ip_layers = 1},
			     .offset = 8,
			     .len = 16,
			     .cap = 16,
			     .at = other,
			     .more = true,
			     .frames = 1};

	desk_open(&k, 8, 64);
	CU_ASSERT_EQUAL(push(&k, 1, 8, 16, true), DEFRAG_HELD);
	f.clock_ns = k.clock_ns;
	CU_ASSERT_EQUAL(defrag_push(k.d, &f, &k.done, &k.why), DEFRAG_HELD);
	k.sent++;
	CU_ASSERT_EQUAL(defrag_counts(k.d)->conflicts, 1);
	CU_ASSERT_EQUAL(push(&k, 1, 24, 8, false), DEFRAG_HELD);
	CU_ASSERT_EQUAL(push(&k, 1, 0, 8, true), DEFRAG_WHOLE);
	CU_ASSERT_EQUAL(k.done.frames, 4);
	defrag_take(k.d, &k.done, out);
	CU_ASSERT_EQUAL(memcmp(out, payload, 32), 0);
	desk_close(&k);
}

static void test_impossible_fragments(void)
{
	static const struct {
		uint32_t offset, len;
		bool more;
		const char *why;
	} rows[] = {
		{65528, 16, false, "beyond 65535 bytes"},
		{0, 0, true, "empty"},
		{8, 9, true, "not a multiple of 8, and more to come"},
		{24, 8, false, "another end, behind the first"},
		{8, 8, false, "another end, before it"},
		{16, 16, true, "more behind the end"},
	};
	struct desk k;

	desk_open(&k, 8, 64);
	CU_ASSERT_EQUAL(push(&k, 1, 16, 8, false), DEFRAG_HELD);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(push(&k, 1, rows[i].offset, rows[i].len, rows[i].more) == DEFRAG_DROPPED &&
			      k.why == RM_DROP_FRAGMENT_INVALID,
		      "%s", rows[i].why);
	CU_ASSERT_EQUAL(push(&k, 1, 0, 16, true), DEFRAG_WHOLE);
	CU_ASSERT_EQUAL(k.done.frames, 2);
	CU_ASSERT_TRUE(take(&k));
	desk_close(&k);
}

static void test_timeout(void)
{
	struct desk k;

	desk_open(&k, 8, 64);
	CU_ASSERT_EQUAL(push(&k, 1, 0, 8, true), DEFRAG_HELD);
	k.clock_ns += 30ULL * SECOND;
	CU_ASSERT_EQUAL(push(&k, 2, 0, 8, true), DEFRAG_HELD);
	CU_ASSERT_EQUAL(defrag_counts(k.d)->held, 2);
	k.clock_ns += 1;
	CU_ASSERT_EQUAL(push(&k, 1, 8, 8, false), DEFRAG_HELD);
	CU_ASSERT_EQUAL(defrag_counts(k.d)->dropped[RM_DROP_FRAGMENT_INCOMPLETE], 1);
	CU_ASSERT_EQUAL(defrag_counts(k.d)->held, 2);
	k.clock_ns -= 10ULL * SECOND; /* a clock that goes back drops nothing */
	CU_ASSERT_EQUAL(push(&k, 2, 8, 8, false), DEFRAG_WHOLE);
	CU_ASSERT_TRUE(take(&k));
	desk_close(&k);
}

static void test_caps(void)
{
	struct desk k;

	desk_open(&k, 4, 64);
	for (uint32_t id = 0; id < 6; id++)
		CU_ASSERT_EQUAL(push(&k, id, 0, 8, true), DEFRAG_HELD);
	CU_ASSERT_EQUAL(defrag_counts(k.d)->dropped[RM_DROP_FRAGMENT_CAP], 2);
	CU_ASSERT_EQUAL(push(&k, 5, 8, 8, false), DEFRAG_WHOLE);
	defrag_take(k.d, &k.done, NULL); /* no room for it */
	k.credited -= 2;
	k.refused++; /* the last frame is the caller's to count, the other is counted as cap */
	CU_ASSERT_EQUAL(defrag_counts(k.d)->dropped[RM_DROP_FRAGMENT_CAP], 3);
	desk_close(&k);
	desk_open(&k, 64, 4); /* four pieces: a fifth datagram lets the oldest go */
	for (uint32_t id = 0; id < 10; id++)
		CU_ASSERT_EQUAL(push(&k, id, 0, 8, true), DEFRAG_HELD);
	CU_ASSERT_EQUAL(defrag_counts(k.d)->held, 4);
	CU_ASSERT_EQUAL(push(&k, 9, 8, 8, false), DEFRAG_WHOLE);
	CU_ASSERT_TRUE(take(&k));
	desk_close(&k);
}

/* One datagram of thousands of tiny fragments costs itself, not the others. */
static void test_flood_of_tiny_fragments(void)
{
	struct desk k;

	desk_open(&k, 64, 16384);
	CU_ASSERT_EQUAL(push(&k, 1, 0, 8, true), DEFRAG_HELD);
	for (uint32_t i = 0; i < 8000; i += 2)
		push(&k, 2, i * 8, 8, true);
	for (uint32_t i = 7001; i < 7101; i += 2)
		push(&k, 2, i * 8, 8, true);
	CHECK(push(&k, 1, 8, 8, false) == DEFRAG_WHOLE, "the other datagram is still there");
	if (k.credited)
		CU_ASSERT_TRUE(take(&k));
	desk_close(&k);
}

/* A fragment that no datagram can hold does not push out one that may still become whole. */
static void test_impossible_fragment_evicts_nobody(void)
{
	struct desk k;

	desk_open(&k, 4, 64);
	for (uint32_t id = 0; id < 4; id++)
		push(&k, id, 0, 8, true);
	CU_ASSERT_EQUAL(push(&k, 9, 8, 3, true), DEFRAG_DROPPED);
	CHECK(push(&k, 0, 8, 8, false) == DEFRAG_WHOLE, "the oldest is still there");
	if (k.credited)
		CU_ASSERT_TRUE(take(&k));
	desk_close(&k);
}

static void test_captured_in_part(void)
{
	static uint8_t out[PAYLOAD];
	struct desk k;
	struct fragment f = {.key = {.id = 1},
			     .offset = 0,
			     .len = 800,
			     .cap = 100,
			     .at = payload,
			     .more = true,
			     .frames = 1};

	desk_open(&k, 8, 64);
	f.clock_ns = k.clock_ns;
	CU_ASSERT_EQUAL(defrag_push(k.d, &f, &k.done, &k.why), DEFRAG_HELD);
	f.offset = 800;
	f.more = false;
	f.at = payload + 800;
	CU_ASSERT_EQUAL(defrag_push(k.d, &f, &k.done, &k.why), DEFRAG_WHOLE);
	k.sent = k.credited = 2;
	CU_ASSERT_EQUAL(k.done.len, 1600);
	CU_ASSERT_EQUAL(k.done.cap, 100);
	defrag_take(k.d, &k.done, out);
	CU_ASSERT_EQUAL(memcmp(out, payload, 100), 0);
	desk_close(&k);
}

CU_TestInfo defrag_tests[] = {
	{"all_orders_of_four", test_all_orders_of_four},
	{"random_fragments", test_random_fragments},
	{"first_copy_stays", test_first_copy_stays},
	{"impossible_fragments", test_impossible_fragments},
	{"timeout", test_timeout},
	{"caps", test_caps},
	{"flood_of_tiny_fragments", test_flood_of_tiny_fragments},
	{"impossible_fragment_evicts_nobody", test_impossible_fragment_evicts_nobody},
	{"captured_in_part", test_captured_in_part},
	CU_TEST_INFO_NULL,
};
