// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lints of segmentation: zones that nothing uses, conduits that let nothing through, and
 * who is in no zone. Must not report errors of grammar.
 */
#include "policy_lint.h"
#include "policy_zones.h"

static void lint_unused_zones(const struct policy *p, struct diags *d)
{
	for (size_t z = 0; z < p->n_zones; z++) {
		const struct policy_zone *zone = &p->zones[z];

		if (!zone->used && !zone->n_assets && zone->protected)
			diag_warning(d, zone->at, "zone '%s' is used by no conduit and holds no asset: nothing reaches it or leaves it",
				     zone->name);
	}
}

/* Whether some rule lets the host or its group ask anything; those without 'from' name nobody. */
static bool asks(const struct policy *p, size_t host)
{
	for (size_t r = 0; r < p->n_rules; r++)
		for (size_t i = 0; i < p->rules[r].n_from; i++) {
			const struct source *s = &p->rules[r].from[i];

			if (s->kind == SOURCE_HOST && s->index == host)
				return true;
			for (size_t k = 0; s->kind == SOURCE_GROUP && k < p->groups[s->index].n; k++)
				if (p->groups[s->index].hosts[k] == host)
					return true;
		}
	return false;
}

/* An address in no zone talks to nobody, whatever the rules say. */
static void lint_outside(const struct policy *p, struct diags *d)
{
	char buf[PREFIX_TEXT_MAX];

	for (size_t a = 0; a < p->n_assets; a++)
		for (size_t i = 0; i < p->assets[a].addrs.n; i++)
			if (!policy_zone_at(p, &p->assets[a].addrs.v[i]))
				diag_warning(d, p->assets[a].addrs.at[i],
					     "asset '%s' has '%s' in no zone: nothing reaches it there",
					     p->assets[a].name,
					     prefix_format(&p->assets[a].addrs.v[i], buf));
	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t i = 0; i < p->hosts[h].addrs.n && asks(p, h); i++)
			if (!policy_zone_at(p, &p->hosts[h].addrs.v[i]))
				diag_warning(d, p->hosts[h].addrs.at[i],
					     "host '%s' has '%s' in no zone: its requests are refused, whatever the rules say",
					     p->hosts[h].name,
					     prefix_format(&p->hosts[h].addrs.v[i], buf));
	diag_info(d, p->zones[0].at, "with 'zones' an address in no zone talks to nobody through the gateway, and what no rule or conduit lists stops");
}

/* Both zones on one side: such packets cross a gateway only where it routes. */
static bool crosses(const struct policy *p, const struct policy_conduit *c)
{
	for (size_t i = 0; i < c->from.n; i++)
		for (size_t k = 0; k < c->to.n; k++)
			if (p->zones[c->from.v[i]].protected != p->zones[c->to.v[k]].protected)
				return true;
	return false;
}

static void lint_conduits(const struct policy *p, const struct compiled_policy *c, struct diags *d)
{
	for (size_t i = 0; i < p->n_conduits; i++) {
		const struct policy_conduit *k = &p->conduits[i];

		if (!c->conduit_used[i + 1])
			diag_warning(d, k->at, "conduit '%s' is never used: conduits before it list all that it does",
				     k->name);
		else if (!crosses(p, k))
			diag_warning(d, k->at, "conduit '%s' joins zones of one side: between two networks behind one NIC, or on one wire, nothing crosses the gateway",
				     k->name);
	}
}

/* Behind a router every host has the router's MAC. */
static void lint_macs(const struct policy *p, struct diags *d)
{
	for (size_t h = 0; h < p->n_hosts; h++)
		if (p->hosts[h].binding.macs) {
			diag_info(d, p->hosts[h].mac_at, "'mac': what comes through another router has that router's address; bind hosts of the gateway's own networks alone");
			return;
		}
}

void lint_zones(const struct policy *p, const struct compiled_policy *c, struct diags *d)
{
	lint_macs(p, d);
	if (!p->n_zones)
		return;
	lint_unused_zones(p, d);
	lint_outside(p, d);
	lint_conduits(p, c, d);
}
