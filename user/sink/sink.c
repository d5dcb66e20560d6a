/* SPDX-License-Identifier: MIT */
/* sink — see sink.h. */
#include "user/sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/base/backoff.h"
#include "user/base/log.h"

#define SAME_SECOND 999 /* files of one second: more are not rotated, and that is said */

struct sink {
	struct sink_conf conf;
	int fd;
	bool regular;
	pthread_t thread;
	bool started;
	sem_t work; /* posted for each full buffer, and for what else the thread shall look at */
	int folder; /* of the file, for rotation; -1 where it cannot be rotated */
	const char *name;
	_Atomic bool stop, failed, pipe_closed, rotate;
	uint64_t good; /* file size up to the last whole line */
	uint64_t lost;
	struct outbox *box;
};

/* A file that ends inside a line was left so by a crash: the rest of the line is removed. */
static void cut_tail(struct sink *s)
{
	off_t end = lseek(s->fd, 0, SEEK_END);
	char buf[4096];

	while (end > 0) {
		size_t n = end > (off_t)sizeof(buf) ? sizeof(buf) : (size_t)end;
		ssize_t got = pread(s->fd, buf, n, end - (off_t)n);
		const char *newline = got > 0 ? memrchr(buf, '\n', (size_t)got) : NULL;

		if (got <= 0)
			break;
		if (newline) {
			end = end - (off_t)n + (newline - buf) + 1;
			break;
		}
		end -= (off_t)n;
	}
	if (ftruncate(s->fd, end) < 0)
		log_line("%s: cannot remove its incomplete last line", s->conf.path);
	s->good = (uint64_t)lseek(s->fd, end, SEEK_SET);
}

static int open_folder(struct sink *s)
{
	char folder[4096];
	const char *slash = strrchr(s->conf.path, '/');

	s->name = slash ? slash + 1 : s->conf.path;
	if (snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - s->conf.path) + 1 : 1,
		     slash ? s->conf.path : ".") >= (int)sizeof(folder))
		return -ENAMETOOLONG;
	s->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->folder < 0 ? -errno : 0;
}

static int open_file(struct sink *s)
{
	struct stat st;

	if (strcmp(s->conf.path, "-") == 0) {
		s->fd = dup(STDOUT_FILENO);
	} else {
		s->fd = open(s->conf.path,
			     O_RDWR | O_CREAT | O_CLOEXEC | (s->conf.append ? 0 : O_TRUNC), 0644);
		if (s->fd < 0 && (errno == EACCES || errno == EINVAL || errno == ENXIO))
			s->fd = open(s->conf.path, O_WRONLY | O_CLOEXEC); /* a device, a pipe */
	}
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	s->regular = S_ISREG(st.st_mode) && strcmp(s->conf.path, "-") != 0;
	if (s->regular && s->conf.append)
		cut_tail(s);
	return s->regular && s->conf.rotates ? open_folder(s) : 0;
}

static void fail(struct sink *s, int err, const char *buf, size_t written)
{
	const char *newline = written ? memrchr(buf, '\n', written) : NULL;

	if (newline)
		s->good += (uint64_t)(newline - buf) + 1;
	log_line("%s: %s; records from here on are lost",
		 strcmp(s->conf.path, "-") == 0 ? "standard output" : s->conf.path,
		 strerror(err)); /* NOLINT(concurrency-mt-unsafe) */
	if (s->regular && ftruncate(s->fd, (off_t)s->good) < 0)
		log_line("%s: its last line may be incomplete", s->conf.path);
	if (err == EPIPE)
		atomic_store(&s->pipe_closed, true);
	atomic_store(&s->failed, true);
}

static void write_all(struct sink *s, const char *buf, size_t len)
{
	size_t done = 0;

	if (atomic_load_explicit(&s->failed, memory_order_relaxed)) {
		s->lost += len;
		return;
	}
	while (done < len) {
		ssize_t n = write(s->fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(s, errno, buf, done);
			s->lost += len - done;
			return;
		}
		done += (size_t)n;
	}
	s->good += len;
}

static char *buffer_at(const struct sink *s, const struct outbox *box, uint32_t i)
{
	return (char *)box->mem + i * s->conf.buffer_bytes;
}

/* Writes whatever waits; true where something did. */
static bool drain(struct sink *s)
{
	bool any = false;

	for (uint32_t w = 0; w < s->conf.workers; w++) {
		struct outbox *box = &s->box[w];
		uint32_t i;

		while (ring_pop(&box->full, &i)) {
			any = true;
			write_all(s, buffer_at(s, box, i), box->used[i]);
			ring_push(&box->empty, i); /* there are never more buffers than entries */
		}
	}
	return any;
}

/* To NAME.TIME, or NAME.TIME.2 and so on: no older file is replaced. */
static int rename_old(const struct sink *s)
{
	char suffixed[512], suffix[32];
	struct tm tm;
	time_t now = time(NULL);
	int err = -ENAMETOOLONG;

	gmtime_r(&now, &tm);
	strftime(suffix, sizeof(suffix), "%Y%m%dT%H%M%SZ", &tm);
	if (strlen(s->name) + sizeof(suffix) + 4 > sizeof(suffixed))
		return err;
	for (int nth = 1; nth <= SAME_SECOND; nth++) {
		snprintf(suffixed, sizeof(suffixed), nth == 1 ? "%s.%s" : "%s.%s.%d", s->name,
			 suffix, nth);
		err = renameat2(s->folder, s->name, s->folder, suffixed, RENAME_NOREPLACE) < 0
			      ? -errno
			      : 0;
		if (err != -EEXIST)
			break;
	}
	return err;
}

/* The new file's name is free only once the old one has another. */
static void rotate(struct sink *s)
{
	struct stat here, there;
	int fd, err = 0;

	if (s->folder < 0)
		return;
	if (fstat(s->fd, &here) == 0 && fstatat(s->folder, s->name, &there, 0) == 0 &&
	    here.st_ino == there.st_ino && here.st_dev == there.st_dev)
		err = rename_old(s);
	if (err < 0) {
		log_line("%s: cannot be rotated: %s", s->conf.path,
			 strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
		return;
	}
	fd = openat(s->folder, s->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		log_line("%s: cannot be made anew: %s", s->conf.path,
			 strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
		return;
	}
	close(s->fd);
	s->fd = fd;
	s->good = (uint64_t)lseek(fd, 0, SEEK_END);
}

static void *run(void *arg)
{
	struct sink *s = arg;
	bool busy = false;

	/* It never spins: the cores are the workers'.  While buffers come it looks for them, which
	 * costs less than to be woken for each; then it sleeps until the next. */
	while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
		if (atomic_exchange_explicit(&s->rotate, false, memory_order_relaxed))
			rotate(s);
		if (drain(s)) {
			busy = true;
		} else if (busy) {
			busy = false;
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
		} else {
			sem_wait(&s->work); /* interrupted: a look more */
			while (sem_trywait(&s->work) == 0)
				; /* one look is enough for all */
		}
	}
	drain(s);
	return NULL;
}

int sink_open(struct sink **out, const struct sink_conf *conf)
{
	struct sink *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->conf = *conf;
	s->fd = s->folder = -1;
	sem_init(&s->work, 0, 0);
	s->box = aligned_alloc(64, conf->workers * sizeof(*s->box));
	if (!s->box) {
		free(s);
		return -ENOMEM;
	}
	memset(s->box, 0, conf->workers * sizeof(*s->box));
	err = open_file(s);
	for (uint32_t w = 0; w < conf->workers && err == 0; w++) {
		struct outbox *box = &s->box[w];

		box->used = calloc(conf->buffers, sizeof(*box->used));
		box->mem = malloc(conf->buffers * conf->buffer_bytes);
		if (!box->used || !box->mem)
			err = -ENOMEM;
		for (uint32_t i = 1; i < conf->buffers; i++)
			ring_push(&box->empty, i);
	}
	if (err < 0) {
		sink_close(s);
		return err;
	}
	*out = s;
	return 0;
}

int sink_start(struct sink *s)
{
	if (!s->conf.threads)
		return 0;
	s->started = pthread_create(&s->thread, NULL, run, s) == 0;
	if (!s->started)
		log_line("the thread that writes records cannot be started");
	return s->started ? 0 : -EAGAIN;
}

static void stop_thread(struct sink *s)
{
	if (!s->started)
		return;
	atomic_store_explicit(&s->stop, true, memory_order_release);
	sem_post(&s->work);
	pthread_join(s->thread, NULL);
	s->started = false;
}

void sink_close(struct sink *s)
{
	if (!s)
		return;
	stop_thread(s);
	for (uint32_t w = 0; w < s->conf.workers; w++) {
		free(s->box[w].used);
		free(s->box[w].mem);
	}
	free(s->box);
	if (s->fd >= 0)
		close(s->fd);
	if (s->folder >= 0)
		close(s->folder);
	free(s);
}

char *sink_buffer(struct sink *s, uint32_t worker)
{
	return buffer_at(s, &s->box[worker], s->box[worker].current);
}

static uint64_t count_lines(const char *at, size_t n)
{
	const char *end = at + n;
	uint64_t lines = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		lines++;
		at++;
	}
	return lines;
}

char *sink_next(struct sink *s, uint32_t worker, size_t used)
{
	struct outbox *box = &s->box[worker];
	struct backoff wait = {0};
	uint32_t next;

	if (!s->conf.threads) {
		write_all(s, sink_buffer(s, worker), used);
		return sink_buffer(s, worker);
	}
	while (!ring_pop(&box->empty, &next)) {
		if (s->conf.live && !box->patient) {
			atomic_fetch_add_explicit(&box->dropped,
						  count_lines(sink_buffer(s, worker), used),
						  memory_order_relaxed);
			return sink_buffer(s, worker);
		}
		backoff_wait(&wait);
	}
	box->used[box->current] = (uint32_t)used;
	ring_push(&box->full, box->current);
	sem_post(&s->work); /* a system call only where the thread sleeps */
	box->current = next;
	return sink_buffer(s, worker);
}

void sink_patient(struct sink *s, uint32_t worker)
{
	s->box[worker].patient = true;
}

void sink_line(struct sink *s, const char *line, size_t len)
{
	stop_thread(s);
	write_all(s, line, len);
}

void sink_rotate(struct sink *s)
{
	atomic_store_explicit(&s->rotate, true, memory_order_relaxed);
	sem_post(&s->work);
}

bool sink_failed(const struct sink *s)
{
	return atomic_load(&s->failed);
}

bool sink_pipe_closed(const struct sink *s)
{
	return atomic_load_explicit(&s->pipe_closed, memory_order_relaxed);
}

uint64_t sink_dropped(const struct sink *s)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < s->conf.workers; w++)
		n += atomic_load_explicit(&s->box[w].dropped, memory_order_relaxed);
	return n;
}

uint64_t sink_lost(const struct sink *s)
{
	return s->lost;
}
