// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyswitch diff OLD NEW: what becomes allowed and what becomes denied. The text is
 * written from the object that --json prints. Must not touch the kernel.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "diff_json.h"
#include "options.h"
#include "results.h"

struct files {
	const char *path[DIFF_SIDES];
	int n;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct files *f = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (f->n == DIFF_SIDES)
			argp_error(state, "unexpected argument '%s'", arg);
		f->path[f->n++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (f->n < DIFF_SIDES)
			argp_error(state, "%s, expected 'keyswitch diff OLD NEW'",
				   f->n ? "one policy" : "no policies");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- as text ---- */

static void print_list(const json_t *o, const char *key, const char *before, const char *behind)
{
	const json_t *list = json_object_get(o, key), *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%s%s", i ? ", " : before, json_string_value(v));
	if (json_array_size(list))
		printf("%s", behind);
}

static void print_side(const json_t *o, const char *key)
{
	const json_t *side = json_object_get(o, key);
	const char *verdict = json_string_value(json_object_get(side, "verdict"));
	const char *by = json_string_value(json_object_get(side, "by"));

	if (verdict)
		printf("%s", !strcmp(verdict, "allow") ? "allowed" : "denied");
	else
		printf("%s", json_is_true(json_object_get(side, "marked")) ? "marked" : "not marked");
	if (json_object_get(side, "line"))
		printf(" by '%s'", by);
	else if (by)
		printf(" (%s)", by);
}

static void print_request(const json_t *o)
{
	print_list(o, "from", "", " -> ");
	print_list(o, "to", "", ":");
	print_list(o, "unit", " unit ", "");
	print_list(o, "requests", " ", "");
	print_list(o, "classes", " of ", "");
	print_list(o, "objects", " ", "");
	print_list(o, "functions", " with ", "");
	print_list(o, "elements", " ", "");
	print_list(o, "values", " values ", "");
	print_list(o, "route", " (route ", ")");
	printf(": ");
	print_side(o, "was");
	printf(" -> ");
	print_side(o, "now");
	putchar('\n');
}

static void print_text(const json_t *answer)
{
	const json_t *requests = json_object_get(answer, "requests"), *o;
	const json_t *settings = json_object_get(answer, "settings");
	size_t i;

	json_array_foreach(requests, i, o)
		print_request(o);
	json_array_foreach(settings, i, o)
		printf("%s: %s -> %s\n", json_string_value(json_object_get(o, "what")),
		       json_string_value(json_object_get(o, "was")),
		       json_string_value(json_object_get(o, "now")));
	if (!json_array_size(requests) && !json_array_size(settings))
		puts("no difference");
}

/* ---- the command ---- */

static int compare(const struct diff_side *side)
{
	struct policy_diff d;
	json_t *answer;
	int rc;

	policy_diff(&d, &side[DIFF_OLD], &side[DIFF_NEW]);
	rc = d.n_groups || d.n_settings ? EXIT_PROBLEM : EXIT_OK;
	answer = diff_json(&d);
	policy_diff_free(&d);
	if (!answer) {
		complain("out of memory");
		return EXIT_ENVIRONMENT;
	}
	if (!options.json) {
		print_text(answer);
		json_decref(answer);
		return rc;
	}
	return print_json(answer) ? EXIT_ENVIRONMENT : rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .children = options_child, .args_doc = "OLD NEW",
		.doc = "Says which requests become allowed and which become denied from one policy "
		       "to another, and what else changes. Everything that either policy can tell "
		       "apart is compared. Exits 0 without a difference, 1 with one.",
	};
	struct diff_side side[DIFF_SIDES] = { { 0 } };
	struct compiled_policy *tables[DIFF_SIDES] = { NULL };
	struct policy *policy[DIFF_SIDES] = { NULL };
	struct files files = { .n = 0 };
	int rc = EXIT_OK;

	argp_parse(&argp, argc, argv, 0, NULL, &files);
	for (int s = 0; s < DIFF_SIDES && !rc; s++) {
		policy[s] = load_rules(files.path[s], &tables[s], &rc);
		side[s] = (struct diff_side){ files.path[s], policy[s], tables[s] };
	}
	/* 1 says that there is a difference, so a policy that cannot be read is 2 */
	rc = rc ? EXIT_USAGE : compare(side);
	for (int s = 0; s < DIFF_SIDES; s++) {
		compiled_policy_free(tables[s]);
		policy_free(policy[s]);
	}
	return rc;
}

const struct command cmd_diff = {
	"diff", "say which requests become allowed or denied from one policy to another", run,
};
