/* SPDX-License-Identifier: MIT */
/*
 * transform_text — URL and base64, hexadecimal, character sets, JSON.
 */
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/transform_host.h"

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
	message_begin(&m, header);
	message_add(&m, "68+69", 5);
	r = tf_run_message("url_decode", &m, PLENTY);
	CHECK(span_len(r.bytes) == sizeof(decoded) - 1 &&
		      memcmp(r.bytes.at, decoded, sizeof(decoded) - 1) == 0,
	      "the header as well: '%.*s'", (int)span_len(r.bytes), r.bytes.at);
	transform_free(&r);
	r = tf_run_message("url_decode,hex", &m, PLENTY);
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
	r = tf_run("json", in, 400, 0, PLENTY);
	CHECK(r.step[0].status == NOOP && r.step[0].note[0], "%s", r.step[0].note);
	transform_free(&r);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = "{},"[i % 3];
	in[0] = '[';
	r = tf_run("json", in, sizeof(in), 0, 1000);
	CHECK(r.step[0].status == NOOP && strstr(r.step[0].note, "too many"), "%s", r.step[0].note);
	transform_free(&r);
}

CU_TestInfo transform_text_tests[] = {
	{"url_decode", test_url_decode},
	{"base64", test_base64},
	{"hex", test_hex},
	{"charset", test_charset},
	{"json", test_json},
	{"json_is_bounded", test_json_is_bounded},
	CU_TEST_INFO_NULL,
};
