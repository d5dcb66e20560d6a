/* SPDX-License-Identifier: MIT */
/*
 * filter — which rows somebody wants to see: a bit per row, from the columns.
 *
 * A value filter is a list of values of which any may be (comma-separated), each with `!` before it
 * to exclude it: those that are not excluded, and where any are included, one of these.
 *
 * Owner:   the api thread.  Bounds: FILTER_VALUES values of each kind.
 */
#ifndef USER_VIEW_FILTER_H
#define USER_VIEW_FILTER_H

#include <stdbool.h>

#include "user/view/found.h"
#include "user/view/rows.h"

#define FILTER_VALUES 16U

/* Colours a person can give: X(NAME, "name"); 0 is none. */
#define COLORS(X)           \
	X(NONE, "none")     \
	X(RED, "red")       \
	X(ORANGE, "orange") \
	X(YELLOW, "yellow") \
	X(GREEN, "green")   \
	X(BLUE, "blue")     \
	X(PURPLE, "purple") \
	X(GRAY, "gray")

#define COLOR_ENUM(name, text) COLOR_##name,
enum color { COLORS(COLOR_ENUM) COLOR_COUNT };
#undef COLOR_ENUM

const char *color_name(uint8_t color);
int color_of(const char *name, size_t n); /* -1: none of that name */

/* Of a column of small numbers. */
struct filter_values {
	bool on;
	uint8_t allow[256];
};

struct filter_host {
	uint8_t net[16], mask[16];
	bool v6, exclude;
};

struct profile; /* profile.h */

struct filter {
	uint16_t all, none; /* flags that must be, or must not be */
	struct filter_values protocol, service, kind, status, color;
	bool by_port;
	uint64_t port[65536 / 64]; /* with by_port: a row with any of these */
	bool not_by_port;
	uint64_t not_port[65536 / 64];
	struct filter_host host[FILTER_VALUES];
	uint32_t hosts, hosts_excluded;
	uint64_t since_ns, until_ns; /* since 0: none */
	bool by_until;
	uint64_t min_bytes;
	/* patterns: NULL one never matched anything */
	bool by_pattern;
	const struct found_pattern *pattern[FILTER_VALUES], *not_pattern[FILTER_VALUES];
	uint32_t patterns, not_patterns;
	const struct profile *profile; /* or NULL */
};

void filter_init(struct filter *f);
/* As in a query; 0, or -EINVAL after saying why. */
int filter_protocol(struct filter *f, const char *text, char *why, size_t size);
int filter_service(struct filter *f, const char *text, char *why, size_t size);
int filter_kind(struct filter *f, const char *text, char *why, size_t size);
int filter_status(struct filter *f, const char *text, char *why, size_t size);
int filter_color(struct filter *f, const char *text, char *why, size_t size);
int filter_port(struct filter *f, const char *text, char *why, size_t size);
int filter_host(struct filter *f, const char *text, char *why, size_t size);
int filter_has(struct filter *f, const char *text, char *why, size_t size);
int filter_pattern(struct filter *f, const struct found *found, const char *text, char *why,
		   size_t size);

/* bits: one per row, rounded up to 64; how many are set. */
uint32_t filter_run(const struct filter *f, const struct rows *rows, const struct found *found,
		    uint64_t *bits);

/* Names to numbers, -1 where there is none. */
int protocol_of(const char *name, size_t n);
int service_of(const char *name, size_t n);
int kind_of(const char *name, size_t n);
int status_of_name(const char *name, size_t n);
/* An address, or one with /bits. */
bool host_parse(struct filter_host *h, const char *text, size_t n);
bool host_is(const struct filter_host *h, const struct flow_key *k);

#endif
