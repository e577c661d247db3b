/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP (RFC 9293) and UDP (RFC 768) headers: ports, numbers, payload bounds.
 * l4_parse reads them; l4_sane_tcp holds the rules that only OT streams must
 * keep: flags, urgent data, options that change what the stream means.
 */
#ifndef KEYSWITCH_L4_H
#define KEYSWITCH_L4_H

#include "l3.h"

#define OPT_END		0
#define OPT_NOP		1
#define OPT_MD5		19	/* RFC 2385 */
#define OPT_AO		29	/* RFC 5925 */
#define OPT_MPTCP	30	/* RFC 8684 */
#define OPT_MAX		40
#define OPT_COPY	64	/* offset of the rewritten copy in the work area */

struct tcp_hdr {
	__be16 src, dst;
	__be32 seq, ack;
	__u8 doff, flags;
	__be16 win, csum, urg;
};

struct udp_hdr {
	__be16 src, dst, len, csum;
};

static __always_inline void l4_ports(struct pkt *p, __be16 src, __be16 dst)
{
	__be16 cport = p->role == KS_CLIENT ? src : dst;
	__be16 sport = p->role == KS_CLIENT ? dst : src;
	__u32 link = KS_LINK(p->l4proto, p->vlan[0], p->vlan[1]);

	p->sport = bpf_ntohs(src);
	p->dport = bpf_ntohs(dst);
	if (p->v6) {
		p->key.k6.cport = cport;
		p->key.k6.sport = sport;
		p->key.k6.link = link;
	} else {
		p->key.k4.cport = cport;
		p->key.k4.sport = sport;
		p->key.k4.link = link;
	}
}

/* p->len still holds the frame offset of the IP payload's end (l3_end). */
static __always_inline int l4_parse_tcp(struct xdp_md *ctx, struct pkt *p)
{
	struct tcp_hdr *th = pkt_at(ctx, p->l4, sizeof(*th));
	__u32 end = p->len, pay;

	if (!th || p->l4 + sizeof(*th) > end)
		return l3_bad(p, KS_R_tcp_header);
	pay = p->l4 + (th->doff >> 4) * 4;
	if (pay < p->l4 + sizeof(*th) || pay > end)
		return l3_bad(p, KS_R_tcp_header);
	l4_ports(p, th->src, th->dst);
	p->seq = bpf_ntohl(th->seq);
	p->ack = bpf_ntohl(th->ack);
	p->flags = th->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG);
	p->pay = pay;
	p->len = end - pay;
	return KS_GO;
}

static __always_inline int l4_parse_udp(struct xdp_md *ctx, struct pkt *p)
{
	struct udp_hdr *uh = pkt_at(ctx, p->l4, sizeof(*uh));
	__u32 end = p->len, len;

	if (!uh || p->l4 + sizeof(*uh) > end)
		return l3_bad(p, KS_R_tcp_header);
	len = bpf_ntohs(uh->len);
	if (len < sizeof(*uh) || p->l4 + len > end)
		return l3_bad(p, KS_R_tcp_header);
	l4_ports(p, uh->src, uh->dst);
	p->pay = p->l4 + sizeof(*uh);
	p->len = len - sizeof(*uh);
	return KS_GO;
}

/* Ports of a later fragment are not there; it stays without ports (0). */
static __always_inline int l4_parse(struct xdp_md *ctx, struct pkt *p)
{
	if (p->fragment == 2)
		return KS_GO;
	if (p->l4proto == IPPROTO_TCP)
		return l4_parse_tcp(ctx, p);
	if (p->l4proto == IPPROTO_UDP)
		return l4_parse_udp(ctx, p);
	return KS_GO;
}

struct option_walk {
	struct ks_work *w;
	__u32 pos;
	__u32 size;
	int reason;
	__u32 mptcp;	/* MPTCP options seen (and overwritten in the copy) */
};

/*
 * One option or one byte to blank a call; 1 ends the walk. How many are left to
 * blank stands in map memory: before 6.8 the verifier walks a callback once, with
 * what o holds before the first call, and removes branches not taken then.
 */
static long option_step(__u64 i, void *arg)
{
	struct option_walk *o = arg;
	__u64 at = o->pos;
	__u8 kind, len;

	if (o->pos >= o->size)
		return 1;
	BOUND_OFFSET(at, OPT_COPY);
	if (o->w->blank) {
		o->w->seg[OPT_COPY + at] = OPT_NOP;
		o->w->blank--;
		o->pos++;
		return 0;
	}
	kind = o->w->seg[at];
	if (kind == OPT_END)
		return 1;
	if (kind == OPT_NOP) {
		o->pos++;
		return 0;
	}
	len = o->w->seg[at + 1];
	o->reason = KS_R_tcp_option;
	if (len < 2 || o->pos + len > o->size || kind == OPT_MD5 || kind == OPT_AO)
		return 1;
	o->reason = KS_GO;
	if (kind == OPT_MPTCP) {
		o->mptcp++;
		o->w->blank = len;
		return 0;
	}
	o->pos += len;
	return 0;
}

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Writes the options back with MPTCP as NOPs and mends the checksum (RFC 1624). */
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
	th->csum = csum_fold((__u16)~th->csum + (__u32)((diff & 0xffff) + ((diff >> 16) & 0xffff)));
	return KS_GO;
}

/* Walks the options; in SYN and SYN-ACK MPTCP is taken out, later it drops. */
KS_GLOBAL int l4_options(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct option_walk o = { .w = pkt_work(), .reason = KS_GO };
	__u64 size;

	if (!p || !o.w)
		return KS_R_internal;
	size = p->pay - p->l4 - sizeof(struct tcp_hdr);
	if (size == 0 || size > OPT_MAX)
		return size ? KS_R_tcp_header : KS_GO;
	o.size = size;
	o.w->blank = 0;
	BOUND1(size, OPT_COPY);
	if (bpf_xdp_load_bytes(ctx, p->l4 + sizeof(struct tcp_hdr), o.w->seg, size) ||
	    bpf_xdp_load_bytes(ctx, p->l4 + sizeof(struct tcp_hdr), o.w->seg + OPT_COPY, size))
		return KS_R_internal;
	ks_loop(2 * OPT_MAX, option_step, &o);
	if (o.reason != KS_GO)
		return o.reason;
	if (o.mptcp && !(p->flags & TCP_SYN))
		return KS_R_mptcp;
	if (o.mptcp && !p->follow)
		return option_store(ctx, p, o.w, o.size);
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
