// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zones and conduits by address, see policy_zones.h.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "policy_zones.h"

/* The longest prefix of the list that holds the address and is longer than *best. */
static bool longer(const struct prefixes *l, const struct prefix *address,
		   const struct prefix **best)
{
	bool found = false;

	for (size_t i = 0; i < l->n; i++) {
		if (!prefix_contains(&l->v[i], address) || (*best && l->v[i].len <= (*best)->len))
			continue;
		*best = &l->v[i];
		found = true;
	}
	return found;
}

const struct prefix *policy_behind(const struct policy *p, const struct prefix *address)
{
	const struct prefix *best = NULL;

	for (size_t i = 0; i < p->n_assets; i++)
		longer(&p->assets[i].addrs, address, &best);
	longer(&p->protected, address, &best);
	/* an asset that is everywhere says nothing about sides */
	return best && best->len ? best : NULL;
}

uint32_t policy_zone_at(const struct policy *p, const struct prefix *address)
{
	const struct prefix *best = NULL, *behind;
	uint32_t zone = 0;

	for (size_t i = 0; i < p->n_zones; i++)
		if (longer(&p->zones[i].addrs, address, &best))
			zone = (uint32_t)i + 1;
	if (!zone || p->zones[zone - 1].protected)
		return zone;
	behind = policy_behind(p, address);
	return behind && behind->len > best->len ? 0 : zone;
}

static bool port_in(const uint16_t *ports, uint16_t port)
{
	for (size_t i = 0; i < KS_ASSET_PORTS && ports[i]; i++)
		if (ports[i] == port)
			return true;
	return false;
}

enum ks_proto asset_speaks_on(const struct policy_asset *a, uint8_t proto, uint16_t port)
{
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return KS_PROTO_NONE;
	if (port_in(a->modbus_ports, port))
		return KS_MODBUS;
	if (port_in(a->enip_ports, port))
		return KS_ENIP;
	return proto == IPPROTO_UDP && port_in(a->io_ports, port) ? KS_IO : KS_PROTO_NONE;
}

bool zone_listed(const struct zone_list *l, uint32_t zone)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] + 1 == zone)
			return true;
	return false;
}

uint32_t policy_conduit_for(const struct policy *p, uint32_t from, uint32_t to, uint8_t proto,
			    uint16_t port)
{
	for (size_t c = 0; c < p->n_conduits; c++) {
		const struct policy_conduit *d = &p->conduits[c];

		if (!zone_listed(&d->from, from) || !zone_listed(&d->to, to))
			continue;
		for (size_t i = 0; i < d->n_services; i++)
			if (d->services[i].proto == proto && d->services[i].lo <= port &&
			    d->services[i].hi >= port)
				return (uint32_t)c + 1;
	}
	return 0;
}

bool service_is_tunnel(uint8_t proto, uint16_t port)
{
	static const uint16_t ports[] = { 1701, 3544, 4789, 4790, 6080, 6081, 8472 };

	for (size_t i = 0; proto == IPPROTO_UDP && i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port == ports[i])
			return true;
	return false;
}

const char *service_proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "icmp";
}

const char *service_format(uint8_t proto, uint16_t lo, uint16_t hi, char buf[24])
{
	if (proto == IPPROTO_ICMP)
		snprintf(buf, 24, "icmp");
	else if (lo == hi)
		snprintf(buf, 24, "%s/%u", service_proto_name(proto), lo);
	else
		snprintf(buf, 24, "%s/%u-%u", service_proto_name(proto), lo, hi);
	return buf;
}

const char *binding_format(const struct ks_binding *b, char buf[BINDING_TEXT_MAX])
{
	char *end = buf + sprintf(buf, "%s", b->macs ? "MAC " : "");

	for (size_t i = 0; i < b->macs; i++)
		end += sprintf(end, "%s%02x:%02x:%02x:%02x:%02x:%02x", i ? ", " : "", b->mac[i][0],
			       b->mac[i][1], b->mac[i][2], b->mac[i][3], b->mac[i][4],
			       b->mac[i][5]);
	if (b->vlans)
		end += sprintf(end, "%sVLAN ", b->macs ? "; " : "");
	for (size_t i = 0; i < b->vlans; i++)
		end += sprintf(end, "%s%u", i ? ", " : "", b->vlan[i]);
	return buf;
}
