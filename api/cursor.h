/* SPDX-License-Identifier: MIT */
/* cursor — some numbers as a text that says nothing to people: a letter, then each in hexadecimal
 * with a dash between them. */
#ifndef API_CURSOR_H
#define API_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#define CURSOR_TEXT 96U

void cursor_write(char out[CURSOR_TEXT], char letter, const uint64_t *number, uint32_t n);
/* False where the text is no such cursor of n numbers. */
bool cursor_read(const char *text, char letter, uint64_t *number, uint32_t n);

#endif
