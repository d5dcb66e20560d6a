/* SPDX-License-Identifier: MIT */
/* cursor — see cursor.h. */
#include "api/cursor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cursor_write(char out[CURSOR_TEXT], char letter, const uint64_t *number, uint32_t n)
{
	size_t at = 1;

	out[0] = letter;
	out[1] = 0;
	for (uint32_t i = 0; i < n && at < CURSOR_TEXT; i++)
		at += (size_t)snprintf(out + at, CURSOR_TEXT - at, i ? "-%llx" : "%llx",
				       (unsigned long long)number[i]);
}

bool cursor_read(const char *text, char letter, uint64_t *number, uint32_t n)
{
	if (*text++ != letter)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		size_t digits = strspn(text, "0123456789abcdef");

		if (digits == 0 || digits > 16)
			return false;
		number[i] = strtoull(text, NULL, 16);
		text += digits;
		if (i + 1 < n && *text++ != '-')
			return false;
	}
	return *text == 0;
}
