/* SPDX-License-Identifier: MIT */
/*
 * send — sends frames on one interface at a given pace, each once, for live tests and benchmarks.
 *
 *   send IFACE --count N --rate PPS --size BYTES --flows F [--tcp|--udp] [--seed S] [--seconds T]
 *        [--bypass]
 *   send IFACE --pcap FILE [--rate PPS] [--loops K] [--bypass]
 *
 * PPS 0 is as fast as it goes. BYTES is the length of a frame with data, without FCS. One of N and
 * T is enough: T seconds at PPS are T * PPS frames, at PPS 0 the clock decides. --bypass leaves out
 * the queueing discipline; a device with many queues then gets all frames on one of them.
 *
 * Generated frames are Ethernet, IPv4 and UDP (or TCP) with right checksums, in F conversations
 * that take turns frame by frame; both directions leave by the same interface, as on a mirror
 * port. Payload begins with the number of the frame, from 0, in 64 bits, big-endian: unique over
 * the run. Each seed has client ports, initial sequence numbers and filler of its own. TCP (RFC
 * 9293): first all flows do the handshake; then client and server of each take turns with one data
 * segment, which acknowledges all before it; then all close, the client first. Six frames of a
 * flow are without data (and 60 bytes long), so N has to be 6 * F at least.
 *
 * A capture is a classic pcap of Ethernet, of either byte order, with us or ns. It is read through
 * before the first frame goes out, and must not change meanwhile.
 *
 * What is overdue after a pause goes out as fast as possible. A frame that the kernel has no room
 * for is tried again, for 5 s. What the device itself drops nobody learns frame by frame: where its
 * counter has moved, stderr says so. The exit status is 0 if all was sent, else 1 after a message.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S    1000000000u
#define TICK_NS     200000u /* sleeps between batches: short against a receive ring of 256 frames */
#define RETRY_NS    50000u
#define RETRIES     100000u /* in a row, 5 s at least: then there is no carrier, say */
#define BATCH       64u
#define SIZE_LEAST  60u
#define SIZE_MOST   9014u /* an MTU of 9000 */
#define FRAME_ROOM  9024u
#define FLOWS_MAX   (1u << 22) /* a client address each, of 10.64.0.0/10 */
#define CLIENTS     0x0a400000u
#define SERVERS     0x0a800101u /* 10.128.1.1 to .128 */
#define SERVER_PORT 9000u
#define PORT_MIN    20000u
#define PORTS       30000u
#define WINDOW      65535u /* not scaled: one segment at most is under way */
#define MSS         1460u  /* as the SYN says it, or more where frames are larger */
#define ETH_LEN     14u
#define VLAN_LEN    4u
#define IP_LEN      20u
#define L4_AT       (ETH_LEN + IP_LEN)
#define PCAP_HEAD   24u
#define RECORD_HEAD 16u

enum side { CLIENT, SERVER };
enum tcp_flag { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };
enum proto { TCP = 6, UDP = 17 };

/* What is sent follows from this and the number of the frame alone. */
struct traffic {
	uint64_t data; /* frames with data */
	uint64_t flows, seed, filler_sum;
	size_t size, payload;
	enum proto proto;
};

/* One TCP segment or UDP datagram of a flow. */
struct segment {
	uint64_t flow;
	enum side from;
	bool data;
	uint8_t flags;
	uint32_t seq, ack;
};

struct capture {
	const uint8_t *map;
	size_t len, at; /* at: of the next record */
	bool swapped;
	uint64_t frames; /* in the file */
};

struct args {
	const char *iface, *pcap;
	uint64_t count, rate, size, flows, seed, seconds, loops;
	bool tcp, udp, bypass;
};

struct send {
	const struct args *args;
	struct traffic traffic;
	struct capture capture;
	int fd;
	size_t frame_max; /* without a VLAN tag */
	uint64_t total, made, sent, bytes, retries;
	struct iovec frame[BATCH];
	struct mmsghdr message[BATCH];
	uint8_t room[BATCH][FRAME_ROOM];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec when = {.tv_sec = (time_t)(when_ns / NS_PER_S),
				.tv_nsec = (long)(when_ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

static void put16(uint8_t *at, uint64_t value)
{
	uint16_t wire = htons((uint16_t)value);

	memcpy(at, &wire, sizeof(wire));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

/* RFC 1071: sums may be taken in parts, in any byte order that the result is stored in too. */
static uint64_t sum(const uint8_t *at, size_t len)
{
	uint64_t acc = 0;
	uint16_t word;

	for (size_t i = 0; i + 1 < len; i += sizeof(word)) {
		memcpy(&word, at + i, sizeof(word));
		acc += word;
	}
	if (len % 2 != 0)
		acc += htons((uint16_t)(at[len - 1] << 8));
	return acc;
}

static void sum_store(uint8_t *at, uint64_t acc)
{
	uint16_t folded;

	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	folded = (uint16_t)~acc;
	memcpy(at, &folded, sizeof(folded));
}

static uint64_t traffic_controls(const struct traffic *t)
{
	return t->proto == TCP ? 3 * t->flows : 0; /* before the data; as many behind it */
}

static uint64_t traffic_total(const struct traffic *t)
{
	return t->data + 2 * traffic_controls(t);
}

/* No more data after the first n frames. */
static void traffic_stop(struct traffic *t, uint64_t n)
{
	uint64_t before = traffic_controls(t), data = n > before ? n - before : 0;

	if (data < t->data)
		t->data = data;
}

/* Sets the numbers of a segment that comes after so many data segments of its flow. */
static void segment_number(const struct traffic *t, struct segment *s, uint64_t rounds)
{
	uint64_t id = t->seed ^ mix(s->flow + 1);
	uint32_t next[2] = {(uint32_t)mix(id) + 1, (uint32_t)mix(~id) + 1};

	next[CLIENT] += (uint32_t)((rounds + 1) / 2 * t->payload);
	next[SERVER] += (uint32_t)(rounds / 2 * t->payload);
	s->seq = next[s->from];
	s->ack = next[s->from ^ 1];
}

static struct segment segment_of(const struct traffic *t, uint64_t n)
{
	/* before and behind the data; seq and ack count from the next data byte of either side */
	static const struct {
		uint8_t flags;
		int8_t seq, ack;
	} controls[2][3] = {{{SYN, -1, 0}, {SYN | ACK, -1, 0}, {ACK, 0, 0}},
			    {{FIN | ACK, 0, 0}, {FIN | ACK, 0, 1}, {ACK, 1, 1}}};
	uint64_t before = traffic_controls(t), rounds = 0, step;
	bool close = n >= before && n - before >= t->data;
	struct segment s = {.data = n >= before && !close, .flags = PSH | ACK};

	n -= close ? before + t->data : s.data ? before : 0;
	s.flow = n % t->flows;
	step = n / t->flows;
	s.from = step & 1;
	if (t->proto == UDP)
		return s;
	if (s.data)
		rounds = step;
	else if (close)
		rounds = t->data / t->flows + (s.flow < t->data % t->flows);
	segment_number(t, &s, rounds);
	if (s.data)
		return s;
	s.flags = controls[close][step].flags;
	s.seq += (uint32_t)controls[close][step].seq;
	s.ack += (uint32_t)controls[close][step].ack;
	if (s.flags == SYN)
		s.ack = 0;
	return s;
}

static size_t header_len(const struct traffic *t, const struct segment *s)
{
	if (t->proto == UDP)
		return 8;
	return s->flags & SYN ? 24 : 20;
}

static void udp_put(const struct traffic *t, uint8_t *udp)
{
	put16(udp + 4, 8 + t->payload);
	put16(udp + 6, 0);
}

static void tcp_put(const struct traffic *t, const struct segment *s, uint8_t *tcp)
{
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	put16(tcp + 12, header_len(t, s) << 10 | s->flags);
	put16(tcp + 14, WINDOW);
	put32(tcp + 16, 0);
	if (!s->data)
		memset(tcp + 20, 0, SIZE_LEAST - L4_AT - 20);
	if (s->flags & SYN)
		put32(tcp + 20, 0x02040000u | (uint32_t)(t->payload > MSS ? t->payload : MSS));
}

/* Makes frame n in room that has the filler in its place already; returns its length. */
static size_t frame_make(const struct traffic *t, uint64_t n, uint8_t *frame)
{
	const struct segment s = segment_of(t, n);
	uint8_t *ip = frame + ETH_LEN, *l4 = frame + L4_AT;
	uint8_t *check = l4 + (t->proto == TCP ? 16 : 6);
	size_t header = header_len(t, &s), l4_len = header + (s.data ? t->payload : 0);
	uint32_t address[2] = {CLIENTS + (uint32_t)s.flow, SERVERS + (uint32_t)(s.flow % 128)};
	uint16_t port[2] = {(uint16_t)(PORT_MIN + t->seed % PORTS), SERVER_PORT};

	put32(frame, 0x02000000u); /* addresses 02:00:00:00:00:01 (client) and :02 */
	put64(frame + 4, s.from == CLIENT ? 0x0002020000000001u : 0x0001020000000002u);
	put16(frame + 12, 0x0800);
	put32(ip, 0x45000000u | (uint32_t)(IP_LEN + l4_len));
	put32(ip + 4, (uint32_t)(n & 0xffff) << 16 | 0x4000); /* do not fragment */
	put32(ip + 8, 64u << 24 | (uint32_t)t->proto << 16);
	put32(ip + 12, address[s.from]);
	put32(ip + 16, address[s.from ^ 1]);
	sum_store(ip + 10, sum(ip, IP_LEN));

	put16(l4, port[s.from]);
	put16(l4 + 2, port[s.from ^ 1]);
	if (t->proto == UDP)
		udp_put(t, l4);
	else
		tcp_put(t, &s, l4);
	if (s.data)
		put64(l4 + header, n);
	sum_store(check, sum(ip + 12, 8) + htons((uint16_t)t->proto) + htons((uint16_t)l4_len) +
				 sum(l4, s.data ? header + 8 : header) +
				 (s.data ? t->filler_sum : 0));
	if (t->proto == UDP && check[0] == 0 && check[1] == 0)
		put16(check, 0xffff); /* RFC 768: 0 would mean "no checksum" */
	return s.data ? t->size : SIZE_LEAST;
}

static int traffic_open(struct send *s)
{
	const struct args *a = s->args;
	struct traffic *t = &s->traffic;
	size_t header = L4_AT + (a->tcp ? 20 : 8);
	uint64_t count = a->count > 0 ? a->count : UINT64_MAX / 2, paced = a->rate * a->seconds;

	if (a->size > s->frame_max || a->size < header + 8) {
		fprintf(stderr, "send: %s takes frames of %zu to %zu bytes\n", a->iface,
			header + 8 > SIZE_LEAST ? header + 8 : SIZE_LEAST, s->frame_max);
		return -EMSGSIZE;
	}
	*t = (struct traffic){.flows = a->flows, .seed = a->seed, .size = a->size};
	t->proto = a->tcp ? TCP : UDP;
	t->payload = a->size - header;
	if (paced > 0 && paced < count)
		count = paced;
	if (count < 2 * traffic_controls(t)) {
		fprintf(stderr, "send: %" PRIu64 " frames are too few for %" PRIu64 " flows\n",
			count, a->flows);
		return -EINVAL;
	}
	t->data = count - 2 * traffic_controls(t);
	s->total = count;
	for (size_t at = header + 8; at < t->size; at++)
		s->room[0][at] = (uint8_t)mix(a->seed << 16 | at);
	for (size_t i = 1; i < BATCH; i++)
		memcpy(s->room[i], s->room[0], FRAME_ROOM);
	t->filler_sum = sum(s->room[0] + header + 8, t->size - header - 8);
	return 0;
}

static uint32_t capture_u32(const struct capture *c, size_t at)
{
	uint32_t value;

	memcpy(&value, c->map + at, sizeof(value));
	return c->swapped ? __builtin_bswap32(value) : value;
}

/* Takes the next frame, from the start again behind the last. False where there is no whole one. */
static bool capture_next(struct capture *c, struct iovec *frame)
{
	if (c->at == c->len)
		c->at = PCAP_HEAD;
	if (c->len - c->at < RECORD_HEAD)
		return false;
	frame->iov_len = capture_u32(c, c->at + 8);
	if (frame->iov_len > c->len - c->at - RECORD_HEAD)
		return false;
	frame->iov_base = (uint8_t *)c->map + c->at + RECORD_HEAD; /* sendmmsg only reads it */
	c->at += RECORD_HEAD + frame->iov_len;
	return true;
}

static const char *capture_fault(struct capture *c)
{
	uint32_t magic = 0;

	if (c->len >= PCAP_HEAD)
		magic = capture_u32(c, 0);
	c->swapped = magic == 0xd4c3b2a1u || magic == 0x4d3cb2a1u;
	if (!c->swapped && magic != 0xa1b2c3d4u && magic != 0xa1b23c4du)
		return "is no classic pcap";
	if (capture_u32(c, 20) != 1)
		return "is not of Ethernet";
	return NULL;
}

/* What the interface would refuse is refused here, before anything is sent. */
static int capture_check(struct send *s)
{
	const char *path = s->args->pcap, *fault = capture_fault(&s->capture);
	struct capture *c = &s->capture;
	struct iovec frame;
	const uint8_t *type;
	size_t max;

	if (fault != NULL) {
		fprintf(stderr, "send: %s %s\n", path, fault);
		return -EINVAL;
	}
	for (c->at = PCAP_HEAD; c->at < c->len; c->frames++) {
		if (!capture_next(c, &frame) || frame.iov_len < ETH_LEN) {
			fprintf(stderr, "send: %s: frame %" PRIu64 " is cut off\n", path,
				c->frames + 1);
			return -EINVAL;
		}
		type = (const uint8_t *)frame.iov_base + ETH_LEN - 2;
		max = s->frame_max + (type[0] == 0x81 && type[1] == 0 ? VLAN_LEN : 0);
		if (frame.iov_len > max) {
			fprintf(stderr, "send: %s: frame %" PRIu64 " has %zu bytes, %s takes %zu\n",
				path, c->frames + 1, frame.iov_len, s->args->iface, max);
			return -EMSGSIZE;
		}
	}
	return 0;
}

static int capture_open(struct send *s)
{
	struct capture *c = &s->capture;
	int fd = open(s->args->pcap, O_RDONLY | O_CLOEXEC), err = 0;
	uint8_t *map = MAP_FAILED;
	struct stat st = {0};

	if (fd >= 0 && fstat(fd, &st) == 0)
		map = st.st_size == 0 ? NULL
				      : mmap(NULL, (size_t)st.st_size, PROT_READ,
					     MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		fprintf(stderr, "send: %s: %s\n", s->args->pcap, strerrordesc_np(-err));
	}
	if (fd >= 0)
		close(fd);
	if (err < 0)
		return err;
	c->map = map;
	c->len = (size_t)st.st_size;
	err = capture_check(s);
	s->total = c->frames * s->args->loops;
	return err;
}

static int socket_fail(const struct send *s, const char *what)
{
	int err = -errno;

	fprintf(stderr, "send: %s: %s: %s\n", s->args->iface, what, strerrordesc_np(-err));
	return err;
}

static int socket_open(struct send *s)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET}; /* protocol 0: receives nothing */
	struct ifreq request = {0};
	int on = 1;

	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return socket_fail(s, "AF_PACKET");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", s->args->iface);
	to.sll_ifindex = (int)if_nametoindex(s->args->iface);
	if (to.sll_ifindex == 0 || ioctl(s->fd, SIOCGIFMTU, &request) < 0)
		return socket_fail(s, "interface");
	s->frame_max = (size_t)request.ifr_mtu + ETH_LEN;
	if (bind(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return socket_fail(s, "bind");
	if (s->args->bypass &&
	    setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0)
		return socket_fail(s, "PACKET_QDISC_BYPASS");
	return 0;
}

/* tx_dropped of the interface. /proc/net, unlike /sys, always shows our own namespace. */
static uint64_t device_drops(const char *iface)
{
	FILE *in = fopen("/proc/net/dev", "re");
	char line[512], *at;
	uint64_t value = 0;
	size_t len = strlen(iface);

	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		at = line + strspn(line, " ");
		if (strncmp(at, iface, len) != 0 || at[len] != ':')
			continue;
		at += len + 1;
		for (int column = 0; column < 12; column++)
			value = strtoull(at, &at, 10);
		break;
	}
	if (in != NULL)
		fclose(in);
	return value;
}

/* Sends what the first n of a batch are. */
static int batch_send(struct send *s, size_t n)
{
	uint64_t in_row = 0;

	for (size_t done = 0; done < n;) {
		int took = sendmmsg(s->fd, s->message + done, (unsigned)(n - done), 0);

		if (took < 0 && errno == EINTR)
			continue;
		if (took < 0) {
			if ((errno != ENOBUFS && errno != EAGAIN) || ++in_row > RETRIES)
				return socket_fail(s, "send");
			s->retries++;
			sleep_until(now_ns() + RETRY_NS);
			continue;
		}
		in_row = 0;
		for (; took > 0; took--, done++) {
			s->sent++;
			s->bytes += s->frame[done].iov_len;
		}
	}
	return 0;
}

static int batch_make(struct send *s, size_t n)
{
	for (size_t i = 0; i < n; i++, s->made++) {
		if (s->args->pcap == NULL) {
			s->frame[i].iov_base = s->room[i];
			s->frame[i].iov_len = frame_make(&s->traffic, s->made, s->room[i]);
		} else if (!capture_next(&s->capture, &s->frame[i])) {
			fprintf(stderr, "send: %s has changed\n", s->args->pcap);
			return -EIO;
		}
		s->message[i].msg_hdr = (struct msghdr){.msg_iov = &s->frame[i], .msg_iovlen = 1};
	}
	return 0;
}

/* How many frames should have left by now; frame n is due n / rate seconds after the start. */
static uint64_t frames_due(const struct send *s, uint64_t elapsed_ns)
{
	uint64_t rate = s->args->rate;

	if (rate == 0)
		return s->total;
	return elapsed_ns / NS_PER_S * rate + elapsed_ns % NS_PER_S * rate / NS_PER_S + 1;
}

static uint64_t frame_due_ns(const struct send *s, uint64_t n)
{
	uint64_t rate = s->args->rate;

	return n / rate * NS_PER_S + (n % rate * NS_PER_S + rate - 1) / rate;
}

static int run(struct send *s)
{
	uint64_t start = now_ns(), now = start, due, next;
	uint64_t limit = s->args->rate == 0 ? s->args->seconds * NS_PER_S : 0;
	size_t n;
	int err;

	while (s->made < s->total) {
		if (limit > 0 && now - start >= limit) {
			traffic_stop(&s->traffic, s->made);
			s->total = traffic_total(&s->traffic);
		}
		due = frames_due(s, now - start);
		due = due < s->total ? due : s->total;
		if (due > s->made) {
			n = due - s->made < BATCH ? due - s->made : BATCH;
			err = batch_make(s, n);
			if (err == 0)
				err = batch_send(s, n);
			if (err < 0)
				return err;
		} else if (s->made < s->total) {
			next = start + frame_due_ns(s, s->made);
			sleep_until(next > now + TICK_NS ? next : now + TICK_NS);
		}
		now = now_ns();
	}
	printf("sent %" PRIu64 " frames %" PRIu64 " bytes in %.6f s\n", s->sent, s->bytes,
	       (double)(now - start) / NS_PER_S);
	return 0;
}

static int run_reported(struct send *s)
{
	uint64_t drops = device_drops(s->args->iface);
	int err;

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else sleeps are 50 us longer */
	err = run(s);
	drops = device_drops(s->args->iface) - drops;
	if (s->retries > 0)
		fprintf(stderr, "send: %" PRIu64 " retries\n", s->retries);
	if (drops > 0)
		fprintf(stderr, "send: %s dropped %" PRIu64 " frames\n", s->args->iface, drops);
	return err;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *to)
{
	char *end = NULL;

	if (text == NULL || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*to = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *to >= min && *to <= max;
}

static bool args_read(struct args *a, char **at)
{
	const struct {
		const char *name;
		uint64_t *to, min, max;
	} numbers[] = {
		{"--count", &a->count, 1, UINT64_MAX / 2},   {"--rate", &a->rate, 0, NS_PER_S},
		{"--size", &a->size, SIZE_LEAST, SIZE_MOST}, {"--flows", &a->flows, 1, FLOWS_MAX},
		{"--seed", &a->seed, 0, UINT64_MAX},         {"--seconds", &a->seconds, 1, 1000000},
		{"--loops", &a->loops, 1, 1000000}};
	const struct {
		const char *name;
		bool *to;
	} flags[] = {{"--tcp", &a->tcp}, {"--udp", &a->udp}, {"--bypass", &a->bypass}};
	bool known;

	for (; *at != NULL; at++) {
		known = false;
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && !known; i++) {
			known = strcmp(*at, flags[i].name) == 0;
			if (known)
				*flags[i].to = true;
		}
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !known; i++) {
			known = strcmp(*at, numbers[i].name) == 0;
			if (known && !number(*++at, numbers[i].min, numbers[i].max, numbers[i].to))
				return false;
		}
		if (!known && strcmp(*at, "--pcap") == 0)
			known = (a->pcap = *++at) != NULL;
		if (!known && a->iface == NULL && **at != '-')
			known = (a->iface = *at) != NULL;
		if (!known)
			return false;
	}
	if (a->iface == NULL)
		return false;
	if (a->pcap != NULL)
		return a->count + a->size + a->flows + a->seed + a->seconds == 0 && !a->tcp &&
		       !a->udp;
	return a->size > 0 && a->flows > 0 && a->loops == 0 && !(a->tcp && a->udp) &&
	       (a->count > 0 || a->seconds > 0);
}

int main(int argc, char **argv)
{
	struct args args = {0};
	struct send *s;
	int err;

	if (argc < 2 || !args_read(&args, argv + 1)) {
		fprintf(stderr,
			"usage: send IFACE --count N --rate PPS --size BYTES --flows F "
			"[--tcp|--udp] [--seed S] [--seconds T] [--bypass]\n"
			"       send IFACE --pcap FILE [--rate PPS] [--loops K] [--bypass]\n");
		return EXIT_FAILURE;
	}
	args.loops += args.loops == 0;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		perror("send");
		return EXIT_FAILURE;
	}
	s->args = &args;
	err = socket_open(s);
	if (err == 0)
		err = args.pcap != NULL ? capture_open(s) : traffic_open(s);
	if (err == 0)
		err = run_reported(s);
	if (s->capture.map != NULL)
		munmap((uint8_t *)s->capture.map, s->capture.len);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
