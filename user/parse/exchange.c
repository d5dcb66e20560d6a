/* SPDX-License-Identifier: MIT */
/* exchange — requests and responses of a stream, paired in order.  See exchange.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the low-level calls need no allocation */
#include "user/parse/exchange.h"

#include <openssl/sha.h>
#include <string.h>

struct hashes {
	SHA256_CTX side[2];
};

_Static_assert(sizeof(struct hashes) <= EXCHANGE_HASHES, "the slots hold it");

static struct hashes *hashes_of(const struct http1 *h, const struct exchange *x)
{
	size_t i = (size_t)(x - (const struct exchange *)h->exchanges.base);

	return (struct hashes *)(h->hashes.base + i * EXCHANGE_HASHES);
}

static uint32_t take(struct http1 *h)
{
	uint32_t entry = h->exchange_free;

	if (entry) {
		h->exchange_free = exchange_at(h, entry)->next;
	} else if (h->exchange_fresh < h->conf.exchanges) {
		slots_reach(&h->exchanges, h->exchange_fresh);
		entry = ++h->exchange_fresh;
	} else {
		h->counts.exchanges_refused++;
		return 0;
	}
	*exchange_at(h, entry) = (struct exchange){0};
	return entry;
}

static void leave(struct http1 *h, uint32_t entry)
{
	struct exchange *x = exchange_at(h, entry);

	chain_free(&h->texts, &x->text);
	x->next = h->exchange_free;
	h->exchange_free = entry;
}

/* ---- telling ---- */

/* Kept text: {what, continued, length in two bytes} and the bytes. */
#define TEXT_HEAD  4U
#define HTTP1_FOLD 4096U /* of one folded line */

static uint32_t text_len(const uint8_t *head)
{
	return head[2] | (uint32_t)head[3] << 8;
}

/* Folded lines are joined to the text that they continue, with a blank between. */
static uint32_t join_folds(uint8_t *at, uint32_t bytes)
{
	uint32_t last[256] = {0}; /* of each kind: where it lies */
	uint8_t fold[1 + HTTP1_FOLD];

	for (uint32_t from = 0; from + TEXT_HEAD <= bytes;) {
		uint8_t *head = at + from, *text = at + last[head[0]];
		uint32_t len = text_len(head), have = text_len(text) + 1 + len;
		uint8_t *end = text + TEXT_HEAD + text_len(text);

		if (!head[1] || text[0] != head[0] || text == head || have > UINT16_MAX ||
		    len > HTTP1_FOLD) {
			last[head[0]] = from;
			from += TEXT_HEAD + len;
			continue;
		}
		fold[0] = ' ';
		memcpy(fold + 1, head + TEXT_HEAD, len);
		memmove(end + 1 + len, end, (size_t)(head - end));
		memcpy(end, fold, 1 + len);
		text[2] = (uint8_t)have;
		text[3] = (uint8_t)(have >> 8);
		for (int k = 0; k < 256; k++)
			last[k] += at + last[k] > text ? 1 + len : 0;
		memmove(head + 1 + len, head + TEXT_HEAD + len, bytes - from - TEXT_HEAD - len);
		bytes -= TEXT_HEAD - 1;
		from += 1 + len;
	}
	return bytes;
}

static void fill_texts(struct http1 *h, const struct exchange *x, struct http1_transaction *t)
{
	uint32_t bytes, n = 0;

	chain_copy(&h->texts, &x->text, h->scratch);
	bytes = x->folded ? join_folds(h->scratch, x->text.bytes) : x->text.bytes;
	/* Request headers come before response headers: one run of fields each. */
	for (int side = 0; side < 2; side++) {
		t->field[side] = h->field + n;
		for (uint32_t at = 0; at + TEXT_HEAD <= bytes;) {
			uint8_t what = h->scratch[at];
			uint32_t len = text_len(h->scratch + at);
			struct span text = span_of(h->scratch + at + TEXT_HEAD, len);
			const uint8_t *colon;

			at += TEXT_HEAD + len;
			if (what < HTTP1_TEXT_COUNT && !t->text[what].at) {
				t->text[what] = text;
			} else if (what == HTTP1_TEXT_REQUEST_FILENAME + side) {
				t->filename[side] = text;
			} else if (what == HTTP1_TEXT_REQUEST_HEADER + side &&
				   n < HTTP1_MAX_FIELDS) {
				colon = memchr(text.at, ':', len);
				if (!colon)
					continue;
				h->field[n++] = (struct http1_field){
					.name = {text.at, colon}, .value = {colon + 1, text.end}};
				t->fields[side]++;
			}
		}
	}
}

static void finish_hash(struct http1 *h, struct exchange *x, int side)
{
	if (h->conf.sha256 && x->side[side].has_body)
		SHA256_Final(x->side[side].sha256, &hashes_of(h, x)->side[side]);
}

static void tell(struct http1 *h, struct exchange *x)
{
	struct http1_transaction t = {
		.tx_id = x->tx_id,
		.ts_ns = x->ts_ns,
		.number = x->number,
		.side = {x->side[0], x->side[1]},
		.status = x->status,
		.interim = x->interim,
		.complete = x->side[0].complete && x->side[1].complete,
		.text_bytes = x->text.bytes,
	};

	fill_texts(h, x, &t);
	h->parser.host->http(h->parser.host, &t);
}

static void tell_and_leave(struct http1 *h, uint32_t entry)
{
	h->counts.transactions++;
	if (h->conf.texts)
		tell(h, exchange_at(h, entry));
	leave(h, entry);
}

static bool is_over(const struct http1_message *m)
{
	return m->seen && m->end;
}

static void tell_first(struct http1 *h, struct http1_state *st)
{
	uint32_t entry = st->first;
	struct exchange *x = exchange_at(h, entry);

	st->first = x->next;
	if (!st->first)
		st->last = 0;
	st->queued--;
	st->early -= !x->side[HTTP1_REQUEST].seen;
	tell_and_leave(h, entry);
}

/* What is complete at the head of the queue, or has waited too long. */
static void tell_ready(struct http1 *h, struct http1_state *st)
{
	while (st->first) {
		const struct exchange *x = exchange_at(h, st->first);

		bool asked = x->side[HTTP1_REQUEST].seen;

		if (!is_over(&x->side[HTTP1_RESPONSE]) ||
		    (asked ? !is_over(&x->side[HTTP1_REQUEST]) : st->early <= HTTP1_EARLY))
			return;
		st->gone += !asked;
		tell_first(h, st);
	}
}

/* ---- pairing ---- */

static uint32_t find_without(const struct http1 *h, const struct http1_state *st,
			     enum http1_side side)
{
	uint32_t entry = st->first;

	while (entry && exchange_at(h, entry)->side[side].seen)
		entry = exchange_at(h, entry)->next;
	return entry;
}

static uint32_t append(struct http1 *h, struct http1_state *st, enum http1_side side, bool alone)
{
	uint32_t entry;

	if (side == HTTP1_REQUEST && !alone && st->queued >= HTTP1_QUEUE) {
		h->parser.host->anomaly(h->parser.host, ANOMALY_HTTP_QUEUE);
		if (exchange_at(h, st->first)->side[HTTP1_RESPONSE].seen) {
			h->counts.exchanges_refused++; /* its response is being read */
			st->skip++;
			return 0;
		}
		st->unasked++;
		tell_first(h, st);
	}
	entry = take(h);
	if (!entry) {
		st->skip += side == HTTP1_REQUEST && !alone;
		return 0;
	}
	exchange_at(h, entry)->tx_id = st->tx_count++;
	if (alone) {
		exchange_at(h, entry)->loose = true;
		return entry;
	}
	if (side == HTTP1_REQUEST) {
		exchange_at(h, entry)->skip = st->skip;
		st->skip = 0;
	}
	if (st->last)
		exchange_at(h, st->last)->next = entry;
	else
		st->first = entry;
	st->last = entry;
	st->queued++;
	st->early++;
	return entry;
}

uint32_t exchange_begin(struct http1 *h, struct http1_state *st, enum http1_side side, bool lost)
{
	uint32_t entry = 0;
	struct exchange *x;
	bool alone;

	if (side == HTTP1_REQUEST) {
		alone = st->gone > 0;
		st->gone -= alone;
	} else if (st->unasked) {
		alone = true;
		st->unasked--;
	} else {
		uint32_t *skip;

		entry = find_without(h, st, side);
		skip = entry ? &exchange_at(h, entry)->skip : &st->skip;
		alone = *skip > 0 || (!entry && lost);
		*skip -= *skip > 0;
		entry = alone ? 0 : entry;
	}
	if (side == HTTP1_REQUEST && !alone && st->early > 0)
		entry = find_without(h, st, side);
	if (!entry)
		entry = append(h, st, side, alone);
	if (!entry)
		return 0;
	x = exchange_at(h, entry);
	x->side[side].seen = true;
	if (side == HTTP1_REQUEST) {
		st->early -= !alone;
		h->counts.requests++;
	} else {
		x->interim = (uint16_t)st->interim;
		st->interim = 0;
		h->counts.responses++;
	}
	return entry;
}

void exchange_keep(struct http1 *h, struct exchange *x, enum http1_text what, bool continued,
		   struct span text)
{
	size_t most = continued ? HTTP1_FOLD : 32768,
	       n = span_len(text) < most ? span_len(text) : most;
	uint8_t head[TEXT_HEAD] = {(uint8_t)what, continued, (uint8_t)n, (uint8_t)(n >> 8)}, *at;

	if (x->text.bytes + TEXT_HEAD + n > HTTP1_TEXT) {
		h->counts.texts_refused++;
		return;
	}
	x->folded |= continued;
	at = chain_extend(&h->texts, &x->text, TEXT_HEAD + n);
	if (at) {
		memcpy(at, head, TEXT_HEAD);
		memcpy(at + TEXT_HEAD, text.at, n);
	} else if (chain_fits(&h->texts, &x->text, TEXT_HEAD + n)) {
		chain_add(&h->texts, &x->text, head, TEXT_HEAD);
		chain_add(&h->texts, &x->text, text.at, n);
	} else {
		h->counts.texts_refused++;
	}
}

void exchange_body(struct http1 *h, const struct http1_dir *d, struct span bytes, bool encoded)
{
	struct exchange *x = exchange_at(h, d->exchange);
	enum http1_side side = d->role;
	struct http1_message *m = &x->side[side];
	size_t n = span_len(bytes);

	if (m->magic_len < sizeof(m->magic)) {
		size_t more = sizeof(m->magic) - m->magic_len;

		more = n < more ? n : more;
		memcpy(m->magic + m->magic_len, bytes.at, more);
		m->magic_len = (uint8_t)(m->magic_len + more);
	}
	if (h->conf.sha256) {
		if (m->length == 0)
			SHA256_Init(&hashes_of(h, x)->side[side]);
		SHA256_Update(&hashes_of(h, x)->side[side], bytes.at, n);
	}
	if (h->conf.bodies) {
		struct parse_body b = {
			.tx_id = x->tx_id,
			.side = side,
			.dir = d->index,
			.encoded = encoded,
			.off = m->length,
			.hole = m->gap_bytes,
			.bytes = bytes,
		};

		x->encoded[side] |= encoded;
		h->parser.host->body(h->parser.host, &b);
	}
	m->length += n;
	h->counts.decoded_bytes += n;
}

void exchange_done(struct http1 *h, struct http1_state *st, const struct http1_dir *d,
		   uint32_t entry, bool complete)
{
	struct exchange *x = exchange_at(h, entry);
	enum http1_side side = d->role;

	x->side[side].complete = complete && x->side[side].gap_bytes == 0;
	x->ts_ns = h->parser.ts_ns;
	x->number = h->parser.number;
	if (x->side[side].length)
		finish_hash(h, x, side);
	if (h->conf.bodies && x->side[side].length) {
		struct parse_body b = {.tx_id = x->tx_id,
				       .side = side,
				       .dir = d->index,
				       .encoded = x->encoded[side],
				       .last = true};

		h->parser.host->body(h->parser.host, &b);
	}
	if (x->loose) {
		tell_and_leave(h, entry);
		return;
	}
	tell_ready(h, st);
}

void exchange_lost(struct http1 *h, struct http1_state *st, enum http1_side side)
{
	/* Requests are mostly sent one by one: the newest is what the next response answers, and
	 * after lost requests the next one is answered by what comes next. */
	while (st->first) {
		const struct exchange *x = exchange_at(h, st->first);
		const struct http1_message *other = &x->side[!side];

		if (x->side[side].seen || !is_over(other) ||
		    (side == HTTP1_RESPONSE && st->first == st->last))
			return;
		tell_first(h, st);
	}
}

void exchange_end(struct http1 *h, struct http1_state *st)
{
	while (st->first) {
		struct exchange *x = exchange_at(h, st->first);

		x->ts_ns = h->parser.ts_ns;
		x->number = h->parser.number;
		if (!x->side[HTTP1_RESPONSE].seen) {
			x->interim = (uint16_t)st->interim;
			st->interim = 0;
		}
		tell_first(h, st);
	}
}
