/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One whole message: dissect it, decide each request in it, count, trace and
 * report. The glue between the pure dissectors and the policy.
 */
#ifndef KEYSWITCH_JUDGE_H
#define KEYSWITCH_JUDGE_H

#include "shadow.h"
#include "verdict.h"
#include "rate.h"
#include "io.h"
#include "modbus.h"

/* A leaf without any field yet, for what is refused before a dissector wrote one. */
static __always_inline void judge_blank(struct pkt *p, struct ks_work *w)
{
	__builtin_memset(&w->leaf, 0, sizeof(w->leaf));
	w->leaf.proto = p->proto == KS_MODBUS ? KS_MODBUS : KS_ENIP;
	policy_forget(w);
	__builtin_memset(w->head, 0, sizeof(w->head));
	w->head_len = 0;
}

/* The message's first bytes, for the event. */
static __always_inline void judge_head(struct ks_work *w, const struct view *v)
{
	__u32 i, left = v->len < KS_HEAD_MAX ? v->len : KS_HEAD_MAX;

	w->head_len = left;
	for (i = 0; i < KS_HEAD_MAX / 8; i++) {
		w->head[i] = load_u64(v->base + 8 * i);
		if (left < 8)
			w->head[i] &= le_mask(left);
		left -= left < 8 ? left : 8;
	}
}

/* The alert rule's own 'log: false' leaves its counter alone. */
static __always_inline int judge_alerts(struct pkt *p, const struct ks_leaf *leaf)
{
	struct ks_rule_rec *rec = leaf->alert ? policy_entry(&pol_rules, p->slot, &leaf->alert) : NULL;

	return rec && !rec->quiet;
}

/* An allowed request that a rule wants told; what else becomes of the packet is told by itself. */
static __always_inline void judge_tell(struct xdp_md *ctx, struct ks_work *w)
{
	struct pkt *p = &w->pkt;
	__u8 judged = p->judged, reported = p->reported;

	p->judged = 1;
	if (judge_alerts(p, &w->leaf))
		event_send(ctx, KS_R_marked, KS_A_PASS);
	else if (w->marks & KS_D_LOGGED)
		event_send(ctx, KS_R_logged, KS_A_PASS);
	p->judged = judged;
	p->reported = reported;
}

/* A refusal, unless its rule is quiet and no alert rule marked it: then it is counted. */
static __always_inline int judge_quiet(struct pkt *p, const struct ks_leaf *leaf,
				       const struct ks_rule_rec *rule)
{
	struct ks_misc_count *m;

	if (leaf->reason != KS_R_policy_deny || !rule || !rule->quiet || judge_alerts(p, leaf))
		return 0;
	m = event_misc();
	if (m)
		m->events_quiet++;
	return 1;
}

/*
 * Asks the policy about the leaf in the work area, and for what it takes of limits of
 * rate: w->refused. A dissector may have refused it already. Returns 0.
 */
KS_GLOBAL int judge_ask(void)
{
	struct ks_work *w = pkt_work();
	int reason;

	if (!w || w->refused)
		return 0;
	w->leaf.asset = w->pkt.asset;
	reason = policy_ask(w);
	if (reason == KS_R_ok && w->n_rated)
		reason = rate_take(w);
	w->refused = reason == KS_R_ok ? 0 : reason;
	return 0;
}

/*
 * The leaf in the work area gets its verdict: w->refused, 0 = it is allowed. Counts and
 * tells it. Returns KS_GO or the reason.
 */
KS_GLOBAL int judge_verdict(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_rule_rec *rule;
	struct ks_leaf *leaf;
	int reason;

	if (!w)
		return KS_R_internal;
	leaf = &w->leaf;
	leaf->asset = p->asset;
	reason = w->refused;
	leaf->reason = reason;
	leaf->verdict = reason == KS_R_ok ? KS_V_ALLOW :
			p->mode == KS_MONITOR ? KS_V_WOULD_DENY : KS_V_DENY;
	if (!p->again || reason == KS_R_ok) { /* a limit of rate may let it go later */
		verdict_count_request(p, leaf);
		verdict_count_rule(p, leaf->rule, leaf->verdict, 1);
		if (leaf->alert)
			verdict_count_rule(p, leaf->alert, leaf->verdict, 1);
		verdict_trace(leaf);
	}
	if (reason == KS_R_ok) {
		if (w->marks | leaf->alert)
			judge_tell(ctx, w);
		return KS_GO;
	}
	rule = policy_refusal(p, leaf);
	p->reset |= !pkt_blind() && rule && rule->on_deny == KS_DENY_RESET;
	denied_request();
	p->judged = p->reported = 1;
	if (p->again || judge_quiet(p, leaf, rule))
		return reason;
	event_send(ctx, reason, p->mode == KS_MONITOR ? KS_A_PASS :
		   p->reset && p->tracked ? KS_A_KILL : KS_A_DROP);
	return reason;
}

/* Its verdict, and the shadow's: side by side, one in the other is too deep for 6.1's stack. */
static __always_inline int judge_leaf(struct xdp_md *ctx, const struct pkt *p)
{
	int reason;

	judge_ask();
	reason = judge_verdict(ctx);
	if (p->shadow && !p->again)
		shadow_judge();
	return reason;
}

/* The ADU of `len` bytes at ring position pos into w->leaf; w->refused says why not. */
KS_GLOBAL int judge_adu(struct ks_modbus_ring *ring, __u32 pos, __u32 len)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_asset_rec *a;
	struct view v;
	__u64 at = pos;

	a = p ? policy_asset(p) : NULL;
	if (!a || !ring || !w)
		return 0;
	BOUND_OFFSET(at, KS_MB_RING);
	v = (struct view){ .base = ring->bytes + at, .len = len };
	judge_head(w, &v);
	w->refused = modbus_dissect(&v, a->opaque, &w->leaf);
	if (!w->refused && !policy_unit(a, w->leaf.unit))
		w->refused = KS_R_unit_unlisted;
	return 0;
}

/* The message itself is the one request. */
static __always_inline void judge_whole(struct ks_work *w, __u32 len)
{
	enip_leaf_command(&w->cip.msg, len, &w->leaf);
	w->leaf.route = w->cip.route;
	if (w->leaf.route.len)
		w->leaf.has |= KS_HAS_ROUTE;
}

/*
 * Connected data is a Message Router request only on a connection that was opened to
 * the Message Router. Else 1: w->leaf is all that is judged, w->refused why not.
 */
static __always_inline int judge_connected(struct ks_work *w, __u32 len)
{
	int kind;

	if (w->near && w->near_id == w->cip.msg.conn_id) {
		conn_near_route(w);
		return 0;
	}
	w->near = 0;
	kind = conn_message(w->cip.msg.conn_id);
	if (kind == KS_CONN_ROUTER)
		return 0;
	judge_whole(w, len);
	if (!kind)
		w->refused = KS_R_connection_unknown;
	w->leaf.key_class = KS_CLASS_DATA;
	w->leaf.service = 0;
	return 1;
}

/*
 * Envelope and wrappers of the PDU at ring position pos into w->cip.msg, w->cip.layers.
 * Returns the number of requests in it, to be dissected one by one; 0 = the PDU
 * itself is the one request, w->leaf holds it and w->refused why it is refused (0 =
 * it is not).
 */
KS_GLOBAL int judge_envelope(struct ks_enip_ring *ring, __u32 pos, __u32 len)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	__u64 at = pos;
	struct view v;

	if (!ring || !w)
		return 0;
	BOUND_OFFSET(at, KS_EIP_RING);
	v = (struct view){ .base = ring->bytes + at, .len = len };
	policy_forget(w);
	__builtin_memset(&w->cip.route, 0, sizeof(w->cip.route));
	w->refused = enip_dissect(&v, p->l4proto == IPPROTO_UDP, &w->cip.msg);
	if (!w->refused && w->cip.msg.cip == EIP_CONNECTED && judge_connected(w, len))
		return 0;
	if (!w->refused && w->cip.msg.cip) {
		w->refused = cip_unwrap(&v, w->cip.msg.cip_off, w->cip.msg.cip_len, &w->cip.layers,
					&w->cip.route, &w->cip.path);
		if (!w->refused)
			return w->cip.layers.members ? w->cip.layers.members : 1;
	}
	judge_whole(w, len);
	return 0;
}

/* Where the i-th request of the PDU in v is, and cip_leaf()'s flags. 0 or a reason. */
static __always_inline int judge_part(const struct ks_work *w, const struct view *v, __u32 i,
				      __u32 *off, __u32 *n, __u32 *flags)
{
	*off = w->cip.layers.off;
	*n = w->cip.layers.len;
	*flags = CIP_MEMBER;
	if (w->cip.layers.members)
		return cip_member(v, &w->cip.layers, i, off, n);
	*flags = w->cip.msg.cip == 1 && !w->cip.layers.routed ? CIP_UCMM : 0;
	return 0;
}

/* i-th request of the PDU at ring position pos into w->leaf; w->refused says why not. */
KS_GLOBAL int judge_request(struct ks_enip_ring *ring, __u32 pos, __u32 len, __u32 i)
{
	struct ks_work *w = pkt_work();
	__u32 off, n, flags;
	__u64 at = pos;
	struct view v;

	if (!ring || !w)
		return 0;
	BOUND_OFFSET(at, KS_EIP_RING);
	v = (struct view){ .base = ring->bytes + at, .len = len };
	w->open.kind = 0;
	w->refused = judge_part(w, &v, i, &off, &n, &flags);
	if (w->refused) {
		judge_whole(w, len);
		return 0;
	}
	w->refused = cip_leaf(&v, off, n, flags, &w->cip.route, &w->leaf, &w->cip.path);
	if (!w->refused && w->leaf.class == CIP_CONN_MANAGER &&
	    (w->leaf.service == CIP_FORWARD_OPEN || w->leaf.service == CIP_LARGE_OPEN)) {
		forward_open(&v, off, w->leaf.key_class, &w->open);
		w->open.route = w->leaf.route;
	}
	w->leaf.function = w->cip.msg.command;
	w->leaf.has |= KS_HAS_FUNCTION;
	return 0;
}

/* A Forward_Open that goes on waits for its reply. */
static __always_inline void judge_asked(void)
{
	struct ks_work *w = pkt_work();

	if (w && w->open.kind)
		conn_asked();
}

/* Bytes that are no message: one refused request without fields. */
static __always_inline int judge_unframed(struct xdp_md *ctx, struct pkt *p, int reason)
{
	struct ks_work *w = pkt_work();

	if (!w)
		return KS_R_internal;
	judge_blank(p, w);
	w->refused = reason;
	return judge_leaf(ctx, p);
}

/*
 * A UDP 2222 O->T datagram (group io): policy by its connection's route and state, then
 * the rest. One without a connection that no static rule allows is judged as if it had one.
 */
static __always_inline int judge_io(struct xdp_md *ctx, struct pkt *p)
{
	struct ks_work *w = pkt_work();

	if (!w)
		return KS_R_internal;
	judge_blank(p, w);
	w->leaf.asset = p->asset;
	w->refused = 0;
	conn_datagram_leaf(ctx);
	if (w->leaf.service == KS_IO_STATIC && policy_request(0) != KS_R_ok)
		w->leaf.service = KS_IO_RUN;
	if (policy_request(0) == KS_R_ok)
		w->refused = conn_datagram(ctx);
	if (w->leaf.service)
		w->leaf.has |= KS_HAS_SERVICE;
	return judge_leaf(ctx, p);
}

#endif
