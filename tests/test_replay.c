/* SPDX-License-Identifier: MIT */
/*
 * replay — whole runs: nothing is allocated per packet, the caps hold and say so, and the books
 * balance whatever is refused.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/replay.h"
#include "user/report.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
#else
#define COUNTS_ALLOCATIONS 0
#endif

static _Atomic uint64_t allocations;

#if COUNTS_ALLOCATIONS
/* glibc's own names: every malloc of this program passes here. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);

void *malloc(size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(old, n);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
#endif

static void put_le32(FILE *f, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

	fwrite(b, 1, sizeof(b), f);
}

/* `flows` conversations of `each` packets, TCP and UDP in turn, round robin. */
static void make_capture(const char *path, uint32_t flows, uint32_t each)
{
	static const uint32_t header[] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
	static struct build b;
	FILE *f = fopen(path, "wb");

	CU_ASSERT_PTR_NOT_NULL(f);
	if (!f)
		return;
	for (size_t i = 0; i < 6; i++)
		put_le32(f, header[i]);
	for (uint32_t n = 0; n < flows * each; n++) {
		uint32_t flow = n % flows, round = n / flows;
		size_t ip, l4;

		b.n = 0;
		put_ethernet(&b, 0x0800);
		ip = put_ipv4(&b, flow % 2 ? 17 : 6, 0x0a000001 + flow, 0x0b000001);
		if (flow % 2) {
			l4 = put_udp(&b, 4000, 5000);
			put_text(&b, "ping");
			end_udp(&b, l4, ip);
		} else {
			l4 = put_tcp(&b, 4000, 5000, 1 + round * 4, 0x18);
			put_text(&b, "data");
			end_tcp(&b, l4, ip);
		}
		end_ipv4(&b, ip);
		put_le32(f, 1700000000 + n / 10000);
		put_le32(f, n % 10000 * 100);
		put_le32(f, (uint32_t)b.n);
		put_le32(f, (uint32_t)b.n);
		fwrite(b.at, 1, b.n, f);
	}
	fclose(f);
}

/* One run; the allocations it made.  *r is gathered, the run closed. */
static uint64_t run(const char *path, const char *workers, const char *option, const char *value,
		    struct report *r)
{
	const char *args[] = {"rm-xdp",        "--pcap", path,        "--workers", workers,
			      "--no-progress", "-o",     "/dev/null", option,      value};
	static struct conf conf;
	static struct run replay;
	uint64_t before;

	CU_ASSERT_EQUAL_FATAL(conf_read(&conf, option ? 10 : 8, (char **)args), 0);
	before = atomic_load(&allocations);
	CU_ASSERT_EQUAL_FATAL(run_begin(&replay, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(replay_run(&replay), 0);
	before = atomic_load(&allocations) - before;
	report_gather(r, &replay);
	run_close(&replay);
	conf_free(&conf);
	return before;
}

static void test_no_allocation_per_packet(void)
{
	static const char *const workers[] = {"1", "2", "4"};
	char few[] = "/tmp/rm-xdp-few-XXXXXX", many[] = "/tmp/rm-xdp-many-XXXXXX";
	static struct report r;

	close(mkstemp(few));
	close(mkstemp(many));
	make_capture(few, 100, 10);
	make_capture(many, 1000, 50);
	for (int i = 0; i < 3; i++) {
		uint64_t a = run(few, workers[i], NULL, NULL, &r), b;

		CU_ASSERT_EQUAL(r.flow.created, 100);
		b = run(many, workers[i], NULL, NULL, &r);
		CU_ASSERT_EQUAL(r.flow.created, 1000);
		CU_ASSERT_EQUAL(r.in, 50000);
		/* Starting threads allocates, now and then: a few, not thousands. */
		CHECK(b <= a + (i ? 20 : 0) && (a > 0) == COUNTS_ALLOCATIONS,
		      "%s workers: %llu allocations for 1,000 packets, %llu for 50,000", workers[i],
		      (unsigned long long)a, (unsigned long long)b);
	}
	unlink(few);
	unlink(many);
}

/* Beyond --max-flows the oldest go, each with its record; every packet is accounted for. */
static void test_flow_cap(void)
{
	static const char *const workers[] = {"1", "2", "4"};
	char path[] = "/tmp/rm-xdp-cap-XXXXXX";
	static struct report r;

	close(mkstemp(path));
	make_capture(path, 1000, 5);
	for (int i = 0; i < 3; i++) {
		run(path, workers[i], "--max-flows", "100", &r);
		/* a sum of peaks, which need not be of one moment */
		CHECK(r.flow.peak <= (i ? 200 : 100), "%s workers: %u live", workers[i],
		      r.flow.peak);
		CHECK(r.flow.evicted >= 900, "%s workers: %llu evicted", workers[i],
		      (unsigned long long)r.flow.evicted);
		CHECK(r.balanced && r.in == 5000, "%s workers: balance", workers[i]);
		CHECK(r.summary.tcp.flows + r.summary.udp.flows == r.flow.created,
		      "%s workers: a record for each flow", workers[i]);
	}
	unlink(path);
}

/* --max-packets stops there, and a filter's packets are dropped for that reason. */
static void test_limits(void)
{
	char path[] = "/tmp/rm-xdp-lim-XXXXXX";
	static struct report r;

	close(mkstemp(path));
	make_capture(path, 10, 100);
	run(path, "2", "--max-packets", "123", &r);
	CU_ASSERT_EQUAL(r.in, 123);
	CU_ASSERT_TRUE(r.balanced);
	run(path, "2", "--capture-filter", "udp", &r);
	CU_ASSERT_EQUAL(r.in, 1000);
	CU_ASSERT_EQUAL(r.dropped[RM_DROP_FILTERED], 500);
	CU_ASSERT_EQUAL(r.flow_frames, 500);
	CU_ASSERT_TRUE(r.balanced);
	unlink(path);
}

CU_TestInfo replay_tests[] = {
	{"no_allocation_per_packet", test_no_allocation_per_packet},
	{"flow_cap", test_flow_cap},
	{"limits", test_limits},
	CU_TEST_INFO_NULL,
};
