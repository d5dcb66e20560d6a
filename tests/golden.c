/* SPDX-License-Identifier: MIT */
/*
 * golden — runs the sensor over captures whose records were worked out by hand, and compares.
 *
 *   golden RM_XDP MKPCAP DIR|FILE...
 *
 * Expectations of records of the kinds in $LATER (blank-separated; KIND@NAME: only of capture NAME)
 * are skipped and counted: the recorded captures come with expectations for capabilities that do
 * not exist yet.
 *
 * DIR/NAME.txt is a script of mkpcap with expectations in it; DIR/NAME.expect holds expectations
 * for the recorded DIR/NAME.pcap or .pcapng. Each is run with 1, 2 and 4 workers. One worker has
 * to meet the expectations, the others have to write the same records (but `stats`, and
 * `conn.worker`, in any order). What EVENTS.md promises of every run is checked of every run: JSON
 * lines, one `flow` per stream, `stats` at the end, a balance sheet that adds up. A failure is
 * `FAIL FILE:LINE: what: expected ..., got ...`; the exit status is 1 if there was one.
 *
 *   options ARGS...              more arguments for all runs of this file
 *   run ARGS...                  one more set of runs with these, for the expectations that follow;
 *                                without any before it, the first set is left out
 *   expect status N              exit status, 0 unless given
 *   expect stderr "TEXT"         what stderr contains
 *   expect count SELECTOR N      how many records there are
 *   expect SELECTOR PATH VALUE   there is exactly one, and the member has this value
 *   expect SELECTOR PATH sha256 BYTES...    the value is the hash of these bytes in hex
 *
 * SELECTOR is EVENT or EVENT[PATH=VALUE,...]. PATH is member names joined by dots, a number selects
 * from an array; names with dots in them are found too. VALUE is the rest of the line, or "text"
 * with the escapes of mkpcap; `absent` (no such member), `~text` (contains it), `>=N`. Arrays and
 * objects are compact JSON. BYTES are "text", zeros N, fill CHAR N, as in mkpcap, with `+` between
 * them for the eye.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_WORDS = 64,
	MAX_ARGS = 48,
	MAX_PATH = 4096,
	MAX_LINES = 8192,
	HANGS = -1000,
	SECONDS = 30,         /* a run that takes longer hangs */
	MAX_OUTPUT = 1 << 30, /* a sensor that writes more than this has gone wild */
	MAX_STDERR = 1 << 16,
	CONTEXT = 80, /* bytes shown before a difference */
};

struct word {
	char *at;
	size_t len;
	bool quoted;
};

struct words {
	struct word at[MAX_WORDS];
	size_t n;
	const char *wrong;
};

struct golden {
	const char *sensor, *maker;
	char dir[32], capture[64], out[64], err[64];
	size_t passed, failed, skipped;
};

struct script {
	const char *path;
	char capture[MAX_PATH];
	char **lines;
	size_t n;
};

/* one run of the sensor */
struct run {
	int status;                  /* exit status, -signal or HANGS */
	struct json_object *records; /* array */
	char errors[MAX_STDERR];
	char wrong[160]; /* the first line that is no record */
};

/* where a check stands: printed with each failure */
struct place {
	struct golden *g;
	const char *path;
	size_t line;
	int workers;
};

static const int worker_counts[] = {1, 2, 4};

/* --- verdicts --- */

static void verdict(const struct place *p, bool ok, const char *what, const char *expected,
		    const char *got)
{
	if (ok) {
		p->g->passed++;
		return;
	}
	p->g->failed++;
	printf("FAIL %s:%zu: %s", p->path, p->line, what);
	if (p->workers > 1)
		printf(", %d workers", p->workers);
	printf(": expected %.*s, got %.*s\n", (int)strcspn(expected, "\n"), expected,
	       (int)strcspn(got, "\n"), got);
}

static void verdict_number(const struct place *p, const char *what, int64_t expected, int64_t got)
{
	char want[24], have[24];

	snprintf(want, sizeof want, "%" PRId64, expected);
	snprintf(have, sizeof have, "%" PRId64, got);
	verdict(p, expected == got, what, want, have);
}

/* --- words of a line --- */

/* decodes one character at *from, which is behind a backslash; returns it, or -1 */
static int unescape(const char **from)
{
	static const char names[] = "rnt0\"\\", values[] = "\r\n\t\0\"\\";
	const char *at = *from, *name = *at ? strchr(names, *at) : NULL;
	char hex[3] = "", *end;

	*from = at + (name ? 1 : 3);
	if (name)
		return (unsigned char)values[name - names];
	if (*at == 'x')
		strncpy(hex, at + 1, 2);
	long value = strtol(hex, &end, 16);
	return end == hex + 2 ? (int)value : -1;
}

/* cuts `line` into words in place; quotes may start anywhere in a word */
static void split(struct words *w, char *line)
{
	const char *from = line;
	char *to = line;

	w->n = 0;
	w->wrong = NULL;
	while (*(from += strspn(from, " \t"))) {
		bool open = false, quoted = *from == '"';
		char *start = to;

		if (w->n == MAX_WORDS) {
			w->wrong = "too many words";
			return;
		}
		for (; *from && (open || (*from != ' ' && *from != '\t'));) {
			int c = (unsigned char)*from++;
			if (c == '"') {
				open = !open;
				continue;
			}
			if (c == '\\' && open)
				c = unescape(&from);
			if (c < 0) {
				w->wrong = "unknown escape";
				return;
			}
			*to++ = (char)c;
		}
		if (open) {
			w->wrong = "a quote is missing";
			return;
		}
		w->at[w->n++] = (struct word){start, (size_t)(to - start), quoted};
		from += *from != 0;
		*to++ = 0;
	}
}

static bool number_of(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return *text && !*end && !errno;
}

/* --- looking into records --- */

/* finds path[0..len) in a value; the longest name wins, so that names with dots are found */
static struct json_object *find(struct json_object *in, const char *path, size_t len)
{
	struct json_object *found = NULL;

	for (size_t n = len; n > 0 && !found; n--) {
		char name[256];
		int64_t index;

		if ((n < len && path[n] != '.') || n >= sizeof name)
			continue;
		memcpy(name, path, n);
		name[n] = 0;
		if (json_object_is_type(in, json_type_array) && number_of(name, &index) &&
		    index >= 0)
			found = json_object_array_get_idx(in, (size_t)index);
		else if (json_object_is_type(in, json_type_object))
			json_object_object_get_ex(in, name, &found);
		if (found && n < len)
			found = find(found, path + n + 1, len - n - 1);
	}
	return found;
}

static struct json_object *get(struct json_object *in, const char *path)
{
	return find(in, path, strlen(path));
}

static const char *text_of(struct json_object *value)
{
	if (!value)
		return "absent";
	if (json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
}

static bool matches(struct json_object *value, const struct word *want)
{
	const char *text = text_of(value), *at = want->at;
	int64_t least, number;

	if (!want->quoted && strcmp(at, "absent") == 0)
		return !value;
	if (!value)
		return false;
	if (!want->quoted && *at == '~')
		return strstr(text, at + 1) != NULL;
	if (!want->quoted && strncmp(at, ">=", 2) == 0 && number_of(at + 2, &least))
		return number_of(text, &number) && number >= least;
	return strcmp(text, at) == 0;
}

/* whether a record is EVENT[path=value,...] */
static bool selects(const char *selector, struct json_object *record)
{
	const char *type = text_of(get(record, "event_type")), *at = strchr(selector, '[');
	size_t len = at ? (size_t)(at - selector) : strlen(selector);

	if (strlen(type) != len || strncmp(type, selector, len) != 0)
		return false;
	while (at && *at != ']') {
		size_t path = strcspn(++at, "=");
		char value[512];

		if (!at[path])
			return false;
		size_t n = strcspn(at + path + 1, ",]");
		snprintf(value, sizeof value, "%.*s", (int)n, at + path + 1);
		if (!matches(find(record, at, path), &(struct word){value, n, false}))
			return false;
		at += path + 1 + n;
		if (!*at)
			return false;
	}
	return true;
}

static size_t select_records(struct json_object *records, const char *selector,
			     struct json_object **one)
{
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *record = json_object_array_get_idx(records, i);
		if (selects(selector, record)) {
			*one = record;
			n++;
		}
	}
	return n;
}

/* --- running --- */

/* returns as `status` of struct run */
static int spawn(char *const argv[], const char *out, const char *err)
{
	const struct timespec second = {.tv_sec = 1};
	sigset_t child;
	int status;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, NULL);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0); /* so that what it started ends with it */
		struct rlimit limit = {MAX_OUTPUT, MAX_OUTPUT};
		int flags = O_WRONLY | O_CREAT | O_TRUNC;
		if (dup2(open("/dev/null", O_RDONLY), 0) < 0 ||
		    dup2(open(out, flags, 0600), 1) < 0 || dup2(open(err, flags, 0600), 2) < 0)
			_exit(126);
		pthread_sigmask(SIG_UNBLOCK, &child, NULL);
		setrlimit(RLIMIT_FSIZE, &limit);
		execvp(argv[0], argv);
		_exit(127);
	}
	for (int waited = 0; pid > 0 && waitpid(pid, &status, WNOHANG) == 0;) {
		if (sigtimedwait(&child, NULL, &second) >= 0 || errno != EAGAIN ||
		    ++waited < SECONDS)
			continue;
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		return HANGS;
	}
	return pid < 0 ? -1 : WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void file_head(const char *path, char *at, size_t size)
{
	FILE *in = fopen(path, "r");

	at[in ? fread(at, 1, size - 1, in) : 0] = 0;
	if (in)
		fclose(in);
}

static void records_read(struct run *r, const char *path)
{
	struct json_tokener *tok = json_tokener_new();
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t len;

	r->records = json_object_new_array();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	while (in && (len = getline(&line, &cap, in)) >= 0) {
		struct json_object *record = NULL;

		number++;
		json_tokener_reset(tok);
		if (len > 1 && line[len - 1] == '\n')
			record = json_tokener_parse_ex(tok, line, (int)len - 1);
		if (json_object_is_type(record, json_type_object) &&
		    json_tokener_get_parse_end(tok) == (size_t)len - 1) {
			json_object_array_add(r->records, record);
			continue;
		}
		json_object_put(record);
		if (!*r->wrong)
			snprintf(r->wrong, sizeof r->wrong, "line %zu: %.100s", number, line);
	}
	free(line);
	if (in)
		fclose(in);
	json_tokener_free(tok);
}

static void run_sensor(const struct golden *g, const char *capture, int workers,
		       const struct words *more, struct run *r)
{
	char count[12];
	const char *args[MAX_ARGS + 12] = {g->sensor,       "--pcap", capture,     "--output", "-",
					   "--stream-hash", "sha256", "--workers", count};
	size_t n = 9;

	snprintf(count, sizeof count, "%d", workers);
	for (size_t i = 0; i < more->n && i < MAX_ARGS; i++)
		args[n++] = more->at[i].at;
	*r = (struct run){.status = spawn((char *const *)args, g->out, g->err)};
	file_head(g->err, r->errors, sizeof r->errors);
	records_read(r, g->out);
}

/* --- what holds for every run --- */

static int64_t sum_of(struct json_object *counts)
{
	int64_t sum = 0;

	if (!json_object_is_type(counts, json_type_object))
		return -1;
	json_object_object_foreach(counts, name, count)
	{
		(void)name;
		sum += json_object_get_int64(count);
	}
	return sum;
}

static void check_balance(const struct place *p, struct json_object *last)
{
	struct json_object *balance = get(last, "stats.balance");
	const char *type = text_of(get(last, "event_type")), *ok = text_of(get(balance, "ok"));
	int64_t in = json_object_get_int64(get(balance, "in"));
	int64_t out = sum_of(get(balance, "out")), dropped = sum_of(get(balance, "dropped"));

	verdict(p, strcmp(type, "stats") == 0, "last record", "stats", type);
	verdict(p, strcmp(ok, "true") == 0, "stats.balance.ok", "true", ok);
	verdict(p, out >= 0 && dropped >= 0 && in == out + dropped, "stats.balance",
		"in = out + dropped", text_of(balance));
}

/* each stream that is in a record of stream life has exactly one flow record */
static void check_flows(const struct place *p, struct json_object *records)
{
	struct json_object *flows = json_object_new_object();
	const char *wrong = NULL;

	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *record = json_object_array_get_idx(records, i), *old = NULL;
		const char *type = text_of(get(record, "event_type"));
		bool flow = strcmp(type, "flow") == 0;

		if (!flow && strcmp(type, "stream_open") != 0 && strcmp(type, "stream_update") != 0)
			continue;
		json_object_object_get_ex(flows, text_of(get(record, "stream_id")), &old);
		json_object_object_add(flows, text_of(get(record, "stream_id")),
				       json_object_new_int(json_object_get_int(old) + flow));
	}
	json_object_object_foreach(flows, id, count)
	{
		if (json_object_get_int(count) != 1 && !wrong)
			wrong = id;
	}
	verdict(p, !wrong, "flow records of each stream_id", "1", wrong ? wrong : "");
	json_object_put(flows);
}

static void check_run(const struct place *p, const struct run *r)
{
	size_t n = json_object_array_length(r->records);
	char status[48];

	snprintf(status, sizeof status,
		 r->status == HANGS ? "no end in %d s" : "signal or errno %d",
		 r->status == HANGS ? SECONDS : -r->status);
	verdict(p, r->status >= 0 && r->status < 126, "the run", "an end", status);
	verdict(p, !strstr(r->errors, "Sanitizer") && !strstr(r->errors, "runtime error:"),
		"stderr", "no report of a sanitizer", r->errors);
	verdict(p, !*r->wrong, "output", "a JSON object in each line", r->wrong);
	check_balance(p, n ? json_object_array_get_idx(r->records, n - 1) : NULL);
	check_flows(p, r->records);
}

/* --- the same records, whatever the number of workers --- */

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The records that must not depend on the number of workers, as sorted texts. Members stand in the
 * order in which they were written, as one program has one order. The texts belong to the records.
 */
static const char **texts_of(struct json_object *records, size_t *n)
{
	size_t total = json_object_array_length(records);
	const char **texts = calloc(total + 1, sizeof *texts);

	*n = 0;
	for (size_t i = 0; i < total && texts; i++) {
		struct json_object *record = json_object_array_get_idx(records, i);

		if (json_object_is_type(get(record, "conn"), json_type_object))
			json_object_object_del(get(record, "conn"), "worker");
		if (strcmp(text_of(get(record, "event_type")), "stats") != 0)
			texts[(*n)++] = text_of(record);
	}
	if (texts)
		qsort(texts, *n, sizeof *texts, text_order);
	return texts;
}

static void check_same(const struct place *p, const struct run *one, const struct run *other)
{
	size_t n, m, i = 0, same;
	char want[4 * CONTEXT], have[4 * CONTEXT];
	const char **a = texts_of(one->records, &n), **b = texts_of(other->records, &m);

	while (i < n && i < m && strcmp(a[i], b[i]) == 0)
		i++;
	const char *here = i < m ? b[i] : "no more", *there = i < n ? a[i] : "no more";
	for (same = 0; here[same] && here[same] == there[same];)
		same++;
	same -= same < CONTEXT ? same : CONTEXT;
	snprintf(want, sizeof want, "%s", there + same);
	snprintf(have, sizeof have, "%s", here + same);
	verdict(p, i == n && i == m, "records that differ from those of one worker", want, have);
	free(a);
	free(b);
	verdict_number(p, "exit status", one->status, other->status);
}

/* --- expectations --- */

/* BYTES from the word `at` on; false if they are wrong */
static bool bytes_make(const struct words *w, size_t at, FILE *out)
{
	for (; at < w->n; at++) {
		const char *kind = w->at[at].at;
		bool fill = strcmp(kind, "fill") == 0;
		int64_t n;

		if (w->at[at].quoted) {
			fwrite(kind, 1, w->at[at].len, out);
			continue;
		}
		if (strcmp(kind, "+") == 0)
			continue;
		at += 1 + fill;
		if ((!fill && strcmp(kind, "zeros") != 0) || at >= w->n ||
		    !number_of(w->at[at].at, &n))
			return false;
		for (int64_t i = 0; i < n; i++)
			fputc(fill ? *w->at[at - 1].at : 0, out);
	}
	return true;
}

static bool bytes_hash(const struct words *w, size_t at, char hex[65])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char *bytes = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&bytes, &len);
	bool ok = out && bytes_make(w, at, out);

	ok = out && fclose(out) == 0 && ok &&
	     EVP_Digest(bytes, len, hash, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 32 && ok; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	free(bytes);
	return ok;
}

static void expect_member(const struct place *p, const struct words *w, const struct run *r)
{
	const char *selector = w->at[1].at, *path = w->at[2].at;
	struct json_object *record = NULL, *value;
	size_t n = select_records(r->records, selector, &record);
	struct word want = w->at[3];
	char what[512], hex[65], rest[1024];

	if (w->n > 4 && !want.quoted && strcmp(want.at, "sha256") == 0) {
		if (!bytes_hash(w, 4, hex)) {
			verdict(p, false, "expect", "bytes behind sha256", "something else");
			return;
		}
		want.at = hex;
	} else if (w->n > 4) { /* a value with blanks in it */
		size_t len = 0;

		for (size_t i = 3; i < w->n && len < sizeof rest; i++)
			len += (size_t)snprintf(rest + len, sizeof rest - len, "%s%s",
						i > 3 ? " " : "", w->at[i].at);
		want.at = rest;
	}
	if (n != 1) {
		snprintf(what, sizeof what, "records that are %s", selector);
		verdict_number(p, what, 1, (int64_t)n);
		return;
	}
	value = get(record, path);
	snprintf(what, sizeof what, "%s %s", selector, path);
	verdict(p, matches(value, &want), what, want.at, text_of(value));
}

/* Whether the expectation is about records of a kind that is still to come. */
static bool is_later(const struct place *p, const struct words *w)
{
	const char *later = getenv("LATER"); /* NOLINT(concurrency-mt-unsafe): one thread */
	const char *selector, *name = strrchr(p->path, '/');
	size_t len;

	name = name ? name + 1 : p->path;
	if (!later || w->n < 3)
		return false;
	selector = w->at[strcmp(w->at[1].at, "count") == 0 ? 2 : 1].at;
	len = strcspn(selector, "[");
	while (*later) {
		size_t n = strcspn(later, " ");

		if (strncmp(later, selector, len) == 0 &&
		    (n == len ||
		     (later[len] == '@' && strncmp(later + len + 1, name, n - len - 1) == 0 &&
		      name[n - len - 1] == '.')))
			return true;
		later += n + (later[n] == ' ');
	}
	return false;
}

static void expect_check(const struct place *p, const struct words *w, const struct run *r)
{
	const char *kind = w->n > 2 ? w->at[1].at : "";
	struct json_object *record;
	int64_t number;

	if (!w->wrong && is_later(p, w)) {
		p->g->skipped++;
		return;
	}
	if (w->wrong || w->n < 3)
		verdict(p, false, "expect", "a whole line", w->wrong ? w->wrong : "less");
	else if (w->n == 3 && strcmp(kind, "status") == 0 && number_of(w->at[2].at, &number))
		verdict_number(p, "exit status", number, r->status);
	else if (w->n == 3 && strcmp(kind, "stderr") == 0)
		verdict(p, strstr(r->errors, w->at[2].at) != NULL, "stderr", w->at[2].at,
			r->errors);
	else if (w->n == 4 && strcmp(kind, "count") == 0 && number_of(w->at[3].at, &number))
		verdict_number(p, w->at[2].at, number,
			       (int64_t)select_records(r->records, w->at[2].at, &record));
	else if (w->n > 3 && strcmp(kind, "count") != 0)
		expect_member(p, w, r);
	else
		verdict(p, false, "expect", "status, stderr, count or SELECTOR PATH VALUE", kind);
}

static bool starts(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 &&
	       (!line[len] || line[len] == ' ' || line[len] == '\t');
}

/* --- files --- */

/* the expectations in lines [from, to) against the run with one worker */
static void check_lines(struct place p, const struct script *s, size_t from, size_t to,
			const struct run *r)
{
	bool status = false;

	for (size_t i = from; i < to; i++) {
		struct words w;
		char *line = starts(s->lines[i], "expect") ? strdup(s->lines[i]) : NULL;

		if (!line)
			continue;
		p.line = i + 1;
		split(&w, line);
		status |= w.n > 1 && strcmp(w.at[1].at, "status") == 0;
		expect_check(&p, &w, r);
		free(line);
	}
	p.line = from + 1;
	if (!status)
		verdict_number(&p, "exit status", 0, r->status);
}

/* lines [from, to): the head of the file or a `run` line, and the expectations behind it */
static void check_section(struct golden *g, const struct script *s, size_t from, size_t to)
{
	struct run *one = calloc(1, sizeof *one), *other = calloc(1, sizeof *other);
	struct place p = {g, s->path, from + 1, 1};
	char text[MAX_PATH] = "";
	struct words args;

	for (size_t i = 0; i < s->n; i++) {
		const char *more = strpbrk(s->lines[i], " \t");
		size_t len = strlen(text);

		if (more &&
		    (starts(s->lines[i], "options") || (i == from && starts(s->lines[i], "run"))))
			snprintf(text + len, sizeof text - len, "%s", more);
	}
	split(&args, text);
	for (size_t i = 0; one && other && i < sizeof worker_counts / sizeof *worker_counts; i++) {
		struct run *r = i ? other : one;

		p.workers = worker_counts[i];
		run_sensor(g, s->capture, p.workers, &args, r);
		check_run(&p, r);
		if (i) {
			check_same(&p, one, other);
			json_object_put(other->records);
		} else {
			check_lines(p, s, from, to, one);
		}
	}
	if (one)
		json_object_put(one->records);
	free(one);
	free(other);
}

static void check_sections(struct golden *g, const struct script *s)
{
	size_t from = 0, expects = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (starts(s->lines[i], "run")) {
			if (from || expects)
				check_section(g, s, from, i);
			from = i;
		}
		expects += starts(s->lines[i], "expect");
	}
	check_section(g, s, from, s->n);
}

/* finds the capture of recorded expectations, or makes it from the script */
static bool capture_make(struct golden *g, struct script *s)
{
	const char *dot = strrchr(s->path, '.');
	char *const args[] = {(char *)g->maker, (char *)s->path, g->capture, NULL};
	char errors[512];

	if (strcmp(dot, ".txt") == 0) {
		int status = spawn(args, "/dev/null", g->err);
		file_head(g->err, errors, sizeof errors);
		snprintf(s->capture, sizeof s->capture, "%s", g->capture);
		verdict(&(struct place){g, s->path, 1, 1}, status == 0, "mkpcap", "a capture",
			errors);
		return status == 0;
	}
	for (const char *const *end = (const char *const[]){".pcap", ".pcapng", NULL}; *end;
	     end++) {
		snprintf(s->capture, sizeof s->capture, "%.*s%s", (int)(dot - s->path), s->path,
			 *end);
		if (access(s->capture, R_OK) == 0)
			return true;
	}
	verdict(&(struct place){g, s->path, 1, 1}, false, "capture", ".pcap or .pcapng", "none");
	return false;
}

static void check_file(struct golden *g, const char *path)
{
	struct script s = {.path = path};
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;

	s.lines = calloc(MAX_LINES, sizeof *s.lines);
	while (in && s.lines && s.n < MAX_LINES && getline(&line, &cap, in) >= 0) {
		line[strcspn(line, "\r\n")] = 0;
		s.lines[s.n++] = line;
		line = NULL;
	}
	free(line);
	if (!in || !s.lines || !feof(in))
		verdict(&(struct place){g, path, s.n, 1}, false, "file", "readable",
			"not, or too long");
	else if (capture_make(g, &s))
		check_sections(g, &s);
	if (in)
		fclose(in);
	for (size_t i = 0; i < s.n; i++)
		free(s.lines[i]);
	free(s.lines);
}

static int is_test(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && (strcmp(dot, ".txt") == 0 || strcmp(dot, ".expect") == 0);
}

static void check_path(struct golden *g, const char *path)
{
	struct dirent **entries;
	char file[MAX_PATH];
	int n = scandir(path, &entries, is_test, alphasort);

	if (n < 0 && errno == ENOTDIR) {
		check_file(g, path);
		return;
	}
	verdict(&(struct place){g, path, 0, 1}, n > 0, "folder", "tests in it", "none");
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
		check_file(g, file);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	struct golden g = {.dir = "/tmp/golden-XXXXXX"};

	if (argc < 4 || !mkdtemp(g.dir)) {
		fprintf(stderr,
			"usage: golden RM_XDP MKPCAP DIR|FILE... (and /tmp must be writable)\n");
		return 2;
	}
	g.sensor = argv[1];
	g.maker = argv[2];
	snprintf(g.capture, sizeof g.capture, "%s/capture.pcap", g.dir);
	snprintf(g.out, sizeof g.out, "%s/out", g.dir);
	snprintf(g.err, sizeof g.err, "%s/err", g.dir);
	for (int i = 3; i < argc; i++)
		check_path(&g, argv[i]);
	unlink(g.capture);
	unlink(g.out);
	unlink(g.err);
	rmdir(g.dir);
	printf("golden: %zu passed, %zu failed, %zu skipped\n", g.passed, g.failed, g.skipped);
	return g.failed > 0;
}
