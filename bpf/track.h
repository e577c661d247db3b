/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The server's rules of the TCP state machine: S1, its RST, adoption by what it
 * acknowledges. Under the flow's lock, like those of flow.h. Server data is never
 * refused here.
 */
#ifndef KEYSWITCH_TRACK_H
#define KEYSWITCH_TRACK_H

#include "flow.h"

static __always_inline int flow_server_rst(struct ks_flow *f, struct pkt *p)
{
	f->state = KS_S_CLOSED;
	p->ends = 1;
	flow_changed(f);
	return KS_R_close;
}

/*
 * Adoption where policy is enforced: the server's acknowledgement, nothing that
 * a client says, tells where its stream stands. Whole messages from there on
 * are judged; until then no data passes.
 */
static __always_inline int flow_adopt(struct ks_flow *f, struct pkt *p)
{
	flow_begin(f, p, KS_S_ESTAB);
	flow_place(f, p->ack);
	f->iss = p->ack - 1;
	f->s_nxt = p->seq + p->len;
	f->flags |= KS_F_AUDIT | KS_F_LOST;
	f->how |= KS_HOW_PROVEN;
	p->ends = 1;
	return KS_R_reply;
}

/* What the server has acknowledged: frees the ring, moves the known border along. */
static __always_inline void flow_acked(struct ks_flow *f, struct pkt *p)
{
	if (f->flags & KS_F_LOST && !p->follow) {
		if (seq_lt(f->c_nxt, p->ack))
			flow_place(f, p->ack);
		return;
	}
	if (seq_lt(f->c_una, p->ack) && seq_le(p->ack, flow_sent(f, p)))
		f->c_una = p->ack;
	if (!seq_lt(f->c_una, f->mark)) {
		f->border = seq_le(f->msg_start, f->c_una) ? f->msg_start : f->mark;
		f->mark = f->msg_start;
	}
}

/*
 * framing: single. The reply's header says how long it is; once its last byte was sent
 * the server has read the request. A device may dribble its reply and the network may
 * bring the pieces in any order, each only once: p->peek is the length, its high byte, of
 * which no reply makes use, 0 where that was in another piece.
 */
static __always_inline void flow_reply(struct ks_flow *f, struct pkt *p)
{
	if (!(f->how & KS_HOW_FRAMED) && p->peeked && p->peek_at == f->reply) {
		f->reply += 6 + (p->peek[0] << 8 | p->peek[1]);
		f->how |= KS_HOW_FRAMED;
	}
	if (f->how & KS_HOW_FRAMED && !seq_lt(f->s_nxt, f->reply))
		f->how &= ~KS_HOW_WAIT;
}

/*
 * EtherNet/IP: connections hang on replies, so the server's stream is followed in
 * order from its first byte (reply.h), by one CPU at a time. KS_GO, or why not.
 */
static __always_inline int flow_followed(struct ks_flow *f, struct pkt *p)
{
	int r;

	if (f->proto != KS_ENIP || !p->len || f->flags & KS_F_AUDIT ||
	    seq_le(p->seq + p->len, f->s_nxt))
		return KS_GO;
	r = seq_lt(f->s_nxt, p->seq) ? KS_R_out_of_order :
	    f->how & KS_HOW_SBUSY ? KS_R_busy : KS_GO;
	if (r != KS_GO && p->follow) {
		f->flags |= KS_F_AUDIT; /* its place is lost, and with it what it says */
		return KS_GO;
	}
	if (r != KS_GO)
		return r;
	f->how |= KS_HOW_SBUSY;
	p->followed = f->s_nxt == f->irs + 1 ? 2 : 1;
	p->take.skip = f->s_nxt - p->seq;
	p->take.id = f->id;
	p->take.slot = f->slot - 1;
	return KS_GO;
}

/*
 * Server data behind a gap is dropped. What it acknowledges goes on without it; else the
 * server is told where the gap begins, in the client's name.
 */
static __always_inline int flow_server_gap(struct ks_flow *f, struct pkt *p)
{
	__u32 sent = flow_sent(f, p);

	if (p->flags & TCP_ACK && seq_lt(f->c_una, p->ack) && seq_le(p->ack, sent)) {
		flow_acked(f, p);
		flow_window(f, p, p->ack == sent ? f->c_nxt : p->ack, f->scale);
		f->win = p->out_win;
		p->out = KS_OUT_CUT;
		p->out_seq = f->s_nxt;
		return KS_R_ack;
	}
	if (!f->cwin)
		return KS_R_out_of_order;
	p->out = KS_OUT_ACK;
	p->out_sack = !!(f->how & KS_HOW_SACK);
	p->out_ack = f->reply;
	p->out_win = f->cwin;
	return KS_R_out_of_order;
}

/* 1 = the client's FIN stands behind all its bytes: a number of its own. */
static __always_inline int flow_client_ended(const struct ks_flow *f)
{
	return f->flags & KS_F_CFIN && f->c_fin == f->c_nxt;
}

/* S1: the server's numbers; its acknowledgement frees the ring. Version untouched. */
static __always_inline int flow_track(struct ks_flow *f, struct pkt *p)
{
	__u32 end = p->seq + p->len;
	int r = flow_followed(f, p);

	if (r == KS_R_out_of_order)
		return flow_server_gap(f, p);
	if (r != KS_GO)
		return r;
	if (p->flags & TCP_FIN) {
		f->flags |= KS_F_SFIN;
		f->s_fin = end;
		end++;
		p->ends = 1;
	}
	/* a socket of an earlier connection would not know these numbers */
	if (p->seq == f->irs + 1 && p->flags & TCP_ACK && seq_le(f->c_una, p->ack) &&
	    seq_le(p->ack, flow_sent(f, p) + flow_client_ended(f)))
		f->how |= KS_HOW_PROVEN;
	latency_end(f, p);
	if (seq_lt(f->s_nxt, end))
		f->s_nxt = end;
	if (p->len)
		f->close &= f->flags & KS_F_CFIN ? 0xff : ~KS_CL_SHORT;
	if (f->how & KS_HOW_WAIT)
		flow_reply(f, p);
	if (!(p->flags & TCP_ACK))
		return KS_R_reply;
	if (f->flags & KS_F_PENDING && !seq_lt(p->ack, f->c_una) && !seq_lt(f->c_nxt, p->ack))
		f->flags &= ~KS_F_PENDING;
	flow_acked(f, p);
	if (flow_client_ended(f) && p->ack == f->c_nxt + 1) {
		f->c_una = f->c_nxt;
		f->close |= KS_CL_CACK;
		flow_check_closed(f, p);
	}
	/* all that was given is there, so what is kept behind it is acknowledged too */
	flow_window(f, p, p->ack == flow_sent(f, p) ? f->c_nxt : p->ack, f->scale);
	if (!(f->flags & KS_F_LOST))
		f->win = p->out_win;
	return p->flags & TCP_FIN ? KS_R_close : p->len ? KS_R_reply : KS_R_ack;
}

#endif
