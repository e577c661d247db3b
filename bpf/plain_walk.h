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

/*
 * By what a request was decided that is remembered. Those of a plant come again and again,
 * and its policy's tables need not be asked again: a generation's never change, and its
 * number never comes again (user/push.c).
 */
struct ks_decided {
	__u64 loaded;		/* program, see struct ks_load_cfg */
	__u32 generation;	/* of the policy, 0 = nothing was decided yet */
	__u32 profile;
};

/* A plain Modbus request (plain_decide.h). Of one CPU; outlives a packet. */
struct ks_memo {
	struct ks_decided by;
	__u32 from, to;		/* elements; of all of them: 0, KS_ELEMENTS_ALL */
	__u32 rule;
	__u32 what;		/* plain_what(): asset, unit id, function code */
	__u8 reason;		/* KS_R_ok or KS_R_policy_deny */
	__u8 quiet;		/* refused: no event tells of it */
	__u8 pad[6];
};

#define KS_MEMOS	64	/* power of two */
#define KS_ELEMENTS_ALL	(~0u)

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

#define KS_KNOWN	128	/* power of two */
#define KS_KNOWN_PATH	64	/* bytes of a request's path, */
#define KS_KNOWN_ROUTE	16	/* and of its route's text */

/* A CIP request that was allowed without a word (enip_known.h). Likewise. */
struct ks_known {
	struct ks_decided by;
	__u32 rule;		/* that allowed it */
	__u32 class;		/* key_class of its leaf */
	__u8 service;
	__u8 words;		/* of its path */
	__u8 flags;		/* of cip_leaf() */
	__u8 many;		/* a tag: several elements were asked for */
	__u8 routes;		/* policy tells routes apart: it was this one's, */
	__u8 route_len;
	__u8 pad[2];
	__u8 route[KS_KNOWN_ROUTE];
	__u8 path[KS_KNOWN_PATH];
};

#endif
