/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internet checksums (RFC 1071, RFC 1624): sums of packet bytes, the pseudo header,
 * and whether a TCP segment's checksum is right. Sums are in wire order, as loaded,
 * whatever the machine's. Changes nothing in a packet.
 */
#ifndef KEYSWITCH_CHECKSUM_H
#define KEYSWITCH_CHECKSUM_H

#include "l4.h"
#include "cursor.h"

static long sum_step(__u64 i, void *arg)
{
	struct ks_work *w = pkt_work();
	struct ks_sum_state *s;
	__u64 at, v;

	if (!w || w->sum.pos >= w->sum.end)
		return 1;
	s = &w->sum;
	at = s->pos;
	BOUND_OFFSET(at, KS_EIP_SEG);
	v = load_u64(w->seg + at);
	if (s->end - s->pos < 8)
		v &= le_mask(s->end - s->pos);
	s->sum += (__u32)v;
	s->sum += v >> 32;
	s->pos += 8;
	return 0;
}

/* Folds to 16 bits, one's complement sum, not yet negated. */
static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The last k (1 to 7) of eight bytes, as if zeroes were behind them. */
static __always_inline __u64 sum_last(__u64 v, __u32 k)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return v << (8 * (8 - k) & 63);
#else
	return v >> (8 * (8 - k) & 63);
#endif
}

static __always_inline __u64 sum_halves(__u64 v)
{
	return (v & 0xffffffff) + (v >> 32);
}

/* Eight bytes, copied to `to` unless that is NULL. */
static __always_inline __u64 near_word(__u8 *to, const __u8 *at)
{
	__u64 v = load_u64(at);

	if (to)
		store_u64(to, v);
	return v;
}

#define NEAR_MIN	8
#define NEAR_MAX	1596	/* a full segment with its longest header */
#define NEAR_ROOM	2048	/* that is behind `to`, power of two */

/*
 * `size` bytes of the frame from off on are summed where they lie, and copied to `to` unless
 * that is NULL. 0, or < 0 = too few or too many, or not in one piece. That each part works
 * its offset out anew keeps the verifier from walking it once for every length of the part
 * before; BOUND_OFFSET, as clang drops a bound that the check implies.
 */
static __always_inline int near_bytes(struct xdp_md *ctx, __u32 off, __u32 size, __u8 *to,
				      __u64 *sum)
{
	__u64 s = 0, parts = size / 32, place, word;
	const __u8 *at;
	__u32 i, j;

	if (size < NEAR_MIN || size > NEAR_MAX)
		return -1;
	BOUND_OFFSET(parts, NEAR_ROOM / 32);
	for (i = 0; i < parts; i++) {
		at = pkt_far(ctx, off + 32 * i, 32);
		if (!at)
			return -1;
		for (j = 0; j < 32; j += 8)
			s += sum_halves(near_word(to ? to + 32 * i + j : to, at + j));
	}
	for (i = 0; i < 3 && i < size / 8 % 4; i++) {
		place = size / 32 * 32 + 8 * i;
		at = pkt_far(ctx, off + place, 8);
		if (!at)
			return -1;
		BOUND_OFFSET(place, NEAR_ROOM);
		s += sum_halves(near_word(to ? to + place : to, at));
	}
	place = size - 8;
	at = pkt_far(ctx, off + place, 8);
	BOUND_OFFSET(place, NEAR_ROOM);
	if (!at || place > NEAR_ROOM - 8)
		return -1;
	word = near_word(to ? to + place : to, at);
	*sum = size % 8 ? s + sum_halves(sum_last(word, size % 8)) : s;
	return 0;
}

/* Sum of packet bytes [off, off + len), off at an even place. 0, or < 0 = cannot be read. */
static __always_inline int sum_bytes(struct xdp_md *ctx, __u32 off, __u32 len, __u64 *sum)
{
	struct ks_work *w = pkt_work();
	__u64 n = len;

	*sum = 0;
	if (!len)
		return 0;
	if (!w || n > KS_EIP_SEG)
		return -1;
	BOUND1(n, KS_EIP_SEG);
	if (bpf_xdp_load_bytes(ctx, off, w->seg, n))
		return -1;
	w->sum = (struct ks_sum_state){ .end = len };
	ks_loop(KS_EIP_SEG / 8, sum_step, NULL);
	*sum = w->sum.sum;
	return 0;
}

/* Pseudo header of a TCP segment of tcp_len bytes, header included. */
static __always_inline __u64 sum_pseudo(struct pkt *p, __u32 tcp_len)
{
	__u64 sum = (__u64)bpf_htons(IPPROTO_TCP) + bpf_htons(tcp_len);
	const __u32 *a;
	int i;

	if (!p->v6)
		return sum + p->key.k4.client + p->key.k4.server;
	a = (const __u32 *)p->key.k6.client;
	for (i = 0; i < 8; i++) /* both addresses, one behind the other */
		sum += a[i];
	return sum;
}
_Static_assert(__builtin_offsetof(struct ks_key6, server) == 16, "sum_pseudo adds 32 bytes");

/* 1 if the segment's checksum is right. */
KS_GLOBAL int checksum_right(struct xdp_md *ctx)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 len;
	__u64 sum;

	if (!p)
		return 0;
	len = p->pay - p->l4 + p->len;
	if (near_bytes(ctx, p->l4, len, NULL, &sum) && sum_bytes(ctx, p->l4, len, &sum))
		return 0;
	return sum_fold(sum + sum_pseudo(p, len)) == 0xffff;
}

/*
 * A checksum that the sender's host left to its NIC: the field holds the sum of the
 * pseudo header. Seen where the "NIC" is a veth; the rest is added on the way out.
 * One whole checksum in 65,536 looks the same, so it is tried whether it is one.
 * Pointers into the packet are void afterwards.
 */
static __always_inline int sum_is_partial(struct xdp_md *ctx, struct pkt *p,
					  const struct tcp_hdr *th)
{
	return th->csum == sum_fold(sum_pseudo(p, p->pay - p->l4 + p->len)) &&
	       !checksum_right(ctx);
}

/* KS_GO if the segment's checksum is right or not yet there. */
static __always_inline int checksum_verify(struct xdp_md *ctx, struct pkt *p)
{
	struct tcp_hdr *th = pkt_at(ctx, p->l4, sizeof(*th));

	if (th && th->csum == sum_fold(sum_pseudo(p, p->pay - p->l4 + p->len)))
		return KS_GO;
	return checksum_right(ctx) ? KS_GO : KS_R_checksum_bad;
}

#endif
