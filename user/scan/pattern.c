/* SPDX-License-Identifier: MIT */
/* pattern — see pattern.h. */
#include "user/scan/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/scan/pattern_set.h"

struct pattern_set *pattern_set_new(void)
{
	return calloc(1, sizeof(struct pattern_set));
}

void pattern_set_free(struct pattern_set *set)
{
	if (!set)
		return;
	for (uint32_t i = 0; i < set->n; i++) {
		free(set->pattern[i].name);
		free(set->pattern[i].text);
		free(set->pattern[i].colour);
		free(set->expression[i]);
	}
	free(set->pattern);
	free(set->expression);
	hs_free_database(set->database);
	free(set);
}

uint32_t pattern_count(const struct pattern_set *set)
{
	return set ? set->n : 0;
}

const struct pattern *pattern_at(const struct pattern_set *set, uint32_t id)
{
	return &set->pattern[id];
}

const struct hs_database *pattern_database(const struct pattern_set *set)
{
	return set ? set->database : NULL;
}

const char *pattern_kind_name(enum pattern_kind kind)
{
	static const char *const names[] = {"substring", "regex", "binary", "pack"};

	return names[kind];
}

bool pattern_wants(const struct pattern *p, bool a_to_b, int service, uint16_t sport,
		   uint16_t dport)
{
	if (p->direction != PATTERN_BOTH && (p->direction == PATTERN_A_TO_B) != a_to_b)
		return false;
	if (p->service >= 0 && p->service != service)
		return false;
	for (uint8_t i = 0; i < p->ports; i++)
		if (p->port[i] == sport || p->port[i] == dport)
			return true;
	return p->ports == 0;
}

static int refuse(char *why, size_t size, const struct pattern *p, const char *reason)
{
	snprintf(why, size, "%s pattern %s: %s", pattern_kind_name(p->kind), p->name, reason);
	return -EINVAL;
}

/* Bytes as an expression in which none means anything.  The library takes 16000 characters: each
 * byte of a text is at most two. */
static char *escape(const uint8_t *at, size_t n)
{
	char *out = malloc(4 * n + 1), *p = out;

	for (size_t i = 0; out && i < n; i++)
		p += sprintf(p, at[i] == 0 ? "\\x%02x" : ispunct(at[i]) ? "\\%c" : "%c", at[i]);
	return out;
}

/* Hexadecimal digits in pairs; blanks, ':', '_' and '-' between them, 0x before them. */
static bool read_hex(const char *text, uint8_t *out, size_t *n)
{
	*n = 0;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	for (int high = -1; *text || high >= 0; text++) {
		int v;

		if (*text && strchr(" \t:_-", *text))
			continue;
		if (!isxdigit((unsigned char)*text))
			return false;
		v = isdigit((unsigned char)*text) ? *text - '0' : (*text | 0x20) - 'a' + 10;
		if (high < 0) {
			high = v;
		} else {
			out[(*n)++] = (uint8_t)(high << 4 | v);
			high = -1;
		}
	}
	return *n > 0;
}

static char *expression_of(struct pattern *p, char *why, size_t size)
{
	uint8_t bytes[PATTERN_BYTES];
	size_t n = strlen(p->text);

	if (p->kind == PATTERN_REGEX)
		return strdup(p->text);
	if (p->kind == PATTERN_SUBSTRING) {
		p->width = p->most = (uint32_t)n;
		return escape((const uint8_t *)p->text, n);
	}
	if (!read_hex(p->text, bytes, &n)) {
		refuse(why, size, p, "not pairs of hexadecimal digits");
		return NULL;
	}
	p->width = p->most = (uint32_t)n;
	return escape(bytes, n);
}

/* FNV-1a: the same pattern has the same number in every run. */
static uint32_t signature_of(const struct pattern *p)
{
	const uint64_t prime = 1099511628211U;
	uint64_t h = 14695981039346656037U;

	h = (h ^ (uint8_t)p->kind) * prime;
	h = (h ^ p->caseless) * prime;
	for (const char *c = p->text; *c; c++)
		h = (h ^ (uint8_t)*c) * prime;
	return (uint32_t)(h % 0x3fffffff) + 1; /* those of the packs lie above */
}

int pattern_set_add(struct pattern_set *set, const struct pattern *given, char *why, size_t size)
{
	struct pattern p = *given;
	char *expression;

	if (set->n == PATTERN_MAX)
		return refuse(why, size, &p, "there are too many patterns");
	if (p.text[0] == 0)
		return refuse(why, size, &p, "it is empty");
	if (strlen(p.text) > PATTERN_BYTES)
		return refuse(why, size, &p, "it is too long");
	if (set->n == set->room) {
		uint32_t room = set->room ? 2 * set->room : 64;
		struct pattern *more = realloc(set->pattern, room * sizeof(*more));
		char **texts = realloc(set->expression, room * sizeof(*texts));

		set->pattern = more ? more : set->pattern;
		set->expression = texts ? texts : set->expression;
		if (!more || !texts)
			return refuse(why, size, &p, "out of memory");
		set->room = room;
	}
	for (uint32_t i = 0; i < set->n; i++)
		p.ordinal += set->pattern[i].kind == p.kind;
	p.signature = signature_of(&p);
	snprintf(why, size, "out of memory");
	expression = expression_of(&p, why, size);
	if (!expression)
		return -EINVAL;
	p.name = strdup(p.name);
	p.text = strdup(p.text);
	p.colour = p.colour ? strdup(p.colour) : NULL;
	set->expression[set->n] = expression;
	set->pattern[set->n++] = p;
	return p.name && p.text ? 0 : -EINVAL;
}

int pattern_add(struct pattern_set *set, enum pattern_kind kind, const char *typed, char *why,
		size_t why_size)
{
	char name[64];
	size_t n = 0;
	struct pattern p = {.kind = kind, .service = -1};

	while (isalnum((unsigned char)typed[n]) || typed[n] == '_' || typed[n] == '-')
		n++;
	if (typed[n] == '=' && n < sizeof(name)) {
		snprintf(name, sizeof(name), "%.*s", (int)n, typed);
		p.text = (char *)typed + n + 1;
		p.name = n ? name : p.text;
	} else {
		p.name = p.text = (char *)typed;
	}
	return pattern_set_add(set, &p, why, why_size);
}

/* ---- compiling ---- */

static unsigned flags_of(const struct pattern *p)
{
	unsigned flags = p->kind == PATTERN_REGEX ? 0 : HS_FLAG_DOTALL;

	if (p->caseless)
		flags |= HS_FLAG_CASELESS;
	if (!p->width)
		flags |= HS_FLAG_SOM_LEFTMOST;
	return flags;
}

/* Where a regex goes wrong: the shortest beginning of it that is refused for that reason. */
static size_t place_of(const char *expression, unsigned flags, const char *reason)
{
	char head[PATTERN_BYTES + 1];
	size_t n = strlen(expression);

	for (size_t i = 1; i < n; i++) {
		hs_expr_info_t *info = NULL;
		hs_compile_error_t *error = NULL;
		bool same;

		memcpy(head, expression, i);
		head[i] = 0;
		same = hs_expression_info(head, flags, &info, &error) != HS_SUCCESS &&
		       strcmp(error->message, reason) == 0;
		free(info);
		hs_free_compile_error(error);
		if (same)
			return i;
	}
	return n;
}

/* Matches of one length need no start of match from vectorscan, which is dear. */
static int measure(struct pattern_set *set, uint32_t id, char *why, size_t size)
{
	struct pattern *p = &set->pattern[id];
	const char *text = set->expression[id];
	unsigned flags = flags_of(p);
	hs_compile_error_t *error = NULL;
	hs_expr_info_t *info = NULL;
	int err = 0;

	if (hs_expression_info(text, flags, &info, &error) != HS_SUCCESS) {
		snprintf(why, size, "%s pattern %s: at character %zu: %s",
			 pattern_kind_name(p->kind), p->name, place_of(text, flags, error->message),
			 error->message);
		err = -EINVAL;
	} else if (info->min_width == 0) {
		err = refuse(why, size, p, "it matches where there is nothing");
	} else if (info->min_width == info->max_width) {
		p->width = info->min_width;
	}
	if (err == 0)
		p->most = info->max_width;
	free(info);
	hs_free_compile_error(error);
	return err;
}

int pattern_compile(struct pattern_set *set, char *why, size_t why_size)
{
	unsigned *flags = calloc(set->n + 1, sizeof(*flags)),
		 *ids = calloc(set->n + 1, sizeof(*ids));
	hs_compile_error_t *error = NULL;
	const hs_platform_info_t plain = {.cpu_features = 0}; /* as scan.c runs it */
	unsigned mode = HS_MODE_STREAM;
	int err = flags && ids ? 0 : -EINVAL;

	snprintf(why, why_size, "out of memory");
	for (uint32_t i = 0; err == 0 && i < set->n; i++) {
		if (set->pattern[i].kind == PATTERN_REGEX)
			err = measure(set, i, why, why_size);
		flags[i] = flags_of(&set->pattern[i]);
		ids[i] = i;
		if (flags[i] & HS_FLAG_SOM_LEFTMOST)
			mode |= HS_MODE_SOM_HORIZON_LARGE;
	}
	if (err == 0 && hs_compile_multi((const char *const *)set->expression, flags, ids, set->n,
					 mode, &plain, &set->database, &error) != HS_SUCCESS) {
		err = -EINVAL;
		if (error->expression >= 0)
			refuse(why, why_size, &set->pattern[error->expression], error->message);
		else
			snprintf(why, why_size, "patterns: %s", error->message);
		hs_free_compile_error(error);
	}
	free(flags);
	free(ids);
	return err;
}

void pattern_number(struct pattern_set *set, uint32_t id, uint32_t ordinal)
{
	set->pattern[id].ordinal = ordinal;
}

void pattern_id(char out[PATTERN_ID], enum pattern_kind kind, uint32_t ordinal)
{
	snprintf(out, PATTERN_ID, "%s:%u", pattern_kind_name(kind), ordinal);
}
