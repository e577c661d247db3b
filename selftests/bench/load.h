/* SPDX-License-Identifier: GPL-2.0-only */
/* What the load programs and the benchmark `forward` share. */
#ifndef KEYSWITCH_LOAD_H
#define KEYSWITCH_LOAD_H

#include <linux/types.h>

#define LOAD_HEAD	54	/* Ethernet, IPv4, TCP without options */
#define LOAD_SYNACK	86	/* no later frame is longer: some veths leave no room to grow */
#define LOAD_REQUEST	66
#define LOAD_REPLY	83

#define LOAD_FLOWS	64
#define LOAD_PORT	20000	/* of the first client */
#define LOAD_ISN	5000
#define LOAD_SERVER_ISN	1000

struct load_flood {
	__u8 macs[12];		/* destination, source */
	__u32 ifindex;		/* where the frames leave */
	__u32 next;
	__u32 pace;		/* ns from one frame to the next */
	__u64 due;		/* of the next one, by bpf_ktime_get_ns() */
};

/* Frames as they leave: all but MAC addresses, client port, numbers and TCP checksum. */
struct load_frames {
	__u8 request[LOAD_REQUEST];
	__u8 synack[LOAD_SYNACK];
	__u8 reply[LOAD_REPLY];
	__u8 pad;
	__u32 request_base;	/* sums of the segments without what is written */
	__u32 synack_base;
	__u32 reply_base;
};

#endif
