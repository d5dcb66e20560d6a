/* SPDX-License-Identifier: MIT */
/*
 * ciphertext — handshakes built by hand from the RFCs, as they come, in any cut, with holes, and
 * as somebody writes them who wants to hide something.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/parse/ciphertext.h"

enum { TALK_MAX = 1 << 16, NEVER = -1, A = 0, B = 1 };

/* Who says what, in order; and from where on it should be ciphertext. */
struct talk {
	const char *why;
	size_t n;
	size_t sent[2];
	long from[2];
	size_t sure[2]; /* so many bytes of both must have come before an answer */
	uint8_t dir[TALK_MAX], at[TALK_MAX];
};

static struct talk talk;

/* ---- what is said ---- */

static void open_talk(const char *why)
{
	talk.why = why;
	talk.n = talk.sent[A] = talk.sent[B] = 0;
	talk.from[A] = talk.from[B] = NEVER;
	talk.sure[A] = talk.sure[B] = 0;
}

static void say(int dir, const void *bytes, size_t n)
{
	CU_ASSERT_TRUE_FATAL(n <= TALK_MAX - talk.n);
	memset(talk.dir + talk.n, dir, n);
	memcpy(talk.at + talk.n, bytes, n);
	talk.n += n;
	talk.sent[dir] += n;
}

static void say_text(int dir, const char *text)
{
	say(dir, text, strlen(text));
}

static void filler(int dir, size_t n)
{
	static uint8_t bytes[TALK_MAX];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7 + 0x5a);
	say(dir, bytes, n);
}

/* The next byte of the direction is the first one of the ciphertext. */
static void mark(int dir)
{
	talk.from[dir] = (long)talk.sent[dir];
}

static void sure(int dir)
{
	talk.sure[dir] = talk.n;
}

static void head(int dir, uint8_t type, size_t n)
{
	uint8_t bytes[5] = {type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n};

	say(dir, bytes, sizeof(bytes));
}

static void record(int dir, uint8_t type, size_t n)
{
	head(dir, type, n);
	filler(dir, n);
}

static void change(int dir)
{
	head(dir, 20, 1);
	say(dir, "\1", 1);
}

static void alert(int dir)
{
	head(dir, 21, 2);
	say(dir, "\1\x70", 2); /* warning, unrecognized_name */
}

struct bytes {
	uint8_t at[600];
	size_t n;
};

static void put(struct bytes *b, const void *at, size_t n)
{
	memcpy(b->at + b->n, at, n);
	b->n += n;
}

static void put_be(struct bytes *b, size_t value, int width)
{
	while (width-- > 0)
		b->at[b->n++] = (uint8_t)(value >> (8 * width));
}

static const uint8_t retry_random[32] =
	"\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
static const uint8_t plain_random[32] = "a random of thirty-two bytes....";

enum { V12, V13, RETRY = 2, OLD = 4, SPOILT = 8 };

/* RFC 8446 §4.1.2: one session id, two ciphers, server_name of some host. */
static struct bytes client_hello_of(unsigned int how)
{
	struct bytes b = {.n = 0}, e = {.n = 0};

	put_be(&e, 0, 2);
	put_be(&e, 14, 2);
	put(&e, "\0\14\0\0\11localhost", 14);
	if (how & V13) {
		put_be(&e, 43, 2);
		put(&e, "\0\5\4\3\4\3\3", 7);
	}
	put_be(&b, 0x0303, 2);
	put(&b, plain_random, 32);
	put(&b, "\4sess", 5);
	put(&b, "\0\4\x13\1\xc0\x2f", 6);
	put(&b, "\1\0", 2);
	if (!(how & OLD)) {
		put_be(&b, e.n + (how & SPOILT ? 1 : 0), 2);
		put(&b, e.at, e.n);
	}
	return b;
}

static struct bytes server_hello_of(unsigned int how, unsigned int cipher)
{
	struct bytes b = {.n = 0}, e = {.n = 0};

	put(&e, "\xff\1\0\1\0", 5); /* renegotiation_info */
	if (how & V13) {
		put(&e, "\0\x2b\0\2\3\4", 6);
		put(&e, "\0\x33\0\2\0\x1d", 6);
	}
	put_be(&b, how & OLD ? 0x0300 : 0x0303, 2);
	put(&b, how & RETRY ? retry_random : plain_random, 32);
	put(&b, "\4sess", 5);
	put_be(&b, cipher, 2);
	put(&b, "\0", 1);
	if (!(how & OLD)) {
		put_be(&b, e.n + (how & SPOILT ? 1 : 0), 2);
		put(&b, e.at, e.n);
	}
	return b;
}

static struct bytes message_of(uint8_t type, const struct bytes *body)
{
	struct bytes b = {.at = {type}, .n = 1};

	put_be(&b, body->n, 3);
	put(&b, body->at, body->n);
	return b;
}

/* A message in records of `piece` bytes. */
static void say_message(int dir, const struct bytes *m, size_t piece)
{
	for (size_t at = 0; at < m->n; at += piece) {
		size_t n = m->n - at < piece ? m->n - at : piece;

		head(dir, 22, n);
		say(dir, m->at + at, n);
	}
}

static void client_hello(int dir, unsigned int how)
{
	struct bytes body = client_hello_of(how), m = message_of(1, &body);

	say_message(dir, &m, sizeof(m.at));
}

/* ---- SSH ---- */

static void packet(int dir, const struct bytes *payload)
{
	size_t padding = 4 + (8 - (payload->n + 9) % 8) % 8;
	struct bytes b = {.n = 0};

	put_be(&b, 1 + payload->n + padding, 4);
	put_be(&b, padding, 1);
	say(dir, b.at, b.n);
	say(dir, payload->at, payload->n);
	filler(dir, padding);
}

static void packet_of(int dir, uint8_t type, size_t n)
{
	struct bytes b = {.at = {type}, .n = 1};

	memset(b.at + 1, 0x21, n);
	b.n += n;
	packet(dir, &b);
}

static void put_list(struct bytes *b, const char *names)
{
	put_be(b, strlen(names), 4);
	put(b, names, strlen(names));
}

static void kexinit_of(int dir, uint8_t cookie, const char *to_server, const char *to_client)
{
	struct bytes b = {.at = {20}, .n = 1};

	memset(b.at + b.n, cookie, 16);
	b.n += 16;
	put_list(&b, "curve25519-sha256,none");
	put_list(&b, "ssh-ed25519");
	put_list(&b, to_server);
	put_list(&b, to_client);
	for (int i = 0; i < 2; i++)
		put_list(&b, "hmac-sha2-256");
	for (int i = 0; i < 2; i++)
		put_list(&b, "none,zlib"); /* compression */
	for (int i = 0; i < 2; i++)
		put_list(&b, "");
	put_be(&b, 0, 1);
	put_be(&b, 0, 4);
	packet(dir, &b);
}

static void kexinit(int dir)
{
	kexinit_of(dir, (uint8_t)(0x40 + dir), "aes128-ctr,aes256-ctr",
		   "nonesuch,xnone,aes128-ctr");
}

/* ---- talks as words: who (a, b), what, and how many bytes of it ---- */

static void server_of(int dir, unsigned int how, size_t more)
{
	struct bytes body = server_hello_of(how, how & V13 ? 0x1301 : 0xc02f);
	struct bytes m = message_of(2, &body);

	if (!more) {
		say_message(dir, &m, sizeof(m.at));
		return;
	}
	head(dir, 22, m.n + more); /* with the certificate in its record */
	say(dir, m.at, m.n);
	filler(dir, more);
}

static void in_pieces(int dir, struct bytes body, uint8_t type, size_t piece)
{
	struct bytes m = message_of(type, &body);

	say_message(dir, &m, piece);
}

static void tls_word(int dir, char what, size_t n)
{
	switch (what) {
	case 'C': /* ClientHello of 1.2, 1.3, SSL 3; of 1.3 in records of n bytes */
		client_hello(dir, V12);
		return;
	case 'c':
		client_hello(dir, V13);
		return;
	case 'O':
		client_hello(dir, OLD);
		return;
	case 'J':
		in_pieces(dir, client_hello_of(V13), 1, n);
		return;
	case 'S': /* the same of the server, and HelloRetryRequest */
		server_of(dir, V12, n);
		return;
	case 's':
		server_of(dir, V13, n);
		return;
	case 'o':
		server_of(dir, OLD, n);
		return;
	case 'j':
		in_pieces(dir, server_hello_of(V13, 0x1301), 2, n);
		return;
	case 'r':
		server_of(dir, V13 | RETRY, n);
		return;
	case 'X':
		change(dir);
		return;
	case 'F':
		record(dir, 22, 40); /* Finished, or whatever is encrypted */
		return;
	case 'L':
		alert(dir);
		return;
	case 'H':
		record(dir, 22, n);
		return;
	case 'D':
		record(dir, 23, n);
		return;
	default:
		CU_FAIL_FATAL("no such word");
	}
}

static void ssh_word(int dir, char what, size_t n)
{
	switch (what) {
	case 'I': /* identification, also behind other lines */
		say_text(dir, "SSH-2.0-x comment\r\n");
		return;
	case 'i':
		say_text(dir, "Welcome to SSH-2.0-land.\r\n\r\nSS\nSSH\r\n\xc3\xbc"
			      "berall\nSSH-1.99-x\n");
		return;
	case 'K':
		kexinit(dir);
		return;
	case 'k': /* what has no keys gives back the same cookie */
		kexinit_of(dir, 7, "aes128-ctr", "aes128-ctr");
		return;
	case 'P':
		packet_of(dir, (uint8_t)n, 32);
		return;
	case 'N':
		packet_of(dir, 21, n);
		return;
	default:
		filler(dir, n); /* 'Z' */
	}
}

/* '!': here the ciphertext begins; '?': not told before this. */
static void say_words(const char *words)
{
	while (*words) {
		int dir = *words++ == 'b' ? B : A;
		char what = *words++, *end;
		size_t n = strtoul(words, &end, 10);

		if (what == '!')
			mark(dir);
		else if (what == '?')
			sure(dir);
		else if (strchr("IiKkPNZ", what))
			ssh_word(dir, what, n);
		else
			tls_word(dir, what, n);
		words = end + strspn(end, " ");
	}
}

static void talk_of(const char *why, const char *words)
{
	open_talk(why);
	say_words(words);
}

/* Who begins is the client. */
static const struct row {
	const char *why, *words;
} good[] = {
	{"TLS 1.2, full handshake, and another one behind the data",
	 "aC bS bH900 bH4 aH70 aX aF bX bF a! aD60 b! bD300 aF aD20"},
	{"TLS 1.2, a certificate in the record of the hello, and alerts",
	 "aC bS300 bL bH4 aH70 aL aX aF bX bF b! bD30 a! aD60"},
	{"TLS 1.2, session resumed", "aC bS bX bF aX aF a! aD60 b! bD60"},
	{"TLS 1.2, the server's side late",
	 "aC aH70 aX aF a! aD60 aF aD60 bS a? bH900 bX bF b! bD300"},
	{"SSL 3, no extensions", "aO bo bH500 aH132 aX aF bX bF a! aD24 b! bD24"},
	{"TLS 1.3, middlebox compatibility", "ac bs bX b! bD900 bD50 aX a! aD53 aD80"},
	{"TLS 1.3, no ChangeCipherSpec", "ac bs bD900 b! bD50 aD53 a! aD80"},
	{"TLS 1.3, HelloRetryRequest", "ac br bX aX ac bs a? b! bD700 a! aD53"},
	{"TLS 1.3, HelloRetryRequest, no ChangeCipherSpec",
	 "ac br ac bs a? bD700 b! bD60 aD53 a! aD53"},
	{"TLS 1.3, early data", "ac aX a! aD200 aD100 bs a? bX b! bD90 aD53"},
	{"TLS 1.3, early data, no ChangeCipherSpec", "ac aD200 a! aD100 bs a? bD90 b! bD90"},
	{"TLS 1.3, early data in vain: a hello in the clear follows",
	 "ac aX aD200 aD100 br bX ac bs a? b! bD90 a! aD53"},
	{"TLS 1.3, early data in vain, the client's side late",
	 "br bX bs b! bD90 ac aX aD200 ac a? a! aD53"},
	{"TLS 1.3, hellos in records of a byte", "aJ1 bj1 bX b! bD100 aX a! aD53"},
	{"TLS 1.3, hellos in two records", "aJ50 bj50 bX b! bD100 aX a! aD53"},
	{"SSH", "bI aI aK bK aP30 bP2 bP31 bN b! bZ90 aP34 aN a! aZ90"},
	{"SSH, other lines before, and 1.99", "bi aI aK bK aP30 bP31 bN b! bZ90 aN a! aZ90"},
	{"SSH, one side through before the other begins",
	 "aI aK aP30 aN a! aZ90 bI bK a? bP31 bN b! bZ90"},
};

enum { GOOD = sizeof(good) / sizeof(good[0]) };

static void talk_good(int i)
{
	talk_of(good[i].why, good[i].words);
}

/* ---- how it is listened to ---- */

struct ear {
	struct ciphertext c;
	struct guard g;
	uint8_t swap;
};

static long answer(const struct ciphertext *c, uint8_t dir)
{
	uint64_t off = 0;

	return ciphertext_from(c, dir, &off) ? (long)off : NEVER;
}

/* Bytes [at, to) of the talk, one chunk per turn, each before an unreadable page. */
static void hear(struct ear *e, size_t at, size_t to)
{
	while (at < to) {
		size_t n = 1;

		while (at + n < to && talk.dir[at + n] == talk.dir[at])
			n++;
		ciphertext_feed(&e->c, talk.dir[at] ^ e->swap,
				span_of(guard_put(&e->g, talk.at + at, n), n));
		at += n;
	}
}

static void hear_anew(struct ear *e)
{
	memset(&e->c, 0, sizeof(e->c));
}

static bool as_marked(const struct ear *e)
{
	return answer(&e->c, A ^ e->swap) == talk.from[A] &&
	       answer(&e->c, B ^ e->swap) == talk.from[B];
}

static void expect_marked(struct ear *e)
{
	hear_anew(e);
	hear(e, 0, talk.n);
	CHECK(as_marked(e), "%s: %ld and %ld, not %ld and %ld", talk.why, answer(&e->c, A),
	      answer(&e->c, B), talk.from[A], talk.from[B]);
}

static void open_ear(struct ear *e)
{
	*e = (struct ear){.swap = 0};
	CU_ASSERT_TRUE_FATAL(guard_open(&e->g, TALK_MAX));
}

static void test_talks(void)
{
	struct ear e;

	open_ear(&e);
	for (int i = 0; i < GOOD; i++) {
		talk_good(i);
		CHECK(talk.from[A] > 0 && talk.from[B] > 0, "%s: not marked", talk.why);
		for (e.swap = 0; e.swap < 2; e.swap++) {
			expect_marked(&e);
			CHECK(ciphertext_done(&e.c), "%s: done", talk.why);
		}
		e.swap = 0;
	}
	guard_close(&e.g);
}

static void test_every_split(void)
{
	struct ear e;

	open_ear(&e);
	for (int i = 0; i < GOOD; i++) {
		talk_good(i);
		for (size_t at = 0; at <= talk.n; at++) {
			hear_anew(&e);
			hear(&e, 0, at);
			hear(&e, at, talk.n);
			if (!CHECK(as_marked(&e), "%s: split at %zu", talk.why, at))
				break;
		}
	}
	guard_close(&e.g);
}

/* Byte by byte, and what is told never changes, nor comes before it can be known. */
static void test_single_bytes(void)
{
	struct ear e;

	open_ear(&e);
	for (int i = 0; i < GOOD; i++) {
		size_t heard[2] = {0, 0};

		talk_good(i);
		hear_anew(&e);
		for (size_t at = 0; at < talk.n; at++) {
			hear(&e, at, at + 1);
			heard[talk.dir[at]]++;
			for (int dir = 0; dir < 2; dir++) {
				long is = answer(&e.c, (uint8_t)dir);

				CHECK(is == NEVER ||
					      (is == talk.from[dir] && heard[dir] >= (size_t)is &&
					       at + 1 >= talk.sure[dir]),
				      "%s: %ld of %d after %zu bytes", talk.why, is, dir, at + 1);
			}
		}
		CHECK(as_marked(&e) && ciphertext_done(&e.c), "%s: byte by byte", talk.why);
	}
	guard_close(&e.g);
}

static void test_random_cuts(void)
{
	struct dice d = dice_of(2501);
	struct ear e;

	open_ear(&e);
	for (int round = 0; round < 3000; round++) {
		uint32_t most = 1 + dice_below(&d, 300);

		talk_good(round % GOOD);
		hear_anew(&e);
		for (size_t at = 0, step; at < talk.n; at += step) {
			step = 1 + dice_below(&d, most);
			step = step < talk.n - at ? step : talk.n - at;
			hear(&e, at, at + step);
		}
		if (!CHECK(as_marked(&e), "%s: seed %llu", talk.why, (unsigned long long)d.seed))
			break;
	}
	guard_close(&e.g);
}

/* A byte that is missing before the answer: there is none.  After it, it is none's concern. */
static void test_every_gap(void)
{
	struct ear e;

	open_ear(&e);
	for (int i = 0; i < GOOD; i++) {
		talk_good(i);
		for (size_t at = 0; at < talk.n; at++) {
			uint8_t dir = talk.dir[at];
			long before, there;

			hear_anew(&e);
			hear(&e, 0, at);
			before = answer(&e.c, dir);
			ciphertext_gap(&e.c, dir);
			hear(&e, at + 1, talk.n);
			there = answer(&e.c, !dir);
			CHECK(answer(&e.c, dir) == before, "%s: gap at %zu", talk.why, at);
			CHECK(there == NEVER || there == talk.from[!dir], "%s: gap at %zu: %ld",
			      talk.why, at, there);
			CHECK(ciphertext_done(&e.c), "%s: gap at %zu: done", talk.why, at);
		}
	}
	guard_close(&e.g);
}

/* One side alone says nothing of what the other one took it for. */
static void test_one_side(void)
{
	struct ear e;

	open_ear(&e);
	for (int i = 0; i < GOOD; i++) {
		talk_good(i);
		for (uint8_t dir = 0; dir < 2; dir++) {
			hear_anew(&e);
			for (size_t at = 0; at < talk.n; at++)
				if (talk.dir[at] == dir)
					hear(&e, at, at + 1);
			CHECK(answer(&e.c, A) == NEVER && answer(&e.c, B) == NEVER,
			      "%s: only %d is heard", talk.why, dir);
			ciphertext_gap(&e.c, !dir);
			CHECK(ciphertext_done(&e.c), "%s: and the other lost", talk.why);
		}
	}
	guard_close(&e.g);
}

/* ---- what must not be believed ---- */

/* Nothing is told of the talk, heard as it is or byte by byte. */
static void expect_never(struct ear *e, bool done)
{
	expect_marked(e);
	CHECK(talk.from[A] == NEVER && talk.from[B] == NEVER, "%s: marked", talk.why);
	CHECK(ciphertext_done(&e->c) == done, "%s: done", talk.why);
	hear_anew(e);
	for (size_t at = 0; at < talk.n; at++)
		hear(e, at, at + 1);
	CHECK(as_marked(e) && ciphertext_done(&e->c) == done, "%s: byte by byte", talk.why);
}

static void all_data(void)
{
	for (int i = 0; i < 2; i++) {
		for (int dir = 0; dir < 2; dir++) {
			change(dir);
			record(dir, 22, 40);
			record(dir, 23, 40);
		}
	}
}

static const struct row bad[] = {
	{"two ClientHellos", "aC bC aX aF aD40 bX bF bD40"},
	{"two ServerHellos", "as bs aX aD40 bX bD40 aD40 bD40"},
	{"an alert instead of a hello", "ac bL"},
	{"TLS 1.2, data and no ChangeCipherSpec", "aC bS aD40 bD40 aX aF aD40 bX bF bD40"},
	{"the same, before the server is heard", "aC aD40 bS aX aF aD40 bX bF bD40"},
	{"TLS 1.2, no Finished", "aC bS aX aD40 bX bD40 aD40 bD40"},
	{"TLS 1.3, handshake in the clear behind the hello", "ac bs bH60 bX bD40 aX aD40"},
	{"TLS 1.3, another message in the record of the hello", "ac bs60 bX bD40 aX aD40"},
	{"a second HelloRetryRequest", "ac br ac br bX bD40 aX aD40 bD40"},
	{"a HelloRetryRequest, and data", "ac br bX bD40 aX aD40 bD40"},
	{"a HelloRetryRequest, and a ServerHello of 1.2", "ac br bX ac bS bD40 aX aD40 bD40"},
	{"SSH, what was sent comes back", "aI bI ak bk aP30 bP30 aN bN aZ90 bZ90"},
	{"SSH, a key exchange message before KEXINIT",
	 "aI bI aP30 aK bK aP30 bP31 aN bN aZ90 bZ90"},
	{"SSH, a session's message before NEWKEYS", "aI bI aK bK bP50 aP30 bP31 aN bN aZ90 bZ90"},
	{"SSH, NEWKEYS without a key exchange", "aI bI aK bK aN bP31 bN aZ90 bZ90"},
	{"SSH, NEWKEYS with something in it", "aI bI aK bK aP30 aN3 bP31 bN aZ90 bZ90"},
	{"SSH, two KEXINITs", "aI bI aK aK bK aP30 bP31 aN bN aZ90 bZ90"},
	{"SSH, other lines on both sides", "ai bi aK bK aP30 bP31 aN bN aZ90 bZ90"},
};

static void test_out_of_order(void)
{
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		talk_of(bad[i].why, bad[i].words);
		expect_never(&e, true);
	}
	talk_of("TLS 1.2, no application data", "aC bS aX bX aF bF aL");
	expect_never(&e, false);
	talk_of("a HelloRetryRequest that is not answered: the client's side only",
		"ac aX aD40 br bs bX b! bD40 aD40");
	expect_marked(&e);
	open_talk("a hello that another record interrupts");
	head(A, 22, 10);
	say(A, "\1\0\0\x60\3\3......", 10);
	alert(A);
	expect_never(&e, true);
	open_talk("SSH behind a line that is no text");
	say_text(B, "a\ab\r\n");
	say_words("bI aI aK bK aP30 bP31 aN bN aZ90 bZ90");
	expect_never(&e, true);
	guard_close(&e.g);
}

/* A record that only looks like it is no answer to a HelloRetryRequest. */
static void test_not_a_second_hello(void)
{
	static const char *const records[] = {"\1\0\0\x60\3\2", "\1\0\0\1\3\3", "\2\0\0\x60\3\3",
					      "\1\2\2\2\3\3"};
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		talk_of("no second ClientHello", "ac br aX");
		head(A, 22, 6);
		say(A, records[i], 6);
		say_words("bs bX b! bD40 aD40 aD40");
		expect_marked(&e);
	}
	guard_close(&e.g);
}

/* RFC 8446 §4.1.2: legacy_version is at most 0x0303; a draft is none of ours. */
static void test_hello_versions(void)
{
	static const uint16_t versions[] = {0x0002, 0x0203, 0x0304, 0x0403, 0x7f12};
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		for (int dir = 0; dir < 2; dir++) {
			size_t at = 9;

			talk_of("a hello of a version that is none", "aC");
			at += dir == B ? talk.n : 0;
			say_words("bS bX bF aX aF aD40 bD40 aD40");
			talk.at[at] = (uint8_t)(versions[i] >> 8);
			talk.at[at + 1] = (uint8_t)versions[i];
			expect_never(&e, true);
		}
	}
	guard_close(&e.g);
}

static void test_clear_ciphers(void)
{
	static const uint16_t null[] = {0x0001, 0x0002, 0x003b, 0xc006, 0xc010, 0xc0b4, 0xc0b5};
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(null) / sizeof(null[0]); i++) {
		struct bytes body = server_hello_of(null[i] >= 0xc0b4 ? V13 : V12, null[i]);
		struct bytes m = message_of(2, &body);

		open_talk("a cipher that encrypts nothing");
		client_hello(A, V13);
		say_message(B, &m, sizeof(m.at));
		all_data();
		expect_never(&e, true);
	}
	guard_close(&e.g);
}

/* What a record or hello may not be; each in the place of a good one. */
static void test_damaged(void)
{
	static const struct {
		const char *why, *bytes;
		size_t n;
	} rows[] = {
#define ROW(why, bytes) {why, bytes, sizeof(bytes) - 1}
		ROW("an empty handshake record", "\x16\3\3\0\0"),
		ROW("an empty alert", "\x15\3\3\0\0"),
		ROW("empty application data", "\x17\3\3\0\0"),
		ROW("an empty ChangeCipherSpec", "\x14\3\3\0\0"),
		ROW("a long ChangeCipherSpec", "\x14\3\3\0\2\1\1"),
		ROW("a ChangeCipherSpec of another value", "\x14\3\3\0\1\2"),
		ROW("heartbeat in the clear", "\x18\3\3\0\3\1\1\1"),
		ROW("a record of 2^14 + 2049 bytes", "\x16\3\3\x48\1"),
		ROW("another major version", "\x16\2\0\0\1"),
		ROW("another minor version", "\x16\3\5\0\1"),
		ROW("text", "GET / HTTP/1.1\r\n\r\n"),
	};
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int dir = 0; dir < 2; dir++) {
			open_talk(rows[i].why);
			client_hello(A, V12);
			server_of(B, V12, 0);
			say(dir, rows[i].bytes, rows[i].n);
			all_data();
			expect_never(&e, true);
		}
		open_talk(rows[i].why);
		say(A, rows[i].bytes, rows[i].n);
		server_of(B, V12, 0);
		all_data();
		expect_never(&e, true);
	}
	open_talk("a ClientHello whose extensions do not end with it");
	client_hello(A, V12 | SPOILT);
	server_of(B, V12, 0);
	all_data();
	expect_never(&e, true);
	open_talk("a ServerHello whose extensions do not end with it");
	client_hello(A, V13);
	server_of(B, V13 | SPOILT, 0);
	all_data();
	expect_never(&e, true);
	guard_close(&e.g);
}

/* The bytes of a direction, as they are. */
static size_t side_of(uint8_t dir, uint8_t *out)
{
	size_t n = 0;

	for (size_t at = 0; at < talk.n; at++)
		if (talk.dir[at] == dir)
			out[n++] = talk.at[at];
	return n;
}

/* Walks records, or packets behind the identification; the last one must be what ends the clear. */
static bool is_boundary(const uint8_t *at, size_t n, size_t off)
{
	const uint8_t *ssh = at[0] == 22 ? NULL : at;
	size_t i = 0, last = 0;

	while (ssh && memcmp(ssh, "SSH-", 4) != 0)
		ssh = (const uint8_t *)memchr(ssh, '\n', n - (size_t)(ssh - at)) + 1;
	if (ssh) {
		const uint8_t *end = memchr(ssh, '\n', n - (size_t)(ssh - at));

		for (i = (size_t)(end - at) + 1; i + 5 < n && i < off; i += 4 + load_be32(at + i))
			last = i;
		return i == off && at[last + 5] == 21;
	}
	for (; i + 5 <= n && i < off; i += 5U + load_be16(at + i + 3))
		last = i;
	return i == off && (at[last] == 23 || (i < n && at[i] == 23));
}

/* What is told is a place between records, where application data begins or has ended. */
static void expect_boundaries(struct ear *e, size_t at)
{
	static uint8_t side[TALK_MAX];

	hear_anew(e);
	hear(e, 0, talk.n);
	for (uint8_t dir = 0; dir < 2; dir++) {
		long is = answer(&e->c, dir);

		if (is != NEVER)
			CHECK(is_boundary(side, side_of(dir, side), (size_t)is),
			      "%s: byte %zu is %u: %ld", talk.why, at, talk.at[at], is);
	}
}

/* A byte near the beginning with another value. */
static void test_hostile_bytes(void)
{
	static const uint8_t more[] = {1, 2, 64, 128, 254, 255};
	struct ear e;

	open_ear(&e);
	for (int i = 0; i < GOOD; i++) {
		talk_good(i);
		for (size_t at = 0; at < talk.n && at < 600; at++) {
			uint8_t was = talk.at[at];

			for (size_t k = 0; k < sizeof(more); k++) {
				talk.at[at] = (uint8_t)(was + more[k]);
				expect_boundaries(&e, at);
			}
			talk.at[at] = was;
		}
	}
	guard_close(&e.g);
}

static void test_long_records(void)
{
	struct ear e;

	open_ear(&e);
	for (size_t n = 16384; n <= 16384 + 2048; n += 1024) {
		talk_of("records of 16 KiB and more", "ac bs");
		record(B, 23, n);
		mark(B);
		record(B, 23, n);
		expect_marked(&e);
	}
	guard_close(&e.g);
}

static void test_other_protocols(void)
{
	static const struct {
		const char *why, *a, *b;
	} rows[] = {
		{"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello"},
		{"HTTP, then SSH through it", "CONNECT a:22 HTTP/1.1\r\n\r\nSSH-2.0-a\r\n",
		 "HTTP/1.1 200 OK\r\n\r\nSSH-2.0-b\r\n"},
		{"STARTTLS", "EHLO a\r\nSTARTTLS\r\n\x16\3\1",
		 "220 b\r\n250 c\r\n220 d\r\n\x16\3\3"},
		{"a ClientHello that HTTP answers", "\x16\3\3", "HTTP/1.1 400 Bad Request\r\n"},
		{"SSLv2", "\x80\x2e\1\3\1", "\x16\3\1"},
		{"SSH 1", "SSH-1.5-a\n", "SSH-1.99-b\n"},
		{"SSH 3", "SSH-2.0-a\r\n", "SSH-3.0-b\r\n"},
		{"SSH with a byte that is no text", "SSH-2.0-a\r\n", "SSH-2.0-b\a\r\n"},
		{"one of SSH, one of TLS", "SSH-2.0-a\r\n", "\x16\3\3"},
	};
	struct dice d = dice_of(2502);
	uint8_t bytes[300];
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		open_talk(rows[i].why);
		say_text(A, rows[i].a);
		say_text(B, rows[i].b);
		all_data();
		expect_never(&e, true);
	}
	for (int i = 0; i < 500; i++) {
		open_talk("random bytes");
		for (int turn = 0; turn < 4; turn++) {
			dice_fill(&d, bytes, sizeof(bytes));
			say(turn % 2, bytes, sizeof(bytes));
		}
		expect_never(&e, true);
	}
	guard_close(&e.g);
}

static void ssh_end(void)
{
	for (int dir = 0; dir < 2; dir++) {
		ssh_word(dir, 'P', 30);
		ssh_word(dir, 'N', 0);
		mark(dir);
		filler(dir, 90);
	}
}

static void test_ssh_none(void)
{
	static const char *const offers[] = {"none", "aes128-ctr,none", "none,aes128-ctr",
					     "a,none,b"};
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		talk_of("no encryption is on offer", "aI bI aK");
		kexinit_of(B, 1, i % 2 ? "aes128-ctr" : offers[i],
			   i % 2 ? offers[i] : "aes128-ctr");
		ssh_end();
		talk.from[A] = talk.from[B] = NEVER;
		expect_never(&e, true);
	}
	guard_close(&e.g);
}

/* RFC 4253 §6.1: a packet has up to 35000 bytes in all. */
static void test_ssh_bounds(void)
{
	static const struct {
		const char *why;
		size_t length;
		uint8_t padding;
		bool good;
	} rows[] = {
		{"35000 bytes", 34996, 4, true},
		{"more", 35004, 4, false},
		{"not blocks of 8", 101, 4, false},
		{"the least", 12, 10, true},
		{"less", 4, 4, false},
		{"no room for a message", 12, 11, false},
		{"little padding", 20, 3, false},
	};
	struct ear e;

	open_ear(&e);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes b = {.n = 0};

		talk_of(rows[i].why, "aI bI aK bK");
		put_be(&b, rows[i].length, 4);
		put_be(&b, rows[i].padding, 1);
		put_be(&b, 2, 1);
		say(A, b.at, b.n);
		filler(A, rows[i].length - 2);
		ssh_end();
		if (!rows[i].good)
			talk.from[A] = talk.from[B] = NEVER;
		expect_marked(&e);
	}
	open_talk("an identification of 256 bytes");
	say_text(A, "SSH-2.0-");
	for (int i = 0; i < 246; i++)
		say_text(A, "x");
	say_text(A, "\r\n");
	expect_never(&e, true);
	open_talk("a server that does not come to it");
	for (int i = 0; i < 2000; i++)
		say_text(B, "a line\r\n");
	say_text(A, "SSH-2.0-a\r\n");
	expect_never(&e, true);
	guard_close(&e.g);
}

/* Who only ever shakes hands is not listened to for ever. */
static void test_bound(void)
{
	struct ciphertext before;
	struct ear e;
	uint32_t fed = 0;

	open_ear(&e);
	open_talk("handshake records without an end");
	client_hello(A, V12);
	server_of(B, V12, 0);
	hear(&e, 0, talk.n);
	open_talk(talk.why);
	record(A, 22, 10000);
	for (; fed < CIPHERTEXT_LOOK - 20000; fed += 10005)
		hear(&e, 0, talk.n);
	before = e.c;
	ciphertext_gap(&before, B);
	CHECK(!ciphertext_done(&before), "%u bytes", fed);
	for (; fed < CIPHERTEXT_LOOK; fed += 10005)
		hear(&e, 0, talk.n);
	CHECK(!ciphertext_done(&e.c), "the other side is not lost");
	ciphertext_gap(&e.c, B);
	CHECK(ciphertext_done(&e.c), "%u bytes", fed);
	guard_close(&e.g);
}

CU_TestInfo ciphertext_tests[] = {
	{"handshakes as the RFCs have them", test_talks},
	{"every split point", test_every_split},
	{"byte by byte, and not too early", test_single_bytes},
	{"random cuts", test_random_cuts},
	{"a gap at every place", test_every_gap},
	{"one side alone", test_one_side},
	{"what is out of order", test_out_of_order},
	{"what is no second ClientHello", test_not_a_second_hello},
	{"versions of hellos", test_hello_versions},
	{"ciphers that encrypt nothing", test_clear_ciphers},
	{"damaged records", test_damaged},
	{"hostile bytes in hellos", test_hostile_bytes},
	{"long records", test_long_records},
	{"other protocols", test_other_protocols},
	{"SSH without encryption", test_ssh_none},
	{"SSH bounds", test_ssh_bounds},
	{"bytes that are listened to", test_bound},
	CU_TEST_INFO_NULL,
};
