/* SPDX-License-Identifier: MIT */
/*
 * json — an append-only writer of JSON into a buffer; no allocation, no state but the place.
 *
 * The caller makes sure of room for a whole record (record_max, record_http_max).  Text is UTF-8:
 * bytes that are not become the replacement character, controls are escaped.
 */
#ifndef USER_EVENT_JSON_H
#define USER_EVENT_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json {
	char *at;
	/* the last second written, formatted: records of one second come together */
	uint64_t second;
	char second_text[20];
};

static inline void json_raw(struct json *j, const char *text, size_t n)
{
	memcpy(j->at, text, n);
	j->at += n;
}

/* A string constant as it is: punctuation and member names. */
#define json_lit(j, text) json_raw(j, text, sizeof(text) - 1)

/* A NUL-terminated string of our own that needs no escaping. */
static inline void json_name(struct json *j, const char *text)
{
	json_raw(j, text, strlen(text));
}

void json_u64(struct json *j, uint64_t v);
/* A quoted string from anybody's bytes; at most 6 * n + 2 bytes are written. */
void json_text(struct json *j, const char *text, size_t n);
/* A quoted string in which bytes that are not printable ASCII are dots, line ends escaped. */
void json_printable(struct json *j, const uint8_t *at, size_t n);
void json_base64(struct json *j, const uint8_t *at, size_t n);
void json_hex(struct json *j, const uint8_t *at, size_t n);
void json_hex64(struct json *j, uint64_t v);
/* "2026-11-20T12:34:56.123456+0000", quoted */
void json_time(struct json *j, uint64_t ns);
/* a dotted or colon address, quoted */
void json_address(struct json *j, const uint8_t *at, int v6);

/* Bytes of the UTF-8 sequence at p (RFC 3629 section 4), of n there; 0 where it is none or ASCII.
 */
size_t json_utf8(const uint8_t *p, size_t n);

#endif
