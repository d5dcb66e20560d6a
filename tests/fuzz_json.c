/* SPDX-License-Identifier: MIT */
/*
 * fuzz_json — the input, written in every way the writer knows, is parsed by json-c: text comes
 * back with each byte that is no UTF-8 replaced, and nothing is written beyond the promised room.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/event/json.h"

#define TEXT_MAX 4096U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A writer with exactly this much room: what is written beyond it, the sanitizer sees. */
static struct json open_room(size_t room)
{
	char *at = malloc(room);

	assert(at);
	return (struct json){.at = at};
}

static struct json_object *parse(const char *from, const struct json *j)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;

	assert(t);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	/* with a space behind it, so that a number has an end */
	o = json_tokener_parse_ex(t, from, (int)(j->at - from));
	if (json_tokener_get_error(t) == json_tokener_continue)
		o = json_tokener_parse_ex(t, " ", 1);
	assert(o && json_tokener_get_error(t) == json_tokener_success);
	json_tokener_free(t);
	return o;
}

static void check_string(const char *from, const struct json *j, const void *expect, size_t n)
{
	struct json_object *o = parse(from, j);

	for (const char *p = from; p < j->at; p++)
		assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	assert(json_object_is_type(o, json_type_string));
	assert((size_t)json_object_get_string_len(o) == n);
	assert(memcmp(json_object_get_string(o), expect, n) == 0);
	json_object_put(o);
}

/* Length of the character at p by decoding it and looking at the value; 0 where it is none. */
static size_t naive_character(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : 4;
	uint32_t value = p[0];

	if (len == 1)
		return 1;
	if ((p[0] & 0xc0) != 0xc0 || p[0] >= 0xf8 || len > n)
		return 0;
	value &= 0x7fU >> len;
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		value = value << 6 | (p[i] & 0x3fU);
	}
	if (value < least[len] || value > 0x10ffff || value >> 11 == 0x1b)
		return 0;
	return len;
}

static void check_text(const uint8_t *data, size_t size)
{
	struct json j = open_room(6 * size + 2);
	char *from = j.at, *expect = malloc(3 * size + 1);
	size_t n = 0;

	assert(expect);
	for (size_t i = 0, len; i < size; i += len) {
		len = naive_character(data + i, size - i);
		memcpy(expect + n, len ? (const char *)data + i : "\xef\xbf\xbd", len ? len : 3);
		n += len ? len : 3;
		len += len == 0;
	}
	json_text(&j, (const char *)data, size);
	check_string(from, &j, expect, n);
	free(expect);
	free(from);
}

static void check_printable(const uint8_t *data, size_t size)
{
	struct json j = open_room(2 * size + 2);
	char *from = j.at, *expect = malloc(size + 1);

	assert(expect);
	for (size_t i = 0; i < size; i++) {
		bool kept = data[i] == '\n' || data[i] == '\r' || data[i] == '\t';

		expect[i] = kept || (data[i] >= 0x20 && data[i] < 0x7f) ? (char)data[i] : '.';
	}
	json_printable(&j, data, size);
	check_string(from, &j, expect, size);
	free(expect);
	free(from);
}

static uint32_t letter(char c)
{
	return c >= 'A' && c <= 'Z'   ? (uint32_t)(c - 'A')
	       : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a' + 26)
	       : c >= '0' && c <= '9' ? (uint32_t)(c - '0' + 52)
	       : c == '+'             ? 62
				      : 63;
}

static void check_base64(const uint8_t *data, size_t size)
{
	size_t room = (size + 2) / 3 * 4 + 2;
	struct json j = open_room(room);
	char *from = j.at;

	json_base64(&j, data, size);
	assert(j.at == from + room && from[0] == '"' && j.at[-1] == '"');
	for (size_t i = 0; i < size; i++) {
		const char *p = from + 1 + i / 3 * 4 + i % 3;
		uint32_t two = letter(p[0]) << 6 | letter(p[1]);

		assert(data[i] == (uint8_t)(two >> (4 - 2 * (i % 3))));
	}
	for (size_t i = 0; i < (3 - size % 3) % 3; i++)
		assert(j.at[-2 - (ptrdiff_t)i] == '=');
	free(from);
}

static void check_hex(const uint8_t *data, size_t size)
{
	struct json j = open_room(2 * size + 2);
	char *from = j.at, two[3];

	json_hex(&j, data, size);
	assert(j.at == from + 2 * size + 2);
	for (size_t i = 0; i < size; i++) {
		snprintf(two, sizeof(two), "%02x", data[i]);
		assert(memcmp(from + 1 + 2 * i, two, 2) == 0);
	}
	free(from);
}

static void check_number(struct json *shared, uint64_t v)
{
	char text[64], expect[64], *from = shared->at;
	time_t second = (time_t)(v / 1000000000);
	struct json_object *o;
	struct tm tm;
	size_t n;

	json_u64(shared, v);
	o = parse(from, shared);
	assert(json_object_get_uint64(o) == v);
	json_object_put(o);
	from = shared->at;
	json_hex64(shared, v);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)v);
	check_string(from, shared, text, 16);
	from = shared->at;
	json_time(shared, v);
	gmtime_r(&second, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n = (size_t)snprintf(expect, sizeof(expect), "%.*s.%06llu+0000", (int)n, text,
			     (unsigned long long)(v % 1000000000 / 1000));
	check_string(from, shared, expect, n);
}

static void check_address(const uint8_t *at, int v6)
{
	struct json j = open_room(64);
	char *from = j.at, expect[INET6_ADDRSTRLEN];

	inet_ntop(v6 ? AF_INET6 : AF_INET, at, expect, sizeof(expect));
	json_address(&j, at, v6);
	check_string(from, &j, expect, strlen(expect));
	free(from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json shared = {0};
	uint8_t *copy;
	char *room;

	if (size > TEXT_MAX)
		return 0;
	copy = malloc(size ? size : 1); /* exactly: a read beyond it is seen */
	assert(copy);
	if (size)
		memcpy(copy, data, size);
	check_text(copy, size);
	check_printable(copy, size);
	check_base64(copy, size);
	check_hex(copy, size);
	shared = open_room(8192);
	room = shared.at;
	for (size_t i = 0; i + 8 <= size && i < 256; i += 5) {
		uint64_t v;

		memcpy(&v, copy + i, sizeof(v));
		check_number(&shared, v >> (v & 63));
	}
	if (size >= 16) {
		check_address(copy, 0);
		check_address(copy + size - 16, 1);
	}
	free(room);
	free(copy);
	return 0;
}
