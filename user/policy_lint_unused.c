// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names that are given and not used: hosts, groups, and assets that nothing is
 * allowed toward. Must not look at what rules select.
 */
#include "policy_lint.h"

/* Hosts of an unused group are not named a second time. */
static void lint_hosts(const struct policy *p, struct diags *d)
{
	bool *used = arena_alloc(&d->mem, p->n_hosts + 1);
	bool *group = arena_alloc(&d->mem, p->n_groups + 1);

	for (size_t i = 0; i < p->n_rules; i++)
		for (size_t k = 0; k < p->rules[i].n_from; k++) {
			const struct source *s = &p->rules[i].from[k];

			if (s->kind != SOURCE_LITERAL)
				(s->kind == SOURCE_HOST ? used : group)[s->index] = true;
		}
	for (size_t g = 0; g < p->n_groups; g++) {
		for (size_t i = 0; i < p->groups[g].n; i++)
			used[p->groups[g].hosts[i]] = true;
		if (!group[g] && !p->groups[g].nested && !p->groups[g].zoned)
			diag_warning(d, p->groups[g].at, "group '%s' is used by no rule and no group",
				     p->groups[g].name);
	}
	for (size_t h = 0; h < p->n_hosts; h++)
		if (!used[h] && !p->hosts[h].zoned && !p->hosts[h].binding.macs &&
		    !p->hosts[h].binding.vlans)
			diag_warning(d, p->hosts[h].at, "host '%s' is used by no rule and no group",
				     p->hosts[h].name);
}

/* A policy without any rule is one that shuts everything, and looks like it. */
static void lint_assets(const struct hearing *h, const struct policy *p, struct diags *d)
{
	bool *heard = arena_alloc(&d->mem, p->n_assets + 1);

	if (p->dflt != KS_DEFAULT_DENY || !p->n_rules)
		return;
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];
		size_t n = r->n_to ? r->n_to : p->n_assets;

		for (size_t k = 0; k < n; k++) {
			uint32_t a = r->n_to ? r->to[k] : (uint32_t)k;

			heard[a] = heard[a] || asset_hears(h, a, r);
		}
	}
	for (size_t a = 0; a < p->n_assets; a++)
		if (!heard[a])
			diag_warning(d, p->assets[a].at,
				     "asset '%s' has no rule that it could hear: 'default: deny' refuses every request to it",
				     p->assets[a].name);
}

void lint_unused(const struct hearing *h, const struct policy *p, struct diags *d)
{
	lint_hosts(p, d);
	lint_assets(h, p, d);
}
