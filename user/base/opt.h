/* SPDX-License-Identifier: MIT */
/*
 * opt — a command line as a table: parsing, defaults, help, man page and the configuration file
 * all come from the same rows.
 *
 * A row names a member of the caller's settings struct by offset.  Numbers take K, M, G.
 */
#ifndef USER_BASE_OPT_H
#define USER_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {
	OPT_HEADING, /* help only */
	OPT_FLAG,    /* bool */
	OPT_NUMBER,  /* uint64_t, between min and max */
	OPT_TEXT,    /* const char * */
	OPT_LIST,    /* struct opt_list, repeatable */
	OPT_CHOICE,  /* uint64_t, index into the `|`-separated choices in `arg` */
};

struct opt_list {
	const char **at;
	size_t n;
};

struct opt_row {
	enum opt_type type;
	const char *name; /* without dashes */
	char letter;      /* or 0 */
	const char *arg;  /* what the help calls the argument */
	size_t offset;
	uint64_t min, max;
	const char *preset; /* default as typed, or NULL */
	const char *help;
};

struct opt_table {
	const struct opt_row *row;
	size_t n;
	const char *program, *purpose, *usage;
};

/* Sets all defaults; then argv; then `config` (a JSON file, NULL for none) for what argv left.
 * Plain arguments are added to the list member `plain`.  0, or 2 after a message on stderr. */
int opt_defaults(const struct opt_table *t, char *settings);
int opt_args(const struct opt_table *t, char *settings, bool *given, size_t plain, int argc,
	     char **argv);
/* The settings' texts lie in *keep, to be released after them. */
struct json_object;
int opt_config(const struct opt_table *t, char *settings, const bool *given, const char *path,
	       struct json_object **keep);
/* Frees lists. */
void opt_free(const struct opt_table *t, const char *settings);

void opt_help(const struct opt_table *t);
void opt_man(const struct opt_table *t);

#endif
