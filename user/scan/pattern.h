/* SPDX-License-Identifier: MIT */
/*
 * pattern — what to look for in streams: literals, regular expressions and bytes, compiled into
 * one vectorscan database.
 *
 * Owner:   whoever made the set; read-only once compiled, then shared by all workers.
 * Bounds:  PATTERN_MAX patterns of PATTERN_BYTES; beyond them adding fails.
 * Errors:  a pattern that cannot be compiled is refused with its name, the place in it and the
 *          reason; nothing is compiled by halves.
 */
#ifndef USER_SCAN_PATTERN_H
#define USER_SCAN_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_MAX   10000U
#define PATTERN_BYTES 4096U
#define PATTERN_PORTS 8U

enum pattern_kind { PATTERN_SUBSTRING, PATTERN_REGEX, PATTERN_BINARY, PATTERN_PACK };
enum pattern_direction { PATTERN_BOTH, PATTERN_A_TO_B, PATTERN_B_TO_A };

struct pattern {
	char *name, *text; /* as given */
	char *colour;      /* or NULL */
	enum pattern_kind kind;
	uint32_t ordinal;   /* among its kind, from 0 */
	uint32_t signature; /* stable: of kind, case and text; 1 to 2^30 */
	bool caseless;
	enum pattern_direction direction;
	int16_t service; /* enum service_name, -1 = any */
	uint8_t ports;   /* of either side; 0 = any */
	uint16_t port[PATTERN_PORTS];
	uint32_t width; /* of every match, where they are all as long; 0 = they differ */
	uint32_t most;  /* no match is longer; UINT32_MAX = there is no such bound */
};

struct pattern_set;

/* NULL where there is no memory. */
struct pattern_set *pattern_set_new(void);
void pattern_set_free(struct pattern_set *set);

/* Adds a pattern as typed: TEXT, NAME=TEXT, or =TEXT where TEXT itself looks like NAME=.
 * 0, or -EINVAL after saying why in `why`. */
int pattern_add(struct pattern_set *set, enum pattern_kind kind, const char *typed, char *why,
		size_t why_size);
/* A JSON array of {name, kind, pattern, case, direction, service, ports, colour}, or an object
 * with one as "patterns". */
int pattern_add_file(struct pattern_set *set, const char *path, char *why, size_t why_size);
/* One such object; `index` names it in `why`. */
struct json_object;
int pattern_add_object(struct pattern_set *set, struct json_object *o, size_t index, char *why,
		       size_t why_size);
/* What it is called by, among its kind: where patterns come and go, their numbers stay. */
void pattern_number(struct pattern_set *set, uint32_t id, uint32_t ordinal);

/* Patterns of strangers take unbounded time and memory to compile: in another process.  The list
 * as JSON on standard input; what pattern_restore takes, or why not, on standard output.  Exit
 * status. */
int pattern_compile_apart(void);
/* Compiled elsewhere, from the same patterns.  0, or -EINVAL after saying why. */
int pattern_restore(struct pattern_set *set, const uint8_t *bytes, size_t n, char *why,
		    size_t size);

/* 0, or -EINVAL: `why` names the pattern, the place and the reason. */
int pattern_compile(struct pattern_set *set, char *why, size_t why_size);

uint32_t pattern_count(const struct pattern_set *set);
const struct pattern *pattern_at(const struct pattern_set *set, uint32_t id);
/* vectorscan's database, NULL before pattern_compile. */
struct hs_database;
const struct hs_database *pattern_database(const struct pattern_set *set);
const char *pattern_kind_name(enum pattern_kind kind);
/* What people call it by: "substring:0". */
#define PATTERN_ID 32U
void pattern_id(char out[PATTERN_ID], enum pattern_kind kind, uint32_t ordinal);
bool pattern_wants(const struct pattern *p, bool a_to_b, int service, uint16_t sport,
		   uint16_t dport);

#endif
