/* SPDX-License-Identifier: MIT */
/*
 * progress — one line on a terminal's stderr while a run takes more than a second.
 * Owner: worker 0.
 */
#ifndef USER_PROGRESS_H
#define USER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/source/source.h"

struct progress {
	bool on, shown;
	uint64_t started_ns, next_ns;
};

void progress_open(struct progress *p, bool wanted);
void progress_show(struct progress *p, const struct source *source);
/* Clears the line. */
void progress_close(struct progress *p);

#endif
