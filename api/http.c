/* SPDX-License-Identifier: MIT */
/* http — see http.h. */
#include "api/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <h2o.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"

#define BACKLOG     1024
#define ACCEPT_MOST 16 /* at a time: requests of others wait meanwhile */

/* What of a call belongs to libh2o. */
struct http_link {
	h2o_generator_t generator; /* first */
	struct http *http;
	struct http_call *call;
	h2o_req_t *req;
	char *piece; /* on its way */
	size_t room;
};

struct handler {
	h2o_handler_t super; /* first */
	struct http *http;
};

struct http {
	struct http_conf conf;
	struct http_host *host;
	struct http_counts counts;
	h2o_globalconf_t global;
	h2o_context_t context;
	h2o_evloop_t *loop;
	h2o_accept_ctx_t accept;
	h2o_socket_t *listener;
	SSL_CTX *tls;
	struct http_call *first; /* of those that are not gone */
	char address[160];
	char path[108]; /* of a unix socket, or empty */
	bool loopback, stopped, paused;
	uint16_t port;
};

/* ---- the listener ---- */

static int listen_unix(struct http *h, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	if (path[0] == 0 || strlen(path) >= sizeof(to.sun_path)) {
		close(fd);
		return path[0] ? -ENAMETOOLONG : -EINVAL;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	/* One that nobody listens on is left from a run before. */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED &&
	    lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	err = fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
	umask(mask);
	if (err == 0 && listen(fd, BACKLOG) < 0)
		err = -errno;
	if (err < 0) {
		close(fd);
		return err;
	}
	h->loopback = true;
	snprintf(h->path, sizeof(h->path), "%s", path);
	snprintf(h->address, sizeof(h->address), "unix:%s", path);
	return fd;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static int bind_to(struct http *h, const struct addrinfo *a)
{
	struct sockaddr_storage got = {0};
	socklen_t len = sizeof(got);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&got, &len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	getnameinfo((struct sockaddr *)&got, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(h->address, sizeof(h->address),
		 strchr(host, ':') ? "[%.120s]:%.8s" : "%.120s:%.8s", host, port);
	h->port = (uint16_t)strtoul(port, NULL, 10);
	h->loopback = is_loopback(&got);
	return fd;
}

/* ADDR:PORT; numbers only: a name could be anybody's. */
static int listen_inet(struct http *h, const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char host[64];
	size_t n = colon ? (size_t)(colon - text) : 0;
	int fd;

	if (!colon || n == 0 || n >= sizeof(host) || !colon[1] ||
	    colon[1 + strspn(colon + 1, "0123456789")] || strtoul(colon + 1, NULL, 10) > 65535)
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = 0;
	if (strcmp(host, "localhost") == 0)
		snprintf(host, sizeof(host), "127.0.0.1");
	if (host[0] == '[' && host[n - 1] == ']') {
		memmove(host, host + 1, n);
		host[n - 2] = 0;
	}
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -EINVAL;
	fd = bind_to(h, found);
	freeaddrinfo(found);
	return fd;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		       const unsigned char *in, unsigned int inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	return SSL_select_next_proto((unsigned char **)out, outlen, ours, sizeof(ours) - 1, in,
				     inlen) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_NOACK;
}

static int open_tls(struct http *h)
{
	char why[256];

	if (!h->conf.cert && !h->conf.key)
		return 0;
	if (!h->conf.cert || !h->conf.key) {
		log_line("--api-cert and --api-key go together");
		return -EINVAL;
	}
	h->tls = SSL_CTX_new(TLS_server_method());
	if (h->tls && SSL_CTX_set_min_proto_version(h->tls, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_use_certificate_chain_file(h->tls, h->conf.cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(h->tls, h->conf.key, SSL_FILETYPE_PEM) == 1 &&
	    SSL_CTX_check_private_key(h->tls) == 1) {
		SSL_CTX_set_alpn_select_cb(h->tls, choose_alpn, NULL);
		return 0;
	}
	ERR_error_string_n(ERR_get_error(), why, sizeof(why));
	log_line("--api-cert %s, --api-key %s: %s", h->conf.cert, h->conf.key, why);
	return -EINVAL;
}

/* ---- connections ---- */

static void on_accept(h2o_socket_t *listener, const char *err);

static void pause_accepting(struct http *h, bool paused)
{
	if (h->paused == paused || h->stopped)
		return;
	h->paused = paused;
	if (paused)
		h2o_socket_read_stop(h->listener);
	else
		h2o_socket_read_start(h->listener, on_accept);
}

static void on_closed(void *http)
{
	struct http *h = http;

	h->counts.open--;
	if (h->counts.open < h->conf.max_connections)
		pause_accepting(h, false);
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
	struct http *h = listener->data;

	for (int n = 0; !err && n < ACCEPT_MOST; n++) {
		h2o_socket_t *s;

		if (h->counts.open >= h->conf.max_connections) {
			pause_accepting(h, true);
			return;
		}
		s = h2o_evloop_socket_accept(listener);
		if (!s)
			return;
		h->counts.connections++;
		h->counts.open++;
		s->on_close.cb = on_closed;
		s->on_close.data = h;
		h2o_accept(&h->accept, s);
	}
}

/* ---- requests ---- */

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

static struct span span_of_iovec(h2o_iovec_t v)
{
	return span_of((const uint8_t *)v.base, v.len);
}

static struct span header_of(const h2o_req_t *req, const char *name)
{
	ssize_t i = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);

	return i < 0 ? (struct span){0} : span_of_iovec(req->headers.entries[i].value);
}

/* The memory of the request goes: whatever ended it. */
static void on_dispose(void *memory)
{
	struct http_call *c = memory;
	struct http *h = c->link->http;

	if (c->before)
		c->before->after = c->after;
	else
		h->first = c->after;
	if (c->after)
		c->after->before = c->before;
	h->host->gone(h->host, c);
	free(c->link->piece);
	free(c->link);
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
	struct http *h = ((struct handler *)self)->http;
	struct http_link *l = calloc(1, sizeof(*l));
	struct http_call *c = h2o_mem_alloc_shared(&req->pool, h->conf.call_size, on_dispose);

	memset(c, 0, h->conf.call_size);
	if (!l)
		abort(); /* as libh2o does where there is no memory */
	l->http = h;
	l->call = c;
	l->req = req;
	c->link = l;
	c->after = h->first;
	if (h->first)
		h->first->before = c;
	h->first = c;
	h->counts.requests++;
	c->since_ms = now_ms();
	c->method = span_of_iovec(req->method);
	c->head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
	c->path = span_of_iovec(req->path_normalized);
	if (req->query_at != SIZE_MAX)
		c->query = span_of((const uint8_t *)req->path.base + req->query_at + 1,
				   req->path.len - req->query_at - 1);
	c->body = span_of_iovec(req->entity);
	c->host = span_of_iovec(req->input.authority);
	c->origin = header_of(req, "origin");
	c->authorization = header_of(req, "authorization");
	c->cookie = header_of(req, "cookie");
	c->content_type = header_of(req, "content-type");
	c->if_none_match = header_of(req, "if-none-match");
	c->accept_encoding = header_of(req, "accept-encoding");
	c->last_event_id = header_of(req, "last-event-id");
	h->host->begin(h->host, c);
	return 0;
}

/* ---- answers ---- */

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 422:
		return "Unprocessable Content";
	case 429:
		return "Too Many Requests";
	default:
		return "Service Unavailable";
	}
}

static void add(h2o_req_t *req, const char *name, const char *value)
{
	h2o_iovec_t v;

	if (!value)
		return;
	v = h2o_strdup(&req->pool, value, SIZE_MAX);
	h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, v.base,
			      v.len);
}

static void add_headers(h2o_req_t *req, const struct http_answer *a)
{
	req->res.status = a->status;
	req->res.reason = reason_of(a->status);
	add(req, "content-type", a->type);
	add(req, "content-encoding", a->encoding);
	add(req, "etag", a->etag);
	add(req, "cache-control", a->cache ? a->cache : "no-store");
	add(req, "content-disposition", a->disposition);
	add(req, "set-cookie", a->set_cookie);
	add(req, "allow", a->allow);
	add(req, "retry-after", a->retry ? "1" : NULL);
	add(req, "vary", a->encoding || a->etag ? "accept-encoding" : NULL);
	add(req, "www-authenticate", a->status == 401 ? "Bearer" : NULL);
	add(req, "x-content-type-options", "nosniff");
	add(req, "referrer-policy", "no-referrer");
	add(req, "x-frame-options", "DENY");
	add(req, "cross-origin-resource-policy", "same-origin");
	add(req, "content-security-policy",
	    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
	    "form-action 'self'");
}

void http_reply(struct http_call *c, const struct http_answer *a, const void *bytes, size_t n)
{
	static h2o_generator_t nothing_more = {NULL, NULL};
	h2o_req_t *req = c->link->req;
	h2o_iovec_t body = {.base = NULL, .len = 0};

	if (c->answered)
		return;
	c->answered = true;
	c->since_ms = now_ms();
	add_headers(req, a);
	req->res.content_length = n;
	if (n && !c->head) {
		body = (h2o_iovec_t){.base = h2o_mem_alloc_pool(&req->pool, n), .len = n};
		memcpy(body.base, bytes, n);
	}
	h2o_start_response(req, &nothing_more);
	h2o_send(req, &body, body.len ? 1 : 0, H2O_SEND_STATE_FINAL);
}

static void on_proceed(h2o_generator_t *g, h2o_req_t *req)
{
	struct http_link *l = (struct http_link *)g;

	(void)req;
	l->call->waiting = false;
	l->call->since_ms = now_ms();
	l->http->host->ready(l->http->host, l->call);
}

static void on_stop(h2o_generator_t *g, h2o_req_t *req)
{
	(void)g;
	(void)req; /* on_dispose follows */
}

void http_stream(struct http_call *c, const struct http_answer *a)
{
	struct http_link *l = c->link;

	if (c->answered)
		return;
	c->answered = c->streaming = true;
	add_headers(l->req, a);
	l->generator.proceed = on_proceed;
	l->generator.stop = on_stop;
	h2o_start_response(l->req, &l->generator);
}

void http_send(struct http_call *c, const void *bytes, size_t n, bool last)
{
	struct http_link *l = c->link;
	h2o_iovec_t body;

	if (!http_may_send(c))
		return;
	if (c->head) { /* its headers are all of it */
		n = 0;
		last = true;
	}
	if (n > l->room) {
		char *more = realloc(l->piece, n);

		if (!more)
			abort(); /* as libh2o does where there is no memory */
		l->piece = more;
		l->room = n;
	}
	if (n)
		memcpy(l->piece, bytes, n);
	body = (h2o_iovec_t){.base = l->piece, .len = n};
	c->waiting = true;
	c->streaming = !last;
	c->since_ms = now_ms();
	h2o_send(l->req, &body, n ? 1 : 0,
		 last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static int fd_of(const struct http_call *c)
{
	h2o_conn_t *conn = c->link->req->conn;

	return h2o_socket_get_fd(conn->callbacks->get_socket(conn));
}

void http_abort(struct http_call *c)
{
	shutdown(fd_of(c), SHUT_RDWR);
	if (c->streaming && !c->waiting) {
		c->streaming = false;
		c->waiting = true;
		h2o_send(c->link->req, NULL, 0, H2O_SEND_STATE_ERROR);
	}
}

void http_reap(struct http *h)
{
	uint64_t now = now_ms(); /* not of before: pieces may have been sent since */
	struct http_call *next;

	for (struct http_call *c = h->first; c; c = next) {
		struct pollfd fd = {.fd = fd_of(c), .events = POLLRDHUP};

		next = c->after;
		if (c->answered && (!c->streaming || c->waiting)) {
			if (now - c->since_ms > HTTP_STUCK_MS) {
				h->counts.reaped++;
				shutdown(fd.fd, SHUT_RDWR);
			}
			continue;
		}
		/* Nobody reads the socket meanwhile: who left is not noticed else. */
		if (poll(&fd, 1, 0) <= 0 || !(fd.revents & (POLLRDHUP | POLLHUP | POLLERR)))
			continue;
		h->counts.reaped++;
		shutdown(fd.fd, SHUT_RDWR);
		if (c->streaming)
			http_send(c, "", 0, true);
		else
			http_reply(c, &(struct http_answer){.status = 503}, "", 0);
	}
}

/* ---- the server ---- */

static void on_wake(h2o_socket_t *s, const char *err)
{
	(void)err;
	h2o_buffer_consume(&s->input, s->input->size);
}

int http_watch(struct http *h, int fd)
{
	int own = dup(fd);
	h2o_socket_t *s;

	if (own < 0)
		return -errno;
	s = h2o_evloop_socket_create(h->loop, own, 0);
	h2o_socket_read_start(s, on_wake);
	return 0;
}

int http_open(struct http **out, const struct http_conf *conf, struct http_host *host)
{
	struct http *h = calloc(1, sizeof(*h));
	h2o_pathconf_t *path;
	h2o_hostconf_t *any;
	struct handler *handler;
	int fd;

	*out = h;
	if (!h)
		return -ENOMEM;
	h->conf = *conf;
	h->host = host;
	if (open_tls(h) < 0)
		return -EINVAL;
	fd = strncmp(conf->listen, "unix:", 5) == 0 ? listen_unix(h, conf->listen + 5)
						    : listen_inet(h, conf->listen);
	if (fd < 0) {
		log_line("--api-listen %s: %s", conf->listen,
			 fd == -EINVAL ? "takes ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH"
				       : strerror(-fd)); /* NOLINT(concurrency-mt-unsafe) */
		return fd;
	}
	h2o_config_init(&h->global);
	h->global.server_name = h2o_iovec_init(H2O_STRLIT("rm-xdp"));
	h->global.max_request_entity_size = HTTP_BODY_HARD;
	h->global.http1.req_timeout = HTTP_REQUEST_MS;
	h->global.http1.upgrade_to_http2 = 0;
	any = h2o_config_register_host(&h->global, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	path = h2o_config_register_path(any, "/", 0);
	handler = (struct handler *)h2o_create_handler(path, sizeof(*handler));
	handler->super.on_req = on_request;
	handler->http = h;
	h->loop = h2o_evloop_create();
	h2o_context_init(&h->context, h->loop, &h->global);
	h->accept =
		(h2o_accept_ctx_t){.ctx = &h->context, .hosts = h->global.hosts, .ssl_ctx = h->tls};
	h->listener = h2o_evloop_socket_create(h->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
	h->listener->data = h;
	h2o_socket_read_start(h->listener, on_accept);
	return 0;
}

/* libh2o frees no loop; the process ends soon after. */
void http_close(struct http *h)
{
	if (!h)
		return;
	http_stop(h);
	if (h->path[0])
		unlink(h->path);
	SSL_CTX_free(h->tls);
	free(h);
}

const char *http_address(const struct http *h)
{
	return h->address;
}

bool http_is_loopback(const struct http *h)
{
	return h->loopback;
}

bool http_is_unix(const struct http *h)
{
	return h->path[0];
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

void http_run(struct http *h, int ms)
{
	h2o_evloop_run(h->loop, 0); /* what answers given since then still have to do */
	h2o_evloop_run(h->loop, ms);
}

void http_stop(struct http *h)
{
	if (h->stopped || !h->listener)
		return;
	h->stopped = true;
	h2o_socket_read_stop(h->listener);
	h2o_socket_close(h->listener);
	h2o_context_request_shutdown(&h->context);
}

struct http_counts http_counts(const struct http *h)
{
	return h->counts;
}
