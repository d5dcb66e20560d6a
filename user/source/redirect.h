/* SPDX-License-Identifier: MIT */
/*
 * redirect — an interface whose frames XDP steers into AF_XDP sockets, `queue * workers + worker`.
 *
 * Owner:  the main thread; the rings belong to their workers (xsk.h).
 * Tries:  native mode before generic, multi-buffer before single, zero-copy before copy.
 * Life:   a bpf_link, nothing pinned: the program goes with this process, however it ends.
 * Errors: redirect_open logs which call failed and what it takes.
 */
#ifndef USER_SOURCE_REDIRECT_H
#define USER_SOURCE_REDIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/wire.h"
#include "user/source/kernel_filter.h"
#include "user/source/xsk.h"

struct redirect_conf {
	const char *name, *title; /* of the device; of the interface, in messages */
	int ifindex;
	uint32_t mtu, queues, workers;
	bool promisc;
	bool private_end;   /* a veth end of ours: what no socket takes is dropped */
	uint8_t *area;      /* the mapping, and the part of it for buffers */
	uint32_t at, bytes; /* page-aligned */
	struct rm_hash_key key;
	const struct verdicts *verdicts; /* or NULL */
	const char *filter;              /* a tcpdump expression, or NULL */
	const char *self;                /* likewise: all but the sensor's own connections */
};

struct redirect {
	struct steer_bpf *program;
	int link, promisc;
	uint32_t queues, workers;
	struct xsk_queue *queue;
	struct xsk_ring *ring; /* queues * workers */
	struct kernel_filter filter, self;
	bool native, frags;
	bool filter_in_user; /* the kernel cannot run it */
};

int redirect_open(struct redirect *r, const struct redirect_conf *conf);
void redirect_close(struct redirect *r);

/* The program leaves the interface; what waits in the rings can still be read. */
void redirect_stop(struct redirect *r);

/* Adds the rows of a per-CPU map, over all CPUs, to n[RM_KERNEL_MAX]. */
void bpf_counts_add(int map, uint64_t *n);

/* Adds to n[RM_KERNEL_MAX]. */
void redirect_counts(const struct redirect *r, uint64_t *n);

#endif
