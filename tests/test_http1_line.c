/* SPDX-License-Identifier: MIT */
/*
 * http1_line — start lines, header fields, chunk sizes and lengths, each right, wrong and cut
 * short.
 */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/http1_host.h"
#include "tests/suites.h"
#include "user/parse/http1_line.h"

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
		bool got = http1_request_line(h1_guarded(&g, rows[i].line, rows[i].n), &r);

		CHECK(got == (rows[i].method != NULL), "row %zu: %s", i, rows[i].line);
		if (got && rows[i].method)
			CHECK(h1_same(r.method, rows[i].method) &&
				      h1_same(r.target, rows[i].target) &&
				      h1_same(r.version, rows[i].version),
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
		bool got = http1_status_line(h1_guarded(&g, rows[i].line, rows[i].n), &r);

		CHECK(got == (rows[i].status != 0), "row %zu: %s", i, rows[i].line);
		if (got && rows[i].status)
			CHECK(r.status == rows[i].status && h1_same(r.version, rows[i].version) &&
				      h1_same(r.reason, rows[i].reason),
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
			http1_header_line(h1_guarded(&g, rows[i].line, rows[i].n), &value, &blank);

		CHECK(got == rows[i].header, "row %zu: %s", i, rows[i].line);
		if (got != HTTP1_NONE)
			CHECK(h1_same(value, rows[i].value) && blank == rows[i].blank,
			      "row %zu: %s", i, rows[i].line);
	}
	for (int h = HTTP1_NONE + 1; h < HTTP1_HEADER_COUNT; h++) {
		char line[64];
		int n = snprintf(line, sizeof(line), "%s: v\r\n", known[h]);

		for (int upper = 0; upper < 2; upper++) {
			CHECK(http1_header_line(h1_guarded(&g, line, (size_t)n), &value, &blank) ==
					      (enum http1_header)h &&
				      h1_same(value, "v"),
			      "%s", line);
			for (char *p = line; *p != ':'; p++)
				*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		}
	}
	CHECK(http1_any_header(h1_guarded(&g, T("A-b: c: d \r\n")), &name, &value) &&
		      h1_same(name, "A-b") && h1_same(value, "c: d"),
	      "any header");
	CHECK(http1_any_header(h1_guarded(&g, T("A:\n")), &name, &value) && h1_same(name, "A") &&
		      h1_same(value, ""),
	      "without a value");
	CHECK(!http1_any_header(h1_guarded(&g, T("no header\r\n")), &name, &value), "no colon");
	CHECK(!http1_any_header(h1_guarded(&g, T(": x\r\n")), &name, &value), "no name");
	CHECK(!http1_any_header(h1_guarded(&g, T("\n")), &name, &value), "nothing");
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
		bool got = http1_chunk_size(h1_guarded(&g, rows[i].line, rows[i].n), &size, &odd);

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
		bool got = http1_length(h1_guarded(&g, rows[i].value, rows[i].n), &length, &over);

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
		struct span v = h1_guarded(&g, rows[i].value, strlen(rows[i].value));
		enum http1_transfer got = http1_transfer(v, &odd);

		CHECK(got == rows[i].last && odd == rows[i].odd, "%s: %d%s", rows[i].value, got,
		      odd ? ", odd" : "");
	}
	/* RFC 9112 §7.1: chunked has no parameters */
	for (size_t i = 0; i < sizeof(odd_ones) / sizeof(odd_ones[0]); i++) {
		http1_transfer(h1_guarded(&g, odd_ones[i], strlen(odd_ones[i])), &odd);
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
	list = h1_guarded(&g, T(" a,b c ;q=0.5,,\td\t, e ; x"));
	while (http1_list_next(&list, &element) && n < 5) {
		CHECK(h1_same(element, expect[n]) &&
			      h1_same(http1_without_parameters(element), plain[n]),
		      "element %zu", n);
		n++;
	}
	CU_ASSERT_EQUAL(n, 5);
	list = h1_guarded(&g, T(""));
	CU_ASSERT_FALSE(http1_list_next(&list, &element));
	CU_ASSERT_TRUE(http1_is(h1_guarded(&g, T("Gzip")), "gzip"));
	CU_ASSERT_TRUE(http1_is(h1_guarded(&g, T("")), ""));
	CU_ASSERT_FALSE(http1_is(h1_guarded(&g, T("gzi")), "gzip"));
	CU_ASSERT_FALSE(http1_is(h1_guarded(&g, T("gzipp")), "gzip"));
	CU_ASSERT_FALSE(http1_is(h1_guarded(&g, T("\x07zip")), "gzip"));
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
		struct span value = h1_guarded(&g, rows[i].value, strlen(rows[i].value));
		size_t n = http1_filename(value, out.end - 200, 200);

		CHECK(h1_same(span_of(out.end - 200, n), rows[i].name), "%s: %.*s", rows[i].value,
		      (int)n, (const char *)out.end - 200);
		for (size_t room = 0; room < 8; room++) /* what does not fit is cut */
			CHECK(http1_filename(value, out.end - room, room) <= room, "%s in %zu",
			      rows[i].value, room);
	}
	guard_close(&out);
	guard_close(&g);
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
		line = h1_guarded(&g, (const char *)text, n + 1);
		if (http1_request_line(line, &r))
			ok &= h1_within(line, r.method) && h1_within(line, r.target) &&
			      h1_within(line, r.version) && span_len(r.method) &&
			      span_len(r.target);
		if (http1_status_line(line, &s))
			ok &= h1_within(line, s.version) && h1_within(line, s.reason) &&
			      s.status < 1000;
		if (http1_header_line(line, &value, &flag))
			ok &= h1_within(line, value);
		if (http1_any_header(line, &name, &value))
			ok &= h1_within(line, value) && h1_within(line, name) &&
			      name.end < value.at;
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

CU_TestInfo http1_line_tests[] = {
	{"request_lines", test_request_lines},
	{"status_lines", test_status_lines},
	{"header_lines", test_header_lines},
	{"chunk_sizes", test_chunk_sizes},
	{"lengths", test_lengths},
	{"transfers", test_transfers},
	{"lists", test_lists},
	{"filenames", test_filenames},
	{"any_line", test_any_line},
	CU_TEST_INFO_NULL,
};
