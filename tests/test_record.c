/* SPDX-License-Identifier: MIT */
/* record — events written as lines, parsed by json-c, compared member by member with EVENTS. */
#include <json-c/json.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/event/record.h"

static char room[1 << 18];

static uint8_t flow_room[2][INVENTORY_ROOM] __attribute__((aligned(8)));

static struct json begin(void)
{
	memset(room, 0, sizeof(room));
	return (struct json){.at = room};
}

/* One line, strictly JSON, without a NUL or a control character in it. */
static struct json_object *parse(const struct json *j)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o;
	size_t n = (size_t)(j->at - room);

	CHECK(n > 1 && room[n - 1] == '\n' && memchr(room, '\n', n) == room + n - 1, "one line");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, room, (int)n - 1);
	CHECK(o && json_tokener_get_parse_end(tok) == n - 1, "%s",
	      json_tokener_error_desc(json_tokener_get_error(tok)));
	json_tokener_free(tok);
	return o;
}

/* The member at a path like "conn.service.name", as text; "" where there is none. */
static const char *member(struct json_object *o, const char *path)
{
	char name[64];

	while (o && *path) {
		size_t n = strcspn(path, ".");

		memcpy(name, path, n);
		name[n] = 0;
		path += n + (path[n] == '.');
		if (json_object_is_type(o, json_type_array))
			o = json_object_array_get_idx(o, (size_t)(name[0] - '0'));
		else
			o = json_object_object_get(o, name);
	}
	return o ? json_object_get_string(o) : "";
}

struct expectation {
	const char *path, *value;
};

static void expect_all(struct json_object *o, const struct expectation *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(strcmp(member(o, e[i].path), e[i].value) == 0, "%s is %s, not %s", e[i].path,
		      member(o, e[i].path), e[i].value);
}

static const struct flow_key tcp_key = {.lo = {10, 0, 0, 1},
					.hi = {10, 0, 0, 2},
					.lo_port = 50000,
					.hi_port = 80,
					.proto = 6,
					.ip_layers = 2};

static const struct packet_extra path = {.vlan = {100, 200},
					 .vlans = 2,
					 .tunnel = TUNNEL_VXLAN,
					 .tunnel_proto = 17,
					 .tunnel_id = 42,
					 .tunnel_src = {192, 168, 0, 1},
					 .tunnel_dst = {192, 168, 0, 2},
					 .tunnel_sport = 1234,
					 .tunnel_dport = 4789};

static struct event_stream stream_event(void)
{
	struct event_stream e = {
		.event = EVENT_FLOW,
		.head = {.ts_ns = 1700000000123456789,
			 .number = 7,
			 .file = "a \"b\"\xff.pcap",
			 .file_number = 3,
			 .iface = "eth0",
			 .has_key = true,
			 .key = tcp_key,
			 .has_stream = true,
			 .stream_id = 0xfedcba9876543210,
			 .path = &path,
			 .app_proto = "http",
			 .community_id = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		.first_ns = 1700000000000000000,
		.last_ns = 1700000003999999999,
		.service = {SERVICE_HTTP, SIDE_B, 100, SOURCE_PORT_AND_PAYLOAD},
		.status = STREAM_CLOSED,
		.kind = CONTENT_TEXT,
		.worker = 1,
		.show_preview = true,
		.reason = REASON_FIN,
		.is_tcp = true,
		.tcp_state = TCP_CLOSED,
		.rtt_ns = 12345678,
		.established = true,
		.has_anomalies = true,
	};

	e.dir[0] = (struct event_direction){
		.packets = 5,
		.bytes = 500,
		.payload_bytes = 100,
		.stream_bytes = 90,
		.tcp = {.gap_count = 1, .gap_bytes = 10, .flags = TCP_SYN | TCP_ACK | TCP_FIN},
		.kind = CONTENT_TEXT};
	e.dir[0].preview = span_of((const uint8_t *)"GET /\r\n\x01\"", 9);
	e.dir[1] = e.dir[0];
	e.dir[1].packets = 4;
	e.dir[1].tcp.flags = TCP_SYN | TCP_ACK | TCP_RST;
	e.anomaly[ANOMALY_GAP] = 2;
	return e;
}

static void test_flow_record(void)
{
	static const struct expectation members[] = {
		{"timestamp", "2023-11-14T22:13:20.123456+0000"},
		{"timestamp_ns", "1700000000123456789"},
		{"event_type", "flow"},
		{"stream_id", "fedcba9876543210"},
		{"flow_id", "8086463330923024"},
		{"src_ip", "10.0.0.1"},
		{"src_port", "50000"},
		{"dest_ip", "10.0.0.2"},
		{"dest_port", "80"},
		{"proto", "TCP"},
		{"app_proto", "http"},
		{"community_id", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"vlan.0", "100"},
		{"vlan.1", "200"},
		{"tunnel.src_ip", "192.168.0.1"},
		{"tunnel.dest_port", "4789"},
		{"tunnel.proto", "UDP"},
		{"tunnel.type", "vxlan"},
		{"tunnel.id", "42"},
		{"tunnel.depth", "1"},
		{"in_iface", "eth0"},
		{"pcap_cnt", "7"},
		{"pcap_filename", "a \"b\"\xef\xbf\xbd.pcap"},
		{"pcap_file_cnt", "3"},
		{"flow.pkts_toserver", "5"},
		{"flow.pkts_toclient", "4"},
		{"flow.age", "3"},
		{"flow.state", "closed"},
		{"flow.reason", "fin"},
		{"flow.alerted", "false"},
		{"flow.bypass", ""},
		{"conn.service.name", "http"},
		{"conn.service.side", "b"},
		{"conn.service.source", "port_and_payload"},
		{"conn.status", "closed"},
		{"conn.packets", "9"},
		{"conn.bytes", "1000"},
		{"conn.worker", "1"},
		{"conn.directions.a_to_b.gap_bytes", "10"},
		{"conn.directions.a_to_b.content_kind", "text"},
		{"conn.directions.a_to_b.preview_base64", "R0VUIC8NCgEi"},
		{"conn.directions.b_to_a.stream_bytes", "90"},
		{"tcp.tcp_flags", "17"},
		{"tcp.tcp_flags_ts", "13"},
		{"tcp.tcp_flags_tc", "16"},
		{"tcp.syn", "true"},
		{"tcp.rst", "true"},
		{"tcp.psh", ""},
		{"tcp.state", "closed"},
		{"tcp.handshake_rtt_us", "12345"},
		{"tcp.midstream", "false"},
	};
	struct event_stream e = stream_event();
	struct json j = begin();
	struct json_object *o, *a;

	record_stream(&j, &e);
	o = parse(&j);
	expect_all(o, members, sizeof(members) / sizeof(members[0]));
	a = json_object_object_get(json_object_object_get(o, "anomalies"), "tcp.gap");
	CU_ASSERT_EQUAL(json_object_get_int(a), 2);
	json_object_put(o);
}

static void test_stream_open_record(void)
{
	static const struct expectation members[] = {
		{"event_type", "stream_open"},
		{"flow", ""},
		{"tcp", ""},
		{"src_ip", "10.0.0.2"},
		{"src_port", "80"},
		{"dest_port", "50000"},
		{"vlan", ""},
		{"tunnel", ""},
		{"in_iface", ""},
		{"conn.service.source", ""},
		{"conn.service.name", "unknown"},
		{"conn.directions.a_to_b.preview_base64", ""},
	};
	struct event_stream e = stream_event();
	struct json j = begin();
	struct json_object *o;

	e.event = EVENT_STREAM_OPEN;
	e.head.src_hi = true;
	e.head.path = NULL;
	e.head.iface = NULL;
	e.show_preview = false;
	e.service = (struct service){0};
	record_stream(&j, &e);
	o = parse(&j);
	expect_all(o, members, sizeof(members) / sizeof(members[0]));
	json_object_put(o);
}

static void test_conflicts_in_flow_record(void)
{
	static const struct expectation members[] = {
		{"conflicts.0.direction", "b_to_a"}, {"conflicts.0.start", "9"},
		{"conflicts.0.end", "12"},           {"conflicts.0.other_base64", "YWJj"},
		{"conflicts.0.lost", "later"},       {"conflicts.1.direction", "a_to_b"},
		{"conflicts.1.start", "5"},          {"conflicts.1.lost", "earlier"},
	};
	struct event_stream e = stream_event();
	struct inventory v;
	struct json j = begin();
	struct json_object *o;

	CU_ASSERT_EQUAL_FATAL(
		inventory_open(&v, &(struct inventory_conf){.room = flow_room[0],
							    .stashes = 64,
							    .room_stride = INVENTORY_ROOM,
							    .slots = 2,
							    .evidence = 8}),
		0);
	inventory_start(&v, 1);
	inventory_evidence(&v, 1, &(struct evidence){.off = 5, .len = 3, .dir = 1, .bytes = "abc"});
	inventory_evidence(
		&v, 1,
		&(struct evidence){
			.off = 9, .len = 3, .dir = 0, .loser_is_new = true, .bytes = "abc"});
	e.inventory = &v;
	e.evidence = v.more[1].evidence;
	e.a_dir = 1;
	record_stream(&j, &e);
	o = parse(&j);
	expect_all(o, members, sizeof(members) / sizeof(members[0]));
	json_object_put(o);
	inventory_end(&v, 1);
	inventory_close(&v);
}

static void test_other_records(void)
{
	static const struct expectation anomaly[] = {
		{"event_type", "anomaly"},    {"anomaly.type", "stream"},
		{"anomaly.event", "tcp.gap"}, {"anomaly.layer", "tcp"},
		{"anomaly.count", "3"},       {"stream_id", "fedcba9876543210"},
	};
	static const struct expectation packet[] = {
		{"event_type", "packet"},
		{"packet", "AAECAw=="},
		{"packet_info.linktype", "113"},
		{"packet_info.caplen", "4"},
		{"packet_info.len", "1500"},
		{"stream_id", ""},
		{"src_ip", ""},
	};
	struct event_anomaly a = {
		.head = stream_event().head, .type = "stream", .event = "tcp.gap", .count = 3};
	struct event_head bare = {.ts_ns = 5, .number = 1};
	struct json j = begin();
	struct json_object *o;

	record_anomaly(&j, &a);
	o = parse(&j);
	expect_all(o, anomaly, sizeof(anomaly) / sizeof(anomaly[0]));
	json_object_put(o);
	j = begin();
	record_packet(&j, &bare, span_of((const uint8_t *)"\0\1\2\3", 4), 113, 1500);
	o = parse(&j);
	expect_all(o, packet, sizeof(packet) / sizeof(packet[0]));
	json_object_put(o);
}

/* The largest record of the largest values stays within what is promised. */
static void test_record_max(void)
{
	static uint8_t preview[8192], sha[32];
	static char file[3 * RECORD_PATH_MAX];
	struct event_stream e = stream_event();
	struct flow_key key = tcp_key;
	struct inventory v;
	struct json j = begin();

	memset(preview, '"', sizeof(preview));
	memset(file, '\x01', sizeof(file) - 1);
	memset(key.lo, 0xff, 16);
	memset(key.hi, 0xfe, 16);
	key.v6 = 1;
	e.head.key = key;
	e.head.file = file;
	e.head.file_number = UINT32_MAX;
	e.head.number = UINT64_MAX;
	e.cut = e.has_icmp = true;
	for (int i = 0; i < ANOMALY_COUNT; i++)
		e.anomaly[i] = UINT32_MAX;
	for (int dir = 0; dir < 2; dir++) {
		memset(&e.dir[dir].tcp, 0xff, sizeof(e.dir[dir].tcp));
		e.dir[dir].packets = e.dir[dir].bytes = e.dir[dir].payload_bytes = 1ULL << 53;
		e.dir[dir].preview = span_of(preview, sizeof(preview));
		e.dir[dir].sha256 = sha;
	}
	CU_ASSERT_EQUAL_FATAL(
		inventory_open(&v, &(struct inventory_conf){.room = flow_room[0],
							    .stashes = 64,
							    .room_stride = INVENTORY_ROOM,
							    .slots = 1,
							    .evidence = 100}),
		0);
	inventory_start(&v, 0);
	for (uint32_t i = 0; i < EVIDENCE_MAX; i++)
		inventory_evidence(&v, 0,
				   &(struct evidence){.off = UINT64_MAX >> 12,
						      .number = UINT64_MAX >> 12,
						      .len = EVIDENCE_BYTES});
	e.inventory = &v;
	e.evidence = v.more[0].evidence;
	record_stream(&j, &e);
	CHECK((size_t)(j.at - room) <= record_max(sizeof(preview)), "%zu bytes of %zu",
	      (size_t)(j.at - room), record_max(sizeof(preview)));
	json_object_put(parse(&j));
	inventory_end(&v, 0);
	inventory_close(&v);
}

static void test_names(void)
{
	static const struct {
		uint8_t proto;
		const char *name;
	} rows[] = {{1, "ICMP"},   {6, "TCP"}, {17, "UDP"}, {58, "IPv6-ICMP"},
		    {132, "SCTP"}, {0, "0"},   {47, "47"},  {255, "255"}};
	char text[4];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_STRING_EQUAL(proto_name(rows[i].proto, text), rows[i].name);
	CU_ASSERT_STRING_EQUAL(stream_status_name(STREAM_OPEN), "open");
	CU_ASSERT_STRING_EQUAL(stream_status_name(STREAM_EVICTED), "evicted");
}

CU_TestInfo record_tests[] = {
	{"flow_record", test_flow_record},
	{"stream_open_record", test_stream_open_record},
	{"conflicts_in_flow_record", test_conflicts_in_flow_record},
	{"other_records", test_other_records},
	{"record_max", test_record_max},
	{"names", test_names},
	CU_TEST_INFO_NULL,
};
