/* SPDX-License-Identifier: MIT */
/*
 * tcp_model — random segments against a naive twin: which bytes of the stream were sent so far,
 * and which were delivered.  Offsets have 64 bits and the numbers wrap inside the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/tcp/tcp.h"

#define SECOND 1000000000ULL

enum { STREAM = 60000, LONGEST = 3000 };

struct twin {
	uint8_t bytes[STREAM];
	bool sent[STREAM];         /* captured at least once */
	uint8_t delivered[STREAM]; /* times, as data */
	uint64_t off;
	uint32_t isn;
};

struct model {
	struct tcp t;
	struct twin twin[2];
	struct dice d;
	uint64_t clock_ns;
	bool strict;  /* nothing may be given up while it can still come */
	bool at_hand; /* nor what is in the segment just pushed */
	bool broken;
};

static struct model model;

static const struct tcp_conf roomy = {
	.max_pieces = 1 << 16,
	.max_flow_bytes = 1U << 30,
	.max_segments = 1 << 16,
	.hole_ns = 60 * SECOND,
	.reuse_idle_ns = 60 * SECOND,
};

static void model_open(struct model *m, const struct tcp_conf *conf, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->d = dice_of(seed);
	m->clock_ns = 1000 * SECOND;
	CU_ASSERT_EQUAL_FATAL(tcp_open(&m->t, conf, 4), 0);
	tcp_start(&m->t, 2);
	for (int dir = 0; dir < 2; dir++) {
		m->twin[dir].isn = (uint32_t)(0U - dice_below(&m->d, STREAM));
		dice_fill(&m->d, m->twin[dir].bytes, STREAM);
	}
}

/* What waits in both directions is in order, and all there is. */
static bool held_well(const struct tcp *t, uint32_t slot)
{
	uint32_t count = 0;

	for (uint8_t dir = 0; dir < 2; dir++) {
		const struct pieces *held = tcp_held(t, slot, dir);

		if (held && !pieces_validate(&t->pool, held))
			return false;
		count += held ? held->count : 0;
	}
	return count == t->pool.used;
}

/* A chunk must continue the stream and hold the stream's bytes; nothing comes twice. */
static bool chunk_fits(struct model *m, const struct chunk *c, const struct tcp_segment *now,
		       uint32_t now_off)
{
	struct twin *w = &m->twin[c->dir];

	if (c->off + c->len > STREAM)
		return CHECK(false, "beyond the stream");
	if (c->kind == CHUNK_AGAIN)
		return CHECK(c->off + c->len <= w->off &&
				     memcmp(c->at, w->bytes + c->off, c->len) == 0,
			     "a copy of delivered bytes at %llu", (unsigned long long)c->off);
	if (!CHECK(c->off == w->off && c->len > 0, "chunk at %llu, not %llu",
		   (unsigned long long)c->off, (unsigned long long)w->off))
		return false;
	w->off += c->len;
	if (c->kind == CHUNK_DATA) {
		CHECK(c->place == ((uint64_t)c->dir << 40 | c->off), "bytes at %llu lie at %llu",
		      (unsigned long long)c->off, (unsigned long long)c->place);
		for (uint64_t i = c->off; i < w->off; i++)
			w->delivered[i]++;
		return CHECK(memcmp(c->at, w->bytes + c->off, c->len) == 0, "bytes at %llu",
			     (unsigned long long)c->off);
	}
	if (!CHECK(c->kind == CHUNK_GAP, "nothing was cut"))
		return false;
	for (uint64_t i = c->off; i < w->off; i++) {
		if (m->strict && !CHECK(!w->sent[i], "byte %llu is here, and called a gap",
					(unsigned long long)i))
			return false;
		if (m->at_hand && now && now->dir == c->dir && i >= now_off &&
		    i < now_off + now->len &&
		    !CHECK(false, "byte %llu is in the segment at hand, and called a gap",
			   (unsigned long long)i))
			return false;
	}
	return true;
}

static bool model_drain(struct model *m, const struct tcp_segment *now, uint32_t now_off)
{
	struct chunk c;
	bool ok = true;

	while (ok && tcp_next(&m->t, &c))
		ok = chunk_fits(m, &c, now, now_off);
	ok = ok && CHECK(held_well(&m->t, 2), "pieces");
	m->broken |= !ok;
	return ok;
}

static bool model_send(struct model *m, int dir, uint32_t off, uint32_t len)
{
	struct twin *w = &m->twin[dir];
	struct tcp_segment s = {.seq = w->isn + 1 + off,
				.len = len,
				.cap = len,
				.at = w->bytes + off,
				.place = (uint64_t)dir << 40 | off,
				.window = 65535,
				.flags = TCP_ACK,
				.dir = (uint8_t)dir,
				.clock_ns = m->clock_ns,
				.ts_ns = m->clock_ns,
				.frame_bytes = len + 54};

	s.ack = m->twin[!dir].isn + 1;
	for (uint32_t i = off; i < off + len; i++)
		w->sent[i] = true;
	return CHECK(tcp_push(&m->t, 2, &s, 0) == TCP_MORE, "the connection goes on") &&
	       model_drain(m, &s, off);
}

static void model_syn(struct model *m)
{
	struct tcp_segment s = {
		.seq = m->twin[0].isn, .flags = TCP_SYN, .window = 65535, .clock_ns = m->clock_ns};

	tcp_push(&m->t, 2, &s, 0);
	model_drain(m, NULL, 0);
	s.seq = m->twin[1].isn;
	s.ack = m->twin[0].isn + 1;
	s.flags = TCP_SYN | TCP_ACK;
	s.dir = 1;
	tcp_push(&m->t, 2, &s, 0);
	model_drain(m, NULL, 0);
}

/* At the end: every byte up to the last one sent was delivered once, or never came. */
static void model_close(struct model *m, bool complete)
{
	tcp_flush(&m->t, 2);
	model_drain(m, NULL, 0);
	for (uint8_t dir = 0; dir < 2 && !m->broken; dir++) {
		struct twin *w = &m->twin[dir];
		uint32_t end = STREAM, wrong = 0, data = 0;
		struct tcp_report r;

		while (end > 0 && !w->sent[end - 1])
			end--;
		CHECK(w->off == end, "direction %u ends at %llu, not %u, seed %llu", dir,
		      (unsigned long long)w->off, end, (unsigned long long)m->d.seed);
		for (uint32_t i = 0; i < end; i++) {
			wrong += w->delivered[i] > 1 || w->delivered[i] > w->sent[i] ||
				 (complete && w->delivered[i] != w->sent[i]);
			data += w->delivered[i];
		}
		tcp_report(&m->t, 2, dir, &r);
		CHECK(wrong == 0, "%u bytes wrong, seed %llu", wrong,
		      (unsigned long long)m->d.seed);
		CHECK(r.stream_bytes == data && r.gap_bytes == end - data && r.cut_bytes == 0,
		      "report: %llu and %llu bytes", (unsigned long long)r.stream_bytes,
		      (unsigned long long)r.gap_bytes);
	}
	tcp_end(&m->t, 2);
	CHECK(m->t.pool.used == 0, "all pieces came back");
	tcp_close(&m->t);
}

/* Segments near a moving place: reordered, sent twice, overlapping, some never. */
static void model_run(struct model *m, uint32_t spread, uint32_t loss)
{
	uint32_t front[2] = {0, 0};

	model_syn(m);
	while (front[0] < STREAM - LONGEST || front[1] < STREAM - LONGEST) {
		int dir = (int)dice_below(&m->d, 2);
		uint32_t back, len, off;

		if (front[dir] >= STREAM - LONGEST)
			continue;
		back = dice_below(&m->d, 3) ? 0 : dice_below(&m->d, spread);
		off = back < front[dir] ? front[dir] - back : 0;
		len = 1 + dice_below(&m->d, dice_below(&m->d, 8) ? 300 : LONGEST);
		if (off + len > STREAM)
			len = STREAM - off;
		if (dice_below(&m->d, 100) >= loss && !model_send(m, dir, off, len))
			return;
		if (off + len > front[dir])
			front[dir] = off + len;
		m->clock_ns += m->strict ? 0 : dice_below(&m->d, 100) * (SECOND / 20);
	}
}

static void test_reordered_overlapping_lost(void)
{
	for (uint64_t seed = 101; seed < 141; seed++) {
		model_open(&model, &roomy, seed);
		model.strict = true;
		model_run(&model, 1 + (uint32_t)(seed % 7) * 500, (uint32_t)(seed % 5) * 8);
		model_close(&model, true);
	}
}

/* All segments known before, sent in a random order over the whole stream. */
static void test_shuffled(void)
{
	static uint32_t at[STREAM / 50];

	for (uint64_t seed = 201; seed < 221; seed++) {
		uint32_t n = STREAM / 50;

		model_open(&model, &roomy, seed);
		model.strict = true;
		model_syn(&model);
		for (uint32_t i = 0; i < n; i++)
			at[i] = i;
		for (uint32_t i = n; i > 1; i--) {
			uint32_t k = dice_below(&model.d, i), keep = at[i - 1];

			at[i - 1] = at[k];
			at[k] = keep;
		}
		for (uint32_t i = 0; i < n; i++)
			if (!model_send(&model, i % 2, at[i] * 50, 50))
				break;
		model_close(&model, true);
	}
}

static void run_tight(bool at_hand)
{
	static const struct tcp_conf tight[] = {
		{.max_pieces = 6, .max_flow_bytes = 1U << 30, .max_segments = 1000},
		{.max_pieces = 1000, .max_flow_bytes = 8 * 2048, .max_segments = 1000},
		{.max_pieces = 1000, .max_flow_bytes = 1U << 30, .max_segments = 5},
		{.max_pieces = 1000,
		 .max_flow_bytes = 1U << 30,
		 .max_segments = 1000,
		 .hole_ns = SECOND},
	};

	for (uint64_t seed = 301; seed < 341; seed++) {
		struct tcp_conf conf = tight[seed % 4];

		conf.reuse_idle_ns = 60 * SECOND;
		conf.hole_ns = conf.hole_ns ? conf.hole_ns : 3600 * SECOND;
		model_open(&model, &conf, seed);
		model.at_hand = at_hand;
		model_run(&model, 3000, 10);
		model_close(&model, false);
		if (model.broken)
			break;
	}
}

/* Little room and time that passes: bytes may be given up, but never invented or repeated. */
static void test_tight_caps(void)
{
	run_tight(false);
}

/* What fills a part of the hole that is given up is delivered, not lost with it. */
static void test_bytes_at_hand_are_no_gap(void)
{
	run_tight(true);
}

/* A flood of far-off, conflicting and oddly flagged segments: no crash, no lost piece. */
static void test_anything_goes(void)
{
	static const uint8_t junk[4096];
	struct dice d = dice_of(401);
	struct tcp_conf conf = {.max_pieces = 64,
				.max_flow_bytes = 1 << 17,
				.max_segments = 32,
				.hole_ns = 5 * SECOND,
				.reuse_idle_ns = 60 * SECOND};
	struct tcp t;

	for (int round = 0; round < 400; round++) {
		uint64_t clock_ns = 1000 * SECOND, off[2] = {0, 0};
		uint32_t base[2] = {(uint32_t)dice_roll(&d), (uint32_t)dice_roll(&d)};
		bool ok = true;

		conf.policy = dice_below(&d, 5);
		CU_ASSERT_EQUAL_FATAL(tcp_open(&t, &conf, 2), 0);
		tcp_start(&t, 0);
		for (int n = 0; n < 200 && ok; n++) {
			struct tcp_segment s = {.dir = (uint8_t)dice_below(&d, 2), .at = junk};
			uint32_t reach = 1U << dice_below(&d, 32);
			struct chunk c;

			s.flags = (uint8_t)dice_roll(&d) & 0x1f;
			s.seq = base[s.dir] + (uint32_t)dice_roll(&d) % reach - reach / 2;
			s.ack = base[!s.dir] + (uint32_t)dice_roll(&d) % reach - reach / 2;
			s.len = dice_below(&d, 3) ? dice_below(&d, 4096) : 0;
			s.cap = dice_below(&d, 3) ? s.len : dice_below(&d, s.len + 1);
			s.window = (uint16_t)dice_roll(&d);
			s.options = (const uint8_t *)"\x03\x03\xff\x02\x04\x05\xb4\x08";
			s.options_len = (uint8_t)dice_below(&d, 9);
			clock_ns += dice_below(&d, 3 * 1000) * (SECOND / 1000);
			s.ts_ns = s.clock_ns = clock_ns;
			if (tcp_push(&t, 0, &s, dice_below(&d, 4) * SECOND) != TCP_MORE)
				continue;
			while (tcp_next(&t, &c)) {
				if (c.kind == CHUNK_AGAIN)
					continue;
				ok = ok &&
				     CHECK(c.len > 0 && c.len < 1U << 31 && c.off >= off[c.dir],
					   "round %d, segment %d, seed %llu", round, n,
					   (unsigned long long)d.seed);
				off[c.dir] = c.off + c.len;
			}
			ok = ok &&
			     CHECK(held_well(&t, 0), "round %d, segment %d: pieces, seed %llu",
				   round, n, (unsigned long long)d.seed);
		}
		tcp_end(&t, 0);
		CHECK(t.pool.used == 0, "round %d, seed %llu", round, (unsigned long long)d.seed);
		tcp_close(&t);
	}
}

CU_TestInfo tcp_model_tests[] = {
	{"reordered_overlapping_lost", test_reordered_overlapping_lost},
	{"shuffled", test_shuffled},
	{"tight_caps", test_tight_caps},
	{"bytes_at_hand_are_no_gap", test_bytes_at_hand_are_no_gap},
	{"anything_goes", test_anything_goes},
	CU_TEST_INFO_NULL,
};
