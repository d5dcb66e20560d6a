/* SPDX-License-Identifier: MIT */
/*
 * run — what a replay and a live capture have in common: shards, sink, patterns, and how they are
 * opened and closed.
 *
 * Owner:  the main thread; the shards belong to their workers while these run.
 * Errors: logged where they happen.
 */
#ifndef USER_RUN_H
#define USER_RUN_H

#include "user/conf.h"
#include "user/shard.h"
#include "user/source/live.h"

struct api;

struct run {
	const struct conf *conf;
	struct source *source;        /* in live capture: its interfaces only */
	struct live *live;            /* or NULL */
	struct sink *sink;            /* or NULL */
	struct shard *shard;          /* conf->workers of them */
	struct pattern_set *patterns; /* or NULL */
	/* what was counted, copied out of the workers */
	struct shard_totals *worker;  /* conf->workers of them */
	struct live_ring_stats *ring; /* live: `rings` of each worker */
	uint32_t rings;
	struct rm_hash_key key;
	struct quota flows, matches; /* what is left of the caps over all shards */
	struct source_totals totals;
	uint64_t started_ns, ended_ns;
	bool interrupted;
	_Atomic bool stopping; /* asked to before there was a source */
	bool ended;            /* all workers have */
	/* replay: shared by the shards, in block order */
	struct defrag *defrag;
	/* with --api-listen */
	struct api *api;
	struct ask_desk desk;
	struct channel *news;         /* one per worker */
	struct pattern_set *later[2]; /* sets that came while it ran, and are in use at the end */
	_Atomic bool leaving;         /* nobody is to be answered any more */
	/* The input has ended: what there is to report is reported, before the API goes on. */
	int (*report)(struct run *r);
	int status; /* of that */
	uint64_t started_ticks;
};

/* Takes the settings, compiles the patterns, draws the hash key.  0 or negative errno. */
int run_begin(struct run *r, const struct conf *conf);
/* A run that was asked to stop meanwhile stops at once.  As source_open. */
int run_source(struct run *r, const struct source_conf *conf);
/* With r->source open: sink and shards. */
int run_open(struct run *r);
void run_close(struct run *r);

/* The input has ended: reports, and waits while there is somebody to be served. */
void run_ended(struct run *r);

/* r->totals, from what was copied of the workers, or what the source says. */
void run_sum(struct run *r);

/* From a signal handler: end soon; `trouble` where the user did not ask for it. */
void run_interrupt(struct run *r, bool trouble);

#endif
