/* SPDX-License-Identifier: MIT */
/*
 * talk — the protocols of a shard: which one a stream speaks, which parser it has, what that is fed
 *        and says.
 *
 * Part of the shard: called by shard.c only, same owner, same thread.
 */
#ifndef USER_TALK_H
#define USER_TALK_H

#include "user/base/span.h"
#include "user/conf.h"
#include "user/parse/http1.h"
#include "user/parse/websocket.h"
#include "user/tcp/tcp.h"

#define TALK_AGAIN 65536U /* bytes read again for a parser that comes late */

struct shard;

struct talk {
	struct parse_host host;
	struct http1 http;
	struct websocket websocket;
	bool use_http, use_websocket; /* for streams from now on */
	uint32_t slot;                /* of the stream in hand */
	uint64_t told;                /* messages of the packet in hand */
	uint64_t surplus;             /* messages beyond conf chunk_messages, of all */
	uint8_t again[TALK_AGAIN];
};

/* 0 or negative errno. */
int talk_open(struct shard *s);
void talk_close(struct shard *s);

/* From now on somebody wants the bodies of messages decoded. */
void talk_bodies(struct shard *s);

/* In-order bytes of a stream: identified, and fed to its parser once it is known which; what one
 * leaves over is another protocol's. */
void talk_chunk(struct shard *s, uint32_t slot, const struct chunk *c);
/* A datagram of a stream that is not identified yet. */
void talk_datagram(struct shard *s, uint32_t slot, uint8_t dir, struct span payload);
void talk_gap(struct shard *s, uint32_t slot, uint8_t dir, uint64_t len);
/* The side's end was delivered. */
void talk_ended(struct shard *s, uint32_t slot, uint8_t dir);
/* The stream is over. */
void talk_end(struct shard *s, uint32_t slot);
void talk_prefetch(const struct shard *s, uint32_t slot);

#endif
