/* SPDX-License-Identifier: MIT */
/*
 * watch — folders that files come into, files that grow, in pieces and to the end: each packet is
 * read once and in order, and what is wrong is said and costs nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/suites.h"
#include "tests/feed_host.h"
#include "user/base/clock.h"
#include "user/source/known.h"

static void feed_watch(const char *folder, bool follow)
{
	const char *folders[] = {folder};

	feed_open((struct source_conf){.watch = folders, .n_watch = 1, .follow = follow});
}

static void feed_follow(const char *path)
{
	const char *paths[] = {path};

	feed_open((struct source_conf){.paths = paths, .n_paths = 1, .follow = true});
}

/* ---- a folder ---- */

static void test_files_that_are_there(void)
{
	char *folder = folder_new("there"), *deeper, *fifo;
	const char *folders[] = {folder};

	put_capture(in_folder(folder, "1.pcap"), 300, "ef");
	put_capture(in_folder(folder, "2.pcap"), 100, "ab");
	put_capture(in_folder(folder, "3"), 200, "cd");
	put_capture(in_folder(folder, ".hidden.pcap"), 50, "x");
	put_capture(in_folder(folder, "4.pcap.tmp"), 50, "x");
	put_capture(in_folder(folder, "5.pcap.part"), 50, "x");
	write_file(in_folder(folder, "notes.txt"), "no capture", 10);
	write_file(in_folder(folder, "empty.pcap"), "", 0);
	deeper = strdup(in_folder(folder, "deeper.pcap"));
	fifo = strdup(in_folder(folder, "fifo.pcap"));
	CU_ASSERT_EQUAL(mkdir(deeper, 0755), 0);
	CU_ASSERT_EQUAL(mkfifo(fifo, 0644), 0);
	feed_open((struct source_conf){.watch = folders, .n_watch = 1});
	CU_ASSERT_FALSE(source_has_places(feed.source));
	feed_until(6);
	feed_idle();
	CHECK(feed_said_times("notes.txt: no capture") == 1, "%s", feed.text);
	CU_ASSERT_STRING_EQUAL(source_file_name(feed.source, source_iface(feed.source, 0)->file) +
				       strlen(folder),
			       "/1.pcap");
	feed_close("abcdef", false, "files that are there");
	unlink(fifo);
	rmdir(deeper);
	free(fifo);
	free(deeper);
	free(folder);
}

/* Those named with --pcap come first; those of two folders that are there are one capture. */
static void test_beside_files(void)
{
	char *one = folder_new("one"), *two = folder_new("two");
	const char *folders[] = {one, two};
	char *first = temp_path("first.pcap");
	const char *paths[] = {first};

	put_capture(first, 900, "xyz");
	CU_ASSERT_EQUAL(link(first, in_folder(one, "first.pcap")), 0); /* not read again */
	put_capture(in_folder(one, "a.pcap"), 1000, "ac");
	put_capture(in_folder(two, "b.pcap"), 1000, "bd");
	feed_open(
		(struct source_conf){.paths = paths, .n_paths = 1, .watch = folders, .n_watch = 2});
	feed_until(7);
	feed_close("xyzabcd", false, "beside files");
	unlink(in_folder(two, "b.pcap"));
	unlink(in_folder(one, "first.pcap"));
	feed_open((struct source_conf){.watch = folders, .n_watch = 2});
	put_capture(in_folder(two, "b.pcap"), 900, "xy"); /* those of `one` have yet to settle */
	feed_until(4);
	feed_close("xyac", false, "two folders");
	free(first);
	free(one);
	free(two);
}

static void test_complete_when_closed(void)
{
	char *folder = folder_new("closed");
	struct file f = capture(100, "abc");
	int fd;

	feed_watch(folder, false);
	feed_idle();
	fd = open(in_folder(folder, "a.pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	write_all(fd, f.b.at, 50);
	feed_idle();
	CU_ASSERT_EQUAL(feed.n, 0);
	usleep(100000); /* longer than a file with no known writer would have to wait */
	feed_idle();
	CU_ASSERT_EQUAL(feed.n, 0);
	write_all(fd, f.b.at + 50, f.b.n - 50);
	close(fd);
	feed_until(3);
	CU_ASSERT_EQUAL(feed.idle_ns, 0);
	feed_close("abc", false, "closed");
	free(folder);
}

static void test_moved_in(void)
{
	char *folder = folder_new("moved"), *outside = temp_path("moved.pcap");

	put_capture(outside, 100, "ab");
	feed_watch(folder, false);
	feed_fill();
	rename(outside, in_folder(folder, "a.pcap"));
	feed_until(2);
	/* out, in again, under another name, and as another link: it is what it was */
	rename(in_folder(folder, "a.pcap"), outside);
	rename(outside, in_folder(folder, "b.pcap"));
	feed_idle();
	rename(in_folder(folder, "b.pcap"), in_folder(folder, "c.pcap"));
	CU_ASSERT_EQUAL(link(in_folder(folder, "c.pcap"), in_folder(folder, "d.pcap")), 0);
	CU_ASSERT_EQUAL(symlink("c.pcap", in_folder(folder, "e.pcap")), 0);
	usleep(60000);
	feed_idle();
	put_capture(in_folder(folder, "f.pcap.part"), 200, "cd");
	feed_idle();
	CU_ASSERT_EQUAL(feed.n, 2);
	rename(in_folder(folder, "f.pcap.part"), in_folder(folder, "f.pcap"));
	feed_until(4);
	feed_close("abcd", false, "moved in");
	free(outside);
	free(folder);
}

static void test_links(void)
{
	char *folder = folder_new("links"), *a = temp_path("linked-a.pcap");
	char *b = temp_path("linked-b.pcap");

	put_capture(a, 100, "ab");
	put_capture(b, 200, "cd");
	feed_watch(folder, false);
	feed_fill();
	CU_ASSERT_EQUAL(symlink(a, in_folder(folder, "a.pcap")), 0);
	CU_ASSERT_EQUAL(symlink("/nonexistent/file", in_folder(folder, "nowhere.pcap")), 0);
	feed_until(2);
	CU_ASSERT_EQUAL(link(b, in_folder(folder, "b.pcap")), 0);
	feed_until(4);
	feed_close("abcd", false, "links");
	free(a);
	free(b);
	free(folder);
}

/* 300 files come while it runs: all are read, in order, each packet once. */
static void test_many_files(void)
{
	enum { FILES = 300 };
	char *folder = folder_new("many-in"), *outside = folder_new("many-out");
	char name[32], expect[2 * FILES + 1] = "";

	for (uint32_t i = 0; i < FILES; i++) {
		char letters[3] = {(char)('a' + i % 26), (char)('A' + i % 26), 0};

		snprintf(name, sizeof(name), "%03u.pcap", i);
		put_capture(in_folder(outside, name), 1000 + 10 * i, letters);
		memcpy(expect + 2 * i, letters, 3);
	}
	feed_watch(folder, false);
	feed_fill();
	for (uint32_t i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "%03u.pcap", i);
		CU_ASSERT_EQUAL(rename(in_folder(outside, name), in_folder(folder, name)), 0);
		if (i % 100 == 50)
			feed_fill();
	}
	feed_until(2 * FILES);
	feed_idle();
	CHECK(feed_said()[0] == 0, "%s", feed.text);
	feed_close(expect, false, "300 files");
	rmdir(outside);
	free(outside);
	free(folder);
}

static void test_compressed(void)
{
	static uint8_t out[4096];
	char *folder = folder_new("compressed");
	struct file f = capture(100, "ab"), g = capture(200, "cd");
	char *path;
	gzFile z;

	feed_watch(folder, false);
	feed_fill();
	path = strdup(in_folder(folder, "a.pcap.gz"));
	z = gzopen(path, "wb");
	CU_ASSERT_TRUE(gzwrite(z, f.b.at, (unsigned)f.b.n) > 0);
	gzclose(z);
	feed_until(2);
	write_file(in_folder(folder, "b.pcap.zst"), out,
		   ZSTD_compress(out, sizeof(out), g.b.at, g.b.n, 3));
	feed_until(4);
	feed_close("abcd", false, "compressed");
	free(path);
	free(folder);
}

/* What is compressed once it was read is not read again; what only looks like it is. */
static void test_compressed_behind_it(void)
{
	static uint8_t out[4096];
	char *folder = folder_new("behind");
	struct file f = capture(100, "ab");
	size_t n = ZSTD_compress(out, sizeof(out), f.b.at, f.b.n, 3);
	struct stat st;

	feed_watch(folder, false);
	feed_fill();
	put_capture(in_folder(folder, "a.pcap"), 100, "ab");
	feed_until(2);
	stat(in_folder(folder, "a.pcap"), &st);
	write_file(in_folder(folder, ".made"), out, n);
	utimensat(AT_FDCWD, in_folder(folder, ".made"),
		  (const struct timespec[]){st.st_atim, st.st_mtim}, 0);
	rename(in_folder(folder, ".made"), in_folder(folder, "a.pcap.zst"));
	unlink(in_folder(folder, "a.pcap"));
	feed_until_said("a.pcap.zst: left out", 1);
	put_capture(in_folder(folder, "b.pcap"), 200, "cd");
	feed_until(4);
	f = capture(300, "ef");
	n = ZSTD_compress(out, sizeof(out), f.b.at, f.b.n, 3);
	write_file(in_folder(folder, ".other"), out, n);
	utimensat(AT_FDCWD, in_folder(folder, ".other"),
		  (const struct timespec[]){{.tv_sec = 1000}, {.tv_sec = 1000}}, 0);
	rename(in_folder(folder, ".other"), in_folder(folder, "b.pcap.zst"));
	feed_until(6);
	feed_idle();
	CHECK(feed_said_times("\n") == 1, "%s", feed.text);
	feed_close("abcdef", false, "compressed behind it");
	free(folder);
}

static void test_broken_files(void)
{
	char *folder = folder_new("broken");
	struct file f = capture(100, "ab"), g = {0};

	feed_watch(folder, false);
	write_file(in_folder(folder, "cut.pcap"), f.b.at, f.b.n - 1);
	feed_until_said("cut.pcap: packet 2", 1);
	write_file(in_folder(folder, "header.pcap"), f.b.at, 20);
	feed_until_said("header.pcap: the file ends inside its header", 1);
	write_file(in_folder(folder, "picture.pcap"), "GIF89a, and more of it", 22);
	feed_until_said("picture.pcap: no capture", 1);
	g = capture(200, "c");
	classic_record(&g, 201, 0, "?", 1, 0);
	memset(g.b.at + g.b.n - 17 + 8, 0xff, 4);
	write_file(in_folder(folder, "damaged.pcap"), g.b.at, g.b.n);
	feed_until_said("damaged.pcap: packet 2", 1);
	put_capture(in_folder(folder, "good.pcap"), 300, "de");
	feed_until(4);
	/* each is said once, whatever happens to it later */
	rename(in_folder(folder, "cut.pcap"), in_folder(folder, "cut2.pcap"));
	rename(in_folder(folder, "picture.pcap"), in_folder(folder, "picture2.pcap"));
	usleep(60000);
	feed_idle();
	CHECK(feed_said_times("\n") == 4, "%s", feed.text);
	feed_close("acde", true, "broken files");
	free(folder);
}

static void test_late_file(void)
{
	char *folder = folder_new("late");

	feed_watch(folder, false);
	put_capture(in_folder(folder, "b.pcap"), 1000, "bc");
	feed_until(2);
	put_capture(in_folder(folder, "a.pcap"), 500, "a");
	feed_until(3);
	CHECK(feed_said_times("a.pcap begins 501.000 s before what was read already") == 1, "%s",
	      feed.text);
	feed_close("bca", false, "late");
	free(folder);
}

/* Read as far as it was, then on from there; another capture under the same name is another. */
static void test_files_that_change(void)
{
	char *folder = folder_new("change");
	struct file f = capture(100, "abcd");
	int fd;

	feed_watch(folder, false);
	write_file(in_folder(folder, "a.pcap"), f.b.at, 24 + 2 * 17);
	feed_until(2);
	fd = open(in_folder(folder, "a.pcap"), O_WRONLY | O_APPEND | O_CLOEXEC);
	write_all(fd, f.b.at + 24 + 2 * 17, 2 * 17);
	close(fd);
	feed_until(4);
	CHECK(feed_said_times("goes on behind packet 2") == 1, "%s", feed.text);
	put_capture(in_folder(folder, "a.pcap"), 200, "efgh"); /* as long as it was */
	feed_until(8);
	fd = open(in_folder(folder, "a.pcap"), O_WRONLY | O_CLOEXEC); /* touched */
	write_all(fd, "\x4d", 1);
	close(fd);
	put_capture(in_folder(folder, "b.pcap"), 300, "i");
	feed_until(9);
	feed_idle();
	feed_close("abcdefghi", false, "files that change");
	free(folder);
}

static void test_files_that_go(void)
{
	char *folder = folder_new("go"), *gone = folder_new("gone");

	feed_watch(folder, false);
	put_capture(in_folder(folder, "a.pcap"), 100, "a");
	unlink(in_folder(folder, "a.pcap"));
	feed_until_said("a.pcap: disappeared before it was read", 1);
	put_capture(in_folder(folder, "b.pcap"), 100, "b");
	feed_until(1);
	feed_close("b", true, "a file that goes");
	feed_watch(gone, false);
	put_capture(in_folder(gone, "c.pcap"), 100, "c");
	feed_until(1);
	unlink(in_folder(gone, "c.pcap"));
	rmdir(gone);
	feed_until_end();
	CHECK(feed.ended && feed_said_times("the folder is gone") == 1, "%s", feed.text);
	feed_close("c", true, "a folder that goes");
	feed_watch(gone, false);
	feed_refused("gone: No such file or directory");
	free(folder);
	free(gone);
}

static void test_limit_and_stop(void)
{
	char *folder = folder_new("limit");
	const char *folders[] = {folder};

	put_capture(in_folder(folder, "a.pcap"), 100, "abcdef");
	feed_open((struct source_conf){.watch = folders, .n_watch = 1, .max_packets = 4});
	feed_until_end();
	CU_ASSERT_TRUE(feed.ended);
	feed_close("abcd", false, "a limit");
	feed_watch(folder, false);
	feed_fill(); /* while it waits for the file to settle */
	source_stop(feed.source);
	feed_fill();
	CU_ASSERT_TRUE(feed.ended);
	feed_close("", false, "a stop");
	free(folder);
}

/* ---- files that grow ---- */

/* Whatever the pieces are, each packet comes once it is whole. */
static void test_pieces_of_one_byte(void)
{
	char *path = temp_path("grows.pcap");
	struct file f = capture(100, "abcdef");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	write_all(fd, f.b.at, 1);
	feed_follow(path);
	for (size_t i = 1; i < f.b.n; i++) {
		uint32_t whole = i + 1 < 24 ? 0 : (uint32_t)(i + 1 - 24) / 17;

		write_all(fd, f.b.at + i, 1);
		feed_until(whole);
		if (!CHECK(feed.n == whole, "%u packets of %zu bytes", feed.n, i + 1))
			break;
	}
	feed_idle();
	CHECK(feed.idle_ns > feed.clock_ns && feed.idle_ns - feed.clock_ns < 3600 * NS_PER_S,
	      "idle at %llu", (unsigned long long)feed.idle_ns);
	CU_ASSERT_FALSE(feed.ended);
	close(fd);
	feed_until_end();
	CU_ASSERT_TRUE(feed.ended);
	feed_close("abcdef", false, "pieces of one byte");
	free(path);
}

/* Two pieces, cut at every byte, of each format and coding. */
static void test_every_split_point(void)
{
	static uint8_t packed[2][1024];
	struct file classic = capture(100, "abc"), ng = {0};
	z_stream z = {.next_in = classic.b.at, .avail_in = (uInt)classic.b.n};
	size_t zstd_len;

	ng_section(&ng);
	ng_interface(&ng, 1, NULL, 0);
	for (uint32_t i = 0; i < 3; i++)
		ng_packet(&ng, 0, i, &"abc"[i], 1);
	CU_ASSERT_EQUAL_FATAL(
		deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = packed[0];
	z.avail_out = sizeof(packed[0]);
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	zstd_len = ZSTD_compress(packed[1], sizeof(packed[1]), classic.b.at, classic.b.n, 3);
	const struct {
		const uint8_t *at;
		size_t n;
		const char *why;
	} rows[] = {{classic.b.at, classic.b.n, "classic"},
		    {ng.b.at, ng.b.n, "pcapng"},
		    {packed[0], sizeof(packed[0]) - z.avail_out, "gzip"},
		    {packed[1], zstd_len, "zstd"}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		for (size_t cut = 1, step = r ? 5 : 1; cut < rows[r].n; cut += step) {
			char *path = temp_path("split.pcap");
			int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
			char why[64];

			write_all(fd, rows[r].at, cut);
			feed_follow(path);
			feed_fill();
			write_all(fd, rows[r].at + cut, rows[r].n - cut);
			close(fd);
			feed_until_end();
			snprintf(why, sizeof(why), "%s cut at %zu", rows[r].why, cut);
			feed_close("abc", false, why);
			unlink(path);
			free(path);
		}
}

static void test_follow_in_a_folder(void)
{
	char *folder = folder_new("follow");
	struct file f = capture(200, "cdef");
	int fd, newer;

	put_capture(in_folder(folder, "a.pcap"), 100, "ab");
	feed_watch(folder, true);
	feed_until(2);
	fd = open(in_folder(folder, "b.pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	write_all(fd, f.b.at, 24 + 20);
	feed_until(3);
	CU_ASSERT_EQUAL(feed.n, 3);
	write_all(fd, f.b.at + 44, 24 + 34 - 44);
	feed_until(4);
	/* the next one begins before the last bytes of this are written, as with tcpdump -G */
	f = capture(200, "cdef");
	newer = open(in_folder(folder, "c.pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	feed_idle();
	write_all(fd, f.b.at + 24 + 34, 34);
	close(fd);
	feed_until(6);
	f = capture(300, "gh");
	write_all(newer, f.b.at, f.b.n);
	feed_until(8);
	feed_idle();
	CHECK(feed_said()[0] == 0, "%s", feed.text);
	close(newer);
	feed_idle();
	CU_ASSERT_FALSE(feed.ended);
	feed_close("abcdefgh", false, "follow in a folder");
	free(folder);
}

static void test_truncated_and_replaced(void)
{
	char *path = temp_path("turns.pcap"), *other = temp_path("other.pcap");
	struct file f = capture(100, "abc");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	write_all(fd, f.b.at, f.b.n - 5);
	feed_follow(path);
	feed_until(2);
	CU_ASSERT_EQUAL(ftruncate(fd, 10), 0);
	feed_until_end();
	CHECK(feed_said_times("turns.pcap: was truncated while it was followed") == 1, "%s",
	      feed.text);
	CHECK(feed.ended, "a truncated file ends");
	feed_close("ab", false, "truncated");
	close(fd);
	put_capture(path, 100, "abc");
	put_capture(other, 100, "xyz");
	feed_follow(path);
	feed_until(3);
	rename(other, path);
	feed_until_end();
	CHECK(feed_said_times("turns.pcap: was replaced or removed") == 1, "%s", feed.text);
	feed_close("abc", false, "replaced");
	free(path);
	free(other);
}

/* A ring of files, each overwritten in turn (tcpdump -W). */
static void test_ring_of_files(void)
{
	char *folder = folder_new("ring");
	struct file f;
	int fd;

	for (int follow = 0; follow < 2; follow++) {
		feed_watch(folder, follow);
		feed_fill();
		for (uint32_t i = 0; i < 6; i++) {
			char letters[3] = {(char)('a' + 2 * i), (char)('b' + 2 * i), 0};
			char name[16];

			snprintf(name, sizeof(name), "%u.pcap", i % 2);
			f = capture(1000 + 100 * i, letters);
			fd = open(in_folder(folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				  0644);
			write_all(fd, f.b.at, f.b.n);
			close(fd);
			feed_until(2 * i + 2);
		}
		feed_close("abcdefghijkl", false, follow ? "a ring, followed" : "a ring");
		unlink(in_folder(folder, "0.pcap"));
		unlink(in_folder(folder, "1.pcap"));
	}
	free(folder);
}

/* In real time a step of hours is believed where hours have passed.  Hours. */
static void test_clock_in_real_time(void)
{
	static const struct {
		double ts, passed, clock;
		const char *why;
	} rows[] = {
		{10.5, 0, 10.5, "a small step"},
		{9, 5, 10, "never back"},
		{15, 0, 10, "a large one at once"},
		{15, 3.9, 10, "and where too little time passed"},
		{15, 4, 15, "where an hour less has passed"},
		{15, 40, 15, "where more has"},
	};
	const uint64_t hour = 3600 * NS_PER_S;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capture_clock c = {0};
		uint64_t got;

		capture_clock_step(&c, 9 * hour);
		capture_clock_step(&c, 10 * hour);
		got = capture_clock_step_after(&c, (uint64_t)(rows[i].ts * (double)hour),
					       (uint64_t)(rows[i].passed * (double)hour));
		CHECK(got == (uint64_t)(rows[i].clock * (double)hour), "%s", rows[i].why);
	}
}

/* ---- what is remembered ---- */

/* Against a list that forgets from its front. */
static void test_known_files(void)
{
	enum { MAX = 8, INODES = 40 };
	struct {
		uint64_t ino;
	} read[MAX + 1];
	uint32_t n = 0, forgotten = 0;
	struct dice d = dice_of(77);
	struct known k;

	CU_ASSERT_EQUAL_FATAL(known_open(&k, MAX), 0);
	for (int step = 0; step < 4000; step++) {
		uint64_t ino = dice_below(&d, INODES);
		uint32_t row = known_find(&k, 1, ino), i;

		for (i = 0; i < n && read[i].ino != ino; i++)
			;
		if (!CHECK((row != KNOWN_NONE) == (i < n), "inode %u at step %d (seed %llu)",
			   (unsigned)ino, step, (unsigned long long)d.seed))
			break;
		if (row != KNOWN_NONE)
			continue;
		row = known_add(&k, 1, ino, "name");
		CU_ASSERT_NOT_EQUAL_FATAL(row, KNOWN_NONE);
		known_set(&k, row, KNOWN_READ);
		if (n == MAX) {
			memmove(read, read + 1, (MAX - 1) * sizeof(read[0]));
			n--;
			forgotten++;
		}
		read[n++].ino = ino;
	}
	CU_ASSERT_EQUAL(k.forgotten, forgotten);
	known_close(&k);
	/* none was read: no room */
	CU_ASSERT_EQUAL_FATAL(known_open(&k, MAX), 0);
	for (uint64_t i = 0; i < MAX; i++)
		CU_ASSERT_NOT_EQUAL(known_add(&k, 1, i, "name"), KNOWN_NONE);
	CU_ASSERT_EQUAL(known_add(&k, 1, MAX, "name"), KNOWN_NONE);
	CU_ASSERT_EQUAL(k.refused, 1);
	known_close(&k);
}

CU_TestInfo watch_tests[] = {
	{"files_that_are_there", test_files_that_are_there},
	{"beside_files", test_beside_files},
	{"complete_when_closed", test_complete_when_closed},
	{"moved_in", test_moved_in},
	{"links", test_links},
	{"many_files", test_many_files},
	{"compressed", test_compressed},
	{"compressed_behind_it", test_compressed_behind_it},
	{"broken_files", test_broken_files},
	{"late_file", test_late_file},
	{"files_that_change", test_files_that_change},
	{"files_that_go", test_files_that_go},
	{"limit_and_stop", test_limit_and_stop},
	{"pieces_of_one_byte", test_pieces_of_one_byte},
	{"every_split_point", test_every_split_point},
	{"follow_in_a_folder", test_follow_in_a_folder},
	{"truncated_and_replaced", test_truncated_and_replaced},
	{"ring_of_files", test_ring_of_files},
	{"clock_in_real_time", test_clock_in_real_time},
	{"known_files", test_known_files},
	CU_TEST_INFO_NULL,
};
