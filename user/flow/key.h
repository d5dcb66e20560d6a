/* SPDX-License-Identifier: MIT */
/*
 * key — whose packet it is: both endpoints in canonical order, protocol, number of IP layers.
 *
 * Canonical order: by address as bytes, then by port.  IPv4 addresses stand in the first 4 bytes,
 * the rest is zero; `v6` keeps them apart from IPv6.
 */
#ifndef USER_FLOW_KEY_H
#define USER_FLOW_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/span.h"
#include "user/decode/packet.h"

struct flow_key {
	uint8_t lo[16], hi[16];
	uint16_t lo_port, hi_port;
	uint8_t proto, v6, ip_layers, pad;
};

_Static_assert(sizeof(struct flow_key) == 40, "first part of the flow record");

static inline bool proto_has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132;
}

/* From a packet's header bytes; `ip` is its innermost IP header. */
static inline void flow_key_of(struct flow_key *k, const struct packet *p, const uint8_t *ip)
{
	bool from_hi = p->flags & PACKET_FROM_HI;
	uint8_t *src = from_hi ? k->hi : k->lo, *dst = from_hi ? k->lo : k->hi;
	uint16_t src_port = 0, dst_port = 0;

	*k = (struct flow_key){.proto = p->proto, .ip_layers = p->ip_layers};
	if (p->flags & PACKET_IPV6) {
		k->v6 = 1;
		memcpy(src, ip + 8, 16);
		memcpy(dst, ip + 24, 16);
	} else {
		memcpy(src, ip + 12, 4);
		memcpy(dst, ip + 16, 4);
	}
	if (proto_has_ports(p->proto)) {
		src_port = load_be16(ip + p->l4);
		dst_port = load_be16(ip + p->l4 + 2);
	}
	k->lo_port = from_hi ? dst_port : src_port;
	k->hi_port = from_hi ? src_port : dst_port;
}

/* Compared in the pieces it was written in: wider loads would wait for the stores. */
static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint32_t x[3], y[3];

	memcpy(x, &a->lo_port, 8);
	memcpy(y, &b->lo_port, 8);
	memcpy(&x[2], a->lo, 4);
	memcpy(&y[2], b->lo, 4);
	if (((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) != 0 || memcmp(a->hi, b->hi, 4) != 0)
		return false;
	return !a->v6 ||
	       (memcmp(a->lo + 4, b->lo + 4, 12) == 0 && memcmp(a->hi + 4, b->hi + 4, 12) == 0);
}

#endif
