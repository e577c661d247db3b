/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of the compiled policy, laid out in compiled.h. Judges nothing.
 */
#ifndef KEYSWITCH_POLICY_TABLES_H
#define KEYSWITCH_POLICY_TABLES_H

#include "l3.h"

/* key: policy slot, value: header of the compiled policy. Written by apply. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_SLOTS);
	__type(key, __u32);
	__type(value, struct ks_pol_cfg);
} pol_cfg SEC(".maps");

/* key: policy slot, value: protocols spoken on each port, addresses to be asked for. Written by apply. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_SLOTS);
	__type(key, __u32);
	__type(value, struct ks_pol_ports);
} pol_ports SEC(".maps");

/*
 * key: policy slot, value: that policy's table. Written by apply before the
 * slot becomes active; a missing inner map is `internal`, a missing entry has
 * the meaning given in shared.h. Inner maps carry no BTF, template or not: 6.1
 * refuses an inner map whose BTF differs from the template's.
 */
#define POLICY_TABLE(name, kind, flags, key_t, value_t)          \
	struct {                                                 \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);        \
		__uint(max_entries, KS_SLOTS);                   \
		__type(key, __u32);                              \
		__array(values, struct {                         \
			__uint(type, kind);                      \
			__uint(max_entries, 1);                  \
			__uint(map_flags, flags);                \
			__uint(key_size, sizeof(key_t));         \
			__uint(value_size, sizeof(value_t));     \
		});                                              \
	} name SEC(".maps")

POLICY_TABLE(pol_addrs, BPF_MAP_TYPE_HASH, 0, struct ks_addr_key, struct ks_addr_rec);
POLICY_TABLE(pol_prefixes, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct ks_lpm_key,
	     struct ks_addr_rec);
POLICY_TABLE(pol_pairs, BPF_MAP_TYPE_HASH, 0, struct ks_pair_key, __u32);
POLICY_TABLE(pol_assets, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_asset_rec);
POLICY_TABLE(pol_profiles, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_profile_rec);
POLICY_TABLE(pol_units, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_units_rec);
POLICY_TABLE(pol_modbus, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_decision);
/* and struct ks_node: a program may use no more than 64 maps */
POLICY_TABLE(pol_ranges, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_range);
POLICY_TABLE(pol_classes, BPF_MAP_TYPE_HASH, 0, __u32, __u32);
POLICY_TABLE(pol_leaves, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_leaf_class);
POLICY_TABLE(pol_cip, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_decision);
POLICY_TABLE(pol_tags, BPF_MAP_TYPE_HASH, 0, struct ks_tag_key, __u32);
POLICY_TABLE(pol_routes, BPF_MAP_TYPE_HASH, 0, struct ks_route_key, __u32);
POLICY_TABLE(pol_route_rows, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, __u32);
/*
 * key: cpu * (rules + 1) + rule, of rules beyond those in rules_near (requests.h). A plain
 * array with a row per CPU: the program has the template's size of an inner per-CPU array
 * built in, whatever is put there.
 */
POLICY_TABLE(pol_hits, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_rule_hits);
POLICY_TABLE(pol_bindings, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_binding);
POLICY_TABLE(pol_conduits, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct ks_conduit_key, __u32);
POLICY_TABLE(pol_rules, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_rule_rec);
/* key: cpu * (conduits + 1) + conduit, as pol_hits; [0] OT datagrams */
POLICY_TABLE(pol_conduit_hits, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32,
	     struct ks_conduit_hits);
/* user space only: names for events and metrics */
POLICY_TABLE(pol_names, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_name_rec);

static __always_inline void *policy_entry(void *table, __u32 slot, const void *key)
{
	void *inner = bpf_map_lookup_elem(table, &slot);

	return inner ? bpf_map_lookup_elem(inner, key) : NULL;
}

/* The range of slice d that holds the element; NULL: the tables are broken. */
static __always_inline struct ks_range *range_find(__u32 slot, const struct ks_decision *d,
						   __u32 element)
{
	void *ranges = bpf_map_lookup_elem(&pol_ranges, &slot);
	__u32 at = d->first + ks_bucket(d, element), inner = KS_NODE_INNER;
	struct ks_range *r;
	struct ks_node *n;
	int i;

	for (i = 0; i < KS_NODE_LEVELS && ranges && inner; i++) {
		n = bpf_map_lookup_elem(ranges, &at);
		if (!n)
			return NULL;
		at = ks_child(n, element);
		inner = n->first & KS_NODE_INNER;
	}
	r = inner ? NULL : bpf_map_lookup_elem(ranges, &at);
	if (!r)
		return NULL;
	CHECKED(r);
	return r;
}

#endif
