/* SPDX-License-Identifier: MIT */
/* netlink — see netlink.h. */
#include "user/source/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel answers at once; this is for a kernel that does not. */
#define ANSWER_SECONDS 5

/* Steps over n bytes and what pads them to 4. */
static void step(struct span *rest, size_t n)
{
	size_t padded = (n + 3) & ~(size_t)3;

	rest->at += padded < span_len(*rest) ? padded : span_len(*rest);
}

bool netlink_split(struct span *rest, struct netlink_message *m)
{
	size_t left = span_len(*rest);

	if (left < sizeof(m->head))
		return false;
	memcpy(&m->head, rest->at, sizeof(m->head));
	if (m->head.nlmsg_len < sizeof(m->head) || m->head.nlmsg_len > left)
		return false;
	m->body = span_of(rest->at + sizeof(m->head), m->head.nlmsg_len - sizeof(m->head));
	step(rest, m->head.nlmsg_len);
	return true;
}

bool netlink_attr_next(struct span *rest, struct netlink_attr *a)
{
	size_t left = span_len(*rest);
	struct nlattr head;

	if (left < sizeof(head))
		return false;
	memcpy(&head, rest->at, sizeof(head));
	if (head.nla_len < sizeof(head) || head.nla_len > left)
		return false;
	a->type = head.nla_type & NLA_TYPE_MASK;
	a->value = span_of(rest->at + sizeof(head), head.nla_len - sizeof(head));
	step(rest, head.nla_len);
	return true;
}

bool netlink_header(struct span *body, uint8_t *dst, size_t n)
{
	if (span_len(*body) < n)
		return false;
	memcpy(dst, body->at, n);
	step(body, n);
	return true;
}

uint8_t netlink_u8(const struct netlink_attr *a)
{
	return span_len(a->value) >= 1 ? *a->value.at : 0;
}

uint16_t netlink_u16(const struct netlink_attr *a)
{
	uint16_t v = 0;

	if (span_len(a->value) >= sizeof(v))
		memcpy(&v, a->value.at, sizeof(v));
	return v;
}

uint32_t netlink_u32(const struct netlink_attr *a)
{
	uint32_t v = 0;

	if (span_len(a->value) >= sizeof(v))
		memcpy(&v, a->value.at, sizeof(v));
	return v;
}

uint64_t netlink_u64(const struct netlink_attr *a)
{
	uint64_t v = 0;

	if (span_len(a->value) >= sizeof(v))
		memcpy(&v, a->value.at, sizeof(v));
	return v;
}

void netlink_text(const struct netlink_attr *a, char *dst, size_t size)
{
	size_t n = strnlen((const char *)a->value.at, span_len(a->value));

	n = n < size ? n : size - 1;
	memcpy(dst, a->value.at, n);
	dst[n] = '\0';
}

void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, struct span header)
{
	struct nlmsghdr head = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};

	memset(r, 0, sizeof(*r));
	memcpy(r->bytes, &head, sizeof(head));
	memcpy(r->bytes + sizeof(head), header.at, span_len(header));
	r->len = NLMSG_ALIGN(sizeof(head) + span_len(header));
}

void netlink_put(struct netlink_request *r, uint16_t type, struct span value)
{
	struct nlattr head = {.nla_type = type,
			      .nla_len = (uint16_t)(sizeof(head) + span_len(value))};

	memcpy(r->bytes + r->len, &head, sizeof(head));
	memcpy(r->bytes + r->len + sizeof(head), value.at, span_len(value));
	r->len += NLA_ALIGN(head.nla_len);
}

int netlink_open(struct netlink *nl, int protocol)
{
	struct sockaddr_nl me = {.nl_family = AF_NETLINK};
	struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	socklen_t len = sizeof(me);

	*nl = (struct netlink){.done = true};
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (nl->fd < 0)
		return -errno;
	nl->buf = malloc(NETLINK_BYTES);
	if (!nl->buf || bind(nl->fd, (struct sockaddr *)&me, sizeof(me)) < 0 ||
	    getsockname(nl->fd, (struct sockaddr *)&me, &len) < 0 ||
	    setsockopt(nl->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		int err = nl->buf ? -errno : -ENOMEM;

		netlink_close(nl);
		return err;
	}
	nl->port = me.nl_pid;
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	free(nl->buf);
	*nl = (struct netlink){.fd = -1, .done = true};
}

int netlink_ask(struct netlink *nl, const struct netlink_request *r)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct netlink_request q = *r;
	struct nlmsghdr head;
	ssize_t sent;

	memcpy(&head, q.bytes, sizeof(head));
	head.nlmsg_len = (uint32_t)q.len;
	head.nlmsg_seq = ++nl->seq;
	head.nlmsg_pid = nl->port;
	memcpy(q.bytes, &head, sizeof(head));
	nl->dump = (head.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	nl->done = nl->disturbed = false;
	nl->rest = span_of(nl->buf, 0);
	do
		sent = sendto(nl->fd, q.bytes, q.len, 0, (struct sockaddr *)&kernel,
			      sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	nl->done = sent < 0;
	return sent < 0 ? -errno : 0;
}

/* A datagram of the kernel into buf: other processes may send to this socket as well. */
static int receive(struct netlink *nl)
{
	struct sockaddr_nl from = {.nl_pid = 0};
	socklen_t len;
	ssize_t got;

	do {
		len = sizeof(from);
		got = recvfrom(nl->fd, nl->buf, NETLINK_BYTES, MSG_TRUNC, (struct sockaddr *)&from,
			       &len);
	} while (got < 0 ? errno == EINTR : len != sizeof(from) || from.nl_pid != 0);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (got > NETLINK_BYTES)
		return -EMSGSIZE;
	nl->rest = span_of(nl->buf, (size_t)got);
	return 0;
}

/* What NLMSG_ERROR and NLMSG_DONE carry: 0 or a negative errno. */
static int code_of(const struct netlink_message *m)
{
	struct span body = m->body;
	int32_t code = 0;

	netlink_header(&body, (uint8_t *)&code, sizeof(code));
	return code <= 0 ? code : -EPROTO;
}

/* As netlink_next, of the messages that are there; -EALREADY where they are used up. */
static int next_of_rest(struct netlink *nl, struct netlink_message *m)
{
	int err;

	while (netlink_split(&nl->rest, m)) {
		if (m->head.nlmsg_seq != nl->seq || m->head.nlmsg_pid != nl->port)
			continue;
		nl->disturbed |= (m->head.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (m->head.nlmsg_type == NLMSG_NOOP)
			continue;
		if (m->head.nlmsg_type == NLMSG_ERROR || m->head.nlmsg_type == NLMSG_DONE) {
			nl->done = true;
			err = code_of(m);
			return err == 0 && nl->disturbed ? -EAGAIN : err;
		}
		nl->done = !nl->dump;
		return 1;
	}
	return -EALREADY;
}

int netlink_next(struct netlink *nl, struct netlink_message *m)
{
	int rc;

	if (nl->done)
		return 0;
	while ((rc = next_of_rest(nl, m)) == -EALREADY) {
		rc = receive(nl);
		if (rc < 0) {
			nl->done = true;
			return rc;
		}
	}
	return rc;
}
