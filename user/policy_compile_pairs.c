// SPDX-License-Identifier: GPL-2.0-only
/*
 * For every client class and asset: which rules speak about the pair, and the
 * profile that they make. Lists are interned before anything is compiled from
 * them, so equal lists cost nothing a second time.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_compile.h"

#define UNITS 256

/* Where the rules about a pair come from; every part is sorted, none overlap. */
enum part { OWN, ASSET, EVERYONE, PARTS };

struct pairs {
	struct compiler *k;
	struct numbers everyone;	/* from any, to any */
	struct numbers *asset_any;	/* asset -> from any, to it */
	uint32_t *asset_list;		/* asset -> entry of k->lists for asset_any */
	struct numbers specific;	/* of the present class: rules by source */
	struct numbers to_any;		/* ... of those: to any */
	struct numbers *to_asset;	/* ... of those: per asset; emptied after use */
	struct numbers touched;		/* assets with a to_asset list */
	struct numbers merged, filtered, joined;
	uint32_t everyone_modbus, everyone_cip;
	uint32_t everyone_unit[UNITS];	/* entry + 1 of everyone_modbus for one unit */
	bool everyone_border[UNITS + 1];
	uint32_t *everyone_route;	/* entry + 1 of everyone_cip by route and own */
	struct numbers everyone_named;	/* routes that rules of everyone_cip name */
	struct numbers named;
};

/* ---- from a rule list to a profile ---- */

static uint32_t put_list(struct pairs *x, const struct numbers *l)
{
	return pool_put(&x->k->lists, l->v, (uint32_t)l->n);
}

static uint32_t filter_list(struct pairs *x, uint32_t list,
			    bool (*keep)(const struct policy_rule *r))
{
	const uint32_t *rules;
	uint32_t count;

	x->filtered.n = 0;
	rules = pool_get(&x->k->lists, list, &count);
	for (uint32_t i = 0; i < count; i++)
		if (keep(&x->k->p->rules[rules[i]]))
			numbers_add(&x->k->tmp, &x->filtered, rules[i]);
	return put_list(x, &x->filtered);
}

static bool keeps_modbus(const struct policy_rule *r)
{
	return rule_has_modbus(r);
}

static bool keeps_cip(const struct policy_rule *r)
{
	return rule_has_cip(r);
}

/* Rules of a Modbus list that speak about a unit at all. */
static uint32_t unit_list(struct pairs *x, uint32_t list, uint32_t unit)
{
	const uint32_t *rules;
	uint32_t count;

	x->filtered.n = 0;
	rules = pool_get(&x->k->lists, list, &count);
	for (uint32_t i = 0; i < count; i++) {
		const struct policy_rule *r = &x->k->p->rules[rules[i]];

		/* a rule without units is looked at again function by function */
		if (!r->modbus || !r->modbus->units.n || rule_takes_unit(r, unit, 0))
			numbers_add(&x->k->tmp, &x->filtered, rules[i]);
	}
	return put_list(x, &x->filtered);
}

/* The same for all pairs, and the longest by far in policies that have it. */
static uint32_t everyone_list(struct pairs *x, uint32_t unit)
{
	if (!x->everyone_unit[unit])
		x->everyone_unit[unit] = unit_list(x, x->everyone_modbus, unit) + 1;
	return x->everyone_unit[unit] - 1;
}

static void merge_into(struct pairs *x, struct numbers *out, const uint32_t *a, size_t na,
		       const uint32_t *b, size_t nb)
{
	size_t i = 0, j = 0;

	out->n = 0;
	while (i < na || j < nb) {
		bool left = j == nb || (i < na && a[i] < b[j]);

		numbers_add(&x->k->tmp, out, left ? a[i++] : b[j++]);
	}
}

/* The parts in the order of the file. */
static const struct numbers *join(struct pairs *x, const uint32_t part[PARTS])
{
	const uint32_t *v[PARTS];
	uint32_t n[PARTS];

	for (int i = 0; i < PARTS; i++)
		v[i] = pool_get(&x->k->lists, part[i], &n[i]);
	merge_into(x, &x->merged, v[OWN], n[OWN], v[ASSET], n[ASSET]);
	merge_into(x, &x->joined, x->merged.v, x->merged.n, v[EVERYONE], n[EVERYONE]);
	return &x->joined;
}

static uint32_t modbus_row(struct pairs *x, const uint32_t list[PARTS], uint32_t unit)
{
	struct compiler *k = x->k;
	uint32_t key[PARTS + 1] = {
		[OWN] = unit_list(x, list[OWN], unit),
		[ASSET] = unit_list(x, list[ASSET], unit),
		[EVERYONE] = everyone_list(x, unit),
		[PARTS] = unit == 0,
	};
	uint32_t id = pool_put(&k->mb_keys, key, PARTS + 1);

	if (id == k->mb_done.n)
		numbers_add(&k->tmp, &k->mb_done,
			    compile_modbus_row(k, join(x, key), key[PARTS]));
	return k->mb_done.v[id];
}

/* First unit of every stretch of units that all rules of the list treat alike. */
static void add_borders(struct pairs *x, uint32_t list, bool border[UNITS + 1])
{
	const uint32_t *rules;
	uint32_t count;

	rules = pool_get(&x->k->lists, list, &count);
	for (uint32_t i = 0; i < count; i++) {
		const struct modbus_match *m = x->k->p->rules[rules[i]].modbus;

		for (size_t u = 0; m && u < m->units.n; u++) {
			border[m->units.v[u].lo] = true;
			border[m->units.v[u].hi + 1] = true;
		}
	}
}

static bool may_allow(const struct compiler *k, const struct ks_decision *d)
{
	const struct ks_range *r = (const struct ks_range *)k->ranges.data;
	uint32_t last;

	if (d->kind == KS_K_VALUES) {
		const struct ks_values *v = (const struct ks_values *)k->values.data + d->first;

		return may_allow(k, &v->known) || may_allow(k, &v->unknown);
	}
	if (d->kind != KS_K_SLICE)
		return d->kind == KS_K_ALLOW;
	last = slice_find(r, d, UINT32_MAX);
	for (uint32_t i = slice_find(r, d, 0); i <= last; i++)
		if (may_allow(k, &r[i].d))
			return true;
	return false;
}

static bool row_may_allow(const struct compiler *k, uint32_t row)
{
	const struct ks_decision *d = pool_get(&k->modbus_rows, row, NULL);

	for (uint32_t fc = 1; fc < MODBUS_CODES; fc++)
		if (may_allow(k, &d[fc]))
			return true;
	return false;
}

static void fill_modbus(struct pairs *x, const uint32_t list[PARTS],
			struct ks_profile_rec *p)
{
	struct ks_units_rec rec;
	bool border[UNITS + 1], same = true;

	memcpy(border, x->everyone_border, sizeof(border));
	add_borders(x, list[OWN], border);
	add_borders(x, list[ASSET], border);
	for (uint32_t u = 0; u < UNITS; u++) {
		rec.row[u] = border[u] ? modbus_row(x, list, u) : rec.row[u - 1];
		same &= rec.row[u] == rec.row[0];
		if (border[u] && row_may_allow(x->k, rec.row[u]))
			p->flags |= KS_PROFILE_MODBUS;
	}
	p->mb_row = rec.row[1];
	p->units = same ? 0 : pool_put(&x->k->unit_rows, rec.row, UNITS);
}

/* ---- CIP: a row for each route ---- */

static uint32_t cip_row_flags(const struct compiler *k, uint32_t row)
{
	const struct ks_decision *d = pool_get(&k->cip_rows, row, NULL);
	uint32_t flags = 0;

	for (uint32_t i = 0; i < k->n_leaves; i++)
		if (may_allow(k, &d[i]))
			flags |= k->leaf_kind[i] == LEAF_IO ? KS_PROFILE_IO : KS_PROFILE_ENIP;
	return flags;
}

/* Rules of a CIP list that speak about the route. */
static uint32_t route_list(struct pairs *x, uint32_t list, uint32_t route, bool own)
{
	const uint32_t *rules;
	uint32_t count;

	x->filtered.n = 0;
	rules = pool_get(&x->k->lists, list, &count);
	for (uint32_t i = 0; i < count; i++)
		if (rule_takes_route(x->k, rules[i], route, own))
			numbers_add(&x->k->tmp, &x->filtered, rules[i]);
	return put_list(x, &x->filtered);
}

static uint32_t everyone_routed(struct pairs *x, uint32_t route, bool own)
{
	uint32_t *known = &x->everyone_route[2 * route + own];

	if (!*known)
		*known = route_list(x, x->everyone_cip, route, own) + 1;
	return *known - 1;
}

static uint32_t cip_row(struct pairs *x, const uint32_t list[PARTS], uint32_t route, bool own,
			struct ks_profile_rec *p)
{
	struct compiler *k = x->k;
	uint32_t key[PARTS] = {
		[OWN] = route_list(x, list[OWN], route, own),
		[ASSET] = route_list(x, list[ASSET], route, own),
		[EVERYONE] = everyone_routed(x, route, own),
	};
	uint32_t id = pool_put(&k->cip_keys, key, PARTS);

	if (id == k->cip_done.n) {
		numbers_add(&k->tmp, &k->cip_done, compile_cip_row(k, join(x, key)));
		numbers_add(&k->tmp, &k->cip_flags, cip_row_flags(k, k->cip_done.v[id]));
	}
	p->flags |= k->cip_flags.v[id];
	return k->cip_done.v[id];
}

static void add_named(struct pairs *x, uint32_t list, struct numbers *out)
{
	const uint32_t *rules;
	uint32_t count;

	rules = pool_get(&x->k->lists, list, &count);
	for (uint32_t i = 0; i < count; i++)
		for (size_t j = 0; j < x->k->plans[rules[i]].routes.n; j++)
			numbers_add(&x->k->tmp, out, x->k->plans[rules[i]].routes.v[j]);
}

/* Routes that neither the asset nor a rule of the list names are all alike. */
static void fill_cip(struct pairs *x, const uint32_t list[PARTS], const struct numbers *own,
		     struct ks_profile_rec *p)
{
	struct compiler *k = x->k;
	uint32_t n = KS_ROUTE_NAMED + k->n_routes, entry;
	uint32_t *row = scratch(k, &k->route_room, n * sizeof(*row));
	bool same;

	row[KS_ROUTE_DIRECT] = cip_row(x, list, KS_ROUTE_DIRECT, false, p);
	for (uint32_t i = KS_ROUTE_OTHER; i < n; i++)
		row[i] = i == KS_ROUTE_OTHER ? cip_row(x, list, i, false, p) : row[KS_ROUTE_OTHER];
	same = row[KS_ROUTE_OTHER] == row[KS_ROUTE_DIRECT];
	x->named.n = 0;
	add_named(x, list[OWN], &x->named);
	add_named(x, list[ASSET], &x->named);
	for (size_t i = 0; i < x->everyone_named.n; i++)
		numbers_add(&k->tmp, &x->named, x->everyone_named.v[i]);
	for (size_t i = 0; i < own->n; i++)
		numbers_add(&k->tmp, &x->named, own->v[i]);
	numbers_sort_unique(&x->named);
	for (size_t i = 0; i < x->named.n; i++) {
		uint32_t route = x->named.v[i];

		row[route] = cip_row(x, list, route, numbers_hold(own, route), p);
		same &= row[route] == row[KS_ROUTE_DIRECT];
	}
	p->cip_row = row[KS_ROUTE_DIRECT];
	if (same)
		return;
	entry = pool_put(&k->route_rows, row, n);
	p->routes = (uint32_t)k->route_rows.entry[entry].first;
	if (k->route_rows.used > POLICY_CELLS_MAX)
		compile_limit(k, POLICY_CELLS_MAX, "routes of a client and an asset");
}

/* ---- from a pair to its rules ---- */

/* own: rules that name the class; the asset's own and everyone's rules join them. */
static uint32_t pair_profile(struct pairs *x, uint32_t own, uint32_t asset)
{
	struct compiler *k = x->k;
	const struct numbers *routes = &k->own_routes[asset];
	uint32_t key[] = { own, x->asset_list[asset], put_list(x, routes) };
	uint32_t id = pool_put(&k->pair_keys, key, 3);
	uint32_t list[PARTS] = { [EVERYONE] = x->everyone_modbus };
	struct ks_profile_rec p = { 0 };

	if (id < k->pair_done.n)
		return k->pair_done.v[id];
	list[OWN] = filter_list(x, key[0], keeps_modbus);
	list[ASSET] = filter_list(x, key[1], keeps_modbus);
	fill_modbus(x, list, &p);
	list[OWN] = filter_list(x, key[0], keeps_cip);
	list[ASSET] = filter_list(x, key[1], keeps_cip);
	list[EVERYONE] = x->everyone_cip;
	fill_cip(x, list, routes, &p);
	id = pool_put(&k->profiles, &p, 1);
	numbers_add(&k->tmp, &k->pair_done, id);
	return id;
}

static void emit_pair(struct pairs *x, uint32_t class, uint32_t asset, uint32_t own)
{
	struct compiled_policy *c = x->k->c;
	uint32_t profile = pair_profile(x, own, asset);

	/* a miss means the asset's own profile */
	if (profile == c->assets[asset + 1].profile)
		return;
	if (c->n_pairs == POLICY_PAIRS_MAX) {
		compile_limit(x->k, POLICY_PAIRS_MAX, "pairs of a client and an asset with rules of their own");
		return;
	}
	c->pair_keys = arena_grow(&c->mem, c->pair_keys, c->n_pairs, sizeof(*c->pair_keys));
	c->pair_profiles = arena_grow(&c->mem, c->pair_profiles, c->n_pairs,
				      sizeof(*c->pair_profiles));
	c->pair_keys[c->n_pairs] = (struct ks_pair_key){ class, asset + 1 };
	c->pair_profiles[c->n_pairs++] = profile;
}

/* ---- rules by source and by asset ---- */

static void split_by_asset(struct pairs *x, const struct policy_rule *r, uint32_t rule,
			   struct numbers *any, struct numbers *by_asset,
			   struct numbers *touched)
{
	struct arena *mem = &x->k->tmp;

	if (!r->n_to)
		numbers_add(mem, any, rule);
	for (size_t i = 0; i < r->n_to; i++) {
		if (!by_asset[r->to[i]].n && touched)
			numbers_add(mem, touched, r->to[i]);
		numbers_add(mem, &by_asset[r->to[i]], rule);
	}
}

static void collect_class_rules(struct pairs *x, uint32_t class)
{
	struct compiler *k = x->k;
	const uint32_t *atoms;
	uint32_t count;

	for (size_t i = 0; i < x->touched.n; i++)
		x->to_asset[x->touched.v[i]].n = 0;
	x->specific.n = x->to_any.n = x->touched.n = 0;
	atoms = pool_get(&k->class_sets, class, &count);
	for (uint32_t i = 0; i < count; i++)
		for (size_t j = 0; j < k->atom_rules[atoms[i]].n; j++)
			numbers_add(&k->tmp, &x->specific, k->atom_rules[atoms[i]].v[j]);
	numbers_sort_unique(&x->specific);
	for (size_t i = 0; i < x->specific.n; i++)
		split_by_asset(x, &k->p->rules[x->specific.v[i]], x->specific.v[i],
			       &x->to_any, x->to_asset, &x->touched);
}

static void compile_class(struct pairs *x, uint32_t class)
{
	struct compiler *k = x->k;
	uint32_t any;

	collect_class_rules(x, class);
	any = put_list(x, &x->to_any);
	for (uint32_t a = 0; x->to_any.n && a < k->p->n_assets && !k->failed; a++)
		if (!x->to_asset[a].n)
			emit_pair(x, class, a, any);
	for (size_t i = 0; i < x->touched.n && !k->failed; i++) {
		uint32_t a = x->touched.v[i];

		merge_into(x, &x->merged, x->to_any.v, x->to_any.n, x->to_asset[a].v,
			   x->to_asset[a].n);
		emit_pair(x, class, a, put_list(x, &x->merged));
	}
}

static void collect_everyone(struct pairs *x)
{
	const struct policy *p = x->k->p;
	uint32_t all;

	for (size_t i = 0; i < p->n_rules; i++)
		if (!p->rules[i].n_from)
			split_by_asset(x, &p->rules[i], (uint32_t)i, &x->everyone,
				       x->asset_any, NULL);
	all = put_list(x, &x->everyone);
	x->everyone_modbus = filter_list(x, all, keeps_modbus);
	x->everyone_cip = filter_list(x, all, keeps_cip);
	x->everyone_route = arena_alloc(&x->k->tmp, 2 * (KS_ROUTE_NAMED + x->k->n_routes) *
					sizeof(*x->everyone_route));
	add_named(x, x->everyone_cip, &x->everyone_named);
	numbers_sort_unique(&x->everyone_named);
	/* broadcasts and what lies behind them are never alike */
	x->everyone_border[0] = x->everyone_border[1] = true;
	add_borders(x, x->everyone_modbus, x->everyone_border);
}

void compile_pairs(struct compiler *k)
{
	const struct policy *p = k->p;
	struct pairs *x = arena_alloc(&k->tmp, sizeof(*x));
	uint32_t none = pool_put(&k->lists, NULL, 0);

	x->k = k;
	x->asset_any = arena_alloc(&k->tmp, p->n_assets * sizeof(*x->asset_any));
	x->to_asset = arena_alloc(&k->tmp, p->n_assets * sizeof(*x->to_asset));
	x->asset_list = arena_alloc(&k->tmp, p->n_assets * sizeof(*x->asset_list));
	collect_everyone(x);
	for (uint32_t a = 0; a < p->n_assets && !k->failed; a++) {
		x->asset_list[a] = put_list(x, &x->asset_any[a]);
		k->c->assets[a + 1].profile = pair_profile(x, none, a);
	}
	for (uint32_t class = 1; class < k->class_sets.n && !k->failed; class++)
		compile_class(x, class);
}
