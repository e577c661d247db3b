// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch guard`: switches and shows what stops inline pairs from being
 * forwarded unjudged. Must not touch the kernel itself: that is guard.c's part.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "env.h"
#include "guard.h"
#include "nft.h"
#include "options.h"
#include "results.h"

enum { KEY_UNTESTED = 0x2000 };

static const struct argp_option table[] = {
	{ "untested", KEY_UNTESTED, NULL, 0,
	  "Do not wait for a frame of each NIC that shows that its driver carries the word", 0 },
	{ 0 }
};

struct arguments {
	const char *verb;
	bool untested;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case KEY_UNTESTED:
		args->untested = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->verb)
			argp_error(state, "unexpected argument '%s'", arg);
		if (strcmp(arg, "on") && strcmp(arg, "off") && strcmp(arg, "show"))
			argp_error(state, "'%s' is no verb, expected 'on', 'off' or 'show'", arg);
		args->verb = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no verb, expected 'on', 'off' or 'show'");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static json_t *show_ports(const struct instance *in)
{
	struct ks_port_rec ports[KS_PORTS_MAX];
	json_t *list = json_array();

	if (instance_ports(in, ports))
		return list;
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		uint64_t seen[KS_SEEN_MAX] = { 0 };

		if (!guard_covers(&ports[i]))
			continue;
		guard_seen(in, ports[i].name, seen);
		json_array_append_new(list, json_pack(
			"{s:s, s:b, s:I, s:I}", "name", ports[i].name, "tc",
			guard_marks(ports[i].ifindex), "with_word", (json_int_t)seen[KS_SEEN_WORD],
			"without_word", (json_int_t)seen[KS_SEEN_PLAIN]));
	}
	return list;
}

static void print_state(const json_t *o)
{
	json_int_t with, without, dropped, assets;
	const char *name, *policy;
	const json_t *port;
	int on, tc;
	size_t i;

	if (json_unpack((json_t *)o, "{s:b, s:s, s:I, s:I}", "on", &on, "policy", &policy,
			"asset_prefixes", &assets, "dropped", &dropped))
		return;
	printf("guard       %s\n", on ? "on" : "off");
	json_array_foreach(json_object_get(o, "ports"), i, port)
		if (!json_unpack((json_t *)port, "{s:s, s:b, s:I, s:I}", "name", &name, "tc", &tc,
				 "with_word", &with, "without_word", &without))
			printf("port        %s: tc program %s, %lld frames with the word, %lld "
			       "without\n", name, tc ? "there" : "missing", (long long)with,
			       (long long)without);
	printf("rules       %lld asset prefixes of policy %s, %lld packets dropped\n",
	       (long long)assets, policy[0] ? policy : "-", (long long)dropped);
}

static int show(const struct instance *in)
{
	struct guard_rules rules;
	struct ks_state_rec state;
	json_t *ruleset, *o;

	if (instance_state(in, &state)) {
		complain("cannot read the running state");
		return EXIT_ENVIRONMENT;
	}
	if (!nft_exists()) {
		complain("'nft' is missing, the guard's rules cannot be read");
		hint("apt install nftables");
		return EXIT_ENVIRONMENT;
	}
	ruleset = nft_ruleset();
	guard_rules_read(&rules, ruleset);
	json_decref(ruleset);
	o = json_pack("{s:b, s:o, s:b, s:b, s:s, s:I, s:I}", "on", state.guard != 0, "ports",
		      show_ports(in), "inet", rules.inet, "bridge", rules.bridge, "policy",
		      rules.policy, "asset_prefixes", (json_int_t)rules.assets / 2, "dropped",
		      (json_int_t)rules.dropped);
	if (options.json)
		return print_json(o);
	print_state(o);
	json_decref(o);
	return EXIT_OK;
}

/* Off works without an instance too: its rules may have outlived it. */
static int switch_off(void)
{
	struct instance in;
	bool attached = instance_exists() && !instance_open(&in);
	int rc = guard_off(attached ? &in : NULL);

	if (attached)
		instance_close(&in);
	return rc;
}

static int perform(const struct arguments *args)
{
	struct instance in;
	int rc;

	if (!strcmp(args->verb, "off"))
		return switch_off();
	rc = instance_open(&in);
	if (rc)
		return rc;
	rc = strcmp(args->verb, "on") ? show(&in) : guard_on(&in, args->untested);
	instance_close(&in);
	return rc;
}

static int report(const char *verb)
{
	if (options.json)
		return print_json(json_pack("{s:s}", "guard", verb));
	printf("guard %s\n", verb);
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.args_doc = "on|off|show",
		.doc = "Lets the kernel forward to assets only what an inline pair has passed, "
		       "even when its program goes.",
	};
	struct arguments args = { 0 };
	int lock, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	env_quiet_libbpf();
	rc = env_check();
	if (rc)
		return rc;
	lock = env_lock("lock", 1);
	if (lock < 0)
		return EXIT_ENVIRONMENT;
	rc = perform(&args);
	close(lock);
	return rc || !strcmp(args.verb, "show") ? rc : report(args.verb);
}

const struct command cmd_guard = {
	.name = "guard", .help = "stop unjudged forwarding when the program goes", .run = run,
};
