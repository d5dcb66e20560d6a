/* SPDX-License-Identifier: MIT */
/* magic — what kind of file a body is, by its first eight bytes. */
#ifndef USER_PARSE_MAGIC_H
#define USER_PARSE_MAGIC_H

#include "user/base/span.h"

/* "png", "elf", ..., else "text" or "binary"; "empty" without bytes. */
const char *magic_kind(struct span first);

#endif
