/* SPDX-License-Identifier: MIT */
/*
 * bytemask — where a byte stands in a block of 64, as bits: one look instead of one search a line.
 */
#ifndef USER_BASE_BYTEMASK_H
#define USER_BASE_BYTEMASK_H

#include "user/base/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BYTEMASK 64U

/* Bit i: p[i] is c.  Reads BYTEMASK bytes. */
static inline uint64_t bytemask_whole(const uint8_t *p, uint8_t c)
{
	uint64_t mask = 0;

#ifdef __SSE2__
	const __m128i want = _mm_set1_epi8((char)c);

	for (int k = 0; k < 4; k++) {
		__m128i got = _mm_loadu_si128((const __m128i *)(p + 16 * k));

		mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(got, want))
			<< (16 * k);
	}
#else
	for (unsigned k = 0; k < BYTEMASK; k++)
		mask |= (uint64_t)(p[k] == c) << k;
#endif
	return mask;
}

/* The same of the bytes from `p` on, of which there may be fewer; nothing outside s is read. */
static inline uint64_t bytemask_at(struct span s, const uint8_t *p, uint8_t c)
{
	size_t left = (size_t)(s.end - p);
	uint64_t mask = 0;

	if (left >= BYTEMASK)
		return bytemask_whole(p, c);
	if (span_len(s) >= BYTEMASK && left)
		return bytemask_whole(s.end - BYTEMASK, c) >> (BYTEMASK - left);
	for (size_t k = 0; k < left; k++)
		mask |= (uint64_t)(p[k] == c) << k;
	return mask;
}

#endif
