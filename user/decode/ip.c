/* SPDX-License-Identifier: MIT */
/* ip — IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200), and which of them carry IP. */
#include "user/decode/csum.h"
#include "user/decode/walk.h"

enum {
	PROTO_HOPOPTS = 0,
	PROTO_IPIP = 4,
	PROTO_IPV6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_GRE = 47,
	PROTO_AH = 51,
	PROTO_DSTOPTS = 60,
	PROTO_MOBILITY = 135,
	PROTO_MPLS = 137,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
};

/* An IP header was accepted: the tunnel that brought it is now a fact about this packet. */
static void enter_ip(struct walk *w, bool v6)
{
	struct packet *p = w->p;

	if (w->has_outer) {
		const uint8_t *o = w->buf + w->outer.l3;
		struct packet_extra *x = &w->extra;
		bool o6 = w->outer.flags & PACKET_IPV6;
		size_t len = o6 ? 16 : 4;

		x->tunnel = (uint8_t)w->tunnel;
		x->tunnel_id = w->tunnel_id;
		x->tunnel_v6 = o6;
		x->tunnel_proto = w->outer.proto;
		memcpy(x->tunnel_src, o + (o6 ? 8 : 12), len);
		memcpy(x->tunnel_dst, o + (o6 ? 24 : 16), len);
		x->tunnel_sport = x->tunnel_dport = 0;
		if (w->outer.proto == 17) {
			x->tunnel_sport = load_be16(o + w->outer.l4);
			x->tunnel_dport = load_be16(o + w->outer.l4 + 2);
		}
		w->has_extra = true;
		w->has_outer = false;
	}
	p->l3 = w->at;
	p->ip_layers++;
	p->flags = (uint8_t)(v6 ? PACKET_IPV6 : 0);
	if (w->rebuilt)
		p->flags |= PACKET_REBUILT;
}

/* The payload of this IP layer has `len` bytes by header.  What the frame on the wire could not
 * hold was never sent; what snaplen cut off was. */
static void limit(struct walk *w, uint32_t len)
{
	uint32_t most = w->end > w->at ? w->end - w->at : 0;

	if (len > most) {
		w->d->counts.ip_length_exceeds_frame++;
		w->p->flags |= PACKET_LENGTH_LIES;
		len = most;
	}
	w->end = w->at + len;
	if (w->cap > w->end)
		w->cap = w->end;
	w->l4_len = len;
}

/* RFC 4302 §2: next header, length in words less two; the payload is in the clear. */
static bool skip_ah(struct walk *w)
{
	uint32_t header;

	if (walk_left(w) < 12)
		return false;
	header = ((uint32_t)walk_at(w)[1] + 2) * 4;
	if (header > walk_left(w) || header > w->l4_len)
		return false;
	w->d->counts.ah++;
	w->proto = walk_at(w)[0];
	w->at += header;
	w->l4_len -= header;
	return true;
}

/* What an IP layer carries. */
static enum layer ip_payload(struct walk *w)
{
	/* A damaged AH, or one of many, is a payload like any other. */
	if (w->proto == PROTO_AH)
		skip_ah(w);
	w->p->proto = w->proto;
	w->p->l4 = (uint16_t)(w->at - w->p->l3);
	w->p->payload = w->at;
	w->p->payload_len = w->l4_len;
	w->p->payload_cap = walk_left(w);
	switch (w->proto) {
	case PROTO_IPIP:
	case PROTO_IPV6:
		w->d->counts.ipip++;
		walk_tunnel(w, TUNNEL_IPIP, 0);
		return w->proto == PROTO_IPIP ? LAYER_IPV4 : LAYER_IPV6;
	case PROTO_GRE:
		return LAYER_GRE;
	case PROTO_MPLS:
		walk_tunnel(w, TUNNEL_MPLS, 0);
		return LAYER_MPLS;
	default:
		return LAYER_L4;
	}
}

static enum layer hold(struct walk *w)
{
	struct decoder *d = w->d;
	struct fragment_note *n = &d->note[d->notes];

	if (d->notes == BLOCK_FRAMES)
		return walk_drop(w, RM_DROP_FRAGMENT_CAP);
	slots_reach(&d->mem, d->notes++);
	*n = (struct fragment_note){
		.index = w->index,
		.l3 = w->p->l3,
		.l4 = w->at,
		.end = w->cap,
		.true_len = w->l4_len,
		.depth = (uint8_t)w->depth,
		.ip_layers = w->p->ip_layers,
	};
	return LAYER_HELD;
}

/*
 *  0       8       16              31
 *  +---+---+-------+---------------+
 *  | 4 |IHL|  TOS  | total length  |
 *  +---+---+-------+-+-------------+
 *  | identification  |flg| offset  |
 *  +-------+-------+-+-------------+
 *  |  TTL  | proto |   checksum    |
 *  +-------+-------+---------------+
 *  |  source, destination, options
 */
enum layer layer_ipv4(struct walk *w)
{
	const uint8_t *h = walk_at(w);
	uint32_t header, total, offset;

	if (walk_left(w) < 20 || h[0] >> 4 != 4)
		return walk_drop(w, RM_DROP_IPV4_HEADER);
	header = (uint32_t)(h[0] & 15) * 4;
	total = load_be16(h + 2);
	if (header < 20 || header > walk_left(w))
		return walk_drop(w, RM_DROP_IPV4_HEADER);
	if (total == 0) { /* segmentation offload: the length did not fit or was not known yet */
		w->d->counts.ip_length_zero++;
		total = w->end - w->at;
	}
	if (total < header)
		return walk_drop(w, RM_DROP_IPV4_HEADER);
	w->d->counts.ipv4++;
	enter_ip(w, false);
	if (w->d->conf->checksum != CHECKSUM_OFF && !csum_good(csum_add(0, h, header))) {
		w->d->counts.ipv4_bad_checksum++;
		w->p->flags |= PACKET_BAD_IP_SUM;
		if (w->d->conf->checksum == CHECKSUM_DROP)
			return walk_drop(w, RM_DROP_CHECKSUM);
	}
	offset = load_be16(h + 6);
	w->proto = h[9];
	w->at += header;
	limit(w, total - header);
	if (offset & 0x3fff) {
		w->d->counts.ipv4_fragments++;
		return hold(w);
	}
	return ip_payload(w);
}

/*
 *  +---+-----------+---------------+
 *  | 6 | class, flow label         |
 *  +---------------+-------+-------+
 *  | payload length| next  | hops  |
 *  +---------------+-------+-------+
 *  |  source 16, destination 16    |
 */
enum layer layer_ipv6(struct walk *w)
{
	const uint8_t *h = walk_at(w);
	uint32_t len;

	if (walk_left(w) < 40 || h[0] >> 4 != 6)
		return walk_drop(w, RM_DROP_IPV6_HEADER);
	len = load_be16(h + 4);
	if (len == 0 && w->end > w->at + 40 && h[6] != 59) { /* offload, or a jumbogram */
		w->d->counts.ip_length_zero++;
		len = w->end - w->at - 40;
	}
	w->d->counts.ipv6++;
	enter_ip(w, true);
	w->proto = h[6];
	w->at += 40;
	limit(w, len);
	for (;;) {
		uint32_t header;

		h = walk_at(w);
		switch (w->proto) {
		case PROTO_HOPOPTS:
		case PROTO_ROUTING:
		case PROTO_DSTOPTS:
		case PROTO_MOBILITY:
		case PROTO_HIP:
		case PROTO_SHIM6:
			if (walk_left(w) < 8)
				return walk_drop(w, RM_DROP_IPV6_HEADER);
			header = ((uint32_t)h[1] + 1) * 8;
			break;
		case PROTO_AH:
			if (!skip_ah(w))
				return walk_drop(w, RM_DROP_IPV6_HEADER);
			continue;
		case PROTO_FRAGMENT:
			if (walk_left(w) < 8)
				return walk_drop(w, RM_DROP_IPV6_HEADER);
			if (load_be16(h + 2) & 0xfff9) {
				w->d->counts.ipv6_fragments++;
				return hold(w);
			}
			header = 8; /* an atomic fragment is a whole datagram (RFC 6946) */
			break;
		default:
			return ip_payload(w);
		}
		if (header > walk_left(w) || header > w->l4_len)
			return walk_drop(w, RM_DROP_IPV6_HEADER);
		w->proto = h[0];
		w->at += header;
		w->l4_len -= header;
	}
}

enum layer layer_ip(struct walk *w)
{
	if (walk_left(w) < 1)
		return walk_drop(w, RM_DROP_IPV4_HEADER);
	switch (walk_at(w)[0] >> 4) {
	case 4:
		return LAYER_IPV4;
	case 6:
		return LAYER_IPV6;
	default:
		return LAYER_OTHER;
	}
}
