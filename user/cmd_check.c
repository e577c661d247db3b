// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyswitch check FILE...: reads, compiles and lints policies without root.
 * Must not touch the kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "options.h"
#include "policy.h"

struct check {
	char **files;
	int n;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct check *c = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case ARGP_KEY_ARGS:
		c->files = state->argv + state->next;
		c->n = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no policy file, expected at least one");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "FILE...",
	.doc = "Reads policy files and reports every problem in them. Nothing in the kernel "
	       "is looked at or changed.",
	.children = options_child,
};

static void print_summary(const struct diags *d, const struct compiled_policy *c)
{
	if (d->errors)
		printf("%s: %zu error%s, %zu warning%s\n", d->file, d->errors,
		       d->errors == 1 ? "" : "s", d->warnings, d->warnings == 1 ? "" : "s");
	else
		printf("%s: ok: %u rule%s, %u asset%s, %zu warning%s\n", d->file,
		       c->cfg->rules, c->cfg->rules == 1 ? "" : "s", c->cfg->assets,
		       c->cfg->assets == 1 ? "" : "s", d->warnings,
		       d->warnings == 1 ? "" : "s");
}

static int check_file(const char *path, json_t *array)
{
	struct compiled_policy *c;
	struct diags d;
	int ret;

	diags_init(&d, path);
	c = policy_load(path, &d);
	ret = d.errors ? EXIT_PROBLEM : EXIT_OK;
	if (array) {
		if (diags_json(&d, array)) {
			complain("out of memory");
			ret = EXIT_ENVIRONMENT;
		}
	} else {
		diags_print(&d, stdout, true);
		print_summary(&d, c);
	}
	compiled_policy_free(c);
	diags_free(&d);
	return ret;
}

static int run(int argc, char **argv)
{
	struct check check = { 0 };
	json_t *array = NULL;
	int ret = EXIT_OK;

	argp_parse(&argp, argc, argv, 0, NULL, &check);
	if (options.json) {
		array = json_array();
		if (!array) {
			complain("out of memory");
			return EXIT_ENVIRONMENT;
		}
	}
	for (int i = 0; i < check.n; i++) {
		int one = check_file(check.files[i], array);

		if (one > ret)
			ret = one;
	}
	if (array) {
		json_dumpf(array, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(array);
	}
	return ret;
}

const struct command cmd_check = {
	"check", "report every problem in policy files", run,
};
