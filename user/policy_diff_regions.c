// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who: the address space cut at the borders of both policies' prefixes, and what each
 * policy knows about each piece. Must not look at rules.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_diff_parts.h"

/* What one policy says of a prefix; rec NULL: it is here as the whole of a family. */
struct mark {
	struct prefix prefix;
	enum diff_sides side;
	const struct ks_addr_rec *rec;
};

/* A prefix on the way from the root to the present one. */
struct step {
	struct prefix prefix;
	uint32_t region;		/* 1-based */
	const struct ks_addr_rec *rec[DIFF_SIDES];
	uint8_t next[16];		/* where the next prefix inside has to begin ... */
	bool inner, gap;		/* ... or something is left of this one */
};

struct walk {
	struct policy_diff *d;
	struct mark *mark;
	size_t n;
	struct step path[130];
	unsigned int depth;
};

/* Keys are IPv6; IPv4 stands in it as ::ffff:0:0/96. */
static struct prefix prefix_of_key(const uint8_t key[16], uint32_t len)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct prefix p = { .family = 6, .len = (uint8_t)len };

	memcpy(p.addr, key, 16);
	if (len < 96 || memcmp(key, mapped, sizeof(mapped)))
		return p;
	p = (struct prefix){ .family = 4, .len = (uint8_t)(len - 96) };
	memcpy(p.addr, key + 12, 4);
	return p;
}

static void add_mark(struct walk *w, struct prefix p, enum diff_sides side,
		     const struct ks_addr_rec *rec)
{
	w->mark = arena_grow(&w->d->mem, w->mark, w->n, sizeof(*w->mark));
	w->mark[w->n++] = (struct mark){ p, side, rec };
}

static void collect_marks(struct walk *w)
{
	add_mark(w, (struct prefix){ .family = 4 }, DIFF_OLD, NULL);
	add_mark(w, (struct prefix){ .family = 6 }, DIFF_OLD, NULL);
	for (enum diff_sides s = 0; s < DIFF_SIDES; s++) {
		const struct compiled_policy *c = w->d->side[s].c;

		for (size_t i = 0; i < c->n_addrs; i++)
			add_mark(w, prefix_of_key(c->addr_keys[i].addr, 128), s,
				 &c->addr_recs[i]);
		for (size_t i = 0; i < c->n_prefixes; i++)
			add_mark(w, prefix_of_key(c->prefix_keys[i].addr,
						  c->prefix_keys[i].prefixlen), s,
				 &c->prefix_recs[i]);
	}
}

static int compare_marks(const void *pa, const void *pb)
{
	const struct mark *a = pa, *b = pb;

	return prefix_compare(&a->prefix, &b->prefix);
}

/* First address behind a prefix; behind the last one comes the first again. */
static void address_behind(const struct prefix *p, uint8_t out[16])
{
	memcpy(out, p->addr, 16);
	for (int i = p->len ? (p->len - 1) / 8 : -1, add = p->len ? 0x80 >> (p->len - 1) % 8 : 0;
	     i >= 0; i--) {
		int sum = out[i] + add;

		out[i] = (uint8_t)sum;
		add = sum >> 8;
	}
}

static void note_family(struct policy_diff *d, struct numbers *families, uint32_t number,
			const struct step *s)
{
	if (number == families->n)
		numbers_add(&d->mem, families, 0);
	families->v[number] |= s->prefix.family == 4 ? DIFF_IPV4 : DIFF_IPV6;
}

static bool is_outside(const struct policy_diff *d, int side, const struct ks_addr_rec *rec)
{
	return d->side[side].c->cfg->zoned && (!rec || !rec->zone);
}

static uint32_t put_client(struct policy_diff *d, const struct step *s)
{
	struct diff_client c = { 0 };
	uint32_t number;

	for (int i = 0; i < DIFF_SIDES; i++) {
		c.outside[i] = is_outside(d, i, s->rec[i]);
		if (!s->rec[i])
			continue;
		c.class[i] = s->rec[i]->client_class;
		c.protected[i] = (s->rec[i]->flags & KS_ADDR_PROTECTED) != 0;
	}
	number = pool_put(&d->clients, &c, 1);
	note_family(d, &d->client_families, number, s);
	return number;
}

static uint32_t put_server(struct policy_diff *d, const struct step *s)
{
	struct diff_server v = { 0 };
	uint32_t number;

	for (int i = 0; i < DIFF_SIDES; i++) {
		v.outside[i] = is_outside(d, i, s->rec[i]);
		if (s->rec[i])
			v.asset[i] = s->rec[i]->asset;
	}
	number = pool_put(&d->servers, &v, 1);
	note_family(d, &d->server_families, number, s);
	return number;
}

static bool is_spoofed(const struct step *s)
{
	return s->rec[DIFF_OLD] && s->rec[DIFF_NEW] &&
	       s->rec[DIFF_OLD]->flags & s->rec[DIFF_NEW]->flags & KS_ADDR_PROTECTED;
}

static void add_region(struct policy_diff *d, struct step *s, uint32_t parent)
{
	d->regions = arena_grow(&d->mem, d->regions, d->n_regions, sizeof(*d->regions));
	d->regions[d->n_regions] = (struct diff_region){
		.prefix = s->prefix, .parent = parent, .client = put_client(d, s),
		.server = put_server(d, s), .spoofed = is_spoofed(s),
	};
	s->region = (uint32_t)++d->n_regions;
}

static void leave(struct walk *w)
{
	struct step *s = &w->path[--w->depth], *outer = s - 1;
	uint8_t end[16];

	address_behind(&s->prefix, end);
	w->d->regions[s->region - 1].covered = s->inner && !s->gap &&
					       !memcmp(s->next, end, sizeof(end));
	if (!w->depth)
		return;
	outer->gap |= memcmp(outer->next, s->prefix.addr, sizeof(outer->next)) != 0;
	outer->inner = true;
	memcpy(outer->next, end, sizeof(end));
}

static void enter(struct walk *w, const struct mark *m, size_t n)
{
	struct step *s = &w->path[w->depth];
	uint32_t parent = 0;

	*s = (struct step){ .prefix = m->prefix };
	if (w->depth) {
		memcpy(s->rec, s[-1].rec, sizeof(s->rec));
		parent = s[-1].region;
	}
	for (size_t i = 0; i < n; i++)
		if (m[i].rec)
			s->rec[m[i].side] = m[i].rec;
	memcpy(s->next, m->prefix.addr, sizeof(s->next));
	add_region(w->d, s, parent);
	w->depth++;
}

void diff_regions(struct policy_diff *d)
{
	struct walk w = { .d = d };

	pool_init(&d->clients, &d->mem, sizeof(struct diff_client));
	pool_init(&d->servers, &d->mem, sizeof(struct diff_server));
	collect_marks(&w);
	qsort(w.mark, w.n, sizeof(*w.mark), compare_marks);
	for (size_t i = 0, n; i < w.n; i += n) {
		for (n = 1; i + n < w.n && prefix_equal(&w.mark[i + n].prefix, &w.mark[i].prefix);)
			n++;
		while (w.depth && !prefix_contains(&w.path[w.depth - 1].prefix, &w.mark[i].prefix))
			leave(&w);
		enter(&w, &w.mark[i], n);
	}
	while (w.depth)
		leave(&w);
}
