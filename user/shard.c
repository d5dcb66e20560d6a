/* SPDX-License-Identifier: MIT */
/* shard — see shard.h. */
#include "user/shard.h"

#include <string.h>

#include "user/base/clock.h"
#include "user/flow/id.h"
#include "user/source/filter.h"
#include "user/tell.h"

/* ---- opening ---- */

/* Content is kept where somebody can ask for it; else just enough to compare repeated bytes. */
static struct content_conf conf_content(const struct conf *conf, const struct source *source,
					uint32_t slots)
{
	bool shown = conf->watched || conf->api_listen;
	uint64_t extents = conf->max_extent_bytes / 12 / conf->workers;
	uint32_t memory = extents < EXTENTS_NONE ? (uint32_t)extents : EXTENTS_NONE;
	uint64_t asked = shown ? conf->content_bytes : (16U << 20) * conf->workers;

	return (struct content_conf){
		.in_memory = !source_has_places(source),
		.slots = slots,
		.extents = {.source = source,
			    .memory = conf->no_content ? 0 : memory,
			    .folder = shown && !conf->no_content ? conf->spill : NULL,
			    .ring = conf->no_content ? 0 : 1U << 20}, /* rebuilt datagrams */
		.store = {.bytes = conf->no_content ? 0 : asked / conf->workers,
			  .stream_bytes = conf->content_stream_bytes,
			  .segment_bytes = shown ? (uint32_t)conf->content_segment_bytes : 1024},
	};
}

int shard_open(struct shard *s, const struct shard_run *run, uint32_t index)
{
	const struct conf *conf = run->conf;
	struct flow_conf flow = conf_flow(conf, run->slots);
	struct tcp_conf tcp = conf_tcp(conf);
	bool previews = run->sink && (conf->stream_events || conf->flow_previews);
	struct inventory_conf inventory = {
		.slots = run->slots,
		.told = conf->stream_events,
		.preview_bytes = previews ? (uint32_t)conf->preview_bytes : 0,
		.sha256 = conf->sha256,
		.stashes = 262144, /* 34 MB at most; a stream needs it for a packet or two */
		.evidence = 65536, /* 6 MB per worker: evidence of an attack, not of a flood */
	};
	struct content_conf content = conf_content(conf, run->source, run->slots);
	int err;

	memset(s, 0, sizeof(*s));
	s->index = index;
	s->conf = conf;
	s->source = run->source;
	s->sink = run->sink;
	s->decode_conf = conf_decode(conf);
	s->decode_conf.key = run->key;
	err = decoder_open(&s->decoder, &s->decode_conf);
	if (err == 0)
		err = flow_open(&s->flows, &flow, run->flows);
	if (err == 0)
		err = tcp_open(&s->tcp, &tcp, run->slots);
	inventory.room = (uint8_t *)s->flows.flow + offsetof(struct flow, room);
	inventory.room_stride = sizeof(struct flow);
	if (err == 0)
		err = inventory_open(&s->inventory, &inventory);
	if (err == 0)
		err = content_open(&s->content, &content);
	if (err == 0)
		err = watch_open(s);
	if (err == 0)
		err = archive_open(s, run);
	if (err == 0)
		err = extract_open(s);
	if (err == 0)
		err = alert_open(s, run);
	if (err == 0)
		err = talk_open(s);
	s->offload.live = run->live;
	if (err == 0)
		err = offload_open(s, run->slots);
	if (err < 0) {
		shard_close(s);
		return err;
	}
	if (s->sink) {
		s->record_max = record_max((uint32_t)conf->preview_bytes);
		if (conf->mode == MODE_DUMP)
			s->record_max += FORMAT_MAX_FRAME / 3 * 4 + 8;
		s->json.at = s->buffer = sink_buffer(s->sink, index);
	}
	return 0;
}

void shard_close(struct shard *s)
{
	offload_close(s);
	talk_close(s);
	alert_close(s);
	archive_close(s);
	watch_close(s);
	extract_close(s);
	content_close(&s->content);
	inventory_close(&s->inventory);
	tcp_close(&s->tcp);
	flow_close(&s->flows);
	decoder_close(&s->decoder);
}

/* ---- frames to packets ---- */

void shard_prepare(struct shard *s, struct block *b, struct packets *p, struct filter *filter)
{
	decode_begin(&s->decoder, p);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct frame *f = &b->frame[i];
		const struct iface *iface =
			f->iface == IFACE_NONE ? NULL : source_iface(s->source, f->iface);

		if (filter && iface &&
		    !filter_match(filter, iface->linktype, b->buf + f->at, f->caplen, f->len)) {
			slots_reach(&p->rows, i);
			p->row[i] = (struct packet){.verdict = verdict_drop(RM_DROP_FILTERED)};
			continue;
		}
		decode_frame(&s->decoder, b, iface, p, i);
	}
}

/* ---- one packet ---- */

static void end_flow(struct shard *s, uint32_t slot, enum flow_reason reason, uint64_t clock_ns);

/* --flow-key: what else tells flows apart, in one keyed number. */
static uint64_t domain_of(const struct shard *s, const struct packet *p, const struct frame *f)
{
	static const uint64_t key[2] = {0x666c6f772d6b6579ULL, 1};
	const struct packet_extra *x = &s->packets->extra[p->extra];
	uint8_t in[64] = {0};

	if ((s->conf->flow_key & KEY_VLAN) && p->extra)
		memcpy(in, x->vlan, sizeof(x->vlan[0]) * x->vlans);
	if ((s->conf->flow_key & KEY_TUNNEL) && p->extra && x->tunnel) {
		bool swap = memcmp(x->tunnel_src, x->tunnel_dst, 16) > 0;

		in[8] = x->tunnel;
		memcpy(in + 12, &x->tunnel_id, 4);
		memcpy(in + 16, swap ? x->tunnel_dst : x->tunnel_src, x->tunnel_v6 ? 16 : 4);
		memcpy(in + 32, swap ? x->tunnel_src : x->tunnel_dst, x->tunnel_v6 ? 16 : 4);
	}
	if (s->conf->flow_key & KEY_IFACE)
		memcpy(in + 48, &f->iface, sizeof(f->iface));
	return siphash(key, in, sizeof(in));
}

/* `a` is who sent the SYN, or got the SYN-ACK, or talks to a well-known port, or spoke first. */
static void find_client(struct shard *s, uint32_t slot, uint8_t dir, uint8_t tcp_flags)
{
	const struct flow *f = &s->flows.flow[slot];
	struct stream *st = inventory_at(&s->inventory, slot);
	uint16_t sport = dir ? f->hi_port : f->lo_port;
	uint16_t dport = dir ? f->lo_port : f->hi_port;
	uint8_t client = dir;
	bool reversed;

	st->service = service_by_port(f->proto, sport, dport, &reversed);
	if (f->proto == 6 && (tcp_flags & TCP_SYN)) {
		client = tcp_flags & TCP_ACK ? !dir : dir;
		st->flags |= STREAM_CLIENT_SURE;
		if (st->service.name && reversed != (client != dir))
			st->service = service_by_port(f->proto, dport, sport, &reversed);
	} else if (reversed) {
		client = !dir;
	}
	if (client)
		st->flags |= STREAM_CLIENT_HI;
}

static enum flow_class class_of(const struct shard *s, uint32_t slot)
{
	const struct flow *f = &s->flows.flow[slot];
	enum service_name name = inventory_at(&s->inventory, slot)->service.name;

	if (f->proto == 17)
		return name == SERVICE_DNS    ? FLOW_UDP_DNS
		       : name == SERVICE_QUIC ? FLOW_UDP_QUIC
					      : FLOW_UDP;
	if (f->proto != 6)
		return FLOW_OTHER;
	switch (tcp_phase(&s->tcp, slot)) {
	case TCP_PHASE_OPENING:
		return FLOW_TCP_OPENING;
	case TCP_PHASE_OPEN:
		return name == SERVICE_SSH ? FLOW_TCP_SSH : FLOW_TCP_ESTABLISHED;
	case TCP_PHASE_CLOSING:
		return FLOW_TCP_HALF_CLOSED;
	default:
		return FLOW_TCP_CLOSED;
	}
}

struct arrival {
	const struct packet *p;
	const struct frame *f;
	const uint8_t *ip;
	struct flow_key key;
	uint64_t domain, hash;
	uint64_t ts_ns, clock_ns, number;
	uint32_t bytes, payload, frames;
	uint8_t dir, tcp_flags;
};

static uint32_t open_flow(struct shard *s, const struct arrival *a, uint32_t ordinal)
{
	uint32_t slot = flow_add(&s->flows, &a->key, a->domain, a->hash, a->clock_ns);
	struct stream_more *more;
	struct stream *st;

	if (slot == FLOW_NONE) {
		uint32_t victim = flow_victim(&s->flows);

		if (victim == FLOW_NONE) {
			s->flows.counts.refused++;
			return FLOW_NONE;
		}
		s->flows.counts.evicted++;
		end_flow(s, victim, REASON_EVICTED, a->clock_ns);
		slot = flow_add(&s->flows, &a->key, a->domain, a->hash, a->clock_ns);
		if (slot == FLOW_NONE)
			return FLOW_NONE;
	}
	inventory_start(&s->inventory, slot);
	st = inventory_at(&s->inventory, slot);
	more = &s->inventory.more[slot];
	more->first_ns = a->ts_ns;
	more->ordinal = ordinal;
	more->id = stream_id(&a->key, a->domain, a->ts_ns, ordinal);
	more->iface = a->f->iface;
	if (a->p->extra)
		inventory_set_path(&s->inventory, slot, &s->packets->extra[a->p->extra]);
	find_client(s, slot, a->dir, a->tcp_flags);
	if (s->alerts.on)
		alert_start(s, slot);
	if (s->offload.on)
		offload_start(s, slot);
	if (a->key.proto == 6 || s->archive.on || watch_is(s, slot))
		content_start(&s->content, slot);
	if (s->archive.on)
		archive_start(s, slot, a->number);
	if (watch_is(s, slot))
		content_pin(&s->content, slot);
	if (a->key.proto == 6) {
		tcp_start(&s->tcp, slot);
	} else if (a->key.proto == 1 || a->key.proto == 58) {
		if (a->p->payload_cap || a->p->l3 + a->p->l4 + 2U <= a->f->at + a->f->caplen) {
			st->flags |= STREAM_HAS_ICMP;
			st->icmp_type = a->ip[a->p->l4];
			st->icmp_code = a->ip[a->p->l4 + 1];
		}
	}
	return slot;
}

/* The packet is credited to the flow. */
static void count_packet(struct shard *s, uint32_t slot, const struct arrival *a)
{
	struct flow *f = &s->flows.flow[slot];

	f->packets[a->dir]++;
	f->bytes[a->dir] += a->bytes;
	f->payload_bytes[a->dir] += a->payload;
	f->last_ns = a->ts_ns;
	f->last_number = a->number;
	s->counts.flow_frames += a->frames;
	s->counts.payload_bytes += a->payload;
	if (s->archive.on)
		archive_packet(s, slot, a->bytes);
	if (s->block->file_number) {
		struct stream_more *more = &s->inventory.more[slot];

		more->file =
			a->f->iface == IFACE_NONE ? 0 : source_iface(s->source, a->f->iface)->file;
		more->file_number = s->block->file_number[s->at];
	}
}

/* Where bytes of the packet in hand lie in the capture file; POS_NONE where they do not. */
static uint64_t place_of(const struct shard *s, const uint8_t *at)
{
	if (s->block->pos == POS_NONE || (s->packets->row[s->at].flags & PACKET_REBUILT))
		return POS_NONE;
	return s->block->pos + (uint64_t)(at - s->block->buf);
}

static void drain(struct shard *s, uint32_t slot)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	struct chunk c;

	while (tcp_next(&s->tcp, &c)) {
		uint32_t len = (uint32_t)c.len;

		switch (c.kind) {
		case CHUNK_DATA: {
			inventory_feed(&s->inventory, slot, c.dir, c.at, len);
			content_add(&s->content, slot, c.dir, c.place, c.at, len);
			if (s->archive.on)
				archive_feed(s, slot, c.dir, span_of(c.at, len));
			if (s->alerts.on)
				alert_feed(s, slot, c.dir, c.off, span_of(c.at, len));
			talk_chunk(s, slot, &c);
			if (s->offload.on)
				offload_feed(s, slot, c.dir, c.off, span_of(c.at, len));
			break;
		}
		case CHUNK_GAP:
		case CHUNK_CUT:
			content_hole(&s->content, slot, c.dir, c.len,
				     c.kind == CHUNK_CUT ? SEGMENT_CUT : SEGMENT_GAP);
			st->tries[c.dir] = 0;
			if (s->offload.on)
				offload_gap(s, slot, c.dir);
			if (st->parser)
				talk_gap(s, slot, c.dir, c.len);
			break;
		case CHUNK_AGAIN: {
			struct content_diff d = content_compare(&s->content, slot, c.dir,
								s->tcp.conn[slot].dir[c.dir].off,
								c.off, span_of(c.at, len));
			struct evidence e = {.off = c.off + d.first,
					     .number = s->number,
					     .dir = c.dir,
					     .loser_is_new = true};

			if (!d.known)
				s->tcp.anomalies |= anomaly_bit(ANOMALY_UNVERIFIED);
			if (!d.differ)
				break;
			e.len = (uint16_t)(len - d.first < EVIDENCE_BYTES ? len - d.first
									  : EVIDENCE_BYTES);
			memcpy(e.bytes, c.at + d.first, e.len);
			inventory_evidence(&s->inventory, slot, &e);
			tcp_conflict(&s->tcp, slot, c.dir, d.differ);
			break;
		}
		}
	}
	if (s->tcp.evidence.len) { /* held copies differed */
		struct evidence e = {.off = s->tcp.evidence.off,
				     .number = s->number,
				     .dir = s->tcp.evidence.dir,
				     .len = (uint16_t)s->tcp.evidence.len,
				     .loser_is_new = s->tcp.evidence.loser_is_new};

		memcpy(e.bytes, s->tcp.evidence.bytes, e.len);
		inventory_evidence(&s->inventory, slot, &e);
		s->tcp.evidence.len = 0;
	}
	for (uint64_t bits = s->tcp.anomalies; bits; bits &= bits - 1)
		tell_anomaly(s, slot, (enum anomaly)__builtin_ctzll(bits));
	s->tcp.anomalies = 0;
}

/* ---- the life of a flow ---- */

/* What still waits is handed on, as of the flow's last packet, and the flow record written. */
static void close_flow(struct shard *s, uint32_t slot, enum flow_reason reason, uint64_t clock_ns)
{
	uint64_t ns = s->ns, number = s->number;
	uint32_t at = s->at;

	s->ns = s->flows.flow[slot].last_ns;
	s->number = s->flows.flow[slot].last_number;
	s->at = UINT32_MAX; /* no packet is in hand */
	if (s->offload.on)
		offload_end(s, slot);
	if (s->flows.flow[slot].proto == 6) {
		for (uint8_t dir = 0; s->offload.on && dir < 2; dir++)
			if (offload_skip_rest(s, slot, dir))
				drain(s, slot);
		tcp_flush(&s->tcp, slot);
		drain(s, slot);
		if (inventory_at(&s->inventory, slot)->parser)
			talk_end(s, slot);
	}
	if (s->alerts.on)
		alert_end(s, slot);
	s->ns = ns;
	s->number = number;
	s->at = at;
	if (watch_is(s, slot))
		watch_flow(s, slot);
	if (s->flows.flow[slot].proto == 6 || s->archive.on || watch_is(s, slot))
		content_end(&s->content, slot);
	tell_flow(s, slot, reason, clock_ns);
	if (s->flows.flow[slot].proto == 6)
		tcp_end(&s->tcp, slot);
	inventory_end(&s->inventory, slot);
}

static void end_flow(struct shard *s, uint32_t slot, enum flow_reason reason, uint64_t clock_ns)
{
	close_flow(s, slot, reason, clock_ns);
	flow_remove(&s->flows, slot);
}

/* Ordinal of a connection that begins now, after `slot` of the same key. */
static uint32_t next_ordinal(const struct shard *s, uint32_t slot, uint64_t ts_ns)
{
	const struct stream_more *more = &s->inventory.more[slot];

	return more->first_ns == ts_ns ? more->ordinal + 1 : 0;
}

static void segment_of(const struct shard *s, const struct arrival *a, struct tcp_segment *seg)
{
	const struct block *b = s->block;
	const uint8_t *h = a->ip + a->p->l4;
	uint32_t header = a->p->payload - a->p->l3 - a->p->l4;
	bool captured = a->p->payload_cap || (!(a->p->flags & PACKET_REBUILT) &&
					      a->p->payload <= a->f->at + a->f->caplen);

	*seg = (struct tcp_segment){
		.seq = load_be32(h + 4),
		.ack = load_be32(h + 8),
		.len = a->p->payload_len,
		.cap = a->p->payload_cap,
		.at = b->buf + a->p->payload,
		.place = place_of(s, b->buf + a->p->payload),
		.options = h + 20,
		.window = load_be16(h + 14),
		.flags = h[13],
		.dir = a->dir,
		.options_len = captured ? (uint8_t)(header - 20) : 0,
		.ts_ns = a->ts_ns,
		.clock_ns = a->clock_ns,
		.number = a->number,
		.frame_bytes = a->bytes,
	};
}

/* A held SYN turned out to be real: it and its copies leave the old flow and open the new one. */
static uint32_t confirm(struct shard *s, uint32_t slot, const struct arrival *a,
			const struct tcp_segment *seg)
{
	uint8_t dir = tcp_held_syn(&s->tcp, slot, 0) && (seg->dir == 0 || (seg->flags & TCP_SYN)) &&
				      seg->dir != 0
			      ? 0
			      : seg->dir;
	struct tcp_held_syn held;
	struct arrival syn = *a;
	struct flow *f = &s->flows.flow[slot];
	uint32_t ordinal;

	if ((seg->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		dir = !seg->dir;
	held = *tcp_held_syn(&s->tcp, slot, dir);
	held.seg.options = held.options;
	f->packets[dir] -= held.copies;
	f->bytes[dir] -= held.bytes;
	f->last_ns = held.last_ns;
	f->last_number = held.last_number;
	syn.ts_ns = held.seg.ts_ns;
	syn.clock_ns = held.seg.clock_ns;
	syn.dir = dir;
	syn.tcp_flags = TCP_SYN;
	ordinal = next_ordinal(s, slot, syn.ts_ns);
	end_flow(s, slot, REASON_TCP_REUSE, a->clock_ns);
	slot = open_flow(s, &syn, ordinal);
	if (slot == FLOW_NONE)
		return slot;
	f = &s->flows.flow[slot];
	f->packets[dir] = held.copies;
	f->bytes[dir] = held.bytes;
	f->last_ns = held.seg.ts_ns;
	f->last_number = held.seg.number;
	tcp_push(&s->tcp, slot, &held.seg, 0);
	drain(s, slot);
	return slot;
}

static uint32_t on_tcp(struct shard *s, uint32_t slot, const struct arrival *a)
{
	const struct flow *f = &s->flows.flow[slot];
	uint64_t idle = a->clock_ns > f->last_clock_ns ? a->clock_ns - f->last_clock_ns : 0;
	struct tcp_segment seg;
	uint32_t ordinal;
	struct tcp_held_syn *held;

	segment_of(s, a, &seg);
	switch (tcp_push(&s->tcp, slot, &seg, idle)) {
	case TCP_MORE:
		if (s->tcp.anomalies & anomaly_bit(ANOMALY_SYN_HELD)) {
			held = tcp_syn_room(&s->tcp, slot, a->dir);
			if (held->copies == 1) {
				held->last_ns = f->last_ns;
				held->last_number = f->last_number;
			}
		}
		break;
	case TCP_NEW:
		ordinal = next_ordinal(s, slot, a->ts_ns);
		end_flow(s, slot, REASON_TCP_REUSE, a->clock_ns);
		slot = open_flow(s, a, ordinal);
		if (slot != FLOW_NONE)
			tcp_push(&s->tcp, slot, &seg, 0);
		break;
	case TCP_CONFIRMED:
		slot = confirm(s, slot, a, &seg);
		if (slot != FLOW_NONE)
			tcp_push(&s->tcp, slot, &seg, 0);
		break;
	}
	return slot;
}

/* A SYN after the first packets: now it is known who the client is. */
static void late_client(struct shard *s, uint32_t slot, const struct arrival *a)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	uint8_t client = a->tcp_flags & TCP_ACK ? !a->dir : a->dir;

	if ((st->flags & STREAM_CLIENT_SURE) ||
	    s->tcp.anomalies & (anomaly_bit(ANOMALY_SYN_HELD) | anomaly_bit(ANOMALY_SYNACK)))
		return;
	st->flags = (uint8_t)((st->flags & ~STREAM_CLIENT_HI) | STREAM_CLIENT_SURE |
			      (client ? STREAM_CLIENT_HI : 0));
}

static void header_anomalies(struct shard *s, uint32_t slot, const struct packet *p)
{
	if (p->flags & PACKET_BAD_IP_SUM)
		tell_anomaly(s, slot, ANOMALY_IP_CHECKSUM);
	if (p->flags & PACKET_BAD_L4_SUM && p->proto == 6)
		tell_anomaly(s, slot, ANOMALY_TCP_CHECKSUM);
	if (p->flags & PACKET_BAD_L4_SUM && p->proto == 17)
		tell_anomaly(s, slot, ANOMALY_UDP_CHECKSUM);
	if (p->flags & PACKET_LENGTH_LIES)
		tell_anomaly(s, slot, ANOMALY_LENGTH_LIES);
}

static void on_datagram(struct shard *s, uint32_t slot, const struct arrival *a)
{
	struct stream *st = inventory_at(&s->inventory, slot);
	const uint8_t *at = s->block->buf + a->p->payload;
	uint32_t cut = a->p->payload_len - a->p->payload_cap;

	if (s->archive.on || watch_is(s, slot)) {
		if (a->p->payload_cap)
			content_add(&s->content, slot, a->dir, place_of(s, at), at,
				    a->p->payload_cap);
		if (cut)
			content_hole(&s->content, slot, a->dir, cut, SEGMENT_CUT);
	}
	if (cut) {
		st->flags |= STREAM_CUT;
		s->inventory.more[slot].cut_bytes[a->dir] += cut;
	}
	if (a->p->payload_cap == 0)
		return;
	inventory_feed(&s->inventory, slot, a->dir, at, a->p->payload_cap);
	if (s->archive.on)
		archive_feed(s, slot, a->dir, span_of(at, a->p->payload_cap));
	if (s->alerts.on)
		alert_feed(s, slot, a->dir,
			   s->flows.flow[slot].payload_bytes[a->dir] - a->p->payload_len,
			   span_of(at, a->p->payload_cap));
	if (a->key.proto == 17 && st->tries[a->dir])
		talk_datagram(s, slot, a->dir, span_of(at, a->p->payload_cap));
}

/* Parser and patterns learn of a side's end when its last byte was delivered. */
static void end_sides(struct shard *s, uint32_t slot)
{
	uint8_t ended = tcp_ended(&s->tcp, slot);

	for (uint8_t dir = 0; ended; dir++, ended >>= 1) {
		if ((ended & 1) && s->alerts.on)
			alert_ended(s, slot, dir);
		if ((ended & 1) && inventory_at(&s->inventory, slot)->parser)
			talk_ended(s, slot, dir);
	}
}

static void on_flow_packet(struct shard *s, const struct packet *p, const struct frame *f)
{
	const struct packet_extra *x = &s->packets->extra[p->extra];
	bool rebuilt = p->extra && x->frames;
	struct arrival a;
	uint32_t slot, ordinal = 0;
	enum flow_class class;

	/* Member by member: an initialiser would clear the whole first, on every packet. */
	a.p = p;
	a.f = f;
	a.ip = s->block->buf + p->l3;
	a.hash = p->hash;
	a.ts_ns = f->ts_ns;
	a.clock_ns = f->clock_ns;
	a.number = s->number;
	a.bytes = rebuilt ? x->frame_bytes : f->len;
	a.frames = rebuilt ? x->frames : 1;
	a.payload = p->payload_len;
	a.dir = p->flags & PACKET_FROM_HI ? 1 : 0;
	a.tcp_flags = p->proto == 6 ? a.ip[p->l4 + 13] : 0;
	flow_key_of(&a.key, p, a.ip);
	a.domain = s->conf->flow_key ? domain_of(s, p, f) : 0;
	slot = flow_find(&s->flows, &a.key, a.domain, p->hash);
	if (slot != FLOW_NONE && s->offload.on && offload_packet(s, slot, a.dir, p, a.ts_ns))
		drain(s, slot);
	if (slot != FLOW_NONE && flow_stale(&s->flows, slot, a.clock_ns)) {
		ordinal = next_ordinal(s, slot, a.ts_ns);
		end_flow(s, slot, REASON_TIMEOUT, a.clock_ns);
		slot = FLOW_NONE;
	}
	if (slot == FLOW_NONE)
		slot = open_flow(s, &a, ordinal);
	if (slot != FLOW_NONE && p->proto == 6)
		slot = on_tcp(s, slot, &a);
	if (slot == FLOW_NONE) {
		s->counts.dropped[RM_DROP_FLOW_CAP] += a.frames;
		return;
	}
	count_packet(s, slot, &a);
	flow_touch(&s->flows, slot, a.clock_ns);
	if (p->flags & (PACKET_BAD_IP_SUM | PACKET_BAD_L4_SUM | PACKET_LENGTH_LIES))
		header_anomalies(s, slot, p);
	if (p->proto == 6) {
		if (a.tcp_flags & TCP_SYN)
			late_client(s, slot, &a);
		drain(s, slot);
		if (s->alerts.on || inventory_at(&s->inventory, slot)->parser)
			end_sides(s, slot);
	} else {
		on_datagram(s, slot, &a);
	}
	class = class_of(s, slot);
	if (s->flows.flow[slot].class != class)
		flow_set_class(&s->flows, slot, class);
	if (s->conf->stream_events)
		tell_stream(s, slot);
}

static void on_packet(struct shard *s, uint32_t i)
{
	const struct packet *p = &s->packets->row[i];
	const struct frame *f = &s->block->frame[i];
	uint32_t frames = p->extra && s->packets->extra[p->extra].frames
				  ? s->packets->extra[p->extra].frames
				  : 1;

	s->at = i;
	s->ns = f->ts_ns;
	s->clock_ns = f->clock_ns;
	s->number = s->block->first_number ? s->block->first_number + i : 0;
	content_now(&s->content, s->ns, s->number);
	if (p->verdict == VERDICT_FLOW) {
		on_flow_packet(s, p, f);
	} else if (p->verdict == VERDICT_OTHER) {
		s->counts.other_frames += frames;
	} else if (p->verdict >= VERDICT_DROP) {
		s->counts.dropped[packet_drop(p)] += frames;
		tell_drop(s, packet_drop(p));
	}
}

/* Cold memory is asked for a batch ahead: the buckets, the records they name, what these name. */
static void prefetch(struct shard *s, const uint32_t *index, uint32_t n)
{
	uint32_t guess[SHARD_BATCH];

	/* A function that only prefetches looks useless to gcc 12, which then drops the call. */
	__asm__ volatile("" ::: "memory");
	for (uint32_t i = 0; i < n; i++) {
		const struct packet *p = &s->packets->row[index[i]];

		flow_prefetch_bucket(&s->flows, p->hash);
		__builtin_prefetch(s->block->buf + p->l3);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct packet *p = &s->packets->row[index[i]];
		uint32_t slot =
			p->verdict == VERDICT_FLOW ? flow_guess(&s->flows, p->hash) : FLOW_NONE;

		guess[i] = p->proto == 6 ? slot : FLOW_NONE;
		if (slot == FLOW_NONE)
			continue;
		__builtin_prefetch(&s->flows.flow[slot], 1);
		__builtin_prefetch((const char *)&s->flows.flow[slot] + 64, 1);
		if (s->archive.on)
			__builtin_prefetch(s->archive.opens.base + slot * s->archive.opens.stride,
					   1);
		if (s->alerts.on)
			alert_prefetch(s, slot, p->flags & PACKET_FROM_HI ? 1 : 0);
		if (p->proto == 6) {
			content_prefetch(&s->content, slot);
			__builtin_prefetch(&s->tcp.conn[slot], 1);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		if (guess[i] != FLOW_NONE)
			talk_prefetch(s, guess[i]);
}

static void end_stale(struct shard *s, uint64_t clock_ns)
{
	uint32_t slot;

	while ((slot = flow_expired(&s->flows, clock_ns)) != FLOW_NONE)
		if (!s->offload.on || !offload_alive(s, slot, clock_ns))
			end_flow(s, slot, REASON_TIMEOUT, clock_ns);
	if (s->offload.on)
		offload_settle(s);
	if (s->alerts.on)
		alert_retire(s, SHARD_BATCH);
	if (s->archive.on)
		archive_flush(s, false);
}

void shard_handle(struct shard *s, const struct block *b, const struct packets *p,
		  const uint16_t *list, uint32_t n)
{
	uint32_t batch = (uint32_t)s->conf->batch;
	uint64_t clock_ns = 0;

	s->block = b;
	s->packets = p;
	for (uint32_t at = 0; at < n;) {
		uint32_t index[SHARD_BATCH] = {0}, k = n - at < batch ? n - at : batch;
		uint64_t start = clock_ticks(), then;

		for (uint32_t i = 0; i < k; i++)
			index[i] = list ? list[at + i] : at + i;
		if (s->conf->mode == MODE_DUMP) {
			for (uint32_t i = 0; i < k; i++)
				tell_packet(s, b, index[i]);
			s->counts.other_frames += k;
			at += k;
			continue;
		}
		prefetch(s, index, k);
		then = clock_ticks();
		s->counts.ticks[STAGE_prefetch] += then - start;
		for (uint32_t i = 0; i < k; i++)
			on_packet(s, index[i]);
		clock_ns = b->frame[index[k - 1]].clock_ns;
		end_stale(s, clock_ns);
		s->counts.ticks[STAGE_process] += clock_ticks() - then;
		at += k;
	}
	s->counts.packets += n;
}

static const struct block no_block = {.pos = POS_NONE};
static const struct packets no_packets;

static void hand_on_records(struct shard *s)
{
	if (!s->sink || s->json.at == s->buffer)
		return;
	s->buffer = sink_next(s->sink, s->index, (size_t)(s->json.at - s->buffer));
	s->json.at = s->buffer;
}

void shard_idle(struct shard *s, uint64_t clock_ns)
{
	s->block = &no_block;
	s->packets = &no_packets;
	s->at = UINT32_MAX;
	end_stale(s, clock_ns);
	if (s->alerts.quiet)
		alert_settle(s, clock_ns);
	hand_on_records(s);
}

void shard_totals(const struct shard *s, struct shard_totals *t)
{
	t->counts = s->counts;
	t->decode = s->decoder.counts;
	t->flow = s->flows.counts;
	t->tcp = s->tcp.totals;
	t->offload = s->offload.counts;
	t->archive = s->archive.counts;
	t->defrag = s->defrag;
	t->tcp.held_peak_bytes = (uint64_t)s->tcp.pool.peak * sizeof(struct piece);
	t->http = s->talk.http.counts;
	t->summary = s->summary;
	t->http_states_refused = s->talk.http.parser.refused;
	t->decoders_refused = s->talk.http.codings.refused;
	t->messages_surplus = s->talk.surplus;
	t->matches = s->alerts.stream.matches + s->alerts.body.matches;
	t->matches_dropped = s->alerts.stream.dropped + s->alerts.body.dropped;
	t->scanned = s->alerts.stream.bytes + s->alerts.body.bytes;
	t->extents = s->content.extents.n;
	t->extents_refused = s->content.extents.refused;
	t->content_kept = s->content.store.kept;
	t->content_evicted = s->content.store.evicted;
	t->evidence_refused = s->inventory.evidence_refused;
}

void shard_finish(struct shard *s, uint64_t clock_ns)
{
	uint64_t start = clock_ticks();
	uint32_t slot;

	s->block = &no_block;
	s->packets = &no_packets;
	s->at = UINT32_MAX;
	s->archive.ending = true;
	/* In the order of memory, and left in the table: nobody looks anything up any more. */
	for (slot = flow_live(&s->flows, 0); slot != FLOW_NONE;
	     slot = flow_live(&s->flows, slot + 1))
		close_flow(s, slot, REASON_SHUTDOWN, clock_ns);
	tell_drops_pending(s);
	hand_on_records(s);
	s->counts.ticks[STAGE_end] += clock_ticks() - start;
}
