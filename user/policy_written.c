// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a request writes to one register or coil, see policy_written.h.
 */
#include "policy_written.h"

/* Where the pair of a register begins: pairs are counted from the range's first address. */
static uint32_t pair_start(const struct modbus_match *m, uint32_t fc, uint32_t at)
{
	for (size_t i = 0; i < m->n_addresses; i++) {
		const struct address_sel *a = &m->addresses[i];

		if ((a->table == TABLE_OWN || a->table == function_table(fc)) &&
		    at >= a->span.lo && at <= a->span.hi)
			return at - (at - a->span.lo) % 2;
	}
	return at;
}

struct written request_written(const struct policy_request *q, const struct request_part *part,
			       const struct modbus_match *m, uint32_t at)
{
	bool pair = value_form_is_pair(m->values);
	uint32_t start = pair ? pair_start(m, part->function, at) : at, i = start - part->of.lo;
	struct written w = { .known = q->n_values };

	if (!w.known)
		return w;
	if (part->function == 22) {
		w.known = !pair;
		w.lo = q->values[1] & ~(uint32_t)q->values[0] & UINT16_MAX;
		w.hi = w.lo | q->values[0];
		return w;
	}
	if (pair && (start < part->of.lo || start + 1 > part->of.hi)) {
		w.known = false;
		w.lo = w.hi = q->values[at - part->of.lo];
		return w;
	}
	w.lo = q->values[i];
	if (pair)
		w.lo = m->values->form == KS_VF_HIGH_FIRST ?
		       w.lo << 16 | q->values[i + 1] : w.lo | (uint32_t)q->values[i + 1] << 16;
	w.hi = w.lo;
	return w;
}

enum value_says values_say(const struct value_match *m, bool known, uint32_t bits)
{
	if (!known)
		return VALUE_UNKNOWN;
	for (size_t i = 0; i < m->bits.n; i++)
		if (bits >= m->bits.v[i].lo && bits <= m->bits.v[i].hi)
			return VALUE_HELD;
	return VALUE_OTHER;
}

uint32_t values_border(const struct value_match *m, uint32_t bits, uint32_t hi)
{
	for (size_t i = 0; i < m->bits.n; i++) {
		const struct span *s = &m->bits.v[i];

		if (s->lo > bits && s->lo - 1 < hi)
			hi = s->lo - 1;
		if (s->lo <= bits && s->hi >= bits && s->hi < hi)
			hi = s->hi;
	}
	return hi;
}
