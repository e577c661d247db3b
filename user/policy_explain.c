// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judging one request rule by rule, see policy_explain.h. What one rule says is
 * policy_says.c's; must not look at compiled tables.
 */
#include <string.h>

#include "../bpf/cip_modbus.h"
#include "../bpf/pccc.h"
#include "policy_explain.h"
#include "policy_zones.h"

/* A rule that decides the elements of its set, unless a rule before it does. */
struct candidate {
	uint32_t rule;
	bool shuts;
	struct intervals set;
};

struct asking {
	const struct policy *p;
	const struct policy_request *q;
	uint32_t asset;			/* 1-based */
	struct arena *mem;
	struct candidate *candidate;	/* for one part */
	size_t n;
};

/* The rule takes some elements, but not this one. */
static enum rule_says element_against(const struct request_part *part)
{
	if (!part->modbus)
		return RULE_OTHER_FILE;
	return function_elements(part->function) == ELEMENT_ADDRESS ? RULE_OTHER_ADDRESS :
								      RULE_OTHER_FUNCTION;
}

static void collect_candidates(struct asking *k, const struct request_part *part)
{
	k->n = 0;
	k->candidate = NULL;
	for (uint32_t i = 0; i < k->p->n_rules; i++) {
		struct candidate c = { .rule = i, .set.mem = k->mem };
		enum rule_says says = rule_says(k->p, &k->p->rules[i], k->q, k->asset, part,
						&c.set);

		if (says != RULE_DECIDES && says != RULE_SHUTS)
			continue;
		c.shuts = says == RULE_SHUTS;
		k->candidate = arena_grow(k->mem, k->candidate, k->n, sizeof(c));
		k->candidate[k->n++] = c;
	}
}

static bool default_allows(const struct asking *k, const struct request_part *part,
			   uint32_t element)
{
	if (!part->modbus)
		return default_allows_cip(k->p->dflt, k->q->service, k->q->key_class);
	return default_allows_modbus(k->p->dflt, part->function,
				     function_elements(part->function) == ELEMENT_SUB ? element :
											KS_ANY);
}

/* The last element up to `hi` before some set begins or ends. */
static uint32_t next_border(const struct intervals *set, uint32_t at, uint32_t hi)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->v[i].lo > at && set->v[i].lo <= hi)
			hi = set->v[i].lo - 1;
		if (set->v[i].lo <= at && set->v[i].hi >= at && set->v[i].hi < hi)
			hi = set->v[i].hi;
	}
	return hi;
}

/*
 * Whether the rule holds what is written to the element: `step` values behind the least
 * that it may be, where the request leaves that open (FC 22). What cannot be known is held
 * by rules that deny or mark, not by those that allow.
 */
static bool holds_value(const struct asking *k, const struct request_part *part, uint32_t rule,
			uint32_t step, struct decided *d)
{
	const struct policy_rule *r = &k->p->rules[rule];
	struct written w;

	if (!part->modbus || !r->modbus || !r->modbus->values)
		return true;
	w = request_written(k->q, part, r->modbus, d->of.lo);
	w.lo += step;
	d->of.hi = d->of.lo;
	if (!d->valued) {
		d->valued = true;
		d->value_rule = rule;
		d->value = w;
	}
	switch (values_say(r->modbus->values, w.known, w.lo)) {
	case VALUE_HELD:
		return true;
	case VALUE_OTHER:
		return false;
	case VALUE_UNKNOWN:
		break;
	}
	return !r->allow;
}

static struct decided decide_value(const struct asking *k, const struct request_part *part,
				   uint32_t at, uint32_t step)
{
	struct decided d = { .of = { at, part->of.hi } };

	for (size_t i = 0; i < k->n; i++) {
		const struct candidate *c = &k->candidate[i];

		d.of.hi = next_border(&c->set, at, d.of.hi);
		if (!set_holds(&c->set, at) || !holds_value(k, part, c->rule, step, &d))
			continue;
		if (k->p->rules[c->rule].alert) {
			d.alert = d.alert ? d.alert : c->rule + 1;
			continue;
		}
		d.shut = c->shuts;
		d.rule = c->shuts ? 0 : c->rule + 1;
		d.allow = !c->shuts && k->p->rules[c->rule].allow;
		return d;
	}
	d.allow = default_allows(k, part, at);
	return d;
}

/* How many values from `bits` on all rules take alike. */
static uint32_t alike_values(const struct asking *k, uint32_t bits, uint32_t hi)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct policy_rule *r = &k->p->rules[k->candidate[i].rule];

		if (r->modbus && r->modbus->values)
			hi = values_border(r->modbus->values, bits, hi);
	}
	return hi - bits + 1;
}

/* Where several values may be written each of them has to be allowed. */
static struct decided decide(const struct asking *k, const struct request_part *part, uint32_t at)
{
	struct decided first = decide_value(k, part, at, 0), d = first;
	uint32_t lo = first.value.lo, hi = first.value.hi, step = 0;

	while (first.valued && first.value.known && d.allow) {
		step += alike_values(k, lo + step, hi);
		/* not lo + step > hi: hi may be the last number there is */
		if (step > hi - lo)
			break;
		d = decide_value(k, part, at, step);
		d.alert = first.alert ? first.alert : d.alert;
		first.alert = d.alert;
	}
	return d.allow ? first : d;
}

static bool same_decision(const struct decided *a, const struct decided *b)
{
	return a->rule == b->rule && a->allow == b->allow && a->shut == b->shut &&
	       a->alert == b->alert;
}

/* Returns whether every element is allowed. */
static bool decide_part(struct asking *k, struct part_answer *a)
{
	bool allow = true;
	uint64_t at = a->part.of.lo;

	collect_candidates(k, &a->part);
	while (at <= a->part.of.hi) {
		struct decided d = decide(k, &a->part, (uint32_t)at);

		at = (uint64_t)d.of.hi + 1;
		allow &= d.allow;
		if (a->n && same_decision(&a->run[a->n - 1], &d)) {
			a->run[a->n - 1].of.hi = d.of.hi;
			continue;
		}
		a->run = arena_grow(k->mem, a->run, a->n, sizeof(*a->run));
		a->run[a->n++] = d;
	}
	return allow;
}

/* ---- a request ---- */

static void add_part(struct explanation *x, struct request_part part)
{
	x->part[x->n_parts++].part = part;
}

/* FC 23 is judged as FC 16 and FC 3, class 0x44 as CIP and as the Modbus in it. */
static void split_request(const struct policy_request *q, struct explanation *x)
{
	struct request_part modbus = {
		.modbus = true, .unit = q->proto == KS_MODBUS ? q->unit : 255,
		.function = q->function, .of = q->own,
	};

	if (q->proto != KS_MODBUS)
		add_part(x, (struct request_part){
			.of = q->has_file ? q->own : (struct elements){ 0, 0 } });
	if (function_is_compound(q->function)) {
		modbus.function = 16;
		modbus.of = q->written;
		add_part(x, modbus);
		modbus.function = 3;
		modbus.of = q->own;
	}
	if (q->function)
		add_part(x, modbus);
}

/* Parts behind a refused one are not looked at. */
static void decide_parts(struct asking *k, struct explanation *x)
{
	x->reason = KS_R_ok;
	for (size_t i = 0; i < x->n_parts; i++) {
		struct part_answer *a = &x->part[i];
		bool allow = decide_part(k, a);

		for (size_t n = 0; !x->alert && n < a->n && (!n || a->run[n - 1].allow); n++)
			x->alert = a->run[n].alert;
		if (allow)
			continue;
		x->reason = KS_R_policy_deny;
		x->n_parts = i + 1;
		x->about = i;
		for (x->run = a->run; x->run->allow;)
			x->run++;
		return;
	}
	x->about = x->n_parts - 1;
	x->run = x->part[x->about].run;
}

/* What a rule that takes the element says to what is written there. */
static enum rule_says value_against(const struct asking *k, const struct request_part *part,
				    uint32_t rule, const struct decided *run)
{
	struct decided d = { .of = { run->of.lo, run->of.lo } };
	uint32_t step = 0;

	if (run->valued && part->function == 22 && run->value.known)
		step = run->value.lo - (k->q->values[1] & ~(uint32_t)k->q->values[0] & UINT16_MAX);
	if (!holds_value(k, part, rule, step, &d))
		return RULE_OTHER_VALUE;
	return k->p->rules[rule].alert ? RULE_MARKS : RULE_DECIDES;
}

/* Every rule up to the one that decides the element reported. */
static void consider_rules(struct asking *k, struct explanation *x)
{
	const struct request_part *part = &x->part[x->about].part;
	uint32_t element = x->run->of.lo;

	for (size_t i = 0; i < k->p->n_rules; i++) {
		struct intervals set = { .mem = k->mem };
		enum rule_says says = rule_says(k->p, &k->p->rules[i], k->q, k->asset, part,
						&set);

		if (says == RULE_DECIDES && !set_holds(&set, element))
			says = element_against(part);
		if (says == RULE_DECIDES)
			says = value_against(k, part, (uint32_t)i, x->run);
		x->considered = arena_grow(k->mem, x->considered, i, sizeof(says));
		x->considered[x->n_considered++] = says;
		if (says == RULE_DECIDES || says == RULE_SHUTS)
			return;
	}
}

/* ---- what is refused before any rule is asked ---- */

static bool is_listed(const uint8_t *bitmap, uint32_t bit)
{
	return bitmap[bit >> 3] >> (bit & 7) & 1;
}

static enum ks_reason modbus_refused(const struct policy_asset *a, const struct policy_request *q)
{
	uint32_t sub = q->own.lo;

	if (q->function == KS_FC_UMAS ? !a->umas :
	    !function_has_length(q->function, sub) && !is_listed(a->opaque, q->function))
		return KS_R_function_opaque;
	return spans_hold(&a->units, q->unit) ? KS_R_ok : KS_R_unit_unlisted;
}

static enum ks_reason enip_refused(const struct policy_request *q)
{
	static const uint8_t passed[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22 };

	if (ks_is_pccc(q->key_class) &&
	    ks_pccc_code(q->service, q->key_class) == (0x0f00 | PCCC_MULTIPLE))
		return KS_R_nesting;
	if (q->key_class == CIP_MODBUS && q->service == CIP_MODBUS_PASS &&
	    !memchr(passed, (int)q->function, sizeof(passed)))
		return KS_R_function_opaque;
	return KS_R_ok;
}

static bool asset_speaks(const struct policy_asset *a, enum ks_proto proto)
{
	return proto == KS_MODBUS ? a->modbus : a->enip;
}

static enum ks_reason refused_before(const struct policy *p, const struct policy_request *q,
				     uint32_t asset)
{
	if (policy_protects(p, &q->client))
		return KS_R_spoofed;
	if (p->zoned && (!policy_zone_at(p, &q->client) || !policy_zone_at(p, &q->server)))
		return KS_R_zone_unknown;
	if (!asset || !asset_speaks(&p->assets[asset - 1], q->proto))
		return p->unlisted == KS_ALLOW ? KS_R_unlisted_allowed : KS_R_unlisted;
	return q->proto == KS_MODBUS ? modbus_refused(&p->assets[asset - 1], q) : enip_refused(q);
}

void policy_explain(const struct policy *p, const struct policy_request *q,
		    struct explanation *x)
{
	struct asking k = { .p = p, .q = q, .mem = &x->mem };

	*x = (struct explanation){ .asset = policy_asset_at(p, &q->server) };
	x->reason = refused_before(p, q, x->asset);
	if (x->reason != KS_R_ok)
		return;
	k.asset = x->asset;
	split_request(q, x);
	decide_parts(&k, x);
	consider_rules(&k, x);
}

void explanation_free(struct explanation *x)
{
	arena_free(&x->mem);
	*x = (struct explanation){ 0 };
}
