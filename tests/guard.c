/* SPDX-License-Identifier: MIT */
/* guard — see guard.h. */
#include "tests/guard.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static char folder[64];
static int kept_stderr = -1;

bool guard_open(struct guard *g, size_t cap)
{
	size_t body = (cap + PAGE - 1) & ~(PAGE - 1);

	*g = (struct guard){.mapped = body + PAGE, .cap = cap};
	g->base = mmap(NULL, g->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->base == MAP_FAILED)
		return false;
	g->end = g->base + body;
	return mprotect(g->end, PAGE, PROT_NONE) == 0;
}

void guard_close(struct guard *g)
{
	munmap(g->base, g->mapped);
	*g = (struct guard){0};
}

uint8_t *guard_put(struct guard *g, const void *bytes, size_t len)
{
	uint8_t *at = g->end - len;

	if (len)
		memcpy(at, bytes, len);
	return at;
}

struct dice dice_of(uint64_t fixed)
{
	const char *text = getenv("TEST_SEED"); /* NOLINT(concurrency-mt-unsafe): one thread */
	uint64_t seed = text ? strtoull(text, NULL, 0) : fixed;

	if (seed == 0)
		seed = 1;
	return (struct dice){.state = seed, .seed = seed};
}

uint64_t dice_roll(struct dice *d)
{
	uint64_t x = d->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	d->state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

uint32_t dice_below(struct dice *d, uint32_t n)
{
	return (uint32_t)((dice_roll(d) >> 32) * n >> 32);
}

void dice_fill(struct dice *d, uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(dice_roll(d) >> 56);
}

bool check(bool ok, const char *file, unsigned int line, const char *text, const char *format, ...)
{
	CU_assertImplementation(ok, line, text, file, "", CU_FALSE);
	if (!ok) {
		va_list args;

		printf("\n    %s:%u: ", file, line);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		fflush(stdout);
	}
	return ok;
}

const char *temp_folder(void)
{
	if (!folder[0]) {
		strcpy(folder, "/tmp/rm-xdp-unit-XXXXXX");
		if (!mkdtemp(folder))
			folder[0] = 0;
	}
	return folder;
}

char *temp_path(const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", temp_folder(), name) < 0 ? NULL : path;
}

char *temp_file(const char *name, const void *bytes, size_t len)
{
	char *path = temp_path(name);
	FILE *f = path ? fopen(path, "we") : NULL;

	if (f && len && fwrite(bytes, 1, len, f) != len)
		CU_FAIL("a temporary file could not be written");
	if (!f || fclose(f) != 0)
		CU_FAIL("a temporary file could not be made");
	return path;
}

/* Everything in a folder, one level of folders down. */
static void remove_all(const char *path, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): one thread */
		char *inner = NULL;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    asprintf(&inner, "%s/%s", path, d->d_name) < 0)
			continue;
		if (unlink(inner) < 0 && depth > 0)
			remove_all(inner, depth - 1);
		free(inner);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

void temp_end(void)
{
	if (folder[0])
		remove_all(folder, 2);
	folder[0] = 0;
}

void quiet_begin(void)
{
	int null;

	if (getenv("TEST_LOUD")) /* NOLINT(concurrency-mt-unsafe): one thread */
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	fflush(stderr);
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(null, STDERR_FILENO);
	close(null);
}

void quiet_end(void)
{
	if (kept_stderr < 0)
		return;
	fflush(stderr);
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	kept_stderr = -1;
}
