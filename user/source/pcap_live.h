/* SPDX-License-Identifier: MIT */
/*
 * pcap_live — frames from an interface, through libpcap.
 *
 * Owner:   whoever has the source's turn.
 * Memory:  libpcap's ring of `buffer_bytes`.
 * Errors:  opening: a line, and a negative errno.  An interface that disappears is a line, and
 *          ends this source; one that is down is waited for.
 */
#ifndef USER_SOURCE_PCAP_LIVE_H
#define USER_SOURCE_PCAP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/source/format.h"

struct pcap_live_conf {
	const char *filter;    /* a tcpdump expression, or NULL */
	uint32_t snaplen;      /* 0: 262144 */
	uint32_t buffer_bytes; /* 0: what libpcap takes */
	uint32_t timeout_ms;   /* how long the kernel may gather packets; 0: 10 */
	bool promiscuous;
	bool immediate; /* no gathering */
};

/* What became of packets before they came here, since the start. */
struct source_drops {
	uint64_t received; /* seen by the kernel's filter, those dropped included */
	uint64_t dropped;  /* no room in the buffer */
	uint64_t iface_dropped;
};

struct pcap_live;

/* `file`: its number in the run. */
int pcap_live_open(struct pcap_live **out, const char *iface, const struct pcap_live_conf *conf,
		   struct ifaces *t, uint32_t file);
void pcap_live_close(struct pcap_live *p);

/* To poll for reading. */
int pcap_live_fd(const struct pcap_live *p);
/* 1: a frame, its bytes good until the next call; 0: none now; negative errno: no more (said). */
int pcap_live_next(struct pcap_live *p, struct record *r, const uint8_t **frame);
/* Frames given out. */
uint64_t pcap_live_frames(const struct pcap_live *p);
struct source_drops pcap_live_drops(struct pcap_live *p);

/* The link type of files for one of libpcap's handles. */
uint32_t pcap_live_linktype(int dlt);

#endif
