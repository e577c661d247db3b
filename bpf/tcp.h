/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP of a tracked or trackable connection, both sides: find the flow, apply
 * the rule that the state matrix names under the flow's lock, run the stream
 * stage on claimed bytes, publish. The rules themselves are in handshake.h, flow.h
 * and track.h; packets without a flow are missing.h's.
 */
#ifndef KEYSWITCH_TCP_H
#define KEYSWITCH_TCP_H

#include "missing.h"
#include "plain_many.h"
#include "enip_plain.h"
#include "track.h"
#include "stream.h"
#include "reply.h"

/* Policy facts of the flow into p, or p's fresh ones into the flow. Under the lock. */
static __always_inline int tcp_facts(struct ks_flow *f, struct pkt *p)
{
	if (f->state == KS_S_NONE || f->state == KS_S_OUTBOUND || p->role == KS_SERVER)
		return KS_GO;
	if (f->generation == p->generation) {
		p->proto = f->proto;
		p->asset = f->asset;
		p->profile = f->profile;
		p->how = f->how & KS_HOW_ASSET;
		return KS_GO;
	}
	if (!p->resolved)
		return KS_R_busy;
	if (f->c_nxt != f->msg_start)
		return KS_GO; /* a message that is kept goes on as it came */
	f->generation = p->generation;
	f->asset = p->asset;
	f->profile = p->profile;
	f->how = (f->how & ~KS_HOW_ASSET) | (p->how & KS_HOW_ASSET);
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
	case KS_U_unseen:
		return flow_unseen(f, p);
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
	case KS_R_connection_unknown:
		return 0;
	}
	return reason_of(reason_effect, reason) == KS_A_DROP;
}

static __always_inline void flow_mismatch(struct ks_flow *f, struct pkt *p)
{
	if (p->follow)
		return;
	f->close += KS_CL_MISMATCH;
	if (f->close / KS_CL_MISMATCH % 4 == KS_MISMATCHES)
		flow_kill(f, p, flow_sent(f, p));
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
		table_quota_give(&client, due, f->state == KS_S_ESTAB);
	}
	if (p->ends && (f->state == KS_S_CLOSED || f->state == KS_S_KILLED))
		table_closed(f);
}

static __always_inline int tcp_locked(struct pkt *p, struct ks_flow *f)
{
	struct ks_modbus_ring *ring = kept_ring(p, f);
	__u8 due;
	int r;

	if (p->class == KS_C_SYN || p->class == KS_C_SYNACK || pkt_blind())
		p->fresh = table_flow_id();
	bpf_spin_lock(&f->lock);
	if (ring && f->slot == p->take.slot + 1)
		kept_look(f, ring);
	r = tcp_facts(f, p);
	if (r == KS_GO)
		r = tcp_apply(f, p);
	if (f->state != KS_S_DEAD && (r == KS_GO || reason_of(reason_effect, r) == KS_A_PASS))
		f->t_last = p->now; /* what is dropped keeps no connection alive */
	if (p->follow && r != KS_GO && flow_unsound(r))
		f->flags |= KS_F_AUDIT;
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	if (due || p->ends || p->quota)
		tcp_settle(p, f, due);
	return r;
}

/* Publishes the claim, or confirms that nothing changed while bytes were compared. */
static __always_inline int tcp_finish(struct pkt *p, struct ks_flow *f, int reason)
{
	int r = KS_GO;
	__u8 due;

	p->ends = 0;
	latency_clock_take(p, f);
	bpf_spin_lock(&f->lock);
	if (p->take.claimed)
		r = flow_publish(f, p);
	else if (f->id != p->take.id || f->version != p->take.version)
		r = KS_R_commit_conflict;
	if (r == KS_GO && reason == KS_R_retransmit_mismatch)
		flow_mismatch(f, p);
	if (r == KS_GO && p->take.sound && p->take.join && p->take.lo == p->take.hi &&
	    (reason == KS_R_split_kept || reason == KS_R_retransmit))
		flow_keep(f, p);
	if (r == KS_GO && p->take.sound && p->take.join && f->state == KS_S_ESTAB &&
	    p->take.hi - p->take.lo > p->len + KS_JOIN_MAX) {
		flow_kill(f, p, f->c_una);
		r = KS_R_split_small;
	}
	if (p->follow && flow_unsound(reason))
		f->flags |= KS_F_AUDIT;
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	if (due || p->ends)
		tcp_settle(p, f, due);
	return r;
}

/* Which bytes go on, if not the segment as it is: p->out, or nothing of it. */
static __always_inline int tcp_output(struct pkt *p, int reason)
{
	struct take *t = &p->take;
	__u32 size = t->hi - t->lo;

	if (p->out != KS_OUT_SAME || p->follow || !t->sound || t->lost)
		return reason;
	if (reason == KS_R_retransmit && !size)
		return t->lo == p->seq ? KS_R_split_held : flow_strip(p);
	if (!size || (t->lo == p->seq && size == p->len))
		return reason;
	p->out = t->lo != p->seq || size > p->len ? KS_OUT_JOIN : KS_OUT_CUT;
	p->out_seq = t->lo;
	p->out_len = size;
	return p->out == KS_OUT_JOIN && reason == KS_R_ok ? KS_R_assembled : reason;
}

static __always_inline int tcp_stream(struct xdp_md *ctx, struct pkt *p, struct ks_flow *f)
{
	int reason = stream_segment(ctx, p);
	int r = tcp_finish(p, f, reason);

	if (r == KS_R_commit_conflict && p->taken)
		rate_give(0); /* the same bytes will be judged again */
	if (r != KS_GO)
		return r;
	if (reason == KS_R_message_after_prefix)
		p->reported = 0; /* the refusal was told, the end of the connection was not */
	if (p->take.probe && !p->take.lost && reason == KS_R_ok)
		reason = KS_R_adopted;
	return tcp_output(p, reason);
}

/* A flow judged under an older policy: who is it now, and may it still talk? */
static __always_inline int tcp_refresh(struct pkt *p, struct ks_flow *f)
{
	__u8 due, proto = f->proto;

	if (f->abi != KS_ABI)
		return table_foreign();
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
	flow_kill(f, p, flow_sent(f, p));
	due = flow_quota_due(f);
	bpf_spin_unlock(&f->lock);
	tcp_settle(p, f, due);
	return KS_R_policy_changed;
}

/* Plain segments are decided where they lie. KS_GO, or what became of this one. */
static __always_inline int tcp_plain(struct xdp_md *ctx, struct pkt *p)
{
	if (p->len == PLAIN_BYTES)
		return plain_request(ctx, work_of(p));
	if (enip_plain_is(ctx, p))
		return enip_plain(ctx, work_of(p));
	return p->len > PLAIN_BYTES && plain_modbus(ctx, p) ? plain_many(ctx, work_of(p)) : KS_GO;
}

static __always_inline int tcp_client(struct xdp_md *ctx, struct pkt *p)
{
	struct ks_flow *f;
	int r = l4_sane_tcp(ctx, p);

	if (r != KS_GO)
		return r;
	p->class = tcp_class(p);
	r = tcp_plain(ctx, p);
	if (r != KS_GO)
		return r;
	pkt_take(p);
	f = table_lookup(p);
	if (f && f->state == KS_S_DEAD && p->class == KS_C_SYN && table_revive())
		f = NULL;
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

/* The length of the reply that is awaited, for flow_reply(), if it is in this segment. */
static __always_inline void tcp_peek(struct xdp_md *ctx, struct pkt *p, struct ks_flow *f)
{
	__u32 reply = f->reply, off = reply + 5 - p->seq;

	if (f->how & KS_HOW_FRAMED || off >= p->len)
		return;
	p->peek_at = reply;
	if (off)
		p->peeked = !bpf_xdp_load_bytes(ctx, p->pay + off - 1, p->peek, 2);
	else
		p->peeked = !bpf_xdp_load_bytes(ctx, p->pay, p->peek + 1, 1);
}

/* What the server's new bytes say of CIP connections. */
static __always_inline void tcp_follow(struct xdp_md *ctx, struct pkt *p, struct ks_flow *f)
{
	reply_follow(ctx, p->followed == 2);
	bpf_spin_lock(&f->lock);
	if (f->id == p->take.id)
		f->how &= ~KS_HOW_SBUSY;
	bpf_spin_unlock(&f->lock);
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
	if (f && f->abi != KS_ABI)
		return table_foreign();
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
	if (f->state != KS_S_NONE)
		p->how = f->how; /* else it is adopted, and policy has just said how */
	if (p->class == KS_C_SYNACK) {
		r = l4_options(ctx);
		if (r == KS_R_internal)
			return r;
	}
	if (f->how & KS_HOW_WAIT && p->len)
		tcp_peek(ctx, p, f);
	exception_look(ctx, p, f);
	r = tcp_locked(p, f);
	if (p->timed)
		latency_count();
	if (p->followed)
		tcp_follow(ctx, p, f);
	return r;
}

#endif
