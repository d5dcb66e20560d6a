/* SPDX-License-Identifier: MIT */
/* rescan — see rescan.h. */
#include "user/scan/rescan.h"

static struct rescan *rescan_of(struct scan_host *host)
{
	return (struct rescan *)((char *)host - offsetof(struct rescan, host));
}

static void on_match(struct scan_host *host, const struct scan_match *m)
{
	struct rescan *r = rescan_of(host);

	r->out->match(r->out, m);
}

static size_t fetch(struct scan_host *host, uint32_t row, uint64_t off, uint8_t *dst, size_t n)
{
	struct rescan *r = rescan_of(host);

	return content_read(r->content, &r->view, (uint8_t)row, off, dst, n);
}

int rescan_open(struct rescan *r, const struct scan_conf *conf, const struct pattern_set *set,
		const struct content *content, struct scan_host *host)
{
	struct scan_conf own = *conf;
	int err;

	own.rows = 2;
	r->out = host;
	r->content = content;
	r->host = (struct scan_host){.match = on_match, .fetch = fetch};
	r->dir = 2;
	err = scan_open(&r->scan, &own, &r->host);
	return err < 0 ? err : scan_use(&r->scan, set);
}

void rescan_close(struct rescan *r)
{
	scan_close(&r->scan);
}

void rescan_begin(struct rescan *r, const struct content_view *view)
{
	if (r->dir < 2) { /* the one before was not finished */
		scan_end(&r->scan, 0, 0, 0);
		scan_end(&r->scan, 1, 0, 0);
	}
	r->view = *view;
	r->dir = 0;
	r->at = 0;
}

static uint64_t scan_segment(struct rescan *r, const struct content_segment *g)
{
	for (uint64_t done = 0; done < g->len;) {
		size_t n = content_load(r->content, g, done, r->bytes, sizeof(r->bytes));

		if (n == 0)
			break; /* a hole, or gone */
		scan_feed(&r->scan, r->dir, g->off + done, span_of(r->bytes, n), 0, 0);
		done += n;
	}
	r->at = g->off + g->len;
	return g->len;
}

bool rescan_step(struct rescan *r, uint64_t bytes)
{
	uint64_t done = 0;

	while (r->dir < 2 && done < bytes) {
		size_t n = content_find(r->content, &r->view, r->dir,
					(struct content_range){r->at, UINT64_MAX}, r->found,
					RESCAN_SEGMENTS);

		if (n == 0) {
			scan_end(&r->scan, r->dir++, 0, 0);
			r->at = 0;
		}
		for (size_t i = 0; i < n && i < RESCAN_SEGMENTS && done < bytes; i++)
			done += scan_segment(r, &r->found[i]);
	}
	return r->dir == 2;
}
