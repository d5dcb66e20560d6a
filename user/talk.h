/* SPDX-License-Identifier: MIT */
/*
 * talk — the parsers of a shard: which one a stream has, what it is fed, what it says.
 *
 * Part of the shard: called by shard.c only, same owner, same thread.
 */
#ifndef USER_TALK_H
#define USER_TALK_H

#include "user/base/span.h"
#include "user/conf.h"
#include "user/parse/http1.h"
#include "user/parse/websocket.h"

#define TALK_AGAIN 65536U /* bytes read again for a parser that comes late */

struct shard;

struct talk {
	struct parse_host host;
	struct http1 http;
	struct websocket websocket;
	uint32_t slot;    /* of the stream in hand */
	uint64_t told;    /* messages of the packet in hand */
	uint64_t surplus; /* messages beyond conf chunk_messages, of all */
	uint8_t again[TALK_AGAIN];
};

/* 0 or negative errno. */
int talk_open(struct shard *s);
void talk_close(struct shard *s);

/* The stream speaks `name`.  `before`: bytes of dir that were looked at and are not in the chunk
 * in hand, which begins at `off`. */
void talk_begin(struct shard *s, uint32_t slot, enum service_name name, uint8_t dir,
		struct span before, uint64_t off);
/* Bytes of a stream with a parser.  What is left over after it is through: to identify anew. */
struct span talk_feed(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off, struct span bytes);
void talk_gap(struct shard *s, uint32_t slot, uint8_t dir, uint64_t len);
/* The side's end was delivered. */
void talk_ended(struct shard *s, uint32_t slot, uint8_t dir);
/* The stream is over. */
void talk_end(struct shard *s, uint32_t slot);
void talk_prefetch(const struct shard *s, uint32_t slot);

#endif
