/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an entry of the flow tables comes: its client's quota, its ring, its timer.
 * How it goes is expire.h's business.
 */
#ifndef KEYSWITCH_TABLE_H
#define KEYSWITCH_TABLE_H

#include "reuse.h"

#define KS_REUSE_AT_ONCE 8 /* looks at the queue of ended flows, two for each that goes */

/* Is one of the tables that this flow needs more than a quarter full? */
static __always_inline int table_filling(struct pkt *p)
{
	struct ks_table_use *use = table_in_use();
	__u32 enip = p->proto != KS_MODBUS;

	return use && (use->flows[p->v6 & 1] > use->flows_max / 4 ||
		       use->rings[enip] > use->rings_max[enip] / 4);
}

/* The last eighth of a table is for clients that completed a handshake before. */
static __always_inline int table_scarce(struct pkt *p, const struct ks_client_use *client)
{
	struct ks_table_use *use = table_in_use();

	return use && client && !client->known &&
	       use->flows[p->v6 & 1] >= use->flows_max - use->flows_max / 8;
}

/* The client's quota record, made on first use; NULL when that fails. */
static __always_inline struct ks_client_use *table_client(const struct ks_client_key *key)
{
	struct ks_client_use none = {}, *use = bpf_map_lookup_elem(&clients, key);

	if (use)
		return use;
	bpf_map_update_elem(&clients, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&clients, key);
}

/* Counts the flow and its half-open handshake against the client (H1 caps). */
KS_GLOBAL int table_quota_take(void)
{
	struct pkt *p = pkt_of(pkt_work());
	const struct ks_force *force;
	struct ks_client_key key;
	struct ks_client_use *use;

	if (!p)
		return KS_R_internal;
	table_client_key(p, &key);
	use = table_client(&key);
	if (!use)
		return KS_GO;
	if (table_scarce(p, use))
		return KS_R_table_reserved;
	force = pkt_force(p->now);
	if (use->flows >= (__s32)force->flows_per_client)
		return KS_R_client_quota;
	if (use->half_open >= (__s32)force->half_open_per_client)
		return KS_R_half_open_quota;
	__sync_fetch_and_add(&use->flows, 1);
	__sync_fetch_and_add(&use->half_open, 1);
	return KS_GO;
}

/* First fields of a fresh entry; its state is still NONE. */
static __always_inline void table_first(struct pkt *p, struct ks_flow *f, __u32 slot, int ring)
{
	f->id = table_flow_id();
	f->slot = ring ? slot + 1 : 0;
	f->flags = ring ? KS_F_QFLOW | KS_F_QHALF : 0;
	f->pair = cfg.client_port;
	f->abi = KS_ABI;
	f->t_last = p->now;
	f->begun = p->now / KS_SECOND;
	f->family = p->v6 ? 6 : 4;
}

/* A full queue does no harm: the entry's time comes. */
static __always_inline void table_closed(const struct ks_flow *f)
{
	__u32 at = f->at;

	bpf_map_push_elem(&closed, &at, 0);
}

/* Entry and ring of a flow that comes. */
static __always_inline void table_counted(struct pkt *p, int ring)
{
	struct ks_table_use *use = table_in_use();

	if (!use)
		return;
	table_count(&use->flows[p->v6 & 1], 1);
	if (ring)
		table_count(&use->rings[p->proto != KS_MODBUS], 1);
}

static __always_inline int table_insert(struct pkt *p, __u32 slot, int ring)
{
	struct ks_flow *f = entry_new(p);

	if (!f)
		return KS_R_table_full;
	table_first(p, f, slot, ring);
	if (entry_name(f, p)) {
		entry_free(f);
		return KS_R_table_full;
	}
	return KS_GO;
}

static __always_inline long table_slot(struct pkt *p, __u32 *slot)
{
	if (p->proto == KS_MODBUS)
		return bpf_map_pop_elem(&mb_free, slot);
	return bpf_map_pop_elem(&eip_free, slot);
}

static __always_inline void table_slot_back(struct pkt *p, __u32 slot)
{
	if (p->proto == KS_MODBUS)
		bpf_map_push_elem(&mb_free, &slot, 0);
	else
		bpf_map_push_elem(&eip_free, &slot, 0);
}

/* An entry of another layout: nothing in it can be trusted, not even to be kept. */
KS_GLOBAL int table_foreign(void)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_flow *f = p ? table_lookup(p) : NULL;

	if (f) {
		f->at = p->at;
		table_delete(f);
	}
	return KS_R_flow_abi;
}

/*
 * A new entry in state NONE, with a ring slot if `ring`, counted in its
 * client's quota. KS_GO, or the reason why not.
 */
KS_GLOBAL int table_create(int ring)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_client_key key;
	__u32 slot = 0;
	int i, r = KS_GO;

	if (!p)
		return KS_R_internal;
	sweep_start(p);
	for (i = 0; i < KS_REUSE_AT_ONCE && table_filling(p); i++)
		table_reuse();
	if (ring)
		r = table_quota_take();
	if (r != KS_GO)
		return r;
	if (ring && table_slot(p, &slot))
		r = KS_R_ring_full;
	if (r == KS_GO) {
		r = table_insert(p, slot, ring);
		if (r != KS_GO && ring)
			table_slot_back(p, slot);
		if (r == KS_GO)
			table_counted(p, ring);
	}
	if (r != KS_GO && ring) {
		table_client_key(p, &key);
		table_quota_give(&key, KS_F_QFLOW | KS_F_QHALF, 0);
	}
	return r;
}

#endif
