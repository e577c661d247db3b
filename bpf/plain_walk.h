/* SPDX-License-Identifier: GPL-2.0-only */
/* What plain_many.h knows of the segment that it looks at; lives in struct ks_work. */
#ifndef KEYSWITCH_PLAIN_WALK_H
#define KEYSWITCH_PLAIN_WALK_H

#include "shared.h"

#define KS_PLAIN_RUNS	64	/* power of two */
#define KS_PLAIN_NONE	(~0ull)	/* like no header */

/* Requests of one function that one rule allows, one behind the other in a segment. */
struct ks_plain_run {
	__u32 rule;
	__u16 function;
	__u16 n;
};

/* How far the look at a segment of plain requests has come (plain_many.h). */
struct ks_plain_walk {
	__u32 off;		/* of the next one in the payload */
	__u32 profile;
	__u32 known;		/* unit and function that `rule` allows, whatever the elements */
	__u32 rule;		/* that allows the last one that was asked about */
	__u32 runs;
	__u64 same;		/* header of the last one, if one like it needs no look, see plain_head() */
	struct ks_plain_run run[KS_PLAIN_RUNS];
};

#endif
