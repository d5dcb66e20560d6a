/* SPDX-License-Identifier: MIT */
/* nic_mode — which way to capture, why, and how it is told. */
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/source/nic_mode.h"

#define ETH .name = "eth0", .type = ARPHRD_ETHER, .up = true, .running = true
#define FOUR(a, b, c, d, bits)             \
	{                                  \
		AF_INET, (bits), 0,        \
		{                          \
			(a), (b), (c), (d) \
		}                          \
	}

static const struct nic_address fe80 = {.family = AF_INET6, .prefix = 64, .at = {0xfe, 0x80}};

static void test_rule(void)
{
	static const struct {
		struct nic n;
		bool safe;
		const char *why;
	} cases[] = {
		{{ETH}, true, "nothing uses eth0"},
		{{ETH, .n_addresses = 1, .address = {FOUR(169, 254, 1, 1, 16)}},
		 true,
		 "nothing uses eth0"},
		{{ETH, .peer = 8, .peer_name = "eth1"}, true, "nothing uses eth0"},
		{{ETH, .lower = 8}, true, "nothing uses eth0"},
		{{ETH, .loopback = true}, false, "eth0 is the loopback interface"},
		{{ETH, .n_addresses = 1, .address = {FOUR(10, 0, 0, 2, 24)}},
		 false,
		 "eth0 has the address 10.0.0.2/24"},
		{{ETH, .n_addresses = 2,
		  .address = {FOUR(169, 254, 1, 1, 16), FOUR(10, 0, 0, 2, 24)}},
		 false,
		 "eth0 has the address 10.0.0.2/24"},
		{{ETH, .n_addresses = 1, .address = {{AF_INET6, 64, 0, {0xfd, [15] = 1}}}},
		 false,
		 "eth0 has the address fd00::1/64"},
		{{ETH, .master = 3, .master_name = "br0"}, false, "eth0 is a port of br0"},
		{{ETH, .master = 3}, false, "eth0 is a port of another interface"},
		{{ETH, .upper = "mv0", .upper_kind = "macvlan"},
		 false,
		 "mv0 (macvlan) stands upon eth0"},
		{{ETH, .upper = "prp0"}, false, "prp0 stands upon eth0"},
		{{ETH, .upper = "eth0", .upper_kind = "macvlan", .upper_elsewhere = true},
		 false,
		 "eth0 (macvlan) of another network namespace stands upon eth0"},
		{{ETH, .routed = true, .route = {.family = AF_INET}},
		 false,
		 "eth0 carries the default route"},
		{{ETH, .routed = true, .route = {.family = AF_INET6}},
		 false,
		 "eth0 carries the default route"},
		{{ETH, .routed = true, .route = FOUR(10, 1, 0, 0, 16)},
		 false,
		 "eth0 carries the route to 10.1.0.0/16"},
		{{ETH, .routed = true, .route = {.family = AF_MPLS, .prefix = 20}},
		 false,
		 "eth0 carries a route of address family 28"},
		{{ETH, .nexthop = 7}, false, "eth0 carries the next hop 7"},
		{{ETH, .pppoe = true}, false, "eth0 carries a PPPoE session"},
	};
	char why[NIC_WHY];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool safe = nic_redirect_safe(&cases[i].n, why, sizeof(why));

		CHECK(safe == cases[i].safe && strcmp(why, cases[i].why) == 0, "%s: %s",
		      cases[i].why, why);
	}
}

/* An address that was not kept may be any. */
static void test_more_addresses_than_kept(void)
{
	struct nic n = {ETH, .n_addresses = NIC_ADDRESSES, .more_addresses = 1};
	char why[NIC_WHY];

	for (size_t i = 0; i < NIC_ADDRESSES; i++)
		n.address[i] = fe80;
	CU_ASSERT_FALSE(nic_redirect_safe(&n, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(why, "eth0 has more than 16 addresses");
	n.more_addresses = 0;
	CU_ASSERT_TRUE(nic_redirect_safe(&n, why, sizeof(why)));
}

static void test_auto(void)
{
	static const struct {
		struct nic n;
		enum nic_mode mode;
		const char *why;
	} cases[] = {
		{{ETH}, NIC_REDIRECT, "nothing uses eth0"},
		{{ETH, .pppoe = true}, NIC_TAP, "eth0 carries a PPPoE session"},
		{{ETH, .xdp = NIC_XDP_GENERIC, .xdp_program = 12},
		 NIC_TAP,
		 "eth0 has an XDP program already, id 12"},
		{{.name = "eth0", .type = ARPHRD_ETHER},
		 NIC_REDIRECT,
		 "nothing uses eth0; it is down"},
		{{.name = "eth0", .type = ARPHRD_ETHER, .pppoe = true},
		 NIC_TAP,
		 "eth0 carries a PPPoE session; it is down"},
		{{.name = "lo", .type = ARPHRD_LOOPBACK, .loopback = true, .up = true},
		 NIC_TAP,
		 "lo is the loopback interface"},
		{{.name = "tun0", .type = ARPHRD_NONE, .up = true}, NIC_TAP, "tun0 is no Ethernet"},
		{{.name = "ppp0", .type = ARPHRD_PPP, .up = true}, NIC_TAP, "ppp0 is no Ethernet"},
		{{.name = "mon0", .type = ARPHRD_IEEE80211_RADIOTAP, .up = true},
		 NIC_TAP,
		 "mon0 is no Ethernet"},
		{{.name = "ib0", .type = ARPHRD_INFINIBAND, .up = true},
		 NIC_PCAP,
		 "ib0 has the hardware type 32, which is for libpcap to read"},
	};
	char why[NIC_WHY];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum nic_mode mode = nic_auto(&cases[i].n, why, sizeof(why));

		CHECK(mode == cases[i].mode && strcmp(why, cases[i].why) == 0, "%s: %s, %s",
		      cases[i].why, nic_mode_name(mode), why);
	}
}

/* The longest of all fits; less room cuts it, and writes nothing behind it. */
static void test_why_in_any_room(void)
{
	struct nic n = {.type = ARPHRD_ETHER, .upper_elsewhere = true};
	char whole[NIC_WHY];
	struct guard g;

	memset(n.name, 'n', sizeof(n.name) - 1);
	memset(n.upper, 'u', sizeof(n.upper) - 1);
	memset(n.upper_kind, 'k', sizeof(n.upper_kind) - 1);
	nic_auto(&n, whole, sizeof(whole));
	CU_ASSERT_PTR_NOT_NULL(strstr(whole, "stands upon nnnnnnnnnnnnnnn; it is down"));
	CU_ASSERT_TRUE_FATAL(guard_open(&g, NIC_WHY));
	for (size_t size = 1; size <= sizeof(whole); size++) {
		char *why = (char *)g.end - size;

		nic_auto(&n, why, size);
		CHECK(strnlen(why, size) < size && strncmp(why, whole, strlen(why)) == 0, "%zu",
		      size);
	}
	guard_close(&g);
}

static char *warned(const struct nic *n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	nic_warn(n, f);
	fclose(f);
	return text;
}

static void test_warnings(void)
{
	struct nic quiet = {ETH, .tx_vlan_insert = true},
		   loud = {ETH, .lro = true, .rx_vlan_strip = true},
		   pair = {ETH, .rx_vlan_strip = true, .peer = 8, .peer_name = "eth1",
			   .peer_tx_vlan_insert = true};
	char *text = warned(&quiet);

	CU_ASSERT_STRING_EQUAL(text, "");
	free(text);
	text = warned(&loud);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "eth0: LRO is on: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "; ethtool -K eth0 lro off\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "the VLAN tag is invisible to XDP; "
					    "ethtool -K eth0 rxvlan off\n"));
	free(text);
	text = warned(&pair);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "; ethtool -K eth1 txvlan off\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "eth0 rxvlan"));
	free(text);
}

static void test_table(void)
{
	static const struct nic rows[] = {
		{ETH, .driver = "virtio_net", .mtu = 1400, .rx_queues = 4, .tx_queues = 2,
		 .features = {.known = true, .basic = true, .xsk_zerocopy = true}, .n_addresses = 2,
		 .address = {FOUR(10, 0, 0, 2, 24), {AF_INET6, 64, 0, {0xfe, 0x80, [15] = 1}}}},
		{.name = "x\033[31m\xc2\x9b", .type = ARPHRD_ETHER, .up = true},
		{.name = "v0",
		 .type = ARPHRD_ETHER,
		 .features = {.known = true},
		 .xdp = NIC_XDP_NATIVE,
		 .xdp_program = 12},
	};
	static const char *const said[] = {
		"NAME ",
		"eth0 ",
		" up ",
		" virtio_net ",
		" 4/2 ",
		" 1400 ",
		" native ",
		" yes ",
		"10.0.0.2/24",
		"fe80::1/64",
		"auto: tap, because eth0 has the address 10.0.0.2/24\n",
		" no carrier ",
		" unknown ",
		"x?[31m?? ",
		" down ",
		"generic only ",
		" 12 native\n",
		"auto: tap, because v0 has an XDP program already, id 12; it is down\n",
	};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	nic_show(rows, sizeof(rows) / sizeof(rows[0]), f);
	fclose(f);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		CHECK(strstr(text, said[i]) != NULL, "%s", said[i]);
	for (const char *p = text; *p; p++)
		CHECK(*p == '\n' || (*p >= ' ' && *p < 0x7f), "byte %02x", *p);
	free(text);
}

CU_TestInfo nic_mode_tests[] = {
	{"rule", test_rule},         {"more_addresses_than_kept", test_more_addresses_than_kept},
	{"auto", test_auto},         {"why_in_any_room", test_why_in_any_room},
	{"warnings", test_warnings}, {"table", test_table},
	CU_TEST_INFO_NULL,
};
