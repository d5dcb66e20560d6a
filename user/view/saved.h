/* SPDX-License-Identifier: MIT */
/*
 * saved — what a person marked, in a SQLite file: favourites, hidden streams, notes, colours, hide
 * rules, patterns, preferences.  Keyed by stream id, which is the same in every replay.
 *
 * Owner:   the api thread.  A write takes some 11 us (WAL, synchronous NORMAL) and is there after
 *          SIGKILL at any time.
 * Errors:  a file that cannot be used (locked, read-only, damaged, of a newer version, no SQLite
 *          file) is said in one line, left as it is, and nothing is saved in this run.
 * Bounds:  those of who calls; what a stream has is dropped with its last mark.
 */
#ifndef USER_VIEW_SAVED_H
#define USER_VIEW_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAVED_VERSION 2

struct saved;

struct saved_stream {
	bool favorite, hidden;
	uint8_t color;
	const char *note; /* or NULL; valid until the next call */
};

/* Never fails: *out works without a file too.  path NULL: nothing is saved, and not said. */
int saved_open(struct saved **out, const char *path);
void saved_close(struct saved *s);
/* False where nothing is saved. */
bool saved_works(const struct saved *s);

/* What is known of a stream; false where that is nothing. */
bool saved_stream(struct saved *s, uint64_t id, struct saved_stream *out);
void saved_put_stream(struct saved *s, uint64_t id, const struct saved_stream *v);

/* Named texts of a kind ("preference", "hide_rule", "pattern", "profile"): NULL text removes. */
void saved_put(struct saved *s, const char *kind, const char *name, const char *text);
/* Copies the text; NULL where there is none.  The caller frees it. */
char *saved_get(struct saved *s, const char *kind, const char *name);
/* All of a kind, in the order they were put: from cursor 0 on; false at the end.  *text is valid
 * until the next call. */
bool saved_next(struct saved *s, const char *kind, int64_t *cursor, const char **name,
		const char **text);
uint32_t saved_count(struct saved *s, const char *kind);

#endif
