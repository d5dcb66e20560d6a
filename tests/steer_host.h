/* SPDX-License-Identifier: MIT */
/*
 * steer_host — the steering program in the kernel, run on one frame at a time, and the same parser
 * in user space.
 *
 * Owner:  the test; one thread.
 * Errors: steer_host_open says on stderr which call the kernel refuses.
 */
#ifndef TESTS_STEER_HOST_H
#define TESTS_STEER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/wire.h"

struct steer_bpf;

struct steer_host {
	struct steer_bpf *skel;
	struct rm_hash_key key;
	int fd;
};

/* False where this process may not load programs. */
bool steer_host_open(struct steer_host *h);
void steer_host_close(struct steer_host *h);

/* What the kernel program writes before the frame; false where it wrote nothing.  A frame has at
 * least 14 bytes. */
bool steer_host_run(struct steer_host *h, const uint8_t *frame, size_t len, struct rm_meta *meta);

/* The hash by the parser in user space, 0 without a tuple, and how many IP headers it found. */
uint64_t steer_host_hash(const struct steer_host *h, const uint8_t *frame, size_t len,
			 uint8_t *layers, bool *fragment);

#endif
