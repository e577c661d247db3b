// SPDX-License-Identifier: GPL-2.0-only
/*
 * `values` of a rule about Modbus: bounds of what is written, as ranges over the bits of
 * a register or of a pair of them. Must not know what the data path does with them.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_match.h"
#include "policy_parse.h"

struct value_type {
	const char *name;
	enum ks_value_type type;
	int64_t lo, hi;
};

static const struct value_type types[] = {
	{ "uint16", KS_VT_UINT16, 0, UINT16_MAX },
	{ "int16", KS_VT_INT16, INT16_MIN, INT16_MAX },
	{ "uint32", KS_VT_UINT32, 0, UINT32_MAX },
	{ "int32", KS_VT_INT32, INT32_MIN, INT32_MAX },
	{ "float32", KS_VT_FLOAT32, 0, 0 },
};

#define TYPES (sizeof(types) / sizeof(types[0]))

/* ---- from numbers to bits ---- */

static int compare_spans(const void *pa, const void *pb)
{
	const struct span *a = pa, *b = pb;

	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

static void add_bits(struct parser *ps, struct value_match *m, uint32_t lo, uint32_t hi)
{
	m->bits.v = arena_grow(&ps->p->mem, m->bits.v, m->bits.n, sizeof(*m->bits.v));
	m->bits.v[m->bits.n++] = (struct span){ .lo = lo, .hi = hi };
}

/* In order, and those that meet or touch as one. */
static void join_bits(struct value_match *m)
{
	struct span *v = m->bits.v;
	size_t kept = 0;

	if (!m->bits.n)
		return;
	qsort(v, m->bits.n, sizeof(*v), compare_spans);
	for (size_t i = 1; i < m->bits.n; i++) {
		if (v[kept].hi == UINT32_MAX || v[i].lo <= v[kept].hi + 1)
			v[kept].hi = v[i].hi > v[kept].hi ? v[i].hi : v[kept].hi;
		else
			v[++kept] = v[i];
	}
	m->bits.n = kept + 1;
}

/* Negative numbers lie above the others, as two's complement has them. */
static void add_integers(struct parser *ps, struct value_match *m, int64_t lo, int64_t hi)
{
	uint32_t mask = value_form_is_pair(m) ? UINT32_MAX : UINT16_MAX;

	if (lo < 0)
		add_bits(ps, m, (uint32_t)lo & mask, (uint32_t)(hi < 0 ? hi : -1) & mask);
	if (hi >= 0)
		add_bits(ps, m, lo < 0 ? 0 : (uint32_t)lo, (uint32_t)hi);
}

static uint32_t float_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* Bits of positive floats are in their order, those of negative ones in the other; two zeros. */
static void add_floats(struct parser *ps, struct value_match *m, float lo, float hi)
{
	const uint32_t sign = 0x80000000u;

	if (hi >= 0)
		add_bits(ps, m, lo > 0 ? float_bits(lo) : 0, float_bits(hi) & ~sign);
	if (lo <= 0)
		add_bits(ps, m, hi < 0 ? float_bits(hi) : sign, float_bits(lo) | sign);
}

/* ---- numbers as text ---- */

bool text_integer(const char *text, size_t len, int64_t *out)
{
	bool minus = len && text[0] == '-';
	uint32_t v;

	if (!text_number(text + minus, len - minus, &v))
		return false;
	*out = minus ? -(int64_t)v : v;
	return true;
}

/* Decimal, as in JSON; the nearest float32. */
bool text_float(const char *text, size_t len, float *out)
{
	char buf[64], *end;

	if (!len || len >= sizeof(buf) || strspn(text, "0123456789.eE+-") < len)
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	*out = strtof(buf, &end);
	return !*end && *out - *out == 0; /* neither infinite nor NaN */
}

/* Where the second number of a range begins, and the first one ends; NULL: one number. */
static const char *range_split(const struct value_match *m, const struct ynode *n, size_t *left)
{
	for (size_t i = 0; i + 1 < n->len; i++) {
		if (n->text[i] != '.' || n->text[i + 1] != '.')
			continue;
		*left = i;
		return n->text + i + 2;
	}
	/* "0-100" as ranges of addresses are; with a sign it would be a riddle */
	for (size_t i = 1; m->type != KS_VT_FLOAT32 && i < n->len && n->text[0] != '-'; i++) {
		if (n->text[i] != '-')
			continue;
		*left = i;
		return n->text + i + 1;
	}
	return NULL;
}

static const char *bounds_expected(struct parser *ps, const struct value_match *m)
{
	const struct value_type *t = &types[m->type - KS_VT_UINT16];
	char *text = arena_alloc(&ps->d->mem, 128);

	if (m->type == KS_VT_FLOAT32)
		snprintf(text, 128, "a decimal number or a range such as '0.5..100'");
	else
		snprintf(text, 128, "a value of %s (%lld to %lld) or a range such as '%s'", t->name,
			 (long long)t->lo, (long long)t->hi, t->lo < 0 ? "-50..50" : "0-100");
	return text;
}

static bool read_ends(const struct value_match *m, const struct ynode *n, int64_t end[2],
		      float real[2])
{
	const char *text[2] = { n->text, NULL };
	size_t len[2] = { n->len, 0 };

	text[1] = range_split(m, n, &len[0]);
	len[1] = text[1] ? n->len - (size_t)(text[1] - n->text) : 0;
	for (int i = 0; i < 2; i++) {
		if (!text[i]) {
			end[i] = end[i - 1];
			real[i] = real[i - 1];
		} else if (m->type == KS_VT_FLOAT32) {
			if (!text_float(text[i], len[i], &real[i]))
				return false;
		} else if (!text_integer(text[i], len[i], &end[i]) ||
			   end[i] < types[m->type - KS_VT_UINT16].lo ||
			   end[i] > types[m->type - KS_VT_UINT16].hi) {
			return false;
		}
	}
	return true;
}

static void add_bounds(struct parser *ps, struct value_match *m, const struct ynode *n)
{
	const char *expected = bounds_expected(ps, m);
	bool real = m->type == KS_VT_FLOAT32;
	int64_t end[2] = { 0 };
	float f[2] = { 0 };

	if (!want_scalar(ps, n, expected))
		return;
	if (!read_ends(m, n, end, f)) {
		node_wrong(ps, n, expected);
		return;
	}
	if (real ? f[0] > f[1] : end[0] > end[1]) {
		diag_error(ps->d, n->at, "range '%s' is empty, expected the lower value first",
			   node_quote(ps, n));
		return;
	}
	if (real)
		add_floats(ps, m, f[0], f[1]);
	else
		add_integers(ps, m, end[0], end[1]);
	m->text = arena_grow(&ps->p->mem, m->text, m->n, sizeof(*m->text));
	m->text[m->n++] = arena_strndup(&ps->p->mem, n->text, n->len);
}

/* ---- the mapping ---- */

struct values_reader {
	struct value_match *m;
	const struct ynode *bounds;
	struct pos words_at;
};

static void values_type(struct parser *ps, const struct ynode *n, void *arg)
{
	const char *words[TYPES + 1] = { NULL };
	struct values_reader *r = arg;
	int w;

	for (size_t i = 0; i < TYPES; i++)
		words[i] = types[i].name;
	w = read_word(ps, n, words, NULL);
	if (w < 0)
		return;
	r->m->type = types[w].type;
	if (r->m->type > KS_VT_INT16)
		r->m->form = KS_VF_HIGH_FIRST;
}

static void values_words(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "high-first", "low-first", NULL };
	struct values_reader *r = arg;
	int w = read_word(ps, n, words, NULL);

	if (w < 0)
		return;
	if (!value_form_is_pair(r->m))
		diag_error(ps->d, n->at, "'words' of a value in one register, expected 'type: uint32', 'int32' or 'float32' beside it");
	else if (w == 1)
		r->m->form = KS_VF_LOW_FIRST;
}

static void values_bounds(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)ps;
	((struct values_reader *)arg)->bounds = n;
}

static const struct ykey values_keys[] = {
	{ "type", values_type, false },
	{ "words", values_words, false },
	{ "bounds", values_bounds, true },
	{ NULL, NULL, false },
};

void match_values(struct parser *ps, const struct ynode *n, void *arg)
{
	struct value_match *m = arena_alloc(&ps->p->mem, sizeof(*m));
	struct values_reader r = { .m = m, .bounds = n };

	((struct modbus_match *)arg)->values = m;
	m->type = KS_VT_UINT16;
	m->at = n->at;
	if (n->kind == Y_MAP) {
		r.bounds = NULL;
		read_map(ps, n, values_keys, &r, "values");
	}
	if (!r.bounds)
		return;
	if (r.bounds->kind == Y_LIST && !r.bounds->n)
		diag_error(ps->d, r.bounds->at, "empty list, expected %s", bounds_expected(ps, m));
	for (size_t i = 0; i < node_count(r.bounds); i++)
		add_bounds(ps, m, node_at(r.bounds, i));
	join_bits(m);
}

/* ---- what has to go with them ---- */

static bool writes_pairs(const struct modbus_match *m)
{
	for (size_t i = 0; i < m->n_functions; i++)
		if (m->functions[i].kind == FN_GROUP ? m->functions[i].code == KS_G_write :
						       m->functions[i].code == 16)
			return true;
	return !m->n_functions;
}

static void check_pairs(struct parser *ps, const struct modbus_match *m)
{
	const char *type = types[m->values->type - KS_VT_UINT16].name;

	if (!writes_pairs(m))
		diag_error(ps->d, m->values->at,
			   "values of '%s' take two registers, which these functions never write, expected 'write_multiple_registers'",
			   type);
	if (!m->n_addresses)
		diag_error(ps->d, m->values->at,
			   "values of '%s' without 'addresses', expected the registers at which pairs begin",
			   type);
	for (size_t i = 0; i < m->n_addresses; i++) {
		const struct span *s = &m->addresses[i].span;

		if ((s->hi - s->lo) % 2 == 0)
			diag_error(ps->d, s->at,
				   "'%s' is an odd number of registers, expected pairs of them: 'type: %s'",
				   diag_quote(ps->d, m->addresses[i].text,
					      strlen(m->addresses[i].text)), type);
	}
}

void check_values(struct parser *ps, const struct modbus_match *m)
{
	bool some = !m->n_functions;

	for (size_t i = 0; i < m->n_functions; i++) {
		const struct function_sel *f = &m->functions[i];

		if (f->kind == FN_GROUP ? f->code == KS_G_write : function_writes_values(f->code)) {
			some = true;
		} else if (f->kind != FN_GROUP) {
			diag_error(ps->d, f->at,
				   "function %u beside 'values', expected those that write some: 5, 6, 15, 16, 22",
				   f->code);
			some = true;
		}
	}
	if (!some)
		diag_error(ps->d, m->values->at,
			   "'values' without a function that writes some, expected 'write', or one of 5, 6, 15, 16, 22");
	else if (value_form_is_pair(m->values))
		check_pairs(ps, m);
}

void refuse_values(struct parser *ps, const struct ynode *map)
{
	for (size_t i = 0; i < map->n; i++) {
		if (!node_is(map->item[2 * i], "values"))
			continue;
		diag_error(ps->d, map->item[2 * i]->at,
			   "'values' here, expected it under 'modbus' alone: of other requests it is not known what they write");
		map->item[2 * i]->broken = true;
	}
}
