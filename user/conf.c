/* SPDX-License-Identifier: MIT */
/* conf — the option table, and what follows from it.  See conf.h. */
#include "user/conf.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/opt.h"
#include "user/source/peer.h"

#define AT(member) offsetof(struct conf, member)

_Static_assert(sizeof(struct string_list) == sizeof(struct opt_list), "the same list");

#define TEXT(name, letter, arg, member, preset, help)                       \
	{                                                                   \
		OPT_TEXT, name, letter, arg, AT(member), 0, 0, preset, help \
	}
#define NUMBER(name, arg, member, min, max, preset, help)                    \
	{                                                                    \
		OPT_NUMBER, name, 0, arg, AT(member), min, max, preset, help \
	}
#define FLAG(name, letter, member, help)                                   \
	{                                                                  \
		OPT_FLAG, name, letter, NULL, AT(member), 0, 0, NULL, help \
	}
#define CHOICE(name, letter, choices, member, preset, help)                       \
	{                                                                         \
		OPT_CHOICE, name, letter, choices, AT(member), 0, 0, preset, help \
	}
#define LIST(name, arg, member, help)                                \
	{                                                            \
		OPT_LIST, name, 0, arg, AT(member), 0, 0, NULL, help \
	}
#define HEADING(name)                                           \
	{                                                       \
		OPT_HEADING, name, 0, NULL, 0, 0, 0, NULL, NULL \
	}

#define GIGA (1ULL << 30)

static const struct opt_row rows[] = {
	HEADING("Input"),
	{OPT_LIST, "pcap", 'p', "FILE", AT(pcap), 0, 0, NULL,
	 "Replay a capture: a file (pcap or pcapng, plain, gzip or zstd), a folder, or - for "
	 "standard input. May be given several times; plain arguments mean the same. Files whose "
	 "times overlap are merged packet by packet."},
	LIST("watch", "DIR", watch,
	     "Read the captures in this folder, and those that come into it, once each is "
	     "complete: closed by its writer, renamed into the folder, or unchanged for 2 s where "
	     "the system says neither. Hidden files, *.tmp and *.part are left out. May be given "
	     "several times, and beside --pcap, whose files come first. Ends when interrupted."),
	FLAG("follow-file", 0, follow_file,
	     "Read a capture while it grows: those in the folders of --watch, or a single --pcap "
	     "FILE up to when its writer closes it."),
	LIST("pcap-over-ip", "HOST:PORT", peers,
	     "Connect to this host by TCP and read a capture from it (IPv6 addresses in "
	     "brackets); connect again whenever that ends. May be given several times. Ends when "
	     "interrupted."),
	TEXT("capture-filter", 0, "EXPR", filter, NULL,
	     "Analyse only packets that match this tcpdump expression."),
	TEXT("bpf", 0, "EXPR", filter, NULL, "The same as --capture-filter."),
	NUMBER("max-packets", "N", max_packets, 0, UINT64_MAX, "0",
	       "Stop after this many packets; 0 reads all."),
	NUMBER("max-seconds", "N", max_seconds, 0, 1ULL << 32, "0",
	       "Stop after this many seconds of work; 0 has no limit."),
	HEADING("Live capture"),
	{OPT_LIST, "iface", 'i', "NAME", AT(ifaces), 0, 0, NULL,
	 "Capture this interface; may be given several times."},
	CHOICE("capture-mode", 0, "auto|redirect|tap|mirror|pcap", capture_mode, "auto",
	       "redirect: XDP takes every packet (a mirror port that nobody uses). tap: a copy of "
	       "both directions (a host in use). mirror: a copy by way of XDP. pcap: by libpcap. "
	       "auto: redirect where that is safe, else tap."),
	FLAG("force", 0, force, "Redirect although the host uses the interface: it is cut off."),
	NUMBER("capture-buffer-size", "N", buffer_bytes, 1 << 20, 2 * GIGA, "64M",
	       "Memory for packets that wait, per interface, over all workers."),
	NUMBER("capture-snaplen", "N", snaplen, 64, 262144, "262144",
	       "Bytes of a packet that are looked at."),
	NUMBER("capture-read-timeout-ms", "MS", read_timeout_ms, 1, 1000, "10",
	       "Longest time that packets wait in a tap before a worker sees them."),
	CHOICE("offload", 0, "off|cut|count", offload, "off",
	       "What the kernel does with payload that nobody needs: beyond --stream-depth, where "
	       "only ciphertext follows (TLS, SSH), or by --offload-rule. cut hands on headers and "
	       "24 bytes, count nothing. Totals stay exact; such bytes can never be shown."),
	NUMBER("stream-depth", "N", stream_depth, 0, UINT64_MAX / 2, "0",
	       "With --offload: bytes of each direction that are wanted; 0 = all."),
	TEXT("offload-rule", 0, "PORTS", offload_rule, NULL,
	     "With --offload: flows with one of these ports, from their first packet on: "
	     "443,5201."),
	NUMBER("max-offloaded-flows", "N", offload_rows, 64, 1 << 24, "64K",
	       "Flows offloaded at a time, 64 bytes each; others stay in full."),
	FLAG("immediate", 0, immediate, "The same as --capture-read-timeout-ms 1."),
	FLAG("promisc", 0, promisc,
	     "Take packets for other hosts in a tap too; redirect always does."),
	TEXT("user", 0, "NAME", user, "nobody",
	     "Whom live capture runs as once everything is open, when it was started by root."),
	FLAG("list-interfaces", 0, list_interfaces,
	     "Show the interfaces, what they can do, and which mode auto would choose."),
	HEADING("Output"),
	TEXT("output", 'o', "FILE", output, NULL,
	     "Write records as JSON lines (- for standard output). Without it a summary is shown."),
	FLAG("output-append", 0, append,
	     "Append to the file instead of replacing it; an incomplete last line is removed."),
	CHOICE("mode", 'm', "analyze|dump", mode, "analyze",
	       "dump writes each frame as a record and analyses nothing."),
	FLAG("stream-events", 0, stream_events,
	     "Write stream_open and stream_update records too, not only flow."),
	NUMBER("stream-update-packets", "N", update_packets, 0, UINT64_MAX, "64",
	       "A stream_update after this many packets; 0 = off."),
	NUMBER("stream-update-bytes", "N", update_bytes, 0, UINT64_MAX, "65536",
	       "A stream_update after this many delivered bytes; 0 = off."),
	NUMBER("stream-preview-bytes", "N", preview_bytes, 0, 8192, "256",
	       "First bytes of each direction shown in stream records."),
	FLAG("flow-previews", 0, flow_previews, "Previews in flow records as well."),
	TEXT("stream-hash", 0, "sha256", stream_hash, NULL,
	     "Add a hash of the delivered bytes of each direction to flow records."),
	FLAG("http-headers", 0, http_headers, "Headers in http records."),
	TEXT("file-hash", 0, "sha256", file_hash, NULL, "Hashes in fileinfo records."),
	TEXT("stats-output", 0, "FILE", stats_output, NULL,
	     "Write the closing stats record to this file too."),
	TEXT("perf-report", 0, "FILE", perf_report, NULL,
	     "Live capture: write what each queue and worker did, what was lost where, and how "
	     "busy they were, as text."),
	NUMBER("health-interval-ms", "MS", health_ms, 0, 86400000, "0",
	       "Live capture: a line on stderr with rates, losses and skew this often; 0 = none."),
	NUMBER("stats-interval", "S", stats_interval, 0, 86400, "0",
	       "Seconds between stats records in live capture; a replay writes one, at its end."),
	FLAG("no-progress", 0, no_progress, "No progress line on the terminal."),
	HEADING("Workers"),
	TEXT("workers", 'w', "N|adaptive", workers_text, "0",
	     "Worker threads; 0 or adaptive: one per core. The records are the same for any "
	     "number."),
	NUMBER("batch-size", "N", batch, 1, 4096, "64",
	       "Packets a worker handles at a time, at most 64: more do not help."),
	NUMBER("worker-queue-depth", "N", worker_queue, 1, 1 << 20, "4096",
	       "Packets that may wait per worker, counted in whole blocks of 256 KiB."),
	NUMBER("event-queue-depth", "N", event_queue, 1, 1 << 20, "4096",
	       "Records that may wait per worker for the writer, counted in whole buffers."),
	HEADING("Analysis"),
	NUMBER("max-flows", "N", max_flows, 1, 1ULL << 28, "1000000",
	       "Live flows, over all workers. Beyond it half-open connections are given up first, "
	       "then the least recently used flow."),
	NUMBER("flow-idle-timeout-ms", "MS", idle_timeout_ms, 0, 1ULL << 40, "0",
	       "Idle timeout of established TCP and of UDP; 0 keeps 600 s (SSH 1800 s) and 60 s."),
	TEXT("flow-key", 0, "LIST", flow_key_text, NULL,
	     "What tells flows apart beside the 5-tuple: any of vlan,tunnel,iface."),
	CHOICE("overlap-policy", 0, "first|last|bsd|linux|windows", policy, "first",
	       "Whose bytes stay where copies of the same TCP bytes differ and none was delivered "
	       "yet."),
	CHOICE("checksum-validation", 0, "count|drop|off", checksum, "count",
	       "What to do about bad checksums (captures on the sending host have them)."),
	NUMBER("max-tcp-buffered-bytes", "N", tcp_buffered_total, 1 << 20, 64 * GIGA, "256M",
	       "Memory for segments that wait behind a hole, over all workers."),
	NUMBER("max-tcp-buffered-bytes-per-flow", "N", tcp_buffered_flow, 4096, 4 * GIGA, "8M",
	       "The same for one connection: a loss on a fast long path needs this much."),
	NUMBER("max-tcp-out-of-order-segments-per-direction", "N", tcp_segments, 2, 1 << 20, "4096",
	       "Waiting pieces of up to 2 KiB per direction."),
	NUMBER("tcp-hole-timeout-ms", "MS", tcp_hole_ms, 0, 1ULL << 32, "60000",
	       "Packet time a hole is waited for: longer than any retransmission timer in use."),
	NUMBER("max-layers", "N", max_layers, 4, 255, "32", "Nested headers decoded in a frame."),
	NUMBER("max-fragments", "N", max_fragments, 64, 1 << 20, "16384",
	       "IP fragments waiting for their datagram (2 KiB each)."),
	NUMBER("max-stream-extent-bytes", "N", max_extent_bytes, 1 << 16, 64 * GIGA, "512M",
	       "Memory to remember where delivered bytes lie in the capture; what is beyond it "
	       "goes to "
	       "an unlinked file in the folder of --spool or TMPDIR where something is to be "
	       "shown."),
	HEADING("Content"),
	TEXT("show", 0, "STREAM_ID", show, NULL,
	     "Show a window of one direction of this stream when the input has ended."),
	TEXT("follow", 0, "STREAM_ID", follow, NULL,
	     "Show both directions of this stream, in the order they came in."),
	CHOICE("direction", 0, "a_to_b|b_to_a", direction, "a_to_b", "Which one --show takes."),
	NUMBER("start", "N", start, 0, UINT64_MAX / 2, "0", "First byte that --show takes."),
	NUMBER("len", "N", len, 1, UINT64_MAX / 2, "64K", "Bytes that --show takes."),
	CHOICE("view-mode", 0, "text|hex|raw", view_mode, "text", "How --show and --follow write."),
	TEXT("transform", 0, "CHAIN", transform, "none",
	     "What to do to the bytes first, to whole messages where they lie in some: auto, or a "
	     "list of url_decode, http_chunked, http_gzip, gzip, deflate, brotli, zstd, charset, "
	     "base64, hex, websocket_deflate, json."),
	NUMBER("max-stream-transform-bytes", "N", max_transform, 1, 4 * GIGA, "1M",
	       "Bytes that a transform may yield."),
	TEXT("extract-files", 0, "DIR", extract, NULL,
	     "Write every HTTP body to this folder, decoded, named by its SHA-256; index.jsonl "
	     "says "
	     "where each came from."),
	TEXT("spool", 0, "DIR", spool, NULL,
	     "Keep a copy of compressed or piped input in an unlinked file in this folder, so that "
	     "all of it can be shown."),
	NUMBER("max-stream-content-bytes", "N", content_bytes, 1 << 20, 1ULL << 40, "256M",
	       "Bytes kept in memory where the input cannot be read again: compressed or piped, "
	       "and "
	       "not spooled. Streams that have ended lose theirs first."),
	NUMBER("max-stream-content-bytes-per-stream", "N", content_stream_bytes, 1 << 12,
	       1ULL << 40, "8M",
	       "The same for one stream, both directions together; the oldest go first."),
	NUMBER("stream-content-segment-bytes", "N", content_segment_bytes, 256, 1 << 20, "2K",
	       "The unit in which a stream is given memory for them."),
	FLAG("disable-stream-content", 0, no_content,
	     "Remember no content: nothing to show, repeated bytes cannot be compared."),
	HEADING("Patterns"),
	LIST("pattern", "[NAME=]TEXT", substrings,
	     "Report where streams hold this text, byte by byte. May be given several times, like "
	     "the next three. A text that itself begins like NAME= is written =TEXT."),
	LIST("regex", "[NAME=]EXPR", regexes,
	     "Report matches of a regular expression (PCRE syntax)."),
	LIST("binary-pattern", "[NAME=]HEX", binaries, "Report where streams hold these bytes."),
	LIST("pattern-file", "FILE", pattern_files,
	     "Read patterns from a JSON array of {name, kind, pattern, case, direction, service, "
	     "ports, colour}."),
	TEXT("pack", 0, "LIST", packs_text, "none",
	     "Built-in patterns: flags (WORD{...} with a known word, and 32 or 64 hexadecimal "
	     "digits), "
	     "secrets (tokens, keys, card numbers), or both with a comma."),
	LIST("flag-prefix", "WORD", flag_prefixes,
	     "A word that flags begin with, instead of the usual ones; may be given several "
	     "times."),
	NUMBER("max-pattern-matches-per-stream", "N", matches_per_stream, 0, 65535, "1024",
	       "Matches reported per direction of a stream; 0 looks for nothing."),
	NUMBER("max-pattern-matches-total", "N", matches_total, 0, UINT64_MAX, "1000000",
	       "Matches reported in a run; 0 looks for nothing."),
	HEADING("Protocols"),
	FLAG("disable-stream-parser", 0, no_parser, "Parse no protocols; identify them only."),
	TEXT("parsers", 0, "LIST", parsers_text, "all",
	     "Which to use: all, none, http, websocket."),
	NUMBER("max-http1-parser-states", "N", http_states, 1, 1 << 26, "1M",
	       "HTTP connections parsed at a time."),
	NUMBER("max-websocket-parser-states", "N", websocket_states, 1, 1 << 26, "128K",
	       "WebSocket connections parsed at a time."),
	NUMBER("max-http1-header-bytes", "N", http_header_bytes, 256, 1 << 20, "64K",
	       "Longest header line kept; beyond it a line is cut, and a header reported as long."),
	NUMBER("max-http1-buffer-bytes", "N", http_buffer_bytes, 1 << 16, 64 * GIGA, "256M",
	       "Room for header lines that wait for their end, a longest one each; what finds none "
	       "is "
	       "skipped up to its end."),
	NUMBER("max-parser-messages-per-chunk", "N", chunk_messages, 1, UINT32_MAX, "64K",
	       "Messages reported from what one packet completes; the others are counted."),
	NUMBER("max-decoded-bytes", "N", max_decoded, 1 << 10, 1ULL << 40, "64M",
	       "Bytes that one body may decode to."),
	NUMBER("max-decode-ratio", "N", max_ratio, 1, 1ULL << 32, "2048",
	       "How many times its size a body may decode to, beyond the first MiB."),
	HEADING("HTTP API"),
	TEXT("api-listen", 0, "ADDR:PORT", api_listen, NULL,
	     "Serve the HTTP API here ([ADDRESS]:PORT for IPv6, unix:PATH for a socket that only "
	     "this user opens), while packets come and afterwards, until interrupted. Other "
	     "addresses than loopback, and live capture, take a token."),
	TEXT("api-token-file", 0, "FILE", api_token_file, NULL,
	     "The token is the first line of this file; else one is made and shown once."),
	FLAG("api-no-token", 0, api_no_token, "Whoever reaches the API may use it."),
	TEXT("api-cert", 0, "FILE", api_cert, NULL, "Serve over TLS: certificate chain (PEM)."),
	TEXT("api-key", 0, "FILE", api_key, NULL, "Its private key (PEM)."),
	LIST("api-host", "NAME", api_hosts,
	     "A name that browsers reach the API by, beside its address and localhost."),
	NUMBER("api-delta-capacity", "N", delta_bytes, 1 << 16, GIGA, "16M",
	       "Bytes of changes that are kept for clients that follow them."),
	TEXT("state", 0, "FILE", state, NULL,
	     "Where favourites, notes, rules and patterns are saved; none saves nothing. Default: "
	     "state.db in $XDG_STATE_HOME/rm-xdp/ (~/.local/state/rm-xdp/), live "
	     "/var/lib/rm-xdp/."),
	TEXT("service-profile-file", 0, "FILE", profile_file, NULL,
	     "Service profiles beside the built-in ones, as JSON."),
	NUMBER("max-streams", "N", max_streams, 64, 1 << 26, "1000000",
	       "Streams in the view; favourites stay, of the others those go that were not seen "
	       "lately."),
	NUMBER("max-stream-view-matches-per-stream", "N", view_matches, 0, 65535, "256",
	       "Newest matches kept of a stream."),
	NUMBER("stream-view-query-limit", "N", query_limit, 1, 512, "512",
	       "Most rows in an answer."),
	NUMBER("max-stream-slice-bytes", "N", slice_bytes, 1, 65536, "65536",
	       "Longest window of content."),
	NUMBER("max-stream-slice-highlights", "N", slice_highlights, 0, 65536, "4096",
	       "Most matches marked in it."),
	FLAG("disable-stream-view", 0, no_view, "Keep no streams to look at; lists are empty."),
	FLAG("capture-self", 0, capture_self,
	     "Live capture: see the API's own connections too, which are left out else."),
	HEADING("Tests"),
	NUMBER("hash-seed", "N", seed, 0, UINT64_MAX, "0",
	       "Seed of the flow hash; 0 takes a random one."),
	HEADING("General"),
	TEXT("config", 0, "FILE", config, NULL,
	     "Read options from a JSON object of long option names; the command line wins."),
	FLAG("help", 'h', help, "Show this."),
	FLAG("man", 0, man, "Write the manual page to standard output."),
	FLAG("version", 'V', version, "Show the version."),
};

static const struct opt_table table = {
	.row = rows,
	.n = sizeof(rows) / sizeof(rows[0]),
	.program = "rm-xdp",
	.purpose = "network sensor: every connection of a capture or an interface, reassembled",
	.usage = "rm-xdp [OPTIONS] --pcap FILE... | --iface NAME...",
};

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "rm-xdp: %s %s\nTry 'rm-xdp --help'.\n", what, value);
	return 2;
}

static int read_workers(struct conf *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	char *end;
	unsigned long n;

	if (strcmp(c->workers_text, "adaptive") == 0) {
		c->workers = cores > 0 ? (uint32_t)cores : 1;
		return 0;
	}
	n = strtoul(c->workers_text, &end, 10);
	if (*end || end == c->workers_text || n > 64)
		return wrong("--workers takes a number up to 64 or adaptive, not", c->workers_text);
	c->workers = n ? (uint32_t)n : cores > 0 ? (uint32_t)(cores < 64 ? cores : 64) : 1;
	return 0;
}

static int read_flow_key(struct conf *c)
{
	static const struct {
		const char *name;
		enum key_part part;
	} parts[] = {{"vlan", KEY_VLAN}, {"tunnel", KEY_TUNNEL}, {"iface", KEY_IFACE}};

	for (const char *p = c->flow_key_text; p && *p;) {
		size_t n = strcspn(p, ","), i;

		for (i = 0; i < 3; i++)
			if (strlen(parts[i].name) == n && memcmp(parts[i].name, p, n) == 0)
				break;
		if (i == 3)
			return wrong("--flow-key takes vlan, tunnel and iface, not", p);
		c->flow_key |= parts[i].part;
		p += n + (p[n] == ',');
	}
	return 0;
}

static int read_parsers(struct conf *c)
{
	for (const char *p = c->parsers_text; *p;) {
		size_t n = strcspn(p, ",");

		bool all = n == 3 && memcmp(p, "all", n) == 0;
		bool http = n == 4 && memcmp(p, "http", n) == 0;
		bool websocket = n == 9 && memcmp(p, "websocket", n) == 0;

		if (!all && !http && !websocket && !(n == 4 && memcmp(p, "none", n) == 0))
			return wrong("--parsers takes all, none, http and websocket, not", p);
		c->parse_http |= all || http || websocket; /* WebSocket begins as HTTP */
		c->parse_websocket |= all || websocket;
		p += n + (p[n] == ',');
	}
	return 0;
}

static int read_packs(struct conf *c)
{
	static const char *const usual[] = {"flag", "FLAG", "Flag", "ctf", "CTF", "HTB", "THM"};
	struct string_list words = {.n = sizeof(usual) / sizeof(usual[0])};

	for (const char *p = c->packs_text; *p;) {
		size_t n = strcspn(p, ",");

		if (n == 5 && memcmp(p, "flags", n) == 0)
			c->pack.packs |= PACK_FLAGS;
		else if (n == 7 && memcmp(p, "secrets", n) == 0)
			c->pack.packs |= PACK_SECRETS;
		else if (n != 4 || memcmp(p, "none", n) != 0)
			return wrong("--pack takes flags and secrets, not", p);
		p += n + (p[n] == ',');
	}
	if (c->flag_prefixes.n)
		words = c->flag_prefixes;
	for (size_t i = 0; i < words.n; i++) {
		const char *word = words.at ? words.at[i] : usual[i];

		if (i == PACK_PREFIXES || !*word || strlen(word) > PACK_PREFIX ||
		    word[strspn(word,
				"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")])
			return wrong("--flag-prefix takes up to 64 words of 16 letters, not", word);
		snprintf(c->pack.prefix[c->pack.prefixes++], PACK_PREFIX + 1, "%s", word);
	}
	return 0;
}

static void read_spill(struct conf *c)
{
	const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): no threads yet */

	c->spill = c->spool ? c->spool : tmp && *tmp ? tmp : "/var/tmp";
}

/* 16 hexadecimal digits. */
static int read_watched(struct conf *c)
{
	const char *text = c->show ? c->show : c->follow;
	char *end;

	if (c->show && c->follow)
		return wrong("give one of", "--show and --follow");
	if (!text)
		return 0;
	c->watched = strtoull(text, &end, 16);
	if (strlen(text) != 16 || *end)
		return wrong("a stream id has 16 hexadecimal digits, unlike", text);
	return c->no_content ? wrong("nothing can be shown with", "--disable-stream-content") : 0;
}

static int read_offload_rule(struct conf *c)
{
	if (c->offload && c->flow_key)
		return wrong(
			"the kernel knows flows by their addresses and ports alone: give one of",
			"--offload and --flow-key");
	if (!c->offload && (c->stream_depth || c->offload_rule))
		return wrong("--stream-depth and --offload-rule go with",
			     "--offload cut or --offload count");
	for (const char *p = c->offload_rule; p && *p;) {
		char *end;
		unsigned long port = strtoul(p, &end, 10);

		if (end == p || port == 0 || port > 65535 || (*end && *end != ',') ||
		    c->offload_ports == sizeof(c->offload_port) / sizeof(c->offload_port[0]))
			return wrong("--offload-rule takes up to 64 port numbers, not", p);
		c->offload_port[c->offload_ports++] = (uint16_t)port;
		p = end + (*end == ',');
	}
	return 0;
}

static int read_inputs(const struct conf *c)
{
	for (size_t i = 0; i < c->peers.n; i++)
		if (!peer_address_good(c->peers.at[i]))
			return wrong("--pcap-over-ip takes HOST:PORT or [ADDRESS]:PORT, not",
				     c->peers.at[i]);
	if (c->help || c->version || c->man || c->list_interfaces)
		return 0;
	if (c->ifaces.n && c->pcap.n + c->watch.n + c->peers.n)
		return wrong("give captures or interfaces, not both:", c->ifaces.at[0]);
	if (c->follow_file && c->watch.n == 0 && c->pcap.n != 1)
		return wrong("--follow-file goes with --watch DIR or a single", "--pcap FILE");
	if (c->pcap.n + c->watch.n + c->peers.n + c->ifaces.n == 0)
		return wrong("nothing to do: give a capture with",
			     "--pcap FILE, or an interface with --iface NAME");
	return 0;
}

static int read_hash(const char *option, const char *value)
{
	return value && strcmp(value, "sha256") != 0 ? wrong(option, value) : 0;
}

int conf_read(struct conf *c, int argc, char **argv)
{
	bool given[sizeof(rows) / sizeof(rows[0])] = {false};
	char *settings = (char *)c;
	int rc;

	*c = (struct conf){0};
	rc = opt_defaults(&table, settings);
	if (rc == 0)
		rc = opt_args(&table, settings, given, AT(pcap), argc, argv);
	if (rc == 0 && c->config)
		rc = opt_config(&table, settings, given, c->config, &c->config_json);
	if (rc == 0)
		rc = read_workers(c);
	if (rc == 0)
		rc = read_flow_key(c);
	if (rc == 0)
		read_spill(c);
	if (rc == 0)
		rc = read_offload_rule(c);
	if (rc == 0)
		rc = read_parsers(c);
	if (rc == 0)
		rc = read_watched(c);
	if (rc == 0)
		rc = read_packs(c);
	if (rc == 0)
		rc = read_hash("--stream-hash knows sha256, not", c->stream_hash);
	if (rc == 0)
		rc = read_hash("--file-hash knows sha256, not", c->file_hash);
	if (c->immediate)
		c->read_timeout_ms = 1;
	c->sha256 = c->stream_hash;
	if (c->batch > 64)
		c->batch = 64;
	if (rc == 0)
		rc = read_inputs(c);
	return rc;
}

void conf_free(struct conf *c)
{
	opt_free(&table, (const char *)c);
	json_object_put(c->config_json);
}

void conf_help(void)
{
	opt_help(&table);
}

void conf_man(void)
{
	opt_man(&table);
}

struct decode_conf conf_decode(const struct conf *c)
{
	return (struct decode_conf){.checksum = (enum checksum_mode)c->checksum,
				    .max_layers = (uint32_t)c->max_layers};
}

struct flow_conf conf_flow(const struct conf *c, uint32_t slots)
{
	static const uint32_t seconds[FLOW_CLASS_COUNT] = {
#define CLASS_SECONDS(name, s) s,
		FLOW_CLASSES(CLASS_SECONDS)
#undef CLASS_SECONDS
	};
	struct flow_conf f = {.slots = slots, .use_domain = c->flow_key != 0};

	for (int i = 0; i < FLOW_CLASS_COUNT; i++)
		f.timeout_ns[i] = seconds[i] * NS_PER_S;
	if (c->idle_timeout_ms) {
		f.timeout_ns[FLOW_TCP_ESTABLISHED] = c->idle_timeout_ms * 1000000;
		f.timeout_ns[FLOW_TCP_SSH] = c->idle_timeout_ms * 1000000;
		f.timeout_ns[FLOW_UDP] = c->idle_timeout_ms * 1000000;
	}
	return f;
}

struct tcp_conf conf_tcp(const struct conf *c)
{
	uint64_t pieces = c->tcp_buffered_total / sizeof(struct piece) / c->workers;

	return (struct tcp_conf){
		.policy = (enum overlap_policy)c->policy,
		.max_pieces = (uint32_t)pieces,
		.max_flow_bytes =
			(uint32_t)(c->tcp_buffered_flow < UINT32_MAX ? c->tcp_buffered_flow
								     : UINT32_MAX),
		.max_segments = (uint32_t)c->tcp_segments,
		.hole_ns = c->tcp_hole_ms * 1000000,
		.reuse_idle_ns = 60 * NS_PER_S,
	};
}

struct live_conf conf_live(const struct conf *c)
{
	return (struct live_conf){
		.ifaces = c->ifaces.at,
		.n_ifaces = c->ifaces.n,
		.mode = (enum live_mode)c->capture_mode,
		.force = c->force,
		.promisc = c->promisc,
		.workers = c->workers,
		.buffer_bytes = c->buffer_bytes,
		.snaplen = (uint32_t)c->snaplen,
		.timeout_ms = (uint32_t)c->read_timeout_ms,
		.filter = c->filter,
		.offload_rows = c->offload ? (uint32_t)c->offload_rows : 0,
	};
}

struct pcap_live_conf conf_pcap_live(const struct conf *c)
{
	return (struct pcap_live_conf){
		.filter = c->filter,
		.snaplen = (uint32_t)c->snaplen,
		.buffer_bytes =
			(uint32_t)(c->buffer_bytes < INT32_MAX ? c->buffer_bytes : INT32_MAX),
		.timeout_ms = (uint32_t)c->read_timeout_ms,
		.promiscuous = c->promisc,
		.immediate = c->immediate,
	};
}

struct http1_conf conf_http1(const struct conf *c)
{
	uint32_t each = (uint32_t)(c->http_states / c->workers) + 1;

	return (struct http1_conf){
		.states = each,
		.exchanges = 2 * each,
		.cells = (256U << 20) / 256 / c->workers, /* 256 MiB of text */
		.lines = (uint32_t)(c->http_buffer_bytes / c->http_header_bytes / c->workers) + 1,
		.header_bytes = (uint32_t)c->http_header_bytes,
		.all_headers = c->http_headers,
		.sha256 = c->file_hash,
		.coding = {.small = 16384 / c->workers,   /* 2 GiB of address space */
			   .large = 256 / c->workers + 1, /* 12 GiB */
			   .max_bytes = c->max_decoded,
			   .max_ratio = c->max_ratio},
	};
}

struct defrag_conf conf_defrag(const struct conf *c, uint32_t n)
{
	return (struct defrag_conf){.max_datagrams = 4096 / n, /* 64 KiB each would be 256 MiB */
				    .max_pieces = (uint32_t)c->max_fragments / n,
				    .timeout_ns = 60 * NS_PER_S}; /* RFC 8200 §4.5 */
}

int conf_patterns(const struct conf *c, struct pattern_set **set)
{
	const struct {
		const struct string_list *list;
		enum pattern_kind kind;
	} typed[] = {{&c->substrings, PATTERN_SUBSTRING},
		     {&c->regexes, PATTERN_REGEX},
		     {&c->binaries, PATTERN_BINARY}};
	char why[PATTERN_BYTES + 512] = "out of memory";
	int err = 0;

	*set = pattern_set_new();
	if (!*set)
		err = -1;
	for (int k = 0; k < 3; k++)
		for (size_t i = 0; err == 0 && i < typed[k].list->n; i++)
			err = pattern_add(*set, typed[k].kind, typed[k].list->at[i], why,
					  sizeof(why));
	for (size_t i = 0; err == 0 && i < c->pattern_files.n; i++)
		err = pattern_add_file(*set, c->pattern_files.at[i], why, sizeof(why));
	if (err == 0 && pattern_count(*set) && c->matches_per_stream && c->matches_total) {
		err = pattern_compile(*set, why, sizeof(why));
	} else {
		pattern_set_free(err ? NULL : *set);
		*set = err ? *set : NULL;
	}
	if (err == 0)
		return 0;
	fprintf(stderr, "rm-xdp: %s\n", why);
	pattern_set_free(*set);
	*set = NULL;
	return 2;
}
