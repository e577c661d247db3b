/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of policy_diff.h: the steps of a comparison, and how a decision is looked up
 * in one policy's tables. Only the policy_diff*.c files include this.
 */
#ifndef KEYSWITCH_POLICY_DIFF_PARTS_H
#define KEYSWITCH_POLICY_DIFF_PARTS_H

#include "policy_diff.h"
#include "policy_match.h"

/* What holds for every request of a client to a server, in one policy. */
struct access {
	uint32_t why;		/* DIFF_SPOOFED, ... : all alike; 0: as the profile says */
	uint32_t profile;
	uint32_t asset;		/* why 0: id */
};

/* One policy and the access that is compared. */
struct diff_view {
	const struct compiled_policy *c;
	struct access a;
	bool alerts;		/* compared is what alert rules mark */
};

/* A decision, and the last element up to which it holds. */
struct verdict {
	bool allow;
	uint32_t rule;
	uint32_t hi;
	uint32_t alert;		/* first alert rule that marks it, 0 = none */
	uint32_t before;	/* likewise, whatever is written */
	const struct ks_values *values; /* it depends on what is written; NULL: it does not */
};

static inline bool view_says(const struct diff_view *view, const struct verdict *v)
{
	return view->alerts ? v->alert != 0 : v->allow;
}

static inline bool views_differ(const struct diff_view view[DIFF_SIDES],
				const struct verdict v[DIFF_SIDES])
{
	return view_says(view, &v[DIFF_OLD]) != view_says(view, &v[DIFF_NEW]);
}

/* Numbers of rows have no use for the values above DIFF_OUTSIDE: those mean `why`. */
struct verdict verdict_of_why(uint32_t why);
/* Of a decision over one dimension. */
struct verdict verdict_at(const struct compiled_policy *c, const struct ks_decision *d,
			  uint32_t at);
/* The decision of one element, which may be a slice of its own; hi as above. */
const struct ks_decision *decision_at(const struct compiled_policy *c,
				      const struct ks_decision *d, uint32_t at, uint32_t *hi);

struct piece {
	struct diff_change change;
	uint32_t values;	/* as in struct diff_item */
	struct numbers v;	/* lo, hi pairs */
};

/* Elements collected by the change that they are subject to. */
struct pieces {
	struct arena *mem;
	struct piece *piece;
	size_t n;
};

struct diff_change change_of(const struct diff_view *view, const struct verdict *was,
			     const struct verdict *now);
/* Spans come in ascending order; neighbours are joined. */
void pieces_add(struct pieces *p, struct diff_change change, uint32_t values, uint32_t lo,
		uint32_t hi);
/* policy_diff_values.c: what changes of elements that each policy decides in one way */
void compare_elements(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
		      const struct verdict v[DIFF_SIDES], uint32_t fc, uint32_t lo, uint32_t hi,
		      struct pieces *out);
/* Entry of d->sets; all elements of the function are 0 to KS_NO_VALUE. */
uint32_t piece_set(struct policy_diff *d, const struct piece *p, uint32_t fc);

struct items {
	struct arena *mem;
	struct diff_item *v;
	size_t n;
};

/* Items that are equal but for their functions, units or cells become one. */
void items_add(struct policy_diff *d, struct items *l, const struct diff_item *item);
/* Likewise among all items, one kind of set after the other. */
void items_join(struct policy_diff *d, struct items *l);

void diff_regions(struct policy_diff *d);
void diff_names(struct policy_diff *d);		/* classes, tags, routes of both */
void diff_modbus(struct policy_diff *d, const struct diff_view view[DIFF_SIDES], struct items *out);
void diff_cip(struct policy_diff *d, const struct diff_view view[DIFF_SIDES], struct items *out);
void diff_settings(struct policy_diff *d);
void diff_zones(struct policy_diff *d);
/* One that is the same in both is left out. */
void diff_add_setting(struct policy_diff *d, const char *what, const char *was, const char *now);

/* Row of the unit's decisions; DIFF_UNIT and so on where no row decides. */
uint32_t modbus_row(const struct diff_view *v, uint32_t unit);
/* `asset` NULL: inside CIP, where nothing is opaque. */
struct verdict modbus_verdict(const struct compiled_policy *c, uint32_t row,
			      const struct ks_asset_rec *asset, uint32_t fc, uint32_t at);

#endif
