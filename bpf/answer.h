/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets of our own, made in place of one that came: a RST that ends a connection
 * (rule K1), back to its sender or on to the server, and the ACK of bytes that are
 * kept (split: assemble) or of what stands before a gap. Ethernet, VLAN tags and IP
 * version stay; TCP has no options but an ACK's timestamps (RFC 7323) and SACK block
 * (RFC 2018), and checksums are made in full.
 */
#ifndef KEYSWITCH_ANSWER_H
#define KEYSWITCH_ANSWER_H

#include "options.h"
#include "rewrite.h"

#define ANSWER_TTL	64
#define ANSWER_OPTION	12	/* NOP NOP Timestamps, NOP NOP SACK of one block */

struct answer_option {
	__u8 head[4];
	__be32 a, b;	/* timestamp and its echo; first byte that came and the one behind the last */
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

/* One option at off; 0 = there, its sum added. The timestamps that came go back swapped. */
static __always_inline int answer_option(struct xdp_md *ctx, struct pkt *p, __u32 off, int sack,
					 __u64 *sum)
{
	static const __u8 head[4] = { OPT_NOP, OPT_NOP, OPT_SACK, 10 };
	struct answer_option *o = pkt_at(ctx, off, sizeof(*o));
	const __u32 *word = (const __u32 *)o;
	__be32 value;

	if (!o)
		return -1;
	value = o->a;
	o->a = sack ? bpf_htonl(p->seq) : o->b;
	o->b = sack ? bpf_htonl(p->seq + p->len) : value;
	if (sack)
		__builtin_memcpy(o->head, head, sizeof(head));
	*sum += (__u64)word[0] + word[1] + word[2];
	return 0;
}

/* The options of the answer, behind its header; bit 0 of which: timestamps, bit 1: SACK. */
static __always_inline int answer_options(struct xdp_md *ctx, struct pkt *p, int which, __u64 *sum)
{
	__u32 off = p->l4 + sizeof(struct tcp_hdr);

	if (which & 1 && answer_option(ctx, p, off, 0, sum))
		return -1;
	if (which & 2)
		return answer_option(ctx, p, off + (which & 1 ? ANSWER_OPTION : 0), 1, sum);
	return 0;
}

static __always_inline int answer_tcp(struct xdp_md *ctx, struct pkt *p, int back, int partial,
				      __u32 tcp_len, int options)
{
	struct tcp_hdr *th = pkt_at(ctx, p->l4, sizeof(*th));
	__u64 sum = sum_pseudo(p, tcp_len);
	const __u32 *word;
	__be16 port;
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
	if (answer_options(ctx, p, options, &sum))
		return -1;
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	th->csum = partial ? sum_fold(sum) : (__u16)~sum_fold(sum);
	return 0;
}

/*
 * Which options an ACK gets: the timestamps, if the packet had them alone, and its own
 * place as a block, if it is long enough for that: a frame here grows at its end no more.
 */
static __always_inline int answer_wants(struct xdp_md *ctx, struct pkt *p)
{
	__u32 plain = p->l4 + sizeof(struct tcp_hdr);
	int which = 0;

	if (p->out != KS_OUT_ACK)
		return 0;
	if (p->pay == plain + ANSWER_OPTION && l4_plain_options(ctx, p))
		which = 1;
	if (p->out_sack && p->len >= ANSWER_OPTION)
		which |= 2;
	return which;
}

/* 0 = the frame is the answer now, else it must not be sent. */
KS_GLOBAL int answer_make(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 tcp_len = sizeof(struct tcp_hdr);
	int back, partial, options;
	struct tcp_hdr *th;

	if (!p)
		return -1;
	th = pkt_at(ctx, p->l4, sizeof(*th));
	if (!th)
		return -1;
	back = p->out != KS_OUT_KILL;
	/* what goes on to the stack keeps a checksum that its host left to the NIC */
	partial = !back && !cfg.wire && sum_is_partial(ctx, p, th);
	options = answer_wants(ctx, p);
	tcp_len += ANSWER_OPTION * ((options & 1) + (options >> 1));
	if (bpf_xdp_adjust_tail(ctx, (int)(p->l4 + tcp_len) - (int)bpf_xdp_get_buff_len(ctx)))
		return -1;
	if (answer_ethernet(ctx, back) ||
	    (p->v6 ? answer_ip6(ctx, p, back, tcp_len) : answer_ip4(ctx, p, back, tcp_len)))
		return -1;
	return answer_tcp(ctx, p, back, partial, tcp_len, options);
}

#endif
