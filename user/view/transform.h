/* SPDX-License-Identifier: MIT */
/*
 * transform — bytes of a stream made readable: a chain of steps, each with what became of it.
 *
 * Input is the whole message that a window lies in (its header first), or bytes that belong to
 * none; so scrolling does not break decoding.  A step that has nothing to do is NOOP and passes its
 * input on; the first one that fails ends the chain.
 *
 * Thread:  any; not for the packet path (it allocates).
 * Bounds:  TRANSFORM_STEPS steps; each step's output `max_bytes`, beyond which it is cut (said so).
 */
#ifndef USER_VIEW_TRANSFORM_H
#define USER_VIEW_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>

#include "user/base/span.h"

#define TRANSFORM_STEPS 8U

/* X(NAME, "name") */
#define TRANSFORMS(X)                                                                     \
	X(AUTO, "auto")                                                                   \
	X(URL_DECODE, "url_decode")                                                       \
	X(HTTP_CHUNKED, "http_chunked")                                                   \
	X(HTTP_GZIP, "http_gzip") /* any Content-Encoding */                              \
	X(GZIP, "gzip")                                                                   \
	X(DEFLATE, "deflate")                                                             \
	X(BROTLI, "brotli")                                                               \
	X(ZSTD, "zstd")                                                                   \
	X(CHARSET, "charset") /* from Content-Type, a byte-order mark, or charset:NAME */ \
	X(BASE64, "base64")                                                               \
	X(HEX, "hex")                                                                     \
	X(WEBSOCKET_DEFLATE, "websocket_deflate")                                         \
	X(JSON, "json")

#define TRANSFORM_ENUM(name, text) TRANSFORM_##name,
enum transform_kind { TRANSFORMS(TRANSFORM_ENUM) TRANSFORM_COUNT };
#undef TRANSFORM_ENUM

enum transform_status { TRANSFORM_APPLIED, TRANSFORM_NOOP, TRANSFORM_FAILED };

struct transform_chain {
	uint32_t n;
	struct {
		enum transform_kind kind;
		char charset[32]; /* of charset:NAME, else empty */
	} step[TRANSFORM_STEPS];
};

/* Steps joined by ',' '|' '+' or '>'; "raw", "none" and "" are no steps.  0, or -EINVAL after
 * saying which word is no transform. */
int transform_parse(const char *text, struct transform_chain *chain, char *why, size_t why_size);

struct transform_input {
	struct span bytes;
	size_t header; /* of these, a message's header with its blank line; 0 = no message */
};

struct transform_step {
	enum transform_kind requested, applied; /* differ for auto */
	enum transform_status status;
	size_t input_bytes, output_bytes;
	bool truncated; /* by max_bytes */
	char note[96];  /* empty, or what is to be said of it */
};

struct transform_result {
	struct span bytes; /* empty where nothing was applied, or a step failed */
	struct transform_step step[TRANSFORM_STEPS];
	uint32_t steps; /* done */
	enum transform_status status;
	uint8_t *memory; /* private */
};

/* 0, or -ENOMEM. */
int transform_run(const struct transform_chain *chain, const struct transform_input *in,
		  size_t max_bytes, struct transform_result *out);
void transform_free(struct transform_result *out);

const char *transform_name(enum transform_kind kind);
const char *transform_status_name(enum transform_status status);

#endif
