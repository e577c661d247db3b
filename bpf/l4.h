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

/*
 * The key is written in words, as here and in l3.h, because it is soon read in words
 * (entry.h): a load of what several stores have just written waits for all of them.
 */
static __always_inline void l4_ports(struct pkt *p, const __be16 *ports, __u8 role)
{
	__u32 both = load_u32(ports);
	__u64 end;

	p->sport = bpf_ntohs(ports[0]);
	p->dport = bpf_ntohs(ports[1]);
	if (role == KS_SERVER)
		both = both << 16 | both >> 16;
	end = two_of(32, both, KS_LINK(p->l4proto, p->vlan[0], p->vlan[1]));
	if (p->v6)
		store_u64(&p->key.k6.cport, end);
	else
		store_u64(&p->key.k4.cport, end);
}

/* p->len still holds the frame offset of the IP payload's end (l3_end). */
static __always_inline int l4_parse_tcp(struct xdp_md *ctx, struct pkt *p, __u8 role)
{
	struct tcp_hdr *th = pkt_at(ctx, p->l4, sizeof(*th));
	__u32 end = p->len, pay;

	if (!th || p->l4 + sizeof(*th) > end)
		return l3_bad(p, KS_R_tcp_header);
	pay = p->l4 + (th->doff >> 4) * 4;
	if (pay < p->l4 + sizeof(*th) || pay > end)
		return l3_bad(p, KS_R_tcp_header);
	l4_ports(p, &th->src, role);
	p->seq = bpf_ntohl(th->seq);
	p->ack = bpf_ntohl(th->ack);
	p->win = bpf_ntohs(th->win);
	p->flags = th->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG);
	p->pay = pay;
	p->len = end - pay;
	return KS_GO;
}

static __always_inline int l4_parse_udp(struct xdp_md *ctx, struct pkt *p, __u8 role)
{
	struct udp_hdr *uh = pkt_at(ctx, p->l4, sizeof(*uh));
	__u32 end = p->len, len;

	if (!uh || p->l4 + sizeof(*uh) > end)
		return l3_bad(p, KS_R_tcp_header);
	len = bpf_ntohs(uh->len);
	if (len < sizeof(*uh) || p->l4 + len > end)
		return l3_bad(p, KS_R_tcp_header);
	l4_ports(p, &uh->src, role);
	p->pay = p->l4 + sizeof(*uh);
	p->len = len - sizeof(*uh);
	return KS_GO;
}

/* Ports of a later fragment are not there; it stays without ports (0). */
static __always_inline int l4_parse(struct xdp_md *ctx, struct pkt *p, __u8 role)
{
	if (p->fragment == 2)
		return KS_GO;
	if (p->l4proto == IPPROTO_TCP)
		return l4_parse_tcp(ctx, p, role);
	if (p->l4proto == IPPROTO_UDP)
		return l4_parse_udp(ctx, p, role);
	return KS_GO;
}

#endif
