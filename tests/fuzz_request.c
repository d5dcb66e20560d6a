/* SPDX-License-Identifier: MIT */
/*
 * fuzz_request — requests through the API's table of routes, over a small view: each is answered
 * once at most, errors in one shape, and whatever is said to be JSON is.
 *
 * Input: a byte for the method, the target up to a newline, header lines "name: value" up to an
 * empty one, the body.  The server below is not libh2o; the workers never answer.
 */
#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct http {
	int answers;
};

static struct http server;

/* ---- in the place of the server ---- */

void http_reply(struct http_call *c, const struct http_answer *a, const void *bytes, size_t n)
{
	struct json_object *o, *error;

	assert(!c->answered);
	c->answered = true;
	server.answers++;
	if (!a->type || strcmp(a->type, "application/json") != 0)
		return;
	o = NULL;
	if (n) {
		struct json_tokener *t = json_tokener_new_ex(64);

		json_tokener_set_flags(t, JSON_TOKENER_STRICT);
		o = json_tokener_parse_ex(t, bytes, (int)n);
		assert(json_tokener_get_error(t) == json_tokener_success);
		json_tokener_free(t);
	}
	assert(a->status < 400 || json_object_object_get_ex(o, "error", &error));
	json_object_put(o);
}

void http_stream(struct http_call *c, const struct http_answer *a)
{
	(void)a;
	assert(!c->answered);
	c->answered = c->streaming = true;
	server.answers++;
}

void http_send(struct http_call *c, const void *bytes, size_t n, bool last)
{
	(void)bytes;
	(void)n;
	c->waiting = true;
	c->streaming = !last;
}

void http_abort(struct http_call *c)
{
	c->streaming = false;
}

const char *http_address(const struct http *h)
{
	(void)h;
	return "127.0.0.1:8080";
}

bool http_is_loopback(const struct http *h)
{
	(void)h;
	return true;
}

bool http_is_unix(const struct http *h)
{
	(void)h;
	return false;
}

uint16_t http_port(const struct http *h)
{
	(void)h;
	return 8080;
}

struct http_counts http_counts(const struct http *h)
{
	(void)h;
	return (struct http_counts){0};
}

int http_open(struct http **out, const struct http_conf *conf, struct http_host *host)
{
	(void)conf;
	(void)host;
	*out = &server;
	return 0;
}

void http_close(struct http *h)
{
	(void)h;
}

void http_run(struct http *h, int ms)
{
	(void)h;
	(void)ms;
}

int http_watch(struct http *h, int fd)
{
	(void)h;
	(void)fd;
	return 0;
}

void http_stop(struct http *h)
{
	(void)h;
}

void http_reap(struct http *h, uint64_t now_ms)
{
	(void)h;
	(void)now_ms;
}

/* No process is started: patterns are refused. */
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	(void)pid;
	(void)path;
	(void)actions;
	(void)attr;
	(void)argv;
	(void)env;
	return ENOSYS;
}

/* ---- a view ---- */

static struct api *api;

static void add_stream(uint64_t id, uint8_t proto, uint8_t service)
{
	struct news_stream s = {.kind = NEWS_STREAM,
				.id = id,
				.first_ns = id * 1000,
				.last_ns = id * 2000,
				.key = {.lo = {10, 0, 0, (uint8_t)id},
					.hi = {10, 0, 1, 1},
					.lo_port = (uint16_t)(40000 + id),
					.hi_port = 80,
					.proto = proto,
					.ip_layers = 1},
				.packets = {id, 2},
				.bytes = {100 * id, 7},
				.matches = id % 3,
				.service = {.name = service}};
	struct news_match m = {.kind = NEWS_MATCH,
			       .stream = id,
			       .from = id,
			       .to = id + 4,
			       .signature = 7,
			       .name_len = 1,
			       .name = "x",
			       .text_len = 4,
			       .text = {'f', 0, 0xff, '"'}};

	view_news(&api->view, (const uint8_t *)&s, sizeof(s));
	if (id % 3)
		view_news(&api->view, (const uint8_t *)&m, sizeof(m));
}

/* What rows point at lies in mappings, where the leak detector does not look. */
static void leave(void)
{
	api_close(api);
}

static void open_api(void)
{
	static struct conf conf;
	static struct run run;
	static char *argv[] = {(char *)"rm-xdp",       (char *)"x.pcap",  (char *)"--api-listen",
			       (char *)"127.0.0.1:80", (char *)"--state", (char *)"none",
			       (char *)"--workers",    (char *)"1",       (char *)"--max-streams",
			       (char *)"1000"};

	assert(conf_read(&conf, 10, argv) == 0);
	run.conf = &conf;
	assert(api_open(&api, &run) == 0);
	assert(ask_open(&run.desk, 1) == 0);
	assert(view_use_state(&api->view, NULL) == 0 && patterns_open(api) == 0);
	api->seen = run;
	api->seen.worker = calloc(1, sizeof(*api->seen.worker));
	api->stats = calloc(1, REPORT_STATS_MAX);
	assert(api->seen.worker && api->stats);
	for (uint64_t id = 1; id < 40; id++)
		add_stream(id, id % 2 ? 6 : 17, (uint8_t)(id % SERVICE_COUNT));
	view_tell(&api->view);
	atexit(leave);
}

/* ---- requests ---- */

static struct span line_of(struct span *rest)
{
	const uint8_t *end = memchr(rest->at, '\n', span_len(*rest));
	struct span line = {rest->at, end ? end : rest->end};

	rest->at = end ? end + 1 : rest->end;
	return line;
}

static void set_header(struct http_call *c, struct span line)
{
	const struct {
		const char *name;
		struct span *at;
	} known[] = {{"h:", &c->host},         {"o:", &c->origin},       {"a:", &c->authorization},
		     {"k:", &c->cookie},       {"t:", &c->content_type}, {"n:", &c->if_none_match},
		     {"e:", &c->last_event_id}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_len(line) >= 2 && memcmp(line.at, known[i].name, 2) == 0) {
			line.at += 2;
			*known[i].at = line;
		}
}

static void put_away(struct call *c)
{
	struct ask *q;

	while ((q = ask_receive(&api->run->desk, 0)))
		ask_put(q);
	api->asking = NULL;
	if (c->waits)
		follow_forget(api, c);
	patterns_forget(api, c);
	json_object_put(c->body);
	out_free(&c->out);
	free(c->memory);
	free(c->bytes);
	free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "X"};
	struct span rest = span_of(data, size), target;
	const char *method;
	const uint8_t *mark;
	struct call *c;

	if (!api)
		open_api();
	if (size == 0)
		return 0;
	c = calloc(1, sizeof(*c));
	assert(c);
	method = methods[*rest.at++ % 7];
	c->http.method = span_of((const uint8_t *)method, strlen(method));
	c->http.head = method[0] == 'H';
	c->http.host = span_of((const uint8_t *)"localhost", 9);
	c->http.content_type = span_of((const uint8_t *)"application/json", 16);
	target = line_of(&rest);
	mark = memchr(target.at, '?', span_len(target));
	c->http.path = (struct span){target.at, mark ? mark : target.end};
	c->http.query = (struct span){mark ? mark + 1 : target.end, target.end};
	for (struct span line = line_of(&rest); span_len(line); line = line_of(&rest))
		set_header(&c->http, line);
	c->http.body = rest;
	server.answers = 0;
	route_begin(api, c);
	assert(server.answers <= 1);
	follow_look(api, clock_ns() / 1000000 + 60000);
	assert(server.answers <= 1);
	put_away(c);
	return 0;
}
