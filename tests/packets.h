/* SPDX-License-Identifier: MIT */
/*
 * packets — frames and capture files built field by field, with lengths and checksums filled in by
 * code that shares nothing with what it tests.
 *
 * `put_...` of a header returns its place; `end_...` with the same place fills in
 * what depends on what was put behind it.
 */
#ifndef TESTS_PACKETS_H
#define TESTS_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_MAX 70000U

struct build {
	size_t n;
	uint8_t at[BUILD_MAX];
};

void put8(struct build *b, uint32_t v);
void put16(struct build *b, uint32_t v);
void put32(struct build *b, uint32_t v);
void put_bytes(struct build *b, const void *bytes, size_t n);
void put_zeros(struct build *b, size_t n);
void put_text(struct build *b, const char *text);
/* "de ad be ef" */
void put_hex(struct build *b, const char *hex);
void set16(struct build *b, size_t at, uint32_t v);

/* ones' complement sum of big-endian words, not folded */
uint64_t naive_sum(uint64_t sum, const uint8_t *at, size_t n);
uint16_t naive_fold(uint64_t sum);

void put_ethernet(struct build *b, uint16_t type);
size_t put_ipv4(struct build *b, uint8_t proto, uint32_t src, uint32_t dst);
void end_ipv4(struct build *b, size_t at);
/* Addresses fd00::src and fd00::dst. */
size_t put_ipv6(struct build *b, uint8_t next, uint32_t src, uint32_t dst);
void end_ipv6(struct build *b, size_t at);
/* `ip`: the place of the header before, for the pseudo-header; where it has extension headers the
 * checksum is that of the addresses in the header. */
size_t put_udp(struct build *b, uint16_t sport, uint16_t dport);
void end_udp(struct build *b, size_t at, size_t ip);
size_t put_tcp(struct build *b, uint16_t sport, uint16_t dport, uint32_t seq, uint8_t flags);
void end_tcp(struct build *b, size_t at, size_t ip);

/* An IPv4 UDP packet with this text, 10.0.0.1:1111 to 10.0.0.2:dport: what tunnels carry. */
void put_inner4(struct build *b, uint16_t dport, const char *text);
void put_inner6(struct build *b, uint16_t dport, const char *text);

/* ---- capture files, in either byte order ---- */

struct file {
	bool big;
	struct build b;
};

void file16(struct file *f, uint32_t v);
void file32(struct file *f, uint32_t v);
void file64(struct file *f, uint64_t v);
void classic_header(struct file *f, uint32_t magic, uint32_t linktype);
/* extra: bytes of the "modified" header */
void classic_record(struct file *f, uint32_t second, uint32_t fraction, const char *text,
		    uint32_t len, uint32_t extra);
void ng_section(struct file *f);
void ng_block(struct file *f, uint32_t type, const void *body, size_t len);
/* options: raw bytes behind the fixed part */
void ng_interface(struct file *f, uint16_t linktype, const void *options, size_t len);
void ng_packet(struct file *f, uint32_t iface, uint64_t ticks, const char *text, uint32_t len);
/* One option, padded; ends with opt_endofopt where code is 0. */
void ng_option(struct file *f, uint16_t code, const void *value, uint16_t len);

#endif
