/* SPDX-License-Identifier: MIT */
/* root — the files of the user interface, and the login that turns a token into a cookie. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "api/asset.h"
#include "api/inside.h"

/* Whether a list of codings takes one: by name, or by `*`, and not with a weight of zero. */
static bool takes(struct span accept, const char *coding)
{
	size_t n = strlen(coding);
	bool any = false;

	for (const uint8_t *p = accept.at, *next; p < accept.end; p = next + 1) {
		const uint8_t *end, *name, *q;

		next = memchr(p, ',', (size_t)(accept.end - p));
		next = next ? next : accept.end;
		for (name = p; name < next && *name == ' '; name++)
			;
		for (end = name; end < next && *end != ';' && *end != ' '; end++)
			;
		q = memchr(end, '=', (size_t)(next - end));
		for (; q && ++q < next && (*q == '0' || *q == '.' || *q == ' ');)
			;
		if ((size_t)(end - name) == n && memcmp(name, coding, n) == 0)
			return q != next;
		any |= end - name == 1 && *name == '*' && q != next;
	}
	return any;
}

void asset_get(struct api *a, struct call *c)
{
	static const char *const codings[] = {NULL, "gzip", "br"};
	const struct asset *file = assets;
	struct span known = c->http.if_none_match;
	struct http_answer answer = {.status = 200, .cache = "no-cache"};
	enum asset_coding coding = ASSET_PLAIN;
	char etag[40];

	(void)a;
	while (strcmp(file->path, c->route->path) != 0)
		file++;
	if (takes(c->http.accept_encoding, "br"))
		coding = ASSET_BROTLI;
	else if (takes(c->http.accept_encoding, "gzip"))
		coding = ASSET_GZIP;
	snprintf(etag, sizeof(etag), "\"%s%s%s\"", file->etag, coding ? "-" : "",
		 coding ? codings[coding] : "");
	answer.etag = etag;
	if (span_len(known) == strlen(etag) && memcmp(known.at, etag, span_len(known)) == 0) {
		answer.status = 304;
		http_reply(&c->http, &answer, "", 0);
		return;
	}
	answer.type = file->type;
	answer.encoding = codings[coding];
	http_reply(&c->http, &answer, file->coded[coding].at, file->coded[coding].n);
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
