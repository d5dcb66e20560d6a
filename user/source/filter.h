/* SPDX-License-Identifier: MIT */
/*
 * filter — a tcpdump expression, compiled by libpcap for each link type that turns up.
 *
 * Owner:   one per worker: compiling for a new link type allocates, once.
 * Bounds:  FILTER_LINKS link types; packets of further ones do not match.
 */
#ifndef USER_SOURCE_FILTER_H
#define USER_SOURCE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter;
struct sock_filter; /* linux/filter.h: the same as struct bpf_insn of pcap.h */

/* Checks the expression for Ethernet.  -EINVAL with the reason in why. */
int filter_open(struct filter **out, const char *expression, char *why, size_t why_size);
void filter_close(struct filter *f);

/* The expression for Ethernet as a classic program, to be run elsewhere; for an interface as it is,
 * where that is named (stripped VLAN tags are then asked for beside the bytes). */
struct filter_code {
	struct sock_filter *at;
	uint32_t n;
};

int filter_compile(struct filter_code *out, const char *expression, const char *iface, char *why,
		   size_t why_size);
void filter_code_free(struct filter_code *code);

bool filter_match(struct filter *f, uint32_t linktype, const uint8_t *frame, uint32_t caplen,
		  uint32_t len);

#endif
