/* SPDX-License-Identifier: MIT */
/*
 * pipe — a capture through a FIFO: nobody there yet, every split, compressed, foreign, cut short,
 * and what clock may be assumed while nothing comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "tests/feed_host.h"
#include "tests/suites.h"
#include "user/base/clock.h"
#include "user/source/pipe.h"

static char *path;

static void open_fifo(void)
{
	const char *paths[] = {path = temp_path("fifo")};

	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	feed_open((struct source_conf){.paths = paths, .n_paths = 1});
}

static int open_writer(void)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	return fd;
}

static void close_fifo(const char *letters, bool trouble, const char *why)
{
	feed_close(letters, trouble, why);
	unlink(path);
	free(path);
}

static void test_pipe_without_a_writer(void)
{
	struct file f = capture(1000, "ab");
	int fd;

	open_fifo();
	CU_ASSERT_TRUE(feed.opened && source_live(feed.source) &&
		       !source_in_real_time(feed.source));
	feed_idle();
	CU_ASSERT_TRUE(!feed.ended && feed.n == 0 && feed.idle_ns == 0);
	fd = open_writer();
	feed_idle();
	CU_ASSERT_FALSE(feed.ended);
	write_all(fd, f.b.at, f.b.n);
	feed_until(2);
	CU_ASSERT_TRUE(feed.n == 2 && !feed.ended);
	close(fd);
	feed_until_end();
	CU_ASSERT_TRUE(feed.ended);
	close_fifo("ab", false, "a writer that comes late");
	open_fifo();
	source_stop(feed.source);
	feed_fill();
	close_fifo("", false, "stopped before anybody came");
}

/* Each block has what has come, wherever the writer paused. */
static void test_pipe_in_two_parts(void)
{
	struct file f = capture(1000, "abc");
	uint8_t packed[1024];
	size_t n = ZSTD_compress(packed, sizeof(packed), f.b.at, f.b.n, 3);

	for (size_t at = 1; at < f.b.n; at++) {
		uint32_t whole = at < 24 ? 0 : (uint32_t)((at - 24) / 17); /* records of 17 bytes */
		int fd;

		open_fifo();
		fd = open_writer();
		write_all(fd, f.b.at, at);
		feed_until(whole);
		feed_fill();
		CHECK(feed.n == whole, "%u of %u at byte %zu", feed.n, whole, at);
		write_all(fd, f.b.at + at, f.b.n - at);
		close(fd);
		feed_until_end();
		close_fifo("abc", false, "in two parts");
	}
	for (size_t at = 1; at < n; at++) {
		int fd;

		open_fifo();
		fd = open_writer();
		write_all(fd, packed, at);
		feed_fill();
		write_all(fd, packed + at, n - at);
		close(fd);
		feed_until_end();
		close_fifo("abc", false, "compressed, in two parts");
	}
}

static void test_pipe_troubles(void)
{
	static const struct {
		const char *text;
		size_t cut;
		const char *letters, *said;
	} rows[] = {
		{"", 0, "", "the file is empty"},
		{"no capture at all, whatever it is", 33, "", ""},
		{NULL, 10, "", "the file ends inside its header"},
		{NULL, 24 + 17 + 9, "a", "packet 2 at byte 41: the file ends inside this packet"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct file f = capture(1000, "abc");
		int fd;

		open_fifo();
		fd = open_writer();
		write_all(fd, rows[i].text ? (const void *)rows[i].text : f.b.at, rows[i].cut);
		close(fd);
		feed_until_end();
		CHECK(strstr(feed_said(), rows[i].said) && feed_said_times("\n") == 1, "%s",
		      feed_said());
		close_fifo(rows[i].letters, true, rows[i].said);
	}
}

/* An old capture's clock goes on for two seconds at most, that of one of now with the time. */
static void test_pipe_clock(void)
{
	uint32_t now = (uint32_t)(clock_wall_ns() / NS_PER_S);

	for (int old = 0; old < 2; old++) {
		uint32_t first = old ? 1000 : now;
		struct file f = capture(first, "ab");
		uint64_t last_ns = (first + 1) * NS_PER_S;
		int fd;

		open_fifo();
		fd = open_writer();
		write_all(fd, f.b.at, f.b.n);
		feed_until(2);
		while (feed.idle_ns < last_ns + 1800000000)
			feed_fill();
		for (int i = 0; i < 20; i++)
			feed_fill();
		CHECK(old ? feed.idle_ns == last_ns + 2 * NS_PER_S
			  : feed.idle_ns > last_ns + 2 * NS_PER_S,
		      "old %d: %llu", old, (unsigned long long)(feed.idle_ns - last_ns));
		close(fd);
		close_fifo("ab", false, "nothing came");
	}
}

/* A step of more than an hour is not believed before the next packet is there. */
static void test_pipe_step(void)
{
	struct file f = capture(1000, "a"), g = capture(9000, "bc");
	int fd;

	open_fifo();
	fd = open_writer();
	write_all(fd, f.b.at, f.b.n);
	write_all(fd, g.b.at + 24, 17);
	feed_until(2);
	CU_ASSERT_EQUAL(feed.clock_ns, 1000 * NS_PER_S);
	write_all(fd, g.b.at + 24 + 17, 17);
	feed_until(3);
	CU_ASSERT_EQUAL(feed.clock_ns, 9000 * NS_PER_S);
	close(fd);
	close_fifo("abc", false, "a step");
}

CU_TestInfo pipe_tests[] = {
	{"without_a_writer", test_pipe_without_a_writer},
	{"in_two_parts", test_pipe_in_two_parts},
	{"troubles", test_pipe_troubles},
	{"clock", test_pipe_clock},
	{"step", test_pipe_step},
	CU_TEST_INFO_NULL,
};
