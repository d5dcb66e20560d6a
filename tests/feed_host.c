/* SPDX-License-Identifier: MIT */
/* feed — see feed_host.h. */
#include "tests/feed_host.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"

struct feed feed;

char *folder_new(const char *name)
{
	char *path = temp_path(name);

	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0755), 0);
	return path;
}

const char *in_folder(const char *folder, const char *name)
{
	static char path[4][512];
	static int at;

	at = (at + 1) % 4;
	snprintf(path[at], sizeof(path[at]), "%s/%s", folder, name);
	return path[at];
}

void write_all(int fd, const void *bytes, size_t n)
{
	CU_ASSERT_EQUAL(write(fd, bytes, n), (ssize_t)n);
}

void write_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	write_all(fd, bytes, n);
	close(fd);
}

/* A capture with a packet for each letter, the first at this second, the others a second later
 * each. */
struct file capture(uint32_t second, const char *letters)
{
	struct file f = {0};

	classic_header(&f, 0xa1b23c4d, 1);
	for (uint32_t i = 0; letters[i]; i++) {
		char text[2] = {letters[i], 0};

		classic_record(&f, second + i, 0, text, 1, 0);
	}
	return f;
}

void put_capture(const char *path, uint32_t second, const char *letters)
{
	struct file f = capture(second, letters);

	write_file(path, f.b.at, f.b.n);
}

/* What is said goes to a file until feed_close. */
void feed_open(struct source_conf conf)
{
	memset(&feed, 0, sizeof(feed));
	feed.said_path = temp_path("said");
	feed.said = open(feed.said_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	fflush(stderr);
	feed.kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(feed.said, STDERR_FILENO);
	if (conf.settle_ns == 0)
		conf.settle_ns = 50000000;
	feed.opened = source_open(&feed.source, &conf) == 0;
	if (feed.opened)
		CU_ASSERT_EQUAL_FATAL(block_open(&feed.b, source_several(feed.source)), 0);
}

void feed_fill(void)
{
	if (!feed.opened || feed.ended)
		return;
	source_fill(feed.source, &feed.b);
	for (uint32_t i = 0; i < feed.b.n && feed.n < LETTERS - 1; i++) {
		feed.iface[feed.n] = feed.b.frame[i].iface;
		feed.letters[feed.n++] = (char)feed.b.buf[feed.b.frame[i].at];
		feed.clock_ns = feed.b.frame[i].clock_ns;
	}
	feed.idle_ns = feed.b.idle_clock_ns;
	feed.ended = feed.b.last;
	feed.b.index++;
}

/* Reads until there were so many frames, or it took far too long. */
void feed_until(uint32_t frames)
{
	uint64_t from = clock_ns();

	while (feed.opened && !feed.ended && feed.n < frames &&
	       clock_ns() - from < PATIENCE_S * NS_PER_S)
		feed_fill();
}

const char *feed_said(void)
{
	ssize_t got = pread(feed.said, feed.text, sizeof(feed.text) - 1, 0);

	feed.text[got > 0 ? got : 0] = 0;
	return feed.text;
}

uint32_t feed_said_times(const char *what)
{
	uint32_t n = 0;

	for (const char *at = feed_said(); (at = strstr(at, what)); at++)
		n++;
	return n;
}

void feed_until_said(const char *what, uint32_t times)
{
	uint64_t from = clock_ns();

	while (feed_said_times(what) < times && !feed.ended &&
	       clock_ns() - from < PATIENCE_S * NS_PER_S)
		feed_fill();
}

void feed_until_end(void)
{
	uint64_t from = clock_ns();

	while (!feed.ended && clock_ns() - from < PATIENCE_S * NS_PER_S)
		feed_fill();
}

/* A few empty blocks: what may not be read is not. */
void feed_idle(void)
{
	for (int i = 0; i < 4; i++)
		feed_fill();
}

static void stderr_back(void)
{
	dup2(feed.kept, STDERR_FILENO);
	close(feed.kept);
	feed_said();
	if (getenv("TEST_LOUD")) /* NOLINT(concurrency-mt-unsafe): one thread */
		fputs(feed.text, stderr);
	close(feed.said);
	unlink(feed.said_path);
	free(feed.said_path);
}

void feed_refused(const char *what)
{
	stderr_back();
	CHECK(!feed.opened && strstr(feed.text, what), "%s, not: %s", feed.text, what);
}

void feed_close(const char *letters, bool trouble, const char *why)
{
	if (feed.opened) {
		source_stop(feed.source);
		feed_fill();
	}
	stderr_back();
	CHECK(feed.opened && feed.ended, "%s: does not end", why);
	CHECK(strcmp(feed.letters, letters) == 0, "%s: %s, not %s", why, feed.letters, letters);
	if (feed.opened) {
		CHECK(source_trouble(feed.source) == trouble, "%s: trouble %d: %s", why, !trouble,
		      feed.text);
		block_close(&feed.b);
		source_close(feed.source);
	}
}
