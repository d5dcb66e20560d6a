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

_Static_assert(sizeof(struct flow_key) == 40, "hashed as it is, for the stream id");

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

#endif
