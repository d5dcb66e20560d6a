/* SPDX-License-Identifier: MIT */
/* stream — text or binary, services, what is kept of a stream, and comparing it with later copies.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/stream/content.h"
#include "user/stream/inventory.h"

static uint8_t flow_room[4][INVENTORY_ROOM] __attribute__((aligned(8)));

static enum content_kind kind_of(const uint8_t *at, size_t n)
{
	struct classify c = {0};

	classify_feed(&c, at, n);
	return classify_kind(&c);
}

static void test_classify_thresholds(void)
{
	static uint8_t in[2 * CLASSIFY_BYTES];

	CU_ASSERT_EQUAL(kind_of(in, 0), CONTENT_UNKNOWN);
	CU_ASSERT_EQUAL(kind_of((const uint8_t *)"a\tb\r\nc", 6), CONTENT_TEXT);
	CU_ASSERT_EQUAL(kind_of((const uint8_t *)"a\0b", 3), CONTENT_BINARY);
	CU_ASSERT_EQUAL(kind_of((const uint8_t *)"gr\xc3\xbc\xc3\x9f", 6), CONTENT_TEXT);
	memset(in, 'a', sizeof(in));
	for (size_t n = 0; n < 50; n++)
		in[n * 3] = n % 2 ? 0x7f : 0x01;
	CHECK(kind_of(in, 1000) == CONTENT_TEXT, "50 control characters in 1000 bytes are 5 %%");
	in[999] = 0x02;
	CHECK(kind_of(in, 1000) == CONTENT_BINARY, "51 are more");
	memset(in, 'a', sizeof(in));
	in[CLASSIFY_BYTES] = 0;
	CHECK(kind_of(in, sizeof(in)) == CONTENT_TEXT, "a NUL behind what is looked at");
	in[CLASSIFY_BYTES - 1] = 0;
	CHECK(kind_of(in, sizeof(in)) == CONTENT_BINARY, "a NUL as the last byte looked at");
	memset(in, 1, sizeof(in));
	CHECK(kind_of(in, sizeof(in)) == CONTENT_BINARY, "control characters only");
}

/* Byte by byte, as the header says it. */
static enum content_kind naive_kind(const uint8_t *at, size_t n)
{
	uint32_t control = 0;

	if (n > CLASSIFY_BYTES)
		n = CLASSIFY_BYTES;
	for (size_t i = 0; i < n; i++) {
		if (at[i] == 0)
			return CONTENT_BINARY;
		control += (at[i] < 0x20 && !strchr("\t\r\n", at[i])) || at[i] == 0x7f;
	}
	if (n == 0)
		return CONTENT_UNKNOWN;
	return control * 20 > n ? CONTENT_BINARY : CONTENT_TEXT;
}

static void test_classify_any_chunking(void)
{
	static uint8_t in[3 * CLASSIFY_BYTES];
	struct dice d = dice_of(701);
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, sizeof(in)));
	for (int n = 0; n < 2000; n++) {
		size_t len = dice_below(&d, sizeof(in)), used = 0;
		uint32_t rare = 1 + dice_below(&d, 60), nul = dice_below(&d, 20) == 0;
		struct classify c = {0};

		for (size_t i = 0; i < len; i++)
			in[i] = (uint8_t)(dice_below(&d, rare) ? 'x' : !nul + dice_below(&d, 200));
		while (used < len) {
			size_t step = 1 + dice_below(&d, dice_below(&d, 2) ? 9 : 1500);

			if (step > len - used)
				step = len - used;
			classify_feed(&c, guard_put(&g, in + used, step), step);
			used += step;
		}
		if (!CHECK(classify_kind(&c) == naive_kind(in, len), "%zu bytes, seed %llu", len,
			   (unsigned long long)d.seed))
			break;
	}
	guard_close(&g);
}

static void test_classify_join(void)
{
	static const struct {
		enum content_kind a, b, both;
	} rows[] = {
		{CONTENT_UNKNOWN, CONTENT_UNKNOWN, CONTENT_UNKNOWN},
		{CONTENT_UNKNOWN, CONTENT_TEXT, CONTENT_TEXT},
		{CONTENT_BINARY, CONTENT_UNKNOWN, CONTENT_BINARY},
		{CONTENT_TEXT, CONTENT_TEXT, CONTENT_TEXT},
		{CONTENT_TEXT, CONTENT_BINARY, CONTENT_MIXED},
		{CONTENT_BINARY, CONTENT_TEXT, CONTENT_MIXED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(classify_join(rows[i].a, rows[i].b) == rows[i].both, "row %zu", i);
}

static void test_service_by_port(void)
{
	static const struct {
		uint8_t proto;
		uint16_t sport, dport;
		enum service_name name;
		bool reversed;
	} rows[] = {
		{6, 50000, 80, SERVICE_HTTP, false},          {6, 80, 50000, SERVICE_HTTP, true},
		{17, 50000, 53, SERVICE_DNS, false},          {6, 50000, 53, SERVICE_DNS, false},
		{6, 50000, 443, SERVICE_HTTPS, false},        {17, 50000, 443, SERVICE_QUIC, false},
		{17, 50000, 80, SERVICE_UNKNOWN, false},      {132, 1, 80, SERVICE_UNKNOWN, false},
		{6, 50000, 50001, SERVICE_UNKNOWN, false},    {6, 22, 80, SERVICE_HTTP, false},
		{6, 50000, 27017, SERVICE_MONGODB, false},    {6, 50000, 20, SERVICE_FTP, false},
		{17, 51820, 51820, SERVICE_WIREGUARD, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool reversed = !rows[i].reversed;
		struct service s =
			service_by_port(rows[i].proto, rows[i].sport, rows[i].dport, &reversed);

		CHECK(s.name == rows[i].name && reversed == rows[i].reversed, "%u: %u to %u: %s",
		      rows[i].proto, rows[i].sport, rows[i].dport, service_name_text(s.name));
		CHECK(s.source == (s.name ? SOURCE_PORT : SOURCE_NONE) && s.confidence <= 100,
		      "row %zu", i);
	}
}

static void test_service_by_content(void)
{
	bool reversed;
	struct service s = service_by_port(6, 50000, 80, &reversed);

	CHECK(service_by_content(&s, SERVICE_HTTP, 98, SIDE_B), "content agrees with the port");
	CU_ASSERT_EQUAL(s.source, SOURCE_PORT_AND_PAYLOAD);
	CU_ASSERT_TRUE(s.confidence >= 98);
	CHECK(!service_by_content(&s, SERVICE_HTTP, 98, SIDE_B), "the same again changes nothing");
	s = service_by_port(6, 50000, 80, &reversed);
	CHECK(service_by_content(&s, SERVICE_SSH, 98, SIDE_A), "content contradicts the port");
	CU_ASSERT_EQUAL(s.name, SERVICE_SSH);
	CU_ASSERT_EQUAL(s.source, SOURCE_PAYLOAD);
	CU_ASSERT_EQUAL(s.side, SIDE_A);
	CHECK(!service_by_content(&s, SERVICE_SMTP, 80, SIDE_B) && s.name == SERVICE_SSH &&
		      s.side == SIDE_A,
	      "weaker content changes nothing");
	s = service_by_port(6, 50000, 443, &reversed);
	CHECK(service_by_content(&s, SERVICE_TLS, 98, SIDE_B) && s.name == SERVICE_HTTPS &&
		      s.source == SOURCE_PORT_AND_PAYLOAD,
	      "TLS on 443 is HTTPS");
	s = (struct service){0};
	CHECK(service_by_content(&s, SERVICE_TLS, 60, SIDE_UNKNOWN) && s.name == SERVICE_TLS &&
		      s.source == SOURCE_PAYLOAD && s.side == SIDE_UNKNOWN,
	      "no port said anything");
}

static void test_evidence_is_bounded(void)
{
	struct inventory v;
	struct evidence e = {.len = 4, .bytes = "lost"};
	uint32_t n = 0;

	CU_ASSERT_EQUAL_FATAL(
		inventory_open(&v, &(struct inventory_conf){.room = flow_room[0],
							    .stashes = 64,
							    .room_stride = INVENTORY_ROOM,
							    .slots = 4,
							    .evidence = 100}),
		0);
	inventory_start(&v, 0);
	inventory_start(&v, 1);
	for (uint32_t i = 0; i < EVIDENCE_MAX + 5; i++) {
		e.off = i;
		inventory_evidence(&v, 0, &e);
	}
	CU_ASSERT_EQUAL(v.evidence_refused, 5);
	for (uint32_t at = v.more[0].evidence; at; n++) {
		const struct evidence *x = inventory_evidence_at(&v, at);

		CHECK(x->off == EVIDENCE_MAX - 1 - n && memcmp(x->bytes, "lost", 4) == 0,
		      "entry %u", n);
		at = x->next;
	}
	CU_ASSERT_EQUAL(n, EVIDENCE_MAX);
	for (uint32_t i = 0; i < EVIDENCE_MAX; i++)
		inventory_evidence(&v, 1, &e);
	CU_ASSERT_EQUAL(v.evidence_refused, 5 + 2 * EVIDENCE_MAX - 100);
	inventory_end(&v, 0); /* what it had is free again */
	inventory_start(&v, 2);
	for (uint32_t i = 0; i < EVIDENCE_MAX; i++)
		inventory_evidence(&v, 2, &e);
	CU_ASSERT_EQUAL(v.evidence_refused, 5 + 2 * EVIDENCE_MAX - 100);
	CU_ASSERT_PTR_NULL(inventory_evidence_at(&v, 0));
	inventory_end(&v, 1);
	inventory_end(&v, 2);
	inventory_close(&v);
}

/* Previews, hashes and counts of a stream fed in any chunks; a reused slot starts anew. */
static void test_inventory_of_a_stream(void)
{
	static uint8_t in[3000];
	struct dice d = dice_of(702);
	struct inventory v;

	CU_ASSERT_EQUAL_FATAL(
		inventory_open(&v, &(struct inventory_conf){.room = flow_room[0],
							    .stashes = 64,
							    .room_stride = INVENTORY_ROOM,
							    .slots = 2,
							    .preview_bytes = 100,
							    .sha256 = true,
							    .evidence = 1}),
		0);
	for (int n = 0; n < 200; n++) {
		size_t len = dice_below(&d, sizeof(in)), used = 0;
		uint8_t dir = n & 1, hash[32], expect[32];
		unsigned int size = 32;
		struct span p;

		dice_fill(&d, in, len);
		inventory_start(&v, 1);
		while (used < len) {
			size_t step = 1 + dice_below(&d, 200);

			step = step < len - used ? step : len - used;
			inventory_feed(&v, 1, dir, in + used, step);
			used += step;
		}
		p = inventory_preview(&v, 1, dir);
		CHECK(span_len(p) == (len < 100 ? len : 100) && memcmp(p.at, in, span_len(p)) == 0,
		      "preview of %zu bytes", len);
		CHECK(span_len(inventory_preview(&v, 1, !dir)) == 0, "the other direction");
		EVP_Digest(in, len, expect, &size, EVP_sha256(), NULL);
		CHECK(inventory_sha256(&v, 1, dir, hash) && memcmp(hash, expect, 32) == 0,
		      "hash of %zu bytes", len);
		CHECK(inventory_anomaly_count(&v, 1, ANOMALY_GAP) == 0, "a fresh slot");
		inventory_anomaly(&v, 1, ANOMALY_GAP);
		inventory_anomaly(&v, 1, ANOMALY_GAP);
		CHECK(inventory_anomaly_count(&v, 1, ANOMALY_GAP) == 2, "counts");
		inventory_end(&v, 1);
	}
	inventory_close(&v);
}

/* ---- content ---- */

enum { STREAM = 200000, RING = 1 << 16 };

struct twin {
	uint8_t bytes[STREAM];
	bool kept[STREAM];
	uint32_t n;
};

static struct twin twin;

/* Compares a copy with some bytes changed: a comparison that claims to know must be right. */
static void compare(const struct content *c, struct dice *d, uint32_t from, uint32_t len, bool must)
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

static void test_content_in_the_ring(void)
{
	struct dice d = dice_of(703);
	struct content c;

	CU_ASSERT_EQUAL_FATAL(
		content_open(&c,
			     &(struct content_conf){.slots = 4, .extents = 100000, .ring = RING}),
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

			compare(&c, &d, twin.n - back, size, back < RING / 2);
		}
	}
	CU_ASSERT_EQUAL(c.refused, 0);
	content_close(&c);
}

/* Places in a plain file: everything can be compared, however old. */
static void test_content_in_the_file(void)
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
	CU_ASSERT_EQUAL_FATAL(
		content_open(&c,
			     &(struct content_conf){.source = source, .slots = 2, .extents = 1000}),
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

		compare(&c, &d, dice_below(&d, twin.n - size), size, true);
	}
	content_close(&c);
	source_close(source);
	free(path);
}

static void test_content_log_fills_up(void)
{
	struct content c;
	struct dice d = dice_of(705);

	CU_ASSERT_EQUAL_FATAL(
		content_open(&c, &(struct content_conf){.slots = 2, .extents = 10, .ring = RING}),
		0);
	content_start(&c, 1);
	memset(&twin, 0, sizeof(twin));
	for (int i = 0; i < 15; i++, twin.n += 100) {
		content_add(&c, 1, 0, POS_NONE, twin.bytes + twin.n, 100);
		memset(twin.kept + twin.n, i < 10, 100);
	}
	CU_ASSERT_EQUAL(c.refused, 5);
	for (uint32_t at = 0; at < 1400; at += 50)
		compare(&c, &d, at, 100, false);
	content_close(&c);
}

CU_TestInfo stream_tests[] = {
	{"classify_thresholds", test_classify_thresholds},
	{"classify_any_chunking", test_classify_any_chunking},
	{"classify_join", test_classify_join},
	{"service_by_port", test_service_by_port},
	{"service_by_content", test_service_by_content},
	{"evidence_is_bounded", test_evidence_is_bounded},
	{"inventory_of_a_stream", test_inventory_of_a_stream},
	{"content_in_the_ring", test_content_in_the_ring},
	{"content_in_the_file", test_content_in_the_file},
	{"content_log_fills_up", test_content_log_fills_up},
	CU_TEST_INFO_NULL,
};
