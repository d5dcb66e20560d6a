/* SPDX-License-Identifier: MIT */
/* show — see show.h. */
#include "user/show.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/event/record.h"
#include "user/view/slice.h"
#include "user/view/transform.h"

#define PIECE       65536U       /* bytes read and written at a time */
#define MESSAGE_MAX (64UL << 20) /* of a message that is transformed */
#define SEGMENTS    (16UL << 20) /* a conversation's, both directions together */

struct show {
	const struct conf *conf;
	const struct content *content;
	const struct watch *watch;
	FILE *out;
	bool colour; /* the output is a terminal */
	enum slice_mode mode;
	struct transform_chain chain;
	uint8_t client; /* direction of the flow key */
	/* bytes that wait to be shown: characters and rows reach over segments */
	uint8_t dir;
	uint64_t off;
	size_t have;
	uint8_t bytes[PIECE];
	char text[PIECE];
};

static const char *colour_of(const struct show *s, uint8_t dir)
{
	return !s->colour ? "" : dir == s->client ? "\033[31m" : "\033[34m";
}

static void say(struct show *s, const char *text)
{
	if (s->mode != SLICE_RAW)
		fprintf(s->out, "%s%s%s", s->colour ? "\033[2m" : "", text,
			s->colour ? "\033[0m" : "");
}

/* Where the next match begins or ends, from `off` on; *inside: whether off is in one. */
static uint64_t next_edge(const struct show *s, uint8_t dir, uint64_t off, bool *inside)
{
	uint64_t edge = UINT64_MAX;

	*inside = false;
	for (uint32_t i = 0; i < s->watch->matches; i++) {
		const struct watch_match *m = &s->watch->match[i];

		if (m->dir != dir || m->to <= off)
			continue;
		if (m->from <= off) {
			*inside = true;
			edge = m->to < edge ? m->to : edge;
		} else {
			edge = m->from < edge ? m->from : edge;
		}
	}
	return edge;
}

/* Text or raw bytes, matches in reverse on a terminal. */
static void show_text(struct show *s, uint8_t dir, uint64_t off, struct span bytes)
{
	while (bytes.at < bytes.end) {
		bool inside;
		uint64_t edge = next_edge(s, dir, off, &inside);
		size_t n = edge - off < span_len(bytes) ? (size_t)(edge - off) : span_len(bytes);
		size_t len;

		n = n < PIECE ? n : PIECE;
		len = slice_text(span_of(bytes.at, n), s->text);
		fprintf(s->out, "%s%s", colour_of(s, dir), inside && s->colour ? "\033[7m" : "");
		fwrite(s->text, 1, len, s->out);
		if (s->colour)
			fputs("\033[0m", s->out);
		bytes.at += n;
		off += n;
	}
}

static void show_bytes(struct show *s, uint8_t dir, uint64_t off, struct span bytes)
{
	char row[SLICE_ROW_TEXT];

	if (s->mode == SLICE_RAW) {
		fwrite(bytes.at, 1, span_len(bytes), s->out);
		return;
	}
	if (s->mode == SLICE_TEXT) {
		show_text(s, dir, off, bytes);
		return;
	}
	while (bytes.at < bytes.end) {
		size_t n = SLICE_ROW - off % SLICE_ROW;

		n = n < span_len(bytes) ? n : span_len(bytes);
		fputs(colour_of(s, dir), s->out);
		fwrite(row, 1, slice_hex_row(span_of(bytes.at, n), off, row), s->out);
		if (s->colour)
			fputs("\033[0m", s->out);
		bytes.at += n;
		off += n;
	}
}

/* How many of the waiting bytes may be shown while more follow. */
static size_t settled(const struct show *s)
{
	size_t n = s->have;

	if (s->mode == SLICE_HEX)
		return n - (s->off + n) % SLICE_ROW % n;
	if (s->mode == SLICE_TEXT)
		for (size_t back = 1; back < 4 && back < n; back++)
			if (s->bytes[n - back] >= 0xc0)
				return n - back;
	return n;
}

static void flush(struct show *s, bool more)
{
	size_t n = more && s->have ? settled(s) : s->have;

	show_bytes(s, s->dir, s->off, span_of(s->bytes, n));
	memmove(s->bytes, s->bytes + n, s->have - n);
	s->off += n;
	s->have -= n;
}

static void show_segment(struct show *s, uint8_t dir, const struct content_segment *g)
{
	static const char *const holes[] = {"", "was never captured", "was cut off by the capture",
					    "is no longer kept"};
	enum segment_kind kind = g->kind;
	uint64_t at = 0;
	char line[96];

	if (s->dir != dir || s->off + s->have != g->off) {
		flush(s, false);
		s->dir = dir;
		s->off = g->off;
	}
	while (kind == SEGMENT_DATA && at < g->len) {
		size_t n = content_load(s->content, g, at, s->bytes + s->have, PIECE - s->have);

		if (n == 0)
			kind = SEGMENT_EVICTED; /* the file has changed */
		s->have += n;
		at += n;
		if (s->have == PIECE)
			flush(s, true);
	}
	if (kind == SEGMENT_DATA)
		return;
	flush(s, false);
	snprintf(line, sizeof(line), "\n[%llu bytes at %llu: this %s]\n",
		 (unsigned long long)(g->len - at), (unsigned long long)(g->off + at), holes[kind]);
	say(s, line);
}

/* ---- transforms ---- */

static const struct message *message_at(const struct show *s, uint8_t dir, uint64_t off)
{
	const struct message *m;
	uint64_t cursor = 0;

	while ((m = messages_next(&s->watch->messages, 0, &cursor)))
		if (m->dir == dir && m->start <= off && off < m->end)
			return m;
	return NULL;
}

/* Bytes [from, to) in one piece, holes left out; NULL where there is no memory. */
static uint8_t *gather(const struct show *s, uint8_t dir, uint64_t from, uint64_t to, size_t *len)
{
	size_t n = content_find(s->content, &s->watch->view, dir, (struct content_range){from, to},
				NULL, 0);
	struct content_segment *g = calloc(n + 1, sizeof(*g));
	uint8_t *bytes = malloc((size_t)(to - from) + 1);

	*len = 0;
	if (g && bytes)
		content_find(s->content, &s->watch->view, dir, (struct content_range){from, to}, g,
			     n);
	for (size_t i = 0; g && bytes && i < n; i++)
		*len += content_load(s->content, &g[i], 0, bytes + *len, (size_t)g[i].len);
	free(g);
	return bytes;
}

static void show_steps(struct show *s, const struct transform_result *r)
{
	for (uint32_t i = 0; i < r->steps; i++) {
		const struct transform_step *t = &r->step[i];
		char line[256];

		snprintf(line, sizeof(line), "[%s: %s, %zu to %zu bytes%s%s%s]\n",
			 transform_name(t->applied), transform_status_name(t->status),
			 t->input_bytes, t->output_bytes, t->truncated ? ", cut" : "",
			 t->note[0] ? ": " : "", t->note);
		say(s, line);
	}
}

/* The message around `off` (or the window itself) through the chain. */
static void show_transformed(struct show *s, uint8_t dir, uint64_t off, uint64_t window_end)
{
	const struct message *m = message_at(s, dir, off);
	uint64_t from = m ? m->start : off, to = m ? m->end : window_end;
	struct transform_input in = {.header = m ? (size_t)(m->header_end - m->start) : 0};
	struct transform_result r;
	uint8_t *bytes;
	size_t len;

	if (to - from > MESSAGE_MAX)
		to = from + MESSAGE_MAX;
	bytes = gather(s, dir, from, to, &len);
	if (!bytes)
		return;
	in.bytes = span_of(bytes, len);
	if (in.header > len)
		in.header = len;
	if (transform_run(&s->chain, &in, (size_t)s->conf->max_transform, &r) == 0) {
		show_steps(s, &r);
		show_bytes(s, dir, 0, r.status == TRANSFORM_APPLIED ? r.bytes : in.bytes);
		say(s, "\n");
		transform_free(&r);
	}
	free(bytes);
}

/* ---- the two ways to look ---- */

static void endpoint(FILE *out, const struct flow_key *k, bool hi)
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(k->v6 ? AF_INET6 : AF_INET, hi ? k->hi : k->lo, address, sizeof(address));
	fprintf(out, k->v6 ? "[%s]:%u" : "%s:%u", address, hi ? k->hi_port : k->lo_port);
}

static void show_head(const struct show *s)
{
	const struct watch *w = s->watch;
	char room[4];

	if (s->mode == SLICE_RAW)
		return;
	fprintf(s->out, "%016llx  %s ", (unsigned long long)w->id, proto_name(w->key.proto, room));
	endpoint(s->out, &w->key, w->client_hi);
	fputs(" > ", s->out);
	endpoint(s->out, &w->key, !w->client_hi);
	fprintf(s->out, "  %s  %llu packets  %llu bytes to the server, %llu to the client\n",
		service_name_text(w->service.name), (unsigned long long)w->packets,
		(unsigned long long)w->view.end[s->client],
		(unsigned long long)w->view.end[!s->client]);
}

static void list_matches(struct show *s, uint8_t dir, uint64_t from, uint64_t to)
{
	for (uint32_t i = 0; s->mode != SLICE_RAW && i < s->watch->matches; i++) {
		const struct watch_match *m = &s->watch->match[i];

		if (m->dir == dir && m->from < to && m->to > from)
			fprintf(s->out, "[match %llu to %llu: %s]\n", (unsigned long long)m->from,
				(unsigned long long)m->to, m->name);
	}
}

static int show_window(struct show *s)
{
	uint8_t dir = s->conf->direction == 0 ? s->client : !s->client;
	uint64_t from = s->conf->start, to = from + s->conf->len;
	size_t n = content_find(s->content, &s->watch->view, dir, (struct content_range){from, to},
				NULL, 0);
	struct content_segment *g = calloc(n + 1, sizeof(*g));
	char line[96];

	if (!g)
		return 1;
	content_find(s->content, &s->watch->view, dir, (struct content_range){from, to}, g, n);
	show_head(s);
	list_matches(s, dir, from, to);
	if (n == 0) {
		snprintf(line, sizeof(line), "[nothing at %llu: this direction has %llu bytes]\n",
			 (unsigned long long)from, (unsigned long long)s->watch->view.end[dir]);
		say(s, line);
	} else if (s->chain.n) {
		show_transformed(s, dir, from, g[n - 1].off + g[n - 1].len);
	} else {
		for (size_t i = 0; i < n; i++)
			show_segment(s, dir, &g[i]);
		flush(s, false);
		say(s, "\n");
	}
	free(g);
	return 0;
}

struct turn {
	struct content_segment segment;
	uint8_t dir;
};

static int by_order(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->segment.order != y->segment.order)
		return x->segment.order < y->segment.order ? -1 : 1;
	return x->segment.off < y->segment.off ? -1 : x->segment.off > y->segment.off;
}

static void begin_turn(struct show *s, uint8_t dir, uint64_t off)
{
	char line[64];

	snprintf(line, sizeof(line), "\n%s %llu\n", dir == s->client ? ">>> a_to_b" : "<<< b_to_a",
		 (unsigned long long)off);
	say(s, line);
}

static int follow_messages(struct show *s)
{
	const struct message *m;
	uint64_t cursor = 0;

	while ((m = messages_next(&s->watch->messages, 0, &cursor))) {
		begin_turn(s, m->dir, m->start);
		show_transformed(s, m->dir, m->start, m->end);
	}
	return 0;
}

static int follow_bytes(struct show *s)
{
	size_t n[2], all;
	struct content_segment *g;
	struct turn *t;

	for (uint8_t dir = 0; dir < 2; dir++)
		n[dir] = content_find(s->content, &s->watch->view, dir,
				      (struct content_range){0, UINT64_MAX}, NULL, 0);
	all = n[0] + n[1];
	if (all > SEGMENTS) {
		log_line("the conversation has %zu pieces: look at it by --show", all);
		return 1;
	}
	g = calloc(all + 1, sizeof(*g));
	t = calloc(all + 1, sizeof(*t));
	if (g && t) {
		content_find(s->content, &s->watch->view, 0, (struct content_range){0, UINT64_MAX},
			     g, n[0]);
		content_find(s->content, &s->watch->view, 1, (struct content_range){0, UINT64_MAX},
			     g + n[0], n[1]);
		for (size_t i = 0; i < all; i++)
			t[i] = (struct turn){.segment = g[i], .dir = i >= n[0]};
		qsort(t, all, sizeof(*t), by_order);
	}
	for (size_t i = 0; g && t && i < all; i++) {
		if (i == 0 || t[i].dir != t[i - 1].dir) {
			flush(s, false);
			begin_turn(s, t[i].dir, t[i].segment.off);
		}
		show_segment(s, t[i].dir, &t[i].segment);
	}
	flush(s, false);
	say(s, "\n");
	free(g);
	free(t);
	return g && t ? 0 : 1;
}

int show_stream(const struct run *run, FILE *out)
{
	static struct show s;
	char why[128];
	int status;

	s = (struct show){.conf = run->conf,
			  .out = out,
			  .mode = (enum slice_mode)run->conf->view_mode,
			  .colour = isatty(fileno(out)) && run->conf->view_mode != SLICE_RAW};
	for (uint32_t w = 0; w < run->conf->workers; w++)
		if (run->shard[w].watch.found) {
			s.watch = &run->shard[w].watch;
			s.content = &run->shard[w].content;
		}
	if (!s.watch) {
		log_line("no stream %016llx in this capture",
			 (unsigned long long)run->conf->watched);
		return 1;
	}
	if (transform_parse(run->conf->transform, &s.chain, why, sizeof(why)) < 0) {
		log_line("--transform: %s", why);
		return 1;
	}
	s.client = s.watch->client_hi;
	if (run->conf->show) {
		status = show_window(&s);
	} else {
		show_head(&s);
		status = s.chain.n && s.watch->messages.added ? follow_messages(&s)
							      : follow_bytes(&s);
	}
	if (fflush(out) != 0)
		status = 1;
	return status;
}
