/* SPDX-License-Identifier: MIT */
/*
 * route — the table of all routes with their parameters, from which requests are checked and the
 * OpenAPI document is made; and how a request finds its handler.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/inside.h"
#include "user/flow/id.h"

#define MOST      UINT64_MAX
#define TIME_MOST (1LL << 33) /* seconds: in the year 2242; nanoseconds have 64 bits */

#define NUMBER(name, min, max, preset, help)                     \
	{                                                        \
		name, PARAM_NUMBER, min, max, preset, NULL, help \
	}
#define TEXT(name, max, help)                              \
	{                                                  \
		name, PARAM_TEXT, 0, max, NULL, NULL, help \
	}
#define FLAG(name, help)                                    \
	{                                                   \
		name, PARAM_FLAG, 0, 1, "false", NULL, help \
	}
#define CHOICE(name, choices, preset, help)                     \
	{                                                       \
		name, PARAM_CHOICE, 0, 0, preset, choices, help \
	}
#define TIME(name, help)                                    \
	{                                                   \
		name, PARAM_TIME, 0, MOST, NULL, NULL, help \
	}

#define CURSOR    TEXT("cursor", 128, "next_cursor or prev_cursor of an answer; none or 0: the start")
#define DIRECTION CHOICE("direction", "a_to_b|b_to_a", "a_to_b", "a is the client")
#define TRANSFORM \
	TEXT("transform", 256, "A chain of transforms, auto, or profile for what the stream's has")

static const struct param list_params[] = {
	CURSOR,
	NUMBER("limit", 1, PAGE_MAX, "100", "Rows"),
	CHOICE("sort",
	       "last_seen|-last_seen|first_seen|-first_seen|bytes|-bytes|packets|-packets|"
	       "match_count|-match_count",
	       "-last_seen", "- before a name: largest first"),
	FLAG("include_hidden", "Hidden streams too"),
	FLAG("only_favorites", "Favourites only"),
	FLAG("only_matched", "Streams with matches only"),
	TEXT("profile", 48, "A service profile's id"),
	TEXT("protocol", 256, "tcp, udp, icmpv4, icmpv6, sctp or a number"),
	TEXT("service", 512, "Names of services"),
	TEXT("port", 128, "Ports of either side"),
	TEXT("host", 1024, "Addresses or CIDR of either side"),
	TEXT("content_kind", 64, "unknown, text, binary, mixed"),
	TEXT("status", 128, "open, closing, closed, reset, timeout, evicted"),
	TEXT("pattern_id", 512, "Patterns that matched"),
	TIME("since", "Streams with packets at or behind it"),
	TIME("until", "Streams with packets at or before it"),
	TEXT("has", 64, "gap, anomaly, conflict, match, note, cut: all of them"),
	NUMBER("min_bytes", 0, MOST, "0", "Streams of as many bytes"),
	TEXT("color", 128, "Colours"),
	TEXT("around", 20, "The page that holds this stream, or rank:N, the one of this rank"),
};

static const struct param match_params[] = {
	CURSOR,
	NUMBER("limit", 1, PAGE_MAX, "100", "Matches"),
	TEXT("pattern_id", 512, "Patterns"),
	TEXT("service", 512, "Services of the streams"),
	TIME("since", "Found at or behind it"),
	TIME("until", "Found at or before it"),
};

static const struct param message_params[] = {
	CHOICE("direction", "a_to_b|b_to_a", NULL, "Of one direction only"),
	TEXT("protocol", 16, "http or websocket"),
	CHOICE("kind", "request|response|unknown", NULL, "Of this kind only"),
	CHOICE("status", "complete|partial|error", NULL, "In this state only"),
	CURSOR,
	NUMBER("limit", 1, ASK_MESSAGES, "128", "Messages"),
};

static const struct param content_params[] = {
	DIRECTION,
	NUMBER("start", 0, MOST / 2, "0", "First byte"),
	NUMBER("len", 1, ASK_BYTES, "65536", "Bytes"),
	CHOICE("mode", "text|hex|raw", "text", "How bytes are shown"),
	TRANSFORM,
};

static const struct param turn_params[] = {
	CURSOR,
	NUMBER("limit", 1, ASK_TURNS, "128", "Turns"),
	CHOICE("mode", "text|hex|raw", "text", "How bytes are shown"),
};

static const struct param download_params[] = {
	DIRECTION,
	TRANSFORM,
	CHOICE("format", "raw|text|hex", "raw", "How bytes are written"),
};

static const struct param delta_params[] = {
	NUMBER("cursor", 0, MOST, "0", "The last delta that was seen"),
	NUMBER("limit", 1, 8192, "1024", "Deltas"),
	NUMBER("wait_ms", 0, 30000, "0", "Waits so long for the first one"),
	TEXT("instance", 16, "Of the answer before: another one is a `missed`"),
};

static const struct param event_params[] = {
	NUMBER("cursor", 0, MOST, "0",
	       "The last delta that was seen; Last-Event-ID goes before it"),
	TEXT("instance", 16, "Of the answer before: another one is a `missed`"),
};

static const struct param timeline_params[] = {
	TIME("since", "Buckets from it on"),
	TIME("until", "Buckets up to it"),
	NUMBER("buckets", 1, TIMELINE, "512", "Most buckets; they become as wide as that takes"),
};

static const struct param top_params[] = {
	CHOICE("by", "host|pair|port|service|pattern|anomaly", "host", "What is counted"),
	TIME("since", "Streams with packets at or behind it"),
	TIME("until", "Streams with packets at or before it"),
	NUMBER("limit", 1, 200, "20", "Rows"),
};

#define PARAMS(list) list, sizeof(list) / sizeof((list)[0])
#define NO_PARAMS    NULL, 0

static const struct route routes[] = {
	{"GET", "/", asset_get, NO_PARAMS, NULL, NULL, "The user interface", true},
	{"GET", "/app.js", asset_get, NO_PARAMS, NULL, NULL, "Its program", true},
	{"GET", "/app.css", asset_get, NO_PARAMS, NULL, NULL, "Its looks", true},
	{"GET", "/favicon.svg", asset_get, NO_PARAMS, NULL, NULL, "Its mark", true},
	{"POST", "/api/login", login_post, NO_PARAMS, "Login", "LoginBody", "A token for a cookie",
	 true},
	{"GET", "/api/health", health_get, NO_PARAMS, "Health", NULL,
	 "The run, its balance sheet, caps and drops", false},
	{"GET", "/api/streams", streams_list, PARAMS(list_params), "Streams", NULL,
	 "Streams, filtered and sorted; value filters take several values, `!` excludes one",
	 false},
	{"GET", "/api/streams/{id}", stream_get, NO_PARAMS, "Stream", NULL,
	 "A stream, its directions, matches, gaps and messages", false},
	{"PATCH", "/api/streams/{id}/state", stream_state, NO_PARAMS, "StreamState",
	 "StreamStateBody", "Marks a stream", false},
	{"GET", "/api/streams/{id}/matches", stream_matches, NO_PARAMS, "StreamMatches", NULL,
	 "The matches kept of a stream", false},
	{"GET", "/api/streams/{id}/messages", stream_messages, PARAMS(message_params), "Messages",
	 NULL, "Messages that parsers found in it", false},
	{"GET", "/api/streams/{id}/content", content_get, PARAMS(content_params), "Content", NULL,
	 "A window of a direction, and what a transform makes of the message it lies in", false},
	{"GET", "/api/streams/{id}/conversation", conversation_get, PARAMS(turn_params),
	 "Conversation", NULL, "Both directions as they came", false},
	{"GET", "/api/streams/{id}/download", download_get, PARAMS(download_params), NULL, NULL,
	 "A whole direction", false},
	{"GET", "/api/streams/{id}/pcap", pcap_get, NO_PARAMS, NULL, NULL, "Its packets, as pcapng",
	 false},
	{"GET", "/api/matches", matches_list, PARAMS(match_params), "Matches", NULL,
	 "Matches across streams, newest first", false},
	{"GET", "/api/patterns", patterns_list, NO_PARAMS, "Patterns", NULL,
	 "What is looked for, and how often it was found", false},
	{"POST", "/api/patterns", patterns_add, NO_PARAMS, "Pattern", "PatternBody",
	 "One more pattern; `rescan` looks for it in what is kept, too", false},
	{"PATCH", "/api/patterns/{id}", patterns_change, NO_PARAMS, "Pattern", "PatternBody",
	 "Changes a pattern, or begins or stops a rescan", false},
	{"DELETE", "/api/patterns/{id}", patterns_remove, NO_PARAMS, "Patterns", NULL,
	 "Looks for it no longer", false},
	{"GET", "/api/service-profiles", profiles_list, NO_PARAMS, "Profiles", NULL,
	 "Service profiles with counts", false},
	{"GET", "/api/service-profiles/{id}", profile_get, NO_PARAMS, "Profile", NULL,
	 "A service profile", false},
	{"POST", "/api/service-profiles/{id}", profile_hide, NO_PARAMS, "HideRules", NULL,
	 "As /hide-rules", false},
	{"POST", "/api/service-profiles/{id}/hide-rules", profile_hide, NO_PARAMS, "HideRules",
	 NULL, "Adds the profile's hide rules", false},
	{"POST", "/api/service-profiles/{id}/activate", profile_activate, NO_PARAMS, "Activation",
	 NULL, "Chooses a profile: its preset and analyzer settings", false},
	{"GET", "/api/view/hide-rules", rules_list, NO_PARAMS, "HideRules", NULL,
	 "What takes streams out of sight", false},
	{"POST", "/api/view/hide-rules", rules_add, NO_PARAMS, "HideRules", "HideRuleBody",
	 "One more rule", false},
	{"DELETE", "/api/view/hide-rules", rules_clear, NO_PARAMS, "HideRules", NULL,
	 "No rules any more", false},
	{"DELETE", "/api/view/hide-rules/{id}", rules_remove, NO_PARAMS, "HideRules", NULL,
	 "One rule less", false},
	{"GET", "/api/view/preferences/{name}", preference_get, NO_PARAMS, "Preference", NULL,
	 "A document of the user interface", false},
	{"PUT", "/api/view/preferences/{name}", preference_put, NO_PARAMS, "Preference",
	 "PreferenceBody", "Saves it", false},
	{"GET", "/api/live/deltas", deltas_get, PARAMS(delta_params), "Deltas", NULL,
	 "What changed since a cursor", false},
	{"GET", "/api/live/events", events_get, PARAMS(event_params), NULL, NULL,
	 "The same as it happens: Server-Sent Events", false},
	{"GET", "/api/stats/timeline", timeline_get, PARAMS(timeline_params), "Timeline", NULL,
	 "Packets, bytes, streams and matches over time", false},
	{"GET", "/api/stats/top", top_get, PARAMS(top_params), "Top", NULL,
	 "Who has most of the bytes", false},
	{"GET", "/api/perf/queues", perf_queues_get, NO_PARAMS, "Queues", NULL,
	 "Queues and workers", false},
	{"GET", "/metrics", metrics_get, NO_PARAMS, NULL, NULL, "For Prometheus", false},
	{"GET", "/api/openapi.json", openapi_get, NO_PARAMS, NULL, NULL, "This document", false},
};

uint32_t route_count(void)
{
	return sizeof(routes) / sizeof(routes[0]);
}

const struct route *route_at(uint32_t i)
{
	return &routes[i];
}

/* ---- parameters ---- */

static int hex_of(uint8_t c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* %XX and + undone; NULL where it is none, or holds a NUL.  *to moves behind its NUL. */
static const char *decode(struct span in, char **to, bool plus)
{
	char *start = *to, *out = *to;

	while (in.at < in.end) {
		uint8_t c = *in.at++;

		if (c == '%') {
			int hi = in.at < in.end ? hex_of(in.at[0]) : -1;
			int lo = in.at + 1 < in.end ? hex_of(in.at[1]) : -1;

			if (hi < 0 || lo < 0 || (hi | lo) == 0)
				return NULL;
			c = (uint8_t)(hi << 4 | lo);
			in.at += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == 0)
			return NULL;
		*out++ = (char)c;
	}
	*out = 0;
	*to = out + 1;
	return start;
}

static bool number_of(const char *text, uint64_t *out)
{
	char *end;

	if (!*text || text[strspn(text, "0123456789")])
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0;
}

/* 2026-11-20T12:34:56[.123456789][Z|+0000|+00:00], or seconds since 1970 with a fraction. */
static bool time_of(const char *text, uint64_t *ns)
{
	struct tm tm = {0};
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char *end;
	uint64_t fraction = 0, scale = 100000000;

	if (at) {
		int day = tm.tm_mday;
		time_t t = timegm(&tm);

		if (t < 0 || t > TIME_MOST || tm.tm_mday != day) /* a day of no such month */
			return false;
		*ns = (uint64_t)t * NS_PER_S;
	} else {
		uint64_t whole;

		if (text[0] < '0' || text[0] > '9')
			return false;
		errno = 0;
		whole = strtoull(text, &end, 10);
		if (errno || whole > TIME_MOST)
			return false;
		*ns = whole * NS_PER_S;
		at = end;
	}
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10)
			fraction += (uint64_t)(*at - '0') * scale;
	*ns += fraction;
	return !*at || strcmp(at, "Z") == 0 || strcmp(at, "+0000") == 0 ||
	       strcmp(at, "+00:00") == 0 || strcmp(at, " 0000") == 0;
}

/* Which of the choices: false where it is none. */
static bool choice_of(const char *text, const char *choices, uint64_t *out)
{
	size_t n = strlen(text);

	for (*out = 0;; (*out)++) {
		size_t len = strcspn(choices, "|");

		if (len == n && memcmp(choices, text, n) == 0)
			return true;
		if (!choices[len])
			return false;
		choices += len + 1;
	}
}

/* False after an answer. */
static bool read_value(struct call *c, const struct param *p, struct value *v)
{
	switch (p->type) {
	case PARAM_NUMBER:
		if (number_of(v->text, &v->number) && v->number >= p->min && v->number <= p->max)
			return true;
		call_error(c, 400, NULL, "%s takes a number from %llu to %llu", p->name,
			   (unsigned long long)p->min, (unsigned long long)p->max);
		return false;
	case PARAM_TEXT:
		if (strlen(v->text) <= p->max && (v->text[0] || strcmp(p->name, "transform") == 0))
			return true;
		call_error(c, 400, NULL, v->text[0] ? "%s is too long" : "%s is empty", p->name);
		return false;
	case PARAM_FLAG:
		v->number = strcmp(v->text, "true") == 0 || strcmp(v->text, "1") == 0;
		if (v->number || strcmp(v->text, "false") == 0 || strcmp(v->text, "0") == 0)
			return true;
		call_error(c, 400, NULL, "%s takes true or false", p->name);
		return false;
	case PARAM_CHOICE:
		if (choice_of(v->text, p->choices, &v->number))
			return true;
		call_error(c, 400, NULL, "%s takes one of %s", p->name, p->choices);
		return false;
	case PARAM_TIME:
		if (time_of(v->text, &v->number))
			return true;
		call_error(c, 400, NULL,
			   "%s takes a time as 2026-11-20T12:34:56Z, or seconds since 1970",
			   p->name);
		return false;
	}
	return false;
}

static bool is_utf8(const char *text)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
	size_t n;

	while (p < end && (n = *p < 0x80 ? 1 : json_utf8(p, (size_t)(end - p))))
		p += n;
	return p == end;
}

static bool read_query(struct call *c)
{
	const struct route *r = c->route;
	struct span rest = c->http.query;
	char *to = c->memory = calloc(1, span_len(rest) + 2 * CALL_PARAMS + 2);

	if (!c->memory) {
		call_error(c, 503, NULL, "out of memory");
		return false;
	}
	while (rest.at < rest.end) {
		const uint8_t *amp = memchr(rest.at, '&', span_len(rest));
		struct span pair = {rest.at, amp ? amp : rest.end}, name = pair;
		const uint8_t *equal = memchr(pair.at, '=', span_len(pair));
		const char *named, *text;
		uint32_t i = 0;

		rest.at = amp ? amp + 1 : rest.end;
		if (span_len(pair) == 0)
			continue;
		name.end = equal ? equal : pair.end;
		named = decode(name, &to, true);
		text = named ? decode((struct span){equal ? equal + 1 : pair.end, pair.end}, &to,
				      true)
			     : NULL;
		if (!text || !is_utf8(named) || !is_utf8(text)) {
			call_error(c, 400, NULL, "the query is not encoded as one");
			return false;
		}
		while (i < r->params && strcmp(r->param[i].name, named) != 0)
			i++;
		if (i == r->params) {
			call_error(c, 400, NULL, "no parameter \"%.64s\" here", named);
			return false;
		}
		if (c->value[i].given) {
			call_error(c, 400, NULL, "%s is given twice", named);
			return false;
		}
		c->value[i] = (struct value){.text = text, .given = true};
	}
	for (uint32_t i = 0; i < r->params; i++) {
		if (!c->value[i].given)
			c->value[i].text = r->param[i].preset;
		if (c->value[i].text && !read_value(c, &r->param[i], &c->value[i]))
			return false;
	}
	return true;
}

/* ---- which route ---- */

/* Whether the path is of this form; what stands for its {part} into part. */
static bool fits(const char *form, struct span path, char *part, size_t size)
{
	const char *p = (const char *)path.at, *end = (const char *)path.end;

	part[0] = 0;
	for (; *form; form++) {
		if (*form == '{') {
			size_t n = 0;

			while (p < end && *p != '/' && n + 1 < size)
				part[n++] = *p++;
			part[n] = 0;
			if (n == 0)
				return false;
			form = strchr(form, '}');
			continue;
		}
		if (p == end || *p++ != *form)
			return false;
	}
	return p == end;
}

static bool same(struct span s, const char *text)
{
	return span_len(s) == strlen(text) && memcmp(s.at, text, span_len(s)) == 0;
}

/* Its route; an answer where there is none. */
static bool find_route(struct call *c)
{
	static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
	char allow[64] = "", part[sizeof(c->part)];
	const char *method = c->http.head ? "GET" : NULL;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (same(c->http.method, methods[i]))
			method = methods[i];
	for (uint32_t i = 0; i < route_count(); i++) {
		const struct route *r = &routes[i];

		if (!fits(r->path, c->http.path, part, sizeof(part)))
			continue;
		if (method && strcmp(method, r->method) == 0) {
			memcpy(c->part, part, sizeof(part));
			c->route = r;
			if (!memchr(c->http.path.at, 0, span_len(c->http.path)))
				return true;
			call_error(c, 400, NULL, "the path holds a NUL");
			return false;
		}
		snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s",
			 allow[0] ? ", " : "", r->method);
	}
	if (!allow[0])
		call_error(c, 404, NULL, "there is nothing at this path");
	else
		call_error(c, 405, NULL, "this path takes %s", allow);
	return false;
}

/* json-c takes more than RFC 8259 does: NaN, 'text', bare control characters, "1.".  The first byte
 * of such, or of a NUL that a text of C would end at; NULL where there is none. */
static const uint8_t *odd_byte(struct span body, bool nul)
{
	bool text = false;

	for (const uint8_t *p = body.at; p < body.end; p++) {
		size_t left = (size_t)(body.end - p);
		bool known = text ? *p >= 0x20
				  : *p && strchr("{}[]:,+-.0123456789 \t\r\neEtrufalsn\"", *p);
		bool digit = left > 1 && p[1] >= '0' && p[1] <= '9';

		if (!known || (!text && *p == '.' && !digit))
			return p;

		if (text && *p == '\\') {
			if (!nul && left >= 6 && memcmp(p, "\\u0000", 6) == 0)
				return p;
			p++;
		} else if (*p == '"') {
			text = !text;
		}
	}
	return NULL;
}

static bool read_body(struct call *c)
{
	struct span type = c->http.content_type, body = c->http.body;
	static const char json[] = "application/json";
	struct json_tokener *t;
	const uint8_t *odd;
	size_t end;

	if (span_len(body) > CALL_BODY) {
		call_error(c, 413, NULL, "the body is larger than %lu bytes", CALL_BODY);
		return false;
	}
	if (!c->route->body) {
		if (span_len(body) == 0)
			return true;
		call_error(c, 400, NULL, "this path takes no body");
		return false;
	}
	if (span_len(type) < sizeof(json) - 1 ||
	    strncasecmp((const char *)type.at, json, sizeof(json) - 1) != 0 ||
	    (span_len(type) > sizeof(json) - 1 && !strchr("; ", type.at[sizeof(json) - 1]))) {
		call_error(c, 415, NULL, "Content-Type must be application/json");
		return false;
	}
	odd = odd_byte(body, c->route->handle == preference_put);
	if (odd) {
		call_error(c, 400, NULL, "the body is no JSON, or has a NUL in a text: byte %zu",
			   (size_t)(odd - body.at));
		return false;
	}
	t = json_tokener_new_ex(32);
	if (!t) {
		call_error(c, 503, NULL, "out of memory");
		return false;
	}
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	c->body = json_tokener_parse_ex(t, (const char *)body.at, (int)span_len(body));
	end = json_tokener_get_parse_end(t);
	if (json_tokener_get_error(t) == json_tokener_continue)
		c->body = json_tokener_parse_ex(t, "", -1); /* a number or word at its end */
	/* null is JSON too, and no object */
	if (json_tokener_get_error(t) != json_tokener_success || end < span_len(body)) {
		call_error(c, 400, NULL, "the body is no JSON: %s at byte %zu",
			   json_tokener_error_desc(json_tokener_get_error(t)), end);
		json_tokener_free(t);
		return false;
	}
	json_tokener_free(t);
	return true;
}

static bool may(struct api *a, struct call *c, bool change)
{
	switch (access_check(&a->access, &c->http, change, c->route && c->route->open)) {
	case ACCESS_GOOD:
		return true;
	case ACCESS_HOST:
		call_error(c, 403, NULL, "Host is no name of this server; see --api-host");
		return false;
	case ACCESS_ORIGIN:
		call_error(c, 403, NULL, "Origin is another one");
		return false;
	case ACCESS_NO_TOKEN:
		call_error(c, 401, NULL, "a token is needed: Authorization: Bearer TOKEN");
		return false;
	case ACCESS_TOO_MANY:
		call_error(c, 429, NULL, "too many wrong tokens");
		return false;
	}
	return false;
}

void route_begin(struct api *a, struct call *c)
{
	bool change = !c->http.head && !same(c->http.method, "GET");
	char part[sizeof(c->part)];

	for (uint32_t i = 0; i < route_count(); i++) /* what may be seen without a token */
		if (routes[i].open && fits(routes[i].path, c->http.path, part, sizeof(part)))
			c->route = &routes[i];
	if (!may(a, c, change) || !find_route(c) || !read_query(c) || !read_body(c))
		return;
	if (strncmp(c->route->path, "/api/streams/{id}", 17) == 0 &&
	    !stream_id_read(c->part, &c->id)) {
		call_error(c, 400, NULL, "\"%.32s\" is no stream id: 16 hexadecimal digits",
			   c->part);
		return;
	}
	c->route->handle(a, c);
}
