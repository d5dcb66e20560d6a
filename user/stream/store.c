/* SPDX-License-Identifier: MIT */
/* store — see store.h. */
#include "user/stream/store.h"

#include <errno.h>

#define PIECE_MAX ((1U << 30) - 1)

/* Behind it the bytes, where it is data. */
struct piece {
	uint32_t kind : 2, len : 30;
	uint32_t order;
	uint64_t ts_ns, number; /* of the packet it began with */
};

#define PIECE_NS 1000000000ULL

struct segment {
	uint32_t next;         /* newer one of the direction, or of the free list; + 1 */
	uint32_t prev;         /* + 1 */
	uint32_t newer, older; /* of all in use, pinned or not; + 1 */
	uint32_t stream;       /* + 1 */
	uint32_t stamp;        /* grows with every use */
	uint32_t used, last;   /* of the room: bytes, and where the last piece begins */
	uint64_t from, to;     /* offsets */
	uint8_t room[];
};

struct stream_kept {
	uint32_t first[2], last[2]; /* segments, + 1 */
	uint32_t segments;
	uint32_t order;
	uint32_t generation;
	uint32_t newer, older; /* of those that have ended, or (newer) the free one; + 1 */
	uint64_t end[2];       /* offset behind what was added */
	uint8_t dir;           /* the last one added to */
	bool ended, pinned;
};

static struct segment *segment_at(const struct store *s, uint32_t entry)
{
	return (struct segment *)(s->segments.base + (size_t)(entry - 1) * s->segments.stride);
}

static struct stream_kept *stream_at(const struct store *s, uint32_t entry)
{
	return (struct stream_kept *)s->streams.base + (entry - 1);
}

static uint32_t room_of(const struct store *s)
{
	return (uint32_t)(s->segments.stride - sizeof(struct segment));
}

int store_open(struct store *s, const struct store_conf *conf)
{
	uint64_t cap;
	int err;

	*s = (struct store){.conf = *conf};
	s->conf.segment_bytes = (conf->segment_bytes + 7) & ~7U;
	cap = conf->bytes / s->conf.segment_bytes;
	if (cap > UINT32_MAX - 1 - conf->slots)
		return -EINVAL;
	s->cap = (uint32_t)cap;
	err = slots_open(&s->segments, s->conf.segment_bytes, s->cap);
	/* one for every open stream, and who has ended has a segment */
	if (err == 0)
		err = slots_open(&s->streams, sizeof(struct stream_kept), s->cap + conf->slots);
	if (err < 0)
		store_close(s);
	return err;
}

void store_close(struct store *s)
{
	slots_close(&s->segments);
	slots_close(&s->streams);
}

/* ---- lists ---- */

static void unlink_ended(struct store *s, const struct stream_kept *k)
{
	if (k->newer)
		stream_at(s, k->newer)->older = k->older;
	else
		s->newest_ended = k->older;
	if (k->older)
		stream_at(s, k->older)->newer = k->newer;
	else
		s->oldest_ended = k->newer;
}

static void link_ended(struct store *s, uint32_t entry)
{
	struct stream_kept *k = stream_at(s, entry);

	k->newer = 0;
	k->older = s->newest_ended;
	if (k->older)
		stream_at(s, k->older)->newer = entry;
	else
		s->oldest_ended = entry;
	s->newest_ended = entry;
}

static void unlink_segment(struct store *s, const struct segment *g)
{
	bool pinned = stream_at(s, g->stream)->pinned;

	if (g->newer)
		segment_at(s, g->newer)->older = g->older;
	else
		s->newest[pinned] = g->older;
	if (g->older)
		segment_at(s, g->older)->newer = g->newer;
	else
		s->oldest[pinned] = g->newer;
}

static void link_segment(struct store *s, uint32_t entry)
{
	struct segment *g = segment_at(s, entry);
	bool pinned = stream_at(s, g->stream)->pinned;

	g->newer = 0;
	g->older = s->newest[pinned];
	if (g->older)
		segment_at(s, g->older)->newer = entry;
	else
		s->oldest[pinned] = entry;
	s->newest[pinned] = entry;
}

static uint32_t take_stream(struct store *s)
{
	uint32_t entry = s->free_stream, generation;
	struct stream_kept *k;

	if (entry) {
		s->free_stream = stream_at(s, entry)->newer;
	} else if (s->fresh_streams < s->cap + s->conf.slots) {
		slots_reach(&s->streams, s->fresh_streams);
		entry = ++s->fresh_streams;
	} else {
		return 0;
	}
	k = stream_at(s, entry);
	generation = k->generation;
	*k = (struct stream_kept){.generation = generation};
	return entry;
}

static void leave_stream(struct store *s, uint32_t entry)
{
	struct stream_kept *k = stream_at(s, entry);

	k->generation++;
	k->newer = s->free_stream;
	s->free_stream = entry;
}

static struct stream_kept *find_stream(const struct store *s, struct store_key key)
{
	struct stream_kept *k = key.stream ? stream_at(s, key.stream) : NULL;

	return k && k->generation == key.generation ? k : NULL;
}

/* ---- letting go ---- */

static struct piece piece_at(const struct segment *g, uint32_t at)
{
	struct piece p;

	memcpy(&p, g->room + at, sizeof(p));
	return p;
}

static void put_piece(struct segment *g, uint32_t at, struct piece p)
{
	memcpy(g->room + at, &p, sizeof(p));
}

static uint32_t size_of(struct piece p)
{
	return (uint32_t)sizeof(p) + (p.kind == SEGMENT_DATA ? p.len : 0);
}

/* The oldest segment of a stream that has one. */
static void evict(struct store *s, uint32_t entry)
{
	struct stream_kept *k = stream_at(s, entry);
	const uint32_t *first = k->first;
	uint8_t dir = !first[0] || (first[1] && piece_at(segment_at(s, first[1]), 0).order <
							piece_at(segment_at(s, first[0]), 0).order);
	uint32_t gone = first[dir];
	struct segment *g = segment_at(s, gone);
	struct piece p;

	for (uint32_t at = 0; at < g->used; at += size_of(p)) {
		p = piece_at(g, at);
		s->evicted += p.kind == SEGMENT_DATA ? p.len : 0;
	}
	k->first[dir] = g->next;
	if (g->next)
		segment_at(s, g->next)->prev = 0;
	else
		k->last[dir] = 0;
	g->stamp++;
	unlink_segment(s, g);
	g->next = s->free_segment;
	s->free_segment = gone;
	if (--k->segments == 0 && k->ended) {
		if (!k->pinned)
			unlink_ended(s, k);
		leave_stream(s, entry);
	}
}

static uint32_t take_segment(struct store *s)
{
	uint32_t entry;

	if (!s->free_segment && s->fresh_segments < s->cap) {
		slots_reach(&s->segments, s->fresh_segments);
		return ++s->fresh_segments;
	}
	if (!s->free_segment && s->oldest_ended)
		evict(s, s->oldest_ended);
	for (int pinned = 0; !s->free_segment && pinned < 2; pinned++)
		if (s->oldest[pinned])
			evict(s, segment_at(s, s->oldest[pinned])->stream);
	entry = s->free_segment;
	if (entry)
		s->free_segment = segment_at(s, entry)->next;
	return entry;
}

/* ---- adding ---- */

static struct segment *add_segment(struct store *s, uint32_t stream, uint8_t dir)
{
	struct stream_kept *k = stream_at(s, stream);
	uint32_t entry, stamp;
	struct segment *g;

	if (k->segments && (k->segments + 1ULL) * s->conf.segment_bytes > s->conf.stream_bytes)
		evict(s, stream);
	entry = take_segment(s);
	if (!entry)
		return NULL;
	g = segment_at(s, entry);
	stamp = g->stamp;
	*g = (struct segment){.prev = k->last[dir],
			      .stream = stream,
			      .stamp = stamp,
			      .from = k->end[dir],
			      .to = k->end[dir]};
	if (g->prev)
		segment_at(s, g->prev)->next = entry;
	else
		k->first[dir] = entry;
	k->last[dir] = entry;
	k->segments++;
	link_segment(s, entry);
	return g;
}

/* The segment whose last piece is of this kind and can grow. */
static struct segment *growing(struct store *s, uint32_t stream, uint8_t dir,
			       enum segment_kind kind)
{
	struct stream_kept *k = stream_at(s, stream);
	struct segment *g = k->last[dir] ? segment_at(s, k->last[dir]) : NULL;
	uint32_t room = room_of(s), body = kind == SEGMENT_DATA;
	struct piece p;

	if (g) {
		p = piece_at(g, g->last);
		if (p.kind == kind && p.order == k->order && p.len < PIECE_MAX &&
		    s->ts_ns - p.ts_ns < PIECE_NS && g->used + body <= room)
			return g;
	}
	if (!g || g->used + sizeof(p) + body > room)
		g = add_segment(s, stream, dir);
	if (!g)
		return NULL;
	g->last = g->used;
	g->used += (uint32_t)sizeof(p);
	put_piece(g, g->last,
		  (struct piece){.kind = kind & 3,
				 .order = k->order,
				 .ts_ns = s->ts_ns,
				 .number = s->number});
	return g;
}

void store_add(struct store *s, struct store_key *key, uint8_t dir, enum segment_kind kind,
	       const uint8_t *at, uint64_t len)
{
	struct stream_kept *k;

	if (!key->stream) {
		key->stream = take_stream(s);
		if (!key->stream)
			return;
		key->generation = stream_at(s, key->stream)->generation;
	}
	k = stream_at(s, key->stream);
	if (k->dir != dir) {
		k->order++;
		k->dir = dir;
	}
	while (len) {
		struct segment *g = growing(s, key->stream, dir, kind);
		uint32_t most, n;
		struct piece p;

		if (!g)
			return;
		p = piece_at(g, g->last);
		most = kind == SEGMENT_DATA ? room_of(s) - g->used : PIECE_MAX - p.len;
		n = len < most ? (uint32_t)len : most;
		p.len = (p.len + n) & PIECE_MAX;
		put_piece(g, g->last, p);
		if (kind == SEGMENT_DATA) {
			memcpy(g->room + g->used, at, n);
			at += n;
			g->used += n;
			s->kept += n;
		}
		g->to += n;
		k->end[dir] += n;
		len -= n;
	}
}

void store_pin(struct store *s, struct store_key *key)
{
	struct stream_kept *k;

	if (!key->stream)
		store_add(s, key, 0, SEGMENT_DATA, NULL, 0);
	k = find_stream(s, *key);
	if (!k || k->pinned || k->ended)
		return;
	for (int pass = 0; pass < 2; pass++) { /* out of the one list, into the other */
		k->pinned = pass;
		for (int dir = 0; dir < 2; dir++)
			for (uint32_t e = k->first[dir]; e; e = segment_at(s, e)->next) {
				if (pass)
					link_segment(s, e);
				else
					unlink_segment(s, segment_at(s, e));
			}
	}
}

void store_end(struct store *s, struct store_key key)
{
	struct stream_kept *k = find_stream(s, key);

	if (!k || k->ended)
		return;
	k->ended = true;
	if (!k->segments)
		leave_stream(s, key.stream);
	else if (!k->pinned)
		link_ended(s, key.stream);
}

/* ---- reading ---- */

struct content_diff store_compare(const struct store *s, struct store_key key, uint8_t dir,
				  uint64_t off, struct span bytes)
{
	const struct stream_kept *k = find_stream(s, key);
	uint32_t len = (uint32_t)span_len(bytes), entry = k ? k->last[dir] : 0, compared = 0;
	struct content_diff d = {.known = true, .first = len};
	uint64_t to = off + len;

	for (uint32_t steps = 0; entry && steps < STORE_WALK;
	     steps++, entry = segment_at(s, entry)->prev) {
		const struct segment *g = segment_at(s, entry);
		uint64_t from = g->from;
		struct piece p;

		if (g->to <= off)
			break;
		for (uint32_t at = 0; at < g->used && from < to; at += size_of(p), from += p.len) {
			uint64_t lo, hi;

			p = piece_at(g, at);
			lo = from > off ? from : off;
			hi = from + p.len < to ? from + p.len : to;
			if (p.kind != SEGMENT_DATA || lo >= hi)
				continue;
			content_count(&d, g->room + at + sizeof(p) + (lo - from),
				      bytes.at + (lo - off), hi - lo, (uint32_t)(lo - off));
			compared += (uint32_t)(hi - lo);
		}
	}
	d.known = compared == len;
	return d;
}

struct finding {
	struct content_range range;
	struct content_segment *out;
	size_t n, max;
};

/* One more answer, clipped to the range. */
static void find(struct finding *f, const struct content_segment *g, uint64_t at)
{
	uint64_t lo = g->off > f->range.from ? g->off : f->range.from;
	uint64_t hi = g->off + g->len < f->range.to ? g->off + g->len : f->range.to;

	if (lo >= hi)
		return;
	if (f->n < f->max) {
		f->out[f->n] = *g;
		f->out[f->n].off = lo;
		f->out[f->n].len = hi - lo;
		f->out[f->n].place = at + (lo - g->off);
	}
	f->n++;
}

size_t store_find(const struct store *s, struct store_side side, struct content_range range,
		  struct content_segment *out, size_t max)
{
	const struct stream_kept *k = find_stream(s, side.key);
	uint32_t entry = k ? k->first[side.dir] : 0;
	struct finding f = {.range = {range.from, range.to < side.end ? range.to : side.end},
			    .out = out,
			    .max = max};
	uint64_t from = entry ? segment_at(s, entry)->from : side.end;

	find(&f, &(struct content_segment){.len = from, .kind = SEGMENT_EVICTED}, 0);
	for (entry = k ? k->last[side.dir] : 0; entry; entry = segment_at(s, entry)->prev)
		if (segment_at(s, entry)->from <= range.from || !segment_at(s, entry)->prev)
			break;
	for (; entry && from < f.range.to; entry = segment_at(s, entry)->next) {
		const struct segment *g = segment_at(s, entry);
		struct piece p;

		from = g->from;
		if (g->to <= f.range.from)
			continue;
		for (uint32_t at = 0; at < g->used; at += size_of(p), from += p.len) {
			p = piece_at(g, at);
			find(&f,
			     &(struct content_segment){.off = from,
						       .len = p.len,
						       .kind = p.kind,
						       .order = p.order,
						       .ts_ns = p.ts_ns,
						       .number = p.number,
						       .stamp = g->stamp},
			     (uint64_t)entry << 32 | (at + (uint32_t)sizeof(p)));
		}
	}
	return f.n;
}

size_t store_load(const struct store *s, const struct content_segment *g, uint64_t skip,
		  uint8_t *dst, size_t n)
{
	const struct segment *at = segment_at(s, (uint32_t)(g->place >> 32));

	if (at->stamp != g->stamp)
		return 0; /* let go since */
	memcpy(dst, at->room + (uint32_t)g->place + skip, n);
	return n;
}

size_t store_holes(const struct store *s, struct store_side side, struct content_segment *out,
		   size_t max)
{
	const struct stream_kept *k = find_stream(s, side.key);
	uint32_t entry = k ? k->first[side.dir] : 0;
	uint64_t from = entry ? segment_at(s, entry)->from : side.end;
	size_t all = 0;

	if (from) {
		if (all < max)
			out[all] = (struct content_segment){.len = from, .kind = SEGMENT_EVICTED};
		all++;
	}
	for (; entry; entry = segment_at(s, entry)->next) {
		const struct segment *g = segment_at(s, entry);
		struct piece p;

		from = g->from;
		for (uint32_t at = 0; at < g->used; at += size_of(p), from += p.len) {
			p = piece_at(g, at);
			if (p.kind == SEGMENT_DATA)
				continue;
			if (all < max)
				out[all] = (struct content_segment){
					.off = from, .len = p.len, .kind = p.kind};
			all++;
		}
	}
	return all;
}
