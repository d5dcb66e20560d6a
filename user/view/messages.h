/* SPDX-License-Identifier: MIT */
/*
 * messages — an index of the messages that parsers found in streams: where each lies, and what it
 * is in a line.
 *
 * All of them are in one ring in the order they came, those of a stream linked in it.  Where the
 * ring is full the oldest message of all goes, where a stream has its share its own oldest.
 *
 * Owner:   one thread.
 * Memory:  about 100 bytes per message, touched as they come.
 * Bounds:  messages_conf; what they let go is counted per stream.
 */
#ifndef USER_VIEW_MESSAGES_H
#define USER_VIEW_MESSAGES_H

#include <stdbool.h>

#include "user/base/slots.h"
#include "user/base/span.h"

#define MESSAGE_SUMMARY 48U

enum message_protocol { MESSAGE_HTTP, MESSAGE_WEBSOCKET };
enum message_kind { MESSAGE_REQUEST, MESSAGE_RESPONSE, MESSAGE_UNKNOWN };
enum message_status { MESSAGE_COMPLETE, MESSAGE_PARTIAL, MESSAGE_ERROR };

struct message {
	uint64_t start, header_end, end; /* offsets in its direction */
	uint32_t tx_id;                  /* what belongs together has the same */
	uint8_t dir;                     /* of the flow key */
	uint8_t protocol, kind, status;  /* the enums above */
	char summary[MESSAGE_SUMMARY];   /* "GET /", "200 OK", "text": ends in a NUL, maybe cut */
};

struct messages_conf {
	uint32_t total, per_stream, streams;
};

struct messages {
	uint64_t added, dropped;
	/* private */
	struct messages_conf conf;
	struct slots ring, streams;
	uint64_t oldest, next; /* positions in the ring, never taken modulo */
};

/* 0 or negative errno. */
int messages_open(struct messages *m, const struct messages_conf *conf);
void messages_close(struct messages *m);

/* Its newest message; those before that found no room any more are dropped. */
void messages_add(struct messages *m, uint32_t stream, const struct message *message);
/* The oldest message at or behind *cursor (0 to begin), which moves behind it; NULL at the end. */
const struct message *messages_next(const struct messages *m, uint32_t stream, uint64_t *cursor);
/* How many of its messages were dropped. */
uint64_t messages_dropped(const struct messages *m, uint32_t stream);
/* All of a stream's go: the number is another one's from here on. */
void messages_forget(struct messages *m, uint32_t stream);

/* Bytes into a summary: what is no printable ASCII becomes a dot. */
void message_summarise(struct message *message, struct span first, struct span second);

#endif
