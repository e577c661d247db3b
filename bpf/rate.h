/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Limits of rate: every request that a rule with a rate allows takes a token of that rule
 * and its client class. Tokens are kept as the time at which the next request is due, so
 * nobody has to fill a bucket. What is not passed on gives its tokens back.
 */
#ifndef KEYSWITCH_RATE_H
#define KEYSWITCH_RATE_H

#include "policy.h"

/*
 * key: ks_rule_rec.buckets + client class, value: when its next request is due. Empty when
 * a policy is applied, then written here. Miss: the table is broken, the request is refused.
 */
POLICY_TABLE(pol_buckets, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_bucket);

#define KS_RATE_LOCKS 64

/* key: low bits of a bucket's, value: its lock; an inner map of no BTF can hold none. */
struct ks_rate_lock {
	struct bpf_spin_lock lock;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_RATE_LOCKS);
	__type(key, __u32);
	__type(value, struct ks_rate_lock);
} rate_locks SEC(".maps");

/* One token of the bucket; 0 = none is left. */
static __always_inline int rate_token(struct pkt *p, __u32 bucket, __u64 interval, __u64 slack)
{
	struct ks_bucket *b = policy_entry(&pol_buckets, p->slot, &bucket);
	__u32 key = bucket % KS_RATE_LOCKS;
	struct ks_rate_lock *l = bpf_map_lookup_elem(&rate_locks, &key);
	__u64 now = p->now, due;
	int ok;

	if (!b || !l)
		return 0;
	bpf_spin_lock(&l->lock);
	due = b->due > now ? b->due : now;
	ok = due - now <= slack;
	if (ok)
		b->due = due + interval;
	bpf_spin_unlock(&l->lock);
	return ok;
}

static __always_inline void rate_return(struct pkt *p, __u32 bucket, __u64 interval)
{
	struct ks_bucket *b = policy_entry(&pol_buckets, p->slot, &bucket);
	__u32 key = bucket % KS_RATE_LOCKS;
	struct ks_rate_lock *l = bpf_map_lookup_elem(&rate_locks, &key);

	if (!b || !l)
		return;
	bpf_spin_lock(&l->lock);
	b->due -= interval;
	bpf_spin_unlock(&l->lock);
}

/* Gives back what this packet took, from entry `from` on. Returns 0. */
KS_GLOBAL int rate_give(__u32 from)
{
	struct ks_work *w = pkt_work();
	__u64 at;
	__u32 i;

	if (!w)
		return 0;
	for (i = 0; i < KS_TAKEN_MAX; i++) {
		if (w->pkt.taken <= from)
			break;
		at = --w->pkt.taken;
		BOUND_OFFSET(at, KS_TAKEN_MAX);
		rate_return(&w->pkt, w->taken[at], w->interval[at]);
	}
	return 0;
}

/* One token of the rule's limit for this client, remembered so that it can be given back. */
static __always_inline int rate_take_one(struct ks_work *w, __u32 rule)
{
	struct pkt *p = &w->pkt;
	struct ks_rule_rec *rec = policy_entry(&pol_rules, p->slot, &rule);
	struct ks_addr_rec *client = policy_address(p, 0);
	__u64 at = p->taken;
	__u32 bucket;

	if (!rec)
		return 0;
	bucket = rec->buckets + (client ? client->client_class : 0);
	if (!rate_token(p, bucket, rec->interval, rec->slack))
		return 0;
	if (at >= KS_TAKEN_MAX)
		return 1;
	BOUND_OFFSET(at, KS_TAKEN_MAX);
	w->taken[at] = bucket;
	w->interval[at] = rec->interval;
	p->taken++;
	return 1;
}

/* A token of each limit that the request needs, until one has none left: 0, its rule told. */
KS_GLOBAL int rate_take_all(void)
{
	struct ks_work *w = pkt_work();
	__u32 i;

	if (!w)
		return 0;
	for (i = 0; i < KS_RATED_MAX && i < w->n_rated; i++) {
		if (rate_take_one(w, w->rated[i]))
			continue;
		w->leaf.rule = w->rated[i];
		return 0;
	}
	if (w->n_rated <= KS_RATED_MAX)
		return 1;
	w->leaf.rule = w->rated[KS_RATED_MAX - 1]; /* more limits than can be asked */
	return 0;
}

/*
 * A token of each rule with a rate that allows the request, or of none. KS_R_ok, or
 * KS_R_rate_limited with the leaf's rule being the one that has none left. Tokens are
 * given back from here: below rate_take_all() there is no stack left for it.
 */
static __always_inline int rate_take(struct ks_work *w)
{
	__u32 before = w->pkt.taken;

	if (rate_take_all())
		return KS_R_ok;
	rate_give(before);
	return KS_R_rate_limited;
}

#endif
