/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes allowed and what becomes denied from one policy to another: compiled
 * tables are compared over everything that either of them can tell apart, so nothing is
 * sampled. Must not read input and must not print.
 */
#ifndef KEYSWITCH_POLICY_DIFF_H
#define KEYSWITCH_POLICY_DIFF_H

#include "policy.h"
#include "pool.h"

enum diff_sides { DIFF_OLD, DIFF_NEW, DIFF_SIDES };

struct diff_side {
	const char *path;
	const struct policy *p;
	const struct compiled_policy *c;
};

/* ---- who ---- */

/* The addresses of a prefix that are in none of the prefixes behind it in the list. */
struct diff_region {
	struct prefix prefix;
	uint32_t parent;	/* 1-based number of the prefix around it, 0 = none */
	bool covered;		/* no address is left */
	bool spoofed;		/* of the protected side for both policies */
	uint32_t client;	/* index into clients and servers: equal ones are alike to both */
	uint32_t server;
};

#define DIFF_IPV4	1u
#define DIFF_IPV6	2u

struct diff_client {
	uint32_t class[DIFF_SIDES];
	uint32_t protected[DIFF_SIDES];
	uint32_t outside[DIFF_SIDES];	/* there are zones, it is in none */
};

struct diff_server {
	uint32_t asset[DIFF_SIDES];	/* 0 = none */
	uint32_t outside[DIFF_SIDES];
};

/* ---- what ---- */

/* In place of a rule's number, where no rule decides. */
#define DIFF_SPOOFED	0xffffffffu	/* the client is of the protected side */
#define DIFF_UNLISTED	0xfffffffeu	/* no asset, or one that does not speak the protocol */
#define DIFF_UNIT	0xfffffffdu	/* the asset does not list the unit */
#define DIFF_OPAQUE	0xfffffffcu	/* the asset does not list the function as opaque */
#define DIFF_LISTED	0xfffffffbu	/* as DIFF_UNLISTED, let through by 'unlisted: allow' */
#define DIFF_OUTSIDE	0xfffffffau	/* client or server is in no zone */
#define DIFF_NO_RULE(rule) ((rule) >= DIFF_OUTSIDE)

struct diff_change {
	uint32_t alert;		/* not the verdict, but whether an alert rule marks it */
	uint32_t allow;		/* now; alert: it is marked now */
	uint32_t was, now;	/* deciding rules; was: 0 if it is allowed now */
};

/*
 * DIFF_CIP: boxes are over instances, or over all that there is. DIFF_TAG, DIFF_PCCC: over
 * some tags or file elements. DIFF_INNER: Modbus in CIP class 0x44.
 */
enum diff_kind { DIFF_MODBUS, DIFF_CIP, DIFF_TAG, DIFF_PCCC, DIFF_INNER };

/* CIP: lo and hi of instances (tags, file elements) and of attributes. */
struct diff_box {
	uint32_t lo, hi, attr_lo, attr_hi;
};

/* Requests that change alike; what the kind has no use for is 0. Pool entries but kind. */
struct diff_item {
	uint32_t kind;		/* enum diff_kind */
	struct diff_change change;
	uint32_t units;		/* MODBUS: unit ids */
	uint32_t functions;	/* MODBUS, INNER: function codes */
	uint32_t spans;		/* MODBUS, INNER: lo, hi pairs of elements */
	uint32_t values;	/* likewise: entry + 1 of sets, 0 = whatever is written */
	uint32_t routes;	/* all but MODBUS: route numbers */
	uint32_t cells;		/* all but MODBUS: DIFF_CELL() */
	uint32_t boxes;		/* all but MODBUS */
};

/*
 * The first number of a set of values; behind it lo, hi pairs of bits. UNKNOWN: what is no
 * whole pair. UNLIKE: some, the policies take them as numbers of different kinds.
 */
#define DIFF_VALUES(type, form, odd)	((uint32_t)(type) | (uint32_t)(form) << 8 | (uint32_t)(odd) << 16)
#define DIFF_VALUES_UNKNOWN	(1u << 24)
#define DIFF_VALUES_UNLIKE	(1u << 25)

/* A class (index into classes, 0 = any that has no number) and a service. */
#define DIFF_CELL(class, service) ((class) << 7 | (service))

struct diff_group {
	uint32_t clients;	/* entry of sets: numbers of clients, sorted */
	uint32_t servers;	/* likewise, of servers */
	uint32_t item;		/* entry of items */
};

/* ---- the rest ---- */

/* "mode", "enforce", "monitor" */
struct diff_setting {
	const char *what;
	const char *was, *now;
};

/* Cells that neither policy tells apart. */
struct diff_leaf {
	uint32_t leaf[DIFF_SIDES];	/* column of pol_cip */
	uint32_t class, service;	/* its first cell; class is an index */
	uint32_t cells;			/* entry of sets */
};

struct policy_diff {
	struct arena mem;
	struct diff_side side[DIFF_SIDES];

	struct diff_region *regions;	/* outer before inner */
	size_t n_regions;
	struct pool clients, servers;	/* one struct an entry */
	struct numbers client_families;	/* same index: DIFF_IPV4, DIFF_IPV6 */
	struct numbers server_families;

	uint32_t *classes;		/* [0] = KS_ANY, then ascending */
	size_t n_classes;
	const char **tags;		/* of both policies, sorted; number 1 is tags[0] */
	size_t n_tags;
	const char **routes;		/* likewise; numbers from KS_ROUTE_NAMED */
	size_t n_routes;
	/* what each policy numbers them by; [0] and [KS_ROUTE_OTHER]: not at all */
	uint32_t *tag_ids[DIFF_SIDES], *route_ids[DIFF_SIDES];
	struct diff_leaf *leaves;
	size_t n_leaves;

	struct pool sets;		/* sorted numbers: units, functions, spans, ... */
	struct pool boxes;
	struct pool items;		/* one struct an entry */
	struct diff_group *groups;	/* those of the same clients and servers in a row */
	size_t n_groups;

	struct diff_setting *settings;
	size_t n_settings;
};

/* DIFF_IPV4 and DIFF_IPV6 of a set of servers: only clients of these meet them. */
uint32_t diff_families(const struct policy_diff *d, uint32_t servers);

/* Is there such a request, and is it judged as itself? */
bool diff_exists(uint32_t key_class, uint32_t service);
/* Services of class 0x44 that are judged as the Modbus request in them, too. */
bool diff_holds_modbus(uint32_t key_class, uint32_t service);

void policy_diff(struct policy_diff *d, const struct diff_side *was,
		 const struct diff_side *now);
void policy_diff_free(struct policy_diff *d);

#endif
