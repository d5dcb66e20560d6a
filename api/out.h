/* SPDX-License-Identifier: MIT */
/*
 * out — JSON into a buffer that grows: members and elements with their commas.
 *
 * Owner:   one thread.  Where memory ends, `failed` is set and nothing more is written.
 */
#ifndef API_OUT_H
#define API_OUT_H

#include <stdbool.h>

#include "user/base/span.h"
#include "user/event/json.h"

struct out {
	struct json json; /* its `at` is where writing goes on */
	char *base, *end;
	bool comma; /* something stands before */
	bool failed;
};

void out_free(struct out *o);
void out_clear(struct out *o);

static inline size_t out_len(const struct out *o)
{
	return (size_t)(o->json.at - o->base);
}

/* Room for n bytes behind json.at; false where there is no memory. */
bool out_room(struct out *o, size_t n);

/* name: of a member, NULL for an element of an array or the whole. */
void out_object(struct out *o, const char *name);
void out_array(struct out *o, const char *name);
void out_end_object(struct out *o);
void out_end_array(struct out *o);
void out_text(struct out *o, const char *name, const char *text);
void out_bytes(struct out *o, const char *name, struct span text);
/* NULL where text is NULL or empty. */
void out_text_or_null(struct out *o, const char *name, const char *text);
void out_base64(struct out *o, const char *name, struct span bytes);
void out_u64(struct out *o, const char *name, uint64_t v);
void out_i64(struct out *o, const char *name, int64_t v);
/* With six digits behind the point. */
void out_micro(struct out *o, const char *name, uint64_t millionths);
void out_bool(struct out *o, const char *name, bool v);
void out_null(struct out *o, const char *name);
void out_id(struct out *o, const char *name, uint64_t id);
void out_time(struct out *o, const char *name, uint64_t ns);
/* JSON that was written elsewhere. */
void out_raw(struct out *o, const char *name, struct span json);
/* Bytes outside JSON. */
void out_put(struct out *o, const void *bytes, size_t n);

#endif
