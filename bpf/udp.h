/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OT requests over UDP: exactly one message a datagram, no state. The payload is
 * judged in the ring of this CPU, so dissectors see one kind of memory.
 */
#ifndef KEYSWITCH_UDP_H
#define KEYSWITCH_UDP_H

#include "stream.h"

static __always_inline int udp_malformed(struct pkt *p)
{
	return p->proto == KS_MODBUS ? KS_R_malformed : KS_R_encap_malformed;
}

/* The frame must be the datagram, no more and no less. */
static __always_inline int udp_judge(struct walk *k, __u32 len, int total)
{
	if (total < 0 || (__u32)total != len)
		return judge_unframed(k->ctx, k->p, total < 0 ? -total : udp_malformed(k->p));
	k->s->reason = k->s->refused = KS_GO;
	k->s->end = len;
	walk_all(k);
	return k->s->reason;
}

KS_GLOBAL int udp_modbus(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_asset_rec *a;
	struct walk k;
	struct view v;
	__u64 n;

	if (!w || !p)
		return KS_R_internal;
	a = policy_asset(p);
	k = walk_init(ctx, w);
	k.mb = bpf_map_lookup_elem(&mb_rings, &cpu);
	if (!k.mb || !a)
		return KS_R_internal;
	k.umas = a->umas;
	n = p->len;
	if (n == 0 || n > KS_MB_VIEW)
		return judge_unframed(ctx, p, udp_malformed(p));
	v = (struct view){ .base = k.mb->bytes, .len = n };
	BOUND1(n, KS_MB_VIEW);
	if (bpf_xdp_load_bytes(ctx, p->pay, k.mb->bytes, n))
		return KS_R_internal;
	return udp_judge(&k, v.len, modbus_frame(&v, k.umas));
}

KS_GLOBAL int udp_enip(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct walk k;
	struct view v;
	__u64 n;

	if (!w || !p)
		return KS_R_internal;
	k = walk_init(ctx, w);
	k.eip = bpf_map_lookup_elem(&eip_rings, &cpu);
	if (!k.eip)
		return KS_R_internal;
	n = p->len;
	if (n == 0 || n > KS_EIP_SEG)
		return judge_unframed(ctx, p, udp_malformed(p));
	v = (struct view){ .base = k.eip->bytes, .len = n };
	BOUND1(n, KS_EIP_SEG);
	if (bpf_xdp_load_bytes(ctx, p->pay, k.eip->bytes, n))
		return KS_R_internal;
	return udp_judge(&k, v.len, enip_frame(&v));
}

static __always_inline int udp_client(struct xdp_md *ctx, struct pkt *p)
{
	int r = policy_pair(p->dport);

	if (r != KS_GO && r != KS_R_pair_denied)
		return r;
	pkt_take(p);
	if (p->proto == KS_MODBUS)
		r = udp_modbus(ctx);
	else if (p->proto == KS_ENIP)
		r = udp_enip(ctx);
	else
		r = judge_io(ctx, p);
	return r == KS_GO ? KS_R_ok : r;
}

#endif
