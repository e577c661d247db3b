/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pacer (bench.bpf.c) and its driver share. Byte order is the machine's
 * unless said.
 */
#ifndef KEYSWITCH_BENCH_H
#define KEYSWITCH_BENCH_H

#include <linux/types.h>

#define BENCH_FLOWS	(1u << 20)	/* most connections */
#define BENCH_LANES	2		/* CPUs that send at once */

/* One connection: who the client is, and where both streams are before a run. */
struct bench_flow {
	__u8 client[16];	/* wire order; IPv4 in the first four bytes */
	__u16 cport;		/* wire order */
	__u16 pad;
	__u32 c_seq;		/* next of the client */
	__u32 s_seq;		/* next of the server */
	__u32 pad1;
};

/*
 * A run of one frame over connections, in laps that send one for each. Only the program
 * writes here while it runs, and nothing in the connections: two CPUs may share those.
 */
struct bench_run {
	__u32 next;		/* 0 .. flows - 1 */
	__u32 first;		/* position in `order` of the first */
	__u32 flows;
	__u32 step;		/* sequence numbers that a frame takes */
	__u32 ahead;		/* those that the laps before took */
	__u32 back;		/* by so much it begins before the flow's next */
	__u32 base;		/* sum of segment and pseudo header without what is written */
	__u32 stamped;
	__u16 window;		/* wire order */
	__u8 number;		/* frame offset of 32 bits that get the flow's number, 0 = none */
	__u8 stamp;		/* frame offset of 16 bits that count frames, 0 = none */
	__u8 wide;		/* 1: of 32 bits */
	__u8 v6;
	__u8 from_client;
	__u8 udp;
	__u8 raw;		/* 1: the frame as it is, no connection's */
	__u8 turns;		/* 1: every other lap is the server's, answering with the same bytes */
	__u16 sport;		/* wire order; turns alone, as the next one */
	__u8 server[16];	/* as in struct bench_flow */
	__u8 pad[4];
};
_Static_assert(sizeof(struct bench_run) == 64, "a cache line for each lane");

#endif
