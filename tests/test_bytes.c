/* SPDX-License-Identifier: MIT */
/*
 * bytes — plain, gzip and zstd files, whole, cut at each byte and damaged at each byte, against
 * zlib given a byte and zstd given a block at a time: what these give before a fault comes, all of
 * it and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/source/bytes.h"

enum { PAYLOAD = 5000, ROOM = 1 << 16, LONG = 300000, LONG_ROOM = 1 << 20 };

static uint8_t payload[PAYLOAD];

static void make_payload(void)
{
	struct dice d = dice_of(41);

	for (size_t i = 0; i < PAYLOAD; i++)
		payload[i] = (uint8_t) "abcdefgh"[dice_below(&d, 2) ? i % 8 : dice_below(&d, 8)];
}

struct how {
	int level, strategy;
	gz_header *head; /* or NULL */
};

static size_t deflated(const uint8_t *at, size_t n, struct how how, uint8_t *out, size_t room)
{
	z_stream z = {.next_in = (Bytef *)at, .avail_in = (uInt)n};

	CU_ASSERT_EQUAL_FATAL(
		deflateInit2(&z, how.level, Z_DEFLATED, MAX_WBITS + 16, 9, how.strategy), Z_OK);
	if (how.head)
		CU_ASSERT_EQUAL(deflateSetHeader(&z, how.head), Z_OK);
	z.next_out = out;
	z.avail_out = (uInt)room;
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

static size_t gzip(const uint8_t *at, size_t n, uint8_t *out, size_t room)
{
	return deflated(at, n, (struct how){.level = 6}, out, room);
}

static size_t zstd_as(const uint8_t *at, size_t n, int level, int checksum, uint8_t *out,
		      size_t room)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t len;

	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
	len = ZSTD_compress2(c, out, room, at, n);
	ZSTD_freeCCtx(c);
	CU_ASSERT_FALSE(ZSTD_isError(len));
	return len;
}

static size_t zstd(const uint8_t *at, size_t n, uint8_t *out, size_t room)
{
	return zstd_as(at, n, 3, 1, out, room);
}

static int open_memory(const uint8_t *file, size_t n)
{
	int fd = memfd_create("bytes", MFD_CLOEXEC);

	CU_ASSERT_EQUAL(write(fd, file, n), (ssize_t)n);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Reads all in steps; what came, and the error that ended it (0: the end). */
static ssize_t read_all(int fd, size_t step, uint8_t *out, size_t *n)
{
	struct bytes *b;
	ssize_t got = bytes_open(&b, fd);

	*n = 0;
	if (got < 0)
		return got;
	do {
		size_t room = ROOM - *n < step ? ROOM - *n : step;

		got = bytes_read(b, out + *n, room);
		if (got > 0)
			*n += (size_t)got;
		if (got > 0 && (size_t)got < room) { /* fewer only at the end, or before a fault */
			uint8_t more;

			got = bytes_read(b, &more, 1);
			CHECK(got <= 0, "%zd bytes behind the last ones", got);
		}
	} while (got > 0 && *n < ROOM);
	bytes_close(b);
	return got;
}

struct sample {
	const char *name;
	size_t n, expect;
	uint8_t at[ROOM / 2], expected[2 * PAYLOAD];
};

/* How each coding looks: one part, two parts, nothing inside. */
static void make_samples(struct sample *s)
{
	make_payload();
	memset(s, 0, 6 * sizeof(*s));
	s[0].name = "plain";
	memcpy(s[0].at, payload, PAYLOAD);
	s[0].n = PAYLOAD;
	s[1].name = "gzip";
	s[1].n = gzip(payload, PAYLOAD, s[1].at, sizeof(s[1].at));
	s[2].name = "gzip of two members";
	s[2].n = gzip(payload, PAYLOAD, s[2].at, sizeof(s[2].at));
	s[2].n += gzip(payload, PAYLOAD, s[2].at + s[2].n, sizeof(s[2].at) - s[2].n);
	s[3].name = "zstd";
	s[3].n = zstd(payload, PAYLOAD, s[3].at, sizeof(s[3].at));
	s[4].name = "zstd of two frames";
	s[4].n = zstd(payload, PAYLOAD, s[4].at, sizeof(s[4].at));
	s[4].n += zstd(payload, PAYLOAD, s[4].at + s[4].n, sizeof(s[4].at) - s[4].n);
	s[5].name = "gzip of nothing";
	s[5].n = gzip(payload, 0, s[5].at, sizeof(s[5].at));
	for (int i = 0; i < 5; i++) {
		s[i].expect = PAYLOAD * (i == 2 || i == 4 ? 2 : 1);
		memcpy(s[i].expected, payload, PAYLOAD);
		memcpy(s[i].expected + PAYLOAD, payload, PAYLOAD);
	}
}

static struct sample samples[6];

static void test_whole_files_in_any_step(void)
{
	static const size_t steps[] = {1, 7, 512, 4096, ROOM};
	static uint8_t out[ROOM];

	make_samples(samples);
	for (int i = 0; i < 6; i++) {
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			size_t n;
			ssize_t rc = read_all(open_memory(samples[i].at, samples[i].n), steps[k],
					      out, &n);

			CHECK(rc == 0 && n == samples[i].expect &&
				      memcmp(out, samples[i].expected, n) == 0,
			      "%s in steps of %zu: %zu bytes, then %zd", samples[i].name, steps[k],
			      n, rc);
		}
	}
}

static void test_every_truncation(void)
{
	static uint8_t out[ROOM];

	make_samples(samples);
	for (int i = 1; i < 6; i++) {
		size_t whole = samples[i].expect > PAYLOAD ? samples[i].n / 2 : 0;

		for (size_t size = 4; size < samples[i].n; size++) {
			size_t n;
			ssize_t rc = read_all(open_memory(samples[i].at, size), 700, out, &n);

			if (size == whole) /* the first of two parts, whole */
				CHECK(rc == 0 && n == PAYLOAD, "%s, half of it: %zd",
				      samples[i].name, rc);
			else
				CHECK(rc == -ENODATA && n <= samples[i].expect &&
					      memcmp(out, samples[i].expected, n) == 0,
				      "%s cut at %zu of %zu: %zu bytes, then %zd", samples[i].name,
				      size, samples[i].n, n, rc);
		}
	}
}

/* A damaged file may give a part of what it held, but never something else as if it were well. */
static void test_every_damaged_byte(void)
{
	static uint8_t out[ROOM];

	make_samples(samples);
	for (int i = 1; i < 4; i += 2) {
		for (size_t at = 4; at < samples[i].n; at++) {
			size_t n;
			ssize_t rc;

			samples[i].at[at] ^= 0x40;
			rc = read_all(open_memory(samples[i].at, samples[i].n), 512, out, &n);
			samples[i].at[at] ^= 0x40;
			CHECK(rc == -EBADMSG || rc == -ENODATA ||
				      (rc == 0 && n == PAYLOAD && memcmp(out, payload, n) == 0),
			      "%s damaged at %zu: %zu bytes, then %zd", samples[i].name, at, n, rc);
		}
	}
}

/* ---- against the libraries ---- */

struct told {
	int rc; /* 0: the end; 1: more than there is room for */
	size_t n, room;
	uint8_t *at;
};

/* RFC 1952 §2.2: members one after the other; zeros behind the last one are padding. */
static void gzip_naive(const uint8_t *file, size_t n, struct told *t)
{
	z_stream z = {.next_out = t->at, .avail_out = (uInt)t->room};
	int rc = Z_STREAM_END;

	CU_ASSERT_EQUAL_FATAL(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
	t->rc = 0;
	for (size_t i = 0; i < n && t->rc == 0; i++) {
		if (rc == Z_STREAM_END && file[i] != 0x1f) {
			while (i < n && file[i] == 0)
				i++;
			t->rc = i < n ? -EBADMSG : 0;
			break;
		}
		if (rc == Z_STREAM_END)
			inflateReset(&z);
		z.next_in = (Bytef *)file + i;
		z.avail_in = 1;
		rc = inflate(&z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			t->rc = -EBADMSG;
		else if (z.avail_out == 0)
			t->rc = 1;
	}
	if (t->rc == 0 && rc != Z_STREAM_END)
		t->rc = -ENODATA;
	t->n = t->room - z.avail_out;
	inflateEnd(&z);
}

/* Each call gets what the one before asked for, less what may be the next block's header. */
static void zstd_naive(const uint8_t *file, size_t n, struct told *t)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_outBuffer out = {.dst = t->at, .size = t->room};
	ZSTD_inBuffer in = {.src = file};
	size_t rc = 0;

	t->rc = 0;
	while (in.pos < n && t->rc == 0) {
		size_t want = rc ? rc : ZSTD_initDStream(z);

		want -= want > 3 ? 3 : 0;
		in.size = want < n - in.pos ? in.pos + want : n;
		rc = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(rc))
			t->rc = ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge
					? -ENOBUFS
					: -EBADMSG;
		else if (out.pos == out.size)
			t->rc = 1;
	}
	if (t->rc == 0 && rc)
		t->rc = -ENODATA;
	t->n = out.pos;
	ZSTD_freeDStream(z);
}

/* Each read gets one piece: the first ones are of 1 to 3 bytes. */
static int open_pieces(const uint8_t *file, size_t n, struct dice *d)
{
	size_t most = n / 100 + 2;
	int fd[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(fd, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
	CU_ASSERT_TRUE(fcntl(fd[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20); /* in pages: 256 pieces */
	for (size_t at = 0, i = 0; at < n; i++) {
		size_t step =
			i < 40 ? 1 + dice_below(d, 3) : most / 2 + dice_below(d, (uint32_t)most);

		step = step > n - at ? n - at : step > 4096 ? 4096 : step ? step : 1;
		CU_ASSERT_EQUAL_FATAL(write(fd[1], file + at, step), (ssize_t)step);
		at += step;
	}
	close(fd[1]);
	return fd[0];
}

/* Reads all; what is read ends at an unreadable page. */
static void read_told(int fd, size_t most, struct dice *d, struct told *t)
{
	static struct guard g;
	struct bytes *b;
	ssize_t got;

	if (!g.base && !guard_open(&g, LONG_ROOM))
		CU_FAIL_FATAL("no memory");
	t->n = 0;
	t->rc = bytes_open(&b, fd);
	if (t->rc < 0)
		return;
	do {
		size_t step = 1 + dice_below(d, (uint32_t)most);

		if (step > t->room - t->n)
			step = t->room - t->n;
		got = bytes_read(b, g.end - step, step);
		if (got > 0) {
			memcpy(t->at + t->n, g.end - step, (size_t)got);
			t->n += (size_t)got;
		}
	} while (got > 0 && t->n < t->room);
	t->rc = t->n == t->room ? 1 : (int)got;
	if (got < 0) { /* and again */
		uint8_t more;

		CU_ASSERT_EQUAL(bytes_read(b, &more, 1), got);
	}
	bytes_close(b);
}

static void same_as_naive(const uint8_t *file, size_t n, size_t room, struct dice *d,
			  const char *what, size_t at)
{
	static uint8_t expect[LONG_ROOM], got[LONG_ROOM];
	static const size_t most[] = {1, 30, 5000, LONG_ROOM};
	struct told a = {.at = expect, .room = room}, b = {.at = got, .room = room};
	size_t step = most[dice_below(d, 4)];
	bool pieces = dice_below(d, 2);

	if (step == 1 && room > ROOM)
		step = LONG_ROOM;
	if (file[0] == 0x1f)
		gzip_naive(file, n, &a);
	else
		zstd_naive(file, n, &a);
	read_told(pieces ? open_pieces(file, n, d) : open_memory(file, n), step, d, &b);
	CHECK(a.rc == b.rc && a.n == b.n && memcmp(expect, got, a.n) == 0,
	      "%s at %zu, by up to %zu%s, seed %llu: %zu bytes, then %d; should be %zu, then %d",
	      what, at, step, pieces ? ", in pieces" : "", (unsigned long long)d->seed, b.n, b.rc,
	      a.n, a.rc);
}

/* Cut and damaged at each `stride`th byte behind those that say what it is. */
static void damage_all(const char *name, uint8_t *file, size_t n, size_t room, size_t stride)
{
	struct dice d = dice_of(43);
	size_t from = file[0] == 0x1f ? 2 : 4;

	same_as_naive(file, n, room, &d, name, n);
	for (size_t at = from; at < n; at += 1 + dice_below(&d, (uint32_t)(2 * stride - 1))) {
		uint8_t was = file[at];

		same_as_naive(file, at, room, &d, name, at);
		file[at] ^= (uint8_t)(1 + dice_below(&d, 255));
		same_as_naive(file, n, room, &d, name, at);
		file[at] = was;
	}
}

static size_t read_capture(const char *path, uint8_t *at, size_t room)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(at, 1, room, f) : 0;

	CU_ASSERT_TRUE_FATAL(n > 0);
	fclose(f);
	return n;
}

static void test_gzip_of_a_capture_cut_and_damaged_anywhere(void)
{
	static uint8_t capture[ROOM], file[ROOM];
	gz_header head = {.name = (Bytef *)"ping.pcap",
			  .comment = (Bytef *)"from the tap",
			  .extra = (Bytef *)"AB\3\0xyz",
			  .extra_len = 7,
			  .hcrc = 1};
	size_t n = read_capture("tests/captures/ping.pcap", capture, sizeof(capture)), k;

	k = deflated(capture, n, (struct how){.level = 9, .head = &head}, file, ROOM);
	damage_all("gzip, all of its header", file, k, ROOM, 1);
	k = deflated(capture, 500, (struct how){.level = 9, .strategy = Z_FIXED}, file, ROOM);
	damage_all("gzip, fixed codes", file, k, ROOM, 1);
	k = deflated(capture, 300, (struct how){.level = 0}, file, ROOM);
	k += deflated(capture, 0, (struct how){.level = 9}, file + k, ROOM - k);
	k += deflated(capture + 300, n - 300, (struct how){.level = 9}, file + k, ROOM - k);
	memset(file + k, 0, 20);
	damage_all("gzip, stored, empty, and padded members", file, k + 20, ROOM, 1);
	k = deflated(payload, PAYLOAD, (struct how){.level = 6, .strategy = Z_HUFFMAN_ONLY}, file,
		     ROOM);
	damage_all("gzip, no repetitions", file, k, ROOM, 10);
}

static void test_zstd_of_a_capture_cut_and_damaged_anywhere(void)
{
	static const uint8_t skippable[] = {0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
	static uint8_t capture[ROOM], file[ROOM];
	size_t n = read_capture("tests/captures/ping.pcap", capture, sizeof(capture)), k;

	k = zstd_as(capture, n, 19, 1, file, ROOM);
	damage_all("zstd, with checksum", file, k, ROOM, 1);
	k = zstd_as(capture, n, 1, 0, file, ROOM);
	damage_all("zstd, without checksum", file, k, ROOM, 1);
	memcpy(file, skippable, sizeof(skippable));
	k = sizeof(skippable);
	k += zstd_as(capture, 300, 3, 1, file + k, ROOM - k);
	memcpy(file + k, skippable, sizeof(skippable));
	k += sizeof(skippable);
	k += zstd_as(capture, 0, 3, 1, file + k, ROOM - k);
	k += zstd_as(capture + 300, n - 300, 3, 1, file + k, ROOM - k);
	memcpy(file + k, skippable, sizeof(skippable));
	damage_all("zstd, several frames", file, k + sizeof(skippable), ROOM, 1);
}

/* Repetitions from as far back as there are, noise, and more than is read at once. */
static void test_long_files_cut_and_damaged(void)
{
	static uint8_t file[LONG_ROOM], all[LONG];
	struct dice d = dice_of(47);

	for (size_t i = 0; i < LONG;) {
		size_t n = 1 + dice_below(&d, 3000), far = 1 + dice_below(&d, 70000);

		for (n += i; i < n && i < LONG; i++)
			all[i] = far < i && n % 4 ? all[i - far] : (uint8_t)dice_below(&d, 256);
	}
	damage_all("long gzip", file, gzip(all, LONG, file, LONG_ROOM), LONG_ROOM, 8000);
	damage_all("long zstd", file, zstd(all, LONG, file, LONG_ROOM), LONG_ROOM, 8000);
	damage_all("long stored gzip", file,
		   deflated(all, LONG, (struct how){.level = 0}, file, LONG_ROOM), LONG_ROOM,
		   30000);
}

/* ---- by hand ---- */

struct hand {
	const char *what;
	size_t tail; /* written behind the deflate data, or the frame */
	uint8_t bytes[24];
	int rc;
	size_t n;
};

#define GZIP_HEAD 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3

static void test_lies_by_hand(void)
{
	static const struct hand rows[] = {
		{"a repetition of bytes that never were", 13, {GZIP_HEAD, 3, 2, 0}, -EBADMSG, 0},
		{"a stored length that is no length",
		 17,
		 {GZIP_HEAD, 1, 2, 0, 0xfe, 0xff, 'a', 'b'},
		 -EBADMSG,
		 0},
		{"a stored length beyond the end",
		 17,
		 {GZIP_HEAD, 1, 9, 0, 0xf6, 0xff, 'a', 'b'},
		 -ENODATA,
		 2},
		{"a block of the type there is not", 11, {GZIP_HEAD, 7}, -EBADMSG, 0},
		{"a method there is not", 10, {0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 3}, -EBADMSG, 0},
		{"a flag there is not", 10, {0x1f, 0x8b, 8, 0x20, 0, 0, 0, 0, 0, 3}, -EBADMSG, 0},
		{"the largest window",
		 14,
		 {0x28, 0xb5, 0x2f, 0xfd, 0, (BYTES_WINDOW_LOG - 10) << 3, 0x29, 0, 0, 'h', 'e',
		  'l', 'l', 'o'},
		 0,
		 5},
		{"too large a window",
		 14,
		 {0x28, 0xb5, 0x2f, 0xfd, 0, (BYTES_WINDOW_LOG - 9) << 3, 0x29, 0, 0, 'h', 'e', 'l',
		  'l', 'o'},
		 -ENOBUFS,
		 0},
		{"a window of 1 TiB",
		 21,
		 {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0,   0,   0,   0,   0,  1,
		  0,    0,    0x29, 0,    0,    'h', 'e', 'l', 'l', 'o'},
		 -ENOBUFS,
		 0},
		{"4 GiB to be skipped",
		 8,
		 {0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255},
		 -ENODATA,
		 0},
	};
	struct dice d = dice_of(53);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t out[64];
		struct told t = {.at = out, .room = sizeof(out)};

		same_as_naive(rows[i].bytes, rows[i].tail, ROOM, &d, rows[i].what, 0);
		read_told(open_memory(rows[i].bytes, rows[i].tail), 64, &d, &t);
		CHECK(t.rc == rows[i].rc && t.n == rows[i].n, "%s: %zu bytes, then %d",
		      rows[i].what, t.n, t.rc);
	}
}

/* All of a member comes, whatever is wrong with its trailer or behind it. */
static void test_what_follows_a_member(void)
{
	static uint8_t file[1 << 20], out[ROOM];
	struct dice d = dice_of(59);
	struct told t = {.at = out, .room = sizeof(out)};
	static const struct {
		const char *what;
		size_t zeros, n;
		uint8_t bytes[4];
		int rc;
	} rows[] = {
		{"nothing", 0, 0, {0}, 0},
		{"a zero", 1, 0, {0}, 0},
		{"more zeros than are read at once", 600000, 0, {0}, 0},
		{"something else", 0, 4, "abcd", -EBADMSG},
		{"zeros, then something else", 600000, 4, "abcd", -EBADMSG},
		{"zeros, then a member", 512, 4, {0x1f, 0x8b, 8, 0}, -EBADMSG},
		{"the first byte of a member", 0, 1, {0x1f}, -ENODATA},
		{"what begins like a member", 0, 2, {0x1f, 'a'}, -EBADMSG},
	};

	make_payload();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = gzip(payload, PAYLOAD, file, sizeof(file));

		memset(file + n, 0, rows[i].zeros);
		n += rows[i].zeros;
		memcpy(file + n, rows[i].bytes, rows[i].n);
		read_told(open_memory(file, n + rows[i].n), 3000, &d, &t);
		CHECK(t.rc == rows[i].rc && t.n == PAYLOAD && memcmp(out, payload, PAYLOAD) == 0,
		      "%s: %zu bytes, then %d", rows[i].what, t.n, t.rc);
	}
	for (size_t i = 1; i <= 8; i++) { /* CRC-32, then the length */
		size_t n = gzip(payload, PAYLOAD, file, sizeof(file));

		file[n - i] ^= 1;
		n += gzip(payload, PAYLOAD, file + n, sizeof(file) - n);
		read_told(open_memory(file, n), 3000, &d, &t);
		CHECK(t.rc == -EBADMSG && t.n == PAYLOAD && memcmp(out, payload, PAYLOAD) == 0,
		      "trailer byte %zu: %zu bytes, then %d", i, t.n, t.rc);
	}
}

static void test_pipe_in_small_pieces(void)
{
	static uint8_t out[ROOM];

	make_samples(samples);
	for (int i = 0; i < 5; i++) {
		int fd[2];
		size_t n;

		CU_ASSERT_EQUAL_FATAL(pipe2(fd, O_CLOEXEC), 0);
		CU_ASSERT_EQUAL(write(fd[1], samples[i].at, samples[i].n), (ssize_t)samples[i].n);
		close(fd[1]);
		CHECK(read_all(fd[0], 100, out, &n) == 0 && n == samples[i].expect, "%s by a pipe",
		      samples[i].name);
	}
}

static void test_small_files_and_folders(void)
{
	static const char *const small[] = {"", "a", "\x1f", "\x28\xb5\x2f", "\x1f\x8b"};
	static const size_t sizes[] = {0, 1, 1, 3, 2};
	uint8_t out[8];
	struct bytes *b;
	size_t n;

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		const uint8_t *file = (const uint8_t *)small[i];
		struct bytes *in;
		ssize_t rc;

		CU_ASSERT_EQUAL_FATAL(bytes_open(&in, open_memory(file, sizes[i])), 0);
		rc = bytes_read(in, out, sizeof(out));
		CHECK(i == 4 ? rc == -ENODATA : rc == (ssize_t)sizes[i], "file %zu: %zd", i, rc);
		bytes_close(in);
	}
	bytes_close(NULL);
	n = (size_t)open(temp_folder(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	CU_ASSERT_TRUE(bytes_open(&b, (int)n) < 0);
	CU_ASSERT_PTR_NULL(b);
}

static void test_progress_counts_the_file(void)
{
	static uint8_t out[ROOM];
	struct bytes *b;

	make_samples(samples);
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL_FATAL(bytes_open(&b, open_memory(samples[i].at, samples[i].n)), 0);
		CU_ASSERT_EQUAL(bytes_read(b, out, ROOM), (ssize_t)samples[i].expect);
		CHECK(bytes_taken(b) == samples[i].n, "%s", samples[i].name);
		CHECK(bytes_compressed(b) == (i > 0), "%s", samples[i].name);
		bytes_close(b);
	}
}

CU_TestInfo bytes_tests[] = {
	{"whole_files_in_any_step", test_whole_files_in_any_step},
	{"every_truncation", test_every_truncation},
	{"every_damaged_byte", test_every_damaged_byte},
	{"gzip_of_a_capture_cut_and_damaged_anywhere",
	 test_gzip_of_a_capture_cut_and_damaged_anywhere},
	{"zstd_of_a_capture_cut_and_damaged_anywhere",
	 test_zstd_of_a_capture_cut_and_damaged_anywhere},
	{"long_files_cut_and_damaged", test_long_files_cut_and_damaged},
	{"lies_by_hand", test_lies_by_hand},
	{"what_follows_a_member", test_what_follows_a_member},
	{"pipe_in_small_pieces", test_pipe_in_small_pieces},
	{"small_files_and_folders", test_small_files_and_folders},
	{"progress_counts_the_file", test_progress_counts_the_file},
	CU_TEST_INFO_NULL,
};
