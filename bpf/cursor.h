/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one way to read message bytes: a view of contiguous bytes (ring memory in
 * the kernel, a plain buffer in native tests) read by offset. Dissectors check
 * lengths with view_has() and then read; nothing else touches message bytes.
 * Packet headers (L2 to L4) are read through pkt_view() in l2.h.
 */
#ifndef KEYSWITCH_CURSOR_H
#define KEYSWITCH_CURSOR_H

#include "verifier.h"

/*
 * base: first byte of the message, len: bytes of it that are there. In the
 * kernel base stands in a ring value with at least `max` bytes behind it, `max`
 * being the power of two that the reading module passes (KS_MB_VIEW,
 * KS_EIP_VIEW): an offset past len reads stale bytes, never foreign memory.
 * Native builds abort on such a read, so tests and fuzzers find it.
 */
struct view {
	const __u8 *base;
	__u32 len;
};

/* True when bytes [off, off + n) are inside the view; off + n must not wrap. */
static __always_inline int view_has(const struct view *v, __u32 off, __u32 n)
{
	return off <= v->len && n <= v->len - off;
}

static __always_inline __u8 view_u8(const struct view *v, __u32 off, __u32 max)
{
	__u64 o = off;

#ifdef __bpf__
	BOUND_OFFSET(o, max);
#else
	if (!view_has(v, off, 1))
		__builtin_trap();
	(void)max;
#endif
	return v->base[o];
}

/* Modbus fields: big-endian. */
static __always_inline __u16 view_be16(const struct view *v, __u32 off, __u32 max)
{
	return (__u16)(view_u8(v, off, max) << 8 | view_u8(v, off + 1, max));
}

/*
 * EtherNet/IP and CIP fields: little-endian, in one load. Behind the view's `max` bytes are
 * some more, as view_text() wants them.
 */
static __always_inline __u16 view_le16(const struct view *v, __u32 off, __u32 max)
{
#ifdef __bpf__
	__u64 o = off;

	BOUND_OFFSET(o, max);
	return from_le16(load_u16(v->base + o));
#else
	return (__u16)(view_u8(v, off, max) | view_u8(v, off + 1, max) << 8);
#endif
}

static __always_inline __u32 view_le32(const struct view *v, __u32 off, __u32 max)
{
#ifdef __bpf__
	__u64 o = off;

	BOUND_OFFSET(o, max);
	return from_le32(load_u32(v->base + o));
#else
	return (__u32)view_le16(v, off, max) | (__u32)view_le16(v, off + 2, max) << 16;
#endif
}

/* The first n (1..7) bytes in memory order, on either endianness. */
static __always_inline __u64 le_mask(__u32 n)
{
	__u64 m = (1ull << ((n & 7) * 8)) - 1;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	m = __builtin_bswap64(m);
#endif
	return m;
}

/* n (1..8) bytes of text in memory order, 0 behind them. */
static __always_inline __u64 view_text(const struct view *v, __u32 off, __u32 n, __u32 max)
{
	__u64 o = off, x = 0;

#ifdef __bpf__
	BOUND_OFFSET(o, max);
	x = load_u64(v->base + o);
	return n < 8 ? x & le_mask(n) : x;
#else
	if (!view_has(v, off, n))
		__builtin_trap();
	(void)max;
	__builtin_memcpy(&x, v->base + o, n);
	return x;
#endif
}

#endif
