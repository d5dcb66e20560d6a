/* SPDX-License-Identifier: MIT */
/* pattern_file — patterns from a JSON file.  See pattern.h. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "user/scan/pattern_set.h"
#include "user/stream/service.h"

static int wrong(char *why, size_t size, size_t index, const char *what, const char *value)
{
	snprintf(why, size, "pattern %zu: %s%s%s", index + 1, what, value ? ": " : "",
		 value ? value : "");
	return -EINVAL;
}

/* Index of the word among `words`, or -1. */
static int choose(const char *value, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	return -1;
}

static int read_ports(struct pattern *p, struct json_object *v)
{
	size_t n = json_object_is_type(v, json_type_array) ? json_object_array_length(v) : 1;

	if (n > PATTERN_PORTS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_is_type(v, json_type_array)
						? json_object_array_get_idx(v, i)
						: v;
		int64_t port = json_object_get_int64(o);

		if (!json_object_is_type(o, json_type_int) || port < 1 || port > 65535)
			return -EINVAL;
		p->port[p->ports++] = (uint16_t)port;
	}
	return 0;
}

/* One member; false where its value makes no sense, *known says whether there is such a member. */
static bool read_member(struct pattern *p, const char *name, struct json_object *v, bool *known)
{
	static const char *const kinds[] = {"substring", "regex", "binary"};
	static const char *const directions[] = {"both", "a_to_b", "b_to_a"};
	const char *text =
		json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
	int chosen;

	*known = true;
	if (strcmp(name, "ports") == 0)
		return read_ports(p, v) == 0;
	if (strcmp(name, "case") == 0 && json_object_is_type(v, json_type_boolean)) {
		p->caseless = !json_object_get_boolean(v);
		return true;
	}
	if (!text)
		return false;
	if (strcmp(name, "name") == 0) {
		p->name = (char *)text;
	} else if (strcmp(name, "pattern") == 0) {
		p->text = (char *)text;
		return strlen(text) == (size_t)json_object_get_string_len(v);
	} else if (strcmp(name, "colour") == 0 || strcmp(name, "color") == 0) {
		p->colour = (char *)text;
	} else if (strcmp(name, "case") == 0) {
		p->caseless = strcmp(text, "insensitive") == 0;
		return p->caseless || strcmp(text, "sensitive") == 0;
	} else if (strcmp(name, "kind") == 0) {
		chosen = choose(text, kinds, 3);
		p->kind = chosen < 0 ? PATTERN_SUBSTRING : (enum pattern_kind)chosen;
		return chosen >= 0;
	} else if (strcmp(name, "direction") == 0) {
		chosen = choose(text, directions, 3);
		p->direction = chosen < 0 ? PATTERN_BOTH : (enum pattern_direction)chosen;
		return chosen >= 0;
	} else if (strcmp(name, "service") == 0) {
		for (int s = 0; s < SERVICE_COUNT; s++)
			if (strcmp(text, service_name_text(s)) == 0)
				p->service = (int16_t)s;
		return p->service >= 0;
	} else {
		*known = false;
	}
	return *known;
}

static int add_one(struct pattern_set *set, struct json_object *o, size_t index, char *why,
		   size_t size)
{
	struct pattern p = {.kind = PATTERN_SUBSTRING, .service = -1};

	if (!json_object_is_type(o, json_type_object))
		return wrong(why, size, index, "not an object", NULL);
	json_object_object_foreach(o, name, value)
	{
		bool known;

		if (!read_member(&p, name, value, &known))
			return wrong(why, size, index, known ? "bad value of" : "unknown member",
				     name);
	}
	if (!p.text)
		return wrong(why, size, index, "no member \"pattern\"", NULL);
	if (!p.name)
		p.name = p.text;
	return pattern_set_add(set, &p, why, size);
}

int pattern_add_file(struct pattern_set *set, const char *path, char *why, size_t why_size)
{
	struct json_object *root = json_object_from_file(path), *list = root;
	int err = 0;

	if (!root) {
		snprintf(why, why_size, "%s: %s", path, json_util_get_last_err());
		why[strcspn(why, "\n")] = 0;
		return -EINVAL;
	}
	if (json_object_is_type(root, json_type_object))
		list = json_object_object_get(root, "patterns");
	if (!json_object_is_type(list, json_type_array)) {
		snprintf(why, why_size, "%s: neither an array nor an object with \"patterns\"",
			 path);
		err = -EINVAL;
	}
	for (size_t i = 0; err == 0 && i < json_object_array_length(list); i++)
		err = add_one(set, json_object_array_get_idx(list, i), i, why, why_size);
	json_object_put(root);
	return err;
}
