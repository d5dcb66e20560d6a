/* SPDX-License-Identifier: MIT */
/*
 * found — matches of patterns, by stream and over all streams; and which pattern matched in which
 * stream, how often.
 *
 * Owner:   the api thread.
 * Memory:  some 200 bytes per match, 90 per (stream, pattern), touched as they come.
 * Bounds:  conf.total matches (the oldest of all goes), conf.per_stream of a stream (its oldest
 *          goes), conf.patterns patterns; all of it counted.
 */
#ifndef USER_VIEW_FOUND_H
#define USER_VIEW_FOUND_H

#include "user/view/rows.h"

struct found_match {
	struct news_match m;
	uint32_t row;  /* ROW_NONE: let go */
	uint32_t next; /* of the stream; + 1 */
};

struct found_pattern {
	uint32_t signature; /* 0: none */
	uint8_t kind;
	uint32_t ordinal;
	char name[NEWS_NAME + 1];
	uint64_t matches;
	uint32_t streams;
	uint32_t pair; /* the newest; + 1 */
};

struct found_conf {
	uint32_t total, per_stream, patterns;
};

struct found {
	uint64_t added, dropped; /* dropped: let go for newer ones */
	uint64_t oldest, next;   /* positions of matches, never taken modulo */
	/* private */
	struct found_conf conf;
	struct slots ring, pairs;
	uint32_t pair_fresh, pair_free; /* + 1 */
	struct slots patterns;
	uint32_t n_patterns;
};

int found_open(struct found *f, const struct found_conf *conf);
void found_close(struct found *f);

/* A match in the row's stream; false where it was known (a rescan's). */
bool found_add(struct found *f, struct rows *rows, uint32_t row, const struct news_match *m);
/* The row goes. */
void found_forget(struct found *f, struct rows *rows, uint32_t row);

/* By position: NULL where it is gone or none. */
const struct found_match *found_at(const struct found *f, uint64_t position);
/* Of a stream, oldest first: cursor 0 to begin. */
const struct found_match *found_next(const struct found *f, const struct rows *rows, uint32_t row,
				     uint32_t *cursor);

/* Patterns that ever matched. */
uint32_t found_patterns(const struct found *f);
const struct found_pattern *found_pattern(const struct found *f, uint32_t i);
/* What people call a pattern: "substring:0", or its signature's number. */
struct found_name {
	int kind; /* enum pattern_kind; -1: the number is a signature's */
	uint32_t number;
};

/* False where nothing is called so. */
bool found_name_read(struct found_name *name, const char *text, size_t n);
bool found_is(const struct found_pattern *p, const struct found_name *name);
/* NULL where it never matched. */
const struct found_pattern *found_named(const struct found *f, const char *id, size_t n);
/* Patterns that matched in a row: cursor 0 to begin, NULL at the end. */
const struct found_pattern *found_of_row(const struct found *f, const struct rows *rows,
					 uint32_t row, uint32_t *cursor);
/* Sets the bits of rows in which it matched. */
void found_mark(const struct found *f, const struct found_pattern *p, uint64_t *bits);

#endif
