/* SPDX-License-Identifier: MIT */
/*
 * profile — kinds of services with the way people look at them: which streams, how to show them,
 * what to do to their bytes first.
 *
 * A stream is of a profile where the protocol agrees (if there is one) and its service, a port, its
 * content kind or one of its patterns does.  The one named `matched` takes streams with matches.
 * `primary` is the first that matches in order of priority; among those of the same service the one
 * that names the service wins over one that names only its port.
 *
 * Owner:   the api thread; read-only after profiles_open.
 * Bounds:  PROFILES profiles of PROFILE_LIST entries each; a file of 1 MiB.
 */
#ifndef USER_VIEW_PROFILE_H
#define USER_VIEW_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "user/view/found.h"
#include "user/view/hide.h"
#include "user/view/rows.h"
#include "user/view/transform.h"

#define PROFILES       128U
#define PROFILE_LIST   32U
#define PROFILE_PRESET 8192U

struct json_object;

struct profile {
	char id[48], name[64], description[256];
	uint32_t priority;
	bool enabled;
	int16_t protocol; /* -1 any */
	int16_t kind;     /* -1 none named */
	bool matched;     /* takes streams with matches */
	uint16_t service[PROFILE_LIST], port[PROFILE_LIST];
	char pattern[PROFILE_LIST][48];
	uint32_t services, ports, patterns;
	uint8_t has_service[256];
	uint64_t has_port[65536 / 64];
	char direction[8], mode[8], transform[160]; /* transform: a chain, "" = none */
	struct hide_rule rule[PROFILE_LIST];
	uint32_t rules;
	struct json_object *preset, *analyzers; /* or NULL; as given */
	/* of analyzers, what can change in a run: -1 nothing is said, else whether it is used */
	int8_t http, websocket;
};

struct profiles {
	struct profile *at; /* by priority, highest first */
	uint32_t n;
};

/* The built-in ones, and those of a file (or NULL).  0, or -EINVAL after saying why. */
int profiles_open(struct profiles *p, const char *path, char *why, size_t size);
void profiles_close(struct profiles *p);

/* Case, blanks and dashes do not matter; NULL where there is none. */
const struct profile *profile_find(const struct profiles *p, const char *id, size_t n);
bool profile_matches(const struct profile *p, const struct rows *rows, const struct found *found,
		     uint32_t row);
/* The same of many rows: of those whose bit is set, the others lose theirs. */
void profile_run(const struct profile *p, const struct rows *rows, const struct found *found,
		 uint64_t *bits);
/* The one that says how to show a stream, or NULL. */
const struct profile *profile_primary(const struct profiles *p, const struct rows *rows,
				      const struct found *found, uint32_t row);

#endif
