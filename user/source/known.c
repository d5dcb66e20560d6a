/* SPDX-License-Identifier: MIT */
/* known — see known.h. */
#include "user/source/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_FIRST 256U

int known_open(struct known *k, uint32_t max)
{
	*k = (struct known){.max = max, .buckets = 1};
	k->open = k->read = k->read_last = k->free = KNOWN_NONE;
	while (k->buckets < max / 4)
		k->buckets *= 2;
	k->bucket = malloc(k->buckets * sizeof(*k->bucket));
	if (!k->bucket)
		return -ENOMEM;
	memset(k->bucket, 0xff, k->buckets * sizeof(*k->bucket));
	return 0;
}

void known_close(struct known *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		free(k->row[i].name);
	free(k->row);
	free(k->bucket);
	*k = (struct known){.open = KNOWN_NONE, .read = KNOWN_NONE};
}

static uint32_t *bucket_of(const struct known *k, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 32) * 0x9e3779b97f4a7c15ULL;

	return &k->bucket[(h >> 32) & (k->buckets - 1)];
}

uint32_t known_find(const struct known *k, uint64_t dev, uint64_t ino)
{
	uint32_t i = *bucket_of(k, dev, ino);

	while (i != KNOWN_NONE && (k->row[i].ino != ino || k->row[i].dev != dev))
		i = k->row[i].chain;
	return i;
}

/* Out of the list it is in: of those read, or of the others. */
static void unlink_row(struct known *k, uint32_t i)
{
	struct known_file *f = &k->row[i];
	bool read = f->state == KNOWN_READ;

	if (f->prev != KNOWN_NONE)
		k->row[f->prev].next = f->next;
	else if (read)
		k->read = f->next;
	else
		k->open = f->next;
	if (f->next != KNOWN_NONE)
		k->row[f->next].prev = f->prev;
	else if (read)
		k->read_last = f->prev;
}

static void link_row(struct known *k, uint32_t i)
{
	struct known_file *f = &k->row[i];

	f->prev = f->next = KNOWN_NONE;
	if (f->state == KNOWN_READ) { /* at the end: the youngest */
		f->prev = k->read_last;
		if (f->prev != KNOWN_NONE)
			k->row[f->prev].next = i;
		else
			k->read = i;
		k->read_last = i;
		return;
	}
	f->next = k->open;
	if (f->next != KNOWN_NONE)
		k->row[f->next].prev = i;
	k->open = i;
}

void known_forget(struct known *k, uint32_t row)
{
	struct known_file *f = &k->row[row];
	uint32_t *at = bucket_of(k, f->dev, f->ino);

	while (*at != row)
		at = &k->row[*at].chain;
	*at = f->chain;
	unlink_row(k, row);
	free(f->name);
	f->name = NULL;
	f->name_sum = 0;
	f->chain = k->free;
	k->free = row;
}

/* A row for a new file, or KNOWN_NONE. */
static uint32_t room(struct known *k)
{
	uint32_t i;

	if (k->free == KNOWN_NONE && k->n == k->max && k->read != KNOWN_NONE) {
		known_forget(k, k->read);
		k->forgotten++;
	}
	if (k->free != KNOWN_NONE) {
		i = k->free;
		k->free = k->row[i].chain;
		return i;
	}
	if (k->n == k->max)
		return KNOWN_NONE;
	if (k->n < ROWS_FIRST ? k->n == 0 : (k->n & (k->n - 1)) == 0) {
		uint32_t cap = k->n < ROWS_FIRST ? ROWS_FIRST : 2 * k->n;
		struct known_file *rows = realloc(k->row, cap * sizeof(*rows));

		if (!rows)
			return KNOWN_NONE;
		k->row = rows;
	}
	return k->n++;
}

uint32_t known_add(struct known *k, uint64_t dev, uint64_t ino, const char *name)
{
	char *copy = strdup(name);
	uint32_t i = copy ? room(k) : KNOWN_NONE, *bucket;

	if (i == KNOWN_NONE) {
		free(copy);
		k->refused++;
		return KNOWN_NONE;
	}
	bucket = bucket_of(k, dev, ino);
	k->row[i] = (struct known_file){
		.dev = dev, .ino = ino, .name = copy, .seq = ++k->last_seq, .chain = *bucket};
	*bucket = i;
	link_row(k, i);
	return i;
}

/* FNV-1a. */
static uint64_t sum_of(const uint8_t *at, size_t n)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 1099511628211ULL;
	return h;
}

uint32_t known_find_name(const struct known *k, const char *name, size_t len)
{
	uint64_t sum = sum_of((const uint8_t *)name, len);

	for (uint32_t i = 0; i < k->n; i++)
		if (k->row[i].name_sum == sum)
			return i;
	return KNOWN_NONE;
}

void known_set(struct known *k, uint32_t row, enum known_state state)
{
	struct known_file *f = &k->row[row];
	bool moves = (f->state == KNOWN_READ) != (state == KNOWN_READ);

	if (state >= KNOWN_FOLLOWED && f->name)
		f->name_sum = sum_of((const uint8_t *)f->name, strlen(f->name));

	if (moves)
		unlink_row(k, row);
	f->state = state;
	if (moves)
		link_row(k, row);
	if (state == KNOWN_READ) {
		free(f->name);
		f->name = NULL;
	}
}

int known_rename(struct known *k, uint32_t row, const char *name)
{
	struct known_file *f = &k->row[row];
	char *copy;

	if (f->name && strcmp(f->name, name) == 0)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(f->name);
	f->name = copy;
	return 0;
}

static uint64_t head_sum(int fd, uint32_t want, uint32_t *len)
{
	uint8_t head[KNOWN_HEAD];
	ssize_t got = pread(fd, head, want, 0);

	*len = got > 0 ? (uint32_t)got : 0;
	return sum_of(head, *len);
}

bool known_compare(struct known_file *f, int fd, uint64_t *pass)
{
	uint32_t len;

	*pass = 0;
	if (f->head_len && head_sum(fd, f->head_len, &len) == f->head && len == f->head_len) {
		if (f->size == f->read_size)
			return false;
		if (f->size > f->read_size)
			*pass = f->packets;
	}
	f->head = head_sum(fd, KNOWN_HEAD, &f->head_len);
	return true;
}
