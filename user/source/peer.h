/* SPDX-License-Identifier: MIT */
/*
 * peer — a capture that comes by TCP ("pcap-over-IP"): pcap or pcapng as in a file, compressed or
 * not, from a host that listens.
 *
 * A connection that is lost is made again after 1 s, then 2 s, up to 30 s; from 1 s anew once it
 * brought a packet.  Each loss and each return is one line.  Nothing here waits: names are resolved
 * in a thread of their own, sockets do not block.
 * Owner:   whoever has the source's turn.
 * Bounds:  one record and 512 KiB of read-ahead per peer; PEER_ADDRESSES addresses of its name are
 *          tried, each for PEER_CONNECT_NS.
 */
#ifndef USER_SOURCE_PEER_H
#define USER_SOURCE_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/source/input.h"

#define PEER_ADDRESSES  16
#define PEER_CONNECT_NS 10000000000ULL
#define PEER_PAUSE_NS   1000000000ULL
#define PEER_PAUSE_MAX  30000000000ULL

struct peer;

/* "HOST:PORT", or "[ADDRESS]:PORT" for IPv6; `file`: its number in the run.  0, or -EINVAL where
 * it reads otherwise. */
int peer_open(struct peer **out, const char *address, uint32_t file);
void peer_close(struct peer *p);

/* Whether it reads like an address. */
bool peer_address_good(const char *address);

const char *peer_name(const struct peer *p);
/* To poll, for `events`; -1 where only time brings it on. */
int peer_fd(const struct peer *p, short *events);

/* Goes on with connecting and reading at this time of the machine.  The reader where it has a
 * frame in its head (to be taken with input_next, then asked again), or NULL. */
struct input *peer_turn(struct peer *p, struct ifaces *t, uint64_t now_ns);
/* The frame was taken; true where there is another. */
bool peer_next(struct peer *p, struct ifaces *t);
uint64_t peer_taken(const struct peer *p);

#endif
