/* SPDX-License-Identifier: MIT */
/*
 * transform_websocket — the messages in WebSocket frames (RFC 6455 §5.2), inflated where they are
 * compressed (RFC 7692).
 *
 *   0                   1
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 *  |F|R|R|R|opcode |M|   length    |  126: 2 bytes of length follow, 127: 8
 *  |I|1|2|3|       |A|             |  then 4 bytes of mask where MASK is set, then the payload
 */
#include <limits.h>
#include <zlib.h>

#include "user/parse/http1_line.h"
#include "user/view/transform_step.h"

#define FIN  0x80U
#define RSV1 0x40U /* the message is compressed */

#define DISCARDED_MAX \
	8U /* bytes of damaged messages, per byte that may go out: nothing comes of it */

enum opcode { CONTINUATION, TEXT, BINARY, CLOSE = 8, PING, PONG };

enum frame_got { FRAME_OK, FRAME_SHORT, FRAME_BAD };

struct frame {
	uint8_t flags, opcode;
	bool whole, least; /* least: the length is written as short as it can be */
	const uint8_t *mask;
	struct span payload;
};

/* What the messages go through. */
struct inflater {
	struct output message; /* compressed or not, unmasked */
	z_stream z;
	bool ready;
	bool seen;            /* a data frame */
	bool begun, deflated; /* the message */
	size_t messages, failed, discarded;
};

/* ---- frames ---- */

static bool is_control(const struct frame *f)
{
	return f->opcode >= CLOSE;
}

static bool is_possible(const struct frame *f, uint64_t len)
{
	if (f->flags & 0x30 || f->opcode > PONG || (f->opcode > BINARY && f->opcode < CLOSE))
		return false;
	if (is_control(f))
		return (f->flags & FIN) && !(f->flags & RSV1) && len <= 125;
	return !(f->opcode == CONTINUATION && (f->flags & RSV1)) && !(len >> 63);
}

/* FRAME_SHORT: the header is not all there; a payload that is not makes the frame not whole. */
static enum frame_got frame_next(struct cursor *c, struct frame *f)
{
	uint8_t first = cursor_u8(c), second;
	uint64_t len;

	*f = (struct frame){.flags = first & 0xf0, .opcode = first & 0x0f};
	if (!cursor_ok(c))
		return FRAME_SHORT;
	if (!is_possible(f, 0))
		return FRAME_BAD;
	second = cursor_u8(c);
	len = second & 0x7f;
	if (!is_possible(f, len))
		return FRAME_BAD;
	if (len == 126) {
		len = cursor_be16(c);
		f->least = len > 125;
	} else if (len == 127) {
		len = (uint64_t)cursor_be32(c) << 32;
		len |= cursor_be32(c);
		f->least = len > UINT16_MAX;
	} else {
		f->least = true;
	}
	if (second & 0x80)
		f->mask = cursor_take(c, 4);
	if (!cursor_ok(c))
		return FRAME_SHORT;
	if (!is_possible(f, len))
		return FRAME_BAD;
	f->whole = len <= cursor_left(c);
	len = f->whole ? len : cursor_left(c);
	f->payload.at = cursor_take(c, (size_t)len);
	f->payload.end = f->payload.at + len;
	return FRAME_OK;
}

/* Bytes of the payload from `from` on; returns how many. */
static size_t unmask(const struct frame *f, size_t from, uint8_t *to, size_t cap)
{
	static const uint8_t none[4];
	const uint8_t *mask = f->mask ? f->mask : none;
	size_t left = span_len(f->payload) - from, n = left < cap ? left : cap;

	for (size_t i = 0; i < n; i++)
		to[i] = f->payload.at[from + i] ^ mask[(from + i) & 3];
	return n;
}

/* ---- messages ---- */

/* False where it is damaged.  *ended: its last block was marked as the last one of all. */
static bool inflate_span(z_stream *z, struct span s, struct output *o, bool *ended)
{
	uint8_t room[8192];
	int rc;

	*ended = false;
	z->next_in = (uint8_t *)s.at;
	z->avail_in = (uInt)span_len(s);
	do {
		z->next_out = room;
		z->avail_out = sizeof(room);
		rc = inflate(z, Z_SYNC_FLUSH);
		o->no_memory |= rc == Z_MEM_ERROR;
		if (!output_put(o, room, sizeof(room) - z->avail_out))
			return true;      /* as much as is wanted */
		if (rc == Z_STREAM_END) { /* RFC 7692 §7.2.3.4: the window is kept */
			*ended = z->avail_in == 0;
			rc = inflateResetKeep(z);
		}
		if (rc != Z_OK && rc != Z_BUF_ERROR)
			return false;
	} while (rc == Z_OK && (z->avail_in || z->avail_out == 0) && !*ended);
	return true;
}

/* RFC 7692 §7.2.2 */
static bool inflate_message(struct inflater *i, bool complete, struct output *o)
{
	static const uint8_t tail[] = {0, 0, 0xff, 0xff};
	struct span s = span_of(i->message.at, i->message.n);
	bool ended;

	if (!inflate_span(&i->z, s, o, &ended))
		return false;
	if (!complete || ended || o->cut)
		return true;
	return inflate_span(&i->z, span_of(tail, sizeof(tail)), o, &ended);
}

static bool open_z(struct inflater *i, struct output *o)
{
	if (!i->ready && inflateInit2(&i->z, -15) != Z_OK)
		o->no_memory = true;
	else
		i->ready = true;
	return i->ready;
}

/* With the window of the messages before, else without. */
static void put_inflated(struct inflater *i, bool complete, struct output *o)
{
	size_t from = o->n;

	if (!open_z(i, o) || i->message.n == 0)
		return;
	for (int n = 0; n < 2; n++) {
		if (i->message.n <= UINT_MAX && inflate_message(i, complete, o))
			return;
		i->discarded += o->n - from;
		o->n = from;
		inflateReset(&i->z);
	}
	i->failed++;
}

static void put_message(struct inflater *i, bool complete, struct output *o)
{
	size_t from = o->n, failed = i->failed;

	i->begun = false;
	o->no_memory |= i->message.no_memory;
	if (!complete && i->message.n == 0)
		return;
	if (i->messages && !output_put(o, (const uint8_t *)"\n", 1))
		return;
	if (i->deflated)
		put_inflated(i, complete, o);
	else
		output_put(o, i->message.at, i->message.n);
	if (i->failed > failed)
		o->n = from;
	else
		i->messages++;
}

/* Whether it may stand where it does; the first one may go on with what came before. */
static bool begin_message(struct inflater *i, const struct frame *f)
{
	bool first = !i->seen;

	if (f->opcode == CONTINUATION ? !i->begun && !first : i->begun)
		return false;
	i->seen = i->begun = true;
	if (f->opcode == CONTINUATION)
		return true;
	i->deflated = f->flags & RSV1;
	i->message.n = 0;
	return true;
}

static void put_frame(struct inflater *i, const struct frame *f, struct output *o)
{
	uint8_t room[1024];

	for (size_t from = 0, n; from < span_len(f->payload); from += n) {
		n = unmask(f, from, room, sizeof(room));
		if (!output_put(&i->message, room, n))
			break;
	}
	if ((f->flags & FIN) && f->whole) {
		put_message(i, true, o);
		i->message.n = 0;
		i->deflated = false;
	}
}

static bool gives_up(const struct inflater *i, const struct output *o)
{
	return i->discarded / DISCARDED_MAX >= o->max && i->discarded;
}

/* A header alone may be as much as is wanted: that there is a message is found out all the same. */
static bool wants_more(const struct inflater *i, const struct output *o)
{
	return !o->no_memory && (!o->cut || i->messages == 0);
}

/* Says what stopped it, if not the end. */
static enum frame_got read_frames(struct inflater *i, struct cursor *c, struct output *o, bool *any)
{
	enum frame_got got = FRAME_OK;
	struct frame f;

	while (cursor_left(c) && wants_more(i, o)) {
		got = frame_next(c, &f);
		if (got == FRAME_OK && !is_control(&f) && !begin_message(i, &f))
			got = FRAME_BAD;
		if (got == FRAME_BAD)
			return got;
		*any = true;
		if (got == FRAME_OK && !is_control(&f))
			put_frame(i, &f, o);
		if (got == FRAME_SHORT || !f.whole)
			return FRAME_SHORT;
		if (gives_up(i, o))
			break;
	}
	return FRAME_OK;
}

static enum transform_status judge(const struct inflater *i, enum frame_got got,
				   const struct output *o, struct transform_step *s)
{
	if (i->failed)
		step_say(s, "%zu messages could not be inflated", i->failed);
	if (gives_up(i, o))
		step_say(s, "the rest is left out");
	if (got == FRAME_SHORT)
		step_say(s, "the last frame stops short");
	if (got == FRAME_BAD)
		step_say(s, "bytes that are no frame stand behind");
	if (i->messages)
		return TRANSFORM_APPLIED;
	return i->failed ? TRANSFORM_FAILED : TRANSFORM_NOOP;
}

enum transform_status step_websocket(const struct subject *in, struct output *o,
				     struct transform_step *s)
{
	struct inflater i = {.message.max = SIZE_MAX}; /* no more than came in */
	struct cursor c = cursor_of(in->body);
	enum transform_status status = TRANSFORM_FAILED;
	enum frame_got got;
	bool any = false;

	got = read_frames(&i, &c, o, &any);
	if (i.begun && wants_more(&i, o)) /* its end is not there */
		put_message(&i, false, o);
	if (any || got == FRAME_OK)
		status = judge(&i, got, o, s);
	else
		step_say(s, "this is no WebSocket frame");
	if (i.ready)
		inflateEnd(&i.z);
	output_close(&i.message);
	return status;
}

/* ---- certainty ---- */

/* Text that is not compressed looks like text. */
static bool is_text(const struct frame *f)
{
	uint8_t room[256];
	size_t n;

	if (f->opcode != TEXT || (f->flags & RSV1))
		return true;
	n = unmask(f, 0, room, sizeof(room));
	return n == 0 || text_mostly(span_of(room, n));
}

/* Every byte is of a frame, as short as can be, all masked or none, and messages begin and end; two
 * frames at least, or one that is text or compressed. */
bool websocket_is_certain(const struct subject *in)
{
	struct cursor c = cursor_of(in->body);
	struct inflater i = {.seen = true}; /* it begins with a message */
	size_t frames = 0, data = 0;
	bool masked = false, plain = true;
	struct http_says says;
	struct frame f;

	http_read(in->header, &says);
	if (span_len(in->header) && !says.websocket)
		return false;
	while (cursor_left(&c)) {
		enum frame_got got = frame_next(&c, &f);

		if (got == FRAME_SHORT || (got == FRAME_OK && !f.whole))
			return frames > 1 && data;
		if (got == FRAME_BAD || !f.least || !is_text(&f))
			return false;
		if (frames && masked != (f.mask != NULL))
			return false;
		masked = f.mask;
		frames++;
		if (is_control(&f))
			continue;
		if (!begin_message(&i, &f))
			return false;
		i.begun = !(f.flags & FIN);
		data++;
		plain &= f.opcode == BINARY && !(f.flags & RSV1);
	}
	return data && (frames > 1 || !plain);
}
