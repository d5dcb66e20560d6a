/* SPDX-License-Identifier: MIT */
/* slice — see slice.h. */
#include "user/view/slice.h"

#include <stdio.h>
#include <string.h>

/* C1 controls, marks and overrides of direction, and characters without width. */
static bool is_treacherous(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
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
