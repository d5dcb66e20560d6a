/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* tap — AF_PACKET fanout: which of the sockets gets a packet, by the hash that steers in XDP. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/skb_view.h"
#include "bpf/parse.h"
#include "bpf/key.h"

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

SEC("socket")
int fanout(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct room *room = bpf_map_lookup_elem(&rooms, &zero);
	struct rm_view view = {.skb = skb};
	struct rm_parsed p;

	if (workers == 1 || !room)
		return 0;
	view.room = room->bytes;
	rm_parse(&view, &p);
	return p.layers ? rm_steer(hash_of(&p.tuple), workers) : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
