/* SPDX-License-Identifier: MIT */
/*
 * alert — patterns in a shard's streams, and in the decoded bodies in them.
 *
 * Part of the shard: called by shard.c and talk.c only, same owner, same thread.
 */
#ifndef USER_ALERT_H
#define USER_ALERT_H

#include "user/parse/http1.h"
#include "user/scan/pack.h"
#include "user/scan/scan.h"

#define ALERT_CARRY 512U /* decoded bytes kept for matches that began before those in hand */

#define ALERT_QUIET_NS 1000000000ULL
#define ALERT_QUIET    4096U

struct shard;
struct shard_run;

/* The decoded body that a direction is in. */
struct alert_body {
	uint32_t tx_id;
	uint32_t len; /* of the carry */
	uint64_t end; /* offset behind it in the body */
	uint8_t carry[ALERT_CARRY];
};

/* What a stream has of alerts. */
struct alert_stream {
	uint32_t matches; /* told */
	bool bodies;      /* decoded ones were scanned */
	uint8_t ended;    /* bit per direction: all of it was scanned */
};

/* A row in which something was found that more bytes may change. */
struct alert_quiet {
	uint64_t end, clock_ns;
	uint32_t row;
	bool body;
};

struct alerts {
	struct scan_host stream_host, body_host;
	bool on;                       /* anything is looked for */
	const struct pattern_set *set; /* in use, or NULL */
	struct scan stream, body;
	struct pack stream_pack, body_pack;
	struct slots bodies;
	struct slots streams; /* alert_stream per slot */
	uint64_t refused;     /* out of a pattern's scope */
	/* live: rows that may fall quiet, in order of time: a ring, or NULL */
	struct alert_quiet *quiet;
	uint32_t quiet_at, quiet_n;
};

/* 0 or negative errno. */
int alert_open(struct shard *s, const struct shard_run *run);
void alert_close(struct shard *s);

/* From now on these patterns, or none; a stream changes to them with its next bytes.  The set
 * before is in use until alert_retire, called between batches, has said true. */
int alert_use(struct shard *s, const struct pattern_set *set);
bool alert_retire(struct shard *s, uint32_t rows);

void alert_start(struct shard *s, uint32_t slot);
/* Bytes of a direction at `off`. */
void alert_feed(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off, struct span bytes);
/* Bytes of a body that are not those of the stream: decoded, or chunks joined. */
void alert_body(struct shard *s, uint32_t slot, uint8_t dir, const struct parse_body *p);
/* Live, and nothing came for a row for ALERT_QUIET_NS before this clock: what was found there is
 * told as it stands.  Sooner, where more than ALERT_QUIET rows wait. */
void alert_settle(struct shard *s, uint64_t clock_ns);
/* All bytes of a direction were delivered: what waits for more of them is told now. */
void alert_ended(struct shard *s, uint32_t slot, uint8_t dir);
void alert_end(struct shard *s, uint32_t slot);
uint32_t alert_count(const struct shard *s, uint32_t slot);
void alert_prefetch(const struct shard *s, uint32_t slot, uint8_t dir);

#endif
