// SPDX-License-Identifier: GPL-2.0-only
/*
 * Elements that one of two policies decides by what is written there: compared value by
 * value. Must not know about clients.
 */
#include <string.h>

#include "policy_diff_parts.h"

/* What a policy says of one value; `known` false: of what it cannot read as one. */
static struct verdict verdict_of_value(const struct diff_view *view, const struct verdict *v,
				       bool known, uint32_t bits)
{
	struct verdict one;

	if (!v->values)
		one = *v;
	else
		one = verdict_at(view->c, known ? &v->values->known : &v->values->unknown, bits);
	if (v->before)
		one.alert = v->before;
	if (!v->values)
		one.hi = KS_NO_VALUE;
	return one;
}

static uint32_t value_code(const struct ks_values *v)
{
	return DIFF_VALUES(v->type, v->form, v->odd);
}

static void add_set(struct policy_diff *d, struct pieces *out, const struct piece *p, uint32_t code,
		    uint32_t lo, uint32_t hi)
{
	struct numbers set = { 0 };

	numbers_add(out->mem, &set, code);
	for (size_t i = 0; i < p->v.n; i++)
		numbers_add(out->mem, &set, p->v.v[i]);
	pieces_add(out, p->change, pool_put(&d->sets, set.v, (uint32_t)set.n) + 1, lo, hi);
}

/* Both take the registers as the same kind of number, or one does not look at them. */
static void compare_alike(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
			  const struct verdict v[DIFF_SIDES], const struct ks_values *form,
			  uint32_t last, uint32_t lo, uint32_t hi, struct pieces *out)
{
	struct pieces values = { .mem = out->mem };
	struct piece unknown = { 0 };
	struct verdict one[DIFF_SIDES];
	bool whole;

	for (uint64_t at = 0, end; at <= last; at = end + 1) {
		end = last;
		for (int s = 0; s < DIFF_SIDES; s++) {
			one[s] = verdict_of_value(&view[s], &v[s], true, (uint32_t)at);
			end = one[s].hi < end ? one[s].hi : end;
		}
		if (views_differ(view, one))
			pieces_add(&values, change_of(view, &one[DIFF_OLD], &one[DIFF_NEW]), 0,
				   (uint32_t)at, (uint32_t)end);
	}
	for (int s = 0; s < DIFF_SIDES; s++)
		one[s] = verdict_of_value(&view[s], &v[s], form->form == KS_VF_WORD, 0);
	unknown.change = change_of(view, &one[DIFF_OLD], &one[DIFF_NEW]);
	whole = values.n == 1 && values.piece->v.n == 2 && !values.piece->v.v[0] &&
		values.piece->v.v[1] == last && views_differ(view, one) &&
		!memcmp(&unknown.change, &values.piece->change, sizeof(unknown.change));
	if (whole) {
		pieces_add(out, unknown.change, 0, lo, hi);
		return;
	}
	for (size_t i = 0; i < values.n; i++)
		add_set(d, out, &values.piece[i], value_code(form), lo, hi);
	if (form->form != KS_VF_WORD && views_differ(view, one))
		add_set(d, out, &unknown, value_code(form) | DIFF_VALUES_UNKNOWN, lo, hi);
}

/* Some value of which the policy says so; false: there is none. */
static bool finds_value(const struct diff_view *view, const struct verdict *v, bool says,
			struct verdict *out)
{
	*out = verdict_of_value(view, v, false, 0);
	if (view_says(view, out) == says)
		return true;
	for (uint64_t at = 0; at <= KS_NO_VALUE; at = (uint64_t)out->hi + 1) {
		*out = verdict_of_value(view, v, true, (uint32_t)at);
		if (view_says(view, out) == says)
			return true;
	}
	return false;
}

/* Each its own kind of number: some values change, which ones is no list of ranges. */
static void compare_unlike(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
			   const struct verdict v[DIFF_SIDES], uint32_t lo, uint32_t hi,
			   struct pieces *out)
{
	for (int now = 0; now < 2; now++) {
		struct verdict one[DIFF_SIDES];
		struct piece p = { 0 };

		if (!finds_value(&view[DIFF_OLD], &v[DIFF_OLD], !now, &one[DIFF_OLD]) ||
		    !finds_value(&view[DIFF_NEW], &v[DIFF_NEW], now, &one[DIFF_NEW]))
			continue;
		p.change = change_of(view, &one[DIFF_OLD], &one[DIFF_NEW]);
		add_set(d, out, &p, DIFF_VALUES_UNLIKE, lo, hi);
	}
}

void compare_elements(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
		      const struct verdict v[DIFF_SIDES], uint32_t fc, uint32_t lo, uint32_t hi,
		      struct pieces *out)
{
	const struct ks_values *was = v[DIFF_OLD].values, *now = v[DIFF_NEW].values;
	const struct ks_values *form = was ? was : now;

	if (!form) {
		if (views_differ(view, v))
			pieces_add(out, change_of(view, &v[DIFF_OLD], &v[DIFF_NEW]), 0, lo, hi);
	} else if (was && now && (was->form != now->form || was->odd != now->odd)) {
		compare_unlike(d, view, v, lo, hi, out);
	} else {
		compare_alike(d, view, v, form, fc == 5 || fc == 15 ? 1 :
			      form->form == KS_VF_WORD ? UINT16_MAX : KS_NO_VALUE, lo, hi, out);
	}
}
