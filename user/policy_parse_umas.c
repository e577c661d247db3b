// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands under a rule's `umas`: unit and the sub-functions of function code
 * 90. Names come from bpf/groups.h alone, where they begin with "umas_", and may here.
 */
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

static const char expected[] = "a group, a UMAS function name, or a code of 0 to 0xff";
static const char prefix[] = "umas_";

#define PREFIX_LEN (sizeof(prefix) - 1)

/* The name that policy uses for a row, NULL if it is none of UMAS. */
static const char *row_name(const struct ks_modbus_row *row)
{
	return row->code == KS_FC_UMAS && row->sub != KS_ANY ? row->name + PREFIX_LEN : NULL;
}

static const char *const *words(struct arena *mem)
{
	const struct ks_modbus_row *rows;
	const char **out;
	unsigned int n;
	size_t used = KS_GROUPS;

	rows = ks_modbus_rows(&n);
	out = group_words(mem, n);
	for (unsigned int i = 0; i < n; i++)
		if (row_name(&rows[i]))
			out[used++] = row_name(&rows[i]);
	return out;
}

static bool by_name(const struct ynode *n, struct function_sel *out)
{
	const struct ks_modbus_row *rows;
	unsigned int count;

	if (node_group(n, &out->code)) {
		out->kind = FN_GROUP;
		return true;
	}
	rows = ks_modbus_rows(&count);
	for (unsigned int i = 0; i < count; i++) {
		if (!row_name(&rows[i]) ||
		    !(node_is(n, row_name(&rows[i])) || node_is(n, rows[i].name)))
			continue;
		out->sub = rows[i].sub;
		return true;
	}
	return false;
}

static void add_function(struct parser *ps, struct modbus_match *m, const struct ynode *n)
{
	struct function_sel s = { .kind = FN_SUB, .code = KS_FC_UMAS, .at = n->at };
	const char *near;

	if (!want_scalar(ps, n, expected))
		return;
	if (text_number(n->text, n->len, &s.sub)) {
		if (s.sub > 0xff) {
			node_wrong(ps, n, expected);
			return;
		}
	} else if (!by_name(n, &s)) {
		near = diag_nearest(n->text, n->len, words(&ps->d->mem));
		diag_error(ps->d, n->at, "unknown UMAS function '%s', expected %s%s%s%s",
			   node_quote(ps, n), expected, near ? "; did you mean '" : "",
			   near ? near : "", near ? "'?" : "");
		return;
	}
	/* judged as what it wraps, so no request is ever this */
	if (s.kind == FN_SUB && s.sub == 0x38) {
		diag_error(ps->d, n->at,
			   "'%s' is judged as the function that it signs, expected that",
			   node_quote(ps, n));
		return;
	}
	m->functions = arena_grow(&ps->p->mem, m->functions, m->n_functions,
				  sizeof(*m->functions));
	m->functions[m->n_functions++] = s;
}

static void match_functions(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, expected); i < count; i++)
		add_function(ps, arg, node_at(n, i));
}

static void match_unit(struct parser *ps, const struct ynode *n, void *arg)
{
	read_spans(ps, n, 0, 255, "a unit id", &((struct modbus_match *)arg)->units);
}

static const struct ykey umas_keys[] = {
	{ "unit", match_unit, false },
	{ "functions", match_functions, false },
	{ NULL, NULL, false },
};

struct modbus_match *read_umas_match(struct parser *ps, const struct ynode *n)
{
	struct modbus_match *m = arena_alloc(&ps->p->mem, sizeof(*m));

	m->umas = true;
	if (want_map(ps, n, "a mapping, '{}' for every UMAS request"))
		read_map(ps, n, umas_keys, m, "umas");
	return m;
}
