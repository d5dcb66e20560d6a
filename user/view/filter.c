/* SPDX-License-Identifier: MIT */
/* filter — see filter.h. */
#include "user/view/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "user/stream/classify.h"
#include "user/stream/inventory.h"
#include "user/view/profile.h"

static const char *const colors[] = {
#define COLOR_NAME(name, text) text,
	COLORS(COLOR_NAME)
#undef COLOR_NAME
};
static const char *const statuses[] = {"open", "closing", "closed", "reset", "timeout", "evicted"};
static const char *const has_names[] = {"gap", "anomaly", "conflict", "match", "note", "cut"};
static const uint16_t has_flags[] = {ROW_GAP,   ROW_ANOMALY, ROW_CONFLICT,
				     ROW_MATCH, ROW_NOTE,    ROW_CUT};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int find_name(const char *const *names, size_t count, const char *name, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
			return (int)i;
	return -1;
}

const char *color_name(uint8_t color)
{
	return colors[color < COLOR_COUNT ? color : 0];
}

int color_of(const char *name, size_t n)
{
	return find_name(colors, COUNT(colors), name, n);
}

int status_of_name(const char *name, size_t n)
{
	return find_name(statuses, COUNT(statuses), name, n);
}

int kind_of(const char *name, size_t n)
{
	for (int i = 0; i <= CONTENT_MIXED; i++) {
		const char *text = content_kind_name((enum content_kind)i);

		if (strlen(text) == n && strncasecmp(text, name, n) == 0)
			return i;
	}
	return -1;
}

int service_of(const char *name, size_t n)
{
	for (int i = 0; i < SERVICE_COUNT; i++) {
		const char *text = service_name_text((enum service_name)i);

		if (strlen(text) == n && strncasecmp(text, name, n) == 0)
			return i;
	}
	return -1;
}

int protocol_of(const char *name, size_t n)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} known[] = {{"tcp", 6},     {"udp", 17},   {"icmpv4", 1},    {"icmp", 1},
		     {"icmpv6", 58}, {"sctp", 132}, {"ipv6-icmp", 58}};
	char digits[4] = "";
	char *end;
	unsigned long v;

	for (size_t i = 0; i < COUNT(known); i++)
		if (strlen(known[i].name) == n && strncasecmp(known[i].name, name, n) == 0)
			return known[i].proto;
	if (n == 0 || n > 3)
		return -1;
	memcpy(digits, name, n);
	v = strtoul(digits, &end, 10);
	return *end || v > 255 ? -1 : (int)v;
}

void filter_init(struct filter *f)
{
	*f = (struct filter){.all = ROW_LIVE};
}

/* ---- values ---- */

struct value {
	const char *at;
	size_t n;
	bool exclude;
};

static int refuse(char *why, size_t size, const char *what, const struct value *v)
{
	snprintf(why, size, "%s: \"%.*s\"", what, (int)(v->n < 80 ? v->n : 80), v->at);
	return -EINVAL;
}

/* The next of a comma-separated list; false at its end. */
static bool next_value(const char **list, struct value *v)
{
	if (!*list)
		return false;
	v->n = strcspn(*list, ",");
	v->at = *list;
	*list = v->at[v->n] ? v->at + v->n + 1 : NULL;
	v->exclude = v->n && v->at[0] == '!';
	v->at += v->exclude;
	v->n -= v->exclude;
	return true;
}

static int read_values(struct filter_values *out, const char *text,
		       int (*number)(const char *name, size_t n), const char *what, char *why,
		       size_t size)
{
	bool included = false;
	uint8_t in[256] = {0}, not_in[256] = {0};
	struct value v;

	while (next_value(&text, &v)) {
		int i = number(v.at, v.n);

		if (i < 0)
			return refuse(why, size, what, &v);
		if (v.exclude)
			not_in[i] = 1;
		else
			in[i] = included = true;
	}
	out->on = true;
	for (int i = 0; i < 256; i++)
		out->allow[i] = (!included || in[i]) && !not_in[i];
	return 0;
}

int filter_protocol(struct filter *f, const char *text, char *why, size_t size)
{
	return read_values(&f->protocol, text, protocol_of, "no such protocol", why, size);
}

int filter_service(struct filter *f, const char *text, char *why, size_t size)
{
	return read_values(&f->service, text, service_of, "no such service", why, size);
}

int filter_kind(struct filter *f, const char *text, char *why, size_t size)
{
	return read_values(&f->kind, text, kind_of,
			   "content_kind is unknown, text, binary or mixed", why, size);
}

int filter_status(struct filter *f, const char *text, char *why, size_t size)
{
	return read_values(&f->status, text, status_of_name,
			   "status is open, closing, closed, reset, timeout or evicted", why, size);
}

int filter_color(struct filter *f, const char *text, char *why, size_t size)
{
	return read_values(&f->color, text, color_of, "no such colour", why, size);
}

int filter_port(struct filter *f, const char *text, char *why, size_t size)
{
	struct value v;

	while (next_value(&text, &v)) {
		char digits[8] = "", *end = digits;
		unsigned long port = 65536;

		if (v.n && v.n < sizeof(digits)) {
			memcpy(digits, v.at, v.n);
			port = strtoul(digits, &end, 10);
		}
		if (port > 65535 || *end || v.at[0] < '0' || v.at[0] > '9')
			return refuse(why, size, "no port number", &v);
		if (v.exclude) {
			f->not_by_port = true;
			f->not_port[port / 64] |= 1ULL << port % 64;
		} else {
			f->by_port = true;
			f->port[port / 64] |= 1ULL << port % 64;
		}
	}
	return 0;
}

bool host_parse(struct filter_host *h, const char *text, size_t n)
{
	char address[INET6_ADDRSTRLEN + 8] = "";
	char *slash, *end;
	unsigned long bits;

	*h = (struct filter_host){0};
	if (n == 0 || n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	slash = strchr(address, '/');
	if (slash)
		*slash = 0;
	h->v6 = strchr(address, ':') != NULL;
	if (inet_pton(h->v6 ? AF_INET6 : AF_INET, address, h->net) != 1)
		return false;
	bits = h->v6 ? 128 : 32;
	if (slash) {
		unsigned long most = bits;

		bits = strtoul(slash + 1, &end, 10);
		if (!slash[1] || *end || bits > most || slash[1] == '-' || slash[1] == '+')
			return false;
	}
	for (unsigned long i = 0; i < bits; i++)
		h->mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	for (int i = 0; i < 16; i++)
		h->net[i] &= h->mask[i];
	return true;
}

static bool in_net(const struct filter_host *h, const uint8_t *at)
{
	for (int i = 0; i < (h->v6 ? 16 : 4); i++)
		if ((at[i] & h->mask[i]) != h->net[i])
			return false;
	return true;
}

bool host_is(const struct filter_host *h, const struct flow_key *k)
{
	return !!k->v6 == h->v6 && (in_net(h, k->lo) || in_net(h, k->hi));
}

int filter_host(struct filter *f, const char *text, char *why, size_t size)
{
	struct value v;

	while (next_value(&text, &v)) {
		struct filter_host *h = &f->host[f->hosts];

		if (f->hosts == FILTER_VALUES)
			return refuse(why, size, "too many hosts, from here on", &v);
		if (!host_parse(h, v.at, v.n))
			return refuse(why, size, "neither an address nor one with /bits", &v);
		h->exclude = v.exclude;
		f->hosts++;
		f->hosts_excluded += v.exclude;
	}
	return 0;
}

int filter_has(struct filter *f, const char *text, char *why, size_t size)
{
	struct value v;

	while (next_value(&text, &v)) {
		int i = find_name(has_names, COUNT(has_names), v.at, v.n);

		if (i < 0)
			return refuse(why, size,
				      "has takes gap, anomaly, conflict, match, note and cut", &v);
		if (v.exclude)
			f->none |= has_flags[i];
		else
			f->all |= has_flags[i];
	}
	return 0;
}

int filter_pattern(struct filter *f, const struct found *found, const char *text, char *why,
		   size_t size)
{
	struct value v;

	while (next_value(&text, &v)) {
		const struct found_pattern *p = found_named(found, v.at, v.n);

		if (v.n == 0 || f->patterns == FILTER_VALUES || f->not_patterns == FILTER_VALUES)
			return refuse(why, size, v.n ? "too many patterns" : "no pattern", &v);
		if (!v.exclude) {
			f->by_pattern = true;
			if (p)
				f->pattern[f->patterns++] = p;
		} else if (p) {
			f->not_pattern[f->not_patterns++] = p;
		}
	}
	return 0;
}

/* ---- running: word by word of 64 rows ---- */

static void run_flags(const struct filter *f, const struct rows *r, uint64_t *bits, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++) {
		const uint16_t *flags = r->col.flags + 64UL * w;
		uint64_t m = 0;

		for (int k = 0; k < 64; k++)
			m |= (uint64_t)((flags[k] & f->all) == f->all && !(flags[k] & f->none))
			     << k;
		bits[w] = m;
	}
}

static void run_values(const struct filter_values *v, const uint8_t *col, uint64_t *bits,
		       uint32_t words)
{
	if (!v->on)
		return;
	for (uint32_t w = 0; w < words; w++) {
		uint64_t m = 0;

		for (int k = 0; bits[w] && k < 64; k++)
			m |= (uint64_t)v->allow[col[64UL * w + k]] << k;
		bits[w] &= m;
	}
}

static bool has_bit(const uint64_t *set, uint16_t i)
{
	return set[i / 64] >> i % 64 & 1;
}

static void run_ports(const struct filter *f, const struct rows *r, uint64_t *bits, uint32_t words)
{
	uint8_t ported[256];

	if (!f->by_port && !f->not_by_port)
		return;
	for (int i = 0; i < 256; i++)
		ported[i] = proto_has_ports((uint8_t)i);
	for (uint32_t w = 0; w < words; w++) {
		const uint8_t *proto = r->col.proto + 64UL * w;
		const uint16_t *lo = r->col.port[0] + 64UL * w, *hi = r->col.port[1] + 64UL * w;
		uint64_t in = 0, out = 0;

		for (int k = 0; bits[w] && k < 64; k++) {
			uint64_t bit = (uint64_t)ported[proto[k]] << k;

			in |= has_bit(f->port, lo[k]) || has_bit(f->port, hi[k]) ? bit : 0;
			out |= has_bit(f->not_port, lo[k]) || has_bit(f->not_port, hi[k]) ? bit : 0;
		}
		bits[w] &= (f->by_port ? in : UINT64_MAX) & ~out;
	}
}

/* IPv4 addresses are in the columns; of IPv6 the last bytes, then whole addresses are compared. */
static uint64_t run_host(const struct filter_host *h, const struct rows *r, uint32_t w,
			 uint64_t among)
{
	const uint32_t *lo = r->col.host[0] + 64UL * w, *hi = r->col.host[1] + 64UL * w;
	uint32_t mask = load_be32(h->v6 ? h->mask + 12 : h->mask);
	uint32_t net = load_be32(h->v6 ? h->net + 12 : h->net);
	const uint16_t *flags = r->col.flags + 64UL * w;
	uint16_t family = h->v6 ? ROW_V6 : 0;
	uint64_t m = 0;

	for (int k = 0; k < 64; k++)
		m |= (uint64_t)(((lo[k] & mask) == net || (hi[k] & mask) == net) &&
				(flags[k] & ROW_V6) == family)
		     << k;
	m &= among;
	for (uint64_t left = h->v6 ? m : 0; left; left &= left - 1) {
		uint32_t k = (uint32_t)__builtin_ctzll(left);

		if (!host_is(h, &r->row[64UL * w + k].s.key))
			m &= ~(1ULL << k);
	}
	return m;
}

static void run_hosts(const struct filter *f, const struct rows *r, uint64_t *bits, uint32_t words)
{
	for (uint32_t w = 0; f->hosts && w < words; w++) {
		uint64_t in = 0, out = 0;

		for (uint32_t i = 0; bits[w] && i < f->hosts; i++) {
			uint64_t m = run_host(&f->host[i], r, w, bits[w]);

			*(f->host[i].exclude ? &out : &in) |= m;
		}
		bits[w] &= (f->hosts > f->hosts_excluded ? in : UINT64_MAX) & ~out;
	}
}

/* Seconds from the columns, nanoseconds where these cannot decide. */
static void run_times(const struct filter *f, const struct rows *r, uint64_t *bits, uint32_t words)
{
	uint64_t until_ns = f->by_until ? f->until_ns : UINT64_MAX;
	uint32_t since = rows_second(f->since_ns), until = rows_second(until_ns);

	for (uint32_t w = 0; (f->since_ns || f->by_until) && w < words; w++) {
		const uint32_t *first = r->col.first_s + 64UL * w, *last = r->col.last_s + 64UL * w;
		uint64_t maybe = 0, sure = 0;

		for (int k = 0; bits[w] && k < 64; k++) {
			maybe |= (uint64_t)(last[k] >= since && first[k] <= until) << k;
			sure |= (uint64_t)(last[k] > since && first[k] < until) << k;
		}
		bits[w] &= maybe;
		for (uint64_t left = bits[w] & ~sure; left; left &= left - 1) {
			uint32_t k = (uint32_t)__builtin_ctzll(left);
			const struct news_stream *s = &r->row[64UL * w + k].s;

			if (s->last_ns < f->since_ns || s->first_ns > until_ns)
				bits[w] &= ~(1ULL << k);
		}
	}
}

static void run_bytes(const struct filter *f, const struct rows *r, uint64_t *bits, uint32_t words)
{
	uint32_t least = f->min_bytes < UINT32_MAX ? (uint32_t)f->min_bytes : UINT32_MAX;

	for (uint32_t w = 0; f->min_bytes && w < words; w++) {
		uint64_t m = 0;

		for (int k = 0; bits[w] && k < 64; k++)
			m |= (uint64_t)(r->col.bytes[64UL * w + k] >= least) << k;
		bits[w] &= m;
		for (uint64_t left = least == UINT32_MAX ? bits[w] : 0; left; left &= left - 1) {
			uint32_t k = (uint32_t)__builtin_ctzll(left);
			const struct news_stream *s = &r->row[64UL * w + k].s;

			if (s->bytes[0] + s->bytes[1] < f->min_bytes)
				bits[w] &= ~(1ULL << k);
		}
	}
}

static void run_patterns(const struct filter *f, const struct rows *r, const struct found *found,
			 uint64_t *bits, uint32_t words)
{
	uint64_t *set;

	if (!f->by_pattern && !f->not_patterns)
		return;
	set = calloc(words + 1UL, sizeof(*set));
	if (!set)
		return;
	for (uint32_t i = 0; i < f->patterns; i++)
		found_mark(found, f->pattern[i], set);
	for (uint32_t w = 0; f->by_pattern && w < words; w++)
		bits[w] &= set[w];
	memset(set, 0, words * sizeof(*set));
	for (uint32_t i = 0; i < f->not_patterns; i++)
		found_mark(found, f->not_pattern[i], set);
	for (uint32_t w = 0; w < words; w++)
		bits[w] &= ~set[w];
	(void)r;
	free(set);
}

uint32_t filter_run(const struct filter *f, const struct rows *rows, const struct found *found,
		    uint64_t *bits)
{
	uint32_t words = (rows->n + 63) / 64, n = 0;

	run_flags(f, rows, bits, words);
	run_values(&f->protocol, rows->col.proto, bits, words);
	run_values(&f->service, rows->col.service, bits, words);
	run_values(&f->kind, rows->col.kind, bits, words);
	run_values(&f->status, rows->col.status, bits, words);
	run_values(&f->color, rows->col.color, bits, words);
	run_ports(f, rows, bits, words);
	run_hosts(f, rows, bits, words);
	run_times(f, rows, bits, words);
	run_bytes(f, rows, bits, words);
	run_patterns(f, rows, found, bits, words);
	if (f->profile)
		profile_run(f->profile, rows, found, bits);
	for (uint32_t w = 0; w < words; w++)
		n += (uint32_t)__builtin_popcountll(bits[w]);
	return n;
}
