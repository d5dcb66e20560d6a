/* SPDX-License-Identifier: MIT */
/* root — the page at `/`, and the login that turns a token into a cookie. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "api/inside.h"

static const char page[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>rm-xdp</title>"
	"</head>\n<body><h1>rm-xdp</h1>\n<p>This is the sensor's HTTP API. The contract is at "
	"<a href=\"/api/openapi.json\">/api/openapi.json</a>; begin with "
	"<a href=\"/api/streams\">/api/streams</a> and <a href=\"/api/health\">/api/health</a>."
	"</p></body></html>\n";

void root_get(struct api *a, struct call *c)
{
	static const char etag[] = "\"root-1\"";
	struct span known = c->http.if_none_match;

	(void)a;
	if (span_len(known) == sizeof(etag) - 1 && memcmp(known.at, etag, span_len(known)) == 0) {
		http_reply(&c->http,
			   &(struct http_answer){.status = 304, .etag = etag, .cache = "no-cache"},
			   "", 0);
		return;
	}
	http_reply(&c->http,
		   &(struct http_answer){.status = 200,
					 .type = "text/html; charset=utf-8",
					 .etag = etag,
					 .cache = "no-cache"},
		   page, sizeof(page) - 1);
}

void login_post(struct api *a, struct call *c)
{
	struct json_object *v = NULL;
	const char *text;
	char cookie[ACCESS_TOKEN + 96];

	if (!json_object_is_type(c->body, json_type_object) ||
	    !json_object_object_get_ex(c->body, "token", &v) ||
	    !json_object_is_type(v, json_type_string) || json_object_object_length(c->body) != 1) {
		call_error(c, 400, NULL, "the body takes a token");
		return;
	}
	text = json_object_get_string(v);
	switch (access_token(&a->access, span_of((const uint8_t *)text, strlen(text)))) {
	case ACCESS_GOOD:
		break;
	case ACCESS_TOO_MANY:
		call_error(c, 429, NULL, "too many wrong tokens");
		return;
	default:
		call_error(c, 401, NULL, "that is not the token");
		return;
	}
	snprintf(cookie, sizeof(cookie), "rm_xdp_token=%s; HttpOnly; SameSite=Strict; Path=/%s",
		 a->access.token, a->access.tls ? "; Secure" : "");
	out_object(&c->out, NULL);
	out_bool(&c->out, "ok", true);
	out_end_object(&c->out);
	http_reply(&c->http,
		   &(struct http_answer){
			   .status = 200, .type = "application/json", .set_cookie = cookie},
		   c->out.base, out_len(&c->out));
}
