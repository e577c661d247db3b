// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checked reading of YAML nodes: words, numbers, ranges, addresses, and
 * mappings by table. Every refusal names the token and what was expected.
 * Must not know the grammar of a policy.
 */
#include <ctype.h>
#include <string.h>

#include "policy_parse.h"

/* ---- names ---- */

void names_init(struct names *t, struct arena *mem)
{
	*t = (struct names){ .mem = mem };
}

static struct name_slot *names_slot(const struct names *t, const char *name,
				    size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3u;
	for (i = (h ^ h >> 32) & (t->size - 1); t->slot[i].name;
	     i = (i + 1) & (t->size - 1))
		if (t->slot[i].len == len && !memcmp(t->slot[i].name, name, len))
			break;
	return &t->slot[i];
}

static void names_resize(struct names *t)
{
	struct names old = *t;

	t->size = old.size ? old.size * 4 : 16;
	t->slot = arena_alloc(t->mem, t->size * sizeof(*t->slot));
	for (size_t i = 0; i < old.size; i++)
		if (old.slot[i].name)
			*names_slot(t, old.slot[i].name, old.slot[i].len) = old.slot[i];
}

uint32_t names_add(struct names *t, const char *name, size_t len, uint32_t value)
{
	struct name_slot *s;

	if (2 * t->used >= t->size)
		names_resize(t);
	s = names_slot(t, name, len);
	if (s->name)
		return s->value;
	*s = (struct name_slot){ name, len, value };
	t->used++;
	return NO_NAME;
}

uint32_t names_find(const struct names *t, const char *name, size_t len)
{
	struct name_slot *s;

	if (!t->size)
		return NO_NAME;
	s = names_slot(t, name, len);
	return s->name ? s->value : NO_NAME;
}

const char *const *names_list(const struct names *t, struct arena *mem)
{
	const char **list = arena_alloc(mem, (t->used + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < t->size; i++)
		if (t->slot[i].name)
			list[n++] = t->slot[i].name;
	return list;
}

/* ---- scalars ---- */

const char *node_quote(struct parser *ps, const struct ynode *n)
{
	return diag_quote(ps->d, n->text, n->len);
}

bool node_is(const struct ynode *n, const char *word)
{
	return n->kind == Y_SCALAR && n->len == strlen(word) &&
	       !memcmp(n->text, word, n->len);
}

void node_wrong(struct parser *ps, const struct ynode *n, const char *expected)
{
	if (n->broken)
		return;
	if (n->kind != Y_SCALAR)
		diag_error(ps->d, n->at, "%s, expected %s",
			   n->kind == Y_LIST ? "a list" : "a mapping", expected);
	else if (n->empty)
		diag_error(ps->d, n->at, "no value, expected %s", expected);
	else
		diag_error(ps->d, n->at, "'%s', expected %s", node_quote(ps, n),
			   expected);
}

bool want_scalar(struct parser *ps, const struct ynode *n, const char *expected)
{
	if (n->kind == Y_SCALAR && !n->empty)
		return true;
	node_wrong(ps, n, expected);
	return false;
}

bool want_map(struct parser *ps, const struct ynode *n, const char *expected)
{
	if (n->kind == Y_MAP)
		return true;
	node_wrong(ps, n, expected);
	return false;
}

bool read_name(struct parser *ps, const struct ynode *n, const char *what,
	       const char **out)
{
	struct prefix ignored;
	bool ok = true;

	if (!want_scalar(ps, n, what))
		return false;
	for (size_t i = 0; i < n->len; i++)
		ok &= isalnum((unsigned char)n->text[i]) ||
		      strchr("_.-", n->text[i]);
	if (!ok || n->len >= KS_NAME_MAX) {
		diag_error(ps->d, n->at,
			   "'%s', expected %s of 1 to %d letters, digits, '_', '.', '-'",
			   node_quote(ps, n), what, KS_NAME_MAX - 1);
		return false;
	}
	if (node_is(n, "any") ||
	    prefix_parse(n->text, n->len, &ignored) != PREFIX_SYNTAX) {
		diag_error(ps->d, n->at, "'%s' means %s in a rule, expected another name",
			   node_quote(ps, n), node_is(n, "any") ? "everything" : "an address");
		return false;
	}
	*out = n->text;
	return true;
}

int read_word(struct parser *ps, const struct ynode *n, const char *const *words,
	      const char *const *later)
{
	const char *near;

	if (!want_scalar(ps, n, diag_join(ps->d, words)))
		return -1;
	for (int i = 0; words[i]; i++)
		if (node_is(n, words[i]))
			return i;
	for (int i = 0; later && later[i]; i++) {
		if (!node_is(n, later[i]))
			continue;
		diag_error(ps->d, n->at, "'%s' is not yet supported, expected %s",
			   later[i], diag_join(ps->d, words));
		return -1;
	}
	near = diag_nearest(n->text, n->len, words);
	diag_error(ps->d, n->at, "'%s', expected %s%s%s%s", node_quote(ps, n),
		   diag_join(ps->d, words), near ? "; did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
	return -1;
}

bool text_number(const char *text, size_t len, uint32_t *out)
{
	uint64_t v = 0;
	unsigned int base = 10;

	if (len > 2 && text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
		len -= 2;
	} else if (len > 1 && text[0] == '0') {
		return false;	/* 010 is 8 to some readers and 10 to others */
	}
	if (!len || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		int c = tolower((unsigned char)text[i]);
		unsigned int digit = isdigit(c) ? (unsigned int)(c - '0') :
				     c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10) : 99;

		if (digit >= base)
			return false;
		v = v * base + digit;
	}
	*out = (uint32_t)v;
	return v <= UINT32_MAX;
}

bool read_number(struct parser *ps, const struct ynode *n, uint32_t lo, uint32_t hi,
		 const char *what, uint32_t *out)
{
	if (!want_scalar(ps, n, what))
		return false;
	if (text_number(n->text, n->len, out) && *out >= lo && *out <= hi)
		return true;
	diag_error(ps->d, n->at, "'%s', expected %s (%u to %u)", node_quote(ps, n),
		   what, lo, hi);
	return false;
}

/* ---- ranges ---- */

static void read_span(struct parser *ps, const struct ynode *n, uint32_t lo,
		      uint32_t hi, const char *what, struct spans *out)
{
	struct span s = { .at = n->at };
	const char *dash;

	if (!want_scalar(ps, n, what))
		return;
	dash = memchr(n->text, '-', n->len);
	if (!dash) {
		if (!read_number(ps, n, lo, hi, what, &s.lo))
			return;
		s.hi = s.lo;
	} else {
		size_t left = (size_t)(dash - n->text);

		if (!text_number(n->text, left, &s.lo) ||
		    !text_number(dash + 1, n->len - left - 1, &s.hi) ||
		    s.lo < lo || s.hi > hi) {
			diag_error(ps->d, n->at,
				   "'%s', expected %s or a range of them (%u to %u)",
				   node_quote(ps, n), what, lo, hi);
			return;
		}
		if (s.lo > s.hi) {
			diag_error(ps->d, n->at, "range '%s' is empty, expected '%u-%u'",
				   node_quote(ps, n), s.hi, s.lo);
			return;
		}
	}
	out->v = arena_grow(&ps->p->mem, out->v, out->n, sizeof(*out->v));
	out->v[out->n++] = s;
}

size_t count_wanted(struct parser *ps, const struct ynode *n, const char *expected)
{
	if (node_is(n, "any"))
		return 0;
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected %s; leave the key out for any",
			   expected);
	return node_count(n);
}

void read_spans(struct parser *ps, const struct ynode *n, uint32_t lo, uint32_t hi,
		const char *what, struct spans *out)
{
	for (size_t i = 0, count = count_wanted(ps, n, what); i < count; i++)
		read_span(ps, node_at(n, i), lo, hi, what, out);
}

/* ---- addresses ---- */

bool text_prefix(struct parser *ps, const struct ynode *n, struct prefix *out)
{
	char buf[PREFIX_TEXT_MAX];

	switch (prefix_parse(n->text, n->len, out)) {
	case PREFIX_OK:
		return true;
	case PREFIX_HOST_BITS:
		diag_error(ps->d, n->at,
			   "'%s' has bits set beyond its prefix length, expected '%s'",
			   node_quote(ps, n), prefix_format(out, buf));
		return false;
	case PREFIX_LENGTH:
		diag_error(ps->d, n->at, "'%s', expected a prefix length of 0 to %u",
			   node_quote(ps, n), prefix_width(out));
		return false;
	case PREFIX_MAPPED:
		diag_error(ps->d, n->at,
			   "'%s' is an IPv4 address in IPv6 form, expected it as IPv4",
			   node_quote(ps, n));
		return false;
	case PREFIX_SYNTAX:
		break;
	}
	node_wrong(ps, n, "an IP address or prefix");
	return false;
}

void prefixes_add(struct parser *ps, struct prefixes *out, const struct prefix *p,
		  struct pos at)
{
	out->v = arena_grow(&ps->p->mem, out->v, out->n, sizeof(*out->v));
	out->at = arena_grow(&ps->p->mem, out->at, out->n, sizeof(*out->at));
	out->v[out->n] = *p;
	out->at[out->n++] = at;
}

void read_prefixes(struct parser *ps, const struct ynode *n, struct prefixes *out)
{
	if (n->kind == Y_LIST && !n->n)
		diag_error(ps->d, n->at, "empty list, expected an IP address or prefix");
	for (size_t i = 0; i < node_count(n); i++) {
		const struct ynode *m = node_at(n, i);
		struct prefix p;

		if (!want_scalar(ps, m, "an IP address or prefix") ||
		    !text_prefix(ps, m, &p))
			continue;
		prefixes_add(ps, out, &p, m->at);
	}
}

/* ---- collections ---- */

size_t node_count(const struct ynode *n)
{
	return n->kind == Y_LIST ? n->n : 1;
}

const struct ynode *node_at(const struct ynode *n, size_t i)
{
	return n->kind == Y_LIST ? n->item[i] : n;
}

static void unknown_key(struct parser *ps, const struct ynode *key,
			const struct ykey *keys)
{
	const char **words;
	const char *near;
	size_t n = 0;

	while (keys[n].name)
		n++;
	words = arena_alloc(&ps->d->mem, (n + 1) * sizeof(*words));
	for (size_t i = 0; i < n; i++)
		words[i] = keys[i].name;
	near = diag_nearest(key->text, key->len, words);
	diag_error(ps->d, key->at, "unknown key '%s', expected %s%s%s%s",
		   node_quote(ps, key), diag_join(ps->d, words),
		   near ? "; did you mean '" : "", near ? near : "",
		   near ? "'?" : "");
}

#define KEYS_MAX 32

void read_map(struct parser *ps, const struct ynode *map, const struct ykey *keys,
	      void *arg, const char *what)
{
	const struct ynode *found[KEYS_MAX] = { NULL };

	for (size_t i = 0; i < map->n; i++) {
		const struct ynode *key = map->item[2 * i];
		size_t k = 0;

		if (key->kind != Y_SCALAR || key->broken)
			continue;	/* said so already */
		while (keys[k].name && !node_is(key, keys[k].name))
			k++;
		if (!keys[k].name)
			unknown_key(ps, key, keys);
		else if (!found[k])
			found[k] = map->item[2 * i + 1];
	}
	for (size_t k = 0; keys[k].name; k++) {
		if (found[k])
			keys[k].read(ps, found[k], arg);
		else if (keys[k].required)
			diag_error(ps->d, map->at, "%s without '%s', expected that key",
				   what, keys[k].name);
	}
}
