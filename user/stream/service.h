/* SPDX-License-Identifier: MIT */
/*
 * service — what a stream speaks: guessed by port when it opens, known by content soon after.
 *
 * Content wins over the port; where both agree the confidence rises.
 */
#ifndef USER_STREAM_SERVICE_H
#define USER_STREAM_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, name in records) */
#define SERVICES(X)                 \
	X(UNKNOWN, "unknown")       \
	X(AMQP, "amqp")             \
	X(BITTORRENT, "bittorrent") \
	X(DHCP, "dhcp")             \
	X(DNS, "dns")               \
	X(DTLS, "dtls")             \
	X(FTP, "ftp")               \
	X(HTTP, "http")             \
	X(HTTP2, "http2")           \
	X(HTTPS, "https")           \
	X(IMAP, "imap")             \
	X(IRC, "irc")               \
	X(KERBEROS, "kerberos")     \
	X(LDAP, "ldap")             \
	X(LLMNR, "llmnr")           \
	X(MDNS, "mdns")             \
	X(MEMCACHED, "memcached")   \
	X(MODBUS, "modbus")         \
	X(MONGODB, "mongodb")       \
	X(MQTT, "mqtt")             \
	X(MYSQL, "mysql")           \
	X(NATS, "nats")             \
	X(NETBIOS, "netbios")       \
	X(NTP, "ntp")               \
	X(POP3, "pop3")             \
	X(POSTGRES, "postgres")     \
	X(QUIC, "quic")             \
	X(RDP, "rdp")               \
	X(REDIS, "redis")           \
	X(RFB, "rfb")               \
	X(RSYNC, "rsync")           \
	X(RTSP, "rtsp")             \
	X(SIP, "sip")               \
	X(SMB, "smb")               \
	X(SMTP, "smtp")             \
	X(SNMP, "snmp")             \
	X(SSDP, "ssdp")             \
	X(SSH, "ssh")               \
	X(STUN, "stun")             \
	X(SYSLOG, "syslog")         \
	X(TELNET, "telnet")         \
	X(TFTP, "tftp")             \
	X(TLS, "tls")               \
	X(WEBSOCKET, "websocket")   \
	X(WIREGUARD, "wireguard")   \
	X(XMPP, "xmpp")

#define SERVICE_ENUM(name, text) SERVICE_##name,
enum service_name { SERVICES(SERVICE_ENUM) SERVICE_COUNT };
#undef SERVICE_ENUM

enum service_source {
	SOURCE_NONE,
	SOURCE_PORT,
	SOURCE_PAYLOAD,
	SOURCE_PORT_AND_PAYLOAD,
	SOURCE_PARSER,
};
enum service_side { SIDE_UNKNOWN, SIDE_A, SIDE_B };

struct service {
	uint8_t name, side, confidence, source;
};

/* By port: the server's port in dport, else in sport (then *reversed). */
struct service service_by_port(uint8_t proto, uint16_t sport, uint16_t dport, bool *reversed);

/* The content says `name`, spoken by the server (from_server) or the client, sent by side `from`
 * (a or b).  True where that changed anything. */
bool service_by_content(struct service *s, enum service_name name, uint8_t confidence,
			enum service_side server);

/* A parser read that the stream goes on with another protocol: nothing is surer. */
void service_by_parser(struct service *s, enum service_name name);

const char *service_name_text(enum service_name name);
const char *service_source_text(enum service_source source);
const char *service_evidence_text(const struct service *s);

/* Services whose content counts as mixed even where it looks binary. */
bool service_is_texty(enum service_name name);

#endif
