/* SPDX-License-Identifier: MIT */
/*
 * seq — 32-bit sequence arithmetic that wraps (RFC 9293 §3.4, RFC 1982): a is before b where the
 * signed difference is negative.  Nobody else compares sequence numbers.
 */
#ifndef USER_BASE_SEQ_H
#define USER_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) < 0;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? a : b;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? b : a;
}

#endif
