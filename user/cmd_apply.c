// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch apply`: a new policy into the running instance, `keyswitch rollback`: the
 * one before, from the history. Everything is
 * written into a policy slot that nobody reads; one write of the state record
 * then puts it in force. Must not touch programs or links.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "command.h"
#include "env.h"
#include "guard.h"
#include "history.h"
#include "instance.h"
#include "names.h"
#include "nic.h"
#include "options.h"
#include "results.h"
#include "tables.h"

/* What is asked for. */
struct push {
	const char *action;	/* for the history */
	bool takes_file;
	const char *path;	/* NULL: the policy before the one in force, from the history */
	const char *note;	/* NULL: none */
};

struct swap {
	struct instance in;
	const struct compiled_policy *policy;
	struct ks_state_rec state;	/* as it will be */
	uint32_t old_slot;
	uint32_t generation;
};

/* Sizes of maps are fixed at attach. */
static void warn_size(const struct instance *in, enum map_id id, const char *key, uint32_t wanted)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(in->fd[id], &info, &size) || info.max_entries == wanted)
		return;
	complain("warning: limits '%s: %u' holds from the next attach, now it is %u", key, wanted,
		 info.max_entries);
}

static void warn_sizes(const struct swap *swap)
{
	const struct policy_limits *limits = &swap->policy->limits;

	warn_size(&swap->in, MAP_flows4, "flows", limits->flows);
	warn_size(&swap->in, MAP_mb_free, "modbus_rings", limits->modbus_rings);
	warn_size(&swap->in, MAP_eip_free, "enip_rings", limits->enip_rings);
	warn_size(&swap->in, MAP_conduits, "conduit_flows", limits->conduit_flows);
	warn_size(&swap->in, MAP_events, "event_ring", limits->event_ring);
}

/*
 * Request counters carry asset ids, and those belong to one policy: where an
 * id now means another asset its counters start again.
 */
static void drop_counters(const struct swap *swap)
{
	int fd = swap->in.fd[MAP_requests];
	struct names old = { 0 }, new = { 0 };
	struct ks_req_key *keys, next, *last = NULL;
	size_t n = 0;

	keys = calloc(KS_COUNTED_PAIRS, sizeof(*keys));
	if (keys && !names_load(&old, &swap->in, swap->old_slot) &&
	    !names_load(&new, &swap->in, swap->state.active)) {
		while (n < KS_COUNTED_PAIRS && !bpf_map_get_next_key(fd, last, &next)) {
			keys[n] = next;
			last = &keys[n++];
		}
		for (size_t i = 0; i < n; i++)
			if (strcmp(names_asset(&old, keys[i].asset),
				   names_asset(&new, keys[i].asset)))
				bpf_map_delete_elem(fd, &keys[i]);
	}
	names_free(&old);
	names_free(&new);
	free(keys);
}

static int plan_swap(struct swap *swap)
{
	const struct policy_limits *limits = &swap->policy->limits;
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct ks_pol_cfg *running;
	int err = instance_state(&swap->in, &swap->state);

	if (!err)
		err = instance_ports(&swap->in, ports);
	if (err) {
		complain("cannot read the running state: %s", strerror(-err));
		return EXIT_ENVIRONMENT;
	}
	running = instance_policy(&swap->in, swap->state.active);
	swap->generation = running ? running->generation + 1 : 1;
	free(running);
	swap->old_slot = swap->state.active;
	swap->state.active = (swap->old_slot + 1) % KS_SLOTS;
	swap->state.mode = swap->policy->mode;
	swap->state.mode_until = 0;
	swap->state.flows_per_client = limits->flows_per_client;
	swap->state.half_open_per_client = limits->half_open_per_client;
	swap->state.event_rate = limits->event_rate;
	if (swap->policy->mode == KS_ENFORCE)
		return nic_check_enforce(ports, KS_PORTS_MAX);
	return EXIT_OK;
}

static int perform(struct swap *swap)
{
	const char *failed = "policy tables";
	struct table_kinds kinds;
	int err;

	err = tables_kinds(&kinds, &swap->in, swap->old_slot);
	if (!err) {
		err = tables_fill(&swap->in, &kinds, swap->state.active, swap->generation,
				  swap->policy, &failed);
		if (kinds.btf_fd >= 0)
			close(kinds.btf_fd);
	}
	if (!err) {
		failed = map_name(MAP_state);
		err = instance_set_state(&swap->in, &swap->state);
	}
	if (!err) {
		drop_counters(swap);
		return EXIT_OK;
	}
	complain("cannot fill '%s': %s; the running policy stays", failed, strerror(-err));
	return EXIT_ENVIRONMENT;
}

static int report(const struct swap *swap)
{
	char digest[DIGEST_TEXT];

	digest_text(digest, swap->policy->cfg->digest);
	if (options.json)
		return print_json(json_pack("{s:I, s:s, s:s}", "generation",
					    (json_int_t)swap->generation, "mode",
					    name_mode(swap->state.mode), "digest", digest));
	printf("policy generation %u in force, mode %s\n", swap->generation,
	       name_mode(swap->state.mode));
	return EXIT_OK;
}

/* What the new policy in force means for others; each failure is said and the rest done. */
static int follow_up(const struct swap *swap, const struct push *push, const char *path)
{
	struct history_change change = {
		.action = push->action, .path = path, .digest = swap->policy->cfg->digest,
		.generation = swap->generation, .note = push->note,
	};
	int rc;

	warn_sizes(swap);
	rc = report(swap);
	if (guard_refresh(&swap->in)) {
		complain("the guard still holds the assets of the policy before");
		rc = EXIT_ENVIRONMENT;
	}
	if (history_record(&change)) {
		complain("the policy is in force, but not in the history");
		rc = EXIT_ENVIRONMENT;
	}
	return rc;
}

/* A copy in the history is named by its digest. */
static int check_copy(const struct compiled_policy *policy, const char *path)
{
	char digest[DIGEST_TEXT];

	digest_text(digest, policy->cfg->digest);
	if (strstr(path, digest))
		return EXIT_OK;
	complain("'%s' is not what was in force: its SHA-256 is %s; the running policy stays", path,
		 digest);
	return EXIT_PROBLEM;
}

static int apply(struct swap *swap, const struct push *push, const char *path)
{
	struct compiled_policy *policy;
	int rc;

	policy = load_policy(path, DIAG_WARNING, &rc);
	if (!policy)
		return rc;
	swap->policy = policy;
	rc = push->path ? EXIT_OK : check_copy(policy, path);
	if (!rc)
		rc = plan_swap(swap);
	if (!rc)
		rc = perform(swap);
	if (!rc)
		rc = follow_up(swap, push, path);
	compiled_policy_free(policy);
	return rc;
}

/* The policy before the one in force: its copy in the history. */
static int find_before(const struct instance *in, char path[PATH_MAX])
{
	struct ks_state_rec state;
	struct ks_pol_cfg *cfg = NULL;
	char digest[DIGEST_TEXT];

	if (!instance_state(in, &state))
		cfg = instance_policy(in, state.active);
	if (!cfg) {
		complain("cannot read the running policy");
		return EXIT_ENVIRONMENT;
	}
	digest_text(digest, cfg->digest);
	free(cfg);
	return history_before(digest, path) ? EXIT_PROBLEM : EXIT_OK;
}

static int push_policy(const struct push *push)
{
	struct swap swap = { 0 };
	char before[PATH_MAX];
	int lock, rc = env_check();

	if (rc)
		return rc;
	lock = env_lock("lock", 1);
	if (lock < 0)
		return EXIT_ENVIRONMENT;
	rc = instance_open(&swap.in);
	if (!rc && !push->path)
		rc = find_before(&swap.in, before);
	if (!rc)
		rc = apply(&swap, push, push->path ? push->path : before);
	instance_close(&swap.in);
	close(lock);
	return rc;
}

enum { KEY_NOTE = 'n' };

static const struct argp_option table[] = {
	{ "note", KEY_NOTE, "TEXT", 0, "Why, for the history", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct push *push = state->input;

	if (key == KEY_NOTE)
		push->note = arg;
	else if (key == ARGP_KEY_ARG && push->takes_file && !push->path)
		push->path = arg;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is one argument too many, expected %s", arg,
			   push->takes_file ? "FILE" : "none");
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .args_doc = "FILE", .children = options_child,
		.doc = "Puts a new policy in force while traffic runs.",
	};
	struct push push = { .action = "apply", .takes_file = true };

	argp_parse(&argp, argc, argv, 0, NULL, &push);
	if (push.path)
		return push_policy(&push);
	complain("no policy, expected 'keyswitch apply FILE'");
	return EXIT_USAGE;
}

const struct command cmd_apply = {
	.name = "apply", .help = "put a new policy in force", .run = run,
};

static int run_rollback(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Puts the policy in force that was so before. A second time it takes "
		       "the first one back.",
	};
	struct push push = { .action = "rollback" };

	argp_parse(&argp, argc, argv, 0, NULL, &push);
	return push_policy(&push);
}

const struct command cmd_rollback = {
	.name = "rollback", .help = "put the policy before in force again", .run = run_rollback,
};
