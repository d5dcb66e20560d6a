/* SPDX-License-Identifier: MIT */
/* endpoint — addresses in words. */
#ifndef API_ENDPOINT_H
#define API_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "user/flow/key.h"

struct endpoint {
	char address[48], whole[64]; /* whole: with the port, where there are ports */
	uint16_t port;
};

void address_text(char *to, size_t size, const uint8_t *at, bool v6);
void endpoint_of(const struct flow_key *k, bool hi, struct endpoint *e);

#endif
