/* SPDX-License-Identifier: MIT */
/* identify — first bytes of each protocol as its specification gives them, and of none. */
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/parse/identify.h"
#include "user/stream/inventory.h"

#define Z8  "\0\0\0\0\0\0\0\0"
#define Z40 Z8 Z8 Z8 Z8 Z8

struct row {
	const char *bytes;
	size_t n;
	enum service_name port, name; /* what the port says; what it is */
	const char *why;
};

#define ROW(text, port, name, why)                                          \
	{                                                                   \
		text, sizeof(text) - 1, SERVICE_##port, SERVICE_##name, why \
	}

static const struct row streams[] = {
	ROW("GET / HTTP/1.1\r\nHost: a\r\n\r\n", UNKNOWN, HTTP, "HTTP request"),
	ROW("OPTIONS * HTTP/1.1\r\nHost: a\r\n", UNKNOWN, HTTP, "HTTP, asterisk form"),
	ROW("CONNECT a.example:443 HTTP/1.1\r\n", UNKNOWN, HTTP, "HTTP, authority form"),
	ROW("CONNECT [2001:db8::1]:443 HTTP/1.1", UNKNOWN, HTTP, "HTTP, IPv6 authority"),
	ROW("POST http://a.example/ HTTP/1.1\r\n", UNKNOWN, HTTP, "HTTP, absolute form"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", UNKNOWN, HTTP, "HTTP response"),
	ROW("HTTP/1.0 404 Not Found\r\n\r\n", REDIS, HTTP, "HTTP on another's port"),
	ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UNKNOWN, HTTP2, "HTTP/2 preface"),
	ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" Z8 Z8, UNKNOWN, TLS, "TLS ClientHello"),
	ROW("\x16\x03\x03\x00\x5a\x02\x00\x00\x56\x03\x03" Z8 Z8, UNKNOWN, TLS, "TLS ServerHello"),
	ROW("\x15\x03\x03\x00\x02\x02\x28" Z8 Z8, UNKNOWN, TLS, "TLS alert"),
	ROW("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" Z8 Z8, UNKNOWN, TLS, "SSLv2 hello"),
	ROW("SSH-2.0-OpenSSH_9.2p1\r\n", UNKNOWN, SSH, "SSH"),
	ROW("SSH-1.99-Cisco-1.25\n", UNKNOWN, SSH, "SSH 1.99"),
	ROW("220 mail.example ESMTP Postfix\r\n", UNKNOWN, SMTP, "SMTP greeting"),
	ROW("220-mx.example ESMTP\r\n220 ok\r\n", UNKNOWN, SMTP, "SMTP, several lines"),
	ROW("220 (vsFTPd 3.0.3)\r\n", FTP, FTP, "FTP greeting on its port"),
	ROW("220 ProFTPD FTP server ready\r\n", UNKNOWN, FTP, "FTP greeting elsewhere"),
	ROW("EHLO client.example\r\n", UNKNOWN, SMTP, "SMTP client"),
	ROW("+OK POP3 server ready <1@x>\r\n", POP3, POP3, "POP3"),
	ROW("* OK [CAPABILITY IMAP4rev1] ready\r\n", UNKNOWN, IMAP, "IMAP"),
	ROW("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", UNKNOWN, REDIS, "Redis command"),
	ROW("*1\r\n$4\r\nPING\r\n" Z8, UNKNOWN, REDIS, "Redis PING"),
	ROW("+PONG\r\n+PONG\r\n+PONG\r\n", UNKNOWN, REDIS, "Redis answer"),
	ROW("\x4a\x00\x00\x00\x0a"
	    "8.0.32\0" Z8 Z8,
	    UNKNOWN, MYSQL, "MySQL greeting"),
	ROW("\x5b\x00\x00\x00\x0a"
	    "5.5.5-10.11.4-MariaDB\0" Z8,
	    UNKNOWN, MYSQL, "MariaDB"),
	ROW("\x00\x00\x00\x29\x00\x03\x00\x00user\0postgres\0" Z8, UNKNOWN, POSTGRES,
	    "PostgreSQL startup"),
	ROW("\x00\x00\x00\x08\x04\xd2\x16\x2f", UNKNOWN, POSTGRES, "PostgreSQL SSL request"),
	ROW("\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00" Z8, UNKNOWN, MONGODB,
	    "MongoDB query"),
	ROW("\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00" Z8, UNKNOWN, MONGODB,
	    "MongoDB message"),
	ROW("set key 0 0 5\r\nhello\r\n", MEMCACHED, MEMCACHED, "memcached"),
	ROW("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", UNKNOWN,
	    RDP, "RDP"),
	ROW("\x00\x00\x00\x54\xfeSMB\x40\x00" Z8 Z8, UNKNOWN, SMB, "SMB2"),
	ROW("\x00\x00\x00\x54\xffSMB\x72\x00" Z8 Z8, UNKNOWN, SMB, "SMB1"),
	ROW("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00" Z8, UNKNOWN, LDAP,
	    "LDAP bind"),
	ROW("\x10\x1a\x00\x04MQTT\x04\x02\x00\x3c\x00\x0e" Z8 Z8, UNKNOWN, MQTT, "MQTT"),
	ROW("AMQP\x00\x00\x09\x01", UNKNOWN, AMQP, "AMQP"),
	ROW("NICK someone\r\nUSER a 0 * :b\r\n", IRC, IRC, "IRC client"),
	ROW(":irc.example NOTICE * :hello\r\n", UNKNOWN, IRC, "IRC server"),
	ROW("RFB 003.008\n", UNKNOWN, RFB, "VNC"),
	ROW("\x13"
	    "BitTorrent protocol" Z8,
	    UNKNOWN, BITTORRENT, "BitTorrent"),
	ROW("@RSYNCD: 31.0\n", UNKNOWN, RSYNC, "rsync"),
	ROW("INFO {\"server_id\":\"NA\"}\r\n", UNKNOWN, NATS, "NATS"),
	ROW("INVITE sip:bob@example.com SIP/2.0\r\n", UNKNOWN, SIP, "SIP"),
	ROW("OPTIONS sip:bob@example.com SIP/2.0\r\n", UNKNOWN, SIP, "SIP with a method of HTTP"),
	ROW("SIP/2.0 200 OK\r\nVia: x\r\n", UNKNOWN, SIP, "SIP answer"),
	ROW("OPTIONS rtsp://a.example/1 RTSP/1.0\r\n", UNKNOWN, RTSP, "RTSP with a method of HTTP"),
	ROW("DESCRIBE rtsp://a.example/1 RTSP/1.0\r\n", UNKNOWN, RTSP, "RTSP"),
	ROW("RTSP/1.0 200 OK\r\nCSeq: 1\r\n", UNKNOWN, RTSP, "RTSP answer"),
	ROW("<?xml version='1.0'?><stream:stream>", XMPP, XMPP, "XMPP"),
	ROW("\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27" Z8, UNKNOWN, TELNET, "telnet"),
	ROW("\x00\x1d\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\7example\3com\0\0\1\0\1", DNS, DNS,
	    "DNS over TCP"),
};

static const struct row none[] = {
	ROW("hello, this is no protocol at all", UNKNOWN, UNKNOWN, "text"),
	ROW(Z40, UNKNOWN, UNKNOWN, "zeros"),
	ROW("GETTING nowhere in particular\r\n", UNKNOWN, UNKNOWN, "almost HTTP"),
	ROW("HTTP/x.y is not a version.......", UNKNOWN, UNKNOWN, "almost an answer"),
	ROW("\x16\x09\x01\x00\x10\x01" Z40, UNKNOWN, UNKNOWN, "TLS of another major version"),
	ROW("SSHX2.0-nothing of this kind.....", UNKNOWN, UNKNOWN, "almost SSH"),
	ROW("2200 bottles of beer on the wall", UNKNOWN, UNKNOWN, "a number"),
	ROW("*x\r\n$3\r\nSET is no Redis command", UNKNOWN, UNKNOWN, "almost Redis"),
};

static bool alike(const struct identified *a, const struct identified *b)
{
	return a->name == b->name && a->by_client == b->by_client && a->by_server == b->by_server;
}

static void test_streams(void)
{
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		const struct row *r = &streams[i];
		struct identified id = {0};
		struct span first = span_of(guard_put(&g, r->bytes, r->n), r->n);
		enum identify_got got = identify_stream(first, r->port, &id);

		CHECK(got == IDENTIFY_YES && id.name == r->name, "%s: %d, %s", r->why, got,
		      service_name_text(id.name));
		CHECK(id.confidence > 0 && id.confidence <= 100 && !(id.by_client && id.by_server),
		      "%s: confidence %u", r->why, id.confidence);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		const struct row *r = &none[i];
		struct identified id = {0};
		struct span first = span_of(guard_put(&g, r->bytes, r->n), r->n);

		enum identify_got got = identify_stream(first, r->port, &id);

		CHECK(got == IDENTIFY_NO, "%s: %d, %s", r->why, got, service_name_text(id.name));
	}
	guard_close(&g);
}

/* Fewer bytes are read no further than they go, and say the same or nothing. */
static void test_every_truncation(void)
{
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 256));
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		const struct row *r = &streams[i];

		for (size_t n = 0; n < r->n; n++) {
			struct identified id = {0};
			struct span first = span_of(guard_put(&g, r->bytes, n), n);
			enum identify_got got = identify_stream(first, r->port, &id);

			CHECK(got != IDENTIFY_YES || id.name == r->name, "%s, %zu bytes: %s",
			      r->why, n, service_name_text(id.name));
			CHECK(n >= 20 || got != IDENTIFY_NO, "%s, %zu bytes: given up", r->why, n);
		}
	}
	guard_close(&g);
}

/* A sender who dribbles: each first answer is the answer to all bytes at once. */
static void test_byte_by_byte(void)
{
	static uint8_t room[2][INVENTORY_ROOM] __attribute__((aligned(8)));
	struct inventory_conf conf = {.stashes = 64,
				      .room = room[0],
				      .room_stride = INVENTORY_ROOM,
				      .slots = 2,
				      .evidence = 1};
	struct inventory v;

	CU_ASSERT_EQUAL_FATAL(inventory_open(&v, &conf), 0);
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		const struct row *r = &streams[i];
		struct identified whole = {0}, id = {0};
		enum identify_got got = IDENTIFY_MORE;
		size_t n = 0;

		identify_stream(span_of((const uint8_t *)r->bytes, r->n), r->port, &whole);
		inventory_start(&v, 1);
		while (got == IDENTIFY_MORE && n < r->n) {
			struct span chunk = span_of((const uint8_t *)r->bytes + n, 1);
			struct span first = inventory_first(&v, 1, 0, chunk);

			n++;
			got = identify_stream(first, r->port, &id);
			if (got == IDENTIFY_MORE)
				inventory_stash(&v, 1, 0, first);
		}
		CHECK(got == IDENTIFY_YES && alike(&id, &whole),
		      "%s: after %zu bytes %s, %d%d not %d%d", r->why, n,
		      service_name_text(id.name), id.by_client, id.by_server, whole.by_client,
		      whole.by_server);
		inventory_end(&v, 1);
	}
	inventory_close(&v);
}

static const struct row datagrams[] = {
	ROW("\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\7example\3com\0\0\1\0\1", UNKNOWN, DNS,
	    "DNS query"),
	ROW("\x12\x34\x81\x80\x00\x01\0\1\0\0\0\0\1a\2de\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2"
	    "\3\4",
	    DNS, DNS, "DNS answer"),
	ROW("\0\0\0\0\0\1\0\0\0\0\0\0\4_tcp\5local\0\0\x0c\0\1", MDNS, MDNS, "mDNS"),
	ROW("\xc0\x00\x00\x00\x01\x08" Z40 Z40, UNKNOWN, QUIC, "QUIC version 1"),
	ROW("\xd0\x6b\x33\x43\xcf\x08" Z40 Z40, UNKNOWN, QUIC, "QUIC version 2"),
	ROW("\x00\x01\x00\x00\x21\x12\xa4\x42" Z8 "\0\0\0\0", UNKNOWN, STUN, "STUN"),
	ROW("\x16\xfe\xff" Z8 "\0\x10\1" Z8, UNKNOWN, DTLS, "DTLS 1.0"),
	ROW("\x16\xfe\xfd" Z8 "\0\x10\1" Z8, UNKNOWN, DTLS, "DTLS 1.2"),
	ROW("\x01\0\0\0" Z40 Z40 Z40 Z8 Z8 Z8, UNKNOWN, WIREGUARD, "WireGuard initiation"),
	ROW("\x23" Z40 "\0\0\0\0\0\0\0", NTP, NTP, "NTP"),
	ROW("REGISTER sip:example.com SIP/2.0\r\n", UNKNOWN, SIP, "SIP"),
	ROW("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900", SSDP, SSDP, "SSDP"),
};

static void test_datagrams(void)
{
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 512));
	for (size_t i = 0; i < sizeof(datagrams) / sizeof(datagrams[0]); i++) {
		const struct row *r = &datagrams[i];
		struct identified id = {0};
		struct span all = span_of(guard_put(&g, r->bytes, r->n), r->n);

		bool got = identify_datagram(all, r->port, &id);

		CHECK(got && id.name == r->name, "%s: %s", r->why, service_name_text(id.name));
		for (size_t n = 0; n < r->n; n++)
			identify_datagram(span_of(guard_put(&g, r->bytes, n), n), r->port, &id);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct identified id = {0};
		struct span all = span_of(guard_put(&g, none[i].bytes, none[i].n), none[i].n);

		bool got = identify_datagram(all, SERVICE_UNKNOWN, &id);

		CHECK(!got, "%s: %s", none[i].why, service_name_text(id.name));
	}
	guard_close(&g);
}

/* Any bytes: no read beyond the end, and a name of the table. */
static void test_any_bytes(void)
{
	struct dice d = dice_of(601);
	struct guard g;
	uint8_t in[300];

	CU_ASSERT_TRUE_FATAL(guard_open(&g, sizeof(in)));
	for (int n = 0; n < 40000; n++) {
		const struct row *r = &streams[dice_below(&d, sizeof(streams) / sizeof(*streams))];
		size_t len = dice_below(&d, dice_below(&d, 2) ? 70 : sizeof(in));
		enum service_name port = dice_below(&d, SERVICE_COUNT);
		struct identified id = {0};
		struct span s;

		dice_fill(&d, in, len);
		if (n % 2)
			memcpy(in, r->bytes, r->n < len ? r->n : len);
		if (len && n % 4 == 3)
			in[dice_below(&d, (uint32_t)len)] = (uint8_t)dice_roll(&d);
		s = span_of(guard_put(&g, in, len), len);
		identify_stream(s, port, &id);
		CHECK(id.name < SERVICE_COUNT, "stream, seed %llu", (unsigned long long)d.seed);
		identify_datagram(s, port, &id);
		CHECK(id.name < SERVICE_COUNT, "datagram, seed %llu", (unsigned long long)d.seed);
	}
	guard_close(&g);
}

CU_TestInfo identify_tests[] = {
	{"streams", test_streams},           {"every_truncation", test_every_truncation},
	{"byte_by_byte", test_byte_by_byte}, {"datagrams", test_datagrams},
	{"any_bytes", test_any_bytes},       CU_TEST_INFO_NULL,
};
