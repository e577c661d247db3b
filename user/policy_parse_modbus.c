// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands under a rule's `modbus`: units, functions, addresses.
 * Names come from bpf/groups.h alone.
 */
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

#define FUNCTION_FORM	"a function name, a code, or a code with its sub-function such as '8/4'"

static const char functions_expected[] = "a group, " FUNCTION_FORM;

/* ---- functions ---- */

static const char *const *function_words(struct arena *mem)
{
	const struct ks_modbus_row *rows;
	const char **words;
	unsigned int n;

	rows = ks_modbus_rows(&n);
	words = group_words(mem, n);
	for (unsigned int i = 0; i < n; i++)
		words[KS_GROUPS + i] = rows[i].name;
	return words;
}

static bool function_by_name(const struct ynode *n, struct function_sel *out)
{
	const struct ks_modbus_row *rows;
	unsigned int count;

	rows = ks_modbus_rows(&count);
	for (unsigned int i = 0; i < count; i++) {
		if (!node_is(n, rows[i].name))
			continue;
		out->kind = rows[i].sub == KS_ANY ? FN_CODE : FN_SUB;
		out->code = rows[i].code;
		out->sub = rows[i].sub;
		return true;
	}
	return false;
}

/* "16", "0x10", "8/4"; false after a diagnostic or when it is no number at all. */
static bool function_by_number(struct parser *ps, const struct ynode *n,
			       struct function_sel *out, bool *said)
{
	const char *slash = memchr(n->text, '/', n->len);
	size_t left = slash ? (size_t)(slash - n->text) : n->len;

	if (!text_number(n->text, left, &out->code))
		return false;
	*said = true;
	if (!out->code || out->code >= MODBUS_CODES) {
		diag_error(ps->d, n->at, "'%s', expected a function code of 1 to %d",
			   node_quote(ps, n), MODBUS_CODES - 1);
		return false;
	}
	out->kind = slash ? FN_SUB : FN_CODE;
	if (!slash)
		return true;
	if (function_elements(out->code) != ELEMENT_SUB) {
		diag_error(ps->d, n->at, "'%s': function %u has no sub-functions, expected '%u'",
			   node_quote(ps, n), out->code, out->code);
		return false;
	}
	if (!text_number(slash + 1, n->len - left - 1, &out->sub) ||
	    out->sub > (out->code == 8 ? 0xffffu : 0xffu)) {
		diag_error(ps->d, n->at, "'%s', expected a sub-function of 0 to %u after '/'",
			   node_quote(ps, n), out->code == 8 ? 0xffffu : 0xffu);
		return false;
	}
	return true;
}

bool read_function(struct parser *ps, const struct ynode *n, bool group,
		   struct function_sel *out)
{
	const char *expected = group ? functions_expected : FUNCTION_FORM, *near;
	bool said = false;

	*out = (struct function_sel){ .kind = FN_GROUP, .at = n->at };
	if (!want_scalar(ps, n, expected))
		return false;
	if (function_by_number(ps, n, out, &said))
		return out->kind != FN_SUB || out->code != KS_FC_UMAS ||
		       umas_is_judged(ps, n, out->sub);
	if (said)
		return false;
	if ((group && node_group(n, &out->code)) || function_by_name(n, out))
		return true;
	near = diag_nearest(n->text, n->len, function_words(&ps->d->mem) + (group ? 0 : KS_GROUPS));
	diag_error(ps->d, n->at, "unknown function '%s', expected %s%s%s%s",
		   node_quote(ps, n), expected, near ? "; did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
	return false;
}

static void add_function(struct parser *ps, struct modbus_match *m,
			 const struct ynode *n)
{
	struct function_sel s;

	if (!read_function(ps, n, true, &s))
		return;
	if (s.kind != FN_GROUP && function_is_compound(s.code)) {
		diag_error(ps->d, n->at,
			   "'%s' is judged as 3 over what it reads and as 16 over what it writes, expected those",
			   node_quote(ps, n));
		return;
	}
	m->functions = arena_grow(&ps->p->mem, m->functions, m->n_functions,
				  sizeof(*m->functions));
	m->functions[m->n_functions++] = s;
}

static void match_functions(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, functions_expected); i < count; i++)
		add_function(ps, arg, node_at(n, i));
}

/* ---- addresses ---- */

static const char addresses_expected[] =
	"a wire address (0 to 65535), a range, or numbers such as '4x101-4x200'";

/*
 * "100", "0x64" are wire addresses; "1x1", "3x1", "4x1" count from 1 in their
 * table. Coils have no such form: '0x' begins a hexadecimal number.
 */
static bool text_address(const char *text, size_t len, enum modbus_table *table,
			 uint32_t *out)
{
	static const enum modbus_table tables[] = {
		['1' - '0'] = TABLE_DISCRETE, ['3' - '0'] = TABLE_INPUT,
		['4' - '0'] = TABLE_HOLDING,
	};
	size_t zeros = 2;

	*table = TABLE_OWN;
	if (len < 3 || text[1] != 'x' || !strchr("134", text[0]))
		return text_number(text, len, out) && *out <= 0xffff;
	*table = tables[text[0] - '0'];
	while (zeros + 1 < len && text[zeros] == '0')
		zeros++;	/* 4x00101 is how documents write it */
	if (!text_number(text + zeros, len - zeros, out) || !*out || *out > 65536)
		return false;
	*out -= 1;
	return true;
}

static bool node_address(const struct ynode *n, struct address_sel *a)
{
	const char *dash = memchr(n->text, '-', n->len);
	size_t left = dash ? (size_t)(dash - n->text) : n->len;
	enum modbus_table table;

	if (!text_address(n->text, left, &a->table, &a->span.lo))
		return false;
	a->span.hi = a->span.lo;
	if (!dash)
		return true;
	return text_address(dash + 1, n->len - left - 1, &table, &a->span.hi) &&
	       table == a->table;
}

/* '0x10' could be read as coil 10 by people used to 4x101. */
static void warn_coil_form(struct parser *ps, const struct ynode *n)
{
	for (size_t i = 0; i < n->len; i++)
		if (strchr("abcdefABCDEF", n->text[i]))
			return;
	if (n->len > 2 && n->text[0] == '0' && n->text[1] == 'x')
		diag_warning(ps->d, n->at,
			     "'%s' is read as a hexadecimal wire address, not as a coil number; write it in decimal",
			     node_quote(ps, n));
}

bool read_address(struct parser *ps, const struct ynode *n, struct address_sel *out)
{
	*out = (struct address_sel){ .text = n->text, .span.at = n->at };
	if (!want_scalar(ps, n, addresses_expected))
		return false;
	if (!node_address(n, out)) {
		node_wrong(ps, n, addresses_expected);
		return false;
	}
	if (out->span.lo > out->span.hi) {
		diag_error(ps->d, n->at, "range '%s' is empty, expected the lower address first",
			   node_quote(ps, n));
		return false;
	}
	warn_coil_form(ps, n);
	return true;
}

static void add_address(struct parser *ps, struct modbus_match *m,
			const struct ynode *n)
{
	struct address_sel a;

	if (!read_address(ps, n, &a))
		return;
	m->addresses = arena_grow(&ps->p->mem, m->addresses, m->n_addresses,
				  sizeof(*m->addresses));
	m->addresses[m->n_addresses++] = a;
}

static void match_addresses(struct parser *ps, const struct ynode *n, void *arg)
{
	for (size_t i = 0, count = count_wanted(ps, n, addresses_expected); i < count; i++)
		add_address(ps, arg, node_at(n, i));
}

static void match_unit(struct parser *ps, const struct ynode *n, void *arg)
{
	read_spans(ps, n, 0, 255, "a unit id", &((struct modbus_match *)arg)->units);
}

static const struct ykey modbus_keys[] = {
	{ "unit", match_unit, false },
	{ "functions", match_functions, false },
	{ "addresses", match_addresses, false },
	{ "values", match_values, false },
	{ NULL, NULL, false },
};

/* A numbered address must be of a table that some function of the rule uses. */
static void check_tables(struct parser *ps, const struct modbus_match *m)
{
	static const char *const names[] = {
		[TABLE_COILS] = "coils", [TABLE_DISCRETE] = "discrete inputs",
		[TABLE_INPUT] = "input registers", [TABLE_HOLDING] = "holding registers",
	};
	struct intervals found = { .mem = &ps->d->mem };

	for (size_t i = 0; i < m->n_addresses; i++) {
		struct modbus_match one = *m;
		bool used = m->addresses[i].table == TABLE_OWN;

		one.addresses = &m->addresses[i];
		one.n_addresses = 1;
		for (uint32_t fc = 1; !used && fc < MODBUS_CODES; fc++) {
			modbus_elements(&one, fc, &found);
			used = found.n;
		}
		if (!used)
			diag_error(ps->d, m->addresses[i].span.at,
				   "'%s' is an address of %s, but no function of this rule has them, expected such a function",
				   diag_quote(ps->d, m->addresses[i].text,
					      strlen(m->addresses[i].text)),
				   names[m->addresses[i].table]);
	}
}

struct modbus_match *read_modbus_match(struct parser *ps, const struct ynode *n)
{
	struct modbus_match *m = arena_alloc(&ps->p->mem, sizeof(*m));
	size_t before = ps->d->errors;

	if (!want_map(ps, n, "a mapping, '{}' for every Modbus request"))
		return m;
	read_map(ps, n, modbus_keys, m, "modbus");
	if (ps->d->errors == before)
		check_tables(ps, m);
	if (ps->d->errors == before && m->values)
		check_values(ps, m);
	return m;
}
