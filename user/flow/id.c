/* SPDX-License-Identifier: MIT */
/* id — see id.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the low-level calls need no allocation */
#include "user/flow/id.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(struct sip *v)
{
	v->a += v->b;
	v->b = rotl(v->b, 13) ^ v->a;
	v->a = rotl(v->a, 32);
	v->c += v->d;
	v->d = rotl(v->d, 16) ^ v->c;
	v->a += v->d;
	v->d = rotl(v->d, 21) ^ v->a;
	v->c += v->b;
	v->b = rotl(v->b, 17) ^ v->c;
	v->c = rotl(v->c, 32);
}

static uint64_t load_le64(const uint8_t *p)
{
	return __builtin_bswap64(load_be64(p));
}

uint64_t siphash(const uint64_t key[2], const uint8_t *data, size_t len)
{
	struct sip v = {key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
			key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
	uint64_t last = (uint64_t)len << 56, m;
	size_t at = 0;

	for (; len - at >= 8; at += 8) {
		m = load_le64(data + at);
		v.d ^= m;
		sip_round(&v);
		sip_round(&v);
		v.a ^= m;
	}
	for (size_t i = 0; at + i < len; i++)
		last |= (uint64_t)data[at + i] << (8 * i);
	v.d ^= last;
	sip_round(&v);
	sip_round(&v);
	v.a ^= last;
	v.c ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t stream_id(const struct flow_key *key, uint64_t domain, uint64_t first_ns, uint32_t ordinal)
{
	static const uint64_t public_key[2] = {0x726d2d7864702069ULL, 0x642e76312e303030ULL};
	uint8_t in[sizeof(*key) + 20];

	memcpy(in, key, sizeof(*key));
	/* The ports enter in network order, so that the id is the same on every machine. */
	in[32] = (uint8_t)(key->lo_port >> 8);
	in[33] = (uint8_t)key->lo_port;
	in[34] = (uint8_t)(key->hi_port >> 8);
	in[35] = (uint8_t)key->hi_port;
	for (int i = 0; i < 8; i++) {
		in[40 + i] = (uint8_t)(domain >> (8 * i));
		in[48 + i] = (uint8_t)(first_ns >> (8 * i));
	}
	for (int i = 0; i < 4; i++)
		in[56 + i] = (uint8_t)(ordinal >> (8 * i));
	return siphash(public_key, in, sizeof(in));
}

/* The counterpart of an ICMP type in a two-way exchange, or -1: one-way then. */
static int icmp_reply(bool v6, uint8_t type)
{
	static const uint8_t v4_pairs[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}};
	static const uint8_t v6_pairs[][2] = {{128, 129}, {133, 134}, {135, 136},
					      {130, 131}, {139, 140}, {144, 145}};
	const uint8_t(*pairs)[2] = v6 ? v6_pairs : v4_pairs;
	size_t n = v6 ? sizeof(v6_pairs) / 2 : sizeof(v4_pairs) / 2;

	for (size_t i = 0; i < n; i++) {
		if (pairs[i][0] == type)
			return pairs[i][1];
		if (pairs[i][1] == type)
			return pairs[i][0];
	}
	return -1;
}

void community_id(char out[COMMUNITY_ID_LEN], const struct flow_key *key, bool client_hi,
		  uint8_t icmp_type, uint8_t icmp_code)
{
	size_t len = key->v6 ? 16 : 4, at = 2;
	uint8_t in[2 + 32 + 2 + 4] = {0, 0}, digest[SHA_DIGEST_LENGTH];
	const uint8_t *src = key->lo, *dst = key->hi;
	uint16_t sport = key->lo_port, dport = key->hi_port;
	bool swap = false;
	SHA_CTX sha;

	if (key->proto == 1 || key->proto == 58) {
		int reply = icmp_reply(key->v6, icmp_type);
		int order;

		if (client_hi) {
			src = key->hi;
			dst = key->lo;
		}
		sport = icmp_type;
		dport = reply < 0 ? icmp_code : (uint16_t)reply;
		order = memcmp(src, dst, len);
		swap = reply >= 0 && (order > 0 || (order == 0 && sport > dport));
	}
	if (swap) {
		const uint8_t *p = src;
		uint16_t port = sport;

		src = dst;
		dst = p;
		sport = dport;
		dport = port;
	}
	memcpy(in + at, src, len);
	memcpy(in + at + len, dst, len);
	at += 2 * len;
	in[at++] = key->proto;
	in[at++] = 0;
	if (proto_has_ports(key->proto) || key->proto == 1 || key->proto == 58) {
		in[at++] = (uint8_t)(sport >> 8);
		in[at++] = (uint8_t)sport;
		in[at++] = (uint8_t)(dport >> 8);
		in[at++] = (uint8_t)dport;
	}
	SHA1_Init(&sha); /* SHA1() would allocate */
	SHA1_Update(&sha, in, at);
	SHA1_Final(digest, &sha);
	out[0] = '1';
	out[1] = ':';
	EVP_EncodeBlock((unsigned char *)out + 2, digest, sizeof(digest));
}

bool stream_id_read(const char *text, uint64_t *id)
{
	bool hex = strlen(text) == 16 || strncasecmp(text, "0x", 2) == 0;
	const char *digits = strncasecmp(text, "0x", 2) == 0 ? text + 2 : text;
	char *end;

	if (!*digits || strlen(digits) > 20 ||
	    digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return false;
	errno = 0;
	*id = strtoull(digits, &end, hex ? 16 : 10);
	return errno == 0;
}
