/* SPDX-License-Identifier: MIT */
/*
 * format — capture file formats: where the next record lies and what it says.
 *
 * Classic pcap (both byte orders, µs and ns, the "modified" headers) and pcapng (several sections
 * and interfaces).  Works on bytes in memory; reads nothing itself.
 * Source:  draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 * Owner:   whoever holds the source's turn; rows of `ifaces` never change once they are counted.
 * Bounds:  FORMAT_MAX_FRAME bytes per frame, IFACE_MAX interfaces per run (more are refused and
 *          their packets counted as interface_cap).
 */
#ifndef USER_SOURCE_FORMAT_H
#define USER_SOURCE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/slots.h"

#define FORMAT_MAX_FRAME (1U << 20) /* four times the largest snaplen any tool writes */
#define IFACE_MAX        65534U
#define FORMAT_ROWS      32U
#define IFACE_NONE       65535U /* a packet of an interface that was never described or refused */

/* One capture interface: classic files have one, pcapng sections any number. */
struct iface {
	uint32_t linktype;
	uint32_t file;      /* index of the input file */
	uint64_t ticks_num; /* ns = ticks * num / den, both powers of ten or of two */
	uint64_t ticks_den;
	int64_t offset_s; /* if_tsoffset */
	uint32_t snaplen;
	uint32_t section; /* pcapng: of the run, from 1 */
	char name[36];    /* if_name, or empty */
};

struct ifaces {
	struct slots mem;
	struct iface *row;
	uint32_t n, sections;
	bool share; /* what is described again, as of the same file, is the row it was: a run
		       without end does not run out of them */
};

int ifaces_open(struct ifaces *t);
void ifaces_close(struct ifaces *t);
/* A new row, or IFACE_NONE where all are taken. */
uint32_t ifaces_add(struct ifaces *t, const struct iface *iface);

enum format_got {
	FORMAT_FRAME, /* record.total bytes consumed, a frame in it */
	FORMAT_SKIP,  /* record.total bytes to pass over */
	FORMAT_NEED,  /* call again with at least record.total bytes */
	FORMAT_BAD,   /* record.why: nothing after this can be trusted */
};

struct record {
	uint64_t total;
	uint64_t ts_ns;
	uint32_t at, caplen,
		len; /* the frame: offset from the record's start, captured, on the wire */
	uint32_t iface;
	const char *why;
};

struct format {
	bool ng, swap, ns, modified, swapped_lengths;
	bool in_section; /* pcapng: a section header was seen */
	uint32_t file;
	uint32_t iface; /* classic: row of the one interface; pcapng: row of the section's first */
	uint32_t section;
	bool scattered;            /* files are merged: the section's rows are no neighbours */
	uint16_t row[FORMAT_ROWS]; /* of the section's first interfaces */
	uint32_t n_ifaces;         /* pcapng: interfaces described in this section */
};

/* What the first bytes of a file are.  NEED, SKIP (record.total = file header) or BAD (no capture).
 */
enum format_got format_begin(struct format *f, struct ifaces *t, const uint8_t *p, size_t have,
			     struct record *r);

/* The usual record, without a call: classic pcap in this machine's byte order, all of it in memory,
 * nothing odd.  False: ask format_next. */
static inline bool format_usual(const struct format *f, const uint8_t *p, uint64_t have,
				struct record *r)
{
	uint32_t h[4];

	if (f->ng | f->swap | f->modified | f->swapped_lengths || have < sizeof(h))
		return false;
	__builtin_memcpy(h, p, sizeof(h));
	if (h[2] > FORMAT_MAX_FRAME || have - sizeof(h) < h[2])
		return false;
	r->ts_ns = h[0] * 1000000000ULL + (f->ns ? h[1] : h[1] * 1000ULL);
	r->at = sizeof(h);
	r->caplen = h[2];
	r->len = h[3];
	r->total = sizeof(h) + h[2];
	r->iface = f->iface;
	return true;
}

/* The record at p.  Every byte of it is needed for FRAME, only its header for SKIP. */
enum format_got format_next(struct format *f, struct ifaces *t, const uint8_t *p, size_t have,
			    struct record *r);

#endif
