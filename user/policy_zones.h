/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Zones by address, as the compiled tables have them, from the tree: for checks, lints
 * and explanations. Must not read input and must not print.
 */
#ifndef KEYSWITCH_POLICY_ZONES_H
#define KEYSWITCH_POLICY_ZONES_H

#include "policy.h"

/* 1-based, 0 = in none. Where prefixes of several zones hold it the longest decides. */
uint32_t policy_zone_at(const struct policy *p, const struct prefix *address);

/* The asset's or `protected` prefix that says that the address is behind the gateway, or NULL. */
const struct prefix *policy_behind(const struct policy *p, const struct prefix *address);

/* What the asset speaks on the port as a request from outside: enum ks_proto. */
enum ks_proto asset_speaks_on(const struct policy_asset *a, uint8_t proto, uint16_t port);

/* The first conduit that lets one zone open the port of another, 1-based, 0 = none. */
uint32_t policy_conduit_for(const struct policy *p, uint32_t from, uint32_t to, uint8_t proto,
			    uint16_t port);
bool zone_listed(const struct zone_list *l, uint32_t zone);	/* 1-based */

/* UDP ports that bpf/zone.h takes for tunnels: nothing passes there between zones. */
bool service_is_tunnel(uint8_t proto, uint16_t port);

const char *service_proto_name(uint8_t proto);
#define BINDING_TEXT_MAX 256
/* "MAC 02:00:00:00:00:01; VLAN 0, 10" */
const char *binding_format(const struct ks_binding *b, char buf[BINDING_TEXT_MAX]);
/* "tcp/80-90", "icmp" */
const char *service_format(uint8_t proto, uint16_t lo, uint16_t hi, char buf[24]);

#endif
