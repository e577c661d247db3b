/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What connections share and use up: rings and their clients' quotas; and how an entry
 * goes when its time is over. How one goes sooner is reuse.h's, how one comes table.h's,
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
 * value: entries of ended connections, the oldest first. Pushed when a flow is closed or
 * killed; while a table is more than a quarter full each new connection has two of them
 * removed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, KS_CLOSED);
	__type(value, __u32);
} closed SEC(".maps");

/* key: 0, value: the timer of the table. Started by a new connection, ended by `upgrade`. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_sweep);
} sweep SEC(".maps");

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

/* cpu << 48 | count: two incarnations of one entry are never taken for each other. */
static __always_inline __u64 table_flow_id(void)
{
	__u32 zero = 0;
	struct ks_misc_count *m = bpf_map_lookup_elem(&misc, &zero);

	return (__u64)bpf_get_smp_processor_id() << 48 | (m ? ++m->flow_ids : 0);
}

/* key: struct ks_key6, or struct ks_key4 */
static __always_inline void table_client_of(const void *key, int v6, struct ks_client_key *client)
{
	__builtin_memset(client, 0, sizeof(*client));
	if (v6) {
		__builtin_memcpy(client->addr, key, 16);
		return;
	}
	client->addr[10] = client->addr[11] = 0xff;
	__builtin_memcpy(client->addr + 12, key, 4);
}

static __always_inline void table_client_key(struct pkt *p, struct ks_client_key *client)
{
	table_client_of(&p->key, p->v6, client);
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

enum due {
	NOT_DUE = 0,
	DUE_STATE,	/* it is in another state now */
	DUE_DELETE,	/* it is to be deleted, by the caller alone */
};

/* Past its state's limit it becomes a tombstone, later it goes. quota: what it owes. */
static __always_inline enum due flow_expire(struct ks_flow *f, __u64 now, __u32 *slot, __u8 *quota)
{
	enum due due = NOT_DUE;
	__u64 idle;
	int gone;

	bpf_spin_lock(&f->lock);
	idle = now > f->t_last ? now - f->t_last : 0;
	if (f->state == KS_S_DEAD) {
		gone = idle >= KS_T_TOMBSTONE && !(f->flags & KS_F_BUSY);
		*slot = gone ? f->slot : 0;
		f->slot = gone ? 0 : f->slot;
		f->flags |= gone ? KS_F_BUSY : 0; /* nobody else deletes it */
		due = gone ? DUE_DELETE : NOT_DUE;
	} else if (idle >= flow_limit(f)) {
		/* half-closed for too long: last ACKs may still come */
		f->state = f->state == KS_S_ESTAB && f->flags & (KS_F_CFIN | KS_F_SFIN) ?
				   KS_S_CLOSED : KS_S_DEAD;
		f->t_last = now;
		f->version++;
		due = DUE_STATE;
	}
	*quota = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	return due;
}

/* 1 = it was due. */
KS_GLOBAL int sweep_entry(__u32 at, __u64 now)
{
	struct ks_flow *f = bpf_map_lookup_elem(&flows, &at);
	struct ks_client_key client;
	__u32 slot = 0;
	__u8 quota = 0;
	enum due due;

	if (!f || !f->family || now < f->t_last + KS_T_TOMBSTONE)
		return 0; /* no limit is shorter */
	table_client_of(&f->key, f->family == 6, &client);
	due = flow_expire(f, now, &slot, &quota);
	if (due == DUE_DELETE) {
		table_ring_back(f->proto, slot);
		if (table_delete(f))
			flow_stays(f);
	}
	if (quota)
		table_quota_give(&client, quota, 0);
	return due != NOT_DUE;
}

struct sweep_step {
	__u64 now;
	__u32 at, entries;
	__u32 due;		/* of those looked at */
};

static long sweep_step(__u64 i, void *arg)
{
	struct sweep_step *step = arg;

	step->due += sweep_entry(step->at, step->now);
	step->at = step->at + 1 < step->entries ? step->at + 1 : 0;
	return step->due >= KS_SWEEP_DUE;
}

static __always_inline __u64 sweep_next(const struct ks_table_use *use, const struct sweep_step *step)
{
	if (!(use->flows[0] | use->flows[1]))
		return KS_SECOND;
	return step->due >= KS_SWEEP_DUE ? KS_SWEEP_SOON : KS_SWEEP_EVERY;
}

/*
 * A part of the table, and again: a softirq stays no longer than that, however many
 * entries are due at once.
 */
static int sweep_shot(void *map, __u32 *key, struct ks_sweep *s)
{
	struct sweep_step step = { .now = bpf_ktime_get_coarse_ns(), .at = s->next };
	struct ks_table_use *use = table_in_use();

	if (!use)
		return 0;
	step.entries = 2 * use->flows_max;
	s->last = step.now;
	if (use->flows[0] | use->flows[1])
		ks_loop(KS_SWEEP_AT_ONCE, sweep_step, &step);
	s->next = step.at;
	bpf_timer_start(&s->timer, sweep_next(use, &step), 0);
	return 0;
}

/* Each new connection looks whether the timer runs: the kernel may have had no memory for it. */
static __always_inline void sweep_start(struct pkt *p)
{
	__u32 zero = 0;
	struct ks_sweep *s = bpf_map_lookup_elem(&sweep, &zero);

	if (!s || cfg.trace || p->now < s->last + 2 * KS_SECOND)
		return;
	bpf_timer_init(&s->timer, &sweep, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&s->timer, sweep_shot);
	if (!bpf_timer_start(&s->timer, KS_SWEEP_EVERY, 0))
		s->last = p->now;
}

#endif
