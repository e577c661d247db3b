/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Segmentation, for policies with zones or bound hosts: may this source send from here,
 * which zones does the packet go between, is it an OT request, a reply to one or a
 * conduit's? The conduits' connections themselves are conduit.h's business, requests
 * policy.h's.
 */
#ifndef KEYSWITCH_ZONE_H
#define KEYSWITCH_ZONE_H

#include "conduit.h"
#include "io.h"
#include "missing.h"

struct icmp_hdr {
	__u8 type, code;
	__be16 csum, id, seq;
};

/* UDP ports of tunnels: L2TP, Teredo, VXLAN (IANA, VXLAN-GPE, Linux), GUE, Geneve. */
static __always_inline int is_tunnel_port(__u16 port)
{
	return port == 1701 || port == 3544 || port == 4789 || port == 4790 || port == 8472 ||
	       port == 6080 || port == 6081;
}

/*
 * IP protocols that carry packets or streams past us: IPIP, 6in4, GRE, ESP, AH,
 * MinEnc, IPIP (94), EtherIP, ENCAP, IPComp, L2TP, SCTP, MPLS.
 */
static __always_inline int is_tunnel(struct pkt *p)
{
	switch (p->l4proto) {
	case 4: case 41: case 47: case 50: case 51: case 55: case 94: case 97: case 98:
	case 108: case 115: case 132: case 137:
		return 1;
	case IPPROTO_UDP:
		return p->fragment != 2 && is_tunnel_port(p->dport);
	}
	return 0;
}

/* ---- bound hosts ---- */

static __always_inline int zone_mac_listed(const struct ks_binding *b, const __u8 *mac)
{
	__u16 have[3], listed[3];
	int i;

	__builtin_memcpy(have, mac, 6);
	for (i = 0; i < KS_BINDINGS && i < b->macs; i++) {
		__builtin_memcpy(listed, b->mac[i], 6);
		if (listed[0] == have[0] && listed[1] == have[1] && listed[2] == have[2])
			return 1;
	}
	return 0;
}

/* A packet with two tags is of no VLAN that a host can be bound to. */
static __always_inline int zone_vlan_listed(struct pkt *p, const struct ks_binding *b)
{
	int i;

	for (i = 0; i < KS_BINDINGS && i < b->vlans; i++)
		if (b->vlan[i] == p->vlan[0] && !p->vlan[1])
			return 1;
	return 0;
}

static __always_inline int zone_bound(struct xdp_md *ctx, struct pkt *p, __u32 binding)
{
	struct ks_binding *b = policy_entry(&pol_bindings, p->slot, &binding);
	__u8 *mac = pkt_at(ctx, 6, 6);

	if (!b || !mac)
		return KS_R_internal;
	if (b->macs && !zone_mac_listed(b, mac))
		return KS_R_host_mac;
	return b->vlans && !zone_vlan_listed(p, b) ? KS_R_host_vlan : KS_GO;
}

/* ---- what a link needs ---- */

/* Neighbour discovery (RFC 4861): hop limit 255, so no router has sent it on. */
static __always_inline int zone_is_discovery(struct xdp_md *ctx, struct pkt *p)
{
	struct ip6_hdr *ip;
	struct icmp_hdr *icmp;

	if (!p->v6 || p->l4proto != IPPROTO_ICMPV6 || p->fragment || p->extension)
		return 0;
	ip = pkt_at(ctx, p->l3, sizeof(*ip));
	icmp = pkt_at(ctx, p->l4, sizeof(*icmp));
	return ip && icmp && ip->hops == 255 && !icmp->code && icmp->type >= 133 &&
	       icmp->type <= 137;
}

/* IGMP without Router Alert (RFC 2236: version 1 has none). */
static __always_inline int zone_is_igmp(struct pkt *p)
{
	__be32 dst = p->role == KS_CLIENT ? p->key.k4.server : p->key.k4.client;

	return !p->v6 && p->l4proto == IPPROTO_IGMP && !p->fragment &&
	       (bpf_ntohl(dst) & 0xf0000000) == 0xe0000000;
}

/* ---- ICMP ---- */

/* Identifier of an echo as its opener's port; 0 = it is neither request nor reply. */
static __always_inline int zone_echo(struct pkt *p, const struct icmp_hdr *icmp)
{
	if (icmp->code)
		return 0;
	if (icmp->type == (p->v6 ? 128 : 8)) {
		p->sport = bpf_ntohs(icmp->id);
		p->dport = 0;
		return 1;
	}
	if (icmp->type != (p->v6 ? 129 : 0))
		return 0;
	p->sport = 0;
	p->dport = bpf_ntohs(icmp->id);
	return 1;
}

/* Unreachable, too big, time exceeded, parameter problem. */
static __always_inline int zone_is_error(struct pkt *p, __u8 type)
{
	return p->v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
}

/*
 * The packet that an ICMP error quotes, as if its sender (reply 0) or its receiver
 * (reply 1) had opened its connection, into w->conduit_key; w->seg holds it from its
 * addresses on, its first eight bytes of L4 behind them.
 */
static __always_inline void zone_quoted_key(struct ks_work *w, __u8 proto, int reply)
{
	struct ks_key6 *key = &w->conduit_key;
	__u8 *opener = reply ? key->server : key->client;
	__u8 *other = reply ? key->client : key->server;
	__u32 size = w->pkt.v6 ? 16 : 4;
	__u8 *l4 = w->seg + 2 * size;

	__builtin_memset(key, 0, sizeof(*key));
	key->link = KS_LINK(proto, w->pkt.vlan[0], w->pkt.vlan[1]);
	if (w->pkt.v6) {
		__builtin_memcpy(opener, w->seg, 16);
		__builtin_memcpy(other, w->seg + 16, 16);
	} else {
		opener[10] = opener[11] = other[10] = other[11] = 0xff;
		__builtin_memcpy(opener + 12, w->seg, 4);
		__builtin_memcpy(other + 12, w->seg + 4, 4);
	}
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
		__builtin_memcpy(reply ? &key->sport : &key->cport, l4, 2);
		__builtin_memcpy(reply ? &key->cport : &key->sport, l4 + 2, 2);
	} else {
		__builtin_memcpy(&key->cport, l4 + 4, 2);
	}
}

/* Is the quoted packet of an OT connection? Its server is on the protected side. */
static __always_inline int zone_quotes_flow(struct ks_work *w, int reply)
{
	struct ks_key6 *key = &w->conduit_key;
	struct ks_key4 *k4 = &w->quoted_key;

	zone_quoted_key(w, IPPROTO_TCP, reply);
	if (w->pkt.v6)
		return entry_of6(key) != NULL;
	__builtin_memcpy(&k4->client, key->client + 12, 4);
	__builtin_memcpy(&k4->server, key->server + 12, 4);
	k4->cport = key->cport;
	k4->sport = key->sport;
	k4->link = key->link;
	return entry_of4(k4) != NULL;
}

static __always_inline int zone_quotes_conduit(struct ks_work *w, __u8 proto, int reply)
{
	struct ks_conduit_flow *f;

	zone_quoted_key(w, proto, reply);
	f = bpf_map_lookup_elem(&conduits, &w->conduit_key);
	return f && !conduit_over(f, &w->conduit_key, w->pkt.now);
}

/* First bytes of the quoted packet into w->seg; its protocol, 0 = it tells nothing. */
static __always_inline __u8 zone_quoted(struct xdp_md *ctx, struct ks_work *w)
{
	struct pkt *p = &w->pkt;
	__u32 at = p->l4 + sizeof(struct icmp_hdr);
	struct ip4_hdr *ip4;
	struct ip6_hdr *ip6;

	if (p->v6) {
		ip6 = pkt_at(ctx, at, sizeof(*ip6) + 8);
		if (!ip6 || at + sizeof(*ip6) + 8 > p->len)
			return 0;
		__builtin_memcpy(w->seg, ip6->src, 40);
		return ip6->next;
	}
	ip4 = pkt_at(ctx, at, sizeof(*ip4) + 8);
	if (!ip4 || at + sizeof(*ip4) + 8 > p->len || ip4->vihl != 0x45 ||
	    bpf_ntohs(ip4->frag) & 0x1fff)
		return 0;
	__builtin_memcpy(w->seg, &ip4->src, 16);
	return ip4->proto;
}

/* What the error is about was sent by who gets it, on a connection that is known. */
KS_GLOBAL int zone_error(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	const __u8 *to;
	__u8 proto;
	int same;

	if (!w || !p)
		return KS_R_internal;
	proto = zone_quoted(ctx, w);
	if (p->v6) {
		to = p->role == KS_CLIENT ? p->key.k6.server : p->key.k6.client;
		same = load_u64(w->seg) == load_u64(to) && load_u64(w->seg + 8) == load_u64(to + 8);
	} else {
		same = *(__u32 *)w->seg == (p->role == KS_CLIENT ? p->key.k4.server :
								   p->key.k4.client);
	}
	if (!proto || !same)
		return KS_R_icmp_unknown;
	if (proto == IPPROTO_TCP && zone_quotes_flow(w, p->role == KS_CLIENT))
		return KS_R_icmp_error;
	return zone_quotes_conduit(w, proto, 0) || zone_quotes_conduit(w, proto, 1) ?
		       KS_R_icmp_error : KS_R_icmp_unknown;
}

/* An ICMP packet's echo ports, or KS_R_icmp_error ... KS_GO = judge it as a conduit's. */
static __always_inline int zone_icmp(struct xdp_md *ctx, struct pkt *p)
{
	struct icmp_hdr *icmp = pkt_at(ctx, p->l4, sizeof(*icmp));

	if (!icmp || p->l4 + sizeof(*icmp) > p->len)
		return KS_R_conduit_none;
	if (zone_is_error(p, icmp->type))
		return zone_error(ctx);
	return zone_echo(p, icmp) ? KS_GO : KS_R_conduit_none;
}

/* ---- the packet ---- */

/* Source on its own side, destination not the gateway; notes the zones. */
static __always_inline int zone_sides(struct xdp_md *ctx, struct pkt *p, struct ks_addr_rec *from,
				      struct ks_addr_rec *to)
{
	if (from) {
		p->zone[0] = from->zone;
		if (p->role == KS_CLIENT ? from->flags & KS_ADDR_PROTECTED :
					   from->zone && !(from->flags & KS_ADDR_PROTECTED))
			return KS_R_spoofed;
	}
	if (to) {
		p->zone[1] = to->zone;
		if (to->flags & KS_ADDR_LOCAL)
			return KS_R_local;
	}
	if (zone_is_igmp(p))
		return KS_R_group_management;
	return zone_is_discovery(ctx, p) ? KS_R_neighbour_discovery : KS_GO;
}

static __always_inline int zone_is_protocol_port(struct pkt *p)
{
	return p->role == KS_CLIENT && !p->fragment &&
	       ((p->l4proto == IPPROTO_TCP && policy_port(p, p->dport) & (KS_PORT_MODBUS | KS_PORT_ENIP)) ||
		(p->l4proto == IPPROTO_UDP && policy_port(p, p->dport)));
}

/* A request to an asset on a port that it speaks: what it asks is the rules' business. */
static __always_inline int zone_is_request(struct pkt *p, struct ks_addr_rec *to)
{
	struct ks_asset_rec *a;
	__u8 proto;

	if (p->role != KS_CLIENT || !to || !to->asset ||
	    (p->l4proto != IPPROTO_TCP && p->l4proto != IPPROTO_UDP))
		return 0;
	p->asset = to->asset;
	a = policy_asset(p);
	proto = a ? policy_speaks(p, a, p->dport) : KS_PROTO_NONE;
	p->asset = 0;
	return proto != KS_PROTO_NONE;
}

/* What is no OT request between two zones: a conduit's, or T->O data of a CIP connection. */
static __always_inline int zone_other(struct xdp_md *ctx, struct pkt *p)
{
	int r;

	if (p->l4proto == IPPROTO_ICMP && p->v6)
		return KS_R_conduit_none;
	r = conduit_packet();
	if (r == KS_R_conduit_none && p->role == KS_SERVER && p->l4proto == IPPROTO_UDP &&
	    conn_data(ctx))
		return KS_R_io_data;
	return r;
}

/*
 * Headers are parsed. KS_GO: it is an OT request, or there are no zones and nothing
 * speaks against its source; else what becomes of it.
 */
KS_GLOBAL int zone_packet(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_addr_rec *from, *to;
	int r = KS_GO;

	if (!p)
		return KS_R_internal;
	from = policy_address(p, p->role == KS_SERVER);
	if (p->role == KS_CLIENT && from && from->binding)
		r = zone_bound(ctx, p, from->binding);
	if (r != KS_GO || !p->zoned)
		return r;
	to = policy_address(p, p->role == KS_CLIENT);
	r = zone_sides(ctx, p, from, to);
	if (r == KS_R_local && zone_is_protocol_port(p))
		return KS_GO; /* the gateway is no asset: `unlisted` */
	if (r != KS_GO)
		return r;
	if (p->fragment)
		return KS_R_zone_fragment;
	if (p->extension)
		return KS_R_ipv6_extension;
	if (is_tunnel(p))
		return KS_R_tunnel;
	if (p->l4proto == (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		r = zone_icmp(ctx, p);
	if (r != KS_GO)
		return r;
	if (!p->zone[0] || !p->zone[1])
		return KS_R_zone_unknown;
	return zone_is_request(p, to) ? KS_GO : zone_other(ctx, p);
}

/* ---- OT, with zones ---- */

/* A request was judged: a datagram's reply is let back by the entry that it makes. */
static __always_inline int zone_request(struct pkt *p, int reason)
{
	struct ks_work *w = pkt_work();

	if (reason == KS_R_outbound)
		return KS_R_conduit_none; /* opened before there were zones */
	if (reason != KS_R_ok || p->l4proto != IPPROTO_UDP || !w)
		return reason;
	conduit_key(w, 0);
	reason = conduit_open(0, 0);
	return reason == KS_R_conduit ? KS_R_ok : reason;
}

/* Server: may tcp_server() look at this segment from an OT port? A SYN opens nothing there. */
static __always_inline int zone_leaves(struct pkt *p)
{
	p->known = table_lookup(p) != NULL;
	return p->known || tcp_class(p) != KS_C_SYN;
}

/* Server: what tcp_server() has not found on an OT connection needs a conduit. */
static __always_inline int zone_reply(struct xdp_md *ctx, struct pkt *p, int reason)
{
	if (reason == KS_R_outbound || (reason == KS_R_from_server && !p->known))
		return zone_packet(ctx);
	return reason;
}

#endif
