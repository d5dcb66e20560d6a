/* SPDX-License-Identifier: MIT */
/* inside — what the files of api/ share: the thread's state, and the handlers of the routes. */
#ifndef API_INSIDE_H
#define API_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/access.h"
#include "api/api.h"
#include "api/call.h"
#include "user/base/clock.h"
#include "user/report.h"
#include "user/run.h"
#include "user/source/places.h"
#include "user/view/view.h"

#define ANSWER_MS 2000U /* for a worker's answer */
#define FRESH_MS  500U  /* numbers are at most so old while packets come */

enum run_status { RUN_RUNNING, RUN_COMPLETED, RUN_FAILED };

struct api {
	struct http_host host; /* first */
	struct run *run;
	const struct conf *conf;
	struct http *http;
	struct access access;
	struct view view;
	struct places *places; /* or NULL */
	pthread_t thread;
	bool started;
	_Atomic bool stop, ended;
	uint64_t instance;
	enum run_status status;
	char state_path[1024];
	const char *state; /* path, or NULL */
	/* what workers counted, as copied at the last look */
	struct run seen;
	struct report report;
	char *stats; /* the record, as text */
	size_t stats_len;
	uint64_t stats_ms;     /* when */
	uint32_t stats_owed;   /* answers under way */
	uint64_t stats_wanted; /* when somebody last asked for them */
	struct call *asking;   /* with a question under way */
	struct call *waiting;  /* long polls and event streams */
	uint32_t polls, streams;
	struct patterns *patterns;
	const struct profile *active;    /* or NULL */
	struct json_object *preferences; /* where nothing is saved */
	struct call *downloads;          /* whose file is being made */
	uint32_t downloading;
	uint64_t news; /* records taken */
	uint64_t second_ms, tend_ms, delta_ms;
	uint64_t told_status;
};

/* route.c */
void route_begin(struct api *a, struct call *c);
uint32_t route_count(void);
const struct route *route_at(uint32_t i);

/* resources */
call_handler health_get, metrics_get, perf_queues_get, openapi_get, login_post;
call_handler streams_list, stream_get, stream_state, stream_matches, matches_list, stream_messages;
call_handler content_get, conversation_get, download_get, pcap_get;
call_handler patterns_list, patterns_add, patterns_change, patterns_remove;
call_handler profiles_list, profile_get, profile_hide, profile_activate;
call_handler rules_list, rules_add, rules_clear, rules_remove;
call_handler preference_get, preference_put;
call_handler deltas_get, events_get, timeline_get, top_get, asset_get;

/* stats.c: numbers that are fresh enough, or under way; and a look at what came back. */
void stats_look(struct api *a, uint64_t now_ms);
void stats_answer(struct api *a, struct ask *q);
void stats_final(struct api *a);

/* follow.c: who waits for changes. */
void follow_look(struct api *a, uint64_t now_ms);
void follow_ready(struct api *a, struct call *c);
void follow_forget(struct api *a, struct call *c);

/* streams.c */
void out_row(struct api *a, struct out *o, const char *name, uint32_t row);
/* matches.c */
void out_match(struct out *o, const struct news_match *m);
void out_matches(struct api *a, struct out *o, uint32_t row);

/* content.c, download.c: the piece before was taken; the client has left. */
void download_ready(struct api *a, struct call *c);
void download_look(struct api *a);
void download_stop(struct api *a);
void download_forget(struct api *a, struct call *c);

/* patterns.c */
int patterns_open(struct api *a);
void patterns_close(struct api *a);
void patterns_look(struct api *a, uint64_t now_ms);
void streams_look(struct api *a);
void patterns_forget(struct api *a, const struct call *c);
/* An ASK_PATTERNS or ASK_RESCAN came back. */
void patterns_answer(struct api *a, struct ask *q);

/* The row of the call's stream, or ROW_NONE after answering 404. */
uint32_t call_row(struct api *a, struct call *c);

#endif
