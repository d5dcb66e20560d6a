/* SPDX-License-Identifier: MIT */
/* bytes — see bytes.h. */
#include "user/source/bytes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define IN_SIZE   ((size_t)256 << 10)
#define STEP_MAX  ((size_t)1 << 30) /* zlib counts in 32 bits */
#define FRAME_MIN 5                 /* bytes that say how long a zstd frame's header is */
#define BLOCK_MIN 3                 /* RFC 8878 §3.1.1.2: a block's header */

#define TAKE_MAX ((size_t)8 << 20) /* of live data, in one read: some ms */

enum coding { CODING_UNKNOWN, CODING_PLAIN, CODING_GZIP, CODING_ZSTD };

struct bytes {
	int fd;
	enum bytes_kind kind;
	bool asks; /* whether there is something, before it reads: to read might wait */
	enum coding coding;
	bool dry;    /* nothing more now */
	bool eof;    /* nothing more to read from fd, */
	int unread;  /* because of this, where it is below 0 */
	bool mid;    /* inside a gzip member or a zstd frame */
	bool padded; /* zeros came behind a gzip member: nothing else may */
	int fault;   /* reported once what came before it was delivered */
	uint64_t taken;
	uint8_t *in;
	size_t at, have; /* unread bytes are in[at..have) */
	z_stream inflate;
	ZSTD_DStream *zstd;
	size_t hint; /* how much zstd asks for: of a block, and BLOCK_MIN of the next one */
	bool full;   /* it may still have decompressed bytes */
};

static ssize_t read_some(const struct bytes *b, uint8_t *dst, size_t n)
{
	struct pollfd ready = {.fd = b->fd, .events = POLLIN};
	ssize_t got;

	if (b->asks && poll(&ready, 1, 0) == 0)
		return -EAGAIN;
	do
		got = read(b->fd, dst, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* What a read of fd says about what comes behind. */
static void note(struct bytes *b, ssize_t got)
{
	b->dry = (got == -EAGAIN && b->kind != BYTES_WHOLE) ||
		 (got == 0 && b->kind == BYTES_GROWING);
	b->eof = got <= 0 && !b->dry;
	if (got > 0)
		b->taken += (size_t)got;
}

/* Tops `in` up so that it holds at least n unread bytes, or marks the end: a decompressor may
 * still have something to give. */
static void refill(struct bytes *b, size_t n)
{
	while (b->have - b->at < n && !b->eof && !b->dry) {
		ssize_t got;

		memmove(b->in, b->in + b->at, b->have - b->at);
		b->have -= b->at;
		b->at = 0;
		got = read_some(b, b->in + b->have, IN_SIZE - b->have);
		if (got > 0)
			b->have += (size_t)got;
		note(b, got);
		b->unread = b->eof ? (int)got : 0;
	}
}

/* Reads the first 4 bytes: enough to tell what it is, where they are there. */
static int sniff(struct bytes *b)
{
	static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd},
			     skippable[] = {0x2a, 0x4d, 0x18}; /* RFC 8878 §3.1.2 */

	refill(b, 4);
	if (b->unread < 0)
		return b->unread;
	if (b->dry && b->have < 4)
		return 0;
	b->coding = CODING_PLAIN;
	if (b->have >= 2 && memcmp(b->in, gzip, sizeof(gzip)) == 0)
		b->coding = CODING_GZIP;
	else if (b->have >= 4 &&
		 (memcmp(b->in, zstd, sizeof(zstd)) == 0 ||
		  (b->in[0] >> 4 == 5 && memcmp(b->in + 1, skippable, sizeof(skippable)) == 0)))
		b->coding = CODING_ZSTD;
	return 0;
}

static int start(struct bytes *b)
{
	if (b->coding == CODING_GZIP)
		return inflateInit2(&b->inflate, MAX_WBITS + 16) == Z_OK ? 0 : -ENOMEM;
	if (b->coding != CODING_ZSTD)
		return 0;
	b->zstd = ZSTD_createDStream();
	b->hint = FRAME_MIN;
	if (!b->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(b->zstd, ZSTD_d_windowLogMax, BYTES_WINDOW_LOG)))
		return -ENOMEM;
	return 0;
}

int bytes_open(struct bytes **out, int fd)
{
	return bytes_open_as(out, fd, BYTES_WHOLE);
}

void bytes_grown(struct bytes *b)
{
	b->kind = BYTES_LIVE;
}

int bytes_open_as(struct bytes **out, int fd, enum bytes_kind kind)
{
	struct bytes *b = calloc(1, sizeof(*b));
	struct stat st;
	int err = -ENOMEM;

	*out = NULL;
	if (!b) {
		close(fd);
		return -ENOMEM;
	}
	b->fd = fd;
	b->kind = kind;
	b->asks = kind != BYTES_WHOLE && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	b->in = calloc(1, IN_SIZE);
	if (!b->in)
		goto fail;
	err = sniff(b);
	if (err < 0)
		goto fail;
	err = start(b);
	if (err < 0)
		goto fail;
	*out = b;
	return 0;
fail:
	bytes_close(b);
	return err;
}

void bytes_close(struct bytes *b)
{
	if (!b)
		return;
	ZSTD_freeDStream(b->zstd);
	inflateEnd(&b->inflate);
	free(b->in);
	close(b->fd);
	free(b);
}

static ssize_t plain_read(struct bytes *b, uint8_t *dst, size_t n)
{
	size_t left = b->have - b->at;
	ssize_t got;

	if (left) {
		if (left > n)
			left = n;
		memcpy(dst, b->in + b->at, left);
		b->at += left;
		return (ssize_t)left;
	}
	if (b->eof || b->dry)
		return 0;
	got = read_some(b, dst, n);
	note(b, got);
	if (got < 0 && b->eof) {
		b->eof = false; /* as ever: reported, and tried again */
		return got;
	}
	return got > 0 ? got : 0;
}

/* Behind a member: another one, zeros up to the end, or nothing.  gzip(1) leaves out what else
 * comes, with a warning; of a capture it may be the damaged rest. */
static int gzip_between(struct bytes *b)
{
	if (b->in[b->at] == 0x1f && !b->padded) {
		b->mid = true;
		return inflateReset(&b->inflate) == Z_OK ? 0 : -EBADMSG;
	}
	b->padded = true;
	while (b->at < b->have && b->in[b->at] == 0)
		b->at++;
	return b->at < b->have ? -EBADMSG : 0;
}

static ssize_t gzip_read(struct bytes *b, uint8_t *dst, size_t n)
{
	z_stream *z = &b->inflate;
	int err = 0;

	refill(b, 1);
	if (!b->mid && b->at < b->have)
		err = gzip_between(b);
	if (err < 0 || !b->mid)
		return err;
	if (n > STEP_MAX)
		n = STEP_MAX;
	z->next_in = b->in + b->at;
	z->avail_in = (uInt)(b->have - b->at);
	z->next_out = dst;
	z->avail_out = (uInt)n;
	err = inflate(z, Z_NO_FLUSH);
	b->at = b->have - z->avail_in;
	b->mid = err != Z_STREAM_END;
	if (err == Z_MEM_ERROR)
		b->fault = -ENOMEM;
	else if (err != Z_OK && err != Z_STREAM_END && err != Z_BUF_ERROR)
		b->fault = -EBADMSG;
	n -= z->avail_out;
	return n ? (ssize_t)n : b->fault;
}

/* What a call finds damaged takes all with it that the call decompressed.  So zstd is given no more
 * than one block at a time, whole where it is, and none before it gave all of the last one. */
/* NOLINTNEXTLINE(readability-non-const-parameter): written through `out` */
static ssize_t zstd_read(struct bytes *b, uint8_t *dst, size_t n)
{
	ZSTD_outBuffer out = {.dst = dst, .size = n};
	ZSTD_inBuffer in = {.src = b->in};
	size_t want = b->hint > BLOCK_MIN ? b->hint - BLOCK_MIN : b->hint, rc;

	if (b->full)
		want = 0;
	if (want > IN_SIZE) /* to be skipped */
		want = IN_SIZE;
	refill(b, want);
	in.pos = b->at;
	in.size = b->have - b->at < want ? b->have : b->at + want;
	rc = ZSTD_decompressStream(b->zstd, &out, &in);
	if (ZSTD_isError(rc)) {
		ZSTD_ErrorCode why = ZSTD_getErrorCode(rc);

		return why == ZSTD_error_frameParameter_windowTooLarge ? -ENOBUFS
		       : why == ZSTD_error_memory_allocation           ? -ENOMEM
								       : -EBADMSG;
	}
	if (in.pos > b->at || out.pos)
		b->mid = rc != 0;
	b->at = in.pos;
	b->hint = rc ? rc : FRAME_MIN;
	b->full = out.pos == n;
	return (ssize_t)out.pos;
}

static ssize_t coding_read(struct bytes *b, uint8_t *dst, size_t n)
{
	switch (b->coding) {
	case CODING_GZIP:
		return gzip_read(b, dst, n);
	case CODING_ZSTD:
		return zstd_read(b, dst, n);
	case CODING_PLAIN:
		return plain_read(b, dst, n);
	case CODING_UNKNOWN:
		break;
	}
	return 0;
}

/* The first bytes of what is live may come one by one. */
static int settle(struct bytes *b)
{
	int err;

	if (b->coding != CODING_UNKNOWN)
		return 0;
	err = sniff(b);
	return err < 0 ? err : start(b);
}

/* True where there may be more, but not now, or where others have waited long enough. */
static bool pauses(const struct bytes *b, uint64_t taken)
{
	return b->kind != BYTES_WHOLE &&
	       (b->coding == CODING_UNKNOWN || (b->dry && b->at == b->have) ||
		b->taken - taken > TAKE_MAX);
}

/* True where the coding has given all it has. */
static bool exhausted(const struct bytes *b)
{
	return b->eof && b->at == b->have;
}

ssize_t bytes_read(struct bytes *b, uint8_t *dst, size_t n)
{
	uint64_t taken = b->taken;
	size_t done = 0;

	b->dry = false;
	if (!b->fault)
		b->fault = settle(b);
	while (done < n) {
		ssize_t got = b->fault ? b->fault : coding_read(b, dst + done, n - done);

		if (got == 0 && pauses(b, taken))
			return done ? (ssize_t)done : -EAGAIN;
		if (got == 0 && exhausted(b)) {
			if (b->unread < 0)
				got = b->unread;
			else if (b->mid)
				got = -ENODATA;
			else
				break;
		}
		if (got < 0) {
			b->fault = (int)got;
			return done ? (ssize_t)done : got;
		}
		done += (size_t)got;
	}
	return (ssize_t)done;
}

void bytes_wait(const struct bytes *b, uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
			     .tv_nsec = (long)(ns % 1000000000)};

	ppoll(&(struct pollfd){.fd = b->fd, .events = POLLIN}, 1, &t, NULL);
}

bool bytes_compressed(const struct bytes *b)
{
	return b->coding == CODING_GZIP || b->coding == CODING_ZSTD;
}

uint64_t bytes_taken(const struct bytes *b)
{
	return b->taken;
}
