/* SPDX-License-Identifier: MIT */
/* nic — what messages of the kernel say about interfaces; cut, damaged and made up ones too. */
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/source/netlink.h"
#include "user/source/nic_message.h"

#define GUARD 2048

/* A message body under construction. */
struct build {
	size_t n;
	uint8_t at[1024];
};

static void put(struct build *b, const char *bytes, size_t n)
{
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
	while (b->n % 4 != 0)
		b->at[b->n++] = 0;
}

/* The header of an attribute whose length may be a lie. */
static void put_head(struct build *b, uint16_t type, size_t len)
{
	struct nlattr head = {.nla_type = type, .nla_len = (uint16_t)len};

	put(b, (const char *)&head, sizeof(head));
}

static void put_attr(struct build *b, uint16_t type, const char *bytes, size_t n)
{
	put_head(b, type, sizeof(struct nlattr) + n);
	put(b, bytes, n);
}

static void put_u32(struct build *b, uint16_t type, uint32_t v)
{
	put_attr(b, type, (const char *)&v, sizeof(v));
}

static void put_text(struct build *b, uint16_t type, const char *text)
{
	put_attr(b, type, text, strlen(text) + 1);
}

static void put_nest(struct build *b, uint16_t type, const struct build *inner)
{
	put_attr(b, type | NLA_F_NESTED, (const char *)inner->at, inner->n);
}

static struct build link_of(int ifindex, const char *name)
{
	struct ifinfomsg head = {
		.ifi_type = ARPHRD_ETHER, .ifi_index = ifindex, .ifi_flags = IFF_UP | IFF_RUNNING};
	struct build b = {.n = 0};

	put(&b, (const char *)&head, sizeof(head));
	put_text(&b, IFLA_IFNAME, name);
	return b;
}

static struct span all(struct guard *g, const struct build *b, size_t n)
{
	return span_of(guard_put(g, b->at, n), n);
}

static struct build veth_link(void)
{
	struct build b = link_of(7, "v0"), info = {.n = 0}, xdp = {.n = 0};

	put_attr(&b, IFLA_ADDRESS, "\x02\x11\x22\x33\x44\x55", 6);
	put_u32(&b, IFLA_MTU, 9000);
	put_u32(&b, IFLA_LINK, 8);
	put_u32(&b, IFLA_NUM_RX_QUEUES, 4);
	put_u32(&b, IFLA_NUM_TX_QUEUES, 2);
	put_text(&info, IFLA_INFO_KIND, "veth");
	put_nest(&b, IFLA_LINKINFO, &info);
	put_attr(&xdp, IFLA_XDP_ATTACHED, "\x02", 1);
	put_u32(&xdp, IFLA_XDP_PROG_ID, 99);
	put_nest(&b, IFLA_XDP, &xdp);
	put_u32(&b, IFLA_MASTER, 3);
	put_u32(&b, IFLA_PROMISCUITY, 1);
	return b;
}

static void test_link(void)
{
	struct build b = veth_link();
	struct guard g;
	struct nic n;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	CU_ASSERT_TRUE_FATAL(nic_message_link(all(&g, &b, b.n), &n));
	CU_ASSERT_STRING_EQUAL(n.name, "v0");
	CU_ASSERT_STRING_EQUAL(n.kind, "veth");
	CU_ASSERT_TRUE(n.ifindex == 7 && n.type == ARPHRD_ETHER && n.mtu == 9000);
	CU_ASSERT_EQUAL(memcmp(n.mac, "\x02\x11\x22\x33\x44\x55", 6), 0);
	CU_ASSERT_TRUE(n.up && n.running && n.promisc && !n.loopback);
	CU_ASSERT_TRUE(n.rx_queues == 4 && n.tx_queues == 2);
	CU_ASSERT_TRUE(n.peer == 8 && !n.peer_elsewhere && n.lower == 0);
	CU_ASSERT_TRUE(n.master == 3);
	CU_ASSERT_TRUE(n.xdp == NIC_XDP_GENERIC && n.xdp_program == 99);
	guard_close(&g);
}

/* IFLA_LINK is the peer of a pair, and what any other link stands upon. */
static void test_pairs_and_uppers(void)
{
	static const struct {
		const char *kind;
		bool foreign;
		int peer, lower;
	} cases[] = {
		{"veth", false, 8, 0},    {"veth", true, 8, 0}, {"netkit", false, 8, 0},
		{"macvlan", false, 0, 8}, {"vlan", true, 0, 8}, {"", false, 0, 8},
	};
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build b = link_of(7, "x"), info = {.n = 0};
		struct nic n;

		put_u32(&b, IFLA_LINK, 8);
		if (cases[i].foreign)
			put_u32(&b, IFLA_LINK_NETNSID, 5);
		put_text(&info, IFLA_INFO_KIND, cases[i].kind);
		put_nest(&b, IFLA_LINKINFO, &info);
		CHECK(nic_message_link(all(&g, &b, b.n), &n), "%s", cases[i].kind);
		CHECK(n.peer == cases[i].peer && n.lower == cases[i].lower, "%s: %d %d",
		      cases[i].kind, n.peer, n.lower);
		CHECK(n.link_netns == (cases[i].foreign ? 5 : -1), "%s", cases[i].kind);
		CHECK(n.peer_elsewhere == (cases[i].foreign && n.peer), "%s", cases[i].kind);
	}
	guard_close(&g);
}

/* A program attached in one of several modes is a program. */
static void test_xdp_of_several_modes(void)
{
	struct build b = link_of(7, "x"), xdp = {.n = 0};
	struct guard g;
	struct nic n;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	put_attr(&xdp, IFLA_XDP_ATTACHED, "\x04", 1);
	put_u32(&xdp, IFLA_XDP_HW_PROG_ID, 12);
	put_nest(&b, IFLA_XDP, &xdp);
	CU_ASSERT_TRUE(nic_message_link(all(&g, &b, b.n), &n));
	CU_ASSERT_TRUE(n.xdp == NIC_XDP_SEVERAL && n.xdp_program == 12);
	guard_close(&g);
}

/* Cut anywhere, it says the truth or nothing. */
static void test_link_cut(void)
{
	struct build b = veth_link();
	struct guard g;
	struct nic n;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (size_t len = 0; len < b.n; len++) {
		bool ok = nic_message_link(all(&g, &b, len), &n);

		CHECK(ok == (len >= sizeof(struct ifinfomsg) + 7), "%zu: %d", len, ok);
		if (!ok)
			continue;
		CHECK(strcmp(n.name, "v0") == 0 && n.ifindex == 7, "%zu: %s", len, n.name);
		CHECK(n.mtu == 0 || n.mtu == 9000, "%zu: %u", len, n.mtu);
		CHECK(n.peer == 0 || n.peer == 8, "%zu: %d", len, n.peer);
		CHECK(n.xdp_program == 0 || n.xdp_program == 99, "%zu", len);
		CHECK(n.master == 0 || n.master == 3, "%zu", len);
	}
	guard_close(&g);
}

static void test_attributes_that_lie(void)
{
	static const struct {
		uint16_t len;
		const char *why;
	} cases[] = {
		{0, "no length: would never end"},
		{3, "shorter than its header"},
		{9, "a byte longer than the message"},
		{0xffff, "much longer"},
	};
	static const uint8_t nul[4] = {0};
	struct netlink_attr a;
	struct guard g;
	struct nic n;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build b = link_of(7, "x");

		put_head(&b, IFLA_MTU, cases[i].len);
		put(&b, (const char *)nul, sizeof(nul));
		CHECK(nic_message_link(all(&g, &b, b.n), &n) && n.mtu == 0, "%s", cases[i].why);

		/* The same inside of another. */
		b = link_of(7, "x");
		put_head(&b, IFLA_LINKINFO, 12);
		put_head(&b, IFLA_INFO_KIND, cases[i].len);
		put(&b, (const char *)nul, sizeof(nul));
		CHECK(nic_message_link(all(&g, &b, b.n), &n) && n.kind[0] == '\0', "%s",
		      cases[i].why);
	}
	/* Values shorter than what is read of them. */
	for (size_t len = 0; len < 8; len++) {
		a.value = span_of(guard_put(&g, "\xff\xff\xff\xff\xff\xff\xff\xff", len), len);
		CHECK(netlink_u8(&a) == (len >= 1 ? 0xff : 0), "%zu", len);
		CHECK(netlink_u16(&a) == (len >= 2 ? 0xffff : 0), "%zu", len);
		CHECK(netlink_u32(&a) == (len >= 4 ? 0xffffffff : 0), "%zu", len);
		CHECK(netlink_u64(&a) == 0, "%zu", len);
	}
	guard_close(&g);
}

static void test_names_that_do_not_end(void)
{
	char name[300], kind[sizeof(((struct nic *)0)->kind)];
	struct build b = link_of(7, ""), info = {.n = 0};
	struct guard g;
	struct nic n;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	CU_ASSERT_FALSE(nic_message_link(all(&g, &b, b.n), &n));
	memset(name, 'n', sizeof(name));
	memset(kind, 'n', sizeof(kind));
	put_attr(&info, IFLA_INFO_KIND, name, sizeof(name));
	put_nest(&b, IFLA_LINKINFO, &info);
	put_attr(&b, IFLA_IFNAME, name, sizeof(name));
	CU_ASSERT_TRUE(nic_message_link(all(&g, &b, b.n), &n));
	CU_ASSERT_EQUAL(strnlen(n.name, sizeof(n.name)), sizeof(n.name) - 1);
	CU_ASSERT_EQUAL(strnlen(n.kind, sizeof(n.kind)), sizeof(n.kind) - 1);
	guard_close(&g);
}

/* Messages that lie about their length end the datagram. */
static void test_split(void)
{
	static const struct {
		uint32_t len;
		size_t have;
		bool ok;
		const char *why;
	} cases[] = {
		{16, 16, true, "empty"},
		{17, 20, true, "with padding"},
		{17, 17, true, "whose padding is missing"},
		{16, 15, false, "header cut"},
		{16, 0, false, "nothing"},
		{0, 32, false, "no length: would never end"},
		{15, 32, false, "shorter than its header"},
		{33, 32, false, "a byte longer than the datagram"},
		{0xffffffff, 32, false, "much longer"},
		{0xfffffffd, 32, false, "whose padded length wraps"},
	};
	struct netlink_message m;
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr head = {.nlmsg_len = cases[i].len, .nlmsg_type = RTM_NEWLINK};
		struct build b = {.n = 0};
		struct span rest;

		put(&b, (const char *)&head, sizeof(head));
		rest = all(&g, &b, cases[i].have);
		CHECK(netlink_split(&rest, &m) == cases[i].ok, "%s", cases[i].why);
		if (!cases[i].ok)
			continue;
		CHECK(span_len(m.body) == cases[i].len - 16, "%s", cases[i].why);
		CHECK(!netlink_split(&rest, &m) && span_len(rest) == 0, "%s", cases[i].why);
	}
	guard_close(&g);
}

static struct build address_of(uint8_t family, uint8_t prefix)
{
	struct ifaddrmsg head = {.ifa_family = family, .ifa_prefixlen = prefix, .ifa_index = 7};
	struct build b = {.n = 0};

	put(&b, (const char *)&head, sizeof(head));
	return b;
}

static void test_address(void)
{
	static const char peer[] = {10, 0, 0, 1}, own[] = {10, 0, 0, 2}, six[16] = {(char)0xfd};
	struct build b = address_of(AF_INET, 200);
	struct nic_address a;
	struct guard g;
	int ifindex;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	/* Point to point: IFA_ADDRESS is the peer's, in any order. */
	for (int turn = 0; turn < 2; turn++) {
		b = address_of(AF_INET, 24);
		put_attr(&b, turn ? IFA_LOCAL : IFA_ADDRESS, turn ? own : peer, 4);
		put_attr(&b, turn ? IFA_ADDRESS : IFA_LOCAL, turn ? peer : own, 4);
		CU_ASSERT_TRUE(nic_message_address(all(&g, &b, b.n), &a, &ifindex));
		CU_ASSERT_TRUE(memcmp(a.at, own, 4) == 0 && a.prefix == 24 && ifindex == 7);
	}
	b = address_of(AF_INET6, 200);
	put_attr(&b, IFA_ADDRESS, six, 16);
	CU_ASSERT_TRUE(nic_message_address(all(&g, &b, b.n), &a, &ifindex));
	CU_ASSERT_TRUE(a.prefix == 128 && a.at[0] == 0xfd);
	for (size_t len = 0; len < b.n; len++)
		CHECK(!nic_message_address(all(&g, &b, len), &a, &ifindex), "%zu", len);
	/* Of a length that is no address of that family. */
	b = address_of(AF_INET, 24);
	put_attr(&b, IFA_ADDRESS, six, 16);
	CU_ASSERT_FALSE(nic_message_address(all(&g, &b, b.n), &a, &ifindex));
	b = address_of(AF_PACKET, 24);
	put_attr(&b, IFA_ADDRESS, own, 4);
	put_attr(&b, IFA_LOCAL, own, 0);
	CU_ASSERT_FALSE(nic_message_address(all(&g, &b, b.n), &a, &ifindex));
	guard_close(&g);
}

static void test_link_local(void)
{
	static const struct {
		struct nic_address a;
		bool local;
	} cases[] = {
		{{AF_INET, 16, 0, {169, 254, 0, 0}}, true},
		{{AF_INET, 32, 0, {169, 254, 169, 254}}, true},
		{{AF_INET, 15, 0, {169, 254}}, false},
		{{AF_INET, 16, 0, {169, 253}}, false},
		{{AF_INET, 0, 0, {0}}, false},
		{{AF_INET6, 64, 0, {0xfe, 0x80}}, true},
		{{AF_INET6, 10, 0, {0xfe, 0xbf}}, true},
		{{AF_INET6, 9, 0, {0xfe, 0x80}}, false},
		{{AF_INET6, 64, 0, {0xfe, 0xc0}}, false},
		{{AF_INET6, 64, 0, {0xfd, 0x80}}, false},
		{{AF_INET6, 0, 0, {0}}, false},
		{{AF_PACKET, 64, 0, {169, 254}}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(nic_link_local(&cases[i].a) == cases[i].local, "case %zu", i);
}

static struct build route_of(uint8_t family, uint8_t prefix, const char *to, size_t n)
{
	struct rtmsg head = {.rtm_family = family, .rtm_dst_len = prefix};
	struct build b = {.n = 0};

	put(&b, (const char *)&head, sizeof(head));
	if (n > 0)
		put_attr(&b, RTA_DST, to, n);
	return b;
}

static void test_routes(void)
{
	static const char mdns[] = {(char)224, 0, 0, (char)251},
			  local[] = {(char)169, (char)254, 0, 0}, all_nodes[16] = {(char)0xff},
			  fe80[16] = {(char)0xfe, (char)0x80};
	struct {
		struct build b;
		bool local;
		const char *why;
	} cases[] = {
		{route_of(AF_INET, 0, "", 0), false, "default"},
		{route_of(AF_INET, 16, local, 4), true, "169.254/16"},
		{route_of(AF_INET, 32, mdns, 4), false, "multicast of IPv4"},
		{route_of(AF_INET6, 0, "", 0), false, "default of IPv6"},
		{route_of(AF_INET6, 64, fe80, 16), true, "fe80::/64"},
		{route_of(AF_INET6, 8, all_nodes, 16), true, "ff00::/8"},
		{route_of(AF_INET6, 64, fe80, 4), false, "an address cut to 4 bytes"},
		{route_of(AF_MPLS, 20, "\0\0\x11", 4), false, "a label"},
	};
	struct nic_route r;
	struct guard g;
	int ifindex = 0;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_u32(&cases[i].b, RTA_OIF, 7);
		CHECK(nic_message_route(all(&g, &cases[i].b, cases[i].b.n), &r), "%s",
		      cases[i].why);
		CHECK(r.link_local == cases[i].local, "%s", cases[i].why);
		CHECK(nic_route_through(&r, &ifindex) && ifindex == 7, "%s", cases[i].why);
		CHECK(!nic_route_through(&r, &ifindex), "%s", cases[i].why);
	}
	/* Somebody put a gateway there: the interface is in use. */
	put_attr(&cases[1].b, RTA_GATEWAY, local, 4);
	CU_ASSERT_TRUE(nic_message_route(all(&g, &cases[1].b, cases[1].b.n), &r));
	CU_ASSERT_FALSE(r.link_local);
	guard_close(&g);
}

static void put_hop(struct build *b, uint16_t len, int ifindex)
{
	struct rtnexthop hop = {.rtnh_len = len, .rtnh_ifindex = ifindex};

	put(b, (const char *)&hop, sizeof(hop));
}

static void test_multipath(void)
{
	static const uint16_t lies[] = {0, 7, 9, 0xffff};
	struct build b = route_of(AF_INET, 0, "", 0), hops = {.n = 0};
	struct nic_route r;
	struct guard g;
	int ifindex, seen = 0;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	put_hop(&hops, 8, 1);
	put_hop(&hops, 16, 2); /* with a gateway in it */
	put_hop(&hops, 0, 0);
	put_hop(&hops, 8, 4);
	put_nest(&b, RTA_MULTIPATH, &hops);
	CU_ASSERT_TRUE(nic_message_route(all(&g, &b, b.n), &r));
	while (nic_route_through(&r, &ifindex))
		seen = 10 * seen + ifindex;
	CU_ASSERT_EQUAL(seen, 124);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		b = route_of(AF_INET, 0, "", 0);
		hops.n = 0;
		put_hop(&hops, 8, 1);
		put_hop(&hops, lies[i], 2);
		put_nest(&b, RTA_MULTIPATH, &hops);
		CU_ASSERT_TRUE(nic_message_route(all(&g, &b, b.n), &r));
		CHECK(nic_route_through(&r, &ifindex) && ifindex == 1, "%u", lies[i]);
		CHECK(!nic_route_through(&r, &ifindex), "%u", lies[i]);
	}
	guard_close(&g);
}

static void test_features(void)
{
	struct genlmsghdr head = {.cmd = NETDEV_COMMAND_DEV_GET};
	uint64_t bits = 0x3 | 0x8 | 0x20;
	struct build b = {.n = 0};
	struct nic_features f;
	struct guard g;
	int ifindex;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	put(&b, (const char *)&head, sizeof(head));
	put_u32(&b, NETDEV_ATTR_IFINDEX, 7);
	put_u32(&b, NETDEV_ATTR_XDP_ZC_MAX_SEGS, 17);
	put_attr(&b, NETDEV_ATTR_XDP_FEATURES, (const char *)&bits, sizeof(bits));
	for (size_t len = 0; len < b.n; len++)
		CHECK(!nic_message_features(all(&g, &b, len), &f, &ifindex), "%zu", len);
	CU_ASSERT_TRUE(nic_message_features(all(&g, &b, b.n), &f, &ifindex));
	CU_ASSERT_TRUE(ifindex == 7 && f.known && f.basic && f.redirect && !f.ndo_xmit);
	CU_ASSERT_TRUE(f.xsk_zerocopy && f.rx_sg && f.zc_max_segs == 17);
	guard_close(&g);
}

static void test_queues(void)
{
	struct genlmsghdr head = {.cmd = NETDEV_COMMAND_QUEUE_GET};
	struct guard g;
	bool receives;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (uint32_t type = 0; type < 3; type++) {
		struct build b = {.n = 0};

		put(&b, (const char *)&head, sizeof(head));
		put_u32(&b, NETDEV_ATTR_QUEUE_IFINDEX, 7);
		put_u32(&b, NETDEV_ATTR_QUEUE_TYPE, type);
		CHECK(nic_message_queue(all(&g, &b, b.n), &receives) == (type < 2), "%u", type);
		CHECK(receives == (type == 0), "%u", type);
		for (size_t len = 0; len < b.n; len++)
			CHECK(!nic_message_queue(all(&g, &b, len), &receives), "%zu", len);
	}
	guard_close(&g);
}

/* Any bytes: each reader ends, and reads nothing behind the last one. */
static void test_any_bytes(void)
{
	struct build seed = veth_link();
	struct dice d = dice_of(0x6e6963);
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, GUARD));
	for (int turn = 0; turn < 20000; turn++) {
		struct build b = seed;
		struct nic_features f;
		struct nic_address a;
		struct nic_route r;
		uint16_t family;
		bool receives;
		struct span body;
		struct nic n;
		int ifindex = 0, hops = 0;
		int32_t ns;
		uint32_t id;

		for (uint32_t k = dice_below(&d, 6); k > 0; k--)
			b.at[dice_below(&d, (uint32_t)b.n)] = (uint8_t)dice_roll(&d);
		body = all(&g, &b, dice_below(&d, (uint32_t)b.n + 1));
		if (nic_message_link(body, &n))
			CHECK(n.ifindex > 0 && n.name[0] != '\0', "turn %d", turn);
		nic_message_address(body, &a, &ifindex);
		nic_message_nexthop(body, &id, &ifindex);
		nic_message_namespace(body, &ns);
		nic_message_family(body, &family);
		nic_message_features(body, &f, &ifindex);
		nic_message_queue(body, &receives);
		if (nic_message_route(body, &r))
			while (nic_route_through(&r, &ifindex))
				hops++;
		CHECK(hops < 200, "turn %d: %d", turn, hops);
	}
	guard_close(&g);
}

static void test_pppoe(void)
{
	static const char table[] = "Id       Address              Device\n"
				    "0001     00:11:22:33:44:55     eth1\n"
				    "\n"
				    "0002     00:11:22:33:44:55  eth10\n";
	static const struct {
		const char *name;
		bool on;
	} cases[] = {
		{"eth1", true},    {"eth10", true}, {"eth0", false},
		{"Device", false}, {"", false},     {"00:11:22:33:44:55", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *f = fmemopen((char *)table, sizeof(table) - 1, "r");

		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		CHECK(nic_pppoe_on(f, cases[i].name) == cases[i].on, "%s", cases[i].name);
		fclose(f);
	}
}

CU_TestInfo nic_tests[] = {
	{"link", test_link},
	{"pairs_and_uppers", test_pairs_and_uppers},
	{"xdp_of_several_modes", test_xdp_of_several_modes},
	{"link_cut", test_link_cut},
	{"attributes_that_lie", test_attributes_that_lie},
	{"names_that_do_not_end", test_names_that_do_not_end},
	{"split", test_split},
	{"address", test_address},
	{"link_local", test_link_local},
	{"routes", test_routes},
	{"multipath", test_multipath},
	{"features", test_features},
	{"queues", test_queues},
	{"any_bytes", test_any_bytes},
	{"pppoe", test_pppoe},
	CU_TEST_INFO_NULL,
};
