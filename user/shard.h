/* SPDX-License-Identifier: MIT */
/*
 * shard — one worker's data path: the stages, called in order.  Reading shard.c is reading the
 * architecture.
 *
 * Owner:   one worker thread; nobody else looks inside while it runs.
 * Memory:  everything is opened by shard_open; nothing is allocated afterwards.
 */
#ifndef USER_SHARD_H
#define USER_SHARD_H

#include "user/alert.h"
#include "user/archive.h"
#include "user/base/quota.h"
#include "user/conf.h"
#include "user/event/record.h"
#include "user/extract.h"
#include "user/offload.h"
#include "user/sink/sink.h"
#include "user/source/source.h"
#include "user/steer/steer.h"
#include "user/stream/content.h"
#include "user/summary.h"
#include "user/talk.h"
#include "user/watch.h"

#define SHARD_BATCH 64U

/* Where a worker's time goes: X(name). */
#define SHARD_STAGES(X) \
	X(read) X(decode) X(fragments) X(steer) X(prefetch) X(process) X(wait) X(end)

#define STAGE_ENUM(name) STAGE_##name,
enum shard_stage { SHARD_STAGES(STAGE_ENUM) STAGE_COUNT };
#undef STAGE_ENUM

struct shard_counts {
	uint64_t packets; /* handled */
	uint64_t flow_frames, other_frames;
	uint64_t dropped[RM_DROP_MAX];
	uint64_t payload_bytes;
	uint64_t opened, updated;
	/* live capture: frames read from rings, those beyond --max-packets, to and from others */
	uint64_t read, read_bytes, unread, handed_out, handed_in;
	uint64_t ticks[STAGE_COUNT];
};

/* On lines of its own: the end of one is written on every packet, the start of the next is read. */
struct shard {
	_Alignas(128) uint32_t index;
	const struct conf *conf;
	struct source *source;
	struct decode_conf decode_conf;
	struct decoder decoder;
	struct flow_table flows;
	struct tcp tcp;
	struct inventory inventory;
	struct content content;
	struct talk talk;
	struct alerts alerts;
	struct watch watch;
	struct archive archive;
	struct extract extract;
	struct offload offload;
	struct summary summary;
	struct shard_counts counts;
	struct defrag_counts defrag; /* replay: of the fragments that it settled */
	/* records */
	struct sink *sink; /* or NULL */
	struct json json;
	char *buffer;
	size_t record_max;
	/* decode anomalies without a stream, worker 0 only: once per second of packet time */
	struct {
		uint64_t second, pending, last_ns;
		bool told;
	} decode_anomaly[RM_DROP_MAX];
	/* the packet in hand */
	const struct block *block;
	const struct packets *packets;
	uint64_t ns, clock_ns, number;
	uint32_t at; /* its index in the block */
};

/* All that a shard counts, copied out of it. */
struct shard_totals {
	struct shard_counts counts;
	struct decode_counts decode;
	struct flow_counts flow;
	struct tcp_totals tcp;
	struct http1_counts http;
	struct summary summary;
	struct offload_counts offload;
	struct defrag_counts defrag;
	struct archive_counts archive;
	uint64_t http_states_refused, decoders_refused, messages_surplus;
	uint64_t matches, matches_dropped, scanned;
	uint64_t extents, extents_refused, content_kept, content_evicted, evidence_refused;
};

/* What all shards of a run share. */
struct shard_run {
	const struct conf *conf;
	struct source *source;
	struct live *live; /* or NULL */
	struct sink *sink; /* or NULL */
	struct quota *flows, *matches;
	const struct pattern_set *patterns; /* or NULL */
	/* where somebody can ask (archive.h): a channel per shard; or NULL */
	struct channel *news;
	struct ask_desk *desk;
	struct rm_hash_key key;
	uint32_t slots; /* flows per shard */
};

/* 0 or negative errno. */
int shard_open(struct shard *s, const struct shard_run *run, uint32_t index);
void shard_close(struct shard *s);

/* Decodes a block's frames; fragments remain to be settled by decode_fragments, in order. */
struct filter;
void shard_prepare(struct shard *s, struct block *b, struct packets *p, struct filter *filter);

/* Handles n packets of a block: those of `list`, or all where list is NULL. */
void shard_handle(struct shard *s, const struct block *b, const struct packets *p,
		  const uint16_t *list, uint32_t n);

/* Live: nothing more came in until this clock: flows that are idle end, what was found and written
 * is handed on. */
void shard_idle(struct shard *s, uint64_t clock_ns);

void shard_totals(const struct shard *s, struct shard_totals *t);

/* The input has ended: every flow ends, with the final capture clock. */
void shard_finish(struct shard *s, uint64_t clock_ns);

#endif
