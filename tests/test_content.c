/* SPDX-License-Identifier: MIT */
/* content — what was delivered, found again: places in the file, and bytes in memory. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/stream/content.h"

/* ---- comparing ---- */

enum { STREAM = 200000, RING = 1 << 16 };

struct twin {
	uint8_t bytes[STREAM];
	bool kept[STREAM];
	uint32_t n;
};

static struct twin twin;

/* Compares a copy with some bytes changed: a comparison that claims to know must be right. */
static void compare_some(const struct content *c, struct dice *d, uint32_t from, uint32_t len,
			 bool must)
{
	static uint8_t copy[4096];
	uint32_t changed = 0, first = len;
	struct content_diff diff;
	bool whole = true;

	memcpy(copy, twin.bytes + from, len);
	for (uint32_t k = dice_below(d, 4); k && len; k--)
		copy[dice_below(d, len)] ^= (uint8_t)dice_below(d, 256);
	for (uint32_t i = len; i-- > 0;) {
		whole &= twin.kept[from + i];
		if (copy[i] != twin.bytes[from + i]) {
			changed++;
			first = i;
		}
	}
	diff = content_compare(c, 1, 0, twin.n, from, span_of(copy, len));
	CHECK(!diff.known || whole, "a hole in [%u, +%u) is not known, seed %llu", from, len,
	      (unsigned long long)d->seed);
	CHECK(diff.known || !must || !whole, "[%u, +%u) of %u is known, seed %llu", from, len,
	      twin.n, (unsigned long long)d->seed);
	if (diff.known)
		CHECK(diff.differ == changed && (changed == 0 || diff.first == first),
		      "%u bytes differ from %u, not %u from %u, seed %llu", diff.differ, diff.first,
		      changed, first, (unsigned long long)d->seed);
}

static void test_in_the_ring(void)
{
	struct dice d = dice_of(703);
	struct content c;

	CU_ASSERT_EQUAL_FATAL(content_open(&c, &(struct content_conf){.slots = 4,
								      .extents = {.memory = 100000,
										  .ring = RING}}),
			      0);
	content_start(&c, 1);
	content_start(&c, 2);
	memset(&twin, 0, sizeof(twin));
	dice_fill(&d, twin.bytes, STREAM);
	while (twin.n < STREAM - 5000) {
		uint32_t len = 1 + dice_below(&d, dice_below(&d, 10) ? 1400 : 5000);

		if (dice_below(&d, 20) == 0) {
			content_hole(&c, 1, 0, len, SEGMENT_GAP);
		} else {
			content_add(&c, 1, 0, POS_NONE, twin.bytes + twin.n, len);
			memset(twin.kept + twin.n, true, len);
			if (dice_below(&d, 2)) /* another stream in between */
				content_add(&c, 2, 1, POS_NONE, twin.bytes, len / 8);
		}
		twin.n += len;
		for (int i = 0; i < 10; i++) {
			uint32_t size = 1 + dice_below(&d, twin.n < 3000 ? twin.n : 3000);
			uint32_t back = size + dice_below(&d, twin.n - size + 1);

			compare_some(&c, &d, twin.n - back, size, back < RING / 2);
		}
	}
	CU_ASSERT_EQUAL(c.extents.refused, 0);
	content_close(&c);
}

/* Places in a plain file: everything can be compared, however old. */
static void test_in_the_file(void)
{
	struct dice d = dice_of(704);
	struct file f = {0};
	const char *paths[1];
	struct source *source;
	struct content c;
	size_t data;
	char *path;

	classic_header(&f, 0xa1b2c3d4, 1);
	data = f.b.n;
	for (int i = 0; i < 60000; i++)
		put8(&f.b, (uint32_t)dice_roll(&d));
	path = temp_file("content.pcap", f.b.at, f.b.n);
	paths[0] = path;
	CU_ASSERT_EQUAL_FATAL(
		source_open(&source, &(struct source_conf){.paths = paths, .n_paths = 1}), 0);
	CU_ASSERT_EQUAL_FATAL(content_open(&c, &(struct content_conf){.slots = 2,
								      .extents = {.source = source,
										  .memory = 1000}}),
			      0);
	content_start(&c, 1);
	memset(&twin, 0, sizeof(twin));
	while (twin.n < 50000) {
		uint32_t len = 1 + dice_below(&d, 1400), at = dice_below(&d, 60000 - len);

		memcpy(twin.bytes + twin.n, f.b.at + data + at, len);
		memset(twin.kept + twin.n, true, len);
		content_add(&c, 1, 0, data + at, f.b.at + data + at, len);
		twin.n += len;
	}
	for (int i = 0; i < 2000; i++) {
		uint32_t size = 1 + dice_below(&d, 4000);

		compare_some(&c, &d, dice_below(&d, twin.n - size), size, true);
	}
	content_close(&c);
	source_close(source);
	free(path);
}

static void test_log_fills_up(void)
{
	struct content c;
	struct dice d = dice_of(705);

	CU_ASSERT_EQUAL_FATAL(
		content_open(&c, &(struct content_conf){.slots = 2,
							.extents = {.memory = 10, .ring = RING}}),
		0);
	content_start(&c, 1);
	memset(&twin, 0, sizeof(twin));
	for (int i = 0; i < 15; i++, twin.n += 100) {
		content_add(&c, 1, 0, POS_NONE, twin.bytes + twin.n, 100);
		memset(twin.kept + twin.n, i < 10, 100);
	}
	CU_ASSERT_EQUAL(c.extents.refused, 5);
	for (uint32_t at = 0; at < 1400; at += 50)
		compare_some(&c, &d, at, 100, false);
	content_close(&c);
}

/* ---- finding ---- */

enum { STREAMS = 6, LENGTH = 40000 };

/* What was said of each byte: its value, or the kind of the hole that it lies in. */
struct model {
	uint8_t byte[STREAMS][2][LENGTH], kind[STREAMS][2][LENGTH];
	uint32_t n[STREAMS][2];
};

static struct model model;

static void grow(struct content *c, struct dice *d, uint32_t slot)
{
	uint8_t dir = (uint8_t)dice_below(d, 2);
	uint32_t n = model.n[slot][dir], len = 1 + dice_below(d, dice_below(d, 8) ? 300 : 4000);
	uint8_t kind = (uint8_t)(dice_below(d, 8) ? SEGMENT_DATA : 1 + dice_below(d, 2));
	uint8_t *at = model.byte[slot][dir] + n;

	if (n + len > LENGTH)
		return;
	dice_fill(d, at, len);
	memset(model.kind[slot][dir] + n, kind, len);
	if (kind == SEGMENT_DATA)
		content_add(c, slot, dir, POS_NONE, at, len);
	else
		content_hole(c, slot, dir, len, kind);
	model.n[slot][dir] += len;
}

/* A found segment says of each byte what the model does, or that it was let go. */
static bool is_true(const struct content *c, const struct content_segment *g, uint32_t slot,
		    uint8_t dir)
{
	static uint8_t bytes[LENGTH];
	const uint8_t *kind = model.kind[slot][dir] + g->off;
	size_t got = content_load(c, g, 0, bytes, sizeof(bytes));

	if (g->kind == SEGMENT_EVICTED)
		return got == 0;
	for (uint64_t i = 0; i < g->len; i++)
		if (kind[i] != g->kind)
			return false;
	if (g->kind != SEGMENT_DATA)
		return got == 0;
	if (got && memcmp(bytes, model.byte[slot][dir] + g->off, got) != 0)
		return false;
	return got == g->len || !c->in_memory; /* a ring forgets between */
}

/* Any window: covered without a seam, true, and what was let go is the beginning.  How many bytes
 * of it. */
static uint64_t look(const struct content *c, struct dice *d, const struct content_view *v,
		     uint32_t slot)
{
	static struct content_segment found[LENGTH];
	uint8_t dir = (uint8_t)dice_below(d, 2);
	uint64_t from = dice_below(d, model.n[slot][dir] + 10);
	uint64_t to = from + dice_below(d, 5000), at = from, evicted = 0;
	size_t n = content_find(c, v, dir, (struct content_range){from, to}, found, LENGTH);
	uint32_t order = 0;

	for (size_t i = 0; i < n; i++) {
		const struct content_segment *g = &found[i];

		CHECK(g->off == at && g->len, "a seam at %llu, seed %llu", (unsigned long long)at,
		      (unsigned long long)d->seed);
		CHECK(is_true(c, g, slot, dir), "[%llu, +%llu) kind %d, seed %llu",
		      (unsigned long long)g->off, (unsigned long long)g->len, g->kind,
		      (unsigned long long)d->seed);
		CHECK(g->kind == SEGMENT_EVICTED || g->order >= order, "in order");
		CHECK(g->kind != SEGMENT_EVICTED || i == 0 || !c->in_memory, "evicted in front");
		order = g->kind == SEGMENT_EVICTED ? order : g->order;
		evicted += g->kind == SEGMENT_EVICTED ? g->len : 0;
		at += g->len;
	}
	if (to > model.n[slot][dir])
		to = model.n[slot][dir];
	CHECK(at == (from < to ? to : from), "up to %llu of %llu", (unsigned long long)at,
	      (unsigned long long)to);
	return evicted;
}

static void run(struct dice *d, const struct content_conf *conf, bool all_kept)
{
	struct content_view view[STREAMS] = {0};
	struct content c;
	uint64_t evicted = 0;

	CU_ASSERT_EQUAL_FATAL(content_open(&c, conf), 0);
	memset(&model, 0, sizeof(model));
	for (uint32_t slot = 0; slot < STREAMS; slot++)
		content_start(&c, slot);
	for (int step = 0; step < 1500; step++) {
		uint32_t slot = dice_below(d, STREAMS);

		if (view[slot].end[0] == 0)
			grow(&c, d, slot);
		if (step > 1000 && dice_below(d, 100) == 0 && view[slot].end[0] == 0 &&
		    model.n[slot][0]) { /* ends, but can still be found */
			view[slot] = content_view(&c, slot, model.n[slot][0], model.n[slot][1]);
			content_end(&c, slot);
		}
		for (slot = 0; slot < STREAMS; slot++) {
			struct content_view v =
				content_view(&c, slot, model.n[slot][0], model.n[slot][1]);

			evicted += look(&c, d, view[slot].end[0] ? &view[slot] : &v, slot);
		}
		CHECK(c.store.kept - c.store.evicted <= conf->store.bytes, "within the budget");
	}
	CHECK((evicted == 0) == all_kept, "%llu bytes evicted", (unsigned long long)evicted);
	content_close(&c);
}

static void test_finds_in_memory(void)
{
	static const struct {
		uint64_t bytes, stream_bytes;
		uint32_t segment;
		bool all_kept;
	} rows[] = {
		{2 << 20, 2 << 20, 2048, true}, {2 << 20, 2 << 20, 256, true},
		{100000, 100000, 2048, false},  {2 << 20, 20000, 1024, false},
		{30000, 8192, 256, false},      {4096, 4096, 4096, false},
		{0, 4096, 2048, false},
	};
	struct dice d = dice_of(801);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(&d,
		    &(struct content_conf){.in_memory = true,
					   .slots = STREAMS,
					   .store = {.bytes = rows[i].bytes,
						     .stream_bytes = rows[i].stream_bytes,
						     .segment_bytes = rows[i].segment}},
		    rows[i].all_kept);
}

/* The log of places, in memory alone, and with most of it in a file. */
static void test_finds_in_the_log(void)
{
	struct dice d = dice_of(802);
	struct content_conf conf = {.slots = STREAMS,
				    .extents = {.memory = 10000, .ring = 1 << 20}};

	run(&d, &conf, true);
	conf.extents.memory = 50;
	run(&d, &conf, false); /* what the log could not hold */
	conf.extents.folder = "/tmp";
	run(&d, &conf, true);
}

/* ---- who loses first ---- */

static struct content_conf small(uint32_t segments)
{
	return (struct content_conf){
		.in_memory = true,
		.slots = 100,
		.store = {.bytes = segments * 512U, .stream_bytes = 1 << 20, .segment_bytes = 512}};
}

/* A stream of one segment. */
static struct content_view put_one(struct content *c, uint32_t slot)
{
	uint8_t bytes[300];

	memset(bytes, (int)slot, sizeof(bytes));
	content_start(c, slot);
	content_add(c, slot, 0, POS_NONE, bytes, sizeof(bytes));
	return content_view(c, slot, sizeof(bytes), 0);
}

static bool has(const struct content *c, const struct content_view *v, uint32_t slot)
{
	uint8_t bytes[300];
	size_t got = content_read(c, v, 0, 0, bytes, sizeof(bytes));

	for (size_t i = 0; i < got; i++)
		CHECK(bytes[i] == slot, "byte %zu of stream %u is of another", i, slot);
	return got == sizeof(bytes);
}

static void test_ended_streams_lose_first(void)
{
	struct content_conf conf = small(4);
	struct content_view v[10];
	struct content c;

	CU_ASSERT_EQUAL_FATAL(content_open(&c, &conf), 0);
	for (uint32_t i = 0; i < 4; i++)
		v[i] = put_one(&c, i);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(has(&c, &v[i], i), "stream %u while there is room", i);
	content_end(&c, 2);
	content_end(&c, 1);
	CU_ASSERT_TRUE(has(&c, &v[2], 2));
	v[4] = put_one(&c, 4); /* takes from 2, which ended first */
	CU_ASSERT_FALSE(has(&c, &v[2], 2));
	CU_ASSERT_TRUE(has(&c, &v[1], 1));
	v[5] = put_one(&c, 5);
	CU_ASSERT_FALSE(has(&c, &v[1], 1));
	v[6] = put_one(&c, 6); /* nobody has ended: 0 grew the longest ago */
	CU_ASSERT_FALSE(has(&c, &v[0], 0));
	CU_ASSERT_TRUE(has(&c, &v[3], 3));
	content_pin(&c, 3);
	v[7] = put_one(&c, 7);
	CU_ASSERT_TRUE(has(&c, &v[3], 3));
	CU_ASSERT_FALSE(has(&c, &v[4], 4));
	content_end(&c, 3);
	for (uint32_t i = 8; i < 40; i++) {
		put_one(&c, i);
		content_end(&c, i);
	}
	CHECK(has(&c, &v[3], 3), "a pinned stream that has ended");
	CU_ASSERT_EQUAL(c.store.kept - c.store.evicted, 4 * 300);
	content_close(&c);
}

/* Its room has another owner, and the slot too: a view is of one stream for ever. */
static void test_a_view_is_of_one_stream(void)
{
	struct content_conf conf = small(2);
	struct content_view first, second;
	struct content c;

	CU_ASSERT_EQUAL_FATAL(content_open(&c, &conf), 0);
	first = put_one(&c, 1);
	content_end(&c, 1);
	for (uint32_t i = 0; i < 8; i++) {
		second = put_one(&c, 1);
		content_end(&c, 1);
		CHECK(i == 0 || !has(&c, &first, 1), "after %u others", i + 1);
	}
	CU_ASSERT_TRUE(has(&c, &second, 1));
	content_close(&c);
}

/* Found, then let go before it is loaded. */
static void test_gone_before_it_is_loaded(void)
{
	struct content_conf conf = small(1);
	struct content_segment g;
	struct content_view v;
	struct content c;
	uint8_t bytes[300];

	CU_ASSERT_EQUAL_FATAL(content_open(&c, &conf), 0);
	v = put_one(&c, 1);
	CU_ASSERT_EQUAL(content_find(&c, &v, 0, (struct content_range){0, 300}, &g, 1), 1);
	CU_ASSERT_EQUAL(content_load(&c, &g, 0, bytes, 300), 300);
	put_one(&c, 2);
	CU_ASSERT_EQUAL(content_load(&c, &g, 0, bytes, 300), 0);
	content_close(&c);
}

CU_TestInfo content_tests[] = {
	{"in_the_ring", test_in_the_ring},
	{"in_the_file", test_in_the_file},
	{"log_fills_up", test_log_fills_up},
	{"finds_in_memory", test_finds_in_memory},
	{"finds_in_the_log", test_finds_in_the_log},
	{"ended_streams_lose_first", test_ended_streams_lose_first},
	{"a_view_is_of_one_stream", test_a_view_is_of_one_stream},
	{"gone_before_it_is_loaded", test_gone_before_it_is_loaded},
	CU_TEST_INFO_NULL,
};
