/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* xdp_view — the bytes of a frame in XDP, for bpf/parse.h: those in its linear part. */
#ifndef RM_XDP_VIEW_H
#define RM_XDP_VIEW_H

struct rm_view {
	const __u8 *data, *end;
};

static __always_inline struct rm_view rm_view_of(const struct xdp_md *ctx)
{
	return (struct rm_view){(const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end};
}

static __always_inline const __u8 *rm_at(struct rm_view *v, __u32 off, __u32 n)
{
	const __u8 *p;

	if (off > 1024) /* RM_REACH: the verifier wants a bound */
		return 0;
	p = v->data + off;
	/* Not computed twice: the compiler would compare another register than it reads through. */
	__asm__ volatile("" : "+r"(p));
	return p + n > v->end ? 0 : p;
}

#endif
