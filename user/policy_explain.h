/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judges one request by the rules as they were written, and says which rule decides
 * and why those before it do not. For people who ask and for tests; the data path has
 * the compiled tables. Must not read input and must not print.
 */
#ifndef KEYSWITCH_POLICY_EXPLAIN_H
#define KEYSWITCH_POLICY_EXPLAIN_H

#include "../bpf/reasons.h"
#include "policy_written.h"

/* Elements next to each other that one rule decides. */
struct decided {
	struct elements of;
	uint32_t rule;		/* 1-based, 0 = the default */
	bool allow;
	bool shut;		/* RULE_SHUTS of some rule, reported as the default */
	uint32_t alert;		/* first alert rule that marks them, 1-based, 0 = none */
	bool valued;		/* what is written was asked for, by this rule first: */
	uint32_t value_rule;
	struct written value;	/* of the first of the elements */
};

struct part_answer {
	struct request_part part;
	struct decided *run;	/* in order, they cover the part */
	size_t n;
};

struct explanation {
	struct arena mem;
	enum ks_reason reason;	/* ok, policy_deny, or what comes before the rules */
	uint32_t asset;		/* 1-based, 0 = none */
	/* the rest only where the rules decide */
	struct part_answer part[2];
	size_t n_parts;		/* up to the first that is refused */
	/* reported, as the data path does: the first refused, else the last part's first */
	size_t about;		/* part */
	const struct decided *run;
	uint32_t alert;		/* first alert rule that marks the request up to there */
	enum rule_says *considered; /* of rules 0 .. n - 1, the last one decides if any does */
	size_t n_considered;
};

void policy_explain(const struct policy *p, const struct policy_request *q,
		    struct explanation *out);
void explanation_free(struct explanation *x);

#endif
