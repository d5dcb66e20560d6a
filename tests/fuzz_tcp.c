/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tcp — the input is a list of segments of two connections, mostly near the place where each
 * sender stands.  A naive twin remembers every segment by its place in the stream and checks what
 * comes out: contiguous, once, only bytes that were sent, gaps only where nothing was captured.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "user/tcp/conn.h" /* whether the end of a stream is known */

#define SLOTS    2U
#define SENT_MAX 1024U /* segments per direction that the twin remembers */
#define OPS_MAX  400
#define S        1000000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sent {
	int64_t at; /* place; the twin counts from where the first base was set */
	uint32_t len, cap;
	bool must; /* nothing excuses its absence */
	uint8_t *bytes;
};

struct twin {
	struct sent sent[SENT_MAX];
	uint32_t n;
	int64_t next; /* place of the next byte in order */
	uint64_t off; /* bytes, gaps and cuts handed out */
	uint64_t data, gap, cut;
	uint32_t seq; /* d->next as last seen */
	bool far;     /* an unconfirmed segment waits at far_at */
	int64_t far_at;
};

struct sender {
	uint32_t isn, next;
};

struct run {
	struct tcp tcp;
	struct tcp_conf conf;
	struct twin twin[SLOTS][2];
	struct sender sender[SLOTS][2];
	uint64_t last_ns[SLOTS], now_ns, number;
	const uint8_t *in, *end;
};

/* A segment, and what the twin knew when it was pushed. */
struct pushed {
	struct tcp_segment seg;
	uint32_t seq; /* of its first byte */
	int64_t at;
	uint32_t again, again_skip; /* of its bytes, delivered before */
};

static struct run run;

static uint8_t take(void)
{
	return run.in < run.end ? *run.in++ : 0;
}

static bool strict(void)
{
	return run.tcp.totals.buffer_limits == 0;
}

static void forget(struct twin *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		free(w->sent[i].bytes);
	memset(w, 0, offsetof(struct twin, n));
	w->n = 0;
	w->next = w->far_at = 0;
	w->off = w->data = w->gap = w->cut = 0;
	w->seq = 0;
	w->far = false;
}

/* ---- what came out, against what was sent ---- */

static void check_data(const struct twin *w, const struct chunk *c)
{
	for (uint64_t j = 0; j < c->len; j++) {
		int64_t at = w->next + (int64_t)j;
		bool sent = false, first = true;

		for (uint32_t i = 0; i < w->n && !sent; i++) {
			const struct sent *s = &w->sent[i];

			if (at < s->at || at >= s->at + s->cap)
				continue;
			sent = s->bytes[at - s->at] == c->at[j];
			if (!sent && first && s->must && strict())
				assert(run.conf.policy != OVERLAP_FIRST);
			first = false;
		}
		assert(sent);
	}
}

/* Whether a segment that must come out has bytes in [at, at + len). */
static bool was_sent(const struct twin *w, int64_t at, uint64_t len)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (w->sent[i].must && w->sent[i].at < at + (int64_t)len &&
		    at < w->sent[i].at + w->sent[i].len)
			return true;
	return false;
}

/* Every byte of a CUT lacks in the first segment that reached there. */
static void check_cut(const struct twin *w, const struct chunk *c)
{
	assert(c->len <= 65536);
	for (uint64_t j = 0; j < c->len; j++) {
		int64_t at = w->next + (int64_t)j;
		bool cut = false;

		for (uint32_t i = 0; i < w->n && !cut; i++) {
			const struct sent *s = &w->sent[i];

			if (at < s->at || at >= s->at + s->len)
				continue;
			cut = at >= s->at + s->cap;
			assert(cut || !s->must || !strict());
		}
		assert(cut);
	}
}

static void check_again(const struct twin *w, const struct chunk *c, struct pushed *p)
{
	assert(p && p->again && c->dir == p->seg.dir);
	assert(c->len == p->again && c->at && c->off + c->len <= w->off);
	assert((int64_t)c->off == p->at + p->again_skip - (w->next - (int64_t)w->off));
	assert(memcmp(c->at, p->seg.at + p->again_skip, p->again) == 0);
	p->again = 0;
}

static void check_chunk(struct twin *w, const struct chunk *c, struct pushed *p)
{
	assert(c->len);
	if (c->kind == CHUNK_AGAIN) {
		check_again(w, c, p);
		return;
	}
	assert(!p || p->again == 0); /* a copy is reported first */
	assert(c->off == w->off);
	if (c->kind == CHUNK_DATA) {
		assert(c->at);
		check_data(w, c);
		w->data += c->len;
	} else if (c->kind == CHUNK_CUT) {
		check_cut(w, c);
		w->cut += c->len;
	} else {
		assert(c->len < 1U << 31 && (!strict() || !was_sent(w, w->next, c->len)));
		w->gap += c->len;
	}
	w->off += c->len;
	w->next += (int64_t)c->len;
	w->seq += (uint32_t)c->len;
	if (w->far && w->next > w->far_at)
		w->far = false; /* the stream has come there: no longer far */
}

static void check_held(void)
{
	uint64_t held = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		for (uint32_t dir = 0; dir < 2; dir++) {
			const struct tcp_dir *d = &run.tcp.conn[slot].dir[dir];

			const struct pieces *list = tcp_held(&run.tcp, slot, (uint8_t)dir);

			assert(d->off == run.twin[slot][dir].off);
			assert(d->next == run.twin[slot][dir].seq);
			if (!list)
				continue;
			assert(pieces_validate(&run.tcp.pool, list) && list->count);
			assert(list->count <= 2 * run.conf.max_segments + 8);
			held += list->count;
		}
	assert(held == run.tcp.pool.used && held <= run.conf.max_pieces);
}

static void drain(uint32_t slot, struct pushed *p)
{
	struct chunk c;

	while (tcp_next(&run.tcp, &c))
		check_chunk(&run.twin[slot][c.dir], &c, p);
	assert(!p || p->again == 0);
	assert(!tcp_next(&run.tcp, &c));
	check_held();
}

/* ---- a connection's life ---- */

static void begin(uint32_t slot)
{
	tcp_start(&run.tcp, slot);
	forget(&run.twin[slot][0]);
	forget(&run.twin[slot][1]);
}

static void ask(uint32_t slot)
{
	for (uint8_t dir = 0; dir < 2; dir++) {
		assert(tcp_state(&run.tcp, slot, dir) <= TCP_CLOSED);
		assert(!tcp_is_reset(&run.tcp, slot) || tcp_is_closed(&run.tcp, slot));
	}
	(void)tcp_phase(&run.tcp, slot);
	(void)tcp_is_closing(&run.tcp, slot);
	(void)tcp_is_open(&run.tcp, slot);
	(void)tcp_is_midstream(&run.tcp, slot);
	assert(tcp_handshake_rtt_ns(&run.tcp, slot) <= run.now_ns);
}

static void finish(uint32_t slot)
{
	ask(slot);
	tcp_flush(&run.tcp, slot);
	drain(slot, NULL);
	for (uint8_t dir = 0; dir < 2; dir++) {
		const struct twin *w = &run.twin[slot][dir];
		struct tcp_report r;

		for (uint32_t i = 0; i < w->n && strict(); i++)
			assert(!w->sent[i].must || w->sent[i].at + w->sent[i].len <= w->next);
		tcp_report(&run.tcp, slot, dir, &r);
		assert(r.stream_bytes == w->data);
		assert(r.gap_bytes == w->gap && r.cut_bytes == w->cut);
		assert(!tcp_held(&run.tcp, slot, dir));
	}
	tcp_end(&run.tcp, slot);
}

/* The base moved: before a byte is out, the twin's place moves with it. */
static void follow_base(uint32_t slot)
{
	for (uint32_t dir = 0; dir < 2; dir++) {
		struct twin *w = &run.twin[slot][dir];
		const struct tcp_dir *d = &run.tcp.conn[slot].dir[dir];

		if (d->next == w->seq)
			continue;
		assert(w->off == 0 && d->off == 0);
		w->next += seq_diff(d->next, w->seq);
		w->seq = d->next;
	}
}

static bool ignored(const struct tcp_segment *seg)
{
	return (seg->flags & TCP_SYN) && !(seg->flags & TCP_RST) &&
	       (run.tcp.anomalies & (anomaly_bit(ANOMALY_SYN_HELD) | anomaly_bit(ANOMALY_SYNACK)));
}

/* Far segments are not believed: what lies behind an unconfirmed one may be given up with it. */
static void excuse(struct twin *w, struct sent *s, bool far)
{
	if (far) {
		s->must = false;
		w->far = true;
		w->far_at = s->at;
		for (uint32_t i = 0; i < w->n; i++)
			if (w->sent[i].at + w->sent[i].len > s->at && s->at >= w->next)
				w->sent[i].must = false;
	} else if (w->far && s->at + s->len > w->far_at) {
		s->must = false;
	}
}

static void remember(uint32_t slot, struct pushed *p, uint64_t fars)
{
	const struct tcp_segment *seg = &p->seg;
	struct twin *w = &run.twin[slot][seg->dir];
	struct sent *s = &w->sent[w->n];
	int64_t base;

	follow_base(slot);
	base = w->next - (int64_t)w->off;
	p->at = w->next + seq_diff(p->seq, w->seq);
	if (seg->len == 0 || ignored(seg))
		return;
	assert(w->n < SENT_MAX);
	*s = (struct sent){.at = p->at,
			   .len = seg->len,
			   .cap = seg->cap,
			   .must = true,
			   .bytes = malloc(seg->cap + 1)};
	assert(s->bytes);
	if (seg->cap)
		memcpy(s->bytes, seg->at, seg->cap);
	excuse(w, s, run.tcp.totals.far > fars);
	w->n++;
	if (seg->len == 1 && p->at == w->next - 1 && !(seg->flags & (TCP_SYN | TCP_FIN))) {
		s->must = false; /* a keep-alive */
		p->again = 0;
		return;
	}
	if (p->at < base)
		s->must = false; /* before the start, which may still move */
	if (p->at < w->next) {
		int64_t from = p->at > base ? p->at : base;
		int64_t to = p->at + seg->cap < w->next ? p->at + seg->cap : w->next;

		p->again_skip = (uint32_t)(from - p->at);
		p->again = to > from ? (uint32_t)(to - from) : 0;
	}
}

static enum tcp_got push(uint32_t slot, struct pushed *p, uint64_t idle_ns)
{
	const struct tcp_dir *d = &run.tcp.conn[slot].dir[p->seg.dir];
	uint32_t first = p->seg.seq + (p->seg.flags & TCP_SYN && !(p->seg.flags & TCP_RST));
	bool after_fin = (d->state & DIR_FIN) && seq_before(d->fin, first);
	uint64_t fars = run.tcp.totals.far;
	enum tcp_got got = tcp_push(&run.tcp, slot, &p->seg, idle_ns);

	p->again = 0;
	if (got != TCP_MORE)
		return got;
	p->seq = first - after_fin; /* a FIN takes a number, but no place */
	remember(slot, p, fars);
	drain(slot, p);
	return got;
}

/* What shard.c does with the answers. */
static void segment(uint32_t slot, struct pushed *p)
{
	uint64_t idle = run.now_ns - run.last_ns[slot];
	const struct tcp_held_syn *held;
	struct tcp_held_syn copy;
	struct pushed syn;
	enum tcp_got got = push(slot, p, idle);

	run.last_ns[slot] = run.now_ns;
	if (got == TCP_MORE)
		return;
	if (got == TCP_CONFIRMED) {
		held = tcp_held_syn(&run.tcp, slot,
				    p->seg.flags & TCP_SYN ? !p->seg.dir : p->seg.dir);
		assert(held && held->copies);
		copy = *held;
		copy.seg.options = copy.options;
		syn = (struct pushed){.seg = copy.seg};
	}
	finish(slot);
	begin(slot);
	if (got == TCP_CONFIRMED) {
		assert(push(slot, &syn, 0) == TCP_MORE);
		assert(run.twin[slot][syn.seg.dir].seq == syn.seg.seq + 1);
	}
	assert(push(slot, p, 0) == TCP_MORE);
}

/* ---- from input to segments ---- */

static const uint8_t flag_table[16] = {
	TCP_ACK, TCP_ACK,           TCP_ACK | TCP_PSH, TCP_ACK,           TCP_ACK,
	TCP_SYN, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST,           TCP_RST | TCP_ACK,
	0,       TCP_FIN,           TCP_SYN | TCP_FIN, TCP_SYN | TCP_RST, TCP_ACK,
	TCP_PSH,
};

static const uint32_t lengths[8] = {0, 1, 10, 100, 536, 1460, 4100, 20000};

/* Where the segment starts; those at or ahead of the sender's place may move it. */
static uint32_t choose_seq(struct sender *s, uint32_t mode, uint32_t arg, uint32_t len)
{
	uint32_t seq = s->next;

	switch (mode) {
	case 0:
		s->next += len;
		return seq;
	case 1:
		return seq + arg;
	case 2:
		return seq - arg * 16;
	case 3:
		return seq - arg;
	case 4: /* one or more were lost */
		s->next += arg * 64 + len;
		return seq + arg * 64;
	case 5:
		return seq - 1;
	case 6:
		return seq + (2U << 20) + arg * 4000;
	default:
		return seq + (arg << 24);
	}
}

static const uint8_t *choose_options(struct tcp_segment *seg, uint8_t *room, uint32_t pick)
{
	static const uint8_t scale[] = {2, 4, 5, 0xb4, 1, 3, 3, 7};

	if (!(seg->flags & TCP_SYN) || pick == 0)
		return room;
	seg->options_len = pick == 1 ? sizeof(scale) : (uint8_t)(4 * pick);
	for (uint32_t i = 0; i < seg->options_len; i++)
		room[i] = pick == 1 ? scale[i] : take();
	return room;
}

/* Bytes follow from their sequence number, but for a few where `twist` is set. */
static uint8_t content(uint32_t seq, uint32_t twist)
{
	uint8_t c = (uint8_t)(seq * 2654435761U >> 24);

	return twist && (seq * 7 + twist) % 13 == 0 ? (uint8_t)(c ^ twist) : c;
}

static uint32_t choose_ack(uint32_t slot, uint8_t dir, uint32_t mode, uint32_t arg)
{
	uint32_t next = run.sender[slot][!dir].next;

	return mode == 0 ? next : mode == 1 ? next - arg : mode == 2 ? next + arg * 256 : next + 1;
}

static void operation(void)
{
	static const uint16_t windows[4] = {65535, 1000, 0, 8192};
	static const uint64_t waits[4] = {0, S / 1000, 2 * S, 100 * S};
	uint8_t a = take(), b = take(), c = take(), arg = take(), d = take();
	uint32_t slot = a >> 1 & 1, len = lengths[a >> 5], mode = a >> 2 & 7, twist = b >> 4;
	uint8_t dir = a & 1, options[256], *bytes;
	struct sender *s = &run.sender[slot][dir];
	struct pushed p = {
		.seg = {.dir = dir, .flags = flag_table[b & 15], .number = ++run.number}};
	struct tcp_segment *seg = &p.seg;

	run.now_ns += waits[d & 3];
	if (len == 20000)
		len = 1U + arg;
	if (seg->flags & TCP_SYN) {
		if (mode & 1)
			s->isn += 1000003U * (arg + 1U);
		seg->seq = s->isn;
		s->next = s->isn + 1;
		if (mode & 4)
			len = 0;
	} else {
		seg->seq = choose_seq(s, mode, arg, len);
	}
	if ((seg->flags & TCP_RST) && run.twin[slot][dir].seq == 0)
		len = 0; /* whether there is a stream yet is not seen from here */
	seg->len = seg->cap = len;
	if ((d >> 2 & 7) == 7)
		seg->cap = len * (c & 7) / 8;
	seg->window = windows[d >> 5 & 3];
	seg->ack = choose_ack(slot, dir, c >> 3 & 3, arg);
	seg->ts_ns = seg->clock_ns = run.now_ns;
	seg->frame_bytes = len + 54;
	seg->options = choose_options(seg, options, c >> 5);
	bytes = malloc(seg->cap ? seg->cap : 1); /* exactly: a read beyond it is seen */
	assert(bytes);
	for (uint32_t i = 0; i < seg->cap; i++)
		bytes[i] = content(seg->seq + i, twist);
	seg->at = bytes;
	segment(slot, &p);
	free(bytes);
}

static void configure(void)
{
	static const uint32_t bases[4] = {1000, 0xfffffff0, 0xffff0000, 0x7fffff00};
	uint8_t a = take(), b = take();
	uint32_t small = a >> 3 & 3;

	run.conf = (struct tcp_conf){
		.policy = (enum overlap_policy)((a & 7) % 5),
		.max_pieces = small == 1 ? 12 : 20000,
		.max_flow_bytes = small == 2 ? 20 * 2048 : 64U << 20,
		.max_segments = small == 3 ? 8 : 8000,
		.hole_ns = 5 * S,
		.reuse_idle_ns = 60 * S,
	};
	for (uint32_t i = 0; i < SLOTS * 2; i++)
		run.sender[i / 2][i & 1] =
			(struct sender){bases[b >> (2 * i) & 3], bases[b >> (2 * i) & 3] + 1};
	run.now_ns = run.last_ns[0] = run.last_ns[1] = 1000 * S;
	run.number = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run.in = data;
	run.end = data + size;
	configure();
	if (tcp_open(&run.tcp, &run.conf, SLOTS) < 0)
		abort();
	for (uint32_t i = 0; i < SLOTS; i++)
		begin(i);
	for (int i = 0; i < OPS_MAX && run.in < run.end; i++)
		operation();
	for (uint32_t i = 0; i < SLOTS; i++) {
		finish(i);
		begin(i); /* frees what the twin holds */
	}
	assert(run.tcp.pool.used == 0);
	tcp_close(&run.tcp);
	return 0;
}
