/* SPDX-License-Identifier: MIT */
/* transform_text — text written as other text: escapes, base64, hex, charsets, JSON laid out. */
#include <errno.h>
#include <iconv.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "user/parse/http1_line.h"
#include "user/view/transform_step.h"

#define TEXT_PERCENT 85U
#define CHARSET_MAX  32U
#define JSON_DEPTH   64
/* Memory of json-c per object, array and element, and what it may come to per byte that came in or
 * may go out: beyond that JSON stays as it is. */
#define JSON_OBJECT  896U
#define JSON_ARRAY   192U
#define JSON_ELEMENT 240U
#define JSON_GROWTH  16U
#define JSON_LEAST   1048576U

/* ---- what is text ---- */

/* Length of the character at p, by its first byte and those that must follow; 0: it is none. */
static size_t character(const uint8_t *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len == 1)
		return (p[0] >= 0x20 && p[0] != 0x7f) || p[0] == '\t' || p[0] == '\r' ||
		       p[0] == '\n';
	if (p[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (p[i] >> 6 != 2)
			return 0;
	return len;
}

bool text_mostly(struct span s)
{
	size_t n = span_len(s) < TEXT_LOOK ? span_len(s) : TEXT_LOOK, text = 0;

	for (size_t i = 0; i < n;) {
		size_t len = character(s.at + i, span_len(s) - i);

		text += len;
		i += len ? len : 1;
	}
	return n && text * 100 >= n * TEXT_PERCENT;
}

/* ---- digits ---- */

#define NO_DIGIT 0xffU

static uint32_t hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10U : NO_DIGIT;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- url_decode ---- */

static bool is_escape(const uint8_t *p, const uint8_t *end)
{
	return end - p > 2 && hex_digit(p[1]) != NO_DIGIT && hex_digit(p[2]) != NO_DIGIT;
}

bool text_has_escape(struct span s)
{
	const uint8_t *p = s.at;

	while (p < s.end && (p = memchr(p, '%', (size_t)(s.end - p)))) {
		if (is_escape(p, s.end))
			return true;
		p++;
	}
	return false;
}

/* Goes on where there is no more room: it counts. */
static void unescape(struct span s, struct output *o, size_t *changed, size_t *bad)
{
	const uint8_t *from = s.at, *p = s.at;

	while (p < s.end) {
		bool escape = *p == '%' && is_escape(p, s.end);
		uint8_t c = ' ';

		*bad += *p == '%' && !escape;
		if (!escape && *p != '+') {
			p++;
			continue;
		}
		if (escape)
			c = (uint8_t)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
		output_span(o, (struct span){from, p});
		output_put(o, &c, 1);
		p += escape ? 3 : 1;
		from = p;
		++*changed;
	}
	output_span(o, (struct span){from, s.end});
}

enum transform_status step_url_decode(const struct subject *in, struct output *o,
				      struct transform_step *s)
{
	size_t changed = 0, bad = 0;

	if (in->chain > 1 && !text_mostly(in->bytes))
		return TRANSFORM_NOOP;
	o->n = 0; /* the header as well */
	o->cut = false;
	unescape(in->header, o, &changed, &bad);
	o->header = o->n;
	unescape(in->body, o, &changed, &bad);
	if (bad)
		step_say(s, "%zu bad escapes were left", bad);
	return changed ? TRANSFORM_APPLIED : TRANSFORM_NOOP;
}

/* ---- base64 and hex ---- */

/* Of both alphabets (RFC 4648 §4, §5). */
static uint32_t base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26U;
	if (c >= '0' && c <= '9')
		return c - '0' + 52U;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : NO_DIGIT;
}

static enum transform_status no_such_text(struct transform_step *s, const struct subject *in,
					  const uint8_t *at)
{
	step_say(s, "byte %zu is not %s", (size_t)(at - in->body.at), transform_name(s->applied));
	return TRANSFORM_FAILED;
}

/* Digits that ended in the middle of a group; the window may end there. */
static enum transform_status stops_short(struct transform_step *s, size_t digits, size_t least)
{
	if (digits < least) {
		step_say(s, digits ? "too short" : "nothing to decode");
		return TRANSFORM_FAILED;
	}
	step_say(s, "a digit is missing at the end");
	return TRANSFORM_APPLIED;
}

/* What stands behind the first '='. */
static bool is_padding(struct span s, size_t digits)
{
	size_t n = 0;

	for (; s.at < s.end; s.at++) {
		n += *s.at == '=';
		if (*s.at != '=' && !is_space(*s.at))
			return false;
	}
	return n <= 2 && (digits + n) % 4 == 0;
}

enum transform_status step_base64(const struct subject *in, struct output *o,
				  struct transform_step *s)
{
	uint32_t bits = 0;
	size_t digits = 0;
	const uint8_t *p;

	for (p = in->body.at; p < in->body.end && *p != '='; p++) {
		uint32_t digit = base64_digit(*p);
		uint8_t byte;

		if (is_space(*p))
			continue;
		if (digit == NO_DIGIT)
			return no_such_text(s, in, p);
		bits = bits << 6 | digit;
		if (digits++ % 4 == 0)
			continue;
		byte = (uint8_t)(bits >> (6 - 2 * ((digits - 1) % 4)));
		if (!output_put(o, &byte, 1))
			return TRANSFORM_APPLIED;
	}
	if (p < in->body.end && !is_padding((struct span){p, in->body.end}, digits))
		return no_such_text(s, in, p);
	if (digits == 0 || digits % 4 == 1)
		return stops_short(s, digits, 4);
	return TRANSFORM_APPLIED;
}

enum transform_status step_hex(const struct subject *in, struct output *o, struct transform_step *s)
{
	size_t digits = 0;
	uint8_t byte = 0;

	for (const uint8_t *p = in->body.at; p < in->body.end; p++) {
		uint32_t digit = hex_digit(*p);

		if (is_space(*p) || *p == ':' || *p == '-')
			continue;
		if (digit == NO_DIGIT)
			return no_such_text(s, in, p);
		byte = (uint8_t)(byte << 4 | digit);
		if (++digits % 2 == 0 && !output_put(o, &byte, 1))
			return TRANSFORM_APPLIED;
	}
	if (digits == 0 || digits % 2)
		return stops_short(s, digits, 2);
	return TRANSFORM_APPLIED;
}

/* ---- charset ---- */

/* charset=NAME among the parameters of a Content-Type (RFC 9110 §8.3.1). */
static struct span charset_parameter(struct span type)
{
	static const char name[] = "charset=";
	const size_t len = sizeof(name) - 1;
	struct span value = {0};
	const uint8_t *p = type.at, *end;

	while (p < type.end && (p = memchr(p, ';', (size_t)(type.end - p)))) {
		while (p < type.end && (*p == ';' || is_space(*p)))
			p++;
		if ((size_t)(type.end - p) < len || !http1_is(span_of(p, len), name))
			continue;
		p += len;
		if (p < type.end && *p == '"')
			p++;
		for (end = p; end < type.end && *end != ';' && *end != '"' && !is_space(*end);)
			end++;
		value = (struct span){p, end};
		break;
	}
	return value;
}

static struct span charset_mark(struct span s)
{
	static const struct {
		uint8_t n;
		char mark[5], name[9];
	} rows[] = {
		{3, "\xef\xbb\xbf", "UTF-8"},
		{4, "\xff\xfe\0", "UTF-32LE"},
		{4, {0, 0, '\xfe', '\xff'}, "UTF-32BE"},
		{2, "\xff\xfe", "UTF-16LE"},
		{2, "\xfe\xff", "UTF-16BE"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (span_len(s) >= rows[i].n && memcmp(s.at, rows[i].mark, rows[i].n) == 0)
			return span_of((const uint8_t *)rows[i].name, strlen(rows[i].name));
	return (struct span){0};
}

static struct span find_charset(const struct subject *in)
{
	struct span name = {0};
	struct http_says says;

	if (in->charset[0])
		return span_of((const uint8_t *)in->charset, strlen(in->charset));
	if (in->converted)
		return name;
	http_read(in->header, &says);
	if (says.content_type.at)
		name = charset_parameter(says.content_type);
	return name.at < name.end ? name : charset_mark(in->body);
}

static bool is_utf8(struct span name)
{
	return http1_is(name, "utf-8") || http1_is(name, "utf8");
}

bool charset_is_other(const struct subject *in)
{
	struct span name = find_charset(in);

	return name.at < name.end && !is_utf8(name);
}

/* As iconv takes it: no path and no "//" can be in it. */
static bool copy_name(char to[CHARSET_MAX], struct span name)
{
	size_t n = span_len(name) < CHARSET_MAX ? span_len(name) : CHARSET_MAX - 1;
	bool good = span_len(name) < CHARSET_MAX;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = name.at[i];
		bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
			     (c && strchr("-_.:()+", c));

		to[i] = (char)(plain ? c : '?');
		good &= plain;
	}
	to[n] = 0;
	return good;
}

/* What is skipped where something is invalid. */
static size_t unit_of(const char *name)
{
	static const struct {
		const char *name;
		size_t bytes;
	} rows[] = {{"UTF-16", 2}, {"UTF16", 2}, {"UCS-2", 2}, {"UCS2", 2}, {"UNICODE", 2},
		    {"UTF-32", 4}, {"UTF32", 4}, {"UCS-4", 4}, {"UCS4", 4}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncasecmp(name, rows[i].name, strlen(rows[i].name)) == 0)
			return rows[i].bytes;
	return 1;
}

struct conversion {
	size_t bad;  /* sequences that were invalid */
	size_t made; /* bytes */
	bool same;   /* as what came in */
};

/* A mark at the beginning is no text.  Goes on where there is no more room: it compares. */
static void put_converted(struct conversion *v, struct span in, struct span made, struct output *o)
{
	size_t n = span_len(made);

	v->same &= n <= span_len(in) - v->made;
	v->same = v->same && memcmp(made.at, in.at + v->made, n) == 0;
	if (v->made == 0 && n >= 3 && memcmp(made.at, "\xef\xbb\xbf", 3) == 0) {
		v->same = false;
		made.at += 3;
	}
	v->made += n;
	output_span(o, made);
}

static void convert(iconv_t cd, struct span s, size_t unit, struct output *o, struct conversion *v)
{
	static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};
	char *from = (char *)s.at, room[4096];
	size_t left = span_len(s), before;

	do {
		size_t free = sizeof(room), rc, skip;
		char *to = room;
		int why;

		before = left;
		rc = left ? iconv(cd, &from, &left, &to, &free)
			  : iconv(cd, NULL, NULL, &to, &free); /* what it holds back */
		why = rc == (size_t)-1 ? errno : 0;
		put_converted(v, s, span_of((uint8_t *)room, sizeof(room) - free), o);
		if (why == 0 || (why == E2BIG && (left < before || free < sizeof(room))))
			continue;
		output_put(o, replacement, sizeof(replacement));
		v->made += sizeof(replacement);
		v->same = false;
		v->bad++;
		/* EINVAL: it ends inside a character */
		skip = why == EINVAL || left < unit ? left : unit;
		from += skip;
		left -= skip;
	} while (before);
}

enum transform_status step_charset(const struct subject *in, struct output *o,
				   struct transform_step *s)
{
	struct span name = find_charset(in);
	char text[CHARSET_MAX];
	iconv_t cd = (iconv_t)-1;
	struct conversion v = {.same = true};

	if (name.at == name.end)
		return TRANSFORM_NOOP;
	if (copy_name(text, name))
		cd = iconv_open("UTF-8", text);
	if (cd == (iconv_t)-1) {
		step_say(s, "unknown charset %s", text);
		return TRANSFORM_FAILED;
	}
	convert(cd, in->body, unit_of(text), o, &v);
	iconv_close(cd);
	if (v.bad)
		step_say(s, "%s, %zu invalid sequences", text, v.bad);
	else
		step_say(s, "%s", text);
	return v.same && v.made == span_len(in->body) ? TRANSFORM_NOOP : TRANSFORM_APPLIED;
}

/* ---- json ---- */

/* About what json-c needs for it, with what it writes; deeper than JSON_DEPTH it gives up. */
static size_t json_cost(struct span s)
{
	size_t cost = 0, depth = 0;
	bool quoted = false;

	for (const uint8_t *p = s.at; p < s.end && depth <= JSON_DEPTH; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\\')
			p++;
		if (quoted)
			continue;
		cost += *p == '{'   ? JSON_OBJECT + 2 * depth
			: *p == '[' ? JSON_ARRAY + 2 * depth
			: *p == ',' ? JSON_ELEMENT + 2 * depth
				    : 0;
		depth += *p == '{' || *p == '[';
		depth -= (*p == '}' || *p == ']') && depth;
	}
	return cost;
}

/* NULL where it is no JSON, and as well for null: *ok tells. */
static struct json_object *json_read(struct span s, struct transform_step *step, bool *ok)
{
	struct json_tokener *t = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *value = NULL;
	enum json_tokener_error err;

	*ok = false;
	if (!t)
		return NULL;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	value = json_tokener_parse_ex(t, (const char *)s.at, (int)span_len(s));
	err = json_tokener_get_error(t);
	if (err == json_tokener_success && json_tokener_get_parse_end(t) < span_len(s))
		err = json_tokener_error_parse_unexpected; /* a NUL */
	else if (err == json_tokener_continue) {           /* a number has no end of its own */
		value = json_tokener_parse_ex(t, " ", 1);
		err = json_tokener_get_error(t);
	}
	*ok = err == json_tokener_success;
	if (!*ok) {
		step_say(step, "no JSON: %s",
			 err == json_tokener_continue ? "it stops short"
						      : json_tokener_error_desc(err));
		json_object_put(value);
		value = NULL;
	}
	json_tokener_free(t);
	return value;
}

enum transform_status step_json(const struct subject *in, struct output *o,
				struct transform_step *s)
{
	size_t len = span_len(in->body), n = 0, cost;
	struct json_object *value;
	const char *text;
	bool ok;

	if (len == 0 || len > INT_MAX)
		return TRANSFORM_NOOP;
	cost = json_cost(in->body) / JSON_GROWTH;
	if (cost > JSON_LEAST + len && cost - JSON_LEAST - len > in->max_bytes) {
		step_say(s, "too many values to lay out");
		return TRANSFORM_NOOP;
	}
	value = json_read(in->body, s, &ok);
	if (!ok)
		return TRANSFORM_NOOP;
	text = json_object_to_json_string_length(value,
						 JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							 JSON_C_TO_STRING_NOSLASHESCAPE,
						 &n);
	ok = text && (n != len || memcmp(text, in->body.at, n) != 0);
	if (ok)
		output_put(o, (const uint8_t *)text, n);
	json_object_put(value);
	return ok ? TRANSFORM_APPLIED : TRANSFORM_NOOP;
}
