/* SPDX-License-Identifier: MIT */
/* service — see service.h. */
#include "user/stream/service.h"

#include <stddef.h>

enum { ON_TCP = 1, ON_UDP = 2, ON_BOTH = 3 };

/* Well-known ports (IANA, and habit), sorted by port. */
static const struct {
	uint16_t port;
	uint8_t on, name, confidence;
} ports[] = {
	{20, ON_TCP, SERVICE_FTP, 60},           {21, ON_TCP, SERVICE_FTP, 90},
	{22, ON_TCP, SERVICE_SSH, 95},           {23, ON_TCP, SERVICE_TELNET, 85},
	{25, ON_TCP, SERVICE_SMTP, 85},          {53, ON_BOTH, SERVICE_DNS, 95},
	{67, ON_UDP, SERVICE_DHCP, 85},          {68, ON_UDP, SERVICE_DHCP, 85},
	{69, ON_UDP, SERVICE_TFTP, 80},          {80, ON_TCP, SERVICE_HTTP, 90},
	{88, ON_BOTH, SERVICE_KERBEROS, 85},     {110, ON_TCP, SERVICE_POP3, 85},
	{123, ON_UDP, SERVICE_NTP, 85},          {137, ON_UDP, SERVICE_NETBIOS, 85},
	{138, ON_UDP, SERVICE_NETBIOS, 85},      {139, ON_TCP, SERVICE_SMB, 80},
	{143, ON_TCP, SERVICE_IMAP, 85},         {161, ON_UDP, SERVICE_SNMP, 85},
	{162, ON_UDP, SERVICE_SNMP, 85},         {389, ON_BOTH, SERVICE_LDAP, 85},
	{443, ON_TCP, SERVICE_HTTPS, 92},        {443, ON_UDP, SERVICE_QUIC, 80},
	{445, ON_TCP, SERVICE_SMB, 85},          {465, ON_TCP, SERVICE_SMTP, 85},
	{502, ON_TCP, SERVICE_MODBUS, 80},       {514, ON_UDP, SERVICE_SYSLOG, 80},
	{554, ON_TCP, SERVICE_RTSP, 80},         {587, ON_TCP, SERVICE_SMTP, 85},
	{636, ON_TCP, SERVICE_LDAP, 80},         {873, ON_TCP, SERVICE_RSYNC, 80},
	{993, ON_TCP, SERVICE_IMAP, 85},         {995, ON_TCP, SERVICE_POP3, 85},
	{1883, ON_TCP, SERVICE_MQTT, 80},        {1900, ON_UDP, SERVICE_SSDP, 85},
	{3306, ON_TCP, SERVICE_MYSQL, 90},       {3389, ON_TCP, SERVICE_RDP, 90},
	{3478, ON_BOTH, SERVICE_STUN, 70},       {4222, ON_TCP, SERVICE_NATS, 70},
	{5060, ON_BOTH, SERVICE_SIP, 80},        {5222, ON_TCP, SERVICE_XMPP, 80},
	{5353, ON_UDP, SERVICE_MDNS, 85},        {5355, ON_UDP, SERVICE_LLMNR, 85},
	{5432, ON_TCP, SERVICE_POSTGRES, 90},    {5672, ON_TCP, SERVICE_AMQP, 80},
	{5900, ON_TCP, SERVICE_RFB, 80},         {6379, ON_TCP, SERVICE_REDIS, 90},
	{6667, ON_TCP, SERVICE_IRC, 80},         {8000, ON_TCP, SERVICE_HTTP, 90},
	{8008, ON_TCP, SERVICE_HTTP, 90},        {8080, ON_TCP, SERVICE_HTTP, 90},
	{8081, ON_TCP, SERVICE_HTTP, 90},        {8443, ON_TCP, SERVICE_HTTPS, 92},
	{8443, ON_UDP, SERVICE_QUIC, 80},        {8888, ON_TCP, SERVICE_HTTP, 90},
	{11211, ON_BOTH, SERVICE_MEMCACHED, 85}, {27017, ON_TCP, SERVICE_MONGODB, 85},
	{51820, ON_UDP, SERVICE_WIREGUARD, 70},
};

static size_t find_port(uint8_t on, uint16_t port)
{
	size_t low = 0, high = sizeof(ports) / sizeof(ports[0]), n = high;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (ports[mid].port < port)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && ports[low].port == port; low++)
		if (ports[low].on & on)
			return low;
	return n;
}

struct service service_by_port(uint8_t proto, uint16_t sport, uint16_t dport, bool *reversed)
{
	const size_t none = sizeof(ports) / sizeof(ports[0]);
	uint8_t on = proto == 6 ? ON_TCP : proto == 17 ? ON_UDP : 0;
	size_t at = on ? find_port(on, dport) : none;

	*reversed = false;
	/* Beyond 32767 a sender's port is ephemeral on most systems, and means nothing. */
	if (at == none && on && sport < 32768) {
		at = find_port(on, sport);
		*reversed = at != none;
	}
	if (at == none)
		return (struct service){0};
	return (struct service){.name = ports[at].name,
				.side = SIDE_B,
				.confidence = ports[at].confidence,
				.source = SOURCE_PORT};
}

bool service_by_content(struct service *s, enum service_name name, uint8_t confidence,
			enum service_side server)
{
	struct service old = *s;

	if (s->name == SERVICE_HTTPS && name == SERVICE_TLS)
		name = SERVICE_HTTPS;
	if (s->source != SOURCE_NONE && s->name == name) {
		if (s->source == SOURCE_PORT) {
			uint8_t best = s->confidence > confidence ? s->confidence : confidence;

			s->source = SOURCE_PORT_AND_PAYLOAD;
			s->confidence = best > 98 ? 100 : (uint8_t)(best + 2);
		}
	} else if (s->source <= SOURCE_PORT || confidence > s->confidence) {
		s->name = (uint8_t)name;
		s->confidence = confidence;
		s->source = SOURCE_PAYLOAD;
	} else {
		return false;
	}
	if (server != SIDE_UNKNOWN)
		s->side = (uint8_t)server;
	return old.name != s->name || old.side != s->side || old.confidence != s->confidence ||
	       old.source != s->source;
}

void service_by_parser(struct service *s, enum service_name name)
{
	s->name = (uint8_t)name;
	s->confidence = 100;
	s->source = SOURCE_PARSER;
}

const char *service_name_text(enum service_name name)
{
	static const char *const names[] = {
#define SERVICE_TEXT(name, text) text,
		SERVICES(SERVICE_TEXT)
#undef SERVICE_TEXT
	};

	return names[name];
}

const char *service_source_text(enum service_source source)
{
	static const char *const names[] = {"unknown", "port", "payload", "port_and_payload",
					    "parser"};

	return names[source];
}

const char *service_evidence_text(const struct service *s)
{
	static const char *const texts[] = {"none", "well_known_port", "first_bytes",
					    "well_known_port, first_bytes", "handshake"};

	return texts[s->source];
}

bool service_is_texty(enum service_name name)
{
	switch (name) {
	case SERVICE_HTTP:
	case SERVICE_HTTP2:
	case SERVICE_SSH:
	case SERVICE_SMTP:
	case SERVICE_FTP:
	case SERVICE_REDIS:
	case SERVICE_MEMCACHED:
	case SERVICE_POP3:
	case SERVICE_IMAP:
	case SERVICE_WEBSOCKET:
		return true;
	default:
		return false;
	}
}
