/* SPDX-License-Identifier: MIT */
/*
 * reasm — one direction's payload in order: what is new, what was there before, what must wait.
 */
#include "user/tcp/conn.h"

#include <string.h>

static void advance(struct tcp_dir *d, uint64_t n)
{
	d->next += (uint32_t)n;
	d->off += n;
	d->state &= (uint16_t)~DIR_SOFT;
	if ((d->state & DIR_FIN) && !seq_before(d->next, d->fin))
		d->state |= DIR_ENDED;
}

/* Bytes at the segment's start that were delivered already. */
static uint32_t trim_known(struct tcp *t, struct tcp_conn *c, struct segment *seg)
{
	struct tcp_dir *d = &c->dir[t->out.dir];
	uint32_t total = seg->len + seg->cut, known = d->next - seg->seq, before = 0;
	struct tcp_report *count = &tcp_rare_of(t, t->out.slot)->count[t->out.dir];

	if (known > total)
		known = total;
	if (d->next - seg->seq > d->off) { /* reaches before the first byte */
		before = d->next - seg->seq - (uint32_t)d->off;
		if (before > known)
			before = known;
		t->anomalies |= anomaly_bit(ANOMALY_BEFORE_START);
	}
	if (known == total) {
		count->retransmitted_bytes += known;
		t->totals.retransmitted_bytes += known;
	} else {
		count->overlap_bytes += known;
		t->totals.overlap_bytes += known;
	}
	if (seg->len > before && known > before) {
		uint32_t captured = seg->len < known ? seg->len : known;

		t->out.again = (struct segment){.len = captured - before, .at = seg->at + before};
		t->out.again_off = d->off - (d->next - (seg->seq + before));
	}
	seg->at += known < seg->len ? known : seg->len;
	seg->place = place_after(seg->place, known);
	seg->seq += known;
	if (known < seg->len) {
		seg->len -= known;
	} else {
		seg->cut -= known - seg->len;
		seg->len = 0;
	}
	return known;
}

static void drop_far(struct tcp *t, struct tcp_dir *d, struct tcp_rare *rare)
{
	struct pieces *held = &rare->held[t->out.dir];

	pieces_drop_from(&t->pool, held, rare->far_seq[t->out.dir]);
	if (pieces_empty(held))
		d->state &= (uint16_t)~DIR_HELD;
}

/* A segment far ahead of the window: held, but believed only once another one continues it. */
static void far_segment(struct tcp *t, struct tcp_conn *c, const struct segment *seg)
{
	struct tcp_dir *d = &c->dir[t->out.dir];
	struct tcp_rare *rare = tcp_rare_of(t, t->out.slot);
	uint32_t *from = &rare->far_seq[t->out.dir], *next = &rare->far_next[t->out.dir];

	t->anomalies |= anomaly_bit(ANOMALY_FAR_SEQUENCE);
	t->totals.far++;
	if ((d->state & DIR_FAR) && seg->seq == *next) {
		d->state &= (uint16_t)~DIR_FAR;
		t->out.skip = true;
	} else {
		if (d->state & DIR_FAR)
			drop_far(t, d, rare);
		d->state |= DIR_FAR;
		*from = seg->seq;
	}
	*next = seg->seq + seg->len + seg->cut;
}

/* Before a byte was delivered, a guessed start may turn out to be too late or one too early. */
static void settle_base(struct tcp_dir *d, uint32_t seq)
{
	int32_t diff = seq_diff(seq, d->next);

	if (!(d->state & DIR_SOFT) || d->off || (d->state & DIR_HELD))
		return;
	if (diff == 1 || (diff < 0 && diff > -(1 << 20)))
		d->next = seq;
}

static struct piece *first_held(struct tcp *t)
{
	return pieces_first(&t->pool, &t->rare[t->out.slot].held[t->out.dir]);
}

/* The first held piece is of an unconfirmed far segment: no hole to give up for it. */
static bool first_is_far(struct tcp *t, const struct tcp_dir *d)
{
	return (d->state & DIR_FAR) &&
	       !seq_before(first_held(t)->seq, t->rare[t->out.slot].far_seq[t->out.dir]);
}

static bool hole_is_old(const struct tcp *t, uint64_t clock_ns)
{
	uint64_t since = t->rare[t->out.slot].hole_since[t->out.dir];

	return clock_ns > since && clock_ns - since > t->conf.hole_ns;
}

void reasm_segment(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *in, uint32_t seq)
{
	struct tcp_dir *d = &c->dir[in->dir], *peer = &c->dir[!in->dir];
	struct segment seg = {.seq = seq,
			      .len = in->cap,
			      .cut = in->len - in->cap,
			      .at = in->at,
			      .place = in->place};
	uint32_t end;

	if ((d->state & DIR_FIN) && seq_before(d->fin, seq)) /* the FIN has a number of its own */
		seg.seq = --seq;
	end = seq + in->len;
	settle_base(d, seq);
	if (in->len <= 1 && seq_diff(seq, d->next) == -1 && (d->off || !(d->state & DIR_SOFT)) &&
	    !(in->flags & (TCP_SYN | TCP_FIN))) {
		tcp_rare_of(t, t->out.slot)->count[in->dir].keepalives++; /* RFC 9293 §3.8.4 */
		return;
	}
	if (in->len == 0)
		return;
	c->dir[0].conn |= CONN_DATA;
	if ((d->state & DIR_ACKED) && peer->window && end == d->acked + conn_window(c, !in->dir))
		tcp_rare_of(t, t->out.slot)->count[in->dir].window_fulls++;
	if ((d->state & DIR_FIN) && seq_before(d->fin, end))
		t->anomalies |= anomaly_bit(ANOMALY_AFTER_FIN);
	if (seq_before(seq, d->next)) {
		trim_known(t, c, &seg);
		if (seg.len + seg.cut == 0)
			return;
	}
	t->out.seg = seg;
	if (seg.seq == d->next && (!(d->state & DIR_HELD) ||
				   !seq_before(first_held(t)->seq, seg.seq + seg.len + seg.cut))) {
		t->out.direct = true;
		return;
	}
	t->out.store = true;
	if (seq_before(d->next, seg.seq) && (d->state & DIR_HELD) && hole_is_old(t, in->clock_ns) &&
	    !first_is_far(t, d))
		t->out.skip = true;
	if (!conn_in_window(c, in->dir, seg.seq))
		far_segment(t, c, &seg);
}

static bool room(const struct tcp *t)
{
	uint32_t want = t->out.seg.len / PIECE_DATA + 2;
	const struct pieces *list = t->rare[t->out.slot].held;
	uint64_t held = (uint64_t)list[0].count + list[1].count + want;

	return want <= t->pool.cap - t->pool.used &&
	       list[t->out.dir].count + want <= t->conf.max_segments &&
	       held * sizeof(struct piece) <= t->conf.max_flow_bytes;
}

/* Puts the segment among the held pieces. */
static void store(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_dir *d = &c->dir[t->out.dir];
	const struct segment *seg = &t->out.seg;
	struct tcp_rare *rare = tcp_rare_of(t, t->out.slot);
	struct pieces *held = &rare->held[t->out.dir];
	struct tcp_report *count = &rare->count[t->out.dir];
	struct pieces_got got;

	t->out.store = false;
	if (pieces_empty(held))
		rare->hole_since[t->out.dir] = t->out.clock_ns;
	pieces_insert(&t->pool, held, seg, t->conf.policy, &got);
	if (!pieces_empty(held))
		d->state |= DIR_HELD;
	if (seq_before(d->next, seg->seq) && got.added) {
		count->out_of_order++;
		t->totals.out_of_order++;
	}
	if (got.full) {
		t->anomalies |= anomaly_bit(ANOMALY_BUFFER_LIMIT);
		t->totals.buffer_limits++;
	}
	if (got.known && got.added == 0) {
		count->retransmitted_bytes += got.known;
		t->totals.retransmitted_bytes += got.known;
	} else if (got.known) {
		count->overlap_bytes += got.known;
		t->totals.overlap_bytes += got.known;
	}
	if (!got.conflict)
		return;
	t->evidence.off = d->off + (got.loser_seq - d->next);
	t->evidence.dir = t->out.dir;
	t->evidence.len = got.loser_len;
	t->evidence.loser_is_new = got.loser_is_new;
	for (uint32_t i = 0; i < got.loser_len; i++)
		t->evidence.bytes[i] = got.loser[i];
	tcp_conflict(t, t->out.slot, t->out.dir, got.conflict);
}

static bool give(struct chunk *chunk, struct tcp *t, enum chunk_kind kind, const uint8_t *at,
		 uint64_t len)
{
	struct tcp_dir *d = &t->conn[t->out.slot].dir[t->out.dir];

	*chunk = (struct chunk){
		.kind = kind, .dir = t->out.dir, .off = d->off, .len = len, .at = at};
	if (kind == CHUNK_CUT) {
		tcp_rare_of(t, t->out.slot)->count[t->out.dir].cut_bytes += len;
		t->totals.cut_bytes += len;
	}
	advance(d, len);
	if ((d->state & DIR_FAR) && !seq_before(d->next, t->rare[t->out.slot].far_seq[t->out.dir]))
		d->state &= (uint16_t)~DIR_FAR; /* the stream has come there */
	return true;
}

static bool give_gap(struct chunk *chunk, struct tcp *t, uint32_t len)
{
	struct tcp_report *count = &tcp_rare_of(t, t->out.slot)->count[t->out.dir];

	count->gap_count++;
	count->gap_bytes += len;
	t->totals.gaps++;
	t->totals.gap_bytes += len;
	t->anomalies |= anomaly_bit(ANOMALY_GAP);
	return give(chunk, t, CHUNK_GAP, NULL, len);
}

static bool give_cut(struct chunk *chunk, struct tcp *t)
{
	uint64_t n = t->out.cut;

	t->out.cut = 0;
	return give(chunk, t, CHUNK_CUT, NULL, n);
}

/* The segment continues the stream: straight from the packet. */
static bool give_direct(struct chunk *chunk, struct tcp *t)
{
	struct segment *seg = &t->out.seg;
	uint32_t len = seg->len;

	if (len == 0) {
		t->out.direct = false;
		return seg->cut ? give(chunk, t, CHUNK_CUT, NULL, seg->cut) : false;
	}
	seg->len = 0;
	t->out.direct = seg->cut > 0;
	give(chunk, t, CHUNK_DATA, seg->at, len);
	chunk->place = seg->place;
	return true;
}

/* There is no room to hold the segment, but its first bytes are due. */
static bool give_part(struct chunk *chunk, struct tcp *t, const struct piece *p)
{
	struct segment *seg = &t->out.seg;
	uint32_t len = seq_min(seg->seq + seg->len, p->seq) - seg->seq;

	if (len == 0)
		return false;
	give(chunk, t, CHUNK_DATA, seg->at, len);
	chunk->place = seg->place;
	seg->at += len;
	seg->place = place_after(seg->place, len);
	seg->seq += len;
	seg->len -= len;
	return true;
}

/* The first held piece begins at or before `next`. */
static bool give_piece(struct chunk *chunk, struct tcp *t, struct tcp_dir *d, struct piece *p)
{
	uint32_t old = d->next - p->seq, len = p->len;

	p->seq += len;
	p->len = 0;
	t->out.pop = p->cut == 0;
	if (old < len) {
		give(chunk, t, CHUNK_DATA, p->data + old, len - old);
		chunk->place = place_after(p->place, old);
		return true;
	}
	old -= len;
	t->out.pop = true;
	return old < p->cut ? give(chunk, t, CHUNK_CUT, NULL, p->cut - old) : false;
}

static void pop_held(struct tcp *t, struct tcp_dir *d)
{
	struct pieces *held = &t->rare[t->out.slot].held[t->out.dir];

	pieces_pop(&t->pool, held);
	if (pieces_empty(held))
		d->state &= (uint16_t)~DIR_HELD;
}

bool tcp_next(struct tcp *t, struct chunk *chunk)
{
	struct tcp_conn *c = &t->conn[t->out.slot];
	struct tcp_dir *d = &c->dir[t->out.dir];

	if (t->out.again.len) {
		*chunk = (struct chunk){.kind = CHUNK_AGAIN,
					.dir = t->out.dir,
					.off = t->out.again_off,
					.len = t->out.again.len,
					.at = t->out.again.at};
		t->out.again.len = 0;
		return true;
	}
	if ((t->out.cut && give_cut(chunk, t)) || (t->out.direct && give_direct(chunk, t)))
		return true;
	for (;;) {
		struct piece *p = NULL;

		if (t->out.pop)
			pop_held(t, d);
		t->out.pop = false;
		if (d->state & DIR_HELD)
			p = first_held(t);
		if (p && !seq_before(d->next, p->seq)) {
			if (give_piece(chunk, t, d, p))
				return true;
			continue;
		}
		if (p && first_is_far(t, d) && (t->out.flush || (t->out.store && !room(t)))) {
			pieces_clear(&t->pool, &t->rare[t->out.slot].held[t->out.dir]);
			d->state &= (uint16_t) ~(DIR_FAR | DIR_HELD); /* never confirmed */
			continue;
		}
		if (t->out.store && seq_before(t->out.seg.seq, d->next)) {
			trim_known(t, c, &t->out.seg);
			t->out.again.len = 0;
			if (t->out.seg.len + t->out.seg.cut == 0) {
				t->out.store = false;
				continue;
			}
		}
		if (t->out.store && p && t->out.seg.seq == d->next && !room(t) &&
		    give_part(chunk, t, p))
			return true;
		if (p && (t->out.store ? !room(t) : t->out.flush || t->out.skip)) {
			uint32_t to = p->seq;

			if (t->out.store) {
				to = seq_min(to, t->out.seg.seq);
				t->anomalies |= anomaly_bit(ANOMALY_BUFFER_LIMIT);
				t->totals.buffer_limits++;
			}
			t->out.skip = false;
			t->rare[t->out.slot].hole_since[t->out.dir] = t->out.clock_ns;
			if (to == d->next)
				return false; /* no chunk left at all: the segment is lost */
			return give_gap(chunk, t, to - d->next);
		}
		if (t->out.store) {
			/* What was skipped meanwhile may have passed parts of it. */
			if (seq_before(t->out.seg.seq, d->next))
				trim_known(t, c, &t->out.seg);
			t->out.again.len = 0;
			t->out.store = false;
			if (t->out.seg.len + t->out.seg.cut)
				store(t, c);
			continue;
		}
		if (t->out.flush && (d->state & (DIR_FIN | DIR_BASE)) == (DIR_FIN | DIR_BASE) &&
		    seq_before(d->next, d->fin))
			return give_gap(chunk, t, d->fin - d->next);
		if (!t->out.both)
			return false;
		t->out.both = false;
		t->out.dir = 1;
		d = &c->dir[1];
	}
}

void tcp_skip(struct tcp *t, uint32_t slot, uint8_t dir, uint64_t n)
{
	t->anomalies = 0;
	memset(&t->out, 0, sizeof(t->out));
	t->out.slot = slot;
	t->out.dir = dir;
	t->out.cut = n;
}

void tcp_flush(struct tcp *t, uint32_t slot)
{
	t->anomalies = 0;
	memset(&t->out, 0, sizeof(t->out));
	t->out.slot = slot;
	t->out.flush = t->out.both = true;
}
