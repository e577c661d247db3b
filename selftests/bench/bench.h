/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pacer (bench.bpf.c) and its driver share. Byte order is the machine's
 * unless said.
 */
#ifndef KEYSWITCH_BENCH_H
#define KEYSWITCH_BENCH_H

#include <linux/types.h>

#define BENCH_FLOWS	(1u << 20)	/* most connections of a run */

/* One connection: who the client is, and where both streams are. */
struct bench_flow {
	__u8 client[16];	/* wire order; IPv4 in the first four bytes */
	__u16 cport;		/* wire order */
	__u16 pad;
	__u32 c_seq;		/* next of the client */
	__u32 s_seq;		/* next of the server */
	__u32 pad1;
};

/* A run of one frame over all connections. */
struct bench_run {
	__u32 next;		/* position in `order` */
	__u32 flows;
	__u32 step;		/* sequence numbers that a frame takes */
	__u32 back;		/* by so much it begins before the flow's next */
	__u32 base;		/* sum of segment and pseudo header without what is written */
	__u16 window;		/* wire order */
	__u8 number;		/* frame offset of 32 bits that get the flow's number, 0 = none */
	__u8 stamp;		/* frame offset of 16 bits that count frames, 0 = none */
	__u8 v6;
	__u8 from_client;
	__u8 raw;		/* the frame as it is, no connection's */
	__u8 pad;
	__u16 stamped;
};

#endif
