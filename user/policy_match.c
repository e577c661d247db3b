// SPDX-License-Identifier: GPL-2.0-only
/*
 * Meaning of a rule's selectors, see policy_match.h.
 */
#include <string.h>

#include "policy_match.h"

#define CLASS_SYMBOL	0x6b
#define CLASS_PCCC	0x67
#define SERVICE_PCCC	0x4b
#define COMMAND_ABOVE	0x7f	/* stands for every encapsulation command above it */

enum element_kind function_elements(uint32_t fc)
{
	if (function_table(fc) != TABLE_OWN)
		return ELEMENT_ADDRESS;
	return fc == 8 || fc == 43 || fc == KS_FC_UMAS ? ELEMENT_SUB : ELEMENT_WHOLE;
}

enum modbus_table function_table(uint32_t fc)
{
	switch (fc) {
	case 1: case 5: case 15:
		return TABLE_COILS;
	case 2:
		return TABLE_DISCRETE;
	case 4:
		return TABLE_INPUT;
	case 3: case 6: case 16: case 22: case 24:
		return TABLE_HOLDING;
	}
	return TABLE_OWN;
}

uint32_t function_last(uint32_t fc)
{
	switch (function_elements(fc)) {
	case ELEMENT_ADDRESS:
		return 0xffff;
	case ELEMENT_SUB:
		return fc == 8 ? 0xffff : 0xff;
	case ELEMENT_WHOLE:
		break;
	}
	return 0;
}

bool function_has_length(uint32_t fc, uint32_t sub)
{
	switch (fc) {
	case 1: case 2: case 3: case 4: case 5: case 6: case 7: case 8:
	case 11: case 12: case 15: case 16: case 17:
	case 20: case 21: case 22: case 23: case 24:
		return true;
	case 43:
		return sub == 14;
	}
	return false;
}

/* ---- Modbus ---- */

static void add_interval(struct intervals *out, uint32_t lo, uint32_t hi)
{
	out->v = arena_grow(out->mem, out->v, out->n, sizeof(*out->v));
	out->v[out->n].lo = lo;
	out->v[out->n++].hi = hi;
}

/* The sub-functions of fc that are in a group: listed ones, and the gaps between. */
static void add_group_subs(uint32_t group, uint32_t fc, struct intervals *out)
{
	bool rest = ks_modbus_group(fc, KS_ANY) == group;
	const struct ks_modbus_row *rows;
	uint32_t next = 0;
	unsigned int n;

	/* rows of one function stand in ascending order of sub-function */
	rows = ks_modbus_rows(&n);
	for (unsigned int i = 0; i < n; i++) {
		if (rows[i].code != fc || rows[i].sub == KS_ANY)
			continue;
		if (rest && rows[i].sub > next)
			add_interval(out, next, rows[i].sub - 1);
		if (rows[i].group == group)
			add_interval(out, rows[i].sub, rows[i].sub);
		next = rows[i].sub + 1;
	}
	if (rest)
		add_interval(out, next, KS_NO_VALUE);
}

static void add_addresses(const struct modbus_match *m, uint32_t fc,
			  struct intervals *out)
{
	if (!m->n_addresses)
		add_interval(out, 0, KS_NO_VALUE);
	for (size_t i = 0; i < m->n_addresses; i++) {
		const struct address_sel *a = &m->addresses[i];

		if (a->table == TABLE_OWN || a->table == function_table(fc))
			add_interval(out, a->span.lo, a->span.hi);
	}
}

/* One selector's part of fc; functions without an address never meet `addresses`. */
static void add_selected(const struct modbus_match *m, const struct function_sel *s,
			 uint32_t fc, struct intervals *out)
{
	enum element_kind kind = function_elements(fc);

	if (kind != ELEMENT_ADDRESS && m->n_addresses)
		return;
	if (m->values && (!function_writes_values(fc) ||
			  (value_form_is_pair(m->values) && function_table(fc) == TABLE_COILS)))
		return;
	if (kind == ELEMENT_SUB && s && s->kind == FN_GROUP) {
		add_group_subs(s->code, fc, out);
		return;
	}
	if (s && s->kind == FN_GROUP ? ks_modbus_group(fc, KS_ANY) != s->code
				     : s && s->code != fc)
		return;
	if (kind == ELEMENT_ADDRESS)
		add_addresses(m, fc, out);
	else if (s && s->kind == FN_SUB)
		add_interval(out, s->sub, s->sub);
	else
		add_interval(out, 0, KS_NO_VALUE);
}

void modbus_elements(const struct modbus_match *m, uint32_t fc,
		     struct intervals *out)
{
	out->n = 0;
	if (function_is_compound(fc) || (m->umas && fc != KS_FC_UMAS))
		return;
	if (!m->n_functions)
		add_selected(m, NULL, fc, out);
	for (size_t i = 0; i < m->n_functions; i++)
		add_selected(m, &m->functions[i], fc, out);
}

bool rule_takes_unit(const struct policy_rule *r, uint32_t unit, uint32_t fc)
{
	const struct spans *u;

	if (!r->modbus || !r->modbus->units.n)
		return unit || !r->allow || ks_modbus_group(fc, KS_ANY) == KS_G_read;
	u = &r->modbus->units;
	for (size_t i = 0; i < u->n; i++)
		if (unit >= u->v[i].lo && unit <= u->v[i].hi)
			return true;
	return false;
}

/* ---- CIP ---- */

/* A service code is one of CIP requests; commands and datagrams have names instead. */
static bool class_has_services(uint32_t key_class)
{
	return key_class != KS_CLASS_ENCAP && key_class != KS_CLASS_IO;
}

/* KS_ANY stands for wire classes without a name; a tag's id is no instance. */
static bool class_has_instances(uint32_t key_class)
{
	return key_class < KS_CLASS_TAG || key_class == KS_CLASS_OPEN ||
	       key_class == KS_ANY;
}

/* What PCCC commands are to rules about CIP: Execute_PCCC of class 0x67. */
static void pccc_as_cip(uint32_t *service, uint32_t *key_class)
{
	if (!ks_is_pccc(*key_class))
		return;
	*service = SERVICE_PCCC;
	*key_class = CLASS_PCCC;
}

static bool service_selected(const struct service_sel *s, uint32_t service,
			     uint32_t key_class, bool pccc)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	if (s->kind == SV_GROUP)
		return ks_cip_group(service, key_class) == s->code;
	if (pccc)
		return s->code == ks_pccc_code(service, key_class);
	pccc_as_cip(&service, &key_class);
	if (s->kind == SV_CODE)
		return s->code == service && class_has_services(key_class);
	rows = ks_cip_rows(&n);
	for (unsigned int i = 0; i < n; i++)
		if (rows[i].service == service && rows[i].class == key_class &&
		    !strcmp(rows[i].name, rows[s->code].name))
			return true;
	return false;
}

bool cip_selects(const struct cip_match *m, uint32_t service, uint32_t key_class)
{
	uint32_t class = key_class, code = service;
	bool hit = !m->classes.n;

	pccc_as_cip(&code, &class);
	for (size_t i = 0; !hit && i < m->classes.n; i++)
		hit = m->classes.v[i].lo == class;
	if (m->pccc && !ks_is_pccc(key_class))
		return false;
	if (!hit || (m->n_tags && key_class != KS_CLASS_TAG))
		return false;
	if (m->instances.n && !class_has_instances(key_class))
		return false;
	if (m->attributes.n && (!class_has_services(key_class) || ks_is_pccc(key_class)))
		return false;
	hit = !m->n_services;
	for (size_t i = 0; !hit && i < m->n_services; i++)
		hit = service_selected(&m->services[i], service, key_class, m->pccc);
	return hit;
}

/* What an allow rule says of a datagram; a deny rule takes all. */
static bool rule_takes_io(const struct policy_rule *r, uint32_t service)
{
	if (!r->allow)
		return true;
	if (service == KS_IO_STATIC)
		return r->io == POLICY_IO_STATIC;
	return service == KS_IO_IDLE || r->io != POLICY_IO_IDLE;
}

bool rule_selects_cip(const struct policy_rule *r, uint32_t service,
		      uint32_t key_class)
{
	if (key_class == KS_CLASS_IO && !rule_takes_io(r, service))
		return false;
	if (r->io)
		return ks_cip_group(service, key_class) == KS_G_io;
	if (r->cip)
		return cip_selects(r->cip, service, key_class);
	return !r->modbus;
}

bool rule_shuts_symbols(const struct policy_rule *r, uint32_t service,
			uint32_t key_class)
{
	return r->cip && !r->alert && r->cip->n_tags && key_class == CLASS_SYMBOL &&
	       ks_cip_group(service, key_class) == KS_G_write;
}

/* ---- defaults ---- */

static bool readonly_group(enum ks_group g)
{
	return KS_READONLY_GROUPS >> g & 1;
}

bool default_allows_modbus(enum ks_default d, uint32_t fc, uint32_t sub)
{
	if (function_is_compound(fc))
		return false;
	if (d == KS_DEFAULT_READONLY)
		return readonly_group(ks_modbus_group(fc, sub));
	if (fc == KS_FC_UMAS)
		return d == KS_DEFAULT_ALLOW && ks_modbus_group(fc, sub) != KS_G_other;
	return d == KS_DEFAULT_ALLOW && function_has_length(fc, sub);
}

bool default_allows_cip(enum ks_default d, uint32_t service, uint32_t key_class)
{
	if (d == KS_DEFAULT_READONLY)
		return readonly_group(ks_cip_group(service, key_class));
	if (key_class == KS_CLASS_IO && service == KS_IO_STATIC)
		return false;
	/* commands that the dissector has no layout for are opaque */
	if (ks_is_pccc(key_class))
		return d == KS_DEFAULT_ALLOW && ks_cip_group(service, key_class) != KS_G_other;
	return d == KS_DEFAULT_ALLOW &&
	       !(key_class == KS_CLASS_ENCAP && service == COMMAND_ABOVE);
}
