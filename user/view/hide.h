/* SPDX-License-Identifier: MIT */
/*
 * hide — rules that take streams out of sight: each names a kind and a value.
 *
 * Owner:   the api thread.
 * Bounds:  HIDE_RULES rules; equal ones are one.
 * Cost:    a row is looked up in tables; only rules of hosts are tried one by one.
 */
#ifndef USER_VIEW_HIDE_H
#define USER_VIEW_HIDE_H

#include "user/view/found.h"
#include "user/view/rows.h"

#define HIDE_RULES 1000U
#define HIDE_VALUE 64U

/* X(NAME, "name", "label") */
#define HIDE_KINDS(X)                              \
	X(STREAM, "stream_id", "stream")           \
	X(SERVICE, "service", "service")           \
	X(PROTOCOL, "protocol", "protocol")        \
	X(PORT, "port", "port")                    \
	X(HOST, "host", "host")                    \
	X(CONTENT, "content_kind", "content_kind") \
	X(STATUS, "status", "status")              \
	X(PATTERN, "pattern_id", "pattern")

#define HIDE_ENUM(name, text, label) HIDE_##name,
enum hide_kind { HIDE_KINDS(HIDE_ENUM) HIDE_COUNT };
#undef HIDE_ENUM

struct hide_rule {
	uint32_t id; /* of the list, from 1, never used again */
	enum hide_kind kind;
	char value[HIDE_VALUE]; /* as it is written back */
};

struct hide {
	struct hide_rule rule[HIDE_RULES];
	uint32_t n;
	uint32_t last_id;
	/* private */
	struct hide_tables *tables;
};

int hide_open(struct hide *h);
void hide_close(struct hide *h);

/* A rule from its parts; 0, or -EINVAL after saying why. */
int hide_parse(struct hide_rule *r, const char *kind, const char *value, char *why, size_t size);
/* Adds it; the rule in the list (an equal one that was there), or NULL where the list is full. */
const struct hide_rule *hide_add(struct hide *h, const struct hide_rule *r);
bool hide_remove(struct hide *h, uint32_t id);
void hide_clear(struct hide *h);
/* Which rule hides the row: its place in the list + 1, 0 = none. */
uint16_t hide_of(const struct hide *h, const struct rows *rows, const struct found *found,
		 uint32_t row);

const char *hide_kind_name(enum hide_kind kind);
/* "service:http" */
void hide_label(const struct hide_rule *r, char out[HIDE_VALUE + 32]);

#endif
