/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: what is worth telling, at a bounded rate per flow, reason and CPU.
 * What a rate or a full ring holds back is counted and told with the next one.
 */
#ifndef KEYSWITCH_EVENT_H
#define KEYSWITCH_EVENT_H

#include "table.h"
#include "l3.h"
#include "cursor.h"

/* key: reason, value: this CPU's event rate. Written here only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KS_REASONS);
	__type(key, __u32);
	__type(value, struct ks_rate);
} rates SEC(".maps");

/* struct ks_event records. Read by one consumer; full: events_lost. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, KS_EVENT_RING);
} events SEC(".maps");

#define EFFECT_PASS KS_A_PASS
#define EFFECT_DROP KS_A_DROP
#define EFFECT_TX KS_A_TX
#define REASON_EFFECT(sym, effect, kind, text) EFFECT_##effect,
#define REASON_KIND(sym, effect, kind, text) kind,
static const __u8 reason_effect[128] = { KS_REASON_LIST(REASON_EFFECT) };
static const __u8 reason_kind[128] = { KS_REASON_LIST(REASON_KIND) };
_Static_assert(KS_REASONS <= 128, "reason tables are read with a mask of 127");

static __always_inline __u8 reason_of(const __u8 *table, __u32 reason)
{
	__u64 i = reason;

	BOUND_OFFSET(i, 128);
	return table[i];
}

static __always_inline struct ks_misc_count *event_misc(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&misc, &zero);
}

/* Rate of one flow if f is given, then of one reason on this CPU. 1 = send, 0 = counted. */
static __always_inline int event_due(struct pkt *p, struct ks_flow *f, __u32 reason)
{
	struct ks_rate *rate = bpf_map_lookup_elem(&rates, &reason);
	struct ks_misc_count *m = event_misc();
	__u32 second = p->now / KS_SECOND;
	int due = 1;

	if (!rate || !m)
		return 0;
	if (f) {
		if (f->ev >> 8 != (second & 0xffffff))
			f->ev = second << 8;
		due = (f->ev & 0xff) < KS_FLOW_EVENT_RATE;
		f->ev += due;
	}
	if (rate->second != second) {
		rate->second = second;
		rate->sent = 0;
	}
	if (!due || rate->sent >= pkt_force(p->now)->event_rate) {
		rate->hidden++;
		m->events_hidden++;
		return 0;
	}
	rate->sent++;
	return 1;
}

/* Whose rate counts: what is allowed takes no room from what its connection is refused. */
static __always_inline struct ks_flow *event_flow(struct pkt *p, __u32 reason)
{
	return p->tracked && reason_of(reason_effect, reason) != KS_A_PASS ? entry_again(p) : NULL;
}

/* How many of this reason were held back since the last one that was told. */
static __always_inline __u32 event_hidden(__u32 reason)
{
	struct ks_rate *rate = bpf_map_lookup_elem(&rates, &reason);
	__u32 hidden = rate ? rate->hidden : 0;

	if (rate)
		rate->hidden = 0;
	return hidden;
}

static __always_inline void event_addresses(struct pkt *p, struct ks_event *e)
{
	const void *client = p->v6 ? (void *)p->key.k6.client : (void *)&p->key.k4.client;
	const void *server = p->v6 ? (void *)p->key.k6.server : (void *)&p->key.k4.server;
	const void *src = p->role == KS_CLIENT ? client : server;
	const void *dst = p->role == KS_CLIENT ? server : client;

	if (p->ethertype != ETH_IPV4 && !p->v6)
		return;
	e->ip_version = p->v6 ? 6 : 4;
	e->ip_proto = p->l4proto;
	e->sport = p->sport;
	e->dport = p->dport;
	e->seq = p->seq;
	if (p->v6) {
		__builtin_memcpy(e->src, src, 16);
		__builtin_memcpy(e->dst, dst, 16);
		return;
	}
	e->src[10] = e->src[11] = e->dst[10] = e->dst[11] = 0xff;
	__builtin_memcpy(e->src + 12, src, 4);
	__builtin_memcpy(e->dst + 12, dst, 4);
}

/* The refused request with the first bytes of its message, else those of the payload. */
static __always_inline void event_request(struct xdp_md *ctx, struct ks_work *w, struct ks_event *e,
					  __u32 size)
{
	__u32 leaf = size - __builtin_offsetof(struct ks_event, leaf);
	struct pkt *p = &w->pkt;
	__u64 n = p->len < KS_HEAD_MAX ? p->len : KS_HEAD_MAX;

	if (p->judged) {
		e->head_len = w->head_len;
		copy_words(e->head, w->head, KS_HEAD_MAX);
		copy_words(&e->leaf, &w->leaf, leaf);
		return;
	}
	clear_words(e->head, KS_HEAD_MAX + leaf);
	if (!n || !p->pay)
		return;
	BOUND1(n, KS_HEAD_MAX);
	if (!bpf_xdp_load_bytes(ctx, p->pay, e->head, n))
		e->head_len = n;
}

static __always_inline void event_packet(struct xdp_md *ctx, struct pkt *p, struct ks_event *e,
					 __u32 reason, __u32 action)
{
	__u8 *mac = pkt_at(ctx, 0, 12);

	clear_words(e, __builtin_offsetof(struct ks_event, head));
	e->t = p->now;
	e->reason = reason;
	e->kind = reason_of(reason_kind, reason);
	e->action = action;
	e->verdict = reason_of(reason_effect, reason) == KS_A_PASS ? KS_V_ALLOW :
		     p->mode == KS_MONITOR ? KS_V_WOULD_DENY : KS_V_DENY;
	e->port = p->role == KS_CLIENT ? cfg.client_port : cfg.server_port;
	e->vlan[0] = p->vlan[0];
	e->vlan[1] = p->vlan[1];
	e->zone[0] = p->zone[0];
	e->zone[1] = p->zone[1];
	e->generation = p->generation;
	e->ethertype = p->ethertype;
	e->hidden = event_hidden(reason);
	if (mac) {
		__builtin_memcpy(e->dmac, mac, 6);
		__builtin_memcpy(e->smac, mac + 6, 6);
	}
	event_addresses(p, e);
}

/*
 * A record of so many bytes, a constant. Who reads it has it in another CPU's cache: what
 * counts is how many lines it has. 0, or < 0 = no room.
 */
static __always_inline int event_write(struct xdp_md *ctx, struct ks_work *w, __u32 reason,
				       __u32 action, __u32 size)
{
	struct ks_event *e = bpf_ringbuf_reserve(&events, size, 0);

	if (!e)
		return -1;
	event_packet(ctx, &w->pkt, e, reason, action);
	event_request(ctx, w, e, size);
	if (size == sizeof(*e))
		e->pad = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline void event_lost(void)
{
	struct ks_misc_count *m = event_misc();

	if (m)
		m->events_lost++;
}

/* With what was judged if p->judged. Returns 0. */
KS_GLOBAL int event_send(struct xdp_md *ctx, __u32 reason, __u32 action)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	int r;

	if (!w)
		return 0;
	p->reported = 1;
	if (cfg.trace || (!p->due && !event_due(p, event_flow(p, reason), reason)))
		return 0;
	if (p->judged && w->leaf.proto != KS_MODBUS)
		r = event_write(ctx, w, reason, action, sizeof(struct ks_event));
	else
		r = event_write(ctx, w, reason, action, KS_EVENT_SHORT);
	if (r)
		event_lost();
	return 0;
}

#endif
