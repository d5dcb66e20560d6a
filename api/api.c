/* SPDX-License-Identifier: MIT */
/* api — see api.h: opening, the thread, and what it does in turn. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <json-c/json.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/inside.h"
#include "user/base/log.h"
#include "user/privileges.h"

#define NEWS_AT_ONCE 4096U /* records of a worker, then others have their turn */
#define TELL_MS      40U   /* changes become deltas so often */
#define RUNNING_MS   5     /* longest sleep while packets come */
#define RESTING_MS   200
#define TEND_MS      2000U
#define NICE         15 /* some forty answers a second where all cores are the workers' */
#define CONNECTIONS  1000U
#define PATTERNS     20000U

/* ---- what the server says ---- */

static struct api *api_of(struct http_host *h)
{
	return (struct api *)h;
}

static void on_begin(struct http_host *h, struct http_call *c)
{
	route_begin(api_of(h), (struct call *)c);
}

static void on_ready(struct http_host *h, struct http_call *c)
{
	struct call *call = (struct call *)c;

	if (call->waits == WAIT_EVENTS)
		follow_ready(api_of(h), call);
	else
		download_ready(api_of(h), call);
}

static void forget_asking(struct api *a, const struct call *c)
{
	for (struct call **at = &a->asking; *at; at = &(*at)->next_asking)
		if (*at == c) {
			*at = c->next_asking;
			return;
		}
}

static void on_gone(struct http_host *h, struct http_call *http)
{
	struct call *c = (struct call *)http;
	struct api *a = api_of(h);

	forget_asking(a, c); /* its sheet comes back to nobody, and is put away then */
	if (c->waits)
		follow_forget(a, c);
	download_forget(a, c);
	patterns_forget(a, c);
	json_object_put(c->body);
	out_free(&c->out);
	free(c->memory);
	free(c->bytes);
}

/* ---- in turn ---- */

static bool take_news(struct api *a)
{
	bool any = false;

	for (uint32_t w = 0; w < a->conf->workers; w++) {
		struct channel *from = &a->run->news[w];
		const uint8_t *at;
		size_t n;

		for (uint32_t k = 0; k < NEWS_AT_ONCE && (at = channel_peek(from, &n)); k++) {
			view_news(&a->view, at, n);
			channel_release(from);
			a->news++;
			any = true;
		}
	}
	return any;
}

static struct call *asker_of(const struct api *a, const struct ask *q)
{
	struct call *c = a->asking;

	while (c && c->ask != q)
		c = c->next_asking;
	return c;
}

static void take_answers(struct api *a)
{
	struct ask *q;

	while ((q = ask_next(&a->run->desk))) {
		struct call *c;

		if (q->kind == ASK_TOTALS) {
			stats_answer(a, q);
			continue;
		}
		if (q->kind == ASK_PATTERNS || q->kind == ASK_RESCAN) {
			patterns_answer(a, q);
			continue;
		}
		c = asker_of(a, q);
		if (c) {
			forget_asking(a, c);
			c->ask = NULL;
			c->done(a, c, q);
		}
		ask_put(q);
	}
}

/* Who has waited too long for a worker. */
static void look_asking(struct api *a, uint64_t now)
{
	struct call *next;

	for (struct call *c = a->asking; c; c = next) {
		next = c->next_asking;
		if (now - c->asked_ms < ANSWER_MS)
			continue;
		forget_asking(a, c);
		c->ask = NULL; /* the sheet is put away when it comes */
		c->done(a, c, NULL);
		next = a->asking; /* anybody may have left */
	}
}

static void finish_run(struct api *a)
{
	while (take_news(a))
		;
	view_tell(&a->view);
	stats_final(a);
	a->status = a->run->status ? RUN_FAILED : RUN_COMPLETED;
	deltas_add(&a->view.deltas, DELTA_STATS, NULL, 0);
	deltas_add(&a->view.deltas, DELTA_STATUS, NULL, 0);
	view_tend(&a->view);
}

static void look(struct api *a)
{
	uint64_t now = clock_ns() / 1000000;

	if (a->status == RUN_RUNNING && atomic_load_explicit(&a->ended, memory_order_acquire))
		finish_run(a);
	if (now - a->delta_ms >= TELL_MS) {
		view_tell(&a->view);
		a->delta_ms = now;
	}
	if (a->asking)
		look_asking(a, now);
	stats_look(a, now);
	patterns_look(a, now);
	streams_look(a);
	download_look(a);
	follow_look(a, now);
	if (now - a->second_ms >= 1000) {
		a->second_ms = now;
		http_reap(a->http);
	}
	if (a->status != RUN_RUNNING && now - a->tend_ms >= TEND_MS) {
		a->tend_ms = now;
		view_tend(&a->view);
	}
}

static void *serve(void *arg)
{
	struct api *a = arg;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread, on Linux */
	while (!atomic_load_explicit(&a->stop, memory_order_acquire)) {
		bool busy = take_news(a);

		take_answers(a);
		look(a);
		http_run(a->http, busy || a->downloads       ? 0
				  : a->status == RUN_RUNNING ? RUNNING_MS
				  : a->waiting               ? 50
							     : RESTING_MS);
	}
	while (take_news(a)) /* nobody may wait for us */
		;
	http_stop(a->http);
	take_answers(a); /* the workers have left: no others come */
	look_asking(a, UINT64_MAX);
	download_stop(a);
	http_run(a->http, 10);
	return NULL;
}

/* ---- opening and closing ---- */

static uint32_t within(uint64_t v, uint32_t most)
{
	return v < most ? (uint32_t)v : most;
}

/* Makes a path's folders, for their owner alone. */
static void make_folders(const char *path)
{
	char at[1024];

	snprintf(at, sizeof(at), "%s", path);
	for (char *p = at + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(at, 0700);
		*p = '/';
	}
}

/* Whom live capture runs as later writes there. */
static void give_folder(const char *path, const char *user)
{
	char folder[1024];
	int fd;

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		privileges_give(fd, user);
		close(fd);
	}
}

/* Where marks are saved; NULL: nowhere. */
static const char *state_path(struct api *a)
{
	const char *home =
		getenv("XDG_STATE_HOME");  /* NOLINT(concurrency-mt-unsafe): no threads yet */
	const char *user = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe) */
	const char *given = a->conf->state;
	int n;

	if (given)
		return strcmp(given, "none") == 0 ? NULL : given;
	if (a->conf->ifaces.n && geteuid() == 0)
		n = snprintf(a->state_path, sizeof(a->state_path), "/var/lib/rm-xdp/state.db");
	else if (home && *home == '/')
		n = snprintf(a->state_path, sizeof(a->state_path), "%s/rm-xdp/state.db", home);
	else if (user && *user == '/')
		n = snprintf(a->state_path, sizeof(a->state_path),
			     "%s/.local/state/rm-xdp/state.db", user);
	else
		return NULL;
	if (n >= (int)sizeof(a->state_path))
		return NULL;
	make_folders(a->state_path);
	if (a->conf->ifaces.n)
		give_folder(a->state_path, a->conf->user);
	return a->state_path;
}

static int open_view(struct api *a)
{
	const struct conf *c = a->conf;
	struct view_conf v = {.max_streams = within(c->no_view ? 64 : c->max_streams, 1U << 26),
			      .matches_total = within(c->matches_total, 1U << 20),
			      .matches_per_stream = within(c->view_matches, 65535),
			      .patterns = PATTERNS,
			      .delta_bytes = 1U << 16,
			      .profiles = c->profile_file};
	char why[256];
	int err;

	while (v.delta_bytes * 2 <= c->delta_bytes)
		v.delta_bytes *= 2;
	err = view_open(&a->view, &v, why, sizeof(why));
	if (err < 0)
		log_line("--service-profile-file: %s", why);
	return err;
}

int api_open(struct api **out, struct run *run)
{
	struct api *a = calloc(1, sizeof(*a));
	struct rlimit files;
	struct http_conf http;
	int err;

	*out = a;
	if (!a)
		return -ENOMEM;
	a->run = run;
	a->conf = run->conf;
	a->host = (struct http_host){.begin = on_begin, .ready = on_ready, .gone = on_gone};
	if (getrandom(&a->instance, sizeof(a->instance), 0) != sizeof(a->instance))
		a->instance = clock_ns();
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	http = (struct http_conf){.listen = a->conf->api_listen,
				  .cert = a->conf->api_cert,
				  .key = a->conf->api_key,
				  .max_connections = CONNECTIONS,
				  .call_size = sizeof(struct call)};
	err = open_view(a);
	if (err == 0)
		err = http_open(&a->http, &http, &a->host);
	if (err == 0)
		err = access_open(&a->access, a->conf, a->http);
	if (err == 0)
		a->state = state_path(a);
	return err;
}

/* Addresses of this host, where the API listens on all of them. */
static void add_hosts(char *out, size_t size)
{
	struct ifaddrs *all = NULL;
	char host[NI_MAXHOST];

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		int family = i->ifa_addr ? i->ifa_addr->sa_family : 0;
		size_t at = strlen(out);

		if ((family != AF_INET && family != AF_INET6) ||
		    getnameinfo(i->ifa_addr,
				family == AF_INET ? sizeof(struct sockaddr_in)
						  : sizeof(struct sockaddr_in6),
				host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		host[strcspn(host, "%")] = 0; /* fe80::1%eth0 */
		snprintf(out + at, size - at, "%shost %s", at ? " or " : "", host);
	}
	freeifaddrs(all);
}

bool api_others(const struct api *a, char *out, size_t size)
{
	const char *address = http_address(a->http);
	bool v6 = address[0] == '[';
	char hosts[4096] = "", one[64];
	size_t n;

	if (http_is_unix(a->http) || a->conf->capture_self)
		return false;
	n = v6 ? strcspn(address, "]") - 1 : strcspn(address, ":");
	snprintf(one, sizeof(one), "%.*s", (int)n, address + v6);
	if (strcmp(one, "0.0.0.0") == 0 || strcmp(one, "::") == 0)
		add_hosts(hosts, sizeof(hosts));
	else
		snprintf(hosts, sizeof(hosts), "host %s", one);
	return hosts[0] && snprintf(out, size, "not (tcp port %u and (%s))", http_port(a->http),
				    hosts) < (int)size;
}

int api_start(struct api *a)
{
	int err = places_open(&a->places, a->run->source);

	if (err == 0)
		err = view_use_state(&a->view, a->state);
	if (err == 0)
		err = patterns_open(a);
	if (err == 0)
		err = http_watch(a->http, a->run->desk.answered);
	if (err < 0)
		return err;
	a->seen = *a->run;
	a->seen.api = NULL;
	a->seen.worker = calloc(a->conf->workers, sizeof(*a->seen.worker));
	a->seen.ring = calloc(a->conf->workers * a->run->rings + 1UL, sizeof(*a->seen.ring));
	a->stats = malloc(REPORT_STATS_MAX);
	if (!a->seen.worker || !a->seen.ring || !a->stats)
		return -ENOMEM;
	err = -pthread_create(&a->thread, NULL, serve, a);
	a->started = err == 0;
	return err;
}

void api_ended(struct api *a)
{
	atomic_store_explicit(&a->ended, true, memory_order_release);
}

void api_close(struct api *a)
{
	uint64_t one = 1;

	if (!a)
		return;
	if (a->started) {
		atomic_store_explicit(&a->stop, true, memory_order_release);
		if (write(a->run->desk.answered, &one, sizeof(one)) < 0)
			log_line("the API could not be woken");
		pthread_join(a->thread, NULL);
	}
	patterns_close(a);
	http_close(a->http);
	places_close(a->places);
	view_close(&a->view);
	json_object_put(a->preferences);
	free(a->seen.worker);
	free(a->seen.ring);
	free(a->stats);
	free(a);
}
