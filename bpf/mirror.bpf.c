/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * mirror — tc: a copy of every packet to the sensor's veth; the packet itself goes on untouched.
 *
 * A packet that segmentation offload will cut counts as the frames that it becomes.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/wire.h"

const volatile __u32 target = 0; /* interface index of the veth */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RM_KERNEL_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("tc")
int mirror(struct __sk_buff *skb)
{
	long err = bpf_clone_redirect(skb, target, 0);
	__u32 row = err ? RM_KERNEL_CLONE_FAILED : RM_KERNEL_DELIVERED;
	__u64 *n = bpf_map_lookup_elem(&counts, &row);

	if (n)
		*n += skb->gso_segs > 1 ? skb->gso_segs : 1;
	return -1; /* TCX_NEXT, TC_ACT_UNSPEC: as if we were not there */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
