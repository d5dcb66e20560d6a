/* SPDX-License-Identifier: MIT */
/* pattern_set — the inside of a set; private to user/scan. */
#ifndef USER_SCAN_PATTERN_SET_H
#define USER_SCAN_PATTERN_SET_H

#include "user/scan/pattern.h"

struct pattern_set {
	struct pattern *pattern;
	char **expression; /* as compiled */
	uint32_t n, room;
	struct hs_database *database;
};

/* Copies the texts of *given.  0, or -EINVAL after saying why. */
int pattern_set_add(struct pattern_set *set, const struct pattern *given, char *why, size_t size);

#endif
