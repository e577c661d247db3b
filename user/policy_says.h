/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request as a policy can tell it from others, and what one rule, as it was
 * written, says to it. Must not know about other rules, and must not print.
 */
#ifndef KEYSWITCH_POLICY_SAYS_H
#define KEYSWITCH_POLICY_SAYS_H

#include "policy_match.h"

/* Inclusive: addresses, one sub-function, or elements of a data-table file. */
struct elements {
	uint32_t lo, hi;
};

struct policy_request {
	struct prefix client, server;	/* single addresses */
	enum ks_proto proto;		/* KS_MODBUS, KS_ENIP or KS_IO */
	uint32_t unit;			/* Modbus */
	uint32_t function;		/* Modbus, also that inside CIP class 0x44, else 0 */
	struct elements own;		/* of FC 23: what is read */
	struct elements written;	/* FC 23 */
	uint32_t service, key_class;	/* CIP, PCCC, commands, I/O: keys of the compiled tables */
	uint32_t instance, attribute;	/* KS_NO_VALUE: none */
	const char *tag;		/* lower case, with KS_CLASS_TAG */
	const char *route;		/* form of struct ks_route.text, "" = none */
	bool has_file;			/* PCCC: `own` are elements of this file */
	uint32_t type, file;		/* KS_PCCC_TYPE; 0: the command says none */
	const uint16_t *values;		/* Modbus: what is written, one an element; FC 22: both masks */
	size_t n_values;		/* 0: not said */
};

/* What a rule has to do with a request, or the first of its selectors that stands against it. */
enum rule_says {
	RULE_DECIDES,
	RULE_SHUTS,		/* a rule with tags refuses writes by symbol instance */
	RULE_MARKS,		/* an alert rule: the search goes on */
	RULE_OTHER_FROM,
	RULE_OTHER_TO,
	RULE_OTHER_PROTOCOL,
	RULE_OTHER_UNIT,
	RULE_OTHER_FUNCTION,
	RULE_OTHER_ADDRESS,
	RULE_OTHER_VALUE,	/* of some element, else RULE_DECIDES */
	RULE_OTHER_ROUTE,
	RULE_OTHER_IO,
	RULE_OTHER_CLASS,
	RULE_OTHER_SERVICE,
	RULE_OTHER_TAG,
	RULE_OTHER_INSTANCE,
	RULE_OTHER_ATTRIBUTE,
	RULE_OTHER_FILE,
};

/* What is decided by itself: a CIP request, a Modbus function over a span. */
struct request_part {
	bool modbus;
	uint32_t unit, function;	/* modbus */
	struct elements of;
};

/* Asset of an address, 1-based; 0 = none. */
uint32_t policy_asset_at(const struct policy *p, const struct prefix *address);
/* Is it an address of the protected side? As a client it would be spoofed. */
bool policy_protects(const struct policy *p, const struct prefix *address);

/*
 * RULE_DECIDES and RULE_SHUTS: `set` holds the elements of the part that it takes, not
 * necessarily one that is asked for. Else the set is of no use.
 */
enum rule_says rule_says(const struct policy *p, const struct policy_rule *r,
			 const struct policy_request *q, uint32_t asset,
			 const struct request_part *part, struct intervals *set);

bool set_holds(const struct intervals *set, uint32_t v);
/* An empty list holds everything. */
bool spans_hold(const struct spans *s, uint32_t v);

#endif
