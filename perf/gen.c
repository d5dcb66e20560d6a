/* SPDX-License-Identifier: MIT */
/*
 * gen — makes the captures that perf/bench measures with.
 *
 * Why not real traffic: anyone must be able to make the same file again, byte for byte, and its
 * exact totals must be known, so that a fast but wrong run is noticed. Nothing is random but
 * by a fixed seed: a shape and a scale name a file completely.
 *
 * How: a flow is a small script that emits one packet per step and then sleeps for some
 * microseconds on a timer wheel. So thousands of flows interleave packet by packet, cause comes
 * before effect inside each, and nothing is sorted. Memory: the flows (72 bytes each) and 10 MB.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_S    1700000000u /* time of the first packet; any fixed date will do */
#define US_PER_S   1000000u
#define SCALE_MAX  100           /* keeps a bulk flow below 4 GB, the reach of its offsets */
#define WHEEL_US   (1u << 20)    /* slots of 1 us: the longest pause of a flow is 1.04 s */
#define POOL_BYTES (1u << 20)    /* payload is cut out of this, at random places */
#define FRAME_ROOM 2048u         /* more than any record: 16 + 14 + 1500 */
#define MSS        1460u         /* 1500 less two headers; over IPv6 20 less */
#define BULK_BYTES (25600 * MSS) /* per bulk flow at scale 1; 50 of them and ACKs make 2 GB */
#define WORD_LEN   6u
#define HOSTS      20000u /* a flow is told from all others by its client's address … */
#define PORTS      28000u /* … and port: 560 million pairs, enough for any scale */

enum side { CLIENT, SERVER };
enum tcp_flag { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };
enum proto { TCP = 6, UDP = 17 };

/*
 * A conversation is a row of turns, the client's first, then alternating. A turn is len bytes, of
 * which off were sent: the head, then pool bytes. TCP packets without data are its controls.
 */
struct flow {
	const struct talk *talk;
	uint32_t next;           /* on the same wheel slot: index + 1, 0 ends */
	uint32_t host, peer;     /* make the addresses of client and server */
	uint32_t tag;            /* random, constant: what the turns of a flow agree on */
	uint32_t seq[2];         /* next new one of each side */
	uint32_t start;          /* sequence number of the running turn's first byte */
	uint32_t len, off, body; /* body: place in the pool */
	uint32_t late;           /* offset of a segment to send out of order, 0 for none */
	uint16_t port[2], turn, turns;
	uint8_t late_left; /* new segments that go before it */
	uint8_t control, from, unacked;
	bool v6, missing, ack_due; /* missing: the late one was not sent before */
};

_Static_assert(sizeof(struct flow) <= 72, "there can be a million of them");

struct gen {
	const struct shape *shape;
	FILE *out;
	double scale;
	uint64_t random, now_us, packets, payload_bytes, wire_bytes;
	uint64_t http[2]; /* requests, responses */
	size_t head_len;
	uint8_t head[1024];        /* what starts a turn; shorter than a segment */
	uint8_t frame[FRAME_ROOM]; /* the packet in work, behind its record header */
	uint8_t pool[POOL_BYTES + FRAME_ROOM];
	uint32_t flow_count, wheel[WHEEL_US]; /* slots as flow.next */
	struct flow flows[];
};

/* A kind of conversation, and its part of the flows of a shape. */
struct talk {
	uint8_t share, proto;  /* share in percent */
	uint16_t port;         /* of the server, 0 for any */
	uint16_t turns, pairs; /* turns at least, and up to pairs - 1 further pairs */
	void (*turn)(struct gen *g, struct flow *f); /* sets head and len of a new turn */
};

struct shape {
	const char *name;
	struct talk talks[3];
	uint32_t flows;      /* at scale 1 */
	uint32_t gap_us;     /* between the starts of two flows */
	uint32_t delay_us;   /* mean pause of a flow between two of its packets */
	uint8_t ack_percent; /* turns whose end is acknowledged by a packet of its own */
	bool web;            /* text instead of random bytes, a tenth over IPv6 */
	bool bulk;           /* scale the bytes per flow, reorder and retransmit */
};

/* One stream for the whole file, always from the same start. */
static uint32_t rnd(struct gen *g)
{
	uint64_t x = g->random += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	return (uint32_t)(x >> 32);
}

static uint32_t below(struct gen *g, uint32_t limit)
{
	return (uint32_t)(((uint64_t)rnd(g) * limit) >> 32);
}

static const char *word(uint32_t pick)
{
	static const char words[][WORD_LEN + 1] = {"carbon", "falcon", "garnet", "harbor",
						   "kernel", "meadow", "orchid", "velvet"};

	return words[pick % (sizeof(words) / sizeof(words[0]))];
}

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (; bytes-- > 0; value >>= 8)
		at[bytes] = (uint8_t)value;
}

static void head_copy(struct gen *g, const void *from, size_t len)
{
	assert(len <= sizeof(g->head) - g->head_len);
	memcpy(g->head + g->head_len, from, len);
	g->head_len += len;
}

static uint8_t nibble(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/*
 * Appends a message written in hex digits. Letters stand for what differs: R 32 random bytes, S 32
 * that are the same in all turns; W and X a word, T two bytes, the same in a turn and its answer.
 */
static void head_pack(struct gen *g, const struct flow *f, const char *text)
{
	uint32_t exchange = f->tag + (f->turn + 1u) / 2, at;
	uint8_t byte[2];

	for (; *text != '\0'; text++) {
		if (*text == 'R' || *text == 'S') {
			at = *text == 'R' ? below(g, POOL_BYTES) : f->tag % POOL_BYTES;
			head_copy(g, g->pool + at, 32);
		} else if (*text == 'W' || *text == 'X') {
			head_copy(g, word(*text == 'W' ? exchange : f->tag >> 8), WORD_LEN);
		} else if (*text == 'T') {
			put(byte, exchange, 2);
			head_copy(g, byte, 2);
		} else if (*text != ' ') {
			byte[0] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
			head_copy(g, byte, 1);
			text++;
		}
	}
}

static uint8_t *l4_at(struct gen *g, const struct flow *f)
{
	return g->frame + 16 + 14 + (f->v6 ? 40 : 20);
}

/* RFC 1071: the sum may be taken in any byte order, if it is stored in the same. */
static uint64_t sum(uint64_t acc, const uint8_t *at, size_t len)
{
	uint32_t part;

	for (size_t i = 0; i < len; i += sizeof(part)) {
		memcpy(&part, at + i, sizeof(part));
		acc += part;
	}
	return acc;
}

static void sum_store(uint8_t *at, uint64_t acc)
{
	uint16_t folded;

	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	folded = (uint16_t)~acc;
	memcpy(at, &folded, sizeof(folded));
}

/* Clients are in 10.1.0.0/16 and 2001:db8:1::, servers in 198.18.0.0/16 and 2001:db8:2::. */
static void address_put(const struct flow *f, enum side side, uint8_t *at)
{
	uint32_t id = 1 + (side == CLIENT ? f->host : f->peer);

	if (f->v6) {
		put(at, side == CLIENT ? 0x20010db800010000u : 0x20010db800020000u, 8);
		put(at + 8, id, 8);
	} else {
		put(at, (side == CLIENT ? 0x0a010000u : 0xc6120000u) + id, 4);
	}
}

/* Writes the IP header; returns the sum of the pseudo header. */
static uint64_t ip_put(struct gen *g, const struct flow *f, enum side from, size_t l4_len)
{
	uint8_t *ip = g->frame + 16 + 14, ttl = from == CLIENT ? 64 : 57;
	uint64_t pseudo = (uint64_t)htons(f->talk->proto) + htons((uint16_t)l4_len);

	if (f->v6) {
		put(ip, 0x60000000u, 4);
		put(ip + 4, l4_len << 16 | (unsigned)f->talk->proto << 8 | ttl, 4);
		address_put(f, from, ip + 8);
		address_put(f, from ^ 1, ip + 24);
		return sum(pseudo, ip + 8, 32);
	}
	/* identification: the packet number; do not fragment */
	put(ip, (0x45000000u + 20 + l4_len) << 32 | (g->packets & 0xffff) << 16 | 0x4000, 8);
	put(ip + 8, (uint32_t)ttl << 24 | (uint32_t)f->talk->proto << 16, 4);
	address_put(f, from, ip + 12);
	address_put(f, from ^ 1, ip + 16);
	sum_store(ip + 10, sum(0, ip, 20));
	return sum(pseudo, ip + 12, 8);
}

/* Completes and writes a packet whose L4 header lacks ports and checksum. */
static void frame_send(struct gen *g, const struct flow *f, enum side from, size_t l4_len)
{
	uint8_t *eth = g->frame + 16, *l4 = l4_at(g, f);
	uint8_t *check = l4 + (f->talk->proto == TCP ? 16 : 6);
	uint32_t len = (uint32_t)(l4 + l4_len - eth);
	uint32_t record[] = {htole32(EPOCH_S + (uint32_t)(g->now_us / US_PER_S)),
			     htole32((uint32_t)(g->now_us % US_PER_S)), htole32(len), htole32(len)};

	memcpy(g->frame, record, sizeof(record));
	put(eth, from == CLIENT ? 0x020000000002u : 0x020000000001u, 6);
	put(eth + 6, from == CLIENT ? 0x020000000001u : 0x020000000002u, 6);
	put(eth + 12, f->v6 ? 0x86dd : 0x0800, 2);
	put(l4, f->port[from], 2);
	put(l4 + 2, f->port[from ^ 1], 2);
	put(check, 0, 2);
	put(l4 + l4_len, 0, 3); /* the sum is taken in words of four */
	sum_store(check, sum(ip_put(g, f, from, l4_len), l4, l4_len));
	if (f->talk->proto == UDP && check[0] == 0 && check[1] == 0)
		put(check, 0xffff, 2); /* RFC 768: 0 would mean "no checksum" */
	g->packets++;
	g->wire_bytes += len;
	fwrite_unlocked(g->frame, 1, sizeof(record) + len, g->out);
}

static bool turn_over(const struct flow *f)
{
	return f->off == f->len && f->late == 0;
}

static void turn_open(struct gen *g, struct flow *f)
{
	f->from = f->turn++ & 1;
	f->start = f->seq[f->from];
	f->off = 0;
	f->unacked = 0;
	f->body = below(g, POOL_BYTES);
	g->head_len = 0;
	f->talk->turn(g, f);
}

/* Places n bytes of the turn at off. But for the head, which goes once, they can be had again. */
static void turn_bytes(struct gen *g, const struct flow *f, uint8_t *to, uint32_t off, uint32_t n)
{
	memcpy(to, g->pool + (f->body + off) % POOL_BYTES, n);
	if (off == 0)
		memcpy(to, g->head, g->head_len);
	g->payload_bytes += n;
}

/* Emits the next datagram; each is a turn of its own. */
static bool udp_step(struct gen *g, struct flow *f)
{
	uint8_t *udp = l4_at(g, f);

	turn_open(g, f);
	turn_bytes(g, f, udp + 8, 0, f->len);
	put(udp + 4, 8 + f->len, 2);
	frame_send(g, f, f->from, 8 + f->len);
	return f->turn < f->turns;
}

static uint32_t mss(const struct flow *f)
{
	return f->v6 ? MSS - 20 : MSS;
}

/* Sends a segment whose payload is in place. What is missing is never acknowledged. */
static void tcp_send(struct gen *g, struct flow *f, enum side from, uint8_t flags, uint32_t seq,
		     size_t len)
{
	uint32_t ack = f->missing && from != f->from ? f->start + f->late : f->seq[from ^ 1];
	size_t header = flags & SYN ? 32 : 20;
	uint8_t *tcp = l4_at(g, f);

	put(tcp + 4, seq, 4);
	put(tcp + 8, flags & ACK ? ack : 0, 4);
	put(tcp + 12, header << 26 | flags << 16 | (flags & SYN ? 64240 : 1026), 4);
	put(tcp + 16, 0, 4); /* checksum and urgent pointer */
	if (flags & SYN) {   /* segment size; window times 128; selective ACK permitted */
		put(tcp + 20, 0x02040000u | mss(f), 4);
		put(tcp + 24, 0x0103030701010402u, 8);
	}
	frame_send(g, f, from, header + len);
}

/* Takes the next new segment. In bulk, 1 % let one to three others pass, 0.5 % are sent twice. */
static uint32_t segment_next(struct gen *g, struct flow *f)
{
	bool choose = g->shape->bulk && f->late == 0 && f->off > 0 && f->len - f->off >= 4 * MSS;
	uint32_t off = f->off, dice = choose ? below(g, 200) : 200;

	if (f->late_left > 0)
		f->late_left--;
	if (dice < 3) {
		f->late = off;
		f->missing = dice < 2;
		f->late_left = (uint8_t)(f->missing ? below(g, 3) : 2 + below(g, 5));
		off += f->missing ? MSS : 0;
	}
	f->off = f->len - off < mss(f) ? f->len : off + mss(f);
	f->seq[f->from] = f->start + f->off;
	return off;
}

static void segment_send(struct gen *g, struct flow *f)
{
	uint32_t n, off = f->late;

	if (off > 0 && (f->late_left == 0 || f->off == f->len)) {
		f->late = 0;
		f->missing = false;
	} else {
		off = segment_next(g, f);
	}
	n = f->len - off < mss(f) ? f->len - off : mss(f);
	turn_bytes(g, f, l4_at(g, f) + 20, off, n);
	tcp_send(g, f, f->from, off + n == f->len ? ACK | PSH : ACK, f->start + off, n);
	f->unacked++;
	f->ack_due = f->unacked == 2 || (turn_over(f) && below(g, 100) < g->shape->ack_percent);
}

/* Emits the next packet of a connection: handshake, turns, close from the client's side. */
static bool tcp_step(struct gen *g, struct flow *f)
{
	static const uint8_t controls[] = {SYN, SYN | ACK, ACK, FIN | ACK, FIN | ACK, ACK};
	const uint8_t close = 3;
	enum side from = f->control % close & 1;
	uint8_t flags = controls[f->control];

	if (f->ack_due) {
		tcp_send(g, f, f->from ^ 1, ACK, f->seq[f->from ^ 1], 0);
		f->ack_due = false;
		f->unacked = 0;
		return true;
	}
	if (f->control == close && turn_over(f) && f->turn < f->turns)
		turn_open(g, f);
	if (!turn_over(f)) {
		segment_send(g, f);
		return true;
	}
	tcp_send(g, f, from, flags, f->seq[from], 0);
	if (flags & (SYN | FIN))
		f->seq[from]++;
	return ++f->control < sizeof(controls);
}

static const char http_get[] =
	"GET /%s/%s-%06" PRIx32 ".html HTTP/1.1\r\nHost: www.%s.example\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-US,en\r\n"
	"Accept-Encoding: identity\r\nReferer: http://www.%s.example/%s/index.html\r\n"
	"Cookie: session=%08" PRIx32 "%0*" PRIx32 "\r\nConnection: keep-alive\r\n\r\n";

static const char http_ok[] =
	"HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nServer: bench/1.0\r\n"
	"Content-Type: %s\r\nContent-Length: %" PRIu32 "\r\nETag: \"%08" PRIx32 "\"\r\n"
	"Last-Modified: Mon, 13 Nov 2023 08:00:00 GMT\r\nConnection: keep-alive\r\n\r\n";

static void http_turn(struct gen *g, struct flow *f)
{
	const char *site = word(f->peer), *path = word(rnd(g));
	const char *type = g->shape->web ? "text/html" : "application/octet-stream";
	uint32_t body = g->shape->bulk ? (uint32_t)(BULK_BYTES * g->scale) : 200 + below(g, 2600);
	char *to = (char *)g->head;

	if (f->from == CLIENT)
		g->head_len = (size_t)snprintf(to, sizeof(g->head), http_get, path, word(f->tag),
					       rnd(g) >> 8, site, site, path, f->tag,
					       (int)((f->tag + f->turn * 31) % 128), ~f->tag);
	else
		g->head_len = (size_t)snprintf(to, sizeof(g->head), http_ok, type, body, rnd(g));
	f->len = (uint32_t)g->head_len + (f->from == CLIENT ? 0 : body);
	g->http[f->from != CLIENT]++;
}

/* Lengths are fixed because words are. The name is W.X.example, the versions are 1.3 and 1.2. */
static const char client_hello[] =
	"16 0301 00c3 01 0000bf 0303 R 20 S 0008 1301 1303 c02f c030 01 00 006e"
	"0000 001a 0018 00 0015 W 2e X 2e 6578616d706c65"   /* server_name */
	"000a 0004 0002 001d 000d 0008 0006 0403 0804 0401" /* groups, signature algorithms */
	"0010 0005 0003 02 6832 002b 0005 04 0304 0303"     /* ALPN h2, versions */
	"0033 0026 0024 001d 0020 R";                       /* key share x25519 */

static const char server_hello_13[] =
	"16 0303 007a 02 000076 0303 R 20 S 1301 00 002e 002b 0002 0304 0033 0024 001d 0020 R"
	"14 0303 0001 01 17 0303 0000";

static const char server_hello_12[] =
	"16 0303 0051 02 00004d 0303 R 20 S c02f 00 0005 ff01 0001 00 14 0303 0001 01 16 0303 0000";

/* Version 1.3 with a full handshake, or 1.2 resuming a session, so without certificate. */
static void tls_turn(struct gen *g, struct flow *f)
{
	bool v13 = f->tag % 4 != 0;
	uint32_t data = f->from == CLIENT ? 200 + below(g, 600) : 2000 + below(g, 24000);

	if (f->turn == 1) {
		data = 0;
		head_pack(g, f, client_hello);
	} else if (f->turn == 2) {
		data = v13 ? 2000 + below(g, 2000) : 40;
		head_pack(g, f, v13 ? server_hello_13 : server_hello_12);
	} else { /* as HTTP/2: headers, then data, records of their own */
		if (f->turn == 3) {
			head_pack(g, f, v13 ? "140303000101 17" : "140303000101 16");
			head_pack(g, f, "0303 0040 R R"); /* Finished */
		}
		head_pack(g, f, "17 0303 0020 R 17 0303 0000");
	}
	data = data < 16384 ? data : 16384;
	if (data > 0) /* the head ends with the record header of what follows it */
		put(g->head + g->head_len - 2, data, 2);
	f->len = (uint32_t)g->head_len + data;
}

/* Asks for A, AAAA and A of other names in turn; each response has one answer. */
static void dns_turn(struct gen *g, struct flow *f)
{
	bool ask = f->from == CLIENT, aaaa = (f->turn + 1) / 2 % 2 == 0;

	head_pack(g, f, ask ? "T 0100 0001 0000 00000000" : "T 8180 0001 0001 00000000");
	head_pack(g, f, "06 W 06 X 07 6578616d706c65 00");
	head_pack(g, f, aaaa ? "001c 0001" : "0001 0001"); /* type; class IN */
	if (!ask && aaaa)
		head_pack(g, f, "c00c 001c 0001 0000012c 0010 20010db8 00020000 00000000 0000 T");
	else if (!ask)
		head_pack(g, f, "c00c 0001 0001 0000012c 0004 c613 T");
	f->len = (uint32_t)g->head_len;
}

static void opaque_turn(struct gen *g, struct flow *f)
{
	bool bulk = g->shape->bulk && f->from == SERVER;

	f->len = bulk ? (uint32_t)(BULK_BYTES * g->scale) : 10 + below(g, 51);
}

/* Kept from clang-format, which would give every field a line. */
/* clang-format off */
static const struct shape shapes[] = {
	{ .name = "http", .flows = 200000, .gap_us = 300, .delay_us = 20000, .ack_percent = 50,
	  .web = true, .talks = {
	  { .share = 100, .proto = TCP, .port = 80, .turns = 6, .pairs = 3, .turn = http_turn } } },
	{ .name = "bulk", .flows = 50, .gap_us = 1000, .delay_us = 300, .bulk = true, .talks = {
	  { .share = 50, .proto = TCP, .port = 80, .turns = 2, .pairs = 1, .turn = http_turn },
	  { .share = 50, .proto = TCP, .turns = 2, .pairs = 1, .turn = opaque_turn } } },
	{ .name = "small", .flows = 1000000, .gap_us = 13, .delay_us = 230000, .ack_percent = 5,
	  .talks = {
	  { .share = 40, .proto = UDP, .port = 53, .turns = 2, .pairs = 3, .turn = dns_turn },
	  { .share = 30, .proto = UDP, .turns = 20, .pairs = 11, .turn = opaque_turn },
	  { .share = 30, .proto = TCP, .turns = 18, .pairs = 8, .turn = opaque_turn } } },
	{ .name = "tls", .flows = 18000, .gap_us = 1000, .delay_us = 5000, .ack_percent = 50,
	  .talks = {
	  { .share = 100, .proto = TCP, .port = 443, .turns = 4, .pairs = 7, .turn = tls_turn } } },
};
/* clang-format on */

static void flow_start(struct gen *g, struct flow *f, uint32_t index)
{
	const struct talk *talk = g->shape->talks;
	uint32_t dice = below(g, 100);

	while (dice >= talk->share)
		dice -= talk++->share;
	f->talk = talk;
	f->host = index % HOSTS;
	f->peer = below(g, 2000);
	f->tag = rnd(g);
	f->v6 = g->shape->web && below(g, 10) == 0;
	f->turns = (uint16_t)(talk->turns + 2 * below(g, talk->pairs));
	f->seq[CLIENT] = rnd(g);
	f->seq[SERVER] = index % 16 == 15 ? 0u - below(g, 4096) : rnd(g); /* some wrap for sure */
	/* 7919 has no divisor in common with PORTS, so a host's flows all get different ports. */
	f->port[CLIENT] = (uint16_t)(32768 + (index / HOSTS * 7919 + f->host * 31) % PORTS);
	f->port[SERVER] = talk->port != 0 ? talk->port : (uint16_t)(20000 + below(g, 10000));
}

static void wheel_add(struct gen *g, struct flow *f, uint64_t at_us)
{
	uint32_t *slot = &g->wheel[at_us % WHEEL_US];

	f->next = *slot;
	*slot = (uint32_t)(f - g->flows) + 1;
}

static void run(struct gen *g)
{
	uint32_t started = 0, alive = 0, next;

	for (g->now_us = 0; started < g->flow_count || alive > 0; g->now_us++) {
		if (started < g->flow_count && g->now_us == (uint64_t)started * g->shape->gap_us) {
			flow_start(g, &g->flows[started], started);
			wheel_add(g, &g->flows[started++], g->now_us);
			alive++;
		}
		next = g->wheel[g->now_us % WHEEL_US];
		g->wheel[g->now_us % WHEEL_US] = 0;
		while (next > 0) {
			struct flow *f = &g->flows[next - 1];

			next = f->next;
			if (f->talk->proto == TCP ? tcp_step(g, f) : udp_step(g, f))
				wheel_add(g, f, g->now_us + 1 + below(g, 2 * g->shape->delay_us));
			else
				alive--;
		}
	}
}

static void pool_fill(struct gen *g)
{
	for (size_t i = 0; i < sizeof(g->pool); i++)
		g->pool[i] = (uint8_t)rnd(g);
	for (size_t i = 0; g->shape->web && i + WORD_LEN < sizeof(g->pool); i += WORD_LEN + 1) {
		memcpy(g->pool + i, word(rnd(g)), WORD_LEN);
		g->pool[i + WORD_LEN] = below(g, 12) == 0 ? '\n' : ' ';
	}
}

/* Writes the capture, then beside it the totals: who finds those has a whole capture. */
static bool files_write(struct gen *g, const char *path)
{
	const uint32_t header[] = {htole32(0xa1b2c3d4), htole32(0x40002), 0, 0,
				   htole32(262144),     htole32(1)};
	char truth[4096];
	bool ok;

	snprintf(truth, sizeof(truth), "%s.truth", path);
	remove(truth);
	g->out = fopen(path, "w");
	if (g->out == NULL)
		return false;
	setvbuf(g->out, NULL, _IOFBF, 4u << 20);
	fwrite(header, 1, sizeof(header), g->out);
	run(g);
	ok = !ferror(g->out);
	if (fclose(g->out) != 0 || !ok)
		return false;

	g->out = fopen(truth, "w");
	if (g->out == NULL)
		return false;
	fprintf(g->out, "{\"packets\":%" PRIu64 ",\"flows\":%" PRIu32, g->packets, g->flow_count);
	fprintf(g->out, ",\"payload_bytes\":%" PRIu64 ",\"wire_bytes\":%" PRIu64, g->payload_bytes,
		g->wire_bytes);
	fprintf(g->out, ",\"requests\":%" PRIu64 ",\"responses\":%" PRIu64 "}\n", g->http[0],
		g->http[1]);
	return fclose(g->out) == 0; /* where so short a file meets its errors */
}

static int generate(const struct shape *shape, double scale, const char *path)
{
	uint32_t flows = shape->bulk ? shape->flows : (uint32_t)(shape->flows * scale + 0.5);
	struct gen *g = calloc(1, sizeof(*g) + flows * sizeof(g->flows[0]));
	bool ok = false;

	if (g != NULL) {
		g->shape = shape;
		g->scale = scale;
		g->flow_count = flows;
		pool_fill(g);
		ok = files_write(g, path);
	}
	if (!ok)
		perror(path);
	free(g);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	double scale = argc > 3 ? strtod(argv[3], &end) : 1;
	bool usable = argc == 3 || (argc == 4 && end != argv[3] && *end == '\0');

	usable = usable && scale > 0 && scale <= SCALE_MAX;
	for (size_t i = 0; usable && i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (strcmp(argv[1], shapes[i].name) == 0)
			return generate(&shapes[i], scale, argv[2]);
	fprintf(stderr, "usage: gen http|bulk|small|tls OUT.pcap [scale up to %d]\n", SCALE_MAX);
	return EXIT_FAILURE;
}
