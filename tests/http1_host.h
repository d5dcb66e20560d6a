/* SPDX-License-Identifier: MIT */
/*
 * http1_host — a stream of http1.h with a host that writes down what it is told, and conversations
 * as tables of what each side says.
 *
 * Owner:  the test; one at a time.
 */
#ifndef TESTS_HTTP1_HOST_H
#define TESTS_HTTP1_HOST_H

#include "tests/guard.h"
#include "user/parse/http1.h"

#define T(text) (text), sizeof(text) - 1

/* A copy whose last byte touches an unreadable page. */
struct span h1_guarded(struct guard *g, const char *text, size_t n);
bool h1_same(struct span s, const char *text);
bool h1_within(struct span line, struct span part);

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

extern const struct http1_conf h1_roomy;

void h1_open(struct bench *b, const struct http1_conf *conf);
void h1_close(struct bench *b);
/* A stream, and its end: all that it took came back. */
void h1_begin(struct bench *b, const char *why);
void h1_end(struct bench *b);
struct parse_side h1_side(const struct bench *b, uint8_t dir);
void h1_feed(struct bench *b, uint8_t dir, const char *at, size_t n);

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

void h1_op(struct bench *b, const struct op *op);
uint64_t h1_odd_bits(const struct record *r);
void h1_check_talk(struct bench *b, const struct talk *t);
/* A whole stream of it. */
void h1_talk(struct bench *b, const struct talk *t);

/* ---- offsets and texts ---- */

/* The transaction told last, with copies of its texts. */
struct last {
	struct bench b;
	struct http1_transaction t;
	char text[HTTP1_TEXT_COUNT][64], filename[2][64];
	char name[2][8][64], value[2][8][64];
	uint32_t n;
};

void last_open(struct last *l, const struct http1_conf *conf);

#endif
