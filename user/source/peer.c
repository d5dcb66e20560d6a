/* SPDX-License-Identifier: MIT */
/* peer — see peer.h. */
#include "user/source/peer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/base/log.h"

#define HOST_SIZE 256 /* a name of DNS has 253 */
#define PORT_SIZE 8

enum state { PEER_PAUSES, PEER_RESOLVES, PEER_CONNECTS, PEER_READS };

/* A name to resolve.  The thread that does, and the peer, each may be the one that is there last,
 * and frees it. */
enum answer { ANSWER_AWAITED, ANSWER_GIVEN, ANSWER_UNWANTED };

struct question {
	_Atomic int answer;
	int err; /* of getaddrinfo */
	struct addrinfo *found;
	char host[HOST_SIZE], port[PORT_SIZE];
};

struct peer {
	char *address;
	enum state state;
	char host[HOST_SIZE], port[PORT_SIZE];
	struct question *question;     /* while it is being resolved */
	struct addrinfo *found, *next; /* what was, and the one to be tried next */
	int tried;
	int fd;            /* while it connects */
	int reads;         /* the input's, which closes it */
	uint64_t since_ns; /* of this state */
	uint64_t pause_ns; /* before the next try */
	uint64_t taken;    /* bytes of connections before this one */
	bool told_lost;    /* since the last return */
	const char *why;   /* the last address of a name did not answer */
	struct input input;
};

/* Splits HOST:PORT. */
static bool split(const char *address, char *to_host, char *to_port)
{
	const char *host = address, *end, *port;
	size_t len;
	char *stop;
	unsigned long number;

	if (*host == '[') {
		end = strchr(++host, ']');
		port = end && end[1] == ':' ? end + 2 : NULL;
	} else {
		end = strchr(host, ':');
		port = end && !strchr(end + 1, ':') ? end + 1 : NULL;
	}
	if (!port || end == host || *port < '0' || *port > '9')
		return false;
	number = strtoul(port, &stop, 10);
	len = (size_t)(end - host);
	if (*stop || number == 0 || number > 65535 || len >= HOST_SIZE || strlen(port) >= PORT_SIZE)
		return false;
	memcpy(to_host, host, len);
	to_host[len] = 0;
	memcpy(to_port, port, strlen(port) + 1);
	return true;
}

bool peer_address_good(const char *address)
{
	char host[HOST_SIZE], port[PORT_SIZE];

	return split(address, host, port);
}

int peer_open(struct peer **out, const char *address, uint32_t file)
{
	struct peer *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->fd = p->reads = -1;
	p->address = strdup(address);
	if (!p->address)
		goto fail;
	err = split(address, p->host, p->port) ? 0 : -EINVAL;
	if (err < 0)
		goto fail;
	p->input.name = p->input.path = p->address;
	p->input.named = p->input.live = p->input.silent = true;
	p->input.file = file;
	*out = p;
	return 0;
fail:
	peer_close(p);
	return err;
}

static void question_free(struct question *q)
{
	if (q->found)
		freeaddrinfo(q->found);
	free(q);
}

static void forget_answer(struct peer *p)
{
	if (p->found)
		freeaddrinfo(p->found);
	p->found = p->next = NULL;
}

void peer_close(struct peer *p)
{
	if (!p)
		return;
	input_end(&p->input);
	if (p->fd >= 0)
		close(p->fd);
	if (p->question && atomic_exchange(&p->question->answer, ANSWER_UNWANTED) == ANSWER_GIVEN)
		question_free(p->question);
	forget_answer(p);
	free(p->address);
	free(p);
}

static void set_state(struct peer *p, enum state state, uint64_t now_ns)
{
	p->state = state;
	p->since_ns = now_ns;
}

/* The connection is over, or there was none. */
static void lost(struct peer *p, const char *why, uint64_t now_ns)
{
	if (p->input.bytes)
		p->taken += bytes_taken(p->input.bytes);
	if (p->input.packets)
		p->pause_ns = 0;
	p->pause_ns = p->pause_ns ? 2 * p->pause_ns : PEER_PAUSE_NS;
	if (p->pause_ns > PEER_PAUSE_MAX)
		p->pause_ns = PEER_PAUSE_MAX;
	if (!p->told_lost)
		log_line("%s: %s; tried again in %llu s", p->address, why,
			 (unsigned long long)(p->pause_ns / 1000000000));
	p->told_lost = true;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = p->reads = -1;
	input_end(&p->input);
	p->input.packets = 0;
	p->input.begun = false;
	forget_answer(p);
	set_state(p, PEER_PAUSES, now_ns);
}

static void *resolver(void *arg)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct question *q = arg;

	q->err = getaddrinfo(q->host, q->port, &hints, &q->found);
	if (q->err)
		q->found = NULL;
	if (atomic_exchange(&q->answer, ANSWER_GIVEN) == ANSWER_UNWANTED)
		question_free(q);
	return NULL;
}

/* Asks in a thread of its own: nobody waits for it, not even the end of the run. */
static int ask(struct peer *p)
{
	struct question *q = calloc(1, sizeof(*q));
	pthread_attr_t detached;
	pthread_t thread;
	int err;

	if (!q)
		return -ENOMEM;
	memcpy(q->host, p->host, sizeof(q->host));
	memcpy(q->port, p->port, sizeof(q->port));
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &detached, resolver, q);
	pthread_attr_destroy(&detached);
	if (err)
		free(q);
	else
		p->question = q;
	return -err;
}

static void resolve(struct peer *p, uint64_t now_ns)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	int err;

	p->tried = 0;
	p->why = NULL;
	if (getaddrinfo(p->host, p->port, &hints, &p->found) == 0) {
		p->next = p->found;
		set_state(p, PEER_CONNECTS, now_ns);
		return;
	}
	p->found = NULL;
	err = ask(p);
	if (err < 0)
		lost(p, strerror(-err), now_ns); /* NOLINT(concurrency-mt-unsafe) */
	else
		set_state(p, PEER_RESOLVES, now_ns);
}

static void resolved(struct peer *p, uint64_t now_ns)
{
	struct question *q = p->question;
	int err;

	if (atomic_load(&q->answer) != ANSWER_GIVEN)
		return;
	err = q->err;
	p->found = p->next = q->found;
	p->question = NULL;
	free(q);
	if (err)
		lost(p, gai_strerror(err), now_ns);
	else
		set_state(p, PEER_CONNECTS, now_ns);
}

static void connected(struct peer *p, struct ifaces *t, uint64_t now_ns)
{
	int fd = p->fd, on = 1, idle = 30, interval = 10, count = 3;

	/* A host that is gone without a word is noticed after a minute. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	log_line("%s: connected", p->address);
	p->told_lost = false;
	forget_answer(p);
	set_state(p, PEER_READS, now_ns);
	p->fd = -1;
	p->reads = fd;
	if (!input_begin_fd(&p->input, t, p->input.file, fd) && p->input.ended)
		lost(p, p->input.why, now_ns);
}

/* One step of connecting; true where another may follow at once. */
static bool connect_on(struct peer *p, struct ifaces *t, uint64_t now_ns)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (p->fd < 0) {
		struct addrinfo *a = p->next;

		if (!a || p->tried == PEER_ADDRESSES) {
			lost(p, p->why ? p->why : "no address to connect to", now_ns);
			return false;
		}
		p->next = a->ai_next;
		p->tried++;
		p->since_ns = now_ns;
		p->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (p->fd >= 0 && connect(p->fd, a->ai_addr, a->ai_addrlen) == 0) {
			connected(p, t, now_ns);
			return false;
		}
		if (p->fd >= 0 && errno == EINPROGRESS)
			return false;
		err = errno;
	} else {
		struct pollfd ready = {.fd = p->fd, .events = POLLOUT};

		if (poll(&ready, 1, 0) == 0) {
			if (now_ns - p->since_ns < PEER_CONNECT_NS)
				return false;
			err = ETIMEDOUT;
		} else if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0) {
			connected(p, t, now_ns);
			return false;
		}
	}
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->why = strerror(err); /* NOLINT(concurrency-mt-unsafe): known numbers only */
	return true;
}

struct input *peer_turn(struct peer *p, struct ifaces *t, uint64_t now_ns)
{
	if (p->state == PEER_PAUSES && (p->pause_ns == 0 || now_ns - p->since_ns >= p->pause_ns))
		resolve(p, now_ns);
	if (p->state == PEER_RESOLVES)
		resolved(p, now_ns);
	while (p->state == PEER_CONNECTS)
		if (!connect_on(p, t, now_ns))
			break;
	if (p->state != PEER_READS)
		return NULL;
	if (p->input.has_head || input_next(&p->input, t))
		return &p->input;
	if (p->input.ended)
		lost(p, p->input.why ? p->input.why : "the connection was closed", now_ns);
	return NULL;
}

bool peer_next(struct peer *p, struct ifaces *t)
{
	return input_next(&p->input, t);
}

const char *peer_name(const struct peer *p)
{
	return p->address;
}

int peer_fd(const struct peer *p, short *events)
{
	*events = p->state == PEER_CONNECTS ? POLLOUT : POLLIN;
	return p->state == PEER_READS ? p->reads : p->fd;
}

uint64_t peer_taken(const struct peer *p)
{
	return p->taken + (p->input.bytes ? bytes_taken(p->input.bytes) : 0);
}
