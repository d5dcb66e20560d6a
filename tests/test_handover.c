/* SPDX-License-Identifier: MIT */
/* Packets from one worker to another: bytes, rows and counts arrive as they left, in order; a full
 * ring refuses. */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "user/steer/handover.h"

enum { HEAD = 34, FRAMES = 60, ROUNDS = 2000, L3 = 14 };

struct side {
	struct block block;
	struct packets packets;
};

static void side_open(struct side *s)
{
	CU_ASSERT_FATAL(block_open(&s->block, false) == 0);
	CU_ASSERT_FATAL(packets_open(&s->packets, BLOCK_FRAMES) == 0);
	slots_reach(&s->block.frames, FRAMES);
	slots_reach(&s->packets.rows, FRAMES);
	slots_reach(&s->packets.extras, FRAMES);
}

static void side_close(struct side *s)
{
	packets_close(&s->packets);
	block_close(&s->block);
}

/* Frame i of the block, with `n` bytes of payload that say who they are. */
static void put_frame(struct side *s, uint32_t i, uint32_t n, uint64_t id)
{
	uint32_t at = i * 70000;
	struct packet *p = &s->packets.row[i];

	for (uint32_t k = 0; k < HEAD + n; k++)
		s->block.buf[at + k] = (uint8_t)(id * 31 + k);
	s->block.frame[i] = (struct frame){
		.ts_ns = id, .clock_ns = id + 1, .at = at, .caplen = HEAD + n, .len = HEAD + n + 5};
	*p = (struct packet){.hash = id,
			     .l3 = at + L3,
			     .l4 = 20,
			     .payload = at + HEAD,
			     .payload_len = n + 5,
			     .payload_cap = n,
			     .proto = 17,
			     .verdict = VERDICT_FLOW};
}

/* The owner's row i is frame `id` with n bytes of payload. */
static bool is_frame(const struct block *b, const struct packets *p, uint32_t i, uint32_t n,
		     uint64_t id)
{
	const struct packet *row = &p->row[i];
	const struct frame *f = &b->frame[i];
	const uint8_t *l3 = b->buf + row->l3;

	if (f->ts_ns != id || f->clock_ns != id + 1 || f->len != HEAD + n + 5 || row->hash != id ||
	    row->payload_cap != n || row->payload_len != n + 5 || row->payload != row->l3 + 20 ||
	    row->l4 != 20 || f->at + f->caplen != row->payload + n)
		return false;
	for (uint32_t k = 0; k < HEAD - L3 + n; k++)
		if (l3[k] != (uint8_t)(id * 31 + L3 + k))
			return false;
	return true;
}

static void test_order_and_content(void)
{
	struct dice d = dice_of(77);
	static struct side from, to;
	struct handover h;
	uint64_t given = 0, taken = 0;
	static uint32_t size[ROUNDS * FRAMES];
	bool good = true;

	side_open(&from);
	side_open(&to);
	CU_ASSERT_FATAL(handover_open(&h) == 0);
	while (given < ROUNDS && good) {
		uint32_t n = 1 + dice_below(&d, 40);

		for (uint32_t i = 0; i < n; i++) {
			uint32_t len =
				dice_below(&d, 10) ? dice_below(&d, 1400) : dice_below(&d, 65000);

			put_frame(&from, 0, len, given);
			if (!handover_give(&h, &from.block, &from.packets, 0))
				break;
			size[given++] = len;
		}
		n = handover_take(&h, &to.block, &to.packets);
		for (uint32_t i = 0; i < n && good; i++, taken++)
			good = is_frame(&to.block, &to.packets, i, size[taken], taken);
		handover_done(&h);
	}
	CHECK(good, "packet %llu of seed %llu", (unsigned long long)taken,
	      (unsigned long long)d.seed);
	CU_ASSERT_EQUAL(h.given, given);
	CU_ASSERT_EQUAL(h.received, taken);
	handover_close(&h);
	side_close(&from);
	to.block.buf = to.block.mem.base;
	side_close(&to);
}

static void test_full(void)
{
	static struct side from, to;
	struct handover h;
	uint32_t n = 0, got = 0, k;

	side_open(&from);
	side_open(&to);
	CU_ASSERT_FATAL(handover_open(&h) == 0);
	put_frame(&from, 0, 60000, 1);
	while (n < 100 && handover_give(&h, &from.block, &from.packets, 0))
		n++;
	/* Most of its bytes are used, and no more than there are. */
	CU_ASSERT(n >= HANDOVER_BYTES / 60000 - 2);
	CU_ASSERT(n <= HANDOVER_BYTES / 60000);
	CU_ASSERT_EQUAL(h.given, n);
	while ((k = handover_take(&h, &to.block, &to.packets)) > 0) {
		got += k;
		handover_done(&h);
	}
	CU_ASSERT_EQUAL(got, n);
	CU_ASSERT(handover_give(&h, &from.block, &from.packets, 0));
	handover_close(&h);
	side_close(&from);
	side_close(&to);
}

/* A datagram put together from fragments stands for several frames, and has an extra row. */
static void test_extra(void)
{
	static struct side from, to;
	struct handover h;

	side_open(&from);
	side_open(&to);
	CU_ASSERT_FATAL(handover_open(&h) == 0);
	put_frame(&from, 0, 100, 5);
	from.packets.extra[0] = (struct packet_extra){0};
	from.packets.extra[1] =
		(struct packet_extra){.frames = 3, .frame_bytes = 4000, .vlans = 1, .vlan = {7}};
	from.packets.row[0].extra = 1;
	put_frame(&from, 1, 10, 6);
	CU_ASSERT(handover_give(&h, &from.block, &from.packets, 0));
	CU_ASSERT(handover_give(&h, &from.block, &from.packets, 1));
	CU_ASSERT_EQUAL(h.given, 4);
	CU_ASSERT_EQUAL_FATAL(handover_take(&h, &to.block, &to.packets), 2);
	CU_ASSERT_EQUAL(h.received, 4);
	CU_ASSERT_EQUAL(to.packets.extra[to.packets.row[0].extra].frame_bytes, 4000);
	CU_ASSERT_EQUAL(to.packets.extra[to.packets.row[0].extra].vlan[0], 7);
	CU_ASSERT_EQUAL(to.packets.row[1].extra, 0);
	handover_done(&h);
	CU_ASSERT_EQUAL(handover_take(&h, &to.block, &to.packets), 0);
	handover_close(&h);
	side_close(&from);
	side_close(&to);
}

struct race {
	struct handover h;
	uint64_t n;
};

static void *give_all(void *arg)
{
	struct race *r = arg;
	static struct side from;

	side_open(&from);
	for (uint64_t id = 0; id < r->n;) {
		put_frame(&from, 0, (uint32_t)(id % 900), id);
		if (handover_give(&r->h, &from.block, &from.packets, 0))
			id++;
	}
	side_close(&from);
	return NULL;
}

/* Two threads, as in life. */
static void test_threads(void)
{
	static struct race r;
	static struct side to;
	uint64_t next = 0;
	pthread_t thread;
	bool good = true;

	r.n = 50000;
	side_open(&to);
	CU_ASSERT_FATAL(handover_open(&r.h) == 0);
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, give_all, &r) == 0);
	while (next < r.n) {
		uint32_t n = handover_take(&r.h, &to.block, &to.packets);

		for (uint32_t i = 0; i < n; i++, next++)
			good &= is_frame(&to.block, &to.packets, i, (uint32_t)(next % 900), next);
		handover_done(&r.h);
	}
	pthread_join(thread, NULL);
	CU_ASSERT(good);
	handover_close(&r.h);
	side_close(&to);
}

CU_TestInfo handover_tests[] = {
	{"order and content", test_order_and_content},
	{"a full ring refuses", test_full},
	{"facts that few packets have", test_extra},
	{"two threads", test_threads},
	CU_TEST_INFO_NULL,
};
