/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a rule's selectors mean, as sets: which functions, sub-functions,
 * services and classes each of them names. Used by the parser's checks, the
 * compiler and the lints. Must not know how the tables are laid out.
 */
#ifndef KEYSWITCH_POLICY_MATCH_H
#define KEYSWITCH_POLICY_MATCH_H

#include "../bpf/groups.h"
#include "policy.h"

#define MODBUS_CODES	128
#define CIP_SERVICES	128

/* What the elements of a function are numbered by. */
enum element_kind {
	ELEMENT_WHOLE,		/* no address, no sub-function */
	ELEMENT_ADDRESS,	/* 0..65535 in the function's own table */
	ELEMENT_SUB,		/* sub-function, MEI type, UMAS code */
};

enum element_kind function_elements(uint32_t fc);
/* TABLE_OWN for functions without an address. */
enum modbus_table function_table(uint32_t fc);
/* Judged as FC 3 and FC 16, so no rule ever sees it. */
static inline bool function_is_compound(uint32_t fc)
{
	return fc == 23;
}
/* Its values can be read: coils and registers. FC 23 is judged as FC 16. */
static inline bool function_writes_values(uint32_t fc)
{
	return fc == 5 || fc == 6 || fc == 15 || fc == 16 || fc == 22;
}

/* A value that takes two registers. */
static inline bool value_form_is_pair(const struct value_match *m)
{
	return m->form != KS_VF_WORD;
}

/* The last element that a request can name. */
uint32_t function_last(uint32_t fc);
/* The dissector derives the exact length; others pass only where listed as opaque. */
bool function_has_length(uint32_t fc, uint32_t sub);

/* A growing list of closed intervals; capacity is the caller's arena's business. */
struct intervals {
	struct arena *mem;
	struct { uint32_t lo, hi; } *v;
	size_t n;
};

/* The elements of function fc that m selects: none, all (0..KS_NO_VALUE) or a list. */
void modbus_elements(const struct modbus_match *m, uint32_t fc,
		     struct intervals *out);

/* Services and classes only; instances, attributes and tags are looked at by others. */
bool cip_selects(const struct cip_match *m, uint32_t service, uint32_t key_class);

/*
 * A unit list that is left out does not let broadcasts write: unit 0 is taken
 * by such an allow rule for reads alone. A deny rule takes it always.
 */
bool rule_takes_unit(const struct policy_rule *r, uint32_t unit, uint32_t fc);

/* Which halves of the traffic a rule speaks about. */
static inline bool rule_has_modbus(const struct policy_rule *r)
{
	return r->modbus || (!r->cip && !r->io);
}

static inline bool rule_has_cip(const struct policy_rule *r)
{
	return r->cip || r->io || !r->modbus;
}

bool rule_selects_cip(const struct policy_rule *r, uint32_t service,
		      uint32_t key_class);

/*
 * Beside its own requests a rule with tags refuses writes by symbol instance
 * (class 0x6b): they would reach any tag under another name.
 */
bool rule_shuts_symbols(const struct policy_rule *r, uint32_t service,
			uint32_t key_class);

/* What happens to a request that no rule decides. */
bool default_allows_modbus(enum ks_default d, uint32_t fc, uint32_t sub);
bool default_allows_cip(enum ks_default d, uint32_t service, uint32_t key_class);

#endif
