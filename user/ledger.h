/* SPDX-License-Identifier: MIT */
/*
 * ledger — where every packet of the captured interfaces went: read by a worker, kept back by the
 * kernel on our behalf, or lost for a named cause.
 *
 * Owner:  the main thread, from copies of what the workers counted.
 * Source: DESIGN.md §2, the balance sheet; EVENTS.md, `stats.capture`.
 */
#ifndef USER_LEDGER_H
#define USER_LEDGER_H

#include <stdio.h>

#include "user/event/json.h"
#include "user/run.h"

struct ledger {
	uint64_t packets; /* that reached the interfaces */
	uint64_t read, unread;
	uint64_t kernel[RM_KERNEL_MAX];
	uint64_t drop[LIVE_DROP_MAX];
	uint64_t lost; /* all of drop, and clones that failed */
	bool exact;    /* each packet is in one place */
	uint32_t ifaces;
	struct live_iface_stats iface[LIVE_IFACES];
};

/* While packets come, those between two counters make it inexact for a moment. */
void ledger_gather(struct ledger *l, const struct run *r);

/* Members of stats.capture behind `packets` and `bytes`. */
void ledger_members(struct json *j, const struct ledger *l, const struct run *r);

/* --perf-report as text: a row per ring, and what is worth a sentence. */
void ledger_show(const struct ledger *l, const struct run *r, FILE *out);

#endif
