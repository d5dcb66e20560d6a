/* SPDX-License-Identifier: MIT */
/* json — see json.h. */
#include "user/event/json.h"

#include <arpa/inet.h>

static const char digits[] = "0123456789abcdef";

void json_u64(struct json *j, uint64_t v)
{
	char tmp[20], *p = tmp + sizeof(tmp);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	json_raw(j, p, (size_t)(tmp + sizeof(tmp) - p));
}

static void json_escape(struct json *j, uint8_t c)
{
	char *p = j->at;

	*p++ = '\\';
	switch (c) {
	case '"':
	case '\\':
		*p++ = (char)c;
		break;
	case '\n':
		*p++ = 'n';
		break;
	case '\r':
		*p++ = 'r';
		break;
	case '\t':
		*p++ = 't';
		break;
	default:
		p[0] = 'u';
		p[1] = p[2] = '0';
		p[3] = digits[c >> 4];
		p[4] = digits[c & 15];
		p += 5;
	}
	j->at = p;
}

/* Length of the valid UTF-8 sequence at p (RFC 3629 §4), or 0. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return n >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (n < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (n < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[3] & 0xc0) != 0x80 || (p[0] == 0xf0 && p[1] < 0x90) ||
		    (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

void json_text(struct json *j, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;

	*j->at++ = '"';
	while (n) {
		size_t step = 1;

		if (*p >= 0x80) {
			step = utf8_len(p, n);
			if (step == 0) {
				json_lit(j, "\xef\xbf\xbd");
				step = 1;
			} else {
				json_raw(j, (const char *)p, step);
			}
		} else if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f) {
			json_escape(j, *p);
		} else {
			*j->at++ = (char)*p;
		}
		p += step;
		n -= step;
	}
	*j->at++ = '"';
}

void json_printable(struct json *j, const uint8_t *at, size_t n)
{
	*j->at++ = '"';
	for (size_t i = 0; i < n; i++) {
		uint8_t c = at[i];

		if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t')
			json_escape(j, c);
		else
			*j->at++ = c >= 0x20 && c < 0x7f ? (char)c : '.';
	}
	*j->at++ = '"';
}

void json_base64(struct json *j, const uint8_t *at, size_t n)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *p = j->at;

	*p++ = '"';
	for (; n >= 3; at += 3, n -= 3, p += 4) {
		uint32_t v = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];

		p[0] = set[v >> 18];
		p[1] = set[v >> 12 & 63];
		p[2] = set[v >> 6 & 63];
		p[3] = set[v & 63];
	}
	if (n) {
		uint32_t v = (uint32_t)at[0] << 16 | (n > 1 ? (uint32_t)at[1] << 8 : 0);

		p[0] = set[v >> 18];
		p[1] = set[v >> 12 & 63];
		p[2] = n > 1 ? set[v >> 6 & 63] : '=';
		p[3] = '=';
		p += 4;
	}
	*p++ = '"';
	j->at = p;
}

void json_hex(struct json *j, const uint8_t *at, size_t n)
{
	*j->at++ = '"';
	for (size_t i = 0; i < n; i++) {
		*j->at++ = digits[at[i] >> 4];
		*j->at++ = digits[at[i] & 15];
	}
	*j->at++ = '"';
}

void json_hex64(struct json *j, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (56 - 8 * i));
	json_hex(j, b, sizeof(b));
}

static void put2(char *p, uint32_t v)
{
	p[0] = (char)('0' + v / 10 % 10);
	p[1] = (char)('0' + v % 10);
}

/* Days since 1970 to a date: the proleptic Gregorian calendar in eras of 400 years. */
static void format_second(struct json *j, uint64_t second)
{
	uint64_t days = second / 86400 + 719468, era = days / 146097;
	uint32_t doe = (uint32_t)(days % 146097), rest = (uint32_t)(second % 86400);
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint32_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
	uint32_t year = (uint32_t)(yoe + era * 400) + (month <= 2);

	j->second = second;
	memcpy(j->second_text, "0000-00-00T00:00:00.", 20);
	put2(j->second_text, year / 100);
	put2(j->second_text + 2, year);
	put2(j->second_text + 5, month);
	put2(j->second_text + 8, day);
	put2(j->second_text + 11, rest / 3600);
	put2(j->second_text + 14, rest / 60 % 60);
	put2(j->second_text + 17, rest % 60);
}

void json_time(struct json *j, uint64_t ns)
{
	uint64_t second = ns / 1000000000, micro = ns % 1000000000 / 1000;

	if (j->second != second || j->second_text[0] == 0)
		format_second(j, second);
	*j->at++ = '"';
	json_raw(j, j->second_text, 20);
	put2(j->at, (uint32_t)(micro / 10000));
	put2(j->at + 2, (uint32_t)(micro / 100 % 100));
	put2(j->at + 4, (uint32_t)(micro % 100));
	j->at += 6;
	json_lit(j, "+0000\"");
}

void json_address(struct json *j, const uint8_t *at, int v6)
{
	*j->at++ = '"';
	if (v6) {
		if (inet_ntop(AF_INET6, at, j->at, 46))
			j->at += strlen(j->at);
	} else {
		for (int i = 0; i < 4; i++) {
			if (i)
				*j->at++ = '.';
			json_u64(j, at[i]);
		}
	}
	*j->at++ = '"';
}
