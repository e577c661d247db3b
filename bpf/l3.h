/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv4 and IPv6 (RFC 791, RFC 8200): addresses into the key, the payload's end
 * from the IP length, fragments and extension headers noted. What is malformed
 * stops toward the protected side and passes, untracked, away from it.
 */
#ifndef KEYSWITCH_L3_H
#define KEYSWITCH_L3_H

#include "l2.h"

#define IPPROTO_HOPOPTS		0
#define IPPROTO_ICMP		1
#define IPPROTO_IGMP		2
#define IPPROTO_TCP		6
#define IPPROTO_UDP		17
#define IPPROTO_ROUTING		43
#define IPPROTO_FRAGMENT	44
#define IPPROTO_AH		51
#define IPPROTO_ICMPV6		58
#define IPPROTO_DSTOPTS		60
#define IPPROTO_MOBILITY	135
#define IPPROTO_HIP		139
#define IPPROTO_SHIM6		140

#define KS_EXT_MAX 4 /* IPv6 extension headers followed; more is dropped */

struct ip4_hdr {
	__u8 vihl, tos;
	__be16 tot_len, id, frag;
	__u8 ttl, proto;
	__be16 csum;
	__be32 src, dst;
};

struct ip6_hdr {
	__be32 flow;
	__be16 plen;
	__u8 next, hops;
	__u8 src[16], dst[16];
};

/* Away from the protected side nothing is dropped for its form, unless there are zones. */
static __always_inline int l3_bad(struct pkt *p, int reason)
{
	return p->role == KS_CLIENT || p->zoned ? reason : KS_R_from_server;
}

/* `end` (frame offset of the payload's end) is parked in len until L4 is known. */
static __always_inline int l3_end(struct xdp_md *ctx, struct pkt *p, __u32 end)
{
	if ((end > pkt_linear(ctx) && end > bpf_xdp_get_buff_len(ctx)) || end > 0xffff)
		return l3_bad(p, KS_R_ip_length);
	p->len = end;
	return KS_GO;
}

static __always_inline int l3_router_alert4(struct xdp_md *ctx, struct pkt *p, struct ip4_hdr *ip)
{
	__u8 *opt = pkt_at(ctx, p->l3 + 20, 4);

	/* RFC 2113: option 148, length 4; IGMP is its only everyday user */
	if (opt && ip->vihl == 0x46 && ip->proto == IPPROTO_IGMP && opt[0] == 148 && opt[1] == 4)
		return KS_R_group_management;
	return KS_R_ip_options;
}

static __always_inline int l3_parse4(struct xdp_md *ctx, struct pkt *p, __u8 role)
{
	struct ip4_hdr *ip = pkt_at(ctx, p->l3, sizeof(*ip));
	__u32 ihl, total, frag;
	__u64 both;

	if (!ip)
		return l3_bad(p, KS_R_frame_short);
	ihl = (ip->vihl & 15) * 4;
	total = bpf_ntohs(ip->tot_len);
	if (ip->vihl >> 4 != 4 || ihl < 20)
		return l3_bad(p, KS_R_ip_header);
	if (ihl != 20 && role == KS_CLIENT)
		return l3_router_alert4(ctx, p, ip);
	if (total < ihl)
		return l3_bad(p, KS_R_ip_length);
	frag = bpf_ntohs(ip->frag);
	p->fragment = frag & 0x1fff ? 2 : frag & 0x2000 ? 1 : 0;
	p->l4proto = ip->proto;
	p->l4 = p->l3 + ihl;
	both = load_u64(&ip->src);
	store_u64(&p->key, role == KS_CLIENT ? both : both << 32 | both >> 32);
	return l3_end(ctx, p, p->l3 + total);
}

static __always_inline int l3_is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_AH || next == IPPROTO_DSTOPTS || next == IPPROTO_MOBILITY ||
	       next == IPPROTO_HIP || next == IPPROTO_SHIM6;
}

/*
 * MLD (RFC 3810): hop-by-hop with Router Alert alone, then ICMPv6. Its type matters
 * between zones only: no ICMPv6 message carries an OT request.
 */
static __always_inline int l3_is_mld(const __u8 *ext)
{
	return ext[0] == IPPROTO_ICMPV6 && ext[1] == 0 && ext[2] == 5 && ext[3] == 2;
}

static __always_inline int l3_is_mld_type(struct xdp_md *ctx, struct pkt *p)
{
	__u8 *type = pkt_at(ctx, p->l4 + 8, 1);

	return type && ((*type >= 130 && *type <= 132) || *type == 143);
}

/* One extension header; KS_GO to go on, with next and l4 moved behind it. */
static __always_inline int l3_extension(struct xdp_md *ctx, struct pkt *p)
{
	__u8 *ext = pkt_at(ctx, p->l4, 8);
	__u8 kind = p->l4proto;
	__u32 size;

	if (!ext)
		return l3_bad(p, KS_R_frame_short);
	if (kind == IPPROTO_HOPOPTS && l3_is_mld(ext) && (!p->zoned || l3_is_mld_type(ctx, p)))
		return KS_R_group_management;
	if (kind == IPPROTO_ROUTING) /* names another destination than the header */
		return l3_bad(p, KS_R_ipv6_extension);
	size = kind == IPPROTO_AH ? (ext[1] + 2) * 4 : (ext[1] + 1) * 8;
	if (kind == IPPROTO_FRAGMENT) {
		size = 8;
		p->fragment = (ext[2] << 8 | ext[3]) & 0xfff8 ? 2 : 1;
	}
	p->extension = 1;
	p->l4proto = ext[0];
	if (p->l4 + size > PKT_HEADERS_END)
		return l3_bad(p, KS_R_ipv6_extension);
	p->l4 += size;
	return KS_GO;
}

static __always_inline void l3_address6(__u8 *to, const __u8 *from)
{
	store_u64(to, load_u64(from));
	store_u64(to + 8, load_u64(from + 8));
}

static __always_inline int l3_parse6(struct xdp_md *ctx, struct pkt *p, __u8 role)
{
	struct ip6_hdr *ip = pkt_at(ctx, p->l3, sizeof(*ip));
	int i, r;

	if (!ip)
		return l3_bad(p, KS_R_frame_short);
	if (bpf_ntohl(ip->flow) >> 28 != 6)
		return l3_bad(p, KS_R_ip_header);
	l3_address6(p->key.k6.client, role == KS_CLIENT ? ip->src : ip->dst);
	l3_address6(p->key.k6.server, role == KS_CLIENT ? ip->dst : ip->src);
	p->v6 = 1;
	p->l4proto = ip->next;
	p->l4 = p->l3 + sizeof(*ip);
	r = l3_end(ctx, p, p->l4 + bpf_ntohs(ip->plen));
	if (r != KS_GO)
		return r;
	for (i = 0; i < KS_EXT_MAX && p->fragment != 2 && l3_is_extension(p->l4proto); i++) {
		r = l3_extension(ctx, p);
		if (r != KS_GO)
			return r;
	}
	if (p->fragment != 2 && l3_is_extension(p->l4proto))
		return l3_bad(p, KS_R_ipv6_extension);
	return KS_GO;
}

static __always_inline int l3_parse(struct xdp_md *ctx, struct pkt *p, __u8 role)
{
	return p->ethertype == ETH_IPV4 ? l3_parse4(ctx, p, role) : l3_parse6(ctx, p, role);
}

#endif
