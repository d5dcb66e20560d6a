/* SPDX-License-Identifier: MIT */
/* merge — see merge.h. */
#include "user/source/merge.h"

#include <errno.h>
#include <stdlib.h>

void merge_close(struct merge *m)
{
	free(m->order);
	*m = (struct merge){0};
}

/* Where times are equal, the file that was named first. */
static bool earlier(const struct input *x, const struct input *y)
{
	if (x->head.ts_ns != y->head.ts_ns)
		return x->head.ts_ns < y->head.ts_ns;
	return x->file < y->file;
}

int merge_add(struct merge *m, struct input *in)
{
	size_t at = m->n;

	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 16;
		struct input **order = realloc(m->order, cap * sizeof(struct input *));

		if (!order)
			return -ENOMEM;
		m->order = order;
		m->cap = cap;
	}
	while (at > m->active && earlier(in, m->order[at - 1])) {
		m->order[at] = m->order[at - 1];
		at--;
	}
	m->order[at] = in;
	m->n++;
	/* A folder may hold thousands: opened again when its time comes. */
	if (in->size && !in->grows && m->n > MERGE_OPEN)
		input_suspend(in);
	return 0;
}

/* The place among the active files of the one whose next packet is the earliest; active: none. */
static size_t earliest(const struct merge *m)
{
	size_t best = m->active;

	for (size_t i = 0; i < m->active; i++) {
		const struct input *in = m->order[i];

		/* One that has ended is picked at once, to leave the list. */
		if (!in->has_head && in->ended)
			return i;
		if (in->has_head && (best == m->active || earlier(in, m->order[best])))
			best = i;
	}
	return best;
}

/* A file's turn has come; it may turn out to be gone meanwhile. */
static void activate(struct merge *m, struct ifaces *t)
{
	struct input *in = m->order[m->active++];

	if (!in->begun && input_begin(in, t, in->file))
		input_next(in, t);
}

/* An active file has no more: it leaves the list. */
static void retire(struct merge *m, size_t at)
{
	m->retired = m->order[at];
	input_end(m->retired);
	m->n--;
	m->active--;
	for (size_t i = at; i < m->n; i++)
		m->order[i] = m->order[i + 1];
}

bool merge_refresh(struct merge *m, struct ifaces *t)
{
	bool all = true;

	for (size_t i = 0; i < m->active; i++) {
		struct input *in = m->order[i];

		if (!in->has_head && !in->ended && !input_next(in, t) && !in->ended)
			all &= in->grows;
	}
	return all;
}

struct input *merge_pick(struct merge *m, struct ifaces *t)
{
	while (!m->retired) {
		size_t best = earliest(m);

		/* The list is sorted by first packets: only the next file can be due. */
		if (m->active < m->n &&
		    (best == m->active || earlier(m->order[m->active], m->order[best]))) {
			activate(m, t);
			best = earliest(m);
		}
		if (best == m->active)
			return NULL;
		if (m->order[best]->has_head)
			return m->order[best];
		retire(m, best);
	}
	return NULL;
}
