/* SPDX-License-Identifier: MIT */
/*
 * inventory — what people see of a stream: identity, service, kind of content, first bytes.
 *
 * Owner:   one worker.
 * Memory:  24 bytes in the flow's record (conf.room), 64 per slot; previews, hashes, path and
 *          anomaly counts in arrays of their own, touched only where they are wanted.
 * Bounds:  by slots; previews by conf.preview_bytes; evidence by conf.evidence entries per worker
 *          and EVIDENCE_MAX per stream (counted beyond).
 */
#ifndef USER_STREAM_INVENTORY_H
#define USER_STREAM_INVENTORY_H

#include "user/base/anomaly.h"
#include "user/base/slots.h"
#include "user/decode/packet.h"
#include "user/flow/key.h"
#include "user/stream/classify.h"
#include "user/stream/service.h"

#define INVENTORY_ROOM 24U
#define IDENTIFY_STASH 64U /* first bytes kept where a sender dribbles them */
#define EVIDENCE_BYTES 64U
#define EVIDENCE_MAX   64U /* 4 KiB of losing bytes per stream */

enum stream_status {
	STREAM_OPEN,
	STREAM_CLOSING,
	STREAM_CLOSED,
	STREAM_RESET,
	STREAM_TIMEOUT,
	STREAM_EVICTED,
};

enum {
	STREAM_CLIENT_HI = 1 << 0,  /* the higher endpoint is the client, `a` */
	STREAM_HAS_PATH = 1 << 1,   /* VLANs or a tunnel */
	STREAM_HAS_COUNTS = 1 << 2, /* anomaly counts */
	STREAM_HAS_ICMP = 1 << 3,
	STREAM_CUT = 1 << 4, /* snaplen took payload of datagrams */
	STREAM_CLIENT_SURE = 1 << 5,
	STREAM_RESTARTED = 1 << 6, /* another protocol's bytes lie before */
	STREAM_MARKED = 1 << 7,    /* it has changed since the view heard of it */
};

/* What every packet with payload touches: lies in the flow's record. */
struct stream {
	struct classify text[2]; /* [0] from the lower endpoint */
	struct service service;
	uint8_t tries[2]; /* identification attempts left */
	uint8_t stash[2]; /* bytes stashed for it */
	uint8_t flags, icmp_type, icmp_code;
	uint8_t parser; /* which one reads it, 0 = none */
	union {
		uint32_t stash_at; /* until it is identified: entry + 1 of the first bytes kept */
		uint32_t parse_at; /* with a parser: its state */
	};
};

_Static_assert(sizeof(struct stream) == INVENTORY_ROOM, "fits where the flow has room");

/* The rest: opening, ending, oddities. */
struct stream_more {
	uint64_t id, first_ns;
	uint64_t cut_bytes[2]; /* of datagrams, by snaplen */
	uint64_t anomalies;    /* bits that were reported */
	uint32_t ordinal;
	uint32_t evidence; /* newest entry + 1, 0 = none */
	uint16_t iface, evidence_n;
	uint32_t file, file_number;
	uint8_t pad[4];
};

_Static_assert(sizeof(struct stream_more) == 64, "one cache line");

/* What was said at the last stream_open or stream_update; kept only where they are wanted. */
struct stream_told {
	uint64_t packets, bytes;
	struct service service;
	uint8_t status, kind;
	uint8_t pad[2];
};

/* Bytes that lost an overlap, newest first. */
struct evidence {
	uint64_t off, number; /* stream offset; packet that brought the losing or winning copy */
	uint32_t next;        /* + 1, 0 = end */
	uint16_t len;
	uint8_t dir;
	bool loser_is_new;
	uint8_t bytes[EVIDENCE_BYTES];
};

struct inventory_conf {
	uint8_t *room; /* of slot 0, and from one slot to the next */
	size_t room_stride;
	uint32_t slots;
	bool told;              /* stream_open and stream_update are wanted */
	uint32_t preview_bytes; /* 0 where no record shows them */
	bool sha256;
	uint32_t evidence;
	uint32_t stashes; /* streams whose first bytes are still too few to tell */
};

struct preview {
	uint16_t len[2];
	uint8_t bytes[]; /* two runs of conf.preview_bytes */
};

struct inventory {
	struct stream_more *more;
	struct stream_told *told; /* or NULL */
	struct packet_extra *path;
	uint64_t evidence_refused, stash_refused;
	/* private */
	struct inventory_conf conf;
	struct slots mores, tolds, paths, counts, previews, hashes, stashes, evidences;
	uint32_t evidence_free, evidence_fresh; /* + 1, 0 = none */
	uint32_t stash_free, stash_fresh;       /* likewise */
};

static inline struct stream *inventory_at(const struct inventory *v, uint32_t slot)
{
	return (struct stream *)(v->conf.room + slot * v->conf.room_stride);
}

int inventory_open(struct inventory *v, const struct inventory_conf *conf);
void inventory_close(struct inventory *v);

void inventory_start(struct inventory *v, uint32_t slot);
void inventory_end(struct inventory *v, uint32_t slot);
void inventory_set_path(struct inventory *v, uint32_t slot, const struct packet_extra *x);

/* Bytes delivered in order, in direction dir. */
void inventory_feed(struct inventory *v, uint32_t slot, uint8_t dir, const uint8_t *at, size_t len);

/* First bytes of a direction, joined with what was stashed before: what to identify by. */
struct span inventory_first(struct inventory *v, uint32_t slot, uint8_t dir, struct span chunk);
/* What of a direction's first bytes was stashed. */
struct span inventory_stashed(const struct inventory *v, uint32_t slot, uint8_t dir);
/* They were too few: keep them for the next chunk (or give up, where too many wait). */
void inventory_stash(struct inventory *v, uint32_t slot, uint8_t dir, struct span first);

void inventory_anomaly(struct inventory *v, uint32_t slot, enum anomaly a);
uint32_t inventory_anomaly_count(const struct inventory *v, uint32_t slot, enum anomaly a);

void inventory_evidence(struct inventory *v, uint32_t slot, const struct evidence *e);
/* A chain of evidence goes, whose stream may have ended before. */
void inventory_leave_evidence(struct inventory *v, uint32_t entry);
const struct evidence *inventory_evidence_at(const struct inventory *v, uint32_t entry);

/* Identification is over: the kept bytes are let go; they stay readable until the next stash. */
void inventory_settled(struct inventory *v, uint32_t slot);
/* What follows speaks another protocol: identification begins anew. */
void inventory_restart(struct inventory *v, uint32_t slot);

struct span inventory_preview(const struct inventory *v, uint32_t slot, uint8_t dir);
/* False where hashing is off. */
bool inventory_sha256(const struct inventory *v, uint32_t slot, uint8_t dir, uint8_t out[32]);
enum content_kind inventory_kind(const struct inventory *v, uint32_t slot);

#endif
