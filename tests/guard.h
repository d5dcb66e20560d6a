/* SPDX-License-Identifier: MIT */
/*
 * guard — what the tests stand on: memory that ends at an unreadable page, numbers from a seed
 * that a failure prints, and an assertion that says which row of a table failed.
 *
 * Owner:  the test; one thread.
 */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `cap` writable bytes; the byte behind them cannot be read. */
struct guard {
	uint8_t *base, *end;
	size_t mapped, cap;
};

bool guard_open(struct guard *g, size_t cap);
void guard_close(struct guard *g);

/* A copy of the bytes whose last one touches the unreadable page. */
uint8_t *guard_put(struct guard *g, const void *bytes, size_t len);

/* xorshift64*: the same numbers on every machine. */
struct dice {
	uint64_t state, seed;
};

/* The seed is TEST_SEED where that is set, else `fixed`. */
struct dice dice_of(uint64_t fixed);
uint64_t dice_roll(struct dice *d);
/* 0 to n - 1 */
uint32_t dice_below(struct dice *d, uint32_t n);
void dice_fill(struct dice *d, uint8_t *at, size_t len);

/* Asserts `ok` in CUnit and, where it is false, prints the message.  Returns `ok`. */
bool check(bool ok, const char *file, unsigned int line, const char *text, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#define CHECK(ok, ...) check((ok), __FILE__, __LINE__, #ok, __VA_ARGS__)

/* A new file in a temporary folder that tests_end() removes; the path is the caller's to free. */
char *temp_path(const char *name);
char *temp_file(const char *name, const void *bytes, size_t len);
const char *temp_folder(void);
void temp_end(void);

/* Messages of what is tested are not the reader's: stderr is set aside between these two,
 * unless TEST_LOUD is set (sanitizers report there as well). */
void quiet_begin(void);
void quiet_end(void);

#endif
