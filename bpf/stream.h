/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client bytes of a tracked connection: copy them into the ring (the claim is
 * ours), compare what is sent again, cut the stream into messages and have each
 * judged, and say how far the segment may pass. Knows nothing of flow rules.
 */
#ifndef KEYSWITCH_STREAM_H
#define KEYSWITCH_STREAM_H

#include "judge.h"

/* key: ring slot, value: last client bytes. Written under a claim. Miss: `internal`. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_MODBUS_RINGS);
	__type(key, __u32);
	__type(value, struct ks_modbus_ring);
} mb_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_ENIP_RINGS);
	__type(key, __u32);
	__type(value, struct ks_enip_ring);
} eip_rings SEC(".maps");

/*
 * Copies payload bytes [off, off + n) to ring position seq: once contiguous
 * (into the room behind the ring if need be), once more to the ring's start
 * what went beyond its end, once more to the mirror what went to its start.
 */
static __always_inline int ring_copy(struct xdp_md *ctx, __u8 *ring, __u32 ring_size, __u32 view,
				     __u32 seg, __u32 seq, __u32 off, __u32 n)
{
	__u64 pos = seq, len = n, over;
	long r;

	if (n == 0 || n > seg)
		return -1;
	BOUND_OFFSET(pos, ring_size);
	BOUND1(len, seg);
	r = bpf_xdp_load_bytes(ctx, off, ring + pos, len);
	if (pos + n > ring_size) {
		over = pos + n - ring_size;
		if (over > seg)
			return -1;
		BOUND1(over, seg);
		r |= bpf_xdp_load_bytes(ctx, off + ring_size - (__u32)pos, ring, over);
	}
	if (pos < view)
		r |= bpf_xdp_load_bytes(ctx, off, ring + ring_size + pos, len);
	return r;
}

struct compare {
	const __u8 *ring;
	const __u8 *seg;
	__u32 seq;
	__u32 len;
	__u32 done;
	int differs;
};

/* Eight bytes a call; the ring's mirror makes them contiguous at its end. */
#define COMPARE_STEP(name, ring_size)                                   \
	static long name(__u64 i, void *arg)                            \
	{                                                               \
		struct compare *c = arg;                                \
		__u64 pos = c->seq + c->done, at = c->done;             \
		__u64 a;                                                \
		__u32 left = c->len - c->done;                          \
                                                                        \
		BOUND_OFFSET(pos, ring_size);                           \
		BOUND_OFFSET(at, KS_EIP_SEG);                           \
		a = load_u64(c->ring + pos) ^ load_u64(c->seg + at);    \
		if (left < 8)                                           \
			a &= le_mask(left);                             \
		c->differs |= a != 0;                                   \
		c->done += 8;                                           \
		return c->differs || c->done >= c->len;                 \
	}

COMPARE_STEP(compare_modbus, KS_MB_RING)
COMPARE_STEP(compare_enip, KS_EIP_RING)

/* 1 if payload bytes [off, off + len) are not those of the ring at seq, < 0 = internal. */
static __always_inline int ring_differs(struct xdp_md *ctx, struct pkt *p, const __u8 *ring,
					int modbus, __u32 seq, __u32 off, __u32 len)
{
	struct compare c = { .ring = ring, .seq = seq, .len = len };
	struct ks_work *w = pkt_work();
	__u64 n = len;

	if (!w || n == 0 || n > KS_EIP_SEG)
		return 1;
	c.seg = w->seg;
	BOUND1(n, KS_EIP_SEG);
	if (bpf_xdp_load_bytes(ctx, p->pay + off, w->seg, n))
		return -1;
	if (modbus)
		ks_loop(KS_EIP_SEG / 8, compare_modbus, &c);
	else
		ks_loop(KS_EIP_SEG / 8, compare_enip, &c);
	return c.differs;
}

/*
 * KS_GO if retransmitted bytes equal the ring's. Also, before new bytes replace
 * them there: is the segment the one whose first message was refused last time?
 */
static __always_inline int stream_compare(struct xdp_md *ctx, struct pkt *p, const __u8 *ring,
					  int modbus)
{
	struct take *t = &p->take;
	int r = 0;

	if (t->cmp_len)
		r = ring_differs(ctx, p, ring, modbus, t->cmp_seq, 0, t->cmp_len);
	if (r)
		return r < 0 ? KS_R_internal : KS_R_retransmit_mismatch;
	if (t->claimed && t->refused_before && t->n >= t->refused_before)
		p->again = !ring_differs(ctx, p, ring, modbus, t->seq, t->skip, t->refused_before);
	return KS_GO;
}

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
	return k->cur == k->end;
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
		ks_loop(KS_MB_SEG / 8 + 1, walk_modbus, k);
	else
		ks_loop(KS_EIP_VIEW / 4, walk_enip, k);
}

/*
 * How far the segment may pass. Enforced: up to the last whole allowed message,
 * and, where splits are carried, with the incomplete one behind it. Followed:
 * everything, whatever was found.
 */
static __always_inline int stream_accept(struct walk *k)
{
	struct take *t = &k->p->take;

	t->accept = t->next_start = k->cur;
	if (k->p->follow) {
		t->lost = k->reason != KS_GO && k->cur != k->end && !k->partial;
		t->accept = k->end;
		t->next_start = t->lost ? k->end : k->cur;
	} else if (k->reason == KS_GO && k->partial && k->carry) {
		t->accept = k->end;
	} else if (k->reason != KS_GO && seq_lt(k->cur, t->seq)) {
		t->accept = t->seq;	/* its first part has passed already */
		t->kill = 1;
		return KS_R_message_after_prefix;
	}
	if (seq_lt(t->accept, t->seq))
		t->accept = t->seq;
	if (k->reason != KS_GO)
		return k->reason;
	if (t->accept != k->end)
		return KS_R_split_held;
	return k->whole ? KS_R_ok : KS_R_carried;
}

/* A segment of unknown position counts only if it is whole messages. */
static __always_inline int stream_probe(struct walk *k)
{
	struct take *t = &k->p->take;

	k->dry = 1;
	walk_all(k);
	if (k->reason == KS_GO && !k->partial) {
		k->dry = 0;
		k->whole = 0;
		k->cur = t->seq;
		return KS_GO;
	}
	t->lost = 1;
	t->accept = t->next_start = k->p->follow ? k->end : t->seq;
	return k->p->follow ? KS_R_resync : KS_R_no_state;
}

static __always_inline int stream_judge(struct walk *k)
{
	struct take *t = &k->p->take;
	int r = KS_GO;

	k->reason = KS_GO;
	k->cur = t->start;
	k->end = t->seq + t->n;
	if (t->probe)
		r = stream_probe(k);
	if (r != KS_GO)
		return r;
	walk_all(k);
	return stream_accept(k);
}

/*
 * A client segment in two steps, global functions so that their stacks do not
 * add up: store (compare what was sent before, copy what is new into the ring)
 * and walk (judge). p->take says what to publish; nothing passes unless said.
 */
KS_GLOBAL int stream_store_modbus(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_modbus_ring *ring;
	struct take *t;
	int r;

	if (!p)
		return KS_R_internal;
	t = &p->take;
	ring = bpf_map_lookup_elem(&mb_rings, &t->slot);
	if (!ring)
		return KS_R_internal;
	r = stream_compare(ctx, p, ring->bytes, 1);
	if (r != KS_GO || !t->claimed)
		return r == KS_GO ? KS_R_retransmit : r;
	return ring_copy(ctx, ring->bytes, KS_MB_RING, KS_MB_VIEW, KS_MB_SEG, t->seq,
			 p->pay + t->skip, t->n) ? KS_R_internal : KS_GO;
}

KS_GLOBAL int stream_store_enip(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_enip_ring *ring;
	struct take *t;
	int r;

	if (!p)
		return KS_R_internal;
	t = &p->take;
	ring = bpf_map_lookup_elem(&eip_rings, &t->slot);
	if (!ring)
		return KS_R_internal;
	r = stream_compare(ctx, p, ring->bytes, 0);
	if (r != KS_GO || !t->claimed)
		return r == KS_GO ? KS_R_retransmit : r;
	return ring_copy(ctx, ring->bytes, KS_EIP_RING, KS_EIP_VIEW, KS_EIP_SEG, t->seq,
			 p->pay + t->skip, t->n) ? KS_R_internal : KS_GO;
}

KS_GLOBAL int stream_walk_modbus(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct walk k = { .ctx = ctx, .p = p };
	struct ks_asset_rec *a;

	if (!p)
		return KS_R_internal;
	k.mb = bpf_map_lookup_elem(&mb_rings, &p->take.slot);
	a = policy_asset(p);
	if (!k.mb || !a)
		return KS_R_internal;
	k.carry = a->modbus_split == KS_CARRY;
	return stream_judge(&k);
}

KS_GLOBAL int stream_walk_enip(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct walk k = { .ctx = ctx, .p = p, .carry = 1 };

	if (!p)
		return KS_R_internal;
	k.eip = bpf_map_lookup_elem(&eip_rings, &p->take.slot);
	if (!k.eip)
		return KS_R_internal;
	return stream_judge(&k);
}

static __always_inline int stream_segment(struct xdp_md *ctx, struct pkt *p)
{
	int modbus = p->proto == KS_MODBUS;
	int r;

	p->take.accept = p->take.seq;
	p->take.next_start = p->take.start;
	r = modbus ? stream_store_modbus(ctx) : stream_store_enip(ctx);
	if (r != KS_GO)
		return r;
	return modbus ? stream_walk_modbus(ctx) : stream_walk_enip(ctx);
}

#endif
