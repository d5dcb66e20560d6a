/* SPDX-License-Identifier: MIT */
/* content — see content.h. */
#include "user/stream/content.h"

#include <string.h>

#define NONE       UINT32_MAX
#define IN_RING    (1ULL << 47)
#define PLACE_MASK (IN_RING - 1)
#define PLACE_HOLE PLACE_MASK

struct extent {
	uint16_t place_high, len;
	uint32_t place_low;
	uint32_t prev;
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct extent) == 12, "one per data segment");

struct tail {
	uint32_t newest[2];
};

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
	if (c->n == c->conf.extents) {
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
			place = PLACE_HOLE; /* rebuilt or reordered: not to be had again */
		} else {
			pos += step;
		}
		append(c, t, dir, place, step);
		at += step;
		len -= step;
	}
}

void content_hole(struct content *c, uint32_t slot, uint8_t dir, uint64_t len)
{
	struct tail *t = tail_of(c, slot);

	/* Nothing is ever looked up across a hole of this size: the walk starts anew. */
	if (len > 65535ULL * 16) {
		t->newest[dir] = NONE;
		return;
	}
	for (; len; len -= len < 65535 ? len : 65535)
		append(c, t, dir, PLACE_HOLE, (uint16_t)(len < 65535 ? len : 65535));
}

/* The bytes of an extent from `skip` on; how many could be had. */
static size_t fetch(const struct content *c, const struct extent *e, uint32_t skip, uint8_t *dst,
		    size_t n)
{
	uint64_t place = (uint64_t)e->place_high << 32 | e->place_low;
	uint64_t at, from, first;

	if (place == PLACE_HOLE)
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

		if (fetch(c, e, skip, then, n) != n)
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
		uint64_t start = end - e->len;
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

size_t content_read(const struct content *c, uint32_t slot, uint8_t dir, uint64_t end, uint64_t off,
		    uint8_t *dst, size_t n)
{
	uint32_t steps = 0;
	size_t have = n; /* what is missing at the front of dst is missing at all */

	if (off + n > end)
		have = n = off < end ? (size_t)(end - off) : 0;
	for (uint32_t i = tail_of(c, slot)->newest[dir]; i != NONE && end > off; steps++) {
		const struct extent *e = extent_of(c, i);
		uint64_t start = end - e->len;
		uint64_t lo = start > off ? start : off, hi = end < off + n ? end : off + n;

		if (steps == CONTENT_WALK)
			return 0;
		end = start;
		i = e->prev;
		if (lo < hi &&
		    fetch(c, e, (uint32_t)(lo - start), dst + (lo - off), hi - lo) != hi - lo)
			have = (size_t)(lo - off); /* only what comes before counts */
	}
	return end <= off ? have : 0;
}
