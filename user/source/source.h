/* SPDX-License-Identifier: MIT */
/*
 * source — capture files in, blocks of frames out.
 *
 * One plain file is read by all workers at once: each reads its block at the block's offset, then
 * waits for its turn, finds the frames, and passes the turn on.  A pipe, compressed files and
 * several files are read by whoever has the turn; several files are merged packet by packet where
 * their times overlap, and follow one another in order of their first packet where they do not.
 * What keeps coming (incoming.h) is read behind them; whoever has the turn waits for it, some ms.
 *
 * Threads: source_fill by any worker, each for a block index it alone claimed; indices must be
 *          claimed without holes, and a worker may wait only for smaller ones.
 * Errors:  a missing, foreign, damaged or truncated file is logged once with packet and offset,
 *          and remembered (source_trouble); all whole packets before the fault are delivered.
 */
#ifndef USER_SOURCE_SOURCE_H
#define USER_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/source/block.h"
#include "user/source/intake.h"
#include "user/source/pcap_live.h"

struct source_conf {
	const char *const *paths; /* files, folders, or "-" */
	size_t n_paths;
	uint64_t max_packets; /* 0 = all */
	const char *spool;    /* folder for a copy of what is not a plain file, or NULL */
	/* what keeps coming, until source_stop: read once the files are */
	const char *const *watch; /* folders */
	size_t n_watch;
	bool follow;              /* growing files in these, or a single path */
	const char *const *peers; /* HOST:PORT, by TCP (peer.h) */
	size_t n_peers;
	const char *const *ifaces; /* through libpcap, by `pcap` */
	size_t n_ifaces;
	struct pcap_live_conf pcap;
	uint64_t settle_ns; /* unchanged for so long, a file is complete; 0: 2 s */
};

struct source_totals {
	uint64_t packets, bytes; /* frames, and their length on the wire */
	uint64_t clock_ns;       /* the capture clock at the end */
	uint64_t last_ts_ns;     /* time of the last packet read */
	uint64_t input_bytes;    /* file bytes read */
	uint64_t input_size;     /* of all files; 0 where unknown */
};

struct source;

/* 0 or negative errno.  What cannot be opened is logged and remembered, not an error here: a run
 * over nothing has its records too. */
int source_open(struct source **out, const struct source_conf *conf);
void source_close(struct source *s);

/* Of a source over the same input as another one, which has read further: where both are the one
 * plain file, reading begins shortly before this packet.  The index of the first block. */
uint64_t source_begin_like(struct source *s, const struct source *other, uint64_t number);

/* Reads block b->index; where nothing comes, what keeps coming gives an empty one soon.  After the
 * block with b->last no further index has frames. */
void source_fill(struct source *s, struct block *b);

/* Ends the input at the next block (a signal, a limit). */
void source_stop(struct source *s);
bool source_stopping(const struct source *s);

/* An interface that is captured live: its row, or -ENOSPC. */
int source_add_iface(struct source *s, uint32_t linktype, const char *name);

/* A plain file. */
bool source_seekable(const struct source *s);
/* Blocks have places, whose bytes source_reread gives again: a plain file, or one with a spool. */
bool source_has_places(const struct source *s);
bool source_several(const struct source *s);
const struct iface *source_iface(const struct source *s, uint32_t iface);
const char *source_file_name(const struct source *s, uint32_t file);
uint32_t source_iface_count(const struct source *s);
/* Interfaces described before anything is read: enough to compile a filter for. */
bool source_trouble(const struct source *s);
/* Frames come as they are made: what is in a block is told at once. */
bool source_live(const struct source *s);
/* The same, and it ends when it is stopped. */
bool source_in_real_time(const struct source *s);
/* Of interfaces: a glimpse like the totals, exact after the last block. */
struct source_drops source_drops(const struct source *s);
/* Exact after the last block; before that a glimpse for progress. */
struct source_totals source_totals(const struct source *s);

/* Of the one plain file: where a block's first record begins, and what was known by then. */
struct source_mark {
	uint64_t at;     /* offset in the file; outside the block where no record begins in it */
	uint64_t number; /* of the first packet at or behind it */
	uint32_t ifaces, format;
};

/* Blocks that were read, all without a hole. */
uint64_t source_blocks(const struct source *s);
/* False where the block was not read yet. */
bool source_mark(const struct source *s, uint64_t block, struct source_mark *m, struct format *f);

/*
 * Bytes of the capture again, from where they lay (block.pos + offset): for comparing what was
 * delivered with a later copy.  Returns bytes read, 0 where the file no longer is what it was.
 */
size_t source_reread(const struct source *s, uint64_t pos, uint8_t *dst, size_t n);

#endif
