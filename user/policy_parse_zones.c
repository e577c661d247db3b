// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zones, conduits between them, and what makes no sense about them. Must not look at
 * rules.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy_parse.h"
#include "policy_zones.h"

/* ---- zones ---- */

static void add_all(struct parser *ps, struct policy_zone *z, const struct prefixes *l,
		    struct pos at)
{
	for (size_t i = 0; i < l->n; i++)
		prefixes_add(ps, &z->addrs, &l->v[i], at);
}

static void add_source(struct parser *ps, struct policy_zone *z, uint32_t source, struct pos at)
{
	struct policy *p = ps->p;
	struct policy_group *g;

	if (!(source & NAME_IS_GROUP)) {
		p->hosts[source].zoned = true;
		add_all(ps, z, &p->hosts[source].addrs, at);
		return;
	}
	g = &p->groups[source & ~NAME_IS_GROUP];
	g->zoned = true;
	for (size_t i = 0; i < g->n; i++)
		add_all(ps, z, &p->hosts[g->hosts[i]].addrs, at);
}

static void add_asset(struct parser *ps, struct policy_zone *z, uint32_t asset, struct pos at)
{
	add_all(ps, z, &ps->p->assets[asset].addrs, at);
	z->assets = arena_grow(&ps->p->mem, z->assets, z->n_assets, sizeof(*z->assets));
	z->assets[z->n_assets++] = asset;
}

static void unknown_member(struct parser *ps, const struct ynode *n, const char *expected)
{
	struct names all;

	names_init(&all, &ps->d->mem);
	for (size_t i = 0; i < ps->sources.size; i++)
		if (ps->sources.slot[i].name)
			names_add(&all, ps->sources.slot[i].name, ps->sources.slot[i].len, 0);
	for (size_t i = 0; i < ps->assets.size; i++)
		if (ps->assets.slot[i].name)
			names_add(&all, ps->assets.slot[i].name, ps->assets.slot[i].len, 0);
	name_unknown(ps, n, &all, expected);
}

static void zone_member(struct parser *ps, struct policy_zone *z, const struct ynode *n)
{
	static const char expected[] = "a host, a group, an asset or an address";
	uint32_t source, asset;
	struct prefix literal;

	if (!want_scalar(ps, n, expected))
		return;
	source = names_find(&ps->sources, n->text, n->len);
	asset = names_find(&ps->assets, n->text, n->len);
	if (source != NO_NAME && asset != NO_NAME)
		diag_error(ps->d, n->at, "'%s' is a %s and an asset, expected a name that means one of them",
			   node_quote(ps, n), source & NAME_IS_GROUP ? "group" : "host");
	else if (source != NO_NAME)
		add_source(ps, z, source, n->at);
	else if (asset != NO_NAME)
		add_asset(ps, z, asset, n->at);
	else if (prefix_parse(n->text, n->len, &literal) == PREFIX_SYNTAX)
		unknown_member(ps, n, expected);
	else if (text_prefix(ps, n, &literal))
		prefixes_add(ps, &z->addrs, &literal, n->at);
}

static void zone_members(struct parser *ps, const struct ynode *n, void *arg)
{
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected a host, a group, an asset or an address");
	for (size_t i = 0; i < node_count(n); i++)
		zone_member(ps, arg, node_at(n, i));
}

static void zone_side(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "client", "protected", NULL };
	struct policy_zone *z = arg;
	int w = read_word(ps, n, words, NULL);

	z->side_given = w >= 0;
	z->side_at = n->at;
	z->protected = w == 1;
}

static const struct ykey zone_keys[] = {
	{ "members", zone_members, true },
	{ "side", zone_side, false },
	{ NULL, NULL, false },
};

void read_zones(struct parser *ps, const struct ynode *n, void *arg)
{
	struct policy *p = ps->p;

	(void)arg;
	if (!want_map(ps, n, "zones by name"))
		return;
	p->zoned = true;
	if (!n->n)
		diag_error(ps->d, n->at, "no zones, expected at least one");
	if (n->n > POLICY_ZONES_MAX) {
		diag_error(ps->d, n->at, "%zu zones, expected at most %u", n->n, POLICY_ZONES_MAX);
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->item[2 * i], *value = n->item[2 * i + 1];
		struct policy_zone *z;
		const char *name;

		if (key->kind != Y_SCALAR || !read_name(ps, key, "a zone name", &name))
			continue;
		p->zones = arena_grow(&p->mem, p->zones, p->n_zones, sizeof(*p->zones));
		z = &p->zones[p->n_zones];
		*z = (struct policy_zone){ .name = name, .at = key->at };
		if (value->kind == Y_MAP)
			read_map(ps, value, zone_keys, z, "zone");
		else
			zone_members(ps, value, z);
		names_add(&ps->zones, name, strlen(name), (uint32_t)p->n_zones++);
	}
}

/* ---- conduits ---- */

static void read_zone_list(struct parser *ps, const struct ynode *n, struct zone_list *out)
{
	static const char expected[] = "the name of a zone";
	struct arena *mem = &ps->p->mem;

	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected %s", expected);
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		uint32_t zone;

		if (!want_scalar(ps, m, expected))
			continue;
		zone = names_find(&ps->zones, m->text, m->len);
		if (zone == NO_NAME) {
			name_unknown(ps, m, &ps->zones, expected);
			continue;
		}
		ps->p->zones[zone].used = true;
		out->v = arena_grow(mem, out->v, out->n, sizeof(*out->v));
		out->at = arena_grow(mem, out->at, out->n, sizeof(*out->at));
		out->v[out->n] = zone;
		out->at[out->n++] = m->at;
	}
}

static void conduit_from(struct parser *ps, const struct ynode *n, void *arg)
{
	read_zone_list(ps, n, &((struct policy_conduit *)arg)->from);
}

static void conduit_to(struct parser *ps, const struct ynode *n, void *arg)
{
	read_zone_list(ps, n, &((struct policy_conduit *)arg)->to);
}

/* "443", "8000-8010", "8000..8010" */
static bool text_ports(const char *text, size_t len, struct service_range *r)
{
	const char *end = text + len, *dash = memchr(text, '-', len), *behind = NULL;
	uint32_t lo, hi;

	if (dash)
		behind = dash + 1;
	else if ((dash = memmem(text, len, "..", 2)))
		behind = dash + 2;
	if (!text_number(text, (size_t)((dash ? dash : end) - text), &lo))
		return false;
	hi = lo;
	if (dash && !text_number(behind, (size_t)(end - behind), &hi))
		return false;
	if (!lo || hi > 65535 || lo > hi)
		return false;
	r->lo = (uint16_t)lo;
	r->hi = (uint16_t)hi;
	return true;
}

static bool text_service(const struct ynode *n, struct service_range *r)
{
	r->proto = n->len > 4 && !memcmp(n->text, "tcp/", 4) ? IPPROTO_TCP :
		   n->len > 4 && !memcmp(n->text, "udp/", 4) ? IPPROTO_UDP : 0;
	if (r->proto)
		return text_ports(n->text + 4, n->len - 4, r);
	r->proto = IPPROTO_ICMP;
	return node_is(n, "icmp");
}

static void conduit_services(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char expected[] = "'tcp/PORT', 'udp/PORT', a range as 'tcp/8000-8010', or 'icmp'";
	struct policy_conduit *c = arg;

	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected %s", expected);
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		struct service_range r = { .at = m->at };

		if (!want_scalar(ps, m, expected))
			continue;
		if (!text_service(m, &r)) {
			node_wrong(ps, m, expected);
			continue;
		}
		if (r.lo == r.hi && service_is_tunnel(r.proto, r.lo)) {
			diag_error(ps->d, m->at, "'%s' is the port of a tunnel, expected a service that keyswitch can see into",
				   node_quote(ps, m));
			continue;
		}
		c->services = arena_grow(&ps->p->mem, c->services, c->n_services,
					 sizeof(*c->services));
		c->services[c->n_services++] = r;
	}
}

static const struct ykey conduit_keys[] = {
	{ "from", conduit_from, true },
	{ "to", conduit_to, true },
	{ "services", conduit_services, true },
	{ NULL, NULL, false },
};

void read_conduits(struct parser *ps, const struct ynode *n, void *arg)
{
	struct policy *p = ps->p;

	(void)arg;
	if (!want_map(ps, n, "conduits by name"))
		return;
	if (!p->zoned)
		diag_error(ps->d, n->at, "conduits without 'zones', expected that key");
	if (n->n > POLICY_CONDUITS_MAX) {
		diag_error(ps->d, n->at, "%zu conduits, expected at most %u", n->n,
			   POLICY_CONDUITS_MAX);
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->item[2 * i], *value = n->item[2 * i + 1];
		struct policy_conduit *c;
		const char *name;

		if (key->kind != Y_SCALAR || !read_name(ps, key, "a conduit name", &name))
			continue;
		p->conduits = arena_grow(&p->mem, p->conduits, p->n_conduits,
					 sizeof(*p->conduits));
		c = &p->conduits[p->n_conduits++];
		*c = (struct policy_conduit){ .name = name, .at = key->at };
		if (want_map(ps, value, "'from', 'to' and 'services'"))
			read_map(ps, value, conduit_keys, c, "conduit");
	}
}

/* ---- what needs the whole policy ---- */

/* The asset around a prefix of a zone, or NULL. */
static const struct policy_asset *asset_around(const struct policy *p, const struct prefix *x)
{
	for (size_t a = 0; a < p->n_assets; a++)
		for (size_t i = 0; i < p->assets[a].addrs.n; i++)
			if (p->assets[a].addrs.v[i].len &&
			    prefix_contains(&p->assets[a].addrs.v[i], x))
				return &p->assets[a];
	return NULL;
}

/* A zone that holds something of the protected side is on that side. */
static void settle_side(struct parser *ps, struct policy_zone *z)
{
	char buf[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < z->addrs.n && !z->protected; i++) {
		const struct prefix *x = &z->addrs.v[i];
		const struct policy_asset *as = asset_around(ps->p, x);
		const struct prefix *behind = policy_behind(ps->p, x);

		if (!as && !behind)
			continue;
		if (!z->side_given)
			z->protected = true;
		else if (as)
			diag_error(ps->d, z->addrs.at[i],
				   "zone '%s' is on the client side and holds an address of asset '%s', expected 'side: protected' or another zone for it",
				   z->name, as->name);
		else
			diag_error(ps->d, z->addrs.at[i],
				   "zone '%s' is on the client side and holds an address that 'protected' lists (%s), expected 'side: protected' or another zone for it",
				   z->name, prefix_format(behind, buf));
		if (z->side_given)
			return;
	}
	for (size_t i = 0; i < z->addrs.n && z->protected; i++)
		if (!z->addrs.v[i].len)
			diag_error(ps->d, z->addrs.at[i],
				   "zone '%s' is on the protected side and is every address, expected prefixes that are behind the gateway alone",
				   z->name);
}

struct placed {
	struct prefix prefix;
	uint32_t zone;
	struct pos at;
};

static int compare_placed(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;
	int diff = prefix_compare(&a->prefix, &b->prefix);

	return diff ? diff : a->zone < b->zone ? -1 : a->zone > b->zone;
}

static void check_nested(struct parser *ps, const struct placed *outer, const struct placed *inner)
{
	const char *name = ps->p->zones[inner->zone].name, *other = ps->p->zones[outer->zone].name;
	char buf[PREFIX_TEXT_MAX], out[PREFIX_TEXT_MAX];

	if (outer->zone == inner->zone)
		return;
	prefix_format(&inner->prefix, buf);
	if (prefix_equal(&outer->prefix, &inner->prefix))
		diag_error(ps->d, inner->at, "zone '%s' has '%s', which zone '%s' has already (line %u)",
			   name, buf, other, outer->at.line);
	else if (outer->prefix.len && inner->prefix.len != prefix_width(&inner->prefix))
		diag_error(ps->d, inner->at,
			   "zone '%s' overlaps zone '%s': '%s' lies inside '%s' (line %u), expected single addresses or prefixes of one zone",
			   name, other, buf, prefix_format(&outer->prefix, out), outer->at.line);
}

/*
 * No prefix of a zone lies in another's. A single address may: it is taken out of the
 * prefix around it, as plants number controllers within the office's network. And a zone
 * that is everywhere is the rest.
 */
static void check_zone_overlaps(struct parser *ps)
{
	const struct policy *p = ps->p;
	const struct placed *path[130];
	unsigned int depth = 0;
	struct placed *v;
	size_t n = 0;

	for (size_t z = 0; z < p->n_zones; z++)
		n += p->zones[z].addrs.n;
	v = arena_alloc(&ps->p->mem, (n + 1) * sizeof(*v));
	n = 0;
	for (size_t z = 0; z < p->n_zones; z++)
		for (size_t i = 0; i < p->zones[z].addrs.n; i++)
			v[n++] = (struct placed){ p->zones[z].addrs.v[i], (uint32_t)z,
						  p->zones[z].addrs.at[i] };
	if (n)
		qsort(v, n, sizeof(*v), compare_placed);
	for (size_t i = 0; i < n; i++) {
		while (depth && !prefix_contains(&path[depth - 1]->prefix, &v[i].prefix))
			depth--;
		if (depth)
			check_nested(ps, path[depth - 1], &v[i]);
		if (!depth || !prefix_equal(&path[depth - 1]->prefix, &v[i].prefix))
			path[depth++] = &v[i];
	}
}

/* Whether the asset has an address in the zone. */
static bool asset_in_zone(const struct policy *p, const struct policy_asset *as, uint32_t zone)
{
	for (size_t i = 0; i < as->addrs.n; i++)
		if (policy_zone_at(p, &as->addrs.v[i]) == zone + 1)
			return true;
	return false;
}

static bool opens_request_port(const struct policy_asset *as, const struct service_range *r,
			       uint16_t *port)
{
	const uint16_t *const lists[] = { as->modbus_ports, as->enip_ports, as->io_ports };

	for (size_t l = 0; l < 3; l++)
		for (size_t i = 0; i < KS_ASSET_PORTS && lists[l][i]; i++) {
			*port = lists[l][i];
			if (*port >= r->lo && *port <= r->hi &&
			    asset_speaks_on(as, r->proto, *port))
				return true;
		}
	return false;
}

/* Requests to assets are judged one by one; a conduit would say all or nothing. */
static void check_request_ports(struct parser *ps, const struct policy_conduit *c, uint32_t zone)
{
	static const char *const names[] = {
		[KS_MODBUS] = "Modbus", [KS_ENIP] = "EtherNet/IP", [KS_IO] = "implicit I/O",
	};
	const struct policy *p = ps->p;
	uint16_t port;

	for (size_t a = 0; a < p->n_assets; a++) {
		const struct policy_asset *as = &p->assets[a];

		for (size_t i = 0; i < c->n_services; i++) {
			const struct service_range *r = &c->services[i];

			if (!opens_request_port(as, r, &port) || !asset_in_zone(p, as, zone))
				continue;
			diag_error(ps->d, r->at,
				   "conduit '%s' opens %s/%u, on which asset '%s' speaks %s, expected 'rules' for its requests and other ports here",
				   c->name, service_proto_name(r->proto), port, as->name,
				   names[asset_speaks_on(as, r->proto, port)]);
			return;
		}
	}
}

/* Beside zones these would be a second, wider way. */
static void check_allowed(struct parser *ps, const char *key, bool given, enum ks_choice choice,
			  struct pos at)
{
	if (given && choice == KS_ALLOW)
		diag_error(ps->d, at, "'%s: allow' beside 'zones', expected a conduit for what is to pass",
			   key);
}

/* A host that is bound twice at one address: which binding holds? */
static void check_bindings(struct parser *ps)
{
	const struct policy *p = ps->p;
	char buf[PREFIX_TEXT_MAX];

	for (size_t h = 0; h < p->n_hosts; h++) {
		const struct policy_host *a = &p->hosts[h];

		if (!a->binding.macs && !a->binding.vlans)
			continue;
		for (size_t g = 0; g < h; g++) {
			const struct policy_host *b = &p->hosts[g];

			for (size_t i = 0; (b->binding.macs || b->binding.vlans) && i < a->addrs.n; i++)
				for (size_t k = 0; k < b->addrs.n; k++)
					if (prefix_equal(&a->addrs.v[i], &b->addrs.v[k]))
						diag_error(ps->d, a->addrs.at[i],
							   "'%s' is bound as host '%s' and as host '%s' (line %u), expected one host for it",
							   prefix_format(&a->addrs.v[i], buf),
							   b->name, a->name, b->at.line);
		}
	}
}

void check_zones(struct parser *ps)
{
	struct policy *p = ps->p;

	check_bindings(ps);
	if (!p->zoned)
		return;
	check_allowed(ps, "unlisted", p->unlisted_given, p->unlisted, p->unlisted_at);
	check_allowed(ps, "other", p->other_given, p->other, p->other_at);
	check_allowed(ps, "outbound", p->outbound_given, p->outbound, p->outbound_at);
	p->unlisted = p->other = p->outbound = KS_DENY;
	for (size_t z = 0; z < p->n_zones; z++)
		settle_side(ps, &p->zones[z]);
	check_zone_overlaps(ps);
	for (size_t c = 0; c < p->n_conduits; c++)
		for (size_t i = 0; i < p->conduits[c].to.n; i++)
			check_request_ports(ps, &p->conduits[c], p->conduits[c].to.v[i]);
}
