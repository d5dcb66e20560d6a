/* SPDX-License-Identifier: MIT */
/* access — see access.h. */
#include "api/access.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/conf.h"

#define COOKIE "rm_xdp_token="

static int make_token(struct access *a)
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(a->token + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int read_token(struct access *a, const char *path)
{
	FILE *f = fopen(path, "re");
	const char *got = f ? fgets(a->token, sizeof(a->token), f) : NULL;
	size_t n = got ? strcspn(a->token, "\r\n") : 0;

	if (f)
		fclose(f);
	a->token[n] = 0;
	if (n >= 16 && n < ACCESS_TOKEN &&
	    strspn(a->token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz"
			     "0123456789-._~+/=") == n)
		return 0;
	log_line("--api-token-file %s: %s", path,
		 f ? "its first line is no token: 16 to 127 letters, digits and -._~+/="
		   : strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
	return -EINVAL;
}

int access_open(struct access *a, const struct conf *conf, const struct http *http)
{
	const char *scheme = conf->api_cert ? "https" : "http";
	bool needed = !http_is_unix(http) && (conf->ifaces.n || !http_is_loopback(http));
	int err = 0;

	*a = (struct access){.http = http,
			     .names = conf->api_hosts.at,
			     .n_names = conf->api_hosts.n,
			     .tls = conf->api_cert};
	if (conf->api_token_file)
		err = read_token(a, conf->api_token_file);
	else if (needed && !conf->api_no_token)
		err = make_token(a);
	if (err < 0)
		return err;
	if (needed && conf->api_no_token && !a->token[0])
		log_line("--api-no-token: whoever reaches %s may read all that is captured",
			 http_address(http));
	if (!http_is_loopback(http) && !conf->api_cert)
		log_line("the API at %s is not encrypted: see --api-cert and --api-key",
			 http_address(http));
	if (http_is_unix(http))
		log_line("API at %s", http_address(http));
	else if (a->token[0] && !conf->api_token_file)
		log_line("API at %s://%s/#token=%s", scheme, http_address(http), a->token);
	else
		log_line("API at %s://%s/", scheme, http_address(http));
	return 0;
}

static bool is(struct span s, const char *text)
{
	return span_len(s) == strlen(text) &&
	       strncasecmp((const char *)s.at, text, span_len(s)) == 0;
}

/* A host without its port. */
static struct span name_of(struct span host)
{
	const uint8_t *at = host.end;

	while (at > host.at && at[-1] >= '0' && at[-1] <= '9')
		at--;
	if (at > host.at + 1 && at[-1] == ':' && at < host.end)
		host.end = at - 1;
	if (span_len(host) > 2 && *host.at == '[' && host.end[-1] == ']') {
		host.at++;
		host.end--;
	}
	return host;
}

static bool host_is_ours(const struct access *a, struct span host)
{
	char own[160];
	struct span name = name_of(host), address;

	if (http_is_unix(a->http))
		return true;
	snprintf(own, sizeof(own), "%s", http_address(a->http));
	address = name_of(span_of((const uint8_t *)own, strlen(own)));
	if (span_len(name) == span_len(address) && memcmp(name.at, address.at, span_len(name)) == 0)
		return true;
	if (is(name, "localhost") ||
	    (http_is_loopback(a->http) && (is(name, "127.0.0.1") || is(name, "::1"))))
		return true;
	for (size_t i = 0; i < a->n_names; i++)
		if (is(name, a->names[i]) || is(host, a->names[i]))
			return true;
	return false;
}

/* scheme://host[:port], of ours where host and port are those of the request. */
static bool origin_is_ours(const struct access *a, const struct http_call *c)
{
	const char *scheme = a->tls ? "https://" : "http://";
	struct span o = c->origin;

	if (span_len(o) < strlen(scheme) ||
	    strncasecmp((const char *)o.at, scheme, strlen(scheme)) != 0)
		return false;
	o.at += strlen(scheme);
	return span_len(o) == span_len(c->host) &&
	       strncasecmp((const char *)o.at, (const char *)c->host.at, span_len(o)) == 0;
}

static struct span cookie_of(struct span cookies)
{
	const size_t n = sizeof(COOKIE) - 1;

	for (const uint8_t *at = cookies.at; at && at < cookies.end; at++) {
		const uint8_t *end = memchr(at, ';', (size_t)(cookies.end - at));

		end = end ? end : cookies.end;
		while (at < end && *at == ' ')
			at++;
		if ((size_t)(end - at) >= n && memcmp(at, COOKIE, n) == 0)
			return span_of(at + n, (size_t)(end - at) - n);
		at = end;
	}
	return (struct span){0};
}

enum access_got access_token(struct access *a, struct span token)
{
	uint64_t second = clock_ns() / NS_PER_S;
	size_t n = strlen(a->token);

	if (n == 0)
		return ACCESS_GOOD;
	if (second != a->second) {
		a->second = second;
		a->failures = 0;
	}
	if (span_len(token) == n && a->failures < ACCESS_FAILURES &&
	    CRYPTO_memcmp(token.at, a->token, n) == 0)
		return ACCESS_GOOD;
	a->refused++;
	if (a->failures >= ACCESS_FAILURES)
		return ACCESS_TOO_MANY;
	a->failures += span_len(token) > 0; /* none given is no guess */
	return ACCESS_NO_TOKEN;
}

enum access_got access_check(struct access *a, const struct http_call *c, bool change, bool open)
{
	static const char bearer[] = "Bearer ";
	struct span token = cookie_of(c->cookie);

	if (!host_is_ours(a, c->host))
		return ACCESS_HOST;
	if (change && span_len(c->origin) && !origin_is_ours(a, c))
		return ACCESS_ORIGIN;
	if (open || !a->token[0])
		return ACCESS_GOOD;
	if (span_len(c->authorization) > sizeof(bearer) - 1 &&
	    strncasecmp((const char *)c->authorization.at, bearer, sizeof(bearer) - 1) == 0) {
		token = c->authorization;
		token.at += sizeof(bearer) - 1;
	}
	return access_token(a, token);
}
