/* SPDX-License-Identifier: MIT */
/*
 * identify — which protocol a stream or a datagram speaks, by its first bytes.
 *
 * The scanner is made by re2c (identify.re); DNS, NTP and the like have no magic and are judged by
 * the consistency of their fields.
 * Borrows: nothing is kept.  Reads at most IDENTIFY_BYTES.
 */
#ifndef USER_PARSE_IDENTIFY_H
#define USER_PARSE_IDENTIFY_H

#include "user/base/span.h"
#include "user/stream/service.h"

#define IDENTIFY_BYTES 64U

enum identify_got {
	IDENTIFY_NO,
	IDENTIFY_YES,
	IDENTIFY_MORE, /* too few bytes to say */
};

struct identified {
	enum service_name name;
	uint8_t confidence;
	bool by_server, by_client; /* who says such things, where only one does */
};

/* `port_name`: what the ports say; some greetings are alike but for the port. */
enum identify_got identify_stream(struct span first, enum service_name port_name,
				  struct identified *out);
bool identify_datagram(struct span payload, enum service_name port_name, struct identified *out);

#endif
