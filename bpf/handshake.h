/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules H1 and H2 of the TCP state machine: SYN and SYN-ACK, new connections and
 * such as begin anew. All run under the flow's lock, like those of flow.h.
 */
#ifndef KEYSWITCH_HANDSHAKE_H
#define KEYSWITCH_HANDSHAKE_H

#include "latency.h"
#include "window.h"

/* The client's stream stands at seq, a message border; nothing before it counts. */
static __always_inline void flow_place(struct ks_flow *f, __u32 seq)
{
	f->c_nxt = f->c_una = f->msg_start = f->border = f->mark = seq;
}

/* A new incarnation: the old one's CIP connections, claims and refusals are not its own. */
static __always_inline void flow_anew(struct ks_flow *f, const struct pkt *p)
{
	if (p->fresh)
		f->id = p->fresh;
	f->flags &= KS_F_QFLOW | KS_F_QHALF;
	f->close = 0;
	f->refused = 0;
	f->near = 0;
}

static __always_inline void flow_begin(struct ks_flow *f, struct pkt *p, __u8 st)
{
	flow_anew(f, p);
	f->state = st;
	f->proto = p->proto;
	f->asset = p->asset;
	f->profile = p->profile;
	f->generation = p->generation;
	f->how = p->how & KS_HOW_ASSET;
	f->scale = KS_SCALE_UNKNOWN;
	flow_place(f, p->seq);
	f->s_nxt = p->ack;
	flow_changed(f);
}

/* H1 */
static __always_inline int flow_open(struct ks_flow *f, struct pkt *p)
{
	if (p->len)
		return KS_R_syn_payload;
	flow_begin(f, p, KS_S_SYN_SENT);
	if (p->quota)
		f->flags |= KS_F_QFLOW | KS_F_QHALF;
	p->quota = 0;
	f->iss = p->seq;
	p->ends = 1;
	return KS_R_handshake;
}

static __always_inline int flow_reopen(struct ks_flow *f, struct pkt *p)
{
	if (p->len)
		return KS_R_syn_payload;
	if (p->seq == f->iss)
		return KS_R_handshake;
	if (pkt_since(p, f->t_last) < KS_SECOND)
		return KS_R_syn_conflict;
	return flow_open(f, p);
}

static __always_inline int flow_pend(struct ks_flow *f, struct pkt *p)
{
	__u32 ms = p->now >> 20;

	if (p->len)
		return KS_R_syn_payload;
	if (f->flags & KS_F_PENDING && p->seq != f->pend_iss && (__s32)(ms - f->pend_ms) < 1024)
		return KS_R_syn_conflict;
	latency_drop(f);
	f->flags |= KS_F_PENDING;
	f->pend_iss = p->seq;
	f->pend_ms = ms;
	flow_changed(f);
	return KS_R_handshake;
}

/* H2: only for the SYN forwarded last, exact number. */
static __always_inline int flow_synack(struct ks_flow *f, struct pkt *p)
{
	if (p->ack - 1 != f->iss || p->len)
		return KS_R_state_unexpected;
	f->state = KS_S_SYNACKED;
	f->irs = p->seq;
	flow_place(f, p->ack);
	f->s_nxt = f->reply = p->seq + 1;
	f->how = (f->how & KS_HOW_ASSET) | (p->how & (KS_HOW_ROOM | KS_HOW_SACK));
	f->scale = p->scale;
	flow_window(f, p, p->ack, 0); /* the window of a SYN-ACK is never scaled */
	f->win = p->out_win >> f->scale;
	flow_changed(f);
	return KS_R_handshake;
}

/* An identical SYN-ACK passes; one for the pending SYN begins a new incarnation. */
static __always_inline int flow_live_synack(struct ks_flow *f, struct pkt *p)
{
	if (!p->len && p->seq == f->irs && p->ack - 1 == f->iss && !(f->flags & KS_F_AUDIT)) {
		flow_window(f, p, p->ack, 0);
		return KS_R_handshake;
	}
	if (!(f->flags & KS_F_PENDING) || p->ack - 1 != f->pend_iss || p->len)
		return KS_R_state_unexpected;
	flow_anew(f, p);
	f->iss = f->pend_iss;
	p->ends = 1;
	return flow_synack(f, p);
}

/* The client's NIC alone: the ACK of the pending SYN's answer begins the new connection. */
static __always_inline void flow_unseen_again(struct ks_flow *f, struct pkt *p)
{
	flow_anew(f, p);
	f->iss = f->pend_iss;
	f->irs = p->ack - 1;
	f->s_nxt = p->ack;
	flow_place(f, p->seq);
	flow_changed(f);
}

#endif
