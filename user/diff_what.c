// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modbus requests that change, in words: functions, elements and units.
 * Must not compare anything.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff_json.h"
#include "names.h"
#include "policy_match.h"

void add_text(json_t *array, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(array, json_string(text));
}

void add_range(json_t *array, const char *before, uint32_t lo, uint32_t hi)
{
	if (lo == hi)
		add_text(array, "%s%u", before, lo);
	else
		add_text(array, "%s%u-%u", before, lo, hi);
}

const uint32_t *set_of(const struct policy_diff *d, uint32_t set, uint32_t *n)
{
	return pool_get(&d->sets, set, n);
}

/* Only where it is not all of them. */
void set_list(json_t *o, const char *key, json_t *list)
{
	if (json_array_size(list))
		json_object_set_new(o, key, list);
	else
		json_decref(list);
}

/* ---- Modbus ---- */

static json_t *units_json(const struct policy_diff *d, uint32_t set)
{
	json_t *list = json_array();
	uint32_t n, lo;
	const uint32_t *v = set_of(d, set, &n);

	for (uint32_t i = 0; i < n && n < 256; i++) {
		for (lo = v[i]; i + 1 < n && v[i + 1] == v[i] + 1;)
			i++;
		add_range(list, "", lo, v[i]);
	}
	return list;
}

json_t *spans_json(const struct policy_diff *d, uint32_t set)
{
	json_t *list = json_array();
	uint32_t n;
	const uint32_t *v = set_of(d, set, &n);

	for (uint32_t i = 0; i < n; i += 2)
		if (v[i] || v[i + 1] != KS_NO_VALUE)
			add_range(list, "", v[i], v[i + 1]);
	return list;
}

/* Bits as a number of their type. */
static void value_text(char text[32], uint32_t type, uint32_t bits)
{
	float real;

	memcpy(&real, &bits, sizeof(real));
	if (type == KS_VT_FLOAT32)
		snprintf(text, 32, "%.9g", (double)real);
	else if (type == KS_VT_INT16)
		snprintf(text, 32, "%d", (int16_t)bits);
	else if (type == KS_VT_INT32)
		snprintf(text, 32, "%d", (int32_t)bits);
	else
		snprintf(text, 32, "%u", bits);
}

/* Bits of one sign: of negative floats the larger ones are the smaller numbers. */
static void add_values(json_t *list, uint32_t type, uint32_t lo, uint32_t hi)
{
	bool turned = type == KS_VT_FLOAT32 && lo >> 31;
	char a[32], b[32];

	value_text(a, type, turned ? hi : lo);
	value_text(b, type, turned ? lo : hi);
	if (lo == hi)
		add_text(list, "%s", a);
	else
		add_text(list, type == KS_VT_UINT16 || type == KS_VT_UINT32 ? "%s-%s" : "%s..%s", a, b);
}

/* The negative numbers of a range of bits, or the others: they lie behind each other. */
static void add_signed(json_t *list, uint32_t type, bool negative, uint32_t lo, uint32_t hi)
{
	uint32_t half = type == KS_VT_INT16 ? 0x8000 : type > KS_VT_UINT32 ? 0x80000000 : 0;

	if (negative && (!half || hi < half))
		return;
	if (!negative && half && lo >= half)
		return;
	add_values(list, type, negative && lo < half ? half : lo,
		   !negative && half && hi >= half ? half - 1 : hi);
}

json_t *values_json(const struct policy_diff *d, const struct diff_item *item)
{
	json_t *list = json_array();
	uint32_t n = 0;
	const uint32_t *v = item->values ? set_of(d, item->values - 1, &n) : NULL;

	if (v && v[0] & DIFF_VALUES_UNLIKE)
		add_text(list, "some, which are other numbers now");
	else if (v && v[0] & DIFF_VALUES_UNKNOWN)
		add_text(list, "not written as a whole pair");
	for (int negative = 1; negative >= 0; negative--)
		for (uint32_t i = 1; i + 1 < n; i += 2)
			add_signed(list, v[0] & 0xff, negative, v[i], v[i + 1]);
	return list;
}

void add_function(json_t *list, uint32_t fc)
{
	const char *name = name_modbus(fc, KS_ANY);

	if (name)
		add_text(list, "%s", name);
	else
		add_text(list, "function %u", fc);
}

/* Sub-functions by name where they have one, the rest by number. */
static void add_subs(json_t *list, uint32_t fc, uint32_t lo, uint32_t hi)
{
	const struct ks_modbus_row *rows;
	char before[16];
	unsigned int n;

	snprintf(before, sizeof(before), "%u/", fc);
	rows = ks_modbus_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		if (rows[i].code != fc || rows[i].sub == KS_ANY || rows[i].sub < lo ||
		    rows[i].sub > hi)
			continue;
		if (rows[i].sub > lo)
			add_range(list, before, lo, rows[i].sub - 1);
		add_text(list, "%s", rows[i].name);
		lo = rows[i].sub + 1;
	}
	if (lo <= hi)
		add_range(list, before, lo, hi);
}

static bool is_whole(const struct policy_diff *d, uint32_t spans)
{
	uint32_t n;
	const uint32_t *v = set_of(d, spans, &n);

	return n == 2 && !v[0] && v[1] == KS_NO_VALUE;
}

/* Functions of the item, those with some sub-functions apart from those with addresses. */
static json_t *functions_json(const struct policy_diff *d, const struct diff_item *item, bool subs)
{
	json_t *list = json_array();
	uint32_t n, m;
	const uint32_t *fc = set_of(d, item->functions, &n), *v = set_of(d, item->spans, &m);
	bool whole = is_whole(d, item->spans);

	for (uint32_t i = 0; i < n; i++) {
		if ((!whole && function_elements(fc[i]) == ELEMENT_SUB) != subs)
			continue;
		for (uint32_t k = 0; subs && k < m; k += 2)
			add_subs(list, fc[i], v[k], v[k + 1]);
		if (!subs)
			add_function(list, fc[i]);
	}
	return list;
}

void modbus_item_json(const struct policy_diff *d, const struct diff_item *item, json_t *lines)
{
	for (int subs = 0; subs < 2; subs++) {
		json_t *functions = functions_json(d, item, subs), *o;

		if (!json_array_size(functions)) {
			json_decref(functions);
			continue;
		}
		o = json_pack("{s:s, s:o}", "proto", "modbus", "requests", functions);
		if (!subs)
			set_list(o, "elements", spans_json(d, item->spans));
		if (!subs)
			set_list(o, "values", values_json(d, item));
		set_list(o, "unit", units_json(d, item->units));
		json_array_append_new(lines, o);
	}
}
