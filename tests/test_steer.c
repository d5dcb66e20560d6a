/* SPDX-License-Identifier: MIT */
/* The kernel's steering: the program in the kernel, the same parser in user space, and the decoder
 * name the same owner. */
#include <CUnit/Basic.h>
#include <string.h>
#include <stdio.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/steer_host.h"
#include "user/decode/decode.h"

enum { FRAMES = 40000, HEAD = 14 };

struct steering {
	struct steer_host host;
	struct decode_conf conf;
	struct decoder decoder;
	struct packets packets;
	struct block block;
	struct iface iface;
};

static bool steering_open(struct steering *s)
{
	if (!steer_host_open(&s->host))
		return false;
	s->conf = (struct decode_conf){.key = s->host.key, .max_layers = 32};
	s->iface = (struct iface){.linktype = 1};
	CU_ASSERT_FATAL(block_open(&s->block, false) == 0);
	CU_ASSERT_FATAL(packets_open(&s->packets, BLOCK_FRAMES) == 0);
	CU_ASSERT_FATAL(decoder_open(&s->decoder, &s->conf) == 0);
	return true;
}

static void steering_close(struct steering *s)
{
	decoder_close(&s->decoder);
	packets_close(&s->packets);
	block_close(&s->block);
	steer_host_close(&s->host);
}

/* The decoder's hash; false where the frame is of no flow, or waits as a fragment. */
static bool decoded(struct steering *s, const uint8_t *frame, size_t len, uint64_t *hash,
		    uint8_t *layers)
{
	struct block *b = &s->block;

	memcpy(b->buf, frame, len);
	slots_reach(&b->frames, 0);
	b->frame[0] = (struct frame){.caplen = (uint32_t)len, .len = (uint32_t)len};
	b->n = 1;
	b->fill = (uint32_t)len;
	decode_begin(&s->decoder, &s->packets);
	decode_frame(&s->decoder, b, &s->iface, &s->packets, 0);
	*hash = s->packets.row[0].hash;
	*layers = s->packets.row[0].ip_layers;
	return s->packets.row[0].verdict == VERDICT_FLOW;
}

/* Kernel and user space say the same; where they opened as many layers as the decoder, so does it.
 */
static bool agree(struct steering *s, const struct build *b, uint32_t *told)
{
	uint8_t layers, deep;
	bool fragment;
	uint64_t ours = steer_host_hash(&s->host, b->at, b->n, &layers, &fragment), decoder;
	struct rm_meta meta;

	if (!steer_host_run(&s->host, b->at, b->n, &meta))
		return false;
	if (meta.hash != ours || meta.len != b->n) {
		fprintf(stderr, "DBG %llx %llx %u %zu layers %u frag %d\n",
			(unsigned long long)meta.hash, (unsigned long long)ours, meta.len, b->n,
			layers, fragment);
		return false;
	}
	if (decoded(s, b->at, b->n, &decoder, &deep) && deep == layers && !fragment) {
		(*told)++;
		if (decoder != ours)
			fprintf(stderr, "DBG2 %llx %llx\n", (unsigned long long)decoder,
				(unsigned long long)ours);
		return decoder == ours;
	}
	return true;
}

static void vlans(struct build *b, struct dice *d, uint16_t type)
{
	static const uint16_t tags[] = {0x8100, 0x88a8, 0x9100};
	uint32_t n = dice_below(d, 8) ? 0 : dice_below(d, 4);

	put_hex(b, "02 00 00 00 00 01 02 00 00 00 00 02");
	for (uint32_t i = 0; i < n; i++) {
		put16(b, tags[dice_below(d, 3)]);
		put16(b, dice_below(d, 4096));
	}
	put16(b, type);
}

static void l4(struct build *b, struct dice *d, uint8_t proto, size_t ip)
{
	uint16_t sport = (uint16_t)dice_below(d, 65536), dport = (uint16_t)dice_below(d, 65536);
	size_t at;

	if (dice_below(d, 8) == 0)
		dport = sport;
	if (proto == 6) {
		at = put_tcp(b, sport, dport, 1, 0x18);
		put_text(b, "GET / HTTP/1.0\r\n\r\n");
		end_tcp(b, at, ip);
	} else if (proto == 17) {
		at = put_udp(b, sport, dport);
		put_text(b, "some bytes of a datagram");
		end_udp(b, at, ip);
	} else {
		put_zeros(b, 40);
	}
}

static void ip_packet(struct build *b, struct dice *d, bool v6, uint32_t depth);

/* What an IP header carries: mostly a transport, sometimes a tunnel with another packet. */
static void carry(struct build *b, struct dice *d, uint8_t proto, size_t ip, uint32_t depth)
{
	bool v6 = dice_below(d, 2);
	size_t at;

	switch (proto) {
	case 4:
	case 41:
		ip_packet(b, d, proto == 41, depth + 1);
		return;
	case 47:
		put16(b, dice_below(d, 2) ? 0x2000 : 0);
		put16(b, v6 ? 0x86dd : 0x0800);
		if (b->at[b->n - 4] & 0x20)
			put32(b, 7);
		ip_packet(b, d, v6, depth + 1);
		return;
	case 200: /* VXLAN, GENEVE */
		at = put_udp(b, 40000, v6 ? 4789 : 6081);
		put_hex(b, v6 ? "08 00 00 00 00 00 07 00" : "02 00 65 58 00 00 07 00");
		if (!v6)
			put_zeros(b, 8);
		put_ethernet(b, 0x0800);
		ip_packet(b, d, false, depth + 1);
		end_udp(b, at, ip);
		return;
	default:
		l4(b, d, proto, ip);
	}
}

static void ip_packet(struct build *b, struct dice *d, bool v6, uint32_t depth)
{
	static const uint8_t protos[] = {6, 6, 6, 17, 17, 1, 132, 4, 41, 47, 200};
	uint8_t proto = protos[dice_below(d, depth > 2 ? 7 : sizeof(protos))];
	uint8_t name = proto == 200 ? 17 : proto;
	uint32_t src = dice_below(d, 4), dst = dice_below(d, 4);
	size_t ip;

	if (v6) {
		uint32_t extensions = dice_below(d, 4) ? 0 : 1 + dice_below(d, 3);

		ip = put_ipv6(b, extensions ? 60 : name, src, dst);
		for (uint32_t i = 0; i < extensions; i++) {
			put8(b, i + 1 < extensions ? 60 : name);
			put8(b, 0);
			put_hex(b, "01 04 00 00 00 00");
		}
		carry(b, d, proto, ip, depth);
		end_ipv6(b, ip);
		return;
	}
	ip = put_ipv4(b, name, 0x0a000000 + src, 0x0a000000 + dst);
	if (dice_below(d, 8) == 0)
		set16(b, ip + 6, dice_below(d, 2) ? 0x2000 : 0x0004);
	carry(b, d, proto, ip, depth);
	end_ipv4(b, ip);
}

static void a_frame(struct build *b, struct dice *d)
{
	bool v6 = dice_below(d, 3) == 0;

	b->n = 0;
	vlans(b, d, v6 ? 0x86dd : 0x0800);
	ip_packet(b, d, v6, 0);
	switch (dice_below(d, 6)) {
	case 0: /* cut short */
		b->n = HEAD + dice_below(d, (uint32_t)b->n - HEAD + 1);
		break;
	case 1: /* damaged */
		for (int i = 0; i < 3; i++)
			b->at[dice_below(d, (uint32_t)b->n)] = (uint8_t)dice_below(d, 256);
		break;
	case 2:
		if (dice_below(d, 4) == 0)
			dice_fill(d, b->at, b->n);
		break;
	default:
		break;
	}
}

static void test_random_frames(void)
{
	struct dice d = dice_of(0x57ee12);
	static struct steering s;
	static struct build b;
	uint32_t told = 0, i;

	if (!steering_open(&s))
		return;
	for (i = 0; i < FRAMES; i++) {
		a_frame(&b, &d);
		if (!agree(&s, &b, &told))
			break;
	}
	CHECK(i == FRAMES, "frame %u of seed %llu", i, (unsigned long long)d.seed);
	/* The decoder must have had its say on most of them. */
	CHECK(told > FRAMES / 2, "%u", told);
	steering_close(&s);
}

/* Both directions of a flow, each with its own tags, have one owner. */
static void test_directions(void)
{
	static struct build there, back;
	struct steer_host h;
	struct rm_meta a = {0}, b = {0};
	size_t ip, tcp;

	if (!steer_host_open(&h))
		return;
	for (uint16_t port = 1; port < 200; port++) {
		there.n = back.n = 0;
		put_ethernet(&there, 0x0800);
		ip = put_ipv4(&there, 6, 0x0a000001, 0x0a000002);
		tcp = put_tcp(&there, port, 80, 1, 2);
		end_tcp(&there, tcp, ip);
		end_ipv4(&there, ip);
		put_ethernet(&back, 0x8100);
		put16(&back, 7);
		put16(&back, 0x0800);
		ip = put_ipv4(&back, 6, 0x0a000002, 0x0a000001);
		tcp = put_tcp(&back, 80, port, 1, 0x12);
		end_tcp(&back, tcp, ip);
		end_ipv4(&back, ip);
		if (!steer_host_run(&h, there.at, there.n, &a) ||
		    !steer_host_run(&h, back.at, back.n, &b) || a.hash != b.hash || a.hash == 0)
			break;
		CU_ASSERT(a.time_ns != 0 && b.time_ns >= a.time_ns);
	}
	CU_ASSERT_EQUAL(a.hash, b.hash);
	steer_host_close(&h);
}

/* Fragments of one datagram have one owner, whether or not they have the ports. */
static void test_fragments(void)
{
	static struct build first, last;
	struct steer_host h;
	struct rm_meta a = {0}, b = {0};
	size_t ip;

	if (!steer_host_open(&h))
		return;
	put_ethernet(&first, 0x0800);
	ip = put_ipv4(&first, 17, 0x0a000001, 0x0a000002);
	put_udp(&first, 5000, 53);
	put_zeros(&first, 24);
	set16(&first, ip + 6, 0x2000);
	end_ipv4(&first, ip);
	put_ethernet(&last, 0x0800);
	ip = put_ipv4(&last, 17, 0x0a000001, 0x0a000002);
	put_zeros(&last, 30);
	set16(&last, ip + 6, 4);
	end_ipv4(&last, ip);
	CU_ASSERT(steer_host_run(&h, first.at, first.n, &a));
	CU_ASSERT(steer_host_run(&h, last.at, last.n, &b));
	CU_ASSERT_EQUAL(a.hash, b.hash);
	CU_ASSERT(a.hash != 0);
	steer_host_close(&h);
}

CU_TestInfo steer_tests[] = {
	{"40,000 random frames", test_random_frames},
	{"both directions", test_directions},
	{"fragments", test_fragments},
	CU_TEST_INFO_NULL,
};
