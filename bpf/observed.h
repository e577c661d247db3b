/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is told of traffic beside events and counters of packets: denied packets. Part of
 * shared.h, which includes it; same rules.
 */
#ifndef KEYSWITCH_OBSERVED_H
#define KEYSWITCH_OBSERVED_H

/* ---- denied packets (denied.h) ---- */

#define KS_DENIED_BYTES	256		/* of a packet, from its first; power of two */
#define KS_DENIED_RING	(1 << 20)
/* So long a reader that says nothing is taken to be there: ns. */
#define KS_DENIED_LEASE	(5 * KS_SECOND)

struct ks_denied {
	__u64 t;		/* CLOCK_MONOTONIC ns */
	__u32 ifindex;
	__u32 len;		/* of the frame */
	__u32 generation;
	__u16 reason;		/* enum ks_reason */
	__u16 bytes_len;	/* bytes used in `bytes` */
	__u16 asset;		/* 0 = none was found */
	__u8 port;		/* index into the port table */
	__u8 role;		/* enum ks_role */
	__u8 mode;		/* enum ks_mode: in KS_MONITOR the packet went on */
	__u8 reset;		/* its connection was ended */
	__u8 pad[6];
	struct ks_leaf leaf;	/* first refused request; leaf.proto == 0: none was judged */
	__u8 bytes[KS_DENIED_BYTES];
};
_Static_assert(sizeof(struct ks_denied) == 480, "ks_denied");

/* denied_ctl: ARRAY[1] */
struct ks_denied_ctl {
	__u64 until;		/* CLOCK_MONOTONIC ns: records are sent until then, 0 = none */
	__u32 all;		/* 1: packets that raise no event, too */
	__u32 pad;
};

/* denied_counts: PERCPU_ARRAY[KS_PORTS_MAX] */
struct ks_denied_count {
	__u64 sent;
	__u64 lost;		/* ring full */
};

#endif
