/* SPDX-License-Identifier: MIT */
/*
 * coding — Content-Encodings (RFC 9110 §8.4.1, RFC 7932, RFC 8878) undone while a body streams
 * through, one or several stacked.
 *
 * Owner:   one worker.
 * Memory:  arenas of address space, small ones for gzip and large ones for brotli and zstd; a
 *          decoder's memory comes from its arena and goes back when it is done.
 * Bounds:  conf; what goes beyond max_bytes or max_ratio ends the decoding (CODING_BOMB).
 */
#ifndef USER_PARSE_CODING_H
#define USER_PARSE_CODING_H

#include <stdbool.h>

#include "user/base/slots.h"
#include "user/base/span.h"

#define CODING_STACK 4U /* encodings of one body */

enum coding_kind {
	CODING_GZIP, /* or zlib or raw deflate: senders mix them up, the first byte tells */
	CODING_BROTLI,
	CODING_ZSTD,
	CODING_RAW_DEFLATE, /* as WebSocket has it: no header, and blocks without an end */
};

struct coding_conf {
	uint32_t small, large; /* decoders at a time */
	uint64_t max_bytes;    /* decoded, per body */
	uint64_t max_ratio;    /* decoded to encoded, beyond the first MiB */
};

struct codings {
	uint64_t opened, refused; /* bodies decoded, and left as they are: no decoder was free */
	/* private */
	struct coding_conf conf;
	struct slots slots[2];
	uint32_t free[2], fresh[2];
};

enum coding_got {
	CODING_MORE,  /* all input is used up */
	CODING_BYTES, /* *out holds decoded bytes; ask again */
	CODING_END,   /* the encoded data ended: *in is behind it, and is ignored from now on */
	CODING_BAD,   /* damaged */
	CODING_BOMB,  /* a bound was reached */
};

int codings_open(struct codings *c, const struct coding_conf *conf);
void codings_close(struct codings *c);

/* A decoder of n encodings, in the order they were applied; 0 where none is free. */
uint32_t coding_start(struct codings *c, const uint8_t *kinds, uint32_t n);
/* Decodes *in, which moves behind what was used.  *out is valid until the next call. */
enum coding_got coding_next(struct codings *c, uint32_t decoder, struct span *in, struct span *out);
/* Everything encoded was there: what was decoded is whole. */
bool coding_is_whole(const struct codings *c, uint32_t decoder);
/* The bounds begin anew: what comes is another message in the same context. */
void coding_renew(struct codings *c, uint32_t decoder);
/* Between two blocks of raw deflate. */
bool coding_is_between(const struct codings *c, uint32_t decoder);
/* The same after an end: another stream of blocks follows. */
void coding_again(struct codings *c, uint32_t decoder);
/* The decoder is free again. */
void coding_end(struct codings *c, uint32_t decoder);

#endif
