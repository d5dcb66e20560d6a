/* SPDX-License-Identifier: MIT */
/*
 * classify — text or binary, by the first CLASSIFY_BYTES payload bytes of a direction: binary
 * where a NUL is among them, or more than 5 % control characters (tab and line ends aside).
 */
#ifndef USER_STREAM_CLASSIFY_H
#define USER_STREAM_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLASSIFY_BYTES 1024U

enum content_kind { CONTENT_UNKNOWN, CONTENT_TEXT, CONTENT_BINARY, CONTENT_MIXED };

struct classify {
	uint16_t seen, control;
};

#define CLASSIFY_NUL 0x8000U /* in `control`: a NUL was seen */

void classify_more(struct classify *c, const uint8_t *at, size_t len);

static inline void classify_feed(struct classify *c, const uint8_t *at, size_t len)
{
	if (c->seen < CLASSIFY_BYTES)
		classify_more(c, at, len);
}

enum content_kind classify_kind(const struct classify *c);
/* Both directions together. */
enum content_kind classify_join(enum content_kind a, enum content_kind b);
const char *content_kind_name(enum content_kind kind);

#endif
