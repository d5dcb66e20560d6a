/* SPDX-License-Identifier: MIT */
/*
 * steer — what the XDP program costs: ns per packet, of one TCP/IPv4 frame of 64 bytes.
 *
 *   steer [ROUNDS [REPEAT]]
 *
 * BPF_PROG_TEST_RUN repeats a program on one and the same buffer, so the room for metadata would be
 * used up after some runs. So a small program of our own goes first, which gives that room back and
 * then jumps to the program under test; what it costs with an empty program behind it (`harness`)
 * is taken off. `bare` has none before it: there the metadata is refused, and time is not read.
 * In front of a socket: the frame is redirected, though nobody takes it out of the test.
 *
 * Prints a row per program, median, least and most of ROUNDS (9), which take turns. One thread,
 * which the caller pins to a CPU. Exit status 0, or 1 after a message: also where a program did not
 * do what its row says.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steer.skel.h"
#include "user/source/kernel_filter.h"
#include "user/source/verdicts.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

struct rm_view {
	const uint8_t *frame;
	size_t len;
};

static inline const __u8 *rm_at(struct rm_view *v, __u32 off, __u32 n)
{
	return off > 1024 || v->len < (size_t)off + n ? NULL : v->frame + off;
}

#include "bpf/parse.h"

enum { FRAME = 64, WORKERS = 2, FLOWS = 30000, ROWS = 65536, ROUNDS_MAX = 99 };

/* 10.1.2.3:40000 > 10.4.5.6:80, ACK, 10 bytes of data. */
static const uint8_t FRAME_BYTES[FRAME] = {
	2,   0,  0, 0,  0, 1, 2, 0, 0,  0, 0, 2, 8,  0,                         /* Ethernet */
	69,  0,  0, 50, 0, 1, 0, 0, 64, 6, 0, 0, 10, 1,  2,   3,   10, 4, 5, 6, /* IPv4 */
	156, 64, 0, 80, 0, 0, 0, 1, 0,  0, 0, 1, 80, 16, 255, 255, 0,  0, 0, 0, /* TCP */
};

enum program { HARNESS, STEER, FILTERED, NO_VERDICT, COUNT, BARE_EMPTY, BARE, PROGRAMS };

struct row {
	const char *name;
	enum program base; /* whose cost is taken off */
	int fd;
	uint32_t verdict; /* what it has to return */
	uint32_t ns[ROUNDS_MAX];
};

struct bench {
	struct steer_bpf *plain, *offload, *counting;
	struct verdicts verdicts, counted;
	struct kernel_filter filter;
	int socket;
	struct row row[PROGRAMS];
};

static int fail(const char *step, int err)
{
	fprintf(stderr, "steer: %s: %s\n", step,
		strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
	return err;
}

/* ---- programs ---- */

static int load_xdp(const struct bpf_insn *insn, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP,
		    .prog_flags = BPF_F_XDP_HAS_FRAGS);

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "bench", "Dual BSD/GPL", insn, n, &opts);
}

static int load_empty(void)
{
	const struct bpf_insn insn[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load_xdp(insn, sizeof(insn) / sizeof(insn[0]));
}

/* The metadata of the run before is given up; then `to` runs. */
static int load_harness(int to)
{
	uint32_t zero = 0;
	int map = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "next", 4, 4, 1, NULL), err;
	const struct bpf_insn insn[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = sizeof(struct rm_meta)},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_xdp_adjust_meta},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6},
		{.code = BPF_LD | BPF_DW, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_ABORTED},
		{.code = BPF_JMP | BPF_EXIT},
	};

	if (map < 0)
		return map;
	err = load_xdp(insn, sizeof(insn) / sizeof(insn[0]));
	if (err >= 0 && bpf_map_update_elem(map, &zero, &to, BPF_ANY) < 0)
		err = -errno;
	return err; /* the map stays open: closing it would empty it */
}

static int load_steer(struct steer_bpf **to, const struct verdicts *verdicts, int socket)
{
	struct steer_bpf *p = steer_bpf__open();
	struct rm_hash_key key;
	uint32_t slots = WORKERS;
	int err;

	if (!p)
		return -errno;
	*to = p;
	for (uint32_t i = 0; i < 10; i++)
		key.word[i] = 0x9e3779b97f4a7c15ULL * (i + 1);
	memcpy((void *)p->rodata->key, &key, sizeof(key));
	p->rodata->workers = WORKERS;
	p->rodata->offload = verdicts != NULL;
	if (verdicts) {
		bpf_map__reuse_fd(p->maps.verdicts, verdicts->map);
		bpf_map__reuse_fd(p->maps.rows, verdicts->counters);
	}
	bpf_map__set_max_entries(p->maps.xsks, slots);
	err = steer_bpf__load(p);
	for (uint32_t slot = 0; slot < slots && err == 0; slot++)
		err = bpf_map_update_elem(bpf_map__fd(p->maps.xsks), &slot, &socket, 0);
	return err;
}

/* Many flows have a verdict; that of the frame only where it is to be counted. */
static int open_verdicts(struct verdicts *v, bool counted)
{
	struct rm_view view = {FRAME_BYTES, FRAME};
	struct rm_verdict verdict = {.what = {RM_COUNT, RM_COUNT}};
	struct rm_parsed p;
	struct rm_flow_id id;
	int err = verdicts_open(v, ROWS);

	if (err < 0)
		return err;
	rm_parse(&view, &p, 0);
	id = (struct rm_flow_id){.tuple = p.tuple, .layers = p.layers};
	if (counted && !verdicts_set(v, &id, &verdict))
		return -ENOSPC;
	for (uint32_t i = 1; i <= FLOWS; i++) {
		id.tuple.hi[3] = p.tuple.hi[3] + (i << 8);
		verdict.row = i;
		if (!verdicts_set(v, &id, &verdict))
			return -ENOSPC;
	}
	return 0;
}

static void under_harness(struct bench *b, enum program i, const char *name, int fd,
			  uint32_t verdict)
{
	b->row[i] = (struct row){
		.name = name, .base = HARNESS, .fd = load_harness(fd), .verdict = verdict};
}

static int open_all(struct bench *b)
{
	struct kernel_filter_conf filter = {
		.expression = "tcp port 80", .place = CBPF_XDP, .frags = true};
	char why[256] = "";
	int err, empty;

	b->socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (b->socket < 0)
		return fail("AF_XDP", -errno);
	err = open_verdicts(&b->verdicts, false);
	if (err == 0)
		err = open_verdicts(&b->counted, true);
	if (err < 0)
		return fail("verdicts", err);
	err = load_steer(&b->plain, NULL, b->socket);
	if (err == 0)
		err = load_steer(&b->offload, &b->verdicts, b->socket);
	if (err == 0)
		err = load_steer(&b->counting, &b->counted, b->socket);
	if (err < 0)
		return fail("loading the XDP program", err);
	filter.next = bpf_program__fd(b->plain->progs.steer);
	filter.counts = bpf_map__fd(b->plain->maps.counts);
	err = kernel_filter_open(&b->filter, &filter, why, sizeof(why));
	if (err < 0)
		return fail(why, err);
	empty = load_empty();
	if (empty < 0)
		return fail("loading an empty program", empty);
	under_harness(b, HARNESS, "harness", empty, XDP_PASS);
	under_harness(b, STEER, "steer", filter.next, XDP_REDIRECT);
	under_harness(b, FILTERED, "filter, steer", b->filter.program, XDP_REDIRECT);
	under_harness(b, NO_VERDICT, "offload, no verdict",
		      bpf_program__fd(b->offload->progs.steer), XDP_REDIRECT);
	under_harness(b, COUNT, "offload, counted", bpf_program__fd(b->counting->progs.steer),
		      XDP_DROP);
	b->row[BARE_EMPTY] = (struct row){
		.name = "bare, empty", .base = BARE_EMPTY, .fd = empty, .verdict = XDP_PASS};
	b->row[BARE] = (struct row){
		.name = "bare", .base = BARE_EMPTY, .fd = filter.next, .verdict = XDP_REDIRECT};
	for (int i = 0; i < PROGRAMS; i++)
		if (b->row[i].fd < 0)
			return fail(b->row[i].name, b->row[i].fd);
	return 0;
}

static void close_all(struct bench *b)
{
	steer_bpf__destroy(b->plain);
	steer_bpf__destroy(b->offload);
	steer_bpf__destroy(b->counting);
	kernel_filter_close(&b->filter);
	verdicts_close(&b->verdicts);
	verdicts_close(&b->counted);
	if (b->socket >= 0)
		close(b->socket);
}

/* ---- runs ---- */

/* That the metadata is there is seen from the length of what comes out: once and again. */
static int run(const struct row *row, bool meta, uint32_t repeat, uint32_t *ns)
{
	uint8_t out[512];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = FRAME_BYTES, .data_size_in = FRAME,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = (int)repeat);
	uint32_t len = FRAME + (meta ? sizeof(struct rm_meta) : 0);

	if (bpf_prog_test_run_opts(row->fd, &opts) < 0)
		return fail(row->name, -errno);
	if (opts.retval != row->verdict || (row->base == HARNESS && opts.data_size_out != len)) {
		fprintf(stderr, "steer: %s: verdict %u, %u bytes\n", row->name, opts.retval,
			opts.data_size_out);
		return -EPROTO;
	}
	*ns = opts.duration;
	return 0;
}

static int measure(struct bench *b, uint32_t rounds, uint32_t repeat)
{
	int err = 0;

	for (uint32_t round = 0; round < rounds; round++)
		for (int i = 0; i < PROGRAMS && err == 0; i++)
			err = run(&b->row[i], b->row[i].verdict == XDP_REDIRECT, repeat,
				  &b->row[i].ns[round]);
	return err;
}

static int order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(struct bench *b, uint32_t rounds)
{
	for (int i = 0; i < PROGRAMS; i++)
		qsort(b->row[i].ns, rounds, sizeof(uint32_t), order);
	for (int i = 0; i < PROGRAMS; i++) {
		const struct row *r = &b->row[i];
		int64_t base = r->base == (enum program)i ? 0 : b->row[r->base].ns[rounds / 2];

		printf("%s: %" PRId64 " %" PRId64 " %" PRId64 "\n", r->name,
		       r->ns[rounds / 2] - base, r->ns[0] - base, r->ns[rounds - 1] - base);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 9;
	unsigned long repeat = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
	struct bench b = {.socket = -1, .filter = {-1, -1}};
	int err;

	if (rounds < 1 || rounds > ROUNDS_MAX || repeat < 1 || repeat > 100000000) {
		fprintf(stderr, "usage: steer [ROUNDS [REPEAT]]\n");
		return EXIT_FAILURE;
	}
	libbpf_set_print(NULL);
	err = open_all(&b);
	if (err == 0)
		err = measure(&b, (uint32_t)rounds, (uint32_t)repeat);
	if (err == 0)
		report(&b, (uint32_t)rounds);
	close_all(&b);
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
