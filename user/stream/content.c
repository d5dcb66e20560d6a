/* SPDX-License-Identifier: MIT */
/* content — see content.h. */
#include "user/stream/content.h"

#include <string.h>

#define NONE       UINT32_MAX
#define IN_RING    (1ULL << 47)
#define PLACE_MASK (IN_RING - 1)
#define PLACE_GONE PLACE_MASK   /* delivered, but kept nowhere */
#define HOLE_CUT   (1ULL << 46) /* in the place of a hole, whose length is the rest */

/* len 0: a hole. */
struct extent {
	uint16_t place_high, len;
	uint32_t place_low;
	uint32_t prev;
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct extent) == 12, "one per data segment");

struct tail {
	uint32_t newest[2];
};

static uint64_t place_of(const struct extent *e)
{
	return (uint64_t)e->place_high << 32 | e->place_low;
}

static uint64_t length_of(const struct extent *e)
{
	return e->len ? e->len : place_of(e) & (HOLE_CUT - 1);
}

static struct extent *extent_of(const struct content *c, uint32_t i)
{
	return (struct extent *)c->log.base + i;
}

static struct tail *tail_of(const struct content *c, uint32_t slot)
{
	return (struct tail *)c->tails.base + slot;
}

int content_open(struct content *c, const struct content_conf *conf)
{
	int err;

	*c = (struct content){.conf = *conf};
	err = slots_open(&c->log, sizeof(struct extent), conf->extents);
	if (err == 0)
		err = slots_open(&c->tails, sizeof(struct tail), conf->slots);
	if (err == 0 && conf->ring)
		err = slots_open(&c->rings, 1, conf->ring);
	if (err < 0)
		content_close(c);
	return err;
}

void content_close(struct content *c)
{
	slots_close(&c->log);
	slots_close(&c->tails);
	slots_close(&c->rings);
}

void content_start(struct content *c, uint32_t slot)
{
	slots_reach(&c->tails, slot);
	*tail_of(c, slot) = (struct tail){.newest = {NONE, NONE}};
}

static void append(struct content *c, struct tail *t, uint8_t dir, uint64_t place, uint16_t len)
{
	if (c->n >= c->conf.extents) {
		c->refused++;
		t->newest[dir] = NONE; /* what lies before cannot be reached over the missing one */
		return;
	}
	if ((c->n & 4095) == 0)
		slots_populate(&c->log, (size_t)(c->n + 4096) * sizeof(struct extent));
	*extent_of(c, c->n) = (struct extent){.place_high = (uint16_t)(place >> 32),
					      .place_low = (uint32_t)place,
					      .len = len,
					      .prev = t->newest[dir]};
	t->newest[dir] = c->n++;
}

static void ring_put(struct content *c, const uint8_t *at, uint32_t len)
{
	uint64_t from = c->ring_at & (c->conf.ring - 1);
	uint64_t first = c->conf.ring - from < len ? c->conf.ring - from : len;

	memcpy(c->rings.base + from, at, first);
	memcpy(c->rings.base, at + first, len - first);
	c->ring_at += len;
}

void content_add(struct content *c, uint32_t slot, uint8_t dir, uint64_t pos, const uint8_t *at,
		 uint32_t len)
{
	struct tail *t = tail_of(c, slot);

	while (len) {
		uint16_t step = (uint16_t)(len < 65535 ? len : 65535);
		uint64_t place = pos & PLACE_MASK;

		if (pos == POS_NONE && c->conf.ring) {
			place = IN_RING | (c->ring_at & PLACE_MASK);
			ring_put(c, at, step);
		} else if (pos == POS_NONE) {
			place = PLACE_GONE; /* rebuilt or reordered: not to be had again */
		} else {
			pos += step;
		}
		append(c, t, dir, place, step);
		at += step;
		len -= step;
	}
}

void content_hole(struct content *c, uint32_t slot, uint8_t dir, uint64_t len,
		  enum segment_kind kind)
{
	uint64_t place = len < HOLE_CUT - 1 ? len : HOLE_CUT - 1;

	if (kind == SEGMENT_CUT)
		place |= HOLE_CUT;
	append(c, tail_of(c, slot), dir, place, 0);
}

/* The bytes of an extent from `skip` on; how many could be had. */
static size_t fetch(const struct content *c, uint64_t place, uint64_t skip, uint8_t *dst, size_t n)
{
	uint64_t at, from, first;

	if (place == PLACE_GONE)
		return 0;
	if (!(place & IN_RING))
		return source_reread(c->conf.source, place + skip, dst, n);
	at = (place & PLACE_MASK) + skip;
	if (c->ring_at - at > c->conf.ring)
		return 0; /* overwritten since */
	from = at & (c->conf.ring - 1);
	first = c->conf.ring - from < n ? c->conf.ring - from : n;
	memcpy(dst, c->rings.base + from, first);
	memcpy(dst + first, c->rings.base, n - first);
	return n;
}

static void count_differing(const uint8_t *then, const uint8_t *now, size_t n, uint32_t from,
			    struct content_diff *d)
{
	for (size_t k = 0; k < n; k++) {
		if (then[k] == now[k])
			continue;
		d->differ++;
		if (from + k < d->first)
			d->first = (uint32_t)(from + k);
	}
}

/* Compares bytes, which begin at index `from` of what is compared, with the extent's from `skip`
 * on. */
static void compare_extent(const struct content *c, const struct extent *e, uint32_t skip,
			   struct span at, uint32_t from, struct content_diff *d)
{
	uint8_t then[2048];

	while (at.at < at.end) {
		size_t n = span_len(at) < sizeof(then) ? span_len(at) : sizeof(then);

		if (e->len == 0 || fetch(c, place_of(e), skip, then, n) != n)
			d->known = false;
		else if (memcmp(then, at.at, n) != 0)
			count_differing(then, at.at, n, from, d);
		at.at += n;
		skip += (uint32_t)n;
		from += (uint32_t)n;
	}
}

struct content_diff content_compare(const struct content *c, uint32_t slot, uint8_t dir,
				    uint64_t end, uint64_t off, struct span bytes)
{
	const struct tail *t = tail_of(c, slot);
	const uint8_t *at = bytes.at;
	uint32_t len = (uint32_t)span_len(bytes);
	uint64_t want_end = off + len;
	struct content_diff d = {.known = true, .first = len};
	uint32_t compared = 0, steps = 0;

	for (uint32_t i = t->newest[dir]; i != NONE && end > off && steps < CONTENT_WALK; steps++) {
		const struct extent *e = extent_of(c, i);
		uint64_t start = end - length_of(e);
		uint64_t lo = start > off ? start : off, hi = end < want_end ? end : want_end;

		end = start;
		i = e->prev;
		if (lo < hi) {
			compare_extent(c, e, (uint32_t)(lo - start),
				       span_of(at + (lo - off), hi - lo), (uint32_t)(lo - off), &d);
			compared += (uint32_t)(hi - lo);
		}
	}
	if (compared < len)
		d.known = false;
	return d;
}

size_t content_read(const struct content *c, const struct content_view *v, uint8_t dir,
		    uint64_t off, uint8_t *dst, size_t n)
{
	uint64_t end = v->end[dir];
	uint32_t steps = 0;
	size_t have = n; /* what is missing at the front of dst is missing at all */

	if (off + n > end)
		have = n = off < end ? (size_t)(end - off) : 0;
	for (uint32_t i = v->newest[dir]; i != NONE && end > off; steps++) {
		const struct extent *e = extent_of(c, i);
		uint64_t start = end - length_of(e);
		uint64_t lo = start > off ? start : off, hi = end < off + n ? end : off + n;

		if (steps == CONTENT_WALK)
			return 0;
		end = start;
		i = e->prev;
		if (lo < hi && (e->len == 0 || fetch(c, place_of(e), lo - start, dst + (lo - off),
						     hi - lo) != hi - lo))
			have = (size_t)(lo - off); /* only what comes before counts */
	}
	return end <= off ? have : 0;
}

struct content_view content_view(const struct content *c, uint32_t slot, uint64_t end0,
				 uint64_t end1)
{
	const struct tail *t = tail_of(c, slot);

	return (struct content_view){.newest = {t->newest[0], t->newest[1]}, .end = {end0, end1}};
}

static struct content_segment segment_of(const struct extent *e, uint32_t order, uint64_t start,
					 uint64_t lo, uint64_t hi)
{
	struct content_segment s = {.off = lo, .len = hi - lo, .order = order};
	uint64_t place = place_of(e);

	if (e->len == 0)
		s.kind = place & HOLE_CUT ? SEGMENT_CUT : SEGMENT_GAP;
	else if (place == PLACE_GONE)
		s.kind = SEGMENT_EVICTED;
	else
		s.place = place + (lo - start);
	return s;
}

size_t content_find(const struct content *c, const struct content_view *v, uint8_t dir,
		    struct content_range range, struct content_segment *out, size_t max)
{
	uint64_t from = range.from, to = range.to;
	uint64_t end = v->end[dir];
	size_t n = 0, all = 0;

	if (to > end)
		to = end;
	/* Twice from the back: to count them, then to keep the first ones. */
	for (int pass = 0; pass < 2; pass++) {
		uint32_t i = v->newest[dir];

		end = v->end[dir];
		for (; i != NONE && end > from; i = extent_of(c, i)->prev) {
			const struct extent *e = extent_of(c, i);
			uint64_t start = end - length_of(e);
			uint64_t lo = start > from ? start : from, hi = end < to ? end : to;

			end = start;
			if (lo >= hi)
				continue;
			if (pass == 0)
				all++;
			else if (--n < max)
				out[n] = segment_of(e, i, start, lo, hi);
		}
		if (end > from && from < to) { /* what the log could not hold */
			if (pass == 0)
				all++;
			else if (--n < max)
				out[n] = (struct content_segment){.off = from,
								  .len = (end < to ? end : to) -
									 from,
								  .kind = SEGMENT_EVICTED};
		}
		n = all;
	}
	return all;
}

size_t content_load(const struct content *c, const struct content_segment *s, uint64_t skip,
		    uint8_t *dst, size_t n)
{
	if (s->kind != SEGMENT_DATA || skip >= s->len)
		return 0;
	if (n > s->len - skip)
		n = (size_t)(s->len - skip);
	return fetch(c, s->place, skip, dst, n);
}
