/* SPDX-License-Identifier: MIT */
/* id — SipHash and Community ID against published and independently computed values. */
#include <arpa/inet.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/flow/id.h"

/* Aumasson and Bernstein, reference vectors: key 00..0f, message 00 01 02 ..., as bytes. */
static const uint64_t vectors[] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
};

static void test_siphash_vectors(void)
{
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	struct guard g;
	uint8_t in[16];

	CU_ASSERT_TRUE_FATAL(guard_open(&g, sizeof(in)));
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t n = 0; n < sizeof(vectors) / sizeof(vectors[0]); n++)
		CHECK(siphash(key, guard_put(&g, in, n), n) == vectors[n], "%zu bytes", n);
	guard_close(&g);
}

static struct flow_key key_of(uint8_t proto, const char *a, uint16_t a_port, const char *b,
			      uint16_t b_port, bool *a_hi)
{
	struct flow_key k = {.proto = proto, .ip_layers = 1};
	uint8_t at[2][16] = {{0}, {0}};
	int order;

	k.v6 = strchr(a, ':') != NULL;
	inet_pton(k.v6 ? AF_INET6 : AF_INET, a, at[0]);
	inet_pton(k.v6 ? AF_INET6 : AF_INET, b, at[1]);
	order = memcmp(at[0], at[1], 16);
	*a_hi = order > 0 || (order == 0 && a_port > b_port);
	memcpy(k.lo, at[*a_hi], 16);
	memcpy(k.hi, at[!*a_hi], 16);
	k.lo_port = *a_hi ? b_port : a_port;
	k.hi_port = *a_hi ? a_port : b_port;
	return k;
}

/* Values of the specification's examples, and of a few lines of Python that follow its text. */
static void test_community_id(void)
{
	static const struct {
		uint8_t proto;
		const char *src, *dst;
		uint16_t sport, dport; /* type and code for ICMP */
		const char *id;
	} rows[] = {
		{6, "128.232.110.120", "66.35.250.204", 34855, 80,
		 "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "66.35.250.204", "128.232.110.120", 80, 34855,
		 "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{132, "192.168.170.8", "192.168.170.56", 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
		{6, "fd00::1", "fd00::2", 443, 443, "1:97V5m8d70xDBAFIRqn15XYeXo+I="},
		{47, "10.0.0.1", "10.0.0.2", 0, 0, "1:+KlEHDT0vJgzs/eNmzHq0aSpRYw="},
		{1, "192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.1", "192.168.0.89", 0, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.89", "192.168.0.1", 3, 1, "1:LXCfhMUFbYXe+CEMrQuZCbiLY3o="},
		{1, "192.168.0.1", "192.168.0.89", 3, 1, "1:o3zT92uTgnRWv/YrDVeXcWumpC4="},
		{1, "10.0.0.9", "10.0.0.1", 13, 0, "1:KOx2rCkaKRETIj7nGU9P3+gFAMU="},
		{58, "fe80::200:86ff:fe05:80da", "ff02::1:ff00:2", 135, 0,
		 "1:BaMU0fAWjSjd03hovXK/YnO83LM="},
		{58, "3ffe:507:0:1:200:86ff:fe05:80da", "3ffe:507:0:1:260:97ff:fe07:69ea", 1, 4,
		 "1:VwoIG0r7uyeOsf+DOYL4alb3u4o="},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ports = proto_has_ports(rows[i].proto), hi;
		char out[COMMUNITY_ID_LEN];
		struct flow_key k = key_of(rows[i].proto, rows[i].src, ports ? rows[i].sport : 0,
					   rows[i].dst, ports ? rows[i].dport : 0, &hi);

		community_id(out, &k, hi, (uint8_t)rows[i].sport, (uint8_t)rows[i].dport);
		CHECK(strcmp(out, rows[i].id) == 0, "row %zu: %s, not %s", i, out, rows[i].id);
	}
}

/* The id names a connection: each part of its name matters, and nothing else does. */
static void test_stream_id(void)
{
	bool hi;
	struct flow_key k = key_of(6, "10.0.0.1", 1111, "10.0.0.2", 80, &hi);
	uint64_t id = stream_id(&k, 0, 1700000000000000000, 0);

	CU_ASSERT_EQUAL(stream_id(&k, 0, 1700000000000000000, 0), id);
	CU_ASSERT_NOT_EQUAL(stream_id(&k, 1, 1700000000000000000, 0), id);
	CU_ASSERT_NOT_EQUAL(stream_id(&k, 0, 1700000000000000001, 0), id);
	CU_ASSERT_NOT_EQUAL(stream_id(&k, 0, 1700000000000000000, 1), id);
	for (size_t i = 0; i < sizeof(k); i++) {
		struct flow_key other = k;

		((uint8_t *)&other)[i] ^= 0x80;
		CHECK(stream_id(&other, 0, 1700000000000000000, 0) != id, "byte %zu of the key", i);
	}
}

CU_TestInfo id_tests[] = {
	{"siphash_vectors", test_siphash_vectors},
	{"community_id", test_community_id},
	{"stream_id", test_stream_id},
	CU_TEST_INFO_NULL,
};
