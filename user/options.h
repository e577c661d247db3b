/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options that every subcommand takes, and the one voice of error messages.
 * Must not know any subcommand.
 */
#ifndef KEYSWITCH_OPTIONS_H
#define KEYSWITCH_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

struct options {
	const char *pin_dir;	/* bpffs directory that holds maps, links and programs */
	const char *run_dir;	/* lock files and the event socket */
	const char *state_dir;	/* history of policies */
	bool json;
	bool verbose;		/* libbpf and the verifier speak on stderr */
};

/* Set from the command line before and after the subcommand's name. */
extern struct options options;

/* For `.children` of a subcommand's argp. */
extern const struct argp_child options_child[];

/* "keyswitch: " + message on stderr; problem first, subject in single quotes. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A second line of advice under complain(). */
void hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
