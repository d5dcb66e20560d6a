/* SPDX-License-Identifier: MIT */
/*
 * cbpf_kernel — translated programs where they will be: packets in several buffers, on sockets,
 * long ones; what is counted, and what follows.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/cbpf_kernel_host.h"
#include "tests/packets.h"
#include "tests/suites.h"

enum { BIG = 9000, ROW = 3, LONG = 400 };

/* ---- packets in several buffers ---- */

static void beyond_the_first_page(void)
{
	static const char *const asked[] = {
		"ether[5000] = 7",   "ether[5000:4] = 0x07000000",
		"ether[8999] = 1",   "ether[9000] = 0",
		"ether[8998:4] = 0", "ether[ether[14:2]] = 7",
		"len = 9000",        "greater 9001",
	};
	static const bool match[] = {true, true, true, false, false, true, true, false};
	static uint8_t at[BIG];
	static struct oracle o;

	at[14] = 5000 >> 8;
	at[15] = 5000 & 0xff;
	at[5000] = 7;
	at[8999] = 1;
	if (!kernel_here())
		return;
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		int64_t got;
		int fd;

		CU_ASSERT_TRUE_FATAL(oracle_compile(&o, asked[i], true));
		fd = kernel_load_classic(&o, &kernel_xdp, asked[i]);
		got = kernel_run_xdp(fd, at, BIG, 0);
		CHECK(got == (match[i] ? kernel_xdp.accept : kernel_xdp.reject), "%s: %lld",
		      asked[i], (long long)got);
		close(fd);
	}
}

/* Every place around the ends of the buffers: the bytes found at the offset in bytes 14 to 17 are
 * those in 18 to 21. */
static void where_buffers_meet(void)
{
	static const struct sock_filter same[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 18),
		BPF_STMT(BPF_ST, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 14),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_STMT(BPF_LDX | BPF_MEM, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	static struct oracle o = {.n = sizeof(same) / sizeof(*same)};
	static uint8_t at[BIG];
	struct dice d = dice_of(0x9000);
	int fd;

	if (!kernel_here())
		return;
	memcpy(o.at, same, sizeof(same));
	fd = kernel_load_classic(&o, &kernel_xdp, "where buffers meet");
	dice_fill(&d, at, sizeof(at));
	for (uint32_t k = 22; k < BIG + 10; k += k % 4096 < 3400 ? 97 : 1) {
		uint32_t want;
		int64_t got;

		for (int i = 0; i < 4; i++)
			at[14 + i] = (uint8_t)(k >> (24 - 8 * i));
		memcpy(at + 18, k <= BIG - 4 ? at + k : at, 4);
		want = k <= BIG - 4 ? kernel_xdp.accept : kernel_xdp.reject;
		got = kernel_run_xdp(fd, at, BIG, 0);
		CHECK(got == want, "at %u: %lld", k, (long long)got);
	}
	close(fd);
}

/* ---- what comes after ---- */

static int64_t run(int fd, enum cbpf_place place, const uint8_t *at, uint32_t n)
{
	return place == CBPF_XDP ? kernel_run_xdp(fd, at, n, 0) : kernel_run_skb(fd, at, n);
}

static uint64_t row_sum(int fd, uint32_t row)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *value = calloc((size_t)cpus, sizeof(*value)), sum = 0;

	CHECK(bpf_map_lookup_elem(fd, &row, value) == 0, "row %u", row);
	for (int i = 0; i < cpus; i++)
		sum += value[i];
	free(value);
	return sum;
}

/* Each way to be rejected is counted once, a packet that matches is not; and only that one reaches
 * the next program. */
static void counted_and_handed_on(enum cbpf_place place)
{
	enum { NEXT = 4, OF = 60 };
	struct bpf_insn next[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = NEXT},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct cbpf_conf conf = place == CBPF_XDP ? kernel_xdp : kernel_skb;
	static struct oracle o;
	uint8_t at[OF] = {[12] = 8, [14] = 0x45, [23] = 6, [37] = 80};
	uint32_t slot = 0;
	int fd, next_fd, counters, progs;

	counters = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "rows", 4, 8, ROW + 2, NULL);
	progs = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "next", 4, 4, 1, NULL);
	next_fd = kernel_load(next, 2, place, "next");
	CU_ASSERT_TRUE_FATAL(counters >= 0 && progs >= 0 && next_fd >= 0);
	conf.counters_fd = counters;
	conf.rejected_row = ROW;
	conf.next_fd = progs;
	CU_ASSERT_TRUE_FATAL(oracle_compile(&o, "tcp dst port 80 and ip[8] / ip[1] = 0", false));
	fd = kernel_load_classic(&o, &conf, "counted");

#define RUN(n)                                                    \
	(place == CBPF_XDP ? kernel_run_xdp(fd, at, (n), 0, &got) \
			   : kernel_run_skb(fd, at, (n), &got))
	at[15] = 1;
	CHECK(run(fd, place, at, OF) == (place == CBPF_XDP ? conf.accept : 262144), "no next");
	CHECK(bpf_map_update_elem(progs, &slot, &next_fd, BPF_ANY) == 0, "slot 0");
	CHECK(run(fd, place, at, OF) == NEXT, "next");
	CHECK(row_sum(counters, ROW) == 0, "none rejected yet");
	at[15] = 0; /* a division by 0 */
	CHECK(run(fd, place, at, OF) == conf.reject, "rejected");
	at[15] = 1;
	at[37] = 81;
	CHECK(run(fd, place, at, OF) == conf.reject, "rejected");
	CHECK(run(fd, place, at, 20) == conf.reject, "rejected");
	CHECK(row_sum(counters, ROW) == 3, "rejected: 3");
	CHECK(row_sum(counters, ROW - 1) == 0 && row_sum(counters, ROW + 1) == 0, "other rows");
	close(fd);
	close(next_fd);
	close(progs);
	close(counters);
}

static void what_follows(void)
{
	if (!kernel_here())
		return;
	counted_and_handed_on(CBPF_XDP);
	counted_and_handed_on(CBPF_SKB);
}

/* ---- on sockets ---- */

/* A network of its own with only a loopback; the one before it, or -1. */
static int alone(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	if (before < 0 || unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "cbpf: not run on sockets: no network namespace\n");
		close(before);
		return -1;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCSIFFLAGS, &lo) == 0, "lo up");
	close(fd);
	return before;
}

static void not_alone(int before)
{
	CU_ASSERT_EQUAL(setns(before, CLONE_NEWNET), 0);
	close(before);
}

/* A packet socket that hears what the program wants. */
static int listener(const struct oracle *o, const char *what)
{
	struct sockaddr_ll all = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex("lo")};
	struct timeval patience = {.tv_sec = 20};
	int program = kernel_load_classic(o, &kernel_skb, what), fd;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) == 0, "%s",
	      what);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0, "%s",
	      what);
	CHECK(bind(fd, (struct sockaddr *)&all, sizeof(all)) == 0, "%s", what);
	close(program);
	return fd;
}

/* A VLAN tag that the kernel has taken out of the bytes, and the rest of what it knows. */
static void beside_the_bytes(void)
{
	static const struct {
		int field;
		uint32_t value;
		const char *what;
	} rows[] = {
		{SKF_AD_PROTOCOL, 0x0800, "protocol"},
		{SKF_AD_PKTTYPE, PACKET_HOST, "packet type"},
		{SKF_AD_IFINDEX, 1, "interface"},
		{SKF_AD_VLAN_TAG, 5U << 13 | 100, "vlan tag"},
		{SKF_AD_VLAN_TAG_PRESENT, 1, "vlan tag present"},
		{SKF_AD_VLAN_TPID, 0x8100, "vlan tpid"},
	};
	struct sockaddr_ll lo = {.sll_family = AF_PACKET, .sll_ifindex = 1, .sll_halen = 6};
	struct build b = {0};
	int before;

	put_zeros(&b, 12);
	put_hex(&b, "81 00 a0 64 08 00");
	put_zeros(&b, 200);
	if (!kernel_here() || (before = alone()) < 0)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		/* What the socket gets is cut to what the program returns. */
		const struct sock_filter program[] = {
			BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
			BPF_JUMP(BPF_JMP | BPF_JEQ, PACKET_HOST, 1, 0),
			BPF_STMT(BPF_RET | BPF_K, 0),
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + rows[i].field),
			BPF_JUMP(BPF_JMP | BPF_JEQ, rows[i].value, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, 77),
			BPF_STMT(BPF_RET | BPF_K, 33),
		};
		static struct oracle o;
		int from = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), to;
		uint8_t got[256];
		ssize_t n;

		o.n = sizeof(program) / sizeof(*program);
		memcpy(o.at, program, sizeof(program));
		to = listener(&o, rows[i].what);
		n = sendto(from, b.at, b.n, 0, (struct sockaddr *)&lo, sizeof(lo));
		CHECK(n == (ssize_t)b.n, "%s: %zd", rows[i].what, n);
		n = recv(to, got, sizeof(got), 0);
		CHECK(n == 77, "%s: %zd", rows[i].what, n);
		close(from);
		close(to);
	}
	not_alone(before);
}

/* A datagram that the kernel keeps in several pieces. */
static void far_into_a_datagram(void)
{
	enum { LENGTH = 40000, HEADERS = 42 };
	struct sockaddr_in self = {.sin_family = AF_INET,
				   .sin_port = htons(9),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static uint8_t at[LENGTH], got[HEADERS + LENGTH];
	static struct oracle o;
	int before, from, to;
	ssize_t n;

	memcpy(at + 30000, "\1\2\3\4", 4);
	at[LENGTH - 1] = 5;
	CU_ASSERT_TRUE_FATAL(oracle_compile(
		&o, "udp and ether[30042:4] = 0x01020304 and ether[len - 1] = 5", true));
	if (!kernel_here() || (before = alone()) < 0)
		return;
	to = listener(&o, "far");
	from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n = sendto(from, at, LENGTH - 1, 0, (struct sockaddr *)&self, sizeof(self));
	CHECK(n == LENGTH - 1, "%zd", n);
	n = sendto(from, at, LENGTH, 0, (struct sockaddr *)&self, sizeof(self));
	CHECK(n == LENGTH, "%zd", n);
	n = recv(to, got, sizeof(got), 0);
	CHECK(n == HEADERS + LENGTH && memcmp(got + HEADERS, at, LENGTH) == 0, "%zd", n);
	close(from);
	close(to);
	not_alone(before);
}

/* ---- long ones ---- */

static void many_hosts(void)
{
	static char expression[LONG * 40];
	static struct oracle o;
	struct build b = {0};
	size_t n = 0, ip;

	for (uint32_t i = 0; i < LONG; i++)
		n += (size_t)snprintf(expression + n, sizeof(expression) - n, "%shost 10.7.%u.%u",
				      i ? " or " : "", i / 200, i % 200 + 1);
	CU_ASSERT_TRUE_FATAL(oracle_compile(&o, expression, true));
	if (!kernel_here())
		return;
	put_ethernet(&b, 0x0800);
	ip = put_ipv4(&b, 17, 0x0a000001, 0x0a070101);
	put_zeros(&b, 30);
	end_ipv4(&b, ip);
	for (int other = 0; other < 2; other++) {
		int fds[] = {kernel_load_classic(&o, &kernel_xdp, "many hosts"),
			     kernel_load_classic(&o, &kernel_skb, "many hosts")};
		int64_t got;

		b.at[32] = other ? 3 : 1;
		got = kernel_run_xdp(fds[0], b.at, (uint32_t)b.n, 0);
		CHECK(got == (other ? kernel_xdp.reject : kernel_xdp.accept), "%lld",
		      (long long)got);
		got = kernel_run_skb(fds[1], b.at, (uint32_t)b.n);
		CHECK(got == (other ? 0 : 262144), "%lld", (long long)got);
		close(fds[0]);
		close(fds[1]);
	}
}

CU_TestInfo cbpf_kernel_tests[] = {
	{"beyond the first page", beyond_the_first_page},
	{"where buffers meet", where_buffers_meet},
	{"what is counted and what follows", what_follows},
	{"what is beside the bytes", beside_the_bytes},
	{"far into a datagram", far_into_a_datagram},
	{"many hosts", many_hosts},
	CU_TEST_INFO_NULL,
};
