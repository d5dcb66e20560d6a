/* SPDX-License-Identifier: MIT */
/* inventory — see inventory.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the low-level calls need no allocation */
#include "user/stream/inventory.h"

#include <openssl/sha.h>
#include <string.h>

#include "user/base/span.h"

static const uint8_t identify_tries = 2;

struct counts {
	uint32_t n[ANOMALY_COUNT];
};

struct hashes {
	SHA256_CTX dir[2];
};

struct stash {
	uint8_t dir[2][IDENTIFY_STASH];
	uint32_t next; /* + 1, of the free list */
};

int inventory_open(struct inventory *v, const struct inventory_conf *conf)
{
	int err;

	*v = (struct inventory){.conf = *conf};
	err = slots_open(&v->mores, sizeof(struct stream_more), conf->slots);
	if (err == 0 && conf->told)
		err = slots_open(&v->tolds, sizeof(struct stream_told), conf->slots);
	if (err == 0)
		err = slots_open(&v->paths, sizeof(struct packet_extra), conf->slots);
	if (err == 0)
		err = slots_open(&v->counts, sizeof(struct counts), conf->slots);
	if (err == 0)
		err = slots_open(&v->stashes, sizeof(struct stash), conf->stashes);
	if (err == 0)
		err = slots_open(&v->evidences, sizeof(struct evidence), conf->evidence);
	if (err == 0 && conf->preview_bytes)
		err = slots_open(&v->previews, sizeof(struct preview) + 2UL * conf->preview_bytes,
				 conf->slots);
	if (err == 0 && conf->sha256)
		err = slots_open(&v->hashes, sizeof(struct hashes), conf->slots);
	if (err < 0) {
		inventory_close(v);
		return err;
	}
	v->more = (struct stream_more *)v->mores.base;
	v->told = (struct stream_told *)v->tolds.base;
	v->path = (struct packet_extra *)v->paths.base;
	return 0;
}

void inventory_close(struct inventory *v)
{
	slots_close(&v->mores);
	slots_close(&v->tolds);
	slots_close(&v->paths);
	slots_close(&v->counts);
	slots_close(&v->stashes);
	slots_close(&v->evidences);
	slots_close(&v->previews);
	slots_close(&v->hashes);
}

static struct counts *counts_of(const struct inventory *v, uint32_t slot)
{
	return (struct counts *)v->counts.base + slot;
}

static struct hashes *hashes_of(const struct inventory *v, uint32_t slot)
{
	return (struct hashes *)v->hashes.base + slot;
}

static struct preview *preview_of(const struct inventory *v, uint32_t slot)
{
	return (struct preview *)(v->previews.base + slot * v->previews.stride);
}

static struct evidence *evidence_of(const struct inventory *v, uint32_t entry)
{
	return (struct evidence *)v->evidences.base + (entry - 1);
}

void inventory_start(struct inventory *v, uint32_t slot)
{
	slots_reach(&v->mores, slot);
	v->more[slot] = (struct stream_more){0};
	*inventory_at(v, slot) = (struct stream){.tries = {identify_tries, identify_tries}};
	if (v->told) {
		slots_reach(&v->tolds, slot);
		v->told[slot] = (struct stream_told){0};
	}
	if (v->conf.preview_bytes) {
		slots_reach(&v->previews, slot);
		preview_of(v, slot)->len[0] = preview_of(v, slot)->len[1] = 0;
	}
	if (v->conf.sha256) {
		slots_reach(&v->hashes, slot);
		SHA256_Init(&hashes_of(v, slot)->dir[0]);
		SHA256_Init(&hashes_of(v, slot)->dir[1]);
	}
}

void inventory_leave_evidence(struct inventory *v, uint32_t entry)
{
	while (entry) {
		struct evidence *e = evidence_of(v, entry);
		uint32_t next = e->next;

		e->next = v->evidence_free;
		v->evidence_free = entry;
		entry = next;
	}
}

void inventory_end(struct inventory *v, uint32_t slot)
{
	inventory_settled(v, slot);
	inventory_leave_evidence(v, v->more[slot].evidence);
}

void inventory_set_path(struct inventory *v, uint32_t slot, const struct packet_extra *x)
{
	if (!x->vlans && !x->tunnel)
		return;
	v->path[slot] = *x;
	inventory_at(v, slot)->flags |= STREAM_HAS_PATH;
}

void inventory_feed(struct inventory *v, uint32_t slot, uint8_t dir, const uint8_t *at, size_t len)
{
	struct stream *s = inventory_at(v, slot);

	classify_feed(&s->text[dir], at, len);
	if (v->conf.preview_bytes) {
		struct preview *p = preview_of(v, slot);
		size_t n = v->conf.preview_bytes - p->len[dir];

		if (n > len)
			n = len;
		memcpy(p->bytes + (size_t)dir * v->conf.preview_bytes + p->len[dir], at, n);
		p->len[dir] = (uint16_t)(p->len[dir] + n);
	}
	if (v->conf.sha256)
		SHA256_Update(&hashes_of(v, slot)->dir[dir], at, len);
}

static struct stash *stash_of(const struct inventory *v, uint32_t entry)
{
	return (struct stash *)v->stashes.base + (entry - 1);
}

static uint32_t stash_take(struct inventory *v)
{
	uint32_t entry = v->stash_free;

	if (entry) {
		v->stash_free = stash_of(v, entry)->next;
	} else if (v->stash_fresh < v->conf.stashes) {
		slots_reach(&v->stashes, v->stash_fresh);
		entry = ++v->stash_fresh;
	}
	return entry;
}

void inventory_settled(struct inventory *v, uint32_t slot)
{
	struct stream *s = inventory_at(v, slot);

	s->tries[0] = s->tries[1] = 0;
	if (s->parser || !s->stash_at)
		return;
	stash_of(v, s->stash_at)->next = v->stash_free;
	v->stash_free = s->stash_at;
	s->stash_at = 0;
}

struct span inventory_first(struct inventory *v, uint32_t slot, uint8_t dir, struct span chunk)
{
	struct stream *s = inventory_at(v, slot);
	size_t n = IDENTIFY_STASH - s->stash[dir];
	uint8_t *stash;

	if (s->stash[dir] == 0)
		return chunk;
	stash = stash_of(v, s->stash_at)->dir[dir];
	if (n > span_len(chunk))
		n = span_len(chunk);
	memcpy(stash + s->stash[dir], chunk.at, n);
	s->stash[dir] = (uint8_t)(s->stash[dir] + n);
	return span_of(stash, s->stash[dir]);
}

struct span inventory_stashed(const struct inventory *v, uint32_t slot, uint8_t dir)
{
	const struct stream *s = inventory_at(v, slot);

	if (s->parser || !s->stash_at || !s->stash[dir])
		return (struct span){0};
	return span_of(stash_of(v, s->stash_at)->dir[dir], s->stash[dir]);
}

void inventory_restart(struct inventory *v, uint32_t slot)
{
	struct stream *s = inventory_at(v, slot);

	s->tries[0] = s->tries[1] = identify_tries;
	s->stash[0] = s->stash[1] = 0;
	s->flags |= STREAM_RESTARTED;
}

void inventory_stash(struct inventory *v, uint32_t slot, uint8_t dir, struct span first)
{
	struct stream *s = inventory_at(v, slot);

	if (s->stash[dir]) /* it is there already */
		return;
	if (!s->stash_at)
		s->stash_at = stash_take(v);
	if (!s->stash_at) {
		v->stash_refused++;
		s->tries[dir] = 0;
		return;
	}
	s->stash[dir] =
		(uint8_t)(span_len(first) < IDENTIFY_STASH ? span_len(first) : IDENTIFY_STASH);
	memcpy(stash_of(v, s->stash_at)->dir[dir], first.at, s->stash[dir]);
}

void inventory_anomaly(struct inventory *v, uint32_t slot, enum anomaly a)
{
	struct stream *s = inventory_at(v, slot);

	if (!(s->flags & STREAM_HAS_COUNTS)) {
		memset(counts_of(v, slot), 0, sizeof(struct counts));
		s->flags |= STREAM_HAS_COUNTS;
	}
	counts_of(v, slot)->n[a]++;
}

uint32_t inventory_anomaly_count(const struct inventory *v, uint32_t slot, enum anomaly a)
{
	return inventory_at(v, slot)->flags & STREAM_HAS_COUNTS ? counts_of(v, slot)->n[a] : 0;
}

void inventory_evidence(struct inventory *v, uint32_t slot, const struct evidence *e)
{
	struct stream_more *s = &v->more[slot];
	uint32_t entry = v->evidence_free;

	if (s->evidence_n == EVIDENCE_MAX ||
	    (entry == 0 && v->evidence_fresh == v->conf.evidence)) {
		v->evidence_refused++;
		return;
	}
	if (entry)
		v->evidence_free = evidence_of(v, entry)->next;
	else
		entry = ++v->evidence_fresh;
	*evidence_of(v, entry) = *e;
	evidence_of(v, entry)->next = s->evidence;
	s->evidence = entry;
	s->evidence_n++;
}

const struct evidence *inventory_evidence_at(const struct inventory *v, uint32_t entry)
{
	return entry ? evidence_of(v, entry) : NULL;
}

struct span inventory_preview(const struct inventory *v, uint32_t slot, uint8_t dir)
{
	const struct preview *p;

	if (!v->conf.preview_bytes)
		return (struct span){0};
	p = preview_of(v, slot);
	return span_of(p->bytes + (size_t)dir * v->conf.preview_bytes, p->len[dir]);
}

bool inventory_sha256(const struct inventory *v, uint32_t slot, uint8_t dir, uint8_t out[32])
{
	SHA256_CTX copy;

	if (!v->conf.sha256)
		return false;
	copy = hashes_of(v, slot)->dir[dir];
	SHA256_Final(out, &copy);
	return true;
}

enum content_kind inventory_kind(const struct inventory *v, uint32_t slot)
{
	const struct stream *s = inventory_at(v, slot);
	enum content_kind kind =
		classify_join(classify_kind(&s->text[0]), classify_kind(&s->text[1]));

	return kind == CONTENT_BINARY && service_is_texty(s->service.name) ? CONTENT_MIXED : kind;
}
