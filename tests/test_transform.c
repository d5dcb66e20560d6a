/* SPDX-License-Identifier: MIT */
/*
 * transform — every step with what it applies to, what it leaves, what it refuses and what stops
 * short; every place where a sample may end; random chains over bytes that are nearly right.
 */
#include <brotli/encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/view/transform.h"

#define ROOM   262144U
#define PLENTY 65536U

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Bytes that may hold zeros. */
struct bytes {
	const char *at;
	size_t n;
};

#define B(text)                          \
	{                                \
		(text), sizeof(text) - 1 \
	}

struct message {
	uint8_t at[ROOM];
	size_t n, header;
};

static struct guard guard; /* opened by the first run */

static void add(struct message *m, const void *at, size_t n)
{
	if (n && m->n + n <= sizeof(m->at)) {
		memcpy(m->at + m->n, at, n);
		m->n += n;
	}
}

static void begin(struct message *m, const char *header)
{
	m->n = 0;
	add(m, header, strlen(header));
	m->header = m->n;
}

static const char *status_of(const struct transform_step *s)
{
	return transform_status_name(s->status);
}

/* What holds for any result. */
static bool validate(const struct transform_chain *chain, const struct transform_input *in,
		     size_t max, const struct transform_result *r)
{
	size_t n = span_len(in->bytes);
	bool applied = false, failed = false, ok = r->steps <= TRANSFORM_STEPS;

	for (uint32_t i = 0; i < r->steps && ok; i++) {
		const struct transform_step *s = &r->step[i];

		ok &= !failed && s->input_bytes == n && memchr(s->note, 0, sizeof(s->note));
		ok &= s->requested == TRANSFORM_AUTO || s->requested == s->applied;
		ok &= !s->truncated || (s->status == TRANSFORM_APPLIED && s->output_bytes <= max);
		if (s->status == TRANSFORM_APPLIED)
			ok &= s->output_bytes <= max;
		else
			ok &= s->output_bytes == (s->status == TRANSFORM_NOOP ? n : 0);
		n = s->output_bytes;
		applied |= s->status == TRANSFORM_APPLIED;
		failed |= s->status == TRANSFORM_FAILED;
	}
	ok &= r->status == (failed    ? TRANSFORM_FAILED
			    : applied ? TRANSFORM_APPLIED
				      : TRANSFORM_NOOP);
	ok &= failed || r->steps >= chain->n;
	ok &= span_len(r->bytes) == (applied && !failed ? n : 0);
	for (const uint8_t *p = r->bytes.at; p < r->bytes.end; p++)
		ok &= *(const volatile uint8_t *)p == *p;
	return CHECK(ok, "%u steps, status %s", r->steps, transform_status_name(r->status));
}

/* The input ends at the unreadable page. */
static struct transform_result run_chain(const struct transform_chain *chain, const uint8_t *at,
					 size_t n, size_t header, size_t max)
{
	struct transform_input in = {.header = header};
	struct transform_result r;

	if (!guard.base)
		CU_ASSERT_TRUE_FATAL(guard_open(&guard, ROOM));
	in.bytes = span_of(guard_put(&guard, at, n), n);
	CU_ASSERT_EQUAL_FATAL(transform_run(chain, &in, max, &r), 0);
	validate(chain, &in, max, &r);
	return r;
}

static struct transform_result run(const char *text, const uint8_t *at, size_t n, size_t header,
				   size_t max)
{
	struct transform_chain chain;
	char why[128] = "";

	if (transform_parse(text, &chain, why, sizeof(why)) < 0)
		CHECK(false, "%s: %s", text, why);
	return run_chain(&chain, at, n, header, max);
}

static struct transform_result run_message(const char *text, const struct message *m, size_t max)
{
	return run(text, m->at, m->n, m->header, max);
}

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

/* ---- tables ---- */

#define OK   TRANSFORM_APPLIED
#define NOOP TRANSFORM_NOOP
#define FAIL TRANSFORM_FAILED

struct row {
	struct bytes in;
	enum transform_status is;   /* the last step */
	struct bytes out;           /* behind the header */
	const char *note;           /* part of it; NULL: it is empty */
	const char *chain, *header; /* NULL: the table's */
	size_t max;                 /* 0: enough */
};

/* A header of NULL: it is of no message. */
static void check_row(const char *chain, const char *header, const struct row *row)
{
	static struct message in, expect;
	const struct transform_step *s;
	struct transform_result r;

	chain = row->chain ? row->chain : chain;
	header = row->header ? row->header : header ? header : "";
	begin(&in, header);
	add(&in, row->in.at, row->in.n);
	begin(&expect, header);
	add(&expect, row->out.at, row->out.n);
	r = run_message(chain, &in, row->max ? row->max : PLENTY);
	s = &r.step[r.steps - 1];
	CHECK(s->status == row->is, "%s of '%.60s': %s, %s", chain, row->in.at, status_of(s),
	      s->note);
	CHECK(row->note ? strstr(s->note, row->note) != NULL : !s->note[0], "%s of '%.60s': '%s'",
	      chain, row->in.at, s->note);
	if (r.status == OK) {
		size_t n = row->max && row->max < expect.n ? row->max : expect.n;

		CHECK(span_len(r.bytes) == n && memcmp(r.bytes.at, expect.at, n) == 0,
		      "%s of '%.60s': '%.*s'", chain, row->in.at, (int)span_len(r.bytes),
		      r.bytes.at);
		CHECK(s->truncated == (row->max != 0), "%s of '%.60s'", chain, row->in.at);
	}
	transform_free(&r);
}

#define CHECK_ROWS(chain, header, rows)          \
	for (size_t i = 0; i < COUNT(rows); i++) \
	check_row(chain, header, &(rows)[i])

#define PLAIN_HEADER "HTTP/1.1 200 OK\r\nServer: a\r\n\r\n"
#define CHUNKED      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

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

static void test_url_decode(void)
{
	static const struct row rows[] = {
		{B("a%20b+c%3D%c3%A9"), .is = OK, .out = B("a b c=\xc3\xa9")},
		{B("100%, %zz %4 %41%"), .is = OK, .out = B("100%, %zz %4 A%"),
		 .note = "4 bad escapes"},
		{B("%%41"), .is = OK, .out = B("%A"), .note = "1 bad"},
		{B("nothing"), .is = NOOP},
		{B("100 %"), .is = NOOP, .note = "1 bad"},
		{B(""), .is = NOOP},
		{B("\x01\x02\x03+%00"), .is = OK, .out = B("\x01\x02\x03 \0")},
		{B("\x01\x02\x03+"), .is = OK, .out = B("\x01\x02\x03 "),
		 .chain = "raw,url_decode"},
		{B("612536312b"), .is = OK, .out = B("aa "), .chain = "hex,url_decode"},
		{B("00010203040506072530312b"), .is = NOOP, .out = B("\0\1\2\3\4\5\6\7%01+"),
		 .chain = "hex,url_decode"},
		/* 17 of 20, and 15 of 19 */
		{B("abcdefghijklmnop+\1\2\3"), .is = OK, .out = B("abcdefghijklmnop \1\2\3"),
		 .chain = "json,url_decode"},
		{B("abcdefghijklmno+\1\2\3"), .is = NOOP, .chain = "json,url_decode"},
		{B("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80+"), .is = OK,
		 .out = B("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "), .chain = "json,url_decode"},
		{B("\xe9\xe8\xe7\xe6+aaaaaaaaaa"), .is = NOOP, .chain = "json,url_decode"},
		{B("%41%42%43"), .is = OK, .out = B("ABC"), .max = 2},
		{B("xx%41yy%zz"), .is = OK, .out = B("xxAyy%zz"), .note = "1 bad", .max = 4},
	};
	static const char header[] = "GET /a%20b HTTP/1.1\r\nX: 1+1\r\n\r\n";
	static const char decoded[] = "GET /a b HTTP/1.1\r\nX: 1 1\r\n\r\n68 69";
	struct transform_result r;
	static struct message m;

	CHECK_ROWS("url_decode", NULL, rows);
	begin(&m, header);
	add(&m, "68+69", 5);
	r = run_message("url_decode", &m, PLENTY);
	CHECK(span_len(r.bytes) == sizeof(decoded) - 1 &&
		      memcmp(r.bytes.at, decoded, sizeof(decoded) - 1) == 0,
	      "the header as well: '%.*s'", (int)span_len(r.bytes), r.bytes.at);
	transform_free(&r);
	r = run_message("url_decode,hex", &m, PLENTY);
	CHECK(r.status == OK && span_len(r.bytes) == sizeof(decoded) - 4 &&
		      memcmp(r.bytes.end - 4, "\r\nhi", 4) == 0,
	      "its length is followed: '%.*s'", (int)span_len(r.bytes), r.bytes.at);
	transform_free(&r);
}

static void test_base64(void)
{
	static const struct row rows[] = {
		{B("aGVsbG8="), .is = OK, .out = B("hello")},
		{B("aGVsbG8"), .is = OK, .out = B("hello")},
		{B("aGVsbA=="), .is = OK, .out = B("hell")},
		{B("aGVsbA"), .is = OK, .out = B("hell")},
		{B(" aGVs\r\n\tbG8h = \n"), .is = FAIL, .note = "byte 13"},
		{B(" aGVs\r\n\tbG8 = \n"), .is = OK, .out = B("hello")},
		{B("-_+/"), .is = OK, .out = B("\xfb\xff\xbf")},
		{B("aGVsb"), .is = OK, .out = B("hel"), .note = "missing"},
		{B("a"), .is = FAIL, .note = "too short"},
		{B(""), .is = FAIL, .note = "nothing"},
		{B(" \n"), .is = FAIL, .note = "nothing"},
		{B("="), .is = FAIL, .note = "byte 0"},
		{B("aGVs="), .is = FAIL, .note = "byte 4"},
		{B("aGVsbA==aGVs"), .is = FAIL, .note = "byte 6"},
		{B("a==="), .is = FAIL, .note = "byte 1"},
		{B("aGVs, world"), .is = FAIL, .note = "byte 4 is not base64"},
		{B("aGVsbG8="), .is = OK, .out = B("hello"), .max = 3},
		{B("aGVsbG8="), .is = OK, .out = B("hello"), .header = PLAIN_HEADER},
	};

	CHECK_ROWS("base64", NULL, rows);
}

static void test_hex(void)
{
	static const struct row rows[] = {
		{B("68656c6C6F"), .is = OK, .out = B("hello")},
		{B("68:65-6c 6c\r\n6f\n"), .is = OK, .out = B("hello")},
		{B("6 8"), .is = OK, .out = B("h")},
		{B("68656"), .is = OK, .out = B("he"), .note = "missing"},
		{B("6"), .is = FAIL, .note = "too short"},
		{B(""), .is = FAIL, .note = "nothing"},
		{B(":- "), .is = FAIL, .note = "nothing"},
		{B("0x6865"), .is = FAIL, .note = "byte 1 is not hex"},
		{B("68g5"), .is = FAIL, .note = "byte 2"},
		{B("68656c6c6f"), .is = OK, .out = B("hello"), .max = 4},
		{B("6869"), .is = OK, .out = B("hi"), .header = PLAIN_HEADER},
		{B("3638 3639"), .is = OK, .out = B("hi"), .chain = "hex,hex"},
	};

	CHECK_ROWS("hex", NULL, rows);
}

#define TYPE(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\n\r\n"
#define FFFD       "\xef\xbf\xbd"

static void test_charset(void)
{
	static const struct row rows[] = {
		{B("gr\xfc\xdf"), .is = OK, .out = B("gr\xc3\xbc\xc3\x9f"), .note = "latin1",
		 .chain = "charset:latin1"},
		{B("\x80"), .is = OK, .out = B("\xe2\x82\xac"), .note = "",
		 .chain = "charset:windows-1252"},
		{B("\xcd\xc9\xd2"), .is = OK, .out = B("\xd0\xbc\xd0\xb8\xd1\x80"),
		 .note = "KOI8-R", .chain = "charset:KOI8-R"},
		{B("\x93\xfa\x96\x7b"), .is = OK, .out = B("\xe6\x97\xa5\xe6\x9c\xac"),
		 .note = "shift_jis", .chain = "charset:shift_jis"},
		{B("\x93\xfa\x96"), .is = OK, .out = B("\xe6\x97\xa5" FFFD), .note = "1 invalid",
		 .chain = "charset:shift_jis"},
		{B("\x1b$B\x46|\x1b(B!"), .is = OK, .out = B("\xe6\x97\xa5!"), .note = "",
		 .chain = "charset:iso-2022-jp"},
		{B("h\0i\0\x3d\xd8\0\xde"), .is = OK, .out = B("hi\xf0\x9f\x98\x80"), .note = "",
		 .chain = "charset:utf-16le"},
		{B("\0h\xde\0\0i"), .is = OK, .out = B("h" FFFD "i"), .note = "1 invalid",
		 .chain = "charset:utf-16be"},
		{B("\0h\0"), .is = OK, .out = B("h" FFFD), .note = "1 invalid",
		 .chain = "charset:utf-16be"},
		{B("gr\xc3\xbc"), .is = NOOP, .note = "utf-8", .chain = "charset:utf-8"},
		{B("a\xff\xfe\xc3"), .is = OK, .out = B("a" FFFD FFFD FFFD), .note = "3 invalid",
		 .chain = "charset:utf-8"},
		{B("plain"), .is = NOOP, .note = "us-ascii", .chain = "charset:us-ascii"},
		{B("gr\xfc"), .is = OK, .out = B("gr" FFFD), .note = "1 invalid",
		 .chain = "charset:us-ascii"},
		{B("x"), .is = FAIL, .note = "unknown charset klingon", .chain = "charset:klingon"},
		{B("x"), .is = FAIL, .note = "unknown charset ..?..?x", .chain = "charset:../../x"},
		{B("x"), .is = FAIL, .note = "utf-16??ignore", .chain = "charset:utf-16//ignore"},
		{B("\xe9"), .is = OK, .out = B("\xc3\xa9"), .note = "ISO-8859-1",
		 .header = TYPE("text/html; charset=ISO-8859-1")},
		{B("\xcd"), .is = OK, .out = B("\xd0\xbc"), .note = "koi8-r",
		 .header = TYPE("text/html;x=y; CharSet=\"koi8-r\"")},
		{B("\xc3\xa9"), .is = NOOP, .note = "utf-8",
		 .header = TYPE("text/html; charset=utf-8")},
		{B("\xc3\xa9"), .is = NOOP, .header = TYPE("text/html; charset=\"\"")},
		{B("\xc3\xa9"), .is = NOOP, .header = TYPE("text/html; charset")},
		{B("\xfe\xff\0h\0i"), .is = OK, .out = B("hi"), .note = "UTF-16BE",
		 .header = TYPE("text/html")},
		{B("\xfe\xff\0h\0i"), .is = FAIL, .note = "none-such",
		 .header = TYPE("text/html; charset=none-such")},
		{B("\0h\0i"), .is = OK, .out = B("hi"), .note = "utf-16be",
		 .chain = "charset:utf-16be", .header = TYPE("text/html; charset=latin1")},
		{B("\xef\xbb\xbfhi"), .is = OK, .out = B("hi"), .note = "UTF-8"},
		{B("\xff\xef\xbb\xbf"), .is = OK, .out = B(FFFD "\xef\xbb\xbf"),
		 .note = "1 invalid", .chain = "charset:utf-8"},
		{B("\xff\xfeh\0i\0"), .is = OK, .out = B("hi"), .note = "UTF-16LE"},
		{B("\xff\xfe\0\0h\0\0\0"), .is = OK, .out = B("h"), .note = "UTF-32LE"},
		{B("\0\0\xfe\xff\0\0\0h\0\x11\0\0"), .is = OK, .out = B("h" FFFD),
		 .note = "UTF-32BE, 1 invalid"},
		{B("hi"), .is = NOOP},
		{B(""), .is = NOOP},
		{B("\xe9"), .is = NOOP, .out = B("\xc3\xa9"), .chain = "charset,charset",
		 .header = TYPE("text/html; charset=latin1")},
		{B("\xff\xfe\xff\xfeh\0"), .is = NOOP, .out = B("\xef\xbb\xbfh"),
		 .chain = "charset,charset"},
		{B("\xe9"), .is = OK, .out = B("\xc3\x83\xc2\xa9"), .note = "latin1",
		 .chain = "charset:latin1,charset:latin1"},
		{B("\xe9\xe9\xe9"), .is = OK, .out = B("\xc3\xa9\xc3\xa9\xc3\xa9"),
		 .note = "latin1", .chain = "charset:latin1", .max = 3},
	};

	CHECK_ROWS("charset", NULL, rows);
}

static void test_json(void)
{
	static const struct row rows[] = {
		{B("{\"a\":[1,2.50,null],\"b\":{\"c\":\"/\"}}"), .is = OK,
		 .out = B(
			 "{\n  \"a\": [\n    1,\n    2.50,\n    null\n  ],\n  \"b\": {\n    \"c\": "
			 "\"/\"\n  }\n}")},
		{B("[1]\n"), .is = OK, .out = B("[\n  1\n]"), .header = TYPE("application/json")},
		{B(" 12 "), .is = OK, .out = B("12")},
		{B("12"), .is = NOOP},
		{B("null"), .is = NOOP},
		{B("null "), .is = OK, .out = B("null")},
		{B("{\n  \"a\": 1\n}"), .is = NOOP},
		{B("{\"a\":1"), .is = NOOP, .note = "it stops short"},
		{B("{\"a\":1} x"), .is = NOOP, .note = "no JSON"},
		{B("{a:1}"), .is = NOOP, .note = "no JSON"},
		{B("[1,]"), .is = NOOP, .note = "no JSON"},
		{B("[1\0]"), .is = NOOP, .note = "no JSON"},
		{B("[1]\0"), .is = NOOP, .note = "no JSON"},
		{B("hello"), .is = NOOP, .note = "no JSON"},
		{B(""), .is = NOOP},
		{B("[1,2]"), .is = OK, .out = B("[\n  1,\n  2\n]"), .max = 6},
	};

	CHECK_ROWS("json", NULL, rows);
}

/* Deep, and with very many small values: left as it is. */
static void test_json_is_bounded(void)
{
	static uint8_t in[ROOM / 2];
	struct transform_result r;

	memset(in, '[', 200);
	memset(in + 200, ']', 200);
	r = run("json", in, 400, 0, PLENTY);
	CHECK(r.step[0].status == NOOP && r.step[0].note[0], "%s", r.step[0].note);
	transform_free(&r);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = "{},"[i % 3];
	in[0] = '[';
	r = run("json", in, sizeof(in), 0, 1000);
	CHECK(r.step[0].status == NOOP && strstr(r.step[0].note, "too many"), "%s", r.step[0].note);
	transform_free(&r);
}

/* ---- encodings ---- */

static const char lorem[] =
	"The quick brown fox jumps over the lazy dog; the lazy dog sleeps on.  Thirty-six "
	"foxes later the dog wakes up, looks around, and the quick brown fox is gone.\n";

/* zlib by window bits: 31 gzip, 15 zlib, -15 raw. */
static size_t pack_zlib(int bits, const void *in, size_t n, uint8_t *out, size_t cap)
{
	z_stream z = {.next_in = (uint8_t *)in, .avail_in = (uint32_t)n};

	CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = out;
	z.avail_out = (uint32_t)cap;
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return cap - z.avail_out;
}

enum packer { PACK_GZIP, PACK_ZLIB, PACK_RAW, PACK_BROTLI, PACK_ZSTD, PACK_COUNT };

static const struct {
	const char *step, *encoding;
} packers[] = {
	{"gzip", "gzip"}, {"deflate", "deflate"}, {"deflate", "deflate"},
	{"brotli", "br"}, {"zstd", "zstd"},
};

static size_t pack(enum packer p, const void *in, size_t n, uint8_t *out, size_t cap)
{
	size_t len = cap;

	switch (p) {
	case PACK_GZIP:
		return pack_zlib(31, in, n, out, cap);
	case PACK_ZLIB:
		return pack_zlib(15, in, n, out, cap);
	case PACK_RAW:
		return pack_zlib(-15, in, n, out, cap);
	case PACK_BROTLI:
		CU_ASSERT_TRUE(BrotliEncoderCompress(5, 18, BROTLI_MODE_GENERIC, n, in, &len, out));
		return len;
	case PACK_ZSTD:
		return ZSTD_compress(out, cap, in, n, 3);
	default:
		return 0;
	}
}

static void begin_encoded(struct message *m, const char *encoding, bool chunked)
{
	char header[200];

	snprintf(header, sizeof(header), "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n%s\r\n",
		 encoding, chunked ? "Transfer-Encoding: chunked\r\n" : "");
	begin(m, header);
}

static void add_chunks(struct message *m, const uint8_t *at, size_t n, size_t step)
{
	char size[24];

	for (size_t i = 0; i < n; i += step) {
		size_t len = step < n - i ? step : n - i;

		add(m, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len));
		add(m, at + i, len);
		add(m, "\r\n", 2);
	}
	add(m, "0\r\n\r\n", 5);
}

/* The header is in front, and behind it what was decoded. */
static bool decodes_to(const struct transform_result *r, const struct message *m, const char *plain,
		       size_t n)
{
	return r->status == OK && span_len(r->bytes) == m->header + n &&
	       memcmp(r->bytes.at, m->at, m->header) == 0 &&
	       memcmp(r->bytes.at + m->header, plain, n) == 0;
}

static void test_encodings(void)
{
	static struct message m;
	uint8_t packed[1024];

	for (int p = 0; p < PACK_COUNT; p++) {
		const size_t len = sizeof(lorem) - 1;
		size_t n = pack((enum packer)p, lorem, len, packed, sizeof(packed));
		struct transform_result r;

		begin(&m, "");
		add(&m, packed, n);
		r = run_message(packers[p].step, &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, len) && !r.step[0].note[0], "%d: %s", p,
		      r.step[0].note);
		transform_free(&r);
		r = run_message("http_gzip", &m, PLENTY);
		CHECK(r.status == NOOP && r.step[0].status == NOOP, "%d without a header", p);
		transform_free(&r);

		begin_encoded(&m, packers[p].encoding, false);
		add(&m, packed, n);
		r = run_message("http_gzip", &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, len) && !r.step[0].note[0], "%d: %s", p,
		      r.step[0].note);
		transform_free(&r);
		r = run_message(packers[p].step, &m, m.header + 10);
		CHECK(decodes_to(&r, &m, lorem, 10) && r.step[0].truncated, "%d cut", p);
		transform_free(&r);
		r = run_message("http_gzip,http_gzip", &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, len) && r.step[1].status == NOOP, "%d twice", p);
		transform_free(&r);

		begin_encoded(&m, packers[p].encoding, true);
		add_chunks(&m, packed, n, 7);
		r = run_message("http_gzip", &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, len) && !r.step[0].note[0], "%d chunked: %s", p,
		      r.step[0].note);
		transform_free(&r);
		r = run_message("chunked>http_gzip", &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, len) && r.steps == 2 && r.step[1].status == OK,
		      "%d in two steps", p);
		transform_free(&r);
		r = run_message("http_gzip>chunked", &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, len) && r.step[1].status == NOOP, "%d in one", p);
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
		size_t n = pack(rows[i].a, lorem, sizeof(lorem) - 1, once, sizeof(once));
		struct transform_result r;

		n = pack(rows[i].b, once, n, twice, sizeof(twice));
		begin_encoded(&m, rows[i].name, i & 1);
		if (i & 1)
			add_chunks(&m, twice, n, 20);
		else
			add(&m, twice, n);
		r = run_message("http_gzip", &m, PLENTY);
		CHECK(decodes_to(&r, &m, lorem, sizeof(lorem) - 1), "%s: %s", rows[i].name,
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
		size_t n = pack((enum packer)p, lorem, len, packed, sizeof(packed)), most = 0;

		begin_encoded(&m, packers[p].encoding, true);
		add_chunks(&m, packed, n, 9);
		for (size_t cut = m.header; cut < m.n - 10; cut++) {
			struct transform_result r = run("http_gzip", m.at, cut, m.header, PLENTY);

			if (cut > m.header)
				CHECK(r.status != FAIL && r.step[0].note[0], "%d ends at %zu", p,
				      cut);
			if (r.status == OK) {
				n = span_len(r.bytes) - m.header;
				CHECK(n >= most && decodes_to(&r, &m, lorem, n), "%d ends at %zu",
				      p, cut);
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

		n = pack((enum packer)p, plain, sizeof(plain), packed, sizeof(packed));
		memset(packed + n - 2000, 0xff, 2000);
		r = run(packers[p].step, packed, n, 0, sizeof(plain) + 10000);
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
	size_t n = pack(PACK_GZIP, zeros, sizeof(zeros), once, sizeof(once));

	r = run("gzip", once, n, 0, 5000);
	CHECK(r.status == OK && span_len(r.bytes) == 5000 && r.step[0].truncated, "%zu bytes",
	      span_len(r.bytes));
	transform_free(&r);
	n = pack(PACK_GZIP, once, n, twice, sizeof(twice));
	begin_encoded(&m, "gzip, gzip", false);
	add(&m, twice, n);
	r = run_message("http_gzip", &m, 5000);
	CHECK(r.status == OK && span_len(r.bytes) == 5000 && r.step[0].truncated, "%zu bytes",
	      span_len(r.bytes));
	transform_free(&r);
	/* the inner one is nothing but very large */
	begin_encoded(&m, "zstd, gzip", false);
	memcpy(zeros, skipped, sizeof(skipped));
	n = pack(PACK_GZIP, zeros, sizeof(zeros), once, sizeof(once));
	add(&m, once, n);
	r = run_message("http_gzip", &m, 5000);
	CHECK(r.step[0].status != NOOP && strstr(r.step[0].note, "grows too much"), "'%s'",
	      r.step[0].note);
	transform_free(&r);
}

/* ---- websocket_deflate ---- */

struct sockets {
	struct message m;
	z_stream z;
};

static struct sockets ws;

static void ws_begin(void)
{
	ws.m.n = ws.m.header = 0;
	ws.z = (z_stream){0};
	deflateInit2(&ws.z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}

static void ws_frame(uint8_t first, bool masked, const void *payload, size_t n)
{
	static const uint8_t mask[4] = {0x12, 0xff, 0x00, 0x5a};
	uint8_t bit = masked ? 0x80 : 0, head[4] = {first, (uint8_t)(bit | (n < 126 ? n : 126)),
						    (uint8_t)(n >> 8), (uint8_t)n};
	size_t at;

	add(&ws.m, head, n < 126 ? 2 : 4);
	if (masked)
		add(&ws.m, mask, 4);
	at = ws.m.n;
	add(&ws.m, payload, n);
	for (size_t i = 0; i < n && masked; i++)
		ws.m.at[at + i] ^= mask[i & 3];
}

/* A compressed message (RFC 7692 §7.2.1), in frames of `step` bytes. */
static void ws_deflated(const char *text, bool takeover, bool masked, size_t step)
{
	uint8_t out[1024];
	size_t n, at = 0;

	if (!takeover)
		deflateReset(&ws.z);
	ws.z.next_in = (uint8_t *)text;
	ws.z.avail_in = (uInt)strlen(text);
	ws.z.next_out = out;
	ws.z.avail_out = sizeof(out);
	deflate(&ws.z, Z_SYNC_FLUSH);
	n = sizeof(out) - ws.z.avail_out - 4;
	do {
		size_t len = step < n - at ? step : n - at;
		uint8_t first = at ? 0x00 : 0x41;

		ws_frame(first | (at + len == n ? 0x80 : 0), masked, out + at, len);
		if (at + len < n)
			ws_frame(0x89, masked, "ping", 4);
		at += len;
	} while (at < n);
}

static void ws_expect(const char *why, const char *out, size_t n, const char *note)
{
	struct transform_result r = run_message("websocket_deflate", &ws.m, PLENTY);

	CHECK(r.status == OK && span_len(r.bytes) == n && memcmp(r.bytes.at, out, n) == 0,
	      "%s: %s '%.*s', %s", why, status_of(&r.step[0]), (int)span_len(r.bytes),
	      r.bytes.at ? (const char *)r.bytes.at : "", r.step[0].note);
	CHECK(note ? strstr(r.step[0].note, note) != NULL : !r.step[0].note[0], "%s: '%s'", why,
	      r.step[0].note);
	transform_free(&r);
	deflateEnd(&ws.z);
}

static void test_websocket(void)
{
	static const char twice[] =
		"a message, a message, a message\nb message, a message, a message";
	char first[] = "a message, a message, a message",
	     second[] = "b message, a message, a message";

	for (int n = 0; n < 8; n++) {
		bool masked = n & 1, takeover = n & 2;
		size_t step = n & 4 ? 5 : 1000;

		ws_begin();
		ws_deflated(first, takeover, masked, step);
		ws_deflated(second, takeover, masked, step);
		ws_expect("compressed", twice, sizeof(twice) - 1, NULL);
	}
	ws_begin();
	ws_frame(0x81, true, "hello", 5);
	ws_frame(0x02, true, "wor", 3);
	ws_frame(0x8a, true, "", 0);
	ws_frame(0x80, true, "ld", 2);
	ws_frame(0x88, true, "\3\350", 2);
	ws_expect("plain", "hello\nworld", 11, NULL);
	ws_begin();
	ws_frame(0x81, false, "hello", 5);
	ws_deflated(first, true, false, 1000);
	ws_frame(0x81, false, "", 0);
	ws_frame(0x81, false, "!", 1);
	ws_expect("mixed", "hello\na message, a message, a message\n\n!", 40, NULL);
	ws_begin();
	ws_frame(0x80, false, "lo", 2);
	ws_frame(0x81, false, "world", 5);
	ws_expect("the rest of a message", "lo\nworld", 8, NULL);
	ws_begin();
	ws_frame(0x81, false, "hello", 5);
	ws.m.n -= 2;
	ws_expect("a frame that stops short", "hel", 3, "stops short");
	ws_begin();
	ws_frame(0x01, false, "hello", 5);
	ws_expect("a message that stops short", "hello", 5, NULL);
	ws_begin();
	ws_frame(0x81, false, "hello", 5);
	add(&ws.m, "GET /", 5);
	ws_expect("other bytes behind", "hello", 5, "no frame");
	ws_begin();
	ws_frame(0x81, false, "hello", 5);
	ws_frame(0x80, false, "world", 5);
	ws_expect("goes on with nothing", "hello", 5, "no frame");
	ws_begin();
	ws_frame(0x01, false, "hello", 5);
	ws_frame(0x81, false, "world", 5);
	ws_expect("another one inside", "hello", 5, "no frame");
	/* RFC 7692 §7.2.3.4: the last block is marked as such, and the window goes on. */
	ws_begin();
	ws_frame(0xc1, false, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
	ws_frame(0xc1, false, "\xf2\x00\x11\x00\x00", 5);
	ws_frame(0xc1, false, "\xf3\x48\xcd\xc9\xc9\x07\x00", 7);
	ws_frame(0xc1, false, "\xf2\x00\x11\x00\x00", 5);
	ws_expect("final blocks", "Hello\nHello\nHello\nHello", 23, NULL);
	/* the second of the RFC's pair needs the first */
	ws_begin();
	ws_frame(0xc1, false, "\xf2\x00\x11\x00\x00", 5);
	ws_frame(0x81, false, "hello", 5);
	ws_expect("a window that is not there", "hello", 5, "1 messages");
}

static void test_websocket_lengths(void)
{
	static char text[70000], expect[80000];
	static const uint8_t head[10] = {0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70};
	struct transform_result r;

	memset(text, 'x', sizeof(text));
	memset(expect, 'x', sizeof(expect));
	expect[1000] = '\n';
	ws_begin();
	ws_frame(0x82, true, text, 1000);
	add(&ws.m, head, sizeof(head));
	add(&ws.m, text, sizeof(text));
	r = run_message("ws_deflate", &ws.m, ROOM);
	CHECK(r.status == OK && span_len(r.bytes) == 71001 &&
		      memcmp(r.bytes.at, expect, 71001) == 0,
	      "%zu bytes", span_len(r.bytes));
	transform_free(&r);
	r = run_message("ws_deflate", &ws.m, 1003);
	CHECK(r.status == OK && span_len(r.bytes) == 1003 && r.step[0].truncated, "%zu bytes",
	      span_len(r.bytes));
	transform_free(&r);
	deflateEnd(&ws.z);
}

static void test_websocket_refused(void)
{
	static const struct row rows[] = {
		{B(""), .is = NOOP},
		{B("\x89\x00\x8a\x01x"), .is = NOOP},
		{B("\x81"), .is = NOOP, .note = "stops short"},
		{B("\x81\x85\x01\x02"), .is = NOOP, .note = "stops short"},
		{B("\x81\x05"), .is = NOOP, .note = "stops short"},
		{B("GET / HTTP/1.1\r\n"), .is = FAIL, .note = "no WebSocket"},
		{B("\x91\x01x"), .is = FAIL, .note = "no WebSocket"},
		{B("\x83\x01x"), .is = FAIL, .note = "no WebSocket"},
		{B("\x8b\x01x"), .is = FAIL, .note = "no WebSocket"},
		{B("\xc0\x01x"), .is = FAIL, .note = "no WebSocket"},
		{B("\x09\x01x"), .is = FAIL, .note = "no WebSocket"},
		{B("\x89\x7e\x00\x7ex"), .is = FAIL, .note = "no WebSocket"},
		{B("\x82\x7f\x80\0\0\0\0\0\0\1x"), .is = FAIL, .note = "no WebSocket"},
		{B("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx"), .is = OK, .out = B("x"),
		 .note = "stops short"},
		{B("\xc1\x02\xff\xff"), .is = FAIL, .note = "1 messages could not be inflated"},
		{B("\x81\x02hi"), .is = OK, .out = B("hi"),
		 .header = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"},
	};

	CHECK_ROWS("websocket_deflate", NULL, rows);
}

/* Messages that turn out to be damaged after all cost something: not for ever. */
static void test_websocket_gives_up(void)
{
	static uint8_t zeros[60000];
	struct transform_result r;
	uint8_t packed[256];
	size_t n = pack_zlib(-15, zeros, sizeof(zeros), packed, sizeof(packed));

	packed[n++] = 0x06; /* a block of a type that is not */
	ws_begin();
	ws_frame(0x81, false, "hello", 5);
	for (int i = 0; i < 100; i++)
		ws_frame(0xc1, false, packed, n);
	r = run_message("ws_deflate", &ws.m, 70000);
	CHECK(r.status == OK && span_len(r.bytes) == 5 &&
		      strstr(r.step[0].note, "5 messages could not be inflated; the rest"),
	      "'%s'", r.step[0].note);
	transform_free(&r);
	deflateEnd(&ws.z);
}

static void test_websocket_cut_anywhere(void)
{
	static const char out[] = "one, and one, and one\ntwo, and one, and one\nthree\nfour and";
	static uint8_t copy[4096];
	size_t n, most = 0;

	ws_begin();
	ws_deflated("one, and one, and one", true, true, 6);
	ws_deflated("two, and one, and one", true, true, 1000);
	ws_frame(0x01, true, "thr", 3);
	ws_frame(0x80, true, "ee", 2);
	ws_frame(0x81, true, "four and", 8);
	n = ws.m.n;
	memcpy(copy, ws.m.at, n);
	for (size_t cut = 0; cut <= n; cut++) {
		struct transform_result r = run("websocket_deflate", copy, cut, 0, PLENTY);
		size_t len = span_len(r.bytes);

		CHECK(r.status != FAIL, "ends at %zu", cut);
		CHECK(len < sizeof(out) && len + 1 >= most &&
			      (len == 0 || memcmp(r.bytes.at, out, len) == 0),
		      "ends at %zu: %zu bytes", cut, len);
		most = len;
		transform_free(&r);
	}
	CU_ASSERT_EQUAL(most, sizeof(out) - 1);
	deflateEnd(&ws.z);
}

/* ---- auto ---- */

/* The steps that were applied, joined by commas. */
static void auto_expect(const char *why, const struct message *m, const char *steps,
			const char *end)
{
	struct transform_result r = run_message("auto", m, PLENTY);
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
		begin(&m, rows[i].header);
		add(&m, rows[i].in.at, rows[i].in.n);
		auto_expect(rows[i].why, &m, rows[i].steps, rows[i].end);
	}
}

static void test_auto_of_many(void)
{
	static const char json[] = "{\"a\":\"\xe9%41\"}";
	static struct message m;
	struct transform_result r;
	uint8_t file[256], packed[256];
	size_t n = pack(PACK_GZIP, json, sizeof(json) - 1, file, sizeof(file));

	n = pack(PACK_BROTLI, file, n, packed, sizeof(packed));
	begin(&m, "HTTP/1.1 200 OK\r\nContent-Type: text/json; charset=latin1\r\n"
		  "Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n");
	add_chunks(&m, packed, n, 11);
	auto_expect("all of them", &m, "http_chunked,http_gzip,gzip,charset,url_decode,json",
		    "{\n  \"a\": \"\xc3\xa9"
		    "A\"\n}");
	/* as many as there is room for: each of the others may need its step */
	r = run_message("auto,auto,auto,auto,auto,auto,auto,auto", &m, PLENTY);
	CU_ASSERT_EQUAL(r.steps, 8);
	CU_ASSERT_EQUAL(r.step[0].applied, TRANSFORM_HTTP_CHUNKED);
	CU_ASSERT_EQUAL(r.step[1].applied, TRANSFORM_HTTP_GZIP);
	CU_ASSERT_EQUAL(r.step[7].status, NOOP);
	transform_free(&r);
	r = run_message("auto,gzip", &m, PLENTY);
	CHECK(r.steps == 7 && r.step[6].requested == TRANSFORM_GZIP && r.step[6].status == NOOP,
	      "%u steps", r.steps);
	transform_free(&r);
	begin_encoded(&m, "gzip", false);
	add(&m, "no", 2);
	r = run_message("auto", &m, PLENTY);
	CHECK(r.steps == 1 && r.status == NOOP && strstr(r.step[0].note, "http_gzip: this is not"),
	      "'%s'", r.step[0].note);
	transform_free(&r);
}

/* ---- anything ---- */

/* One sample of every kind. */
static void make_sample(struct message *m, uint32_t which)
{
	uint8_t packed[1024];
	size_t n = pack((enum packer)(which % PACK_COUNT), lorem, sizeof(lorem) - 1, packed,
			sizeof(packed));

	switch (which) {
	case 0 ... 4:
		begin_encoded(m, packers[which].encoding, which & 1);
		if (which & 1)
			add_chunks(m, packed, n, 30);
		else
			add(m, packed, n);
		break;
	case 5 ... 9:
		begin(m, "");
		add(m, packed, n);
		break;
	case 10:
		begin(m, TYPE("application/json; charset=utf-16le"));
		add(m, "[\0001\0]\0", 6);
		break;
	case 11:
		begin(m, "");
		add(m, "aGVs bG8%3d 68656c6c6f+%25", 26);
		break;
	case 12:
		begin(m, "");
		add(m, "{\"a\":[1,{\"b\":\"\\u00e9%20\"}]}", 28);
		break;
	default:
		ws_begin();
		ws_deflated("one, and one, and one", true, which & 1, 1000);
		ws_deflated("two, and one, and one", true, which & 1, 7);
		ws_frame(0x81, which & 1, "three", 5);
		begin(m, which & 1 ? "" : "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n");
		add(m, ws.m.at, ws.m.n);
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
					run_chain(&chain, m.at, n, m.header, PLENTY);

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
			whole = run_chain(&chain, m.at, m.n, m.header, PLENTY);
			n = span_len(whole.bytes);
			for (size_t max = 0; whole.status == OK && max <= n + 1; max++) {
				r = run_chain(&chain, m.at, m.n, m.header, max);
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
		r = run_chain(&chain, m.at, m.n, dice_below(&d, 4) ? m.header : dice_below(&d, 600),
			      dice_below(&d, 3) ? PLENTY : dice_below(&d, 300));
		transform_free(&r);
	}
}

CU_TestInfo transform_tests[] = {
	{"parse", test_parse},
	{"parse_charset", test_parse_charset},
	{"parse_refuses", test_parse_refuses},
	{"names", test_names},
	{"http_chunked", test_http_chunked},
	{"url_decode", test_url_decode},
	{"base64", test_base64},
	{"hex", test_hex},
	{"charset", test_charset},
	{"json", test_json},
	{"json_is_bounded", test_json_is_bounded},
	{"encodings", test_encodings},
	{"stacked_encodings", test_stacked_encodings},
	{"encodings_refused", test_encodings_refused},
	{"encodings_cut_anywhere", test_encodings_cut_anywhere},
	{"damaged_encoding", test_damaged_encoding},
	{"bombs", test_bombs},
	{"websocket", test_websocket},
	{"websocket_lengths", test_websocket_lengths},
	{"websocket_refused", test_websocket_refused},
	{"websocket_gives_up", test_websocket_gives_up},
	{"websocket_cut_anywhere", test_websocket_cut_anywhere},
	{"auto", test_auto},
	{"auto_of_many", test_auto_of_many},
	{"every_truncation", test_every_truncation},
	{"every_max", test_every_max},
	{"random_chains", test_random_chains},
	CU_TEST_INFO_NULL,
};
