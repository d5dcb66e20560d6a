/* SPDX-License-Identifier: MIT */
/* capture — what one side of a recorded TCP connection sent; for mkpcap. */
#ifndef TOOLS_CAPTURE_H
#define TOOLS_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that the client (or the server) of the first connection to `port` sent, in order, to be
 * freed; NULL where there are none.  Classic little-endian pcap, Ethernet, IPv4, no loss. */
uint8_t *capture_side(const char *path, unsigned port, bool server, size_t *len);

#endif
