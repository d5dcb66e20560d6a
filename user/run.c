/* SPDX-License-Identifier: MIT */
/* run — see run.h. */
#include "user/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/api.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/event/record_http.h"
#include "user/source/live.h"

static void make_key(const struct conf *conf, struct rm_hash_key *key)
{
	uint64_t x = conf->seed;

	if (x == 0 && getrandom(key, sizeof(*key), 0) == sizeof(*key))
		return;
	for (int i = 0; i < 10; i++) { /* splitmix64 */
		uint64_t z = x += 0x9e3779b97f4a7c15ULL;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		key->word[i] = z ^ (z >> 31);
	}
}

/* A small capture cannot hold more flows than packets: small tables then. */
static uint32_t slots_for(const struct conf *conf, const struct source *source)
{
	uint64_t size = source_totals(source).input_size;
	uint64_t flows = conf->max_flows, most = size / 32 + 64;

	if (size && source_seekable(source) && most < flows)
		flows = most;
	/* The hash splits evenly but not exactly; the quota keeps the sum. */
	if (conf->workers > 1)
		flows = flows / conf->workers + flows / conf->workers / 4 + 64;
	return flows < UINT32_MAX / 2 ? (uint32_t)flows : UINT32_MAX / 2;
}

static int open_sink(struct run *r)
{
	const struct conf *conf = r->conf;
	bool real_time = r->live || source_in_real_time(r->source);
	size_t record = record_max((uint32_t)conf->preview_bytes);
	struct sink_conf s = {
		.path = conf->output,
		.append = conf->append,
		/* In live capture a slow disk must not hold a worker up, and the main thread writes
		   too. */
		.threads = conf->workers > 1 || real_time,
		.live = conf->ifaces.n,
		.rotates = real_time,
		.workers = conf->workers + (real_time ? 1 : 0),
		.buffers = 2 + (uint32_t)(conf->event_queue / 512),
	};
	int err;

	if (!conf->output)
		return 0;
	if (conf->mode == MODE_DUMP)
		record += FORMAT_MAX_FRAME / 3 * 4 + 8;
	s.buffer_bytes = 2 * record > RECORD_HTTP_MAX ? 2 * record : RECORD_HTTP_MAX;
	/* Nobody waits in real time: a burst of records needs the room. */
	if (s.buffers > RING_SIZE || real_time)
		s.buffers = RING_SIZE;
	err = sink_open(&r->sink, &s);
	if (err < 0)
		log_line("--output %s: %s", conf->output,
			 strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
	return err;
}

static int open_shards(struct run *r)
{
	const struct conf *conf = r->conf;
	struct shard_run run = {.conf = conf,
				.source = r->source,
				.live = r->live,
				.sink = r->sink,
				.flows = &r->flows,
				.matches = &r->matches,
				.patterns = r->patterns,
				.news = r->news,
				.desk = r->api ? &r->desk : NULL,
				.key = r->key,
				.slots = slots_for(conf, r->source)};
	int err = 0;

	r->shard = aligned_alloc(128, conf->workers * sizeof(*r->shard));
	if (!r->shard)
		return -ENOMEM;
	memset(r->shard, 0, conf->workers * sizeof(*r->shard));
	for (uint32_t w = 0; w < conf->workers && err == 0; w++)
		err = shard_open(&r->shard[w], &run, w);
	return err;
}

int run_begin(struct run *r, const struct conf *conf)
{
	*r = (struct run){.conf = conf, .started_ns = clock_ns(), .started_ticks = clock_ticks()};
	r->flows.left = conf->max_flows;
	r->matches.left = conf->matches_total;
	make_key(conf, &r->key);
	return conf_patterns(conf, &r->patterns) ? -EINVAL : 0;
}

int run_source(struct run *r, const struct source_conf *conf)
{
	int err = source_open(&r->source, conf);

	if (err == 0 && r->stopping)
		source_stop(r->source);
	return err;
}

/* Ways between the workers and the API. */
static int open_desk(struct run *r)
{
	uint32_t n = r->conf->workers;
	int err;

	if (!r->api)
		return 0;
	r->news = aligned_alloc(64, n * sizeof(*r->news));
	if (!r->news)
		return -ENOMEM;
	memset(r->news, 0, n * sizeof(*r->news));
	err = ask_open(&r->desk, n);
	for (uint32_t w = 0; w < n && err == 0; w++)
		err = channel_open(&r->news[w], 16UL << 20); /* 60,000 rows */
	return err;
}

int run_open(struct run *r)
{
	int err = open_sink(r);

	if (err == 0)
		err = open_desk(r);
	if (err < 0)
		return err;
	r->rings = r->live ? live_rings(r->live) : 0;
	r->worker = calloc(r->conf->workers, sizeof(*r->worker));
	r->ring = calloc(r->conf->workers * r->rings + 1, sizeof(*r->ring));
	return r->worker && r->ring ? open_shards(r) : -ENOMEM;
}

void run_ended(struct run *r)
{
	r->ended = true;
	r->ended_ns = clock_ns();
	run_sum(r);
	if (!r->api)
		return;
	r->status = r->report(r);
	api_ended(r->api);
	while (!r->stopping)
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

void run_sum(struct run *r)
{
	if (!r->live) {
		r->totals = source_totals(r->source);
		return;
	}
	r->totals = (struct source_totals){.last_ts_ns = clock_wall_ns()};
	for (uint32_t i = 0; i < r->conf->workers; i++) {
		r->totals.packets += r->worker[i].counts.read;
		r->totals.bytes += r->worker[i].counts.read_bytes;
	}
}

void run_close(struct run *r)
{
	for (uint32_t w = 0; r->shard && w < r->conf->workers; w++)
		shard_close(&r->shard[w]);
	ask_close(&r->desk);
	for (uint32_t w = 0; r->news && w < r->conf->workers; w++)
		channel_close(&r->news[w]);
	free(r->news);
	free(r->shard);
	free(r->worker);
	free(r->ring);
	defrag_close(r->defrag);
	pattern_set_free(r->patterns);
	pattern_set_free(r->later[0]);
	pattern_set_free(r->later[1]);
	sink_close(r->sink);
	live_close(r->live);
	source_close(r->source);
}

void run_interrupt(struct run *r, bool trouble)
{
	r->interrupted |= trouble && !r->ended;
	r->stopping = true;
	if (r->source)
		source_stop(r->source);
}
