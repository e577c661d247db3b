/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow tables: where connections, their rings and their clients' quotas
 * live, how an entry comes (table_create) and goes (timers). What the state in
 * an entry means is flow.h's business.
 */
#ifndef KEYSWITCH_TABLE_H
#define KEYSWITCH_TABLE_H

#include "pkt.h"

/* key: connection, value: its hot state. Written here and by flow.h. Miss: no state. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_FLOWS);
	__type(key, struct ks_key4);
	__type(value, struct ks_flow);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_FLOWS);
	__type(key, struct ks_key6);
	__type(value, struct ks_flow);
} flows6 SEC(".maps");

/* value: ring slots not in use. Filled by attach; empty: `ring_full`. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, KS_MODBUS_RINGS);
	__type(value, __u32);
} mb_free SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, KS_ENIP_RINGS);
	__type(value, __u32);
} eip_free SEC(".maps");

/*
 * value: flows without a timer, for bpf_timer_init may fail at any time (on 6.18
 * it allocates without waiting: every second time in a burst). Pushed and popped
 * by table_create: each new connection looks after KS_LOOK_AFTER of them, one
 * more than an entry may need until it is gone.
 */
#define KS_LOOK_AFTER 4

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, KS_ORPHANS);
	__type(value, struct ks_orphan);
} orphans SEC(".maps");

/* key: client address, value: its connections. Miss: none yet. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KS_CLIENTS);
	__type(key, struct ks_client_key);
	__type(value, struct ks_client_use);
} clients SEC(".maps");

/* key: 0, value: counters of this CPU without a label. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_misc_count);
} misc SEC(".maps");

static const struct ks_flow flow_empty = {};

/* cpu << 48 | count: two incarnations of one element are never taken for each other. */
static __always_inline __u64 table_flow_id(void)
{
	__u32 zero = 0;
	struct ks_misc_count *m = bpf_map_lookup_elem(&misc, &zero);

	return (__u64)bpf_get_smp_processor_id() << 48 | (m ? ++m->flow_ids : 0);
}

static __always_inline struct ks_flow *table_lookup(struct pkt *p)
{
	if (p->v6)
		return bpf_map_lookup_elem(&flows6, &p->key.k6);
	return bpf_map_lookup_elem(&flows4, &p->key.k4);
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

static __always_inline void table_client_key(struct pkt *p, struct ks_client_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (p->v6) {
		__builtin_memcpy(key->addr, p->key.k6.client, 16);
		return;
	}
	key->addr[10] = key->addr[11] = 0xff;
	__builtin_memcpy(key->addr + 12, &p->key.k4.client, 4);
}

/* Counts the flow and its half-open handshake against the client (H1 caps). */
KS_GLOBAL int table_quota_take(void)
{
	struct pkt *p = pkt_of(pkt_work());
	struct ks_state_rec *st = pkt_state();
	struct ks_client_key key;
	struct ks_client_use *use;

	if (!p)
		return KS_R_internal;
	table_client_key(p, &key);
	use = table_client(&key);
	if (!use || !st)
		return KS_GO;
	if (use->flows >= (__s32)st->flows_per_client)
		return KS_R_client_quota;
	if (use->half_open >= (__s32)st->half_open_per_client)
		return KS_R_half_open_quota;
	__sync_fetch_and_add(&use->flows, 1);
	__sync_fetch_and_add(&use->half_open, 1);
	return KS_GO;
}

static __always_inline void table_quota_give(const struct ks_client_key *key, __u8 what)
{
	struct ks_client_use *use = bpf_map_lookup_elem(&clients, key);

	if (!use)
		return;
	if (what & KS_F_QFLOW)
		__sync_fetch_and_add(&use->flows, -1);
	if (what & KS_F_QHALF)
		__sync_fetch_and_add(&use->half_open, -1);
}

/* Which quota marks the state no longer earns; cleared under the lock by the caller. */
static __always_inline __u8 flow_quota_due(struct ks_flow *f)
{
	__u8 due = 0;

	if (f->state != KS_S_SYN_SENT && f->state != KS_S_SYNACKED)
		due |= f->flags & KS_F_QHALF;
	if (f->state == KS_S_CLOSED || f->state == KS_S_KILLED || f->state == KS_S_DEAD)
		due |= f->flags & KS_F_QFLOW;
	f->flags &= ~due;
	return due;
}

static __always_inline __u64 flow_limit(const struct ks_flow *f)
{
	switch (f->state) {
	case KS_S_ESTAB:
	case KS_S_OUTBOUND:
		return f->close & KS_CL_SHORT || f->flags & (KS_F_CFIN | KS_F_SFIN) ?
			       KS_T_CLOSING : KS_T_IDLE;
	case KS_S_CLOSED:
	case KS_S_KILLED:
		return KS_T_CLOSING;
	default:
		return KS_T_OPENING;
	}
}

/*
 * The flow's own timer: past its state's limit it becomes a tombstone, a second
 * later it goes. Returns 1 when the element is to be deleted.
 */
static __always_inline int flow_expire(struct ks_flow *f, const struct ks_client_key *key)
{
	__u64 now = bpf_ktime_get_coarse_ns(), idle, next = KS_T_TOMBSTONE;
	__u8 due, proto, gone = 0;
	__u32 slot = 0;

	bpf_spin_lock(&f->lock);
	idle = now > f->t_last ? now - f->t_last : 0;
	proto = f->proto;
	if (f->state == KS_S_DEAD) {
		gone = idle >= KS_T_TOMBSTONE && !(f->flags & KS_F_BUSY);
		slot = gone ? f->slot : 0;
		f->slot = gone ? 0 : f->slot;
	} else if (f->state == KS_S_ESTAB && f->flags & (KS_F_CFIN | KS_F_SFIN) &&
		   idle >= flow_limit(f)) {
		f->state = KS_S_CLOSED; /* half-closed for too long: last ACKs may still come */
		f->version++;
		next = KS_T_CLOSING;
	} else if (idle >= flow_limit(f)) {
		f->state = KS_S_DEAD;
		f->t_last = now;
		f->version++;
	} else {
		next = flow_limit(f) - idle;
	}
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	if (due)
		table_quota_give(key, due);
	if (!gone) {
		bpf_timer_start(&f->timer, next, 0);
		return 0;
	}
	if (slot--)
		bpf_map_push_elem(proto == KS_MODBUS ? (void *)&mb_free : (void *)&eip_free, &slot, 0);
	return 1;
}

/*
 * The element is looked up again in both callbacks: 6.1 lets nobody take the
 * lock of a callback's own argument.
 */
static int flow_timer4(void *map, struct ks_key4 *key, struct ks_flow *f)
{
	struct ks_client_key client = {};

	f = bpf_map_lookup_elem(&flows4, key);
	client.addr[10] = client.addr[11] = 0xff;
	__builtin_memcpy(client.addr + 12, &key->client, 4);
	if (f && flow_expire(f, &client) && bpf_map_delete_elem(map, key))
		bpf_timer_start(&f->timer, KS_T_TOMBSTONE, 0); /* bucket locked: later */
	return 0;
}

static int flow_timer6(void *map, struct ks_key6 *key, struct ks_flow *f)
{
	struct ks_client_key client;

	f = bpf_map_lookup_elem(&flows6, key);
	__builtin_memcpy(client.addr, key->client, 16);
	if (f && flow_expire(f, &client) && bpf_map_delete_elem(map, key))
		bpf_timer_start(&f->timer, KS_T_TOMBSTONE, 0); /* bucket locked: later */
	return 0;
}

/* First fields of a fresh element; its state is still NONE. */
static __always_inline void table_first(struct pkt *p, struct ks_flow *f, __u32 slot, int ring)
{
	f->id = table_flow_id();
	f->slot = ring ? slot + 1 : 0;
	f->flags = ring ? KS_F_QFLOW | KS_F_QHALF : 0;
	f->pair = cfg.client_port;
	f->t_last = p->now;
}

/*
 * Gives the element its timer; 0 = it runs. Once for each family: the verifier
 * wants a timer and its map from one branch.
 */
static __always_inline long table_timer4(struct ks_flow *f, __u64 ns)
{
	bpf_timer_init(&f->timer, &flows4, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&f->timer, flow_timer4);
	return bpf_timer_start(&f->timer, ns, 0);
}

static __always_inline long table_timer6(struct ks_flow *f, __u64 ns)
{
	bpf_timer_init(&f->timer, &flows6, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&f->timer, flow_timer6);
	return bpf_timer_start(&f->timer, ns, 0);
}

/* A flow that has no timer yet: gets one, or ages here, or waits for the next look. */
static __always_inline void table_orphan4(struct ks_orphan *o)
{
	struct ks_key4 *key = (struct ks_key4 *)&o->key;
	struct ks_flow *f = bpf_map_lookup_elem(&flows4, key);
	struct ks_client_key client = {};

	if (!f || !table_timer4(f, KS_T_TOMBSTONE))
		return;
	client.addr[10] = client.addr[11] = 0xff;
	__builtin_memcpy(client.addr + 12, &key->client, 4);
	if (!flow_expire(f, &client) || bpf_map_delete_elem(&flows4, key))
		bpf_map_push_elem(&orphans, o, 0);
}

static __always_inline void table_orphan6(struct ks_orphan *o)
{
	struct ks_flow *f = bpf_map_lookup_elem(&flows6, &o->key);
	struct ks_client_key client;

	if (!f || !table_timer6(f, KS_T_TOMBSTONE))
		return;
	__builtin_memcpy(client.addr, o->key.client, 16);
	if (!flow_expire(f, &client) || bpf_map_delete_elem(&flows6, &o->key))
		bpf_map_push_elem(&orphans, o, 0);
}

KS_GLOBAL int table_look_after(void)
{
	struct ks_orphan o = {};

	if (cfg.trace || bpf_map_pop_elem(&orphans, &o))
		return 0;
	if (o.v6)
		table_orphan6(&o);
	else
		table_orphan4(&o);
	return 0;
}

static __always_inline void table_no_timer(struct pkt *p)
{
	struct ks_orphan o = { .v6 = p->v6 };

	if (p->v6)
		o.key = p->key.k6;
	else
		__builtin_memcpy(&o.key, &p->key.k4, sizeof(p->key.k4));
	bpf_map_push_elem(&orphans, &o, 0);
}

static __always_inline int table_insert4(struct pkt *p, __u32 slot, int ring)
{
	struct ks_flow *f;

	if (bpf_map_update_elem(&flows4, &p->key.k4, &flow_empty, BPF_NOEXIST))
		return KS_R_table_full;
	f = bpf_map_lookup_elem(&flows4, &p->key.k4);
	if (!f)
		return KS_R_internal;
	table_first(p, f, slot, ring);
	if (!cfg.trace && table_timer4(f, KS_T_OPENING))
		table_no_timer(p);
	return KS_GO;
}

static __always_inline int table_insert6(struct pkt *p, __u32 slot, int ring)
{
	struct ks_flow *f;

	if (bpf_map_update_elem(&flows6, &p->key.k6, &flow_empty, BPF_NOEXIST))
		return KS_R_table_full;
	f = bpf_map_lookup_elem(&flows6, &p->key.k6);
	if (!f)
		return KS_R_internal;
	table_first(p, f, slot, ring);
	if (!cfg.trace && table_timer6(f, KS_T_OPENING))
		table_no_timer(p);
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
	for (i = 0; i < KS_LOOK_AFTER; i++)
		table_look_after();
	if (ring)
		r = table_quota_take();
	if (r != KS_GO)
		return r;
	if (ring && table_slot(p, &slot))
		r = KS_R_ring_full;
	if (r == KS_GO) {
		r = p->v6 ? table_insert6(p, slot, ring) : table_insert4(p, slot, ring);
		if (r != KS_GO && ring)
			table_slot_back(p, slot);
	}
	if (r != KS_GO && ring) {
		table_client_key(p, &key);
		table_quota_give(&key, KS_F_QFLOW | KS_F_QHALF);
	}
	return r;
}

#endif
