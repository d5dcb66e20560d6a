/* SPDX-License-Identifier: MIT */
/*
 * privileges — given up for good once everything that needs them is open: parsers read what an
 * opponent wrote.
 *
 * Threads: the main thread, before it starts others: capabilities are of a thread.
 */
#ifndef USER_PRIVILEGES_H
#define USER_PRIVILEGES_H

#include <stdbool.h>

/* To this user where the process is root, with no capability and no way to new ones.  Without being
 * root, only the capabilities go.  0 or negative errno, logged. */
int privileges_drop(const char *user);

/* Where the process is root: the folder belongs to the user from now on. */
int privileges_give(int folder, const char *user);

/* What the process may do in a folder now. */
bool privileges_can_write(int folder);

#endif
