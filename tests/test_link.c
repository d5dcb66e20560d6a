/* SPDX-License-Identifier: MIT */
/* link — each link type and each layer below or around IP: what a minimal frame comes to, and that
 * no truncation of it reads too far or goes without a verdict. */
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/decode/decode.h"

/* Before and behind the inner packet, in hex; `4` IPv4, `6` IPv6 10.0.0.1:1111 -> :2222 "inner". */
struct row {
	uint32_t linktype;
	const char *before;
	char inner;
	uint8_t layers; /* IP layers expected */
	enum tunnel_type tunnel;
	const char *why;
};

#define Z34  "00000000000000000000000000000000000000000000000000000000000000000000"
#define Z136 Z34 Z34 Z34 Z34
#define ETH  "020000000002020000000001"

static const struct row rows[] = {
	{1, ETH "0800", '4', 1, TUNNEL_NONE, "Ethernet"},
	{1, ETH "86dd", '6', 1, TUNNEL_NONE, "Ethernet, IPv6"},
	{1, ETH "8100 0064 0800", '4', 1, TUNNEL_NONE, "VLAN"},
	{1, ETH "88a8 0064 8100 00c8 86dd", '6', 1, TUNNEL_NONE, "QinQ"},
	{1, ETH "9100 0001 9200 0002 8100 0003 8100 0004 8100 0005 0800", '4', 1, TUNNEL_NONE,
	 "five VLAN tags"},
	{1, ETH "8847 00010040 00020140", '4', 1, TUNNEL_NONE, "MPLS, two labels"},
	{1, ETH "8848 00010140", '6', 1, TUNNEL_NONE, "MPLS multicast"},
	{1, ETH "8847 00010140 00000000" ETH "0800", '4', 1, TUNNEL_NONE,
	 "MPLS pseudo-wire with control word"},
	{1, ETH "8864 1100 0001 0000 0021", '4', 1, TUNNEL_NONE, "PPPoE"},
	{1, ETH "8864 1100 0001 0000 57", '6', 1, TUNNEL_NONE, "PPPoE, compressed protocol"},
	{1, ETH "8926 0000 0000 0800", '4', 1, TUNNEL_NONE, "VN-tag"},
	{1, ETH "88e7 00000001" ETH "0800", '4', 1, TUNNEL_NONE, "provider backbone bridge"},
	{1, ETH "0000 aaaa03 000000 0800", '4', 1, TUNNEL_NONE, "802.3 with SNAP"},
	{1, ETH "0000 060603", '4', 1, TUNNEL_NONE, "802.3 with IP's own SAP"},
	{113, "0000 0001 0006 020000000001 0000 0800", '4', 1, TUNNEL_NONE, "SLL"},
	{113, "0004 0001 0006 020000000001 0000 0004 aaaa03 000000 86dd", '6', 1, TUNNEL_NONE,
	 "SLL with LLC"},
	{113, "0000 0001 0006 020000000001 0000 8100 0064 0800", '4', 1, TUNNEL_NONE,
	 "SLL with VLAN"},
	{276, "0800 0000 00000001 0001 00 06 0200000000010000", '4', 1, TUNNEL_NONE, "SLL2"},
	{12, "", '4', 1, TUNNEL_NONE, "raw IP, 12"},
	{14, "", '6', 1, TUNNEL_NONE, "raw IP, 14"},
	{101, "", '4', 1, TUNNEL_NONE, "raw IP, 101"},
	{228, "", '4', 1, TUNNEL_NONE, "raw IPv4"},
	{229, "", '6', 1, TUNNEL_NONE, "raw IPv6"},
	{0, "02000000", '4', 1, TUNNEL_NONE, "NULL, little endian"},
	{0, "00000002", '4', 1, TUNNEL_NONE, "NULL, big endian"},
	{0, "0000001e", '6', 1, TUNNEL_NONE, "NULL, IPv6 of Darwin"},
	{0, "1c000000", '6', 1, TUNNEL_NONE, "NULL, IPv6 of FreeBSD"},
	{108, "00000018", '6', 1, TUNNEL_NONE, "LOOP, IPv6 of OpenBSD"},
	{9, "0021", '4', 1, TUNNEL_NONE, "PPP"},
	{9, "ff03 0057", '6', 1, TUNNEL_NONE, "PPP with address and control"},
	{9, "21", '4', 1, TUNNEL_NONE, "PPP, compressed protocol"},
	{9, "0281 00010140", '4', 1, TUNNEL_NONE, "PPP with MPLS"},
	{50, "ff03 0021", '4', 1, TUNNEL_NONE, "serial PPP"},
	{50, "0f00 0800", '4', 1, TUNNEL_NONE, "serial Cisco HDLC"},
	{204, "01 ff03 0021", '4', 1, TUNNEL_NONE, "PPP with direction"},
	{104, "0f00 86dd", '6', 1, TUNNEL_NONE, "Cisco HDLC"},
	{107, "1841 03 cc", '4', 1, TUNNEL_NONE, "frame relay"},
	{107, "1841 03 00 8e", '6', 1, TUNNEL_NONE, "frame relay with pad"},
	{107, "1841 03 00 80 000000 0800", '4', 1, TUNNEL_NONE, "frame relay with SNAP"},
	{107, "1841 0800", '4', 1, TUNNEL_NONE, "frame relay, Cisco"},
	{105, "0801 0000" ETH "020000000003 0000 aaaa03 000000 0800", '4', 1, TUNNEL_NONE,
	 "802.11"},
	{105, "8803 0000" ETH "020000000003 0000 020000000004 0000 aaaa03 000000 86dd", '6', 1,
	 TUNNEL_NONE, "802.11, QoS, four addresses"},
	{127, "0000 0900 02000000 00 0801 0000" ETH "020000000003 0000 aaaa03 000000 0800", '4', 1,
	 TUNNEL_NONE, "radiotap"},
	{127,
	 "0000 0a00 02000000 20 00 8801 0000" ETH "020000000003 0000 0000 0000 aaaa03 000000 0800",
	 '4', 1, TUNNEL_NONE, "radiotap with a padded QoS header"},
	{119, "44000000 90000000" Z136 "0801 0000" ETH "020000000003 0000 aaaa03 000000 0800", '4',
	 1, TUNNEL_NONE, "Prism"},
	{163,
	 "80211001 00000040" Z34 "00000000 0000000000000000 00000000 000000000000"
	 "0801 0000" ETH "020000000003 0000 aaaa03 000000 0800",
	 '4', 1, TUNNEL_NONE, "AVS"},
	{239, "02 00 0000 0800 0100 00000000 0500 0a00 61000000 0000 0900", '4', 1, TUNNEL_NONE,
	 "NFLOG"},
	{149, "0c000000 01000000 01000000" ETH "0800", '4', 1, TUNNEL_NONE, "PKTAP"},
	{258, "0c000000 01000000 65000000", '6', 1, TUNNEL_NONE, "PKTAP with raw IP"},
	{101, "450000000000000040040000c0a80001c0a80002", '4', 2, TUNNEL_IPIP, "IP in IP"},
	{101, "450000000000000040290000c0a80001c0a80002", '6', 2, TUNNEL_IPIP, "6in4"},
	{101,
	 "6000000000000440"
	 "fd000000000000000000000000000009fd00000000000000000000000000000a",
	 '4', 2, TUNNEL_IPIP, "4in6"},
	{101, "450000000000000040890000c0a80001c0a80002 00010140", '4', 2, TUNNEL_MPLS,
	 "MPLS in IP"},
	{101, "4500000000000000402f0000c0a80001c0a80002 0000 0800", '4', 2, TUNNEL_GRE, "GRE"},
	{101, "4500000000000000402f0000c0a80001c0a80002 b000 86dd 00000000 0000002a 00000001", '6',
	 2, TUNNEL_GRE, "GRE with checksum, key and sequence"},
	{101, "4500000000000000402f0000c0a80001c0a80002 0000 6558" ETH "0800", '4', 2, TUNNEL_GRE,
	 "GRE with Ethernet"},
	{101,
	 "4500000000000000402f0000c0a80001c0a80002 3081 880b 0000 0001 00000001 00000001 ff03 0021",
	 '4', 2, TUNNEL_GRE, "PPTP"},
	{101, "4500000000000000402f0000c0a80001c0a80002 0000 88be" ETH "0800", '4', 2,
	 TUNNEL_ERSPAN, "ERSPAN I"},
	{101,
	 "4500000000000000402f0000c0a80001c0a80002 1000 88be 00000001 1000 0064 00000000" ETH
	 "0800",
	 '4', 2, TUNNEL_ERSPAN, "ERSPAN II"},
	{101,
	 "4500000000000000402f0000c0a80001c0a80002 1000 22eb 00000001 2000 0064 00000000 "
	 "00000000" ETH "0800",
	 '4', 2, TUNNEL_ERSPAN, "ERSPAN III"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 1234 12b5 0000 0000 08000000 00002a00" ETH
	 "0800",
	 '4', 2, TUNNEL_VXLAN, "VXLAN"},
	{101, "450000000000000040110000c0a80001c0a80002 1234 12b6 0000 0000 0c000002 00002a00", '6',
	 2, TUNNEL_VXLAN, "VXLAN-GPE with IPv6"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 1234 17c1 0000 0000 01006558 00002a00 "
	 "01020304" ETH "0800",
	 '4', 2, TUNNEL_GENEVE, "GENEVE with an option"},
	{101, "450000000000000040110000c0a80001c0a80002 1234 17c1 0000 0000 000086dd 00002a00", '6',
	 2, TUNNEL_GENEVE, "GENEVE with IPv6"},
	{101, "450000000000000040110000c0a80001c0a80002 0868 0868 0000 0000 30ff 0000 0000002a",
	 '4', 2, TUNNEL_GTP, "GTP-U"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 0868 0868 0000 0000 34ff 0000 0000002a 0000 00 "
	 "85"
	 "01 0000 c0 01 0000 00",
	 '6', 2, TUNNEL_GTP, "GTP-U with two extensions"},
	{101, "450000000000000040110000c0a80001c0a80002 0dd8 0dd8 0000 0000", '6', 2, TUNNEL_TEREDO,
	 "Teredo"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 0dd8 0dd8 0000 0000 0001 0000 0000000000000000 "
	 "00"
	 "0000 1234 01020304",
	 '6', 2, TUNNEL_TEREDO, "Teredo with authentication and origin"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 13d0 13d0 0000 0000 40 52 00 29 00000000"
	 "00000000000000000000000000000001 0000000000000000000000000000000000000000",
	 '6', 2, TUNNEL_AYIYA, "AYIYA"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 06a5 06a5 0000 0000 0002 0007 0008 ff03 0021",
	 '4', 2, TUNNEL_L2TP, "L2TP"},
	{101,
	 "450000000000000040110000c0a80001c0a80002 06a5 06a5 0000 0000 4a02 0000 0007 0008 0000 "
	 "0000"
	 "0002 0000 0021",
	 '4', 2, TUNNEL_L2TP, "L2TP with all fields"},
	{101, "450000000000000040110000c0a80001c0a80002 1234 19eb 0000 0000 00010140", '4', 2,
	 TUNNEL_MPLS, "MPLS in UDP"},
};

static struct decode_conf conf = {.checksum = CHECKSUM_COUNT, .max_layers = 32};
static struct decoder decoder;
static struct packets packets;
static struct guard guard;

static void begin(void)
{
	for (int i = 0; i < 10; i++)
		conf.key.word[i] = 0x9e3779b97f4a7c15ULL * (uint64_t)(i + 1);
	CU_ASSERT_EQUAL_FATAL(decoder_open(&decoder, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(packets_open(&packets, 16), 0);
	CU_ASSERT_TRUE_FATAL(guard_open(&guard, BUILD_MAX));
}

static void end(void)
{
	decoder_close(&decoder);
	packets_close(&packets);
	guard_close(&guard);
}

/* Decodes caplen bytes that end at the unreadable page; len is the length on the wire. */
static const struct packet *decode_one(const uint8_t *frame, uint32_t caplen, uint32_t len,
				       uint32_t linktype, const uint8_t **buf)
{
	struct frame f = {.caplen = caplen, .len = len};
	struct iface iface = {.linktype = linktype};
	struct block b = {.frame = &f, .n = 1, .fill = caplen};

	b.buf = guard_put(&guard, frame, caplen);
	decode_begin(&decoder, &packets);
	memset(&packets.row[0], 0xff, sizeof(packets.row[0]));
	decode_frame(&decoder, &b, &iface, &packets, 0);
	*buf = b.buf;
	return &packets.row[0];
}

/* Fills in the lengths of an outer IP and UDP header at the start of a raw frame. */
static void fix_outer(struct build *b, size_t prefix)
{
	bool v6 = b->at[0] >> 4 == 6;
	size_t header = v6 ? 40 : 20;

	if (prefix < header)
		return;
	if (b->at[v6 ? 6 : 9] == 17)
		set16(b, header + 4, (uint32_t)(b->n - header));
	if (v6)
		end_ipv6(b, 0);
	else
		end_ipv4(b, 0);
}

static void build_row(struct build *b, const struct row *r)
{
	size_t prefix;

	b->n = 0;
	put_hex(b, r->before);
	prefix = b->n;
	if (r->inner == '4')
		put_inner4(b, 2222, "inner");
	else
		put_inner6(b, 2222, "inner");
	if (r->layers == 2)
		fix_outer(b, prefix);
	if (strstr(r->why, "PPPoE")) /* its length covers the PPP header */
		set16(b, 18, (uint32_t)(b->n - 20));
	if (r->linktype == 239) /* the payload's TLV length */
		set16(b, prefix - 4, (uint32_t)(((b->n - prefix + 4) & 0xff) << 8));
	if (strstr(r->why, "802.3"))
		set16(b, 12, (uint32_t)(b->n - 14));
}

static void test_every_link_type_and_tunnel(void)
{
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		const struct packet *p;
		const uint8_t *buf;
		struct packet_extra *x;

		build_row(&b, r);
		p = decode_one(b.at, (uint32_t)b.n, (uint32_t)b.n, r->linktype, &buf);
		if (!CHECK(p->verdict == VERDICT_FLOW, "%s: verdict %u", r->why, p->verdict))
			continue;
		CHECK(p->proto == 17 && p->ip_layers == r->layers && p->payload_len == 5 &&
			      p->payload_cap == 5 && memcmp(buf + p->payload, "inner", 5) == 0,
		      "%s: proto %u, %u IP layers, %u bytes", r->why, p->proto, p->ip_layers,
		      p->payload_len);
		CHECK(!!(p->flags & PACKET_IPV6) == (r->inner == '6'), "%s: version", r->why);
		CHECK(!(p->flags & (PACKET_LENGTH_LIES | PACKET_BAD_L4_SUM | PACKET_BAD_IP_SUM)),
		      "%s: flags %x", r->why, p->flags);
		x = &packets.extra[p->extra];
		CHECK((p->extra ? x->tunnel : TUNNEL_NONE) == r->tunnel, "%s: tunnel", r->why);
	}
	end();
}

static bool verdict_is_one(const struct packet *p)
{
	return p->verdict <= VERDICT_DROP + RM_DROP_MAX - 1 && p->verdict != VERDICT_DROP;
}

/* A flow's places lie inside the frame, whatever the frame was. */
static bool places_fit(const struct packet *p, uint32_t caplen)
{
	uint32_t ports = p->proto == 6 || p->proto == 17 || p->proto == 132 ? 4 : 0;

	if (p->verdict != VERDICT_FLOW)
		return true;
	return p->l3 < caplen && p->l3 + p->l4 + ports <= caplen &&
	       p->payload_cap <= p->payload_len &&
	       (p->payload_cap == 0 || p->payload + p->payload_cap <= caplen);
}

/* Cut by snaplen (the wire had it all) and short on the wire. */
static void test_every_truncation(void)
{
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		build_row(&b, &rows[i]);
		for (uint32_t cap = 0; cap < b.n; cap++) {
			for (int wire = 0; wire < 2; wire++) {
				const uint8_t *buf;
				const struct packet *p =
					decode_one(b.at, cap, wire ? (uint32_t)b.n : cap,
						   rows[i].linktype, &buf);

				CHECK(verdict_is_one(p) && places_fit(p, cap),
				      "%s cut at %u: verdict %u", rows[i].why, cap, p->verdict);
			}
		}
	}
	end();
}

/* Snaplen cut inside the innermost payload: the lengths stay true. */
static void test_snaplen_keeps_true_lengths(void)
{
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *buf;
		const struct packet *p;

		if (strstr(rows[i].why, "radiotap"))
			continue; /* whether an FCS was cut cannot be known */
		build_row(&b, &rows[i]);
		p = decode_one(b.at, (uint32_t)b.n - 3, (uint32_t)b.n, rows[i].linktype, &buf);
		CHECK(p->verdict == VERDICT_FLOW && p->payload_len == 5 && p->payload_cap == 2 &&
			      !(p->flags & PACKET_LENGTH_LIES),
		      "%s: %u of %u bytes", rows[i].why, p->payload_cap, p->payload_len);
	}
	end();
}

static void test_mutations(void)
{
	static struct build b;
	struct dice d = dice_of(61);

	begin();
	for (int n = 0; n < 40000; n++) {
		size_t i = dice_below(&d, sizeof(rows) / sizeof(rows[0]));
		const struct packet *p;
		const uint8_t *buf;
		uint32_t cap;

		build_row(&b, &rows[i]);
		for (uint32_t k = dice_below(&d, 5); k; k--)
			b.at[dice_below(&d, (uint32_t)b.n)] = (uint8_t)dice_roll(&d);
		cap = dice_below(&d, 4) ? (uint32_t)b.n : dice_below(&d, (uint32_t)b.n + 1);
		conf.checksum = dice_below(&d, 3);
		conf.max_layers = 4 + dice_below(&d, 30);
		p = decode_one(b.at, cap, (uint32_t)b.n, rows[i].linktype, &buf);
		if (!CHECK(verdict_is_one(p) && places_fit(p, cap), "%s: mutation %d, seed %llu",
			   rows[i].why, n, (unsigned long long)d.seed))
			break;
	}
	conf.checksum = CHECKSUM_COUNT;
	conf.max_layers = 32;
	end();
}

static void test_frames_of_no_flow(void)
{
	static const struct {
		uint32_t linktype;
		const char *frame;
		uint8_t verdict;
		const char *why;
	} others[] = {
		{1, ETH "0806 0001080006040001", VERDICT_OTHER, "ARP"},
		{1, ETH "88cc 0207", VERDICT_OTHER, "LLDP"},
		{1, ETH "0026 4242 03 000000000000", VERDICT_OTHER, "spanning tree"},
		{1, ETH, VERDICT_DROP + RM_DROP_LINK_HEADER, "Ethernet without a type"},
		{1, ETH "0800", VERDICT_DROP + RM_DROP_IPV4_HEADER, "Ethernet, no IP"},
		{1, ETH "86dd 60", VERDICT_DROP + RM_DROP_IPV6_HEADER, "Ethernet, no IPv6"},
		{105, "0841 0000" ETH "020000000003 0000 0000000000000000",
		 VERDICT_DROP + RM_DROP_LINK_ENCRYPTED, "802.11, protected"},
		{105, "8000 0000" ETH "020000000003 0000", VERDICT_OTHER, "802.11 beacon"},
		{0, "00000007", VERDICT_OTHER, "NULL of another family"},
		{9, "c021 01010004", VERDICT_OTHER, "PPP control protocol"},
		{9999, "0102", VERDICT_DROP + RM_DROP_LINK_UNSUPPORTED, "unknown link type"},
		{149, "0c000000 00000000 95000000 0c000000 00000000 95000000",
		 VERDICT_DROP + RM_DROP_LINK_HEADER, "PKTAP in PKTAP"},
	};
	static struct build b;

	begin();
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const uint8_t *buf;
		const struct packet *p;

		b.n = 0;
		put_hex(&b, others[i].frame);
		p = decode_one(b.at, (uint32_t)b.n, (uint32_t)b.n, others[i].linktype, &buf);
		CHECK(p->verdict == others[i].verdict, "%s: verdict %u", others[i].why, p->verdict);
	}
	end();
}

CU_TestInfo link_tests[] = {
	{"every_link_type_and_tunnel", test_every_link_type_and_tunnel},
	{"every_truncation", test_every_truncation},
	{"snaplen_keeps_true_lengths", test_snaplen_keeps_true_lengths},
	{"mutations", test_mutations},
	{"frames_of_no_flow", test_frames_of_no_flow},
	CU_TEST_INFO_NULL,
};
