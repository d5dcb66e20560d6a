/* SPDX-License-Identifier: MIT */
/*
 * nic_message — what one message of the kernel says about an interface.
 *
 * Each takes the body of a message (behind struct nlmsghdr), reads no byte outside of it, and
 * returns false where it is shorter than its fixed header or does not say whom it is about.
 * Attributes that are unknown, too short or repeated do no harm.
 *
 * Threads: any.
 * Source:  rtnetlink(7), linux/rtnetlink.h, if_link.h, if_addr.h, nexthop.h, genetlink.h, and
 *          Documentation/netlink/specs/netdev.yaml of Linux 6.3 and newer.
 */
#ifndef USER_SOURCE_NIC_MESSAGE_H
#define USER_SOURCE_NIC_MESSAGE_H

#include <stdio.h>

#include "user/base/span.h"
#include "user/source/nic.h"

/* Parts of linux/netdev.h, which older headers lack. */
enum {
	NETDEV_COMMAND_DEV_GET = 1,
	NETDEV_COMMAND_QUEUE_GET = 10,
	NETDEV_ATTR_IFINDEX = 1,
	NETDEV_ATTR_XDP_FEATURES = 3,
	NETDEV_ATTR_XDP_ZC_MAX_SEGS = 4,
	NETDEV_ATTR_QUEUE_IFINDEX = 2,
	NETDEV_ATTR_QUEUE_TYPE = 3, /* 0: receive, 1: transmit */
	NETDEV_BIT_BASIC = 1,
	NETDEV_BIT_REDIRECT = 2,
	NETDEV_BIT_NDO_XMIT = 4,
	NETDEV_BIT_XSK_ZEROCOPY = 8,
	NETDEV_BIT_RX_SG = 32,
};

/* RTM_NEWLINK into a cleared row; the queues are those that were made. */
bool nic_message_link(struct span body, struct nic *n);

/* RTM_NEWADDR; false also for families other than IPv4 and IPv6. */
bool nic_message_address(struct span body, struct nic_address *a, int *ifindex);

struct nic_route {
	struct nic_address to;
	bool link_local; /* or multicast of IPv6: every interface has these by itself */
	bool cached;     /* no route, but a note on one */
	/* private */
	uint32_t through[2];
	struct span hops;
};

/* RTM_NEWROUTE; the route is valid as long as the body. */
bool nic_message_route(struct span body, struct nic_route *r);
/* Each interface that packets of the route take, or come from where it is one of multicast. */
bool nic_route_through(struct nic_route *r, int *ifindex);

/* RTM_NEWNEXTHOP */
bool nic_message_nexthop(struct span body, uint32_t *id, int *ifindex);

/* RTM_NEWNSID: -1 for a namespace without an id. */
bool nic_message_namespace(struct span body, int32_t *id);

/* The number of a family of generic netlink: answer to CTRL_CMD_GETFAMILY. */
bool nic_message_family(struct span body, uint16_t *id);
/* Answer to NETDEV_CMD_DEV_GET. */
bool nic_message_features(struct span body, struct nic_features *f, int *ifindex);
/* One of the answers to NETDEV_CMD_QUEUE_GET: a queue in use. */
bool nic_message_queue(struct span body, bool *receives);

/* /proc/net/pppoe: does it list a session on that interface? */
bool nic_pppoe_on(FILE *table, const char *name);

#endif
