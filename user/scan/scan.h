/* SPDX-License-Identifier: MIT */
/*
 * scan — patterns found in runs of bytes that come in pieces: each byte is scanned once, and a
 * match over any number of pieces has its exact offsets.
 *
 * A row is one run (a direction of a stream, or the decoded bodies in it).  What vectorscan
 * reports, every end of every match, is joined by one rule: for each pattern, reports with the same
 * start are one match, whose end is the last that follows the one before by at most SCAN_JOIN
 * bytes; a match inside another of the same pattern is left out, where that one has an end by the
 * time.  It is told when the row has passed its end by SCAN_JOIN bytes, or ends: so nothing depends
 * on how the bytes were cut.  Or where scan_settle says that nothing more is waited for.
 *
 * Owner:   one worker.
 * Memory:  64 to some 300 bytes per row in a slab; matches from a pool.
 * Bounds:  conf; what they refuse is counted.
 */
#ifndef USER_SCAN_SCAN_H
#define USER_SCAN_SCAN_H

#include "user/base/quota.h"
#include "user/base/slots.h"
#include "user/base/span.h"
#include "user/scan/pattern.h"

#define SCAN_JOIN  256U
#define SCAN_BYTES 256U /* of a match that are kept */
#define SCAN_LAG   64U  /* bytes by which vectorscan may report one end after a later one */

struct scan_match {
	uint32_t row;
	const struct pattern *pattern;
	uint64_t from, to;      /* half open */
	uint64_t ts_ns, number; /* of the packet whose bytes made it sure */
	struct span bytes;      /* the first of them; may be fewer where they are gone */
};

struct scan_host {
	void (*match)(struct scan_host *host, const struct scan_match *m);
	/* Bytes before those in hand, from `off` on; how many could be had. */
	size_t (*fetch)(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst, size_t n);
};

struct scan_conf {
	uint32_t rows;
	bool sparse;         /* few rows are ever used: populate nothing ahead */
	uint32_t matches;    /* kept at a time, of all rows */
	uint16_t per_row;    /* told or waiting, of one row */
	struct quota *total; /* told, of the whole run */
};

/* vectorscan's state lies right behind it: mostly both are one cache line. */
struct scan_row {
	uint64_t base;    /* offset in the run where the state began */
	uint64_t end;     /* offset behind what was scanned */
	uint32_t due;     /* from base on: nothing waits that is due before; 0 = unknown */
	uint32_t first;   /* matches that may be reported again, newest use first; + 1 */
	uint16_t n;       /* matches so far */
	uint16_t waiting; /* of them, not told yet */
	bool open;        /* the state is in use */
	uint8_t pad[3];
};

_Static_assert(sizeof(struct scan_row) == 32, "half a cache line, and the state is aligned");

/* The states of all rows in one set of patterns. */
struct scan_book {
	const struct pattern_set *set; /* NULL: none */
	struct slots rows;
	uint32_t top; /* rows that were ever open */
};

struct scan {
	uint64_t bytes, matches, dropped; /* dropped: beyond per_row, matches or total */
	/* private */
	struct scan_conf conf;
	struct scan_host *host;
	struct scan_book now, old; /* old: of the set before, until its last row has left it */
	uint32_t retired;          /* rows of it that have */
	struct hs_scratch *scratch;
	struct slots pool;
	struct lease lease;
	uint32_t free, fresh; /* + 1 */
	/* in hand */
	const struct scan_book *book;
	struct scan_row *row;
	uint32_t row_index;
	struct span chunk;
	uint64_t chunk_off, ts_ns, number;
};

/* 0 or negative errno.  Without a set nothing is scanned. */
int scan_open(struct scan *s, const struct scan_conf *conf, struct scan_host *host);
void scan_close(struct scan *s);
/* From now on these patterns (NULL: none): a row that is open changes to them with its next bytes,
 * after what it has found so far was told.  Until scan_retire says so, the set before is in use. */
int scan_use(struct scan *s, const struct pattern_set *set);
/* Takes up to `rows` rows out of the set before; true where it is no longer in use. */
bool scan_retire(struct scan *s, uint32_t rows);

static inline bool scan_is_on(const struct scan *s)
{
	return s->now.set || s->old.set;
}

/* Bytes of a row at offset `off`; where that is not behind the last ones, a hole lies between, and
 * no match reaches over it. */
void scan_feed(struct scan *s, uint32_t row, uint64_t off, struct span bytes, uint64_t ts_ns,
	       uint64_t number);
/* A match that another scanner of this run found, by the same caps. */
void scan_tell(struct scan *s, const struct scan_match *m);
/* Something of the row was found and not told yet. */
bool scan_waits(const struct scan *s, uint32_t row);
/* What was found and waits is told as it stands, where the row has come to `end` still. */
void scan_settle(struct scan *s, uint32_t row, uint64_t end);
/* The row ends, after this packet: what waits is told, and it may begin anew. */
void scan_end(struct scan *s, uint32_t row, uint64_t ts_ns, uint64_t number);

static inline void scan_prefetch(const struct scan *s, uint32_t row)
{
	for (size_t at = 0; at < s->now.rows.stride; at += 64)
		__builtin_prefetch(s->now.rows.base + row * s->now.rows.stride + at, 1);
}

#endif
