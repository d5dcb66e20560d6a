/* SPDX-License-Identifier: MIT */
/* json — see json.h. */
#include "user/event/json.h"

#include <stdbool.h>

static const char digits[] = "0123456789abcdef";

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* Decimal digits of v: by its bits, then corrected. */
static uint32_t digits_of(uint64_t v)
{
	static const uint64_t powers[20] = {0,
					    10,
					    100,
					    1000,
					    10000,
					    100000,
					    1000000,
					    10000000,
					    100000000,
					    1000000000,
					    10000000000,
					    100000000000,
					    1000000000000,
					    10000000000000,
					    100000000000000,
					    1000000000000000,
					    10000000000000000,
					    100000000000000000,
					    1000000000000000000,
					    10000000000000000000U};
	uint32_t n = (64U - (uint32_t)__builtin_clzll(v | 1)) * 1233 >> 12;

	return n + (v >= powers[n]);
}

/* Eight digits. */
static void put8(char *p, uint32_t v)
{
	uint32_t high = v / 10000, low = v % 10000;

	memcpy(p, pairs + high / 100 * 2, 2);
	memcpy(p + 2, pairs + high % 100 * 2, 2);
	memcpy(p + 4, pairs + low / 100 * 2, 2);
	memcpy(p + 6, pairs + low % 100 * 2, 2);
}

void json_u64(struct json *j, uint64_t v)
{
	uint32_t low;
	char *p;

	if (v < 10) {
		*j->at++ = (char)('0' + v);
		return;
	}
	p = j->at + digits_of(v);

	j->at = p;
	for (; v > UINT32_MAX; v /= 100000000)
		put8(p -= 8, (uint32_t)(v % 100000000));
	for (low = (uint32_t)v; low >= 100; low /= 100)
		memcpy(p -= 2, pairs + low % 100 * 2, 2);
	if (low >= 10)
		memcpy(p - 2, pairs + low * 2, 2);
	else
		p[-1] = (char)('0' + low);
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

size_t json_utf8(const uint8_t *p, size_t n)
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

#define EACH(byte) (0x0101010101010101ULL * (byte))

/* Whether one of eight bytes cannot stand as it is: no printable ASCII, a quote, a backslash. */
static bool is_special(uint64_t v)
{
	uint64_t quote = v ^ EACH('"'), slash = v ^ EACH('\\'), del = v ^ EACH(0x7f);

	return (v | (v - EACH(0x20)) | (quote - EACH(1)) | (slash - EACH(1)) | (del - EACH(1))) &
	       EACH(0x80);
}

/* Copies what can stand as it is, eight bytes at a time; how many. */
static size_t copy_plain(char *to, const uint8_t *from, size_t n)
{
	size_t done = 0;
	uint64_t v;

	for (; n - done >= sizeof(v); done += sizeof(v)) {
		memcpy(&v, from + done, sizeof(v));
		if (is_special(v))
			break;
		memcpy(to + done, &v, sizeof(v));
	}
	return done;
}

void json_text(struct json *j, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;

	*j->at++ = '"';
	while (n) {
		size_t step = copy_plain(j->at, p, n);

		j->at += step;
		p += step;
		n -= step;
		/* then up to eight one by one: the special one is among them, or the end */
		for (size_t k = 0; k < sizeof(uint64_t) && n; k++) {
			step = 1;
			if (*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\') {
				*j->at++ = (char)*p;
			} else if (*p < 0x80) {
				json_escape(j, *p);
			} else {
				step = json_utf8(p, n);
				if (step)
					json_raw(j, (const char *)p, step);
				else
					json_lit(j, "\xef\xbf\xbd");
				step += step == 0;
			}
			p += step;
			n -= step;
		}
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
	char *p = j->at;

	*p++ = '"';
	for (int shift = 60; shift >= 0; shift -= 4)
		*p++ = digits[v >> shift & 15];
	*p++ = '"';
	j->at = p;
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

static void address4(struct json *j, const uint8_t *at)
{
	for (int i = 0; i < 4; i++) {
		json_u64(j, at[i]);
		*j->at++ = '.';
	}
	j->at--;
}

/* RFC 5952 §4: the first of the longest runs of two or more zero groups is "::"; §5: what embeds
 * an IPv4 address shows it. */
static void address6(struct json *j, const uint8_t *at)
{
	int best = 8, longest = 1, run = 0, i;

	for (i = 0; i < 8; i++) {
		run = at[2 * i] | at[2 * i + 1] ? 0 : run + 1;
		if (run > longest) {
			longest = run;
			best = i + 1 - run;
		}
	}
	for (i = 0; i < 8; i++) {
		uint32_t group = (uint32_t)at[2 * i] << 8 | at[2 * i + 1];

		if (i == best) {
			json_lit(j, "::");
			i += longest - 1;
			continue;
		}
		if (i && i != best + longest)
			*j->at++ = ':';
		if (i == 6 && best == 0 &&
		    (longest == 6 || (longest == 5 && at[10] == 0xff && at[11] == 0xff))) {
			address4(j, at + 12);
			return;
		}
		for (int shift = 12; shift >= 0; shift -= 4)
			if (shift == 0 || group >> shift)
				*j->at++ = digits[group >> shift & 15];
	}
}

void json_address(struct json *j, const uint8_t *at, int v6)
{
	*j->at++ = '"';
	if (v6)
		address6(j, at);
	else
		address4(j, at);
	*j->at++ = '"';
}
