/* SPDX-License-Identifier: MIT */
/* csum — see csum.h. */
#include "user/decode/csum.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
	!defined(__clang__)
__attribute__((target_clones("avx2", "default"), optimize("O3")))
#endif
uint64_t
csum_bulk(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i += 4) {
		uint32_t word;

		memcpy(&word, p + i, sizeof(word));
		sum += word;
	}
	return sum;
}
