/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pattern — the input as a file of patterns, or as patterns that are typed (`s`, `r` or `b`,
 * then one in each line): each is taken or refused with a reason, a few small ones are compiled,
 * and what was taken as a substring is found where it stands.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/scan/scan.h"
#include "user/stream/service.h"

enum { INPUT_MAX = 4096, FEW = 4, SMALL = 48 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char why[256];

static int add_file(struct pattern_set *set, const uint8_t *data, size_t size)
{
	char path[32];
	int fd = memfd_create("patterns", MFD_CLOEXEC), err;

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = pattern_add_file(set, path, why, sizeof(why));
	close(fd);
	return err;
}

static int add_typed(struct pattern_set *set, enum pattern_kind kind, const uint8_t *data,
		     size_t size)
{
	char text[INPUT_MAX + 1], *save = text, *line;
	int err = 0;

	memcpy(text, data, size);
	text[size] = 0;
	while (err == 0 && (line = strsep(&save, "\n")))
		err = pattern_add(set, kind, line, why, sizeof(why));
	return err;
}

static int add(struct pattern_set *set, const uint8_t *data, size_t size)
{
	static const char kinds[] = "srb"; /* as the kinds are numbered */
	const char *kind = size > 0 && data[0] ? strchr(kinds, data[0]) : NULL;

	return kind ? add_typed(set, (enum pattern_kind)(kind - kinds), data + 1, size - 1)
		    : add_file(set, data, size);
}

static void check(const struct pattern *p)
{
	size_t n = strlen(p->text);

	assert(p->name && n > 0 && n <= PATTERN_BYTES && p->kind < PATTERN_PACK);
	assert(p->signature > 0 && p->signature < 1U << 30);
	assert(p->direction <= PATTERN_B_TO_A && p->service >= -1 && p->service < SERVICE_COUNT);
	assert(p->ports <= PATTERN_PORTS);
	for (uint8_t i = 0; i < p->ports; i++)
		assert(p->port[i] > 0);
	if (p->kind == PATTERN_SUBSTRING)
		assert(p->width == n);
	if (p->kind == PATTERN_BINARY)
		assert(p->width > 0 && p->width <= n / 2);
}

/* Neither many nor long nor counted to two digits: compiling takes no time to speak of. */
static bool is_small(const struct pattern_set *set)
{
	if (pattern_count(set) > FEW)
		return false;
	for (uint32_t i = 0; i < pattern_count(set); i++) {
		const struct pattern *p = pattern_at(set, i);
		const char *counted = strchr(p->text, '{');

		if (strlen(p->text) > SMALL ||
		    (p->kind == PATTERN_REGEX && counted && strspn(counted + 1, "0123456789,") > 1))
			return false;
	}
	return true;
}

struct seeker {
	struct scan_host host;
	const struct pattern *pattern;
	bool found;
};

static void on_match(struct scan_host *host, const struct scan_match *m)
{
	struct seeker *s = (struct seeker *)host;

	s->found |= m->pattern == s->pattern && m->from == 0 && m->to == m->pattern->width;
}

static void find_itself(const struct pattern_set *set, const struct pattern *p)
{
	struct seeker seeker = {.host = {.match = on_match}, .pattern = p};
	struct quota total = {.left = UINT64_MAX};
	struct scan_conf conf = {.rows = 1, .matches = 1000, .per_row = 1000, .total = &total};
	const uint8_t *text = (const uint8_t *)p->text;
	struct scan scan;

	assert(scan_open(&scan, &conf, &seeker.host) == 0 && scan_use(&scan, set) == 0);
	scan_feed(&scan, 0, 0, span_of(text, strlen(p->text)), 1, 1);
	scan_end(&scan, 0, 0, 0);
	assert(seeker.found);
	scan_close(&scan);
}

static void compile(struct pattern_set *set)
{
	uint32_t regexes = 0;

	for (uint32_t i = 0; i < pattern_count(set); i++)
		regexes += pattern_at(set, i)->kind == PATTERN_REGEX;
	why[0] = 0;
	if (pattern_compile(set, why, sizeof(why)) < 0) {
		assert(why[0] && !pattern_database(set));
		assert(regexes > 0 || pattern_count(set) == 0);
		return;
	}
	for (uint32_t i = 0; i < pattern_count(set); i++)
		if (pattern_at(set, i)->kind == PATTERN_SUBSTRING)
			find_itself(set, pattern_at(set, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pattern_set *set = pattern_set_new();
	int err;

	assert(set);
	if (size > INPUT_MAX)
		size = INPUT_MAX;
	why[0] = 0;
	err = add(set, data, size);
	assert(err == 0 || (err == -EINVAL && why[0]));
	for (uint32_t i = 0; i < pattern_count(set); i++)
		check(pattern_at(set, i));
	if (is_small(set))
		compile(set);
	pattern_set_free(set);
	return 0;
}
