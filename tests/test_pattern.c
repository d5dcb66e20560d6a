/* SPDX-License-Identifier: MIT */
/* pattern — how patterns are typed, what is refused and how that is said, files, scope. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/scan/scan.h"
#include "user/stream/service.h"

static char why[PATTERN_BYTES + 512];

static struct pattern_set *set_new(void)
{
	struct pattern_set *set = pattern_set_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(set);
	why[0] = 0;
	return set;
}

static int add(struct pattern_set *set, enum pattern_kind kind, const char *typed)
{
	return pattern_add(set, kind, typed, why, sizeof(why));
}

static int compile(struct pattern_set *set)
{
	return pattern_compile(set, why, sizeof(why));
}

/* ---- what a set finds ---- */

struct counter {
	struct scan_host host;
	uint32_t n;
	uint64_t to; /* of the last one */
};

static void on_match(struct scan_host *host, const struct scan_match *m)
{
	struct counter *c = (struct counter *)host;

	c->n++;
	c->to = m->to;
}

static size_t fetch_zeros(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst,
			  size_t n)
{
	(void)host, (void)row, (void)off;
	memset(dst, 0, n);
	return n;
}

/* Matches of a compiled set in some bytes. */
static struct counter find(const struct pattern_set *set, const void *bytes, size_t n)
{
	struct counter c = {.host = {on_match, fetch_zeros}};
	struct quota total = {.left = UINT64_MAX};
	struct scan_conf conf = {.rows = 1, .matches = 100, .per_row = 100, .total = &total};
	struct scan scan;

	CU_ASSERT_EQUAL_FATAL(scan_open(&scan, &conf, &c.host), 0);
	CU_ASSERT_EQUAL_FATAL(scan_use(&scan, set), 0);
	scan_feed(&scan, 0, 0, span_of(bytes, n), 1, 1);
	scan_end(&scan, 0, 0, 0);
	scan_close(&scan);
	return c;
}

/* ---- as typed ---- */

#define TEN "abcdefghi_"
#define N63 TEN TEN TEN TEN TEN TEN "-23"

static void test_names(void)
{
	static const struct {
		const char *typed, *name, *text; /* no name: refused */
	} rows[] = {
		{"needle", "needle", "needle"},
		{"login=USER ", "login", "USER "},
		{"a_B-9=x", "a_B-9", "x"},
		{"=needle", "needle", "needle"},
		{"=NAME=TEXT", "NAME=TEXT", "NAME=TEXT"},
		{"a=b=c", "a", "b=c"},
		{"==", "=", "="},
		{"a b=c", "a b=c", "a b=c"},
		{"a.b=c", "a.b=c", "a.b=c"},
		{"\xc3\xa4=c", "\xc3\xa4=c", "\xc3\xa4=c"},
		{N63 "=x", N63, "x"},
		{N63 "4=x", N63 "4=x", N63 "4=x"}, /* no name is as long */
		{"", NULL, NULL},
		{"=", NULL, NULL},
		{"name=", NULL, NULL},
	};
	struct pattern_set *set = set_new();
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int err = add(set, PATTERN_SUBSTRING, rows[i].typed);

		CHECK(err == (rows[i].name ? 0 : -EINVAL), "%s: %d", rows[i].typed, err);
		if (!rows[i].name) {
			CHECK(strstr(why, "empty"), "%s: %s", rows[i].typed, why);
			continue;
		}
		CHECK(strcmp(pattern_at(set, n)->name, rows[i].name) == 0 &&
			      strcmp(pattern_at(set, n)->text, rows[i].text) == 0,
		      "%s: %s, %s", rows[i].typed, pattern_at(set, n)->name,
		      pattern_at(set, n)->text);
		CHECK(pattern_at(set, n)->ordinal == n && pattern_at(set, n)->service == -1 &&
			      pattern_at(set, n)->ports == 0 && !pattern_at(set, n)->colour,
		      "%s", rows[i].typed);
		n++;
	}
	CU_ASSERT_EQUAL(pattern_count(set), n);
	CU_ASSERT_EQUAL(compile(set), 0);
	pattern_set_free(set);
	CU_ASSERT_EQUAL(pattern_count(NULL), 0);
	pattern_set_free(NULL);
}

static void test_kinds(void)
{
	struct pattern_set *set = set_new();

	CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, "a.c"), 0);
	CU_ASSERT_EQUAL(add(set, PATTERN_SUBSTRING, "a.c"), 0);
	CU_ASSERT_EQUAL(add(set, PATTERN_BINARY, "61 2e 63"), 0);
	CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, "b"), 0);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(pattern_at(set, i)->ordinal == i / 3, "%u", i);
	CU_ASSERT_STRING_EQUAL(pattern_kind_name(pattern_at(set, 1)->kind), "substring");
	CU_ASSERT_STRING_EQUAL(pattern_kind_name(pattern_at(set, 2)->kind), "binary");
	CU_ASSERT_STRING_EQUAL(pattern_kind_name(pattern_at(set, 3)->kind), "regex");
	CU_ASSERT_PTR_NULL(pattern_database(set));
	CU_ASSERT_PTR_NULL(pattern_database(NULL));
	CU_ASSERT_EQUAL(compile(set), 0);
	CU_ASSERT_PTR_NOT_NULL(pattern_database(set));
	CU_ASSERT_EQUAL(find(set, "a-c", 3).n, 1);
	CU_ASSERT_EQUAL(find(set, "a.c", 3).n, 3);
	CU_ASSERT_EQUAL(find(set, "A.C", 3).n, 0);
	pattern_set_free(set);
}

static void test_hexadecimal(void)
{
	static const char *const good[] = {
		"4a4b4c",   "4A4B4C",   "4a 4b 4c",    "4a:4b:4c",   "4a_4b_4c",    "4a-4b-4c",
		"0x4a4b4c", "0X4a4b4c", " 4a\t4b 4c ", "4a: 4b--4c", "name=4a4b4c", "=0x4a 4b 4c",
	};
	static const char *const bad[] = {
		"4",  "4a4",   "4a 4",  "0x",    "0x4", "zz",     "4a4g", "4a,4b", "4a 0x4b",
		"--", "x4a4b", "4a4b.", "\\x4a", "n=z", "4a\xff", "n=0x", "+4a",   "4a\n4b",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct pattern_set *set = set_new();

		CHECK(add(set, PATTERN_BINARY, good[i]) == 0 && compile(set) == 0, "%s: %s",
		      good[i], why);
		CHECK(pattern_at(set, 0)->width == 3 && find(set, "xJKLx", 5).to == 4, "%s",
		      good[i]);
		pattern_set_free(set);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pattern_set *set = set_new();

		CHECK(add(set, PATTERN_BINARY, bad[i]) == -EINVAL && strstr(why, "hexadecimal") &&
			      strncmp(why, "binary pattern ", 15) == 0,
		      "%s: %s", bad[i], why);
		CU_ASSERT_EQUAL(pattern_count(set), 0);
		pattern_set_free(set);
	}
}

static void test_any_byte(void)
{
	uint8_t bytes[256];
	char hex[513], text[256];
	struct pattern_set *set = set_new();

	for (uint32_t i = 0; i < 256; i++) {
		bytes[i] = (uint8_t)i;
		sprintf(hex + 2 * i, "%02x", i);
		text[i] = (char)(i + 1);
	}
	CU_ASSERT_EQUAL(add(set, PATTERN_BINARY, hex), 0);
	CHECK(add(set, PATTERN_SUBSTRING, text) == 0, "all that means something in a regex");
	CU_ASSERT_EQUAL_FATAL(compile(set), 0);
	CU_ASSERT_EQUAL(pattern_at(set, 0)->width, 256);
	CU_ASSERT_EQUAL(pattern_at(set, 1)->width, 255);
	CU_ASSERT_EQUAL(find(set, bytes, 256).n, 2);
	CU_ASSERT_EQUAL(find(set, bytes, 255).n, 0);
	pattern_set_free(set);
}

/* ---- refused ---- */

static void test_refused_regexes(void)
{
	static const struct {
		const char *regex, *reason;
		uint32_t place; /* by when the reason shows */
	} rows[] = {
		{"a(?=b)c", "assertions", 6},
		{"a(?!b)c", "assertions", 6},
		{"(?<=a)bc", "assertions", 6},
		{"(?<!a)bc", "assertions", 6},
		{"(a)b\\1c", "reference", 6},
		{"(?<n>a)\\k<n>", "reference", 12},
		{"ab++c", "Possessive", 4},
		{"ab*+c", "Possessive", 4},
		{"a(?>b+)c", "Atomic", 7},
		{"ab\\Kc", "\\K", 4},
		{"(ab", "parenthesis", 1},
		{"ab)c", "parenthes", 3},
		{"a[bc", "character class", 2},
		{"ab[z-a]", "Range", 6},
		{"*a", "repeat", 1},
		{"a**", "repeat", 3},
		{"a{3,2}b", "repeat", 6},
		{"ab\\", "Unescaped", 3},
		{"(?:a$|b)c", "anchor", 9},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_set *set = set_new();
		char typed[64], place[32];

		snprintf(typed, sizeof(typed), "of-row=%s", rows[i].regex);
		snprintf(place, sizeof(place), "character %u: ", rows[i].place);
		CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, "first=a"), 0);
		CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, typed), 0);
		CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, "last=b"), 0);
		CHECK(compile(set) == -EINVAL, "%s", rows[i].regex);
		CHECK(strncmp(why, "regex pattern of-row: ", 22) == 0 &&
			      strstr(why, rows[i].reason) && strstr(why, place),
		      "%s: %s", rows[i].regex, why);
		CHECK(!pattern_database(set), "%s: nothing is compiled by halves", rows[i].regex);
		pattern_set_free(set);
	}
}

static void test_matches_nothing(void)
{
	static const char *const rows[] = {"a*", "(a|)", "a?b?", "^", "\\b", "^$", "a{0,3}"};
	struct pattern_set *set = set_new();

	CU_ASSERT_EQUAL(compile(set), -EINVAL);
	CHECK(why[0] && !pattern_database(set), "no pattern at all: %s", why);
	pattern_set_free(set);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set = set_new();
		CHECK(add(set, PATTERN_REGEX, rows[i]) == 0 && compile(set) == -EINVAL &&
			      strstr(why, "where there is nothing"),
		      "%s: %s", rows[i], why);
		pattern_set_free(set);
	}
}

static void test_long_patterns(void)
{
	static char text[PATTERN_BYTES + 2];
	struct pattern_set *set = set_new();

	memset(text, 'a', PATTERN_BYTES + 1);
	for (int kind = 0; kind < 3; kind++) {
		CU_ASSERT_EQUAL(add(set, (enum pattern_kind)kind, text), -EINVAL);
		CHECK(strstr(why, "too long"), "%.60s", why);
	}
	text[PATTERN_BYTES] = 0;
	CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, text), 0);
	CU_ASSERT_EQUAL(add(set, PATTERN_BINARY, text), 0);
	CHECK(compile(set) == 0, "%.60s", why);
	CU_ASSERT_EQUAL(pattern_at(set, 0)->width, PATTERN_BYTES);
	CU_ASSERT_EQUAL(pattern_at(set, 1)->width, PATTERN_BYTES / 2);
	pattern_set_free(set);
	set = set_new();
	CU_ASSERT_EQUAL(add(set, PATTERN_SUBSTRING, text), 0);
	CHECK(compile(set) == 0, "%.60s", why);
	CU_ASSERT_EQUAL(pattern_at(set, 0)->width, PATTERN_BYTES);
	CU_ASSERT_EQUAL(find(set, text, PATTERN_BYTES).n, 1);
	pattern_set_free(set);
}

static void test_how_many(void)
{
	struct pattern_set *set = set_new();
	char typed[32];

	for (uint32_t i = 0; i < PATTERN_MAX; i++) {
		snprintf(typed, sizeof(typed), "n%u=needle %u.", i, i);
		if (!CHECK(add(set, PATTERN_SUBSTRING, typed) == 0, "%u: %s", i, why))
			break;
	}
	for (int kind = 0; kind < 3; kind++) {
		CU_ASSERT_EQUAL(add(set, (enum pattern_kind)kind, "last=61"), -EINVAL);
		CHECK(strstr(why, "pattern last: ") && strstr(why, "too many"), "%s", why);
	}
	CU_ASSERT_EQUAL(pattern_count(set), PATTERN_MAX);
	CU_ASSERT_EQUAL(pattern_at(set, PATTERN_MAX - 1)->ordinal, PATTERN_MAX - 1);
	CU_ASSERT_EQUAL_FATAL(compile(set), 0);
	CU_ASSERT_EQUAL(find(set, "needle 0.needle 9999.needle 10000.", 34).n, 2);
	pattern_set_free(set);
}

/* ---- what is known of them ---- */

static void test_width(void)
{
	static const struct {
		const char *regex;
		uint32_t width;
	} rows[] = {
		{"abc", 3},       {"a[bc]d", 3},    {"ab|cd", 2},      {"ab|c", 0},
		{"a.{3}b", 5},    {"a{4}", 4},      {"ab?", 0},        {"ab+", 0},
		{"\\bab\\b", 2},  {"ab$", 2},       {"^ab", 2},        {"(?i)ab", 2},
		{"a\\x20b", 3},   {"(ab){3}", 6},   {"a\\Qb+\\Ec", 4}, {"a{2,3}", 0},
		{"(?:a|bc)d", 0}, {"a|b|[c-z]", 1}, {"a.*", 0},        {"(?s)a.", 2},
	};
	struct pattern_set *set = set_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(add(set, PATTERN_REGEX, rows[i].regex), 0);
	CHECK(compile(set) == 0, "%s", why);
	for (uint32_t i = 0; i < pattern_count(set); i++)
		CHECK(pattern_at(set, i)->width == rows[i].width, "%s: %u", rows[i].regex,
		      pattern_at(set, i)->width);
	pattern_set_free(set);
}

static uint32_t signature_of(enum pattern_kind kind, const char *typed)
{
	struct pattern_set *set = set_new();
	uint32_t signature = 0;

	if (CHECK(add(set, kind, typed) == 0, "%s: %s", typed, why))
		signature = pattern_at(set, 0)->signature;
	pattern_set_free(set);
	return signature;
}

static void test_signature(void)
{
	static const struct {
		enum pattern_kind kind;
		const char *text;
	} rows[] = {
		{PATTERN_SUBSTRING, "a"},     {PATTERN_SUBSTRING, "b"},
		{PATTERN_SUBSTRING, "c"},     {PATTERN_SUBSTRING, "aa"},
		{PATTERN_SUBSTRING, "61"},    {PATTERN_SUBSTRING, "41"},
		{PATTERN_REGEX, "a"},         {PATTERN_REGEX, "b"},
		{PATTERN_REGEX, "c"},         {PATTERN_REGEX, "aa"},
		{PATTERN_REGEX, "61"},        {PATTERN_REGEX, "21"},
		{PATTERN_BINARY, "61"},       {PATTERN_BINARY, "41"},
		{PATTERN_BINARY, "6161"},     {PATTERN_SUBSTRING, "GET /"},
		{PATTERN_SUBSTRING, "PET /"}, {PATTERN_REGEX, "DET /"},
	};
	uint32_t of[sizeof(rows) / sizeof(rows[0])];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		of[i] = signature_of(rows[i].kind, rows[i].text);
		CHECK(of[i] > 0 && of[i] < 1U << 30, "row %zu: %u", i, of[i]);
		for (size_t k = 0; k < i; k++)
			CHECK(of[i] != of[k], "%s %s and %s %s", pattern_kind_name(rows[i].kind),
			      rows[i].text, pattern_kind_name(rows[k].kind), rows[k].text);
	}
	CHECK(signature_of(PATTERN_SUBSTRING, "other-name=aa") == of[3], "the name does not count");
	CU_ASSERT_EQUAL(signature_of(PATTERN_SUBSTRING, "=aa"), of[3]);
}

/* ---- files ---- */

/* What adding a file gives; its text may have NULs. */
static int add_bytes(struct pattern_set *set, const void *bytes, size_t n)
{
	char *path = temp_file("patterns.json", bytes, n);
	int err = pattern_add_file(set, path, why, sizeof(why));

	free(path);
	return err;
}

static int add_text(struct pattern_set *set, const char *text)
{
	return add_bytes(set, text, strlen(text));
}

static void test_good_file(void)
{
	static const char text[] =
		"[{\"name\": \"n\", \"kind\": \"regex\", \"pattern\": \"a+\", \"case\": "
		"\"insensitive\","
		"  \"direction\": \"a_to_b\", \"service\": \"http\", \"ports\": [80, 8080],"
		"  \"colour\": \"red\"},"
		" {\"pattern\": \"x y\"},"
		" {\"kind\": \"binary\", \"pattern\": \"0x41\", \"direction\": \"b_to_a\","
		"  \"case\": \"sensitive\", \"color\": \"blue\", \"ports\": 65535},"
		" {\"kind\": \"substring\", \"pattern\": \"a=b\", \"direction\": \"both\","
		"  \"case\": false, \"ports\": [], \"service\": \"unknown\"},"
		" {\"pattern\": \"z\", \"case\": true, \"ports\": [1,2,3,4,5,6,7,8]}]";
	struct pattern_set *set = set_new();
	const struct pattern *p;

	CHECK(add_text(set, text) == 0, "%s", why);
	CU_ASSERT_EQUAL_FATAL(pattern_count(set), 5);
	p = pattern_at(set, 0);
	CU_ASSERT_STRING_EQUAL(p->name, "n");
	CU_ASSERT_STRING_EQUAL(p->text, "a+");
	CU_ASSERT_STRING_EQUAL(p->colour, "red");
	CU_ASSERT_TRUE(p->kind == PATTERN_REGEX && p->caseless);
	CU_ASSERT_TRUE(p->direction == PATTERN_A_TO_B && p->service == SERVICE_HTTP);
	CU_ASSERT_TRUE(p->ports == 2 && p->port[0] == 80 && p->port[1] == 8080);
	p = pattern_at(set, 1);
	CU_ASSERT_STRING_EQUAL(p->name, "x y");
	CU_ASSERT_TRUE(p->kind == PATTERN_SUBSTRING && !p->caseless && !p->colour);
	CU_ASSERT_TRUE(p->direction == PATTERN_BOTH && p->service == -1 && p->ports == 0);
	p = pattern_at(set, 2);
	CU_ASSERT_TRUE(p->kind == PATTERN_BINARY && p->direction == PATTERN_B_TO_A && !p->caseless);
	CU_ASSERT_TRUE(p->ports == 1 && p->port[0] == 65535);
	CU_ASSERT_STRING_EQUAL(p->colour, "blue");
	p = pattern_at(set, 3);
	CU_ASSERT_STRING_EQUAL(p->name, "a=b");
	CU_ASSERT_TRUE(p->caseless && p->ports == 0 && p->service == SERVICE_UNKNOWN);
	CU_ASSERT_TRUE(pattern_at(set, 4)->ports == 8 && !pattern_at(set, 4)->caseless);
	CHECK(compile(set) == 0, "%s", why);
	CU_ASSERT_EQUAL(find(set, "AA", 2).n, 3); /* A twice by its byte, once as a run */
	pattern_set_free(set);
}

static void test_good_files(void)
{
	static const struct {
		const char *text;
		uint32_t n;
	} rows[] = {
		{"[]", 0},
		{"{\"patterns\": []}", 0},
		{"{\"patterns\": [{\"pattern\": \"a\"}, {\"pattern\": \"a\"}], \"version\": 1}", 2},
		{"  [{\"pattern\": \"\\u00e4\\n\\\"\"}]\n\n", 1},
		{"[{\"pattern\": \"a\", \"name\": \"\"}]", 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_set *set = set_new();

		CHECK(add_text(set, rows[i].text) == 0, "%s: %s", rows[i].text, why);
		CHECK(pattern_count(set) == rows[i].n, "%s: %u", rows[i].text, pattern_count(set));
		pattern_set_free(set);
	}
}

/* Each refused as the second pattern of a file. */
static void test_bad_members(void)
{
	static const struct {
		const char *members, *reason;
	} rows[] = {
		{"", "no member \"pattern\""},
		{"\"name\": \"a\"", "no member \"pattern\""},
		{"\"pattern\": 1", "bad value of: pattern"},
		{"\"pattern\": [\"a\"]", "bad value of: pattern"},
		{"\"pattern\": \"\"", "empty"},
		{"\"pattern\": \"a\\u0000b\"", "bad value of: pattern"},
		{"\"pattern\": \"\\u0000\"", "bad value of: pattern"},
		{"\"pattern\": \"a\", \"name\": 5", "bad value of: name"},
		{"\"pattern\": \"a\", \"kind\": \"pack\"", "bad value of: kind"},
		{"\"pattern\": \"a\", \"kind\": \"Regex\"", "bad value of: kind"},
		{"\"pattern\": \"a\", \"case\": \"no\"", "bad value of: case"},
		{"\"pattern\": \"a\", \"case\": 0", "bad value of: case"},
		{"\"pattern\": \"a\", \"direction\": \"up\"", "bad value of: direction"},
		{"\"pattern\": \"a\", \"service\": \"gopher\"", "bad value of: service"},
		{"\"pattern\": \"a\", \"service\": 80", "bad value of: service"},
		{"\"pattern\": \"a\", \"colour\": 255", "bad value of: colour"},
		{"\"pattern\": \"a\", \"ports\": 0", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": 65536", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": \"80\"", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": 80.5", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": [80, \"81\"]", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": [80, null]", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": [4294967376]", "bad value of: ports"},
		{"\"pattern\": \"a\", \"ports\": [1,2,3,4,5,6,7,8,9]", "bad value of: ports"},
		{"\"pattern\": \"a\", \"colr\": \"red\"", "unknown member: colr"},
		{"\"pattern\": \"a\", \"Name\": \"x\"", "unknown member: Name"},
		{"\"pattern\": \"a\", \"port\": 80", "unknown member: port"},
		{"\"pattern\": \"a\", \"x\": null", "unknown member: x"},
		{"\"pattern\": \"a\", \"\": \"\"", "unknown member"},
		{"\"kind\": \"binary\", \"pattern\": \"4\"", "hexadecimal"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_set *set = set_new();
		char text[256];

		snprintf(text, sizeof(text), "[{\"pattern\": \"good\"}, {%s}]", rows[i].members);
		CHECK(add_text(set, text) == -EINVAL, "%s", rows[i].members);
		CHECK(strstr(why, rows[i].reason), "%s: %s", rows[i].members, why);
		CHECK(strncmp(why, "pattern 2: ", 11) == 0 || strstr(why, " pattern "), "%s", why);
		pattern_set_free(set);
	}
}

static void test_bad_files(void)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"", "line 1: "},
		{" \n\n", "line 3: "},
		{"x", "line 1: "},
		{"[\n\n  x", "line 3: "},
		{"[", "line 1: "},
		{"[{\"pattern\": \"a\"}\n", "line 2: "},
		{"[{\"pattern\": \"a}]", "line 1: "},
		{"[\n{\"pattern\" \"a\"}]", "line 2: "},
		{"[{\"pattern\": \"a\"}] x", "line 1: more than one value"},
		{"[{\"pattern\": \"a\"}]\n\n[{\"pattern\": \"b\"}]", "line 3: more than one value"},
		{"[]]", "line 1: more than one value"},
		{"null", "neither an array"},
		{"true", "neither an array"},
		{"1", "neither an array"},
		{"\"a\"", "neither an array"},
		{"{}", "neither an array"},
		{"{\"pattern\": \"a\"}", "neither an array"},
		{"{\"patterns\": {}}", "neither an array"},
		{"{\"patterns\": null}", "neither an array"},
		{"{\"patterns\": \"a\"}", "neither an array"},
		{"[1]", "pattern 1: not an object"},
		{"[null]", "pattern 1: not an object"},
		{"[{\"pattern\": \"a\"}, []]", "pattern 2: not an object"},
		{"[\"a\"]", "pattern 1: not an object"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_set *set = set_new();

		CHECK(add_text(set, rows[i].text) == -EINVAL && strstr(why, rows[i].reason) &&
			      !strchr(why, '\n'),
		      "%s: %s", rows[i].text, why);
		pattern_set_free(set);
	}
}

/* A NUL ends nothing early, and the text may be longer than what is read at a time. */
static void test_odd_files(void)
{
	static char text[3 << 20];
	struct pattern_set *set = set_new();

	memset(text, ' ', sizeof(text));
	memcpy(text, "[{\"pattern\": \"a\"},", 18);
	memcpy(text + sizeof(text) - 17, "{\"pattern\": \"b\"}]", 17);
	CHECK(add_bytes(set, text, sizeof(text)) == 0 && pattern_count(set) == 2, "%s", why);
	text[sizeof(text) / 2] = 0;
	CU_ASSERT_EQUAL(add_bytes(set, text, sizeof(text)), -EINVAL);
	CU_ASSERT_EQUAL(add_bytes(set, "[]\0", 3), -EINVAL);
	CHECK(strstr(why, "more than one value"), "%s", why);
	CU_ASSERT_EQUAL(pattern_count(set), 2);
	pattern_set_free(set);
}

static void test_no_file(void)
{
	char *missing = temp_path("there-is-none.json");
	const char *const paths[] = {missing, temp_folder(), "", "/dev/null"};
	struct pattern_set *set = set_new();

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		why[0] = 0;
		CHECK(pattern_add_file(set, paths[i], why, sizeof(why)) == -EINVAL &&
			      strncmp(why, paths[i], strlen(paths[i])) == 0 && strchr(why, ':') &&
			      !strchr(why, '\n'),
		      "%s: %s", paths[i], why);
	}
	CU_ASSERT_EQUAL(pattern_count(set), 0);
	pattern_set_free(set);
	free(missing);
}

/* The reason is cut, nothing else, where there is little room for it. */
static void test_little_room(void)
{
	struct pattern_set *set = set_new();
	char little[8];

	memset(little, 'x', sizeof(little));
	CU_ASSERT_EQUAL(pattern_add(set, PATTERN_BINARY, "name=4", little, 7), -EINVAL);
	CU_ASSERT_TRUE(little[6] == 0 && little[7] == 'x');
	CU_ASSERT_EQUAL(pattern_add_file(set, "/there/is/none", little, 7), -EINVAL);
	CU_ASSERT_TRUE(little[6] == 0 && little[7] == 'x');
	CU_ASSERT_EQUAL(pattern_add(set, PATTERN_REGEX, "a(?=b)", little, 7), 0);
	CU_ASSERT_EQUAL(pattern_compile(set, little, 7), -EINVAL);
	CU_ASSERT_TRUE(little[6] == 0 && little[7] == 'x');
	pattern_set_free(set);
}

/* ---- scope ---- */

#define DNS                                                                                     \
	{                                                                                       \
		.service = SERVICE_DNS, .direction = PATTERN_A_TO_B, .ports = 1, .port = { 53 } \
	}

static void test_scope(void)
{
	static const struct {
		struct pattern p;
		bool a_to_b;
		int service;
		uint16_t sport, dport;
		bool wants;
	} rows[] = {
		{{.service = -1}, true, SERVICE_UNKNOWN, 1, 2, true},
		{{.service = -1}, false, SERVICE_HTTP, 1, 2, true},
		{{.service = -1, .direction = PATTERN_A_TO_B}, true, 0, 1, 2, true},
		{{.service = -1, .direction = PATTERN_A_TO_B}, false, 0, 1, 2, false},
		{{.service = -1, .direction = PATTERN_B_TO_A}, true, 0, 1, 2, false},
		{{.service = -1, .direction = PATTERN_B_TO_A}, false, 0, 1, 2, true},
		{{.service = SERVICE_HTTP}, true, SERVICE_HTTP, 1, 2, true},
		{{.service = SERVICE_HTTP}, true, SERVICE_HTTPS, 1, 2, false},
		{{.service = SERVICE_HTTP}, true, SERVICE_UNKNOWN, 1, 2, false},
		{{.service = SERVICE_UNKNOWN}, true, SERVICE_UNKNOWN, 1, 2, true},
		{{.service = SERVICE_UNKNOWN}, true, SERVICE_HTTP, 1, 2, false},
		{{.service = -1, .ports = 2, .port = {80, 81}}, true, 0, 80, 9, true},
		{{.service = -1, .ports = 2, .port = {80, 81}}, true, 0, 9, 81, true},
		{{.service = -1, .ports = 2, .port = {80, 81}}, true, 0, 9, 82, false},
		{{.service = -1, .ports = 1, .port = {80, 81}}, true, 0, 81, 81, false},
		{{.service = -1, .ports = 1, .port = {80}}, true, 0, 0, 0, false},
		{DNS, true, SERVICE_DNS, 5353, 53, true},
		{DNS, true, SERVICE_DNS, 5353, 54, false},
		{DNS, false, SERVICE_DNS, 53, 53, false},
		{DNS, true, SERVICE_HTTP, 53, 53, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(pattern_wants(&rows[i].p, rows[i].a_to_b, rows[i].service, rows[i].sport,
				    rows[i].dport) == rows[i].wants,
		      "row %zu", i);
}

CU_TestInfo pattern_tests[] = {
	{"names", test_names},
	{"kinds", test_kinds},
	{"hexadecimal", test_hexadecimal},
	{"any_byte", test_any_byte},
	{"refused_regexes", test_refused_regexes},
	{"matches_nothing", test_matches_nothing},
	{"how_many", test_how_many},
	{"width", test_width},
	{"signature", test_signature},
	{"good_file", test_good_file},
	{"good_files", test_good_files},
	{"bad_members", test_bad_members},
	{"bad_files", test_bad_files},
	{"odd_files", test_odd_files},
	{"no_file", test_no_file},
	{"little_room", test_little_room},
	{"scope", test_scope},
	{"long_patterns", test_long_patterns},
	CU_TEST_INFO_NULL,
};
