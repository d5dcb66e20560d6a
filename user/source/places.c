/* SPDX-License-Identifier: MIT */
/* places — see places.h. */
#include "user/source/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST  (BLOCK_BYTES + FORMAT_MAX_FRAME + 8192U)
#define REACH (BLOCK_BYTES + 8192U) /* mostly enough for the last record */

struct row {
	uint64_t ts_ns;
	uint32_t at, caplen, len, iface; /* at: from the block's start */
};

struct table {
	uint64_t block; /* + 1, 0 = none */
	uint64_t first; /* number of its first packet */
	uint32_t n;
	uint64_t used; /* the clock when it was asked last */
	struct slots rows;
};

struct places {
	const struct source *source;
	struct table table[PLACES_BLOCKS];
	uint64_t clock;
	struct ifaces ifaces; /* of our own: reading again must not describe them anew */
	uint8_t *bytes;
};

int places_open(struct places **out, const struct source *source)
{
	struct places *p;
	int err = 0;

	*out = NULL;
	if (!source_seekable(source))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->source = source;
	p->bytes = malloc(MOST);
	err = p->bytes ? ifaces_open(&p->ifaces) : -ENOMEM;
	for (uint32_t i = 0; i < PLACES_BLOCKS && err == 0; i++)
		err = slots_open(&p->table[i].rows, sizeof(struct row), BLOCK_FRAMES);
	if (err < 0) {
		places_close(p);
		return err;
	}
	*out = p;
	return 0;
}

void places_close(struct places *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < PLACES_BLOCKS; i++)
		slots_close(&p->table[i].rows);
	ifaces_close(&p->ifaces);
	free(p->bytes);
	free(p);
}

/* Hops through the block as the source did. */
static void read_table(struct places *p, struct table *t, uint64_t block)
{
	struct source_mark mark;
	struct format format;
	uint64_t base = block * BLOCK_BYTES, at;
	size_t have;

	t->block = block + 1;
	t->n = 0;
	if (!source_mark(p->source, block, &mark, &format) || mark.at < base ||
	    mark.at >= base + BLOCK_BYTES)
		return;
	t->first = mark.number;
	for (p->ifaces.n = 0; p->ifaces.n < mark.ifaces; p->ifaces.n++) {
		slots_reach(&p->ifaces.mem, p->ifaces.n);
		p->ifaces.row[p->ifaces.n] = *source_iface(p->source, p->ifaces.n);
	}
	have = source_reread(p->source, base, p->bytes, REACH);
	for (at = mark.at - base; at < BLOCK_BYTES && at < have && t->n < BLOCK_FRAMES;) {
		struct record r;
		enum format_got got =
			format_next(&format, &p->ifaces, p->bytes + at, have - at, &r);

		if (got == FORMAT_NEED && have == REACH) {
			have = source_reread(p->source, base, p->bytes, MOST);
			continue;
		}
		if (got != FORMAT_FRAME && got != FORMAT_SKIP)
			return;
		if (got == FORMAT_FRAME) {
			slots_reach(&t->rows, t->n);
			((struct row *)t->rows.base)[t->n++] =
				(struct row){.ts_ns = r.ts_ns,
					     .at = (uint32_t)at + r.at,
					     .caplen = r.caplen,
					     .len = r.len,
					     .iface = r.iface};
		}
		at += r.total;
	}
}

static struct table *table_of(struct places *p, uint64_t block)
{
	struct table *t = &p->table[0];

	for (uint32_t i = 0; i < PLACES_BLOCKS; i++) {
		if (p->table[i].block == block + 1) {
			t = &p->table[i];
			break;
		}
		if (p->table[i].used < t->used)
			t = &p->table[i];
	}
	t->used = ++p->clock;
	if (t->block != block + 1)
		read_table(p, t, block);
	return t;
}

static void tell(const struct table *t, uint32_t i, struct place_packet *out)
{
	const struct row *r = (const struct row *)t->rows.base + i;

	*out = (struct place_packet){.ts_ns = r->ts_ns,
				     .number = t->first + i,
				     .at = (t->block - 1) * BLOCK_BYTES + r->at,
				     .caplen = r->caplen,
				     .len = r->len,
				     .iface = r->iface};
}

bool places_find(struct places *p, uint64_t pos, struct place_packet *out)
{
	uint64_t block = pos / BLOCK_BYTES;

	/* A record lies in the block it begins in, and a large one reaches over the next ones. */
	for (uint32_t back = 0; back <= MOST / BLOCK_BYTES; back++, block--) {
		const struct table *t = table_of(p, block);
		const struct row *row = (const struct row *)t->rows.base;
		uint64_t base = block * BLOCK_BYTES;
		uint32_t lo = 0, hi = t->n;

		while (lo < hi) {
			uint32_t mid = (lo + hi) / 2;

			if (base + row[mid].at <= pos)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo && pos < base + row[lo - 1].at + row[lo - 1].caplen) {
			tell(t, lo - 1, out);
			return true;
		}
		if (lo || block == 0)
			break; /* the last one that begins before it ends before it, too */
	}
	return false;
}
