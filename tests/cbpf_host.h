/* SPDX-License-Identifier: MIT */
/*
 * cbpf_host — classic programs for the tests of cbpf.h: compiled by libpcap, or made at random;
 * what libpcap says of a packet; and packets for them.
 *
 * Owner:  the test; one thread.  <linux/bpf.h> cannot be included where <pcap/pcap.h> is, so what
 *         runs in the kernel is not here.
 */
#ifndef TESTS_CBPF_HOST_H
#define TESTS_CBPF_HOST_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/guard.h"

enum { ORACLE_MAX = 4096, SAMPLE_MAX = 256 };

struct oracle {
	uint32_t n;
	struct sock_filter at[ORACLE_MAX];
};

/* The expression for Ethernet; false, and a failed check, where libpcap refuses it. */
bool oracle_compile(struct oracle *o, const char *expression, bool optimize);

/* A valid program of all instructions that bpf_filter() knows; its scratch memory is not written
 * before it is read. */
void oracle_roll(struct oracle *o, struct dice *d);

/* bpf_filter(), with scratch memory that starts as zero. */
uint32_t oracle_run(const struct oracle *o, const uint8_t *at, uint32_t len);

/* A frame whose length is its length on the wire. */
struct sample {
	uint32_t n;
	uint8_t at[SAMPLE_MAX];
};

/* Of what the expressions ask for, each kind whole and cut at every length from 14; and garbage. */
uint32_t samples_make(struct sample *out, uint32_t cap, struct dice *d);

#endif
