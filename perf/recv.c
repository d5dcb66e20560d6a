/* SPDX-License-Identifier: MIT */
/*
 * recv — receives frames from one interface and only counts them: what a sensor can be measured
 * by, since no reader of the same kind can do less.
 *
 *   recv IFACE --seconds T [--xdp|--tpacket] [--rings N]
 *
 * --xdp (unless told otherwise): AF_XDP in copy mode, one ring of 16384 frames of 2048 bytes per
 * receive queue of the interface; in native mode if the driver has it, else generic. A frame over
 * 1792 bytes has no room and is dropped. The frames are taken from the host's own stack. --tpacket:
 * TPACKET_V3, N rings of 32 MB in a fanout group by flow; what the host sends is left out.
 *
 * Threads: N, one unless given. Each owns its rings: queue q is read by thread q % N. Each reads
 * until nothing is left, then sleeps 200 us. The main thread waits for the time or for SIGINT or
 * SIGTERM. `ready` on stderr says that from now on frames are counted. The program is attached by
 * a BPF link, so it goes with the process, however that ends. The exit status is 0, or 1 after a
 * message.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

enum {
	FRAMES = 16384, /* per queue: 50 ms at 300000 packets/s */
	FRAME_BYTES = 2048,
	UMEM_BYTES = FRAMES * FRAME_BYTES,
	BLOCKS = 32,
	BLOCK_BYTES = 1 << 20,
	RETIRE_MS = 10,
	MAX_RINGS = 64,
	BATCH = 64,
	SLEEP_NS = 200000,
	BUSY_NS = 5000000, /* a queue is released a few ms after its last owner has ended … */
	BUSY_TRIES = 600,  /* … so 3 s mean that somebody else has it */
};

/* One AF_XDP queue or one packet ring; read by one thread. */
struct ring {
	uint8_t *area;
	/* AF_XDP */
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons completed, received;
	/* TPACKET */
	int fd;
	uint32_t block;
};

struct recv;

struct reader {
	struct recv *recv;
	pthread_t thread;
	uint32_t first; /* ring; then every recv->readers-th */
	uint64_t packets, bytes;
};

struct recv {
	const char *iface;
	uint64_t seconds, readers;
	bool tpacket, generic;
	int ifindex, promiscuous, map, program, link; /* descriptors, -1 where closed */
	uint32_t rings;                               /* of ring, those in use */
	struct ring ring[MAX_RINGS];
	struct reader reader[MAX_RINGS];
	atomic_bool stop;
};

static int fail(const struct recv *r, const char *what, int err)
{
	fprintf(stderr, "recv: %s: %s: %s\n", r->iface, what, strerrordesc_np(-err));
	return err;
}

static void pause_ns(long ns)
{
	const struct timespec time = {.tv_nsec = ns};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* ---- AF_XDP ---- */

/* As many as can receive; a driver that does not say has one. */
static uint32_t queue_count(const struct recv *r)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (char *)&channels};
	uint32_t n = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", r->iface);
	if (ioctl(r->promiscuous, SIOCETHTOOL, &request) == 0)
		n = channels.rx_count + channels.combined_count;
	return n > 0 ? n : 1;
}

static void xdp_ring_close(struct ring *ring)
{
	if (ring->xsk != NULL)
		xsk_socket__delete(ring->xsk);
	if (ring->umem != NULL)
		xsk_umem__delete(ring->umem);
	if (ring->area != NULL)
		munmap(ring->area, UMEM_BYTES);
	ring->xsk = NULL;
	ring->umem = NULL;
	ring->area = NULL;
}

static int xdp_ring_try(const struct recv *r, uint32_t queue, struct ring *ring)
{
	const struct xsk_umem_config memory = {
		.fill_size = FRAMES, .comp_size = BATCH, .frame_size = FRAME_BYTES};
	const struct xsk_socket_config socket = {
		.rx_size = FRAMES,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	uint8_t *area = mmap(NULL, UMEM_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	uint32_t at = 0;
	int err;

	if (area == MAP_FAILED)
		return -errno;
	ring->area = area;
	err = xsk_umem__create(&ring->umem, area, UMEM_BYTES, &ring->fill, &ring->completed,
			       &memory);
	if (err == 0)
		err = xsk_socket__create(&ring->xsk, r->iface, queue, ring->umem, &ring->received,
					 NULL, &socket);
	if (err < 0) {
		xdp_ring_close(ring);
		return err;
	}
	xsk_ring_prod__reserve(&ring->fill, FRAMES, &at);
	for (uint32_t i = 0; i < FRAMES; i++)
		*xsk_ring_prod__fill_addr(&ring->fill, at + i) = (uint64_t)i * FRAME_BYTES;
	xsk_ring_prod__submit(&ring->fill, FRAMES);
	return 0;
}

static int xdp_ring_open(struct recv *r, uint32_t queue)
{
	struct ring *ring = &r->ring[queue];
	int err = xdp_ring_try(r, queue, ring), fd;

	for (int i = 0; err == -EBUSY && i < BUSY_TRIES; i++) {
		pause_ns(BUSY_NS);
		err = xdp_ring_try(r, queue, ring);
	}
	if (err < 0)
		return fail(r, "AF_XDP socket", err);
	fd = xsk_socket__fd(ring->xsk);
	err = bpf_map_update_elem(r->map, &queue, &fd, 0);
	return err < 0 ? fail(r, "XSKMAP", err) : 0;
}

/* return bpf_redirect_map(&map, ctx->rx_queue_index, XDP_PASS) */
static int xdp_program_load(const struct recv *r)
{
	const struct bpf_insn code[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = BPF_REG_2,
		 .src_reg = BPF_REG_1,
		 .off = offsetof(struct xdp_md, rx_queue_index)},
		{.code = BPF_DW | BPF_IMM, /* of class BPF_LD, 0 */
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = r->map},
		{0}, /* upper half of the constant */
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "recv", "Dual MIT/GPL", code,
			     sizeof(code) / sizeof(code[0]), NULL);
}

/* The program comes last: what it redirects before a ring is ready would be lost. */
static int xdp_open(struct recv *r)
{
	struct bpf_link_create_opts how = {.sz = sizeof(how), .flags = XDP_FLAGS_DRV_MODE};
	int err = 0;

	r->rings = queue_count(r);
	if (r->rings > MAX_RINGS || r->readers > r->rings) {
		fprintf(stderr, "recv: %s has %u receive queues; %d can be read, %s\n", r->iface,
			r->rings, MAX_RINGS, "by a thread each at most");
		return -EINVAL;
	}
	r->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", sizeof(int), sizeof(int), r->rings,
				NULL);
	if (r->map < 0)
		return fail(r, "XSKMAP", r->map);
	for (uint32_t q = 0; q < r->rings && err == 0; q++)
		err = xdp_ring_open(r, q);
	if (err < 0)
		return err;
	r->program = xdp_program_load(r);
	if (r->program < 0)
		return fail(r, "XDP program", r->program);
	r->link = bpf_link_create(r->program, r->ifindex, BPF_XDP, &how);
	if (r->link < 0 && r->link != -EBUSY) {
		how.flags = XDP_FLAGS_SKB_MODE;
		r->generic = true;
		r->link = bpf_link_create(r->program, r->ifindex, BPF_XDP, &how);
	}
	return r->link < 0 ? fail(r, "attach", r->link) : 0;
}

static bool xdp_read(struct reader *reader, struct ring *ring)
{
	uint32_t from = 0, to = 0, n = xsk_ring_cons__peek(&ring->received, BATCH, &from);
	const struct xdp_desc *frame;

	if (n == 0)
		return false;
	/* The kernel shows what it has received before it shows what it took to put that in. */
	if (xsk_ring_prod__reserve(&ring->fill, n, &to) != n) {
		xsk_ring_cons__cancel(&ring->received, n);
		return true;
	}
	for (uint32_t i = 0; i < n; i++) {
		frame = xsk_ring_cons__rx_desc(&ring->received, from + i);
		reader->bytes += frame->len;
		*xsk_ring_prod__fill_addr(&ring->fill, to + i) =
			frame->addr - frame->addr % FRAME_BYTES;
	}
	reader->packets += n;
	xsk_ring_prod__submit(&ring->fill, n);
	xsk_ring_cons__release(&ring->received, n);
	return true;
}

static uint64_t xdp_drops(const struct ring *ring)
{
	struct xdp_statistics stats = {0};
	socklen_t len = sizeof(stats);

	getsockopt(xsk_socket__fd(ring->xsk), SOL_XDP, XDP_STATISTICS, &stats, &len);
	return stats.rx_dropped + stats.rx_ring_full;
}

/* ---- TPACKET_V3 ---- */

static int tpacket_ring_open(const struct recv *r, struct ring *ring)
{
	const struct tpacket_req3 size = {
		.tp_block_size = BLOCK_BYTES,
		.tp_block_nr = BLOCKS,
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = BLOCKS * (BLOCK_BYTES / FRAME_BYTES),
		.tp_retire_blk_tov = RETIRE_MS,
	};
	struct sockaddr_ll from = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ALL),
				   .sll_ifindex = r->ifindex};
	int version = TPACKET_V3, on = 1;
	int fanout = (getpid() & 0xffff) | PACKET_FANOUT_HASH << 16;
	uint8_t *area;

	ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ring->fd < 0 ||
	    setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(ring->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &size, sizeof(size)) < 0)
		return fail(r, "TPACKET_V3 ring", -errno);
	area = mmap(NULL, (size_t)BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, ring->fd, 0);
	if (area == MAP_FAILED)
		return fail(r, "TPACKET_V3 memory", -errno);
	ring->area = area;
	if (bind(ring->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		return fail(r, "bind", -errno);
	if (r->rings > 1 &&
	    setsockopt(ring->fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)) < 0)
		return fail(r, "PACKET_FANOUT", -errno);
	return 0;
}

static bool tpacket_read(struct reader *reader, struct ring *ring)
{
	struct tpacket_block_desc *block =
		(struct tpacket_block_desc *)(ring->area + (size_t)ring->block * BLOCK_BYTES);
	struct tpacket_hdr_v1 *head = &block->hdr.bh1;
	const struct tpacket3_hdr *packet;
	const uint8_t *at;

	/* pairs with the kernel's release of the block */
	if (!(__atomic_load_n(&head->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	at = (const uint8_t *)block + head->offset_to_first_pkt;
	for (uint32_t i = 0; i < head->num_pkts; i++, at += packet->tp_next_offset) {
		packet = (const struct tpacket3_hdr *)at;
		reader->bytes += packet->tp_len;
	}
	reader->packets += head->num_pkts;
	__atomic_store_n(&head->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	ring->block = (ring->block + 1) % BLOCKS;
	return true;
}

static int tpacket_open(struct recv *r)
{
	int err = 0;

	r->rings = (uint32_t)r->readers;
	for (uint32_t i = 0; i < r->rings && err == 0; i++)
		err = tpacket_ring_open(r, &r->ring[i]);
	return err;
}

static uint64_t tpacket_drops(const struct ring *ring)
{
	struct tpacket_stats_v3 stats = {0};
	socklen_t len = sizeof(stats);

	getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	return stats.tp_drops;
}

static void tpacket_ring_close(struct ring *ring)
{
	if (ring->area != NULL)
		munmap(ring->area, (size_t)BLOCKS * BLOCK_BYTES);
	if (ring->fd >= 0)
		close(ring->fd);
}

/* ---- both ---- */

static bool rings_read(struct reader *reader)
{
	struct recv *r = reader->recv;
	bool some = false;

	for (uint64_t i = reader->first; i < r->rings; i += r->readers) {
		if (r->tpacket)
			some |= tpacket_read(reader, &r->ring[i]);
		else
			some |= xdp_read(reader, &r->ring[i]);
	}
	return some;
}

static void *run(void *arg)
{
	struct reader *reader = arg;

	while (!atomic_load(&reader->recv->stop))
		if (!rings_read(reader))
			pause_ns(SLEEP_NS);
	/* What full rings hold and no more: the traffic may go on. */
	for (int i = 0; i < FRAMES / BATCH && rings_read(reader); i++)
		;
	return NULL;
}

/* A signal that has stopped us and let us go on also ends sigtimedwait, with EINTR. */
static void wait_end(uint64_t seconds, const sigset_t *ends)
{
	struct timespec now, left = {.tv_sec = (time_t)seconds};
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + left.tv_sec;
	while (sigtimedwait(ends, NULL, &left) < 0 && errno == EINTR) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left.tv_sec = end > now.tv_sec ? end - now.tv_sec : 0;
	}
}

/* Starts the readers and ends them when the time is over or a signal comes. */
static int count(struct recv *r)
{
	uint32_t started = 0;
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	for (; started < r->readers; started++) {
		r->reader[started].recv = r;
		r->reader[started].first = started;
		if (pthread_create(&r->reader[started].thread, NULL, run, &r->reader[started]) != 0)
			break;
	}
	if (started == r->readers) {
		fprintf(stderr, "recv: %s: ready, %s, rings: %u\n", r->iface,
			r->tpacket   ? "TPACKET_V3"
			: r->generic ? "generic XDP"
				     : "native XDP",
			r->rings);
		wait_end(r->seconds, &ends);
		pause_ns(2000000L * RETIRE_MS); /* then no block is half full */
	}
	atomic_store(&r->stop, true);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(r->reader[i].thread, NULL);
	return started == r->readers ? 0 : fail(r, "threads", -EAGAIN);
}

static void report(struct recv *r)
{
	uint64_t packets = 0, bytes = 0, dropped = 0;

	for (uint64_t i = 0; i < r->readers; i++) {
		packets += r->reader[i].packets;
		bytes += r->reader[i].bytes;
	}
	for (uint32_t i = 0; i < r->rings; i++)
		dropped += r->tpacket ? tpacket_drops(&r->ring[i]) : xdp_drops(&r->ring[i]);
	printf("received %" PRIu64 " packets %" PRIu64 " bytes dropped %" PRIu64 "\n", packets,
	       bytes, dropped);
}

/* The interface hears frames for others too for as long as this socket is open. */
static int promiscuous_open(struct recv *r)
{
	struct packet_mreq what = {.mr_type = PACKET_MR_PROMISC};

	r->ifindex = (int)if_nametoindex(r->iface);
	if (r->ifindex == 0)
		return fail(r, "interface", -errno);
	what.mr_ifindex = r->ifindex;
	r->promiscuous = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (r->promiscuous < 0 ||
	    setsockopt(r->promiscuous, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &what, sizeof(what)) < 0)
		return fail(r, "AF_PACKET", -errno);
	return 0;
}

static void close_all(struct recv *r)
{
	const int open[] = {r->link, r->program, r->map, r->promiscuous};

	for (uint32_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		if (open[i] >= 0)
			close(open[i]);
	for (uint32_t i = 0; i < MAX_RINGS; i++) {
		if (r->tpacket)
			tpacket_ring_close(&r->ring[i]);
		else
			xdp_ring_close(&r->ring[i]);
	}
}

static int receive(struct recv *r)
{
	int err = promiscuous_open(r);

	if (err == 0)
		err = r->tpacket ? tpacket_open(r) : xdp_open(r);
	if (err == 0)
		err = count(r);
	if (err == 0)
		report(r);
	close_all(r);
	return err;
}

static bool number(const char *text, uint64_t max, uint64_t *to)
{
	char *end = NULL;

	if (text == NULL || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*to = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *to >= 1 && *to <= max;
}

static bool args_read(struct recv *r, char **at)
{
	bool known, xdp = false;

	for (; *at != NULL; at++) {
		known = true;
		if (strcmp(*at, "--seconds") == 0)
			known = number(*++at, 1000000, &r->seconds);
		else if (strcmp(*at, "--rings") == 0)
			known = number(*++at, MAX_RINGS, &r->readers);
		else if (strcmp(*at, "--xdp") == 0)
			xdp = true;
		else if (strcmp(*at, "--tpacket") == 0)
			r->tpacket = true;
		else if (r->iface == NULL && **at != '-')
			r->iface = *at;
		else
			known = false;
		if (!known)
			return false;
	}
	return r->iface != NULL && r->seconds > 0 && !(xdp && r->tpacket);
}

int main(int argc, char **argv)
{
	struct recv *r = calloc(1, sizeof(*r));
	int err = -EINVAL;

	if (r == NULL) {
		perror("recv");
		return EXIT_FAILURE;
	}
	r->readers = 1;
	r->promiscuous = r->map = r->program = r->link = -1;
	for (uint32_t i = 0; i < MAX_RINGS; i++)
		r->ring[i].fd = -1;
	if (argc > 1 && args_read(r, argv + 1))
		err = receive(r);
	else
		fprintf(stderr, "usage: recv IFACE --seconds T [--xdp|--tpacket] [--rings N]\n");
	free(r);
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
