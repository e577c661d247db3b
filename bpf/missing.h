/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP packets that belong to no entry of the flow table: a new connection, one from
 * the protected side, one older than the attach (adoption). Touches no flow state.
 */
#ifndef KEYSWITCH_MISSING_H
#define KEYSWITCH_MISSING_H

#include "shadow.h"
#include "table.h"

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
	p->out = KS_OUT_CUT;
	p->out_len = 0;
	p->out_seq = p->seq - 1;
	return KS_R_adopting;
}

/* No entry for a client packet: begin one, adopt one, or say why not. */
static __always_inline int tcp_missing(struct pkt *p)
{
	__u8 rule = tcp_rule(p, KS_S_NONE);
	int r = tcp_pair(p);

	if (p->shadow && p->class == KS_C_SYN)
		shadow_connection(r);
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
	if (pkt_refuses(p))
		return KS_R_adopt_reset;
	if (!pkt_adopts(p))
		return KS_R_no_state;
	if (!p->len)
		return KS_R_ack;
	return p->follow || pkt_blind() ? table_create(1) : tcp_ask(p);
}

/* Connections opened from the protected side: counted, never dissected. */
static __always_inline int tcp_outbound(struct pkt *p, int tracked)
{
	struct ks_addr_rec *rec = policy_address(p, 1);

	if (!rec || !rec->asset)
		return KS_R_from_server;
	if (p->outbound == KS_DENY)
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
	if (pkt_refuses(p) && p->class != KS_C_RST && policy_pair(p->sport) == KS_GO)
		return KS_R_adopt_reset;
	if (!pkt_adopts(p) || p->follow || !(p->flags & TCP_ACK) ||
	    (p->class != KS_C_DATA && p->class != KS_C_ACK))
		return KS_R_from_server;
	if (policy_pair(p->sport) != KS_GO || table_create(1) != KS_GO)
		return KS_R_from_server; /* a reply is not dropped for our want of room */
	return KS_GO;
}

#endif
