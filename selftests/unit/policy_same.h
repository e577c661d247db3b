/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether two compiled policies are the same to the data path: every table, byte by
 * byte. The digest is left out, which is of the file's bytes.
 */
#ifndef KEYSWITCH_POLICY_SAME_H
#define KEYSWITCH_POLICY_SAME_H

#include <string.h>

#include "../../user/policy.h"

static inline bool same_bytes(const void *a, const void *b, size_t n, size_t size)
{
	return !n || !memcmp(a, b, n * size);
}

#define SAME(field, count) (a->count == b->count && \
			    same_bytes(a->field, b->field, a->count, sizeof(*a->field)))

static inline bool same_settings(const struct compiled_policy *a, const struct compiled_policy *b)
{
	struct ks_pol_cfg x = *a->cfg, y = *b->cfg;

	memset(x.digest, 0, sizeof(x.digest));
	memset(y.digest, 0, sizeof(y.digest));
	return a->mode == b->mode && a->adopt == b->adopt &&
	       same_bytes(&a->limits, &b->limits, 1, sizeof(a->limits)) &&
	       same_bytes(&x, &y, 1, sizeof(x)) &&
	       same_bytes(a->ports, b->ports, 1, sizeof(*a->ports)) &&
	       same_bytes(a->rules, b->rules, a->cfg->rules + 1, sizeof(*a->rules));
}

static inline bool same_tables(const struct compiled_policy *a, const struct compiled_policy *b)
{
	return same_settings(a, b) && SAME(addr_keys, n_addrs) && SAME(addr_recs, n_addrs) &&
	       SAME(prefix_keys, n_prefixes) && SAME(prefix_recs, n_prefixes) &&
	       SAME(assets, n_assets) && SAME(pair_keys, n_pairs) &&
	       SAME(pair_profiles, n_pairs) && SAME(profiles, n_profiles) &&
	       SAME(units, n_units) && SAME(ranges, n_ranges) && SAME(class_keys, n_classes) &&
	       SAME(class_index, n_classes) && SAME(tag_keys, n_tags) && SAME(tag_ids, n_tags) &&
	       SAME(route_keys, n_routes) && SAME(route_ids, n_routes) &&
	       SAME(route_rows, n_route_rows) && SAME(names, n_names) &&
	       SAME(bindings, n_bindings) && SAME(conduit_keys, n_conduit_keys) &&
	       SAME(conduit_ids, n_conduit_keys) &&
	       a->n_modbus_rows == b->n_modbus_rows && a->n_cip_rows == b->n_cip_rows &&
	       a->n_leaf_rows == b->n_leaf_rows &&
	       same_bytes(a->modbus, b->modbus, a->n_modbus_rows * 128, sizeof(*a->modbus)) &&
	       same_bytes(a->leaves, b->leaves, a->n_leaf_rows * 128, sizeof(*a->leaves)) &&
	       same_bytes(a->cip, b->cip, a->n_cip_rows * a->cfg->leaves, sizeof(*a->cip));
}

#endif
