/* SPDX-License-Identifier: MIT */
/* found — see found.h. */
#include "user/view/found.h"

#include <stdio.h>
#include <string.h>

#include "user/scan/pattern.h"

/* Ends of the matches of a direction, the first and the last one that were told: each scan finds
 * them in order, so what lies between was told, also where it is no longer kept. */
struct told {
	uint64_t first, last; /* last 0: none */
};

/* A pattern in a row. */
struct pair {
	uint32_t row;                /* ROW_NONE: free */
	uint32_t pattern;            /* index */
	uint32_t of_row, of_pattern; /* next; + 1 */
	uint32_t before;             /* of the pattern, the one that names this; + 1 */
	struct told told[2][2];      /* as it came and by rescans; by direction */
};

static struct found_match *match_at(const struct found *f, uint64_t position)
{
	return (struct found_match *)f->ring.base + position % f->conf.total;
}

static struct pair *pair_at(const struct found *f, uint32_t i)
{
	return (struct pair *)f->pairs.base + (i - 1);
}

static struct found_pattern *pattern_of(const struct found *f, uint32_t i)
{
	return (struct found_pattern *)f->patterns.base + i;
}

int found_open(struct found *f, const struct found_conf *conf)
{
	int err;

	*f = (struct found){.conf = *conf};
	err = slots_open(&f->ring, sizeof(struct found_match), conf->total);
	if (err == 0)
		err = slots_open(&f->pairs, sizeof(struct pair), 4UL * conf->total);
	if (err == 0)
		err = slots_open(&f->patterns, sizeof(struct found_pattern), conf->patterns);
	if (err < 0)
		found_close(f);
	return err;
}

void found_close(struct found *f)
{
	slots_close(&f->ring);
	slots_close(&f->pairs);
	slots_close(&f->patterns);
	*f = (struct found){0};
}

/* Few patterns match in a capture: in a row from the first on. */
static uint32_t pattern_place(struct found *f, const struct news_match *m)
{
	struct found_pattern *p;

	for (uint32_t i = 0; i < f->n_patterns; i++)
		if (pattern_of(f, i)->signature == m->signature)
			return i;
	if (f->n_patterns == f->conf.patterns)
		return UINT32_MAX;
	slots_reach(&f->patterns, f->n_patterns);
	p = pattern_of(f, f->n_patterns);
	*p = (struct found_pattern){
		.signature = m->signature, .kind = m->pattern_kind, .ordinal = m->ordinal};
	memcpy(p->name, m->name, m->name_len);
	return f->n_patterns++;
}

static struct pair *pair_of(const struct found *f, const struct rows *rows, uint32_t row,
			    uint32_t pattern)
{
	for (uint32_t i = rows->row[row].pair; i; i = pair_at(f, i)->of_row)
		if (pair_at(f, i)->pattern == pattern)
			return pair_at(f, i);
	return NULL;
}

static void note_told(struct pair *q, const struct news_match *m)
{
	struct told *t = &q->told[m->again][m->a_to_b];

	if (m->decoded)
		return;
	if (!t->last)
		t->first = m->to;
	if (m->to > t->last)
		t->last = m->to;
}

static bool was_told(const struct pair *q, const struct news_match *m)
{
	for (int again = 0; again < 2; again++) {
		const struct told *t = &q->told[again][m->a_to_b];

		if (t->last && t->first <= m->to && m->to <= t->last)
			return true;
	}
	return false;
}

static void count_pair(struct found *f, struct rows *rows, uint32_t row, uint32_t pattern,
		       const struct news_match *m)
{
	struct found_pattern *p = pattern_of(f, pattern);
	struct pair *q = pair_of(f, rows, row, pattern);
	uint32_t i;

	p->matches++;
	if (q) {
		note_told(q, m);
		return;
	}
	if (f->pair_free) {
		i = f->pair_free;
		f->pair_free = pair_at(f, i)->of_row;
	} else if (f->pair_fresh < 4ULL * f->conf.total) {
		slots_reach(&f->pairs, f->pair_fresh);
		i = ++f->pair_fresh;
	} else {
		return;
	}
	q = pair_at(f, i);
	*q = (struct pair){.row = row,
			   .pattern = pattern,
			   .of_row = rows->row[row].pair,
			   .of_pattern = p->pair};
	note_told(q, m);
	if (p->pair)
		pair_at(f, p->pair)->before = i;
	p->pair = i;
	p->streams++;
	rows->row[row].pair = i;
}

static void drop_first(struct found *f, struct rows *rows, uint32_t row)
{
	struct row *r = &rows->row[row];
	struct found_match *m = (struct found_match *)f->ring.base + (r->match_first - 1);

	m->row = ROW_NONE;
	r->match_first = m->next;
	if (!r->match_first)
		r->match_last = 0;
	r->stored--;
}

/* Whether a rescan's was told before: as one that is kept, or perhaps one that is not. */
static bool is_known(const struct found *f, const struct rows *rows, uint32_t row, uint32_t pattern,
		     const struct news_match *m)
{
	const struct pair *q = pattern == UINT32_MAX ? NULL : pair_of(f, rows, row, pattern);
	const struct found_match *k;
	uint32_t cursor = 0;

	if (rows->row[row].lost && q && was_told(q, m))
		return true;
	while ((k = found_next(f, rows, row, &cursor)))
		if (k->m.signature == m->signature && k->m.from == m->from && k->m.to == m->to &&
		    k->m.a_to_b == m->a_to_b && !k->m.decoded)
			return true;
	return false;
}

bool found_add(struct found *f, struct rows *rows, uint32_t row, const struct news_match *m)
{
	struct row *r = &rows->row[row];
	struct found_match *slot;
	uint32_t pattern = pattern_place(f, m), at;

	if (m->again && is_known(f, rows, row, pattern, m))
		return false;
	if (pattern != UINT32_MAX)
		count_pair(f, rows, row, pattern, m);
	f->added++;
	if (f->conf.total == 0 || f->conf.per_stream == 0) {
		f->dropped++;
		return true;
	}
	if (r->stored == f->conf.per_stream) {
		f->dropped++;
		r->lost = true;
		drop_first(f, rows, row);
	}
	if (f->next - f->oldest == f->conf.total) {
		const struct found_match *oldest = match_at(f, f->oldest);

		if (oldest->row != ROW_NONE) { /* it is its stream's oldest */
			f->dropped++;
			rows->row[oldest->row].lost = true;
			drop_first(f, rows, oldest->row);
		}
		f->oldest++;
	}
	at = (uint32_t)(f->next % f->conf.total);
	slots_reach(&f->ring, at);
	slot = match_at(f, f->next++);
	*slot = (struct found_match){.m = *m, .row = row};
	if (r->match_last)
		((struct found_match *)f->ring.base + (r->match_last - 1))->next = at + 1;
	else
		r->match_first = at + 1;
	r->match_last = at + 1;
	r->stored++;
	return true;
}

void found_forget(struct found *f, struct rows *rows, uint32_t row)
{
	struct row *r = &rows->row[row];

	while (r->match_first)
		drop_first(f, rows, row);
	while (r->pair) {
		uint32_t i = r->pair;
		struct pair *q = pair_at(f, i);
		struct found_pattern *p = pattern_of(f, q->pattern);

		if (q->before)
			pair_at(f, q->before)->of_pattern = q->of_pattern;
		else
			p->pair = q->of_pattern;
		if (q->of_pattern)
			pair_at(f, q->of_pattern)->before = q->before;
		p->streams--;
		r->pair = q->of_row;
		*q = (struct pair){.row = ROW_NONE, .of_row = f->pair_free};
		f->pair_free = i;
	}
}

const struct found_match *found_at(const struct found *f, uint64_t position)
{
	const struct found_match *m;

	if (position < f->oldest || position >= f->next)
		return NULL;
	m = match_at(f, position);
	return m->row == ROW_NONE ? NULL : m;
}

const struct found_match *found_next(const struct found *f, const struct rows *rows, uint32_t row,
				     uint32_t *cursor)
{
	const struct found_match *list = (const struct found_match *)f->ring.base;
	uint32_t at = *cursor ? list[*cursor - 1].next : rows->row[row].match_first;

	if (!at)
		return NULL;
	*cursor = at;
	return &list[at - 1];
}

uint32_t found_patterns(const struct found *f)
{
	return f->n_patterns;
}

const struct found_pattern *found_pattern(const struct found *f, uint32_t i)
{
	return pattern_of(f, i);
}

bool found_name_read(struct found_name *name, const char *text, size_t n)
{
	const char *colon = memchr(text, ':', n), *end = text + n, *at = colon ? colon + 1 : text;
	uint64_t number = 0;

	*name = (struct found_name){.kind = -1};
	for (int i = 0; colon && i <= PATTERN_PACK; i++) {
		const char *kind = pattern_kind_name((enum pattern_kind)i);

		if (strlen(kind) == (size_t)(colon - text) && memcmp(kind, text, strlen(kind)) == 0)
			name->kind = i;
	}
	if (at == end || end - at > 10 || (colon && name->kind < 0))
		return false;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		number = number * 10 + (uint64_t)(*at - '0');
	}
	name->number = (uint32_t)number;
	return number <= UINT32_MAX && (colon || number);
}

bool found_is(const struct found_pattern *p, const struct found_name *name)
{
	return name->kind < 0 ? p->signature == name->number
			      : p->kind == name->kind && p->ordinal == name->number;
}

const struct found_pattern *found_named(const struct found *f, const char *id, size_t n)
{
	struct found_name name;

	if (!found_name_read(&name, id, n))
		return NULL;
	for (uint32_t i = 0; i < f->n_patterns; i++)
		if (found_is(pattern_of(f, i), &name))
			return pattern_of(f, i);
	return NULL;
}

const struct found_pattern *found_of_row(const struct found *f, const struct rows *rows,
					 uint32_t row, uint32_t *cursor)
{
	uint32_t at = *cursor ? pair_at(f, *cursor)->of_row : rows->row[row].pair;

	if (!at)
		return NULL;
	*cursor = at;
	return pattern_of(f, pair_at(f, at)->pattern);
}

void found_mark(const struct found *f, const struct found_pattern *p, uint64_t *bits)
{
	for (uint32_t i = p->pair; i; i = pair_at(f, i)->of_pattern)
		bits[pair_at(f, i)->row / 64] |= 1ULL << pair_at(f, i)->row % 64;
}
