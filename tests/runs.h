/* SPDX-License-Identifier: MIT */
/*
 * runs — rows of a scan with their bytes and pieces, and what was told of them; a match that makes
 * no sense by itself is noted.
 *
 * Owner:  the test; one thread.
 */
#ifndef TESTS_RUNS_H
#define TESTS_RUNS_H

#include "tests/guard.h"
#include "user/scan/scan.h"

enum { RUNS = 4, RUN_TEXT = 2000, RUN_HITS = 8192 };

struct hit {
	uint32_t pattern, piece; /* the piece that ends it, by its number */
	uint64_t from, to;
};

struct piece {
	uint32_t from, to; /* holes lie between where one does not begin at the other's end */
};

struct run {
	uint64_t base; /* offset of the text in the row */
	uint32_t len, pieces, fed, hits;
	uint8_t text[RUN_TEXT];
	struct piece piece[RUN_TEXT];
	struct hit hit[RUN_HITS];
};

struct runs {
	struct scan_host host; /* first */
	struct scan scan;
	struct quota total;
	struct guard guard;
	bool wrong; /* a match that makes no sense */
	struct run row[RUNS];
};

/* `total` matches of all rows; of one row and at a time by conf.  False where there is no memory.
 */
bool runs_open(struct runs *r, const struct pattern_set *set, struct scan_conf conf,
	       uint64_t total);
void runs_close(struct runs *r);
/* Other patterns: every row must have ended. */
bool runs_use(struct runs *r, const struct pattern_set *set);

/* A row's text as a whole, to be fed from its beginning. */
void run_set(struct run *r, const void *text, uint32_t len);
/* The next piece of a row; false where there is none. */
bool runs_feed(struct runs *r, uint32_t row);
/* All that is left, and the end. */
void runs_finish(struct runs *r, uint32_t row);

#endif
