/* SPDX-License-Identifier: MIT */
/* bytes — see bytes.h.  isa-l inflates twice as fast as zlib here. */
#include "user/source/bytes.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define IN_SIZE ((size_t)256 << 10)

enum coding { CODING_PLAIN, CODING_GZIP, CODING_ZSTD };

struct bytes {
	int fd;
	enum coding coding;
	bool eof;  /* nothing more to read from fd */
	bool mid;  /* inside a gzip member or a zstd frame */
	int fault; /* reported once what came before it was delivered */
	uint64_t taken;
	uint8_t *in;
	size_t at, have; /* unread bytes are in[at..have) */
	struct inflate_state *inflate;
	ZSTD_DStream *zstd;
};

static ssize_t read_some(int fd, uint8_t *dst, size_t n)
{
	ssize_t got;

	do
		got = read(fd, dst, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* Tops `in` up so that it holds at least one unread byte, or marks the end. */
static int refill(struct bytes *b)
{
	ssize_t got;

	if (b->at < b->have || b->eof)
		return 0;
	b->at = b->have = 0;
	got = read_some(b->fd, b->in, IN_SIZE);
	if (got < 0)
		return (int)got;
	b->have = (size_t)got;
	b->taken += (size_t)got;
	b->eof = got == 0;
	return 0;
}

/* Reads until the first 4 bytes are there: enough to tell what it is. */
static int sniff(struct bytes *b)
{
	static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

	while (b->have < 4 && !b->eof) {
		ssize_t got = read_some(b->fd, b->in + b->have, IN_SIZE - b->have);

		if (got < 0)
			return (int)got;
		b->have += (size_t)got;
		b->taken += (size_t)got;
		b->eof = got == 0;
	}
	if (b->have >= 2 && memcmp(b->in, gzip, sizeof(gzip)) == 0)
		b->coding = CODING_GZIP;
	else if (b->have >= 4 && memcmp(b->in, zstd, sizeof(zstd)) == 0)
		b->coding = CODING_ZSTD;
	return 0;
}

int bytes_open(struct bytes **out, int fd)
{
	struct bytes *b = calloc(1, sizeof(*b));
	int err = -ENOMEM;

	*out = NULL;
	if (!b) {
		close(fd);
		return -ENOMEM;
	}
	b->fd = fd;
	b->in = calloc(1, IN_SIZE);
	if (!b->in)
		goto fail;
	err = sniff(b);
	if (err < 0)
		goto fail;
	err = -ENOMEM;
	if (b->coding == CODING_GZIP) {
		b->inflate =
			calloc(1, sizeof(*b->inflate)); /* damage refers to bytes never written */
		if (!b->inflate)
			goto fail;
		isal_inflate_init(b->inflate);
		b->inflate->crc_flag = ISAL_GZIP;
	} else if (b->coding == CODING_ZSTD) {
		b->zstd = ZSTD_createDStream();
		if (!b->zstd)
			goto fail;
	}
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
	free(b->inflate);
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
	if (b->eof)
		return 0;
	got = read_some(b->fd, dst, n);
	if (got > 0)
		b->taken += (size_t)got;
	b->eof = got == 0;
	return got;
}

static ssize_t gzip_read(struct bytes *b, uint8_t *dst, size_t n)
{
	struct inflate_state *z = b->inflate;
	int err = refill(b);

	if (err < 0)
		return err;
	if (b->at == b->have && !(b->mid && z->tmp_out_processed < z->tmp_out_valid))
		return b->mid ? -ENODATA : 0;
	if (z->block_state == ISAL_BLOCK_FINISH) {
		/* Another member may follow; padding after the last one is no fault. */
		if (b->in[b->at] != 0x1f) {
			b->at = b->have;
			return 0;
		}
		isal_inflate_reset(z);
		z->crc_flag = ISAL_GZIP;
	}
	b->mid = true;
	z->next_in = b->in + b->at;
	z->avail_in = (uint32_t)(b->have - b->at);
	z->next_out = dst;
	z->avail_out = (uint32_t)n;
	err = isal_inflate(z);
	b->at = b->have - z->avail_in;
	if (z->block_state == ISAL_BLOCK_FINISH)
		b->mid = false;
	n -= z->avail_out;
	if (err != ISAL_DECOMP_OK && err != ISAL_END_INPUT) {
		b->fault = -EBADMSG;
		return n ? (ssize_t)n : -EBADMSG;
	}
	return (ssize_t)n;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through `out` */
static ssize_t zstd_read(struct bytes *b, uint8_t *dst, size_t n)
{
	ZSTD_outBuffer out = {.dst = dst, .size = n};
	ZSTD_inBuffer in;
	size_t rc;
	int err = refill(b);

	if (err < 0)
		return err;
	in = (ZSTD_inBuffer){.src = b->in, .size = b->have, .pos = b->at};
	rc = ZSTD_decompressStream(b->zstd, &out, &in);
	b->at = in.pos;
	if (ZSTD_isError(rc)) {
		b->fault = -EBADMSG;
		return out.pos ? (ssize_t)out.pos : -EBADMSG;
	}
	if (out.pos == 0 && b->eof && b->at == b->have)
		return b->mid ? -ENODATA : 0;
	b->mid = rc != 0;
	return (ssize_t)out.pos;
}

/* True where the coding has given all it has. */
static bool exhausted(const struct bytes *b)
{
	return b->eof && b->at == b->have;
}

ssize_t bytes_read(struct bytes *b, uint8_t *dst, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = b->fault;

		if (!b->fault && b->coding == CODING_PLAIN)
			got = plain_read(b, dst + done, n - done);
		else if (!b->fault && b->coding == CODING_GZIP)
			got = gzip_read(b, dst + done, n - done);
		else if (!b->fault)
			got = zstd_read(b, dst + done, n - done);
		if (got == 0 && exhausted(b)) {
			if (!b->mid)
				break;
			got = -ENODATA;
		}
		if (got < 0) {
			b->fault = (int)got;
			return done ? (ssize_t)done : got;
		}
		done += (size_t)got;
	}
	return (ssize_t)done;
}

bool bytes_compressed(const struct bytes *b)
{
	return b->coding != CODING_PLAIN;
}

uint64_t bytes_taken(const struct bytes *b)
{
	return b->taken;
}
