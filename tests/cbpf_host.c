/* SPDX-License-Identifier: MIT */
/* cbpf_host — see cbpf_host.h. */
#include <pcap/pcap.h>

#include "tests/cbpf_host.h"

#include <CUnit/CUnit.h>
#include <string.h>

#include "tests/packets.h"

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "one layout");

bool oracle_compile(struct oracle *o, const char *expression, bool optimize)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);
	struct bpf_program program;
	int rc = pcap_compile(dead, &program, expression, optimize, PCAP_NETMASK_UNKNOWN);

	o->n = 0;
	if (CHECK(rc == 0, "%s: %s", expression, pcap_geterr(dead))) {
		if (CHECK(program.bf_len <= ORACLE_MAX, "%s: %u", expression, program.bf_len)) {
			o->n = program.bf_len;
			memcpy(o->at, program.bf_insns, o->n * sizeof(*o->at));
		}
		pcap_freecode(&program);
	}
	pcap_close(dead);
	return o->n > 0;
}

/* ---- random programs ---- */

static uint32_t roll_constant(struct dice *d)
{
	static const uint32_t odd[] = {0,          1,          31,         0x7f,       0x80,
				       0xffff,     0x10000,    0x7fffffff, 0x80000000, 0xffffffff,
				       0xfffffff0, 0x7ffffff8, 0xfffffffe};

	switch (dice_below(d, 4)) {
	case 0:
		return odd[dice_below(d, sizeof(odd) / sizeof(*odd))];
	case 1:
		return (uint32_t)dice_roll(d);
	default:
		return dice_below(d, 64);
	}
}

/* Where to load: mostly inside of a packet. */
static uint32_t roll_place(struct dice *d)
{
	static const uint32_t odd[] = {0x7fe0,     0x7ff0,     0x7ffc,     0x8000,     0xfff0,
				       0xfff1,     0xfffc,     0xffff,     0x10000,    0x7fffffff,
				       0x80000000, 0xffffffff, 0xfffffff0, 0xffdfffff, 255};

	return dice_below(d, 20) ? dice_below(d, 40)
				 : odd[dice_below(d, sizeof(odd) / sizeof(*odd))];
}

static struct sock_filter roll_load(struct dice *d)
{
	static const uint16_t sizes[] = {BPF_B, BPF_H, BPF_W};
	uint16_t size = sizes[dice_below(d, 3)];
	uint32_t cell = dice_below(d, BPF_MEMWORDS);

	switch (dice_below(d, 10)) {
	case 0:
		return (struct sock_filter){.code = BPF_LD | BPF_IMM, .k = roll_constant(d)};
	case 1:
		return (struct sock_filter){.code = BPF_LD | BPF_MEM, .k = cell};
	case 2:
		return (struct sock_filter){.code = BPF_LD | BPF_W | BPF_LEN};
	case 3:
		return (struct sock_filter){.code = BPF_LDX | BPF_IMM,
					    .k = dice_below(d, 2) ? dice_below(d, 40)
								  : roll_constant(d)};
	case 4:
		return (struct sock_filter){.code = BPF_LDX | BPF_MEM, .k = cell};
	case 5:
		return (struct sock_filter){.code = BPF_LDX | BPF_W | BPF_LEN};
	case 6:
		return (struct sock_filter){.code = BPF_LDX | BPF_B | BPF_MSH, .k = roll_place(d)};
	case 7:
		return (struct sock_filter){.code = BPF_LD | BPF_IND | size, .k = roll_place(d)};
	default:
		return (struct sock_filter){.code = BPF_LD | BPF_ABS | size, .k = roll_place(d)};
	}
}

static struct sock_filter roll_alu(struct dice *d)
{
	static const uint16_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_OR,
				       BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG};
	uint16_t op = ops[dice_below(d, sizeof(ops) / sizeof(*ops))];
	uint32_t k = roll_constant(d);

	if (op == BPF_NEG || dice_below(d, 2))
		return (struct sock_filter){
			.code = BPF_ALU | op | (op == BPF_NEG ? 0 : BPF_X),
		};
	/* What is not defined for constants; by X it is. */
	if (op == BPF_LSH || op == BPF_RSH)
		k %= 32;
	if ((op == BPF_DIV || op == BPF_MOD) && k == 0)
		k = 7;
	return (struct sock_filter){.code = BPF_ALU | op | BPF_K, .k = k};
}

/* left: instructions behind it */
static struct sock_filter roll_jump(struct dice *d, uint32_t left)
{
	static const uint16_t ops[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	uint32_t reach = left < 8 ? left : 8;

	if (dice_below(d, 8) == 0)
		return (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = dice_below(d, reach)};
	return (struct sock_filter){
		.code = BPF_JMP | ops[dice_below(d, 4)] | (dice_below(d, 3) ? BPF_K : BPF_X),
		.jt = (uint8_t)dice_below(d, reach),
		.jf = (uint8_t)dice_below(d, reach),
		.k = roll_constant(d),
	};
}

static struct sock_filter roll_ret(struct dice *d)
{
	if (dice_below(d, 2))
		return (struct sock_filter){.code = BPF_RET | BPF_A};
	return (struct sock_filter){.code = BPF_RET | BPF_K,
				    .k = dice_below(d, 3) ? roll_constant(d) : 0};
}

void oracle_roll(struct oracle *o, struct dice *d)
{
	o->n = 4 + dice_below(d, 40);
	for (uint32_t i = 0; i < o->n; i++) {
		uint32_t left = o->n - 1 - i, what = left ? dice_below(d, 24) : 23;

		if (what < 9)
			o->at[i] = roll_load(d);
		else if (what < 16)
			o->at[i] = roll_alu(d);
		else if (what < 19)
			o->at[i] = roll_jump(d, left);
		else if (what < 21)
			o->at[i] = (struct sock_filter){
				.code = what == 19 ? BPF_ST : BPF_STX,
				.k = dice_below(d, BPF_MEMWORDS),
			};
		else if (what < 23)
			o->at[i] = (struct sock_filter){
				.code = BPF_MISC | (what == 21 ? BPF_TAX : BPF_TXA),
			};
		else
			o->at[i] = left && dice_below(d, 2) ? roll_load(d) : roll_ret(d);
	}
	CHECK(bpf_validate((struct bpf_insn *)o->at, (int)o->n), "seed %llu: not a valid program",
	      (unsigned long long)d->seed);
}

uint32_t oracle_run(const struct oracle *o, const uint8_t *at, uint32_t len)
{
	struct sock_filter program[BPF_MEMWORDS + ORACLE_MAX];

	/* A is 0 at the start. */
	for (uint32_t i = 0; i < BPF_MEMWORDS; i++)
		program[i] = (struct sock_filter){.code = BPF_ST, .k = i};
	memcpy(program + BPF_MEMWORDS, o->at, o->n * sizeof(*program));
	return bpf_filter((const struct bpf_insn *)program, at, len, len);
}

/* ---- packets ---- */

enum kind {
	PLAIN,
	VLAN,
	QINQ,
	MPLS,
	PPPOE,
	KINDS,
};

static void put_link(struct build *b, enum kind kind, bool v6)
{
	uint16_t type = v6 ? 0x86dd : 0x0800;

	switch (kind) {
	case VLAN:
		put_ethernet(b, 0x8100);
		put16(b, 100);
		put16(b, type);
		break;
	case QINQ:
		put_ethernet(b, 0x88a8);
		put16(b, 200);
		put16(b, 0x8100);
		put16(b, 100);
		put16(b, type);
		break;
	case MPLS:
		put_ethernet(b, 0x8847);
		put32(b, 1000U << 12 | 1 << 8 | 64);
		break;
	case PPPOE: /* RFC 2516 */
		put_ethernet(b, 0x8864);
		put_hex(b, "11 00 00 27 00 40");
		put16(b, v6 ? 0x57 : 0x21);
		break;
	default:
		put_ethernet(b, type);
	}
}

static void put_transport(struct build *b, size_t ip, uint32_t which)
{
	size_t at;

	switch (which) {
	case 0:
		at = put_tcp(b, 40000, 80, 1, 0x18);
		put_text(b, "GET / HTTP/1.1\r\n\r\n");
		end_tcp(b, at, ip);
		break;
	case 1:
		at = put_tcp(b, 443, 40001, 7, 0x12);
		end_tcp(b, at, ip);
		break;
	case 2:
		at = put_udp(b, 5353, 53);
		put_text(b, "name?");
		end_udp(b, at, ip);
		break;
	default:
		put_hex(b, "08 00 00 00 00 01 00 01 61 62 63 64");
	}
}

static const uint8_t protocols[] = {6, 6, 17, 1};

static void put_packet(struct build *b, enum kind kind, bool v6, uint32_t which)
{
	static const uint32_t peers[] = {0x0a000001, 0x0a000102, 0xc0a80105, 0x08080808};
	uint8_t proto = v6 && which == 3 ? 58 : protocols[which];
	size_t ip;

	b->n = 0;
	put_link(b, kind, v6);
	ip = v6 ? put_ipv6(b, proto, peers[which], 2)
		: put_ipv4(b, proto, peers[which], 0x0a000002);
	put_transport(b, ip, which);
	if (v6)
		end_ipv6(b, ip);
	else
		end_ipv4(b, ip);
}

static uint32_t sample_put(struct sample *out, uint32_t cap, uint32_t at, const struct build *b,
			   size_t n)
{
	if (at == cap)
		return at;
	out[at].n = (uint32_t)(n < SAMPLE_MAX ? n : SAMPLE_MAX);
	memcpy(out[at].at, b->at, out[at].n);
	return at + 1;
}

/* An IPv4 header with options, a fragment, ARP. */
static void put_odd(struct build *b, uint32_t which)
{
	b->n = 0;
	if (which == 2) {
		put_ethernet(b, 0x0806);
		put_hex(b, "00 01 08 00 06 04 00 01 02 00 00 00 00 01 0a 00 00 01");
		put_hex(b, "00 00 00 00 00 00 0a 00 00 02");
		return;
	}
	put_packet(b, PLAIN, false, 0);
	if (which == 1) {
		set16(b, 14 + 6, 0x2010);
		return;
	}
	memmove(b->at + 42, b->at + 34, b->n - 34);
	memset(b->at + 34, 1, 8);
	b->at[14] = 0x47;
	b->n += 8;
}

uint32_t samples_make(struct sample *out, uint32_t cap, struct dice *d)
{
	static struct build b;
	uint32_t n = 0, whole;

	for (uint32_t kind = 0; kind < KINDS; kind++)
		for (uint32_t which = 0; which < 8; which++) {
			put_packet(&b, kind, which >= 4, which % 4);
			n = sample_put(out, cap, n, &b, b.n);
		}
	for (uint32_t which = 0; which < 3; which++) {
		put_odd(&b, which);
		n = sample_put(out, cap, n, &b, b.n);
	}
	whole = n;
	for (uint32_t i = 0; i < whole; i += 3) {
		memcpy(b.at, out[i].at, out[i].n);
		for (uint32_t cut = 14; cut < out[i].n; cut += cut < 60 ? 1 : 7)
			n = sample_put(out, cap, n, &b, cut);
	}
	for (uint32_t i = 0; i < whole * 2; i++) { /* some bytes changed */
		memcpy(b.at, out[i % whole].at, out[i % whole].n);
		for (int k = 0; k < 3; k++)
			b.at[dice_below(d, out[i % whole].n)] = (uint8_t)dice_roll(d);
		n = sample_put(out, cap, n, &b, out[i % whole].n);
	}
	for (int i = 0; i < 60; i++) {
		dice_fill(d, b.at, SAMPLE_MAX);
		n = sample_put(out, cap, n, &b, 14 + dice_below(d, SAMPLE_MAX - 14));
	}
	return n;
}
