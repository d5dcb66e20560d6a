/* SPDX-License-Identifier: MIT */
/* json — written by us, read by json-c; text of any bytes; times against the C library. */
#include <arpa/inet.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/event/json.h"

static char room[1 << 16];

static struct json begin(void)
{
	memset(room, 0, sizeof(room));
	return (struct json){.at = room};
}

static void check_number(uint64_t v)
{
	struct json j = begin();
	char expect[32];

	json_u64(&j, v);
	snprintf(expect, sizeof(expect), "%llu", (unsigned long long)v);
	CHECK(strcmp(room, expect) == 0, "%s, not %s", room, expect);
	j = begin();
	json_hex64(&j, v);
	snprintf(expect, sizeof(expect), "\"%016llx\"", (unsigned long long)v);
	CHECK(strcmp(room, expect) == 0, "%s, not %s", room, expect);
}

static void test_numbers(void)
{
	uint64_t power = 1;

	for (int i = 0; i < 20; i++, power *= 10) {
		check_number(power - 1);
		check_number(power);
		check_number(power + 1);
	}
	for (int i = 0; i < 64; i++) {
		check_number((1ULL << i) - 1);
		check_number(1ULL << i);
	}
	check_number(UINT64_MAX);
}

#define FFFD "\xef\xbf\xbd"

/* RFC 3629 §4, and the rows of the Unicode standard's table of ill-formed sequences. */
static void test_text(void)
{
	static const struct {
		const char *in;
		size_t n;
		const char *text; /* as a reader of the JSON has it */
		const char *why;
	} rows[] = {
		{"", 0, "", "empty"},
		{"plain", 5, "plain", "plain"},
		{"\"\\/\b\f\n\r\t\x01\x1f\x7f", 11, "\"\\/\b\f\n\r\t\x01\x1f\x7f", "escapes"},
		{"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f", "two bytes"},
		{"\xe2\x82\xac", 3, "\xe2\x82\xac", "three bytes"},
		{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", "four bytes"},
		{"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf", "the last code point"},
		{"a\x80z", 3, "a" FFFD "z", "a continuation alone"},
		{"\xff\xfe", 2, FFFD FFFD, "bytes of no sequence"},
		{"\xc0\x80", 2, FFFD FFFD, "NUL in two bytes"},
		{"\xc1\xbf", 2, FFFD FFFD, "overlong in two bytes"},
		{"\xe0\x9f\xbf", 3, FFFD FFFD FFFD, "overlong in three"},
		{"\xf0\x8f\xbf\xbf", 4, FFFD FFFD FFFD FFFD, "overlong in four"},
		{"\xed\xa0\x80", 3, FFFD FFFD FFFD, "a surrogate"},
		{"\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD, "beyond the last code point"},
		{"\xf5\x80\x80\x80", 4, FFFD FFFD FFFD FFFD, "lead byte F5"},
		{"\xc3", 1, FFFD, "cut after one of two"},
		{"\xc3(", 2, FFFD "(", "a lead without continuation"},
		{"\xed\x9f\xbf\xee\x80\x80", 6, "\xed\x9f\xbf\xee\x80\x80",
		 "around the surrogates"},
	};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 64));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json j = begin();
		struct json_object *o;

		json_text(&j, (const char *)guard_put(&g, rows[i].in, rows[i].n), rows[i].n);
		CHECK((size_t)(j.at - room) <= 6 * rows[i].n + 2, "%s: room", rows[i].why);
		o = json_tokener_parse(room);
		CHECK(o && strcmp(json_object_get_string(o), rows[i].text) == 0, "%s: %s",
		      rows[i].why, room);
		json_object_put(o);
	}
	guard_close(&g);
}

/* Any bytes: valid JSON within the promised room, and no control characters in the line. */
static void test_any_bytes(void)
{
	struct json_tokener *tok = json_tokener_new();
	struct dice d = dice_of(501);
	struct guard g;
	uint8_t in[64];

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	CU_ASSERT_TRUE_FATAL(guard_open(&g, sizeof(in)));
	for (int n = 0; n < 20000; n++) {
		size_t len = dice_below(&d, sizeof(in) + 1);
		struct json j = begin();
		struct json_object *o;
		const uint8_t *at;
		bool clean = true;

		dice_fill(&d, in, len);
		for (size_t i = 0; i < len; i++)
			if (dice_below(&d, 3) == 0)
				in[i] = (uint8_t) "\"\\\n\x7f\xc3\xa9\xe2\xf0\x80\xed"[dice_below(
					&d, 10)];
		at = guard_put(&g, in, len);
		if (n % 2)
			json_text(&j, (const char *)at, len);
		else
			json_printable(&j, at, len);
		for (const char *p = room; p < j.at; p++)
			clean &= (uint8_t)*p >= 0x20;
		json_tokener_reset(tok);
		o = json_tokener_parse_ex(tok, room, (int)(j.at - room) + 1);
		if (!CHECK(o && clean && (size_t)(j.at - room) <= 6 * len + 2, "%s, seed %llu",
			   room, (unsigned long long)d.seed))
			break;
		json_object_put(o);
	}
	json_tokener_free(tok);
	guard_close(&g);
}

static void test_base64_and_hex(void)
{
	/* RFC 4648 §10 */
	static const char *const base64[] = {"\"\"",        "\"Zg==\"",     "\"Zm8=\"",
					     "\"Zm9v\"",    "\"Zm9vYg==\"", "\"Zm9vYmE=\"",
					     "\"Zm9vYmFy\""};
	static const char *const hex[] = {
		"\"\"",         "\"66\"",         "\"666f\"",        "\"666f6f\"",
		"\"666f6f62\"", "\"666f6f6261\"", "\"666f6f626172\""};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 8));
	for (size_t n = 0; n <= 6; n++) {
		const uint8_t *at = guard_put(&g, "foobar", n);
		struct json j = begin();

		json_base64(&j, at, n);
		CHECK(strcmp(room, base64[n]) == 0, "%s", room);
		j = begin();
		json_hex(&j, at, n);
		CHECK(strcmp(room, hex[n]) == 0, "%s", room);
	}
	{
		struct json j = begin();

		json_base64(&j, (const uint8_t *)"\xfb\xff\xbf", 3);
		CU_ASSERT_STRING_EQUAL(room, "\"+/+/\"");
	}
	guard_close(&g);
}

static void test_times_by_hand(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "\"1970-01-01T00:00:00.000000+0000\""},
		{999, "\"1970-01-01T00:00:00.000000+0000\""},
		{1000, "\"1970-01-01T00:00:00.000001+0000\""},
		{999999999, "\"1970-01-01T00:00:00.999999+0000\""},
		{86399999999999, "\"1970-01-01T23:59:59.999999+0000\""},
		{68169600000000000, "\"1972-02-29T00:00:00.000000+0000\""},
		{951782400000000000, "\"2000-02-29T00:00:00.000000+0000\""},
		{951868800000000000, "\"2000-03-01T00:00:00.000000+0000\""},
		{1709164800000000000, "\"2024-02-29T00:00:00.000000+0000\""},
		{4107542400000000000, "\"2100-03-01T00:00:00.000000+0000\""},
		{4107456000000000000, "\"2100-02-28T00:00:00.000000+0000\""},
		{UINT64_MAX, "\"2554-07-21T23:34:33.709551+0000\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json j = begin();

		json_time(&j, rows[i].ns);
		CHECK(strcmp(room, rows[i].text) == 0, "%s, not %s", room, rows[i].text);
	}
}

/* One writer for many times: what it remembers of the last second does not show. */
static void test_times_against_gmtime(void)
{
	struct dice d = dice_of(502);
	struct json j = begin();

	for (int n = 0; n < 50000; n++) {
		uint64_t ns = n % 3 ? dice_roll(&d) : (uint64_t)dice_below(&d, 3) * 1000000000;
		time_t second = (time_t)(ns / 1000000000);
		char expect[64], part[32];
		struct tm tm;

		j.at = room;
		json_time(&j, ns);
		*j.at = 0;
		gmtime_r(&second, &tm);
		strftime(part, sizeof(part), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(expect, sizeof(expect), "\"%s.%06u+0000\"", part,
			 (unsigned int)(ns % 1000000000 / 1000));
		if (!CHECK(strcmp(room, expect) == 0, "%s, not %s", room, expect))
			break;
	}
}

static void test_addresses(void)
{
	static const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, any[16] = {0};
	struct json j = begin();

	json_address(&j, (const uint8_t *)"\xff\x00\x0a\x01", 0);
	CU_ASSERT_STRING_EQUAL(room, "\"255.0.10.1\"");
	j = begin();
	json_address(&j, v6, 1);
	CU_ASSERT_STRING_EQUAL(room, "\"2001:db8::1\"");
	j = begin();
	json_address(&j, any, 1);
	CU_ASSERT_STRING_EQUAL(room, "\"::\"");
}

/* RFC 5952 as the C library has it: any pattern of zero groups, and embedded IPv4 addresses. */
static void test_addresses_against_libc(void)
{
	static const uint16_t groups[] = {0, 0x1, 0xffff, 0xab0};
	char expect[64], text[INET6_ADDRSTRLEN];
	uint8_t at[16];

	for (uint32_t n = 0; n < 1U << 16; n++) {
		struct json j = begin();

		for (int i = 0; i < 8; i++) {
			uint16_t group = groups[n >> 2 * i & 3];

			at[2 * i] = (uint8_t)(group >> 8);
			at[2 * i + 1] = (uint8_t)group;
		}
		json_address(&j, at, 1);
		snprintf(expect, sizeof(expect), "\"%s\"",
			 inet_ntop(AF_INET6, at, text, sizeof(text)));
		if (!CHECK(strcmp(room, expect) == 0, "%s, not %s", room, expect))
			break;
	}
}

CU_TestInfo json_tests[] = {
	{"numbers", test_numbers},
	{"text", test_text},
	{"any_bytes", test_any_bytes},
	{"base64_and_hex", test_base64_and_hex},
	{"times_by_hand", test_times_by_hand},
	{"times_against_gmtime", test_times_against_gmtime},
	{"addresses", test_addresses},
	{"addresses_against_libc", test_addresses_against_libc},
	CU_TEST_INFO_NULL,
};
