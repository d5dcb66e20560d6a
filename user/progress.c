/* SPDX-License-Identifier: MIT */
/* progress — see progress.h. */
#include "user/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "user/base/clock.h"

void progress_open(struct progress *p, bool wanted)
{
	*p = (struct progress){.on = wanted && isatty(STDERR_FILENO), .started_ns = clock_ns()};
	p->next_ns = p->started_ns + NS_PER_S;
}

void progress_show(struct progress *p, const struct source *source)
{
	uint64_t now, ns;
	struct source_totals t;
	double seconds, rate;

	if (!p->on)
		return;
	now = clock_ns();
	if (now < p->next_ns)
		return;
	p->next_ns = now + NS_PER_S / 5;
	p->shown = true;
	ns = now - p->started_ns;
	t = source_totals(source);
	seconds = (double)ns / 1e9;
	rate = (double)t.input_bytes / seconds;
	fprintf(stderr, "\r%.1f MB, %llu packets, %.0f MB/s", (double)t.input_bytes / 1e6,
		(unsigned long long)t.packets, rate / 1e6);
	if (t.input_size > t.input_bytes && rate > 0)
		fprintf(stderr, ", %.0f %%, %.0f s left",
			100.0 * (double)t.input_bytes / (double)t.input_size,
			(double)(t.input_size - t.input_bytes) / rate);
	fprintf(stderr, "\033[K");
}

void progress_close(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
}
