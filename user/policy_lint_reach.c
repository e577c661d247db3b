// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules that never decide anything, and why: no request has all that they ask for,
 * nothing that they name can hear it, earlier rules leave nothing. What one earlier
 * rule alone leaves is found by compiling the two, so it is not guessed.
 */
#include <string.h>

#include "policy_lint.h"

#define CLASS_MODBUS	0x44
#define CLASS_SYMBOL	0x6b
#define UNIT_TRANSLATED	255

/* Assets and hosts that are compiled over and over to name a rule, at most. */
#define TRIAL_WORK	(1u << 18)
#define TRIAL_BASE	256

struct hearing {
	const struct policy *p;
	bool *translated;	/* asset -> requests in CIP class 0x44 may be allowed */
};

/* ---- what an asset can hear ---- */

static bool may_allow(const struct compiled_policy *c, const struct ks_decision *d)
{
	uint32_t last;

	if (d->kind == KS_K_VALUES)
		return may_allow(c, &c->values[d->first].known) ||
		       may_allow(c, &c->values[d->first].unknown);
	if (d->kind != KS_K_SLICE)
		return d->kind == KS_K_ALLOW;
	last = slice_find(c->ranges, d, UINT32_MAX);
	for (uint32_t i = slice_find(c->ranges, d, 0); i <= last; i++)
		if (may_allow(c, &c->ranges[i].d))
			return true;
	return false;
}

static bool row_translates(const struct compiled_policy *c, uint32_t row)
{
	uint32_t index = 0;

	for (size_t i = 0; i < c->n_classes; i++)
		if (c->class_keys[i] == CLASS_MODBUS)
			index = c->class_index[i];
	for (uint32_t s = 0; s < CIP_SERVICES; s++)
		if (may_allow(c, &c->cip[row * c->cfg->leaves +
					 c->leaves[index * CIP_SERVICES + s].leaf]))
			return true;
	return false;
}

static bool profile_translates(const struct compiled_policy *c, uint32_t profile,
			       const bool *row)
{
	const struct ks_profile_rec *rec = &c->profiles[profile];

	if (!rec->routes)
		return row[rec->cip_row];
	for (size_t i = 0; i < KS_ROUTE_NAMED + c->n_routes; i++)
		if (row[c->route_rows[rec->routes + i]])
			return true;
	return false;
}

struct hearing *hearing_new(const struct policy *p, const struct compiled_policy *c,
			    struct arena *mem)
{
	struct hearing *h = arena_alloc(mem, sizeof(*h));
	bool *row = arena_alloc(mem, c->n_cip_rows * sizeof(*row));

	h->p = p;
	h->translated = arena_alloc(mem, (p->n_assets + 1) * sizeof(*h->translated));
	for (uint32_t i = 0; i < c->n_cip_rows; i++)
		row[i] = row_translates(c, i);
	for (size_t a = 0; a < p->n_assets; a++)
		h->translated[a] = profile_translates(c, c->assets[a + 1].profile, row);
	for (size_t i = 0; i < c->n_pairs; i++)
		h->translated[c->pair_keys[i].asset - 1] |=
			profile_translates(c, c->pair_profiles[i], row);
	return h;
}

static bool units_meet(const struct spans *a, const struct spans *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (a->v[i].lo <= b->v[k].hi && b->v[k].lo <= a->v[i].hi)
				return true;
	return !a->n || !b->n;
}

bool asset_hears(const struct hearing *h, uint32_t asset, const struct policy_rule *r)
{
	static struct span unit = { .lo = UNIT_TRANSLATED, .hi = UNIT_TRANSLATED };
	static const struct spans translated = { .v = &unit, .n = 1 };
	const struct policy_asset *a = &h->p->assets[asset];
	const struct modbus_match *m = r->modbus;

	if (rule_has_cip(r) && a->enip)
		return true;
	if (!rule_has_modbus(r))
		return false;
	if (a->enip && h->translated[asset] &&
	    (!m || (!m->umas && units_meet(&m->units, &translated))))
		return true;
	return a->modbus && (!m || ((!m->umas || a->umas) && units_meet(&m->units, &a->units)));
}

static bool any_asset_hears(const struct hearing *h, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_to; i++)
		if (asset_hears(h, r->to[i], r))
			return true;
	for (uint32_t a = 0; !r->n_to && a < h->p->n_assets; a++)
		if (asset_hears(h, a, r))
			return true;
	return false;
}

/* ---- one rule behind another ---- */

/* Whether r decides anything as the policy's only rule, or behind `first` alone. */
static bool decides(const struct policy *p, const struct policy_rule *first,
		    const struct policy_rule *r)
{
	struct policy_rule rules[2] = { first ? *first : *r, *r };
	struct compiled_policy *c;
	struct policy some = *p;
	struct diags d;
	bool used;

	some.rules = rules;
	some.n_rules = first ? 2 : 1;
	diags_init(&d, "");
	c = policy_compile(&some, &d);
	used = !c || c->rule_used[some.n_rules];
	compiled_policy_free(c);
	diags_free(&d);
	return used;
}

static bool same_targets(const struct policy_rule *a, const struct policy_rule *b)
{
	size_t k = 0;

	for (size_t i = 0; a->n_to && i < b->n_to; i++) {
		while (k < a->n_to && a->to[k] < b->to[i])
			k++;
		if (k == a->n_to || a->to[k] != b->to[i])
			return false;
	}
	return !a->n_to || b->n_to;
}

/* Refuses, by no rule's name, what b would take: that is neither shadow nor contradiction. */
static bool shuts(const struct policy_rule *a, const struct policy_rule *b)
{
	for (uint32_t s = 0; s < CIP_SERVICES; s++)
		if (rule_shuts_symbols(a, s, CLASS_SYMBOL) && rule_selects_cip(b, s, CLASS_SYMBOL))
			return true;
	return false;
}

/* An earlier rule that alone leaves nothing, as long as looking for it is affordable. */
static const struct policy_rule *covering(const struct policy *p, size_t rule, size_t *work)
{
	const struct policy_rule *b = &p->rules[rule];
	size_t cost = TRIAL_BASE + p->n_assets + p->n_hosts;

	for (size_t i = 0; i < rule && *work >= cost; i++) {
		const struct policy_rule *a = &p->rules[i];

		if ((rule_has_modbus(b) && !rule_has_modbus(a)) ||
		    (rule_has_cip(b) && !rule_has_cip(a)) || !same_targets(a, b) || shuts(a, b))
			continue;
		*work -= cost;
		if (!decides(p, a, b))
			return a;
	}
	return NULL;
}

static const char *rule_verb(const struct policy_rule *r)
{
	return r->alert ? "marks" : r->allow ? "allows" : "denies";
}

static void report_unreached(const struct policy *p, size_t rule, size_t *work,
			     struct diags *d)
{
	const struct policy_rule *r = &p->rules[rule], *by;

	if (!decides(p, NULL, r)) {
		diag_warning(d, r->at, "rule '%s' can never match: no request has all that it asks for",
			     r->name);
		return;
	}
	by = covering(p, rule, work);
	if (!by)
		diag_warning(d, r->at, "rule '%s' is never reached: earlier rules decide all of it",
			     r->name);
	else if (by->allow == r->allow && by->alert == r->alert)
		diag_warning(d, r->at, "rule '%s' is never reached: shadowed by rule '%s' (line %u), which %s all of it already",
			     r->name, by->name, by->at.line, rule_verb(by));
	else
		diag_warning(d, r->at, "rule '%s' is never reached: contradicts rule '%s' (line %u), which %s all of it first",
			     r->name, by->name, by->at.line, rule_verb(by));
}

void lint_reach(const struct hearing *h, const struct policy *p,
		const struct compiled_policy *c, struct diags *d)
{
	size_t work = TRIAL_WORK;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		/* one with tags may select nothing and yet refuse writes by symbol */
		if (!c->rule_used[i + 1] && !selects_modbus(r, false) && !selects_cip(r, false))
			diag_warning(d, r->at, "rule '%s' can never match: no request has all that it asks for",
				     r->name);
		else if (!any_asset_hears(h, r))
			diag_warning(d, r->to_at.line ? r->to_at : r->at,
				     "rule '%s' can never match: no asset of it speaks that protocol or has those units",
				     r->name);
		else if (!c->rule_used[i + 1])
			report_unreached(p, i, &work, d);
	}
}
