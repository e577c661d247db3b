/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CIP: peels Unconnected_Send and Multiple_Service_Packet off a Message Router
 * request and turns each request inside into a leaf: service, path, the class
 * that policy keys on, and an exact length where the service's layout is known.
 * Pure: bytes in, structs out; knows no policy and no connection.
 *
 * Use: cip_unwrap(); members == 0: one cip_leaf() on off, len; else for each
 * i < members cip_member() and cip_leaf() with CIP_MEMBER. Any reason from any of
 * them refuses the whole PDU: only all members together cover its bytes.
 */
#ifndef KEYSWITCH_CIP_H
#define KEYSWITCH_CIP_H

#include "cursor.h"
#include "cip_layout.h"
#include "conn_path.h"
#include "enip.h"
#include "epath.h"
#include "reasons.h"
#include "route.h"
#include "shared.h"

struct cip_layers {
	__u32 off, len;		/* the request to judge when members is 0 */
	__u32 table;		/* member count and offsets, which count from here */
	__u32 table_len;	/* bytes from there to the packet's end */
	__u32 members;
	__u32 routed;		/* 1: came out of an Unconnected_Send */
};

/*
 * Everything that the steps from PDU to leaf hand on. The caller keeps it in a map
 * value beside the leaf, and likewise any number that its own loops over messages
 * and members carry (position, reason): on the stack the verifier follows each of
 * their values through every path ([M] 15,000 instructions instead of 280,000).
 */
struct cip_work {
	struct enip_msg msg;
	struct cip_layers layers;
	struct ks_route route;	/* of the connection, then of the wrapper in it */
	struct epath_work path;
};

/* off, len lie inside the view. */
static __always_inline int cip_head(const struct view *v, __u32 off, __u32 len,
				    struct cip_head *h)
{
	if (len < 2)
		return KS_R_cip_malformed;
	h->service = epath_u8(v, off);
	h->words = epath_u8(v, off + 1);
	h->path = off + 2;
	h->data = h->path + 2 * h->words;
	if (h->service & 0x80 || len < 2 + 2 * h->words)
		return KS_R_cip_malformed;
	h->n = len - 2 - 2 * h->words;
	return 0;
}

/*
 * Unconnected_Send: priority, ticks, embedded length, embedded request padded to
 * even, route path size, zero, route path, and nothing else. The route path's hops
 * go behind those that route has.
 */
static __always_inline int cip_embedded(const struct view *v, const struct cip_head *h,
					struct cip_layers *l, struct ks_route *route,
					struct epath_work *work)
{
	__u32 len, behind;

	if (h->n < 6)
		return KS_R_cip_malformed;
	len = view_le16(v, h->data + 2, KS_EIP_VIEW);
	behind = 4 + len + (len & 1);
	if (h->n < behind + 2)
		return KS_R_cip_malformed;
	if (h->n != behind + 2 + 2 * epath_u8(v, h->data + behind) ||
	    epath_u8(v, h->data + behind + 1) != 0)
		return KS_R_cip_malformed;
	l->off = h->data + 4;
	l->len = len;
	l->routed = 1;
	return route_walk(v, h->data + behind + 2, epath_u8(v, h->data + behind), route, work);
}

/* The first offset points right behind the table, so no byte hides between. */
static __always_inline int cip_table(const struct view *v, const struct cip_head *h,
				     struct cip_layers *l)
{
	__u32 count;

	if (h->n < 4)
		return KS_R_msp_malformed;
	count = view_le16(v, h->data, KS_EIP_VIEW);
	if (count > KS_MSP_MAX)
		return KS_R_msp_members;
	if (count == 0 || h->n < 2 + 2 * count ||
	    view_le16(v, h->data + 2, KS_EIP_VIEW) != 2 + 2 * count)
		return KS_R_msp_malformed;
	l->table = h->data;
	l->table_len = h->n;
	l->members = count;
	return 0;
}

static __always_inline int cip_is_unconnected_send(const struct view *v, const struct cip_head *h)
{
	return h->service == CIP_UNCONNECTED_SEND &&
	       epath_is(v, h->path, h->words, CIP_CONN_MANAGER, 1);
}

static __always_inline int cip_peel(const struct view *v, struct cip_layers *l,
				    struct ks_route *route, struct epath_work *work)
{
	struct cip_head h = {};
	int err = cip_head(v, l->off, l->len, &h);

	if (err)
		return err;
	if (cip_is_unconnected_send(v, &h)) {
		err = cip_embedded(v, &h, l, route, work);
		if (!err)
			err = cip_head(v, l->off, l->len, &h);
		if (err)
			return err;
		if (cip_is_unconnected_send(v, &h))
			return KS_R_nesting;
	}
	if (h.service == CIP_MULTIPLE && epath_is(v, h.path, h.words, CIP_MESSAGE_ROUTER, 1))
		return cip_table(v, &h, l);
	return 0;
}

/*
 * Message Router request at off, len -> l. On entry route is that of the connection
 * that carries it; an Unconnected_Send goes on from there. Returns 0 or a reason;
 * l->off and l->len are always set. work is scratch.
 */
static __always_inline int cip_unwrap(const struct view *v, __u32 off, __u32 len,
				      struct cip_layers *l, struct ks_route *route,
				      struct epath_work *work)
{
	int err = KS_R_cip_malformed;

	__builtin_memset(l, 0, sizeof(*l));
	l->off = off;
	l->len = len;
	if (view_has(v, off, len))
		err = cip_peel(v, l, route, work);
	FORGET_VALUES();
	return err;
}

/* Bytes of member i < l->members: up to the next offset, the last to the end. */
static __always_inline int cip_member(const struct view *v, const struct cip_layers *l, __u32 i,
				      __u32 *off, __u32 *len)
{
	__u32 start, end = l->table_len;

	if (i >= l->members)
		return KS_R_msp_malformed;
	start = view_le16(v, l->table + 2 + 2 * i, KS_EIP_VIEW);
	if (i + 1 < l->members)
		end = view_le16(v, l->table + 4 + 2 * i, KS_EIP_VIEW);
	if (start < 2 + 2 * l->members || end <= start || end > l->table_len)
		return KS_R_msp_malformed;
	*off = l->table + start;
	*len = end - start;
	return 0;
}

/* ---- one request ---- */

/*
 * Leaf of a request of which nothing is known but where it stands; also for PDUs
 * that cip_unwrap() or cip_member() refused. Clears all of leaf.
 */
static __always_inline void cip_leaf_start(const struct view *v, __u32 off, __u32 len,
					   const struct ks_route *route,
					   struct ks_leaf *leaf)
{
	clear_words(leaf, sizeof(*leaf));
	if (route->len)
		leaf->route = *route;
	leaf->proto = KS_ENIP;
	leaf->key_class = KS_CLASS_NONE;
	leaf->offset = off;
	leaf->length = len;
	if (len > 0 && view_has(v, off, len)) {
		leaf->service = epath_u8(v, off) & 0x7f;
		leaf->has = KS_HAS_SERVICE;
	}
}

/*
 * (Large_)Forward_Open: explicit (transport class 2 or 3) to the Message Router
 * opens a session and stays class 6; with a data segment it configures
 * (KS_CLASS_CONFIG); all else becomes KS_CLASS_OPEN. The connection path fills the
 * data to its end.
 */
static __always_inline int cip_open(const struct view *v, const struct cip_head *h,
				    struct ks_leaf *leaf, struct epath_work *work)
{
	__u32 fixed = h->service == CIP_LARGE_OPEN ? 40 : 36;
	__u32 transport, words;
	int target;

	leaf->key_class = KS_CLASS_OPEN;
	if (h->n < fixed)
		return KS_R_length_mismatch;
	transport = epath_u8(v, h->data + fixed - 2) & 15;
	words = epath_u8(v, h->data + fixed - 1);
	if (h->n != fixed + 2 * words)
		return KS_R_length_mismatch;
	target = epath_to_router(v, h->data + fixed, words, &leaf->route, work);
	if (target > 0)
		return target;
	if (work->config)
		leaf->key_class = KS_CLASS_CONFIG;
	else if (target == 0 && (transport == 2 || transport == 3))
		leaf->key_class = CIP_CONN_MANAGER;
	return 0;
}

/*
 * Wrappers that cip_unwrap() did not peel: as members they nest too deep, else
 * their path is not the one that every device takes for the wrapper. Also what
 * mixes a symbol with a class, but for the browse of a program's own symbols.
 */
static __always_inline int cip_path_rules(const struct ks_leaf *leaf, __u32 flags)
{
	__u32 service = leaf->service, class = leaf->class;
	__u16 path = leaf->has & (KS_HAS_CLASS | KS_HAS_TAG);

	if (class > 0xffff)
		return KS_R_epath_ambiguous;
	if ((service == CIP_UNCONNECTED_SEND && class == CIP_CONN_MANAGER) ||
	    (service == CIP_MULTIPLE && class == CIP_MESSAGE_ROUTER))
		return flags & CIP_MEMBER ? KS_R_nesting : KS_R_epath_ambiguous;
	/* its reply would stand among others', where no state is made of it */
	if (flags & CIP_MEMBER && class == CIP_CONN_MANAGER &&
	    (service == CIP_FORWARD_OPEN || service == CIP_LARGE_OPEN))
		return KS_R_nesting;
	if (service == CIP_MULTIPLE && path != KS_HAS_CLASS)
		return KS_R_epath_ambiguous;
	if (path == (KS_HAS_CLASS | KS_HAS_TAG) &&
	    (service != CIP_INSTANCE_LIST || class != CIP_SYMBOL))
		return KS_R_epath_ambiguous;
	return 0;
}

/* What policy keys on, then the length. */
static __always_inline int cip_classify(const struct view *v, const struct cip_head *h, __u32 flags,
					struct ks_leaf *leaf, struct epath_work *work)
{
	int err = cip_path_rules(leaf, flags);

	if (!err && ((leaf->has & KS_HAS_INSTANCE && leaf->instance == KS_NO_VALUE) ||
		     (leaf->has & KS_HAS_ATTRIBUTE && leaf->attribute == KS_NO_VALUE)))
		err = KS_R_epath_malformed; /* policy calls a path without one so */
	if (err)
		return err;
	if (leaf->has & KS_HAS_CLASS)
		leaf->key_class = leaf->class;
	else if (leaf->has & KS_HAS_TAG)
		leaf->key_class = KS_CLASS_TAG;
	if (leaf->key_class == CIP_CONN_MANAGER &&
	    (h->service == CIP_FORWARD_OPEN || h->service == CIP_LARGE_OPEN))
		return cip_open(v, h, leaf, work);
	err = cip_length(v, h, flags, leaf);
	if (!err && leaf->key_class == KS_CLASS_TAG)
		leaf->quantity = cip_tag_elements(v, h);
	return err;
}

/*
 * One request (off, len inside the view) -> leaf, all of it written, as far as
 * known also on error. flags: CIP_MEMBER, CIP_UCMM. route: the way to where it is
 * executed; a Forward_Open's goes on from there. work is scratch (cip_work.path).
 * Returns 0 or a reason. leaf->function is left 0: no CIP request has one.
 */
static __always_inline int cip_leaf(const struct view *v, __u32 off, __u32 len, __u32 flags,
				    const struct ks_route *route, struct ks_leaf *leaf,
				    struct epath_work *work)
{
	struct cip_head h = {};
	int err = KS_R_cip_malformed;

	cip_leaf_start(v, off, len, route, leaf);
	if (view_has(v, off, len))
		err = cip_head(v, off, len, &h);
	if (!err)
		err = epath_walk(v, h.path, h.words, leaf, work);
	if (!err)
		err = cip_classify(v, &h, flags, leaf, work);
	if (leaf->route.len)
		leaf->has |= KS_HAS_ROUTE;
	FORGET_VALUES();
	return err;
}

#endif
