/* SPDX-License-Identifier: MIT */
/* answer — see answer.h. */
#include "user/answer.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/shard.h"

#define SHARE       20U        /* one part in so many of a busy worker's time */
#define AT_ONCE     8U         /* of an idle one, then it looks around */
#define HOLES       256U       /* per direction */
#define HEADER      2048U      /* bytes of a message that come with it */
#define HEADER_TIME 5000000ULL /* ticks to find them in: some 2 ms */
#define SERVE_MS    1000
#define AGAIN_BYTES (16UL << 20)

static struct content_range window_of(const struct ask *a)
{
	return (struct content_range){.from = a->from, .to = a->to};
}

/* Direction of the flow key. */
static uint8_t dir_of(const struct shard *s, const struct archived *e, uint8_t dir)
{
	return dir ^ archive_a_dir(s, e);
}

static void put_segment(const struct shard *s, struct ask *a, const struct content_segment *g,
			uint8_t dir)
{
	struct ask_segment *out = &a->segment[a->n++];
	size_t room = ASK_ROOM - a->used;

	*out = (struct ask_segment){.off = g->off,
				    .len = g->len,
				    .ts_ns = g->ts_ns,
				    .number = g->number,
				    .place = content_place(&s->content, g),
				    .kind = (uint8_t)g->kind,
				    .dir = dir,
				    .at = a->used};
	if (g->kind != SEGMENT_DATA)
		return;
	if (room > ASK_BYTES)
		room = ASK_BYTES;
	out->have = (uint32_t)content_load(&s->content, g, 0, a->room + a->used,
					   g->len < room ? (size_t)g->len : room);
	a->used += out->have;
	if (out->have == 0)
		out->kind = SEGMENT_EVICTED; /* the file is no longer what it was */
}

static void content(struct shard *s, const struct archived *e, struct ask *a)
{
	struct content_segment found[ASK_SEGMENTS];
	struct content_view v = archive_view(s, e);
	uint8_t dir = dir_of(s, e, a->dir);
	size_t all;

	if (a->to > a->from && a->to - a->from > ASK_BYTES)
		a->to = a->from + ASK_BYTES;
	all = content_find(&s->content, &v, dir, window_of(a), found, ASK_SEGMENTS);
	for (size_t i = 0; i < all && i < ASK_SEGMENTS; i++)
		put_segment(s, a, &found[i], a->dir);
	a->more = all > ASK_SEGMENTS;
	a->next[0] = v.end[dir];
	a->next[1] = a->n ? a->segment[a->n - 1].off + a->segment[a->n - 1].len : a->from;
}

/* Both directions, from `from` of a to b and `other` of b to a on. */
static void turns(struct shard *s, const struct archived *e, struct ask *a)
{
	static _Thread_local struct content_segment found[2][ASK_TURNS];
	struct content_view v = archive_view(s, e);
	size_t all[2], at[2] = {0};
	uint64_t from[2] = {a->from, a->other}, bytes = 0;
	const struct ask_segment *last = NULL;
	uint32_t n = 0;

	for (uint8_t d = 0; d < 2; d++) {
		all[d] = content_find(&s->content, &v, dir_of(s, e, d),
				      (struct content_range){from[d], UINT64_MAX}, found[d],
				      ASK_TURNS);
		a->next[d] = from[d];
	}
	while (at[0] < all[0] || at[1] < all[1]) {
		uint8_t d = at[0] == all[0] ||
			    (at[1] < all[1] && found[1][at[1]].order < found[0][at[0]].order);
		struct content_segment *g = &found[d][at[d]];
		bool part = g->kind == SEGMENT_DATA && bytes + g->len > ASK_BYTES;
		bool goes_on = last && last->kind == SEGMENT_DATA && g->kind == SEGMENT_DATA &&
			       last->dir == d;

		if (!goes_on && n++ == a->limit)
			break;
		if (part)
			g->len = ASK_BYTES - bytes;
		if (part && g->len == 0)
			break;
		last = &a->segment[a->n];
		put_segment(s, a, g, d);
		a->next[d] = g->off + g->len;
		bytes += g->kind == SEGMENT_DATA ? g->len : 0;
		if (part || ++at[d] == ASK_TURNS)
			break;
	}
	a->more = a->next[0] < v.end[dir_of(s, e, 0)] || a->next[1] < v.end[dir_of(s, e, 1)];
}

static void conflicts(const struct shard *s, const struct archived *e, struct ask *a)
{
	uint32_t entry =
		e->slot == ARCHIVE_NONE ? e->evidence : s->inventory.more[e->slot].evidence;
	const struct evidence *v;

	for (; entry && a->conflicts < 64; entry = v->next) {
		v = inventory_evidence_at(&s->inventory, entry);
		a->conflict[a->conflicts++] =
			(struct ask_conflict){.off = v->off,
					      .number = v->number,
					      .len = v->len,
					      .dir = v->dir ^ archive_a_dir(s, e),
					      .loser_is_new = v->loser_is_new};
		memcpy(a->conflict[a->conflicts - 1].bytes, v->bytes, sizeof(v->bytes));
	}
}

static void detail(struct shard *s, const struct archived *e, struct ask *a)
{
	struct content_segment holes[HOLES];
	struct content_view v = archive_view(s, e);

	archive_sides(s, e, a);
	a->first_number = e->first_number;
	a->last_number =
		e->slot == ARCHIVE_NONE ? e->last_number : s->flows.flow[e->slot].last_number;
	for (uint8_t d = 0; d < 2; d++) {
		size_t n = content_holes(&s->content, &v, dir_of(s, e, d), holes, HOLES);

		a->total += (uint32_t)n;
		for (size_t i = 0; i < n && i < HOLES; i++)
			put_segment(s, a, &holes[i], d);
	}
	a->dropped = messages_dropped(&s->archive.messages, a->entry);
	/* its first bytes */
	for (uint8_t d = 0; d < 2; d++) {
		size_t n =
			content_find(&s->content, &v, dir_of(s, e, d),
				     (struct content_range){0, s->conf->preview_bytes}, holes, 8);

		for (size_t i = 0; i < n && i < 8; i++)
			if (holes[i].kind == SEGMENT_DATA)
				put_segment(s, a, &holes[i], d);
	}
}

static bool wanted(const struct ask *a, const struct message *m, uint8_t dir)
{
	return (a->protocol < 0 || m->protocol == a->protocol) &&
	       (a->what < 0 || m->kind == a->what) && (a->status < 0 || m->status == a->status) &&
	       (a->side < 0 || dir == a->side);
}

static void put_message(struct ask *a, const struct message *m, uint8_t dir, uint64_t cursor)
{
	struct ask_message *out = &a->message[a->n++];

	*out = (struct ask_message){.start = m->start,
				    .header_end = m->header_end,
				    .end = m->end,
				    .cursor = cursor,
				    .tx_id = m->tx_id,
				    .dir = dir,
				    .protocol = m->protocol,
				    .kind = m->kind,
				    .status = m->status};
	memcpy(out->summary, m->summary, sizeof(out->summary));
}

/* A message's header, or its first bytes. */
static void put_header(struct shard *s, const struct archived *e, struct ask *a)
{
	struct ask_message *m = &a->message[a->n - 1];
	uint64_t end = m->header_end > m->start ? m->header_end : m->end;
	struct content_view v = archive_view(s, e);
	struct content_segment found[64];
	size_t n, room = ASK_ROOM - a->used < HEADER ? ASK_ROOM - a->used : HEADER;

	m->at = a->used;
	n = content_find(&s->content, &v, dir_of(s, e, m->dir),
			 (struct content_range){m->start, end}, found, 64);
	for (size_t i = 0; i < n && i < 64 && room; i++) {
		size_t want = found[i].len < room ? (size_t)found[i].len : room, got;

		if (found[i].kind != SEGMENT_DATA)
			break;
		got = content_load(&s->content, &found[i], 0, a->room + a->used, want);
		a->used += (uint32_t)got;
		m->have += (uint32_t)got;
		room -= got;
		if (got < want)
			break;
	}
}

static void messages(struct shard *s, const struct archived *e, struct ask *a)
{
	uint64_t cursor = 0, until = clock_ticks() + HEADER_TIME;
	uint8_t a_dir = archive_a_dir(s, e);
	const struct message *m;

	for (uint32_t ordinal = 0; (m = messages_next(&s->archive.messages, a->entry, &cursor));
	     ordinal++) {
		if (!wanted(a, m, m->dir ^ a_dir))
			continue;
		a->total++;
		if (cursor <= a->from)
			continue;
		if (a->n == a->limit || a->n == ASK_MESSAGES) {
			a->more = true;
			continue; /* counted all the same */
		}
		put_message(a, m, m->dir ^ a_dir, cursor);
		a->message[a->n - 1].ordinal = ordinal;
		if (clock_ticks() < until)
			put_header(s, e, a);
	}
	a->dropped = messages_dropped(&s->archive.messages, a->entry);
}

static void message_at(struct shard *s, const struct archived *e, struct ask *a)
{
	uint8_t dir = dir_of(s, e, a->dir);
	const struct message *m;
	uint64_t cursor = 0;

	while ((m = messages_next(&s->archive.messages, a->entry, &cursor)))
		if (m->dir == dir && m->start <= a->from && a->from < m->end) {
			put_message(a, m, a->dir, cursor);
			return;
		}
}

static void totals(struct shard *s, struct ask *a)
{
	struct shard_totals t = {0};

	shard_totals(s, &t);
	_Static_assert(sizeof(t) + LIVE_LANES * sizeof(struct live_ring_stats) <= ASK_ROOM,
		       "all of it in one answer");
	memcpy(a->room, &t, sizeof(t));
	a->used = sizeof(t);
	for (uint32_t i = 0; s->offload.live && i < live_rings(s->offload.live); i++) {
		struct live_ring_stats r;

		live_ring_stats(s->offload.live, s->index, i, &r);
		memcpy(a->room + a->used, &r, sizeof(r));
		a->used += sizeof(r);
	}
}

/* ---- rescan ---- */

static void on_again(struct scan_host *host, const struct scan_match *m)
{
	struct shard *s =
		(struct shard *)((char *)host - offsetof(struct shard, archive.rescan_host));

	if (s->archive.rescan_entry) /* else of a stream that was let go meanwhile */
		archive_again(s, s->archive.rescan_entry - 1, m);
}

static bool rescan_ready(struct shard *s)
{
	struct archive *r = &s->archive;
	struct scan_conf conf = {.matches = 65536,
				 .per_row = (uint16_t)s->conf->matches_per_stream,
				 .total = s->alerts.stream.conf.total};

	if (r->rescan)
		return true;
	if (!s->alerts.set)
		return false;
	r->rescan = calloc(1, sizeof(*r->rescan));
	r->rescan_host = (struct scan_host){.match = on_again};
	r->rescan_entry = 0;
	if (!r->rescan)
		return false;
	if (rescan_open(r->rescan, &conf, s->alerts.set, &s->content, &r->rescan_host) < 0) {
		free(r->rescan);
		r->rescan = NULL;
	}
	return r->rescan;
}

static void rescan_leave(struct archive *r)
{
	if (r->rescan) {
		rescan_close(r->rescan);
		free(r->rescan);
	}
	r->rescan = NULL;
	r->rescan_entry = 0;
}

/* All that is kept of one stream, up to a bound: what was found in it before is known by then. */
static void again(struct shard *s, struct archived *e, struct ask *a)
{
	struct archive *r = &s->archive;
	struct content_view v = archive_view(s, e);

	if (!rescan_ready(s))
		return;
	r->rescan_entry = a->entry + 1;
	rescan_begin(r->rescan, &v);
	a->more = !rescan_step(r->rescan, AGAIN_BYTES);
	r->rescan_entry = 0; /* a rescan of all that was here begins this stream anew */
	e->not_shown = 0;
}

/* From entry a->from on, until a->limit bytes are scanned; a->next[0]: where to go on. */
static void rescan(struct shard *s, struct ask *a)
{
	struct archive *r = &s->archive;
	uint64_t at = a->from, left = a->limit;

	a->to_scan = r->fresh;
	if (!rescan_ready(s)) {
		a->next[0] = r->fresh;
		return;
	}
	while (at < r->fresh && left) {
		struct archived *e = archive_at(r, (uint32_t)at);
		struct content_view v;
		bool done = true;

		if (e->live) {
			if (r->rescan_entry != at + 1 || r->rescan_id != e->id) {
				v = archive_view(s, e);
				r->rescan_entry = 0; /* what the one before still holds back */
				rescan_begin(r->rescan, &v);
				r->rescan_entry = (uint32_t)at + 1;
				r->rescan_id = e->id;
			}
			done = rescan_step(r->rescan, RESCAN_BYTES);
			left -= left < RESCAN_BYTES ? left : RESCAN_BYTES;
		}
		if (!done)
			continue;
		r->rescan_entry = 0;
		at++;
		left -= left < 64 ? left : 64;
	}
	a->next[0] = at;
	a->more = at < r->fresh;
	if (!a->more)
		rescan_leave(r);
}

/* ---- the desk ---- */

/* False: the sheet is kept for now. */
static bool answer(struct shard *s, struct ask *a)
{
	struct archived *e;

	switch (a->kind) {
	case ASK_TOTALS:
		totals(s, a);
		return true;
	case ASK_RESCAN:
		rescan(s, a);
		return true;
	case ASK_ANALYZERS:
		s->talk.use_http = a->http < 0 ? s->talk.use_http : a->http;
		s->talk.use_websocket = a->websocket < 0 ? s->talk.use_websocket : a->websocket;
		return true;
	case ASK_PATTERNS:
		rescan_leave(&s->archive);
		if (alert_use(s, a->patterns) < 0) {
			alert_use(s, NULL); /* takes no memory, and leaves the set before */
			a->got = ASK_GONE;
		}
		talk_bodies(s);
		s->archive.changing = a;
		return false;
	default:
		break;
	}
	e = archive_find(s, a->entry, a->stream);
	if (!e) {
		a->got = ASK_GONE;
		return true;
	}
	switch (a->kind) {
	case ASK_DETAIL:
		detail(s, e, a);
		break;
	case ASK_CONTENT:
		content(s, e, a);
		break;
	case ASK_TURNS_OF:
		turns(s, e, a);
		break;
	case ASK_MESSAGES_OF:
		messages(s, e, a);
		break;
	case ASK_MESSAGE_AT:
		message_at(s, e, a);
		break;
	case ASK_AGAIN:
		again(s, e, a);
		break;
	case ASK_KEEP:
		archive_pin(s, a->entry, a->keep);
		break;
	default:
		break;
	}
	if (a->kind == ASK_CONTENT || a->kind == ASK_DETAIL)
		conflicts(s, e, a);
	return true;
}

void answer_look(struct shard *s, bool busy)
{
	struct archive *r = &s->archive;
	uint64_t start;

	if (!r->desk)
		return;
	start = clock_ticks();
	if (busy && start < r->answer_due)
		return;
	if (r->changing && alert_retire(s, busy ? SHARD_BATCH : UINT32_MAX)) {
		ask_answer(r->desk, s->index, r->changing);
		r->changing = NULL;
	}
	for (uint32_t i = 0; i < (busy ? 1 : AT_ONCE); i++) {
		struct ask *a = ask_receive(r->desk, s->index);

		if (!a)
			break;
		if (answer(s, a))
			ask_answer(r->desk, s->index, a);
	}
	if (busy)
		r->answer_due = clock_ticks() + SHARE * (clock_ticks() - start);
}

void answer_serve(struct shard *s)
{
	bool all = !s->archive.on || archive_flush(s, true);

	answer_look(s, false);
	ask_wait(s->archive.desk, s->index, all && !s->archive.changing ? SERVE_MS : 1);
}
