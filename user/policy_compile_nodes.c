// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nodes by which the data path finds an element's range in one look (compiled.h,
 * struct ks_node). Must not know what ranges decide.
 */
#include <string.h>

#include "policy_compile.h"

#define FANOUT	(KS_NODE_ENDS + 1)	/* children of a node */

/* The ranges of one slice, of which range i ends before range i + 1 begins. */
struct indexed {
	struct compiler *k;
	const struct ks_range *range;	/* not in the pool: there they may move */
	uint32_t n;
	uint32_t first;			/* index of the first one in pol_ranges */
};

static uint32_t range_end(const struct indexed *x, uint32_t i)
{
	return x->range[i + 1].lo - 1;
}

static uint32_t put_nodes(const struct indexed *x, const struct ks_node *node, uint32_t n)
{
	uint32_t entry = pool_put(&x->k->ranges, node, n);

	return x->k->ranges.entry[entry].first;
}

/* The node over n ranges from `from` on, after what it needs below it. */
static struct ks_node make_node(const struct indexed *x, uint32_t from, uint32_t n)
{
	struct ks_node node, child[FANOUT];
	uint32_t each = 1, children;

	while (each * FANOUT < n)
		each *= FANOUT;
	children = (n + each - 1) / each;
	memset(&node, 0xff, sizeof(node));
	for (uint32_t i = 0; i + 1 < children; i++)
		node.end[i] = range_end(x, from + (i + 1) * each - 1);
	for (uint32_t i = 0; each > 1 && i < children; i++)
		child[i] = make_node(x, from + i * each, i + 1 < children ? each : n - i * each);
	node.first = each > 1 ? put_nodes(x, child, children) | KS_NODE_INNER : x->first + from;
	return node;
}

/*
 * Goes over the buckets of d, each from the range that holds its first element to the one
 * that holds its last, and makes their nodes if there is room for them. Returns how many levels too many
 * all ranges are away together.
 */
static uint64_t each_bucket(const struct indexed *x, const struct ks_decision *d,
			    struct ks_node *node)
{
	uint32_t from = 0, to, n = 1u << d->bits;
	uint64_t far = 0, hi;

	for (uint32_t b = 0; b < n; b++, from = to) {
		hi = b + 1 < n ? d->start + ((uint64_t)(b + 1) << d->shift) - 1 : UINT32_MAX;
		for (to = from; to + 1 < x->n && range_end(x, to) < hi;)
			to++;
		for (uint64_t reach = FANOUT; reach < to - from + 1; reach *= FANOUT)
			far += to - from + 1;
		if (node)
			node[b] = make_node(x, from, to - from + 1);
	}
	return far;
}

/*
 * The width of the buckets: wide enough to hold all borders, unless some stand far away from
 * the others, as "no instance" does; those are then left to the last bucket.
 */
static void choose_width(const struct indexed *x, struct ks_decision *d)
{
	uint32_t span = range_end(x, x->n - 2) - d->start;
	uint64_t best = UINT64_MAX, far;
	struct ks_decision trial = *d;

	for (trial.shift = 0; span >> trial.shift >> d->bits;)
		trial.shift++;
	for (int shift = trial.shift; shift >= 0 && best; shift--) {
		trial.shift = (uint8_t)shift;
		far = each_bucket(x, &trial, NULL);
		if (far < best) {
			best = far;
			*d = trial;
		}
	}
}

struct ks_decision compile_nodes(struct compiler *k, const struct ks_range *range, uint32_t n,
				 uint32_t first)
{
	const struct indexed x = { k, range, n, first };
	struct ks_decision d = { .kind = KS_K_SLICE };
	struct ks_node *node;

	if (n > FANOUT) {
		d.start = range[1].lo;
		while (4u << d.bits <= n)
			d.bits++;
		choose_width(&x, &d);
	}
	node = scratch(k, &k->node_room, sizeof(*node) << d.bits);
	each_bucket(&x, &d, node);
	d.first = put_nodes(&x, node, 1u << d.bits);
	return d;
}
