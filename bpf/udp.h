/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OT requests over UDP: exactly one message a datagram, no state. The payload is
 * judged in the ring of this CPU, so dissectors see one kind of memory.
 */
#ifndef KEYSWITCH_UDP_H
#define KEYSWITCH_UDP_H

#include "stream.h"

/* Exactly one message of `len` bytes, judged as the stream's are. */
static __always_inline int udp_judge(struct walk *k, __u32 len)
{
	k->reason = k->refused = KS_GO;
	k->end = len;
	walk_all(k);
	if (k->partial || (k->whole && k->cur + k->total != len && k->reason == KS_GO))
		return judge_unframed(k->ctx, k->p);
	return k->reason;
}

KS_GLOBAL int udp_modbus(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 cpu = bpf_get_smp_processor_id();
	struct walk k = { .ctx = ctx, .p = p };
	__u64 n;

	k.mb = bpf_map_lookup_elem(&mb_rings, &cpu);
	if (!k.mb || !p)
		return KS_R_internal;
	n = p->len;
	if (n == 0 || n >= KS_MB_VIEW)
		return judge_unframed(ctx, p);
	BOUND1(n, KS_MB_VIEW);
	if (bpf_xdp_load_bytes(ctx, p->pay, k.mb->bytes, n))
		return KS_R_internal;
	return udp_judge(&k, n);
}

KS_GLOBAL int udp_enip(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 cpu = bpf_get_smp_processor_id();
	struct walk k = { .ctx = ctx, .p = p };
	__u64 n;

	k.eip = bpf_map_lookup_elem(&eip_rings, &cpu);
	if (!k.eip || !p)
		return KS_R_internal;
	n = p->len;
	if (n == 0 || n > KS_EIP_SEG)
		return judge_unframed(ctx, p);
	BOUND1(n, KS_EIP_SEG);
	if (bpf_xdp_load_bytes(ctx, p->pay, k.eip->bytes, n))
		return KS_R_internal;
	return udp_judge(&k, n);
}

static __always_inline int udp_client(struct xdp_md *ctx, struct pkt *p)
{
	int r = policy_pair(p->dport);

	if (r != KS_GO && r != KS_R_pair_denied)
		return r;
	if (p->proto == KS_MODBUS)
		r = udp_modbus(ctx);
	else if (p->proto == KS_ENIP)
		r = udp_enip(ctx);
	else
		r = judge_io(ctx, p);
	return r == KS_GO ? KS_R_ok : r;
}

#endif
