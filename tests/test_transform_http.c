/* SPDX-License-Identifier: MIT */
/*
 * transform_http — chunks and Content-Encodings, stacked, refused, damaged, cut anywhere.
 */
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/transform_host.h"

static void test_http_chunked(void)
{
	static const struct row rows[] = {
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = OK, .out = B("hello")},
		{B("5;x=y\r\nhello\r\n1 \r\n!\r\n000\r\nA: b\r\n\r\nrest"), .is = OK,
		 .out = B("hello!")},
		{B("2\nhe\n3\nllo\n0\n\n"), .is = OK, .out = B("hello")},
		{B("0\r\n\r\n"), .is = OK},
		{B("5\r\nhello\r\n"), .is = OK, .out = B("hello"), .note = "missing"},
		{B("5\r\nhello\r"), .is = OK, .out = B("hello"), .note = "missing"},
		{B("5\r\nhel"), .is = OK, .out = B("hel"), .note = "missing"},
		{B("5\r\nhello\r\n12"), .is = OK, .out = B("hello"), .note = "missing"},
		{B("5"), .is = OK, .note = "missing"},
		{B("3fffffffffffffff\r\nhello"), .is = OK, .out = B("hello"), .note = "missing"},
		{B("5\r\nhello!!\r\n0\r\n\r\n"), .is = OK, .out = B("hello"),
		 .note = "byte 9 of the body"},
		{B("5\r\nhello\r\nzz\r\nworld\r\n"), .is = OK, .out = B("hello"),
		 .note = "byte 10 of the body"},
		{B("hello\r\n"), .is = FAIL, .note = "no chunk size"},
		{B("hello"), .is = FAIL, .note = "no chunk size"},
		{B("\r\n5\r\nhello\r\n"), .is = FAIL, .note = "byte 0"},
		{B("fffffffffffffffff\r\nx"), .is = OK, .out = B("x"), .note = "missing"},
		{B(""), .is = NOOP},
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = NOOP, .header = PLAIN_HEADER},
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = NOOP, .header = ""},
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = OK, .out = B("hello"),
		 .header = "POST / HTTP/1.1\nTRANSFER-ENCODING:\n gzip,\n\tChunked\n\n"},
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = NOOP,
		 .header = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"},
		/* cut at the header's end, inside it, behind it */
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = OK, .out = B("hello"),
		 .max = sizeof(CHUNKED) - 1},
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = OK, .out = B("hello"), .max = 7},
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = OK, .out = B("hello"),
		 .max = sizeof(CHUNKED) + 2},
		/* done is done */
		{B("5\r\nhello\r\n0\r\n\r\n"), .is = NOOP, .out = B("hello"),
		 .chain = "http_chunked,http_chunked"},
	};

	CHECK_ROWS("http_chunked", CHUNKED, rows);
}

static void test_encodings(void)
{
	static struct message m;
	uint8_t packed[1024];

	for (int p = 0; p < PACK_COUNT; p++) {
		const size_t len = sizeof(lorem) - 1;
		size_t n = tf_pack((enum packer)p, lorem, len, packed, sizeof(packed));
		struct transform_result r;

		message_begin(&m, "");
		message_add(&m, packed, n);
		r = tf_run_message(packers[p].step, &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, len) && !r.step[0].note[0], "%d: %s", p,
		      r.step[0].note);
		transform_free(&r);
		r = tf_run_message("http_gzip", &m, PLENTY);
		CHECK(r.status == NOOP && r.step[0].status == NOOP, "%d without a header", p);
		transform_free(&r);

		message_begin_encoded(&m, packers[p].encoding, false);
		message_add(&m, packed, n);
		r = tf_run_message("http_gzip", &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, len) && !r.step[0].note[0], "%d: %s", p,
		      r.step[0].note);
		transform_free(&r);
		r = tf_run_message(packers[p].step, &m, m.header + 10);
		CHECK(tf_decodes_to(&r, &m, lorem, 10) && r.step[0].truncated, "%d cut", p);
		transform_free(&r);
		r = tf_run_message("http_gzip,http_gzip", &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, len) && r.step[1].status == NOOP, "%d twice", p);
		transform_free(&r);

		message_begin_encoded(&m, packers[p].encoding, true);
		message_add_chunks(&m, packed, n, 7);
		r = tf_run_message("http_gzip", &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, len) && !r.step[0].note[0], "%d chunked: %s", p,
		      r.step[0].note);
		transform_free(&r);
		r = tf_run_message("chunked>http_gzip", &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, len) && r.steps == 2 && r.step[1].status == OK,
		      "%d in two steps", p);
		transform_free(&r);
		r = tf_run_message("http_gzip>chunked", &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, len) && r.step[1].status == NOOP, "%d in one",
		      p);
		transform_free(&r);
	}
}

static void test_stacked_encodings(void)
{
	static const struct {
		const char *name;
		enum packer a, b;
	} rows[] = {
		{"gzip, br", PACK_GZIP, PACK_BROTLI},
		{"br,gzip", PACK_BROTLI, PACK_GZIP},
		{"deflate\r\nContent-Encoding: zstd", PACK_RAW, PACK_ZSTD},
		{"x-gzip, identity, X-GZIP", PACK_GZIP, PACK_GZIP},
	};
	static struct message m;

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t once[1024], twice[1024];
		size_t n = tf_pack(rows[i].a, lorem, sizeof(lorem) - 1, once, sizeof(once));
		struct transform_result r;

		n = tf_pack(rows[i].b, once, n, twice, sizeof(twice));
		message_begin_encoded(&m, rows[i].name, i & 1);
		if (i & 1)
			message_add_chunks(&m, twice, n, 20);
		else
			message_add(&m, twice, n);
		r = tf_run_message("http_gzip", &m, PLENTY);
		CHECK(tf_decodes_to(&r, &m, lorem, sizeof(lorem) - 1), "%s: %s", rows[i].name,
		      r.step[0].note);
		transform_free(&r);
	}
}

static void test_encodings_refused(void)
{
#define ENCODED(name) "HTTP/1.1 200 OK\r\nContent-Encoding: " name "\r\n\r\n"
	static const struct row rows[] = {
		{B("<html>not gzip</html>"), .is = FAIL, .note = "this is not",
		 .header = ENCODED("gzip")},
		{B("<html>not zstd</html>"), .is = FAIL, .note = "this is not",
		 .header = ENCODED("zstd")},
		{B("\x1f\x8b\x08"), .is = OK, .note = "stops short", .header = ENCODED("gzip")},
		{B(""), .is = NOOP, .header = ENCODED("gzip")},
		{B("x"), .is = NOOP, .header = ENCODED("identity")},
		{B("x"), .is = NOOP, .note = "cannot be undone", .header = ENCODED("compress")},
		{B("x"), .is = NOOP, .note = "cannot be undone",
		 .header = ENCODED("gzip, aes128gcm")},
		{B("x"), .is = NOOP, .note = "cannot be undone",
		 .header = ENCODED("gzip,gzip,gzip,gzip,gzip")},
		{B("x"), .is = FAIL, .note = "too many", .header = ENCODED("br, br, br")},
		{B("x"), .is = NOOP, .header = PLAIN_HEADER},
		{B("0\r\n\r\n"), .is = NOOP, .header = CHUNKED},
		{B("0\r\n\r\n"), .is = NOOP,
		 .header = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: "
			   "chunked\r\n\r\n"},
		{B("gzip\r\n"), .is = FAIL, .note = "no chunk size",
		 .header = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: "
			   "chunked\r\n\r\n"},
		{B("hello"), .is = NOOP, .chain = "gzip"},
		{B("\x1f"), .is = NOOP, .chain = "gzip"},
		{B(""), .is = NOOP, .chain = "gzip"},
		{B("\x1f\x8b\x09junk and more of it"), .is = FAIL, .note = "this is not gzip",
		 .chain = "gzip"},
		{B(""), .is = FAIL, .note = "this is not deflate", .chain = "deflate"},
		{B("\xff\xff"), .is = FAIL, .note = "this is not deflate", .chain = "deflate"},
		{B(""), .is = FAIL, .note = "this is not brotli", .chain = "brotli"},
		{B("\xff\xff\xff\xff"), .is = FAIL, .note = "this is not brotli",
		 .chain = "brotli"},
		{B("hello"), .is = FAIL, .note = "this is not zstd", .chain = "zstd"},
		{B("\x28\xb5\x2f\xfd"), .is = FAIL, .note = "this is not zstd", .chain = "zstd"},
		{B("6869"), .is = FAIL, .note = "this is not zstd", .chain = "hex,zstd,json"},
		{B("hello"), .is = FAIL, .note = "this is not zstd", .chain = "zstd",
		 .header = PLAIN_HEADER, .max = 5},
	};
#undef ENCODED

	CHECK_ROWS("http_gzip", NULL, rows);
}

/* Wherever it ends, the output is a beginning of the whole one, and the note tells. */
static void test_encodings_cut_anywhere(void)
{
	static struct message m;
	uint8_t packed[1024];

	for (int p = 0; p < PACK_COUNT; p++) {
		const size_t len = sizeof(lorem) - 1;
		size_t n = tf_pack((enum packer)p, lorem, len, packed, sizeof(packed)), most = 0;

		message_begin_encoded(&m, packers[p].encoding, true);
		message_add_chunks(&m, packed, n, 9);
		for (size_t cut = m.header; cut < m.n - 10; cut++) {
			struct transform_result r =
				tf_run("http_gzip", m.at, cut, m.header, PLENTY);

			if (cut > m.header)
				CHECK(r.status != FAIL && r.step[0].note[0], "%d ends at %zu", p,
				      cut);
			if (r.status == OK) {
				n = span_len(r.bytes) - m.header;
				CHECK(n >= most && tf_decodes_to(&r, &m, lorem, n),
				      "%d ends at %zu", p, cut);
				most = n;
			}
			transform_free(&r);
		}
		CHECK(most > 0 || p == PACK_ZSTD || p == PACK_BROTLI, "%d came to %zu", p, most);
	}
}

static void test_damaged_encoding(void)
{
	static uint8_t plain[300000], packed[ROOM];
	struct dice d = dice_of(901);
	size_t n;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)('a' + dice_below(&d, 2 + dice_below(&d, 24)));
	for (int p = 0; p < PACK_COUNT; p++) {
		struct transform_result r;

		n = tf_pack((enum packer)p, plain, sizeof(plain), packed, sizeof(packed));
		memset(packed + n - 2000, 0xff, 2000);
		r = tf_run(packers[p].step, packed, n, 0, sizeof(plain) + 10000);
		CHECK(r.status == OK && span_len(r.bytes) > 30000 &&
			      memcmp(r.bytes.at, plain, 30000) == 0,
		      "%d: %zu bytes", p, span_len(r.bytes));
		CHECK(strstr(r.step[0].note, "damaged") || strstr(r.step[0].note, "short"),
		      "%d: '%s'", p, r.step[0].note);
		transform_free(&r);
	}
}

/* A lot out of a little, once and once more: it ends at max_bytes, or because it grows inside. */
static void test_bombs(void)
{
	/* RFC 8878 §3.1.2: a frame to be skipped, of 8 MiB */
	static const uint8_t skipped[] = {0x50, 0x2a, 0x4d, 0x18, 0xf0, 0xff, 0x7f, 0};
	static uint8_t zeros[8 << 20], once[65536], twice[4096];
	static struct message m;
	struct transform_result r;
	size_t n = tf_pack(PACK_GZIP, zeros, sizeof(zeros), once, sizeof(once));

	r = tf_run("gzip", once, n, 0, 5000);
	CHECK(r.status == OK && span_len(r.bytes) == 5000 && r.step[0].truncated, "%zu bytes",
	      span_len(r.bytes));
	transform_free(&r);
	n = tf_pack(PACK_GZIP, once, n, twice, sizeof(twice));
	message_begin_encoded(&m, "gzip, gzip", false);
	message_add(&m, twice, n);
	r = tf_run_message("http_gzip", &m, 5000);
	CHECK(r.status == OK && span_len(r.bytes) == 5000 && r.step[0].truncated, "%zu bytes",
	      span_len(r.bytes));
	transform_free(&r);
	/* the inner one is nothing but very large */
	message_begin_encoded(&m, "zstd, gzip", false);
	memcpy(zeros, skipped, sizeof(skipped));
	n = tf_pack(PACK_GZIP, zeros, sizeof(zeros), once, sizeof(once));
	message_add(&m, once, n);
	r = tf_run_message("http_gzip", &m, 5000);
	CHECK(r.step[0].status != NOOP && strstr(r.step[0].note, "grows too much"), "'%s'",
	      r.step[0].note);
	transform_free(&r);
}

CU_TestInfo transform_http_tests[] = {
	{"http_chunked", test_http_chunked},
	{"encodings", test_encodings},
	{"stacked_encodings", test_stacked_encodings},
	{"encodings_refused", test_encodings_refused},
	{"encodings_cut_anywhere", test_encodings_cut_anywhere},
	{"damaged_encoding", test_damaged_encoding},
	{"bombs", test_bombs},
	CU_TEST_INFO_NULL,
};
