/* SPDX-License-Identifier: MIT */
/*
 * live — packets of interfaces into blocks, each worker its own.
 *
 * An interface is captured in one of these ways (DESIGN.md §3): redirect, XDP steers every frame
 * into AF_XDP sockets and the host sees it no more; tap, AF_PACKET rings get a copy of both
 * directions; mirror, a copy goes through a veth pair of ours to AF_XDP sockets.  In each, a frame
 * comes to the worker that rm_steer names for its flow, as far as bpf/parse.h understands it.
 *
 * Threads: live_open, live_stop, live_close and live_iface_stats by the main thread; the functions
 *          that take a worker by that worker alone.
 * Memory:  all rings lie in one mapping, so that a frame's place is an offset in it; behind them
 *          each worker has room for what is put together from several pieces.
 * Bounds:  conf.buffer_bytes per interface, LIVE_BATCH frames at a time, LIVE_IFACES interfaces.
 * Losses:  a full ring drops in the kernel; the cause is counted (LIVE_DROPS).
 */
#ifndef USER_SOURCE_LIVE_H
#define USER_SOURCE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/wire.h"
#include "user/source/block.h"

#define LIVE_BATCH  256U
#define LIVE_IFACES 16U
#define LIVE_LANES  64U /* rings of a worker */

enum live_mode { LIVE_AUTO, LIVE_REDIRECT, LIVE_TAP, LIVE_MIRROR, LIVE_PCAP };

/* Ways to lose a frame between the kernel's programs and a worker: X(NAME, json name, help). */
#define LIVE_DROPS(X)                                                               \
	X(RING_FULL, "ring_full", "the worker's ring was full")                     \
	X(FILL_EMPTY, "fill_empty", "no free buffer: all were waiting for workers") \
	X(OVERSIZE, "oversize", "longer than a buffer")                             \
	X(VETH, "veth", "mirror: lost on the way through the sensor's own veth")

#define LIVE_DROP_ENUM(name, json, help) LIVE_DROP_##name,
enum live_drop { LIVE_DROPS(LIVE_DROP_ENUM) LIVE_DROP_MAX };
#undef LIVE_DROP_ENUM

struct live_conf {
	const char *const *ifaces;
	size_t n_ifaces;
	enum live_mode mode;
	bool force; /* redirect though the host uses the interface */
	bool promisc, immediate;
	uint32_t workers;
	uint64_t buffer_bytes; /* per interface */
	uint32_t snaplen, timeout_ms;
	const char *filter; /* a tcpdump expression, or NULL */
	const char *self;   /* likewise: all but the sensor's own connections */
	struct rm_hash_key key;
	uint32_t offload_rows; /* flows that may be offloaded at a time, 0 = none */
};

#define LIVE_STEPS 8 /* of a histogram: up to 1/8, 2/8 ... of the ring; 1, 2, 4 ... frames */

/* What one worker saw of one ring: of a queue in redirect and mirror, of all in tap. */
struct live_ring_stats {
	uint32_t iface, queue;
	uint64_t packets, bytes; /* read */
	uint64_t kernel_packets; /* tap: that came to the ring, lost ones included */
	uint64_t drop[LIVE_DROP_MAX];
	uint64_t queue_fill_empty;  /* of the queue, the same in the ring of each worker */
	uint64_t fill[LIVE_STEPS];  /* turns, by how full the ring was */
	uint64_t batch[LIVE_STEPS]; /* turns, by the frames taken: 1, 2-3, 4-7 ... 128 and more */
	uint64_t wakeups;           /* sleeps ended by the kernel */
};

struct live_iface_stats {
	const char *name;
	enum live_mode mode;
	uint64_t kernel[RM_KERNEL_MAX];
	uint64_t lost_in_veth;
};

struct live;
struct source;

/* Everything is opened and attached; packets wait in the rings from here on.  The interfaces become
 * rows of `source`.  0 or negative errno, logged with what is missing and for what. */
int live_open(struct live **out, const struct live_conf *conf, struct source *source);
void live_close(struct live *l);

/* No further packet enters the rings; those that wait can still be read. */
void live_stop(struct live *l);

/* The block of a worker: no memory of its own but the list of frames. */
int live_block_open(const struct live *l, uint32_t worker, struct block *b);

/* Up to LIVE_BATCH frames that wait, in order of their time; 0 where none does.  What they borrow
 * is given back by live_release, which comes before the next fill. */
uint32_t live_fill(struct live *l, uint32_t worker, struct block *b);
void live_release(struct live *l, uint32_t worker);

/* Sleeps until a frame waits, at most ms. */
/* `wake`: a descriptor that ends the sleep too, or -1. */
void live_wait(struct live *l, uint32_t worker, int ms, int wake);
/* How often the worker looks at its rings while packets come: it sleeps pause_ns in between, and
 * calls live_wait where it has found none for busy_ns. */
struct live_pace {
	uint32_t pause_ns, busy_ns;
};
struct live_pace live_pace(const struct live *l, uint32_t worker);

/* The clock that CLOCK_MONOTONIC times of the kernel are turned into wall time with. */
void live_set_clock(struct live *l);

/* Looks after the interfaces, once a second: says what became of one.  How many are left. */
uint32_t live_look(struct live *l);
/* One was lost while it was captured. */
bool live_trouble(const struct live *l);

/* The kernel of one of the interfaces cannot run --capture-filter: the workers do. */
bool live_filters_in_user(const struct live *l);
/* NULL where nothing is offloaded. */
const struct verdicts *live_verdicts(const struct live *l);
uint64_t live_wall_ns(const struct live *l, uint64_t monotonic_ns);

uint32_t live_ifaces(const struct live *l);
void live_iface_stats(const struct live *l, uint32_t iface, struct live_iface_stats *out);
uint32_t live_rings(const struct live *l);
/* Reads the kernel's counters of the worker's ring too. */
void live_ring_stats(struct live *l, uint32_t worker, uint32_t ring, struct live_ring_stats *out);

const char *live_mode_name(enum live_mode mode);

#endif
