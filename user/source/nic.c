/* SPDX-License-Identifier: MIT */
/* nic — see nic.h. */
#include "user/source/nic.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/net_namespace.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/source/netlink.h"
#include "user/source/nic_device.h"
#include "user/source/nic_message.h"

#define READ_TRIES 10 /* an answer that is no snapshot is asked for again */

struct nics {
	struct nic *row; /* by ifindex */
	size_t n, cap;
	struct netlink route, generic;
};

bool nic_link_local(const struct nic_address *a)
{
	if (a->family == AF_INET)
		return a->prefix >= 16 && a->at[0] == 169 && a->at[1] == 254;
	return a->family == AF_INET6 && a->prefix >= 10 && a->at[0] == 0xfe &&
	       (a->at[1] & 0xc0) == 0x80;
}

/* For qsort. */
static int by_index(const void *one, const void *other)
{
	const struct nic *a = one, *b = other;

	return (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static struct nic *find(const struct nics *s, int ifindex)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->row[mid].ifindex < ifindex)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->row[lo].ifindex == ifindex ? &s->row[lo] : NULL;
}

static int add_row(struct nics *s, const struct nic *n)
{
	if (s->n == NIC_ROWS)
		return -E2BIG;
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		struct nic *row = realloc(s->row, cap * sizeof(*row));

		if (!row)
			return -ENOMEM;
		s->row = row;
		s->cap = cap;
	}
	s->row[s->n++] = *n;
	return 0;
}

static int ask_links(struct netlink *nl, int32_t namespace)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	uint32_t mask = RTEXT_FILTER_SKIP_STATS;
	struct netlink_request q;

	netlink_begin(&q, RTM_GETLINK, NLM_F_DUMP, span_of((const uint8_t *)&head, sizeof(head)));
	netlink_put(&q, IFLA_EXT_MASK, span_of((const uint8_t *)&mask, sizeof(mask)));
	if (namespace >= 0)
		netlink_put(&q, IFLA_TARGET_NETNSID,
			    span_of((const uint8_t *)&namespace, sizeof(namespace)));
	return netlink_ask(nl, &q);
}

static int read_links(struct nics *s)
{
	struct netlink_message m;
	struct nic n;
	int rc = ask_links(&s->route, -1);

	s->n = 0;
	if (rc < 0)
		return rc;
	while ((rc = netlink_next(&s->route, &m)) == 1)
		if (m.head.nlmsg_type == RTM_NEWLINK && nic_message_link(m.body, &n)) {
			rc = add_row(s, &n);
			if (rc < 0)
				return rc;
		}
	if (s->n > 1)
		qsort(s->row, s->n, sizeof(*s->row), by_index);
	return rc;
}

static void set_upper(struct nic *lower, const struct nic *upper, bool elsewhere)
{
	if (lower->upper[0] != '\0')
		return;
	memcpy(lower->upper, upper->name, sizeof(lower->upper));
	memcpy(lower->upper_kind, upper->kind, sizeof(lower->upper_kind));
	lower->upper_elsewhere = elsewhere;
}

/* The names of what is beside, above and below. */
static void join_links(struct nics *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct nic *n = &s->row[i], *other;

		other = n->master != 0 ? find(s, n->master) : NULL;
		if (other)
			memcpy(n->master_name, other->name, sizeof(n->master_name));
		other = n->peer != 0 && !n->peer_elsewhere ? find(s, n->peer) : NULL;
		if (other)
			memcpy(n->peer_name, other->name, sizeof(n->peer_name));
		other = n->lower != 0 && n->link_netns < 0 ? find(s, n->lower) : NULL;
		if (other && other != n)
			set_upper(other, n, false);
	}
}

/* Asks for the ids of all namespaces (thread 0), or for that of the one a thread is in. */
static int ask_namespace(struct netlink *nl, pid_t thread)
{
	struct rtgenmsg head = {.rtgen_family = AF_UNSPEC};
	struct netlink_request q;

	netlink_begin(&q, RTM_GETNSID, thread == 0 ? NLM_F_DUMP : 0,
		      span_of((const uint8_t *)&head, sizeof(head)));
	if (thread != 0)
		netlink_put(&q, NETNSA_PID, span_of((const uint8_t *)&thread, sizeof(thread)));
	return netlink_ask(nl, &q);
}

/* What the kernel calls this thread's own namespace, as others' links name it; -1 where it does
 * not call it anything yet. */
static int32_t own_namespace(struct netlink *nl)
{
	struct netlink_message m;
	int32_t id = -1;

	if (ask_namespace(nl, gettid()) == 0 && netlink_next(nl, &m) == 1 &&
	    m.head.nlmsg_type == RTM_NEWNSID)
		nic_message_namespace(m.body, &id);
	return id;
}

static size_t list_namespaces(struct netlink *nl, int32_t *id, size_t cap)
{
	struct netlink_message m;
	size_t n = 0;

	if (ask_namespace(nl, 0) < 0)
		return 0;
	while (netlink_next(nl, &m) == 1)
		if (n < cap && m.head.nlmsg_type == RTM_NEWNSID &&
		    nic_message_namespace(m.body, &id[n]) && id[n] >= 0)
			n++;
	return n;
}

/* What stands upon a link of this namespace but was moved into another, as the macvlan of a
 * container is.  Its link names this namespace by `own`.  A namespace that may not be looked into
 * has nothing to say. */
static int read_far_links(struct nics *s, int32_t namespace, int32_t own)
{
	struct netlink_message m;
	struct nic n, *lower;
	int rc;

	if (ask_links(&s->route, namespace) < 0)
		return 0;
	while ((rc = netlink_next(&s->route, &m)) == 1) {
		if (m.head.nlmsg_type != RTM_NEWLINK || !nic_message_link(m.body, &n) ||
		    n.lower == 0 || n.link_netns < 0 || n.link_netns != own)
			continue;
		lower = find(s, n.lower);
		if (lower)
			set_upper(lower, &n, true);
	}
	return rc == -EAGAIN ? rc : 0;
}

static int join_far_links(struct nics *s)
{
	int32_t *id = calloc(NIC_NAMESPACES, sizeof(*id)), own, before;
	size_t n;
	int rc = 0;

	if (!id)
		return -ENOMEM;
	n = list_namespaces(&s->route, id, NIC_NAMESPACES);
	own = own_namespace(&s->route);
	/* The first link that names this namespace makes the kernel number it: then look again. */
	do {
		before = own;
		for (size_t i = 0; i < n && rc == 0; i++)
			if (id[i] != own)
				rc = read_far_links(s, id[i], own);
		own = own_namespace(&s->route);
	} while (rc == 0 && before < 0 && own >= 0);
	free(id);
	return rc;
}

static int ask_dump(struct netlink *nl, uint16_t type, struct span header)
{
	struct netlink_request q;

	netlink_begin(&q, type, NLM_F_DUMP, header);
	return netlink_ask(nl, &q);
}

static int read_addresses(struct nics *s)
{
	struct ifaddrmsg head = {.ifa_family = AF_UNSPEC};
	struct netlink_message m;
	struct nic_address a;
	struct nic *n;
	int rc, ifindex;

	rc = ask_dump(&s->route, RTM_GETADDR, span_of((const uint8_t *)&head, sizeof(head)));
	if (rc < 0)
		return rc;
	while ((rc = netlink_next(&s->route, &m)) == 1) {
		if (m.head.nlmsg_type != RTM_NEWADDR || !nic_message_address(m.body, &a, &ifindex))
			continue;
		n = find(s, ifindex);
		if (n && n->n_addresses < NIC_ADDRESSES)
			n->address[n->n_addresses++] = a;
		else if (n)
			n->more_addresses++;
	}
	return rc;
}

/* A default route says more about an interface than any other. */
static void add_route(struct nic *n, const struct nic_address *to)
{
	if (n->routed && (to->prefix != 0 || n->route.prefix == 0))
		return;
	n->routed = true;
	n->route = *to;
}

/* All tables of all families: IPv4, IPv6, multicast of both, MPLS. */
static int read_routes(struct nics *s)
{
	struct rtmsg head = {.rtm_family = AF_UNSPEC};
	struct netlink_message m;
	struct nic_route r;
	struct nic *n;
	int rc, ifindex;

	rc = ask_dump(&s->route, RTM_GETROUTE, span_of((const uint8_t *)&head, sizeof(head)));
	if (rc < 0)
		return rc;
	while ((rc = netlink_next(&s->route, &m)) == 1) {
		if (m.head.nlmsg_type != RTM_NEWROUTE || !nic_message_route(m.body, &r) ||
		    r.cached || r.link_local)
			continue;
		while (nic_route_through(&r, &ifindex)) {
			n = find(s, ifindex);
			if (n)
				add_route(n, &r.to);
		}
	}
	return rc;
}

/* A route may name only the object (net.ipv4.nexthop_compat_mode = 0).  Linux 5.3 and newer. */
static int read_nexthops(struct nics *s)
{
	struct nhmsg head = {.nh_family = AF_UNSPEC};
	struct netlink_message m;
	struct nic *n;
	uint32_t id;
	int rc, ifindex;

	rc = ask_dump(&s->route, RTM_GETNEXTHOP, span_of((const uint8_t *)&head, sizeof(head)));
	if (rc < 0)
		return rc;
	while ((rc = netlink_next(&s->route, &m)) == 1) {
		if (m.head.nlmsg_type != RTM_NEWNEXTHOP ||
		    !nic_message_nexthop(m.body, &id, &ifindex))
			continue;
		n = find(s, ifindex);
		if (n)
			n->nexthop = id;
	}
	return rc == -EAGAIN ? rc : 0;
}

/* The number of the family "netdev", which Linux 6.3 and newer have; 0 without it. */
static uint16_t find_netdev(struct netlink *nl)
{
	static const char name[] = "netdev";
	struct genlmsghdr head = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	struct netlink_request q;
	struct netlink_message m;
	uint16_t family = 0;

	netlink_begin(&q, GENL_ID_CTRL, 0, span_of((const uint8_t *)&head, sizeof(head)));
	netlink_put(&q, CTRL_ATTR_FAMILY_NAME, span_of((const uint8_t *)name, sizeof(name)));
	if (netlink_ask(nl, &q) == 0 && netlink_next(nl, &m) == 1)
		nic_message_family(m.body, &family);
	return family;
}

static void read_features(struct nics *s, uint16_t netdev)
{
	struct genlmsghdr head = {.cmd = NETDEV_COMMAND_DEV_GET, .version = 1};
	struct netlink_message m;
	struct nic_features f;
	struct nic *n;
	int ifindex;

	if (ask_dump(&s->generic, netdev, span_of((const uint8_t *)&head, sizeof(head))) < 0)
		return;
	while (netlink_next(&s->generic, &m) == 1) {
		if (m.head.nlmsg_type != netdev || !nic_message_features(m.body, &f, &ifindex))
			continue;
		n = find(s, ifindex);
		if (n)
			n->features = f;
	}
}

/* Linux 6.8 and newer list the queues in use of an interface that is up. */
static void read_queues(struct netlink *nl, uint16_t netdev, struct nic *n)
{
	struct genlmsghdr head = {.cmd = NETDEV_COMMAND_QUEUE_GET, .version = 1};
	struct netlink_request q;
	struct netlink_message m;
	uint32_t rx = 0, tx = 0;
	bool receives;
	int rc;

	netlink_begin(&q, netdev, NLM_F_DUMP, span_of((const uint8_t *)&head, sizeof(head)));
	netlink_put(&q, NETDEV_ATTR_QUEUE_IFINDEX,
		    span_of((const uint8_t *)&n->ifindex, sizeof(n->ifindex)));
	if (netlink_ask(nl, &q) < 0)
		return;
	while ((rc = netlink_next(nl, &m)) == 1)
		if (m.head.nlmsg_type == netdev && nic_message_queue(m.body, &receives)) {
			rx += receives;
			tx += !receives;
		}
	if (rc == 0 && rx > 0 && tx > 0) {
		n->rx_queues = rx;
		n->tx_queues = tx;
	}
}

static void read_generic(struct nics *s)
{
	uint16_t netdev;

	if (netlink_open(&s->generic, NETLINK_GENERIC) < 0)
		return;
	netdev = find_netdev(&s->generic);
	if (netdev != 0) {
		read_features(s, netdev);
		for (size_t i = 0; i < s->n; i++)
			if (s->row[i].up)
				read_queues(&s->generic, netdev, &s->row[i]);
	}
	netlink_close(&s->generic);
}

/* Leaves only the one of that name. */
static int choose(struct nics *s, const char *name)
{
	struct nic *n = NULL;

	for (size_t i = 0; i < s->n && !n; i++)
		if (strcmp(s->row[i].name, name) == 0)
			n = &s->row[i];
	if (!n)
		n = find(s, (int)if_nametoindex(name));
	if (!n)
		return -ENODEV;
	s->row[0] = *n;
	s->n = 1;
	return 0;
}

static int read_once(struct nics *s, const char *name)
{
	int err = read_links(s);

	if (err < 0)
		return err;
	join_links(s);
	err = join_far_links(s);
	if (err == 0 && name)
		err = choose(s, name);
	if (err == 0)
		err = read_addresses(s);
	if (err == 0)
		err = read_routes(s);
	if (err == 0)
		err = read_nexthops(s);
	return err;
}

/* All of them, or the one of that name. */
static int read_nics(struct nics *s, const char *name)
{
	int err;

	*s = (struct nics){.n = 0};
	err = netlink_open(&s->route, NETLINK_ROUTE);
	if (err < 0)
		return err;
	err = -EAGAIN;
	for (int tries = 0; tries < READ_TRIES && err == -EAGAIN; tries++)
		err = read_once(s, name);
	if (err == 0)
		err = nic_device_read(s->row, s->n);
	if (err == 0)
		read_generic(s);
	netlink_close(&s->route);
	if (err < 0)
		free(s->row);
	return err;
}

int nic_read(struct nic *n, const char *name)
{
	struct nics s;
	int err = read_nics(&s, name);

	*n = (struct nic){.ifindex = 0};
	if (err < 0)
		return err;
	*n = s.row[0];
	free(s.row);
	return 0;
}

int nic_list(struct nic **rows, size_t *n)
{
	struct nics s;
	int err = read_nics(&s, NULL);

	*rows = err < 0 ? NULL : s.row;
	*n = err < 0 ? 0 : s.n;
	return err;
}
