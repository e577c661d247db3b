// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is allowed by the grammar but probably not meant: writes for everyone, fences
 * of names here, other subjects in files of their own. Must not change the policy and
 * must not report errors of grammar.
 */
#include "policy_lint.h"

/* ---- what a rule selects ---- */

static bool risky(unsigned int group)
{
	return !(KS_READONLY_GROUPS >> group & 1);
}

bool selects_modbus(const struct policy_rule *r, bool only_risky)
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

bool selects_cip(const struct policy_rule *r, bool only_risky)
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

static bool host_is_everyone(const struct policy_host *h)
{
	for (size_t i = 0; i < h->addrs.n; i++)
		if (!h->addrs.v[i].len)
			return true;
	return false;
}

static bool from_everyone(const struct policy *p, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->n_from; i++) {
		const struct source *s = &r->from[i];

		if (s->kind == SOURCE_LITERAL && !s->literal.len)
			return true;
		if (s->kind == SOURCE_HOST && host_is_everyone(&p->hosts[s->index]))
			return true;
		for (size_t k = 0; s->kind == SOURCE_GROUP && k < p->groups[s->index].n; k++)
			if (host_is_everyone(&p->hosts[p->groups[s->index].hosts[k]]))
				return true;
	}
	return !r->n_from;
}

/* A rule that is never reached lets nobody do anything; that is said elsewhere. */
static void lint_everyone(const struct policy *p, const struct compiled_policy *c,
			  struct diags *d)
{
	if (p->dflt == KS_DEFAULT_ALLOW)
		diag_warning(d, p->dflt_at, "'default: allow' lets everyone write where no rule decides");
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		if (r->allow && c->rule_used[i + 1] && from_everyone(p, r) &&
		    (selects_modbus(r, true) || selects_cip(r, true)))
			diag_warning(d, r->at, "rule '%s' lets everyone do more than read",
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

		if (!r->allow && !r->alert && r->cip && r->cip->n_tags)
			diag_warning(d, r->cip->tags_at[0],
				     "rule '%s' denies tags by name: members, elements and aliases of them are other names; allow what may pass instead",
				     r->name);
		if (!r->allow && !r->alert && r->cip && r->cip->n_files)
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

		if (!r->allow && !r->alert && r->cip && r->cip->routes.n)
			diag_warning(d, r->cip->routes.at[0],
				     "rule '%s' denies routes by name: other routes may lead to the same module; allow what may pass instead",
				     r->name);
	}
}

void policy_lint(const struct policy *p, const struct compiled_policy *c,
		 struct diags *d)
{
	struct hearing *h = hearing_new(p, c, &d->mem);

	lint_spoofing(p, d);
	lint_clients(p, d);
	lint_everyone(p, c, d);
	lint_reach(h, p, c, d);
	lint_unused(h, p, d);
	lint_tags(p, d);
	lint_routes(p, d);
	lint_zones(p, c, d);
	if (p->other == KS_ALLOW)
		diag_info(d, p->other_at, "'other: allow': IP traffic to assets outside their protocol ports passes unseen");
}
