/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes to a packet that goes on: another payload (cut, or put together from the
 * ring), other numbers. Lengths and checksums are mended incrementally (RFC 1624),
 * so that a packet that came with a wrong checksum leaves with a wrong one; one that
 * its host left to the NIC stays so.
 */
#ifndef KEYSWITCH_REWRITE_H
#define KEYSWITCH_REWRITE_H

#include "ring.h"
#include "checksum.h"

#define REWRITE_HEADERS 160 /* 14 Ethernet, 8 VLAN, 60 IP, 60 TCP, and some */

/* One 16-bit word of the sum replaced by another. */
static __always_inline __u64 sum_swap(__u64 sum, __u16 old, __u16 new)
{
	return sum + (__u16)~old + new;
}

static __always_inline __u64 sum_swap32(__u64 sum, __u32 old, __u32 new)
{
	return sum + (__u32)~old + new;
}

static __always_inline int rewrite_ip_length(struct xdp_md *ctx, struct pkt *p, int more)
{
	struct ip4_hdr *ip4;
	struct ip6_hdr *ip6;
	__be16 total;

	if (p->v6) {
		ip6 = pkt_at(ctx, p->l3, sizeof(*ip6));
		if (!ip6)
			return -1;
		ip6->plen = bpf_htons(bpf_ntohs(ip6->plen) + more);
		return 0;
	}
	ip4 = pkt_at(ctx, p->l3, sizeof(*ip4));
	if (!ip4)
		return -1;
	total = bpf_htons(bpf_ntohs(ip4->tot_len) + more);
	ip4->csum = ~sum_fold(sum_swap((__u16)~ip4->csum, ip4->tot_len, total));
	ip4->tot_len = total;
	return 0;
}

/* Room at the frame's start; the headers move there. */
static __always_inline int rewrite_grow_head(struct xdp_md *ctx, struct pkt *p, int more)
{
	struct ks_work *w = pkt_work();
	__u64 n = p->pay;

	if (!w || n == 0 || n > REWRITE_HEADERS)
		return -1;
	BOUND1(n, 256);
	if (bpf_xdp_load_bytes(ctx, 0, w->seg, n) || bpf_xdp_adjust_head(ctx, -more))
		return -1;
	return bpf_xdp_store_bytes(ctx, 0, w->seg, n);
}

/*
 * The frame gets out_len payload bytes and no padding. It grows behind where the
 * driver left room, else before: a veth of Linux 6.8 and later has none behind.
 */
static __always_inline int rewrite_resize(struct xdp_md *ctx, struct pkt *p)
{
	int more = (int)p->out_len - (int)p->len;
	int end = p->pay + p->out_len;

	if (!bpf_xdp_adjust_tail(ctx, end - (int)bpf_xdp_get_buff_len(ctx)))
		return 0;
	if (more <= 0 || rewrite_grow_head(ctx, p, more))
		return -1;
	return bpf_xdp_adjust_tail(ctx, end - (int)bpf_xdp_get_buff_len(ctx));
}

static __always_inline int rewrite_fill(struct xdp_md *ctx, struct pkt *p)
{
	struct ks_modbus_ring *ring = bpf_map_lookup_elem(&mb_rings, &p->take.slot);

	return ring ? ring_write(ctx, ring, p->out_seq, p->pay, p->out_len) : -1;
}

/* Sequence number, flags and checksum; before and after are the payloads' sums. */
static __always_inline int rewrite_tcp(struct xdp_md *ctx, struct pkt *p, int partial,
				       __u64 before, __u64 after)
{
	struct tcp_hdr *th = pkt_at(ctx, p->l4, sizeof(*th));
	__u32 head = p->pay - p->l4;
	__be32 seq = bpf_htonl(p->out_seq);
	__u8 flags;
	__u64 sum;

	if (!th)
		return -1;
	sum = partial ? th->csum : (__u16)~th->csum;
	sum = sum_swap(sum, bpf_htons(head + p->len), bpf_htons(head + p->out_len));
	flags = th->flags;
	/* a FIN stands behind the last byte, and goes where that goes */
	if (p->out_seq + p->out_len != p->seq + p->len)
		th->flags = flags & ~TCP_FIN;
	if (!partial) {
		sum = sum_swap(sum, sum_fold(before), sum_fold(after));
		sum = sum_swap(sum, bpf_htons(flags), bpf_htons(th->flags));
		sum = sum_swap32(sum, th->seq, seq);
	}
	th->seq = seq;
	th->csum = partial ? sum_fold(sum) : (__u16)~sum_fold(sum);
	return 0;
}

/* KS_OUT_CUT and KS_OUT_JOIN. 0 = done, else the packet must not be sent. */
KS_GLOBAL int rewrite_payload(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u64 before, after;
	struct tcp_hdr *th;
	int partial;

	if (!p)
		return -1;
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	partial = sum_is_partial(ctx, p, th);
	if (sum_bytes(ctx, p->pay, p->len, &before) || rewrite_resize(ctx, p))
		return -1;
	if (p->out == KS_OUT_JOIN && rewrite_fill(ctx, p))
		return -1;
	if (sum_bytes(ctx, p->pay, p->out_len, &after) ||
	    rewrite_ip_length(ctx, p, (int)p->out_len - (int)p->len))
		return -1;
	return rewrite_tcp(ctx, p, partial, before, after);
}

/* out_ack and out_win in place of the packet's own. 0 = done. */
static __always_inline int rewrite_label(struct xdp_md *ctx, struct pkt *p)
{
	struct tcp_hdr *th;
	__be32 ack;
	__be16 win;
	int partial;
	__u64 sum;

	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	partial = sum_is_partial(ctx, p, th);
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	ack = bpf_htonl(p->out_ack);
	win = bpf_htons(p->out_win);
	if (!partial) {
		sum = sum_swap32((__u16)~th->csum, th->ack, ack);
		th->csum = ~sum_fold(sum_swap(sum, th->win, win));
	}
	th->ack = ack;
	th->win = win;
	return 0;
}

#define COOKIE_REACH	7	/* a cookie's lowest bits are the index of an MSS, 0 to 3 */
#define COOKIE_BACK	16

/*
 * A Linux SYN cookie is linear in both ISNs (RFC 4987 3.6): with its socket gone a
 * server takes any packet whose numbers are as far apart as the handshake's for the
 * end of a handshake, and a stream that begins there. Where that might be inside a
 * message, a bare ACK moves a few bytes on: to a live socket it stands in the window and
 * acknowledges as much. Data and probes acknowledge less, never below what the
 * handshake did, and count as before. 0 = done.
 */
static __always_inline int rewrite_cookie(struct xdp_md *ctx, struct pkt *p)
{
	__u32 seq = p->out == KS_OUT_CUT ? p->out_seq : p->seq;
	__u32 beside = p->ack - seq - p->apart + COOKIE_REACH;

	if (beside > 2 * COOKIE_REACH)
		return 0;
	if (p->inside == KS_INSIDE_ACK) {
		p->out = KS_OUT_CUT;
		p->out_seq = seq + beside + 1;
		return 0;
	}
	p->out_win = p->win;
	p->out_ack = p->ack - p->least < COOKIE_BACK ? p->least : p->ack - COOKIE_BACK;
	return rewrite_label(ctx, p);
}

#endif
