/* SPDX-License-Identifier: MIT */
/* coding — see coding.h. */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDStream */
#include "user/parse/coding.h"

#include <brotli/decode.h>
#include <isa-l/igzip_lib.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#define OUT_BYTES   32768U
#define LARGE_BYTES (48UL << 20) /* brotli: window of 16 MiB, grown by doubling */
#define ZSTD_WINDOW (8UL << 20)  /* RFC 8878 §3.1.1.1.2: what a receiver should support */
#define RATIO_FREE  (1ULL << 20)

/* One encoding of the stack. */
struct stage {
	enum coding_kind kind;
	uint32_t next; /* the stage that gets this one's output, + 1; 0: it is the last */
	uint64_t in_bytes, out_bytes;
	struct span rest; /* input that waits */
	bool begun, broken, ended;
	bool whole; /* at the end of a member or frame */
	union {
		BrotliDecoderState *brotli;
		ZSTD_DStream *zstd;
	};
	size_t used; /* of the arena */
	uint8_t out[OUT_BYTES];
};

#define ARENA_AT    ((sizeof(struct stage) + 63) & ~(size_t)63)
#define SMALL_BYTES (ARENA_AT + sizeof(struct inflate_state))

/* The lowest bit of an entry says which arenas it is of. */
static struct stage *stage_of(const struct codings *c, uint32_t entry)
{
	const struct slots *slots = &c->slots[entry & 1];

	return (struct stage *)(slots->base + ((entry >> 1) - 1) * slots->stride);
}

static uint8_t *arena_of(struct stage *s)
{
	return (uint8_t *)s + ARENA_AT;
}

static struct inflate_state *inflate_of(struct stage *s)
{
	return (struct inflate_state *)arena_of(s);
}

/* Brotli's allocator: its few arrays lie one behind the other, and all go with the stage. */
static void *arena_take(void *opaque, size_t n)
{
	struct stage *s = opaque;
	uint8_t *at = arena_of(s) + s->used;

	n = (n + 63) & ~(size_t)63;
	if (n > LARGE_BYTES - ARENA_AT - s->used)
		return NULL;
	s->used += n;
	return at;
}

static void arena_leave(void *opaque, void *at)
{
	(void)opaque;
	(void)at;
}

int codings_open(struct codings *c, const struct coding_conf *conf)
{
	int err;

	*c = (struct codings){.conf = *conf};
	err = slots_open(&c->slots[0], (SMALL_BYTES + 4095) & ~(size_t)4095, conf->small);
	if (err == 0)
		err = slots_open(&c->slots[1], LARGE_BYTES, conf->large);
	return err;
}

void codings_close(struct codings *c)
{
	slots_close(&c->slots[0]);
	slots_close(&c->slots[1]);
}

/* Pages are touched as the decoder needs them. */
static uint32_t take(struct codings *c, enum coding_kind kind)
{
	uint32_t large = kind == CODING_BROTLI || kind == CODING_ZSTD, entry = c->free[large];

	if (entry)
		c->free[large] = stage_of(c, entry)->next;
	else if (c->fresh[large] < (large ? c->conf.large : c->conf.small))
		entry = ++c->fresh[large] << 1 | large;
	return entry;
}

static void leave(struct codings *c, uint32_t entry)
{
	struct stage *s = stage_of(c, entry);
	size_t keep = 256UL << 10; /* of a large arena: what the next decoder needs anyway */

	if (s->used > keep)
		madvise((uint8_t *)s + keep, LARGE_BYTES - keep, MADV_DONTNEED);
	s->next = c->free[entry & 1];
	c->free[entry & 1] = entry;
}

static bool begin(struct stage *s, enum coding_kind kind)
{
	s->kind = kind;
	s->next = 0;
	s->in_bytes = s->out_bytes = 0;
	s->rest = (struct span){0};
	s->begun = s->broken = s->ended = s->whole = false;
	s->used = 0;
	switch (kind) {
	case CODING_GZIP:
	case CODING_RAW_DEFLATE:
		isal_inflate_init(inflate_of(s));
		return true;
	case CODING_BROTLI:
		s->brotli = BrotliDecoderCreateInstance(arena_take, arena_leave, s);
		return s->brotli;
	case CODING_ZSTD:
		s->used = ZSTD_estimateDStreamSize(ZSTD_WINDOW);
		s->zstd = ZSTD_initStaticDStream(arena_of(s), s->used);
		return s->zstd;
	}
	return false;
}

uint32_t coding_start(struct codings *c, const uint8_t *kinds, uint32_t n)
{
	uint32_t entry = 0;

	/* The encoding applied last is undone first: build from the back. */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t e = take(c, kinds[i]);

		if (!e || !begin(stage_of(c, e), kinds[i])) {
			if (e)
				leave(c, e);
			coding_end(c, entry);
			c->refused++;
			return 0;
		}
		stage_of(c, e)->next = entry;
		entry = e;
	}
	c->opened++;
	return entry;
}

void coding_end(struct codings *c, uint32_t decoder)
{
	while (decoder) {
		uint32_t next = stage_of(c, decoder)->next;

		leave(c, decoder);
		decoder = next;
	}
}

static enum coding_got inflate(struct stage *s, struct span *in, struct span *out)
{
	struct inflate_state *z = inflate_of(s);
	int rc;

	if (s->broken)
		return CODING_BAD;
	for (;;) {
		if (!s->begun && in->at < in->end) {
			/* RFC 1950 §2.2 and RFC 1952 §2.3.1: neither can begin as the other does.
			 */
			uint8_t first = in->at[0];

			isal_inflate_reset(z);
			z->crc_flag = s->kind == CODING_RAW_DEFLATE              ? ISAL_DEFLATE
				      : first == 0x1f                            ? ISAL_GZIP
				      : (first & 0x0f) == 8 && (first >> 4) <= 7 ? ISAL_ZLIB
										 : ISAL_DEFLATE;
			s->begun = true;
		}
		if (!s->begun)
			return CODING_MORE;
		z->next_in = (uint8_t *)in->at;
		z->avail_in = (uint32_t)span_len(*in);
		z->next_out = s->out;
		z->avail_out = OUT_BYTES;
		rc = isal_inflate(z);
		in->at = in->end - z->avail_in;
		s->whole = z->block_state == ISAL_BLOCK_FINISH;
		*out = span_of(s->out, OUT_BYTES - z->avail_out);
		s->broken = rc < 0;
		if (s->broken && !span_len(*out))
			return CODING_BAD;
		if (span_len(*out))
			return CODING_BYTES;
		if (z->block_state != ISAL_BLOCK_FINISH)
			return CODING_MORE;
		/* RFC 1952 §2.2: another member may follow. */
		if (z->crc_flag != ISAL_GZIP || (in->at < in->end && in->at[0] != 0x1f))
			return CODING_END;
		s->begun = false;
		if (in->at == in->end)
			return CODING_MORE;
	}
}

static enum coding_got unbrotli(struct stage *s, struct span *in, struct span *out)
{
	size_t have = span_len(*in), room = OUT_BYTES;
	uint8_t *to = s->out;
	BrotliDecoderResult rc =
		BrotliDecoderDecompressStream(s->brotli, &have, &in->at, &room, &to, NULL);

	*out = span_of(s->out, OUT_BYTES - room);
	s->whole = rc == BROTLI_DECODER_RESULT_SUCCESS;
	if (span_len(*out))
		return CODING_BYTES;
	if (rc == BROTLI_DECODER_RESULT_ERROR)
		return CODING_BAD;
	return rc == BROTLI_DECODER_RESULT_SUCCESS ? CODING_END : CODING_MORE;
}

static enum coding_got unzstd(struct stage *s, struct span *in, struct span *out)
{
	ZSTD_inBuffer from = {.src = in->at, .size = span_len(*in)};
	ZSTD_outBuffer to = {.dst = s->out, .size = OUT_BYTES};
	size_t rc = ZSTD_decompressStream(s->zstd, &to, &from);

	in->at += from.pos;
	if (from.pos || to.pos)
		s->whole = rc == 0;
	*out = span_of(s->out, to.pos);
	if (to.pos)
		return CODING_BYTES;
	if (ZSTD_isError(rc))
		return CODING_BAD;
	return CODING_MORE; /* frames may follow one another: there is no end of its own */
}

static enum coding_got step(const struct codings *c, struct stage *s, struct span *in,
			    struct span *out)
{
	size_t before = span_len(*in);
	enum coding_got got = CODING_END;

	switch (s->kind) {
	case CODING_GZIP:
	case CODING_RAW_DEFLATE:
		got = inflate(s, in, out);
		break;
	case CODING_BROTLI:
		got = unbrotli(s, in, out);
		break;
	case CODING_ZSTD:
		got = unzstd(s, in, out);
		break;
	}
	s->in_bytes += before - span_len(*in);
	if (got != CODING_BYTES)
		return got;
	s->out_bytes += span_len(*out);
	if (s->out_bytes > c->conf.max_bytes ||
	    (s->out_bytes > RATIO_FREE && s->out_bytes / c->conf.max_ratio > s->in_bytes))
		return CODING_BOMB;
	return got;
}

enum coding_got coding_next(struct codings *c, uint32_t decoder, struct span *in, struct span *out)
{
	struct stage *s = stage_of(c, decoder), *next;
	enum coding_got got;

	*out = (struct span){0};
	if (s->ended) {
		in->at = in->end;
		return CODING_END;
	}
	for (;;) {
		if (s->next) { /* what waits further down comes first */
			next = stage_of(c, s->next);
			got = coding_next(c, s->next, &next->rest, out);
			if (got != CODING_MORE) {
				s->ended = got != CODING_BYTES;
				return got;
			}
		}
		got = step(c, s, in, s->next ? &next->rest : out);
		if (got == CODING_BYTES && s->next)
			continue;
		s->ended = got != CODING_MORE && got != CODING_BYTES;
		if (s->ended)
			in->at = in->end;
		return got;
	}
}

bool coding_is_whole(const struct codings *c, uint32_t decoder)
{
	for (; decoder; decoder = stage_of(c, decoder)->next)
		if (!stage_of(c, decoder)->whole)
			return false;
	return true;
}

void coding_renew(struct codings *c, uint32_t decoder)
{
	struct stage *s = stage_of(c, decoder);

	s->in_bytes = s->out_bytes = 0;
}

void coding_again(struct codings *c, uint32_t decoder)
{
	struct stage *s = stage_of(c, decoder);

	s->begun = s->ended = false;
}
