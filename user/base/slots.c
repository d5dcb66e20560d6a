/* SPDX-License-Identifier: MIT */
/* slots — see slots.h. */
#include "user/base/slots.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; Debian 12's headers may lack it */
#endif
#define PAGE ((size_t)4096)

int slots_open(struct slots *s, size_t stride, size_t cap)
{
	size_t bytes = (stride * cap + PAGE - 1) & ~(PAGE - 1);
	uint8_t *base;

	*s = (struct slots){.stride = stride, .bytes = bytes};
	base = mmap(NULL, bytes ? bytes : PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	/* Huge pages make a first touch several times dearer, and memory follow the cap. */
	madvise(base, s->bytes, MADV_NOHUGEPAGE);
	s->base = base;
	return 0;
}

void slots_close(struct slots *s)
{
	if (s->base)
		munmap(s->base, s->bytes ? s->bytes : PAGE);
	*s = (struct slots){0};
}

void slots_release(struct slots *s)
{
	madvise(s->base, s->ready, MADV_DONTNEED);
	s->ready = 0;
}

void slots_populate(struct slots *s, size_t upto)
{
	size_t from = s->ready;

	upto = (upto + PAGE - 1) & ~(PAGE - 1);
	if (upto > s->bytes)
		upto = s->bytes;
	if (upto <= from)
		return;
	if (madvise(s->base + from, upto - from, MADV_POPULATE_WRITE) < 0)
		for (size_t at = from; at < upto; at += PAGE)
			((volatile uint8_t *)s->base)[at] = 0;
	s->ready = upto;
}
