/* SPDX-License-Identifier: MIT */
/*
 * kernel_filter — an expression (--capture-filter; the sensor's own connections) as a program in
 * the kernel, before the one that steers (XDP) or says how much is copied (tap), or before another
 * of its kind: it hands matching packets on by a tail call.
 *
 * Owner:  the main thread, before any packet.
 * Errors: -EINVAL where the expression is wrong, -EOPNOTSUPP where the kernel cannot run it (then
 *         user space filters), else negative errno; why in words.
 */
#ifndef USER_SOURCE_KERNEL_FILTER_H
#define USER_SOURCE_KERNEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "user/source/cbpf.h"

struct kernel_filter {
	int program;
	int next; /* a map with the program that matching packets go to, or -1 */
};

struct kernel_filter_conf {
	const char *expression;
	const char *iface; /* CBPF_SKB: stripped VLAN tags are asked for beside the bytes */
	enum cbpf_place place;
	bool frags;   /* as the next program is */
	int next;     /* a program, or -1 */
	int counts;   /* map with rows of enum rm_kernel_count */
	uint32_t row; /* where what does not match is counted */
	bool drop;    /* XDP: drop what does not match, instead of passing it to the host */
};

int kernel_filter_open(struct kernel_filter *k, const struct kernel_filter_conf *conf, char *why,
		       size_t why_size);
void kernel_filter_close(struct kernel_filter *k);

#endif
