/* SPDX-License-Identifier: MIT */
/* saved — see saved.h. */
#include "user/view/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/log.h"

enum { GET_STREAM, PUT_STREAM, DROP_STREAM, GET, PUT, DROP, NEXT, COUNT, STATEMENTS };

static const char *const statements[STATEMENTS] = {
	[GET_STREAM] = "SELECT favorite, hidden, color, note FROM stream WHERE id = ?1",
	[PUT_STREAM] = "INSERT INTO stream(id, favorite, hidden, color, note) "
		       "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE SET favorite = ?2, "
		       "hidden = ?3, color = ?4, note = ?5",
	[DROP_STREAM] = "DELETE FROM stream WHERE id = ?1",
	[GET] = "SELECT text FROM item WHERE kind = ?1 AND name = ?2",
	[PUT] = "INSERT INTO item(kind, name, text) VALUES(?1, ?2, ?3) "
		"ON CONFLICT(kind, name) DO UPDATE SET text = ?3",
	[DROP] = "DELETE FROM item WHERE kind = ?1 AND name = ?2",
	[NEXT] = "SELECT seq, name, text FROM item WHERE kind = ?1 AND seq > ?2 ORDER BY seq LIMIT "
		 "1",
	[COUNT] = "SELECT count(*) FROM item WHERE kind = ?1",
};

/* From version i to i + 1; what is there already stays. */
static const char *const migrations[SAVED_VERSION] = {
	"CREATE TABLE stream(id INTEGER PRIMARY KEY, favorite INTEGER NOT NULL, "
	"hidden INTEGER NOT NULL, color INTEGER NOT NULL, note TEXT) STRICT;",
	"CREATE TABLE item(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, "
	"name TEXT NOT NULL, text TEXT NOT NULL, UNIQUE(kind, name)) STRICT;",
};

struct saved {
	sqlite3 *db;
	sqlite3_stmt *stmt[STATEMENTS];
	const char *path;
	bool failed; /* said once */
	/* ids of streams in the file, so that the others cost no question; 0 is no id of any */
	uint64_t *known;
	uint32_t size, n; /* size: a power of two, twice the ids at least */
};

static void know(struct saved *s, uint64_t id);

/* False where there is no memory: then every stream is asked for. */
static bool grow(struct saved *s)
{
	uint64_t *old = s->known;
	uint32_t size = s->size;

	s->known = calloc(size ? 2UL * size : 1024, sizeof(*s->known));
	if (!s->known) {
		s->known = old;
		return false;
	}
	s->size = size ? 2 * size : 1024;
	s->n = 0;
	for (uint32_t i = 0; i < size; i++)
		if (old[i])
			know(s, old[i]);
	free(old);
	return true;
}

static uint32_t place_of(const struct saved *s, uint64_t id)
{
	uint32_t at = (uint32_t)(id ^ id >> 32) & (s->size - 1);

	while (s->known[at] && s->known[at] != id)
		at = (at + 1) & (s->size - 1);
	return at;
}

static void know(struct saved *s, uint64_t id)
{
	if (2UL * s->n >= s->size && !grow(s))
		return;
	s->n += s->known[place_of(s, id)] == 0;
	s->known[place_of(s, id)] = id;
}

/* Nothing is saved from here on; the file stays as it is. */
static void give_up(struct saved *s, const char *why)
{
	if (!s->failed)
		log_line("--state %s: %s; what is marked is not saved", s->path, why);
	s->failed = true;
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(s->stmt[i]);
		s->stmt[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
}

static int run(struct saved *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int read_version(void *out, int n, char **values, char **names)
{
	(void)names;
	if (n == 1 && values[0])
		*(int *)out = atoi(values[0]); /* NOLINT(cert-err34-c): SQLite's own number */
	return 0;
}

static int read_id(void *saved, int n, char **values, char **names)
{
	(void)names;
	if (n == 1 && values[0])
		know(saved, (uint64_t)strtoll(values[0], NULL, 10));
	return 0;
}

/* NULL, or why not. */
static const char *migrate(struct saved *s)
{
	int version = -1;

	/* The lock first: two sensors must not both begin. */
	if (run(s, "BEGIN IMMEDIATE") != SQLITE_OK)
		return sqlite3_errmsg(s->db);
	if (sqlite3_exec(s->db, "PRAGMA user_version", read_version, &version, NULL) != SQLITE_OK)
		return sqlite3_errmsg(s->db);
	if (version > SAVED_VERSION)
		return "it was written by a newer version";
	for (; version < SAVED_VERSION; version++) {
		if (version < 0)
			return "it is damaged";
		if (run(s, migrations[version]) != SQLITE_OK)
			return sqlite3_errmsg(s->db);
	}
	if (run(s, "PRAGMA user_version = 2") != SQLITE_OK || run(s, "COMMIT") != SQLITE_OK)
		return sqlite3_errmsg(s->db);
	return NULL;
}

_Static_assert(SAVED_VERSION == 2, "as migrate() writes it");

static int read_text(void *out, int n, char **values, char **names)
{
	(void)names;
	if (n == 1 && values[0])
		snprintf(out, 16, "%s", values[0]);
	return 0;
}

/* A new file is its owner's alone.  Only a look: what is another program's, or damaged, stays as it
 * is. */
static bool is_ours(struct saved *s)
{
	const char *why = "it is no database of ours";
	int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), version = 0;
	char tables[16] = "", check[16] = "";
	struct stat st = {0};
	sqlite3 *db = NULL;

	if (fd >= 0) {
		fstat(fd, &st);
		close(fd);
		if (st.st_size == 0)
			return true;
	}
	if (fd >= 0 && st.st_size < 512) {
		give_up(s, why);
		return false;
	}
	if (sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(db, 500) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA user_version", read_version, &version, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, "SELECT count(*) FROM sqlite_master", read_text, tables, NULL) !=
		    SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA quick_check(1)", read_text, check, NULL) != SQLITE_OK) {
		why = db ? sqlite3_errmsg(db) : "out of memory";
		version = -1;
	} else if (strcmp(check, "ok") != 0) {
		why = "it is damaged";
		version = -1;
	} else if (version == 0 && strcmp(tables, "0") != 0) {
		version = -1;
	}
	for (int i = 0; version == SAVED_VERSION && i < STATEMENTS; i++) {
		sqlite3_stmt *q = NULL;

		if (sqlite3_prepare_v2(db, statements[i], -1, &q, NULL) != SQLITE_OK)
			version = -1;
		sqlite3_finalize(q);
	}
	if (version < 0)
		give_up(s, why);
	sqlite3_close(db);
	return version >= 0;
}

static void open_file(struct saved *s)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	const char *why;

	if (!is_ours(s))
		return;
	if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK) {
		give_up(s, s->db ? sqlite3_errmsg(s->db) : "out of memory");
		return;
	}
	sqlite3_busy_timeout(s->db, 500);
	if (sqlite3_db_readonly(s->db, "main") == 1) {
		give_up(s, "it cannot be written");
		return;
	}
	if (run(s, "PRAGMA journal_mode = WAL") != SQLITE_OK ||
	    run(s, "PRAGMA synchronous = NORMAL") != SQLITE_OK) {
		give_up(s, sqlite3_errmsg(s->db));
		return;
	}
	why = migrate(s);
	if (why) {
		give_up(s, why);
		return;
	}
	if (sqlite3_exec(s->db, "SELECT id FROM stream", read_id, s, NULL) != SQLITE_OK) {
		give_up(s, sqlite3_errmsg(s->db));
		return;
	}
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->stmt[i], NULL) != SQLITE_OK) {
			give_up(s, sqlite3_errmsg(s->db));
			return;
		}
}

int saved_open(struct saved **out, const char *path)
{
	struct saved *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return -ENOMEM;
	s->path = path;
	if (path)
		open_file(s);
	return 0;
}

void saved_close(struct saved *s)
{
	if (!s)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	free(s->known);
	free(s);
}

bool saved_works(const struct saved *s)
{
	return s->db != NULL;
}

/* Ready for its parameters, or NULL. */
static sqlite3_stmt *begin(struct saved *s, int which)
{
	if (!s->db)
		return NULL;
	sqlite3_reset(s->stmt[which]);
	return s->stmt[which];
}

static void write_row(struct saved *s, sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);

	sqlite3_reset(q);
	if (rc != SQLITE_DONE)
		give_up(s, sqlite3_errmsg(s->db));
}

bool saved_stream(struct saved *s, uint64_t id, struct saved_stream *out)
{
	sqlite3_stmt *q;

	*out = (struct saved_stream){0};
	if (s->size && !s->known[place_of(s, id)])
		return false;
	q = s->n || !s->size ? begin(s, GET_STREAM) : NULL;
	if (!q)
		return false;
	sqlite3_bind_int64(q, 1, (sqlite3_int64)id);
	if (sqlite3_step(q) != SQLITE_ROW)
		return false;
	out->favorite = sqlite3_column_int(q, 0);
	out->hidden = sqlite3_column_int(q, 1);
	out->color = (uint8_t)sqlite3_column_int(q, 2);
	out->note = (const char *)sqlite3_column_text(q, 3);
	return true;
}

void saved_put_stream(struct saved *s, uint64_t id, const struct saved_stream *v)
{
	bool any = v->favorite || v->hidden || v->color || v->note;
	sqlite3_stmt *q = begin(s, any ? PUT_STREAM : DROP_STREAM);

	if (!q)
		return;
	know(s, id);
	sqlite3_bind_int64(q, 1, (sqlite3_int64)id);
	if (any) {
		sqlite3_bind_int(q, 2, v->favorite);
		sqlite3_bind_int(q, 3, v->hidden);
		sqlite3_bind_int(q, 4, v->color);
		sqlite3_bind_text(q, 5, v->note, -1, SQLITE_TRANSIENT);
	}
	write_row(s, q);
}

void saved_put(struct saved *s, const char *kind, const char *name, const char *text)
{
	sqlite3_stmt *q = begin(s, text ? PUT : DROP);

	if (!q)
		return;
	sqlite3_bind_text(q, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, name, -1, SQLITE_TRANSIENT);
	if (text)
		sqlite3_bind_text(q, 3, text, -1, SQLITE_TRANSIENT);
	write_row(s, q);
}

char *saved_get(struct saved *s, const char *kind, const char *name)
{
	sqlite3_stmt *q = begin(s, GET);
	char *text = NULL;

	if (!q)
		return NULL;
	sqlite3_bind_text(q, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, name, -1, SQLITE_TRANSIENT);
	if (sqlite3_step(q) == SQLITE_ROW)
		text = strdup((const char *)sqlite3_column_text(q, 0));
	sqlite3_reset(q);
	return text;
}

bool saved_next(struct saved *s, const char *kind, int64_t *cursor, const char **name,
		const char **text)
{
	sqlite3_stmt *q = begin(s, NEXT);

	if (!q)
		return false;
	sqlite3_bind_text(q, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_int64(q, 2, *cursor);
	if (sqlite3_step(q) != SQLITE_ROW)
		return false;
	*cursor = sqlite3_column_int64(q, 0);
	*name = (const char *)sqlite3_column_text(q, 1);
	*text = (const char *)sqlite3_column_text(q, 2);
	return true;
}

uint32_t saved_count(struct saved *s, const char *kind)
{
	sqlite3_stmt *q = begin(s, COUNT);
	uint32_t n = 0;

	if (!q)
		return 0;
	sqlite3_bind_text(q, 1, kind, -1, SQLITE_STATIC);
	if (sqlite3_step(q) == SQLITE_ROW)
		n = (uint32_t)sqlite3_column_int(q, 0);
	sqlite3_reset(q);
	return n;
}
