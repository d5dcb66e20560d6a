/* SPDX-License-Identifier: MIT */
/*
 * peer — captures by TCP: a host that is not there, says nothing, talks nonsense, comes in pieces,
 * goes in the middle of a packet and comes back; and an interface, in a network of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/feed_host.h"
#include "user/base/clock.h"
#include "user/source/peer.h"

/* A host that listens, in this network of the thread's own. */
struct host {
	int listener, fd;
	uint32_t accepted;
	char address[64];
};

static void host_open(struct host *h, int family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	*h = (struct host){.fd = -1};
	h->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(h->listener, at, len), 0);
	CU_ASSERT_EQUAL_FATAL(listen(h->listener, 5), 0);
	CU_ASSERT_EQUAL(getsockname(h->listener, at, &len), 0);
	if (family == AF_INET)
		snprintf(h->address, sizeof(h->address), "127.0.0.1:%u", ntohs(v4.sin_port));
	else
		snprintf(h->address, sizeof(h->address), "[::1]:%u", ntohs(v6.sin6_port));
}

/* Lets it connect. */
static void host_accept(struct host *h)
{
	feed_until_said("connected", ++h->accepted);
	h->fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC);
	CU_ASSERT_TRUE_FATAL(h->fd >= 0);
}

static void host_hang_up(struct host *h)
{
	close(h->fd);
	h->fd = -1;
}

static void host_close(struct host *h)
{
	if (h->fd >= 0)
		close(h->fd);
	close(h->listener);
}

static void host_send(const struct host *h, const void *bytes, size_t n)
{
	CU_ASSERT_EQUAL(send(h->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void open_peer(const struct host *h)
{
	const char *peers[] = {h->address};

	feed_open((struct source_conf){.peers = peers, .n_peers = 1});
}

static void whole_capture(int family)
{
	struct file f = capture(100, "abc");
	struct host h;

	host_open(&h, family);
	open_peer(&h);
	host_accept(&h);
	feed_idle();
	CU_ASSERT_EQUAL(feed.idle_ns, 0); /* nothing is known of its clock */
	host_send(&h, f.b.at, f.b.n);
	feed_until(3);
	feed_idle();
	CHECK(feed.idle_ns > feed.clock_ns, "idle at %llu", (unsigned long long)feed.idle_ns);
	feed_close("abc", false, "a whole capture");
	host_close(&h);
}

static void one_byte_at_a_time(void)
{
	struct file f = capture(100, "abc"), ng = {0};
	struct host h;

	ng_section(&ng);
	ng_interface(&ng, 101, NULL, 0);
	ng_packet(&ng, 0, 1, "x", 1);
	ng_interface(&ng, 1, NULL, 0);
	ng_packet(&ng, 1, 2, "y", 1);
	for (int k = 0; k < 2; k++) {
		const struct file *one = k ? &ng : &f;

		host_open(&h, AF_INET);
		open_peer(&h);
		host_accept(&h);
		for (size_t i = 0; i < one->b.n; i++) {
			host_send(&h, one->b.at + i, 1);
			if (i % 7 == 0)
				feed_fill();
		}
		feed_until(k ? 2 : 3);
		feed_close(k ? "xy" : "abc", false, "one byte at a time");
		host_close(&h);
	}
}

/* What comes again after a loss is told once each, and the clock and numbers go on. */
static void lost_and_found(void)
{
	struct file f = capture(100, "abc"), g = capture(200, "de");
	struct host h;
	uint32_t ifaces;

	host_open(&h, AF_INET);
	open_peer(&h);
	host_accept(&h);
	host_send(&h, f.b.at, f.b.n - 3);
	feed_until(2);
	ifaces = source_iface_count(feed.source);
	host_hang_up(&h);
	feed_until_said("the stream ends inside a packet", 1);
	host_accept(&h);
	host_send(&h, g.b.at, g.b.n);
	feed_until(4);
	CU_ASSERT_EQUAL(feed_said_times("connected"), 2);
	CU_ASSERT_EQUAL(feed_said_times("tried again in 1 s"), 1);
	CU_ASSERT_EQUAL(source_iface_count(feed.source), ifaces);
	CU_ASSERT_EQUAL(feed.b.first_number + feed.b.n, 5);
	host_hang_up(&h);
	feed_until_said("the connection was closed", 1);
	feed_close("abde", false, "lost and found");
	host_close(&h);
}

/* Interfaces that are described anew, in another order, are those they were. */
static void interfaces_again(void)
{
	static const uint32_t expect[] = {101, 1, 1, 101};
	struct host h;

	host_open(&h, AF_INET);
	open_peer(&h);
	for (uint32_t k = 0; k < 2; k++) {
		struct file f = {0};

		ng_section(&f);
		ng_interface(&f, k ? 1 : 101, NULL, 0);
		ng_interface(&f, k ? 101 : 1, NULL, 0);
		ng_packet(&f, 0, 1, k ? "c" : "a", 1);
		ng_packet(&f, 1, 2, k ? "d" : "b", 1);
		host_accept(&h);
		host_send(&h, f.b.at, f.b.n);
		feed_until(2 * k + 2);
		host_hang_up(&h);
	}
	CU_ASSERT_EQUAL(source_iface_count(feed.source), 2);
	for (uint32_t i = 0; i < feed.n && i < 4; i++)
		CHECK(source_iface(feed.source, feed.iface[i])->linktype == expect[i], "packet %u",
		      i + 1);
	feed_close("abcd", false, "interfaces again");
	host_close(&h);
}

static void nonsense(void)
{
	struct file f = capture(100, "a");
	struct host h;

	host_open(&h, AF_INET);
	open_peer(&h);
	host_accept(&h);
	host_send(&h, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	feed_until_said("neither pcap nor pcapng; tried again", 1);
	host_hang_up(&h);
	host_accept(&h);
	memset(f.b.at + 24 + 8, 0xff, 4);
	host_send(&h, f.b.at, f.b.n);
	feed_until_said("more than 1 MiB", 1);
	feed_close("", false, "nonsense");
	host_close(&h);
}

static void nobody_there(void)
{
	struct host h;
	uint64_t until;

	host_open(&h, AF_INET);
	host_close(&h);
	open_peer(&h);
	feed_until_said("Connection refused; tried again", 1);
	for (until = clock_ns() + 2500000000; clock_ns() < until;)
		feed_fill();
	CHECK(feed_said_times("\n") == 1, "%s", feed.text);
	feed_close("", false, "nobody there");
}

/* One that does not answer (its queue is full), a name that nobody knows, and no way there. */
static void silence(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const char *peers[] = {NULL, "10.99.99.99:1", "does.not.exist.invalid:2"};
	struct host h;
	int fd[4];

	host_open(&h, AF_INET);
	listen(h.listener, 0);
	to.sin_port = htons((uint16_t)strtoul(strchr(h.address, ':') + 1, NULL, 10));
	for (int i = 0; i < 4; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fd[i], (struct sockaddr *)&to, sizeof(to));
	}
	peers[0] = h.address;
	feed_open((struct source_conf){.peers = peers, .n_peers = 3});
	feed_idle();
	CHECK(!strstr(feed_said(), h.address), "%s", feed.text);
	feed_close("", false, "silence");
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	host_close(&h);
}

static bool limit_reached;

static void a_limit(void)
{
	struct file f = capture(100, "abc");
	const char *peers[1];
	struct host h;

	host_open(&h, AF_INET);
	peers[0] = h.address;
	feed_open((struct source_conf){.peers = peers, .n_peers = 1, .max_packets = 2});
	host_accept(&h);
	host_send(&h, f.b.at, f.b.n);
	feed_until_end();
	limit_reached = feed.ended;
	feed_close("ab", false, "a limit");
	host_close(&h);
}

/* Raw UDP to ourselves: what is in the frame behind Ethernet, IPv4 and UDP is the letter. */
static void send_letters(const char *letters, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (; *letters; letters++)
		CU_ASSERT_EQUAL(sendto(fd, letters, 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	close(fd);
}

static void set_up(const char *name, bool up)
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	CU_ASSERT_EQUAL(ioctl(fd, SIOCGIFFLAGS, &r), 0);
	r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
	CU_ASSERT_EQUAL(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	close(fd);
}

/* Every datagram to ourselves is seen twice on lo: out and in; libpcap gives one. */
static void an_interface(void)
{
	const char *ifaces[] = {"lo"}, *wrong[] = {"nonexistent0"};
	struct source_conf conf = {.ifaces = ifaces,
				   .n_ifaces = 1,
				   .pcap = {.filter = "udp dst port 7777", .immediate = true}};
	uint32_t n = 0;

	feed_open(conf);
	CU_ASSERT_TRUE_FATAL(feed.opened);
	feed_idle();
	send_letters("skip", 7778);
	send_letters("abcd", 7777);
	while (n < 4 && !feed.ended) {
		feed_fill();
		for (uint32_t i = 0; i < feed.b.n; i++, n++) {
			const struct frame *f = &feed.b.frame[i];

			CU_ASSERT_EQUAL(f->caplen, 14 + 20 + 8 + 1);
			CU_ASSERT_EQUAL(feed.b.buf[f->at + 42], "abcd"[n % 4]);
			CU_ASSERT_EQUAL(source_iface(feed.source, f->iface)->linktype, 1);
			CU_ASSERT_STRING_EQUAL(source_iface(feed.source, f->iface)->name, "lo");
			CU_ASSERT_TRUE(f->ts_ns > 1700000000ULL * NS_PER_S);
		}
	}
	CU_ASSERT_EQUAL(n, 4);
	set_up("lo", false);
	feed_idle();
	set_up("lo", true);
	send_letters("abcd", 7777);
	feed_until(8);
	CU_ASSERT_EQUAL(feed.n, 8);
	feed_idle();
	CU_ASSERT_TRUE(feed.idle_ns > feed.clock_ns);
	source_stop(feed.source);
	feed_fill();
	CU_ASSERT_TRUE(source_drops(feed.source).received >= 4); /* lo shows each twice */
	CU_ASSERT_EQUAL(source_drops(feed.source).dropped, 0);
	feed.n = 0;
	feed.letters[0] = 0;
	memset(feed.letters, 0, sizeof(feed.letters));
	feed_close("", false, "an interface");

	conf.ifaces = wrong;
	feed_open(conf);
	feed_refused("nonexistent0: ");
	conf.ifaces = ifaces;
	conf.pcap.filter = "no such filter";
	feed_open(conf);
	feed_refused("lo: ");
}

/* One that goes while it is listened to ends the run. */
static void interface_gone(void)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	const char *ifaces[] = {"gone0"};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "gone0");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0) {
		fprintf(stderr, "unit: no interface can be made (%d): skipped\n", errno);
		return;
	}
	set_up("gone0", true);
	feed_open((struct source_conf){.ifaces = ifaces, .n_ifaces = 1});
	feed_idle();
	close(fd);
	feed_until_end();
	CHECK(feed.ended && feed_said_times("gone0: ") == 1, "%s", feed.text);
	memset(feed.letters, 0, sizeof(feed.letters)); /* what the system itself sent */
	feed_close("", true, "an interface that goes");
}

static void *in_own_network(void *arg)
{
	void (**test)(void) = arg;

	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "unit: no network of its own (%d): skipped\n", errno);
		return NULL;
	}
	set_up("lo", true);
	(*test)();
	return NULL;
}

/* The thread's network ends with it. */
static void apart(void (*test)(void))
{
	pthread_t t;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, in_own_network, &test), 0);
	pthread_join(t, NULL);
}

static void whole_capture_v4(void)
{
	whole_capture(AF_INET);
}

static void whole_capture_v6(void)
{
	whole_capture(AF_INET6);
}

static void test_whole_capture(void)
{
	apart(whole_capture_v4);
	apart(whole_capture_v6);
}

static void test_one_byte_at_a_time(void)
{
	apart(one_byte_at_a_time);
}

static void test_lost_and_found(void)
{
	apart(lost_and_found);
	apart(interfaces_again);
}

static void test_nonsense(void)
{
	apart(nonsense);
}

static void test_nobody_there(void)
{
	apart(nobody_there);
	apart(silence);
}

static void test_limit(void)
{
	limit_reached = true;
	apart(a_limit);
	CU_ASSERT_TRUE(limit_reached);
}

static void test_interface(void)
{
	apart(an_interface);
	apart(interface_gone);
}

static void test_addresses(void)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{"host:1", true},
		{"10.0.0.1:65535", true},
		{"[::1]:80", true},
		{"[fe80::1%eth0]:80", true},
		{"host", false},
		{"host:", false},
		{":80", false},
		{"host:0", false},
		{"host:65536", false},
		{"host:-1", false},
		{"host:80x", false},
		{"::1:80", false},
		{"[::1]80", false},
		{"[::1", false},
		{"[]:80", false},
		{"", false},
		{"host:00000000080", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(peer_address_good(rows[i].text) == rows[i].good, "%s", rows[i].text);
}

/* DLT numbers that files have others for. */
static void test_link_types(void)
{
	static const struct {
		int dlt;
		uint32_t linktype;
	} rows[] = {{1, 1},     {12, 101}, {14, 101},  {113, 113},
		    {276, 276}, {0, 0},    {108, 108}, {11, 100}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(pcap_live_linktype(rows[i].dlt), rows[i].linktype);
}

CU_TestInfo peer_tests[] = {
	{"whole_capture", test_whole_capture},   {"one_byte_at_a_time", test_one_byte_at_a_time},
	{"lost_and_found", test_lost_and_found}, {"nonsense", test_nonsense},
	{"nobody_there", test_nobody_there},     {"limit", test_limit},
	{"interface", test_interface},           {"addresses", test_addresses},
	{"link_types", test_link_types},         CU_TEST_INFO_NULL,
};
