/* SPDX-License-Identifier: MIT */
/* live — see live.h. */
#include "user/source/live.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tap.skel.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/source/mirror.h"
#include "user/source/nic_mode.h"
#include "user/source/redirect.h"
#include "user/source/source.h"
#include "user/source/tap.h"
#include "user/source/verdicts.h"

#define EXTRA             (BLOCK_EXTRA + (1U << 20)) /* per worker, for frames put together */
#define AREA_MAX          UINT32_MAX                 /* places are 32 bits */
#define LINKTYPE_ETHERNET 1U
#define LINKTYPE_RAW      101U /* IP without a link-layer header */
#define TAP_SPACING       2U   /* blocks that a ring has at least */
/* To be woken for each of a few frames costs more than to look for them. */
#define PAUSE_NS 100000U
#define BUSY_NS  10000000U
/* Frames of a tap are seen block by block, after up to 10 ms: looks more often find nothing, and
 * where one finds nothing, the kernel's wake-up for the next block is the cheapest. */
#define PAUSE_BLOCKS_NS 1000000U
#define BUSY_BLOCKS_NS  PAUSE_BLOCKS_NS
#define BLOCKS_MS       10U  /* a shorter time than this was asked for by the user */
#define BLOCKS_MANY     128U /* 10 Gbit/s fill ten in a pause */

/* One ring of a worker. */
struct lane {
	struct tap_ring *tap; /* one of these two */
	struct xsk_ring *xsk;
	uint16_t row; /* of the source's interfaces */
	struct live_ring_stats seen;
};

struct live_worker {
	_Alignas(64) struct lane lane[LIVE_LANES];
	uint32_t lanes;
	uint32_t extra; /* place of its room */
	struct capture_clock clock;
};

struct live_iface {
	struct nic nic;
	enum live_mode mode;
	uint16_t row;
	bool gone, down;
	struct redirect redirect;
	struct mirror mirror;
	struct tap_bpf *fanout;
	struct kernel_filter filter, self; /* of tap */
	bool filter_in_user;
	struct tap_ring *tap; /* one per worker */
};

struct live {
	struct live_conf conf;
	struct live_iface iface[LIVE_IFACES];
	uint32_t ifaces;
	uint8_t *area;
	size_t area_bytes;
	struct live_worker *worker;
	struct verdicts verdicts;
	bool trouble;
	_Atomic int64_t offset_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC */
};

static const char *const mode_names[] = {"auto", "redirect", "tap", "mirror", "pcap"};

const char *live_mode_name(enum live_mode mode)
{
	return mode_names[mode];
}

/* ---- opening ---- */

static const char *text_of(int err)
{
	return strerror(-err); /* NOLINT(concurrency-mt-unsafe) */
}

static int add_lane(struct live *l, uint32_t w, const struct lane *lane)
{
	struct live_worker *worker = &l->worker[w];

	if (worker->lanes == LIVE_LANES) {
		log_line("more than %u queues over all interfaces", LIVE_LANES);
		return -E2BIG;
	}
	worker->lane[worker->lanes++] = *lane;
	return 0;
}

static int open_fanout(struct live *l, struct live_iface *f)
{
	f->fanout = tap_bpf__open();
	if (!f->fanout)
		return -errno;
	memcpy((void *)f->fanout->rodata->key, &l->conf.key, sizeof(l->conf.key));
	f->fanout->rodata->workers = l->conf.workers;
	f->fanout->rodata->bare = nic_linktype(&f->nic) == LINKTYPE_RAW;
	f->fanout->rodata->offload = l->conf.offload_rows > 0;
	if (l->conf.offload_rows) {
		bpf_map__reuse_fd(f->fanout->maps.verdicts, l->verdicts.map);
		bpf_map__reuse_fd(f->fanout->maps.rows, l->verdicts.counters);
	}
	return tap_bpf__load(f->fanout);
}

/* The one program that a socket can have: the filter, then how much is copied. */
static int open_tap_filter(struct live *l, struct live_iface *f)
{
	int copy = l->conf.offload_rows ? bpf_program__fd(f->fanout->progs.copy) : -1;
	struct kernel_filter_conf conf = {.expression = l->conf.filter,
					  .row = RM_KERNEL_FILTERED,
					  .iface = f->nic.name,
					  .place = CBPF_SKB,
					  .next = copy,
					  .counts = bpf_map__fd(f->fanout->maps.counts)};
	/* libpcap may see such an interface in another form than the socket. */
	bool foreign = nic_linktype(&f->nic) == LINKTYPE_RAW && f->nic.type != ARPHRD_NONE;
	char why[256] = "";
	int program = copy, err = 0;

	if (conf.expression && foreign) {
		f->filter_in_user = true;
	} else if (conf.expression && kernel_filter_open(&f->filter, &conf, why, sizeof(why)) < 0) {
		log_line("%s: --capture-filter runs in user space: %s", f->nic.name, why);
		f->filter_in_user = true;
	} else if (conf.expression) {
		program = f->filter.program;
	}
	conf.expression = l->conf.self;
	conf.row = RM_KERNEL_FILTERED_SELF;
	conf.next = program;
	if (conf.expression && !foreign &&
	    kernel_filter_open(&f->self, &conf, why, sizeof(why)) == 0)
		program = f->self.program;
	else if (conf.expression)
		log_line("%s: the API's own connections are captured too%s%s", f->nic.name,
			 why[0] ? ": " : "", why);
	for (uint32_t w = 0; w < l->conf.workers && err == 0; w++)
		err = tap_begin(&f->tap[w], program);
	return err;
}

static int open_tap(struct live *l, uint32_t i, uint32_t at, uint32_t bytes)
{
	struct live_iface *f = &l->iface[i];
	uint32_t each = bytes / l->conf.workers / TAP_BLOCK * TAP_BLOCK;
	const char *step = "loading the fanout program";
	uint16_t group = 0;
	int err = open_fanout(l, f);

	f->tap = calloc(l->conf.workers, sizeof(*f->tap));
	if (!f->tap)
		return -ENOMEM;
	for (uint32_t w = 0; w < l->conf.workers; w++)
		f->tap[w].fd = -1;
	for (uint32_t w = 0; w < l->conf.workers && err == 0; w++) {
		step = "opening an AF_PACKET ring";
		err = tap_open(&f->tap[w], l->area, at + w * each, each, l->conf.timeout_ms);
	}
	for (uint32_t w = 0; w < l->conf.workers && err == 0; w++) {
		struct lane lane = {.tap = &f->tap[w], .row = f->row, .seen = {.iface = i}};

		step = "joining the fanout group";
		err = tap_join(&f->tap[w], f->nic.ifindex, &group,
			       w ? -1 : bpf_program__fd(f->fanout->progs.fanout), l->conf.promisc,
			       f->nic.loopback);
		if (err == 0)
			err = add_lane(l, w, &lane);
	}
	if (err == 0) {
		step = "attaching the socket filter";
		err = open_tap_filter(l, f);
	}
	if (err < 0)
		log_line("%s: %s: %s%s", f->nic.name, step, text_of(err),
			 err == -EPERM || err == -EACCES
				 ? " (tap needs CAP_NET_RAW, CAP_BPF and CAP_PERFMON)"
				 : "");
	return err;
}

static int open_redirect(struct live *l, uint32_t i, uint32_t at, uint32_t bytes)
{
	struct live_iface *f = &l->iface[i];
	struct redirect_conf conf = {
		.name = f->nic.name,
		.title = f->nic.name,
		.ifindex = f->nic.ifindex,
		.mtu = f->nic.mtu,
		.queues = f->nic.rx_queues,
		.workers = l->conf.workers,
		.promisc = true,
		.area = l->area,
		.at = at,
		.bytes = bytes,
		.key = l->conf.key,
		.verdicts = live_verdicts(l),
		.filter = l->conf.filter,
		.self = l->conf.self,
	};
	const struct redirect *r = &f->redirect;
	int err;

	if (f->mode == LIVE_MIRROR) {
		err = mirror_open(&f->mirror, &conf, f->nic.loopback);
		r = &f->mirror.redirect;
	} else {
		err = redirect_open(&f->redirect, &conf);
	}
	for (uint32_t q = 0; q < r->queues && err == 0; q++)
		for (uint32_t w = 0; w < l->conf.workers && err == 0; w++) {
			struct lane lane = {.xsk = &r->ring[q * l->conf.workers + w],
					    .row = f->row,
					    .seen = {.iface = i, .queue = q}};

			err = add_lane(l, w, &lane);
		}
	return err;
}

/* The interface's rings, in its part of the mapping. */
static int open_iface(struct live *l, uint32_t i, struct source *source, uint32_t at,
		      uint32_t bytes)
{
	struct live_iface *f = &l->iface[i];
	int row = source_add_iface(source, nic_linktype(&f->nic), f->nic.name);

	if (row < 0)
		return row;
	f->row = (uint16_t)row;
	switch (f->mode) {
	case LIVE_TAP:
		return open_tap(l, i, at, bytes);
	case LIVE_REDIRECT:
	case LIVE_MIRROR:
		return open_redirect(l, i, at, bytes);
	default:
		return -EOPNOTSUPP;
	}
}

/* One mapping: the rings of each interface, then the workers' room. */
static int map_area(struct live *l, uint32_t each)
{
	uint64_t rings = (uint64_t)each * l->ifaces;

	l->area_bytes = rings + (uint64_t)EXTRA * l->conf.workers;
	if (l->area_bytes > AREA_MAX) {
		log_line(
			"--capture-buffer-size: all interfaces and workers together take more than "
			"4 GiB");
		return -EINVAL;
	}
	l->area = mmap(NULL, l->area_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->area == MAP_FAILED) {
		l->area = NULL;
		return -errno;
	}
	for (uint32_t w = 0; w < l->conf.workers; w++)
		l->worker[w].extra = (uint32_t)(rings + (uint64_t)EXTRA * w);
	return 0;
}

/* Bytes for the rings of an interface: whole blocks for each worker. */
static uint32_t ring_bytes(const struct live_conf *conf)
{
	uint64_t unit = (uint64_t)TAP_BLOCK * conf->workers;
	uint64_t n = conf->buffer_bytes / unit;

	if (n < TAP_SPACING)
		n = TAP_SPACING;
	return n * unit > AREA_MAX ? AREA_MAX / (uint32_t)unit * (uint32_t)unit
				   : (uint32_t)(n * unit);
}

static void no_redirect(struct live_iface *f)
{
	f->redirect =
		(struct redirect){.link = -1, .promisc = -1, .filter = {-1, -1}, .self = {-1, -1}};
	f->filter = f->self = (struct kernel_filter){-1, -1};
}

static enum live_mode choose(const struct live_iface *f, char *why, size_t size)
{
	static const enum live_mode modes[] = {
		[NIC_REDIRECT] = LIVE_REDIRECT, [NIC_TAP] = LIVE_TAP, [NIC_PCAP] = LIVE_PCAP};

	return modes[nic_auto(&f->nic, why, size)];
}

/* Which interface it is and how it is captured; refuses what would cut the host off. */
static int find_iface(struct live *l, struct live_iface *f, const char *name)
{
	char why[NIC_WHY];
	int err = nic_read(&f->nic, name);

	if (err < 0) {
		log_line("--iface %s: %s", name,
			 err == -ENODEV ? "there is no such interface" : text_of(err));
		return err;
	}
	for (const struct live_iface *other = l->iface; other < f; other++)
		if (other->nic.ifindex == f->nic.ifindex) {
			log_line("--iface %s: is given twice: each packet would be, too", name);
			return -EINVAL;
		}
	f->mode = l->conf.mode;
	if (f->mode == LIVE_TAP && nic_linktype(&f->nic) == 0) {
		log_line("%s: has the hardware type %u, which only pcap can capture", f->nic.name,
			 f->nic.type);
		return -EOPNOTSUPP;
	}
	if ((f->mode == LIVE_REDIRECT || f->mode == LIVE_MIRROR) &&
	    nic_linktype(&f->nic) != LINKTYPE_ETHERNET) {
		log_line("%s: is no Ethernet, which %s needs; tap or pcap can capture it",
			 f->nic.name, mode_names[f->mode]);
		return -EOPNOTSUPP;
	}
	if (f->mode == LIVE_AUTO) {
		f->mode = choose(f, why, sizeof(why));
		log_line("%s: %s, because %s", f->nic.name, mode_names[f->mode], why);
	} else if (f->mode == LIVE_REDIRECT && !nic_redirect_safe(&f->nic, why, sizeof(why))) {
		if (!l->conf.force) {
			log_line("%s: not redirected, because %s: the host would get no packet of "
				 "it any more; tap copies instead, --force redirects all the same",
				 f->nic.name, why);
			return -EBUSY;
		}
		log_line("%s: redirected by --force although %s: the host gets no packet of it",
			 f->nic.name, why);
	}
	if (f->mode == LIVE_REDIRECT || f->mode == LIVE_MIRROR)
		nic_warn(&f->nic, stderr);
	f->down = !f->nic.up;
	if (f->down)
		log_line("%s: it is down; packets come when it is brought up", f->nic.name);
	return 0;
}

int live_open(struct live **out, const struct live_conf *conf, struct source *source)
{
	struct live *l = calloc(1, sizeof(*l));
	uint32_t each = ring_bytes(conf);
	int err = 0;

	*out = l;
	if (!l)
		return -ENOMEM;
	l->conf = *conf;
	for (uint32_t i = 0; i < LIVE_IFACES; i++)
		no_redirect(&l->iface[i]);
	l->worker = aligned_alloc(64, conf->workers * sizeof(*l->worker));
	if (!l->worker)
		return -ENOMEM;
	memset(l->worker, 0, conf->workers * sizeof(*l->worker));
	live_set_clock(l);
	for (size_t i = 0; i < conf->n_ifaces && err == 0; i++) {
		struct live_iface *f = &l->iface[l->ifaces];

		if (i == LIVE_IFACES) {
			log_line("--iface: more than %u", LIVE_IFACES);
			return -E2BIG;
		}
		l->ifaces++;
		err = find_iface(l, f, conf->ifaces[i]);
	}
	if (err == 0)
		err = map_area(l, each);
	if (err == 0 && conf->offload_rows) {
		err = verdicts_open(&l->verdicts, conf->offload_rows);
		if (err < 0)
			log_line("--offload: making its maps: %s (needs CAP_BPF)", text_of(err));
	}
	for (uint32_t i = 0; i < l->ifaces && err == 0; i++)
		err = open_iface(l, i, source, i * each, each);
	return err;
}

void live_close(struct live *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->ifaces; i++) {
		struct live_iface *f = &l->iface[i];

		redirect_close(&f->redirect);
		mirror_close(&f->mirror);
		for (uint32_t w = 0; f->tap && w < l->conf.workers; w++)
			tap_close(&f->tap[w]);
		free(f->tap);
		kernel_filter_close(&f->self);
		kernel_filter_close(&f->filter);
		tap_bpf__destroy(f->fanout);
	}
	verdicts_close(&l->verdicts);
	if (l->area)
		munmap(l->area, l->area_bytes);
	free(l->worker);
	free(l);
}

void live_stop(struct live *l)
{
	for (uint32_t i = 0; i < l->ifaces; i++) {
		struct live_iface *f = &l->iface[i];

		redirect_stop(&f->redirect);
		mirror_stop(&f->mirror);
		for (uint32_t w = 0; f->tap && w < l->conf.workers; w++)
			tap_stop(&f->tap[w]);
	}
}

/* ---- reading ---- */

int live_block_open(const struct live *l, uint32_t worker, struct block *b)
{
	int err;

	*b = (struct block){.pos = POS_NONE, .buf = l->area};
	err = slots_open(&b->frames, sizeof(struct frame), LIVE_BATCH);
	b->frame = (struct frame *)b->frames.base;
	b->fill = l->worker[worker].extra;
	b->limit = b->fill + EXTRA;
	return err;
}

uint64_t live_wall_ns(const struct live *l, uint64_t monotonic_ns)
{
	if (monotonic_ns == 0) /* a driver without metadata */
		monotonic_ns = clock_ns();
	return monotonic_ns + (uint64_t)atomic_load_explicit(&l->offset_ns, memory_order_relaxed);
}

/* A frame waits in the lane: its time. */
static bool lane_peek(const struct live *l, struct lane *lane, uint64_t *ts_ns)
{
	if (lane->tap) {
		if (!tap_peek(lane->tap))
			return false;
		*ts_ns = lane->tap->frame.ts_ns;
		return true;
	}
	if (!xsk_peek(lane->xsk))
		return false;
	*ts_ns = live_wall_ns(l, lane->xsk->ts_ns);
	return true;
}

static bool lane_take(struct lane *lane, struct block *b, struct frame *f)
{
	if (lane->tap) {
		*f = lane->tap->frame;
		tap_take(lane->tap);
		return true;
	}
	return xsk_take(lane->xsk, b, f);
}

/* Where n of at most `of` falls among the steps of a histogram. */
static uint32_t step_of(uint32_t n, uint32_t of)
{
	return n >= of ? LIVE_STEPS - 1 : (uint32_t)((uint64_t)n * LIVE_STEPS / of);
}

static uint32_t log_step(uint32_t n)
{
	uint32_t step = 31 - (uint32_t)__builtin_clz(n | 1);

	return step < LIVE_STEPS ? step : LIVE_STEPS - 1;
}

static void note_turn(struct lane *lane, uint32_t taken)
{
	struct live_ring_stats *s = &lane->seen;

	if (lane->tap)
		s->fill[step_of(tap_waiting(lane->tap), lane->tap->blocks)]++;
	else
		s->fill[step_of(lane->xsk->waiting, lane->xsk->rx.size)]++;
	if (taken)
		s->batch[log_step(taken)]++;
}

uint32_t live_fill(struct live *l, uint32_t w, struct block *b)
{
	struct live_worker *worker = &l->worker[w];
	uint32_t taken[LIVE_LANES] = {0};

	b->n = 0;
	b->fill = worker->extra;
	slots_reach(&b->frames, LIVE_BATCH - 1);
	while (b->n < LIVE_BATCH) {
		struct frame *f = &b->frame[b->n];
		uint64_t best_ns = 0, ts_ns;
		uint32_t best = LIVE_LANES;

		for (uint32_t i = 0; i < worker->lanes; i++)
			if (lane_peek(l, &worker->lane[i], &ts_ns) &&
			    (best == LIVE_LANES || ts_ns < best_ns)) {
				best = i;
				best_ns = ts_ns;
			}
		if (best == LIVE_LANES || !lane_take(&worker->lane[best], b, f))
			break;
		f->ts_ns = best_ns;
		f->clock_ns = capture_clock_step(&worker->clock, best_ns);
		f->iface = worker->lane[best].row;
		if (f->caplen > l->conf.snaplen)
			f->caplen = l->conf.snaplen;
		worker->lane[best].seen.bytes += f->len;
		taken[best]++;
		b->n++;
	}
	for (uint32_t i = 0; i < worker->lanes; i++) {
		worker->lane[i].seen.packets += taken[i];
		note_turn(&worker->lane[i], taken[i]);
	}
	return b->n;
}

void live_release(struct live *l, uint32_t w)
{
	struct live_worker *worker = &l->worker[w];

	for (uint32_t i = 0; i < worker->lanes; i++) {
		if (worker->lane[i].tap)
			tap_release(worker->lane[i].tap);
		else
			xsk_release(worker->lane[i].xsk);
	}
}

void live_wait(struct live *l, uint32_t w, int ms, int wake)
{
	struct live_worker *worker = &l->worker[w];
	struct pollfd fd[LIVE_LANES + 1];
	uint64_t count;

	for (uint32_t i = 0; i < worker->lanes; i++) {
		struct lane *lane = &worker->lane[i];

		fd[i].events = POLLIN;
		if (lane->tap) {
			fd[i].fd = lane->tap->fd;
		} else {
			fd[i].fd = xsk_socket__fd(lane->xsk->socket);
			xsk_kick(lane->xsk);
		}
	}
	fd[worker->lanes] = (struct pollfd){.fd = wake, .events = POLLIN};
	if (poll(fd, worker->lanes + 1U, ms) <= 0)
		return;
	if ((fd[worker->lanes].revents & POLLIN) && read(wake, &count, sizeof(count)) < 0)
		return; /* nobody else reads it */
	for (uint32_t i = 0; i < worker->lanes; i++) {
		int err;
		socklen_t len = sizeof(err);

		worker->lane[i].seen.wakeups += fd[i].revents != 0;
		/* An interface that went down leaves an error, which poll() would tell for ever. */
		if (fd[i].revents & POLLERR)
			getsockopt(fd[i].fd, SOL_SOCKET, SO_ERROR, &err, &len);
	}
}

struct live_pace live_pace(const struct live *l, uint32_t w)
{
	const struct live_worker *worker = &l->worker[w];
	struct live_pace frames = {.pause_ns = PAUSE_NS, .busy_ns = BUSY_NS};

	if (l->conf.timeout_ms < BLOCKS_MS)
		return frames;
	for (uint32_t i = 0; i < worker->lanes; i++)
		if (!worker->lane[i].tap || worker->lane[i].tap->blocks < BLOCKS_MANY)
			return frames;
	return (struct live_pace){.pause_ns = PAUSE_BLOCKS_NS, .busy_ns = BUSY_BLOCKS_NS};
}

void live_set_clock(struct live *l)
{
	uint64_t before = clock_ns(), wall = clock_wall_ns(), after = clock_ns();

	atomic_store_explicit(&l->offset_ns, (int64_t)(wall - (before + (after - before) / 2)),
			      memory_order_relaxed);
}

/* ---- what becomes of the interfaces ---- */

static void lose(struct live *l, struct live_iface *f, const char *why)
{
	log_line("%s: %s: its capture ends here", f->nic.name, why);
	f->gone = l->trouble = true;
}

static void look(struct live *l, struct live_iface *f)
{
	char name[IF_NAMESIZE];
	struct nic now;

	/* One that returns under its name has another index: its packets do not come to us. */
	if (!if_indextoname((unsigned)f->nic.ifindex, name)) {
		lose(l, f, "the interface is gone");
		return;
	}
	if (strcmp(name, f->nic.name) != 0) {
		log_line("%s: is called %s now; its capture goes on", f->nic.name, name);
		snprintf(f->nic.name, sizeof(f->nic.name), "%s", name);
	}
	if (nic_read(&now, name) < 0 || now.ifindex != f->nic.ifindex)
		return;
	if (now.up == f->down)
		log_line("%s: was brought %s", name, now.up ? "up" : "down");
	f->down = !now.up;
	if (f->mode == LIVE_REDIRECT && now.up && now.rx_queues != f->nic.rx_queues)
		lose(l, f, "its number of receive queues was changed");
}

uint32_t live_look(struct live *l)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < l->ifaces; i++) {
		if (!l->iface[i].gone)
			look(l, &l->iface[i]);
		left += !l->iface[i].gone;
	}
	return left;
}

bool live_filters_in_user(const struct live *l)
{
	for (uint32_t i = 0; i < l->ifaces; i++)
		if (l->iface[i].filter_in_user || l->iface[i].redirect.filter_in_user ||
		    l->iface[i].mirror.redirect.filter_in_user)
			return true;
	return false;
}

const struct verdicts *live_verdicts(const struct live *l)
{
	return l->verdicts.row ? &l->verdicts : NULL;
}

bool live_trouble(const struct live *l)
{
	return l->trouble;
}

/* ---- what was seen and lost ---- */

uint32_t live_ifaces(const struct live *l)
{
	return l->ifaces;
}

void live_iface_stats(const struct live *l, uint32_t i, struct live_iface_stats *out)
{
	const struct live_iface *f = &l->iface[i];

	*out = (struct live_iface_stats){.name = f->nic.name, .mode = f->mode};
	if (f->redirect.program)
		redirect_counts(&f->redirect, out->kernel);
	if (f->fanout)
		bpf_counts_add(bpf_map__fd(f->fanout->maps.counts), out->kernel);
	if (f->mirror.program)
		out->lost_in_veth = mirror_counts(&f->mirror, out->kernel);
}

uint32_t live_rings(const struct live *l)
{
	return l->worker[0].lanes;
}

void live_ring_stats(struct live *l, uint32_t w, uint32_t ring, struct live_ring_stats *out)
{
	struct lane *lane = &l->worker[w].lane[ring];

	*out = lane->seen;
	if (lane->tap) {
		tap_read_counters(lane->tap);
		out->kernel_packets = lane->tap->kernel_packets;
		out->drop[LIVE_DROP_RING_FULL] = lane->tap->kernel_drops;
	} else {
		struct xsk_losses losses;

		xsk_read_counters(lane->xsk, &losses);
		out->drop[LIVE_DROP_RING_FULL] = losses.ring_full;
		out->drop[LIVE_DROP_FILL_EMPTY] = losses.dropped;
		out->queue_fill_empty = losses.fill_empty;
	}
}
