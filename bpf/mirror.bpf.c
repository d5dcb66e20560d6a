/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * mirror — tc: a copy of every packet to the sensor's veth; the packet itself goes on untouched.
 *
 * A packet that segmentation offload will cut counts as the frames that it becomes.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/counts.h"

const volatile __u32 target = 0; /* interface index of the veth */

SEC("tc")
int mirror(struct __sk_buff *skb)
{
	long err = bpf_clone_redirect(skb, target, 0);

	/* TCX_NEXT, TC_ACT_UNSPEC: as if we were not there */
	return done(err ? RM_KERNEL_CLONE_FAILED : RM_KERNEL_DELIVERED,
		    skb->gso_segs > 1 ? skb->gso_segs : 1, -1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
