/* SPDX-License-Identifier: MIT */
/* hide — see hide.h. */
#include "user/view/hide.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "user/flow/id.h"
#include "user/stream/classify.h"
#include "user/view/filter.h"

/* The first rule for each value, + 1. */
struct hide_tables {
	uint16_t service[256], protocol[256], kind[256], status[256];
	uint16_t port[65536];
	uint16_t host[HIDE_RULES], pattern[HIDE_RULES], stream[HIDE_RULES];
	struct found_name name[HIDE_RULES]; /* of `pattern` */
	uint32_t hosts, patterns, streams;
	struct filter_host net[HIDE_RULES];
	uint64_t id[HIDE_RULES];
};

static const struct {
	const char *name, *label;
} kinds[] = {
#define HIDE_NAME(name, text, label) {text, label},
	HIDE_KINDS(HIDE_NAME)
#undef HIDE_NAME
};

const char *hide_kind_name(enum hide_kind kind)
{
	return kinds[kind].name;
}

void hide_label(const struct hide_rule *r, char out[HIDE_VALUE + 32])
{
	snprintf(out, HIDE_VALUE + 32, "%s:%s", kinds[r->kind].label, r->value);
}

int hide_open(struct hide *h)
{
	*h = (struct hide){.tables = calloc(1, sizeof(*h->tables))};
	return h->tables ? 0 : -ENOMEM;
}

void hide_close(struct hide *h)
{
	free(h->tables);
	h->tables = NULL;
}

int hide_parse(struct hide_rule *r, const char *kind, const char *value, char *why, size_t size)
{
	size_t n = strlen(value);
	struct filter_host host;
	uint64_t id = 0;
	int good = 0;

	*r = (struct hide_rule){0};
	for (; r->kind < HIDE_COUNT; r->kind++)
		if (strcasecmp(kind, kinds[r->kind].name) == 0 ||
		    strcasecmp(kind, kinds[r->kind].label) == 0 ||
		    (r->kind == HIDE_CONTENT && strcasecmp(kind, "kind") == 0))
			break;
	if (r->kind == HIDE_COUNT) {
		snprintf(why, size, "no such kind of rule: \"%.40s\"", kind);
		return -EINVAL;
	}
	if (n == 0 || n >= HIDE_VALUE) {
		snprintf(why, size, n ? "the value is too long" : "the value is empty");
		return -EINVAL;
	}
	snprintf(r->value, sizeof(r->value), "%s", value);
	switch (r->kind) {
	case HIDE_STREAM:
		good = stream_id_read(value, &id) ? 0 : -1;
		snprintf(r->value, sizeof(r->value), "%016llx", (unsigned long long)id);
		break;
	case HIDE_SERVICE:
		good = service_of(value, n);
		break;
	case HIDE_PROTOCOL:
		good = protocol_of(value, n);
		break;
	case HIDE_PORT:
		good = n > 5 || value[strspn(value, "0123456789")] ||
				       strtoul(value, NULL, 10) > 65535
			       ? -1
			       : 0;
		break;
	case HIDE_HOST:
		good = host_parse(&host, value, n) ? 0 : -1;
		break;
	case HIDE_CONTENT:
		good = kind_of(value, n);
		break;
	case HIDE_STATUS:
		good = status_of_name(value, n);
		break;
	default:
		break;
	}
	if (good < 0)
		snprintf(why, size, "\"%.40s\" is no %s", value, kinds[r->kind].name);
	return good < 0 ? -EINVAL : 0;
}

static void note(uint16_t *cell, uint32_t i)
{
	if (!*cell)
		*cell = (uint16_t)(i + 1);
}

static void rebuild(struct hide *h)
{
	struct hide_tables *t = h->tables;

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < h->n; i++) {
		const struct hide_rule *r = &h->rule[i];
		size_t n = strlen(r->value);

		switch (r->kind) {
		case HIDE_STREAM:
			stream_id_read(r->value, &t->id[t->streams]);
			t->stream[t->streams++] = (uint16_t)(i + 1);
			break;
		case HIDE_SERVICE:
			note(&t->service[service_of(r->value, n)], i);
			break;
		case HIDE_PROTOCOL:
			note(&t->protocol[protocol_of(r->value, n)], i);
			break;
		case HIDE_PORT:
			note(&t->port[strtoul(r->value, NULL, 10) & 65535], i);
			break;
		case HIDE_HOST:
			host_parse(&t->net[t->hosts], r->value, n);
			t->host[t->hosts++] = (uint16_t)(i + 1);
			break;
		case HIDE_CONTENT:
			note(&t->kind[kind_of(r->value, n)], i);
			break;
		case HIDE_STATUS:
			note(&t->status[status_of_name(r->value, n)], i);
			break;
		default:
			if (found_name_read(&t->name[t->patterns], r->value, n))
				t->pattern[t->patterns++] = (uint16_t)(i + 1);
			break;
		}
	}
}

const struct hide_rule *hide_add(struct hide *h, const struct hide_rule *r)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->rule[i].kind == r->kind && strcasecmp(h->rule[i].value, r->value) == 0)
			return &h->rule[i];
	if (h->n == HIDE_RULES)
		return NULL;
	h->rule[h->n] = *r;
	if (r->id == 0)
		h->rule[h->n].id = h->last_id + 1;
	if (h->rule[h->n].id > h->last_id)
		h->last_id = h->rule[h->n].id;
	h->n++;
	rebuild(h);
	return &h->rule[h->n - 1];
}

bool hide_remove(struct hide *h, uint32_t id)
{
	for (uint32_t i = 0; i < h->n; i++) {
		if (h->rule[i].id != id)
			continue;
		memmove(&h->rule[i], &h->rule[i + 1], (h->n - i - 1) * sizeof(h->rule[0]));
		h->n--;
		rebuild(h);
		return true;
	}
	return false;
}

void hide_clear(struct hide *h)
{
	h->n = 0;
	rebuild(h);
}

/* Not the last of those that hide it: the first in the list. */
static uint16_t first_of(uint16_t best, uint16_t other)
{
	return best && (!other || best < other) ? best : other;
}

uint16_t hide_of(const struct hide *h, const struct rows *rows, const struct found *found,
		 uint32_t row)
{
	const struct hide_tables *t = h->tables;
	const struct news_stream *s = &rows->row[row].s;
	uint16_t rule = 0;

	if (h->n == 0)
		return 0;
	rule = first_of(t->service[s->service.name], t->protocol[s->key.proto]);
	rule = first_of(rule, first_of(t->kind[s->content_kind], t->status[s->status]));
	if (proto_has_ports(s->key.proto))
		rule = first_of(rule, first_of(t->port[s->key.lo_port], t->port[s->key.hi_port]));
	for (uint32_t i = 0; i < t->hosts; i++)
		if (host_is(&t->net[i], &s->key))
			rule = first_of(rule, t->host[i]);
	for (uint32_t i = 0; i < t->streams; i++)
		if (t->id[i] == s->id)
			rule = first_of(rule, t->stream[i]);
	for (uint32_t cursor = 0; t->patterns;) {
		const struct found_pattern *p = found_of_row(found, rows, row, &cursor);

		if (!p)
			break;
		for (uint32_t i = 0; i < t->patterns; i++)
			if (found_is(p, &t->name[i]))
				rule = first_of(rule, t->pattern[i]);
	}
	return rule;
}
