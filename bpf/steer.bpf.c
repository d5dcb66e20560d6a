/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * steer — XDP: every frame to the AF_XDP socket of the worker that owns its flow.
 *
 * Frames whose queue has no socket get the verdict `otherwise`: XDP_PASS on an interface (a dying
 * sensor must not cut the host off), XDP_DROP on the sensor's own veth.
 * Maps: xsks, slot queue * workers + worker; counts, one row per rm_kernel_count.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/xdp_view.h"
#include "bpf/parse.h"
#include "bpf/key.h"
#include "bpf/counts.h"
#include "bpf/offload.h"

const volatile __u32 workers = 1;
const volatile __u32 otherwise = 2; /* XDP_PASS */

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1); /* set by who loads it */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Room for the metadata before the frame; it is missing where the driver refuses. */
static __always_inline void write_meta(struct xdp_md *ctx, __u32 len, __u64 hash)
{
	struct rm_meta *meta;
	const void *data;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)) < 0)
		return;
	meta = (struct rm_meta *)(long)ctx->data_meta;
	data = (const void *)(long)ctx->data;
	if ((const void *)(meta + 1) > data)
		return;
	meta->magic = RM_META_MAGIC;
	meta->len = len;
	meta->hash = hash;
	meta->time_ns = bpf_ktime_get_ns();
}

/* A function of its own for the verifier, which else follows each of its ends through all that
 * comes behind. */
__noinline int parse(struct xdp_md *ctx, struct rm_parsed *p)
{
	struct rm_view view = rm_view_of(ctx);

	if (p)
		rm_parse(&view, p, 0);
	return 0;
}

SEC("xdp.frags")
int steer(struct xdp_md *ctx)
{
	enum rm_kernel_count whole = RM_KERNEL_DELIVERED;
	__u32 slot, len = (__u32)bpf_xdp_get_buff_len(ctx), keep = 0;
	struct rm_parsed p = {0};
	struct rm_view view;
	__u64 hash = 0;
	int verdict;

	parse(ctx, &p);
	view = rm_view_of(ctx);
	if (p.layers)
		hash = hash_of(&p.tuple);
	if (offload) {
		switch (look_up(&view, &p, len, &keep)) {
		case RM_COUNT:
			return done(RM_KERNEL_COUNTED, 1, XDP_DROP);
		case RM_CUT:
			if (keep < len && bpf_xdp_adjust_tail(ctx, (int)keep - (int)len) == 0)
				whole = RM_KERNEL_CUT;
			break;
		default:
			break;
		}
	}
	write_meta(ctx, len, hash);
	slot = ctx->rx_queue_index * workers + rm_steer(hash, workers);
	verdict = bpf_redirect_map(&xsks, slot, otherwise);
	return done(verdict == XDP_REDIRECT ? whole : RM_KERNEL_NO_SOCKET, 1, verdict);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
