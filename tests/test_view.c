/* SPDX-License-Identifier: MIT */
/*
 * view — rows, orders, filters and pages against a naive twin: a plain list of what was told and
 * marked, filtered one by one and sorted anew for each question.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"
#include "user/view/view.h"

#define SECOND 1000000000ULL

enum { MOST = 40000, IDS = 60000, PATTERNS = 5, RULES = 8 };

/* A stream as the twin knows it. */
struct known {
	bool live, favorite, hidden, note;
	uint8_t color;
	uint32_t row;
	uint32_t matches[PATTERNS]; /* told one by one */
	struct news_stream s;
};

struct model {
	struct view v;
	struct known known[IDS];
	uint32_t live, ids, max;
	struct hide_rule rule[RULES];
	uint32_t rules;
	struct dice d;
	uint64_t clock_ns;
};

/* A question, as text and as what it means. */
struct wanted {
	bool include_hidden, favorites, matched;
	int proto, service, status, color; /* -1: any; the exclusion is in `not` */
	bool not ;
	int port; /* -1 */
	bool not_port;
	const char *host; /* or NULL */
	bool not_host;
	uint16_t has, has_not;
	uint64_t since, until, min_bytes;
	int pattern; /* -1 */
	bool not_pattern;
	enum order_by by;
	bool down;
	uint32_t limit;
};

static struct model model;
static struct filter filter;
static struct order_at naive[MOST];
static uint32_t naive_n;

static const uint8_t protos[] = {6, 17, 1};
static const uint16_t ports[] = {80, 443, 53, 8080, 50000, 65535};
static const char *const hosts[] = {"10.0.0.0/8", "10.0.1.3", "192.168.0.0/16", "0.0.0.0/0",
				    "fd00::/8",   "fd00::7",  "::/0",           "10.0.1.0/31"};

static const char *const has_name[] = {"gap", "anomaly", "conflict", "match", "note"};
static const uint16_t has_flag[] = {ROW_GAP, ROW_ANOMALY, ROW_CONFLICT, ROW_MATCH, ROW_NOTE};

static uint32_t below(uint32_t n)
{
	return dice_below(&model.d, n);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static void model_open(uint32_t max, uint32_t ids, uint64_t seed)
{
	const struct view_conf conf = {.max_streams = max,
				       .matches_total = 2 * max,
				       .matches_per_stream = 4,
				       .patterns = PATTERNS,
				       .delta_bytes = 1U << 16};
	char why[256];

	memset(&model, 0, sizeof(model));
	model.d = dice_of(seed);
	model.max = max;
	model.ids = ids;
	model.clock_ns = 1700000000 * SECOND;
	CU_ASSERT_EQUAL_FATAL(view_open(&model.v, &conf, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(view_use_state(&model.v, NULL), 0);
}

static uint64_t id_of(uint32_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL;
}

/* ---- what happens ---- */

static void address_at(uint8_t *at, bool v6)
{
	if (v6) {
		at[0] = 0xfd;
		at[15] = (uint8_t)below(16);
	} else if (one_in(4)) {
		at[0] = 192;
		at[1] = 168;
		at[3] = (uint8_t)below(4);
	} else {
		at[0] = 10;
		at[2] = 1;
		at[3] = (uint8_t)below(8);
	}
}

static void make_stream(struct news_stream *s, uint32_t id)
{
	memset(s, 0, sizeof(*s));
	s->kind = NEWS_STREAM;
	s->id = id_of(id);
	s->key.proto = protos[below(3)];
	s->key.v6 = one_in(4);
	address_at(s->key.lo, s->key.v6);
	address_at(s->key.hi, s->key.v6);
	if (proto_has_ports(s->key.proto)) {
		s->key.lo_port = ports[below(6)];
		s->key.hi_port = ports[below(6)];
	}
	s->first_ns = model.clock_ns;
}

static void change_stream(struct news_stream *s)
{
	model.clock_ns += one_in(3) ? below(2000000000) : 0;
	s->last_ns = model.clock_ns;
	s->packets[0] += below(3);
	s->bytes[0] += below(4) ? below(100) : 0;
	s->bytes[1] += one_in(200) ? 1ULL << 32 : below(3);
	s->matches += one_in(8);
	s->service.name = (uint8_t)below(4);
	s->status = (uint8_t)below(6);
	s->content_kind = (uint8_t)below(3);
	s->gap_bytes = one_in(5);
	s->anomalies = one_in(5);
	s->conflict_bytes = one_in(9);
}

/* Whom the view let go for a new one: found by asking for all that lived. */
static bool forget_one(uint32_t but)
{
	uint32_t gone = 0;

	for (uint32_t i = 0; i < model.ids; i++) {
		struct known *k = &model.known[i];

		if (!k->live || i == but || rows_find(&model.v.rows, id_of(i)) != ROW_NONE)
			continue;
		gone++;
		if (!CHECK(!k->favorite, "a favourite went, seed %llu",
			   (unsigned long long)model.d.seed))
			return false;
		*k = (struct known){0};
		model.live--;
	}
	return CHECK(gone == 1, "%u went, seed %llu", gone, (unsigned long long)model.d.seed);
}

static bool tell_stream(uint32_t i)
{
	struct known *k = &model.known[i];
	uint64_t evicted = model.v.rows.evicted, refused = model.v.rows.refused;

	if (!k->live)
		make_stream(&k->s, i);
	change_stream(&k->s);
	view_news(&model.v, (const uint8_t *)&k->s, sizeof(k->s));
	if (model.v.rows.refused > refused) {
		*k = (struct known){0};
		return CHECK(model.v.rows.favorites == model.max, "refused with room, seed %llu",
			     (unsigned long long)model.d.seed);
	}
	model.live += !k->live;
	k->live = true;
	k->row = rows_find(&model.v.rows, k->s.id);
	if (model.v.rows.evicted > evicted && !forget_one(i))
		return false;
	return CHECK(k->row != ROW_NONE && model.live == model.v.rows.live &&
			     model.live <= model.max,
		     "%u rows, %u expected, seed %llu", model.v.rows.live, model.live,
		     (unsigned long long)model.d.seed);
}

static void tell_match(uint32_t i)
{
	struct known *k = &model.known[i];
	uint32_t p = below(PATTERNS);
	struct news_match m = {.kind = NEWS_MATCH,
			       .stream = id_of(i),
			       .from = dice_roll(&model.d),
			       .signature = 100 + p,
			       .ordinal = p,
			       .name_len = 1,
			       .name = "x"};

	view_news(&model.v, (const uint8_t *)&m, sizeof(m));
	if (!k->live)
		return;
	k->matches[p]++;
	k->s.matches++; /* of the row that its worker sends behind it */
	view_news(&model.v, (const uint8_t *)&k->s, sizeof(k->s));
}

static void mark(uint32_t i)
{
	struct known *k = &model.known[i];
	struct view_mark m = {.set_favorite = one_in(2),
			      .favorite = one_in(3),
			      .set_hidden = one_in(2),
			      .hidden = one_in(4),
			      .set_color = one_in(2),
			      .color = (uint8_t)below(3),
			      .set_note = one_in(2),
			      .note = one_in(2) ? "" : "seen"};

	if (!k->live || view_mark(&model.v, k->row, &m) < 0)
		return;
	k->favorite = m.set_favorite ? m.favorite : k->favorite;
	k->hidden = m.set_hidden ? m.hidden : k->hidden;
	k->color = m.set_color ? m.color : k->color;
	k->note = m.set_note ? m.note[0] : k->note;
}

static void change_rules(void)
{
	static const char *const rule[][2] = {{"service", "http"},  {"port", "443"},
					      {"host", "10.0.1.2"}, {"host", "fd00::/124"},
					      {"protocol", "icmp"}, {"pattern_id", "substring:1"},
					      {"status", "reset"},  {"content_kind", "text"}};
	uint32_t which = below(8), id = 0;
	struct hide_rule r;
	char why[128];

	if (model.rules == RULES || (model.rules && one_in(2))) {
		which = below(model.rules);
		CU_ASSERT_TRUE(view_remove_rule(&model.v, model.rule[which].id));
		model.rule[which] = model.rule[--model.rules];
		return;
	}
	CU_ASSERT_EQUAL_FATAL(hide_parse(&r, rule[which][0], rule[which][1], why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(view_add_rule(&model.v, &r, &id), 0);
	view_rehide(&model.v);
	for (uint32_t i = 0; i < model.rules; i++)
		if (model.rule[i].id == id)
			return;
	r.id = id;
	model.rule[model.rules++] = r;
}

/* ---- the twin's answer ---- */

static bool host_in(const char *host, const struct flow_key *k)
{
	struct filter_host h;

	return host_parse(&h, host, strlen(host)) && host_is(&h, k);
}

static bool port_in(const struct flow_key *k, uint32_t port)
{
	return proto_has_ports(k->proto) && (k->lo_port == port || k->hi_port == port);
}

static bool is_ruled(const struct known *k)
{
	bool yes = false;

	for (uint32_t i = 0; i < model.rules; i++) {
		const struct hide_rule *r = &model.rule[i];
		size_t n = strlen(r->value);

		yes |= r->kind == HIDE_SERVICE && service_of(r->value, n) == k->s.service.name;
		yes |= r->kind == HIDE_PORT &&
		       port_in(&k->s.key, (uint32_t)strtoul(r->value, NULL, 10));
		yes |= r->kind == HIDE_HOST && host_in(r->value, &k->s.key);
		yes |= r->kind == HIDE_PROTOCOL && protocol_of(r->value, n) == k->s.key.proto;
		yes |= r->kind == HIDE_STATUS && status_of_name(r->value, n) == k->s.status;
		yes |= r->kind == HIDE_CONTENT && kind_of(r->value, n) == k->s.content_kind;
		yes |= r->kind == HIDE_PATTERN && k->matches[1];
	}
	return yes;
}

static uint16_t flags_of(const struct known *k)
{
	return (uint16_t)((k->s.gap_bytes ? ROW_GAP : 0) | (k->s.anomalies ? ROW_ANOMALY : 0) |
			  (k->s.conflict_bytes ? ROW_CONFLICT : 0) |
			  (k->s.matches ? ROW_MATCH : 0) | (k->note ? ROW_NOTE : 0));
}

static bool differs(int want, bool not, int is)
{
	return want >= 0 && (want == is) == not ;
}

static bool passes(const struct wanted *w, const struct known *k)
{
	uint16_t flags = flags_of(k);

	if (!k->live || (!w->include_hidden && (k->hidden || is_ruled(k))) ||
	    (w->favorites && !k->favorite) || (w->matched && !(flags & ROW_MATCH)))
		return false;
	if (differs(w->proto, w->not, k->s.key.proto) ||
	    differs(w->service, w->not, k->s.service.name) ||
	    differs(w->status, w->not, k->s.status) || differs(w->color, w->not, k->color))
		return false;
	if ((w->port >= 0 && port_in(&k->s.key, (uint32_t)w->port) == w->not_port) ||
	    (w->host && host_in(w->host, &k->s.key) == w->not_host) ||
	    (w->pattern >= 0 && (k->matches[w->pattern] > 0) == w->not_pattern))
		return false;
	return (flags & w->has) == w->has && !(flags & w->has_not) && k->s.last_ns >= w->since &&
	       (!w->until || k->s.first_ns <= w->until) &&
	       k->s.bytes[0] + k->s.bytes[1] >= w->min_bytes;
}

static bool is_down;

static int compare(const void *a, const void *b)
{
	const struct order_at *x = is_down ? b : a, *y = is_down ? a : b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static void answer_naively(const struct wanted *w)
{
	naive_n = 0;
	for (uint32_t i = 0; i < model.ids; i++) {
		const struct known *k = &model.known[i];
		const uint64_t keys[] = {k->s.last_ns, k->s.first_ns, k->s.bytes[0] + k->s.bytes[1],
					 k->s.packets[0] + k->s.packets[1], k->s.matches};

		if (passes(w, k))
			naive[naive_n++] = (struct order_at){.key = keys[w->by], .row = k->row};
	}
	is_down = w->down;
	qsort(naive, naive_n, sizeof(naive[0]), compare);
}

/* ---- asking ---- */

static void make_wanted(struct wanted *w)
{
	*w = (struct wanted){.include_hidden = one_in(2),
			     .favorites = one_in(12),
			     .matched = one_in(8),
			     .proto = one_in(6) ? protos[below(3)] : -1,
			     .service = one_in(6) ? (int)below(4) : -1,
			     .status = one_in(8) ? (int)below(6) : -1,
			     .color = one_in(10) ? (int)below(3) : -1,
			     .not = one_in(3),
			     .port = one_in(6) ? ports[below(6)] : -1,
			     .not_port = one_in(3),
			     .host = one_in(5) ? hosts[below(8)] : NULL,
			     .not_host = one_in(3),
			     .has = one_in(6) ? has_flag[below(5)] : 0,
			     .has_not = one_in(6) ? has_flag[below(5)] : 0,
			     .min_bytes = one_in(8)    ? below(2000)
					  : one_in(20) ? 1ULL << 32
						       : 0,
			     .pattern = one_in(8) ? (int)below(PATTERNS) : -1,
			     .not_pattern = one_in(3),
			     .by = (enum order_by)below(ORDER_COUNT),
			     .down = one_in(2),
			     .limit = one_in(4) ? 1 + below(8) : 1 + below(PAGE_MAX)};
	if (one_in(6))
		w->since = model.clock_ns - dice_roll(&model.d) % (2000 * SECOND);
	if (one_in(6))
		w->until = model.clock_ns - dice_roll(&model.d) % (2000 * SECOND);
}

static void put_values(const struct wanted *w)
{
	const char *not = w->not ? "!" : "";
	char text[80], why[128];

	filter_init(&filter);
	snprintf(text, sizeof(text), "%s%d", not, w->proto);
	if (w->proto >= 0)
		CU_ASSERT_EQUAL(filter_protocol(&filter, text, why, sizeof(why)), 0);
	snprintf(text, sizeof(text), "%s%s", not,
		 service_name_text((enum service_name)(w->service < 0 ? 0 : w->service)));
	if (w->service >= 0)
		CU_ASSERT_EQUAL(filter_service(&filter, text, why, sizeof(why)), 0);
	static const char *const statuses[] = {"open",  "closing", "closed",
					       "reset", "timeout", "evicted"};
	snprintf(text, sizeof(text), "%s%s", not, statuses[w->status < 0 ? 0 : w->status]);
	if (w->status >= 0)
		CU_ASSERT_EQUAL(filter_status(&filter, text, why, sizeof(why)), 0);
	snprintf(text, sizeof(text), "%s%s", not, color_name((uint8_t)w->color));
	if (w->color >= 0)
		CU_ASSERT_EQUAL(filter_color(&filter, text, why, sizeof(why)), 0);
	snprintf(text, sizeof(text), "%s%d", w->not_port ? "!" : "", w->port);
	if (w->port >= 0)
		CU_ASSERT_EQUAL(filter_port(&filter, text, why, sizeof(why)), 0);
	snprintf(text, sizeof(text), "%s%s", w->not_host ? "!" : "", w->host ? w->host : "");
	if (w->host)
		CU_ASSERT_EQUAL(filter_host(&filter, text, why, sizeof(why)), 0);
	snprintf(text, sizeof(text), "%ssubstring:%d", w->not_pattern ? "!" : "", w->pattern);
	if (w->pattern >= 0)
		CU_ASSERT_EQUAL(filter_pattern(&filter, &model.v.found, text, why, sizeof(why)), 0);
	for (int i = 0; i < 5; i++) {
		if (w->has & has_flag[i])
			CU_ASSERT_EQUAL(filter_has(&filter, has_name[i], why, sizeof(why)), 0);
		snprintf(text, sizeof(text), "!%s", has_name[i]);
		if (w->has_not & has_flag[i])
			CU_ASSERT_EQUAL(filter_has(&filter, text, why, sizeof(why)), 0);
	}
	filter.none |= w->include_hidden ? 0 : ROW_HIDDEN | ROW_RULED;
	filter.all |= (uint16_t)((w->favorites ? ROW_FAVORITE : 0) | (w->matched ? ROW_MATCH : 0));
	filter.since_ns = w->since;
	filter.until_ns = w->until;
	filter.by_until = w->until != 0;
	filter.min_bytes = w->min_bytes;
}

static bool same_page(const struct page *p, uint32_t at, uint32_t limit, const char *what)
{
	uint32_t n = naive_n - at < limit ? naive_n - at : limit;
	bool ok = CHECK(p->n == n && p->total == naive_n && p->more == (at + n < naive_n) &&
				p->before == (n && at > 0),
			"%s at %u: %u rows of %u, %u of %u expected, more %d, before %d, seed %llu",
			what, at, p->n, p->total, n, naive_n, p->more, p->before,
			(unsigned long long)model.d.seed);

	for (uint32_t i = 0; ok && i < n; i++)
		ok = CHECK(p->row[i] == naive[at + i].row,
			   "%s: place %u, row %u, not %u, seed %llu", what, at + i, p->row[i],
			   naive[at + i].row, (unsigned long long)model.d.seed);
	return ok;
}

/* The page before, by its cursor. */
static bool same_before(const struct page_query *q, const struct page *p, uint32_t at)
{
	static struct page before;
	struct page_query back = *q;

	if (!p->before || !p->n)
		return true;
	back.around = back.rank = ROW_NONE;
	back.has_cursor = p->has_prev;
	back.cursor = p->prev;
	view_page(&model.v, &back, &before);
	return same_page(&before, at > q->limit ? at - q->limit : 0, q->limit, "back");
}

static bool ask(void)
{
	static struct page p;
	struct wanted w;
	struct page_query q = {.filter = &filter, .around = ROW_NONE, .rank = ROW_NONE};
	uint32_t at = 0, pages = 0, start;
	bool ok = true;

	make_wanted(&w);
	put_values(&w);
	answer_naively(&w);
	q.by = w.by;
	q.down = w.down;
	q.limit = w.limit;
	do {
		view_page(&model.v, &q, &p);
		ok = same_page(&p, at, q.limit, "page") && same_before(&q, &p, at);
		at += p.n;
		q.has_cursor = true;
		q.cursor = p.next;
	} while (ok && p.more && pages++ < 20);
	if (!ok || !naive_n)
		return ok;
	at = below(naive_n);
	q.has_cursor = false;
	q.around = naive[at].row;
	start = q.limit ? at - at % q.limit : 0;
	view_page(&model.v, &q, &p);
	ok = CHECK(p.found && p.rank == at, "around %u: %d, rank %u, seed %llu", at, p.found,
		   p.rank, (unsigned long long)model.d.seed) &&
	     same_page(&p, start, q.limit, "around") && same_before(&q, &p, start);
	q.around = ROW_NONE;
	q.rank = below(3) ? at : naive_n + below(5);
	at = q.rank < naive_n ? q.rank : naive_n - 1;
	start = q.limit ? at - at % q.limit : 0;
	view_page(&model.v, &q, &p);
	return ok &&
	       CHECK(p.found && p.rank == at, "rank %u: %d, %u, seed %llu", at, p.found, p.rank,
		     (unsigned long long)model.d.seed) &&
	       same_page(&p, start, q.limit, "rank") && same_before(&q, &p, start);
}

/* ---- tests ---- */

static bool step(uint32_t roll)
{
	uint32_t i = below(model.ids);

	if (roll < 80)
		return tell_stream(i);
	if (roll < 90)
		tell_match(i);
	else if (roll < 98)
		mark(i);
	else
		change_rules();
	return true;
}

static void run(uint32_t max, uint32_t ids, uint32_t steps, uint32_t asks, uint64_t seed)
{
	bool ok = true;

	model_open(max, ids, seed);
	for (uint32_t n = 0; ok && n < asks; n++) {
		uint32_t burst = below(4) ? below(steps) : 0;

		for (uint32_t i = 0; ok && i < burst; i++)
			ok = step(below(100));
		ok = ok && ask();
	}
	view_close(&model.v);
}

static void test_few(void)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		run(64, 100, 60, 60, seed);
}

static void test_hundreds(void)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(700, 900, 400, 60, 100 + seed);
}

/* More than a list is sorted for: the orders are walked, and merged with what has changed. */
static bool fill(uint32_t n)
{
	bool ok = true;

	for (uint32_t i = 0; ok && i < n; i++)
		ok = tell_stream(i);
	return ok;
}

static void many(uint32_t n, uint32_t burst, uint32_t asks, uint64_t seed)
{
	bool ok;

	model_open(n, n, seed);
	ok = fill(n);
	for (uint32_t k = 0; ok && k < asks; k++) {
		uint32_t changes = below(3) ? below(burst) : 0;

		for (uint32_t i = 0; ok && i < changes; i++)
			ok = step(below(94));
		ok = ok && ask();
	}
	view_close(&model.v);
}

static void test_thousands(void)
{
	many(9000, 3000, 40, 201);
}

static void test_merged(void)
{
	many(MOST, 14000, 30, 202);
}

/* A rescan tells all of it once more: what was told is known, also where it is no longer kept. */
static void test_found_again(void)
{
	struct news_match m = {.kind = NEWS_MATCH, .stream = id_of(0), .signature = 7};
	const struct known *k = &model.known[0];

	model_open(64, 64, 1);
	tell_stream(0);
	for (m.from = 100; m.from < 110; m.from++) {
		m.to = m.from + 1;
		view_news(&model.v, (const uint8_t *)&m, sizeof(m));
	}
	CU_ASSERT_EQUAL(model.v.rows.row[k->row].stored, 4);
	m.again = true;
	for (int twice = 0; twice < 2; twice++)
		for (m.from = 90; m.from < 110; m.from++) {
			m.to = m.from + 1;
			view_news(&model.v, (const uint8_t *)&m, sizeof(m));
		}
	CU_ASSERT_EQUAL(model.v.found.added, 20);
	CU_ASSERT_EQUAL(model.v.rows.row[k->row].s.matches, k->s.matches + 10);
	tell_stream(0); /* the worker does not count them */
	CU_ASSERT_EQUAL(model.v.rows.row[k->row].s.matches, k->s.matches + 10);
	view_close(&model.v);
}

CU_TestInfo view_tests[] = {
	{"found_again", test_found_again}, {"few", test_few},       {"hundreds", test_hundreds},
	{"thousands", test_thousands},     {"merged", test_merged}, CU_TEST_INFO_NULL,
};
