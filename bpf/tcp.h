/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP of a tracked or trackable connection, both sides: find the flow, apply
 * the rule that the state matrix names under the flow's lock, run the stream
 * stage on claimed bytes, publish. The rules themselves are in flow.h.
 */
#ifndef KEYSWITCH_TCP_H
#define KEYSWITCH_TCP_H

#include "flow.h"
#include "stream.h"

#define MATRIX_ROW(side, st, c0, c1, c2, c3, c4, c5) \
	[KS_##side * 64 + KS_S_##st * 8 + 0] = KS_U_##c0, \
	[KS_##side * 64 + KS_S_##st * 8 + 1] = KS_U_##c1, \
	[KS_##side * 64 + KS_S_##st * 8 + 2] = KS_U_##c2, \
	[KS_##side * 64 + KS_S_##st * 8 + 3] = KS_U_##c3, \
	[KS_##side * 64 + KS_S_##st * 8 + 4] = KS_U_##c4, \
	[KS_##side * 64 + KS_S_##st * 8 + 5] = KS_U_##c5,
static const __u8 state_matrix[128] = { KS_STATE_MATRIX(MATRIX_ROW) };
_Static_assert(KS_STATES <= 8 && KS_CLASSES <= 8 && KS_U_unexpected == 0,
	       "state_matrix is indexed side * 64 + state * 8 + class; a cell not named drops");

static __always_inline __u8 tcp_rule(struct pkt *p, __u8 st)
{
	__u64 cell = p->role * 64 + (st & 7) * 8 + p->class;

	BOUND_OFFSET(cell, 128);
	return state_matrix[cell];
}

static __always_inline __u8 tcp_class(struct pkt *p)
{
	if (p->flags & TCP_RST)
		return KS_C_RST;
	if (p->flags & TCP_SYN)
		return p->flags & TCP_ACK ? KS_C_SYNACK : KS_C_SYN;
	if (p->len)
		return KS_C_DATA;
	return p->flags & TCP_FIN ? KS_C_FIN : KS_C_ACK;
}

/* Policy facts of the flow into p, or p's fresh ones into the flow. Under the lock. */
static __always_inline int tcp_facts(struct ks_flow *f, struct pkt *p)
{
	if (f->state == KS_S_NONE || f->state == KS_S_OUTBOUND || p->role == KS_SERVER)
		return KS_GO;
	if (f->generation == p->generation) {
		p->proto = f->proto;
		p->asset = f->asset;
		p->profile = f->profile;
		return KS_GO;
	}
	if (!p->resolved)
		return KS_R_busy;
	f->generation = p->generation;
	f->asset = p->asset;
	f->profile = p->profile;
	return KS_GO;
}

/* The cell of the matrix, applied. Under the lock. */
static __always_inline int tcp_apply(struct ks_flow *f, struct pkt *p)
{
	switch (tcp_rule(p, f->state)) {
	case KS_U_open:
		return flow_open(f, p);
	case KS_U_reopen:
		return flow_reopen(f, p);
	case KS_U_pend:
		return flow_pend(f, p);
	case KS_U_complete:
		return flow_complete(f, p);
	case KS_U_accept:
		return flow_accept(f, p);
	case KS_U_client_rst:
		return flow_client_rst(f, p);
	case KS_U_last:
		return p->len && p->role == KS_CLIENT ? KS_R_flow_closed : KS_R_close;
	case KS_U_closed:
		return KS_R_flow_closed;
	case KS_U_killed:
		return KS_R_flow_killed;
	case KS_U_stray:
		return flow_stray(f, p);
	case KS_U_synack:
		return flow_synack(f, p);
	case KS_U_live_synack:
		return flow_live_synack(f, p);
	case KS_U_server_rst:
		return flow_server_rst(f, p);
	case KS_U_track:
		return flow_track(f, p);
	case KS_U_adopt:
		return flow_adopt(f, p);
	case KS_U_outbound:
		f->state = KS_S_OUTBOUND;
		return KS_R_outbound;
	case KS_U_pass:
		return KS_R_from_server;
	}
	return KS_R_state_unexpected;
}

/* A SYN that begins an ended connection anew counts against its client again. */
static __always_inline int tcp_quota(struct pkt *p, struct ks_flow *f)
{
	int r;

	if (p->class != KS_C_SYN || tcp_rule(p, f->state) != KS_U_open || f->flags & KS_F_QFLOW)
		return KS_GO;
	r = table_quota_take();
	p->quota = r == KS_GO;
	return r;
}

/*
 * Passed in monitor although a rule refused it, so that what the server has, or
 * where it sees message borders, is not known. Requests refused for what they
 * ask leave both known.
 */
static __always_inline int flow_unsound(__u32 reason)
{
	switch (reason) {
	case KS_R_policy_deny:
	case KS_R_unit_unlisted:
	case KS_R_cip_malformed:
	case KS_R_epath_malformed:
	case KS_R_epath_ambiguous:
	case KS_R_epath_long:
	case KS_R_msp_malformed:
	case KS_R_msp_members:
	case KS_R_nesting:
		return 0;
	}
	return reason_of(reason_effect, reason) == KS_A_DROP;
}

static __always_inline void flow_mismatch(struct ks_flow *f, struct pkt *p)
{
	if (p->follow || ++f->mismatches < KS_MISMATCHES)
		return;
	f->state = KS_S_KILLED;
	p->rearm = 1;
	flow_changed(f);
}

/* After the lock: what a state change owes outside the entry. */
static __always_inline void tcp_settle(struct pkt *p, struct ks_flow *f, __u8 due)
{
	struct ks_client_key client;

	if (p->quota)
		due |= KS_F_QFLOW | KS_F_QHALF;
	p->quota = 0;
	if (due) {
		table_client_key(p, &client);
		table_quota_give(&client, due);
	}
	if (p->rearm && !cfg.trace)
		bpf_timer_start(&f->timer, flow_limit(f), 0);
}

static __always_inline int tcp_locked(struct pkt *p, struct ks_flow *f)
{
	__u8 due;
	int r;

	bpf_spin_lock(&f->lock);
	r = tcp_facts(f, p);
	if (r == KS_GO)
		r = tcp_apply(f, p);
	if (f->state != KS_S_DEAD && (r == KS_GO || reason_of(reason_effect, r) == KS_A_PASS))
		f->t_last = p->now; /* what is dropped keeps no connection alive */
	if (p->follow && r != KS_GO && flow_unsound(r))
		f->flags |= KS_F_AUDIT;
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	if (due || p->rearm || p->quota)
		tcp_settle(p, f, due);
	return r;
}

/* Publishes the claim, or confirms that nothing changed while bytes were compared. */
static __always_inline int tcp_finish(struct pkt *p, struct ks_flow *f, int reason)
{
	int r = KS_GO;
	__u8 due;

	p->rearm = 0;
	bpf_spin_lock(&f->lock);
	if (p->take.claimed)
		r = flow_publish(f, p);
	else if (f->id != p->take.id || f->version != p->take.version)
		r = KS_R_commit_conflict;
	if (r == KS_GO && reason == KS_R_retransmit_mismatch)
		flow_mismatch(f, p);
	if (p->follow && flow_unsound(reason))
		f->flags |= KS_F_AUDIT;
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	if (due || p->rearm)
		tcp_settle(p, f, due);
	return r;
}

/* How much of the segment goes on: p->trimmed and p->keep, or nothing of it. */
static __always_inline int tcp_cut(struct pkt *p, int reason)
{
	struct take *t = &p->take;
	__u32 keep = t->skip + (t->accept - t->seq);

	if (!t->claimed || p->trimmed || p->follow || t->kill || reason == KS_R_retransmit_mismatch ||
	    reason == KS_R_internal || reason == KS_R_no_state)
		return reason;
	if (keep < p->len && keep) {
		p->trimmed = 1;
		p->keep = keep;
	}
	return reason;
}

static __always_inline int tcp_stream(struct xdp_md *ctx, struct pkt *p, struct ks_flow *f)
{
	int reason = stream_segment(ctx, p);
	int r = tcp_finish(p, f, reason);

	if (r != KS_GO)
		return r;
	if (reason == KS_R_message_after_prefix)
		p->reported = 0; /* the refusal was told, the end of the connection was not */
	if (p->take.probe && !p->take.lost && reason == KS_R_ok)
		reason = KS_R_adopted;
	return tcp_cut(p, reason);
}

/* Followed connections are tracked even where nothing is allowed: each request gets its verdict. */
static __always_inline int tcp_pair(struct pkt *p)
{
	int r = policy_pair(p->dport);

	return r == KS_R_pair_denied && p->follow ? KS_GO : r;
}

/*
 * Data of a connection older than the attach: goes on as a keepalive probe (no
 * data, seq - 1), whose answer lets tcp_server adopt the connection at the
 * place that the server names. The client sends its data again.
 */
static __always_inline int tcp_ask(struct pkt *p)
{
	p->trimmed = p->backstep = 1;
	p->keep = 0;
	return KS_R_adopting;
}

/* No entry for a client packet: begin one, adopt one, or say why not. */
static __always_inline int tcp_missing(struct pkt *p)
{
	__u8 rule = tcp_rule(p, KS_S_NONE);
	int r = tcp_pair(p);

	if (r != KS_GO)
		return r;
	p->resolved = 1;
	if (rule == KS_U_client_rst)
		return p->len ? KS_R_state_unexpected : KS_R_close;
	if (rule == KS_U_unexpected)
		return KS_R_state_unexpected;
	if (rule == KS_U_open && p->len)
		return KS_R_syn_payload;
	if (rule != KS_U_stray)
		return table_create(1);
	if (!p->adopt)
		return KS_R_no_state;
	if (!p->len)
		return KS_R_ack;
	return p->follow ? table_create(1) : tcp_ask(p);
}

/* A flow judged under an older policy: who is it now, and may it still talk? */
static __always_inline int tcp_refresh(struct pkt *p, struct ks_flow *f)
{
	__u8 due, proto = f->proto;

	if (f->state == KS_S_NONE)
		return KS_R_busy; /* its creator has not locked it yet */
	if (f->pair != cfg.client_port)
		return KS_R_wrong_port;
	if (f->generation == p->generation || f->state == KS_S_OUTBOUND)
		return KS_GO;
	p->resolved = 1;
	if (tcp_pair(p) == KS_GO && p->proto == proto)
		return KS_GO;
	if (p->follow)
		return KS_R_policy_changed;
	bpf_spin_lock(&f->lock);
	f->state = KS_S_KILLED;
	flow_changed(f);
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	p->rearm = 1;
	tcp_settle(p, f, due);
	return KS_R_policy_changed;
}

static __always_inline int tcp_client(struct xdp_md *ctx, struct pkt *p)
{
	struct ks_flow *f;
	int r = l4_sane_tcp(ctx, p);

	if (r != KS_GO)
		return r;
	p->class = tcp_class(p);
	f = table_lookup(p);
	r = f ? tcp_refresh(p, f) : tcp_missing(p);
	if (r == KS_GO && f)
		r = tcp_quota(p, f);
	if (r != KS_GO)
		return r;
	if (!f)
		f = table_lookup(p);
	if (!f)
		return KS_R_internal;
	p->tracked = 1;
	r = tcp_locked(p, f);
	return r == KS_GO ? tcp_stream(ctx, p, f) : r;
}

/* Connections opened from the protected side: counted, never dissected. */
static __always_inline int tcp_outbound(struct pkt *p, int tracked)
{
	struct ks_pol_cfg *pol = bpf_map_lookup_elem(&pol_cfg, &p->slot);
	struct ks_addr_rec *rec = policy_address(p, 1);

	if (!rec || !rec->asset)
		return KS_R_from_server;
	if (pol && pol->outbound == KS_DENY)
		return KS_R_outbound_denied;
	return tracked ? table_create(0) : KS_R_outbound;
}

static __always_inline int tcp_server_missing(struct pkt *p)
{
	struct ks_addr_rec *rec;

	if (p->class == KS_C_SYN)
		return tcp_outbound(p, 1);
	if (p->class == KS_C_SYNACK) {
		rec = policy_address(p, 1);
		return rec && rec->asset ? KS_R_state_unexpected : KS_R_from_server;
	}
	if (!p->adopt || p->follow || !(p->flags & TCP_ACK) ||
	    (p->class != KS_C_DATA && p->class != KS_C_ACK))
		return KS_R_from_server;
	if (policy_pair(p->sport) != KS_GO || table_create(1) != KS_GO)
		return KS_R_from_server; /* a reply is not dropped for our want of room */
	return KS_GO;
}

/* Server side; tracked = the source port is one that some asset speaks on. */
static __always_inline int tcp_server(struct xdp_md *ctx, struct pkt *p, int tracked)
{
	struct ks_flow *f;
	int r = KS_GO;

	p->class = tcp_class(p);
	if (!tracked)
		return p->class == KS_C_SYN ? tcp_outbound(p, 0) : KS_R_from_server;
	f = table_lookup(p);
	if (f && f->state == KS_S_NONE)
		return KS_R_from_server; /* its creator has not locked it yet */
	if (!f)
		r = tcp_server_missing(p);
	if (r != KS_GO)
		return r;
	if (!f)
		f = table_lookup(p);
	if (!f)
		return KS_R_internal;
	if (f->pair != cfg.client_port)
		return KS_R_wrong_port;
	if (p->class == KS_C_SYNACK) {
		r = l4_options(ctx);
		if (r == KS_R_internal)
			return r;
	}
	return tcp_locked(p, f);
}

#endif
