/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk over the messages that lie in a ring, and over the requests in each:
 * finds the borders and has every request judged. Says where it stopped and why.
 */
#ifndef KEYSWITCH_WALK_H
#define KEYSWITCH_WALK_H

#include "judge.h"

/* The walk over the messages of one segment or datagram, and the requests in each. */
struct walk {
	struct xdp_md *ctx;
	struct pkt *p;
	struct ks_modbus_ring *mb;	/* one of the two is set */
	struct ks_enip_ring *eip;
	__u32 cur;		/* start of the message being looked at */
	__u32 end;		/* beyond the last byte in the ring */
	__u32 total;		/* bytes of the message at cur, 0 = not looked at yet */
	__u32 request;		/* next request in it */
	__u32 requests;		/* how many there are, 0 = the message itself */
	int refused;		/* first reason found in it, else KS_GO */
	int reason;		/* first reason of the walk, else KS_GO */
	__u8 partial;		/* bytes [cur, end) are an incomplete message */
	__u8 dry;		/* borders only, nothing judged (probe) */
	__u8 whole;		/* at least one whole message was seen */
	__u8 carry;		/* an incomplete message passes piece by piece */
	__u8 single;		/* ends behind the first message */
};

static __always_inline void walk_view(struct walk *k, struct view *v, const __u8 *ring,
				      __u32 ring_size, __u32 max)
{
	__u64 pos = k->cur;
	__u32 have = k->end - k->cur;

	BOUND_OFFSET(pos, ring_size);
	v->base = ring + pos;
	v->len = have < max ? have : max;
}

/* total: frame's length, 0 = header incomplete, < 0 = no frame. 0 = it is whole. */
static __always_inline int walk_frame(struct walk *k, int total)
{
	if (total < 0) {
		k->reason = k->dry ? KS_R_resync : judge_unframed(k->ctx, k->p, -total);
		k->p->take.refused = k->end - k->cur;
		return 1;
	}
	k->partial = total == 0 || (__u32)total > k->end - k->cur;
	if (k->partial)
		return 1;
	k->whole = 1;
	k->total = total;
	k->request = k->requests = 0;
	k->refused = KS_GO;
	return 0;
}

/* The message at cur is judged. 1 ends the walk: refused and enforced, or all done. */
static __always_inline long walk_next(struct walk *k)
{
	if (k->reason == KS_GO)
		k->reason = k->refused;
	k->p->again = 0;
	if (k->refused != KS_GO && !k->p->follow) {
		k->p->take.refused = k->total;
		return 1;
	}
	k->cur += k->total;
	k->total = 0;
	return k->single || k->cur == k->end;
}

static long walk_modbus(__u64 i, void *arg)
{
	struct walk *k = arg;
	struct view v;

	walk_view(k, &v, k->mb->bytes, KS_MB_RING, KS_MB_VIEW);
	if (walk_frame(k, modbus_frame(&v)))
		return 1;
	if (!k->dry) {
		judge_adu(k->mb, k->cur, k->total);
		k->refused = judge_decide(k->ctx);
	}
	return walk_next(k);
}

/* One request a call: the message's own, or the next member. */
static long walk_enip(__u64 i, void *arg)
{
	struct walk *k = arg;
	struct view v;
	int r;

	if (!k->total) {
		walk_view(k, &v, k->eip->bytes, KS_EIP_RING, KS_EIP_VIEW);
		if (walk_frame(k, enip_frame(&v)))
			return 1;
		if (k->dry)
			return walk_next(k);
		k->requests = judge_envelope(k->eip, k->cur, k->total);
	}
	if (k->requests)
		judge_request(k->eip, k->cur, k->total, k->request);
	r = judge_decide(k->ctx);
	if (k->refused == KS_GO)
		k->refused = r;
	k->request++;
	return k->request < k->requests ? 0 : walk_next(k);
}

/* Smallest message or member: 8 bytes Modbus, 2 a CIP member with its offset 4. */
static __always_inline void walk_all(struct walk *k)
{
	if (k->mb)
		ks_loop(KS_MB_RING / 8 + 1, walk_modbus, k);
	else
		ks_loop(KS_EIP_VIEW / 4, walk_enip, k);
}

#endif
