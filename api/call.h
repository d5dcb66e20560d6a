/* SPDX-License-Identifier: MIT */
/*
 * call — a request on its way through the API: which route it took, its parameters, its answer.
 *
 * A handler answers at once, or asks a worker and answers when that has: then `done` is called,
 * also where no answer came in time (a == NULL).  A call whose client has left is only let go.
 *
 * Owner:   the api thread.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/http.h"
#include "api/out.h"
#include "user/event/ask.h"

#define CALL_PARAMS 24U
#define CALL_BODY   (1UL << 20)

struct api;
struct call;
struct json_object;

enum param_type {
	PARAM_NUMBER, /* between min and max */
	PARAM_TEXT,   /* at most max bytes */
	PARAM_FLAG,   /* true, false, 1, 0 */
	PARAM_CHOICE, /* one of `choices`, separated by | */
	PARAM_TIME,   /* ISO 8601, or seconds since 1970 */
};

struct param {
	const char *name;
	enum param_type type;
	uint64_t min, max;
	const char *preset; /* as typed, or NULL */
	const char *choices;
	const char *help;
};

/* A parameter as given, or its preset. */
struct value {
	const char *text; /* NULL: neither given nor preset */
	uint64_t number;  /* of numbers, flags, choices (which), times (ns) */
	bool given;
};

typedef void call_handler(struct api *a, struct call *c);

struct route {
	const char *method, *path; /* {id} and {name} stand for a part of it */
	call_handler *handle;
	const struct param *param;
	uint32_t params;
	const char *answer; /* schema of a 200, or NULL: no JSON */
	const char *body;   /* schema of the request, or NULL */
	const char *help;
	bool open; /* without a token */
};

struct call {
	struct http_call http; /* first */
	const struct route *route;
	char part[128]; /* of the path: what stands for {id} */
	uint64_t id;
	struct value value[CALL_PARAMS];
	char *memory; /* texts of the values */
	struct json_object *body;
	struct out out;
	/* the question under way */
	struct ask *ask;
	void (*done)(struct api *a, struct call *c, struct ask *answer);
	uint64_t asked_ms;
	struct call *next_asking;
	/* of a handler that works in steps */
	uint64_t at, end, from, other;
	uint8_t dir, mode, step;
	uint8_t *bytes;
	size_t n, header;
	void (*then)(struct api *a, struct call *c);
	void (*download_step)(struct api *a, struct call *c); /* the next piece */
	struct frames_job *frames;
	struct call *next_download;
	/* long polls and events */
	struct call *next_waiting;
	uint64_t cursor, until_ms, place, told_ms;
	uint32_t limit;
	uint8_t waits; /* enum call_wait */
};

enum call_wait { WAIT_NOT, WAIT_POLL, WAIT_EVENTS };

/* The parameter of this name; it is in the route's table. */
const struct value *call_value(const struct call *c, const char *name);

/* What is in c->out. */
void call_reply(struct call *c, int status);
/* code NULL: the usual one of the status. */
void call_error(struct call *c, int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A sheet for a question about the stream, or NULL after answering 404 or 503. */
struct ask *call_question(struct api *a, struct call *c, enum ask_kind kind);
void call_ask(struct api *a, struct call *c, struct ask *q,
	      void (*done)(struct api *a, struct call *c, struct ask *answer));
/* The answer is none: 503 where a is NULL, else 404 where the worker has let the stream go. */
bool call_refused(struct call *c, const struct ask *answer);

#endif
