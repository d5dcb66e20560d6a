/* SPDX-License-Identifier: MIT */
/*
 * id — names for a connection: the stream id, the same in every replay and for any worker count,
 * and Community ID v1, so that records join with Zeek's and Suricata's.
 */
#ifndef USER_FLOW_ID_H
#define USER_FLOW_ID_H

#include "user/flow/key.h"

/* SipHash-2-4 (Aumasson and Bernstein) under a 128-bit key. */
uint64_t siphash(const uint64_t key[2], const uint8_t *data, size_t len);

/* SipHash with a fixed public key over key, domain, first packet's time and ordinal among
 * connections of that key at that time. */
uint64_t stream_id(const struct flow_key *key, uint64_t domain, uint64_t first_ns,
		   uint32_t ordinal);

/* As people give it: 16 hexadecimal digits, or 0x and some, or a decimal number. */
bool stream_id_read(const char *text, uint64_t *id);

#define COMMUNITY_ID_LEN 31 /* "1:" + 28 characters of base64 + NUL */

/* Community ID v1 with seed 0; client_hi says which end opened; ICMP uses type and code. */
void community_id(char out[COMMUNITY_ID_LEN], const struct flow_key *key, bool client_hi,
		  uint8_t icmp_type, uint8_t icmp_code);

#endif
