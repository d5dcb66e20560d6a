/* SPDX-License-Identifier: MIT */
/*
 * show — windows, conversations and files of whole runs, against what a reader of its own finds in
 * the capture: sequence numbers and copying, no more.
 */
#include <dirent.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/replay.h"
#include "user/show.h"
#include "user/view/slice.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define DEMO        "tests/captures/demo.pcap"
#define FLAG        "tests/captures/http-flag.pcap"
#define WEBSOCKET   "tests/captures/websocket.pcap"

enum { ROOM = 1 << 20, TO_SERVER = 0, TO_CLIENT = 1, HEAD = 24, FRAME = 16, CLIENT = 40000 };

/* ---- running ---- */

struct bytes {
	size_t n;
	uint8_t at[ROOM];
};

static struct run replay;

static void load(const char *path, struct bytes *b)
{
	FILE *f = fopen(path, "rbe");

	b->n = 0;
	if (!CHECK(f, "%s", path))
		return;
	b->n = fread(b->at, 1, ROOM - 1, f);
	b->at[b->n] = 0;
	fclose(f);
}

/* A run with these options, up to a NULL.  Open until shown_close. */
static struct conf *shown_open(const char *capture, const char *const *options)
{
	static struct conf conf;
	const char *args[32] = {"rm-xdp", "--pcap", capture, "--no-progress"};
	int n = 4;

	while (*options && n < 32)
		args[n++] = *options++;
	CU_ASSERT_FATAL(conf_read(&conf, n, (char **)args) == 0);
	CU_ASSERT_FATAL(run_begin(&replay, &conf) == 0);
	CU_ASSERT_FATAL(replay_run(&replay) == 0);
	return &conf;
}

static void shown_close(struct conf *conf)
{
	run_close(&replay);
	conf_free(conf);
}

/* What the run shows; its exit status. */
static int show(const char *capture, const char *const *options, struct bytes *out)
{
	struct conf *conf = shown_open(capture, options);
	char *path = temp_path("shown");
	FILE *f = fopen(path, "we");
	int status = -1;

	if (CHECK(f, "%s", path)) {
		status = show_stream(&replay, f);
		fclose(f);
		load(path, out);
	}
	shown_close(conf);
	free(path);
	return status;
}

/* The id of the only stream with this client port. */
static bool find_id(const char *capture, uint16_t port, char id[17])
{
	static struct bytes records;
	char *path = temp_path("records.jsonl"), want[32];
	struct conf *conf = shown_open(capture, (const char *[]){"-o", path, NULL});
	bool found = false;
	char *line, *rest;

	shown_close(conf);
	load(path, &records);
	free(path);
	snprintf(want, sizeof(want), "\"src_port\":%u,", port);
	for (line = strtok_r((char *)records.at, "\n", &rest); line && !found;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *at = strstr(line, "\"stream_id\":\"");

		found = strstr(line, want) && strstr(line, "\"event_type\":\"flow\"") && at;
		if (found)
			snprintf(id, 17, "%s", at + 13);
	}
	return CHECK(found, "%s: no flow from port %u", capture, port);
}

/* ---- what the capture says ---- */

/* Both directions of a TCP conversation, from the client's and to it. */
struct known {
	struct bytes dir[2];
	uint32_t first[2]; /* sequence number of the first byte */
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void know_segment(struct known *k, uint16_t port, const uint8_t *ip, size_t n)
{
	const uint8_t *tcp = ip + (size_t)(ip[0] & 15) * 4, *data;
	size_t total = load_be16(ip + 2), off;
	bool back = load_be16(tcp) != port;
	struct bytes *b = &k->dir[back];

	if (ip[9] != 6 || (load_be16(tcp) != port && load_be16(tcp + 2) != port))
		return;
	if (tcp[13] & 2)
		k->first[back] = load_be32(tcp + 4) + 1;
	data = tcp + (size_t)(tcp[12] >> 4) * 4;
	n = total < n ? total - (size_t)(data - ip) : n - (size_t)(data - ip);
	off = load_be32(tcp + 4) - k->first[back];
	if (n == 0 || (tcp[13] & 2) || off + n > ROOM)
		return;
	memcpy(b->at + off, data, n);
	b->n = b->n > off + n ? b->n : off + n;
}

/* Only of Ethernet, IPv4, a little-endian file. */
static void know(const char *capture, uint16_t port, struct known *k)
{
	static struct bytes file;

	memset(k, 0, sizeof(*k));
	load(capture, &file);
	for (size_t at = HEAD; at + FRAME <= file.n;) {
		size_t n = le32(file.at + at + 8);
		const uint8_t *frame = file.at + at + FRAME;

		if (n > 54 && load_be16(frame + 12) == 0x0800)
			know_segment(k, port, frame + 14, n - 14);
		at += FRAME + n;
	}
}

/* ---- what has to be shown ---- */

static void put(struct bytes *b, const void *at, size_t n)
{
	if (CHECK(b->n + n < ROOM, "no room")) {
		memcpy(b->at + b->n, at, n);
		b->n += n;
	}
}

/* What every mode makes of these bytes, which lie at `off` of their stream. */
static void put_shown(struct bytes *out, const char *mode, uint64_t off, struct span in)
{
	char row[SLICE_ROW_TEXT];

	if (strcmp(mode, "raw") == 0) {
		put(out, in.at, span_len(in));
	} else if (strcmp(mode, "text") == 0) {
		CU_ASSERT_FATAL(out->n + span_len(in) < ROOM);
		out->n += slice_text(in, (char *)out->at + out->n);
	}
	while (strcmp(mode, "hex") == 0 && in.at < in.end) {
		size_t n = SLICE_ROW - off % SLICE_ROW;

		n = n < span_len(in) ? n : span_len(in);
		put(out, row, slice_hex_row(span_of(in.at, n), off, row));
		in.at += n;
		off += n;
	}
}

/* Behind the line about the stream, which raw output does not have. */
static struct span body_of(const struct bytes *shown, const char *mode, const char *id)
{
	struct span s = span_of(shown->at, shown->n);
	const uint8_t *end = memchr(s.at, '\n', shown->n);

	if (strcmp(mode, "raw") == 0)
		return s;
	CHECK(shown->n > 16 && memcmp(s.at, id, 16) == 0 && strstr((const char *)s.at, "  TCP "),
	      "the first line: %.60s", (const char *)s.at);
	s.at = end ? end + 1 : s.end;
	return s;
}

static void check_shown(struct span got, const struct bytes *want, const char *what)
{
	size_t n = span_len(got), same = 0;

	while (same < n && same < want->n && got.at[same] == want->at[same])
		same++;
	CHECK(n == want->n && same == n, "%s: %zu bytes instead of %zu, the first %zu the same",
	      what, n, want->n, same);
}

/* What is looked at, and what is known of it. */
struct sight {
	const char *capture;
	char id[17];
	struct known known;
};

struct window {
	uint8_t dir;
	const char *mode, *workers;
	uint64_t start, len;
};

static void check_window(const struct sight *s, const struct window *w)
{
	static struct bytes shown, want;
	char from[24], many[24], what[96], line[96];
	const char *const options[] = {
		"--show",      s->id,   "--direction", w->dir ? "b_to_a" : "a_to_b",
		"--start",     from,    "--len",       many,
		"--view-mode", w->mode, "--workers",   w->workers,
		NULL};
	const struct bytes *known = &s->known.dir[w->dir];
	uint64_t all = known->n, first = w->start < all ? w->start : all;

	snprintf(from, sizeof(from), "%llu", (unsigned long long)w->start);
	snprintf(many, sizeof(many), "%llu", (unsigned long long)w->len);
	snprintf(what, sizeof(what), "%s, %s, direction %u, %s bytes from %s", s->capture, w->mode,
		 w->dir, many, from);
	CHECK(show(s->capture, options, &shown) == 0, "%s", what);
	want.n = 0;
	put_shown(&want, w->mode, first,
		  span_of(known->at + first, w->len < all - first ? w->len : all - first));
	snprintf(line, sizeof(line), "[nothing at %s: this direction has %llu bytes]\n", from,
		 (unsigned long long)all);
	if (strcmp(w->mode, "raw") != 0)
		put(&want, first < all ? "\n" : line, first < all ? 1 : strlen(line));
	check_shown(body_of(&shown, w->mode, s->id), &want, what);
}

static const char *const modes[] = {"text", "hex", "raw"};

static void test_windows(void)
{
	static const struct {
		const char *capture;
		uint16_t port;
		size_t n[2]; /* known from how it was recorded */
	} rows[] = {
		{DEMO, 60350, {555, 2567}},
		{FLAG, 50880, {128, 35674}},
		{WEBSOCKET, 59814, {3610, 73549}},
	};
	static struct sight s;
	struct dice d = dice_of(1601);

	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		uint8_t dir = i & 1;
		size_t n = rows[i / 2].n[dir];
		const uint64_t windows[][2] = {
			{0, ROOM}, {0, 1},        {0, 16},    {5, 100},
			{16, 16},  {31, 2},       {n - 1, 1}, {n - 1, 99},
			{n, 10},   {n + 1000, 5}, {0, 65536}, {dice_below(&d, (uint32_t)n), 3000},
		};

		s.capture = rows[i / 2].capture;
		know(s.capture, rows[i / 2].port, &s.known);
		CHECK(s.known.dir[dir].n == n, "%s: %zu bytes", s.capture, s.known.dir[dir].n);
		if (!find_id(s.capture, rows[i / 2].port, s.id))
			continue;
		for (size_t w = 0; w < 3 * COUNT(windows); w++)
			check_window(&s, &(struct window){.dir = dir,
							  .mode = modes[w % 3],
							  .workers = w % 2 ? "2" : "1",
							  .start = windows[w / 3][0],
							  .len = windows[w / 3][1]});
	}
}

/* ---- conversations made here ---- */

struct scene {
	struct bytes file;
	uint32_t ms;
};

static struct scene scene;
static const struct span nothing;

static void put_le32(struct bytes *b, uint32_t v)
{
	put(b, (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)},
	    4);
}

/* cap: how much of the payload was captured */
static void scene_segment(uint8_t dir, uint32_t seq, uint8_t flags, struct span payload, size_t cap)
{
	static struct build b;
	uint32_t missing = (uint32_t)(span_len(payload) - cap);
	size_t ip, tcp;

	b.n = 0;
	put_ethernet(&b, 0x0800);
	ip = dir ? put_ipv4(&b, 6, 0x0a000002, 0x0a000001)
		 : put_ipv4(&b, 6, 0x0a000001, 0x0a000002);
	tcp = dir ? put_tcp(&b, 7000, CLIENT, seq, flags) : put_tcp(&b, CLIENT, 7000, seq, flags);
	put_bytes(&b, payload.at, span_len(payload));
	end_tcp(&b, tcp, ip);
	end_ipv4(&b, ip);
	put_le32(&scene.file, 1700000000 + scene.ms / 1000);
	put_le32(&scene.file, scene.ms++ % 1000 * 1000);
	put_le32(&scene.file, (uint32_t)b.n - missing);
	put_le32(&scene.file, (uint32_t)b.n);
	put(&scene.file, b.at, b.n - missing);
}

/* Bytes at this offset of a direction; what sequence numbers begin with lies near their end. */
static void scene_data(uint8_t dir, uint32_t off, const void *at, uint32_t n)
{
	scene_segment(dir, 0xfffffff0 + dir + 1 + off, 0x18, span_of(at, n), n);
}

static void scene_begin(void)
{
	static const uint32_t header[] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};

	memset(&scene, 0, sizeof(scene));
	for (size_t i = 0; i < COUNT(header); i++)
		put_le32(&scene.file, header[i]);
	scene_segment(TO_SERVER, 0xfffffff0, 0x02, nothing, 0);
	scene_segment(TO_CLIENT, 0xfffffff1, 0x12, nothing, 0);
	scene_segment(TO_SERVER, 0xfffffff1, 0x10, nothing, 0);
}

/* Both sides are through behind these offsets. */
static char *scene_end(uint32_t to_server, uint32_t to_client)
{
	scene_segment(TO_SERVER, 0xfffffff1 + to_server, 0x11, nothing, 0);
	scene_segment(TO_CLIENT, 0xfffffff2 + to_client, 0x11, nothing, 0);
	return temp_file("scene.pcap", scene.file.at, scene.file.n);
}

static void check_scene(const char *path, const char *const *options, const char *want)
{
	static struct bytes shown, text;
	const char *args[16] = {NULL}, *mode = "text";
	char id[17];
	size_t n = 0;

	if (!find_id(path, CLIENT, id))
		return;
	for (; options[n]; n++) {
		args[n] = strcmp(options[n], "ID") == 0 ? id : options[n];
		mode = strcmp(options[n], "raw") == 0 ? "raw" : mode;
	}
	CHECK(show(path, args, &shown) == 0, "%s", options[0]);
	text.n = 0;
	put(&text, want, strlen(want));
	shown.at[shown.n] = 0;
	check_shown(body_of(&shown, mode, id), &text, want);
}

/* Characters of three bytes over segments of 1001 and pieces of 65536. */
/* The same capture compressed: its bytes are kept in memory, or in a spool, and look the same; with
 * too little memory it is said that they are gone. */
static void test_from_memory(void)
{
	static struct bytes plain, shown;
	char id[17], *path = temp_path("flag.pcap.gz");
	gzFile gz = gzopen(path, "wb");

	load(FLAG, &plain);
	CU_ASSERT_TRUE_FATAL(gz && gzwrite(gz, plain.at, (unsigned)plain.n) == (int)plain.n &&
			     gzclose(gz) == Z_OK && find_id(FLAG, 50880, id));
	for (int i = 0; i < 6; i++) {
		const char *way = i % 2 ? "--show" : "--follow";
		const char *const kept[] = {way,
					    id,
					    "--direction",
					    "b_to_a",
					    "--start",
					    "1000",
					    i < 4 ? NULL : "--spool",
					    "/tmp",
					    NULL};
		const char *const file[] = {way,       id,     "--direction", "b_to_a",
					    "--start", "1000", NULL};

		CU_ASSERT_EQUAL(show(FLAG, file, &plain), 0);
		CU_ASSERT_EQUAL(show(path, kept, &shown), 0);
		CHECK(plain.n == shown.n && memcmp(plain.at, shown.at, plain.n) == 0,
		      "%s, spool %d", way, i > 3);
	}
	CU_ASSERT_EQUAL(show(path,
			     (const char *[]){"--show", id, "--direction", "b_to_a",
					      "--max-stream-content-bytes-per-stream", "16K", NULL},
			     &shown),
			0);
	CHECK(strstr((char *)shown.at, "no longer kept"), "%.200s", (char *)shown.at);
	free(path);
}

static void test_characters_over_pieces(void)
{
	static struct sight s;
	struct bytes *b = &s.known.dir[TO_CLIENT];
	char *path;

	scene_begin();
	b->n = 0;
	while (b->n < 66001)
		put(b, "\xe2\x82\xac", 3);
	for (uint32_t off = 0; off < b->n; off += 1001)
		scene_data(TO_CLIENT, off, b->at + off,
			   (uint32_t)(b->n - off < 1001 ? b->n - off : 1001));
	path = scene_end(0, (uint32_t)b->n);
	s.capture = path;
	for (int i = 0; i < 15 && find_id(path, CLIENT, s.id); i++)
		check_window(&s, &(struct window){.dir = TO_CLIENT,
						  .mode = modes[i % 3],
						  .workers = "1",
						  .start = (uint64_t)i / 3,
						  .len = ROOM});
	free(path);
}

static void test_holes_are_said(void)
{
	static const struct {
		const char *options[12], *want;
	} rows[] = {
		{{"--show", "ID"},
		 "before the hole\n[5 bytes at 15: this was never captured]\nbehind it\n"},
		{{"--show", "ID", "--len", "17"},
		 "before the hole\n[2 bytes at 15: this was never captured]\n\n"},
		{{"--show", "ID", "--start", "16", "--len", "2"},
		 "\n[2 bytes at 16: this was never captured]\n\n"},
		{{"--show", "ID", "--start", "18", "--len", "8"},
		 "\n[2 bytes at 18: this was never captured]\nbehind\n"},
		{{"--show", "ID", "--start", "20"}, "behind it\n"},
		{{"--show", "ID", "--view-mode", "raw"}, "before the holebehind it"},
		{{"--show", "ID", "--start", "12", "--len", "9", "--view-mode", "hex"},
		 "0000000c  6f 6c 65                                         ole\n"
		 "\n[5 bytes at 15: this was never captured]\n"
		 "00000014  62                                               b\n\n"},
		{{"--show", "ID", "--direction", "b_to_a"},
		 "captured\n[12 bytes at 8: this was cut off by the capture]\nand more\n"},
		{{"--show", "ID", "--direction", "b_to_a", "--start", "10", "--len", "3"},
		 "\n[3 bytes at 10: this was cut off by the capture]\n\n"},
	};
	char *path;

	scene_begin();
	scene_data(TO_SERVER, 0, "before the hole", 15);
	scene_segment(TO_CLIENT, 0xfffffff2, 0x18,
		      span_of((const uint8_t *)"captured, or not yet", 20), 8);
	scene_data(TO_SERVER, 20, "behind it", 9);
	scene_data(TO_CLIENT, 20, "and more", 8);
	path = scene_end(29, 28);
	for (size_t i = 0; i < COUNT(rows); i++)
		check_scene(path, rows[i].options, rows[i].want);
	free(path);
}

/* The order is that of delivery: what came too early is shown where it was waited for. */
static void test_follow(void)
{
	static const struct {
		const char *options[8], *want;
	} rows[] = {
		{{"--follow", "ID"},
		 "\n>>> a_to_b 0\nhello, \n<<< b_to_a 0\nwell\n>>> a_to_b 7\nworld.\n"
		 "<<< b_to_a 4\n, well\n>>> a_to_b 13\nbye\n"},
		{{"--follow", "ID", "--workers", "2"},
		 "\n>>> a_to_b 0\nhello, \n<<< b_to_a 0\nwell\n>>> a_to_b 7\nworld.\n"
		 "<<< b_to_a 4\n, well\n>>> a_to_b 13\nbye\n"},
		{{"--follow", "ID", "--view-mode", "raw"}, "hello, wellworld., wellbye"},
	};
	char *path;

	scene_begin();
	scene_data(TO_SERVER, 0, "hel", 3);
	scene_data(TO_SERVER, 3, "lo, ", 4);
	scene_data(TO_CLIENT, 0, "well", 4);
	scene_data(TO_SERVER, 10, "ld.", 3); /* too early */
	scene_data(TO_CLIENT, 5, " well", 5);
	scene_data(TO_SERVER, 7, "wor", 3);
	scene_data(TO_SERVER, 0, "hello, ", 7); /* again */
	scene_data(TO_CLIENT, 4, ", well", 6);
	scene_data(TO_SERVER, 13, "bye", 3);
	path = scene_end(16, 10);
	for (size_t i = 0; i < COUNT(rows); i++)
		check_scene(path, rows[i].options, rows[i].want);
	free(path);
}

/* Each direction's bytes, whole and in order, are what --show has of it. */
static void test_follow_is_all(void)
{
	static struct bytes shown;
	static struct known k;
	char id[17];
	size_t at[2] = {0, 0};

	know(DEMO, 60350, &k);
	if (!find_id(DEMO, 60350, id))
		return;
	CU_ASSERT_EQUAL(
		show(DEMO, (const char *[]){"--follow", id, "--view-mode", "raw", NULL}, &shown),
		0);
	CU_ASSERT_EQUAL(shown.n, k.dir[0].n + k.dir[1].n);
	/* requests and answers in turn: each byte is the next one of a direction */
	for (size_t i = 0, dir = 0; i < shown.n; i++) {
		if (at[dir] == k.dir[dir].n || shown.at[i] != k.dir[dir].at[at[dir]])
			dir = !dir;
		if (!CHECK(at[dir] < k.dir[dir].n && shown.at[i] == k.dir[dir].at[at[dir]],
			   "byte %zu is neither's", i))
			return;
		at[dir]++;
	}
}

static void test_hostile_bytes(void)
{
	static const char hostile[] = "\x1b[2J\x1b]0;x\x07\xe2\x80\xae\xc2\x9b"
				      "1m\b\x7f ok";
	char *path;

	scene_begin();
	scene_data(TO_SERVER, 0, hostile, sizeof(hostile) - 1);
	path = scene_end(sizeof(hostile) - 1, 0);
	check_scene(path, (const char *[]){"--show", "ID", NULL}, ".[2J.]0;x......1m.. ok\n");
	check_scene(path, (const char *[]){"--follow", "ID", NULL},
		    "\n>>> a_to_b 0\n.[2J.]0;x......1m.. ok\n");
	check_scene(path, (const char *[]){"--show", "ID", "--view-mode", "raw", NULL}, hostile);
	free(path);
}

static void test_no_such_stream(void)
{
	static struct bytes shown;

	quiet_begin();
	CU_ASSERT_EQUAL(show(DEMO, (const char *[]){"--show", "0123456789abcdef", NULL}, &shown),
			1);
	quiet_end();
	CU_ASSERT_EQUAL(shown.n, 0);
}

/* The message around the window is decoded, and its body is the file that was fetched. */
static void test_transformed(void)
{
	static struct bytes shown;
	char id[17], hex[65] = "";
	uint8_t hash[32];
	unsigned int size = 32;
	const uint8_t *body;

	if (!find_id(FLAG, 50880, id))
		return;
	CU_ASSERT_EQUAL(show(FLAG,
			     (const char *[]){"--show", id, "--direction", "b_to_a", "--start",
					      "20000", "--len", "1", "--transform", "auto",
					      "--view-mode", "raw", NULL},
			     &shown),
			0);
	body = memmem(shown.at, shown.n, "\r\n\r\n", 4);
	if (!CHECK(body && shown.at + shown.n - (body + 4) == 60029, "%zu bytes", shown.n))
		return;
	EVP_Digest(body + 4, 60029, hash, &size, EVP_sha256(), NULL);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	CU_ASSERT_STRING_EQUAL(hex,
			       "b6882b5af9f5c42f77dd4739b92269fc5894681df6b6eb796892165a7187446b");
}

/* ---- files ---- */

/* Each name is the hash of what is in the file; how many there are. */
static uint32_t check_files(const char *folder)
{
	static struct bytes file;
	DIR *dir = opendir(folder);
	struct dirent *e;
	uint32_t n = 0;

	while (dir && (e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): one thread */
		char *path = NULL, hex[65] = "";
		uint8_t hash[32];
		unsigned int size = 32;

		if (e->d_name[0] == '.' && strspn(e->d_name, ".") == strlen(e->d_name))
			continue;
		if (strcmp(e->d_name, "index.jsonl") == 0 ||
		    asprintf(&path, "%s/%s", folder, e->d_name) < 0)
			continue;
		load(path, &file);
		free(path);
		EVP_Digest(file.at, file.n, hash, &size, EVP_sha256(), NULL);
		for (int i = 0; i < 32; i++)
			snprintf(hex + 2 * i, 3, "%02x", hash[i]);
		CHECK(strcmp(e->d_name, hex) == 0, "%s has the hash %s", e->d_name, hex);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

struct fetched {
	const char *sha256; /* NULL: not known beforehand */
	int64_t size;
	const char *stream, *direction, *host, *url;
	int64_t tx_id;
	bool cut;
};

static const char *text_of(struct json_object *o, const char *name)
{
	const char *text = json_object_get_string(json_object_object_get(o, name));

	return text ? text : "";
}

static bool is_it(struct json_object *o, const struct fetched *f)
{
	return (!f->sha256 || strcmp(text_of(o, "sha256"), f->sha256) == 0) &&
	       json_object_get_int64(json_object_object_get(o, "size")) == f->size &&
	       json_object_get_int64(json_object_object_get(o, "tx_id")) == f->tx_id &&
	       json_object_get_boolean(json_object_object_get(o, "whole")) == !f->cut &&
	       strcmp(text_of(o, "direction"), f->direction) == 0 &&
	       strcmp(text_of(o, "host"), f->host) == 0 && strcmp(text_of(o, "url"), f->url) == 0 &&
	       (!f->stream || strcmp(text_of(o, "stream_id"), f->stream) == 0);
}

/* Every line is an object about a file that is there, and each of `want` has one line. */
static void check_index(const char *folder, const struct fetched *want, size_t n)
{
	static struct bytes index;
	char path[256], *rest, *line;
	uint32_t lines = 0, known = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/index.jsonl", folder);
	load(path, &index);
	CHECK(index.n == 0 || index.at[index.n - 1] == '\n', "the last line ends");
	for (line = strtok_r((char *)index.at, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest), lines++) {
		struct json_object *o = json_tokener_parse(line);

		CHECK(o, "%s", line);
		snprintf(path, sizeof(path), "%s/%s", folder, text_of(o, "sha256"));
		f = fopen(path, "re");
		CHECK(f && fseek(f, 0, SEEK_END) == 0 &&
			      ftell(f) == json_object_get_int64(json_object_object_get(o, "size")),
		      "the file of %s", line);
		for (size_t i = 0; i < n; i++)
			known += is_it(o, &want[i]);
		if (f)
			fclose(f);
		json_object_put(o);
	}
	CHECK(lines == n && known == n, "%u lines, %u of them known, instead of %zu", lines, known,
	      n);
}

static void extract(const char *capture, const char *name, const char *workers,
		    const struct fetched *want, size_t n)
{
	char *folder = temp_path(name);
	struct conf *conf = shown_open(
		capture, (const char *[]){"--extract-files", folder, "--workers", workers, NULL});

	for (uint32_t w = 0; w < conf->workers; w++)
		CHECK(!replay.shard[w].extract.failed, "worker %u", w);
	shown_close(conf);
	CHECK(check_files(folder) == n, "%s: as many files as bodies, all of them different", name);
	check_index(folder, want, n);
	free(folder);
}

static void test_extract(void)
{
	static const char hash[] =
		"b6882b5af9f5c42f77dd4739b92269fc5894681df6b6eb796892165a7187446b";
	static const char gz[] = "8faad0925611bf9fa620ebf4f91da4163b04602a7508d33345c55563307c5f77";
	static const char *const workers[] = {"1", "2", "4"};
	char id[17], demo[17];

	if (!find_id(FLAG, 50880, id) || !find_id(DEMO, 60350, demo))
		return;
	for (size_t i = 0; i < COUNT(workers); i++) {
		const struct fetched flag[] = {
			{hash, 60029, id, "b_to_a", "www.example", "/gz/flag.txt", 0, false},
		};
		const struct fetched web[] = {
			{NULL, 65, demo, "b_to_a", "www.example", "/", 0, false},
			{NULL, 43, demo, "b_to_a", "www.example", "/api.json", 1, false},
			{NULL, 153, demo, "b_to_a", "www.example", "/missing", 2, false},
			{NULL, 38, demo, "a_to_b", "www.example", "/form", 3, false},
			{NULL, 10, demo, "b_to_a", "www.example", "/form", 3, false},
			{gz, 20000, demo, "b_to_a", "www.example", "/gz/text.txt", 4, false},
			{NULL, 5000, NULL, "b_to_a", "[fd00:9::2]", "/b.bin", 0, false},
		};
		char name[16];

		snprintf(name, sizeof(name), "flag%s", workers[i]);
		extract(FLAG, name, workers[i], flag, COUNT(flag));
		snprintf(name, sizeof(name), "web%s", workers[i]);
		extract(DEMO, name, workers[i], web, COUNT(web));
	}
}

/* The same content twice: a line each, one file; a name in the traffic is no name of ours. */
static void test_extract_twice(void)
{
	static const char ask[] = "GET /%2e%2e/../../evil HTTP/1.1\r\nHost: a\r\n\r\n"
				  "GET /../x\"y HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
		"Content-Disposition: attachment; filename=\"../../evil\"\r\n\r\nsame"
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsame";
	static const struct fetched want[] = {
		{NULL, 4, NULL, "b_to_a", "a", "/%2e%2e/../../evil", 0, false},
		{NULL, 4, NULL, "b_to_a", "a", "/../x\"y", 1, false},
	};
	char *path, *folder = temp_path("twice");

	scene_begin();
	scene_data(TO_SERVER, 0, ask, sizeof(ask) - 1);
	scene_data(TO_CLIENT, 0, answer, sizeof(answer) - 1);
	path = scene_end(sizeof(ask) - 1, sizeof(answer) - 1);
	shown_close(shown_open(path, (const char *[]){"--extract-files", folder, NULL}));
	CU_ASSERT_EQUAL(check_files(folder), 1);
	check_index(folder, want, COUNT(want));
	free(folder);
	free(path);
}

/* What there was of a body whose stream ended, and of one with a hole. */
static void test_extract_cut(void)
{
	static const char ask[] =
		"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char first[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
	static const char second[] = "ghiHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot all";
	static const struct fetched want[] = {
		{NULL, 6, NULL, "b_to_a", "a", "/a", 0, true},
		{NULL, 7, NULL, "b_to_a", "a", "/b", 1, true},
	};
	uint32_t behind = sizeof(first) - 1 + 3;
	char *path, *folder = temp_path("cut");

	scene_begin();
	scene_data(TO_SERVER, 0, ask, sizeof(ask) - 1);
	scene_data(TO_CLIENT, 0, first, sizeof(first) - 1);
	scene_data(TO_CLIENT, behind, second, sizeof(second) - 1);
	path = scene_end(sizeof(ask) - 1, behind + sizeof(second) - 1);
	shown_close(shown_open(path, (const char *[]){"--extract-files", folder, NULL}));
	CU_ASSERT_EQUAL(check_files(folder), COUNT(want));
	check_index(folder, want, COUNT(want));
	free(folder);
	free(path);
}

/* Records of a packet are bounded, files are not: each body is written, and in the index. */
static void test_extract_beyond_records(void)
{
	static const char ask[] = "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
				     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree";
	char *path, *folder = temp_path("bounded");

	scene_begin();
	scene_data(TO_SERVER, 0, ask, sizeof(ask) - 1);
	scene_data(TO_CLIENT, 0, answer, sizeof(answer) - 1);
	path = scene_end(sizeof(ask) - 1, sizeof(answer) - 1);
	shown_close(
		shown_open(path, (const char *[]){"--extract-files", folder,
						  "--max-parser-messages-per-chunk", "1", NULL}));
	CU_ASSERT_EQUAL(check_files(folder), 2);
	free(folder);
	free(path);
}

CU_TestInfo show_tests[] = {
	{"windows", test_windows},
	{"from_memory", test_from_memory},
	{"characters_over_pieces", test_characters_over_pieces},
	{"holes_are_said", test_holes_are_said},
	{"follow", test_follow},
	{"follow_is_all", test_follow_is_all},
	{"hostile_bytes", test_hostile_bytes},
	{"no_such_stream", test_no_such_stream},
	{"transformed", test_transformed},
	{"extract", test_extract},
	{"extract_twice", test_extract_twice},
	{"extract_cut", test_extract_cut},
	{"extract_beyond_records", test_extract_beyond_records},
	CU_TEST_INFO_NULL,
};
