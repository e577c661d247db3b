// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prefixes to records: every prefix that a rule, an asset, `protected` or
 * `local` names becomes one entry that holds what is true for its addresses,
 * shorter prefixes around it included. So one look-up gives all.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "policy_compile.h"

/* In the order in which they are applied at one prefix. */
enum mark_kind { MARK_ATOM, MARK_ASSET, MARK_PROTECTED, MARK_LOCAL, MARK_ZONE, MARK_BINDING };

/* One statement about a prefix. */
struct mark {
	struct prefix prefix;
	enum mark_kind kind;
	uint32_t id;		/* atom, binding; asset or zone from 1 */
};

struct marks {
	struct mark *v;
	size_t n;
};

/* A prefix on the path from the root to the present one. */
struct level {
	struct prefix prefix;
	struct ks_addr_rec rec;
};

static void add_marks(struct compiler *k, struct marks *m, const struct prefixes *list,
		      enum mark_kind kind, uint32_t id)
{
	for (size_t i = 0; i < list->n; i++) {
		m->v = arena_grow(&k->tmp, m->v, m->n, sizeof(*m->v));
		m->v[m->n++] = (struct mark){ list->v[i], kind, id };
	}
}

/* ---- atoms: the things that rules name in `from` ---- */

struct atoms {
	uint32_t *host, *group;	/* atom + 1 of a host or group, 0 = not used */
	struct pool literals;	/* entry -> atom by literal_atom */
	struct numbers literal_atom;
};

static uint32_t new_atom(struct compiler *k)
{
	k->atom_rules = arena_grow(&k->tmp, k->atom_rules, k->n_atoms,
				   sizeof(*k->atom_rules));
	k->atom_rules[k->n_atoms] = (struct numbers){ 0 };
	return (uint32_t)k->n_atoms++;
}

static uint32_t source_atom(struct compiler *k, struct atoms *a, struct marks *m,
			    const struct source *s)
{
	const struct policy *p = k->p;
	uint32_t *known = s->kind == SOURCE_HOST ? &a->host[s->index]
						 : &a->group[s->index];
	uint32_t entry, atom;

	if (s->kind == SOURCE_LITERAL) {
		struct prefix literal = s->literal;

		entry = pool_put(&a->literals, &literal, 1);
		if (entry < a->literal_atom.n)
			return a->literal_atom.v[entry];
		atom = new_atom(k);
		numbers_add(&k->tmp, &a->literal_atom, atom);
		add_marks(k, m, &(struct prefixes){ .v = &literal, .n = 1 }, MARK_ATOM, atom);
		return atom;
	}
	if (*known)
		return *known - 1;
	atom = new_atom(k);
	*known = atom + 1;
	if (s->kind == SOURCE_HOST)
		add_marks(k, m, &p->hosts[s->index].addrs, MARK_ATOM, atom);
	for (size_t i = 0; s->kind == SOURCE_GROUP && i < p->groups[s->index].n; i++)
		add_marks(k, m, &p->hosts[p->groups[s->index].hosts[i]].addrs,
			  MARK_ATOM, atom);
	return atom;
}

static void collect_atoms(struct compiler *k, struct marks *m)
{
	const struct policy *p = k->p;
	struct atoms a = {
		.host = arena_alloc(&k->tmp, (p->n_hosts + 1) * sizeof(uint32_t)),
		.group = arena_alloc(&k->tmp, (p->n_groups + 1) * sizeof(uint32_t)),
	};

	pool_init(&a.literals, &k->tmp, sizeof(struct prefix));
	for (size_t r = 0; r < p->n_rules; r++) {
		for (size_t i = 0; i < p->rules[r].n_from; i++) {
			uint32_t atom = source_atom(k, &a, m, &p->rules[r].from[i]);
			struct numbers *l = &k->atom_rules[atom];

			if (!l->n || l->v[l->n - 1] != r)
				numbers_add(&k->tmp, l, (uint32_t)r);
		}
	}
}

/* ---- the walk over all prefixes, outer before inner ---- */

static int compare_marks(const void *pa, const void *pb)
{
	const struct mark *a = pa, *b = pb;
	int diff = prefix_compare(&a->prefix, &b->prefix);

	if (diff)
		return diff;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

#define MARKED_BITS 12 /* a prefix that would set more bits than 2^12 sets them all */

/* The bits of `map` that ks_mark() gives for a prefix whose last word has `open` free bits. */
static void mark_words(uint8_t *map, size_t bytes, uint32_t bits, uint32_t words, unsigned int open)
{
	if (open > MARKED_BITS) {
		memset(map, 0xff, bytes);
		return;
	}
	for (uint32_t i = 0; i < 1u << open; i++) {
		uint32_t bit = ks_mark(words ^ htonl(i), bits);

		map[bit >> 3] |= (uint8_t)(1u << (bit & 7));
	}
}

static void mark_region4(struct ks_pol_marked *m, const struct prefix *p, uint32_t address)
{
	uint32_t n = p->len < 16 ? 1u << (16 - p->len) : 1;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t bit = (ntohl(address) >> 16) + i;

		m->region4[bit >> 3] |= (uint8_t)(1u << (bit & 7));
	}
	mark_words(m->region6, sizeof(m->region6), KS_REGION_BITS, 0, 0); /* ::ffff:0:0/96 */
}

/* A prefix leaves its address bits beyond len clear. */
static void mark_prefix(struct ks_pol_marked *m, const struct prefix *p,
			const struct ks_addr_rec *rec)
{
	unsigned int width = prefix_width(p);
	uint32_t w[4];
	uint8_t key[16];

	prefix_key(p, key);
	memcpy(w, key, sizeof(w));
	if (rec->asset)
		mark_words(m->assets, sizeof(m->assets), KS_ASSET_BITS, w[0] ^ w[1] ^ w[2] ^ w[3],
			   width - p->len);
	if (!(rec->flags & KS_ADDR_PROTECTED))
		return;
	if (p->family == 4)
		mark_region4(m, p, w[3]);
	else
		mark_words(m->region6, sizeof(m->region6), KS_REGION_BITS, w[0] ^ w[1],
			   p->len < 64 ? 64 - p->len : 0);
}

static void emit_record(struct compiler *k, const struct prefix *p,
			const struct ks_addr_rec *rec)
{
	struct compiled_policy *c = k->c;
	size_t n;

	mark_prefix(c->marked, p, rec);
	if (p->len == prefix_width(p)) {
		n = c->n_addrs++;
		c->addr_keys = arena_grow(&c->mem, c->addr_keys, n, sizeof(*c->addr_keys));
		c->addr_recs = arena_grow(&c->mem, c->addr_recs, n, sizeof(*c->addr_recs));
		prefix_key(p, c->addr_keys[n].addr);
		c->addr_recs[n] = *rec;
		return;
	}
	n = c->n_prefixes++;
	c->prefix_keys = arena_grow(&c->mem, c->prefix_keys, n, sizeof(*c->prefix_keys));
	c->prefix_recs = arena_grow(&c->mem, c->prefix_recs, n, sizeof(*c->prefix_recs));
	prefix_key(p, c->prefix_keys[n].addr);
	c->prefix_keys[n].prefixlen = p->len + (p->family == 4 ? 96u : 0);
	c->prefix_recs[n] = *rec;
}

/* The parent's atoms and this prefix's own make its client class. */
static uint32_t class_with(struct compiler *k, uint32_t parent, const struct mark *m,
			   size_t n)
{
	struct numbers set = { 0 };
	const uint32_t *old;
	uint32_t count;

	old = pool_get(&k->class_sets, parent, &count);
	for (uint32_t i = 0; i < count; i++)
		numbers_add(&k->tmp, &set, old[i]);
	for (size_t i = 0; i < n; i++)
		if (m[i].kind == MARK_ATOM)
			numbers_add(&k->tmp, &set, m[i].id);
	if (set.n == count)
		return parent;
	numbers_sort_unique(&set);
	return pool_put(&k->class_sets, set.v, (uint32_t)set.n);
}

/* What is behind the gateway is in no zone of the client side that lies around it. */
static void set_protected(struct compiler *k, struct ks_addr_rec *rec)
{
	rec->flags |= KS_ADDR_PROTECTED;
	if (rec->zone && !k->p->zones[rec->zone - 1].protected)
		rec->zone = 0;
}

static void set_zone(struct compiler *k, struct ks_addr_rec *rec, uint32_t zone)
{
	rec->zone = (uint16_t)zone;
	if (k->p->zones[zone - 1].protected)
		rec->flags |= KS_ADDR_PROTECTED;
	else
		rec->flags &= (uint8_t)~KS_ADDR_PROTECTED;
}

static void apply_marks(struct compiler *k, struct level *l, const struct mark *m,
			size_t n)
{
	l->rec.client_class = class_with(k, l->rec.client_class, m, n);
	for (size_t i = 0; i < n; i++) {
		switch (m[i].kind) {
		case MARK_ASSET:
			l->rec.asset = m[i].id;
			/* an asset that is everywhere says nothing about sides */
			if (l->prefix.len)
				set_protected(k, &l->rec);
			break;
		case MARK_PROTECTED:
			set_protected(k, &l->rec);
			break;
		case MARK_ZONE:
			set_zone(k, &l->rec, m[i].id);
			break;
		case MARK_BINDING:
			l->rec.binding = m[i].id;
			break;
		case MARK_LOCAL:
			l->rec.flags |= KS_ADDR_LOCAL;
			break;
		case MARK_ATOM:
			break;
		}
	}
	if (l->rec.flags & KS_ADDR_LOCAL)
		l->rec.asset = 0;
}

static void walk_prefixes(struct compiler *k, const struct marks *m)
{
	struct level path[130];
	unsigned int depth = 0;

	for (size_t i = 0, n; i < m->n; i += n) {
		const struct prefix *p = &m->v[i].prefix;

		for (n = 1; i + n < m->n && prefix_equal(&m->v[i + n].prefix, p);)
			n++;
		while (depth && !prefix_contains(&path[depth - 1].prefix, p))
			depth--;
		path[depth] = depth ? path[depth - 1] : (struct level){ 0 };
		path[depth].prefix = *p;
		apply_marks(k, &path[depth], &m->v[i], n);
		emit_record(k, p, &path[depth].rec);
		depth++;
	}
}

/*
 * IPv4 stands in the IPv6 space as ::ffff:0:0/96. Where no rule or asset says
 * anything about all of IPv4, a short IPv6 prefix must not speak for it.
 */
static void fence_ipv4(struct compiler *k)
{
	static const struct prefix all4 = { .family = 4 };
	struct compiled_policy *c = k->c;
	bool wide6 = false, has4 = false;
	uint8_t key4[16];

	prefix_key(&all4, key4);

	for (size_t i = 0; i < c->n_prefixes; i++) {
		wide6 |= c->prefix_keys[i].prefixlen < 96;
		has4 |= c->prefix_keys[i].prefixlen == 96 &&
			!memcmp(c->prefix_keys[i].addr, key4, sizeof(key4));
	}
	if (wide6 && !has4)
		emit_record(k, &all4, &(struct ks_addr_rec){ 0 });
}

void compile_addresses(struct compiler *k)
{
	const struct policy *p = k->p;
	struct marks m = { 0 };

	k->c->marked = &k->c->ports->marked;
	pool_init(&k->class_sets, &k->tmp, sizeof(uint32_t));
	pool_put(&k->class_sets, NULL, 0);
	collect_atoms(k, &m);
	for (size_t i = 0; i < p->n_assets; i++)
		add_marks(k, &m, &p->assets[i].addrs, MARK_ASSET, (uint32_t)i + 1);
	add_marks(k, &m, &p->protected, MARK_PROTECTED, 0);
	add_marks(k, &m, &p->local, MARK_LOCAL, 0);
	for (size_t i = 0; i < p->n_zones; i++)
		add_marks(k, &m, &p->zones[i].addrs, MARK_ZONE, (uint32_t)i + 1);
	for (size_t i = 0; i < p->n_hosts; i++)
		if (k->host_binding[i])
			add_marks(k, &m, &p->hosts[i].addrs, MARK_BINDING, k->host_binding[i]);
	if (m.n)
		qsort(m.v, m.n, sizeof(*m.v), compare_marks);
	walk_prefixes(k, &m);
	fence_ipv4(k);
	k->c->cfg->has_prefixes = k->c->n_prefixes != 0;
}
