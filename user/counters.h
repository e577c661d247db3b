/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data path's counters as rows with names, for `counters` and /metrics.
 * Must not format or print.
 */
#ifndef KEYSWITCH_COUNTERS_H
#define KEYSWITCH_COUNTERS_H

#include "instance.h"
#include "names.h"

/* What rows are named with; taken once per report. */
struct counters {
	const struct instance *in;
	struct ks_state_rec state;
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct names names;
};

/*
 * What a request is for: what `default: readonly` allows, what it does not, or a code that
 * no table names or that its sub-function decides.
 */
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_OTHER, ACCESSES };

struct packet_row {
	const char *port;
	uint32_t reason;
	uint32_t action;
	uint64_t packets;
};

struct request_row {
	const char *port;
	const char *proto;
	uint32_t asset_number;
	const char *asset;
	enum access access;
	char function[FUNCTION_NAME_MAX];
	uint64_t requests[KS_V_MAX];
};

struct rule_row {
	const char *rule;
	uint64_t requests[KS_V_MAX];
};

struct conduit_row {
	const char *conduit;
	struct ks_conduit_hits hits;
};

/* 0 or a negative errno for all of these; rows with only zeros are left out but of packets. */
int counters_open(struct counters *c, const struct instance *in);
void counters_close(struct counters *c);

int counters_packets(const struct counters *c, void (*row)(void *arg, const struct packet_row *r),
		     void *arg);
int counters_requests(const struct counters *c,
		      void (*row)(void *arg, const struct request_row *r), void *arg);
int counters_rules(const struct counters *c, void (*row)(void *arg, const struct rule_row *r),
		   void *arg);
int counters_conduits(const struct counters *c,
		      void (*row)(void *arg, const struct conduit_row *r), void *arg);
int counters_misc(const struct counters *c, struct ks_misc_count *sum);

#endif
