/* SPDX-License-Identifier: MIT */
/* listing — see listing.h. */
#include "user/source/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int add(struct listing *l, const char *name, const struct stat *st)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct listed *more = realloc(l->at, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->at = more;
		l->cap = cap;
	}
	l->at[l->n].name = strdup(name);
	if (!l->at[l->n].name)
		return -ENOMEM;
	l->at[l->n].mtime_ns =
		(uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec;
	l->n++;
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->mtime_ns != y->mtime_ns)
		return x->mtime_ns < y->mtime_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

int listing_read(struct listing *l, int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	struct stat st;

	*l = (struct listing){0};
	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (err == 0 && (d = readdir(dir))) /* NOLINT(concurrency-mt-unsafe): our own */
		if (fstatat(folder, d->d_name, &st, 0) == 0)
			err = add(l, d->d_name, &st);
	closedir(dir);
	if (l->n)
		qsort(l->at, l->n, sizeof(*l->at), by_age);
	return err;
}

void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i].name);
	free(l->at);
	*l = (struct listing){0};
}
