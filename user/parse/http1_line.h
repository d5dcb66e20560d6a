/* SPDX-License-Identifier: MIT */
/*
 * http1_line — start lines, header lines and chunk sizes of HTTP/1 (RFC 9112), one whole line at a
 * time.  Every line ends in its '\n', the scanners' sentinel; results are views into the line.
 */
#ifndef USER_PARSE_HTTP1_LINE_H
#define USER_PARSE_HTTP1_LINE_H

#include <stdbool.h>

#include "user/base/span.h"

struct http1_request_line {
	struct span method, target, version; /* version is empty for HTTP/0.9 */
};

struct http1_status_line {
	struct span version, reason;
	uint16_t status;
};

/* Headers that matter to framing or to records: X(NAME, "name"). */
#define HTTP1_HEADERS(X)                              \
	X(CONTENT_DISPOSITION, "content-disposition") \
	X(CONTENT_ENCODING, "content-encoding")       \
	X(CONTENT_LENGTH, "content-length")           \
	X(CONTENT_TYPE, "content-type")               \
	X(HOST, "host")                               \
	X(LOCATION, "location")                       \
	X(REFERER, "referer")                         \
	X(TRANSFER_ENCODING, "transfer-encoding")     \
	X(UPGRADE, "upgrade")                         \
	X(USER_AGENT, "user-agent")                   \
	X(WS_EXTENSIONS, "sec-websocket-extensions")

#define HTTP1_HEADER_ENUM(name, text) HTTP1_##name,
enum http1_header { HTTP1_NONE, HTTP1_HEADERS(HTTP1_HEADER_ENUM) HTTP1_HEADER_COUNT };
#undef HTTP1_HEADER_ENUM

/* A request line: a method that is a token, a blank, a target, and HTTP/x.y or nothing. */
bool http1_request_line(struct span line, struct http1_request_line *out);
bool http1_status_line(struct span line, struct http1_status_line *out);

/* Whether a line may be folded or one of HTTP1_HEADERS, by a letter or two; without texts, one of
 * those that framing needs.  Most lines are neither. */
static inline bool http1_is_of_interest(struct span line, bool texts)
{
	const uint8_t *p = line.at;

	if (span_len(line) < 5)
		return true;
	switch (p[0] | 0x20) {
	case 'c': /* content-..., of which content-type is a text */
		return (p[3] | 0x20) == 't' &&
		       (texts || span_len(line) < 14 || (p[8] | 0x20) != 't');
	case 't': /* transfer-encoding */
		return (p[1] | 0x20) == 'r';
	case 's': /* sec-... */
		return p[3] == '-';
	case 'u': /* upgrade, user-agent */
		return texts || (p[1] | 0x20) == 'p';
	case 'h':
	case 'l':
	case 'r':
		return texts;
	default:
		return p[0] == ' ' || p[0] == '\t';
	}
}

/* Which header a line is; its value without blanks around it.  *blank: blanks stood before the
 * colon, which some take for another header and some do not. */
enum http1_header http1_header_line(struct span line, struct span *value, bool *blank);
/* Name and value of any header line; false where there is no colon. */
bool http1_any_header(struct span line, struct span *name, struct span *value);

#define HTTP1_LENGTH_MAX (UINT64_MAX >> 1) /* what exceeds it is taken as this */

/* RFC 9112 §7.1: a chunk's size; false where the line is none.  *odd: it exceeds HTTP1_LENGTH_MAX,
 * or other bytes stand around it, which receivers read differently. */
bool http1_chunk_size(struct span line, uint64_t *size, bool *odd);
/* RFC 9110 §8.6: digits alone, or several equal ones with commas; false where it is none. */
bool http1_length(struct span value, uint64_t *length, bool *overflow);

enum http1_transfer { HTTP1_TE_OTHER, HTTP1_TE_CHUNKED, HTTP1_TE_IDENTITY };
/* What the last coding of a Transfer-Encoding is.  *odd: it is not plainly "chunked". */
enum http1_transfer http1_transfer(struct span value, bool *odd);

/* The next element of a comma-separated list, without blanks around it. */
bool http1_list_next(struct span *list, struct span *element);
struct span http1_without_parameters(struct span element);

#define HTTP1_FILENAME 1024U
/* filename* or filename of a Content-Disposition, unquoted; its length, 0 where there is none. */
size_t http1_filename(struct span value, uint8_t *out, size_t room);
/* Without the distinction of case; `lower` is in lower case. */
bool http1_is(struct span text, const char *lower);

#endif
