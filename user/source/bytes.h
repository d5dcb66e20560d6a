/* SPDX-License-Identifier: MIT */
/*
 * bytes — a capture's bytes in order, from a file, a pipe or standard input, decompressed.
 *
 * gzip (several members) and zstd are recognised by content, not by name.
 * Owner:   one thread at a time.
 * Memory:  an input buffer of 256 KiB and the decompressor's window: 32 KiB for gzip, for zstd what
 *          the frame asks for, up to 1 << BYTES_WINDOW_LOG (what zstd(1) takes without --long).
 */
#ifndef USER_SOURCE_BYTES_H
#define USER_SOURCE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BYTES_WINDOW_LOG 27

struct bytes;

enum bytes_kind {
	BYTES_WHOLE,   /* all of it is there, or worth waiting for */
	BYTES_LIVE,    /* a read gives what there is, -EAGAIN where that is nothing now */
	BYTES_GROWING, /* the same; the end of the file is none, until bytes_grown */
};

/* Takes ownership of fd, also on failure.  0 or negative errno. */
int bytes_open(struct bytes **out, int fd);
/* What is no file, and not BYTES_WHOLE, is asked before it is read: a FIFO that nobody has opened
 * for writing yet has no end. */
int bytes_open_as(struct bytes **out, int fd, enum bytes_kind kind);
/* A growing file grows no more. */
void bytes_grown(struct bytes *b);
void bytes_close(struct bytes *b);

/* Fills dst: n bytes, or fewer only at the end (or where it is not BYTES_WHOLE: a read is then
 * through soon, whatever the data are).  Negative errno: -EBADMSG for damaged compressed data,
 * -ENODATA where it ends too early, -ENOBUFS where it asks for too large a window; all that
 * could be decompressed before the fault came before it. */
ssize_t bytes_read(struct bytes *b, uint8_t *dst, size_t n);

/* Until there is something to read, or its end, but not for longer. */
void bytes_wait(const struct bytes *b, uint64_t ns);

bool bytes_compressed(const struct bytes *b);
/* Bytes taken from the file so far (compressed ones), for progress. */
uint64_t bytes_taken(const struct bytes *b);

#endif
