/* SPDX-License-Identifier: MIT */
/*
 * replay — captures through the shards: who exists, who talks to whom, and in which order it ends.
 *
 * W workers, no reader thread.  A worker takes the next block number, reads that block (source.h),
 * decodes it, settles its fragments in block order, sorts its packets into one list per owner and
 * publishes it.  Each worker handles its own lists strictly in block order, and prepares a new
 * block only when its next list is not ready.  So the order of a flow's packets is the capture's,
 * and any number of workers gives the same records.  --workers 1 does the same inline.
 *
 * Bounds: `blocks` blocks in flight; a worker waits for the slowest owner before reusing one.
 */
#ifndef USER_REPLAY_H
#define USER_REPLAY_H

#include "user/conf.h"
#include "user/shard.h"

/* What a run found, for the summary and the closing stats record. */
struct replay {
	const struct conf *conf;
	struct source *source;
	struct sink *sink;
	struct shard *shard; /* conf->workers of them */
	struct defrag *defrag;
	struct pattern_set *patterns; /* or NULL */
	struct source_totals totals;
	uint64_t started_ns, ended_ns;
	bool interrupted;
};

/* Reads everything; 0 or negative errno (logged).  Close in any case. */
int replay_run(struct replay *r, const struct conf *conf);
void replay_close(struct replay *r);

/* From a signal handler: stop at the next block; `trouble` where the user did not ask for it. */
void replay_interrupt(struct replay *r, bool trouble);

#endif
