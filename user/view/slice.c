/* SPDX-License-Identifier: MIT */
/* slice — see slice.h. */
#include "user/view/slice.h"

#include <stdio.h>
#include <string.h>

/* C1 controls, separators of lines, marks and overrides of direction, and what has neither width
 * nor looks (Default_Ignorable_Code_Point of Unicode).  In order. */
static const struct {
	uint32_t first, last;
} treacherous[] = {
	{0x80, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},   {0x61c, 0x61c},
	{0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f}, {0x200b, 0x200f},
	{0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164}, {0xfe00, 0xfe0f},
	{0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_treacherous(uint32_t c)
{
	for (size_t i = 0; i < sizeof(treacherous) / sizeof(treacherous[0]); i++)
		if (c <= treacherous[i].last)
			return c >= treacherous[i].first;
	return false;
}

/* RFC 3629 §4: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
size_t slice_character(struct span bytes)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t have = span_len(bytes), n;
	uint32_t c;

	if (have == 0)
		return 0;
	c = bytes.at[0];
	if (c < 0x80)
		return (c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r';
	n = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
	if (n == 0 || c >= 0xf8 || n > have)
		return 0;
	c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++) {
		if ((bytes.at[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (bytes.at[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || is_treacherous(c))
		return 0;
	return n;
}

size_t slice_text(struct span bytes, char *out)
{
	char *p = out;

	while (bytes.at < bytes.end) {
		size_t n = slice_character(bytes);

		if (n == 0) {
			*p++ = '.';
			bytes.at++;
			continue;
		}
		memcpy(p, bytes.at, n);
		p += n;
		bytes.at += n;
	}
	return (size_t)(p - out);
}

size_t slice_hex_row(struct span bytes, uint64_t off, char out[SLICE_ROW_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = span_len(bytes) < SLICE_ROW ? span_len(bytes) : SLICE_ROW;
	char *p = out + sprintf(out, "%08llx  ", (unsigned long long)off);

	for (size_t i = 0; i < SLICE_ROW; i++) {
		*p++ = i < n ? digits[bytes.at[i] >> 4] : ' ';
		*p++ = i < n ? digits[bytes.at[i] & 15] : ' ';
		*p++ = ' ';
	}
	*p++ = ' ';
	for (size_t i = 0; i < n; i++)
		*p++ = bytes.at[i] >= 0x20 && bytes.at[i] < 0x7f ? (char)bytes.at[i] : '.';
	*p++ = '\n';
	return (size_t)(p - out);
}
