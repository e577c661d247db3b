// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands under a rule's `umas`: unit and the sub-functions of function code
 * 90. Names come from bpf/groups.h alone, where they begin with "umas_", and may here.
 */
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

#define FUNCTION_FORM	"a UMAS function name, or a code of 0 to 0xff"

static const char functions_expected[] = "a group, " FUNCTION_FORM;
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

/* 0x38 is judged as what it wraps, so no request is ever this. */
bool umas_is_judged(struct parser *ps, const struct ynode *n, uint32_t sub)
{
	if (sub != 0x38)
		return true;
	diag_error(ps->d, n->at, "'%s' is judged as the function that it signs, expected that",
		   node_quote(ps, n));
	return false;
}

bool read_umas_function(struct parser *ps, const struct ynode *n, bool group,
			struct function_sel *out)
{
	const char *expected = group ? functions_expected : FUNCTION_FORM, *near;

	*out = (struct function_sel){ .kind = FN_SUB, .code = KS_FC_UMAS, .at = n->at };
	if (!want_scalar(ps, n, expected))
		return false;
	if (group && node_group(n, &out->code)) {
		out->kind = FN_GROUP;
		return true;
	}
	if (text_number(n->text, n->len, &out->sub)) {
		if (out->sub > 0xff) {
			node_wrong(ps, n, expected);
			return false;
		}
	} else if (!by_name(n, out)) {
		near = diag_nearest(n->text, n->len, words(&ps->d->mem) + (group ? 0 : KS_GROUPS));
		diag_error(ps->d, n->at, "unknown UMAS function '%s', expected %s%s%s%s",
			   node_quote(ps, n), expected, near ? "; did you mean '" : "",
			   near ? near : "", near ? "'?" : "");
		return false;
	}
	return umas_is_judged(ps, n, out->sub);
}

static void add_function(struct parser *ps, struct modbus_match *m, const struct ynode *n)
{
	struct function_sel s;

	if (!read_umas_function(ps, n, true, &s))
		return;
	m->functions = arena_grow(&ps->p->mem, m->functions, m->n_functions,
				  sizeof(*m->functions));
	m->functions[m->n_functions++] = s;
}

static void match_functions(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, functions_expected); i < count; i++)
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
	if (!want_map(ps, n, "a mapping, '{}' for every UMAS request"))
		return m;
	refuse_values(ps, n);
	read_map(ps, n, umas_keys, m, "umas");
	return m;
}
