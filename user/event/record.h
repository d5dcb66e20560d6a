/* SPDX-License-Identifier: MIT */
/*
 * record — events to lines of JSON, as users read them (names follow Suricata's EVE).
 *
 * Bounds: a record takes at most record_max(preview) bytes; the caller has made that room.
 */
#ifndef USER_EVENT_RECORD_H
#define USER_EVENT_RECORD_H

#include "user/event/event.h"
#include "user/event/json.h"

#define RECORD_PATH_MAX 4096U /* of a file name in a record */

/* Names, numbers and evidence; previews are escaped and repeated in base64. */
static inline size_t record_max(uint32_t preview_bytes)
{
	return (96U << 10) + 2 * 8 * (size_t)preview_bytes; /* a pattern's name: 6 * 4 KiB */
}

void record_stream(struct json *j, const struct event_stream *e);
void record_anomaly(struct json *j, const struct event_anomaly *e);
void record_match(struct json *j, const struct event_match *e);
/* --mode dump: one frame. */
void record_packet(struct json *j, const struct event_head *head, struct span frame,
		   uint32_t linktype, uint32_t len);

/* The members of the envelope, the record left open: `{"timestamp":...` without a final comma. */
void record_head(struct json *j, const struct event_head *h, const char *event_type);

const char *proto_name(uint8_t proto, char room[4]);
const char *stream_status_name(enum stream_status status);

#endif
