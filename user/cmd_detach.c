// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch detach`: ends the instance, but not by a slip of the hand.
 * Must not touch the kernel itself: that is the loader's part.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "env.h"
#include "guard.h"
#include "instance.h"
#include "link_follow.h"
#include "loader.h"
#include "options.h"
#include "results.h"

enum { KEY_YES = 0x2000, KEY_LEAVE };

static const struct argp_option table[] = {
	{ "yes", KEY_YES, NULL, 0, "Do not ask; needed where nobody can be asked", 0 },
	{ "leave-wire", KEY_LEAVE, NULL, 0, "Wires go on forwarding, without inspection", 0 },
	{ 0 }
};

struct arguments {
	bool yes;
	bool leave;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case KEY_YES:
		args->yes = true;
		return 0;
	case KEY_LEAVE:
		args->leave = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static int check(const struct arguments *args)
{
	if (!instance_exists()) {
		complain("nothing is attached (no instance at '%s')", options.pin_dir);
		return EXIT_PROBLEM;
	}
	if (args->leave && !loader_holds_wire()) {
		complain("no wire to leave at '%s'", options.pin_dir);
		return EXIT_PROBLEM;
	}
	if (args->leave && loader_wire_left()) {
		complain("the wire at '%s' was already left", options.pin_dir);
		return EXIT_PROBLEM;
	}
	return EXIT_OK;
}

/* What an operator may not have in mind. */
static const char *consequence(const struct arguments *args)
{
	if (args->leave)
		return "the wire goes on forwarding, without inspection";
	if (loader_holds_wire())
		return "the wire stops: no frame passes between its NICs any more";
	return "nothing is judged any more: the kernel forwards without inspection";
}

/* Remains of an interrupted attach enforce nothing, there is nothing to ask. */
static int ask(const struct arguments *args)
{
	char answer[8] = "";

	if (args->yes || !loader_has_links())
		return EXIT_OK;
	if (!isatty(STDIN_FILENO)) {
		complain("detaching was not confirmed: %s", consequence(args));
		hint("--yes does it%s", args->leave || !loader_holds_wire() ? "" :
		     ", --leave-wire keeps forwarding without inspection");
		return EXIT_USAGE;
	}
	fprintf(stderr, "Detach from '%s'? With it %s. [y/N] ", options.pin_dir, consequence(args));
	if (fgets(answer, sizeof(answer), stdin) &&
	    (!strcasecmp(answer, "y\n") || !strcasecmp(answer, "yes\n")))
		return EXIT_OK;
	complain("not detached");
	return EXIT_PROBLEM;
}

static int report(const struct arguments *args)
{
	if (options.json)
		return print_json(json_pack("{s:s}", "result",
					    args->leave ? "wire_left" : "detached"));
	puts(args->leave ? "wire left in place: it forwards everything, uninspected" :
			   "detached");
	return EXIT_OK;
}

/* Remains of an attach may have none. */
static void know_ports(struct ks_port_rec ports[KS_PORTS_MAX])
{
	struct instance in;

	if (!loader_has_links() || loader_wire_left() || instance_open(&in))
		return;
	instance_ports(&in, ports);
	instance_close(&in);
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Ends enforcement and removes everything that attach made. Asks before, "
		       "or takes --yes.",
	};
	struct ks_port_rec ports[KS_PORTS_MAX] = { 0 };
	struct arguments args = { 0 };
	int lock, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	env_quiet_libbpf();
	rc = env_check();
	if (rc)
		return rc;
	/* nobody else has to wait for the answer */
	rc = check(&args);
	if (!rc)
		rc = ask(&args);
	if (rc)
		return rc;
	lock = env_lock("lock", 1);
	if (lock < 0)
		return EXIT_ENVIRONMENT;
	rc = check(&args);
	if (!rc && guard_exists())
		rc = guard_off(NULL);
	if (!rc) {
		know_ports(ports);
		rc = loader_detach(args.leave);
	}
	if (!rc)
		link_follow_release(ports);
	close(lock);
	return rc ? rc : report(&args);
}

const struct command cmd_detach = {
	.name = "detach", .help = "end enforcement", .run = run,
};
