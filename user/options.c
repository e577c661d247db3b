// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parsing of the common options, and error output, see options.h.
 * Must not act on any option.
 */
#include <stdarg.h>
#include <stdio.h>

#include "options.h"

enum { KEY_PIN_DIR = 0x1000, KEY_RUN_DIR, KEY_STATE_DIR, KEY_JSON };

struct options options = {
	.pin_dir = "/sys/fs/bpf/keyswitch",
	.run_dir = "/run/keyswitch",
	.state_dir = "/var/lib/keyswitch",
};

static const struct argp_option table[] = {
	{ "pin-dir", KEY_PIN_DIR, "DIR", 0,
	  "Directory in a bpffs that holds the running instance (/sys/fs/bpf/keyswitch)", -2 },
	{ "run-dir", KEY_RUN_DIR, "DIR", 0,
	  "Directory of locks and of the event socket (/run/keyswitch)", -2 },
	{ "state-dir", KEY_STATE_DIR, "DIR", 0,
	  "Directory of the history of policies (/var/lib/keyswitch)", -2 },
	{ "json", KEY_JSON, NULL, 0, "Print JSON", -2 },
	{ "verbose", 'v', NULL, 0, "Show messages of libbpf and of the verifier", -2 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case KEY_PIN_DIR:
		options.pin_dir = arg;
		return 0;
	case KEY_RUN_DIR:
		options.run_dir = arg;
		return 0;
	case KEY_STATE_DIR:
		options.state_dir = arg;
		return 0;
	case KEY_JSON:
		options.json = true;
		return 0;
	case 'v':
		options.verbose = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { .options = table, .parser = parse };

const struct argp_child options_child[] = {
	{ .argp = &argp, .header = "Options of every command:" },
	{ 0 }
};

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("keyswitch: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void hint(const char *fmt, ...)
{
	va_list ap;

	fputs("  hint: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}
