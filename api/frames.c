/* SPDX-License-Identifier: MIT */
/* frames — see frames.h. */
#include "api/frames.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/decode/decode.h"

#define PENDING     4096U /* fragments that wait for their datagram */
#define NICE        10
#define SECTION     0x0a0d0d0aU
#define ORDER_MAGIC 0x1a2b3c4dU

/* A fragment's frame, until its datagram is whole. */
struct pending {
	struct fragment_key key;
	uint8_t *frame;
	uint32_t caplen, len, iface;
	uint64_t ts_ns;
};

struct frames_job {
	struct frames_query q;
	struct source *source;
	struct decode_conf decode;
	struct decoder decoder;
	struct defrag *defrag;
	struct block block;
	struct packets packets;
	struct pending pending[PENDING];
	uint32_t next;                /* place of the next one: the oldest goes */
	uint32_t noted[BLOCK_FRAMES]; /* place + 1 of a block's fragments, by frame */
	int16_t iface[IFACE_MAX];     /* number in the file, -1 = not described yet */
	int16_t ifaces;
	FILE *out;
	int fd;
	bool failed;
	pthread_t thread;
	bool started;
	_Atomic bool stop, done;
	uint64_t size;
};

bool frames_can(const struct conf *conf)
{
	for (size_t i = 0; i < conf->pcap.n; i++) {
		struct stat st;

		if (strcmp(conf->pcap.at[i], "-") == 0 || stat(conf->pcap.at[i], &st) < 0 ||
		    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
			return false;
	}
	return conf->pcap.n && !conf->ifaces.n && !conf->watch.n && !conf->peers.n;
}

/* ---- pcapng ---- */

static void put(struct frames_job *x, const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, x->out) != n)
		x->failed = true;
}

static void put32(struct frames_job *x, uint32_t v)
{
	put(x, &v, sizeof(v));
}

static void put16(struct frames_job *x, uint16_t v)
{
	put(x, &v, sizeof(v));
}

static void put_section(struct frames_job *x)
{
	const uint64_t unknown = UINT64_MAX;

	put32(x, SECTION);
	put32(x, 28);
	put32(x, ORDER_MAGIC);
	put16(x, 1);
	put16(x, 0);
	put(x, &unknown, sizeof(unknown));
	put32(x, 28);
}

/* Its number in the file; described when it is met first, with times in nanoseconds. */
static uint32_t iface_of(struct frames_job *x, uint32_t i)
{
	const struct iface *f = source_iface(x->source, i);
	size_t name = strlen(f->name), padded = (name + 3) & ~(size_t)3;
	uint32_t total = (uint32_t)(20 + (name ? 4 + padded : 0) + 8 + 4);

	if (x->iface[i] >= 0)
		return (uint32_t)x->iface[i];
	put32(x, 1);
	put32(x, total);
	put16(x, (uint16_t)f->linktype);
	put16(x, 0);
	put32(x, f->snaplen);
	if (name) {
		put16(x, 2);
		put16(x, (uint16_t)name);
		put(x, f->name, name);
		put(x, "\0\0\0", padded - name);
	}
	put16(x, 9); /* if_tsresol: 10^-9 */
	put16(x, 1);
	put(x, "\x09\0\0", 4);
	put32(x, 0); /* end of options */
	put32(x, total);
	x->iface[i] = x->ifaces++;
	return (uint32_t)x->iface[i];
}

static void put_frame(struct frames_job *x, const struct pending *p)
{
	uint32_t iface = p->iface == IFACE_NONE ? 0 : iface_of(x, p->iface);
	uint32_t padded = (p->caplen + 3) & ~3U, total = 32 + padded;

	put32(x, 6);
	put32(x, total);
	put32(x, iface);
	put32(x, (uint32_t)(p->ts_ns >> 32));
	put32(x, (uint32_t)p->ts_ns);
	put32(x, p->caplen);
	put32(x, p->len);
	put(x, p->frame, p->caplen);
	put(x, "\0\0\0", padded - p->caplen);
	put32(x, total);
}

/* ---- which frames ---- */

static struct pending frame_at(const struct frames_job *x, uint32_t i)
{
	const struct frame *f = &x->block.frame[i];

	return (struct pending){.frame = x->block.buf + f->at,
				.caplen = f->caplen,
				.len = f->len,
				.iface = f->iface,
				.ts_ns = f->ts_ns};
}

/* The fragment's frame is kept until its datagram is whole, or others need the room. */
static void keep_fragment(struct frames_job *x, const struct fragment_note *n)
{
	struct pending *p = &x->pending[x->next];
	struct pending now = frame_at(x, n->index);

	decode_fragment_key(&now.key, &x->block, n);
	free(p->frame);
	*p = now;
	p->frame = malloc(now.caplen + 1UL);
	if (!p->frame) {
		x->failed = true;
		return;
	}
	memcpy(p->frame, now.frame, now.caplen);
	x->noted[n->index] = x->next + 1;
	x->next = (x->next + 1) % PENDING;
}

/* The other frames of the datagram that frame i completed. */
static void put_fragments(struct frames_job *x, uint32_t i)
{
	const struct pending *whole = x->noted[i] ? &x->pending[x->noted[i] - 1] : NULL;
	struct fragment_key key;

	if (!whole)
		return;
	key = whole->key;
	for (uint32_t k = 0; k < PENDING; k++) {
		struct pending *p = &x->pending[(x->next + k) % PENDING];

		if (!p->frame || p == whole || memcmp(&p->key, &key, sizeof(key)) != 0)
			continue;
		put_frame(x, p);
		free(p->frame);
		p->frame = NULL;
	}
}

static void look_at(struct frames_job *x, uint32_t i)
{
	const struct packet *p = &x->packets.row[i];
	uint64_t number = x->block.first_number + i;
	struct flow_key key;
	struct pending frame;

	if (number < x->q.first || number > x->q.last || p->verdict != VERDICT_FLOW)
		return;
	flow_key_of(&key, p, x->block.buf + p->l3);
	if (memcmp(&key, &x->q.key, sizeof(key)) != 0)
		return;
	if (p->extra && x->packets.extra[p->extra].frames)
		put_fragments(x, i);
	frame = frame_at(x, i);
	put_frame(x, &frame);
}

static void handle_block(struct frames_job *x)
{
	struct block *b = &x->block;

	decode_begin(&x->decoder, &x->packets);
	memset(x->noted, 0, b->n * sizeof(x->noted[0]));
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t iface = b->frame[i].iface;

		decode_frame(&x->decoder, b,
			     iface == IFACE_NONE ? NULL : source_iface(x->source, iface),
			     &x->packets, i);
	}
	for (uint32_t i = 0; i < x->decoder.notes; i++)
		keep_fragment(x, &x->decoder.note[i]);
	decode_fragments(&x->decoder, x->defrag, b, &x->packets);
	for (uint32_t i = 0; i < b->n && !x->failed; i++)
		look_at(x, i);
}

static int open_input(struct frames_job *x)
{
	const struct conf *conf = x->q.conf;
	const struct source_conf source = {
		.paths = conf->pcap.at, .n_paths = conf->pcap.n, .max_packets = x->q.last};
	const struct defrag_conf defrag = conf_defrag(conf, 1);
	int err = source_open(&x->source, &source);

	x->decode = conf_decode(conf);
	if (err == 0)
		err = decoder_open(&x->decoder, &x->decode);
	if (err == 0)
		err = defrag_open(&x->defrag, &defrag);
	if (err == 0)
		err = block_open(&x->block, source_several(x->source));
	if (err == 0)
		err = packets_open(&x->packets, BLOCK_FRAMES);
	return err;
}

static void read_input(struct frames_job *x)
{
	uint64_t first = x->q.first > 100000 ? x->q.first - 100000 : 1; /* fragments before it */

	x->block.index = source_begin_like(x->source, x->q.source, first);
	put_section(x);
	do {
		source_fill(x->source, &x->block);
		handle_block(x);
		x->block.index++;
	} while (!x->block.last && !x->failed && x->block.first_number <= x->q.last &&
		 !atomic_load_explicit(&x->stop, memory_order_relaxed));
}

static void *work(void *arg)
{
	struct frames_job *x = arg;
	struct stat st;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	if (open_input(x) == 0)
		read_input(x);
	if (!x->failed && fflush(x->out) == 0 && fstat(x->fd, &st) == 0)
		x->size = (uint64_t)st.st_size;
	atomic_store_explicit(&x->done, true, memory_order_release);
	return NULL;
}

static int open_file(struct frames_job *x)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/rm-xdp-XXXXXX", x->q.conf->spill) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	x->fd = mkostemp(path, O_CLOEXEC);
	if (x->fd < 0)
		return -errno;
	unlink(path);
	x->out = fdopen(dup(x->fd), "wb");
	return x->out ? 0 : -errno;
}

int frames_open(struct frames_job **out, const struct frames_query *q)
{
	struct frames_job *x = calloc(1, sizeof(*x));
	int err;

	*out = NULL;
	if (!x)
		return -ENOMEM;
	x->q = *q;
	x->fd = -1;
	memset(x->iface, -1, sizeof(x->iface));
	err = open_file(x);
	if (err == 0)
		err = -pthread_create(&x->thread, NULL, work, x);
	x->started = err == 0;
	if (err < 0) {
		frames_close(x);
		return err;
	}
	*out = x;
	return 0;
}

void frames_close(struct frames_job *x)
{
	if (!x)
		return;
	atomic_store_explicit(&x->stop, true, memory_order_relaxed);
	if (x->started)
		pthread_join(x->thread, NULL);
	for (uint32_t i = 0; i < PENDING; i++)
		free(x->pending[i].frame);
	if (x->out)
		fclose(x->out);
	if (x->fd >= 0)
		close(x->fd);
	packets_close(&x->packets);
	block_close(&x->block);
	defrag_close(x->defrag);
	decoder_close(&x->decoder);
	source_close(x->source);
	free(x);
}

bool frames_done(struct frames_job *x)
{
	if (!atomic_load_explicit(&x->done, memory_order_acquire))
		return false;
	if (x->started)
		pthread_join(x->thread, NULL);
	x->started = false;
	return true;
}

uint64_t frames_size(const struct frames_job *x)
{
	return x->size;
}

int frames_file(const struct frames_job *x)
{
	return x->fd;
}
