/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one struct carried along the walk, with the work area of each CPU (work.h), and the
 * load configuration. A stage reads what earlier stages wrote and returns KS_GO or
 * a reason; only verdict.h turns a reason into an XDP action.
 */
#ifndef KEYSWITCH_PKT_H
#define KEYSWITCH_PKT_H

#include "shared.h"
#include "reasons.h"
#include "states.h"
#include "verifier.h"
#include "cip.h"
#include "enip.h"

#define KS_GO (-1) /* stage result: go on; anything >= 0 is an enum ks_reason */

/* TCP flags as in byte 13 of the header (RFC 9293); ECE, CWR, PSH are ignored. */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_URG 0x20

const volatile struct ks_load_cfg cfg = {};
/* Whose pinned maps this object can share; `upgrade` asks before it loads another. */
const volatile __u32 object_abi = KS_ABI;

/*
 * What the stream stage may do with a client segment; fixed under the flow's
 * lock (claim), published under it again (flow_publish). All numbers are TCP
 * sequence numbers or byte counts.
 */
struct take {
	__u64 id;		/* flow's identity and version at the claim */
	__u32 version;
	__u32 slot;		/* ring index */
	__u32 seq;		/* first new byte */
	__u32 start;		/* first byte of the message it belongs to */
	__u32 accept;		/* result: bytes up to here are taken */
	__u32 next_start;	/* result: start of the message that accept stands in */
	__u32 pass;		/* result: bytes up to here may go on */
	__u32 lo, hi;		/* result: stream bytes that may go on */
	__u32 border;		/* message border at or below what is compared */
	__u32 cmp_seq;		/* first retransmitted byte to compare with the ring */
	__u32 refused_before;	/* bytes of the message that was refused at seq, 0 = none */
	__u32 refused;		/* result: those of the one refused now */
	__u16 cmp_len;		/* payload bytes to compare, from its start */
	__u16 skip;		/* payload bytes before seq */
	__u16 n;		/* new bytes taken into the ring */
	__u8 claimed;
	__u8 join;		/* the asset's partial messages are assembled */
	__u8 single;		/* one message a segment */
	__u8 audit;		/* adopted: CIP connections may be older than what is known */
	__u8 probe;		/* position unknown: must be whole messages to count */
	__u8 sound;		/* result: what is sent again equals the ring, lo and hi hold */
	__u8 kill;		/* result: end the connection */
	__u8 lost;		/* result: position lost (monitor, adoption) */
};

/* What becomes of the packet's bytes where the action is not plain pass or drop. */
enum ks_out {
	KS_OUT_SAME = 0,
	KS_OUT_CUT,	/* first out_len bytes of the payload, at out_seq */
	KS_OUT_JOIN,	/* ring bytes [out_seq, out_seq + out_len) as payload */
	KS_OUT_LABEL,	/* out_ack and out_win in place of the server's own */
	KS_OUT_ACK,	/* answered: ACK of out_ack with window out_win */
	KS_OUT_KILL,	/* goes on as a RST at out_seq */
};

/* Where a packet of the client begins, see cookie.h. */
enum ks_inside {
	KS_AT_BORDER = 0,
	KS_INSIDE_DATA,		/* or a probe: no message border is known to be there */
	KS_INSIDE_ACK,		/* the same, without data, behind all that was given */
};

/* Lives in struct ks_work; holds no pointer, map memory cannot. */
struct pkt {
	__u8 role;		/* enum ks_role */
	__u8 v6;
	__u8 l4proto;		/* IPPROTO_* */
	__u8 flags;		/* TCP_* */
	__u8 fragment;		/* 1 = first, 2 = later */
	__u8 extension;		/* IPv6 extension headers were walked */
	__u8 mode;		/* enum ks_mode in force now */
	__u8 follow;		/* monitor or replay: state follows what was sent */
	__u8 proto;		/* enum ks_proto of the request stream or datagram */
	__u8 quota;		/* taken for this SYN, not yet marked in the flow */
	__u8 ends;		/* its state changed toward an end: tcp_settle() */
	__u8 how;		/* KS_HOW_* of the asset; of the flow once that is known */
	__u8 scale;		/* window scale of a SYN-ACK (RFC 7323) */
	__u8 followed;		/* server data to be followed: 1, or 2 from the stream's first byte */
	__u8 reset;		/* the refused request's rule ends its connection */
	__u8 out;		/* verdict: enum ks_out */
	__u8 reported;		/* an event was already sent for this packet */
	__u8 tracked;		/* key names an entry of the flow table */
	__u8 again;		/* the next message was refused and reported before: sent again */
	__u8 judged;		/* work area holds the refused leaf that the event tells */
	__u8 due;		/* that event's rate was asked, and has room */
	__u8 class;		/* enum ks_class (TCP) */
	__u8 resolved;		/* asset and profile below are of `generation` */
	__u16 ethertype;
	__u16 vlan[2];		/* outer, inner VLAN id, 0 = none */
	__u16 l3, l4, pay;	/* offsets from the frame's start */
	__u16 len;		/* payload bytes, by the IP length, never by the frame's end */
	__u16 win;		/* TCP window as in the header */
	__u16 out_len;		/* verdict: payload bytes that go on */
	__u16 out_win;
	__u16 sport, dport;	/* host order */
	__u16 asset;
	/* of the policy in force, as in struct ks_pol_cfg: see pkt_policy() */
	__u32 generation;
	__u32 rules;
	__u8 dflt;
	__u8 unlisted;
	__u8 other;
	__u8 outbound;
	__u8 has_prefixes;
	__u8 llc;
	__u16 numbering;
	__u8 zoned;
	__u8 bound;
	__u32 slot;		/* its slot */
	__u32 profile;
	__u32 seq, ack;		/* host order */
	__u32 out_seq, out_ack;
	__u32 peek_at;		/* where the reply begins whose length is in `peek` */
	__u32 least;		/* irs + 1, the least that a client acknowledges */
	__u32 apart;		/* irs - iss */
	__u8 peek[2];		/* big-endian */
	__u8 peeked;
	__u8 inside;		/* enum ks_inside */
	__u8 out_sack;		/* KS_OUT_ACK: with a block that says what came (RFC 2018) */
	__u8 shadow;		/* slot + 1 of the policy judged beside, 0 = none */
	__u8 taken;		/* entries of ks_work.taken */
	__u8 settled;		/* of those: taken by messages that go on */
	__u8 known;		/* zones, server: its OT connection is in the flow table */
	__u16 zone[2];		/* of source and destination, 0 = in none */
	__u8 timed;		/* `us` is when the request goes on; server: the one that it answers */
	__u32 us;		/* CLOCK_MONOTONIC */
	__u32 at;		/* number of its entry, and the place on the way there (entry.h) */
	__u64 now;		/* ns */
	__u64 fresh;		/* identity of the connection that may begin with it (flow_anew()) */
	union {
		struct ks_key4 k4;
		struct ks_key6 k6;
	} key;			/* client and server, whichever side the packet came from */
	struct take take;	/* pkt_take() first: packet_begin() leaves it as it was */
};

#include "work.h"

/* Sequence number arithmetic modulo 2^32 (RFC 9293 section 3.4). */
#define seq_lt(a, b) ((__s32)((__u32)(a) - (__u32)(b)) < 0)
#define seq_le(a, b) ((__s32)((__u32)(a) - (__u32)(b)) <= 0)

/*
 * Run-time state. Written by the CLI: an array of one as well, but each packet reads it,
 * and here no look-up is needed.
 */
struct ks_state_rec state SEC(".data.state");

/* key: 0, value: scratch of this CPU. Written here only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_work);
} work SEC(".maps");

/* key: 0, value: replay's clock and the number of leaves written. Replay only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_trace_ctl);
} trace_ctl SEC(".maps");

/* key: n-th leaf of the packet, value: the leaf with its verdict. Replay only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_leaf);
} trace SEC(".maps");

static __always_inline struct ks_work *pkt_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&work, &zero);
}

/*
 * The packet of this CPU. Global functions look the work area up: an argument is plain
 * memory to the 6.1 verifier, which takes no map key from such. Those that every plain
 * segment passes are given it all the same, and copy their keys. NULL if w is.
 */
static __always_inline struct pkt *pkt_of(struct ks_work *w)
{
	_Static_assert(__builtin_offsetof(struct ks_work, pkt) == 0, "NULL stays NULL");
	return (struct pkt *)w;
}

/* The other way, without a look-up: the packet's record is a part of the work area. */
static __always_inline struct ks_work *work_of(struct pkt *p)
{
	return (struct ks_work *)p;
}

/* That moment has come. 0 = never: one less is later than all. */
static __always_inline int pkt_past(__u64 now, __u64 moment)
{
	return moment - 1 < now;
}

/* What is in force at this moment. */
static __always_inline const struct ks_force *pkt_force(__u64 now)
{
	const struct ks_force *force = &state.now;

	if (pkt_past(now, state.revert_at))
		force = &state.before;
	KEEP_APART(force);
	return force;
}

#define SAME_PLACE(member, first)                                \
	_Static_assert(__builtin_offsetof(struct pkt, member) -  \
		       __builtin_offsetof(struct pkt, first) ==  \
		       __builtin_offsetof(struct ks_pol_cfg, member) - \
		       __builtin_offsetof(struct ks_pol_cfg, first), #member)

/* What each packet may ask of its policy, in few words. */
static __always_inline void pkt_policy(struct pkt *p, const struct ks_pol_cfg *pol)
{
	SAME_PLACE(rules, generation);
	SAME_PLACE(unlisted, dflt);
	SAME_PLACE(other, dflt);
	SAME_PLACE(outbound, dflt);
	SAME_PLACE(numbering, dflt);
	SAME_PLACE(bound, dflt);
	store_u64(&p->generation, load_u64(&pol->generation));
	store_u64(&p->dflt, load_u64(&pol->dflt));
	p->zoned = pol->zoned;
	p->bound = pol->bound;
}

/*
 * The coarse clock moves with the tick, as jiffies do, and those can be read without a
 * call. Another CPU may be a tick ahead: see pkt_since().
 */
static __always_inline __u64 pkt_clock(struct ks_work *w)
{
	__u64 tick = bpf_jiffies64();
	struct ks_trace_ctl *ctl;
	__u32 zero = 0;

	if (cfg.trace) {
		ctl = bpf_map_lookup_elem(&trace_ctl, &zero);
		return ctl ? ctl->clock : 0;
	}
	if (w->tick != tick) {
		w->tick = tick;
		w->tick_ns = bpf_ktime_get_coarse_ns();
	}
	return w->tick_ns;
}

/* ns that have gone since `then`, which another CPU may have written. */
static __always_inline __u64 pkt_since(const struct pkt *p, __u64 then)
{
	return p->now > then ? p->now - then : 0;
}

/*
 * Header bytes [off, off + n) of the frame or NULL. off is below 512: the
 * deepest header we follow ends there (18 L2 + 40 IPv6 + extensions + 60 TCP),
 * and a packet pointer may only move by a bounded scalar.
 */
static __always_inline void *pkt_at(struct xdp_md *ctx, __u64 off, __u32 n)
{
	void *end = (void *)(long)ctx->data_end;
	void *at = (void *)(long)ctx->data;

	BOUND_OFFSET(off, 512);
	at += off;
	return at + n > end ? NULL : at;
}

/* The same of the payload, off below 4096. */
static __always_inline const __u8 *pkt_far(struct xdp_md *ctx, __u64 off, __u32 n)
{
	const __u8 *end = (__u8 *)(long)ctx->data_end;
	const __u8 *at = (__u8 *)(long)ctx->data;

	BOUND_OFFSET(off, 4096);
	at += off;
	return at + n > end ? NULL : at;
}

/* Bytes of the frame that lie in one piece; a longer one has the rest in fragments. */
static __always_inline __u32 pkt_linear(const struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

/* Connections that were adopted go on. */
static __always_inline int pkt_adopted(const struct pkt *p)
{
	return state.adopt == KS_ADOPT_AUDIT || (p->mode == KS_MONITOR && !cfg.trace);
}

/* Connections without a handshake may be adopted now. */
static __always_inline int pkt_adopts(const struct pkt *p)
{
	return pkt_adopted(p) && (p->follow || p->now < state.adopt_until);
}

/* They are ended. */
static __always_inline int pkt_refuses(const struct pkt *p)
{
	return !p->follow && state.adopt != KS_ADOPT_OFF && !pkt_adopts(p);
}

/* Before a stage that reads `take`. */
static __always_inline void pkt_take(struct pkt *p)
{
	__builtin_memset(&p->take, 0, sizeof(p->take));
}

#define PKT_HEADERS_END 448

/* The client's NIC alone is attached: what the server says is not seen. */
static __always_inline int pkt_blind(void)
{
	return cfg.sight == KS_SIGHT_CLIENT;
}

#endif
