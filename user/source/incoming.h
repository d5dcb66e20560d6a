/* SPDX-License-Identifier: MIT */
/*
 * incoming — sources that keep coming: watched folders, a file that is followed, peers, interfaces;
 * the frames of whichever has some.
 *
 * Files that are complete are merged by time like those of a replay, among those that are there;
 * of peers, interfaces and growing files each frame comes as it arrives.
 * Owner:   whoever has the source's turn; names by anyone who was handed a frame of the file.
 * Bounds:  incoming_fill returns within INCOMING_WAIT_NS and what one block costs; INCOMING_FILES
 * names of files: beyond them a file is called after its folder.
 */
#ifndef USER_SOURCE_INCOMING_H
#define USER_SOURCE_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/source/input.h"
#include "user/source/intake.h"
#include "user/source/pcap_live.h"

#define INCOMING_WAIT_NS 25000000ULL /* a worker that waits here handles no packets meanwhile */
#define INCOMING_FILES   60000U      /* fewer than rows for their interfaces (IFACE_MAX) */

struct incoming_conf {
	const char *const *folders; /* to watch */
	size_t n_folders;
	const char *const *peers; /* HOST:PORT */
	size_t n_peers;
	const char *const *ifaces;
	size_t n_ifaces;
	struct pcap_live_conf pcap;
	const char *followed; /* a file that grows, or NULL */
	bool follow;          /* files that grow in the folders */
	uint64_t settle_ns;   /* folder.h */
	uint32_t first_file;  /* numbers of files go on from here */
};

struct incoming;

/* 0, or negative errno after a line. */
int incoming_open(struct incoming **out, const struct incoming_conf *conf, struct ifaces *t);
void incoming_close(struct incoming *l);

/* A file that was read before what keeps coming: not to be read again in a folder. */
void incoming_was_read(struct incoming *l, const struct input *in);
/* Adds frames to the block; in->ended where none will come any more. */
void incoming_fill(struct incoming *l, struct ifaces *t, struct intake *in, struct block *b);

/* Frames may be of different files. */
bool incoming_several(const struct incoming *l);
const char *incoming_name(const struct incoming *l, uint32_t file);
bool incoming_trouble(const struct incoming *l);
uint64_t incoming_taken(const struct incoming *l);
/* The sum over the interfaces, read from the kernel now. */
struct source_drops incoming_drops(const struct incoming *l);

#endif
