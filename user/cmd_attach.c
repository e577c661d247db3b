// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch attach`: a policy and pairs of NICs become a running instance.
 * Must not touch the kernel itself: that is the loader's part.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "env.h"
#include "history.h"
#include "loader.h"
#include "names.h"
#include "nic.h"
#include "options.h"
#include "results.h"
#include "running.h"
#include "signature.h"

/* of a machine on which none was ever in force */
#define FIRST_POLICY "/etc/keyswitch/policy.yaml"

enum { KEY_POLICY = 0x2000, KEY_WIRE, KEY_INLINE, KEY_CLIENT_ONLY, KEY_TAP, KEY_ADOPT, KEY_GENERIC };

static const struct argp_option table[] = {
	{ "policy", KEY_POLICY, "FILE", 0,
	  "Policy to enforce; without it the one that was in force last, on trial not counted, "
	  "or else " FIRST_POLICY, 0 },
	{ "wire", KEY_WIRE, "CLIENT:PROTECTED", 0,
	  "Two NICs as a bump in the wire (repeatable)", 0 },
	{ "inline", KEY_INLINE, "CLIENT:PROTECTED", 0,
	  "Two NICs of a router or bridge (repeatable)", 0 },
	{ "client-only", KEY_CLIENT_ONLY, "CLIENT", 0,
	  "The client side's NIC of a router alone: monitor-grade (repeatable)", 0 },
	{ "tap", KEY_TAP, "NIC", 0,
	  "A NIC that gets copies of both directions: always monitor (repeatable)", 0 },
	{ "adopt", KEY_ADOPT, "audit|reset|off", 0,
	  "Connections older than the attach: taken at a message border and named unsound, "
	  "ended at both ends, or their data dropped; over the policy's 'adopt'", 0 },
	{ "generic", KEY_GENERIC, NULL, 0,
	  "Allow generic XDP where a driver has no native one", 0 },
	{ 0 }
};

struct arguments {
	struct attach_plan plan;
	const char *policy;	/* NULL: boot */
	char boot[PATH_MAX];
};

static void parse_pair(struct argp_state *state, struct attach_plan *plan, const char *arg,
		       bool wire)
{
	const char *colon = strchr(arg, ':');
	struct port_pair *pair;

	if (plan->n_pairs == PAIRS_MAX)
		argp_error(state, "more than %d pairs of NICs", PAIRS_MAX);
	pair = &plan->pairs[plan->n_pairs++];
	pair->wire = wire;
	if (!colon || colon == arg || !colon[1] || strchr(colon + 1, ':') ||
	    colon - arg >= IFNAMSIZ || strlen(colon + 1) >= IFNAMSIZ)
		argp_error(state, "'%s' is no pair of NICs, expected CLIENT:PROTECTED", arg);
	memcpy(pair->name[KS_CLIENT], arg, (size_t)(colon - arg));
	strcpy(pair->name[KS_SERVER], colon + 1);
}

static void parse_single(struct argp_state *state, struct attach_plan *plan, const char *arg,
			 enum ks_sight sight)
{
	struct port_pair *pair;

	if (plan->n_pairs == PAIRS_MAX)
		argp_error(state, "more than %d pairs of NICs", PAIRS_MAX);
	if (!*arg || strchr(arg, ':') || strlen(arg) >= IFNAMSIZ)
		argp_error(state, "'%s' is no NIC, expected the name of one", arg);
	pair = &plan->pairs[plan->n_pairs++];
	pair->sight = sight;
	strcpy(pair->name[KS_CLIENT], arg);
}

static void parse_adopt(struct argp_state *state, struct attach_plan *plan, const char *arg)
{
	if (!strcmp(arg, "audit"))
		plan->adopt = KS_ADOPT_AUDIT;
	else if (!strcmp(arg, "off"))
		plan->adopt = KS_ADOPT_OFF;
	else if (!strcmp(arg, "reset"))
		plan->adopt = KS_ADOPT_RESET;
	else
		argp_error(state, "'%s' is no way to adopt, expected 'audit', 'reset' or 'off'",
			   arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case KEY_POLICY:
		args->policy = arg;
		return 0;
	case KEY_WIRE:
	case KEY_INLINE:
		parse_pair(state, &args->plan, arg, key == KEY_WIRE);
		return 0;
	case KEY_CLIENT_ONLY:
	case KEY_TAP:
		parse_single(state, &args->plan, arg,
			     key == KEY_TAP ? KS_SIGHT_TAP : KS_SIGHT_CLIENT);
		return 0;
	case KEY_ADOPT:
		parse_adopt(state, &args->plan, arg);
		return 0;
	case KEY_GENERIC:
		args->plan.generic = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->policy && history_boot(args->boot)) {
			if (access(FIRST_POLICY, F_OK))
				argp_error(state, "no policy, expected --policy FILE (none was in "
					   "force before: no '%s/boot', nor is there a '%s')",
					   options.state_dir, FIRST_POLICY);
			args->policy = FIRST_POLICY;
		}
		if (!args->plan.n_pairs)
			argp_error(state, "no NICs, expected --wire or --inline CLIENT:PROTECTED, --client-only or --tap NIC");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool named_before(const struct attach_plan *plan, size_t pair, int role)
{
	const char *name = plan->pairs[pair].name[role];

	for (size_t i = 0; i <= pair; i++)
		for (int r = KS_CLIENT; r < pair_roles(&plan->pairs[i]); r++)
			if ((i < pair || r < role) && !strcmp(plan->pairs[i].name[r], name))
				return true;
	return false;
}

static int find_nic(struct attach_plan *plan, size_t pair, int role)
{
	const char *name = plan->pairs[pair].name[role];
	uint32_t *ifindex = &plan->pairs[pair].ifindex[role];

	if (named_before(plan, pair, role)) {
		complain("NIC '%s' is named twice", name);
		return EXIT_USAGE;
	}
	*ifindex = nic_index(name);
	if (*ifindex)
		return EXIT_OK;
	complain("no NIC '%s' in this network namespace", name);
	return EXIT_ENVIRONMENT;
}

static int check_unused(struct attach_plan *plan, size_t pair, int role)
{
	uint32_t prog;

	switch (nic_xdp(plan->pairs[pair].ifindex[role], &prog)) {
	case NIC_XDP_NATIVE:
	case NIC_XDP_GENERIC:
		complain("NIC '%s' already carries an XDP program (id %u)",
			 plan->pairs[pair].name[role], prog);
		return EXIT_PROBLEM;
	default:
		return EXIT_OK;
	}
}

static int each_nic(struct attach_plan *plan,
		    int (*check)(struct attach_plan *plan, size_t pair, int role))
{
	int rc = EXIT_OK;

	for (size_t i = 0; i < plan->n_pairs && !rc; i++)
		for (int r = KS_CLIENT; r < pair_roles(&plan->pairs[i]) && !rc; r++)
			rc = check(plan, i, r);
	return rc;
}

static int check_free(void)
{
	if (!instance_exists())
		return EXIT_OK;
	if (loader_wire_left()) {
		complain("'%s' holds a wire left by 'detach --leave-wire'", options.pin_dir);
		hint("'keyswitch detach --yes' ends it");
	} else if (!loader_has_links()) {
		complain("'%s' holds remains of an attach that was interrupted", options.pin_dir);
		hint("'keyswitch detach' removes them");
	} else {
		complain("already attached (instance at '%s')", options.pin_dir);
		hint("'keyswitch apply FILE' changes the policy, 'keyswitch detach --yes' ends it");
	}
	return EXIT_PROBLEM;
}

/*
 * A running connection cannot be told from an attack by looking at it: the operator
 * says what becomes of those. Monitor takes them all.
 */
static int choose_adoption(struct attach_plan *plan, const struct compiled_policy *policy)
{
	if (plan->adopt == ADOPT_UNSAID)
		plan->adopt = policy->adopt;
	if (plan->adopt != ADOPT_UNSAID)
		return EXIT_OK;
	if (policy->mode == KS_MONITOR) {
		plan->adopt = KS_ADOPT_AUDIT;
		return EXIT_OK;
	}
	running_list(plan, policy);
	complain("what becomes of running connections is not said, expected --adopt audit, reset "
		 "or off (or 'adopt' in the policy)");
	hint("audit lets them go on, unsound until they reconnect; reset ends them; off drops "
	     "their data");
	return EXIT_PROBLEM;
}

static json_t *report_pair(const struct port_pair *p)
{
	const char *how = name_attach(p->wire, p->sight), *mode[2] = { "", "" };
	json_t *o = json_pack("{s:s}", "attach", how);

	for (int r = KS_CLIENT; r < pair_roles(p); r++) {
		uint32_t prog;

		mode[r] = nic_xdp_name(nic_xdp(p->ifindex[r], &prog));
		json_object_set_new(o, r ? "protected" : "client", json_string(p->name[r]));
		json_object_set_new(o, r ? "protected_xdp" : "client_xdp", json_string(mode[r]));
	}
	if (!options.json && pair_roles(p) > 1)
		printf("attached %s %s:%s (%s, %s)\n", how, p->name[0], p->name[1], mode[0], mode[1]);
	else if (!options.json)
		printf("attached %s %s (%s)\n", how, p->name[0], mode[0]);
	return o;
}

static int report(const struct attach_plan *plan)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i < plan->n_pairs; i++) {
		json_array_append_new(pairs, report_pair(&plan->pairs[i]));
	}
	if (options.json)
		return print_json(json_pack("{s:o, s:i}", "pairs", pairs, "generation", 1));
	json_decref(pairs);
	return EXIT_OK;
}

/* The way back from the first upgrade. */
static void keep_object(void)
{
	struct object_bytes object;

	if (!object_open(&object, NULL))
		history_keep_object(object.bytes, object.size);
	object_close(&object);
}

static int attach(struct arguments *args)
{
	const char *path = args->policy ? args->policy : args->boot;
	struct compiled_policy *policy = NULL;
	int rc = check_free();

	if (!rc)
		rc = each_nic(&args->plan, find_nic);
	if (!rc)
		policy = load_policy(path, DIAG_WARNING, &rc);
	if (!rc && !args->policy && history_check_copy(path, policy->cfg->digest))
		rc = EXIT_PROBLEM;
	if (!rc)
		rc = signature_check(path, policy->cfg->digest);
	if (!rc)
		rc = each_nic(&args->plan, check_unused);
	if (!rc)
		rc = choose_adoption(&args->plan, policy);
	if (!rc) {
		args->plan.policy = policy;
		rc = loader_attach(&args->plan);
	}
	if (!rc && history_record(&(struct history_change){
			.action = "attach", .path = path, .generation = 1,
			.digest = policy->cfg->digest }))
		complain("the policy is in force, but not in the history");
	if (!rc)
		keep_object();
	compiled_policy_free(policy);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Starts enforcing a policy between pairs of NICs.",
	};
	struct arguments args = { .plan.adopt = ADOPT_UNSAID };
	int lock, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	rc = env_check();
	if (rc)
		return rc;
	lock = env_lock("lock", 1);
	if (lock < 0)
		return EXIT_ENVIRONMENT;
	rc = attach(&args);
	close(lock);
	return rc ? rc : report(&args.plan);
}

const struct command cmd_attach = {
	.name = "attach", .help = "start enforcing a policy between pairs of NICs", .run = run,
};
