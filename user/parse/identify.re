/* SPDX-License-Identifier: MIT */
/* identify — see identify.h.  Packet bytes have no sentinel: peeking beyond them gives NUL, and a
 * match that needed such a NUL is none (*used says how far the scanner looked). */
#include "user/parse/identify.h"

static enum identify_got yes(struct identified *out, enum service_name name, uint8_t confidence)
{
	*out = (struct identified){.name = name, .confidence = confidence};
	return IDENTIFY_YES;
}

static enum identify_got client(struct identified *out, enum service_name name, uint8_t confidence)
{
	yes(out, name, confidence);
	out->by_client = true;
	return IDENTIFY_YES;
}

static enum identify_got server(struct identified *out, enum service_name name, uint8_t confidence)
{
	yes(out, name, confidence);
	out->by_server = true;
	return IDENTIFY_YES;
}

/* RFC 1035 §4.1: a header whose counts fit the message, and a first name that is one. */
static bool is_dns(struct span s)
{
	const uint8_t *p = s.at;
	uint32_t questions, answers, at = 12, labels = 0;

	if (span_len(s) < 17)
		return false;
	questions = load_be16(p + 4);
	answers = load_be16(p + 6);
	if ((p[2] & 0x78) > 0x28 || (p[3] & 0x40) || questions > 8 || questions + answers == 0 ||
	    answers > 512)
		return false;
	while (at < span_len(s) && p[at] && labels++ < 64) {
		if (p[at] >= 0xc0)
			return questions == 0;
		if (p[at] > 63)
			return false;
		at += 1U + p[at];
	}
	if (at + 5 > span_len(s))
		return at < span_len(s) + 64 && labels > 0 && span_len(s) >= IDENTIFY_BYTES;
	/* type and class of the question: internet, chaos, hesiod or any */
	return load_be16(p + at + 1) != 0 &&
	       ((load_be16(p + at + 3) & 0x7fff) <= 4 || load_be16(p + at + 3) == 255);
}

/* RFC 5905 §7.3: 48 bytes or with a MAC, version 1 to 4, a mode that says something. */
static bool is_ntp(struct span s)
{
	uint8_t version = s.at < s.end ? (s.at[0] >> 3) & 7 : 0, mode = s.at < s.end ? s.at[0] & 7 : 0;

	return (span_len(s) == 48 || span_len(s) == 68) && version >= 1 && version <= 4 &&
	       mode >= 1 && mode <= 5;
}

/* RFC 9000 §17.2: a long header of a version that exists. */
static bool is_quic(struct span s)
{
	uint32_t version;

	if (span_len(s) < 7 || !(s.at[0] & 0x80))
		return false;
	version = load_be32(s.at + 1);
	if (version != 0 && version != 1 && version != 0x6b3343cf && version != 0x709a50c4 &&
	    version >> 8 != 0xff0000 && (version & 0x0f0f0f0f) != 0x0a0a0a0a &&
	    version >> 16 != 0x5130 && version >> 16 != 0x5430)
		return false;
	return s.at[5] <= 20 && 6U + s.at[5] < span_len(s);
}

/* SIP and RTSP share methods with HTTP: the scheme of the target says which it is. */
static enum identify_got request(struct span s, struct identified *out)
{
	return span_len(s) < 16 ? IDENTIFY_MORE : client(out, SERVICE_HTTP, 98);
}

/* A method that we do not know: HTTP only where the line says so. */
static enum identify_got other_request(struct span s, struct identified *out)
{
	for (const uint8_t *p = s.at; s.end - p >= 6 && *p != '\n'; p++)
		if (memcmp(p, "HTTP/1", 6) == 0)
			return client(out, SERVICE_HTTP, 96);
	if (!memchr(s.at, '\n', span_len(s)) && span_len(s) < IDENTIFY_BYTES)
		return IDENTIFY_MORE;
	return IDENTIFY_NO;
}

/* A greeting "220 ...": FTP and SMTP both begin so; the line mostly says which. */
static enum identify_got greeting_220(struct span s, enum service_name port_name,
				      struct identified *out)
{
	const uint8_t *p = s.at;

	for (; s.end - p >= 4 && *p != '\n'; p++) {
		if (memcmp(p, "SMTP", 4) == 0)
			return server(out, SERVICE_SMTP, 96);
		if (memcmp(p, "FTP", 3) == 0 || memcmp(p, "ftp", 3) == 0)
			return server(out, SERVICE_FTP, 96);
	}
	if (!memchr(s.at, '\n', span_len(s)) && span_len(s) < IDENTIFY_BYTES)
		return IDENTIFY_MORE;
	return server(out, port_name == SERVICE_FTP ? SERVICE_FTP : SERVICE_SMTP, 88);
}

static enum identify_got scan(struct span s, enum service_name port_name, struct identified *out,
			      size_t *used)
{
	size_t n = span_len(s), marker = 0;

	/*!re2c
	re2c:api = custom;
	re2c:api:style = free-form;
	re2c:define:YYCTYPE = uint8_t;
	re2c:define:YYPEEK = "(*used < n ? s.at[*used] : 0)";
	re2c:define:YYSKIP = "++*used;";
	re2c:define:YYBACKUP = "marker = *used;";
	re2c:define:YYRESTORE = "*used = marker;";
	re2c:yyfill:enable = 0;

	method = "GET" | "POST" | "PUT" | "HEAD" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE"
	       | "CONNECT" | "PROPFIND" | "PROPPATCH" | "MKCOL" | "COPY" | "MOVE" | "LOCK" | "UNLOCK"
	       | "REPORT" | "SEARCH" | "MERGE" | "PURGE" | "LINK" | "UNLINK" | "BIND" | "ACL"
	       | "SUBSCRIBE" | "UNSUBSCRIBE" | "NOTIFY" | "M-SEARCH" | "MKCALENDAR" | "VERSION-CONTROL";
	any = [\x00-\xff];
	digit = [0-9];

	"PRI * HTTP/2.0\r\n"			{ return client(out, SERVICE_HTTP2, 99); }
	method " " [/*]				{ return client(out, SERVICE_HTTP, 98); }
	method " " [a-zA-Z0-9[]			{ return request(s, out); }
	"HTTP/" [01] "." digit			{ return server(out, SERVICE_HTTP, 98); }
	("INVITE" | "REGISTER" | "OPTIONS" | "ACK" | "BYE" | "CANCEL" | "SUBSCRIBE" | "NOTIFY"
	  | "MESSAGE") " " [sS] [iI] [pP] [sS]? ":"	{ return yes(out, SERVICE_SIP, 97); }
	"SIP/2.0 "				{ return yes(out, SERVICE_SIP, 97); }
	("OPTIONS" | "DESCRIBE" | "SETUP" | "PLAY" | "ANNOUNCE") " rtsp://"
						{ return client(out, SERVICE_RTSP, 97); }
	"RTSP/1.0 "				{ return server(out, SERVICE_RTSP, 97); }
	"\x16\x03" [\x00-\x04] any any "\x01"	{ return client(out, SERVICE_TLS, 98); }
	"\x16\x03" [\x00-\x04] any any "\x02"	{ return server(out, SERVICE_TLS, 98); }
	"\x15\x03" [\x00-\x04] "\x00\x02"	{ return yes(out, SERVICE_TLS, 92); }
	"\x16\x03" [\x00-\x04] any any		{ return n > 5 ? yes(out, SERVICE_TLS, 90) : IDENTIFY_MORE; }
	[\x14\x17] "\x03" [\x00-\x04] any any	{ return yes(out, SERVICE_TLS, 90); }
	[\x80-\xff] any "\x01" ("\x03" [\x00-\x03] | "\x00\x02") "\x00"
						{ return client(out, SERVICE_TLS, 90); }
	"SSH-" digit "."			{ return yes(out, SERVICE_SSH, 98); }
	"220" [ -]				{ return greeting_220(s, port_name, out); }
	("EHLO" | "HELO" | "ehlo" | "helo" | "LHLO") " "	{ return client(out, SERVICE_SMTP, 96); }
	"+OK"					{ return server(out, port_name == SERVICE_REDIS
							 ? SERVICE_REDIS : SERVICE_POP3, 92); }
	"* OK"					{ return server(out, SERVICE_IMAP, 94); }
	"* PREAUTH" | "* BYE"			{ return server(out, SERVICE_IMAP, 94); }
	"*" digit+ "\r\n$"			{ return client(out, SERVICE_REDIS, 96); }
	"+PONG\r\n" | "-NOAUTH" | "-ERR unknown command"
						{ return server(out, SERVICE_REDIS, 96); }
	"PING\r\n"				{ return client(out, SERVICE_REDIS, 80); }
	any any "\x00\x00\x0a" [3-9] digit? "."	{ return server(out, SERVICE_MYSQL, 95); }
	any any "\x00\x00\x0a" digit digit "."	{ return server(out, SERVICE_MYSQL, 95); }
	"\x00\x00" any any "\x00\x03\x00" [\x00-\x02]	{ return client(out, SERVICE_POSTGRES, 94); }
	"\x00\x00\x00\x08\x04\xd2\x16" [\x2e-\x30]	{ return client(out, SERVICE_POSTGRES, 96); }
	any any [\x00-\x02] "\x00" any{8} ("\xdd\x07" | "\xd4\x07" | "\x01\x00") "\x00\x00"
						{ return yes(out, SERVICE_MONGODB, 93); }
	("get" | "gets" | "set" | "add" | "delete" | "incr" | "stats" | "version") ([ \r])
						{ if (other_request(s, out) == IDENTIFY_YES)
							return IDENTIFY_YES;
						  return client(out, SERVICE_MEMCACHED,
							 port_name == SERVICE_MEMCACHED ? 92 : 70); }
	"\x03\x00\x00" any any [\xe0\xd0]	{ return yes(out, SERVICE_RDP, 93); }
	"\x00" [\x00\x01] any any [\xfe\xff] "SMB"	{ return yes(out, SERVICE_SMB, 97); }
	"\x81\x00\x00\x44"			{ return client(out, SERVICE_SMB, 80); }
	"\x30" [\x0c-\x7f] "\x02\x01" any [\x60\x63\x77]	{ return client(out, SERVICE_LDAP, 92); }
	"\x30\x84" any{4} "\x02\x01" any [\x60\x63\x77]	{ return client(out, SERVICE_LDAP, 92); }
	"\x10" any ("\x00\x04MQTT" | "\x00\x06MQIsdp")	{ return client(out, SERVICE_MQTT, 97); }
	"\x10" any any ("\x00\x04MQTT" | "\x00\x06MQIsdp")	{ return client(out, SERVICE_MQTT, 97); }
	"AMQP" [\x00\x02\x03]			{ return client(out, SERVICE_AMQP, 97); }
	("NICK " | "CAP LS" | "PASS ")		{ return client(out, SERVICE_IRC, port_name == SERVICE_IRC
							 ? 94 : 75); }
	":" [^ \r\n\x00]+ " " ("001" | "NOTICE" | "020") " "	{ return server(out, SERVICE_IRC, 93); }
	"NOTICE AUTH" | "NOTICE *"		{ return server(out, SERVICE_IRC, 93); }
	"RFB 00" digit "."			{ return yes(out, SERVICE_RFB, 98); }
	"\x13BitTorrent protocol"		{ return yes(out, SERVICE_BITTORRENT, 98); }
	"@RSYNCD:"				{ return yes(out, SERVICE_RSYNC, 97); }
	"INFO {\""				{ return server(out, SERVICE_NATS, 95); }
	"<?xml" [^>\x00]* ">"? | "<stream:stream"	{ return yes(out, port_name == SERVICE_XMPP
							 ? SERVICE_XMPP : SERVICE_UNKNOWN, 80); }
	"\xff" [\xfb-\xfe] [\x00-\x31]		{ return yes(out, SERVICE_TELNET, 92); }
	[A-Z] [A-Z_-]{2,20} " "			{ return other_request(s, out); }
	*					{ return IDENTIFY_NO; }
	*/
}

static enum identify_got scan_stream(struct span s, enum service_name port_name,
				     struct identified *out)
{
	size_t used = 0;
	enum identify_got got = scan(s, port_name, out, &used);

	return used <= span_len(s) ? got : IDENTIFY_NO;
}

enum identify_got identify_stream(struct span first, enum service_name port_name,
				  struct identified *out)
{
	enum identify_got got;

	if (span_len(first) > IDENTIFY_BYTES)
		first.end = first.at + IDENTIFY_BYTES;
	got = scan_stream(first, port_name, out);
	if (got == IDENTIFY_MORE || (got == IDENTIFY_YES && out->name != SERVICE_UNKNOWN))
		return got;
	if (port_name == SERVICE_DNS && span_len(first) > 2) {
		if (is_dns((struct span){first.at + 2, first.end}))
			return yes(out, SERVICE_DNS, 91);
		if (span_len(first) < IDENTIFY_BYTES &&
		    span_len(first) < 2U + load_be16(first.at))
			return IDENTIFY_MORE;
	}
	return span_len(first) < 20 ? IDENTIFY_MORE : IDENTIFY_NO;
}

bool identify_datagram(struct span payload, enum service_name port_name, struct identified *out)
{
	size_t len = span_len(payload);

	if (port_name == SERVICE_MDNS || port_name == SERVICE_LLMNR || port_name == SERVICE_NETBIOS ||
	    port_name == SERVICE_DNS) {
		if (!is_dns(payload))
			return false;
		return yes(out, port_name, 91);
	}
	if (is_quic(payload))
		return yes(out, SERVICE_QUIC, 91);
	if (len >= 20 && load_be32(payload.at + 4) == 0x2112a442 && !(payload.at[0] & 0xc0))
		return yes(out, SERVICE_STUN, 96);
	if (len >= 13 && payload.at[0] >= 20 && payload.at[0] <= 23 && payload.at[1] == 0xfe &&
	    (payload.at[2] == 0xff || payload.at[2] == 0xfd))
		return yes(out, SERVICE_DTLS, 96);
	if (len > 240 && load_be32(payload.at + 236) == 0x63825363)
		return yes(out, SERVICE_DHCP, 97);
	if (len == 148 && load_be32(payload.at) == 0x01000000)
		return client(out, SERVICE_WIREGUARD, 92);
	if (is_ntp(payload) && port_name == SERVICE_NTP)
		return yes(out, SERVICE_NTP, 90);
	if (is_dns(payload))
		return yes(out, SERVICE_DNS, 85);
	if (scan_stream(payload, port_name, out) == IDENTIFY_YES &&
	    (out->name == SERVICE_SIP || out->name == SERVICE_HTTP)) {
		if (out->name == SERVICE_HTTP)
			out->name = SERVICE_SSDP;
		out->by_client = out->by_server = false;
		return true;
	}
	return false;
}
