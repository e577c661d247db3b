/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stream rings: the last client bytes of each tracked connection. Copies new
 * bytes in, compares what is sent again, writes kept bytes back into a packet.
 * Knows positions, not messages or rules.
 */
#ifndef KEYSWITCH_RING_H
#define KEYSWITCH_RING_H

#include "pkt.h"
#include "cursor.h"

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

/* The other way: n bytes at ring position seq into the packet at off. Modbus only. */
static __always_inline int ring_write(struct xdp_md *ctx, const struct ks_modbus_ring *ring,
				      __u32 seq, __u32 off, __u32 n)
{
	__u64 pos = seq, first, rest;

	BOUND_OFFSET(pos, KS_MB_RING);
	if (n == 0 || n > KS_MB_SEG)
		return -1;
	first = pos + n > KS_MB_RING ? KS_MB_RING - pos : n;
	rest = n - first;
	BOUND1(first, KS_MB_SEG);
	if (bpf_xdp_store_bytes(ctx, off, (void *)(ring->bytes + pos), first))
		return -1;
	if (!rest)
		return 0;
	BOUND1(rest, KS_MB_SEG);
	return bpf_xdp_store_bytes(ctx, off + (__u32)first, (void *)ring->bytes, rest);
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

#endif
