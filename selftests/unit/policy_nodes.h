/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the nodes of every slice must satisfy: the look of the data path finds each range.
 */
#ifndef KEYSWITCH_POLICY_NODES_H
#define KEYSWITCH_POLICY_NODES_H

#include "../../user/policy.h"
#include "test.h"

/* Levels of nodes above the range that holds the element; *at is its index. */
static inline int check_look(const struct compiled_policy *c, const struct ks_decision *d,
			     uint32_t element, uint32_t *at)
{
	int levels = 0;

	for (*at = d->first + ks_bucket(d, element); levels <= KS_NODE_LEVELS; levels++) {
		const struct ks_node *n = (const void *)&c->ranges[*at];

		if (!CHECK(*at < c->n_ranges))
			return 0;
		*at = ks_child(n, element);
		if (!(n->first & KS_NODE_INNER))
			return levels + 1;
	}
	return levels;
}

/*
 * Every range is found by its first and its last element, behind the one before it. Returns
 * the levels of nodes above all of them together.
 */
static inline uint64_t check_nodes(const struct compiled_policy *c, const struct ks_decision *d,
				   uint32_t first, uint32_t last)
{
	uint64_t sum = 0;
	uint32_t at, end;
	int levels;

	for (uint32_t i = first; i <= last; i++) {
		end = i < last ? c->ranges[i + 1].lo - 1 : UINT32_MAX;
		levels = check_look(c, d, c->ranges[i].lo, &at);
		CHECK(at == i && levels <= KS_NODE_LEVELS);
		CHECK(check_look(c, d, end, &at) <= KS_NODE_LEVELS && at == i);
		sum += (uint64_t)levels;
	}
	return sum;
}

#endif
