/* SPDX-License-Identifier: MIT */
/* extents — see extents.h. */
#include "user/stream/extents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define IN_RING    (1ULL << 47)
#define PLACE_MASK (IN_RING - 1)
#define PLACE_GONE PLACE_MASK   /* delivered, but kept nowhere */
#define HOLE_CUT   (1ULL << 46) /* in the place of a hole, whose length is the rest */

#define POPULATE 4096U        /* entries of memory taken into use at a time */
#define GROW     (1ULL << 24) /* bytes by which the file grows */

/* len 0: a hole. */
struct extent {
	uint16_t place_high, len;
	uint32_t place_low;
	uint32_t prev;
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct extent) == 12, "one per data segment");

#define SPILL_MAX ((uint64_t)UINT32_MAX * sizeof(struct extent))

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

static struct extent *extent_of(const struct extents *x, uint32_t i)
{
	return i < x->conf.memory ? (struct extent *)x->log.base + i
				  : (struct extent *)x->spilled + (i - x->conf.memory);
}

static struct tail *tail_of(const struct extents *x, uint32_t slot)
{
	return (struct tail *)x->tails.base + slot;
}

int extents_open(struct extents *x, const struct extents_conf *conf)
{
	int err;

	*x = (struct extents){.conf = *conf, .file = -1};
	err = slots_open(&x->log, sizeof(struct extent), conf->memory);
	if (err == 0)
		err = slots_open(&x->tails, sizeof(struct tail), conf->slots);
	if (err == 0 && conf->ring)
		err = slots_open(&x->rings, 1, conf->ring);
	if (err < 0)
		extents_close(x);
	return err;
}

void extents_close(struct extents *x)
{
	if (x->spilled)
		munmap(x->spilled, SPILL_MAX);
	if (x->file >= 0 && x->log.base) /* 0 before extents_open */
		close(x->file);
	slots_close(&x->log);
	slots_close(&x->tails);
	slots_close(&x->rings);
	x->spilled = NULL;
	x->file = -1;
}

void extents_start(struct extents *x, uint32_t slot)
{
	slots_reach(&x->tails, slot);
	*tail_of(x, slot) = (struct tail){.newest = {EXTENTS_NONE, EXTENTS_NONE}};
}

uint32_t extents_newest(const struct extents *x, uint32_t slot, uint8_t dir)
{
	return tail_of(x, slot)->newest[dir];
}

/* ---- the log ---- */

static bool begin_file(struct extents *x)
{
	char path[4096];
	void *at;

	if (snprintf(path, sizeof(path), "%s/rm-xdp-XXXXXX", x->conf.folder) >= (int)sizeof(path))
		return false;
	x->file = mkostemp(path, O_CLOEXEC);
	if (x->file < 0)
		return false;
	unlink(path);
	at = mmap(NULL, SPILL_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, x->file, 0);
	if (at == MAP_FAILED)
		return false;
	x->spilled = at;
	return true;
}

/* Room on the disk before it is written to: a page without would end the process. */
static bool grow_file(struct extents *x)
{
	int err = 0;

	if (!x->conf.folder)
		return false;
	if ((x->file < 0 && !begin_file(x)) || !x->spilled)
		err = -1;
	while (err == 0 && (err = posix_fallocate(x->file, (off_t)x->size, GROW)) == EINTR)
		err = 0;
	if (err) {
		x->conf.folder = NULL; /* once is enough */
		return false;
	}
	x->size += GROW;
	return true;
}

/* Room for entry n. */
static bool reach(struct extents *x)
{
	if (x->n < x->conf.memory) {
		if (x->n % POPULATE == 0)
			slots_populate(&x->log, ((size_t)x->n + POPULATE) * sizeof(struct extent));
		return true;
	}
	return x->n < EXTENTS_NONE &&
	       (((uint64_t)x->n - x->conf.memory + 1) * sizeof(struct extent) <= x->size ||
		grow_file(x));
}

static void append(struct extents *x, struct tail *t, uint8_t dir, uint64_t place, uint16_t len)
{
	if (!reach(x)) {
		x->refused++;
		t->newest[dir] = EXTENTS_NONE; /* what lies before is not reached over this one */
		return;
	}
	*extent_of(x, x->n) = (struct extent){.place_high = (uint16_t)(place >> 32),
					      .place_low = (uint32_t)place,
					      .len = len,
					      .prev = t->newest[dir]};
	t->newest[dir] = x->n++;
}

static void ring_put(struct extents *x, const uint8_t *at, uint32_t len)
{
	uint64_t from = x->ring_at & (x->conf.ring - 1);
	uint64_t first = x->conf.ring - from < len ? x->conf.ring - from : len;

	memcpy(x->rings.base + from, at, first);
	memcpy(x->rings.base, at + first, len - first);
	x->ring_at += len;
}

void extents_add(struct extents *x, uint32_t slot, uint8_t dir, uint64_t pos, const uint8_t *at,
		 uint32_t len)
{
	struct tail *t = tail_of(x, slot);

	while (len) {
		uint16_t step = (uint16_t)(len < 65535 ? len : 65535);
		uint64_t place = pos & PLACE_MASK;

		if (pos == POS_NONE && x->conf.ring) {
			place = IN_RING | (x->ring_at & PLACE_MASK);
			ring_put(x, at, step);
		} else if (pos == POS_NONE) {
			place = PLACE_GONE; /* rebuilt or reordered: not to be had again */
		} else {
			pos += step;
		}
		append(x, t, dir, place, step);
		at += step;
		len -= step;
	}
}

void extents_hole(struct extents *x, uint32_t slot, uint8_t dir, uint64_t len,
		  enum segment_kind kind)
{
	uint64_t place = len < HOLE_CUT - 1 ? len : HOLE_CUT - 1;

	if (kind == SEGMENT_CUT)
		place |= HOLE_CUT;
	append(x, tail_of(x, slot), dir, place, 0);
}

/* ---- reading ---- */

/* The bytes of an extent from `skip` on; how many could be had. */
static size_t fetch(const struct extents *x, uint64_t place, uint64_t skip, uint8_t *dst, size_t n)
{
	uint64_t at, from, first;

	if (place == PLACE_GONE)
		return 0;
	if (!(place & IN_RING))
		return source_reread(x->conf.source, place + skip, dst, n);
	at = (place & PLACE_MASK) + skip;
	if (x->ring_at - at > x->conf.ring)
		return 0; /* overwritten since */
	from = at & (x->conf.ring - 1);
	first = x->conf.ring - from < n ? x->conf.ring - from : n;
	memcpy(dst, x->rings.base + from, first);
	memcpy(dst + first, x->rings.base, n - first);
	return n;
}

/* Compares bytes, which begin at index `from` of what is compared, with the extent's from `skip`
 * on. */
static void compare_extent(const struct extents *x, const struct extent *e, uint32_t skip,
			   struct span at, uint32_t from, struct content_diff *d)
{
	uint8_t then[2048];

	while (at.at < at.end) {
		size_t n = span_len(at) < sizeof(then) ? span_len(at) : sizeof(then);

		if (e->len == 0 || fetch(x, place_of(e), skip, then, n) != n)
			d->known = false;
		else
			content_count(d, then, at.at, n, from);
		at.at += n;
		skip += (uint32_t)n;
		from += (uint32_t)n;
	}
}

struct content_diff extents_compare(const struct extents *x, uint32_t newest, uint64_t end,
				    uint64_t off, struct span bytes)
{
	const uint8_t *at = bytes.at;
	uint32_t len = (uint32_t)span_len(bytes);
	uint64_t want_end = off + len;
	struct content_diff d = {.known = true, .first = len};
	uint32_t compared = 0, steps = 0, reads = 0;

	for (uint32_t i = newest; i != EXTENTS_NONE && end > off && steps < EXTENTS_WALK; steps++) {
		const struct extent *e = extent_of(x, i);
		uint64_t start = end - length_of(e);
		uint64_t lo = start > off ? start : off, hi = end < want_end ? end : want_end;

		end = start;
		i = e->prev;
		if (lo < hi && reads++ < EXTENTS_READS) {
			compare_extent(x, e, (uint32_t)(lo - start),
				       span_of(at + (lo - off), hi - lo), (uint32_t)(lo - off), &d);
			compared += (uint32_t)(hi - lo);
		}
	}
	if (compared < len)
		d.known = false;
	return d;
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

size_t extents_find(const struct extents *x, uint32_t newest, uint64_t end,
		    struct content_range range, struct content_segment *out, size_t max)
{
	uint64_t from = range.from, to = range.to < end ? range.to : end, at = end;
	size_t n = 0, all = 0;

	/* Twice from the back: to count them, then to keep the first ones. */
	for (int pass = 0; pass < 2; pass++) {
		uint32_t i = newest;

		at = end;
		for (; i != EXTENTS_NONE && at > from; i = extent_of(x, i)->prev) {
			const struct extent *e = extent_of(x, i);
			uint64_t start = at - length_of(e);
			uint64_t lo = start > from ? start : from, hi = at < to ? at : to;

			at = start;
			if (lo >= hi)
				continue;
			if (pass == 0)
				all++;
			else if (--n < max)
				out[n] = segment_of(e, i, start, lo, hi);
		}
		if (at > from && from < to) { /* what the log could not hold */
			if (pass == 0)
				all++;
			else if (--n < max)
				out[n] = (struct content_segment){.off = from,
								  .len = (at < to ? at : to) - from,
								  .kind = SEGMENT_EVICTED};
		}
		n = all;
	}
	return all;
}

size_t extents_holes(const struct extents *x, uint32_t newest, uint64_t end,
		     struct content_segment *out, size_t max)
{
	size_t all = 0, n;

	for (uint32_t i = newest; i != EXTENTS_NONE && end;) {
		const struct extent *e = extent_of(x, i);
		uint64_t start = end - length_of(e);

		if (e->len == 0 || place_of(e) == PLACE_GONE) {
			if (all < max)
				out[all] = segment_of(e, i, start, start, end);
			all++;
		}
		end = start;
		i = e->prev;
	}
	n = all < max ? all : max;
	for (size_t i = 0; i < n / 2; i++) {
		struct content_segment swap = out[i];

		out[i] = out[n - 1 - i];
		out[n - 1 - i] = swap;
	}
	return all;
}

uint64_t extents_place(const struct content_segment *s)
{
	return s->place & IN_RING ? POS_NONE : s->place;
}

size_t extents_read(const struct extents *x, uint32_t newest, uint64_t end, uint64_t off,
		    uint8_t *dst, size_t n)
{
	uint32_t steps = 0;
	size_t have; /* what is missing in front of dst + have is missing at all */

	if (off >= end)
		return 0;
	if (n > end - off)
		n = (size_t)(end - off);
	have = n;
	for (uint32_t i = newest; i != EXTENTS_NONE && end > off; steps++) {
		const struct extent *e = extent_of(x, i);
		uint64_t start = end - length_of(e);
		uint64_t lo = start > off ? start : off, hi = end < off + n ? end : off + n;

		if (steps == EXTENTS_WALK)
			return 0;
		end = start;
		i = e->prev;
		if (lo < hi && (e->len == 0 || fetch(x, place_of(e), lo - start, dst + (lo - off),
						     hi - lo) != hi - lo))
			have = (size_t)(lo - off);
	}
	return end <= off ? have : 0;
}

size_t extents_load(const struct extents *x, const struct content_segment *s, uint64_t skip,
		    uint8_t *dst, size_t n)
{
	return fetch(x, s->place, skip, dst, n);
}
