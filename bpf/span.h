/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Elements of a request that one look does not decide: what is written there counts, or
 * rules with a rate, a log or an alert lie in the way. Walks over them range by range,
 * where values count register by register or coil by coil. Only requests that meet such a
 * range come here (compiled.h, KS_RULE_WALK and KS_K_VALUES).
 */
#ifndef KEYSWITCH_SPAN_H
#define KEYSWITCH_SPAN_H

#include "policy_tables.h"
#include "cip_modbus.h"
#include "modbus.h"
#include "ring.h"

/* Looks at most: above what FC 15 writes (2,040 coils). Beyond it the request is refused. */
#define KS_SPAN_MAX 4096

#define KS_LOOK (-2) /* in place of allowed or not: span_walk() has to look at each element */

/* key: policy slot, value: decisions over what is written. Written by apply. */
POLICY_TABLE(pol_values, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, __u32, struct ks_values);

/*
 * What allows `value` in one register or coil by d of kind KS_K_VALUES; NULL: nothing does.
 * FC 5 and 6 are never judged by pairs (policy_compile_values.c).
 */
static __always_inline struct ks_decision *span_single(struct pkt *p, const struct ks_decision *d,
						       __u32 value)
{
	struct ks_values *v = policy_entry(&pol_values, p->slot, &d->first);
	struct ks_range *r;

	if (!v || v->known.kind != KS_K_SLICE)
		return NULL;
	r = range_find(p->slot, &v->known, value);
	return r && r->d.kind == KS_K_ALLOW ? &r->d : NULL;
}

/* A rule that allows the request, or a part of it, as often as its rate says. */
static __always_inline void span_rated(struct ks_work *w, __u32 rule)
{
	__u64 n = w->n_rated;
	int i;

	for (i = 0; i < KS_RATED_MAX; i++)
		if ((__u32)i < w->n_rated && w->rated[i] == rule)
			return;
	w->n_rated++;
	if (n >= KS_RATED_MAX)
		return;
	BOUND_OFFSET(n, KS_RATED_MAX);
	w->rated[n] = rule;
}

/* What a decision says beside allow or deny. */
static __always_inline void span_note(struct ks_work *w, const struct ks_decision *d)
{
	if (!(d->flags | d->alert))
		return;
	w->marks |= d->flags;
	if (!w->leaf.alert)
		w->leaf.alert = d->alert;
	if (d->flags & KS_D_RATED)
		span_rated(w, d->rule);
}

/* The Modbus ring that the message is in. */
static __always_inline struct ks_modbus_ring *span_modbus(struct ks_work *w)
{
	__u32 key = w->pkt.l4proto == IPPROTO_UDP ? bpf_get_smp_processor_id() :
		    w->pkt.take.slot;

	return bpf_map_lookup_elem(&mb_rings, &key);
}

/* Two bytes of the message that is judged, the first one high. */
KS_GLOBAL int span_two(__u32 off)
{
	struct ks_work *w = pkt_work();
	struct ks_modbus_ring *mb;
	struct ks_enip_ring *eip;
	struct view v = {};
	__u64 pos;
	__u32 key;

	if (!w)
		return 0;
	pos = w->walk.cur;
	if (w->leaf.proto == KS_MODBUS) {
		mb = span_modbus(w);
		if (!mb)
			return 0;
		BOUND_OFFSET(pos, KS_MB_RING);
		v.base = mb->bytes + pos;
		return view_be16(&v, off, KS_MB_VIEW);
	}
	key = w->pkt.l4proto == IPPROTO_UDP ? bpf_get_smp_processor_id() : w->pkt.take.slot;
	eip = bpf_map_lookup_elem(&eip_rings, &key);
	if (!eip)
		return 0;
	BOUND_OFFSET(pos, KS_EIP_RING);
	v.base = eip->bytes + pos;
	return view_be16(&v, off, KS_EIP_VIEW);
}

/* Offset of the first value in the message; the dissectors have seen that all are there. */
static __always_inline __u32 span_start(struct ks_work *w, __u32 fc)
{
	__u32 pdu = MB_FUNCTION;

	w->span.little = 0;
	if (w->leaf.proto != KS_MODBUS) {
		pdu = w->leaf.offset + 2 + 2 * (span_two(w->leaf.offset) & 0xff);
		if (w->leaf.service != CIP_MODBUS_PASS) {
			w->span.little = 1;
			return pdu + 4;
		}
	}
	if (fc == 15 || fc == 16)
		return pdu + (w->leaf.has & KS_HAS_WRITE_SPAN ? 10 : 6);
	return pdu + 3; /* FC 5, 6; of FC 22 the AND mask */
}

/* The register at `address`, which the request writes. */
static __always_inline __u32 span_register(const struct ks_span_state *s, __u32 address)
{
	__u32 two = span_two(s->start + 2 * (address - s->lo));

	return s->little ? two >> 8 | (two & 0xff) << 8 : two;
}

/* Coils are bits, the first one lowest. */
static __always_inline __u32 span_coil(const struct ks_span_state *s)
{
	__u32 n = s->at - s->lo;

	if (s->fc == 5)
		return span_two(s->start) == 0xff00;
	return span_two(s->start + n / 8) >> (8 + n % 8) & 1;
}

/* All numbers from the smallest to the largest that FC 22 may leave there. */
static __always_inline void span_masks(struct ks_span_state *s)
{
	__u32 and_mask = span_two(s->start), or_mask = span_two(s->start + 2);

	s->value = or_mask & ~and_mask & 0xffff;
	s->value_hi = s->value | and_mask;
}

/* What is written at `at`, as v takes it; 0 = that cannot be known. */
static __always_inline int span_value(struct ks_work *w, const struct ks_values *v)
{
	struct ks_span_state *s = &w->span;
	__u32 start, first, second;

	if (s->fc == 22) {
		span_masks(s);
		return v->form == KS_VF_WORD;
	}
	s->value = s->fc == 5 || s->fc == 15 ? span_coil(s) : span_register(s, s->at);
	s->value_hi = s->value;
	if (!(w->leaf.has & KS_HAS_WRITE_SPAN ? w->leaf.wquantity : w->leaf.quantity))
		return 0; /* the device answers that with an exception */
	if (v->form == KS_VF_WORD)
		return 1;
	start = s->at - ((s->at ^ v->odd) & 1);
	if (start < s->lo || start + 1 > s->hi)
		return 0;
	first = span_register(s, start);
	second = span_register(s, start + 1);
	s->value = v->form == KS_VF_HIGH_FIRST ? first << 16 | second : second << 16 | first;
	s->value_hi = s->value;
	return 1;
}

/* One decision on the way. 1 = refused. */
static __always_inline int span_decided(struct ks_work *w, const struct ks_decision *d)
{
	struct ks_span_state *s = &w->span;

	span_note(w, d);
	if (!s->looked || d->kind != KS_K_ALLOW)
		s->rule = d->rule;
	s->looked = 1;
	s->refused = d->kind != KS_K_ALLOW;
	return s->refused;
}

/* Values [lo, to] need no second look: what they decide has been noted. */
static __always_inline void span_remember(struct ks_span_state *s, __u32 lo, __u32 to)
{
	__u64 at = s->n_seen++;

	BOUND_OFFSET(at, KS_SPAN_SEEN);
	s->seen[at].lo = lo;
	s->seen[at].width = to - lo;
	if (s->n_seen == 1)
		s->seen[1] = s->seen[0];
}

/* The element at `at` by what is written there. 1 ends the walk. */
static __always_inline int span_written(struct ks_work *w, const struct ks_values *v)
{
	struct ks_span_state *s = &w->span;
	const struct ks_decision *d = &v->unknown;
	__u32 lo = 0, to = 0xffffffff;
	struct ks_range *r;

	if (!s->begun)
		s->known = span_value(w, v);
	s->begun = 1;
	if (s->known)
		d = &v->known;
	if (d->kind == KS_K_SLICE) {
		r = range_find(w->pkt.slot, d, s->value);
		if (!r)
			return 1;
		d = &r->d;
		lo = r->lo;
		to = r->to;
	}
	if (span_decided(w, d)) {
		w->leaf.value_at = s->at;
		w->leaf.value = s->value;
		w->leaf.value_type = s->known ? v->type : KS_VT_UINT16;
		return 1;
	}
	if (s->known && to < s->value_hi) {
		s->value = to + 1;
		return 0;
	}
	if (s->known)
		span_remember(s, lo, to);
	s->begun = 0;
	return 2;
}

enum { SPAN_REGISTERS, SPAN_PAIRS, SPAN_COILS };

/* What is written at `at` of a whole request of FC 15 or 16; a pair begins there. */
static __always_inline __u32 span_peek(const struct view *m, const struct ks_span_state *s,
				       __u32 at, int what, __u32 turn)
{
	__u32 n = at - s->lo, off = s->start + 2 * n;
	__u64 pair;

	if (what == SPAN_COILS)
		return view_u8(m, s->start + n / 8, KS_MB_VIEW) >> n % 8 & 1;
	if (what == SPAN_REGISTERS)
		return view_be16(m, off, KS_MB_VIEW);
	pair = (__u32)view_be16(m, off, KS_MB_VIEW) << 16 | view_be16(m, off + 2, KS_MB_VIEW);
	return (pair << 32 | pair) >> turn;
}

/* Goes on while the values are among those that were seen, at most KS_SPAN_RUN of them. */
static __always_inline void span_run(const struct view *m, struct ks_span_state *s, __u32 last,
				     int what, __u32 turn)
{
	const __u32 step = what == SPAN_PAIRS ? 2 : 1;
	const __u32 lo = s->seen[0].lo, width = s->seen[0].width;
	__u32 at = s->at, value;
	int i;

	for (i = 0; i < KS_SPAN_RUN && at + (step - 1) <= last; i++) {
		value = span_peek(m, s, at, what, turn);
		if (value - lo > width && value - s->seen[1].lo > s->seen[1].width)
			break;
		at += step;
	}
	s->at = at;
}

/*
 * Registers, pairs and coils in a row with values that need no look of their own: those
 * that lie where an earlier one of the same range did. Returns 1 = there may be more.
 */
KS_GLOBAL int span_same(__u32 form, __u32 odd)
{
	struct ks_work *w = pkt_work();
	struct ks_modbus_ring *ring;
	struct ks_span_state *s;
	struct view m = {};
	__u32 last, from;
	__u64 pos;

	if (!w || w->leaf.proto != KS_MODBUS)
		return 0;
	s = &w->span;
	ring = span_modbus(w);
	if (!ring)
		return 0;
	pos = w->walk.cur;
	BOUND_OFFSET(pos, KS_MB_RING);
	m.base = ring->bytes + pos;
	last = s->end < s->hi ? s->end : s->hi;
	from = s->at;
	if (s->fc == 15)
		span_run(&m, s, last, SPAN_COILS, 0);
	else if (form == KS_VF_WORD)
		span_run(&m, s, last, SPAN_REGISTERS, 0);
	else if (!((from ^ odd) & 1))
		span_run(&m, s, last, SPAN_PAIRS, form == KS_VF_LOW_FIRST ? 16 : 0);
	return s->at > last || s->at - from >= KS_SPAN_RUN;
}

/* The range that `at` is in, if it decides by what is written; else it decides, 1 = refused. */
static __always_inline int span_range(struct ks_work *w)
{
	struct ks_span_state *s = &w->span;
	struct ks_range *r = range_find(w->pkt.slot, &s->slice, s->at);

	if (!r)
		return 1;
	s->n_seen = 0;
	s->end = r->to;
	s->by_value = r->d.kind == KS_K_VALUES;
	s->values = r->d.first;
	if (s->by_value)
		return 0;
	s->at = s->end + 1;
	return span_decided(w, &r->d);
}

static long span_step(__u64 i, void *arg)
{
	struct ks_work *w = pkt_work();
	struct ks_span_state *s;
	struct ks_values *v;
	int done;

	if (!w)
		return 1;
	s = &w->span;
	if ((!s->looked || s->at > s->end) && span_range(w))
		return 1;
	if (s->by_value) {
		v = policy_entry(&pol_values, w->pkt.slot, &s->values);
		if (!v)
			return 1;
		if (!s->n_seen || !span_same(v->form, v->odd)) {
			done = span_written(w, v);
			if (done != 2)
				return done;
			s->at++;
		}
	}
	s->whole = s->at > s->hi || !s->at;
	return s->whole;
}

/*
 * The elements [lo, hi] by a slice of pol_ranges, as function fc, are left to span_walk():
 * it is called where the stack is less deep.
 */
static __always_inline int span_later(struct ks_work *w, const struct ks_decision *slice,
				      __u32 lo, __u32 hi, __u32 fc)
{
	struct ks_span_state *s = &w->span;

	__builtin_memset(s, 0, sizeof(*s));
	s->slice = *slice;
	s->lo = s->at = lo;
	s->hi = hi;
	s->fc = fc;
	return KS_LOOK;
}

/* Returns 1 = every element is allowed; the leaf's rule is as policy_span() has it. */
KS_GLOBAL int span_walk(void)
{
	struct ks_work *w = pkt_work();
	struct ks_span_state *s;

	if (!w)
		return 0;
	s = &w->span;
	s->start = span_start(w, s->fc);
	ks_loop(KS_SPAN_MAX, span_step, NULL);
	w->leaf.rule = s->refused || s->whole ? s->rule : 0;
	return s->whole && !s->refused;
}

#endif
