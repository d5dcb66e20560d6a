/* SPDX-License-Identifier: MIT */
/* capture — see capture.h. */
#include "user/capture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "user/answer.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/health.h"
#include "user/privileges.h"
#include "user/source/filter.h"
#include "user/source/live.h"
#include "user/steer/handover.h"

#define NS_PER_MS  1000000ULL
#define FLUSH_NS   (100 * NS_PER_MS) /* records are handed on at least this often */
#define GIVEN_NS   (20 * NS_PER_MS)  /* nobody wakes a worker that is given packets: it looks */
#define POLL_MS    50
#define LATE_NS    NS_PER_S /* packets reach a worker within this time, or the rings are too small */
#define CONTROL_NS (20 * NS_PER_MS)

enum phase { PHASE_RUN, PHASE_DRAIN };

struct worker {
	_Alignas(64) struct capture *c; /* no cache line is shared with the next worker */
	uint32_t index;
	pthread_t thread;
	struct block block, given; /* from the rings, from other workers */
	struct packets packets, given_packets;
	struct defrag *defrag;
	struct filter *filter; /* where the kernel cannot run it */
	uint16_t own[LIVE_BATCH];
	uint64_t busy_until_ns, last_flush_ns; /* CLOCK_MONOTONIC */
	uint64_t clock_ns;                     /* of the last packet */
	struct live_pace pace;
	_Atomic bool drained;
};

struct capture {
	struct run *r;
	struct worker *worker;
	uint32_t workers;
	struct handover *handover; /* from * workers + to */
	_Atomic int64_t left;      /* of --max-packets */
	_Atomic int phase;
	struct health *health;
	uint64_t next_look; /* of the main thread */
};

static struct handover *way(const struct capture *c, uint32_t from, uint32_t to)
{
	return &c->handover[from * c->workers + to];
}

/* ---- a worker ---- */

/* What is beyond --max-packets was not read; it is counted all the same. */
static void limit(struct worker *w, struct shard *s)
{
	int64_t n = w->block.n, left;

	if (w->c->r->conf->max_packets == 0 || n == 0)
		return;
	left = atomic_fetch_sub_explicit(&w->c->left, n, memory_order_relaxed);
	if (left > n)
		return;
	if (left < n)
		w->block.n = left > 0 ? (uint32_t)left : 0;
	s->counts.unread += (uint64_t)n - w->block.n;
	source_stop(w->c->r->source);
}

static void dump(struct worker *w, struct shard *s)
{
	for (uint32_t i = 0; i < w->block.n; i++) {
		slots_reach(&w->packets.rows, i);
		w->packets.row[i] = (struct packet){.verdict = VERDICT_OTHER};
		w->own[i] = (uint16_t)i;
	}
	shard_handle(s, &w->block, &w->packets, w->own, w->block.n);
}

/* Own packets into w->own; the others to their owners. */
static uint32_t sort(struct worker *w, struct shard *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->block.n; i++) {
		const struct packet *p = &w->packets.row[i];
		uint32_t owner = w->index;

		if (p->verdict == VERDICT_HELD)
			continue;
		if (p->verdict == VERDICT_FLOW)
			owner = rm_steer(p->hash, w->c->workers);
		if (owner == w->index)
			w->own[n++] = (uint16_t)i;
		else if (handover_give(way(w->c, w->index, owner), &w->block, &w->packets, i))
			s->counts.handed_out += packet_frames(&w->packets, i);
		else
			s->counts.dropped[RM_DROP_HANDOVER] += packet_frames(&w->packets, i);
	}
	return n;
}

/* A batch from the rings; false where there was none. */
static bool take(struct worker *w, struct shard *s)
{
	struct live *live = w->c->r->live;
	uint64_t t0 = clock_ticks(), t1, t2, t3;

	if (live_fill(live, w->index, &w->block) == 0)
		return false;
	limit(w, s);
	s->counts.read += w->block.n;
	for (uint32_t i = 0; i < w->block.n; i++)
		s->counts.read_bytes += w->block.frame[i].len;
	t1 = clock_ticks();
	s->counts.ticks[STAGE_read] += t1 - t0;
	if (s->conf->mode == MODE_DUMP) {
		dump(w, s);
	} else {
		shard_prepare(s, &w->block, &w->packets, w->filter);
		t2 = clock_ticks();
		decode_fragments(&s->decoder, w->defrag, &w->block, &w->packets);
		t3 = clock_ticks();
		s->counts.ticks[STAGE_decode] += t2 - t1;
		s->counts.ticks[STAGE_fragments] += t3 - t2;
		shard_handle(s, &w->block, &w->packets, w->own, sort(w, s));
	}
	if (w->block.n)
		w->clock_ns = w->block.frame[w->block.n - 1].clock_ns;
	live_release(live, w->index);
	return true;
}

/* What other workers hand over. */
static bool receive(struct worker *w, struct shard *s)
{
	bool any = false;

	for (uint32_t from = 0; from < w->c->workers; from++) {
		struct handover *h = way(w->c, from, w->index);
		uint64_t before = h->received;
		uint32_t n = from == w->index ? 0 : handover_take(h, &w->given, &w->given_packets);

		if (n == 0)
			continue;
		any = true;
		s->counts.handed_in += h->received - before;
		shard_handle(s, &w->given, &w->given_packets, NULL, n);
		handover_done(h);
	}
	return any;
}

/* Milliseconds that a worker may sleep: records and rows are not to be older than FLUSH_NS. */
static int until_flush(const struct worker *w, uint64_t now)
{
	uint64_t since = now - w->last_flush_ns;
	int left = since < FLUSH_NS ? (int)((FLUSH_NS - since) / NS_PER_MS) + 1 : 1;

	return left < POLL_MS ? left : POLL_MS;
}

/* Nothing waits: flows that have been idle end, and the worker sleeps. */
static void rest(struct worker *w, struct shard *s, uint64_t now)
{
	uint64_t start = clock_ticks(), idle = clock_wall_ns() - LATE_NS;

	if (now - w->last_flush_ns >= FLUSH_NS) {
		if (idle < w->clock_ns)
			idle = w->clock_ns;
		shard_idle(s, idle);
		w->last_flush_ns = now;
	}
	if (now < w->busy_until_ns)
		nanosleep(&(struct timespec){.tv_nsec = w->pace.pause_ns}, NULL);
	else
		live_wait(w->c->r->live, w->index, until_flush(w, now),
			  w->c->r->api ? w->c->r->desk.way[w->index].wake : -1);
	s->counts.ticks[STAGE_wait] += clock_ticks() - start;
}

static void stay_busy(struct worker *w, uint64_t until_ns)
{
	if (w->busy_until_ns < until_ns)
		w->busy_until_ns = until_ns;
}

static bool all_drained(const struct capture *c)
{
	for (uint32_t i = 0; i < c->workers; i++)
		if (!atomic_load_explicit(&c->worker[i].drained, memory_order_acquire))
			return false;
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct capture *c = w->c;
	struct shard *s = &c->r->shard[w->index];

	w->last_flush_ns = clock_ns();
	for (;;) {
		int phase = atomic_load_explicit(&c->phase, memory_order_acquire);
		bool end = all_drained(c);
		/* What others hand over is mostly older than what waits in the rings. */
		bool given = c->workers > 1 && receive(w, s), any = take(w, s) || given;
		uint64_t now = clock_ns();

		s->defrag = *defrag_counts(w->defrag);
		health_answer(c->health, s);
		answer_look(s, any);
		if (any) {
			stay_busy(w, now + (given ? GIVEN_NS : w->pace.busy_ns));
			if (now - w->last_flush_ns >= FLUSH_NS && phase == PHASE_RUN) {
				shard_idle(s, w->clock_ns);
				w->last_flush_ns = now;
			}
		} else if (phase == PHASE_RUN) {
			rest(w, s, now);
		} else if (end) {
			/* nobody gave anything after all were drained, and here nothing waits */
			break;
		} else {
			atomic_store_explicit(&w->drained, true, memory_order_release);
		}
	}
	defrag_flush(w->defrag);
	if (s->sink)
		sink_patient(s->sink, w->index);
	shard_finish(s, w->clock_ns);
	if (s->archive.on)
		archive_flush(s, true);
	s->defrag = *defrag_counts(w->defrag);
	health_copy(c->r, s);
	return NULL;
}

/* ---- the main thread ---- */

static void interrupted_sleep(uint64_t ns)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
				     .tv_nsec = (long)(ns % NS_PER_S)},
		  NULL);
}

/* What the main thread does from time to time. */
static void chores(struct capture *c, uint64_t now)
{
	if (now >= c->next_look) {
		live_set_clock(c->r->live);
		if (live_look(c->r->live) == 0)
			source_stop(c->r->source);
		c->next_look = now + NS_PER_S;
	}
	health_look(c->health, now);
}

static void control(struct capture *c)
{
	c->next_look = clock_ns() + NS_PER_S;
	while (!source_stopping(c->r->source)) {
		interrupted_sleep(CONTROL_NS);
		chores(c, clock_ns());
		if (c->r->sink && sink_pipe_closed(c->r->sink))
			source_stop(c->r->source);
	}
	live_stop(c->r->live);
	/* A tap's last block comes when its timer ends; a frame may be on its way. */
	interrupted_sleep((c->r->conf->read_timeout_ms + 20) * NS_PER_MS);
	atomic_store_explicit(&c->phase, PHASE_DRAIN, memory_order_release);
}

static int open_worker(struct capture *c, uint32_t i)
{
	struct worker *w = &c->worker[i];
	struct defrag_conf defrag = conf_defrag(c->r->conf, c->workers);
	char why[256];
	int err;

	w->c = c;
	w->index = i;
	w->pace = live_pace(c->r->live, i);
	err = live_block_open(c->r->live, i, &w->block);
	if (err == 0)
		err = packets_open(&w->packets, LIVE_BATCH);
	if (err == 0)
		err = slots_open(&w->given.frames, sizeof(struct frame), HANDOVER_BATCH);
	w->given.frame = (struct frame *)w->given.frames.base;
	w->given.pos = POS_NONE;
	if (err == 0)
		err = packets_open(&w->given_packets, HANDOVER_BATCH);
	if (err == 0)
		err = defrag_open(&w->defrag, &defrag);
	if (err == 0 && c->r->conf->filter && live_filters_in_user(c->r->live))
		err = filter_open(&w->filter, c->r->conf->filter, why, sizeof(why));
	for (uint32_t to = 0; to < c->workers && err == 0; to++)
		err = handover_open(way(c, i, to));
	return err;
}

static void close_workers(struct capture *c)
{
	for (uint32_t i = 0; c->worker && i < c->workers; i++) {
		struct worker *w = &c->worker[i];

		block_close(&w->block);
		block_close(&w->given);
		packets_close(&w->packets);
		packets_close(&w->given_packets);
		defrag_close(w->defrag);
		filter_close(w->filter);
		for (uint32_t to = 0; c->handover && to < c->workers; to++)
			handover_close(way(c, i, to));
	}
	free(c->worker);
	free(c->handover);
}

static int open_workers(struct capture *c)
{
	size_t ways = (size_t)c->workers * c->workers;
	int err = 0;

	c->worker = aligned_alloc(64, c->workers * sizeof(*c->worker));
	c->handover = aligned_alloc(64, ways * sizeof(*c->handover));
	if (!c->worker || !c->handover)
		return -ENOMEM;
	memset(c->worker, 0, c->workers * sizeof(*c->worker));
	memset(c->handover, 0, ways * sizeof(*c->handover));
	for (uint32_t i = 0; i < c->workers && err == 0; i++)
		err = open_worker(c, i);
	return err;
}

static int run_workers(struct capture *c)
{
	uint32_t started = 0;

	for (; started < c->workers; started++)
		if (pthread_create(&c->worker[started].thread, NULL, work, &c->worker[started]))
			break;
	if (started == c->workers) {
		control(c);
	} else {
		log_line("cannot start %u worker threads", c->workers);
		for (uint32_t i = started; i < c->workers; i++)
			atomic_store(&c->worker[i].drained, true);
		atomic_store(&c->phase, PHASE_DRAIN);
	}
	for (uint32_t i = 0; i < started; i++)
		pthread_join(c->worker[i].thread, NULL);
	return started == c->workers ? 0 : -EAGAIN;
}

/* After the drop: better refused now than found out when the first body comes. */
static int check_folder(const struct run *r)
{
	const struct extract *x = &r->shard[0].extract;

	if (!x->on || privileges_can_write(x->folder))
		return 0;
	log_line("--extract-files %s: user %s cannot write there; give it to that user, or name "
		 "another with --user",
		 r->conf->extract, r->conf->user);
	return -EACCES;
}

/* A wrong expression is a mistake of the user's, whoever would run it. */
static int check_filter(const struct conf *conf)
{
	struct filter_code code;
	char why[256];

	if (!conf->filter)
		return 0;
	if (filter_compile(&code, conf->filter, NULL, why, sizeof(why)) < 0) {
		log_line("--capture-filter: %s", why);
		return -EINVAL;
	}
	filter_code_free(&code);
	return 0;
}

int capture_run(struct run *r)
{
	const struct conf *conf = r->conf;
	struct source_conf none = {0};
	struct live_conf live = conf_live(conf);
	struct capture *c = calloc(1, sizeof(*c));
	char others[8192];
	int err = c ? check_filter(conf) : -ENOMEM;

	if (err == 0)
		err = run_source(r, &none);
	if (err < 0) {
		free(c);
		return err;
	}
	c->r = r;
	c->workers = conf->workers;
	atomic_store(&c->left, (int64_t)conf->max_packets);
	live.key = r->key;
	if (r->api && api_others(r->api, others, sizeof(others)))
		live.self = others;
	err = live_open(&r->live, &live, r->source);
	if (err == 0)
		err = run_open(r);
	if (err == 0)
		err = open_workers(c);
	if (err == 0)
		err = health_open(&c->health, r);
	if (err == 0)
		err = privileges_drop(conf->user);
	if (err == 0)
		err = check_folder(r);
	if (err == 0 && r->sink)
		err = sink_start(r->sink);
	if (err == 0 && r->api)
		err = api_start(r->api);
	if (conf->max_seconds)
		alarm((unsigned)conf->max_seconds); /* from now on */
	if (err == 0)
		err = run_workers(c);
	r->ended = true;
	if (err == 0)
		run_sum(r);
	r->ended_ns = clock_ns();
	api_close(r->api);
	r->api = NULL;
	close_workers(c);
	health_close(c->health);
	free(c);
	return err;
}
