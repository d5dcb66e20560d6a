/* SPDX-License-Identifier: MIT */
/*
 * mkpcap — turns a text script into a capture, so that a test can say which packets arrive, in
 * which order and how damaged, in lines that a reader checks by hand.
 *
 *   mkpcap SCRIPT OUT      (`-` = stdin, stdout)
 *
 * Errors are `SCRIPT:LINE: what` on stderr, exit status 2, and nothing is written. Blank lines and
 * lines that start with `#`, `expect`, `options` or `run` are skipped. Lengths and checksums are
 * right unless the script says otherwise. N is decimal or 0x hex, ADDR an IPv4 or IPv6 address, END
 * is ADDR:PORT or [ADDR]:PORT.
 *
 * File, before its first packet:
 *   format pcap|pcap-be|pcap-ns|pcap-ns-be|pcap-modified|pcapng|pcapng-be
 *   link ethernet|raw|null|sll|sll2|ppp
 *   snaplen N            of the file header; longer frames are cut to it (262144)
 * and damage: `trailing BYTES` appends to the file, `truncate N` cuts N bytes off its end at last.
 * Clock: `time SECONDS` sets it (1700000000), `wait SECONDS` moves it, `step SECONDS` is what it
 *   moves after each frame (0.001); with up to nine decimals.
 *
 * Connections:
 *   flow NAME tcp|udp CLIENT-END SERVER-END [isn N M] [wscale] [vlan N]...
 *   NAME > FLAGS BYTES OPTIONS      TCP, from the client; `<` from the server
 *   NAME > BYTES OPTIONS            UDP
 * FLAGS are letters of FSRPAUEC, or `-`. BYTES are any number of "text" (escapes \r \n \t \0 \xNN
 * \" \\), hex digits, zeros N, fill CHAR N, rand SEED N. Each side has a next sequence number (the
 * ISNs are 1000 and 2000 unless given): a SYN is sent at the ISN, data behind it, a FIN takes one
 * number. A packet with A acknowledges what the other side has sent without a hole. For TCP:
 *   @N  data at this offset (0 = ISN + 1); next moves only if the end lies beyond it
 *   seq N   raw number, moves nothing     ack N, ack @N   raw, by offset     win N (65535)
 * Options of every packet:
 *   ttl N (64)   iplen N (the IP length field)   badsum (TCP, UDP, ICMP, SCTP)   badip
 *   snap N (captured bytes)   dup (written twice)   lost (sent, but not in the capture)
 *   frag N (payload bytes per IP fragment, a multiple of 8) with `reverse`, `overlap` (fragments
 *   repeat 8 bytes of their successors), `conflict` (these are X) or `incomplete` (no last one)
 *
 *   scatter NAME > "CAPTURE" PORT SIZE SEED     what the client (`<`: the server) of the first
 *   connection to PORT in a recorded capture sent, in segments of SIZE bytes: out of order by SEED
 *   (within 64 segments), every ninth one twice, every seventh with the start of the next one
 *
 * Other packets:
 *   icmp ADDR ADDR TYPE CODE BYTES   BYTES follow the checksum; ICMPv6 between IPv6 addresses
 *   sctp END END BYTES      (chunks)      ip ADDR ADDR PROTOCOL BYTES
 *   arp ADDR ADDR           (a request)   frame BYTES      (all of it)
 *
 * Encapsulation of all that follows but arp and frame; the first `wrap` is the outermost:
 *   wrap vlan N|qinq N|mpls N|pppoe N|off
 *   wrap ipip|6in4|4in6|gre|teredo ADDR ADDR
 *   wrap vxlan|geneve|gtp|l2tp|erspan N ADDR ADDR    (packets of a server go from the second ADDR)
 *
 * repeat N ... end         the lines between, N times: $i is the round from 0, and $i*N, $i+N and
 *                          $i*N+N are computed. Not nested.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/capture.h"

enum {
	MAX_LINE = 1 << 16, /* a frame of 32 KB in hex still fits */
	MAX_WORDS = 4096,
	MAX_DATA = 1 << 18, /* the usual snaplen, so the largest frame there is */
	MAX_WRAPS = 12,
	FLOWS_STEP = 256,
	LINES_STEP = 256,
	HEADROOM = 2048, /* MAX_WRAPS of the longest (14 + 16 + 8 + 40), and the inner ones */
};

/* the words of a packet line that are no bytes: with a number, without one, and offsets in TCP */
enum { TTL, IPLEN, WIN, SNAP, FRAG, SEQ, VALUES };
enum { BADSUM = VALUES, BADIP, DUP, LOST, REVERSE, OVERLAP, CONFLICT, INCOMPLETE, WORDS };
enum { OFFSET = WORDS, ACKED, ACK_OFFSET, OPTIONS };
static const char *const option_names[WORDS] = {
	"ttl",   "iplen", "win",  "snap",    "frag",    "seq",      "badsum",
	"badip", "dup",   "lost", "reverse", "overlap", "conflict", "incomplete"};

static const uint64_t UNSET = UINT64_MAX;
static const uint64_t NS = 1000000000;

/*
 * A link type or an encapsulation. Its header is written from a template: lower-case hex is itself,
 * and a capital with a width is a field: I the id, E EtherType, P PPP protocol, L length of what
 * follows the header, M the same and two, D and S addresses, R 0 in and 4 out, F address family.
 */
struct layer {
	const char *name, *header;
	unsigned type;    /* the link type; the EtherType of what was wrapped */
	uint8_t protocol; /* of the IP packets that carry it, then it takes addresses */
	uint16_t port;    /* of the UDP datagrams in them */
	bool id;          /* takes a number */
	bool bridged;     /* carries Ethernet frames */
	bool ip_only;     /* carries IP, perhaps MPLS, nothing else */
};

static const struct layer links[] = {
	{"ethernet", "D6S6E2", .type = 1},
	{"raw", "", .type = 101, .ip_only = true},
	{"null", "F4", .type = 0, .ip_only = true},
	{"sll", "00R100010006S60000E2", .type = 113},
	{"sll2", "E20000000000010001R106S60000", .type = 276},
	{"ppp", "ff03P2", .type = 9, .ip_only = true},
	{.name = NULL},
};

static const struct layer wraps[] = {
	{"vlan", "I2E2", .type = ETH_P_8021Q, .id = true},
	{"qinq", "I2E2", .type = ETH_P_8021AD, .id = true},
	{"mpls", "I4", .type = ETH_P_MPLS_UC, .id = true},
	{"pppoe", "1100I2M2P2", .type = ETH_P_PPP_SES, .id = true, .ip_only = true},
	{"ipip", "", .protocol = IPPROTO_IPIP},
	{"4in6", "", .protocol = IPPROTO_IPIP},
	{"6in4", "", .protocol = IPPROTO_IPIP},
	{"gre", "0000E2", .protocol = IPPROTO_GRE},
	{"erspan", "100088be000000001000I200000000", .protocol = IPPROTO_GRE, .id = true,
	 .bridged = true},
	{"vxlan", "08000000I300", .protocol = IPPROTO_UDP, .port = 4789, .id = true,
	 .bridged = true},
	{"geneve", "00006558I300", .protocol = IPPROTO_UDP, .port = 6081, .id = true,
	 .bridged = true},
	{"gtp", "30ffL2I4", .protocol = IPPROTO_UDP, .port = 2152, .id = true},
	{"l2tp", "00020001I2ff03P2", .protocol = IPPROTO_UDP, .port = 1701, .id = true,
	 .ip_only = true},
	{"teredo", "", .protocol = IPPROTO_UDP, .port = 3544},
	{.name = NULL},
};

static const struct format {
	const char *name;
	uint32_t magic;
	bool big, ng, modified;
	uint32_t unit; /* nanoseconds of a tick */
} formats[] = {
	{"pcap", 0xa1b2c3d4, false, false, false, 1000},
	{"pcap-be", 0xa1b2c3d4, true, false, false, 1000},
	{"pcap-ns", 0xa1b23c4d, false, false, false, 1},
	{"pcap-ns-be", 0xa1b23c4d, true, false, false, 1},
	{"pcap-modified", 0xa1b2cd34, false, false, true, 1000},
	{"pcapng", 0x1a2b3c4d, false, true, false, 1},
	{"pcapng-be", 0x1a2b3c4d, true, true, false, 1},
	{0},
};

struct addr {
	uint8_t ip[16];
	bool v6;
	uint16_t port;
};

/* one IP header to be written */
struct hop {
	struct addr src, dst;
	unsigned proto;
	uint64_t ttl, length; /* length UNSET: the right one */
	bool bad_sum, fragment, more;
	uint64_t offset; /* of the fragment */
};

struct side {
	struct addr addr;
	uint32_t isn, next; /* next: behind the highest byte sent */
	uint32_t done;      /* sent without a hole up to here, */
	uint32_t far;       /* and again from here to `next` */
};

struct flow {
	char name[32];
	bool tcp, wscale;
	struct side side[2]; /* client, server */
	uint64_t vlans[4];
	size_t nvlans;
};

struct wrap {
	const struct layer *layer;
	uint64_t id;
	struct addr src, dst;
};

struct mkpcap {
	const char *name;
	char **lines;
	size_t nlines, line; /* line: the current one, from 1 */
	size_t loop_line;    /* of `repeat`, 0 outside */
	uint64_t round, rounds;
	bool failed, started; /* started: the file header is written */
	char text[MAX_LINE];
	struct {
		char *at;
		size_t len;
		bool quoted;
	} words[MAX_WORDS];
	size_t nwords, next;
	const struct format *format;
	const struct layer *link;
	uint64_t snaplen, now, step, cut;
	struct flow *flows;
	size_t nflows;
	struct wrap wraps[MAX_WRAPS];
	size_t nwraps;
	const struct flow *flow; /* of the packet in work, or NULL */
	uint64_t o[OPTIONS];
	bool back; /* from the server */
	uint16_t ip_id;
	uint8_t whole[HEADROOM + MAX_DATA]; /* layer 4, before it is fragmented */
	uint8_t room[HEADROOM + MAX_DATA];
	size_t from, to; /* the packet in `room`: headers are put in front */
	FILE *out;
};

__attribute__((format(printf, 2, 3))) static void fail(struct mkpcap *m, const char *what, ...)
{
	va_list args;

	if (m->failed)
		return;
	m->failed = true;
	fprintf(stderr, "%s:%zu: ", m->name, m->line);
	va_start(args, what);
	vfprintf(stderr, what, args);
	va_end(args);
	fputc('\n', stderr);
}

static const char *need(struct mkpcap *m, const char *what)
{
	if (m->next < m->nwords)
		return m->words[m->next++].at;
	fail(m, "%s is missing", what);
	return "";
}

static bool accept_word(struct mkpcap *m, const char *text)
{
	bool same = m->next < m->nwords && strcmp(m->words[m->next].at, text) == 0;

	m->next += same;
	return same;
}

static uint64_t number_of(struct mkpcap *m, const char *text, uint64_t max)
{
	char *end;

	errno = 0;
	uint64_t n = strtoull(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
	if (!isdigit((unsigned char)*text) || *end || errno || n > max) {
		fail(m, "not a number up to %" PRIu64 ": %s", max, text);
		return 0;
	}
	return n;
}

static uint64_t number(struct mkpcap *m, uint64_t max)
{
	return number_of(m, need(m, "a number"), max);
}

static uint64_t seconds(struct mkpcap *m)
{
	const char *text = need(m, "a time");
	char *end;
	long double s = strtold(text, &end);

	if (!isdigit((unsigned char)*text) || *end || s > UINT32_MAX) {
		fail(m, "not seconds: %s", text);
		return 0;
	}
	return (uint64_t)(s * 1e9L + 0.5L);
}

static struct addr address(struct mkpcap *m, bool with_port)
{
	const char *text = need(m, "an address"),
		   *end = with_port ? strrchr(text, ':') : strchr(text, 0);
	struct addr a = {0};
	char host[64];
	size_t len = end ? (size_t)(end - text) : sizeof host;
	size_t bracket = with_port && *text == '[';

	if (len >= sizeof host || len < 2 * bracket) {
		fail(m, "not an address%s: %s", with_port ? " and port" : "", text);
		return a;
	}
	snprintf(host, sizeof host, "%.*s", (int)(len - 2 * bracket), text + bracket);
	a.v6 = strchr(host, ':') != NULL;
	if (inet_pton(a.v6 ? AF_INET6 : AF_INET, host, a.ip) != 1 ||
	    (bracket && text[len - 1] != ']'))
		fail(m, "not an address: %s", text);
	if (with_port)
		a.port = (uint16_t)number_of(m, end + 1, UINT16_MAX);
	return a;
}

/* --- lines and words --- */

static int hex_byte(const char *at)
{
	const char *digits = "00112233445566778899aAbBcCdDeEfF";
	const char *high = at[0] ? strchr(digits, at[0]) : NULL;
	const char *low = high && at[1] ? strchr(digits, at[1]) : NULL;

	return low ? (int)((high - digits) / 2 << 4 | (low - digits) / 2) : -1;
}

/* decodes a quoted word in place; returns what follows it, or NULL */
static char *unquote(struct mkpcap *m, char *at, size_t *len)
{
	static const char names[] = "rnt0\"\\", values[] = "\r\n\t\0\"\\";
	char *to = at, *start = at;

	while (*at && *at != '"') {
		const char *escape = *at == '\\' && at[1] ? strchr(names, at[1]) : NULL;
		bool hex = *at == '\\' && at[1] == 'x' && hex_byte(at + 2) >= 0;

		if (*at == '\\' && !escape && !hex)
			break;
		*to++ = escape ? values[escape - names] : hex ? (char)hex_byte(at + 2) : *at;
		at += escape ? 2 : hex ? 4 : 1;
	}
	*len = (size_t)(to - start);
	if (*at != '"' || (at[1] && at[1] != ' ' && at[1] != '\t')) {
		fail(m,
		     "a string with an unknown escape, or without a quote and a space at its end");
		return NULL;
	}
	*to = 0;
	return at + 1;
}

static void split(struct mkpcap *m)
{
	m->nwords = m->next = 0;
	for (char *at = m->text; at && *(at += strspn(at, " \t"));) {
		if (m->nwords == MAX_WORDS) {
			fail(m, "too many words");
			return;
		}
		bool quoted = *at == '"';
		size_t len = strcspn(at, " \t");
		char *word = at + quoted,
		     *end = quoted ? unquote(m, word, &len) : at + len + !!at[len];
		if (!quoted)
			at[len] = 0;
		m->words[m->nwords].at = word;
		m->words[m->nwords].len = len;
		m->words[m->nwords++].quoted = quoted;
		at = end;
	}
}

/* copies a line into words, with $i, $i*N and $i+N computed inside a repetition */
static void line_take(struct mkpcap *m, const char *line)
{
	size_t n = 0;

	while (*line && n < MAX_LINE - 24) {
		if (!m->loop_line || line[0] != '$' || line[1] != 'i') {
			m->text[n++] = *line++;
			continue;
		}
		uint64_t value = m->round;
		line += 2;
		if (line[0] == '*' && isdigit((unsigned char)line[1]))
			value *= strtoull(line + 1, (char **)&line, 10);
		if (line[0] == '+' && isdigit((unsigned char)line[1]))
			value += strtoull(line + 1, (char **)&line, 10);
		n += (size_t)snprintf(m->text + n, 24, "%" PRIu64, value);
	}
	m->text[n] = 0;
	if (*line)
		fail(m, "line too long");
	else
		split(m);
}

/* --- bytes of the packet --- */

static void data_add(struct mkpcap *m, const void *at, size_t len)
{
	if (len > sizeof m->room - m->to) {
		fail(m, "more than %d bytes in a packet", MAX_DATA);
		return;
	}
	memcpy(m->room + m->to, at, len);
	m->to += len;
}

/* n bytes: `fill`, or with a seed the linear congruence that the C standard gives as an example */
static void data_make(struct mkpcap *m, uint8_t fill, const uint32_t *seed)
{
	uint64_t n = number(m, MAX_DATA);
	uint32_t state = seed ? *seed : 0;

	for (uint64_t i = 0; i < n && !m->failed; i++) {
		state = state * 1103515245u + 12345u;
		data_add(m, &(uint8_t){seed ? (uint8_t)(state >> 16) : fill}, 1);
	}
}

static void data_hex(struct mkpcap *m, const char *at)
{
	for (; *at && !m->failed; at += 2) {
		if (hex_byte(at) < 0)
			fail(m, "neither an option nor hex: %s", at);
		else
			data_add(m, &(uint8_t){(uint8_t)hex_byte(at)}, 1);
	}
}

/* the rest of a packet line: bytes and options */
static void packet_words(struct mkpcap *m)
{
	while (m->next < m->nwords && !m->failed) {
		const char *at = m->words[m->next].at;
		size_t len = m->words[m->next].len;
		int o = 0;

		if (m->words[m->next++].quoted) {
			data_add(m, at, len);
			continue;
		}
		while (o < WORDS && strcmp(option_names[o], at) != 0)
			o++;
		if (o < WORDS)
			m->o[o] = o >= BADSUM ? 1 : number(m, UINT32_MAX);
		else if (*at == '@')
			m->o[OFFSET] = number_of(m, at + 1, UINT32_MAX);
		else if (strcmp(at, "zeros") == 0)
			data_make(m, 0, NULL);
		else if (strcmp(at, "fill") == 0)
			data_make(m, (uint8_t)*need(m, "a character"), NULL);
		else if (strcmp(at, "rand") == 0)
			data_make(m, 0, &(uint32_t){(uint32_t)number(m, UINT32_MAX)});
		else if (strcmp(at, "ack") != 0)
			data_hex(m, at);
		else if (*(at = need(m, "an acknowledgement")) == '@')
			m->o[ACK_OFFSET] = number_of(m, at + 1, UINT32_MAX);
		else
			m->o[ACKED] = number_of(m, at, UINT32_MAX);
	}
}

static void packet_begin(struct mkpcap *m, const struct flow *flow, bool back)
{
	m->from = m->to = HEADROOM;
	m->flow = flow;
	m->back = back;
	for (int i = 0; i < OPTIONS; i++)
		m->o[i] = i >= BADSUM && i < WORDS ? 0 : UNSET;
}

/* --- headers, innermost first --- */

static uint8_t *push(struct mkpcap *m, size_t n)
{
	m->from -= n;
	return memset(m->room + m->from, 0, n);
}

static void be(uint8_t *at, uint64_t value, size_t n)
{
	for (; n-- > 0; value >>= 8)
		at[n] = (uint8_t)value;
}

static uint64_t sum(uint64_t s, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		s += i & 1 ? at[i] : (uint64_t)at[i] << 8;
	return s;
}

static uint16_t fold(uint64_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* checksum of a pseudo header and the whole packet so far, damaged on demand */
static uint16_t checksum(const struct mkpcap *m, const struct hop *h)
{
	size_t len = m->to - m->from, size = h->src.v6 ? 16 : 4;
	uint64_t s = sum(sum(h->proto + len, h->src.ip, size), h->dst.ip, size);

	return fold(sum(s, m->room + m->from, len)) ^ (h->bad_sum ? 0x5555 : 0);
}

static void push_udp(struct mkpcap *m, const struct hop *h)
{
	uint8_t *udp = push(m, 8);

	be(udp, h->src.port, 2);
	be(udp + 2, h->dst.port, 2);
	be(udp + 4, m->to - m->from, 2);
	uint16_t s = checksum(m, h);
	be(udp + 6, s ? s : 0xffff, 2);
}

/* returns the EtherType */
static unsigned push_ip(struct mkpcap *m, const struct hop *h)
{
	unsigned next = h->proto;

	if (h->src.v6 && h->fragment) {
		uint8_t *f = push(m, 8);
		f[0] = (uint8_t)next;
		be(f + 2, h->offset | h->more, 2);
		be(f + 4, m->ip_id, 4);
		next = IPPROTO_FRAGMENT;
	}
	size_t len = m->to - m->from + (h->src.v6 ? 0 : 20), size = h->src.v6 ? 16 : 4;
	uint8_t *ip = push(m, h->src.v6 ? 40 : 20), *addrs = ip + (h->src.v6 ? 8 : 12);

	if (h->length == UNSET && len > UINT16_MAX)
		fail(m, "too long for an IP packet without iplen");
	memcpy(addrs, h->src.ip, size);
	memcpy(addrs + size, h->dst.ip, size);
	ip[0] = h->src.v6 ? 0x60 : 0x45;
	be(ip + (h->src.v6 ? 4 : 2), h->length == UNSET ? len : h->length, 2);
	ip[h->src.v6 ? 7 : 8] = (uint8_t)h->ttl;
	ip[h->src.v6 ? 6 : 9] = (uint8_t)next;
	if (h->src.v6)
		return ETH_P_IPV6;
	be(ip + 4, m->ip_id, 2);
	be(ip + 6, (unsigned)h->more << 13 | h->offset >> 3, 2);
	be(ip + 10, fold(sum(0, ip, 20)) ^ (m->o[BADIP] ? 0x5555 : 0), 2);
	return ETH_P_IP;
}

static void push_layer(struct mkpcap *m, const struct layer *l, uint64_t id, unsigned type)
{
	static const char names[] = "IEPLMDSRF";
	bool v4 = type == ETH_P_IP, v6 = type == ETH_P_IPV6;
	uint64_t ppp = v4 ? 0x21 : v6 ? 0x57 : 0x281; /* the last is MPLS */
	uint64_t family = v4 ? 2 : 30;                /* what BSD systems call IPv6 */
	uint64_t side = 0x02000000000a, inner = m->to - m->from;
	const uint64_t values[] = {id,
				   type,
				   ppp,
				   inner,
				   inner + 2,
				   side + !m->back,
				   side + m->back,
				   m->back ? 0 : 4,
				   family << (m->format->big ? 0 : 24)};
	uint8_t header[32];
	size_t n = 0;

	if (l->ip_only && !v4 && !v6 && (type != ETH_P_MPLS_UC || !strchr(l->header, 'P')))
		fail(m, "%s cannot carry EtherType %04x", l->name, type);
	for (const char *at = l->header; *at; at += 2) {
		const char *name = strchr(names, *at);
		size_t width = name ? (size_t)(at[1] - '0') : 1;
		be(header + n, name ? values[name - names] : (uint64_t)hex_byte(at), width);
		n += width;
	}
	memcpy(push(m, n), header, n);
}

/* returns the EtherType of the result */
static unsigned push_wrap(struct mkpcap *m, const struct wrap *w, unsigned type)
{
	const struct layer *l = w->layer;
	struct hop h = {.src = m->back ? w->dst : w->src,
			.dst = m->back ? w->src : w->dst,
			.proto = l->protocol,
			.ttl = 64,
			.length = UNSET};
	uint64_t id = w->id;

	if (l->bridged) {
		push_layer(m, &links[0], 0, type);
		type = ETH_P_TEB;
	}
	if (l->type == ETH_P_MPLS_UC) /* label, bottom of stack, TTL */
		id = id << 12 | (type != ETH_P_MPLS_UC) << 8 | 64;
	if (l->protocol == IPPROTO_IPIP && type == ETH_P_IPV6)
		h.proto = IPPROTO_IPV6;
	push_layer(m, l, id, type);
	if (!l->protocol)
		return l->type;
	h.src.port = l->bridged ? 49152 : l->port;
	h.dst.port = l->port;
	if (l->port)
		push_udp(m, &h);
	return push_ip(m, &h);
}

/* --- the file --- */

/* numbers of four bytes, in the byte order of the file */
static void put(struct mkpcap *m, const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t word = m->format->big ? htobe32(words[i]) : htole32(words[i]);
		fwrite(&word, sizeof word, 1, m->out);
	}
}

/* two numbers of two bytes, to be put as one */
static uint32_t pair(const struct mkpcap *m, uint32_t first, uint32_t second)
{
	return m->format->big ? first << 16 | second : second << 16 | first;
}

static void file_start(struct mkpcap *m)
{
	uint32_t magic = m->format->magic, snaplen = (uint32_t)m->snaplen, link = m->link->type;

	if (!m->started && m->format->ng) {
		put(m, (uint32_t[]){0x0a0d0d0a, 28, magic, pair(m, 1, 0), ~0u, ~0u, 28}, 7);
		put(m, (uint32_t[]){1, 40, pair(m, link, 0), snaplen, pair(m, 2, 4)}, 5);
		fwrite("eth0", 1, 4, m->out); /* was option 2, if_name; now 9, if_tsresol */
		put(m, (uint32_t[]){pair(m, 9, 1)}, 1);
		fwrite("\x09\0\0", 1, 4, m->out);
		put(m, (uint32_t[]){0, 40}, 2);
	} else if (!m->started) {
		put(m, (uint32_t[]){magic, pair(m, 2, 4), 0, 0, snaplen, link}, 6);
	}
	m->started = true;
}

static void frame_write(struct mkpcap *m)
{
	const struct format *f = m->format;
	uint32_t len = (uint32_t)(m->to - m->from), cap = len;

	if (cap > m->snaplen)
		cap = (uint32_t)m->snaplen;
	if (cap > m->o[SNAP])
		cap = (uint32_t)m->o[SNAP];
	uint32_t pad = f->ng ? -cap & 3 : 0, block = 32 + cap + pad;
	file_start(m);
	for (uint64_t n = 0; n <= m->o[DUP]; n++, m->now += m->step) {
		uint32_t s = (uint32_t)(m->now / NS), tick = (uint32_t)(m->now % NS / f->unit);
		uint32_t high = (uint32_t)(m->now >> 32), low = (uint32_t)m->now;
		if (m->o[LOST])
			continue;
		if (f->ng)
			put(m, (uint32_t[]){6, block, 0, high, low, cap, len}, 7);
		else /* a modified one adds interface, protocol, packet type */
			put(m, (uint32_t[]){s, tick, cap, len, 0, 0}, f->modified ? 6 : 4);
		fwrite(m->room + m->from, 1, cap, m->out);
		fwrite("\0\0", 1, pad, m->out);
		put(m, &block, f->ng);
	}
}

/* sends what is in the room as the payload of IP, in fragments if asked to */
static void ip_send(struct mkpcap *m, struct hop *h)
{
	const uint64_t *o = m->o;
	size_t len = m->to - m->from, size = o[FRAG] == UNSET ? len : o[FRAG];
	size_t pieces = size ? (len + size - 1) / size : 1;

	if (o[FRAG] != UNSET && (!size || size % 8))
		fail(m, "frag must be a multiple of 8");
	memcpy(m->whole, m->room + m->from, len);
	m->ip_id++;
	h->ttl = o[TTL] == UNSET ? 64 : o[TTL];
	h->length = o[IPLEN];
	h->fragment = pieces > 1;
	for (size_t i = 0; i < pieces - (o[INCOMPLETE] && pieces > 1) && !m->failed; i++) {
		size_t k = o[REVERSE] ? pieces - 1 - i : i,
		       end = k + 1 < pieces ? (k + 1) * size : len;
		size_t more = (o[OVERLAP] || o[CONFLICT]) && end + 8 <= len ? 8 : 0;

		m->from = m->to = HEADROOM;
		data_add(m, m->whole + k * size, end + more - k * size);
		if (more && o[CONFLICT])
			memset(m->room + m->to - 8, 'X', 8);
		h->offset = k * size;
		h->more = k + 1 < pieces;
		unsigned type = push_ip(m, h);
		for (size_t w = m->nwraps; w-- > 0;)
			type = push_wrap(m, &m->wraps[w], type);
		for (size_t v = m->flow ? m->flow->nvlans : 0; v-- > 0; type = ETH_P_8021Q)
			push_layer(m, &wraps[0], m->flow->vlans[v], type);
		push_layer(m, m->link, 0, type);
		frame_write(m);
	}
}

/* --- directives --- */

/* a second hole is not kept apart: a script with two of them gives its own `ack` */
static void side_sent(struct side *s, uint32_t start, uint32_t end)
{
	bool inside = (int32_t)(start - s->done) <= 0;

	if (!inside && (s->far == s->done || (int32_t)(start - s->far) < 0))
		s->far = start;
	if (inside && (int32_t)(end - s->done) > 0)
		s->done = end;
	if ((int32_t)(end - s->next) > 0)
		s->next = end;
	if ((int32_t)(s->far - s->done) <= 0)
		s->done = s->far = s->next;
}

static void push_tcp(struct mkpcap *m, struct flow *f, struct hop *h)
{
	static const char letters[] = "FSRPAUEC";
	struct side *me = &f->side[m->back], *peer = &f->side[!m->back];
	const uint64_t *o = m->o;
	unsigned flags = 0;

	for (const char *at = need(m, "flags"); *at && strcmp(at, "-") != 0; at++) {
		const char *letter = strchr(letters, *at);
		if (!letter)
			fail(m, "not a flag: %c", *at);
		flags |= letter ? 1u << (letter - letters) : 0;
	}
	packet_words(m);
	bool at_isn = flags & TH_SYN && o[OFFSET] == UNSET;
	uint32_t data = o[OFFSET] != UNSET ? me->isn + 1 + (uint32_t)o[OFFSET]
			: at_isn           ? me->isn + 1
					   : me->next;
	if (o[SEQ] == UNSET)
		side_sent(me, data, data + (uint32_t)(m->to - m->from) + (flags & TH_FIN));
	uint32_t ack = o[ACKED] != UNSET        ? (uint32_t)o[ACKED]
		       : o[ACK_OFFSET] != UNSET ? peer->isn + 1 + (uint32_t)o[ACK_OFFSET]
		       : flags & TH_ACK         ? peer->done
						: 0;

	size_t size = 20 + (flags & TH_SYN ? 4 : 0) + (flags & TH_SYN && f->wscale ? 4 : 0);
	uint8_t *tcp = push(m, size);
	be(tcp, me->addr.port, 2);
	be(tcp + 2, peer->addr.port, 2);
	be(tcp + 4, o[SEQ] != UNSET ? o[SEQ] : data - at_isn, 4);
	be(tcp + 8, ack, 4);
	be(tcp + 12, size / 4 << 12 | flags, 2);
	be(tcp + 14, o[WIN] == UNSET ? 65535 : o[WIN], 2);
	if (size > 20)
		be(tcp + 20, 0x020405b4, 4); /* MSS 1460 */
	if (size > 24)
		be(tcp + 24, 0x01030307, 4); /* window scale 7 */
	h->proto = IPPROTO_TCP;
	h->bad_sum = o[BADSUM];
	be(tcp + 16, checksum(m, h), 2);
}

static void push_sctp(struct mkpcap *m, const struct hop *h)
{
	uint8_t *sctp = push(m, 12);
	uint32_t crc = UINT32_MAX;

	be(sctp, h->src.port, 2);
	be(sctp + 2, h->dst.port, 2);
	be(sctp + 4, 1, 4); /* verification tag */
	for (size_t i = m->from; i < m->to; i++) {
		crc ^= m->room[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	be(sctp + 8, htobe32(htole32(~crc)) ^ (h->bad_sum ? 0x5555 : 0), 4);
}

static void do_packet(struct mkpcap *m, const char *name)
{
	size_t i = m->nflows;

	while (i > 0 && strcmp(m->flows[i - 1].name, name) != 0)
		i--;
	bool back = accept_word(m, "<");
	if (!i || (!back && !accept_word(m, ">"))) {
		fail(m, i ? "%s must be followed by > or <" : "unknown word: %s", name);
		return;
	}
	struct flow *f = &m->flows[i - 1];
	struct hop h = {f->side[back].addr, f->side[!back].addr, IPPROTO_UDP, .bad_sum = false};
	packet_begin(m, f, back);
	if (f->tcp) {
		push_tcp(m, f, &h);
	} else {
		packet_words(m);
		h.bad_sum = m->o[BADSUM];
		push_udp(m, &h);
	}
	ip_send(m, &h);
}

static void do_flow(struct mkpcap *m, const char *name)
{
	struct flow f = {.side = {{.isn = 1000}, {.isn = 2000}}};
	const char *proto;

	name = need(m, "a name");
	proto = need(m, "tcp or udp");
	snprintf(f.name, sizeof f.name, "%s", name);
	f.tcp = strcmp(proto, "tcp") == 0;
	if (strlen(name) >= sizeof f.name || (!f.tcp && strcmp(proto, "udp") != 0))
		fail(m, "flow NAME tcp|udp, not: %s %s", name, proto);
	for (int i = 0; i < 2; i++)
		f.side[i].addr = address(m, true);
	while (m->next < m->nwords && !m->failed) {
		if (accept_word(m, "isn"))
			for (int i = 0; i < 2; i++)
				f.side[i].isn = (uint32_t)number(m, UINT32_MAX);
		else if (accept_word(m, "wscale"))
			f.wscale = true;
		else if (accept_word(m, "vlan") && f.nvlans < 4)
			f.vlans[f.nvlans++] = number(m, 4095);
		else
			fail(m, "unknown or one too many: %s", need(m, "an option"));
	}
	for (int i = 0; i < 2; i++)
		f.side[i].next = f.side[i].done = f.side[i].far = f.side[i].isn + 1;
	if (f.side[0].addr.v6 != f.side[1].addr.v6)
		fail(m, "IPv4 and IPv6 in one flow");
	if (m->nflows % FLOWS_STEP == 0) {
		struct flow *grown = realloc(m->flows, (m->nflows + FLOWS_STEP) * sizeof *grown);
		if (!grown) {
			fail(m, "no memory");
			return;
		}
		m->flows = grown;
	}
	m->flows[m->nflows++] = f;
}

/* ip, icmp, sctp: one packet between two addresses */
static void do_ip(struct mkpcap *m, const char *name)
{
	bool sctp = *name == 's', icmp = strcmp(name, "icmp") == 0;
	struct hop h = {.src = address(m, sctp)};

	h.dst = address(m, sctp);
	h.proto = sctp ? IPPROTO_SCTP : h.src.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	if (h.src.v6 != h.dst.v6)
		fail(m, "IPv4 and IPv6 in one packet");
	packet_begin(m, NULL, false);
	if (!sctp && !icmp)
		h.proto = (unsigned)number(m, 255);
	uint64_t type = icmp ? number(m, 255) : 0, code = icmp ? number(m, 255) : 0;
	packet_words(m);
	h.bad_sum = m->o[BADSUM];
	if (sctp)
		push_sctp(m, &h);
	if (icmp) {
		uint8_t *at = push(m, 4);
		be(at, type << 8 | code, 2);
		uint64_t v4 = sum(h.bad_sum ? 0x5555 : 0, at, m->to - m->from);
		be(at + 2, h.src.v6 ? checksum(m, &h) : fold(v4), 2);
	}
	ip_send(m, &h);
}

static void do_arp(struct mkpcap *m, const char *name)
{
	static const struct layer request = {"arp", "0001080006040001S6", .type = ETH_P_ARP};
	struct addr src = address(m, false), dst = address(m, false);
	uint8_t ends[14] = {0};

	packet_begin(m, NULL, false);
	memcpy(ends, src.ip, 4);
	memcpy(ends + 10, dst.ip, 4);
	data_add(m, ends, sizeof ends);
	packet_words(m);
	if (src.v6 || dst.v6)
		fail(m, "%s knows IPv4 only", name);
	push_layer(m, &request, 0, 0);
	push_layer(m, m->link, 0, ETH_P_ARP);
	frame_write(m);
}

/* frame, trailing */
static void do_bytes(struct mkpcap *m, const char *name)
{
	packet_begin(m, NULL, false);
	packet_words(m);
	if (*name == 'f') {
		frame_write(m);
		return;
	}
	file_start(m);
	fwrite(m->room + m->from, 1, m->to - m->from, m->out);
}

static const struct layer *layer_find(struct mkpcap *m, const struct layer *l, const char *name)
{
	while (l->name && strcmp(l->name, name) != 0)
		l++;
	if (!l->name)
		fail(m, "unknown: %s", name);
	return l;
}

static void do_wrap(struct mkpcap *m, const char *name)
{
	if (accept_word(m, "off")) {
		m->nwraps = 0;
		return;
	}
	struct wrap w = {.layer = layer_find(m, wraps, need(m, "a kind"))};
	if (w.layer->id)
		w.id = number(m, UINT32_MAX);
	if (w.layer->protocol) {
		w.src = address(m, false);
		w.dst = address(m, false);
	}
	if (w.src.v6 != w.dst.v6 || m->nwraps == MAX_WRAPS)
		fail(m, "%s: IPv4 and IPv6 mixed, or more than %d", name, MAX_WRAPS);
	else
		m->wraps[m->nwraps++] = w;
}

/* format, link, snaplen */
static void do_header(struct mkpcap *m, const char *name)
{
	if (m->started)
		fail(m, "%s after the first packet", name);
	if (*name == 's') {
		m->snaplen = number(m, UINT32_MAX);
		return;
	}
	const char *value = need(m, name);
	if (*name == 'l') {
		m->link = layer_find(m, links, value);
		return;
	}
	for (m->format = formats; m->format->name && strcmp(m->format->name, value) != 0;)
		m->format++;
	if (!m->format->name)
		fail(m, "unknown: %s", value);
}

/* time, step, wait */
static void do_clock(struct mkpcap *m, const char *name)
{
	uint64_t ns = seconds(m);

	if (*name == 's')
		m->step = ns;
	else
		m->now = ns + (*name == 'w' ? m->now : 0);
}

/* repeat, end, truncate */
static void do_control(struct mkpcap *m, const char *name)
{
	bool end = *name == 'e';
	uint64_t n = end ? 0 : number(m, UINT32_MAX);

	if (*name == 't') {
		m->cut += n;
	} else if (end != !!m->loop_line || (!end && !n)) {
		fail(m, "%s: repeat inside repeat, without end, or no times", name);
	} else if (!end) {
		m->loop_line = m->line;
		m->rounds = n;
		m->round = 0;
	} else if (++m->round < m->rounds) {
		m->line = m->loop_line;
	} else {
		m->loop_line = 0;
	}
}

/* Bytes to be sent in pieces. */
struct scattered {
	const char *name;
	bool back;
	const uint8_t *bytes;
	size_t len, size; /* of all, of a piece */
};

static void scatter_one(struct mkpcap *m, const struct scattered *s, size_t i)
{
	size_t from = i * s->size, n = s->size + (i % 7 == 6 ? s->size / 3 : 0), used;
	char line[MAX_LINE];

	n = n < s->len - from ? n : s->len - from;
	used = (size_t)snprintf(line, sizeof line, "%s %c PA @%zu%s ", s->name, s->back ? '<' : '>',
				from, i % 9 == 8 ? " dup" : "");
	for (size_t k = 0; k < n; k++)
		used += (size_t)snprintf(line + used, 3, "%02x", s->bytes[from + k]);
	line_take(m, line);
	do_packet(m, need(m, "a name"));
}

static void scatter_all(struct mkpcap *m, const struct scattered *s, uint32_t state)
{
	enum { NEAR = 64 };
	size_t n = (s->len + s->size - 1) / s->size;

	for (size_t at = 0; at < n; at += NEAR) {
		size_t k = n - at < NEAR ? n - at : NEAR, order[NEAR];

		for (size_t i = 0; i < k; i++) {
			size_t j;

			state = state * 1103515245u + 12345u;
			j = (state >> 16) % (i + 1);
			order[i] = at + i;
			order[i] = order[j];
			order[j] = at + i;
		}
		for (size_t i = 0; i < k && !m->failed; i++)
			scatter_one(m, s, order[i]);
	}
}

static void do_scatter(struct mkpcap *m, const char *word)
{
	struct scattered s = {.name = ""};
	char name[32], path[4096];
	uint8_t *bytes = NULL;
	uint32_t seed;
	unsigned port;

	(void)word;
	snprintf(name, sizeof name, "%s", need(m, "a name"));
	s.name = name;
	s.back = accept_word(m, "<");
	if (!s.back && !accept_word(m, ">"))
		fail(m, "scatter NAME must be followed by > or <");
	snprintf(path, sizeof path, "%s", need(m, "a capture"));
	port = (unsigned)number(m, 65535);
	s.size = number(m, 16384);
	seed = (uint32_t)number(m, UINT32_MAX);
	if (!m->failed)
		bytes = capture_side(path, port, s.back, &s.len);
	if (!m->failed && (!bytes || !s.size))
		fail(m, "no bytes to scatter: %s port %u", path, port);
	s.bytes = bytes;
	if (bytes && s.size)
		scatter_all(m, &s, seed);
	free(bytes);
}

static const struct directive {
	const char *name;
	void (*run)(struct mkpcap *m, const char *name);
} directives[] = {{"format", do_header},  {"link", do_header},      {"snaplen", do_header},
		  {"time", do_clock},     {"step", do_clock},       {"wait", do_clock},
		  {"flow", do_flow},      {"icmp", do_ip},          {"sctp", do_ip},
		  {"ip", do_ip},          {"arp", do_arp},          {"frame", do_bytes},
		  {"trailing", do_bytes}, {"truncate", do_control}, {"repeat", do_control},
		  {"end", do_control},    {"wrap", do_wrap},        {"scatter", do_scatter}};

/* lines of the test runner, comments */
static bool skip(const char *line)
{
	static const char *const words[] = {"expect", "options", "run"};
	size_t len = strcspn(line, " \t");

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == len && strncmp(line, words[i], len) == 0)
			return true;
	return *line == '#';
}

static void script_run(struct mkpcap *m)
{
	size_t ndirectives = sizeof directives / sizeof *directives;

	while (m->line < m->nlines && !m->failed) {
		const char *line = m->lines[m->line++], *name;
		size_t i = 0;

		if (skip(line))
			continue;
		line_take(m, line);
		if (!m->nwords || m->failed)
			continue;
		name = need(m, "a word");
		while (i < ndirectives && strcmp(directives[i].name, name) != 0)
			i++;
		(i < ndirectives ? directives[i].run : do_packet)(m, name);
		if (m->next < m->nwords)
			fail(m, "too much: %s", m->words[m->next].at);
	}
	if (m->loop_line)
		fail(m, "repeat without end");
	if (!m->failed)
		file_start(m);
}

/* --- files --- */

static int script_read(struct mkpcap *m, FILE *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, in)) >= 0) {
		if (m->nlines % LINES_STEP == 0) {
			char **grown = realloc(m->lines, (m->nlines + LINES_STEP) * sizeof *grown);
			if (!grown)
				break;
			m->lines = grown;
		}
		while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = 0;
		m->lines[m->nlines] = line;
		m->nlines++;
		line = NULL;
		cap = 0;
	}
	free(line);
	return feof(in) && !ferror(in) ? 0 : -EIO;
}

static int file_save(const char *path, const char *at, size_t len)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *out = standard ? stdout : fopen(path, "wb");
	bool whole = out && fwrite(at, 1, len, out) == len && fflush(out) == 0;
	int err = whole ? 0 : -errno;

	if (out && !standard && fclose(out) != 0 && !err)
		err = -errno;
	return err;
}

static int run(struct mkpcap *m, const char *path)
{
	FILE *in = strcmp(m->name, "-") == 0 ? stdin : fopen(m->name, "r");
	char *made = NULL;
	size_t len = 0;
	int err = in ? script_read(m, in) : -errno;

	if (in && in != stdin)
		fclose(in);
	if (err) {
		errno = -err;
		fprintf(stderr, "%s: %m\n", m->name);
		return err;
	}
	m->out = open_memstream(&made, &len);
	if (!m->out)
		return -ENOMEM;
	script_run(m);
	if (fclose(m->out) != 0)
		fail(m, "no memory");
	if (!m->failed) {
		err = file_save(path, made, len - (m->cut < len ? m->cut : len));
		errno = -err;
		if (err)
			fprintf(stderr, "%s: %m\n", path);
	}
	free(made);
	return m->failed ? -EINVAL : err;
}

int main(int argc, char **argv)
{
	struct mkpcap *m = argc == 3 ? calloc(1, sizeof *m) : NULL;

	if (!m) {
		fprintf(stderr, "usage: mkpcap SCRIPT OUT\n");
		return 2;
	}
	m->name = argv[1];
	m->format = formats;
	m->link = links;
	m->snaplen = MAX_DATA;
	m->now = 1700000000 * NS;
	m->step = NS / 1000;
	int err = run(m, argv[2]);
	for (size_t i = 0; i < m->nlines; i++)
		free(m->lines[i]);
	free(m->lines);
	free(m->flows);
	free(m);
	return err ? 2 : 0;
}
