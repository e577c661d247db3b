/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second policy asked about the same requests and connections, beside the one in force.
 * Counts where the two differ. Must change nothing that the policy in force decides by or
 * counts, nor anything of a connection.
 */
#ifndef KEYSWITCH_SHADOW_H
#define KEYSWITCH_SHADOW_H

#include "event.h"
#include "policy.h"
#include "modbus.h"

/* key: who said what, value: requests of this CPU. `shadow` empties. Miss: first such. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, KS_SHADOW_PAIRS);
	__type(key, struct ks_shadow_key);
	__type(value, __u64);
} shadow_hits SEC(".maps");

/* key: 0, value: sums of this CPU under one generation. Written here only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_shadow_sum);
} shadow_sums SEC(".maps");

static __always_inline void shadow_begin(struct ks_work *w)
{
	struct ks_leaf *leaf = &w->leaf;
	struct pkt *p = &w->pkt;

	w->shadow = (struct shadow_kept){
		.slot = p->slot, .profile = p->profile, .asset = p->asset, .proto = p->proto,
		.how = p->how, .rule = leaf->rule, .alert = leaf->alert,
		.value_at = leaf->value_at, .value = leaf->value, .value_type = leaf->value_type,
	};
	p->slot = p->shadow - 1;
}

static __always_inline void shadow_end(struct ks_work *w)
{
	const struct shadow_kept *kept = &w->shadow;
	struct ks_leaf *leaf = &w->leaf;
	struct pkt *p = &w->pkt;

	p->slot = kept->slot;
	p->profile = kept->profile;
	p->asset = kept->asset;
	p->proto = kept->proto;
	p->how = kept->how;
	leaf->rule = kept->rule;
	leaf->alert = kept->alert;
	leaf->value_at = kept->value_at;
	leaf->value = kept->value;
	leaf->value_type = kept->value_type;
}

static __always_inline int shadow_passes(__u32 reason)
{
	return reason_of(reason_effect, reason) == KS_A_PASS;
}

/* One more was judged by both; what differs gets its row. */
static __always_inline void shadow_count(struct pkt *p, const struct ks_shadow_key *key)
{
	__u64 none = 0, *n;
	struct ks_shadow_sum *sum;
	__u32 zero = 0;

	sum = bpf_map_lookup_elem(&shadow_sums, &zero);
	if (!sum)
		return;
	if (sum->generation != p->generation || sum->shadow != p->shadow) {
		sum->generation = p->generation;
		sum->shadow = p->shadow;
		sum->judged = sum->more = 0;
	}
	sum->judged++;
	if (shadow_passes(key->reason) == shadow_passes(key->candidate_reason))
		return;
	n = bpf_map_lookup_elem(&shadow_hits, key);
	if (!n) {
		bpf_map_update_elem(&shadow_hits, key, &none, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&shadow_hits, key);
	}
	if (n)
		*n += 1;
	else
		sum->more++;
}

/* What the asset's own lists say of a Modbus request, in judge_adu()'s order. */
static __always_inline int shadow_takes(struct pkt *p, const struct ks_leaf *leaf)
{
	struct ks_asset_rec *a = policy_asset(p);
	int r;

	if (!a)
		return KS_R_internal;
	r = modbus_ruled(leaf) ? 0 : modbus_opaque(a->opaque, leaf->function);
	if (!r && !policy_unit(a, leaf->unit))
		r = KS_R_unit_unlisted;
	return r;
}

/* The shadow's policy about the leaf, from its addresses on: KS_R_ok or why not. */
static __always_inline int shadow_ask(struct ks_work *w)
{
	__u8 proto = w->shadow.proto;
	struct pkt *p = &w->pkt;
	int r = policy_pair(p->dport);

	/* each request of a datagram gets its own verdict, as in udp_client() */
	if (r == KS_R_pair_denied && (p->follow || p->l4proto == IPPROTO_UDP))
		r = KS_GO;
	if (r == KS_GO && p->proto != proto)
		r = KS_R_unlisted;
	if (r != KS_GO)
		return r;
	r = proto == KS_MODBUS ? shadow_takes(p, &w->leaf) : 0;
	return r ? r : policy_ask(w);
}

/*
 * The leaf in the work area has its verdict: what would the other policy say? Not of what
 * is refused whatever a policy allows (malformed, unframed, of no CIP connection), and
 * without limits of rate: what they have left is the active policy's.
 */
KS_GLOBAL int shadow_judge(void)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_shadow_key *key;

	if (!w || (w->refused && w->refused != KS_R_unit_unlisted &&
		   w->refused != KS_R_function_opaque && w->refused != KS_R_policy_deny &&
		   w->refused != KS_R_rate_limited))
		return 0;
	key = &w->shadow_key;
	__builtin_memset(key, 0, sizeof(*key));
	shadow_begin(w);
	w->leaf.rule = 0;
	key->candidate_reason = shadow_ask(w);
	if (key->candidate_reason == KS_R_ok || key->candidate_reason == KS_R_policy_deny)
		key->candidate = w->leaf.rule;
	shadow_end(w);
	key->generation = p->generation;
	key->reason = w->leaf.reason;
	key->rule = w->leaf.reason == KS_R_ok || w->leaf.reason == KS_R_policy_deny ? w->leaf.rule : 0;
	shadow_count(p, key);
	return 0;
}

/* A SYN: policy_pair() said `reason`, or KS_GO. */
KS_GLOBAL int shadow_connection(int reason)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_shadow_key *key;
	int r;

	if (!w)
		return 0;
	key = &w->shadow_key;
	shadow_begin(w);
	r = policy_pair(p->dport);
	if (r == KS_R_pair_denied && p->follow)
		r = KS_GO; /* as tcp_pair() */
	shadow_end(w);
	*key = (struct ks_shadow_key){
		.generation = p->generation, .rule = KS_SHADOW_SYN, .candidate = KS_SHADOW_SYN,
		.reason = reason == KS_GO ? KS_R_ok : reason,
		.candidate_reason = r == KS_GO ? KS_R_ok : r,
	};
	shadow_count(p, key);
	return 0;
}

#endif
