/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a flow owes each side of its numbers: where the bytes end that the server was
 * given, and the acknowledgement and window that the client sees. Under the flow's
 * lock, like all of flow.h.
 */
#ifndef KEYSWITCH_WINDOW_H
#define KEYSWITCH_WINDOW_H

#include "pkt.h"

static __always_inline void flow_changed(struct ks_flow *f)
{
	f->version++;
}

/* Bytes below went to the server; a partial message that is kept lies behind. */
static __always_inline __u32 flow_sent(const struct ks_flow *f, const struct pkt *p)
{
	return f->how & KS_HOW_ASSEMBLE && !p->follow ? f->msg_start : f->c_nxt;
}

/* Nothing more of this connection goes on (K1); the packet becomes a RST to the server. */
static __always_inline void flow_kill(struct ks_flow *f, struct pkt *p, __u32 sent)
{
	f->state = KS_S_KILLED;
	p->ends = 1;
	p->out = KS_OUT_KILL;
	p->out_seq = sent;
	flow_changed(f);
}

/*
 * The server's packet as the client shall see it: it acknowledges `ack`, and its
 * window ends where the ring does, so that an honest sender never sends more than
 * can be inspected.
 */
static __always_inline void flow_window(struct ks_flow *f, struct pkt *p, __u32 ack, __u32 shift)
{
	__u32 ring = f->proto == KS_MODBUS ? KS_MB_RING : KS_EIP_RING;
	__s32 room = f->border + ring - ack;

	p->out_ack = ack;
	p->out_win = p->win;
	if (p->follow)
		return;
	if (f->scale != KS_SCALE_UNKNOWN) {
		room = room < 0 ? 0 : (__u32)room >> (shift & 15);
		if (!room && ack == f->border)
			room = 1; /* a unit larger than the ring: better too much than never */
		if (p->out_win > room)
			p->out_win = room;
	}
	if (p->out_win != p->win || p->out_ack != p->ack)
		p->out = KS_OUT_LABEL;
}

/* What the client has of the server's stream, for flow_server_gap(). */
static __always_inline void flow_heard(struct ks_flow *f, const struct pkt *p)
{
	if (f->proto != KS_ENIP || seq_lt(p->ack, f->reply))
		return;
	f->reply = p->ack;
	f->cwin = p->win;
}

/* The window that goes with an acknowledgement of all that is kept. */
static __always_inline __u16 flow_kept_window(const struct ks_flow *f)
{
	__u32 kept = f->c_nxt - f->msg_start;
	__u32 window = (__u32)f->win << (f->scale & 15);

	return (window > kept ? window - kept : 0) >> (f->scale & 15);
}

/*
 * E5: what stands behind a gap is dropped, and its sender told at once where the gap begins
 * and what came behind it (RFC 5681 3.2, RFC 2018). A receiver may forget what it has not
 * acknowledged: the sender fills the gap, and finds the rest missing from the next
 * acknowledgement, long before a timeout. Without a window to tell (the server's side is
 * not seen, or it is shut) nothing is said: a window of 0 would stop the sender.
 */
static __always_inline int flow_gap(const struct ks_flow *f, struct pkt *p)
{
	int all = f->c_una == flow_sent(f, p);

	p->out_win = all ? flow_kept_window(f) : f->win;
	if (p->follow || f->flags & KS_F_LOST || !p->out_win)
		return KS_R_out_of_order;
	p->out = KS_OUT_ACK;
	p->out_sack = !!(f->how & KS_HOW_SACK);
	p->out_ack = all ? f->c_nxt : f->c_una;
	return KS_R_out_of_order;
}

/*
 * What is kept of a message, told to its sender. Only if the server has acknowledged
 * all before it: the client forgets what is acknowledged, and whatever the server
 * missed would be lost. Else the server's own acknowledgement will tell (flow_track).
 */
static __always_inline void flow_keep(struct ks_flow *f, struct pkt *p)
{
	p->out_ack = f->c_nxt;
	p->out_win = flow_kept_window(f);
	p->out = KS_OUT_CUT;
	p->out_len = 0;
	p->out_seq = f->msg_start;
	p->inside = !f->win && f->how & KS_HOW_PROVEN ? KS_INSIDE_DATA : KS_AT_BORDER;
	if (p->inside)
		p->out_seq--; /* a keepalive probe: the answer says when the window opens */
	else if (f->c_una == f->msg_start)
		p->out = KS_OUT_ACK;
}

#endif
