/* SPDX-License-Identifier: MIT */
/*
 * log — one line on stderr, `rm-xdp: ...`.  Called where a decision is made, never per packet.
 * Threads: any; a line is written by one write.
 */
#ifndef USER_BASE_LOG_H
#define USER_BASE_LOG_H

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
