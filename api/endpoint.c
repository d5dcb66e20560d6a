/* SPDX-License-Identifier: MIT */
/* endpoint — see endpoint.h. */
#include "api/endpoint.h"

#include <stdio.h>

#include "user/event/json.h"

void address_text(char *to, size_t size, const uint8_t *at, bool v6)
{
	char text[64];
	struct json j = {.at = text};

	json_address(&j, at, v6); /* in quotes */
	snprintf(to, size, "%.*s", (int)(j.at - text - 2), text + 1);
}

void endpoint_of(const struct flow_key *k, bool hi, struct endpoint *e)
{
	address_text(e->address, sizeof(e->address), hi ? k->hi : k->lo, k->v6);
	e->port = hi ? k->hi_port : k->lo_port;
	if (proto_has_ports(k->proto))
		snprintf(e->whole, sizeof(e->whole), k->v6 ? "[%s]:%u" : "%s:%u", e->address,
			 e->port);
	else
		snprintf(e->whole, sizeof(e->whole), "%s", e->address);
}
