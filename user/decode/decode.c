/* SPDX-License-Identifier: MIT */
/* decode — the walk through a frame's layers, and what becomes of it.  See decode.h. */
#include "user/decode/csum.h"
#include "user/decode/walk.h"

#include <string.h>

int packets_open(struct packets *p, uint32_t cap)
{
	int err;

	*p = (struct packets){0};
	err = slots_open(&p->rows, sizeof(struct packet), cap);
	if (err == 0)
		err = slots_open(&p->extras, sizeof(struct packet_extra), cap + 1);
	p->row = (struct packet *)p->rows.base;
	p->extra = (struct packet_extra *)p->extras.base;
	return err;
}

void packets_close(struct packets *p)
{
	slots_close(&p->rows);
	slots_close(&p->extras);
}

int decoder_open(struct decoder *d, const struct decode_conf *conf)
{
	int err;

	*d = (struct decoder){.conf = conf};
	err = slots_open(&d->mem, sizeof(struct fragment_note), BLOCK_FRAMES + 1);
	d->note = (struct fragment_note *)d->mem.base;
	return err;
}

void decoder_close(struct decoder *d)
{
	slots_close(&d->mem);
}

void decode_begin(struct decoder *d, struct packets *p)
{
	d->notes = 0;
	p->n_extra = 1;
	slots_reach(&p->extras, 0);
}

static enum layer (*const layers[LAYER_COUNT])(struct walk *) = {
	[LAYER_ETHERNET] = layer_ethernet,
	[LAYER_ETHERTYPE] = layer_ethertype,
	[LAYER_LLC] = layer_llc,
	[LAYER_IP] = layer_ip,
	[LAYER_IPV4] = layer_ipv4,
	[LAYER_IPV6] = layer_ipv6,
	[LAYER_PPP] = layer_ppp,
	[LAYER_MPLS] = layer_mpls,
	[LAYER_GRE] = layer_gre,
	[LAYER_UDP_TUNNEL] = layer_udp_tunnel,
	[LAYER_L4] = layer_l4,
};

/* Canonical order of the endpoints, and the hash of the 5-tuple. */
static void set_hash(struct walk *w)
{
	struct packet *p = w->p;
	const uint8_t *ip = w->buf + p->l3;
	struct rm_tuple t = {.proto = p->proto};
	uint32_t src_port = 0, dst_port = 0;
	int order;

	if (p->proto == 6 || p->proto == 17 || p->proto == 132) {
		src_port = load_be16(ip + p->l4);
		dst_port = load_be16(ip + p->l4 + 2);
	}
	if (p->flags & PACKET_IPV6) {
		order = memcmp(ip + 8, ip + 24, 16);
		memcpy(t.lo, ip + 8, 16);
		memcpy(t.hi, ip + 24, 16);
	} else {
		uint32_t src = load_be32(ip + 12), dst = load_be32(ip + 16);

		order = src < dst ? -1 : src > dst;
		memcpy(&t.lo[3], ip + 12, 4);
		memcpy(&t.hi[3], ip + 16, 4);
	}
	if (order > 0 || (order == 0 && src_port > dst_port)) {
		struct rm_tuple r = t;

		memcpy(t.lo, r.hi, sizeof(t.lo));
		memcpy(t.hi, r.lo, sizeof(t.hi));
		t.ports = dst_port << 16 | src_port;
		p->flags |= PACKET_FROM_HI;
	} else {
		t.ports = src_port << 16 | dst_port;
	}
	p->hash = rm_flow_hash(&w->d->conf->key, &t);
}

/* What stands at the end of the walk. */
static void conclude(struct walk *w, enum layer end)
{
	struct packet *p = w->p;

	if (w->has_outer && end != LAYER_FLOW && end != LAYER_HELD) {
		*p = w->outer;
		end = LAYER_FLOW;
	}
	if (end == LAYER_HELD) {
		p->verdict = VERDICT_HELD;
	} else if (end == LAYER_DROP) {
		p->verdict = verdict_drop(w->why);
	} else if (end == LAYER_OTHER) {
		p->verdict = VERDICT_OTHER;
	} else {
		p->verdict = VERDICT_FLOW;
		set_hash(w);
	}
	if (w->has_extra && w->packets->n_extra <= BLOCK_FRAMES) {
		uint32_t row = w->packets->n_extra++;

		slots_reach(&w->packets->extras, row);
		w->packets->extra[row] = w->extra;
		p->extra = (uint16_t)row;
	}
}

static void walk_on(struct walk *w, enum layer next)
{
	while (next < LAYER_COUNT) {
		if (++w->depth > w->d->conf->max_layers) {
			next = walk_drop(w, RM_DROP_DEPTH);
			break;
		}
		next = layers[next](w);
	}
	conclude(w, next);
}

void decode_frame(struct decoder *d, struct block *b, const struct iface *iface,
		  struct packets *packets, uint32_t i)
{
	const struct frame *f = &b->frame[i];
	struct walk w;

	slots_reach(&packets->rows, i);
	d->counts.pkts++;
	d->counts.bytes += f->len;
	if (iface && iface->linktype == 1 && !d->conf->walk_always &&
	    decode_common(d, b->buf, f, &packets->row[i]))
		return;
	w.d = d;
	w.packets = packets;
	w.p = &packets->row[i];
	w.buf = b->buf;
	w.at = f->at;
	w.cap = f->at + f->caplen;
	w.end = f->at + (f->len > f->caplen ? f->len : f->caplen);
	w.index = i;
	w.depth = 0;
	w.partial_sum = f->flags & FRAME_PARTIAL_SUM;
	w.rebuilt = w.has_outer = w.has_extra = false;
	w.extra.vlans = w.extra.tunnel = 0;
	w.extra.frames = w.extra.frame_bytes = 0;
	*w.p = (struct packet){0};
	if (!iface) {
		w.p->verdict = verdict_drop(RM_DROP_INTERFACE_CAP);
		return;
	}
	walk_on(&w, link_enter(&w, iface->linktype));
}

void decode_fragment_key(struct fragment_key *key, const struct block *b,
			 const struct fragment_note *n)
{
	const uint8_t *ip = b->buf + n->l3, *l4 = b->buf + n->l4;
	bool v6 = ip[0] >> 4 == 6;

	*key = (struct fragment_key){.v6 = v6, .ip_layers = n->ip_layers};
	memcpy(key->src, ip + (v6 ? 8 : 12), v6 ? 16 : 4);
	memcpy(key->dst, ip + (v6 ? 24 : 16), v6 ? 16 : 4);
	key->id = v6 ? load_be32(l4 + 4) : load_be16(ip + 4);
	key->proto = v6 ? 0 : ip[9];
}

/* The datagram is whole: its header and payload go behind the frames, and the walk goes on. */
static bool rebuild(struct decoder *d, struct defrag *defrag, struct block *b,
		    struct packets *packets, const struct fragment_note *n,
		    const struct datagram *done)
{
	const uint8_t *ip = b->buf + n->l3;
	struct packet *p = &packets->row[n->index];
	uint32_t header = ip[0] >> 4 == 6 ? 40 : n->l4 - n->l3;
	struct walk w = {.d = d, .packets = packets, .p = p, .buf = b->buf, .index = n->index};
	uint8_t *at = block_append(b, header + done->cap);

	if (!at) {
		defrag_take(defrag, done, NULL);
		return false;
	}
	memcpy(at, ip, header);
	defrag_take(defrag, done, at + header);
	w.rebuilt = true;
	w.depth = n->depth;
	w.at = (uint32_t)(at - b->buf);
	w.cap = w.at + header + done->cap;
	w.end = w.at + header + done->len;
	if (p->extra)
		w.extra = packets->extra[p->extra];
	w.extra.frames = done->frames;
	w.extra.frame_bytes = done->frame_bytes;
	w.has_extra = true;
	*p = (struct packet){.ip_layers = (uint8_t)(n->ip_layers - 1)};
	if (header == 40 && ip[0] >> 4 == 6) {
		at[4] = (uint8_t)(done->len >> 8);
		at[5] = (uint8_t)done->len;
		at[6] = done->next_header;
		d->counts.ipv6--;
		walk_on(&w, LAYER_IPV6);
	} else {
		uint32_t total = header + done->len;
		uint16_t sum;

		at[2] = (uint8_t)(total > 0xffff ? 0 : total >> 8);
		at[3] = (uint8_t)(total > 0xffff ? 0 : total);
		at[6] = at[7] = at[10] = at[11] = 0;
		sum = (uint16_t)~csum_fold(csum_add(0, at, header));
		memcpy(at + 10, &sum, sizeof(sum));
		d->counts.ipv4--;
		d->counts.ip_length_zero -= total > 0xffff;
		walk_on(&w, LAYER_IPV4);
	}
	d->counts.datagrams_reassembled++;
	return true;
}

static void settle(struct decoder *d, struct defrag *defrag, struct block *b,
		   struct packets *packets, const struct fragment_note *n)
{
	const uint8_t *ip = b->buf + n->l3, *l4 = b->buf + n->l4;
	struct packet *p = &packets->row[n->index];
	const struct frame *frame = &b->frame[n->index];
	bool v6 = ip[0] >> 4 == 6;
	uint32_t header = v6 ? 8 : 0;
	const struct packet_extra *x = &packets->extra[p->extra];
	bool nested = p->extra && x->frames;
	struct fragment f = {.frames = nested ? x->frames : 1,
			     .frame_bytes = nested ? x->frame_bytes : frame->len,
			     .clock_ns = frame->clock_ns};
	struct datagram done;
	enum rm_drop why;
	uint16_t word;

	decode_fragment_key(&f.key, b, n);
	/* IPv4 counts the offset in units of 8 with flags above, IPv6 with flags below. */
	word = v6 ? load_be16(l4 + 2) : load_be16(ip + 6);
	f.offset = v6 ? word & 0xfff8 : (word & 0x1fffU) * 8;
	f.more = v6 ? word & 1 : word & 0x2000;
	f.next_header = v6 ? l4[0] : ip[9];
	f.len = n->true_len > header ? n->true_len - header : 0;
	f.at = l4 + header;
	f.cap = n->end > n->l4 + header ? n->end - n->l4 - header : 0;
	if (f.cap > f.len)
		f.cap = f.len;
	switch (defrag_push(defrag, &f, &done, &why)) {
	case DEFRAG_HELD:
		break;
	case DEFRAG_DROPPED:
		p->verdict = verdict_drop(why);
		break;
	case DEFRAG_WHOLE:
		if (!rebuild(d, defrag, b, packets, n, &done))
			p->verdict = verdict_drop(RM_DROP_FRAGMENT_CAP);
		break;
	}
}

void decode_fragments(struct decoder *d, struct defrag *defrag, struct block *b,
		      struct packets *packets)
{
	/* A datagram may itself hold a fragment: the list grows while it is walked. */
	for (uint32_t i = 0; i < d->notes; i++) {
		struct fragment_note n = d->note[i];

		settle(d, defrag, b, packets, &n);
	}
	d->notes = 0;
}
