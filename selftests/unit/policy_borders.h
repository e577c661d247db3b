/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests at the borders of what a policy's rules name: first and last element of a
 * range and those beside it, and likewise addresses. Must not judge anything.
 */
#ifndef KEYSWITCH_POLICY_BORDERS_H
#define KEYSWITCH_POLICY_BORDERS_H

#include "policy_random.h"

/* First or last address of a prefix, or the one behind it. */
static struct prefix border_address(const struct prefix *from)
{
	struct prefix p = *from;
	unsigned int width = prefix_width(&p), which = any(5);

	if (which >= 3)
		for (unsigned int b = p.len; b < width; b++)
			p.addr[b / 8] |= (uint8_t)(0x80 >> b % 8);
	if (which == 4)
		for (unsigned int i = width / 8; i-- && !++p.addr[i];)
			;
	p.len = (uint8_t)width;
	return p;
}

static uint32_t border_number(const struct span *s)
{
	switch (any(8)) {
	case 0:
		return s->lo ? s->lo - 1 : 0;
	case 1:
		return s->hi < KS_NO_VALUE - 1 ? s->hi + 1 : s->hi;
	case 2: case 3:
		return s->hi;
	}
	return s->lo;
}

#define BORDER_OF(list) border_number(&(list).v[any((uint32_t)(list).n)])

static void border_who(const struct policy *p, const struct policy_rule *r, struct request *q)
{
	const struct policy_asset *a = &p->assets[r->n_to ? r->to[any((uint32_t)r->n_to)]
							  : any((uint32_t)p->n_assets)];
	const struct source *s = r->n_from ? &r->from[any((uint32_t)r->n_from)] : NULL;
	const struct policy_host *h;

	q->server = border_address(&a->addrs.v[any((uint32_t)a->addrs.n)]);
	if (!s)
		return;
	if (s->kind == SOURCE_LITERAL) {
		q->client = border_address(&s->literal);
		return;
	}
	h = &p->hosts[s->kind == SOURCE_HOST ? s->index :
		      p->groups[s->index].hosts[any((uint32_t)p->groups[s->index].n)]];
	q->client = border_address(&h->addrs.v[any((uint32_t)h->addrs.n)]);
}

/* Some function of the group, or the one that is there when none comes by chance. */
static void border_function(const struct function_sel *f, struct request *q)
{
	if (f->kind != FN_GROUP) {
		q->fc = f->code;
		q->sub = f->kind == FN_SUB ? f->sub : ref_has_sub(f->code) ? any(256) : 0;
		return;
	}
	for (int i = 0; i < 300; i++) {
		uint32_t fc = 1 + any(127), sub = ref_has_sub(fc) ? any(256) : 0;

		if (fc == 23 || ks_modbus_group(fc, ref_has_sub(fc) ? sub : KS_ANY) != f->code)
			continue;
		q->fc = fc;
		q->sub = sub;
		return;
	}
}

static void border_modbus(const struct modbus_match *m, struct request *q)
{
	q->cip = false;
	if (m->units.n)
		q->unit = (uint8_t)BORDER_OF(m->units);
	if (m->n_functions)
		border_function(&m->functions[any((uint32_t)m->n_functions)], q);
	else if (m->umas) {
		q->fc = 90;
		q->sub = any(256);
	}
	if (m->n_addresses) {
		const struct span *s = &m->addresses[any((uint32_t)m->n_addresses)].span;

		q->lo = border_number(s);
		q->n = any(2) || q->lo > s->hi ? 1 : s->hi - q->lo + any(2) + (q->lo < s->hi);
		q->n = q->n ? q->n : 1;
		q->wlo = any(2) ? q->lo : q->wlo;
	}
}

static void border_pccc(const struct cip_match *m, struct request *q)
{
	const struct file_sel *f = m->n_files ? &m->files[any((uint32_t)m->n_files)] : NULL;
	uint32_t code = 0xfaa;

	for (size_t i = 0; i < m->n_services; i++)
		if (m->services[i].kind == SV_CODE && any(2))
			code = m->services[i].code;
	q->service = code & 127;
	q->class = KS_CLASS_PCCC | code >> 8 << 1 | (code >> 7 & 1);
	q->has_file = f != NULL;
	if (!f)
		return;
	q->type = any(3) ? f->type + 0x7f : NO_TYPE;
	q->file = f->file;
	q->element = border_number(&f->span) & 0xffff;
	q->elements = 1 + any(any(2) ? 2 : f->span.hi - f->span.lo + 2);
}

static void border_service(const struct cip_match *m, struct request *q)
{
	const struct service_sel *s = &m->services[any((uint32_t)m->n_services)];
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	if (s->kind == SV_CODE) {
		q->service = s->code;
	} else if (s->kind == SV_NAMED) {
		q->service = rows[s->code].service;
		q->class = rows[s->code].class;
	} else {
		for (int i = 0; i < 200; i++) {
			const struct ks_cip_row *row = &rows[any(n)];

			if (row->group != s->code || row->class == KS_ANY)
				continue;
			q->service = row->service;
			q->class = row->class;
			break;
		}
	}
}

static void border_cip(const struct cip_match *m, struct request *q)
{
	q->cip = true;
	q->has_file = q->inner = false;
	if (m->routes.n && any(2))
		q->route = m->routes.v[any((uint32_t)m->routes.n)];
	if (m->pccc) {
		border_pccc(m, q);
		return;
	}
	if (m->n_services)
		border_service(m, q);
	if (m->classes.n && any(8) && m->classes.v[0].lo != 0x67)
		q->class = m->classes.v[any((uint32_t)m->classes.n)].lo;
	if (m->n_tags) {
		q->class = KS_CLASS_TAG;
		q->tag = m->tags[any((uint32_t)m->n_tags)];
	}
	if (m->instances.n)
		q->instance = BORDER_OF(m->instances);
	if (m->attributes.n)
		q->attribute = BORDER_OF(m->attributes);
	if (q->class == KS_CLASS_IO)
		q->service %= 3;
}

/* Nine of ten near some rule, the rest anywhere. */
static void border_request(const struct policy *p, struct request *q)
{
	const struct policy_rule *r;

	random_request(q);
	if (!p->n_rules || any(10) == 0)
		return;
	r = &p->rules[any((uint32_t)p->n_rules)];
	if (any(8))
		border_who(p, r, q);
	if (r->modbus && (!r->cip || any(2)))
		border_modbus(r->modbus, q);
	else if (r->cip)
		border_cip(r->cip, q);
	if (any(3))
		q->route = "";
	random_values(q);
	if (q->cip && q->class == 0x67 && q->service == 0x4b)
		q->service = 0x4c;	/* Execute_PCCC is judged as the command in it */
}

#endif
