/* SPDX-License-Identifier: MIT */
/*
 * http1 — HTTP/1 messages of both directions, paired to transactions (RFC 9112, RFC 9110).
 *
 * Requests and responses are framed on their own and meet in a queue of exchanges: the nth request
 * belongs to the nth response.  Framing follows RFC 9112 §6.3; where a message could be read in two
 * ways, both readings are reported as an anomaly.  A hole inside a body of known length is stepped
 * over; any other makes the message partial, and reading goes on at the next start line.
 *
 * Owner:   one worker.
 * Memory:  a state per stream, an exchange per unanswered request, text in chains: all from pools.
 * Bounds:  http1_conf; what a bound refused is counted here and said as an anomaly.
 */
#ifndef USER_PARSE_HTTP1_H
#define USER_PARSE_HTTP1_H

#include "user/base/chain.h"
#include "user/parse/coding.h"
#include "user/parse/lines.h"
#include "user/parse/parser.h"

#define HTTP1_QUEUE      1024U       /* unanswered requests of a stream */
#define HTTP1_EARLY      16U         /* responses that wait for their request */
#define HTTP1_TEXT       (96U << 10) /* bytes of text kept per exchange */
#define HTTP1_MAX_FIELDS 512U        /* headers of an exchange in a record */

struct http1_conf {
	uint32_t states, exchanges, cells, lines;
	bool bodies;           /* somebody wants the bytes of bodies */
	uint32_t header_bytes; /* of a line, and of a message's header until it is called long */
	bool texts;            /* transactions are wanted: keep the text for them */
	bool all_headers, sha256;
	struct coding_conf coding;
};

enum http1_side { HTTP1_REQUEST, HTTP1_RESPONSE };

/* Text of an exchange; the headers among it come as name and value, one after the other. */
enum http1_text {
	HTTP1_TEXT_METHOD,
	HTTP1_TEXT_TARGET,
	HTTP1_TEXT_VERSION,
	HTTP1_TEXT_HOST,
	HTTP1_TEXT_USER_AGENT,
	HTTP1_TEXT_REFERER,
	HTTP1_TEXT_REASON,
	HTTP1_TEXT_RESPONSE_VERSION,
	HTTP1_TEXT_CONTENT_TYPE,
	HTTP1_TEXT_LOCATION,
	HTTP1_TEXT_COUNT,
	/* as often as they come; value and name are one field with a colon between them */
	HTTP1_TEXT_REQUEST_HEADER = HTTP1_TEXT_COUNT,
	HTTP1_TEXT_RESPONSE_HEADER,
	/* of the body, per side */
	HTTP1_TEXT_REQUEST_FILENAME,
	HTTP1_TEXT_RESPONSE_FILENAME,
};

enum http1_file_state { HTTP1_FILE_CLOSED, HTTP1_FILE_TRUNCATED };

/* One message of a transaction. */
struct http1_message {
	uint64_t start, header_end, end; /* offsets in its direction */
	uint64_t length;                 /* of the body, decoded */
	uint64_t wire_length;            /* as it was sent, chunk sizes included */
	uint32_t gap_bytes;
	bool seen, complete, has_body;
	bool bad;         /* its framing or its encoding is broken */
	bool file_whole;  /* decoded to its end, without holes */
	uint8_t magic[8]; /* first bytes of the body, decoded */
	uint8_t magic_len;
	uint8_t sha256[32]; /* with conf sha256, where it has a body */
};

struct http1_field {
	struct span name, value;
};

struct http1_transaction {
	uint32_t tx_id;
	uint64_t ts_ns, number; /* of the packet that completed it */
	struct http1_message side[2];
	uint16_t status, interim;
	bool complete;
	struct span text[HTTP1_TEXT_COUNT];
	struct span filename[2];
	const struct http1_field *field[2]; /* with conf all_headers */
	uint32_t fields[2];
	uint32_t text_bytes; /* of all texts together, at least */
};

struct parse_body {
	uint32_t tx_id;
	enum http1_side side;
	uint8_t dir;
	bool encoded;  /* these are not the bytes of the stream: decoded, or chunks joined */
	bool aside;    /* it comes while another one of the direction goes on */
	bool last;     /* the body is over; no bytes, encoded: some of them were */
	uint64_t off;  /* of the first byte in the decoded body */
	uint64_t hole; /* bytes lost before it that off does not count */
	struct span bytes;
};

struct http1_counts {
	uint64_t requests, responses, transactions;
	uint64_t wire_bytes, decoded_bytes; /* of bodies */
	uint64_t exchanges_refused, texts_refused;
};

struct exchange;

/* All HTTP/1 of a worker. */
struct http1 {
	struct parser parser; /* first */
	struct http1_counts counts;
	struct codings codings;
	/* private */
	struct http1_conf conf;
	struct lines lines;
	struct chain_pool texts;
	struct slots exchanges, hashes;
	uint32_t exchange_free, exchange_fresh; /* + 1 */
	struct http1_field field[HTTP1_MAX_FIELDS];
	uint8_t scratch[HTTP1_TEXT];
};

/* 0 or negative errno. */
int http1_open(struct http1 *h, const struct http1_conf *conf, struct parse_host *host);
void http1_close(struct http1 *h);

#endif
