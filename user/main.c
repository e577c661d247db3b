// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry of the keyswitch binary: finds the subcommand and hands over.
 * Must hold no knowledge of what a subcommand does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "options.h"

const char *argp_program_version = "keyswitch " KEYSWITCH_VERSION;

static const struct command *const commands[] = {
	&cmd_check, &cmd_fmt, &cmd_explain, &cmd_diff, &cmd_groups, &cmd_reasons, &cmd_keygen, &cmd_sign, &cmd_attach, &cmd_apply,
	&cmd_shadow, &cmd_promote,
	&cmd_confirm, &cmd_rollback, &cmd_history, &cmd_mode, &cmd_status, &cmd_flows, &cmd_top, &cmd_counters, &cmd_events, &cmd_serve, &cmd_capture, &cmd_replay, &cmd_doctor,
	&cmd_guard, &cmd_upgrade, &cmd_detach,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct chosen {
	const struct command *command;
	int index;	/* of its name in argv */
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct chosen *chosen = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		chosen->command = find(arg);
		if (!chosen->command)
			argp_error(state, "unknown command '%s'", arg);
		chosen->index = state->next - 1;
		/* what follows belongs to the subcommand's own parser */
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

/* The list of commands, shown between the usage line and the options. */
static char *describe(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t size;
	FILE *f;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC)
		return (char *)text;
	f = open_memstream(&out, &size);
	if (!f)
		return (char *)text;
	fprintf(f, "%s\n\nCommands:\n", text);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->help);
	fprintf(f, "\n'keyswitch COMMAND --help' shows a command's options.\n");
	return fclose(f) ? (char *)text : out;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [OPTION...]",
	.doc = "Keyswitch lets through only the Modbus/TCP and EtherNet/IP requests that a "
	       "policy allows, on a gateway's NICs, before the kernel's stack.",
	.children = options_child,
	.help_filter = describe,
};

int main(int argc, char **argv)
{
	struct chosen chosen = { 0 };
	char name[64];

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chosen);
	snprintf(name, sizeof(name), "keyswitch %s", chosen.command->name);
	argv[chosen.index] = name;
	return chosen.command->run(argc - chosen.index, argv + chosen.index);
}
