// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules: name, from, to, action, and the io shorthand. What stands under
 * `modbus` and `cip` is read by files of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

/* ---- groups, by which every protocol's part of a rule selects ---- */

bool node_group(const struct ynode *n, uint32_t *group)
{
	for (uint32_t g = 0; g < KS_GROUPS; g++) {
		if (!node_is(n, ks_group_name(g)))
			continue;
		*group = g;
		return true;
	}
	return false;
}

const char **group_words(struct arena *mem, size_t more)
{
	const char **words = arena_alloc(mem, (KS_GROUPS + more + 1) * sizeof(*words));

	for (unsigned int g = 0; g < KS_GROUPS; g++)
		words[g] = ks_group_name(g);
	return words;
}

/* ---- a rule ---- */

struct rule_reader {
	struct policy_rule *r;
	struct pos action_at;
	struct pos io_at;
	struct pos on_deny_at;
	struct pos rate_at, burst_at, log_at;
	struct pos umas_at;
	struct pos pccc_at;
	bool named, action, io, modbus, umas, cip, pccc, rate;
};

static void rule_name(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;
	uint32_t old;

	if (!read_name(ps, n, "a rule name", &rr->r->name))
		return;
	rr->r->at = n->at;
	rr->named = true;
	if (node_is(n, "default")) {
		diag_error(ps->d, n->at,
			   "'default' is what requests without a rule are reported as, expected another name");
		return;
	}
	old = names_add(&ps->rules, n->text, n->len, n->at.line);
	if (old != NO_NAME)
		diag_error(ps->d, n->at, "duplicate rule name '%s', first given on line %u",
			   rr->r->name, old);
}

/* ---- from ---- */

static void add_source(struct parser *ps, struct policy_rule *r,
		       const struct ynode *n)
{
	static const char expected[] = "a host, a group, an address or 'any'";
	struct source s = { .at = n->at };
	const char *near;
	uint32_t value;

	if (!want_scalar(ps, n, expected))
		return;
	value = names_find(&ps->sources, n->text, n->len);
	if (value != NO_NAME) {
		s.kind = value & NAME_IS_GROUP ? SOURCE_GROUP : SOURCE_HOST;
		s.index = value & ~NAME_IS_GROUP;
	} else if (prefix_parse(n->text, n->len, &s.literal) != PREFIX_SYNTAX) {
		s.kind = SOURCE_LITERAL;
		if (!text_prefix(ps, n, &s.literal))
			return;
	} else {
		near = diag_nearest(n->text, n->len,
				    names_list(&ps->sources, &ps->d->mem));
		diag_error(ps->d, n->at, "unknown name '%s', expected %s%s%s%s",
			   node_quote(ps, n), expected,
			   near ? "; did you mean '" : "", near ? near : "",
			   near ? "'?" : "");
		return;
	}
	r->from = arena_grow(&ps->p->mem, r->from, r->n_from, sizeof(*r->from));
	r->from[r->n_from++] = s;
}

static bool refuse_any_in_list(struct parser *ps, const struct ynode *n)
{
	if (!node_is(n, "any"))
		return false;
	diag_error(ps->d, n->at, "'any' in a list, expected it alone");
	return true;
}

static void rule_from(struct parser *ps, const struct ynode *n, void *arg)
{
	if (node_is(n, "any"))
		return;
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected a host, a group, an address or 'any'");
	for (size_t i = 0; i < node_count(n); i++)
		if (!refuse_any_in_list(ps, node_at(n, i)))
			add_source(ps, ((struct rule_reader *)arg)->r, node_at(n, i));
}

/* ---- to ---- */

static void add_target(struct parser *ps, struct policy_rule *r,
		       const struct ynode *n)
{
	const char *near;
	uint32_t value;

	if (!want_scalar(ps, n, "an asset or 'any'"))
		return;
	value = names_find(&ps->assets, n->text, n->len);
	if (value == NO_NAME) {
		near = diag_nearest(n->text, n->len,
				    names_list(&ps->assets, &ps->d->mem));
		diag_error(ps->d, n->at,
			   "unknown asset '%s', expected the name of an asset or 'any'%s%s%s",
			   node_quote(ps, n), near ? "; did you mean '" : "",
			   near ? near : "", near ? "'?" : "");
		return;
	}
	r->to = arena_grow(&ps->p->mem, r->to, r->n_to, sizeof(*r->to));
	r->to[r->n_to++] = value;
}

static int compare_u32(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static void rule_to(struct parser *ps, const struct ynode *n, void *arg)
{
	struct policy_rule *r = ((struct rule_reader *)arg)->r;
	size_t kept = 0;

	r->to_at = n->at;
	if (node_is(n, "any"))
		return;
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected an asset or 'any'");
	for (size_t i = 0; i < node_count(n); i++)
		if (!refuse_any_in_list(ps, node_at(n, i)))
			add_target(ps, r, node_at(n, i));
	if (!r->n_to)
		return;
	qsort(r->to, r->n_to, sizeof(*r->to), compare_u32);
	for (size_t i = 0; i < r->n_to; i++)
		if (!i || r->to[i] != r->to[kept - 1])
			r->to[kept++] = r->to[i];
	r->n_to = kept;
}

/* ---- the rest of a rule ---- */

enum ks_on_deny read_on_deny_word(struct parser *ps, const struct ynode *n,
				  enum ks_on_deny otherwise)
{
	static const char *const words[] = { "drop", "reset", NULL };
	static const char *const later[] = { "reject", NULL };
	int w = read_word(ps, n, words, later);

	return w < 0 ? otherwise : w ? KS_DENY_RESET : KS_DENY_DROP;
}

static void rule_action(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "deny", "allow", "alert", NULL };
	struct rule_reader *rr = arg;
	int w = read_word(ps, n, words, NULL);

	rr->action = true;
	rr->action_at = n->at;
	rr->r->allow = w == 1;
	rr->r->alert = w == 2;
}

static void rule_rate(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->rate = true;
	rr->rate_at = n->at;
	read_rate(ps, n, &rr->r->rate);
}

static void rule_burst(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->burst_at = n->at;
	read_burst(ps, n, &rr->r->rate);
}

static void rule_log(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "false", "true", NULL };
	struct rule_reader *rr = arg;
	int w = read_word(ps, n, words, NULL);

	rr->log_at = n->at;
	rr->r->log = w < 0 ? POLICY_LOG_UNSAID : w ? POLICY_LOG_YES : POLICY_LOG_NO;
}

static void rule_on_deny(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->r->on_deny = read_on_deny_word(ps, n, KS_DENY_DEFAULT);
	rr->on_deny_at = n->at;
}

static void rule_modbus(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->modbus = true;
	rr->r->modbus = read_modbus_match(ps, n);
}

static void rule_umas(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->umas = true;
	rr->umas_at = n->at;
	rr->r->modbus = read_umas_match(ps, n);
}

static void rule_cip(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->cip = true;
	rr->r->cip = read_cip_match(ps, n);
}

static void rule_pccc(struct parser *ps, const struct ynode *n, void *arg)
{
	struct rule_reader *rr = arg;

	rr->pccc = true;
	rr->pccc_at = n->at;
	rr->r->cip = read_pccc_match(ps, n);
}

static void rule_io(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "deny", "run", "idle-only", "static", NULL };
	struct rule_reader *rr = arg;
	int w = read_word(ps, n, words, NULL);

	rr->io = true;
	rr->io_at = n->at;
	rr->r->io = w < 0 ? POLICY_IO_DENY : POLICY_IO_DENY + (enum policy_io)w;
	rr->r->allow = w > 0;
}

static const struct ykey rule_keys[] = {
	{ "name", rule_name, true },
	{ "from", rule_from, false },
	{ "to", rule_to, false },
	{ "action", rule_action, false },
	{ "on_deny", rule_on_deny, false },
	{ "rate", rule_rate, false },
	{ "burst", rule_burst, false },
	{ "log", rule_log, false },
	{ "modbus", rule_modbus, false },
	{ "umas", rule_umas, false },
	{ "cip", rule_cip, false },
	{ "pccc", rule_pccc, false },
	{ "io", rule_io, false },
	{ NULL, NULL, false },
};

/* Parts of a rule that would have to share one selector. */
static void check_parts(struct parser *ps, const struct rule_reader *rr)
{
	const char *other = rr->action ? "action" : rr->modbus ? "modbus" : rr->umas ? "umas" :
			    rr->cip ? "cip" : rr->pccc ? "pccc" : NULL;

	if (rr->io && other)
		diag_error(ps->d, rr->io_at,
			   "'io' beside '%s', expected it alone: io is a rule of its own", other);
	if (rr->umas && rr->modbus)
		diag_error(ps->d, rr->umas_at,
			   "'umas' beside 'modbus', expected a rule for each: UMAS is function 90 of Modbus");
	if (rr->pccc && rr->cip)
		diag_error(ps->d, rr->pccc_at,
			   "'pccc' beside 'cip', expected a rule for each: PCCC is a service of CIP");
}

/* What goes with one action and not with another. */
static void check_action(struct parser *ps, struct rule_reader *rr)
{
	struct policy_rule *r = rr->r;

	if (r->on_deny != KS_DENY_DEFAULT && r->allow && !rr->rate)
		diag_error(ps->d, rr->on_deny_at,
			   "'on_deny' in a rule that allows, expected it beside 'action: deny' or 'rate'");
	else if (r->on_deny != KS_DENY_DEFAULT && r->alert)
		diag_error(ps->d, rr->on_deny_at,
			   "'on_deny' in a rule that only marks, expected it beside 'action: deny'");
	if (rr->rate && (!r->allow || rr->io))
		diag_error(ps->d, rr->rate_at,
			   "'rate' in a rule that %s, expected it beside 'action: allow'",
			   rr->io ? "is about implicit I/O" : r->alert ? "only marks" : "denies");
	if (rr->burst_at.line && !rr->rate)
		diag_error(ps->d, rr->burst_at,
			   "'burst' without 'rate', expected it beside 'rate'");
	if (r->rate.count && !r->rate.burst)
		r->rate.burst = r->rate.count;
	if (rr->io && rr->log_at.line)
		diag_error(ps->d, rr->log_at,
			   "'log' beside 'io', expected it in a rule with 'action': one that allowed every datagram would tell of each");
}

static void read_rule(struct parser *ps, const struct ynode *n)
{
	struct policy *p = ps->p;
	struct rule_reader rr;

	if (!want_map(ps, n, "a rule: 'name', 'from', 'to', 'action', ..."))
		return;
	p->rules = arena_grow(&p->mem, p->rules, p->n_rules, sizeof(*p->rules));
	rr = (struct rule_reader){ .r = &p->rules[p->n_rules++] };
	*rr.r = (struct policy_rule){ .name = "", .at = n->at,
					.on_deny = KS_DENY_DEFAULT };
	read_map(ps, n, rule_keys, &rr, "rule");
	check_parts(ps, &rr);
	check_action(ps, &rr);
	if (!rr.io && !rr.action)
		diag_error(ps->d, n->at,
			   "rule without 'action', expected 'action: allow', 'action: deny', 'action: alert' or 'io: run'");
}

void read_rules(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	if (n->kind != Y_LIST) {
		node_wrong(ps, n, "a list of rules");
		return;
	}
	if (n->n > POLICY_RULES_MAX) {
		diag_error(ps->d, n->at, "%zu rules, expected at most %u", n->n,
			   POLICY_RULES_MAX);
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		read_rule(ps, n->item[i]);
}
