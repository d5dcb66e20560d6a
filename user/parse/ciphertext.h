/* SPDX-License-Identifier: MIT */
/*
 * ciphertext — from which byte on a direction of a TLS or SSH stream is nothing but ciphertext, so
 * that nobody needs its payload any more.
 *
 * It says so late or never rather than too early.  Both sides must have greeted as the protocol
 * says, in roles that fit; a direction with a hole before the decision, a cipher that hides
 * nothing (NULL, "none"), TLS that does not begin at byte 0, and all that is not well formed:
 * never.
 *
 *   TLS <= 1.2  the first application data behind ChangeCipherSpec and Finished
 *   TLS 1.3     the first application data behind ChangeCipherSpec; without one, its end
 *   SSH         behind SSH_MSG_NEWKEYS
 *
 * Owner:   one worker, one per stream; zeroed is its start, and nothing is to be freed.
 * Bounds:  a direction not decided by its first CIPHERTEXT_LOOK bytes never is.  What is not looked
 *          at is skipped by its length.  The answer does not depend on how the bytes are cut.
 * Source:  RFC 8446 §4.1, §5.1, §D.4; RFC 5246 §6.2, §7.1, §7.4; RFC 4253 §4.2, §6, §7.
 */
#ifndef USER_PARSE_CIPHERTEXT_H
#define USER_PARSE_CIPHERTEXT_H

#include <stdbool.h>

#include "user/base/span.h"

#define CIPHERTEXT_LOOK (1U << 20) /* far above any chain of certificates */

struct ciphertext_side {
	/* private */
	uint32_t off, from;      /* of the next byte; of the ciphertext, 0 = not found */
	uint32_t value, message; /* of the field in hand; left of the message with it */
	uint16_t need, left;     /* left of that field, of the record or packet */
	uint8_t step, head, type, match;
	uint16_t hellos : 2, role : 2;
	uint16_t known : 1, never : 1;
	uint16_t greeted : 1;  /* hello or KEXINIT is whole and good */
	uint16_t ready : 1;    /* `from` holds as far as this side knows */
	uint16_t only13 : 1;   /* but only in TLS 1.3 */
	uint16_t changed : 1;  /* ChangeCipherSpec was sent, */
	uint16_t finished : 1; /* and a handshake record behind it */
	uint16_t lines : 1;    /* others before the SSH identification */
	uint16_t keys : 1;     /* a key exchange message was sent */
};

struct ciphertext {
	/* private */
	struct ciphertext_side side[2];
	uint32_t cookie; /* end of the first KEXINIT's */
	uint8_t proto;
	bool version13, retry;
};

_Static_assert(sizeof(struct ciphertext) <= 64, "one per stream");

/* The next bytes in order of direction 0 or 1; which one is the client's need not be known. */
void ciphertext_feed(struct ciphertext *c, uint8_t dir, struct span bytes);
/* Bytes of the direction are missing here. */
void ciphertext_gap(struct ciphertext *c, uint8_t dir);
/* *off: offset in the direction from which on it is ciphertext; false where that is not known.
 * An answer is final; it may lie a record's header before the bytes fed, never behind them. */
bool ciphertext_from(const struct ciphertext *c, uint8_t dir, uint64_t *off);
/* Nothing more can be learned from either direction. */
bool ciphertext_done(const struct ciphertext *c);

#endif
