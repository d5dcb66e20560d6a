/* SPDX-License-Identifier: MIT */
/*
 * http1_bounds — what runs out is refused, counted and said; nothing is told twice or lost for it.
 */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/http1_host.h"
#include "tests/suites.h"

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
	h1_open(&n->b, conf);
	n->b.host.http = on_number;
	h1_begin(&n->b, "numbers");
}

static void ask(struct numbers *n, uint32_t from, uint32_t to)
{
	char text[64];

	for (; from < to; from++) {
		int len = snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\n\r\n", from);

		h1_feed(&n->b, n->b.client, text, (size_t)len);
	}
}

static void answer(struct numbers *n, uint32_t from, uint32_t to)
{
	char text[64];

	for (; from < to; from++) {
		int len = snprintf(text, sizeof(text),
				   "HTTP/1.1 200 %u\r\nContent-Length: 1\r\n\r\nx", from);

		h1_feed(&n->b, !n->b.client, text, (size_t)len);
	}
}

static void test_queue_is_bounded(void)
{
	struct numbers n;

	numbers_open(&n, &h1_roomy);
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
	h1_end(&n.b);
	CHECK(n.requests == HTTP1_QUEUE + 9 && n.responses == HTTP1_QUEUE + 9, "each one once");
	h1_close(&n.b);
}

/* While an answer is being read its request cannot be given up. */
static void test_queue_is_full_within_an_answer(void)
{
	static const char begin[] = "HTTP/1.1 200 0\r\nContent-Length: 1\r\n\r\n";
	struct numbers n;

	numbers_open(&n, &h1_roomy);
	ask(&n, 0, HTTP1_QUEUE);
	h1_feed(&n.b, !n.b.client, begin, sizeof(begin) - 1);
	ask(&n, HTTP1_QUEUE, HTTP1_QUEUE + 3);
	h1_feed(&n.b, !n.b.client, "x", 1);
	answer(&n, 1, HTTP1_QUEUE + 3);
	ask(&n, 5000, 5003);
	answer(&n, 5000, 5003);
	h1_end(&n.b);
	CHECK(n.b.r->odd[ANOMALY_HTTP_QUEUE] == 3 && n.wrong == 0, "%u of %u wrong", n.wrong,
	      n.paired);
	h1_close(&n.b);
}

static void test_early_answers_are_bounded(void)
{
	struct numbers n;

	numbers_open(&n, &h1_roomy);
	answer(&n, 0, HTTP1_EARLY);
	CHECK(n.responses == 0, "they wait");
	ask(&n, 0, HTTP1_EARLY);
	CHECK(n.paired == HTTP1_EARLY && n.wrong == 0, "%u paired, %u wrong", n.paired, n.wrong);
	answer(&n, 100, 100 + HTTP1_EARLY + 4);
	CHECK(n.responses == HTTP1_EARLY + 4, "what waits too long is told");
	ask(&n, 100, 100 + HTTP1_EARLY + 4);
	h1_end(&n.b);
	CHECK(n.wrong == 0, "%u of %u wrong", n.wrong, n.paired);
	h1_close(&n.b);
}

/* No room for an exchange: counted, and the others are not mixed up. */
static void test_exchanges_taken(void)
{
	struct http1_conf conf = h1_roomy;
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
	h1_end(&n.b);
	CHECK(n.paired == 6 && n.wrong == 0, "later: %u paired, %u wrong", n.paired, n.wrong);
	h1_close(&n.b);
}

/* An answer whose exchange found no room is framed all the same. */
static void test_framing_without_exchanges(void)
{
	static const char answers[] =
		"HTTP/1.1 204 0\r\n\r\nHTTP/1.1 304 1\r\nContent-Length: 9\r\n\r\n"
		"HTTP/1.1 200 2\r\nContent-Length: 1\r\n\r\nx";
	struct http1_conf conf = h1_roomy;
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
	h1_feed(&n.b, !n.b.client, answers, sizeof(answers) - 1);
	parser_end(&n.b.h.parser, other);
	ask(&n, 3, 4);
	answer(&n, 3, 4);
	h1_end(&n.b);
	CHECK(n.paired == 1 && n.wrong == 0, "%u paired, %u wrong", n.paired, n.wrong);
	h1_close(&n.b);
}

static void test_states_taken(void)
{
	struct bench b;
	uint32_t one, two;

	h1_open(&b, &h1_roomy);
	one = parser_start(&b.h.parser);
	two = parser_start(&b.h.parser);
	CU_ASSERT_TRUE(one && two && one != two);
	CU_ASSERT_EQUAL(parser_start(&b.h.parser), 0);
	CU_ASSERT_EQUAL(b.h.parser.refused, 1);
	parser_end(&b.h.parser, one);
	CHECK(parser_start(&b.h.parser) == one, "free again");
	parser_end(&b.h.parser, one);
	parser_end(&b.h.parser, two);
	h1_close(&b);
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
	struct http1_conf conf = h1_roomy;
	struct last l;

	conf.cells = 2;
	conf.coding.large = 0;
	last_open(&l, &conf);
	h1_talk(&l.b, &t);
	CHECK(l.n == 1 && l.t.complete && l.t.side[1].length == 32 && l.t.status == 200,
	      "as it came: %u told, %llu bytes", l.n, (unsigned long long)l.t.side[1].length);
	CHECK(strcmp(l.text[HTTP1_TEXT_TARGET], "/a") == 0 && !l.text[HTTP1_TEXT_USER_AGENT][0],
	      "what fits is kept");
	CHECK(l.b.h.counts.texts_refused >= 2 && l.b.h.codings.refused == 1, "counted");
	h1_close(&l.b);
	conf.lines = 0;
	last_open(&l, &conf);
	h1_talk(&l.b, &t);
	CHECK(l.n == 1 && l.b.r->odd[ANOMALY_HTTP_LINE_LONG] == 1 && l.b.h.lines.refused == 1,
	      "a line was lost");
	h1_close(&l.b);
}

/* RFC 9110 §8.4: what decodes to too much is no file, and none of its wire bytes is content. */
static void test_bomb(void)
{
	static const char head[] = OK("Content-Encoding: gzip\r\nContent-Length: 28\r\n");
	struct http1_conf conf = h1_roomy;

	conf.coding.max_bytes = 10;
	for (size_t split = 1; split <= sizeof(GZIPPED) - 1; split++) {
		struct last l;

		last_open(&l, &conf);
		h1_begin(&l.b, "bomb");
		h1_feed(&l.b, l.b.client, GET("/"), sizeof(GET("/")) - 1);
		h1_feed(&l.b, !l.b.client, head, sizeof(head) - 1);
		h1_feed(&l.b, !l.b.client, GZIPPED, split);
		h1_feed(&l.b, !l.b.client, GZIPPED NOT_FOUND + split,
			sizeof(GZIPPED NOT_FOUND) - 1 - split);
		CHECK(l.n == 1 && l.t.status == 200 && l.t.side[1].wire_length == 28,
		      "framing, split at %zu", split);
		CHECK(l.b.r->odd[ANOMALY_HTTP_DECODE_LIMIT] == 1 && !l.t.side[1].file_whole &&
			      l.t.side[1].length <= conf.coding.max_bytes,
		      "split at %zu: %llu bytes%s", split, (unsigned long long)l.t.side[1].length,
		      l.t.side[1].file_whole ? ", whole" : "");
		h1_end(&l.b);
		h1_close(&l.b);
	}
}

CU_TestInfo http1_bounds_tests[] = {
	{"queue_is_bounded", test_queue_is_bounded},
	{"queue_is_full_within_an_answer", test_queue_is_full_within_an_answer},
	{"early_answers_are_bounded", test_early_answers_are_bounded},
	{"exchanges_taken", test_exchanges_taken},
	{"framing_without_exchanges", test_framing_without_exchanges},
	{"states_taken", test_states_taken},
	{"little_room", test_little_room},
	{"bomb", test_bomb},
	CU_TEST_INFO_NULL,
};
