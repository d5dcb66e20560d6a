/* SPDX-License-Identifier: MIT */
/* input — see input.h. */
#include "user/source/input.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/log.h"

#define READ_AHEAD ((size_t)256 << 10)
#define PASS_MAX   ((uint64_t)8 << 20) /* of a live capture, without a frame: some ms */

static int inputs_add(struct inputs *in, const char *path, bool named)
{
	struct input *row = realloc(in->row, (in->n + 1) * sizeof(*row));
	struct stat st;

	if (!row)
		return -ENOMEM;
	in->row = row;
	row[in->n] = (struct input){.path = strdup(path), .named = named};
	if (!row[in->n].path)
		return -ENOMEM;
	row[in->n].name = strcmp(path, "-") == 0 ? "standard input" : row[in->n].path;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		row[in->n].size = (uint64_t)st.st_size;
	in->n++;
	return 0;
}

static const char *read_error(int err)
{
	if (err == -EBADMSG)
		return "the compressed data is damaged";
	if (err == -ENODATA)
		return "the compressed data ends too early";
	if (err == -ENOBUFS)
		return "the compressed data needs a window of more than 128 MiB";
	return strerror(-err); /* NOLINT(concurrency-mt-unsafe): known numbers only */
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int folder_add(struct inputs *in, const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, visible, alphasort), err = n < 0 ? -errno : 0;
	size_t before = in->n;

	if (n < 0) {
		log_line("%s: %s", folder, read_error(err));
		in->trouble = true;
		return 0;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];
		struct stat st;

		if (err == 0 &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name) <
			    sizeof(path) &&
		    stat(path, &st) == 0 && S_ISREG(st.st_mode))
			err = inputs_add(in, path, false);
		free(names[i]);
	}
	free(names);
	if (err == 0 && in->n == before) {
		log_line("%s: no files in this folder", folder);
		in->trouble = true;
	}
	return err;
}

int inputs_find(struct inputs *in, const char *const *paths, size_t n)
{
	int err = 0;

	*in = (struct inputs){0};
	for (size_t i = 0; i < n && err == 0; i++) {
		struct stat st;

		if (strcmp(paths[i], "-") == 0 || stat(paths[i], &st) < 0 || !S_ISDIR(st.st_mode))
			err = inputs_add(in, paths[i], true);
		else
			err = folder_add(in, paths[i]);
	}
	if (err < 0)
		inputs_close(in);
	return err;
}

void inputs_close(struct inputs *in)
{
	for (size_t i = 0; i < in->n; i++) {
		input_end(&in->row[i]);
		free(in->row[i].path);
	}
	free(in->row);
	*in = (struct inputs){0};
}

void input_end(struct input *in)
{
	if (in->bytes)
		in->taken = bytes_taken(in->bytes);
	bytes_close(in->bytes);
	free(in->buf);
	in->bytes = NULL;
	in->buf = NULL;
	in->at = in->have = in->cap = 0;
	in->has_head = in->headed = false;
	in->ended = true;
}

void input_suspend(struct input *in)
{
	input_end(in);
	in->begun = false;
}

void input_grown(struct input *in)
{
	in->grows = false;
	if (in->bytes)
		bytes_grown(in->bytes);
}

/* Makes `n` bytes available at buf[at], or as many as there are.  Negative errno on trouble. */
static int input_have(struct input *in, size_t n)
{
	ssize_t got;

	if (in->have - in->at >= n)
		return 0;
	if (in->at)
		memmove(in->buf, in->buf + in->at, in->have - in->at);
	in->have -= in->at;
	in->at = 0;
	if (in->cap < n + READ_AHEAD) {
		uint8_t *buf = realloc(in->buf, n + READ_AHEAD);

		if (!buf)
			return -ENOMEM;
		in->buf = buf;
		in->cap = n + READ_AHEAD;
	}
	do { /* what is live comes in pieces */
		got = bytes_read(in->bytes, in->buf + in->have, in->cap - in->have);
		if (got < 0)
			return (int)got;
		in->have += (size_t)got;
	} while (in->live && got > 0 && in->have < n);
	return 0;
}

static void input_advance(struct input *in, size_t n)
{
	in->at += n;
	in->offset += n;
}

static bool fail(struct input *in, const char *why)
{
	if (!in->silent)
		log_line("%s: packet %llu at byte %llu: %s", in->name,
			 (unsigned long long)in->packets + 1, (unsigned long long)in->offset, why);
	in->why = why;
	in->trouble = in->ended = true;
	return false;
}

/* Passes over what was skipped, across reads.  False at the end, or where it is not there yet. */
static bool pass_over(struct input *in)
{
	uint64_t from = in->offset;

	while (in->skip) {
		size_t step = in->have - in->at;
		int err;

		if (step == 0) {
			err = input_have(in, 1);
			if (err == -EAGAIN && in->live)
				return false;
			if (err < 0)
				return fail(in, read_error(err));
			step = in->have - in->at;
			if (step == 0)
				return fail(in, in->silent ? "the stream ends inside a block"
							   : "the file ends inside a block");
		}
		if (step > in->skip)
			step = (size_t)in->skip;
		input_advance(in, step);
		in->skip -= step;
		if (in->skip && in->live && in->offset - from > PASS_MAX) {
			in->more = true;
			return false;
		}
	}
	return true;
}

/* The file's header; false as in input_begin. */
static bool read_header(struct input *in, struct ifaces *t, int err)
{
	enum format_got got;
	size_t want = 4;

	for (;;) {
		if (err == 0)
			err = input_have(in, want);
		if (err == -EAGAIN && in->live && in->have - in->at < want)
			return false;
		if (err < 0) {
			in->why = read_error(err);
			break;
		}
		got = format_begin(&in->format, t, in->buf + in->at, in->have - in->at, &in->head);
		if (got == FORMAT_SKIP) {
			in->skip = in->head.total;
			in->headed = true;
			return true;
		}
		if (got == FORMAT_NEED && in->have - in->at >= want) {
			want = (size_t)in->head.total;
			continue;
		}
		if (!in->named && got == FORMAT_BAD) {
			in->foreign = true;
			input_end(in);
			return false;
		}
		in->why = got == FORMAT_BAD        ? in->head.why
			  : in->silent             ? "the stream ends inside its header"
			  : in->have - in->at == 0 ? "the file is empty"
						   : "the file ends inside its header";
		break;
	}
	if (!in->silent)
		log_line("%s: %s", in->name, in->why);
	in->trouble = true;
	input_end(in);
	return false;
}

/* The next record with a frame. */
static bool next_frame(struct input *in, struct ifaces *t)
{
	uint64_t from = in->offset;
	size_t want = 16;

	while (!in->ended) {
		size_t have;
		int err;

		if (!pass_over(in))
			return false;
		if (in->live && in->offset - from > PASS_MAX) {
			in->more = true;
			return false;
		}
		err = input_have(in, want);
		have = in->have - in->at;
		if (err == -EAGAIN && in->live && have < want)
			return false;
		if (err < 0 && have < want)
			return fail(in, read_error(err));
		if (have == 0) {
			in->ended = true;
			return false;
		}
		switch (format_next(&in->format, t, in->buf + in->at, have, &in->head)) {
		case FORMAT_FRAME:
			in->packets++;
			in->has_head = true;
			return true;
		case FORMAT_SKIP:
			in->skip = in->head.total;
			want = 16;
			break;
		case FORMAT_NEED:
			if (have >= want && in->head.total > want) {
				want = (size_t)in->head.total;
				break;
			}
			return fail(in, in->silent ? "the stream ends inside a packet"
						   : "the file ends inside this packet");
		case FORMAT_BAD:
			return fail(in, in->head.why);
		}
	}
	return false;
}

bool input_next(struct input *in, struct ifaces *t)
{
	uint64_t from;

	if (in->has_head) {
		input_advance(in, (size_t)in->head.total);
		in->has_head = false;
	}
	in->more = false;
	if (in->ended || (!in->headed && !read_header(in, t, 0)))
		return false;
	from = in->offset;
	do {
		if (!next_frame(in, t))
			return false;
		if (in->packets > in->pass)
			return true;
		input_advance(in, (size_t)in->head.total);
		in->has_head = false;
	} while (!in->live || in->offset - from <= PASS_MAX);
	in->more = true;
	return false;
}

static bool begin(struct input *in, struct ifaces *t, uint32_t file, int fd)
{
	enum bytes_kind kind = in->grows ? BYTES_GROWING : in->live ? BYTES_LIVE : BYTES_WHOLE;
	int err = fd < 0 ? fd : bytes_open_as(&in->bytes, fd, kind);

	in->ended = in->headed = false;
	in->file = file;
	in->why = NULL;
	in->at = in->have = 0;
	in->offset = in->skip = in->packets = 0;
	in->format = (struct format){.file = file};
	in->begun = true;
	return read_header(in, t, err);
}

bool input_begin(struct input *in, struct ifaces *t, uint32_t file)
{
	int fd;

	if (strcmp(in->path, "-") == 0)
		fd = dup(STDIN_FILENO);
	else /* what is live must not wait for the other end of a FIFO */
		fd = open(in->path, O_RDONLY | O_CLOEXEC | (in->live ? O_NONBLOCK | O_NOCTTY : 0));
	return begin(in, t, file, fd < 0 ? -errno : fd);
}

bool input_begin_fd(struct input *in, struct ifaces *t, uint32_t file, int fd)
{
	return begin(in, t, file, fd);
}
