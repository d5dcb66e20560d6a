/* SPDX-License-Identifier: MIT */
/* messages — the index of what parsers found, against lists of everything that was added. */
#include <stdlib.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/packets.h"
#include "tests/suites.h"
#include "user/view/messages.h"

enum { STREAMS = 5, ADDED = 3000 };

/* All that was ever added, in order; start is its number. */
static struct {
	uint32_t stream;
	bool kept;
} added[ADDED];

static uint32_t n_added;

/* The oldest that are too many, of the stream and of all, are let go. */
static void model_add(uint32_t stream, uint32_t per_stream, uint32_t total)
{
	uint32_t of_stream = 0, of_all = 0;

	added[n_added].stream = stream;
	added[n_added++].kept = true;
	for (uint32_t i = n_added; i-- > 0;) {
		of_stream += added[i].kept && added[i].stream == stream;
		if (added[i].stream == stream && of_stream > per_stream)
			added[i].kept = false;
		of_all++; /* the ring turns over those that were dropped inside it, too */
		if (of_all > total)
			added[i].kept = false;
	}
}

static void check_stream(const struct messages *m, uint32_t stream)
{
	uint64_t cursor = 0, dropped = 0;

	for (uint32_t i = 0; i < n_added; i++) {
		const struct message *got;

		if (added[i].stream != stream)
			continue;
		dropped += !added[i].kept;
		if (!added[i].kept)
			continue;
		got = messages_next(m, stream, &cursor);
		CHECK(got && got->start == i, "stream %u: %lld, not %u", stream,
		      got ? (long long)got->start : -1, i);
	}
	CU_ASSERT_PTR_NULL(messages_next(m, stream, &cursor));
	CHECK(messages_dropped(m, stream) == dropped, "stream %u: %llu dropped", stream,
	      (unsigned long long)messages_dropped(m, stream));
}

static void test_newest_are_kept(void)
{
	static const struct messages_conf rows[] = {
		{10000, 10000, STREAMS}, {100, 1000, STREAMS}, {1000, 20, STREAMS},
		{50, 15, STREAMS},       {1, 1, STREAMS},
	};
	struct dice d = dice_of(911);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct messages m;

		n_added = 0;
		CU_ASSERT_EQUAL_FATAL(messages_open(&m, &rows[i]), 0);
		while (n_added < 400) {
			uint32_t stream = dice_below(&d, 1 + dice_below(&d, STREAMS));

			messages_add(&m, stream, &(struct message){.start = n_added});
			model_add(stream, rows[i].per_stream, rows[i].total);
			check_stream(&m, stream);
			check_stream(&m, dice_below(&d, STREAMS));
		}
		messages_close(&m);
	}
}

/* Whoever reads on later goes on where it was, or behind what was let go since. */
static void test_reading_on(void)
{
	struct messages m;
	uint64_t cursor = 0;
	const struct message *got;

	CU_ASSERT_EQUAL_FATAL(messages_open(&m, &(struct messages_conf){100, 3, 2}), 0);
	for (uint64_t i = 0; i < 3; i++)
		messages_add(&m, 1, &(struct message){.start = i});
	CU_ASSERT_EQUAL(messages_next(&m, 1, &cursor)->start, 0);
	messages_add(&m, 1, &(struct message){.start = 3});
	messages_add(&m, 1, &(struct message){.start = 4});
	got = messages_next(&m, 1, &cursor); /* 1 is gone */
	CU_ASSERT_TRUE(got && got->start == 2);
	messages_forget(&m, 1);
	CU_ASSERT_PTR_NULL(messages_next(&m, 1, &cursor));
	CU_ASSERT_EQUAL(messages_dropped(&m, 1), 0);
	messages_add(&m, 1, &(struct message){.start = 7});
	cursor = 0;
	got = messages_next(&m, 1, &cursor);
	CU_ASSERT_TRUE(got && got->start == 7);
	messages_close(&m);
}

static void test_none_at_all(void)
{
	struct messages m;
	uint64_t cursor = 0;

	CU_ASSERT_EQUAL_FATAL(messages_open(&m, &(struct messages_conf){0, 10, 1}), 0);
	messages_add(&m, 0, &(struct message){.start = 1});
	CU_ASSERT_PTR_NULL(messages_next(&m, 0, &cursor));
	CU_ASSERT_EQUAL(messages_dropped(&m, 0), 1);
	messages_close(&m);
}

static void test_summary(void)
{
	struct message m;
	uint8_t longer[100];

	message_summarise(&m, span_of((const uint8_t *)"GET", 3),
			  span_of((const uint8_t *)"/a\r\n\xff", 5));
	CU_ASSERT_STRING_EQUAL(m.summary, "GET /a...");
	message_summarise(&m, span_of((const uint8_t *)"ping", 4), (struct span){0});
	CU_ASSERT_STRING_EQUAL(m.summary, "ping");
	memset(longer, 'x', sizeof(longer));
	message_summarise(&m, span_of(longer, sizeof(longer)), span_of(longer, sizeof(longer)));
	CU_ASSERT_EQUAL(strlen(m.summary), MESSAGE_SUMMARY - 1);
}

CU_TestInfo messages_tests[] = {
	{"newest_are_kept", test_newest_are_kept},
	{"reading_on", test_reading_on},
	{"none_at_all", test_none_at_all},
	{"summary", test_summary},
	CU_TEST_INFO_NULL,
};
