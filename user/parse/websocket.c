/* SPDX-License-Identifier: MIT */
/* websocket — see websocket.h. */
#include "user/parse/websocket.h"

#include <string.h>

#include "user/parse/http1.h"

enum { PHASE_HEADER, PHASE_PAYLOAD, PHASE_DEAD };

/* A message while its frames come; kept small: only its first bytes stay. */
struct message {
	uint64_t start, length;
	uint32_t ordinal;
	uint32_t decoder; /* of a compressed one */
	uint16_t kept;
	uint8_t opcode; /* 0: none is under way */
	bool mask, compressed, damaged;
	bool over, holed; /* a final block was there; text is what lies before a hole */
	uint8_t text[WEBSOCKET_TEXT];
};

struct side {
	uint64_t off, left; /* behind what was read; of the payload of the frame in hand */
	uint64_t frame_off; /* where that frame begins */
	uint8_t head[14], have;
	uint8_t mask[4], mask_at;
	uint8_t phase;
	uint8_t frame; /* opcode of the frame in hand */
	bool fin, masked, no_context;
	bool blind;       /* the context has a hole */
	uint32_t context; /* decoder that outlives its messages */
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

/* ---- payload ---- */

static void keep(struct message *m, struct span bytes)
{
	size_t n = sizeof(m->text) - m->kept;

	n = m->holed ? 0 : n < span_len(bytes) ? n : span_len(bytes);
	memcpy(m->text + m->kept, bytes.at, n);
	m->kept = (uint16_t)(m->kept + n);
}

/* Payload as the application reads it. */
static void on_payload(struct parser *p, struct parse_side where, struct message *m,
		       struct span bytes)
{
	keep(m, bytes);
	if (of(p)->conf.bodies && (m->mask || m->compressed)) {
		struct parse_body b = {.tx_id = m->ordinal,
				       .side = where.from_client ? HTTP1_REQUEST : HTTP1_RESPONSE,
				       .dir = where.dir,
				       .encoded = true,
				       .off = m->length,
				       .bytes = bytes};

		p->host->body(p->host, &b);
	}
	m->length += span_len(bytes);
}

static void inflate(struct parser *p, struct parse_side where, struct message *m, struct span in)
{
	struct codings *c = of(p)->conf.decoders;
	struct span out;

	while (m->decoder) {
		switch (coding_next(c, m->decoder, &in, &out)) {
		case CODING_BYTES:
			on_payload(p, where, m, out);
			continue;
		case CODING_MORE:
			return;
		case CODING_END: /* RFC 7692 §7.2.3.4: a final block ends the message alone */
			coding_again(c, m->decoder);
			m->over = true;
			return;
		case CODING_BOMB:
			odd(p, ANOMALY_WEBSOCKET_DECODE_LIMIT);
			break;
		case CODING_BAD:
			odd(p, ANOMALY_WEBSOCKET_DECODE_FAILED);
			break;
		}
		coding_end(c, m->decoder);
		m->decoder = 0;
		m->damaged = true;
	}
}

/* Payload of a frame as it came: unmasked piece by piece. */
static void frame_payload(struct parser *p, struct parse_side where, struct side *d, struct span in)
{
	struct message *m = d->frame >= WEBSOCKET_CLOSE ? &d->control : &d->data;
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
		if (!m->compressed)
			on_payload(p, where, m, bytes);
		else if (!m->damaged && !m->over)
			inflate(p, where, m, bytes);
		in.at += n;
	}
}

/* ---- messages ---- */

static void tell(struct parser *p, struct parse_side where, const struct side *d,
		 const struct message *m, bool fin)
{
	struct websocket_message out = {
		.ts_ns = p->ts_ns,
		.number = p->number,
		.start = m->start,
		.end = d->off,
		.length = m->length,
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
	of(p)->messages++;
	p->host->websocket(p->host, &out);
}

static void begin(struct parser *p, struct state *st, struct side *d, struct message *m,
		  bool compressed)
{
	struct codings *c = of(p)->conf.decoders;
	const uint8_t raw = CODING_RAW_DEFLATE;

	m->start = d->frame_off;
	m->length = 0;
	m->kept = 0;
	m->ordinal = st->ordinal++;
	m->opcode = d->frame;
	m->mask = d->masked;
	m->compressed = compressed;
	m->damaged = m->over = m->holed = false;
	if (!compressed)
		return;
	if (!d->context)
		d->context = coding_start(c, &raw, 1);
	else
		coding_renew(c, d->context);
	m->decoder = d->context;
	m->damaged = !m->decoder || d->blind;
}

/* The last frame of a message is there. */
static void finish(struct parser *p, struct parse_side where, struct side *d, struct message *m)
{
	static const uint8_t tail[4] = {0, 0, 0xff, 0xff}; /* RFC 7692 §7.2.2 */
	struct codings *c = of(p)->conf.decoders;

	if (m->compressed && m->decoder) {
		if (!m->damaged && !m->over)
			inflate(p, where, m, span_of(tail, sizeof(tail)));
		if (!m->damaged && m->decoder && !m->over && !coding_is_between(c, m->decoder)) {
			odd(p, ANOMALY_WEBSOCKET_DECODE_FAILED);
			m->damaged = true;
		}
		if (m->decoder && m->damaged) {
			coding_end(c, m->decoder);
			m->decoder = 0;
		}
		if (d->no_context && m->decoder) {
			coding_end(c, m->decoder);
			m->decoder = 0;
		}
		d->context = m->decoder;
	} else if (m->compressed) {
		d->context = 0;
	}
	if (of(p)->conf.bodies && m->length && (m->mask || m->compressed)) {
		struct parse_body b = {
			.tx_id = m->ordinal, .dir = where.dir, .encoded = true, .last = true};

		p->host->body(p->host, &b);
	}
	tell(p, where, d, m, true);
	m->opcode = 0;
}

/* ---- frames ---- */

static uint32_t header_len(const struct side *d)
{
	uint32_t n = 2;

	if (d->have < 2)
		return 2;
	if ((d->head[1] & 0x7f) == 126)
		n += 2;
	else if ((d->head[1] & 0x7f) == 127)
		n += 8;
	return n + (d->head[1] & 0x80 ? 4 : 0);
}

/* RFC 6455 §5.2.  False where this can be no frame. */
static bool read_header(struct parser *p, struct state *st, struct parse_side where, struct side *d)
{
	const uint8_t *h = d->head;
	uint8_t opcode = h[0] & 15, rsv = h[0] & 0x70;
	bool control = opcode >= WEBSOCKET_CLOSE, first = opcode != WEBSOCKET_CONTINUATION;

	d->fin = h[0] & 0x80;
	d->masked = h[1] & 0x80;
	d->left = h[1] & 0x7f;
	if (d->left == 126)
		d->left = load_be16(h + 2);
	else if (d->left == 127)
		d->left = load_be64(h + 2);
	if (d->masked)
		memcpy(d->mask, h + d->have - 4, 4);
	d->mask_at = 0;
	d->frame = opcode;
	of(p)->frames++;
	if (d->left >> 63 || (opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE) ||
	    opcode > WEBSOCKET_PONG || (rsv & 0x30) ||
	    (rsv && (!st->deflate || control || !first)) ||
	    (control && (!d->fin || d->left > WEBSOCKET_CONTROL)) ||
	    (!control && first == (d->data.opcode != 0)))
		return false;
	if (d->masked != where.from_client)
		odd(p, ANOMALY_WEBSOCKET_MASK); /* RFC 6455 §5.1 */
	if (first)
		begin(p, st, d, control ? &d->control : &d->data, rsv != 0);
	d->phase = PHASE_PAYLOAD;
	return true;
}

static void frame_done(struct parser *p, struct parse_side where, struct side *d)
{
	bool control = d->frame >= WEBSOCKET_CLOSE;

	d->phase = PHASE_HEADER;
	d->have = 0;
	if (control)
		finish(p, where, d, &d->control);
	else if (d->fin)
		finish(p, where, d, &d->data);
}

/* ---- what the worker calls ---- */

static void start(struct parser *p, uint32_t state)
{
	(void)p;
	(void)state; /* all zeros */
}

static void give_up(struct parser *p, struct parse_side where, struct side *d)
{
	if (d->data.opcode)
		tell(p, where, d, &d->data, false);
	d->data.opcode = 0;
	d->phase = PHASE_DEAD;
}

static void midstream(struct parser *p, uint32_t state, struct parse_side where, uint64_t off)
{
	struct side *d = &state_of(p, state)->side[where.dir];

	/* Frames carry no mark to find them by. */
	d->off = off;
	d->phase = PHASE_DEAD;
}

static enum parse_got feed(struct parser *p, uint32_t state, struct parse_side where, uint64_t off,
			   struct span *bytes, struct parse_next *next)
{
	struct state *st = state_of(p, state);
	struct side *d = &st->side[where.dir];

	(void)next;
	d->off = off;
	while (bytes->at < bytes->end && d->phase != PHASE_DEAD) {
		size_t n = span_len(*bytes);

		if (d->phase == PHASE_HEADER) {
			if (d->have == 0)
				d->frame_off = d->off;
			d->head[d->have++] = *bytes->at++;
			d->off++;
			if (d->have < 2 || d->have < header_len(d))
				continue;
			if (!read_header(p, st, where, d)) {
				odd(p, ANOMALY_WEBSOCKET_FRAME);
				give_up(p, where, d);
				break;
			}
		} else {
			n = n < d->left ? n : (size_t)d->left;
			frame_payload(p, where, d, span_of(bytes->at, n));
			bytes->at += n;
			d->off += n;
			d->left -= n;
		}
		if (d->phase == PHASE_PAYLOAD && d->left == 0)
			frame_done(p, where, d);
	}
	bytes->at = bytes->end;
	return PARSE_MORE;
}

static void gap(struct parser *p, uint32_t state, struct parse_side where, uint64_t len)
{
	struct side *d = &state_of(p, state)->side[where.dir];
	struct message *m = d->frame >= WEBSOCKET_CLOSE ? &d->control : &d->data;

	d->off += len;
	if (d->phase == PHASE_DEAD)
		return;
	if (d->phase == PHASE_HEADER || len > d->left) {
		give_up(p, where, d);
		return;
	}
	d->left -= len;
	d->mask_at = (uint8_t)((d->mask_at + len) & 3);
	m->length += m->compressed ? 0 : len;
	m->damaged = m->holed = true;
	d->blind |= m->compressed && !d->no_context;
	if (d->left == 0)
		frame_done(p, where, d);
}

static void ended(struct parser *p, uint32_t state, struct parse_side where, bool whole)
{
	struct side *d = &state_of(p, state)->side[where.dir];

	(void)whole;
	if (d->phase != PHASE_DEAD)
		give_up(p, where, d);
}

static void end(struct parser *p, uint32_t state)
{
	struct state *st = state_of(p, state);

	for (uint8_t dir = 0; dir < 2; dir++) {
		struct side *d = &st->side[dir];

		ended(p, state, (struct parse_side){.dir = dir, .from_client = dir == st->client},
		      false);
		coding_end(of(p)->conf.decoders, d->data.decoder);
	}
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
