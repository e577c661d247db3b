// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lints of addresses: assets inside assets, hosts where forged packets come from,
 * assets that anti-spoofing does not cover. Must not look at rules.
 */
#include <stdlib.h>

#include "policy_lint.h"

/* ---- overlapping assets ---- */

struct placed {
	struct prefix prefix;
	uint32_t asset;
	struct pos at;
};

static int compare_placed(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;
	int diff = prefix_compare(&a->prefix, &b->prefix);

	return diff ? diff : a->asset < b->asset ? -1 : a->asset > b->asset;
}

static struct placed *place_assets(struct policy *p, size_t *n)
{
	struct placed *v;

	*n = 0;
	for (size_t a = 0; a < p->n_assets; a++)
		*n += p->assets[a].addrs.n;
	v = arena_alloc(&p->mem, (*n + 1) * sizeof(*v));
	*n = 0;
	for (size_t a = 0; a < p->n_assets; a++) {
		const struct prefixes *l = &p->assets[a].addrs;

		for (size_t i = 0; i < l->n; i++)
			v[(*n)++] = (struct placed){ l->v[i], (uint32_t)a, l->at[i] };
	}
	if (*n)
		qsort(v, *n, sizeof(*v), compare_placed);
	return v;
}

static void report_overlap(const struct policy *p, struct diags *d,
			   const struct placed *outer, const struct placed *inner)
{
	char buf[PREFIX_TEXT_MAX], out[PREFIX_TEXT_MAX];
	const char *other = p->assets[outer->asset].name;
	const char *name = p->assets[inner->asset].name;

	prefix_format(&inner->prefix, buf);
	prefix_format(&outer->prefix, out);
	if (prefix_equal(&outer->prefix, &inner->prefix)) {
		if (outer->asset != inner->asset)
			diag_error(d, inner->at, "asset '%s' has '%s', which asset '%s' has already (line %u)",
				   name, buf, other, outer->at.line);
		else
			diag_error(d, inner->at, "address '%s' given twice", buf);
		return;
	}
	/* an asset for everything else is meant to lie around the others */
	if (outer->asset != inner->asset && outer->prefix.len)
		diag_warning(d, inner->at, "asset '%s' lies inside asset '%s': '%s' belongs to it, the rest of '%s' does not",
			     name, other, buf, out);
}

void policy_check_overlaps(struct policy *p, struct diags *d)
{
	const struct placed *path[130];
	unsigned int depth = 0;
	struct placed *v;
	size_t n;

	v = place_assets(p, &n);
	for (size_t i = 0; i < n; i++) {
		while (depth && !prefix_contains(&path[depth - 1]->prefix, &v[i].prefix))
			depth--;
		if (depth)
			report_overlap(p, d, path[depth - 1], &v[i]);
		/* of equal prefixes the first stands for all */
		if (!depth || !prefix_equal(&path[depth - 1]->prefix, &v[i].prefix))
			path[depth++] = &v[i];
	}
}

/* ---- anti-spoofing ---- */

static bool protects(const struct policy *p, uint8_t family)
{
	for (size_t i = 0; i < p->protected.n; i++)
		if (p->protected.v[i].family == family)
			return true;
	return false;
}

void lint_spoofing(const struct policy *p, struct diags *d)
{
	for (size_t a = 0; a < p->n_assets; a++) {
		const struct policy_asset *as = &p->assets[a];

		for (size_t i = 0; i < as->addrs.n; i++)
			if (!as->addrs.v[i].len && !protects(p, as->addrs.v[i].family))
				diag_warning(d, as->addrs.at[i],
					     "asset '%s' is every IPv%d address: anti-spoofing does not cover it, list what is behind the gateway under 'protected'",
					     as->name, as->addrs.v[i].family);
	}
}

/* Name of the asset around a prefix, "protected" for a listed prefix, or NULL. */
static const char *behind(const struct policy *p, const struct prefix *x)
{
	for (size_t a = 0; a < p->n_assets; a++)
		for (size_t i = 0; i < p->assets[a].addrs.n; i++)
			if (p->assets[a].addrs.v[i].len &&
			    prefix_contains(&p->assets[a].addrs.v[i], x))
				return p->assets[a].name;
	for (size_t i = 0; i < p->protected.n; i++)
		if (prefix_contains(&p->protected.v[i], x))
			return "protected";
	return NULL;
}

void lint_clients(const struct policy *p, struct diags *d)
{
	char buf[PREFIX_TEXT_MAX];

	for (size_t h = 0; h < p->n_hosts; h++) {
		const struct prefixes *l = &p->hosts[h].addrs;

		for (size_t i = 0; i < l->n; i++) {
			const char *where = behind(p, &l->v[i]);

			if (where)
				diag_warning(d, l->at[i],
					     "host '%s' has '%s' inside '%s': from the client side it is dropped as spoofed",
					     p->hosts[h].name,
					     prefix_format(&l->v[i], buf), where);
		}
	}
}
