/* SPDX-License-Identifier: MIT */
/*
 * slice — every character there can be and every way to spell it wrongly, rows of every length and
 * offset; nothing that steers a terminal comes through.
 */
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/view/slice.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct range {
	uint32_t first, last;
};

/* Controls, marks of direction, separators of lines; zero width, fillers, selectors and tags; and
 * what is no character. */
static const struct range never[] = {
	{0x00, 0x08},       {0x0b, 0x0c},         {0x0e, 0x1f},       {0x7f, 0x9f},
	{0xad, 0xad},       {0x34f, 0x34f},       {0x61c, 0x61c},     {0x115f, 0x1160},
	{0x17b4, 0x17b5},   {0x180b, 0x180f},     {0x200b, 0x200f},   {0x2028, 0x202e},
	{0x2060, 0x2064},   {0x2066, 0x206f},     {0x3164, 0x3164},   {0xd800, 0xdfff},
	{0xfe00, 0xfe0f},   {0xfeff, 0xfeff},     {0xffa0, 0xffa0},   {0xfff9, 0xfffb},
	{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},   {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
	{0xe0100, 0xe01ef}, {0x110000, 0x1fffff},
};

/* Not assigned, or no characters: they may be shown or not. */
static const struct range open[] = {
	{0x2065, 0x2065},   {0xfdd0, 0xfdef},     {0xfff0, 0xfff8},   {0xfffe, 0xffff},
	{0x1fffe, 0x1ffff}, {0x2fffe, 0x2ffff},   {0xe0000, 0xe0fff}, {0xefffe, 0xeffff},
	{0xffffe, 0xfffff}, {0x10fffe, 0x10ffff},
};

static bool lies_in(const struct range *r, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].first && c <= r[i].last)
			return true;
	return false;
}

/* In exactly `n` bytes, be that too many or not. */
static void spell(uint32_t c, size_t n, uint8_t out[4])
{
	static const uint8_t lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(lead[n] | c);
}

static size_t length_of(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static size_t ask(struct guard *g, const uint8_t *at, size_t n)
{
	return slice_character(span_of(guard_put(g, at, n), n));
}

static void test_every_character(void)
{
	uint8_t in[5];
	struct guard g;
	bool good = true;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 8));
	for (uint32_t c = 0; c < 0x200000 && good; c++) {
		bool bad = lies_in(never, COUNT(never), c);
		size_t n = length_of(c), got;

		spell(c, n, in);
		got = ask(&g, in, n);
		if (!bad && got == 0 && lies_in(open, COUNT(open), c))
			continue;
		good = CHECK(got == (bad ? 0 : n), "U+%04X: %zu", c, got);
		in[n] = 0xff;
		good = good && CHECK(ask(&g, in, n + 1) == got, "U+%04X and more", c);
		for (size_t k = 0; k < n && good; k++)
			good = CHECK(ask(&g, in, k) == 0, "%zu bytes of U+%04X", k, c);
	}
	guard_close(&g);
}

static void test_overlong(void)
{
	static const uint32_t end[5] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t in[4];
	struct guard g;
	bool good = true;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 8));
	for (size_t n = 2; n <= 4; n++)
		for (uint32_t c = 0; c < end[n] && good; c++) {
			spell(c, n, in);
			good = CHECK(ask(&g, in, n) == 0, "U+%04X in %zu bytes", c, n);
		}
	guard_close(&g);
}

/* Unicode, table 3-7: the only sequences that are well formed. */
static size_t well_formed(const uint8_t b[4], size_t have)
{
	static const struct {
		uint8_t first, last, low, high, n;
	} rows[] = {
		{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (b[0] < rows[i].first || b[0] > rows[i].last)
			continue;
		if (have < rows[i].n)
			return 0;
		if (rows[i].n > 1 && (b[1] < rows[i].low || b[1] > rows[i].high))
			return 0;
		for (size_t k = 2; k < rows[i].n; k++)
			if (b[k] < 0x80 || b[k] > 0xbf)
				return 0;
		return rows[i].n;
	}
	return 0;
}

static uint32_t value_of(const uint8_t *b, size_t n)
{
	uint32_t c = n == 1 ? b[0] : b[0] & (0x7fU >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (b[i] & 0x3f);
	return c;
}

/* Whether the answer for these bytes may be `got`. */
static bool answer_fits(const uint8_t b[4], size_t have, size_t got)
{
	size_t n = well_formed(b, have);
	uint32_t c = value_of(b, n ? n : 1);

	if (n == 0 || lies_in(never, COUNT(never), c))
		return got == 0;
	return got == n || (got == 0 && lies_in(open, COUNT(open), c));
}

static void test_every_sequence(void)
{
	static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
	bool good = true;

	for (uint32_t v = 0; v < 0x10000 && good; v++) {
		uint8_t b[4] = {(uint8_t)(v >> 8), (uint8_t)v};

		for (size_t i = 0; i < COUNT(edges) * COUNT(edges) && good; i++) {
			b[2] = edges[i / COUNT(edges)];
			b[3] = edges[i % COUNT(edges)];
			for (size_t n = 1; n <= 4; n++)
				if (!answer_fits(b, n, slice_character(span_of(b, n))))
					good = CHECK(false, "%02x %02x %02x %02x, %zu of them",
						     b[0], b[1], b[2], b[3], n);
		}
	}
	CU_ASSERT_TRUE(good);
}

static void check_text(struct guard *in, struct guard *out, const void *bytes, size_t n,
		       const char *want, size_t want_n)
{
	const uint8_t *at = guard_put(in, bytes, n);
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	char *to = (char *)out->end - n; /* at most one per byte */
	size_t got = slice_text(span_of(at, n), to);

	CHECK(got == want_n && memcmp(to, want, want_n) == 0, "\"%.*s\" instead of \"%s\"",
	      (int)got, to, want);
}

static void test_text(void)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"", ""},
		{"plain, with\ttab\r\nand lines\n", "plain, with\ttab\r\nand lines\n"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xd7\xa9\xd7\x9c \xd8\xb3 \xe4\xbd\xa0",
		 "\xd7\xa9\xd7\x9c \xd8\xb3 \xe4\xbd\xa0"},
		{"\x1b[31mred\x1b[0m", ".[31mred.[0m"},
		{"\x1b]0;title\x07", ".]0;title."},
		{"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", ".]8;;http://a.\\link.]8;;.\\"},
		{"\x1bP1$r\x1b\\ \x1b"
		 "c \x1b(0",
		 ".P1$r.\\ .c .(0"},
		{"\x9b"
		 "2J",
		 ".2J"},
		{"\xc2\x9b"
		 "2J \xc2\x9d"
		 "0;t\xc2\x9c",
		 "..2J ..0;t.."},
		{"over\b\b\b\bwrite \x0b\x0c\x7f\x0e\x0f", "over....write ....."},
		{"user\xe2\x80\xaetxt.exe", "user...txt.exe"},
		{"\xe2\x81\xa6"
		 "a\xe2\x81\xa9 \xd8\x9c \xe2\x80\x8f",
		 "...a... .. ..."},
		{"pa\xe2\x80\x8bss\xef\xbb\xbf", "pa...ss..."},
		{"a\xcd\x8f \xe1\x85\x9f \xe1\x85\xa0 \xe1\xa0\x8e", "a.. ... ... ..."},
		{"\xe3\x85\xa4 \xef\xbe\xa0 \xef\xb8\x80 \xef\xb8\x8f", "... ... ... ..."},
		{"\xf3\xa0\x84\x80 \xf3\xa0\x87\xaf \xf3\xa0\x80\x80 \xf3\xa0\x81\xbf",
		 ".... .... .... ...."},
		{"\xe2\x80\xa8 \xe2\x80\xa9 \xc2\x85", "... ... .."},
		{"\xc0\x80 \xc1\xbf \xe0\x80\xaf \xf0\x80\x80\xaf", ".. .. ... ...."},
		{"\xc0\x9b[31m \xe0\x80\x9b[m", "..[31m ...[m"},
		{"\xed\xa0\x80 \xed\xbf\xbf", "... ..."},
		{"\xf4\x90\x80\x80 \xf8\x88\x80\x80\x80 \xfe\xff", ".... ..... .."},
		{"cut \xe2\x82", "cut .."},
		{"cut \xf0\x9f\x98", "cut ..."},
		{"\xe2\x82"
		 "a \xe2(\xa1",
		 "..a .(."},
		{"\xc3\xc3\xbc \xf0\xf0\x9f\x98\x80", ".\xc3\xbc .\xf0\x9f\x98\x80"},
		{"\xe2\x1b[31m \xf0\x9f\x1b[m", "..[31m ...[m"},
	};
	struct guard in, out;

	CU_ASSERT_TRUE_FATAL(guard_open(&in, 256) && guard_open(&out, 256));
	for (size_t i = 0; i < COUNT(rows); i++)
		check_text(&in, &out, rows[i].in, strlen(rows[i].in), rows[i].want,
			   strlen(rows[i].want));
	check_text(&in, &out, "a\0b", 3, "a.b", 3);
	guard_close(&in);
	guard_close(&out);
}

/* One dot for each byte that does not pass, what passes unchanged. */
static size_t naive_text(const uint8_t *at, size_t n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n;) {
		size_t c = slice_character(span_of(at + i, n - i));

		memcpy(out + len, c ? (const char *)at + i : ".", c ? c : 1);
		len += c ? c : 1;
		i += c ? c : 1;
	}
	return len;
}

static void test_text_of_anything(void)
{
	static uint8_t bytes[600];
	static char want[600];
	struct dice d = dice_of(1501);
	struct guard in, out;

	CU_ASSERT_TRUE_FATAL(guard_open(&in, sizeof(bytes)) && guard_open(&out, sizeof(bytes)));
	for (int i = 0; i < 20000; i++) {
		size_t n = dice_below(&d, sizeof(bytes)), len = 0;
		uint32_t kind = dice_below(&d, 4);

		while (len + 4 <= n) {
			uint32_t c = dice_below(&d, kind == 0   ? 0x100
						    : kind == 1 ? 0x3000
								: 0x120000);

			spell(c, length_of(c), bytes + len);
			if (kind == 3 && dice_below(&d, 8) == 0)
				bytes[len] ^= (uint8_t)(1 << dice_below(&d, 8));
			len += length_of(c);
		}
		n = naive_text(bytes, len, want);
		check_text(&in, &out, bytes, len, want, n);
		for (size_t k = 0; k < n; k++)
			if ((uint8_t)want[k] < 0x20 && !strchr("\t\n\r", want[k]))
				CHECK(false, "%02x passes, seed %llu", want[k],
				      (unsigned long long)d.seed);
	}
	guard_close(&in);
	guard_close(&out);
}

/* By printf, as the header draws it. */
static size_t naive_row(const uint8_t *at, size_t n, uint64_t off, char *out)
{
	size_t len = (size_t)sprintf(out, "%08llx  ", (unsigned long long)off);

	for (size_t i = 0; i < SLICE_ROW; i++)
		len += (size_t)sprintf(out + len, i < n ? "%02x " : "   ", i < n ? at[i] : 0);
	out[len++] = ' ';
	for (size_t i = 0; i < n; i++)
		out[len++] = (char)(at[i] < 0x20 || at[i] > 0x7e ? '.' : at[i]);
	out[len++] = '\n';
	return len;
}

static void test_hex_rows(void)
{
	static const uint64_t offsets[] = {0,           1,          15,         16,
					   17,          0xabc,      0xfffffff0, 0xffffffff,
					   0x100000000, 1ULL << 48, UINT64_MAX};
	struct dice d = dice_of(1502);
	char want[128];
	struct guard in, out;
	uint8_t bytes[40];

	CU_ASSERT_TRUE_FATAL(guard_open(&in, 64) && guard_open(&out, SLICE_ROW_TEXT));
	for (int i = 0; i < 200 * (int)COUNT(offsets); i++) {
		uint64_t off = offsets[i % (int)COUNT(offsets)];
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		char *row = (char *)out.end - SLICE_ROW_TEXT;

		dice_fill(&d, bytes, sizeof(bytes));
		for (size_t n = 0; n <= sizeof(bytes); n++) {
			size_t shown = n < SLICE_ROW ? n : SLICE_ROW;
			const uint8_t *at = guard_put(&in, bytes, n);
			size_t got = slice_hex_row(span_of(at, n), off, row);
			size_t len = naive_row(bytes, shown, off, want);

			CHECK(got == len && memcmp(row, want, len) == 0,
			      "%zu bytes at %llx:\n%.*s%.*s", n, (unsigned long long)off, (int)got,
			      row, (int)len, want);
		}
	}
	guard_close(&in);
	guard_close(&out);
}

static void test_hex_row_by_hand(void)
{
	static const char want[] =
		"00000010  47 45 54 20 2f 1b 5b 6d ff 7f 7e                 GET /.[m..~\n";
	char row[SLICE_ROW_TEXT];
	size_t n = slice_hex_row(span_of((const uint8_t *)"GET /\x1b[m\xff\x7f~", 11), 16, row);

	CHECK(n == strlen(want) && memcmp(row, want, n) == 0, "%.*s", (int)n, row);
}

CU_TestInfo slice_tests[] = {
	{"every_character", test_every_character},   {"overlong", test_overlong},
	{"every_sequence", test_every_sequence},     {"text", test_text},
	{"text_of_anything", test_text_of_anything}, {"hex_rows", test_hex_rows},
	{"hex_row_by_hand", test_hex_row_by_hand},   CU_TEST_INFO_NULL,
};
