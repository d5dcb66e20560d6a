/* SPDX-License-Identifier: MIT */
/* runs — see runs.h. */
#include "tests/runs.h"

#include <string.h>

static uint64_t number_of(uint32_t row, uint32_t piece)
{
	return 1000000 * (row + 1) + piece;
}

static void on_match(struct scan_host *host, const struct scan_match *m)
{
	struct runs *runs = (struct runs *)host;
	struct run *r = &runs->row[m->row];
	size_t n = m->to - m->from < SCAN_BYTES ? (size_t)(m->to - m->from) : SCAN_BYTES;

	if (r->hits == RUN_HITS || m->from < r->base || m->to > r->base + r->len ||
	    m->from >= m->to || span_len(m->bytes) != n ||
	    memcmp(m->bytes.at, r->text + (m->from - r->base), n) != 0 ||
	    m->ts_ns != 7 * m->number) {
		runs->wrong = true;
		return;
	}
	r->hit[r->hits++] = (struct hit){
		.pattern = (uint32_t)(m->pattern - pattern_at(runs->scan.now.set, 0)),
		.piece = (uint32_t)(m->number - number_of(m->row, 0)),
		.from = m->from - r->base,
		.to = m->to - r->base,
	};
}

/* As far as the run was fed, like the bytes of a stream. */
static size_t fetch(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst, size_t n)
{
	struct runs *runs = (struct runs *)host;
	const struct run *r = &runs->row[row];
	uint64_t at = off - r->base, end = r->piece[r->fed - 1].to;

	if (off < r->base || at >= end) {
		runs->wrong = true;
		return 0;
	}
	n = n < end - at ? n : (size_t)(end - at);
	memcpy(dst, r->text + at, n);
	return n;
}

bool runs_open(struct runs *r, const struct pattern_set *set, struct scan_conf conf, uint64_t total)
{
	r->host = (struct scan_host){on_match, fetch};
	r->total = (struct quota){.left = total};
	r->wrong = false;
	conf.total = &r->total;
	return guard_open(&r->guard, RUN_TEXT) && scan_open(&r->scan, &conf, &r->host) == 0 &&
	       runs_use(r, set);
}

void runs_close(struct runs *r)
{
	scan_close(&r->scan);
	guard_close(&r->guard);
}

bool runs_use(struct runs *r, const struct pattern_set *set)
{
	return scan_use(&r->scan, set) == 0 && scan_retire(&r->scan, UINT32_MAX);
}

void run_set(struct run *r, const void *text, uint32_t len)
{
	r->base = 0;
	r->len = len;
	memcpy(r->text, text, len);
	r->piece[0] = (struct piece){0, len};
	r->pieces = 1;
	r->fed = r->hits = 0;
}

bool runs_feed(struct runs *r, uint32_t row)
{
	struct run *run = &r->row[row];
	const struct piece *p = &run->piece[run->fed];
	uint32_t n = p->to - p->from;
	uint64_t number = number_of(row, run->fed);

	if (run->fed == run->pieces)
		return false;
	run->fed++;
	scan_feed(&r->scan, row, run->base + p->from,
		  span_of(guard_put(&r->guard, run->text + p->from, n), n), 7 * number, number);
	return true;
}

void runs_finish(struct runs *r, uint32_t row)
{
	while (runs_feed(r, row))
		;
	scan_end(&r->scan, row, 7 * number_of(row, r->row[row].fed - 1),
		 number_of(row, r->row[row].fed - 1));
}
