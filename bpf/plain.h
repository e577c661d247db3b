/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plain request, which nearly every segment of a client is: one Modbus ADU of
 * function code 1 to 6 and nothing else, next in order on a connection at rest, allowed
 * or refused by rules that want nothing else. Judged where it lies in the packet; kept and
 * committed in one locked section, a refusal without one. Changes nothing unless it
 * commits: what is not as plain is KS_GO, and the general path asks all over again (tcp.h).
 */
#ifndef KEYSWITCH_PLAIN_H
#define KEYSWITCH_PLAIN_H

#include "flow.h"
#include "kept.h"
#include "plain_decide.h"
#include "verdict.h"

#define PLAIN_BYTES	KS_KEPT_BYTES /* MBAP header, function code, address, quantity or value */
#define PLAIN_AT_REST	(KS_F_BUSY | KS_F_AUDIT | KS_F_LOST | KS_F_PENDING | KS_F_CFIN | KS_F_SFIN)
#define PLAIN_OPEN	(KS_CL_CACK | KS_CL_SACK | KS_CL_SHORT | KS_CL_BEYOND)

/* Nothing is to be done beside, and the segment can be one. */
static __always_inline int plain_segment(const struct pkt *p)
{
	return p->class == KS_C_DATA && p->flags == TCP_ACK && p->mode == KS_ENFORCE &&
	       !p->follow && !p->shadow && !pkt_blind();
}

/* The lengths and values that modbus_dissect() asks for. */
static __always_inline int plain_dissect(const __u8 *adu, struct plain *q)
{
	__u64 head = bpf_be64_to_cpu(load_u64(adu));
	__u32 words = bpf_ntohl(load_u32(adu + 8)), word = words & 0xffff;

	q->unit = head >> 8;
	q->fc = head;
	q->lo = q->hi = words >> 16;
	if ((__u32)(head >> 16) != PLAIN_BYTES - 6 || q->fc < 1 || q->fc > 6)
		return 0; /* protocol id 0, and that length */
	if (q->fc == 5 && word != 0xff00 && word != 0)
		return 0;
	if (q->fc <= 4 && word)
		q->hi += word - 1;
	q->bytes = load_u64(adu);
	q->rest = load_u32(adu + 8);
	return 1;
}

/* Internet checksum over the segment's constant number of bytes. */
static __always_inline int plain_sum(struct xdp_md *ctx, struct pkt *p, __u32 size)
{
	__u64 pseudo = sum_pseudo(p, size), sum = pseudo, v;
	__u8 *at = pkt_at(ctx, p->l4, size);
	struct tcp_hdr *th = (struct tcp_hdr *)at;
	__u32 i;

	if (!at)
		return 0;
	for (i = 0; i + 8 <= size; i += 8) {
		v = load_u64(at + i);
		sum += (__u32)v;
		sum += v >> 32;
	}
	if (i < size)
		sum += load_u32(at + i);
	return sum_fold(sum) == 0xffff ||
	       th->csum == sum_fold(pseudo); /* left to the NIC, see checksum_verify() */
}

static __always_inline int plain_checksum(struct xdp_md *ctx, struct pkt *p)
{
	__u32 header = p->pay - p->l4;

	if (header == sizeof(struct tcp_hdr) + 12) /* timestamps */
		return plain_sum(ctx, p, sizeof(struct tcp_hdr) + 12 + PLAIN_BYTES);
	return header == sizeof(struct tcp_hdr) &&
	       plain_sum(ctx, p, sizeof(struct tcp_hdr) + PLAIN_BYTES);
}

/* The flow's asset and profile, if the segment is the next one of a connection at rest. */
static __always_inline int plain_flow(struct ks_flow *f, struct pkt *p, __u8 proto,
				      struct plain_of *of)
{
	if (f->abi != KS_ABI || f->pair != cfg.client_port || f->proto != proto ||
	    f->generation != p->generation || p->seq != f->c_nxt || f->flags & PLAIN_AT_REST)
		return 0;
	of->slot = f->slot - 1;
	of->profile = f->profile;
	of->asset = f->asset;
	p->asset = f->asset;
	return 1;
}

/*
 * E1 and E3 (flow_accept(), flow_data()) where they have nothing to decide: both numbers
 * fit, the server is open, nothing is kept, awaited, compared or claimed. room: of the ring.
 */
static __always_inline int plain_at_rest(struct ks_flow *f, struct pkt *p,
					 const struct plain_of *of, __u32 room)
{
	if (f->state != KS_S_ESTAB || f->slot != of->slot + 1 || f->generation != p->generation ||
	    f->profile != of->profile || f->asset != of->asset)
		return 0;
	if (f->flags & PLAIN_AT_REST || f->close & PLAIN_OPEN ||
	    f->how & (KS_HOW_SINGLE | KS_HOW_WAIT))
		return 0;
	if (p->seq != f->c_nxt || f->msg_start != f->c_nxt ||
	    f->c_nxt - f->border > room - (__u32)p->len)
		return 0;
	if (seq_lt(f->s_nxt, p->ack) || seq_lt(p->ack, f->s_nxt - KS_ACK_BEHIND))
		return 0;
	return !flow_beside(f, p);
}

/* Its bytes are never in two pieces in the ring, see kept.h. */
static __always_inline int plain_fits(__u32 seq)
{
	return seq % KS_MB_RING <= KS_MB_RING - KS_KEPT_BYTES;
}

/* E3's end (flow_publish()), in the same locked section. */
static __always_inline void plain_publish(struct ks_flow *f, struct pkt *p)
{
	f->refused = 0;
	f->c_nxt += p->len;
	f->msg_start = f->c_nxt;
	latency_begin(f, p);
	f->t_last = p->now;
	flow_changed(f);
}

static __always_inline int plain_commit(struct ks_flow *f, struct ks_work *w, const struct plain *q)
{
	struct ks_modbus_ring *ring = bpf_map_lookup_elem(&mb_rings, &q->of.slot);
	struct pkt *p = &w->pkt;
	int r = KS_GO;

	if (!ring)
		return KS_GO;
	latency_clock(w, f);
	bpf_spin_lock(&f->lock);
	if (plain_at_rest(f, p, &q->of, KS_MB_RING)) {
		kept_next(f, ring, q->bytes, q->rest);
		plain_publish(f, p);
		r = KS_R_ok;
	}
	bpf_spin_unlock(&f->lock);
	if (r == KS_GO)
		p->timed = 0;
	return r;
}

/* The one that was refused here last? Of another length its header would be another, too. */
static __always_inline int plain_again(const struct ks_flow *f, const struct plain *q, __u32 seq)
{
	const struct ks_told *t = &f->told;
	struct ks_modbus_ring *ring;
	__u64 pos = seq;

	if (t->bytes && t->seq == seq)
		return t->bytes == q->bytes && t->rest == q->rest;
	if (f->refused != PLAIN_BYTES) /* by a claim, in the ring */
		return 0;
	ring = bpf_map_lookup_elem(&mb_rings, &q->of.slot);
	BOUND_OFFSET(pos, KS_MB_RING);
	return ring && load_u64(ring->bytes + pos) == q->bytes &&
	       load_u32(ring->bytes + pos + 8) == q->rest;
}

/*
 * A refusal takes nothing from the stream and changes no state, so it needs no lock: what
 * is read may be of two moments, but a request that its connection's profile does not
 * allow goes nowhere in either. What is written says only that this one was told.
 */
static __always_inline int plain_refuse(struct ks_flow *f, struct pkt *p, struct plain *q)
{
	if (!plain_at_rest(f, p, &q->of, KS_MB_RING))
		return KS_GO;
	q->again = plain_again(f, q, p->seq);
	f->told.bytes = q->bytes;
	f->told.rest = q->rest;
	f->told.seq = p->seq;
	return KS_R_policy_deny;
}

/* One more that goes on: with the one before it, if that counts in the same places. */
static __always_inline int plain_note(struct ks_plain_walk *k, __u32 rule, __u32 class,
				      __u32 function)
{
	__u64 last = k->runs - 1;
	struct ks_plain_run *run;

	BOUND_OFFSET(last, KS_PLAIN_RUNS);
	run = &k->run[last];
	if (k->runs && run->rule == rule && run->class == class && run->function == function) {
		run->n++;
		return 0;
	}
	if (k->runs == KS_PLAIN_RUNS)
		return -1;
	last = k->runs;
	BOUND_OFFSET(last, KS_PLAIN_RUNS);
	k->run[last] = (struct ks_plain_run){
		.rule = rule, .class = class, .function = function, .n = 1,
	};
	k->runs++;
	return 0;
}

static __always_inline void plain_count_run(struct ks_work *w, __u64 i, __u32 proto)
{
	struct ks_plain_run *run;

	BOUND_OFFSET(i, KS_PLAIN_RUNS);
	run = &w->plain.run[i];
	verdict_count_requests(&w->pkt, proto, run->class, run->function, KS_V_ALLOW, run->n);
	verdict_count_rule(&w->pkt, run->rule, KS_V_ALLOW, run->n);
}

/* The i-th run of them. Returns 0. */
KS_GLOBAL int plain_count(struct ks_work *w, __u32 i, __u32 proto)
{
	if (w)
		plain_count_run(w, i, proto);
	return 0;
}

/* The first run, nearly always the only one, without a call. */
static __always_inline void plain_count_all(struct ks_work *w, __u32 proto)
{
	__u64 i;

	plain_count_run(w, 0, proto);
	for (i = 1; i < KS_PLAIN_RUNS; i++) {
		COUNT_UP(i);
		if (i >= w->plain.runs)
			break;
		plain_count(w, i, proto);
	}
}

/* As modbus_dissect() and judge_head() would leave it. */
static __always_inline void plain_leaf(struct ks_work *w, const struct plain *q)
{
	struct ks_leaf *leaf = &w->leaf;
	const __u8 *adu = (const __u8 *)w->head;

	clear_words(leaf, sizeof(*leaf));
	clear_words(w->head, sizeof(w->head));
	store_u64(w->head, q->bytes);
	store_u32(w->head + 1, q->rest);
	w->head_len = PLAIN_BYTES;
	leaf->proto = KS_MODBUS;
	leaf->verdict = KS_V_DENY;
	leaf->reason = KS_R_policy_deny;
	leaf->rule = q->rule;
	leaf->asset = q->of.asset;
	leaf->length = PLAIN_BYTES;
	leaf->transaction = adu[0] << 8 | adu[1];
	leaf->unit = q->unit;
	leaf->function = q->fc;
	leaf->address = q->lo;
	leaf->quantity = q->fc <= 4 ? adu[10] << 8 | adu[11] : 1;
	leaf->has = KS_HAS_UNIT | KS_HAS_FUNCTION | KS_HAS_ADDRESS;
}

/* Its event, unless its rule is quiet or it was told before; and what `capture` reads. */
static __always_inline void plain_tell(struct xdp_md *ctx, struct ks_work *w, struct ks_flow *f,
				       const struct plain *q)
{
	struct pkt *p = &w->pkt;
	int captured = !!denied_read(p);
	struct ks_misc_count *m = event_misc();

	p->due = !q->again && !q->quiet && event_due(p, f, KS_R_policy_deny);
	if (p->due || captured)
		plain_leaf(w, q);
	if (captured)
		denied_request();
	p->judged = p->reported = 1;
	if (q->quiet && !q->again && m)
		m->events_quiet++;
	if (p->due)
		event_send(ctx, KS_R_policy_deny, KS_A_DROP);
}

/* Decided, counted and committed: KS_R_ok or KS_R_policy_deny; else KS_GO. */
KS_GLOBAL int plain_request(struct xdp_md *ctx, struct ks_work *w)
{
	struct pkt *p = pkt_of(w);
	struct plain q = {};
	struct ks_flow *f;
	__u8 *adu;
	int r;

	if (!w || !plain_segment(p))
		return KS_GO;
	f = table_lookup(p);
	adu = pkt_at(ctx, p->pay, PLAIN_BYTES);
	if (!f || !adu || !plain_dissect(adu, &q) || !plain_flow(f, p, KS_MODBUS, &q.of) ||
	    !plain_fits(p->seq) || !plain_checksum(ctx, p))
		return KS_GO;
	r = plain_decide(w, &q, 1);
	if (r != KS_GO)
		r = r == KS_R_ok ? plain_commit(f, w, &q) : plain_refuse(f, p, &q);
	if (r == KS_GO)
		return r;
	if (!q.again) {
		verdict_count_requests(p, KS_MODBUS, 0, q.fc, r == KS_R_ok ? KS_V_ALLOW : KS_V_DENY,
				       1);
		verdict_count_rule(p, q.rule, r == KS_R_ok ? KS_V_ALLOW : KS_V_DENY, 1);
	}
	if (r != KS_R_ok)
		plain_tell(ctx, w, f, &q);
	return r;
}

#endif
