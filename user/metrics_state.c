// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports, policy and tables as metrics, see metrics_state.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "metrics_state.h"
#include "occupancy.h"
#include "standing.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- ports ---- */

static void port_info(struct exposition *e, const struct counters *c, const struct port_state *s)
{
	const struct ks_port_rec *p = s->rec;
	const char *peer = p->peer < KS_PORTS_MAX && &c->ports[p->peer] != p ?
				   c->ports[p->peer].name : "";
	const struct label labels[] = {
		{ "port", p->name }, { "role", name_role(p->role) },
		{ "attach", name_attach(p->wire, p->sight) }, { "peer", peer },
		{ "xdp", nic_xdp_name(s->xdp) },
	};

	exposition_sample(e, labels, COUNT(labels), 1);
}

int metrics_ports(struct exposition *e, const struct counters *c)
{
	static const struct family info = { "keyswitch_port", FAMILY_INFO, NULL,
		"How each attached NIC is attached: its side, the NIC opposite, kind of XDP." };
	static const struct family carrier = { "keyswitch_port_carrier", FAMILY_GAUGE, NULL,
		"1 = the NIC is up and its link carries frames." };
	static const struct family attached = { "keyswitch_port_attached", FAMILY_GAUGE, NULL,
		"1 = the NIC is there and runs an XDP program." };
	struct port_state states[KS_PORTS_MAX];
	size_t n = port_states(states, c);

	exposition_family(e, &info);
	for (size_t i = 0; i < n; i++)
		port_info(e, c, &states[i]);
	exposition_family(e, &carrier);
	for (size_t i = 0; i < n; i++)
		exposition_sample(e, &(struct label){ "port", states[i].rec->name }, 1,
				  states[i].carrier);
	exposition_family(e, &attached);
	for (size_t i = 0; i < n; i++)
		exposition_sample(e, &(struct label){ "port", states[i].rec->name }, 1,
				  states[i].xdp == NIC_XDP_NATIVE || states[i].xdp == NIC_XDP_GENERIC);
	return 0;
}

/* ---- policy ---- */

static uint64_t seconds_until(uint64_t clock)
{
	uint64_t now = clock_monotonic();

	return clock > now ? (clock - now + KS_SECOND - 1) / KS_SECOND : 0;
}

static void mode(struct exposition *e, const struct ks_state_rec *state)
{
	static const struct family enforcing = { "keyswitch_enforcing", FAMILY_GAUGE, NULL,
		"1 = mode enforce, 0 = mode monitor: everything passes." };
	static const struct family monitor = { "keyswitch_monitor_remaining_seconds", FAMILY_GAUGE,
		"seconds", "Until mode monitor ends by itself, 0 = it does not or is not on." };

	exposition_single(e, &enforcing, state->now.mode == KS_ENFORCE);
	exposition_single(e, &monitor, state->now.mode == KS_MONITOR ?
					       seconds_until(state->now.mode_until) : 0);
}

int metrics_policy(struct exposition *e, const struct counters *c)
{
	static const struct family generation = { "keyswitch_policy_generation", FAMILY_GAUGE, NULL,
		"Generation of the policy in force." };
	static const struct family applied = { "keyswitch_policy_applied_timestamp_seconds",
		FAMILY_GAUGE, "seconds", "When the policy in force was applied." };
	static const struct family attached = { "keyswitch_attached_timestamp_seconds", FAMILY_GAUGE,
		"seconds", "When keyswitch was attached: its counters began then." };
	static const struct family trial = { "keyswitch_trial_remaining_seconds", FAMILY_GAUGE,
		"seconds", "Until the policy before is in force again, 0 = no policy is on trial." };
	static const struct family boot = { "keyswitch_boot_policy_current", FAMILY_GAUGE, NULL,
		"1 = the next attach takes the policy in force, 0 = another one or none." };
	static const struct family rules = { "keyswitch_policy_rules", FAMILY_GAUGE, NULL,
		"Rules of the policy in force." };
	static const struct family assets = { "keyswitch_policy_assets", FAMILY_GAUGE, NULL,
		"Assets of the policy in force." };
	struct ks_pol_cfg *cfg = instance_policy(c->in, c->state.now.slot);

	if (!cfg)
		return -ENOENT;
	mode(e, &c->state);
	exposition_single(e, &generation, cfg->generation);
	exposition_single(e, &applied, cfg->applied_at);
	exposition_single(e, &attached, (uint64_t)instance_attached());
	exposition_single(e, &trial, state_trial_left(&c->state));
	exposition_single(e, &boot, !strcmp(standing_boot(c), "this"));
	exposition_single(e, &rules, cfg->rules);
	exposition_single(e, &assets, cfg->assets);
	free(cfg);
	return 0;
}

/* ---- tables ---- */

static void write_tables(struct exposition *e, const struct occupancy *tables, size_t n)
{
	static const struct family entries = { "keyswitch_table_entries", FAMILY_GAUGE, NULL,
		"Entries of a table of the data path." };
	static const struct family limit = { "keyswitch_table_entries_limit", FAMILY_GAUGE, NULL,
		"Entries that fit into it." };

	exposition_family(e, &entries);
	for (size_t i = 0; i < n; i++)
		exposition_sample(e, &(struct label){ "table", tables[i].name }, 1,
				  tables[i].entries);
	exposition_family(e, &limit);
	for (size_t i = 0; i < n; i++)
		exposition_sample(e, &(struct label){ "table", tables[i].name }, 1,
				  tables[i].limit);
}

static void write_clients(struct exposition *e, const struct client_count *clients)
{
	static const struct family seen = { "keyswitch_clients", FAMILY_GAUGE, NULL,
		"Addresses that opened a connection to an asset since the attach, the last 16384." };
	static const struct family known = { "keyswitch_clients_known", FAMILY_GAUGE, NULL,
		"Those of them that completed a handshake." };

	exposition_single(e, &seen, clients->clients);
	exposition_single(e, &known, clients->known);
}

int metrics_tables(struct exposition *e, const struct counters *c)
{
	struct occupancy tables[OCCUPANCIES];
	struct client_count clients;
	int err = occupancy_read(c->in, tables, &clients);

	if (err)
		return err;
	write_tables(e, tables, OCCUPANCIES);
	write_clients(e, &clients);
	return 0;
}
