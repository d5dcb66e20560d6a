/* SPDX-License-Identifier: MIT */
/*
 * extract — HTTP bodies as files (--extract-files), decoded, named by their SHA-256.
 *
 * A body is appended to a file of its own while it streams by, and gets its name when its
 * transaction is told.  index.jsonl has a line for each body: which stream and transaction, where
 * from, how large, whether whole.  Files never take a name from the traffic.
 *
 * Part of the shard: same owner, same thread; workers share the folder.
 */
#ifndef USER_EXTRACT_H
#define USER_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "user/parse/http1.h"

#define EXTRACT_LINE (6 * HTTP1_TEXT + 4096U)

struct extract {
	bool on, failed; /* failed: said once */
	int folder, index;
	uint64_t files, bytes;
	char line[EXTRACT_LINE]; /* of the index, while it is written */
};

struct shard;

/* 0 or negative errno (said). */
int extract_open(struct shard *s);
void extract_close(struct shard *s);
void extract_body(struct shard *s, uint32_t slot, const struct parse_body *b);
void extract_http(struct shard *s, uint32_t slot, const struct http1_transaction *t);

#endif
