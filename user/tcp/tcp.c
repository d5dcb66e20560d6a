/* SPDX-License-Identifier: MIT */
/* tcp — both directions of a connection: start, end, reset, and whose word to take for it. */
#include "user/tcp/tcp.h"

#include <string.h>

#include "user/tcp/conn.h"

int tcp_open(struct tcp *t, const struct tcp_conf *conf, uint32_t slots)
{
	int err;

	*t = (struct tcp){.conf = *conf};
	err = slots_open(&t->conns, sizeof(struct tcp_conn), slots);
	if (err == 0)
		err = slots_open(&t->rares, sizeof(struct tcp_rare), slots);
	if (err == 0)
		err = pieces_pool_open(&t->pool, conf->max_pieces);
	if (err < 0) {
		tcp_close(t);
		return err;
	}
	t->conn = (struct tcp_conn *)t->conns.base;
	t->rare = (struct tcp_rare *)t->rares.base;
	return 0;
}

void tcp_close(struct tcp *t)
{
	slots_close(&t->conns);
	slots_close(&t->rares);
	pieces_pool_close(&t->pool);
}

void tcp_start(struct tcp *t, uint32_t slot)
{
	struct tcp_conn *c;

	slots_reach(&t->conns, slot);
	c = &t->conn[slot];
	memset(c, 0, sizeof(*c));
}

void tcp_end(struct tcp *t, uint32_t slot)
{
	for (uint8_t dir = 0; dir < 2; dir++)
		if (t->conn[slot].dir[dir].state & DIR_HELD)
			pieces_clear(&t->pool, &t->rare[slot].held[dir]);
}

struct tcp_rare *tcp_rare_of(struct tcp *t, uint32_t slot)
{
	struct tcp_rare *r = &t->rare[slot];

	if (!(t->conn[slot].dir[0].conn & CONN_RARE)) {
		memset(r, 0, sizeof(*r));
		pieces_init(&r->held[0]);
		pieces_init(&r->held[1]);
		t->conn[slot].dir[0].conn |= CONN_RARE;
	}
	return r;
}

const struct pieces *tcp_held(const struct tcp *t, uint32_t slot, uint8_t dir)
{
	return t->conn[slot].dir[dir].state & DIR_HELD ? &t->rare[slot].held[dir] : NULL;
}

const struct tcp_held_syn *tcp_held_syn(const struct tcp *t, uint32_t slot, uint8_t dir)
{
	if (!(t->conn[slot].dir[0].conn & CONN_RARE) || t->rare[slot].syn[dir].copies == 0)
		return NULL;
	return &t->rare[slot].syn[dir];
}

struct tcp_held_syn *tcp_syn_room(struct tcp *t, uint32_t slot, uint8_t dir)
{
	return &tcp_rare_of(t, slot)->syn[dir];
}

void tcp_conflict(struct tcp *t, uint32_t slot, uint8_t dir, uint32_t n)
{
	tcp_rare_of(t, slot)->count[dir].conflict_bytes += n;
	t->totals.conflict_bytes += n;
	t->anomalies |= anomaly_bit(ANOMALY_OVERLAP_CONFLICT);
}

/* ---- SYN ---- */

static void set_base(struct tcp_dir *d, uint32_t next, bool soft)
{
	d->next = next;
	d->off = 0;
	d->state |= DIR_BASE;
	if (soft)
		d->state |= DIR_SOFT;
	else
		d->state &= (uint16_t)~DIR_SOFT;
}

/* RFC 7323 §2.2: the window scale option. */
static void read_options(struct tcp_dir *d, const struct tcp_segment *seg)
{
	const uint8_t *p = seg->options, *end = p + seg->options_len;

	while (p < end && *p) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return;
		if (p[0] == 3 && p[1] == 3) {
			d->scale = p[2] < 14 ? p[2] : 14;
			d->state |= DIR_SCALE;
		}
		p += p[1];
	}
}

static bool is_over(const struct tcp *t, const struct tcp_conn *c, uint64_t idle_ns)
{
	return (c->dir[0].conn & CONN_RESET) || idle_ns > t->conf.reuse_idle_ns ||
	       (c->dir[0].state & c->dir[1].state & DIR_FIN);
}

/* A SYN that does not fit the living connection waits for confirmation. */
static void hold_syn(struct tcp *t, uint32_t slot, const struct tcp_segment *seg)
{
	struct tcp_held_syn *held = tcp_syn_room(t, slot, seg->dir);

	t->anomalies |= anomaly_bit(ANOMALY_SYN_HELD);
	t->totals.syn_held++;
	if (held->copies == 0 || held->seg.seq != seg->seq) {
		*held = (struct tcp_held_syn){.seg = *seg};
		if (seg->options_len && seg->options_len <= sizeof(held->options))
			memcpy(held->options, seg->options, seg->options_len);
		else
			held->seg.options_len = 0;
		held->seg.options = held->options;
		held->seg.len = held->seg.cap = 0; /* its data, if any, comes again */
	}
	held->copies++;
	held->bytes += seg->frame_bytes;
}

enum syn_got { SYN_TAKEN, SYN_IGNORED, SYN_NEW, SYN_CONFIRMED };

static enum syn_got on_syn(struct tcp *t, uint32_t slot, const struct tcp_segment *seg,
			   uint64_t idle_ns)
{
	struct tcp_conn *c = &t->conn[slot];
	struct tcp_dir *d = &c->dir[seg->dir];
	uint32_t start = seg->seq + 1;
	bool known = d->state & DIR_BASE;

	t->totals.syn++;
	if (known && dir_start(d) == start) { /* again, or late */
		d->state = (uint16_t)((d->state | DIR_SYN) & ~DIR_SOFT);
		if (!(c->dir[0].conn & CONN_HANDSHAKE))
			c->handshake_ns = seg->ts_ns;
		return SYN_TAKEN;
	}
	if (known && (d->state & DIR_SOFT) && d->off == 0 && seq_diff(d->next, start) < 1 << 20 &&
	    seq_diff(d->next, start) >= 0)
		known = false;
	if (known && is_over(t, c, idle_ns))
		return SYN_NEW;
	if (known) {
		hold_syn(t, slot, seg);
		return SYN_IGNORED;
	}
	if ((c->dir[!seg->dir].state & DIR_BASE) && is_over(t, c, idle_ns))
		return SYN_NEW;
	set_base(d, start, false);
	d->state |= DIR_SYN;
	read_options(d, seg);
	if (!(c->dir[0].conn & (CONN_HANDSHAKE | CONN_SYN_TIME))) {
		c->dir[0].conn |= CONN_SYN_TIME;
		c->handshake_ns = seg->ts_ns;
	}
	return SYN_TAKEN;
}

static enum syn_got on_synack(struct tcp *t, uint32_t slot, const struct tcp_segment *seg,
			      uint64_t idle_ns)
{
	struct tcp_conn *c = &t->conn[slot];
	struct tcp_dir *d = &c->dir[seg->dir], *peer = &c->dir[!seg->dir];
	const struct tcp_held_syn *held = tcp_held_syn(t, slot, !seg->dir);
	uint32_t start = seg->seq + 1;
	bool known = d->state & DIR_BASE;

	t->totals.synack++;
	if (held && seg->ack == held->seg.seq + 1)
		return SYN_CONFIRMED;
	if (known && dir_start(d) == start) {
		d->state = (uint16_t)((d->state | DIR_SYN) & ~DIR_SOFT);
		return SYN_TAKEN;
	}
	if (known && is_over(t, c, idle_ns))
		return SYN_NEW;
	if (known && (d->off || (d->state & DIR_HELD) || (c->dir[0].conn & CONN_HANDSHAKE))) {
		t->anomalies |= anomaly_bit(ANOMALY_SYNACK);
		return SYN_IGNORED;
	}
	if (!(peer->state & DIR_BASE)) {
		set_base(peer, seg->ack, false);
	} else if (seq_before(seg->ack, dir_start(peer)) || seq_before(peer->next, seg->ack)) {
		t->anomalies |= anomaly_bit(ANOMALY_SYNACK);
		return SYN_IGNORED;
	}
	set_base(d, start, false);
	d->state |= DIR_SYN;
	read_options(d, seg);
	c->dir[0].conn |= CONN_SYNACK;
	c->dir[0].conn =
		(uint16_t)((c->dir[0].conn & ~CONN_SYNACK_HI) | (seg->dir ? CONN_SYNACK_HI : 0));
	return SYN_TAKEN;
}

/* ---- ACK, window, FIN, RST ---- */

static void on_ack(struct tcp_conn *c, const struct tcp_segment *seg)
{
	struct tcp_dir *d = &c->dir[seg->dir], *peer = &c->dir[!seg->dir];

	if (!(peer->state & DIR_BASE)) {
		/* The SYN-ACK was not captured: the first ACK after our SYN says what it was. */
		if ((d->state & DIR_SYN) && d->off == 0 && !(seg->flags & TCP_RST))
			set_base(peer, seg->ack, true);
		return;
	}
	if (!(peer->state & DIR_ACKED) || seq_before(peer->acked, seg->ack)) {
		if (seq_diff(seg->ack, peer->next) < 1 << 30) {
			peer->acked = seg->ack;
			peer->state |= DIR_ACKED;
		}
	}
	if ((peer->state & DIR_FIN) && seq_before(peer->fin, seg->ack))
		peer->state |= DIR_FIN_ACKED;
	if ((c->dir[0].conn & (CONN_SYNACK | CONN_SYN_TIME | CONN_HANDSHAKE)) ==
		    (CONN_SYNACK | CONN_SYN_TIME) &&
	    seg->dir != !!(c->dir[0].conn & CONN_SYNACK_HI) &&
	    !(seg->flags & (TCP_SYN | TCP_RST)) && !seq_before(seg->ack, dir_start(peer))) {
		c->dir[0].conn |= CONN_HANDSHAKE;
		c->handshake_ns = seg->ts_ns > c->handshake_ns ? seg->ts_ns - c->handshake_ns : 0;
	}
}

static void on_window(struct tcp *t, uint32_t slot, const struct tcp_segment *seg)
{
	struct tcp_conn *c = &t->conn[slot];
	struct tcp_dir *d = &c->dir[seg->dir];

	d->window = seg->window;
	if (seg->window == 0 && !(d->state & DIR_ZERO_WINDOW) && !(seg->flags & TCP_RST)) {
		d->state |= DIR_ZERO_WINDOW;
		tcp_rare_of(t, slot)->count[seg->dir].zero_windows++;
	} else if (seg->window) {
		d->state &= (uint16_t)~DIR_ZERO_WINDOW;
	}
}

static void on_fin(struct tcp *t, uint32_t slot, const struct tcp_segment *seg, uint32_t end)
{
	struct tcp_conn *c = &t->conn[slot];
	struct tcp_dir *d = &c->dir[seg->dir];

	t->totals.fin++;
	if ((d->state & DIR_FIN) && d->fin == end)
		return;
	if ((d->state & DIR_FIN) || seq_before(end, d->next) || !conn_in_window(c, seg->dir, end)) {
		t->anomalies |= anomaly_bit(ANOMALY_FIN_CONFLICT);
		return;
	}
	d->state |= DIR_FIN;
	d->fin = end;
	if (d->next == end)
		d->state |= DIR_ENDED;
	if (!(c->dir[0].conn & CONN_FIN)) {
		c->dir[0].conn |= CONN_FIN;
		c->dir[0].conn =
			(uint16_t)((c->dir[0].conn & ~CONN_FIN_HI) | (seg->dir ? CONN_FIN_HI : 0));
	}
}

/* A reset carries the sender's next sequence number, or what its peer acknowledged. */
static void on_rst(struct tcp *t, uint32_t slot, const struct tcp_segment *seg)
{
	struct tcp_conn *c = &t->conn[slot];
	struct tcp_dir *d = &c->dir[seg->dir], *peer = &c->dir[!seg->dir];
	bool good;

	t->totals.rst++;
	if (d->state & DIR_BASE) {
		uint32_t low = d->state & DIR_ACKED ? seq_min(d->acked, d->next) : d->next - 65535;

		good = !seq_before(seg->seq, low) && conn_in_window(c, seg->dir, seg->seq);
	} else {
		/* An answer to our SYN: it must acknowledge it (RFC 9293 §3.5.2). */
		good = !(peer->state & DIR_BASE) || !(seg->flags & TCP_ACK) ||
		       (!seq_before(seg->ack, dir_start(peer)) &&
			!seq_before(peer->next, seg->ack));
	}
	if (good)
		c->dir[0].conn |= CONN_RESET;
	else
		t->anomalies |= anomaly_bit(ANOMALY_RST_WINDOW);
}

/* One-sided capture: data that continues a held SYN and not the old connection. */
static bool continues_held(struct tcp *t, uint32_t slot, const struct tcp_segment *seg)
{
	const struct tcp_dir *d = &t->conn[slot].dir[seg->dir];
	const struct tcp_held_syn *held = tcp_held_syn(t, slot, seg->dir);
	int32_t diff;

	if (!held || seg->len == 0 || (seg->flags & TCP_SYN))
		return false;
	diff = seq_diff(seg->seq, d->next);
	if (seg->seq == held->seg.seq + 1 && (diff < -65535 || diff > 65535))
		return true;
	if (diff == 0) /* the old one goes on: the SYN was forged, or lost its race */
		tcp_syn_room(t, slot, seg->dir)->copies = 0;
	return false;
}

enum tcp_got tcp_push(struct tcp *t, uint32_t slot, const struct tcp_segment *seg, uint64_t idle_ns)
{
	struct tcp_conn *c = &t->conn[slot];
	struct tcp_dir *d = &c->dir[seg->dir];
	uint32_t seq = seg->seq;

	t->anomalies = 0;
	t->out.slot = slot;
	t->out.dir = seg->dir;
	t->out.clock_ns = seg->clock_ns;
	t->out.again.len = 0;
	t->out.direct = t->out.store = t->out.pop = t->out.skip = false;
	t->out.flush = t->out.both = false;
	if (seg->flags & TCP_SYN && !(seg->flags & TCP_RST)) {
		enum syn_got got = seg->flags & TCP_ACK ? on_synack(t, slot, seg, idle_ns)
							: on_syn(t, slot, seg, idle_ns);

		if (got == SYN_NEW)
			return TCP_NEW;
		if (got == SYN_CONFIRMED) {
			t->totals.syn_confirmed++;
			return TCP_CONFIRMED;
		}
		d->flags |= seg->flags;
		if (got == SYN_IGNORED)
			return TCP_MORE;
		seq++;
	} else if ((c->dir[0].conn & CONN_RARE) && continues_held(t, slot, seg)) {
		t->totals.syn_confirmed++;
		return TCP_CONFIRMED;
	}
	d->flags |= seg->flags;
	if (!(d->state & DIR_BASE) && !(seg->flags & TCP_RST)) {
		set_base(d, seq, true);
		if (!(c->dir[0].conn & CONN_MIDSTREAM) && !(c->dir[!seg->dir].state & DIR_SYN)) {
			c->dir[0].conn |= CONN_MIDSTREAM;
			t->totals.midstream++;
		}
	}
	if (seg->flags & TCP_ACK)
		on_ack(c, seg);
	on_window(t, slot, seg);
	if (!(d->state & DIR_BASE)) { /* a reset before anything else: its data is no stream */
		on_rst(t, slot, seg);
		return TCP_MORE;
	}
	reasm_segment(t, c, seg, seq);
	if (seg->flags & TCP_FIN)
		on_fin(t, slot, seg, seq + seg->len);
	if (seg->flags & TCP_RST)
		on_rst(t, slot, seg);
	return TCP_MORE;
}

/* ---- questions ---- */

void tcp_report(const struct tcp *t, uint32_t slot, uint8_t dir, struct tcp_report *r)
{
	const struct tcp_conn *c = &t->conn[slot];

	*r = (struct tcp_report){0};
	if (c->dir[0].conn & CONN_RARE)
		*r = t->rare[slot].count[dir];
	r->stream_bytes = c->dir[dir].off - r->gap_bytes - r->cut_bytes;
	r->flags = c->dir[dir].flags;
}

enum tcp_state tcp_state(const struct tcp *t, uint32_t slot, uint8_t client_dir)
{
	const struct tcp_conn *c = &t->conn[slot];
	const struct tcp_dir *client = &c->dir[client_dir], *server = &c->dir[!client_dir];
	bool client_first =
		(c->dir[0].conn & CONN_FIN) && !!(c->dir[0].conn & CONN_FIN_HI) == client_dir;

	if (c->dir[0].conn & CONN_RESET)
		return TCP_CLOSED;
	if (client->state & server->state & DIR_FIN) {
		bool client_acked = client->state & DIR_FIN_ACKED;
		bool server_acked = server->state & DIR_FIN_ACKED;

		if (client_acked && server_acked)
			return TCP_CLOSED;
		if (client_first)
			return client_acked ? TCP_TIME_WAIT : TCP_CLOSING;
		return TCP_LAST_ACK;
	}
	if (client->state & DIR_FIN)
		return client->state & DIR_FIN_ACKED ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1;
	if (server->state & DIR_FIN)
		return TCP_CLOSE_WAIT;
	if (tcp_is_open(t, slot))
		return TCP_ESTABLISHED;
	if (c->dir[0].conn & CONN_SYNACK)
		return TCP_SYN_RECV;
	if ((client->state | server->state) & DIR_SYN)
		return TCP_SYN_SENT;
	return TCP_NONE;
}

enum tcp_phase tcp_phase(const struct tcp *t, uint32_t slot)
{
	const struct tcp_conn *c = &t->conn[slot];

	if ((c->dir[0].conn & CONN_RESET) || (c->dir[0].state & c->dir[1].state & DIR_FIN))
		return TCP_PHASE_CLOSED;
	if (c->dir[0].conn & CONN_FIN)
		return TCP_PHASE_CLOSING;
	return c->dir[0].conn & (CONN_HANDSHAKE | CONN_DATA | CONN_MIDSTREAM) ? TCP_PHASE_OPEN
									      : TCP_PHASE_OPENING;
}

bool tcp_is_reset(const struct tcp *t, uint32_t slot)
{
	return t->conn[slot].dir[0].conn & CONN_RESET;
}

bool tcp_is_closed(const struct tcp *t, uint32_t slot)
{
	const struct tcp_conn *c = &t->conn[slot];

	return (c->dir[0].conn & CONN_RESET) || (c->dir[0].state & c->dir[1].state & DIR_FIN);
}

bool tcp_is_closing(const struct tcp *t, uint32_t slot)
{
	return t->conn[slot].dir[0].conn & CONN_FIN;
}

uint8_t tcp_ended(const struct tcp *t, uint32_t slot)
{
	const struct tcp_dir *d = t->conn[slot].dir;

	return (uint8_t)((d[0].state & DIR_ENDED) / DIR_ENDED | (d[1].state & DIR_ENDED) / DIR_ENDED
									<< 1);
}

bool tcp_is_open(const struct tcp *t, uint32_t slot)
{
	return t->conn[slot].dir[0].conn & (CONN_HANDSHAKE | CONN_DATA | CONN_MIDSTREAM);
}

bool tcp_is_midstream(const struct tcp *t, uint32_t slot)
{
	return t->conn[slot].dir[0].conn & CONN_MIDSTREAM;
}

uint64_t tcp_handshake_rtt_ns(const struct tcp *t, uint32_t slot)
{
	const struct tcp_conn *c = &t->conn[slot];

	return c->dir[0].conn & CONN_HANDSHAKE ? c->handshake_ns : 0;
}
