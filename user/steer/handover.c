/* SPDX-License-Identifier: MIT */
/* handover — see handover.h. */
#include "user/steer/handover.h"

#include <string.h>

#define ALIGN 64U

/* What lies in the ring, the packet's bytes behind it; 0 bytes: go on at the ring's start. */
struct parcel {
	uint32_t bytes; /* with this header, a multiple of ALIGN */
	uint32_t len;
	struct frame frame;
	struct packet packet;
	struct packet_extra extra;
};

static uint32_t parcel_bytes(uint32_t len)
{
	return (uint32_t)(sizeof(struct parcel) + len + ALIGN - 1) & ~(ALIGN - 1);
}

int handover_open(struct handover *h)
{
	memset(h, 0, sizeof(*h));
	return slots_open(&h->mem, 1, HANDOVER_BYTES);
}

void handover_close(struct handover *h)
{
	slots_close(&h->mem);
}

/* The captured bytes from the innermost IP header on. */
static uint32_t bytes_of(const struct frame *f, const struct packet *p)
{
	uint32_t end = p->payload + p->payload_cap, frame_end = f->at + f->caplen;

	if (!(p->flags & PACKET_REBUILT) && end > frame_end)
		end = frame_end;
	return end > p->l3 ? end - p->l3 : 0;
}

/* Room for n bytes in one piece, or NULL. */
static uint8_t *room(struct handover *h, uint32_t n, uint32_t *head)
{
	uint32_t at = *head % HANDOVER_BYTES, left = HANDOVER_BYTES - at;
	uint32_t need = n > left ? left + n : n;

	if (n > HANDOVER_BYTES / 2)
		return NULL;
	if (HANDOVER_BYTES - (*head - h->seen_tail) < need) {
		/* pairs with handover_done: the owner is through with these bytes */
		h->seen_tail = atomic_load_explicit(&h->tail, memory_order_acquire);
		if (HANDOVER_BYTES - (*head - h->seen_tail) < need)
			return NULL;
	}
	if (n > left) {
		((struct parcel *)(h->mem.base + at))->bytes = 0;
		*head += left;
		at = 0;
	}
	*head += n;
	return h->mem.base + at;
}

bool handover_give(struct handover *h, const struct block *b, const struct packets *p, uint32_t i)
{
	const struct frame *f = &b->frame[i];
	const struct packet *row = &p->row[i];
	uint32_t len = bytes_of(f, row), head;
	struct parcel *to;

	head = atomic_load_explicit(&h->head, memory_order_relaxed);
	to = (struct parcel *)room(h, parcel_bytes(len), &head);
	if (!to)
		return false;
	to->bytes = parcel_bytes(len);
	to->len = len;
	to->frame = *f;
	to->packet = *row;
	to->extra = p->extra[row->extra];
	memcpy(to + 1, b->buf + row->l3, len);
	h->given += packet_frames(p, i);
	/* pairs with handover_take: the parcel is written */
	atomic_store_explicit(&h->head, head, memory_order_release);
	return true;
}

/* The parcel as a row of the owner's block. */
static void unpack(const struct handover *h, const struct parcel *from, struct block *b,
		   struct packets *p)
{
	uint32_t at = (uint32_t)((const uint8_t *)(from + 1) - h->mem.base), i = b->n++;
	struct packet *row = &p->row[i];
	struct frame *f = &b->frame[i];

	*f = from->frame;
	f->at = at;
	f->caplen = from->len;
	*row = from->packet;
	row->payload = at + (from->packet.payload - from->packet.l3);
	row->l3 = at;
	if (row->extra) {
		row->extra = (uint16_t)p->n_extra++;
		p->extra[row->extra] = from->extra;
	}
}

uint32_t handover_take(struct handover *h, struct block *b, struct packets *p)
{
	uint32_t tail = atomic_load_explicit(&h->tail, memory_order_relaxed);
	/* pairs with handover_give: the parcels up to here are written */
	uint32_t head = atomic_load_explicit(&h->head, memory_order_acquire);

	b->n = 0;
	b->buf = h->mem.base;
	p->n_extra = 1;
	slots_reach(&b->frames, HANDOVER_BATCH - 1);
	slots_reach(&p->rows, HANDOVER_BATCH - 1);
	slots_reach(&p->extras, HANDOVER_BATCH);
	while (tail != head && b->n < HANDOVER_BATCH) {
		uint32_t at = tail % HANDOVER_BYTES;
		const struct parcel *from = (const struct parcel *)(h->mem.base + at);

		if (from->bytes == 0) {
			tail += HANDOVER_BYTES - at;
			continue;
		}
		unpack(h, from, b, p);
		h->received += packet_frames(p, b->n - 1);
		tail += from->bytes;
	}
	h->taken = tail;
	return b->n;
}

void handover_done(struct handover *h)
{
	/* pairs with room(): our reads are over */
	atomic_store_explicit(&h->tail, h->taken, memory_order_release);
}
