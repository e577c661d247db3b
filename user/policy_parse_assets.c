// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hosts, groups of hosts, and assets with their protocols.
 * Must not look at rules.
 */
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

/* ---- hosts ---- */

static void add_source_name(struct parser *ps, const struct ynode *key,
			    const char *name, uint32_t value)
{
	uint32_t old = names_add(&ps->sources, name, strlen(name), value);
	struct pos first;

	if (old == NO_NAME || old == value)
		return;
	first = old & NAME_IS_GROUP ? ps->p->groups[old & ~NAME_IS_GROUP].at
				    : ps->p->hosts[old].at;
	/* a repeat inside one mapping is a duplicate key and was said so */
	if ((old ^ value) & NAME_IS_GROUP)
		diag_error(ps->d, key->at, "name '%s' is already a host (line %u), expected another name",
			   name, first.line);
}

void read_hosts(struct parser *ps, const struct ynode *n, void *arg)
{
	struct policy *p = ps->p;

	(void)arg;
	if (!want_map(ps, n, "hosts by name"))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->item[2 * i];
		struct policy_host *h;
		const char *name;

		if (key->kind != Y_SCALAR || !read_name(ps, key, "a host name", &name))
			continue;
		p->hosts = arena_grow(&p->mem, p->hosts, p->n_hosts, sizeof(*p->hosts));
		h = &p->hosts[p->n_hosts];
		*h = (struct policy_host){ .name = name, .at = key->at };
		read_host(ps, n->item[2 * i + 1], h);
		add_source_name(ps, key, name, (uint32_t)p->n_hosts++);
	}
}

/* ---- groups ---- */

enum visit { NEW, OPEN, DONE };

struct group_walk {
	const struct ynode *members;
	enum visit state;
};

/* Which hosts a group holds; 'mark' has one stamp per host so that none is listed twice. */
struct flatten {
	struct parser *ps;
	struct group_walk *walk;
	uint32_t *mark;
	uint32_t stamp;
	struct policy_group *into;
};

void name_unknown(struct parser *ps, const struct ynode *n, const struct names *t,
		  const char *expected)
{
	const char *near = diag_nearest(n->text, n->len, names_list(t, &ps->d->mem));

	diag_error(ps->d, n->at, "unknown name '%s', expected %s%s%s%s",
		   node_quote(ps, n), expected, near ? "; did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
}

static void add_group_host(struct flatten *f, uint32_t host)
{
	struct policy_group *g = f->into;

	if (f->mark[host] == f->stamp)
		return;
	f->mark[host] = f->stamp;
	g->hosts = arena_grow(&f->ps->p->mem, g->hosts, g->n, sizeof(*g->hosts));
	g->hosts[g->n++] = host;
}

static void flatten_group(struct flatten *f, uint32_t index, unsigned int depth);

static void flatten_member(struct flatten *f, const struct ynode *m,
			   unsigned int depth)
{
	uint32_t value, inner;

	if (!want_scalar(f->ps, m, "the name of a host or group"))
		return;
	value = names_find(&f->ps->sources, m->text, m->len);
	if (value == NO_NAME) {
		name_unknown(f->ps, m, &f->ps->sources, "the name of a host or group");
		return;
	}
	if (!(value & NAME_IS_GROUP)) {
		add_group_host(f, value);
		return;
	}
	inner = value & ~NAME_IS_GROUP;
	f->ps->p->groups[inner].nested = true;
	if (f->walk[inner].state == OPEN || depth == YAML_DEPTH_MAX) {
		diag_error(f->ps->d, m->at, "group '%s' %s", node_quote(f->ps, m),
			   depth == YAML_DEPTH_MAX ? "is nested too deep"
						   : "contains itself");
		return;
	}
	flatten_group(f, inner, depth + 1);
}

/* Inner groups first; their host lists are then copied, never walked again. */
static void flatten_group(struct flatten *f, uint32_t index, unsigned int depth)
{
	struct policy_group *outer = f->into;
	struct policy_group *g = &f->ps->p->groups[index];
	struct group_walk *w = &f->walk[index];

	if (w->state == NEW) {
		uint32_t stamp = f->stamp;

		w->state = OPEN;
		f->into = g;
		f->stamp = ++f->mark[f->ps->p->n_hosts];
		for (size_t i = 0; i < node_count(w->members); i++)
			flatten_member(f, node_at(w->members, i), depth);
		w->state = DONE;
		f->into = outer;
		/* the inner walk has overwritten marks: mark what outer has again */
		f->stamp = stamp ? ++f->mark[f->ps->p->n_hosts] : 0;
		for (size_t i = 0; outer && i < outer->n; i++)
			f->mark[outer->hosts[i]] = f->stamp;
	}
	for (size_t i = 0; outer && i < g->n; i++)
		add_group_host(f, g->hosts[i]);
}

void read_groups(struct parser *ps, const struct ynode *n, void *arg)
{
	struct policy *p = ps->p;
	struct flatten f = { .ps = ps };

	(void)arg;
	if (!want_map(ps, n, "groups by name"))
		return;
	f.walk = arena_alloc(&p->mem, (n->n + 1) * sizeof(*f.walk));
	/* one mark a host; the last element is the stamp that was given last */
	f.mark = arena_alloc(&p->mem, (p->n_hosts + 1) * sizeof(*f.mark));
	for (size_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->item[2 * i];
		const char *name;

		if (key->kind != Y_SCALAR || !read_name(ps, key, "a group name", &name))
			continue;
		p->groups = arena_grow(&p->mem, p->groups, p->n_groups,
				       sizeof(*p->groups));
		p->groups[p->n_groups] = (struct policy_group){ .name = name, .at = key->at };
		f.walk[p->n_groups].members = n->item[2 * i + 1];
		add_source_name(ps, key, name, (uint32_t)p->n_groups++ | NAME_IS_GROUP);
	}
	for (size_t i = 0; i < p->n_groups; i++) {
		if (f.walk[i].members->kind == Y_LIST && !f.walk[i].members->n)
			diag_error(ps->d, f.walk[i].members->at,
				   "empty list, expected the name of a host or group");
		f.into = NULL;
		f.stamp = 0;
		flatten_group(&f, (uint32_t)i, 0);
	}
}

/* ---- assets ---- */

static void read_ports(struct parser *ps, const struct ynode *n, uint16_t *out)
{
	size_t used = 0;

	memset(out, 0, KS_ASSET_PORTS * sizeof(*out));
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected a port");
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		uint32_t port;
		size_t k;

		if (!read_number(ps, m, 1, 65535, "a port", &port))
			continue;
		for (k = 0; k < used && out[k] != port; k++)
			;
		if (k < used)
			diag_error(ps->d, m->at, "port '%u' given twice", port);
		else if (used == KS_ASSET_PORTS)
			diag_error(ps->d, m->at, "port '%u' is one too many, expected at most %d",
				   port, KS_ASSET_PORTS);
		else
			out[used++] = (uint16_t)port;
	}
}

struct asset_reader {
	struct policy_asset *as;
	bool split_given;
	struct pos split_at;
};

static void modbus_ports(struct parser *ps, const struct ynode *n, void *arg)
{
	read_ports(ps, n, ((struct asset_reader *)arg)->as->modbus_ports);
}

static void modbus_units(struct parser *ps, const struct ynode *n, void *arg)
{
	read_spans(ps, n, 0, 255, "a unit id", &((struct asset_reader *)arg)->as->units);
}

static void modbus_framing(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = {
		[KS_STRICT] = "strict", [KS_STREAM] = "stream", [KS_SINGLE] = "single", NULL
	};
	int w = read_word(ps, n, words, NULL);

	if (w >= 0)
		((struct asset_reader *)arg)->as->modbus_framing = (uint8_t)w;
}

static void modbus_split(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = {
		[KS_HOLD] = "hold", [KS_CARRY] = "carry", [KS_ASSEMBLE] = "assemble", NULL
	};
	struct asset_reader *r = arg;
	int w = read_word(ps, n, words, NULL);

	r->split_given = true;
	r->split_at = n->at;
	if (w >= 0)
		r->as->modbus_split = (uint8_t)w;
}

static void modbus_opaque(struct parser *ps, const struct ynode *n, void *arg)
{
	uint8_t *opaque = ((struct asset_reader *)arg)->as->opaque;

	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		uint32_t code;

		if (!read_number(ps, m, 1, 127, "a function code", &code))
			continue;
		/* such codes are checked exactly and cannot be opaque */
		if (code == KS_FC_UMAS)
			diag_error(ps->d, m->at, "'%u' is UMAS, expected 'umas: true' beside 'opaque'",
				   code);
		else if (function_has_length(code, KS_ANY))
			diag_error(ps->d, m->at, "'%u' has a length rule, expected a function code without one",
				   code);
		else
			opaque[code >> 3] |= (uint8_t)(1 << (code & 7));
	}
}

static void modbus_umas(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "false", "true", NULL };

	((struct asset_reader *)arg)->as->umas = read_word(ps, n, words, NULL) == 1;
}

static const struct ykey modbus_keys[] = {
	{ "ports", modbus_ports, false },
	{ "units", modbus_units, false },
	{ "framing", modbus_framing, false },
	{ "split", modbus_split, false },
	{ "opaque", modbus_opaque, false },
	{ "umas", modbus_umas, false },
	{ NULL, NULL, false },
};

static void asset_modbus(struct parser *ps, const struct ynode *n, void *arg)
{
	struct asset_reader *r = arg;

	r->as->modbus = true;
	if (!want_map(ps, n, "a mapping, '{}' for the defaults"))
		return;
	read_map(ps, n, modbus_keys, arg, "modbus");
	if (r->as->modbus_framing == KS_SINGLE && r->as->modbus_split == KS_CARRY)
		diag_error(ps->d, r->split_at,
			   "'carry' under 'framing: single', expected 'assemble' or 'hold'");
	if (r->as->modbus_framing != KS_STREAM)
		return;
	/* under stream framing a message may leave in pieces: keeping one means nothing */
	if (r->split_given && r->as->modbus_split != KS_CARRY)
		diag_error(ps->d, r->split_at, "'%s' under 'framing: stream', expected 'carry'",
			   r->as->modbus_split == KS_HOLD ? "hold" : "assemble");
	r->as->modbus_split = KS_CARRY;
}

static void enip_ports(struct parser *ps, const struct ynode *n, void *arg)
{
	read_ports(ps, n, ((struct asset_reader *)arg)->as->enip_ports);
}

static void enip_io_ports(struct parser *ps, const struct ynode *n, void *arg)
{
	read_ports(ps, n, ((struct asset_reader *)arg)->as->io_ports);
}

/* A CIP message may be longer than any segment, so it has to pass piece by piece. */
static void read_only_word(struct parser *ps, const struct ynode *n, const char *only,
			   const char *const *modbus)
{
	const char *const words[] = { only, NULL };

	for (size_t i = 0; modbus[i]; i++) {
		if (!node_is(n, modbus[i]))
			continue;
		diag_error(ps->d, n->at, "'%s' is for Modbus, expected '%s': EtherNet/IP messages may be longer than a segment",
			   modbus[i], only);
		return;
	}
	read_word(ps, n, words, NULL);
}

static void enip_framing(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const modbus[] = { "strict", "single", NULL };

	(void)arg;
	read_only_word(ps, n, "stream", modbus);
}

static void enip_split(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const modbus[] = { "hold", "assemble", NULL };

	(void)arg;
	read_only_word(ps, n, "carry", modbus);
}

static void enip_route(struct parser *ps, const struct ynode *n, void *arg)
{
	read_own_routes(ps, n, ((struct asset_reader *)arg)->as);
}

static const struct ykey enip_keys[] = {
	{ "ports", enip_ports, false },
	{ "io_ports", enip_io_ports, false },
	{ "route", enip_route, false },
	{ "framing", enip_framing, false },
	{ "split", enip_split, false },
	{ NULL, NULL, false },
};

static void asset_enip(struct parser *ps, const struct ynode *n, void *arg)
{
	((struct asset_reader *)arg)->as->enip = true;
	if (want_map(ps, n, "a mapping, '{}' for the defaults"))
		read_map(ps, n, enip_keys, arg, "enip");
}

static void asset_address(struct parser *ps, const struct ynode *n, void *arg)
{
	read_prefixes(ps, n, &((struct asset_reader *)arg)->as->addrs);
}

static const struct ykey asset_keys[] = {
	{ "address", asset_address, true },
	{ "modbus", asset_modbus, false },
	{ "enip", asset_enip, false },
	{ NULL, NULL, false },
};

static bool ports_meet(const uint16_t *a, const uint16_t *b, uint16_t *port)
{
	for (size_t i = 0; i < KS_ASSET_PORTS && a[i]; i++)
		for (size_t k = 0; k < KS_ASSET_PORTS && b[k]; k++)
			if (a[i] == b[k]) {
				*port = a[i];
				return true;
			}
	return false;
}

/* One port of one asset speaks one protocol; datagrams share the numbers with TCP. */
static void finish_asset(struct parser *ps, struct policy_asset *as)
{
	uint16_t port;

	if (!as->modbus && !as->enip)
		as->modbus = as->enip = true;
	if (!as->modbus)
		as->modbus_ports[0] = 0;
	if (!as->enip)
		as->enip_ports[0] = as->io_ports[0] = 0;
	if (ports_meet(as->modbus_ports, as->enip_ports, &port))
		diag_error(ps->d, as->at, "asset '%s' has port '%u' for modbus and enip, expected one protocol a port",
			   as->name, port);
	else if (ports_meet(as->io_ports, as->enip_ports, &port) ||
		 ports_meet(as->io_ports, as->modbus_ports, &port))
		diag_error(ps->d, as->at, "asset '%s' has port '%u' for messages and for io, expected one use a port",
			   as->name, port);
}

static void read_asset(struct parser *ps, struct policy_asset *as,
		       const struct ynode *n)
{
	struct asset_reader r = { .as = as };

	as->modbus_ports[0] = 502;
	as->enip_ports[0] = 44818;
	as->io_ports[0] = 2222;
	as->modbus_framing = KS_STRICT;
	as->modbus_split = KS_ASSEMBLE;
	if (n->kind == Y_MAP)
		read_map(ps, n, asset_keys, &r, "asset");
	else
		read_prefixes(ps, n, &as->addrs);
	finish_asset(ps, as);
}

void read_assets(struct parser *ps, const struct ynode *n, void *arg)
{
	struct policy *p = ps->p;

	(void)arg;
	if (!want_map(ps, n, "assets by name"))
		return;
	if (!n->n)
		diag_error(ps->d, n->at, "no assets, expected at least one");
	if (n->n > POLICY_ASSETS_MAX) {
		diag_error(ps->d, n->at, "%zu assets, expected at most %u", n->n,
			   POLICY_ASSETS_MAX);
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->item[2 * i];
		struct policy_asset *as;
		const char *name;

		if (key->kind != Y_SCALAR || !read_name(ps, key, "an asset name", &name))
			continue;
		p->assets = arena_grow(&p->mem, p->assets, p->n_assets,
				       sizeof(*p->assets));
		as = &p->assets[p->n_assets];
		*as = (struct policy_asset){ .name = name, .at = key->at };
		read_asset(ps, as, n->item[2 * i + 1]);
		names_add(&ps->assets, name, strlen(name), (uint32_t)p->n_assets++);
	}
}
