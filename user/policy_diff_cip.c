// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIP: where two sets of tables decide differently, for each set of routes, class and
 * service, over instances (tags, file elements) and attributes. Must not know about
 * clients.
 */
#include <string.h>

#include "policy_diff_cip.h"

/* Route number of the comparison -> row of one policy. */
static uint32_t row_of_route(const struct policy_diff *d, const struct diff_view *v,
			     enum diff_sides s, uint32_t route)
{
	const struct ks_profile_rec *prof = &v->c->profiles[v->a.profile];

	if (v->a.why)
		return v->a.why;
	return prof->routes ? v->c->route_rows[prof->routes + d->route_ids[s][route]] :
			      prof->cip_row;
}

/* ---- boxes of one cell ---- */

/* Both decisions over the attributes of a stretch of instances. */
static void walk_attributes(struct comparison *k, const struct ks_decision *inner[DIFF_SIDES],
			    struct diff_box box, box_fn *visit)
{
	uint64_t at = 0;

	while (at <= KS_NO_VALUE) {
		struct verdict v[DIFF_SIDES];
		uint32_t hi = KS_NO_VALUE;

		for (int s = 0; s < DIFF_SIDES; s++) {
			v[s] = inner[s] ? verdict_at(k->view[s].c, inner[s], (uint32_t)at) :
					  verdict_of_why(k->rows->cip[s]);
			hi = v[s].hi < hi ? v[s].hi : hi;
		}
		box.attr_lo = (uint32_t)at;
		box.attr_hi = hi;
		visit(k, &box, v);
		at = (uint64_t)hi + 1;
	}
}

static void walk_instances(struct comparison *k, box_fn *visit)
{
	uint64_t at = 0;

	while (at <= KS_NO_VALUE) {
		const struct ks_decision *inner[DIFF_SIDES] = { NULL };
		struct diff_box box = { .lo = (uint32_t)at, .hi = KS_NO_VALUE };

		for (int s = 0; s < DIFF_SIDES; s++) {
			uint32_t hi = KS_NO_VALUE;

			if (k->cell[s])
				inner[s] = decision_at(k->view[s].c, k->cell[s], box.lo, &hi);
			box.hi = hi < box.hi ? hi : box.hi;
		}
		walk_attributes(k, inner, box, visit);
		at = (uint64_t)box.hi + 1;
	}
}

static bool by_instance(const struct ks_decision *cell)
{
	return cell && cell->kind == KS_K_SLICE;
}

/* Each policy has its own numbers for tags: tag by tag, 0 is any that neither names. */
static void walk_tags(struct comparison *k, box_fn *visit)
{
	const struct policy_diff *d = k->d;
	bool alike = !by_instance(k->cell[DIFF_OLD]) && !by_instance(k->cell[DIFF_NEW]);
	struct diff_box box = { .hi = alike ? (uint32_t)d->n_tags : 0 };

	for (; box.hi <= d->n_tags; box.lo = ++box.hi) {
		const struct ks_decision *inner[DIFF_SIDES] = { NULL };
		uint32_t hi;

		for (int s = 0; s < DIFF_SIDES; s++)
			if (k->cell[s])
				inner[s] = decision_at(k->view[s].c, k->cell[s],
						       d->tag_ids[s][box.lo], &hi);
		walk_attributes(k, inner, box, visit);
	}
}

static void walk_cell(struct comparison *k, box_fn *visit)
{
	if (k->d->classes[k->class] == KS_CLASS_TAG)
		walk_tags(k, visit);
	else
		walk_instances(k, visit);
}

static bool joined(struct diff_box *a, const struct diff_box *b)
{
	if (a->lo == b->lo && a->hi == b->hi && a->attr_hi + 1 == b->attr_lo)
		a->attr_hi = b->attr_hi;
	else if (a->attr_lo == b->attr_lo && a->attr_hi == b->attr_hi && a->hi + 1 == b->lo)
		a->hi = b->hi;
	else
		return false;
	return true;
}

/* A box is collected with those of its change. */
static void collect_box(struct comparison *k, const struct diff_box *box,
			const struct verdict v[DIFF_SIDES])
{
	struct diff_change change = change_of(k->view, &v[DIFF_OLD], &v[DIFF_NEW]);
	struct stack *s = k->stack;

	if (!views_differ(k->view, v))
		return;
	while (s < k->stack + k->n && memcmp(&s->change, &change, sizeof(change)))
		s++;
	if (s == k->stack + k->n) {
		k->stack = arena_grow(&k->tmp, k->stack, k->n, sizeof(*k->stack));
		s = &k->stack[k->n++];
		*s = (struct stack){ .change = change };
	}
	if (s->n && joined(&s->v[s->n - 1], box))
		return;
	s->v = arena_grow(&k->tmp, s->v, s->n, sizeof(*s->v));
	s->v[s->n++] = *box;
}

/* Every tag, instance or element: then it does not matter which of them are meant. */
static uint32_t kind_of(const struct comparison *k, struct stack *s)
{
	uint32_t class = k->d->classes[k->class];
	bool tag = class == KS_CLASS_TAG;

	if (s->n == 1 && !s->v->lo && s->v->hi == (tag ? k->d->n_tags : KS_NO_VALUE)) {
		s->v->hi = KS_NO_VALUE;
		return DIFF_CIP;
	}
	return tag ? DIFF_TAG : ks_is_pccc(class) ? DIFF_PCCC : DIFF_CIP;
}

/* ---- leaves ---- */

/* The present leaf's cells go to the items that its changes make. */
static void compare_leaf(struct comparison *k, const struct diff_leaf *leaf)
{
	uint32_t n;
	const uint32_t *cells = pool_get(&k->d->sets, leaf->cells, &n);

	k->n = 0;
	k->stack = NULL;
	walk_cell(k, collect_box);
	for (size_t i = 0; i < k->n; i++) {
		struct diff_item item = {
			.kind = kind_of(k, &k->stack[i]), .change = k->stack[i].change,
			.boxes = pool_put(&k->d->boxes, k->stack[i].v, (uint32_t)k->stack[i].n),
		};
		uint32_t known = (uint32_t)k->items.n, id = pool_put(&k->items, &item, 1);

		if (id == known) {
			k->cells = arena_grow(&k->tmp, k->cells, id, sizeof(*k->cells));
			k->cells[id] = (struct numbers){ 0 };
		}
		for (uint32_t c = 0; c < n; c++)
			numbers_add(&k->tmp, &k->cells[id], cells[c]);
	}
}

static void emit_items(struct comparison *k)
{
	for (uint32_t i = 0; i < k->items.n; i++) {
		struct diff_item item = *(struct diff_item *)pool_get(&k->items, i, NULL);

		numbers_sort_unique(&k->cells[i]);
		item.cells = pool_put(&k->d->sets, k->cells[i].v, (uint32_t)k->cells[i].n);
		items_add(k->d, k->out, &item);
	}
}

static void compare_rows(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
			 const struct rows *rows, struct items *out)
{
	struct comparison k = { .d = d, .view = view, .rows = rows, .out = out };

	pool_init(&k.items, &k.tmp, sizeof(struct diff_item));
	for (size_t i = 0; i < d->n_leaves; i++) {
		const struct diff_leaf *leaf = &d->leaves[i];

		k.class = leaf->class;
		k.service = leaf->service;
		for (int s = 0; s < DIFF_SIDES; s++) {
			const struct compiled_policy *c = view[s].c;
			size_t row = (size_t)rows->cip[s] * c->cfg->leaves;

			k.cell[s] = DIFF_NO_RULE(rows->cip[s]) ? NULL :
				    &c->cip[row + leaf->leaf[s]];
		}
		if (diff_holds_modbus(d->classes[k.class], k.service))
			walk_cell(&k, inner_box);
		else
			compare_leaf(&k, leaf);
	}
	emit_items(&k);
	arena_free(&k.tmp);
}

/* ---- routes ---- */

static void compare_routes(struct policy_diff *d, const struct diff_view view[DIFF_SIDES],
			   const struct rows *rows, uint32_t routes, struct items *out)
{
	struct items own = { .mem = out->mem };

	compare_rows(d, view, rows, &own);
	join_inner(d, &own);
	for (size_t i = 0; i < own.n; i++) {
		out->v = arena_grow(out->mem, out->v, out->n, sizeof(*out->v));
		out->v[out->n] = own.v[i];
		out->v[out->n++].routes = routes;
	}
}

void diff_cip(struct policy_diff *d, const struct diff_view view[DIFF_SIDES], struct items *out)
{
	uint32_t n = KS_ROUTE_NAMED + (uint32_t)d->n_routes;
	struct rows *rows = arena_alloc(out->mem, n * sizeof(*rows));
	uint32_t *set = arena_alloc(out->mem, n * sizeof(*set));
	bool *done = arena_alloc(out->mem, n * sizeof(*done));

	for (uint32_t r = 0; r < n; r++) {
		for (int s = 0; s < DIFF_SIDES; s++) {
			rows[r].cip[s] = row_of_route(d, &view[s], s, r);
			rows[r].modbus[s] = modbus_row(&view[s], 255);
		}
	}
	for (uint32_t r = 0; r < n; r++) {
		uint32_t count = 0;

		if (done[r])
			continue;
		for (uint32_t other = r; other < n; other++) {
			if (memcmp(&rows[other], &rows[r], sizeof(*rows)))
				continue;
			done[other] = true;
			set[count++] = other;
		}
		compare_routes(d, view, &rows[r], pool_put(&d->sets, set, count), out);
	}
}
