/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An instance of the data path as user space sees it: one descriptor per map,
 * of the pinned instance or of a private one (replay). Reads and edits map
 * values. Must not create, pin or attach anything.
 */
#ifndef KEYSWITCH_INSTANCE_H
#define KEYSWITCH_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/reasons.h"
#include "../bpf/shared.h"

/* Every map of the object by its name, which is its file name under PIN_DIR/maps. */
#define KS_MAP_LIST(M) \
	M(state) M(ports) M(tap_roles) M(tx_ports) M(flows) M(flow_free) M(flows4) M(flows6) M(flows_near) M(mb_rings) M(eip_rings) \
	M(mb_free) M(eip_free) M(closed) M(sweep) M(table_use) M(opens) M(conns) M(triads) M(produced) M(conn_queue) M(conduits) \
	M(conduit_queue) M(conduit_clients) M(clients) M(packets) M(requests) M(requests_near) M(rules_near) M(misc) M(exceptions) M(exception_clients) M(latency) M(shadow_hits) M(shadow_sums) M(rates) \
	M(events) M(denied) M(denied_ctl) M(denied_counts) M(rate_locks) M(work) M(trace) M(trace_ctl) M(pol_cfg) M(pol_ports) KS_TABLE_LIST(M)

/* Those of them that hold one inner map per policy slot. */
#define KS_TABLE_LIST(M) \
	M(pol_addrs) M(pol_prefixes) M(pol_pairs) M(pol_assets) M(pol_profiles) \
	M(pol_units) M(pol_modbus) M(pol_ranges) M(pol_leaves) M(pol_cip) \
	M(pol_classes) M(pol_tags) M(pol_routes) M(pol_route_rows) M(pol_bindings) M(pol_conduits) M(pol_rules) \
	M(pol_names) M(pol_hits) M(pol_conduit_hits) M(pol_values) M(pol_buckets)

#define KS_MAP_ENUM(name) MAP_##name,
enum map_id { KS_MAP_LIST(KS_MAP_ENUM) MAPS };
#undef KS_MAP_ENUM

struct instance {
	int fd[MAPS];
	unsigned int cpus;	/* possible CPUs: rows of every per-CPU value */
};

const char *map_name(enum map_id id);

/* "PIN_DIR/<kind>/<name>"; names lose their dots, which bpffs refuses. */
void instance_path(char *buf, size_t size, const char *kind, const char *name);

void instance_init(struct instance *in);
void instance_close(struct instance *in);

/* Is anything pinned, complete or not? */
bool instance_exists(void);
/* Opens the pinned one; EXIT_OK, or another code with a message printed. */
int instance_open(struct instance *in);

/* Was it detached meanwhile? Then its maps are nobody's. */
bool instance_gone(const struct instance *in);
/* When the pinned one was made, and its counters began: seconds of the real clock. */
double instance_attached(void);

/*
 * 0 or a negative errno. A trial that has run out is none: what is read is what packets
 * are judged by.
 */
int instance_state(const struct instance *in, struct ks_state_rec *state);
int instance_set_state(const struct instance *in, const struct ks_state_rec *state);
/* Seconds that the trial goes on, 0 = there is none. */
uint32_t state_trial_left(const struct ks_state_rec *state);

/* All KS_PORTS_MAX records; unused ones have used == 0. */
int instance_ports(const struct instance *in, struct ks_port_rec ports[KS_PORTS_MAX]);
/* malloc'ed copy of the slot's header, NULL when it is empty or unreadable. */
struct ks_pol_cfg *instance_policy(const struct instance *in, uint32_t slot);

/*
 * A descriptor of one slot's inner map, or a negative errno. Without CAP_SYS_ADMIN only
 * those in table_pins.h are to be had.
 */
/*
 * All of requests_near, entry cpu * KS_NEAR + place at that index; *n = how many. `near` has
 * room for instance_near_bytes().
 */
size_t instance_near_bytes(const struct instance *in);
int instance_near(const struct instance *in, struct ks_near *near, uint32_t *n);
int instance_table(const struct instance *in, enum map_id id, uint32_t slot);

struct flow_count {
	uint64_t flows;
	uint64_t adopted;	/* taken without their handshake */
};

int instance_flows(const struct instance *in, struct flow_count *count);

/* Sum of one per-CPU value made of n counters. */
int instance_sum(const struct instance *in, enum map_id id, const void *key,
		 uint64_t *sum, size_t n);

/* Names of rules, assets, zones and conduits of one policy slot. */
struct names {
	struct ks_name_rec *v;
	uint32_t rules;
	uint32_t assets;
	uint32_t zones;
	uint32_t conduits;
	uint32_t n;
	uint32_t generation;
	uint16_t numbering;	/* of assets: struct ks_pol_cfg */
};

int names_load(struct names *names, const struct instance *in, uint32_t slot);
void names_free(struct names *names);
/* Those of this generation instead, if they are to be had: names->generation says. */
void names_follow(struct names *names, const struct instance *in, uint32_t generation);
/* Never NULL: unknown numbers give "?", asset and zone 0 give "none". */
const char *names_rule(const struct names *names, uint32_t rule);
const char *names_asset(const struct names *names, uint32_t asset);
const char *names_zone(const struct names *names, uint32_t zone);
const char *names_conduit(const struct names *names, uint32_t conduit);	/* from 1 */

#endif
