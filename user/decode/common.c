/* SPDX-License-Identifier: MIT */
/*
 * common — the frames that nearly all frames are: Ethernet, IPv4 without options or fragments, TCP
 * or UDP that is no tunnel.  Says the same as the walk through the layers (a test compares them)
 * in a third of the instructions, and leaves everything else to it.
 */
#include "user/decode/csum.h"
#include "user/decode/walk.h"

enum { ETHERNET = 14, HEADER = 20, PROTO_TCP = 6, PROTO_UDP = 17 };

/* Length of the L4 header, and of header and payload by header; 0 where the walk must look. */
static uint32_t l4_header(const uint8_t *l4, uint8_t proto, uint32_t left, uint32_t *len)
{
	uint32_t header;

	if (proto == PROTO_TCP) {
		if (left < 20)
			return 0;
		header = (uint32_t)(l4[12] >> 4) * 4;
		return header >= 20 && header <= *len ? header : 0;
	}
	if (proto != PROTO_UDP || left < 8)
		return 0;
	if (udp_is_tunnel(load_be16(l4)) || udp_is_tunnel(load_be16(l4 + 2)))
		return 0;
	header = load_be16(l4 + 4);
	if (header < 8 || header > *len)
		return 0;
	*len = header;
	return 8;
}

static bool good_sum(const uint8_t *ip, const uint8_t *l4, uint32_t len)
{
	uint64_t sum = (uint64_t)__builtin_bswap16((uint16_t)len) + __builtin_bswap16(ip[9]);

	return csum_good(csum_add(csum_add(sum, ip + 12, 8), l4, len));
}

static void hash_ipv4(struct packet *p, const struct rm_hash_key *key, const uint8_t *ip,
		      const uint8_t *l4)
{
	uint32_t src = load_be32(ip + 12), dst = load_be32(ip + 16);
	uint32_t sport = load_be16(l4), dport = load_be16(l4 + 2);
	bool swap = src > dst || (src == dst && sport > dport);
	struct rm_tuple t = {.proto = p->proto};

	memcpy(&t.lo[3], ip + (swap ? 16 : 12), 4);
	memcpy(&t.hi[3], ip + (swap ? 12 : 16), 4);
	t.ports = swap ? dport << 16 | sport : sport << 16 | dport;
	if (swap)
		p->flags |= PACKET_FROM_HI;
	p->hash = rm_flow_hash(key, &t);
}

bool decode_common(struct decoder *d, const uint8_t *buf, const struct frame *f, struct packet *p)
{
	const uint8_t *ip = buf + f->at + ETHERNET, *l4 = ip + HEADER;
	bool sums = d->conf->checksum != CHECKSUM_OFF;
	uint32_t total, len, left, header;
	uint8_t flags = 0;

	if (f->caplen < ETHERNET + HEADER + 8 || f->len < f->caplen || ip[-2] != 8 || ip[-1] != 0 ||
	    ip[0] != 0x45 || (load_be16(ip + 6) & 0x3fff))
		return false;
	total = load_be16(ip + 2);
	if (total < HEADER || total > f->len - ETHERNET)
		return false;
	len = total - HEADER;
	left = f->caplen - ETHERNET - HEADER;
	if (left > len)
		left = len;
	header = l4_header(l4, ip[9], left, &len);
	if (header == 0)
		return false;
	if (left > len)
		left = len;
	if (sums && !csum_good(csum_add(0, ip, HEADER)))
		flags |= PACKET_BAD_IP_SUM;
	if (sums && left == len && !(f->flags & FRAME_PARTIAL_SUM) &&
	    (ip[9] == PROTO_TCP || load_be16(l4 + 6)) && !good_sum(ip, l4, len))
		flags |= PACKET_BAD_L4_SUM;
	if (flags && d->conf->checksum == CHECKSUM_DROP)
		return false;
	p->l3 = f->at + ETHERNET;
	p->payload = p->l3 + HEADER + header;
	p->payload_len = len - header;
	p->payload_cap = left > header ? left - header : 0;
	p->l4 = HEADER;
	p->extra = 0;
	p->proto = ip[9];
	p->ip_layers = 1;
	p->flags = flags;
	p->verdict = VERDICT_FLOW;
	hash_ipv4(p, &d->conf->key, ip, l4);
	d->counts.ethernet++;
	d->counts.ipv4++;
	d->counts.tcp += ip[9] == PROTO_TCP;
	d->counts.udp += ip[9] == PROTO_UDP;
	d->counts.snaplen_cut += p->payload_cap < p->payload_len;
	d->counts.ipv4_bad_checksum += (flags & PACKET_BAD_IP_SUM) != 0;
	d->counts.tcp_bad_checksum += (flags & PACKET_BAD_L4_SUM) && ip[9] == PROTO_TCP;
	d->counts.udp_bad_checksum += (flags & PACKET_BAD_L4_SUM) && ip[9] == PROTO_UDP;
	return true;
}
