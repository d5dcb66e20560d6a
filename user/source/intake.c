/* SPDX-License-Identifier: MIT */
/* intake — see intake.h. */
#include "user/source/intake.h"

#include <string.h>

#define HOUR_NS 3600000000000ULL

uint64_t capture_clock_step(struct capture_clock *c, uint64_t ts_ns)
{
	/* A first packet more than an hour ahead of the second was the odd one. */
	if (c->seen == 0 || (c->seen == 1 && ts_ns < c->now_ns && c->now_ns - ts_ns > HOUR_NS)) {
		c->seen++;
		c->now_ns = ts_ns;
		return ts_ns;
	}
	c->seen++;
	c->confirmed = false;
	if (ts_ns <= c->now_ns) {
		c->pending_ns = 0;
	} else if (ts_ns - c->now_ns <= HOUR_NS) {
		c->now_ns = ts_ns;
		c->pending_ns = 0;
	} else if (c->pending_ns) {
		c->now_ns = ts_ns < c->pending_ns ? ts_ns : c->pending_ns;
		c->pending_ns = 0;
		c->confirmed = true;
	} else {
		c->pending_ns = ts_ns;
	}
	return c->now_ns;
}

uint64_t capture_clock_step_after(struct capture_clock *c, uint64_t ts_ns, uint64_t passed_ns)
{
	if (c->seen && !c->pending_ns && ts_ns > c->now_ns && ts_ns - c->now_ns > HOUR_NS &&
	    ts_ns - c->now_ns - HOUR_NS <= passed_ns) {
		c->seen++;
		c->confirmed = false;
		c->now_ns = ts_ns;
		return ts_ns;
	}
	return capture_clock_step(c, ts_ns);
}

static void put(struct block *b, const struct record *r, const uint8_t *frame, uint64_t number)
{
	memcpy(b->buf + b->fill, frame, r->caplen);
	if (b->file_number) {
		slots_reach(&b->numbers, b->n);
		b->file_number[b->n] = (uint32_t)number;
	}
}

void intake_copy(struct intake *in, struct block *b, const struct record *r, const uint8_t *frame,
		 uint64_t number)
{
	put(b, r, frame, number);
	intake_push(in, b, r, b->fill);
	b->fill += r->caplen;
}

void intake_copy_after(struct intake *in, struct block *b, const struct record *r,
		       const uint8_t *frame, uint64_t number, uint64_t passed_ns)
{
	put(b, r, frame, number);
	intake_add(in, b, r, b->fill, capture_clock_step_after(&in->clock, r->ts_ns, passed_ns));
	b->fill += r->caplen;
}
