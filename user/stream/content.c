/* SPDX-License-Identifier: MIT */
/* content — see content.h. */
#include "user/stream/content.h"

static struct store_key *key_of(const struct content *c, uint32_t slot)
{
	return (struct store_key *)c->keys.base + slot;
}

int content_open(struct content *c, const struct content_conf *conf)
{
	struct extents_conf extents = conf->extents;
	struct store_conf store = conf->store;
	int err;

	*c = (struct content){.in_memory = conf->in_memory};
	extents.slots = store.slots = conf->slots;
	if (!conf->in_memory)
		return extents_open(&c->extents, &extents);
	err = store_open(&c->store, &store);
	if (err == 0)
		err = slots_open(&c->keys, sizeof(struct store_key), conf->slots);
	if (err < 0)
		content_close(c);
	return err;
}

void content_close(struct content *c)
{
	if (!c->in_memory)
		extents_close(&c->extents);
	store_close(&c->store);
	slots_close(&c->keys);
}

void content_start(struct content *c, uint32_t slot)
{
	if (!c->in_memory) {
		extents_start(&c->extents, slot);
		return;
	}
	slots_reach(&c->keys, slot);
	*key_of(c, slot) = (struct store_key){0};
}

void content_pin(struct content *c, uint32_t slot)
{
	if (c->in_memory)
		store_pin(&c->store, key_of(c, slot));
}

void content_end(struct content *c, uint32_t slot)
{
	if (c->in_memory)
		store_end(&c->store, *key_of(c, slot));
}

void content_add(struct content *c, uint32_t slot, uint8_t dir, uint64_t pos, const uint8_t *at,
		 uint32_t len)
{
	if (c->in_memory)
		store_add(&c->store, key_of(c, slot), dir, SEGMENT_DATA, at, len);
	else
		extents_add(&c->extents, slot, dir, pos, at, len);
}

void content_hole(struct content *c, uint32_t slot, uint8_t dir, uint64_t len,
		  enum segment_kind kind)
{
	if (c->in_memory)
		store_add(&c->store, key_of(c, slot), dir, kind, NULL, len);
	else
		extents_hole(&c->extents, slot, dir, len, kind);
}

struct content_diff content_compare(const struct content *c, uint32_t slot, uint8_t dir,
				    uint64_t end, uint64_t off, struct span bytes)
{
	if (c->in_memory)
		return store_compare(&c->store, *key_of(c, slot), dir, off, bytes);
	return extents_compare(&c->extents, extents_newest(&c->extents, slot, dir), end, off,
			       bytes);
}

struct content_view content_view(const struct content *c, uint32_t slot, uint64_t end0,
				 uint64_t end1)
{
	struct content_view v = {.end = {end0, end1}};

	if (c->in_memory)
		v.key = *key_of(c, slot);
	else
		for (uint8_t dir = 0; dir < 2; dir++)
			v.newest[dir] = extents_newest(&c->extents, slot, dir);
	return v;
}

size_t content_find(const struct content *c, const struct content_view *v, uint8_t dir,
		    struct content_range range, struct content_segment *out, size_t max)
{
	if (c->in_memory)
		return store_find(&c->store, (struct store_side){v->key, v->end[dir], dir}, range,
				  out, max);
	return extents_find(&c->extents, v->newest[dir], v->end[dir], range, out, max);
}

size_t content_holes(const struct content *c, const struct content_view *v, uint8_t dir,
		     struct content_segment *out, size_t max)
{
	if (c->in_memory)
		return store_holes(&c->store, (struct store_side){v->key, v->end[dir], dir}, out,
				   max);
	return extents_holes(&c->extents, v->newest[dir], v->end[dir], out, max);
}

uint64_t content_place(const struct content *c, const struct content_segment *s)
{
	return c->in_memory || s->kind != SEGMENT_DATA ? POS_NONE : extents_place(s);
}

size_t content_load(const struct content *c, const struct content_segment *s, uint64_t skip,
		    uint8_t *dst, size_t n)
{
	if (s->kind != SEGMENT_DATA || skip >= s->len)
		return 0;
	if (n > s->len - skip)
		n = (size_t)(s->len - skip);
	return c->in_memory ? store_load(&c->store, s, skip, dst, n)
			    : extents_load(&c->extents, s, skip, dst, n);
}

size_t content_read(const struct content *c, const struct content_view *v, uint8_t dir,
		    uint64_t off, uint8_t *dst, size_t n)
{
	struct content_segment found[64];
	const size_t max = sizeof(found) / sizeof(found[0]);
	size_t have = 0, all;

	if (!c->in_memory)
		return extents_read(&c->extents, v->newest[dir], v->end[dir], off, dst, n);
	do {
		all = content_find(c, v, dir, (struct content_range){off + have, off + n}, found,
				   max);
		for (size_t i = 0; i < all && i < max; i++) {
			size_t got =
				content_load(c, &found[i], 0, dst + have, (size_t)found[i].len);

			have += got;
			if (got < found[i].len)
				return have;
		}
	} while (all > max);
	return have;
}
