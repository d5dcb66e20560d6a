/* SPDX-License-Identifier: MIT */
/* decode — IP and transport headers, checksums, directions, fragments through the decoder. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/decode/csum.h"
#include "user/decode/decode.h"
#include "user/flow/key.h"

enum { RAW = 101, CLIENT = 0x0a000001, SERVER = 0x0a000002 };

static struct decode_conf conf;
static struct decoder decoder;
static struct packets packets;
static struct guard guard;
static struct iface iface;

static void begin(void)
{
	conf = (struct decode_conf){.checksum = CHECKSUM_COUNT, .max_layers = 32};
	for (int i = 0; i < 10; i++)
		conf.key.word[i] = 0x9e3779b97f4a7c15ULL * (uint64_t)(i + 1);
	iface = (struct iface){.linktype = RAW};
	CU_ASSERT_EQUAL_FATAL(decoder_open(&decoder, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(packets_open(&packets, 64), 0);
	CU_ASSERT_TRUE_FATAL(guard_open(&guard, BUILD_MAX));
}

static void end(void)
{
	decoder_close(&decoder);
	packets_close(&packets);
	guard_close(&guard);
}

static const uint8_t *buffer;

static const struct packet *decode_cut(const struct build *b, uint32_t cap)
{
	struct frame f = {.caplen = cap, .len = (uint32_t)b->n};
	struct block block = {.frame = &f, .n = 1, .fill = cap};

	block.buf = guard_put(&guard, b->at, cap);
	buffer = block.buf;
	decode_begin(&decoder, &packets);
	decode_frame(&decoder, &block, &iface, &packets, 0);
	return &packets.row[0];
}

static const struct packet *decode_whole(const struct build *b)
{
	return decode_cut(b, (uint32_t)b->n);
}

static void build_tcp(struct build *b, bool v6, const char *text)
{
	size_t ip, tcp;

	b->n = 0;
	ip = v6 ? put_ipv6(b, 6, 1, 2) : put_ipv4(b, 6, CLIENT, SERVER);
	tcp = put_tcp(b, 1111, 80, 1000, 0x18);
	put_text(b, text);
	end_tcp(b, tcp, ip);
	if (v6)
		end_ipv6(b, ip);
	else
		end_ipv4(b, ip);
}

static void test_checksum_of_any_length(void)
{
	static uint8_t bytes[700];
	struct dice d = dice_of(81);

	CU_ASSERT_TRUE_FATAL(guard_open(&guard, sizeof(bytes)));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		const uint8_t *at;
		uint16_t got, expect;

		dice_fill(&d, bytes, n);
		if (n % 3 == 0)
			memset(bytes, 0xff, n);
		at = guard_put(&guard, bytes, n);
		got = csum_fold(csum_add(0, at, n));
		expect = __builtin_bswap16(naive_fold(naive_sum(0, bytes, n)));
		CHECK(got == expect, "%zu bytes: %04x, not %04x", n, got, expect);
	}
	guard_close(&guard);
}

/* One bit wrong anywhere in header or payload is seen, and --checksum-validation decides. */
static void test_bad_checksums(void)
{
	static struct build b;

	begin();
	for (int v6 = 0; v6 < 2; v6++) {
		build_tcp(&b, v6, "odd length of payload");
		CU_ASSERT_EQUAL(decode_whole(&b)->flags & PACKET_BAD_L4_SUM, 0);
		for (size_t at = v6 ? 40 : 20; at < b.n; at++) {
			const struct packet *p;

			if (at == (v6 ? 52U : 32U))
				continue; /* the header's length, another matter */
			b.at[at] ^= 0x10;
			p = decode_whole(&b);
			CHECK(p->verdict == VERDICT_FLOW && (p->flags & PACKET_BAD_L4_SUM),
			      "byte %zu, version %d", at, v6 ? 6 : 4);
			conf.checksum = CHECKSUM_DROP;
			p = decode_whole(&b);
			CHECK(packet_drop(p) == RM_DROP_CHECKSUM, "dropped, byte %zu", at);
			conf.checksum = CHECKSUM_OFF;
			p = decode_whole(&b);
			CHECK(p->verdict == VERDICT_FLOW && p->flags == (v6 ? PACKET_IPV6 : 0),
			      "off, byte %zu", at);
			conf.checksum = CHECKSUM_COUNT;
			b.at[at] ^= 0x10;
		}
	}
	build_tcp(&b, false, "x");
	b.at[8] ^= 1; /* TTL */
	CU_ASSERT_EQUAL(decode_whole(&b)->flags, PACKET_BAD_IP_SUM);
	CU_ASSERT_EQUAL(decoder.counts.ipv4_bad_checksum, 1);
	/* A frame cut by snaplen cannot be checked: no claim is made. */
	build_tcp(&b, false, "some longer payload");
	b.at[b.n - 1] ^= 1;
	CU_ASSERT_EQUAL(decode_cut(&b, (uint32_t)b.n - 2)->flags, 0);
	end();
}

static void test_udp_lengths_and_sums(void)
{
	static const struct {
		int length, sum; /* -1: as it is */
		enum rm_drop drop;
		uint32_t payload;
		bool bad;
		const char *why;
	} rows[] = {
		{-1, -1, RM_KEEP, 6, false, "as it should be"},
		{-1, 0, RM_KEEP, 6, false, "no checksum"},
		{-1, 0x1234, RM_KEEP, 6, true, "wrong checksum"},
		{0, 0, RM_KEEP, 6, false, "length zero: IP's counts"},
		{10, 0, RM_KEEP, 2, false, "shorter than IP says: padding"},
		{200, 0, RM_KEEP, 6, false, "longer than IP says"},
		{7, 0, RM_DROP_UDP_HEADER, 0, false, "shorter than its header"},
	};
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct packet *p;

		b.n = 0;
		put_inner4(&b, 2222, "sixsix");
		if (rows[i].length >= 0)
			set16(&b, 24, (uint32_t)rows[i].length);
		if (rows[i].sum >= 0)
			set16(&b, 26, (uint32_t)rows[i].sum);
		p = decode_whole(&b);
		CHECK(packet_drop(p) == rows[i].drop, "%s: verdict %u", rows[i].why, p->verdict);
		if (rows[i].drop == RM_KEEP)
			CHECK(p->payload_len == rows[i].payload &&
				      !!(p->flags & PACKET_BAD_L4_SUM) == rows[i].bad,
			      "%s: %u bytes, flags %x", rows[i].why, p->payload_len, p->flags);
	}
	end();
}

/* IPv4 header fields against what the frame holds. */
static void test_ipv4_lengths(void)
{
	static const struct {
		int first, total, wire; /* -1: as it is; wire: more bytes behind the packet */
		enum rm_drop drop;
		uint32_t payload;
		bool lies;
		const char *why;
	} rows[] = {
		{-1, -1, 0, RM_KEEP, 5, false, "as it should be"},
		{-1, -1, 9, RM_KEEP, 5, false, "Ethernet padding is no payload"},
		{-1, 0, 0, RM_KEEP, 5, false, "length 0 of an offload"},
		{-1, 1000, 0, RM_KEEP, 5, true, "longer than the frame on the wire"},
		{-1, 43, 0, RM_KEEP, 3, false, "shorter than the frame"},
		{-1, 19, 0, RM_DROP_IPV4_HEADER, 0, false, "shorter than its header"},
		{0x44, -1, 0, RM_DROP_IPV4_HEADER, 0, false, "header of 16 bytes"},
		{0x40, -1, 0, RM_DROP_IPV4_HEADER, 0, false, "header of 0 bytes"},
		{0x4f, -1, 0, RM_DROP_IPV4_HEADER, 0, false, "header beyond the frame"},
		{-1, 39, 0, RM_DROP_TCP_HEADER, 0, false, "no room for the TCP header"},
	};
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct packet *p;

		build_tcp(&b, false, "12345");
		if (rows[i].total >= 0)
			set16(&b, 2, (uint32_t)rows[i].total);
		if (rows[i].first >= 0)
			b.at[0] = (uint8_t)rows[i].first;
		put_zeros(&b, (size_t)rows[i].wire);
		p = decode_whole(&b);
		CHECK(packet_drop(p) == rows[i].drop, "%s: verdict %u", rows[i].why, p->verdict);
		if (rows[i].drop == RM_KEEP)
			CHECK(p->payload_len == rows[i].payload && p->payload_cap <= 5 &&
				      !!(p->flags & PACKET_LENGTH_LIES) == rows[i].lies,
			      "%s: %u bytes, %u captured", rows[i].why, p->payload_len,
			      p->payload_cap);
	}
	end();
}

static void test_ipv6_extension_headers(void)
{
	static const struct {
		uint8_t first;
		const char *chain;
		bool good;
		const char *why;
	} rows[] = {
		{6, "", true, "none"},
		{0, "06 00 0000 00000000", true, "hop-by-hop"},
		{0, "2b 00 0000 00000000 3c 01 00 00 00000000 0000000000000000 06 00 0000 00000000",
		 true, "hop-by-hop, routing, destination"},
		{51, "06 02 0000 00000001 00000002 00000000", true, "authentication header"},
		{44, "06 00 0000 12345678", true, "atomic fragment"},
		{135, "06 00 0000 00000000", true, "mobility"},
		{0, "06 ff 0000 00000000", false, "longer than the packet"},
		{60, "06 04 0000 00000000", false, "longer than what is left"},
	};
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct packet *p;
		size_t ip, tcp;

		b.n = 0;
		ip = put_ipv6(&b, rows[i].first, 1, 2);
		put_hex(&b, rows[i].chain);
		tcp = put_tcp(&b, 1111, 80, 1000, 0x18);
		put_text(&b, "12345");
		end_tcp(&b, tcp, ip);
		end_ipv6(&b, ip);
		p = decode_whole(&b);
		CHECK(p->verdict ==
			      (rows[i].good ? VERDICT_FLOW : verdict_drop(RM_DROP_IPV6_HEADER)),
		      "%s: verdict %u", rows[i].why, p->verdict);
		if (rows[i].good)
			CHECK(p->proto == 6 && p->payload_len == 5 && p->l4 == tcp &&
				      memcmp(buffer + p->payload, "12345", 5) == 0,
			      "%s: %u bytes", rows[i].why, p->payload_len);
		for (uint32_t cap = 0; cap < b.n; cap++)
			CHECK(decode_cut(&b, cap)->verdict != VERDICT_HELD, "%s cut at %u",
			      rows[i].why, cap);
	}
	end();
}

static void test_tcp_headers(void)
{
	static struct build b;

	begin();
	for (uint32_t words = 0; words < 16; words++) {
		const struct packet *p;
		size_t ip, tcp;

		b.n = 0;
		ip = put_ipv4(&b, 6, CLIENT, SERVER);
		tcp = put_tcp(&b, 1111, 80, 1, 2);
		b.at[tcp + 12] = (uint8_t)(words << 4);
		put_zeros(&b, 22); /* options of up to 20 bytes, and 2 bytes of payload */
		end_tcp(&b, tcp, ip);
		end_ipv4(&b, ip);
		p = decode_whole(&b);
		if (words < 5 || words > 10) {
			CHECK(packet_drop(p) == RM_DROP_TCP_HEADER, "%u words", words);
			continue;
		}
		CHECK(p->verdict == VERDICT_FLOW && p->payload_len == 42 - words * 4,
		      "%u words: %u", words, p->payload_len);
		for (uint32_t cap = 0; cap < b.n; cap++) {
			p = decode_cut(&b, cap);
			CHECK(cap >= 40 ? p->verdict == VERDICT_FLOW
					: packet_drop(p) == (cap < 20 ? RM_DROP_IPV4_HEADER
								      : RM_DROP_TCP_HEADER),
			      "%u words cut at %u: verdict %u", words, cap, p->verdict);
			CHECK(p->verdict != VERDICT_FLOW || p->payload_len == 42 - words * 4,
			      "%u words cut at %u: true length", words, cap);
		}
	}
	end();
}

static void test_depth_is_bounded(void)
{
	static struct build b;

	begin();
	b.n = 0;
	for (int i = 0; i < 200; i++)
		put_hex(&b, "450000000000000040040000c0a80001c0a80002");
	for (size_t at = 0; at < b.n; at += 20) {
		set16(&b, at + 2, (uint32_t)(b.n - at));
		set16(&b, at + 10, (uint16_t)~naive_fold(naive_sum(0, b.at + at, 20)));
	}
	for (uint32_t max = 4; max < 250; max += 7) {
		const struct packet *p;

		conf.max_layers = max;
		p = decode_whole(&b);
		CHECK(p->ip_layers <= max && p->verdict != VERDICT_HELD, "%u layers at most: %u",
		      max, p->ip_layers);
	}
	conf.max_layers = 8;
	b.n = 0;
	iface.linktype = 1;
	put_ethernet(&b, 0x8100);
	for (int i = 0; i < 30; i++)
		put_hex(&b, "0001 8100");
	CU_ASSERT_EQUAL(packet_drop(decode_whole(&b)), RM_DROP_DEPTH);
	end();
}

/* Both directions of a conversation: one hash, one key, opposite FROM_HI. */
static void test_directions_agree(void)
{
	struct dice d = dice_of(82);
	static struct build b;

	begin();
	for (int n = 0; n < 4000; n++) {
		bool v6 = dice_below(&d, 2), tcp = dice_below(&d, 2);
		uint32_t end_at[2] = {dice_below(&d, 3), dice_below(&d, 3)};
		uint16_t port[2] = {(uint16_t)dice_below(&d, 3), (uint16_t)dice_below(&d, 3)};
		struct flow_key key[2];
		uint64_t hash[2];
		uint8_t from_hi[2];

		for (int i = 0; i < 2; i++) {
			const struct packet *p;
			size_t ip, l4;

			b.n = 0;
			ip = v6 ? put_ipv6(&b, tcp ? 6 : 17, end_at[i], end_at[!i])
				: put_ipv4(&b, tcp ? 6 : 17, end_at[i], end_at[!i]);
			if (tcp) {
				l4 = put_tcp(&b, port[i], port[!i], 5, 16);
				end_tcp(&b, l4, ip);
			} else {
				l4 = put_udp(&b, port[i], port[!i]);
				end_udp(&b, l4, ip);
			}
			if (v6)
				end_ipv6(&b, ip);
			else
				end_ipv4(&b, ip);
			p = decode_whole(&b);
			hash[i] = p->hash;
			from_hi[i] = p->flags & PACKET_FROM_HI;
			flow_key_of(&key[i], p, buffer + p->l3);
		}
		CHECK(hash[0] == hash[1] && memcmp(&key[0], &key[1], sizeof(key[0])) == 0,
		      "pair %d", n);
		CHECK(memcmp(key[0].lo, key[0].hi, 16) < 0 ||
			      (memcmp(key[0].lo, key[0].hi, 16) == 0 &&
			       key[0].lo_port <= key[0].hi_port),
		      "pair %d: canonical order", n);
		if (end_at[0] != end_at[1] || port[0] != port[1])
			CHECK(from_hi[0] != from_hi[1], "pair %d: direction", n);
	}
	end();
}

/* Fragments of one UDP datagram as frames of a block, then whatever is asked of them. */
struct fragments {
	struct block b;
	struct defrag *defrag;
	uint32_t n;
};

static void fragments_open(struct fragments *f)
{
	struct defrag_conf dc = {
		.max_datagrams = 16, .max_pieces = 256, .timeout_ns = 30000000000ULL};

	CU_ASSERT_EQUAL_FATAL(block_open(&f->b, false), 0);
	CU_ASSERT_EQUAL_FATAL(defrag_open(&f->defrag, &dc), 0);
	decode_begin(&decoder, &packets);
	f->n = 0;
}

static void fragments_close(struct fragments *f)
{
	defrag_close(f->defrag);
	block_close(&f->b);
}

static void fragments_add(struct fragments *f, const struct build *b)
{
	struct frame *fr = &f->b.frame[f->n];

	slots_reach(&f->b.frames, f->n);
	memcpy(f->b.buf + f->b.fill, b->at, b->n);
	*fr = (struct frame){.at = f->b.fill, .caplen = (uint32_t)b->n, .len = (uint32_t)b->n};
	f->b.fill += (uint32_t)b->n;
	f->b.n = ++f->n;
	decode_frame(&decoder, &f->b, &iface, &packets, f->n - 1);
}

/* Bytes [from, to) of a datagram's IP payload. */
static void put_fragment(struct build *b, bool v6, const uint8_t *payload, uint32_t from,
			 uint32_t to, bool more)
{
	size_t ip;

	b->n = 0;
	ip = v6 ? put_ipv6(b, 44, 1, 2) : put_ipv4(b, 17, CLIENT, SERVER);
	if (v6) {
		put_hex(b, "11 00");
		put16(b, from | more);
		put32(b, 77);
	} else {
		set16(b, ip + 6, from / 8 | (more ? 0x2000 : 0));
	}
	put_bytes(b, payload + from, to - from);
	if (v6)
		end_ipv6(b, ip);
	else
		end_ipv4(b, ip);
}

static void test_fragments_become_a_packet(void)
{
	static struct build whole, b;
	static const uint32_t cuts[] = {0, 8, 1000, 1400, 0};
	static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}};

	begin();
	for (int i = 0; i < 12; i++) {
		bool v6 = i % 2;
		const int *order = orders[i / 2 % 3];
		struct fragments f;
		const struct packet *p;
		size_t ip, udp, skip = v6 ? 40 : 20;
		uint32_t bytes;

		whole.n = 0;
		ip = v6 ? put_ipv6(&whole, 17, 1, 2) : put_ipv4(&whole, 17, CLIENT, SERVER);
		udp = put_udp(&whole, 1111, 2222);
		for (uint32_t k = 0; k < 2000; k++)
			put8(&whole, k * 13);
		end_udp(&whole, udp, ip);
		/* The second half again where bad sums are dropped: these are good. */
		conf.checksum = i < 6 ? CHECKSUM_COUNT : CHECKSUM_DROP;
		fragments_open(&f);
		for (int k = 0; k < 4; k++) {
			uint32_t to = order[k] < 3 ? cuts[order[k] + 1] : 2008;

			put_fragment(&b, v6, whole.at + skip, cuts[order[k]], to, order[k] < 3);
			fragments_add(&f, &b);
			CU_ASSERT_EQUAL(packets.row[k].verdict, VERDICT_HELD);
		}
		bytes = f.b.fill;
		decode_fragments(&decoder, f.defrag, &f.b, &packets);
		for (int k = 0; k < 3; k++)
			CHECK(packets.row[k].verdict == VERDICT_HELD, "order %d, fragment %d", i,
			      k);
		p = &packets.row[3];
		if (CHECK(p->verdict == VERDICT_FLOW, "order %d: verdict %u", i, p->verdict)) {
			CHECK(p->payload_len == 2000 && p->payload_cap == 2000 &&
				      memcmp(f.b.buf + p->payload, whole.at + skip + 8, 2000) == 0,
			      "order %d: %u bytes", i, p->payload_len);
			CHECK(p->flags == ((v6 ? PACKET_IPV6 : 0) | PACKET_REBUILT),
			      "order %d: flags %x", i, p->flags);
			CHECK(p->ip_layers == 1 && packets.extra[p->extra].frames == 4 &&
				      packets.extra[p->extra].frame_bytes == bytes,
			      "order %d: frames", i);
		}
		fragments_close(&f);
	}
	end();
}

CU_TestInfo decode_tests[] = {
	{"checksum_of_any_length", test_checksum_of_any_length},
	{"bad_checksums", test_bad_checksums},
	{"udp_lengths_and_sums", test_udp_lengths_and_sums},
	{"ipv4_lengths", test_ipv4_lengths},
	{"ipv6_extension_headers", test_ipv6_extension_headers},
	{"tcp_headers", test_tcp_headers},
	{"depth_is_bounded", test_depth_is_bounded},
	{"directions_agree", test_directions_agree},
	{"fragments_become_a_packet", test_fragments_become_a_packet},
	CU_TEST_INFO_NULL,
};
