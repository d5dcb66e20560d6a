/* SPDX-License-Identifier: MIT */
/* http1_head — the header lines of a message: what they say of its length, its encodings and its
 * record; private to HTTP/1. */
#ifndef USER_PARSE_HTTP1_HEAD_H
#define USER_PARSE_HTTP1_HEAD_H

#include "user/parse/exchange.h"
#include "user/parse/http1_line.h"

/* Of the message in hand, in http1_dir.flags. */
enum {
	HAS_LENGTH = 1 << 0,
	HAS_TRANSFER = 1 << 1,
	IS_CHUNKED = 1 << 2,
	BAD_LENGTH = 1 << 3,
	MAYBE_OLD = 1 << 4, /* a request line without version: header lines may follow, or none */
	IS_UPGRADE = 1 << 5,
	NO_DECODER = 1 << 6, /* decoding failed: bytes count as they come */
	NO_BODY = 1 << 7,    /* interim: part of no transaction */
	EMPTY_LENGTH = 1 << 8,
	UNKNOWN_CODING = 1 << 9, /* the body stays as it is */
	AS_IT_CAME = 1 << 10,    /* it is not what it claims to be */
};

static inline void http1_odd(struct http1 *h, enum anomaly a)
{
	h->parser.host->anomaly(h->parser.host, a);
}

/* One whole line, which is not the empty one. */
void http1_head_line(struct http1 *h, struct http1_dir *d, struct span line);
/* The usual lines of *bytes, whole and in place, as far as the bound of a header allows; *bytes
 * moves behind them.  What is left: anything unusual, and the end of the header. */
void http1_head_run(struct http1 *h, struct http1_dir *d, struct span *bytes);

#endif
