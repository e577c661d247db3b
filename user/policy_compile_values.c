// SPDX-License-Identifier: GPL-2.0-only
/*
 * Elements about which several rules speak at once: alert rules mark them before another
 * rule decides, rules with values decide by what is written. Makes one decision of them,
 * over values if need be. Must not know about clients or assets.
 */
#include <string.h>

#include "policy_compile.h"

/* First alert among them, and what decides if nothing is known of values. */
static struct ks_decision without_values(const struct stretches *s, const struct numbers *by)
{
	const struct stretch *t = NULL;
	struct ks_decision d;
	uint32_t alert = 0;

	for (size_t i = 0; i < by->n; i++) {
		t = &s->v[by->v[i]];
		if (t->d.kind == STRETCH_ALERT && !alert)
			alert = t->d.rule;
		/* what cannot be seen may be what a rule denies, and is not what one allows */
		if (t->d.kind == KS_K_DENY || stretch_is_plain(t))
			break;
	}
	d = t->d;
	d.alert = alert;
	return d;
}

/* All take the element as the same kind of number: the first that does, NULL = none. */
static const struct stretch *first_valued(struct compiler *k, const struct stretches *s,
					  const struct numbers *by)
{
	const struct stretch *first = NULL;

	for (size_t i = 0; i < by->n && !k->failed; i++) {
		const struct stretch *t = &s->v[by->v[i]];

		if (!t->values)
			continue;
		if (!first)
			first = t;
		if (t->values->form == first->values->form &&
		    (!value_form_is_pair(t->values) || t->lo % 2 == first->lo % 2))
			continue;
		diag_error(k->d, t->values->at,
			   "rule '%s' takes registers about %u as other numbers than rule '%s' does: one or two registers, the order of words or where pairs begin; expected one type of values for an address",
			   k->p->rules[t->d.rule - 1].name, t->lo,
			   k->p->rules[first->d.rule - 1].name);
		k->failed = true;
	}
	return first;
}

/* The decision over what is written, value by value. */
static struct ks_decision over_values(struct compiler *k, const struct stretches *s,
				      const struct numbers *by, uint32_t last)
{
	struct stretches *out = &k->over_values;
	struct ks_decision d;

	out->n = 0;
	for (size_t i = 0; i < by->n; i++) {
		const struct stretch *t = &s->v[by->v[i]];

		if (!t->values)
			stretch_add(k, out, 0, UINT32_MAX, t->d);
		for (size_t b = 0; t->values && b < t->values->bits.n; b++)
			stretch_add(k, out, t->values->bits.v[b].lo, t->values->bits.v[b].hi, t->d);
	}
	k->depth++;
	d = compile_slice(k, out, last);
	k->depth--;
	return d;
}

struct ks_decision compile_together(struct compiler *k, const struct stretches *s,
				    const struct numbers *by)
{
	const struct stretch *first = first_valued(k, s, by);
	struct ks_values v = { .unknown = without_values(s, by) };
	bool coils = s->fc == 5 || s->fc == 15;

	if (!first || k->failed)
		return v.unknown;
	/* one register alone is no pair */
	if (value_form_is_pair(first->values) && s->fc != 16)
		return v.unknown;
	v.form = (uint8_t)first->values->form;
	v.type = (uint8_t)first->values->type;
	v.odd = value_form_is_pair(first->values) && first->lo % 2;
	v.known = over_values(k, s, by, coils ? 1 : v.form == KS_VF_WORD ? UINT16_MAX : UINT32_MAX);
	if (v.form != KS_VF_WORD) {
		k->c->rule_used[v.unknown.rule] = 1;
		if (v.unknown.alert)
			k->c->rule_used[v.unknown.alert] = 1;
	}
	if (!memcmp(&v.known, &v.unknown, sizeof(v.known)))
		return v.known;
	if (k->values.n >= POLICY_VALUES_MAX)
		compile_limit(k, POLICY_VALUES_MAX, "sets of values for one address of a client and asset");
	return (struct ks_decision){ .kind = KS_K_VALUES, .first = pool_put(&k->values, &v, 1) };
}
