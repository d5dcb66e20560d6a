/* SPDX-License-Identifier: MIT */
/*
 * rescan — patterns over what is still kept of a stream: for a set that came after the bytes.
 *
 * One stream at a time, in steps of so many bytes, so that a worker handles packets in between; to
 * stop early, begin another one or close.  A hole, and what was let go, ends matches as it does
 * while packets come.
 *
 * Owner:   the worker whose content it is.
 * Memory:  a buffer of RESCAN_BYTES, and what a scan of two rows takes.
 * Bounds:  those of scan_conf.
 */
#ifndef USER_SCAN_RESCAN_H
#define USER_SCAN_RESCAN_H

#include "user/scan/scan.h"
#include "user/stream/content.h"

#define RESCAN_BYTES    65536U
#define RESCAN_SEGMENTS 1024U /* found at a time */

struct rescan {
	/* private */
	struct scan_host host;
	struct scan_host *out;
	struct scan scan;
	const struct content *content;
	struct content_view view;
	uint8_t dir; /* 2: done */
	uint64_t at; /* in it: what comes before was scanned */
	uint8_t bytes[RESCAN_BYTES];
	struct content_segment found[RESCAN_SEGMENTS];
};

/* Matches of direction d go to host->match as row d, without a packet; host->fetch is not called.
 * conf.rows is not looked at.  0 or negative errno. */
int rescan_open(struct rescan *r, const struct scan_conf *conf, const struct pattern_set *set,
		const struct content *content, struct scan_host *host);
void rescan_close(struct rescan *r);

void rescan_begin(struct rescan *r, const struct content_view *view);
/* Scans at least `bytes` more of it, or what is left; true where nothing is left. */
bool rescan_step(struct rescan *r, uint64_t bytes);

#endif
