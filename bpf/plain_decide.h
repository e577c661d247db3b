/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a plain request (plain.h, plain_many.h) is decided: by the policy's tables, or by
 * memory. Decides nothing that wants more than counting and an event.
 */
#ifndef KEYSWITCH_PLAIN_DECIDE_H
#define KEYSWITCH_PLAIN_DECIDE_H

#include "policy.h"

/* Of the ADU and of the flow. */
struct plain {
	__u64 bytes;		/* the first eight */
	__u32 rest;
	__u32 lo, hi;		/* elements */
	__u32 rule;		/* that decides it ... */
	__u32 from, to;		/* ... and all others with elements of these alone */
	struct plain_of of;
	__u8 unit, fc;
	__u8 once;		/* but for its value, or its last elements, it would be decided otherwise */
	__u8 quiet;		/* refused: no event tells of it */
	__u8 again;		/* refused and told before */
};

static __always_inline struct ks_decided decided_now(const struct pkt *p, __u32 profile)
{
	return (struct ks_decided){
		.loaded = cfg.loaded, .generation = p->generation, .profile = profile,
	};
}

static __always_inline int decided_so(const struct ks_decided *by, const struct pkt *p, __u32 profile)
{
	return by->loaded == cfg.loaded && by->generation == p->generation && by->profile == profile;
}

/* The decision about its first element; *r is the range that it stands in, if in one. */
static __always_inline struct ks_decision *plain_first(struct pkt *p, struct plain *q,
						       struct ks_range **r)
{
	struct ks_profile_rec *prof = policy_entry(&pol_profiles, p->slot, &q->of.profile);
	struct ks_decision *d;
	struct ks_range *in;
	__u32 key;

	if (!prof || (prof->flags & KS_PROFILE_UNITS && !policy_unit(policy_asset(p), q->unit)))
		return NULL;
	key = policy_row(p, prof, q->unit);
	if (key == KS_NO_VALUE)
		return NULL;
	key = key * 128 + q->fc;
	d = policy_entry(&pol_modbus, p->slot, &key);
	if (!d || d->kind != KS_K_SLICE)
		return d;
	in = range_find(p->slot, d, q->lo);
	if (!in)
		return NULL;
	CHECKED(in);
	*r = in;
	return &in->d;
}

/* What FC 5 and 6 write, as rules about values have it. */
static __always_inline __u32 plain_written(const struct plain *q)
{
	__u32 word = bpf_ntohl(q->rest) & 0xffff;

	return q->fc == 5 ? word != 0 : word;
}

/* What goes with its refusal is not more than an event. */
static __always_inline int plain_refusal(struct pkt *p, struct plain *q)
{
	struct ks_rule_rec *rule = policy_entry(&pol_rules, p->slot, &q->rule);

	if (!rule || rule->on_deny == KS_DENY_RESET)
		return KS_GO;
	q->quiet = rule->quiet;
	return KS_R_policy_deny;
}

/* By the policy's tables, see plain_decide(). */
static __always_inline int plain_ask_policy(struct pkt *p, struct plain *q, int alone)
{
	struct ks_range *r = NULL;
	struct ks_decision *d = plain_first(p, q, &r);

	q->once = alone && d && d->kind == KS_K_VALUES;
	if (q->once)
		d = span_single(p, d, plain_written(q));
	if (!d || d->flags || d->alert || d->kind == KS_K_SLICE || d->kind == KS_K_VALUES)
		return KS_GO;
	q->rule = d->rule;
	q->from = r ? q->lo : 0;
	q->to = r ? r->to : KS_ELEMENTS_ALL;
	if (d->kind == KS_K_DENY)
		return plain_refusal(p, q);
	if (q->hi <= q->to)
		return KS_R_ok;
	q->once = 1;
	q->rule = r->refused_rule;
	return q->rule == KS_RULE_WALK ? KS_GO : plain_refusal(p, q);
}

/* Where the decision about such a request is, if it was made. */
static __always_inline struct ks_memo *plain_memo(struct ks_work *w, const struct plain *q)
{
	__u64 at = q->of.asset * 5 + q->unit * 3 + q->fc * 8 + (q->lo >> 4);

	BOUND_OFFSET(at, KS_MEMOS);
	return &w->memos[at];
}

/* To which asset's unit, and what: one number. */
static __always_inline __u32 plain_what(const struct plain *q)
{
	return (__u32)q->of.asset << 16 | q->unit << 8 | q->fc;
}

static __always_inline int plain_remembers(const struct ks_memo *m, const struct pkt *p,
					   const struct plain *q)
{
	return decided_so(&m->by, p, q->of.profile) && m->what == plain_what(q) &&
	       m->from <= q->lo && q->hi <= m->to;
}

/*
 * Of all elements: KS_R_ok or KS_R_policy_deny; KS_GO where there is more to it. alone: q is
 * a whole request, so that rules about values can be asked what allows it.
 */
static __always_inline int plain_decide(struct ks_work *w, struct plain *q, int alone)
{
	struct ks_memo *m = plain_memo(w, q);
	struct pkt *p = &w->pkt;
	int r;

	if (plain_remembers(m, p, q)) {
		q->rule = m->rule;
		q->to = m->to;
		q->quiet = m->quiet;
		return m->reason;
	}
	r = plain_ask_policy(p, q, alone);
	if (r != KS_GO && !q->once)
		*m = (struct ks_memo){
			.by = decided_now(p, q->of.profile), .from = q->from, .to = q->to,
			.rule = q->rule, .what = plain_what(q), .reason = r, .quiet = q->quiet,
		};
	return r;
}

#endif
