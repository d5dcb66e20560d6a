/* SPDX-License-Identifier: MIT */
/*
 * show — a stream on standard output when the input has ended: a window of one direction (--show),
 * or both in the order in which they were delivered (--follow).
 *
 * Hostile bytes: a terminal gets no control characters but tabs and line ends.
 */
#ifndef USER_SHOW_H
#define USER_SHOW_H

#include <stdio.h>

#include "user/run.h"

/* Exit status: 0, or 1 where there is no such stream or it cannot be written (said on stderr). */
int show_stream(const struct run *run, FILE *out);

#endif
