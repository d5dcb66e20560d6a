/* SPDX-License-Identifier: MIT */
/* format — capture formats in memory; every record is read where it touches an unreadable page. */
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/source/format.h"

enum { FRAMES = 16 };
enum how { ENDS_WELL, ENDS_CUT, ENDS_BAD, ENDS_ASTRAY };

static const char *const hows[] = {"well", "cut", "bad", "astray"};

struct reading {
	enum how how;
	uint32_t n;
	size_t ends[FRAMES]; /* where the record of frame i ends in the file */
	struct record frame[FRAMES];
	char text[FRAMES][32];
	struct format format;
};

/* Asks with as few bytes as the format says it needs, each time up to the unreadable page. */
static enum format_got ask(struct guard *g, struct ifaces *t, struct reading *r,
			   const uint8_t *file, size_t size, struct record *rec)
{
	size_t have = 0;

	for (;;) {
		const uint8_t *p = guard_put(g, file, have);
		enum format_got got;

		*rec = (struct record){0};
		got = r->format.ng || r->format.file ? format_next(&r->format, t, p, have, rec)
						     : format_begin(&r->format, t, p, have, rec);
		if (got == FORMAT_FRAME && rec->caplen < sizeof(r->text[0]) && r->n < FRAMES &&
		    rec->total <= have && rec->at + rec->caplen <= rec->total)
			memcpy(r->text[r->n], p + rec->at, rec->caplen);
		if (got != FORMAT_NEED)
			return got;
		if (rec->total <= have || rec->total > size)
			return FORMAT_NEED;
		have = (size_t)rec->total;
	}
}

/* Reads a whole file as source does. */
static void read_file(struct guard *g, struct ifaces *t, const uint8_t *file, size_t size,
		      struct reading *r)
{
	bool began = false;
	size_t at = 0;

	memset(r, 0, sizeof(*r));
	t->n = 0;
	for (int steps = 0; steps < 1000; steps++) {
		struct record rec;
		enum format_got got;

		if (began && at == size) {
			r->how = ENDS_WELL;
			return;
		}
		r->format.file = began; /* ask() tells by it whether the file began */
		got = ask(g, t, r, file + at, size - at, &rec);
		began = true;
		if (got == FORMAT_BAD || got == FORMAT_NEED) {
			r->how = got == FORMAT_BAD ? ENDS_BAD : ENDS_CUT;
			return;
		}
		if (rec.total > size - at) {
			r->how = got == FORMAT_SKIP ? ENDS_CUT : ENDS_ASTRAY;
			return;
		}
		at += (size_t)rec.total;
		if (got == FORMAT_SKIP)
			continue;
		if (r->n == FRAMES || rec.at + rec.caplen > rec.total)
			break;
		r->ends[r->n] = at;
		r->frame[r->n++] = rec;
	}
	r->how = ENDS_ASTRAY;
}

static struct guard guard;
static struct ifaces ifaces;

static void begin(void)
{
	CU_ASSERT_TRUE_FATAL(guard_open(&guard, BUILD_MAX));
	CU_ASSERT_EQUAL_FATAL(ifaces_open(&ifaces), 0);
}

static void end(void)
{
	guard_close(&guard);
	ifaces_close(&ifaces);
}

/* The whole file is read well; each shorter one gives the frames that are whole, and ends well
 * only where a record ends. */
static void every_truncation(const struct file *f, uint32_t frames, const char *what)
{
	static struct reading whole, part;

	read_file(&guard, &ifaces, f->b.at, f->b.n, &whole);
	if (!CHECK(whole.how == ENDS_WELL && whole.n == frames, "%s: ends %s with %u frames", what,
		   hows[whole.how], whole.n))
		return;
	for (size_t size = 0; size < f->b.n; size++) {
		uint32_t expect = 0;

		while (expect < whole.n && whole.ends[expect] <= size)
			expect++;
		read_file(&guard, &ifaces, f->b.at, size, &part);
		CHECK(part.n == expect && (part.how == ENDS_CUT || part.how == ENDS_WELL),
		      "%s cut at %zu ends %s with %u frames, not %u", what, size, hows[part.how],
		      part.n, expect);
		for (uint32_t i = 0; i < part.n; i++)
			CHECK(part.frame[i].ts_ns == whole.frame[i].ts_ns &&
				      part.frame[i].len == whole.frame[i].len,
			      "%s cut at %zu: frame %u", what, size, i);
	}
}

static void test_classic_in_every_form(void)
{
	static const struct {
		uint32_t magic, extra;
		uint64_t unit;
		const char *name;
	} forms[] = {
		{0xa1b2c3d4, 0, 1000, "microseconds"},
		{0xa1b23c4d, 0, 1, "nanoseconds"},
		{0xa1b2cd34, 8, 1000, "modified"},
	};

	begin();
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (int big = 0; big < 2; big++) {
			struct file f = {.big = big};
			static struct reading r;

			classic_header(&f, forms[i].magic, 1);
			classic_record(&f, 1700000000, 123456, "first frame", 11, forms[i].extra);
			classic_record(&f, 4294967295, 999999, "second", 1500, forms[i].extra);
			classic_record(&f, 0, 0, "", 60, forms[i].extra);
			every_truncation(&f, 3, forms[i].name);
			read_file(&guard, &ifaces, f.b.at, f.b.n, &r);
			CHECK(r.frame[0].ts_ns == 1700000000000000000ULL + 123456 * forms[i].unit,
			      "%s: time", forms[i].name);
			CHECK(r.frame[1].ts_ns == 4294967295000000000ULL + 999999 * forms[i].unit,
			      "%s: last second of the field", forms[i].name);
			CHECK(strcmp(r.text[0], "first frame") == 0, "%s: bytes", forms[i].name);
			CHECK(r.frame[1].caplen == 6 && r.frame[1].len == 1500, "%s: lengths",
			      forms[i].name);
			CHECK(ifaces.n == 1 && ifaces.row[0].linktype == 1 &&
				      ifaces.row[0].snaplen == 65535,
			      "%s: interface", forms[i].name);
		}
	}
	end();
}

static void test_classic_oddities(void)
{
	struct file fcs = {0}, old = {0}, huge = {0};
	static struct reading r;

	begin();
	/* The upper bits of the link type tell the length of an FCS (pcap draft §4). */
	classic_header(&fcs, 0xa1b2c3d4, 0x24000001);
	read_file(&guard, &ifaces, fcs.b.at, fcs.b.n, &r);
	CU_ASSERT_EQUAL(r.how, ENDS_WELL);
	CU_ASSERT_EQUAL(ifaces.row[0].linktype, 1);
	/* Before version 2.3 the lengths stood in the other order. */
	classic_header(&old, 0xa1b2c3d4, 1);
	old.b.at[6] = 2;
	file32(&old, 1);
	file32(&old, 2);
	file32(&old, 100);
	file32(&old, 4);
	put_text(&old.b, "abcd");
	read_file(&guard, &ifaces, old.b.at, old.b.n, &r);
	CU_ASSERT_EQUAL(r.how, ENDS_WELL);
	CU_ASSERT_EQUAL_FATAL(r.n, 1);
	CU_ASSERT_EQUAL(r.frame[0].caplen, 4);
	CU_ASSERT_EQUAL(r.frame[0].len, 100);
	classic_header(&huge, 0xa1b2c3d4, 1);
	classic_record(&huge, 1, 1, "good", 4, 0);
	classic_record(&huge, 1, 1, "lies", 4, 0);
	huge.b.at[huge.b.n - 4 - 5] = 0x7f;
	read_file(&guard, &ifaces, huge.b.at, huge.b.n, &r);
	CU_ASSERT_EQUAL(r.n, 1);
	end();
}

static void test_foreign_files(void)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum how how;
		const char *why;
	} rows[] = {
		{"", 0, ENDS_CUT, "empty"},
		{"\xa1", 1, ENDS_CUT, "one byte"},
		{"GIF89a--------------------", 26, ENDS_BAD, "a picture"},
		{"\0\0\0\0", 4, ENDS_BAD, "zeros"},
		{"\x0a\x0d\x0d\x0a", 4, ENDS_CUT, "a section's type alone"},
		{"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1b", 12, ENDS_BAD, "wrong order magic"},
		{"\x0a\x0d\x0d\x0a\x08\0\0\0\x4d\x3c\x2b\x1a", 12, ENDS_BAD, "section of 8 bytes"},
		{"\x0a\x0d\x0d\x0a\x1d\0\0\0\x4d\x3c\x2b\x1a", 12, ENDS_BAD, "odd section length"},
	};

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct reading r;

		read_file(&guard, &ifaces, (const uint8_t *)rows[i].bytes, rows[i].n, &r);
		CHECK(r.how == rows[i].how && r.n == 0, "%s ends %s", rows[i].why, hows[r.how]);
	}
	end();
}

/* Two sections of different byte order, options, names, unknown blocks, all kinds of packets. */
static void build_rich(struct file *f)
{
	struct file o = {.big = f->big}, body = {.big = f->big};

	ng_section(f);
	ng_option(&o, 2, "eth0", 4);
	ng_option(&o, 9, "\x09", 1);
	ng_option(&o, 0, NULL, 0);
	ng_interface(f, 1, o.b.at, o.b.n);
	ng_interface(f, 113, NULL, 0);
	ng_packet(f, 0, 1700000000123456789ULL, "nanosecond", 10);
	ng_block(f, 4, "name resolution ignored", 23);
	ng_packet(f, 1, 1700000000123456ULL, "micro", 1000);
	ng_block(f, 5, "statistics", 10);
	file32(&body, 7);
	put_text(&body.b, "simple!");
	ng_block(f, 3, body.b.at, body.b.n);
	body.b.n = 0;
	file16(&body, 1); /* the obsolete packet block: interface, drops */
	file16(&body, 5);
	file32(&body, (uint32_t)(1700000001000000ULL >> 32));
	file32(&body, (uint32_t)1700000001000000ULL);
	file32(&body, 3);
	file32(&body, 3);
	put_text(&body.b, "old");
	ng_block(f, 2, body.b.at, body.b.n);
	ng_block(f, 0x80000bad, "", 0);
	f->big = !f->big;
	ng_section(f);
	ng_interface(f, 101, NULL, 0);
	ng_packet(f, 0, 5000000, "again", 5);
}

static void test_pcapng_in_both_orders(void)
{
	begin();
	for (int big = 0; big < 2; big++) {
		struct file f = {.big = big};
		static struct reading r;

		build_rich(&f);
		every_truncation(&f, 5, big ? "pcapng, big endian first" : "pcapng");
		read_file(&guard, &ifaces, f.b.at, f.b.n, &r);
		CU_ASSERT_EQUAL(r.frame[0].ts_ns, 1700000000123456789ULL);
		CU_ASSERT_EQUAL(r.frame[1].ts_ns, 1700000000123456000ULL);
		CU_ASSERT_EQUAL(r.frame[1].len, 1000);
		CU_ASSERT_STRING_EQUAL(r.text[2], "simple!");
		CU_ASSERT_STRING_EQUAL(r.text[3], "old");
		CU_ASSERT_EQUAL(r.frame[3].ts_ns, 1700000001000000000ULL);
		CU_ASSERT_EQUAL(r.frame[4].ts_ns, 5000000000ULL);
		CU_ASSERT_EQUAL_FATAL(ifaces.n, 3);
		CU_ASSERT_STRING_EQUAL(ifaces.row[0].name, "eth0");
		CU_ASSERT_EQUAL(ifaces.row[r.frame[1].iface].linktype, 113);
		CU_ASSERT_EQUAL(ifaces.row[r.frame[3].iface].linktype, 113);
		CU_ASSERT_EQUAL(ifaces.row[r.frame[4].iface].linktype, 101);
	}
	end();
}

static void test_time_resolution(void)
{
	static const struct {
		int resolution; /* -1: no option */
		int64_t offset;
		uint64_t ticks, ns;
		const char *why;
	} rows[] = {
		{-1, 0, 1234567, 1234567000, "microseconds by default"},
		{6, 0, 1234567, 1234567000, "10^-6"},
		{9, 0, 1234567, 1234567, "10^-9"},
		{3, 0, 1234567, 1234567000000, "10^-3"},
		{0, 0, 1234567, 1234567000000000, "whole seconds"},
		{12, 0, 1999, 1, "picoseconds are cut off"},
		{18, 0, 5000000000000000000, 5000000000, "10^-18"},
		{0x80, 0, 7, 7000000000, "2^-0"},
		{0x8a, 0, 1536, 1500000000, "2^-10: one and a half seconds"},
		{0xa0, 0, (5ULL << 32) + (1ULL << 31), 5500000000, "2^-32: NTP's fractions"},
		{0xbf, 0, 1ULL << 63, 1000000000, "2^-63"},
		{6, 100, 5, 100000005000, "offset"},
		{6, -1, 2000000, 1000000000, "offset before 1970"},
		{6, -10, 2000000, 0, "a time before 1970 is 1970"},
		{0, 0, UINT64_MAX, UINT64_MAX, "beyond what 64 bits hold"},
		{9, INT64_MAX, UINT64_MAX, UINT64_MAX, "offset beyond"},
		{9, INT64_MIN, UINT64_MAX, 0, "offset far before"},
	};

	begin();
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct file f = {.big = i % 2}, o = {.big = i % 2}, value = {.big = i % 2};
		static struct reading r;
		uint8_t resolution = (uint8_t)rows[i / 2].resolution;

		if (rows[i / 2].resolution >= 0)
			ng_option(&o, 9, &resolution, 1);
		file64(&value, (uint64_t)rows[i / 2].offset);
		ng_option(&o, 14, value.b.at, 8);
		ng_section(&f);
		ng_interface(&f, 1, o.b.at, o.b.n);
		ng_packet(&f, 0, rows[i / 2].ticks, "x", 1);
		read_file(&guard, &ifaces, f.b.at, f.b.n, &r);
		CHECK(r.n == 1 && r.frame[0].ts_ns == rows[i / 2].ns, "%s: %llu", rows[i / 2].why,
		      (unsigned long long)r.frame[0].ts_ns);
	}
	end();
}

/* A block whose fields contradict each other ends the file there; nothing before it is lost. */
static void test_pcapng_lies(void)
{
	static const struct {
		int32_t at; /* of the second packet block */
		uint32_t value;
		enum how how;
		const char *why;
	} rows[] = {
		{4, 8, ENDS_BAD, "block of 8 bytes"},
		{4, 0, ENDS_BAD, "block of 0 bytes"},
		{4, 38, ENDS_BAD, "length no multiple of 4"},
		{4, 28, ENDS_BAD, "packet block too short for its fields"},
		{4, 40, ENDS_BAD, "lengths differ"},
		{4, 0x7ffffffc, ENDS_BAD, "packet block of 2 GB"},
		{20, 5, ENDS_BAD, "more captured bytes than the block has"},
		{20, 0xffffffff, ENDS_BAD, "4 GB captured"},
		{8, 1, ENDS_BAD, "an interface that was not described"},
		{8, 0xffffffff, ENDS_BAD, "interface 4294967295"},
		{24, 0xffffffff, ENDS_WELL, "any length on the wire"},
	};

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct file f = {0}, word = {0};
		static struct reading r;
		size_t second;

		ng_section(&f);
		ng_interface(&f, 1, NULL, 0);
		ng_packet(&f, 0, 1, "good", 4);
		second = f.b.n;
		ng_packet(&f, 0, 1, "lies", 4);
		file32(&word, rows[i].value);
		memcpy(f.b.at + second + rows[i].at, word.b.at, 4);
		ng_packet(&f, 0, 1, "good", 4);
		read_file(&guard, &ifaces, f.b.at, f.b.n, &r);
		CHECK(r.how == rows[i].how && r.n == (rows[i].how == ENDS_WELL ? 3 : 1),
		      "%s: ends %s with %u frames", rows[i].why, hows[r.how], r.n);
	}
	end();
}

static void test_options_that_lie(void)
{
	static const char *const options[] = {
		"\x02\0\xff\xff"
		"abcd",
		"\x09\0\0\0",
		"\x0e\0\x04\0\1\2\3\4",
		"\x09\0\5\0\1\2\3\4",
		"\x02\0\x40\0"
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	static const size_t sizes[] = {8, 4, 8, 8, 68};

	begin();
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct file f = {0};
		static struct reading r;

		ng_section(&f);
		ng_interface(&f, 1, options[i], sizes[i]);
		ng_packet(&f, 0, 1000000, "x", 1);
		read_file(&guard, &ifaces, f.b.at, f.b.n, &r);
		CHECK(r.how == ENDS_WELL && r.n == 1 && r.frame[0].ts_ns == 1000000000,
		      "option %zu ends %s", i, hows[r.how]);
		CHECK(memchr(ifaces.row[0].name, 0, sizeof(ifaces.row[0].name)) != NULL,
		      "the name of option %zu ends", i);
	}
	end();
}

/* Any bytes: nothing is read beyond what was given, and reading comes to an end. */
static void test_mutations(void)
{
	struct dice d = dice_of(31);

	begin();
	for (int n = 0; n < 6000; n++) {
		struct file f = {.big = n & 1};
		static struct reading r;

		if (n & 2) {
			build_rich(&f);
		} else {
			classic_header(&f, n & 4 ? 0xa1b2cd34 : 0xa1b23c4d, 1);
			for (int i = 0; i < 4; i++)
				classic_record(&f, 1, 2, "some bytes", 10, n & 4 ? 8 : 0);
		}
		for (uint32_t k = 1 + dice_below(&d, 6); k; k--)
			f.b.at[dice_below(&d, (uint32_t)f.b.n)] = (uint8_t)dice_roll(&d);
		read_file(&guard, &ifaces, f.b.at, f.b.n, &r);
		CHECK(r.how != ENDS_ASTRAY || r.n == FRAMES, "mutation %d, seed %llu", n,
		      (unsigned long long)d.seed);
	}
	end();
}

CU_TestInfo format_tests[] = {
	{"classic_in_every_form", test_classic_in_every_form},
	{"classic_oddities", test_classic_oddities},
	{"foreign_files", test_foreign_files},
	{"pcapng_in_both_orders", test_pcapng_in_both_orders},
	{"time_resolution", test_time_resolution},
	{"pcapng_lies", test_pcapng_lies},
	{"options_that_lie", test_options_that_lie},
	{"mutations", test_mutations},
	CU_TEST_INFO_NULL,
};
