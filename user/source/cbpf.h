/* SPDX-License-Identifier: MIT */
/*
 * cbpf — a classic BPF program, as pcap_compile() makes it, as instructions for the kernel.
 *
 * Owner:   whoever loads the result, before any packet; works on the caller's memory alone.
 * Means:   what bpf_filter() of libpcap means over the same bytes (McCanne and Jacobson, "The BSD
 *          Packet Filter", section 3); A, X and the scratch memory start as zero.
 * Bounds:  BPF_MAXINSNS classic instructions; CBPF_ROOM(n) is room enough for n of them.
 *          No loops: `protochain` is refused.  XDP reads no byte behind the first 64 KiB.
 * Errors:  negative errno, and why in words.
 * Kernels: 5.18 (bpf_xdp_load_bytes); a socket filter works from 5.3.
 */
#ifndef USER_SOURCE_CBPF_H
#define USER_SOURCE_CBPF_H

#include <stddef.h>
#include <stdint.h>

/* <linux/bpf.h> and <pcap/pcap.h> both have a struct bpf_insn, so this header includes neither. */
struct bpf_insn;
struct sock_filter;

/* What a load of 32 bits at X + k takes, in its quick and its slow form, and the two ends. */
#define CBPF_ROOM(n) (24 * (n) + 48)

enum cbpf_place {
	CBPF_XDP, /* BPF_PROG_TYPE_XDP, with BPF_F_XDP_HAS_FRAGS or without */
	CBPF_SKB, /* BPF_PROG_TYPE_SOCKET_FILTER */
};

struct cbpf_conf {
	enum cbpf_place place;
	int counters_fd;       /* BPF_MAP_TYPE_PERCPU_ARRAY of uint64_t, or -1 */
	uint32_t rejected_row; /* of it: counts the packets that do not match */
	int next_fd;           /* BPF_MAP_TYPE_PROG_ARRAY, or -1: slot 0 gets those that do */
	/* XDP verdicts: for a packet that does not match; for one that does, where there is no next
	 * program.  A socket filter returns 0, or what the classic program returns. */
	uint32_t reject, accept;
};

/* Instructions of the kernel (<linux/bpf.h>): n of them. */
struct cbpf_code {
	struct bpf_insn *at;
	uint32_t cap, n;
};

/*
 * Translates in[0] to in[in_n - 1]: the bf_insns of a struct bpf_program, which has the layout of
 * struct sock_filter (<linux/filter.h>).  On failure out->n is 0:
 *   -EINVAL      no valid program: unknown instruction, jump or path behind its end
 *   -EOPNOTSUPP  valid, but not here: a jump back; what the kernel knows beside the bytes, in XDP;
 *                offsets from a header
 *   -E2BIG       more than out->cap, than BPF_MAXINSNS, or than a jump can reach
 *   -ENOMEM
 */
int cbpf_translate(struct cbpf_code *out, const struct sock_filter *in, uint32_t in_n,
		   const struct cbpf_conf *conf, char *why, size_t why_size);

#endif
