/* SPDX-License-Identifier: MIT */
/* sink — whole lines in the file, whatever happens to the writing. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/sink/sink.h"

enum { BUFFER = 4096, FILE_MAX = 1 << 20 };

static char content[FILE_MAX];

static size_t read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(content, 1, FILE_MAX - 1, f) : 0;

	if (f)
		fclose(f);
	content[n] = 0;
	return n;
}

static struct sink *open_sink(const char *path, bool append, bool threads, uint32_t workers)
{
	struct sink *s = NULL;

	CU_ASSERT_EQUAL_FATAL(sink_open(&s, &(struct sink_conf){.path = path,
								.append = append,
								.threads = threads,
								.workers = workers,
								.buffers = 3,
								.buffer_bytes = BUFFER}),
			      0);
	CU_ASSERT_EQUAL_FATAL(sink_start(s), 0);
	return s;
}

struct writer {
	struct sink *sink;
	uint32_t worker, lines;
};

/* Lines "WORKER NUMBER xxx", as many per buffer as fit. */
static void *write_lines(void *arg)
{
	struct writer *w = arg;
	char *buf = sink_buffer(w->sink, w->worker);
	size_t used = 0;

	for (uint32_t i = 0; i < w->lines; i++) {
		if (BUFFER - used < 64) {
			buf = sink_next(w->sink, w->worker, used);
			used = 0;
		}
		used += (size_t)snprintf(buf + used, 64, "%u %u %.*s\n", w->worker, i,
					 (int)(i % 40), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	}
	sink_next(w->sink, w->worker, used);
	return NULL;
}

static bool ends_with_line(size_t n)
{
	return n == 0 || content[n - 1] == '\n';
}

static void test_all_lines_of_all_workers(void)
{
	for (uint32_t workers = 1; workers <= 4; workers++) {
		char *path = temp_path("lines"), *save = NULL;
		struct sink *s = open_sink(path, false, workers > 1, workers);
		struct writer w[4];
		pthread_t t[4];
		uint32_t next[4] = {0}, total = 0;

		for (uint32_t i = 0; i < workers; i++) {
			w[i] = (struct writer){s, i, 5000};
			CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, write_lines, &w[i]), 0);
		}
		for (uint32_t i = 0; i < workers; i++)
			pthread_join(t[i], NULL);
		sink_line(s, "9 0 end\n", 8);
		CU_ASSERT_FALSE(sink_failed(s));
		CU_ASSERT_EQUAL(sink_lost(s), 0);
		sink_close(s);
		CU_ASSERT_TRUE(ends_with_line(read_file(path)));
		for (char *l = strtok_r(content, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
			uint32_t worker = (uint32_t)strtoul(l, &l, 10);
			uint32_t number = (uint32_t)strtoul(l, &l, 10);

			if (worker == 9)
				break;
			if (!CHECK(worker < workers && number == next[worker]++ &&
					   strlen(l + 1) == number % 40,
				   "line %u of worker %u", number, worker))
				break;
			total++;
		}
		CHECK(total == workers * 5000, "%u lines of %u workers", total, workers);
		free(path);
	}
}

static void test_append_and_replace(void)
{
	static const struct {
		const char *before;
		bool append;
		const char *after, *why;
	} rows[] = {
		{"old\n", false, "new\n", "replaced"},
		{"old\n", true, "old\nnew\n", "appended"},
		{"old\nhal", true, "old\nnew\n", "an incomplete line is removed"},
		{"hal", true, "new\n", "nothing but an incomplete line"},
		{"", true, "new\n", "empty"},
		{"\n", true, "\nnew\n", "an empty line"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *path = temp_file("append", rows[i].before, strlen(rows[i].before));
		struct sink *s = open_sink(path, rows[i].append, false, 1);

		memcpy(sink_buffer(s, 0), "new\n", 4);
		sink_next(s, 0, 4);
		sink_close(s);
		read_file(path);
		CHECK(strcmp(content, rows[i].after) == 0, "%s: %s", rows[i].why, content);
		free(path);
	}
}

/* An incomplete line longer than what is read at a time. */
static void test_append_to_a_long_tail(void)
{
	static char before[20000];
	char *path;
	struct sink *s;

	memset(before, 'x', sizeof(before));
	memcpy(before, "first\n", 6); /* NOLINT(bugprone-not-null-terminated-result) */
	path = temp_file("tail", before, sizeof(before));
	s = open_sink(path, true, false, 1);
	sink_line(s, "new\n", 4);
	sink_close(s);
	read_file(path);
	CU_ASSERT_STRING_EQUAL(content, "first\nnew\n");
	free(path);
}

/* The file may not grow beyond some size, as on a full disk. */
static void test_no_room_for_more(void)
{
	struct rlimit old, limit;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, kept;

	sigaction(SIGXFSZ, &ignore, &kept);
	getrlimit(RLIMIT_FSIZE, &old);
	for (rlim_t size = 1; size < 3 * BUFFER; size += 997) {
		char *path = temp_file("full", "kept\n", size % 2 ? 5 : 0);
		struct sink *s = open_sink(path, true, false, 1);
		struct writer w = {s, 0, 2000};
		size_t n;

		limit = (struct rlimit){size + 5, old.rlim_max};
		setrlimit(RLIMIT_FSIZE, &limit);
		quiet_begin();
		write_lines(&w);
		sink_line(s, "the last record\n", 16);
		quiet_end();
		setrlimit(RLIMIT_FSIZE, &old);
		CHECK(sink_failed(s) && sink_lost(s) > 0, "room for %lu bytes",
		      (unsigned long)size);
		sink_close(s);
		n = read_file(path);
		CHECK(n <= size + 5 && ends_with_line(n), "room for %lu bytes: %zu",
		      (unsigned long)size, n);
		CHECK(size % 2 == 0 || strncmp(content, "kept\n", 5) == 0, "what was there stays");
		free(path);
	}
	sigaction(SIGXFSZ, &kept, NULL);
}

static void test_full_device(void)
{
	for (int threads = 0; threads < 2; threads++) {
		struct sink *s = open_sink("/dev/full", false, threads, 1);
		struct writer w = {s, 0, 2000};

		quiet_begin();
		write_lines(&w);
		sink_line(s, "end\n", 4);
		quiet_end();
		CU_ASSERT_TRUE(sink_failed(s));
		CU_ASSERT_FALSE(sink_pipe_closed(s));
		CU_ASSERT_TRUE(sink_lost(s) > 2000);
		sink_close(s);
	}
}

static void test_reader_gone(void)
{
	char *path = temp_path("pipe");
	struct sink *s;
	int reader;

	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	s = open_sink(path, false, false, 1);
	close(reader);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	memcpy(sink_buffer(s, 0), "heard\n", 6);
	sink_next(s, 0, 6);
	CU_ASSERT_EQUAL(read(reader, content, 100), 6);
	close(reader);
	/* Opened for reading and writing a fifo has a reader for ever: only a true pipe breaks. */
	sink_close(s);
	unlink(path);
	free(path);
}

static void test_closed_pipe(void)
{
	struct writer w = {NULL, 0, 2000};
	int fd[2], kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	CU_ASSERT_EQUAL_FATAL(pipe2(fd, O_CLOEXEC), 0);
	fflush(stdout);
	dup2(fd[1], STDOUT_FILENO);
	w.sink = open_sink("-", false, false, 1);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	close(fd[1]);
	close(fd[0]);
	quiet_begin();
	write_lines(&w);
	quiet_end();
	CU_ASSERT_TRUE(sink_failed(w.sink));
	CU_ASSERT_TRUE(sink_pipe_closed(w.sink));
	sink_close(w.sink);
}

/* In live capture nobody waits for a slow disk: whole buffers are dropped, line by line counted. */
static void test_live_drops(void)
{
	char *path = temp_path("live");
	struct sink *s = NULL;
	char *buf;

	CU_ASSERT_EQUAL_FATAL(sink_open(&s, &(struct sink_conf){.path = path,
								.threads = true,
								.live = true,
								.workers = 1,
								.buffers = 3,
								.buffer_bytes = BUFFER}),
			      0);
	/* Its thread has not begun: two buffers can be handed over, no more. */
	for (int i = 0; i < 5; i++) {
		buf = sink_buffer(s, 0);
		buf += snprintf(buf, 64, "%d a\n%d b\n%d c\n", i, i, i);
		sink_next(s, 0, (size_t)(buf - sink_buffer(s, 0)));
	}
	CU_ASSERT_EQUAL(sink_dropped(s), 9);
	CU_ASSERT_EQUAL(sink_start(s), 0);
	sink_close(s);
	CU_ASSERT_EQUAL(read_file(path), 24);
	CU_ASSERT_STRING_EQUAL(content, "0 a\n0 b\n0 c\n1 a\n1 b\n1 c\n");
	free(path);
}

/* At its end nothing is gained by not waiting: all that is left to say is written. */
static void test_live_waits_at_its_end(void)
{
	char *path = temp_path("end");
	struct sink *s = NULL;
	char *buf;

	CU_ASSERT_EQUAL_FATAL(sink_open(&s, &(struct sink_conf){.path = path,
								.threads = true,
								.live = true,
								.workers = 1,
								.buffers = 3,
								.buffer_bytes = BUFFER}),
			      0);
	CU_ASSERT_EQUAL(sink_start(s), 0);
	sink_patient(s, 0);
	for (int i = 0; i < 5000; i++) {
		buf = sink_buffer(s, 0);
		buf[0] = 'x';
		buf[1] = '\n';
		sink_next(s, 0, 2);
	}
	CU_ASSERT_EQUAL(sink_dropped(s), 0);
	sink_close(s);
	CU_ASSERT_EQUAL(read_file(path), 10000);
	free(path);
}

static void test_impossible_paths(void)
{
	static const char *const paths[] = {"/nonexistent/file", "/"};

	for (size_t i = 0; i < 2; i++) {
		struct sink *s;

		CU_ASSERT_TRUE(sink_open(&s, &(struct sink_conf){.path = paths[i],
								 .threads = true,
								 .workers = 2,
								 .buffers = 2,
								 .buffer_bytes = 64}) < 0);
		CU_ASSERT_PTR_NULL(s);
	}
	sink_close(NULL);
}

CU_TestInfo sink_tests[] = {
	{"all_lines_of_all_workers", test_all_lines_of_all_workers},
	{"append_and_replace", test_append_and_replace},
	{"live_drops", test_live_drops},
	{"live_waits_at_its_end", test_live_waits_at_its_end},
	{"append_to_a_long_tail", test_append_to_a_long_tail},
	{"no_room_for_more", test_no_room_for_more},
	{"full_device", test_full_device},
	{"reader_gone", test_reader_gone},
	{"closed_pipe", test_closed_pipe},
	{"impossible_paths", test_impossible_paths},
	CU_TEST_INFO_NULL,
};
