/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk over the messages that lie in a ring, and over the requests in each:
 * finds the borders and has every request judged. Says where it stopped and why.
 */
#ifndef KEYSWITCH_WALK_H
#define KEYSWITCH_WALK_H

#include "inner.h"

/*
 * The walk over the messages of one segment or datagram, and the requests in each.
 * On the stack stands only what a walk does not change, see struct ks_walk_state.
 */
struct walk {
	struct xdp_md *ctx;
	struct pkt *p;
	struct ks_walk_state *s;
	struct ks_modbus_ring *mb;	/* one of the two is set */
	struct ks_enip_ring *eip;
	__u8 dry;		/* borders only, nothing judged (probe) */
	__u8 carry;		/* an incomplete message passes piece by piece */
	__u8 single;		/* ends behind the first message */
	__u8 umas;		/* messages of FC 90 may be longer than others */
};

/* A walk that has not begun; p is not NULL. */
static __always_inline struct walk walk_init(struct xdp_md *ctx, struct ks_work *w)
{
	__builtin_memset(&w->walk, 0, sizeof(w->walk));
	w->walk.reason = KS_GO;
	return (struct walk){ .ctx = ctx, .p = &w->pkt, .s = &w->walk };
}

static __always_inline void walk_view(struct walk *k, struct view *v, const __u8 *ring,
				      __u32 ring_size, __u32 max)
{
	__u64 pos = k->s->cur;
	__u32 have = k->s->end - k->s->cur;

	BOUND_OFFSET(pos, ring_size);
	v->base = ring + pos;
	v->len = have < max ? have : max;
}

/* total: frame's length, 0 = header incomplete, < 0 = no frame. 0 = it is whole. */
static __always_inline int walk_frame(struct walk *k, int total)
{
	if (total < 0) {
		k->s->reason = k->dry ? KS_R_resync : judge_unframed(k->ctx, k->p, -total);
		k->p->take.refused = k->s->end - k->s->cur;
		return 1;
	}
	k->s->partial = total == 0 || (__u32)total > k->s->end - k->s->cur;
	if (k->s->partial)
		return 1;
	k->s->whole = 1;
	k->s->total = total;
	k->s->request = k->s->requests = 0;
	k->s->refused = KS_GO;
	return 0;
}

/* The message at cur is judged. 1 ends the walk: refused and enforced, or all done. */
static __always_inline long walk_next(struct walk *k)
{
	if (k->s->reason == KS_GO)
		k->s->reason = k->s->refused;
	k->p->again = 0;
	if (k->s->refused != KS_GO && !k->p->follow) {
		k->p->take.refused = k->s->total;
		if (k->p->taken != k->p->settled)
			rate_give(k->p->settled);
		return 1;
	}
	k->p->settled = k->p->taken;
	k->s->cur += k->s->total;
	k->s->total = 0;
	return k->single || k->s->cur == k->s->end;
}

static long walk_modbus(__u64 i, void *arg)
{
	struct walk *k = arg;
	struct view v;

	walk_view(k, &v, k->mb->bytes, KS_MB_RING, KS_MB_VIEW);
	if (walk_frame(k, modbus_frame(&v, k->umas)))
		return 1;
	if (!k->dry) {
		judge_adu(k->mb, k->s->cur, k->s->total);
		k->s->refused = judge_leaf(k->ctx, k->p);
	}
	return walk_next(k);
}

/* The first bytes of the whole message at v. */
static __always_inline void walk_head(struct view *v, __u32 total)
{
	struct ks_work *w = pkt_work();

	v->len = total;
	if (w)
		judge_head(w, v);
}

/* One request a call: the message's own, or the next member. */
static long walk_enip(__u64 i, void *arg)
{
	struct walk *k = arg;
	struct view v;
	int r;

	if (!k->s->total) {
		walk_view(k, &v, k->eip->bytes, KS_EIP_RING, KS_EIP_VIEW);
		if (walk_frame(k, enip_frame(&v)))
			return 1;
		if (k->dry)
			return walk_next(k);
		walk_head(&v, k->s->total);
		k->s->requests = judge_envelope(k->eip, k->s->cur, k->s->total);
	}
	if (k->s->requests) {
		judge_request(k->eip, k->s->cur, k->s->total, k->s->request);
		inner_request(k->eip, k->s->cur, k->s->total);
	}
	r = judge_leaf(k->ctx, k->p);
	if (k->s->requests && (r == KS_GO || k->p->follow))
		judge_asked();
	if (k->s->refused == KS_GO)
		k->s->refused = r;
	k->s->request++;
	return k->s->request < k->s->requests ? 0 : walk_next(k);
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
