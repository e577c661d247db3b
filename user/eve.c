// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an event says of its packet, in EVE's words, see eve.h.
 * Must not know policies: names of rules and assets are events.c's.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../bpf/reasons.h"
#include "clock.h"
#include "community.h"
#include "eve.h"
#include "names.h"

#define FLOW_ID_BITS 51	/* as Suricata's: exact in a double of JavaScript */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* The kernel stamps with the monotonic clock; people want the other one. */
void eve_set_time(json_t *event, uint64_t monotonic)
{
	uint64_t real = clock_real_at(monotonic);
	time_t at = (time_t)(real / CLOCK_SECOND);
	char day[32], zone[8], text[64];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(text, sizeof(text), "%s.%06llu%s", day,
		 (unsigned long long)(real % CLOCK_SECOND / 1000), zone);
	json_object_set_new(event, "timestamp", json_string(text));
}

uint32_t eve_signature_id(uint32_t reason)
{
	uint32_t hash = 2166136261u;	/* FNV-1a */

	for (const char *c = name_reason(reason); *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	return EVE_SID_FIRST + hash % EVE_SIDS;
}

/*
 * A connection that was taken over or ended because of what it is, not of what it asked
 * for, is a `flow`; an allowed request that a rule wants told is a record of its
 * protocol, as Suricata writes one; all else is an alert.
 */
static const char *event_type(const struct ks_event *e)
{
	if (e->kind == KS_EV_ALLOW)
		return name_proto(e->leaf.proto);
	if (e->kind == KS_EV_FLOW && reason_effect(e->reason) != KS_A_DROP)
		return "flow";
	return "alert";
}

/* 1 = an OT request was refused, 2 = something else was, 3 = nothing was. */
static int eve_severity(const struct ks_event *e)
{
	if (reason_passes(e->reason))
		return 3;
	return e->kind == KS_EV_DENY ? 1 : 2;
}

static const char *category(const struct ks_event *e)
{
	static const char *const names[] = {
		[KS_EV_DENY] = "Refused OT request", [KS_EV_STREAM] = "TCP stream out of order",
		[KS_EV_PACKET] = "Refused packet", [KS_EV_FLOW] = "Refused connection",
		[KS_EV_ALERT] = "Marked OT request",
	};

	return e->kind < sizeof(names) / sizeof(names[0]) && names[e->kind] ? names[e->kind] : "?";
}

static void set_address(json_t *o, const char *key, const struct ks_event *e, const uint8_t addr[16])
{
	char text[INET6_ADDRSTRLEN];

	if (e->ip_version == 4)
		inet_ntop(AF_INET, addr + sizeof(mapped), text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr, text, sizeof(text));
	json_object_set_new(o, key, json_string(text));
}

/* The names that Suricata writes; others have a number there too. */
static void set_protocol(json_t *o, const struct ks_event *e)
{
	char name[12];

	switch (e->ip_proto) {
	case IPPROTO_TCP:
		strcpy(name, "TCP");
		break;
	case IPPROTO_UDP:
		strcpy(name, "UDP");
		break;
	case IPPROTO_ICMP:
		strcpy(name, "ICMP");
		break;
	case IPPROTO_ICMPV6:
		strcpy(name, "IPv6-ICMP");
		break;
	default:
		snprintf(name, sizeof(name), "%03u", e->ip_proto);
	}
	json_object_set_new(o, "proto", json_string(name));
}

/* Both ways of a connection have the same names. */
static void set_connection(json_t *o, const struct ks_event *e)
{
	char id[COMMUNITY_ID_MAX];
	uint64_t number;

	json_object_set_new(o, "community_id", json_string(community_id(id, e)));
	number = community_number(e) >> (64 - FLOW_ID_BITS);
	json_object_set_new(o, "flow_id", json_integer((json_int_t)number));
}

static void set_network(json_t *o, const struct ks_event *e)
{
	bool ports = e->ip_proto == IPPROTO_TCP || e->ip_proto == IPPROTO_UDP;

	set_address(o, "src_ip", e, e->src);
	if (ports)
		json_object_set_new(o, "src_port", json_integer(e->sport));
	set_address(o, "dest_ip", e, e->dst);
	if (ports)
		json_object_set_new(o, "dest_port", json_integer(e->dport));
	set_protocol(o, e);
	if (ports)
		set_connection(o, e);
}

static void set_link(json_t *o, const struct ks_event *e)
{
	json_t *vlan = json_array();
	char src[18], dst[18];

	for (int i = 0; i < 2; i++)
		if (e->vlan[i])
			json_array_append_new(vlan, json_integer(e->vlan[i]));
	if (json_array_size(vlan))
		json_object_set(o, "vlan", vlan);
	json_decref(vlan);
	snprintf(src, sizeof(src), "%02x:%02x:%02x:%02x:%02x:%02x", e->smac[0], e->smac[1],
		 e->smac[2], e->smac[3], e->smac[4], e->smac[5]);
	snprintf(dst, sizeof(dst), "%02x:%02x:%02x:%02x:%02x:%02x", e->dmac[0], e->dmac[1],
		 e->dmac[2], e->dmac[3], e->dmac[4], e->dmac[5]);
	json_object_set_new(o, "ether", json_pack("{s:s, s:s, s:i}", "src_mac", src, "dest_mac",
						  dst, "ether_type", (int)e->ethertype));
}

void eve_set_packet(json_t *event, const struct ks_event *e)
{
	const char *type = event_type(e);
	bool goes_on = e->action == KS_A_PASS;

	json_object_set_new(event, "event_type", json_string(type));
	if (e->ip_version)
		set_network(event, e);
	set_link(event, e);
	if (e->leaf.proto)
		json_object_set_new(event, "app_proto", json_string(name_proto(e->leaf.proto)));
	if (!strcmp(type, "flow"))
		json_object_set_new(event, "flow", json_pack(
			"{s:s, s:s, s:b}", "state", goes_on ? "established" : "closed", "reason",
			goes_on ? "adopted" : "forced", "alerted", 0));
	if (!strcmp(type, "alert"))
		json_object_set_new(event, "alert", json_pack(
			"{s:s, s:i, s:i, s:i, s:s, s:s, s:i}", "action",
			goes_on ? "allowed" : "blocked", "gid", 1, "signature_id",
			(int)eve_signature_id(e->reason), "rev", 1, "signature",
			name_reason_text(e->reason), "category", category(e), "severity",
			eve_severity(e)));
}
