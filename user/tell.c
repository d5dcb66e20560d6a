/* SPDX-License-Identifier: MIT */
/* tell — see tell.h. */
#include "user/tell.h"

#include <stdio.h>
#include <string.h>

#include "user/event/record_http.h"
#include "user/flow/id.h"

/* A place for one more record of at most `need` bytes.  Buffers are passed on when two usual
 * records' worth is in them, though they could hold the longest one. */
static struct json *begin_long(struct shard *s, size_t need)
{
	size_t used = (size_t)(s->json.at - s->buffer);

	if (used && used + need > 2 * s->record_max)
		s->json.at = s->buffer = sink_next(s->sink, s->index, used);
	return &s->json;
}

static struct json *begin(struct shard *s)
{
	return begin_long(s, s->record_max);
}

static const char *app_proto(const struct stream *st, bool payload)
{
	if (st->service.source >= SOURCE_PAYLOAD)
		return st->service.name == SERVICE_HTTPS ? "tls"
							 : service_name_text(st->service.name);
	return payload && !st->tries[0] && !st->tries[1] ? "failed" : NULL;
}

/* Envelope of records about a stream: of the client, at the stream's last packet. */
static void head_of(const struct shard *s, uint32_t slot, struct event_head *h)
{
	const struct flow *f = &s->flows.flow[slot];
	const struct stream *st = inventory_at(&s->inventory, slot);
	const struct stream_more *more = &s->inventory.more[slot];
	const struct iface *iface =
		more->iface == IFACE_NONE ? NULL : source_iface(s->source, more->iface);

	*h = (struct event_head){
		.ts_ns = f->last_ns,
		.number = f->last_number,
		.iface = iface && iface->name[0] ? iface->name : NULL,
		.has_key = true,
		.src_hi = st->flags & STREAM_CLIENT_HI,
		.has_stream = true,
		.stream_id = more->id,
		.path = st->flags & STREAM_HAS_PATH ? &s->inventory.path[slot] : NULL,
		.app_proto = app_proto(st, st->text[0].seen + st->text[1].seen > 0),
	};
	flow_key_at(&s->flows, slot, &h->key);
	if (source_several(s->source)) {
		h->file = source_file_name(s->source, more->file);
		h->file_number = more->file_number;
	}
}

enum stream_status tell_status(const struct shard *s, uint32_t slot)
{
	if (s->flows.flow[slot].proto != 6)
		return STREAM_OPEN;
	if (tcp_is_reset(&s->tcp, slot))
		return STREAM_RESET;
	if (tcp_is_closed(&s->tcp, slot))
		return STREAM_CLOSED;
	return tcp_is_closing(&s->tcp, slot) ? STREAM_CLOSING : STREAM_OPEN;
}

static void fill_direction(const struct shard *s, uint32_t slot, uint8_t dir,
			   struct event_direction *d)
{
	const struct flow *f = &s->flows.flow[slot];
	const struct stream *st = inventory_at(&s->inventory, slot);

	*d = (struct event_direction){
		.packets = f->packets[dir],
		.bytes = f->bytes[dir],
		.payload_bytes = f->payload_bytes[dir],
		.kind = classify_kind(&st->text[dir]),
	};
	if (f->proto == 6) {
		tcp_report(&s->tcp, slot, dir, &d->tcp);
		d->stream_bytes = d->tcp.stream_bytes;
	} else {
		if (st->flags & STREAM_CUT)
			d->tcp.cut_bytes = s->inventory.more[slot].cut_bytes[dir];
		d->stream_bytes = d->payload_bytes - d->tcp.cut_bytes;
	}
}

void tell_fill(const struct shard *s, uint32_t slot, struct event_stream *e)
{
	const struct flow *f = &s->flows.flow[slot];
	const struct stream *st = inventory_at(&s->inventory, slot);
	uint8_t a_dir = st->flags & STREAM_CLIENT_HI ? 1 : 0;

	head_of(s, slot, &e->head);
	e->first_ns = s->inventory.more[slot].first_ns;
	e->last_ns = f->last_ns;
	e->service = st->service;
	e->status = tell_status(s, slot);
	e->kind = inventory_kind(&s->inventory, slot);
	e->worker = s->index;
	e->matches = alert_count(s, slot);
	e->a_dir = a_dir;
	fill_direction(s, slot, a_dir, &e->dir[0]);
	fill_direction(s, slot, !a_dir, &e->dir[1]);
}

static void show_previews(const struct shard *s, uint32_t slot, struct event_stream *e)
{
	e->show_preview = true;
	e->dir[0].preview = inventory_preview(&s->inventory, slot, e->a_dir);
	e->dir[1].preview = inventory_preview(&s->inventory, slot, !e->a_dir);
}

static void name_community(const struct shard *s, uint32_t slot, struct event_stream *e,
			   char room[COMMUNITY_ID_LEN])
{
	const struct stream *st = inventory_at(&s->inventory, slot);

	community_id(room, &e->head.key, st->flags & STREAM_CLIENT_HI, st->icmp_type,
		     st->icmp_code);
	e->head.community_id = room;
}

/* True where status, service or kind of content are not what was told last. */
static bool changed(const struct shard *s, uint32_t slot, const struct stream_told *told)
{
	const struct stream *st = inventory_at(&s->inventory, slot);

	return told->status != tell_status(s, slot) ||
	       memcmp(&told->service, &st->service, sizeof(st->service)) != 0 ||
	       told->kind != inventory_kind(&s->inventory, slot);
}

static uint64_t delivered(const struct shard *s, uint32_t slot)
{
	struct event_direction d[2];

	fill_direction(s, slot, 0, &d[0]);
	fill_direction(s, slot, 1, &d[1]);
	return d[0].stream_bytes + d[1].stream_bytes;
}

void tell_stream(struct shard *s, uint32_t slot)
{
	const struct flow *f = &s->flows.flow[slot];
	struct stream_told *told = &s->inventory.told[slot];
	uint64_t packets = f->packets[0] + f->packets[1];
	uint64_t bytes = delivered(s, slot);
	bool first = told->packets == 0;
	char community[COMMUNITY_ID_LEN];
	struct event_stream e;

	if (!first && !changed(s, slot, told) &&
	    !(s->conf->update_packets && packets - told->packets >= s->conf->update_packets) &&
	    !(s->conf->update_bytes && bytes - told->bytes >= s->conf->update_bytes))
		return;
	e.event = first ? EVENT_STREAM_OPEN : EVENT_STREAM_UPDATE;
	tell_fill(s, slot, &e);
	name_community(s, slot, &e, community);
	show_previews(s, slot, &e);
	told->packets = packets;
	told->bytes = bytes;
	told->status = (uint8_t)e.status;
	told->kind = (uint8_t)e.kind;
	told->service = e.service;
	if (first)
		s->counts.opened++;
	else
		s->counts.updated++;
	if (s->sink)
		record_stream(begin(s), &e);
}

static void fill_end(const struct shard *s, uint32_t slot, struct event_stream *e,
		     enum flow_reason reason)
{
	const struct flow *f = &s->flows.flow[slot];
	const struct stream *st = inventory_at(&s->inventory, slot);

	e->is_tcp = f->proto == 6;
	e->established = f->packets[0] && f->packets[1];
	if (e->is_tcp) {
		e->midstream = tcp_is_midstream(&s->tcp, slot);
		e->tcp_state = tcp_state(&s->tcp, slot, e->a_dir);
		e->rtt_ns = tcp_handshake_rtt_ns(&s->tcp, slot);
		e->established = tcp_is_open(&s->tcp, slot);
	}
	e->has_icmp = st->flags & STREAM_HAS_ICMP;
	e->icmp_type = st->icmp_type;
	e->icmp_code = st->icmp_code;
	for (int i = 0; i < 2; i++) {
		uint8_t dir = (uint8_t)(i ? !e->a_dir : e->a_dir);

		e->kept_packets[i] = s->offload.on ? s->offload.flow[slot].packets[dir] : 0;
		e->kept_bytes[i] = s->offload.on ? s->offload.flow[slot].bytes[dir] : 0;
	}
	e->cut = e->dir[0].tcp.cut_bytes + e->dir[1].tcp.cut_bytes + e->kept_packets[0] +
			 e->kept_packets[1] >
		 0;
	e->reason = reason;
	if (e->status == STREAM_CLOSED)
		e->reason = REASON_FIN;
	else if (e->status == STREAM_RESET)
		e->reason = REASON_RST;
	else if (reason == REASON_TIMEOUT)
		e->status = STREAM_TIMEOUT;
	else if (reason == REASON_EVICTED)
		e->status = STREAM_EVICTED;
	e->has_anomalies = st->flags & STREAM_HAS_COUNTS;
	for (int i = 0; e->has_anomalies && i < ANOMALY_COUNT; i++)
		e->anomaly[i] = inventory_anomaly_count(&s->inventory, slot, i);
	e->inventory = &s->inventory;
	e->evidence = s->inventory.more[slot].evidence;
}

void tell_flow(struct shard *s, uint32_t slot, enum flow_reason reason, uint64_t clock_ns)
{
	char community[COMMUNITY_ID_LEN];
	struct event_stream e;
	uint8_t sha[2][32];

	if (reason == REASON_SHUTDOWN && flow_stale(&s->flows, slot, clock_ns))
		reason = REASON_TIMEOUT;
	e.event = EVENT_FLOW;
	e.show_preview = false;
	tell_fill(s, slot, &e);
	fill_end(s, slot, &e, reason);
	summary_flow(&s->summary, &e);
	if (s->archive.on)
		archive_end(s, slot, &e);
	if (!s->sink)
		return;
	if (s->conf->flow_previews)
		show_previews(s, slot, &e);
	for (int i = 0; i < 2; i++)
		if (inventory_sha256(&s->inventory, slot, (uint8_t)(i ? !e.a_dir : e.a_dir),
				     sha[i]))
			e.dir[i].sha256 = sha[i];
	name_community(s, slot, &e, community);
	record_stream(begin(s), &e);
}

void tell_anomaly(struct shard *s, uint32_t slot, enum anomaly a)
{
	static const struct {
		const char *event, *type;
	} names[] = {
#define ANOMALY_NAMES(name, event, type, help) {event, type},
		ANOMALIES(ANOMALY_NAMES)
#undef ANOMALY_NAMES
	};
	struct stream_more *st = &s->inventory.more[slot];
	struct event_anomaly e = {.type = names[a].type, .event = names[a].event, .count = 1};

	inventory_anomaly(&s->inventory, slot, a);
	if (st->anomalies & anomaly_bit(a))
		return;
	st->anomalies |= anomaly_bit(a);
	if (!s->sink)
		return;
	head_of(s, slot, &e.head);
	e.head.ts_ns = s->ns;
	e.head.number = s->number;
	if (s->at < s->block->n && s->packets->row[s->at].verdict == VERDICT_FLOW)
		e.head.src_hi = s->packets->row[s->at].flags & PACKET_FROM_HI;
	record_anomaly(begin(s), &e);
}

/* A body has a file record of its own. */
static void tell_file(struct shard *s, const struct event_http *e, enum http1_side side)
{
	if (e->transaction->side[side].length)
		record_file(begin_long(s, record_http_max(e->transaction)), e, side);
}

void tell_http(struct shard *s, uint32_t slot, const struct http1_transaction *t)
{
	struct event_http e = {.transaction = t};

	if (!s->sink)
		return;
	head_of(s, slot, &e.head);
	e.head.ts_ns = t->ts_ns;
	e.head.number = t->number;
	record_http(begin_long(s, record_http_max(t)), &e);
	if (s->conf->file_hash) {
		tell_file(s, &e, HTTP1_REQUEST);
		tell_file(s, &e, HTTP1_RESPONSE);
	}
}

void tell_websocket(struct shard *s, uint32_t slot, const struct websocket_message *m)
{
	struct event_websocket e = {.message = m};

	if (!s->sink)
		return;
	head_of(s, slot, &e.head);
	e.head.ts_ns = m->ts_ns;
	e.head.number = m->number;
	e.head.app_proto = "websocket";
	record_websocket(begin(s), &e);
}

void tell_match(struct shard *s, uint32_t slot, struct event_match *e)
{
	head_of(s, slot, &e->head);
	e->head.ts_ns = e->match->ts_ns;
	e->head.number = e->match->number;
	summary_match(&s->summary, e);
	if (s->sink)
		record_match(begin(s), e);
}

static void drop_record(struct shard *s, enum rm_drop why, uint64_t ts_ns)
{
	static const char *const events[] = {"",
#define DROP_EVENT(name, json, help) "decode." json,
					     RM_DROPS(DROP_EVENT)
#undef DROP_EVENT
	};
	struct event_anomaly e = {.type = "decode",
				  .event = events[why],
				  .count = s->decode_anomaly[why].pending,
				  .head = {.ts_ns = ts_ns}};

	if (s->sink)
		record_anomaly(begin(s), &e);
	s->decode_anomaly[why].pending = 0;
}

void tell_drop(struct shard *s, enum rm_drop why)
{
	uint64_t second = s->clock_ns / 1000000000;

	if (why == RM_DROP_FILTERED)
		return;
	s->decode_anomaly[why].pending++;
	s->decode_anomaly[why].last_ns = s->ns;
	if (s->decode_anomaly[why].told && s->decode_anomaly[why].second == second)
		return;
	s->decode_anomaly[why].told = true;
	s->decode_anomaly[why].second = second;
	drop_record(s, why, s->ns);
}

void tell_drops_pending(struct shard *s)
{
	for (int why = 1; why < RM_DROP_MAX; why++)
		if (s->decode_anomaly[why].pending)
			drop_record(s, why, s->decode_anomaly[why].last_ns);
}

void tell_packet(struct shard *s, const struct block *b, uint32_t i)
{
	const struct frame *f = &b->frame[i];
	const struct iface *iface =
		f->iface == IFACE_NONE ? NULL : source_iface(s->source, f->iface);
	struct event_head h = {.ts_ns = f->ts_ns, .number = b->first_number + i};

	if (!s->sink)
		return;
	if (iface && iface->name[0])
		h.iface = iface->name;
	if (iface && b->file_number) {
		h.file = source_file_name(s->source, iface->file);
		h.file_number = b->file_number[i];
	}
	record_packet(begin(s), &h, span_of(b->buf + f->at, f->caplen), iface ? iface->linktype : 0,
		      f->len);
}

/* ---- messages, as entries of an index ---- */

static enum message_status status_of(bool complete)
{
	return complete ? MESSAGE_COMPLETE : MESSAGE_PARTIAL;
}

bool tell_http_message(const struct http1_transaction *t, uint8_t side, uint8_t a_dir,
		       struct message *m)
{
	const struct http1_message *h = &t->side[side];
	char code[8];
	int n = snprintf(code, sizeof(code), "%u", t->status);

	*m = (struct message){
		.start = h->start,
		.header_end = h->header_end,
		.end = h->end,
		.tx_id = t->tx_id,
		.dir = side == HTTP1_REQUEST ? a_dir : !a_dir,
		.protocol = MESSAGE_HTTP,
		.kind = side == HTTP1_REQUEST ? MESSAGE_REQUEST : MESSAGE_RESPONSE,
		.status = (uint8_t)(h->bad ? MESSAGE_ERROR : status_of(h->complete)),
	};
	if (side == HTTP1_REQUEST)
		message_summarise(m, t->text[HTTP1_TEXT_METHOD], t->text[HTTP1_TEXT_TARGET]);
	else
		message_summarise(m, span_of((const uint8_t *)code, (size_t)n),
				  t->text[HTTP1_TEXT_REASON]);
	return h->seen;
}

void tell_websocket_message(const struct websocket_message *w, struct message *m)
{
	const char *opcode = websocket_opcode_name(w->opcode);

	*m = (struct message){
		.start = w->start,
		.header_end = w->start,
		.end = w->end,
		.tx_id = w->ordinal,
		.dir = w->dir,
		.protocol = MESSAGE_WEBSOCKET,
		.kind = MESSAGE_UNKNOWN,
		.status = (uint8_t)status_of(w->fin),
	};
	message_summarise(m, span_of((const uint8_t *)opcode, strlen(opcode)), w->text);
}
