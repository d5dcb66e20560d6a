/* SPDX-License-Identifier: MIT */
/*
 * known — the files of a watched folder by what they are (device and inode, not name): those that
 * wait, those being read, and those that were read, so that none is read twice.
 *
 * Owner:   the folder.  Rows are numbers, from 0; a row is its file's until known_forget.
 * Memory:  a row of some 130 bytes per file, a name while it waits.
 * Bounds:  `max` files; where all rows are taken the file read longest ago is forgotten, and where
 *          none was read a file is refused.  Both are counted.
 */
#ifndef USER_SOURCE_KNOWN_H
#define USER_SOURCE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWN_NONE UINT32_MAX
#define KNOWN_HEAD 512U /* first bytes that tell files apart */

enum known_state {
	KNOWN_GROWING,  /* not complete yet, as far as one can tell */
	KNOWN_COMPLETE, /* to be read */
	KNOWN_FOLLOWED, /* being read while it grows */
	KNOWN_READING,
	KNOWN_READ, /* name is NULL from here on */
};

struct known_file {
	uint64_t dev, ino, size, mtime_ns;
	enum known_state state;
	char *name;
	uint64_t seq;      /* order in which the files appeared */
	uint64_t since_ns; /* unchanged since (the machine's time) */
	uint64_t seen_ns;  /* first seen */
	bool told;         /* inotify will tell when its writer closes it */
	bool closed;       /* its writer closed it */
	bool grew;         /* was seen to */
	/* what was read of it */
	uint64_t name_sum;                 /* of the name it had */
	uint64_t packets, read_size, head; /* head: the sum of its first bytes */
	uint32_t head_len;                 /* of this many; 0: nothing was read */
	/* private */
	uint32_t chain, prev, next;
};

struct known {
	struct known_file *row;
	uint64_t forgotten, refused, last_seq;
	uint32_t open, read; /* the newest row of those not read, the oldest of those read */
	/* private */
	uint32_t *bucket;
	uint32_t n, max, free, read_last, buckets;
};

/* 0 or negative errno. */
int known_open(struct known *k, uint32_t max);
void known_close(struct known *k);

/* The row, or KNOWN_NONE. */
uint32_t known_find(const struct known *k, uint64_t dev, uint64_t ino);
/* A new row that waits (its name is copied), or KNOWN_NONE where it is refused. */
uint32_t known_add(struct known *k, uint64_t dev, uint64_t ino, const char *name);
void known_forget(struct known *k, uint32_t row);
/* Another state; one that was read gets its name with known_rename first. */
void known_set(struct known *k, uint32_t row, enum known_state state);
/* 0 or -ENOMEM: the old name stays then. */
int known_rename(struct known *k, uint32_t row, const char *name);

/* Opened anew: whether there is anything to read, and the packets to pass over, which were read
 * before.  False where it is what it was. */
bool known_compare(struct known_file *f, int fd, uint64_t *pass);

/* One that was given out under this name, of `len` bytes; KNOWN_NONE: none. */
uint32_t known_find_name(const struct known *k, const char *name, size_t len);

/* All rows that are not read, newest first: for (i = k->open; i != KNOWN_NONE; i = known_older()).
 */
static inline uint32_t known_older(const struct known *k, uint32_t row)
{
	return k->row[row].next;
}

#endif
