/* SPDX-License-Identifier: MIT */
/* source — see source.h. */
#include "user/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>

#include "user/base/backoff.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/source/input.h"
#include "user/source/intake.h"
#include "user/source/incoming.h"
#include "user/source/merge.h"
#include "user/source/pipe.h"

#define DROPS_NS 200000000ULL
#define FORMATS  1024U /* pcapng: sections and interfaces described inside a file */
#define SLACK    8192U /* read beyond a block, so that its last record is mostly there */
/* What of a file may be in a block: one record that starts in it, and one behind that. */
#define RECORD_MAX  (FORMAT_MAX_FRAME + 8192U)
#define BLOCK_REACH (BLOCK_BYTES + RECORD_MAX)

struct source {
	struct inputs inputs;
	struct ifaces ifaces;
	/* one plain file, read at offsets */
	bool direct;
	int fd;
	struct stat opened;
	uint64_t size;
	/* anything else, copied to an unlinked file */
	int spool;
	const char *spool_folder;
	uint64_t spooled; /* by whoever has the turn */
	_Atomic bool spool_failed;
	struct pipe pipe;          /* the one input, where that is a pipe */
	struct merge merge;        /* several files */
	struct incoming *incoming; /* what keeps coming, or NULL */
	/* written by whoever has the turn */
	uint64_t next; /* direct: where the next record starts */
	struct intake intake;
	uint64_t last_ts_ns;
	struct format format;
	struct slots marks, formats; /* direct: of each block, by whoever had the turn */
	uint32_t n_formats;
	bool trouble;
	_Atomic bool stop;
	_Atomic uint64_t turn;
	/* for others while it runs */
	_Atomic uint64_t seen_packets, seen_bytes, seen_clock, seen_last, seen_input;
	_Atomic uint64_t drops[3]; /* received, dropped, dropped by the interface */
	uint64_t drops_ns;
};

/* ---- opening ---- */

/* Opens a single plain capture for reading at offsets; false where it is something else. */
static bool open_direct(struct source *s)
{
	struct input *in = &s->inputs.row[0];
	uint8_t head[24];
	struct record r;
	ssize_t got;

	if (s->incoming || s->inputs.n != 1 || strcmp(in->path, "-") == 0)
		return false;
	s->fd = open(in->path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &s->opened) < 0 || !S_ISREG(s->opened.st_mode))
		return false;
	got = pread(s->fd, head, sizeof(head), 0);
	if (got < 0 || format_begin(&s->format, &s->ifaces, head, (size_t)got, &r) != FORMAT_SKIP)
		return false;
	posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	s->size = (uint64_t)s->opened.st_size;
	s->next = r.total;
	return slots_open(&s->marks, sizeof(struct source_mark), s->size / BLOCK_BYTES + 1) == 0 &&
	       slots_open(&s->formats, sizeof(struct format), FORMATS) == 0;
}

static bool open_pipe(struct source *s)
{
	struct input *in = &s->inputs.row[0];

	if (s->incoming || s->inputs.n != 1 || !pipe_is(in))
		return false;
	if (!pipe_begin(&s->pipe, in, &s->ifaces))
		s->intake.ended = true;
	s->trouble |= in->trouble;
	return true;
}

/* Reads each file's first packet, and sorts the files by its time. */
static int open_merged(struct source *s)
{
	size_t foreign = 0;

	for (size_t i = 0; i < s->inputs.n; i++) {
		struct input *in = &s->inputs.row[i];

		if (!input_begin(in, &s->ifaces, (uint32_t)i)) {
			s->trouble |= in->trouble;
			foreign += in->foreign;
			continue;
		}
		if (!input_next(in, &s->ifaces)) {
			s->trouble |= in->trouble;
			input_end(in);
			continue;
		}
		if (merge_add(&s->merge, in) < 0)
			return -ENOMEM;
	}
	if (foreign)
		log_line("%zu files in the folders given are no captures and were left out",
			 foreign);
	return 0;
}

static int open_spool(struct source *s, const char *folder)
{
	char path[4096];

	if (!folder || s->direct)
		return 0;
	s->spool_folder = folder;
	if (snprintf(path, sizeof(path), "%s/rm-xdp-XXXXXX", folder) < (int)sizeof(path))
		s->spool = mkostemp(path, O_CLOEXEC);
	if (s->spool < 0) {
		int err = errno ? -errno : -ENAMETOOLONG;

		log_line("--spool %s: %s", folder,
			 strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
		return err;
	}
	unlink(path);
	return 0;
}

/* A single file that is followed: its path, or NULL. */
static const char *followed(const struct source_conf *conf)
{
	struct stat st;

	if (!conf->follow || conf->n_watch || conf->n_paths != 1 || stat(conf->paths[0], &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return NULL;
	return conf->paths[0];
}

/* Files first, then what keeps coming. */
static int open_inputs(struct source *s, const struct source_conf *conf)
{
	struct incoming_conf live = {.folders = conf->watch,
				     .n_folders = conf->n_watch,
				     .peers = conf->peers,
				     .n_peers = conf->n_peers,
				     .ifaces = conf->ifaces,
				     .n_ifaces = conf->n_ifaces,
				     .pcap = conf->pcap,
				     .followed = followed(conf),
				     .follow = conf->follow,
				     .settle_ns = conf->settle_ns};
	int err = inputs_find(&s->inputs, conf->paths, live.followed ? 0 : conf->n_paths);

	live.first_file = (uint32_t)s->inputs.n;
	if (err == 0 && (live.followed || live.n_folders || live.n_peers || live.n_ifaces))
		err = incoming_open(&s->incoming, &live, &s->ifaces);
	return err;
}

int source_open(struct source **out, const struct source_conf *conf)
{
	struct source *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->fd = s->spool = -1;
	s->intake.max_packets = conf->max_packets ? conf->max_packets : UINT64_MAX;
	err = ifaces_open(&s->ifaces);
	if (err == 0)
		err = open_inputs(s, conf);
	if (err < 0)
		goto fail;
	s->trouble = s->inputs.trouble;
	s->direct = !open_pipe(s) && open_direct(s);
	if (!s->direct && !s->pipe.in) {
		if (s->fd >= 0)
			close(s->fd);
		s->fd = -1;
		if (!s->incoming)
			s->ifaces.n = 0;
		s->format = (struct format){0};
		err = open_merged(s);
		if (err < 0)
			goto fail;
	}
	err = open_spool(s, conf->spool);
	if (err < 0)
		goto fail;
	*out = s;
	return 0;
fail:
	source_close(s);
	return err;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (s->spool >= 0)
		close(s->spool);
	incoming_close(s->incoming);
	inputs_close(&s->inputs);
	ifaces_close(&s->ifaces);
	merge_close(&s->merge);
	slots_close(&s->marks);
	slots_close(&s->formats);
	free(s);
}

/* ---- frames into a block, with the turn held ---- */

static ssize_t read_at(int fd, uint8_t *dst, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, dst + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return done ? (ssize_t)done : -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static void direct_fault(struct source *s, uint64_t at, const char *why)
{
	log_line("%s: packet %llu at byte %llu: %s", s->inputs.row[0].name,
		 (unsigned long long)s->intake.packets + 1, (unsigned long long)at, why);
	s->trouble = s->intake.ended = true;
}

/* The record at `pos` of the block reaches beyond what was read.  False where the file ends. */
static bool read_on(struct source *s, struct block *b, uint64_t base, uint64_t need)
{
	uint64_t limit = s->size - base;
	ssize_t got;

	if (need > limit || need > BLOCK_REACH + RECORD_MAX)
		return false;
	got = read_at(s->fd, b->buf + b->fill, (size_t)(need - b->fill), base + b->fill);
	if (got > 0)
		b->fill += (uint32_t)got;
	return b->fill >= need;
}

/* Finds the frames that start in this block of the one plain file. */
static void hop(struct source *s, struct block *b, uint64_t base)
{
	uint64_t pos = s->next - base;

	/* Beyond its end only to settle the clock, and never further than one record. */
	while ((pos < BLOCK_BYTES || (s->intake.clock.pending_ns && pos < BLOCK_REACH)) &&
	       !s->intake.ended) {
		struct record r;

		if (base + pos >= s->size) {
			s->intake.ended = true;
			if (base + pos > s->size)
				direct_fault(s, base + pos,
					     "the file ends inside the block before");
			break;
		}
		if (format_usual(&s->format, b->buf + pos, pos < b->fill ? b->fill - pos : 0, &r)) {
			intake_push(&s->intake, b, &r, (uint32_t)pos + r.at);
			pos += r.total;
			continue;
		}
		switch (format_next(&s->format, &s->ifaces, b->buf + pos,
				    pos < b->fill ? b->fill - pos : 0, &r)) {
		case FORMAT_FRAME:
			intake_push(&s->intake, b, &r, (uint32_t)pos + r.at);
			pos += r.total;
			break;
		case FORMAT_SKIP:
			pos += r.total;
			break;
		case FORMAT_NEED:
			if (!read_on(s, b, base, pos + r.total))
				direct_fault(s, base + pos, "the file ends inside this packet");
			break;
		case FORMAT_BAD:
			direct_fault(s, base + pos, r.why);
			break;
		}
	}
	s->next = base + pos;
	if (s->next >= s->size && !s->intake.ended) {
		s->intake.ended = true;
		if (s->next > s->size)
			direct_fault(s, s->next, "the file ends inside the block before");
	}
}

/* A capture that is still being written: say how much of it was taken. */
static void note_growth(struct source *s)
{
	struct stat now;

	if (fstat(s->fd, &now) == 0 && now.st_size > s->opened.st_size)
		log_line("%s: grew while it was read; the first %llu bytes were analysed",
			 s->inputs.row[0].name, (unsigned long long)s->size);
}

/* What reading from this block on takes. */
static void note_mark(struct source *s, uint64_t block)
{
	struct format *known = (struct format *)s->formats.base;

	if (block > s->size / BLOCK_BYTES)
		return;
	if (s->n_formats < FORMATS &&
	    (s->n_formats == 0 || known[s->n_formats - 1].section != s->format.section ||
	     known[s->n_formats - 1].n_ifaces != s->format.n_ifaces)) {
		slots_reach(&s->formats, s->n_formats);
		known[s->n_formats++] = s->format;
	}
	slots_reach(&s->marks, block);
	((struct source_mark *)s->marks.base)[block] =
		(struct source_mark){.at = s->next,
				     .number = s->intake.packets + 1,
				     .ifaces = s->ifaces.n,
				     .format = s->n_formats - 1};
}

static void fill_direct(struct source *s, struct block *b)
{
	uint64_t base = b->index * BLOCK_BYTES;

	note_mark(s, b->index);
	if (s->next >= base && s->next - base < BLOCK_BYTES)
		hop(s, b, base);
	if (base + BLOCK_BYTES >= s->size)
		s->intake.ended = true;
	if (s->intake.ended) {
		b->last = true;
		note_growth(s);
	}
}

/* The kernel's counters, for whoever asks: now and then. */
static void note_drops(struct source *s, bool at_end)
{
	uint64_t now_ns = clock_ns();
	struct source_drops d;

	if (!at_end && now_ns - s->drops_ns < DROPS_NS)
		return;
	s->drops_ns = now_ns;
	d = incoming_drops(s->incoming);
	atomic_store_explicit(&s->drops[0], d.received, memory_order_relaxed);
	atomic_store_explicit(&s->drops[1], d.dropped, memory_order_relaxed);
	atomic_store_explicit(&s->drops[2], d.iface_dropped, memory_order_relaxed);
}

static void fill_merged(struct source *s, struct block *b)
{
	while (intake_room(&s->intake, b)) {
		struct input *in = merge_pick(&s->merge, &s->ifaces);

		if (s->merge.retired) {
			s->trouble |= s->merge.retired->trouble;
			if (s->incoming)
				incoming_was_read(s->incoming, s->merge.retired);
			s->merge.retired = NULL;
			continue;
		}
		if (!in) {
			s->intake.ended = !s->incoming;
			break;
		}
		intake_copy(&s->intake, b, &in->head, input_frame(in), in->packets);
		input_next(in, &s->ifaces);
	}
	if (s->incoming && s->merge.n == 0 && intake_room(&s->intake, b)) {
		incoming_fill(s->incoming, &s->ifaces, &s->intake, b);
		note_drops(s, s->intake.ended);
	}
	b->last = s->intake.ended;
}

static void fill_piped(struct source *s, struct block *b)
{
	pipe_fill(&s->pipe, &s->ifaces, &s->intake, b);
	s->trouble |= s->pipe.in->trouble;
	b->last = s->intake.ended;
}

static uint64_t merged_taken(const struct source *s)
{
	uint64_t taken = s->incoming ? incoming_taken(s->incoming) : 0;

	for (size_t i = 0; i < s->inputs.n; i++)
		taken += s->inputs.row[i].bytes   ? bytes_taken(s->inputs.row[i].bytes)
			 : s->inputs.row[i].ended ? s->inputs.row[i].size
						  : 0;
	return taken;
}

/* A folder that cannot take more costs content, not packets. */
static void spool_block(struct source *s, struct block *b)
{
	uint32_t done = 0;

	while (done < b->fill) {
		ssize_t n = pwrite(s->spool, b->buf + done, b->fill - done, (off_t)(b->pos + done));

		if (n <= 0) {
			if (!atomic_exchange(&s->spool_failed, true))
				log_line("--spool %s: %s", s->spool_folder,
					 strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
			b->pos = POS_NONE;
			return;
		}
		done += (uint32_t)n;
	}
}

/* Who has the turn may itself wait for something to come. */
static void wait_turn(const struct source *s, struct backoff *wait)
{
	if (source_live(s) && wait->spins > 2100) /* by now some 10 ms */
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	else
		backoff_wait(wait);
}

void source_fill(struct source *s, struct block *b)
{
	struct backoff wait = {0};
	ssize_t got = 0;

	b->n = b->fill = 0;
	b->last = false;
	b->idle_clock_ns = 0;
	b->pos = s->direct ? b->index * BLOCK_BYTES : POS_NONE;
	if (s->direct && b->pos < s->size) {
		uint64_t left = s->size - b->pos;

		got = read_at(s->fd, b->buf,
			      left < BLOCK_BYTES + SLACK ? left : BLOCK_BYTES + SLACK, b->pos);
	}
	while (atomic_load_explicit(&s->turn, memory_order_acquire) != b->index)
		wait_turn(s, &wait);
	b->first_number = s->intake.packets + 1;
	if (atomic_load_explicit(&s->stop, memory_order_relaxed))
		s->intake.ended = true;
	if (got < 0 && !s->intake.ended)
		direct_fault(s, b->pos, strerror((int)-got)); /* NOLINT(concurrency-mt-unsafe) */
	if (s->intake.ended) {
		b->last = true;
		if (s->incoming)
			note_drops(s, true);
	} else if (s->direct) {
		b->fill = (uint32_t)got;
		fill_direct(s, b);
	} else if (s->pipe.in) {
		fill_piped(s, b);
	} else {
		fill_merged(s, b);
	}
	if (s->spool >= 0 && !atomic_load_explicit(&s->spool_failed, memory_order_relaxed)) {
		b->pos = s->spooled;
		s->spooled += b->fill;
	}
	if (b->n)
		s->last_ts_ns = b->frame[b->n - 1].ts_ns;
	atomic_store_explicit(&s->seen_packets, s->intake.packets, memory_order_relaxed);
	atomic_store_explicit(&s->seen_bytes, s->intake.bytes, memory_order_relaxed);
	atomic_store_explicit(&s->seen_clock, s->intake.clock.now_ns, memory_order_relaxed);
	atomic_store_explicit(&s->seen_last, s->last_ts_ns, memory_order_relaxed);
	atomic_store_explicit(&s->seen_input, s->direct ? s->next : merged_taken(s),
			      memory_order_relaxed);
	atomic_store_explicit(&s->turn, b->index + 1, memory_order_release);
	if (s->spool >= 0 && b->pos != POS_NONE)
		spool_block(s, b);
}

/* ---- questions ---- */

void source_stop(struct source *s)
{
	atomic_store_explicit(&s->stop, true, memory_order_relaxed);
}

bool source_stopping(const struct source *s)
{
	return atomic_load_explicit(&s->stop, memory_order_relaxed);
}

int source_add_iface(struct source *s, uint32_t linktype, const char *name)
{
	struct iface *row;

	if (s->ifaces.n == IFACE_MAX)
		return -ENOSPC;
	slots_reach(&s->ifaces.mem, s->ifaces.n);
	row = &s->ifaces.row[s->ifaces.n];
	*row = (struct iface){.linktype = linktype};
	snprintf(row->name, sizeof(row->name), "%s", name);
	return (int)s->ifaces.n++;
}

uint64_t source_blocks(const struct source *s)
{
	/* pairs with the release in source_fill: the marks before this turn are written */
	uint64_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);

	return turn < s->size / BLOCK_BYTES + 1 ? turn : s->size / BLOCK_BYTES + 1;
}

bool source_mark(const struct source *s, uint64_t block, struct source_mark *m, struct format *f)
{
	if (!s->direct || block >= source_blocks(s))
		return false;
	*m = ((const struct source_mark *)s->marks.base)[block];
	*f = ((const struct format *)s->formats.base)[m->format];
	return true;
}

uint64_t source_begin_like(struct source *s, const struct source *other, uint64_t number)
{
	uint64_t lo = 0, hi = other->direct ? source_blocks(other) : 0;
	struct source_mark m;
	struct format f;

	while (lo + 1 < hi) { /* the last block whose first packet is not behind it */
		uint64_t mid = (lo + hi) / 2;

		if (source_mark(other, mid, &m, &f) && m.number <= number)
			lo = mid;
		else
			hi = mid;
	}
	if (!s->direct || s->size != other->size || !source_mark(other, lo, &m, &f) || m.at == 0)
		return 0;
	for (s->ifaces.n = 0; s->ifaces.n < m.ifaces; s->ifaces.n++) {
		slots_reach(&s->ifaces.mem, s->ifaces.n);
		s->ifaces.row[s->ifaces.n] = other->ifaces.row[s->ifaces.n];
	}
	s->format = f;
	s->next = m.at;
	s->intake.packets = m.number - 1;
	atomic_store_explicit(&s->turn, lo, memory_order_relaxed);
	return lo;
}

bool source_several(const struct source *s)
{
	return s->inputs.n + (s->incoming ? 1 : 0) > 1 ||
	       (s->incoming && incoming_several(s->incoming));
}

const struct iface *source_iface(const struct source *s, uint32_t iface)
{
	return &s->ifaces.row[iface];
}

uint32_t source_iface_count(const struct source *s)
{
	return s->ifaces.n;
}

const char *source_file_name(const struct source *s, uint32_t file)
{
	return file < s->inputs.n ? s->inputs.row[file].name : incoming_name(s->incoming, file);
}

bool source_trouble(const struct source *s)
{
	return s->trouble || (s->incoming && incoming_trouble(s->incoming));
}

bool source_in_real_time(const struct source *s)
{
	return s->incoming;
}

bool source_live(const struct source *s)
{
	return s->incoming || s->pipe.in;
}

struct source_drops source_drops(const struct source *s)
{
	return (struct source_drops){
		.received = atomic_load_explicit(&s->drops[0], memory_order_relaxed),
		.dropped = atomic_load_explicit(&s->drops[1], memory_order_relaxed),
		.iface_dropped = atomic_load_explicit(&s->drops[2], memory_order_relaxed)};
}

struct source_totals source_totals(const struct source *s)
{
	struct source_totals t = {
		.packets = atomic_load_explicit(&s->seen_packets, memory_order_relaxed),
		.bytes = atomic_load_explicit(&s->seen_bytes, memory_order_relaxed),
		.clock_ns = atomic_load_explicit(&s->seen_clock, memory_order_relaxed),
		.last_ts_ns = atomic_load_explicit(&s->seen_last, memory_order_relaxed),
		.input_bytes = atomic_load_explicit(&s->seen_input, memory_order_relaxed),
	};

	for (size_t i = 0; i < s->inputs.n && !s->incoming; i++) {
		if (s->inputs.row[i].size == 0) {
			t.input_size = 0;
			break;
		}
		t.input_size += s->inputs.row[i].size;
	}
	return t;
}

size_t source_reread(const struct source *s, uint64_t pos, uint8_t *dst, size_t n)
{
	struct stat now;
	ssize_t got;

	if (s->spool >= 0) {
		got = read_at(s->spool, dst, n, pos);
		return got > 0 ? (size_t)got : 0;
	}
	if (!s->direct || fstat(s->fd, &now) < 0 || now.st_size < s->opened.st_size ||
	    now.st_mtim.tv_sec != s->opened.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != s->opened.st_mtim.tv_nsec)
		return 0;
	got = read_at(s->fd, dst, n, pos);
	return got > 0 ? (size_t)got : 0;
}

bool source_seekable(const struct source *s)
{
	return s->direct;
}

bool source_has_places(const struct source *s)
{
	return s->direct || s->spool >= 0;
}
