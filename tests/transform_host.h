/* SPDX-License-Identifier: MIT */
/*
 * transform_host — chains run over messages that end at an unreadable page, and what holds for any
 * result; messages packed and framed by others.
 *
 * Owner:  the test; one at a time.
 */
#ifndef TESTS_TRANSFORM_HOST_H
#define TESTS_TRANSFORM_HOST_H

#include <zlib.h>

#include "tests/guard.h"
#include "user/view/transform.h"

#define ROOM   262144U
#define PLENTY 65536U

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Bytes that may hold zeros. */
struct bytes {
	const char *at;
	size_t n;
};

#define B(text)                          \
	{                                \
		(text), sizeof(text) - 1 \
	}

struct message {
	uint8_t at[ROOM];
	size_t n, header; /* header: how many of them */
};

void message_add(struct message *m, const void *at, size_t n);
void message_begin(struct message *m, const char *header);
const char *tf_status(const struct transform_step *s);
/* The input ends at the unreadable page. */
struct transform_result tf_run_chain(const struct transform_chain *chain, const uint8_t *at,
				     size_t n, size_t header, size_t max);
struct transform_result tf_run(const char *text, const uint8_t *at, size_t n, size_t header,
			       size_t max);
struct transform_result tf_run_message(const char *text, const struct message *m, size_t max);

/* ---- tables ---- */

#define OK   TRANSFORM_APPLIED
#define NOOP TRANSFORM_NOOP
#define FAIL TRANSFORM_FAILED

struct row {
	struct bytes in;
	enum transform_status is;   /* the last step */
	struct bytes out;           /* behind the header */
	const char *note;           /* part of it; NULL: it is empty */
	const char *chain, *header; /* NULL: the table's */
	size_t max;                 /* 0: enough */
};

/* A header of NULL: it is of no message. */
void tf_check_row(const char *chain, const char *header, const struct row *row);

#define CHECK_ROWS(chain, header, rows)          \
	for (size_t i = 0; i < COUNT(rows); i++) \
	tf_check_row(chain, header, &(rows)[i])

#define PLAIN_HEADER "HTTP/1.1 200 OK\r\nServer: a\r\n\r\n"
#define CHUNKED      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

#define TYPE(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\n\r\n"
#define FFFD       "\xef\xbf\xbd"

extern const char lorem[159]; /* some text */
/* zlib by window bits: 31 gzip, 15 zlib, -15 raw. */
size_t tf_pack_zlib(int bits, const void *in, size_t n, uint8_t *out, size_t cap);

enum packer { PACK_GZIP, PACK_ZLIB, PACK_RAW, PACK_BROTLI, PACK_ZSTD, PACK_COUNT };

struct packing {
	const char *step, *encoding;
};

extern const struct packing packers[PACK_COUNT];

size_t tf_pack(enum packer p, const void *in, size_t n, uint8_t *out, size_t cap);
void message_begin_encoded(struct message *m, const char *encoding, bool chunked);
void message_add_chunks(struct message *m, const uint8_t *at, size_t n, size_t step);
/* The header is in front, and behind it what was decoded. */
bool tf_decodes_to(const struct transform_result *r, const struct message *m, const char *plain,
		   size_t n);

/* ---- websocket_deflate ---- */

struct sockets {
	struct message m;
	z_stream z;
};

extern struct sockets ws;
void sockets_begin(void);
void sockets_frame(uint8_t first, bool masked, const void *payload, size_t n);
/* A compressed message (RFC 7692 §7.2.1), in frames of `step` bytes. */
void sockets_deflated(const char *text, bool takeover, bool masked, size_t step);

#endif
