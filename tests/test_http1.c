/* SPDX-License-Identifier: MIT */
/* http1 — lines as RFC 9112 has them, and conversations: what is told of them is the same however
 * the bytes arrive. */
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/parse/exchange.h" /* whether the exchanges came back */
#include "user/parse/http1_line.h"

/* ---- lines ---- */

#define T(text) (text), sizeof(text) - 1

static struct span guarded(struct guard *g, const char *text, size_t n)
{
	return span_of(guard_put(g, text, n), n);
}

static bool same(struct span s, const char *text)
{
	return span_len(s) == strlen(text) && memcmp(s.at, text, strlen(text)) == 0;
}

static void test_request_lines(void)
{
	static const struct {
		const char *line;
		size_t n;
		const char *method, *target, *version; /* method NULL: it is none */
	} rows[] = {
		{T("GET / HTTP/1.1\r\n"), "GET", "/", "HTTP/1.1"},
		{T("GET / HTTP/1.1\n"), "GET", "/", "HTTP/1.1"},
		{T("OPTIONS * HTTP/1.0\r\n"), "OPTIONS", "*", "HTTP/1.0"},
		{T("CONNECT a.example:443 HTTP/1.1\r\n"), "CONNECT", "a.example:443", "HTTP/1.1"},
		{T("CONNECT [::1]:443 HTTP/1.1\r\n"), "CONNECT", "[::1]:443", "HTTP/1.1"},
		{T("GET http://a.example/b?c=/HTTP/1.0 HTTP/1.1\r\n"), "GET",
		 "http://a.example/b?c=/HTTP/1.0", "HTTP/1.1"},
		{T("M-SEARCH * HTTP/1.1\r\n"), "M-SEARCH", "*", "HTTP/1.1"},
		{T("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n"), "!#$%&'*+-.^_`|~09azAZ", "/",
		 "HTTP/1.1"},
		{T("get / HTTP/1.1\r\n"), "get", "/", "HTTP/1.1"},
		{T("PRI * HTTP/2.0\r\n"), "PRI", "*", "HTTP/2.0"},
		/* RFC 9112 §3: blanks of any kind and number may be taken for the one */
		{T("GET \t /  HTTP/1.1 \r\n"), "GET", "/", "HTTP/1.1"},
		{T("GET /a b HTTP/1.1\r\n"), "GET", "/a b", "HTTP/1.1"},
		{T("GET /\xc3\xbc HTTP/1.1\r\n"), "GET", "/\xc3\xbc", "HTTP/1.1"},
		/* RFC 1945 §5.1 */
		{T("GET /\r\n"), "GET", "/", ""},
		{T("GET /HTTP/1.1\r\n"), "GET", "/HTTP/1.1", ""},
		{T("GET / \n"), "GET", "/", ""},
		{T("\n"), NULL, NULL, NULL},
		{T("\r\n"), NULL, NULL, NULL},
		{T("GET\n"), NULL, NULL, NULL},
		{T("GET\r\n"), NULL, NULL, NULL},
		{T("GET \r\n"), NULL, NULL, NULL},
		{T("GET \t \r\n"), NULL, NULL, NULL},
		{T(" GET / HTTP/1.1\r\n"), NULL, NULL, NULL},
		{T("GET(/) / HTTP/1.1\r\n"), NULL, NULL, NULL},
		{T("G\0T / HTTP/1.1\r\n"), NULL, NULL, NULL},
		{T("G\xc3\x8b\x54 / HTTP/1.1\r\n"), NULL, NULL, NULL},
		{T("Host: a HTTP/1.1\r\n"), NULL, NULL, NULL},
		{T("HTTP/1.1 200 OK\r\n"), NULL, NULL, NULL},
		{T("\x16\x03\x01\x02\r\n"), NULL, NULL, NULL},
	};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http1_request_line r = {0};
		bool got = http1_request_line(guarded(&g, rows[i].line, rows[i].n), &r);

		CHECK(got == (rows[i].method != NULL), "row %zu: %s", i, rows[i].line);
		if (got && rows[i].method)
			CHECK(same(r.method, rows[i].method) && same(r.target, rows[i].target) &&
				      same(r.version, rows[i].version),
			      "row %zu: %s", i, rows[i].line);
	}
	guard_close(&g);
}

static void test_status_lines(void)
{
	static const struct {
		const char *line;
		size_t n;
		uint16_t status; /* 0: it is none */
		const char *version, *reason;
	} rows[] = {
		{T("HTTP/1.1 200 OK\r\n"), 200, "HTTP/1.1", "OK"},
		{T("HTTP/1.0 404 Not Found\n"), 404, "HTTP/1.0", "Not Found"},
		{T("HTTP/1.1 200 \r\n"), 200, "HTTP/1.1", ""},
		{T("HTTP/1.1 200\r\n"), 200, "HTTP/1.1", ""},
		{T("HTTP/1.1 200\n"), 200, "HTTP/1.1", ""},
		{T("HTTP/1.1 599 \xfc\tx 200\r\n"), 599, "HTTP/1.1", "\xfc\tx 200"},
		{T("HTTP/1.1  301  Moved \r\n"), 301, "HTTP/1.1", "Moved"},
		{T("HTTP/1.1\n"), 0, "", ""},
		{T("HTTP/1.1 \n"), 0, "", ""},
		{T("HTTP/1.1 20\n"), 0, "", ""},
		{T("HTTP/1.1 20 OK\r\n"), 0, "", ""},
		{T("HTTP/1.1 2000 OK\r\n"), 0, "", ""},
		{T("HTTP/1.1 2 0 OK\r\n"), 0, "", ""},
		{T("HTTP/1.1 -20 OK\r\n"), 0, "", ""},
		{T("HTTP/1.1 abc OK\r\n"), 0, "", ""},
		{T("HTTP/1 200 OK\r\n"), 0, "", ""},
		{T("HTTP/11 200 OK\r\n"), 0, "", ""},
		{T("HTTP/1.10 200 OK\r\n"), 0, "", ""},
		{T("HTTP/a.b 200 OK\r\n"), 0, "", ""},
		{T("http/1.1 200 OK\r\n"), 0, "", ""},
		{T(" HTTP/1.1 200 OK\r\n"), 0, "", ""},
		{T("ICY 200 OK\r\n"), 0, "", ""},
		{T("H\n"), 0, "", ""},
		{T("\n"), 0, "", ""},
		{T("\r\n"), 0, "", ""},
	};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http1_status_line r = {0};
		bool got = http1_status_line(guarded(&g, rows[i].line, rows[i].n), &r);

		CHECK(got == (rows[i].status != 0), "row %zu: %s", i, rows[i].line);
		if (got && rows[i].status)
			CHECK(r.status == rows[i].status && same(r.version, rows[i].version) &&
				      same(r.reason, rows[i].reason),
			      "row %zu: %s", i, rows[i].line);
	}
	guard_close(&g);
}

static void test_header_lines(void)
{
	static const struct {
		const char *line;
		size_t n;
		enum http1_header header;
		const char *value;
		bool blank;
	} rows[] = {
		{T("Host: a.example\r\n"), HTTP1_HOST, "a.example", false},
		{T("HOST:a.example\n"), HTTP1_HOST, "a.example", false},
		{T("host:\t a b \t\r\n"), HTTP1_HOST, "a b", false},
		{T("Host:\r\n"), HTTP1_HOST, "", false},
		{T("Host:\n"), HTTP1_HOST, "", false},
		{T("Host: \t \r\n"), HTTP1_HOST, "", false},
		{T("Content-Length: 5\r\n"), HTTP1_CONTENT_LENGTH, "5", false},
		{T("Content-Length : 5\r\n"), HTTP1_CONTENT_LENGTH, "5", true},
		{T("transfer-encoding \t: chunked\r\n"), HTTP1_TRANSFER_ENCODING, "chunked", true},
		{T("Transfer-Encoding:chunked\r\n"), HTTP1_TRANSFER_ENCODING, "chunked", false},
		{T("Hosts: a\r\n"), HTTP1_NONE, "", false},
		{T("Hos: a\r\n"), HTTP1_NONE, "", false},
		{T("X-Host: a\r\n"), HTTP1_NONE, "", false},
		{T("Host\r\n"), HTTP1_NONE, "", false},
		{T("Host\n"), HTTP1_NONE, "", false},
		{T("h\n"), HTTP1_NONE, "", false},
		{T("Content_Length: 5\r\n"), HTTP1_NONE, "", false},
		{T("Content-Length\r\n"), HTTP1_NONE, "", false},
		{T("Content-Length \n"), HTTP1_NONE, "", false},
		{T("Content-Length x: 5\r\n"), HTTP1_NONE, "", false},
		{T("Content-Length\0: 5\r\n"), HTTP1_NONE, "", false},
		{T("Date: now\r\n"), HTTP1_NONE, "", false},
		{T(": a\r\n"), HTTP1_NONE, "", false},
		{T("\r\n"), HTTP1_NONE, "", false},
		{T("\n"), HTTP1_NONE, "", false},
	};
	static const char *const known[] = {
#define KNOWN(name, text) [HTTP1_##name] = (text),
		HTTP1_HEADERS(KNOWN)
#undef KNOWN
	};
	struct guard g;
	struct span value, name;
	bool blank;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum http1_header got =
			http1_header_line(guarded(&g, rows[i].line, rows[i].n), &value, &blank);

		CHECK(got == rows[i].header, "row %zu: %s", i, rows[i].line);
		if (got != HTTP1_NONE)
			CHECK(same(value, rows[i].value) && blank == rows[i].blank, "row %zu: %s",
			      i, rows[i].line);
	}
	for (int h = HTTP1_NONE + 1; h < HTTP1_HEADER_COUNT; h++) {
		char line[64];
		int n = snprintf(line, sizeof(line), "%s: v\r\n", known[h]);

		for (int upper = 0; upper < 2; upper++) {
			CHECK(http1_header_line(guarded(&g, line, (size_t)n), &value, &blank) ==
					      (enum http1_header)h &&
				      same(value, "v"),
			      "%s", line);
			for (char *p = line; *p != ':'; p++)
				*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		}
	}
	CHECK(http1_any_header(guarded(&g, T("A-b: c: d \r\n")), &name, &value) &&
		      same(name, "A-b") && same(value, "c: d"),
	      "any header");
	CHECK(http1_any_header(guarded(&g, T("A:\n")), &name, &value) && same(name, "A") &&
		      same(value, ""),
	      "without a value");
	CHECK(!http1_any_header(guarded(&g, T("no header\r\n")), &name, &value), "no colon");
	CHECK(!http1_any_header(guarded(&g, T(": x\r\n")), &name, &value), "no name");
	CHECK(!http1_any_header(guarded(&g, T("\n")), &name, &value), "nothing");
	guard_close(&g);
}

static void test_chunk_sizes(void)
{
	enum { PLAIN, ODD_OR_NONE, NONE };
	static const struct {
		const char *line;
		size_t n;
		uint64_t size;
		int what;
	} rows[] = {
		{T("0\r\n"), 0, PLAIN},
		{T("5\r\n"), 5, PLAIN},
		{T("aB\r\n"), 0xab, PLAIN},
		{T("000000000000000000000000000000001F\r\n"), 31, PLAIN},
		{T("7ffffffffffffff0\r\n"), 0x7ffffffffffffff0, PLAIN},
		{T("5;a\r\n"), 5, PLAIN},
		{T("5;a=b;c=\"d;e\"\r\n"), 5, PLAIN},
		{T("5;\r\n"), 5, PLAIN},
		{T("5 ; a = b\r\n"), 5, PLAIN}, /* RFC 9112 §7.1.1: bad whitespace */
		{T("5\t;a\r\n"), 5, PLAIN},
		{T("0;last\r\n"), 0, PLAIN},
		/* what some read as this and some as that */
		{T(" 5\r\n"), 5, ODD_OR_NONE},
		{T("\t5\r\n"), 5, ODD_OR_NONE},
		{T("5 5\r\n"), 5, ODD_OR_NONE},
		{T("5x\r\n"), 5, ODD_OR_NONE},
		{T("5.0\r\n"), 5, ODD_OR_NONE},
		{T("0x5\r\n"), 0, ODD_OR_NONE},
		{T("5,5\r\n"), 5, ODD_OR_NONE},
		{T("5\0\r\n"), 5, ODD_OR_NONE},
		{T("5\r6\r\n"), 5, ODD_OR_NONE}, /* RFC 9112 §2.2: a bare CR */
		{T("5\r\r\n"), 5, ODD_OR_NONE},
		{T("\r\n"), 0, NONE},
		{T("\n"), 0, NONE},
		{T(" \n"), 0, NONE},
		{T("-5\r\n"), 0, NONE},
		{T("+5\r\n"), 0, NONE},
		{T("g\r\n"), 0, NONE},
		{T(";a=b\r\n"), 0, NONE},
		{T("\"5\"\r\n"), 0, NONE},
		/* beyond what can be counted */
		{T("8000000000000000\r\n"), HTTP1_LENGTH_MAX, ODD_OR_NONE},
		{T("ffffffffffffffff\r\n"), HTTP1_LENGTH_MAX, ODD_OR_NONE},
		{T("10000000000000000\r\n"), HTTP1_LENGTH_MAX, ODD_OR_NONE}, /* 2^64 */
		{T("10000000000000005\r\n"), HTTP1_LENGTH_MAX, ODD_OR_NONE},
		{T("fffffffffffffffffffffffffffffffe\r\n"), HTTP1_LENGTH_MAX, ODD_OR_NONE},
	};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t size = 77;
		bool odd = false;
		bool got = http1_chunk_size(guarded(&g, rows[i].line, rows[i].n), &size, &odd);

		if (rows[i].what == NONE)
			CHECK(!got, "row %zu: %s is %llu", i, rows[i].line,
			      (unsigned long long)size);
		else if (rows[i].what == PLAIN)
			CHECK(got && size == rows[i].size && !odd, "row %zu: %s is %llu%s", i,
			      rows[i].line, (unsigned long long)size, odd ? ", odd" : "");
		else
			CHECK(!got || (odd && size == rows[i].size), "row %zu: %s is %llu%s", i,
			      rows[i].line, (unsigned long long)size, odd ? ", odd" : "");
	}
	guard_close(&g);
}

static void test_lengths(void)
{
	static const struct {
		const char *value;
		size_t n;
		bool ok;
		uint64_t length; /* HTTP1_LENGTH_MAX: it is more than that */
	} rows[] = {
		{T("0"), true, 0},
		{T("5"), true, 5},
		{T("0005"), true, 5},
		{T("1000000000000000000"), true, 1000000000000000000},
		{T("5,5"), true, 5},
		{T("5, 5 ,\t5"), true, 5},
		{T("42,042"), true, 42},
		{T(""), false, 0},
		{T(","), false, 0},
		{T("+5"), false, 0},
		{T("-5"), false, 0},
		{T("5x"), false, 0},
		{T("x5"), false, 0},
		{T("0x5"), false, 0},
		{T("5 5"), false, 0},
		{T("5.0"), false, 0},
		{T("5e1"), false, 0},
		{T("\"5\""), false, 0},
		{T("5\0"), false, 0},
		{T("5\r5"), false, 0},
		{T("5;a=b"), false, 0},
		{T("5;6"), false, 0},
		{T("5,6"), false, 0},
		{T("5, 5, 50"), false, 0},
		{T("five"), false, 0},
		{T("\xd9\xa5"), false, 0},
		{T("9223372036854775808"), true, HTTP1_LENGTH_MAX},  /* 2^63 */
		{T("18446744073709551616"), true, HTTP1_LENGTH_MAX}, /* 2^64 */
		{T("18446744073709551621"), true, HTTP1_LENGTH_MAX},
		{T("99999999999999999999999999999999"), true, HTTP1_LENGTH_MAX},
		{T("18446744073709551616, 5"), false, 0},
		{T("18446744073709551616x"), false, 0},
	};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t length = 77;
		bool over = false;
		bool got = http1_length(guarded(&g, rows[i].value, rows[i].n), &length, &over);

		CHECK(got == rows[i].ok, "row %zu: %s is %d", i, rows[i].value, got);
		CHECK(!got || (length == rows[i].length && over == (length == HTTP1_LENGTH_MAX)),
		      "row %zu: %s is %llu", i, rows[i].value, (unsigned long long)length);
	}
	guard_close(&g);
}

static void test_transfers(void)
{
	static const struct {
		const char *value;
		enum http1_transfer last;
		bool odd;
	} rows[] = {
		{"chunked", HTTP1_TE_CHUNKED, false},
		{"Chunked", HTTP1_TE_CHUNKED, false},
		{"CHUNKED", HTTP1_TE_CHUNKED, false},
		{"gzip, chunked", HTTP1_TE_CHUNKED, true},
		{"gzip;q=1 ,chunked", HTTP1_TE_CHUNKED, true},
		{"chunked, chunked", HTTP1_TE_CHUNKED, true},
		{"identity, chunked", HTTP1_TE_CHUNKED, true},
		{"chunked, identity", HTTP1_TE_OTHER, true},
		{"identity", HTTP1_TE_IDENTITY, true},
		{"chunked, gzip", HTTP1_TE_OTHER, true},
		{"gzip", HTTP1_TE_OTHER, true},
		{"xchunked", HTTP1_TE_OTHER, true},
		{"chunkedx", HTTP1_TE_OTHER, true},
		{"chunke", HTTP1_TE_OTHER, true},
		{"\vchunked", HTTP1_TE_OTHER, true},
		{"\"chunked\"", HTTP1_TE_OTHER, true},
		{"chunked chunked", HTTP1_TE_OTHER, true},
		{"chunked\rx", HTTP1_TE_OTHER, true},
	};
	static const char *const odd_ones[] = {"chunked;a=b", "chunked;", ",chunked",
					       "chunked,",    "",         ","};
	struct guard g;
	bool odd;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span v = guarded(&g, rows[i].value, strlen(rows[i].value));
		enum http1_transfer got = http1_transfer(v, &odd);

		CHECK(got == rows[i].last && odd == rows[i].odd, "%s: %d%s", rows[i].value, got,
		      odd ? ", odd" : "");
	}
	/* RFC 9112 §7.1: chunked has no parameters */
	for (size_t i = 0; i < sizeof(odd_ones) / sizeof(odd_ones[0]); i++) {
		http1_transfer(guarded(&g, odd_ones[i], strlen(odd_ones[i])), &odd);
		CHECK(odd, "%s is not plainly chunked", odd_ones[i]);
	}
	guard_close(&g);
}

static void test_lists(void)
{
	static const char *const expect[] = {"a", "b c ;q=0.5", "", "d", "e ; x"};
	static const char *const plain[] = {"a", "b c", "", "d", "e"};
	struct guard g;
	struct span list, element;
	size_t n = 0;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	list = guarded(&g, T(" a,b c ;q=0.5,,\td\t, e ; x"));
	while (http1_list_next(&list, &element) && n < 5) {
		CHECK(same(element, expect[n]) && same(http1_without_parameters(element), plain[n]),
		      "element %zu", n);
		n++;
	}
	CU_ASSERT_EQUAL(n, 5);
	list = guarded(&g, T(""));
	CU_ASSERT_FALSE(http1_list_next(&list, &element));
	CU_ASSERT_TRUE(http1_is(guarded(&g, T("Gzip")), "gzip"));
	CU_ASSERT_TRUE(http1_is(guarded(&g, T("")), ""));
	CU_ASSERT_FALSE(http1_is(guarded(&g, T("gzi")), "gzip"));
	CU_ASSERT_FALSE(http1_is(guarded(&g, T("gzipp")), "gzip"));
	CU_ASSERT_FALSE(http1_is(guarded(&g, T("\x07zip")), "gzip"));
	guard_close(&g);
}

/* RFC 6266 §4, RFC 8187 §3.2 */
static void test_filenames(void)
{
	static const struct {
		const char *value, *name;
	} rows[] = {
		{"attachment", ""},
		{"attachment;", ""},
		{"attachment; filename=a.txt", "a.txt"},
		{"inline;filename = a.txt;x=y", "a.txt"},
		{"attachment; FILENAME=\"a b.txt\"", "a b.txt"},
		{"attachment; filename=\"a\\\"b\\\\c\"", "a\"b\\c"},
		{"attachment; filename=\"a;filename=b\"; x=y", "a;filename=b"},
		{"attachment; x=\"; filename=b\"; filename=c", "c"},
		{"attachment; xfilename=a; filename=b", "b"},
		{"attachment; filename*=UTF-8''a%20b%C3%BC", "a b\xc3\xbc"},
		{"attachment; filename*=UTF-8'en'a; filename=b", "a"},
		{"attachment; filename=b; filename*=UTF-8''a", "a"},
		{"attachment; filename=\"unended", "unended"},
		{"attachment; filename=\"ends in \\", "ends in \\"},
		{"attachment; filename=", ""},
		{"attachment; filename", ""},
		{"attachment; filename*='", ""},
		{"filename=a", ""}, /* of a type of that name */
		{"", ""},
	};
	struct guard g, out;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	CU_ASSERT_TRUE_FATAL(guard_open(&out, 256));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span value = guarded(&g, rows[i].value, strlen(rows[i].value));
		size_t n = http1_filename(value, out.end - 200, 200);

		CHECK(same(span_of(out.end - 200, n), rows[i].name), "%s: %.*s", rows[i].value,
		      (int)n, (const char *)out.end - 200);
		for (size_t room = 0; room < 8; room++) /* what does not fit is cut */
			CHECK(http1_filename(value, out.end - room, room) <= room, "%s in %zu",
			      rows[i].value, room);
	}
	guard_close(&out);
	guard_close(&g);
}

static bool within(struct span line, struct span part)
{
	return part.at >= line.at && part.end <= line.end && part.at <= part.end;
}

/* Any line that ends in its only '\n': no read behind it, and views into it. */
static void test_any_line(void)
{
	static const char *const begin[] = {
		"GET / HTTP/1.1",
		"HTTP/1.1 200 OK",
		"Content-Length: 5",
		"Transfer-Encoding : ",
		"5;ext",
		"GET ",
		"sec-websocket-extensions: a",
		"HTTP/1.1 20",
		"Host",
		"0000000000000000000000000000000000000000",
		"chunked, chunked;",
		"5, 5, 5, 5, 5, 5",
		"a; filename=\"b\\c\"; filename*=x\'\'%20",
	};
	struct dice d = dice_of(831);
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (int i = 0; i < 100000; i++) {
		const char *from = begin[dice_below(&d, sizeof(begin) / sizeof(begin[0]))];
		size_t n = dice_below(&d, 60), keep = strlen(from);
		uint8_t text[64], name_of_file[20];
		struct http1_request_line r = {0};
		struct http1_status_line s = {0};
		struct span line, name = {0}, value = {0};
		uint64_t number;
		bool flag, ok = true;

		dice_fill(&d, text, n);
		memcpy(text, from, i % 3 == 0 ? 0 : keep < n ? keep : n);
		for (int k = 0; n && k < 2; k++)
			text[dice_below(&d, (uint32_t)n)] =
				(uint8_t) " \t\r:;,/.0HG"[dice_below(&d, 11)];
		for (size_t k = 0; k < n; k++)
			text[k] = text[k] == '\n' ? '\r' : text[k];
		text[n] = '\n';
		line = guarded(&g, (const char *)text, n + 1);
		if (http1_request_line(line, &r))
			ok &= within(line, r.method) && within(line, r.target) &&
			      within(line, r.version) && span_len(r.method) && span_len(r.target);
		if (http1_status_line(line, &s))
			ok &= within(line, s.version) && within(line, s.reason) && s.status < 1000;
		if (http1_header_line(line, &value, &flag))
			ok &= within(line, value);
		if (http1_any_header(line, &name, &value))
			ok &= within(line, value) && within(line, name) && name.end < value.at;
		if (http1_chunk_size(line, &number, &flag))
			ok &= number <= HTTP1_LENGTH_MAX;
		if (http1_length(span_of(line.at, n), &number, &flag))
			ok &= number <= HTTP1_LENGTH_MAX;
		ok &= http1_filename(span_of(line.at, n), name_of_file, sizeof(name_of_file)) <=
		      sizeof(name_of_file);
		http1_transfer(span_of(line.at, n), &flag);
		if (!CHECK(ok, "%s, seed %llu", from, (unsigned long long)d.seed))
			break;
	}
	guard_close(&g);
}

/* ---- a host that writes down what it is told ---- */

enum { BODIES = 40, BODY_MAX = 4096, LINE_BOUND = 1024, GUARD = 1 << 16 };

struct text {
	size_t n;
	char at[1 << 16];
};

struct body {
	size_t n, told; /* told: beyond what is kept too */
	bool over;
	uint8_t at[BODY_MAX];
};

struct record {
	struct text brief; /* a line per transaction: METHOD TARGET length > STATUS length + */
	struct text all;   /* everything that does not depend on time */
	uint32_t told;
	uint64_t odd[ANOMALY_COUNT];
	struct body body[BODIES][2];
	struct text rest[2]; /* behind the hand-over, per direction */
	enum parse_got got;
	struct parse_next next;
};

struct bench {
	struct parse_host host; /* first */
	struct http1 h;
	struct guard g;
	struct record *r;
	uint32_t state;
	uint64_t off[2];
	bool ended[2];
	uint8_t client; /* direction of the client */
	bool wrong_way; /* the one who opened is taken for the other */
	const char *why;
};

static void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->n, sizeof(t->at) - t->n, format, args);
	va_end(args);
	if (n > 0)
		t->n += (size_t)n < sizeof(t->at) - t->n ? (size_t)n : sizeof(t->at) - t->n - 1;
}

static void say_span(struct text *t, const char *name, struct span s)
{
	say(t, " %s=", s.at ? name : "-");
	for (const uint8_t *p = s.at; p < s.end; p++)
		say(t, *p > ' ' && *p < 0x7f ? "%c" : "%%%02x", *p);
}

static void say_message(struct text *t, const struct http1_message *m)
{
	say(t, "\n  [%llu %llu %llu) length %llu wire %llu gap %u %c%c%c%c",
	    (unsigned long long)m->start, (unsigned long long)m->header_end,
	    (unsigned long long)m->end, (unsigned long long)m->length,
	    (unsigned long long)m->wire_length, m->gap_bytes, m->seen ? 's' : '-',
	    m->complete ? 'c' : '-', m->has_body ? 'b' : '-', m->file_whole ? 'w' : '-');
	say_span(t, "magic", span_of(m->magic, m->magic_len));
	say_span(t, "sha256", span_of(m->sha256, 32));
}

/* What holds for every message. */
static void check_message(struct bench *b, const struct http1_transaction *t, int side)
{
	const struct http1_message *m = &t->side[side];
	const struct body *body = &b->r->body[t->tx_id % BODIES][side];
	uint64_t off = b->off[side == HTTP1_REQUEST ? b->client : !b->client];
	uint8_t hash[32];
	unsigned int size = 32;

	if (!m->seen)
		return;
	CHECK(m->start <= m->header_end && m->header_end <= m->end && m->end <= off,
	      "%s: tx %u, offsets %llu, %llu, %llu of %llu", b->why, t->tx_id,
	      (unsigned long long)m->start, (unsigned long long)m->header_end,
	      (unsigned long long)m->end, (unsigned long long)off);
	CHECK(m->wire_length == m->end - m->header_end, "%s: tx %u, %llu bytes on the wire", b->why,
	      t->tx_id, (unsigned long long)m->wire_length);
	CHECK(!m->complete || m->gap_bytes == 0, "%s: tx %u, complete", b->why, t->tx_id);
	CHECK(!m->file_whole || m->complete, "%s: tx %u, whole", b->why, t->tx_id);
	CHECK(m->has_body || m->length == 0, "%s: tx %u has a body", b->why, t->tx_id);
	if (t->tx_id >= BODIES)
		return;
	CHECK(m->length == body->told && body->over == (body->told > 0),
	      "%s: tx %u, %zu bytes of body were given, not %llu", b->why, t->tx_id, body->told,
	      (unsigned long long)m->length);
	CHECK(m->magic_len == (body->n < 8 ? body->n : 8) &&
		      memcmp(m->magic, body->at, m->magic_len) == 0,
	      "%s: tx %u, its first bytes", b->why, t->tx_id);
	if (body->told == 0 || body->told > BODY_MAX)
		return;
	EVP_Digest(body->at, body->n, hash, &size, EVP_sha256(), NULL);
	CHECK(memcmp(hash, m->sha256, 32) == 0, "%s: tx %u, hash of %zu bytes", b->why, t->tx_id,
	      body->n);
}

static void on_http(struct parse_host *host, const struct http1_transaction *t)
{
	struct bench *b = (struct bench *)host;
	const struct http1_message *q = &t->side[HTTP1_REQUEST], *s = &t->side[HTTP1_RESPONSE];
	struct span method = t->text[HTTP1_TEXT_METHOD], target = t->text[HTTP1_TEXT_TARGET];
	struct text *all = &b->r->all;

	b->r->told++;
	say(&b->r->brief, "%.*s %.*s %llu > %u %llu %c\n", q->seen ? (int)span_len(method) : 1,
	    q->seen ? (const char *)method.at : "-", q->seen ? (int)span_len(target) : 1,
	    q->seen ? (const char *)target.at : "-", (unsigned long long)q->length,
	    s->seen ? t->status : 0, (unsigned long long)s->length, t->complete ? '+' : '-');
	say(all, "tx %u status %u interim %u complete %d", t->tx_id, t->status, t->interim,
	    t->complete);
	for (int side = 0; side < 2; side++) {
		say_message(all, &t->side[side]);
		say_span(all, "filename", t->filename[side]);
		for (uint32_t i = 0; i < t->fields[side]; i++) {
			say_span(all, "name", t->field[side][i].name);
			say_span(all, "value", t->field[side][i].value);
		}
		check_message(b, t, side);
	}
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++)
		say_span(all, "text", t->text[i]);
	say(all, "\n");
	CHECK(!t->complete || (q->complete && s->complete), "%s: tx %u, complete", b->why,
	      t->tx_id);
}

static void on_body(struct parse_host *host, const struct parse_body *p)
{
	struct bench *b = (struct bench *)host;
	struct body *body = &b->r->body[p->tx_id % BODIES][p->side];
	size_t n = span_len(p->bytes);

	if (p->tx_id >= BODIES)
		return;
	CHECK(!body->over && (n > 0) == !p->last, "%s: tx %u, %zu bytes%s", b->why, p->tx_id, n,
	      p->last ? ", the last" : "");
	CHECK(p->dir == (p->side == HTTP1_REQUEST ? b->client : !b->client), "%s: direction",
	      b->why);
	body->over = p->last;
	if (p->last)
		return;
	CHECK(p->off == body->told, "%s: tx %u, bytes at %llu, not %zu", b->why, p->tx_id,
	      (unsigned long long)p->off, body->told);
	body->told += n;
	n = n < BODY_MAX - body->n ? n : BODY_MAX - body->n;
	memcpy(body->at + body->n, p->bytes.at, n);
	body->n += n;
}

static void on_anomaly(struct parse_host *host, enum anomaly a)
{
	((struct bench *)host)->r->odd[a]++;
}

static const struct http1_conf roomy = {
	.states = 2,
	.exchanges = 2000,
	.cells = 4000,
	.lines = 4,
	.bodies = true,
	.header_bytes = LINE_BOUND,
	.texts = true,
	.all_headers = true,
	.sha256 = true,
	.coding = {.small = 4, .large = 4, .max_bytes = 100000, .max_ratio = 1000},
};

static void bench_open(struct bench *b, const struct http1_conf *conf)
{
	memset(b, 0, sizeof(*b));
	b->host = (struct parse_host){.http = on_http, .body = on_body, .anomaly = on_anomaly};
	b->r = calloc(1, sizeof(*b->r));
	b->why = "";
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->r);
	CU_ASSERT_TRUE_FATAL(guard_open(&b->g, GUARD));
	CU_ASSERT_EQUAL_FATAL(http1_open(&b->h, conf, &b->host), 0);
}

static void bench_close(struct bench *b)
{
	http1_close(&b->h);
	guard_close(&b->g);
	free(b->r);
}

static void stream_begin(struct bench *b, const char *why)
{
	memset(b->r, 0, sizeof(*b->r));
	b->off[0] = b->off[1] = 0;
	b->ended[0] = b->ended[1] = false;
	b->why = why;
	b->state = parser_start(&b->h.parser);
	CU_ASSERT_NOT_EQUAL_FATAL(b->state, 0);
}

static uint32_t free_exchanges(const struct http1 *h)
{
	uint32_t n = 0;

	for (uint32_t at = h->exchange_free; at; at = exchange_at(h, at)->next)
		n++;
	return n;
}

/* As many line buffers and decoders as there are can be had. */
static bool all_came_back(struct http1 *h)
{
	static const uint8_t kinds[] = {CODING_GZIP, CODING_ZSTD};
	uint64_t refused = h->lines.refused;
	struct line_tail tail[8] = {0};
	uint32_t decoder[8] = {0}, n = 0;
	bool ok = h->texts.used == 0 && free_exchanges(h) == h->exchange_fresh;

	for (uint32_t i = 0; i < h->conf.lines; i++) {
		struct span in = span_of((const uint8_t *)"x", 1), line;

		lines_next(&h->lines, &tail[i], &in, &line);
	}
	for (uint32_t i = 0; i < h->conf.lines; i++)
		lines_done(&h->lines, &tail[i]);
	ok &= h->lines.refused == refused;
	for (uint32_t large = 0; large < 2; large++)
		for (uint32_t i = 0; i < (large ? h->conf.coding.large : h->conf.coding.small); i++)
			ok &= (decoder[n++] = coding_start(&h->codings, kinds + large, 1)) != 0;
	while (n)
		coding_end(&h->codings, decoder[--n]);
	return ok;
}

static void stream_end(struct bench *b)
{
	if (b->state)
		parser_end(&b->h.parser, b->state);
	b->state = 0;
	CHECK(all_came_back(&b->h), "%s: something was not given back", b->why);
}

static struct parse_side side_of(const struct bench *b, uint8_t dir)
{
	return (struct parse_side){.dir = dir, .from_client = (dir == b->client) != b->wrong_way};
}

static void feed(struct bench *b, uint8_t dir, const char *at, size_t n)
{
	struct parser *p = &b->h.parser;
	struct span bytes = guarded(&b->g, at, n);
	struct text *rest = &b->r->rest[dir];

	if (b->state && n) {
		uint64_t off = b->off[dir];

		b->off[dir] += n;
		b->r->got = p->ops->feed(p, b->state, side_of(b, dir), off, &bytes, &b->r->next);
		if (b->r->got == PARSE_MORE)
			return;
		CHECK(b->r->got == PARSE_DONE && within(guarded(&b->g, at, n), bytes),
		      "%s: what is left", b->why);
		parser_end(p, b->state);
		b->state = 0;
		n = span_len(bytes);
	}
	memcpy(rest->at + rest->n, bytes.at, n);
	rest->n += n;
}

static void lose(struct bench *b, uint8_t dir, uint64_t n)
{
	b->off[dir] += n;
	if (b->state)
		b->h.parser.ops->gap(&b->h.parser, b->state, side_of(b, dir), n);
}

static void fin(struct bench *b, uint8_t dir)
{
	if (b->state && !b->ended[dir])
		b->h.parser.ops->ended(&b->h.parser, b->state, side_of(b, dir), true);
	b->ended[dir] = true;
}

/* ---- conversations ---- */

enum { OPS = 14 };

struct op {
	char what; /* c, s: the client, the server says; C, S: a hole; x, y: FIN; #: told so far */
	const char *text;
	size_t n;
};

#define C(text)              \
	{                    \
		'c', T(text) \
	}
#define S(text)              \
	{                    \
		's', T(text) \
	}
#define C_LOSES(n)         \
	{                  \
		'C', "", n \
	}
#define S_LOSES(n)         \
	{                  \
		'S', "", n \
	}
#define C_FIN              \
	{                  \
		'x', "", 0 \
	}
#define S_FIN              \
	{                  \
		'y', "", 0 \
	}
#define TOLD(n)            \
	{                  \
		'#', "", n \
	}
#define ODD(name) (1ULL << ANOMALY_HTTP_##name)

struct talk {
	const char *why;
	struct op op[OPS];
	const char *expect;
	uint64_t odd;
	bool ordered; /* what is said depends on what was heard, or lost */
};

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK(headers) "HTTP/1.1 200 OK\r\n" headers "\r\n"
#define HELLO       OK("Content-Length: 5\r\n") "hello"
#define ASK_BOTH    C(GET("/1") GET("/2"))
#define NOT_FOUND   "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
#define CHUNKED     "Transfer-Encoding: chunked\r\n"
#define X64         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X512        X64 X64 X64 X64 X64 X64 X64 X64
/* "hello hello hello" */
#define GZIPPED                                                                           \
	"\037\213\010\000\000\000\000\000\002\003\313H\315\311\311W\310@\220\000\200\210" \
	"\371\345\021\000\000\000"
#define ZLIBBED  "x\332\313H\315\311\311W\310@\220\000:.\006}"
#define DEFLATED "\313H\315\311\311W\310@\220\000"
#define BROTLIED "\037\020\000\000$@j\020d\352\360\234\036"
#define ZSTDED   "(\265/\375\000Xe\000\0000hello \001\0001J\021"
#define GZIP_BR  "\217\015\200" GZIPPED "\003"

#define HEARD      "GET / 0 > 200 5 +\n"
#define HEARD_BOTH "GET /1 0 > 200 5 +\nGET /2 0 > 404 2 +\n"

/* In any order of the two sides, and only in the order given. */
#define TALK(why, expect, odd, ...)                    \
	{                                              \
		why, {__VA_ARGS__}, expect, odd, false \
	}
#define IN_ORDER(why, expect, odd, ...)               \
	{                                             \
		why, {__VA_ARGS__}, expect, odd, true \
	}

static const struct talk talks[] = {
	TALK("one request", HEARD, 0, C(GET("/")), S(HELLO)),
	TALK("three, one after the other",
	     "GET /1 0 > 200 5 +\nGET /2 0 > 404 2 +\nGET /3 0 > 200 5 +\n", 0, C(GET("/1")),
	     S(HELLO), C(GET("/2")), S(NOT_FOUND), C(GET("/3")), S(HELLO)),
	TALK("three, pipelined", "GET /1 0 > 200 5 +\nGET /2 0 > 404 2 +\nGET /3 0 > 200 5 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3")), S(HELLO NOT_FOUND HELLO), TOLD(3), C_FIN, S_FIN),
	TALK("bodies in requests", "POST /1 5 > 200 5 +\nPUT /2 0 > 200 5 +\nGET /3 0 > 404 2 +\n",
	     0,
	     C("POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde"
	       "PUT /2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n" GET("/3")),
	     S(HELLO HELLO NOT_FOUND)),
	TALK("chunks, extensions and trailers", "GET /1 0 > 200 11 +\nGET /2 0 > 404 2 +\n", 0,
	     ASK_BOTH,
	     S(OK(CHUNKED) "5\r\nhello\r\n006;a=\"b;c\" ; d\r\n world\r\n0;x\r\nDigest: y\r\nA: "
			   "b\r\n"
			   "\r\n" NOT_FOUND)),
	TALK("chunks in a request", "POST /1 10 > 200 5 +\nGET /2 0 > 404 2 +\n", 0,
	     C("POST /1 HTTP/1.1\r\n" CHUNKED "\r\nA\r\n0123456789\r\n0\r\n\r\n" GET("/2")),
	     S(HELLO NOT_FOUND)),
	TALK("no chunks but the last", "GET /1 0 > 200 0 +\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
	     S(OK(CHUNKED) "0\r\n\r\n" NOT_FOUND)),
	TALK("interim responses", "POST / 2 > 200 5 +\nGET /2 0 > 404 2 +\n", 0,
	     C("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
	     S("HTTP/1.1 100 Continue\r\n\r\n"
	       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n"),
	     C("ab" GET("/2")), S(HELLO NOT_FOUND)),
	TALK("an interim response alone", "GET / 0 > 0 0 -\n", 0, C(GET("/")),
	     S("HTTP/1.1 100 Continue\r\n\r\n"), TOLD(0), S_FIN),
	TALK("no body by status",
	     "GET /1 0 > 204 0 +\nGET /2 0 > 304 0 +\nGET /3 0 > 204 0 +\nGET /4 0 > 200 5 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3") GET("/4")),
	     S("HTTP/1.1 204 No Content\r\n\r\n"
	       "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: \"x\"\r\n\r\n"
	       "HTTP/1.1 204 No\r\n" CHUNKED "\r\n" HELLO)),
	IN_ORDER("no body by method",
		 "HEAD /1 0 > 200 0 +\nHEAD /2 0 > 200 0 +\nGET /3 0 > 200 5 +\n", 0,
		 C("HEAD /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n" GET("/3")),
		 S(OK("Content-Length: 100\r\n") OK(CHUNKED) HELLO)),
	/* RFC 9110 §9.1: case matters */
	IN_ORDER("a method like HEAD", "head /1 0 > 200 5 +\nHEADS /2 0 > 404 2 +\n", 0,
		 C("head /1 HTTP/1.1\r\n\r\nHEADS /2 HTTP/1.1\r\n\r\n"), S(HELLO NOT_FOUND)),
	TALK("methods nobody knows",
	     "FOO /1 0 > 200 5 +\nVERSION-CONTROL /2 1 > 200 5 +\n!#$%&'*+-.^_`|~ /3 0 > 200 5 +\n",
	     0,
	     C("FOO /1 HTTP/1.1\r\n\r\nVERSION-CONTROL /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
	       "!#$%&'*+-.^_`|~ /3 HTTP/1.1\r\n\r\n"),
	     S(HELLO HELLO HELLO)),
	TALK("a body up to the end", "GET / 0 > 200 62 +\n", 0, C(GET("/")),
	     S("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nall of this\r\n\r\n" NOT_FOUND), TOLD(0), S_FIN,
	     TOLD(1)),
	TALK("a body up to an end that was not seen", "GET / 0 > 200 11 -\n", 0, C(GET("/")),
	     S(OK("") "all of this")),
	TALK("a body shorter than it says", "GET / 0 > 200 5 -\n", 0, C(GET("/")),
	     S(OK("Content-Length: 50\r\n") "hello"), S_FIN),
	TALK("an answer that ends in its header", "GET / 0 > 200 0 -\n", 0, C(GET("/")),
	     S("HTTP/1.1 200 OK\r\nContent-Le"), S_FIN),
	TALK("a chunked body that ends early", "GET / 0 > 200 5 -\n", 0, C(GET("/")),
	     S(OK(CHUNKED) "5\r\nhello\r\n0\r\n"), S_FIN),
	TALK("requests without answers", "GET /1 0 > 0 0 -\nGET /2 0 > 0 0 -\n", 0, ASK_BOTH, C_FIN,
	     TOLD(0)),
	TALK("answers without requests", "- - 0 > 200 5 -\n- - 0 > 404 2 -\n", 0,
	     S(HELLO NOT_FOUND), S_FIN),
	TALK("an answer before its request", HEARD_BOTH, 0, S(HELLO), TOLD(0), C(GET("/1")),
	     TOLD(1), C(GET("/2")), S(NOT_FOUND)),
	TALK("an answer before the end of its request",
	     "POST /1 40 > 404 2 +\nGET /2 0 > 200 5 +\n", 0,
	     C("POST /1 HTTP/1.1\r\nContent-Length: 40\r\n\r\nfirst "), S(NOT_FOUND), TOLD(0),
	     C("GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n."), TOLD(1), C(GET("/2")), S(HELLO)),
	TALK("targets in every form",
	     "GET http://a.example/1?x=y 0 > 200 5 +\nOPTIONS * 0 > 200 5 +\nGET /a%20b?c 0 > 200 "
	     "5 +\n",
	     0,
	     C("GET http://a.example/1?x=y HTTP/1.1\r\nHost: b\r\n\r\nOPTIONS * "
	       "HTTP/1.1\r\n\r\n" GET("/a%20b?c")),
	     S(HELLO HELLO HELLO)),
	TALK("folded lines", HEARD, ODD(FOLDED),
	     C("GET / HTTP/1.1\r\nUser-Agent: a\r\n b\r\n\tc\r\nHost: d\r\n\r\n"),
	     S(OK("Content-Length:\r\n 5\r\nX: y\r\n z\r\n") "hello")),
	TALK("a folded Transfer-Encoding", HEARD, ODD(FOLDED), C(GET("/")),
	     S(OK("Transfer-Encoding:\r\n chunked\r\n") "5\r\nhello\r\n0\r\n\r\n"), S_FIN),
	TALK("lines without CR", HEARD_BOTH, ODD(BARE_LF),
	     C("GET /1 HTTP/1.1\nHost: a\n\nGET /2 HTTP/1.1\n\n"),
	     S("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello" NOT_FOUND)),
	TALK("empty lines before a request", HEARD_BOTH, 0,
	     C("\r\n\r\n" GET("/1") "\r\n\n" GET("/2")), S(HELLO NOT_FOUND)),
	TALK("status lines without a reason", "GET /1 0 > 200 1 +\nGET /2 0 > 404 1 +\n", 0,
	     ASK_BOTH,
	     S("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na"
	       "HTTP/1.0 404 \r\nContent-Length: 1\r\n\r\nb")),
	TALK("the same length again", "GET /1 0 > 200 5 +\nGET /2 0 > 200 2 +\n", 0, ASK_BOTH,
	     S(OK("Content-Length: 5\r\ncontent-length: 5\r\n") "hello" OK(
		     "Content-Length: 2, 02\r\n") "no")),
	TALK("two lengths", "POST / 5 > 200 5 +\n", ODD(CONFLICTING_LENGTH),
	     C("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde"), S(HELLO)),
	TALK("length, then chunked", HEARD_BOTH, ODD(LENGTH_AND_CHUNKED), ASK_BOTH,
	     S(OK("Content-Length: 3\r\n" CHUNKED) "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("chunked, then length", "POST /1 1 > 200 5 +\nGET /2 0 > 404 2 +\n",
	     ODD(LENGTH_AND_CHUNKED),
	     C("POST /1 HTTP/1.1\r\n" CHUNKED
	       "Content-Length: 99\r\n\r\n1\r\nx\r\n0\r\n\r\n" GET("/2")),
	     S(HELLO NOT_FOUND)),
	TALK("chunked behind another coding", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK("Transfer-Encoding: gzip, chunked\r\n") "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("chunked twice", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK(CHUNKED CHUNKED) "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("a blank before the colon", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK("Transfer-Encoding : chunked\r\n") "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	/* RFC 9112 §6.3: it lasts to the end */
	TALK("a coding that is not chunked", "GET / 0 > 200 15 +\n", ODD(TRANSFER_ENCODING),
	     C(GET("/")), S(OK("Transfer-Encoding: xchunked\r\n") "5\r\nhello\r\n0\r\n\r\n"),
	     S_FIN),
	TALK("identity, of RFC 2616", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK("Transfer-Encoding: identity\r\nContent-Length: 5\r\n") "hello" NOT_FOUND)),
	TALK("a length that is none", HEARD, ODD(BAD_LENGTH), C(GET("/")),
	     S(OK("Content-Length: five\r\n") "hello"), S_FIN),
	TALK("a negative length, in a request", "POST /1 0 > 200 5 +\nGET /2 0 > 404 2 +\n",
	     ODD(BAD_LENGTH), C("POST /1 HTTP/1.1\r\nContent-Length: -5\r\n\r\n" GET("/2")),
	     S(HELLO NOT_FOUND)),
	IN_ORDER("a negative chunk", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", ODD(BAD_CHUNK),
		 ASK_BOTH, S(OK(CHUNKED) "-5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	/* all of it is in the chunk */
	IN_ORDER("a chunk of 2^64", "GET /1 0 > 200 59 -\nGET /2 0 > 0 0 -\n", ODD(BAD_CHUNK),
		 ASK_BOTH, S(OK(CHUNKED) "10000000000000005\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	IN_ORDER("a chunk without a size", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n",
		 ODD(BAD_CHUNK), ASK_BOTH, S(OK(CHUNKED) "5\r\nhello\r\n\r\n0\r\n\r\n" NOT_FOUND)),
	IN_ORDER("a chunk longer than it says", "POST /1 3 > 200 5 -\nGET /2 0 > 404 2 +\n",
		 ODD(BAD_CHUNK),
		 C("POST /1 HTTP/1.1\r\n" CHUNKED "\r\n3\r\nabcde\r\n0\r\n\r\n" GET("/2")),
		 S(HELLO NOT_FOUND)),
	TALK("a size that is read in two ways", HEARD_BOTH, ODD(BAD_CHUNK), ASK_BOTH,
	     S(OK(CHUNKED) "5 x\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("gzip", "GET /1 0 > 200 17 +\nGET /2 0 > 200 17 +\nGET /3 0 > 200 17 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3")),
	     S(OK("Content-Encoding: gzip\r\nContent-Length: 28\r\n") GZIPPED OK(
		     "Content-Encoding: X-GZip\r\nContent-Length: 28\r\n") GZIPPED
		       OK("Content-Encoding: gzip\r\n" CHUNKED) "5\r\n\037\213\010\000\000\r\n17\r"
								"\n"
								"\000"
								"\000\000\002\003\313H\315\311\311W"
								"\310@"
								"\220\000\200\210\371\345\021\000"
								"\000"
								"\000\r\n0\r\n\r\n")),
	TALK("deflate, with a header of zlib and without",
	     "GET /1 0 > 200 17 +\nGET /2 0 > 200 17 +\n", 0, ASK_BOTH,
	     S(OK("Content-Encoding: deflate\r\nContent-Length: 16\r\n")
		       ZLIBBED OK("Content-Encoding: deflate\r\nContent-Length: 10\r\n") DEFLATED)),
	TALK("brotli and zstd", "GET /1 0 > 200 17 +\nGET /2 0 > 200 17 +\n", 0, ASK_BOTH,
	     S(OK("Content-Encoding: br\r\nContent-Length: 13\r\n")
		       BROTLIED OK("Content-Encoding: zstd\r\nContent-Length: 21\r\n") ZSTDED)),
	TALK("two encodings, in a request", "POST /1 17 > 200 5 +\nPOST /2 17 > 404 2 +\n", 0,
	     C("POST /1 HTTP/1.1\r\nContent-Encoding: gzip, br\r\nContent-Length: "
	       "32\r\n\r\n" GZIP_BR
	       "POST /2 HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Encoding: identity, br\r\n"
	       "Content-Length: 32\r\n\r\n" GZIP_BR),
	     S(HELLO NOT_FOUND)),
	TALK("an encoding nobody knows",
	     "GET /1 0 > 200 5 +\nGET /2 0 > 200 28 +\nGET /3 0 > 200 28 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3")),
	     S(OK("Content-Encoding: rot13\r\nContent-Length: 5\r\n") "uryyb" OK(
		     "Content-Encoding: rot13, gzip\r\nContent-Length: 28\r\n")
		       GZIPPED OK("Content-Encoding: rot13\r\nContent-Encoding: "
				  "gzip\r\nContent-Length: 28\r\n") GZIPPED)),
	/* as it came */
	TALK("an encoding that is a lie",
	     "GET /1 0 > 200 11 +\nGET /2 0 > 200 15 +\nGET /3 0 > 404 2 +\n", ODD(DECODE_FAILED),
	     C(GET("/1") GET("/2") GET("/3")),
	     S(OK("Content-Encoding: gzip\r\nContent-Length: 11\r\n") "hello world" OK(
		     "Content-Encoding: br\r\nContent-Length: 15\r\n") "<html>no</"
								       "html>" NOT_FOUND)),
	TALK("an encoding that ends early", "GET /1 0 > 200 1 +\nGET /2 0 > 404 2 +\n",
	     ODD(DECODE_FAILED), ASK_BOTH,
	     S(OK("Content-Encoding: gzip\r\nContent-Length: 12\r\n") "\037\213\010\000\000\000\000"
								      "\000\002\003\313"
								      "H" NOT_FOUND)),
	TALK("a header of many lines", "GET /1 3 > 200 5 +\nGET /2 0 > 404 2 +\n", ODD(HEADER_LONG),
	     C("GET /1 HTTP/1.1\r\nA: " X512 "\r\nB: " X512 "\r\nC: " X512
	       "\r\nContent-Length: 3\r\n"
	       "\r\nabc" GET("/2")),
	     S(HELLO NOT_FOUND)),
	TALK("a line beyond the bound", HEARD_BOTH, ODD(HEADER_LONG) | ODD(LINE_LONG), ASK_BOTH,
	     S(OK("A: " X512 X512 X512 "\r\nContent-Length: 5\r\n") "hello" NOT_FOUND)),
	IN_ORDER("an answer of another protocol", HEARD_BOTH, ODD(BAD_START), ASK_BOTH,
		 S(HELLO "this is no answer\r\n" NOT_FOUND)),
	IN_ORDER("a request of another protocol", HEARD, ODD(BAD_START),
		 C("<policy/>\r\nHELO example\r\n" GET("/")), S(HELLO)),
	IN_ORDER("bytes behind the last answer", HEARD, ODD(BAD_START), C(GET("/")),
		 S(HELLO "and more\r\n"), TOLD(1), S_FIN),
	/* RFC 1945 §4.1, §6 */
	IN_ORDER("a simple request", "GET /old 0 > 0 20 +\n", 0, C("GET /old\r\n"),
		 S("<html>\r\nold\r\n</html>"), S_FIN, C_FIN),
	IN_ORDER("a simple answer like a status line", "GET /old 0 > 0 33 +\n", 0,
		 C("GET /old\r\n"), S("HTML is here\r\nHTTP/1.1 200 OK\r\n\r\n"), S_FIN, C_FIN),
	IN_ORDER("a simple answer of a word", "GET /old 0 > 0 3 +\n", 0, C("GET /old\r\n"),
		 S("HTM"), S_FIN, C_FIN),
	IN_ORDER("a simple request with a full answer", "GET /old 0 > 200 5 +\n", 0,
		 C("GET /old\r\n"), S(HELLO), S_FIN, C_FIN),
	IN_ORDER("a request without version but with header", HEARD_BOTH, 0,
		 C("GET /1\r\nHost: a\r\n\r\n" GET("/2")), S(HELLO NOT_FOUND)),
	TALK("CONNECT refused", "CONNECT b:443 0 > 403 2 +\nGET / 0 > 200 5 +\n", 0,
	     C("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"),
	     S("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), C(GET("/")), S(HELLO)),
	TALK("an upgrade refused", "GET /ws 0 > 200 5 +\nGET / 0 > 404 2 +\n", 0,
	     C("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"), S(HELLO),
	     C(GET("/")), S(NOT_FOUND)),
	IN_ORDER("bytes for a tunnel that is refused",
		 "CONNECT b:1 0 > 403 0 +\nGET / 0 > 200 5 +\n", 0,
		 C("CONNECT b:1 HTTP/1.1\r\n\r\n\x16\x03\x01 hello\n more\n"),
		 S("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), C("\r\n" GET("/")),
		 S(HELLO)),
};

/* With holes: what is lost is not guessed, what follows is found. */
static const struct talk holes[] = {
	IN_ORDER("in the header of a request", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
		 C("GET /1 HTTP/1.1\r\nHo"), C_LOSES(20), C("x\r\n\r\n" GET("/2")), S(HELLO),
		 TOLD(1), S(NOT_FOUND)),
	IN_ORDER("behind a request line", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
		 C("GET /1 HTTP/1.1\r\n"), C_LOSES(20), C("x\r\n\r\n" GET("/2")), S(HELLO), TOLD(1),
		 S(NOT_FOUND), TOLD(2)),
	IN_ORDER("in a request line", "GET /1 0 > 200 5 +\nGET /3 0 > 0 0 -\n", 0,
		 C(GET("/1") "GET /2"), C_LOSES(30), C(" HTTP/1.1\r\n\r\n" GET("/3")), S(HELLO)),
	IN_ORDER("in the header of an answer", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S("HTTP/1.1 200 OK\r\nX-No"), S_LOSES(8),
		 S("thing\r\nContent-Length: 3\r\n\r\nab\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("behind a status line", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S("HTTP/1.1 200 OK\r\n"), S_LOSES(8),
		 S("thing\r\nContent-Length: 3\r\n\r\nab\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("in a body of known length", "GET /1 0 > 200 15 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S(OK("Content-Length: 20\r\n") "12345"), S_LOSES(5),
		 S("HTTP/1.1 2" NOT_FOUND), TOLD(2)),
	IN_ORDER("up to the end of a body of known length",
		 "PUT /1 5 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
		 C("PUT /1 HTTP/1.1\r\nContent-Length: 20\r\n\r\n12345"), C_LOSES(15), C(GET("/2")),
		 S(HELLO NOT_FOUND), TOLD(2)),
	IN_ORDER("all of a body of known length", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S(OK("Content-Length: 20\r\n")), S_LOSES(20), S(NOT_FOUND), TOLD(2)),
	IN_ORDER("behind the header of a chunked body", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n",
		 0, ASK_BOTH, S(OK(CHUNKED)), S_LOSES(20), S("x\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("in a chunk", "GET /1 0 > 200 7 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "a\r\n01234"), S_LOSES(3), S("89\r\n0\r\n\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("up to the end of a chunk", "GET /1 0 > 200 7 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S(OK(CHUNKED) "a\r\n01234"), S_LOSES(5),
		 S("\r\n2\r\nab\r\n0\r\n\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("over the end of a chunk", "GET /1 0 > 200 2 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "5\r\nab"), S_LOSES(10), S("hi\r\n0\r\n\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("between chunks", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "5\r\nhello\r\n"), S_LOSES(3), S("world\r\n0\r\n\r\n" NOT_FOUND),
		 TOLD(2)),
	IN_ORDER("in a trailer", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "5\r\nhello\r\n0\r\nDig"), S_LOSES(9), S("\r\n\r\n" NOT_FOUND),
		 TOLD(2)),
	IN_ORDER("in a body up to the end", "GET / 0 > 200 52 -\n", 0, C(GET("/")),
		 S(OK("") "first"), S_LOSES(9), S(NOT_FOUND), S_FIN, TOLD(1)),
	IN_ORDER("over a message", "PUT /1 4 > 200 5 -\nGET /3 0 > 0 0 -\n", 0,
		 C("PUT /1 HTTP/1.1\r\nContent-Length: 10\r\n\r\n1234"), C_LOSES(40),
		 C("a\r\n\r\n" GET("/3")), S(HELLO), TOLD(1)),
	IN_ORDER("a request and nothing else",
		 "GET /1 0 > 200 5 +\n- - 0 > 404 2 -\nGET /3 0 > 200 5 +\n", 0, C(GET("/1")),
		 S(HELLO), C_LOSES(29), S(NOT_FOUND), C(GET("/3")), S(HELLO), TOLD(3)),
	IN_ORDER("an answer and nothing else", "GET /1 0 > 0 0 -\nGET /2 0 > 404 2 +\n", 0,
		 C(GET("/1")), S_LOSES(43), C(GET("/2")), S(NOT_FOUND), TOLD(2)),
	IN_ORDER("in an encoded body", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK("Content-Encoding: br\r\nContent-Length: 13\r\n") "\037\020\000"), S_LOSES(5),
		 S("\020d\352\360\234" NOT_FOUND), TOLD(2)),
};

static void say_op(struct bench *b, const struct op *op)
{
	switch (op->what) {
	case 'c':
	case 's':
		feed(b, op->what == 's' ? !b->client : b->client, op->text, op->n);
		break;
	case 'C':
	case 'S':
		lose(b, op->what == 'S' ? !b->client : b->client, op->n);
		break;
	case 'x':
	case 'y':
		fin(b, op->what == 'y' ? !b->client : b->client);
		break;
	case '#':
		CHECK(b->r->told == op->n, "%s: %u told so far, not %zu", b->why, b->r->told,
		      op->n);
		break;
	default:
		break;
	}
}

static uint64_t odd_bits(const struct record *r)
{
	uint64_t bits = 0;

	for (int a = 0; a < ANOMALY_COUNT; a++)
		bits |= r->odd[a] ? 1ULL << a : 0;
	return bits;
}

static void check_talk(struct bench *b, const struct talk *t)
{
	CHECK(strcmp(b->r->brief.at, t->expect) == 0, "%s:\n%s", t->why, b->r->brief.at);
	CHECK(odd_bits(b->r) == t->odd, "%s: anomalies %llx, not %llx", t->why,
	      (unsigned long long)odd_bits(b->r), (unsigned long long)t->odd);
}

static void talk_whole(struct bench *b, const struct talk *t)
{
	stream_begin(b, t->why);
	for (const struct op *op = t->op; op->what; op++)
		say_op(b, op);
	stream_end(b);
}

static void expect_talks(const struct talk *t, size_t n)
{
	struct bench b;

	bench_open(&b, &roomy);
	for (size_t i = 0; i < n; i++) {
		talk_whole(&b, &t[i]);
		check_talk(&b, &t[i]);
		b.client = !b.client;
	}
	bench_close(&b);
}

static void test_conversations(void)
{
	expect_talks(talks, sizeof(talks) / sizeof(talks[0]));
}

static void test_holes(void)
{
	expect_talks(holes, sizeof(holes) / sizeof(holes[0]));
}

/* ---- the same in other chunks ---- */

static bool same_body(const struct body *a, const struct body *b)
{
	return a->told == b->told && a->over == b->over && memcmp(a->at, b->at, a->n) == 0;
}

static void expect_same(struct bench *b, const struct record *whole, const char *how)
{
	bool all = strcmp(b->r->all.at, whole->all.at) == 0;
	const char *x = b->r->all.at, *y = whole->all.at;

	while (!all && *x == *y)
		x++, y++;
	CHECK(all, "%s, %s: ...%.60s, not ...%.60s", b->why, how, x, y);
	CHECK(memcmp(b->r->odd, whole->odd, sizeof(whole->odd)) == 0, "%s, %s: anomalies %llx",
	      b->why, how, (unsigned long long)odd_bits(b->r));
	for (size_t i = 0; i < BODIES; i++)
		CHECK(same_body(&b->r->body[i][0], &whole->body[i][0]) &&
			      same_body(&b->r->body[i][1], &whole->body[i][1]),
		      "%s, %s: bodies of tx %zu", b->why, how, i);
}

/* Chunks of at most `most` bytes in the order of the conversation; with dice, of any length. */
static void talk_ordered(struct bench *b, const struct talk *t, uint32_t most, struct dice *d)
{
	stream_begin(b, t->why);
	for (const struct op *op = t->op; op->what; op++) {
		size_t used = 0;

		if (op->what != 'c' && op->what != 's') {
			say_op(b, op);
			continue;
		}
		while (used < op->n) {
			size_t n = d ? 1 + dice_below(d, most) : most;

			n = n < op->n - used ? n : op->n - used;
			say_op(b, &(struct op){op->what, op->text + used, n});
			used += n;
		}
	}
	stream_end(b);
}

/* The next part of what a side says; false where it has said all. */
static bool next_part(struct bench *b, const struct op **at, size_t *used, bool server,
		      uint32_t most, struct dice *d)
{
	const char *mine = server ? "sy" : "cx";
	size_t n = 1 + dice_below(d, most);

	while ((*at)->what && !strchr(mine, (*at)->what))
		(*at)++;
	if (!(*at)->what)
		return false;
	n = n < (*at)->n - *used ? n : (*at)->n - *used;
	say_op(b, &(struct op){(*at)->what, (*at)->text + *used, n});
	*used += n;
	if (*used == (*at)->n) {
		(*at)++;
		*used = 0;
	}
	return true;
}

/* Each side says its own in order; who comes next is thrown. */
static void talk_mixed(struct bench *b, const struct talk *t, uint32_t most, struct dice *d)
{
	const struct op *at[2] = {t->op, t->op};
	size_t used[2] = {0};
	uint32_t bias = 1 + dice_below(d, 9); /* tenths */
	bool more[2] = {true, true};

	stream_begin(b, t->why);
	while (more[0] || more[1]) {
		bool server = dice_below(d, 10) < bias;

		server = more[server] ? server : !server;
		more[server] = next_part(b, &at[server], &used[server], server, most, d);
	}
	stream_end(b);
}

static void keep(struct record *whole, struct bench *b, const struct talk *t)
{
	talk_whole(b, t);
	memcpy(whole, b->r, sizeof(*whole));
}

static void any_chunks(const struct talk *t, size_t n)
{
	static struct record whole;
	struct dice d = dice_of(832);
	struct bench b;

	bench_open(&b, &roomy);
	for (size_t i = 0; i < n; i++) {
		b.client = i & 1;
		keep(&whole, &b, &t[i]);
		talk_ordered(&b, &t[i], 1, NULL);
		expect_same(&b, &whole, "byte by byte");
		for (int k = 0; k < 40; k++) {
			talk_ordered(&b, &t[i], k % 2 ? 12 : 90, &d);
			expect_same(&b, &whole, "in random chunks");
			if (t[i].ordered)
				continue;
			talk_mixed(&b, &t[i], k % 2 ? 12 : 90, &d);
			expect_same(&b, &whole, "in any order");
		}
	}
	bench_close(&b);
}

static void test_any_chunks(void)
{
	any_chunks(talks, sizeof(talks) / sizeof(talks[0]));
}

static void test_any_chunks_and_holes(void)
{
	any_chunks(holes, sizeof(holes) / sizeof(holes[0]));
}

static void talk_split(struct bench *b, const struct talk *t, const struct op *split, size_t n)
{
	stream_begin(b, t->why);
	for (const struct op *op = t->op; op->what; op++) {
		if (op == split) {
			say_op(b, &(struct op){op->what, op->text, n});
			say_op(b, &(struct op){op->what, op->text + n, op->n - n});
		} else {
			say_op(b, op);
		}
	}
	stream_end(b);
}

/* Every text in two parts, everywhere. */
static void every_split(struct bench *b, const struct talk *t, struct record *whole)
{
	keep(whole, b, t);
	for (const struct op *op = t->op; op->what; op++) {
		if (op->what != 'c' && op->what != 's')
			continue;
		for (size_t n = 1; n < op->n; n++) {
			talk_split(b, t, op, n);
			expect_same(b, whole, "in two");
		}
	}
}

static void test_every_split(void)
{
	static struct record whole;
	struct bench b;

	bench_open(&b, &roomy);
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++)
		every_split(&b, &talks[i], &whole);
	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
		every_split(&b, &holes[i], &whole);
	bench_close(&b);
}

/* ---- offsets and texts ---- */

/* The transaction told last, with copies of its texts. */
struct last {
	struct bench b;
	struct http1_transaction t;
	char text[HTTP1_TEXT_COUNT][64], filename[2][64];
	char name[2][8][64], value[2][8][64];
	uint32_t n;
};

static void copy_text(char *to, struct span s)
{
	size_t n = span_len(s) < 63 ? span_len(s) : 63;

	memcpy(to, s.at ? (const char *)s.at : "", n);
	to[n] = 0;
}

static void on_last(struct parse_host *host, const struct http1_transaction *t)
{
	struct last *l = (struct last *)host;

	on_http(host, t);
	l->t = *t;
	l->n++;
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++)
		copy_text(l->text[i], t->text[i]);
	for (int side = 0; side < 2; side++) {
		copy_text(l->filename[side], t->filename[side]);
		for (uint32_t i = 0; i < t->fields[side] && i < 8; i++) {
			copy_text(l->name[side][i], t->field[side][i].name);
			copy_text(l->value[side][i], t->field[side][i].value);
		}
	}
}

static void last_open(struct last *l, const struct http1_conf *conf)
{
	memset(l, 0, sizeof(*l));
	bench_open(&l->b, conf);
	l->b.host.http = on_last;
}

static void expect_range(const struct last *l, int side, uint64_t start, uint64_t header_end,
			 uint64_t end)
{
	const struct http1_message *m = &l->t.side[side];

	CHECK(m->start == start && m->header_end == header_end && m->end == end,
	      "%s, side %d: %llu, %llu, %llu, not %llu, %llu, %llu", l->b.why, side,
	      (unsigned long long)m->start, (unsigned long long)m->header_end,
	      (unsigned long long)m->end, (unsigned long long)start, (unsigned long long)header_end,
	      (unsigned long long)end);
}

static void test_offsets(void)
{
	static const struct {
		struct talk t;
		uint64_t request[3], response[3];
	} rows[] = {
		{TALK("empty lines before both", "", 0, C("\r\n\r\n" GET("/")), S("\r\n" HELLO)),
		 {4, 31, 31},
		 {2, 40, 45}},
		{TALK("chunks and trailer", "", 0, C(GET("/")),
		      S(OK(CHUNKED) "5\r\nhello\r\n0\r\nA: b\r\n\r\n" HELLO)),
		 {0, 27, 27},
		 {0, 47, 68}},
		{TALK("an interim response", "", 0, C(GET("/")),
		      S("HTTP/1.1 100 Continue\r\n\r\n" HELLO)),
		 {0, 27, 27},
		 {25, 63, 68}},
		{TALK("a simple answer", "", 0, C("GET /old\r\n"), S("old"), S_FIN, C_FIN),
		 {0, 10, 10},
		 {0, 0, 3}},
		{TALK("a hole in a body", "", 0, C(GET("/")), S(OK("Content-Length: 20\r\n") "ab"),
		      S_LOSES(18)),
		 {0, 27, 27},
		 {0, 39, 59}},
		{TALK("a hole beyond a body", "", 0, C(GET("/")),
		      S(OK("Content-Length: 20\r\n") "ab"), S_LOSES(50)),
		 {0, 27, 27},
		 {0, 39, 59}},
	};
	struct last l;

	last_open(&l, &roomy);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.n = 0;
		stream_begin(&l.b, rows[i].t.why);
		for (const struct op *op = rows[i].t.op; op->what; op++)
			say_op(&l.b, op);
		CHECK(l.n == 1, "%s: %u told", rows[i].t.why, l.n);
		expect_range(&l, 0, rows[i].request[0], rows[i].request[1], rows[i].request[2]);
		expect_range(&l, 1, rows[i].response[0], rows[i].response[1], rows[i].response[2]);
		stream_end(&l.b);
	}
	bench_close(&l.b);
}

static void test_interim_counts(void)
{
	static const char interim[] = "HTTP/1.1 102 Wait\r\n\r\n";
	struct last l;

	last_open(&l, &roomy);
	stream_begin(&l.b, "interim");
	for (uint16_t n = 0; n < 4; n++) {
		feed(&l.b, l.b.client, GET("/"), sizeof(GET("/")) - 1);
		for (uint16_t i = 0; i < n; i++)
			feed(&l.b, !l.b.client, interim, sizeof(interim) - 1);
		feed(&l.b, !l.b.client, HELLO, sizeof(HELLO) - 1);
		CHECK(l.n == n + 1U && l.t.interim == n && l.t.tx_id == n, "%u interim, tx %u",
		      l.t.interim, l.t.tx_id);
	}
	stream_end(&l.b);
	bench_close(&l.b);
}

static void test_texts(void)
{
	static const struct talk t = {
		"texts",
		{C("POST /a?b=c HTTP/1.1\r\nHost: h.example:80\r\nX:  y \r\nuser-agent: u\r\n"
		   "Referer: http://r/\r\nContent-Disposition: form-data; filename=up.bin\r\n"
		   "Content-Length: 2\r\n\r\nab"),
		 S("HTTP/1.0 302 Found it\r\nLocation: /b\r\nContent-Type: text/html; charset=x\r\n"
		   "Content-Disposition: attachment; FileName=\"a b.txt\"; x=y\r\n"
		   "Content-Length: 3\r\n\r\nabc")},
		"POST /a?b=c 2 > 302 3 +\n",
		0,
		false};
	static const char *const expect[HTTP1_TEXT_COUNT] = {
		[HTTP1_TEXT_METHOD] = "POST",
		[HTTP1_TEXT_TARGET] = "/a?b=c",
		[HTTP1_TEXT_VERSION] = "HTTP/1.1",
		[HTTP1_TEXT_HOST] = "h.example:80",
		[HTTP1_TEXT_USER_AGENT] = "u",
		[HTTP1_TEXT_REFERER] = "http://r/",
		[HTTP1_TEXT_REASON] = "Found it",
		[HTTP1_TEXT_RESPONSE_VERSION] = "HTTP/1.0",
		[HTTP1_TEXT_CONTENT_TYPE] = "text/html; charset=x",
		[HTTP1_TEXT_LOCATION] = "/b",
	};
	struct last l;

	last_open(&l, &roomy);
	talk_whole(&l.b, &t);
	check_talk(&l.b, &t);
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++)
		CHECK(strcmp(l.text[i], expect[i]) == 0, "text %d: %s", i, l.text[i]);
	CHECK(strcmp(l.filename[0], "up.bin") == 0 && strcmp(l.filename[1], "a b.txt") == 0,
	      "files %s and %s", l.filename[0], l.filename[1]);
	CHECK(l.t.fields[0] == 6 && l.t.fields[1] == 4, "%u and %u headers", l.t.fields[0],
	      l.t.fields[1]);
	CHECK(strcmp(l.name[0][1], "X") == 0 && strstr(l.value[0][1], "y"), "X: %s", l.value[0][1]);
	CHECK(strcmp(l.name[1][0], "Location") == 0 && strstr(l.value[1][0], "/b"), "Location: %s",
	      l.value[1][0]);
	bench_close(&l.b);
}

/* Runs of blanks as one, none at the ends. */
static void squeeze(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++)
		if (*p != ' ' || (to > s && to[-1] != ' ' && p[1]))
			*to++ = *p;
	*to = 0;
}

/* RFC 9112 §5.2: a fold is blanks, whether all headers are wanted or a few. */
static void test_folded_texts(void)
{
	static const struct talk t = {
		"folds",
		{C("GET / HTTP/1.1\r\nUser-Agent: one\r\n two\r\n\t three\r\nHost: h\r\nX: 1\r\n "
		   "2\r\n"
		   "\r\n"),
		 S("HTTP/1.1 200 OK\r\nContent-Type:\r\n text/html\r\nContent-Length: 0\r\n\r\n")},
		"GET / 0 > 200 0 +\n",
		ODD(FOLDED),
		false};
	for (int all = 0; all < 2; all++) {
		struct http1_conf conf = roomy;
		struct last l;

		conf.all_headers = all;
		last_open(&l, &conf);
		talk_whole(&l.b, &t);
		check_talk(&l.b, &t);
		squeeze(l.text[HTTP1_TEXT_USER_AGENT]);
		squeeze(l.text[HTTP1_TEXT_CONTENT_TYPE]);
		CHECK(strcmp(l.text[HTTP1_TEXT_USER_AGENT], "one two three") == 0, "%d: %s", all,
		      l.text[HTTP1_TEXT_USER_AGENT]);
		CHECK(strcmp(l.text[HTTP1_TEXT_CONTENT_TYPE], "text/html") == 0, "%d: %s", all,
		      l.text[HTTP1_TEXT_CONTENT_TYPE]);
		CHECK(strcmp(l.text[HTTP1_TEXT_HOST], "h") == 0, "%d: %s", all,
		      l.text[HTTP1_TEXT_HOST]);
		CHECK(l.t.fields[0] == (all ? 3 : 0), "%u headers", l.t.fields[0]);
		for (uint32_t i = 0; all && i < 3; i++) {
			static const char *const value[] = {"one two three", "h", "1 2"};

			squeeze(l.value[0][i]);
			CHECK(strcmp(l.value[0][i], value[i]) == 0, "%s: %s", l.name[0][i],
			      l.value[0][i]);
		}
		bench_close(&l.b);
	}
}

/* ---- hand-over ---- */

static const struct {
	struct talk t;
	enum service_name service;
	bool deflate, no_context[2];
	const char *client, *server; /* bytes behind it, where chunks are whole */
} handed_over[] = {
	{IN_ORDER("CONNECT", "CONNECT b:443 0 > 200 0 +\n", 0,
		  C("CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n"),
		  S("HTTP/1.1 200 Connected\r\nContent-Length: 9\r\n\r\n\x16\x03 is theirs"),
		  C("mine\r\n" GET("/"))),
	 SERVICE_UNKNOWN,
	 false,
	 {false, false},
	 "mine\r\n" GET("/"),
	 "\x16\x03 is theirs"},
	{IN_ORDER("CONNECT, and the client does not wait", "CONNECT b:443 0 > 200 0 +\n", 0,
		  C("CONNECT b:443 HTTP/1.1\r\n\r\n\x16\x03\x01 hello\nand\n"),
		  S("HTTP/1.1 200 Connected\r\n" CHUNKED "\r\n"), S("theirs")),
	 SERVICE_UNKNOWN,
	 false,
	 {false, false},
	 "",
	 "theirs"},
	{IN_ORDER("websocket", "GET /1 0 > 200 5 +\nGET /ws 0 > 101 0 +\n", 0,
		  C(GET("/1") "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: "
			      "WebSocket\r\n"
			      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
		  S(HELLO "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
			  "Sec-WebSocket-Extensions: permessage-deflate; "
			  "server_no_context_takeover\r\n\r\n\x81\2hi"),
		  C("\x81\x80")),
	 SERVICE_WEBSOCKET,
	 true,
	 {false, true},
	 "\x81\x80",
	 "\x81\2hi"},
	{/* RFC 7692 §5: the server has to agree */
	 IN_ORDER("websocket without extensions", "GET /ws 0 > 101 0 +\n", 0,
		  C("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"
		    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
		  S("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")),
	 SERVICE_WEBSOCKET,
	 false,
	 {false, false},
	 "",
	 ""},
	{IN_ORDER("something else", "GET / 0 > 101 0 +\n", 0,
		  C("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"),
		  S("HTTP/1.1 100 Continue\r\n\r\n"
		    "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nframes")),
	 SERVICE_UNKNOWN,
	 false,
	 {false, false},
	 "",
	 "frames"},
};

static void test_handed_over(void)
{
	static struct record whole;
	struct bench b;

	bench_open(&b, &roomy);
	for (size_t i = 0; i < sizeof(handed_over) / sizeof(handed_over[0]); i++) {
		const struct parse_next *next = &b.r->next;
		const char *why = handed_over[i].t.why;

		talk_whole(&b, &handed_over[i].t);
		check_talk(&b, &handed_over[i].t);
		CHECK(b.r->got == PARSE_DONE && next->service == handed_over[i].service &&
			      next->deflate == handed_over[i].deflate &&
			      next->no_context[0] == handed_over[i].no_context[0] &&
			      next->no_context[1] == handed_over[i].no_context[1],
		      "%s: %d, %s, %d, %d%d", why, b.r->got, service_name_text(next->service),
		      next->deflate, next->no_context[0], next->no_context[1]);
		CHECK(strcmp(b.r->rest[b.client].at, handed_over[i].client) == 0,
		      "%s: the client goes on", why);
		CHECK(strcmp(b.r->rest[!b.client].at, handed_over[i].server) == 0,
		      "%s: the server goes on", why);
		every_split(&b, &handed_over[i].t, &whole);
		CHECK(strcmp(b.r->rest[!b.client].at, handed_over[i].server) == 0,
		      "%s: the server goes on, split", why);
		b.client = !b.client;
	}
	bench_close(&b);
}

/* ---- who is who ---- */

/* "What is said tells more than who opened." */
static void test_sides_swapped(void)
{
	struct bench b;

	bench_open(&b, &roomy);
	b.wrong_way = true;
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		const char *first = talks[i].op[0].text;

		if (strncmp(first, "GET / HTTP/1.1", 14) != 0 && strncmp(first, "POST", 4) != 0 &&
		    strncmp(first, "HTTP/", 5) != 0)
			continue;
		talk_whole(&b, &talks[i]);
		check_talk(&b, &talks[i]);
	}
	bench_close(&b);
}

/* Neither side is heard from its first byte. */
static void test_midstream(void)
{
	static const struct talk rows[] = {
		IN_ORDER("between messages", HEARD_BOTH, 0, C(GET("/1")), S(HELLO), C(GET("/2")),
			 S(NOT_FOUND)),
		IN_ORDER("in an answer", "GET /2 0 > 404 2 +\n", 0, S("rest of a page\nand more\n"),
			 C(GET("/2")), S(NOT_FOUND)),
		IN_ORDER("in both", "GET /2 0 > 404 2 +\n", 0, C("st: a\r\nAccept: b\r\n\r\n"),
			 S("th: 5\r\n\r\nhello\r\n"), C(GET("/2")), S(NOT_FOUND)),
		IN_ORDER("in a request", "- - 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
			 C("rest of an upload"), S(HELLO), C("\r\n" GET("/2")), S(NOT_FOUND)),
	};
	struct bench b;

	bench_open(&b, &roomy);
	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct talk *t = &rows[i / 4];

		b.client = i & 1;
		b.wrong_way = i & 2;
		stream_begin(&b, t->why);
		for (uint8_t dir = 0; dir < 2; dir++) {
			b.off[dir] = 1000 + dir;
			b.h.parser.ops->midstream(&b.h.parser, b.state, side_of(&b, dir),
						  b.off[dir]);
		}
		for (const struct op *op = t->op; op->what; op++)
			say_op(&b, op);
		stream_end(&b);
		check_talk(&b, t);
	}
	bench_close(&b);
}

/* ---- bounds ---- */

/* Requests and answers with numbers in them: none is paired with another's. */
struct numbers {
	struct bench b;
	uint32_t paired, requests, responses, wrong;
};

static void on_number(struct parse_host *host, const struct http1_transaction *t)
{
	struct numbers *n = (struct numbers *)host;
	struct span target = t->text[HTTP1_TEXT_TARGET], reason = t->text[HTTP1_TEXT_REASON];
	bool both = t->side[0].seen && t->side[1].seen;

	n->requests += t->side[0].seen;
	n->responses += t->side[1].seen;
	n->paired += both;
	n->wrong += both && (span_len(target) != span_len(reason) + 1 ||
			     memcmp(target.at + 1, reason.at, span_len(reason)) != 0);
}

static void numbers_open(struct numbers *n, const struct http1_conf *conf)
{
	memset(n, 0, sizeof(*n));
	bench_open(&n->b, conf);
	n->b.host.http = on_number;
	stream_begin(&n->b, "numbers");
}

static void ask(struct numbers *n, uint32_t from, uint32_t to)
{
	char text[64];

	for (; from < to; from++) {
		int len = snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\n\r\n", from);

		feed(&n->b, n->b.client, text, (size_t)len);
	}
}

static void answer(struct numbers *n, uint32_t from, uint32_t to)
{
	char text[64];

	for (; from < to; from++) {
		int len = snprintf(text, sizeof(text),
				   "HTTP/1.1 200 %u\r\nContent-Length: 1\r\n\r\nx", from);

		feed(&n->b, !n->b.client, text, (size_t)len);
	}
}

static void test_queue_is_bounded(void)
{
	struct numbers n;

	numbers_open(&n, &roomy);
	ask(&n, 0, HTTP1_QUEUE);
	CHECK(n.b.r->odd[ANOMALY_HTTP_QUEUE] == 0 && n.requests == 0, "as many as there may be");
	ask(&n, HTTP1_QUEUE, HTTP1_QUEUE + 6);
	CHECK(n.b.r->odd[ANOMALY_HTTP_QUEUE] == 6 && n.requests == 6 && n.paired == 0,
	      "six more: %u told", n.requests);
	answer(&n, 0, HTTP1_QUEUE + 6);
	CHECK(n.paired == HTTP1_QUEUE && n.responses == HTTP1_QUEUE + 6 && n.wrong == 0,
	      "%u paired, %u answers, %u wrong", n.paired, n.responses, n.wrong);
	ask(&n, 5000, 5003);
	answer(&n, 5000, 5003);
	CHECK(n.paired == HTTP1_QUEUE + 3 && n.wrong == 0, "later ones");
	stream_end(&n.b);
	CHECK(n.requests == HTTP1_QUEUE + 9 && n.responses == HTTP1_QUEUE + 9, "each one once");
	bench_close(&n.b);
}

/* While an answer is being read its request cannot be given up. */
static void test_queue_is_full_within_an_answer(void)
{
	static const char begin[] = "HTTP/1.1 200 0\r\nContent-Length: 1\r\n\r\n";
	struct numbers n;

	numbers_open(&n, &roomy);
	ask(&n, 0, HTTP1_QUEUE);
	feed(&n.b, !n.b.client, begin, sizeof(begin) - 1);
	ask(&n, HTTP1_QUEUE, HTTP1_QUEUE + 3);
	feed(&n.b, !n.b.client, "x", 1);
	answer(&n, 1, HTTP1_QUEUE + 3);
	ask(&n, 5000, 5003);
	answer(&n, 5000, 5003);
	stream_end(&n.b);
	CHECK(n.b.r->odd[ANOMALY_HTTP_QUEUE] == 3 && n.wrong == 0, "%u of %u wrong", n.wrong,
	      n.paired);
	bench_close(&n.b);
}

static void test_early_answers_are_bounded(void)
{
	struct numbers n;

	numbers_open(&n, &roomy);
	answer(&n, 0, HTTP1_EARLY);
	CHECK(n.responses == 0, "they wait");
	ask(&n, 0, HTTP1_EARLY);
	CHECK(n.paired == HTTP1_EARLY && n.wrong == 0, "%u paired, %u wrong", n.paired, n.wrong);
	answer(&n, 100, 100 + HTTP1_EARLY + 4);
	CHECK(n.responses == HTTP1_EARLY + 4, "what waits too long is told");
	ask(&n, 100, 100 + HTTP1_EARLY + 4);
	stream_end(&n.b);
	CHECK(n.wrong == 0, "%u of %u wrong", n.wrong, n.paired);
	bench_close(&n.b);
}

/* No room for an exchange: counted, and the others are not mixed up. */
static void test_exchanges_taken(void)
{
	struct http1_conf conf = roomy;
	struct numbers n;

	conf.exchanges = 3;
	numbers_open(&n, &conf);
	ask(&n, 0, 5);
	CHECK(n.b.h.counts.exchanges_refused == 2, "%llu refused",
	      (unsigned long long)n.b.h.counts.exchanges_refused);
	answer(&n, 0, 5);
	CHECK(n.paired == 3 && n.wrong == 0, "%u paired, %u wrong", n.paired, n.wrong);
	ask(&n, 5, 8);
	answer(&n, 5, 8);
	stream_end(&n.b);
	CHECK(n.paired == 6 && n.wrong == 0, "later: %u paired, %u wrong", n.paired, n.wrong);
	bench_close(&n.b);
}

/* An answer whose exchange found no room is framed all the same. */
static void test_framing_without_exchanges(void)
{
	static const char answers[] =
		"HTTP/1.1 204 0\r\n\r\nHTTP/1.1 304 1\r\nContent-Length: 9\r\n\r\n"
		"HTTP/1.1 200 2\r\nContent-Length: 1\r\n\r\nx";
	struct http1_conf conf = roomy;
	struct numbers n;
	uint32_t other;

	conf.exchanges = 1;
	numbers_open(&n, &conf);
	other = n.b.state; /* this stream holds the only exchange */
	ask(&n, 99, 100);
	n.b.off[0] = n.b.off[1] = 0;
	n.b.state = parser_start(&n.b.h.parser);
	CU_ASSERT_NOT_EQUAL_FATAL(n.b.state, 0);
	ask(&n, 0, 3);
	feed(&n.b, !n.b.client, answers, sizeof(answers) - 1);
	parser_end(&n.b.h.parser, other);
	ask(&n, 3, 4);
	answer(&n, 3, 4);
	stream_end(&n.b);
	CHECK(n.paired == 1 && n.wrong == 0, "%u paired, %u wrong", n.paired, n.wrong);
	bench_close(&n.b);
}

static void test_states_taken(void)
{
	struct bench b;
	uint32_t one, two;

	bench_open(&b, &roomy);
	one = parser_start(&b.h.parser);
	two = parser_start(&b.h.parser);
	CU_ASSERT_TRUE(one && two && one != two);
	CU_ASSERT_EQUAL(parser_start(&b.h.parser), 0);
	CU_ASSERT_EQUAL(b.h.parser.refused, 1);
	parser_end(&b.h.parser, one);
	CHECK(parser_start(&b.h.parser) == one, "free again");
	parser_end(&b.h.parser, one);
	parser_end(&b.h.parser, two);
	bench_close(&b);
}

/* Too little room for texts, lines and decoders: messages are told nevertheless. */
static void test_little_room(void)
{
	static const struct talk t = {
		"little room",
		{C("GET /a HTTP/1.1\r\nUser-Agent: " X512 "\r\nHost: h\r\n"),
		 S("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br\r\nContent-Len"), C("\r\n"),
		 S("gth: 32\r\n\r\n" GZIP_BR)},
		"",
		0,
		true};
	struct http1_conf conf = roomy;
	struct last l;

	conf.cells = 2;
	conf.coding.large = 0;
	last_open(&l, &conf);
	talk_whole(&l.b, &t);
	CHECK(l.n == 1 && l.t.complete && l.t.side[1].length == 32 && l.t.status == 200,
	      "as it came: %u told, %llu bytes", l.n, (unsigned long long)l.t.side[1].length);
	CHECK(strcmp(l.text[HTTP1_TEXT_TARGET], "/a") == 0 && !l.text[HTTP1_TEXT_USER_AGENT][0],
	      "what fits is kept");
	CHECK(l.b.h.counts.texts_refused >= 2 && l.b.h.codings.refused == 1, "counted");
	bench_close(&l.b);
	conf.lines = 0;
	last_open(&l, &conf);
	talk_whole(&l.b, &t);
	CHECK(l.n == 1 && l.b.r->odd[ANOMALY_HTTP_LINE_LONG] == 1 && l.b.h.lines.refused == 1,
	      "a line was lost");
	bench_close(&l.b);
}

/* RFC 9110 §8.4: what decodes to too much is no file, and none of its wire bytes is content. */
static void test_bomb(void)
{
	static const char head[] = OK("Content-Encoding: gzip\r\nContent-Length: 28\r\n");
	struct http1_conf conf = roomy;

	conf.coding.max_bytes = 10;
	for (size_t split = 1; split <= sizeof(GZIPPED) - 1; split++) {
		struct last l;

		last_open(&l, &conf);
		stream_begin(&l.b, "bomb");
		feed(&l.b, l.b.client, GET("/"), sizeof(GET("/")) - 1);
		feed(&l.b, !l.b.client, head, sizeof(head) - 1);
		feed(&l.b, !l.b.client, GZIPPED, split);
		feed(&l.b, !l.b.client, GZIPPED NOT_FOUND + split,
		     sizeof(GZIPPED NOT_FOUND) - 1 - split);
		CHECK(l.n == 1 && l.t.status == 200 && l.t.side[1].wire_length == 28,
		      "framing, split at %zu", split);
		CHECK(l.b.r->odd[ANOMALY_HTTP_DECODE_LIMIT] == 1 && !l.t.side[1].file_whole &&
			      l.t.side[1].length <= conf.coding.max_bytes,
		      "split at %zu: %llu bytes%s", split, (unsigned long long)l.t.side[1].length,
		      l.t.side[1].file_whole ? ", whole" : "");
		stream_end(&l.b);
		bench_close(&l.b);
	}
}

/* Which bodies are files that could be kept. */
static void test_files_whole(void)
{
	static const struct {
		struct talk t;
		bool whole;
	} rows[] = {
		{IN_ORDER("as it is", "", 0, C(GET("/")), S(HELLO)), true},
		{IN_ORDER("in chunks", "", 0, C(GET("/")), S(OK(CHUNKED) "1\r\na\r\n0\r\n\r\n")),
		 true},
		{IN_ORDER("up to the end", "", 0, C(GET("/")), S(OK("") "abc"), S_FIN), true},
		{IN_ORDER("up to no end", "", 0, C(GET("/")), S(OK("") "abc")), false},
		{IN_ORDER("decoded", "", 0, C(GET("/")),
			  S(OK("Content-Encoding: gzip\r\nContent-Length: 28\r\n") GZIPPED)),
		 true},
		{IN_ORDER("decoded, in layers", "", 0, C(GET("/")),
			  S(OK("Content-Encoding: gzip,br\r\nContent-Length: 32\r\n") GZIP_BR)),
		 true},
		{IN_ORDER("decoded, cut short", "", 0, C(GET("/")),
			  S(OK("Content-Encoding: br\r\nContent-Length: 12\r\n") BROTLIED), S_FIN),
		 false},
		{IN_ORDER("damaged", "", 0, C(GET("/")),
			  S(OK("Content-Encoding: gzip\r\nContent-Length: 3\r\n") "abc")),
		 false},
		{IN_ORDER("with a hole", "", 0, C(GET("/")), S(OK("Content-Length: 5\r\n") "ab"),
			  S_LOSES(3)),
		 false},
	};
	struct last l;

	last_open(&l, &roomy);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.n = 0;
		talk_whole(&l.b, &rows[i].t);
		CHECK(l.n == 1 && l.t.side[1].file_whole == rows[i].whole && l.t.side[1].has_body,
		      "%s: %d", rows[i].t.why, l.t.side[1].file_whole);
	}
	bench_close(&l.b);
}

CU_TestInfo http1_tests[] = {
	{"request_lines", test_request_lines},
	{"status_lines", test_status_lines},
	{"header_lines", test_header_lines},
	{"chunk_sizes", test_chunk_sizes},
	{"lengths", test_lengths},
	{"transfers", test_transfers},
	{"lists", test_lists},
	{"filenames", test_filenames},
	{"any_line", test_any_line},
	{"conversations", test_conversations},
	{"holes", test_holes},
	{"any_chunks", test_any_chunks},
	{"any_chunks_and_holes", test_any_chunks_and_holes},
	{"every_split", test_every_split},
	{"offsets", test_offsets},
	{"interim_counts", test_interim_counts},
	{"texts", test_texts},
	{"folded_texts", test_folded_texts},
	{"handed_over", test_handed_over},
	{"sides_swapped", test_sides_swapped},
	{"midstream", test_midstream},
	{"queue_is_bounded", test_queue_is_bounded},
	{"queue_is_full_within_an_answer", test_queue_is_full_within_an_answer},
	{"early_answers_are_bounded", test_early_answers_are_bounded},
	{"exchanges_taken", test_exchanges_taken},
	{"framing_without_exchanges", test_framing_without_exchanges},
	{"states_taken", test_states_taken},
	{"little_room", test_little_room},
	{"bomb", test_bomb},
	{"files_whole", test_files_whole},
	CU_TEST_INFO_NULL,
};
