/* SPDX-License-Identifier: MIT */
/* link — link types, EtherTypes, LLC, PPP and MPLS: everything below IP. */
#include "user/decode/walk.h"

enum {
	AF_INET_ANY = 2,
	NFLOG_PAYLOAD = 9,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_TEB = 0x6558,
	ETHERTYPE_RARP = 0x8035,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_PPP = 0x880b,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_MULTI = 0x8848,
	ETHERTYPE_PPPOE = 0x8864,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_PBB = 0x88e7,
	ETHERTYPE_VNTAG = 0x8926,
	ETHERTYPE_QINQ_OLD = 0x9100,
	ETHERTYPE_QINQ_OLDER = 0x9200,
};

static enum layer skip_to(struct walk *w, uint32_t header, enum layer next)
{
	if (walk_left(w) < header)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	w->at += header;
	return next;
}

/* header bytes, the last two of which are an EtherType */
static enum layer typed(struct walk *w, uint32_t header)
{
	if (walk_left(w) < header)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	w->type = load_be16(walk_at(w) + header - 2);
	w->at += header;
	return LAYER_ETHERTYPE;
}

/* ---- link types ---- */

static enum layer link_ethernet(struct walk *w)
{
	w->d->counts.ethernet++;
	return LAYER_ETHERNET;
}

static enum layer link_raw(struct walk *w)
{
	w->d->counts.raw++;
	return LAYER_IP;
}

static enum layer link_ipv4(struct walk *w)
{
	w->d->counts.raw++;
	return LAYER_IPV4;
}

static enum layer link_ipv6(struct walk *w)
{
	w->d->counts.raw++;
	return LAYER_IPV6;
}

/* BSD loopback: an address family in the byte order of whoever wrote the file. */
static enum layer link_null(struct walk *w)
{
	uint32_t family;

	w->d->counts.null++;
	if (walk_left(w) < 4)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	family = load_be32(walk_at(w));
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	w->at += 4;
	switch (family) {
	case AF_INET_ANY:
		return LAYER_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return LAYER_IPV6;
	default: /* some writers put an EtherType into the last two bytes */
		w->type = load_be16(walk_at(w) - 2);
		return w->type == ETHERTYPE_IPV4 || w->type == ETHERTYPE_IPV6 ? LAYER_ETHERTYPE
									      : LAYER_OTHER;
	}
}

/* Linux cooked: the protocol is an EtherType, or a small number for frames without one. */
static enum layer cooked(struct walk *w, uint16_t type, uint32_t header)
{
	w->at += header;
	w->type = type;
	if (type == 4)
		return LAYER_LLC;
	return type >= 0x600 ? LAYER_ETHERTYPE : LAYER_OTHER;
}

static enum layer link_sll(struct walk *w)
{
	w->d->counts.sll++;
	if (walk_left(w) < 16)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	return cooked(w, load_be16(walk_at(w) + 14), 16);
}

static enum layer link_sll2(struct walk *w)
{
	w->d->counts.sll2++;
	if (walk_left(w) < 20)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	return cooked(w, load_be16(walk_at(w)), 20);
}

/* RFC 1661, RFC 1662: address and control may stand before the protocol. */
static enum layer link_ppp(struct walk *w)
{
	w->d->counts.ppp++;
	return LAYER_PPP;
}

static enum layer link_ppp_serial(struct walk *w)
{
	w->d->counts.ppp++;
	if (walk_left(w) >= 4 && (walk_at(w)[0] == 0x0f || walk_at(w)[0] == 0x8f))
		return typed(w, 4); /* Cisco HDLC */
	return LAYER_PPP;
}

static enum layer link_ppp_direction(struct walk *w)
{
	w->d->counts.ppp++;
	return skip_to(w, 1, LAYER_PPP);
}

static enum layer link_chdlc(struct walk *w)
{
	w->d->counts.chdlc++;
	return typed(w, 4);
}

/* RFC 2427: two address bytes, control, NLPID; or Cisco's EtherType behind the address. */
static enum layer link_frame_relay(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t at = 2;

	w->d->counts.frame_relay++;
	if (walk_left(w) < 4)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	if (p[2] != 0x03)
		return typed(w, 4);
	at = p[3] == 0 ? 4 : 3; /* an optional pad */
	if (walk_left(w) < at + 1)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	switch (p[at]) {
	case 0xcc:
		return skip_to(w, at + 1, LAYER_IPV4);
	case 0x8e:
		return skip_to(w, at + 1, LAYER_IPV6);
	case 0xcf:
		return skip_to(w, at + 1, LAYER_PPP);
	case 0x80:
		return typed(w, at + 6);
	default:
		return LAYER_OTHER;
	}
}

/* IEEE 802.11-2020 §9.2: data frames without protection carry LLC. */
static enum layer link_ieee80211(struct walk *w)
{
	const uint8_t *p = walk_at(w);
	uint32_t header = 24;

	w->d->counts.ieee80211++;
	if (walk_left(w) < 24)
		return walk_left(w) < 10 ? walk_drop(w, RM_DROP_LINK_HEADER) : LAYER_OTHER;
	if ((p[0] & 0x0c) != 0x08 || (p[0] & 0x40))
		return LAYER_OTHER; /* management, control, or data without a body */
	if ((p[1] & 0x03) == 0x03)
		header += 6; /* fourth address */
	if (p[0] & 0x80)
		header += p[1] & 0x80 ? 6 : 2; /* QoS, HT control */
	if (p[1] & 0x40)
		return walk_drop(w, RM_DROP_LINK_ENCRYPTED);
	return skip_to(w, header, LAYER_LLC);
}

static enum layer link_radiotap(struct walk *w)
{
	uint32_t header, present, at = 8;
	const uint8_t *p = walk_at(w);
	bool padded = false;

	if (walk_left(w) < 8)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	header = (uint32_t)p[2] | (uint32_t)p[3] << 8;
	if (header < 8 || header > walk_left(w))
		return walk_drop(w, RM_DROP_LINK_HEADER);
	/* Flags (bit 1) follow the TSFT (bit 0): 0x10 says an FCS is there, 0x20 that the
	 * 802.11 header is padded to 4 bytes.  More presence words may come before them. */
	present = __builtin_bswap32(load_be32(p + 4));
	for (uint32_t more = present; (more & 0x80000000) && at + 4 <= header; at += 4)
		more = __builtin_bswap32(load_be32(p + at));
	if (present & 1)
		at = ((at + 7) & ~7U) + 8;
	if ((present & 2) && at < header) {
		if ((p[at] & 0x10) && w->cap - w->at >= header + 4 && w->cap == w->end)
			w->cap = w->end = w->end - 4;
		padded = p[at] & 0x20;
	}
	w->at += header;
	if (padded && walk_left(w) > 28 && (walk_at(w)[0] & 0x8c) == 0x88) {
		/* a QoS header of 26 bytes is padded to 28 */
		enum layer next = link_ieee80211(w);

		return next == LAYER_LLC ? skip_to(w, 2, LAYER_LLC) : next;
	}
	return link_ieee80211(w);
}

static enum layer link_prism(struct walk *w)
{
	uint32_t header;

	if (walk_left(w) < 8)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	header = load_be32(walk_at(w) + 4);
	if (load_be32(walk_at(w)) >> 12 != 0x80211) { /* else AVS, big endian */
		header = __builtin_bswap32(header);
		if (header < 144)
			header = 144;
	}
	if (header > walk_left(w))
		return walk_drop(w, RM_DROP_LINK_HEADER);
	w->at += header;
	return link_ieee80211(w);
}

/* Netfilter log: TLVs in the writer's byte order; the packet is one of them. */
static enum layer link_nflog(struct walk *w)
{
	uint8_t family;

	w->d->counts.nflog++;
	if (walk_left(w) < 4)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	family = walk_at(w)[0];
	w->at += 4;
	while (walk_left(w) >= 4) {
		const uint8_t *p = walk_at(w);
		uint32_t len = (uint32_t)p[0] | (uint32_t)p[1] << 8;
		uint32_t type = (uint32_t)(p[2] | p[3] << 8) & 0x7fff;

		if (len < 4 || (type != NFLOG_PAYLOAD && len > walk_left(w)))
			break;
		if (type == NFLOG_PAYLOAD) {
			w->at += 4;
			return family == AF_INET_ANY ? LAYER_IPV4
			       : family == 10        ? LAYER_IPV6
						     : LAYER_OTHER;
		}
		w->at += (len + 3) & ~3U;
	}
	return walk_drop(w, RM_DROP_LINK_HEADER);
}

/* Apple's per-packet header says which link type follows. */
static enum layer link_pktap(struct walk *w)
{
	uint32_t header, linktype;

	w->d->counts.pktap++;
	if (walk_left(w) < 12)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	header = __builtin_bswap32(load_be32(walk_at(w)));
	linktype = __builtin_bswap32(load_be32(walk_at(w) + 8));
	if (header < 12 || header > walk_left(w) || linktype == 258 || linktype == 149)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	w->at += header;
	return link_enter(w, linktype);
}

static const struct {
	uint32_t linktype;
	enum layer (*enter)(struct walk *);
} links[] = {
	{1, link_ethernet},   {113, link_sll},         {276, link_sll2},
	{12, link_raw}, /* DLT_RAW as found in files of some systems, like 14 */
	{14, link_raw},       {101, link_raw},         {228, link_ipv4},
	{229, link_ipv6},     {0, link_null},          {108, link_null},
	{9, link_ppp},        {50, link_ppp_serial},   {204, link_ppp_direction},
	{104, link_chdlc},    {107, link_frame_relay}, {105, link_ieee80211},
	{127, link_radiotap}, {119, link_prism},       {163, link_prism},
	{239, link_nflog},    {149, link_pktap},       {258, link_pktap},
};

enum layer link_enter(struct walk *w, uint32_t linktype)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].linktype == linktype)
			return links[i].enter(w);
	return walk_drop(w, RM_DROP_LINK_UNSUPPORTED);
}

/* ---- layers ---- */

enum layer layer_ethernet(struct walk *w)
{
	if (walk_left(w) < 14)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	w->type = load_be16(walk_at(w) + 12);
	w->at += 14;
	if (w->type >= 0x600)
		return LAYER_ETHERTYPE;
	/* IEEE 802.3: a length; what lies behind it is padding */
	if (w->type < w->end - w->at && w->type > 0) {
		w->end = w->at + w->type;
		if (w->cap > w->end)
			w->cap = w->end;
	}
	return LAYER_LLC;
}

/* 802.2: SNAP with an EtherType, or IP under its own SAP. */
enum layer layer_llc(struct walk *w)
{
	const uint8_t *p = walk_at(w);

	if (walk_left(w) < 3)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	if (p[0] == 0x06 && p[1] == 0x06)
		return skip_to(w, 3, LAYER_IPV4);
	if (p[0] != 0xaa || p[1] != 0xaa)
		return LAYER_OTHER;
	if (walk_left(w) < 8)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	/* RFC 1042, and 802.1H bridge tunnels */
	if (p[3] == 0 && p[4] == 0 && (p[5] == 0 || p[5] == 0xf8))
		return typed(w, 8);
	return LAYER_OTHER;
}

static enum layer vlan(struct walk *w)
{
	if (walk_left(w) < 4)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	w->d->counts.vlan++;
	if (w->extra.vlans)
		w->d->counts.vlan_qinq++;
	if (w->extra.vlans < PACKET_VLANS)
		w->extra.vlan[w->extra.vlans++] = load_be16(walk_at(w)) & 0x0fff;
	w->has_extra = true;
	w->type = load_be16(walk_at(w) + 2);
	w->at += 4;
	return w->type >= 0x600 ? LAYER_ETHERTYPE : LAYER_LLC;
}

/* RFC 2516: version, code, session, length; then PPP. */
static enum layer pppoe(struct walk *w)
{
	uint32_t len;

	w->d->counts.pppoe++;
	if (walk_left(w) < 6)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	len = load_be16(walk_at(w) + 4);
	w->at += 6;
	if (w->end > w->at && len < w->end - w->at) {
		w->end = w->at + len;
		if (w->cap > w->end)
			w->cap = w->end;
	}
	return LAYER_PPP;
}

enum layer layer_ethertype(struct walk *w)
{
	switch (w->type) {
	case ETHERTYPE_IPV4:
		return LAYER_IPV4;
	case ETHERTYPE_IPV6:
		return LAYER_IPV6;
	case ETHERTYPE_VLAN:
	case ETHERTYPE_QINQ:
	case ETHERTYPE_QINQ_OLD:
	case ETHERTYPE_QINQ_OLDER:
		return vlan(w);
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_MULTI:
		return LAYER_MPLS;
	case ETHERTYPE_PPPOE:
		return pppoe(w);
	case ETHERTYPE_PPP:
		return LAYER_PPP;
	case ETHERTYPE_TEB:
		return LAYER_ETHERNET;
	case ETHERTYPE_VNTAG:
		w->d->counts.vntag++;
		return typed(w, 6);
	case ETHERTYPE_PBB:
		return skip_to(w, 4, LAYER_ETHERNET);
	case ETHERTYPE_ARP:
	case ETHERTYPE_RARP:
		w->d->counts.arp++;
		return LAYER_OTHER;
	default:
		w->d->counts.unknown_ethertype++;
		return LAYER_OTHER;
	}
}

enum layer layer_ppp(struct walk *w)
{
	uint32_t type;

	if (walk_left(w) >= 2 && walk_at(w)[0] == 0xff && walk_at(w)[1] == 0x03)
		w->at += 2;
	if (walk_left(w) < 1)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	type = walk_at(w)[0];
	if (type & 1) { /* protocol field compression */
		w->at++;
	} else {
		if (walk_left(w) < 2)
			return walk_drop(w, RM_DROP_LINK_HEADER);
		type = load_be16(walk_at(w));
		w->at += 2;
	}
	switch (type) {
	case 0x0021:
		return LAYER_IPV4;
	case 0x0057:
		return LAYER_IPV6;
	case 0x0281:
	case 0x0283:
		return LAYER_MPLS;
	default:
		return LAYER_OTHER;
	}
}

/* RFC 3032; what follows the last label has no type (RFC 4385 §3: first nibble 0 is a control
 * word of a pseudo-wire, 4 and 6 are IP). */
enum layer layer_mpls(struct walk *w)
{
	bool bottom;

	w->d->counts.mpls++;
	do {
		if (walk_left(w) < 4)
			return walk_drop(w, RM_DROP_LINK_HEADER);
		bottom = walk_at(w)[2] & 1;
		w->at += 4;
	} while (!bottom);
	if (walk_left(w) < 1)
		return walk_drop(w, RM_DROP_LINK_HEADER);
	switch (walk_at(w)[0] >> 4) {
	case 4:
		return LAYER_IPV4;
	case 6:
		return LAYER_IPV6;
	case 0:
		return skip_to(w, 4, LAYER_ETHERNET);
	default:
		return LAYER_ETHERNET;
	}
}
