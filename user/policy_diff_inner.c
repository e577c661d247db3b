// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIP class 0x44: a request is allowed as CIP, and as the Modbus request in it, so both
 * are compared together. Must not know about clients.
 */
#include "../bpf/cip_modbus.h"
#include "policy_diff_cip.h"

bool diff_holds_modbus(uint32_t key_class, uint32_t service)
{
	return key_class == CIP_MODBUS && service >= CIP_MODBUS_READ &&
	       service <= CIP_MODBUS_PASS;
}

/* The function codes that the service may hold, as a list ended by 0. */
static const uint8_t *inner_functions(uint32_t service)
{
	static const uint8_t one[][2] = { { 2 }, { 1 }, { 4 }, { 3 }, { 15 }, { 16 } };
	static const uint8_t passed[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22, 0 };

	return service == CIP_MODBUS_PASS ? passed : one[service - CIP_MODBUS_READ];
}

static void compare_inner(struct comparison *k, uint32_t fc, const struct verdict cip[DIFF_SIDES],
			  struct pieces *out)
{
	uint64_t at = 0, last = function_last(fc);

	while (at <= last) {
		struct verdict v[DIFF_SIDES];
		uint64_t hi = last;

		for (int s = 0; s < DIFF_SIDES; s++) {
			v[s] = modbus_verdict(k->view[s].c, k->rows->modbus[s], NULL, fc,
					      (uint32_t)at);
			hi = v[s].hi < hi ? v[s].hi : hi;
			v[s].before = cip[s].alert;
			if (cip[s].alert)
				v[s].alert = cip[s].alert;
			if (!cip[s].allow)
				v[s] = cip[s];
		}
		compare_elements(k->d, k->view, v, fc, (uint32_t)at, (uint32_t)hi, out);
		at = hi + 1;
	}
}

void inner_box(struct comparison *k, const struct diff_box *box,
		      const struct verdict v[DIFF_SIDES])
{
	uint32_t cell = DIFF_CELL(k->class, k->service);

	for (const uint8_t *fc = inner_functions(k->service); *fc; fc++) {
		struct pieces p = { .mem = &k->tmp };
		uint32_t code = *fc;

		compare_inner(k, code, v, &p);
		for (size_t i = 0; i < p.n; i++) {
			struct diff_item item = {
				.kind = DIFF_INNER, .change = p.piece[i].change,
				.functions = pool_put(&k->d->sets, &code, 1),
				.spans = piece_set(k->d, &p.piece[i], code),
				.values = p.piece[i].values,
				.cells = pool_put(&k->d->sets, &cell, 1),
				.boxes = pool_put(&k->d->boxes, box, 1),
			};

			items_add(k->d, k->out, &item);
		}
	}
}

/* Every Modbus request that the service may hold, by every path. */
static bool is_whole(struct policy_diff *d, const struct diff_item *item)
{
	uint32_t service = *(uint32_t *)pool_get(&d->sets, item->cells, NULL) % CIP_SERVICES;
	const struct diff_box *box = pool_get(&d->boxes, item->boxes, NULL);
	uint32_t n, m, codes = 0;
	const uint32_t *span = pool_get(&d->sets, item->spans, &m);

	pool_get(&d->sets, item->functions, &n);
	while (inner_functions(service)[codes])
		codes++;
	return !item->values && n == codes && m == 2 && !span[0] && span[1] == KS_NO_VALUE && !box->lo &&
	       box->hi == KS_NO_VALUE && !box->attr_lo && box->attr_hi == KS_NO_VALUE;
}

void join_inner(struct policy_diff *d, struct items *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].kind != DIFF_INNER || !is_whole(d, &l->v[i]))
			continue;
		l->v[i].kind = DIFF_CIP;
		l->v[i].functions = l->v[i].spans = 0;
	}
}
