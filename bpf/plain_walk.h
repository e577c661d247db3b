/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the looks at plain segments (plain_many.h, enip_plain.h) write down; lives in struct
 * ks_work.
 */
#ifndef KEYSWITCH_PLAIN_WALK_H
#define KEYSWITCH_PLAIN_WALK_H

#include "shared.h"

#define KS_PLAIN_RUNS	64	/* power of two */
#define KS_PLAIN_NONE	(~0ull)	/* like no header */

/* Of a flow, read before the lock; under it it must still be so. */
struct plain_of {
	__u32 slot;		/* of the ring */
	__u32 profile;
	__u16 asset;
	__u16 pad;
};

/* Requests that go on, one behind the other, and are counted in the same places. */
struct ks_plain_run {
	__u32 rule;
	__u32 class;
	__u16 function;
	__u16 n;
};

/* How far the look at a segment has come; all but `of`, runs and run are plain_many.h's. */
struct ks_plain_walk {
	struct plain_of of;
	__u32 off;		/* of the next request in the payload */
	__u32 known;		/* unit and function that `rule` allows, whatever the elements */
	__u32 rule;		/* that allows the last one that was asked about */
	__u64 same;		/* header of the last one, if one like it needs no look, see plain_head() */
	__u32 runs;
	struct ks_plain_run run[KS_PLAIN_RUNS];
};

#endif
