/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SYN cookies (RFC 4987 3.6): which packets of a client could make a connection at a
 * server that has no socket of it, and one that begins inside a message (I2). Linux's
 * are linear in both ISNs: any packet whose numbers are as far apart as the
 * handshake's, but for the MSS index in the lowest bits, completes one. Under the
 * flow's lock, like flow.h; the packet itself is changed by rewrite_cookie().
 */
#ifndef KEYSWITCH_COOKIE_H
#define KEYSWITCH_COOKIE_H

#include "window.h"

/*
 * Until the server sent something its socket may not exist, and a Linux SYN cookie
 * keeps the index of an MSS in its lowest bits: an ACK up to three bytes inside the
 * stream makes a connection that begins there. No message is shorter than eight bytes.
 * Where messages are assembled, what goes on begins at a border whatever came.
 */
static __always_inline int flow_beside(const struct ks_flow *f, const struct pkt *p)
{
	__u32 off = p->seq - (f->iss + 1);
	int kept = seq_lt(f->msg_start, p->seq) && seq_le(p->seq, f->c_nxt);

	if (!off || off + 7 > 14 || f->how & KS_HOW_PROVEN || p->follow || pkt_blind())
		return 0;
	return !(f->how & KS_HOW_ASSEMBLE) || off > 7 || (!p->len && !kept);
}

/*
 * What begins where a message is not known to begin must not make a connection there,
 * see rewrite_cookie(). What stands behind all that was given, at a border, may.
 */
static __always_inline void flow_inside(const struct ks_flow *f, struct pkt *p)
{
	if (f->flags & KS_F_AUDIT || p->follow || pkt_blind())
		return; /* the handshake's numbers are not known */
	if (p->seq != f->c_nxt || f->msg_start != f->c_nxt)
		p->inside = p->len || seq_lt(p->seq, f->c_nxt) ? KS_INSIDE_DATA : KS_INSIDE_ACK;
	p->least = f->irs + 1;
	p->apart = f->irs - f->iss;
}

#endif
