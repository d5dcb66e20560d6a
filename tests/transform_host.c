/* SPDX-License-Identifier: MIT */
/* transform_host — see transform_host.h. */
#include "tests/transform_host.h"

#include <CUnit/CUnit.h>
#include <brotli/encode.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static struct guard guard; /* opened by the first run */

void message_add(struct message *m, const void *at, size_t n)
{
	if (n && m->n + n <= sizeof(m->at)) {
		memcpy(m->at + m->n, at, n);
		m->n += n;
	}
}

void message_begin(struct message *m, const char *header)
{
	m->n = 0;
	message_add(m, header, strlen(header));
	m->header = m->n;
}

const char *tf_status(const struct transform_step *s)
{
	return transform_status_name(s->status);
}

/* What holds for any result. */
static bool tf_validate(const struct transform_chain *chain, const struct transform_input *in,
			size_t max, const struct transform_result *r)
{
	size_t n = span_len(in->bytes);
	bool applied = false, failed = false, ok = r->steps <= TRANSFORM_STEPS;

	for (uint32_t i = 0; i < r->steps && ok; i++) {
		const struct transform_step *s = &r->step[i];

		ok &= !failed && s->input_bytes == n && memchr(s->note, 0, sizeof(s->note));
		ok &= s->requested == TRANSFORM_AUTO || s->requested == s->applied;
		ok &= !s->truncated || (s->status == TRANSFORM_APPLIED && s->output_bytes <= max);
		if (s->status == TRANSFORM_APPLIED)
			ok &= s->output_bytes <= max;
		else
			ok &= s->output_bytes == (s->status == TRANSFORM_NOOP ? n : 0);
		n = s->output_bytes;
		applied |= s->status == TRANSFORM_APPLIED;
		failed |= s->status == TRANSFORM_FAILED;
	}
	ok &= r->status == (failed    ? TRANSFORM_FAILED
			    : applied ? TRANSFORM_APPLIED
				      : TRANSFORM_NOOP);
	ok &= failed || r->steps >= chain->n;
	ok &= span_len(r->bytes) == (applied && !failed ? n : 0);
	for (const uint8_t *p = r->bytes.at; p < r->bytes.end; p++)
		ok &= *(const volatile uint8_t *)p == *p;
	return CHECK(ok, "%u steps, status %s", r->steps, transform_status_name(r->status));
}

struct transform_result tf_run_chain(const struct transform_chain *chain, const uint8_t *at,
				     size_t n, size_t header, size_t max)
{
	struct transform_input in = {.header = header};
	struct transform_result r;

	if (!guard.base)
		CU_ASSERT_TRUE_FATAL(guard_open(&guard, ROOM));
	in.bytes = span_of(guard_put(&guard, at, n), n);
	CU_ASSERT_EQUAL_FATAL(transform_run(chain, &in, max, &r), 0);
	tf_validate(chain, &in, max, &r);
	return r;
}

struct transform_result tf_run(const char *text, const uint8_t *at, size_t n, size_t header,
			       size_t max)
{
	struct transform_chain chain;
	char why[128] = "";

	if (transform_parse(text, &chain, why, sizeof(why)) < 0)
		CHECK(false, "%s: %s", text, why);
	return tf_run_chain(&chain, at, n, header, max);
}

struct transform_result tf_run_message(const char *text, const struct message *m, size_t max)
{
	return tf_run(text, m->at, m->n, m->header, max);
}

void tf_check_row(const char *chain, const char *header, const struct row *row)
{
	static struct message in, expect;
	const struct transform_step *s;
	struct transform_result r;

	chain = row->chain ? row->chain : chain;
	header = row->header ? row->header : header ? header : "";
	message_begin(&in, header);
	message_add(&in, row->in.at, row->in.n);
	message_begin(&expect, header);
	message_add(&expect, row->out.at, row->out.n);
	r = tf_run_message(chain, &in, row->max ? row->max : PLENTY);
	s = &r.step[r.steps - 1];
	CHECK(s->status == row->is, "%s of '%.60s': %s, %s", chain, row->in.at, tf_status(s),
	      s->note);
	CHECK(row->note ? strstr(s->note, row->note) != NULL : !s->note[0], "%s of '%.60s': '%s'",
	      chain, row->in.at, s->note);
	if (r.status == OK) {
		size_t n = row->max && row->max < expect.n ? row->max : expect.n;

		CHECK(span_len(r.bytes) == n && memcmp(r.bytes.at, expect.at, n) == 0,
		      "%s of '%.60s': '%.*s'", chain, row->in.at, (int)span_len(r.bytes),
		      r.bytes.at);
		CHECK(s->truncated == (row->max != 0), "%s of '%.60s'", chain, row->in.at);
	}
	transform_free(&r);
}

/* ---- encodings ---- */

const char lorem[159] =
	"The quick brown fox jumps over the lazy dog; the lazy dog sleeps on.  Thirty-six "
	"foxes later the dog wakes up, looks around, and the quick brown fox is gone.\n";

size_t tf_pack_zlib(int bits, const void *in, size_t n, uint8_t *out, size_t cap)
{
	z_stream z = {.next_in = (uint8_t *)in, .avail_in = (uint32_t)n};

	CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = out;
	z.avail_out = (uint32_t)cap;
	CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return cap - z.avail_out;
}

const struct packing packers[PACK_COUNT] = {
	{"gzip", "gzip"}, {"deflate", "deflate"}, {"deflate", "deflate"},
	{"brotli", "br"}, {"zstd", "zstd"},
};

size_t tf_pack(enum packer p, const void *in, size_t n, uint8_t *out, size_t cap)
{
	size_t len = cap;

	switch (p) {
	case PACK_GZIP:
		return tf_pack_zlib(31, in, n, out, cap);
	case PACK_ZLIB:
		return tf_pack_zlib(15, in, n, out, cap);
	case PACK_RAW:
		return tf_pack_zlib(-15, in, n, out, cap);
	case PACK_BROTLI:
		CU_ASSERT_TRUE(BrotliEncoderCompress(5, 18, BROTLI_MODE_GENERIC, n, in, &len, out));
		return len;
	case PACK_ZSTD:
		return ZSTD_compress(out, cap, in, n, 3);
	default:
		return 0;
	}
}

void message_begin_encoded(struct message *m, const char *encoding, bool chunked)
{
	char header[200];

	snprintf(header, sizeof(header), "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n%s\r\n",
		 encoding, chunked ? "Transfer-Encoding: chunked\r\n" : "");
	message_begin(m, header);
}

void message_add_chunks(struct message *m, const uint8_t *at, size_t n, size_t step)
{
	char size[24];

	for (size_t i = 0; i < n; i += step) {
		size_t len = step < n - i ? step : n - i;

		message_add(m, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len));
		message_add(m, at + i, len);
		message_add(m, "\r\n", 2);
	}
	message_add(m, "0\r\n\r\n", 5);
}

bool tf_decodes_to(const struct transform_result *r, const struct message *m, const char *plain,
		   size_t n)
{
	return r->status == OK && span_len(r->bytes) == m->header + n &&
	       memcmp(r->bytes.at, m->at, m->header) == 0 &&
	       memcmp(r->bytes.at + m->header, plain, n) == 0;
}

struct sockets ws;

void sockets_begin(void)
{
	ws.m.n = ws.m.header = 0;
	ws.z = (z_stream){0};
	deflateInit2(&ws.z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}

void sockets_frame(uint8_t first, bool masked, const void *payload, size_t n)
{
	static const uint8_t mask[4] = {0x12, 0xff, 0x00, 0x5a};
	uint8_t bit = masked ? 0x80 : 0, head[4] = {first, (uint8_t)(bit | (n < 126 ? n : 126)),
						    (uint8_t)(n >> 8), (uint8_t)n};
	size_t at;

	message_add(&ws.m, head, n < 126 ? 2 : 4);
	if (masked)
		message_add(&ws.m, mask, 4);
	at = ws.m.n;
	message_add(&ws.m, payload, n);
	for (size_t i = 0; i < n && masked; i++)
		ws.m.at[at + i] ^= mask[i & 3];
}

void sockets_deflated(const char *text, bool takeover, bool masked, size_t step)
{
	uint8_t out[1024];
	size_t n, at = 0;

	if (!takeover)
		deflateReset(&ws.z);
	ws.z.next_in = (uint8_t *)text;
	ws.z.avail_in = (uInt)strlen(text);
	ws.z.next_out = out;
	ws.z.avail_out = sizeof(out);
	deflate(&ws.z, Z_SYNC_FLUSH);
	n = sizeof(out) - ws.z.avail_out - 4;
	do {
		size_t len = step < n - at ? step : n - at;
		uint8_t first = at ? 0x00 : 0x41;

		sockets_frame(first | (at + len == n ? 0x80 : 0), masked, out + at, len);
		if (at + len < n)
			sockets_frame(0x89, masked, "ping", 4);
		at += len;
	} while (at < n);
}
