/* SPDX-License-Identifier: MIT */
/* exchange — what http1.c and exchange.c share: a request and its response on their way to a
 * transaction; private to HTTP/1. */
#ifndef USER_PARSE_EXCHANGE_H
#define USER_PARSE_EXCHANGE_H

#include "user/parse/http1.h"

#define EXCHANGE_HASHES 256U /* bytes of hash states per exchange */

enum exchange_method { METHOD_OTHER, METHOD_HEAD, METHOD_CONNECT };

struct exchange {
	uint32_t next; /* in its stream's queue, or of the free list; + 1 */
	uint32_t tx_id;
	struct http1_message side[2];
	struct chain text;
	uint64_t ts_ns, number;
	uint16_t status, interim;
	uint8_t method;     /* enum exchange_method */
	bool folded;        /* a text continues another */
	bool encoded[2];    /* the body's bytes lie not so in the stream */
	bool old;           /* HTTP/0.9: the response has no header */
	bool upgrade;       /* the request asks for another protocol */
	bool websocket;     /* namely this one */
	bool loose;         /* in no queue: what it would belong to was told, or had no room */
	uint32_t skip;      /* requests right before this one that found no room */
	bool no_context[2]; /* RFC 7692 §7.1: client, server */
	bool deflate;
};

/* A direction, while its messages are read. */
struct http1_dir {
	uint64_t off;      /* behind what was read */
	uint64_t line_off; /* where the line in hand begins */
	uint64_t left;     /* of the body, or the chunk */
	struct line_tail tail;
	struct line_tail kept; /* the body so far, while nothing of it is decoded */
	uint32_t exchange;     /* the message in hand belongs to; + 1, 0 = none in hand */
	uint32_t decoder;
	uint32_t header_bytes;
	uint8_t phase;  /* http1.c */
	uint8_t header; /* the one a folded line would continue */
	uint16_t flags;
	uint16_t status;
	uint8_t codings;
	uint8_t coding[CODING_STACK];
	uint8_t role;  /* enum http1_side */
	uint8_t index; /* which direction it is */
	bool known;    /* its role is certain: a start line was seen */
	bool lost;     /* messages may be missing before the next one */
	bool ended;
};

struct http1_state {
	struct http1_dir dir[2];
	uint32_t first, last;       /* queue of exchanges, + 1 */
	uint32_t queued, early;     /* early: of these, without a request so far */
	uint32_t tx_count, unasked; /* unasked: responses whose requests were given up */
	uint32_t interim;
	uint32_t skip; /* requests behind the last of the queue that found no room */
	uint32_t gone; /* responses that were told before their requests came */
};

static inline struct http1_state *http1_state(const struct http1 *h, uint32_t state)
{
	return (struct http1_state *)parser_state(&h->parser, state);
}

static inline struct exchange *exchange_at(const struct http1 *h, uint32_t entry)
{
	return (struct exchange *)h->exchanges.base + (entry - 1);
}

/* A message of this side begins: the exchange it belongs to, or 0 (no room).  lost: the other side
 * has lost messages, so a response that no request waits for will get none. */
uint32_t exchange_begin(struct http1 *h, struct http1_state *st, enum http1_side side, bool lost);
void exchange_keep(struct http1 *h, struct exchange *x, enum http1_text what, bool continued,
		   struct span text);
/* Text for the record; `continued`: of the text before. */
static inline void exchange_text(struct http1 *h, struct exchange *x, enum http1_text what,
				 bool continued, struct span text)
{
	if (h->conf.texts)
		exchange_keep(h, x, what, continued, text);
}
/* The message is over; transactions that are complete now are told. */
void exchange_done(struct http1 *h, struct http1_state *st, const struct http1_dir *d,
		   uint32_t entry, bool complete);
/* Bytes were lost, requests or responses with them: what cannot be paired any more is told. */
void exchange_lost(struct http1 *h, struct http1_state *st, enum http1_side side);
/* The stream ends: everything is told. */
void exchange_end(struct http1 *h, struct http1_state *st);

/* Bytes of the body that d is in; encoded: they lie not so in the stream. */
void exchange_body(struct http1 *h, const struct http1_dir *d, struct span bytes, bool encoded);

#endif
