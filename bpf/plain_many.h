/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is as plain as plain.h's request but longer: a segment of whole ADUs of function
 * codes 1 to 6, 15 and 16, all of them allowed by rules that want nothing else. Judged
 * where they lie in the packet, copied and committed in one locked section, then counted.
 * One that is not as plain, and the general path asks about all of them again.
 */
#ifndef KEYSWITCH_PLAIN_MANY_H
#define KEYSWITCH_PLAIN_MANY_H

#include "plain.h"

#define PLAIN_SEG	(NEAR_MAX - 60)	/* most payload bytes, more than an Ethernet frame has */
#define PLAIN_ADUS	(PLAIN_SEG / PLAIN_BYTES)

/* 0 = all elements are allowed, w->plain.rule says by which rule. */
KS_GLOBAL int plain_ask(__u32 key, __u32 lo, __u32 hi)
{
	struct ks_work *w = pkt_work();
	struct plain q = { .unit = key, .fc = key >> 8, .lo = lo, .hi = hi };

	if (!w)
		return -1;
	q.of = w->plain.of;
	if (plain_decide(w, &q, 0) != KS_R_ok)
		return -1;
	w->plain.known = q.to == KS_ELEMENTS_ALL ? key : 0;
	w->plain.rule = q.rule;
	return 0;
}

/* All of the MBAP header but the transaction, and the function code. */
static __always_inline __u64 plain_head(const __u8 *adu)
{
	return load_u64(adu) & ~le_mask(2);
}

/* Its last element, or -1: another function, or a length that is not its own. count: FC 15, 16. */
static __always_inline __s64 plain_end(const __u8 *adu, const __u8 *count)
{
	__u32 lo = adu[8] << 8 | adu[9], n = adu[10] << 8 | adu[11], length = adu[5], bytes;
	__u32 fc = adu[7];

	if (adu[2] | adu[3] | adu[4])
		return -1;
	if (fc == 15 || fc == 16) {
		bytes = (n * (fc == 15 ? 1 : 16) + 7) / 8;
		if (!count || *count != bytes || length != 7 + bytes)
			return -1;
	} else if (fc < 1 || fc > 6 || length != PLAIN_BYTES - 6) {
		return -1;
	} else if (fc == 5 && n != 0xff00 && n) {
		return -1;
	}
	return fc != 5 && fc != 6 && n ? lo + n - 1 : lo;
}

/* The ADU at w->plain.off: 0 = allowed, and noted. */
KS_GLOBAL int plain_adu(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	const __u8 *adu;
	__u32 key;
	__s64 hi;

	adu = w ? pkt_far(ctx, w->pkt.pay + w->plain.off, PLAIN_BYTES) : NULL;
	if (!adu)
		return -1;
	key = adu[7] << 8 | adu[6];
	hi = plain_end(adu, pkt_far(ctx, w->pkt.pay + w->plain.off + PLAIN_BYTES, 1));
	if (hi < 0)
		return -1;
	w->plain.off += 6 + adu[5];
	if (key != w->plain.known && plain_ask(key, adu[8] << 8 | adu[9], hi))
		return -1;
	/* a function whose length and values are any */
	w->plain.same = w->plain.known && adu[7] < 7 && adu[7] != 5 ? plain_head(adu) : KS_PLAIN_NONE;
	return plain_note(&w->plain, w->plain.rule, 0, adu[7]);
}

/* All of the segment. 0 = it is whole ADUs, allowed. */
static __always_inline int plain_adus(struct xdp_md *ctx, struct ks_work *w)
{
	struct ks_plain_walk *k = &w->plain;
	const __u8 *adu;
	__u64 last;
	int i;

	for (i = 0; i < PLAIN_ADUS && k->off < w->pkt.len; i++) {
		adu = pkt_far(ctx, w->pkt.pay + k->off, PLAIN_BYTES);
		if (adu && plain_head(adu) == k->same) {
			k->off += PLAIN_BYTES;
			last = k->runs - 1;
			BOUND_OFFSET(last, KS_PLAIN_RUNS);
			k->run[last].n++;
		} else if (plain_adu(ctx)) {
			return -1;
		}
	}
	return k->off != w->pkt.len;
}

/* What went over the ring's end once more to its start, where the mirror's bytes stand. */
static __always_inline void plain_wrap(struct ks_modbus_ring *ring, __u32 over)
{
	__u64 tail = over < 8 ? 0 : over - 8, at;
	__u32 i;

	for (i = 0; i < PLAIN_SEG / 8 && i < over / 8; i++) {
		at = 8 * i;
		BOUND_OFFSET(at, 2048); /* or clang makes a call of it */
		store_u64(ring->bytes + at, load_u64(ring->bytes + KS_MB_RING + at));
	}
	BOUND_OFFSET(tail, 2048);
	store_u64(ring->bytes + tail, load_u64(ring->bytes + KS_MB_RING + tail));
}

/* As ring_copy(), under the lock. */
static __always_inline int plain_keep_long(struct xdp_md *ctx, struct pkt *p,
					   struct ks_modbus_ring *ring)
{
	__u64 pos = p->seq, sum;

	BOUND_OFFSET(pos, KS_MB_RING);
	if (near_bytes(ctx, p->pay, p->len, ring->bytes + pos, &sum))
		return -1;
	if (pos + p->len > KS_MB_RING)
		plain_wrap(ring, pos + p->len - KS_MB_RING);
	if (pos >= KS_MB_VIEW)
		return 0;
	BOUND_OFFSET(pos, KS_MB_VIEW);
	return near_bytes(ctx, p->pay, p->len, ring->bytes + KS_MB_RING + pos, &sum);
}

static __always_inline int plain_commit_long(struct xdp_md *ctx, struct ks_flow *f,
					     struct ks_work *w)
{
	__u32 slot = w->plain.of.slot;
	struct ks_modbus_ring *ring = bpf_map_lookup_elem(&mb_rings, &slot);
	struct pkt *p = &w->pkt;
	int r = KS_GO;

	if (!ring)
		return KS_GO;
	latency_clock(w, f);
	bpf_spin_lock(&f->lock);
	if (plain_at_rest(f, p, &w->plain.of, KS_MB_RING) && !plain_keep_long(ctx, p, ring)) {
		kept_leave(f, ring);
		plain_publish(f, p);
		r = KS_R_ok;
	}
	bpf_spin_unlock(&f->lock);
	if (r == KS_GO)
		p->timed = 0;
	return r;
}

/* KS_R_ok, counted and committed; else KS_GO. */
KS_GLOBAL int plain_many(struct xdp_md *ctx, struct ks_work *w)
{
	struct ks_flow *f;

	if (!w || !plain_segment(&w->pkt) || w->pkt.len > PLAIN_SEG)
		return KS_GO;
	f = table_lookup(&w->pkt);
	if (!f || !plain_flow(f, &w->pkt, KS_MODBUS, &w->plain.of) || f->how & KS_HOW_SINGLE)
		return KS_GO;
	w->plain.off = w->plain.known = w->plain.runs = 0;
	w->plain.same = KS_PLAIN_NONE;
	if (plain_adus(ctx, w) || checksum_verify(ctx, &w->pkt) != KS_GO ||
	    plain_commit_long(ctx, f, w) == KS_GO)
		return KS_GO;
	plain_count_all(w, KS_MODBUS);
	return KS_R_ok;
}

/* Bytes 2 and 3 are 0 in Modbus, and in EtherNet/IP the length of what is longer than its head. */
static __always_inline int plain_modbus(struct xdp_md *ctx, const struct pkt *p)
{
	const __u8 *adu = pkt_at(ctx, p->pay, 4);

	return adu && !(adu[2] | adu[3]);
}

#endif
