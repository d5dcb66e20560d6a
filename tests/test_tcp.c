/* SPDX-License-Identifier: MIT */
/*
 * tcp — scripts of segments and what a reader of the stream must see.
 *
 * A script is words: FLAGS DIR SEQ [,ACK] [:TEXT] [/LEN], as `SA<500,101` or `A>101:hello`; DIR >
 * is from the lower endpoint.  TEXT was captured, LEN bytes were on the wire.  `+N` lets N seconds
 * pass, `~>N` says that the kernel kept N bytes of the direction back.  A stream reads as its bytes
 * with [gap N] and [cut N] in them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/tcp/tcp.h"

#define SECOND 1000000000ULL

struct desk {
	struct tcp t;
	uint64_t clock_ns, last_ns, number;
	uint64_t off[2];
	char log[2][512];
	uint64_t anomalies;
	enum tcp_got got; /* of the last segment */
	bool broken;      /* offsets that do not join */
};

static const struct tcp_conf usual = {
	.policy = OVERLAP_FIRST,
	.max_pieces = 4096,
	.max_flow_bytes = 8 << 20,
	.max_segments = 4096,
	.hole_ns = 60 * SECOND,
	.reuse_idle_ns = 60 * SECOND,
};

static void desk_open(struct desk *k, const struct tcp_conf *conf)
{
	memset(k, 0, sizeof(*k));
	k->clock_ns = k->last_ns = 1000 * SECOND;
	CU_ASSERT_EQUAL_FATAL(tcp_open(&k->t, conf, 4), 0);
	tcp_start(&k->t, 1);
}

static bool held_well(const struct tcp *t, uint8_t dir)
{
	const struct pieces *held = tcp_held(t, 1, dir);

	return !held || pieces_validate(&t->pool, held);
}

static void desk_drain(struct desk *k)
{
	struct chunk c;

	while (tcp_next(&k->t, &c)) {
		size_t used = strlen(k->log[c.dir]);
		char *at = k->log[c.dir] + used;
		size_t room = sizeof(k->log[0]) - used;

		if (c.kind == CHUNK_AGAIN) {
			k->broken |= c.off + c.len > k->off[c.dir];
			continue;
		}
		k->broken |= c.off != k->off[c.dir] || c.len == 0;
		k->off[c.dir] += c.len;
		if (c.kind == CHUNK_DATA)
			snprintf(at, room, "%.*s", (int)c.len, (const char *)c.at);
		else
			snprintf(at, room, "[%s %llu]", c.kind == CHUNK_GAP ? "gap" : "cut",
				 (unsigned long long)c.len);
	}
	k->anomalies |= k->t.anomalies;
	k->broken |= !held_well(&k->t, 0) || !held_well(&k->t, 1);
}

static void desk_segment(struct desk *k, const struct tcp_segment *seg)
{
	struct tcp_segment s = *seg;

	s.ts_ns = s.clock_ns = k->clock_ns;
	s.number = ++k->number;
	s.frame_bytes = s.len + 54;
	s.window = 65535;
	k->got = tcp_push(&k->t, 1, &s, k->clock_ns - k->last_ns);
	if (k->got == TCP_MORE) {
		k->last_ns = k->clock_ns;
		desk_drain(k);
	}
}

static uint8_t flags_of(const char **p)
{
	static const char letters[] = "FSRPA";
	uint8_t flags = 0;
	const char *l;

	for (; **p && (l = strchr(letters, **p)); ++*p)
		flags |= (uint8_t)(1 << (l - letters));
	return flags;
}

static void desk_word(struct desk *k, const char *word)
{
	struct tcp_segment s = {0};
	static uint8_t text[64];
	char *end;

	if (*word == '+') {
		k->clock_ns += strtoull(word + 1, NULL, 10) * SECOND;
		return;
	}
	if (*word == '~') {
		tcp_skip(&k->t, 1, word[1] == '<', strtoull(word + 2, NULL, 10));
		desk_drain(k);
		return;
	}
	s.flags = flags_of(&word);
	s.dir = *word++ == '<';
	s.seq = (uint32_t)strtoul(word, &end, 10);
	if (*end == ',')
		s.ack = (uint32_t)strtoul(end + 1, &end, 10);
	s.at = text;
	if (*end == ':') {
		s.len = (uint32_t)strcspn(end + 1, "/");
		memcpy(text, end + 1, s.len);
		end += 1 + s.len;
	}
	s.cap = s.len;
	if (*end == '/')
		s.len = (uint32_t)strtoul(end + 1, NULL, 10);
	desk_segment(k, &s);
}

static void desk_play(struct desk *k, const char *script)
{
	char words[512], *save = NULL;

	snprintf(words, sizeof(words), "%s", script);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		desk_word(k, w);
}

static void desk_close(struct desk *k)
{
	tcp_flush(&k->t, 1);
	desk_drain(k);
	tcp_end(&k->t, 1);
	CU_ASSERT_EQUAL(k->t.pool.used, 0);
	tcp_close(&k->t);
}

#define OPEN "S>100 SA<500,101 A>101,501 "

static const struct {
	const char *script, *client, *server, *why;
} rows[] = {
	{OPEN "A>101,501:hello A<501,106:world", "hello", "world", "in order"},
	{OPEN "A>104:lo A>101:hel", "hello", "", "reversed"},
	{OPEN "A>105:o A>103:l A>104:l A>102:e A>101:h", "hello", "", "byte by byte, scrambled"},
	{OPEN "A>101:hello A>101:hello A>106:!", "hello!", "", "sent again"},
	{OPEN "A>101:hello A>103:llo,you", "hello,you", "", "the end sent again with more"},
	{OPEN "A>104:lo,y A>102:ello A>101:h A>108:ou", "hello,you", "",
	 "overlapping while waiting"},
	{OPEN "A>101:he A>105:o", "he[gap 2]o", "", "a hole that stays"},
	{OPEN "A>101:he A>105:o +59 A>103:ll", "hello", "", "a hole filled late"},
	{OPEN "A>101:he A>105:o +61 A>106:! A>103:ll", "he[gap 2]o!", "", "a hole given up"},
	{OPEN "A>101:he A>105:o A<501,107 A>103:ll", "hello", "",
	 "an ACK beyond a hole does not end the waiting"},
	{OPEN "A>101:he A>107:you A>105:o +61 A>111:. A>103:ll", "he[gap 2]o[gap 1]you[gap 1].", "",
	 "several holes"},
	{OPEN "A>101:hel/5 A>106:next", "hel[cut 2]next", "", "cut by snaplen"},
	{OPEN "A>101:/5 A>106:next", "[cut 5]next", "", "cut whole"},
	{OPEN "A>106:next/9 A>101:hel/5", "hel[cut 2]next[cut 5]", "", "cut, out of order"},
	{"S>100:early SA<500,101 A>106,501:late", "earlylate", "", "data in the SYN"},
	{"S>100:early SA<500,106 A>106,501:late", "earlylate", "", "fast open accepted"},
	{"S>100 S>100 S>100 SA<500,101 SA<500,101 A>101:x A<501:y", "x", "y", "SYNs sent again"},
	{"S>100 S<500 SA>100,501 SA<500,101 A>101:x A<501:y", "x", "y", "simultaneous open"},
	{"S>4294967290 SA<4294967295,4294967291 A>4294967291:123456789 A<0:abc", "123456789", "abc",
	 "sequence numbers wrap"},
	{"S>4294967290 SA<9,4294967291 A>3:9 A>4294967295:5678 A>4294967291:1234", "123456789", "",
	 "wrap, out of order"},
	{"A>100:mid A>103:stream A<900:yes", "midstream", "yes", "midstream"},
	{"A>106 A>101:hello A>106:!", "hello!", "", "an ACK first, data before it"},
	{"A>101:hello A<500:x A>91:earlier A>106:!", "hello!", "x", "data before the first byte"},
	{"S>100 A>101:one A>104:sided", "onesided", "", "only the client captured"},
	{"SA<500,101 A<501:one A<504:sided", "", "onesided", "only the server captured"},
	{OPEN "A>101:hello A>105 A>105:o A>106:!", "hello!", "", "keep-alive"},
	{OPEN "A>101:hello A>106:! A>106:!! A>108:.", "hello!!.", "", "zero window probe"},
	{OPEN "A>101:bye AF>104 A<501:more AF<505", "bye", "more", "half closed"},
	{OPEN "AF>104 A>101:bye", "bye", "", "FIN first"},
	{OPEN "AF>101:bye A>105:late", "byelate", "",
	 "data behind a FIN is shown, with an anomaly"},
	{OPEN "AF>103 A>101:hello", "hello", "", "a FIN that the data disproves"},
	{OPEN "A>101:he AF>106", "he[gap 3]", "", "a hole up to the FIN"},
	{OPEN "A>101:hel R<9000000 A>104:lo", "hello", "", "a forged reset"},
	{OPEN "A>101:hel R>104 A>104:lo", "hello", "", "data behind a reset"},
	{OPEN "A>101:hel AF>9000000 A>104:lo", "hello", "", "a forged FIN far away"},
	{OPEN "A>101:hel S>900000000 A>104:lo", "hello", "", "a forged SYN"},
	{OPEN "A>101:hel A>900000000:junk A>104:lo", "hello", "", "a forged segment far away"},
	{OPEN "A>101:hel A>5000000:more A>5000004:of A>5000006:it", "hel[gap 4999896]moreofit", "",
	 "a far segment that others continue"},
	{OPEN "A>5000:far A>101:hello", "hello[gap 4894]far", "", "ahead, but inside the window"},
	{OPEN "A>101:he +61 A>110:x A>103:ll", "hell[gap 5]x", "",
	 "a hole's time starts when it opens"},
	{OPEN "A>101:he ~>3000000 AF>3000103", "he[cut 3000000]", "", "kept back up to the FIN"},
	{OPEN "A>101:he ~>3 A>106:you", "he[cut 3]you", "", "kept back, then more"},
	{OPEN "A>101:he A>106:you ~>3 A>109:.", "he[cut 3]you.", "",
	 "kept back before what waits behind"},
	{OPEN "A>101:he A>106:you ~>4 A>109:.", "he[cut 4]ou.", "",
	 "kept back, with a part of what waits"},
	{OPEN "A>101:he ~>3 A>103:llo A>106:.", "he[cut 3].", "", "a copy of what was kept back"},
	{OPEN "A>101:he ~<5 A<506:yes A>103:llo", "hello", "[cut 5]yes", "of the other side"},
	{OPEN "A>101:he ~>8589934592 A>103:more", "he[cut 8589934592]more", "", "beyond 4 GiB"},
	{OPEN "A>101:ab A>110:j +61 A>105:ef A>103:cd", "ab[gap 2]ef[gap 3]j", "",
	 "a late segment inside a hole that is given up"},
};

static void test_scripts(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct desk k;

		desk_open(&k, &usual);
		desk_play(&k, rows[i].script);
		desk_close(&k);
		CHECK(strcmp(k.log[0], rows[i].client) == 0, "%s: client \"%s\", not \"%s\"",
		      rows[i].why, k.log[0], rows[i].client);
		CHECK(strcmp(k.log[1], rows[i].server) == 0, "%s: server \"%s\", not \"%s\"",
		      rows[i].why, k.log[1], rows[i].server);
		CHECK(!k.broken, "%s: offsets", rows[i].why);
	}
}

/* A message in three segments: every pair of cuts, every order, from a number that wraps in it. */
static void test_every_split_point(void)
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const char message[] = "GET /every/split/point HTTP/1.1\r\n";
	uint32_t n = sizeof(message) - 1;
	struct guard g;

	CU_ASSERT_TRUE_FATAL(guard_open(&g, 64));
	for (uint32_t i = 0; i <= n; i++) {
		for (uint32_t j = i; j <= n; j++) {
			uint32_t cut[4] = {0, i, j, n};
			int order = (int)((i * 7 + j) % 6);
			static struct desk k;

			desk_open(&k, &usual);
			desk_play(&k, "S>4294967275 SA<500,4294967276");
			for (int s = 0; s < 3; s++) {
				uint32_t from = cut[orders[order][s]];
				uint32_t len = cut[orders[order][s] + 1] - from;
				struct tcp_segment seg = {.seq = 4294967276U + from,
							  .flags = TCP_ACK,
							  .len = len,
							  .cap = len};

				seg.at = guard_put(&g, message + from, len);
				desk_segment(&k, &seg);
			}
			CHECK(strcmp(k.log[0], message) == 0 && !k.broken, "cut at %u and %u: %s",
			      i, j, k.log[0]);
			desk_close(&k);
		}
	}
	guard_close(&g);
}

/* 17 segments of 256 MB that were not captured, then text beyond 4 GiB, out of order. */
static void test_beyond_four_gigabytes(void)
{
	static struct desk k;
	uint32_t seq = 4294967000U;
	uint64_t total = 0;
	struct chunk c;
	struct tcp_report r;

	desk_open(&k, &usual);
	desk_word(&k, "S>4294966999");
	for (int i = 0; i < 17; i++) {
		struct tcp_segment s = {.seq = seq, .flags = TCP_ACK, .len = 1U << 28};

		desk_segment(&k, &s);
		seq += 1U << 28;
		total += 1U << 28;
		k.log[0][0] = 0;
	}
	CU_ASSERT_EQUAL(k.off[0], total);
	for (int i = 0; i < 3; i++) {
		static const char *const parts[] = {"lo", "hel", "hel"};
		struct tcp_segment s = {.seq = seq + (i == 0 ? 3 : 0), .flags = TCP_ACK, .dir = 0};

		s.at = (const uint8_t *)parts[i];
		s.len = s.cap = (uint32_t)strlen(parts[i]);
		if (i < 2) {
			desk_segment(&k, &s);
			continue;
		}
		tcp_push(&k.t, 1, &s, 0);
		CU_ASSERT_TRUE(tcp_next(&k.t, &c));
		CU_ASSERT_EQUAL(c.kind, CHUNK_AGAIN);
		CU_ASSERT_EQUAL(c.off, total);
		CU_ASSERT_EQUAL(c.len, 3);
		CU_ASSERT_FALSE(tcp_next(&k.t, &c));
	}
	CU_ASSERT_STRING_EQUAL(k.log[0], "hello");
	CU_ASSERT_FALSE(k.broken);
	tcp_report(&k.t, 1, 0, &r);
	CU_ASSERT_EQUAL(r.cut_bytes, total);
	CU_ASSERT_EQUAL(r.stream_bytes, 5);
	desk_close(&k);
}

static void test_states(void)
{
	static const struct {
		const char *script;
		enum tcp_state state;
		bool closed, reset, midstream;
	} cases[] = {
		{"S>100", TCP_SYN_SENT, false, false, false},
		{"S>100 SA<500,101", TCP_SYN_RECV, false, false, false},
		{OPEN, TCP_ESTABLISHED, false, false, false},
		{"A>101:x", TCP_ESTABLISHED, false, false, true},
		{OPEN "AF>101,501", TCP_FIN_WAIT1, false, false, false},
		{OPEN "AF>101,501 A<501,102", TCP_FIN_WAIT2, false, false, false},
		{OPEN "AF>101,501 AF<501,101", TCP_CLOSING, true, false, false},
		{OPEN "AF>101,501 AF<501,102", TCP_TIME_WAIT, true, false, false},
		{OPEN "AF>101,501 AF<501,102 A>102,502", TCP_CLOSED, true, false, false},
		{OPEN "AF<501,101", TCP_CLOSE_WAIT, false, false, false},
		{OPEN "AF<501,101 AF>101,502", TCP_LAST_ACK, true, false, false},
		{OPEN "R>101", TCP_CLOSED, true, true, false},
		{OPEN "R<501", TCP_CLOSED, true, true, false},
		{OPEN "R<900000000", TCP_ESTABLISHED, false, false, false},
		{"S>100 RA<0,101", TCP_CLOSED, true, true, false},
		{"S>100 RA<0,9000", TCP_SYN_SENT, false, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct desk k;

		desk_open(&k, &usual);
		desk_play(&k, cases[i].script);
		CHECK(tcp_state(&k.t, 1, 0) == cases[i].state, "%s: state %d, not %d",
		      cases[i].script, tcp_state(&k.t, 1, 0), cases[i].state);
		CHECK(tcp_is_closed(&k.t, 1) == cases[i].closed &&
			      tcp_is_reset(&k.t, 1) == cases[i].reset &&
			      tcp_is_midstream(&k.t, 1) == cases[i].midstream,
		      "%s: closed, reset or midstream", cases[i].script);
		desk_close(&k);
	}
}

/* Whether a SYN begins another connection. */
static void test_reuse(void)
{
	static const struct {
		const char *script;
		enum tcp_got got;
		const char *why;
	} cases[] = {
		{OPEN "S>100", TCP_MORE, "the SYN again"},
		{OPEN "S>7000", TCP_MORE, "held"},
		{OPEN "S>7000 S>7000 A>101:x", TCP_MORE, "held while the old one goes on"},
		{OPEN "AF>101,501 AF<501,102 S>7000", TCP_NEW, "behind two FINs"},
		{OPEN "AF>101,501 S>7000", TCP_MORE, "behind one FIN"},
		{OPEN "R<501 S>7000", TCP_NEW, "behind a reset"},
		{OPEN "R<900000000 S>7000", TCP_MORE, "behind a forged reset"},
		{OPEN "+60 S>7000", TCP_MORE, "after 60 s of silence"},
		{OPEN "+61 S>7000", TCP_NEW, "after 61 s of silence"},
		{OPEN "S>7000 SA<9000,7001", TCP_CONFIRMED, "confirmed by its SYN-ACK"},
		{OPEN "S>7000 SA<9000,7002", TCP_MORE, "a SYN-ACK that answers another"},
		{"S>100 A>101:abc S>900000 A>900001:x", TCP_CONFIRMED, "one-sided, by its data"},
		{"S>100 A>101:abc S>900000 A>104:x A>900001:x", TCP_MORE,
		 "one-sided, while the old one goes on"},
		{"S>100 S>7000", TCP_MORE, "two SYNs, nothing else"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct desk k;

		desk_open(&k, &usual);
		desk_play(&k, cases[i].script);
		CHECK(k.got == cases[i].got, "%s: %d, not %d", cases[i].why, k.got, cases[i].got);
		desk_close(&k);
	}
}

static void test_held_syn_is_remembered(void)
{
	static struct desk k;
	const struct tcp_held_syn *held;

	desk_open(&k, &usual);
	desk_play(&k, OPEN "A>101:x S>7000 S>7000 S>7000");
	held = tcp_held_syn(&k.t, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(held);
	if (!held)
		return;
	CU_ASSERT_EQUAL(held->copies, 3);
	CU_ASSERT_EQUAL(held->bytes, 3 * 54);
	CU_ASSERT_EQUAL(held->seg.seq, 7000);
	CU_ASSERT_PTR_NULL(tcp_held_syn(&k.t, 1, 1));
	CU_ASSERT_TRUE((k.anomalies & anomaly_bit(ANOMALY_SYN_HELD)) != 0);
	desk_close(&k);
}

static void test_reports(void)
{
	static struct desk k;
	struct tcp_report r;

	desk_open(&k, &usual);
	desk_play(&k, "S>100 SA<500,101 +1 A>101,501 A>101:hello A>101:hello A>104:loXY A>120:z"
		      " A>105 A<501,108");
	tcp_report(&k.t, 1, 0, &r);
	CU_ASSERT_EQUAL(r.stream_bytes, 7);
	CU_ASSERT_EQUAL(r.retransmitted_bytes, 5);
	CU_ASSERT_EQUAL(r.overlap_bytes, 2);
	CU_ASSERT_EQUAL(r.out_of_order, 1);
	CU_ASSERT_EQUAL(r.gap_count, 0);
	CU_ASSERT_EQUAL(r.flags, TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(tcp_handshake_rtt_ns(&k.t, 1), SECOND);
	tcp_flush(&k.t, 1);
	desk_drain(&k);
	tcp_report(&k.t, 1, 0, &r);
	CU_ASSERT_EQUAL(r.gap_count, 1);
	CU_ASSERT_EQUAL(r.gap_bytes, 12);
	CU_ASSERT_EQUAL(r.stream_bytes, 8);
	CU_ASSERT_STRING_EQUAL(k.log[0], "helloXY[gap 12]z");
	desk_close(&k);
}

/* Copies that differ, before anything was delivered: the policy's choice, evidence of the other. */
static void test_conflict_while_waiting(void)
{
	static const char *const expect[] = {"aHELLO", "aJELLY"};

	for (int last = 0; last < 2; last++) {
		struct tcp_conf conf = usual;
		static struct desk k;
		struct tcp_report r;

		conf.policy = last ? OVERLAP_LAST : OVERLAP_FIRST;
		desk_open(&k, &conf);
		desk_play(&k, OPEN "A>102:HELLO A>102:JELLY");
		CU_ASSERT_TRUE((k.anomalies & anomaly_bit(ANOMALY_OVERLAP_CONFLICT)) != 0);
		CU_ASSERT_EQUAL(k.t.evidence.off, 1);
		CU_ASSERT_EQUAL(k.t.evidence.len, 5);
		CU_ASSERT_EQUAL(k.t.evidence.loser_is_new, !last);
		CU_ASSERT_NSTRING_EQUAL(k.t.evidence.bytes, last ? "HELLO" : "JELLY", 5);
		tcp_report(&k.t, 1, 0, &r);
		CU_ASSERT_EQUAL(r.conflict_bytes, 2);
		desk_play(&k, "A>101:a");
		CU_ASSERT_STRING_EQUAL(k.log[0], expect[last]);
		desk_close(&k);
	}
}

CU_TestInfo tcp_tests[] = {
	{"scripts", test_scripts},
	{"every_split_point", test_every_split_point},
	{"beyond_four_gigabytes", test_beyond_four_gigabytes},
	{"states", test_states},
	{"reuse", test_reuse},
	{"held_syn_is_remembered", test_held_syn_is_remembered},
	{"reports", test_reports},
	{"conflict_while_waiting", test_conflict_while_waiting},
	CU_TEST_INFO_NULL,
};
