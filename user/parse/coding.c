/* SPDX-License-Identifier: MIT */
/* coding — see coding.h. */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDStream */
#include "user/parse/coding.h"

#include <brotli/decode.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_BYTES   32768U
#define LARGE_BYTES (48UL << 20) /* brotli: window of 16 MiB, grown by doubling */
#define ZSTD_WINDOW (8UL << 20)  /* RFC 8878 §3.1.1.1.2: what a receiver should support */
#define ZSTD_FRAME  5            /* bytes that say how long a frame's header is */
#define ZSTD_BLOCK  3            /* a block's header: zstd asks for the next one's with a block */
#define RATIO_FREE  (1ULL << 20)

/* One encoding of the stack. */
struct stage {
	enum coding_kind kind;
	uint32_t next; /* the stage that gets this one's output, + 1; 0: it is the last */
	uint64_t in_bytes, own_bytes; /* what came, what this stage made of it, */
	uint64_t out_bytes;           /* and what those behind it made of that */
	struct span rest;             /* input that waits */
	bool begun, broken, ended;
	bool whole; /* at the end of a member or frame */
	bool gzip;
	bool full;   /* zstd may still have decompressed bytes */
	size_t hint; /* how much it asks for */
	union {
		z_stream z;
		BrotliDecoderState *brotli;
		ZSTD_DStream *zstd;
	};
	size_t room, used, peak; /* of the arena */
	struct taken *top;
	uint8_t out[OUT_BYTES];
};

#define ARENA_AT    ((sizeof(struct stage) + 63) & ~(size_t)63)
#define SMALL_BYTES (ARENA_AT + (48UL << 10)) /* zlib: a window of 32 KiB, and 7 KiB */

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

/* What the libraries take lies as on a stack: what is left on its top goes back at once, what lies
 * deeper when it comes to the top, or with the stage. */
struct taken {
	size_t before; /* where the arena ended */
	struct taken *below;
	bool left;
	uint8_t pad[64 - 2 * sizeof(size_t) - sizeof(bool)];
};

_Static_assert(sizeof(struct taken) == 64, "what follows is aligned");

static void *arena_take(void *opaque, size_t n)
{
	struct stage *s = opaque;
	struct taken *t = (struct taken *)(arena_of(s) + s->used);

	n = (n + 63) & ~(size_t)63;
	if (n > s->room - s->used || sizeof(*t) > s->room - s->used - n)
		return NULL;
	*t = (struct taken){.before = s->used, .below = s->top};
	s->top = t;
	s->used += sizeof(*t) + n;
	if (s->used > s->peak)
		s->peak = s->used;
	return t + 1;
}

static void arena_leave(void *opaque, void *at)
{
	struct stage *s = opaque;

	if (!at)
		return;
	((struct taken *)at - 1)->left = true;
	for (; s->top && s->top->left; s->top = s->top->below)
		s->used = s->top->before;
}

static void *arena_items(void *opaque, unsigned items, unsigned size)
{
	return arena_take(opaque, (size_t)items * size);
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

	if (s->peak > keep)
		madvise((uint8_t *)s + keep, LARGE_BYTES - keep, MADV_DONTNEED);
	s->next = c->free[entry & 1];
	c->free[entry & 1] = entry;
}

static bool begin(struct stage *s, enum coding_kind kind)
{
	s->kind = kind;
	s->next = 0;
	s->in_bytes = s->own_bytes = s->out_bytes = 0;
	s->rest = span_of(s->out, 0);
	s->begun = s->broken = s->ended = s->whole = false;
	s->used = s->peak = 0;
	s->top = NULL;
	switch (kind) {
	case CODING_GZIP:
	case CODING_RAW_DEFLATE:
		s->room = SMALL_BYTES - ARENA_AT;
		s->z = (z_stream){.zalloc = arena_items, .zfree = arena_leave, .opaque = s};
		return inflateInit2(&s->z, -MAX_WBITS) == Z_OK;
	case CODING_BROTLI:
		s->room = LARGE_BYTES - ARENA_AT;
		s->brotli = BrotliDecoderCreateInstance(arena_take, arena_leave, s);
		return s->brotli;
	case CODING_ZSTD:
		s->full = false;
		s->hint = ZSTD_FRAME;
		s->peak = ZSTD_estimateDStreamSize(ZSTD_WINDOW);
		s->zstd = ZSTD_initStaticDStream(arena_of(s), s->peak);
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

/* RFC 1950 §2.2 and RFC 1952 §2.3.1: neither zlib nor gzip can begin as the other does. */
static bool begin_member(struct stage *s, uint8_t first)
{
	int bits = -MAX_WBITS;

	if (s->kind == CODING_GZIP && first == 0x1f)
		bits = MAX_WBITS + 16;
	else if (s->kind == CODING_GZIP && (first & 0x0f) == 8 && first >> 4 <= 7)
		bits = MAX_WBITS;
	s->gzip = bits > MAX_WBITS;
	s->whole = false;
	if (s->kind == CODING_RAW_DEFLATE) /* RFC 7692 §7.1.1: the window may be taken over */
		s->begun = inflateResetKeep(&s->z) == Z_OK;
	else
		s->begun = inflateReset2(&s->z, bits) == Z_OK;
	return s->begun;
}

static enum coding_got inflate_some(struct stage *s, struct span *in, struct span *out)
{
	int rc;

	for (;;) {
		if (in->at == in->end && !s->begun)
			return CODING_MORE;
		/* RFC 1952 §2.2: behind a member another one may follow. */
		if (s->begun && s->whole && in->at < in->end) {
			if (!s->gzip || in->at[0] != 0x1f)
				return CODING_END;
			s->begun = false;
		}
		if (!s->begun && !begin_member(s, in->at[0]))
			return CODING_BAD;
		if (s->whole)
			return s->gzip ? CODING_MORE : CODING_END;
		s->z.next_in = (uint8_t *)in->at;
		s->z.avail_in = (uint32_t)span_len(*in);
		s->z.next_out = s->out;
		s->z.avail_out = OUT_BYTES;
		rc = inflate(&s->z, Z_NO_FLUSH);
		in->at = in->end - s->z.avail_in;
		s->whole = rc == Z_STREAM_END;
		*out = span_of(s->out, OUT_BYTES - s->z.avail_out);
		s->broken = rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR;
		if (span_len(*out))
			return CODING_BYTES;
		if (s->broken)
			return CODING_BAD;
		if (!s->whole)
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

/* Frames may follow one another: there is no end of its own.  What a call finds damaged takes all
 * with it that the call decompressed: so a call gets no more than one block, and none before it
 * gave all of the last one. */
static enum coding_got unzstd(struct stage *s, struct span *in, struct span *out)
{
	ZSTD_inBuffer from = {.src = in->at};
	ZSTD_outBuffer to = {.dst = s->out, .size = OUT_BYTES};
	size_t have = span_len(*in), rc, before;
	bool flushed;

	do {
		size_t want = s->hint > ZSTD_BLOCK ? s->hint - ZSTD_BLOCK : s->hint;

		flushed = s->full;
		if (flushed)
			want = 0;
		before = from.pos;
		from.size = want < have - before ? before + want : have;
		rc = ZSTD_decompressStream(s->zstd, &to, &from);
		s->full = to.pos == OUT_BYTES;
		s->hint = rc ? rc : ZSTD_FRAME;
		s->whole = rc == 0 ||
			   (!ZSTD_isError(rc) && from.pos == before && to.pos == 0 && s->whole);
	} while (!ZSTD_isError(rc) && to.pos == 0 && from.pos < have &&
		 (flushed || from.pos > before));
	in->at += from.pos;
	*out = span_of(s->out, to.pos);
	if (to.pos)
		return CODING_BYTES;
	return ZSTD_isError(rc) || from.pos < have ? CODING_BAD : CODING_MORE;
}

static enum coding_got step(struct stage *s, struct span *in, struct span *out)
{
	size_t before = span_len(*in);
	enum coding_got got = CODING_END;

	switch (s->kind) {
	case CODING_GZIP:
	case CODING_RAW_DEFLATE:
		got = inflate_some(s, in, out);
		break;
	case CODING_BROTLI:
		got = unbrotli(s, in, out);
		break;
	case CODING_ZSTD:
		got = unzstd(s, in, out);
		break;
	}
	s->in_bytes += before - span_len(*in);
	return got;
}

static bool too_much(const struct codings *c, const struct stage *s, uint64_t bytes)
{
	return bytes > c->conf.max_bytes ||
	       (bytes > RATIO_FREE && bytes / c->conf.max_ratio > s->in_bytes);
}

enum coding_got coding_next(struct codings *c, uint32_t decoder, struct span *in, struct span *out)
{
	struct stage *s = stage_of(c, decoder), *next = NULL;
	enum coding_got got;

	*out = (struct span){0};
	if (s->ended) {
		in->at = in->end;
		return CODING_END;
	}
	if (s->next)
		next = stage_of(c, s->next);
	for (;;) {
		if (next && !next->ended) { /* what waits further down comes first */
			got = coding_next(c, s->next, &next->rest, out);
			s->out_bytes += span_len(*out);
			if (got == CODING_BYTES && too_much(c, s, s->out_bytes))
				got = CODING_BOMB;
			if (got == CODING_BYTES)
				return got;
			s->ended = got != CODING_MORE && got != CODING_END;
			s->whole = s->whole && !s->ended;
			if (s->ended)
				return got;
		}
		got = step(s, in, next ? &next->rest : out);
		if (got == CODING_BYTES) {
			s->own_bytes += span_len(next ? next->rest : *out);
			if (too_much(c, s, s->own_bytes))
				got = CODING_BOMB;
			else if (!next)
				return got;
			else
				continue; /* behind its end there is nothing to decode: on to ours
					   */
		}
		s->ended = got != CODING_MORE;
		s->whole = s->whole && got != CODING_BAD && got != CODING_BOMB;
		if (s->ended && got != CODING_END)
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

	s->in_bytes = s->own_bytes = s->out_bytes = 0;
}

void coding_again(struct codings *c, uint32_t decoder)
{
	struct stage *s = stage_of(c, decoder);

	s->begun = s->ended = false;
}

bool coding_is_between(const struct codings *c, uint32_t decoder)
{
	const struct stage *s = stage_of(c, decoder);

	return !s->begun || (s->z.data_type & 128); /* zlib.h: right behind a block */
}
