/* SPDX-License-Identifier: MIT */
/*
 * fuzz_identify — the first byte says what the ports said, the rest is a stream's or a datagram's
 * beginning.  Buffers are exactly as long as the span; only bytes of the span decide, and of a
 * stream only the first IDENTIFY_BYTES.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "user/parse/identify.h"

#define SLACK 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
	int got;
	struct identified what;
};

static struct answer ask(const uint8_t *at, size_t n, size_t slack, uint8_t filler, bool stream,
			 enum service_name port)
{
	uint8_t *copy = malloc(n + slack ? n + slack : 1);
	struct answer a = {0};

	assert(copy);
	memset(copy, filler, n + slack);
	if (n)
		memcpy(copy, at, n);
	if (stream)
		a.got = (int)identify_stream(span_of(copy, n), port, &a.what);
	else
		a.got = identify_datagram(span_of(copy, n), port, &a.what);
	free(copy);
	return a;
}

static void check_answer(const struct answer *a)
{
	if (a->got != IDENTIFY_YES)
		return;
	assert(a->what.name < SERVICE_COUNT && a->what.name != SERVICE_UNKNOWN);
	assert(a->what.confidence >= 1 && a->what.confidence <= 100);
	assert(!(a->what.by_client && a->what.by_server));
	assert(service_name_text(a->what.name));
}

static void same(const struct answer *a, const struct answer *b)
{
	assert(a->got == b->got);
	if (a->got != IDENTIFY_YES)
		return;
	assert(a->what.name == b->what.name && a->what.confidence == b->what.confidence);
	assert(a->what.by_client == b->what.by_client && a->what.by_server == b->what.by_server);
}

/* What lies behind the span is not looked at. */
static struct answer check(const uint8_t *at, size_t n, bool stream, enum service_name port)
{
	struct answer a = ask(at, n, 0, 0, stream, port), b;

	check_answer(&a);
	b = ask(at, n, SLACK, 0, stream, port);
	same(&a, &b);
	b = ask(at, n, SLACK, '1', stream, port);
	same(&a, &b);
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum service_name port;
	struct answer whole, part;

	if (size == 0 || size > 2048)
		return 0;
	port = (enum service_name)(data[0] % SERVICE_COUNT);
	data++;
	size--;
	check(data, size, false, port);
	whole = check(data, size, true, port);
	for (size_t n = size < 80 ? size : 80; n > 0; n--) {
		part = check(data, n, true, port);
		/* too few bytes are never a no, all that is looked at never a maybe */
		assert(n >= 20 || part.got != IDENTIFY_NO);
		assert(n < IDENTIFY_BYTES || part.got != IDENTIFY_MORE);
		if (n >= IDENTIFY_BYTES)
			same(&whole, &part);
	}
	return 0;
}
