// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modbus: what each rule says per function, and from a rule list to a row of
 * 128 decisions. Must not know about clients or assets.
 */
#include <string.h>

#include "policy_compile.h"

#define ALL_ELEMENTS	KS_NO_VALUE

/* ---- plans ---- */

static bool is_whole(const struct intervals *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].lo && l->v[i].hi == ALL_ELEMENTS)
			return true;
	return false;
}

/* plain: what the rule selects it decides, whatever is written. */
static void plan_function(struct compiler *k, struct rule_plan *plan, uint32_t fc,
			  const struct intervals *l, bool plain)
{
	struct partial part = { .fc = fc, .first = (uint32_t)k->n_spans };

	if (plain && is_whole(l)) {
		plan->whole[fc / 64] |= 1ull << fc % 64;
		return;
	}
	if (!l->n)
		return;
	for (size_t i = 0; i < l->n; i++) {
		k->spans = arena_grow(&k->tmp, k->spans, k->n_spans, sizeof(*k->spans));
		k->spans[k->n_spans].lo = l->v[i].lo;
		k->spans[k->n_spans++].hi = l->v[i].hi;
	}
	part.count = (uint32_t)l->n;
	plan->partial = arena_grow(&k->tmp, plan->partial, plan->n_partial,
				   sizeof(*plan->partial));
	plan->partial[plan->n_partial++] = part;
}

/* One interval list a rule at a time: its memory is given back with the arena. */
static void plan_modbus(struct compiler *k, const struct policy_rule *r,
			struct rule_plan *plan)
{
	static const struct modbus_match everything;
	struct arena mem = { 0 };

	if (!rule_has_modbus(r))
		return;
	for (uint32_t fc = 1; fc < MODBUS_CODES; fc++) {
		struct intervals l = { .mem = &mem };

		modbus_elements(r->modbus ? r->modbus : &everything, fc, &l);
		plan_function(k, plan, fc, &l, !r->alert && !(r->modbus && r->modbus->values));
	}
	arena_free(&mem);
}

/* Sub-functions that the default allows, as runs; others have one answer for all. */
static void plan_defaults(struct compiler *k)
{
	for (uint32_t fc = 1; fc < MODBUS_CODES; fc++) {
		struct numbers *runs = &k->default_subs[fc];
		bool open = false;
		/* every listed sub-function is below 0x10000, so is every border */
		uint32_t last = function_elements(fc) == ELEMENT_SUB ? 0x10000 : 0;

		for (uint32_t sub = 0; sub <= last; sub++) {
			uint32_t s = last ? sub : KS_ANY;
			bool allow = default_allows_modbus(k->p->dflt, fc, s);

			if (allow != open)
				numbers_add(&k->tmp, runs, allow ? sub : sub - 1);
			open = allow;
		}
		if (open)
			numbers_add(&k->tmp, runs, ALL_ELEMENTS);
	}
}

static void plan_spans(struct compiler *k, const struct spans *s, struct numbers *out)
{
	for (size_t i = 0; i < s->n; i++) {
		numbers_add(&k->tmp, out, s->v[i].lo);
		numbers_add(&k->tmp, out, s->v[i].hi);
	}
}

/* As the file's own type, and as none: PLC-5 addresses say the number alone. */
static void plan_files(struct compiler *k, const struct cip_match *m, struct numbers *out)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const struct file_sel *f = &m->files[i];
		uint32_t type = f->type;

		for (int round = 0; round < 2; round++, type = 0) {
			numbers_add(&k->tmp, out, KS_PCCC_ELEMENT(type, f->file, f->span.lo));
			numbers_add(&k->tmp, out, KS_PCCC_ELEMENT(type, f->file, f->span.hi));
		}
	}
}

void compile_plans(struct compiler *k)
{
	const struct policy *p = k->p;

	k->plans = arena_alloc(&k->tmp, (p->n_rules + 1) * sizeof(*k->plans));
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		plan_modbus(k, r, &k->plans[i]);
		if (!r->cip)
			continue;
		plan_spans(k, &r->cip->instances, &k->plans[i].instances);
		plan_files(k, r->cip, &k->plans[i].instances);
		plan_spans(k, &r->cip->attributes, &k->plans[i].attributes);
	}
	plan_defaults(k);
}

/* ---- rows ---- */

struct row_builder {
	struct compiler *k;
	bool unit_zero;
	uint64_t open[2];		/* functions that no whole selection has decided */
	struct stretches part[MODBUS_CODES];
	struct ks_decision row[MODBUS_CODES];
};

static void close_function(struct row_builder *b, uint32_t fc, struct ks_decision d)
{
	struct stretches *s = &b->part[fc];

	b->open[fc / 64] &= ~(1ull << fc % 64);
	stretch_add(b->k, s, 0, ALL_ELEMENTS, d);
	b->row[fc] = compile_slice(b->k, s, function_last(fc));
}

static void apply_whole(struct row_builder *b, uint32_t rule)
{
	const struct rule_plan *plan = &b->k->plans[rule];
	const struct policy_rule *r = &b->k->p->rules[rule];

	for (unsigned int w = 0; w < 2; w++) {
		uint64_t hit = plan->whole[w] & b->open[w];

		for (; hit; hit &= hit - 1) {
			uint32_t fc = 64 * w + (uint32_t)__builtin_ctzll(hit);

			if (!b->unit_zero || rule_takes_unit(r, 0, fc))
				close_function(b, fc, rule_decision(b->k, rule));
		}
	}
}

static void apply_partial(struct row_builder *b, uint32_t rule)
{
	const struct rule_plan *plan = &b->k->plans[rule];
	const struct policy_rule *r = &b->k->p->rules[rule];

	for (size_t i = 0; i < plan->n_partial; i++) {
		const struct partial *p = &plan->partial[i];

		if (!(b->open[p->fc / 64] >> p->fc % 64 & 1))
			continue;
		if (b->unit_zero && !rule_takes_unit(r, 0, p->fc))
			continue;
		for (uint32_t s = p->first; s < p->first + p->count; s++)
			stretch_add_rule(b->k, &b->part[p->fc], b->k->spans[s].lo,
					 b->k->spans[s].hi, rule);
	}
}

static void apply_default(struct row_builder *b)
{
	for (uint32_t fc = 1; fc < MODBUS_CODES; fc++) {
		const struct numbers *runs = &b->k->default_subs[fc];

		if (!(b->open[fc / 64] >> fc % 64 & 1))
			continue;
		for (size_t i = 0; i + 1 < runs->n; i += 2)
			stretch_add(b->k, &b->part[fc], runs->v[i], runs->v[i + 1],
				    default_decision(true));
		close_function(b, fc, default_decision(false));
	}
}

uint32_t compile_modbus_row(struct compiler *k, const struct numbers *rules,
			    bool unit_zero)
{
	struct row_builder *b = scratch(k, &k->row_room, sizeof(*b));
	uint32_t row;

	/* keep the room of the stretch lists from row to row */
	for (uint32_t fc = 0; fc < MODBUS_CODES; fc++) {
		b->part[fc].n = 0;
		b->part[fc].fc = fc;
	}
	memset(b->row, 0, sizeof(b->row));
	b->k = k;
	b->unit_zero = unit_zero;
	b->open[0] = ~1ull;
	b->open[1] = ~0ull;
	for (size_t i = 0; i < rules->n && (b->open[0] | b->open[1]); i++) {
		apply_partial(b, rules->v[i]);
		apply_whole(b, rules->v[i]);
	}
	apply_default(b);
	row = pool_put(&k->modbus_rows, b->row, MODBUS_CODES);
	if (k->modbus_rows.n > POLICY_ROWS_MAX)
		compile_limit(k, POLICY_ROWS_MAX, "different sets of Modbus decisions");
	return row;
}
