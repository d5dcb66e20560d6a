/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* key — the run's secret in a kernel program, set before it is loaded, and the hash under it. */
#ifndef RM_KEY_H
#define RM_KEY_H

#include "bpf/wire.h"

/* rm_hash_key, read word by word: through a plain pointer it would be taken for the constant 0. */
const volatile __u64 key[10] = {};

static __always_inline __u64 hash_of(const struct rm_tuple *tuple)
{
	struct rm_hash_key k;

#pragma clang loop unroll(full)
	for (int i = 0; i < 10; i++)
		k.word[i] = key[i];
	return rm_flow_hash(&k, tuple);
}

#endif
