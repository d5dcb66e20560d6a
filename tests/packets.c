/* SPDX-License-Identifier: MIT */
/* packets — see packets.h. */
#include "tests/packets.h"

#include <stdlib.h>
#include <string.h>

void put8(struct build *b, uint32_t v)
{
	if (b->n < BUILD_MAX)
		b->at[b->n++] = (uint8_t)v;
}

void put16(struct build *b, uint32_t v)
{
	put8(b, v >> 8);
	put8(b, v);
}

void put32(struct build *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v);
}

void put_bytes(struct build *b, const void *bytes, size_t n)
{
	if (n && n <= BUILD_MAX - b->n) {
		memcpy(b->at + b->n, bytes, n);
		b->n += n;
	}
}

void put_zeros(struct build *b, size_t n)
{
	while (n--)
		put8(b, 0);
}

void put_text(struct build *b, const char *text)
{
	put_bytes(b, text, strlen(text));
}

void put_hex(struct build *b, const char *hex)
{
	while (*hex) {
		char digits[3] = {hex[0], hex[0] ? hex[1] : 0, 0};

		if (*hex == ' ') {
			hex++;
			continue;
		}
		put8(b, (uint32_t)strtoul(digits, NULL, 16));
		hex += digits[1] ? 2 : 1;
	}
}

void set16(struct build *b, size_t at, uint32_t v)
{
	b->at[at] = (uint8_t)(v >> 8);
	b->at[at + 1] = (uint8_t)v;
}

uint64_t naive_sum(uint64_t sum, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)at[i] << (i % 2 ? 0 : 8);
	return sum;
}

uint16_t naive_fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void put_ethernet(struct build *b, uint16_t type)
{
	put_hex(b, "02 00 00 00 00 02 02 00 00 00 00 01");
	put16(b, type);
}

size_t put_ipv4(struct build *b, uint8_t proto, uint32_t src, uint32_t dst)
{
	size_t at = b->n;

	put_hex(b, "45 00 00 00 12 34 00 00 40");
	put8(b, proto);
	put16(b, 0);
	put32(b, src);
	put32(b, dst);
	return at;
}

void end_ipv4(struct build *b, size_t at)
{
	set16(b, at + 2, (uint32_t)(b->n - at));
	set16(b, at + 10, 0);
	set16(b, at + 10, (uint16_t)~naive_fold(naive_sum(0, b->at + at, (b->at[at] & 15U) * 4)));
}

size_t put_ipv6(struct build *b, uint8_t next, uint32_t src, uint32_t dst)
{
	size_t at = b->n;

	put_hex(b, "60 00 00 00 00 00");
	put8(b, next);
	put8(b, 64);
	put_hex(b, "fd 00 00 00 00 00 00 00 00 00 00 00");
	put32(b, src);
	put_hex(b, "fd 00 00 00 00 00 00 00 00 00 00 00");
	put32(b, dst);
	return at;
}

void end_ipv6(struct build *b, size_t at)
{
	set16(b, at + 4, (uint32_t)(b->n - at - 40));
}

/* RFC 793 and RFC 8200 §8.1 */
static uint16_t transport_sum(const struct build *b, size_t at, size_t ip, uint8_t proto)
{
	uint64_t sum = proto + (b->n - at);

	if (b->at[ip] >> 4 == 6)
		sum = naive_sum(sum, b->at + ip + 8, 32);
	else
		sum = naive_sum(sum, b->at + ip + 12, 8);
	return (uint16_t)~naive_fold(naive_sum(sum, b->at + at, b->n - at));
}

size_t put_udp(struct build *b, uint16_t sport, uint16_t dport)
{
	size_t at = b->n;

	put16(b, sport);
	put16(b, dport);
	put32(b, 0);
	return at;
}

void end_udp(struct build *b, size_t at, size_t ip)
{
	uint16_t sum;

	set16(b, at + 4, (uint32_t)(b->n - at));
	set16(b, at + 6, 0);
	sum = transport_sum(b, at, ip, 17);
	set16(b, at + 6, sum ? sum : 0xffff);
}

size_t put_tcp(struct build *b, uint16_t sport, uint16_t dport, uint32_t seq, uint8_t flags)
{
	size_t at = b->n;

	put16(b, sport);
	put16(b, dport);
	put32(b, seq);
	put32(b, 0);
	put8(b, 0x50);
	put8(b, flags);
	put16(b, 0xffff);
	put32(b, 0);
	return at;
}

void end_tcp(struct build *b, size_t at, size_t ip)
{
	set16(b, at + 16, 0);
	set16(b, at + 16, transport_sum(b, at, ip, 6));
}

void put_inner4(struct build *b, uint16_t dport, const char *text)
{
	size_t ip = put_ipv4(b, 17, 0x0a000001, 0x0a000002), udp = put_udp(b, 1111, dport);

	put_text(b, text);
	end_udp(b, udp, ip);
	end_ipv4(b, ip);
}

void put_inner6(struct build *b, uint16_t dport, const char *text)
{
	size_t ip = put_ipv6(b, 17, 1, 2), udp = put_udp(b, 1111, dport);

	put_text(b, text);
	end_udp(b, udp, ip);
	end_ipv6(b, ip);
}

/* ---- capture files ---- */

void file16(struct file *f, uint32_t v)
{
	put8(&f->b, f->big ? v >> 8 : v);
	put8(&f->b, f->big ? v : v >> 8);
}

void file32(struct file *f, uint32_t v)
{
	file16(f, f->big ? v >> 16 : v);
	file16(f, f->big ? v : v >> 16);
}

void file64(struct file *f, uint64_t v)
{
	file32(f, (uint32_t)(f->big ? v >> 32 : v));
	file32(f, (uint32_t)(f->big ? v : v >> 32));
}

void classic_header(struct file *f, uint32_t magic, uint32_t linktype)
{
	file32(f, magic);
	file16(f, 2);
	file16(f, 4);
	file64(f, 0);
	file32(f, 65535);
	file32(f, linktype);
}

void classic_record(struct file *f, uint32_t second, uint32_t fraction, const char *text,
		    uint32_t len, uint32_t extra)
{
	file32(f, second);
	file32(f, fraction);
	file32(f, (uint32_t)strlen(text));
	file32(f, len);
	put_zeros(&f->b, extra);
	put_text(&f->b, text);
}

void ng_block(struct file *f, uint32_t type, const void *body, size_t len)
{
	uint32_t total = (uint32_t)(12 + ((len + 3) & ~(size_t)3));

	file32(f, type);
	file32(f, total);
	put_bytes(&f->b, body, len);
	put_zeros(&f->b, total - 12 - len);
	file32(f, total);
}

void ng_section(struct file *f)
{
	struct file body = {.big = f->big};

	file32(&body, 0x1a2b3c4d);
	file16(&body, 1);
	file16(&body, 0);
	file64(&body, UINT64_MAX);
	ng_block(f, 0x0a0d0d0a, body.b.at, body.b.n);
}

void ng_interface(struct file *f, uint16_t linktype, const void *options, size_t len)
{
	struct file body = {.big = f->big};

	file16(&body, linktype);
	file16(&body, 0);
	file32(&body, 65535);
	put_bytes(&body.b, options, len);
	ng_block(f, 1, body.b.at, body.b.n);
}

void ng_packet(struct file *f, uint32_t iface, uint64_t ticks, const char *text, uint32_t len)
{
	struct file body = {.big = f->big};

	file32(&body, iface);
	file32(&body, (uint32_t)(ticks >> 32));
	file32(&body, (uint32_t)ticks);
	file32(&body, (uint32_t)strlen(text));
	file32(&body, len);
	put_text(&body.b, text);
	ng_block(f, 6, body.b.at, body.b.n);
}

void ng_option(struct file *f, uint16_t code, const void *value, uint16_t len)
{
	file16(f, code);
	file16(f, len);
	put_bytes(&f->b, value, len);
	put_zeros(&f->b, (4 - len % 4) % 4);
}
