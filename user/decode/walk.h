/* SPDX-License-Identifier: MIT */
/*
 * walk — one frame on its way through the layers; private to user/decode.
 *
 * A layer looks at w->at, moves it past its header and says what comes next.  `cap` is where the
 * captured bytes end, `end` where the layer above says its payload ends (it may lie beyond `cap`
 * where snaplen cut the frame).  Every layer compares with left() before it reads.
 */
#ifndef USER_DECODE_WALK_H
#define USER_DECODE_WALK_H

#include "user/base/span.h"
#include "user/decode/decode.h"

enum layer {
	LAYER_ETHERNET,
	LAYER_ETHERTYPE, /* w->type */
	LAYER_LLC,
	LAYER_IP, /* by the version nibble */
	LAYER_IPV4,
	LAYER_IPV6,
	LAYER_PPP,
	LAYER_MPLS,
	LAYER_GRE,
	LAYER_UDP_TUNNEL, /* w->type = port */
	LAYER_L4,         /* w->proto */
	LAYER_COUNT,
	/* ends */
	LAYER_FLOW = LAYER_COUNT,
	LAYER_OTHER,
	LAYER_HELD,
	LAYER_DROP, /* w->why */
};

struct walk {
	struct decoder *d;
	struct packets *packets;
	struct packet *p;
	const uint8_t *buf;
	uint32_t at, cap, end;
	uint32_t index, frame_len;
	uint32_t depth;
	uint32_t l4_len;  /* payload of the innermost IP layer, by header */
	uint16_t type;    /* EtherType or UDP port of what comes next */
	uint8_t proto;    /* IP protocol of what comes next */
	bool partial_sum; /* the L4 checksum was still to be filled in by hardware */
	bool rebuilt;     /* the bytes were put together from fragments */
	bool lies;
	enum rm_drop why;
	/* the IP layer before, which stands if what it carries turns out to be none */
	struct packet outer;
	bool has_outer;
	enum tunnel_type tunnel;
	uint32_t tunnel_id;
	struct packet_extra extra;
	bool has_extra;
};

static inline const uint8_t *walk_at(const struct walk *w)
{
	return w->buf + w->at;
}

/* Captured bytes from here on. */
static inline uint32_t walk_left(const struct walk *w)
{
	return w->cap > w->at ? w->cap - w->at : 0;
}

static inline enum layer walk_drop(struct walk *w, enum rm_drop why)
{
	w->why = why;
	return LAYER_DROP;
}

/* What w carries from here is a tunnel of this kind: if it holds no IP, *w->p stands. */
static inline void walk_tunnel(struct walk *w, enum tunnel_type type, uint32_t id)
{
	w->outer = *w->p;
	w->has_outer = true;
	w->tunnel = type;
	w->tunnel_id = id;
}

/* common.c: false where the frame is none of the usual ones, and nothing was touched. */
bool decode_common(struct decoder *d, const uint8_t *buf, const struct frame *f, struct packet *p);
/* link.c */
enum layer link_enter(struct walk *w, uint32_t linktype);
enum layer layer_ethernet(struct walk *w);
enum layer layer_ethertype(struct walk *w);
enum layer layer_llc(struct walk *w);
enum layer layer_ppp(struct walk *w);
enum layer layer_mpls(struct walk *w);
/* ip.c */
enum layer layer_ip(struct walk *w);
enum layer layer_ipv4(struct walk *w);
enum layer layer_ipv6(struct walk *w);
/* tunnel.c */
enum layer layer_gre(struct walk *w);
enum layer layer_udp_tunnel(struct walk *w);
bool udp_is_tunnel(uint16_t port);
/* transport.c */
enum layer layer_l4(struct walk *w);

#endif
