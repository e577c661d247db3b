// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIP: tag numbers, and from a rule list to a row of one decision per leaf
 * class: plain, by instance (or tag), or by instance and attribute.
 * Must not know about clients or assets.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_compile.h"

/* ---- tags ---- */

static int compare_text(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static uint32_t tag_id(const struct compiler *k, const char *tag)
{
	const char **hit = bsearch(&tag, k->tags, k->n_tags, sizeof(*k->tags),
				   compare_text);

	return (uint32_t)(hit - k->tags) + 1;
}

static void collect_tags(struct compiler *k)
{
	const struct policy *p = k->p;
	size_t n = 0;

	for (size_t r = 0; r < p->n_rules; r++) {
		for (size_t i = 0; p->rules[r].cip && i < p->rules[r].cip->n_tags; i++) {
			k->tags = arena_grow(&k->tmp, k->tags, n, sizeof(*k->tags));
			k->tags[n++] = p->rules[r].cip->tags[i];
		}
	}
	if (n)
		qsort(k->tags, n, sizeof(*k->tags), compare_text);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(k->tags[i], k->tags[k->n_tags - 1]))
			k->tags[k->n_tags++] = k->tags[i];
}

void compile_tags(struct compiler *k)
{
	const struct policy *p = k->p;
	struct compiled_policy *c = k->c;

	collect_tags(k);
	c->n_tags = k->n_tags;
	c->tag_keys = arena_alloc(&c->mem, (k->n_tags + 1) * sizeof(*c->tag_keys));
	c->tag_ids = arena_alloc(&c->mem, (k->n_tags + 1) * sizeof(*c->tag_ids));
	for (size_t i = 0; i < k->n_tags; i++) {
		memcpy(c->tag_keys[i].name, k->tags[i], strlen(k->tags[i]));
		c->tag_ids[i] = (uint32_t)i + 1;
	}
	/* a rule with tags is one about these instances */
	for (size_t r = 0; r < p->n_rules; r++) {
		for (size_t i = 0; p->rules[r].cip && i < p->rules[r].cip->n_tags; i++) {
			uint32_t id = tag_id(k, p->rules[r].cip->tags[i]);

			numbers_add(&k->tmp, &k->plans[r].instances, id);
			numbers_add(&k->tmp, &k->plans[r].instances, id);
		}
	}
}

/* ---- rows ---- */

/* Rules that want part of one leaf, in order; the last takes what is left. */
struct leaf_parts {
	struct numbers rules;
	bool attributes;	/* one of them looks at attributes */
};

struct row_builder {
	struct compiler *k;
	uint64_t *open;
	struct leaf_parts *part;
	struct ks_decision *row;
	struct stretches boxes;
	struct stretches inner;
};

#define WHOLE_MAX	KS_NO_VALUE

/* The intervals of one dimension; an empty list is everything. */
static void add_dimension(struct compiler *k, struct stretches *s,
			  const struct numbers *dim, struct ks_decision d)
{
	if (!dim->n)
		stretch_add(k, s, 0, WHOLE_MAX, d);
	for (size_t i = 0; i + 1 < dim->n; i += 2)
		stretch_add(k, s, dim->v[i], dim->v[i + 1], d);
}

static bool holds(const struct numbers *dim, uint32_t v)
{
	for (size_t i = 0; i + 1 < dim->n; i += 2)
		if (v >= dim->v[i] && v <= dim->v[i + 1])
			return true;
	return !dim->n;
}

/* What the parts say about one instance: a decision over its attributes. */
static struct ks_decision inner_decision(struct row_builder *b, uint32_t leaf,
					 uint32_t instance, struct ks_decision last)
{
	const struct numbers *rules = &b->part[leaf].rules;
	struct compiler *k = b->k;
	bool closed = false;

	b->inner.n = 0;
	for (size_t i = 0; i < rules->n && !closed; i++) {
		const struct rule_plan *plan = &k->plans[rules->v[i]];

		if (!holds(&plan->instances, instance))
			continue;
		add_dimension(k, &b->inner, &plan->attributes,
			      rule_decision(k, rules->v[i]));
		closed = !plan->attributes.n && !k->p->rules[rules->v[i]].alert;
	}
	if (!closed)
		stretch_add(k, &b->inner, 0, WHOLE_MAX, last);
	return compile_slice(k, &b->inner, KS_NO_VALUE);
}

/* Every instance at which some part begins, or the first behind its end. */
static void instance_borders(struct row_builder *b, uint32_t leaf, struct numbers *out)
{
	const struct numbers *rules = &b->part[leaf].rules;

	numbers_add(&b->k->tmp, out, 0);
	for (size_t i = 0; i < rules->n; i++) {
		const struct numbers *dim = &b->k->plans[rules->v[i]].instances;

		for (size_t j = 0; j + 1 < dim->n; j += 2) {
			numbers_add(&b->k->tmp, out, dim->v[j]);
			numbers_add(&b->k->tmp, out, dim->v[j + 1] + 1);
		}
	}
	numbers_sort_unique(out);
}

static void close_leaf(struct row_builder *b, uint32_t leaf, struct ks_decision last)
{
	const struct numbers *rules = &b->part[leaf].rules;
	struct numbers borders = { 0 };
	struct compiler *k = b->k;

	b->open[leaf / 64] &= ~(1ull << leaf % 64);
	b->boxes.n = 0;
	if (!b->part[leaf].attributes) {
		for (size_t i = 0; i < rules->n; i++)
			add_dimension(k, &b->boxes, &k->plans[rules->v[i]].instances,
				      rule_decision(k, rules->v[i]));
		stretch_add(k, &b->boxes, 0, WHOLE_MAX, last);
		b->row[leaf] = compile_slice(k, &b->boxes, KS_NO_VALUE);
		return;
	}
	instance_borders(b, leaf, &borders);
	for (size_t i = 0; i < borders.n && !k->failed; i++) {
		uint32_t hi = i + 1 < borders.n ? borders.v[i + 1] - 1 : WHOLE_MAX;

		stretch_add(k, &b->boxes, borders.v[i], hi,
			    inner_decision(b, leaf, borders.v[i], last));
	}
	b->row[leaf] = compile_slice(k, &b->boxes, KS_NO_VALUE);
}

static bool selects_leaf(const struct compiler *k, uint32_t rule, uint32_t leaf)
{
	return k->leaf_sets[k->plans[rule].selection * k->leaf_words + leaf / 64] >>
	       leaf % 64 & 1;
}

/* Whether anything behind this rule would allow some of a leaf that it shuts. */
static bool shutting_matters(const struct compiler *k, const struct numbers *rules, size_t i,
			     uint32_t leaf)
{
	bool allows = k->default_leaves[leaf / 64] >> leaf % 64 & 1;

	while (!allows && ++i < rules->n)
		allows = k->p->rules[rules->v[i]].allow && selects_leaf(k, rules->v[i], leaf);
	return allows;
}

/* The i-th of the row's rules. */
static void apply_rule(struct row_builder *b, const struct numbers *rules, size_t i)
{
	struct compiler *k = b->k;
	uint32_t rule = rules->v[i];
	const struct rule_plan *plan = &k->plans[rule];
	const uint64_t *set = k->leaf_sets + plan->selection * k->leaf_words;
	bool shuts = k->p->rules[rule].cip && k->p->rules[rule].cip->n_tags &&
		     !k->p->rules[rule].alert;

	for (size_t w = 0; w < k->leaf_words; w++) {
		uint64_t hit = set[w] & b->open[w];

		for (; hit; hit &= hit - 1) {
			uint32_t leaf = (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(hit);

			if (!plan->instances.n && !plan->attributes.n && !k->p->rules[rule].alert) {
				close_leaf(b, leaf, rule_decision(k, rule));
				continue;
			}
			numbers_add(&k->tmp, &b->part[leaf].rules, rule);
			b->part[leaf].attributes |= plan->attributes.n != 0;
		}
		hit = shuts ? k->shut_leaves[w] & b->open[w] : 0;
		for (; hit; hit &= hit - 1) {
			uint32_t leaf = (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(hit);

			if (shutting_matters(k, rules, i, leaf))
				k->c->rule_used[rule + 1] = 1;
			close_leaf(b, leaf, default_decision(false));
		}
	}
}

static struct row_builder *new_row(struct compiler *k)
{
	struct row_builder *b = k->cip_builder;

	if (!b) {
		b = arena_alloc(&k->tmp, sizeof(*b));
		b->k = k;
		b->open = arena_alloc(&k->tmp, k->leaf_words * sizeof(*b->open));
		b->part = arena_alloc(&k->tmp, k->n_leaves * sizeof(*b->part));
		b->row = arena_alloc(&k->tmp, k->n_leaves * sizeof(*b->row));
		k->cip_builder = b;
	}
	for (uint32_t i = 0; i < k->n_leaves; i++) {
		b->open[i / 64] |= 1ull << i % 64;
		b->part[i].rules.n = 0;
		b->part[i].attributes = false;
	}
	return b;
}

uint32_t compile_cip_row(struct compiler *k, const struct numbers *rules)
{
	struct row_builder *b = new_row(k);
	uint32_t row;

	for (size_t i = 0; i < rules->n; i++)
		apply_rule(b, rules, i);
	for (uint32_t i = 0; i < k->n_leaves; i++) {
		bool allow = k->default_leaves[i / 64] >> i % 64 & 1;

		if (b->open[i / 64] >> i % 64 & 1)
			close_leaf(b, i, default_decision(allow));
	}
	row = pool_put(&k->cip_rows, b->row, k->n_leaves);
	if (k->cip_rows.used > POLICY_CELLS_MAX)
		compile_limit(k, POLICY_CELLS_MAX, "CIP decisions");
	return row;
}
