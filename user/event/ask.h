/* SPDX-License-Identifier: MIT */
/*
 * ask — what a shard may be asked, and how: ids in, bounded copies out.
 *
 * A desk has a fixed number of sheets.  The asking thread takes one, fills in the question and
 * sends its number to a worker; the worker writes the answer on the sheet and sends it back.
 * Whoever has the number owns the sheet: nobody waits for a lock, nothing is allocated.
 *
 * Threads: ask_take, ask_send, ask_next, ask_put by the asking thread alone; ask_receive and
 *          ask_answer by the worker asked.
 * Bounds:  ASK_SHEETS at a time (NULL beyond), ASK_ROOM bytes of answer each.
 */
#ifndef USER_EVENT_ASK_H
#define USER_EVENT_ASK_H

#include "user/base/ring.h"
#include "user/base/slots.h"
#include "user/event/news.h"

#define ASK_SHEETS   64U
#define ASK_ROOM     (320U << 10)
#define ASK_SEGMENTS 1024U /* in one answer */
#define ASK_TURNS    512U
#define ASK_MESSAGES 512U
#define ASK_BYTES    65536U
#define ASK_WORKERS  64U

enum ask_kind {
	ASK_DETAIL,   /* rare counters, holes, conflicts */
	ASK_CONTENT,  /* bytes of a window */
	ASK_TURNS_OF, /* both directions in the order they were delivered */
	ASK_MESSAGES_OF,
	ASK_MESSAGE_AT, /* the bounds of the message around an offset */
	ASK_KEEP,       /* it is of interest: let go of others first; keep = false: no longer */
	ASK_TOTALS,     /* all that the shard counts */
	ASK_PATTERNS,   /* from now on look for these */
	ASK_RESCAN,     /* a slice of what is kept, with the patterns in use */
	ASK_AGAIN,      /* the same of one stream, whose matches were not all shown */
	ASK_ANALYZERS,  /* from now on use these parsers for new streams */
};

enum ask_status {
	ASK_GOOD,
	ASK_GONE, /* the stream is no longer kept */
};

/* A piece of a direction, in the room from `at` on where it is data (ASK_CONTENT, ASK_TURNS_OF). */
struct ask_segment {
	uint64_t off, len;
	uint64_t ts_ns, number; /* of the packet with its first byte; 0: not known */
	uint64_t place;         /* in the capture, UINT64_MAX = nowhere */
	uint32_t at, have;      /* data: where, and how much of it could be had */
	uint8_t kind;           /* enum segment_kind */
	uint8_t dir;            /* 0 is a to b */
};

struct ask_conflict {
	uint64_t off, number;
	uint16_t len;
	uint8_t dir;
	bool loser_is_new;
	uint8_t bytes[64];
};

struct ask_message {
	uint64_t start, header_end, end;
	uint64_t cursor;         /* to go on behind it */
	uint32_t tx_id, ordinal; /* ordinal: among those that are kept, from 0 */
	uint8_t dir, protocol, kind, status;
	char summary[48];
	uint32_t at, have; /* its header, or its first bytes, in the room */
};

/* What a direction rarely has. */
struct ask_side {
	uint64_t gap_bytes, cut_bytes, retransmitted_bytes, overlap_bytes, conflict_bytes;
	uint32_t gap_count, out_of_order;
};

struct ask_anomaly {
	uint32_t which, count;
};

struct pattern_set;

struct ask {
	/* the question */
	enum ask_kind kind;
	uint64_t stream;
	uint32_t entry;
	uint16_t worker;
	uint8_t dir; /* 0 is a to b */
	uint64_t from, to;
	uint64_t other;                 /* ASK_TURNS_OF: where b to a begins */
	int32_t protocol, what, status; /* ASK_MESSAGES_OF: -1 any; `what` is its kind */
	int32_t side;
	uint32_t limit;
	bool keep;
	const struct pattern_set *patterns;
	int8_t http, websocket; /* ASK_ANALYZERS: -1 as it is, else whether it is used */
	/* the answer */
	enum ask_status got;
	uint32_t n, total;
	uint64_t next[2]; /* where to go on */
	bool more;
	uint64_t dropped; /* messages that were let go */
	struct ask_side sides[2];
	struct ask_anomaly anomaly[ANOMALY_COUNT];
	uint32_t anomalies;
	uint64_t first_number, last_number;
	uint64_t scanned, to_scan; /* ASK_RESCAN: streams */
	uint32_t used;             /* of the room */
	union {
		struct ask_segment segment[ASK_SEGMENTS];
		struct ask_message message[ASK_MESSAGES];
	};
	struct ask_conflict conflict[64];
	uint32_t conflicts;
	uint8_t room[ASK_ROOM];
	/* the asking thread's */
	bool taken;
};

struct ask_way {
	struct ring to, back;
	int wake; /* eventfd that the worker may sleep on */
};

struct ask_desk {
	struct slots sheets;
	struct ask_way *way; /* per worker */
	uint32_t workers;
	int answered; /* eventfd: answers or news wait for the asking thread */
};

/* 0 or negative errno. */
int ask_open(struct ask_desk *d, uint32_t workers);
void ask_close(struct ask_desk *d);

/* A free sheet with everything zero but the room, or NULL. */
struct ask *ask_take(struct ask_desk *d);
void ask_put(struct ask *a);
/* To a->worker. */
void ask_send(struct ask_desk *d, struct ask *a);
/* The next sheet that came back, or NULL. */
struct ask *ask_next(struct ask_desk *d);

struct ask *ask_receive(struct ask_desk *d, uint32_t worker);
void ask_answer(struct ask_desk *d, uint32_t worker, struct ask *a);
/* The worker looks around. */
void ask_wake(const struct ask_desk *d, uint32_t worker);
/* Sleeps until there may be a question, or for some ms. */
void ask_wait(const struct ask_desk *d, uint32_t worker, int ms);

#endif
