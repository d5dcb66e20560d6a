/* SPDX-License-Identifier: MIT */
/* lines — see lines.h. */
#include "user/parse/lines.h"

#include <string.h>

static uint8_t *buffer_of(const struct lines *l, uint32_t entry)
{
	return l->slots.base + (size_t)(entry - 1) * l->slots.stride;
}

/* A free buffer begins with the number of the next one. */
static uint32_t take(struct lines *l)
{
	uint32_t entry = l->free;

	if (entry)
		memcpy(&l->free, buffer_of(l, entry), sizeof(l->free));
	else if (l->fresh < l->cap)
		entry = ++l->fresh;
	else
		l->refused++;
	return entry;
}

int lines_open(struct lines *l, uint32_t line_bytes, uint32_t buffers)
{
	*l = (struct lines){.line_bytes = line_bytes, .cap = buffers};
	return slots_open(&l->slots, line_bytes, buffers);
}

void lines_close(struct lines *l)
{
	slots_close(&l->slots);
}

/* The line's last bytes push out those that stand at the end of the full buffer. */
static void push(uint8_t *end, const uint8_t *at, size_t n)
{
	if (n > LINE_END) {
		at += n - LINE_END;
		n = LINE_END;
	}
	memmove(end - LINE_END, end - LINE_END + n, LINE_END - n);
	memcpy(end - n, at, n);
}

/* Keeps what fits, one byte short of the buffer: a '\n' must follow. */
static void keep(struct lines *l, struct line_tail *t, const uint8_t *at, size_t n)
{
	size_t room = l->line_bytes - 1 - t->len, fits = n < room ? n : room;

	if (!t->entry && !t->cut)
		t->entry = take(l);
	if (!t->entry) {
		t->cut = 1;
		return;
	}
	memcpy(buffer_of(l, t->entry) + t->len, at, fits);
	t->len = (uint32_t)(t->len + fits) & 0x7fffffff;
	if (n > fits) {
		t->cut = 1;
		push(buffer_of(l, t->entry) + t->len, at + fits, n - fits);
	}
}

bool lines_next(struct lines *l, struct line_tail *t, struct span *in, struct span *line)
{
	static const uint8_t lost[2] = "?\n"; /* not empty: that would mean something */
	const uint8_t *nl = memchr(in->at, '\n', span_len(*in));
	const uint8_t *end = nl ? nl + 1 : in->end;

	if (nl && !t->entry && !t->cut && (size_t)(end - in->at) <= l->line_bytes) {
		*line = (struct span){in->at, end};
		in->at = end;
		return true;
	}
	if (in->at == in->end)
		return false;
	keep(l, t, in->at, (size_t)((nl ? nl : end) - in->at));
	in->at = end;
	if (!nl)
		return false;
	if (!t->entry) {
		*line = span_of(lost, sizeof(lost));
		return true;
	}
	buffer_of(l, t->entry)[t->len] = '\n';
	*line = span_of(buffer_of(l, t->entry), t->len + 1U);
	return true;
}

struct span lines_held(const struct lines *l, const struct line_tail *t)
{
	return t->entry ? span_of(buffer_of(l, t->entry), t->len) : (struct span){0};
}

bool lines_hold(struct lines *l, struct line_tail *t, struct span bytes)
{
	if (span_len(bytes))
		keep(l, t, bytes.at, span_len(bytes));
	return !t->cut;
}

bool lines_done(struct lines *l, struct line_tail *t)
{
	bool cut = t->cut;

	if (t->entry) {
		memcpy(buffer_of(l, t->entry), &l->free, sizeof(l->free));
		l->free = t->entry;
	}
	*t = (struct line_tail){0};
	return cut;
}
