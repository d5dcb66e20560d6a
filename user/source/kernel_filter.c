/* SPDX-License-Identifier: MIT */
/* kernel_filter — see kernel_filter.h. */
#include "user/source/kernel_filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/wire.h"
#include "user/source/filter.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

/* Slot 0 of a map for tail calls. */
static int open_next(struct kernel_filter *k, int program)
{
	uint32_t zero = 0;

	k->next = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "next", sizeof(uint32_t),
				 sizeof(uint32_t), 1, NULL);
	if (k->next < 0)
		return k->next;
	return bpf_map_update_elem(k->next, &zero, &program, 0);
}

static int load(struct kernel_filter *k, const struct kernel_filter_conf *conf,
		const struct cbpf_code *code, char *why, size_t why_size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    /* a tail call joins programs of the same attach type only */
		    .expected_attach_type = conf->place == CBPF_XDP ? BPF_XDP : 0,
		    .prog_flags = conf->place == CBPF_XDP && conf->frags ? BPF_F_XDP_HAS_FRAGS : 0);

	k->program = bpf_prog_load(conf->place == CBPF_XDP ? BPF_PROG_TYPE_XDP
							   : BPF_PROG_TYPE_SOCKET_FILTER,
				   "capture_filter", "Dual BSD/GPL", code->at, code->n, &opts);
	if (k->program >= 0)
		return 0;
	snprintf(why, why_size, "the kernel refused the program: %s",
		 strerror(-k->program)); /* NOLINT(concurrency-mt-unsafe) */
	return -EOPNOTSUPP;
}

static int translate(struct kernel_filter *k, const struct kernel_filter_conf *conf,
		     const struct filter_code *classic, char *why, size_t why_size)
{
	struct cbpf_conf c = {
		.place = conf->place,
		.counters_fd = conf->counts,
		.rejected_row = conf->row,
		.next_fd = k->next,
		.reject = conf->drop ? XDP_DROP : XDP_PASS,
		.accept = XDP_PASS,
	};
	struct cbpf_code code = {.cap = CBPF_ROOM(classic->n)};
	int err;

	code.at = calloc(code.cap, sizeof(*code.at));
	if (!code.at)
		return -ENOMEM;
	err = cbpf_translate(&code, classic->at, classic->n, &c, why, why_size);
	if (err == 0)
		err = load(k, conf, &code, why, why_size);
	else if (err != -ENOMEM)
		err = -EOPNOTSUPP;
	free(code.at);
	return err;
}

int kernel_filter_open(struct kernel_filter *k, const struct kernel_filter_conf *conf, char *why,
		       size_t why_size)
{
	struct filter_code classic;
	int err;

	*k = (struct kernel_filter){-1, -1};
	err = filter_compile(&classic, conf->expression,
			     conf->place == CBPF_SKB ? conf->iface : NULL, why, why_size);
	if (err < 0)
		return err;
	if (conf->next >= 0)
		err = open_next(k, conf->next);
	if (err < 0)
		snprintf(why, why_size, "%s", strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
	else
		err = translate(k, conf, &classic, why, why_size);
	filter_code_free(&classic);
	if (err < 0)
		kernel_filter_close(k);
	return err;
}

void kernel_filter_close(struct kernel_filter *k)
{
	if (k->program >= 0)
		close(k->program);
	if (k->next >= 0)
		close(k->next);
	*k = (struct kernel_filter){-1, -1};
}
