/* SPDX-License-Identifier: MIT */
/* source — whole files against libpcap; files merged, missing, truncated; the capture clock. */
#include <dirent.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/source/source.h"

enum { MANY = 200000 };
#define CAPTURES "tests/captures"

/* All frames of a run, in order. */
struct run {
	uint32_t n;
	struct frame *frame;
	uint32_t *sum; /* of its bytes */
	uint32_t *file_number;
	uint8_t (*head)[4]; /* first bytes */
	bool trouble, counted;
	int rc;
	struct source_totals totals;
};

static uint32_t sum_of(const uint8_t *at, uint32_t n)
{
	uint32_t h = 2166136261U;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 16777619U;
	return h;
}

static void run_free(struct run *r)
{
	free(r->frame);
	free(r->sum);
	free(r->file_number);
	free(r->head);
}

static void run_block(struct run *r, const struct block *b)
{
	r->counted &= b->first_number == r->n + 1U;
	for (uint32_t i = 0; i < b->n && r->n < MANY; i++, r->n++) {
		const struct frame *f = &b->frame[i];

		r->frame[r->n] = *f;
		r->sum[r->n] = sum_of(b->buf + f->at, f->caplen);
		r->file_number[r->n] = b->file_number ? b->file_number[i] : 0;
		memcpy(r->head[r->n], b->buf + f->at, f->caplen < 4 ? f->caplen : 4);
	}
}

static struct source *source;

/* Reads everything; the source stays open. */
static struct run run_open(const char *const *paths, size_t n, uint64_t max_packets)
{
	struct run r = {.counted = true};
	struct block b;

	r.frame = calloc(MANY, sizeof(*r.frame));
	r.sum = calloc(MANY, sizeof(*r.sum));
	r.file_number = calloc(MANY, sizeof(*r.file_number));
	r.head = calloc(MANY, sizeof(*r.head));
	quiet_begin();
	r.rc = source_open(
		&source,
		&(struct source_conf){.paths = paths, .n_paths = n, .max_packets = max_packets});
	if (r.rc == 0) {
		CU_ASSERT_EQUAL_FATAL(block_open(&b, source_several(source)), 0);
		do {
			source_fill(source, &b);
			run_block(&r, &b);
			b.index++;
		} while (!b.last);
		block_close(&b);
		r.trouble = source_trouble(source);
		r.totals = source_totals(source);
	}
	quiet_end();
	return r;
}

static struct run run_paths(const char *const *paths, size_t n)
{
	struct run r = run_open(paths, n, 0);

	source_close(source);
	source = NULL;
	return r;
}

/* libpcap sees the same packets, times, lengths and bytes. */
static void compare_with_libpcap(const char *path, const char *read_path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct run r = run_paths(&read_path, 1);
	struct pcap_pkthdr *h;
	const uint8_t *bytes;
	uint32_t n = 0;

	CHECK(r.rc == 0 && r.counted && !r.trouble, "%s: %d", path, r.rc);
	if (!CHECK(p != NULL, "%s", error)) {
		run_free(&r);
		return;
	}
	for (; pcap_next_ex(p, &h, &bytes) == 1; n++) {
		const struct frame *f = &r.frame[n];
		uint64_t ns = (uint64_t)h->ts.tv_sec * 1000000000 + (uint64_t)h->ts.tv_usec;

		if (!CHECK(n < r.n && f->ts_ns == ns && f->caplen == h->caplen &&
				   f->len == h->len && r.sum[n] == sum_of(bytes, h->caplen),
			   "%s: packet %u", path, n + 1))
			break;
	}
	CHECK(n == r.n && r.totals.packets == n, "%s: %u packets, not %u", path, r.n, n);
	pcap_close(p);
	run_free(&r);
}

static void test_captures_against_libpcap(void)
{
	DIR *dir = opendir(CAPTURES);
	struct dirent *d;
	int files = 0;

	CU_ASSERT_PTR_NOT_NULL(dir);
	if (!dir)
		return;
	while ((d = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): one thread */
		char path[512];

		if (!strstr(d->d_name, ".pcap"))
			continue;
		snprintf(path, sizeof(path), CAPTURES "/%s", d->d_name);
		compare_with_libpcap(path, path);
		files++;
	}
	closedir(dir);
	CHECK(files > 20, "%d captures", files);
}

static void test_compressed_capture(void)
{
	static uint8_t in[1 << 19], out[1 << 20];
	FILE *f = fopen(CAPTURES "/loss.pcap", "re");
	z_stream z = {.next_in = in};
	char *path;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL_FATAL(
		deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.avail_in = (uInt)fread(in, 1, sizeof(in), f);
	z.next_out = out;
	z.avail_out = sizeof(out);
	fclose(f);
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	path = temp_file("loss.gz", out, sizeof(out) - z.avail_out);
	compare_with_libpcap(CAPTURES "/loss.pcap", path);
	free(path);
}

/* A file of `n` frames of up to `longest` bytes, some MB: many blocks, frames across their ends. */
static char *big_file(uint32_t n, uint32_t longest)
{
	char *path = temp_path("big.pcap");
	FILE *f = fopen(path, "we");
	struct dice d = dice_of(51);
	static uint8_t bytes[1 << 20];
	uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 1 << 20, 1};

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	dice_fill(&d, bytes, sizeof(bytes));
	fwrite(head, sizeof(head), 1, f);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = dice_below(&d, dice_below(&d, 40) ? 200 : longest);
		uint32_t record[4] = {1700000000 + i / 1000, i % 1000, len, len + i % 3};

		fwrite(record, sizeof(record), 1, f);
		fwrite(bytes + dice_below(&d, (uint32_t)sizeof(bytes) - len), 1, len, f);
	}
	fclose(f);
	return path;
}

static void test_many_blocks_against_libpcap(void)
{
	char *small = big_file(60000, 9000), *large;

	compare_with_libpcap(small, small);
	free(small);
	large = big_file(300, 262000); /* libpcap reads no longer frames */
	compare_with_libpcap(large, large);
	free(large);
}

struct crew {
	_Atomic uint64_t next;
	pthread_mutex_t lock;
	struct {
		uint32_t n, sum;
		uint64_t first;
	} block[256];
	_Atomic uint64_t last;
};

static void *crew_member(void *arg)
{
	struct crew *c = arg;
	struct block b;

	CU_ASSERT_EQUAL(block_open(&b, false), 0);
	do {
		b.index = atomic_fetch_add(&c->next, 1);
		if (b.index > atomic_load(&c->last) || b.index >= 256)
			break;
		source_fill(source, &b);
		c->block[b.index].n = b.n;
		c->block[b.index].first = b.first_number;
		for (uint32_t i = 0; i < b.n; i++)
			c->block[b.index].sum = c->block[b.index].sum * 31 +
						sum_of(b.buf + b.frame[i].at, b.frame[i].caplen);
		if (b.last)
			atomic_store(&c->last, b.index);
	} while (!b.last);
	block_close(&b);
	return NULL;
}

/* Three threads fill blocks at once: each block has the frames it has with one thread. */
static void test_threads_read_the_same_blocks(void)
{
	static struct crew one, three;
	char *path = big_file(60000, 9000);
	const char *paths[] = {path};
	struct source_conf conf = {.paths = paths, .n_paths = 1};
	pthread_t t[3];

	atomic_store(&one.last, UINT64_MAX);
	atomic_store(&three.last, UINT64_MAX);
	CU_ASSERT_EQUAL_FATAL(source_open(&source, &conf), 0);
	crew_member(&one);
	source_close(source);
	CU_ASSERT_EQUAL_FATAL(source_open(&source, &conf), 0);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, crew_member, &three), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(source_totals(source).packets, 60000);
	source_close(source);
	CU_ASSERT_TRUE(one.last > 10);
	for (uint64_t i = 0; i < 256; i++)
		CHECK(three.block[i].n == one.block[i].n &&
			      three.block[i].sum == one.block[i].sum &&
			      (i > one.last || three.block[i].first == one.block[i].first),
		      "block %llu has %u frames, not %u", (unsigned long long)i, three.block[i].n,
		      one.block[i].n);
	free(path);
}

/* A nanosecond capture with one frame per time in `times`, each holding the letter. */
static char *timed_file(const char *name, const char *times, char letter)
{
	struct file f = {0};
	char text[2] = {letter, 0};

	classic_header(&f, 0xa1b23c4d, 1);
	for (const char *t = times; *t; t++)
		classic_record(&f, (uint32_t)(*t - '0'), 0, text, 1, 0);
	return temp_file(name, f.b.at, f.b.n);
}

static void test_files_merge_by_time(void)
{
	static const struct {
		const char *times[3];
		const char *expect, *why;
	} rows[] = {
		{{"135", "246", ""}, "ababab", "overlapping"},
		{{"456", "123", ""}, "bbbaaa", "in the wrong order"},
		{{"123", "456", "789"}, "aaabbbccc", "one after another"},
		{{"19", "2", "345"}, "abccca", "one inside another"},
		{{"111", "111", "111"}, "aaabbbccc", "all at once: in the order given"},
		{{"315", "2", ""}, "baaa", "a file whose times go back"},
		{{"", "12", ""}, "bb", "no packets in the first"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *paths[3] = {timed_file("a.pcap", rows[i].times[0], 'a'),
				  timed_file("b.pcap", rows[i].times[1], 'b'),
				  timed_file("c.pcap", rows[i].times[2], 'c')};
		struct run r = run_paths((const char *const *)paths, 3);
		uint32_t seen[3] = {0};
		char text[32] = "";

		CHECK(r.rc == 0 && !r.trouble, "%s", rows[i].why);
		for (uint32_t k = 0; k < r.n; k++) {
			uint32_t file = r.head[k][0] - 'a';

			text[k] = (char)r.head[k][0];
			CHECK(file < 3 && r.file_number[k] == ++seen[file], "%s: number in file",
			      rows[i].why);
		}
		CHECK(strcmp(text, rows[i].expect) == 0, "%s: %s, not %s", rows[i].why, text,
		      rows[i].expect);
		run_free(&r);
		for (int k = 0; k < 3; k++)
			free(paths[k]);
	}
}

/* More files than are kept open; a folder is read by name, hidden files and folders left out. */
static void test_folder_of_many_files(void)
{
	enum { FILES = 40 };
	char *folder = temp_path("many");
	const char *paths[] = {folder};
	char *hidden, name[64];
	struct run r;

	CU_ASSERT_EQUAL_FATAL(mkdir(folder, 0755), 0);
	for (uint32_t i = 0; i < FILES; i++) {
		struct file f = {0};

		classic_header(&f, 0xa1b2c3d4, 1);
		for (uint32_t k = 0; k < 3; k++) /* each overlaps the next */
			classic_record(&f, 100 + 10 * i + 7 * k, i, "x", 1, 0);
		snprintf(name, sizeof(name), "many/%03u.pcap", FILES - i);
		free(temp_file(name, f.b.at, f.b.n));
	}
	hidden = temp_file("many/.hidden", "no capture", 10);
	r = run_paths(paths, 1);
	CHECK(r.rc == 0 && !r.trouble && r.n == 3 * FILES, "%d: %u packets", r.rc, r.n);
	for (uint32_t i = 1; i < r.n; i++)
		CHECK(r.frame[i].ts_ns >= r.frame[i - 1].ts_ns, "packet %u goes back", i + 1);
	run_free(&r);
	unlink(hidden);
	for (uint32_t i = 1; i <= FILES; i++) {
		snprintf(name, sizeof(name), "%s/%03u.pcap", folder, i);
		unlink(name);
	}
	r = run_paths(paths, 1);
	CHECK(r.rc == 0 && r.trouble && r.n == 0, "an empty folder: %d", r.rc);
	run_free(&r);
	rmdir(folder);
	free(hidden);
	free(folder);
}

/* pcapng may describe an interface late: its packets keep their own link type when files merge. */
static void test_late_interface_while_merging(void)
{
	struct file a = {0}, b = {0};
	char *paths[2];
	struct run r;

	ng_section(&a);
	ng_interface(&a, 1, NULL, 0);
	ng_packet(&a, 0, 1, "a", 1);
	ng_interface(&a, 113, NULL, 0);
	ng_packet(&a, 1, 3, "A", 1);
	ng_section(&b);
	ng_interface(&b, 101, NULL, 0);
	ng_packet(&b, 0, 2, "b", 1);
	paths[0] = temp_file("late-a.pcapng", a.b.at, a.b.n);
	paths[1] = temp_file("late-b.pcapng", b.b.at, b.b.n);
	r = run_open((const char *const *)paths, 2, 0);
	CU_ASSERT_EQUAL_FATAL(r.n, 3);
	CU_ASSERT_EQUAL(source_iface(source, r.frame[0].iface)->linktype, 1);
	CU_ASSERT_EQUAL(source_iface(source, r.frame[1].iface)->linktype, 101);
	CU_ASSERT_EQUAL(source_iface(source, r.frame[2].iface)->linktype, 113);
	CU_ASSERT_STRING_EQUAL(
		source_file_name(source, source_iface(source, r.frame[1].iface)->file), paths[1]);
	source_close(source);
	run_free(&r);
	free(paths[0]);
	free(paths[1]);
}

static void test_troubled_inputs(void)
{
	char *good = timed_file("good.pcap", "123", 'g'), *none = temp_file("empty", "", 0);
	char *foreign = temp_file("foreign", "GIF89a, and more of a picture", 29);
	struct file f = {0};
	char *cut;

	classic_header(&f, 0xa1b2c3d4, 1);
	classic_record(&f, 1, 0, "whole", 5, 0);
	classic_record(&f, 1, 0, "half", 4, 0);
	cut = temp_file("cut.pcap", f.b.at, f.b.n - 2);
	const struct {
		const char *paths[2];
		size_t n;
		uint32_t packets;
		bool trouble;
		const char *why;
	} rows[] = {
		{{"/nonexistent"}, 1, 0, true, "missing"},
		{{none}, 1, 0, true, "empty"},
		{{foreign}, 1, 0, true, "no capture"},
		{{good}, 1, 3, false, "good"},
		{{good, "/nonexistent"}, 2, 3, true, "good and missing"},
		{{none, good}, 2, 3, true, "empty and good"},
		{{good, foreign}, 2, 3, true, "good and foreign"},
		{{cut}, 1, 1, true, "cut short"},
		{{cut, good}, 2, 4, true, "cut short, and good"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run r = run_paths(rows[i].paths, rows[i].n);

		CHECK(r.rc == 0 && r.n == rows[i].packets && r.trouble == rows[i].trouble,
		      "%s: %d, %u packets, trouble %d", rows[i].why, r.rc, r.n, r.trouble);
		run_free(&r);
	}
	free(good);
	free(none);
	free(foreign);
	free(cut);
}

/* Every whole packet before the end is delivered, read at offsets or as a stream. */
static void test_every_truncation(void)
{
	struct file f = {0};
	char *other = timed_file("other.pcap", "", 'o');

	classic_header(&f, 0xa1b2c3d4, 1);
	classic_record(&f, 1, 0, "one", 3, 0);
	classic_record(&f, 2, 0, "two", 3, 0);
	for (size_t size = 24; size <= f.b.n; size++) {
		char *path = temp_file("trunc.pcap", f.b.at, size);
		const char *paths[] = {path, other};
		uint32_t expect = (uint32_t)(size - 24) / 19;

		for (size_t n = 1; n <= 2; n++) {
			struct run r = run_paths(paths, n);

			CHECK(r.rc == 0 && r.n == expect && r.trouble == ((size - 24) % 19 != 0),
			      "%zu bytes, %zu files: %u packets, trouble %d", size, n, r.n,
			      r.trouble);
			run_free(&r);
		}
		free(path);
	}
	free(other);
}

static void test_growing_file_and_reread(void)
{
	char *path = timed_file("grow.pcap", "123", 'g');
	const char *paths[] = {path};
	uint8_t bytes[8];
	struct block b;
	FILE *f;

	CU_ASSERT_EQUAL_FATAL(
		source_open(&source, &(struct source_conf){.paths = paths, .n_paths = 1}), 0);
	CU_ASSERT_EQUAL_FATAL(block_open(&b, false), 0);
	CU_ASSERT_TRUE(source_seekable(source));
	CU_ASSERT_EQUAL(source_reread(source, 24 + 16, bytes, 1), 1);
	CU_ASSERT_EQUAL(bytes[0], 'g');
	f = fopen(path, "ae");
	fwrite("more", 1, 4, f);
	fclose(f);
	quiet_begin();
	source_fill(source, &b);
	quiet_end();
	CU_ASSERT_TRUE(b.last);
	CU_ASSERT_EQUAL(b.n, 3);
	CU_ASSERT_FALSE(source_trouble(source));
	CU_ASSERT_EQUAL(source_reread(source, 24 + 16, bytes, 1), 0);
	block_close(&b);
	source_close(source);
	free(path);
}

static void test_limits(void)
{
	char *path = big_file(60000, 9000);
	const char *paths[] = {path, CAPTURES "/ping.pcap"};
	static const uint64_t limits[] = {1, 100, 20000, 59999, 60000, 70000};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct run r = run_open(paths, 1, limits[i]);

		CHECK(r.n == (limits[i] < 60000 ? limits[i] : 60000) && !r.trouble,
		      "%u packets with a limit of %llu", r.n, (unsigned long long)limits[i]);
		source_close(source);
		run_free(&r);
	}
	for (size_t n = 1; n <= 2; n++) {
		struct block b;

		CU_ASSERT_EQUAL_FATAL(
			source_open(&source, &(struct source_conf){.paths = paths, .n_paths = n}),
			0);
		CU_ASSERT_EQUAL_FATAL(block_open(&b, source_several(source)), 0);
		source_fill(source, &b);
		CU_ASSERT_TRUE(b.n > 0 && !b.last);
		source_stop(source);
		b.index++;
		source_fill(source, &b);
		CU_ASSERT_TRUE(b.n == 0 && b.last);
		block_close(&b);
		source_close(source);
	}
	free(path);
}

/* Hours; the clock after each packet, worked out from the rule. */
static void test_capture_clock(void)
{
	static const struct {
		double ts[8], clock[8];
		int n;
		const char *why;
	} rows[] = {
		{{10, 10.5, 11, 11.9}, {10, 10.5, 11, 11.9}, 4, "steps within an hour"},
		{{10, 9, 10.2}, {10, 10, 10.2}, 3, "never back"},
		{{10, 10.1, 11.1}, {10, 10.1, 11.1}, 3, "an hour exactly is no step"},
		{{10, 10.1, 20, 10.2}, {10, 10.1, 10.1, 10.2}, 4, "one odd packet ahead"},
		{{10, 10.1, 20, 20.1, 20.2}, {10, 10.1, 10.1, 20, 20.2}, 5, "confirmed"},
		{{10, 10.1, 20, 30}, {10, 10.1, 10.1, 20}, 4, "confirmed by one yet further ahead"},
		{{10, 10.1, 30, 20}, {10, 10.1, 10.1, 20}, 4, "confirmed by one less far ahead"},
		{{10, 10.1, 20, 9, 20}, {10, 10.1, 10.1, 10.1, 10.1}, 5, "the next was old"},
		{{50, 10, 10.1}, {50, 10, 10.1}, 3, "the very first was the odd one"},
		{{10, 9.5, 10.1}, {10, 10, 10.1}, 3, "the second a little older"},
		{{0, 0, 0.5}, {0, 0, 0.5}, 3, "times of zero"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capture_clock c = {0};

		for (int k = 0; k < rows[i].n; k++) {
			uint64_t hour = 3600000000000ULL;
			uint64_t got = capture_clock_step(&c, (uint64_t)(rows[i].ts[k] * 10 + 0.5) *
								      (hour / 10));

			CHECK(got == (uint64_t)(rows[i].clock[k] * 10 + 0.5) * (hour / 10),
			      "%s: packet %d", rows[i].why, k + 1);
		}
	}
}

CU_TestInfo source_tests[] = {
	{"captures_against_libpcap", test_captures_against_libpcap},
	{"compressed_capture", test_compressed_capture},
	{"many_blocks_against_libpcap", test_many_blocks_against_libpcap},
	{"threads_read_the_same_blocks", test_threads_read_the_same_blocks},
	{"files_merge_by_time", test_files_merge_by_time},
	{"folder_of_many_files", test_folder_of_many_files},
	{"late_interface_while_merging", test_late_interface_while_merging},
	{"troubled_inputs", test_troubled_inputs},
	{"every_truncation", test_every_truncation},
	{"growing_file_and_reread", test_growing_file_and_reread},
	{"limits", test_limits},
	{"capture_clock", test_capture_clock},
	CU_TEST_INFO_NULL,
};
