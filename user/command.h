/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a subcommand is: one const entry each, listed in main.c's table.
 * Owns the exit codes of the whole tool and nothing else.
 */
#ifndef KEYSWITCH_COMMAND_H
#define KEYSWITCH_COMMAND_H

enum exit_code {
	EXIT_OK = 0,
	EXIT_PROBLEM = 1,	/* the command ran and found a problem */
	EXIT_USAGE = 2,
	EXIT_ENVIRONMENT = 3,	/* privileges, kernel, missing files of the system */
};

struct command {
	const char *name;
	const char *help;	/* one line for `keyswitch --help` */
	/* argv[0] is "keyswitch NAME"; returns an enum exit_code */
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_check;
extern const struct command cmd_fmt;
extern const struct command cmd_explain;
extern const struct command cmd_diff;
extern const struct command cmd_groups;
extern const struct command cmd_reasons;
extern const struct command cmd_keygen;
extern const struct command cmd_sign;
extern const struct command cmd_attach;
extern const struct command cmd_apply;
extern const struct command cmd_confirm;
extern const struct command cmd_shadow;
extern const struct command cmd_promote;
extern const struct command cmd_rollback;
extern const struct command cmd_history;
extern const struct command cmd_mode;
extern const struct command cmd_status;
extern const struct command cmd_flows;
extern const struct command cmd_top;
extern const struct command cmd_counters;
extern const struct command cmd_events;
extern const struct command cmd_serve;
extern const struct command cmd_capture;
extern const struct command cmd_replay;
extern const struct command cmd_doctor;
extern const struct command cmd_guard;
extern const struct command cmd_upgrade;
extern const struct command cmd_detach;

#endif
