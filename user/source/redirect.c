/* SPDX-License-Identifier: MIT */
/* redirect — see redirect.h. */
#include "user/source/redirect.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "steer.skel.h"
#include "user/base/log.h"
#include "user/source/verdicts.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

#define TAGS 8U /* two VLAN tags beyond the Ethernet header */

/* Buffers per queue: a power of two, within its share of the memory. */
static uint32_t buffers_for(const struct redirect_conf *conf, uint32_t buffer_bytes)
{
	uint32_t most = conf->bytes / conf->queues / buffer_bytes, n = 64;

	while (n * 2 <= most)
		n *= 2;
	return n * buffer_bytes > conf->bytes / conf->queues ? 0 : n;
}

static int load(struct redirect *r, const struct redirect_conf *conf)
{
	struct steer_bpf *p = steer_bpf__open();
	uint32_t flags;
	int err;

	if (!p)
		return -errno;
	r->program = p;
	memcpy((void *)p->rodata->key, &conf->key, sizeof(conf->key));
	p->rodata->workers = conf->workers;
	p->rodata->otherwise = conf->private_end ? XDP_DROP : XDP_PASS;
	p->rodata->offload = conf->verdicts != NULL;
	if (conf->verdicts) {
		bpf_map__reuse_fd(p->maps.verdicts, conf->verdicts->map);
		bpf_map__reuse_fd(p->maps.rows, conf->verdicts->counters);
	}
	bpf_map__set_max_entries(p->maps.xsks, conf->queues * conf->workers);
	flags = bpf_program__flags(p->progs.steer);
	bpf_program__set_flags(p->progs.steer, r->frags ? flags | BPF_F_XDP_HAS_FRAGS
							: flags & ~BPF_F_XDP_HAS_FRAGS);
	err = steer_bpf__load(p);
	return err;
}

static int open_rings(struct redirect *r, const struct redirect_conf *conf)
{
	uint32_t buffer_bytes = conf->mtu + 14 + TAGS + XSK_HEADROOM <= 2048 ? 2048 : 4096;
	uint32_t n = buffers_for(conf, buffer_bytes);
	struct xsk_want want = {conf->name, r->native, r->frags};
	int err = 0;

	if (n == 0)
		return -ENOSPC;
	if (!r->frags && conf->mtu + 14 + TAGS + XSK_HEADROOM > 4096)
		return -EMSGSIZE;
	r->queue = calloc(conf->queues, sizeof(*r->queue));
	r->ring = calloc((size_t)conf->queues * conf->workers, sizeof(*r->ring));
	if (!r->queue || !r->ring)
		return -ENOMEM;
	for (uint32_t q = 0; q < conf->queues && err == 0; q++) {
		err = xsk_queue_open(&r->queue[q], conf->area,
				     conf->at + q * (conf->bytes / conf->queues & ~4095U), n,
				     buffer_bytes, q);
		for (uint32_t w = 0; w < conf->workers && err == 0; w++) {
			struct xsk_ring *ring = &r->ring[q * conf->workers + w];
			uint32_t slot = q * conf->workers + w;
			int fd;

			err = xsk_ring_open(ring, &r->queue[q], &want);
			if (err < 0)
				break;
			fd = xsk_socket__fd(ring->socket);
			err = bpf_map_update_elem(bpf_map__fd(r->program->maps.xsks), &slot, &fd,
						  0);
		}
	}
	return err;
}

/* The expression was checked before: what fails here, user space can do. */
static int open_filter(struct redirect *r, const struct redirect_conf *conf)
{
	struct kernel_filter_conf filter = {
		.expression = conf->filter,
		.row = RM_KERNEL_FILTERED,
		.place = CBPF_XDP,
		.frags = r->frags,
		.next = bpf_program__fd(r->program->progs.steer),
		.counts = bpf_map__fd(r->program->maps.counts),
		.drop = conf->private_end,
	};
	char why[256];
	int err = conf->filter ? kernel_filter_open(&r->filter, &filter, why, sizeof(why)) : 0;

	if (err < 0)
		log_line("%s: --capture-filter runs in user space: %s", conf->title, why);
	r->filter_in_user = err < 0;
	filter.expression = conf->self;
	filter.row = RM_KERNEL_FILTERED_SELF;
	if (r->filter.program >= 0)
		filter.next = r->filter.program;
	if (conf->self && kernel_filter_open(&r->self, &filter, why, sizeof(why)) < 0)
		log_line("%s: the API's own connections are captured too: %s", conf->title, why);
	return 0;
}

/* The first of the programs. */
static int first_program(const struct redirect *r)
{
	return r->self.program >= 0     ? r->self.program
	       : r->filter.program >= 0 ? r->filter.program
					: bpf_program__fd(r->program->progs.steer);
}

static int attach(struct redirect *r, const struct redirect_conf *conf)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = r->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = -EBUSY;

	/* A dying process may still hold the interface for some milliseconds. */
	for (int tries = 0; tries < 200 && fd == -EBUSY; tries++) {
		if (tries)
			nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
		fd = bpf_link_create(first_program(r), conf->ifindex, BPF_XDP, &opts);
	}
	r->link = fd;
	return fd < 0 ? fd : 0;
}

static int go_promiscuous(struct redirect *r, const struct redirect_conf *conf)
{
	struct packet_mreq all = {.mr_ifindex = conf->ifindex, .mr_type = PACKET_MR_PROMISC};

	r->promisc = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (r->promisc < 0 ||
	    setsockopt(r->promisc, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
		return -errno;
	return 0;
}

/* Says whose program holds the interface: it is never replaced. */
static void name_other(const struct redirect_conf *conf)
{
	uint32_t id = 0;

	bpf_xdp_query_id(conf->ifindex, 0, &id);
	log_line(
		"%s: another XDP program (id %u, see `bpftool prog show id %u`) is attached; it is "
		"left alone",
		conf->name, id, id);
}

int redirect_open(struct redirect *r, const struct redirect_conf *conf)
{
	static const struct {
		bool native, frags;
	} ways[] = {{true, true}, {true, false}, {false, true}, {false, false}};
	const char *step = "";
	int err = -EINVAL;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		*r = (struct redirect){.link = -1,
				       .promisc = -1,
				       .filter = {-1, -1},
				       .self = {-1, -1},
				       .queues = conf->queues,
				       .workers = conf->workers,
				       .native = ways[i].native,
				       .frags = ways[i].frags};
		step = "loading the XDP program";
		err = load(r, conf);
		if (err == 0) {
			step = "binding AF_XDP sockets";
			err = open_rings(r, conf);
		}
		if (err == 0 && (conf->filter || conf->self))
			err = open_filter(r, conf);
		if (err == 0) {
			step = "attaching the XDP program";
			err = attach(r, conf);
		}
		if (err == 0 && conf->promisc) {
			step = "promiscuous mode";
			err = go_promiscuous(r, conf);
		}
		if (err == 0)
			return 0;
		redirect_close(r);
		if (err == -EBUSY || err == -EPERM || err == -ENOMEM)
			break;
	}
	if (err == -EBUSY && step[0] == 'a')
		name_other(conf);
	else
		log_line("%s: %s: %s%s", conf->title, step,
			 strerror(-err), /* NOLINT(concurrency-mt-unsafe) */
			 err == -EPERM || err == -EACCES
				 ? " (needs CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON)"
			 : err == -ENOBUFS ? " (needs CAP_IPC_LOCK, or a higher RLIMIT_MEMLOCK)"
			 : err == -EBUSY   ? " (another program has an AF_XDP socket on its queue)"
					   : "");
	return err;
}

void redirect_stop(struct redirect *r)
{
	if (r->link >= 0)
		close(r->link);
	r->link = -1;
}

void redirect_close(struct redirect *r)
{
	redirect_stop(r);
	for (uint32_t i = 0; r->ring && i < r->queues * r->workers; i++)
		xsk_ring_close(&r->ring[i]);
	for (uint32_t q = 0; r->queue && q < r->queues; q++)
		xsk_queue_close(&r->queue[q]);
	free(r->ring);
	free(r->queue);
	if (r->promisc >= 0)
		close(r->promisc);
	kernel_filter_close(&r->self);
	kernel_filter_close(&r->filter);
	steer_bpf__destroy(r->program);
	*r = (struct redirect){.link = -1, .promisc = -1, .filter = {-1, -1}, .self = {-1, -1}};
}

void bpf_counts_add(int map, uint64_t *n)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;

	for (uint32_t row = 0; each && row < RM_KERNEL_MAX; row++)
		if (bpf_map_lookup_elem(map, &row, each) == 0)
			for (int cpu = 0; cpu < cpus; cpu++)
				n[row] += each[cpu];
	free(each);
}

void redirect_counts(const struct redirect *r, uint64_t *n)
{
	bpf_counts_add(bpf_map__fd(r->program->maps.counts), n);
}
