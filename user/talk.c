/* SPDX-License-Identifier: MIT */
/* talk — see talk.h. */
#include "user/talk.h"

#include "user/parse/identify.h"
#include "user/shard.h"
#include "user/tell.h"

enum { TALK_NONE, TALK_HTTP, TALK_WEBSOCKET };

static struct shard *shard_of(struct parse_host *host)
{
	return (struct shard *)((char *)host - offsetof(struct shard, talk.host));
}

/* Whether one more message of the packet in hand may be told. */
static bool may_tell(struct shard *s)
{
	bool may = s->talk.told++ < s->conf->chunk_messages;

	s->talk.surplus += !may;
	return may;
}

static void on_http(struct parse_host *host, const struct http1_transaction *t)
{
	struct shard *s = shard_of(host);

	if (s->extract.on) /* its bodies are written already */
		extract_http(s, s->talk.slot, t);
	if (!may_tell(s))
		return;
	if (watch_is(s, s->talk.slot))
		watch_http(s, t, s->talk.slot);
	if (s->archive.on)
		archive_http(s, s->talk.slot, t);
	tell_http(s, s->talk.slot, t);
}

static void on_anomaly(struct parse_host *host, enum anomaly a)
{
	struct shard *s = shard_of(host);

	tell_anomaly(s, s->talk.slot, a);
}

static void on_body(struct parse_host *host, const struct parse_body *b)
{
	struct shard *s = shard_of(host);

	if (s->extract.on && inventory_at(&s->inventory, s->talk.slot)->parser == TALK_HTTP)
		extract_body(s, s->talk.slot, b);
	if (s->alerts.on && b->encoded)
		alert_body(s, s->talk.slot, b->dir, b);
}

static void on_websocket(struct parse_host *host, const struct websocket_message *m)
{
	struct shard *s = shard_of(host);

	if (!may_tell(s))
		return;
	if (watch_is(s, s->talk.slot))
		watch_websocket(s, m);
	if (s->archive.on)
		archive_websocket(s, s->talk.slot, m);
	tell_websocket(s, s->talk.slot, m);
}

int talk_open(struct shard *s)
{
	struct http1_conf http = conf_http1(s->conf);
	struct websocket_conf websocket = {
		.states = (uint32_t)(s->conf->websocket_states / s->conf->workers) + 1};
	int err;

	s->talk.use_http = s->conf->parse_http;
	s->talk.use_websocket = s->conf->parse_websocket;
	s->talk.host = (struct parse_host){
		.http = on_http, .body = on_body, .websocket = on_websocket, .anomaly = on_anomaly};
	http.bodies = s->alerts.on || s->extract.on;
	http.texts = s->sink || s->watch.on || s->archive.on || s->extract.on;
	http.all_headers &= s->sink != NULL;
	http.sha256 = s->extract.on || (http.sha256 && s->sink);
	websocket.bodies = http.bodies;
	websocket.decoders = &s->talk.http.codings;
	err = http1_open(&s->talk.http, &http, &s->talk.host);
	return err < 0 ? err : websocket_open(&s->talk.websocket, &websocket, &s->talk.host);
}

void talk_bodies(struct shard *s)
{
	s->talk.http.conf.bodies = s->talk.websocket.conf.bodies = true;
}

void talk_close(struct shard *s)
{
	websocket_close(&s->talk.websocket);
	http1_close(&s->talk.http);
}

static struct parser *parser_of(struct shard *s, uint8_t which)
{
	return which == TALK_HTTP ? &s->talk.http.parser : &s->talk.websocket.parser;
}

/* Who reads what speaks `name`; TALK_NONE where nobody does, or shall not. */
static uint8_t reader_of(const struct shard *s, enum service_name name)
{
	if (s->conf->no_parser)
		return TALK_NONE;
	if (name == SERVICE_HTTP && s->talk.use_http)
		return TALK_HTTP;
	return name == SERVICE_WEBSOCKET && s->talk.use_websocket ? TALK_WEBSOCKET : TALK_NONE;
}

static struct parse_side side_of(const struct stream *st, uint8_t dir)
{
	uint8_t a_dir = st->flags & STREAM_CLIENT_HI ? 1 : 0;

	return (struct parse_side){.dir = dir, .from_client = dir == a_dir};
}

/* The parser that reads the stream, ready to tell about it. */
static struct parser *enter(struct shard *s, uint32_t slot)
{
	struct parser *p = parser_of(s, inventory_at(&s->inventory, slot)->parser);

	s->talk.slot = slot;
	s->talk.told = 0;
	p->ts_ns = s->ns;
	p->number = s->number;
	return p;
}

/* Bytes [from, upto) of a direction once more; fewer where there is no room for them, or where
 * they cannot be had. */
static struct span again(struct shard *s, uint32_t slot, uint8_t dir, uint64_t from, uint64_t upto)
{
	const struct tcp_conn *c = &s->tcp.conn[slot];
	struct content_view v = content_view(&s->content, slot, c->dir[0].off, c->dir[1].off);
	size_t n = upto - from < TALK_AGAIN ? (size_t)(upto - from) : TALK_AGAIN;

	return span_of(s->talk.again, content_read(&s->content, &v, dir, from, s->talk.again, n));
}

/* Bytes [0, upto) of a direction, which identification has passed by. */
static struct span from_start(struct shard *s, uint32_t slot, uint8_t dir, uint64_t upto)
{
	struct span known = {0};

	if (upto <= TALK_AGAIN)
		known = again(s, slot, dir, 0, upto);
	return span_len(known) == upto ? known : (struct span){0};
}

/* What a direction said before its parser came: fed now, or else it is heard from here on. */
static void catch_up(struct shard *s, uint32_t slot, uint8_t dir, struct span known, uint64_t off)
{
	struct parser *p = enter(s, slot);
	struct stream *st = inventory_at(&s->inventory, slot);
	struct parse_next next;
	bool begun = !(st->flags & STREAM_RESTARTED);

	if (span_len(known) != off && begun && !tcp_is_midstream(&s->tcp, slot))
		known = from_start(s, slot, dir, off);
	off -= span_len(known);
	if (off || tcp_is_midstream(&s->tcp, slot))
		p->ops->midstream(p, st->parse_at, side_of(st, dir), off);
	if (span_len(known))
		p->ops->feed(p, st->parse_at, side_of(st, dir), off, &known, &next);
}

/* The stream speaks `name`.  `before`: bytes of dir that were looked at and are not in the chunk
 * in hand, which begins at `off`. */
static void begin(struct shard *s, uint32_t slot, enum service_name name, uint8_t dir,
		  struct span before, uint64_t off)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	uint8_t which = reader_of(s, name);
	struct span other = inventory_stashed(&s->inventory, slot, !dir);
	uint32_t state;

	if (!which)
		return;
	state = parser_start(parser_of(s, which));
	if (!state)
		return;
	inventory_settled(&s->inventory, slot); /* the bytes stay until the next one needs room */
	st->parser = which;
	st->parse_at = state;
	catch_up(s, slot, !dir, other, s->tcp.conn[slot].dir[!dir].off);
	catch_up(s, slot, dir, before, off);
}

/* What a direction said from `from` on, before it was known that this is another protocol's. */
static void hear_again(struct shard *s, uint32_t slot, uint8_t dir, uint64_t from)
{
	uint64_t upto = s->tcp.conn[slot].dir[dir].off;
	struct stream *st = inventory_at(&s->inventory, slot);
	struct parse_side side = side_of(st, dir);
	struct parser *p = enter(s, slot);
	struct parse_next next;

	while (from < upto) {
		struct span bytes = again(s, slot, dir, from, upto);
		uint64_t off = from;

		if (span_len(bytes) == 0) {
			p->ops->midstream(p, st->parse_at, side, upto);
			return;
		}
		from += span_len(bytes);
		p->ops->feed(p, st->parse_at, side, off, &bytes, &next);
	}
}

/* Another protocol follows, and it is known which: its parser begins where this one ended, on the
 * client's side behind the request, which may have been a while ago. */
static bool hand_over(struct shard *s, uint32_t slot, uint8_t dir, const struct parse_next *next)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	uint8_t which = reader_of(s, next->service);
	uint8_t a_dir = st->flags & STREAM_CLIENT_HI ? 1 : 0;
	uint32_t state = which ? parser_start(parser_of(s, which)) : 0;

	if (next->service != SERVICE_UNKNOWN)
		service_by_parser(&st->service, next->service);
	if (!state)
		return next->service != SERVICE_UNKNOWN;
	st->parser = which;
	st->parse_at = state;
	if (which == TALK_WEBSOCKET)
		websocket_agree(&s->talk.websocket, state, next, a_dir);
	if (next->behind_request)
		hear_again(s, slot, !dir, next->behind_request);
	return true;
}

/* Bytes of a stream with a parser.  What is left over after it is through: to identify anew. */
static struct span feed(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off,
			struct span bytes)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	struct parser *p = enter(s, slot);
	struct parse_next next;

	switch (p->ops->feed(p, st->parse_at, side_of(st, dir), off, &bytes, &next)) {
	case PARSE_MORE:
		return (struct span){0};
	case PARSE_BAD:
		talk_end(s, slot);
		return (struct span){0};
	case PARSE_DONE:
		break;
	}
	talk_end(s, slot);
	if (!hand_over(s, slot, dir, &next))
		inventory_restart(&s->inventory, slot);
	return bytes;
}

/* ---- which protocol it is ---- */

static void identified(struct shard *s, uint32_t slot, uint8_t dir, const struct identified *id)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	bool from_a = dir == (st->flags & STREAM_CLIENT_HI ? 1 : 0);
	enum service_side server = SIDE_UNKNOWN;

	if (id->by_server)
		server = from_a ? SIDE_A : SIDE_B;
	else if (id->by_client)
		server = from_a ? SIDE_B : SIDE_A;
	service_by_content(&st->service, id->name, id->confidence, server);
}

static void not_identified(struct shard *s, uint32_t slot, uint8_t dir, uint8_t tries_left)
{
	struct stream *st = inventory_at(&s->inventory, slot);

	st->tries[dir] = tries_left;
	if (!st->tries[0] && !st->tries[1])
		inventory_settled(&s->inventory, slot);
}

void talk_datagram(struct shard *s, uint32_t slot, uint8_t dir, struct span payload)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	struct identified id;

	if (!identify_datagram(payload, st->service.name, &id)) {
		not_identified(s, slot, dir, st->tries[dir] - 1);
		return;
	}
	identified(s, slot, dir, &id);
	inventory_settled(&s->inventory, slot);
}

/* `off`: of the bytes in their stream. */
static void identify_chunk(struct shard *s, uint32_t slot, uint8_t dir, uint64_t off,
			   struct span bytes)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	uint8_t before = st->stash[dir];
	struct span first = inventory_first(&s->inventory, slot, dir, bytes);
	struct identified id;
	enum identify_got got = identify_stream(first, st->service.name, &id);

	if (got == IDENTIFY_NO && before) { /* behind a stray byte of a keep-alive, say */
		got = identify_stream(bytes, st->service.name, &id);
		before = 0;
	}
	switch (got) {
	case IDENTIFY_YES:
		identified(s, slot, dir, &id);
		begin(s, slot, id.name, dir, span_of(first.at, before), off);
		inventory_settled(&s->inventory, slot);
		break;
	case IDENTIFY_MORE:
		inventory_stash(&s->inventory, slot, dir, first);
		break;
	case IDENTIFY_NO:
		/* A stream says it with its first bytes, unless these were not captured. */
		not_identified(s, slot, dir,
			       tcp_is_midstream(&s->tcp, slot) ? st->tries[dir] - 1 : 0);
		break;
	}
}

void talk_chunk(struct shard *s, uint32_t slot, const struct chunk *c)
{
	const struct stream *st = inventory_at(&s->inventory, slot);
	struct span rest = span_of(c->at, c->len);
	uint64_t off = c->off;

	while (rest.at < rest.end) {
		uint64_t end = off + span_len(rest);

		if (st->tries[c->dir])
			identify_chunk(s, slot, c->dir, off, rest);
		if (!st->parser)
			return;
		rest = feed(s, slot, c->dir, off, rest);
		off = end - span_len(rest);
	}
}

void talk_gap(struct shard *s, uint32_t slot, uint8_t dir, uint64_t len)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	struct parser *p = enter(s, slot);

	p->ops->gap(p, st->parse_at, side_of(st, dir), len);
}

void talk_ended(struct shard *s, uint32_t slot, uint8_t dir)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	struct parser *p = enter(s, slot);

	p->ops->ended(p, st->parse_at, side_of(st, dir), true);
}

void talk_end(struct shard *s, uint32_t slot)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	struct parser *p = enter(s, slot);

	parser_end(p, st->parse_at);
	st->parser = TALK_NONE;
	st->parse_at = 0;
}

void talk_prefetch(const struct shard *s, uint32_t slot)
{
	const struct stream *st = inventory_at(&s->inventory, slot);
	const struct slots *states = &s->talk.http.parser.states;

	if (st->parser != TALK_HTTP)
		return;
	for (size_t at = 0; at < states->stride; at += 64)
		__builtin_prefetch(states->base + (st->parse_at - 1) * states->stride + at, 1);
}
