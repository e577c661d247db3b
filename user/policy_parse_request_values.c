// SPDX-License-Identifier: GPL-2.0-only
/*
 * --value and --value-type of one request: numbers become what each register or coil would
 * hold. Must not look at rules.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_match.h"
#include "policy_parse_request.h"

static bool is_pair(const struct value_list *l)
{
	return l->type > KS_VT_INT16;
}

bool word_value_type(struct reading *r, const struct ynode *n)
{
	static const char *const words[] = { "uint16", "int16", "uint32", "int32", "float32", NULL };
	const char *comma = memchr(n->text, ',', n->len);
	struct ynode type = *n;
	int w;

	if (comma) {
		type.len = (size_t)(comma - n->text);
		type.text = arena_strndup(&r->ps.p->mem, n->text, type.len);
	}
	w = read_word(&r->ps, &type, words, NULL);
	if (w < 0)
		return false;
	r->value.type = KS_VT_UINT16 + (enum ks_value_type)w;
	r->value.low_first = comma && !strcmp(comma, ",low-first");
	if (!given(r, WORD_VALUE)) {
		diag_error(r->ps.d, n->at, "given without --value, expected both");
		return false;
	}
	if (!comma || (r->value.low_first && is_pair(&r->value)) ||
	    (!strcmp(comma, ",high-first") && is_pair(&r->value)))
		return true;
	node_wrong(&r->ps, n, "a type, and ',low-first' only behind 'uint32', 'int32' or 'float32'");
	return false;
}

bool word_value(struct reading *r, const struct ynode *n)
{
	/* read when the type is known; here only whether it is a list */
	if (n->len && n->text[0] != ',' && n->text[n->len - 1] != ',' && !strstr(n->text, ",,"))
		return true;
	node_wrong(&r->ps, n, "a number, or several with ',' between");
	return false;
}

/* One number's bits; false: it is none of its type. */
static bool value_bits(const struct value_list *l, const char *text, size_t len, uint32_t *bits)
{
	bool is_signed = l->type == KS_VT_INT16 || l->type == KS_VT_INT32;
	int64_t v, lo = 0, hi = is_pair(l) ? UINT32_MAX : UINT16_MAX;
	float real;

	if (l->type == KS_VT_FLOAT32) {
		if (!text_float(text, len, &real))
			return false;
		memcpy(bits, &real, sizeof(real));
		return true;
	}
	if (is_signed) {
		hi /= 2;
		lo = -hi - 1;
	}
	if (!text_integer(text, len, &v) || v < lo || v > hi)
		return false;
	*bits = (uint32_t)v & (is_pair(l) ? UINT32_MAX : UINT16_MAX);
	return true;
}

static bool read_numbers(struct reading *r)
{
	const char *text = r->in->word[WORD_VALUE];
	struct value_list *l = &r->value;

	for (size_t len; *text; text += len + (text[len] == ',')) {
		uint32_t bits;

		len = strcspn(text, ",");
		if (!value_bits(l, text, len, &bits))
			return word_wrong(r, "value", "'%.*s' is no %s, expected a number of that type",
					  (int)len, text, !l->type || l->type == KS_VT_UINT16 ?
					  "uint16 (see --value-type)" : r->in->word[WORD_VALUE_TYPE]);
		l->v = arena_grow(&r->ps.p->mem, l->v, l->n, sizeof(*l->v));
		l->v[l->n++] = bits;
	}
	return true;
}

/* Registers or coils that the request writes; 0 = none whose values can be said. */
static size_t written_size(const struct policy_request *q)
{
	struct elements of = function_is_compound(q->function) ? q->written : q->own;

	if (q->function == 22)
		return 2;
	return function_writes_values(q->function) || function_is_compound(q->function) ?
	       (size_t)(of.hi - of.lo) + 1 : 0;
}

bool values_request(struct reading *r)
{
	struct value_list *l = &r->value;
	size_t size = written_size(r->q), each;
	uint16_t *out;

	if (!given(r, WORD_VALUE))
		return true;
	if (!size)
		return word_wrong(r, "value", "given beside a request that writes no values, expected none");
	if (!read_numbers(r))
		return false;
	each = is_pair(l) ? 2 : 1;
	if (size % each)
		return word_wrong(r, "value", "%zu registers of numbers that take two each, expected an even number of addresses",
				  size);
	if (l->n * each != size && (l->n > 1 || r->q->function == 22))
		return word_wrong(r, "value", "%zu given, expected %zu%s", l->n, size / each,
				  r->q->function == 22 ? ": the AND mask and the OR mask" : ", or one for all");
	out = arena_alloc(&r->ps.p->mem, size * sizeof(*out));
	for (size_t i = 0; i < size; i++) {
		uint32_t bits = l->v[l->n == 1 ? 0 : i / each];
		bool high = each == 2 && (i % 2 == 0) != l->low_first;

		out[i] = (uint16_t)(high ? bits >> 16 : bits);
		if ((r->q->function == 5 || r->q->function == 15) && out[i] > 1)
			return word_wrong(r, "value", "'%u' of a coil, expected 0 or 1", out[i]);
	}
	r->q->values = out;
	r->q->n_values = size;
	return true;
}
