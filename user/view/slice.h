/* SPDX-License-Identifier: MIT */
/*
 * slice — bytes made fit to look at: text, hexadecimal, or raw.
 *
 * Text keeps valid UTF-8, tabs and line ends; every other byte becomes a dot, and so do those of
 * characters that would steer a terminal, turn the reading direction, or not be seen.
 *
 * Thread:  any.  Bounds: the caller's window.
 */
#ifndef USER_VIEW_SLICE_H
#define USER_VIEW_SLICE_H

#include <stdbool.h>
#include <stddef.h>

#include "user/base/span.h"

enum slice_mode { SLICE_TEXT, SLICE_HEX, SLICE_RAW };

#define SLICE_ROW 16U /* bytes per row of hexadecimal */
/* "00000000  aa bb ... \n" with the characters behind it */
#define SLICE_ROW_TEXT (18U + 4 * SLICE_ROW + 4)

/* As many bytes as there are; the length of what was written: at most one per byte. */
size_t slice_text(struct span bytes, char *out);
/* One row of up to SLICE_ROW bytes, those at `off` of the stream. */
size_t slice_hex_row(struct span bytes, uint64_t off, char out[SLICE_ROW_TEXT]);
/* Length of the valid UTF-8 sequence at the start, that may be shown as it is; 0 = none. */
size_t slice_character(struct span bytes);

#endif
