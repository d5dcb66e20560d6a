/* SPDX-License-Identifier: MIT */
/* pack — see pack.h.  Bytes have no sentinel: peeking behind them gives NUL, and says so (*more). */
#include "user/scan/pack.h"

#include <string.h>

#define PACK_TABLE(id, label, packs)                                                          \
	{.name = (char *)(label), .text = (char *)(label), .kind = PATTERN_PACK, .service = -1, \
	 .ordinal = PACK_##id, .signature = 0x40000000 + PACK_##id},
static const struct pattern patterns[PACK_COUNT] = {PACK_PATTERNS(PACK_TABLE)};
#undef PACK_TABLE

#define PACK_BITS(id, label, packs) packs,
static const uint8_t packs_of[PACK_COUNT] = {PACK_PATTERNS(PACK_BITS)};
#undef PACK_BITS

#define PACK_INSIDE 202 /* braces included */

static bool is_word(uint8_t c)
{
	static const uint32_t bits[8] = {0, 0x03ff0000, 0x87fffffe, 0x07fffffe};

	return bits[c >> 5] >> (c & 31) & 1;
}

/* The word before the brace ends in a known prefix. */
static bool known_prefix(const struct pack_conf *conf, const uint8_t *word, size_t n)
{
	for (uint32_t i = 0; i < conf->prefixes; i++) {
		size_t len = strlen(conf->prefix[i]);

		if (len <= n && memcmp(word + n - len, conf->prefix[i], len) == 0)
			return true;
	}
	return false;
}

/* ISO/IEC 7812-1, annex B. */
static bool is_card(const uint8_t *at, size_t n)
{
	uint32_t sum = 0, digits = 0;

	for (size_t i = n; i-- > 0;) {
		uint32_t d = at[i] - '0';

		if (d > 9)
			continue;
		sum += digits++ % 2 == 0 ? d : d < 5 ? 2 * d : 2 * d - 9;
	}
	return digits >= 13 && digits <= 19 && sum % 10 == 0 && at[0] != '0';
}

static uint8_t peek(const uint8_t *at, size_t n, size_t i, bool *more)
{
	if (i < n)
		return at[i];
	*more = true;
	return 0;
}

static enum pack_pattern scan(const uint8_t *at, size_t n, size_t *used, bool *more)
{
	size_t marker = 0;

	/*!re2c
	re2c:api = custom;
	re2c:api:style = free-form;
	re2c:define:YYCTYPE = uint8_t;
	re2c:define:YYPEEK = "peek(at, n, *used, more)";
	re2c:define:YYSKIP = "++*used;";
	re2c:define:YYBACKUP = "marker = *used;";
	re2c:define:YYRESTORE = "*used = marker;";
	re2c:yyfill:enable = 0;

	word   = [A-Za-z0-9_];
	dashed = [A-Za-z0-9_-];
	digit  = [0-9];
	inside = [\x20-\x7e] \ [{}];

	word+ "{" inside+ "}"				{ return PACK_FLAG; }
	[0-9a-f]+ | [0-9A-F]+				{ return *used > 32 ? PACK_HEX64 : PACK_HEX32; }
	"eyJ" dashed+ ".eyJ" dashed+ "." dashed*	{ return PACK_JWT; }
	"-----BEGIN " ([A-Z0-9]+ " "){0,2} "PRIVATE KEY-----"	{ return PACK_PRIVATE_KEY; }
	("AKIA" | "ASIA" | "AROA" | "AIDA") [A-Z0-9]+	{ return PACK_AWS_KEY; }
	("gh" [pousr] | "github_pat") "_" word+		{ return PACK_GITHUB_TOKEN; }
	"glpat-" dashed+				{ return PACK_GITLAB_TOKEN; }
	"xox" [abeoprs] "-" dashed+			{ return PACK_SLACK_TOKEN; }
	[rs] "k_live_" [A-Za-z0-9]+			{ return PACK_STRIPE_KEY; }
	"AIza" dashed+					{ return PACK_GOOGLE_KEY; }
	digit+ ([ -] digit+)+ | digit+			{ return PACK_CARD; }
	*						{ return PACK_NONE; }
	*/
}

/* Repetitions are counted here: in the scanner they would multiply its states. */
static bool has_length(enum pack_pattern which, size_t n)
{
	static const struct {
		uint16_t least, most;
	} lengths[PACK_COUNT] = {
		[PACK_FLAG] = {4, PACK_MATCH},    [PACK_HEX32] = {32, 32},
		[PACK_HEX64] = {64, 64},          [PACK_JWT] = {30, PACK_MATCH},
		[PACK_PRIVATE_KEY] = {1, 80},     [PACK_AWS_KEY] = {20, 20},
		[PACK_GITHUB_TOKEN] = {33, 255},  [PACK_GITLAB_TOKEN] = {26, 64},
		[PACK_SLACK_TOKEN] = {15, 255},   [PACK_STRIPE_KEY] = {24, 255},
		[PACK_GOOGLE_KEY] = {39, 39},     [PACK_CARD] = {13, 38},
	};

	return n >= lengths[which].least && n <= lengths[which].most;
}

enum pack_pattern pack_match(const struct pack_conf *conf, struct span bytes, size_t *len,
			     bool *more)
{
	size_t n = span_len(bytes) < PACK_MATCH ? span_len(bytes) : PACK_MATCH;
	bool cut = n == PACK_MATCH; /* what lies behind makes no difference */
	enum pack_pattern got;
	const uint8_t *brace;

	*len = 0;
	*more = false;
	got = scan(bytes.at, n, len, more);
	*more &= !cut;
	if (got == PACK_NONE || *more)
		return PACK_NONE;
	if (*len < n && bytes.at[*len - 1] != '}' && is_word(bytes.at[*len]) && got != PACK_PRIVATE_KEY)
		return PACK_NONE; /* the beginning of something longer */
	if (*len == n && !cut && got != PACK_FLAG && got != PACK_PRIVATE_KEY) {
		*more = true; /* what follows decides */
		return PACK_NONE;
	}
	if (got == PACK_HEX32 && is_card(bytes.at, *len) && (conf->packs & PACK_SECRETS))
		got = PACK_CARD; /* digits alone are hexadecimal too */
	if (!has_length(got, *len) || !(packs_of[got] & conf->packs))
		return PACK_NONE;
	if (got == PACK_FLAG) {
		brace = memchr(bytes.at, '{', *len);
		if (bytes.at + *len - brace > PACK_INSIDE ||
		    !known_prefix(conf, bytes.at, (size_t)(brace - bytes.at)))
			return PACK_NONE;
	}
	if (got == PACK_CARD && !is_card(bytes.at, *len))
		return PACK_NONE;
	return got;
}

/* ---- rows ---- */

static struct pack_row *row_at(const struct pack *p, uint32_t row)
{
	return (struct pack_row *)p->rows.base + row;
}

static struct pack_carry *carry_at(const struct pack *p, uint32_t entry)
{
	return (struct pack_carry *)p->carries.base + (entry - 1);
}

int pack_open(struct pack *p, const struct pack_conf *conf, struct scan *found, uint32_t rows,
	      uint32_t carries)
{
	int err;

	p->conf = conf;
	p->scan = found;
	p->refused = 0;
	p->free = p->fresh = 0;
	p->cap = carries;
	err = slots_open(&p->rows, sizeof(struct pack_row), conf->packs ? rows : 0);
	return err ? err : slots_open(&p->carries, sizeof(struct pack_carry), conf->packs ? carries : 0);
}

void pack_close(struct pack *p)
{
	slots_close(&p->rows);
	slots_close(&p->carries);
}

static uint32_t take(struct pack *p)
{
	uint32_t entry = p->free;

	if (entry) {
		p->free = carry_at(p, entry)->next;
	} else if (p->fresh < p->cap) {
		slots_reach(&p->carries, p->fresh);
		entry = ++p->fresh;
	} else {
		p->refused++;
		return 0;
	}
	carry_at(p, entry)->len = carry_at(p, entry)->pieces = 0;
	return entry;
}

static void leave(struct pack *p, struct pack_row *r)
{
	if (!r->carry)
		return;
	carry_at(p, r->carry)->next = p->free;
	p->free = r->carry;
	r->carry = 0;
}

/* Bytes in the buffer: the carry's, then those in hand. */
struct window {
	uint32_t row;
	uint64_t off; /* of the first byte */
	size_t len;
	size_t carried; /* of these */
	uint64_t ts_ns, number; /* of the rest */
};

static void tell(struct pack *p, const struct window *w, enum pack_pattern which, size_t from,
		 size_t len)
{
	struct pack_row *r = row_at(p, w->row);
	struct scan_match m = {.row = w->row,
			       .pattern = &patterns[which],
			       .from = w->off + from,
			       .to = w->off + from + len,
			       .ts_ns = w->ts_ns,
			       .number = w->number,
			       .bytes = span_of(p->buffer + from, len < SCAN_BYTES ? len : SCAN_BYTES)};

	if (from + len <= w->carried) {
		const struct pack_piece *piece = carry_at(p, r->carry)->piece;

		while (piece->end < from + len)
			piece++;
		m.ts_ns = piece->ts_ns;
		m.number = piece->number;
	}
	if (r->n == p->scan->conf.per_row) {
		p->scan->dropped++;
		return;
	}
	r->n++;
	scan_tell(p->scan, &m);
}

/* As pack_match, where nothing follows: a line end decides what is undecided. */
static enum pack_pattern match_last(const struct pack_conf *conf, struct span bytes, size_t *len)
{
	uint8_t last[PACK_MATCH];
	size_t n = span_len(bytes) < PACK_MATCH - 1 ? span_len(bytes) : PACK_MATCH - 1;
	bool more;

	memcpy(last, bytes.at, n);
	last[n] = '\n';
	return pack_match(conf, span_of(last, n + 1), len, &more);
}

/* Whether the scanner has a rule for words that begin so; flags and hexadecimal digits apart. */
static bool may_begin(uint8_t first, uint8_t second)
{
	switch (first) {
	case '-':
		return second == '-';
	case 'A':
		return second == 'K' || second == 'S' || second == 'R' || second == 'I';
	case 'e':
		return second == 'y';
	case 'g':
		return second == 'h' || second == 'l' || second == 'i';
	case 'r':
	case 's':
		return second == 'k';
	case 'x':
		return second == 'o';
	default:
		return first >= '0' && first <= '9';
	}
}

/* Length of a word that is not worth the scanner, 0 where it is: few are. */
static size_t plain_word(const uint8_t *at, size_t n)
{
	size_t len = 1;

	if (at[0] == '-')
		return n > 1 && at[1] != '-';
	while (len < n && is_word(at[len]))
		len++;
	if (len == n || at[len] == '{' || len == 32 || len == 64 || may_begin(at[0], at[1]))
		return 0;
	return len;
}

/* Looks at each word of the window; returns where the first undecided one begins, or its end. */
static size_t scan_words(struct pack *p, const struct window *w, bool final)
{
	bool word = row_at(p, w->row)->word, more;
	size_t at = 0, len;

	while (at < w->len) {
		uint8_t c = p->buffer[at];
		bool begins = !word && (is_word(c) || c == '-');
		enum pack_pattern got;

		word = is_word(c);
		if (!begins) {
			at++;
			continue;
		}
		len = plain_word(p->buffer + at, w->len - at);
		if (len) {
			at += len;
			word = is_word(p->buffer[at - 1]);
			continue;
		}
		got = pack_match(p->conf, span_of(p->buffer + at, w->len - at), &len, &more);
		if (more && !final)
			break;
		if (more)
			got = match_last(p->conf, span_of(p->buffer + at, w->len - at), &len);
		if (got == PACK_NONE) {
			at++;
			continue;
		}
		tell(p, w, got, at, len);
		at += len;
		word = is_word(p->buffer[at - 1]);
	}
	return at;
}

/* What was undecided is decided as if nothing followed. */
static void decide(struct pack *p, uint32_t row)
{
	struct pack_row *r = row_at(p, row);

	if (r->carry) {
		const struct pack_carry *c = carry_at(p, r->carry);
		struct window w = {
			.row = row, .off = r->end - c->len, .len = c->len, .carried = c->len};

		memcpy(p->buffer, c->bytes, c->len);
		scan_words(p, &w, true);
		r->word = is_word(c->bytes[c->len - 1]);
	}
	leave(p, r);
}

static void flush(struct pack *p, uint32_t row)
{
	struct pack_row *r = row_at(p, row);

	decide(p, row);
	r->end = 0;
	r->word = false;
}

/* The window from `rest` on is carried, with the pieces it came in. */
static void carry_on(struct pack *p, struct pack_row *r, const struct window *w, size_t rest)
{
	struct pack_carry *c;
	uint16_t kept = 0;

	if (rest)
		r->word = is_word(p->buffer[rest - 1]);
	if (rest == w->len) {
		leave(p, r);
		return;
	}
	if (!r->carry)
		r->carry = take(p);
	if (!r->carry)
		return;
	c = carry_at(p, r->carry);
	for (uint16_t i = 0; i < c->pieces; i++) {
		struct pack_piece piece = c->piece[i];

		if (piece.end <= rest)
			continue;
		piece.end = (uint16_t)(piece.end - rest);
		c->piece[kept++] = piece;
	}
	if (kept == PACK_PIECES)
		kept--; /* the newest two become one */
	c->len = (uint16_t)(w->len - rest);
	memcpy(c->bytes, p->buffer + rest, c->len);
	c->piece[kept] = (struct pack_piece){.end = c->len, .ts_ns = w->ts_ns, .number = w->number};
	c->pieces = (uint16_t)(kept + 1);
}

void pack_feed(struct pack *p, uint32_t row, uint64_t off, struct span bytes, uint64_t ts_ns,
	       uint64_t number)
{
	struct pack_row *r = row_at(p, row);

	if (!p->scan->conf.sparse)
		slots_reach(&p->rows, row);
	if (r->end != off) { /* a hole */
		flush(p, row);
		r->end = off;
	}
	while (bytes.at < bytes.end) {
		size_t room = sizeof(p->buffer) - PACK_MATCH, rest;
		size_t n = span_len(bytes) < room ? span_len(bytes) : room;
		struct window w = {.row = row, .ts_ns = ts_ns, .number = number};

		if (r->carry) {
			w.carried = carry_at(p, r->carry)->len;
			memcpy(p->buffer, carry_at(p, r->carry)->bytes, w.carried);
		}
		memcpy(p->buffer + w.carried, bytes.at, n);
		w.off = r->end - w.carried;
		w.len = w.carried + n;
		rest = scan_words(p, &w, false);
		r->end += n;
		bytes.at += n;
		carry_on(p, r, &w, rest);
		if (rest < w.len && !r->carry) { /* there was no room */
			memmove(p->buffer, p->buffer + rest, w.len - rest);
			w.off += rest;
			w.len -= rest;
			w.carried = 0;
			scan_words(p, &w, true);
			r->word = is_word(p->buffer[w.len - 1]);
		}
	}
}

bool pack_waits(const struct pack *p, uint32_t row)
{
	return row_at(p, row)->carry;
}

void pack_settle(struct pack *p, uint32_t row, uint64_t end)
{
	if (pack_waits(p, row) && row_at(p, row)->end == end)
		decide(p, row);
}

void pack_end(struct pack *p, uint32_t row)
{
	flush(p, row);
	row_at(p, row)->n = 0;
}
