/* SPDX-License-Identifier: MIT */
/*
 * classic — a classic BPF program: whether it is valid, and what is known at each instruction.
 *
 * Owner:   the caller, as of the program and of the points; one thread, before any packet.
 * Bounds:  BPF_MAXINSNS instructions, each looked at once: what jumps back is refused.
 * Errors:  negative errno and why in words, as in cbpf.h.
 * Source:  McCanne and Jacobson, "The BSD Packet Filter" (1993), section 3; as bpf_filter() of
 *          libpcap has it.
 */
#ifndef USER_SOURCE_CLASSIC_H
#define USER_SOURCE_CLASSIC_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What holds on every way that leads to an instruction. */
struct classic_point {
	bool reached;
	bool missed;      /* also after a load that was not found in its first `proven` bytes */
	uint16_t written; /* cells of the scratch memory */
	uint32_t proven;  /* so many bytes are there, unless missed */
};

struct classic {
	const struct sock_filter *in;
	uint32_t n;
	uint32_t near_max;           /* loads at a larger k prove nothing */
	bool beside;                 /* what the kernel knows beside the bytes can be loaded */
	struct classic_point *point; /* n of them, zeroed */
	char *why;                   /* why_size bytes: the reason of a failure */
	size_t why_size;
	uint16_t unset; /* filled in: cells that may be read before they are written */
};

/* Fills in the points, or refuses the program. */
int classic_follow(struct classic *c);

/* A load of packet bytes whose place must be compared with the end of the packet. */
bool classic_compares(const struct classic *c, uint32_t i);

/* Bytes of a load from the packet, or 0. */
uint32_t classic_load_size(const struct sock_filter *s);
bool classic_indexed(const struct sock_filter *s);
/* Not a byte of the packet but a fact beside it: k - SKF_AD_OFF is one of SKF_AD_... */
bool classic_beside(const struct sock_filter *s);
/* Ends the program whatever the packet: with no match, unless it is BPF_RET. */
bool classic_ends(const struct sock_filter *s);

#endif
