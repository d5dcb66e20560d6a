/* SPDX-License-Identifier: MIT */
/*
 * backoff — how a thread waits for another: 2,000 pauses (some 40 µs), then sleeps of 20 µs.
 * Measured: shorter spins cost system calls on every block, longer ones starve the other thread
 * where there are fewer cores than threads.
 */
#ifndef USER_BASE_BACKOFF_H
#define USER_BASE_BACKOFF_H

#include <stdint.h>
#include <time.h>

struct backoff {
	uint32_t spins;
};

static inline void backoff_wait(struct backoff *b)
{
	if (b->spins++ < 2000) {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
		return;
	}
	nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

#endif
