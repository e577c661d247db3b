// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modbus: where two sets of tables decide differently, function by function, for each
 * set of units that neither tells apart. Must not know about clients.
 */
#include <string.h>

#include "policy_diff_parts.h"

#define UNITS 256

uint32_t modbus_row(const struct diff_view *v, uint32_t unit)
{
	const struct ks_profile_rec *prof = &v->c->profiles[v->a.profile];

	if (v->a.why)
		return v->a.why;
	return prof->units ? v->c->units[prof->units].row[unit] : prof->mb_row;
}

/* The same for requests that come as Modbus: the asset may not answer to the unit. */
static uint32_t listed_row(const struct diff_view *v, uint32_t unit)
{
	const struct ks_asset_rec *a = &v->c->assets[v->a.asset];

	if (!v->a.why && a->has_units && !(a->units[unit >> 3] >> (unit & 7) & 1))
		return DIFF_UNIT;
	return modbus_row(v, unit);
}

/* Function 43 has one sub-function with a length rule. */
static bool is_opaque(const struct ks_asset_rec *a, uint32_t fc, uint32_t at)
{
	bool listed = a->opaque[fc >> 3] >> (fc & 7) & 1;

	return fc == KS_FC_UMAS ? !a->umas : !function_has_length(fc, at) && !listed;
}

struct verdict modbus_verdict(const struct compiled_policy *c, uint32_t row,
			      const struct ks_asset_rec *asset, uint32_t fc, uint32_t at)
{
	struct verdict v;
	uint32_t hi = fc != 43 || at > 14 ? KS_NO_VALUE : at == 14 ? 14 : 13;

	if (DIFF_NO_RULE(row))
		v = verdict_of_why(row);
	else
		v = verdict_at(c, &c->modbus[row * MODBUS_CODES + fc], at);
	/* looked at before the unit is */
	if (asset && (!DIFF_NO_RULE(row) || row == DIFF_UNIT) && is_opaque(asset, fc, at))
		v = verdict_of_why(DIFF_OPAQUE);
	if (hi < v.hi)
		v.hi = hi;
	return v;
}

static void compare_function(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
			     const uint32_t row[DIFF_SIDES], uint32_t fc, struct pieces *out)
{
	uint64_t at = 0, last = function_last(fc);

	out->n = 0;
	while (at <= last) {
		struct verdict v[DIFF_SIDES];
		uint64_t hi = last;

		for (int s = 0; s < DIFF_SIDES; s++) {
			const struct compiled_policy *c = view[s].c;

			v[s] = modbus_verdict(c, row[s], &c->assets[view[s].a.asset], fc,
					      (uint32_t)at);
			hi = v[s].hi < hi ? v[s].hi : hi;
		}
		compare_elements(d, view, v, fc, (uint32_t)at, (uint32_t)hi, out);
		at = hi + 1;
	}
}

static void compare_rows(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
			 const uint32_t row[DIFF_SIDES], uint32_t units, struct items *out)
{
	struct arena tmp = { 0 };

	for (uint32_t fc = 1; fc < MODBUS_CODES; fc++) {
		struct pieces p = { .mem = &tmp };

		if (function_is_compound(fc))
			continue;
		compare_function(d, view, row, fc, &p);
		for (size_t i = 0; i < p.n; i++) {
			struct diff_item item = {
				.kind = DIFF_MODBUS, .change = p.piece[i].change, .units = units,
				.functions = pool_put(&d->sets, &fc, 1),
				.spans = piece_set(d, &p.piece[i], fc),
				.values = p.piece[i].values,
			};

			items_add(d, out, &item);
		}
	}
	arena_free(&tmp);
}

/* The units that share the rows of `unit`; they are marked as done. */
static uint32_t alike_units(struct policy_diff *d, uint32_t rows[UNITS][DIFF_SIDES],
			    uint32_t unit, bool done[UNITS])
{
	uint32_t set[UNITS], n = 0;

	for (uint32_t u = unit; u < UNITS; u++) {
		if (memcmp(rows[u], rows[unit], sizeof(rows[u])))
			continue;
		done[u] = true;
		set[n++] = u;
	}
	return pool_put(&d->sets, set, n);
}

void diff_modbus(struct policy_diff *d, const struct diff_view view[DIFF_SIDES], struct items *out)
{
	uint32_t rows[UNITS][DIFF_SIDES];
	bool done[UNITS] = { false };

	for (uint32_t u = 0; u < UNITS; u++)
		for (int s = 0; s < DIFF_SIDES; s++)
			rows[u][s] = listed_row(&view[s], u);
	for (uint32_t u = 0; u < UNITS; u++) {
		uint32_t units;

		if (done[u])
			continue;
		units = alike_units(d, rows, u, done);
		compare_rows(d, view, rows[u], units, out);
	}
}
