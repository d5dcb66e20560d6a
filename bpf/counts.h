/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* counts — the one counted exit of a program: a per-CPU row for each enum rm_kernel_count. */
#ifndef RM_COUNTS_H
#define RM_COUNTS_H

#include "bpf/wire.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RM_KERNEL_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline int done(enum rm_kernel_count what, __u64 frames, int verdict)
{
	__u32 row = what;
	__u64 *n = bpf_map_lookup_elem(&counts, &row);

	if (n)
		*n += frames; /* nobody else on this CPU meanwhile */
	return verdict;
}

#endif
