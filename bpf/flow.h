/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The client's rules of the TCP state machine (design section 2) past the SYN, one
 * function each, named as in states.h; the handshake's are in handshake.h, the
 * server's in track.h. All run under the flow's lock: plain loads and stores only,
 * no helper. Each returns a reason, or KS_GO when the stream stage has bytes to judge
 * (p->take says which).
 */
#ifndef KEYSWITCH_FLOW_H
#define KEYSWITCH_FLOW_H

#include "cookie.h"
#include "handshake.h"

#define KS_ACK_BEHIND	(1u << 20) /* oldest acknowledgement that a client may send */
#define KS_MISMATCHES	3

/*
 * A RST that the server may take ends the flow: its socket may be gone, and with
 * SYN cookies a later ACK alone would make a new one that begins anywhere in the
 * inspected stream (I2). A RST elsewhere ends no connection and changes nothing.
 */
static __always_inline int flow_client_rst(struct ks_flow *f, struct pkt *p)
{
	if (p->len)
		return KS_R_state_unexpected;
	if (f->state == KS_S_KILLED) { /* its socket is gone too */
		f->state = KS_S_CLOSED;
		flow_changed(f);
	}
	if (f->state != KS_S_ESTAB)
		return KS_R_close;
	if (seq_lt(p->seq, f->c_una - 1) || seq_lt(f->c_nxt + 1, p->seq))
		return KS_R_close;
	if (!p->follow)
		f->state = KS_S_CLOSED;
	f->close |= KS_CL_SHORT;
	flow_changed(f);
	p->ends = 1;
	return KS_R_close;
}

/* Both FINs seen and each acknowledged. */
static __always_inline void flow_check_closed(struct ks_flow *f, struct pkt *p)
{
	if ((f->close & (KS_CL_CACK | KS_CL_SACK)) != (KS_CL_CACK | KS_CL_SACK))
		return;
	f->state = KS_S_CLOSED;
	p->ends = 1;
	flow_changed(f);
}

static __always_inline void flow_client_fin(struct ks_flow *f, struct pkt *p, __u32 at)
{
	f->flags |= KS_F_CFIN;
	f->c_fin = at;
	f->close |= KS_CL_SHORT;
	p->ends = 1;
	flow_changed(f);
}

/* The client ends its stream inside a message: the server gets no FIN behind a gap. */
static __always_inline int flow_unfinished(struct ks_flow *f, struct pkt *p)
{
	flow_kill(f, p, f->msg_start);
	return KS_R_split_unfinished;
}

static __always_inline int flow_bare_rule(struct ks_flow *f, struct pkt *p, __s32 d)
{
	if (d < 0 && p->flags & TCP_FIN && !p->follow)
		return KS_R_seq_range; /* no stack sends its FIN before its last byte */
	if (d == 0 && p->flags & TCP_FIN)
		flow_client_fin(f, p, p->seq);
	if (d == 0 || d == -1)
		return p->flags & TCP_FIN ? KS_R_close : KS_R_ack;
	if (d == 1 && f->flags & KS_F_CFIN) {
		f->close |= KS_CL_BEYOND;
		p->inside = KS_AT_BORDER;
		return KS_R_ack;
	}
	if (d < 0 && !seq_lt(p->seq, f->c_una - 1))
		return KS_R_ack;
	if (d < 0)
		return p->follow ? KS_R_ack : KS_R_seq_range;
	return KS_R_out_of_order; /* behind data that was dropped */
}

/* E2: length 0. Behind a message that is kept, the server is told its own number. */
static __always_inline int flow_bare(struct ks_flow *f, struct pkt *p)
{
	__s32 d = p->seq - f->c_nxt;
	__u32 sent = flow_sent(f, p);
	int r;

	if (sent != f->c_nxt && p->flags & TCP_FIN && d <= 0)
		return flow_unfinished(f, p);
	r = flow_bare_rule(f, p, d);
	if (r == KS_R_out_of_order && p->flags & TCP_FIN)
		return flow_gap(f, p);
	if (r == KS_R_out_of_order && d <= KS_EIP_RING) { /* what it acknowledges is no secret */
		p->out = KS_OUT_CUT;
		p->out_seq = sent;
		return KS_R_ack;
	}
	if (r == KS_R_ack && seq_lt(sent, p->seq) && d <= 0) {
		p->out = KS_OUT_CUT;
		p->out_seq = d ? sent - 1 : sent;
		p->inside = d ? KS_INSIDE_DATA : KS_AT_BORDER;
	}
	return r;
}

/* What the stream stage gets: bytes [seq, seq + n) of the payload from `skip`. */
static __always_inline int flow_claim(struct ks_flow *f, struct pkt *p, __u32 n)
{
	struct take *t = &p->take;

	f->flags |= KS_F_BUSY;
	flow_changed(f);
	f->claim = f->version;
	t->claimed = 1;
	t->n = n;
	t->seq = p->seq + t->skip;
	t->join = f->how & KS_HOW_ASSEMBLE && !p->follow;
	t->single = f->how & KS_HOW_SINGLE && !p->follow;
	t->audit = !!(f->flags & KS_F_AUDIT);
	t->start = t->probe ? t->seq : f->msg_start;
	t->id = f->id;
	t->version = f->version;
	t->slot = f->slot - 1;
	t->refused_before = f->refused;
	return KS_GO;
}

/* Goes on as a bare ACK: an honest sender learns from the answer what arrived. */
static __always_inline int flow_strip(struct pkt *p)
{
	p->out = KS_OUT_CUT;
	p->out_len = 0;
	p->out_seq = p->seq;
	return KS_R_retransmit;
}

/*
 * E4 without new bytes: the first len of the payload, which end at `end`. What the
 * server has acknowledged it cannot read again, so it need not be sent; all else must
 * equal the ring from its first byte on. The ring holds everything from `border`,
 * whatever another CPU claims now.
 */
static __always_inline int flow_resent(struct ks_flow *f, struct pkt *p, __u32 len)
{
	__u32 end = p->seq + len, fin = p->flags & TCP_FIN && len == p->len;

	if (fin && end != f->c_nxt && !p->follow)
		return KS_R_seq_range; /* no stack sends its FIN before its last byte */
	if (seq_le(end, f->c_una) || seq_lt(p->seq, f->border) || f->flags & KS_F_LOST)
		return flow_strip(p);
	if (f->flags & KS_F_SFIN && !p->follow)
		return KS_R_flow_closed;
	if (f->flags & KS_F_BUSY)
		return KS_R_busy;
	if (fin && end == f->c_nxt && flow_sent(f, p) != end)
		return flow_unfinished(f, p);
	if (fin && end == f->c_nxt)
		flow_client_fin(f, p, end);
	p->take.join = f->how & KS_HOW_ASSEMBLE && !p->follow;
	p->take.start = f->msg_start;
	p->take.border = f->border;
	p->take.cmp_seq = p->seq;
	p->take.cmp_len = len;
	p->take.id = f->id;
	p->take.version = f->version;
	p->take.slot = f->slot - 1;
	return KS_GO;
}

/* Position unknown (monitor after a gap, adoption): the segment must be whole messages. */
static __always_inline int flow_probe(struct ks_flow *f, struct pkt *p, __u32 seg_max)
{
	if (f->flags & KS_F_BUSY)
		return KS_R_busy;
	f->flags |= KS_F_LOST | KS_F_AUDIT;
	f->how |= KS_HOW_PROVEN; /* nothing here was proven, and its place says nothing */
	p->take.probe = 1;
	return flow_claim(f, p, p->len < seg_max ? p->len : seg_max);
}

/*
 * After its FIN the server's socket may go at any time (see flow_client_rst):
 * only data that begins at a message border goes on, the others have no use. And
 * none does once the client has acknowledged something behind its own FIN: where that
 * made a connection (cookie.h) it begins one byte inside the next message.
 */
static __always_inline int flow_ended(const struct ks_flow *f, const struct pkt *p)
{
	if (p->follow)
		return 0;
	return f->close & KS_CL_BEYOND ||
	       (f->flags & KS_F_SFIN && (p->take.skip || f->msg_start != f->c_nxt));
}

/* How many new bytes fit: into the ring, and, put behind what is kept, into a frame. */
static __always_inline __u32 flow_fits(struct ks_flow *f, struct pkt *p, __u32 ring, __u32 seg_max)
{
	__u32 room, kept = f->c_nxt - flow_sent(f, p), n = p->len - p->take.skip;

	room = ring - (f->c_nxt - f->border);
	if (room > ring)
		room = 0;
	if ((p->follow || pkt_blind()) && n > room) { /* the acknowledgements were not seen */
		f->flags |= p->follow ? KS_F_AUDIT : 0;
		f->c_una = f->border = f->mark = f->msg_start;
		room = ring - (f->c_nxt - f->border);
	}
	if (kept)
		seg_max = (f->how & KS_HOW_ROOM ? seg_max : KS_JOIN_SEG) - kept;
	if (kept > KS_JOIN_MAX) /* a frame grows by no more */
		n = p->len > kept - KS_JOIN_MAX ? p->len - (kept - KS_JOIN_MAX) : 0;
	if (n > (__u32)p->len - p->take.skip)
		n = p->len - p->take.skip;
	if (n > room)
		n = room;
	return n < seg_max ? n : seg_max;
}

/* E3, E4 with a tail, E5. ring and seg_max are the protocol's geometry. */
static __always_inline int flow_data(struct ks_flow *f, struct pkt *p, __u32 ring, __u32 seg_max)
{
	__u32 n, below, end = p->seq + p->len;

	if (seq_lt(p->seq, f->c_nxt))
		latency_drop(f);
	if (f->flags & KS_F_LOST && !p->follow && p->seq != f->c_nxt)
		return KS_R_no_state;
	if (f->flags & KS_F_LOST && !seq_lt(p->seq, f->c_nxt))
		return flow_probe(f, p, seg_max);
	if (seq_lt(f->c_nxt, p->seq))
		return p->follow ? flow_probe(f, p, seg_max) : flow_gap(f, p);
	if (seq_le(end, f->c_nxt))
		return flow_resent(f, p, p->len);
	if (f->flags & KS_F_LOST)
		return KS_R_resync;
	if (f->flags & KS_F_BUSY)
		return KS_R_busy;
	p->take.skip = f->c_nxt - p->seq;
	if (f->how & KS_HOW_WAIT && !p->follow)
		return p->take.skip ? flow_resent(f, p, p->take.skip) : KS_R_reply_awaited;
	below = p->take.skip && seq_lt(p->seq, f->border);
	if (below && !p->follow)
		return flow_strip(p);
	if (flow_ended(f, p))
		return KS_R_flow_closed;
	p->take.border = f->border;
	p->take.cmp_seq = p->seq;
	p->take.cmp_len = below ? 0 : p->take.skip;
	n = flow_fits(f, p, ring, seg_max);
	if (!n && f->c_nxt - flow_sent(f, p) > KS_JOIN_MAX) {
		flow_kill(f, p, f->msg_start);
		return KS_R_split_small;
	}
	if (!n)
		return KS_R_window_full;
	return flow_claim(f, p, n);
}

/* A SYN waits for its answer: no data until then, at most three seconds. */
static __always_inline int flow_waits(struct ks_flow *f, struct pkt *p)
{
	if (!(f->flags & KS_F_PENDING) || pkt_blind())
		return 0;
	if ((__s32)((__u32)(p->now >> 20) - f->pend_ms) > 3 * 1024 || p->follow) {
		f->flags &= ~KS_F_PENDING;
		flow_changed(f);
		return 0;
	}
	return p->len > 0;
}

/* E1, then by what it carries. */
static __always_inline int flow_accept(struct ks_flow *f, struct pkt *p)
{
	if (!(p->flags & TCP_ACK))
		return KS_R_state_unexpected;
	if (pkt_blind() && f->flags & KS_F_PENDING && p->seq == f->pend_iss + 1)
		flow_unseen_again(f, p);
	if (f->flags & KS_F_AUDIT || p->follow || pkt_blind()) {
		if (seq_lt(f->s_nxt, p->ack) && seq_lt(p->ack, f->s_nxt + KS_ACK_BEHIND))
			f->s_nxt = p->ack;
	} else if (seq_lt(f->s_nxt, p->ack) || seq_lt(p->ack, f->s_nxt - KS_ACK_BEHIND)) {
		return KS_R_ack_range;
	}
	flow_heard(f, p);
	flow_inside(f, p);
	if (flow_beside(f, p))
		return KS_R_handshake_ack;
	if (flow_waits(f, p))
		return KS_R_syn_pending;
	if (f->flags & KS_F_SFIN && p->ack == f->s_fin + 1) {
		f->close |= KS_CL_SACK;
		flow_check_closed(f, p);
	}
	if (!p->len)
		return flow_bare(f, p);
	if (f->flags & KS_F_AUDIT && !pkt_adopted(p) && !p->follow)
		return KS_R_no_state;
	if (f->state != KS_S_ESTAB)
		return KS_R_flow_closed;
	if (f->proto == KS_MODBUS)
		return flow_data(f, p, KS_MB_RING, KS_MB_SEG);
	return flow_data(f, p, KS_EIP_RING, KS_EIP_SEG);
}

/* H3: exact numbers only; SYN cookies are linear in the ISN, no window test will do. */
static __always_inline int flow_complete(struct ks_flow *f, struct pkt *p)
{
	if (!(p->flags & TCP_ACK) || p->seq != f->c_nxt || p->ack != f->irs + 1)
		return KS_R_handshake_ack;
	f->state = KS_S_ESTAB;
	flow_heard(f, p);
	flow_changed(f);
	return p->len || p->flags & TCP_FIN ? flow_accept(f, p) : KS_R_handshake;
}

/* H3 without the server's numbers: the client's own word for them (guarantee: monitor-grade). */
static __always_inline int flow_unseen(struct ks_flow *f, struct pkt *p)
{
	if (!pkt_blind() || !(p->flags & TCP_ACK) || p->seq != f->iss + 1)
		return KS_R_state_unexpected;
	f->irs = p->ack - 1;
	flow_place(f, p->seq);
	return flow_complete(f, p);
}

/*
 * No handshake seen. Where nothing is enforced the connection counts from the
 * first segment that is whole messages.
 */
static __always_inline int flow_stray(struct ks_flow *f, struct pkt *p)
{
	if ((!p->follow && !pkt_blind()) || !p->len)
		return KS_R_no_state;
	flow_begin(f, p, KS_S_ESTAB);
	f->iss = p->seq - 1;
	f->flags |= KS_F_AUDIT;
	p->ends = 1;
	return flow_probe(f, p, f->proto == KS_MODBUS ? KS_MB_SEG : KS_EIP_SEG);
}

/* The segment's FIN stands behind what was taken. */
static __always_inline int flow_last(struct ks_flow *f, struct pkt *p)
{
	if (flow_sent(f, p) != f->c_nxt)
		return flow_unfinished(f, p);
	flow_client_fin(f, p, f->c_nxt);
	return KS_GO;
}

/* The end of a claim: bytes below take.accept are inspected now and for ever. */
static __always_inline int flow_publish(struct ks_flow *f, struct pkt *p)
{
	struct take *t = &p->take;
	__u32 got = t->accept - t->seq;

	if (f->id != t->id || !(f->flags & KS_F_BUSY) || f->claim != t->version)
		return KS_R_commit_conflict;
	f->flags &= ~KS_F_BUSY; /* the claim was ours, whatever became of the rest */
	if (f->version != t->version)
		return KS_R_commit_conflict;
	if (t->lost) {
		f->flags |= KS_F_LOST;
		if (!p->follow)
			return KS_GO;
	} else if (t->probe) {
		f->flags &= ~KS_F_LOST;
		flow_place(f, t->seq);
		f->iss = t->seq - 1; /* the ring begins here */
	}
	if (got)
		f->flags &= ~KS_F_CFIN; /* data behind it: that FIN never arrived */
	f->refused = p->follow ? 0 : t->refused;
	f->c_nxt = t->accept;
	f->msg_start = t->next_start;
	latency_begin(f, p);
	if (t->single && t->pass != t->start) {
		f->how = (f->how & ~KS_HOW_FRAMED) | KS_HOW_WAIT;
		f->reply = f->s_nxt;
	}
	if (t->kill)
		flow_kill(f, p, t->join ? t->start : t->seq);
	else if (p->flags & TCP_FIN && got == (__u32)p->len - t->skip)
		return flow_last(f, p);
	flow_changed(f);
	return KS_GO;
}

#endif
