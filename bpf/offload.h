/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * offload — the verdict on a packet's flow, for XDP and for the socket filter of tap.
 *
 * Maps: verdicts and rows, one pair for all interfaces, made by user space and put in before load.
 */
#ifndef RM_OFFLOAD_H
#define RM_OFFLOAD_H

#include "bpf/parse.h"

const volatile __u32 offload = 0; /* whether any flow may have a verdict */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rm_flow_id);
	__type(value, struct rm_verdict);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct rm_offload_row);
} rows SEC(".maps");

static __always_inline void count_in_row(__u32 index, __u32 dir, __u32 len, __u32 payload)
{
	struct rm_offload_row *row = bpf_map_lookup_elem(&rows, &index);

	if (!row)
		return;
	/* Several CPUs may have packets of one flow. */
	__sync_fetch_and_add(&row->packets[dir], 1);
	__sync_fetch_and_add(&row->bytes[dir], len);
	__sync_fetch_and_add(&row->payload_bytes[dir], payload);
	row->last_ns[dir] = bpf_ktime_get_ns();
}

/* A SYN: another connection of these endpoints may begin, and its first bytes must not be kept back
 * until user space has seen it. */
static __always_inline void begin_anew(const struct rm_flow_id *id)
{
	struct rm_verdict *verdict = bpf_map_lookup_elem(&verdicts, id);

	if (verdict)
		verdict->what[0] = verdict->what[1] = RM_FULL;
}

/* `len` on the wire; for RM_CUT, *keep bytes are handed on. */
static __always_inline enum rm_offload look_up(struct rm_view *v, const struct rm_parsed *p,
					       __u32 len, __u32 *keep)
{
	struct rm_flow_id id = {.tuple = p->tuple, .layers = p->layers | (__u32)p->v6 << 8};
	__u32 header = 8, dir = p->from_hi & 1, end = p->end && p->end < len ? p->end : len;
	struct rm_verdict *verdict;
	const __u8 *h;

	if (!p->layers || p->fragment)
		return RM_FULL;
	if (p->tuple.proto == RM_PROTO_TCP) {
		h = rm_at(v, p->l4 + 12, 2);
		if (!h)
			return RM_FULL;
		if ((h[1] & 0x12) == 2)
			begin_anew(&id);
		if (h[1] & 7) /* SYN, FIN, RST */
			return RM_FULL;
		header = (__u32)(h[0] >> 4) * 4;
	} else if (p->tuple.proto != RM_PROTO_UDP) {
		return RM_FULL;
	}
	verdict = bpf_map_lookup_elem(&verdicts, &id);
	if (!verdict)
		return RM_FULL;
	header += p->l4;
	end = end > header ? end - header : 0; /* payload bytes */
	switch (verdict->what[dir]) {
	case RM_COUNT:
		count_in_row(verdict->row, dir, len, end);
		return RM_COUNT;
	case RM_CUT:
		*keep = header + RM_CUT_BYTES;
		return end > RM_CUT_BYTES ? RM_CUT : RM_FULL;
	default:
		return RM_FULL;
	}
}

#endif
