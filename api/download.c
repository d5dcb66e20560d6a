/* SPDX-License-Identifier: MIT */
/*
 * download — a whole direction, piece by piece as the client takes it; a stream's packets, which a
 * thread finds in the capture files again.
 *
 * Bytes of a stream are only ever sent as attachments of type application/octet-stream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/content.h"
#include "api/frames.h"
#include "user/view/slice.h"

#define AT_ONCE 2U /* files of packets made at a time */
#define PIECE   (256UL << 10)

static void begin(struct call *c, const char *suffix)
{
	char name[96];
	struct http_answer head = {
		.status = 200, .type = "application/octet-stream", .disposition = name};

	snprintf(name, sizeof(name), "attachment; filename=\"%016llx-%s\"",
		 (unsigned long long)c->id, suffix);
	http_stream(&c->http, &head);
}

/* Bytes in the form that was asked for, as far as they are whole (hexadecimal: rows). */
static void send_bytes(struct call *c, struct span bytes, uint64_t off, bool last)
{
	struct out *o = &c->out;
	char row[SLICE_ROW_TEXT];

	out_clear(o);
	if (c->mode == SLICE_RAW) {
		http_send(&c->http, bytes.at, span_len(bytes), last);
		return;
	}
	if (c->mode == SLICE_TEXT && out_room(o, span_len(bytes) + 1))
		o->json.at += slice_text(bytes, o->json.at);
	while (c->mode == SLICE_HEX && bytes.at < bytes.end) {
		size_t n = SLICE_ROW - off % SLICE_ROW;

		n = n < span_len(bytes) ? n : span_len(bytes);
		out_put(o, row, slice_hex_row(span_of(bytes.at, n), off, row));
		bytes.at += n;
		off += n;
	}
	if (o->failed)
		http_abort(&c->http);
	else
		http_send(&c->http, o->base, out_len(o), last);
}

/* ---- as it is ---- */

/* As text: a character that is not whole yet comes with the next window. */
static void leave_character(struct call *c, struct span *bytes)
{
	if (c->mode != SLICE_TEXT)
		return;
	for (uint32_t back = 1; back < 4 && back < span_len(*bytes); back++) {
		uint8_t lead = bytes->end[-(int)back];
		uint32_t needs = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

		if (lead >= 0x80 && lead < 0xc0)
			continue;
		if (needs > back) {
			bytes->end -= back;
			c->at -= back;
		}
		return;
	}
}

static void next_window(struct api *a, struct call *c);

static void window_done(struct api *a, struct call *c, struct ask *q)
{
	struct span bytes;
	uint32_t n = 0;

	if (!q || q->got == ASK_GONE) {
		if (c->http.answered)
			http_abort(&c->http);
		else
			call_refused(c, q);
		return;
	}
	if (!c->http.answered)
		begin(c, c->dir ? "b_to_a" : "a_to_b");
	c->end = q->next[0];
	c->from = q->n ? q->segment[0].off : c->at;
	c->at = q->n ? q->next[1] : c->end;
	/* Data without a hole in it; what a window has behind one comes with the next. */
	while (n < q->n && q->segment[n].kind != SEGMENT_DATA)
		n++;
	if (n < q->n) {
		uint32_t first = n;

		while (n + 1 < q->n && q->segment[n + 1].kind == SEGMENT_DATA)
			n++;
		bytes = (struct span){q->room + q->segment[first].at,
				      q->room + q->segment[n].at + q->segment[n].have};
		c->at = q->segment[n].off + q->segment[n].have;
		if (n + 1 == q->n && c->at < c->end)
			leave_character(c, &bytes);
		send_bytes(c, bytes, q->segment[first].off, c->at >= c->end);
	} else if (c->at < c->end) {
		next_window(a, c); /* a hole, all of it */
	} else {
		http_send(&c->http, "", 0, true);
	}
}

static void next_window(struct api *a, struct call *c)
{
	struct ask *q;

	if (rows_find(&a->view.rows, c->id) == ROW_NONE && c->http.answered) {
		http_abort(&c->http);
		return;
	}
	q = call_question(a, c, ASK_CONTENT);
	if (!q) {
		if (c->http.streaming)
			http_abort(&c->http);
		return;
	}
	q->dir = c->dir;
	q->from = c->at;
	q->to = c->at + ASK_BYTES;
	call_ask(a, c, q, window_done);
}

/* ---- decoded: message by message, or all of it ---- */

static void next_message(struct api *a, struct call *c);

static void whole_gathered(struct api *a, struct call *c)
{
	struct transform_input in = {.bytes = span_of(c->bytes, c->n),
				     .header = c->header < c->n ? c->header : c->n};
	struct transform_chain chain;
	struct transform_result r;
	uint8_t *bytes = c->bytes;
	struct span out;

	if (!content_chain(a, c, &chain) ||
	    transform_run(&chain, &in, (size_t)a->conf->max_transform, &r) < 0) {
		http_abort(&c->http);
		return;
	}
	if (!c->http.answered)
		begin(c, c->dir ? "b_to_a-decoded" : "a_to_b-decoded");
	c->bytes = NULL;
	c->n = 0;
	out = r.status == TRANSFORM_APPLIED ? r.bytes : in.bytes;
	if (span_len(out) == 0 && c->other)
		next_message(a, c); /* an empty body: nothing to send of it */
	else
		send_bytes(c, out, 0, c->other == 0);
	transform_free(&r);
	free(bytes);
}

static void message_found(struct api *a, struct call *c, struct ask *q)
{
	if (!q || q->got == ASK_GONE) {
		if (c->http.answered)
			http_abort(&c->http);
		else
			call_refused(c, q);
		return;
	}
	if (q->n) {
		c->other = q->more ? q->message[0].cursor : 0;
		c->at = q->message[0].start;
		c->end = q->message[0].end;
		c->header = (size_t)(q->message[0].header_end - q->message[0].start);
	} else {
		const struct news_stream *s;
		uint32_t row = rows_find(&a->view.rows, c->id);

		s = row == ROW_NONE ? NULL : &a->view.rows.row[row].s;
		c->other = 0;
		c->at = 0;
		c->end = s ? s->stream_bytes[c->dir] + s->gap_bytes + s->cut_bytes : 0;
		c->header = 0;
	}
	content_gather(a, c, whole_gathered);
}

static void next_message(struct api *a, struct call *c)
{
	struct ask *q = call_question(a, c, ASK_MESSAGES_OF);

	if (!q) {
		if (c->http.streaming)
			http_abort(&c->http);
		return;
	}
	q->from = c->other;
	q->side = c->dir;
	q->limit = 1;
	call_ask(a, c, q, message_found);
}

void download_get(struct api *a, struct call *c)
{
	static const uint8_t modes[] = {SLICE_RAW, SLICE_TEXT, SLICE_HEX};
	struct transform_chain chain;

	if (!content_chain(a, c, &chain))
		return;
	c->dir = (uint8_t)call_value(c, "direction")->number;
	c->mode = modes[call_value(c, "format")->number];
	c->waits = WAIT_NOT;
	c->download_step = chain.n ? next_message : next_window;
	c->download_step(a, c);
}

/* ---- packets ---- */

static void send_packets(struct api *a, struct call *c)
{
	ssize_t n;

	if (!c->bytes)
		c->bytes = malloc(PIECE);
	n = c->bytes ? pread(frames_file(c->frames), c->bytes, PIECE, (off_t)c->at) : -1;
	if (n < 0) {
		http_abort(&c->http);
		return;
	}
	(void)a;
	c->at += (uint64_t)n;
	http_send(&c->http, c->bytes, (size_t)n, c->at >= c->end || n == 0);
}

static void packets_asked(struct api *a, struct call *c, struct ask *q)
{
	struct frames_query want = {.conf = a->conf, .source = a->run->source};
	uint32_t row;

	if (call_refused(c, q))
		return;
	row = call_row(a, c);
	if (row == ROW_NONE)
		return;
	want.key = a->view.rows.row[row].s.key;
	want.first = q->first_number;
	want.last = q->last_number;
	if (a->downloading == AT_ONCE) {
		call_error(c, 503, "overloaded", "%u captures are being made already", AT_ONCE);
		return;
	}
	if (frames_open(&c->frames, &want) < 0) {
		call_error(c, 503, NULL, "no room for the packets, or no thread to find them");
		return;
	}
	a->downloading++;
	c->next_download = a->downloads;
	a->downloads = c;
}

void pcap_get(struct api *a, struct call *c)
{
	struct ask *q;

	if (a->run->live || source_in_real_time(a->run->source) || !frames_can(a->conf)) {
		call_error(c, 409, "no_packet_store",
			   "packets are kept nowhere: they come from an interface, a pipe or a "
			   "folder that is watched");
		return;
	}
	q = call_question(a, c, ASK_DETAIL);
	if (q)
		call_ask(a, c, q, packets_asked);
}

static void unlink_download(struct api *a, struct call *c)
{
	for (struct call **at = &a->downloads; *at; at = &(*at)->next_download)
		if (*at == c) {
			*at = c->next_download;
			a->downloading--;
			return;
		}
}

/* Files that have become ready. */
void download_look(struct api *a)
{
	struct call *next;

	for (struct call *c = a->downloads; c; c = next) {
		next = c->next_download;
		if (!frames_done(c->frames))
			continue;
		unlink_download(a, c);
		c->end = frames_size(c->frames);
		if (c->end == 0) {
			call_error(c, 409, "no_packet_store",
				   "the capture can no longer be read as it was");
			continue;
		}
		c->download_step = send_packets;
		begin(c, "packets.pcapng");
		send_packets(a, c);
	}
}

void download_forget(struct api *a, struct call *c)
{
	unlink_download(a, c);
	frames_close(c->frames);
	c->frames = NULL;
}

/* The end: what is being made will not be sent. */
void download_stop(struct api *a)
{
	while (a->downloads)
		download_forget(a, a->downloads);
}

void download_ready(struct api *a, struct call *c)
{
	if (c->http.streaming && c->download_step)
		c->download_step(a, c);
}
