// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of the commands, see results.h.
 * Must not know any one command.
 */
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "options.h"
#include "results.h"

static int printed(int err)
{
	if (err)
		complain("cannot print the result");
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

int print_json_line(json_t *object)
{
	int err = !object || json_dumpf(object, stdout, JSON_COMPACT);

	json_decref(object);
	return printed(err || putchar('\n') == EOF);
}

int print_json(json_t *object)
{
	int rc = print_json_line(object);

	return rc ? rc : printed(fflush(stdout));
}

static void keep_level(struct diags *d, enum diag_level level)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].level <= level)
			d->v[kept++] = d->v[i];
	d->n = kept;
}

static void print_problems(const struct diags *d)
{
	json_t *list;

	if (!options.json) {
		diags_print(d, stderr, true);
		return;
	}
	list = json_array();
	if (list && !diags_json(d, list) && json_array_size(list)) {
		json_dumpf(list, stderr, JSON_COMPACT);
		fputc('\n', stderr);
	}
	json_decref(list);
}

struct compiled_policy *load_policy(const char *path, enum diag_level level, int *rc)
{
	struct compiled_policy *policy;
	struct diags d;

	diags_init(&d, path);
	policy = policy_load(path, &d);
	diags_sort(&d);
	keep_level(&d, level);
	print_problems(&d);
	*rc = EXIT_OK;
	if (!policy) {
		complain("the policy '%s' has %zu error%s, nothing was changed", path,
			 d.errors, d.errors == 1 ? "" : "s");
		*rc = EXIT_PROBLEM;
	}
	diags_free(&d);
	return policy;
}

struct policy *load_rules(const char *path, struct compiled_policy **tables, int *rc)
{
	struct compiled_policy *c = NULL;
	struct policy *policy;
	struct diags d;

	diags_init(&d, path);
	policy = policy_parse_file(path, &d);
	if (policy)
		c = policy_compile(policy, &d);
	diags_sort(&d);
	keep_level(&d, DIAG_ERROR);
	print_problems(&d);
	*rc = EXIT_OK;
	if (!c) {
		complain("the policy '%s' has %zu error%s", path, d.errors,
			 d.errors == 1 ? "" : "s");
		*rc = EXIT_PROBLEM;
		policy_free(policy);
		policy = NULL;
	}
	diags_free(&d);
	*tables = c;
	return policy;
}

void digest_text(char out[DIGEST_TEXT], const uint8_t digest[32])
{
	for (int i = 0; i < 32; i++)
		sprintf(out + 2 * i, "%02x", digest[i]);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct one_argument *one = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (one->value || !one->expected)
		argp_error(state, "unexpected argument '%s'", arg);
	one->value = arg;
	return 0;
}

void parse_plain(int argc, char **argv, const char *doc, struct one_argument *arg)
{
	const struct argp argp = {
		.parser = parse, .args_doc = arg->expected, .doc = doc,
		.children = options_child,
	};

	argp_parse(&argp, argc, argv, 0, NULL, arg);
}
