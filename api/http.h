/* SPDX-License-Identifier: MIT */
/*
 * http — an HTTP/1.1 server: requests in, answers out.  The only user of libh2o.
 *
 * A request comes whole (its body too).  It is answered at once, later, or piece by piece; until
 * then it is the host's, and gone() says when the client has left it.
 *
 * Owner:   one thread: all of it, callbacks too.
 * Bounds:  http_conf; connections beyond the cap wait in the listen queue; a request has
 *          HTTP_REQUEST_MS for all its bytes; who takes none of an answer for HTTP_STUCK_MS is
 *          closed; so is who left while waiting.  libh2o itself refuses headers beyond 400 KB and
 *          bodies beyond HTTP_BODY_HARD, in words of its own.
 * HTTP/2 stays off: this libh2o has no defence against rapid resets (CVE-2023-44487).
 */
#ifndef API_HTTP_H
#define API_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/span.h"

#define HTTP_REQUEST_MS 10000U
#define HTTP_STUCK_MS   20000U
#define HTTP_BODY_HARD  (8UL << 20)

struct http;
struct http_link;

/* A request.  Spans live until the call is gone. */
struct http_call {
	struct span method, path, query; /* path: normalised; query: behind the `?` */
	struct span body;
	struct span host, origin, authorization, cookie, content_type, if_none_match,
		accept_encoding, last_event_id;
	bool head; /* HEAD: answered as GET, without a body */
	/* private */
	struct http_link *link;
	struct http_call *before, *after;  /* of those that are not gone */
	bool answered, streaming, waiting; /* waiting: a piece is on its way */
	uint64_t since_ms;                 /* of the last progress */
};

/* Who handles requests; embedded in it. */
struct http_host {
	void (*begin)(struct http_host *h, struct http_call *c);
	/* The piece before was taken: another may be sent. */
	void (*ready)(struct http_host *h, struct http_call *c);
	/* Nothing more can be said on it; its memory goes. */
	void (*gone)(struct http_host *h, struct http_call *c);
};

struct http_conf {
	const char *listen;     /* ADDR:PORT, [ADDR]:PORT or unix:PATH */
	const char *cert, *key; /* or NULL */
	uint32_t max_connections;
	size_t call_size; /* of what embeds http_call as its first member; zeroed */
};

struct http_answer {
	int status;
	const char *type;        /* of the content, or NULL */
	const char *encoding;    /* or NULL */
	const char *etag;        /* or NULL */
	const char *cache;       /* Cache-Control, or NULL: no-store */
	const char *disposition; /* or NULL */
	const char *set_cookie;  /* or NULL */
	const char *allow;       /* or NULL */
	bool retry;              /* Retry-After: 1 */
};

struct http_counts {
	uint64_t connections, open, refused; /* refused: TLS or accept failed */
	uint64_t requests, reaped;
};

/* Opens the listener.  0, or negative errno after saying why. */
int http_open(struct http **out, const struct http_conf *conf, struct http_host *host);
void http_close(struct http *h);

/* ADDR:PORT as it turned out to be (port 0 takes any), or the path. */
const char *http_address(const struct http *h);
bool http_is_loopback(const struct http *h);
bool http_is_unix(const struct http *h);
uint16_t http_port(const struct http *h);

/* Handles what there is to do, waiting for it up to ms. */
void http_run(struct http *h, int ms);
/* http_run returns when this descriptor (an eventfd) is written to. */
int http_watch(struct http *h, int fd);
/* No new connections or requests. */
void http_stop(struct http *h);
/* Once a second or so: closes the dead and the stuck. */
void http_reap(struct http *h);

/* The whole answer; bytes are copied.  The call is over for the host but not gone. */
void http_reply(struct http_call *c, const struct http_answer *a, const void *bytes, size_t n);
/* Piece by piece: then http_send, one at a time, the next one after ready().  Only the last piece
 * may be empty: libh2o takes nothing for the end.  The call may be gone when the last one is sent.
 */
void http_stream(struct http_call *c, const struct http_answer *a);
void http_send(struct http_call *c, const void *bytes, size_t n, bool last);
/* May http_send be called? */
static inline bool http_may_send(const struct http_call *c)
{
	return c->streaming && !c->waiting;
}
/* Ends the connection as it is; the call may be gone. */
void http_abort(struct http_call *c);

struct http_counts http_counts(const struct http *h);

#endif
