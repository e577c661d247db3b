/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets of our own, made in place of one that came: a RST that ends a connection
 * (rule K1), back to its sender or on to the server, and the ACK of bytes that are
 * kept (split: assemble). Ethernet, VLAN tags and IP version stay; TCP has no
 * options but the timestamps of an ACK (RFC 7323), and checksums are made in full.
 */
#ifndef KEYSWITCH_ANSWER_H
#define KEYSWITCH_ANSWER_H

#include "options.h"
#include "rewrite.h"

#define ANSWER_TTL	64
#define TIMESTAMPS	12	/* NOP NOP Timestamp */

struct timestamps {
	__u8 head[4];
	__be32 value, echo;
};

static __always_inline int answer_ethernet(struct xdp_md *ctx, int back)
{
	__u16 *mac = pkt_at(ctx, 0, 12);
	__u16 keep;
	int i;

	if (!mac)
		return -1;
	for (i = 0; i < 3 && back; i++) {
		keep = mac[i];
		mac[i] = mac[3 + i];
		mac[3 + i] = keep;
	}
	return 0;
}

static __always_inline int answer_ip4(struct xdp_md *ctx, struct pkt *p, int back, __u32 tcp_len)
{
	struct ip4_hdr *ip = pkt_at(ctx, p->l3, sizeof(*ip));
	const __u16 *word = (const __u16 *)ip;
	__be32 src;
	__u64 sum = 0;
	int i;

	if (!ip)
		return -1;
	src = ip->src;
	if (back) {
		ip->src = ip->dst;
		ip->dst = src;
	}
	ip->tot_len = bpf_htons(sizeof(*ip) + tcp_len);
	ip->ttl = ANSWER_TTL;
	ip->csum = 0;
	for (i = 0; i < 10; i++)
		sum += word[i];
	ip->csum = ~sum_fold(sum);
	return 0;
}

static __always_inline int answer_ip6(struct xdp_md *ctx, struct pkt *p, int back, __u32 tcp_len)
{
	struct ip6_hdr *ip = pkt_at(ctx, p->l3, sizeof(*ip));
	__u8 src[16];

	if (!ip)
		return -1;
	if (back) {
		__builtin_memcpy(src, ip->src, 16);
		__builtin_memcpy(ip->src, ip->dst, 16);
		__builtin_memcpy(ip->dst, src, 16);
	}
	ip->plen = bpf_htons(tcp_len);
	ip->hops = ANSWER_TTL;
	return 0;
}

/* RFC 9293 3.10.7: a RST takes its number from the acknowledgement that it answers. */
static __always_inline void answer_numbers(struct pkt *p, struct tcp_hdr *th)
{
	__u32 beyond = p->seq + p->len + !!(p->flags & TCP_SYN) + !!(p->flags & TCP_FIN);

	if (p->out == KS_OUT_ACK) {
		th->seq = bpf_htonl(p->ack);
		th->ack = bpf_htonl(p->out_ack);
		th->flags = TCP_ACK;
	} else if (p->out == KS_OUT_KILL) {
		th->seq = bpf_htonl(p->out_seq);
		th->ack = bpf_htonl(p->ack);
		th->flags = TCP_RST | TCP_ACK;
	} else if (p->flags & TCP_ACK) {
		th->seq = bpf_htonl(p->ack);
		th->ack = 0;
		th->flags = TCP_RST;
	} else {
		th->seq = 0;
		th->ack = bpf_htonl(beyond);
		th->flags = TCP_RST | TCP_ACK;
	}
}

static __always_inline int answer_tcp(struct xdp_md *ctx, struct pkt *p, int back, int partial,
				      __u32 tcp_len)
{
	struct tcp_hdr *th = pkt_at(ctx, p->l4, sizeof(*th));
	struct timestamps *ts;
	const __u32 *word;
	__u64 sum = sum_pseudo(p, tcp_len);
	__be16 port;
	__be32 value;
	int i;

	if (!th)
		return -1;
	port = th->src;
	if (back) {
		th->src = th->dst;
		th->dst = port;
	}
	answer_numbers(p, th);
	th->doff = tcp_len << 2;
	th->win = bpf_htons(p->out == KS_OUT_ACK ? p->out_win : 0);
	th->urg = 0;
	th->csum = 0;
	word = (const __u32 *)th;
	for (i = 0; i < 5 && !partial; i++)
		sum += word[i];
	if (tcp_len != sizeof(*th)) {
		ts = pkt_at(ctx, p->l4 + sizeof(*th), sizeof(*ts));
		if (!ts)
			return -1;
		value = ts->value;
		ts->value = ts->echo;
		ts->echo = value;
		word = (const __u32 *)ts;
		for (i = 0; i < 3; i++)
			sum += word[i];
	}
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	th->csum = partial ? sum_fold(sum) : (__u16)~sum_fold(sum);
	return 0;
}

/* 0 = the frame is the answer now, else it must not be sent. */
KS_GLOBAL int answer_make(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 tcp_len = sizeof(struct tcp_hdr);
	struct tcp_hdr *th;
	int back, partial;

	if (!p)
		return -1;
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	back = p->out != KS_OUT_KILL;
	/* what goes on to the stack keeps a checksum that its host left to the NIC */
	partial = !back && !cfg.wire && sum_is_partial(ctx, p, th);
	if (p->out == KS_OUT_ACK && p->pay == p->l4 + sizeof(*th) + TIMESTAMPS &&
	    l4_plain_options(ctx, p))
		tcp_len += TIMESTAMPS;
	if (bpf_xdp_adjust_tail(ctx, (int)(p->l4 + tcp_len) - (int)bpf_xdp_get_buff_len(ctx)))
		return -1;
	if (answer_ethernet(ctx, back) ||
	    (p->v6 ? answer_ip6(ctx, p, back, tcp_len) : answer_ip4(ctx, p, back, tcp_len)))
		return -1;
	return answer_tcp(ctx, p, back, partial, tcp_len);
}

#endif
