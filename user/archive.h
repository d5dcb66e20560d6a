/* SPDX-License-Identifier: MIT */
/*
 * archive — streams that somebody may ask for, open or ended: where their bytes, messages and
 * conflicts are; and their rows on the way to the view.
 *
 * Part of the shard: called by shard.c, alert.c, talk.c and answer.c only, same owner, same thread.
 * A stream whose numbers change is marked; its row goes out at the next flush, once however often
 * it changed.  The last row of one that ended goes out at once, or waits in a small store.
 *
 * Memory:  some 100 bytes per stream, 130 more per open one.
 * Bounds:  conf max_streams over all workers: beyond them the one that ended first goes, pinned
 * ones last.  What the channel had no room for waits in a replay (counted) and is counted as not
 * shown in live capture.
 */
#ifndef USER_ARCHIVE_H
#define USER_ARCHIVE_H

#include "user/base/channel.h"
#include "user/event/ask.h"
#include "user/event/event.h"
#include "user/event/news.h"
#include "user/parse/http1.h"
#include "user/parse/websocket.h"
#include "user/scan/rescan.h"
#include "user/stream/content.h"
#include "user/view/messages.h"

#define ARCHIVE_NONE UINT32_MAX

struct shard;
struct shard_run;

/* A stream; while it is open, the rest is in its slot. */
struct archived {
	uint64_t id;
	uint64_t first_number, last_number;
	struct content_view view;
	uint32_t slot;         /* ARCHIVE_NONE: it has ended */
	uint32_t newer, older; /* of those that have ended, or (newer) the free one; + 1 */
	uint32_t queued_next;  /* + 1 */
	uint32_t evidence, rare;
	uint32_t owed; /* its last row waits here; + 1 */
	uint32_t not_shown;
	bool live, queued, pinned, ended;
	uint8_t a_dir, service; /* as told */
	uint16_t port[2];
	uint32_t since_s;
};

struct archive_counts {
	uint64_t rows, matches; /* told */
	uint64_t waits;         /* of a worker for the view, in a replay */
	/* in live capture; recounts: of services in the time line */
	uint64_t streams_not_shown, rows_lost, matches_lost, recounts_lost;
	uint64_t forgotten; /* streams let go for others */
};

struct archive {
	bool on;
	struct archive_counts counts;
	struct messages messages; /* by entry */
	struct channel *news;     /* to the view */
	struct ask_desk *desk;
	/* private */
	bool may_wait;
	bool ending; /* the input has ended: every stream has a last row */
	uint32_t cap;
	struct slots entries, opens, rares, owed;
	uint32_t fresh, free;             /* entries; + 1 */
	uint32_t newest, oldest;          /* ended; + 1 */
	uint32_t queue_first, queue_last; /* + 1 */
	uint32_t rare_fresh, rare_free;   /* + 1 */
	uint32_t owed_fresh, owed_free;   /* + 1 */
	uint64_t time_from, time_to;      /* ns: the second in hand */
	struct news_time time;            /* by service, zero or not */
	uint64_t last_flush;              /* ticks */
	/* answer.c */
	struct rescan *rescan;
	struct scan_host rescan_host;
	uint32_t rescan_entry; /* + 1, 0 = none */
	uint64_t rescan_id;    /* of its stream: the entry may have become another one's */
	struct ask *changing;  /* ASK_PATTERNS until the set before is out of use */
	uint64_t answer_due;   /* ticks */
};

/* 0 or negative errno; off where nobody can ask. */
int archive_open(struct shard *s, const struct shard_run *run);
void archive_close(struct shard *s);

void archive_start(struct shard *s, uint32_t slot, uint64_t number);
/* A packet was credited to the stream. */
void archive_packet(struct shard *s, uint32_t slot, uint64_t bytes);
/* Bytes of a direction were delivered. */
void archive_feed(struct shard *s, uint32_t slot, uint8_t dir, struct span bytes);
void archive_match(struct shard *s, uint32_t slot, const struct event_match *e);
void archive_http(struct shard *s, uint32_t slot, const struct http1_transaction *t);
void archive_websocket(struct shard *s, uint32_t slot, const struct websocket_message *m);
/* It ends: its content, parser and evidence are still there. */
void archive_end(struct shard *s, uint32_t slot, const struct event_stream *e);

/* Rows of what changed, as far as there is room; false where some are left.  force: however little
 * time has passed since the last. */
bool archive_flush(struct shard *s, bool force);

/* The stream, or NULL; *entry is its number. */
struct archived *archive_find(const struct shard *s, uint32_t entry, uint64_t id);
struct archived *archive_at(const struct archive *a, uint32_t entry);
/* Where its bytes are, open or ended. */
struct content_view archive_view(const struct shard *s, const struct archived *e);
/* Direction of the flow key that is a to b. */
uint8_t archive_a_dir(const struct shard *s, const struct archived *e);
void archive_sides(const struct shard *s, const struct archived *e, struct ask *answer);
void archive_pin(struct shard *s, uint32_t entry, bool pin);
/* A match that a rescan found. */
void archive_again(struct shard *s, uint32_t entry, const struct scan_match *m);

#endif
