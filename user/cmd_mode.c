// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch mode`: shows or switches enforce and monitor.
 * Must not change anything else of the state.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "env.h"
#include "instance.h"
#include "names.h"
#include "nic.h"
#include "options.h"
#include "results.h"

static int show(const struct ks_state_rec *state)
{
	if (options.json)
		return print_json(json_pack("{s:s}", "mode", name_mode(state->now.mode)));
	puts(name_mode(state->now.mode));
	return EXIT_OK;
}

static int set(const struct instance *in, uint32_t mode)
{
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct ks_state_rec state;
	int rc = EXIT_OK;

	if (instance_ports(in, ports) || instance_state(in, &state)) {
		complain("cannot read the running state");
		return EXIT_ENVIRONMENT;
	}
	if (mode == KS_ENFORCE)
		rc = nic_check_enforce(ports, KS_PORTS_MAX);
	if (rc)
		return rc;
	state.now.mode = mode;
	state.now.mode_until = 0;
	if (!instance_set_state(in, &state))
		return show(&state);
	complain("cannot set the mode");
	return EXIT_ENVIRONMENT;
}

static int change(uint32_t mode)
{
	struct instance in;
	int lock, rc = env_check();

	if (rc)
		return rc;
	lock = env_lock("lock", 1);
	if (lock < 0)
		return EXIT_ENVIRONMENT;
	rc = instance_open(&in);
	if (!rc) {
		rc = set(&in, mode);
		instance_close(&in);
	}
	close(lock);
	return rc;
}

static int print(void)
{
	struct ks_state_rec state;
	struct instance in;
	int rc = instance_open(&in);

	if (rc)
		return rc;
	if (!instance_state(&in, &state)) {
		rc = show(&state);
	} else {
		complain("cannot read the running state");
		rc = EXIT_ENVIRONMENT;
	}
	instance_close(&in);
	return rc;
}

static int run(int argc, char **argv)
{
	struct one_argument arg = { .expected = "[enforce|monitor]" };

	parse_plain(argc, argv, "Shows the mode, or switches it.", &arg);
	if (!arg.value)
		return print();
	if (!strcmp(arg.value, "enforce"))
		return change(KS_ENFORCE);
	if (!strcmp(arg.value, "monitor"))
		return change(KS_MONITOR);
	complain("'%s' is no mode, expected 'enforce' or 'monitor'", arg.value);
	return EXIT_USAGE;
}

const struct command cmd_mode = {
	.name = "mode", .help = "show or switch enforce and monitor", .run = run,
};
