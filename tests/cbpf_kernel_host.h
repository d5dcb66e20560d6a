/* SPDX-License-Identifier: MIT */
/*
 * cbpf_kernel_host — translated programs loaded, and run over one packet by BPF_PROG_TEST_RUN.
 *
 * Owner:  the test; one thread.
 */
#ifndef TESTS_CBPF_KERNEL_HOST_H
#define TESTS_CBPF_KERNEL_HOST_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/cbpf_host.h"
#include "user/source/cbpf.h"

/* No counter, no next program; XDP_DROP and XDP_PASS. */
extern const struct cbpf_conf kernel_xdp, kernel_skb;

/* False, with a line on stderr and the test passed, where bpf(2) is not allowed. */
bool kernel_here(void);

/* A descriptor; negative, and a failed check with the end of the verifier's log, where the kernel
 * does not take it. */
int kernel_load(const struct bpf_insn *at, uint32_t n, enum cbpf_place place, const char *what);
int kernel_load_classic(const struct oracle *o, const struct cbpf_conf *conf, const char *what);

/* What the program returns for the packet, or a negative errno.  linear: bytes in its first buffer
 * (Linux 6.18), or 0 for as many as fit. */
int64_t kernel_run_xdp(int fd, const uint8_t *at, uint32_t n, uint32_t linear);
int64_t kernel_run_skb(int fd, const uint8_t *at, uint32_t n);

#endif
