/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every workaround for a verifier or compiler, with what it is for and which
 * test fails without it. Nothing else in bpf/ uses asm, barriers or magic masks.
 * Native builds (unit tests, fuzzers) get plain C of the same meaning.
 */
#ifndef KEYSWITCH_VERIFIER_H
#define KEYSWITCH_VERIFIER_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif

/*
 * Words from anywhere. Told an alignment of 1 clang builds each from single bytes and
 * spills them; x86-64 and arm64 load unaligned words, and their verifiers allow it on map
 * values and packets. Native builds are told, for what looks after undefined behaviour.
 */
#ifdef __bpf__
#define ANYWHERE __attribute__((may_alias))
#else
#define ANYWHERE __attribute__((may_alias, aligned(1)))
#endif
typedef __u16 ANYWHERE any_u16;
typedef __u32 ANYWHERE any_u32;
typedef __u64 ANYWHERE any_u64;

static __always_inline __u16 load_u16(const void *at)
{
	return *(const any_u16 *)at;
}

static __always_inline __u32 load_u32(const void *at)
{
	return *(const any_u32 *)at;
}

static __always_inline __u64 load_u64(const void *at)
{
	return *(const any_u64 *)at;
}

static __always_inline void store_u32(void *at, __u32 v)
{
	*(any_u32 *)at = v;
}

static __always_inline void store_u64(void *at, __u64 v)
{
	*(any_u64 *)at = v;
}

/* Of a little-endian number, as loaded. */
static __always_inline __u16 from_le16(__u16 v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap16(v);
#else
	return v;
#endif
}

static __always_inline __u32 from_le32(__u32 v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

/* Two numbers of so many bits as they lie in memory, the first one first. */
static __always_inline __u64 two_of(__u32 bits, __u64 first, __u64 second)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return first << bits | second;
#else
	return second << bits | first;
#endif
}

/* memset() to 0 eight bytes at once, where clang knows of an alignment of four only. */
static __always_inline void clear_words(void *at, __u32 size)
{
#ifdef __bpf__
	__u32 i;

	for (i = 0; i + 8 <= size; i += 8)
		store_u64((char *)at + i, 0);
	if (i < size)
		store_u32((char *)at + i, 0);
#else
	__builtin_memset(at, 0, size);
#endif
}

/* memcpy() likewise. */
static __always_inline void copy_words(void *to, const void *from, __u32 size)
{
#ifdef __bpf__
	__u32 i;

	for (i = 0; i + 8 <= size; i += 8)
		store_u64((char *)to + i, load_u64((const char *)from + i));
	if (i < size)
		store_u32((char *)to + i, load_u32((const char *)from + i));
#else
	__builtin_memcpy(to, from, size);
#endif
}

#ifdef __bpf__

/*
 * Masks an offset in a way that clang cannot fold into an earlier compare.
 * Without it clang 14 and 19 drop the mask (they proved the range themselves)
 * and the 6.1 verifier, which tracks no register-to-register compare, refuses
 * the access. max is a power of two constant. Test: kernels/load on 6.1.
 */
#define BOUND_OFFSET(v, max) \
	asm volatile("%0 &= %1" : "+r"(v) : "i"((max) - 1))

/*
 * Bounds a length to 1..max (power of two) after a real range check: the only
 * spelling that Linux 6.1, 6.12 and 6.18 all accept with clang 14 and 19,
 * -mcpu=v2 and v3, for helper size arguments. It truncates silently, so the
 * range check before it must exist. Test: kernels/load on 6.1.
 */
#define BOUND1(v, max)                                           \
	do {                                                     \
		(v) -= 1;                                        \
		asm volatile("%0 &= %1" : "+r"(v) : "i"((max) - 1)); \
		(v) += 1;                                        \
	} while (0)

/*
 * Makes clang load again what it stored to memory. Between two dissectors whose
 * result stands in a map value it turns every result into "any number" for the
 * verifier; without it clang passes values on in registers, the ranges of all paths
 * multiply, and Linux 6.18 gives up at a million instructions. Test: kernels/load.
 */
#define FORGET_VALUES() asm volatile("" ::: "memory")

/*
 * After one of two look-ups that differ in their map alone: without it clang makes them one
 * call with the map in a register, which the kernel can neither inline nor call directly.
 * Costs 10 ns then.
 */
#define KEEP_APART(v) asm volatile("" : "+r"(v))

/*
 * In a loop that ends at a constant or, before it, at a number that is not known: keeps
 * clang 22 from counting down from the smaller of the two, of which the verifier cannot
 * see that it ends ("too complex"). Test: kernels/load, -mcpu=v2.
 */
#define COUNT_UP(i) asm volatile("" : "+r"(i))

/*
 * v as it is, but what is found by it is loaded after x was, on machines that reorder loads
 * too: they keep to the dependency. An atomic that fetches would be one of -mcpu=v3.
 */
#define LOADED_AFTER(v, x)                                        \
	do {                                                      \
		__u64 nothing = (x);                              \
		asm volatile("%0 ^= %0" : "+r"(nothing));         \
		(v) += nothing;                                   \
	} while (0)

/*
 * Behind a NULL check of p: no arithmetic with it before. Without it clang 14 computes
 * &r->member first and checks then, which every verifier refuses. Test: kernels/load.
 */
#define CHECKED(p) asm volatile("" : "+r"(p))

#define ks_loop(n, cb, ctx) bpf_loop(n, cb, ctx, 0)

/*
 * A global function: verified once by itself, not again for every path that
 * reaches it. Without it the walk passes the limit of a million instructions.
 * Its pointer arguments are plain structs that may be NULL for all it knows.
 */
#define KS_GLOBAL __noinline

#else

#define KS_GLOBAL static __noinline
#define BOUND_OFFSET(v, max) ((void)0)
#define BOUND1(v, max) ((void)0)
#define KEEP_APART(v) ((void)0)
#define COUNT_UP(i) ((void)0)
#define FORGET_VALUES() ((void)0)
#define CHECKED(p) ((void)0)

static inline long ks_loop(__u32 n, long (*cb)(__u64 i, void *ctx), void *ctx)
{
	__u32 i;

	for (i = 0; i < n; i++)
		if (cb(i, ctx))
			return i + 1;
	return n;
}

#endif
#endif
