/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plain EtherNet/IP segment: one whole SendRRData or SendUnitData and nothing else,
 * next in order on a connection at rest, every request in it allowed without a word.
 * Copied out of the packet once, judged in the copy by the dissectors and tables of the
 * general path; kept and committed in one locked section. Refuses nothing, and changes
 * nothing unless it commits: what is not as plain is KS_GO, and the general path asks
 * all over again (tcp.h).
 */
#ifndef KEYSWITCH_ENIP_PLAIN_H
#define KEYSWITCH_ENIP_PLAIN_H

#include "inner.h"
#include "plain.h"

#define ENIP_PLAIN_MIN	(EIP_ITEM + 8)	/* two empty items */
#define ENIP_PLAIN_MAX	512		/* bytes of the PDU */
#define ENIP_PLAIN_REQUESTS 32
#define ENIP_PLAIN_COPY	1024		/* with its TCP header: power of two above 572 */

/* Nothing is to be done beside, and the header says that the PDU ends with the segment. */
static __always_inline int enip_plain_is(struct xdp_md *ctx, const struct pkt *p)
{
	__u8 *head;

	if (p->len < ENIP_PLAIN_MIN || p->len > ENIP_PLAIN_MAX || p->class != KS_C_DATA ||
	    p->flags != TCP_ACK || p->mode != KS_ENFORCE || p->follow || p->shadow || pkt_blind())
		return 0;
	head = pkt_at(ctx, p->pay, 4);
	return head && (head[0] == EIP_SEND_RR_DATA || head[0] == EIP_SEND_UNIT_DATA) && !head[1] &&
	       (head[2] | head[3] << 8) + EIP_HEADER == p->len;
}

/* Asset, profile and identity are those of the flow; under the lock it must still be so. */
static __always_inline int enip_plain_flow(struct ks_flow *f, struct ks_work *w)
{
	struct enip_plain *q = &w->enip_plain;
	struct pkt *p = &w->pkt;

	if (f->abi != KS_ABI || f->pair != cfg.client_port || f->proto != KS_ENIP ||
	    f->generation != p->generation || p->seq != f->c_nxt || f->flags & PLAIN_AT_REST)
		return 0;
	q->slot = f->slot - 1;
	q->profile = p->profile = f->profile;
	q->asset = p->asset = f->asset;
	q->at = p->pay - p->l4;
	p->proto = KS_ENIP;
	p->take.id = f->id;
	p->take.audit = 0;
	return 1;
}

/* The segment from its TCP header on, and 0s behind it for enip_plain_checksum(). */
static __always_inline int enip_plain_copy(struct xdp_md *ctx, struct ks_work *w,
					   struct ks_enip_ring *copy)
{
	__u64 n = w->enip_plain.at + w->pkt.len, end = n;
	__u32 i;

	if (n > ENIP_PLAIN_COPY)
		return 0;
	BOUND1(n, ENIP_PLAIN_COPY);
	if (bpf_xdp_load_bytes(ctx, w->pkt.l4, copy->bytes, n))
		return 0;
	BOUND_OFFSET(end, ENIP_PLAIN_COPY);
	for (i = 0; i < 32; i += 8)
		store_u64(copy->bytes + end + i, 0);
	return 1;
}

/* The segment's checksum is right, or left to the NIC: checksum_verify(). */
static __always_inline int enip_plain_checksum(struct ks_work *w, const struct ks_enip_ring *copy)
{
	const struct tcp_hdr *th = (const struct tcp_hdr *)copy->bytes;
	__u32 j, n = w->enip_plain.at + w->pkt.len;
	__u64 sum = sum_pseudo(&w->pkt, n), i, v;

	if (th->csum == sum_fold(sum))
		return 1;
	for (i = 0; i < ENIP_PLAIN_COPY; i += 32) {
		COUNT_UP(i);
		if (i >= n)
			break;
		for (j = 0; j < 32; j += 8) {
			v = load_u64(copy->bytes + i + j);
			sum += (__u32)v;
			sum += v >> 32;
		}
	}
	return sum_fold(sum) == 0xffff;
}

/* One more request that goes on: with the one before it, if that counts in the same places. */
static __always_inline int enip_plain_note(struct ks_work *w)
{
	const struct ks_leaf *leaf = &w->leaf;
	__u64 at = w->n_allowed;
	struct allowed *a;

	if (at) {
		at--;
		BOUND_OFFSET(at, KS_ALLOWED_MAX);
		a = &w->allowed[at];
		if (a->rule == leaf->rule && a->class == leaf->key_class &&
		    a->service == leaf->service) {
			a->n++;
			return 1;
		}
		at++;
	}
	if (at >= KS_ALLOWED_MAX)
		return 0;
	w->n_allowed = at + 1;
	BOUND_OFFSET(at, KS_ALLOWED_MAX);
	w->allowed[at] = (struct allowed){
		.rule = leaf->rule, .class = leaf->key_class, .service = leaf->service, .n = 1,
	};
	return 1;
}

/* The i-th request is allowed, by rules that want nothing else, and begins nothing. */
static __always_inline int enip_plain_request(struct ks_work *w, struct ks_enip_ring *copy, __u32 i)
{
	judge_request(copy, w->enip_plain.at, w->pkt.len, i);
	if (w->refused || w->open.kind || inner_carried(&w->leaf))
		return 0;
	if (policy_request(0) != KS_R_ok || w->marks | w->leaf.alert | w->n_rated)
		return 0;
	return enip_plain_note(w);
}

static __always_inline int enip_plain_allowed(struct ks_work *w, struct ks_enip_ring *copy)
{
	__u32 requests = judge_envelope(copy, w->enip_plain.at, w->pkt.len);
	__u64 i;

	w->n_allowed = 0;
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

/*
 * E1 and E3 (flow_accept(), flow_data()) where they have nothing to decide: both numbers
 * fit, the server is open, nothing is kept, awaited, compared or claimed. A border is not
 * beside the handshake's numbers (cookie.h): no message is so short.
 */
static __always_inline int enip_plain_at_rest(const struct ks_flow *f, const struct ks_work *w)
{
	const struct enip_plain *q = &w->enip_plain;
	const struct pkt *p = &w->pkt;

	if (f->state != KS_S_ESTAB || f->id != p->take.id || f->slot != q->slot + 1 ||
	    f->generation != p->generation || f->profile != q->profile || f->asset != q->asset)
		return 0;
	if (f->flags & PLAIN_AT_REST || f->close & PLAIN_OPEN)
		return 0;
	if (p->seq != f->c_nxt || f->msg_start != f->c_nxt ||
	    f->c_nxt - f->border > KS_EIP_RING - 8 - p->len)
		return 0;
	return !seq_lt(f->s_nxt, p->ack) && !seq_lt(p->ack, f->s_nxt - KS_ACK_BEHIND);
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
					     const struct ks_enip_ring *copy)
{
	struct ks_enip_ring *ring = bpf_map_lookup_elem(&eip_rings, &w->enip_plain.slot);
	__u64 pos = w->pkt.seq, at = w->enip_plain.at;
	struct pkt *p = &w->pkt;
	int r = KS_GO;

	BOUND_OFFSET(at, 64);
	BOUND_OFFSET(pos, KS_EIP_RING);
	if (!ring || pos < 8 || pos + p->len + 8 > KS_EIP_RING)
		return KS_GO;
	latency_clock(p, f);
	bpf_spin_lock(&f->lock);
	if (enip_plain_at_rest(f, w)) {
		enip_plain_keep(ring->bytes + pos, copy->bytes + at, p->len);
		f->c_nxt += p->len;
		f->msg_start = f->c_nxt;
		f->refused = 0;
		flow_heard(f, p);
		latency_begin(f, p);
		f->t_last = p->now;
		flow_changed(f);
		r = KS_R_ok;
	}
	bpf_spin_unlock(&f->lock);
	if (r == KS_GO)
		p->timed = 0;
	return r;
}

/* Requests that went on, where verdict_count_request() and verdict_count_rule() count one. */
KS_GLOBAL int enip_plain_count(void)
{
	struct ks_work *w = pkt_work();
	struct ks_req_key key = {};
	struct ks_rule_hits *hits;
	struct ks_req_count *count;
	struct ks_misc_count *m;
	struct allowed *a;
	struct pkt *p;
	__u32 hit;
	__u64 i;

	if (!w)
		return 0;
	p = &w->pkt;
	key.asset = p->asset;
	key.port = cfg.client_port;
	key.proto = KS_ENIP;
	key.numbering = p->numbering;
	for (i = 0; i < KS_ALLOWED_MAX; i++) {
		COUNT_UP(i);
		if (i >= w->n_allowed)
			break;
		a = &w->allowed[i];
		hit = bpf_get_smp_processor_id() * (p->rules + 1) + a->rule;
		hits = policy_entry(&pol_hits, p->slot, &hit);
		if (hits)
			hits->requests[KS_V_ALLOW] += a->n;
		key.function = a->service;
		key.class = a->class;
		if (key.class < KS_CLASS_TAG &&
		    !policy_entry(&pol_classes, p->slot, &key.class))
			key.class = 0;
		count = requests_near_of(&key);
		if (!count)
			count = requests_far_of(&key);
		m = count ? NULL : event_misc();
		if (count)
			count->requests[KS_V_ALLOW] += a->n;
		else if (m)
			m->pairs_other += a->n;
	}
	return 0;
}

/* KS_R_ok, committed; else KS_GO. The copy is made in this CPU's ring, as of datagrams. */
KS_GLOBAL int enip_plain(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ks_work *w = pkt_work();
	struct ks_enip_ring *copy;
	struct ks_flow *f;

	if (!w)
		return KS_GO;
	f = table_lookup(&w->pkt);
	copy = bpf_map_lookup_elem(&eip_rings, &cpu);
	if (!f || !copy || !enip_plain_flow(f, w) || !enip_plain_copy(ctx, w, copy) ||
	    !enip_plain_checksum(w, copy) || !enip_plain_allowed(w, copy))
		return KS_GO;
	return enip_plain_commit(f, w, copy);
}

/* The same, counted. */
static __always_inline int enip_plain_segment(struct xdp_md *ctx)
{
	if (enip_plain(ctx) != KS_R_ok)
		return KS_GO;
	enip_plain_count();
	return KS_R_ok;
}

#endif
