/* SPDX-License-Identifier: MIT */
/* websocket — see websocket.h. */
#include "user/parse/websocket.h"

#include <string.h>

#include "user/parse/http1.h"

enum { PHASE_HEADER, PHASE_PAYLOAD, PHASE_DEAD };

#define RSV1 0x40 /* of a message: compressed */

/* A message while its frames come; kept small: only its first bytes stay. */
struct message {
	uint64_t start, length;
	uint64_t hole; /* behind that, while nothing follows it */
	uint32_t ordinal;
	uint16_t kept;
	uint8_t opcode; /* 0: none is under way */
	bool mask, compressed;
	bool apart; /* its payload lies not so in the stream */
	bool over;  /* a final block was the last thing in it */
	uint8_t text[WEBSOCKET_TEXT];
};

struct side {
	uint64_t off, seen; /* of the next byte; behind the last one that came */
	uint64_t left;      /* of the payload of the frame in hand */
	uint64_t frame_off; /* where that frame begins */
	uint8_t head[14], have;
	uint8_t mask[4], mask_at;
	uint8_t phase;
	uint8_t frame; /* opcode of the frame in hand */
	bool fin, masked, no_context;
	bool blind;       /* what is said may refer to what was not inflated */
	uint32_t decoder; /* 0: none, or nothing more of the message in hand can be inflated */
	struct message data;
	struct message control;
};

struct state {
	struct side side[2];
	uint32_t ordinal;
	bool deflate;
	uint8_t client;
};

static struct websocket *of(struct parser *p)
{
	return (struct websocket *)p; /* its first member */
}

static struct state *state_of(struct parser *p, uint32_t state)
{
	return (struct state *)parser_state(p, state);
}

static void odd(struct parser *p, enum anomaly a)
{
	p->host->anomaly(p->host, a);
}

const char *websocket_opcode_name(enum websocket_opcode opcode)
{
	switch (opcode) {
	case WEBSOCKET_CONTINUATION:
		return "continuation";
	case WEBSOCKET_TEXT_MESSAGE:
		return "text";
	case WEBSOCKET_BINARY:
		return "binary";
	case WEBSOCKET_CLOSE:
		return "close";
	case WEBSOCKET_PING:
		return "ping";
	case WEBSOCKET_PONG:
		return "pong";
	}
	return "reserved";
}

void websocket_agree(struct websocket *w, uint32_t state, const struct parse_next *next,
		     uint8_t client_dir)
{
	struct state *st = state_of(&w->parser, state);

	st->deflate = next->deflate;
	st->client = client_dir;
	st->side[client_dir].no_context = next->no_context[0];
	st->side[!client_dir].no_context = next->no_context[1];
}

/* The message in hand is not inflated any further; wronged: by no fault of its sender. */
static void drop_decoder(struct parser *p, struct side *d, bool wronged)
{
	coding_end(of(p)->conf.decoders, d->decoder);
	d->decoder = 0;
	d->blind |= wronged && !d->no_context;
}

/* ---- payload ---- */

/* The first bytes, in one piece: nothing from behind a hole. */
static void keep(struct message *m, struct span bytes)
{
	size_t n = m->kept == m->length ? sizeof(m->text) - m->kept : 0;

	n = n < span_len(bytes) ? n : span_len(bytes);
	memcpy(m->text + m->kept, bytes.at, n);
	m->kept = (uint16_t)(m->kept + n);
}

static void tell_body(struct parser *p, struct parse_side where, const struct message *m,
		      struct span bytes, bool last)
{
	struct parse_body b = {.tx_id = m->ordinal,
			       .side = where.from_client ? HTTP1_REQUEST : HTTP1_RESPONSE,
			       .dir = where.dir,
			       .encoded = true,
			       .aside = m->opcode >= WEBSOCKET_CLOSE,
			       .last = last,
			       .off = m->length,
			       .bytes = bytes};

	if (of(p)->conf.bodies && m->apart)
		p->host->body(p->host, &b);
}

/* Payload as the application reads it. */
static void on_payload(struct parser *p, struct parse_side where, struct message *m,
		       struct span bytes)
{
	m->length += m->hole;
	m->hole = 0;
	keep(m, bytes);
	tell_body(p, where, m, bytes, false);
	m->length += span_len(bytes);
}

static void inflate(struct parser *p, struct parse_side where, struct side *d, struct span in)
{
	struct codings *c = of(p)->conf.decoders;
	struct message *m = &d->data;
	struct span out;

	if (span_len(in))
		m->over = false;
	while (d->decoder && !m->over) {
		switch (coding_next(c, d->decoder, &in, &out)) {
		case CODING_BYTES:
			on_payload(p, where, m, out);
			break;
		case CODING_MORE:
			return;
		case CODING_END: /* RFC 7692 §7.2.3.4: without the tail, but more may follow */
			coding_again(c, d->decoder);
			m->over = span_len(in) == 0;
			break;
		case CODING_BOMB:
			odd(p, ANOMALY_WEBSOCKET_DECODE_LIMIT);
			drop_decoder(p, d, true);
			break;
		case CODING_BAD:
			if (!d->blind)
				odd(p, ANOMALY_WEBSOCKET_DECODE_FAILED);
			drop_decoder(p, d, false);
			break;
		}
	}
}

/* What the frame in hand belongs to. */
static struct message *message_of(struct side *d)
{
	return d->frame >= WEBSOCKET_CLOSE ? &d->control : &d->data;
}

/* Payload of a frame as it came: unmasked piece by piece. */
static void frame_payload(struct parser *p, struct parse_side where, struct side *d, struct span in)
{
	struct message *m = message_of(d);
	uint8_t clear[4096];

	while (in.at < in.end) {
		size_t n = span_len(in) < sizeof(clear) ? span_len(in) : sizeof(clear);
		struct span bytes = {in.at, in.at + n};

		if (d->masked) {
			for (size_t i = 0; i < n; i++)
				clear[i] = in.at[i] ^ d->mask[(d->mask_at + i) & 3];
			d->mask_at = (uint8_t)((d->mask_at + n) & 3);
			bytes = span_of(clear, n);
		}
		if (m->compressed)
			inflate(p, where, d, bytes);
		else
			on_payload(p, where, m, bytes);
		in.at += n;
	}
}

/* ---- messages ---- */

static void begin(struct parser *p, struct state *st, struct side *d, bool compressed)
{
	struct codings *c = of(p)->conf.decoders;
	const uint8_t raw = CODING_RAW_DEFLATE;
	struct message *m = message_of(d);

	m->start = d->frame_off;
	m->length = m->hole = 0;
	m->kept = 0;
	m->ordinal = st->ordinal++;
	m->opcode = d->frame;
	m->mask = d->masked;
	m->compressed = compressed;
	m->apart = d->masked || compressed || !d->fin;
	m->over = false;
	if (!compressed)
		return;
	if (d->decoder)
		coding_renew(c, d->decoder);
	else
		d->decoder = coding_start(c, &raw, 1);
	if (!d->decoder)
		drop_decoder(p, d, true);
}

/* The message is over; fin: with its last frame. */
static void tell(struct parser *p, struct parse_side where, struct message *m, uint64_t end,
		 bool fin)
{
	struct websocket_message out = {
		.ts_ns = p->ts_ns,
		.number = p->number,
		.start = m->start,
		.end = end,
		.length = m->length + (fin ? m->hole : 0),
		.ordinal = m->ordinal,
		.dir = where.dir,
		.opcode = m->opcode,
		.from_client = where.from_client,
		.fin = fin,
		.mask = m->mask,
		.compressed = m->compressed,
		.text = span_of(m->text, m->kept),
	};

	if (m->opcode == WEBSOCKET_CLOSE && m->kept >= 2) { /* RFC 6455 §5.5.1 */
		out.close_code = load_be16(m->text);
		out.text.at += 2;
	}
	if (m->length)
		tell_body(p, where, m, (struct span){0}, true);
	m->opcode = 0;
	of(p)->messages++;
	p->host->websocket(p->host, &out);
}

static void finish_deflate(struct parser *p, struct parse_side where, struct side *d)
{
	static const uint8_t tail[4] = {0, 0, 0xff, 0xff}; /* RFC 7692 §7.2.2 */

	inflate(p, where, d, span_of(tail, sizeof(tail)));
	if (d->decoder && !d->data.over && !coding_is_between(of(p)->conf.decoders, d->decoder)) {
		odd(p, ANOMALY_WEBSOCKET_DECODE_FAILED);
		drop_decoder(p, d, false);
	}
	if (d->no_context)
		drop_decoder(p, d, false);
}

/* Nothing of the side is read any more; `end`: behind what belongs to its messages. */
static void give_up(struct parser *p, struct parse_side where, struct side *d, uint64_t end)
{
	if (d->phase == PHASE_PAYLOAD && message_of(d) == &d->control)
		tell(p, where, &d->control, end, false);
	if (d->data.opcode)
		tell(p, where, &d->data, end, false);
	drop_decoder(p, d, false);
	d->phase = PHASE_DEAD;
}

/* ---- frames ---- */

static uint32_t header_len(const struct side *d)
{
	uint8_t seven = d->head[1] & 0x7f;

	if (d->have < 2)
		return 2;
	return 2 + (seven == 126 ? 2 : seven == 127 ? 8 : 0) + (d->head[1] & 0x80 ? 4 : 0);
}

/* RFC 6455 §5.2. */
static bool is_frame(const struct state *st, const struct side *d)
{
	bool control = d->frame >= WEBSOCKET_CLOSE, first = d->frame != WEBSOCKET_CONTINUATION;
	uint8_t rsv = d->head[0] & 0x70;

	if ((d->frame > WEBSOCKET_BINARY && !control) || d->frame > WEBSOCKET_PONG || d->left >> 63)
		return false;
	if (rsv && (rsv != RSV1 || !st->deflate || control || !first))
		return false;
	if (control)
		return d->fin && d->left <= WEBSOCKET_CONTROL;
	return first == !d->data.opcode;
}

/* False where this can be no frame. */
static bool read_header(struct parser *p, struct state *st, struct parse_side where, struct side *d)
{
	const uint8_t *h = d->head;

	d->fin = h[0] & 0x80;
	d->frame = h[0] & 15;
	d->masked = h[1] & 0x80;
	d->left = h[1] & 0x7f;
	if (d->left == 126)
		d->left = load_be16(h + 2);
	else if (d->left == 127)
		d->left = load_be64(h + 2);
	if (d->masked)
		memcpy(d->mask, h + d->have - 4, 4);
	d->mask_at = 0;
	of(p)->frames++;
	if (!is_frame(st, d))
		return false;
	if (d->masked != where.from_client)
		odd(p, ANOMALY_WEBSOCKET_MASK); /* RFC 6455 §5.1 */
	if (d->frame != WEBSOCKET_CONTINUATION)
		begin(p, st, d, h[0] & RSV1);
	d->phase = PHASE_PAYLOAD;
	return true;
}

static void frame_done(struct parser *p, struct parse_side where, struct side *d)
{
	struct message *m = message_of(d);

	d->phase = PHASE_HEADER;
	d->have = 0;
	if (!d->fin)
		return;
	if (m->compressed)
		finish_deflate(p, where, d);
	tell(p, where, m, d->off, true);
}

/* ---- what the worker calls ---- */

static void start(struct parser *p, uint32_t state)
{
	(void)p;
	(void)state; /* all zeros */
}

static void ended(struct parser *p, uint32_t state, struct parse_side where, bool whole)
{
	struct side *d = &state_of(p, state)->side[where.dir];

	(void)whole;
	give_up(p, where, d, d->seen);
}

/* Frames carry no mark to find them by. */
static void midstream(struct parser *p, uint32_t state, struct parse_side where, uint64_t off)
{
	(void)off;
	ended(p, state, where, false);
}

static enum parse_got feed(struct parser *p, uint32_t state, struct parse_side where, uint64_t off,
			   struct span *bytes, struct parse_next *next)
{
	struct state *st = state_of(p, state);
	struct side *d = &st->side[where.dir];

	(void)next;
	d->off = off;
	d->seen = off + span_len(*bytes);
	while (bytes->at < bytes->end && d->phase != PHASE_DEAD) {
		size_t n = span_len(*bytes);

		if (d->phase == PHASE_HEADER) {
			if (d->have == 0)
				d->frame_off = d->off;
			d->head[d->have++] = *bytes->at++;
			d->off++;
			if (d->have < header_len(d))
				continue;
			if (!read_header(p, st, where, d)) {
				odd(p, ANOMALY_WEBSOCKET_FRAME);
				give_up(p, where, d, d->frame_off);
				break;
			}
		} else {
			n = n < d->left ? n : (size_t)d->left;
			frame_payload(p, where, d, span_of(bytes->at, n));
			bytes->at += n;
			d->off += n;
			d->left -= n;
		}
		if (d->left == 0)
			frame_done(p, where, d);
	}
	bytes->at = bytes->end;
	return PARSE_MORE;
}

static void gap(struct parser *p, uint32_t state, struct parse_side where, uint64_t len)
{
	struct side *d = &state_of(p, state)->side[where.dir];
	struct message *m = message_of(d);

	if (d->phase != PHASE_PAYLOAD || len > d->left) {
		give_up(p, where, d, d->seen);
		return;
	}
	d->off += len;
	d->left -= len;
	d->mask_at = (uint8_t)((d->mask_at + len) & 3);
	if (m->compressed)
		drop_decoder(p, d, true);
	else
		m->hole += len;
	if (d->left == 0)
		frame_done(p, where, d);
}

static void end(struct parser *p, uint32_t state)
{
	uint8_t client = state_of(p, state)->client;

	for (uint8_t dir = 0; dir < 2; dir++)
		ended(p, state, (struct parse_side){.dir = dir, .from_client = dir == client},
		      false);
}

static const struct parser_ops ops = {
	.name = "websocket",
	.service = SERVICE_WEBSOCKET,
	.state_bytes = sizeof(struct state),
	.start = start,
	.midstream = midstream,
	.feed = feed,
	.gap = gap,
	.ended = ended,
	.end = end,
};

int websocket_open(struct websocket *w, const struct websocket_conf *conf, struct parse_host *host)
{
	*w = (struct websocket){.conf = *conf};
	return parser_open(&w->parser, &ops, host, conf->states);
}

void websocket_close(struct websocket *w)
{
	parser_close(&w->parser);
}
