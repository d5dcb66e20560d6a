/* SPDX-License-Identifier: MIT */
/*
 * packet — what decoding found in a frame: numbers and places, no state and no pointers.
 *
 * Places are offsets into the buffer of the block that the frame lies in (source/block.h).
 * Owner:   the worker that prepares the block; read-only once it is published.
 */
#ifndef USER_DECODE_PACKET_H
#define USER_DECODE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/wire.h"
#include "user/base/slots.h"

enum packet_flag {
	PACKET_IPV6 = 1 << 0,
	PACKET_FROM_HI = 1 << 1, /* the sender is the higher endpoint of the flow key */
	PACKET_BAD_IP_SUM = 1 << 2,
	PACKET_BAD_L4_SUM = 1 << 3,
	PACKET_REBUILT = 1 << 4,     /* put together from fragments: its bytes lie in no file */
	PACKET_LENGTH_LIES = 1 << 5, /* the IP length exceeds the frame on the wire */
};

enum packet_verdict {
	VERDICT_FLOW,  /* belongs to a flow */
	VERDICT_OTHER, /* understood, but of no flow */
	VERDICT_HELD,  /* a fragment that waits; credited or dropped with its datagram */
	VERDICT_DROP,  /* rm_drop_of() */
};

struct packet {
	uint64_t hash;        /* rm_flow_hash of the tuple */
	uint32_t l3;          /* innermost IP header */
	uint32_t payload;     /* L4 payload */
	uint32_t payload_len; /* as the headers say */
	uint32_t payload_cap; /* of these, captured */
	uint16_t l4;          /* L4 header, from l3 */
	uint16_t extra;       /* row of the rare facts, 0 = none */
	uint8_t proto;        /* L4 protocol */
	uint8_t ip_layers;    /* IP headers from the outside to l3 */
	uint8_t flags;
	uint8_t verdict; /* VERDICT_*, for drops VERDICT_DROP + reason */
};

_Static_assert(sizeof(struct packet) == 32, "two to a cache line");

#define PACKET_VLANS 4

enum tunnel_type {
	TUNNEL_NONE,
	TUNNEL_IPIP,
	TUNNEL_GRE,
	TUNNEL_ERSPAN,
	TUNNEL_VXLAN,
	TUNNEL_GENEVE,
	TUNNEL_GTP,
	TUNNEL_TEREDO,
	TUNNEL_AYIYA,
	TUNNEL_L2TP,
	TUNNEL_MPLS,
};

/* Facts that few packets have: VLANs, the innermost tunnel, fragments. */
struct packet_extra {
	uint16_t vlan[PACKET_VLANS]; /* outer to inner */
	uint8_t vlans;
	uint8_t tunnel; /* enum tunnel_type */
	uint8_t tunnel_proto;
	uint8_t tunnel_v6;
	uint32_t tunnel_id;
	uint8_t tunnel_src[16], tunnel_dst[16];
	uint16_t tunnel_sport, tunnel_dport;
	uint32_t frames;      /* a datagram from fragments: how many */
	uint32_t frame_bytes; /* and all their bytes on the wire */
};

/* The packets of one block, in the order of its frames. */
struct packets {
	struct packet *row;
	struct packet_extra *extra;
	uint32_t n_extra; /* rows in use; row 0 stays empty */
	/* private */
	struct slots rows, extras;
};

int packets_open(struct packets *p, uint32_t cap);
void packets_close(struct packets *p);

static inline enum rm_drop packet_drop(const struct packet *p)
{
	return p->verdict < VERDICT_DROP ? RM_KEEP : (enum rm_drop)(p->verdict - VERDICT_DROP);
}

static inline uint8_t verdict_drop(enum rm_drop why)
{
	return (uint8_t)(VERDICT_DROP + why);
}

#endif
