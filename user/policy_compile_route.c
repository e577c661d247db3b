// SPDX-License-Identifier: GPL-2.0-only
/*
 * Routes: their numbers, and which rule speaks about which of them.
 * Must not know about clients; rows are made in policy_compile_pairs.c.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_compile.h"

static int compare_text(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static void collect(struct compiler *k, const struct routes *r, size_t *n)
{
	for (size_t i = 0; i < r->n; i++) {
		k->routes = arena_grow(&k->tmp, k->routes, *n, sizeof(*k->routes));
		k->routes[(*n)++] = r->v[i];
	}
}

static void number(struct compiler *k, const struct routes *r, struct numbers *out)
{
	for (size_t i = 0; i < r->n; i++) {
		const char **hit = bsearch(&r->v[i], k->routes, k->n_routes,
					   sizeof(*k->routes), compare_text);

		numbers_add(&k->tmp, out, KS_ROUTE_NAMED + (uint32_t)(hit - k->routes));
	}
	numbers_sort_unique(out);
}

static void emit_keys(struct compiler *k)
{
	struct compiled_policy *c = k->c;

	c->n_routes = k->n_routes;
	c->route_keys = arena_alloc(&c->mem, (k->n_routes + 1) * sizeof(*c->route_keys));
	c->route_ids = arena_alloc(&c->mem, (k->n_routes + 1) * sizeof(*c->route_ids));
	for (uint32_t i = 0; i < k->n_routes; i++) {
		memcpy(c->route_keys[i].text, k->routes[i], strlen(k->routes[i]));
		c->route_ids[i] = KS_ROUTE_NAMED + i;
	}
}

void compile_routes(struct compiler *k)
{
	const struct policy *p = k->p;
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].cip)
			collect(k, &p->rules[i].cip->routes, &n);
	for (size_t i = 0; i < p->n_assets; i++)
		collect(k, &p->assets[i].routes, &n);
	if (n)
		qsort(k->routes, n, sizeof(*k->routes), compare_text);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(k->routes[i], k->routes[k->n_routes - 1]))
			k->routes[k->n_routes++] = k->routes[i];
	if (k->n_routes > POLICY_ROUTES_MAX) {
		compile_limit(k, POLICY_ROUTES_MAX, "routes");
		return;
	}
	emit_keys(k);
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].cip)
			number(k, &p->rules[i].cip->routes, &k->plans[i].routes);
	k->own_routes = arena_alloc(&k->tmp, (p->n_assets + 1) * sizeof(*k->own_routes));
	for (size_t i = 0; i < p->n_assets; i++)
		number(k, &p->assets[i].routes, &k->own_routes[i]);
}

bool rule_takes_route(const struct compiler *k, uint32_t rule, uint32_t route, bool own)
{
	const struct policy_rule *r = &k->p->rules[rule];
	const struct routes *said = r->cip ? &r->cip->routes : NULL;

	if (!said || !said->given)
		return !r->allow || own || route == KS_ROUTE_DIRECT;
	if (said->any)
		return true;
	if (route == KS_ROUTE_DIRECT)
		return said->direct;
	return numbers_hold(&k->plans[rule].routes, route);
}
