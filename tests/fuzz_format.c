/* SPDX-License-Identifier: MIT */
/*
 * fuzz_format — the input is a capture file.  It is walked at once, record by record with exactly
 * the bytes that were asked for, and through the reader as a plain, gzip and zstd file: all must
 * find the same frames and the same end.  What varies (splits, cuts) follows a hash of the input.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "user/source/input.h"

#define FILE_MAX   ((size_t)128 << 10)
#define FRAMES_MAX (FILE_MAX / 16)
#define LONG       ((size_t)600 << 10) /* more than twice what bytes.c and input.c read at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
	uint64_t pos, ts_ns; /* of the frame's first byte in the capture */
	uint32_t caplen, len, linktype;
	bool known; /* its interface is */
};

struct walk {
	struct found *frame;
	size_t n;
	bool fault; /* ended otherwise than behind a record */
};

static struct ifaces ifaces;
static struct found direct_frames[FRAMES_MAX], other_frames[FRAMES_MAX];
static uint8_t packed[LONG + 4096], plain[LONG], unpacked[LONG + 1], unpacked_too[LONG + 1];
static int fd = -1;
static char path[64];
static uint64_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(dice >> 33) % n;
}

static void seed_dice(const uint8_t *data, size_t size)
{
	dice = size;
	for (size_t i = 0; i < size; i++)
		dice = (dice ^ data[i]) * 0x100000001b3ULL;
}

static void *exact(const uint8_t *at, size_t n)
{
	void *copy = malloc(n ? n : 1);

	assert(copy);
	if (n)
		memcpy(copy, at, n);
	return n ? copy : (free(copy), NULL);
}

static void note(struct walk *w, const struct record *r, uint64_t pos, uint32_t file)
{
	struct found *f;

	assert(w->n < FRAMES_MAX);
	f = &w->frame[w->n++];
	*f = (struct found){.pos = pos, .ts_ns = r->ts_ns, .caplen = r->caplen, .len = r->len};
	assert(r->iface == IFACE_NONE || r->iface < ifaces.n);
	if (r->iface == IFACE_NONE)
		return;
	f->known = true;
	f->linktype = ifaces.row[r->iface].linktype;
	assert(ifaces.row[r->iface].file == file);
}

static void same_frame(const struct found *a, const struct found *b)
{
	assert(a->pos == b->pos && a->ts_ns == b->ts_ns && a->caplen == b->caplen);
	assert(a->len == b->len && a->known == b->known && a->linktype == b->linktype);
}

static void check_record(enum format_got got, const struct record *r, size_t have)
{
	switch (got) {
	case FORMAT_FRAME:
		assert(r->total <= have && r->at <= r->total && r->caplen <= r->total - r->at);
		assert(r->total >= 16 && r->caplen <= FORMAT_MAX_FRAME + 4096);
		break;
	case FORMAT_SKIP:
		assert(r->total >= 12);
		break;
	case FORMAT_NEED:
		assert(r->total > have && r->total <= FORMAT_MAX_FRAME + 4096);
		break;
	case FORMAT_BAD:
		assert(r->why && r->why[0]);
		break;
	}
}

/* Where the short cut answers, it says the same. */
static void check_usual(const struct format *f, const uint8_t *p, size_t have, enum format_got got,
			const struct record *r)
{
	struct record u;

	if (!format_usual(f, p, have, &u))
		return;
	assert(got == FORMAT_FRAME && u.total == r->total && u.at == r->at && u.len == r->len);
	assert(u.caplen == r->caplen && u.ts_ns == r->ts_ns && u.iface == r->iface);
}

/* All bytes are there. */
static void walk_whole(struct walk *w, const uint8_t *data, size_t size)
{
	struct format f = {.file = 7};
	uint8_t *p = exact(data, size);
	struct record r = {0};
	enum format_got got = format_begin(&f, &ifaces, p, size, &r);
	uint64_t pos = r.total;

	w->fault = got != FORMAT_SKIP;
	while (!w->fault && pos < size) {
		r = (struct record){0};
		got = format_next(&f, &ifaces, p + pos, size - pos, &r);
		check_record(got, &r, size - pos);
		check_usual(&f, p + pos, size - pos, got, &r);
		w->fault = got == FORMAT_NEED || got == FORMAT_BAD;
		if (got == FORMAT_FRAME)
			note(w, &r, pos + r.at, 7);
		pos += r.total;
	}
	w->fault |= pos > size && got == FORMAT_SKIP;
	free(p);
}

/* One step with only as many bytes as were asked for, and `spare` more. */
static enum format_got step(struct format *f, bool begin, const uint8_t *p, size_t left,
			    uint32_t spare, struct record *r)
{
	size_t want = begin ? 4 : 1;

	for (;;) {
		size_t have = want + spare < left ? want + spare : left;
		uint8_t *copy = exact(p, have);
		enum format_got got;

		*r = (struct record){0};
		got = begin ? format_begin(f, &ifaces, copy, have, r)
			    : format_next(f, &ifaces, copy, have, r);
		free(copy);
		if (!begin)
			check_record(got, r, have);
		if (got != FORMAT_NEED || have == left)
			return got;
		want = (size_t)r->total;
	}
}

static void walk_split(struct walk *w, const uint8_t *data, size_t size, uint32_t spare)
{
	struct format f = {.file = 7};
	struct record r;
	enum format_got got = step(&f, true, data, size, 0, &r);
	uint64_t pos = r.total;

	w->fault = got != FORMAT_SKIP;
	while (!w->fault && pos < size) {
		got = step(&f, false, data + pos, size - pos, spare ? roll(spare) : 0, &r);
		w->fault = got == FORMAT_NEED || got == FORMAT_BAD;
		if (got == FORMAT_FRAME)
			note(w, &r, pos + r.at, 7);
		pos += r.total;
	}
	w->fault |= pos > size && got == FORMAT_SKIP;
}

static void same_walk(const struct walk *a, const struct walk *b)
{
	assert(a->n == b->n && a->fault == b->fault);
	for (size_t i = 0; i < a->n; i++)
		same_frame(&a->frame[i], &b->frame[i]);
}

/* ---- through files ---- */

static void put_file(const uint8_t *at, size_t n)
{
	if (ftruncate(fd, 0) < 0 || pwrite(fd, at, n, 0) != (ssize_t)n)
		abort();
}

static void read_frame(struct walk *w, struct input *in, const uint8_t *data)
{
	uint64_t pos = in->offset + in->head.at;

	if (data && in->head.caplen)
		assert(memcmp(input_frame(in), data + pos, in->head.caplen) == 0);
	note(w, &in->head, pos, in->format.file);
}

/* data: the capture, to compare with; NULL where it is not known. */
static void walk_input(struct walk *w, const uint8_t *data, uint32_t file)
{
	const char *paths[] = {path};
	struct inputs in;

	if (inputs_find(&in, paths, 1) < 0)
		abort();
	w->n = 0;
	if (input_begin(&in.row[0], &ifaces, file))
		while (input_next(&in.row[0], &ifaces))
			read_frame(w, &in.row[0], data);
	assert(!input_next(&in.row[0], &ifaces));
	w->fault = in.row[0].trouble;
	inputs_close(&in);
}

/* The same file twice, their frames taken in any order: interfaces keep to their file. */
static void walk_two(const struct walk *expect, const uint8_t *data)
{
	static struct found twin[2][FRAMES_MAX];
	struct walk w[2] = {{.frame = twin[0]}, {.frame = twin[1]}};
	const char *paths[] = {path, path};
	bool more[2];
	struct inputs in;

	if (inputs_find(&in, paths, 2) < 0)
		abort();
	for (uint32_t i = 0; i < 2; i++)
		more[i] = input_begin(&in.row[i], &ifaces, i) && input_next(&in.row[i], &ifaces);
	while (more[0] || more[1]) {
		uint32_t i = roll(2);

		if (!more[i])
			i = !i;
		read_frame(&w[i], &in.row[i], data);
		more[i] = input_next(&in.row[i], &ifaces);
	}
	for (uint32_t i = 0; i < 2; i++) {
		w[i].fault = in.row[i].trouble;
		same_walk(expect, &w[i]);
	}
	inputs_close(&in);
}

static size_t pack_gzip(uint8_t *dst, size_t room, const uint8_t *src, size_t n)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)src, .avail_in = (uInt)n};

	if (deflateInit2(&z, (int)roll(3), Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		abort();
	z.next_out = dst;
	z.avail_out = (uInt)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack(uint8_t *dst, size_t room, const uint8_t *src, size_t n, bool gzip)
{
	size_t got;

	if (gzip)
		return pack_gzip(dst, room, src, n);
	got = ZSTD_compress(dst, room, src, n, 1);
	if (ZSTD_isError(got))
		abort();
	return got;
}

/* Reads all in steps of up to `most` bytes; what bytes_read said at last. */
static ssize_t read_all(uint8_t *dst, size_t *n, uint32_t most)
{
	int copy = open(path, O_RDONLY | O_CLOEXEC);
	struct bytes *b;
	ssize_t got;

	*n = 0;
	if (copy < 0 || bytes_open(&b, copy) < 0)
		abort();
	do {
		size_t want = 1 + roll(most);

		if (want > LONG + 1 - *n)
			want = LONG + 1 - *n;
		if (want == 0)
			break;
		got = bytes_read(b, dst + *n, want);
		assert(got <= (ssize_t)want);
		if (got >= 0)
			*n += (size_t)got;
		if (got >= 0 && (size_t)got < want) {
			uint8_t beyond;

			assert(*n == LONG + 1 || bytes_read(b, &beyond, 1) <= 0);
			got = bytes_read(b, &beyond, 1);
			break;
		}
	} while (got > 0);
	bytes_close(b);
	return got;
}

/* The capture in one or two compressed members, whole and cut short. */
static void check_packed(const struct walk *expect, const uint8_t *data, size_t size, bool gzip)
{
	size_t first = roll(2) ? size : roll((uint32_t)size + 1), n, m;
	struct walk w = {.frame = other_frames};

	n = pack(packed, sizeof(packed), data, first, gzip);
	if (first < size)
		n += pack(packed + n, sizeof(packed) - n, data + first, size - first, gzip);
	put_file(packed, n);
	walk_input(&w, data, 7);
	same_walk(expect, &w);
	assert(read_all(unpacked, &m, 1 + roll(500)) == 0);
	assert(m == size && memcmp(unpacked, data, size) == 0);
	if (first < size)
		return;
	put_file(packed, roll((uint32_t)n));
	walk_input(&w, data, 7);
	assert(w.fault && w.n <= expect->n);
	for (size_t i = 0; i < w.n; i++)
		same_frame(&expect->frame[i], &w.frame[i]);
}

/* Longer than any buffer, and not compressible where `noise`. */
static void check_long(const uint8_t *data, size_t size, bool gzip)
{
	bool noise = roll(2);
	size_t n, m;

	for (size_t i = 0; i < LONG; i++)
		plain[i] = noise && i % 4096 >= size ? (uint8_t)roll(256) : data[i % size];
	n = pack(packed, sizeof(packed), plain, LONG, gzip);
	put_file(packed, n);
	assert(read_all(unpacked, &m, roll(2) ? 1 + roll(1 << 20) : 4000) == 0);
	assert(m == LONG && memcmp(unpacked, plain, LONG) == 0);
}

static bool looks_packed(const uint8_t *data, size_t size)
{
	return (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) ||
	       (size >= 4 && (memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0 ||
			      (data[0] >> 4 == 5 && memcmp(data + 1, "\x2a\x4d\x18", 3) == 0)));
}

/* Compressed by somebody else, and damaged perhaps: how it is read changes nothing. */
static void check_foreign(void)
{
	struct walk w = {.frame = other_frames};
	size_t n, m;
	ssize_t a = read_all(unpacked, &n, 1 << 20), b = read_all(unpacked_too, &m, 300);

	if (n > LONG || m > LONG)
		return;
	assert(a == b && n == m && memcmp(unpacked, unpacked_too, n) == 0);
	if (n <= FILE_MAX)
		walk_input(&w, NULL, 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct walk direct = {.frame = direct_frames}, other = {.frame = other_frames};

	if (size > FILE_MAX)
		return 0;
	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd < 0 || ifaces_open(&ifaces) < 0)
			abort();
	}
	seed_dice(data, size);
	ifaces.n = 0;
	put_file(data, size);
	if (looks_packed(data, size)) {
		check_foreign();
		return 0;
	}
	walk_whole(&direct, data, size);
	walk_split(&other, data, size, 0);
	same_walk(&direct, &other);
	other.n = 0;
	walk_split(&other, data, size, 200);
	same_walk(&direct, &other);
	walk_input(&other, data, 7);
	same_walk(&direct, &other);
	walk_two(&direct, data);
	check_packed(&direct, data, size, true);
	check_packed(&direct, data, size, false);
	if (size && roll(64) == 0)
		check_long(data, size, roll(2));
	return 0;
}
