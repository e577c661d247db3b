/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is told of traffic beside events and counters of packets: denied packets, errors
 * that devices answer, how long they take. Part of shared.h, which includes it; same rules.
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

/* ---- errors that devices answer (exception.h) ---- */

#define KS_EXCEPTIONS	4096		/* (asset, kind, status) counted by name */
#define KS_EXCEPTION_CLIENTS 1024	/* those with their client that are remembered */

enum ks_answer {
	KS_ANSWER_UNREAD = 0,	/* not known what: status 0 */
	KS_ANSWER_MODBUS = 1,	/* exception code */
	KS_ANSWER_CIP = 2,	/* general status */
	KS_ANSWER_ENCAP = 3,	/* status of the encapsulation */
	KS_ANSWER_MAX = 4
};

struct ks_exception_key {
	__u16 asset;		/* 0: of a connection judged under an earlier policy */
	__u16 numbering;	/* of assets: struct ks_pol_cfg */
	__u8 kind;		/* enum ks_answer */
	__u8 status;		/* 255: that or above */
	__u16 pad;
};
_Static_assert(sizeof(struct ks_exception_key) == 8, "ks_exception_key");

struct ks_exception_client {
	struct ks_exception_key what;
	struct ks_client_key client;
};
_Static_assert(sizeof(struct ks_exception_client) == 24, "ks_exception_client");

struct ks_exception_count {
	__u64 replies;		/* unread: segments */
	__u64 last;		/* CLOCK_MONOTONIC ns */
};

/* ---- how long devices take (latency.h) ---- */

#define KS_LATENCY_ASSETS	1024	/* assets whose times are kept */
#define KS_LATENCY_BUCKETS	26	/* of at most 2^n us; the last has no limit: above 16.8 s */

struct ks_latency_key {
	__u16 asset;
	__u16 numbering;
};

/* latency: PERCPU_HASH */
struct ks_latency {
	__u64 samples[KS_LATENCY_BUCKETS];
	__u64 us;		/* sum of all */
};

#endif
