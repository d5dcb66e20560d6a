/* SPDX-License-Identifier: MIT */
/*
 * flow — the conversations one worker owns: found by key, aged by the capture clock.
 *
 * Owner:   one worker.  Later stages hang their state on the slot, each in its own array.
 * Memory:  reserved for the cap, populated a few slots ahead of use; slots are reused last-in
 *          first-out, so memory follows live flows.
 * Bounds:  conf.slots here, and the run's quota over all workers; flow_add refuses beyond them,
 *          and flow_victim names whom to give up, in constant time.
 * Time:    a flow is stale when the clock at its next packet minus the clock at its last one
 *          exceeds the timeout of its class.  Sweeps follow the same clock: they free only what
 *          is decided already.
 */
#ifndef USER_FLOW_FLOW_H
#define USER_FLOW_FLOW_H

#include "user/base/quota.h"
#include "user/base/slots.h"
#include "user/flow/key.h"

#define FLOW_NONE UINT32_MAX

/* What a flow is, for its idle timeout: X(NAME, seconds). */
#define FLOW_CLASSES(X)                                                               \
	X(TCP_OPENING, 60)                                                            \
	X(TCP_ESTABLISHED, 600) /* real captures pause 372 s inside one connection */ \
	X(TCP_SSH, 1800)                                                              \
	X(TCP_HALF_CLOSED, 600)                                                       \
	X(TCP_CLOSED, 120) /* late segments belong to the old connection */           \
	X(UDP, 60)                                                                    \
	X(UDP_DNS, 30)                                                                \
	X(UDP_QUIC, 600)                                                              \
	X(OTHER, 60)

#define FLOW_CLASS_ENUM(name, seconds) FLOW_##name,
enum flow_class { FLOW_CLASSES(FLOW_CLASS_ENUM) FLOW_CLASS_COUNT };
#undef FLOW_CLASS_ENUM

struct flow_conf {
	uint32_t slots;  /* of this worker */
	bool use_domain; /* --flow-key */
	uint64_t timeout_ns[FLOW_CLASS_COUNT];
};

/* What every packet touches lies in two neighbouring lines: a cache miss costs more than all the
 * work on a packet.  IPv6 addresses are kept apart, `lo` and `hi` are then folded from them. */
#define FLOW_ROOM 24 /* bytes for the stage that describes the flow, in the same line */

struct flow {
	uint32_t lo, hi; /* IPv4 addresses as they lie in the packet */
	uint16_t lo_port, hi_port;
	uint8_t proto, v6, ip_layers;
	uint8_t class;
	uint64_t last_clock_ns;
	uint32_t prev, next; /* private: age list of its class */
	uint32_t tag;        /* private */
	uint8_t live;        /* the slot is in use */
	uint8_t pad[3];
	uint8_t room[FLOW_ROOM];
	/* second line; [0] from the lower endpoint, [1] from the higher */
	uint64_t packets[2], bytes[2], payload_bytes[2];
	uint64_t last_ns, last_number;
};

_Static_assert(sizeof(struct flow) == 128, "two cache lines");

struct flow_counts {
	uint64_t created, ended, evicted, refused;
	uint32_t live, peak;
};

struct flow_address {
	uint8_t lo[16], hi[16];
};

struct flow_table {
	struct flow *flow;
	uint64_t *domain;
	struct flow_counts counts;
	/* private */
	struct slots flows, domains, addresses;
	struct slots buckets, spare; /* the table grows from one into the other */
	struct flow_address *address;
	uint64_t *bucket;
	uint32_t mask, fresh, free;
	struct lease lease;
	struct flow_conf conf;
	struct {
		uint32_t oldest, newest;
	} age[FLOW_CLASS_COUNT];
};

int flow_open(struct flow_table *t, const struct flow_conf *conf, struct quota *quota);
void flow_close(struct flow_table *t);

static inline void flow_prefetch_bucket(const struct flow_table *t, uint64_t hash)
{
	__builtin_prefetch(&t->bucket[hash & t->mask]);
}

/* The slot that probably is the flow's, for prefetching; FLOW_NONE where there is none. */
static inline uint32_t flow_guess(const struct flow_table *t, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & t->mask;

	for (int i = 0; i < 4; i++, at = (at + 1) & t->mask) {
		if (t->bucket[at] == UINT64_MAX)
			return FLOW_NONE;
		if (t->bucket[at] >> 32 == (uint32_t)hash)
			return (uint32_t)t->bucket[at];
	}
	return FLOW_NONE;
}

/* The whole key of a live flow. */
void flow_key_at(const struct flow_table *t, uint32_t slot, struct flow_key *key);

/* The slot, or FLOW_NONE. */
uint32_t flow_find(const struct flow_table *t, const struct flow_key *key, uint64_t domain,
		   uint64_t hash);
/* A new flow that is not in the table yet; FLOW_NONE where a cap refuses it. */
uint32_t flow_add(struct flow_table *t, const struct flow_key *key, uint64_t domain, uint64_t hash,
		  uint64_t clock_ns);
void flow_remove(struct flow_table *t, uint32_t slot);

static inline bool flow_stale(const struct flow_table *t, uint32_t slot, uint64_t clock_ns)
{
	const struct flow *f = &t->flow[slot];

	return clock_ns > f->last_clock_ns &&
	       clock_ns - f->last_clock_ns > t->conf.timeout_ns[f->class];
}

/* A packet of the flow was seen.  The age list is kept to some seconds: moving a flow on every
 * packet costs as much as all the rest.  So a victim is among the oldest, not always the oldest. */
void flow_touch(struct flow_table *t, uint32_t slot, uint64_t clock_ns);
/* The flow is stale at this clock, but stays `more_ns` longer, in its place among the oldest. */
static inline void flow_linger(struct flow_table *t, uint32_t slot, uint64_t clock_ns,
			       uint64_t more_ns)
{
	struct flow *f = &t->flow[slot];

	f->last_clock_ns = clock_ns - t->conf.timeout_ns[f->class] + more_ns;
}
void flow_set_class(struct flow_table *t, uint32_t slot, enum flow_class class);

/* A flow that is stale at this clock, or FLOW_NONE. */
uint32_t flow_expired(const struct flow_table *t, uint64_t clock_ns);
/* Whom to evict: the oldest half-open connection, else the least recently used flow. */
uint32_t flow_victim(const struct flow_table *t);
/* The first live flow at or after `slot`, in the order of memory; FLOW_NONE behind the last. */
static inline uint32_t flow_live(const struct flow_table *t, uint32_t slot)
{
	while (slot < t->fresh && !t->flow[slot].live)
		slot++;
	return slot < t->fresh ? slot : FLOW_NONE;
}

bool flow_validate(const struct flow_table *t);

#endif
