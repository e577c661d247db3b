/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CIP requests that the plain path allowed a moment ago, in this CPU's memory: who asks the
 * same service of the same path again gets the same answer from the same policy, so that
 * path and tables are left alone. What depends on the data (their length, how many elements)
 * is asked of each. Refuses nothing: what is not known is asked the long way.
 */
#ifndef KEYSWITCH_ENIP_KNOWN_H
#define KEYSWITCH_ENIP_KNOWN_H

#include "inner.h"
#include "plain_decide.h"

/* One request of the message in hand: where it is, and the place it would be known at. */
struct known_of {
	struct view v;
	struct cip_head h;
	__u32 off, len, flags;
	struct ks_known *place;
};

/* Eight bytes of its path, zeroes behind them. */
static __always_inline __u64 known_word(const struct known_of *k, __u32 i)
{
	__u32 left = 2 * k->h.words - i;

	return view_text(&k->v, k->h.path + i, left < 8 ? left : 8, KS_EIP_VIEW);
}

/* 1 if a request with such a path can be known. */
static __always_inline int known_find(struct ks_work *w, struct known_of *k, __u32 i)
{
	__u64 sum = 0, at;

	if (judge_part(w, &k->v, i, &k->off, &k->len, &k->flags) ||
	    !view_has(&k->v, k->off, k->len) || cip_head(&k->v, k->off, k->len, &k->h) ||
	    !k->h.words || k->h.words > KS_KNOWN_PATH / 2)
		return 0;
	for (at = 0; at < KS_KNOWN_PATH; at += 8) {
		COUNT_UP(at);
		if (at >= 2 * k->h.words)
			break;
		sum = entry_mix(sum, known_word(k, at));
	}
	at = entry_mix(sum, k->h.service) >> 40;
	BOUND_OFFSET(at, KS_KNOWN);
	k->place = &w->known[at];
	return 1;
}

static __always_inline int known_route(const struct ks_known *known, const struct ks_route *r)
{
	return !known->routes ||
	       (known->route_len == r->len && load_u64(known->route) == load_u64(r->text) &&
		load_u64(known->route + 8) == load_u64(r->text + 8));
}

/* All that its verdict depends on, but for its data, is what it was. */
static __always_inline int known_is(const struct ks_work *w, const struct known_of *k)
{
	const struct ks_known *known = k->place;
	__u64 i;

	if (!decided_so(&known->by, &w->pkt, w->pkt.profile) || known->service != k->h.service ||
	    known->words != k->h.words || known->flags != k->flags ||
	    !known_route(known, &w->cip.route))
		return 0;
	for (i = 0; i < KS_KNOWN_PATH; i += 8) {
		COUNT_UP(i);
		if (i >= 2 * k->h.words)
			break;
		if (load_u64(known->path + i) != known_word(k, i))
			return 0;
	}
	return 1;
}

/* Several elements of a tag are another question than one of them. */
static __always_inline __u8 known_many(const struct known_of *k, __u32 class)
{
	return class == KS_CLASS_TAG && cip_tag_elements(&k->v, &k->h) > 1;
}

/* 1: the i-th request of the PDU of `len` bytes is known to be allowed, w->leaf says how to count it. */
static __always_inline int known_look(struct ks_work *w, struct ks_enip_ring *copy, __u32 len,
				      __u32 i)
{
	struct known_of k = {};
	struct ks_leaf *leaf;

	k.v = (struct view){ .base = copy->bytes, .len = len };
	if (!known_find(w, &k, i) || !known_is(w, &k))
		return 0;
	leaf = &w->leaf;
	leaf->key_class = k.place->class;
	leaf->service = k.place->service;
	leaf->rule = k.place->rule;
	return !cip_length(&k.v, &k.h, k.flags, leaf) &&
	       known_many(&k, leaf->key_class) == k.place->many;
}

/* The same, verified once, for the loop over several requests. */
KS_GLOBAL int known_request(struct ks_work *w, struct ks_enip_ring *copy, __u32 len, __u32 i)
{
	return copy && w ? known_look(w, copy, len, i) : 0;
}

/* The leaf in the work area, that request's, was allowed, and nothing else is to be done. */
KS_GLOBAL int known_keep(struct ks_enip_ring *copy, __u32 len, __u32 i)
{
	struct ks_work *w = pkt_work();
	struct ks_profile_rec *prof;
	struct known_of k = {};
	struct ks_known *known;
	__u64 at;

	if (!copy || !w)
		return 0;
	k.v = (struct view){ .base = copy->bytes, .len = len };
	prof = policy_entry(&pol_profiles, w->pkt.slot, &w->pkt.profile);
	if (!prof || w->cip.route.len > KS_KNOWN_ROUTE || !known_find(w, &k, i))
		return 0;
	known = k.place;
	known->by = decided_now(&w->pkt, w->pkt.profile);
	known->rule = w->leaf.rule;
	known->class = w->leaf.key_class;
	known->service = k.h.service;
	known->words = k.h.words;
	known->flags = k.flags;
	known->many = known_many(&k, w->leaf.key_class);
	known->routes = prof->routes != 0;
	known->route_len = w->cip.route.len;
	store_u64(known->route, load_u64(w->cip.route.text));
	store_u64(known->route + 8, load_u64(w->cip.route.text + 8));
	for (at = 0; at < KS_KNOWN_PATH; at += 8) {
		COUNT_UP(at);
		if (at >= 2 * k.h.words)
			break;
		store_u64(known->path + at, known_word(&k, at));
	}
	return 0;
}

#endif
