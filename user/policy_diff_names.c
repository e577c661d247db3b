// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classes, tags and routes of two policies under one numbering. Must not look at
 * decisions.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_diff_parts.h"

static int compare_text(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static size_t sort_texts(const char **v, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(v, n, sizeof(*v), compare_text);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(v[i], v[kept - 1]))
			v[kept++] = v[i];
	return kept;
}

static void number_classes(struct policy_diff *d)
{
	struct numbers all = { 0 };

	for (int s = 0; s < DIFF_SIDES; s++)
		for (size_t i = 0; i < d->side[s].c->n_classes; i++)
			numbers_add(&d->mem, &all, d->side[s].c->class_keys[i]);
	numbers_sort_unique(&all);
	d->n_classes = all.n + 1;
	d->classes = arena_alloc(&d->mem, d->n_classes * sizeof(*d->classes));
	d->classes[0] = KS_ANY;
	memcpy(d->classes + 1, all.v, all.n * sizeof(*all.v));
}

static const char *bounded(struct arena *mem, const uint8_t *text, size_t max)
{
	return arena_strndup(mem, (const char *)text, strnlen((const char *)text, max));
}

void diff_names(struct policy_diff *d)
{
	number_classes(d);
	for (int s = 0; s < DIFF_SIDES; s++) {
		const struct compiled_policy *c = d->side[s].c;

		for (size_t i = 0; i < c->n_tags; i++) {
			d->tags = arena_grow(&d->mem, d->tags, d->n_tags, sizeof(*d->tags));
			d->tags[d->n_tags++] = bounded(&d->mem, c->tag_keys[i].name, KS_TAG_MAX);
		}
		for (size_t i = 0; i < c->n_routes; i++) {
			d->routes = arena_grow(&d->mem, d->routes, d->n_routes,
					       sizeof(*d->routes));
			d->routes[d->n_routes++] = bounded(&d->mem, c->route_keys[i].text,
							   KS_ROUTE_MAX);
		}
	}
	d->n_tags = sort_texts(d->tags, d->n_tags);
	d->n_routes = sort_texts(d->routes, d->n_routes);
}
