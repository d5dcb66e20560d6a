/* SPDX-License-Identifier: MIT */
/* archive — see archive.h. */
#include "user/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/backoff.h"
#include "user/base/clock.h"
#include "user/shard.h"
#include "user/tell.h"
#include "user/view/slice.h"

#define OWED        16384U      /* last rows that may wait */
#define FLUSH_TICKS 50000000ULL /* some 20 ms */
#define FLUSH_ROWS  2048U       /* at a time: no flow of rows as large as that of packets */
#define REPLAY_ROWS 512U        /* likewise, where nobody looks at the clock */
#define MESSAGES    (1U << 20)  /* of all workers: 100 MB at most */
#define PER_STREAM  2048U

/* Of an open stream, by slot. */
struct open_stream {
	uint32_t entry;
	uint32_t chunks[2];
	uint32_t messages;
	uint8_t line_len;
	char line[NEWS_LINE];
};

_Static_assert(sizeof(struct open_stream) == 64, "one cache line");

/* Of an ended one that has any of it. */
struct rare {
	uint32_t next; /* free; + 1 */
	uint32_t anomalies;
	struct ask_side side[2];
	struct ask_anomaly anomaly[12];
};

static struct open_stream *open_at(const struct archive *a, uint32_t slot)
{
	return (struct open_stream *)a->opens.base + slot;
}

struct archived *archive_at(const struct archive *a, uint32_t entry)
{
	return (struct archived *)a->entries.base + entry;
}

static struct rare *rare_at(const struct archive *a, uint32_t i)
{
	return (struct rare *)a->rares.base + (i - 1);
}

static struct news_stream *owed_at(const struct archive *a, uint32_t i)
{
	return (struct news_stream *)a->owed.base + (i - 1);
}

int archive_open(struct shard *s, const struct shard_run *run)
{
	struct archive *a = &s->archive;
	const struct conf *conf = s->conf;
	struct messages_conf messages = {.total = MESSAGES / conf->workers,
					 .per_stream = PER_STREAM};
	int err;

	if (!run->desk)
		return 0;
	a->desk = run->desk;
	a->on = !conf->no_view;
	a->news = &run->news[s->index];
	if (!a->on)
		return 0;
	a->may_wait = !run->live && !conf->ifaces.n;
	a->cap = (uint32_t)(conf->max_streams / conf->workers + conf->max_streams / 8 + 64);
	if (a->cap < run->slots)
		a->cap = run->slots;
	messages.streams = a->cap;
	err = slots_open(&a->entries, sizeof(struct archived), a->cap);
	if (err == 0)
		err = slots_open(&a->opens, sizeof(struct open_stream), run->slots);
	if (err == 0)
		err = slots_open(&a->rares, sizeof(struct rare), a->cap);
	if (err == 0)
		err = slots_open(&a->owed, sizeof(struct news_stream), OWED);
	if (err == 0)
		err = messages_open(&a->messages, &messages);
	return err;
}

void archive_close(struct shard *s)
{
	struct archive *a = &s->archive;

	if (a->rescan) {
		rescan_close(a->rescan);
		free(a->rescan);
	}
	slots_close(&a->entries);
	slots_close(&a->opens);
	slots_close(&a->rares);
	slots_close(&a->owed);
	messages_close(&a->messages);
}

/* ---- the channel ---- */

/* Room in the channel; NULL where there is none, after waiting where that is allowed. */
static uint8_t *room(struct archive *a, size_t n, bool wait)
{
	uint8_t *at = channel_reserve(a->news, n);
	struct backoff pause = {0};

	if (at || !wait || !a->may_wait)
		return at;
	a->counts.waits += !a->ending;
	while (!(at = channel_reserve(a->news, n)))
		backoff_wait(&pause);
	return at;
}

/* The seconds' traffic goes out before the next one is counted. */
static void flush_time(struct shard *s, bool wait)
{
	struct archive *a = &s->archive;
	struct news_time *out;
	uint32_t n = 0;

	for (int i = 0; i < SERVICE_COUNT; i++) {
		const struct news_service *v = &a->time.service[i];

		n += v->packets || v->streams || v->matches;
	}
	if (n == 0)
		return;
	out = (struct news_time *)room(
		a, offsetof(struct news_time, service) + n * sizeof(struct news_service), wait);
	if (!out)
		return; /* added to the next one */
	out->kind = NEWS_TIME;
	out->n = n;
	out->second = a->time_from / NS_PER_S;
	n = 0;
	for (int i = 0; i < SERVICE_COUNT; i++) {
		struct news_service *v = &a->time.service[i];

		if (!v->packets && !v->streams && !v->matches)
			continue;
		v->service = (uint32_t)i;
		out->service[n++] = *v;
		*v = (struct news_service){0};
	}
	channel_submit(a->news);
}

/* What is counted from here on is of the second of the packet in hand. */
static void reach_second(struct shard *s)
{
	struct archive *a = &s->archive;

	if (s->clock_ns >= a->time_from && s->clock_ns < a->time_to)
		return;
	flush_time(s, true);
	a->time_from = s->clock_ns - s->clock_ns % NS_PER_S;
	a->time_to = a->time_from + NS_PER_S;
}

/* ---- entries ---- */

static void unlink_ended(struct archive *a, const struct archived *e)
{
	if (e->newer)
		archive_at(a, e->newer - 1)->older = e->older;
	else
		a->newest = e->older;
	if (e->older)
		archive_at(a, e->older - 1)->newer = e->newer;
	else
		a->oldest = e->newer;
}

static void link_ended(struct archive *a, uint32_t entry)
{
	struct archived *e = archive_at(a, entry);

	e->newer = 0;
	e->older = a->newest;
	if (e->older)
		archive_at(a, e->older - 1)->newer = entry + 1;
	else
		a->oldest = entry + 1;
	a->newest = entry + 1;
}

static void release(struct shard *s, uint32_t entry)
{
	struct archive *a = &s->archive;
	struct archived *e = archive_at(a, entry);

	if (!e->pinned)
		unlink_ended(a, e);
	messages_forget(&a->messages, entry);
	inventory_leave_evidence(&s->inventory, e->evidence);
	if (e->rare) {
		rare_at(a, e->rare)->next = a->rare_free;
		a->rare_free = e->rare;
	}
	e->live = false;
	e->newer = a->free;
	a->free = entry + 1;
	a->counts.forgotten++;
}

static uint32_t take(struct shard *s)
{
	struct archive *a = &s->archive;
	uint32_t entry;

	if (!a->free && a->fresh == a->cap && a->oldest)
		release(s, a->oldest - 1);
	if (a->free) {
		entry = a->free - 1;
		a->free = archive_at(a, entry)->newer;
		return entry;
	}
	if (a->fresh == a->cap)
		return ARCHIVE_NONE; /* all are pinned or open */
	slots_reach(&a->entries, a->fresh);
	slots_reach(&a->messages.streams, a->fresh);
	return a->fresh++;
}

static void enqueue(struct archive *a, uint32_t entry)
{
	struct archived *e = archive_at(a, entry);

	if (e->queued)
		return;
	e->queued = true;
	e->queued_next = 0;
	if (a->queue_last)
		archive_at(a, a->queue_last - 1)->queued_next = entry + 1;
	else
		a->queue_first = entry + 1;
	a->queue_last = entry + 1;
}

/* An open stream has changed; mostly that is known, and its flags are all that is looked at. */
static void mark(struct shard *s, uint32_t slot)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	uint32_t entry;

	if (st->flags & STREAM_MARKED)
		return;
	st->flags |= STREAM_MARKED;
	entry = open_at(&s->archive, slot)->entry;
	if (entry != ARCHIVE_NONE)
		enqueue(&s->archive, entry);
}

void archive_start(struct shard *s, uint32_t slot, uint64_t number)
{
	struct archive *a = &s->archive;
	uint32_t entry = take(s), owed, queued_next;
	struct archived *e;
	bool queued;

	slots_reach(&a->opens, slot);
	*open_at(a, slot) = (struct open_stream){.entry = entry};
	if (entry == ARCHIVE_NONE) {
		a->counts.streams_not_shown++;
		return;
	}
	e = archive_at(a, entry);
	queued = e->queued; /* of the one before: its place in the queue stays */
	queued_next = e->queued_next;
	owed = queued ? e->owed : 0;
	*e = (struct archived){.id = s->inventory.more[slot].id,
			       .first_number = number,
			       .slot = slot,
			       .live = true,
			       .queued = queued,
			       .queued_next = queued_next,
			       .owed = owed};
	reach_second(s);
	e->service = inventory_at(&s->inventory, slot)->service.name;
	e->port[0] = s->flows.flow[slot].lo_port;
	e->port[1] = s->flows.flow[slot].hi_port;
	e->since_s = (uint32_t)(a->time_from / NS_PER_S);
	a->time.service[e->service].streams++;
	mark(s, slot);
}

/* ---- rows ---- */

/* Not from the event: that has them at the end of a connection only. */
static void fill_tcp(const struct shard *s, uint32_t slot, uint8_t a_dir, struct news_stream *r)
{
	uint64_t rtt_us = tcp_handshake_rtt_ns(&s->tcp, slot) / 1000;

	r->rtt_us = (uint32_t)(rtt_us < UINT32_MAX ? rtt_us : UINT32_MAX);
	r->tcp_state = (uint8_t)tcp_state(&s->tcp, slot, a_dir);
	r->midstream = tcp_is_midstream(&s->tcp, slot);
}

static void fill_row(const struct shard *s, uint32_t slot, uint32_t entry,
		     const struct event_stream *e, struct news_stream *r)
{
	const struct open_stream *o = open_at(&s->archive, slot);
	const struct stream_more *more = &s->inventory.more[slot];

	memset(r, 0, sizeof(*r));
	r->kind = NEWS_STREAM;
	r->entry = entry;
	r->id = more->id;
	r->first_ns = e->first_ns;
	r->last_ns = e->last_ns;
	r->key = e->head.key;
	r->anomalies = more->anomalies;
	r->matches = e->matches;
	r->not_shown = archive_at(&s->archive, entry)->not_shown;
	r->messages = o->messages;
	r->worker = (uint16_t)s->index;
	r->service = e->service;
	r->status = (uint8_t)e->status;
	r->content_kind = (uint8_t)e->kind;
	r->client_hi = e->a_dir;
	r->reason = (uint8_t)e->reason;
	for (int i = 0; i < 2; i++) {
		const struct event_direction *d = &e->dir[i];

		r->packets[i] = d->packets;
		r->bytes[i] = d->bytes;
		r->payload_bytes[i] = d->payload_bytes;
		r->stream_bytes[i] = d->stream_bytes;
		r->gap_bytes += d->tcp.gap_bytes;
		r->cut_bytes += d->tcp.cut_bytes;
		r->conflict_bytes += (uint32_t)d->tcp.conflict_bytes;
		r->chunks[i] = o->chunks[e->a_dir ^ i];
		r->kinds[i] = (uint8_t)d->kind;
	}
	if (e->head.key.proto == 6)
		fill_tcp(s, slot, e->a_dir, r);
	r->line_len = (uint8_t)o->line_len;
	memcpy(r->line, o->line, sizeof(r->line));
}

/* The row of an open stream as of now. */
static void row_now(const struct shard *s, uint32_t entry, struct news_stream *r)
{
	uint32_t slot = archive_at(&s->archive, entry)->slot;
	struct event_stream e = {0};

	tell_fill(s, slot, &e);
	fill_row(s, slot, entry, &e, r);
}

static void send_owed(struct archive *a, struct archived *e, uint8_t *at)
{
	struct news_stream *r = owed_at(a, e->owed);

	memcpy(at, r, sizeof(*r));
	channel_submit(a->news);
	a->counts.rows++;
	r->entry = a->owed_free;
	a->owed_free = e->owed;
	e->owed = 0;
}

/* A stream counts for what it turned out to be, in the second of its first packet.  False where
 * that could not be told: it may be with its next row. */
static bool recount(struct shard *s, struct archived *e, uint8_t service)
{
	struct archive *a = &s->archive;
	struct news_time *out;

	if (e->service == service)
		return true;
	out = (struct news_time *)room(
		a, offsetof(struct news_time, service) + 2 * sizeof(struct news_service), true);
	if (!out)
		return false;
	out->kind = NEWS_TIME;
	out->n = 2;
	out->second = e->since_s;
	out->service[0] = (struct news_service){.service = e->service, .streams = -1};
	out->service[1] = (struct news_service){.service = service, .streams = 1};
	channel_submit(a->news);
	e->service = service;
	return true;
}

static void told(struct shard *s, uint32_t slot)
{
	struct stream *st = inventory_at(&s->inventory, slot);

	st->flags = (uint8_t)(st->flags & ~STREAM_MARKED);
	recount(s, archive_at(&s->archive, open_at(&s->archive, slot)->entry), st->service.name);
}

static bool flush_one(struct shard *s, uint32_t entry)
{
	struct archive *a = &s->archive;
	struct archived *e = archive_at(a, entry);
	uint8_t *at;

	if (e->owed) {
		at = channel_reserve(a->news, sizeof(struct news_stream));
		if (!at)
			return false;
		send_owed(a, e, at);
	}
	if (!e->live || e->ended || !(inventory_at(&s->inventory, e->slot)->flags & STREAM_MARKED))
		return true;
	at = channel_reserve(a->news, sizeof(struct news_stream));
	if (!at)
		return false;
	row_now(s, entry, (struct news_stream *)at);
	channel_submit(a->news);
	a->counts.rows++;
	told(s, e->slot);
	return true;
}

bool archive_flush(struct shard *s, bool force)
{
	struct archive *a = &s->archive;
	uint32_t most = a->may_wait ? REPLAY_ROWS : FLUSH_ROWS;
	uint64_t now = clock_ticks();

	if (!force && now - a->last_flush < FLUSH_TICKS)
		return true;
	a->last_flush = now;
	flush_time(s, false);
	for (uint32_t n = 0; a->queue_first && (force || n < most); n++) {
		uint32_t entry = a->queue_first - 1;
		struct archived *e = archive_at(a, entry);

		if (!flush_one(s, entry))
			return false;
		e->queued = false;
		a->queue_first = e->queued_next;
		if (!a->queue_first)
			a->queue_last = 0;
	}
	return true;
}

void archive_packet(struct shard *s, uint32_t slot, uint64_t bytes)
{
	struct archive *a = &s->archive;
	struct news_service *v;

	reach_second(s);
	v = &a->time.service[inventory_at(&s->inventory, slot)->service.name];
	v->packets++;
	v->bytes += bytes;
	mark(s, slot);
}

/* A first line: up to its end, what is not printable as a dot. */
static void keep_line(struct open_stream *o, struct span bytes)
{
	size_t n = span_len(bytes) < NEWS_LINE ? span_len(bytes) : NEWS_LINE, k = 0;

	while (k < n && bytes.at[k] != '\n' && bytes.at[k] != '\r')
		k++;
	o->line_len = (uint8_t)slice_text(span_of(bytes.at, k), o->line);
	for (uint32_t i = 0; i < o->line_len; i++)
		if ((uint8_t)o->line[i] < 0x20)
			o->line[i] = '.';
}

void archive_feed(struct shard *s, uint32_t slot, uint8_t dir, struct span bytes)
{
	struct open_stream *o = open_at(&s->archive, slot);
	uint8_t a_dir = inventory_at(&s->inventory, slot)->flags & STREAM_CLIENT_HI ? 1 : 0;

	if (o->chunks[dir]++ == 0 && (dir == a_dir || o->line_len == 0))
		keep_line(o, bytes);
}

/* ---- matches and messages ---- */

static void tell(struct shard *s, const struct scan_match *m, struct news_match *n)
{
	struct archive *a = &s->archive;
	struct archived *e = archive_at(a, n->entry);
	size_t name = strlen(m->pattern->name), text = span_len(m->bytes);
	struct news_match *out = (struct news_match *)room(a, sizeof(*out), true);

	if (!out) {
		a->counts.matches_lost++;
		e->not_shown++;
		return;
	}
	*out = *n;
	out->kind = NEWS_MATCH;
	out->stream = e->id;
	out->from = m->from;
	out->to = m->to;
	out->ts_ns = m->ts_ns;
	out->number = m->number;
	out->signature = m->pattern->signature;
	out->ordinal = m->pattern->ordinal;
	out->pattern_kind = (uint8_t)m->pattern->kind;
	out->worker = (uint16_t)s->index;
	out->name_len = (uint8_t)(name < NEWS_NAME ? name : NEWS_NAME);
	memcpy(out->name, m->pattern->name, out->name_len);
	out->text_len = (uint8_t)(text < NEWS_TEXT ? text : NEWS_TEXT);
	memcpy(out->text, m->bytes.at, out->text_len);
	channel_submit(a->news);
	a->counts.matches++;
}

/* The view must know the stream before its matches. */
static bool introduce(struct shard *s, uint32_t entry)
{
	struct archive *a = &s->archive;
	struct archived *e = archive_at(a, entry);
	uint8_t *at;

	if (e->owed) {
		at = room(a, sizeof(struct news_stream), true);
		if (!at)
			return false;
		send_owed(a, e, at);
	}
	if (e->ended || !(inventory_at(&s->inventory, e->slot)->flags & STREAM_MARKED))
		return true;
	at = room(a, sizeof(struct news_stream), true);
	if (!at)
		return false;
	row_now(s, entry, (struct news_stream *)at);
	channel_submit(a->news);
	a->counts.rows++;
	told(s, e->slot);
	return true;
}

void archive_match(struct shard *s, uint32_t slot, const struct event_match *e)
{
	uint32_t entry = open_at(&s->archive, slot)->entry;
	uint8_t service = inventory_at(&s->inventory, slot)->service.name;

	s->archive.time.service[service].matches++;
	if (entry == ARCHIVE_NONE)
		return;
	if (!introduce(s, entry)) {
		s->archive.counts.matches_lost++;
		archive_at(&s->archive, entry)->not_shown++;
		return;
	}
	tell(s, e->match,
	     &(struct news_match){.entry = entry,
				  .a_to_b = e->a_to_b,
				  .decoded = e->decoded,
				  .tx_id = e->tx_id,
				  .service = service});
	mark(s, slot);
}

void archive_again(struct shard *s, uint32_t entry, const struct scan_match *m)
{
	struct archived *e = archive_at(&s->archive, entry);

	if (!pattern_wants(m->pattern, (m->row & 1) == archive_a_dir(s, e), e->service, e->port[0],
			   e->port[1]))
		return;
	if (!introduce(s, entry)) {
		s->archive.counts.matches_lost++;
		e->not_shown++;
		return;
	}
	tell(s, m,
	     &(struct news_match){.entry = entry,
				  .a_to_b = (m->row & 1) == archive_a_dir(s, e),
				  .again = true,
				  .service = UINT8_MAX});
}

void archive_http(struct shard *s, uint32_t slot, const struct http1_transaction *t)
{
	struct open_stream *o = open_at(&s->archive, slot);
	uint8_t a_dir = inventory_at(&s->inventory, slot)->flags & STREAM_CLIENT_HI ? 1 : 0;

	for (uint8_t side = 0; side < 2 && o->entry != ARCHIVE_NONE; side++) {
		struct message m;

		if (!tell_http_message(t, side, a_dir, &m))
			continue;
		messages_add(&s->archive.messages, o->entry, &m);
		o->messages++;
	}
}

void archive_websocket(struct shard *s, uint32_t slot, const struct websocket_message *m)
{
	struct open_stream *o = open_at(&s->archive, slot);
	struct message out;

	if (o->entry == ARCHIVE_NONE)
		return;
	tell_websocket_message(m, &out);
	messages_add(&s->archive.messages, o->entry, &out);
	o->messages++;
}

/* ---- the end ---- */

static void fill_side(struct ask_side *side, const struct event_direction *d)
{
	*side = (struct ask_side){.gap_bytes = d->tcp.gap_bytes,
				  .cut_bytes = d->tcp.cut_bytes,
				  .retransmitted_bytes = d->tcp.retransmitted_bytes,
				  .overlap_bytes = d->tcp.overlap_bytes,
				  .conflict_bytes = d->tcp.conflict_bytes,
				  .gap_count = d->tcp.gap_count,
				  .out_of_order = d->tcp.out_of_order};
}

static bool is_rare(const struct event_stream *e)
{
	for (int i = 0; i < 2; i++) {
		const struct tcp_report *t = &e->dir[i].tcp;

		if (t->gap_bytes | t->cut_bytes | t->retransmitted_bytes | t->overlap_bytes |
		    t->conflict_bytes | t->gap_count | t->out_of_order)
			return true;
	}
	return e->has_anomalies;
}

static void keep_rare(struct archive *a, struct archived *d, const struct event_stream *e)
{
	struct rare *r;

	if (!is_rare(e))
		return;
	if (a->rare_free) {
		d->rare = a->rare_free;
		a->rare_free = rare_at(a, d->rare)->next;
	} else {
		slots_reach(&a->rares, a->rare_fresh);
		d->rare = ++a->rare_fresh;
	}
	r = rare_at(a, d->rare);
	*r = (struct rare){0};
	fill_side(&r->side[0], &e->dir[0]);
	fill_side(&r->side[1], &e->dir[1]);
	for (uint32_t i = 0; e->has_anomalies && i < ANOMALY_COUNT; i++)
		if (e->anomaly[i] && r->anomalies < sizeof(r->anomaly) / sizeof(r->anomaly[0]))
			r->anomaly[r->anomalies++] =
				(struct ask_anomaly){.which = i, .count = e->anomaly[i]};
}

/* Its last row: now, or once there is room. */
static void last_row(struct shard *s, uint32_t slot, uint32_t entry, const struct event_stream *e)
{
	struct archive *a = &s->archive;
	struct archived *d = archive_at(a, entry);
	struct news_stream *r = (struct news_stream *)channel_reserve(a->news, sizeof(*r));
	bool now = r != NULL;

	if (!now && !d->owed && (a->owed_free || a->owed_fresh < OWED)) {
		if (a->owed_free) {
			d->owed = a->owed_free;
			a->owed_free = owed_at(a, d->owed)->entry;
		} else {
			slots_reach(&a->owed, a->owed_fresh);
			d->owed = ++a->owed_fresh;
		}
		r = owed_at(a, d->owed);
	} else if (!now) {
		r = (struct news_stream *)room(a, sizeof(*r), true);
		now = r != NULL;
	}
	if (!r) {
		a->counts.rows_lost++;
		return;
	}
	fill_row(s, slot, entry, e, r);
	r->ended = true;
	if (now) {
		channel_submit(a->news);
		a->counts.rows++;
	} else {
		enqueue(a, entry);
	}
}

void archive_end(struct shard *s, uint32_t slot, const struct event_stream *e)
{
	struct archive *a = &s->archive;
	uint32_t entry = open_at(a, slot)->entry;
	struct stream_more *more = &s->inventory.more[slot];
	struct archived *d;

	if (entry == ARCHIVE_NONE)
		return;
	d = archive_at(a, entry);
	d->view = archive_view(s, d);
	d->a_dir = e->a_dir;
	d->evidence = more->evidence;
	more->evidence = 0; /* kept on */
	keep_rare(a, d, e);
	a->counts.recounts_lost += !recount(s, d, e->service.name);
	last_row(s, slot, entry, e);
	d->slot = ARCHIVE_NONE;
	d->ended = true;
	d->last_number = s->flows.flow[slot].last_number;
	if (!d->pinned)
		link_ended(a, entry);
}

/* ---- for answers ---- */

struct archived *archive_find(const struct shard *s, uint32_t entry, uint64_t id)
{
	struct archived *e = entry < s->archive.fresh ? archive_at(&s->archive, entry) : NULL;

	return e && e->live && e->id == id ? e : NULL;
}

struct content_view archive_view(const struct shard *s, const struct archived *e)
{
	const struct flow *f;
	const struct tcp_conn *c;

	if (e->slot == ARCHIVE_NONE)
		return e->view;
	f = &s->flows.flow[e->slot];
	c = &s->tcp.conn[e->slot];
	return f->proto == 6 ? content_view(&s->content, e->slot, c->dir[0].off, c->dir[1].off)
			     : content_view(&s->content, e->slot, f->payload_bytes[0],
					    f->payload_bytes[1]);
}

uint8_t archive_a_dir(const struct shard *s, const struct archived *e)
{
	if (e->slot == ARCHIVE_NONE)
		return e->a_dir;
	return inventory_at(&s->inventory, e->slot)->flags & STREAM_CLIENT_HI ? 1 : 0;
}

void archive_sides(const struct shard *s, const struct archived *e, struct ask *answer)
{
	const struct rare *r = e->rare ? rare_at(&s->archive, e->rare) : NULL;
	struct event_stream now = {0};

	if (e->slot != ARCHIVE_NONE) {
		tell_fill(s, e->slot, &now);
		fill_side(&answer->sides[0], &now.dir[0]);
		fill_side(&answer->sides[1], &now.dir[1]);
		for (uint32_t i = 0; i < ANOMALY_COUNT; i++) {
			uint32_t n = inventory_anomaly_count(&s->inventory, e->slot, i);

			if (n)
				answer->anomaly[answer->anomalies++] =
					(struct ask_anomaly){.which = i, .count = n};
		}
	} else if (r) {
		memcpy(answer->sides, r->side, sizeof(r->side));
		memcpy(answer->anomaly, r->anomaly, sizeof(r->anomaly));
		answer->anomalies = r->anomalies;
	}
}

void archive_pin(struct shard *s, uint32_t entry, bool pin)
{
	struct archive *a = &s->archive;
	struct archived *e = archive_at(a, entry);

	if (e->pinned == pin)
		return;
	if (e->ended && pin)
		unlink_ended(a, e);
	e->pinned = pin;
	if (e->ended && !pin)
		link_ended(a, entry);
	if (pin && e->slot != ARCHIVE_NONE)
		content_pin(&s->content, e->slot);
}
