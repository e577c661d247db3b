/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client bytes of a tracked connection: copy them into the ring (the claim is
 * ours), compare what is sent again, have the messages judged, and say how far
 * the segment may pass. Knows nothing of flow rules.
 */
#ifndef KEYSWITCH_STREAM_H
#define KEYSWITCH_STREAM_H

#include "walk.h"

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
 * An incomplete message at the end. Carried, it goes on; assembled, so much of it as
 * may be put in front of its last piece stays in the ring and is the sender's no more.
 */
static __always_inline void stream_partial(struct walk *k)
{
	struct take *t = &k->p->take;

	if (k->carry) {
		t->accept = k->s->end;
	} else if (t->join && t->seq - t->start < KS_JOIN_MAX &&
		   k->s->end - k->s->cur > KS_JOIN_MAX) {
		t->accept = k->s->cur + KS_JOIN_MAX;
	} else if (t->join) { /* what was left over comes alone: there is no larger piece */
		t->accept = k->s->end;
	}
}

/* The first refused message with nothing allowed before it in this segment. */
static __always_inline int stream_refused(struct walk *k)
{
	struct take *t = &k->p->take;

	t->accept = t->seq;
	if (seq_lt(k->s->cur, t->seq) && !t->join) { /* its first part has passed already */
		t->kill = 1;
		return KS_R_message_after_prefix;
	}
	t->kill = k->p->reset;
	return k->s->reason;
}

/*
 * How far the segment may pass. Enforced: up to the last whole allowed message,
 * and, where splits are carried, with the incomplete one behind it. Followed:
 * everything, whatever was found.
 */
static __always_inline int stream_accept(struct walk *k)
{
	struct take *t = &k->p->take;

	t->accept = t->next_start = t->pass = k->s->cur;
	if (k->p->follow) {
		t->lost = k->s->reason != KS_GO && k->s->cur != k->s->end && !k->s->partial;
		t->accept = k->s->end;
		t->next_start = t->lost ? k->s->end : k->s->cur;
	} else if (k->s->reason != KS_GO && k->s->cur == t->start) {
		return stream_refused(k);
	} else if (k->s->reason == KS_GO && k->s->partial) {
		stream_partial(k);
	}
	if (seq_lt(t->accept, t->seq))
		t->accept = t->seq;
	if (k->carry || k->p->follow)
		t->pass = t->accept;
	if (k->s->reason != KS_GO)
		return k->s->reason;
	if (t->join && t->accept != t->next_start && k->s->cur == t->start)
		return t->accept == t->seq ? KS_R_split_held : KS_R_split_kept;
	if (t->accept != k->s->end)
		return t->single && k->s->whole ? KS_R_ok : KS_R_split_held;
	return k->s->whole ? KS_R_ok : KS_R_carried;
}

/* A segment of unknown position counts only if it is whole messages. */
static __always_inline int stream_probe(struct walk *k)
{
	struct take *t = &k->p->take;

	k->dry = 1;
	walk_all(k);
	if (k->s->reason == KS_GO && !k->s->partial) {
		k->dry = 0;
		k->s->whole = 0;
		k->s->cur = t->seq;
		return KS_GO;
	}
	t->lost = 1;
	t->accept = t->next_start = t->pass = k->p->follow ? k->s->end : t->seq;
	return k->p->follow ? KS_R_resync : KS_R_no_state;
}

static __always_inline int stream_judge(struct walk *k)
{
	struct take *t = &k->p->take;
	int r = KS_GO;

	k->s->reason = KS_GO;
	k->s->cur = t->start;
	k->s->end = t->seq + t->n;
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
	r = ring && !p->follow ? checksum_verify(ctx, p) : KS_GO;
	if (!ring || r != KS_GO)
		return ring ? r : KS_R_internal;
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
	r = ring && !p->follow ? checksum_verify(ctx, p) : KS_GO;
	if (!ring || r != KS_GO)
		return ring ? r : KS_R_internal;
	r = stream_compare(ctx, p, ring->bytes, 0);
	if (r != KS_GO || !t->claimed)
		return r == KS_GO ? KS_R_retransmit : r;
	return ring_copy(ctx, ring->bytes, KS_EIP_RING, KS_EIP_VIEW, KS_EIP_SEG, t->seq,
			 p->pay + t->skip, t->n) ? KS_R_internal : KS_GO;
}

KS_GLOBAL int stream_walk_modbus(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct ks_asset_rec *a;
	struct walk k;

	if (!w)
		return KS_R_internal;
	k = walk_init(ctx, w);
	k.mb = bpf_map_lookup_elem(&mb_rings, &k.p->take.slot);
	a = policy_asset(k.p);
	if (!k.mb || !a)
		return KS_R_internal;
	k.carry = a->modbus_split == KS_CARRY;
	k.umas = a->umas;
	k.single = k.p->take.single;
	return stream_judge(&k);
}

/* Dry walk over what the ring holds from k->s->cur on, as far as whole messages go. */
static __always_inline void stream_borders(struct walk *k, __u32 end)
{
	k->s->end = end;
	k->s->total = 0;
	if (k->s->cur != end)
		walk_all(k);
}

/* One message further, if the ring holds it whole before `end`. */
static __always_inline void stream_next_border(struct walk *k, __u32 end)
{
	k->single = 1;
	stream_borders(k, end);
	k->single = 0;
}

/*
 * Where messages are not carried in pieces a retransmission too must begin and end at
 * message borders. libmodbus forgets the rest of a message that it does not know and
 * takes what comes later for a new one; and a server that has lost its socket may
 * begin one, by SYN cookie, wherever the segment begins. [take.lo, take.hi) is what may
 * go on: cut at both ends, or, where pieces are assembled, with the whole of a message
 * of which only a piece came.
 */
KS_GLOBAL int stream_border_modbus(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_asset_rec *a;
	struct walk k;
	__u32 end;

	if (!w || !p)
		return KS_R_internal;
	k = walk_init(ctx, w);
	k.dry = 1;
	k.mb = bpf_map_lookup_elem(&mb_rings, &p->take.slot);
	a = policy_asset(p);
	if (!k.mb || !a)
		return KS_R_internal;
	k.umas = a->umas;
	if (a->modbus_split == KS_CARRY && !p->take.join)
		return KS_GO;
	k.s->cur = p->take.border;
	stream_borders(&k, p->seq);
	p->take.lo = p->take.hi = k.s->cur;
	if (k.s->cur == p->seq)
		p->inside = KS_AT_BORDER;
	else if (!p->take.join)
		return KS_R_retransmit;
	end = p->seq + p->take.cmp_len;
	if (k.s->cur != p->seq && p->take.cmp_len > KS_JOIN_SEG)
		end = p->seq + KS_JOIN_SEG; /* with more in front it would fit no link */
	if (k.s->cur != p->seq && seq_lt(k.s->cur + p->len + KS_JOIN_MAX, end))
		end = k.s->cur + p->len + KS_JOIN_MAX; /* a frame grows by no more */
	if (seq_lt(p->take.start, end) && p->take.join)
		end = p->take.start;
	stream_borders(&k, end);
	if (k.s->cur == p->take.lo && p->take.join)
		stream_next_border(&k, p->take.start);
	p->take.hi = k.s->cur;
	return KS_GO;
}

KS_GLOBAL int stream_walk_enip(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct walk k;

	if (!w)
		return KS_R_internal;
	k = walk_init(ctx, w);
	k.carry = 1;
	k.eip = bpf_map_lookup_elem(&eip_rings, &k.p->take.slot);
	if (!k.eip)
		return KS_R_internal;
	return stream_judge(&k);
}

/*
 * Judges the segment. take.accept says what is taken, [take.lo, take.hi) which bytes
 * of the stream may go on.
 */
static __always_inline int stream_segment(struct xdp_md *ctx, struct pkt *p)
{
	int modbus = p->proto == KS_MODBUS;
	struct take *t = &p->take;
	int r, border = KS_GO;

	t->accept = t->pass = t->seq;
	t->next_start = t->start;
	t->lo = p->seq;
	t->hi = p->seq + t->cmp_len;
	r = modbus ? stream_store_modbus(ctx) : stream_store_enip(ctx);
	if (modbus && t->cmp_len && !p->follow && (r == KS_GO || r == KS_R_retransmit))
		border = stream_border_modbus(ctx);
	t->sound = r == KS_GO || r == KS_R_retransmit;
	if (r != KS_GO || border != KS_GO)
		return border != KS_GO ? border : r;
	if (t->join && !seq_lt(p->seq, t->start))
		t->lo = t->hi = t->start;
	r = modbus ? stream_walk_modbus(ctx) : stream_walk_enip(ctx);
	if (seq_lt(t->hi, t->pass))
		t->hi = t->pass;
	return r;
}

#endif
