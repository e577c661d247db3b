// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the comparisons of both protocols share: looking up a decision, and collecting
 * what changes so that equal changes are one. Must not know what elements are.
 */
#include <stddef.h>
#include <string.h>

#include "policy_diff_parts.h"

/* ---- looking up ---- */

struct verdict verdict_of_why(uint32_t why)
{
	return (struct verdict){ .allow = why == DIFF_LISTED, .rule = why, .hi = KS_NO_VALUE };
}

const struct ks_decision *decision_at(const struct compiled_policy *c,
				      const struct ks_decision *d, uint32_t at, uint32_t *hi)
{
	uint32_t i;

	*hi = KS_NO_VALUE;
	if (d->kind != KS_K_SLICE)
		return d;
	i = slice_find(c->ranges, d, at);
	if (i < slice_find(c->ranges, d, UINT32_MAX))
		*hi = c->ranges[i + 1].lo - 1;
	return &c->ranges[i].d;
}

struct verdict verdict_at(const struct compiled_policy *c, const struct ks_decision *d,
			  uint32_t at)
{
	struct verdict v = { 0 };

	d = decision_at(c, d, at, &v.hi);
	v.allow = d->kind == KS_K_ALLOW;
	v.rule = d->rule;
	v.alert = d->alert;
	if (d->kind == KS_K_VALUES)
		v.values = &c->values[d->first];
	return v;
}

/* ---- collecting ---- */

struct diff_change change_of(const struct diff_view *view, const struct verdict *was,
			     const struct verdict *now)
{
	if (view->alerts)
		return (struct diff_change){ .alert = 1, .allow = now->alert != 0,
					     .was = now->alert ? 0 : was->alert, .now = now->alert };
	return (struct diff_change){
		.allow = now->allow, .was = now->allow ? 0 : was->rule, .now = now->rule,
	};
}

void pieces_add(struct pieces *p, struct diff_change change, uint32_t values, uint32_t lo,
		uint32_t hi)
{
	struct numbers *v;
	size_t i = 0;

	while (i < p->n && (memcmp(&p->piece[i].change, &change, sizeof(change)) ||
			    p->piece[i].values != values))
		i++;
	if (i == p->n) {
		p->piece = arena_grow(p->mem, p->piece, p->n, sizeof(*p->piece));
		p->piece[p->n++] = (struct piece){ .change = change, .values = values };
	}
	v = &p->piece[i].v;
	if (v->n && v->v[v->n - 1] + 1 == lo) {
		v->v[v->n - 1] = hi;
		return;
	}
	numbers_add(p->mem, v, lo);
	numbers_add(p->mem, v, hi);
}

uint32_t piece_set(struct policy_diff *d, const struct piece *p, uint32_t fc)
{
	static const uint32_t all[] = { 0, KS_NO_VALUE };

	if (p->v.n == 2 && !p->v.v[0] && p->v.v[1] == function_last(fc))
		return pool_put(&d->sets, all, 2);
	return pool_put(&d->sets, p->v.v, (uint32_t)p->v.n);
}

/* Which sets of an item may be put together with those of another. */
static const size_t joinable[] = {
	offsetof(struct diff_item, functions), offsetof(struct diff_item, cells),
	offsetof(struct diff_item, units), offsetof(struct diff_item, routes),
};

static uint32_t *set_at(struct diff_item *item, size_t field)
{
	return (uint32_t *)((char *)item + field);
}

static uint32_t join_sets(struct policy_diff *d, struct arena *mem, uint32_t a, uint32_t b)
{
	uint32_t entry[] = { a, b }, n;
	struct numbers all = { 0 };

	for (int i = 0; i < 2; i++) {
		const uint32_t *v = pool_get(&d->sets, entry[i], &n);

		for (uint32_t k = 0; k < n; k++)
			numbers_add(mem, &all, v[k]);
	}
	numbers_sort_unique(&all);
	return pool_put(&d->sets, all.v, (uint32_t)all.n);
}

/* Are they alike in all but this set? Then the set takes in the other's. */
static bool join_items(struct policy_diff *d, struct arena *mem, struct diff_item *a,
		       const struct diff_item *b, size_t field)
{
	struct diff_item other = *b;
	uint32_t *set = set_at(a, field), added = *set_at(&other, field);

	*set_at(&other, field) = *set;
	if (memcmp(a, &other, sizeof(other)))
		return false;
	if (*set != added)
		*set = join_sets(d, mem, *set, added);
	return true;
}

void items_add(struct policy_diff *d, struct items *l, const struct diff_item *item)
{
	bool modbus = item->kind == DIFF_MODBUS || item->kind == DIFF_INNER;
	size_t field = joinable[modbus ? 0 : 1];

	for (size_t i = 0; i < l->n; i++)
		if (join_items(d, l->mem, &l->v[i], item, field))
			return;
	l->v = arena_grow(l->mem, l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = *item;
}

void items_join(struct policy_diff *d, struct items *l)
{
	for (size_t f = 0; f < sizeof(joinable) / sizeof(joinable[0]); f++) {
		size_t kept = 0;

		for (size_t i = 0; i < l->n; i++) {
			size_t k = 0;

			while (k < kept && !join_items(d, l->mem, &l->v[k], &l->v[i], joinable[f]))
				k++;
			if (k == kept)
				l->v[kept++] = l->v[i];
		}
		l->n = kept;
	}
}
