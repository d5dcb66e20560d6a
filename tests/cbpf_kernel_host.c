/* SPDX-License-Identifier: MIT */
/* cbpf_kernel_host — see cbpf_kernel_host.h. */
#include "tests/cbpf_kernel_host.h"

#include <CUnit/CUnit.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/packets.h"

const struct cbpf_conf kernel_xdp = {
	.place = CBPF_XDP,
	.counters_fd = -1,
	.next_fd = -1,
	.reject = XDP_DROP,
	.accept = XDP_PASS,
};
const struct cbpf_conf kernel_skb = {.place = CBPF_SKB, .counters_fd = -1, .next_fd = -1};

bool kernel_here(void)
{
	static bool said;
	struct bpf_insn two[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "MIT", two, 2, NULL);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	if (!said)
		fprintf(stderr, "cbpf: not run in the kernel: bpf(2) says %s\n",
			strerrorname_np(errno));
	said = true;
	CU_PASS("no bpf(2)");
	return false;
}

int kernel_load(const struct bpf_insn *at, uint32_t n, enum cbpf_place place, const char *what)
{
	static char log[1 << 20];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_level = 0);
	enum bpf_prog_type type =
		place == CBPF_XDP ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SOCKET_FILTER;
	int fd;

	opts.prog_flags = place == CBPF_XDP ? BPF_F_XDP_HAS_FRAGS : 0;
	fd = bpf_prog_load(type, "cbpf", "MIT", at, n, &opts);
	if (fd >= 0)
		return fd;
	opts.log_level = 1;
	opts.log_buf = log;
	opts.log_size = sizeof(log);
	bpf_prog_load(type, "cbpf", "MIT", at, n, &opts);
	CHECK(false, "%s: %d: %s", what, fd, strlen(log) > 800 ? log + strlen(log) - 800 : log);
	return fd;
}

int kernel_load_classic(const struct oracle *o, const struct cbpf_conf *conf, const char *what)
{
	struct cbpf_code code = {.cap = CBPF_ROOM(o->n)};
	char why[128] = "";
	int fd, err;

	code.at = calloc(code.cap, sizeof(*code.at));
	err = cbpf_translate(&code, o->at, o->n, conf, why, sizeof(why));
	fd = CHECK(err == 0, "%s: %d, %s", what, err, why)
		     ? kernel_load(code.at, code.n, conf->place, what)
		     : -1;
	free(code.at);
	return fd;
}

int64_t kernel_run_xdp(int fd, const uint8_t *at, uint32_t n, uint32_t linear)
{
	struct xdp_md md = {.data_end = linear};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = at, .data_size_in = n);
	int err;

	if (linear) {
		opts.ctx_in = &md;
		opts.ctx_size_in = sizeof(md);
	}
	err = bpf_prog_test_run_opts(fd, &opts);
	return err < 0 ? err : (int64_t)opts.retval;
}

/* The kernel takes an Ethernet header off before it runs a socket filter. */
int64_t kernel_run_skb(int fd, const uint8_t *at, uint32_t n)
{
	static struct build b;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b.at, .data_size_in = 14 + n);
	int err;

	b.n = 0;
	put_ethernet(&b, 0x88b5);
	put_bytes(&b, at, n);
	err = bpf_prog_test_run_opts(fd, &opts);
	return err < 0 ? err : (int64_t)opts.retval;
}
