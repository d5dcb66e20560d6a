/* SPDX-License-Identifier: MIT */
/* marks — hide rules, service profiles, preferences: what a person says of how to look. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"

#define PREFERENCE  65536U /* bytes of a document */
#define PREFERENCES 100U
#define ACTIVE      "active"

/* ---- hide rules ---- */

static void reply_rules(struct api *a, struct call *c)
{
	struct out *o = &c->out;
	char label[HIDE_VALUE + 32];

	out_object(o, NULL);
	out_array(o, "rules");
	for (uint32_t i = 0; i < a->view.hide.n; i++) {
		const struct hide_rule *r = &a->view.hide.rule[i];

		hide_label(r, label);
		out_object(o, NULL);
		out_u64(o, "id", r->id);
		out_u64(o, "index", i);
		out_text(o, "label", label);
		out_object(o, "rule");
		out_text(o, "kind", hide_kind_name(r->kind));
		out_text(o, "value", r->value);
		out_end_object(o);
		out_end_object(o);
	}
	out_end_array(o);
	out_object(o, "view");
	out_u64(o, "tracked_streams", a->view.rows.live);
	out_u64(o, "manually_hidden_streams", a->view.rows.hidden);
	out_u64(o, "hide_rules", a->view.hide.n);
	out_end_object(o);
	out_end_object(o);
	call_reply(c, 200);
}

void rules_list(struct api *a, struct call *c)
{
	reply_rules(a, c);
}

void rules_add(struct api *a, struct call *c)
{
	struct json_object *kind = NULL, *value = NULL;
	struct hide_rule r;
	uint32_t id;
	char why[160];

	if (!json_object_is_type(c->body, json_type_object) ||
	    !json_object_object_get_ex(c->body, "kind", &kind) ||
	    !json_object_object_get_ex(c->body, "value", &value) ||
	    json_object_object_length(c->body) != 2) {
		call_error(c, 400, NULL, "the body takes kind and value");
		return;
	}
	if (!json_object_is_type(kind, json_type_string) ||
	    json_object_is_type(value, json_type_object) ||
	    json_object_is_type(value, json_type_array) ||
	    json_object_is_type(value, json_type_null)) {
		call_error(c, 400, NULL, "kind takes a text, value a text or a number");
		return;
	}
	if (hide_parse(&r, json_object_get_string(kind), json_object_get_string(value), why,
		       sizeof(why)) < 0) {
		call_error(c, 400, NULL, "%s", why);
		return;
	}
	if (view_add_rule(&a->view, &r, &id) < 0) {
		call_error(c, 409, NULL, "there are %u rules already", HIDE_RULES);
		return;
	}
	view_rehide(&a->view);
	reply_rules(a, c);
}

void rules_clear(struct api *a, struct call *c)
{
	view_clear_rules(&a->view);
	reply_rules(a, c);
}

void rules_remove(struct api *a, struct call *c)
{
	char *end;
	unsigned long id = strtoul(c->part, &end, 10);

	if (*end || c->part[0] < '0' || c->part[0] > '9') {
		call_error(c, 400, NULL, "\"%.32s\" is no number of a rule", c->part);
		return;
	}
	if (id > UINT32_MAX || !view_remove_rule(&a->view, (uint32_t)id)) {
		call_error(c, 404, NULL, "no hide rule %.32s", c->part);
		return;
	}
	reply_rules(a, c);
}

/* ---- service profiles ---- */

struct profile_counts {
	uint64_t total, visible, hidden, matched, favorite;
};

static uint64_t count_flags(const struct rows *r, const uint64_t *bits, uint16_t flags)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < (r->n + 63) / 64; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1)
			n += rows_is(r, 64 * w + (uint32_t)__builtin_ctzll(left), flags);
	return n;
}

static struct profile_counts count_profile(struct api *a, const struct profile *p)
{
	static struct filter live;
	struct profile_counts n = {0};

	filter_init(&live);
	live.profile = p;
	n.total = filter_run(&live, &a->view.rows, &a->view.found, a->view.bits);
	n.hidden = count_flags(&a->view.rows, a->view.bits, ROW_HIDDEN | ROW_RULED);
	n.visible = n.total - n.hidden;
	n.matched = count_flags(&a->view.rows, a->view.bits, ROW_MATCH);
	n.favorite = count_flags(&a->view.rows, a->view.bits, ROW_FAVORITE);
	return n;
}

static void out_json(struct out *o, const char *name, struct json_object *v)
{
	const char *text = json_object_to_json_string_ext(
		v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	out_raw(o, name, span_of((const uint8_t *)text, strlen(text)));
}

static void out_chain(struct out *o, const char *chain)
{
	out_array(o, "default_transforms");
	while (*chain) {
		size_t n = strcspn(chain, ",|+>");

		out_bytes(o, NULL, span_of((const uint8_t *)chain, n));
		chain += n + (chain[n] != 0);
	}
	out_end_array(o);
}

static bool is_active(struct api *a, const struct profile *p)
{
	char *id = saved_get(a->view.saved, "profile", ACTIVE);
	bool yes = id ? strcmp(id, p->id) == 0 : a->active == p;

	free(id);
	return yes;
}

static void out_profile(struct api *a, struct out *o, const struct profile *p)
{
	struct profile_counts n = count_profile(a, p);

	out_object(o, NULL);
	out_object(o, "profile");
	out_text(o, "id", p->id);
	out_text(o, "name", p->name);
	out_text(o, "description", p->description);
	out_u64(o, "priority", p->priority);
	out_bool(o, "enabled", p->enabled);
	if (p->protocol >= 0)
		out_text(o, "protocol",
			 p->protocol == 6    ? "tcp"
			 : p->protocol == 17 ? "udp"
					     : "other");
	else
		out_null(o, "protocol");
	out_array(o, "services");
	for (uint32_t i = 0; i < p->services; i++)
		out_text(o, NULL, service_name_text((enum service_name)p->service[i]));
	out_end_array(o);
	out_array(o, "ports");
	for (uint32_t i = 0; i < p->ports; i++)
		out_u64(o, NULL, p->port[i]);
	out_end_array(o);
	out_text_or_null(o, "content_kind",
			 p->kind >= 0 ? content_kind_name((enum content_kind)p->kind) : NULL);
	out_array(o, "pattern_ids");
	for (uint32_t i = 0; i < p->patterns; i++)
		out_text(o, NULL, p->pattern[i]);
	out_end_array(o);
	out_text(o, "default_direction", p->direction);
	out_text(o, "default_mode", p->mode);
	out_text(o, "default_transform", p->transform[0] ? p->transform : "raw");
	out_chain(o, p->transform);
	out_array(o, "hide_rules");
	for (uint32_t i = 0; i < p->rules; i++) {
		out_object(o, NULL);
		out_text(o, "kind", hide_kind_name(p->rule[i].kind));
		out_text(o, "value", p->rule[i].value);
		out_end_object(o);
	}
	out_end_array(o);
	if (p->preset)
		out_json(o, "preset", p->preset);
	if (p->analyzers)
		out_json(o, "analyzers", p->analyzers);
	out_end_object(o);
	out_object(o, "stats");
	out_u64(o, "total_streams", n.total);
	out_u64(o, "visible_streams", n.visible);
	out_u64(o, "hidden_streams", n.hidden);
	out_u64(o, "matched_streams", n.matched);
	out_u64(o, "favorite_streams", n.favorite);
	out_end_object(o);
	out_bool(o, "active", is_active(a, p));
	out_end_object(o);
}

void profiles_list(struct api *a, struct call *c)
{
	const struct profiles *p = &a->view.profiles;

	out_object(&c->out, NULL);
	out_array(&c->out, "profiles");
	for (uint32_t i = 0; i < p->n; i++)
		out_profile(a, &c->out, &p->at[i]);
	out_end_array(&c->out);
	out_end_object(&c->out);
	call_reply(c, 200);
}

/* Answers 404 where there is none. */
static const struct profile *call_profile(struct api *a, struct call *c)
{
	const struct profile *p = profile_find(&a->view.profiles, c->part, strlen(c->part));

	if (!p)
		call_error(c, 404, NULL, "no service profile \"%.48s\"", c->part);
	return p;
}

void profile_get(struct api *a, struct call *c)
{
	const struct profile *p = call_profile(a, c);

	if (!p)
		return;
	out_profile(a, &c->out, p);
	call_reply(c, 200);
}

void profile_hide(struct api *a, struct call *c)
{
	const struct profile *p = call_profile(a, c);
	bool good = true;
	uint32_t id;

	if (!p)
		return;
	for (uint32_t i = 0; i < p->rules; i++)
		good &= view_add_rule(&a->view, &p->rule[i], &id) == 0;
	view_rehide(&a->view); /* also where there was room for some of them only */
	if (good)
		reply_rules(a, c);
	else
		call_error(c, 409, NULL, "there are %u rules already", HIDE_RULES);
}

static void use_analyzers(struct api *a, const struct profile *p)
{
	for (uint32_t w = 0; w < a->conf->workers && (p->http >= 0 || p->websocket >= 0); w++) {
		struct ask *q = ask_take(&a->run->desk);

		if (!q)
			return;
		q->kind = ASK_ANALYZERS;
		q->worker = (uint16_t)w;
		q->http = p->http;
		q->websocket = p->websocket;
		ask_send(&a->run->desk, q);
	}
}

/* Its preset is what the client applies; its analyzer settings hold from the next stream on where
 * they can change in a run. */
void profile_activate(struct api *a, struct call *c)
{
	const struct profile *p = call_profile(a, c);

	if (!p)
		return;
	a->active = p;
	use_analyzers(a, p);
	saved_put(a->view.saved, "profile", ACTIVE, p->id);
	deltas_add(&a->view.deltas, DELTA_VIEW, NULL, 0);
	out_object(&c->out, NULL);
	out_text(&c->out, "active", p->id);
	if (p->preset)
		out_json(&c->out, "preset", p->preset);
	else
		out_null(&c->out, "preset");
	if (p->analyzers)
		out_json(&c->out, "analyzers", p->analyzers);
	else
		out_null(&c->out, "analyzers");
	out_end_object(&c->out);
	call_reply(c, 200);
}

/* ---- preferences ---- */

static bool name_is_good(struct call *c)
{
	size_t n = strlen(c->part);

	if (n <= 64 && c->part[strspn(c->part, "abcdefghijklmnopqrstuvwxyz"
					       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == 0)
		return true;
	call_error(c, 400, NULL, "a preference has a name of letters, digits, _, . and -");
	return false;
}

/* Kept for this run where nothing is saved. */
static struct json_object *unsaved(struct api *a)
{
	if (!a->preferences)
		a->preferences = json_object_new_object();
	return a->preferences;
}

static void reply_preference(struct call *c, const char *text)
{
	out_object(&c->out, NULL);
	out_text(&c->out, "name", c->part);
	out_raw(&c->out, "value", span_of((const uint8_t *)text, strlen(text)));
	out_end_object(&c->out);
	call_reply(c, 200);
}

void preference_get(struct api *a, struct call *c)
{
	struct json_object *v = NULL;
	char *text;

	if (!name_is_good(c))
		return;
	text = saved_get(a->view.saved, "preference", c->part);
	if (text)
		reply_preference(c, text);
	else if (json_object_object_get_ex(unsaved(a), c->part, &v))
		reply_preference(c, json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN));
	else
		call_error(c, 404, NULL, "no preference \"%.64s\"", c->part);
	free(text);
}

void preference_put(struct api *a, struct call *c)
{
	const char *text = json_object_to_json_string_ext(c->body, JSON_C_TO_STRING_PLAIN);
	struct json_object *kept = unsaved(a), *old;
	char *known;

	if (!name_is_good(c))
		return;
	if (strlen(text) > PREFERENCE) {
		call_error(c, 413, NULL, "a preference has at most %u bytes", PREFERENCE);
		return;
	}
	known = saved_get(a->view.saved, "preference", c->part);
	if (!known && !json_object_object_get_ex(kept, c->part, &old) &&
	    saved_count(a->view.saved, "preference") + (uint32_t)json_object_object_length(kept) >=
		    PREFERENCES) {
		call_error(c, 409, NULL, "there are %u preferences already", PREFERENCES);
		return;
	}
	free(known);
	if (saved_works(a->view.saved))
		saved_put(a->view.saved, "preference", c->part, text);
	else
		json_object_object_add(kept, c->part, json_object_get(c->body));
	reply_preference(c, text);
}
