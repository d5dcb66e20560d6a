/* SPDX-License-Identifier: MIT */
/* tunnel — GRE and what travels inside UDP.  A header that is not what the port promises is no
 * error: the packet then belongs to the outer flow (LAYER_OTHER with w->has_outer set). */
#include "user/decode/walk.h"

enum {
	PORT_L2TP = 1701,
	PORT_GTP = 2152,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	PORT_VXLAN_GPE = 4790,
	PORT_AYIYA = 5072,
	PORT_GENEVE = 6081,
	PORT_MPLS = 6635,
};

/* GRE version 1 with PPP inside, RFC 2637 (PPTP). */
static enum layer gre_pptp(struct walk *w, uint16_t flags)
{
	uint32_t header = 8 + (flags & 0x1000 ? 4 : 0) + (flags & 0x0080 ? 4 : 0);

	if (walk_left(w) <= header)
		return LAYER_OTHER; /* an acknowledgement without payload */
	w->tunnel_id = load_be16(walk_at(w) + 6);
	w->at += header;
	return LAYER_PPP;
}

/* RFC 2784 and 2890; ERSPAN types I to III as in draft-foschiano-erspan-03. */
enum layer layer_gre(struct walk *w)
{
	uint32_t header = 4;
	uint16_t flags, type;

	w->d->counts.gre++;
	walk_tunnel(w, TUNNEL_GRE, 0);
	if (walk_left(w) < 8)
		return LAYER_OTHER;
	flags = load_be16(walk_at(w));
	type = load_be16(walk_at(w) + 2);
	if ((flags & 7) == 1)
		return type == 0x880b ? gre_pptp(w, flags) : LAYER_OTHER;
	if ((flags & 7) != 0 || (flags & 0x4000)) /* version, source routing */
		return LAYER_OTHER;
	if (flags & 0x8000)
		header += 4;
	if (flags & 0x2000) {
		if (walk_left(w) < header + 4)
			return LAYER_OTHER;
		w->tunnel_id = load_be32(walk_at(w) + header);
		header += 4;
	}
	if (flags & 0x1000)
		header += 4;
	if (type == 0x88be || type == 0x22eb) {
		w->d->counts.erspan++;
		w->tunnel = TUNNEL_ERSPAN;
		if (type == 0x88be && (flags & 0x1000)) {
			if (walk_left(w) < header + 8)
				return LAYER_OTHER;
			w->tunnel_id = load_be16(walk_at(w) + header + 2) & 0x3ff;
			header += 8;
		} else if (type == 0x22eb) {
			if (walk_left(w) < header + 12)
				return LAYER_OTHER;
			w->tunnel_id = load_be16(walk_at(w) + header + 2) & 0x3ff;
			header += walk_at(w)[header + 11] & 1 ? 20 : 12;
		}
	}
	if (walk_left(w) < header)
		return LAYER_OTHER;
	w->at += header;
	w->type = type;
	return w->tunnel == TUNNEL_ERSPAN ? LAYER_ETHERNET : LAYER_ETHERTYPE;
}

/* RFC 7348: flags with the I bit, VNI. */
static enum layer vxlan(struct walk *w)
{
	const uint8_t *p = walk_at(w);

	if (walk_left(w) < 8 || !(p[0] & 0x08))
		return LAYER_OTHER;
	w->d->counts.vxlan++;
	w->tunnel_id = load_be32(p + 4) >> 8;
	w->at += 8;
	if (w->type == PORT_VXLAN_GPE && (p[0] & 0x04) && p[3] != 3)
		return p[3] == 1 ? LAYER_IPV4 : p[3] == 2 ? LAYER_IPV6 : LAYER_OTHER;
	return LAYER_ETHERNET;
}

/* RFC 8926: version, options' length, protocol, VNI. */
static enum layer geneve(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t header;

	if (walk_left(w) < 8 || p[0] >> 6)
		return LAYER_OTHER;
	header = 8 + (uint32_t)(p[0] & 0x3f) * 4;
	if (walk_left(w) < header)
		return LAYER_OTHER;
	w->d->counts.geneve++;
	w->tunnel_id = load_be32(p + 4) >> 8;
	w->type = load_be16(p + 2);
	w->at += header;
	return LAYER_ETHERTYPE;
}

/* 3GPP TS 29.281 §5: version 1, G-PDU, optional sequence, N-PDU and extension headers. */
static enum layer gtp(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t header = 8;
	uint8_t next;

	if (walk_left(w) < 8 || (p[0] & 0xf0) != 0x30 || p[1] != 0xff)
		return LAYER_OTHER;
	if (p[0] & 7) {
		if (walk_left(w) < 12)
			return LAYER_OTHER;
		header = 12;
		next = p[0] & 4 ? p[11] : 0;
		while (next) {
			uint32_t len;

			if (walk_left(w) < header + 4)
				return LAYER_OTHER;
			len = (uint32_t)p[header] * 4;
			if (len == 0 || walk_left(w) < header + len)
				return LAYER_OTHER;
			next = p[header + len - 1];
			header += len;
		}
	}
	w->d->counts.gtp++;
	w->tunnel_id = load_be32(p + 4);
	w->at += header;
	return LAYER_IP;
}

/* RFC 4380 §5.1.1: optional authentication and origin indications, then IPv6. */
static enum layer teredo(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t at = 0;

	if (walk_left(w) >= 4 && p[0] == 0 && p[1] == 1)
		at += 13U + p[2] + p[3];
	if (walk_left(w) >= at + 8 && p[at] == 0 && p[at + 1] == 0)
		at += 8;
	if (walk_left(w) < at + 40 || p[at] >> 4 != 6)
		return LAYER_OTHER;
	w->d->counts.teredo++;
	w->at += at;
	return LAYER_IPV6;
}

/* draft-massar-v6ops-ayiya-02 §3: lengths of identity and signature, next header, time. */
static enum layer ayiya(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t header;

	if (walk_left(w) < 8)
		return LAYER_OTHER;
	header = 8 + (1U << (p[0] >> 4)) + (uint32_t)(p[1] >> 4) * 4;
	if (walk_left(w) < header || (p[3] != 41 && p[3] != 4))
		return LAYER_OTHER;
	w->d->counts.ayiya++;
	w->at += header;
	return p[3] == 41 ? LAYER_IPV6 : LAYER_IPV4;
}

/* RFC 2661 §3.1: data messages carry PPP; optional fields by flag bits. */
static enum layer l2tp(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t header = 6;
	uint16_t flags;

	if (walk_left(w) < 12)
		return LAYER_OTHER;
	flags = load_be16(p);
	if ((flags & 0x800f) != 2)
		return LAYER_OTHER; /* control message, or not version 2 */
	if (flags & 0x4000)
		header += 2;
	w->tunnel_id = load_be32(p + header - 4);
	if (flags & 0x0800)
		header += 4;
	if (flags & 0x0200) {
		if (walk_left(w) < header + 2)
			return LAYER_OTHER;
		header += 2U + load_be16(p + header);
	}
	if (walk_left(w) < header)
		return LAYER_OTHER;
	w->d->counts.l2tp++;
	w->at += header;
	return LAYER_PPP;
}

static enum layer mpls_udp(struct walk *w)
{
	return walk_left(w) < 8 ? LAYER_OTHER : LAYER_MPLS;
}

static const struct {
	uint16_t port;
	enum tunnel_type type;
	enum layer (*enter)(struct walk *);
} tunnels[] = {
	{PORT_VXLAN, TUNNEL_VXLAN, vxlan},    {PORT_VXLAN_GPE, TUNNEL_VXLAN, vxlan},
	{PORT_GENEVE, TUNNEL_GENEVE, geneve}, {PORT_GTP, TUNNEL_GTP, gtp},
	{PORT_TEREDO, TUNNEL_TEREDO, teredo}, {PORT_AYIYA, TUNNEL_AYIYA, ayiya},
	{PORT_L2TP, TUNNEL_L2TP, l2tp},       {PORT_MPLS, TUNNEL_MPLS, mpls_udp},
};

bool udp_is_tunnel(uint16_t port)
{
	if (port < PORT_L2TP || port > PORT_MPLS)
		return false;
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++)
		if (tunnels[i].port == port)
			return true;
	return false;
}

enum layer layer_udp_tunnel(struct walk *w)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		if (tunnels[i].port != w->type)
			continue;
		walk_tunnel(w, tunnels[i].type, 0);
		return tunnels[i].enter(w);
	}
	return LAYER_FLOW;
}
