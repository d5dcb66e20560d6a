/* SPDX-License-Identifier: MIT */
/* timeline — see timeline.h. */
#include "user/view/timeline.h"

#include <string.h>

#include "user/base/slots.h"

static struct timeline_cell *bucket(const struct timeline *t, uint32_t i)
{
	return (struct timeline_cell *)t->cells.base + (size_t)i * SERVICE_COUNT;
}

int timeline_open(struct timeline *t)
{
	*t = (struct timeline){.width = 1};
	return slots_open(&t->cells, SERVICE_COUNT * sizeof(struct timeline_cell), TIMELINE);
}

void timeline_close(struct timeline *t)
{
	slots_close(&t->cells);
}

static void add(struct timeline_cell *to, const struct timeline_cell *from)
{
	to->packets += from->packets;
	to->bytes += from->bytes;
	to->streams += from->streams;
	to->matches += from->matches;
}

/* Twice as wide, from an even bucket on. */
static void widen(struct timeline *t)
{
	uint64_t first = t->first / 2;
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t to = (uint32_t)((t->first + i) / 2 - first);

		for (uint32_t s = 0; s < SERVICE_COUNT; s++) {
			struct timeline_cell c = bucket(t, i)[s];

			bucket(t, i)[s] = (struct timeline_cell){0};
			add(&bucket(t, to)[s], &c);
		}
		n = to + 1;
	}
	t->first = first;
	t->n = n;
	t->width *= 2;
}

/* Buckets before the first one: others move up. */
static void shift(struct timeline *t, uint32_t by)
{
	memmove(bucket(t, by), bucket(t, 0), (size_t)t->n * t->cells.stride);
	memset(bucket(t, 0), 0, (size_t)by * t->cells.stride);
	t->first -= by;
	t->n += by;
}

void timeline_add(struct timeline *t, const struct news_time *n)
{
	uint64_t at = n->second / t->width;

	if (t->n == 0)
		t->first = at;
	while (at < t->first ? t->first - at + t->n > TIMELINE : at - t->first >= TIMELINE) {
		widen(t);
		at = n->second / t->width;
	}
	if (at < t->first)
		shift(t, (uint32_t)(t->first - at));
	if (at - t->first >= t->n)
		t->n = (uint32_t)(at - t->first) + 1;
	for (uint32_t i = 0; i < n->n; i++) {
		const struct news_service *s = &n->service[i];

		if (s->service < SERVICE_COUNT)
			add(&bucket(t, (uint32_t)(at - t->first))[s->service],
			    &(struct timeline_cell){.packets = s->packets,
						    .bytes = s->bytes,
						    .streams = (uint32_t)s->streams,
						    .matches = s->matches});
	}
}

const struct timeline_cell *timeline_bucket(const struct timeline *t, uint32_t i)
{
	return bucket(t, i);
}
