/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two evaluators of one request, for the property tests: ref_* walks the
 * syntax tree rule by rule and element by element, as the language is defined;
 * tab_* follows the compiled tables as the data path does. They must not share
 * code beyond bpf/groups.h, or a mistake would agree with itself.
 */
#ifndef KEYSWITCH_POLICY_EVAL_H
#define KEYSWITCH_POLICY_EVAL_H

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/groups.h"
#include "../../user/policy.h"

#define NO_TYPE 256

struct request {
	struct prefix client, server;	/* full length */
	bool cip;
	uint8_t unit;
	uint32_t fc, sub;
	uint32_t lo, n;		/* addresses */
	uint32_t wlo, wn;	/* FC 23 */
	uint32_t service, class;
	uint32_t instance, attribute;	/* KS_NO_VALUE: none */
	const char *tag;		/* class KS_CLASS_TAG */
	bool has_file;			/* class KS_CLASS_PCCC | ...: a data-table file */
	uint32_t type, file, element, elements; /* type as on the wire, NO_TYPE = none */
	bool inner;			/* class 0x44: also the Modbus request fc, lo, n */
	const char *route;		/* as struct ks_route.text, "" = none */
	uint16_t written[64];		/* values, of element i number i % 64; FC 22: the masks */
};

struct answer {
	bool known;		/* the server is an asset */
	bool allow;
	uint32_t rule;
	uint32_t asset;
	bool spoofed;
	uint32_t alert;		/* first alert rule, 0 = none */
	bool outside;		/* there are zones, client or server is in none */
};

/* ---- reference ---- */

static bool ref_in(const struct prefixes *l, const struct prefix *a, int *best)
{
	bool hit = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct prefix *p = &l->v[i];
		bool same = p->family == a->family;

		for (unsigned int b = 0; same && b < p->len; b++)
			same = !((p->addr[b / 8] ^ a->addr[b / 8]) & 0x80 >> b % 8);
		if (same && best && p->len > *best)
			*best = p->len;
		hit |= same;
	}
	return hit;
}

static uint32_t ref_asset(const struct policy *p, const struct prefix *server)
{
	int best = -1;
	uint32_t asset = 0;

	if (ref_in(&p->local, server, NULL))
		return 0;
	for (size_t i = 0; i < p->n_assets; i++) {
		int len = best;

		if (ref_in(&p->assets[i].addrs, server, &len) && len > best) {
			best = len;
			asset = (uint32_t)i + 1;
		}
	}
	return asset;
}

/* The longest prefix decides; what is behind the gateway is in no zone of the other side. */
static uint32_t ref_zone(const struct policy *p, const struct prefix *a)
{
	int best = -1, behind = 0;
	uint32_t zone = 0;

	for (size_t i = 0; i < p->n_zones; i++) {
		int len = best;

		if (ref_in(&p->zones[i].addrs, a, &len) && len > best) {
			best = len;
			zone = (uint32_t)i + 1;
		}
	}
	ref_in(&p->protected, a, &behind);
	for (size_t i = 0; i < p->n_assets; i++)
		ref_in(&p->assets[i].addrs, a, &behind);
	return zone && !p->zones[zone - 1].protected && behind > best ? 0 : zone;
}

static bool ref_zone_listed(const struct zone_list *l, uint32_t zone)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] + 1 == zone)
			return true;
	return false;
}

/* The first conduit that lets `from` open the port of `to`, 0 = none. */
static inline uint32_t ref_conduit(const struct policy *p, const struct prefix *from,
				   const struct prefix *to, uint8_t proto, uint32_t port)
{
	uint32_t a = ref_zone(p, from), b = ref_zone(p, to);

	for (size_t c = 0; a && b && c < p->n_conduits; c++)
		for (size_t i = 0; i < p->conduits[c].n_services; i++) {
			const struct service_range *r = &p->conduits[c].services[i];

			if (ref_zone_listed(&p->conduits[c].from, a) &&
			    ref_zone_listed(&p->conduits[c].to, b) && r->proto == proto &&
			    port >= r->lo && port <= r->hi)
				return (uint32_t)c + 1;
		}
	return 0;
}

static bool ref_spoofed(const struct policy *p, const struct prefix *client)
{
	bool hit = ref_in(&p->protected, client, NULL);
	uint32_t zone = ref_zone(p, client);

	for (size_t i = 0; i < p->n_assets; i++) {
		int len = 0;

		hit |= ref_in(&p->assets[i].addrs, client, &len) && len > 0;
	}
	return hit || (zone && p->zones[zone - 1].protected);
}

static bool ref_from(const struct policy *p, const struct policy_rule *r,
		     const struct prefix *client)
{
	for (size_t i = 0; i < r->n_from; i++) {
		const struct source *s = &r->from[i];
		struct prefix literal = s->literal;
		struct prefixes one = { .v = &literal, .n = 1 };

		if (s->kind == SOURCE_LITERAL && ref_in(&one, client, NULL))
			return true;
		if (s->kind == SOURCE_HOST && ref_in(&p->hosts[s->index].addrs, client, NULL))
			return true;
		for (size_t h = 0; s->kind == SOURCE_GROUP && h < p->groups[s->index].n; h++)
			if (ref_in(&p->hosts[p->groups[s->index].hosts[h]].addrs, client, NULL))
				return true;
	}
	return !r->n_from;
}

static bool ref_to(const struct policy_rule *r, uint32_t asset)
{
	for (size_t i = 0; i < r->n_to; i++)
		if (r->to[i] + 1 == asset)
			return true;
	return !r->n_to;
}

static bool ref_span(const struct spans *s, uint32_t v)
{
	for (size_t i = 0; i < s->n; i++)
		if (v >= s->v[i].lo && v <= s->v[i].hi)
			return true;
	return !s->n;
}

static bool ref_has_address(uint32_t fc)
{
	static const uint8_t codes[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22, 24 };

	return memchr(codes, (int)fc, sizeof(codes)) != NULL;
}

static bool ref_has_sub(uint32_t fc)
{
	return fc == 8 || fc == 43 || fc == 90;
}

static enum modbus_table ref_table(uint32_t fc)
{
	return fc == 1 || fc == 5 || fc == 15 ? TABLE_COILS :
	       fc == 2 ? TABLE_DISCRETE : fc == 4 ? TABLE_INPUT : TABLE_HOLDING;
}

static bool ref_function(const struct modbus_match *m, uint32_t fc, uint32_t sub)
{
	enum ks_group g = ks_modbus_group(fc, ref_has_sub(fc) ? sub : KS_ANY);

	for (size_t i = 0; i < m->n_functions; i++) {
		const struct function_sel *f = &m->functions[i];

		if (f->kind == FN_GROUP ? f->code == g :
		    f->code == fc && (f->kind == FN_CODE || f->sub == sub))
			return true;
	}
	return !m->n_functions;
}

static bool ref_address(const struct modbus_match *m, uint32_t fc, uint32_t address)
{
	for (size_t i = 0; i < m->n_addresses; i++) {
		const struct address_sel *a = &m->addresses[i];

		if (ref_has_address(fc) && address >= a->span.lo && address <= a->span.hi &&
		    (a->table == TABLE_OWN || a->table == ref_table(fc)))
			return true;
	}
	return !m->n_addresses;
}

static bool ref_modbus_match(const struct policy_rule *r, uint8_t unit, uint32_t fc,
			     uint32_t element)
{
	static const struct modbus_match all;
	const struct modbus_match *m = r->modbus;
	bool read = ks_modbus_group(fc, KS_ANY) == KS_G_read;

	if (r->io || (r->cip && !m))
		return false;
	if (!m)
		m = &all;
	if (!m->units.n && r->allow && unit == 0 && !read)
		return false;
	if (m->umas && fc != 90)
		return false;
	if (m->values && fc != 5 && fc != 6 && fc != 15 && fc != 16 && fc != 22)
		return false;
	if (m->values && m->values->form != KS_VF_WORD && (fc == 5 || fc == 15))
		return false;
	return ref_span(&m->units, unit) && ref_function(m, fc, element) &&
	       ref_address(m, fc, element);
}

static bool ref_default_modbus(enum ks_default d, uint32_t fc, uint32_t sub)
{
	static const uint8_t opaque[] = { 9, 10, 13, 14, 18, 19, 91 };

	if (d == KS_DEFAULT_READONLY)
		return KS_READONLY_GROUPS >> ks_modbus_group(fc, ref_has_sub(fc) ? sub : KS_ANY) & 1;
	if (d == KS_DEFAULT_DENY || memchr(opaque, (int)fc, sizeof(opaque)))
		return false;
	return fc <= 24 || (fc == 43 && sub == 14) ||
	       (fc == 90 && ks_modbus_group(90, sub) != KS_G_other);
}

/* ---- reference: what is written ---- */

/* Numbers as the policy's text has them, compared as numbers. */
static bool ref_bound(const struct value_match *m, const char *text, double v)
{
	bool real = m->type == KS_VT_FLOAT32;
	const char *rest = strstr(text, "..");
	double lo = real ? (double)strtof(text, NULL) : (double)strtoll(text, NULL, 0), hi = lo;

	if (!rest && !real && text[0] != '-' && strchr(text, '-'))
		rest = strchr(text, '-') - 1;
	if (rest)
		hi = real ? (double)strtof(rest + 2, NULL) : (double)strtoll(rest + 2, NULL, 0);
	return v >= lo && v <= hi;
}

static double ref_number(const struct value_match *m, uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	switch (m->type) {
	case KS_VT_INT16:
		return (int16_t)bits;
	case KS_VT_INT32:
		return (int32_t)bits;
	case KS_VT_FLOAT32:
		return (double)f;
	default:
		return bits;
	}
}

static bool ref_bounds(const struct value_match *m, uint32_t bits)
{
	for (size_t i = 0; i < m->n; i++)
		if (ref_bound(m, m->text[i], ref_number(m, bits)))
			return true;
	return false;
}

/* Where the address range begins by which the rule takes the element. */
static uint32_t ref_range(const struct modbus_match *m, uint32_t fc, uint32_t element)
{
	for (size_t i = 0; i < m->n_addresses; i++) {
		const struct address_sel *a = &m->addresses[i];

		if (element >= a->span.lo && element <= a->span.hi &&
		    (a->table == TABLE_OWN || a->table == ref_table(fc)))
			return a->span.lo;
	}
	return 0;
}

/* A write of n registers from lo on; mask: FC 22, one of the values that it may leave. */
struct ref_write {
	const struct request *q;
	uint32_t fc, lo, n, mask;
};

/* Does the rule take what is written there? Nobody knows: if it does not allow. */
static bool ref_takes(const struct policy_rule *r, const struct ref_write *w, uint32_t element)
{
	const struct value_match *m = r->modbus ? r->modbus->values : NULL;
	const uint16_t *v = w->q->written;
	uint32_t first = element - w->lo, a, b;

	if (!m)
		return true;
	if (m->form == KS_VF_WORD)
		return ref_bounds(m, w->fc == 22 ? w->mask : v[first % 64]);
	if (w->fc == 22)
		return !r->allow;
	if ((element - ref_range(r->modbus, w->fc, element)) % 2)
		first--;
	if (first == 0xffffffff || first + 1 >= w->n)
		return !r->allow;
	a = v[first % 64];
	b = v[(first + 1) % 64];
	return ref_bounds(m, m->form == KS_VF_HIGH_FIRST ? a * 65536 + b : b * 65536 + a);
}

/* Rules that could speak at all, in order; looked for once a request. */
struct ref_list {
	uint32_t rule[256];
	size_t n;
	uint32_t asset;
};

static bool ref_modbus_value(const struct policy *p, const struct ref_list *l,
			     const struct ref_write *w, uint32_t element, uint32_t *rule,
			     uint32_t *alert)
{
	uint32_t fc = w->fc;

	for (size_t i = 0; i < l->n; i++) {
		const struct policy_rule *r = &p->rules[l->rule[i]];

		if (!ref_modbus_match(r, w->q->unit, fc, element) || !ref_takes(r, w, element))
			continue;
		if (r->alert) {
			*alert = *alert ? *alert : l->rule[i] + 1;
			continue;
		}
		*rule = l->rule[i] + 1;
		return r->allow;
	}
	*rule = 0;
	return ref_default_modbus(p->dflt, fc, element);
}

static bool ref_has_values(const struct policy *p, const struct ref_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (p->rules[l->rule[i]].modbus && p->rules[l->rule[i]].modbus->values)
			return true;
	return false;
}

/* Of FC 22 every number from the smallest to the largest that it may leave. */
static bool ref_modbus_element(const struct policy *p, const struct ref_list *l,
			       struct ref_write w, uint32_t element, uint32_t *rule,
			       uint32_t *alert)
{
	uint32_t least = w.q->written[1] & ~w.q->written[0] & 0xffff, first;
	bool allow;

	w.mask = least;
	allow = ref_modbus_value(p, l, &w, element, rule, alert);
	first = *rule;
	if (w.fc != 22 || !ref_has_values(p, l))
		return allow;
	while (allow && w.mask < (least | w.q->written[0])) {
		w.mask++;
		allow = ref_modbus_value(p, l, &w, element, rule, alert);
	}
	if (allow)
		*rule = first;
	return allow;
}

/* First refused element, else the first. */
static bool ref_modbus_span(const struct policy *p, const struct ref_list *l,
			    const struct request *q, uint32_t fc, uint32_t lo, uint32_t n,
			    uint32_t *rule, uint32_t *alert)
{
	const struct ref_write w = { .q = q, .fc = fc, .lo = lo, .n = n };
	uint32_t first;
	bool allow = ref_modbus_element(p, l, w, lo, rule, alert);

	first = *rule;
	for (uint32_t i = 1; allow && i < n; i++)
		allow = ref_modbus_element(p, l, w, lo + i, rule, alert);
	if (allow)
		*rule = first;
	return allow;
}

static bool ref_pccc(uint32_t class)
{
	return class >> 5 == KS_CLASS_PCCC >> 5;
}

/* Rules about PCCC count in commands and functions, those about CIP see one service. */
static bool ref_pccc_service(const struct cip_match *m, uint32_t service, uint32_t class)
{
	uint32_t command = (class & 31) / 2, function = (class & 1) * 128 + service;
	const struct ks_cip_row *rows;
	unsigned int n;

	rows = ks_cip_rows(&n);
	for (size_t i = 0; i < m->n_services; i++) {
		const struct service_sel *s = &m->services[i];

		if (s->kind == SV_GROUP && ks_pccc_group(command * 256 + function) == s->code)
			return true;
		if (s->kind == SV_CODE && s->code == (m->pccc ? command * 256 + function : 0x4b))
			return true;
		if (s->kind == SV_NAMED && !strcmp(rows[s->code].name, "execute_pccc"))
			return true;
	}
	return !m->n_services;
}

static bool ref_file(const struct cip_match *m, const struct request *q, uint32_t element)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const struct file_sel *f = &m->files[i];

		if (q->has_file && f->file == q->file && element >= f->span.lo &&
		    element <= f->span.hi && (q->type == NO_TYPE || q->type == f->type + 0x7f))
			return true;
	}
	return !m->n_files;
}

static bool ref_service(const struct cip_match *m, uint32_t service, uint32_t class)
{
	const struct ks_cip_row *rows;
	unsigned int n;

	if (ref_pccc(class))
		return ref_pccc_service(m, service, class);
	rows = ks_cip_rows(&n);
	for (size_t i = 0; i < m->n_services; i++) {
		const struct service_sel *s = &m->services[i];

		if (s->kind == SV_GROUP && ks_cip_group(service, class) == s->code)
			return true;
		if (s->kind == SV_CODE && s->code == service && class != KS_CLASS_ENCAP &&
		    class != KS_CLASS_IO)
			return true;
		for (unsigned int k = 0; s->kind == SV_NAMED && k < n; k++)
			if (!strcmp(rows[k].name, rows[s->code].name) &&
			    rows[k].service == service && rows[k].class == class)
				return true;
	}
	return !m->n_services;
}

static bool ref_tag(const struct cip_match *m, const struct request *q)
{
	for (size_t i = 0; i < m->n_tags; i++)
		if (q->class == KS_CLASS_TAG && !strcasecmp(m->tags[i], q->tag))
			return true;
	return !m->n_tags;
}

static bool ref_cip_match(const struct policy_rule *r, const struct request *q, uint32_t element)
{
	const struct cip_match *m = r->cip;
	bool wire = q->class < KS_CLASS_TAG || q->class == KS_CLASS_OPEN;
	bool hit;

	/* 0: outputs that count, 1: idle, 2: of no connection */
	if (q->class == KS_CLASS_IO && r->allow && r->io == POLICY_IO_IDLE && q->service == 0)
		return false;
	if (q->class == KS_CLASS_IO && r->allow && r->io != POLICY_IO_STATIC && q->service == 2)
		return false;
	if (r->io)
		return ks_cip_group(q->service, q->class) == KS_G_io;
	if (!m)
		return !r->modbus;
	hit = !m->classes.n;
	for (size_t i = 0; i < m->classes.n; i++)
		hit |= m->classes.v[i].lo == (ref_pccc(q->class) ? 0x67 : q->class);
	if (m->pccc && (!ref_pccc(q->class) || !ref_file(m, q, element)))
		return false;
	if (!hit || !ref_service(m, q->service, q->class) || !ref_tag(m, q))
		return false;
	if (m->instances.n &&
	    (!wire || q->instance == KS_NO_VALUE || !ref_span(&m->instances, q->instance)))
		return false;
	return !m->attributes.n || (!ref_pccc(q->class) && q->class != KS_CLASS_ENCAP && q->class != KS_CLASS_IO &&
				    q->attribute != KS_NO_VALUE &&
				    ref_span(&m->attributes, q->attribute));
}

static bool ref_has_route(const struct routes *l, const char *route)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i], route))
			return true;
	return false;
}

/* Without `route`: what allows reaches the asset alone, what denies reaches everything. */
static bool ref_route(const struct policy_rule *r, const struct policy_asset *a,
		      const char *route)
{
	const struct routes *l = r->cip ? &r->cip->routes : NULL;

	if (!l || (!l->n && !l->direct && !l->any))
		return !r->allow || !*route || ref_has_route(&a->routes, route);
	return l->any || (*route ? ref_has_route(l, route) : l->direct);
}

static bool ref_cip_element(const struct policy *p, const struct ref_list *l,
			    const struct request *q, uint32_t element, uint32_t *rule,
			    uint32_t *alert)
{
	enum ks_group g = ks_cip_group(q->service, q->class);

	for (size_t i = 0; i < l->n; i++) {
		const struct policy_rule *r = &p->rules[l->rule[i]];

		if (!ref_route(r, &p->assets[l->asset - 1], q->route))
			continue;
		if (ref_cip_match(r, q, element) && r->alert) {
			*alert = *alert ? *alert : l->rule[i] + 1;
		} else if (ref_cip_match(r, q, element)) {
			*rule = l->rule[i] + 1;
			return r->allow;
		}
		/* a rule with tags closes the way around them */
		if (r->cip && !r->alert && r->cip->n_tags && q->class == 0x6b && g == KS_G_write) {
			*rule = 0;
			return false;
		}
	}
	*rule = 0;
	if (p->dflt == KS_DEFAULT_READONLY)
		return KS_READONLY_GROUPS >> g & 1;
	return p->dflt == KS_DEFAULT_ALLOW && !(ref_pccc(q->class) && g == KS_G_other) &&
	       !(q->class == KS_CLASS_ENCAP && q->service == 0x7f) &&
	       !(q->class == KS_CLASS_IO && q->service == 2);
}

/* First refused element, else the first; and what is Modbus inside has to be allowed too. */
static bool ref_cip(const struct policy *p, const struct ref_list *l,
		    const struct request *q, uint32_t *rule, uint32_t *alert)
{
	struct request modbus = *q;
	uint32_t first;
	bool allow = ref_cip_element(p, l, q, q->element, rule, alert);

	first = *rule;
	for (uint32_t i = 1; allow && q->has_file && i < q->elements; i++)
		if (q->element + i <= 0xffff)
			allow = ref_cip_element(p, l, q, q->element + i, rule, alert);
	if (allow)
		*rule = first;
	modbus.unit = 255;
	if (allow && q->inner)
		allow = ref_modbus_span(p, l, &modbus, q->fc, q->lo, q->n, rule, alert);
	return allow;
}

static inline struct answer ref_answer(const struct policy *p, const struct request *q)
{
	struct answer a = { .asset = ref_asset(p, &q->server) };
	struct ref_list l = { .asset = a.asset };

	a.known = a.asset != 0;
	a.spoofed = ref_spoofed(p, &q->client);
	a.outside = p->n_zones && (!ref_zone(p, &q->client) || !ref_zone(p, &q->server));
	if (!a.known)
		return a;
	for (size_t i = 0; i < p->n_rules && l.n < 256; i++)
		if (ref_from(p, &p->rules[i], &q->client) && ref_to(&p->rules[i], a.asset))
			l.rule[l.n++] = (uint32_t)i;
	if (q->cip) {
		a.allow = ref_cip(p, &l, q, &a.rule, &a.alert);
	} else if (q->fc == 23) {
		a.allow = ref_modbus_span(p, &l, q, 16, q->wlo, q->wn, &a.rule, &a.alert) &&
			  ref_modbus_span(p, &l, q, 3, q->lo, q->n, &a.rule, &a.alert);
	} else if (ref_has_address(q->fc)) {
		a.allow = ref_modbus_span(p, &l, q, q->fc, q->lo, q->n, &a.rule, &a.alert);
	} else {
		a.allow = ref_modbus_span(p, &l, q, q->fc, q->sub, 1, &a.rule, &a.alert);
	}
	return a;
}

/* ---- tables ---- */

static void tab_key(const struct prefix *a, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == 6) {
		memcpy(out, a->addr, 16);
		return;
	}
	memcpy(out, mapped, 12);
	memcpy(out + 12, a->addr, 4);
}

static struct ks_addr_rec tab_address(const struct compiled_policy *c, const struct prefix *a)
{
	struct ks_addr_rec rec = { 0 };
	uint8_t key[16];
	int best = -1;

	tab_key(a, key);
	for (size_t i = 0; i < c->n_addrs; i++)
		if (!memcmp(c->addr_keys[i].addr, key, 16))
			return c->addr_recs[i];
	for (size_t i = 0; i < c->n_prefixes; i++) {
		const struct ks_lpm_key *k = &c->prefix_keys[i];
		bool same = true;

		for (uint32_t b = 0; same && b < k->prefixlen; b++)
			same = !((k->addr[b / 8] ^ key[b / 8]) & 0x80 >> b % 8);
		if (same && (int)k->prefixlen > best) {
			best = (int)k->prefixlen;
			rec = c->prefix_recs[i];
		}
	}
	return rec;
}

/* The longest block of ports, as the kernel's trie finds it. */
static inline uint32_t tab_conduit(const struct compiled_policy *c, const struct prefix *from,
				   const struct prefix *to, uint8_t proto, uint32_t port)
{
	uint16_t a = tab_address(c, from).zone, b = tab_address(c, to).zone;
	uint32_t id = 0, best = 0;

	for (size_t i = 0; a && b && i < c->n_conduit_keys; i++) {
		const struct ks_conduit_key *k = &c->conduit_keys[i];
		uint32_t bits = k->prefixlen - KS_CONDUIT_PAIR_BITS, lo = __builtin_bswap16(k->port);

		if (k->from == a && k->to == b && k->proto == proto && k->prefixlen > best &&
		    port >> (16 - bits) == lo >> (16 - bits)) {
			best = k->prefixlen;
			id = c->conduit_ids[i];
		}
	}
	return id;
}

static const struct ks_range *tab_range(const struct compiled_policy *c,
					const struct ks_decision *d, uint32_t element)
{
	return &c->ranges[slice_find(c->ranges, d, element)];
}

/* A request on its way through the tables, and what it has met. */
struct tab_walk {
	const struct compiled_policy *c;
	const struct request *q;
	uint32_t fc, lo, hi;
	uint32_t *rule, *alert;
};

static bool tab_decided(struct tab_walk *t, const struct ks_decision *d, bool first)
{
	if (!*t->alert)
		*t->alert = d->alert;
	if (first || d->kind != KS_K_ALLOW)
		*t->rule = d->rule;
	return d->kind == KS_K_ALLOW;
}

/* Values from bits on, as a table over them has it. */
static bool tab_known(struct tab_walk *t, const struct ks_decision *d, uint32_t bits,
		      uint32_t last, bool first)
{
	const struct ks_range *r;

	if (d->kind != KS_K_SLICE)
		return tab_decided(t, d, first);
	r = tab_range(t->c, d, bits);
	while (tab_decided(t, &r->d, first)) {
		if (r->to >= last)
			return true;
		r = tab_range(t->c, d, r->to + 1);
		first = false;
	}
	return false;
}

static bool tab_written(struct tab_walk *t, const struct ks_values *v, uint32_t at)
{
	const uint16_t *w = t->q->written;
	uint32_t i = at - t->lo, start = at - ((at ^ v->odd) & 1), a, b;

	if (t->fc == 22 && v->form == KS_VF_WORD) {
		a = w[1] & ~w[0] & 0xffff;
		return tab_known(t, &v->known, a, a | w[0], at == t->lo);
	}
	if (v->form == KS_VF_WORD)
		return tab_known(t, &v->known, w[i % 64], w[i % 64], at == t->lo);
	if (t->fc == 22 || start < t->lo || start + 1 > t->hi)
		return tab_decided(t, &v->unknown, at == t->lo);
	a = w[(start - t->lo) % 64];
	b = w[(start - t->lo + 1) % 64];
	a = v->form == KS_VF_HIGH_FIRST ? a << 16 | b : b << 16 | a;
	return tab_known(t, &v->known, a, a, at == t->lo);
}

/* Range by range, and where values count element by element. */
static bool tab_elements(struct tab_walk *t, const struct ks_decision *d)
{
	for (uint64_t at = t->lo; at <= t->hi; at++) {
		const struct ks_range *r = tab_range(t->c, d, (uint32_t)at);

		if (r->d.kind == KS_K_VALUES ?
		    !tab_written(t, &t->c->values[r->d.first], (uint32_t)at) :
		    !tab_decided(t, &r->d, at == t->lo))
			return false;
	}
	return true;
}

static bool tab_span(struct tab_walk t, const struct ks_decision *d, uint32_t next)
{
	const struct compiled_policy *c = t.c;
	const struct ks_decision *all = d;
	uint32_t lo = t.lo, hi = t.hi, *rule = t.rule;
	const struct ks_range *r = NULL;

	for (int depth = 0; depth < 2 && d->kind == KS_K_SLICE; depth++) {
		r = tab_range(c, d, lo);
		d = &r->d;
		if (d->kind == KS_K_SLICE)
			lo = hi = next;
	}
	if (d->kind == KS_K_VALUES ||
	    (d->kind == KS_K_ALLOW && r && hi > r->to && r->refused_rule == KS_RULE_WALK))
		return tab_elements(&t, all);
	*rule = d->rule;
	if (!*t.alert)
		*t.alert = d->alert;
	if (d->kind != KS_K_ALLOW)
		return false;
	if (!r || hi <= r->to)
		return true;
	*rule = r->refused_rule;
	return false;
}

static bool tab_modbus(const struct compiled_policy *c, const struct ks_profile_rec *prof,
		       const struct request *q, uint32_t *rule, uint32_t *alert)
{
	uint32_t row = prof->units ? c->units[prof->units].row[q->unit] : prof->mb_row;
	const struct ks_decision *d = c->modbus + row * 128;
	struct tab_walk t = { c, q, q->fc, q->lo, q->lo + q->n - 1, rule, alert };
	struct tab_walk write = { c, q, 16, q->wlo, q->wlo + q->wn - 1, rule, alert };

	if (q->fc == 23)
		return tab_span(write, &d[16], 0) && tab_span(t, &d[3], 0);
	if (!ref_has_address(q->fc))
		t.lo = t.hi = q->sub;
	return tab_span(t, &d[q->fc], 0);
}

/* The data path's numbering of data-table elements. */
static void tab_file(const struct request *q, uint32_t *lo, uint32_t *hi)
{
	uint32_t type = q->type == NO_TYPE ? 0 : KS_PCCC_TYPE(q->type);
	uint32_t last = q->element + q->elements - 1;

	*lo = *hi = KS_NO_VALUE;
	if (!q->has_file || q->file > KS_PCCC_FILE_MAX ||
	    (q->type != NO_TYPE && (q->type < 0x80 || q->type > 0x9f)))
		return;
	*lo = KS_PCCC_ELEMENT(type, q->file, q->element);
	*hi = KS_PCCC_ELEMENT(type, q->file, last > 0xffff ? 0xffff : last);
}

static uint32_t tab_cip_row(const struct compiled_policy *c, const struct ks_profile_rec *prof,
			    const char *route)
{
	uint32_t index = *route ? KS_ROUTE_OTHER : KS_ROUTE_DIRECT;
	struct ks_route_key key = { 0 };

	if (!prof->routes)
		return prof->cip_row;
	if (*route && strlen(route) <= KS_ROUTE_MAX)
		memcpy(key.text, route, strlen(route));
	for (size_t i = 0; i < c->n_routes; i++)
		if (!memcmp(&c->route_keys[i], &key, sizeof(key)))
			index = c->route_ids[i];
	return c->route_rows[prof->routes + index];
}

static bool tab_cip(const struct compiled_policy *c, const struct ks_profile_rec *prof,
		    const struct request *q, uint32_t *rule, uint32_t *alert)
{
	uint32_t index = 0, instance = q->instance, last, leaf;
	struct request modbus = *q;
	bool allow;
	struct ks_tag_key key = { 0 };

	for (size_t i = 0; i < c->n_classes; i++)
		if (c->class_keys[i] == q->class)
			index = c->class_index[i];
	leaf = c->leaves[index * 128 + q->service].leaf;
	if (q->class == KS_CLASS_TAG) {
		for (size_t i = 0; q->tag[i] && i < KS_TAG_MAX; i++)
			key.name[i] = (uint8_t)tolower(q->tag[i]);
		instance = 0;
		for (size_t i = 0; i < c->n_tags; i++)
			if (!memcmp(&c->tag_keys[i], &key, sizeof(key)))
				instance = c->tag_ids[i];
	}
	last = instance;
	if (ref_pccc(q->class))
		tab_file(q, &instance, &last);
	allow = tab_span((struct tab_walk){ c, q, 0, instance, last, rule, alert },
			 &c->cip[tab_cip_row(c, prof, q->route) * c->cfg->leaves + leaf],
			 q->attribute);
	modbus.unit = 255;
	return allow && q->inner ? tab_modbus(c, prof, &modbus, rule, alert) : allow;
}

/* The profile of the pair, NULL when the server is no asset. */
static const struct ks_profile_rec *tab_profile(const struct compiled_policy *c,
						const struct request *q, struct answer *a)
{
	struct ks_addr_rec server = tab_address(c, &q->server);
	struct ks_addr_rec client = tab_address(c, &q->client);
	uint32_t profile;

	a->asset = server.flags & KS_ADDR_LOCAL ? 0 : server.asset;
	a->known = a->asset != 0;
	a->spoofed = client.flags & KS_ADDR_PROTECTED;
	a->outside = c->cfg->zoned && (!client.zone || !server.zone);
	if (!a->known)
		return NULL;
	profile = c->assets[a->asset].profile;
	for (size_t i = 0; i < c->n_pairs; i++)
		if (c->pair_keys[i].client_class == client.client_class &&
		    c->pair_keys[i].asset == a->asset)
			profile = c->pair_profiles[i];
	return &c->profiles[profile];
}

static inline struct answer tab_answer(const struct compiled_policy *c, const struct request *q)
{
	struct answer a = { .known = false };
	const struct ks_profile_rec *prof = tab_profile(c, q, &a);

	if (prof)
		a.allow = q->cip ? tab_cip(c, prof, q, &a.rule, &a.alert)
				 : tab_modbus(c, prof, q, &a.rule, &a.alert);
	return a;
}

#endif
