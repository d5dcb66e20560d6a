/* SPDX-License-Identifier: MIT */
/* bytes — plain, gzip and zstd files, whole, truncated at each byte, and damaged at each byte. */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/source/bytes.h"

enum { PAYLOAD = 5000, ROOM = 1 << 16 };

static uint8_t payload[PAYLOAD];

static void make_payload(void)
{
	struct dice d = dice_of(41);

	for (size_t i = 0; i < PAYLOAD; i++)
		payload[i] = (uint8_t) "abcdefgh"[dice_below(&d, 2) ? i % 8 : dice_below(&d, 8)];
}

static size_t gzip(const uint8_t *at, size_t n, uint8_t *out, size_t room)
{
	struct isal_zstream z;

	isal_deflate_stateless_init(&z);
	z.gzip_flag = IGZIP_GZIP;
	z.end_of_stream = 1;
	z.next_in = (uint8_t *)at;
	z.avail_in = (uint32_t)n;
	z.next_out = out;
	z.avail_out = (uint32_t)room;
	CU_ASSERT_EQUAL(isal_deflate_stateless(&z), COMP_OK);
	return room - z.avail_out;
}

static size_t zstd(const uint8_t *at, size_t n, uint8_t *out, size_t room)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t len;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	len = ZSTD_compress2(c, out, room, at, n);
	ZSTD_freeCCtx(c);
	CU_ASSERT_FALSE(ZSTD_isError(len));
	return len;
}

static int open_bytes(const uint8_t *file, size_t n)
{
	char *path = temp_file("bytes", file, n);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
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
			ssize_t rc = read_all(open_bytes(samples[i].at, samples[i].n), steps[k],
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
			ssize_t rc = read_all(open_bytes(samples[i].at, size), 700, out, &n);

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
			rc = read_all(open_bytes(samples[i].at, samples[i].n), 512, out, &n);
			samples[i].at[at] ^= 0x40;
			CHECK(rc == -EBADMSG || rc == -ENODATA ||
				      (rc == 0 && n == PAYLOAD && memcmp(out, payload, n) == 0),
			      "%s damaged at %zu: %zu bytes, then %zd", samples[i].name, at, n, rc);
		}
	}
}

static void test_padding_behind_gzip(void)
{
	static uint8_t out[ROOM];
	size_t n;

	make_samples(samples);
	CU_ASSERT_EQUAL(read_all(open_bytes(samples[1].at, samples[1].n + 512), 512, out, &n), 0);
	CU_ASSERT_EQUAL(n, PAYLOAD);
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

		CU_ASSERT_EQUAL_FATAL(bytes_open(&in, open_bytes(file, sizes[i])), 0);
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
		CU_ASSERT_EQUAL_FATAL(bytes_open(&b, open_bytes(samples[i].at, samples[i].n)), 0);
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
	{"padding_behind_gzip", test_padding_behind_gzip},
	{"pipe_in_small_pieces", test_pipe_in_small_pieces},
	{"small_files_and_folders", test_small_files_and_folders},
	{"progress_counts_the_file", test_progress_counts_the_file},
	CU_TEST_INFO_NULL,
};
