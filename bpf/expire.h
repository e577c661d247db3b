/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What connections share and use up: rings, timers, their clients' quotas; and how an
 * entry goes by its own timer. How one goes sooner is reuse.h's, how one comes table.h's,
 * what the state in an entry means flow.h's business.
 */
#ifndef KEYSWITCH_EXPIRE_H
#define KEYSWITCH_EXPIRE_H

#include "entry.h"

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

/*
 * value: ended connections, the oldest first. Pushed when a flow is closed or killed; while a
 * table is more than a quarter full each new connection has two of them removed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, KS_CLOSED);
	__type(value, struct ks_orphan);
} closed SEC(".maps");

/* key: 0, value: entries and rings in use, and their limits. Attach writes the limits. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_table_use);
} table_use SEC(".maps");

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

/* cpu << 48 | count: two incarnations of one element are never taken for each other. */
static __always_inline __u64 table_flow_id(void)
{
	__u32 zero = 0;
	struct ks_misc_count *m = bpf_map_lookup_elem(&misc, &zero);

	return (__u64)bpf_get_smp_processor_id() << 48 | (m ? ++m->flow_ids : 0);
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

/* estab: it is given back because the handshake is complete. */
static __always_inline void table_quota_give(const struct ks_client_key *key, __u8 what, int estab)
{
	struct ks_client_use *use = bpf_map_lookup_elem(&clients, key);

	if (!use)
		return;
	if (estab)
		use->known = 1;
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

static __always_inline struct ks_table_use *table_in_use(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&table_use, &zero);
}

static __always_inline void table_count(__u32 *n, __s32 by)
{
	__sync_fetch_and_add(n, by);
}

/* The entry goes; with an error (its bucket is locked) it stays as it was. */
static __always_inline long table_delete(struct ks_flow *f)
{
	struct ks_table_use *use = table_in_use();
	__u32 v6 = f->family == 6;
	long err = entry_forget(f);

	if (err)
		return err;
	entry_free(f);
	if (use)
		table_count(&use->flows[v6], -1);
	return 0;
}

/* slot: as in struct ks_flow, 0 = there is none to give back */
static __always_inline void table_ring_back(__u8 proto, __u32 slot)
{
	struct ks_table_use *use = table_in_use();

	if (!slot--)
		return;
	bpf_map_push_elem(proto == KS_MODBUS ? (void *)&mb_free : (void *)&eip_free, &slot, 0);
	if (use)
		table_count(&use->rings[proto != KS_MODBUS], -1);
}

/* An entry that was to go has its bucket locked: it goes another time. */
static __always_inline void flow_stays(struct ks_flow *f)
{
	bpf_spin_lock(&f->lock);
	f->flags &= ~KS_F_BUSY;
	bpf_spin_unlock(&f->lock);
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
		f->flags |= gone ? KS_F_BUSY : 0; /* nobody else deletes it */
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
		table_quota_give(key, due, 0);
	if (!gone) {
		bpf_timer_start(&f->timer, next, 0);
		return 0;
	}
	table_ring_back(proto, slot);
	return 1;
}

static __always_inline void flow_client_key(const struct ks_flow *f, struct ks_client_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (f->family == 6) {
		__builtin_memcpy(key->addr, f->key.client, 16);
		return;
	}
	key->addr[10] = key->addr[11] = 0xff;
	__builtin_memcpy(key->addr + 12, f->key.client, 4);
}

/*
 * The entry is looked up again: 6.1 lets nobody take the lock of a callback's own
 * argument. A timer may come for an entry that was freed meanwhile.
 */
static int flow_timer(void *map, __u32 *at, struct ks_flow *f)
{
	struct ks_client_key client;

	f = bpf_map_lookup_elem(&flows, at);
	if (!f || !f->family)
		return 0;
	flow_client_key(f, &client);
	if (!flow_expire(f, &client) || !table_delete(f))
		return 0;
	flow_stays(f);
	bpf_timer_start(&f->timer, KS_T_TOMBSTONE, 0);
	return 0;
}

/* Gives the entry its timer, which it keeps for good; 0 = it runs. */
static __always_inline long table_timer(struct ks_flow *f, __u64 ns)
{
	bpf_timer_init(&f->timer, &flows, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&f->timer, flow_timer);
	return bpf_timer_start(&f->timer, ns, 0);
}

/* A flow that has no timer yet: gets one, or ages here, or waits for the next look. */
KS_GLOBAL int table_look_after(void)
{
	struct ks_client_key client;
	struct ks_orphan o = {};
	struct ks_flow *f;

	if (cfg.trace || bpf_map_pop_elem(&orphans, &o))
		return 0;
	f = entry_named(&o);
	if (!f || !table_timer(f, KS_T_TOMBSTONE))
		return 0;
	flow_client_key(f, &client);
	if (!flow_expire(f, &client) || table_delete(f))
		bpf_map_push_elem(&orphans, &o, 0);
	return 0;
}

#endif
