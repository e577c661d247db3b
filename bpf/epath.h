/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Padded EPATHs: the decoder of segments and the walk over the path of a request
 * (into the leaf); conn_path.h has the one over a connection path. Numbers are
 * decoded, bytes never compared: 20 06, 21 00 06 00 and 22 00 06 00 00 00 are the same
 * class. Pure like the dissectors that use it; knows no service.
 */
#ifndef KEYSWITCH_EPATH_H
#define KEYSWITCH_EPATH_H

#include "cursor.h"
#include "reasons.h"
#include "shared.h"

/* Kinds 0 to 4 equal the logical types of the wire. */
enum epath_kind {
	EPATH_CLASS = 0,
	EPATH_INSTANCE = 1,
	EPATH_MEMBER = 2,
	EPATH_POINT = 3,	/* connection point */
	EPATH_ATTRIBUTE = 4,
	EPATH_KEY = 5,		/* electronic key */
	EPATH_SYMBOL,
	EPATH_PORT,
	EPATH_NETWORK,		/* network or safety segment */
	EPATH_DATA,		/* simple data segment: configuration in a Forward_Open */
	EPATH_OTHER,		/* valid, but nothing that a walker steps over */
};

struct epath_seg {
	__u32 kind;
	__u32 size;		/* whole segment, pad included */
	__u32 value;		/* logical value; symbol: characters */
	__u32 text;		/* symbol: offset of the first character */
};

static __always_inline __u32 epath_u8(const struct view *v, __u32 off)
{
	return view_u8(v, off, KS_EIP_VIEW);
}

/* 001 ttt ff: 8-bit value, or a zero pad byte and 16 or 32 bits. left >= 2. */
static __always_inline int epath_logical(const struct view *v, __u32 pos, __u32 left, __u32 first,
					 struct epath_seg *s)
{
	__u32 format = first & 3, second = epath_u8(v, pos + 1);

	s->kind = first >> 2 & 7;
	s->size = 2;
	s->value = second;
	if (format == 3)
		return KS_R_epath_malformed;
	if (s->kind == EPATH_KEY) {
		s->size = 10;
		return format == 0 && second == 4 && left >= 10 ? 0 : KS_R_epath_malformed;
	}
	if (s->kind > EPATH_KEY) {
		s->kind = EPATH_OTHER;
		return 0;
	}
	if (format == 0)
		return 0;
	s->size = format == 1 ? 4 : 6;
	if (second != 0 || left < s->size)
		return KS_R_epath_malformed;
	s->value = view_le16(v, pos + 2, KS_EIP_VIEW);
	if (format == 2)
		s->value |= (__u32)view_le16(v, pos + 4, KS_EIP_VIEW) << 16;
	return 0;
}

/* 000 e pppp: link address of one byte, or e and a length; port 15 = 16-bit port. */
static __always_inline int epath_port(const struct view *v, __u32 pos, __u32 left, __u32 first,
				      struct epath_seg *s)
{
	__u32 port = first & 15, len = first & 0x10 ? epath_u8(v, pos + 1) : 0;

	s->kind = EPATH_PORT;
	s->size = 2 + (port == 15 ? 2 : 0) + len + (len & 1);
	if (port == 0 || s->size > left)
		return KS_R_epath_malformed;
	return 0;
}

/* Symbols: 0x6n in 1 + n bytes, 0x91 len in 2 + len, padded with 0 to even. */
static __always_inline int epath_symbol(const struct view *v, __u32 pos, __u32 left, __u32 first,
					struct epath_seg *s)
{
	__u32 head = first == 0x91 ? 2 : 1;
	__u32 len = first == 0x91 ? epath_u8(v, pos + 1) : first & 0x1f;

	s->kind = EPATH_SYMBOL;
	s->value = len;
	s->text = pos + head;
	s->size = head + len + ((head + len) & 1);
	if (len == 0 || s->size > left)
		return KS_R_epath_malformed;
	if (s->size != head + len && epath_u8(v, pos + head + len) != 0)
		return KS_R_epath_malformed;
	return 0;
}

/* 0x80 and 0x5n: a count of words, then the words; other network segments two bytes. */
static __always_inline int epath_words(const struct view *v, __u32 pos, __u32 left, __u32 kind,
				       int counted, struct epath_seg *s)
{
	s->kind = kind;
	s->size = 2 + (counted ? 2 * epath_u8(v, pos + 1) : 0);
	return s->size <= left ? 0 : KS_R_epath_malformed;
}

/* The segment at pos of a path that ends at end (inside the view). */
static __always_inline int epath_segment(const struct view *v, __u32 pos, __u32 end,
					 struct epath_seg *s)
{
	__u32 left = end - pos, first;

	if (pos > end || left < 2)
		return KS_R_epath_malformed;
	first = epath_u8(v, pos);
	s->kind = EPATH_OTHER;
	s->size = 2;
	switch (first >> 5) {
	case 0:
		return epath_port(v, pos, left, first, s);
	case 1:
		return epath_logical(v, pos, left, first, s);
	case 2:
		return epath_words(v, pos, left, EPATH_NETWORK, first & 0x10, s);
	case 3:
		return epath_symbol(v, pos, left, first, s);
	case 4:
		if (first == 0x91)
			return epath_symbol(v, pos, left, first, s);
		if (first == 0x80)
			return epath_words(v, pos, left, EPATH_DATA, 1, s);
		return KS_R_epath_malformed;
	case 7:
		return KS_R_epath_malformed;
	}
	return 0;	/* data types: no walker goes on behind them */
}

/*
 * State of a walk. In the kernel it stands in a map value, like the leaf: what is
 * loaded from there is any number to the verifier, so all rounds look the same.
 */
struct epath_work {
	__u32 pos;
	__u32 end;
	__u32 state;		/* connection path: enum epath_target; tag index: scale */
	__u32 reason;
	__u32 config;		/* connection path: configuration may stand in it */
	__u32 scale;		/* route: of the digit that comes next */
	__u32 named;		/* route: link address with more than digits */
};

/* ---- request paths ---- */

static __always_inline void epath_tag_put(struct ks_leaf *leaf, __u8 c)
{
	__u64 at = leaf->tag_len;

	if (at >= KS_TAG_MAX) {
		leaf->has |= KS_HAS_TAG_LONG;
		return;
	}
	BOUND_OFFSET(at, KS_TAG_MAX);
	leaf->tag[at] = c;
	leaf->tag_len = at + 1;
}

/* What the loops below are given: pointers here, numbers in work. */
struct epath_ctx {
	struct view v;
	struct ks_leaf *leaf;
	struct ks_route *route;
	struct epath_work *work;
	__u32 text;		/* symbol, link address: offset of the first character */
	__u32 index;		/* member, port, link address: number to print */
};

/* Control bytes never stand in a tag name, and NUL ends names in some devices. */
static long epath_text_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	__u8 byte = epath_u8(&c->v, c->text + (__u32)i);

	if (byte < 0x20 || byte == 0x7f) {
		c->work->reason = KS_R_epath_malformed;
		return 1;
	}
	epath_tag_put(c->leaf, byte);
	return 0;
}

/* As epath_text_step() judges them, eight at once: some control byte is among n (1..8) of x. */
static __always_inline int epath_has_control(__u64 x, __u32 n)
{
	const __u64 ones = 0x0101010101010101ull;
	__u64 del;

	if (n < 8)
		x |= ' ' * ones & ~le_mask(n);
	del = x ^ 0x7f * ones;
	return (((x - ' ' * ones) & ~x) | ((del - ones) & ~del)) & 0x80 * ones ? 1 : 0;
}

/* Text without control bytes that fits into the tag in whole words. 0 = it is not such. */
static __always_inline int epath_put_words(struct epath_ctx *c, __u32 off, __u32 n)
{
	__u64 at = c->leaf->tag_len;
	__u32 control = 0;
	__u64 i;

	if (at + ((n + 7) & ~7u) > KS_TAG_MAX)
		return 0;
	BOUND_OFFSET(at, KS_TAG_MAX);
	for (i = 0; i < KS_TAG_MAX; i += 8) {
		COUNT_UP(i);
		if (i >= n)
			break;
		control |= epath_has_control(view_text(&c->v, off + i, n - i < 8 ? n - i : 8,
						       KS_EIP_VIEW), n - i);
	}
	if (control)
		return 0;
	for (i = 0; i < KS_TAG_MAX; i += 8) {
		COUNT_UP(i);
		if (i >= n)
			break;
		store_u64(c->leaf->tag + at + i, view_text(&c->v, off + i, n - i < 8 ? n - i : 8,
							   KS_EIP_VIEW));
	}
	c->leaf->tag_len = at + n;
	return 1;
}

static __always_inline int epath_put_symbol(struct epath_ctx *c, const struct epath_seg *s)
{
	if (c->leaf->has & KS_HAS_TAG)
		epath_tag_put(c->leaf, '.');
	c->leaf->has |= KS_HAS_TAG;
	c->text = s->text;
	if (!epath_put_words(c, s->text, s->value))
		ks_loop(s->value, epath_text_step, c);
	c->leaf->tag_base = c->leaf->tag_len;
	return c->work->reason;
}

static long epath_digit_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	__u32 scale = c->work->state;

	(void)i;
	if (c->index >= scale || scale <= 1)
		epath_tag_put(c->leaf, '0' + (scale ? c->index / scale % 10 : 0));
	c->work->state = scale / 10;
	return scale <= 1;
}

static __always_inline void epath_put_index(struct epath_ctx *c, __u32 value)
{
	c->index = value;
	c->work->state = 1000000000;
	epath_tag_put(c->leaf, '[');
	ks_loop(10, epath_digit_step, c);
	epath_tag_put(c->leaf, ']');
}

/*
 * Adds one segment to the leaf. One class, one instance, one attribute, in that
 * order, then members; or symbols with members; or a symbol as the scope before a
 * class (the caller says for which requests). All else devices may read in two ways.
 * A connection point is one of those: some take it for the instance.
 */
static __always_inline int epath_take(struct epath_ctx *c, const struct epath_seg *s)
{
	struct ks_leaf *leaf = c->leaf;
	__u16 logical = KS_HAS_CLASS | KS_HAS_INSTANCE | KS_HAS_ATTRIBUTE;
	__u16 has = leaf->has;

	switch (s->kind) {
	case EPATH_CLASS:
		if (has & (logical | KS_HAS_MEMBER))
			return KS_R_epath_ambiguous;
		leaf->class = s->value;
		leaf->has |= KS_HAS_CLASS;
		return 0;
	case EPATH_INSTANCE:
		if (has & (KS_HAS_INSTANCE | KS_HAS_ATTRIBUTE | KS_HAS_MEMBER) ||
		    (has & (KS_HAS_TAG | KS_HAS_CLASS)) == KS_HAS_TAG)
			return KS_R_epath_ambiguous;
		leaf->instance = s->value;
		leaf->has |= KS_HAS_INSTANCE;
		return 0;
	case EPATH_ATTRIBUTE:
		if (has & (KS_HAS_ATTRIBUTE | KS_HAS_MEMBER | KS_HAS_TAG))
			return KS_R_epath_ambiguous;
		leaf->attribute = s->value;
		leaf->has |= KS_HAS_ATTRIBUTE;
		return 0;
	case EPATH_MEMBER:
		if (!(has & (KS_HAS_TAG | KS_HAS_INSTANCE | KS_HAS_ATTRIBUTE)) ||
		    (has & (KS_HAS_TAG | KS_HAS_CLASS)) == (KS_HAS_TAG | KS_HAS_CLASS))
			return KS_R_epath_ambiguous;
		leaf->has |= KS_HAS_MEMBER;
		if (has & KS_HAS_TAG)
			epath_put_index(c, s->value);
		return 0;
	case EPATH_SYMBOL:
		if (has & logical)
			return KS_R_epath_ambiguous;
		return epath_put_symbol(c, s);
	}
	return KS_R_epath_ambiguous;
}

static long epath_request_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	struct epath_work *w = c->work;
	struct epath_seg s = {};
	int reason;

	(void)i;
	reason = epath_segment(&c->v, w->pos, w->end, &s);
	w->pos += s.size;
	if (!reason)
		reason = epath_take(c, &s);
	w->reason = reason;
	return reason != 0 || w->pos == w->end;
}

/*
 * Path of a request, `words` 16-bit words at off -> leaf's class, instance,
 * attribute, tag and has, which the caller has cleared (tag bytes too). Returns 0,
 * KS_R_epath_malformed, KS_R_epath_ambiguous or KS_R_epath_long.
 */
static __always_inline int epath_walk(const struct view *v, __u32 off, __u32 words,
				      struct ks_leaf *leaf, struct epath_work *work)
{
	struct epath_ctx c = { .v = *v, .leaf = leaf, .work = work };

	if (!view_has(v, off, 2 * words))
		return KS_R_epath_malformed;
	work->pos = off;
	work->end = off + 2 * words;
	work->reason = 0;
	if (!words)
		return 0;
	ks_loop(KS_EPATH_MAX, epath_request_step, &c);
	if (work->reason)
		return work->reason;
	return work->pos == work->end ? 0 : KS_R_epath_long;
}

/* The segment at pos is this logical one: its size, else 0. */
static __always_inline __u32 epath_match(const struct view *v, __u32 pos, __u32 end, __u32 kind,
					 __u32 value)
{
	__u32 first, second, number;

	if (pos > end || end - pos < 2)
		return 0;
	first = epath_u8(v, pos);
	second = epath_u8(v, pos + 1);
	if ((first & ~3u) != (0x20 | kind << 2))
		return 0;
	if ((first & 3) == 0)
		return second == value ? 2 : 0;
	if (second != 0 || end - pos < 4)
		return 0;
	number = view_le16(v, pos + 2, KS_EIP_VIEW);
	if (number != value)
		return 0;
	if ((first & 3) == 1)
		return 4;
	if ((first & 3) == 3 || end - pos < 6)
		return 0;
	return view_le16(v, pos + 4, KS_EIP_VIEW) == 0 ? 6 : 0;
}

/* True for a path that is exactly this class and instance, in any encoding. */
static __always_inline int epath_is(const struct view *v, __u32 off, __u32 words, __u32 class,
				    __u32 instance)
{
	__u32 end = off + 2 * words, n, m;

	if (!view_has(v, off, 2 * words))
		return 0;
	n = epath_match(v, off, end, EPATH_CLASS, class);
	if (!n)
		return 0;
	m = epath_match(v, off + n, end, EPATH_INSTANCE, instance);
	return m && off + n + m == end;
}

#endif
