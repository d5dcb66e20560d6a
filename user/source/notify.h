/* SPDX-License-Identifier: MIT */
/*
 * notify — what the system tells of the files in a folder: made, closed by a writer, renamed in.
 *
 * Owner:   one thread at a time.
 * Borrows: a name is good until the next notify_next.
 * Bounds:  the kernel's queue (fs.inotify.max_queued_events); what it lost is one NEWS_LOST.
 */
#ifndef USER_SOURCE_NOTIFY_H
#define USER_SOURCE_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

enum news {
	NEWS_NONE,
	NEWS_SEEN, /* nobody told; it was found by looking */
	NEWS_CREATED,
	NEWS_CLOSED,
	NEWS_MOVED,
	NEWS_LOST, /* more happened than could be told */
	NEWS_GONE, /* the folder itself */
};

struct notify {
	int fd; /* to poll; -1: not open */
	size_t at, have;
	_Alignas(8) char buf[16384];
};

/* 0 or negative errno. */
int notify_open(struct notify *n, const char *folder);
void notify_close(struct notify *n);
/* The next piece of news, and the file's name where it is about one; NEWS_NONE: none now. */
enum news notify_next(struct notify *n, const char **name);

#endif
