/* SPDX-License-Identifier: MIT */
/*
 * input — the files of a run: found, opened, and read one frame after another.
 *
 * Owner:   whoever has the source's turn.
 * Bounds:  a reader holds one record (at most 1 MiB) and 256 KiB of read-ahead; only files whose
 *          time has come are open.
 */
#ifndef USER_SOURCE_INPUT_H
#define USER_SOURCE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/source/bytes.h"
#include "user/source/format.h"

struct input {
	char *path;
	const char *name; /* for messages and records */
	bool named;       /* given by the user, not found in a folder */
	uint64_t size;    /* 0 where unknown */
	/* the file as it is being read */
	struct bytes *bytes;
	struct format format;
	uint8_t *buf;
	size_t at, have, cap;
	uint64_t offset;  /* of buf[at] in the (decompressed) capture */
	uint64_t skip;    /* bytes of the capture still to pass over */
	uint64_t packets; /* frames delivered */
	struct record head;
	bool has_head, ended, begun, trouble;
	bool foreign;    /* found in a folder, and no capture: left out, no trouble */
	uint32_t file;   /* its number in the run */
	bool headed;     /* the file's header was read */
	const char *why; /* what was wrong */
	/* where it may have nothing now: set before input_begin */
	bool live;
	bool grows;     /* the end of the file is none, until input_grown */
	bool silent;    /* the caller says what was wrong */
	bool more;      /* there is nothing yet, but it need not be waited for */
	uint64_t pass;  /* frames to pass over: they were read before */
	uint64_t taken; /* bytes of the file, once it was closed */
};

struct inputs {
	struct input *row;
	size_t n;
	bool trouble; /* something was missing or no capture; it was logged */
};

/* Files and folders (one level, by name, hidden files left out) as given. */
int inputs_find(struct inputs *in, const char *const *paths, size_t n);
void inputs_close(struct inputs *in);

/* Opens and reads the file's header.  False where it is no capture: logged, unless it is foreign;
 * or where it is live and the header is not all there: then not in->ended, and input_next goes on.
 */
bool input_begin(struct input *in, struct ifaces *t, uint32_t file);
/* The same for a descriptor that is open; takes it, also on failure. */
bool input_begin_fd(struct input *in, struct ifaces *t, uint32_t file, int fd);
void input_end(struct input *in);
/* Closes it until input_begin: only the time of its next frame is kept. */
void input_suspend(struct input *in);
/* A growing file grows no more. */
void input_grown(struct input *in);

/* The next frame is in head, its bytes at input_frame(); false at the end, whatever its cause, and
 * where it is live and there is none now: then not in->ended. */
bool input_next(struct input *in, struct ifaces *t);

static inline const uint8_t *input_frame(const struct input *in)
{
	return in->buf + in->at + in->head.at;
}

#endif
