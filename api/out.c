/* SPDX-License-Identifier: MIT */
/* out — see out.h. */
#include "api/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCALAR 64U /* of a number, a time, an id */

void out_free(struct out *o)
{
	free(o->base);
	*o = (struct out){0};
}

void out_clear(struct out *o)
{
	o->json.at = o->base;
	o->comma = o->failed = false;
}

bool out_room(struct out *o, size_t n)
{
	size_t used = out_len(o), room = (size_t)(o->end - o->base);
	char *more;

	if (o->failed)
		return false;
	if (n <= room - used)
		return true;
	while (room - used < n)
		room = room ? 2 * room : 4096;
	more = realloc(o->base, room);
	if (!more) {
		o->failed = true;
		return false;
	}
	o->base = more;
	o->end = more + room;
	o->json.at = more + used;
	return true;
}

/* What comes before a value; room for `n` bytes of it. */
static bool begin(struct out *o, const char *name, size_t n)
{
	if (!out_room(o, n + (name ? strlen(name) : 0) + 8))
		return false;
	if (o->comma)
		*o->json.at++ = ',';
	o->comma = true;
	if (name) {
		*o->json.at++ = '"';
		json_name(&o->json, name);
		json_lit(&o->json, "\":");
	}
	return true;
}

static void open(struct out *o, const char *name, char bracket)
{
	if (!begin(o, name, 1))
		return;
	*o->json.at++ = bracket;
	o->comma = false;
}

static void close(struct out *o, char bracket)
{
	if (!out_room(o, 1))
		return;
	*o->json.at++ = bracket;
	o->comma = true;
}

void out_object(struct out *o, const char *name)
{
	open(o, name, '{');
}

void out_array(struct out *o, const char *name)
{
	open(o, name, '[');
}

void out_end_object(struct out *o)
{
	close(o, '}');
}

void out_end_array(struct out *o)
{
	close(o, ']');
}

void out_bytes(struct out *o, const char *name, struct span text)
{
	if (begin(o, name, 6 * span_len(text) + 2))
		json_text(&o->json, (const char *)text.at, span_len(text));
}

void out_text(struct out *o, const char *name, const char *text)
{
	out_bytes(o, name, span_of((const uint8_t *)text, strlen(text)));
}

void out_text_or_null(struct out *o, const char *name, const char *text)
{
	if (text && *text)
		out_text(o, name, text);
	else
		out_null(o, name);
}

void out_base64(struct out *o, const char *name, struct span bytes)
{
	if (begin(o, name, span_len(bytes) / 3 * 4 + 8))
		json_base64(&o->json, bytes.at, span_len(bytes));
}

void out_u64(struct out *o, const char *name, uint64_t v)
{
	if (begin(o, name, SCALAR))
		json_u64(&o->json, v);
}

void out_i64(struct out *o, const char *name, int64_t v)
{
	if (!begin(o, name, SCALAR))
		return;
	if (v < 0)
		*o->json.at++ = '-';
	json_u64(&o->json, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void out_micro(struct out *o, const char *name, uint64_t millionths)
{
	if (begin(o, name, SCALAR))
		o->json.at += snprintf(o->json.at, SCALAR, "%llu.%06llu",
				       (unsigned long long)(millionths / 1000000),
				       (unsigned long long)(millionths % 1000000));
}

void out_bool(struct out *o, const char *name, bool v)
{
	if (begin(o, name, SCALAR))
		json_name(&o->json, v ? "true" : "false");
}

void out_null(struct out *o, const char *name)
{
	if (begin(o, name, SCALAR))
		json_lit(&o->json, "null");
}

void out_id(struct out *o, const char *name, uint64_t id)
{
	if (begin(o, name, SCALAR))
		json_hex64(&o->json, id);
}

void out_time(struct out *o, const char *name, uint64_t ns)
{
	if (begin(o, name, SCALAR))
		json_time(&o->json, ns);
}

void out_raw(struct out *o, const char *name, struct span json)
{
	if (begin(o, name, span_len(json)))
		json_raw(&o->json, (const char *)json.at, span_len(json));
}

void out_put(struct out *o, const void *bytes, size_t n)
{
	if (out_room(o, n))
		json_raw(&o->json, bytes, n);
}
