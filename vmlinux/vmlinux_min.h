/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * vmlinux_min — the kernel types our BPF programs use, for machines without BTF.
 * Only what is stable ABI (include/uapi of the kernel) may stand here.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u16 __sum16;
typedef __u32 __wsum;

struct xdp_md {
	__u32 data, data_end, data_meta;
	__u32 ingress_ifindex, rx_queue_index, egress_ifindex;
};

#endif
