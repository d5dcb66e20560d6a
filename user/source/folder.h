/* SPDX-License-Identifier: MIT */
/*
 * folder — a watched folder: which capture files in it are complete, and which grow.
 *
 * Complete is what its writer closed, what was renamed into the folder, and what inotify says
 * nothing about (there at the start, links, NFS) and has not changed for `settle_ns`.  Hidden
 * files, *.tmp and *.part, and whatever is no regular file are left out.  A file read already and
 * longer now is given out again, with the number of packets to pass over.  X.gz and X.zst are left
 * out where X was read and is as old (tcpdump -z gzip).
 *
 * Owner:   whoever has the source's turn.
 * Bounds:  KNOWN files (known.h).  The folder is looked through every settle_ns, and no more than
 *          a hundredth of the time.
 * Errors:  each is one line; folder_trouble says that there was one.
 */
#ifndef USER_SOURCE_FOLDER_H
#define USER_SOURCE_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#define FOLDER_FILES     65536U
#define FOLDER_SETTLE_NS 2000000000ULL /* a writer that pauses for longer is rare */

struct folder_conf {
	const char *path;
	const char *only; /* NULL, or the one file in it that counts: complete once it is closed */
	bool follow;      /* give out files that grow, too */
	uint64_t settle_ns; /* 0: FOLDER_SETTLE_NS */
	uint32_t max_files; /* 0: FOLDER_FILES */
};

struct folder_file {
	char *path; /* the caller's to free */
	int fd;     /* the caller's to close */
	uint64_t size;
	uint64_t pass; /* packets of it that were read before */
	uint32_t row;
	bool grows;
};

/* How a file that is followed goes on. */
enum folder_growth {
	FOLDER_GROWS,
	FOLDER_CLOSED,    /* by its writer, and a newer one is there: what is left, then its end */
	FOLDER_REPLACED,  /* or removed: the same; said */
	FOLDER_TRUNCATED, /* what was not read is gone; said */
};

struct folder;

/* 0, or negative errno after a line. */
int folder_open(struct folder **out, const struct folder_conf *conf);
void folder_close(struct folder *f);

const char *folder_path(const struct folder *f);
/* To poll for reading; -1 where there is nothing to poll. */
int folder_fd(const struct folder *f);
bool folder_trouble(const struct folder *f);

/* Looks what is new at this time of the machine.  False once the folder is gone (said). */
bool folder_turn(struct folder *f, uint64_t now_ns);
/* The order of files that came together is not known before all of them are begun: more of them
 * are to be had, or will be once those that were there at the start have settled. */
bool folder_gives(const struct folder *f, uint64_t now_ns);
/* Files have come, and others may yet, in a moment. */
bool folder_gathers(const struct folder *f);
/* The next file to read, by name within those that came together. */
bool folder_next(struct folder *f, uint64_t now_ns, struct folder_file *out);
/* `taken`: bytes of it that were read. */
enum folder_growth folder_growth(struct folder *f, const struct folder_file *file, uint64_t taken);
/* It was read: this many bytes, and packets, those passed over included. */
void folder_done(struct folder *f, const struct folder_file *file, uint64_t taken,
		 uint64_t packets);
/* The same of a file that was read elsewhere, before anything of the folder. */
void folder_was_read(struct folder *f, const char *path, uint64_t taken, uint64_t packets);
/* Files whose reading was forgotten, or that found no room. */
uint64_t folder_forgotten(const struct folder *f);
uint64_t folder_refused(const struct folder *f);

#endif
