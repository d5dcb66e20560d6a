/* SPDX-License-Identifier: MIT */
/*
 * pattern_apart — a set compiled in one process and used in another.
 *
 * What goes over: a letter (C compiled, E refused), then the reason, or for each pattern its width
 * and longest match and behind them vectorscan's database as it serializes it.
 */
#include <errno.h>
#include <hs/hs.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "user/scan/pattern_set.h"

#define CPU_S   5U
#define MEMORY  (2UL << 30)
#define WHY_MAX (PATTERN_BYTES + 512)

static void bound(void)
{
	const struct rlimit cpu = {CPU_S, CPU_S}, memory = {MEMORY, MEMORY}, none = {0, 0};

	setrlimit(RLIMIT_CPU, &cpu);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they reserve terabytes */
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	setrlimit(RLIMIT_CORE, &none);
}

static bool save(const struct pattern_set *set, FILE *out)
{
	char *bytes = NULL;
	size_t n = 0;
	bool good = fputc('C', out) != EOF;

	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t v[2] = {set->pattern[i].width, set->pattern[i].most};

		good &= fwrite(v, sizeof(v), 1, out) == 1;
	}
	if (set->n == 0)
		return good;
	good &= hs_serialize_database(set->database, &bytes, &n) == HS_SUCCESS;
	good = good && fwrite(bytes, 1, n, out) == n;
	free(bytes);
	return good;
}

int pattern_compile_apart(void)
{
	struct pattern_set *set = pattern_set_new();
	char why[WHY_MAX] = "out of memory";
	struct json_object *list;
	int err = set ? 0 : -ENOMEM;

	bound();
	list = json_object_from_fd(0);
	if (!list || !json_object_is_type(list, json_type_array))
		err = -EINVAL;
	for (size_t i = 0; err == 0 && i < json_object_array_length(list); i++)
		err = pattern_add_object(set, json_object_array_get_idx(list, i), i, why,
					 sizeof(why));
	if (err == 0 && set->n)
		err = pattern_compile(set, why, sizeof(why));
	if (err < 0)
		printf("E%s", why);
	else if (!save(set, stdout))
		err = -EIO;
	json_object_put(list);
	pattern_set_free(set);
	return fflush(stdout) == 0 && err == 0 ? 0 : 1;
}

int pattern_restore(struct pattern_set *set, const uint8_t *bytes, size_t n, char *why, size_t size)
{
	size_t widths = set->n * 2UL * sizeof(uint32_t);

	if (n == 0 || bytes[0] == 'E') {
		snprintf(why, size, "%.*s", (int)(n > 1 ? n - 1 : 0), (const char *)bytes + 1);
		return -EINVAL;
	}
	snprintf(why, size, "what was compiled is not of these patterns");
	if (bytes[0] != 'C' || n - 1 < widths)
		return -EINVAL;
	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t v[2];

		memcpy(v, bytes + 1 + i * sizeof(v), sizeof(v));
		set->pattern[i].width = v[0];
		set->pattern[i].most = v[1];
	}
	if (set->n == 0)
		return 0;
	return hs_deserialize_database((const char *)bytes + 1 + widths, n - 1 - widths,
				       &set->database) == HS_SUCCESS
		       ? 0
		       : -EINVAL;
}
