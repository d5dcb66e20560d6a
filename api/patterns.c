/* SPDX-License-Identifier: MIT */
/*
 * patterns — what is looked for, changed while packets come.
 *
 * A change is tried apart: the whole new list is compiled in a process of its own, with bounds on
 * time and memory.  Where that succeeds all workers go over to the new set, and once none of them
 * uses the old one any more it is freed.  One change at a time; what fails leaves all as it was.
 *
 * A rescan looks through what the workers keep, in slices between packets; what it finds twice is
 * told once.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/inside.h"
#include "user/base/log.h"

#define COMPILE_MS  10000U
#define INSTALL_MS  20000U       /* from its beginning */
#define SLICE_BYTES (256U << 10) /* a slice of a worker's */
#define WHY         (PATTERN_BYTES + 512)

/* A pattern: as in a pattern file, and what it is called. */
struct entry {
	struct json_object *o;
	enum pattern_kind kind;
	uint32_t ordinal, signature;
	bool saved;              /* made by a person, not given at the start */
	char stored[PATTERN_ID]; /* its name in the file, or empty */
};

struct list {
	struct entry *at;
	uint32_t n;
};

struct patterns {
	struct list list;
	uint32_t next[PATTERN_PACK]; /* ordinals that were never used, by kind */
	int self;                    /* the program, to be run apart */
	struct pattern_set *set;     /* of the workers; NULL: that of the start, or none */
	/* a change under way */
	struct list wanted;
	struct call *call; /* who waits for it, or NULL */
	uint32_t answer;   /* entry to answer with; UINT32_MAX: the list */
	pid_t pid;         /* compiling; 0: not */
	int out;           /* what it says */
	uint64_t since_ms;
	struct pattern_set *coming; /* the workers go over to it */
	uint32_t owed;
	bool failed; /* of those who went over */
	bool rescan_next;
	/* a rescan */
	struct {
		bool on, asked;
		uint64_t at, of;
	} rescan[ASK_WORKERS];
	bool rescanning;
	uint64_t scanned, to_scan;
};

static const char *const kinds[] = {"substring", "regex", "binary", "pack"};

/* ---- lists ---- */

static void drop_list(struct list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		json_object_put(l->at[i].o);
	free(l->at);
	*l = (struct list){0};
}

/* A copy with room for one more; objects are shared until one is replaced. */
static bool copy_list(const struct list *from, struct list *to)
{
	to->at = calloc(from->n + 1UL, sizeof(*to->at));
	to->n = to->at ? from->n : 0;
	for (uint32_t i = 0; i < to->n; i++) {
		to->at[i] = from->at[i];
		json_object_get(to->at[i].o);
	}
	return to->at;
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static struct json_object *object_of(const struct pattern *p)
{
	static const char *const directions[] = {"both", "a_to_b", "b_to_a"};
	struct json_object *o = json_object_new_object(), *ports;

	add_text(o, "name", p->name);
	add_text(o, "kind", kinds[p->kind]);
	add_text(o, "pattern", p->text);
	if (p->caseless)
		json_object_object_add(o, "case", json_object_new_boolean(false));
	if (p->direction != PATTERN_BOTH)
		add_text(o, "direction", directions[p->direction]);
	if (p->service >= 0)
		add_text(o, "service", service_name_text((enum service_name)p->service));
	if (p->colour)
		add_text(o, "colour", p->colour);
	if (p->ports) {
		ports = json_object_new_array();
		for (uint8_t i = 0; i < p->ports; i++)
			json_object_array_add(ports, json_object_new_int(p->port[i]));
		json_object_object_add(o, "ports", ports);
	}
	return o;
}

/* Fills in what follows from the object; false after saying why. */
static bool understand(struct entry *e, char *why, size_t size)
{
	struct pattern_set *set = pattern_set_new();
	bool good = set && pattern_add_object(set, e->o, 0, why, size) == 0;

	if (good) {
		e->kind = pattern_at(set, 0)->kind;
		e->signature = pattern_at(set, 0)->signature;
	}
	pattern_set_free(set);
	return good;
}

/* ---- a change ---- */

static void name_of(const struct entry *e, char out[PATTERN_ID])
{
	pattern_id(out, e->kind, e->ordinal);
}

static struct json_object *json_of(const struct list *l)
{
	struct json_object *list = json_object_new_array_ext((int)l->n);

	for (uint32_t i = 0; i < l->n; i++)
		json_object_array_add(list, json_object_get(l->at[i].o));
	return list;
}

static void give_up(struct api *a, int status, const char *why)
{
	struct patterns *p = a->patterns;

	drop_list(&p->wanted);
	if (p->call)
		call_error(p->call, status, status == 422 ? "bad_pattern" : NULL, "%s", why);
	else
		log_line("saved patterns: %s", why);
	p->call = NULL;
}

/* Starts the process that compiles p->wanted; false after giving up. */
static bool compile(struct api *a)
{
	struct patterns *p = a->patterns;
	struct json_object *list = json_of(&p->wanted);
	int in = memfd_create("patterns", MFD_CLOEXEC);
	char self[32];
	char *const argv[] = {(char *)"rm-xdp", (char *)"--compile-patterns", NULL};
	char *const env[] = {NULL};
	posix_spawn_file_actions_t files;
	int err = in < 0 ? errno : 0;

	p->out = memfd_create("compiled", MFD_CLOEXEC);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", p->self);
	if (err == 0 && (p->out < 0 || json_object_to_fd(in, list, JSON_C_TO_STRING_PLAIN) < 0 ||
			 lseek(in, 0, SEEK_SET) < 0))
		err = errno;
	json_object_put(list);
	if (err == 0) {
		posix_spawn_file_actions_init(&files);
		posix_spawn_file_actions_adddup2(&files, in, 0);
		posix_spawn_file_actions_adddup2(&files, p->out, 1);
		err = posix_spawn(&p->pid, self, &files, NULL, argv, env);
		posix_spawn_file_actions_destroy(&files);
	}
	if (in >= 0)
		close(in);
	p->since_ms = clock_ns() / 1000000;
	if (err == 0)
		return true;
	if (p->out >= 0)
		close(p->out);
	p->pid = 0;
	give_up(a, 503, "patterns cannot be compiled: no process for it");
	return false;
}

static struct pattern_set *set_of(const struct list *l, int fd, char *why, size_t size)
{
	struct pattern_set *set = pattern_set_new();
	struct stat st;
	uint8_t *bytes = NULL;
	bool good = set && fstat(fd, &st) == 0;

	for (uint32_t i = 0; good && i < l->n; i++) {
		good = pattern_add_object(set, l->at[i].o, i, why, size) == 0;
		if (good)
			pattern_number(set, i, l->at[i].ordinal);
	}
	if (good && st.st_size)
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		bytes = NULL;
	if (good)
		good = pattern_restore(set, bytes, bytes ? (size_t)st.st_size : 0, why, size) == 0;
	if (bytes)
		munmap(bytes, (size_t)st.st_size);
	if (!good) {
		pattern_set_free(set);
		return NULL;
	}
	return set;
}

/* The workers go over to the new set. */
static void install(struct api *a, uint64_t now)
{
	struct patterns *p = a->patterns;
	struct ask *q[ASK_WORKERS];
	uint32_t n = 0;

	while (n < a->conf->workers && (q[n] = ask_take(&a->run->desk)))
		n++;
	if (n < a->conf->workers) { /* none, or all of them: at one of the next looks */
		while (n)
			ask_put(q[--n]);
		if (now - p->since_ms <= INSTALL_MS)
			return;
		pattern_set_free(p->coming);
		p->coming = NULL;
		give_up(a, 503, "too many questions are under way");
		return;
	}
	p->owed = n;
	for (uint32_t w = 0; w < n; w++) {
		q[w]->kind = ASK_PATTERNS;
		q[w]->worker = (uint16_t)w;
		q[w]->patterns = pattern_count(p->coming) ? p->coming : NULL;
		ask_send(&a->run->desk, q[w]);
	}
}

static void look_compiling(struct api *a, uint64_t now)
{
	struct patterns *p = a->patterns;
	char why[WHY] = "out of memory";
	int status = -1; /* where it cannot be had, the child was none that exits */

	if (waitpid(p->pid, &status, WNOHANG) == 0) {
		if (now - p->since_ms > COMPILE_MS)
			kill(p->pid, SIGKILL);
		return;
	}
	p->pid = 0;
	if (!WIFEXITED(status)) {
		give_up(a, 422, "the patterns take too long or too much memory to compile");
	} else {
		p->coming = set_of(&p->wanted, p->out, why, sizeof(why));
		if (p->coming)
			install(a, now);
		else
			give_up(a, 422, why[0] ? why : "the patterns cannot be compiled");
	}
	close(p->out);
}

/* ---- answers ---- */

static void out_entry(struct api *a, struct out *o, const struct entry *e)
{
	char id[PATTERN_ID], signature[16];
	const struct found_pattern *f;
	const char *text;

	name_of(e, id);
	snprintf(signature, sizeof(signature), "%u", e->signature);
	f = found_named(&a->view.found, signature, strlen(signature));
	text = json_object_to_json_string_ext(e->o, JSON_C_TO_STRING_PLAIN |
							    JSON_C_TO_STRING_NOSLASHESCAPE);
	out_object(o, NULL);
	out_text(o, "id", id);
	out_u64(o, "signature_id", e->signature);
	out_raw(o, "definition", span_of((const uint8_t *)text, strlen(text)));
	out_bool(o, "saved", e->saved);
	out_u64(o, "matches", f ? f->matches : 0);
	out_u64(o, "streams", f ? f->streams : 0);
	out_end_object(o);
}

static void out_packs(struct api *a, struct out *o)
{
	for (uint32_t i = 0; i < found_patterns(&a->view.found); i++) {
		const struct found_pattern *f = found_pattern(&a->view.found, i);
		char id[PATTERN_ID];

		if (f->kind != PATTERN_PACK)
			continue;
		pattern_id(id, PATTERN_PACK, f->ordinal);
		out_object(o, NULL);
		out_text(o, "id", id);
		out_u64(o, "signature_id", f->signature);
		out_object(o, "definition");
		out_text(o, "name", f->name);
		out_text(o, "kind", "pack");
		out_end_object(o);
		out_bool(o, "saved", false);
		out_u64(o, "matches", f->matches);
		out_u64(o, "streams", f->streams);
		out_end_object(o);
	}
}

static void out_rescan(struct api *a, struct out *o)
{
	const struct patterns *p = a->patterns;

	out_object(o, "rescan");
	out_text(o, "state", p->rescanning ? "running" : "idle");
	out_u64(o, "scanned_streams", p->scanned);
	out_u64(o, "streams", p->to_scan);
	out_end_object(o);
}

static void reply_list(struct api *a, struct call *c)
{
	struct patterns *p = a->patterns;
	struct out *o = &c->out;

	out_object(o, NULL);
	out_array(o, "patterns");
	for (uint32_t i = 0; i < p->list.n; i++)
		out_entry(a, o, &p->list.at[i]);
	out_packs(a, o);
	out_end_array(o);
	out_u64(o, "limit", PATTERN_MAX);
	out_rescan(a, o);
	out_end_object(o);
	call_reply(c, 200);
}

static void reply_one(struct api *a, struct call *c, uint32_t i)
{
	struct out *o = &c->out;

	out_object(o, NULL);
	out_raw(o, "pattern", span_of((const uint8_t *)"", 0));
	o->comma = false;
	out_entry(a, o, &a->patterns->list.at[i]);
	out_rescan(a, o);
	out_end_object(o);
	call_reply(c, 200);
}

static void reply_call(struct api *a)
{
	struct patterns *p = a->patterns;
	struct call *c = p->call;

	p->call = NULL;
	if (!c)
		return;
	if (p->answer < p->list.n)
		reply_one(a, c, p->answer);
	else
		reply_list(a, c);
}

/* The whole list of a person's own, as it is from now on. */
static void save_list(struct api *a, const struct list *before)
{
	const struct list *now = &a->patterns->list, *both[] = {before, now};

	for (int k = 0; k < 2; k++)
		for (uint32_t i = 0; i < both[k]->n; i++)
			if (both[k]->at[i].stored[0])
				saved_put(a->view.saved, "pattern", both[k]->at[i].stored, NULL);
	for (uint32_t i = 0; i < now->n; i++) {
		struct entry *e = &now->at[i];

		if (!e->saved)
			continue;
		name_of(e, e->stored);
		saved_put(a->view.saved, "pattern", e->stored,
			  json_object_to_json_string_ext(e->o, JSON_C_TO_STRING_PLAIN));
	}
}

static void begin_rescan(struct api *a)
{
	struct patterns *p = a->patterns;

	p->rescanning = true;
	p->scanned = p->to_scan = 0;
	for (uint32_t w = 0; w < a->conf->workers; w++)
		p->rescan[w].on = true, p->rescan[w].at = p->rescan[w].of = 0;
}

static void adopt(struct api *a)
{
	struct patterns *p = a->patterns;
	struct list before = p->list;

	p->list = p->wanted;
	p->wanted = (struct list){0};
	save_list(a, &before);
	drop_list(&before);
	if (p->rescan_next)
		begin_rescan(a);
	p->rescan_next = false;
	deltas_add(&a->view.deltas, DELTA_VIEW, NULL, 0);
	reply_call(a);
}

void patterns_answer(struct api *a, struct ask *q)
{
	struct patterns *p = a->patterns;
	uint32_t w = q->worker;

	if (q->kind == ASK_RESCAN) {
		p->rescan[w].asked = false;
		p->rescan[w].at = q->next[0];
		p->rescan[w].of = q->to_scan;
		p->rescan[w].on &= q->more;
		ask_put(q);
		return;
	}
	p->failed |= q->got != ASK_GOOD;
	ask_put(q);
	if (--p->owed)
		return;
	if (p->failed)
		log_line("no memory for the new patterns in every worker: those without look for "
			 "none until the next change");
	p->failed = false;
	pattern_set_free(p->set);
	p->set = p->coming;
	p->coming = NULL;
	adopt(a);
}

static void look_rescan(struct api *a)
{
	struct patterns *p = a->patterns;
	bool any = false;

	p->scanned = p->to_scan = 0;
	for (uint32_t w = 0; w < a->conf->workers; w++) {
		struct ask *q;

		p->scanned += p->rescan[w].at;
		p->to_scan += p->rescan[w].of;
		any |= p->rescan[w].on || p->rescan[w].asked;
		if (!p->rescan[w].on || p->rescan[w].asked || !(q = ask_take(&a->run->desk)))
			continue;
		q->kind = ASK_RESCAN;
		q->worker = (uint16_t)w;
		q->from = p->rescan[w].at;
		q->limit = SLICE_BYTES;
		p->rescan[w].asked = true;
		ask_send(&a->run->desk, q);
	}
	if (!any) {
		p->rescanning = false;
		deltas_add(&a->view.deltas, DELTA_VIEW, NULL, 0);
	}
}

void patterns_look(struct api *a, uint64_t now)
{
	struct patterns *p = a->patterns;

	if (p->pid)
		look_compiling(a, now);
	else if (p->coming && !p->owed)
		install(a, now);
	if (p->rescanning && !p->owed)
		look_rescan(a);
}

void patterns_forget(struct api *a, const struct call *c)
{
	if (a->patterns && a->patterns->call == c)
		a->patterns->call = NULL;
}

/* ---- requests ---- */

static bool is_busy(struct api *a, struct call *c)
{
	if (!a->patterns->pid && !a->patterns->coming)
		return false;
	call_error(c, 503, "overloaded", "another change of the patterns is under way");
	return true;
}

static bool can_match(struct api *a, struct call *c)
{
	if (a->conf->matches_per_stream && a->conf->matches_total && !a->conf->no_view)
		return true;
	call_error(c, 409, NULL,
		   "matches are switched off: see --max-pattern-matches-total and "
		   "--max-pattern-matches-per-stream");
	return false;
}

/* `rescan` is for us, not of the pattern; false after an answer. */
static bool take_rescan(struct call *c, bool *given, bool *rescan)
{
	struct json_object *v;

	*given = *rescan = false;
	if (!json_object_is_type(c->body, json_type_object)) {
		call_error(c, 400, NULL, "the body is no object");
		return false;
	}
	if (!json_object_object_get_ex(c->body, "rescan", &v))
		return true;
	if (!json_object_is_type(v, json_type_boolean)) {
		call_error(c, 400, NULL, "rescan takes true or false");
		return false;
	}
	*given = true;
	*rescan = json_object_get_boolean(v);
	json_object_object_del(c->body, "rescan");
	return true;
}

/* The list with this entry in place i is tried. */
static void try_entry(struct api *a, struct call *c, uint32_t i, struct entry *e, bool rescan)
{
	struct patterns *p = a->patterns;
	char why[WHY] = "out of memory";

	if (!understand(e, why, sizeof(why))) {
		json_object_put(e->o);
		call_error(c, 422, "bad_pattern", "%s", why);
		return;
	}
	if (e->kind == PATTERN_PACK || !copy_list(&p->list, &p->wanted)) {
		json_object_put(e->o);
		call_error(c, 422, "bad_pattern", "%s", why);
		return;
	}
	if (i == p->wanted.n)
		p->wanted.n++;
	else
		json_object_put(p->wanted.at[i].o);
	if (i == p->list.n || p->list.at[i].kind != e->kind)
		e->ordinal = p->next[e->kind]++;
	p->wanted.at[i] = *e;
	p->call = c;
	p->answer = i;
	p->rescan_next = rescan;
	compile(a);
}

void patterns_list(struct api *a, struct call *c)
{
	reply_list(a, c);
}

void patterns_add(struct api *a, struct call *c)
{
	struct entry e = {.saved = true};
	bool given, rescan;

	if (is_busy(a, c) || !can_match(a, c) || !take_rescan(c, &given, &rescan))
		return;
	if (a->patterns->list.n == PATTERN_MAX) {
		call_error(c, 409, NULL, "there are %u patterns already", PATTERN_MAX);
		return;
	}
	e.o = json_object_get(c->body);
	try_entry(a, c, a->patterns->list.n, &e, rescan);
}

/* Its place, or UINT32_MAX after an answer. */
static uint32_t call_pattern(struct api *a, struct call *c)
{
	const struct list *l = &a->patterns->list;
	char id[PATTERN_ID];

	for (uint32_t i = 0; i < l->n; i++) {
		name_of(&l->at[i], id);
		if (strcmp(id, c->part) == 0)
			return i;
		snprintf(id, sizeof(id), "%u", l->at[i].signature);
		if (strcmp(id, c->part) == 0)
			return i;
	}
	call_error(c, 404, NULL, "no pattern \"%.64s\"", c->part);
	return UINT32_MAX;
}

static bool same_but_looks(struct json_object *x, struct json_object *y)
{
	static const char *const looks[] = {"name", "colour", "color"};
	struct json_object *a = NULL, *b = NULL;
	bool same;

	json_object_deep_copy(x, &a, NULL);
	json_object_deep_copy(y, &b, NULL);
	for (int i = 0; i < 3; i++) {
		json_object_object_del(a, looks[i]);
		json_object_object_del(b, looks[i]);
	}
	same = json_object_equal(a, b);
	json_object_put(a);
	json_object_put(b);
	return same;
}

void patterns_change(struct api *a, struct call *c)
{
	struct patterns *p = a->patterns;
	uint32_t i = call_pattern(a, c);
	bool given, rescan, looks;
	struct entry e;
	char why[WHY] = "";

	if (i == UINT32_MAX || is_busy(a, c) || !can_match(a, c) ||
	    !take_rescan(c, &given, &rescan))
		return;
	if (given && !rescan)
		for (uint32_t w = 0; w < a->conf->workers; w++)
			p->rescan[w].on = false;
	e = p->list.at[i];
	e.o = NULL;
	json_object_deep_copy(p->list.at[i].o, &e.o, NULL);
	json_object_object_foreach(c->body, name, v)
	{
		json_object_object_add(e.o, name, json_object_get(v));
	}
	looks = same_but_looks(e.o, p->list.at[i].o);
	if (!looks) {
		e.saved = true;
		try_entry(a, c, i, &e, rescan);
		return;
	}
	if (!understand(&e, why, sizeof(why))) {
		json_object_put(e.o);
		call_error(c, 422, "bad_pattern", "%s", why);
		return;
	}
	if (!json_object_equal(e.o, p->list.at[i].o)) {
		struct list before = p->list;

		json_object_put(p->list.at[i].o);
		p->list.at[i] = e;
		save_list(a, &before);
	} else {
		json_object_put(e.o);
	}
	if (rescan)
		begin_rescan(a);
	reply_one(a, c, i);
}

void patterns_remove(struct api *a, struct call *c)
{
	struct patterns *p = a->patterns;
	uint32_t i = call_pattern(a, c);

	if (i == UINT32_MAX || is_busy(a, c))
		return;
	if (!copy_list(&p->list, &p->wanted)) {
		call_error(c, 503, NULL, "out of memory");
		return;
	}
	json_object_put(p->wanted.at[i].o);
	memmove(&p->wanted.at[i], &p->wanted.at[i + 1],
		(p->wanted.n - i - 1) * sizeof(p->wanted.at[0]));
	p->wanted.n--;
	p->call = c;
	p->answer = UINT32_MAX;
	p->rescan_next = false;
	compile(a);
}

/* ---- opening ---- */

/* Those of the command line, then a person's own, which are compiled first. */
int patterns_open(struct api *a)
{
	struct patterns *p = a->patterns = calloc(1, sizeof(*p));
	uint32_t n = pattern_count(a->run->patterns);
	const char *name, *text;
	int64_t cursor = 0;

	if (!p)
		return -ENOMEM;
	p->self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	p->list.at = calloc(n + 1UL, sizeof(*p->list.at));
	if (!p->list.at)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct pattern *from = pattern_at(a->run->patterns, i);

		p->list.at[p->list.n++] = (struct entry){.o = object_of(from),
							 .kind = from->kind,
							 .ordinal = from->ordinal,
							 .signature = from->signature};
		p->next[from->kind] = from->ordinal + 1;
	}
	if (!copy_list(&p->list, &p->wanted))
		return -ENOMEM;
	while (saved_next(a->view.saved, "pattern", &cursor, &name, &text)) {
		struct entry e = {.o = json_tokener_parse(text), .saved = true};
		struct entry *more = realloc(p->wanted.at, (p->wanted.n + 2UL) * sizeof(*more));
		char why[WHY];

		if (more)
			p->wanted.at = more;
		if (!more || !e.o || p->wanted.n == PATTERN_MAX ||
		    !understand(&e, why, sizeof(why))) {
			json_object_put(e.o);
			continue;
		}
		e.ordinal = p->next[e.kind]++;
		snprintf(e.stored, sizeof(e.stored), "%.*s", PATTERN_ID - 1, name);
		p->wanted.at[p->wanted.n++] = e;
	}
	if (p->wanted.n > p->list.n && a->conf->matches_total && a->conf->matches_per_stream)
		compile(a);
	else
		drop_list(&p->wanted);
	while (p->pid) { /* the first packet is to meet them */
		usleep(2000);
		look_compiling(a, clock_ns() / 1000000);
	}
	return 0;
}

void patterns_close(struct api *a)
{
	struct patterns *p = a->patterns;

	if (!p)
		return;
	if (p->pid) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	if (p->self >= 0)
		close(p->self);
	drop_list(&p->list);
	drop_list(&p->wanted);
	a->run->later[0] = p->set; /* the shards are still there */
	a->run->later[1] = p->coming;
	free(p);
}
