/* SPDX-License-Identifier: MIT */
/* defrag — see defrag.h.  Datagrams are few and short-lived: a chained hash over fixed slots. */
#include "user/decode/defrag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE         UINT32_MAX
#define DATAGRAM_MAX 65535U

struct partial {
	struct fragment_key key;
	struct pieces pieces;
	uint32_t chain, prev, next; /* hash chain; age list (oldest first) */
	uint32_t end;               /* payload length once known, else NONE */
	uint32_t reach;             /* highest byte seen */
	uint32_t have;              /* bytes held */
	uint32_t frames, frame_bytes;
	uint64_t clock_ns;
	uint8_t next_header;
};

struct defrag {
	struct defrag_conf conf;
	struct pieces_pool pool;
	struct partial *partial;
	uint32_t *bucket, mask;
	uint32_t free, oldest, newest;
	struct defrag_counts counts;
};

int defrag_open(struct defrag **out, const struct defrag_conf *conf)
{
	struct defrag *d = calloc(1, sizeof(*d));
	uint32_t buckets = 1;

	*out = NULL;
	if (!d)
		return -ENOMEM;
	d->conf = *conf;
	while (buckets < conf->max_datagrams)
		buckets *= 2;
	d->mask = buckets - 1;
	d->bucket = malloc(buckets * sizeof(*d->bucket));
	d->partial = calloc(conf->max_datagrams, sizeof(*d->partial));
	if (!d->bucket || !d->partial || pieces_pool_open(&d->pool, conf->max_pieces) < 0) {
		defrag_close(d);
		return -ENOMEM;
	}
	memset(d->bucket, 0xff, buckets * sizeof(*d->bucket));
	for (uint32_t i = 0; i < conf->max_datagrams; i++)
		d->partial[i].chain = i + 1 < conf->max_datagrams ? i + 1 : NONE;
	d->oldest = d->newest = NONE;
	*out = d;
	return 0;
}

void defrag_close(struct defrag *d)
{
	if (!d)
		return;
	pieces_pool_close(&d->pool);
	free(d->partial);
	free(d->bucket);
	free(d);
}

static uint32_t *bucket_of(const struct defrag *d, const struct fragment_key *key)
{
	uint64_t word[sizeof(*key) / 8], h = 0;

	/* An opponent may fill a chain; max_datagrams bounds what that costs. */
	memcpy(word, key, sizeof(word));
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		h = (h ^ word[i]) * 0x9e3779b97f4a7c15ULL;
	return &d->bucket[(h >> 32) & d->mask];
}

static void forget(struct defrag *d, uint32_t i)
{
	struct partial *p = &d->partial[i];
	uint32_t *link = bucket_of(d, &p->key);

	while (*link != i)
		link = &d->partial[*link].chain;
	*link = p->chain;
	if (p->prev == NONE)
		d->oldest = p->next;
	else
		d->partial[p->prev].next = p->next;
	if (p->next == NONE)
		d->newest = p->prev;
	else
		d->partial[p->next].prev = p->prev;
	pieces_clear(&d->pool, &p->pieces);
	d->counts.held -= p->frames;
	p->chain = d->free;
	d->free = i;
}

static void drop(struct defrag *d, uint32_t i, enum rm_drop why)
{
	d->counts.dropped[why] += d->partial[i].frames;
	forget(d, i);
}

static void expire(struct defrag *d, uint64_t clock_ns)
{
	while (d->oldest != NONE) {
		uint64_t since = d->partial[d->oldest].clock_ns;

		if (clock_ns <= since || clock_ns - since <= d->conf.timeout_ns)
			break;
		drop(d, d->oldest, RM_DROP_FRAGMENT_INCOMPLETE);
	}
}

static uint32_t find(const struct defrag *d, const struct fragment_key *key)
{
	uint32_t i = *bucket_of(d, key);

	while (i != NONE && memcmp(&d->partial[i].key, key, sizeof(*key)) != 0)
		i = d->partial[i].chain;
	return i;
}

static uint32_t add(struct defrag *d, const struct fragment *f)
{
	uint32_t *head, i;
	struct partial *p;

	if (d->free == NONE)
		drop(d, d->oldest, RM_DROP_FRAGMENT_CAP);
	head = bucket_of(d, &f->key);
	i = d->free;
	p = &d->partial[i];
	d->free = p->chain;
	*p = (struct partial){.key = f->key,
			      .chain = *head,
			      .prev = d->newest,
			      .next = NONE,
			      .end = NONE,
			      .clock_ns = f->clock_ns};
	pieces_init(&p->pieces);
	*head = i;
	if (d->newest == NONE)
		d->oldest = i;
	else
		d->partial[d->newest].next = i;
	d->newest = i;
	return i;
}

/* Length fields that contradict each other: the fragment, not the datagram, is refused. */
static bool plausible(const struct partial *p, const struct fragment *f)
{
	uint32_t end = f->offset + f->len;

	if (f->len == 0 || end > DATAGRAM_MAX || (f->more && f->len % 8))
		return false;
	if (!f->more && ((p->end != NONE && p->end != end) || p->reach > end))
		return false;
	return p->end == NONE || end <= p->end;
}

enum defrag_got defrag_push(struct defrag *d, const struct fragment *f, struct datagram *done,
			    enum rm_drop *why)
{
	struct segment seg = {.seq = f->offset, .len = f->cap, .cut = f->len - f->cap, .at = f->at};
	static const struct partial none = {.end = NONE};
	uint32_t i, end = f->offset + f->len;
	struct pieces_got got, more;
	struct partial *p;

	*why = RM_DROP_FRAGMENT_INVALID;
	expire(d, f->clock_ns);
	i = find(d, &f->key);
	if (!plausible(i == NONE ? &none : &d->partial[i], f))
		return DEFRAG_DROPPED;
	if (i == NONE)
		i = add(d, f);
	p = &d->partial[i];
	pieces_insert(&d->pool, &p->pieces, &seg, OVERLAP_FIRST, &got);
	p->have += got.added;
	for (more = got; more.full && d->pool.used == d->pool.cap && d->oldest != i;
	     p->have += more.added) {
		drop(d, d->oldest, RM_DROP_FRAGMENT_CAP);
		pieces_insert(&d->pool, &p->pieces, &seg, OVERLAP_FIRST, &more);
	}
	if (more.full && got.added + more.added == 0) { /* one datagram of too many pieces */
		*why = RM_DROP_FRAGMENT_CAP;
		if (p->frames == 0)
			forget(d, i);
		return DEFRAG_DROPPED;
	}
	d->counts.overlaps += got.known > 0;
	d->counts.conflicts += got.conflict > 0;
	p->frames += f->frames;
	p->frame_bytes += f->frame_bytes;
	d->counts.held += f->frames;
	if (end > p->reach)
		p->reach = end;
	if (!f->more)
		p->end = end;
	if (f->offset == 0)
		p->next_header = f->next_header;
	if (p->end == NONE || p->have < p->end)
		return DEFRAG_HELD;
	*done = (struct datagram){.len = p->end,
				  .frames = p->frames,
				  .frame_bytes = p->frame_bytes,
				  .next_header = p->next_header,
				  .slot = i,
				  .last_frames = f->frames};
	for (uint32_t at = p->pieces.head; at != PIECE_NONE; at = d->pool.piece[at].next) {
		done->cap += d->pool.piece[at].len;
		if (d->pool.piece[at].cut)
			break;
	}
	return DEFRAG_WHOLE;
}

void defrag_take(struct defrag *d, const struct datagram *done, uint8_t *dst)
{
	struct partial *p = &d->partial[done->slot];
	uint32_t left = done->cap;

	if (!dst)
		d->counts.dropped[RM_DROP_FRAGMENT_CAP] += p->frames - done->last_frames;
	for (uint32_t at = p->pieces.head; dst && left; at = d->pool.piece[at].next) {
		const struct piece *piece = &d->pool.piece[at];

		memcpy(dst, piece->data, piece->len);
		dst += piece->len;
		left -= piece->len;
	}
	forget(d, done->slot);
}

void defrag_flush(struct defrag *d)
{
	while (d->oldest != NONE)
		drop(d, d->oldest, RM_DROP_FRAGMENT_INCOMPLETE);
}

const struct defrag_counts *defrag_counts(const struct defrag *d)
{
	return &d->counts;
}
