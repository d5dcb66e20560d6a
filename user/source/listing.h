/* SPDX-License-Identifier: MIT */
/*
 * listing — what is in a folder, oldest first.
 *
 * Owner:   one thread at a time.
 * Memory:  a name per entry, until listing_free.
 */
#ifndef USER_SOURCE_LISTING_H
#define USER_SOURCE_LISTING_H

#include <stddef.h>
#include <stdint.h>

struct listing {
	struct listed {
		char *name;
		uint64_t mtime_ns;
	} * at;
	size_t n;
	/* private */
	size_t cap;
};

/* All that has a name and can be looked at.  0 or negative errno; free it in any case. */
int listing_read(struct listing *l, int folder);
void listing_free(struct listing *l);

#endif
