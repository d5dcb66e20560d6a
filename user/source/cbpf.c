/* SPDX-License-Identifier: MIT */
/*
 * cbpf — see cbpf.h.
 *
 * A socket filter reads by BPF_LD | BPF_ABS, which the kernel makes into inline code.  One that
 * fails would end the program uncounted, so each is behind a comparison with the length.
 *
 * For XDP the program is there twice.  The quick one reads the packet in place; where a load is
 * not in the linear part it goes on in the slow one, at the same instruction, which asks the kernel
 * for every load from there on.  So what the quick one has compared once stays true.
 *
 *   start | quick or only one | slow one | did not match | matched
 */
#include "user/source/cbpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/source/classic.h"

/* Registers that calls leave alone; A and X are always written as 32 bits. */
#define REG_A    BPF_REG_7
#define REG_X    BPF_REG_8
#define REG_CTX  BPF_REG_6 /* socket filter */
#define REG_LEN  BPF_REG_9
#define REG_END  BPF_REG_6 /* XDP */
#define REG_DATA BPF_REG_9

/* Stack, from the frame pointer. */
#define AT_CTX   (-8)  /* XDP */
#define AT_BYTES (-16) /* what a call reads or writes */
#define AT_CELLS (-16 - 4 * BPF_MEMWORDS)

#define NEAR_MAX 0x7ff0 /* an instruction has 16 bits, with a sign, for an offset */
/* The verifier follows offsets into a packet up to 65535, the loaded bytes included;
 * bpf_xdp_load_bytes() refuses larger ones. */
#define QUICK_MAX 0xfff0
#define SLOW_MAX  0xffff

struct job {
	struct classic classic;
	const struct cbpf_conf *conf;
	struct cbpf_code *out;
	/* Where the translations of each classic instruction begin. */
	uint32_t *quick_at, *slow_at;
	uint32_t reject_at, accept_at;
	bool slow;             /* which one is written now */
	bool rejects, accepts; /* the verifier refuses instructions that nothing leads to */
	bool too_far;
	uint32_t n; /* written so far, also where there is no room */
};

/* ---- instructions of the kernel ---- */

static void put(struct job *j, uint32_t code, uint8_t dst, uint8_t src, int32_t off, uint32_t imm)
{
	if (j->n < j->out->cap)
		j->out->at[j->n] = (struct bpf_insn){
			.code = (uint8_t)code,
			.dst_reg = dst & 0xfU,
			.src_reg = src & 0xfU,
			.off = (int16_t)off,
			.imm = (int32_t)imm,
		};
	j->n++;
}

/* To an instruction of the result; `by`: a register or, with BPF_K, a constant. */
static void jump(struct job *j, uint32_t code, uint8_t dst, uint32_t by, uint32_t to)
{
	int64_t off = (int64_t)to - (int64_t)j->n - 1;
	bool reg = BPF_SRC(code) == BPF_X;

	j->too_far |= off > INT16_MAX || off < INT16_MIN;
	put(j, code, dst, reg ? (uint8_t)by : 0, (int32_t)off, reg ? 0 : by);
}

static void jump_reject(struct job *j, uint32_t code, uint8_t dst, uint32_t by)
{
	j->rejects = true;
	jump(j, code, dst, by, j->reject_at);
}

static void move(struct job *j, uint8_t dst, uint8_t src)
{
	put(j, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void move32(struct job *j, uint8_t dst, uint8_t src)
{
	put(j, BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void set32(struct job *j, uint8_t dst, uint32_t value)
{
	put(j, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, value);
}

/* 64 bits; value < 2^31 */
static void add(struct job *j, uint8_t dst, uint32_t value)
{
	if (value)
		put(j, BPF_ALU64 | BPF_ADD, dst, 0, 0, value);
}

static void call(struct job *j, uint32_t function)
{
	put(j, BPF_JMP | BPF_CALL, 0, 0, 0, function);
}

static void set_map(struct job *j, uint8_t dst, int fd)
{
	put(j, BPF_LD | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, (uint32_t)fd);
	put(j, 0, 0, 0, 0, 0);
}

static void set_stack(struct job *j, uint8_t dst, int32_t at)
{
	move(j, dst, BPF_REG_10);
	put(j, BPF_ALU64 | BPF_ADD, dst, 0, 0, (uint32_t)at);
}

static void set_ctx(struct job *j)
{
	if (j->conf->place == CBPF_SKB)
		move(j, BPF_REG_1, REG_CTX);
	else
		put(j, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10, AT_CTX, 0);
}

static void start(struct job *j)
{
	if (j->conf->place == CBPF_SKB) {
		move(j, REG_CTX, BPF_REG_1);
		put(j, BPF_LDX | BPF_MEM | BPF_W, REG_LEN, BPF_REG_1,
		    offsetof(struct __sk_buff, len), 0);
	} else {
		put(j, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_1, AT_CTX, 0);
		put(j, BPF_LDX | BPF_MEM | BPF_W, REG_DATA, BPF_REG_1,
		    offsetof(struct xdp_md, data), 0);
		put(j, BPF_LDX | BPF_MEM | BPF_W, REG_END, BPF_REG_1,
		    offsetof(struct xdp_md, data_end), 0);
	}
	set32(j, REG_A, 0);
	set32(j, REG_X, 0);
	for (int i = 0; i < BPF_MEMWORDS; i++)
		if (j->classic.unset >> i & 1)
			put(j, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, AT_CELLS + 4 * i, 0);
}

/* X + k in 64 bits, where it cannot wrap. */
static void offset_of(struct job *j, uint8_t dst, const struct sock_filter *s)
{
	if (!classic_indexed(s)) {
		set32(j, dst, s->k);
		return;
	}
	move32(j, dst, REG_X);
	add(j, dst, s->k);
}

static void host_order(struct job *j, uint8_t dst, uint32_t size)
{
	if (size > 1)
		put(j, BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, 8 * size);
}

static void load_skb(struct job *j, uint32_t i, uint8_t dst)
{
	const struct sock_filter *s = &j->classic.in[i];
	uint32_t size = classic_load_size(s);

	if (classic_indexed(s)) {
		offset_of(j, BPF_REG_2, s);
		move(j, BPF_REG_3, BPF_REG_2);
		add(j, BPF_REG_3, size);
		jump_reject(j, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_3, REG_LEN);
		put(j, BPF_LD | BPF_IND | BPF_SIZE(s->code), 0, BPF_REG_2, 0, 0);
	} else {
		if (classic_compares(&j->classic, i))
			jump_reject(j, BPF_JMP32 | BPF_JLT | BPF_K, REG_LEN, s->k + size);
		put(j, BPF_LD | BPF_ABS | BPF_SIZE(s->code), 0, 0, 0, s->k);
	}
	move32(j, dst, BPF_REG_0);
}

static void load_quick(struct job *j, uint32_t i, uint8_t dst)
{
	const struct sock_filter *s = &j->classic.in[i];
	uint32_t size = classic_load_size(s), slow_at = j->slow_at[i];

	if (!classic_indexed(s) && s->k <= NEAR_MAX) {
		if (classic_compares(&j->classic, i)) {
			move(j, BPF_REG_2, REG_DATA);
			add(j, BPF_REG_2, s->k + size);
			jump(j, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_2, REG_END, slow_at);
		}
		put(j, BPF_LDX | BPF_MEM | BPF_SIZE(s->code), dst, REG_DATA, (int32_t)s->k, 0);
	} else {
		offset_of(j, BPF_REG_2, s);
		jump(j, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_2, QUICK_MAX, slow_at);
		move(j, BPF_REG_3, REG_DATA);
		put(j, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
		move(j, BPF_REG_2, BPF_REG_3);
		add(j, BPF_REG_2, size);
		jump(j, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_2, REG_END, slow_at);
		put(j, BPF_LDX | BPF_MEM | BPF_SIZE(s->code), dst, BPF_REG_3, 0, 0);
	}
	host_order(j, dst, size);
}

static void load_slow(struct job *j, const struct sock_filter *s, uint8_t dst)
{
	uint32_t size = classic_load_size(s);

	offset_of(j, BPF_REG_2, s);
	if (classic_indexed(s)) /* the call would take its lower half */
		jump_reject(j, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_2, SLOW_MAX);
	set_ctx(j);
	set_stack(j, BPF_REG_3, AT_BYTES);
	set32(j, BPF_REG_4, size);
	call(j, BPF_FUNC_xdp_load_bytes);
	jump_reject(j, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0);
	put(j, BPF_LDX | BPF_MEM | BPF_SIZE(s->code), dst, BPF_REG_10, AT_BYTES, 0);
	host_order(j, dst, size);
}

static void load_packet(struct job *j, uint32_t i, uint8_t dst)
{
	if (j->conf->place == CBPF_SKB)
		load_skb(j, i, dst);
	else if (j->slow)
		load_slow(j, &j->classic.in[i], dst);
	else
		load_quick(j, i, dst);
}

static void load_len(struct job *j, uint8_t dst)
{
	if (j->conf->place == CBPF_SKB) {
		move32(j, dst, REG_LEN);
		return;
	}
	set_ctx(j);
	call(j, BPF_FUNC_xdp_get_buff_len);
	move32(j, dst, BPF_REG_0);
}

static void load_ancillary(struct job *j, int32_t field)
{
	static const size_t place_of[SKF_AD_MAX] = {
		[SKF_AD_PROTOCOL] = offsetof(struct __sk_buff, protocol),
		[SKF_AD_PKTTYPE] = offsetof(struct __sk_buff, pkt_type),
		[SKF_AD_IFINDEX] = offsetof(struct __sk_buff, ifindex),
		[SKF_AD_VLAN_TAG] = offsetof(struct __sk_buff, vlan_tci),
		[SKF_AD_VLAN_TAG_PRESENT] = offsetof(struct __sk_buff, vlan_present),
		[SKF_AD_VLAN_TPID] = offsetof(struct __sk_buff, vlan_proto),
	};

	put(j, BPF_LDX | BPF_MEM | BPF_W, REG_A, REG_CTX, (int32_t)place_of[field], 0);
	if (field == SKF_AD_PROTOCOL || field == SKF_AD_VLAN_TPID)
		host_order(j, REG_A, 2);
	/* A classic program ends where the packet has no interface. */
	if (field == SKF_AD_IFINDEX)
		jump_reject(j, BPF_JMP32 | BPF_JEQ | BPF_K, REG_A, 0);
}

static void put_load(struct job *j, uint32_t i)
{
	const struct sock_filter *s = &j->classic.in[i];
	uint8_t dst = BPF_CLASS(s->code) == BPF_LD ? REG_A : REG_X;

	switch (BPF_MODE(s->code)) {
	case BPF_IMM:
		set32(j, dst, s->k);
		return;
	case BPF_MEM:
		put(j, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_10, AT_CELLS + 4 * (int32_t)s->k, 0);
		return;
	case BPF_LEN:
		load_len(j, dst);
		return;
	default:
		break;
	}
	if (classic_beside(s)) {
		load_ancillary(j, (int32_t)s->k - SKF_AD_OFF);
		return;
	}
	load_packet(j, i, dst);
	if (BPF_MODE(s->code) == BPF_MSH) {
		put(j, BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, 0xf);
		put(j, BPF_ALU | BPF_LSH | BPF_K, dst, 0, 0, 2);
	}
}

static void put_alu(struct job *j, const struct sock_filter *s)
{
	uint32_t op = BPF_OP(s->code), by = BPF_SRC(s->code);

	if (op == BPF_LSH || op == BPF_RSH) {
		if (by == BPF_K && s->k > 31) {
			set32(j, REG_A, 0);
			return;
		}
		if (by == BPF_X) {
			put(j, BPF_JMP32 | BPF_JLT | BPF_K, REG_X, 0, 2, 32);
			set32(j, REG_A, 0);
			put(j, BPF_JMP | BPF_JA, 0, 0, 1, 0);
		}
	}
	if ((op == BPF_DIV || op == BPF_MOD) && by == BPF_X)
		jump_reject(j, BPF_JMP32 | BPF_JEQ | BPF_K, REG_X, 0);
	if (by == BPF_X && op != BPF_NEG)
		put(j, s->code, REG_A, REG_X, 0, 0);
	else
		put(j, s->code, REG_A, 0, 0, op == BPF_NEG ? 0 : s->k);
}

static uint32_t place_of(const struct job *j, uint32_t i)
{
	return j->slow ? j->slow_at[i] : j->quick_at[i];
}

static void put_jump(struct job *j, uint32_t i)
{
	const struct sock_filter *s = &j->classic.in[i];
	uint32_t op = BPF_OP(s->code), by = BPF_SRC(s->code), than = by == BPF_X ? REG_X : s->k;
	uint32_t yes, no;

	if (op == BPF_JA || s->jt == s->jf) {
		yes = i + 1 + (op == BPF_JA ? s->k : s->jt);
		if (yes != i + 1)
			jump(j, BPF_JMP | BPF_JA, 0, 0, place_of(j, yes));
		return;
	}
	yes = i + 1 + s->jt;
	no = i + 1 + s->jf;
	if (s->jt == 0 && op != BPF_JSET) {
		uint32_t not = op == BPF_JEQ ? BPF_JNE : op == BPF_JGT ? BPF_JLE : BPF_JLT;

		jump(j, BPF_JMP32 | not | by, REG_A, than, place_of(j, no));
		return;
	}
	jump(j, BPF_JMP32 | op | by, REG_A, than, place_of(j, yes));
	if (s->jf)
		jump(j, BPF_JMP | BPF_JA, 0, 0, place_of(j, no));
}

static void put_ret(struct job *j, const struct sock_filter *s)
{
	if (BPF_RVAL(s->code) == BPF_K && s->k == 0) {
		jump_reject(j, BPF_JMP | BPF_JA, 0, 0);
		return;
	}
	if (BPF_RVAL(s->code) == BPF_K) {
		if (j->conf->place == CBPF_SKB)
			set32(j, REG_A, s->k);
	} else {
		if (BPF_RVAL(s->code) == BPF_X)
			move32(j, REG_A, REG_X);
		jump_reject(j, BPF_JMP32 | BPF_JEQ | BPF_K, REG_A, 0);
	}
	j->accepts = true;
	jump(j, BPF_JMP | BPF_JA, 0, 0, j->accept_at);
}

static void put_one(struct job *j, uint32_t i)
{
	const struct sock_filter *s = &j->classic.in[i];

	if (BPF_CLASS(s->code) != BPF_RET && classic_ends(s)) {
		jump_reject(j, BPF_JMP | BPF_JA, 0, 0);
		return;
	}
	switch (BPF_CLASS(s->code)) {
	case BPF_LD:
	case BPF_LDX:
		put_load(j, i);
		break;
	case BPF_ST:
	case BPF_STX:
		put(j, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10,
		    BPF_CLASS(s->code) == BPF_ST ? REG_A : REG_X, AT_CELLS + 4 * (int32_t)s->k, 0);
		break;
	case BPF_ALU:
		put_alu(j, s);
		break;
	case BPF_JMP:
		put_jump(j, i);
		break;
	case BPF_RET:
		put_ret(j, s);
		break;
	default:
		if (BPF_MISCOP(s->code) == BPF_TAX)
			move32(j, REG_X, REG_A);
		else
			move32(j, REG_A, REG_X);
	}
}

static void put_reject(struct job *j)
{
	if (j->conf->counters_fd >= 0) {
		put(j, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, AT_BYTES, j->conf->rejected_row);
		set_map(j, BPF_REG_1, j->conf->counters_fd);
		set_stack(j, BPF_REG_2, AT_BYTES);
		call(j, BPF_FUNC_map_lookup_elem);
		put(j, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 3, 0);
		/* The row is this CPU's own. */
		put(j, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_0, 0, 0);
		add(j, BPF_REG_1, 1);
		put(j, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_1, 0, 0);
	}
	set32(j, BPF_REG_0, j->conf->place == CBPF_SKB ? 0 : j->conf->reject);
	put(j, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void put_accept(struct job *j)
{
	if (j->conf->next_fd >= 0) {
		set_ctx(j);
		set_map(j, BPF_REG_2, j->conf->next_fd);
		set32(j, BPF_REG_3, 0);
		call(j, BPF_FUNC_tail_call);
	}
	if (j->conf->place == CBPF_SKB)
		move32(j, BPF_REG_0, REG_A);
	else
		set32(j, BPF_REG_0, j->conf->accept);
	put(j, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The first time to learn the places, the second time with them. */
static void put_all(struct job *j)
{
	j->n = 0;
	j->too_far = false;
	start(j);
	j->slow = false;
	for (uint32_t i = 0; i < j->classic.n; i++) {
		j->quick_at[i] = j->n;
		if (j->classic.point[i].reached)
			put_one(j, i);
	}
	j->slow = true;
	for (uint32_t i = 0; i < j->classic.n; i++) {
		j->slow_at[i] = j->n;
		if (j->conf->place == CBPF_XDP && j->classic.point[i].missed)
			put_one(j, i);
	}
	j->reject_at = j->n;
	if (j->rejects)
		put_reject(j);
	j->accept_at = j->n;
	if (j->accepts)
		put_accept(j);
}

static int translate(struct job *j)
{
	struct classic *c = &j->classic;
	int err = classic_follow(c);

	if (err < 0)
		return err;
	put_all(j);
	put_all(j);
	if (j->n > j->out->cap) {
		snprintf(c->why, c->why_size, "%u instructions, room for %u", j->n, j->out->cap);
		return -E2BIG;
	}
	if (j->too_far) {
		snprintf(c->why, c->why_size, "a jump over more than %d of %u instructions",
			 INT16_MAX, j->n);
		return -E2BIG;
	}
	j->out->n = j->n;
	return 0;
}

int cbpf_translate(struct cbpf_code *out, const struct sock_filter *in, uint32_t in_n,
		   const struct cbpf_conf *conf, char *why, size_t why_size)
{
	struct classic_point *point = NULL;
	uint32_t *at = NULL;
	int err = -ENOMEM;

	out->n = 0;
	if (in_n > BPF_MAXINSNS) {
		snprintf(why, why_size, "%u instructions, at most %d", in_n, BPF_MAXINSNS);
		return -E2BIG;
	}
	point = calloc(in_n + 1, sizeof(*point));
	at = calloc(2 * (in_n + 1), sizeof(*at));
	if (point && at)
		err = translate(&(struct job){
			.classic = {.in = in,
				    .n = in_n,
				    .near_max = conf->place == CBPF_XDP ? NEAR_MAX : UINT32_MAX,
				    .beside = conf->place == CBPF_SKB,
				    .point = point,
				    .why = why,
				    .why_size = why_size},
			.conf = conf,
			.out = out,
			.quick_at = at,
			.slow_at = at + in_n + 1,
		});
	else
		snprintf(why, why_size, "no memory");
	free(at);
	free(point);
	return err;
}
