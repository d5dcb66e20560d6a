/* SPDX-License-Identifier: MIT */
/* transport — TCP, UDP, ICMP and SCTP headers: where the payload is, and whether sums agree. */
#include "user/decode/csum.h"
#include "user/decode/walk.h"

enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ESP = 50,
	PROTO_ICMPV6 = 58,
	PROTO_SCTP = 132
};

/* Pseudo-header and L4 bytes (RFC 9293 §3.1, RFC 8200 §8.1), in the byte order of csum_add. */
static bool sum_is_good(const struct walk *w, uint32_t len, bool pseudo)
{
	const uint8_t *ip = w->buf + w->p->l3;
	bool v6 = w->p->flags & PACKET_IPV6;
	uint64_t sum = 0;

	if (pseudo) {
		sum = (uint64_t)__builtin_bswap16((uint16_t)len) + __builtin_bswap16(w->proto);
		sum = csum_add(sum, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
	}
	return csum_good(csum_add(sum, walk_at(w), len));
}

/* Counts a bad sum; false where it is a reason to drop the packet. */
static bool check_sum(struct walk *w, uint32_t len, bool pseudo, uint64_t *bad)
{
	if (w->d->conf->checksum == CHECKSUM_OFF || w->partial_sum || len > walk_left(w) ||
	    len > 0xffff)
		return true;
	/* A routing header's last address, not the header's, is in the sum: left alone. */
	if ((w->p->flags & PACKET_IPV6) && w->p->l4 != 40)
		return true;
	if (sum_is_good(w, len, pseudo))
		return true;
	(*bad)++;
	w->p->flags |= PACKET_BAD_L4_SUM;
	return w->d->conf->checksum != CHECKSUM_DROP;
}

static void set_payload(struct walk *w, uint32_t header)
{
	uint32_t left = walk_left(w);

	w->p->payload = w->at + header;
	w->p->payload_len = w->l4_len - header;
	w->p->payload_cap = left > header ? left - header : 0;
	if (w->p->payload_cap > w->p->payload_len)
		w->p->payload_cap = w->p->payload_len;
	if (w->p->payload_cap < w->p->payload_len)
		w->d->counts.snaplen_cut++;
}

static enum layer tcp(struct walk *w)
{
	uint32_t header;

	if (walk_left(w) < 20 || w->l4_len < 20)
		return walk_drop(w, RM_DROP_TCP_HEADER);
	header = (uint32_t)(walk_at(w)[12] >> 4) * 4;
	if (header < 20 || header > w->l4_len)
		return walk_drop(w, RM_DROP_TCP_HEADER);
	w->d->counts.tcp++;
	if (!check_sum(w, w->l4_len, true, &w->d->counts.tcp_bad_checksum))
		return walk_drop(w, RM_DROP_CHECKSUM);
	set_payload(w, header);
	return LAYER_FLOW;
}

static enum layer udp(struct walk *w)
{
	const uint8_t *h = walk_at(w);
	uint32_t len;

	if (walk_left(w) < 8 || w->l4_len < 8)
		return walk_drop(w, RM_DROP_UDP_HEADER);
	len = load_be16(h + 4);
	w->d->counts.udp++;
	/* Zero: the length did not fit (RFC 2675 §4) or an offload has not set it yet. */
	if (len >= 8 && len < w->l4_len)
		w->l4_len = len;
	else if (len != 0 && len < 8)
		return walk_drop(w, RM_DROP_UDP_HEADER);
	if (load_be16(h + 6) != 0 && !check_sum(w, w->l4_len, true, &w->d->counts.udp_bad_checksum))
		return walk_drop(w, RM_DROP_CHECKSUM);
	set_payload(w, 8);
	w->type = load_be16(h + 2);
	if (!udp_is_tunnel(w->type))
		w->type = load_be16(h);
	if (udp_is_tunnel(w->type)) {
		w->at += 8;
		w->end = w->at + w->l4_len - 8;
		if (w->cap > w->end)
			w->cap = w->end;
		return LAYER_UDP_TUNNEL;
	}
	return LAYER_FLOW;
}

enum layer layer_l4(struct walk *w)
{
	struct decode_counts *c = &w->d->counts;

	switch (w->proto) {
	case PROTO_TCP:
		return tcp(w);
	case PROTO_UDP:
		return udp(w);
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		if (w->proto == PROTO_ICMP)
			c->icmpv4++;
		else
			c->icmpv6++;
		if (!check_sum(w, w->l4_len, w->proto == PROTO_ICMPV6, &c->icmp_bad_checksum))
			return walk_drop(w, RM_DROP_CHECKSUM);
		if (w->l4_len >= 8)
			set_payload(w, 8);
		return LAYER_FLOW;
	case PROTO_SCTP:
		if (walk_left(w) < 12 || w->l4_len < 12)
			return walk_drop(w, RM_DROP_SCTP_HEADER);
		c->sctp++;
		set_payload(w, 12);
		return LAYER_FLOW;
	default:
		c->esp += w->proto == PROTO_ESP;
		return LAYER_FLOW;
	}
}
