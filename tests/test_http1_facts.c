/* SPDX-License-Identifier: MIT */
/*
 * http1_facts — what is told of a message beside its bytes: offsets, texts, whether all is there.
 */
#include <string.h>

#include "tests/guard.h"
#include "tests/http1_host.h"
#include "tests/suites.h"

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

	last_open(&l, &h1_roomy);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.n = 0;
		h1_begin(&l.b, rows[i].t.why);
		for (const struct op *op = rows[i].t.op; op->what; op++)
			h1_op(&l.b, op);
		CHECK(l.n == 1, "%s: %u told", rows[i].t.why, l.n);
		expect_range(&l, 0, rows[i].request[0], rows[i].request[1], rows[i].request[2]);
		expect_range(&l, 1, rows[i].response[0], rows[i].response[1], rows[i].response[2]);
		h1_end(&l.b);
	}
	h1_close(&l.b);
}

static void test_interim_counts(void)
{
	static const char interim[] = "HTTP/1.1 102 Wait\r\n\r\n";
	struct last l;

	last_open(&l, &h1_roomy);
	h1_begin(&l.b, "interim");
	for (uint16_t n = 0; n < 4; n++) {
		h1_feed(&l.b, l.b.client, GET("/"), sizeof(GET("/")) - 1);
		for (uint16_t i = 0; i < n; i++)
			h1_feed(&l.b, !l.b.client, interim, sizeof(interim) - 1);
		h1_feed(&l.b, !l.b.client, HELLO, sizeof(HELLO) - 1);
		CHECK(l.n == n + 1U && l.t.interim == n && l.t.tx_id == n, "%u interim, tx %u",
		      l.t.interim, l.t.tx_id);
	}
	h1_end(&l.b);
	h1_close(&l.b);
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

	last_open(&l, &h1_roomy);
	h1_talk(&l.b, &t);
	h1_check_talk(&l.b, &t);
	for (int i = 0; i < HTTP1_TEXT_COUNT; i++)
		CHECK(strcmp(l.text[i], expect[i]) == 0, "text %d: %s", i, l.text[i]);
	CHECK(strcmp(l.filename[0], "up.bin") == 0 && strcmp(l.filename[1], "a b.txt") == 0,
	      "files %s and %s", l.filename[0], l.filename[1]);
	CHECK(l.t.fields[0] == 6 && l.t.fields[1] == 4, "%u and %u headers", l.t.fields[0],
	      l.t.fields[1]);
	CHECK(strcmp(l.name[0][1], "X") == 0 && strstr(l.value[0][1], "y"), "X: %s", l.value[0][1]);
	CHECK(strcmp(l.name[1][0], "Location") == 0 && strstr(l.value[1][0], "/b"), "Location: %s",
	      l.value[1][0]);
	h1_close(&l.b);
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
		struct http1_conf conf = h1_roomy;
		struct last l;

		conf.all_headers = all;
		last_open(&l, &conf);
		h1_talk(&l.b, &t);
		h1_check_talk(&l.b, &t);
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
		h1_close(&l.b);
	}
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

	h1_open(&b, &h1_roomy);
	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct talk *t = &rows[i / 4];

		b.client = i & 1;
		b.wrong_way = i & 2;
		h1_begin(&b, t->why);
		for (uint8_t dir = 0; dir < 2; dir++) {
			b.off[dir] = 1000 + dir;
			b.h.parser.ops->midstream(&b.h.parser, b.state, h1_side(&b, dir),
						  b.off[dir]);
		}
		for (const struct op *op = t->op; op->what; op++)
			h1_op(&b, op);
		h1_end(&b);
		h1_check_talk(&b, t);
	}
	h1_close(&b);
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

	last_open(&l, &h1_roomy);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.n = 0;
		h1_talk(&l.b, &rows[i].t);
		CHECK(l.n == 1 && l.t.side[1].file_whole == rows[i].whole && l.t.side[1].has_body,
		      "%s: %d", rows[i].t.why, l.t.side[1].file_whole);
	}
	h1_close(&l.b);
}

CU_TestInfo http1_facts_tests[] = {
	{"offsets", test_offsets},
	{"interim_counts", test_interim_counts},
	{"texts", test_texts},
	{"folded_texts", test_folded_texts},
	{"midstream", test_midstream},
	{"files_whole", test_files_whole},
	CU_TEST_INFO_NULL,
};
