/* SPDX-License-Identifier: MIT */
/*
 * netlink — questions to the kernel and its answers, message by message, attribute by attribute.
 *
 * Owner:   one thread, at start; a struct netlink serves one question at a time.
 * Bounds:  an answer comes in datagrams of at most NETLINK_BYTES; attributes are nested as deep
 *          as the caller follows them.
 * Borrows: a message and its attributes are valid until the next netlink_next or netlink_ask.
 * Errors:  -EAGAIN where the answer is no snapshot (NLM_F_DUMP_INTR): ask again; what the kernel
 *          refuses comes as its own negative errno.
 * Source:  netlink(7); the layout is that of linux/netlink.h.
 */
#ifndef USER_SOURCE_NETLINK_H
#define USER_SOURCE_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/span.h"

#define NETLINK_BYTES (64U << 10) /* the kernel fills at most 32 KiB */

struct netlink_message {
	struct nlmsghdr head;
	struct span body;
};

struct netlink_attr {
	uint16_t type; /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
	struct span value;
};

/* The first message of some; false where there is none, or none that lies in its bytes. */
bool netlink_split(struct span *rest, struct netlink_message *m);
/* The same for attributes. */
bool netlink_attr_next(struct span *rest, struct netlink_attr *a);

/* The fixed header of n bytes in front of a message's attributes: copied to dst, and the
 * attributes left in *body.  False where the message is shorter. */
bool netlink_header(struct span *body, uint8_t *dst, size_t n);

/* 0 where the value is shorter than that. */
uint8_t netlink_u8(const struct netlink_attr *a);
uint16_t netlink_u16(const struct netlink_attr *a);
uint32_t netlink_u32(const struct netlink_attr *a);
uint64_t netlink_u64(const struct netlink_attr *a);
/* Up to the first NUL or the end, cut to size - 1. */
void netlink_text(const struct netlink_attr *a, char *dst, size_t size);

struct netlink_request {
	size_t len;
	_Alignas(struct nlmsghdr) uint8_t bytes[128];
};

/* The request with its fixed header; flags beside NLM_F_REQUEST. */
void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, struct span header);
void netlink_put(struct netlink_request *r, uint16_t type, struct span value);

struct netlink {
	/* private */
	int fd;
	uint32_t port, seq;
	uint8_t *buf;
	struct span rest;
	bool dump, done, disturbed;
};

/* NETLINK_ROUTE, NETLINK_GENERIC. */
int netlink_open(struct netlink *nl, int protocol);
void netlink_close(struct netlink *nl);

int netlink_ask(struct netlink *nl, const struct netlink_request *r);
/* 1 with the next message of the answer, 0 behind the last one, negative errno. */
int netlink_next(struct netlink *nl, struct netlink_message *m);

#endif
