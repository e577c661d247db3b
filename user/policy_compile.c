// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry of the policy compiler: runs the steps of policy_compile.h and fills
 * the tables that need no thought (ports, assets, names, settings).
 * Must not touch the kernel.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_compile.h"

void compile_limit(struct compiler *k, size_t limit, const char *what)
{
	if (!k->failed)
		diag_error(k->d, ((struct pos){ 0 }),
			   "policy needs more than %zu %s, expected fewer", limit, what);
	k->failed = true;
}

static void fill_settings(struct compiler *k)
{
	const struct policy *p = k->p;
	struct compiled_policy *c = k->c;

	c->mode = p->mode;
	c->adopt = p->adopt;
	c->limits = p->limits;
	c->cfg = arena_alloc(&c->mem, sizeof(*c->cfg));
	c->cfg->rules = (uint32_t)p->n_rules;
	c->cfg->assets = (uint32_t)p->n_assets;
	c->cfg->dflt = (uint8_t)p->dflt;
	c->cfg->unlisted = (uint8_t)p->unlisted;
	c->cfg->other = (uint8_t)p->other;
	c->cfg->outbound = (uint8_t)p->outbound;
	c->cfg->llc = p->llc;
	c->cfg->link_follow = p->link_follow;
	c->cfg->zoned = p->zoned;
	c->cfg->zones = (uint32_t)p->n_zones;
	c->cfg->conduits = (uint32_t)p->n_conduits;
	c->cfg->conduit_flows_per_client = p->limits.conduit_flows_per_client;
	memcpy(c->cfg->digest, p->digest, sizeof(c->cfg->digest));
	memcpy(c->cfg->ethertypes, p->ethertypes, sizeof(c->cfg->ethertypes));
	c->rule_used = arena_alloc(&c->mem, p->n_rules + 1);
	c->rules = arena_alloc(&c->mem, (p->n_rules + 1) * sizeof(*c->rules));
	for (size_t i = 0; i <= p->n_rules; i++) {
		enum ks_on_deny own = i ? p->rules[i - 1].on_deny : KS_DENY_DEFAULT;

		c->rules[i].on_deny = (uint8_t)(own == KS_DENY_DEFAULT ? p->on_deny : own);
		c->rules[i].quiet = i && p->rules[i - 1].log == POLICY_LOG_NO;
	}
}

/* A bucket for each rule with a rate and each client class. */
static void fill_rates(struct compiler *k)
{
	struct compiled_policy *c = k->c;

	for (size_t i = 0; i < k->p->n_rules; i++) {
		const struct policy_rate *r = &k->p->rules[i].rate;
		struct ks_rule_rec *rec = &c->rules[i + 1];

		if (!r->count)
			continue;
		rec->interval = r->per * 1000000000ull / r->count;
		rec->slack = (r->burst - 1) * rec->interval;
		rec->buckets = (uint32_t)c->n_buckets;
		c->n_buckets += k->class_sets.n;
		if (c->n_buckets > POLICY_BUCKETS_MAX) {
			compile_limit(k, POLICY_BUCKETS_MAX, "limits of rate for kinds of clients");
			return;
		}
	}
}

static void set_ports(struct ks_pol_ports *t, const uint16_t *ports, uint8_t proto)
{
	for (size_t i = 0; i < KS_ASSET_PORTS && ports[i]; i++)
		t->proto[ports[i]] |= proto;
}

static void fill_units(struct ks_asset_rec *rec, const struct spans *units)
{
	rec->has_units = units->n != 0;
	for (size_t i = 0; i < units->n; i++)
		for (uint32_t u = units->v[i].lo; u <= units->v[i].hi; u++)
			rec->units[u >> 3] |= (uint8_t)(1 << (u & 7));
}

static void fill_assets(struct compiler *k)
{
	static const uint16_t modbus[KS_ASSET_PORTS] = { 502 };
	static const uint16_t enip[KS_ASSET_PORTS] = { 44818 };
	static const uint16_t io[KS_ASSET_PORTS] = { 2222 };
	struct compiled_policy *c = k->c;

	c->n_assets = k->p->n_assets + 1;
	c->assets = arena_alloc(&c->mem, c->n_assets * sizeof(*c->assets));
	c->ports = arena_alloc(&c->mem, sizeof(*c->ports));
	/* the well-known ports are protocol ports toward any address */
	set_ports(c->ports, modbus, KS_PORT_MODBUS);
	set_ports(c->ports, enip, KS_PORT_ENIP);
	set_ports(c->ports, io, KS_PORT_IO);
	for (size_t i = 0; i < k->p->n_assets; i++) {
		const struct policy_asset *a = &k->p->assets[i];
		struct ks_asset_rec *rec = &c->assets[i + 1];

		memcpy(rec->modbus_ports, a->modbus_ports, sizeof(rec->modbus_ports));
		memcpy(rec->enip_ports, a->enip_ports, sizeof(rec->enip_ports));
		memcpy(rec->io_ports, a->io_ports, sizeof(rec->io_ports));
		rec->modbus_framing = a->modbus_framing;
		rec->modbus_split = a->modbus_split;
		fill_units(rec, &a->units);
		memcpy(rec->opaque, a->opaque, sizeof(rec->opaque));
		rec->umas = a->umas;
		if (a->umas)
			rec->opaque[KS_FC_UMAS >> 3] |= 1 << (KS_FC_UMAS & 7);
		set_ports(c->ports, a->modbus_ports, KS_PORT_MODBUS);
		set_ports(c->ports, a->enip_ports, KS_PORT_ENIP);
		set_ports(c->ports, a->io_ports, KS_PORT_IO);
	}
}

static struct ks_name_rec *add_name(struct ks_name_rec *at, const char *name)
{
	strncpy(at->name, name, KS_NAME_MAX - 1);
	return at + 1;
}

static void fill_names(struct compiler *k)
{
	struct compiled_policy *c = k->c;
	const struct policy *p = k->p;

	struct ks_name_rec *next;

	c->n_names = 1 + p->n_rules + p->n_assets + p->n_zones + p->n_conduits;
	c->names = next = arena_alloc(&c->mem, c->n_names * sizeof(*c->names));
	next = add_name(next, "default");
	for (size_t i = 0; i < p->n_rules; i++)
		next = add_name(next, p->rules[i].name);
	for (size_t i = 0; i < p->n_assets; i++)
		next = add_name(next, p->assets[i].name);
	for (size_t i = 0; i < p->n_zones; i++)
		next = add_name(next, p->zones[i].name);
	for (size_t i = 0; i < p->n_conduits; i++)
		next = add_name(next, p->conduits[i].name);
}

static void open_pools(struct compiler *k)
{
	static const uint32_t unused[256];
	struct arena *out = &k->c->mem;

	pool_init(&k->lists, &k->tmp, sizeof(uint32_t));
	pool_init(&k->mb_keys, &k->tmp, sizeof(uint32_t));
	pool_init(&k->cip_keys, &k->tmp, sizeof(uint32_t));
	pool_init(&k->pair_keys, &k->tmp, sizeof(uint32_t));
	pool_init(&k->ranges, out, sizeof(struct ks_range));
	pool_init(&k->values, out, sizeof(struct ks_values));
	pool_init(&k->modbus_rows, out, sizeof(struct ks_decision));
	pool_init(&k->unit_rows, out, sizeof(uint32_t));
	pool_init(&k->cip_rows, out, sizeof(struct ks_decision));
	pool_init(&k->route_rows, out, sizeof(uint32_t));
	pool_init(&k->profiles, out, sizeof(struct ks_profile_rec));
	pool_put(&k->unit_rows, unused, 256);	/* [0] means none */
	pool_put(&k->route_rows, unused, 1);
}

/* Equal profiles are one, whichever assets they are for. */
static void mark_units(struct compiled_policy *c)
{
	for (size_t i = 1; i < c->n_assets; i++)
		if (c->assets[i].has_units)
			c->profiles[c->assets[i].profile].flags |= KS_PROFILE_UNITS;
	for (size_t i = 0; i < c->n_pairs; i++)
		if (c->assets[c->pair_keys[i].asset].has_units)
			c->profiles[c->pair_profiles[i]].flags |= KS_PROFILE_UNITS;
}

static void take_pools(struct compiler *k)
{
	struct compiled_policy *c = k->c;

	c->profiles = (void *)k->profiles.data;
	c->n_profiles = k->profiles.used;
	c->units = (void *)k->unit_rows.data;
	c->n_units = k->unit_rows.n;
	c->modbus = (void *)k->modbus_rows.data;
	c->n_modbus_rows = k->modbus_rows.n;
	c->ranges = (void *)k->ranges.data;
	c->n_ranges = k->ranges.used;
	c->values = (void *)k->values.data;
	c->n_values = k->values.used;
	c->route_rows = (void *)k->route_rows.data;
	c->n_route_rows = k->route_rows.used;
	c->cip = (void *)k->cip_rows.data;
	c->n_cip_rows = k->cip_rows.n;
}

struct compiled_policy *policy_compile(const struct policy *p, struct diags *d)
{
	struct compiled_policy *c = calloc(1, sizeof(*c));
	struct compiler k = { .p = p, .c = c, .d = d };

	if (!c) {
		diag_error(d, ((struct pos){ 0 }), "out of memory");
		return NULL;
	}
	fill_settings(&k);
	fill_assets(&k);
	fill_names(&k);
	open_pools(&k);
	compile_bindings(&k);
	compile_addresses(&k);
	fill_rates(&k);
	compile_plans(&k);
	compile_tags(&k);
	compile_routes(&k);
	compile_leaves(&k);
	if (!k.failed)
		compile_pairs(&k);
	if (!k.failed)
		compile_conduits(&k);
	take_pools(&k);
	arena_free(&k.tmp);
	if (k.failed) {
		compiled_policy_free(c);
		return NULL;
	}
	mark_units(c);
	return c;
}

void compiled_policy_free(struct compiled_policy *c)
{
	if (!c)
		return;
	arena_free(&c->mem);
	free(c);
}

struct compiled_policy *policy_load(const char *path, struct diags *d)
{
	struct policy *p = policy_parse_file(path, d);
	struct compiled_policy *c = NULL;

	if (p)
		c = policy_compile(p, d);
	if (p && c)
		policy_lint(p, c, d);
	policy_free(p);
	diags_sort(d);
	return c;
}
