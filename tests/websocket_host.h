/* SPDX-License-Identifier: MIT */
/*
 * websocket_host — a stream of websocket.h with a host that writes down what it is told, and an
 * encoder of its own: frames, masks, deflate.
 *
 * Owner:  the test; one at a time.
 */
#ifndef TESTS_WEBSOCKET_HOST_H
#define TESTS_WEBSOCKET_HOST_H

#include <zlib.h>

#include "tests/guard.h"
#include "user/parse/coding.h"
#include "user/parse/websocket.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { ROOM = 6 << 20, LOG = 1 << 18, BODIES = 4, DECODERS = 4, MESSAGES = 4096 };
enum { FIN = 0x80, RSV1 = 0x40, MASK = 0x80 };

/* ---- what was told, as text ---- */

struct text {
	size_t n;
	char at[LOG];
};

/* "text 0-7 5 'Hello'; ", "text 0-4 cut 2 'He'; " */
void ws_note(struct text *t, const struct websocket_message *m, uint64_t body);
uint64_t ws_hash(uint64_t h, const uint8_t *at, size_t n);

#define HASH_START 0xcbf29ce484222325ULL

/* ---- the host ---- */

struct body {
	bool used, over;
	uint8_t dir;
	uint32_t tx_id;
	uint64_t next, hash;
};

struct agreed {
	bool deflate, no_context[2]; /* client, server */
	bool bodies;
	uint8_t client;
	uint32_t decoders;
	uint64_t max_bytes, max_ratio;
};

struct bench {
	struct parse_host host; /* first */
	struct agreed agreed;
	struct codings codings;
	struct websocket websocket;
	struct guard guard;
	uint32_t state;
	uint8_t dir; /* that is spoken */
	uint64_t off[2];
	struct text told[2];
	struct body body[BODIES];
	bool seen[MESSAGES]; /* ordinals */
	uint32_t anomalies;
	bool coarse;     /* how much of a damaged message was inflated is left open */
	bool damaged[2]; /* the packed one that is under way */
};

void ws_start(struct bench *b);
struct bench *ws_open(const struct agreed *a);
/* Every decoder is free again, and each of them once. */
void ws_check_decoders(struct bench *b, const char *what);
struct parse_side ws_side(struct bench *b, uint8_t dir);
void ws_feed(struct bench *b, uint8_t dir, const void *at, size_t n);
void ws_lose(struct bench *b, uint8_t dir, uint64_t n);
void ws_ended(struct bench *b, uint8_t dir);
/* The stream is over, both ends seen; ready for the next one. */
void ws_end(struct bench *b);
void ws_close(struct bench *b);

/* ---- the encoder ---- */

struct wire {
	size_t n;
	uint8_t at[ROOM];
};

void wire_hex(struct wire *w, const char *hex);
/* The payload, XORed with *mask unless that is NULL. */
void wire_frame(struct wire *w, uint8_t first, const void *at, size_t n, const uint8_t *mask);

/* RFC 7692 §7.2.1: a block of whatever kind, without the last four bytes of the flush. */
struct packer {
	z_stream z;
	size_t n;
	uint8_t at[ROOM];
};

void packer_open(struct packer *p);
void packer_part(struct packer *p, const void *at, size_t n, int flush);
/* A whole message. */
void packer_pack(struct packer *p, const void *at, size_t n, bool no_context);

/* ---- tables ---- */

extern struct wire wire[2];   /* what is fed */
extern uint8_t payload[ROOM]; /* what goes into it */

void ws_check_told(struct bench *b, uint8_t dir, const char *want, const char *what, size_t cut);
/* In two pieces, or (step) in many. */
bool ws_try_cut(struct bench *b, uint8_t dir, const struct wire *w, size_t cut, size_t step,
		const char *want, const char *what);
/* Whole, byte by byte, and cut at every place. */
void ws_try_all(struct bench *b, uint8_t dir, const struct wire *w, const char *want,
		const char *what);

struct row {
	const char *what, *hex, *want;
};

/* Each with ws_try_all. */
void ws_run_rows(const struct agreed *a, uint8_t dir, const struct row *row, size_t n);

enum { CLIENT, SERVER };

/* Notes what has to be told of a whole message.  how->fin: in one frame. */
void ws_expect(struct text *t, enum websocket_opcode opcode, size_t start, size_t end,
	       struct span bytes, const struct websocket_message *how, bool bodies);

#endif
