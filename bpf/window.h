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
	p->rearm = 1;
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

/*
 * What is kept of a message, told to its sender. Only if the server has acknowledged
 * all before it: the client forgets what is acknowledged, and whatever the server
 * missed would be lost. Else the server's own acknowledgement will tell (flow_track).
 */
static __always_inline void flow_keep(struct ks_flow *f, struct pkt *p)
{
	__u32 kept = f->c_nxt - f->msg_start;
	__u32 window = (__u32)f->win << (f->scale & 15);

	p->out_ack = f->c_nxt;
	p->out_win = (window > kept ? window - kept : 0) >> (f->scale & 15);
	p->out = KS_OUT_CUT;
	p->out_len = 0;
	p->out_seq = f->msg_start;
	p->inside = !f->win && f->how & KS_HOW_PROVEN;
	if (p->inside)
		p->out_seq--; /* a keepalive probe: the answer says when the window opens */
	else if (f->c_una == f->msg_start)
		p->out = KS_OUT_ACK;
}

#endif
