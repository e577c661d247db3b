// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling of policy slots, see tables.h.
 * Must not touch links, programs or pins.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "batch.h"
#include "clock.h"
#include "tables.h"

#define ROW 128	/* function codes or services of one row */

/* One table's content; keys NULL: an array, index = position. */
struct content {
	enum map_id id;
	const void *keys;
	const void *values;
	size_t n;
};

static int kind_of(struct table_kind *kind, const struct instance *in, enum map_id id,
		   uint32_t slot, uint32_t *btf_id)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = instance_table(in, id, slot), err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (err)
		return err;
	*kind = (struct table_kind){
		.type = info.type, .key_size = info.key_size,
		.value_size = info.value_size, .flags = info.map_flags,
		.key_type_id = info.btf_key_type_id,
		.value_type_id = info.btf_value_type_id,
	};
	if (info.btf_id)
		*btf_id = info.btf_id;
	return 0;
}

int tables_kinds(struct table_kinds *kinds, const struct instance *in, uint32_t slot)
{
	uint32_t btf_id = 0;
	int err;

	memset(kinds, 0, sizeof(*kinds));
	kinds->btf_fd = -1;
	for (int i = MAP_pol_addrs; i < MAPS; i++) {
		err = kind_of(&kinds->v[i], in, (enum map_id)i, slot, &btf_id);
		if (err)
			return err;
	}
	if (!btf_id)
		return 0;
	kinds->btf_fd = bpf_btf_get_fd_by_id(btf_id);
	return kinds->btf_fd < 0 ? kinds->btf_fd : 0;
}

static int make_inner(const struct table_kinds *kinds, const struct content *c)
{
	const struct table_kind *kind = &kinds->v[c->id];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = kind->flags);

	if (kind->key_type_id || kind->value_type_id) {
		opts.btf_fd = (uint32_t)kinds->btf_fd;
		opts.btf_key_type_id = kind->key_type_id;
		opts.btf_value_type_id = kind->value_type_id;
	}
	return bpf_map_create(kind->type, map_name(c->id), kind->key_size,
			      kind->value_size, c->n ? (uint32_t)c->n : 1, &opts);
}

static int write_all(int fd, const struct content *c)
{
	uint32_t n = (uint32_t)c->n;

	/* counters have no content: a new map is zero */
	if (!n || !c->values)
		return 0;
	if (!c->keys)
		return batch_write(fd, 0, n, c->values);
	return bpf_map_update_batch(fd, c->keys, c->values, &n, NULL);
}

static int replace(const struct instance *in, const struct table_kinds *kinds, uint32_t slot,
		   const struct content *c)
{
	int fd = make_inner(kinds, c), err;

	if (fd < 0)
		return fd;
	err = write_all(fd, c);
	/* returns after a grace period: nobody still reads the slot's former table */
	if (!err)
		err = bpf_map_update_elem(in->fd[c->id], &slot, &fd, BPF_ANY);
	close(fd);
	return err;
}

/* The rows of rules_near of a policy that is to come, back to zero. */
static int empty_rules_near(const struct instance *in, uint32_t slot, uint32_t rules)
{
	uint32_t n = rules + 1 < KS_NEAR_RULES ? rules + 1 : KS_NEAR_RULES;
	struct ks_rule_hits *none = calloc(n, sizeof(*none));
	int err = none ? 0 : -ENOMEM;

	for (unsigned int cpu = 0; cpu < in->cpus && !err; cpu++)
		err = batch_write(in->fd[MAP_rules_near], (cpu * KS_SLOTS + slot) * KS_NEAR_RULES,
				  n, none);
	free(none);
	return err;
}

/* While it is being filled a slot is of no generation: no names are read from it. */
static int clear_header(const struct instance *in, uint32_t slot)
{
	struct ks_pol_cfg *none = calloc(1, sizeof(*none));
	int err = none ? bpf_map_update_elem(in->fd[MAP_pol_cfg], &slot, none, BPF_ANY) : -ENOMEM;

	free(none);
	return err;
}

#define TAKE_OVER_NS	(600 * 1000000000ull)

uint64_t tables_take_over(const struct ks_pol_cfg *cfg, const struct ks_pol_cfg *before, uint64_t from)
{
	if (!cfg->zoned)
		return 0;
	return before && before->zoned ? before->take_over_until : from + TAKE_OVER_NS;
}

/* What is in force now; NULL: nothing is, this is the first policy. */
static struct ks_pol_cfg *in_force(const struct instance *in)
{
	struct ks_state_rec state;

	if (instance_state(in, &state) || !state.abi)
		return NULL;
	return instance_policy(in, state.now.slot);
}

static int write_header(const struct instance *in, uint32_t slot, uint32_t generation,
			const struct compiled_policy *policy)
{
	struct ks_pol_cfg *cfg = malloc(sizeof(*cfg)), *before;
	int err;

	if (!cfg)
		return -ENOMEM;
	before = in_force(in);
	*cfg = *policy->cfg;
	cfg->generation = generation;
	cfg->applied_at = (uint64_t)time(NULL);
	cfg->take_over_until = tables_take_over(cfg, before, clock_monotonic());
	err = bpf_map_update_elem(in->fd[MAP_pol_ports], &slot, policy->ports, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(in->fd[MAP_pol_cfg], &slot, cfg, BPF_ANY);
	free(before);
	free(cfg);
	return err;
}

struct ks_force tables_force(const struct compiled_policy *p, uint32_t slot)
{
	return (struct ks_force){
		.slot = slot, .mode = p->mode,
		.flows_per_client = p->limits.flows_per_client,
		.half_open_per_client = p->limits.half_open_per_client,
		.event_rate = p->limits.event_rate,
	};
}

int tables_fill(const struct instance *in, const struct table_kinds *kinds, uint32_t slot,
		uint32_t generation, const struct compiled_policy *p, const char **failed)
{
	const struct content contents[] = {
		{ MAP_pol_addrs, p->addr_keys, p->addr_recs, p->n_addrs },
		{ MAP_pol_prefixes, p->prefix_keys, p->prefix_recs, p->n_prefixes },
		{ MAP_pol_pairs, p->pair_keys, p->pair_profiles, p->n_pairs },
		{ MAP_pol_assets, NULL, p->assets, p->n_assets },
		{ MAP_pol_profiles, NULL, p->profiles, p->n_profiles },
		{ MAP_pol_units, NULL, p->units, p->n_units },
		{ MAP_pol_modbus, NULL, p->modbus, p->n_modbus_rows * ROW },
		{ MAP_pol_ranges, NULL, p->ranges, p->n_ranges },
		{ MAP_pol_classes, p->class_keys, p->class_index, p->n_classes },
		{ MAP_pol_leaves, NULL, p->leaves, p->n_leaf_rows * ROW },
		{ MAP_pol_cip, NULL, p->cip, p->n_cip_rows * p->cfg->leaves },
		{ MAP_pol_tags, p->tag_keys, p->tag_ids, p->n_tags },
		{ MAP_pol_routes, p->route_keys, p->route_ids, p->n_routes },
		{ MAP_pol_route_rows, NULL, p->route_rows, p->n_route_rows },
		{ MAP_pol_bindings, NULL, p->bindings, p->n_bindings },
		{ MAP_pol_conduits, p->conduit_keys, p->conduit_ids, p->n_conduit_keys },
		{ MAP_pol_rules, NULL, p->rules, p->cfg->rules + 1 },
		{ MAP_pol_names, NULL, p->names, p->n_names },
		{ MAP_pol_values, NULL, p->values, p->n_values },
		{ MAP_pol_buckets, NULL, NULL, p->n_buckets },
		{ MAP_pol_hits, NULL, NULL, (size_t)in->cpus * (p->cfg->rules + 1) },
		{ MAP_pol_conduit_hits, NULL, NULL, (size_t)in->cpus * (p->cfg->conduits + 1) },
	};
	int err = clear_header(in, slot);

	*failed = map_name(MAP_pol_cfg);
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		if (err)
			return err;
		*failed = map_name(contents[i].id);
		err = replace(in, kinds, slot, &contents[i]);
	}
	if (err)
		return err;
	*failed = map_name(MAP_rules_near);
	err = empty_rules_near(in, slot, p->cfg->rules);
	if (err)
		return err;
	*failed = map_name(MAP_pol_cfg);
	return write_header(in, slot, generation, p);
}
