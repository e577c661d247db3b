/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What only OT streams must keep of TCP (rule G0): flags, urgent data, options that
 * change what the stream means; and what the options of a SYN-ACK say. May rewrite
 * options, never payload.
 */
#ifndef KEYSWITCH_OPTIONS_H
#define KEYSWITCH_OPTIONS_H

#include "checksum.h"

#define OPT_END		0
#define OPT_NOP		1
#define OPT_MSS		2
#define OPT_SCALE	3	/* RFC 7323 */
#define OPT_SACK_OK	4	/* RFC 2018, like the next */
#define OPT_SACK	5
#define OPT_MD5		19	/* RFC 2385 */
#define OPT_AO		29	/* RFC 5925 */
#define OPT_MPTCP	30	/* RFC 8684 */
#define OPT_MAX		40
#define OPT_COPY	64	/* offset of the rewritten copy in the work area */

/*
 * A SYN-ACK tells the window scale, and whether both sides speak SACK. Its MSS is lowered where pieces may be put
 * in front of a segment, so that what comes out still fits the server's link.
 */
static __always_inline void option_synack(struct ks_work *w, __u64 at, __u8 kind, __u8 len)
{
	__u8 *copy = w->seg + OPT_COPY + at;
	struct pkt *p = &w->pkt;
	__u32 mss;

	if (p->role != KS_SERVER || !(p->flags & TCP_SYN))
		return;
	if (kind == OPT_SCALE && len == 3)
		p->scale = copy[2] < 14 ? copy[2] : 14;
	if (kind == OPT_SACK_OK && len == 2)
		p->how |= KS_HOW_SACK;
	if (kind != OPT_MSS || len != 4 || !(p->how & KS_HOW_ASSEMBLE))
		return;
	mss = copy[2] << 8 | copy[3];
	if (mss < 2 * KS_JOIN_ROOM)
		return;
	mss -= KS_JOIN_ROOM;
	copy[2] = mss >> 8;
	copy[3] = mss;
	w->options.lowered = 1;
}

/*
 * One option or one byte to blank a call; 1 ends the walk. Its state stands in map
 * memory: before 6.8 the verifier walks a callback once, with what the stack holds
 * before the first call, and removes branches not taken then; later ones walk it until
 * every number on the stack has met every other.
 */
static long option_step(__u64 i, void *arg)
{
	struct ks_work *w = pkt_work();
	struct ks_option_walk *o;
	__u8 kind, len;
	__u64 at;

	if (!w)
		return 1;
	o = &w->options;
	at = o->pos;
	if (o->pos >= o->size)
		return 1;
	BOUND_OFFSET(at, OPT_COPY);
	if (o->blank) {
		w->seg[OPT_COPY + at] = OPT_NOP;
		o->blank--;
		o->pos++;
		return 0;
	}
	kind = w->seg[at];
	if (kind == OPT_END)
		return 1;
	if (kind == OPT_NOP) {
		o->pos++;
		return 0;
	}
	len = w->seg[at + 1];
	if (len < 2 || o->pos + len > o->size || kind == OPT_MD5 || kind == OPT_AO) {
		o->reason = KS_R_tcp_option;
		return 1;
	}
	if (kind == OPT_MPTCP) {
		o->mptcp = 1;
		o->blank = len;
		return 0;
	}
	option_synack(w, at, kind, len);
	o->pos += len;
	return 0;
}

/* Writes the changed options back and mends the checksum. */
static __always_inline int option_store(struct xdp_md *ctx, struct pkt *p, struct ks_work *w,
					__u64 size)
{
	struct tcp_hdr *th;
	__s64 diff;

	BOUND1(size, OPT_COPY);
	if (bpf_xdp_store_bytes(ctx, p->l4 + sizeof(*th), w->seg + OPT_COPY, size))
		return KS_R_internal;
	diff = bpf_csum_diff((__be32 *)w->seg, size & ~3ull,
			     (__be32 *)(w->seg + OPT_COPY), size & ~3ull, 0);
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th || diff < 0)
		return KS_R_internal;
	if (!w->options.partial)
		th->csum = ~sum_fold((__u64)(__u16)~th->csum + (__u32)diff);
	return KS_GO;
}

/* Walks the options; in SYN and SYN-ACK MPTCP is taken out, later it drops. */
KS_GLOBAL int l4_options(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_work *w = pkt_work();
	struct ks_option_walk *o;
	struct tcp_hdr *th;
	__u64 size;

	if (!p || !w)
		return KS_R_internal;
	o = &w->options;
	size = p->pay - p->l4 - sizeof(struct tcp_hdr);
	if (size == 0 || size > OPT_MAX)
		return size ? KS_R_tcp_header : KS_GO;
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return KS_R_internal;
	__builtin_memset(o, 0, sizeof(*o));
	o->size = size;
	o->partial = sum_is_partial(ctx, p, th); /* uses the room that the options come to */
	BOUND1(size, OPT_COPY);
	if (bpf_xdp_load_bytes(ctx, p->l4 + sizeof(struct tcp_hdr), w->seg, size) ||
	    bpf_xdp_load_bytes(ctx, p->l4 + sizeof(struct tcp_hdr), w->seg + OPT_COPY, size))
		return KS_R_internal;
	ks_loop(2 * OPT_MAX, option_step, NULL);
	if (o->reason)
		return o->reason;
	if (o->mptcp && !(p->flags & TCP_SYN))
		return KS_R_mptcp;
	if (o->lowered && !p->follow)
		p->how |= KS_HOW_ROOM;
	if ((o->mptcp || o->lowered) && !p->follow)
		return option_store(ctx, p, w, o->size);
	return KS_GO;
}

/* The option block that nearly every segment carries: NOP NOP Timestamp (RFC 7323). */
static __always_inline int l4_plain_options(struct xdp_md *ctx, struct pkt *p)
{
	__u8 *opt;

	if (p->pay == p->l4 + sizeof(struct tcp_hdr))
		return 1;
	if (p->pay != p->l4 + sizeof(struct tcp_hdr) + 12)
		return 0;
	opt = pkt_at(ctx, p->l4 + sizeof(struct tcp_hdr), 4);
	return opt && opt[0] == 1 && opt[1] == 1 && opt[2] == 8 && opt[3] == 10;
}

/* G0 for an OT stream toward the protected side. */
static __always_inline int l4_sane_tcp(struct xdp_md *ctx, struct pkt *p)
{
	__u8 core = p->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK);

	if (p->flags & TCP_URG)
		return KS_R_tcp_urgent;
	if (!core || core == TCP_FIN || (core & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN) ||
	    (core & (TCP_SYN | TCP_RST)) == (TCP_SYN | TCP_RST) ||
	    (core & (TCP_FIN | TCP_RST)) == (TCP_FIN | TCP_RST))
		return KS_R_tcp_flags;
	if (l4_plain_options(ctx, p))
		return KS_GO;
	return l4_options(ctx);
}

#endif
