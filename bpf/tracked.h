/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of connections: keys and values of the tables of TCP flows, their
 * rings and clients, and of CIP connections. Part of shared.h, which includes it;
 * same rules.
 */
#ifndef KEYSWITCH_TRACKED_H
#define KEYSWITCH_TRACKED_H

/* ---- flows ---- */

/* Both VLAN ids (12 bits each, never PCP/DEI) below the IP protocol. */
#define KS_LINK(proto, outer, inner) \
	((__u32)(proto) << 24 | (__u32)(outer) << 12 | (__u32)(inner))

struct ks_key4 {
	__be32 client;		/* wire order */
	__be32 server;		/* wire order */
	__be16 cport;		/* wire order */
	__be16 sport;		/* wire order */
	__u32 link;		/* KS_LINK */
};
_Static_assert(sizeof(struct ks_key4) == 16, "ks_key4");

struct ks_key6 {
	__u8 client[16];	/* wire order */
	__u8 server[16];	/* wire order */
	__be16 cport;		/* wire order */
	__be16 sport;		/* wire order */
	__u32 link;		/* KS_LINK */
};
_Static_assert(sizeof(struct ks_key6) == 40, "ks_key6");

#define KS_F_BUSY	0x01	/* one CPU is copying and judging bytes at c_nxt */
#define KS_F_AUDIT	0x02	/* adopted without its handshake: named unsound */
#define KS_F_LOST	0x04	/* monitor only: cursor lost, waits for a border */
#define KS_F_PENDING	0x08	/* a SYN arrived on a live connection (pending iss) */
#define KS_F_CFIN	0x10	/* client FIN seen, at c_fin */
#define KS_F_SFIN	0x20	/* server FIN seen, at s_fin */
#define KS_F_QFLOW	0x40	/* counted in its client's flow quota */
#define KS_F_QHALF	0x80	/* counted in its client's half-open quota */

#define KS_CL_CACK	0x01	/* client FIN acknowledged by the server */
#define KS_CL_SACK	0x02	/* server FIN acknowledged by the client */
#define KS_CL_SHORT	0x04	/* client RST or FIN seen: idle limit is KS_T_CLOSING */
#define KS_CL_BEYOND	0x08	/* an ACK behind the client's FIN went on: nothing new does */
#define KS_CL_SAMPLE	0x40	/* a request is timed: sample_end, sample_us */
#define KS_CL_KEPT	0x80	/* the last KS_KEPT_BYTES before c_nxt are in `kept`, not in the ring */
#define KS_CL_MISMATCH	0x10	/* counts retransmissions with other bytes, two bits: third one kills */

/* How requests are handed on: of the asset (low bits), and of the connection. */
#define KS_HOW_ASSEMBLE	0x01	/* a partial message stays here until it is whole */
#define KS_HOW_SINGLE	0x02	/* one message a segment, the next after the reply */
#define KS_HOW_ASSET	0x03
#define KS_HOW_SACK	0x04	/* both sides speak SACK */
#define KS_HOW_FRAMED	0x08	/* single: `reply` is the awaited reply's end, else its beginning */
#define KS_HOW_ROOM	0x10	/* the server's MSS was lowered by KS_JOIN_ROOM */
#define KS_HOW_PROVEN	0x40	/* the server has sent something: its socket exists */
#define KS_HOW_SBUSY	0x80	/* a CPU follows the server's stream */
#define KS_HOW_WAIT	0x20	/* single: a request went on, its reply has not been seen */

/*
 * Most bytes of a partial message that are kept and acknowledged. They go in front
 * of its last piece, and a frame can grow by no more: XDP's headroom of 256 bytes
 * less struct xdp_frame. The rest of the longest ADU (48 bytes) comes in one piece.
 */
#define KS_JOIN_MAX	212
#define KS_JOIN_ROOM	264	/* by so much a server's MSS is lowered for it, multiple of 4 */
#define KS_JOIN_SEG	1200	/* without that: longest payload that is put together */
#define KS_KEPT_BYTES	12	/* a plain request: MBAP header, function code, two words */
#define KS_REPLY_HEAD	64	/* bytes of a reply that are looked at */
#define KS_SCALE_UNKNOWN 0xff	/* handshake not seen: window left alone */

/* Timeouts in ns of the states (design section 2, close and GC). */
#define KS_SECOND	1000000000ull
#define KS_T_OPENING	(75 * KS_SECOND)
#define KS_T_IDLE	(24 * 3600 * KS_SECOND)
#define KS_T_CLOSING	(120 * KS_SECOND)
#define KS_T_TOMBSTONE	(1 * KS_SECOND)
/* With the table more than a quarter full a tombstone is deleted after so much. */
#define KS_T_REUSE	(KS_SECOND / 50)
/*
 * The table is looked through in parts: so many entries, every so many ns. What is due takes
 * longer than what is not: after so many the part is over, and the next one comes sooner.
 */
#define KS_SWEEP_AT_ONCE 32
#define KS_SWEEP_EVERY	(KS_SECOND / 500)
#define KS_SWEEP_DUE	8
#define KS_SWEEP_SOON	(KS_SECOND / 4000)
/* Then a killed one is looked after so soon: both sides have had their RST. */
#define KS_T_KILLED	(1 * KS_SECOND)

/*
 * The plain Modbus request that was refused last, as it stands in the packet. Only what is
 * counted and told once hangs on it, so that it is written without the lock.
 */
struct ks_told {
	__u64 bytes;		/* the first eight, 0 = none: no length is 0 */
	__u32 rest;
	__u32 seq;		/* host order, of its first byte */
};

/*
 * One TCP connection (design section 2), or a free entry. Sequence numbers host order. The
 * first cache line, and the key in the second, are all that a plain request and its reply
 * need (plain.h).
 */
struct ks_flow {
	struct bpf_spin_lock lock;
	__u8 state;		/* enum ks_state */
	__u8 flags;		/* KS_F_* */
	__u8 proto;		/* enum ks_proto */
	__u8 how;		/* KS_HOW_* */
	__u32 version;		/* raised by every state change under the lock */
	__u32 c_nxt;		/* next client byte to be inspected */
	__u32 c_una;		/* oldest client byte that the server has not acknowledged */
	__u32 s_nxt;		/* beyond the last server byte seen */
	/*
	 * First byte of the message that c_nxt stands in. What the server was given ends
	 * at c_nxt, or here where partial messages are assembled (flow_sent()).
	 */
	__u32 msg_start;
	__u32 slot;		/* ring slot + 1, 0 = none */
	__u64 t_last;		/* ns, last packet of either side */
	__u32 profile;		/* resolved at generation */
	__u32 generation;
	__u16 asset;
	__u8 close;		/* KS_CL_* */
	__u8 pair;		/* client port of the pair that saw the SYN */
	__u32 border;		/* a message border that the server has acknowledged */
	__u32 irs;		/* server's initial sequence number */
	__u16 refused;		/* bytes of the message refused at c_nxt, 0 = none */
	__u8 abi;		/* KS_ABI of the program that made the entry */
	__u8 scale;		/* server's window scale (RFC 7323), KS_SCALE_UNKNOWN */
	/* the second cache line */
	struct ks_key6 key;	/* IPv4: a struct ks_key4 in its first bytes, then zeroes */
	__u32 ev;		/* second << 8 | number of this flow's events in it */
	__u32 mark;		/* a message border to become `border` once acknowledged */
	__u16 win;		/* server's last window as the client takes it (>> scale) */
	__u8 family;		/* 4, 6: of the key; 0 = the entry is free */
	__u8 pad;
	union { /* the one of Modbus, the other of EtherNet/IP */
		__u8 kept[KS_KEPT_BYTES]; /* KS_CL_KEPT: the last bytes before c_nxt (kept.h) */
		__u8 near_route[KS_KEPT_BYTES];
	};
	/* the third */
	__u64 id;		/* never repeats: cpu << 48 | per-CPU count */
	union { /* the one under KS_F_PENDING, the other under KS_CL_SAMPLE, never both */
		__u32 pend_iss;
		__u32 sample_end; /* beyond the last byte of the request that is timed */
	};
	union {
		__u32 pend_ms;	/* when the pending SYN came, ns >> 20 */
		__u32 sample_us; /* when the request went on, CLOCK_MONOTONIC us */
	};
	__u32 c_fin;		/* sequence number of the FIN itself */
	__u32 s_fin;
	__u32 iss;		/* client's initial sequence number */
	__u32 claim;		/* version under which KS_F_BUSY was set */
	/* single: first byte of the next reply, or its end; EtherNet/IP: the client's last ack */
	__u32 reply;
	__u32 at;		/* number of this entry */
	__u32 begun;		/* when the entry came, CLOCK_MONOTONIC seconds */
	__u16 cwin;		/* EtherNet/IP: the client's last window, as in its header */
	/* EtherNet/IP: the CIP connection that was looked up last, see conn_near() */
	__u8 near;		/* 1 + bytes of its route's text, 0 = none */
	__u8 near_hops;		/* of the route */
	__u32 near_id;		/* O->T */
	__u32 near_changes;	/* table_use.changes */
	__u32 near_ms;		/* and the time when it was, ns >> 20 */
	__u8 pad2[4];
	/* the fourth: no other's room, as a CPU that was held up may write it very late */
	struct ks_told told;
	__u8 pad3[48];
};
_Static_assert(__builtin_offsetof(struct ks_flow, key) == 64, "ks_flow: first cache line");
_Static_assert(__builtin_offsetof(struct ks_flow, id) == 128, "ks_flow: second cache line");
_Static_assert(__builtin_offsetof(struct ks_flow, told) == 192, "ks_flow: third cache line");
_Static_assert(sizeof(struct ks_flow) == 256, "ks_flow is four cache lines");

/*
 * How far the server's stream of an EtherNet/IP connection has been followed; written
 * under KS_HOW_SBUSY.
 */
struct ks_reply {
	__u32 total;		/* bytes of the message, 0 = header incomplete */
	__u32 gone;		/* bytes of it that came so far */
	__u8 head[KS_REPLY_HEAD]; /* its first bytes */
};

struct ks_modbus_ring {
	__u8 bytes[KS_MB_RING_BYTES];
};

struct ks_enip_ring {
	__u8 bytes[KS_EIP_RING_BYTES];
	struct ks_reply reply;
};

/* ---- CIP connections (Vol 1 3-5, Vol 2 2-4) ---- */

enum ks_conn_kind {
	KS_CONN_ROUTER = 1,	/* explicit, to the Message Router */
	KS_CONN_OTHER = 2,	/* explicit, to another object */
	KS_CONN_IO = 3,		/* transport class 0 or 1, UDP 2222 */
};

/* What a (Large_)Forward_Open asks for. Numbers host order. */
struct ks_open {
	__u32 to_id;		/* T->O connection id, the originator's choice */
	__u32 oserial;		/* with serial and vendor: the connection's triad */
	__u16 serial;
	__u16 vendor;
	__u32 ot_rpi;		/* us */
	__u16 ot_size;		/* bytes of O->T data, its sequence count included */
	__u8 variable;		/* at most ot_size, else exactly */
	__u8 kind;		/* enum ks_conn_kind, 0 = not an open */
	__u8 timeout;		/* multiplier: 4 << timeout intervals */
	__u8 class1;		/* O->T data begins with a sequence count */
	__u8 pad[2];
	struct ks_route route;	/* that of the request, then of the connection path */
};
_Static_assert(sizeof(struct ks_open) == 64, "ks_open");

/* opens: a request that went on, not answered yet */
struct ks_open_key {
	__u64 flow;		/* struct ks_flow.id */
	__u32 to_id;
	__u32 oserial;
	__u16 serial;
	__u16 vendor;
	__u32 pad;
};

struct ks_conn_key {
	__u8 client[16];	/* wire order, IPv4 as ::ffff:a.b.c.d */
	__u8 server[16];
	__u32 id;		/* O->T connection id, the target's choice */
	__u32 link;		/* KS_LINK without the protocol */
};

struct ks_triad_key {
	__u8 client[16];
	__u8 server[16];
	__u32 oserial;
	__u16 serial;
	__u16 vendor;
};

struct ks_conn {
	struct bpf_spin_lock lock;
	__u32 seq;		/* I/O: last sequence number of the addressed item */
	__u64 flow;		/* id of the TCP connection that opened it, 0 = adopted */
	__u64 t_last;		/* ns */
	struct ks_open open;
	__u32 at;		/* number of that TCP connection's entry */
	__u8 begun;		/* seq is valid */
	__u8 pad[3];
};
_Static_assert(sizeof(struct ks_conn) == 96, "ks_conn");

/* ---- connections through conduits ---- */

#define KS_CF_REPLIED	0x01	/* the side that was opened to has answered */
#define KS_CF_FIN	0x02	/* of the opener */
#define KS_CF_RFIN	0x04	/* of the other side */
#define KS_CF_RST	0x08
#define KS_CF_DONE	0x10	/* ended by policy, or its entry is free to be taken again */

#define KS_T_DATAGRAMS	(180 * KS_SECOND) /* UDP and ICMP that was answered */
#define KS_T_UNANSWERED	(30 * KS_SECOND)
#define KS_T_LAST_ACKS	(10 * KS_SECOND)

/*
 * Key: struct ks_key6, IPv4 as ::ffff:a.b.c.d; client is the side that opened, ports of
 * an ICMP echo are its identifier and 0.
 */
struct ks_conduit_flow {
	__u64 t_last;		/* ns, last packet of either side */
	__u32 generation;	/* policy that allowed it last */
	__u32 conduit;		/* 0 = OT datagrams: their replies alone are looked up here */
	__u32 seen;		/* KS_CF_* */
	__u32 pad;
};
_Static_assert(sizeof(struct ks_conduit_flow) == 24, "ks_conduit_flow");

struct ks_client_key {
	__u8 addr[16];		/* wire order, IPv4 as ::ffff:a.b.c.d */
};

struct ks_client_use {
	__s32 flows;
	__s32 half_open;
	__u32 known;		/* 1 = had a completed handshake */
	__u32 pad;
};

/* Entries in use, and what may be used: table_use, ARRAY[1]. Attach writes the limits. */
struct ks_table_use {
	__u32 flows[2];		/* IPv4, IPv6 */
	__u32 rings[2];		/* Modbus, EtherNet/IP */
	__u32 flows_max;
	__u32 rings_max[2];
	__u32 conduits;		/* connections through conduits */
	__u32 conduits_max;
	__u32 changes;		/* CIP connections that came, went or changed */
};

/* sweep: ARRAY[1], the one timer that looks after all entries (expire.h). */
struct ks_sweep {
	struct bpf_timer timer;
	__u64 last;		/* CLOCK_MONOTONIC ns of its last shot */
	__u32 next;		/* entry that the next shot begins with */
	__u32 pad;
};

#endif
