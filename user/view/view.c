/* SPDX-License-Identifier: MIT */
/* view — see view.h. */
#include "user/view/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rules of the file, in their order. */
static void load_rules(struct view *v)
{
	const char *name, *text;
	int64_t cursor = 0;

	while (saved_next(v->saved, "hide_rule", &cursor, &name, &text)) {
		const char *colon = strchr(text, ':');
		struct hide_rule r;
		char kind[32], why[128];

		if (!colon || (size_t)(colon - text) >= sizeof(kind))
			continue;
		snprintf(kind, sizeof(kind), "%.*s", (int)(colon - text), text);
		if (hide_parse(&r, kind, colon + 1, why, sizeof(why)) == 0) {
			r.id = (uint32_t)strtoul(name, NULL, 10);
			hide_add(&v->hide, &r);
		}
	}
}

int view_open(struct view *v, const struct view_conf *conf, char *why, size_t size)
{
	const struct found_conf found = {.total = conf->matches_total,
					 .per_stream = conf->matches_per_stream,
					 .patterns = conf->patterns};
	int err;

	memset(v, 0, sizeof(*v));
	snprintf(why, size, "out of memory");
	err = rows_open(&v->rows, conf->max_streams);
	for (int i = 0; i < ORDER_COUNT && err == 0; i++)
		err = order_open(&v->order[i], &v->rows, (enum order_by)i, conf->max_streams);
	if (err == 0)
		err = found_open(&v->found, &found);
	if (err == 0)
		err = hide_open(&v->hide);
	if (err == 0)
		err = deltas_open(&v->deltas, conf->delta_bytes);
	if (err == 0)
		err = timeline_open(&v->timeline);
	v->bits = calloc(conf->max_streams / 64 + 2UL, sizeof(*v->bits));
	if (err == 0 && !v->bits)
		err = -ENOMEM;
	if (err == 0)
		err = profiles_open(&v->profiles, conf->profiles, why, size);
	return err;
}

int view_use_state(struct view *v, const char *path)
{
	int err = saved_open(&v->saved, path);

	if (err == 0)
		load_rules(v);
	return err;
}

void view_close(struct view *v)
{
	saved_close(v->saved);
	profiles_close(&v->profiles);
	timeline_close(&v->timeline);
	deltas_close(&v->deltas);
	hide_close(&v->hide);
	found_close(&v->found);
	for (int i = 0; i < ORDER_COUNT; i++)
		order_close(&v->order[i]);
	rows_close(&v->rows);
	free(v->bits);
	memset(v, 0, sizeof(*v));
}

/* ---- news ---- */

static void changed(struct view *v, uint64_t id)
{
	if (v->streams && v->stream[v->streams - 1] == id)
		return;
	if (v->streams == DELTA_ITEMS)
		view_tell(v);
	v->stream[v->streams++] = id;
}

void view_tell(struct view *v)
{
	if (v->streams)
		deltas_add(&v->deltas, DELTA_STREAMS, v->stream, v->streams);
	if (v->matches)
		deltas_add(&v->deltas, DELTA_MATCHES, v->match, v->matches);
	v->streams = v->matches = 0;
}

static void make_room(struct view *v)
{
	uint32_t victim = rows_victim(&v->rows);

	if (victim == ROW_NONE)
		return;
	found_forget(&v->found, &v->rows, victim);
	rows_evict(&v->rows, victim);
	for (int i = 0; i < ORDER_COUNT; i++)
		order_drop(&v->order[i], victim);
}

/* Marks of an earlier run. */
static void restore(struct view *v, uint32_t row)
{
	struct saved_stream was;

	if (!saved_stream(v->saved, v->rows.row[row].s.id, &was))
		return;
	if (was.favorite && v->rows.favorites < VIEW_FAVORITES && v->pins < VIEW_PINS) {
		rows_set(&v->rows, row, ROW_FAVORITE, true);
		v->pin[v->pins++] = row;
	}
	rows_set(&v->rows, row, ROW_HIDDEN, was.hidden);
	v->rows.row[row].color = v->rows.col.color[row] = was.color < COLOR_COUNT ? was.color : 0;
	v->rows.row[row].note = was.note ? strdup(was.note) : NULL;
	rows_set(&v->rows, row, ROW_NOTE, v->rows.row[row].note);
}

static void apply_rules(struct view *v, uint32_t row)
{
	struct row *r = &v->rows.row[row];

	r->rule = hide_of(&v->hide, &v->rows, &v->found, row);
	rows_set(&v->rows, row, ROW_RULED, r->rule);
}

static void on_stream(struct view *v, const struct news_stream *s)
{
	uint64_t before[ORDER_COUNT] = {0};
	bool is_new;
	uint32_t row = rows_find(&v->rows, s->id);

	if (row == ROW_NONE)
		make_room(v);
	row = rows_place(&v->rows, s->id, &is_new);
	if (row == ROW_NONE)
		return;
	for (int i = 0; i < ORDER_COUNT && !is_new; i++)
		before[i] = order_key(&v->rows.row[row], (enum order_by)i);
	rows_put(&v->rows, row, s);
	if (is_new)
		restore(v, row);
	apply_rules(v, row);
	for (int i = 0; i < ORDER_COUNT; i++)
		order_change(&v->order[i], row, before[i], is_new);
	changed(v, s->id);
}

static void on_match(struct view *v, const struct news_match *m)
{
	uint32_t row = rows_find(&v->rows, m->stream);
	struct row *r;

	if (row == ROW_NONE) {
		v->orphans++;
		return;
	}
	r = &v->rows.row[row];
	if (!found_add(&v->found, &v->rows, row, m))
		return;
	if (m->again) { /* the stream's own count knows nothing of it */
		uint64_t before = r->s.matches++;

		r->again++;

		order_change(&v->order[ORDER_MATCH_COUNT], row, before, false);
	}
	rows_set(&v->rows, row, ROW_MATCH, true);
	apply_rules(v, row);
	if (v->matches == DELTA_ITEMS)
		view_tell(v);
	v->match[v->matches++] = v->found.next - 1;
	changed(v, r->s.id);
}

void view_news(struct view *v, const uint8_t *at, size_t n)
{
	uint32_t kind = 0;

	memcpy(&kind, at, sizeof(kind));
	(void)n;
	switch ((enum news_kind)kind) {
	case NEWS_STREAM:
		on_stream(v, (const struct news_stream *)at);
		break;
	case NEWS_MATCH:
		on_match(v, (const struct news_match *)at);
		break;
	case NEWS_TIME:
		timeline_add(&v->timeline, (const struct news_time *)at);
		break;
	}
}

/* ---- questions ---- */

void view_page(struct view *v, const struct page_query *q, struct page *p)
{
	order_settle(&v->order[q->by]);
	page_make(p, q, &v->order[q->by], &v->rows, &v->found, v->bits);
}

void view_tend(struct view *v)
{
	for (int i = 0; i < ORDER_COUNT; i++)
		order_settle(&v->order[i]);
}

/* ---- marks ---- */

static void save_marks(struct view *v, uint32_t row)
{
	const struct row *r = &v->rows.row[row];
	const struct saved_stream s = {.favorite = rows_is(&v->rows, row, ROW_FAVORITE),
				       .hidden = rows_is(&v->rows, row, ROW_HIDDEN),
				       .color = r->color,
				       .note = r->note};

	saved_put_stream(v->saved, r->s.id, &s);
}

int view_mark(struct view *v, uint32_t row, const struct view_mark *m)
{
	struct row *r = &v->rows.row[row];
	char *note = NULL;

	if (m->set_favorite && m->favorite && !rows_is(&v->rows, row, ROW_FAVORITE) &&
	    v->rows.favorites >= VIEW_FAVORITES)
		return -ENOSPC;
	if (m->set_favorite && v->pins == VIEW_PINS)
		return -EAGAIN;
	if (m->set_note && m->note[0] && !(note = strdup(m->note)))
		return -ENOMEM;
	if (m->set_favorite) {
		rows_set(&v->rows, row, ROW_FAVORITE, m->favorite);
		v->pin[v->pins++] = row;
	}
	if (m->set_hidden)
		rows_set(&v->rows, row, ROW_HIDDEN, m->hidden);
	if (m->set_color)
		r->color = v->rows.col.color[row] = m->color;
	if (m->set_note) {
		free(r->note);
		r->note = note;
		rows_set(&v->rows, row, ROW_NOTE, note);
	}
	save_marks(v, row);
	changed(v, r->s.id);
	view_tell(v);
	return 0;
}

void view_rehide(struct view *v)
{
	for (uint32_t row = 0; row < v->rows.n; row++) {
		uint16_t before = v->rows.row[row].rule;

		if (!rows_is(&v->rows, row, ROW_LIVE))
			continue;
		apply_rules(v, row);
		if (!before != !v->rows.row[row].rule)
			changed(v, v->rows.row[row].s.id);
	}
	view_tell(v);
	deltas_add(&v->deltas, DELTA_VIEW, NULL, 0);
}

static void save_rule(struct view *v, const struct hide_rule *r)
{
	char name[16], text[HIDE_VALUE + 32];

	snprintf(name, sizeof(name), "%u", r->id);
	snprintf(text, sizeof(text), "%s:%s", hide_kind_name(r->kind), r->value);
	saved_put(v->saved, "hide_rule", name, text);
}

int view_add_rule(struct view *v, const struct hide_rule *rule, uint32_t *id)
{
	uint32_t n = v->hide.n;
	const struct hide_rule *r = hide_add(&v->hide, rule);

	if (!r)
		return -ENOSPC;
	*id = r->id;
	if (v->hide.n > n)
		save_rule(v, r);
	return 0;
}

bool view_remove_rule(struct view *v, uint32_t id)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", id);
	if (!hide_remove(&v->hide, id))
		return false;
	saved_put(v->saved, "hide_rule", name, NULL);
	view_rehide(v);
	return true;
}

void view_clear_rules(struct view *v)
{
	while (v->hide.n) {
		char name[16];

		snprintf(name, sizeof(name), "%u", v->hide.rule[v->hide.n - 1].id);
		saved_put(v->saved, "hide_rule", name, NULL);
		hide_remove(&v->hide, v->hide.rule[v->hide.n - 1].id);
	}
	view_rehide(v);
}

void view_hidden_reason(const struct view *v, uint32_t row, char out[HIDE_VALUE + 32])
{
	const struct row *r = &v->rows.row[row];

	out[0] = 0;
	if (rows_is(&v->rows, row, ROW_HIDDEN))
		snprintf(out, HIDE_VALUE + 32, "manual");
	else if (r->rule)
		hide_label(&v->hide.rule[r->rule - 1], out);
}
