/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of judged requests by asset and function, and by rule. Most live in tables of
 * this CPU's own whose places are worked out, not looked for; names that fall on one place,
 * and what those tables have no room for, in others. User space adds them up.
 */
#ifndef KEYSWITCH_REQUESTS_H
#define KEYSWITCH_REQUESTS_H

#include "policy_tables.h"

/*
 * key: cpu * KS_NEAR + place, value: one name and its counts. Attach makes a row for each
 * CPU. An empty entry takes the first name that falls on it; apply empties those of
 * policies that are gone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_NEAR);
	__type(key, __u32);
	__type(value, struct ks_near);
} requests_near SEC(".maps");

/* key: what was asked of whom, value: verdicts. Miss: first such request, or no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, KS_COUNTED_PAIRS);
	__type(key, struct ks_req_key);
	__type(value, struct ks_req_count);
} requests SEC(".maps");

/*
 * key: (cpu * KS_SLOTS + slot) * KS_NEAR_RULES + rule, value: its requests on that CPU.
 * Attach makes the rows, apply empties those of the slot that it fills. Later rules: pol_hits.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_SLOTS * KS_NEAR_RULES);
	__type(key, __u32);
	__type(value, struct ks_rule_hits);
} rules_near SEC(".maps");

/* In words: six fields one by one took 7 ns more. */
static __always_inline int requests_same(const struct ks_req_key *a, const struct ks_req_key *b)
{
	__u64 name = two_of(32, two_of(16, b->asset, two_of(8, b->port, b->proto)), b->class);
	__u32 rest = two_of(16, b->function, b->numbering);

	return !((load_u64(a) ^ name) | (load_u32(&a->function) ^ rest));
}

static __always_inline struct ks_req_count *requests_near_of(const struct ks_req_key *key)
{
	__u32 place = (key->asset * 8 + key->function + key->class) % KS_NEAR;
	__u32 at = bpf_get_smp_processor_id() * KS_NEAR + place;
	struct ks_near *near = bpf_map_lookup_elem(&requests_near, &at);

	if (!near)
		return NULL;
	if (!near->key.proto)
		near->key = *key;
	return requests_same(&near->key, key) ? &near->count : NULL;
}

static __always_inline struct ks_req_count *requests_far_of(const struct ks_req_key *key)
{
	struct ks_req_count none = {}, *count = bpf_map_lookup_elem(&requests, key);

	if (count)
		return count;
	bpf_map_update_elem(&requests, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&requests, key);
}

static __always_inline struct ks_rule_hits *requests_of_rule(const struct pkt *p, __u32 rule)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 at = (cpu * KS_SLOTS + p->slot) * KS_NEAR_RULES + rule;

	if (rule < KS_NEAR_RULES)
		return bpf_map_lookup_elem(&rules_near, &at);
	at = cpu * (p->rules + 1) + rule;
	return policy_entry(&pol_hits, p->slot, &at);
}

/* n of them. 1 = counted, 0 = no room for their name. verdict: enum ks_verdict */
static __always_inline int requests_count(const struct ks_req_key *key, __u64 verdict, __u32 n)
{
	struct ks_req_count *count = requests_near_of(key);

	if (!count)
		count = requests_far_of(key);
	if (count && verdict < KS_V_MAX)
		count->requests[verdict] += n;
	return !!count;
}

#endif
