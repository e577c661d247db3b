/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implicit I/O, UDP 2222 O->T (Vol 2 2-6, run/idle header Vol 1 3-6.1.4): what a
 * datagram is to policy, and whether it belongs to the connection that it names.
 */
#ifndef KEYSWITCH_IO_H
#define KEYSWITCH_IO_H

#include "conn.h"

#define IO_HEAD		18	/* count, addressed item of 8 bytes, head of the data item */
#define IO_ID		6
#define IO_SEQ		10
#define IO_LEN		16
#define CPF_SEQUENCED	0x8002
#define IO_HEADER	4	/* run/idle header, little-endian: bit 0 run */
#define IO_OWNERS	0x0eu	/* its bits that redundant owners set */

/* Sequence numbers move forward; what was lost on the way leaves gaps. */
static __always_inline int conn_forward(struct ks_conn *c, struct pkt *p, __u32 seq)
{
	int old;

	bpf_spin_lock(&c->lock);
	old = c->begun && (__s32)(seq - c->seq) <= 0;
	if (!old || p->follow) {
		c->seq = seq;
		c->begun = 1;
		c->t_last = p->now;
	}
	bpf_spin_unlock(&c->lock);
	return old ? KS_R_io_sequence : KS_R_ok;
}

/* First sight of I/O that was running before the attach. */
static __always_inline int conn_adopt_io(struct ks_work *w, __u32 size)
{
	struct ks_conn_key *key = &w->conn_key;
	struct pkt *p = &w->pkt;
	struct ks_conn *c;

	bpf_map_update_elem(&conns, key, &conn_empty, BPF_NOEXIST);
	c = bpf_map_lookup_elem(&conns, key);
	if (!c)
		return KS_R_io_unknown;
	c->open.kind = KS_CONN_IO;
	c->open.ot_size = size;
	c->t_last = p->now;
	conn_changed();
	conn_produces(w, 0, 1);
	bpf_map_push_elem(&conn_queue, key, 0);
	return KS_R_ok;
}

/* First bytes of a datagram into w->seg, its connection into w->conn_key. 0 = there. */
static __always_inline int conn_io_head(struct xdp_md *ctx, struct ks_work *w)
{
	struct pkt *p = &w->pkt;

	if (p->len < IO_HEAD || bpf_xdp_load_bytes(ctx, p->pay, w->seg, IO_HEAD))
		return -1;
	conn_key(p, reply_le32(w->seg + IO_ID), &w->conn_key);
	return 0;
}

/* The connection that w->conn_key names, if it stands; one that does not is ended. */
static __always_inline struct ks_conn *conn_standing(struct ks_work *w)
{
	struct ks_conn *c = bpf_map_lookup_elem(&conns, &w->conn_key);

	if (!c || c->open.kind != KS_CONN_IO)
		return NULL;
	if (conn_owned(c) && !conn_timed_out(c, w->pkt.now))
		return c;
	conn_end(w, c);
	return NULL;
}

/*
 * enum ks_io of a datagram of connection c, from its run/idle header: without data it is
 * a heartbeat, and with less than the header, or other bits, outputs that count.
 */
static __always_inline __u32 conn_running(struct xdp_md *ctx, struct pkt *p, const struct ks_conn *c)
{
	__u32 at = IO_HEAD + (c->open.class1 ? 2 : 0);
	struct ks_work *w = pkt_work();

	if (!c->flow)
		return KS_IO_RUN; /* adopted: how it was opened is not known */
	if (p->len == at)
		return KS_IO_IDLE;
	if (!w || p->len < at + IO_HEADER ||
	    bpf_xdp_load_bytes(ctx, p->pay + at, w->seg, IO_HEADER))
		return KS_IO_RUN;
	return reply_le32(w->seg) & ~IO_OWNERS ? KS_IO_RUN : KS_IO_IDLE;
}

/* What a datagram is to policy: enum ks_io and its connection's route, into w->leaf. */
KS_GLOBAL int conn_datagram_leaf(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct ks_conn *c;

	if (!w)
		return 0;
	w->leaf.key_class = KS_CLASS_IO;
	w->leaf.service = KS_IO_STATIC;
	c = conn_io_head(ctx, w) ? NULL : conn_standing(w);
	if (!c)
		return 0;
	w->leaf.service = conn_running(ctx, &w->pkt, c);
	if (c->open.route.len) {
		w->leaf.route = c->open.route;
		w->leaf.has |= KS_HAS_ROUTE;
	}
	return 0;
}

/* Server side: is the datagram T->O data of a connection that stands? */
KS_GLOBAL int conn_data(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	__u32 *id;

	if (!w || conn_io_head(ctx, w) || reply_le16(w->seg + 2) != CPF_SEQUENCED)
		return 0;
	id = bpf_map_lookup_elem(&produced, &w->conn_key);
	if (!id) {
		w->conn_key.id = 0;
		id = bpf_map_lookup_elem(&produced, &w->conn_key);
	}
	if (!id)
		return 0;
	w->conn_key.id = *id;
	return conn_standing(w) != NULL;
}

/* Of a datagram that policy allows: KS_R_ok, or why it is none of a connection's. */
KS_GLOBAL int conn_datagram(struct xdp_md *ctx)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_conn *c;
	__u32 size;

	if (!w || !p)
		return KS_R_internal;
	if (conn_io_head(ctx, w))
		return KS_R_io_malformed;
	size = reply_le16(w->seg + IO_LEN);
	if (reply_le16(w->seg) != 2 || reply_le16(w->seg + 2) != CPF_SEQUENCED ||
	    reply_le16(w->seg + 4) != 8 || reply_le16(w->seg + 14) != CPF_CONNECTED_DATA ||
	    IO_HEAD + size != p->len)
		return KS_R_io_malformed;
	if (w->leaf.service == KS_IO_STATIC)
		return KS_R_ok;
	c = bpf_map_lookup_elem(&conns, &w->conn_key);
	if (!c && pkt_adopts(p))
		return conn_adopt_io(w, size);
	if (!c || c->open.kind != KS_CONN_IO)
		return KS_R_io_unknown;
	if (c->open.variable ? size > c->open.ot_size : size != c->open.ot_size)
		return KS_R_io_size;
	if (p->zoned && !c->flow)
		conn_produces(w, 0, 1); /* another adopted one of the two may have ended */
	return conn_forward(c, p, reply_le32(w->seg + IO_SEQ));
}

#endif
