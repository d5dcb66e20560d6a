/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * parse — from a frame's bytes to the tuple that steers it: Ethernet, VLAN tags in the data, IPv4
 * and IPv6 with options and extension headers, fragments, one level of VXLAN, GENEVE, GRE, IPIP.
 *
 * The same text for XDP, for the socket filter of tap, and for user space (tests).  Who includes it
 * first defines struct rm_view and
 *
 *	static const __u8 *rm_at(struct rm_view *v, __u32 off, __u32 n);
 *
 * n bytes at offset off of the frame, or NULL where it has not so many; what the call before
 * returned need not be valid any more.  n is a constant.
 *
 * What is not opened here (MPLS, PPPoE, GTP, a tunnel in a tunnel) or is damaged is steered by what
 * was understood, at worst as a frame without tuple; user space then hands it to its owner.  So
 * this parser may know less than user/decode, but where both find a flow they must agree.
 *
 * Bounds: RM_VLANS tags, RM_EXTENSIONS extension headers, RM_REACH bytes.
 */
#ifndef RM_PARSE_H
#define RM_PARSE_H

#include "bpf/wire.h"

#define RM_VLANS      3
#define RM_EXTENSIONS 6
#define RM_REACH      1024U

struct rm_parsed {
	struct rm_tuple tuple;
	__u32 l4;     /* offset of the L4 header */
	__u32 end;    /* where the IP payload ends, by header; 0 where it is not told */
	__u8 layers;  /* IP headers; 0: no tuple was found */
	__u8 from_hi; /* the sender is the higher endpoint */
	__u8 v6, fragment;
};

enum {
	RM_PROTO_IPIP = 4,
	RM_PROTO_TCP = 6,
	RM_PROTO_UDP = 17,
	RM_PROTO_IPV6 = 41,
	RM_PROTO_GRE = 47,
	RM_PROTO_AH = 51,
	RM_PROTO_SCTP = 132,
	RM_TYPE_IPV4 = 0x0800,
	RM_TYPE_IPV6 = 0x86dd,
	RM_TYPE_ETHERNET = 0x6558,
	RM_PORT_VXLAN = 4789,
	RM_PORT_GENEVE = 6081,
};

#define RM_INLINE static inline __attribute__((always_inline))

RM_INLINE __u32 rm_be16(const __u8 *p)
{
	return (__u32)p[0] << 8 | p[1];
}

RM_INLINE __u32 rm_be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

/* A word as it lies in the packet: fields of headers are not aligned. */
RM_INLINE __u32 rm_word(const __u8 *p)
{
	__u32 w;

	__builtin_memcpy(&w, p, sizeof(w));
	return w;
}

/* An Ethernet header at *off and its VLAN tags; the EtherType, *off behind it.  0: cut short. */
RM_INLINE __u32 rm_ethernet(struct rm_view *v, __u32 *off)
{
	const __u8 *p = rm_at(v, *off + 12, 2);
	__u32 type;

	if (!p)
		return 0;
	type = rm_be16(p);
	*off += 14;
#pragma GCC unroll 3
	for (int i = 0; i < RM_VLANS; i++) {
		if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
			break;
		p = rm_at(v, *off + 2, 2);
		if (!p)
			return 0;
		type = rm_be16(p);
		*off += 4;
	}
	return type;
}

RM_INLINE void rm_set_ports(struct rm_parsed *r, __u32 src, __u32 dst)
{
	r->tuple.ports = r->from_hi ? dst << 16 | src : src << 16 | dst;
}

/* The ports of what begins at r->l4; with equal addresses they decide the order. */
RM_INLINE void rm_ports(struct rm_view *v, struct rm_parsed *r, int same)
{
	const __u8 *p;
	__u32 src, dst;

	if (r->fragment || (r->tuple.proto != RM_PROTO_TCP && r->tuple.proto != RM_PROTO_UDP &&
			    r->tuple.proto != RM_PROTO_SCTP))
		return;
	p = rm_at(v, r->l4, 4);
	if (!p)
		return;
	src = rm_be16(p);
	dst = rm_be16(p + 2);
	if (same)
		r->from_hi = src > dst;
	rm_set_ports(r, src, dst);
}

/* IPv4 at off, RFC 791.  False where it is none: *r is as before. */
RM_INLINE int rm_ipv4(struct rm_view *v, __u32 off, struct rm_parsed *r)
{
	const __u8 *p = rm_at(v, off, 20);
	__u32 src, dst, src_word, dst_word, header, total;

	if (!p || (p[0] & 0xf0) != 0x40 || (p[0] & 15) < 5)
		return 0;
	header = (__u32)(p[0] & 15) * 4;
	total = rm_be16(p + 2);
	src = rm_be32(p + 12);
	dst = rm_be32(p + 16);
	src_word = rm_word(p + 12);
	dst_word = rm_word(p + 16);
	r->v6 = 0;
	r->fragment = (rm_be16(p + 6) & 0x3fff) != 0;
	r->from_hi = src > dst;
	r->end = total ? off + total : 0;
	r->l4 = off + header;
	r->tuple = (struct rm_tuple){.proto = p[9]};
	r->tuple.lo[3] = r->from_hi ? dst_word : src_word;
	r->tuple.hi[3] = r->from_hi ? src_word : dst_word;
	r->layers++;
	if (r->tuple.proto == RM_PROTO_AH && !r->fragment) { /* RFC 4302 §2 */
		p = rm_at(v, r->l4, 2);
		if (p) {
			r->tuple.proto = p[0];
			r->l4 += ((__u32)p[1] + 2) * 4;
		}
	}
	rm_ports(v, r, src == dst);
	return 1;
}

/* 1, 0 or -1 as 16 bytes compare, and whether they are equal by 0. */
RM_INLINE int rm_compare(const __u32 *a, const __u32 *b)
{
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__u32 x = __builtin_bswap32(a[i]), y = __builtin_bswap32(b[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

/* IPv6 at off, RFC 8200, behind its extension headers. */
RM_INLINE int rm_ipv6(struct rm_view *v, __u32 off, struct rm_parsed *r)
{
	const __u8 *p = rm_at(v, off, 40);
	__u32 src[4], dst[4], len;
	int order;

	if (!p || (p[0] & 0xf0) != 0x60)
		return 0;
	__builtin_memcpy(src, p + 8, 16);
	__builtin_memcpy(dst, p + 24, 16);
	len = rm_be16(p + 4);
	r->v6 = 1;
	r->fragment = 0;
	r->end = len ? off + 40 + len : 0;
	r->l4 = off + 40;
	r->tuple.proto = p[6];
	r->tuple.ports = 0;
	r->layers++;
	order = rm_compare(src, dst);
	r->from_hi = order > 0;
	__builtin_memcpy(r->tuple.lo, r->from_hi ? dst : src, 16);
	__builtin_memcpy(r->tuple.hi, r->from_hi ? src : dst, 16);
#pragma GCC unroll 6
	for (int i = 0; i < RM_EXTENSIONS; i++) {
		__u32 proto = r->tuple.proto;
		__u32 unit = 8, more = 1;

		if (proto == 44) {
			p = rm_at(v, r->l4, 8);
			if (!p)
				return 1;
			if (rm_be16(p + 2) & 0xfff9) {
				r->fragment = 1;
				r->tuple.proto = 44;
				return 1;
			}
			r->tuple.proto = p[0];
			r->l4 += 8;
			continue;
		}
		if (proto == RM_PROTO_AH) {
			unit = 4;
			more = 2;
		} else if (proto != 0 && proto != 43 && proto != 60 && proto != 135 &&
			   proto != 139 && proto != 140) {
			break;
		}
		p = rm_at(v, r->l4, 2);
		if (!p)
			return 1;
		r->tuple.proto = p[0];
		r->l4 += ((__u32)p[1] + more) * unit;
	}
	rm_ports(v, r, order == 0);
	return 1;
}

RM_INLINE int rm_ip(struct rm_view *v, __u32 off, __u32 type, struct rm_parsed *r)
{
	if (type == RM_TYPE_IPV4)
		return rm_ipv4(v, off, r);
	if (type == RM_TYPE_IPV6)
		return rm_ipv6(v, off, r);
	return 0;
}

/* What r carries, if it is a tunnel that is opened here: its EtherType, *off at its first byte. */
RM_INLINE __u32 rm_tunnel(struct rm_view *v, const struct rm_parsed *r, __u32 *off)
{
	const __u8 *p;
	__u32 type, port;

	*off = r->l4;
	if (r->fragment)
		return 0;
	switch (r->tuple.proto) {
	case RM_PROTO_IPIP:
		return RM_TYPE_IPV4;
	case RM_PROTO_IPV6:
		return RM_TYPE_IPV6;
	case RM_PROTO_GRE: /* RFC 2784, 2890: version 0, no source routing */
		p = rm_at(v, *off, 4);
		if (!p || (p[0] & 0x40) || (p[1] & 7))
			return 0;
		type = rm_be16(p + 2);
		*off += 4 + (p[0] & 0x80 ? 4 : 0) + (p[0] & 0x20 ? 4 : 0) + (p[0] & 0x10 ? 4 : 0);
		break;
	case RM_PROTO_UDP:
		port = r->from_hi ? r->tuple.ports >> 16 : r->tuple.ports & 0xffff;
		*off += 8;
		if (port == RM_PORT_VXLAN) { /* RFC 7348 */
			p = rm_at(v, *off, 8);
			if (!p || !(p[0] & 8))
				return 0;
			*off += 8;
			type = RM_TYPE_ETHERNET;
		} else if (port == RM_PORT_GENEVE) { /* RFC 8926 */
			p = rm_at(v, *off, 8);
			if (!p || p[0] >> 6)
				return 0;
			type = rm_be16(p + 2);
			*off += 8 + (__u32)(p[0] & 0x3f) * 4;
		} else {
			return 0;
		}
		break;
	default:
		return 0;
	}
	return type == RM_TYPE_ETHERNET ? rm_ethernet(v, off) : type;
}

/* The EtherType of what begins with an IP header, by its version. */
RM_INLINE __u32 rm_bare(struct rm_view *v)
{
	const __u8 *p = rm_at(v, 0, 1);
	__u32 version = p ? p[0] >> 4 : 0;

	return version == 4 ? RM_TYPE_IPV4 : version == 6 ? RM_TYPE_IPV6 : 0;
}

/* r->layers is 0 where the frame has no tuple.  `bare`: it has no link-layer header. */
RM_INLINE void rm_parse(struct rm_view *v, struct rm_parsed *r, int bare)
{
	struct rm_parsed inner = {0};
	__u32 off = 0, type = bare ? rm_bare(v) : rm_ethernet(v, &off);

	*r = (struct rm_parsed){0};
	if (!rm_ip(v, off, type, r))
		return;
	type = rm_tunnel(v, r, &off);
	inner.layers = r->layers;
	if (type && rm_ip(v, off, type, &inner))
		*r = inner;
}

#endif
