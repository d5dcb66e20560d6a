/* SPDX-License-Identifier: MIT */
/* rows — see rows.h. */
#include "user/view/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY 0U /* of a bucket: index + 1 otherwise */

static uint32_t *bucket_of(const struct rows *r)
{
	return (uint32_t *)r->buckets.base;
}

/* Ids are hashes already. */
static uint32_t home_of(const struct rows *r, uint64_t id)
{
	return (uint32_t)(id ^ id >> 32) & r->mask;
}

static int open_columns(struct rows *r)
{
	const struct {
		void **at;
		size_t size;
	} column[] = {
		{(void **)&r->col.flags, 2},   {(void **)&r->col.service, 1},
		{(void **)&r->col.proto, 1},   {(void **)&r->col.status, 1},
		{(void **)&r->col.kind, 1},    {(void **)&r->col.color, 1},
		{(void **)&r->col.port[0], 2}, {(void **)&r->col.port[1], 2},
		{(void **)&r->col.host[0], 4}, {(void **)&r->col.host[1], 4},
		{(void **)&r->col.first_s, 4}, {(void **)&r->col.last_s, 4},
		{(void **)&r->col.bytes, 4},
	};

	for (size_t i = 0; i < sizeof(column) / sizeof(column[0]); i++) {
		/* filters read whole words of 64 rows */
		int err = slots_open(&r->mem_col[i], column[i].size, r->max + 64UL);

		if (err < 0)
			return err;
		*column[i].at = r->mem_col[i].base;
	}
	return 0;
}

int rows_open(struct rows *r, uint32_t max)
{
	uint32_t size = 1024;
	int err;

	*r = (struct rows){.max = max};
	while (size < 2ULL * max && size < 1U << 31)
		size *= 2;
	r->mask = size - 1;
	err = slots_open(&r->mem, sizeof(struct row), max);
	if (err == 0)
		err = slots_open(&r->buckets, sizeof(uint32_t), size);
	if (err == 0)
		err = open_columns(r);
	r->row = (struct row *)r->mem.base;
	if (err < 0)
		rows_close(r);
	return err;
}

void rows_close(struct rows *r)
{
	for (uint32_t i = 0; r->row && r->col.flags && i < r->n; i++)
		free(r->row[i].note);
	for (size_t i = 0; i < sizeof(r->mem_col) / sizeof(r->mem_col[0]); i++)
		slots_close(&r->mem_col[i]);
	slots_close(&r->mem);
	slots_close(&r->buckets);
	*r = (struct rows){0};
}

uint32_t rows_find(const struct rows *r, uint64_t id)
{
	const uint32_t *bucket = bucket_of(r);

	for (uint32_t at = home_of(r, id); bucket[at] != EMPTY; at = (at + 1) & r->mask)
		if (r->row[bucket[at] - 1].s.id == id)
			return bucket[at] - 1;
	return ROW_NONE;
}

/* The hole is closed by those behind it that may stand there. */
static void unhash(struct rows *r, uint64_t id)
{
	uint32_t *bucket = bucket_of(r);
	uint32_t hole = home_of(r, id);

	while (bucket[hole] != EMPTY && r->row[bucket[hole] - 1].s.id != id)
		hole = (hole + 1) & r->mask;
	for (uint32_t at = (hole + 1) & r->mask; bucket[at] != EMPTY; at = (at + 1) & r->mask) {
		uint32_t home = home_of(r, r->row[bucket[at] - 1].s.id);

		if (((at - home) & r->mask) >= ((at - hole) & r->mask)) {
			bucket[hole] = bucket[at];
			hole = at;
		}
	}
	bucket[hole] = EMPTY;
}

uint32_t rows_victim(struct rows *r)
{
	if (r->free || r->n < r->max)
		return ROW_NONE;
	if (r->favorites >= r->live)
		return ROW_NONE;
	for (;; r->hand = (r->hand + 1) % r->n) {
		uint16_t *flags = &r->col.flags[r->hand];

		if (!(*flags & ROW_LIVE) || (*flags & ROW_FAVORITE))
			continue;
		if (!(*flags & ROW_RECENT))
			return r->hand;
		*flags &= (uint16_t)~ROW_RECENT;
	}
}

void rows_evict(struct rows *r, uint32_t i)
{
	struct row *row = &r->row[i];
	uint16_t flags = r->col.flags[i];

	unhash(r, row->s.id);
	r->favorites -= !!(flags & ROW_FAVORITE);
	r->hidden -= !!(flags & ROW_HIDDEN);
	r->matched -= !!(flags & ROW_MATCH);
	free(row->note);
	*row = (struct row){.match_first = r->free}; /* the next free one */
	r->col.flags[i] = 0;
	r->free = i + 1;
	r->live--;
	r->evicted++;
}

uint32_t rows_place(struct rows *r, uint64_t id, bool *is_new)
{
	uint32_t i = rows_find(r, id), *bucket = bucket_of(r), at;

	*is_new = i == ROW_NONE;
	if (!*is_new)
		return i;
	if (r->free) {
		i = r->free - 1;
		r->free = r->row[i].match_first;
	} else if (r->n < r->max) {
		i = r->n;
		slots_reach(&r->mem, i);
		for (size_t c = 0; c < sizeof(r->mem_col) / sizeof(r->mem_col[0]); c++)
			slots_reach(&r->mem_col[c], i);
		r->n++;
	} else {
		r->refused++;
		return ROW_NONE;
	}
	r->row[i] = (struct row){.s = {.id = id}};
	r->col.flags[i] = ROW_LIVE;
	r->col.color[i] = 0;
	for (at = home_of(r, id); bucket[at] != EMPTY; at = (at + 1) & r->mask)
		;
	bucket[at] = i + 1;
	r->live++;
	r->added++;
	return i;
}

static uint32_t host_of(const struct flow_key *k, const uint8_t *at)
{
	return load_be32(k->v6 ? at + 12 : at);
}

void rows_put(struct rows *r, uint32_t i, const struct news_stream *s)
{
	uint64_t bytes = s->bytes[0] + s->bytes[1];
	struct columns *c = &r->col;

	r->row[i].s = *s;
	r->row[i].s.matches += r->row[i].again;
	c->service[i] = s->service.name;
	c->proto[i] = s->key.proto;
	c->status[i] = s->status;
	c->kind[i] = s->content_kind;
	c->port[0][i] = s->key.lo_port;
	c->port[1][i] = s->key.hi_port;
	c->host[0][i] = host_of(&s->key, s->key.lo);
	c->host[1][i] = host_of(&s->key, s->key.hi);
	c->first_s[i] = rows_second(s->first_ns);
	c->last_s[i] = rows_second(s->last_ns);
	c->bytes[i] = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
	rows_set(r, i, ROW_V6, s->key.v6);
	rows_set(r, i, ROW_GAP, s->gap_bytes);
	rows_set(r, i, ROW_CUT, s->cut_bytes);
	rows_set(r, i, ROW_ANOMALY, s->anomalies);
	rows_set(r, i, ROW_CONFLICT, s->conflict_bytes);
	rows_set(r, i, ROW_MATCH, s->matches || r->row[i].stored);
	c->flags[i] |= ROW_RECENT;
}

void rows_set(struct rows *r, uint32_t i, enum row_flag flag, bool on)
{
	uint16_t *flags = &r->col.flags[i];
	uint64_t *count = flag == ROW_FAVORITE ? &r->favorites
			  : flag == ROW_HIDDEN ? &r->hidden
			  : flag == ROW_MATCH  ? &r->matched
					       : NULL;

	if (!!(*flags & flag) == on)
		return;
	*flags = (uint16_t)(*flags ^ flag);
	if (count)
		*count += on ? 1 : (uint64_t)-1;
}
