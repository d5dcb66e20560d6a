/* SPDX-License-Identifier: MIT */
/* record — see record.h. */
#include "user/event/record.h"

#include <stdio.h>

const char *proto_name(uint8_t proto, char room[4])
{
	switch (proto) {
	case 1:
		return "ICMP";
	case 6:
		return "TCP";
	case 17:
		return "UDP";
	case 58:
		return "IPv6-ICMP";
	case 132:
		return "SCTP";
	default:
		snprintf(room, 4, "%u", proto);
		return room;
	}
}

const char *stream_status_name(enum stream_status status)
{
	static const char *const names[] = {"open",  "closing", "closed",
					    "reset", "timeout", "evicted"};

	return names[status];
}

static const char *tunnel_name(enum tunnel_type type)
{
	static const char *const names[] = {"none", "ipip",   "gre",   "erspan", "vxlan", "geneve",
					    "gtp",  "teredo", "ayiya", "l2tp",   "mpls"};

	return names[type];
}

/* ,"name":value */
#define member_u64(j, name, value) (json_lit(j, ",\"" name "\":"), json_u64(j, value))

static void path(struct json *j, const struct packet_extra *x, uint8_t ip_layers)
{
	char room[4];

	if (x->vlans) {
		json_lit(j, ",\"vlan\":[");
		for (int i = 0; i < x->vlans; i++) {
			if (i)
				*j->at++ = ',';
			json_u64(j, x->vlan[i]);
		}
		*j->at++ = ']';
	}
	if (!x->tunnel)
		return;
	json_lit(j, ",\"tunnel\":{\"src_ip\":");
	json_address(j, x->tunnel_src, x->tunnel_v6);
	if (x->tunnel_sport || x->tunnel_dport)
		member_u64(j, "src_port", x->tunnel_sport);
	json_lit(j, ",\"dest_ip\":");
	json_address(j, x->tunnel_dst, x->tunnel_v6);
	if (x->tunnel_sport || x->tunnel_dport)
		member_u64(j, "dest_port", x->tunnel_dport);
	json_lit(j, ",\"proto\":\"");
	json_name(j, proto_name(x->tunnel_proto, room));
	*j->at++ = '\"';
	member_u64(j, "depth", ip_layers > 0 ? ip_layers - 1U : 0U);
	json_lit(j, ",\"type\":\"");
	json_name(j, tunnel_name(x->tunnel));
	*j->at++ = '\"';
	member_u64(j, "id", x->tunnel_id);
	*j->at++ = '}';
}

static void endpoints(struct json *j, const struct event_head *h)
{
	const struct flow_key *k = &h->key;
	char room[4];

	json_lit(j, ",\"src_ip\":");
	json_address(j, h->src_hi ? k->hi : k->lo, k->v6);
	if (proto_has_ports(k->proto))
		member_u64(j, "src_port", h->src_hi ? k->hi_port : k->lo_port);
	json_lit(j, ",\"dest_ip\":");
	json_address(j, h->src_hi ? k->lo : k->hi, k->v6);
	if (proto_has_ports(k->proto))
		member_u64(j, "dest_port", h->src_hi ? k->lo_port : k->hi_port);
	json_lit(j, ",\"proto\":\"");
	json_name(j, proto_name(k->proto, room));
	*j->at++ = '"';
}

void record_head(struct json *j, const struct event_head *h, const char *event_type)
{
	json_lit(j, "{\"timestamp\":");
	json_time(j, h->ts_ns);
	json_lit(j, ",\"timestamp_ns\":\"");
	json_u64(j, h->ts_ns);
	json_lit(j, "\",\"event_type\":\"");
	json_name(j, event_type);
	*j->at++ = '"';
	if (h->has_stream) {
		json_lit(j, ",\"stream_id\":");
		json_hex64(j, h->stream_id);
		member_u64(j, "flow_id", h->stream_id & ((1ULL << 53) - 1));
	}
	if (h->has_key)
		endpoints(j, h);
	if (h->app_proto) {
		json_lit(j, ",\"app_proto\":\"");
		json_name(j, h->app_proto);
		*j->at++ = '"';
	}
	if (h->community_id) {
		json_lit(j, ",\"community_id\":\"");
		json_name(j, h->community_id);
		*j->at++ = '"';
	}
	if (h->path)
		path(j, h->path, h->key.ip_layers);
	if (h->iface) {
		json_lit(j, ",\"in_iface\":");
		json_text(j, h->iface, strlen(h->iface));
	}
	if (h->number)
		member_u64(j, "pcap_cnt", h->number);
	if (h->file) {
		size_t n = strlen(h->file);

		json_lit(j, ",\"pcap_filename\":");
		json_text(j, h->file, n < RECORD_PATH_MAX ? n : RECORD_PATH_MAX);
		member_u64(j, "pcap_file_cnt", h->file_number);
	}
}

static void direction(struct json *j, const struct event_direction *d, bool preview, bool text)
{
	json_lit(j, "{\"packets\":");
	json_u64(j, d->packets);
	member_u64(j, "bytes", d->bytes);
	member_u64(j, "payload_bytes", d->payload_bytes);
	member_u64(j, "stream_bytes", d->stream_bytes);
	member_u64(j, "gap_count", d->tcp.gap_count);
	member_u64(j, "gap_bytes", d->tcp.gap_bytes);
	member_u64(j, "cut_bytes", d->tcp.cut_bytes);
	member_u64(j, "retransmitted_bytes", d->tcp.retransmitted_bytes);
	member_u64(j, "overlap_bytes", d->tcp.overlap_bytes);
	member_u64(j, "conflict_bytes", d->tcp.conflict_bytes);
	member_u64(j, "out_of_order_segments", d->tcp.out_of_order);
	if (d->tcp.zero_windows)
		member_u64(j, "zero_windows", d->tcp.zero_windows);
	if (d->tcp.window_fulls)
		member_u64(j, "window_fulls", d->tcp.window_fulls);
	json_lit(j, ",\"content_kind\":\"");
	json_name(j, content_kind_name(d->kind));
	*j->at++ = '"';
	if (preview) {
		if (text) {
			json_lit(j, ",\"preview_text\":");
			json_printable(j, d->preview.at, span_len(d->preview));
		}
		json_lit(j, ",\"preview_base64\":");
		json_base64(j, d->preview.at, span_len(d->preview));
	}
	if (d->sha256) {
		json_lit(j, ",\"sha256\":");
		json_hex(j, d->sha256, 32);
	}
	*j->at++ = '}';
}

static void conn(struct json *j, const struct event_stream *e)
{
	static const char *const sides[] = {"unknown", "a", "b"};
	const struct event_direction *a = &e->dir[0], *b = &e->dir[1];
	bool text = e->kind == CONTENT_TEXT || e->kind == CONTENT_MIXED;

	json_lit(j, ",\"conn\":{\"first_seen\":");
	json_time(j, e->first_ns);
	json_lit(j, ",\"last_seen\":");
	json_time(j, e->last_ns);
	json_lit(j, ",\"service\":{\"name\":\"");
	json_name(j, service_name_text(e->service.name));
	json_lit(j, "\",\"side\":\"");
	json_name(j, sides[e->service.side]);
	*j->at++ = '\"';
	member_u64(j, "confidence", e->service.confidence);
	if (e->service.source != SOURCE_NONE) {
		json_lit(j, ",\"source\":\"");
		json_name(j, service_source_text(e->service.source));
		json_lit(j, "\",\"evidence\":\"");
		json_name(j, service_evidence_text(&e->service));
		*j->at++ = '"';
	}
	json_lit(j, "},\"status\":\"");
	json_name(j, stream_status_name(e->status));
	json_lit(j, "\",\"content_kind\":\"");
	json_name(j, content_kind_name(e->kind));
	*j->at++ = '\"';
	member_u64(j, "packets", a->packets + b->packets);
	member_u64(j, "bytes", a->bytes + b->bytes);
	member_u64(j, "payload_bytes", a->payload_bytes + b->payload_bytes);
	member_u64(j, "stream_bytes", a->stream_bytes + b->stream_bytes);
	member_u64(j, "match_count", e->matches);
	member_u64(j, "worker", e->worker);
	json_lit(j, ",\"directions\":{\"a_to_b\":");
	direction(j, a, e->show_preview, text);
	json_lit(j, ",\"b_to_a\":");
	direction(j, b, e->show_preview, text);
	json_lit(j, "}}");
}

/* Bytes that were on the wire and did not come up: whole frames, or what snaplen or offload cut. */
static uint64_t left_out(const struct event_stream *e, int dir)
{
	return e->kept_packets[dir] ? e->kept_bytes[dir] : e->dir[dir].tcp.cut_bytes;
}

static void flow_object(struct json *j, const struct event_stream *e)
{
	static const char *const reasons[] = {"timeout",  "fin",     "rst",
					      "shutdown", "evicted", "tcp_reuse"};
	bool closed = e->status == STREAM_CLOSED || e->status == STREAM_RESET;

	json_lit(j, ",\"flow\":{\"pkts_toserver\":");
	json_u64(j, e->dir[0].packets);
	member_u64(j, "pkts_toclient", e->dir[1].packets);
	member_u64(j, "bytes_toserver", e->dir[0].bytes);
	member_u64(j, "bytes_toclient", e->dir[1].bytes);
	if (e->cut) {
		json_lit(j, ",\"bypass\":\"capture\",\"bypassed\":{\"pkts_toserver\":");
		json_u64(j, e->kept_packets[0]);
		member_u64(j, "pkts_toclient", e->kept_packets[1]);
		member_u64(j, "bytes_toserver", left_out(e, 0));
		member_u64(j, "bytes_toclient", left_out(e, 1));
		*j->at++ = '}';
	}
	json_lit(j, ",\"start\":");
	json_time(j, e->first_ns);
	json_lit(j, ",\"end\":");
	json_time(j, e->last_ns);
	member_u64(j, "age",
		   e->last_ns > e->first_ns ? (e->last_ns - e->first_ns) / 1000000000 : 0);
	json_lit(j, ",\"state\":\"");
	json_name(j, e->cut           ? "bypassed"
		     : closed         ? "closed"
		     : e->established ? "established"
				      : "new");
	json_lit(j, "\",\"reason\":\"");
	json_name(j, reasons[e->reason]);
	json_lit(j, "\",\"alerted\":");
	json_name(j, e->matches ? "true}" : "false}");
}

static void hex_flags(struct json *j, uint8_t flags)
{
	json_hex(j, &flags, 1);
}

static void tcp_object(struct json *j, const struct event_stream *e)
{
	static const char *const states[] = {"none",       "syn_sent",  "syn_recv",  "established",
					     "fin_wait1",  "fin_wait2", "time_wait", "last_ack",
					     "close_wait", "closing",   "closed"};
	static const struct {
		uint8_t bit;
		const char *member;
	} bits[] = {{TCP_SYN, ",\"syn\":true"},
		    {TCP_FIN, ",\"fin\":true"},
		    {TCP_RST, ",\"rst\":true"},
		    {TCP_PSH, ",\"psh\":true"},
		    {TCP_ACK, ",\"ack\":true"}};
	uint8_t ts = e->dir[0].tcp.flags, tc = e->dir[1].tcp.flags;

	json_lit(j, ",\"tcp\":{\"tcp_flags\":");
	hex_flags(j, ts | tc);
	json_lit(j, ",\"tcp_flags_ts\":");
	hex_flags(j, ts);
	json_lit(j, ",\"tcp_flags_tc\":");
	hex_flags(j, tc);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if ((ts | tc) & bits[i].bit)
			json_name(j, bits[i].member);
	json_lit(j, ",\"state\":\"");
	json_name(j, states[e->tcp_state]);
	*j->at++ = '"';
	if (e->rtt_ns)
		member_u64(j, "handshake_rtt_us", e->rtt_ns / 1000);
	json_lit(j, ",\"midstream\":");
	json_name(j, e->midstream ? "true" : "false");
	*j->at++ = '}';
}

static void anomalies(struct json *j, const struct event_stream *e)
{
	static const char *const names[] = {
#define ANOMALY_EVENT(name, event, type, help) event,
		ANOMALIES(ANOMALY_EVENT)
#undef ANOMALY_EVENT
	};
	char comma = '{';

	json_lit(j, ",\"anomalies\":");
	for (int i = 0; i < ANOMALY_COUNT; i++) {
		if (!e->anomaly[i])
			continue;
		*j->at++ = comma;
		comma = ',';
		*j->at++ = '"';
		json_name(j, names[i]);
		json_lit(j, "\":");
		json_u64(j, e->anomaly[i]);
	}
	*j->at++ = '}';
}

/* The bytes that lost an overlap: what an evader hopes nobody sees. */
static void conflicts(struct json *j, const struct event_stream *e)
{
	char comma = '[';

	json_lit(j, ",\"conflicts\":");
	for (uint32_t i = e->evidence; i;) {
		const struct evidence *x = inventory_evidence_at(e->inventory, i);

		*j->at++ = comma;
		comma = ',';
		json_lit(j, "{\"direction\":\"");
		json_name(j, x->dir == e->a_dir ? "a_to_b" : "b_to_a");
		*j->at++ = '\"';
		member_u64(j, "start", x->off);
		member_u64(j, "end", x->off + x->len);
		if (x->number)
			member_u64(j, "packet", x->number);
		json_lit(j, ",\"lost\":\"");
		json_name(j, x->loser_is_new ? "later" : "earlier");
		json_lit(j, "\",\"other_base64\":");
		json_base64(j, x->bytes, x->len);
		*j->at++ = '}';
		i = x->next;
	}
	*j->at++ = ']';
}

void record_stream(struct json *j, const struct event_stream *e)
{
	static const char *const types[] = {"stream_open", "stream_update", "flow"};

	record_head(j, &e->head, types[e->event]);
	if (e->event == EVENT_FLOW) {
		if (e->has_icmp) {
			member_u64(j, "icmp_type", e->icmp_type);
			member_u64(j, "icmp_code", e->icmp_code);
		}
		flow_object(j, e);
	}
	conn(j, e);
	if (e->event == EVENT_FLOW) {
		if (e->is_tcp)
			tcp_object(j, e);
		if (e->has_anomalies)
			anomalies(j, e);
		if (e->evidence)
			conflicts(j, e);
	}
	json_lit(j, "}\n");
}

void record_anomaly(struct json *j, const struct event_anomaly *e)
{
	size_t layer = strcspn(e->event, ".");

	record_head(j, &e->head, "anomaly");
	json_lit(j, ",\"anomaly\":{\"type\":\"");
	json_name(j, e->type);
	json_lit(j, "\",\"event\":\"");
	json_name(j, e->event);
	json_lit(j, "\",\"layer\":\"");
	json_raw(j, e->event, layer);
	*j->at++ = '\"';
	member_u64(j, "count", e->count);
	json_lit(j, "}}\n");
}

void record_match(struct json *j, const struct event_match *e)
{
	const struct scan_match *m = e->match;
	const struct pattern *p = m->pattern;
	bool printable = span_len(m->bytes) == m->to - m->from;

	for (const uint8_t *b = m->bytes.at; printable && b < m->bytes.end; b++)
		printable = (*b >= 0x20 && *b < 0x7f) || *b == '\t' || *b == '\r' || *b == '\n';
	record_head(j, &e->head, "alert");
	json_lit(j, ",\"direction\":\"");
	json_name(j, e->a_to_b ? "to_server" : "to_client");
	json_lit(j, "\",\"alert\":{\"action\":\"allowed\",\"gid\":1");
	member_u64(j, "signature_id", p->signature);
	json_lit(j, ",\"rev\":1,\"signature\":");
	json_text(j, p->name, strlen(p->name));
	json_lit(j, ",\"category\":\"pattern\",\"severity\":3},\"match\":{\"pattern_id\":\"");
	json_name(j, pattern_kind_name(p->kind));
	*j->at++ = ':';
	json_u64(j, p->ordinal);
	json_lit(j, "\",\"kind\":\"");
	json_name(j, pattern_kind_name(p->kind));
	json_lit(j, "\",\"direction\":\"");
	json_name(j, e->a_to_b ? "a_to_b\"" : "b_to_a\"");
	member_u64(j, "start", m->from);
	member_u64(j, "end", m->to);
	if (span_len(m->bytes)) {
		json_lit(j, ",\"bytes_base64\":");
		json_base64(j, m->bytes.at, span_len(m->bytes));
	}
	if (printable) {
		json_lit(j, ",\"text\":");
		json_text(j, (const char *)m->bytes.at, span_len(m->bytes));
	}
	json_lit(j, ",\"where\":\"");
	json_name(j, e->decoded ? "decoded\"" : "stream\"");
	if (e->decoded)
		member_u64(j, "tx_id", e->tx_id);
	json_lit(j, "}}\n");
}

void record_packet(struct json *j, const struct event_head *head, struct span frame,
		   uint32_t linktype, uint32_t len)
{
	record_head(j, head, "packet");
	json_lit(j, ",\"packet\":");
	json_base64(j, frame.at, span_len(frame));
	json_lit(j, ",\"packet_info\":{\"linktype\":");
	json_u64(j, linktype);
	member_u64(j, "caplen", span_len(frame));
	member_u64(j, "len", len);
	json_lit(j, "}}\n");
}
