/* SPDX-License-Identifier: MIT */
/* opt — see opt.h. */
#include "user/base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage_error(const struct opt_table *t, const char *what, const char *which)
{
	fprintf(stderr, "%s: %s%s%s\nTry '%s --help'.\n", t->program, what, which ? ": " : "",
		which ? which : "", t->program);
	return 2;
}

static bool read_number(const char *text, uint64_t *out)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t v;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno)
		return false;
	if (*end) {
		const char *unit = strchr(units, toupper((unsigned char)*end));

		if (!unit || end[1])
			return false;
		for (const char *u = units; u <= unit; u++) {
			if (v > UINT64_MAX / 1024)
				return false;
			v *= 1024;
		}
	}
	*out = v;
	return true;
}

static bool read_choice(const char *choices, const char *text, uint64_t *out)
{
	size_t len = strlen(text);
	uint64_t i = 0;

	for (const char *c = choices;; c++, i++) {
		size_t n = strcspn(c, "|");

		if (n == len && memcmp(c, text, n) == 0) {
			*out = i;
			return true;
		}
		c += n;
		if (!*c)
			return false;
	}
}

/* Puts a value, as typed, where the row says.  NULL, or what is wrong with it. */
static const char *assign(const struct opt_row *row, char *settings, const char *text)
{
	static char why[160];
	char *member = settings + row->offset;
	uint64_t v;

	switch (row->type) {
	case OPT_HEADING:
		break;
	case OPT_FLAG:
		*(bool *)member = true;
		break;
	case OPT_NUMBER:
		if (!read_number(text, &v))
			return "not a number";
		if (v < row->min || v > row->max) {
			snprintf(why, sizeof(why), "not between %llu and %llu",
				 (unsigned long long)row->min, (unsigned long long)row->max);
			return why;
		}
		*(uint64_t *)member = v;
		break;
	case OPT_TEXT:
		*(const char **)member = text;
		break;
	case OPT_LIST: {
		struct opt_list *list = (struct opt_list *)member;
		const char **at = realloc(list->at, (list->n + 1) * sizeof(*at));

		if (!at)
			return "out of memory";
		at[list->n] = text;
		list->at = at;
		list->n++;
		break;
	}
	case OPT_CHOICE:
		if (!read_choice(row->arg, text, (uint64_t *)member)) {
			snprintf(why, sizeof(why), "not one of %s", row->arg);
			return why;
		}
		break;
	}
	return NULL;
}

int opt_defaults(const struct opt_table *t, char *settings)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->row[i].preset && assign(&t->row[i], settings, t->row[i].preset))
			return usage_error(t, "bad default", t->row[i].name);
	return 0;
}

static const struct opt_row *find(const struct opt_table *t, const char *name, size_t len,
				  char letter)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct opt_row *row = &t->row[i];

		if (row->type == OPT_HEADING)
			continue;
		if (letter ? row->letter == letter
			   : strlen(row->name) == len && memcmp(row->name, name, len) == 0)
			return row;
	}
	return NULL;
}

int opt_args(const struct opt_table *t, char *settings, bool *given, size_t plain, int argc,
	     char **argv)
{
	const struct opt_row list = {.type = OPT_LIST, .offset = plain};
	bool options = true;

	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value = NULL, *why;
		const struct opt_row *row;

		if (!options || arg[0] != '-' || !arg[1]) {
			why = assign(&list, settings, arg);
			if (why)
				return usage_error(t, why, arg);
			continue;
		}
		if (strcmp(arg, "--") == 0) {
			options = false;
			continue;
		}
		if (arg[1] == '-') {
			size_t len = strcspn(arg + 2, "=");

			row = find(t, arg + 2, len, 0);
			value = arg[2 + len] ? arg + 3 + len : NULL;
		} else {
			row = find(t, NULL, 0, arg[1]);
			value = arg[2] ? arg + 2 : NULL;
		}
		if (!row)
			return usage_error(t, "unknown option", arg);
		if (row->type == OPT_FLAG && value)
			return usage_error(t, "takes no value", arg);
		if (row->type != OPT_FLAG && !value) {
			if (++i == argc)
				return usage_error(t, "needs a value", arg);
			value = argv[i];
		}
		why = assign(row, settings, value);
		if (why) {
			char what[256];

			snprintf(what, sizeof(what), "--%s %s", row->name, value);
			return usage_error(t, what, why);
		}
		given[row - t->row] = true;
	}
	return 0;
}

/* One member of the configuration file: a string, number, true, or an array of strings. */
static const char *assign_json(const struct opt_row *row, char *settings, struct json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_boolean:
		if (row->type != OPT_FLAG)
			return "takes a value, not true or false";
		*(bool *)(settings + row->offset) = json_object_get_boolean(v);
		return NULL;
	case json_type_array:
		if (row->type != OPT_LIST)
			return "takes one value, not an array";
		for (size_t i = 0; i < json_object_array_length(v); i++) {
			const char *why =
				assign_json(row, settings, json_object_array_get_idx(v, i));

			if (why)
				return why;
		}
		return NULL;
	case json_type_string:
	case json_type_int:
		if (row->type == OPT_FLAG)
			return "is true or false";
		return assign(row, settings, json_object_get_string(v));
	default:
		return "is of a type that no option has";
	}
}

int opt_config(const struct opt_table *t, char *settings, const bool *given, const char *path,
	       struct json_object **keep)
{
	struct json_object *root = json_object_from_file(path);
	int rc = 0;

	if (!root || !json_object_is_type(root, json_type_object)) {
		const char *why = root ? "not a JSON object" : json_util_get_last_err();

		fprintf(stderr, "%s: --config %s: %.*s\n", t->program, path,
			(int)strcspn(why, "\n"), why);
		json_object_put(root);
		return 2;
	}
	*keep = root;
	json_object_object_foreach(root, name, value)
	{
		const struct opt_row *row = find(t, name, strlen(name), 0);
		const char *why = row ? NULL : "no such option";

		if (row && !given[row - t->row])
			why = assign_json(row, settings, value);
		if (why) {
			fprintf(stderr, "%s: --config %s: %s: %s\n", t->program, path, name, why);
			rc = 2;
			break;
		}
	}
	return rc;
}

void opt_free(const struct opt_table *t, const char *settings)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->row[i].type == OPT_LIST)
			free(((const struct opt_list *)(settings + t->row[i].offset))->at);
}

/* Help text in lines of at most `width`, each behind `indent` spaces. */
static void wrap(const char *text, int indent, int width)
{
	while (*text) {
		int n = (int)strlen(text);

		if (n > width) {
			n = width;
			while (n > 0 && text[n] != ' ')
				n--;
		}
		printf("%*s%.*s\n", indent, "", n, text);
		text += n;
		while (*text == ' ')
			text++;
	}
}

void opt_help(const struct opt_table *t)
{
	printf("%s - %s\n\nusage: %s\n", t->program, t->purpose, t->usage);
	for (size_t i = 0; i < t->n; i++) {
		const struct opt_row *row = &t->row[i];

		if (row->type == OPT_HEADING) {
			printf("\n%s\n", row->name);
			continue;
		}
		if (row->letter)
			printf("  -%c, --%s", row->letter, row->name);
		else
			printf("      --%s", row->name);
		if (row->arg)
			printf(" %s", row->arg);
		if (row->preset)
			printf("  [%s]", row->preset);
		putchar('\n');
		wrap(row->help, 10, 78);
	}
}

static void man_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

void opt_man(const struct opt_table *t)
{
	printf(".TH %s 1\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n.SH OPTIONS\n", t->program,
	       t->program, t->purpose, t->usage);
	for (size_t i = 0; i < t->n; i++) {
		const struct opt_row *row = &t->row[i];

		if (row->type == OPT_HEADING) {
			printf(".SS %s\n", row->name);
			continue;
		}
		printf(".TP\n.B ");
		if (row->letter)
			printf("\\-%c, ", row->letter);
		printf("\\-\\-");
		man_text(row->name);
		if (row->arg) {
			printf(" \\fI");
			man_text(row->arg);
			printf("\\fP");
		}
		putchar('\n');
		man_text(row->help);
		if (row->preset) {
			printf(" Default: ");
			man_text(row->preset);
			putchar('.');
		}
		putchar('\n');
	}
	printf(".SH EXIT STATUS\n0: all input was read and written. 1: some input was truncated, "
	       "damaged, missing or no capture (what was whole has its records), or output failed. "
	       "2: wrong usage.\n");
}
