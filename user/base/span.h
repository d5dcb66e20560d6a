/* SPDX-License-Identifier: MIT */
/*
 * span — borrowed bytes, and bounded big-endian reads from them.
 *
 * Owner:   whoever the span was borrowed from; a span dies with the packet or chunk it views.
 * Bounds:  a cursor never reads past `end`: a read that would makes it fail, and a failed cursor
 *          returns zeros and stays failed, so that several fields are read and checked once.
 */
#ifndef USER_BASE_SPAN_H
#define USER_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *at, *end;
};

static inline struct span span_of(const uint8_t *at, size_t len)
{
	return (struct span){.at = at, .end = at + len};
}

static inline size_t span_len(struct span s)
{
	return (size_t)(s.end - s.at);
}

struct cursor {
	const uint8_t *at, *end;
	bool failed;
};

static inline struct cursor cursor_of(struct span s)
{
	return (struct cursor){.at = s.at, .end = s.end};
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* The next n bytes, or NULL (and failed) where fewer are left. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
	const uint8_t *at = c->at;

	if (c->failed || n > cursor_left(c)) {
		c->failed = true;
		return NULL;
	}
	c->at += n;
	return at;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);

	return p ? *p : 0;
}

/* Unchecked loads: the caller has compared the length. */
static inline uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t load_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline uint16_t cursor_be16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p ? load_be16(p) : 0;
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p ? load_be32(p) : 0;
}

#endif
