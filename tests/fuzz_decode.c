/* SPDX-License-Identifier: MIT */
/*
 * fuzz_decode — the input is a list of frames of any link type; they are decoded block by block.
 * Each frame gets a verdict, places lie inside what was captured, and the books balance.  Bytes
 * around a frame are poisoned while it is decoded, and what lies in unused memory changes nothing.
 *
 * Input: two bytes of settings, then per frame: link type, options, 16-bit length, its bytes.
 */
#include <assert.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "user/decode/decode.h"
#include "user/flow/key.h"

#define FRAMES     64U
#define FRAMES_ALL 256U
#define MARGIN     64U                 /* poisoned bytes around each frame */
#define ROOM       ((size_t)512 << 10) /* behind the frames, for rebuilt datagrams */
#define S          1000000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t linktypes[] = {1,   113, 276, 12,  14,  101, 228, 229, 0,   108, 9,   50,
				     204, 104, 107, 105, 127, 119, 163, 239, 149, 258, 147, 65535};

enum { OPT_SNAP = 1, OPT_BLOCK = 2, OPT_NO_IFACE = 4, OPT_LATER = 8 };

struct run {
	struct decode_conf conf;
	struct decoder decoder;
	struct defrag *defrag;
	struct block block;
	struct packets packets;
	struct iface iface[FRAMES]; /* of the block's frames */
	uint64_t frames, flow, other, dropped, clock_ns, digest;
	bool fragments;
};

static struct run run;
static const uint8_t *in, *end;

static uint32_t take(void)
{
	return in < end ? *in++ : 0;
}

static void mix(uint64_t v)
{
	run.digest = (run.digest ^ v) * 0x100000001b3ULL;
	run.digest ^= run.digest >> 29;
}

static const struct iface *iface_of(uint32_t i)
{
	return run.block.frame[i].iface == IFACE_NONE ? NULL : &run.iface[i];
}

/* ---- what was decoded ---- */

/* The hash follows from the key, and both directions have the same. */
static void check_key(const struct packet *p, const uint8_t *ip)
{
	struct flow_key key;
	struct rm_tuple t = {.proto = p->proto};

	flow_key_of(&key, p, ip);
	assert(memcmp(key.lo, key.hi, 16) < 0 ||
	       (memcmp(key.lo, key.hi, 16) == 0 && key.lo_port <= key.hi_port));
	memcpy(key.v6 ? t.lo : &t.lo[3], key.lo, key.v6 ? 16 : 4);
	memcpy(key.v6 ? t.hi : &t.hi[3], key.hi, key.v6 ? 16 : 4);
	t.ports = (uint32_t)key.lo_port << 16 | key.hi_port;
	assert(rm_flow_hash(&run.conf.key, &t) == p->hash);
}

static void check_flow(const struct packet *p, uint32_t from, uint32_t to)
{
	const uint8_t *ip = run.block.buf + p->l3;
	bool v6 = p->flags & PACKET_IPV6;
	uint32_t least = v6 ? 40 : 20;

	assert(p->l3 >= from && p->l3 <= to && to - p->l3 >= least);
	assert(ip[0] >> 4 == (v6 ? 6 : 4) && p->l4 >= least && p->ip_layers);
	assert(p->l4 <= to - p->l3 && p->payload >= p->l3 + p->l4);
	if (proto_has_ports(p->proto))
		assert(to - p->l3 - p->l4 >= 8);
	if (p->proto == 6)
		assert(to - p->l3 - p->l4 >= 20);
	assert(p->payload_cap <= p->payload_len);
	if (p->payload_cap)
		assert(p->payload <= to && p->payload_cap <= to - p->payload);
	check_key(p, ip);
}

static void mix_packet(const struct packet *p, const struct packet_extra *x)
{
	mix(p->hash);
	mix((uint64_t)p->l3 << 32 | p->payload);
	mix((uint64_t)p->payload_len << 32 | p->payload_cap);
	mix((uint64_t)p->l4 << 32 | (uint32_t)p->proto << 24 | (uint32_t)p->ip_layers << 16 |
	    (uint32_t)p->flags << 8 | p->verdict);
	if (!p->extra)
		return;
	mix((uint64_t)x->frames << 32 | x->frame_bytes);
	mix((uint64_t)x->vlans << 32 | x->tunnel);
	for (uint32_t i = 0; i < x->vlans; i++)
		mix(x->vlan[i]);
	if (x->tunnel)
		mix((uint64_t)x->tunnel_id << 32 | (uint32_t)x->tunnel_sport << 16 |
		    x->tunnel_dport);
}

static void check_packet(uint32_t i, uint32_t frames_end)
{
	const struct packet *p = &run.packets.row[i];
	const struct packet_extra *x = &run.packets.extra[p->extra];
	const struct frame *f = &run.block.frame[i];
	uint64_t frames = p->extra && x->frames ? x->frames : 1;

	assert(p->extra < run.packets.n_extra && p->verdict < VERDICT_DROP + RM_DROP_MAX);
	assert(p->verdict != VERDICT_DROP && (!p->extra || x->vlans <= PACKET_VLANS));
	mix_packet(p, x);
	if (p->verdict == VERDICT_FLOW) {
		if (p->flags & PACKET_REBUILT)
			check_flow(p, frames_end, run.block.fill);
		else
			check_flow(p, f->at, f->at + f->caplen);
		run.flow += frames;
	} else if (p->verdict == VERDICT_OTHER) {
		run.other += frames;
	} else if (p->verdict != VERDICT_HELD) {
		assert(packet_drop(p) != RM_KEEP);
		run.dropped += frames;
	}
}

/* The same frame sent the other way round is of the same flow. */
static void check_reverse(uint32_t i)
{
	struct packet *row = &run.packets.row[i], before = *row;
	uint8_t *ip = run.block.buf + before.l3, word[16];
	size_t n = before.flags & PACKET_IPV6 ? 16 : 4, src = n == 16 ? 8 : 12;
	uint8_t *l4 = ip + before.l4;
	struct flow_key key, back;
	bool same;

	/* whether it is a tunnel may depend on the direction */
	if (before.verdict != VERDICT_FLOW || before.extra || before.proto == 17)
		return;
	flow_key_of(&key, &before, ip);
	same = memcmp(ip + src, ip + src + n, n) == 0 && key.lo_port == key.hi_port;
	memcpy(word, ip + src, n);
	memcpy(ip + src, ip + src + n, n);
	memcpy(ip + src + n, word, n);
	if (proto_has_ports(before.proto)) {
		memcpy(word, l4, 2);
		memcpy(l4, l4 + 2, 2);
		memcpy(l4 + 2, word, 2);
	}
	decode_frame(&run.decoder, &run.block, iface_of(i), &run.packets, i);
	flow_key_of(&back, row, ip);
	assert(row->verdict == VERDICT_FLOW && row->hash == before.hash);
	assert(memcmp(&key, &back, sizeof(key)) == 0);
	assert(((row->flags ^ before.flags) & PACKET_FROM_HI) == (same ? 0 : PACKET_FROM_HI));
	assert(row->payload == before.payload && row->payload_cap == before.payload_cap);
}

/* ---- blocks ---- */

static void poison(bool on)
{
	if (on)
		ASAN_POISON_MEMORY_REGION(run.block.buf, run.block.fill);
	else
		ASAN_UNPOISON_MEMORY_REGION(run.block.buf, run.block.fill);
}

static uint64_t fragment_drops(void)
{
	const struct defrag_counts *c = defrag_counts(run.defrag);
	uint64_t n = 0;

	for (int i = 0; i < RM_DROP_MAX; i++)
		n += c->dropped[i];
	return n;
}

static void check_balance(void)
{
	assert(run.frames == run.flow + run.other + run.dropped + fragment_drops() +
				     defrag_counts(run.defrag)->held);
}

static void decode_block(uint8_t filler)
{
	struct block *b = &run.block;
	uint32_t frames_end = b->fill;
	uint64_t before = run.decoder.counts.pkts;

	memset(b->buf + b->fill, filler, ROOM);
	decode_begin(&run.decoder, &run.packets);
	poison(true);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct frame *f = &b->frame[i];

		ASAN_UNPOISON_MEMORY_REGION(b->buf + f->at, f->caplen);
		decode_frame(&run.decoder, b, iface_of(i), &run.packets, i);
		ASAN_POISON_MEMORY_REGION(b->buf + f->at, f->caplen);
	}
	for (uint32_t i = 0; i < b->n; i++)
		ASAN_UNPOISON_MEMORY_REGION(b->buf + b->frame[i].at, b->frame[i].caplen);
	run.fragments |= run.decoder.notes > 0;
	decode_fragments(&run.decoder, run.defrag, b, &run.packets);
	poison(false);
	assert(run.decoder.counts.pkts - before == b->n);
	run.frames += b->n;
	for (uint32_t i = 0; i < b->n; i++)
		check_packet(i, frames_end);
	check_balance();
	for (uint32_t i = 0; i < b->n; i++)
		check_reverse(i);
	b->n = b->fill = 0;
}

static void add_frame(void)
{
	struct block *b = &run.block;
	uint32_t type = take(), options = take(), len = take() << 8;
	struct frame *f = &b->frame[b->n];

	len |= take();
	if (len > (size_t)(end - in))
		len = (uint32_t)(end - in);
	slots_reach(&b->frames, b->n);
	if (options & OPT_LATER)
		run.clock_ns += 20 * S;
	*f = (struct frame){.clock_ns = run.clock_ns,
			    .at = (b->fill + 2 * MARGIN) & ~(MARGIN - 1),
			    .caplen = len,
			    .len = len,
			    .iface = options & OPT_NO_IFACE ? IFACE_NONE : 0};
	if (options & OPT_SNAP)
		f->len += options >> 4 == 15 ? 70000 : (options >> 4) * 8;
	run.iface[b->n].linktype = linktypes[type % (sizeof(linktypes) / sizeof(linktypes[0]))];
	memcpy(b->buf + f->at, in, len);
	in += len;
	b->fill = f->at + len + MARGIN;
	b->n++;
}

static uint64_t decode_all(const uint8_t *data, size_t size, uint8_t filler, bool walk_always)
{
	static const uint8_t layers[4] = {32, 4, 6, 16};
	uint64_t counts[sizeof(struct decode_counts) / sizeof(uint64_t)];
	uint32_t a, b, all = 0;
	struct defrag_conf conf;

	in = data;
	end = data + size;
	a = take();
	b = take();
	conf = (struct defrag_conf){
		.max_datagrams = 1 + (b & 7), .max_pieces = b & 8 ? 4 : 400, .timeout_ns = 30 * S};
	run.conf.checksum = (enum checksum_mode)((a & 3) % 3);
	run.conf.walk_always = walk_always;
	run.conf.max_layers = layers[a >> 2 & 3];
	run.frames = run.flow = run.other = run.dropped = 0;
	run.clock_ns = 1000 * S;
	run.digest = 1;
	run.fragments = false;
	memset(&run.decoder.counts, 0, sizeof(run.decoder.counts));
	if (defrag_open(&run.defrag, &conf) < 0)
		abort();
	while (in < end && all++ < FRAMES_ALL) {
		bool next = run.block.n == FRAMES || (end - in > 1 && (in[1] & OPT_BLOCK));

		if (next && run.block.n)
			decode_block(filler);
		add_frame();
	}
	decode_block(filler);
	defrag_flush(run.defrag);
	assert(defrag_counts(run.defrag)->held == 0);
	check_balance();
	mix(run.flow);
	mix(fragment_drops());
	memcpy(counts, &run.decoder.counts, sizeof(counts));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		mix(counts[i]);
	defrag_close(run.defrag);
	return run.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t digest;

	if (size > (128U << 10))
		return 0;
	if (!run.block.buf) {
		for (uint32_t i = 0; i < 10; i++)
			run.conf.key.word[i] = 0x9e3779b97f4a7c15ULL * (i + 1);
		if (block_open(&run.block, false) < 0 ||
		    packets_open(&run.packets, BLOCK_FRAMES) < 0 ||
		    decoder_open(&run.decoder, &run.conf) < 0)
			abort();
	}
	digest = decode_all(data, size, 0, true);
	assert(decode_all(data, size, 0, false) == digest); /* the short cut says the same */
	if (run.fragments)
		assert(decode_all(data, size, 0x45, true) == digest);
	return 0;
}
