/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of connections, and how a packet finds its own: by the number that was
 * last found at the place its addresses and ports point to, else by the hash tables.
 * Who comes and goes is table.h's and expire.h's business.
 */
#ifndef KEYSWITCH_ENTRY_H
#define KEYSWITCH_ENTRY_H

#include "pkt.h"

/*
 * key: number, value: a connection's state, or a free entry. Written here and by flow.h.
 * BPF_F_MMAPABLE alone makes the values begin on a page, and so on a cache line.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * KS_FLOWS);
	__type(key, __u32);
	__type(value, struct ks_flow);
} flows SEC(".maps");

/* value: numbers of the free entries. Filled by attach; empty: `table_full`. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2 * KS_FLOWS);
	__type(value, __u32);
} flow_free SEC(".maps");

/* key: connection, value: number of its entry. Written here. Miss: no state. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_FLOWS);
	__type(key, struct ks_key4);
	__type(value, __u32);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_FLOWS);
	__type(key, struct ks_key6);
	__type(value, __u32);
} flows6 SEC(".maps");

/*
 * key: place of a connection, value: number + 1 of the entry found there last. Only a
 * hint: the entry says whose it is. It stays with the first connection of its place until
 * that is gone: written for each packet it would go from CPU to CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_NEAR_FLOWS * KS_FLOWS);
	__type(key, __u32);
	__type(value, __u32);
} flows_near SEC(".maps");

/* Multiplied by odd constants: each bit of the key moves the high ones. */
static __always_inline __u64 entry_mix(__u64 sum, __u64 word)
{
	return (sum ^ sum >> 32 ^ word) * 0x9e3779b97f4a7c15ull;
}

static __always_inline __u32 entry_place(const struct pkt *p)
{
	const __u8 *key = (const __u8 *)&p->key;
	__u64 sum = entry_mix(entry_mix(0, load_u64(key)), load_u64(key + 8));

	if (p->v6)
		sum = entry_mix(entry_mix(entry_mix(sum, load_u64(key + 16)), load_u64(key + 24)),
				load_u64(key + 32));
	return sum >> 40 & cfg.near_mask;
}

static __always_inline int entry_is(const struct ks_flow *f, const struct pkt *p)
{
	const __u8 *a = (const __u8 *)&f->key, *b = (const __u8 *)&p->key;
	__u64 other = (load_u64(a) ^ load_u64(b)) | (load_u64(a + 8) ^ load_u64(b + 8));

	if (!p->v6)
		return f->family == 4 && !other;
	other |= (load_u64(a + 16) ^ load_u64(b + 16)) | (load_u64(a + 24) ^ load_u64(b + 24)) |
		 (load_u64(a + 32) ^ load_u64(b + 32));
	return f->family == 6 && !other;
}

/* Number + 1 of the packet's entry by the hash tables, 0 = it has none. */
KS_GLOBAL int entry_far(void)
{
	struct pkt *p = pkt_of(pkt_work());
	__u32 *at;

	if (!p)
		return 0;
	if (p->v6) {
		at = bpf_map_lookup_elem(&flows6, &p->key.k6);
		KEEP_APART(at);
	} else {
		at = bpf_map_lookup_elem(&flows4, &p->key.k4);
	}
	return at ? *at + 1 : 0;
}

/* The packet's entry or NULL. */
static __always_inline struct ks_flow *table_lookup(struct pkt *p)
{
	__u32 at = entry_place(p), *near = bpf_map_lookup_elem(&flows_near, &at);
	struct ks_flow *f;
	int taken;

	if (!near)
		return NULL;
	p->at = at = *near - 1;
	f = bpf_map_lookup_elem(&flows, &at);
	if (f && entry_is(f, p))
		return f;
	taken = f && f->family;
	at = entry_far();
	if (!at)
		return NULL;
	if (!taken)
		*near = at;
	p->at = --at;
	f = bpf_map_lookup_elem(&flows, &at);
	return f && entry_is(f, p) ? f : NULL;
}

/* The same entry again, once table_lookup() has found it or table_create() made it. */
static __always_inline struct ks_flow *entry_again(struct pkt *p)
{
	return bpf_map_lookup_elem(&flows, &p->at);
}

static __always_inline struct ks_flow *entry_of4(const struct ks_key4 *key)
{
	__u32 *at = bpf_map_lookup_elem(&flows4, key);

	return at ? bpf_map_lookup_elem(&flows, at) : NULL;
}

static __always_inline struct ks_flow *entry_of6(const struct ks_key6 *key)
{
	__u32 *at = bpf_map_lookup_elem(&flows6, key);

	return at ? bpf_map_lookup_elem(&flows, at) : NULL;
}

/* Nobody finds it any more; its number is free for another connection. */
static __always_inline void entry_free(struct ks_flow *f)
{
	__u32 at = f->at;

	bpf_spin_lock(&f->lock);
	f->family = 0;
	f->state = KS_S_NONE;
	f->flags = 0;
	bpf_spin_unlock(&f->lock);
	bpf_map_push_elem(&flow_free, &at, 0);
}

/* Out of its hash table, if its bucket is not locked. 0 or a negative errno. */
static __always_inline long entry_forget(const struct ks_flow *f)
{
	if (f->family == 6)
		return bpf_map_delete_elem(&flows6, &f->key);
	return bpf_map_delete_elem(&flows4, &f->key);
}

/*
 * A free entry becomes the packet's, in state NONE, before anybody can find it by the
 * tables: NULL when there is none.
 */
static __always_inline struct ks_flow *entry_new(struct pkt *p)
{
	struct ks_flow *f;

	if (bpf_map_pop_elem(&flow_free, &p->at))
		return NULL;
	f = bpf_map_lookup_elem(&flows, &p->at);
	if (!f)
		return NULL;
	__builtin_memset(&f->state, 0, __builtin_offsetof(struct ks_flow, key) -
				       __builtin_offsetof(struct ks_flow, state));
	__builtin_memset(&f->ev, 0, sizeof(*f) - __builtin_offsetof(struct ks_flow, ev));
	f->at = p->at;
	f->key = p->key.k6;
	return f;
}

/* The tables name it; an error: another CPU was faster, or a table is full. */
static __always_inline long entry_name(const struct ks_flow *f, struct pkt *p)
{
	__u32 at = f->at;

	if (p->v6)
		return bpf_map_update_elem(&flows6, &p->key.k6, &at, BPF_NOEXIST);
	return bpf_map_update_elem(&flows4, &p->key.k4, &at, BPF_NOEXIST);
}

#endif
