/* SPDX-License-Identifier: MIT */
/*
 * transform_websocket — frames of a message stream unmasked, joined and inflated; what is none is
 * given up.
 */
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "tests/transform_host.h"

static void sockets_expect(const char *why, const char *out, size_t n, const char *note)
{
	struct transform_result r = tf_run_message("websocket_deflate", &ws.m, PLENTY);

	CHECK(r.status == OK && span_len(r.bytes) == n && memcmp(r.bytes.at, out, n) == 0,
	      "%s: %s '%.*s', %s", why, tf_status(&r.step[0]), (int)span_len(r.bytes),
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

		sockets_begin();
		sockets_deflated(first, takeover, masked, step);
		sockets_deflated(second, takeover, masked, step);
		sockets_expect("compressed", twice, sizeof(twice) - 1, NULL);
	}
	sockets_begin();
	sockets_frame(0x81, true, "hello", 5);
	sockets_frame(0x02, true, "wor", 3);
	sockets_frame(0x8a, true, "", 0);
	sockets_frame(0x80, true, "ld", 2);
	sockets_frame(0x88, true, "\3\350", 2);
	sockets_expect("plain", "hello\nworld", 11, NULL);
	sockets_begin();
	sockets_frame(0x81, false, "hello", 5);
	sockets_deflated(first, true, false, 1000);
	sockets_frame(0x81, false, "", 0);
	sockets_frame(0x81, false, "!", 1);
	sockets_expect("mixed", "hello\na message, a message, a message\n\n!", 40, NULL);
	sockets_begin();
	sockets_frame(0x80, false, "lo", 2);
	sockets_frame(0x81, false, "world", 5);
	sockets_expect("the rest of a message", "lo\nworld", 8, NULL);
	sockets_begin();
	sockets_frame(0x81, false, "hello", 5);
	ws.m.n -= 2;
	sockets_expect("a frame that stops short", "hel", 3, "stops short");
	sockets_begin();
	sockets_frame(0x01, false, "hello", 5);
	sockets_expect("a message that stops short", "hello", 5, NULL);
	sockets_begin();
	sockets_frame(0x81, false, "hello", 5);
	message_add(&ws.m, "GET /", 5);
	sockets_expect("other bytes behind", "hello", 5, "no frame");
	sockets_begin();
	sockets_frame(0x81, false, "hello", 5);
	sockets_frame(0x80, false, "world", 5);
	sockets_expect("goes on with nothing", "hello", 5, "no frame");
	sockets_begin();
	sockets_frame(0x01, false, "hello", 5);
	sockets_frame(0x81, false, "world", 5);
	sockets_expect("another one inside", "hello", 5, "no frame");
	/* RFC 7692 §7.2.3.4: the last block is marked as such, and the window goes on. */
	sockets_begin();
	sockets_frame(0xc1, false, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
	sockets_frame(0xc1, false, "\xf2\x00\x11\x00\x00", 5);
	sockets_frame(0xc1, false, "\xf3\x48\xcd\xc9\xc9\x07\x00", 7);
	sockets_frame(0xc1, false, "\xf2\x00\x11\x00\x00", 5);
	sockets_expect("final blocks", "Hello\nHello\nHello\nHello", 23, NULL);
	/* the second of the RFC's pair needs the first */
	sockets_begin();
	sockets_frame(0xc1, false, "\xf2\x00\x11\x00\x00", 5);
	sockets_frame(0x81, false, "hello", 5);
	sockets_expect("a window that is not there", "hello", 5, "1 messages");
}

static void test_websocket_lengths(void)
{
	static char text[70000], expect[80000];
	static const uint8_t head[10] = {0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70};
	struct transform_result r;

	memset(text, 'x', sizeof(text));
	memset(expect, 'x', sizeof(expect));
	expect[1000] = '\n';
	sockets_begin();
	sockets_frame(0x82, true, text, 1000);
	message_add(&ws.m, head, sizeof(head));
	message_add(&ws.m, text, sizeof(text));
	r = tf_run_message("ws_deflate", &ws.m, ROOM);
	CHECK(r.status == OK && span_len(r.bytes) == 71001 &&
		      memcmp(r.bytes.at, expect, 71001) == 0,
	      "%zu bytes", span_len(r.bytes));
	transform_free(&r);
	r = tf_run_message("ws_deflate", &ws.m, 1003);
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
	size_t n = tf_pack_zlib(-15, zeros, sizeof(zeros), packed, sizeof(packed));

	packed[n++] = 0x06; /* a block of a type that is not */
	sockets_begin();
	sockets_frame(0x81, false, "hello", 5);
	for (int i = 0; i < 100; i++)
		sockets_frame(0xc1, false, packed, n);
	r = tf_run_message("ws_deflate", &ws.m, 70000);
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

	sockets_begin();
	sockets_deflated("one, and one, and one", true, true, 6);
	sockets_deflated("two, and one, and one", true, true, 1000);
	sockets_frame(0x01, true, "thr", 3);
	sockets_frame(0x80, true, "ee", 2);
	sockets_frame(0x81, true, "four and", 8);
	n = ws.m.n;
	memcpy(copy, ws.m.at, n);
	for (size_t cut = 0; cut <= n; cut++) {
		struct transform_result r = tf_run("websocket_deflate", copy, cut, 0, PLENTY);
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

CU_TestInfo transform_websocket_tests[] = {
	{"websocket", test_websocket},
	{"websocket_lengths", test_websocket_lengths},
	{"websocket_refused", test_websocket_refused},
	{"websocket_gives_up", test_websocket_gives_up},
	{"websocket_cut_anywhere", test_websocket_cut_anywhere},
	CU_TEST_INFO_NULL,
};
