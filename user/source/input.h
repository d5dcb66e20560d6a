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
	bool foreign; /* found in a folder, and no capture: left out, no trouble */
};

struct inputs {
	struct input *row;
	size_t n;
	bool trouble; /* something was missing or no capture; it was logged */
};

/* Files and folders (one level, by name, hidden files left out) as given. */
int inputs_find(struct inputs *in, const char *const *paths, size_t n);
void inputs_close(struct inputs *in);

/* Opens and reads the file's header.  False where it is no capture: logged, unless it is foreign.
 */
bool input_begin(struct input *in, struct ifaces *t, uint32_t file);
void input_end(struct input *in);

/* The next frame is in head, its bytes at input_frame(); false at the end, whatever its cause. */
bool input_next(struct input *in, struct ifaces *t);

static inline const uint8_t *input_frame(const struct input *in)
{
	return in->buf + in->at + in->head.at;
}

#endif
