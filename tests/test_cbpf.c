/* SPDX-License-Identifier: MIT */
/*
 * cbpf — translated programs in the kernel against bpf_filter(): tcpdump expressions and random
 * programs over packets of all lengths.
 *
 * Without bpf(2) only what the translation itself says is tested.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/cbpf_kernel_host.h"
#include "tests/packets.h"
#include "tests/suites.h"

enum { SAMPLES = 1000, RANDOM_PROGRAMS = 500, RANDOM_PACKETS = 20 };

/* A program in both places. */
struct pair {
	const char *what;
	const struct oracle *oracle;
	int xdp, skb;
	bool no_linear; /* the kernel does not let one choose */
};

static struct pair pair_open(const struct oracle *o, const char *what)
{
	return (struct pair){
		.what = what,
		.oracle = o,
		.xdp = kernel_load_classic(o, &kernel_xdp, what),
		.skb = kernel_load_classic(o, &kernel_skb, what),
	};
}

static void pair_close(struct pair *p)
{
	close(p->xdp);
	close(p->skb);
}

/* The verdicts are those of libpcap, wherever the first buffer ends. */
static bool pair_agrees(struct pair *p, const uint8_t *at, uint32_t n, uint32_t linear)
{
	uint32_t want = oracle_run(p->oracle, at, n);
	uint32_t verdict = want ? kernel_xdp.accept : kernel_xdp.reject;
	int64_t got = kernel_run_xdp(p->xdp, at, n, 0);
	bool ok;

	ok = CHECK(got == verdict, "%s: XDP %lld, libpcap %u, %u bytes", p->what, (long long)got,
		   want, n);
	got = kernel_run_skb(p->skb, at, n);
	ok &= CHECK(got == want, "%s: skb %lld, libpcap %u, %u bytes", p->what, (long long)got,
		    want, n);
	if (linear >= n || p->no_linear)
		return ok;
	got = kernel_run_xdp(p->xdp, at, n, linear);
	p->no_linear = got == -EINVAL;
	return ok &&
	       (p->no_linear || CHECK(got == verdict, "%s: XDP %lld, libpcap %u, %u of %u bytes",
				      p->what, (long long)got, want, linear, n));
}

/* ---- what the translation says ---- */

static int translate(const struct sock_filter *at, uint32_t n, enum cbpf_place place)
{
	struct bpf_insn out[200];
	struct cbpf_code code = {.at = out, .cap = 200, .n = 77};
	char why[128] = "";
	int err = cbpf_translate(&code, at, n, place == CBPF_XDP ? &kernel_xdp : &kernel_skb, why,
				 sizeof(why));

	CHECK((err == 0) == (why[0] == 0) && (err == 0) == (code.n != 0), "%d, %s", err, why);
	return err;
}

/* One instruction and a return. */
static void refusals(void)
{
	static const struct {
		struct sock_filter at;
		int err, skb_err;
		const char *what;
	} rows[] = {
		{BPF_STMT(BPF_JMP | BPF_JA, 1), -EINVAL, -EINVAL, "behind the end"},
		{BPF_STMT(BPF_JMP | BPF_JA, 0x7fffffff), -EINVAL, -EINVAL, "far"},
		{BPF_STMT(BPF_JMP | BPF_JA, 0x80000000), -EINVAL, -EINVAL, "far back"},
		{BPF_STMT(BPF_JMP | BPF_JA, -2), -EINVAL, -EINVAL, "before it"},
		{BPF_STMT(BPF_JMP | BPF_JA, -1), -EOPNOTSUPP, -EOPNOTSUPP, "itself"},
		{BPF_JUMP(BPF_JMP | BPF_JEQ, 7, 1, 0), -EINVAL, -EINVAL, "jt"},
		{BPF_JUMP(BPF_JMP | BPF_JSET, 7, 0, 255), -EINVAL, -EINVAL, "jf"},
		{BPF_STMT(BPF_ST, 16), -EINVAL, -EINVAL, "scratch memory"},
		{BPF_STMT(BPF_LDX | BPF_MEM, -1), -EINVAL, -EINVAL, "scratch memory"},
		{BPF_STMT(BPF_ALU | BPF_NEG | BPF_X, 0), -EINVAL, -EINVAL, "negation by X"},
		{BPF_STMT(BPF_LD | BPF_ABS | BPF_DW, 0), -EINVAL, -EINVAL, "64 bits"},
		{BPF_STMT(0xffff, 0), -EINVAL, -EINVAL, "unknown"},
		{BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SKF_AD_OFF), -EOPNOTSUPP, 0, "protocol"},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_CPU), -EOPNOTSUPP,
		 -EOPNOTSUPP, "cpu"},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + 1), -EOPNOTSUPP, -EOPNOTSUPP,
		 "no such fact"},
		{BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF), -EOPNOTSUPP, -EOPNOTSUPP, "net"},
		{BPF_STMT(BPF_LD | BPF_B | BPF_IND, SKF_LL_OFF), -EOPNOTSUPP, -EOPNOTSUPP, "link"},
		{BPF_STMT(BPF_LD | BPF_B | BPF_ABS, -1), 0, 0, "before the packet"},
	};
	static const struct sock_filter loop[] = {
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_JMP | BPF_JA, -2),
		BPF_STMT(BPF_RET | BPF_K, 1),
	};
	static const struct sock_filter never[] = {
		BPF_STMT(BPF_RET | BPF_K, 1),         BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ, 0, 1, 0), BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_JMP | BPF_JA, 1),        BPF_STMT(BPF_RET | BPF_K, 1),
	};

	for (int place = CBPF_XDP; place <= CBPF_SKB; place++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct sock_filter two[] = {rows[i].at, BPF_STMT(BPF_RET | BPF_K, 1)};
			int err = translate(two, 2, place);

			CHECK(err == (place == CBPF_XDP ? rows[i].err : rows[i].skb_err), "%s: %d",
			      rows[i].what, err);
		}
		CHECK(translate(loop, 0, place) == -EINVAL, "empty");
		CHECK(translate(loop, 1, place) == -EINVAL, "no end");
		CHECK(translate(loop, 3, place) == -EOPNOTSUPP, "a loop");
		CHECK(translate(loop + 2, 1, place) == 0, "everything");
		CHECK(translate(never, 2, place) == 0, "never reached");
		CHECK(translate(never, 4, place) == -EINVAL, "a bad jt, never reached");
		CHECK(translate(never + 3, 3, place) == -EINVAL, "a bad jump, never reached");
	}
}

/* A program without the rest of it is refused, and nothing behind its end is looked at; where
 * there is too little room nothing behind the room is written. */
static void bounds(void)
{
	static struct oracle o;
	struct cbpf_code code;
	struct guard in, out;
	char why[128];

	CU_ASSERT_TRUE_FATAL(guard_open(&in, sizeof(o.at)));
	CU_ASSERT_TRUE_FATAL(guard_open(&out, CBPF_ROOM(ORACLE_MAX) * sizeof(*code.at)));
	CU_ASSERT_TRUE_FATAL(oracle_compile(&o, "tcp[((tcp[12] >> 4) * 4):4] = 0x47455420", true));
	for (uint32_t n = 0; n <= o.n; n++) {
		void *at = guard_put(&in, o.at, n * sizeof(*o.at));
		int err;

		code.cap = CBPF_ROOM(n);
		code.at = (struct bpf_insn *)(out.end - code.cap * sizeof(*code.at));
		err = cbpf_translate(&code, at, n, &kernel_xdp, why, sizeof(why));
		CHECK(err == (n == o.n ? 0 : -EINVAL), "%u of %u: %d", n, o.n, err);
	}
	for (uint32_t cap = 0, need = code.n; cap <= need; cap++) {
		int err;

		code.cap = cap;
		code.at = (struct bpf_insn *)(out.end - cap * sizeof(*code.at));
		err = cbpf_translate(&code, o.at, o.n, &kernel_xdp, why, sizeof(why));
		CHECK(err == (cap == need ? 0 : -E2BIG), "%u of %u: %d", cap, need, err);
	}
	CHECK(cbpf_translate(&code, o.at, ORACLE_MAX + 1, &kernel_xdp, why, sizeof(why)) == -E2BIG,
	      "%s", why);
	guard_close(&in);
	guard_close(&out);
}

/* Whatever the bytes of a program it is refused, or translated into what the kernel takes. */
static void any_bytes(void)
{
	bool kernel = kernel_here();
	struct dice d = dice_of(0xcb9f);
	static struct bpf_insn at[CBPF_ROOM(64)];
	static struct oracle o;
	uint32_t taken = 0;
	char why[128];

	for (int i = 0; i < 10000; i++) {
		struct cbpf_code code = {.at = at, .cap = CBPF_ROOM(64)};
		enum cbpf_place place = i % 2 ? CBPF_XDP : CBPF_SKB;
		int err;

		oracle_roll(&o, &d);
		for (uint32_t k = dice_below(&d, 4); k > 0; k--)
			((uint8_t *)o.at)[dice_below(&d, o.n * sizeof(*o.at))] =
				(uint8_t)dice_roll(&d);
		code.cap = CBPF_ROOM(o.n);
		err = cbpf_translate(&code, o.at, o.n,
				     place == CBPF_XDP ? &kernel_xdp : &kernel_skb, why,
				     sizeof(why));
		CHECK(err == 0 || err == -EINVAL || err == -EOPNOTSUPP, "seed %llu: %d, %s",
		      (unsigned long long)d.seed, err, why);
		if (err == 0 && kernel && taken++ < 500)
			close(kernel_load(at, code.n, place, "changed bytes"));
	}
}

/* ---- against libpcap ---- */

static const char *const expressions[] = {
	"",
	"host 10.0.0.1",
	"src host 10.0.0.1 and dst host 10.0.0.2",
	"net 10.0.0.0/8",
	"net 10.0.0.0/23 and not host 10.0.0.2",
	"not net 10.0.0.0/8",
	"port 80",
	"not port 80",
	"src port 443",
	"dst port 53 or dst port 80",
	"portrange 50-90",
	"not portrange 1-1023",
	"tcp",
	"udp",
	"tcp port 80",
	"tcp[13] & 2 != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
	"tcp[((tcp[12] >> 4) * 4):4] = 0x47455420",
	"tcp[((tcp[12:1] & 0xf0) >> 2):2] = 0x4745",
	"ip",
	"ip6",
	"ip6 and udp",
	"ip6 host fd00::8.8.8.8",
	"ip6 net fd00::/16 and tcp",
	"ip6[6] = 6",
	"ip[0] & 0xf != 5",
	"ip[6:2] & 0x1fff != 0",
	"ip[ip[0] & 0xf] > 100",
	"ip[2:2] - ((ip[0] & 0xf) << 2) > 30",
	"ip[8] % 7 = 1 or ip[8] / (ip[9] - 6) = 5",
	"(ip[9] << ip[8]) = 0 and (ip[2:2] >> (ip[9] - 1)) = 1",
	"ip[12:4] ^ ip[16:4] = 3",
	"-ip[8] = 0xffffffc0",
	"icmp",
	"icmp6",
	"icmp[icmptype] = icmp-echo",
	"arp",
	"arp host 10.0.0.2",
	"vlan",
	"vlan 100",
	"vlan 100 and port 80",
	"vlan 200 and vlan 100 and tcp",
	"port 80 or (vlan and port 80)",
	"mpls",
	"mpls 1000 and host 10.0.0.1",
	"pppoes",
	"pppoes 0x27 and tcp",
	"greater 60",
	"less 60",
	"len = 54 or len > 100",
	"ether proto 0x0806",
	"ether host 02:00:00:00:00:01",
	"ether[0] & 1 = 0 and ether[12:2] > 1500",
	"ether[100] > 100",
	"ether[len - 1] = 0x64 or ether[len - 4:4] = 0x0a2d0a00",
	"ether[len:1] = 0",
	"ether[0xffff] = 0 or ether[0x7fffffff] = 0 or ether[70000:4] = 1",
	"ether[ether[13] + 0x7ffffff0:4] = 0",
	"broadcast or multicast",
	"ip proto 1 or ip6 proto 58 or sctp",
	"(tcp and (port 80 or port 443) or udp and (port 53 or port 5353)) and not host 10.0.0.9",
	"not (host 192.168.1.5 or net 8.8.0.0/16 and not greater 70) and (ip[8] = 64 or ip6)",
	"not (not (not (tcp or udp) and not arp) and not (src net 10 and (less 100 or ip[1] = 0)))",
};

static void tcpdump_expressions(void)
{
	static struct sample samples[SAMPLES];
	static struct oracle o;
	struct dice d = dice_of(0x7c9d);
	uint32_t n = samples_make(samples, SAMPLES, &d);

	if (!kernel_here())
		return;
	CU_ASSERT_TRUE(n >= 200 && n < SAMPLES);
	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++)
		for (int optimize = 0; optimize < 2; optimize++) {
			struct pair p;

			if (!oracle_compile(&o, expressions[i], optimize))
				continue;
			p = pair_open(&o, expressions[i]);
			for (uint32_t k = 0; k < n; k += optimize ? 1 : 4)
				if (!pair_agrees(&p, samples[k].at, samples[k].n,
						 14 + dice_below(&d, 60)))
					break;
			pair_close(&p);
		}
}

static void random_programs(void)
{
	struct dice d = dice_of(0xbbf);
	static struct oracle o;
	uint8_t at[SAMPLE_MAX];

	if (!kernel_here())
		return;
	for (int i = 0; i < RANDOM_PROGRAMS; i++) {
		char what[64];
		struct pair p;

		snprintf(what, sizeof(what), "seed %llu, program %d", (unsigned long long)d.seed,
			 i);
		oracle_roll(&o, &d);
		p = pair_open(&o, what);
		for (int k = 0; k < RANDOM_PACKETS; k++) {
			uint32_t n = 15 + dice_below(&d, 50);

			dice_fill(&d, at, n);
			if (!pair_agrees(&p, at, n, 14 + dice_below(&d, 40)))
				break;
		}
		pair_close(&p);
	}
}

/* What pcap_compile() does not make, or bpf_filter() leaves open. */
static const struct {
	uint32_t value; /* for a packet of 60 bytes 0, 1, 2, ... */
	uint32_t n;
	struct sock_filter at[5];
	const char *what;
} book[] = {
	{60,
	 3,
	 {BPF_STMT(BPF_LDX | BPF_LEN, 0), BPF_STMT(BPF_LD | BPF_IMM, 0),
	  BPF_STMT(BPF_RET | BPF_X, 0)},
	 "RET X"},
	{0, 1, {BPF_STMT(BPF_RET | BPF_A, 0)}, "A at the start"},
	{7,
	 3,
	 {BPF_STMT(BPF_LD | BPF_B | BPF_IND, 7), BPF_STMT(BPF_RET | BPF_A, 0)},
	 "X at the start"},
	{0,
	 2,
	 {BPF_STMT(BPF_LD | BPF_MEM, 15), BPF_STMT(BPF_RET | BPF_A, 0)},
	 "memory at the start"},
	{9,
	 5,
	 {BPF_JUMP(BPF_JMP | BPF_JEQ, 0, 0, 1), BPF_STMT(BPF_LD | BPF_IMM, 9), BPF_STMT(BPF_STX, 3),
	  BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)},
	 "a jump"},
	{0,
	 3,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_LSH, 32),
	  BPF_STMT(BPF_RET | BPF_A, 0)},
	 "left by 32"},
	{0,
	 3,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_RSH, -1U),
	  BPF_STMT(BPF_RET | BPF_A, 0)},
	 "right by 2^32 - 1"},
	{0,
	 3,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_DIV, 0),
	  BPF_STMT(BPF_RET | BPF_K, 1)},
	 "by 0"},
	{0,
	 3,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_MOD, 0),
	  BPF_STMT(BPF_RET | BPF_K, 1)},
	 "modulo 0"},
	{0,
	 2,
	 {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, -1), BPF_STMT(BPF_RET | BPF_K, 1)},
	 "before the packet"},
	{0,
	 2,
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 57), BPF_STMT(BPF_RET | BPF_K, 1)},
	 "half behind the packet"},
	{0,
	 3,
	 {BPF_STMT(BPF_LDX | BPF_IMM, -4), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 8),
	  BPF_STMT(BPF_RET | BPF_K, 1)},
	 "X + k wraps to 4"},
	{0,
	 3,
	 {BPF_STMT(BPF_LDX | BPF_IMM, 0x80000005), BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0x7fffffff),
	  BPF_STMT(BPF_RET | BPF_K, 1)},
	 "X + k wraps to 4, from the middle"},
	{-1U, 1, {BPF_STMT(BPF_RET | BPF_K, -1U)}, "all of it"},
};

static void by_the_book(void)
{
	struct build b = {.n = 60};

	for (uint32_t i = 0; i < 60; i++)
		b.at[i] = (uint8_t)i;
	if (!kernel_here())
		return;
	for (size_t i = 0; i < sizeof(book) / sizeof(*book); i++) {
		static struct oracle o;
		int64_t got;
		int fd;

		o.n = book[i].n;
		memcpy(o.at, book[i].at, sizeof(book[i].at));
		fd = kernel_load_classic(&o, &kernel_skb, book[i].what);
		got = kernel_run_skb(fd, b.at, 60);
		CHECK(got == book[i].value, "%s: %lld", book[i].what, (long long)got);
		close(fd);
		fd = kernel_load_classic(&o, &kernel_xdp, book[i].what);
		got = kernel_run_xdp(fd, b.at, 60, 0);
		CHECK(got == (book[i].value ? kernel_xdp.accept : kernel_xdp.reject), "%s: %lld",
		      book[i].what, (long long)got);
		close(fd);
	}
}

CU_TestInfo cbpf_tests[] = {
	{"programs that are refused", refusals},
	{"the end of the program and of the room", bounds},
	{"whatever the bytes of a program", any_bytes},
	{"tcpdump expressions", tcpdump_expressions},
	{"random programs", random_programs},
	{"what libpcap does not make", by_the_book},
	CU_TEST_INFO_NULL,
};
