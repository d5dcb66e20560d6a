/* SPDX-License-Identifier: MIT */
/*
 * follow — clients that follow what changes: /api/live/deltas (long polls) and /api/live/events
 * (Server-Sent Events).
 *
 * Both read the same log from a cursor on.  Where the log no longer has what a client needs, or the
 * client comes from another run of the program, it is told `missed` and begins anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/inside.h"

#define POLLS        256U
#define STREAMS      64U
#define EVENTS       256U /* deltas in a piece */
#define PIECE        (1UL << 20)
#define HEARTBEAT_MS 10000U

static const char *status_name(const struct api *a)
{
	static const char *const names[] = {"running", "completed", "failed"};

	return names[a->status];
}

/* What a client needs is gone, or was never here. */
static bool is_missed(const struct api *a, uint64_t cursor, const char *instance)
{
	char own[20];

	snprintf(own, sizeof(own), "%016llx", (unsigned long long)a->instance);
	return cursor < a->view.deltas.dropped_before || cursor > a->view.deltas.latest ||
	       (instance && *instance && strcmp(instance, own) != 0);
}

static void out_rows(struct api *a, struct out *o, const struct delta *d)
{
	out_array(o, "rows");
	for (uint32_t i = 0; i < d->n; i++) {
		uint32_t row = rows_find(&a->view.rows, d->item[i]);

		if (row != ROW_NONE)
			out_row(a, o, NULL, row);
	}
	out_end_array(o);
}

static void out_found(struct api *a, struct out *o, const struct delta *d)
{
	out_array(o, "matches");
	for (uint32_t i = 0; i < d->n; i++) {
		const struct found_match *m = found_at(&a->view.found, d->item[i]);

		if (m)
			out_match(o, &m->m);
	}
	out_end_array(o);
}

static void out_numbers(struct api *a, struct out *o)
{
	const struct report *r = &a->report;

	out_object(o, "stats");
	out_u64(o, "packets", r->in);
	out_u64(o, "bytes", a->seen.totals.bytes);
	out_u64(o, "flows", r->flow.created);
	out_u64(o, "matches", r->matches);
	out_u64(o, "lost", r->ledger.lost);
	out_u64(o, "streams", a->view.rows.live);
	out_u64(o, "matched_streams", a->view.rows.matched);
	out_u64(o, "favorite_streams", a->view.rows.favorites);
	out_bool(o, "balanced", r->balanced);
	out_end_object(o);
}

static void out_workers(struct api *a, struct out *o)
{
	out_array(o, "workers");
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		out_object(o, NULL);
		out_u64(o, "id", w);
		out_u64(o, "packets", a->seen.worker[w].counts.packets);
		out_end_object(o);
	}
	out_end_array(o);
}

static void out_delta(struct api *a, struct out *o, const struct delta *d)
{
	out_object(o, NULL);
	out_u64(o, "cursor", d->cursor);
	out_text(o, "kind", delta_name(d->kind));
	switch (d->kind) {
	case DELTA_STREAMS:
		out_rows(a, o, d);
		break;
	case DELTA_MATCHES:
		out_found(a, o, d);
		break;
	case DELTA_STATS:
		out_numbers(a, o);
		break;
	case DELTA_QUEUE:
		out_workers(a, o);
		break;
	case DELTA_STATUS:
		out_text(o, "run_status", status_name(a));
		break;
	case DELTA_VIEW:
		out_u64(o, "hide_rules", a->view.hide.n);
		break;
	}
	out_end_object(o);
}

static void link_waiting(struct api *a, struct call *c, enum call_wait how)
{
	c->waits = (uint8_t)how;
	c->next_waiting = a->waiting;
	a->waiting = c;
	*(how == WAIT_POLL ? &a->polls : &a->streams) += 1;
}

void follow_forget(struct api *a, struct call *c)
{
	for (struct call **at = &a->waiting; *at; at = &(*at)->next_waiting)
		if (*at == c) {
			*at = c->next_waiting;
			*(c->waits == WAIT_POLL ? &a->polls : &a->streams) -= 1;
			break;
		}
	c->waits = WAIT_NOT;
}

/* ---- long polls ---- */

static void reply_deltas(struct api *a, struct call *c)
{
	const struct deltas *log = &a->view.deltas;
	const char *instance = call_value(c, "instance")->text;
	bool missed = is_missed(a, c->cursor, instance);
	uint64_t next = missed ? log->latest : c->cursor;
	const struct delta *d;
	struct out *o = &c->out;

	out_object(o, NULL);
	out_array(o, "deltas");
	for (uint32_t n = 0; !missed && n < c->limit && out_len(o) < PIECE &&
			     (d = deltas_after(log, next, &c->place));
	     n++) {
		out_delta(a, o, d);
		next = d->cursor;
	}
	out_end_array(o);
	out_u64(o, "next_cursor", next);
	out_u64(o, "latest_cursor", log->latest);
	out_u64(o, "dropped_before", log->dropped_before);
	out_bool(o, "missed", missed);
	out_id(o, "instance", a->instance);
	out_text(o, "run_status", status_name(a));
	out_end_object(o);
	call_reply(c, 200);
}

void deltas_get(struct api *a, struct call *c)
{
	uint64_t wait = call_value(c, "wait_ms")->number;

	view_tell(&a->view);
	c->cursor = call_value(c, "cursor")->number;
	c->limit = (uint32_t)call_value(c, "limit")->number;
	if (wait == 0 || a->view.deltas.latest > c->cursor ||
	    is_missed(a, c->cursor, call_value(c, "instance")->text)) {
		reply_deltas(a, c);
		return;
	}
	if (a->polls == POLLS) {
		call_error(c, 503, "overloaded", "%u clients wait already", POLLS);
		return;
	}
	c->until_ms = clock_ns() / 1000000 + wait;
	link_waiting(a, c, WAIT_POLL);
}

/* ---- events ---- */

static void put_text(struct out *o, const char *text)
{
	out_put(o, text, strlen(text));
}

/* An event; its data is one object of JSON, on one line. */
static void begin_event(struct api *a, struct out *o, const char *name, uint64_t cursor)
{
	const uint64_t n[] = {a->instance, cursor};
	char id[CURSOR_TEXT], text[CURSOR_TEXT + 64];

	cursor_write(id, 'e', n, 2);
	snprintf(text, sizeof(text), "id: %s\nevent: %s\ndata: ", id, name);
	put_text(o, text);
	o->comma = false;
}

static void put_missed(struct api *a, struct call *c)
{
	struct out *o = &c->out;

	c->cursor = a->view.deltas.latest;
	c->place = 0;
	begin_event(a, o, "missed", c->cursor);
	out_object(o, NULL);
	out_u64(o, "latest_cursor", c->cursor);
	out_id(o, "instance", a->instance);
	out_text(o, "run_status", status_name(a));
	out_end_object(o);
	put_text(o, "\n\n");
}

static void send_events(struct api *a, struct call *c, uint64_t now)
{
	const struct delta *d;
	struct out *o = &c->out;

	out_clear(o);
	if (is_missed(a, c->cursor, NULL))
		put_missed(a, c);
	for (uint32_t n = 0; n < EVENTS && out_len(o) < PIECE / 4 &&
			     (d = deltas_after(&a->view.deltas, c->cursor, &c->place));
	     n++) {
		begin_event(a, o, delta_name(d->kind), d->cursor);
		out_delta(a, o, d);
		put_text(o, "\n\n");
		c->cursor = d->cursor;
	}
	if (out_len(o) == 0 && now - c->told_ms >= HEARTBEAT_MS)
		put_text(o, ": still here\n\n");
	if (out_len(o) == 0)
		return;
	c->told_ms = now;
	http_send(&c->http, o->base, out_len(o), false);
}

/* The id of an event before. */
static void read_last_id(struct api *a, struct call *c)
{
	char text[CURSOR_TEXT] = "";
	size_t n = span_len(c->http.last_event_id);
	uint64_t id[2];

	if (n == 0)
		return;
	if (n < sizeof(text))
		memcpy(text, c->http.last_event_id.at, n);
	c->cursor = cursor_read(text, 'e', id, 2) && id[0] == a->instance ? id[1] : UINT64_MAX;
}

void events_get(struct api *a, struct call *c)
{
	static const struct http_answer head = {
		.status = 200, .type = "text/event-stream", .cache = "no-store"};
	const struct value *cursor = call_value(c, "cursor");

	if (a->streams == STREAMS) {
		call_error(c, 503, "overloaded", "%u clients follow already", STREAMS);
		return;
	}
	view_tell(&a->view);
	c->cursor = cursor->given ? cursor->number : a->view.deltas.latest;
	if (is_missed(a, c->cursor, call_value(c, "instance")->text))
		c->cursor = UINT64_MAX;
	read_last_id(a, c);
	http_stream(&c->http, &head);
	link_waiting(a, c, WAIT_EVENTS);
	c->told_ms = 0; /* something at once: a browser waits for the first byte */
	send_events(a, c, clock_ns() / 1000000);
}

void follow_ready(struct api *a, struct call *c)
{
	(void)a;
	(void)c; /* the next look sends what there is */
}

void follow_look(struct api *a, uint64_t now)
{
	struct call *next;

	for (struct call *c = a->waiting; c; c = next) {
		next = c->next_waiting;
		if (c->waits == WAIT_EVENTS) {
			if (http_may_send(&c->http))
				send_events(a, c, now);
			continue;
		}
		if (a->view.deltas.latest <= c->cursor && now < c->until_ms)
			continue;
		follow_forget(a, c);
		reply_deltas(a, c);
	}
}
