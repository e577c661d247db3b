/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes to a packet that goes on: cutting the payload at a message border,
 * or wholly, and then stepping one byte back (a keepalive probe).
 * Lengths and checksums are mended incrementally (RFC 1624), so that a packet
 * that came with a wrong checksum leaves with a wrong one.
 */
#ifndef KEYSWITCH_REWRITE_H
#define KEYSWITCH_REWRITE_H

#include "l4.h"

struct tail_sum {
	struct ks_work *w;
	__u32 pos;	/* next byte in w->seg */
	__u32 end;
	__u32 sum;
};

/* Adds the 16-bit word at pos; a byte at an odd place counts as the low byte. */
static long tail_step(__u64 i, void *arg)
{
	struct tail_sum *t = arg;
	__u64 at = t->pos;

	if (t->pos >= t->end)
		return 1;
	BOUND_OFFSET(at, KS_EIP_SEG);
	t->sum += t->pos & 1 ? t->w->seg[at] : t->w->seg[at] << 8;
	t->pos++;
	return 0;
}

static __always_inline __u32 csum_add(__u32 sum, __u32 word)
{
	sum += word;
	return (sum & 0xffff) + (sum >> 16);
}

/* One's complement sum of payload bytes [keep, len), by their place in the segment. */
static __always_inline int rewrite_tail_sum(struct xdp_md *ctx, struct pkt *p, __u32 *sum)
{
	struct tail_sum t = { .w = pkt_work(), .pos = p->keep, .end = p->len };
	__u64 n = p->len;

	if (!t.w || n == 0 || n > KS_EIP_SEG)
		return -1;
	BOUND1(n, KS_EIP_SEG);
	if (bpf_xdp_load_bytes(ctx, p->pay, t.w->seg, n))
		return -1;
	ks_loop(KS_EIP_SEG, tail_step, &t);
	*sum = (t.sum & 0xffff) + (t.sum >> 16);
	return 0;
}

static __always_inline int rewrite_ip_length(struct xdp_md *ctx, struct pkt *p, __u32 cut)
{
	struct ip4_hdr *ip4;
	struct ip6_hdr *ip6;
	__u32 sum, total;

	if (p->v6) {
		ip6 = pkt_at(ctx, p->l3, sizeof(*ip6));
		if (!ip6)
			return -1;
		ip6->plen = bpf_htons(bpf_ntohs(ip6->plen) - cut);
		return 0;
	}
	ip4 = pkt_at(ctx, p->l3, sizeof(*ip4));
	if (!ip4)
		return -1;
	total = bpf_ntohs(ip4->tot_len);
	sum = csum_add((__u16)~bpf_ntohs(ip4->csum), (__u16)~total);
	sum = csum_add(sum, total - cut);
	ip4->csum = bpf_htons(csum_fold(sum));
	ip4->tot_len = bpf_htons(total - cut);
	return 0;
}

/*
 * Cuts the TCP payload to p->keep bytes; FIN goes with the tail (it stands
 * behind it). 0 = done, else the packet must not be sent.
 */
KS_GLOBAL int rewrite_trim(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 sum, tail, cut, tcp_len, flags;
	struct tcp_hdr *th;

	if (!p)
		return -1;
	cut = p->len - p->keep;
	tcp_len = p->pay - p->l4 + p->len;
	if (p->keep >= p->len || rewrite_tail_sum(ctx, p, &tail) || rewrite_ip_length(ctx, p, cut))
		return -1;
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	flags = th->flags;
	th->flags = flags & ~TCP_FIN;
	sum = (__u16)~bpf_ntohs(th->csum);
	sum = csum_add(sum, (__u16)~csum_add(tail, 0));
	sum = csum_add(sum, (__u16)~tcp_len);
	sum = csum_add(sum, tcp_len - cut);
	sum = csum_add(sum, (__u16)~flags);
	sum = csum_add(sum, flags & ~TCP_FIN);
	if (p->backstep) {
		sum = csum_add(csum_add(sum, (__u16)~(p->seq >> 16)), (__u16)~p->seq);
		sum = csum_add(csum_add(sum, (p->seq - 1) >> 16), (p->seq - 1) & 0xffff);
		th->seq = bpf_htonl(p->seq - 1);
	}
	th->csum = bpf_htons(csum_fold(sum));
	return bpf_xdp_adjust_tail(ctx, (int)(p->pay + p->keep) - (int)bpf_xdp_get_buff_len(ctx));
}

#endif
