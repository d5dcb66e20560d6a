/* SPDX-License-Identifier: MIT */
/*
 * parser — what all protocol parsers have in common: a stream's bytes in, messages out.
 *
 * A parser is a row of functions (parser_ops) and the size of its state per stream; a worker has
 * one instance of each, which holds the states.  It is called with every in-order byte once and
 * with every hole, and tells its host what it finds while it is called; everything pointed at is
 * borrowed for that call.  Which parser a stream gets is said by identification (identify.h): one
 * scan of the first bytes instead of one per parser.
 *
 * Owner:   one worker.
 * Bounds:  `states` streams at a time, the rest is refused and counted.
 * Errors:  a parser that cannot go on says PARSE_BAD and is not called again for the stream; one
 *          that is through says PARSE_DONE: what follows is identified anew, or goes to the parser
 *          of the service that it names (Upgrade, CONNECT, STARTTLS).
 */
#ifndef USER_PARSE_PARSER_H
#define USER_PARSE_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/anomaly.h"
#include "user/base/slots.h"
#include "user/base/span.h"
#include "user/stream/service.h"

enum parse_got { PARSE_MORE, PARSE_DONE, PARSE_BAD };

/* One direction of a stream.  Offsets count from its first byte. */
struct parse_side {
	uint8_t dir; /* of the flow key */
	bool from_client;
};

/* What becomes of the stream behind PARSE_DONE. */
struct parse_next {
	enum service_name service; /* SERVICE_UNKNOWN: to be identified anew */
	uint64_t behind_request;   /* where the other side goes on in that; 0: not known */
	bool deflate;              /* websocket: RFC 7692 was agreed on, */
	bool no_context[2];        /* and these directions take no context over */
};

struct http1_transaction;
struct parse_body;
struct websocket_message;

/* Whoever wants to know what parsers find. */
struct parse_host {
	/* A request with its response, or what there is of them. */
	void (*http)(struct parse_host *host, const struct http1_transaction *t);
	/* Bytes of a body, decoded, in order; NULL where nobody wants them. */
	void (*body)(struct parse_host *host, const struct parse_body *b);
	void (*websocket)(struct parse_host *host, const struct websocket_message *m);
	void (*anomaly)(struct parse_host *host, enum anomaly a);
};

struct parser;

struct parser_ops {
	const char *name;
	enum service_name service; /* that it speaks */
	size_t state_bytes;
	void (*start)(struct parser *p, uint32_t state);
	/* The side is not heard from its first byte on, but from offset `off`. */
	void (*midstream)(struct parser *p, uint32_t state, struct parse_side side, uint64_t off);
	/* *bytes begin at offset `off`.  PARSE_DONE: bytes->at has moved to what is left. */
	enum parse_got (*feed)(struct parser *p, uint32_t state, struct parse_side side,
			       uint64_t off, struct span *bytes, struct parse_next *next);
	void (*gap)(struct parser *p, uint32_t state, struct parse_side side, uint64_t len);
	/* Nothing comes any more from this side; whole: its end was seen. */
	void (*ended)(struct parser *p, uint32_t state, struct parse_side side, bool whole);
	/* The stream is over: what is unfinished is told. */
	void (*end)(struct parser *p, uint32_t state);
};

/* An instance, embedded in the parser's own struct as its first member. */
struct parser {
	const struct parser_ops *ops;
	struct parse_host *host;
	uint64_t refused; /* streams without a parser: no state was free */
	/* of the packet in hand, set by the worker */
	uint64_t ts_ns, number;
	/* private */
	struct slots states;
	uint32_t cap, free, fresh; /* + 1 */
};

/* 0 or negative errno. */
int parser_open(struct parser *p, const struct parser_ops *ops, struct parse_host *host,
		uint32_t states);
void parser_close(struct parser *p);

static inline uint8_t *parser_state(const struct parser *p, uint32_t state)
{
	return p->states.base + (size_t)(state - 1) * p->states.stride;
}

/* A fresh state, or 0. */
uint32_t parser_start(struct parser *p);
/* Tells what is unfinished; the state is free again. */
void parser_end(struct parser *p, uint32_t state);

#endif
