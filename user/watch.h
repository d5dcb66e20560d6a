/* SPDX-License-Identifier: MIT */
/*
 * watch — one stream that somebody wants to see when the input has ended: what it was, where its
 * bytes lie, its messages and matches.
 *
 * Part of the shard: filled by the worker that has the stream, read when the workers are done.
 * Bounds:  the newest WATCH_MESSAGES, the first WATCH_MATCHES; the others are counted.
 */
#ifndef USER_WATCH_H
#define USER_WATCH_H

#include "user/flow/key.h"
#include "user/parse/http1.h"
#include "user/parse/websocket.h"
#include "user/scan/scan.h"
#include "user/stream/content.h"
#include "user/view/messages.h"

#define WATCH_MESSAGES 65536U
#define WATCH_MATCHES  65536U

struct watch_match {
	uint64_t from, to;
	const char *name;
	uint8_t dir;
};

struct watch {
	uint64_t id;
	bool on, found;
	struct content_view view;
	struct flow_key key;
	bool client_hi;
	struct service service;
	uint64_t first_ns, last_ns, packets;
	struct messages messages; /* as stream 0 */
	struct watch_match *match;
	uint32_t matches, missed;
};

struct shard;

/* 0 or negative errno; nothing is watched where conf names no stream. */
int watch_open(struct shard *s);
void watch_close(struct shard *s);

/* Whether the stream in this slot is the one. */
bool watch_is(const struct shard *s, uint32_t slot);
void watch_http(struct shard *s, const struct http1_transaction *t, uint32_t slot);
void watch_websocket(struct shard *s, const struct websocket_message *w);
void watch_match(struct shard *s, const struct scan_match *m);
/* The stream ends. */
void watch_flow(struct shard *s, uint32_t slot);

#endif
