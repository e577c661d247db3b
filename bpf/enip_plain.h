/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plain EtherNet/IP segment: one whole SendRRData or SendUnitData and nothing else,
 * next in order on a connection at rest, every request in it allowed without a word.
 * Copied out of the packet once, judged in the copy by the dissectors and tables of the
 * general path, unless it is known (enip_known.h); kept and committed in one locked
 * section. Refuses nothing, and changes nothing unless it commits: what is not as plain is
 * KS_GO, and the general path asks all over again (tcp.h).
 */
#ifndef KEYSWITCH_ENIP_PLAIN_H
#define KEYSWITCH_ENIP_PLAIN_H

#include "enip_known.h"
#include "plain.h"

#define ENIP_PLAIN_MIN	(EIP_ITEM + 8)	/* two empty items */
#define ENIP_PLAIN_MAX	512		/* bytes of the PDU, power of two */
#define ENIP_PLAIN_REQUESTS 32
#define ENIP_NEAR_REQUEST (EIP_ITEM + 8 + 4 + 2) /* behind two items' heads, id and sequence count */

/* The segment can be one: its header says that the PDU ends with it. */
static __always_inline int enip_plain_is(struct xdp_md *ctx, const struct pkt *p)
{
	__u8 *head;

	if (p->len < ENIP_PLAIN_MIN || p->len > ENIP_PLAIN_MAX || !plain_segment(p))
		return 0;
	head = pkt_at(ctx, p->pay, 4);
	return head && (head[0] == EIP_SEND_RR_DATA || head[0] == EIP_SEND_UNIT_DATA) && !head[1] &&
	       (head[2] | head[3] << 8) + EIP_HEADER == p->len;
}

/* Where the message will be kept: far away, so the way there is begun before it is judged. */
static __always_inline struct ks_enip_ring *enip_plain_ring(struct ks_work *w)
{
	__u32 slot = w->plain.of.slot;
	struct ks_enip_ring *ring = bpf_map_lookup_elem(&eip_rings, &slot);
	__u64 pos = w->pkt.seq;

	BOUND_OFFSET(pos, KS_EIP_RING);
	if (ring)
		*(volatile __u8 *)(ring->bytes + pos);
	return ring;
}

/* What the judge wants to know of the flow. Identity, too, must still be so under the lock. */
static __always_inline int enip_plain_flow(struct ks_flow *f, struct ks_work *w)
{
	struct pkt *p = &w->pkt;

	if (!plain_flow(f, p, KS_ENIP, &w->plain.of))
		return 0;
	p->profile = f->profile;
	p->proto = KS_ENIP;
	p->take.id = f->id;
	p->take.audit = 0;
	conn_near(f, w);
	return 1;
}

/* Of a TCP header, `size` bytes with its options; 60 are there. */
static __always_inline __u64 enip_plain_header(const __u8 *th, __u32 size)
{
	__u64 sum = sum_halves(load_u64(th)) + sum_halves(load_u64(th + 8)) + load_u32(th + 16);
	__u32 i;

	for (i = sizeof(struct tcp_hdr); i < 60; i += 4) {
		COUNT_UP(i);
		if (i >= size)
			break;
		sum += load_u32(th + i);
	}
	return sum;
}

/*
 * The message into the copy, its segment's checksum is right or not yet there (see
 * checksum_verify()). The shortest message has as many bytes as the longest options.
 */
static __always_inline int enip_plain_copy(struct xdp_md *ctx, struct pkt *p,
					   struct ks_enip_ring *copy)
{
	__u32 header = p->pay - p->l4;
	__u64 pseudo = sum_pseudo(p, header + p->len), sum;
	const struct tcp_hdr *th;

	_Static_assert(ENIP_PLAIN_MIN >= 40, "60 bytes are there");
	if (near_bytes(ctx, p->pay, p->len, copy->bytes, &sum))
		return 0;
	th = pkt_at(ctx, p->l4, 60);
	if (!th)
		return 0;
	if (th->csum == sum_fold(pseudo))
		return 1;
	sum += enip_plain_header((const __u8 *)th, header);
	return sum_fold(sum + pseudo) == 0xffff;
}

/* 1, or there are too many kinds of them. */
static __always_inline int enip_plain_note(struct ks_work *w)
{
	return !plain_note(&w->plain, w->leaf.rule, w->leaf.key_class, w->leaf.service);
}

/* The i-th request is allowed, by rules that want nothing else, and begins nothing. */
static __always_inline int enip_plain_request(struct ks_work *w, struct ks_enip_ring *copy, __u32 i)
{
	if (!known_request(w, copy, w->pkt.len, i)) {
		judge_request(copy, 0, w->pkt.len, i);
		if (w->refused || w->open.kind || inner_carried(&w->leaf))
			return 0;
		if (policy_request(0) != KS_R_ok || w->marks | w->leaf.alert)
			return 0;
		known_keep(copy, w->pkt.len, i);
	}
	return enip_plain_note(w);
}

/*
 * The usual envelope, one request on a connection that is near, told from its words: 1, and
 * the work area as judge_envelope() would leave it; 0: that one is to be asked.
 */
static __always_inline int enip_plain_near(struct ks_work *w, const struct ks_enip_ring *copy)
{
	__u32 size = w->pkt.len - ENIP_NEAR_REQUEST;
	const __u8 *m = copy->bytes;
	struct cip_work *c = &w->cip;

	if (!w->near || w->pkt.len < ENIP_NEAR_REQUEST + 2 || load_u32(m + EIP_OPTIONS) ||
	    from_le16(load_u16(m)) != EIP_SEND_UNIT_DATA || from_le16(load_u16(m + EIP_ITEMS)) != 2 ||
	    from_le32(load_u32(m + EIP_ITEM)) != (4 << 16 | CPF_CONNECTED) ||
	    from_le32(load_u32(m + EIP_ITEM + 4)) != w->near_id ||
	    from_le32(load_u32(m + EIP_ITEM + 8)) != ((size + 2) << 16 | CPF_CONNECTED_DATA))
		return 0;
	if (m[ENIP_NEAR_REQUEST] == CIP_UNCONNECTED_SEND || m[ENIP_NEAR_REQUEST] == CIP_MULTIPLE)
		return 0; /* requests are inside; as one request cip_leaf() refuses it */
	c->msg = (struct enip_msg){
		.command = EIP_SEND_UNIT_DATA, .cip = EIP_CONNECTED, .conn_id = w->near_id,
		.cip_off = ENIP_NEAR_REQUEST, .cip_len = size,
	};
	c->layers = (struct cip_layers){ .off = ENIP_NEAR_REQUEST, .len = size };
	clear_words(&c->route, sizeof(c->route));
	conn_near_route(w);
	policy_forget(w);
	w->refused = 0;
	return 1;
}

static __always_inline int enip_plain_allowed(struct ks_work *w, struct ks_enip_ring *copy)
{
	int near = enip_plain_near(w, copy);
	__u32 requests;
	__u64 i;

	w->plain.runs = 0;
	if (near && known_look(w, copy, w->pkt.len, 0)) /* most are: without a call */
		return enip_plain_note(w);
	requests = near ? 1 : judge_envelope(copy, 0, w->pkt.len);
	if (!requests || requests > ENIP_PLAIN_REQUESTS)
		return 0;
	for (i = 0; i < ENIP_PLAIN_REQUESTS; i++) {
		COUNT_UP(i);
		if (i >= requests)
			break;
		if (!enip_plain_request(w, copy, i))
			return 0;
	}
	return 1;
}

/* Into the ring, eight bytes at once and so up to seven more: there is room for them. */
static __always_inline void enip_plain_keep(__u8 *to, const __u8 *from, __u32 n)
{
	__u64 i;

	for (i = 0; i < ENIP_PLAIN_MAX; i += 8) {
		COUNT_UP(i);
		if (i >= n)
			break;
		store_u64(to + i, load_u64(from + i));
	}
}

/*
 * Whole messages are read again by what compares them with their retransmission alone, and
 * that needs no more of the ring's mirror than its first eight bytes: what touches them, or
 * the ring's end, goes the general way.
 */
static __always_inline int enip_plain_commit(struct ks_flow *f, struct ks_work *w,
					     struct ks_enip_ring *ring,
					     const struct ks_enip_ring *copy)
{
	struct pkt *p = &w->pkt;
	__u64 pos = p->seq;
	int r = KS_GO;

	BOUND_OFFSET(pos, KS_EIP_RING);
	if (pos < 8 || pos + p->len + 8 > KS_EIP_RING)
		return KS_GO;
	latency_clock(w, f);
	bpf_spin_lock(&f->lock);
	if (f->id == p->take.id && plain_at_rest(f, p, &w->plain.of, KS_EIP_RING - 8) &&
	    conn_near_is(f, w)) {
		if (w->cip.msg.cip == EIP_CONNECTED && !w->near)
			conn_near_keep(f, w);
		enip_plain_keep(ring->bytes + pos, copy->bytes, p->len);
		flow_heard(f, p);
		plain_publish(f, p);
		r = KS_R_ok;
	}
	bpf_spin_unlock(&f->lock);
	if (r == KS_GO)
		p->timed = 0;
	return r;
}

/* KS_R_ok, committed; else KS_GO. The copy is made in this CPU's ring, as of datagrams. */
KS_GLOBAL int enip_plain(struct xdp_md *ctx, struct ks_work *w)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ks_enip_ring *copy, *ring;
	struct ks_flow *f;
	int r = KS_GO;

	if (!w)
		return r;
	f = table_lookup(&w->pkt);
	if (!f || !enip_plain_flow(f, w))
		return r;
	copy = bpf_map_lookup_elem(&eip_rings, &cpu);
	ring = enip_plain_ring(w);
	if (copy && ring && enip_plain_copy(ctx, &w->pkt, copy) && enip_plain_allowed(w, copy))
		r = enip_plain_commit(f, w, ring, copy);
	w->near = 0;
	if (r == KS_R_ok)
		plain_count_all(w, KS_ENIP);
	return r;
}

#endif
