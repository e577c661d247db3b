/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place that turns a reason into an XDP action and counts it, and the
 * counters of judged requests. Count first, event second.
 */
#ifndef KEYSWITCH_VERDICT_H
#define KEYSWITCH_VERDICT_H

#include "denied.h"
#include "event.h"
#include "guard.h"
#include "policy.h"
#include "requests.h"
#include "answer.h"

/* key: (port * KS_REASONS + reason) * KS_A_MAX + action, value: packets of this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KS_PORTS_MAX * KS_REASONS * KS_A_MAX);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

/* key: port index, value: its interface. Written by attach. Miss: frame dropped. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, KS_PORTS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} tx_ports SEC(".maps");

/* key: port index, value: who that is. User space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KS_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct ks_port_rec);
} ports SEC(".maps");

static __always_inline void verdict_bump(__u64 *requests, __u64 verdict, __u32 n)
{
	if (verdict < KS_V_MAX)
		requests[verdict] += n;
}

static __always_inline void verdict_count_rule(struct pkt *p, __u32 rule, __u8 verdict, __u32 n)
{
	struct ks_rule_hits *hits = requests_of_rule(p, rule);

	if (hits)
		verdict_bump(hits->requests, verdict, n);
}

/* Per (asset, function) while there is room, else in the bucket `other`. */
static __always_inline void verdict_count_key(const struct ks_req_key *key, __u8 verdict, __u32 n)
{
	struct ks_misc_count *m = requests_count(key, verdict, n) ? NULL : event_misc();

	if (m)
		m->pairs_other += n;
}

/* n requests to the packet's asset; a class that policy does not name counts as none. */
static __always_inline void verdict_count_requests(struct pkt *p, __u8 proto, __u32 class,
						   __u16 function, __u8 verdict, __u32 n)
{
	struct ks_req_key key = {
		.asset = p->asset, .proto = proto, .class = class, .function = function,
		.numbering = p->numbering,
	};

	key.port = p->role == KS_CLIENT ? cfg.client_port : cfg.server_port;
	if (class && class < KS_CLASS_TAG && !policy_entry(&pol_classes, p->slot, &key.class))
		key.class = 0;
	verdict_count_key(&key, verdict, n);
}

static __always_inline void verdict_count_request(struct pkt *p, const struct ks_leaf *leaf)
{
	verdict_count_requests(p, leaf->proto, leaf->key_class,
			       leaf->has & KS_HAS_PCCC ? leaf->sub :
			       leaf->has & KS_HAS_SERVICE ? leaf->service : leaf->function,
			       leaf->verdict, 1);
}

static __always_inline void verdict_trace(const struct ks_leaf *leaf)
{
	struct ks_trace_ctl *ctl;
	struct ks_leaf *out;
	__u32 zero = 0, n;

	if (!cfg.trace)
		return;
	ctl = bpf_map_lookup_elem(&trace_ctl, &zero);
	if (!ctl)
		return;
	n = ctl->leaves;
	out = bpf_map_lookup_elem(&trace, &n);
	if (!out) {
		ctl->overflow++;
		return;
	}
	*out = *leaf;
	ctl->leaves = n + 1;
}

static __always_inline void verdict_count(__u8 role, __u32 reason, __u32 action)
{
	__u32 port = role == KS_CLIENT ? cfg.client_port : cfg.server_port;
	__u32 key = (port * KS_REASONS + reason) * KS_A_MAX + action;
	__u64 *n = bpf_map_lookup_elem(&packets, &key);

	if (n)
		*n += 1;
}

/* What is really done; a packet that cannot be changed as it must stops. */
static __always_inline __u32 verdict_act(struct xdp_md *ctx, struct pkt *p, __u32 action)
{
	int goes = p->out == KS_OUT_CUT || (p->out == KS_OUT_SAME && action == KS_A_PASS);

	if (p->inside && goes && rewrite_cookie(ctx, p))
		return KS_A_DROP;
	if (p->role == KS_SERVER && p->out == KS_OUT_CUT && rewrite_label(ctx, p))
		return KS_A_DROP;
	switch (p->out) {
	case KS_OUT_CUT:
		return rewrite_payload(ctx) ? KS_A_DROP : KS_A_TRIM;
	case KS_OUT_JOIN:
		return rewrite_payload(ctx) ? KS_A_DROP : KS_A_JOIN;
	case KS_OUT_LABEL:
		return action == KS_A_PASS && rewrite_label(ctx, p) ? KS_A_DROP : action;
	case KS_OUT_KILL:
		return answer_make(ctx) ? KS_A_DROP : KS_A_KILL;
	case KS_OUT_ACK:
		action = KS_A_TX;
	}
	if (action != KS_A_TX)
		return action;
	return p->flags & TCP_RST || answer_make(ctx) ? KS_A_DROP : KS_A_TX;
}

static __always_inline int verdict_forward(struct xdp_md *ctx, __u8 role)
{
	if (!cfg.wire)
		return state.guard ? guard_pass(ctx) : XDP_PASS;
	return bpf_redirect_map(&tx_ports,
				role == KS_CLIENT ? cfg.server_port : cfg.client_port, XDP_DROP);
}

/* The single exit. Monitor passes everything, whatever the reason. */
static __always_inline int verdict(struct xdp_md *ctx, struct pkt *p, __u8 role, __u32 reason)
{
	__u32 action = reason_of(reason_effect, reason);
	struct ks_trace_ctl *ctl;
	__u32 zero = 0;

	if (action != KS_A_PASS && denied_read(p))
		denied_packet(ctx, reason);
	if (p->follow)
		action = KS_A_PASS;
	else if (action != KS_A_PASS || p->out | p->inside)
		action = verdict_act(ctx, p, action);
	verdict_count(role, reason, action);
	if (reason_of(reason_kind, reason) && !p->reported)
		event_send(ctx, reason, action);
	if (cfg.trace) {
		ctl = bpf_map_lookup_elem(&trace_ctl, &zero);
		if (ctl) {
			ctl->reason = reason;
			ctl->action = action;
		}
	}
	if (action == KS_A_DROP || action == KS_A_TX)
		return action == KS_A_DROP ? XDP_DROP : XDP_TX;
	return verdict_forward(ctx, role);
}

#endif
