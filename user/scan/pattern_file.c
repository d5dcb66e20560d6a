/* SPDX-License-Identifier: MIT */
/* pattern_file — patterns from a JSON file.  See pattern.h. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/scan/pattern_set.h"
#include "user/stream/service.h"

/* As many patterns as there may be, all as long as they may be, and each byte as \u00NN. */
#define FILE_BYTES ((size_t)256 << 20)
#define FILE_STEP  ((size_t)1 << 20)

static int wrong(char *why, size_t size, size_t index, const char *what, const char *value)
{
	snprintf(why, size, "pattern %zu: %s%s%s", index + 1, what, value ? ": " : "",
		 value ? value : "");
	return -EINVAL;
}

/* ---- members: each reader is false where the value makes no sense ---- */

static const char *text_of(struct json_object *v)
{
	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

/* Index of the value among `words`, or -1. */
static int choose(struct json_object *v, const char *const *words, int n)
{
	const char *text = text_of(v);

	for (int i = 0; text && i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -1;
}

static bool read_name(struct pattern *p, struct json_object *v)
{
	p->name = (char *)text_of(v);
	return p->name;
}

static bool read_text(struct pattern *p, struct json_object *v)
{
	p->text = (char *)text_of(v);
	return p->text && strlen(p->text) == (size_t)json_object_get_string_len(v);
}

static bool read_colour(struct pattern *p, struct json_object *v)
{
	p->colour = (char *)text_of(v);
	return p->colour;
}

static bool read_kind(struct pattern *p, struct json_object *v)
{
	static const char *const kinds[] = {"substring", "regex", "binary"};
	int chosen = choose(v, kinds, 3);

	p->kind = chosen < 0 ? PATTERN_SUBSTRING : (enum pattern_kind)chosen;
	return chosen >= 0;
}

static bool read_case(struct pattern *p, struct json_object *v)
{
	static const char *const cases[] = {"sensitive", "insensitive"};
	bool yes = json_object_is_type(v, json_type_boolean);
	int chosen = yes ? !json_object_get_boolean(v) : choose(v, cases, 2);

	p->caseless = chosen == 1;
	return chosen >= 0;
}

static bool read_direction(struct pattern *p, struct json_object *v)
{
	static const char *const directions[] = {"both", "a_to_b", "b_to_a"};
	int chosen = choose(v, directions, 3);

	p->direction = chosen < 0 ? PATTERN_BOTH : (enum pattern_direction)chosen;
	return chosen >= 0;
}

static bool read_service(struct pattern *p, struct json_object *v)
{
	const char *text = text_of(v);

	p->service = -1;
	for (int s = 0; text && s < SERVICE_COUNT; s++)
		if (strcmp(text, service_name_text(s)) == 0)
			p->service = (int16_t)s;
	return p->service >= 0;
}

static bool read_ports(struct pattern *p, struct json_object *v)
{
	bool list = json_object_is_type(v, json_type_array);
	size_t n = list ? json_object_array_length(v) : 1;

	if (n > PATTERN_PORTS)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = list ? json_object_array_get_idx(v, i) : v;
		int64_t port = json_object_get_int64(o);

		if (!json_object_is_type(o, json_type_int) || port < 1 || port > 65535)
			return false;
		p->port[p->ports++] = (uint16_t)port;
	}
	return true;
}

static const struct member {
	const char *name;
	bool (*read)(struct pattern *p, struct json_object *v);
} members[] = {
	{"name", read_name},   {"kind", read_kind},           {"pattern", read_text},
	{"case", read_case},   {"direction", read_direction}, {"service", read_service},
	{"ports", read_ports}, {"colour", read_colour},       {"color", read_colour},
};

static const struct member *member_of(const char *name)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(name, members[i].name) == 0)
			return &members[i];
	return NULL;
}

int pattern_add_object(struct pattern_set *set, struct json_object *o, size_t index, char *why,
		       size_t size)
{
	struct pattern p = {.kind = PATTERN_SUBSTRING, .service = -1};

	if (!json_object_is_type(o, json_type_object))
		return wrong(why, size, index, "not an object", NULL);
	json_object_object_foreach(o, name, value)
	{
		const struct member *m = member_of(name);

		if (!m)
			return wrong(why, size, index, "unknown member", name);
		if (!m->read(&p, value))
			return wrong(why, size, index, "bad value of", name);
	}
	if (!p.text)
		return wrong(why, size, index, "no member \"pattern\"", NULL);
	if (!p.name)
		p.name = p.text;
	return pattern_set_add(set, &p, why, size);
}

/* ---- the file ---- */

/* All of a file as allocated text, or NULL after saying why. */
static char *read_file(const char *path, size_t *n, char *why, size_t size)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t got = f ? 1 : 0;

	*n = 0;
	while (got > 0 && *n < FILE_BYTES) {
		char *more = realloc(text, *n + FILE_STEP);

		if (!more)
			break;
		text = more;
		errno = 0;
		got = fread(text + *n, 1, FILE_STEP, f);
		*n += got;
	}
	if (!f || got > 0 || ferror(f)) {
		snprintf(why, size, *n < FILE_BYTES ? "%s: %m" : "%s: too large", path);
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

/* One JSON value and the blanks behind it; else what went wrong, and where. */
static const char *parse(const char *text, size_t n, struct json_object **out, size_t *at)
{
	struct json_tokener *t = json_tokener_new();
	enum json_tokener_error e;

	*at = 0;
	*out = NULL;
	if (!t)
		return "out of memory";
	*out = json_tokener_parse_ex(t, text, (int)n);
	e = json_tokener_get_error(t);
	*at = json_tokener_get_parse_end(t);
	if (e == json_tokener_continue) { /* a NUL ends a number, and nothing else */
		*out = json_tokener_parse_ex(t, "", 1);
		e = json_tokener_get_error(t);
		*at = n;
	}
	json_tokener_free(t);
	if (e != json_tokener_success)
		return json_tokener_error_desc(e);
	return *at < n ? "more than one value" : NULL;
}

static int add_all(struct pattern_set *set, struct json_object *root, const char *path, char *why,
		   size_t size)
{
	struct json_object *list = root;
	int err = 0;

	if (json_object_is_type(root, json_type_object))
		list = json_object_object_get(root, "patterns");
	if (!json_object_is_type(list, json_type_array)) {
		snprintf(why, size, "%s: neither an array nor an object with \"patterns\"", path);
		return -EINVAL;
	}
	for (size_t i = 0; err == 0 && i < json_object_array_length(list); i++)
		err = pattern_add_object(set, json_object_array_get_idx(list, i), i, why, size);
	return err;
}

int pattern_add_file(struct pattern_set *set, const char *path, char *why, size_t why_size)
{
	struct json_object *root;
	size_t n, at, line = 1;
	char *text = read_file(path, &n, why, why_size);
	const char *fault;
	int err = -EINVAL;

	if (!text)
		return -EINVAL;
	fault = parse(text, n, &root, &at);
	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	if (fault)
		snprintf(why, why_size, "%s: line %zu: %s", path, line, fault);
	else
		err = add_all(set, root, path, why, why_size);
	json_object_put(root);
	free(text);
	return err;
}
