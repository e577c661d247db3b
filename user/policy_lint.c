// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is allowed by the grammar but probably not meant: rules that decide
 * nothing, writes for everyone, assets inside assets, anti-spoofing off.
 * Must not change the policy and must not report errors of grammar.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_match.h"

#define CLASS_MODBUS 0x44

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

static void lint_spoofing(const struct policy *p, struct diags *d)
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

static void lint_clients(const struct policy *p, struct diags *d)
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

/* ---- what a rule selects ---- */

static bool risky(unsigned int group)
{
	return !(KS_READONLY_GROUPS >> group & 1);
}

static bool selects_modbus(const struct policy_rule *r, bool only_risky)
{
	static const struct modbus_match everything;
	struct arena mem = { 0 };
	bool found = false;

	for (uint32_t fc = 1; rule_has_modbus(r) && !found && fc < MODBUS_CODES; fc++) {
		struct intervals l = { .mem = &mem };

		modbus_elements(r->modbus ? r->modbus : &everything, fc, &l);
		for (size_t i = 0; i < l.n && !found; i++)
			found = !only_risky ||
				risky(ks_modbus_group(fc, function_elements(fc) == ELEMENT_SUB ?
						      l.v[i].lo : KS_ANY));
	}
	arena_free(&mem);
	return found;
}

static bool selects_class(const struct policy_rule *r, uint32_t class, bool only_risky)
{
	for (uint32_t s = 0; s < CIP_SERVICES; s++)
		if (rule_selects_cip(r, s, class) &&
		    (!only_risky || risky(ks_cip_group(s, class))))
			return true;
	return false;
}

static bool selects_cip(const struct policy_rule *r, bool only_risky)
{
	const struct ks_class_row *rows;
	unsigned int n;

	if (!rule_has_cip(r))
		return false;
	for (size_t i = 0; r->cip && i < r->cip->classes.n; i++)
		if (selects_class(r, r->cip->classes.v[i].lo, only_risky))
			return true;
	rows = ks_class_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (selects_class(r, rows[i].class, only_risky))
			return true;
	for (uint32_t class = KS_CLASS_PCCC; class < KS_CLASS_PCCC_END; class++)
		if (selects_class(r, class, only_risky))
			return true;
	return selects_class(r, KS_ANY, only_risky);
}

static bool from_everyone(const struct policy *p, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_from; i++) {
		const struct source *s = &r->from[i];

		if (s->kind == SOURCE_LITERAL && !s->literal.len)
			return true;
		for (size_t k = 0; s->kind == SOURCE_HOST &&
		     k < p->hosts[s->index].addrs.n; k++)
			if (!p->hosts[s->index].addrs.v[k].len)
				return true;
	}
	return !r->n_from;
}

static void lint_everyone(const struct policy *p, struct diags *d)
{
	if (p->dflt == KS_DEFAULT_ALLOW)
		diag_warning(d, p->dflt_at, "'default: allow' lets everyone write where no rule decides");
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		if (r->allow && from_everyone(p, r) &&
		    (selects_modbus(r, true) || selects_cip(r, true)))
			diag_warning(d, r->at, "rule '%s' lets everyone do more than read",
				     r->name);
	}
}

/* ---- rules that decide nothing ---- */

static bool units_meet(const struct spans *a, const struct spans *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (a->v[i].lo <= b->v[k].hi && b->v[k].lo <= a->v[i].hi)
				return true;
	return !a->n || !b->n;
}

/* Does the policy name the class of CIP whose requests are judged as Modbus too? */
static bool names_translation(const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct cip_match *m = p->rules[i].cip;
		const struct ks_cip_row *rows;
		unsigned int n;

		rows = ks_cip_rows(&n);
		for (size_t k = 0; m && k < m->classes.n; k++)
			if (m->classes.v[k].lo == CLASS_MODBUS)
				return true;
		for (size_t k = 0; m && k < m->n_services; k++)
			if (m->services[k].kind == SV_NAMED &&
			    rows[m->services[k].code].class == CLASS_MODBUS)
				return true;
	}
	return false;
}

static bool asset_hears(const struct policy_asset *a, const struct policy_rule *r,
			bool translated)
{
	if (rule_has_modbus(r) && a->enip && translated)
		return true;
	if (rule_has_modbus(r) && a->modbus && (!r->modbus || !r->modbus->umas || a->umas) &&
	    (!r->modbus || units_meet(&r->modbus->units, &a->units)))
		return true;
	return rule_has_cip(r) && a->enip;
}

static bool any_asset_hears(const struct policy *p, const struct policy_rule *r,
			    bool translated)
{
	for (size_t i = 0; i < r->n_to; i++)
		if (asset_hears(&p->assets[r->to[i]], r, translated))
			return true;
	for (size_t a = 0; !r->n_to && a < p->n_assets; a++)
		if (asset_hears(&p->assets[a], r, translated))
			return true;
	return false;
}

static bool same_sources(const struct policy_rule *a, const struct policy_rule *b)
{
	for (size_t i = 0; a->n_from && i < b->n_from; i++) {
		bool found = false;

		for (size_t k = 0; !found && k < a->n_from; k++)
			found = a->from[k].kind == b->from[i].kind &&
				(a->from[k].kind == SOURCE_LITERAL
				 ? prefix_contains(&a->from[k].literal, &b->from[i].literal)
				 : a->from[k].index == b->from[i].index);
		if (!found)
			return false;
	}
	return !a->n_from || b->n_from;
}

static bool same_targets(const struct policy_rule *a, const struct policy_rule *b)
{
	size_t k = 0;

	for (size_t i = 0; a->n_to && i < b->n_to; i++) {
		while (k < a->n_to && a->to[k] < b->to[i])
			k++;
		if (k == a->n_to || a->to[k] != b->to[i])
			return false;
	}
	return !a->n_to || b->n_to;
}

/* An earlier rule that alone takes all: only the plain case is worth naming. */
static const struct policy_rule *covering(const struct policy *p, size_t rule)
{
	const struct policy_rule *b = &p->rules[rule];

	for (size_t i = 0; i < rule; i++) {
		const struct policy_rule *a = &p->rules[i];

		if (!a->modbus && !a->cip && !a->io && same_sources(a, b) &&
		    same_targets(a, b))
			return a;
	}
	return NULL;
}

static void lint_reach(const struct policy *p, const struct compiled_policy *c,
		       struct diags *d)
{
	bool translated = names_translation(p);

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i], *by;

		if (!selects_modbus(r, false) && !selects_cip(r, false)) {
			diag_warning(d, r->at, "rule '%s' can never match: no request has all that it asks for",
				     r->name);
			continue;
		}
		if (!any_asset_hears(p, r, translated)) {
			diag_warning(d, r->to_at.line ? r->to_at : r->at,
				     "rule '%s' can never match: no asset of it speaks that protocol or has those units",
				     r->name);
			continue;
		}
		if (!c || c->rule_used[i + 1])
			continue;
		by = covering(p, i);
		if (by)
			diag_warning(d, r->at, "rule '%s' is never reached: rule '%s' (line %u) decides all of it",
				     r->name, by->name, by->at.line);
		else
			diag_warning(d, r->at, "rule '%s' is never reached: earlier rules decide all of it",
				     r->name);
	}
}

/*
 * A tag has more names than its path, and a file is written by commands that do not
 * say which it is: a list of what is forbidden is no fence.
 */
static void lint_tags(const struct policy *p, struct diags *d)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		if (!r->allow && r->cip && r->cip->n_tags)
			diag_warning(d, r->cip->tags_at[0],
				     "rule '%s' denies tags by name: members, elements and aliases of them are other names; allow what may pass instead",
				     r->name);
		if (!r->allow && r->cip && r->cip->n_files)
			diag_warning(d, r->cip->files[0].span.at,
				     "rule '%s' denies data files by name: commands with other forms of address reach them too; allow what may pass instead",
				     r->name);
	}
}

/* A module may have more than one way to it, so a list of forbidden ones is no fence. */
static void lint_routes(const struct policy *p, struct diags *d)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		if (!r->allow && r->cip && r->cip->routes.n)
			diag_warning(d, r->cip->routes.at[0],
				     "rule '%s' denies routes by name: other routes may lead to the same module; allow what may pass instead",
				     r->name);
	}
}

void policy_lint(const struct policy *p, const struct compiled_policy *c,
		 struct diags *d)
{
	lint_spoofing(p, d);
	lint_clients(p, d);
	lint_everyone(p, d);
	lint_reach(p, c, d);
	lint_tags(p, d);
	lint_routes(p, d);
	if (p->other == KS_ALLOW)
		diag_info(d, p->other_at, "'other: allow': IP traffic to assets outside their protocol ports passes unseen");
}
