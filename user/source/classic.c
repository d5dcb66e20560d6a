/* SPDX-License-Identifier: MIT */
/* classic — see classic.h. */
#include "user/source/classic.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static int __attribute__((format(printf, 3, 4)))
refuse(struct classic *c, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(c->why, c->why_size, format, ap);
	va_end(ap);
	return err;
}

static bool known(uint16_t code)
{
	switch (code) {
	case BPF_LD | BPF_IMM:
	case BPF_LD | BPF_MEM:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_H | BPF_ABS:
	case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND:
	case BPF_LD | BPF_H | BPF_IND:
	case BPF_LD | BPF_B | BPF_IND:
	case BPF_LDX | BPF_IMM:
	case BPF_LDX | BPF_MEM:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_B | BPF_MSH:
	case BPF_ST:
	case BPF_STX:
	case BPF_ALU | BPF_NEG:
	case BPF_JMP | BPF_JA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_X:
	case BPF_RET | BPF_A:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
		return true;
	default:
		break;
	}
	switch (code & ~BPF_X) {
	case BPF_ALU | BPF_ADD:
	case BPF_ALU | BPF_SUB:
	case BPF_ALU | BPF_MUL:
	case BPF_ALU | BPF_DIV:
	case BPF_ALU | BPF_MOD:
	case BPF_ALU | BPF_OR:
	case BPF_ALU | BPF_AND:
	case BPF_ALU | BPF_XOR:
	case BPF_ALU | BPF_LSH:
	case BPF_ALU | BPF_RSH:
	case BPF_JMP | BPF_JEQ:
	case BPF_JMP | BPF_JGT:
	case BPF_JMP | BPF_JGE:
	case BPF_JMP | BPF_JSET:
		return true;
	default:
		return false;
	}
}

static bool uses_cell(const struct sock_filter *s)
{
	return s->code == (BPF_LD | BPF_MEM) || s->code == (BPF_LDX | BPF_MEM) ||
	       s->code == BPF_ST || s->code == BPF_STX;
}

uint32_t classic_load_size(const struct sock_filter *s)
{
	if (s->code == (BPF_LDX | BPF_B | BPF_MSH))
		return 1;
	if (BPF_CLASS(s->code) != BPF_LD ||
	    (BPF_MODE(s->code) != BPF_ABS && BPF_MODE(s->code) != BPF_IND))
		return 0;
	return BPF_SIZE(s->code) == BPF_W ? 4 : BPF_SIZE(s->code) == BPF_H ? 2 : 1;
}

bool classic_indexed(const struct sock_filter *s)
{
	return BPF_MODE(s->code) == BPF_IND;
}

bool classic_beside(const struct sock_filter *s)
{
	int32_t k = (int32_t)s->k;

	return BPF_CLASS(s->code) == BPF_LD && BPF_MODE(s->code) == BPF_ABS && k >= SKF_AD_OFF &&
	       k < SKF_AD_OFF + SKF_AD_MAX;
}

/* As bpf_filter() does where k > the length of the packet, or at a division by X = 0. */
bool classic_ends(const struct sock_filter *s)
{
	if (BPF_CLASS(s->code) == BPF_RET)
		return true;
	if (classic_load_size(s))
		return (int32_t)s->k < 0 && !classic_beside(s);
	return (s->code == (BPF_ALU | BPF_DIV | BPF_K) || s->code == (BPF_ALU | BPF_MOD | BPF_K)) &&
	       s->k == 0;
}

static int check_beside(struct classic *c, uint32_t i)
{
	int32_t field = (int32_t)c->in[i].k - SKF_AD_OFF;

	if (!c->beside)
		return refuse(c, -EOPNOTSUPP,
			      "instruction %u needs more than the bytes of a packet", i);
	switch (field) {
	case SKF_AD_PROTOCOL:
	case SKF_AD_PKTTYPE:
	case SKF_AD_IFINDEX:
	case SKF_AD_VLAN_TAG:
	case SKF_AD_VLAN_TAG_PRESENT:
	case SKF_AD_VLAN_TPID:
		return 0;
	default:
		return refuse(c, -EOPNOTSUPP, "instruction %u: ancillary load %d", i, field);
	}
}

static int check_jump(struct classic *c, uint32_t i)
{
	const struct sock_filter *s = &c->in[i];
	uint32_t left = c->n - 1 - i;

	if (s->code != (BPF_JMP | BPF_JA))
		return s->jt < left && s->jf < left
			       ? 0
			       : refuse(c, -EINVAL, "instruction %u jumps behind the end", i);
	if (s->k < left)
		return 0;
	/* libpcap takes k as signed, for protochain. */
	if ((int32_t)s->k < 0 && -(int64_t)(int32_t)s->k <= (int64_t)i + 1)
		return refuse(c, -EOPNOTSUPP, "instruction %u jumps back (protochain?)", i);
	return refuse(c, -EINVAL, "instruction %u jumps out of the program", i);
}

static int check(struct classic *c, uint32_t i)
{
	const struct sock_filter *s = &c->in[i];
	int32_t k = (int32_t)s->k;

	if (!known(s->code))
		return refuse(c, -EINVAL, "instruction %u is unknown: 0x%04x", i, s->code);
	if (uses_cell(s) && s->k >= BPF_MEMWORDS)
		return refuse(c, -EINVAL, "instruction %u: scratch memory %u", i, s->k);
	if (BPF_CLASS(s->code) == BPF_JMP)
		return check_jump(c, i);
	if (!classic_load_size(s))
		return 0;
	if (classic_beside(s))
		return check_beside(c, i);
	if (k >= SKF_LL_OFF && k < SKF_AD_OFF)
		return refuse(c, -EOPNOTSUPP, "instruction %u: offset from a header", i);
	return 0;
}

/* ---- what is known where ---- */

bool classic_compares(const struct classic *c, uint32_t i)
{
	const struct sock_filter *s = &c->in[i];

	return classic_indexed(s) || s->k > c->near_max ||
	       c->point[i].proven < s->k + classic_load_size(s);
}

static int join(struct classic *c, uint32_t to, const struct classic_point *now)
{
	struct classic_point *p = &c->point[to < c->n ? to : 0];

	if (to >= c->n)
		return refuse(c, -EINVAL, "the program runs behind its end");
	p->missed |= now->missed;
	if (p->reached) {
		p->written &= now->written;
		if (p->proven > now->proven)
			p->proven = now->proven;
		return 0;
	}
	p->reached = true;
	p->written = now->written;
	p->proven = now->proven;
	return 0;
}

/* All jumps lead forward, so one pass in order sees each instruction after all that lead to it. */
static int follow(struct classic *c, uint32_t i)
{
	const struct sock_filter *s = &c->in[i];
	struct classic_point now = c->point[i];
	uint32_t size = classic_load_size(s);
	int err;

	if (classic_ends(s))
		return 0;
	if (size && !classic_beside(s) && classic_compares(c, i)) {
		c->point[i].missed = now.missed = true;
		if (!classic_indexed(s) && s->k <= c->near_max)
			now.proven = s->k + size;
	}
	if (s->code == BPF_ST || s->code == BPF_STX)
		now.written |= (uint16_t)(1U << s->k);
	else if (uses_cell(s))
		c->unset |= (uint16_t)(1U << s->k & ~(uint32_t)now.written);
	if (BPF_CLASS(s->code) != BPF_JMP)
		return join(c, i + 1, &now);
	if (s->code == (BPF_JMP | BPF_JA))
		return join(c, i + 1 + s->k, &now);
	err = join(c, i + 1 + s->jt, &now);
	return err < 0 ? err : join(c, i + 1 + s->jf, &now);
}

int classic_follow(struct classic *c)
{
	int err = 0;

	if (c->n == 0)
		return refuse(c, -EINVAL, "no instructions");
	for (uint32_t i = 0; i < c->n && err == 0; i++)
		err = check(c, i);
	c->point[0].reached = true;
	for (uint32_t i = 0; i < c->n && err == 0; i++)
		if (c->point[i].reached)
			err = follow(c, i);
	return err;
}
