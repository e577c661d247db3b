/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one packet's walk writes down beside its record, stage by stage, and the area of
 * each CPU that holds it all. Part of pkt.h, which includes it.
 */
#ifndef KEYSWITCH_WORK_H
#define KEYSWITCH_WORK_H

#include "plain_walk.h"

/* The walk over TCP options; all but size begin as 0. */
struct ks_option_walk {
	__u32 pos;
	__u32 size;
	__u32 blank;		/* bytes of an option still to be overwritten */
	__u32 reason;		/* why the list is refused, 0 = it is not */
	__u32 mptcp;		/* MPTCP was seen, and overwritten in the copy */
	__u32 lowered;		/* MSS was lowered in the copy */
	__u32 partial;		/* checksum was left to the NIC (checksum.h) */
};

/*
 * How far a walk over messages has come (walk.h). In map memory for the reason that
 * options.h gives; all begin as 0 but reason.
 */
struct ks_walk_state {
	__u32 cur;		/* start of the message being looked at */
	__u32 end;		/* beyond the last byte in the ring */
	__u32 total;		/* bytes of the message at cur, 0 = not looked at yet */
	__u32 request;		/* next request in it */
	__u32 requests;		/* how many there are, 0 = the message itself */
	int refused;		/* first reason found in it, else KS_GO */
	int reason;		/* first reason of the walk, else KS_GO */
	__u8 partial;		/* bytes [cur, end) are an incomplete message */
	__u8 whole;		/* at least one whole message was seen */
	__u8 pad[2];
};

#define KS_RATED_MAX	4	/* limits of rate that one request may meet */
#define KS_TAKEN_MAX	64	/* requests of one packet whose tokens can be given back */

#define KS_SPAN_SEEN	2	/* ranges of values that a walk remembers */
#define KS_SPAN_RUN	32	/* elements between two steps of it, at most */

/* How far the walk over the elements of a request has come (span.h). */
struct ks_span_state {
	struct ks_decision slice;
	__u32 at, hi;		/* elements still to be looked at */
	__u32 lo;		/* the request's first one */
	__u32 fc;		/* function that is judged */
	__u32 start;		/* offset of the first value in the message */
	__u32 little;		/* values are little-endian */
	__u32 value, value_hi;	/* what is written at `at`: all from value on, once begun */
	__u32 begun;
	__u32 known;		/* `value` could be read */
	__u32 end;		/* last element that is decided as the one at `at` is */
	__u32 by_value;		/* by what is written there ... */
	__u32 values;		/* ... with that of pol_values */
	__u32 n_seen;		/* values that were looked up there, and allowed: the last two */
	struct { __u32 lo, width; } seen[KS_SPAN_SEEN];
	__u32 looked;		/* an element was looked at */
	__u32 refused;		/* one was refused */
	__u32 whole;		/* all were looked at */
	__u32 rule;		/* of the first element, or of the refused one */
};

/* What policy_pair() and policy_ask() write over. */
struct shadow_kept {
	__u32 slot, profile, rule, alert, value_at, value;
	__u16 asset;
	__u8 proto, how, value_type;
};

/* Where policy_cip() found what the last leaf of this message leads to: all but its route. */
struct policy_cell {
	__u32 slot;		/* KS_SLOTS: nothing was found yet */
	__u32 profile;
	__u32 class;
	__u32 service;
	__u32 key;		/* of pol_cip */
};

/* A sum being made of bytes in `seg`. */
struct ks_sum_state {
	__u64 sum;
	__u32 pos;
	__u32 end;
};

/*
 * Everything of one packet's walk that need not be on the 512-byte stack. Values
 * read from here are unknown to the verifier, which keeps its states few.
 */
struct ks_work {
	struct pkt pkt;
	struct cip_work cip;
	struct ks_open open;		/* Forward_Open being judged; kind 0 = it is none */
	struct ks_open_key open_key;	/* keys of conn.h's look-ups; the stack is short */
	struct ks_conn_key conn_key;
	__u32 near, near_hops;		/* as in the flow (conn_near()); near is 0 but in enip_plain() */
	__u32 near_id, near_changes;
	__u8 near_route[KS_KEPT_BYTES];
	__u32 found_changes;		/* table_use.changes before conn_message()'s look */
	struct ks_triad_key triad_key;
	struct ks_key4 quoted_key;	/* of the packet that an ICMP error quotes (zone.h) */
	struct ks_key6 conduit_key;	/* of conduit.h's look-ups */
	struct ks_key6 conduit_old;	/* entry that may go */
	__u32 reply_at, reply_end;	/* server's bytes still to be followed, frame offsets */
	__u8 reply_head[2 * KS_REPLY_HEAD];
	struct ks_leaf leaf;		/* request being judged */
	struct ks_exception_client exception;
	__u64 tick, tick_ns;		/* pkt_clock(): jiffies and the clock then; they outlive a packet */
	struct ks_memo memos[KS_MEMOS];	/* of plain_decide.h; likewise */
	__u64 clock_tick;		/* p->now when clock_left was set; likewise */
	__u32 clock_left;		/* requests that may still be timed in this tick */
	struct ks_leaf denied;		/* first refused one, while denied packets are read */
	struct shadow_kept shadow;	/* of shadow.h; the stack is short */
	struct ks_shadow_key shadow_key;
	struct ks_tag_key tag;		/* tag path in lower case, for the lookup */
	__u32 refused;			/* why the dissector refused the leaf, 0 = it did not */
	struct policy_cell cell;
	struct ks_span_state span;
	__u32 marks;			/* KS_D_* of what the leaf's elements met */
	__u32 n_rated;			/* rules with a rate that allow it; above the maximum: too many */
	__u32 rated[KS_RATED_MAX];
	__u32 taken[KS_TAKEN_MAX];	/* pol_buckets of tokens that this packet took */
	__u64 interval[KS_TAKEN_MAX];	/* and their worth */
	__u64 head[KS_HEAD_MAX / 8];	/* first bytes of the message being judged */
	__u32 head_len;
	struct ks_option_walk options;
	struct ks_walk_state walk;
	struct ks_sum_state sum;
	struct ks_plain_walk plain;
	struct ks_known known[KS_KNOWN]; /* they outlive a packet */
	__u8 seg[KS_EIP_SEG + 64];	/* payload copy for the retransmission compare */
};

#endif
