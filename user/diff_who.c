// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of clients and servers in words, by the names of the new policy, else those of the
 * old. Must not compare anything.
 */
#include <stdlib.h>
#include <string.h>

#include "diff_json.h"

/* Which regions are in a set; parts of one that are not are its exceptions. */
struct cover {
	const struct policy_diff *d;
	bool *in;		/* by region; empty ones are what is around them */
	uint32_t *top;		/* the outermost region that one in the set belongs to */
	const bool *servers;	/* by number; NULL: clients */
	uint32_t families;	/* others are left out */
};

static bool set_holds_number(const struct policy_diff *d, uint32_t set, uint32_t v)
{
	uint32_t n, lo = 0;
	const uint32_t *all = pool_get(&d->sets, set, &n);

	/* sorted */
	while (n > 0) {
		uint32_t half = n / 2;

		if (all[lo + half] == v)
			return true;
		if (all[lo + half] < v) {
			lo += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return false;
}

/* Regions without an address, and clients that are refused anyway, follow what is around. */
static void fill_cover(struct cover *c, uint32_t set)
{
	for (size_t i = 0; i < c->d->n_regions; i++) {
		const struct diff_region *r = &c->d->regions[i];
		bool outer = r->parent && c->in[r->parent - 1];

		if (!(c->families & (r->prefix.family == 4 ? DIFF_IPV4 : DIFF_IPV6)))
			c->in[i] = false;
		else if (r->covered || (!c->servers && r->spoofed))
			c->in[i] = outer;
		else if (c->servers)
			c->in[i] = c->servers[r->server];
		else
			c->in[i] = set_holds_number(c->d, set, r->client);
		c->top[i] = c->in[i] && outer ? c->top[r->parent - 1] : (uint32_t)i;
	}
}

static const char *host_of(const struct policy *p, const struct prefix *prefix)
{
	for (size_t i = 0; i < p->n_hosts; i++)
		for (size_t k = 0; k < p->hosts[i].addrs.n; k++)
			if (prefix_equal(&p->hosts[i].addrs.v[k], prefix))
				return p->hosts[i].name;
	return NULL;
}

/* "hmi (10.1.0.10)" */
static void put_prefix(FILE *out, const struct cover *c, const struct prefix *p)
{
	const char *name = NULL;
	char buf[PREFIX_TEXT_MAX];

	for (int s = DIFF_SIDES; !c->servers && s-- && !name;)
		name = host_of(c->d->side[s].p, p);
	prefix_format(p, buf);
	if (name)
		fprintf(out, "%s (%s)", name, buf);
	else
		fputs(buf, out);
}

static bool is_entry(const struct cover *c, size_t i)
{
	uint32_t parent = c->d->regions[i].parent;

	return c->in[i] && (!parent || !c->in[parent - 1]);
}

/* What the entry holds but is not in the set. */
static void put_exceptions(FILE *out, const struct cover *c, size_t entry, size_t other)
{
	const char *word = " but ";

	for (size_t i = 0; i < c->d->n_regions; i++) {
		uint32_t parent = c->d->regions[i].parent;

		if (c->in[i] || !parent || !c->in[parent - 1] ||
		    (c->top[parent - 1] != entry && c->top[parent - 1] != other))
			continue;
		fputs(word, out);
		put_prefix(out, c, &c->d->regions[i].prefix);
		word = ", ";
	}
}

static FILE *open_text(char **text, size_t *size)
{
	FILE *out = open_memstream(text, size);

	if (out)
		return out;
	fputs("keyswitch: out of memory\n", stderr);
	exit(3);
}

/* The stream's text is there once it is closed. */
static json_t *close_text(FILE *out, char **text)
{
	json_t *o;

	fclose(out);
	o = json_string(*text);
	free(*text);
	return o;
}

/* The families' roots that are in the set; true if none is missing. */
static bool find_roots(const struct cover *c, size_t root[2])
{
	uint32_t found = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->d->n_regions && n < 2; i++) {
		if (c->d->regions[i].parent || !c->in[i])
			continue;
		found |= c->d->regions[i].prefix.family == 4 ? DIFF_IPV4 : DIFF_IPV6;
		root[n++] = i;
	}
	if (n == 1)
		root[1] = root[0];
	return found == c->families;
}

/* everything: word for the whole of all families, NULL where there is none */
static json_t *cover_json(const struct cover *c, const char *everything)
{
	size_t root[2] = { 0, 0 }, size;
	bool whole = everything && find_roots(c, root);
	json_t *list = json_array();
	char *text;
	FILE *out;

	for (size_t i = 0; i < c->d->n_regions; i++) {
		bool first = whole && i == root[0];

		if (!is_entry(c, i) || (whole && !first && i == root[1]))
			continue;
		out = open_text(&text, &size);
		if (first)
			fputs(everything, out);
		else
			put_prefix(out, c, &c->d->regions[i].prefix);
		put_exceptions(out, c, i, first ? root[1] : i);
		json_array_append_new(list, close_text(out, &text));
	}
	return list;
}

static struct cover new_cover(const struct policy_diff *d, struct arena *mem)
{
	return (struct cover){
		.d = d, .in = arena_alloc(mem, d->n_regions * sizeof(bool)),
		.top = arena_alloc(mem, d->n_regions * sizeof(uint32_t)),
	};
}

json_t *clients_json(const struct policy_diff *d, uint32_t set, uint32_t families)
{
	struct arena mem = { 0 };
	struct cover c = new_cover(d, &mem);
	json_t *list;

	c.families = families;
	fill_cover(&c, set);
	list = cover_json(&c, "every client");
	arena_free(&mem);
	return list;
}

/* ---- servers ---- */

static const char *asset_name(const struct policy_diff *d, uint32_t server)
{
	const struct diff_server *v = pool_get(&d->servers, server, NULL);

	for (int s = DIFF_SIDES; s--;)
		if (v->asset[s])
			return d->side[s].p->assets[v->asset[s] - 1].name;
	return "";
}

/* Servers of one asset that are in the set, as flags; false if others of it are not. */
static bool flag_asset(const struct policy_diff *d, uint32_t set, const char *name, bool *flags)
{
	bool whole = true;

	for (uint32_t i = 0; i < d->servers.n; i++) {
		flags[i] = !strcmp(asset_name(d, i), name) && set_holds_number(d, set, i);
		whole &= flags[i] || strcmp(asset_name(d, i), name);
	}
	return whole;
}

static json_t *asset_json(const struct policy_diff *d, const char *name, const bool *flags,
			  struct arena *mem)
{
	struct cover c = new_cover(d, mem);
	json_t *parts, *o, *part;
	size_t i, size;
	char *text;
	FILE *out = open_text(&text, &size);

	c.servers = flags;
	c.families = DIFF_IPV4 | DIFF_IPV6;
	fill_cover(&c, 0);
	parts = cover_json(&c, NULL);
	fprintf(out, "%s (", name);
	json_array_foreach(parts, i, part)
		fprintf(out, "%s%s", i ? ", " : "", json_string_value(part));
	fputs(")", out);
	o = close_text(out, &text);
	json_decref(parts);
	return o;
}

json_t *servers_json(const struct policy_diff *d, uint32_t set)
{
	struct arena mem = { 0 };
	bool *flags = arena_alloc(&mem, d->servers.n * sizeof(bool));
	bool *done = arena_alloc(&mem, d->servers.n * sizeof(bool));
	json_t *list = json_array();
	uint32_t n, *all = pool_get(&d->sets, set, &n);

	for (uint32_t i = 0; i < n; i++) {
		const char *name = asset_name(d, all[i]);
		bool whole;

		if (done[all[i]])
			continue;
		whole = flag_asset(d, set, name, flags);
		for (uint32_t k = 0; k < d->servers.n; k++)
			done[k] |= flags[k];
		json_array_append_new(list, whole ? json_string(name) :
						    asset_json(d, name, flags, &mem));
	}
	arena_free(&mem);
	return list;
}
