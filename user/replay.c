/* SPDX-License-Identifier: MIT */
/* replay — see replay.h. */
#include "user/replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "user/answer.h"
#include "user/base/backoff.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/health.h"
#include "user/privileges.h"
#include "user/progress.h"
#include "user/source/filter.h"

/* A block on its way through the workers. */
struct station {
	struct block block;
	struct packets packets;
	struct steer_lists lists;
	_Alignas(64) _Atomic uint64_t settled; /* index + 1 once its fragments are settled */
	_Atomic uint64_t ready;                /* index + 1 once its lists are there */
	_Atomic uint32_t passed;               /* owners that are through with it */
};

struct line {
	struct run *r;
	struct station *station;
	uint32_t stations, workers;
	_Atomic uint64_t claim;       /* the next block to prepare */
	_Atomic uint64_t end;         /* index behind the last block, once known */
	struct defrag_counts settled; /* what of the fragments is in some worker's books */
	struct progress *progress;
	struct health *health; /* in real time, else NULL */
	_Atomic uint32_t at_work;
};

struct worker {
	struct line *line;
	uint32_t index; /* of its shard */
	struct filter *filter;
	pthread_t thread;
};

static struct station *station_of(const struct line *l, uint64_t index)
{
	return &l->station[index % l->stations];
}

/* What has happened to fragments since the last time, into a worker's books.  In block order. */
static void note_fragments(struct line *l, struct defrag_counts *to)
{
	const struct defrag_counts *now = defrag_counts(l->r->defrag);

	to->overlaps += now->overlaps - l->settled.overlaps;
	to->conflicts += now->conflicts - l->settled.conflicts;
	to->held += now->held - l->settled.held; /* of all workers together: of one it may wrap */
	for (int i = 0; i < RM_DROP_MAX; i++)
		to->dropped[i] += now->dropped[i] - l->settled.dropped[i];
	l->settled = *now;
}

/* Earlier blocks' fragments must be settled first; those without any pass at once. */
static void settle(struct line *l, struct shard *s, struct station *st)
{
	uint64_t index = st->block.index;

	if (s->decoder.notes) {
		for (uint64_t i = index >= l->stations ? index - l->stations + 1 : 0; i < index;
		     i++) {
			struct backoff wait = {0};

			while (atomic_load_explicit(&station_of(l, i)->settled,
						    memory_order_acquire) < i + 1)
				backoff_wait(&wait);
		}
		decode_fragments(&s->decoder, l->r->defrag, &st->block, &st->packets);
		note_fragments(l, &s->defrag);
	}
	atomic_store_explicit(&st->settled, index + 1, memory_order_release);
}

static void prepare(struct line *l, struct worker *w, uint64_t index)
{
	struct station *st = station_of(l, index);
	struct shard *s = &l->r->shard[w->index];
	uint64_t *ticks = s->counts.ticks, t0 = clock_ticks(), t1, t2, t3, t4;

	st->block.index = index;
	source_fill(l->r->source, &st->block);
	t1 = clock_ticks();
	if (s->conf->mode == MODE_DUMP) {
		for (uint32_t i = 0; i < st->block.n; i++) {
			slots_reach(&st->packets.rows, i);
			st->packets.row[i] = (struct packet){.verdict = VERDICT_OTHER};
		}
	} else {
		shard_prepare(s, &st->block, &st->packets, w->filter);
	}
	t2 = clock_ticks();
	settle(l, s, st);
	t3 = clock_ticks();
	if (l->workers > 1)
		steer_block(&st->lists, st->packets.row, st->block.n);
	t4 = clock_ticks();
	ticks[STAGE_read] += t1 - t0;
	ticks[STAGE_decode] += t2 - t1;
	ticks[STAGE_fragments] += t3 - t2;
	ticks[STAGE_steer] += t4 - t3;
	atomic_store_explicit(&st->passed, 0, memory_order_relaxed);
	if (st->block.last) {
		uint64_t end = atomic_load(&l->end);

		while (index + 1 < end && !atomic_compare_exchange_weak(&l->end, &end, index + 1))
			;
	}
	atomic_store_explicit(&st->ready, index + 1, memory_order_release);
}

/* The capture clock at the end of a block, 0 where it is empty. */
static uint64_t clock_of(const struct station *st)
{
	return st->block.n ? st->block.frame[st->block.n - 1].clock_ns : 0;
}

static void handle(struct line *l, struct shard *s, uint64_t index)
{
	struct station *st = station_of(l, index);
	const uint16_t *list = l->workers > 1 ? st->lists.list[s->index] : NULL;
	uint32_t n = l->workers > 1 ? st->lists.n[s->index] : st->block.n;

	shard_handle(s, &st->block, &st->packets, list, n);
	if (source_live(l->r->source))
		shard_idle(s, st->block.idle_clock_ns ? st->block.idle_clock_ns : clock_of(st));
	atomic_fetch_add_explicit(&st->passed, 1, memory_order_acq_rel);
}

/* Takes the next block number if its station is free: all owners passed the block before. */
static bool claim(struct line *l, uint64_t *index)
{
	uint64_t next = atomic_load_explicit(&l->claim, memory_order_relaxed);
	struct station *st = station_of(l, next);

	if (next >= atomic_load_explicit(&l->end, memory_order_relaxed))
		return false;
	if (next >= l->stations &&
	    (atomic_load_explicit(&st->ready, memory_order_acquire) != next - l->stations + 1 ||
	     atomic_load_explicit(&st->passed, memory_order_acquire) < l->workers))
		return false;
	*index = next;
	return atomic_compare_exchange_strong_explicit(&l->claim, &next, next + 1,
						       memory_order_acq_rel, memory_order_relaxed);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct line *l = w->line;
	struct shard *s = &l->r->shard[w->index];
	struct backoff wait = {0};
	uint64_t mine = 0, index, since = clock_ticks();

	answer_look(s, false); /* saved patterns are to meet the first packet */
	while (mine < atomic_load_explicit(&l->end, memory_order_acquire)) {
		if (atomic_load_explicit(&station_of(l, mine)->ready, memory_order_acquire) ==
		    mine + 1) {
			s->counts.ticks[STAGE_wait] += clock_ticks() - since;
			handle(l, s, mine++);
		} else if (claim(l, &index)) {
			s->counts.ticks[STAGE_wait] += clock_ticks() - since;
			prepare(l, w, index);
		} else {
			answer_look(s, false);
			backoff_wait(&wait);
			continue;
		}
		answer_look(s, true);
		wait.spins = 0;
		if (l->health)
			health_answer(l->health, s);
		if (s->index == 0)
			progress_show(l->progress, l->r->source);
		if (s->sink && sink_pipe_closed(s->sink))
			source_stop(l->r->source);
		since = clock_ticks();
	}
	if (s->sink)
		sink_patient(s->sink, s->index);
	shard_finish(s, source_totals(l->r->source).clock_ns);
	while (s->archive.on && !archive_flush(s, true))
		backoff_wait(&wait);
	health_copy(l->r, s);
	if (l->health)
		health_leave(l->health, w->index);
	atomic_fetch_sub_explicit(&l->at_work, 1, memory_order_release);
	while (l->r->api && !atomic_load_explicit(&l->r->leaving, memory_order_acquire))
		answer_serve(s);
	return NULL;
}

/* ---- setting up ---- */

static int open_stations(struct line *l, bool several)
{
	int err = 0;

	l->station = aligned_alloc(64, l->stations * sizeof(*l->station));
	if (!l->station)
		return -ENOMEM;
	memset(l->station, 0, l->stations * sizeof(*l->station));
	for (uint32_t i = 0; i < l->stations && err == 0; i++) {
		err = block_open(&l->station[i].block, several);
		if (err == 0)
			err = packets_open(&l->station[i].packets, BLOCK_FRAMES);
		if (err == 0 && l->workers > 1)
			err = steer_open(&l->station[i].lists, l->workers, BLOCK_FRAMES);
	}
	return err;
}

static void close_stations(struct line *l)
{
	for (uint32_t i = 0; l->station && i < l->stations; i++) {
		block_close(&l->station[i].block);
		packets_close(&l->station[i].packets);
		steer_close(&l->station[i].lists);
	}
	free(l->station);
}

/* All blocks are handled; the workers answer questions, if anybody asks. */
static void finish(struct line *l)
{
	progress_close(l->progress);
	defrag_flush(l->r->defrag);
	note_fragments(l, &l->r->worker[0].defrag);
	run_ended(l->r);
}

static int run_workers(struct line *l, struct worker *worker)
{
	uint32_t started = 0;

	atomic_store(&l->at_work, l->workers);
	if (l->workers == 1 && !l->health && !l->r->api) {
		work(&worker[0]);
		finish(l);
		return 0;
	}
	for (; started < l->workers; started++)
		if (pthread_create(&worker[started].thread, NULL, work, &worker[started]) != 0)
			break;
	if (started < l->workers) {
		/* Lists of a missing owner would never be passed: nothing was read yet. */
		atomic_store(&l->end, 0);
		log_line("cannot start %u worker threads", l->workers);
	}
	while ((l->health || l->r->api) && started == l->workers &&
	       atomic_load_explicit(&l->at_work, memory_order_acquire)) {
		nanosleep(&(struct timespec){.tv_nsec = l->health ? 20000000 : 2000000}, NULL);
		if (l->health)
			health_look(l->health, clock_ns());
	}
	if (l->r->api && started == l->workers)
		finish(l);
	atomic_store_explicit(&l->r->leaving, true, memory_order_release);
	for (uint32_t w = 0; l->r->api && w < l->workers; w++)
		ask_wake(&l->r->desk, w);
	for (uint32_t w = 0; w < started; w++)
		pthread_join(worker[w].thread, NULL);
	if (!l->r->api && started == l->workers)
		finish(l);
	return started == l->workers ? 0 : -EAGAIN;
}

static int open_filters(const struct conf *conf, struct worker *worker)
{
	char why[256];

	for (uint32_t w = 0; conf->filter && w < conf->workers; w++)
		if (filter_open(&worker[w].filter, conf->filter, why, sizeof(why)) < 0) {
			log_line("--capture-filter: %s", why);
			return -EINVAL;
		}
	return 0;
}

int replay_run(struct run *r)
{
	const struct conf *conf = r->conf;
	struct source_conf source = {.paths = conf->pcap.at,
				     .n_paths = conf->pcap.n,
				     .max_packets = conf->max_packets,
				     .spool = conf->spool,
				     .watch = conf->watch.at,
				     .n_watch = conf->watch.n,
				     .follow = conf->follow_file,
				     .peers = conf->peers.at,
				     .n_peers = conf->peers.n,
				     .ifaces = conf->ifaces.at,
				     .n_ifaces = conf->ifaces.n,
				     .pcap = conf_pcap_live(conf)};
	struct defrag_conf defrag = conf_defrag(conf, 1);
	struct line line = {.r = r, .workers = conf->workers, .end = UINT64_MAX};
	struct worker *worker = calloc(conf->workers, sizeof(*worker));
	struct progress progress;
	char filter[16384], others[8192];
	int err;

	if (conf->ifaces.n && r->api && api_others(r->api, others, sizeof(others))) {
		snprintf(filter, sizeof(filter), conf->filter ? "(%s) and (%s)" : "%s", others,
			 conf->filter);
		source.pcap.filter = filter;
	}
	if (!worker)
		return -ENOMEM;
	for (uint32_t w = 0; w < conf->workers; w++)
		worker[w] = (struct worker){.line = &line, .index = w};
	err = conf->ifaces.n ? 0 : open_filters(conf, worker); /* libpcap has its own */
	if (err == 0)
		err = run_source(r, &source);
	if (err == 0)
		err = run_open(r);
	if (err == 0)
		err = defrag_open(&r->defrag, &defrag);
	if (err == 0 && conf->ifaces.n)
		err = privileges_drop(conf->user);
	if (err == 0 && r->sink)
		err = sink_start(r->sink);
	line.stations = conf->workers == 1 ? 1 : 2 * conf->workers;
	if (conf->workers > 1 && conf->worker_queue / 1024 * conf->workers > line.stations)
		line.stations = (uint32_t)(conf->worker_queue / 1024) * conf->workers;
	if (line.stations > 64)
		line.stations = 64;
	if (err == 0)
		err = open_stations(&line, source_several(r->source));
	if (err == 0 && source_in_real_time(r->source))
		err = health_open(&line.health, r);
	progress_open(&progress, !conf->no_progress);
	line.progress = &progress;
	if (conf->ifaces.n && conf->max_seconds)
		alarm((unsigned)conf->max_seconds); /* from now on */
	if (err == 0 && r->api)
		err = api_start(r->api);
	if (err == 0)
		err = run_workers(&line, worker);
	if (err < 0)
		progress_close(&progress);
	for (uint32_t w = 0; w < conf->workers; w++)
		filter_close(worker[w].filter);
	close_stations(&line);
	health_close(line.health);
	free(worker);
	return err;
}
