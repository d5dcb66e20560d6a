/* SPDX-License-Identifier: MIT */
/*
 * transform — chains as they are written, auto, and any chain over anything: nothing is read beyond
 * its end, and the books of the steps balance.
 */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/transform_host.h"

/* ---- chains ---- */

static void test_parse(void)
{
	static const struct {
		const char *text;
		uint32_t n;
		enum transform_kind kind[3];
	} rows[] = {
		{"", 0, {0}},
		{"raw", 0, {0}},
		{"None", 0, {0}},
		{"chain:", 0, {0}},
		{" , ,raw", 0, {0}},
		{"auto", 1, {TRANSFORM_AUTO}},
		{"gzip", 1, {TRANSFORM_GZIP}},
		{"URL", 1, {TRANSFORM_URL_DECODE}},
		{"UrlDecode,url_decode", 2, {TRANSFORM_URL_DECODE, TRANSFORM_URL_DECODE}},
		{"chunked|http_chunked", 2, {TRANSFORM_HTTP_CHUNKED, TRANSFORM_HTTP_CHUNKED}},
		{"ws_deflate+web_socket_deflate>websocket_deflate",
		 3,
		 {TRANSFORM_WEBSOCKET_DEFLATE, TRANSFORM_WEBSOCKET_DEFLATE,
		  TRANSFORM_WEBSOCKET_DEFLATE}},
		{"chain:br,brotli", 2, {TRANSFORM_BROTLI, TRANSFORM_BROTLI}},
		{"PIPELINE:zstd>json|hex", 3, {TRANSFORM_ZSTD, TRANSFORM_JSON, TRANSFORM_HEX}},
		{" base64 , deflate,", 2, {TRANSFORM_BASE64, TRANSFORM_DEFLATE}},
		{"http_gzip", 1, {TRANSFORM_HTTP_GZIP}},
		{"hex,hex,hex", 3, {TRANSFORM_HEX, TRANSFORM_HEX, TRANSFORM_HEX}},
		{"charset", 1, {TRANSFORM_CHARSET}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct transform_chain c;
		char why[96] = "";

		CHECK(transform_parse(rows[i].text, &c, why, sizeof(why)) == 0, "'%s': %s",
		      rows[i].text, why);
		CHECK(c.n == rows[i].n, "'%s': %u steps", rows[i].text, c.n);
		for (uint32_t k = 0; k < c.n && k < 3; k++)
			CHECK(c.step[k].kind == rows[i].kind[k] && !c.step[k].charset[0],
			      "'%s': step %u", rows[i].text, k);
	}
}

static void test_parse_charset(void)
{
	struct transform_chain c;
	char why[96];

	CU_ASSERT_EQUAL(transform_parse("hex,CHARSET:ISO_8859-1:1987>json", &c, why, sizeof(why)),
			0);
	CU_ASSERT_EQUAL(c.n, 3);
	CU_ASSERT_EQUAL(c.step[1].kind, TRANSFORM_CHARSET);
	CU_ASSERT_STRING_EQUAL(c.step[1].charset, "ISO_8859-1:1987");
	CU_ASSERT_STRING_EQUAL(c.step[0].charset, "");
}

static void test_parse_refuses(void)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{"gunzip", "'gunzip'"},
		{"gzip,unknown,json", "'unknown'"},
		{"gzip json", "'gzip json'"},
		{"gzip:9", "'gzip:9'"},
		{"charset:", "'charset:'"},
		{"gzi", "'gzi'"},
		{"gzipp", "'gzipp'"},
		{"raws", "'raws'"},
		{"pipelines:gzip", "'pipelines:gzip'"},
		{"charset:01234567890123456789012345678901", "0123456789"},
		{"hex,hex,hex,hex,hex,hex,hex,hex,base64", "'base64'"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct transform_chain c;
		char why[96] = "";

		CHECK(transform_parse(rows[i].text, &c, why, sizeof(why)) < 0, "%s", rows[i].text);
		CHECK(c.n == 0 && strstr(why, rows[i].word), "'%s': %s", rows[i].text, why);
	}
}

static void test_names(void)
{
	for (int i = 0; i < TRANSFORM_COUNT; i++) {
		const char *name = transform_name((enum transform_kind)i);
		struct transform_chain c;
		char why[96];

		CHECK(transform_parse(name, &c, why, sizeof(why)) == 0 && c.n == 1 &&
			      (int)c.step[0].kind == i,
		      "%s", name);
	}
	CU_ASSERT_STRING_EQUAL(transform_status_name(TRANSFORM_APPLIED), "applied");
	CU_ASSERT_STRING_EQUAL(transform_status_name(TRANSFORM_NOOP), "noop");
	CU_ASSERT_STRING_EQUAL(transform_status_name(TRANSFORM_FAILED), "failed");
}

/* ---- auto ---- */

/* The steps that were applied, joined by commas. */
static void auto_expect(const char *why, const struct message *m, const char *steps,
			const char *end)
{
	struct transform_result r = tf_run_message("auto", m, PLENTY);
	char got[200] = "";

	for (uint32_t i = 0; i < r.steps; i++) {
		size_t n = strlen(got);

		CHECK(r.step[i].requested == TRANSFORM_AUTO, "%s", why);
		snprintf(got + n, sizeof(got) - n, "%s%s", n ? "," : "",
			 transform_name(r.step[i].applied));
	}
	CHECK(strcmp(got, steps) == 0, "%s: %s", why, got);
	CHECK(r.status == (strcmp(steps, "auto") ? OK : NOOP), "%s", why);
	if (end && CHECK(span_len(r.bytes) >= strlen(end), "%s", why))
		CHECK(memcmp(r.bytes.end - strlen(end), end, strlen(end)) == 0, "%s: '%.*s'", why,
		      (int)span_len(r.bytes), r.bytes.at);
	transform_free(&r);
}

static void test_auto(void)
{
	static const struct {
		const char *why, *header;
		struct bytes in;
		const char *steps, *end;
	} rows[] = {
		{"nothing", "", B("hello"), "auto", NULL},
		{"empty", "", B(""), "auto", NULL},
		{"chunks", CHUNKED, B("2\r\nhi\r\n0\r\n\r\n"), "http_chunked", "\r\n\r\nhi"},
		{"no chunks", CHUNKED, B("hello"), "auto", NULL},
		{"escapes", "", B("q=a%20b+c"), "url_decode", "q=a b c"},
		{"a plus alone", "", B("1+1=2"), "auto", NULL},
		{"no escape", "", B("100%"), "auto", NULL},
		{"no text", "", B("\x01\x02\x03%41\x04\x05"), "auto", NULL},
		{"charset", TYPE("text/plain; charset=latin1"), B("\xe9"), "charset", "\xc3\xa9"},
		{"UTF-8", TYPE("text/plain; charset=utf-8"), B("\xff"), "auto", NULL},
		{"UTF-8 by its mark", "", B("\xef\xbb\xbfhi"), "auto", NULL},
		{"no such charset", TYPE("text/plain; charset=zzz"), B("\xe9"), "auto", NULL},
		{"a mark", "", B("\xff\xfeh\0i\0"), "charset", "hi"},
		{"JSON", TYPE("application/json"), B("[1]"), "json", "[\n  1\n]"},
		{"JSON of a kind", TYPE("application/hal+json; charset=utf-8"), B("[1]"), "json",
		 "[\n  1\n]"},
		{"JSON unsaid", "", B("[1]"), "auto", NULL},
		{"no JSON", TYPE("application/json"), B("[1"), "auto", NULL},
		{"a frame of text", "", B("\x81\x05hello"), "websocket_deflate", "hello"},
		{"frames", "", B("\x82\x02\x01\x02\x82\x01\x03"), "websocket_deflate", "\x03"},
		{"a frame of bytes", "", B("\x82\x02\x01\x02"), "auto", NULL},
		{"a frame of no text", "", B("\x81\x02\x01\x02"), "auto", NULL},
		{"a long length", "", B("\x81\x7e\x00\x02hi"), "auto", NULL},
		{"masked and not", "", B("\x81\x82\0\0\0\0hi\x81\x02hi"), "auto", NULL},
		{"a frame and more", "", B("\x81\x02hi."), "auto", NULL},
		{"a frame that goes on with nothing", "", B("\x81\x02hi\x80\x01x"), "auto", NULL},
		{"a type of no JSON", TYPE("x"), B("[1]"), "auto", NULL},
		{"a frame inside HTTP", PLAIN_HEADER, B("\x81\x02hi"), "auto", NULL},
		{"behind an upgrade", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n",
		 B("\x81\x02hi"), "websocket_deflate", "hi"},
	};
	static struct message m;

	for (size_t i = 0; i < COUNT(rows); i++) {
		message_begin(&m, rows[i].header);
		message_add(&m, rows[i].in.at, rows[i].in.n);
		auto_expect(rows[i].why, &m, rows[i].steps, rows[i].end);
	}
}

static void test_auto_of_many(void)
{
	static const char json[] = "{\"a\":\"\xe9%41\"}";
	static struct message m;
	struct transform_result r;
	uint8_t file[256], packed[256];
	size_t n = tf_pack(PACK_GZIP, json, sizeof(json) - 1, file, sizeof(file));

	n = tf_pack(PACK_BROTLI, file, n, packed, sizeof(packed));
	message_begin(&m, "HTTP/1.1 200 OK\r\nContent-Type: text/json; charset=latin1\r\n"
			  "Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n");
	message_add_chunks(&m, packed, n, 11);
	auto_expect("all of them", &m, "http_chunked,http_gzip,gzip,charset,url_decode,json",
		    "{\n  \"a\": \"\xc3\xa9"
		    "A\"\n}");
	/* as many as there is room for: each of the others may need its step */
	r = tf_run_message("auto,auto,auto,auto,auto,auto,auto,auto", &m, PLENTY);
	CU_ASSERT_EQUAL(r.steps, 8);
	CU_ASSERT_EQUAL(r.step[0].applied, TRANSFORM_HTTP_CHUNKED);
	CU_ASSERT_EQUAL(r.step[1].applied, TRANSFORM_HTTP_GZIP);
	CU_ASSERT_EQUAL(r.step[7].status, NOOP);
	transform_free(&r);
	r = tf_run_message("auto,gzip", &m, PLENTY);
	CHECK(r.steps == 7 && r.step[6].requested == TRANSFORM_GZIP && r.step[6].status == NOOP,
	      "%u steps", r.steps);
	transform_free(&r);
	message_begin_encoded(&m, "gzip", false);
	message_add(&m, "no", 2);
	r = tf_run_message("auto", &m, PLENTY);
	CHECK(r.steps == 1 && r.status == NOOP && strstr(r.step[0].note, "http_gzip: this is not"),
	      "'%s'", r.step[0].note);
	transform_free(&r);
}

/* ---- anything ---- */

/* One sample of every kind. */
static void make_sample(struct message *m, uint32_t which)
{
	uint8_t packed[1024];
	size_t n = tf_pack((enum packer)(which % PACK_COUNT), lorem, sizeof(lorem) - 1, packed,
			   sizeof(packed));

	switch (which) {
	case 0 ... 4:
		message_begin_encoded(m, packers[which].encoding, which & 1);
		if (which & 1)
			message_add_chunks(m, packed, n, 30);
		else
			message_add(m, packed, n);
		break;
	case 5 ... 9:
		message_begin(m, "");
		message_add(m, packed, n);
		break;
	case 10:
		message_begin(m, TYPE("application/json; charset=utf-16le"));
		message_add(m, "[\0001\0]\0", 6);
		break;
	case 11:
		message_begin(m, "");
		message_add(m, "aGVs bG8%3d 68656c6c6f+%25", 26);
		break;
	case 12:
		message_begin(m, "");
		message_add(m, "{\"a\":[1,{\"b\":\"\\u00e9%20\"}]}", 28);
		break;
	default:
		sockets_begin();
		sockets_deflated("one, and one, and one", true, which & 1, 1000);
		sockets_deflated("two, and one, and one", true, which & 1, 7);
		sockets_frame(0x81, which & 1, "three", 5);
		message_begin(m, which & 1 ? "" : "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n");
		message_add(m, ws.m.at, ws.m.n);
		deflateEnd(&ws.z);
		break;
	}
}

enum { SAMPLES = 15 };

/* All steps and auto over every beginning of every sample. */
static void test_every_truncation(void)
{
	static struct message m;

	for (uint32_t which = 0; which < SAMPLES; which++) {
		make_sample(&m, which);
		for (int kind = 0; kind < TRANSFORM_COUNT; kind++) {
			struct transform_chain chain = {.n = 1};

			chain.step[0].kind = (enum transform_kind)kind;
			for (size_t n = 0; n <= m.n; n++) {
				struct transform_result r =
					tf_run_chain(&chain, m.at, n, m.header, PLENTY);

				transform_free(&r);
			}
		}
	}
}

/* Where the output is cut, it is the beginning of the whole output. */
static void test_every_max(void)
{
	static struct message m;

	for (uint32_t which = 0; which < SAMPLES; which++) {
		make_sample(&m, which);
		for (int kind = 1; kind < TRANSFORM_COUNT; kind++) {
			struct transform_chain chain = {.n = 1};
			struct transform_result whole, r;
			size_t n;

			chain.step[0].kind = (enum transform_kind)kind;
			whole = tf_run_chain(&chain, m.at, m.n, m.header, PLENTY);
			n = span_len(whole.bytes);
			for (size_t max = 0; whole.status == OK && max <= n + 1; max++) {
				r = tf_run_chain(&chain, m.at, m.n, m.header, max);
				CHECK(r.status == OK && span_len(r.bytes) <= max &&
					      memcmp(r.bytes.at, whole.bytes.at,
						     span_len(r.bytes)) == 0 &&
					      r.step[0].truncated == (max < n),
				      "%s of sample %u in %zu of %zu",
				      transform_name((enum transform_kind)kind), which, max, n);
				transform_free(&r);
			}
			transform_free(&whole);
		}
	}
}

static void spoil(struct dice *d, struct message *m)
{
	for (uint32_t k = dice_below(d, 4); k && m->n; k--) {
		uint32_t at = dice_below(d, (uint32_t)m->n), len = 1 + dice_below(d, 8);

		if (dice_below(d, 3) || at + len > m->n) {
			m->at[at] = (uint8_t)dice_roll(d);
		} else { /* some are gone */
			memmove(m->at + at, m->at + at + len, m->n - at - len);
			m->n -= len;
		}
	}
	if (dice_below(d, 4) == 0)
		m->n = dice_below(d, (uint32_t)m->n + 1);
}

static void test_random_chains(void)
{
	static const char charsets[][32] = {"", "", "utf-16", "utf-7", "gb18030", "iso-2022-kr"};
	static struct message m;
	struct dice d = dice_of(902);

	for (int n = 0; n < 20000; n++) {
		struct transform_chain chain = {.n = dice_below(&d, TRANSFORM_STEPS + 1)};
		struct transform_result r;
		bool noise = dice_below(&d, 8) == 0;

		for (uint32_t i = 0; i < chain.n; i++) {
			chain.step[i].kind = (enum transform_kind)dice_below(&d, TRANSFORM_COUNT);
			memcpy(chain.step[i].charset, charsets[dice_below(&d, COUNT(charsets))],
			       sizeof(charsets[0]));
		}
		make_sample(&m, dice_below(&d, SAMPLES));
		if (noise)
			dice_fill(&d, m.at, m.n = dice_below(&d, 500));
		spoil(&d, &m);
		r = tf_run_chain(&chain, m.at, m.n,
				 dice_below(&d, 4) ? m.header : dice_below(&d, 600),
				 dice_below(&d, 3) ? PLENTY : dice_below(&d, 300));
		transform_free(&r);
	}
}

CU_TestInfo transform_tests[] = {
	{"parse", test_parse},
	{"parse_charset", test_parse_charset},
	{"parse_refuses", test_parse_refuses},
	{"names", test_names},
	{"auto", test_auto},
	{"auto_of_many", test_auto_of_many},
	{"every_truncation", test_every_truncation},
	{"every_max", test_every_max},
	{"random_chains", test_random_chains},
	CU_TEST_INFO_NULL,
};
