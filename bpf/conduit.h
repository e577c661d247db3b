/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections through conduits: who opened what, so that what comes back is known. TCP,
 * UDP and ICMP echo of both address families. No timer: an entry that is over stands
 * until a new connection looks at it or takes its place. What a packet is before it gets
 * here is zone.h's business.
 */
#ifndef KEYSWITCH_CONDUIT_H
#define KEYSWITCH_CONDUIT_H

#include "policy.h"
#include "table.h"

/* key: connection, opener first, value: its state. Written here only. Miss: not open. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_CONDUIT_FLOWS);
	__type(key, struct ks_key6);
	__type(value, struct ks_conduit_flow);
} conduits SEC(".maps");

/* value: every entry of `conduits` once, the one looked at longest ago first. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2 * KS_CONDUIT_FLOWS);
	__type(value, struct ks_key6);
} conduit_queue SEC(".maps");

/* key: opener, value: its entries in `conduits`. Miss: none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_CONDUIT_FLOWS);
	__type(key, struct ks_client_key);
	__type(value, __s32);
} conduit_clients SEC(".maps");

#define KS_CONDUIT_LOOKS	4	/* entries that each new connection looks at ... */
#define KS_CONDUIT_LOOKS_FULL	64	/* ... and once more if there is no room */

static __always_inline __u64 conduit_limit(const struct ks_conduit_flow *f, __u8 proto)
{
	if (proto != IPPROTO_TCP)
		return f->seen & KS_CF_REPLIED ? KS_T_DATAGRAMS : KS_T_UNANSWERED;
	if (f->seen & KS_CF_RST || (f->seen & KS_CF_FIN && f->seen & KS_CF_RFIN))
		return KS_T_LAST_ACKS;
	if (f->seen & (KS_CF_FIN | KS_CF_RFIN))
		return KS_T_CLOSING;
	return f->seen & KS_CF_REPLIED ? KS_T_IDLE : KS_T_OPENING;
}

static __always_inline int conduit_over(const struct ks_conduit_flow *f, const struct ks_key6 *key,
					__u64 now)
{
	return f->seen & KS_CF_DONE || now > f->t_last + conduit_limit(f, key->link >> 24);
}

static __always_inline void conduit_count_use(__s32 by)
{
	struct ks_table_use *use = table_in_use();

	if (use)
		table_count(&use->conduits, by);
}

/* ---- how entries go ---- */

static __always_inline void conduit_quota_give(const struct ks_key6 *key)
{
	__s32 *n = bpf_map_lookup_elem(&conduit_clients, key->client);

	if (!n)
		return;
	__sync_fetch_and_add(n, -1);
	if (*n <= 0)
		bpf_map_delete_elem(&conduit_clients, key->client);
}

/*
 * The entry looked at longest ago goes if it is over, else it waits again. A packet of
 * it that another CPU sees meanwhile finds nothing: TCP asks again, datagrams make it anew.
 */
static __always_inline void conduit_look(struct ks_work *w)
{
	struct ks_key6 *key = &w->conduit_old;
	struct ks_conduit_flow *f;

	if (bpf_map_pop_elem(&conduit_queue, key))
		return;
	f = bpf_map_lookup_elem(&conduits, key);
	if (!f)
		return;
	if (!conduit_over(f, key, w->pkt.now) || bpf_map_delete_elem(&conduits, key)) {
		bpf_map_push_elem(&conduit_queue, key, 0);
		return;
	}
	conduit_quota_give(key);
	conduit_count_use(-1);
}

static long conduit_look_step(__u64 i, void *arg)
{
	struct ks_work *w = pkt_work();

	if (w)
		conduit_look(w);
	return 0;
}

KS_GLOBAL int conduit_look_after(__u32 looks)
{
	ks_loop(looks, conduit_look_step, NULL);
	return 0;
}

/* ---- how entries come ---- */

/*
 * This packet's connection as it would be if its sender (reply 0) or its receiver
 * (reply 1) had opened it, into w->conduit_key.
 */
static __always_inline void conduit_key(struct ks_work *w, int reply)
{
	struct ks_key6 *key = &w->conduit_key;
	struct pkt *p = &w->pkt;
	int straight = (p->role == KS_CLIENT) != reply; /* opener is the key's client */

	__builtin_memset(key, 0, sizeof(*key));
	if (p->v6) {
		__builtin_memcpy(key->client, straight ? p->key.k6.client : p->key.k6.server, 16);
		__builtin_memcpy(key->server, straight ? p->key.k6.server : p->key.k6.client, 16);
	} else {
		key->client[10] = key->client[11] = key->server[10] = key->server[11] = 0xff;
		__builtin_memcpy(key->client + 12,
				 straight ? &p->key.k4.client : &p->key.k4.server, 4);
		__builtin_memcpy(key->server + 12,
				 straight ? &p->key.k4.server : &p->key.k4.client, 4);
	}
	key->cport = bpf_htons(reply ? p->dport : p->sport);
	key->sport = bpf_htons(reply ? p->sport : p->dport);
	key->link = KS_LINK(p->l4proto, p->vlan[0], p->vlan[1]);
}

/* The conduit by which one zone may open this port of another, 0 = none. */
static __always_inline __u32 conduit_find(struct pkt *p, __u16 from, __u16 to, __u16 port)
{
	struct ks_conduit_key key = {
		.prefixlen = KS_CONDUIT_PAIR_BITS + 16, .from = from, .to = to,
		.proto = p->l4proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : p->l4proto,
		.port = bpf_htons(port),
	};
	__u32 *id = policy_entry(&pol_conduits, p->slot, &key);

	return id ? *id : 0;
}

static __always_inline void conduit_count(struct pkt *p, __u32 conduit, int opened)
{
	struct ks_pol_cfg *pol = bpf_map_lookup_elem(&pol_cfg, &p->slot);
	__u32 key = bpf_get_smp_processor_id();
	struct ks_conduit_hits *hits;

	if (!pol)
		return;
	key = key * (pol->conduits + 1) + conduit;
	hits = policy_entry(&pol_conduit_hits, p->slot, &key);
	if (!hits)
		return;
	hits->packets++;
	hits->opened += opened;
}

static __always_inline void conduit_begin(struct pkt *p, struct ks_conduit_flow *f, __u32 conduit,
					  int reply)
{
	f->t_last = p->now;
	f->generation = p->generation;
	f->conduit = conduit;
	f->seen = reply ? KS_CF_REPLIED : 0;
	conduit_count(p, conduit, 1);
}

/* Counts one more entry against its opener; KS_GO or why it may have no more. */
static __always_inline int conduit_quota_take(struct ks_work *w, const struct ks_pol_cfg *pol)
{
	__s32 none = 0, *n = bpf_map_lookup_elem(&conduit_clients, w->conduit_key.client);

	if (!n) {
		bpf_map_update_elem(&conduit_clients, w->conduit_key.client, &none, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&conduit_clients, w->conduit_key.client);
	}
	if (!n)
		return KS_R_conduit_full;
	if (*n >= (__s32)pol->conduit_flows_per_client)
		return KS_R_conduit_quota;
	__sync_fetch_and_add(n, 1);
	return KS_GO;
}

/* Room for w->conduit_key, new entries only: KS_GO or why there is none. */
static __always_inline int conduit_insert(struct ks_work *w, const struct ks_pol_cfg *pol)
{
	static const struct ks_conduit_flow empty = { .seen = KS_CF_DONE };
	int r;

	conduit_look_after(KS_CONDUIT_LOOKS);
	r = conduit_quota_take(w, pol);
	if (r != KS_GO)
		return r;
	if (!bpf_map_update_elem(&conduits, &w->conduit_key, &empty, BPF_NOEXIST))
		goto made;
	conduit_look_after(KS_CONDUIT_LOOKS_FULL);
	if (!bpf_map_update_elem(&conduits, &w->conduit_key, &empty, BPF_NOEXIST))
		goto made;
	conduit_quota_give(&w->conduit_key);
	return bpf_map_lookup_elem(&conduits, &w->conduit_key) ? KS_GO : KS_R_conduit_full;
made:
	conduit_count_use(1);
	bpf_map_push_elem(&conduit_queue, &w->conduit_key, 0);
	return KS_GO;
}

/* An entry for the packet's connection by `conduit`, w->conduit_key names it. */
KS_GLOBAL int conduit_open(__u32 conduit, int reply)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_conduit_flow *f;
	struct ks_pol_cfg *pol;
	int r;

	pol = p ? bpf_map_lookup_elem(&pol_cfg, &p->slot) : NULL;
	if (!pol || !w)
		return KS_R_internal;
	f = bpf_map_lookup_elem(&conduits, &w->conduit_key);
	if (!f) {
		r = conduit_insert(w, pol);
		if (r != KS_GO)
			return r;
		f = bpf_map_lookup_elem(&conduits, &w->conduit_key);
	}
	if (!f)
		return KS_R_conduit_full; /* gone again: as if there had been no room */
	conduit_begin(p, f, conduit, reply);
	return reply ? KS_R_conduit_reply : KS_R_conduit;
}

/* ---- what goes through ---- */

/* A connection opened under an older policy: does this one still allow it? */
static __always_inline int conduit_again(struct pkt *p, struct ks_conduit_flow *f, int reply)
{
	__u32 id = 0;

	if (f->conduit)
		id = reply ? conduit_find(p, p->zone[1], p->zone[0], p->sport) :
			     conduit_find(p, p->zone[0], p->zone[1], p->dport);
	if (!id) {
		if (!p->follow)
			f->seen |= KS_CF_DONE;
		return KS_R_conduit_changed;
	}
	f->conduit = id;
	f->generation = p->generation;
	return KS_GO;
}

static __always_inline __u32 conduit_flags(struct pkt *p, int reply)
{
	__u32 seen = reply ? KS_CF_REPLIED : 0;

	if (p->l4proto != IPPROTO_TCP)
		return seen;
	if (p->flags & TCP_FIN)
		seen |= reply ? KS_CF_RFIN : KS_CF_FIN;
	if (p->flags & TCP_RST)
		seen |= KS_CF_RST;
	return seen;
}

static __always_inline int conduit_is_syn(struct pkt *p)
{
	return p->l4proto == IPPROTO_TCP &&
	       (p->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* A packet of an open connection. */
static __always_inline int conduit_known(struct pkt *p, struct ks_conduit_flow *f, int reply)
{
	if (f->generation != p->generation) {
		int r = conduit_again(p, f, reply);

		if (r != KS_GO)
			return r;
	}
	if (reply && conduit_is_syn(p))
		return KS_R_conduit_none; /* the other side opens nothing on this way */
	if (!reply && conduit_is_syn(p) && conduit_limit(f, IPPROTO_TCP) <= KS_T_CLOSING) {
		conduit_begin(p, f, f->conduit, 0);
		return KS_R_conduit;
	}
	f->t_last = p->now;
	f->seen |= conduit_flags(p, reply);
	conduit_count(p, f->conduit, 0);
	return reply ? KS_R_conduit_reply : KS_R_conduit;
}

/*
 * Of no open connection. TCP begins with its SYN; one that runs already is taken over
 * while `adopt: audit` says so, whichever side is heard first.
 */
static __always_inline int conduit_missing(struct ks_work *w, const struct ks_pol_cfg *pol)
{
	struct pkt *p = &w->pkt;
	int tcp = p->l4proto == IPPROTO_TCP, running = tcp && !conduit_is_syn(p);
	int take_over = pkt_adopts(p) || (pkt_adopted(p) && p->now < pol->take_over_until) || pkt_blind();
	__u32 id;

	if (running && (!take_over || p->flags & (TCP_SYN | TCP_RST)))
		return KS_R_conduit_no_flow;
	id = conduit_find(p, p->zone[0], p->zone[1], p->dport);
	if (id) {
		conduit_key(w, 0);
		return conduit_open(id, 0);
	}
	if (running || pkt_blind())
		id = conduit_find(p, p->zone[1], p->zone[0], p->sport);
	if (!id)
		return running ? KS_R_conduit_no_flow : KS_R_conduit_none;
	conduit_key(w, 1);
	return conduit_open(id, 1);
}

/* The packet, its zones and ports known: KS_R_conduit, KS_R_conduit_reply or why not. */
KS_GLOBAL int conduit_packet(void)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_conduit_flow *f;
	struct ks_pol_cfg *pol;

	pol = p ? bpf_map_lookup_elem(&pol_cfg, &p->slot) : NULL;
	if (!pol || !w)
		return KS_R_internal;
	conduit_key(w, 0);
	f = bpf_map_lookup_elem(&conduits, &w->conduit_key);
	if (f && !conduit_over(f, &w->conduit_key, p->now))
		return conduit_known(p, f, 0);
	conduit_key(w, 1);
	f = bpf_map_lookup_elem(&conduits, &w->conduit_key);
	if (f && !conduit_over(f, &w->conduit_key, p->now))
		return conduit_known(p, f, 1);
	return conduit_missing(w, pol);
}

#endif
