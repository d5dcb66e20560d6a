/* SPDX-License-Identifier: MIT */
/* stream — text or binary, services, and what the inventory keeps of a stream. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
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

CU_TestInfo stream_tests[] = {
	{"classify_thresholds", test_classify_thresholds},
	{"classify_any_chunking", test_classify_any_chunking},
	{"classify_join", test_classify_join},
	{"service_by_port", test_service_by_port},
	{"service_by_content", test_service_by_content},
	{"evidence_is_bounded", test_evidence_is_bounded},
	{"inventory_of_a_stream", test_inventory_of_a_stream},
	CU_TEST_INFO_NULL,
};
