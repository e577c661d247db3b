// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch history`: what was in force when, and who put it there. Must not touch
 * the kernel.
 */
#include <stdio.h>

#include "command.h"
#include "history.h"
#include "options.h"
#include "results.h"

static const char *text_of(const json_t *change, const char *key)
{
	const char *text = json_string_value(json_object_get(change, key));

	return text ? text : "";
}

static void print_change(const json_t *change)
{
	const char *note = text_of(change, "note");
	const char *object = text_of(change, "object");
	json_int_t trial = json_integer_value(json_object_get(change, "trial"));

	printf("%s  %-8s  %-12s  ", text_of(change, "time"), text_of(change, "action"),
	       text_of(change, "user"));
	if (*object)
		printf("data path  %.16s  %s", object, text_of(change, "file"));
	else
		printf("generation %lld  %.16s  %s",
		       (long long)json_integer_value(json_object_get(change, "generation")),
		       text_of(change, "digest"), text_of(change, "file"));
	if (trial)
		printf("  on trial for %lld s", (long long)trial);
	printf("%s%s\n", *note ? "  # " : "", note);
}

static int show(int argc, char **argv)
{
	struct one_argument none = { .expected = NULL };
	json_t *all;

	parse_plain(argc, argv, "Prints which policies were put in force, the oldest first.", &none);
	all = history_read();
	if (!all)
		return EXIT_ENVIRONMENT;
	if (options.json)
		return print_json(json_pack("{s:o}", "changes", all));
	for (size_t i = 0; i < json_array_size(all); i++)
		print_change(json_array_get(all, i));
	json_decref(all);
	return EXIT_OK;
}

const struct command cmd_history = {
	.name = "history", .help = "print which policies were put in force", .run = show,
};
