/* SPDX-License-Identifier: MIT */
/* ask — see ask.h. */
#include "user/event/ask.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Static_assert(ASK_SHEETS <= RING_SIZE, "a ring is never full of sheets");
_Static_assert(ASK_WORKERS <= ASK_SHEETS, "all workers can be asked the same");

static struct ask *sheet_at(const struct ask_desk *d, uint32_t i)
{
	return (struct ask *)(d->sheets.base + (size_t)i * d->sheets.stride);
}

static uint32_t number_of(const struct ask_desk *d, const struct ask *a)
{
	return (uint32_t)((size_t)((const uint8_t *)a - d->sheets.base) / d->sheets.stride);
}

int ask_open(struct ask_desk *d, uint32_t workers)
{
	int err;

	*d = (struct ask_desk){.workers = workers, .answered = -1};
	d->way = aligned_alloc(64, workers * sizeof(*d->way));
	if (!d->way)
		return -ENOMEM;
	memset(d->way, 0, workers * sizeof(*d->way));
	for (uint32_t w = 0; w < workers; w++)
		d->way[w].wake = -1;
	err = slots_open(&d->sheets, (sizeof(struct ask) + 63) & ~(size_t)63, ASK_SHEETS);
	for (uint32_t w = 0; w < workers && err == 0; w++) {
		d->way[w].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = d->way[w].wake < 0 ? -errno : 0;
	}
	if (err == 0) {
		d->answered = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = d->answered < 0 ? -errno : 0;
	}
	return err;
}

void ask_close(struct ask_desk *d)
{
	for (uint32_t w = 0; d->way && w < d->workers; w++)
		if (d->way[w].wake >= 0)
			close(d->way[w].wake);
	if (d->way && d->answered >= 0)
		close(d->answered);
	free(d->way);
	d->way = NULL;
	slots_close(&d->sheets);
}

struct ask *ask_take(struct ask_desk *d)
{
	for (uint32_t i = 0; i < ASK_SHEETS; i++) {
		struct ask *a = sheet_at(d, i);

		if (a->taken)
			continue;
		memset(a, 0, offsetof(struct ask, segment));
		a->conflicts = 0;
		a->taken = true;
		a->protocol = a->what = a->status = a->side = -1;
		return a;
	}
	return NULL;
}

void ask_put(struct ask *a)
{
	a->taken = false;
}

static void wake(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* its counter is full: awake it is */
}

void ask_send(struct ask_desk *d, struct ask *a)
{
	ring_push(&d->way[a->worker].to, number_of(d, a));
	wake(d->way[a->worker].wake);
}

struct ask *ask_next(struct ask_desk *d)
{
	uint32_t i;

	for (uint32_t w = 0; w < d->workers; w++)
		if (ring_pop(&d->way[w].back, &i))
			return sheet_at(d, i);
	return NULL;
}

struct ask *ask_receive(struct ask_desk *d, uint32_t worker)
{
	uint32_t i;

	return ring_pop(&d->way[worker].to, &i) ? sheet_at(d, i) : NULL;
}

void ask_answer(struct ask_desk *d, uint32_t worker, struct ask *a)
{
	ring_push(&d->way[worker].back, number_of(d, a));
	wake(d->answered);
}

void ask_wake(const struct ask_desk *d, uint32_t worker)
{
	wake(d->way[worker].wake);
}

void ask_wait(const struct ask_desk *d, uint32_t worker, int ms)
{
	struct pollfd fd = {.fd = d->way[worker].wake, .events = POLLIN};
	uint64_t count;

	if (poll(&fd, 1, ms) > 0 && read(fd.fd, &count, sizeof(count)) < 0)
		return; /* somebody was faster: there is only this thread */
}
