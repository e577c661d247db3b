/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the lints: each subject's entry, and what of a rule's meaning several
 * of them ask. A lint that says "never" is true of every request: where the tree
 * does not show it, the compiled tables are asked. Only policy_lint*.c include this.
 */
#ifndef KEYSWITCH_POLICY_LINT_H
#define KEYSWITCH_POLICY_LINT_H

#include "policy_match.h"

/* Whether the rule selects any request of the protocol, or one that does more than read. */
bool selects_modbus(const struct policy_rule *r, bool only_risky);
bool selects_cip(const struct policy_rule *r, bool only_risky);

/* policy_lint_addr.c: addresses that are dropped as spoofed, or protected by nothing */
void lint_spoofing(const struct policy *p, struct diags *d);
void lint_clients(const struct policy *p, struct diags *d);

/*
 * policy_lint_reach.c: heard[asset] is whether a request to it can be one that the
 * rule speaks about, as far as protocols and units say.
 */
struct hearing;
struct hearing *hearing_new(const struct policy *p, const struct compiled_policy *c,
			    struct arena *mem);
bool asset_hears(const struct hearing *h, uint32_t asset, const struct policy_rule *r);
void lint_reach(const struct hearing *h, const struct policy *p,
		const struct compiled_policy *c, struct diags *d);

/* policy_lint_zones.c: segmentation */
void lint_zones(const struct policy *p, const struct compiled_policy *c, struct diags *d);

/* policy_lint_unused.c: names that nothing uses */
void lint_unused(const struct hearing *h, const struct policy *p, struct diags *d);

#endif
