/* SPDX-License-Identifier: MIT */
/* profile — see profile.h. */
#include "user/view/profile.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "user/view/filter.h"

#define FILE_MAX (1L << 20)

/* The built-in ones, in the form of the file. */
static const char builtin[] =
	"[{\"id\":\"http\",\"name\":\"HTTP\",\"priority\":100,\"protocol\":\"tcp\","
	"\"services\":[\"http\",\"http2\"],\"ports\":[80,8000,8008,8080,8081,8888],"
	"\"description\":\"Web traffic in the clear\",\"default_mode\":\"text\","
	"\"default_transforms\":[\"http_chunked\",\"http_gzip\",\"url_decode\"],"
	"\"hide_rules\":[{\"kind\":\"service\",\"value\":\"http\"}]},"
	"{\"id\":\"https\",\"name\":\"HTTPS\",\"priority\":97,\"protocol\":\"tcp\","
	"\"services\":[\"https\"],\"ports\":[443,8443],"
	"\"description\":\"Web traffic under TLS\",\"default_mode\":\"hex\","
	"\"hide_rules\":[{\"kind\":\"service\",\"value\":\"https\"}]},"
	"{\"id\":\"tls\",\"name\":\"TLS\",\"priority\":95,\"protocol\":\"tcp\","
	"\"services\":[\"tls\"],\"description\":\"TLS of other services\","
	"\"default_mode\":\"hex\",\"hide_rules\":[{\"kind\":\"service\",\"value\":\"tls\"}]},"
	"{\"id\":\"dns\",\"name\":\"DNS\",\"priority\":90,"
	"\"services\":[\"dns\",\"mdns\",\"llmnr\"],\"ports\":[53,5353,5355],"
	"\"description\":\"Names\",\"default_mode\":\"hex\","
	"\"hide_rules\":[{\"kind\":\"service\",\"value\":\"dns\"}]},"
	"{\"id\":\"websocket\",\"name\":\"WebSocket\",\"priority\":80,\"protocol\":\"tcp\","
	"\"services\":[\"websocket\"],\"description\":\"Messages behind an upgrade\","
	"\"default_mode\":\"text\",\"default_transforms\":[\"websocket_deflate\",\"url_decode\"],"
	"\"hide_rules\":[{\"kind\":\"service\",\"value\":\"websocket\"}]},"
	"{\"id\":\"binary\",\"name\":\"Binary\",\"priority\":20,\"content_kind\":\"binary\","
	"\"description\":\"Streams that are no text\",\"default_mode\":\"hex\","
	"\"hide_rules\":[{\"kind\":\"content_kind\",\"value\":\"binary\"}]},"
	"{\"id\":\"matched\",\"name\":\"Matched\",\"priority\":10,"
	"\"description\":\"Streams in which a pattern was found\",\"default_mode\":\"text\","
	"\"default_transforms\":[\"auto\"]}]";

static void fold(char *out, size_t size, const char *id, size_t n)
{
	size_t k = 0;

	for (; k < n && k + 1 < size; k++)
		out[k] = id[k] == ' ' || id[k] == '-' ? '_' : (char)tolower((unsigned char)id[k]);
	out[k] = 0;
}

struct reading {
	const char *id; /* of the profile in hand */
	char *why;
	size_t size;
};

static int refuse(const struct reading *r, const char *member, const char *reason)
{
	snprintf(r->why, r->size, "profile \"%.48s\": %s: %s", r->id, member, reason);
	return -EINVAL;
}

static int read_text(const struct reading *r, struct json_object *o, const char *member, char *out,
		     size_t size)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, member, &v))
		return 0;
	if (!json_object_is_type(v, json_type_string))
		return refuse(r, member, "is no text");
	if (strlen(json_object_get_string(v)) >= size)
		return refuse(r, member, "is too long");
	snprintf(out, size, "%s", json_object_get_string(v));
	return 0;
}

/* A member that is a name of a list: its number in *out. */
static int read_name(const struct reading *r, struct json_object *o, const char *member,
		     int (*number)(const char *, size_t), int16_t *out)
{
	char text[64] = "";
	int err = read_text(r, o, member, text, sizeof(text)), v;

	if (err < 0 || !text[0])
		return err;
	v = number(text, strlen(text));
	if (v < 0)
		return refuse(r, member, "is unknown");
	*out = (int16_t)v;
	return 0;
}

static int list_of(const struct reading *r, struct json_object *o, const char *member,
		   struct json_object **list, uint32_t *n)
{
	*n = 0;
	if (!json_object_object_get_ex(o, member, list))
		return 0;
	if (!json_object_is_type(*list, json_type_array))
		return refuse(r, member, "is no list");
	if (json_object_array_length(*list) > PROFILE_LIST)
		return refuse(r, member, "has too many entries");
	*n = (uint32_t)json_object_array_length(*list);
	return 0;
}

static int read_services(const struct reading *r, struct json_object *o, struct profile *p)
{
	struct json_object *list;
	int err = list_of(r, o, "services", &list, &p->services);

	for (uint32_t i = 0; err == 0 && i < p->services; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		const char *name = json_object_get_string(v);
		int s = name && json_object_is_type(v, json_type_string)
				? service_of(name, strlen(name))
				: -1;

		if (s < 0)
			return refuse(r, "services", "names an unknown service");
		p->service[i] = (uint16_t)s;
		p->has_service[s] = 1;
	}
	return err;
}

static int read_ports(const struct reading *r, struct json_object *o, struct profile *p)
{
	struct json_object *list;
	int err = list_of(r, o, "ports", &list, &p->ports);

	for (uint32_t i = 0; err == 0 && i < p->ports; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		int64_t port = json_object_get_int64(v);

		if (!json_object_is_type(v, json_type_int) || port < 0 || port > 65535)
			return refuse(r, "ports", "holds something that is no port");
		p->port[i] = (uint16_t)port;
		p->has_port[port / 64] |= 1ULL << port % 64;
	}
	return err;
}

static int read_patterns(const struct reading *r, struct json_object *o, struct profile *p)
{
	struct json_object *list;
	int err = list_of(r, o, "pattern_ids", &list, &p->patterns);

	for (uint32_t i = 0; err == 0 && i < p->patterns; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);

		if (!json_object_is_type(v, json_type_string) ||
		    strlen(json_object_get_string(v)) >= sizeof(p->pattern[0]))
			return refuse(r, "pattern_ids", "holds something that is no pattern id");
		snprintf(p->pattern[i], sizeof(p->pattern[i]), "%s", json_object_get_string(v));
	}
	return err;
}

static int read_rules(const struct reading *r, struct json_object *o, struct profile *p)
{
	struct json_object *list;
	int err = list_of(r, o, "hide_rules", &list, &p->rules);

	for (uint32_t i = 0; err == 0 && i < p->rules; i++) {
		struct json_object *v = json_object_array_get_idx(list, i), *kind, *value;
		char why[128];

		if (!json_object_is_type(v, json_type_object) ||
		    !json_object_object_get_ex(v, "kind", &kind) ||
		    !json_object_object_get_ex(v, "value", &value) ||
		    !json_object_is_type(kind, json_type_string) || !value)
			return refuse(r, "hide_rules", "takes objects of kind and value");
		if (hide_parse(&p->rule[i], json_object_get_string(kind),
			       json_object_get_string(value), why, sizeof(why)) < 0)
			return refuse(r, "hide_rules", why);
	}
	return err;
}

/* default_transforms is the chain; default_transform one step: each follows from the other. */
static int read_transform(const struct reading *r, struct json_object *o, struct profile *p)
{
	struct transform_chain chain;
	struct json_object *list;
	uint32_t n;
	char why[128];
	int err = list_of(r, o, "default_transforms", &list, &n);

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		size_t at = strlen(p->transform);

		snprintf(p->transform + at, sizeof(p->transform) - at, "%s%s", i ? "," : "",
			 json_object_get_string(json_object_array_get_idx(list, i)));
	}
	if (err == 0 && n == 0)
		err = read_text(r, o, "default_transform", p->transform, sizeof(p->transform));
	if (err == 0 && strcmp(p->transform, "raw") == 0)
		p->transform[0] = 0;
	if (err == 0 && transform_parse(p->transform, &chain, why, sizeof(why)) < 0)
		return refuse(r, "default_transforms", why);
	return err;
}

static int read_presets(const struct reading *r, struct json_object *o, struct profile *p)
{
	const struct {
		const char *name;
		struct json_object **at;
	} member[] = {{"preset", &p->preset}, {"analyzers", &p->analyzers}};

	for (int i = 0; i < 2; i++) {
		struct json_object *v;

		if (!json_object_object_get_ex(o, member[i].name, &v))
			continue;
		if (!json_object_is_type(v, json_type_object))
			return refuse(r, member[i].name, "is no object");
		if (strlen(json_object_to_json_string(v)) > PROFILE_PRESET)
			return refuse(r, member[i].name, "is too long");
		*member[i].at = json_object_get(v);
	}
	return 0;
}

/* {"http": {"enabled": true}}: of the parsers there are. */
static int read_analyzers(const struct reading *r, struct profile *p)
{
	struct json_object *v;

	p->http = p->websocket = -1;
	if (!p->analyzers)
		return 0;
	json_object_object_foreach(p->analyzers, name, settings)
	{
		int8_t *to = strcmp(name, "http") == 0        ? &p->http
			     : strcmp(name, "websocket") == 0 ? &p->websocket
							      : NULL;

		if (!to)
			return refuse(r, "analyzers", "names a parser that there is not");
		if (!json_object_is_type(settings, json_type_object) ||
		    !json_object_object_get_ex(settings, "enabled", &v) ||
		    !json_object_is_type(v, json_type_boolean) ||
		    json_object_object_length(settings) != 1)
			return refuse(r, "analyzers", "takes enabled, true or false, of each");
		*to = json_object_get_boolean(v) ? 1 : 0;
	}
	return 0;
}

static int read_choice(const struct reading *r, const char *member, const char *value,
		       const char *const *choices)
{
	for (; *choices; choices++)
		if (strcmp(value, *choices) == 0)
			return 0;
	return refuse(r, member, "is unknown");
}

static int read_rest(const struct reading *r, struct json_object *o, struct profile *p)
{
	static const char *const modes[] = {"text", "hex", "raw", NULL};
	static const char *const directions[] = {"a_to_b", "b_to_a", NULL};
	struct json_object *v;

	if (json_object_object_get_ex(o, "priority", &v)) {
		if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0 ||
		    json_object_get_int64(v) > 65535)
			return refuse(r, "priority", "is no number up to 65535");
		p->priority = (uint32_t)json_object_get_int64(v);
	}
	if (json_object_object_get_ex(o, "enabled", &v)) {
		if (!json_object_is_type(v, json_type_boolean))
			return refuse(r, "enabled", "is neither true nor false");
		p->enabled = json_object_get_boolean(v);
	}
	if (read_choice(r, "default_mode", p->mode, modes) < 0)
		return -EINVAL;
	return read_choice(r, "default_direction", p->direction, directions);
}

static int read_profile(struct reading *r, struct json_object *o, struct profile *p)
{
	char id[sizeof(p->id)] = "";
	int err;

	*p = (struct profile){.priority = 50,
			      .enabled = true,
			      .protocol = -1,
			      .kind = -1,
			      .direction = "a_to_b",
			      .mode = "text"};
	r->id = "?";
	if (!json_object_is_type(o, json_type_object))
		return refuse(r, "it", "is no object");
	err = read_text(r, o, "id", id, sizeof(id));
	if (err == 0 && !id[0])
		err = refuse(r, "id", "is missing");
	fold(p->id, sizeof(p->id), id, strlen(id));
	snprintf(p->name, sizeof(p->name), "%s", id);
	r->id = p->id;
	p->matched = strcmp(p->id, "matched") == 0;
	if (err == 0)
		err = read_text(r, o, "name", p->name, sizeof(p->name));
	if (err == 0)
		err = read_text(r, o, "description", p->description, sizeof(p->description));
	if (err == 0)
		err = read_text(r, o, "default_direction", p->direction, sizeof(p->direction));
	if (err == 0)
		err = read_text(r, o, "default_mode", p->mode, sizeof(p->mode));
	if (err == 0)
		err = read_name(r, o, "protocol", protocol_of, &p->protocol);
	if (err == 0)
		err = read_name(r, o, "content_kind", kind_of, &p->kind);
	if (err == 0)
		err = read_services(r, o, p);
	if (err == 0)
		err = read_ports(r, o, p);
	if (err == 0)
		err = read_patterns(r, o, p);
	if (err == 0)
		err = read_rules(r, o, p);
	if (err == 0)
		err = read_transform(r, o, p);
	if (err == 0)
		err = read_rest(r, o, p);
	if (err == 0)
		err = read_presets(r, o, p);
	return err == 0 ? read_analyzers(r, p) : err;
}

static void drop(struct profile *p)
{
	json_object_put(p->preset);
	json_object_put(p->analyzers);
}

/* One of the same id is replaced. */
static int read_list(struct profiles *all, struct json_object *list, char *why, size_t size)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct reading r = {.why = why, .size = size};
		struct profile p;
		uint32_t at = 0;

		if (read_profile(&r, json_object_array_get_idx(list, i), &p) < 0) {
			drop(&p);
			return -EINVAL;
		}
		while (at < all->n && strcmp(all->at[at].id, p.id) != 0)
			at++;
		if (at == PROFILES) {
			snprintf(why, size, "more than %u profiles", PROFILES);
			drop(&p);
			return -EINVAL;
		}
		if (at == all->n)
			all->n++;
		else
			drop(&all->at[at]);
		all->at[at] = p;
	}
	return 0;
}

static int by_priority(const void *a, const void *b)
{
	const struct profile *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int read_file(struct profiles *p, const char *path, bool builtins, char *why, size_t size)
{
	struct json_object *root = json_object_from_file(path), *list = root, *v;
	int err = 0;

	if (!root) {
		const char *said = json_util_get_last_err();

		snprintf(why, size, "%s: %s", path,
			 strstr(said, "continue") ? "it is no list of profiles" : said);
		why[strcspn(why, "\n")] = 0;
		return -EINVAL;
	}
	if (json_object_is_type(root, json_type_object)) {
		if (json_object_object_get_ex(root, "include_builtins", &v) &&
		    !json_object_get_boolean(v))
			builtins = false;
		if (!json_object_object_get_ex(root, "profiles", &list))
			list = NULL;
	}
	if (!builtins) {
		for (uint32_t i = 0; i < p->n; i++)
			drop(&p->at[i]);
		p->n = 0;
	}
	if (!list || !json_object_is_type(list, json_type_array)) {
		snprintf(why, size, "%s: it has no list of profiles", path);
		err = -EINVAL;
	}
	if (err == 0)
		err = read_list(p, list, why, size);
	json_object_put(root);
	return err;
}

int profiles_open(struct profiles *p, const char *path, char *why, size_t size)
{
	struct json_object *own = json_tokener_parse(builtin);
	struct stat st;
	int err;

	*p = (struct profiles){.at = calloc(PROFILES, sizeof(struct profile))};
	snprintf(why, size, "out of memory");
	err = own && p->at ? read_list(p, own, why, size) : -ENOMEM;
	json_object_put(own);
	if (err == 0 && path && stat(path, &st) == 0 && st.st_size > FILE_MAX) {
		snprintf(why, size, "%s: it is larger than 1 MiB", path);
		err = -EINVAL;
	}
	if (err == 0 && path)
		err = read_file(p, path, true, why, size);
	if (err == 0)
		qsort(p->at, p->n, sizeof(*p->at), by_priority);
	return err;
}

void profiles_close(struct profiles *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		drop(&p->at[i]);
	free(p->at);
	*p = (struct profiles){0};
}

const struct profile *profile_find(const struct profiles *p, const char *id, size_t n)
{
	char folded[sizeof(p->at[0].id)];

	fold(folded, sizeof(folded), id, n);
	for (uint32_t i = 0; i < p->n; i++)
		if (strcmp(p->at[i].id, folded) == 0)
			return &p->at[i];
	return NULL;
}

static bool has_port(const struct profile *p, uint16_t port)
{
	return p->has_port[port / 64] >> port % 64 & 1;
}

bool profile_matches(const struct profile *p, const struct rows *rows, const struct found *found,
		     uint32_t row)
{
	const struct columns *c = &rows->col;

	if (!p->enabled || (p->protocol >= 0 && p->protocol != c->proto[row]))
		return false;
	if ((p->matched && rows_is(rows, row, ROW_MATCH)) || p->has_service[c->service[row]] ||
	    p->kind == c->kind[row] || has_port(p, c->port[0][row]) || has_port(p, c->port[1][row]))
		return true;
	for (uint32_t i = 0; i < p->patterns; i++) {
		const struct found_pattern *want = found_named(found, p->pattern[i],
							       strlen(p->pattern[i])),
					   *have;
		uint32_t cursor = 0;

		while (want && (have = found_of_row(found, rows, row, &cursor)))
			if (have == want)
				return true;
	}
	return false;
}

/* Of 64 rows, without a branch: what they are is hard to guess. */
static uint64_t run_word(const struct profile *p, const struct columns *c, uint32_t w,
			 uint64_t by_pattern)
{
	const uint16_t match = p->matched ? ROW_MATCH : 0;
	uint64_t good = 0, protocol = 0;

	for (uint32_t k = 0; k < 64; k++) {
		size_t i = 64UL * w + k;
		bool is = p->has_service[c->service[i]] | (p->kind == c->kind[i]) |
			  has_port(p, c->port[0][i]) | has_port(p, c->port[1][i]) |
			  ((c->flags[i] & match) != 0);

		good |= (uint64_t)is << k;
		protocol |= (uint64_t)((p->protocol < 0) | (p->protocol == c->proto[i])) << k;
	}
	return (good | by_pattern) & protocol;
}

void profile_run(const struct profile *p, const struct rows *rows, const struct found *found,
		 uint64_t *bits)
{
	uint32_t words = (rows->n + 63) / 64;
	uint64_t *set = p->patterns ? calloc(words + 1UL, sizeof(*set)) : NULL;

	for (uint32_t i = 0; set && i < p->patterns; i++) {
		const struct found_pattern *f =
			found_named(found, p->pattern[i], strlen(p->pattern[i]));

		if (f)
			found_mark(found, f, set);
	}
	for (uint32_t w = 0; w < words; w++)
		if (bits[w])
			bits[w] &= p->enabled ? run_word(p, &rows->col, w, set ? set[w] : 0) : 0;
	free(set);
}

const struct profile *profile_primary(const struct profiles *p, const struct rows *rows,
				      const struct found *found, uint32_t row)
{
	const struct profile *first = NULL;

	for (uint32_t i = 0; i < p->n; i++) {
		if (!profile_matches(&p->at[i], rows, found, row))
			continue;
		if (p->at[i].has_service[rows->col.service[row]])
			return &p->at[i];
		first = first ? first : &p->at[i];
	}
	return first;
}
