/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP (RFC 9293) and UDP (RFC 768) headers: ports, numbers, payload bounds.
 * l4_parse reads them; what only OT streams must keep is in options.h.
 */
#ifndef KEYSWITCH_L4_H
#define KEYSWITCH_L4_H

#include "l3.h"

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
	p->win = bpf_ntohs(th->win);
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

#endif
