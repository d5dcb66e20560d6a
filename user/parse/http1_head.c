/* SPDX-License-Identifier: MIT */
/* http1_head — see http1_head.h. */
#include "user/parse/http1_head.h"

#include <string.h>

#include "user/base/bytemask.h"

static void add_coding(struct http1_dir *d, struct span value)
{
	struct span element;

	while (!(d->flags & UNKNOWN_CODING) && http1_list_next(&value, &element)) {
		element = http1_without_parameters(element);
		int kind = http1_is(element, "gzip") || http1_is(element, "x-gzip") ||
					   http1_is(element, "deflate")
				   ? CODING_GZIP
			   : http1_is(element, "br")   ? CODING_BROTLI
			   : http1_is(element, "zstd") ? CODING_ZSTD
						       : -1;

		if (span_len(element) == 0 || http1_is(element, "identity"))
			continue;
		if (kind < 0 || d->codings == CODING_STACK) {
			d->codings = 0;
			d->flags |= UNKNOWN_CODING;
			return;
		}
		d->coding[d->codings++] = (uint8_t)kind;
	}
}

static void add_length(struct http1 *h, struct http1_dir *d, struct span value)
{
	uint64_t length = 0;
	bool overflow;

	if (span_len(value) == 0) { /* a folded line may follow */
		d->flags |= EMPTY_LENGTH;
		return;
	}
	d->flags &= (uint16_t)~EMPTY_LENGTH;
	if (!http1_length(value, &length, &overflow)) {
		http1_odd(h, ANOMALY_HTTP_BAD_LENGTH);
		d->flags |= BAD_LENGTH;
		return;
	}
	if (overflow)
		http1_odd(h, ANOMALY_HTTP_BAD_LENGTH);
	if ((d->flags & HAS_LENGTH) && length != d->left) {
		http1_odd(h, ANOMALY_HTTP_CONFLICTING_LENGTH);
		return; /* the first one counts */
	}
	d->left = length;
	d->flags |= HAS_LENGTH;
}

static void add_transfer(struct http1 *h, struct http1_dir *d, struct span value, bool blank)
{
	bool strange;
	enum http1_transfer te;

	if (span_len(value) == 0)
		return; /* a folded line may follow */
	te = http1_transfer(value, &strange);
	if (strange || blank || (d->flags & HAS_TRANSFER))
		http1_odd(h, ANOMALY_HTTP_TRANSFER_ENCODING);
	if (te == HTTP1_TE_IDENTITY)
		return;
	d->flags |= HAS_TRANSFER;
	if (te == HTTP1_TE_CHUNKED)
		d->flags |= IS_CHUNKED;
	else
		d->flags &= (uint16_t)~IS_CHUNKED;
}

static void add_upgrade(struct http1_dir *d, struct exchange *x, struct span value)
{
	struct span element;

	d->flags |= IS_UPGRADE;
	while (http1_list_next(&value, &element))
		if (http1_is(element, "websocket"))
			x->websocket = true;
}

/* RFC 7692 §7.1: what the server agreed to. */
static void add_extensions(struct exchange *x, struct span value)
{
	for (const uint8_t *p = value.at; p < value.end; p++) {
		struct span rest = {p, value.end};

#define STARTS(text) (span_len(rest) >= sizeof(text) - 1 && !memcmp(p, text, sizeof(text) - 1))
		x->deflate |= STARTS("permessage-deflate");
		x->no_context[0] |= STARTS("client_no_context_takeover");
		x->no_context[1] |= STARTS("server_no_context_takeover");
#undef STARTS
	}
}

static void apply(struct http1 *h, struct http1_dir *d, enum http1_header header, struct span value,
		  bool blank, bool folded)
{
	struct exchange *x = d->exchange ? exchange_at(h, d->exchange) : NULL;
	bool request = d->role == HTTP1_REQUEST;
	uint8_t name[HTTP1_FILENAME];

	switch (header) {
	case HTTP1_CONTENT_LENGTH:
		add_length(h, d, value);
		return;
	case HTTP1_TRANSFER_ENCODING:
		add_transfer(h, d, value, blank);
		return;
	case HTTP1_CONTENT_ENCODING:
		add_coding(d, value);
		return;
	default:
		break;
	}
	if (!x)
		return;
	switch (header) {
	case HTTP1_UPGRADE:
		add_upgrade(d, x, value);
		break;
	case HTTP1_WS_EXTENSIONS:
		if (!request)
			add_extensions(x, value);
		break;
	case HTTP1_HOST:
		if (request)
			exchange_text(h, x, HTTP1_TEXT_HOST, folded, value);
		break;
	case HTTP1_USER_AGENT:
		if (request)
			exchange_text(h, x, HTTP1_TEXT_USER_AGENT, folded, value);
		break;
	case HTTP1_REFERER:
		if (request)
			exchange_text(h, x, HTTP1_TEXT_REFERER, folded, value);
		break;
	case HTTP1_CONTENT_TYPE:
		if (!request)
			exchange_text(h, x, HTTP1_TEXT_CONTENT_TYPE, folded, value);
		break;
	case HTTP1_LOCATION:
		if (!request)
			exchange_text(h, x, HTTP1_TEXT_LOCATION, folded, value);
		break;
	case HTTP1_CONTENT_DISPOSITION:
		if (h->conf.texts)
			value = span_of(name, http1_filename(value, name, sizeof(name)));
		if (span_len(value))
			exchange_text(h, x, HTTP1_TEXT_REQUEST_FILENAME + d->role, false, value);
		break;
	default:
		break;
	}
}

/* A header line as it came, or (folded) what continues it, without blanks at the end. */
static void keep_header(struct http1 *h, struct http1_dir *d, struct span line, bool folded)
{
	struct span name, value;

	if (!h->conf.texts || !d->exchange)
		return;
	if (!folded && (!http1_any_header(line, &name, &value) || span_len(name) == 0))
		return;
	while (line.end > line.at && (line.end[-1] <= ' '))
		line.end--;
	exchange_text(h, exchange_at(h, d->exchange), HTTP1_TEXT_REQUEST_HEADER + d->role, folded,
		      line);
}

void http1_head_line(struct http1 *h, struct http1_dir *d, struct span line)
{
	bool folded = line.at[0] == ' ' || line.at[0] == '\t', blank = false;
	struct span value = {line.at, line.end};
	enum http1_header header;

	if (folded) { /* RFC 9112 §5.2 */
		http1_odd(h, ANOMALY_HTTP_FOLDED);
		header = d->header;
		while (value.at < value.end && (*value.at == ' ' || *value.at == '\t'))
			value.at++;
		while (value.end > value.at && (value.end[-1] == '\n' || value.end[-1] == '\r'))
			value.end--;
	} else {
		header = http1_header_line(line, &value, &blank);
		d->header = header;
	}
	if (header != HTTP1_NONE)
		apply(h, d, header, value, blank, folded);
	if (h->conf.all_headers)
		keep_header(h, d, folded ? value : line, folded);
}

void http1_head_run(struct http1 *h, struct http1_dir *d, struct span *bytes)
{
	size_t room =
		d->header_bytes < h->conf.header_bytes ? h->conf.header_bytes - d->header_bytes : 0;
	struct span in = {bytes->at, span_len(*bytes) < room ? bytes->end : bytes->at + room};

	for (const uint8_t *block = in.at; block < in.end; block += BYTEMASK) {
		for (uint64_t ends = bytemask_at(in, block, '\n'); ends; ends &= ends - 1) {
			struct span line = {bytes->at, block + __builtin_ctzll(ends) + 1};

			if (*line.at <= '\r')
				goto out;
			bytes->at = line.end;
			if (h->conf.all_headers || http1_is_of_interest(line, h->conf.texts))
				http1_head_line(h, d, line);
			else
				d->header = HTTP1_NONE;
		}
		if (in.end - block < BYTEMASK)
			break;
	}
out:
	d->header_bytes += (uint32_t)(bytes->at - in.at);
}
