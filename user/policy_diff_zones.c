// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changes about segmentation: which addresses are in which zone, what zones may
 * open in each other, to what hosts are bound. Addresses that both policies put alike
 * are said by the name of their zone. Must not look at rules.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy_diff_parts.h"
#include "policy_zones.h"

#define PORTS 65536u

/* Addresses that each policy puts into one zone. */
struct kind {
	uint32_t zone[DIFF_SIDES];	/* 1-based, 0 = none */
};

struct zoning {
	struct policy_diff *d;
	struct arena tmp;
	struct pool kinds;
	struct numbers families;	/* same index: DIFF_IPV4, DIFF_IPV6 */
	struct numbers of_region;	/* kind of each region */
	uint32_t *port[DIFF_SIDES];	/* [PORTS]: conduit of one pair of kinds */
};

static const char *zone_name(const struct zoning *z, enum diff_sides s, uint32_t zone)
{
	return zone ? z->d->side[s].p->zones[zone - 1].name : "none";
}

static void find_kinds(struct zoning *z)
{
	pool_init(&z->kinds, &z->tmp, sizeof(struct kind));
	for (size_t i = 0; i < z->d->n_regions; i++) {
		const struct prefix *x = &z->d->regions[i].prefix;
		struct kind k = { 0 };
		uint32_t number;

		for (int s = 0; s < DIFF_SIDES; s++)
			k.zone[s] = policy_zone_at(z->d->side[s].p, x);
		number = pool_put(&z->kinds, &k, 1);
		numbers_add(&z->tmp, &z->of_region, number);
		if (number == z->families.n)
			numbers_add(&z->tmp, &z->families, 0);
		if (!z->d->regions[i].covered)
			z->families.v[number] |= x->family == 4 ? DIFF_IPV4 : DIFF_IPV6;
	}
}

/* "zone of 10.1.0.9": it -> servers */
static void compare_places(struct zoning *z)
{
	const struct policy_diff *d = z->d;
	char what[PREFIX_TEXT_MAX + 16], buf[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < d->n_regions; i++) {
		const struct diff_region *r = &d->regions[i];
		const struct kind *k = pool_get(&z->kinds, z->of_region.v[i], NULL);

		/* the prefix around it says the same */
		if (r->covered || (r->parent && z->of_region.v[r->parent - 1] == z->of_region.v[i]))
			continue;
		snprintf(what, sizeof(what), "zone of %s", prefix_format(&r->prefix, buf));
		diff_add_setting(z->d, what, zone_name(z, DIFF_OLD, k->zone[DIFF_OLD]),
				 zone_name(z, DIFF_NEW, k->zone[DIFF_NEW]));
	}
}

/* ---- what is opened ---- */

/* The zone's name where both policies give it that, else "it, now servers". */
static const char *kind_name(struct zoning *z, const struct kind *k)
{
	const char *was = zone_name(z, DIFF_OLD, k->zone[DIFF_OLD]);
	const char *now = zone_name(z, DIFF_NEW, k->zone[DIFF_NEW]);
	size_t size = strlen(was) + strlen(now) + 16;
	char *text = arena_alloc(&z->tmp, size);

	if (!z->d->side[DIFF_OLD].p->zoned || !strcmp(was, now))
		return now;
	if (!z->d->side[DIFF_NEW].p->zoned)
		return was;
	snprintf(text, size, "%s, now %s", was, now);
	return text;
}

/* Which conduit opens each port of the protocol. */
static void fill_ports(struct zoning *z, enum diff_sides s, const struct kind *from,
		       const struct kind *to, uint8_t proto)
{
	const struct policy *p = z->d->side[s].p;

	memset(z->port[s], 0, PORTS * sizeof(*z->port[s]));
	for (size_t c = p->n_conduits; from->zone[s] && to->zone[s] && c--;) {
		const struct policy_conduit *k = &p->conduits[c];

		if (!zone_listed(&k->from, from->zone[s]) || !zone_listed(&k->to, to->zone[s]))
			continue;
		for (size_t i = 0; i < k->n_services; i++)
			for (uint32_t port = k->services[i].lo;
			     k->services[i].proto == proto && port <= k->services[i].hi; port++)
				z->port[s][port] = (uint32_t)c + 1;
	}
}

static void side_text(const struct zoning *z, enum diff_sides s, uint32_t conduit, char *buf,
		      size_t size)
{
	const struct policy *p = z->d->side[s].p;

	if (conduit)
		snprintf(buf, size, "allowed by conduit '%s'", p->conduits[conduit - 1].name);
	else
		snprintf(buf, size, p->zoned ? "denied" : "no zones");
}

/* A conduit's name alone changes nothing. */
static bool port_differs(const struct zoning *z, uint32_t port)
{
	return !z->port[DIFF_OLD][port] != !z->port[DIFF_NEW][port];
}

static void compare_ports(struct zoning *z, const struct kind *from, const struct kind *to,
			  uint8_t proto)
{
	char was[KS_NAME_MAX + 32], now[KS_NAME_MAX + 32], service[24];
	char what[4 * KS_NAME_MAX + 64];

	for (uint32_t port = 0, end; port < PORTS; port = end) {
		for (end = port + 1; end < PORTS && z->port[0][end] == z->port[0][port] &&
		     z->port[1][end] == z->port[1][port]; end++)
			;
		if (!port_differs(z, port))
			continue;
		snprintf(what, sizeof(what), "%s -> %s %s", kind_name(z, from), kind_name(z, to),
			 service_format(proto, (uint16_t)port, (uint16_t)(end - 1), service));
		side_text(z, DIFF_OLD, z->port[DIFF_OLD][port], was, sizeof(was));
		side_text(z, DIFF_NEW, z->port[DIFF_NEW][port], now, sizeof(now));
		diff_add_setting(z->d, what, was, now);
	}
}

/* Does some conduit of either policy go that way? */
static bool joined(const struct zoning *z, const struct kind *from, const struct kind *to)
{
	for (int s = 0; s < DIFF_SIDES; s++) {
		const struct policy *p = z->d->side[s].p;

		for (size_t c = 0; from->zone[s] && to->zone[s] && c < p->n_conduits; c++)
			if (zone_listed(&p->conduits[c].from, from->zone[s]) &&
			    zone_listed(&p->conduits[c].to, to->zone[s]))
				return true;
	}
	return false;
}

static void compare_conduits(struct zoning *z)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

	for (int s = 0; s < DIFF_SIDES; s++)
		z->port[s] = arena_alloc(&z->tmp, PORTS * sizeof(uint32_t));
	for (uint32_t a = 0; a < z->kinds.n; a++)
		for (uint32_t b = 0; b < z->kinds.n; b++) {
			const struct kind *from = pool_get(&z->kinds, a, NULL);
			const struct kind *to = pool_get(&z->kinds, b, NULL);

			if (!(z->families.v[a] & z->families.v[b]) || !joined(z, from, to))
				continue;
			for (size_t i = 0; i < sizeof(protos); i++) {
				for (int s = 0; s < DIFF_SIDES; s++)
					fill_ports(z, s, from, to, protos[i]);
				compare_ports(z, from, to, protos[i]);
			}
		}
}

/* ---- bound hosts ---- */

static uint32_t binding_at(const struct diff_side *side, const struct prefix *x)
{
	const struct policy *p = side->p;
	uint32_t host = 0;
	int longest = -1;

	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t i = 0; i < p->hosts[h].addrs.n; i++) {
			const struct prefix *v = &p->hosts[h].addrs.v[i];

			if ((!p->hosts[h].binding.macs && !p->hosts[h].binding.vlans) ||
			    v->len <= longest || !prefix_contains(v, x))
				continue;
			longest = v->len;
			host = (uint32_t)h + 1;
		}
	return host;
}

static void compare_bindings(struct zoning *z)
{
	const struct policy_diff *d = z->d;
	char what[PREFIX_TEXT_MAX + 16], buf[PREFIX_TEXT_MAX], text[DIFF_SIDES][BINDING_TEXT_MAX];

	for (size_t i = 0; i < d->n_regions; i++) {
		const struct prefix *x = &d->regions[i].prefix;
		uint32_t parent = d->regions[i].parent;
		bool same = parent != 0;

		for (int s = 0; s < DIFF_SIDES; s++) {
			const struct policy *p = d->side[s].p;
			uint32_t host = binding_at(&d->side[s], x);

			same = same && host == binding_at(&d->side[s],
							  &d->regions[parent - 1].prefix);
			if (host)
				binding_format(&p->hosts[host - 1].binding, text[s]);
			else
				strcpy(text[s], "any");
		}
		if (d->regions[i].covered || same)
			continue;
		snprintf(what, sizeof(what), "source of %s", prefix_format(x, buf));
		diff_add_setting(z->d, what, text[DIFF_OLD], text[DIFF_NEW]);
	}
}

void diff_zones(struct policy_diff *d)
{
	const struct policy *was = d->side[DIFF_OLD].p, *now = d->side[DIFF_NEW].p;
	struct zoning z = { .d = d };

	compare_bindings(&z);
	diff_add_setting(d, "segmentation", was->zoned ? "on" : "off", now->zoned ? "on" : "off");
	if (!was->zoned && !now->zoned)
		return;
	find_kinds(&z);
	compare_places(&z);
	compare_conduits(&z);
	arena_free(&z.tmp);
}
