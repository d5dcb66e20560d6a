/* SPDX-License-Identifier: MIT */
/* pieces — against a naive map of bytes, each with the segment it came in. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/base/pieces.h"
#include "user/base/seq.h"

enum { SPACE = 600, POLICIES = 5 };

static const char *const policy_names[] = {"first", "last", "bsd", "linux", "windows"};

/* One byte of the twin: which segment owns it. */
struct twin_byte {
	bool held, cut;
	uint8_t value;
	uint32_t start, end; /* of its segment, relative to the base */
};

struct twin {
	uint32_t base;
	struct twin_byte at[SPACE];
	uint32_t added, known, conflict;
};

/* Novak and Sturges: does the new segment [start, end) win over the old one? */
static bool wins(enum overlap_policy policy, uint32_t start, uint32_t end,
		 const struct twin_byte *b)
{
	switch (policy) {
	case OVERLAP_FIRST:
		return false;
	case OVERLAP_LAST:
		return true;
	case OVERLAP_BSD:
		return start < b->start;
	case OVERLAP_LINUX:
		return start < b->start || (start == b->start && end > b->end);
	case OVERLAP_WINDOWS:
		return start < b->start && end > b->end;
	}
	return false;
}

static void twin_insert(struct twin *t, const struct segment *seg, enum overlap_policy policy)
{
	uint32_t start = seg->seq - t->base, end = start + seg->len + seg->cut;

	t->added = t->known = t->conflict = 0;
	for (uint32_t i = start; i < end; i++) {
		struct twin_byte *b = &t->at[i];
		bool cut = i - start >= seg->len;
		struct twin_byte now = {true, cut, cut ? 0 : seg->at[i - start], start, end};

		if (!b->held) {
			*b = now;
			t->added++;
			continue;
		}
		t->known++;
		if (cut || b->cut)
			continue;
		t->conflict += b->value != now.value;
		if (wins(policy, start, end, b))
			*b = now;
	}
}

/* The list says the same as the twin, byte for byte. */
static bool same(const struct pieces_pool *pool, const struct pieces *list, const struct twin *t)
{
	uint32_t at = 0;

	for (uint32_t i = list->head; i != PIECE_NONE; i = pool->piece[i].next) {
		const struct piece *p = &pool->piece[i];

		for (; at < p->seq - t->base; at++)
			if (t->at[at].held)
				return false;
		for (uint32_t k = 0; k < p->len + p->cut; k++, at++) {
			const struct twin_byte *b = &t->at[at];

			if (!b->held || b->cut != (k >= p->len) ||
			    (!b->cut && b->value != p->data[k]))
				return false;
		}
	}
	for (; at < SPACE; at++)
		if (t->at[at].held)
			return false;
	return true;
}

/* What the whole pool holds: its accounts must agree with the list. */
static bool accounts(const struct pieces_pool *pool, const struct pieces *list)
{
	return pool->used == list->count && pool->used <= pool->cap && pool->peak >= pool->used;
}

struct model {
	struct pieces_pool pool;
	struct pieces list;
	struct twin twin;
	struct dice dice;
	uint8_t bytes[SPACE];
	uint32_t longest;
	bool conflicts, cuts;
};

static bool model_step(struct model *m, enum overlap_policy policy, int step)
{
	uint32_t start = dice_below(&m->dice, SPACE - m->longest);
	uint32_t len = dice_below(&m->dice, m->longest + 1), cut = 0;
	struct pieces_got got;
	struct segment seg;

	if (m->cuts && dice_below(&m->dice, 4) == 0) {
		cut = dice_below(&m->dice, len + 1);
		len -= cut;
	}
	for (uint32_t i = 0; i < len; i++)
		m->bytes[i] =
			(uint8_t)(m->conflicts ? dice_below(&m->dice, 3) : (start + i) * 7 % 251);
	seg = (struct segment){.seq = m->twin.base + start, .len = len, .cut = cut, .at = m->bytes};
	pieces_insert(&m->pool, &m->list, &seg, policy, &got);
	twin_insert(&m->twin, &seg, policy);
	return CHECK(pieces_validate(&m->pool, &m->list) && accounts(&m->pool, &m->list),
		     "%s: validate after step %d, seed %llu", policy_names[policy], step,
		     (unsigned long long)m->dice.seed) &&
	       CHECK(same(&m->pool, &m->list, &m->twin),
		     "%s: bytes differ after step %d: [%u, +%u, cut %u), seed %llu",
		     policy_names[policy], step, start, len, cut,
		     (unsigned long long)m->dice.seed) &&
	       CHECK(got.added == m->twin.added && got.known == m->twin.known &&
			     got.conflict == m->twin.conflict && !got.full,
		     "%s: step %d says %u added %u known %u differ, not %u %u %u, seed %llu",
		     policy_names[policy], step, got.added, got.known, got.conflict, m->twin.added,
		     m->twin.known, m->twin.conflict, (unsigned long long)m->dice.seed);
}

/* `steps` segments into an empty list, `rounds` times, at bases that wrap. */
static void model_run(struct model *m, enum overlap_policy policy, int rounds, int steps)
{
	static const uint32_t bases[] = {0, 1000, 0xffffff00, 0x7fffff80, UINT32_MAX};

	CU_ASSERT_EQUAL_FATAL(pieces_pool_open(&m->pool, 4096), 0);
	for (int round = 0; round < rounds; round++) {
		memset(&m->twin, 0, sizeof(m->twin));
		m->twin.base = bases[round % 5];
		pieces_init(&m->list);
		for (int step = 0; step < steps; step++)
			if (!model_step(m, policy, step))
				goto out;
		pieces_clear(&m->pool, &m->list);
		if (!CHECK(m->pool.used == 0 && pieces_empty(&m->list), "all came back"))
			break;
	}
out:
	pieces_pool_close(&m->pool);
}

static void test_model_equal_bytes(void)
{
	for (int policy = 0; policy < POLICIES; policy++) {
		struct model m = {.dice = dice_of(21), .longest = 90, .cuts = false};

		model_run(&m, policy, 60, 60);
	}
}

static void test_model_cut_segments(void)
{
	/* without conflicts: bytes over a cut stay cut, whatever the policy */
	for (int policy = 0; policy < POLICIES; policy++) {
		struct model m = {.dice = dice_of(22), .longest = 90, .cuts = true};

		model_run(&m, policy, 60, 60);
	}
}

static void test_model_first_and_last(void)
{
	struct model first = {.dice = dice_of(23), .longest = 90, .conflicts = true};
	struct model last = {.dice = dice_of(24), .longest = 90, .conflicts = true};

	model_run(&first, OVERLAP_FIRST, 80, 60);
	model_run(&last, OVERLAP_LAST, 80, 60);
}

static void test_model_two_segments(void)
{
	for (int policy = 0; policy < POLICIES; policy++) {
		struct model m = {.dice = dice_of(25), .longest = 300, .conflicts = true};

		model_run(&m, policy, 3000, 2);
	}
}

/* A byte that changed hands belongs to the segment that won it. */
static void test_model_many_segments(void)
{
	for (int policy = OVERLAP_BSD; policy < POLICIES; policy++) {
		struct model m = {.dice = dice_of(26), .longest = 90, .conflicts = true};

		model_run(&m, policy, 60, 12);
	}
}

static void insert(struct pieces_pool *pool, struct pieces *list, uint32_t seq, const char *text,
		   enum overlap_policy policy, struct pieces_got *got)
{
	struct segment seg = {
		.seq = seq, .len = (uint32_t)strlen(text), .at = (const uint8_t *)text};

	pieces_insert(pool, list, &seg, policy, got);
	CU_ASSERT_TRUE(pieces_validate(pool, list));
}

static void gather(const struct pieces_pool *pool, const struct pieces *list, char *out)
{
	for (uint32_t i = list->head; i != PIECE_NONE; i = pool->piece[i].next) {
		memcpy(out, pool->piece[i].data, pool->piece[i].len);
		out += pool->piece[i].len;
	}
	*out = 0;
}

/* Each pair of positions that Novak and Sturges tell apart, worked out by hand. */
static void test_policies_by_position(void)
{
	static const struct {
		uint32_t first, second; /* sequence numbers; the segments are o... and n... */
		const char *old, *new;
		const char *expect[POLICIES];
		const char *why;
	} rows[] = {
		{10, 10, "oooo", "nnnn", {"oooo", "nnnn", "oooo", "oooo", "oooo"}, "the same"},
		{10,
		 10,
		 "oooo",
		 "nnnnnn",
		 {"oooonn", "nnnnnn", "oooonn", "nnnnnn", "oooonn"},
		 "same start, longer"},
		{10,
		 10,
		 "oooo",
		 "nn",
		 {"oooo", "nnoo", "oooo", "oooo", "oooo"},
		 "same start, shorter"},
		{10,
		 8,
		 "oooo",
		 "nnnn",
		 {"nnoooo", "nnnnoo", "nnnnoo", "nnnnoo", "nnoooo"},
		 "starts before, ends inside"},
		{10,
		 8,
		 "oooo",
		 "nnnnnn",
		 {"nnoooo", "nnnnnn", "nnnnnn", "nnnnnn", "nnoooo"},
		 "starts before, ends together"},
		{10,
		 8,
		 "oooo",
		 "nnnnnnnn",
		 {"nnoooonn", "nnnnnnnn", "nnnnnnnn", "nnnnnnnn", "nnnnnnnn"},
		 "starts before, ends after"},
		{10,
		 12,
		 "oooo",
		 "nnnn",
		 {"oooonn", "oonnnn", "oooonn", "oooonn", "oooonn"},
		 "starts inside, ends after"},
		{10, 11, "oooo", "nn", {"oooo", "onno", "oooo", "oooo", "oooo"}, "inside"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int policy = 0; policy < POLICIES; policy++) {
			struct pieces_pool pool;
			struct pieces list;
			struct pieces_got got;
			char text[32];

			CU_ASSERT_EQUAL_FATAL(pieces_pool_open(&pool, 64), 0);
			pieces_init(&list);
			insert(&pool, &list, rows[i].first, rows[i].old, policy, &got);
			insert(&pool, &list, rows[i].second, rows[i].new, policy, &got);
			gather(&pool, &list, text);
			CHECK(strcmp(text, rows[i].expect[policy]) == 0, "%s, %s: %s, not %s",
			      policy_names[policy], rows[i].why, text, rows[i].expect[policy]);
			pieces_pool_close(&pool);
		}
	}
}

static void test_losing_bytes_are_handed_out(void)
{
	struct pieces_pool pool;
	struct pieces list;
	struct pieces_got got;
	char many[200];

	CU_ASSERT_EQUAL_FATAL(pieces_pool_open(&pool, 64), 0);
	pieces_init(&list);
	insert(&pool, &list, 100, "abcdef", OVERLAP_FIRST, &got);
	insert(&pool, &list, 102, "cXYf", OVERLAP_FIRST, &got);
	CU_ASSERT_TRUE(got.loser_is_new);
	CU_ASSERT_EQUAL(got.conflict, 2);
	CU_ASSERT_EQUAL(got.loser_seq, 103);
	CU_ASSERT_EQUAL(got.loser_len, 3);
	CU_ASSERT_NSTRING_EQUAL(got.loser, "XYf", 3);
	insert(&pool, &list, 102, "cXYf", OVERLAP_LAST, &got);
	CU_ASSERT_FALSE(got.loser_is_new);
	CU_ASSERT_NSTRING_EQUAL(got.loser, "def", 3);
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = 0;
	insert(&pool, &list, 1000, many, OVERLAP_FIRST, &got);
	memset(many, 'y', sizeof(many) - 1);
	insert(&pool, &list, 1000, many, OVERLAP_FIRST, &got);
	CU_ASSERT_EQUAL(got.conflict, 199);
	CU_ASSERT_EQUAL(got.loser_len, PIECES_LOSER);
	pieces_pool_close(&pool);
}

static void test_pool_runs_out_and_recovers(void)
{
	enum { CAP = 8 };
	static uint8_t big[PIECE_DATA * (CAP + 2)];
	struct segment seg = {.seq = 5, .len = sizeof(big), .at = big};
	struct pieces_pool pool;
	struct pieces list;
	struct pieces_got got;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i % 251);
	CU_ASSERT_EQUAL_FATAL(pieces_pool_open(&pool, CAP), 0);
	pieces_init(&list);
	pieces_insert(&pool, &list, &seg, OVERLAP_FIRST, &got);
	CU_ASSERT_TRUE(got.full);
	CU_ASSERT_EQUAL(got.added, CAP * PIECE_DATA);
	CU_ASSERT_TRUE(pieces_validate(&pool, &list) && accounts(&pool, &list));
	pieces_insert(&pool, &list, &seg, OVERLAP_FIRST, &got);
	CU_ASSERT_EQUAL(got.known, CAP * PIECE_DATA);
	CU_ASSERT_TRUE(got.full);
	pieces_pop(&pool, &list);
	pieces_insert(&pool, &list, &(struct segment){.seq = 5, .len = 9, .at = big}, OVERLAP_FIRST,
		      &got);
	CU_ASSERT_FALSE(got.full);
	CU_ASSERT_EQUAL(got.added, 9);
	CU_ASSERT_EQUAL(pool.peak, CAP);
	pieces_clear(&pool, &list);
	CU_ASSERT_EQUAL(pool.used, 0);
	pieces_pool_close(&pool);
}

static void test_long_list_counts_as_full(void)
{
	enum { N = PIECES_SCAN + 10 };
	struct pieces_pool pool;
	struct pieces list;
	struct pieces_got got;

	CU_ASSERT_EQUAL_FATAL(pieces_pool_open(&pool, 2 * N), 0);
	pieces_init(&list);
	for (uint32_t i = 0; i < N; i++) {
		insert(&pool, &list, i * 2, "a", OVERLAP_FIRST, &got);
		CU_ASSERT_FALSE(got.full);
	}
	insert(&pool, &list, 2 * (N - 2) + 1, "b", OVERLAP_FIRST, &got);
	CHECK(got.full && list.count == N, "a place beyond the bound is not found");
	insert(&pool, &list, 1, "b", OVERLAP_FIRST, &got);
	CHECK(!got.full && list.count == N + 1, "a near place is");
	pieces_pool_close(&pool);
}

static void test_drop_from_any_place(void)
{
	for (uint32_t base = UINT32_MAX - 20; base != 5; base++) {
		for (uint32_t from = 0; from < 50; from++) {
			struct pieces_pool pool;
			struct pieces list;
			struct pieces_got got;
			uint32_t expect = 0, left = 0;

			CU_ASSERT_EQUAL_FATAL(pieces_pool_open(&pool, 16), 0);
			pieces_init(&list);
			for (uint32_t i = 0; i < 5; i++) {
				insert(&pool, &list, base + i * 10, "12345", OVERLAP_FIRST, &got);
				expect += i * 10 >= from ? 5 : 0;
				left += i * 10 < from;
			}
			CHECK(pieces_drop_from(&pool, &list, base + from) == expect &&
				      list.count == left && pieces_validate(&pool, &list) &&
				      accounts(&pool, &list),
			      "from %u + %u", base, from);
			insert(&pool, &list, base + 100, "tail", OVERLAP_FIRST, &got);
			pieces_pool_close(&pool);
		}
	}
}

CU_TestInfo pieces_tests[] = {
	{"model_equal_bytes", test_model_equal_bytes},
	{"model_cut_segments", test_model_cut_segments},
	{"model_first_and_last", test_model_first_and_last},
	{"model_two_segments", test_model_two_segments},
	{"model_many_segments", test_model_many_segments},
	{"policies_by_position", test_policies_by_position},
	{"losing_bytes_are_handed_out", test_losing_bytes_are_handed_out},
	{"pool_runs_out_and_recovers", test_pool_runs_out_and_recovers},
	{"long_list_counts_as_full", test_long_list_counts_as_full},
	{"drop_from_any_place", test_drop_from_any_place},
	CU_TEST_INFO_NULL,
};
