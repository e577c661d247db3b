/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethernet: up to two VLAN tags, then IP or a non-IP ethertype that the policy's
 * pass list judges. Toward the protected side unknown encapsulation stops here;
 * away from it non-IP passes, unless there are zones.
 */
#ifndef KEYSWITCH_L2_H
#define KEYSWITCH_L2_H

#include "pkt.h"

#define ETH_8021Q	0x8100
#define ETH_8021AD	0x88a8
#define ETH_QINQ_OLD	0x9100
#define ETH_IPV4	0x0800
#define ETH_IPV6	0x86dd
#define ETH_HSR		0x892f /* IEC 62439-3: path and size, sequence, then the inner ethertype */
#define ETH_MIN_TYPE	0x0600 /* below: IEEE 802.3 length field */

static __always_inline int l2_is_vlan(__u16 type)
{
	return type == ETH_8021Q || type == ETH_8021AD || type == ETH_QINQ_OLD;
}

/*
 * 802.3 length frames: LLC. STP and vendor SNAP (CDP) pass when the list says
 * so; SNAP with an ethertype (OUI 00-00-00, 00-00-f8) and LLC 06 can carry IP.
 */
static __always_inline int l2_llc(struct xdp_md *ctx, struct pkt *p, const struct ks_pol_cfg *pol)
{
	__u8 *llc = pkt_at(ctx, p->l3, 8);

	if (!llc)
		return KS_R_frame_short;
	if (llc[0] == 0x06 || llc[1] == 0x06)
		return KS_R_tunnel;
	if ((llc[0] == 0xaa || llc[1] == 0xaa) && llc[3] == 0 && llc[4] == 0 &&
	    (llc[5] == 0 || llc[5] == 0xf8))
		return KS_R_tunnel;
	return pol->llc ? KS_R_ethertype_pass : KS_R_ethertype_denied;
}

/* An HSR node unpacks the frame: what is inside must not be IP, or a tag before it. */
static __always_inline int l2_hsr_carries_ip(struct xdp_md *ctx, struct pkt *p)
{
	__be16 *tag = pkt_at(ctx, p->l3, 6);
	__u16 inner;

	if (!tag)
		return 1;
	inner = bpf_ntohs(tag[2]);
	return inner == ETH_IPV4 || inner == ETH_IPV6 || l2_is_vlan(inner);
}

static __always_inline int l2_non_ip(struct xdp_md *ctx, struct pkt *p, const struct ks_pol_cfg *pol)
{
	__u64 byte = p->ethertype >> 3;

	if (p->role == KS_SERVER && !p->zoned)
		return KS_R_ethertype_pass;
	if (p->ethertype < ETH_MIN_TYPE)
		return l2_llc(ctx, p, pol);
	if (p->ethertype == ETH_HSR && l2_hsr_carries_ip(ctx, p))
		return KS_R_tunnel;
	BOUND_OFFSET(byte, 8192);
	if (pol->ethertypes[byte] & (1 << (p->ethertype & 7)))
		return KS_R_ethertype_pass;
	return KS_R_ethertype_denied;
}

static __always_inline int l2_parse(struct xdp_md *ctx, struct pkt *p, const struct ks_pol_cfg *pol)
{
	__be16 *type = pkt_at(ctx, 12, 2);
	__be16 *tag;
	int i;

	p->l3 = 14;
	if (!type)
		return KS_R_frame_short;
	p->ethertype = bpf_ntohs(*type);
	for (i = 0; i < 2 && l2_is_vlan(p->ethertype); i++) {
		tag = pkt_at(ctx, p->l3, 4);
		if (!tag)
			return KS_R_frame_short;
		p->vlan[i] = bpf_ntohs(tag[0]) & 0xfff;
		p->ethertype = bpf_ntohs(tag[1]);
		p->l3 += 4;
	}
	if (l2_is_vlan(p->ethertype))
		return p->role == KS_CLIENT || p->zoned ? KS_R_vlan_depth : KS_R_ethertype_pass;
	if (p->ethertype != ETH_IPV4 && p->ethertype != ETH_IPV6)
		return l2_non_ip(ctx, p, pol);
	return KS_GO;
}

#endif
