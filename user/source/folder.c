/* SPDX-License-Identifier: MIT */
/* folder — see folder.h. */
#include "user/source/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/source/known.h"
#include "user/source/listing.h"
#include "user/source/notify.h"

#define TOGETHER_NS  20000000ULL  /* files that come within this of each other came together, */
#define GATHER_NS    200000000ULL /* up to this */
#define YOUNG_NS     100000000ULL /* a file that is complete this soon is not followed */
#define SCAN_ENTRIES 2048         /* looked at in one turn: some ms */
#define NEWS_MAX     10000        /* the same */
#define SCAN_SHARE   100          /* of the time, at most one in so many is spent on scans */
#define CTIME_SLACK  60000000000ULL

struct burst_file {
	const char *name; /* while it is sorted */
	uint32_t row;
};

struct folder {
	char *path, *only;
	int dir;
	struct notify notify;
	bool follow, gone, trouble, told_refused, told_forgotten;
	uint64_t settle_ns, quiet_ns; /* quiet: nothing is given out before this */
	struct known known;
	uint64_t settled_ns, gathered_ns;
	/* what is complete and not yet given out */
	uint32_t complete;          /* or was */
	uint64_t first_ns, last_ns; /* when the first and the last of them came */
	struct burst_file *burst;
	uint32_t burst_n, burst_at, burst_cap;
	/* looking through the folder */
	DIR *scan;
	bool scan_now;
	uint64_t scan_ns, scan_began_ns, scan_cost_ns;
	uint64_t scan_real_ns, known_real_ns; /* of this and the last whole one, as files' times */
};

static uint64_t file_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec;
}

static const char *error_text(int err)
{
	return strerror(err); /* NOLINT(concurrency-mt-unsafe): known numbers only */
}

static void say(struct folder *f, const char *name, const char *what)
{
	log_line("%s/%s: %s", f->path, name, what);
	f->trouble = true;
}

/* Nothing is lost with a file that was compressed: that one is read. */
static void disappeared(struct folder *f, const char *name)
{
	static const char *const ends[] = {".gz", ".zst"};
	char other[NAME_MAX + 8];
	struct stat st;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(other, sizeof(other), "%s%s", name, ends[i]);
		if (fstatat(f->dir, other, &st, 0) == 0)
			return;
	}
	say(f, name, "disappeared before it was read");
}

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

static bool left_out(const struct folder *f, const char *name)
{
	if (f->only)
		return strcmp(name, f->only) != 0;
	return name[0] == '.' || ends_in(name, ".tmp") || ends_in(name, ".part");
}

/* ---- what is there ---- */

static void set_complete(struct folder *f, uint32_t row, uint64_t now_ns)
{
	known_set(&f->known, row, KNOWN_COMPLETE);
	if (f->complete++ == 0)
		f->first_ns = now_ns;
	f->last_ns = now_ns;
}

/* Waits again, as a file that has just appeared. */
static int again(struct folder *f, uint32_t row, const char *name, uint64_t now_ns)
{
	struct known_file *k;

	if (known_rename(&f->known, row, name) < 0)
		return -ENOMEM;
	known_set(&f->known, row, KNOWN_GROWING);
	k = &f->known.row[row];
	k->seq = ++f->known.last_seq;
	k->since_ns = k->seen_ns = now_ns;
	k->told = k->closed = k->grew = false;
	return 0;
}

static bool same(const struct known_file *k, const struct stat *st)
{
	return k->size == (uint64_t)st->st_size && k->mtime_ns == file_ns(&st->st_mtim);
}

static void note_size(struct known_file *k, const struct stat *st, uint64_t now_ns)
{
	if (!same(k, st)) {
		k->grew |= k->size != 0;
		k->since_ns = now_ns;
	}
	k->size = (uint64_t)st->st_size;
	k->mtime_ns = file_ns(&st->st_mtim);
}

/* News of a file that is known. */
static void update(struct folder *f, uint32_t row, const char *name, const struct stat *st,
		   enum news news, uint64_t now_ns)
{
	struct known_file *k = &f->known.row[row];

	if (k->state == KNOWN_READING)
		return; /* a scan will see where it is longer than what was read */
	if (k->state == KNOWN_READ &&
	    (same(k, st) || st->st_size == 0 || again(f, row, name, now_ns) < 0))
		return;
	if (known_rename(&f->known, row, name) < 0)
		return;
	note_size(k, st, now_ns);
	k->told |= news == NEWS_CREATED;
	k->closed |= news == NEWS_CLOSED || news == NEWS_MOVED;
	/* What is empty is not yet anything. */
	if (k->state == KNOWN_GROWING && k->closed && k->size && !(f->only && f->follow))
		set_complete(f, row, now_ns);
}

/* Its row, or KNOWN_NONE: of those that are not read yet. */
static uint32_t row_of_name(const struct folder *f, const char *name)
{
	uint32_t i = f->known.open;

	while (i != KNOWN_NONE && strcmp(f->known.row[i].name, name) != 0)
		i = known_older(&f->known, i);
	return i;
}

static void missing(struct folder *f, const char *name, enum news news)
{
	struct stat st;
	uint32_t row;

	if (news != NEWS_CLOSED && news != NEWS_MOVED)
		return;
	if (fstatat(f->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return; /* a link to nothing */
	row = row_of_name(f, name);
	if (row != KNOWN_NONE && f->known.row[row].state > KNOWN_COMPLETE)
		return;
	disappeared(f, name);
	if (row != KNOWN_NONE)
		known_forget(&f->known, row);
}

static void look(struct folder *f, const char *name, enum news news, uint64_t now_ns)
{
	struct stat st, self;
	uint32_t row;

	if (left_out(f, name))
		return;
	if (fstatat(f->dir, name, &st, 0) < 0) {
		missing(f, name, news);
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	/* Of what a link leads to, inotify tells nothing here. */
	if (fstatat(f->dir, name, &self, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(self.st_mode) ||
	    (news == NEWS_CREATED && self.st_nlink > 1))
		news = NEWS_SEEN;
	row = known_find(&f->known, st.st_dev, st.st_ino);
	if (row == KNOWN_NONE) {
		/* One that was forgotten must not look new. */
		if (news == NEWS_SEEN && f->known.forgotten &&
		    file_ns(&st.st_ctim) + CTIME_SLACK < f->known_real_ns)
			return;
		row = known_add(&f->known, st.st_dev, st.st_ino, name);
		if (row == KNOWN_NONE) {
			if (!f->told_refused)
				say(f, name,
				    "too many files wait here: it and others are left out");
			f->told_refused = true;
			return;
		}
		f->known.row[row].since_ns = f->known.row[row].seen_ns = now_ns;
		f->known.row[row].size = (uint64_t)st.st_size;
		f->known.row[row].mtime_ns = file_ns(&st.st_mtim);
	}
	if (f->known.forgotten && !f->told_forgotten) {
		log_line("%s: more than %u files were read: the oldest are forgotten", f->path,
			 f->known.max);
		f->told_forgotten = true;
	}
	update(f, row, name, &st, news, now_ns);
}

/* ---- looking through ---- */

static int scan_begin(struct folder *f, uint64_t now_ns)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	f->scan = fd < 0 ? NULL : fdopendir(fd);
	if (!f->scan) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	f->scan_now = false;
	f->scan_cost_ns = 0;
	f->scan_began_ns = now_ns;
	f->scan_real_ns = clock_wall_ns();
	return 0;
}

static void scan_end(struct folder *f, uint64_t now_ns)
{
	uint64_t pause = f->scan_cost_ns * SCAN_SHARE;

	closedir(f->scan);
	f->scan = NULL;
	f->known_real_ns = f->scan_real_ns;
	f->scan_ns = now_ns + (pause > f->settle_ns ? pause : f->settle_ns);
}

static void scan_on(struct folder *f, uint64_t now_ns)
{
	uint64_t began = clock_ns();
	struct dirent *d = NULL;

	for (int i = 0; i < SCAN_ENTRIES; i++) {
		d = readdir(f->scan); /* NOLINT(concurrency-mt-unsafe): our own */
		if (!d)
			break;
		look(f, d->d_name, NEWS_SEEN, now_ns);
	}
	f->scan_cost_ns += clock_ns() - began;
	if (!d)
		scan_end(f, now_ns);
}

/* Everything that is there at the start, oldest first: which is the newest matters. */
static int first_scan(struct folder *f, uint64_t now_ns)
{
	struct listing list;
	int err = listing_read(&list, f->dir);

	f->known_real_ns = clock_wall_ns();
	for (size_t i = 0; i < list.n && err == 0; i++)
		look(f, list.at[i].name, NEWS_SEEN, now_ns);
	listing_free(&list);
	return err;
}

/* Files of which nothing was told for a while: are they still there, have they changed? */
static void settle(struct folder *f, uint64_t now_ns)
{
	uint32_t older;

	if (now_ns - f->settled_ns < TOGETHER_NS)
		return;
	f->settled_ns = now_ns;
	for (uint32_t i = f->known.open; i != KNOWN_NONE; i = older) {
		struct known_file *k = &f->known.row[i];
		struct stat st;

		older = known_older(&f->known, i);
		if (k->state != KNOWN_GROWING || now_ns - k->since_ns < f->settle_ns)
			continue;
		if (fstatat(f->dir, k->name, &st, 0) < 0) {
			disappeared(f, k->name);
			known_forget(&f->known, i);
			continue;
		}
		if (!same(k, &st) || k->told || k->size == 0) {
			note_size(k, &st, now_ns);
			k->since_ns = now_ns;
			continue;
		}
		if (!f->follow || (!f->only && k->seq != f->known.last_seq))
			set_complete(f, i, now_ns);
	}
}

/* ---- what is told ---- */

static void take_news(struct folder *f, uint64_t now_ns)
{
	const char *name;
	enum news news;

	for (int i = 0; i < NEWS_MAX && (news = notify_next(&f->notify, &name)) != NEWS_NONE; i++) {
		if (news == NEWS_GONE) {
			f->gone = true;
			return;
		}
		if (news != NEWS_LOST) {
			look(f, name, news, now_ns);
			continue;
		}
		log_line("%s: more happened than could be told: it is looked through again",
			 f->path);
		for (uint32_t k = f->known.open; k != KNOWN_NONE; k = known_older(&f->known, k))
			f->known.row[k].told = false;
		f->scan_now = true;
	}
}

bool folder_turn(struct folder *f, uint64_t now_ns)
{
	struct stat here, there;

	if (f->gone)
		return false;
	take_news(f, now_ns);
	if (!f->scan && (f->scan_now || now_ns >= f->scan_ns)) {
		f->gone |= stat(f->path, &there) < 0 || fstat(f->dir, &here) < 0 ||
			   here.st_ino != there.st_ino || here.st_dev != there.st_dev ||
			   scan_begin(f, now_ns) < 0;
	}
	if (f->gone) {
		log_line("%s: the folder is gone", f->path);
		f->trouble = true;
		return false;
	}
	if (f->scan)
		scan_on(f, now_ns);
	settle(f, now_ns);
	return true;
}

/* ---- giving out ---- */

/* The file that was read and that this one, by its name, is a compressed copy of; KNOWN_NONE. */
static uint32_t original_of(const struct folder *f, const struct known_file *k)
{
	size_t n = strlen(k->name);

	if (!ends_in(k->name, ".gz") && !ends_in(k->name, ".zst"))
		return KNOWN_NONE;
	return known_find_name(&f->known, k->name, n - (k->name[n - 1] == 'z' ? 3 : 4));
}

static bool to_follow(const struct folder *f, const struct known_file *k, uint64_t now_ns)
{
	if (!f->follow || k->state != KNOWN_GROWING || k->size == 0)
		return false;
	if (f->only)
		return true;
	/* A compressed copy of what was read has its time when it is complete. */
	return now_ns - k->seen_ns >= YOUNG_NS &&
	       (k->told || k->grew || k->seq == f->known.last_seq) &&
	       original_of(f, k) == KNOWN_NONE;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct burst_file *)a)->name, ((const struct burst_file *)b)->name);
}

/* All that came together, in order of their names. */
static void gather(struct folder *f, uint64_t now_ns)
{
	f->burst_n = f->burst_at = 0;
	f->gathered_ns = now_ns;
	for (uint32_t i = f->known.open; i != KNOWN_NONE; i = known_older(&f->known, i)) {
		struct known_file *k = &f->known.row[i];

		/* A growing file's size is looked at here: inotify is not asked about writes. */
		if (f->follow && k->state == KNOWN_GROWING) {
			struct stat st;

			if (fstatat(f->dir, k->name, &st, 0) == 0)
				note_size(k, &st, now_ns);
		}
		if (k->state != KNOWN_COMPLETE && !to_follow(f, k, now_ns))
			continue;
		if (f->burst_n == f->burst_cap) {
			uint32_t cap = f->burst_cap ? 2 * f->burst_cap : 64;
			struct burst_file *more = realloc(f->burst, cap * sizeof(*more));

			if (!more)
				break; /* the others come with the next */
			f->burst = more;
			f->burst_cap = cap;
		}
		f->burst[f->burst_n++] = (struct burst_file){.name = k->name, .row = i};
	}
	if (f->burst_n)
		qsort(f->burst, f->burst_n, sizeof(*f->burst), by_name);
	f->complete = 0;
}

/* Compressors give what they make the time of what they read. */
static bool is_copy(const struct folder *f, const struct known_file *k)
{
	uint32_t row = original_of(f, k);

	if (row == KNOWN_NONE || f->known.row[row].mtime_ns / NS_PER_S != k->mtime_ns / NS_PER_S)
		return false;
	log_line("%s/%s: left out: it was read before it was compressed", f->path, k->name);
	return true;
}

static bool give_out(struct folder *f, uint32_t row, uint64_t now_ns, struct folder_file *out)
{
	struct known_file *k = &f->known.row[row];
	bool grows = k->state == KNOWN_GROWING;
	struct stat st;

	*out = (struct folder_file){.row = row, .grows = grows, .fd = -1};
	out->fd = openat(f->dir, k->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (out->fd < 0 || fstat(out->fd, &st) < 0) {
		int err = errno;

		if (err == ENOENT) {
			disappeared(f, k->name);
			known_forget(&f->known, row);
		} else {
			say(f, k->name, error_text(err));
			known_set(&f->known, row, KNOWN_READ);
		}
		goto none;
	}
	if (st.st_dev != k->dev || st.st_ino != k->ino) {
		known_set(&f->known, row, KNOWN_READ);
		known_forget(&f->known, row);
		f->scan_now = true; /* another file took its name */
		goto none;
	}
	note_size(k, &st, now_ns);
	if (!grows && is_copy(f, k)) {
		known_compare(k, out->fd, &out->pass);
		k->read_size = k->size;
		known_set(&f->known, row, KNOWN_READ);
		goto none;
	}
	if (!known_compare(k, out->fd, &out->pass)) {
		known_set(&f->known, row, KNOWN_READ);
		goto none;
	}
	if (out->pass)
		log_line("%s/%s: has grown since it was read: goes on behind packet %llu", f->path,
			 k->name, (unsigned long long)out->pass);
	if (asprintf(&out->path, "%s/%s", f->path, k->name) < 0) {
		out->path = NULL;
		goto none;
	}
	out->size = k->size;
	known_set(&f->known, row, grows ? KNOWN_FOLLOWED : KNOWN_READING);
	return true;
none:
	if (out->fd >= 0)
		close(out->fd);
	out->fd = -1;
	return false;
}

bool folder_gives(const struct folder *f, uint64_t now_ns)
{
	return f->burst_at < f->burst_n || now_ns < f->quiet_ns;
}

bool folder_gathers(const struct folder *f)
{
	return f->complete;
}

bool folder_next(struct folder *f, uint64_t now_ns, struct folder_file *out)
{
	if (now_ns < f->quiet_ns)
		return false;
	if (f->burst_at == f->burst_n) {
		if (f->complete && now_ns - f->last_ns < TOGETHER_NS &&
		    now_ns - f->first_ns < GATHER_NS)
			return false;
		if (f->complete || (f->follow && now_ns - f->gathered_ns >= TOGETHER_NS))
			gather(f, now_ns);
	}
	while (f->burst_at < f->burst_n) {
		uint32_t row = f->burst[f->burst_at++].row;

		if (f->known.row[row].name &&
		    (f->known.row[row].state == KNOWN_COMPLETE ||
		     to_follow(f, &f->known.row[row], now_ns)) &&
		    give_out(f, row, now_ns, out))
			return true;
	}
	return false;
}

enum folder_growth folder_growth(struct folder *f, const struct folder_file *file, uint64_t taken)
{
	struct known_file *k = &f->known.row[file->row];
	uint64_t now_ns = clock_ns();
	struct stat st;

	if (fstatat(f->dir, k->name, &st, 0) < 0 || st.st_dev != k->dev || st.st_ino != k->ino) {
		log_line("%s/%s: was replaced or removed while it was followed", f->path, k->name);
		return FOLDER_REPLACED;
	}
	if ((uint64_t)st.st_size < taken) {
		log_line("%s/%s: was truncated while it was followed", f->path, k->name);
		return FOLDER_TRUNCATED;
	}
	note_size(k, &st, now_ns);
	if (f->only)
		return k->closed ? FOLDER_CLOSED : FOLDER_GROWS;
	if (k->seq == f->known.last_seq)
		return FOLDER_GROWS;
	return k->closed || (!k->told && now_ns - k->since_ns >= f->settle_ns) ? FOLDER_CLOSED
									       : FOLDER_GROWS;
}

void folder_done(struct folder *f, const struct folder_file *file, uint64_t taken, uint64_t packets)
{
	struct known_file *k = &f->known.row[file->row];
	struct stat st;

	if (fstatat(f->dir, k->name, &st, 0) == 0 && st.st_ino == k->ino && st.st_dev == k->dev &&
	    (uint64_t)st.st_size < taken) { /* truncated: what comes now is another capture */
		k->head_len = 0;
		k->packets = k->read_size = 0;
		again(f, file->row, k->name, clock_ns());
		k->told = true;
		note_size(k, &st, clock_ns());
		return;
	}
	k->packets = packets;
	k->read_size = taken > k->size ? taken : k->size;
	known_set(&f->known, file->row, KNOWN_READ);
}

void folder_was_read(struct folder *f, const char *path, uint64_t taken, uint64_t packets)
{
	struct stat st;
	uint64_t pass;
	uint32_t row;
	int fd;

	if (stat(path, &st) < 0)
		return;
	row = known_find(&f->known, st.st_dev, st.st_ino);
	if (row == KNOWN_NONE || f->known.row[row].state != KNOWN_GROWING)
		return;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	known_compare(&f->known.row[row], fd, &pass);
	close(fd);
	f->known.row[row].packets = packets;
	f->known.row[row].read_size = taken;
	if (f->known.row[row].size <= taken)
		known_set(&f->known, row, KNOWN_READ);
}

/* ---- opening ---- */

int folder_open(struct folder **out, const struct folder_conf *conf)
{
	struct folder *f = calloc(1, sizeof(*f));
	uint64_t now_ns = clock_ns();
	int err;

	*out = NULL;
	if (!f)
		return -ENOMEM;
	f->dir = f->notify.fd = -1;
	f->follow = conf->follow;
	f->settle_ns = conf->settle_ns ? conf->settle_ns : FOLDER_SETTLE_NS;
	f->path = strdup(conf->path);
	f->only = conf->only ? strdup(conf->only) : NULL;
	err = known_open(&f->known, conf->max_files ? conf->max_files : FOLDER_FILES);
	if (err == 0 && (!f->path || (conf->only && !f->only)))
		err = -ENOMEM;
	if (err == 0) {
		size_t n = strlen(f->path);

		while (n > 1 && f->path[n - 1] == '/')
			f->path[--n] = 0;
		f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = f->dir < 0 ? -errno : 0;
	}
	if (err == 0 && (err = notify_open(&f->notify, f->path)) < 0) {
		log_line("%s: inotify: %s: the folder is looked through instead", f->path,
			 error_text(-err));
		err = 0;
	}
	if (err == 0)
		err = first_scan(f, now_ns);
	if (err < 0) {
		log_line("%s: %s", conf->path, error_text(-err));
		folder_close(f);
		return err;
	}
	f->scan_ns = now_ns + f->settle_ns;
	/* Files that are there wait for each other. */
	if (f->known.open != KNOWN_NONE && !f->only)
		f->quiet_ns = now_ns + f->settle_ns;
	*out = f;
	return 0;
}

void folder_close(struct folder *f)
{
	if (!f)
		return;
	if (f->scan)
		closedir(f->scan);
	notify_close(&f->notify);
	if (f->dir >= 0)
		close(f->dir);
	known_close(&f->known);
	free(f->burst);
	free(f->only);
	free(f->path);
	free(f);
}

/* ---- questions ---- */

const char *folder_path(const struct folder *f)
{
	return f->path;
}

int folder_fd(const struct folder *f)
{
	return f->gone ? -1 : f->notify.fd;
}

bool folder_trouble(const struct folder *f)
{
	return f->trouble;
}

uint64_t folder_forgotten(const struct folder *f)
{
	return f->known.forgotten;
}

uint64_t folder_refused(const struct folder *f)
{
	return f->known.refused;
}
