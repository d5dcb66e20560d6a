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
	while (from < to && is_blank(*from))
		from++;
	while (from < to && (is_blank(to[-1]) || to[-1] == '\r' || to[-1] == '\n'))
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

const bool http1_letter[256] = {
	[' '] = true, ['\t'] = true, ['c'] = true, ['C'] = true, ['h'] = true, ['H'] = true,
	['l'] = true, ['L'] = true,  ['r'] = true, ['R'] = true, ['s'] = true, ['S'] = true,
	['t'] = true, ['T'] = true,  ['u'] = true, ['U'] = true,
};

const bool http1_framing_letter[256] = {
	[' '] = true, ['\t'] = true, ['c'] = true, ['C'] = true, ['s'] = true,
	['S'] = true, ['t'] = true,  ['T'] = true, ['u'] = true, ['U'] = true,
};

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
	uint64_t v = 0;

	*odd = is_blank(*p);
	while (is_blank(*p))
		p++;
	line.at = p;
	/*!re2c
	[0-9a-fA-F]+ blank* [;\r\n]	{ goto number; }
	[0-9a-fA-F]+			{ *odd = true; goto number; }
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
		if (v >> 58)
			return false;
		v = v << 4 | c;
	}
	*size = v;
	return true;
}

bool http1_length(struct span value, uint64_t *length)
{
	struct span element;
	bool first = true;

	while (http1_list_next(&value, &element)) {
		uint64_t v = 0;

		for (const uint8_t *p = element.at; p < element.end; p++) {
			if (*p < '0' || *p > '9' || v > (1ULL << 62) / 10)
				return false;
			v = v * 10 + (*p - '0');
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
	bool first = true;

	*odd = false;
	while (http1_list_next(&value, &element)) {
		*odd |= !first;
		first = false;
		last = http1_is(element, "chunked")    ? HTTP1_TE_CHUNKED
		       : http1_is(element, "identity") ? HTTP1_TE_IDENTITY
						       : HTTP1_TE_OTHER;
	}
	*odd |= last != HTTP1_TE_CHUNKED;
	return last;
}

bool http1_list_next(struct span *list, struct span *element)
{
	const uint8_t *comma, *stop;

	if (list->at >= list->end)
		return false;
	comma = memchr(list->at, ',', span_len(*list));
	stop = comma ? comma : list->end;
	*element = trim(list->at, stop);
	list->at = comma ? comma + 1 : list->end;
	stop = memchr(element->at, ';', span_len(*element));
	if (stop)
		*element = trim(element->at, stop);
	return true;
}

bool http1_is(struct span text, const char *lower)
{
	const uint8_t *p = text.at;

	for (; p < text.end && *lower; p++, lower++)
		if ((*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p) != *lower)
			return false;
	return p == text.end && !*lower;
}
