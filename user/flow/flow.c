/* SPDX-License-Identifier: MIT */
/* flow — see flow.h.  Buckets hold {32-bit tag, 32-bit slot}; the tag's low bits are the place,
 * so deletion by back-shift needs no record. */
#include "user/flow/flow.h"

#include <errno.h>
#include <string.h>

#define EMPTY         UINT64_MAX
#define BUCKETS_FIRST 4096U
#define AGE_SHIFT     33 /* 8.6 s: a move touches two cold neighbours, and no timeout is below 30 s */

static void clear_buckets(struct slots *s, uint32_t mask)
{
	slots_populate(s, (mask + 1UL) * sizeof(uint64_t));
	memset(s->base, 0xff, (mask + 1UL) * sizeof(uint64_t));
}

/* Twice the buckets, once they are half full.  The tags say where each entry goes: no record is
 * touched, and a flow pays for two or three moves in all. */
static void grow(struct flow_table *t)
{
	struct slots old = t->buckets;
	uint32_t n = t->mask + 1;

	t->mask = t->mask * 2 + 1;
	t->buckets = t->spare;
	t->bucket = (uint64_t *)t->buckets.base;
	clear_buckets(&t->buckets, t->mask);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry = ((const uint64_t *)old.base)[i];
		uint32_t at = (uint32_t)(entry >> 32) & t->mask;

		if (entry == EMPTY)
			continue;
		while (t->bucket[at] != EMPTY)
			at = (at + 1) & t->mask;
		t->bucket[at] = entry;
	}
	slots_release(&old);
	t->spare = old;
}

int flow_open(struct flow_table *t, const struct flow_conf *conf, struct quota *quota)
{
	uint64_t most = BUCKETS_FIRST;
	int err;

	*t = (struct flow_table){.conf = *conf, .free = FLOW_NONE};
	t->lease = (struct lease){.from = quota, .step = 64};
	while (most < 2ULL * conf->slots)
		most *= 2;
	t->mask = BUCKETS_FIRST - 1;
	err = slots_open(&t->flows, sizeof(struct flow), conf->slots);
	if (err == 0)
		err = slots_open(&t->buckets, sizeof(uint64_t), most);
	if (err == 0)
		err = slots_open(&t->spare, sizeof(uint64_t), most);
	if (err == 0)
		err = slots_open(&t->addresses, sizeof(struct flow_address), conf->slots);
	if (err == 0 && conf->use_domain)
		err = slots_open(&t->domains, sizeof(uint64_t), conf->slots);
	if (err < 0) {
		flow_close(t);
		return err;
	}
	t->flow = (struct flow *)t->flows.base;
	t->bucket = (uint64_t *)t->buckets.base;
	t->domain = (uint64_t *)t->domains.base;
	t->address = (struct flow_address *)t->addresses.base;
	clear_buckets(&t->buckets, t->mask);
	for (int i = 0; i < FLOW_CLASS_COUNT; i++)
		t->age[i].oldest = t->age[i].newest = FLOW_NONE;
	return 0;
}

void flow_close(struct flow_table *t)
{
	slots_close(&t->flows);
	slots_close(&t->buckets);
	slots_close(&t->spare);
	slots_close(&t->domains);
	slots_close(&t->addresses);
}

/* IPv4: the address.  (Loads as wide as the stores before them; wider ones would wait.) */
static uint32_t fold(const uint8_t address[16], bool v6)
{
	uint32_t w[4];

	memcpy(w, address, sizeof(w[0]));
	if (!v6)
		return w[0];
	memcpy(w, address, sizeof(w));
	return w[0] ^ w[1] ^ w[2] ^ w[3];
}

static bool is_flow(const struct flow_table *t, uint32_t slot, const struct flow_key *key,
		    uint32_t lo, uint32_t hi)
{
	const struct flow *f = &t->flow[slot];

	if (f->lo != lo || f->hi != hi || f->lo_port != key->lo_port ||
	    f->hi_port != key->hi_port || f->proto != key->proto || f->v6 != key->v6 ||
	    f->ip_layers != key->ip_layers)
		return false;
	return !f->v6 || (memcmp(t->address[slot].lo, key->lo, 16) == 0 &&
			  memcmp(t->address[slot].hi, key->hi, 16) == 0);
}

void flow_key_at(const struct flow_table *t, uint32_t slot, struct flow_key *key)
{
	const struct flow *f = &t->flow[slot];

	*key = (struct flow_key){.lo_port = f->lo_port,
				 .hi_port = f->hi_port,
				 .proto = f->proto,
				 .v6 = f->v6,
				 .ip_layers = f->ip_layers};
	if (f->v6) {
		memcpy(key->lo, t->address[slot].lo, 16);
		memcpy(key->hi, t->address[slot].hi, 16);
	} else {
		memcpy(key->lo, &f->lo, 4);
		memcpy(key->hi, &f->hi, 4);
	}
}

uint32_t flow_find(const struct flow_table *t, const struct flow_key *key, uint64_t domain,
		   uint64_t hash)
{
	uint32_t at = (uint32_t)hash & t->mask, slot, lo = fold(key->lo, key->v6),
		 hi = fold(key->hi, key->v6);

	for (; t->bucket[at] != EMPTY; at = (at + 1) & t->mask) {
		if (t->bucket[at] >> 32 != (uint32_t)hash)
			continue;
		slot = (uint32_t)t->bucket[at];
		if (is_flow(t, slot, key, lo, hi) && (!t->domain || t->domain[slot] == domain))
			return slot;
	}
	return FLOW_NONE;
}

/* ---- age lists ---- */

static void age_append(struct flow_table *t, uint32_t slot)
{
	struct flow *f = &t->flow[slot];

	f->next = FLOW_NONE;
	f->prev = t->age[f->class].newest;
	if (f->prev == FLOW_NONE)
		t->age[f->class].oldest = slot;
	else
		t->flow[f->prev].next = slot;
	t->age[f->class].newest = slot;
}

static void age_unlink(struct flow_table *t, uint32_t slot)
{
	struct flow *f = &t->flow[slot];

	if (f->prev == FLOW_NONE)
		t->age[f->class].oldest = f->next;
	else
		t->flow[f->prev].next = f->next;
	if (f->next == FLOW_NONE)
		t->age[f->class].newest = f->prev;
	else
		t->flow[f->next].prev = f->prev;
}

void flow_touch(struct flow_table *t, uint32_t slot, uint64_t clock_ns)
{
	struct flow *f = &t->flow[slot];
	bool moved = clock_ns >> AGE_SHIFT != f->last_clock_ns >> AGE_SHIFT;

	f->last_clock_ns = clock_ns;
	if (moved && t->age[f->class].newest != slot) {
		age_unlink(t, slot);
		age_append(t, slot);
	}
}

void flow_set_class(struct flow_table *t, uint32_t slot, enum flow_class class)
{
	if (t->flow[slot].class == class)
		return;
	age_unlink(t, slot);
	t->flow[slot].class = (uint8_t) class;
	age_append(t, slot);
}

uint32_t flow_expired(const struct flow_table *t, uint64_t clock_ns)
{
	for (int i = 0; i < FLOW_CLASS_COUNT; i++)
		if (t->age[i].oldest != FLOW_NONE && flow_stale(t, t->age[i].oldest, clock_ns))
			return t->age[i].oldest;
	return FLOW_NONE;
}

uint32_t flow_victim(const struct flow_table *t)
{
	uint32_t best = t->age[FLOW_TCP_OPENING].oldest;

	if (best != FLOW_NONE)
		return best;
	for (int i = 0; i < FLOW_CLASS_COUNT; i++) {
		uint32_t slot = t->age[i].oldest;

		if (slot != FLOW_NONE && (best == FLOW_NONE || t->flow[slot].last_clock_ns <
								       t->flow[best].last_clock_ns))
			best = slot;
	}
	return best;
}

/* ---- adding and removing ---- */

uint32_t flow_add(struct flow_table *t, const struct flow_key *key, uint64_t domain, uint64_t hash,
		  uint64_t clock_ns)
{
	uint32_t at, slot = t->free;
	struct flow *f;

	if (slot == FLOW_NONE && t->fresh == t->conf.slots)
		return FLOW_NONE;
	if (!lease_charge(&t->lease, 1))
		return FLOW_NONE;
	if (slot != FLOW_NONE) {
		t->free = t->flow[slot].next;
	} else {
		slot = t->fresh++;
		slots_reach(&t->flows, slot);
		if (t->domain)
			slots_reach(&t->domains, slot);
	}
	f = &t->flow[slot];
	*f = (struct flow){.lo = fold(key->lo, key->v6),
			   .hi = fold(key->hi, key->v6),
			   .lo_port = key->lo_port,
			   .hi_port = key->hi_port,
			   .proto = key->proto,
			   .v6 = key->v6,
			   .ip_layers = key->ip_layers,
			   .class = FLOW_OTHER,
			   .live = 1,
			   .last_clock_ns = clock_ns,
			   .tag = (uint32_t)hash};
	if (key->v6) { /* not populated ahead: most captures are IPv4 */
		memcpy(t->address[slot].lo, key->lo, 16);
		memcpy(t->address[slot].hi, key->hi, 16);
	}
	if (t->domain)
		t->domain[slot] = domain;
	age_append(t, slot);
	if (2UL * t->counts.live > t->mask)
		grow(t);
	for (at = (uint32_t)hash & t->mask; t->bucket[at] != EMPTY;)
		at = (at + 1) & t->mask;
	t->bucket[at] = (uint64_t)(uint32_t)hash << 32 | slot;
	t->counts.created++;
	if (++t->counts.live > t->counts.peak)
		t->counts.peak = t->counts.live;
	return slot;
}

static void bucket_remove(struct flow_table *t, uint32_t tag, uint32_t slot)
{
	uint32_t hole = tag & t->mask, at;

	while ((uint32_t)t->bucket[hole] != slot)
		hole = (hole + 1) & t->mask;
	for (at = (hole + 1) & t->mask; t->bucket[at] != EMPTY; at = (at + 1) & t->mask) {
		uint32_t home = (uint32_t)(t->bucket[at] >> 32) & t->mask;

		/* Moves back what could not stand at its home because of the removed one. */
		if (((at - home) & t->mask) >= ((at - hole) & t->mask)) {
			t->bucket[hole] = t->bucket[at];
			hole = at;
		}
	}
	t->bucket[hole] = EMPTY;
}

void flow_remove(struct flow_table *t, uint32_t slot)
{
	bucket_remove(t, t->flow[slot].tag, slot);
	age_unlink(t, slot);
	t->flow[slot].live = 0;
	t->flow[slot].next = t->free;
	t->free = slot;
	lease_return(&t->lease, 1);
	t->counts.ended++;
	t->counts.live--;
}

bool flow_validate(const struct flow_table *t)
{
	uint32_t listed = 0, found = 0;

	for (int i = 0; i < FLOW_CLASS_COUNT; i++) {
		uint32_t prev = FLOW_NONE;

		for (uint32_t s = t->age[i].oldest; s != FLOW_NONE; s = t->flow[s].next) {
			if (t->flow[s].prev != prev || t->flow[s].class != i ||
			    ++listed > t->counts.live)
				return false;
			prev = s;
		}
		if (t->age[i].newest != prev)
			return false;
	}
	for (uint32_t at = 0; at <= t->mask; at++) {
		if (t->bucket[at] == EMPTY)
			continue;
		found++;
		if (t->flow[(uint32_t)t->bucket[at]].tag != t->bucket[at] >> 32)
			return false;
		/* nothing empty between home and place, or it could not be found */
		for (uint32_t p = (uint32_t)(t->bucket[at] >> 32) & t->mask; p != at;
		     p = (p + 1) & t->mask)
			if (t->bucket[p] == EMPTY)
				return false;
	}
	return listed == t->counts.live && found == t->counts.live;
}
