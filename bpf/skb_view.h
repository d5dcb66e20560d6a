/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * skb_view — the bytes of a packet in a socket filter or fanout program, for bpf/parse.h: loaded
 * piece by piece into room of this CPU.
 *
 * A fanout program sees incoming packets from L3 on and outgoing ones from L2; offsets are from L2
 * in both.  What lies in no linear part is loaded the slow way.  Where there is no link layer, all
 * begins with L3.
 */
#ifndef RM_SKB_VIEW_H
#define RM_SKB_VIEW_H

#define RM_PACKET_OUTGOING 4 /* linux/if_packet.h */

const volatile __u32 bare = 0; /* the interface has no link-layer header */

struct rm_view {
	struct __sk_buff *skb;
	__u8 *room; /* 40 bytes */
};

static __always_inline const __u8 *rm_at(struct rm_view *v, __u32 off, __u32 n)
{
	if (off > 1024) /* RM_REACH */
		return 0;
	if (bpf_skb_load_bytes_relative(v->skb, off, v->room, n,
					bare ? BPF_HDR_START_NET : BPF_HDR_START_MAC) == 0)
		return v->room;
	if (!bare && v->skb->pkt_type != RM_PACKET_OUTGOING) {
		if (off < 14)
			return 0;
		off -= 14;
	}
	return bpf_skb_load_bytes(v->skb, off, v->room, n) == 0 ? v->room : 0;
}

#endif
