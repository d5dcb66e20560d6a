/* SPDX-License-Identifier: MIT */
/*
 * feed — a source as it runs: the frames it gave so far, a letter each, and what it said.
 *
 * Owner:  the test; one thread, one feed at a time.
 */
#ifndef TESTS_FEED_HOST_H
#define TESTS_FEED_HOST_H

#include "tests/guard.h"
#include "tests/packets.h"
#include "user/source/source.h"

enum { LETTERS = 4096, PATIENCE_S = 20 };

/* A source as it runs: a letter for each frame read, which is its first byte. */
struct feed {
	struct source *source;
	struct block b;
	char letters[LETTERS];
	uint16_t iface[LETTERS];
	uint32_t n;
	bool ended, opened;
	uint64_t idle_ns, clock_ns;
	char *said_path;
	int said, kept;
	char text[1 << 16]; /* what was said */
};

extern struct feed feed;

/* Paths: the caller's to free; those of in_folder are good for three more calls. */
char *folder_new(const char *name);
const char *in_folder(const char *folder, const char *name);
void write_all(int fd, const void *bytes, size_t n);
void write_file(const char *path, const void *bytes, size_t n);
/* A capture with a packet for each letter, the first at this second, the others a second later
 * each. */
struct file capture(uint32_t second, const char *letters);
void put_capture(const char *path, uint32_t second, const char *letters);

/* What is said goes to a file until feed_close. */
void feed_open(struct source_conf conf);
void feed_fill(void);
/* Reads until there were so many frames, or it took far too long. */
void feed_until(uint32_t frames);
void feed_until_said(const char *what, uint32_t times);
void feed_until_end(void);
/* A few empty blocks: what may not be read is not. */
void feed_idle(void);
const char *feed_said(void);
uint32_t feed_said_times(const char *what);
/* Stops, and takes stderr back: these were the letters, and trouble or none. */
/* It could not be opened, and this was said. */
void feed_refused(const char *what);
void feed_close(const char *letters, bool trouble, const char *why);

#endif
