/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plain request, which nearly every segment of a client is: one Modbus ADU of
 * function code 1 to 6 and nothing else, next in order on a connection at rest, allowed
 * without a word. Judged where it lies in the packet; kept and committed in one locked
 * section. Refuses nothing, and changes nothing unless it commits: what is not as plain
 * is KS_GO, and the general path asks all over again (tcp.h).
 */
#ifndef KEYSWITCH_PLAIN_H
#define KEYSWITCH_PLAIN_H

#include "flow.h"
#include "kept.h"
#include "verdict.h"

#define PLAIN_BYTES	KS_KEPT_BYTES /* MBAP header, function code, address, quantity or value */
#define PLAIN_AT_REST	(KS_F_BUSY | KS_F_AUDIT | KS_F_LOST | KS_F_PENDING | KS_F_CFIN | KS_F_SFIN)
#define PLAIN_OPEN	(KS_CL_CACK | KS_CL_SACK | KS_CL_SHORT | KS_CL_BEYOND)

/* Of the ADU and of the flow, read before the lock. */
struct plain {
	__u64 bytes;		/* the first eight */
	__u32 rest;
	__u32 lo, hi;		/* elements */
	__u32 profile;
	__u32 rule;		/* that allows it */
	__u32 slot;		/* of the ring */
	__u16 asset;
	__u8 unit, fc;
};

/* Nothing is to be done beside, and the segment can be one. */
static __always_inline int plain_segment(const struct pkt *p)
{
	return p->len == PLAIN_BYTES && p->class == KS_C_DATA && p->flags == TCP_ACK &&
	       p->mode == KS_ENFORCE && !p->follow && !p->shadow && !pkt_blind();
}

/* The lengths and values that modbus_dissect() asks for. */
static __always_inline int plain_dissect(const __u8 *adu, struct plain *q)
{
	__u32 word = adu[10] << 8 | adu[11];

	q->unit = adu[6];
	q->fc = adu[7];
	q->lo = q->hi = adu[8] << 8 | adu[9];
	if (adu[2] | adu[3] | adu[4] || adu[5] != PLAIN_BYTES - 6 || q->fc < 1 || q->fc > 6)
		return 0;
	if (q->fc == 5 && word != 0xff00 && word != 0)
		return 0;
	if (q->fc <= 4 && word)
		q->hi += word - 1;
	q->bytes = load_u64(adu);
	q->rest = load_u32(adu + 8);
	return 1;
}

/* Internet checksum over the segment's constant number of bytes. */
static __always_inline int plain_sum(struct xdp_md *ctx, struct pkt *p, __u32 size)
{
	__u64 sum = sum_pseudo(p, size), v;
	__u8 *at = pkt_at(ctx, p->l4, size);
	struct tcp_hdr *th = (struct tcp_hdr *)at;
	__u32 i;

	if (!at)
		return 0;
	if (th->csum == sum_fold(sum)) /* left to the NIC, see checksum_verify() */
		return 1;
	for (i = 0; i + 8 <= size; i += 8) {
		v = load_u64(at + i);
		sum += (__u32)v;
		sum += v >> 32;
	}
	if (i < size)
		sum += load_u32(at + i);
	return sum_fold(sum) == 0xffff;
}

static __always_inline int plain_checksum(struct xdp_md *ctx, struct pkt *p)
{
	__u32 header = p->pay - p->l4;

	if (header == sizeof(struct tcp_hdr) + 12) /* timestamps */
		return plain_sum(ctx, p, sizeof(struct tcp_hdr) + 12 + PLAIN_BYTES);
	return header == sizeof(struct tcp_hdr) &&
	       plain_sum(ctx, p, sizeof(struct tcp_hdr) + PLAIN_BYTES);
}

/* Every element is allowed, by rules that want nothing else. */
static __always_inline int plain_allowed(struct pkt *p, struct plain *q)
{
	struct ks_profile_rec *prof = policy_entry(&pol_profiles, p->slot, &q->profile);
	struct ks_asset_rec *a = policy_asset(p);
	__u32 key = q->unit >> 3;
	struct ks_units_rec *units;
	struct ks_decision *d;
	struct ks_range *r;

	if (!prof || !a || (a->has_units && !(a->units[key & 31] & 1 << (q->unit & 7))))
		return 0;
	key = prof->mb_row;
	if (prof->units) {
		units = policy_entry(&pol_units, p->slot, &prof->units);
		if (!units)
			return 0;
		key = units->row[q->unit];
	}
	key = key * 128 + q->fc;
	d = policy_entry(&pol_modbus, p->slot, &key);
	if (d && d->kind == KS_K_SLICE) {
		r = policy_range(p, d->first, d->count, q->lo);
		d = r && q->hi <= r->allow_to ? &r->d : NULL;
	}
	if (!d || d->kind != KS_K_ALLOW || d->flags || d->alert)
		return 0;
	q->rule = d->rule;
	return 1;
}

/* What the flow says of the asset and its profile; under the lock it must still be so. */
static __always_inline int plain_flow(struct ks_flow *f, struct pkt *p, struct plain *q)
{
	if (f->abi != KS_ABI || f->pair != cfg.client_port || f->proto != KS_MODBUS ||
	    f->generation != p->generation)
		return 0;
	q->slot = f->slot - 1;
	q->profile = f->profile;
	q->asset = f->asset;
	p->asset = f->asset;
	return 1;
}

/*
 * E1 and E3 (flow_accept(), flow_data()) where they have nothing to decide: both numbers
 * fit, the server is open, nothing is kept, awaited, compared or claimed.
 */
static __always_inline int plain_at_rest(struct ks_flow *f, struct pkt *p, const struct plain *q)
{
	if (f->state != KS_S_ESTAB || f->slot != q->slot + 1 || f->generation != p->generation ||
	    f->profile != q->profile || f->asset != q->asset)
		return 0;
	if (f->flags & PLAIN_AT_REST || f->close & PLAIN_OPEN ||
	    f->how & (KS_HOW_SINGLE | KS_HOW_WAIT))
		return 0;
	if (p->seq != f->c_nxt || f->msg_start != f->c_nxt ||
	    f->c_nxt - f->border > KS_MB_RING - PLAIN_BYTES)
		return 0;
	if (seq_lt(f->s_nxt, p->ack) || seq_lt(p->ack, f->s_nxt - KS_ACK_BEHIND))
		return 0;
	return !flow_beside(f, p);
}

static __always_inline int plain_commit(struct ks_flow *f, struct pkt *p, const struct plain *q)
{
	struct ks_modbus_ring *ring = bpf_map_lookup_elem(&mb_rings, &q->slot);
	int r = KS_GO;

	if (!ring || !kept_fits(p->seq))
		return KS_GO;
	latency_clock(p, f);
	bpf_spin_lock(&f->lock);
	if (plain_at_rest(f, p, q)) {
		kept_next(f, ring, q->bytes, q->rest);
		f->c_nxt += PLAIN_BYTES;
		f->msg_start = f->c_nxt;
		f->refused = 0;
		latency_begin(f, p);
		f->t_last = p->now;
		flow_changed(f);
		r = KS_R_ok;
	}
	bpf_spin_unlock(&f->lock);
	if (r == KS_GO)
		p->timed = 0;
	return r;
}

/* KS_R_ok, counted and committed; else KS_GO. */
KS_GLOBAL int plain_request(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct plain q = {};
	struct ks_flow *f;
	__u8 *adu;

	if (!p || !plain_segment(p))
		return KS_GO;
	f = table_lookup(p);
	adu = pkt_at(ctx, p->pay, PLAIN_BYTES);
	if (!f || !adu || !plain_dissect(adu, &q) || !plain_flow(f, p, &q) ||
	    !plain_checksum(ctx, p) || !plain_allowed(p, &q) || plain_commit(f, p, &q) == KS_GO)
		return KS_GO;
	verdict_count_modbus(p, q.fc);
	verdict_count_rule(p, q.rule, KS_V_ALLOW);
	return KS_R_ok;
}

#endif
