/* SPDX-License-Identifier: MIT */
/* opt — what people type, and what they put into a configuration file. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/base/opt.h"
#include "user/conf.h"

struct settings {
	bool loud;
	uint64_t size, mode;
	const char *name;
	struct opt_list file;
};

#define AT(member) offsetof(struct settings, member)

static const struct opt_row rows[] = {
	{.type = OPT_HEADING, .name = "Things"},
	{.type = OPT_FLAG, .name = "loud", .letter = 'l', .offset = AT(loud), .help = "noise"},
	{.type = OPT_NUMBER,
	 .name = "size",
	 .letter = 's',
	 .arg = "N",
	 .offset = AT(size),
	 .min = 2,
	 .max = UINT64_MAX,
	 .preset = "5",
	 .help = "how much"},
	{.type = OPT_CHOICE,
	 .name = "mode",
	 .arg = "one|two|three",
	 .offset = AT(mode),
	 .preset = "two"},
	{.type = OPT_TEXT, .name = "name", .arg = "TEXT", .offset = AT(name)},
	{.type = OPT_LIST, .name = "file", .letter = 'f', .arg = "FILE", .offset = AT(file)},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct opt_table table = {
	.row = rows, .n = ROWS, .program = "unit", .purpose = "a test", .usage = "unit"};

/* Reads "unit ARGS", split at blanks. */
static int read_args(struct settings *s, bool *given, const char *args)
{
	static char line[256];
	char *argv[16] = {(char *)"unit"}, *save = NULL;
	int argc = 1, rc;

	*s = (struct settings){0};
	memset(given, 0, ROWS * sizeof(*given));
	snprintf(line, sizeof(line), "%s", args);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	quiet_begin();
	rc = opt_defaults(&table, (char *)s);
	if (rc == 0)
		rc = opt_args(&table, (char *)s, given, AT(file), argc, argv);
	quiet_end();
	return rc;
}

static void test_numbers(void)
{
	static const struct {
		const char *args;
		int rc;
		uint64_t size;
		const char *why;
	} cases[] = {
		{"", 0, 5, "default"},
		{"--size 7", 0, 7, "separate"},
		{"--size=7", 0, 7, "joined"},
		{"-s7", 0, 7, "letter, joined"},
		{"-s 7", 0, 7, "letter"},
		{"--size 3K", 0, 3072, "K"},
		{"--size 3k", 0, 3072, "k"},
		{"--size 2M", 0, 2ULL << 20, "M"},
		{"--size 2G", 0, 2ULL << 30, "G"},
		{"--size 0x10", 0, 16, "hex"},
		{"--size 18446744073709551615", 0, UINT64_MAX, "largest"},
		{"--size 18446744073709551616", 2, 0, "too large for 64 bits"},
		{"--size 17179869184G", 2, 0, "too large with its unit"},
		{"--size 1", 2, 0, "below the least"},
		{"--size -7", 2, 0, "negative"},
		{"--size +7", 2, 0, "signed"},
		{"--size 7KB", 2, 0, "more behind the unit"},
		{"--size 7X", 2, 0, "no unit"},
		{"--size seven", 2, 0, "no number"},
		{"--size=", 2, 0, "empty"},
		{"--size", 2, 0, "missing"},
	};
	struct settings s;
	bool given[ROWS];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = read_args(&s, given, cases[i].args);

		CHECK(rc == cases[i].rc, "%s: %d", cases[i].why, rc);
		if (cases[i].rc == 0)
			CHECK(s.size == cases[i].size, "%s: %llu", cases[i].why,
			      (unsigned long long)s.size);
		opt_free(&table, (char *)&s);
	}
}

static void test_choices_flags_lists(void)
{
	static const struct {
		const char *args;
		int rc;
		const char *why;
	} wrong[] = {
		{"--mode four", 2, "no such choice"},
		{"--mode on", 2, "part of a choice"},
		{"--mode one|two", 2, "two choices"},
		{"--mode=", 2, "no choice"},
		{"--loud=yes", 2, "a flag with value"},
		{"--volume 3", 2, "unknown"},
		{"-x", 2, "unknown letter"},
		{"--Things", 2, "a heading"},
		{"--lou", 2, "abbreviated"},
	};
	struct settings s;
	bool given[ROWS];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK(read_args(&s, given, wrong[i].args) == wrong[i].rc, "%s", wrong[i].why);
		opt_free(&table, (char *)&s);
	}
	CU_ASSERT_EQUAL(read_args(&s, given, "-l a --mode three -f b --name=x --file=c - -- -d"),
			0);
	CU_ASSERT_TRUE(s.loud && given[1]);
	CU_ASSERT_FALSE(given[2]);
	CU_ASSERT_EQUAL(s.mode, 2);
	CU_ASSERT_STRING_EQUAL(s.name, "x");
	CU_ASSERT_EQUAL_FATAL(s.file.n, 5);
	CU_ASSERT_STRING_EQUAL(s.file.at[0], "a");
	CU_ASSERT_STRING_EQUAL(s.file.at[1], "b");
	CU_ASSERT_STRING_EQUAL(s.file.at[2], "c");
	CU_ASSERT_STRING_EQUAL(s.file.at[3], "-");
	CU_ASSERT_STRING_EQUAL(s.file.at[4], "-d");
	opt_free(&table, (char *)&s);
}

static struct json_object *kept; /* the texts of the file read last */

static int read_config(struct settings *s, const char *args, const char *json)
{
	char *path = temp_file("opt.json", json, strlen(json));
	bool given[ROWS];
	int rc = read_args(s, given, args);

	kept = NULL;
	quiet_begin();
	if (rc == 0)
		rc = opt_config(&table, (char *)s, given, path, &kept);
	quiet_end();
	free(path);
	return rc;
}

static void test_config_file(void)
{
	static const struct {
		const char *json;
		int rc;
		const char *why;
	} cases[] = {
		{"{}", 0, "empty"},
		{"{\"size\": 9}", 0, "number"},
		{"{\"size\": \"4K\"}", 0, "number with unit"},
		{"{\"loud\": false}", 0, "flag off"},
		{"{\"sise\": 9}", 2, "unknown member"},
		{"{\"Things\": 9}", 2, "a heading"},
		{"{\"size\": 1}", 2, "out of range"},
		{"{\"size\": 2.5}", 2, "no whole number"},
		{"{\"size\": true}", 2, "true for a number"},
		{"{\"size\": [3, 4]}", 2, "an array for a number"},
		{"{\"size\": null}", 2, "null"},
		{"{\"loud\": 1}", 2, "a number for a flag"},
		{"{\"mode\": \"four\"}", 2, "no such choice"},
		{"[]", 2, "no object"},
		{"{", 2, "no JSON"},
		{"", 2, "empty file"},
	};
	struct settings s;
	bool given[ROWS] = {false};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(read_config(&s, "", cases[i].json) == cases[i].rc, "%s", cases[i].why);
		opt_free(&table, (char *)&s);
		json_object_put(kept);
	}
	quiet_begin();
	CU_ASSERT_EQUAL(opt_config(&table, (char *)&s, given, "/nonexistent/file", &kept), 2);
	quiet_end();
}

static void test_command_line_wins_over_config(void)
{
	struct settings s;

	CU_ASSERT_EQUAL(read_config(&s, "--size 7",
				    "{\"size\": 9, \"mode\": \"one\", \"loud\": true,"
				    " \"file\": [\"a\", \"b\"], \"name\": \"n\"}"),
			0);
	CU_ASSERT_EQUAL(s.size, 7);
	CU_ASSERT_EQUAL(s.mode, 0);
	CU_ASSERT_TRUE(s.loud);
	CU_ASSERT_EQUAL(s.file.n, 2);
	CU_ASSERT_STRING_EQUAL(s.name, "n");
	opt_free(&table, (char *)&s);
	json_object_put(kept);
}

/* The table of the program itself: its defaults are settings it accepts. */
static void test_conf_defaults(void)
{
	char *argv[] = {(char *)"rm-xdp", (char *)"x.pcap"};
	struct conf c;

	CU_ASSERT_EQUAL_FATAL(conf_read(&c, 2, argv), 0);
	CU_ASSERT_EQUAL(c.pcap.n, 1);
	CU_ASSERT_TRUE(c.workers >= 1);
	CU_ASSERT_EQUAL(c.preview_bytes, 256);
	CU_ASSERT_EQUAL(c.update_packets, 64);
	CU_ASSERT_EQUAL(c.update_bytes, 65536);
	CU_ASSERT_EQUAL(c.policy, OVERLAP_FIRST);
	CU_ASSERT_EQUAL(c.checksum, CHECKSUM_COUNT);
	CU_ASSERT_EQUAL(conf_flow(&c, 4).timeout_ns[FLOW_TCP_ESTABLISHED], 600000000000ULL);
	CU_ASSERT_EQUAL(conf_flow(&c, 4).timeout_ns[FLOW_TCP_SSH], 1800000000000ULL);
	CU_ASSERT_EQUAL(conf_flow(&c, 4).timeout_ns[FLOW_UDP_DNS], 30000000000ULL);
	conf_free(&c);
}

static void test_conf_refuses(void)
{
	static const char *const wrong[] = {
		"--workers=99",
		"--workers=x",
		"--flow-key=port",
		"--stream-hash=md5",
		"--overlap-policy=solaris",
		"--stream-preview-bytes=8193",
		"--max-layers=3",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *argv[] = {(char *)"rm-xdp", (char *)wrong[i], (char *)"x.pcap"};
		struct conf c;
		int rc;

		quiet_begin();
		rc = conf_read(&c, 3, argv);
		quiet_end();
		CHECK(rc == 2, "%s", wrong[i]);
		conf_free(&c);
	}
}

CU_TestInfo opt_tests[] = {
	{"numbers", test_numbers},
	{"choices_flags_lists", test_choices_flags_lists},
	{"config_file", test_config_file},
	{"command_line_wins_over_config", test_command_line_wins_over_config},
	{"conf_defaults", test_conf_defaults},
	{"conf_refuses", test_conf_refuses},
	CU_TEST_INFO_NULL,
};
