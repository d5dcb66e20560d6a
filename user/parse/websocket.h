/* SPDX-License-Identifier: MIT */
/*
 * websocket — messages of both directions (RFC 6455), unmasked, joined from their fragments, and
 * inflated where permessage-deflate was agreed on (RFC 7692), with or without context takeover.
 *
 * Owner:   one worker.
 * Memory:  a state of about 1 KiB per stream; the decoders of its HTTP parser are shared.
 * Bounds:  conf; the payload is counted and passed on, never kept beyond WEBSOCKET_TEXT bytes.
 * A hole inside a payload is stepped over; one that takes a frame's header ends the direction, and
 * what was under way is told without `fin`.
 */
#ifndef USER_PARSE_WEBSOCKET_H
#define USER_PARSE_WEBSOCKET_H

#include "user/parse/coding.h"
#include "user/parse/parser.h"

#define WEBSOCKET_TEXT    256U /* of a message for its record */
#define WEBSOCKET_CONTROL 125U /* RFC 6455 §5.5: payload of a control frame */

enum websocket_opcode {
	WEBSOCKET_CONTINUATION,
	WEBSOCKET_TEXT_MESSAGE,
	WEBSOCKET_BINARY,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING,
	WEBSOCKET_PONG,
};

struct websocket_message {
	uint64_t ts_ns, number; /* of the packet that completed it */
	uint64_t start, end;    /* offsets in its direction, first frame to last; of one without its
				   end: behind the last byte seen */
	uint64_t length;        /* of the payload, inflated */
	uint32_t ordinal;       /* in its stream */
	uint16_t close_code;    /* 0 = none */
	uint8_t dir;
	enum websocket_opcode opcode;
	bool from_client, fin, mask, compressed;
	struct span text; /* first bytes of the payload */
};

struct websocket_conf {
	uint32_t states;
	bool bodies;              /* somebody wants payloads that do not lie so in the stream */
	struct codings *decoders; /* borrowed */
};

struct websocket {
	struct parser parser; /* first */
	uint64_t messages, frames;
	/* private */
	struct websocket_conf conf;
};

/* 0 or negative errno. */
int websocket_open(struct websocket *w, const struct websocket_conf *conf, struct parse_host *host);
void websocket_close(struct websocket *w);
/* What the handshake agreed on, for a fresh state. */
void websocket_agree(struct websocket *w, uint32_t state, const struct parse_next *next,
		     uint8_t client_dir);

const char *websocket_opcode_name(enum websocket_opcode opcode);

#endif
