/* SPDX-License-Identifier: MIT */
/*
 * view — all that people see, in one place: what workers told, what a person marked, and what of it
 * changed.
 *
 * Owner:   the api thread.
 * Bounds:  those of its parts, from view_conf.
 */
#ifndef USER_VIEW_VIEW_H
#define USER_VIEW_VIEW_H

#include "user/view/deltas.h"
#include "user/view/found.h"
#include "user/view/hide.h"
#include "user/view/order.h"
#include "user/view/page.h"
#include "user/view/profile.h"
#include "user/view/rows.h"
#include "user/view/saved.h"
#include "user/view/timeline.h"

#define VIEW_NOTE      4096U
#define VIEW_FAVORITES 10000U
#define VIEW_PINS      (2 * VIEW_FAVORITES)

struct view_conf {
	uint32_t max_streams, matches_total, matches_per_stream, patterns;
	size_t delta_bytes;   /* a power of two */
	const char *profiles; /* path, or NULL */
};

struct view {
	struct rows rows;
	struct order order[ORDER_COUNT];
	struct found found;
	struct hide hide;
	struct profiles profiles;
	struct deltas deltas;
	struct timeline timeline;
	struct saved *saved;
	uint64_t orphans; /* matches of streams that are not here */
	uint64_t *bits;   /* for a page */
	/* rows that became or no longer are favourites, and their workers do not know it yet */
	uint32_t pin[VIEW_PINS];
	uint32_t pins;
	/* private: what changed since the last delta */
	uint64_t stream[DELTA_ITEMS], match[DELTA_ITEMS];
	uint32_t streams, matches;
};

/* 0, or negative errno after saying why. */
int view_open(struct view *v, const struct view_conf *conf, char *why, size_t size);
void view_close(struct view *v);
/* Marks of earlier runs, and where new ones are saved; path NULL: nowhere.  0 or -ENOMEM. */
int view_use_state(struct view *v, const char *path);

/* A record of a worker's (event/news.h). */
void view_news(struct view *v, const uint8_t *at, size_t n);
/* What changed becomes deltas. */
void view_tell(struct view *v);

/* The page; the order is made where nobody asked for it yet. */
void view_page(struct view *v, const struct page_query *q, struct page *p);
/* The orders that were asked for, made ready while nobody waits. */
void view_tend(struct view *v);

struct view_mark {
	bool set_favorite, set_hidden, set_color, set_note;
	bool favorite, hidden;
	uint8_t color;
	const char *note; /* empty: none */
};

/* 0; -ENOSPC: too many favourites; -EAGAIN: too many pins wait; -ENOMEM. */
int view_mark(struct view *v, uint32_t row, const struct view_mark *m);

/* Rules changed: every row is looked at again. */
void view_rehide(struct view *v);
int view_add_rule(struct view *v, const struct hide_rule *rule, uint32_t *id);
bool view_remove_rule(struct view *v, uint32_t id);
void view_clear_rules(struct view *v);
/* "manual", a rule's label, or empty. */
void view_hidden_reason(const struct view *v, uint32_t row, char out[HIDE_VALUE + 32]);

#endif
