/* SPDX-License-Identifier: MIT */
/*
 * access — who may use the API: the token, Host and Origin.
 *
 * A token is needed where packets come from a live interface, and on any address but loopback.  It
 * comes as Bearer, or as the cookie that the login gave.  Host must be the address, localhost or a
 * name the user gave: a page elsewhere cannot reach us by a name of its own (DNS rebinding).
 * Changes need an Origin of ours, or none.
 *
 * Owner:   the api thread.
 * Bounds:  after ACCESS_FAILURES wrong tokens in a second the others of it are refused unread.
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/http.h"

#define ACCESS_FAILURES 5U
#define ACCESS_TOKEN    128U

struct conf;

struct access {
	char token[ACCESS_TOKEN + 1]; /* empty: none is needed */
	const struct http *http;
	const char *const *names;
	size_t n_names;
	bool tls;
	/* private */
	uint64_t second;
	uint32_t failures;
	uint64_t refused;
};

enum access_got { ACCESS_GOOD, ACCESS_HOST, ACCESS_ORIGIN, ACCESS_NO_TOKEN, ACCESS_TOO_MANY };

/* Reads or makes the token, and says how to use it.  0, or negative errno after saying why. */
int access_open(struct access *a, const struct conf *conf, const struct http *http);

/* change: it is no GET or HEAD; open: no token is needed. */
enum access_got access_check(struct access *a, const struct http_call *c, bool change, bool open);
/* The token itself; counts failures. */
enum access_got access_token(struct access *a, struct span token);

#endif
