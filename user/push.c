// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies into the running instance, see push.h. Must not touch programs or links.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "command.h"
#include "env.h"
#include "guard.h"
#include "history.h"
#include "names.h"
#include "nic.h"
#include "options.h"
#include "push.h"
#include "results.h"
#include "shadow.h"
#include "signature.h"
#include "table_pins.h"
#include "tables.h"

/* ---- alone with the instance ---- */

int pushing_begin(struct pushing *p)
{
	int rc = env_check();

	p->lock = -1;
	instance_init(&p->in);
	if (rc)
		return rc;
	p->lock = env_lock("lock", 1);
	if (p->lock < 0)
		return EXIT_ENVIRONMENT;
	rc = instance_open(&p->in);
	if (!rc && instance_state(&p->in, &p->state)) {
		complain("cannot read the running state");
		rc = EXIT_ENVIRONMENT;
	}
	return rc;
}

void pushing_end(struct pushing *p)
{
	instance_close(&p->in);
	if (p->lock >= 0)
		close(p->lock);
}

int pushing_check_trial(const struct pushing *p)
{
	uint32_t left = state_trial_left(&p->state);

	if (!left)
		return EXIT_OK;
	complain("a policy is on trial for another %u s", left);
	hint("'keyswitch confirm' keeps it, 'keyswitch rollback' takes it back now");
	return EXIT_PROBLEM;
}

/* ---- slots ---- */

static uint32_t generation_of(const struct instance *in, uint32_t slot)
{
	struct ks_pol_cfg *cfg = instance_policy(in, slot);
	uint32_t generation = cfg ? cfg->generation : 0;

	free(cfg);
	return generation;
}

/* A number that no policy had: connections and events are stamped with it. */
static uint32_t next_generation(const struct instance *in)
{
	uint32_t newest = 0;

	for (uint32_t slot = 0; slot < KS_SLOTS; slot++) {
		uint32_t generation = generation_of(in, slot);

		newest = generation > newest ? generation : newest;
	}
	return newest + 1;
}

static bool in_use(const struct ks_state_rec *state, uint32_t slot)
{
	return slot == state->now.slot || slot + 1 == state->shadow ||
	       (state->revert_at && slot == state->before.slot);
}

/* The oldest: events of the policy before are still to be read. */
static uint32_t free_slot(const struct pushing *p)
{
	uint32_t best = KS_SLOTS, oldest = 0;

	for (uint32_t slot = 0; slot < KS_SLOTS; slot++) {
		uint32_t generation = generation_of(&p->in, slot);

		if (in_use(&p->state, slot) || (best < KS_SLOTS && generation >= oldest))
			continue;
		best = slot;
		oldest = generation;
	}
	return best;
}

/* Does each asset of the old policy have its number in the new one too? */
static bool same_numbers(const struct names *old, const struct compiled_policy *policy)
{
	if (old->assets > policy->cfg->assets)
		return false;
	for (uint32_t id = 1; id <= old->assets; id++)
		if (strcmp(names_asset(old, id),
			   policy->names[policy->cfg->rules + id].name))
			return false;
	return true;
}

/* Request counters hold asset ids: where one means another asset they start again. */
static void set_numbering(const struct pushing *p, const struct compiled_policy *policy,
			  uint32_t generation)
{
	struct names old;

	policy->cfg->numbering = (__u16)generation;
	if (names_load(&old, &p->in, p->state.now.slot))
		return;
	if (same_numbers(&old, policy))
		policy->cfg->numbering = old.numbering;
	names_free(&old);
}

int pushing_fill(const struct pushing *p, const struct compiled_policy *policy, uint32_t *slot,
		 uint32_t *generation)
{
	const char *failed = "policy tables";
	struct table_kinds kinds;
	int err;

	*slot = free_slot(p);
	*generation = next_generation(&p->in);
	set_numbering(p, policy, *generation);
	err = tables_kinds(&kinds, &p->in, p->state.now.slot);
	if (!err) {
		err = tables_fill(&p->in, &kinds, *slot, *generation, policy, &failed);
		if (kinds.btf_fd >= 0)
			close(kinds.btf_fd);
	}
	if (!err) {
		failed = "pins of tables";
		err = table_pins_set(&p->in, *slot);
	}
	if (!err)
		return EXIT_OK;
	complain("cannot fill '%s': %s; the running policy stays", failed, strerror(-err));
	return EXIT_ENVIRONMENT;
}

/* ---- in force ---- */

int pushing_check_mode(const struct pushing *p, const struct compiled_policy *policy)
{
	struct ks_port_rec ports[KS_PORTS_MAX];

	if (policy->mode != KS_ENFORCE)
		return EXIT_OK;
	if (!instance_ports(&p->in, ports))
		return nic_check_enforce(ports, KS_PORTS_MAX);
	complain("cannot read the running state");
	return EXIT_ENVIRONMENT;
}

void pushing_plan(struct pushing *p, const struct compiled_policy *policy, uint32_t slot)
{
	p->state.now = tables_force(policy, slot);
}

static uint16_t numbering_of(const struct instance *in, uint32_t slot)
{
	struct ks_pol_cfg *cfg = instance_policy(in, slot);
	uint16_t numbering = cfg ? cfg->numbering : 0;

	free(cfg);
	return numbering;
}

/* Entries of requests_near that are neither of `now` nor of `before`. */
static void empty_near(const struct instance *in, uint16_t now, uint16_t before)
{
	struct ks_near *near = malloc(instance_near_bytes(in)), none = { 0 };
	uint32_t n = 0;

	if (near && !instance_near(in, near, &n)) {
		for (uint32_t i = 0; i < n; i++) {
			uint16_t numbering = near[i].key.numbering;

			if (near[i].key.proto && numbering != now && numbering != before)
				bpf_map_update_elem(in->fd[MAP_requests_near], &i, &none, BPF_ANY);
		}
	}
	free(near);
}

/* A table of counters whose keys have a numbering of assets `at` so many bytes. */
struct numbered {
	enum map_id id;
	size_t size;	/* of a key */
	size_t at;
	size_t max;
};

static void drop_others(int fd, const struct numbered *t, uint16_t now, uint16_t before)
{
	uint8_t *keys = calloc(t->max, t->size), *last = NULL;
	uint16_t numbering;
	size_t n = 0;

	while (keys && n < t->max && !bpf_map_get_next_key(fd, last, keys + n * t->size))
		last = keys + n++ * t->size;
	for (size_t i = 0; i < n; i++) {
		memcpy(&numbering, keys + i * t->size + t->at, sizeof(numbering));
		if (numbering != now && numbering != before)
			bpf_map_delete_elem(fd, keys + i * t->size);
	}
	free(keys);
}

#define NUMBERED(map, type, member, max) \
	{ MAP_##map, sizeof(struct type), offsetof(struct type, member), max }

/* Counters of policies that are gone make room. */
static void drop_counters(const struct pushing *p)
{
	static const struct numbered tables[] = {
		NUMBERED(requests, ks_req_key, numbering, KS_COUNTED_PAIRS),
		NUMBERED(exceptions, ks_exception_key, numbering, KS_EXCEPTIONS),
		NUMBERED(exception_clients, ks_exception_client, what.numbering,
			 KS_EXCEPTION_CLIENTS),
		NUMBERED(latency, ks_latency_key, numbering, KS_LATENCY_ASSETS),
	};
	uint16_t now = numbering_of(&p->in, p->state.now.slot);
	uint16_t before = p->state.revert_at ? numbering_of(&p->in, p->state.before.slot) : now;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		drop_others(p->in.fd[tables[i].id], &tables[i], now, before);
	empty_near(&p->in, now, before);
}

int pushing_write(struct pushing *p)
{
	int err = instance_set_state(&p->in, &p->state);

	if (!err)
		return EXIT_OK;
	complain("cannot write '%s': %s; the running policy stays", map_name(MAP_state),
		 strerror(-err));
	return EXIT_ENVIRONMENT;
}

static int header_written(int err)
{
	if (!err)
		return EXIT_OK;
	complain("cannot write '%s': %s; the running policy stays", map_name(MAP_pol_cfg),
		 strerror(-err));
	return EXIT_ENVIRONMENT;
}

int pushing_flip(struct pushing *p, uint32_t trial)
{
	int rc;

	p->state.revert_at = trial ? clock_monotonic() + trial * KS_SECOND : 0;
	rc = pushing_write(p);
	if (rc)
		return rc;
	drop_counters(p);
	shadow_forget(&p->in, generation_of(&p->in, p->state.now.slot));
	return EXIT_OK;
}

static int report(const struct pushing *p, const struct ks_pol_cfg *cfg, uint32_t trial)
{
	char digest[DIGEST_TEXT];
	json_t *o;

	digest_text(digest, cfg->digest);
	if (options.json) {
		o = json_pack("{s:I, s:s, s:s}", "generation", (json_int_t)cfg->generation, "mode",
			      name_mode(p->state.now.mode), "digest", digest);
		if (trial)
			json_object_set_new(o, "trial", json_integer(trial));
		return print_json(o);
	}
	printf("policy generation %u in force, mode %s\n", cfg->generation,
	       name_mode(p->state.now.mode));
	if (trial)
		printf("on trial for %u s: 'keyswitch confirm' keeps it\n", trial);
	return EXIT_OK;
}

/* What the policy in force means for others; each failure is said and the rest done. */
int pushing_done(struct pushing *p, const struct push *push, const char *path)
{
	struct ks_pol_cfg *cfg = instance_policy(&p->in, p->state.now.slot);
	struct history_change change = {
		.action = push->action, .path = path, .note = push->note, .trial = push->trial,
	};
	int rc;

	if (!cfg) {
		complain("cannot read the running policy");
		return EXIT_ENVIRONMENT;
	}
	change.digest = cfg->digest;
	change.generation = cfg->generation;
	rc = report(p, cfg, push->trial);
	if (guard_refresh(&p->in)) {
		complain("the guard still holds the assets of the policy before");
		rc = EXIT_ENVIRONMENT;
	}
	if (history_record(&change)) {
		complain("the policy is in force, but not in the history");
		rc = EXIT_ENVIRONMENT;
	}
	free(cfg);
	return rc;
}

/* ---- apply, rollback, confirm ---- */

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

static void warn_sizes(const struct instance *in, const struct policy_limits *limits)
{
	warn_size(in, MAP_flows4, "flows", limits->flows);
	warn_size(in, MAP_mb_free, "modbus_rings", limits->modbus_rings);
	warn_size(in, MAP_eip_free, "enip_rings", limits->enip_rings);
	warn_size(in, MAP_conduits, "conduit_flows", limits->conduit_flows);
	warn_size(in, MAP_events, "event_ring", limits->event_ring);
}

/*
 * A policy with zones comes back from a trial without: what was opened meanwhile is in
 * no table. Written before the trial, as nobody may be alive at its end.
 */
static int plan_return(struct pushing *p, const struct push *push,
		       const struct compiled_policy *policy)
{
	uint32_t slot = p->state.now.slot;
	struct ks_pol_cfg *cfg = instance_policy(&p->in, slot);
	int err = cfg ? 0 : -ENOENT;

	p->state.before = p->state.now;
	if (cfg && cfg->zoned && !policy->cfg->zoned) {
		cfg->take_over_until = tables_take_over(cfg, NULL, clock_monotonic() +
							push->trial * KS_SECOND);
		err = bpf_map_update_elem(p->in.fd[MAP_pol_cfg], &slot, cfg, BPF_ANY);
	}
	free(cfg);
	return header_written(err);
}

/* The policy that is in this slot. */
static int put_in_force(struct pushing *p, const struct push *push,
			const struct compiled_policy *policy, uint32_t slot)
{
	int rc = push->trial ? plan_return(p, push, policy) : EXIT_OK;

	if (rc)
		return rc;
	pushing_plan(p, policy, slot);
	rc = pushing_flip(p, push->trial);
	if (!rc)
		warn_sizes(&p->in, &policy->limits);
	return rc;
}

static int apply(struct pushing *p, const struct push *push, const char *path)
{
	struct compiled_policy *policy;
	uint32_t slot, generation;
	int rc;

	policy = load_policy(path, DIAG_WARNING, &rc);
	if (!policy)
		return rc;
	rc = push->path || !history_check_copy(path, policy->cfg->digest) ? EXIT_OK : EXIT_PROBLEM;
	if (!rc)
		rc = signature_check(path, policy->cfg->digest);
	if (!rc)
		rc = pushing_check_mode(p, policy);
	if (!rc)
		rc = pushing_fill(p, policy, &slot, &generation);
	if (!rc)
		rc = put_in_force(p, push, policy, slot);
	if (!rc)
		rc = pushing_done(p, push, path);
	compiled_policy_free(policy);
	return rc;
}

/* The digest of the policy in a slot. EXIT_OK, or another code with a message printed. */
static int slot_digest(const struct pushing *p, uint32_t slot, char digest[DIGEST_TEXT])
{
	struct ks_pol_cfg *cfg = instance_policy(&p->in, slot);

	if (!cfg) {
		complain("cannot read the running policy");
		return EXIT_ENVIRONMENT;
	}
	digest_text(digest, cfg->digest);
	free(cfg);
	return EXIT_OK;
}

/* The trial ends at once, by a word and not by the clock. */
static int end_trial(struct pushing *p, const struct push *push, bool keep)
{
	char digest[DIGEST_TEXT], path[PATH_MAX];
	int rc;

	if (!keep)
		p->state.now = p->state.before;
	rc = slot_digest(p, p->state.now.slot, digest);
	if (!rc)
		rc = pushing_flip(p, 0);
	if (rc)
		return rc;
	history_copy(digest, path);
	return pushing_done(p, push, path);
}

/* The policy before the one in force: its copy in the history. */
static int roll_back(struct pushing *p, const struct push *push)
{
	char digest[DIGEST_TEXT], path[PATH_MAX];
	int rc;

	if (p->state.revert_at)
		return end_trial(p, push, false);
	rc = slot_digest(p, p->state.now.slot, digest);
	if (!rc && history_before(digest, path))
		rc = EXIT_PROBLEM;
	return rc ? rc : apply(p, push, path);
}

static int confirm(struct pushing *p, const struct push *push)
{
	if (p->state.revert_at)
		return end_trial(p, push, true);
	complain("no policy is on trial: the one in force stays as it is");
	return EXIT_PROBLEM;
}

/* Its tables are there; as one in force it gets the number of this moment. */
static int renumber(const struct pushing *p, const struct compiled_policy *policy, uint32_t slot)
{
	struct ks_pol_cfg *before = instance_policy(&p->in, p->state.now.slot);
	struct ks_pol_cfg *cfg = instance_policy(&p->in, slot);
	int err = cfg ? 0 : -ENOENT;

	if (cfg) {
		cfg->generation = next_generation(&p->in);
		set_numbering(p, policy, cfg->generation);
		cfg->numbering = policy->cfg->numbering;
		cfg->applied_at = (uint64_t)time(NULL);
		cfg->take_over_until = tables_take_over(cfg, before, clock_monotonic());
		err = bpf_map_update_elem(p->in.fd[MAP_pol_cfg], &slot, cfg, BPF_ANY);
	}
	free(before);
	free(cfg);
	return header_written(err);
}

static int promote(struct pushing *p, const struct push *push)
{
	uint32_t slot = p->state.shadow - 1;
	char digest[DIGEST_TEXT], path[PATH_MAX];
	struct compiled_policy *policy = NULL;
	int rc = slot_digest(p, slot, digest);

	if (rc)
		return rc;
	history_copy(digest, path);
	policy = load_policy(path, DIAG_ERROR, &rc);
	if (!policy)
		return rc;
	rc = history_check_copy(path, policy->cfg->digest) ? EXIT_PROBLEM : EXIT_OK;
	if (!rc)
		rc = signature_check(path, policy->cfg->digest);
	if (!rc)
		rc = pushing_check_mode(p, policy);
	if (!rc)
		rc = renumber(p, policy, slot);
	if (!rc) {
		p->state.shadow = 0;
		rc = put_in_force(p, push, policy, slot);
	}
	if (!rc)
		rc = pushing_done(p, push, path);
	compiled_policy_free(policy);
	return rc;
}

int push_promote(const struct push *push)
{
	struct pushing p;
	int rc = pushing_begin(&p);

	if (!rc)
		rc = pushing_check_trial(&p);
	if (!rc && !p.state.shadow) {
		complain("no policy is in the shadow, expected 'keyswitch shadow FILE' before");
		rc = EXIT_PROBLEM;
	}
	if (!rc)
		rc = promote(&p, push);
	pushing_end(&p);
	return rc;
}

int push_policy(const struct push *push)
{
	struct pushing p;
	int rc = pushing_begin(&p);

	if (!rc && push->path)
		rc = pushing_check_trial(&p);
	if (!rc)
		rc = push->path ? apply(&p, push, push->path) : roll_back(&p, push);
	pushing_end(&p);
	return rc;
}

int push_confirm(const struct push *push)
{
	struct pushing p;
	int rc = pushing_begin(&p);

	if (!rc)
		rc = confirm(&p, push);
	pushing_end(&p);
	return rc;
}
