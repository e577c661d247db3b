// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch apply`: a new policy into the running instance, for good or on trial;
 * `promote`: the one in the shadow; `confirm`: the one on trial stays; `rollback`: the one
 * before, from the history. What they do is push.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "duration.h"
#include "options.h"
#include "push.h"
#include "results.h"

#define TRIAL_MIN	5
#define TRIAL_MAX	(24 * 3600)

enum { KEY_NOTE = 'n', KEY_CONFIRM = 0x2000 };

static const struct argp_option apply_table[] = {
	{ "confirm", KEY_CONFIRM, "TIME", 0,
	  "On trial: after TIME (30s, 5m, 2h) the policy before is in force again by itself, "
	  "unless 'keyswitch confirm' came", 0 },
	{ "note", KEY_NOTE, "TEXT", 0, "Why, for the history", 0 },
	{ 0 }
};

/* rollback and confirm: without a file, without a time */
static const struct argp_option *const note_table = &apply_table[1];

static void parse_trial(struct argp_state *state, struct push *push, const char *arg)
{
	if (duration_parse(arg, &push->trial))
		argp_error(state, "'%s' is no time, expected a number and s, m or h: 30s, 5m, 2h",
			   arg);
	if (push->trial < TRIAL_MIN || push->trial > TRIAL_MAX)
		argp_error(state, "'%s' is no time for a trial, expected %ds to %dh", arg,
			   TRIAL_MIN, TRIAL_MAX / 3600);
}

static error_t parse_plain_push(int key, char *arg, struct argp_state *state)
{
	struct push *push = state->input;

	if (key == KEY_NOTE)
		push->note = arg;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is one argument too many, expected none", arg);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct push *push = state->input;

	if (key == KEY_CONFIRM)
		parse_trial(state, push, arg);
	else if (key == ARGP_KEY_ARG && !push->path)
		push->path = arg;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is one argument too many, expected FILE", arg);
	else
		return parse_plain_push(key, arg, state);
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = apply_table, .parser = parse, .args_doc = "FILE",
		.children = options_child,
		.doc = "Puts a new policy in force while traffic runs.",
	};
	struct push push = { .action = "apply" };

	argp_parse(&argp, argc, argv, 0, NULL, &push);
	if (push.path)
		return push_policy(&push);
	complain("no policy, expected 'keyswitch apply FILE'");
	return EXIT_USAGE;
}

const struct command cmd_apply = {
	.name = "apply", .help = "put a new policy in force", .run = run,
};

static error_t parse_promote(int key, char *arg, struct argp_state *state)
{
	if (key != KEY_CONFIRM)
		return parse_plain_push(key, arg, state);
	parse_trial(state, state->input, arg);
	return 0;
}

static int run_promote(int argc, char **argv)
{
	static const struct argp argp = {
		.options = apply_table, .parser = parse_promote, .children = options_child,
		.doc = "Puts the policy in force that 'keyswitch shadow' judges beside.",
	};
	struct push push = { .action = "promote" };

	argp_parse(&argp, argc, argv, 0, NULL, &push);
	return push_promote(&push);
}

const struct command cmd_promote = {
	.name = "promote", .help = "put the policy in the shadow in force", .run = run_promote,
};

static int run_rollback(int argc, char **argv)
{
	const struct argp argp = {
		.options = note_table, .parser = parse_plain_push, .children = options_child,
		.doc = "Puts the policy in force that was so before. A second time it takes "
		       "the first one back. During a trial: ends it now.",
	};
	struct push push = { .action = "rollback" };

	argp_parse(&argp, argc, argv, 0, NULL, &push);
	return push_policy(&push);
}

const struct command cmd_rollback = {
	.name = "rollback", .help = "put the policy before in force again", .run = run_rollback,
};

static int run_confirm(int argc, char **argv)
{
	const struct argp argp = {
		.options = note_table, .parser = parse_plain_push, .children = options_child,
		.doc = "Keeps the policy that 'apply --confirm' put in force on trial.",
	};
	struct push push = { .action = "confirm" };

	argp_parse(&argp, argc, argv, 0, NULL, &push);
	return push_confirm(&push);
}

const struct command cmd_confirm = {
	.name = "confirm", .help = "keep the policy that is on trial", .run = run_confirm,
};
