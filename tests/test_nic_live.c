/* SPDX-License-Identifier: MIT */
/* nic_live — interfaces made for it, in a network namespace of its own.  Without the right to make
 * one, or without `ip`, nothing is tested but what any namespace has. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/source/netlink.h"
#include "user/source/nic_mode.h"

extern char **environ;

/* Runs "ip ARGS", split at blanks; what it says against it is not for the reader. */
static bool ip(const char *args)
{
	char line[256], *argv[32] = {(char *)"ip"}, *save = NULL;
	posix_spawn_file_actions_t actions;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(line, sizeof(line), "%s", args);
	for (char *w = strtok_r(line, " ", &save); w && argc < 31; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, "ip", &actions, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0;
}

/* Into a new namespace; the way back is *home.  False where that is not allowed. */
static bool leave(int *home)
{
	*home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*home >= 0 && unshare(CLONE_NEWNET) == 0) {
		if (ip("link set lo up"))
			return true;
		fprintf(stderr, "nic_live: no `ip`: not tested\n");
		CU_ASSERT_EQUAL(setns(*home, CLONE_NEWNET), 0);
	} else {
		fprintf(stderr, "nic_live: no network namespace: not tested\n");
	}
	if (*home >= 0)
		close(*home);
	return false;
}

/* All that was made goes with the namespace. */
static void come_home(int home)
{
	CU_ASSERT_EQUAL_FATAL(setns(home, CLONE_NEWNET), 0);
	close(home);
}

/* Kernels are built without some kinds of links. */
static bool made(const char *args)
{
	bool ok = ip(args);

	if (!ok)
		fprintf(stderr, "nic_live: not tested: ip %s\n", args);
	return ok;
}

static bool says(const char *name, enum nic_mode mode, const char *why)
{
	char got[NIC_WHY] = "";
	struct nic n;
	int err = nic_read(&n, name);

	if (!CHECK(err == 0, "%s: %d", name, err))
		return false;
	return CHECK(nic_auto(&n, got, sizeof(got)) == mode, "%s: %s", name, got) &&
	       CHECK(strcmp(got, why) == 0, "%s: %s", why, got);
}

/* Here and now, without any right. */
static void test_this_namespace(void)
{
	struct nic *rows, n;
	size_t count;

	CU_ASSERT_EQUAL_FATAL(nic_list(&rows, &count), 0);
	for (size_t i = 0; i < count; i++) {
		CHECK(i == 0 || rows[i - 1].ifindex < rows[i].ifindex, "row %zu", i);
		CHECK(rows[i].name[0] != '\0' && rows[i].rx_queues > 0, "row %zu", i);
	}
	free(rows);
	CU_ASSERT_EQUAL(nic_read(&n, "nic-is-missing"), -ENODEV);
	CU_ASSERT_EQUAL(nic_read(&n, ""), -ENODEV);
	CU_ASSERT_EQUAL(nic_read(&n, "a-name-too-long-for-an-interface"), -ENODEV);
}

static int ask_link(struct netlink *nl, int ifindex)
{
	struct ifinfomsg head = {.ifi_index = ifindex};
	struct netlink_request q;

	netlink_begin(&q, RTM_GETLINK, 0, span_of((const uint8_t *)&head, sizeof(head)));
	return netlink_ask(nl, &q);
}

/* An answer of one message ends by itself; what is refused says why, and the next question is
 * answered all the same. */
static void test_questions(void)
{
	struct netlink_message m;
	struct netlink nl;

	CU_ASSERT_EQUAL_FATAL(netlink_open(&nl, NETLINK_ROUTE), 0);
	for (int turn = 0; turn < 3; turn++) {
		CU_ASSERT_EQUAL(ask_link(&nl, 1), 0);
		CU_ASSERT_EQUAL(netlink_next(&nl, &m), 1);
		CU_ASSERT_EQUAL(m.head.nlmsg_type, RTM_NEWLINK);
		CU_ASSERT_EQUAL(netlink_next(&nl, &m), 0);
		CU_ASSERT_EQUAL(ask_link(&nl, 0x7fffffff), 0);
		CU_ASSERT_EQUAL(netlink_next(&nl, &m), -ENODEV);
		CU_ASSERT_EQUAL(netlink_next(&nl, &m), 0);
		/* Left unread. */
		CU_ASSERT_EQUAL(ask_link(&nl, 1), 0);
	}
	netlink_close(&nl);
	netlink_close(&nl);
}

static void test_facts(void)
{
	struct nic n, other;
	int home;

	if (!leave(&home))
		return;
	CU_ASSERT_EQUAL_FATAL(nic_read(&n, "lo"), 0);
	CU_ASSERT_TRUE(n.loopback && n.type == ARPHRD_LOOPBACK && n.up && n.ifindex == 1);
	CU_ASSERT_TRUE(n.n_addresses >= 1 && n.address[0].at[0] == 127 && n.address[0].prefix == 8);
	if (made("link add v0 mtu 1300 numrxqueues 4 numtxqueues 2 type veth peer name v1 "
		 "numrxqueues 2 numtxqueues 4")) {
		CU_ASSERT_EQUAL_FATAL(nic_read(&n, "v0"), 0);
		CU_ASSERT_EQUAL_FATAL(nic_read(&other, "v1"), 0);
		CU_ASSERT_TRUE(!n.up && !n.running && n.mtu == 1300 && n.type == ARPHRD_ETHER);
		CU_ASSERT_TRUE(n.rx_queues == 4 && n.tx_queues == 2);
		CU_ASSERT_STRING_EQUAL(n.kind, "veth");
		CU_ASSERT_STRING_EQUAL(n.driver, "veth");
		CU_ASSERT_TRUE(n.peer == other.ifindex && other.peer == n.ifindex);
		CU_ASSERT_STRING_EQUAL(n.peer_name, "v1");
		CU_ASSERT_TRUE(!n.lro && n.tx_vlan_insert && n.peer_tx_vlan_insert);
		CU_ASSERT_TRUE(ip("link set v0 address 02:00:00:00:00:07 promisc on up"));
		CU_ASSERT_EQUAL_FATAL(nic_read(&n, "v0"), 0);
		CU_ASSERT_TRUE(n.up && !n.running && n.promisc && n.mac[0] == 2 && n.mac[5] == 7);
		CU_ASSERT_TRUE(ip("link set v1 up"));
		CU_ASSERT_EQUAL_FATAL(nic_read(&n, "v0"), 0);
		CU_ASSERT_TRUE(n.up && n.running && n.xdp == NIC_XDP_NONE);
		/* Linux 6.3 and newer say so. */
		if (n.features.known)
			CU_ASSERT_TRUE(n.features.basic && !n.features.xsk_zerocopy);
		CU_ASSERT_TRUE(ip("link set v0 down") && ip("link set v0 name w0"));
		CU_ASSERT_EQUAL(nic_read(&n, "v0"), -ENODEV);
		CU_ASSERT_EQUAL(nic_read(&n, "w0"), 0);
		if (made("link property add dev w0 altname w0-also")) {
			CU_ASSERT_EQUAL(nic_read(&n, "w0-also"), 0);
			CU_ASSERT_STRING_EQUAL(n.name, "w0");
		}
	}
	come_home(home);
}

/* What is put upon a pair of its own, and what is to be said of it. */
static void test_rule(void)
{
	static const struct {
		const char *setup[3];
		enum nic_mode mode;
		const char *why;
	} cases[] = {
		{{"link set v0 up"}, NIC_REDIRECT, "nothing uses v0"},
		{{NULL}, NIC_REDIRECT, "nothing uses v0; it is down"},
		{{"link set v0 up", "addr add 169.254.7.7/16 dev v0"},
		 NIC_REDIRECT,
		 "nothing uses v0"},
		{{"link set v0 up", "addr add fe80::7/64 dev v0 nodad"},
		 NIC_REDIRECT,
		 "nothing uses v0"},
		{{"link set v0 up", "addr add 10.0.0.2/24 dev v0"},
		 NIC_TAP,
		 "v0 has the address 10.0.0.2/24"},
		{{"link set v0 up", "addr add 10.0.0.2 peer 10.9.9.9/32 dev v0"},
		 NIC_TAP,
		 "v0 has the address 10.0.0.2/32"},
		{{"link set v0 up", "addr add fd00::2/64 dev v0 nodad"},
		 NIC_TAP,
		 "v0 has the address fd00::2/64"},
		{{"link set v0 up", "route add 10.1.0.0/16 dev v0"},
		 NIC_TAP,
		 "v0 carries the route to 10.1.0.0/16"},
		{{"link set v0 up", "route add 10.1.0.0/16 dev v0 table 77"},
		 NIC_TAP,
		 "v0 carries the route to 10.1.0.0/16"},
		{{"link set v0 up", "route add local 10.2.0.0/16 dev v0"},
		 NIC_TAP,
		 "v0 carries the route to 10.2.0.0/16"},
		{{"link set v0 up", "-6 route add fd01::/48 dev v0"},
		 NIC_TAP,
		 "v0 carries the route to fd01::/48"},
		{{"link set v0 up", "route add 10.1.0.0/16 dev v0", "route add default dev v0"},
		 NIC_TAP,
		 "v0 carries the default route"},
		{{"link set v0 up", "route add 10.1.0.0/16 dev v0",
		  "-6 route add default via fe80::1 dev v0"},
		 NIC_TAP,
		 "v0 carries the default route"},
		{{"link set v0 up", "link set v1 up",
		  "route add 10.3.0.0/16 nexthop dev v1 nexthop dev v0"},
		 NIC_TAP,
		 "v0 carries the route to 10.3.0.0/16"},
		{{"link set v0 up", "link set v1 up", "nexthop add id 7 dev v0"},
		 NIC_TAP,
		 "v0 carries the next hop 7"},
		{{"link add br0 type bridge", "link set v0 master br0"},
		 NIC_TAP,
		 "v0 is a port of br0; it is down"},
		{{"link add link v0 mv0 type macvlan"},
		 NIC_TAP,
		 "mv0 (macvlan) stands upon v0; it is down"},
		{{"link add link v1 mv0 type macvlan"},
		 NIC_REDIRECT,
		 "nothing uses v0; it is down"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok;
		int home;

		if (!leave(&home))
			return;
		ok = made("link add v0 type veth peer name v1");
		for (size_t k = 0; ok && k < 3 && cases[i].setup[k]; k++)
			ok = made(cases[i].setup[k]);
		if (ok)
			says("v0", cases[i].mode, cases[i].why);
		come_home(home);
	}
}

/* A child that holds a namespace open until the pipe to it is closed. */
static pid_t hold_namespace(int *pipe_end)
{
	int ready[2], hold[2];
	pid_t pid = -1;
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(hold, O_CLOEXEC) == 0) {
		pid = fork();
		if (pid == 0) {
			close(hold[1]);
			if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1 &&
			    read(hold[0], &byte, 1) == 0)
				_exit(0);
			_exit(1);
		}
		close(hold[0]);
		*pipe_end = hold[1];
	}
	close(ready[1]);
	if (pid > 0)
		CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* The macvlan of a container stands upon our interface and is not among our links; a peer that is
 * there has an index of there. */
static void test_other_namespace(void)
{
	char line[128];
	int home, hold = -1;
	struct nic n;
	pid_t pid;

	if (!leave(&home))
		return;
	pid = hold_namespace(&hold);
	CU_ASSERT_TRUE_FATAL(pid > 0);
	snprintf(line, sizeof(line), "link set mv0 netns %d", pid);
	if (made("link add v0 type veth peer name v1") &&
	    made("link add link v0 mv0 type macvlan") && made(line)) {
		says("v0", NIC_TAP,
		     "mv0 (macvlan) of another network namespace stands upon v0; it is down");
		says("v1", NIC_REDIRECT, "nothing uses v1; it is down");
	}
	snprintf(line, sizeof(line), "link set v1 netns %d", pid);
	if (made(line)) {
		CU_ASSERT_EQUAL_FATAL(nic_read(&n, "v0"), 0);
		CU_ASSERT_TRUE(n.peer != 0 && n.peer_elsewhere && n.peer_name[0] == '\0');
	}
	close(hold);
	waitpid(pid, NULL, 0);
	come_home(home);
}

static void enter(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

/* Three namespaces have an interface 700, and something stands upon one of these alone. */
static void test_same_index_elsewhere(void)
{
	int home, first, hold = -1;
	char line[128];
	pid_t pid;

	if (!leave(&home))
		return;
	pid = hold_namespace(&hold);
	CU_ASSERT_TRUE_FATAL(pid > 0);
	snprintf(line, sizeof(line), "link set mv0 netns %d", pid);
	if (made("link add v0 index 700 type veth peer name v1") &&
	    made("link add link v0 mv0 type macvlan") && made(line) && leave(&first)) {
		snprintf(line, sizeof(line), "link set w1 netns %d", pid);
		if (made("link add w0 index 700 type veth peer name w1") && made(line))
			says("w0", NIC_REDIRECT, "nothing uses w0; it is down");
		enter(pid);
		if (made("link add x0 index 700 type veth peer name x1"))
			says("x0", NIC_REDIRECT, "nothing uses x0; it is down");
		come_home(first);
		says("v0", NIC_TAP,
		     "mv0 (macvlan) of another network namespace stands upon v0; it is down");
	}
	close(hold);
	waitpid(pid, NULL, 0);
	come_home(home);
}

/* r0 = XDP_PASS; exit */
static int load_pass(void)
{
	struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
				  {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr a = {.prog_type = BPF_PROG_TYPE_XDP,
			    .insn_cnt = 2,
			    .insns = (uintptr_t)pass,
			    .license = (uintptr_t) "GPL"};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
}

static void test_attached_program(void)
{
	union bpf_attr a = {.link_create = {.attach_type = BPF_XDP}};
	int home, program, link = -1;
	char why[64];
	struct nic n;

	if (!leave(&home))
		return;
	program = load_pass();
	if (program >= 0 && made("link add v0 type veth peer name v1") && nic_read(&n, "v0") == 0) {
		a.link_create.prog_fd = (uint32_t)program;
		a.link_create.target_ifindex = (uint32_t)n.ifindex;
		link = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &a, sizeof(a));
	}
	if (link < 0) {
		fprintf(stderr, "nic_live: no XDP program: not tested\n");
	} else {
		CU_ASSERT_EQUAL_FATAL(nic_read(&n, "v0"), 0);
		CU_ASSERT_TRUE(n.xdp == NIC_XDP_NATIVE && n.xdp_program != 0);
		snprintf(why, sizeof(why), "v0 has an XDP program already, id %u; it is down",
			 n.xdp_program);
		says("v0", NIC_TAP, why);
		close(link);
		says("v0", NIC_REDIRECT, "nothing uses v0; it is down");
	}
	if (program >= 0)
		close(program);
	come_home(home);
}

static void test_list(void)
{
	char *text = NULL;
	size_t size;
	int home;
	FILE *f;

	if (!leave(&home))
		return;
	made("tuntap add tun7 mode tun");
	made("link add v0 type veth peer name v1");
	made("addr add 10.0.0.2/24 dev v0");
	f = open_memstream(&text, &size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(nic_show_list(f), 0);
	fclose(f);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "auto: tap, because lo is the loopback interface\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "addresses: 127.0.0.1/8"));
	if (strstr(text, "\ntun7 "))
		CU_ASSERT_PTR_NOT_NULL(
			strstr(text, "tap, because tun7 is no Ethernet; it is down"));
	if (strstr(text, "\nv0 "))
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "v0 has the address 10.0.0.2/24; it is down"));
	free(text);
	come_home(home);
}

/* A tun device has room for 256 queues and as many in use as are open. */
static void test_queues_in_use(void)
{
	struct nic n;
	int home;

	if (!leave(&home))
		return;
	if (made("tuntap add t0 mode tap multi_queue")) {
		CU_ASSERT_TRUE(ip("link set t0 up"));
		CU_ASSERT_EQUAL_FATAL(nic_read(&n, "t0"), 0);
		/* Linux 6.8 and newer say so. */
		CU_ASSERT_TRUE(n.rx_queues == 256 || n.rx_queues <= 1);
	}
	come_home(home);
}

/* More than one datagram of links, and more addresses than are kept. */
static void test_many(void)
{
	char line[128];
	struct nic *rows, n;
	size_t count;
	int home;

	if (!leave(&home))
		return;
	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "link add a%d type veth peer name b%d", i, i);
		if (!made(line)) {
			come_home(home);
			return;
		}
	}
	CU_ASSERT_EQUAL_FATAL(nic_list(&rows, &count), 0);
	CU_ASSERT_TRUE(count >= 81);
	free(rows);
	for (int i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), "addr add 169.254.1.%d/16 dev a39", i + 1);
		CU_ASSERT_TRUE(ip(line));
	}
	CU_ASSERT_EQUAL_FATAL(nic_read(&n, "a39"), 0);
	CU_ASSERT_TRUE(n.n_addresses == NIC_ADDRESSES && n.more_addresses == 4);
	come_home(home);
}

CU_TestInfo nic_live_tests[] = {
	{"this_namespace", test_this_namespace},
	{"questions", test_questions},
	{"facts", test_facts},
	{"rule", test_rule},
	{"other_namespace", test_other_namespace},
	{"same_index_elsewhere", test_same_index_elsewhere},
	{"attached_program", test_attached_program},
	{"list", test_list},
	{"queues_in_use", test_queues_in_use},
	{"many", test_many},
	CU_TEST_INFO_NULL,
};
