/* SPDX-License-Identifier: MIT */
/* http1_line — see http1_line.h.  No rule matches a '\n' in the middle: a line's own is the end. */
#include "user/parse/http1_line.h"

/*!re2c
re2c:define:YYCTYPE = uint8_t;
re2c:define:YYCURSOR = p;
re2c:define:YYMARKER = marker;
re2c:yyfill:enable = 0;
re2c:flags:tags = 0;
re2c:flags:bit-vectors = 1;
re2c:flags:nested-ifs = 1;

token = [!#$%&'*+.^_`|~0-9A-Za-z-];
digit = [0-9];
blank = [ \t];
end   = "\r"? "\n";
*/

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(const uint8_t *from, const uint8_t *to)
{
	while (from < to && *from <= ' ' && is_blank(*from))
		from++;
	while (from < to && to[-1] <= ' ' && (is_blank(to[-1]) || to[-1] == '\r' || to[-1] == '\n'))
		to--;
	return (struct span){from, to};
}

/* Length of a version at the end of the line: "HTTP/" and what is no blank. */
static struct span last_word(struct span s)
{
	const uint8_t *p = s.end;

	while (p > s.at && !is_blank(p[-1]))
		p--;
	return (struct span){p, s.end};
}

static bool is_version(struct span s)
{
	const uint8_t *p = s.at;
	const uint8_t *marker;

	if (span_len(s) < 8)
		return false;
	/*!re2c
	"HTTP/" digit "." digit	{ return p == s.end; }
	*			{ (void)marker; return false; }
	*/
}

/* What stands at the end of nearly every request line: " HTTP/1.x". */
static bool ends_as_usual(struct span rest)
{
	const uint8_t *end = rest.end;

	return span_len(rest) > 9 && memcmp(end - 9, " HTTP/1.", 8) == 0 && end[-1] >= '0' &&
	       end[-1] <= '9' && !is_blank(end[-10]);
}

bool http1_request_line(struct span line, struct http1_request_line *out)
{
	const uint8_t *p = line.at, *marker;
	struct span rest, version;

	/*!re2c
	token{1,32} blank+	{ goto target; }
	*			{ (void)marker; return false; }
	*/
target:
	out->method = trim(line.at, p);
	rest = trim(p, line.end);
	if (ends_as_usual(rest)) {
		out->target = (struct span){rest.at, rest.end - 9};
		out->version = (struct span){rest.end - 8, rest.end};
		return true;
	}
	version = last_word(rest);
	out->target = rest;
	out->version = (struct span){rest.end, rest.end};
	if (version.at > rest.at && is_version(version)) {
		out->version = version;
		out->target = trim(rest.at, version.at);
	}
	return span_len(out->target) > 0;
}

bool http1_status_line(struct span line, struct http1_status_line *out)
{
	const uint8_t *p = line.at, *status;
	const uint8_t *marker;

	/*!re2c
	"HTTP/" digit "." digit blank+ digit{3}	{ goto reason; }
	*					{ (void)marker; return false; }
	*/
reason:
	if (*p >= '0' && *p <= '9')
		return false;
	status = p - 3;
	out->status = (uint16_t)((status[0] - '0') * 100 + (status[1] - '0') * 10 + status[2] - '0');
	out->version = span_of(line.at, 8);
	out->reason = trim(p, line.end);
	return true;
}

static enum http1_header scan_header(const uint8_t *p, const uint8_t **value, bool *blank)
{
	const uint8_t *marker;

	*blank = false;
	/*!re2c
	'content-disposition:'	{ *value = p; return HTTP1_CONTENT_DISPOSITION; }
	'content-encoding:'	{ *value = p; return HTTP1_CONTENT_ENCODING; }
	'content-length:'	{ *value = p; return HTTP1_CONTENT_LENGTH; }
	'content-type:'		{ *value = p; return HTTP1_CONTENT_TYPE; }
	'host:'			{ *value = p; return HTTP1_HOST; }
	'location:'		{ *value = p; return HTTP1_LOCATION; }
	'referer:'		{ *value = p; return HTTP1_REFERER; }
	'transfer-encoding:'	{ *value = p; return HTTP1_TRANSFER_ENCODING; }
	'upgrade:'		{ *value = p; return HTTP1_UPGRADE; }
	'user-agent:'		{ *value = p; return HTTP1_USER_AGENT; }
	'sec-websocket-extensions:'	{ *value = p; return HTTP1_WS_EXTENSIONS; }
	'content-length' blank+ ":"	{ *value = p; *blank = true; return HTTP1_CONTENT_LENGTH; }
	'transfer-encoding' blank+ ":"	{ *value = p; *blank = true; return HTTP1_TRANSFER_ENCODING; }
	*			{ (void)marker; return HTTP1_NONE; }
	*/
}

enum http1_header http1_header_line(struct span line, struct span *value, bool *blank)
{
	enum http1_header header;
	const uint8_t *from = line.at;

	header = scan_header(line.at, &from, blank);
	if (header != HTTP1_NONE)
		*value = trim(from, line.end);
	return header;
}

bool http1_any_header(struct span line, struct span *name, struct span *value)
{
	const uint8_t *colon = memchr(line.at, ':', span_len(line));

	if (!colon || colon == line.at)
		return false;
	*name = trim(line.at, colon);
	*value = trim(colon + 1, line.end);
	return true;
}

bool http1_chunk_size(struct span line, uint64_t *size, bool *odd)
{
	const uint8_t *p = line.at, *marker;
	bool overflow = false, garbage = false;
	uint64_t v = 0;

	*odd = is_blank(*p);
	while (is_blank(*p))
		p++;
	line.at = p;
	/*!re2c
	[0-9a-fA-F]+ blank* (";" | end)	{ goto number; }
	[0-9a-fA-F]+			{ *odd = garbage = true; goto number; }
	*				{ (void)marker; return false; }
	*/
number:
	for (p = line.at;; p++) {
		uint8_t c = *p | 0x20;

		if (c >= '0' && c <= '9' && *p < 0x40)
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c = (uint8_t)(c - 'a' + 10);
		else
			break;
		overflow |= v > HTTP1_LENGTH_MAX >> 4;
		v = overflow ? HTTP1_LENGTH_MAX : v << 4 | c;
	}
	*size = v;
	*odd |= overflow;
	return v > 0 || !garbage;
}

bool http1_length(struct span value, uint64_t *length, bool *overflow)
{
	struct span element;
	bool first = true;

	*overflow = false;
	*length = 0;
	if (span_len(value) && span_len(value) <= 18) { /* nearly always: digits alone */
		const uint8_t *p = value.at;

		while (p < value.end && *p >= '0' && *p <= '9')
			*length = *length * 10 + (*p++ - '0');
		if (p == value.end)
			return true;
	}
	while (http1_list_next(&value, &element)) {
		bool beyond = false;
		uint64_t v = 0;

		for (const uint8_t *p = element.at; p < element.end; p++) {
			if (*p < '0' || *p > '9')
				return false;
			if (v > (HTTP1_LENGTH_MAX - 9) / 10)
				beyond = *overflow = true;
			v = beyond ? HTTP1_LENGTH_MAX : v * 10 + (*p - '0');
		}
		if (element.at == element.end || (!first && v != *length))
			return false;
		*length = v;
		first = false;
	}
	return !first;
}

enum http1_transfer http1_transfer(struct span value, bool *odd)
{
	enum http1_transfer last = HTTP1_TE_OTHER;
	struct span element;
	bool ends_in_comma = value.end > value.at && value.end[-1] == ',';
	uint32_t n = 0;

	*odd = false;
	while (http1_list_next(&value, &element)) {
		struct span coding = http1_without_parameters(element);

		*odd |= n++ > 0 || coding.end != element.end;
		last = http1_is(coding, "chunked")    ? HTTP1_TE_CHUNKED
		       : http1_is(coding, "identity") ? HTTP1_TE_IDENTITY
						      : HTTP1_TE_OTHER;
	}
	*odd |= last != HTTP1_TE_CHUNKED || ends_in_comma;
	return n > 1 && last == HTTP1_TE_IDENTITY ? HTTP1_TE_OTHER : last;
}

bool http1_list_next(struct span *list, struct span *element)
{
	const uint8_t *comma;

	if (list->at >= list->end)
		return false;
	comma = memchr(list->at, ',', span_len(*list));
	*element = trim(list->at, comma ? comma : list->end);
	list->at = comma ? comma + 1 : list->end;
	return true;
}

struct span http1_without_parameters(struct span element)
{
	const uint8_t *stop = memchr(element.at, ';', span_len(element));

	return stop ? trim(element.at, stop) : element;
}

bool http1_is(struct span text, const char *lower)
{
	const uint8_t *p = text.at;

	for (; p < text.end && *lower; p++, lower++)
		if ((*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p) != *lower)
			return false;
	return p == text.end && !*lower;
}

/* ---- Content-Disposition (RFC 6266) ---- */

static const uint8_t *skip_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A token, or a quoted string without its quotes and backslashes; *p moves behind it. */
static size_t read_value(const uint8_t **p, const uint8_t *end, uint8_t *out, size_t room)
{
	bool quoted = *p < end && **p == '"';
	size_t n = 0;

	for (*p += quoted; *p < end; ++*p) {
		if (quoted ? **p == '"' : **p == ';' || is_blank(**p))
			break;
		if (quoted && **p == '\\' && end - *p > 1)
			++*p;
		if (n < room)
			out[n++] = **p;
	}
	*p += quoted && *p < end;
	return n;
}

/* RFC 8187 §3.2: charset'language'bytes with %XX. */
static size_t decode_extended(uint8_t *text, size_t n)
{
	const uint8_t *from = memchr(text, '\'', n), *end = text + n;
	size_t to = 0;

	from = from ? memchr(from + 1, '\'', (size_t)(end - from - 1)) : NULL;
	if (!from)
		return 0;
	for (from++; from < end; from++) {
		if (*from == '%' && end - from > 2 && hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0) {
			text[to++] = (uint8_t)(hex_value(from[1]) << 4 | hex_value(from[2]));
			from += 2;
		} else {
			text[to++] = *from;
		}
	}
	return to;
}

size_t http1_filename(struct span value, uint8_t *out, size_t room)
{
	const uint8_t *p = memchr(value.at, ';', span_len(value)), *end = value.end;
	uint8_t text[HTTP1_FILENAME];
	size_t have = 0;
	bool extended = false;

	room = room < sizeof(text) ? room : sizeof(text);
	while (p && p < end) {
		const uint8_t *name = p = skip_blanks(p + 1, end), *name_end;
		size_t n;

		while (p < end && *p != '=' && *p != ';')
			p++;
		name_end = trim(name, p).end;
		if (p < end && *p == '=') {
			p = skip_blanks(p + 1, end);
			n = read_value(&p, end, text, room);
			if (http1_is((struct span){name, name_end}, "filename*")) {
				n = decode_extended(text, n);
				extended = true;
			} else if (extended || !http1_is((struct span){name, name_end}, "filename")) {
				n = 0;
			}
			if (n) {
				memcpy(out, text, n);
				have = n;
			}
		}
		p = p < end ? memchr(p, ';', (size_t)(end - p)) : NULL;
	}
	return have;
}
