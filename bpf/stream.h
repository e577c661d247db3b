/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client bytes of a tracked connection: copy them into the ring (the claim is
 * ours), compare what is sent again, have the messages judged, and say how far
 * the segment may pass. Knows nothing of flow rules.
 */
#ifndef KEYSWITCH_STREAM_H
#define KEYSWITCH_STREAM_H

#include "walk.h"

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

/* Dry walk over what the ring holds from k->cur on, as far as whole messages go. */
static __always_inline void stream_borders(struct walk *k, __u32 end)
{
	k->end = end;
	k->total = 0;
	if (k->cur != end)
		walk_all(k);
}

/*
 * A retransmission where messages are not carried in pieces: it too must begin
 * and end at message borders. libmodbus forgets the rest of a message that it
 * does not know and takes what comes later for a new one; and a server that has
 * lost its socket may begin one, by SYN cookie, wherever the segment begins.
 * KS_GO: it does. Else what goes on is a bare ACK, or nothing.
 */
KS_GLOBAL int stream_border_modbus(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	struct walk k = { .ctx = ctx, .p = p, .reason = KS_GO, .dry = 1 };
	struct ks_asset_rec *a;

	if (!p)
		return KS_R_internal;
	k.mb = bpf_map_lookup_elem(&mb_rings, &p->take.slot);
	a = policy_asset(p);
	if (!k.mb || !a)
		return KS_R_internal;
	if (a->modbus_split == KS_CARRY)
		return KS_GO;
	k.cur = p->take.border;
	stream_borders(&k, p->seq);
	p->trimmed = k.cur != p->seq;
	p->keep = 0;
	if (p->trimmed)
		return KS_R_retransmit;
	stream_borders(&k, p->seq + p->take.cmp_len);
	if (k.cur == k.end)
		return KS_GO;
	if (k.cur == p->seq)
		return KS_R_split_held;
	p->trimmed = 1;
	p->keep = k.cur - p->seq;
	return KS_R_retransmit;
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
	int r, border = KS_GO;

	p->take.accept = p->take.seq;
	p->take.next_start = p->take.start;
	r = modbus ? stream_store_modbus(ctx) : stream_store_enip(ctx);
	if (modbus && p->take.cmp_len && !p->follow && (r == KS_GO || r == KS_R_retransmit))
		border = stream_border_modbus(ctx);
	if (r != KS_GO || border != KS_GO)
		return border != KS_GO ? border : r;
	return modbus ? stream_walk_modbus(ctx) : stream_walk_enip(ctx);
}

#endif
