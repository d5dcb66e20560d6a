/* SPDX-License-Identifier: MIT */
/*
 * csum — the Internet checksum (RFC 1071): sums of words in host order, folded at the end.
 * The byte order does not matter as long as everything is summed in the same one.
 */
#ifndef USER_DECODE_CSUM_H
#define USER_DECODE_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Long runs, vectorised; n is a multiple of 4, less than 16 GiB. */
uint64_t csum_bulk(const uint8_t *p, size_t n);

static inline uint64_t csum_add(uint64_t sum, const uint8_t *p, size_t n)
{
	uint64_t word, carry = 0;

	if (n >= 256) {
		size_t bulk = n & ~(size_t)31;

		carry += __builtin_add_overflow(sum, csum_bulk(p, bulk), &sum);
		p += bulk;
		n -= bulk;
	}
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, sizeof(word));
		carry += __builtin_add_overflow(sum, word, &sum);
	}
	if (n & 4) {
		uint32_t four;

		memcpy(&four, p, sizeof(four));
		carry += __builtin_add_overflow(sum, four, &sum);
		p += 4;
	}
	if (n & 2) {
		uint16_t two;

		memcpy(&two, p, sizeof(two));
		carry += __builtin_add_overflow(sum, two, &sum);
		p += 2;
	}
	if (n & 1) {
		uint16_t last = 0;

		memcpy(&last, p, 1);
		carry += __builtin_add_overflow(sum, last, &sum);
	}
	/* 2^64 is 1 modulo 0xffff, like every power of 2^16: carries come back at the low end. */
	if (__builtin_add_overflow(sum, carry, &sum))
		sum++;
	return sum;
}

/* The sum over data and its checksum: all of 0xffff, which is 0 modulo 0xffff. */
static inline bool csum_good(uint64_t sum)
{
	return sum && sum % 0xffff == 0;
}

static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

#endif
