/* SPDX-License-Identifier: MIT */
/* flow — the table against a naive one; ages, victims, caps; the hash; which worker owns what. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/flow/flow.h"
#include "user/steer/steer.h"

#define SECOND 1000000000ULL

static struct quota quota;

static struct flow_conf conf_of(uint32_t slots, bool use_domain)
{
	static const uint64_t seconds[FLOW_CLASS_COUNT] = {
#define CLASS_SECONDS(name, s) s,
		FLOW_CLASSES(CLASS_SECONDS)
#undef CLASS_SECONDS
	};
	struct flow_conf c = {.slots = slots, .use_domain = use_domain};

	for (int i = 0; i < FLOW_CLASS_COUNT; i++)
		c.timeout_ns[i] = seconds[i] * SECOND;
	return c;
}

static void open_table(struct flow_table *t, uint32_t slots, uint64_t cap, bool use_domain)
{
	struct flow_conf c = conf_of(slots, use_domain);

	atomic_init(&quota.left, cap);
	CU_ASSERT_EQUAL_FATAL(flow_open(t, &c, &quota), 0);
}

static struct flow_key key_of(uint32_t n)
{
	struct flow_key k = {.proto = 6, .lo_port = (uint16_t)(n / 4), .ip_layers = 1};
	uint32_t group = n / 4, twist = n % 4;

	memcpy(k.lo, &group, sizeof(group));
	if (twist) { /* IPv6 addresses of the same words in another order */
		k.v6 = 1;
		memcpy(k.lo + 4 * twist, "\1\2\3\4", 4);
		memcpy(k.hi + 4 * (twist - 1), "\1\2\3\4", 4);
	}
	return k;
}

/* Few hashes for many keys: chains, and buckets that lie over the end of the table. */
static uint64_t poor_hash(uint32_t n)
{
	return (uint64_t)(n * 0x9e3779b97f4a7c15ULL) << 40 | (n % 7 ? n % 13 : 0xffffffff - n % 3);
}

enum { KEYS = 300, LIMIT = 200 };

struct twin {
	bool live;
	uint32_t slot;
	uint64_t clock_ns;
	enum flow_class class;
};

/* One random operation on both; what the table answers must be what the twin knows. */
static void model_step(struct flow_table *t, struct twin *twin, uint32_t *live, struct dice *d,
		       uint64_t clock_ns)
{
	uint32_t n = dice_below(d, KEYS), slot;
	struct flow_key key = key_of(n);
	struct twin *w = &twin[n];

	slot = flow_find(t, &key, 0, poor_hash(n));
	CHECK(slot == (w->live ? w->slot : FLOW_NONE), "find %u gives %u, not %u", n, slot,
	      w->slot);
	if (w->live) {
		struct flow_key kept;

		flow_key_at(t, w->slot, &kept);
		CHECK(memcmp(&kept, &key, sizeof(key)) == 0, "key of %u", n);
	}
	switch (dice_below(d, 4)) {
	case 0:
		if (w->live)
			flow_touch(t, w->slot, w->clock_ns = clock_ns);
		break;
	case 1:
		if (w->live)
			flow_set_class(t, w->slot, w->class = dice_below(d, FLOW_CLASS_COUNT));
		break;
	case 2:
		if (!w->live)
			break;
		flow_remove(t, w->slot);
		w->live = false;
		--*live;
		break;
	default:
		if (w->live)
			break;
		slot = flow_add(t, &key, 0, poor_hash(n), clock_ns);
		CHECK((slot == FLOW_NONE) == (*live == LIMIT), "add with %u live", *live);
		if (slot == FLOW_NONE)
			break;
		*w = (struct twin){true, slot, clock_ns, FLOW_OTHER};
		++*live;
	}
	for (uint32_t i = 0; w->live && i < KEYS; i++)
		if (i != n && twin[i].live && !CHECK(twin[i].slot != w->slot, "one slot for two"))
			break;
}

/* Sweeps free only what is stale. */
static void model_expire(struct flow_table *t, struct twin *twin, uint32_t *live, uint64_t clock_ns)
{
	uint32_t slot;

	while ((slot = flow_expired(t, clock_ns)) != FLOW_NONE) {
		uint32_t n = 0;

		while (n < KEYS && !(twin[n].live && twin[n].slot == slot))
			n++;
		if (!CHECK(n < KEYS, "an expired flow lives"))
			return;
		CHECK(clock_ns - twin[n].clock_ns > t->conf.timeout_ns[twin[n].class],
		      "flow %u is stale", n);
		flow_remove(t, slot);
		twin[n].live = false;
		--*live;
	}
	slot = 0;
	for (uint32_t n = 0; n < *live; n++, slot++)
		if (!CHECK((slot = flow_live(t, slot)) != FLOW_NONE, "%u live flows", n))
			return;
	CHECK(flow_live(t, slot) == FLOW_NONE, "no more than %u live flows", *live);
}

static void test_model(void)
{
	static struct twin twin[KEYS];
	struct dice d = dice_of(91);
	struct flow_table t;
	uint64_t clock_ns = SECOND;
	uint32_t live = 0;

	open_table(&t, LIMIT, 100000, false);
	memset(twin, 0, sizeof(twin));
	for (int step = 0; step < 30000; step++) {
		clock_ns +=
			dice_below(&d, 100) ? dice_below(&d, 200) * (SECOND / 1000) : 40 * SECOND;
		model_step(&t, twin, &live, &d, clock_ns);
		if (step % 50 == 0)
			model_expire(&t, twin, &live, clock_ns);
		if (!CHECK(flow_validate(&t) && t.counts.live == live &&
				   t.counts.created - t.counts.ended == live,
			   "step %d, seed %llu", step, (unsigned long long)d.seed))
			break;
	}
	while (flow_victim(&t) != FLOW_NONE)
		flow_remove(&t, flow_victim(&t));
	CU_ASSERT_TRUE(flow_validate(&t));
	CU_ASSERT_EQUAL(t.counts.live, 0);
	flow_close(&t);
}

static void test_quota_is_shared(void)
{
	struct flow_table a, b;
	uint32_t n = 0, in_a = 0, in_b = 0;
	struct flow_conf c = conf_of(1000, false);

	atomic_init(&quota.left, 300);
	CU_ASSERT_EQUAL_FATAL(flow_open(&a, &c, &quota), 0);
	CU_ASSERT_EQUAL_FATAL(flow_open(&b, &c, &quota), 0);
	for (; n < 1000; n++) {
		struct flow_key key = key_of(n);

		in_a += flow_add(&a, &key, 0, n, SECOND) != FLOW_NONE;
		in_b += flow_add(&b, &key, 0, n, SECOND) != FLOW_NONE;
	}
	CHECK(in_a + in_b == 300, "%u and %u flows", in_a, in_b);
	flow_remove(&a, flow_victim(&a));
	CU_ASSERT_TRUE(flow_add(&a, &(struct flow_key){.proto = 99}, 0, 5, SECOND) != FLOW_NONE);
	flow_close(&a);
	flow_close(&b);
}

static void test_domains_tell_flows_apart(void)
{
	struct flow_key key = key_of(1);
	struct flow_table t;
	uint32_t a, b;

	open_table(&t, 16, 16, true);
	a = flow_add(&t, &key, 100, 7, SECOND);
	b = flow_add(&t, &key, 200, 7, SECOND);
	CU_ASSERT_EQUAL(flow_find(&t, &key, 100, 7), a);
	CU_ASSERT_EQUAL(flow_find(&t, &key, 200, 7), b);
	CU_ASSERT_EQUAL(flow_find(&t, &key, 300, 7), FLOW_NONE);
	flow_close(&t);
}

/* Half-open connections go first, the oldest of them; else whoever was silent longest. */
static void test_victims(void)
{
	struct flow_table t;
	uint32_t slot[6];

	open_table(&t, 16, 16, false);
	CU_ASSERT_EQUAL(flow_victim(&t), FLOW_NONE);
	for (uint32_t i = 0; i < 6; i++) {
		struct flow_key key = key_of(i);

		slot[i] = flow_add(&t, &key, 0, i * 77, (10 + 20 * i) * SECOND);
	}
	flow_set_class(&t, slot[0], FLOW_TCP_ESTABLISHED);
	flow_set_class(&t, slot[1], FLOW_UDP);
	flow_set_class(&t, slot[4], FLOW_TCP_OPENING);
	flow_set_class(&t, slot[5], FLOW_TCP_OPENING);
	CU_ASSERT_EQUAL(flow_victim(&t), slot[4]);
	flow_remove(&t, slot[4]);
	CU_ASSERT_EQUAL(flow_victim(&t), slot[5]);
	flow_remove(&t, slot[5]);
	CU_ASSERT_EQUAL(flow_victim(&t), slot[0]);
	flow_touch(&t, slot[0], 200 * SECOND);
	CU_ASSERT_EQUAL(flow_victim(&t), slot[1]);
	flow_remove(&t, slot[1]);
	CU_ASSERT_EQUAL(flow_victim(&t), slot[2]);
	flow_close(&t);
}

static void test_timeouts_by_class(void)
{
	static const uint64_t seconds[FLOW_CLASS_COUNT] = {60, 600, 1800, 600, 120,
							   60, 30,  600,  60};

	for (int class = 0; class < FLOW_CLASS_COUNT; class ++) {
		struct flow_key key = key_of(1);
		struct flow_table t;
		uint32_t slot;
		uint64_t at;

		open_table(&t, 16, 16, false);
		slot = flow_add(&t, &key, 0, 1, 100 * SECOND);
		flow_set_class(&t, slot, class);
		at = (100 + seconds[class]) * SECOND;
		CHECK(!flow_stale(&t, slot, at) && flow_expired(&t, at) == FLOW_NONE,
		      "class %d at its timeout", class);
		CHECK(flow_stale(&t, slot, at + 1) && flow_expired(&t, at + 1) == slot,
		      "class %d behind it", class);
		CHECK(!flow_stale(&t, slot, SECOND), "class %d, a clock that goes back", class);
		flow_close(&t);
	}
}

static void test_keys_differ_in_every_part(void)
{
	for (uint32_t n = 0; n < 4; n++) {
		struct flow_key a = key_of(n);
		struct flow_table t;
		uint32_t slot;

		open_table(&t, 4, 4, false);
		slot = flow_add(&t, &a, 0, 7, SECOND);
		CU_ASSERT_EQUAL(flow_find(&t, &a, 0, 7), slot);
		for (size_t i = 0; i < offsetof(struct flow_key, pad); i++) {
			struct flow_key b = a;

			if (!a.v6 && i < 32 && i % 16 >= 4)
				continue; /* zero in every key of IPv4 */
			((uint8_t *)&b)[i] ^= 1;
			CHECK(flow_find(&t, &b, 0, 7) == FLOW_NONE, "byte %zu of key %u", i, n);
		}
		flow_close(&t);
	}
}

/* The hash depends on every bit of the tuple and of the key, and spreads over workers. */
static void test_hash(void)
{
	struct dice d = dice_of(92);
	struct rm_hash_key key;
	uint32_t load[8] = {0};

	for (int i = 0; i < 10; i++)
		key.word[i] = dice_roll(&d);
	for (int n = 0; n < 200; n++) {
		struct rm_tuple t, u;
		uint64_t h;

		dice_fill(&d, (uint8_t *)&t, sizeof(t));
		if (n % 2) { /* IPv4 */
			memset(t.lo, 0, 12);
			memset(t.hi, 0, 12);
		}
		h = rm_flow_hash(&key, &t);
		for (size_t bit = 0; bit < sizeof(t) * 8; bit++) {
			u = t;
			((uint8_t *)&u)[bit / 8] ^= (uint8_t)(1 << bit % 8);
			CHECK(rm_flow_hash(&key, &u) != h, "bit %zu", bit);
		}
	}
	for (uint32_t n = 0; n < 80000; n++) {
		struct rm_tuple t = {
			.lo = {0, 0, 0, n}, .hi = {0, 0, 0, 1}, .ports = 80, .proto = 6};

		load[rm_steer(rm_flow_hash(&key, &t), 8)]++;
	}
	for (int i = 0; i < 8; i++)
		CHECK(load[i] > 9000 && load[i] < 11000, "worker %d has %u of 80000", i, load[i]);
	CU_ASSERT_EQUAL(rm_steer(UINT64_MAX, 7), 6);
	CU_ASSERT_EQUAL(rm_steer(0, 7), 0);
}

/* Every packet but those that wait is in one list, in order; without a flow: worker 0. */
static void test_steering(void)
{
	enum { N = 500 };
	static struct packet row[N];
	struct steer_lists l;
	struct dice d = dice_of(93);

	for (uint32_t workers = 1; workers <= 8; workers++) {
		uint32_t listed = 0, expected = 0;

		CU_ASSERT_EQUAL_FATAL(steer_open(&l, workers, N), 0);
		for (int i = 0; i < N; i++) {
			row[i].hash = dice_roll(&d);
			row[i].verdict = (uint8_t)dice_below(&d, VERDICT_DROP + 3);
			expected += row[i].verdict != VERDICT_HELD;
		}
		steer_block(&l, row, N);
		for (uint32_t w = 0; w < workers; w++) {
			for (uint32_t i = 0; i < l.n[w]; i++) {
				const struct packet *p = &row[l.list[w][i]];

				CHECK(i == 0 || l.list[w][i] > l.list[w][i - 1], "order");
				CHECK(p->verdict != VERDICT_HELD &&
					      w == (p->verdict == VERDICT_FLOW
							    ? rm_steer(p->hash, workers)
							    : 0),
				      "owner of packet %u", l.list[w][i]);
				listed++;
			}
		}
		CU_ASSERT_EQUAL(listed, expected);
		steer_close(&l);
	}
}

CU_TestInfo flow_tests[] = {
	{"model", test_model},
	{"quota_is_shared", test_quota_is_shared},
	{"domains_tell_flows_apart", test_domains_tell_flows_apart},
	{"victims", test_victims},
	{"timeouts_by_class", test_timeouts_by_class},
	{"keys_differ_in_every_part", test_keys_differ_in_every_part},
	{"hash", test_hash},
	{"steering", test_steering},
	CU_TEST_INFO_NULL,
};
