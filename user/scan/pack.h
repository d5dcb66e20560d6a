/* SPDX-License-Identifier: MIT */
/*
 * pack — built-in patterns, by a scanner that re2c made: flags of attack/defence games, and secrets
 * that should not travel in the clear.
 *
 * Words are looked at from their first letter on; a match is at most PACK_MATCH bytes long.  Of a
 * row only what may still become a match is carried to the next bytes, so that nothing depends on
 * how the bytes were cut.
 *
 * Owner:   one worker.
 * Memory:  24 bytes per row; what is carried lies in a pool.
 * Bounds:  PACK_MATCH carried bytes of a row, `carries` rows at a time: where there is no room,
 * what is undecided is decided as if nothing followed (counted).  Matches by the caps of the scan
 * they are told to.  A match that came in more than PACK_PIECES pieces may get the time of a later
 * piece than its last.
 */
#ifndef USER_SCAN_PACK_H
#define USER_SCAN_PACK_H

#include "user/scan/scan.h"

#define PACK_MATCH    512U
#define PACK_PREFIXES 64U
#define PACK_PREFIX   16U /* bytes */

enum { PACK_FLAGS = 1, PACK_SECRETS = 2 };

/* X(NAME, "name", packs it is in) */
#define PACK_PATTERNS(X)                              \
	X(FLAG, "flag", PACK_FLAGS)                   \
	X(HEX32, "flag_hex32", PACK_FLAGS)            \
	X(HEX64, "flag_hex64", PACK_FLAGS)            \
	X(JWT, "jwt", PACK_SECRETS)                   \
	X(PRIVATE_KEY, "private_key", PACK_SECRETS)   \
	X(AWS_KEY, "aws_access_key", PACK_SECRETS)    \
	X(GITHUB_TOKEN, "github_token", PACK_SECRETS) \
	X(GITLAB_TOKEN, "gitlab_token", PACK_SECRETS) \
	X(SLACK_TOKEN, "slack_token", PACK_SECRETS)   \
	X(STRIPE_KEY, "stripe_key", PACK_SECRETS)     \
	X(GOOGLE_KEY, "google_api_key", PACK_SECRETS) \
	X(CARD, "credit_card", PACK_SECRETS)

#define PACK_ENUM(name, text, packs) PACK_##name,
enum pack_pattern { PACK_NONE = -1, PACK_PATTERNS(PACK_ENUM) PACK_COUNT };
#undef PACK_ENUM

/* Which packs; a flag's word must end in one of the prefixes. */
struct pack_conf {
	uint32_t packs;
	uint32_t prefixes;
	char prefix[PACK_PREFIXES][PACK_PREFIX + 1];
};

#define PACK_PIECES 32U

struct pack_row {
	uint64_t end;   /* offset behind what was looked at, and what is carried */
	uint32_t carry; /* + 1, 0 = nothing is undecided */
	uint16_t n;     /* matches told */
	bool word;      /* the byte before what comes next (or the carry) is of a word */
};

/* The pieces that undecided bytes came in. */
struct pack_piece {
	uint16_t end; /* in the carry */
	uint64_t ts_ns, number;
};

struct pack_carry {
	uint32_t next; /* free list, + 1 */
	uint16_t len, pieces;
	struct pack_piece piece[PACK_PIECES];
	uint8_t bytes[PACK_MATCH];
};

struct pack {
	uint64_t refused; /* undecided bytes that found no room */
	/* private */
	const struct pack_conf *conf;
	struct scan *scan; /* whose host and caps */
	struct slots rows, carries;
	uint32_t cap, free, fresh; /* + 1 */
	uint8_t buffer[PACK_MATCH + 32768];
};

/* 0 or negative errno; `scan` has as many rows. */
int pack_open(struct pack *p, const struct pack_conf *conf, struct scan *scan, uint32_t rows,
	      uint32_t carries);
void pack_close(struct pack *p);

/* As scan_feed and scan_end. */
void pack_feed(struct pack *p, uint32_t row, uint64_t off, struct span bytes, uint64_t ts_ns,
	       uint64_t number);
void pack_end(struct pack *p, uint32_t row);
/* As scan_waits and scan_settle. */
bool pack_waits(const struct pack *p, uint32_t row);
void pack_settle(struct pack *p, uint32_t row, uint64_t end);

/* The match at the start of `bytes`, which begin a word; its length in *len.  *more: it may change
 * with bytes that are not there yet.  `conf` says what is looked for. */
enum pack_pattern pack_match(const struct pack_conf *conf, struct span bytes, size_t *len,
			     bool *more);

#endif
