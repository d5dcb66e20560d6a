/* SPDX-License-Identifier: MIT */
/* health — see health.h. */
#include "user/health.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/base/clock.h"
#include "user/base/log.h"

#define NS_PER_MS 1000000ULL
#define ANSWER_MS 500

int health_open(struct health **out, struct run *r)
{
	struct health *h = calloc(1, sizeof(*h));
	uint64_t now = clock_ns();

	*out = h;
	if (!h)
		return -ENOMEM;
	h->r = r;
	h->desk = aligned_alloc(64, r->conf->workers * sizeof(*h->desk));
	if (!h->desk)
		return -ENOMEM;
	memset(h->desk, 0, r->conf->workers * sizeof(*h->desk));
	h->before.ns = now;
	h->next_stats = now + r->conf->stats_interval * NS_PER_S;
	h->next_line = now + r->conf->health_ms * NS_PER_MS;
	return 0;
}

void health_close(struct health *h)
{
	if (!h)
		return;
	free(h->desk);
	free(h);
}

void health_copy(struct run *r, const struct shard *s)
{
	shard_totals(s, &r->worker[s->index]);
	for (uint32_t i = 0; i < r->rings; i++)
		live_ring_stats(r->live, s->index, i, &r->ring[s->index * r->rings + i]);
}

void health_answer(struct health *h, const struct shard *s)
{
	struct health_desk *desk = &h->desk[s->index];
	/* pairs with ask(): who asks is through with the copy before */
	uint32_t asked = atomic_load_explicit(&desk->asked, memory_order_acquire);

	if (asked == atomic_load_explicit(&desk->told, memory_order_relaxed))
		return;
	health_copy(h->r, s);
	/* pairs with ask(): the copy is whole */
	atomic_store_explicit(&desk->told, asked, memory_order_release);
}

void health_leave(struct health *h, uint32_t worker)
{
	atomic_store_explicit(&h->desk[worker].gone, true, memory_order_release);
}

/* Copies of all that the workers count; false where one is too busy to answer. */
static bool ask(struct health *h)
{
	uint32_t workers = h->r->conf->workers;

	for (uint32_t i = 0; i < workers; i++) {
		struct health_desk *desk = &h->desk[i];

		/* One that still owes the last answer may be writing it now. */
		if (atomic_load_explicit(&desk->told, memory_order_acquire) ==
		    atomic_load_explicit(&desk->asked, memory_order_relaxed))
			atomic_fetch_add_explicit(&desk->asked, 1, memory_order_release);
	}
	for (uint32_t i = 0; i < workers; i++)
		for (int tries = 0;; tries++) {
			/* pairs with health_answer */
			if (atomic_load_explicit(&h->desk[i].told, memory_order_acquire) ==
				    atomic_load_explicit(&h->desk[i].asked, memory_order_relaxed) ||
			    atomic_load_explicit(&h->desk[i].gone, memory_order_acquire))
				break;
			if (tries == ANSWER_MS)
				return false;
			nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
		}
	return true;
}

static void write_stats(struct health *h)
{
	struct run *r = h->r;
	uint32_t box = r->conf->workers; /* the main thread's */
	size_t len;

	r->ended_ns = clock_ns();
	report_gather(&h->report, r);
	len = report_stats(&h->report, sink_buffer(r->sink, box));
	sink_next(r->sink, box, len);
}

/* One line: what came in since the last, what was lost, and how it is spread over the workers. */
static void say(struct health *h, uint64_t now)
{
	struct run *r = h->r;
	double seconds = (double)(now - h->before.ns) / 1e9;
	uint64_t most = 0, all = 0, lost = report_lost(r);

	for (uint32_t i = 0; i < r->conf->workers; i++) {
		uint64_t n = r->worker[i].counts.packets - h->desk[i].packets;

		h->desk[i].packets = r->worker[i].counts.packets;
		all += n;
		if (n > most)
			most = n;
	}
	log_line("%.0f packets/s, %.1f Mbit/s, %llu lost, busiest worker has %.0f %% of them",
		 (double)(r->totals.packets - h->before.packets) / seconds,
		 (double)(r->totals.bytes - h->before.bytes) * 8 / 1e6 / seconds,
		 (unsigned long long)(lost - h->before.lost),
		 all ? 100.0 * (double)most / (double)all : 0.0);
	h->before.ns = now;
	h->before.packets = r->totals.packets;
	h->before.bytes = r->totals.bytes;
	h->before.lost = lost;
}

void health_look(struct health *h, uint64_t now_ns)
{
	const struct conf *conf = h->r->conf;
	bool stats = conf->stats_interval && h->r->sink && now_ns >= h->next_stats;
	bool line = conf->health_ms && now_ns >= h->next_line;

	if (!stats && !line)
		return;
	if (stats)
		h->next_stats = now_ns + conf->stats_interval * NS_PER_S;
	if (line)
		h->next_line = now_ns + conf->health_ms * NS_PER_MS;
	if (!ask(h)) {
		log_line("a worker is too busy to say how it is");
		return;
	}
	run_sum(h->r);
	if (stats)
		write_stats(h);
	if (line)
		say(h, now_ns);
}
