/* SPDX-License-Identifier: MIT */
/*
 * quota — one cap for the whole run, shared by threads that each hold a lease of it.
 *
 * Threads: `left` is shared; a lease belongs to one thread.  A lease takes units from the quota
 *          in steps, so the atomic is touched rarely.  What a thread has leased but not used
 *          stays with it: the sum never exceeds the cap.
 */
#ifndef USER_BASE_QUOTA_H
#define USER_BASE_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define QUOTA_SCARCE 16384U /* below it nobody holds units in reserve: the cap is exact */

struct quota {
	_Atomic uint64_t left;
};

struct lease {
	struct quota *from;
	uint64_t held, step;
};

/* Charges n units; false where the cap refuses them. */
static inline bool lease_charge(struct lease *l, uint64_t n)
{
	while (l->held < n) {
		uint64_t left = atomic_load_explicit(&l->from->left, memory_order_relaxed);
		uint64_t want =
			left > QUOTA_SCARCE && l->step > n - l->held ? l->step : n - l->held;
		uint64_t take = left < want ? left : want;

		if (take == 0)
			return false;
		if (atomic_compare_exchange_weak_explicit(&l->from->left, &left, left - take,
							  memory_order_relaxed,
							  memory_order_relaxed))
			l->held += take;
	}
	l->held -= n;
	return true;
}

/* Gives n units back: to this thread's lease, and what it has too much of to the quota. */
static inline void lease_return(struct lease *l, uint64_t n)
{
	l->held += n;
	if (l->held > 4 * l->step ||
	    atomic_load_explicit(&l->from->left, memory_order_relaxed) < QUOTA_SCARCE) {
		uint64_t keep = l->held > 4 * l->step ? l->step : 0;

		atomic_fetch_add_explicit(&l->from->left, l->held - keep, memory_order_relaxed);
		l->held = keep;
	}
}

/* Gives all that is left of the lease back. */
static inline void lease_close(struct lease *l)
{
	atomic_fetch_add_explicit(&l->from->left, l->held, memory_order_relaxed);
	l->held = 0;
}

#endif
