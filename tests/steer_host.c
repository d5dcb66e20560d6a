/* SPDX-License-Identifier: MIT */
/* steer_host — see steer_host.h. */
#include "tests/steer_host.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "steer.skel.h"

struct rm_view {
	const uint8_t *frame;
	size_t len;
};

static inline const __u8 *rm_at(struct rm_view *v, __u32 off, __u32 n)
{
	return off > 1024 || v->len < (size_t)off + n ? NULL : v->frame + off;
}

#include "bpf/parse.h"

bool steer_host_open(struct steer_host *h)
{
	*h = (struct steer_host){0};
	for (uint32_t i = 0; i < 10; i++)
		h->key.word[i] = 0x9e3779b97f4a7c15ULL * (i + 1);
	libbpf_set_print(NULL);
	h->skel = steer_bpf__open();
	if (h->skel) {
		memcpy((void *)h->skel->rodata->key, &h->key, sizeof(h->key));
		h->skel->rodata->workers = 4;
		bpf_map__set_max_entries(h->skel->maps.xsks, 4);
	}
	if (!h->skel || steer_bpf__load(h->skel) < 0) {
		fprintf(stderr, "steer: the kernel takes no XDP program here: bpf: errno %d\n",
			errno);
		steer_host_close(h);
		return false;
	}
	h->fd = bpf_program__fd(h->skel->progs.steer);
	return true;
}

void steer_host_close(struct steer_host *h)
{
	steer_bpf__destroy(h->skel);
	h->skel = NULL;
}

bool steer_host_run(struct steer_host *h, const uint8_t *frame, size_t len, struct rm_meta *meta)
{
	static uint8_t out[70000];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (__u32)len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	if (bpf_prog_test_run_opts(h->fd, &opts) < 0 || opts.data_size_out != len + sizeof(*meta) ||
	    memcmp(out + sizeof(*meta), frame, len) != 0)
		return false;
	memcpy(meta, out, sizeof(*meta));
	return meta->magic == RM_META_MAGIC;
}

uint64_t steer_host_hash(const struct steer_host *h, const uint8_t *frame, size_t len,
			 uint8_t *layers, bool *fragment)
{
	struct rm_view v = {frame, len};
	struct rm_parsed p;

	rm_parse(&v, &p, 0);
	*layers = p.layers;
	*fragment = p.fragment;
	return p.layers ? rm_flow_hash(&h->key, &p.tuple) : 0;
}
