/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CIP leaf leads to in the compiled policy (compiled.h): the number of its tag, the
 * elements of a PCCC command, its cell of pol_cip. Decides nothing.
 */
#ifndef KEYSWITCH_POLICY_CIP_H
#define KEYSWITCH_POLICY_CIP_H

#include "policy_tables.h"
#include "pccc.h"

/* Lower case of eight ASCII bytes at once; bytes above 0x7f stay. */
static __always_inline __u64 lower8(__u64 x)
{
	const __u64 ones = 0x0101010101010101ull;
	__u64 low7 = x & 0x7f * ones;
	__u64 above_z = low7 + (0x7f - 'Z') * ones;
	__u64 from_a = low7 + (0x80 - 'A') * ones;
	__u64 upper = ~x & (from_a ^ above_z) & 0x80 * ones;

	return x | upper >> 2;
}

/*
 * The tag's number, 0 = no rule names it. Several elements from an index on are the
 * whole array's business: past its row's end they go on in the next.
 */
static __always_inline __u32 policy_tag(struct pkt *p, const struct ks_leaf *leaf)
{
	int i, len = leaf->quantity > 1 ? leaf->tag_base : leaf->tag_len;
	struct ks_work *w = pkt_work();
	__u64 x;
	__u32 *id;

	if (!w || leaf->has & KS_HAS_TAG_LONG)
		return 0;
	for (i = 0; i < KS_TAG_MAX; i += 8) {
		x = i < len ? lower8(load_u64(leaf->tag + i)) : 0;
		if (i + 8 > len && i < len)
			x &= le_mask(len - i);
		store_u64(w->tag.name + i, x);
	}
	id = policy_entry(&pol_tags, p->slot, &w->tag);
	return id ? *id : 0;
}

/*
 * Data-table elements of a PCCC command as instances. What cannot be counted ends at
 * the file's end, so that every rule about the file sees it; a type or file that no
 * rule can name has no instance.
 */
static __always_inline void policy_pccc(const struct ks_leaf *leaf, __u32 *lo, __u32 *hi)
{
	__u32 last = leaf->address + leaf->quantity - 1, type = 0;

	*lo = *hi = KS_NO_VALUE;
	if (!(leaf->has & KS_HAS_FILE) || leaf->file > KS_PCCC_FILE_MAX)
		return;
	if (pccc_says_type(leaf)) {
		if ((leaf->file_type & ~0x1fu) != KS_PCCC_TYPES)
			return;
		type = KS_PCCC_TYPE(leaf->file_type);
	}
	*lo = KS_PCCC_ELEMENT(type, leaf->file, leaf->address & 0xffff);
	*hi = KS_PCCC_ELEMENT(type, leaf->file, last < 0xffff ? last : 0xffff);
}

/* Row of pol_cip for the leaf's route; 0xffffffff if a table is broken. */
static __always_inline __u32 policy_cip_row(struct pkt *p, const struct ks_profile_rec *prof,
					    const struct ks_leaf *leaf)
{
	__u32 key = prof->routes + KS_ROUTE_DIRECT, *found;

	if (!prof->routes)
		return prof->cip_row;
	if (leaf->route.len) {
		found = leaf->route.len > KS_ROUTE_MAX ? NULL :
			policy_entry(&pol_routes, p->slot, leaf->route.text);
		key = prof->routes + (found ? *found : KS_ROUTE_OTHER);
	}
	found = policy_entry(&pol_route_rows, p->slot, &key);
	return found ? *found : KS_NO_VALUE;
}

static __always_inline __u32 policy_service(const struct ks_leaf *leaf)
{
	return leaf->has & KS_HAS_PCCC ? leaf->sub : leaf->service;
}

/* The next leaf may have another route: requests of one message have the same. */
static __always_inline void policy_forget(struct ks_work *w)
{
	w->cell.slot = KS_SLOTS;
}

/* Index of a class, 0 = no rule and no group names it. */
static __always_inline __u32 policy_class(struct pkt *p, const struct ks_pol_cfg *pol, __u32 class)
{
	__u32 *index;

	if (class == KS_CLASS_TAG && pol->tag_class)
		return pol->tag_class;
	index = policy_entry(&pol_classes, p->slot, &class);
	return index ? *index : 0;
}

/* Cell of pol_cip that service, class and route of the leaf lead to; KS_NO_VALUE likewise. */
static __always_inline __u32 policy_cip_cell(struct pkt *p, const struct ks_leaf *leaf)
{
	struct ks_profile_rec *prof = policy_entry(&pol_profiles, p->slot, &p->profile);
	struct ks_pol_cfg *pol = bpf_map_lookup_elem(&pol_cfg, &p->slot);
	struct ks_leaf_class *lc;
	__u32 key;

	if (!prof || !pol)
		return KS_NO_VALUE;
	key = policy_class(p, pol, leaf->key_class) * 128 + (policy_service(leaf) & 127);
	lc = policy_entry(&pol_leaves, p->slot, &key);
	if (!lc)
		return KS_NO_VALUE;
	return policy_cip_row(p, prof, leaf) * pol->leaves + lc->leaf;
}

#endif
