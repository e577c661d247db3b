/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the comparison of CIP. Only policy_diff_cip.c and policy_diff_inner.c
 * include this.
 */
#ifndef KEYSWITCH_POLICY_DIFF_CIP_H
#define KEYSWITCH_POLICY_DIFF_CIP_H

#include "policy_diff_parts.h"

/* Two rows of pol_cip that are compared, and the Modbus rows behind class 0x44. */
struct rows {
	uint32_t cip[DIFF_SIDES];
	uint32_t modbus[DIFF_SIDES];
};

/* Boxes of one change. */
struct stack {
	struct diff_change change;
	struct diff_box *v;
	size_t n;
};

/* Two sets of CIP decisions that are being compared, cell by cell. */
struct comparison {
	struct policy_diff *d;
	const struct diff_view *view;
	const struct rows *rows;
	struct arena tmp;
	struct items *out;
	uint32_t class, service;	/* the present leaf's first cell */
	const struct ks_decision *cell[DIFF_SIDES]; /* NULL: the row is a `why` */
	struct stack *stack;
	size_t n;
	struct pool items;		/* without cells ... */
	struct numbers *cells;		/* ... and those, same index */
};

/* What is done with instances and attributes that each policy decides in one way. */
typedef void box_fn(struct comparison *k, const struct diff_box *box,
		    const struct verdict v[DIFF_SIDES]);

/* policy_diff_inner.c: the box_fn of cells that hold Modbus */
void inner_box(struct comparison *k, const struct diff_box *box,
	       const struct verdict v[DIFF_SIDES]);
/* What changes as a whole is a matter of CIP alone. */
void join_inner(struct policy_diff *d, struct items *l);

#endif
