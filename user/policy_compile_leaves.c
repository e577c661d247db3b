// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIP: which (class, service) pairs a policy can tell apart. All pairs start
 * as one set per (service, group); every distinct selector of the rules splits
 * the sets it cuts; what remains together shares one leaf number.
 */
#include <string.h>

#include "policy_compile.h"

/* The table of pairs: class index 0 stands for every class that has no name. */
struct cells {
	struct compiler *k;
	uint32_t *classes;	/* class index -> key_class, [0] = KS_ANY */
	uint32_t n_classes;
	uint32_t *leaf;		/* class index * CIP_SERVICES + service */
	uint32_t n_leaves;
	uint32_t *split;	/* leaf -> its other half in this step + 1 */
	size_t split_room;
	struct numbers touched;
};

/* ---- selectors ---- */

/* All that rule_selects_cip() looks at, as numbers: equal ones select the same pairs. */
static uint32_t intern_selection(struct compiler *k, const struct policy_rule *r)
{
	const struct cip_match *m = r->cip;
	struct numbers n = { 0 };
	uint32_t id;

	numbers_add(&k->tmp, &n, (uint32_t)r->io << 2 | (m ? 2u : 0) | (r->allow ? 1u : 0));
	if (m) {
		numbers_add(&k->tmp, &n, (m->n_tags ? 1u : 0) | (m->instances.n ? 2u : 0) |
			    (m->attributes.n ? 4u : 0) | (m->pccc ? 8u : 0));
		for (size_t i = 0; i < m->n_services; i++)
			numbers_add(&k->tmp, &n, (uint32_t)m->services[i].kind << 16 |
				    m->services[i].code);
		numbers_add(&k->tmp, &n, KS_ANY);
		for (size_t i = 0; i < m->classes.n; i++)
			numbers_add(&k->tmp, &n, m->classes.v[i].lo);
	}
	id = pool_put(&k->selections, n.v, (uint32_t)n.n);
	if (id == k->n_selections) {
		k->selection_rule = arena_grow(&k->tmp, k->selection_rule, id,
					       sizeof(*k->selection_rule));
		k->selection_rule[k->n_selections++] = r;
	}
	return id;
}

static void collect_selections(struct compiler *k)
{
	pool_init(&k->selections, &k->tmp, sizeof(uint32_t));
	for (size_t i = 0; i < k->p->n_rules; i++)
		if (rule_has_cip(&k->p->rules[i]))
			k->plans[i].selection = intern_selection(k, &k->p->rules[i]);
}

/* ---- classes ---- */

static void collect_classes(struct cells *c)
{
	const struct policy *p = c->k->p;
	struct numbers keys = { 0 };
	const struct ks_class_row *rows;
	const struct ks_cip_row *services;
	unsigned int n;

	rows = ks_class_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		numbers_add(&c->k->tmp, &keys, rows[i].class);
	services = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (services[i].class != KS_ANY)
			numbers_add(&c->k->tmp, &keys, services[i].class);
	for (size_t r = 0; r < p->n_rules; r++)
		for (size_t i = 0; p->rules[r].cip && i < p->rules[r].cip->classes.n; i++)
			numbers_add(&c->k->tmp, &keys, p->rules[r].cip->classes.v[i].lo);
	for (uint32_t class = KS_CLASS_PCCC; class < KS_CLASS_PCCC_END; class++)
		numbers_add(&c->k->tmp, &keys, class);
	numbers_sort_unique(&keys);
	c->n_classes = (uint32_t)keys.n + 1;
	c->classes = arena_alloc(&c->k->tmp, c->n_classes * sizeof(*c->classes));
	c->classes[0] = KS_ANY;
	memcpy(c->classes + 1, keys.v, keys.n * sizeof(*keys.v));
}

/* ---- splitting ---- */

/* Moves one pair to the other half of its set; halves are made when first needed. */
static void move_cell(struct cells *c, uint32_t *leaf)
{
	uint32_t old = *leaf;

	if (!c->split[old]) {
		c->split[old] = ++c->n_leaves;
		numbers_add(&c->k->tmp, &c->touched, old);
	}
	*leaf = c->split[old] - 1;
}

/* A set that moved as a whole leaves its old number unused: numbers are packed again. */
static void pack(struct cells *c)
{
	size_t n = (size_t)c->n_classes * CIP_SERVICES;
	uint32_t *number = arena_alloc(&c->k->tmp, c->n_leaves * sizeof(*number));
	uint32_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (!number[c->leaf[i]])
			number[c->leaf[i]] = ++used;
		c->leaf[i] = number[c->leaf[i]] - 1;
	}
	c->n_leaves = used;
}

/* Room for every set to be split once in the step that follows. */
static void begin_step(struct cells *c)
{
	if (2 * (size_t)c->n_leaves >= c->split_room) {
		pack(c);
		c->split_room = 8 * (size_t)c->n_leaves + 64;
		c->split = arena_alloc(&c->k->tmp, c->split_room * sizeof(*c->split));
	}
	for (size_t i = 0; i < c->touched.n; i++)
		c->split[c->touched.v[i]] = 0;
	c->touched.n = 0;
}

static bool class_listed(const struct policy_rule *r, uint32_t key_class)
{
	if (!r->cip || !r->cip->classes.n || ks_is_pccc(key_class))
		return true;
	for (size_t i = 0; i < r->cip->classes.n; i++)
		if (r->cip->classes.v[i].lo == key_class)
			return true;
	return false;
}

static void split_by_rule(struct cells *c, const struct policy_rule *r)
{
	begin_step(c);
	for (uint32_t i = 0; i < c->n_classes; i++) {
		if (!class_listed(r, c->classes[i]))
			continue;
		for (uint32_t s = 0; s < CIP_SERVICES; s++)
			if (rule_selects_cip(r, s, c->classes[i]))
				move_cell(c, &c->leaf[i * CIP_SERVICES + s]);
	}
}

/* The borders that no rule draws: groups, default, symbol writes, kinds of traffic. */
static void first_sets(struct cells *c)
{
	for (uint32_t i = 0; i < c->n_classes; i++) {
		for (uint32_t s = 0; s < CIP_SERVICES; s++) {
			uint32_t class = c->classes[i];
			static const struct cip_match tags = { .n_tags = 1 };
			static const struct policy_rule tag_rule = {
				.cip = (struct cip_match *)&tags,
			};
			uint32_t set = ks_cip_group(s, class);

			set = 2 * set + default_allows_cip(c->k->p->dflt, s, class);
			set = 2 * set + rule_shuts_symbols(&tag_rule, s, class);
			set = 2 * set + (class == KS_CLASS_IO);
			c->leaf[i * CIP_SERVICES + s] = set;
		}
	}
	c->n_leaves = 8 * KS_GROUPS;
	pack(c);
}

/* ---- results ---- */

static void set_bit(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= 1ull << i % 64;
}

/* What holds for a leaf holds for each of its pairs, so any of them will do. */
static void describe_leaves(struct cells *c)
{
	struct compiler *k = c->k;
	static const struct cip_match tags = { .n_tags = 1 };
	static const struct policy_rule tag_rule = { .cip = (struct cip_match *)&tags };
	uint8_t *seen = arena_alloc(&k->tmp, c->n_leaves);

	k->leaf_words = (c->n_leaves + 63) / 64;
	k->leaf_sets = arena_alloc(&k->tmp, (k->n_selections + 1) * k->leaf_words * 8);
	k->shut_leaves = arena_alloc(&k->tmp, k->leaf_words * 8);
	k->default_leaves = arena_alloc(&k->tmp, k->leaf_words * 8);
	k->leaf_kind = arena_alloc(&k->tmp, c->n_leaves);
	for (uint32_t i = 0; i < c->n_classes * CIP_SERVICES; i++) {
		uint32_t class = c->classes[i / CIP_SERVICES], s = i % CIP_SERVICES;
		uint32_t leaf = c->leaf[i];

		if (seen[leaf])
			continue;
		seen[leaf] = 1;
		k->leaf_kind[leaf] = class == KS_CLASS_IO ? LEAF_IO : LEAF_ENIP;
		if (default_allows_cip(k->p->dflt, s, class))
			set_bit(k->default_leaves, leaf);
		if (rule_shuts_symbols(&tag_rule, s, class))
			set_bit(k->shut_leaves, leaf);
		for (uint32_t sel = 0; sel < k->n_selections; sel++)
			if (rule_selects_cip(k->selection_rule[sel], s, class))
				set_bit(k->leaf_sets + sel * k->leaf_words, leaf);
	}
}

static void emit_tables(struct cells *c)
{
	struct compiled_policy *out = c->k->c;

	out->n_classes = c->n_classes - 1;
	out->class_keys = arena_alloc(&out->mem, c->n_classes * sizeof(uint32_t));
	out->class_index = arena_alloc(&out->mem, c->n_classes * sizeof(uint32_t));
	for (uint32_t i = 1; i < c->n_classes; i++) {
		out->class_keys[i - 1] = c->classes[i];
		out->class_index[i - 1] = i;
		if (c->classes[i] == KS_CLASS_TAG && i <= UINT16_MAX)
			out->cfg->tag_class = (uint16_t)i;
	}
	out->n_leaf_rows = c->n_classes;
	out->leaves = arena_alloc(&out->mem, c->n_classes * CIP_SERVICES *
				  sizeof(*out->leaves));
	for (uint32_t i = 0; i < c->n_classes * CIP_SERVICES; i++) {
		out->leaves[i].leaf = (uint16_t)c->leaf[i];
		out->leaves[i].group = (uint8_t)ks_cip_group(i % CIP_SERVICES,
							     c->classes[i / CIP_SERVICES]);
	}
	out->cfg->leaves = c->n_leaves;
}

void compile_leaves(struct compiler *k)
{
	struct cells c = { .k = k };

	collect_selections(k);
	collect_classes(&c);
	if (c.n_classes > POLICY_CLASSES_MAX) {
		compile_limit(k, POLICY_CLASSES_MAX, "CIP classes");
		return;
	}
	c.leaf = arena_alloc(&k->tmp, c.n_classes * CIP_SERVICES * sizeof(*c.leaf));
	first_sets(&c);
	for (uint32_t i = 0; i < k->n_selections; i++)
		split_by_rule(&c, k->selection_rule[i]);
	pack(&c);
	if (c.n_leaves > POLICY_LEAVES_MAX) {
		compile_limit(k, POLICY_LEAVES_MAX, "kinds of CIP requests that rules tell apart");
		return;
	}
	k->n_leaves = c.n_leaves;
	describe_leaves(&c);
	emit_tables(&c);
}
