// SPDX-License-Identifier: GPL-2.0-only
/*
 * One rule against one request, see policy_says.h. What selectors mean as sets is
 * policy_match.c's; must not know about other rules, nor about compiled tables.
 */
#include <string.h>

#include "policy_says.h"
#include "policy_zones.h"

/* ---- who ---- */

static bool prefixes_hold(const struct prefixes *l, const struct prefix *address)
{
	for (size_t i = 0; i < l->n; i++)
		if (prefix_contains(&l->v[i], address))
			return true;
	return false;
}

uint32_t policy_asset_at(const struct policy *p, const struct prefix *address)
{
	uint32_t asset = 0;
	int longest = -1;

	if (prefixes_hold(&p->local, address))
		return 0;
	for (size_t a = 0; a < p->n_assets; a++) {
		const struct prefixes *l = &p->assets[a].addrs;

		for (size_t i = 0; i < l->n; i++) {
			if (l->v[i].len <= longest || !prefix_contains(&l->v[i], address))
				continue;
			longest = l->v[i].len;
			asset = (uint32_t)a + 1;
		}
	}
	return asset;
}

/* An asset that is everywhere says nothing about sides. */
bool policy_protects(const struct policy *p, const struct prefix *address)
{
	uint32_t zone = policy_zone_at(p, address);

	if (zone && p->zones[zone - 1].protected)
		return true;
	if (prefixes_hold(&p->protected, address))
		return true;
	for (size_t a = 0; a < p->n_assets; a++)
		for (size_t i = 0; i < p->assets[a].addrs.n; i++)
			if (p->assets[a].addrs.v[i].len &&
			    prefix_contains(&p->assets[a].addrs.v[i], address))
				return true;
	return false;
}

static bool source_holds(const struct policy *p, const struct source *s,
			 const struct prefix *address)
{
	const struct policy_group *g;

	if (s->kind == SOURCE_LITERAL)
		return prefix_contains(&s->literal, address);
	if (s->kind == SOURCE_HOST)
		return prefixes_hold(&p->hosts[s->index].addrs, address);
	g = &p->groups[s->index];
	for (size_t i = 0; i < g->n; i++)
		if (prefixes_hold(&p->hosts[g->hosts[i]].addrs, address))
			return true;
	return false;
}

static bool takes_from(const struct policy *p, const struct policy_rule *r,
		       const struct prefix *client)
{
	for (size_t i = 0; i < r->n_from; i++)
		if (source_holds(p, &r->from[i], client))
			return true;
	return !r->n_from;
}

static bool takes_to(const struct policy_rule *r, uint32_t asset)
{
	for (size_t i = 0; i < r->n_to; i++)
		if (r->to[i] + 1 == asset)
			return true;
	return !r->n_to;
}

/* ---- what: Modbus ---- */

bool set_holds(const struct intervals *set, uint32_t v)
{
	for (size_t i = 0; i < set->n; i++)
		if (v >= set->v[i].lo && v <= set->v[i].hi)
			return true;
	return false;
}

static void set_all(struct intervals *set)
{
	set->v = arena_grow(set->mem, set->v, 0, sizeof(*set->v));
	set->v[0].lo = 0;
	set->v[0].hi = KS_NO_VALUE;
	set->n = 1;
}

/* The elements that the rule takes; none: which selector is against all of them. */
static enum rule_says modbus_says(const struct policy_rule *r, const struct request_part *part,
				  struct intervals *set)
{
	static const struct modbus_match everything;
	struct modbus_match functions;

	if (!rule_has_modbus(r))
		return RULE_OTHER_PROTOCOL;
	if (!rule_takes_unit(r, part->unit, part->function))
		return RULE_OTHER_UNIT;
	modbus_elements(r->modbus ? r->modbus : &everything, part->function, set);
	if (set->n)
		return RULE_DECIDES;
	functions = *r->modbus;
	functions.n_addresses = 0;
	modbus_elements(&functions, part->function, set);
	return set->n ? RULE_OTHER_ADDRESS : RULE_OTHER_FUNCTION;
}

/* ---- what: CIP ---- */

static bool routes_hold(const struct routes *l, const char *route)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i], route))
			return true;
	return false;
}

/* Without `route`: what denies reaches everything, what allows the asset alone. */
static bool takes_route(const struct policy_rule *r, const struct policy_asset *asset,
			const char *route)
{
	const struct routes *said = r->cip ? &r->cip->routes : NULL;

	if (!said || !said->given)
		return !r->allow || !*route || routes_hold(&asset->routes, route);
	return said->any || (*route ? routes_hold(said, route) : said->direct);
}

/* Which selector is against the service and class: each is asked by itself. */
static enum rule_says cip_against(const struct cip_match *m, const struct policy_request *q)
{
	const struct cip_match only[] = {
		{ .pccc = m->pccc },
		{ .classes = m->classes },
		{ .pccc = m->pccc, .services = m->services, .n_services = m->n_services },
		{ .n_tags = m->n_tags },
		{ .instances = m->instances },
	};
	static const enum rule_says says[] = {
		RULE_OTHER_PROTOCOL, RULE_OTHER_CLASS, RULE_OTHER_SERVICE, RULE_OTHER_TAG,
		RULE_OTHER_INSTANCE,
	};

	for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++)
		if (!cip_selects(&only[i], q->service, q->key_class))
			return says[i];
	return RULE_OTHER_ATTRIBUTE;
}

bool spans_hold(const struct spans *s, uint32_t v)
{
	for (size_t i = 0; i < s->n; i++)
		if (v >= s->v[i].lo && v <= s->v[i].hi)
			return true;
	return !s->n;
}

static bool takes_tag(const struct cip_match *m, const char *tag)
{
	for (size_t i = 0; i < m->n_tags; i++)
		if (!strcmp(m->tags[i], tag))
			return true;
	return !m->n_tags;
}

/* A command that names no type reaches the number, whatever the file's type is. */
static void file_elements(const struct cip_match *m, const struct policy_request *q,
			  struct intervals *set)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const struct file_sel *f = &m->files[i];

		if (!q->has_file || f->file != q->file || (q->type && q->type != f->type))
			continue;
		set->v = arena_grow(set->mem, set->v, set->n, sizeof(*set->v));
		set->v[set->n].lo = f->span.lo;
		set->v[set->n++].hi = f->span.hi;
	}
}

static enum rule_says cip_match_says(const struct cip_match *m, const struct policy_request *q,
				     struct intervals *set)
{
	if (!spans_hold(&m->instances, q->instance))
		return RULE_OTHER_INSTANCE;
	if (!spans_hold(&m->attributes, q->attribute))
		return RULE_OTHER_ATTRIBUTE;
	if (!takes_tag(m, q->tag))
		return RULE_OTHER_TAG;
	if (!m->n_files)
		set_all(set);
	else
		file_elements(m, q, set);
	return set->n ? RULE_DECIDES : RULE_OTHER_FILE;
}

static enum rule_says cip_says(const struct policy_rule *r, const struct policy_asset *asset,
			       const struct policy_request *q, struct intervals *set)
{
	if (!rule_has_cip(r))
		return RULE_OTHER_PROTOCOL;
	if (!takes_route(r, asset, q->route))
		return RULE_OTHER_ROUTE;
	if (rule_shuts_symbols(r, q->service, q->key_class)) {
		set_all(set);
		return RULE_SHUTS;
	}
	if (rule_selects_cip(r, q->service, q->key_class)) {
		if (r->cip)
			return cip_match_says(r->cip, q, set);
		set_all(set);
		return RULE_DECIDES;
	}
	if (!r->cip || cip_selects(r->cip, q->service, q->key_class))
		return RULE_OTHER_IO;
	return cip_against(r->cip, q);
}

enum rule_says rule_says(const struct policy *p, const struct policy_rule *r,
			 const struct policy_request *q, uint32_t asset,
			 const struct request_part *part, struct intervals *set)
{
	set->n = 0;
	if (!takes_from(p, r, &q->client))
		return RULE_OTHER_FROM;
	if (!takes_to(r, asset))
		return RULE_OTHER_TO;
	if (part->modbus)
		return modbus_says(r, part, set);
	return cip_says(r, &p->assets[asset - 1], q, set);
}
