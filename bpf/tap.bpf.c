/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * tap — AF_PACKET fanout: which of the sockets gets a packet, by the hash that steers in XDP; and
 * the filter of these sockets where flows are offloaded: how much of a packet is copied.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/skb_view.h"
#include "bpf/parse.h"
#include "bpf/key.h"
#include "bpf/counts.h"
#include "bpf/offload.h"

#define ALL 0x40000 /* no packet is longer */

const volatile __u32 workers = 1;

struct room {
	__u8 bytes[40];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

static __always_inline struct rm_view view_of(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct room *room = bpf_map_lookup_elem(&rooms, &zero);

	return (struct rm_view){.skb = skb, .room = room ? room->bytes : 0};
}

/* A function of its own for the verifier, which else follows each of its ends through all that
 * comes behind. */
__noinline int parse(struct __sk_buff *skb, struct rm_parsed *p)
{
	struct rm_view view = view_of(skb);

	if (p && view.room)
		rm_parse(&view, p, bare);
	return 0;
}

SEC("socket")
int fanout(struct __sk_buff *skb)
{
	struct rm_parsed p = {0};

	if (workers == 1)
		return 0;
	parse(skb, &p);
	return p.layers ? (int)rm_steer(hash_of(&p.tuple), workers) : 0;
}

SEC("socket")
int copy(struct __sk_buff *skb)
{
	struct rm_view view = view_of(skb);
	struct rm_parsed p = {0};
	__u32 keep = 0;

	if (!view.room)
		return done(RM_KERNEL_DELIVERED, 1, ALL);
	parse(skb, &p);
	switch (look_up(&view, &p, skb->len + (skb->vlan_present ? 4 : 0), &keep)) {
	case RM_COUNT:
		return done(RM_KERNEL_COUNTED, 1, 0);
	case RM_CUT:
		return done(RM_KERNEL_CUT, 1, (int)keep);
	default:
		return done(RM_KERNEL_DELIVERED, 1, ALL);
	}
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
