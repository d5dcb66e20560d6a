/* SPDX-License-Identifier: MIT */
/*
 * tell — what a shard tells the world: events built from the state of its stages.
 *
 * Part of the shard: called by shard.c only, same owner, same thread.
 */
#ifndef USER_TELL_H
#define USER_TELL_H

#include "user/shard.h"

/* stream_open or stream_update, where the stream changed enough to say so. */
void tell_stream(struct shard *s, uint32_t slot);
/* The flow record; every flow has exactly one. */
void tell_flow(struct shard *s, uint32_t slot, enum flow_reason reason, uint64_t clock_ns);
/* Anomaly a was seen in a stream; reported the first time, counted always. */
void tell_anomaly(struct shard *s, uint32_t slot, enum anomaly a);
/* A transaction of a stream, and with --file-hash its bodies. */
void tell_http(struct shard *s, uint32_t slot, const struct http1_transaction *t);
void tell_websocket(struct shard *s, uint32_t slot, const struct websocket_message *m);
/* A pattern matched in a stream. */
void tell_match(struct shard *s, uint32_t slot, struct event_match *e);
/* A frame was dropped while decoding (worker 0). */
void tell_drop(struct shard *s, enum rm_drop why);
void tell_drops_pending(struct shard *s);
void tell_packet(struct shard *s, const struct block *b, uint32_t i);

/* A stream as of now, without what only its end tells. */
void tell_fill(const struct shard *s, uint32_t slot, struct event_stream *e);
/* A side of a transaction as a message; a_dir: direction of the flow key that is a to b.  False
 * where that side was not seen. */
bool tell_http_message(const struct http1_transaction *t, uint8_t side, uint8_t a_dir,
		       struct message *m);
void tell_websocket_message(const struct websocket_message *w, struct message *m);

enum stream_status tell_status(const struct shard *s, uint32_t slot);

#endif
