/* SPDX-License-Identifier: MIT */
/*
 * conf — every setting of a run: defaults with their reasons, checked once, then read-only.
 */
#ifndef USER_CONF_H
#define USER_CONF_H

#include "user/decode/decode.h"
#include "user/flow/flow.h"
#include "user/parse/http1.h"
#include "user/scan/pack.h"
#include "user/scan/pattern.h"
#include "user/source/live.h"
#include "user/source/pcap_live.h"
#include "user/tcp/tcp.h"

enum run_mode { MODE_ANALYZE, MODE_DUMP };
enum key_part { KEY_VLAN = 1, KEY_TUNNEL = 2, KEY_IFACE = 4 };

struct string_list {
	const char **at;
	size_t n;
};

struct conf {
	/* input */
	struct string_list pcap, watch, peers;
	bool follow_file;
	const char *filter;
	struct string_list ifaces;
	const char *user;
	uint64_t capture_mode; /* enum live_mode */
	uint64_t snaplen, buffer_bytes, read_timeout_ms, health_ms;
	uint64_t offload; /* enum rm_offload */
	uint64_t stream_depth, offload_rows;
	const char *offload_rule;
	uint16_t offload_port[64];
	uint32_t offload_ports;
	bool force, promisc, immediate, list_interfaces;
	uint64_t max_packets, max_seconds;
	/* output */
	const char *output, *stats_output, *perf_report;
	bool append, stream_events, flow_previews, no_progress, http_headers;
	uint64_t mode; /* enum run_mode */
	uint64_t preview_bytes, update_packets, update_bytes;
	bool sha256;
	uint64_t stats_interval;
	/* workers */
	const char *workers_text;
	uint32_t workers;
	uint64_t batch, worker_queue, event_queue;
	/* analysis */
	uint64_t max_flows, idle_timeout_ms;
	uint64_t tcp_buffered_total, tcp_buffered_flow, tcp_segments, tcp_hole_ms;
	uint64_t max_layers, max_fragments, max_extent_bytes;
	uint64_t policy, checksum; /* enum overlap_policy, enum checksum_mode */
	/* a stream to show */
	const char *show, *follow, *transform, *extract, *spool;
	const char *spill; /* folder for what of the extents has no room in memory */
	uint64_t content_bytes, content_stream_bytes, content_segment_bytes;
	uint64_t watched; /* its id */
	uint64_t direction, start, len, view_mode, max_transform;
	bool no_content;
	/* patterns */
	struct string_list substrings, regexes, binaries, pattern_files, flag_prefixes;
	const char *packs_text;
	struct pack_conf pack;
	uint64_t matches_per_stream, matches_total;
	/* parsers */
	bool no_parser, parse_http, parse_websocket;
	const char *parsers_text;
	uint64_t websocket_states, http_states, http_header_bytes, http_buffer_bytes,
		chunk_messages, max_decoded, max_ratio;
	const char *flow_key_text;
	uint32_t flow_key; /* bits of enum key_part */
	uint64_t seed;
	/* HTTP API and view */
	const char *api_listen; /* NULL: none */
	const char *api_token_file, *api_cert, *api_key;
	bool api_no_token, no_view, capture_self;
	struct string_list api_hosts;
	uint64_t delta_bytes;
	const char *profile_file, *state;
	uint64_t max_streams, view_matches, query_limit, slice_bytes, slice_highlights;
	/* accepted for what is to come */
	const char *stream_hash, *file_hash;
	const char *config;
	struct json_object *config_json; /* texts from --config lie in it */
	bool help, version, man;
};

/* Reads the command line (and --config) into c.  0, or 2 after a message on stderr. */
int conf_read(struct conf *c, int argc, char **argv);
void conf_free(struct conf *c);

void conf_help(void);
void conf_man(void);

struct decode_conf conf_decode(const struct conf *c);
struct flow_conf conf_flow(const struct conf *c, uint32_t slots);
struct tcp_conf conf_tcp(const struct conf *c);
/* All but the hash key. */
struct live_conf conf_live(const struct conf *c);
struct pcap_live_conf conf_pcap_live(const struct conf *c);
struct http1_conf conf_http1(const struct conf *c);
/* For one of `n` that share the cap. */
struct defrag_conf conf_defrag(const struct conf *c, uint32_t n);
/* The patterns asked for, compiled; *set is NULL where there are none.  0, or 2 after a message. */
int conf_patterns(const struct conf *c, struct pattern_set **set);

#endif
